package effect_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// childVariable tells the test binary that it is one of several processes, and
// which.
const childVariable = "TQGEN_EFFECT_CHILD"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(childVariable) {
	case "":
		os.Exit(m.Run())
	case "add":
		err = addKeys(os.Args[1], os.Args[2])
	case "effect":
		err = hangInEffect(os.Args[1], os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is a process of this binary in one of the roles above.
func child(ctx context.Context, role string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"="+role)
	cmd.Stderr = os.Stderr

	return cmd
}
