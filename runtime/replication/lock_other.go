//go:build !windows && (!unix || solaris || aix)

package replication

import (
	"errors"
	"os"
)

// openLocked refuses: without a lock that dies with its holder, two writers
// could damage what both rely on.
func openLocked(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// unlock has nothing to do: closing the file is enough.
func unlock(*os.File) {}
