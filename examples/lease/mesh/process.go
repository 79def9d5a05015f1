package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// childVariable tells a process that another one of this program has started
// it: then its standard input is a leash, and it ends when that is closed.
const childVariable = "TQGEN_MESH_CHILD"

// process is a program of the mesh that runs.
type process struct {
	name  string
	cmd   *exec.Cmd
	leash io.Closer     // its standard input
	over  chan struct{} // closed when it has ended
	err   error         // how; valid after over

	mu     sync.Mutex
	frozen bool // guarded by mu
}

// errOver is a process that has ended before it was to.
var errOver = errors.New("it has ended")

// readyWithin bounds how long a process takes to begin.
const readyWithin = 2 * time.Minute

// start runs this program as one of the mesh and returns once it says that it
// is ready. hear is told every line it says.
func start(
	ctx context.Context, name string, stderr io.Writer, hear func(line string), args ...string,
) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = stderr
	leash, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd, leash: leash, over: make(chan struct{})}
	ready := make(chan struct{})
	go p.read(out, ready, hear)
	late := time.NewTimer(readyWithin)
	defer late.Stop()
	select {
	case <-ready:
		return p, nil
	case <-p.over:
		return nil, fmt.Errorf("%s: %w: %w", name, errOver, p.err)
	case <-late.C:
		err = errors.New("it is not ready in time")
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.kill()

	return nil, fmt.Errorf("%s: %w", name, err)
}

// read hands on what the process says, then sees it end.
func (p *process) read(out io.Reader, ready chan<- struct{}, hear func(string)) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready ") && ready != nil {
			close(ready)
			ready = nil
		}
		hear(lines.Text())
	}
	p.err = p.cmd.Wait()
	close(p.over)
}

// kill ends it with SIGKILL and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.over
}

// stop has it end by itself, within the time given, and says how it did.
func (p *process) stop(within time.Duration) error {
	_ = p.thaw() // it may be gone
	_ = p.leash.Close()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-p.over:
	case <-late.C:
		p.kill()

		return fmt.Errorf("%s: it did not end within %v", p.name, within)
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.name, p.err)
	}

	return nil
}

// freeze stops it where it is: to all others it hangs.
func (p *process) freeze() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true

	return freeze(p.cmd.Process)
}

// thaw lets it go on.
func (p *process) thaw() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.frozen {
		return nil
	}
	p.frozen = false

	return thaw(p.cmd.Process)
}

// said is standard output of a process of the mesh: a line for each thing it
// tells. Its methods are safe for concurrent use.
type said struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

// say tells a word and what it is about, and returns once it is told.
func (s *said) say(word string, about ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.w, append([]any{word}, about...)...)
}

// ready tells where a process serves.
func (s *said) ready(address string) { s.say("ready", "http://"+address) }

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.w.Write(p)
}

// leashed ends ctx when the one who has started this process lets go of it, or
// has died.
func leashed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if os.Getenv(childVariable) != "" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // until it is closed
			cancel()
		}()
	}

	return ctx, cancel
}

// pause waits for d, or returns why ctx ended before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// until waits until met says so, which it is asked every few milliseconds.
func until(ctx context.Context, what string, met func() bool) error {
	for !met() {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
	}

	return nil
}
