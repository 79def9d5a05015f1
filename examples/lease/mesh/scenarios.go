package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/peers"
	"github.com/tqgen/tqgen/runtime/tq"
)

// scenarios are what the drill plays.
func scenarios() []scenario {
	return []scenario{
		{
			word: "spike", name: "spike and recover", play: spike,
			promise: "clients are held back and let go again",
			set:     func(s *settings) { s.ingress = ingressRefuse },
		},
		{
			word: "kill", name: "kill -9 the owner mid-lease", play: killOwner,
			promise: "a follower goes on, leases included",
		},
		{
			word: "stall", name: "stall a worker past its deadline", play: stallWorker,
			promise: "its tasks go to another worker, and what it says later changes nothing",
		},
		{
			word: "partition", name: "partition a follower and heal it", play: partition,
			promise: "the owner stays, and the follower catches up",
		},
		{
			word: "isolate", name: "cut off the owner, then freeze the next one", play: isolate,
			promise: "followers go on, and nobody is told anything by who is not the owner any more",
		},
		{
			word: "rolling", name: "rolling restart, with drain and restore to a new process", play: rolling,
			promise: "what was drained is restored, each task once",
		},
		{
			word: "poison", name: "a poison payload", play: poisoned,
			promise: "it is dead after its last attempt and delays no other task",
		},
		{
			word: "slow", name: "a slow stream client", play: slowClient,
			promise: "it is told what it misses, and nobody else misses anything",
			set: func(s *settings) {
				s.ring, s.interval, s.buffer = 64, 4*time.Millisecond, 16<<10
			},
		},
	}
}

// spike sends more than the queue takes.
func spike(ctx context.Context, x *scene) error {
	x.burst(ctx, 1000, 96, "vm")
	refused := x.ledger.read(func(l *ledger) int { return l.refused[dispatch.CodeThrottled] })
	x.expect(refused > 0, "nobody was held back")
	err := until(ctx, "the backpressure has ended", func() bool {
		s, err := x.client.Stats(ctx)
		x.mu.Lock()
		defer x.mu.Unlock()

		return err == nil && !s.Backpressure && x.seen > 0 && !x.last
	})
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.tell("1000 tasks of 96 clients at once: backpressure began and ended %d times", x.seen)
	x.mu.Unlock()
	x.burst(ctx, 20, 2, "vm") // it takes tasks as before

	return nil
}

// killOwner kills the owner while workers hold leases, and one of them stands
// between its effect and its completion.
func killOwner(ctx context.Context, x *scene) error {
	before, err := x.owner(ctx)
	if err != nil {
		return err
	}
	x.produce(ctx, 8, time.Millisecond)
	if err := x.more(ctx, 150+x.random.IntN(150)); err != nil {
		return err
	}
	held, err := x.hold(ctx)
	if err != nil {
		return err
	}
	if _, err := held.Heartbeat(ctx); err != nil {
		return err
	}
	within, err := x.catch(ctx, x.s.lease/2)
	if err != nil {
		return err
	}
	killed := time.Now()
	x.kill(before.Node)
	after, err := x.settled(ctx, before.Term)
	if err != nil {
		return err
	}
	x.tell("%s was killed in term %d, while %s stood within an effect; %s goes on in term %d, after %.1f s",
		before.Node, before.Term, within.Worker, after.Node, after.Term, time.Since(killed).Seconds())
	x.expect(after.Node != before.Node, "%s is still the owner", before.Node)
	if _, err := held.Heartbeat(ctx); err == nil {
		x.tell("a lease of the old owner was prolonged by the new one")
	} else if !errors.Is(err, tq.ErrLeaseLost) {
		return err
	}
	if err := x.more(ctx, 100); err != nil {
		return err
	}
	if err := x.startNode(ctx, before.Node, false); err != nil { // it learns that it was succeeded
		return err
	}
	if err := pause(ctx, x.s.lease+x.s.lease/2); err != nil {
		return err
	}
	x.stale(ctx, "after the failover", held.Token)
	back, err := x.settled(ctx, before.Term)
	if err != nil {
		return err
	}
	x.expect(back.Node == after.Node, "%s has become the owner when %s came back", back.Node, before.Node)

	return nil
}

// stallWorker freezes a worker that holds leases, until others have its tasks.
func stallWorker(ctx context.Context, x *scene) error {
	x.produce(ctx, 4, 10*time.Millisecond) // one worker is enough for them
	if err := x.more(ctx, 50); err != nil {
		return err
	}
	held, err := x.hold(ctx)
	if err != nil {
		return err
	}
	for range 2 {
		if err := pause(ctx, time.Duration(x.random.Int64N(int64(50*time.Millisecond)))); err != nil {
			return err
		}
		if err := x.stall(ctx); err != nil {
			return err
		}
	}
	x.stale(ctx, "after the deadline", held.Token)
	s, err := x.client.Stats(ctx)
	if err != nil {
		return err
	}
	x.expect(s.Expired > 2, "no lease of the worker's has expired")

	return nil
}

// stall freezes a worker within its effect, until its leases are over.
func (x *scene) stall(ctx context.Context) error {
	within, err := x.catch(ctx, x.s.lease/4)
	if err != nil {
		return err
	}
	p := x.process(within.Worker)
	if p == nil {
		return fmt.Errorf("the gateway was called by %q", within.Worker)
	}
	if err := p.freeze(); err != nil {
		return err
	}
	_ = pause(ctx, x.s.lease+x.s.lease/4)
	soon, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = until(soon, "the owner has seen that", func() bool { return !x.healthy(soon, within.Worker) })
	x.expect(err == nil, "%s has lost its leases, and is healthy", within.Worker)
	x.tell("%s was frozen within the effect of %s for %v; its leases hold %v",
		within.Worker, within.Task, x.s.lease+x.s.lease/4, x.s.lease)

	return p.thaw()
}

// healthy says whether the owner takes a worker to be healthy.
func (x *scene) healthy(ctx context.Context, worker string) bool {
	var all peers.Snapshot
	if get(ctx, x.client.Node()+pathCalls+"peers", &all) != nil {
		return true
	}

	return slices.ContainsFunc(all.Peers, func(p peers.Peer) bool { return p.PeerID == worker && p.IsHealthy })
}

// partition cuts a follower off.
func partition(ctx context.Context, x *scene) error {
	owner, err := x.owner(ctx)
	if err != nil {
		return err
	}
	off := nodeNames[1+x.random.IntN(2)]
	x.produce(ctx, 6, time.Millisecond)
	if err := x.more(ctx, 100); err != nil {
		return err
	}
	x.cut(off, true)
	_ = pause(ctx, 2*patience) // it finds that the owner is silent, and nobody agrees
	if err := x.more(ctx, 200); err != nil {
		return err
	}
	apart, err := x.status(ctx, off)
	if err != nil {
		return err
	}
	x.expect(apart.Role == "follower" && apart.Term == owner.Term, "%s, cut off, is %s in term %d",
		off, apart.Role, apart.Term)
	x.cut(off, false)
	x.quiet()
	healed := time.Now()
	err = until(ctx, off+" has caught up", func() bool {
		now, err := x.owner(ctx)
		s, err2 := x.status(ctx, off)

		return err == nil && err2 == nil && now.Pending+now.Active == 0 && s.Life == now.Life && s.Sequence == now.Sequence
	})
	if err != nil {
		return err
	}
	now, err := x.owner(ctx)
	if err != nil {
		return err
	}
	x.expect(now.Node == owner.Node && now.Term == owner.Term, "%s owns the queue in term %d", now.Node, now.Term)
	x.tell("%s was cut off at event %d, and had all %d events %.1f s after the network was whole",
		off, apart.Sequence, now.Sequence, time.Since(healed).Seconds())

	return nil
}

// isolate takes the followers from an owner that clients still reach, and then
// stops the next owner for a while. Neither is dead, and each comes back in the
// belief that it owns the queue.
func isolate(ctx context.Context, x *scene) error {
	first, err := x.owner(ctx)
	if err != nil {
		return err
	}
	x.produce(ctx, 6, time.Millisecond)
	if err := x.more(ctx, 100); err != nil {
		return err
	}
	held, err := x.hold(ctx)
	if err != nil {
		return err
	}
	x.cut(first.Node, true)
	second, err := x.next(ctx, first)
	if err != nil {
		return err
	}
	x.cut(first.Node, false)
	if _, err := x.settled(ctx, first.Term); err != nil {
		return err
	}
	if err := x.more(ctx, 100); err != nil {
		return err
	}
	p := x.process(second.Node)
	if err := p.freeze(); err != nil {
		return err
	}
	third, err := x.next(ctx, second)
	if err != nil {
		return err
	}
	if err := x.more(ctx, 50); err != nil {
		return err
	}
	if err := p.thaw(); err != nil {
		return err
	}
	x.tell("%s was cut off in term %d, %s frozen in term %d; %s owns the queue in term %d",
		first.Node, first.Term, second.Node, second.Term, third.Node, third.Term)
	last, err := x.settled(ctx, second.Term)
	if err != nil {
		return err
	}
	x.expect(last.Node == third.Node && last.Term == third.Term, "%s owns the queue in term %d", last.Node, last.Term)
	if err := pause(ctx, x.s.lease); err != nil {
		return err
	}
	x.stale(ctx, "two owners later", held.Token)

	return x.more(ctx, 50)
}

// next waits for the owner after one that is not dead.
func (x *scene) next(ctx context.Context, before status) (after status, err error) {
	err = until(ctx, "another node owns the queue", func() bool {
		for _, name := range nodeNames {
			if name == before.Node {
				continue
			}
			if s, err := x.status(ctx, name); err == nil && s.Role == "owner" && s.Term > before.Term {
				after = s
			}
		}

		return after.Node != ""
	})

	return after, err
}

// rolling replaces one node after another by a new process, the owner last: what
// it holds is drained, and restored to the one that comes after it.
func rolling(ctx context.Context, x *scene) error {
	owner, err := x.owner(ctx)
	if err != nil {
		return err
	}
	x.produce(ctx, 6, time.Millisecond)
	for _, name := range nodeNames {
		if name == owner.Node {
			continue
		}
		if err := x.more(ctx, 50); err != nil {
			return err
		}
		if err := x.restart(ctx, name); err != nil {
			return err
		}
		if err := until(ctx, name+" follows again", func() bool {
			s, err := x.status(ctx, name)
			return err == nil && s.Life == owner.Life && s.Sequence > 0
		}); err != nil {
			return err
		}
	}
	if err := x.more(ctx, 50); err != nil {
		return err
	}
	x.burst(ctx, 100, 32, "vm") // so that there is something to take along
	held, err := x.hold(ctx)
	if err != nil {
		return err
	}
	drained, err := x.client.Drain(ctx, 20*time.Millisecond)
	if err != nil {
		return err
	}
	if err := x.restart(ctx, owner.Node); err != nil {
		return err
	}
	after, err := x.settled(ctx, owner.Term)
	if err != nil {
		return err
	}
	x.stale(ctx, "after the drain", held.Token)
	restored, err := x.client.Restore(ctx, drained)
	if err != nil {
		return err
	}
	again, err := x.client.Restore(ctx, drained)
	if err != nil {
		return err
	}
	x.stale(ctx, "after the restore", held.Token)
	x.tell("all three nodes are new processes; %d tasks were drained from %s and restored to %s, in term %d",
		len(drained.Tasks), owner.Node, after.Node, after.Term)
	x.expect(int(restored) == len(drained.Tasks) && restored > 0, "%d tasks were drained, %d restored",
		len(drained.Tasks), restored)
	x.expect(again == 0, "restoring again restored %d tasks", again)

	return x.more(ctx, 50)
}

// restart replaces a node by a new process.
func (x *scene) restart(ctx context.Context, name string) error {
	if err := x.stop(name); err != nil {
		return err
	}

	return x.startNode(ctx, name, false)
}

// poisoned sends tasks that no worker can work on among others, and requests
// that are none.
func poisoned(ctx context.Context, x *scene) error {
	const bad = 5
	x.produce(ctx, 4, 5*time.Millisecond)
	var poisoned []tq.TaskID
	for range bad {
		id, err := x.enqueue(ctx, poison)
		if err != nil {
			return err
		}
		poisoned = append(poisoned, id)
	}
	if err := x.more(ctx, 200); err != nil {
		return err
	}
	if err := until(ctx, "the poisoned tasks are dead", func() bool {
		s, err := x.client.Stats(ctx)
		return err == nil && s.DeadLetters >= bad
	}); err != nil {
		return err
	}
	if err := x.malformed(ctx); err != nil {
		return err
	}
	x.quiet()
	if err := x.settle(ctx); err != nil {
		return err
	}
	x.ledger.with(func(l *ledger) {
		for _, id := range poisoned {
			x.expect(l.dead[id] == errPoison.Code, "%v, poisoned, is dead with code %q", id, l.dead[id])
		}
		x.expect(len(l.dead) == bad, "%d tasks are dead, %d were poisoned", len(l.dead), bad)
	})
	s, err := x.client.Stats(ctx)
	if err != nil {
		return err
	}
	x.expect(s.Failed == uint64(bad*x.s.attempts), "%d attempts have failed, %d poisoned tasks have %d each",
		s.Failed, bad, x.s.attempts)
	x.tell("%d poisoned tasks among %d failed %d times each and are dead letters", bad, x.accepted(), x.s.attempts)

	return nil
}

// malformed sends requests that must be refused, with the code that says why.
func (x *scene) malformed(ctx context.Context) error {
	for body, want := range map[string]string{
		`{`:                              dispatch.CodeRequestInvalid,
		`{}`:                             dispatch.CodePayloadRequired,
		`{"payload":{"resourceId":"r"}}`: dispatch.CodeResourceTypeRequired,
	} {
		target := x.client.Node() + pathCalls + "enqueue"
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		err = fetch(req, new(struct{}))
		x.expect(err != nil && strings.Contains(err.Error(), "400") && strings.Contains(err.Error(), want),
			"%s was answered %v, not 400 and %s", body, err, want)
	}
	_, err := x.client.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm"})
	refused, ok := errors.AsType[*dispatch.Error](err)
	x.expect(ok && refused.Code == dispatch.CodeResourceIDRequired, "a payload without id was answered %v", err)

	return nil
}

// slowClient reads a stream more slowly than there are events, beside one that
// keeps up, and comes back after more of them than are kept.
func slowClient(ctx context.Context, x *scene) error {
	owner, err := x.owner(ctx)
	if err != nil {
		return err
	}
	x.produce(ctx, 4, 10*time.Millisecond)
	reading, stop := context.WithTimeout(ctx, 3500*time.Millisecond)
	defer stop()
	var over atomic.Bool
	var slow *tally
	x.readers.Go(func() {
		defer over.Store(true)
		slow = x.follow(reading, owner.Node, reader{after: 300 * time.Millisecond, stalls: 2200 * time.Millisecond})
	})
	if err := until(ctx, "the slow client is done", over.Load); err != nil {
		return err
	}
	back, err := x.comeBack(ctx, owner.Node)
	if err != nil {
		return err
	}
	x.expect(slow.gaps > 0, "the slow client missed nothing")
	x.expect(back.gaps == 1, "who came back late was told of %d gaps", back.gaps)
	x.quiet()
	if err := x.settle(ctx); err != nil {
		return err
	}
	x.ledger.with(func(l *ledger) {
		whole := 0
		for _, s := range l.streams {
			if s.gaps == 0 {
				whole = max(whole, s.seen)
			}
		}
		x.tell("the slow client saw %d events, and was told of %d it missed; another saw all %d",
			slow.seen, slow.missed, whole)
		x.expect(whole > slow.seen+slow.missed, "nobody saw all events: %d at most", whole)
	})

	return nil
}

// comeBack reads some events, goes away for longer than they are kept, and comes
// back.
func (x *scene) comeBack(ctx context.Context, name string) (*tally, error) {
	t := &tally{node: fmt.Sprintf("%s, come back", name)}
	if err := x.some(ctx, name, t, 10); err != nil {
		return t, err
	}
	if err := pause(ctx, time.Duration(2*x.s.ring)*x.s.interval); err != nil {
		return t, err
	}
	if err := x.some(ctx, name, t, 10); err != nil {
		return t, err
	}
	x.ledger.with(func(l *ledger) { l.streams = append(l.streams, t.stream) })

	return t, nil
}
