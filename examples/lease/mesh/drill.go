package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/tq"
)

// scenario is one way of breaking a mesh.
type scenario struct {
	word, name string
	promise    string // its own, besides those that always hold
	set        func(*settings)
	play       func(context.Context, *scene) error
}

// sceneWithin bounds a scenario.
const sceneWithin = 5 * time.Minute

// runDrill plays the scenarios, each with a mesh of its own.
func runDrill(ctx context.Context, s settings, out *said, stderr io.Writer) error {
	chosen, err := choose(s.only)
	if err != nil {
		return err
	}
	out.print("seed %d; each time: an owner, two followers, two workers; operations wait for a follower: %v\n",
		s.seed, s.synchronous)
	broken := 0
	for _, sc := range chosen {
		r, err := playOut(ctx, s, sc, out, stderr)
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		if r.broken() {
			broken++
		}
	}
	if broken > 0 {
		out.print("\n%d of %d broke a promise\n", broken, len(chosen))
		return errBroken
	}
	out.print("\nall %d kept what was promised\n", len(chosen))

	return nil
}

// playsAtMost is how often a scenario is played. What it is to bring about does not
// come about on a machine where a node is not run for longer than the others'
// patience: that is no fault of the mesh. What is promised has to hold each time.
const playsAtMost = 3

// playOut plays a scenario until it has brought about what it is to, or has broken
// a promise, and reports it.
func playOut(ctx context.Context, s settings, sc scenario, out *said, stderr io.Writer) (*report, error) {
	for plays := 1; ; plays++ {
		begun := time.Now()
		x, err := playScene(ctx, s, sc, stderr)
		last := plays == playsAtMost || ctx.Err() != nil
		switch {
		case err == nil && (last || x.report.balance.broken() || len(x.report.missed) == 0):
			x.report.write(out, sc, time.Since(begun))
			return &x.report, nil
		case err != nil && last:
			return nil, err
		case err != nil:
			out.print("\n%s did not come about, and is played again: %v\n", sc.name, err)
		default:
			out.print("\n%s did not come about, and is played again: %s\n", sc.name, strings.Join(x.report.missed, "; "))
		}
	}
}

// choose gives the scenarios of those words, all if there are none.
func choose(words string) ([]scenario, error) {
	if words == "" {
		return scenarios(), nil
	}
	var chosen []scenario
	for word := range strings.SplitSeq(words, ",") {
		i := slices.IndexFunc(scenarios(), func(sc scenario) bool { return sc.word == word })
		if i < 0 {
			var all []string
			for _, sc := range scenarios() {
				all = append(all, sc.word)
			}

			return nil, fmt.Errorf("-only: there is no %q: want %s", word, strings.Join(all, ", "))
		}
		chosen = append(chosen, scenarios()[i])
	}

	return chosen, nil
}

// report is what came of a scenario.
type report struct {
	*balance
	happened []string // for people
	missed   []string // what was to happen, and did not
}

func (r *report) broken() bool { return r.balance.broken() || len(r.missed) > 0 }

// atMost is how many of a kind of fault are told.
const atMost = 5

func (r *report) write(out *said, sc scenario, took time.Duration) {
	b := r.balance
	out.print("\n%s (%.1f s)\n", sc.name, took.Seconds())
	for _, text := range r.happened {
		out.print("  %s\n", text)
	}
	out.print("  promised: %s;\n", sc.promise)
	out.print("            acknowledged tasks lost 0, recorded effects doubled 0, stale settlements accepted 0,\n")
	out.print("            gaps of streams unannounced 0\n")
	out.print("  counted:  acknowledged %d = completed %d + dead %d + lost %d; no answer to %d\n",
		b.acknowledged, b.completed, b.dead, b.acknowledged-b.completed-b.dead, b.uncertain)
	out.print("            calls of the gateway %d, %d of them again, in doubt; effects doubled %d\n",
		b.calls, b.again, len(b.doubled))
	out.print("            stale tries %d, of workers that were late %d; accepted %d\n", b.stale, b.late, len(b.settled))
	out.print("            events of streams %d, gaps announced %d; unannounced %d\n",
		b.streamed, b.gaps, len(b.unannounced))
	for _, faults := range [][]string{b.lost, b.doubled, b.settled, b.unannounced, r.missed} {
		for i, text := range faults {
			if i == atMost {
				out.print("  FAULT: and %d more\n", len(faults)-i)
				break
			}
			out.print("  FAULT: %s\n", text)
		}
	}
	if r.broken() {
		out.print("  BROKEN\n")
		return
	}
	out.print("  kept\n")
}

// scene is a scenario while it is played.
type scene struct {
	*mesh
	ledger  *ledger
	random  *rand.Rand
	client  *dispatch.Client
	prober  *dispatch.Client
	report  report
	lives   []tq.Incarnation // of the queue, in order
	numbers atomic.Int64     // of resources

	producing context.CancelFunc
	producers sync.WaitGroup
	reading   context.CancelFunc
	readers   sync.WaitGroup

	mu    sync.Mutex
	fault error // what a process said that does not read; guarded by mu
	seen  int   // signals of backpressure; guarded by mu
	last  bool  // what the last one said; guarded by mu
}

// ofDrill are the settings of a drill: short leases, so that it does not take
// long.
func (s settings) ofDrill() settings {
	s.journal, s.capacity, s.lease, s.attempts = true, 512, time.Second, 4
	s.backoff, s.interval, s.takes, s.workers = 20*time.Millisecond, 100*time.Millisecond, 3*time.Millisecond, 4

	return s
}

// playScene plays a scenario with a new mesh.
func playScene(ctx context.Context, s settings, sc scenario, stderr io.Writer) (*scene, error) {
	ctx, cancel := context.WithTimeout(ctx, sceneWithin)
	defer cancel()
	s = s.ofDrill()
	if sc.set != nil {
		sc.set(&s)
	}
	s, remove, err := s.withState()
	if err != nil {
		return nil, err
	}
	defer remove()
	x := &scene{ledger: newLedger(), random: rand.New(rand.NewPCG(s.seed, 5))}
	x.mesh, err = openMesh(ctx, s, true, stderr, x.heard)
	if err != nil {
		return nil, err
	}
	closed := false
	defer func() {
		if !closed {
			_ = x.close() // what went wrong first is what is told
		}
	}()
	if err := x.open(ctx); err != nil {
		return nil, err
	}
	defer x.producing()
	defer x.reading()
	if err := sc.play(ctx, x); err != nil {
		return nil, err
	}
	if err := x.settle(ctx); err != nil {
		return nil, err
	}
	closed = true
	if err := x.close(); err != nil {
		return nil, err
	}

	return x, x.account(ctx)
}

// heard is what a process says.
func (x *scene) heard(name, line string) {
	if err := x.ledger.hear(line); err != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.fault = cmp.Or(x.fault, fmt.Errorf("%s: %w", name, err))
	}
}

// open begins with a mesh that has settled, and readers of every node's stream.
func (x *scene) open(ctx context.Context) (err error) {
	if x.client, err = newClient(x.s.nodes, "drill"); err != nil {
		return err
	}
	if x.prober, err = newClient(x.s.nodes, "prober"); err != nil {
		return err
	}
	var readers context.Context
	readers, x.reading = context.WithCancel(ctx)
	x.producing = func() {}
	for _, name := range nodeNames {
		x.readers.Go(func() { x.follow(readers, name, reader{}) })
	}
	_, err = x.settled(ctx, 0)

	return err
}

// produce has clients send tasks until quiet, each with a short rest after every
// one.
func (x *scene) produce(ctx context.Context, clients int, rest time.Duration) {
	ctx, x.producing = context.WithCancel(ctx)
	for range clients {
		x.producers.Go(func() {
			for pause(ctx, rest) == nil {
				x.enqueue(ctx, "vm")
			}
		})
	}
}

// quiet ends what produce began.
func (x *scene) quiet() {
	x.producing()
	x.producers.Wait()
}

// enqueue sends one task, and enters what it was told.
func (x *scene) enqueue(ctx context.Context, kind string) (tq.TaskID, error) {
	p := payload(kind, fmt.Sprintf("r-%d", x.numbers.Add(1)))
	id, err := x.client.Enqueue(ctx, p)
	if err == nil {
		x.ledger.accept(id, p.ResourceID)
		return id, nil
	}
	refused, known := errors.AsType[*dispatch.Error](err)
	x.ledger.with(func(l *ledger) {
		if known && refused.Status != 504 {
			l.refused[refused.Code]++
		} else {
			l.uncertain++
		}
	})
	_ = pause(ctx, min(retryAfter(err), 50*time.Millisecond)) // it is not one that gives way

	return id, err
}

// burst sends n tasks, from several clients at once.
func (x *scene) burst(ctx context.Context, n, clients int, kind string) {
	var all sync.WaitGroup
	var sent atomic.Int64
	for range clients {
		all.Go(func() {
			for int(sent.Load()) < n && ctx.Err() == nil {
				if _, err := x.enqueue(ctx, kind); err == nil {
					sent.Add(1)
				}
			}
		})
	}
	all.Wait()
}

// accepted is how many tasks have been acknowledged.
func (x *scene) accepted() int { return x.ledger.read(func(l *ledger) int { return len(l.accepted) }) }

// more waits until n more tasks have been acknowledged.
func (x *scene) more(ctx context.Context, n int) error {
	goal := x.accepted() + n

	what := fmt.Sprintf("%d tasks more are acknowledged", n)

	return until(ctx, what, func() bool { return x.accepted() >= goal })
}

// tell tells people what has happened.
func (x *scene) tell(format string, args ...any) {
	x.report.happened = append(x.report.happened, fmt.Sprintf(format, args...))
}

// expect is a promise of the scenario's own.
func (x *scene) expect(kept bool, format string, args ...any) {
	if !kept {
		x.report.missed = append(x.report.missed, fmt.Sprintf(format, args...))
	}
}

// stale presents a token that is not good any more, with every verb. Each must
// be refused as that of a lease that is lost.
func (x *scene) stale(ctx context.Context, when string, token tq.Token) {
	for verb, try := range map[string]func() error{
		"complete":  func() error { return x.prober.Complete(ctx, token) },
		"heartbeat": func() error { _, err := x.prober.Heartbeat(ctx, token); return err },
		"fail":      func() error { return x.prober.Fail(ctx, token, errPoison, true) },
		"release":   func() error { return x.prober.Release(ctx, token) },
	} {
		err := try()
		x.ledger.with(func(l *ledger) {
			l.stale++
			if !errors.Is(err, tq.ErrLeaseLost) {
				l.staleDone = append(l.staleDone, fmt.Sprintf("%s: %s with the stale token %v: %v", when, verb, token, err))
			}
		})
	}
}

// hold leases a task as the prober, so that no worker has it.
func (x *scene) hold(ctx context.Context) (held leasequeue.Lease, err error) {
	err = until(ctx, "the prober has a lease", func() bool {
		held, err = x.prober.Lease(ctx, time.Second)
		return err == nil
	})

	return held, err
}

// catch has the gateway answer the next call late, and says who makes it: a
// worker that stands within its effect, which has happened and is not recorded.
func (x *scene) catch(ctx context.Context, late time.Duration) (c caught, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.gateway+"/hold?for="+late.String(), nil)
	if err != nil {
		return c, err
	}

	return c, fetch(req, &c)
}

// settle waits until the mesh has done everything it can.
func (x *scene) settle(ctx context.Context) error {
	x.quiet()
	soon, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var owner status
	err := until(soon, "the queue is worked off", func() bool {
		o, err := x.owner(soon)
		if err == nil {
			owner = o
		}

		return err == nil && o.Pending+o.Active == 0
	})
	if ctx.Err() != nil {
		return err
	}
	if owner.Node == "" {
		return errors.New("nobody owns the queue")
	}
	x.ledger.with(func(l *ledger) { l.remaining = owner.Pending + owner.Active })
	var letters struct {
		DeadLetters []diagnostics.DeadLetter `json:"deadLetters"`
	}
	all := "/diagnostics/taskqueue/deadletters?limit=1000&queue=" + queueName
	if err := get(ctx, x.s.nodes[owner.Node]+all, &letters); err != nil {
		return err
	}
	for _, letter := range letters.DeadLetters {
		id, err := tq.ParseTaskID(letter.Task)
		if err != nil {
			return err
		}
		x.ledger.with(func(l *ledger) { l.dead[id] = letter.Code })
	}
	var mails []mail
	if err := get(ctx, x.gateway+"/mails", &mails); err != nil {
		return err
	}
	x.ledger.with(func(l *ledger) { l.mails = mails })
	_ = pause(ctx, 2*x.s.interval) // for readers to see the end
	x.reading()
	x.readers.Wait()

	return nil
}

// account closes the ledger, once all processes have told what they had to.
func (x *scene) account(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fault != nil {
		return x.fault
	}
	claims, err := x.claims(ctx)
	if err != nil {
		return err
	}
	x.lives = lives(claims)
	x.report.balance = x.ledger.close(x.lives)
	if len(x.ledger.refused) > 0 {
		var codes []string
		for _, code := range slices.Sorted(maps.Keys(x.ledger.refused)) {
			codes = append(codes, fmt.Sprintf("%s %d", code, x.ledger.refused[code]))
		}
		x.tell("clients were told to come back: %s", strings.Join(codes, ", "))
	}

	return nil
}
