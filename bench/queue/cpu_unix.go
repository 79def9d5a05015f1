//go:build unix

package queue

import (
	"syscall"
	"time"
)

// cpuTime is what the process has used. What a timer starts is in it, too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) //nolint:forbidigo // the kernel knows this process
	}

	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
