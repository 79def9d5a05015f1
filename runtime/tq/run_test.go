package tq

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var runPolicy = RunPolicy{Lease: 30 * time.Second, Heartbeat: 10 * time.Second}

// runQueue is an engine as Run sees one: tasks 1, 2, … that are leased once,
// and a history of what was asked. Hooks answer in its stead if they are set.
type runQueue struct {
	mu      sync.Mutex
	begun   time.Time
	lease   time.Duration        // how long a grant holds
	held    map[uint64]time.Time // deadlines of leases, by task
	next    uint64
	history []string

	tasks  chan struct{} // a task each
	closed chan struct{}
	ended  error // answered once closed

	onNext  func(ctx context.Context) bool // true: lease at once, whatever ctx says
	onBeat  func(ctx context.Context) error
	onApply func(ctx context.Context, op string) error
}

func newRunQueue(tasks int) *runQueue {
	q := &runQueue{
		begun: time.Now(), lease: runPolicy.Lease, held: map[uint64]time.Time{},
		tasks: make(chan struct{}, 100), closed: make(chan struct{}),
	}
	q.add(tasks)

	return q
}

func (q *runQueue) add(tasks int) {
	for range tasks {
		q.tasks <- struct{}{}
	}
}

func (q *runQueue) end(err error) {
	q.ended = err
	close(q.closed)
}

// note adds to the history, with the seconds since the queue was made.
func (q *runQueue) note(t Token, what string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.history = append(q.history, fmt.Sprintf("%v: %d %s", time.Since(q.begun), t.Task.Sequence, what))
}

// lose ends a lease behind its holder's back.
func (q *runQueue) lose(task uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.held, task)
}

func (q *runQueue) apply(ctx context.Context, t Token, op string, cause error) error {
	if q.onApply != nil {
		if err := q.onApply(ctx, op); err != nil {
			return err
		}
	}
	q.mu.Lock()
	until, ok := q.held[t.Task.Sequence]
	delete(q.held, t.Task.Sequence)
	q.mu.Unlock()
	if !ok || !time.Now().Before(until) {
		return lost(op, t)
	}
	if cause != nil {
		op += ": " + cause.Error()
	}
	q.note(t, op)

	return nil
}

func (q *runQueue) Complete(ctx context.Context, _ Slot, t Token) error {
	return q.apply(ctx, t, "completed", nil)
}

func (q *runQueue) Fail(ctx context.Context, _ Slot, t Token, cause error) error {
	return q.apply(ctx, t, "failed", cause)
}

func (q *runQueue) Release(ctx context.Context, _ Slot, t Token) error {
	return q.apply(ctx, t, "released", nil)
}

func (q *runQueue) DeadLetter(ctx context.Context, _ Slot, t Token, cause error) error {
	return q.apply(ctx, t, "dead", cause)
}

func (q *runQueue) Heartbeat(ctx context.Context, _ Slot, t Token) (time.Time, error) {
	q.note(t, "beat")
	if q.onBeat != nil {
		if err := q.onBeat(ctx); err != nil {
			return time.Time{}, err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	until, ok := q.held[t.Task.Sequence]
	if !ok || !time.Now().Before(until) {
		return time.Time{}, lost("heartbeat", t)
	}
	q.held[t.Task.Sequence] = time.Now().Add(q.lease)

	return q.held[t.Task.Sequence], nil
}

func (q *runQueue) Deadline(_ Slot, t Token) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()

	return q.held[t.Task.Sequence]
}

func (q *runQueue) Owner(Slot, Token) string { return "" }

// runHandler is a handler of runQueue's tasks.
type runHandler func(ctx context.Context, task uint64, l fakeLease) error

type fakeLease struct {
	Held
	Token Token
}

// fakeWorker is what generated code would be.
type fakeWorker struct {
	q       *runQueue
	lease   fakeLease
	handler runHandler
}

func (w *fakeWorker) Lease() (Held, Token) { return w.lease.Held, w.lease.Token }

func (w *fakeWorker) Handle(ctx context.Context) error {
	return w.handler(ctx, w.lease.Token.Task.Sequence, w.lease)
}

func (w *fakeWorker) Next(ctx context.Context, o Outcome) (settled, err error) {
	settle := map[Verb]string{Complete: "completed", Fail: "failed", Release: "released", MoveToDead: "dead"}
	if o.Verb != Nothing {
		settled = w.q.apply(ctx, w.lease.Token, settle[o.Verb], o.Cause)
	}
	w.lease = fakeLease{}
	if w.q.onNext == nil || !w.q.onNext(ctx) {
		select { // one that need not wait does not look at ctx
		case <-w.q.closed:
			return settled, w.q.ended
		default:
		}
		select {
		case <-w.q.closed:
			return settled, w.q.ended
		case <-ctx.Done():
			return settled, ctx.Err()
		case <-w.q.tasks:
		}
	}

	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	w.q.next++
	w.q.held[w.q.next] = time.Now().Add(w.q.lease)
	t := Token{Task: TaskID{Sequence: w.q.next}, Attempt: 1, Epoch: Epoch(w.q.next)}
	w.lease = fakeLease{NewHeld(w.q, Slot(w.q.next)), t}

	return settled, nil
}

// running is a Run in its own goroutine.
type running struct {
	cancel context.CancelCauseFunc
	result chan error
}

var errShift = errors.New("shift is over")

func startRun(ctx context.Context, q *runQueue, o RunOptions, h runHandler) running {
	ctx, cancel := context.WithCancelCause(ctx)
	r := running{cancel, make(chan error, 1)}
	go func() { r.result <- Run(ctx, o, runPolicy, func() Worker { return &fakeWorker{q: q, handler: h} }) }()

	return r
}

// end ends the caller's context and waits for the result.
func (r running) end() error {
	synctest.Wait()
	r.cancel(errShift)

	return <-r.result
}

// inRun handles tasks in a bubble, ends Run once all are waiting, and wants a
// nil error and this history.
func inRun(t *testing.T, tasks int, h runHandler, want ...string) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(tasks)
		if err := startRun(t.Context(), q, RunOptions{}, h).end(); err != nil {
			t.Errorf("Run gives %v, want nil", err)
		}
		wantHistory(t, q, want...)
	})
}

func wantHistory(t *testing.T, q *runQueue, want ...string) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if diff := cmp.Diff(want, q.history); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func TestRunNilCompletes(t *testing.T) {
	inRun(t, 2, func(context.Context, uint64, fakeLease) error { return nil }, "0s: 1 completed", "0s: 2 completed")
}

func TestRunErrorFails(t *testing.T) {
	inRun(t, 1, func(context.Context, uint64, fakeLease) error { return errors.New("no luck") }, "0s: 1 failed: no luck")
}

func TestRunPermanentAnywhereInTheTreeMakesDead(t *testing.T) {
	inRun(t, 2, func(_ context.Context, task uint64, _ fakeLease) error {
		err := Permanent(errors.New("bad address"))
		if task == 2 {
			err = fmt.Errorf("send: %w", errors.Join(errors.New("first"), err))
		}

		return err
	}, "0s: 1 dead: bad address", "0s: 2 dead: send: first\nbad address")
}

func TestRunKeepsTheCodeOfAnError(t *testing.T) {
	t.Parallel()
	o := outcome(fmt.Errorf("call: %w", Permanent(ErrFull)))
	want := Outcome{MoveToDead, &TaskError{Message: "call: tq: queue is full", Code: CodeFull}}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

func TestRunLeavesSettledLeaseAlone(t *testing.T) {
	inRun(t, 2, func(ctx context.Context, task uint64, l fakeLease) error {
		if task == 1 {
			return errors.Join(l.Release(ctx, l.Token), errors.New("given back"))
		}

		return l.Complete(ctx, l.Token)
	}, "0s: 1 released", "0s: 2 completed")
}

func TestRunPanicFails(t *testing.T) {
	inRun(t, 3, func(_ context.Context, task uint64, _ fakeLease) error {
		switch task {
		case 1:
			panic("boom")
		case 2:
			panic(Permanent(errors.New("still only fails")))
		}

		return nil
	}, "0s: 1 failed: panic: boom", "0s: 2 failed: panic: still only fails", "0s: 3 completed")
}

// hostileError panics when it is asked anything.
type hostileError struct{}

func (hostileError) Error() string { panic("hostile") }

func TestRunPanicInErrorMethodFails(t *testing.T) {
	inRun(t, 2, func(_ context.Context, task uint64, _ fakeLease) error {
		if task == 1 {
			return hostileError{}
		}

		return nil
	}, "0s: 1 failed: panic: hostile", "0s: 2 completed")
}

func TestRunGoexitFails(t *testing.T) {
	inRun(t, 3, func(_ context.Context, task uint64, _ fakeLease) error {
		if task < 3 {
			runtime.Goexit()
		}

		return nil
	},
		"0s: 1 failed: panic: handler called runtime.Goexit", "0s: 2 failed: panic: handler called runtime.Goexit",
		"0s: 3 completed")
}

func TestRunSurvivesAThousandPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(0)
		r := startRun(t.Context(), q, RunOptions{Workers: 3}, func(_ context.Context, task uint64, _ fakeLease) error {
			if task%2 == 0 {
				runtime.Goexit()
			}
			panic(task)
		})
		for range 1000 {
			q.add(1)
		}
		if err := r.end(); err != nil {
			t.Errorf("Run gives %v, want nil", err)
		}
		if n := len(q.history); n != 1000 || len(q.held) != 0 {
			t.Errorf("%d tasks failed and %d are held, want 1000 and 0", n, len(q.held))
		}
	})
}

func TestPanicErrorHasCodeAndStackButNoStackInItsMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &runWorker{pool: &runPool{values: t.Context(), RunPolicy: RunPolicy{Lease: 3 * time.Second, Heartbeat: time.Second}}}
		w.typed = &fakeWorker{handler: func(context.Context, uint64, fakeLease) error { panic("boom") }}
		var o Outcome
		w.handle(&o)
		w.disarm()

		var p *PanicError
		if !errors.As(o.Cause, &p) || p.Value != "boom" || p.Error() != "panic: boom" {
			t.Fatalf("got %#v, want a PanicError of boom", o.Cause)
		}
		if !strings.Contains(string(p.Stack), "run_test.go") {
			t.Errorf("the stack does not show the handler:\n%s", p.Stack)
		}
		if got := ErrorCode(p); got != CodePanic {
			t.Errorf("code is %q, want %q", got, CodePanic)
		}
	})
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	if err := Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) is %v", err)
	}
	err := Permanent(ErrFull)
	wantError(t, err, ErrFull)
	if err.Error() != ErrFull.Error() || !IsPermanent(err) || IsPermanent(ErrFull) || IsPermanent(nil) {
		t.Errorf("%v does not read as a permanent %v", err, ErrFull)
	}
}

func TestRunBeatsWhileTheHandlerRuns(t *testing.T) {
	inRun(t, 1, func(context.Context, uint64, fakeLease) error {
		<-time.After(25 * time.Second)
		return nil
	}, "10s: 1 beat", "20s: 1 beat", "25s: 1 completed")
}

// A queue elsewhere may have another lease time than its workers were told.
func TestRunBeatsAsOftenAsToldWhateverTheLease(t *testing.T) {
	t.Parallel()
	for _, lease := range []time.Duration{runPolicy.Lease / 2, time.Hour} {
		t.Run(lease.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newRunQueue(1)
				q.lease = lease
				r := startRun(t.Context(), q, RunOptions{}, func(context.Context, uint64, fakeLease) error {
					<-time.After(35 * time.Second)
					return nil
				})
				<-time.After(time.Hour)
				wantError(t, r.end(), nil)
				wantHistory(t, q, "10s: 1 beat", "20s: 1 beat", "30s: 1 beat", "35s: 1 completed")
			})
		})
	}
}

func TestRunBeatsForEachTaskFromItsStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(4)
		r := startRun(t.Context(), q, RunOptions{}, func(_ context.Context, task uint64, _ fakeLease) error {
			<-time.After([]time.Duration{4, 12, 1, 9}[task-1] * time.Second)
			return nil
		})
		<-time.After(time.Hour)
		if err := r.end(); err != nil {
			t.Errorf("Run gives %v, want nil", err)
		}
		wantHistory(t, q, "4s: 1 completed", "14s: 2 beat", "16s: 2 completed", "17s: 3 completed", "26s: 4 completed")
	})
}

func TestRunRefusedBeatCancelsTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(2)
		r := startRun(t.Context(), q, RunOptions{}, func(ctx context.Context, task uint64, _ fakeLease) error {
			if task == 2 {
				return nil
			}
			q.lose(1)
			<-ctx.Done()
			wantError(t, context.Cause(ctx), ErrLeaseLost)
			wantError(t, ctx.Err(), context.Canceled)
			if took := time.Since(q.begun); took != 10*time.Second {
				t.Errorf("cancelled after %v, want with the first heartbeat", took)
			}
			<-time.After(time.Minute) // no more heartbeats

			return ctx.Err()
		})
		<-time.After(time.Hour)
		if err := r.end(); err != nil {
			t.Errorf("Run gives %v, want nil", err)
		}
		wantHistory(t, q, "1m10s: 2 completed")
	})
}

func TestRunBeatThatAnswersLeaseLostCancelsTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		q.onBeat = func(context.Context) error { return &LeaseError{Err: ErrLeaseLost} }
		r := startRun(t.Context(), q, RunOptions{}, func(ctx context.Context, _ uint64, _ fakeLease) error {
			<-ctx.Done()
			wantError(t, context.Cause(ctx), ErrLeaseLost)

			return nil
		})
		<-time.After(time.Hour)
		wantError(t, r.end(), nil)
		wantHistory(t, q, "10s: 1 beat", "10s: 1 completed")
	})
}

func TestRunRetriesFailedBeatsUntilTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		q.onBeat = func(context.Context) error { return errors.New("unreachable") }
		r := startRun(t.Context(), q, RunOptions{}, func(ctx context.Context, _ uint64, _ fakeLease) error {
			<-ctx.Done()
			wantError(t, context.Cause(ctx), ErrLeaseLost)
			q.note(Token{}, "cancelled")

			return ctx.Err()
		})
		<-time.After(time.Hour)
		wantError(t, r.end(), nil)
		wantHistory(t, q,
			"10s: 1 beat", "12.5s: 1 beat", "15s: 1 beat", "17.5s: 1 beat", "20s: 1 beat", "22.5s: 1 beat",
			"25s: 1 beat", "27.5s: 1 beat", "30s: 0 cancelled")
	})
}

func TestRunGoesOnOnceABeatSucceedsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		beats := 0
		q.onBeat = func(context.Context) error {
			if beats++; beats == 1 {
				return errors.New("unreachable")
			}

			return nil
		}
		r := startRun(t.Context(), q, RunOptions{}, func(ctx context.Context, _ uint64, _ fakeLease) error {
			<-time.After(40 * time.Second)
			return ctx.Err()
		})
		<-time.After(time.Hour)
		wantError(t, r.end(), nil)
		wantHistory(t, q, "10s: 1 beat", "12.5s: 1 beat", "22.5s: 1 beat", "32.5s: 1 beat", "40s: 1 completed")
	})
}

func TestRunBeatThatHangsIsOverAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		q.onBeat = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		r := startRun(t.Context(), q, RunOptions{}, func(ctx context.Context, _ uint64, _ fakeLease) error {
			<-ctx.Done()
			wantError(t, context.Cause(ctx), ErrLeaseLost)
			if took := time.Since(q.begun); took != runPolicy.Lease {
				t.Errorf("cancelled after %v, want at the deadline", took)
			}

			return nil
		})
		<-time.After(time.Hour)
		wantError(t, r.end(), nil)
		wantHistory(t, q, "10s: 1 beat")
	})
}

// A heartbeat that is under way when its handler returns concerns no other.
func TestRunLateBeatDoesNotTouchTheNextHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(2)
		beats := 0
		q.onBeat = func(context.Context) error {
			if beats++; beats == 1 { // ignores its context
				<-time.After(5 * time.Second)
				return ErrLeaseLost
			}

			return nil
		}
		r := startRun(t.Context(), q, RunOptions{}, func(ctx context.Context, _ uint64, _ fakeLease) error {
			<-time.After(12 * time.Second)
			return ctx.Err()
		})
		<-time.After(time.Hour)
		wantError(t, r.end(), nil)
		wantHistory(t, q, "10s: 1 beat", "12s: 1 completed", "22s: 2 beat", "24s: 2 completed")
	})
}

type valueKey struct{}

func TestRunContextHasValuesAndOutlivesTheCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		parent, cancel := context.WithTimeout(context.WithValue(t.Context(), valueKey{}, "v"), time.Second)
		defer cancel()
		r := startRun(parent, q, RunOptions{}, func(ctx context.Context, _ uint64, _ fakeLease) error {
			<-parent.Done()
			<-time.After(time.Second)
			if ctx.Value(valueKey{}) != "v" {
				t.Error("the handler's context lacks the caller's values")
			}
			if deadline, ok := ctx.Deadline(); ok {
				t.Errorf("the handler's context has the deadline %v", deadline)
			}

			return ctx.Err()
		})
		wantError(t, <-r.result, nil)
		wantHistory(t, q, "2s: 1 completed")
	})
}

func TestRunContextEndsWithTheHandler(t *testing.T) {
	var kept []context.Context
	inRun(t, 2, func(ctx context.Context, _ uint64, _ fakeLease) error {
		for _, c := range kept {
			wantError(t, c.Err(), context.Canceled)
		}
		kept = append(kept, ctx)

		return ctx.Err()
	}, "0s: 1 completed", "0s: 2 completed")
}

func TestRunLeasesNothingMoreOnceCtxEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(10)
		r := startRun(t.Context(), q, RunOptions{Workers: 2}, func(context.Context, uint64, fakeLease) error {
			<-time.After(time.Second)
			return nil
		})
		wantError(t, r.end(), nil)
		slices.Sort(q.history)
		wantHistory(t, q, "1s: 1 completed", "1s: 2 completed")
		if n := len(q.tasks); n != 8 {
			t.Errorf("%d tasks were left, want 8", n)
		}
	})
}

func TestRunOfAnEndedCtxLeasesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := Run(ctx, RunOptions{}, runPolicy, func() Worker { return &fakeWorker{q: q} })
		wantError(t, err, nil)
		wantHistory(t, q)
	})
}

// A lease that was granted while ctx ended goes back unhandled.
func TestRunReleasesALeaseGrantedTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		q.onNext = func(ctx context.Context) bool {
			<-ctx.Done()
			return true
		}
		r := startRun(t.Context(), q, RunOptions{}, func(context.Context, uint64, fakeLease) error {
			t.Error("a handler was started after ctx ended")
			return nil
		})
		wantError(t, r.end(), nil)
		wantHistory(t, q, "0s: 1 released")
	})
}

func TestRunGrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		grace time.Duration
		took  time.Duration
		want  string
	}{
		{"default is the lease", 0, 30 * time.Second, "30s: 1 released"},
		{"over before the handler is done", time.Second, time.Second, "1s: 1 released"},
		{"none", NoGrace, 0, "0s: 1 released"},
		{"long enough", time.Hour, 40 * time.Second, "40s: 1 completed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newRunQueue(1)
				handler := func(ctx context.Context, _ uint64, _ fakeLease) error {
					select {
					case <-time.After(40 * time.Second):
						return nil
					case <-ctx.Done():
						wantError(t, context.Cause(ctx), errShift)
						return ctx.Err() // dropped: it fails nothing
					}
				}
				wantError(t, startRun(t.Context(), q, RunOptions{Grace: c.grace}, handler).end(), nil)
				if took := time.Since(q.begun); took != c.took {
					t.Errorf("Run ended after %v, want %v", took, c.took)
				}
				q.history = slices.DeleteFunc(q.history, func(s string) bool { return strings.HasSuffix(s, "beat") })
				wantHistory(t, q, c.want)
			})
		})
	}
}

func TestRunSettlesResultsDuringGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(4)
		handler := func(_ context.Context, task uint64, _ fakeLease) error {
			<-time.After(time.Duration(task) * time.Second)
			switch task {
			case 1:
				return nil
			case 2:
				return errors.New("no luck")
			case 3:
				return Permanent(errors.New("bad address"))
			default:
				panic("boom")
			}
		}
		wantError(t, startRun(t.Context(), q, RunOptions{Workers: 4}, handler).end(), nil)
		wantHistory(t, q,
			"1s: 1 completed", "2s: 2 failed: no luck", "3s: 3 dead: bad address", "4s: 4 failed: panic: boom")
	})
}

// A worker that got its lease just before grace was over gives it back.
func TestRunStartsNoHandlerAfterGrace(t *testing.T) {
	t.Parallel()
	w := &runWorker{pool: &runPool{values: t.Context()}}
	w.typed = &fakeWorker{handler: func(context.Context, uint64, fakeLease) error {
		t.Error("a handler was started")
		return nil
	}}
	if cancel := w.revoke(); cancel != nil {
		t.Error("there is a handler to cancel")
	}
	var o Outcome
	w.handle(&o)
	if diff := cmp.Diff(Outcome{Verb: Release}, o); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

func TestRunBeatsDuringGraceAndNotAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		stubborn := make(chan struct{})
		r := startRun(t.Context(), q, RunOptions{Grace: 25 * time.Second}, func(context.Context, uint64, fakeLease) error {
			<-stubborn
			return nil
		})
		wantError(t, r.end(), nil)
		<-time.After(time.Hour)
		wantHistory(t, q, "10s: 1 beat", "20s: 1 beat", "25s: 1 released")
		close(stubborn)
	})
}

func TestRunDoesNotWaitForAHandlerThatIgnoresItsContext(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]func() error{
		"returns":   func() error { return errors.New("too late") },
		"panics":    func() error { panic("too late") },
		"exits":     func() error { runtime.Goexit(); return nil },
		"completes": func() error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newRunQueue(2)
				stubborn := make(chan struct{})
				handler := func(ctx context.Context, task uint64, l fakeLease) error {
					if task == 2 {
						<-ctx.Done()
						return ctx.Err()
					}
					<-stubborn
					wantError(t, l.Complete(ctx, l.Token), ErrLeaseLost)

					return last()
				}
				wantError(t, startRun(t.Context(), q, RunOptions{Workers: 2, Grace: NoGrace}, handler).end(), nil)
				if took := time.Since(q.begun); took != linger {
					t.Errorf("Run ended after %v, want %v", took, linger)
				}
				slices.Sort(q.history)
				wantHistory(t, q, "0s: 1 released", "0s: 2 released")

				close(stubborn) // what it returns now changes nothing
				synctest.Wait()
				wantHistory(t, q, "0s: 1 released", "0s: 2 released")
			})
		})
	}
}

// What a handler returns once it was cancelled does not count even if its
// lease is not released yet.
func TestRunDropsAResultDuringTheRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(1)
		q.onApply = func(_ context.Context, op string) error {
			if op == "released" {
				<-time.After(100 * time.Millisecond)
			}

			return nil
		}
		handler := func(ctx context.Context, _ uint64, _ fakeLease) error {
			<-ctx.Done()
			return Permanent(ctx.Err())
		}
		wantError(t, startRun(t.Context(), q, RunOptions{Grace: NoGrace}, handler).end(), nil)
		wantHistory(t, q, "100ms: 1 released")
	})
}

// All calls that Run has made of the queue are over when it returns, even
// those that take no notice of their contexts.
func TestRunWaitsForItsOwnCalls(t *testing.T) {
	t.Parallel()
	const hang = 5 * time.Second

	t.Run("heartbeats", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newRunQueue(1)
			q.onBeat = func(context.Context) error {
				<-time.After(hang)
				return errors.New("unreachable")
			}
			stubborn := make(chan struct{})
			handler := func(context.Context, uint64, fakeLease) error {
				<-stubborn
				return nil
			}
			wantError(t, startRun(t.Context(), q, RunOptions{Grace: 12 * time.Second}, handler).end(), nil)
			if took := time.Since(q.begun); took != 10*time.Second+hang {
				t.Errorf("Run ended after %v, want with the heartbeat after %v", took, 10*time.Second+hang)
			}
			close(stubborn)
		})
	})

	t.Run("settling", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			q := newRunQueue(2)
			q.onApply = func(_ context.Context, op string) error {
				if op == "completed" {
					<-time.After(hang)
				}

				return nil
			}
			handler := func(ctx context.Context, task uint64, _ fakeLease) error {
				if task == 1 { // ignores its context, and returns while the other is being settled
					<-time.After(3 * time.Second)
					return nil
				}
				<-time.After(time.Second)

				return ctx.Err()
			}
			o := RunOptions{Workers: 2, Grace: 1500 * time.Millisecond}
			wantError(t, startRun(t.Context(), q, o, handler).end(), nil)
			wantHistory(t, q, "1.5s: 1 released", "6s: 2 completed")
		})
	})
}

func TestRunQueueEndStopsAllWorkersWithGrace(t *testing.T) {
	t.Parallel()
	for _, ended := range []error{ErrClosed, ErrDrained} {
		t.Run(ended.Error(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newRunQueue(3)
				handler := func(ctx context.Context, task uint64, _ fakeLease) error {
					select {
					case <-time.After(time.Duration(task) * time.Second):
						return nil
					case <-ctx.Done():
						wantError(t, context.Cause(ctx), ended)
						return nil
					}
				}
				r := startRun(t.Context(), q, RunOptions{Workers: 4, Grace: 2500 * time.Millisecond}, handler)
				synctest.Wait()
				q.end(ended)
				wantError(t, <-r.result, ended)
				wantHistory(t, q, "1s: 1 completed", "2s: 2 completed", "2.5s: 3 released")
			})
		})
	}
}

func TestRunQueueEndBeforeCtxIsTheQueuesError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(0)
		r := startRun(t.Context(), q, RunOptions{Workers: 3}, nil)
		synctest.Wait()
		q.end(ErrClosed)
		synctest.Wait()
		r.cancel(errShift)
		wantError(t, <-r.result, ErrClosed)
	})
}

func TestRunErrorOfSettlingEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRunQueue(3)
		q.onApply = func(_ context.Context, op string) error {
			if op == "completed" {
				return ErrUncertain
			}

			return nil
		}
		r := startRun(t.Context(), q, RunOptions{}, func(context.Context, uint64, fakeLease) error { return nil })
		wantError(t, <-r.result, ErrUncertain)
		wantHistory(t, q, "0s: 2 released") // leased in the same step as the first was settled
	})
}

func TestRunErrorOfSettlingDuringGraceIsReturned(t *testing.T) {
	t.Parallel()
	for op, grace := range map[string]time.Duration{"completed": time.Minute, "released": NoGrace} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newRunQueue(1)
				q.onApply = func(context.Context, string) error { return ErrUncertain }
				handler := func(ctx context.Context, _ uint64, _ fakeLease) error {
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
					}

					return nil
				}
				wantError(t, startRun(t.Context(), q, RunOptions{Grace: grace}, handler).end(), ErrUncertain)
				wantHistory(t, q)
			})
		})
	}
}

// Settling in the end is not cancelled by the end, but it is not waited for
// longer than a handler is.
func TestRunSettlingThatHangsIsGivenUpInTheEnd(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]time.Duration{"of a result": time.Second, "of a release": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newRunQueue(1)
				q.onApply = func(ctx context.Context, _ string) error {
					if ctx.Err() != nil {
						t.Error("settling was cancelled from the start")
					}
					<-ctx.Done()

					return ErrUncertain
				}
				handler := func(ctx context.Context, _ uint64, _ fakeLease) error {
					select {
					case <-time.After(finish):
					case <-ctx.Done():
					}

					return nil
				}
				wantError(t, startRun(t.Context(), q, RunOptions{Grace: time.Minute}, handler).end(), ErrUncertain)
				if took := time.Since(q.begun); took != time.Minute+linger {
					t.Errorf("Run ended after %v, want %v", took, time.Minute+linger)
				}
			})
		})
	}
}

func TestRunHandlesAsManyTasksAtATimeAsItHasWorkers(t *testing.T) {
	t.Parallel()
	for workers, want := range map[int]int{0: 1, 1: 1, 7: 7} {
		synctest.Test(t, func(t *testing.T) {
			q := newRunQueue(20)
			handler := func(ctx context.Context, _ uint64, _ fakeLease) error {
				<-ctx.Done()
				return nil
			}
			r := startRun(t.Context(), q, RunOptions{Workers: workers, Grace: NoGrace}, handler)
			synctest.Wait()
			q.mu.Lock()
			got := len(q.held)
			q.mu.Unlock()
			if got != want {
				t.Errorf("%d workers hold %d leases, want %d", workers, got, want)
			}
			wantError(t, r.end(), nil)
			if len(q.held) != 0 {
				t.Errorf("%d leases are still held", len(q.held))
			}
		})
	}
}

func TestRunRefusesWrongOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options RunOptions
		policy  RunPolicy
		want    string
	}{
		{RunOptions{Workers: -1}, runPolicy, "tq: RunOptions: Workers -1 is negative"},
		{RunOptions{Grace: -time.Second}, runPolicy, "tq: RunOptions: Grace -1s is negative"},
		{RunOptions{}, RunPolicy{}, "tq: RunPolicy: Lease 0s is not in 1ms…24h0m0s"},
		{
			RunOptions{}, RunPolicy{time.Second, time.Second / 2},
			"tq: RunPolicy: Heartbeat 500ms must be less than half of Lease 1s",
		},
	} {
		err := Run(t.Context(), c.options, c.policy, func() Worker {
			t.Error("a worker was made")
			return nil
		})
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// plainWorker is done with n tasks in no time.
type plainWorker struct {
	n    int
	held Held
}

func (w *plainWorker) Handle(context.Context) error { return nil }
func (w *plainWorker) Lease() (Held, Token)         { return w.held, Token{} }

func (w *plainWorker) Next(context.Context, Outcome) (settled, err error) {
	if w.n--; w.n < 0 {
		return nil, ErrClosed
	}

	return nil, nil
}

func TestRunAllocations(t *testing.T) { //nolint:paralleltest // AllocsPerRun wants no company
	run := func(n int) float64 {
		return testing.AllocsPerRun(5, func() {
			_ = Run(context.Background(), RunOptions{}, runPolicy, func() Worker { return &plainWorker{n: n} })
		})
	}
	if got := (run(11_000) - run(1_000)) / 10_000; got > 2.1 {
		t.Errorf("%.2f allocations a task, want 2: the handler's context and what cancels it", got)
	}
}

func BenchmarkRun(b *testing.B) {
	b.ReportAllocs()
	_ = Run(b.Context(), RunOptions{}, runPolicy, func() Worker { return &plainWorker{n: b.N} })
}

// Run calls what Wrap gives in place of its workers, once for each.
func TestRunWraps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, wrapped, called := newRunQueue(5), 0, atomic.Int64{}
		o := RunOptions{Workers: 3, Wrap: func(w Worker) Worker {
			wrapped++

			return countedWorker{w, &called}
		}}
		err := startRun(t.Context(), q, o, func(context.Context, uint64, fakeLease) error { return nil }).end()
		if err != nil || wrapped != 3 || called.Load() != 5 {
			t.Errorf("%d workers wrapped, %d calls, %v; want 3 and 5", wrapped, called.Load(), err)
		}
	})
}

// countedWorker counts what it handles.
type countedWorker struct {
	Worker
	called *atomic.Int64
}

func (w countedWorker) Handle(ctx context.Context) error {
	w.called.Add(1)

	return w.Worker.Handle(ctx)
}
