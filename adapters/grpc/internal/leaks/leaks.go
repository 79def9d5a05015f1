// Package leaks is goleak's look at what a package's tests leave running, with
// more patience.
package leaks

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// patience is for goroutines that are about to end, on a machine that has much
// else to do. goleak's own is half a second.
const patience = time.Minute

// Main runs the tests of a package and ends the process: with status 1 if they
// pass and something still runs. TestMain calls it.
func Main(m interface{ Run() int }) {
	status := m.Run()
	if status == 0 {
		if err := find(time.Now().Add(patience)); err != nil {
			fmt.Fprintln(os.Stderr, "goleak: after the tests:", err)
			status = 1
		}
	}
	os.Exit(status)
}

// find looks until nothing is found, or until a time.
func find(until time.Time) error {
	for {
		err := goleak.Find()
		if err == nil || time.Now().After(until) {
			return err
		}
	}
}
