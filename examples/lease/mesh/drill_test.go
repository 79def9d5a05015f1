package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestDrill is the drill, short: what is promised of failovers and restarts
// holds for invariants 7, 9, 13 and 30 over process boundaries.
func TestDrill(t *testing.T) {
	var stdout, stderr bytes.Buffer
	s := parsed(t, "-role", "drill", "-only", "kill,rolling", "-seed", "7")
	if err := runDrill(t.Context(), s, &said{w: &stdout}, &said{w: &stderr}); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	for _, want := range []string{"all 2 kept what was promised", "goes on in term 2", "restored to", "lost 0"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in\n%s", want, &stdout)
		}
	}
}

// TestPlayedAgain: a scenario that fails, or does not bring about what it is to,
// has another chance, and one that does has not.
func TestPlayedAgain(t *testing.T) {
	var stdout, stderr bytes.Buffer
	plays := 0
	r, err := playOut(t.Context(), parsed(t, "-role", "drill"), scenario{name: "late", play: func(_ context.Context, x *scene) error {
		if plays++; plays == 1 {
			return errors.New("too late")
		}
		x.expect(plays == 3, "nothing came of it")

		return nil
	}}, &said{w: &stdout}, &said{w: &stderr})
	if err != nil || r.broken() || plays != 3 {
		t.Errorf("played %d times: %v\n%s%s", plays, err, &stdout, &stderr)
	}
	for _, want := range []string{"again: too late", "again: nothing came of it", "late (", "kept"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in\n%s", want, &stdout)
		}
	}
}

// TestDrillNotices plays a scenario, and then breaks what it has counted, one
// thing at a time: each time the account must fail.
func TestDrillNotices(t *testing.T) {
	x, err := playScene(t.Context(), parsed(t, "-role", "drill"), scenario{
		word: "stall", name: "stall, once", play: func(ctx context.Context, x *scene) error {
			x.produce(ctx, 2, 20*time.Millisecond)
			held, err := x.hold(ctx)
			if err != nil {
				return err
			}
			if err := x.stall(ctx); err != nil {
				return err
			}
			x.stale(ctx, "after the deadline", held.Token)

			return nil
		},
	}, &said{w: new(bytes.Buffer)})
	if err != nil {
		t.Fatal(err)
	}
	if x.report.broken() || x.report.again == 0 || x.report.stale != 4 {
		t.Fatalf("the account of a mesh that works: %+v", x.report.balance)
	}
	some := func(l *ledger) tq.TaskID { return sorted(l.accepted)[0] }
	for name, breakIt := range map[string]func(*ledger){
		"an acknowledgement nobody has seen": func(l *ledger) { l.accepted[tq.TaskID{Origin: 1, Sequence: 1}] = "r" },
		"a line of the journal is missing": func(l *ledger) {
			for at, e := range l.events {
				if e.task == some(l) && e.kind == tq.Completed {
					delete(l.events, at)
					delete(l.owned, at)
				}
			}
		},
		"a mail with another key": func(l *ledger) {
			l.mails = append(l.mails, mail{Key: "other", Task: l.mails[0].Task, Resource: l.mails[0].Resource, Calls: 1})
		},
		"a call again that was sure":      func(l *ledger) { l.mails[0].Sure = 2 },
		"a mail is missing":               func(l *ledger) { l.mails = l.mails[1:] },
		"two outcomes of one effect":      func(l *ledger) { l.outcomes[some(l)]["m-0"] = true },
		"a completion by another lease":   func(l *ledger) { l.completed[grant{some(l), 1}]++ },
		"a stale token that was honoured": func(l *ledger) { l.staleDone = append(l.staleDone, "complete") },
		"a second completion in the log": func(l *ledger) {
			life := x.lives[len(x.lives)-1]
			l.owned[place{life, 1 << 40}] = event{tq.Completed, some(l), 1}
		},
		"a heartbeat of a lease that is over": func(l *ledger) {
			life := x.lives[len(x.lives)-1]
			l.owned[place{life, 1 << 40}] = event{tq.Heartbeat, some(l), 1}
		},
		"a task that is still there": func(l *ledger) { l.remaining = 1 },
		"a gap of a stream": func(l *ledger) {
			l.streams = append(l.streams, stream{unannounced: []string{"5 after 3"}})
		},
	} {
		if b := x.ledger.broken(x.lives, breakIt); !b.broken() {
			t.Errorf("%s: the account holds: %+v", name, b)
		}
	}
	var out bytes.Buffer
	bad := report{balance: x.ledger.broken(x.lives, func(l *ledger) { l.remaining = 1 })}
	bad.write(&said{w: &out}, scenario{}, 0)
	if !strings.Contains(out.String(), "FAULT: 1 tasks were still in the queue") {
		t.Errorf("the report does not say so:\n%s", &out)
	}
}

// broken is the balance of a copy of l that was broken.
func (l *ledger) broken(lives []tq.Incarnation, breakIt func(*ledger)) *balance {
	c := l.clone()
	breakIt(c)

	return c.close(lives)
}

// TestLineage: what an owner did and nobody acknowledged before it was gone is
// not promised, and so does not count.
func TestLineage(t *testing.T) {
	t.Parallel()
	task := tq.TaskID{Origin: 1, Sequence: 1}
	l := newLedger()
	l.accepted[task] = "r"
	for _, line := range []string{
		"event 0000000000000001 1 Enqueued 0000000000000001-1 0",
		"event 0000000000000001 2 LeaseGranted 0000000000000001-1 7",
		"owned 0000000000000001 3 Completed 0000000000000001-1 7", "ready x", "",
	} {
		if err := l.hear(line); err != nil {
			t.Fatal(err)
		}
	}
	l.mails = []mail{{Key: "k", Task: task.String(), Calls: 1}}
	if b := l.close([]tq.Incarnation{1, 2}); len(b.lost) != 1 {
		t.Errorf("the completion was never replicated: %+v", b)
	}
	if err := l.hear("snapshot 0000000000000001 3"); err != nil {
		t.Fatal(err)
	}
	if b := l.close([]tq.Incarnation{1, 2}); b.broken() || b.completed != 1 {
		t.Errorf("a follower had a snapshot with the completion: %+v", b)
	}
	for _, line := range []string{
		"event 1 2 3", "event 0000000000000001 1 What 0000000000000001-1 0", "completed x", "snapshot x 1",
	} {
		if l.hear(line) == nil {
			t.Errorf("%q was understood", line)
		}
	}
}

// TestTally: invariants 17 and 38 as a client can check them.
func TestTally(t *testing.T) {
	t.Parallel()
	snapshot := func(id string) client.Event { return client.Event{Type: diagnostics.TypeSnapshot, ID: id} }
	stats := func(id string) client.Event { return client.Event{Type: diagnostics.TypeStats, ID: id} }
	gap := func(text string) client.Event { return client.Event{Type: diagnostics.TypeGap, Data: []byte(text)} }
	rate := func(id string) client.Event {
		return client.Event{Type: diagnostics.TypeGap, ID: id, Data: []byte(`{"dropped":5,"reason":"rate"}`)}
	}
	denied, overrun := gap(`{"reason":"unknown"}`), gap(`{"from":3,"to":9,"dropped":7,"reason":"overrun"}`)
	for name, c := range map[string]struct {
		events []client.Event
		faults int
	}{
		"in order":               {[]client.Event{snapshot("a.1"), stats("a.2"), stats("a.3")}, 0},
		"a hole":                 {[]client.Event{snapshot("a.1"), stats("a.2"), stats("a.4")}, 1},
		"twice":                  {[]client.Event{snapshot("a.1"), stats("a.2"), stats("a.2")}, 1},
		"a gap that is told":     {[]client.Event{snapshot("a.1"), stats("a.2"), overrun, snapshot("a.9")}, 0},
		"a gap that is not":      {[]client.Event{snapshot("a.1"), stats("a.2"), snapshot("a.9")}, 1},
		"a gap of other events":  {[]client.Event{snapshot("a.1"), overrun, snapshot("a.9")}, 1},
		"another host, told":     {[]client.Event{snapshot("a.1"), denied, snapshot("b.5"), stats("b.6")}, 0},
		"another host":           {[]client.Event{snapshot("a.1"), stats("b.2")}, 1},
		"the same host, denied":  {[]client.Event{snapshot("a.1"), denied, snapshot("a.5")}, 1},
		"no id":                  {[]client.Event{snapshot("a.1"), stats("a")}, 1},
		"a gap that is numbered": {[]client.Event{snapshot("a.1"), rate("a.2"), stats("a.3")}, 0},
		"one that is not":        {[]client.Event{snapshot("a.1"), rate("a.3"), stats("a.4")}, 1},
	} {
		y := &tally{}
		for _, e := range c.events {
			y.take(e)
		}
		if len(y.unannounced) != c.faults {
			t.Errorf("%s: %v", name, y.unannounced)
		}
	}
}

// TestVote: who may succeed an owner.
func TestVote(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		silence time.Duration
		term    uint64
		rank    int64
		from    string
		granted bool
		halted  bool
	}{
		"knows more":                 {time.Hour, 4, 11, "z", true, true},
		"knows as much, comes first": {time.Hour, 4, 10, "a", true, true},
		"knows as much, comes later": {time.Hour, 4, 10, "z", false, true},
		"knows less":                 {time.Hour, 4, 9, "a", false, true},
		"the owner lives":            {0, 4, 11, "a", false, false},
		"another term":               {time.Hour, 5, 11, "a", false, false},
	} {
		halted := false
		e := &election{rank: func() int64 { return 10 }, halt: func() { halted = true }}
		e.claim.Term = 3
		e.heard.Store(time.Now().Add(-c.silence).UnixNano())
		b := e.vote(c.term, c.rank, c.from, "1", "m", func([]string) error { return nil })
		if b.Granted != c.granted || halted != c.halted || halted && b.Rank != 10 {
			t.Errorf("%s: %+v, stopped following: %v", name, b, halted)
		}
		// Who has voted waits for the winner. Who has not, since it knows more, asks
		// for votes itself, at once: otherwise two could keep each other from it.
		now := time.Now()
		if waits := e.quiet.After(now); waits != c.granted || e.frozen.After(now) != c.granted {
			t.Errorf("%s: it waits for the winner: %v", name, waits)
		}
	}
	if b := new(election).vote(1, 0, "a", "1", "m", nil); b.Granted {
		t.Error("a node that follows nobody has voted")
	}
}

// TestVotesOnce: votes are used or taken back, and not both, whoever of candidate
// and voter stands still for how long.
func TestVotesOnce(t *testing.T) {
	t.Parallel()
	ctx, store := t.Context(), new(effect.Memory)
	voter := &election{rank: func() int64 { return 10 }, halt: func() {}}
	voter.claim.Term = 3
	n := &node{terms: &replication.Terms{Store: store}, s: settings{name: "m"}}
	keep := func(given []string) error { return n.keepVotes(ctx, given) }
	grant := func(campaign string) {
		t.Helper()
		if b := voter.vote(4, 11, "a", campaign, "m", keep); !b.Granted {
			t.Fatalf("campaign %s: %+v", campaign, b)
		}
	}
	free := func(want bool) {
		t.Helper()
		if got, err := voter.free(ctx, store); got != want || err != nil {
			t.Errorf("it may follow on: %v, %v, want %v", got, err, want)
		}
	}
	uses := func(campaign string, want bool) {
		t.Helper()
		if got, err := decide(ctx, store, campaignFor(4, campaign), votesUsed); got != want || err != nil {
			t.Errorf("campaign %s claims the term: %v, %v, want %v", campaign, got, err, want)
		}
	}
	free(true) // it has not voted
	grant("1")
	free(true)
	uses("1", false)
	grant("2")
	grant("3")
	uses("3", true)
	uses("3", true) // said again
	free(false)
	uses("2", false) // taken back all the same
	free(false)

	// Its next process knows, as long as the term is not over.
	var err error
	if voter.given, err = n.votes(ctx, 4); err != nil {
		t.Fatal(err)
	}
	free(false)
	if given, err := n.votes(ctx, 5); len(given) > 0 || err != nil {
		t.Errorf("votes for a term later: %q, %v", given, err)
	}
	failing := func([]string) error { return errors.New("disk full") }
	if b := voter.vote(4, 11, "a", "4", "m", failing); b.Granted {
		t.Error("a vote that is not kept is granted")
	}

	// A candidate that is not elected does not follow on where it has voted.
	frozen := voter.frozen
	voter.lose(time.Now())
	if frozen.IsZero() || voter.frozen != frozen {
		t.Errorf("it waits for the winner until %v, want %v", voter.frozen, frozen)
	}
	voter.given = nil
	voter.lose(time.Now())
	if !voter.frozen.IsZero() {
		t.Error("it does not follow on")
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for i := 1000; i > 0; i-- {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	if got, want := quantilesOf(all), (quantiles{0.5, 0.9, 0.99, 1}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := quantilesOf(all[:1]); got.P50 != got.Max || got.Max != 0.001 {
		t.Errorf("of one: %v", got)
	}
	if got := quantilesOf(nil); got != (quantiles{}) {
		t.Errorf("of none: %v", got)
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	if got := code(errors.New("x")); got != "no answer" {
		t.Error(got)
	}
}

// clone is a copy whose maps can be changed.
func (l *ledger) clone() *ledger {
	c := newLedger()
	maps.Copy(c.accepted, l.accepted)
	maps.Copy(c.completed, l.completed)
	maps.Copy(c.events, l.events)
	maps.Copy(c.owned, l.owned)
	maps.Copy(c.reached, l.reached)
	maps.Copy(c.dead, l.dead)
	for id, recorded := range l.outcomes {
		c.outcomes[id] = maps.Clone(recorded)
	}
	c.mails, c.streams, c.staleDone = slices.Clone(l.mails), slices.Clone(l.streams), slices.Clone(l.staleDone)
	c.stale, c.late, c.uncertain, c.remaining = l.stale, l.late, l.uncertain, l.remaining

	return c
}

// TestLink: what is cut off does not come through, and new connections do once
// the link is whole.
func TestLink(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newGateway().handler())
	t.Cleanup(server.Close)
	l, err := openLink(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	ask := func() error {
		var said string
		return get(t.Context(), l.url()+"/livez", &said)
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if l.sever(); ask() == nil {
		t.Error("a link that is cut answers")
	}
	if l.heal(); ask() != nil {
		t.Error("a link that is whole again does not answer")
	}
}

// TestElected: which votes make an owner. Each follower's is needed, since an
// operation waits for any one of them; an owner that is back has none.
func TestElected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rank        int64
		owner, peer string // what they answer; "" is nothing
		won         bool
	}{
		"both vote":                    {5, `{"granted":true,"rank":-1}`, `{"granted":true,"rank":5}`, true},
		"the owner is gone":            {5, "", `{"granted":true,"rank":4}`, true},
		"the other knows more":         {5, "", `{"rank":6}`, false},
		"only the owner, who is back":  {5, `{"granted":true,"rank":-1}`, "", false},
		"nobody answers":               {5, "", "", false},
		"nothing was there":            {0, "", `{"granted":true,"rank":0}`, true},
		"all have lost everything":     {-1, `{"granted":true,"rank":-1}`, `{"granted":true,"rank":-1}`, true},
		"somebody may have everything": {-1, "", `{"granted":true,"rank":-1}`, false},
	} {
		n := &node{log: slog.New(slog.DiscardHandler), s: settings{name: "a", peers: nodes{}}}
		for peer, says := range map[string]string{"owner": c.owner, "b": c.peer} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if says == "" {
					w.WriteHeader(http.StatusBadGateway)
				}
				_, _ = w.Write([]byte(says))
			}))
			t.Cleanup(server.Close)
			n.s.peers[peer] = server.URL
		}
		f := &following{n: n, claim: replication.Claim{Term: 3, Peer: "owner"}}
		if next, won := f.elected(t.Context(), "1", c.rank); won != c.won || (next != nil) != c.won {
			t.Errorf("%s: won %v", name, won)
		}
	}
}
