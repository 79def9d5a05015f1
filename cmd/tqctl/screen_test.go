package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// noon is the time of the screens of the tests.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)

// stage is a screen without a terminal.
type stage struct {
	*screen
	t  testing.TB
	id int
}

func newStage(t testing.TB, about topic, a aim) *stage {
	s := &stage{newScreen(about, "http://orders:8080/diagnostics/taskqueue", a, func() time.Time { return noon }), t, 0}
	s.send(tea.WindowSizeMsg{Width: 100, Height: 20})

	return s
}

// send gives the screen a message and says whether it wants to end.
func (s *stage) send(msg tea.Msg) bool {
	_, cmd := s.Update(msg)
	if cmd == nil {
		return false
	}
	if _, ticks := msg.(tickMsg); ticks {
		return false
	}
	_, quits := cmd().(tea.QuitMsg)

	return quits
}

// event gives it an event of the stream, or a part of a snapshot.
func (s *stage) event(kind string, snapshot bool, data any) bool {
	s.t.Helper()
	text, err := json.Marshal(data)
	must(s.t, err)
	s.id++
	e, err := understand(client.Event{ID: fmt.Sprintf("a.%d", s.id), Type: kind, Data: text})
	must(s.t, err)
	e.snapshot = snapshot

	return s.send(heardMsg{e})
}

var keys = map[string]tea.KeyPressMsg{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
	"space": {Code: tea.KeySpace}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
}

// press presses keys.
func (s *stage) press(names ...string) (quits bool) {
	s.t.Helper()
	for _, name := range names {
		k, ok := keys[name]
		if !ok {
			k = tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
		}
		if k.String() != name {
			s.t.Fatalf("%q is the key %q", name, k.String())
		}
		quits = s.send(k)
	}

	return quits
}

// text is what is seen, without styles and the spaces at ends of lines.
func (s *stage) text() string {
	lines := strings.Split(ansi.Strip(s.View().Content), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}

	return strings.Join(lines, "\n")
}

// sees checks that a text is, or is not, on the screen.
func (s *stage) sees(want bool, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if strings.Contains(s.text(), text) != want {
			s.t.Errorf("%q is there: %v, want %v:\n%s", text, !want, want, s.text())
		}
	}
}

// chosen is the row that is marked.
func (s *stage) chosen() string {
	for line := range strings.Lines(s.View().Content) {
		if strings.HasPrefix(line, "\x1b[7m") {
			name, _, _ := strings.Cut(strings.TrimSpace(ansi.Strip(line)), " ")

			return name
		}
	}

	return ""
}

func stats(name string, pending int) diagnostics.QueueStats {
	return diagnostics.QueueStats{
		Queue: name, Pending: pending, Capacity: 4096, Active: 3, OldestAgeSeconds: 1.5, High: 3072, Low: 1536,
		ObservedAt: noon,
	}
}

func TestQueuesScreen(t *testing.T) {
	t.Parallel()
	s := newStage(t, topicQueues, aim{})
	s.sees(true, "connecting", "Nothing has come yet")
	s.send(connectedMsg{})
	s.event(diagnostics.TypeSnapshot, false, diagnostics.Snapshot{})
	s.sees(true, "live", "No queue is attached")
	for i, name := range []string{"orders", "mails", "invoices"} {
		s.event(diagnostics.TypeStats, true, stats(name, 1000*i))
	}
	s.event(diagnostics.TypeStats, false, stats("mails", 2000))
	s.event(diagnostics.TypeBackpressure, false, backpressure.Signal{Queue: "mails", Active: true, Pending: 2000, ObservedAt: noon})
	want := `tqctl watch queues  http://orders:8080/diagnostics/taskqueue                                    live

QUEUE     PENDING     OF  ACTIVE  IN/S  DONE/S  FAILED/S  OLDEST  WAIT P50  P99  EXPIRED  DEAD
invoices    2,000  4,096       3     0       0         0  1.50 s       0 s  0 s        0     0
mails       2,000  4,096       3     0       0         0  1.50 s       0 s  0 s        0     0
orders          0  4,096       3     0       0         0  1.50 s       0 s  0 s        0     0
` + strings.Repeat("\n", 11) + strings.Repeat("─", 100) + `
12:00:00  mails is under backpressure, at 2,000
q quit  p pause  ↑↓ select  enter details  ? help`
	if diff := cmp.Diff(want, s.text()); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}

	// A selected row stays so, wherever it goes; the first is the first.
	if s.press("down"); s.chosen() != "mails" {
		t.Errorf("chosen %q", s.chosen())
	}
	s.event(diagnostics.TypeStats, false, stats("audit", 1))
	if s.chosen() != "mails" {
		t.Errorf("chosen %q after a row came", s.chosen())
	}
	s.press("enter")
	s.sees(true, "pending        2,000 of 4,096", "backpressure   yes, from 3,072 to 1,536", "esc back")
	s.press("esc")
	paused := stats("mails", 2000)
	paused.Paused = true
	s.event(diagnostics.TypeStats, false, paused)
	s.sees(true, "QUEUE     STATE   PENDING", "mails     PAUSED    2,000", "orders                  0")
	paused.State = "closed"
	s.event(diagnostics.TypeStats, false, paused)
	s.sees(true, "QUEUE     STATE   PENDING", "mails     CLOSED    2,000", "orders                  0")
	s.press("end", "down")
	if s.chosen() != "orders" {
		t.Errorf("the last is %q", s.chosen())
	}
	s.press("home", "up")
	if s.chosen() != "audit" {
		t.Errorf("the first is %q", s.chosen())
	}
	if s.press("q") != true || s.press("ctrl+c") != true {
		t.Error("q and ctrl-c do not quit")
	}
}

// While it is paused the screen stays, and says how much came meanwhile and how
// the connection is.
func TestPause(t *testing.T) {
	t.Parallel()
	s := newStage(t, topicQueues, aim{})
	s.send(connectedMsg{})
	s.event(diagnostics.TypeStats, false, stats("orders", 1))
	s.press("p")
	s.event(diagnostics.TypeStats, false, stats("orders", 2222))
	s.event(diagnostics.TypeStats, false, stats("mails", 3333))
	s.send(lostMsg{errors.New("connection refused")})
	s.sees(true, "paused, reconnecting", "2 events since the pause", "connection refused")
	s.sees(false, "2,222", "mails")
	s.press("space")
	s.sees(true, "2,222", "mails", "reconnecting")
	s.sees(false, "paused")
	s.send(connectedMsg{})
	s.sees(false, "refused", "reconnecting")
}

func TestGapsAreShown(t *testing.T) {
	t.Parallel()
	s := newStage(t, topicBackpressure, aim{})
	s.event(diagnostics.TypeGap, false, diagnostics.Gap{From: 5, To: 1004, Dropped: 1000, Reason: "overrun"})
	s.sees(true, "1,000 events missed", "12:00:00  1,000 events missed, 5 to 1004: overrun")
	s.event(diagnostics.TypeGap, false, diagnostics.Gap{Reason: "unknown"})
	s.event(diagnostics.TypeBye, false, diagnostics.Bye{Reason: "shutdown"})
	s.sees(true, "1,000 events missed; 1 restart of the host", "the host says bye: shutdown")
}

// A snapshot takes the place of what was known. For how long a state lasts is
// known if it began before our eyes.
func TestBackpressureScreen(t *testing.T) {
	t.Parallel()
	s := newStage(t, topicBackpressure, aim{})
	signal := func(queue string, active bool, generation uint64, age time.Duration) backpressure.Signal {
		return backpressure.Signal{
			Queue: queue, Shard: "eu", Active: active, Pending: 7, High: 8, Low: 4, Generation: generation,
			ObservedAt: noon.Add(-age),
		}
	}
	s.clock = func() time.Time { return noon.Add(time.Hour) } // ours is wrong
	both := []backpressure.Signal{signal("mails", false, 0, time.Minute), signal("orders", true, 3, time.Minute)}
	s.event(diagnostics.TypeSnapshot, false, diagnostics.Snapshot{Backpressure: both, ObservedAt: noon})
	for _, one := range both {
		s.event(diagnostics.TypeBackpressure, true, one)
	}
	s.event(diagnostics.TypeBackpressure, false, signal("mails", true, 1, 30*time.Second))
	s.event(diagnostics.TypeBackpressure, false, signal("mails", true, 1, 0)) // the same again
	s.sees(true,
		"mails   eu     ACTIVE                   7     8    4    30.0 s        1",
		"orders  eu     ACTIVE                   7     8    4  ≥ 60.0 s        3",
		"11:59:30  mails/eu is under backpressure, at 7",
	)
	s.event(diagnostics.TypeSnapshot, false, diagnostics.Snapshot{Backpressure: both[1:]})
	s.event(diagnostics.TypeBackpressure, true, signal("orders", false, 4, 0))
	s.sees(false, "mails   eu")
	s.sees(true, "orders/eu is no longer under backpressure", "orders  eu     no")
}

func TestUntilOnScreen(t *testing.T) {
	t.Parallel()
	s := newStage(t, topicBackpressure, aim{until: "inactive"})
	s.event(diagnostics.TypeSnapshot, false, diagnostics.Snapshot{})
	if s.send(settledMsg{}) {
		t.Error("ended without a monitor")
	}
	if s.event(diagnostics.TypeBackpressure, false, backpressure.Signal{Queue: "a", Active: true}) ||
		s.event(diagnostics.TypeBackpressure, true, backpressure.Signal{Queue: "b"}) {
		t.Error("ended under backpressure")
	}
	if !s.event(diagnostics.TypeBackpressure, false, backpressure.Signal{Queue: "a", Generation: 1}) || !s.reached {
		t.Error("did not end when all were inactive")
	}
}

// Dead letters stand with the newest first; their errors are hostile.
func TestDeadLettersScreen(t *testing.T) {
	t.Parallel()
	s := newStage(t, topicDeadLetters, aim{})
	s.event(diagnostics.TypeSnapshot, false, diagnostics.Snapshot{})
	s.sees(true, "No dead letters")
	letter := func(n uint64, text string) diagnostics.DeadLetter {
		return diagnostics.DeadLetter{Queue: "orders", Number: n, Task: "a-1", Attempts: 5, EnqueuedAt: noon, Error: text}
	}
	for n := range 40 {
		s.event(diagnostics.TypeDeadLetter, n < 20, letter(uint64(n+1), "error of "+fmt.Sprint(n+1)))
	}
	s.sees(true, "1/40", "error of 40", "error of 25")
	s.sees(false, "error of 24")
	s.press("pgdown", "down")
	s.sees(true, "18/40", "error of 23", "error of 24")
	s.sees(false, "error of 40")
	s.event(diagnostics.TypeDeadLetter, false, letter(41, "\x1b[2J\x1b]0;owned\a\u202e"+strings.Repeat("long ", 100)+"\nsecond line\x9b"))
	s.sees(true, "19/41")
	s.press("home", "enter")
	s.sees(true, `error          \x1b[2J\x1b]0;owned\a\u202elong`, `second line\ufffd`)
	s.event(diagnostics.TypeSnapshot, false, diagnostics.Snapshot{})
	s.sees(true, "It is gone")
	s.press("esc")
	s.sees(true, "No dead letters")
}

var ours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Whatever the size and whatever is shown, nothing is wider or higher than the
// terminal, and nothing but our own styles is no text.
func TestEverySize(t *testing.T) {
	t.Parallel()
	greatest := diagnostics.QueueStats{
		Queue: "greatest", Pending: math.MaxInt, Capacity: math.MinInt, Lag: math.MaxUint64, OldestAgeSeconds: 1e300,
		WaitP50Seconds: -1e300, PerSec: diagnostics.Rates{Enqueued: 1e300, Completed: -1e300}, Active: math.MinInt,
	}
	hostile := "\x1b[31m漢字🙂\u0301\u202e\x9b\n\t" + strings.Repeat("x", 300)
	for about := range topics {
		s := newStage(t, topic(about), aim{})
		s.address = clean(hostile)
		s.event(diagnostics.TypeSnapshot, false, diagnostics.Snapshot{})
		for range 3 {
			s.event(diagnostics.TypeStats, false, greatest)
		}
		for i := range 12 {
			name := fmt.Sprint(i, hostile)
			s.event(diagnostics.TypeStats, false, stats(name, i*1000))
			s.event(diagnostics.TypeBackpressure, false, backpressure.Signal{Queue: name, Shard: hostile, Active: true})
			s.event(diagnostics.TypeDeadLetter, false, diagnostics.DeadLetter{
				Queue: name, Number: uint64(i), Task: hostile, Owner: hostile, Error: hostile, Code: hostile,
			})
		}
		replica := diagnostics.Replication{
			Queue: hostile, Role: hostile, Stream: hostile, Shard: hostile,
			Peers: []diagnostics.ReplicationPeer{{Peer: hostile}, {}},
		}
		s.event(diagnostics.TypeReplicas, false, diagnostics.Replicas{Queue: hostile, Replication: []diagnostics.Replication{replica}})
		s.event(diagnostics.TypeReplication, false, diagnostics.Replicated{
			Queue: hostile, Role: hostile, Stream: hostile, Peer: hostile, Kind: hostile, Task: hostile,
		})
		s.event(diagnostics.TypeGap, false, diagnostics.Gap{Dropped: 3, Reason: hostile})
		s.event(diagnostics.TypeBye, false, diagnostics.Bye{Reason: hostile})
		s.send(lostMsg{errors.New(hostile)})
		s.send(warnMsg{errors.New(hostile)})
		for _, key := range []string{"down", "end", "p", "enter", "pgdown", "esc", "?"} {
			s.press(key)
			for _, width := range []int{0, 1, 2, 3, 5, 8, 13, 20, 21, 22, 30, 39, 40, 41, 55, 79, 80, 81, 130} {
				for _, height := range []int{0, 1, 2, 4, 5, 12, 13, 40} {
					s.send(tea.WindowSizeMsg{Width: width, Height: height})
					s.fits(width, height)
				}
			}
		}
	}
}

func (s *stage) fits(width, height int) {
	s.t.Helper()
	lines := strings.Split(s.View().Content, "\n")
	if len(lines) > max(height, 1) {
		s.t.Fatalf("%d lines in %d×%d", len(lines), width, height)
	}
	for _, l := range lines {
		text := ours.ReplaceAllString(l, "")
		if ansi.StringWidth(text) > width || strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
			s.t.Fatalf("in %d×%d: %q", width, height, l)
		}
	}
}

func TestReplicationScreen(t *testing.T) {
	t.Parallel()
	s := newStage(t, topicReplication, aim{})
	s.event(diagnostics.TypeSnapshot, false, diagnostics.Snapshot{})
	s.sees(true, "No source and no sink is attached")
	sink := diagnostics.Replication{
		Queue: "orders", Shard: "eu", Role: "sink", Stream: "audit", Position: 1200, Known: 1234, Behind: 34, Distance: 7,
		Peers: []diagnostics.ReplicationPeer{
			{Peer: "node-1", Position: 1200, LagSeconds: 0.25, Distance: 5, Events: 900, Duplicates: 3, Gaps: 1},
			{Peer: "node-2", Position: 1100, LagSeconds: 4, Distance: 2, Events: 300},
		},
	}
	source := diagnostics.Replication{Queue: "mails", Role: "source", Position: 5, Known: 5}
	nameless := diagnostics.Replication{Role: "sink", Stream: "audit"}
	s.event(diagnostics.TypeReplicas, true, diagnostics.Replicas{Replication: []diagnostics.Replication{nameless}})
	s.sees(true, "not known yet  sink audit")
	stats := stats("orders", 1)
	stats.Replication = []diagnostics.Replication{sink}
	s.event(diagnostics.TypeStats, false, stats)
	s.event(diagnostics.TypeReplicas, false, diagnostics.Replicas{Queue: "mails", Replication: []diagnostics.Replication{source}})
	s.event(diagnostics.TypeReplication, false, diagnostics.Replicated{
		Queue: "orders", Role: "sink", Stream: "audit", Peer: "node-2", Kind: "Completed", Sequence: 1100, Task: "a-1",
	})
	s.event(diagnostics.TypeGap, false, diagnostics.Gap{Queue: "orders", Reason: "rate", Dropped: 77})
	s.send(tea.WindowSizeMsg{Width: 130, Height: 20})
	want := []string{
		"                     77 events beyond the rate of the host",
		"QUEUE   BY             PEER    POSITION  BEHIND     LAG  TO CHECKPOINT  EVENTS  PASSED OVER  GAPS  LATEST",
		"mails   source                        5       0     0 s                      0",
		"orders  sink audit eu  node-1     1,200      34  250 ms              5     900            3     1",
		"orders  sink audit eu  node-2     1,100      34  4.00 s              2     300            0     0  Completed 1,100",
	}
	got := strings.Split(s.text(), "\n")[1:6]
	want[0] = strings.TrimSpace(want[0])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
	s.event(diagnostics.TypeGap, false, diagnostics.Gap{
		Queue: "letters", Reason: "rate", Dropped: 28, Role: diagnostics.RoleDeadLetters,
	})
	s.sees(true, "letters: 28 dead letters gone before they could be told", "77 events beyond the rate")
	s.press("end", "enter")
	s.sees(true, "position       1,200 of 1,234 known, 34 behind", "latest         Completed 1,100 of task a-1")
	s.press("esc")
	s.event(diagnostics.TypeReplicas, false, diagnostics.Replicas{Queue: "mails"})
	s.sees(false, "mails")
}

// What comes faster than it is drawn is drawn at once; what does not fit waits.
func TestInbox(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	in := &inbox{ctx, make(chan tea.Msg, 3)}
	in.connected()
	in.warn(errors.New("x"))
	in.settled()
	if got, ok := in.next().(batchMsg); !ok || len(got) != 3 {
		t.Errorf("batch %v", got)
	}
	for range 3 {
		in.settled()
	}
	cancel()
	if in.heard(event{}) {
		t.Error("goes on though nobody takes it")
	}
	s := newStage(t, topicBackpressure, aim{until: "active"})
	s.next = func() tea.Msg { return nil }
	signal := event{kind: diagnostics.TypeBackpressure, value: backpressure.Signal{Queue: "a", Active: true}}
	if !s.send(batchMsg{connectedMsg{}, heardMsg{signal}}) || s.link != live {
		t.Error("a batch is not its messages")
	}
}
