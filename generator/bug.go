package generator

import "fmt"

// Bug is a fault of tqgen itself, whatever its input was.
type Bug struct {
	Doing string // "render example.com/m/lease.ResourceLease", "" if not known
	What  any    // the error, or what was panicked with
	Stack []byte // of the panic, if it was one
}

func (b *Bug) Error() string {
	text := "a bug of tqgen, not of your code"
	if b.Doing != "" {
		text += ": " + b.Doing
	}
	text += fmt.Sprintf("\n%v\n", b.What)
	if len(b.Stack) > 0 {
		text += fmt.Sprintf("%s\n", b.Stack)
	}

	return text + "please report it with the annotated type: https://github.com/tqgen/tqgen/issues"
}

// Unwrap gives the error the bug came to light by, if it was one.
func (b *Bug) Unwrap() error {
	err, _ := b.What.(error)

	return err
}
