#include "textflag.h"

// The linker adds this symbol itself in plugin mode; reached by its dead code pass as well, it would be listed twice.
TEXT runtime·addmoduledata(SB),NOSPLIT|NOFRAME,$0-0
	JMP	fovea∕kernel∕worker∕addmd·addmd(SB)

// func Keep()
// The jump is never taken: it is here so that addmd is reachable.
TEXT ·Keep(SB),NOSPLIT|NOFRAME,$0-0
	CMPQ	SP, $0
	JNE	ok
	JMP	fovea∕kernel∕worker∕addmd·addmd(SB)
ok:
	RET
