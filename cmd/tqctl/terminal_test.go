package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// patience is how long a screen may take for anything.
const patience = 3 * time.Minute

// terminal is a real one: a tmux server of its own with one pane, where a shell
// runs the command and then says its exit status.
type terminal struct {
	t      testing.TB
	socket string
}

// open runs the command with arguments in a terminal of that size.
func open(t testing.TB, width, height int, args ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed: screens are not tested on a terminal (make verify installs it)")
	}
	dir, err := os.MkdirTemp("", "tqctl") // a socket's path must be short
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	me, err := os.Executable()
	must(t, err)
	term := &terminal{t, filepath.Join(dir, "s")}
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	// What comes by standard input is not for it: keys come from the terminal.
	script := fmt.Sprintf(`TQCTL_PLAYED=1 '%s' "$@" </dev/null; echo "status $?"; exec cat`, me)
	term.tmux(append([]string{
		"-f", os.DevNull, "-u", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "--",
		"sh", "-c", script, "sh",
	}, args...)...)

	return term
}

func (m *terminal) tmux(args ...string) string {
	m.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", m.socket}, args...)...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}

	return string(out)
}

// press presses keys, named as tmux does.
func (m *terminal) press(keys ...string) { m.tmux(append([]string{"send-keys"}, keys...)...) }

func (m *terminal) resize(width, height int) {
	m.tmux("resize-window", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height))
}

// screen is what there is to see.
func (m *terminal) screen() string { return m.tmux("capture-pane", "-p") }

// until waits for a screen that is as wanted.
func (m *terminal) until(what string, wanted func(screen string) bool) string {
	m.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(patience); ; <-again.C {
		screen := m.screen()
		switch {
		case wanted(screen):
			return screen
		case time.Now().After(end):
			m.t.Fatalf("no %s after %v:\n%s", what, patience, screen)
		}
	}
}

// sees waits for texts, all on one screen.
func (m *terminal) sees(texts ...string) string {
	m.t.Helper()

	return m.until(fmt.Sprintf("%q", texts), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}

		return true
	})
}

// matches waits for an expression.
func (m *terminal) matches(expression string) {
	m.t.Helper()
	m.until(expression, regexp.MustCompile("(?m)"+expression).MatchString)
}

// lively is a host whose figures come quickly.
var lively = diagnostics.Options{Interval: 50 * time.Millisecond}

// The figures of a queue follow it, keys do what they say, and the screen fits
// the terminal, however small it becomes.
func TestTerminalQueues(t *testing.T) {
	t.Parallel()
	s := serve(t, lively)
	q, _ := s.attach("orders"), s.attach("mails")
	m := open(t, 110, 20, "watch", "queues", "--url", s.URL)
	m.sees("live", "QUEUE", "PENDING OF LATE", "mails", "q quit")
	m.matches(`^orders +0 +16 +0 `)
	enqueue(t, q, 7)
	m.matches(`^orders +7 +16 +0 .*█`)

	m.press("p")
	m.sees("paused, live")
	work(t, q, 3)
	m.matches(`[0-9]+ events since the pause`)
	m.matches(`^orders +7 `)
	m.press("p")
	m.matches(`^orders +4 `)

	m.press("Down", "Enter")
	m.sees("queue          orders", "pending        4 of 16", "esc back")
	m.press("Escape")
	m.sees("QUEUE")

	m.resize(44, 10)
	m.until("the narrow screen", func(screen string) bool {
		lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")

		return len(lines) == 10 && strings.HasSuffix(lines[0], "live") && strings.HasPrefix(lines[2], "QUEUE") &&
			strings.HasPrefix(lines[9], "q quit") && !strings.Contains(screen, "OF LATE")
	})
	m.resize(150, 30)
	m.sees("OF LATE", "FAILED/S")
	m.press("q")
	m.sees("status 0")
	if screen := m.screen(); strings.Contains(screen, "orders") {
		t.Errorf("the screen is left behind:\n%s", screen)
	}
}

// What came while the connection was away is a gap, and said to be one.
func TestTerminalGap(t *testing.T) {
	t.Parallel()
	o := quietly
	o.Ring = 4
	s := serve(t, o)
	q := s.attach("orders")
	enqueue(t, q, 3)
	m := open(t, 100, 24, "watch", "deadletters", "--url", s.URL)
	m.sees("live")
	s.down.Store(true)
	s.CloseClientConnections()
	m.sees("reconnecting", "503 Service Unavailable: down")
	enqueue(t, q, 10)
	for range 6 { // two more than are kept
		fail(t, q, "an event")
	}
	s.down.Store(false)
	m.sees("live", "events missed")
	m.matches(`^ +6 +orders `)
	m.matches(`events? missed, [0-9]+ to [0-9]+: overrun`)
	m.press("C-c")
	m.sees("status 0")
}

// listen listens at a port below those that systems give to who asks for any, so
// that nobody comes to have it while nobody listens.
func listen(t *testing.T) net.Listener {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			return l
		}
	}
	t.Fatal("there is no free port")

	return nil
}

// A server that goes is waited for; another one at its place is told apart.
func TestTerminalRestart(t *testing.T) {
	t.Parallel()
	first := listen(t)
	address := first.Addr().String()
	start := func(l net.Listener) (s *service, stop func()) {
		s = &service{t: t}
		s.replace(lively)
		server := &http.Server{Handler: s.host.Load(), ReadHeaderTimeout: patience}
		go func() { _ = server.Serve(l) }() // until it is closed

		return s, func() {
			must(t, s.host.Load().Close())
			must(t, server.Shutdown(context.Background()))
		}
	}
	s, stop := start(first)
	enqueue(t, s.attach("orders"), 2)
	m := open(t, 100, 24, "watch", "queues", "--url", "http://"+address)
	m.matches(`^orders +2 `)
	stop()
	m.sees("reconnecting", "connection refused", "the host says bye: shutdown")
	m.matches(`^orders +2 `) // what was known last

	second, err := net.Listen("tcp", address)
	must(t, err)
	s, stop = start(second)
	defer stop()
	enqueue(t, s.attach("orders"), 5)
	m.sees("live", "1 restart of the host")
	m.matches(`^orders +5 `)
	m.press("q")
	m.sees("status 0")
}

// A sink that does not come on falls behind, and catches up.
func TestTerminalReplication(t *testing.T) {
	t.Parallel()
	s := serve(t, lively)
	q := s.attach("orders")
	apply := s.replicate(q)
	m := open(t, 140, 20, "watch", "replication", "--url", s.URL)
	m.sees("live", "TO CHECKPOINT")
	m.matches(`^orders +source eu +0 +0 `)
	enqueue(t, q, 9)
	m.matches(`^orders +source eu +node +[1-9] +[0-8] .* Enqueued [1-9]$`) // how far it reads ahead is its own affair
	m.matches(`^not known yet +sink audit `)
	apply <- struct{}{}
	m.matches(`^orders +sink audit eu +node +1 +[0-8] .* Enqueued 1$`) // as many as were known when it was read
	close(apply)
	m.matches(`^orders +source eu +node +9 +0 .* Enqueued 9$`)
	m.matches(`^orders +sink audit eu +node +9 +0 .* 9 +0 +0 +Enqueued 9$`)
	m.press("Down", "Enter")
	m.sees("position       9 of 9 known, 0 behind", "role           sink")
	m.press("q")
	m.sees("status 0")
}

// An error of a task may be anything. It is seen as what it is.
func TestTerminalHostileError(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	q := s.attach("orders")
	enqueue(t, q, 16)
	m := open(t, 90, 12, "watch", "deadletters", "--url", s.URL)
	m.sees("No dead letters")
	fail(t, q, "\x1b[2J\x1b[1;1HOWNED\x1b]0;owned\a\x1b[31m\u009b2J\u202e")
	m.sees(`\x1b[2J\x1b[1;1HOWNED`, "tqctl watch deadletters")
	m.press("Enter")
	m.sees(`error          \x1b[2J\x1b[1;1HOWNED\x1b]0;owned\a\x1b[31m\u009b2J\u202e`)
	if title := m.tmux("display-message", "-p", "#{pane_title}"); strings.TrimSpace(title) != "tqctl watch deadletters" {
		t.Errorf("title %q", title)
	}
	m.press("Escape")
	for range 15 {
		fail(t, q, "one of many")
	}
	m.sees("16/16", "one of many") // the selected one is the oldest
	m.press("Home")
	m.sees("1/16")
	m.press("q")
	m.sees("status 0")
}

// A watch that waits for something ends with it, and says so where the screen was;
// if it is interrupted before, the status is another.
func TestTerminalUntil(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	q := s.attach("orders")
	enqueue(t, q, 6)
	args := []string{"watch", "backpressure", "--url", s.URL, "--until", "inactive"}
	m := open(t, 80, 24, args...)
	m.sees("ACTIVE")
	work(t, q, 6)
	m.sees("orders/eu inactive since", "status 0")

	enqueue(t, q, 6)
	m = open(t, 80, 24, args...)
	m.sees("ACTIVE")
	m.press("C-c")
	m.sees("status 130")

	m = open(t, 80, 24, append(args, "--for", "10ms")...)
	m.sees("passed without what was waited for", "status 1")
}

// Once prints a table and leaves; misuse and refusals are told on the terminal.
func TestTerminalOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	enqueue(t, s.attach("orders"), 2)
	m := open(t, 80, 24, "watch", "queues", "--once", "--url", s.URL)
	m.matches(`^orders +2 `)
	m.sees("status 0")
	m = open(t, 80, 24, "watch", "queues", "--json", "--once", "--url", s.URL)
	m.sees(`{"id":"`, `"type":"taskqueue.stats","snapshot":true`, "status 0")
	m = open(t, 80, 24, "watch", "queues", "--url", s.URL+"/none/diagnostics")
	m.sees("404 Not Found", "help: is a diagnostics host mounted there", "status 2")
}
