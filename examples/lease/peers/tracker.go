package peers

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Options are how a Tracker judges. A zero field means what its comment says.
type Options struct {
	// Grace is how long a peer may be silent and still be healthy. 30 s.
	Grace time.Duration
	// Penalty is for how long a peer gets no lease after one of its leases has
	// expired. 0 is until it is heard of again, and to ask for a lease is that.
	Penalty time.Duration
	// Forget is after how long a peer is forgotten that holds nothing. 10 min.
	Forget time.Duration
	// MaxPeers is how many peers are kept that hold nothing. 1024.
	MaxPeers int
	// Now is the clock. time.Now.
	Now func() time.Time
}

// Reasons of disconnects.
const (
	ReasonExpired = "lease_expired"   // a lease ran out without a heartbeat
	ReasonLost    = "connection_lost" // the connection ended while the peer waited
)

// Tracker keeps the health of peers. Make one with New. Its methods are safe for
// concurrent use.
type Tracker struct {
	o Options

	mu     sync.Mutex
	peers  map[string]*peer
	labels map[string]*counts // of at most maxLabels peers, and other
}

// peer is what is known of one. The tracker's mu guards it.
type peer struct {
	name    string
	seen    time.Time // when it was heard of last
	beaten  time.Time // when it prolonged a lease last
	waits   int       // requests of its that wait for a task
	down    bool      // it was disconnected, and not heard of since
	downAt  time.Time
	reason  string
	barred  bool
	freed   time.Time // when its penalty is over
	leases  map[tq.TaskID]tq.Token
	pending int // tasks taken from it or given back by it that nobody was granted since
	counts  *counts
}

// New makes a tracker that knows nobody. The error says which option is out of
// range.
func New(o Options) (*Tracker, error) {
	o.Grace = cmp.Or(o.Grace, 30*time.Second)
	o.Forget = cmp.Or(o.Forget, 10*time.Minute)
	o.MaxPeers = cmp.Or(o.MaxPeers, 1024)
	if o.Now == nil {
		o.Now = time.Now
	}
	if min(o.Grace, o.Penalty, o.Forget) < 0 || o.MaxPeers < 0 {
		return nil, errors.New("peers: Grace, Penalty, Forget and MaxPeers are not negative")
	}

	return &Tracker{o: o, peers: map[string]*peer{}, labels: map[string]*counts{}}, nil
}

// of is the peer of that name. mu is held.
func (t *Tracker) of(name string, now time.Time) *peer {
	p := t.peers[name]
	if p == nil {
		t.forget(now)
		p = &peer{name: name, seen: now, leases: map[tq.TaskID]tq.Token{}, counts: t.label(name)}
		t.peers[name] = p
	}

	return p
}

// forget makes room for one more peer: if there is none after those are gone
// that were silent for long, the one of longest silence goes that holds nothing.
func (t *Tracker) forget(now time.Time) {
	t.forgetSilent(now)
	var oldest *peer
	idle := 0
	for _, p := range t.peers {
		if p.idle() {
			idle++
			if oldest == nil || p.seen.Before(oldest.seen) {
				oldest = p
			}
		}
	}
	if idle >= t.o.MaxPeers {
		delete(t.peers, oldest.name)
	}
}

// forgetSilent lets go of peers that hold nothing and were not heard of for
// long.
func (t *Tracker) forgetSilent(now time.Time) {
	for name, p := range t.peers {
		if p.idle() && now.Sub(p.seen) > t.o.Forget {
			delete(t.peers, name)
		}
	}
}

func (p *peer) idle() bool { return len(p.leases) == 0 && p.waits == 0 && p.pending == 0 && !p.barred }

// heard says that the peer lives.
func (p *peer) heard(now time.Time) { p.seen, p.down = now, false }

// disconnected says that it may not.
func (p *peer) disconnected(now time.Time, reason string) {
	p.down, p.downAt, p.reason = true, now, reason
	p.counts.disconnects(reason).Add(1)
}

func (t *Tracker) healthy(p *peer, now time.Time) bool {
	return !p.barred && !p.down && (p.waits > 0 || now.Sub(p.seen) <= t.o.Grace)
}

func (p *peer) penalised(now time.Time) bool { return now.Before(p.freed) }

// Enter says that a peer asks for a lease, and returns whether it may have one.
// leave is to be called when it no longer waits; lost says that its connection
// has ended. A peer without a name may have one, and is not followed.
func (t *Tracker) Enter(name string) (leave func(lost bool), ok bool) {
	if name == "" {
		return func(bool) {}, true
	}
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.of(name, now)
	if p.barred || p.penalised(now) {
		return func(bool) {}, false
	}
	p.heard(now)
	p.waits++

	return func(lost bool) { t.leave(p, lost) }, true
}

func (t *Tracker) leave(p *peer, lost bool) {
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	p.waits--
	p.heard(now) // it was there until now
	if lost && p.waits == 0 {
		p.disconnected(now, ReasonLost)
	}
}

// Bar says that a peer gets no more leases, whatever it does, or again does.
func (t *Tracker) Bar(name string, barred bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(name, t.o.Now()).barred = barred
}

// Eligible says whether a peer should be given a lease: it is healthy, and no
// penalty is upon it. So is one of which nothing is known.
func (t *Tracker) Eligible(name string) bool {
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[name]

	return p == nil || t.healthy(p, now) && !p.penalised(now)
}

// Chooser takes turns among peers, and passes over those that are not eligible.
// It is safe for concurrent use.
type Chooser struct {
	t     *Tracker
	peers []string
	turn  atomic.Uint64
}

// Chooser takes turns among these peers.
func (t *Tracker) Chooser(peers ...string) *Chooser {
	return &Chooser{t: t, peers: slices.Clone(peers)}
}

// Next is whose turn it is; not ok if none of them is eligible.
func (c *Chooser) Next() (peer string, ok bool) {
	n := uint64(len(c.peers))
	for range n {
		if p := c.peers[(c.turn.Add(1)-1)%n]; c.t.Eligible(p) {
			return p, true
		}
	}

	return "", false
}

// Follow has the tracker follow the leases of q until ctx ends or q is closed:
// those that there are, then what becomes of them. It may follow several queues,
// a call for each. It is a reader of q as others are: q waits for it nowhere.
func (t *Tracker) Follow(ctx context.Context, q *leasequeue.Local) error {
	state, reader := q.WatchNow()
	f := &follower{t: t, held: map[tq.TaskID]*peer{}, pending: map[tq.TaskID]*peer{}}
	defer f.end()
	f.adopt(&state)
	events := make([]leasequeue.Event, 64)
	for {
		n, err := reader.Read(ctx, events)
		switch {
		case err == nil:
			f.take(events[:n])
		case errors.Is(err, tq.ErrGap):
			state := reader.Snapshot()
			f.adopt(&state)
		case ctx.Err() != nil || errors.Is(err, tq.ErrClosed):
			return reader.Close()
		default:
			return errors.Join(err, reader.Close())
		}
	}
}

// follower is what one queue's events have come to. The tracker's mu guards it.
type follower struct {
	t       *Tracker
	held    map[tq.TaskID]*peer // leased tasks, by whom
	pending map[tq.TaskID]*peer // tasks that wait for somebody else, by who had them
}

// adopt makes the leases of a state those that there are.
func (f *follower) adopt(state *leasequeue.Snapshot) {
	f.end()
	now := f.t.o.Now()
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	for i := range state.Tasks {
		if s := &state.Tasks[i].TaskState; s.State == tq.Leased && s.Owner != "" {
			f.hold(f.t.of(s.Owner, now), s.ID, s.LastToken)
		}
	}
}

// end lets go of everything.
func (f *follower) end() {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	for task := range f.held {
		f.release(task)
	}
	for task := range f.pending {
		f.settle(task)
	}
}

func (f *follower) take(events []leasequeue.Event) {
	now := f.t.o.Now()
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	for i := range events {
		f.event(&events[i].Header, now)
	}
	clear(events) // of payloads
}

func (f *follower) event(h *replication.Header, now time.Time) {
	switch h.Kind {
	case tq.LeaseGranted:
		f.settle(h.Task)
		if h.OwnerPeer == "" {
			return
		}
		p := f.t.of(h.OwnerPeer, now)
		p.heard(now)
		p.counts.assignments.Add(1)
		f.hold(p, h.Task, h.Token)
	case tq.Heartbeat:
		if p := f.held[h.Task]; p != nil {
			p.heard(now)
			p.beaten = now
			p.counts.heartbeats.Add(1)
		}
	case tq.Completed:
		if p := f.release(h.Task); p != nil {
			p.heard(now)
		}
	case tq.Failed, tq.Released:
		if p := f.reassign(h.Task); p != nil {
			p.heard(now)
		}
	case tq.LeaseExpired:
		if p := f.reassign(h.Task); p != nil {
			p.disconnected(now, ReasonExpired)
			p.freed = now.Add(f.t.o.Penalty)
		}
	case tq.DeadLettered, tq.Drained, tq.Purged:
		f.release(h.Task)
		f.settle(h.Task)
	}
}

func (f *follower) hold(p *peer, task tq.TaskID, token tq.Token) {
	f.held[task] = p
	p.leases[task] = token
}

// release takes a lease from who held it, nil if that is not known.
func (f *follower) release(task tq.TaskID) *peer {
	p := f.held[task]
	if p != nil {
		delete(f.held, task)
		delete(p.leases, task)
	}

	return p
}

// reassign is release of a task that goes to somebody else.
func (f *follower) reassign(task tq.TaskID) *peer {
	p := f.release(task)
	if p != nil {
		f.pending[task] = p
		p.pending++
	}

	return p
}

// settle says that a task waits no more for somebody else.
func (f *follower) settle(task tq.TaskID) {
	if p := f.pending[task]; p != nil {
		delete(f.pending, task)
		p.pending--
	}
}

// ServeHTTP answers GET with a Snapshot.
func (t *Tracker) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s := t.Snapshot()
	body, err := AppendSnapshotJSON(nil, &s)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n')) // to a client that may have gone
}
