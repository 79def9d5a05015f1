package tq_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// What random scripts and storms seldom or never come to.

func TestFarAwayTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		for _, when := range []time.Time{time.Unix(1<<40, 0), time.Now().Add(1<<63 - 1), time.Now().Add(1<<63 - 101)} {
			_, err := q.enqueueAt(background, nil, when)
			must(t, err)
		}
		_, err := q.enqueueAt(background, []byte("past"), time.Time{})
		must(t, err)
		want(t, "delayed", q.gauges(t).Delayed, 3)
		want(t, "ready", string(q.mustLease(t).Body), "past")
	})
}

func TestMaxWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Capacity, o.MaxWaiting = 1, 3
		q := openQueue(t, o)
		q.mustEnqueue(t, 1)
		var waiting sync.WaitGroup
		for range o.MaxWaiting {
			waiting.Go(func() {
				if _, err := q.enqueue(background, nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, err := q.enqueue(background, nil)
		want(t, "one more", err, tq.ErrFull)
		_, err = q.enqueueBatch(background, make([][]byte, 2))
		want(t, "a batch", err, tq.ErrFull)
		want(t, "waiting", q.Stats().WaitingProducers, o.MaxWaiting)
		for range o.MaxWaiting {
			l := q.mustLease(t)
			must(t, l.complete())
			synctest.Wait()
		}
		waiting.Wait()
	})
}

// What does not fit is refused whole, and may come again.
func TestRestoreThatDoesNotFit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Capacity, o.Dead, o.LogEntries, o.MaxWaiting = 2, 1, 1, 1
		q := openQueue(t, o)
		var s snapshot
		s.Version, s.ID, s.HighestEpoch = tq.SnapshotVersion, "too many", 9<<48
		for i := range q.MaxSlot() + 1 {
			task := entry{Body: fmt.Append(nil, i)}
			task.ID = tq.TaskID{Origin: 3, Sequence: uint64(i) + 1}
			task.State = tq.Ready
			s.Tasks = append(s.Tasks, task)
		}
		if err := q.restore(s); !errors.Is(err, tq.ErrFull) {
			t.Errorf("restore: %v", err)
		}
		want(t, "restored", q.gauges(t).Restored, 0)
		want(t, "payloads", q.held(), 0)

		s.Tasks = s.Tasks[1:]
		must(t, q.restore(s))
		want(t, "ready", q.gauges(t).Ready, int(q.MaxSlot()))
		_, err := q.tryEnqueue(nil)
		want(t, "enqueue", err, tq.ErrFull)
		for _, task := range s.Tasks {
			l := q.mustLease(t)
			want(t, "body", string(l.Body), string(task.Body))
			want(t, "term", l.Token.Epoch.Term() > 9, true)
			must(t, l.complete())
		}
		q.mustEnqueue(t, o.Capacity)
	})
}

// TestABatchTakesSlotsOfTheLog: the slot that a task enqueued before pushes out of
// the log is one that a batch may have.
func TestABatchTakesSlotsOfTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Capacity, o.High, o.Low, o.Dead, o.LogEntries, o.MaxWaiting = 2, 1, 0, 1, 1, 1
		q := openQueue(t, o)
		_, err := q.Watch(0)
		must(t, err)
		s := snapshot{SnapshotHeader: tq.SnapshotHeader{Version: tq.SnapshotVersion, ID: "dead"}}
		for i := range uint64(6) { // of 8 slots, 2 are left
			var task entry
			task.ID, task.State = tq.TaskID{Origin: 3, Sequence: i + 1}, tq.Dead
			s.Tasks = append(s.Tasks, task)
		}
		must(t, q.restore(s))
		q.mustEnqueue(t, 1)
		l := q.mustLease(t)
		must(t, l.complete()) // the log still shows it
		q.mustEnqueue(t, 1)
		ids, err := q.enqueueBatch(background, [][]byte{nil})
		must(t, err)
		want(t, "accepted", len(ids), 1)
	})
}

func TestSnapshotsThatAreWrong(t *testing.T) {
	good := func() (s snapshot) {
		s.Version, s.ID = tq.SnapshotVersion, "good"
		for i := range uint64(2) {
			var task entry
			task.ID, task.State, task.Attempt = tq.TaskID{Origin: 3, Sequence: i + 1}, tq.Ready, 1
			s.Tasks = append(s.Tasks, task)
		}

		return s
	}
	for name, spoil := range map[string]func(s *snapshot){
		"version":          func(s *snapshot) { s.Version++ },
		"no origin":        func(s *snapshot) { s.Tasks[1].ID.Origin = 0 },
		"no sequence":      func(s *snapshot) { s.Tasks[1].ID.Sequence = 0 },
		"twice":            func(s *snapshot) { s.Tasks[1].ID = s.Tasks[0].ID },
		"no state":         func(s *snapshot) { s.Tasks[1].State = 0 },
		"unknown state":    func(s *snapshot) { s.Tasks[1].State = tq.Dead + 1 },
		"attempt":          func(s *snapshot) { s.Tasks[1].Attempt = -1 },
		"no attempt left":  func(s *snapshot) { s.Tasks[1].Attempt = tq.MaxAttempts },
		"leased, no grant": func(s *snapshot) { s.Tasks[1].State, s.Tasks[1].Attempt = tq.Leased, 0 },
		"delayed, no due":  func(s *snapshot) { s.Tasks[1].State = tq.Delayed },
		"another's token":  func(s *snapshot) { s.Tasks[1].LastToken.Task = s.Tasks[0].ID },
		"last term":        func(s *snapshot) { s.HighestEpoch = 1<<64 - 1 },
	} {
		t.Run(name, func(t *testing.T) {
			q := openQueue(t, policy())
			s := good()
			spoil(&s)
			if q.restore(s) == nil {
				t.Error("was restored")
			}
			want(t, "tasks", len(q.look().Tasks), 0)
			must(t, q.restore(good())) // nothing was remembered of it
			want(t, "tasks", len(q.look().Tasks), 2)
		})
	}
}

func TestNextDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Dead = 2
		q := openQueue(t, o)
		bury := func() (id tq.TaskID) {
			id = q.mustEnqueue(t, 1)[0]
			l := q.mustLease(t)
			must(t, l.bury())

			return id
		}
		next := func(after uint64) (tq.TaskRef, error) {
			ref, err := q.NextDead(background, after)
			if err == nil {
				q.Unlock()
			}

			return ref, err
		}
		var late tq.TaskRef
		var waiting sync.WaitGroup
		waiting.Go(func() { late, _ = next(0) })
		synctest.Wait()
		first := bury()
		waiting.Wait()
		want(t, "waited for", late.ID, first)

		bury()
		third, fourth := bury(), bury()
		gap, err := next(late.Number)
		want(t, "purged meanwhile", err, tq.ErrGap)
		ref, err := next(gap.Number)
		must(t, err)
		want(t, "after the gap", ref.ID, third)
		ref, err = next(ref.Number)
		must(t, err)
		want(t, "and on", ref.ID, fourth)

		must(t, q.Redrive(third)) // an operator's act leaves no gap
		l := q.mustLease(t)
		must(t, l.complete())
		ref, err = next(gap.Number)
		must(t, err)
		want(t, "past a redriven one", ref.ID, fourth)

		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err = q.NextDead(ctx, ref.Number)
		want(t, "cancelled", err, context.DeadlineExceeded)
		must(t, q.Close())
		_, err = next(ref.Number - 1)
		must(t, err)
		_, err = next(ref.Number)
		want(t, "closed", err, tq.ErrClosed)
	})
}

// A task that became ready the moment the queue opened says so in its events.
func TestReadySinceOpening(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		opened := time.Now()
		q.mustEnqueue(t, 1)
		time.Sleep(time.Second)
		snap, err := q.drain(background, 0)
		must(t, err)
		reader, err := q.Watch(q.Stats().Sequence)
		must(t, err)
		must(t, q.restore(snap))
		events, err := q.read(reader)
		must(t, err)
		want(t, "ready since", events[0].AvailableAt, opened)
		want(t, "oldest", q.Stats().OldestReady, time.Second)
	})
}

func TestZeroLease(t *testing.T) {
	var l lease
	refused(t, l, tq.ErrLeaseLost)
}

func TestDrainsTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		q.mustEnqueue(t, 3)
		held := q.mustLease(t)
		var taken [3]int
		var all sync.WaitGroup
		for i := range taken {
			all.Go(func() {
				snap, err := q.drain(background, time.Minute)
				if err != nil {
					t.Error(err)
				}
				taken[i] = len(snap.Tasks)
			})
		}
		synctest.Wait() // one is under way, two wait for it
		ctx, cancel := context.WithTimeout(background, time.Second/4)
		defer cancel()
		if _, err := q.drain(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain: %v", err)
		}
		want(t, "restoring meanwhile", q.restore(snapshot{}), tq.ErrDrained)
		want(t, "reopening meanwhile", q.Reopen(), tq.ErrDrained)
		_, err := q.tryLease()
		want(t, "leasing meanwhile", err, tq.ErrDrained)
		_, err = q.tryEnqueue(nil)
		want(t, "enqueueing meanwhile", err, tq.ErrDrained)
		must(t, held.complete())
		all.Wait()
		want(t, "taken", taken[0]+taken[1]+taken[2], 2)
	})
}

func TestReadersWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		reader, err := q.Watch(0)
		must(t, err)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err = reader.Next(ctx, 1)
		want(t, "nothing", err, context.DeadlineExceeded)
		answer := make(chan error, 1)
		go func() { _, err := reader.Next(background, 1); answer <- err }()
		synctest.Wait()
		must(t, reader.Close())
		want(t, "closed meanwhile", <-answer, tq.ErrClosed)
		must(t, reader.Close())
		_, err = reader.Next(background, 1)
		want(t, "closed before", err, tq.ErrClosed)
		q.mustEnqueue(t, 1)
		want(t, "kept for nobody", q.Stats().LogEntries, 0)
		_, err = q.Watch(0)
		want(t, "from the start", errors.Is(err, tq.ErrGap), true)
		_, err = q.Watch(1)
		must(t, err)
	})
}
