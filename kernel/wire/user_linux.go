package wire

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// sameUser refuses a peer of a Unix socket that runs as another user, unless that is root, who can do anything anyway.
func sameUser(nc net.Conn) error {
	unix, ok := nc.(*net.UnixConn)
	if !ok {
		return nil
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if credErr != nil {
		return credErr
	}
	if int(cred.Uid) != os.Geteuid() && cred.Uid != 0 {
		return fmt.Errorf("peer runs as user %d", cred.Uid)
	}
	return nil
}
