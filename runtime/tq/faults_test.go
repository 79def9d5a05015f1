package tq_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/tqgen/tqgen/runtime/tq"
)

var bg = context.Background()

func need[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// snapshotOf is a snapshot that another queue might have given.
func snapshotOf(states ...tq.TaskState) snapshot {
	s := snapshot{SnapshotHeader: tq.SnapshotHeader{Version: tq.SnapshotVersion, Queue: "other", Incarnation: 9, ID: "other"}}
	for _, state := range states {
		s.Tasks = append(s.Tasks, entry{TaskRef: tq.TaskRef{TaskState: state}, Body: []byte("h")})
	}

	return s
}

// A second drain in a row is empty and has the id of the first; restoring it
// does not make the first one known.
func TestASecondDrainDoesNotShadowTheFirst(t *testing.T) {
	a := openQueue(t, policy())
	for range 3 {
		need[tq.TaskID](t)(a.tryEnqueue([]byte("x")))
	}
	s1 := need[snapshot](t)(a.drain(bg, 0))
	s2 := need[snapshot](t)(a.drain(bg, 0))
	o := policy()
	o.Incarnation = 8
	b := openQueue(t, o)
	if err := b.restore(s2); err != nil {
		t.Fatal(err)
	}
	if err := b.restore(s1); err != nil {
		t.Fatal(err)
	}
	if n := b.Stats().Ready; n != 3 {
		t.Errorf("ready %d, want 3: the tasks are lost, with no error", n)
	}
}

// LastError is a nil *TaskError then.
func TestFailWithTheLastErrorOfAFirstAttempt(t *testing.T) {
	q := openQueue(t, unhurried())
	need[tq.TaskID](t)(q.tryEnqueue([]byte("x")))
	l := need[lease](t)(q.tryLease())
	must(t, l.Held.Fail(bg, l.Token, l.LastError))
	if last := q.look().Tasks[0].LastError; last != nil {
		t.Errorf("last error %v", last)
	}
}

func TestATaskOfTheFarFutureWaits(t *testing.T) {
	q := openQueue(t, unhurried())
	need[tq.TaskID](t)(q.enqueueAt(bg, []byte("x"), time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC)))
	if s := q.Stats(); s.Delayed != 1 {
		t.Errorf("ready %d delayed %d", s.Ready, s.Delayed)
	}
	if _, err := q.tryLease(); err == nil {
		t.Error("leased a task of the year 2400")
	}
}

func TestDrainAfterCloseDoesNotWaitForLostLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, policy()) // lease 1s
		need[tq.TaskID](t)(q.tryEnqueue([]byte("x")))
		need[lease](t)(q.tryLease())
		_ = q.Close()
		begun := time.Now()
		need[snapshot](t)(q.drain(bg, time.Hour))
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("drain took %v for a lease of 1s", d)
		}
	})
}

func TestASnapshotCannotMakeIdentitiesRepeat(t *testing.T) {
	q := openQueue(t, policy())
	first := need[tq.TaskID](t)(q.tryEnqueue([]byte("x")))
	s := tq.TaskState{ID: tq.TaskID{Origin: 7, Sequence: 1<<64 - 1}, State: tq.Ready, EnqueuedAt: time.Now()}
	if err := q.restore(snapshotOf(s)); err == nil {
		t.Errorf("a task numbered %d was taken in", s.ID.Sequence)
	}
	if again := need[tq.TaskID](t)(q.tryEnqueue([]byte("y"))); again.Sequence != first.Sequence+1 {
		t.Errorf("%v follows %v", again, first)
	}
}

func TestASnapshotCannotTurnEpochsBack(t *testing.T) {
	q := openQueue(t, policy())
	id := tq.TaskID{Origin: 9, Sequence: 1}
	for what, last := range map[string]tq.Token{
		"an attempt": {Task: id, Attempt: math.MaxInt, Incarnation: 9, Epoch: 1},
		"an epoch":   {Task: id, Attempt: 1, Incarnation: 9, Epoch: 5 << 48},
	} {
		s := tq.TaskState{ID: id, State: tq.Ready, Attempt: 1, EnqueuedAt: time.Now(), LastToken: last}
		if err := q.restore(snapshotOf(s)); err == nil {
			t.Errorf("a token with %s out of range was taken in", what)
		}
	}
}

func TestABatchThatFindsNoSlotPassesItsWakeUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := policy()
		o.Capacity, o.Dead, o.LogEntries, o.MaxWaiting, o.Lease, o.Heartbeat = 1, 1, 1, 2, time.Hour, time.Minute
		q := openQueue(t, o) // 2*(1+1)+1+2 = 7 slots
		_, c := q.watchNow()
		defer c.Close()
		s := snapshotOf()
		for i := range 6 {
			st := tq.TaskState{ID: tq.TaskID{Origin: 9, Sequence: uint64(i + 1)}, State: tq.Dead, Attempt: 1, EnqueuedAt: time.Now()}
			if i == 0 {
				st.State, st.Attempt = tq.Ready, 0
			}
			s.Tasks = append(s.Tasks, entry{TaskRef: tq.TaskRef{TaskState: st}, Body: []byte("h")})
		}
		if err := q.restore(s); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(bg, time.Minute)
		defer cancel()
		batch, single := make(chan error, 1), make(chan error, 1)
		go func() { _, err := q.enqueueBatch(ctx, [][]byte{[]byte("b")}); batch <- err }()
		synctest.Wait()
		go func() { _, err := q.enqueue(ctx, []byte("c")); single <- err }()
		synctest.Wait()
		l := need[lease](t)(q.tryLease())
		if err := l.complete(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := <-batch; !errors.Is(err, tq.ErrFull) {
			t.Errorf("batch: %v", err)
		}
		if err := <-single; err != nil {
			t.Errorf("enqueue waited while there was room: %v", err)
		}
	})
}

func TestTheLogMakesRoomForARestore(t *testing.T) {
	o := policy() // 2*(8+4)+16+4 = 44 slots
	o.LogEntries, o.MaxWaiting = 16, 4
	q := openQueue(t, o)
	s := snapshotOf()
	for i := range 30 {
		s.Tasks = append(s.Tasks, entry{TaskRef: tq.TaskRef{TaskState: tq.TaskState{
			ID: tq.TaskID{Origin: 9, Sequence: uint64(i + 1)}, State: tq.Ready, EnqueuedAt: time.Now()}}, Body: []byte("h")})
	}
	if err := q.restore(s); err != nil {
		t.Fatal(err)
	}
	_, c := q.watchNow()
	defer c.Close()
	d := need[snapshot](t)(q.drain(bg, 0))
	_, _ = q.read(c) // the reader has seen it all
	if err := q.restore(d); err != nil {
		t.Errorf("restore of the snapshot it gave: %v; lag %d", err, c.Lag())
	}
}

func TestRestoreInAnotherQueueShiftsNoTime(t *testing.T) {
	for range 200 {
		a := openQueue(t, policy())
		need[tq.TaskID](t)(a.tryEnqueue([]byte("x")))
		s := need[snapshot](t)(a.drain(bg, 0))
		o := policy()
		o.Incarnation = 8
		b := openQueue(t, o)
		must(t, b.restore(s))
		was, is := s.Tasks[0].EnqueuedAt.Round(0), b.look().Tasks[0].EnqueuedAt.Round(0)
		if !was.Equal(is) {
			t.Fatalf("enqueued at %v, after a restore %v", was, is)
		}
	}
}

func TestRestoredAtHeadSaysSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := openQueue(t, policy())
		need[tq.TaskID](t)(a.tryEnqueue([]byte("x")))
		time.Sleep(time.Second)
		l := need[lease](t)(a.tryLease())
		_ = l.release()
		s := need[snapshot](t)(a.drain(bg, 0))
		time.Sleep(time.Minute)
		o := policy()
		o.Incarnation = 8
		b := openQueue(t, o)
		_, c := b.watchNow()
		if err := b.restore(s); err != nil {
			t.Fatal(err)
		}
		ev, _ := b.read(c)
		if at := b.look().Tasks[0].AvailableAt; !ev[0].AvailableAt.Equal(at) {
			t.Errorf("state: available at %v; event: %v, at %v", at, ev[0].AvailableAt, ev[0].At)
		}
	})
}

func TestRestoredTasksKeepTheOrderInWhichTheyBecameReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := policy()
		a := openQueue(t, o)
		need[tq.TaskID](t)(a.tryEnqueue([]byte("A")))
		need[tq.TaskID](t)(a.enqueueAt(bg, []byte("B"), time.Now().Add(time.Second)))
		s := need[snapshot](t)(a.drain(bg, 0))
		time.Sleep(time.Minute)
		o.Incarnation = 8
		b := openQueue(t, o)
		need[tq.TaskID](t)(b.tryEnqueue([]byte("C")))
		if err := b.restore(s); err != nil {
			t.Fatal(err)
		}
		got := ""
		for range 3 {
			l := need[lease](t)(b.tryLease())
			got += string(l.Body)
		}
		if got != "ABC" {
			t.Errorf("order %s; A was ready before B before C", got)
		}
	})
}

func TestRestoreOfAnUnknownVersion(t *testing.T) {
	q := openQueue(t, policy())
	s := snapshotOf()
	s.Version = 2
	var v *tq.VersionError
	if err := q.restore(s); !errors.As(err, &v) {
		t.Errorf("%v is no *VersionError", err)
	}
}

func TestErrorCodeOfAWrappedTaskError(t *testing.T) {
	e := fmt.Errorf("step 2: %w", &tq.TaskError{Message: "no quota", Code: "error.quota"})
	if c := tq.ErrorCode(e); c != "error.quota" {
		t.Errorf("code %q", c)
	}
}

func TestGaugesAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, policy())
		need[tq.TaskID](t)(q.tryEnqueue([]byte("a")))
		l := need[lease](t)(q.tryLease())
		_ = q.Close()
		time.Sleep(time.Hour)
		s := q.Stats()
		if s.Leased != 0 || s.Expired != 1 || !l.Held.Deadline(l.Token).IsZero() {
			t.Errorf("an hour after the deadline: %+v", s)
		}
	})
}

// What settles after Close is told to a reader that was told of the end before.
func TestEventsAfterClose(t *testing.T) {
	q := openQueue(t, unhurried())
	need[tq.TaskID](t)(q.tryEnqueue([]byte("x")))
	_, c := q.watchNow()
	l := need[lease](t)(q.tryLease())
	must(t, q.Close())
	if events := need[[]event](t)(q.read(c)); len(events) != 1 {
		t.Errorf("%d events, want the grant", len(events))
	}
	if _, err := c.Next(bg, 1); !errors.Is(err, tq.ErrClosed) {
		t.Errorf("after the last event for now: %v", err)
	}
	must(t, l.complete())
	if events := need[[]event](t)(q.read(c)); len(events) != 1 || events[0].Kind != tq.Completed {
		t.Errorf("%v, want the completion", events)
	}
}

func TestAnErrorHoldsBoundedMemory(t *testing.T) {
	q := openQueue(t, unhurried())
	need[tq.TaskID](t)(q.tryEnqueue([]byte("x")))
	l := need[lease](t)(q.tryLease())
	must(t, l.Held.Fail(bg, l.Token, errors.New(strings.Repeat("é", 1<<20))))
	got := q.look().Tasks[0].LastError.Message
	if len(got) > 5<<10 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes are kept", len(got))
	}
}
