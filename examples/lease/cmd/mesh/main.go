// Command mesh builds the mesh of examples/lease/mesh and runs it, with the same
// arguments:
//
//	go run ./examples/lease/cmd/mesh
//
// The mesh shows metrics to Prometheus, so it needs the OpenTelemetry SDK and an
// exporter. What needs those is in a module of its own, which commands of this
// one cannot import. So this command has the go command build it, within this
// module's folders.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process round it.
func run(args []string, stdout, stderr io.Writer) int {
	dir, err := os.MkdirTemp("", "mesh-")
	if err != nil {
		fmt.Fprintln(stderr, "mesh:", err)
		return 2
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is a temporary one
	status, err := start(filepath.Join(dir, "mesh"), args, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "mesh:", err)
		return 2
	}

	return status
}

// start builds the mesh and runs it to its end.
func start(program string, args []string, stdout, stderr io.Writer) (status int, err error) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/tqgen/tqgen/examples/lease").Output()
	if err != nil {
		return 0, fmt.Errorf("find examples/lease, from within the module of tqgen: %w", err)
	}
	build := exec.Command("go", "build", "-C", filepath.Join(strings.TrimSpace(string(dir)), "mesh"), "-o", program, ".")
	build.Stdout, build.Stderr = stderr, stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("build the mesh: %w", err)
	}
	mesh := exec.Command(program, args...)
	mesh.Stdin, mesh.Stdout, mesh.Stderr = os.Stdin, stdout, stderr
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := mesh.Start(); err != nil {
		return 0, err
	}
	go func() {
		for s := range signals {
			_ = mesh.Process.Signal(s) // it may have ended
		}
	}()
	err = mesh.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return max(mesh.ProcessState.ExitCode(), 1), nil
	}

	return 0, err
}
