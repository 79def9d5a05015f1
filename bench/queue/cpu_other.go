//go:build !unix

package queue

import "time"

var begun = time.Now()

// cpuTime is the time that has passed, where that of the processor is not to be
// had from package syscall.
func cpuTime() time.Duration { return time.Since(begun) }
