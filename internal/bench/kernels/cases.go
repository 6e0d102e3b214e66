package kernels

import "fmt"

// An arm is a kernel that is measured.
type arm int

const (
	fovea arm = iota
	gonb
	arms
)

func (a arm) String() string { return [...]string{"fovea", "gonb"}[a] }

// statements makes a cell of statements that run now.
func (a arm) statements(code string) string {
	if a == gonb {
		return "%%\n" + code
	}
	return code
}

// A scenario is one line of the table.
type scenario struct {
	name  string
	about string // what is measured
	gonb  string // what of it GoNB does, where that differs
	goal  goal

	sample func(a arm, i int) request // the i-th measurement, from 0
	after  func(n int) request        // on Fovea, after n samples: what has to hold then
}

// A goal is what is wanted of Fovea's median. Zero fields say nothing.
type goal struct {
	Milliseconds float64 `json:"at_most_ms,omitempty"`
	OfGoNB       float64 `json:"gonb_over_this,omitempty"` // at most GoNB's median divided by this
	OfBase       float64 `json:"of_base,omitempty"`        // at most so much of the row's base
}

// cell asks for a cell's run.
func cell(code, want string) request { return request{Do: "execute", Code: code, Want: want} }

// plainSetUp is what both kernels run before anything is measured, and what is kept from then on.
func (a arm) plainSetUp() []request {
	return []request{
		cell(plainImports+a.statements("fmt.Println(strings.ToUpper(\"ready\"), time.Second)\n"), "READY 1s"),
		cell("func changing() int { return -1 }\nfunc caller() int { return changing() }\nvar kept = 42\n", ""),
	}
}

// plain are the cases without GoMLX.
var plain = []scenario{
	{
		name: "fmt cell", about: "fmt.Println(i)", goal: goal{Milliseconds: 45, OfGoNB: 6},
		sample: func(a arm, i int) request {
			return cell(a.statements(fmt.Sprintf("fmt.Println(%d)\n", i)), fmt.Sprint(i))
		},
	},
	{
		name: "redefinition", about: "a function that another one calls is declared anew",
		sample: func(a arm, i int) request { return cell(fmt.Sprintf("func changing() int { return %d }\n", i), "") },
		after:  func(n int) request { return cell("fmt.Println(caller())", fmt.Sprint(n-1)) },
	},
	{
		name: "type error", about: "var word string = i", goal: goal{Milliseconds: 20},
		sample: func(a arm, i int) request {
			return request{Do: "execute", Code: fmt.Sprintf("var word string = %d\n", i), Fails: true}
		},
	},
	{
		name: "completion", about: "strings.HasPre", goal: goal{Milliseconds: 60},
		sample: func(a arm, i int) request { return completion(a) },
	},
	{
		name: "completion while a cell runs", about: "the cell sleeps for 0.5 s", gonb: "answers when the cell has ended",
		goal: goal{Milliseconds: 60},
		sample: func(a arm, i int) request {
			r := completion(a)
			r.Do, r.Running = "complete_busy", a.statements(sleeping)
			return r
		},
	},
	{
		name: "inspect", about: `strings.HasPrefix("ab", "a")`,
		sample: func(a arm, i int) request {
			code := a.statements("strings.HasPrefix(\"ab\", \"a\")\n")
			return request{Do: "inspect", Code: code, Cursor: len(a.statements("")) + len("strings.HasPre"), Want: "HasPrefix"}
		},
	},
	{
		name: "interrupt to idle", about: "an endless loop of the cell", goal: goal{Milliseconds: 20}, gonb: "kills the cell's process",
		sample: func(a arm, i int) request {
			return request{Do: "interrupt", Code: a.statements(spinning), Settle: 0.1, Fails: true}
		},
		after: func(int) request { return cell("fmt.Println(kept)", "42") },
	},
}

func completion(a arm) request {
	code := a.statements("strings.HasPre")
	return request{Do: "complete", Code: code, Cursor: len(code), Want: "HasPrefix"}
}

// gomlxSetUp is what comes before the cases with GoMLX.
func (a arm) gomlxSetUp() []request {
	if a == gonb { // nothing can be kept
		return []request{cell(gomlxImports+a.statements(gomlxBackend+gomlxCall(1)), gomlxResult(1))}
	}
	return []request{cell(gomlxImports+gomlxBackend+"program := "+gomlxProgram+"\n", "")}
}

// withGoMLX are the cases with GoMLX.
var withGoMLX = []scenario{
	{
		name: "gomlx cell", about: "a graph is made, compiled and called", gonb: "makes the backend too",
		sample: func(a arm, i int) request {
			code := gomlxCall(i)
			if a == gonb {
				code = gomlxBackend + code
			}
			return cell(a.statements(code), gomlxResult(i))
		},
	},
	{
		name: "call of a kept gomlx program", about: "program.MustCall(i)", gonb: "makes backend and program, and calls it",
		goal: goal{Milliseconds: 70, OfGoNB: 10},
		sample: func(a arm, i int) request {
			if a == gonb {
				return cell(a.statements(gomlxBackend+gomlxCall(i)), gomlxResult(i))
			}
			return cell(fmt.Sprintf("fmt.Println(program.MustCall(float32(%d))[0])\n", i), gomlxResult(i))
		},
	},
	{
		name: "definition of a network", about: "a function with three convolutions", goal: goal{Milliseconds: 120},
		sample: func(a arm, i int) request { return cell(gomlxNetwork(10+i), "") },
		after: func(n int) request {
			return cell("fmt.Println(program.MustCall(float32(3))[0], kept)", gomlxResult(3)+" 42")
		},
	},
}
