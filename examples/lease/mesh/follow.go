package main

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

// election decides which follower succeeds an owner that is silent.
//
// A follower that has heard nothing of the owner for longer than its patience
// stops following and asks the others for their votes. Whoever is asked and has
// heard of the owner lately refuses. Otherwise it stops following for a while,
// too, so that it can acknowledge nothing more, and votes for the one who asks
// if that one has more events, or as many and a name that comes first; if not,
// it asks for votes itself. With the votes of all other followers it claims the
// next term.
//
// So whatever the owner has told anybody to be done is known to the winner: one
// follower had acknowledged it, and has voted or is the winner. That is why half
// of the followers are not enough, and why an owner that is back, with nothing
// in its memory, has no vote. If a follower is gone together with the owner the
// others wait for it to come back; what only those two knew is lost then.
//
// No clock says that a vote is over, since any process may stand still between
// looking at one and acting on it. Whoever follows on takes its votes back in the
// store before, and a candidate notes there that it uses them, before it claims
// the term: only one of the two can. Votes are kept in the store, too, since the
// next process of a node must not follow on either. A vote that was used, by a
// candidate that died then, keeps its follower from following on until there is
// another owner.
type election struct {
	mu     sync.Mutex
	claim  replication.Claim // of the owner who is followed; zero: this node owns the queue, or none does
	rank   func() int64
	halt   func()    // ends following, and returns when it has ended
	frozen time.Time // it does not follow until then
	quiet  time.Time // it does not ask for votes until then
	given  []string  // campaigns that it has voted for since it followed last

	heard  atomic.Int64 // when the owner was heard of last, in Unix nanoseconds
	synced atomic.Bool  // this owner has answered
}

// unheard is the rank of a follower that the owner has never answered.
const unheard = -1

// ballot is the answer to a request for a vote.
type ballot struct {
	Granted bool   `json:"granted"`
	Rank    int64  `json:"rank"`
	Reason  string `json:"reason,omitempty"`

	from string
}

func (e *election) silent() bool { return time.Since(time.Unix(0, e.heard.Load())) > patience }

// hear notes that the owner is there.
func (e *election) hear() {
	e.heard.Store(time.Now().UnixNano())
	e.synced.Store(true)
}

var campaigns = regexp.MustCompile(`^\w{1,64}$`)

// vote answers a candidate.
func (n *node) vote(w http.ResponseWriter, r *http.Request) {
	term, err := strconv.ParseUint(r.FormValue("term"), 10, 64)
	rank, err2 := strconv.ParseInt(r.FormValue("rank"), 10, 64)
	candidate, campaign := r.FormValue("candidate"), r.FormValue("campaign")
	if err != nil || err2 != nil || n.s.peers[candidate] == "" || !campaigns.MatchString(campaign) {
		http.Error(w, "want term, rank, a candidate who is a peer, and its campaign", http.StatusBadRequest)
		return
	}
	keep := func(given []string) error { return n.keepVotes(r.Context(), given) }
	answer(w, n.election.vote(term, rank, candidate, campaign, n.s.name, keep))
}

// keepVotes keeps the campaigns that this node has voted for.
func (n *node) keepVotes(ctx context.Context, given []string) error {
	return n.terms.Store.Set(ctx, "mesh.votes::"+n.s.name, []byte(strings.Join(given, " ")))
}

// votes are those campaigns for a term that this node, or one of its processes
// before, has voted for.
func (n *node) votes(ctx context.Context, term uint64) (given []string, err error) {
	kept, _, err := n.terms.Store.Get(ctx, "mesh.votes::"+n.s.name)
	for campaign := range strings.FieldsSeq(string(kept)) {
		if strings.HasPrefix(campaign, campaignFor(term, "")) {
			given = append(given, campaign)
		}
	}

	return given, err
}

// campaignFor names a campaign.
func campaignFor(term uint64, name string) string { return strconv.FormatUint(term, 10) + "." + name }

func (e *election) vote(
	term uint64, rank int64, candidate, campaign, self string, keep func(given []string) error,
) ballot {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.claim.Term == 0:
		return ballot{Reason: "this node follows nobody"}
	case e.claim.Term+1 != term:
		return ballot{Reason: fmt.Sprintf("this node follows term %d", e.claim.Term)}
	case !e.silent():
		return ballot{Reason: "the owner was heard of lately"}
	}
	e.halt()
	own, now := e.rank(), time.Now()
	if rank < own || rank == own && candidate > self {
		e.quiet = now // this node is the one to succeed
		return ballot{Rank: own, Reason: "this node knows more"}
	}
	given := append(slices.Clone(e.given), campaignFor(term, campaign))
	if err := keep(given); err != nil {
		return ballot{Rank: own, Reason: "the vote cannot be kept: " + err.Error()}
	}
	e.frozen, e.quiet, e.given = now.Add(2*campaigning), now.Add(2*campaigning), given

	return ballot{Granted: true, Rank: own}
}

// What becomes of the votes for a campaign: one of them, for ever.
const (
	votesUsed  = "used"  // by the candidate
	votesTaken = "taken" // back, by somebody who has voted
)

// decide says whether that is what becomes of the votes for a campaign.
func decide(ctx context.Context, store effect.StateStore, campaign, what string) (bool, error) {
	key := "mesh.campaign::" + campaign
	added, err := store.TryAdd(ctx, key, []byte(what))
	if err != nil || added {
		return added, err
	}
	became, _, err := store.Get(ctx, key)

	return string(became) == what, err
}

// free takes back the votes that were given, and says whether that was possible:
// then nobody succeeds the owner by them, and this node may follow on.
func (e *election) free(ctx context.Context, store effect.StateStore) (bool, error) {
	e.mu.Lock()
	given := slices.Clone(e.given)
	e.mu.Unlock()
	for _, campaign := range given {
		if taken, err := decide(ctx, store, campaign, votesTaken); !taken {
			return false, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.given = slices.DeleteFunc(e.given, func(c string) bool { return slices.Contains(given, c) })

	return len(e.given) == 0, nil
}

// follow follows the owner of a term until there is another one, which may be
// this node: then the queue is returned.
func (n *node) follow(
	ctx context.Context, replica *leasequeue.Replica, claim replication.Claim,
) (*leasequeue.Local, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &following{
		n: n, replica: replica, claim: claim, probe: replication.NewSinkProbe("follower"), failed: make(chan error, 1),
	}
	given, err := n.votes(ctx, claim.Term+1)
	if err != nil {
		return nil, err
	}
	if err := f.show(); err != nil {
		return nil, err
	}
	defer f.close()
	f.open(given)
	n.log.Info("follows", "owner", claim.Peer, "term", claim.Term)
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if err := f.resume(ctx); err != nil {
			return nil, err
		}
		select {
		case <-ticker.C:
		case err := <-f.failed:
			return nil, err
		case <-ctx.Done():
			return nil, nil
		}
		last, err := n.latest(ctx, claim.Term)
		if err != nil || last.Term > claim.Term {
			return nil, err
		}
		if q, err := f.succeed(ctx); q != nil || err != nil {
			return q, err
		}
	}
}

// following is a node while it follows one owner.
type following struct {
	n       *node
	replica *leasequeue.Replica
	claim   replication.Claim
	probe   *replication.SinkProbe
	host    *diagnostics.Host
	metrics *telemetry.Registration // nil without telemetry
	failed  chan error
	journal []replication.Header // of an operation that is not whole yet

	stop  context.CancelFunc // guarded by election.mu; nil: it does not follow now
	done  chan struct{}      // closed when it has stopped
	since time.Time          // it follows; guarded by election.mu
}

// show makes what shows people how far this node is. Without an error it ends
// with close.
func (f *following) show() (err error) {
	n := f.n
	if f.host, err = diagnostics.New(n.s.diagnostics()); err != nil {
		return err
	}
	err = f.host.AttachSink(f.probe)
	if n.meters != nil && err == nil {
		f.metrics, err = telemetry.New(telemetry.WithMeterProvider(n.meters), telemetry.WithServiceName(n.s.name))
	}
	if f.metrics != nil {
		err = errors.Join(f.metrics.AttachSink(f.probe), f.metrics.AttachHost(f.host))
	}
	if err != nil {
		f.hide()
	}

	return err
}

func (f *following) hide() {
	if f.metrics != nil {
		_ = f.metrics.Close() // the provider goes on
	}
	_ = f.host.Close() // says bye
}

// open begins with the votes that this node has given before.
func (f *following) open(given []string) {
	n, e := f.n, &f.n.election
	e.mu.Lock()
	e.claim, e.rank, e.halt, e.frozen, e.quiet, e.given = f.claim, f.rank, f.halt, time.Time{}, time.Time{}, given
	e.heard.Store(time.Now().UnixNano()) // it has time to begin
	e.synced.Store(false)
	e.mu.Unlock()
	n.calls.Follow(n.s.nodes[f.claim.Peer])
	n.now.Store(&stint{pages: f.host, status: f.status})
}

func (f *following) close() {
	e := &f.n.election
	e.mu.Lock()
	f.halt()
	e.claim = replication.Claim{}
	e.mu.Unlock()
	f.n.now.Store(new(stint))
	f.hide()
}

// rank is how much this follower knows of the queue.
func (f *following) rank() int64 {
	at := f.replica.Position()
	switch {
	case at.Incarnation == f.claim.Incarnation:
		return int64(at.Sequence)
	case f.n.election.synced.Load():
		return 0
	default:
		return unheard
	}
}

func (f *following) status() status {
	at, state := f.replica.Position(), f.replica.State()
	s := status{
		Node: f.n.s.name, Role: "follower", Owner: f.claim.Peer, Term: f.claim.Term,
		Life: at.Incarnation.String(), Sequence: uint64(at.Sequence),
	}
	for i := range state.Tasks {
		switch state.Tasks[i].State {
		case tq.Leased:
			s.Active++
		case tq.Dead:
			s.Dead++
		default:
			s.Pending++
		}
	}

	return s
}

// resume begins to follow if it does not, and may.
func (f *following) resume(ctx context.Context) error {
	e := &f.n.election
	base := f.n.s.peers[f.claim.Peer] // none if the owner was this node, in a life before
	may := func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()

		return f.stop == nil && base != "" && !time.Now().Before(e.frozen)
	}
	if !may() {
		return nil
	}
	if free, err := e.free(ctx, f.n.terms.Store); !free {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.given) > 0 {
		return nil // given meanwhile
	}
	ctx, f.stop = context.WithCancel(ctx)
	done := make(chan struct{})
	f.done, f.since = done, time.Now()
	go func() {
		defer close(done)
		if err := f.run(ctx, base); ctx.Err() == nil {
			select {
			case f.failed <- err:
			default: // told already
			}
		}
	}()

	return nil
}

// mayHear says that the owner, if it is there, could not be heard of yet since it
// was followed again.
func (f *following) mayHear() bool { return f.stop != nil && time.Since(f.since) < patience/2 }

// halt is election.halt.
func (f *following) halt() {
	if f.stop != nil {
		f.stop()
		<-f.done
		f.stop = nil
	}
}

func (f *following) run(ctx context.Context, base string) error {
	client, err := replicationhttp.NewClient(base+pathReplication, replicationhttp.ClientOptions{
		HTTP:    &http.Client{Transport: &listening{http.DefaultTransport, f.n.election.hear}},
		Silence: patience / 2, Timeout: 2 * time.Second, Acknowledge: f.n.s.synchronous,
	})
	if err != nil {
		return err
	}
	err = leasequeue.Follow(ctx, client, f, replication.FollowOptions{
		MinBackoff: 20 * time.Millisecond, MaxBackoff: 200 * time.Millisecond, Probe: f.probe,
		Failed: func(err error, _ time.Duration) { f.n.log.Debug("the stream of events", "error", err) },
		Missed: func(err error) { f.n.log.Debug("following from a snapshot", "why", err) },
	})
	if errors.Is(err, tq.ErrDeposed) {
		<-ctx.Done() // the store has the successor
	}

	return err
}

// Position implements leasequeue.Follower.
func (f *following) Position() tq.Position { return f.replica.Position() }

// ApplySnapshot implements leasequeue.Follower. With -journal it tells how far
// the snapshot goes.
func (f *following) ApplySnapshot(s *leasequeue.Snapshot) error {
	f.journal = f.journal[:0]
	if err := f.replica.ApplySnapshot(s); err != nil || !f.n.s.journal {
		return err
	}
	f.n.out.say("snapshot", s.Incarnation, uint64(s.Sequence))

	return nil
}

// Apply implements leasequeue.Follower. With -journal it tells of operations
// that are whole, before they are acknowledged: what is told is not lost.
func (f *following) Apply(e *leasequeue.Event) error {
	if err := f.replica.Apply(e); err != nil || !f.n.s.journal {
		return err
	}
	f.journal = append(f.journal, e.Header)
	if e.More {
		return nil
	}
	for i := range f.journal {
		tellEvent(f.n.out, "event", &f.journal[i])
	}
	f.journal = f.journal[:0]

	return nil
}

// tellEvent tells of an event what the ledger reads.
func tellEvent(out *said, word string, h *replication.Header) {
	out.say(word, h.Incarnation, uint64(h.Sequence), h.Kind, h.Task, uint64(h.Token.Epoch))
}

// listening is a transport that tells of all that comes.
type listening struct {
	http.RoundTripper
	heard func()
}

func (l *listening) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode < 300 {
		l.heard()
		res.Body = &listener{res.Body, l.heard}
	}

	return res, err
}

type listener struct {
	io.ReadCloser
	heard func()
}

func (l *listener) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if n > 0 {
		l.heard()
	}

	return n, err
}

// succeed makes this follower the owner if the owner is silent and it is
// elected. The queue is nil if it is not.
func (f *following) succeed(ctx context.Context) (*leasequeue.Local, error) {
	e, now := &f.n.election, time.Now()
	e.mu.Lock()
	if !e.silent() || now.Before(e.quiet) || f.mayHear() {
		e.mu.Unlock()
		return nil, nil
	}
	e.halt()
	e.frozen = now.Add(2 * campaigning) // its rank stays as it is
	rank := f.rank()
	e.mu.Unlock()

	campaign := crand.Text()
	after, won := f.elected(ctx, campaign, rank)
	if won = won && time.Since(now) <= campaigning; won {
		var err error
		if won, err = decide(ctx, f.n.terms.Store, campaignFor(f.claim.Term+1, campaign), votesUsed); err != nil {
			return nil, err
		}
	}
	if !won {
		e.lose(time.Now())
		return nil, nil
	}

	return after(ctx)
}

// lose has a candidate follow on that was not elected, unless it has voted for
// another one meanwhile.
func (e *election) lose(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.given) > 0 {
		return
	}
	e.frozen = time.Time{}
	e.quiet = now.Add(campaigning/4 + rand.N(campaigning/4)) // not at the same time as others
}

// elected asks for votes, and gives what is to be done with enough of them.
func (f *following) elected(
	ctx context.Context, campaign string, rank int64,
) (next func(context.Context) (*leasequeue.Local, error), won bool) {
	n := f.n
	answers, most, missing := 1, rank, len(n.s.peers)
	if n.s.peers[f.claim.Peer] != "" {
		missing-- // the owner's
	}
	for b := range f.ballots(ctx, campaign, rank) {
		answers++
		most = max(most, b.Rank)
		if b.Granted && b.from != f.claim.Peer {
			missing--
		}
	}
	n.log.Debug("asked for votes", "rank", rank, "highest", most, "answers", answers, "missing", missing)
	switch {
	case missing > 0:
		return nil, false
	case rank == unheard && (answers <= len(n.s.peers) || most > unheard):
		return nil, false // somebody may know more
	case rank <= 0: // there was nothing, or it is lost
		n.log.Warn("begins with an empty queue", "after", f.claim.Term)
		return func(ctx context.Context) (*leasequeue.Local, error) { return n.begin(ctx, f.claim.Term) }, true
	}
	n.log.Info("succeeds", "owner", f.claim.Peer, "term", f.claim.Term, "rank", rank)

	return func(ctx context.Context) (*leasequeue.Local, error) {
		return f.replica.Promote(ctx, leasequeue.Options{}, replication.Promotion{Terms: n.terms, ClockSkew: skew})
	}, true
}

// ballots are the answers of the peers that answer in time.
func (f *following) ballots(ctx context.Context, campaign string, rank int64) <-chan ballot {
	n := f.n
	all := make(chan ballot, len(n.s.peers))
	var asked sync.WaitGroup
	for name, base := range n.s.peers {
		asked.Go(func() {
			b, err := ask(ctx, base, url.Values{
				"term": {strconv.FormatUint(f.claim.Term+1, 10)}, "rank": {strconv.FormatInt(rank, 10)},
				"candidate": {n.s.name}, "campaign": {campaign},
			})
			if err != nil {
				n.log.Debug("asked for a vote", "peer", name, "error", err)
				return
			}
			b.from = name
			all <- b
		})
	}
	asked.Wait()
	close(all)

	return all
}

// ask asks a peer for its vote.
func ask(ctx context.Context, base string, query url.Values) (b ballot, err error) {
	ctx, cancel := context.WithTimeout(ctx, campaigning/2)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+pathVote+"?"+query.Encode(), nil)
	if err != nil {
		return b, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return b, err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if res.StatusCode != http.StatusOK {
		return b, errors.New(res.Status)
	}

	return b, json.NewDecoder(io.LimitReader(res.Body, 1<<12)).Decode(&b)
}
