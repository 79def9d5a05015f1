package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

// account is what the two processes have told, and what they have left behind.
type account struct {
	acknowledged []string
	within       map[string]bool // effects that had happened when the owner died, and were not recorded
	seen         map[string]bool // enqueued, as far as the follower knew
	leased       map[string]bool // at the owner, as far as the follower knew
	completed    map[string]int
	promoted     string
	deposed      string
	finished     bool

	calls    map[string][]call // of the effect, by task, in order
	recorded map[string]bool   // tasks whose outcome is in the store
}

// call is a line of the outbox.
type call struct {
	key     string
	inDoubt bool
	by      string
}

// errAccount says that the account does not hold.
var errAccount = errors.New("the account does not hold")

// deadline bounds a whole run.
const deadline = 5 * time.Minute

// accountFor starts the two, kills one, and writes the account.
func accountFor(ctx context.Context, s settings, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	dir, err := os.MkdirTemp("", "failover-")
	if err != nil {
		fmt.Fprintln(stderr, "failover:", err)
		return 2
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is a temporary one
	s.dir = dir
	a := &account{
		within: map[string]bool{}, seen: map[string]bool{}, leased: map[string]bool{}, completed: map[string]int{},
		calls: map[string][]call{}, recorded: map[string]bool{},
	}
	if err := a.play(ctx, s, &shared{w: stderr}); err != nil {
		fmt.Fprintln(stderr, "failover:", err)
		return 2
	}
	if !a.write(stdout, s) {
		return 1
	}

	return 0
}

// play runs the two processes to their ends.
func (a *account) play(ctx context.Context, s settings, stderr io.Writer) error {
	rng := rand.New(rand.NewPCG(s.seed, 3))
	sync := "-sync=" + strconv.FormatBool(s.sync)
	owner, err := start(ctx, stderr, "-role", "owner", "-dir", s.dir, sync, "-seed", strconv.FormatUint(s.seed, 10))
	if err != nil {
		return err
	}
	defer owner.kill()
	word, url, err := owner.next(ctx)
	if err != nil || word != "url" {
		return fmt.Errorf("the owner does not begin: %s %s: %w", word, url, err)
	}
	between, err := openNetwork(ctx, strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}
	defer between.cut()
	follower, err := start(ctx, stderr, "-role", "follower", "-dir", s.dir, sync, "-url", "http://"+between.address())
	if err != nil {
		return err
	}
	defer follower.kill()
	if err := a.until(ctx, owner, follower, s.tasks+rng.IntN(s.tasks)); err != nil {
		return err
	}
	between.cut() // a host that dies takes along what it was sending
	owner.kill()
	if err := a.rest(ctx, owner); err != nil { // what it had said before it died
		return err
	}
	if err := a.rest(ctx, follower); err != nil {
		return err
	}
	back, err := start(ctx, stderr, "-role", "owner", "-dir", s.dir)
	if err != nil {
		return err
	}
	defer back.kill()
	word, a.deposed, err = back.next(ctx)
	if err != nil || word != "deposed" {
		return fmt.Errorf("the owner that came back says %s %s: %w", word, a.deposed, err)
	}

	return a.inspect(ctx, s.dir)
}

// until hears both until the owner has acknowledged so many tasks, and stands
// within an effect of a task of whose lease the follower knows.
func (a *account) until(ctx context.Context, owner, follower *process, tasks int) error {
	known := func() bool {
		for task := range a.within {
			if a.leased[task] {
				return true
			}
		}

		return false
	}
	for len(a.acknowledged) < tasks || !known() {
		select {
		case line, ok := <-owner.lines:
			if !ok {
				return errors.New("the owner has ended by itself")
			}
			a.hear(line)
		case line, ok := <-follower.lines:
			if !ok {
				return errors.New("the follower has ended before the owner")
			}
			a.hear(line)
		case <-ctx.Done():
			return ctx.Err()
		}
	}

	return nil
}

// rest hears a process to its end.
func (a *account) rest(ctx context.Context, p *process) error {
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return nil
			}
			a.hear(line)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (a *account) hear(line string) {
	word, about, _ := strings.Cut(line, " ")
	switch word {
	case "acknowledged":
		a.acknowledged = append(a.acknowledged, about)
	case "within":
		a.within[about] = true
	case "seen":
		a.seen[about] = true
	case "leased":
		a.leased[about] = true
	case "completed":
		a.completed[about]++
	case "promoted":
		a.promoted = about
	case "finished":
		a.finished = true
	}
}

// inspect reads what the processes have left behind.
func (a *account) inspect(ctx context.Context, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "outbox"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 4 {
			return fmt.Errorf("outbox: %q", line)
		}
		a.calls[f[0]] = append(a.calls[f[0]], call{key: f[1], inDoubt: f[2] == "true", by: f[3]})
	}
	store, err := effect.OpenFiles(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	effects, err := leasequeue.NewCoordinator(effect.Options{Store: store})
	if err != nil {
		return err
	}
	for _, task := range a.acknowledged {
		if a.recorded[task], err = recorded(ctx, effects.Recorder(), store, task); err != nil {
			return err
		}
	}

	return nil
}

// recorded says whether the outcome of a task's effect is in the store.
func recorded(ctx context.Context, r *effect.Recorder, store effect.StateStore, task string) (bool, error) {
	id, err := tq.ParseTaskID(task)
	if err != nil {
		return false, err
	}
	key, err := r.ID(effect.ForTask(r.Options().Queue, id, effectName))
	if err != nil {
		return false, err
	}
	value, found, err := store.Get(ctx, key)
	if err != nil || !found {
		return false, err
	}
	var rec effect.Record
	if err := rec.UnmarshalJSON(value); err != nil {
		return false, err
	}

	return rec.Kind == effect.KindOutcome, nil
}

// write writes the account and says whether it holds.
func (a *account) write(w io.Writer, s settings) bool {
	faults := a.faults(s.sync)
	var lost []string
	completed, twice := 0, 0
	for _, task := range a.acknowledged {
		switch {
		case !a.seen[task]:
			lost = append(lost, task)
		case a.completed[task] > 0:
			completed++
		}
		if len(a.calls[task]) > 1 {
			twice++
		}
	}
	how := ""
	if s.sync {
		how = ", whose operations waited for the follower,"
	}
	fmt.Fprintf(w, "seed %d: the owner%s was killed within %d effects\n", s.seed, how, len(a.within))
	fmt.Fprintf(w, "promoted: %s\n", a.promoted)
	fmt.Fprintf(w, "the old owner, back again: %s\n", a.deposed)
	fmt.Fprintf(w, "effects that ran twice, in doubt and with the same key: %d\n", twice)
	for _, task := range lost {
		fmt.Fprintf(w, "acknowledged, never replicated: %s\n", task)
	}
	for _, fault := range faults {
		fmt.Fprintf(w, "FAULT: %s\n", fault)
	}
	fmt.Fprintf(w, "acknowledged %d = seen and completed %d + never replicated %d\n", len(a.acknowledged), completed, len(lost))
	if len(faults) > 0 || completed+len(lost) != len(a.acknowledged) {
		fmt.Fprintln(w, errAccount)
		return false
	}
	fmt.Fprintln(w, "each completed task has exactly one recorded effect")

	return true
}

// faults lists what must not be. Where operations wait for the follower nothing
// may be lost.
func (a *account) faults(nothingLost bool) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if !a.finished {
		fault("the follower did not finish")
	}
	inDoubt := 0
	for _, task := range a.acknowledged {
		calls := a.calls[task]
		if nothingLost && !a.seen[task] {
			fault("%s was acknowledged, and the follower did not have it", task)
		}
		if a.seen[task] && a.completed[task] != 1 {
			fault("%s was seen, and completed %d times", task, a.completed[task])
		}
		if a.seen[task] && (!a.recorded[task] || len(calls) == 0) {
			fault("%s was seen, and has %d calls and a record: %v", task, len(calls), a.recorded[task])
		}
		for i, c := range calls {
			if c.key != calls[0].key {
				fault("%s was called with key %s and then %s", task, calls[0].key, c.key)
			}
			// A first call is in doubt where the owner died before it came to it.
			if c.inDoubt != (i > 0) && (!c.inDoubt || c.by == "owner") {
				fault("call %d of %s is in doubt: %v", i+1, task, c.inDoubt)
			}
		}
		if a.within[task] && a.seen[task] && len(calls) == 2 && calls[1].by == "follower" {
			inDoubt++
		}
	}
	if inDoubt == 0 {
		fault("no effect that was cut off was tried again")
	}

	return faults
}

// shared is a writer for both processes at once.
type shared struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.w.Write(p)
}

// process is one of the two.
type process struct {
	cmd   *exec.Cmd
	lines chan string // what it says; closed when it has ended
}

// start runs this program in another role.
func start(ctx context.Context, stderr io.Writer, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd, make(chan string)}
	go p.read(ctx, out)

	return p, nil
}

// childVariable tells a process that another one of this program has started
// it.
const childVariable = "TQGEN_FAILOVER_CHILD"

// read hands on what the process says, then sees it end.
func (p *process) read(ctx context.Context, out io.Reader) {
	defer close(p.lines)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		select {
		case p.lines <- lines.Text():
		case <-ctx.Done():
		}
	}
	_ = p.cmd.Wait() // how it ended is told by what it said
}

// kill ends it with SIGKILL.
func (p *process) kill() { _ = p.cmd.Process.Kill() } // it may have ended

// next is the next thing it says.
func (p *process) next(ctx context.Context) (word, about string, err error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", "", errors.New("it has ended")
		}
		word, about, _ = strings.Cut(line, " ")

		return word, about, nil
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
}
