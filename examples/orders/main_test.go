//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is the command itself in the processes that tests start.
func TestMain(m *testing.M) {
	if os.Getenv("ORDERS") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestTakeOver kills the owner of the queue and has its follower go on.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	state, first, second := t.TempDir(), address(t), address(t)
	owner, said := start(t, "-listen", first, "-state", state)
	await(t, said, "serving")
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"number":"1","lines":[{"sku":"a","pieces":1}]}`, http.StatusAccepted},
		{`{"number":"2"}`, http.StatusAccepted}, // nothing is ordered: a dead letter
		{`{"number":3}`, http.StatusBadRequest},
		{`{"number":`, http.StatusBadRequest},
	} {
		if got := post(t, first, c.body); got != c.want {
			t.Fatalf("%s gives %d, want %d", c.body, got, c.want)
		}
	}
	await(t, said, "shipped")
	follower, told := start(t, "-listen", second, "-state", state, "-follow", first)
	for len(letters(t, first)) == 0 || readers(t, first) == 0 {
		pause(t)
	}

	// The second owner must not begin where there is one.
	if _, said := start(t, "-listen", address(t), "-state", state); !await(t, said, "belongs to") {
		t.Error("a second owner is not refused")
	}
	// One that cannot listen claims no term, though it is told that there is no owner.
	if _, said := start(t, "-listen", first, "-state", state, "-after", "1"); !await(t, said, "address already in use") {
		t.Error("two listen at one address")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, told, "again=") // it has noticed
	if err := follower.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	await(t, told, "term=2")
	if got := post(t, second, `{"number":"5","lines":[{"sku":"a","pieces":1}]}`); got != http.StatusAccepted {
		t.Errorf("the follower in its place answers %d", got)
	}
	await(t, told, "shipped")
	if got := letters(t, second); len(got) != 1 || got[0].Error != "nothing was ordered" {
		t.Errorf("the follower has the dead letters %v", got)
	}
	if err := follower.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := follower.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestCannotListen ends the command where its address is none.
func TestCannotListen(t *testing.T) {
	t.Parallel()
	cmd, said := start(t, "-listen", "127.0.0.1:1:1", "-state", t.TempDir())
	await(t, said, "too many colons")
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ends with %v, want status 1", err)
	}
}

// start runs the command, and gives what it writes line by line.
func start(t *testing.T, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // then what awaits it ends, too
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "ORDERS=1")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })

	return cmd, bufio.NewScanner(out)
}

// await reads until a line has the text in it.
func await(t *testing.T, lines *bufio.Scanner, text string) bool {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return true
		}
	}
	t.Errorf("it ends without %q", text)

	return false
}

func pause(t *testing.T) {
	select {
	case <-time.After(5 * time.Millisecond):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// address is one that nobody listens at. Its port is below those that systems give
// to who asks for any, so that nobody comes to have it meanwhile.
func address(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			defer l.Close()

			return l.Addr().String()
		}
	}
	t.Fatal("there is no free port")

	return ""
}

// do gives the answer to a request, and 0 where there is none.
func do(t *testing.T, method, url, body string) (status int, answer []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}

	return resp.StatusCode, answer
}

func post(t *testing.T, host, body string) int {
	status, _ := do(t, "POST", "http://"+host+"/orders", body)

	return status
}

type letter struct{ Error string }

func letters(t *testing.T, host string) []letter {
	var page struct{ DeadLetters []letter }
	_, text := do(t, "GET", "http://"+host+"/diagnostics/taskqueue/deadletters?queue=order", "")
	if err := json.Unmarshal(text, &page); err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	return page.DeadLetters
}

// readers is how many follow the queue and have everything.
func readers(t *testing.T, host string) int {
	_, text := do(t, "GET", "http://"+host+"/diagnostics/taskqueue/snapshot", "")
	var all struct {
		Queues []struct{ Readers, SlowestLag int }
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&all); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if all.Queues[0].SlowestLag > 0 {
		return 0
	}

	return all.Queues[0].Readers
}
