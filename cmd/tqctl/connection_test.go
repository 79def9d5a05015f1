package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"localhost:8080":                                 "http://localhost:8080/diagnostics/taskqueue true",
		"https://h/":                                     "https://h/diagnostics/taskqueue true",
		"https://h/admin/diagnostics/":                   "https://h/admin/diagnostics/taskqueue true",
		"http://[::1]:1/diagnostics/taskqueue?x=y#z":     "http://[::1]:1/diagnostics/taskqueue?x=y true",
		"http://h/omnirelay/control/backpressure/stream": "http://h/omnirelay/control/backpressure/stream false",
		"":            "--url http:: want http://HOST:PORT or https://HOST:PORT",
		"unix:///x":   "--url unix:///x: want http://HOST:PORT or https://HOST:PORT",
		"http://a b/": `--url: parse "http://a b/": invalid character " " in host name`,
		"ftp://u:p@h": "--url ftp://u:xxxxx@h: want http://HOST:PORT or https://HOST:PORT",
	} {
		stream, own, err := parseURL(address)
		got := fmt.Sprint(stream.String(), " ", own)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s\nwant %s", address, got, want)
		}
	}
}

// echo answers every snapshot with headers as the names of its queues.
func echo(names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var all []string
		for _, name := range names {
			all = append(all, fmt.Sprintf(`{"queue":%q}`, r.Header.Get(name)))
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"a.1","queues":[%s]}`, strings.Join(all, ","))
	}
}

// queuesOf are the names that a snapshot has.
func queuesOf(t *testing.T, r ran) []string {
	t.Helper()
	if r.status != exitOK {
		t.Fatalf("status %d, %s", r.status, r.stderr)
	}
	var names []string
	for _, q := range decode[struct{ Queues []struct{ Queue string } }](t, []byte(r.stdout)).Queues {
		names = append(names, q.Queue)
	}

	return names
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(echo("Authorization", "X-Tenant"))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte("of the file\n"), 0o600))
	env := []string{"TQCTL_URL=" + s.URL, "TQCTL_TOKEN=of the environment", "TQCTL_HEADERS=\nX-Tenant: one\n"}
	for args, want := range map[string][]string{
		"":                                    {"Bearer of the environment", "one"},
		"-H X-Tenant:two -H Authorization:me": {"me", "two"},
		"--token-file " + file:                {"Bearer of the file", "one"},
	} {
		got := queuesOf(t, tqctl(t, env, append([]string{"snapshot", "--json"}, strings.Fields(args)...)...))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(echo("Host"))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the certificates that are refused
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	empty := filepath.Join(t.TempDir(), "empty.pem")
	must(t, os.WriteFile(empty, nil, 0o600))
	plain := strings.Replace(s.URL, "https:", "http:", 1)
	for args, want := range map[string]string{
		"--ca " + ca:                            "",
		"--insecure-skip-verify":                "",
		"--ca " + ca + " --server-name no":      "help: --ca names the authority",
		"":                                      "help: --ca names the authority",
		"--ca " + empty:                         "there is no PEM certificate in it",
		"--cert x --key " + ca:                  "open x: no such file",
		"--insecure-skip-verify --url " + plain: "400 Bad Request",
	} {
		args := append([]string{"snapshot", "--json", "--url", s.URL}, strings.Fields(args)...)
		got := tqctl(t, nil, args...)
		if (got.status == exitOK) != (want == "") || !strings.Contains(got.stderr, want) {
			t.Errorf("%v: status %d, %s\nwant %s", args, got.status, got.stderr, want)
		}
	}
}

// Errors say where, and what can be done.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	status := func(path string, status int, text string) {
		mux.HandleFunc(path+"/diagnostics/taskqueue/snapshot", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, text, status)
		})
	}
	status("/refused", 403, "not you\x1b[2J\nnor you")
	status("/full", 503, "too many streams")
	mux.HandleFunc("/page/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	mux.HandleFunc("/moved/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere/x", http.StatusFound)
	})
	mux.HandleFunc("/slow/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	json := func(path, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, text)
		})
	}
	json("/cut/", `{"queues":[`)
	json("/other/", `{"status":"ok"}`)
	json("/empty/", `{"queues":[]}`)
	s := httptest.NewServer(mux)
	defer s.Close()
	plain := s.Listener.Addr().String()
	for path, want := range map[string]string{
		"http://" + plain + "/refused/diagnostics": "snapshot: 403 Forbidden: not you\\x1b[2J\n\thelp: say who you are",
		"http://" + plain + "/full/diagnostics":    "503 Service Unavailable: too many streams\n\thelp: the host is closing",
		"http://" + plain + "/none/diagnostics":    "404 Not Found: 404 page not found\n\thelp: is a diagnostics host mounted",
		"http://" + plain + "/page/diagnostics":    "the answer is not JSON: it is \"text/html\"\n\thelp: is a diagnostics host",
		"http://" + plain + "/moved/diagnostics":   "redirected to http://elsewhere/x\n\thelp: give that address",
		"http://" + plain + "/slow/diagnostics":    "help: the server takes longer than --timeout 50ms",
		"http://" + plain + "/cut/diagnostics":     "not JSON: it is damaged",
		"http://" + plain + "/other/diagnostics":   "not as a diagnostics host answers: it has no queues",
		"http://" + plain + "/empty/diagnostics":   "no queue is attached to the host\n\thelp: Host.AttachQueue",
		"https://" + plain:                         "help: the server does not speak TLS there",
	} {
		timeout := "1m"
		if strings.Contains(path, "slow") {
			timeout = "50ms"
		}
		got := tqctl(t, nil, "check", "--healthy", "--url", path, "--timeout", timeout)
		if got.status != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: status %d, %s\nwant %s", path, got.status, got.stderr, want)
		}
	}
	got := tqctl(t, nil, "watch", "queues", "--once", "--url", s.URL+"/slow/diagnostics", "--timeout", "50ms")
	if got.status != exitFailure || !strings.Contains(got.stderr, "help: the server takes longer than --timeout 50ms") {
		t.Errorf("a stream that does not begin: status %d, %s", got.status, got.stderr)
	}
	for _, url := range []string{s.URL + "/moved/diagnostics", "https://" + plain} {
		got := tqctl(t, nil, "watch", "queues", "--url", url)
		if got.status != exitFailure || strings.Contains(got.stderr, "trying again") || !strings.Contains(got.stderr, "help: ") {
			t.Errorf("%s: status %d, %s", url, got.status, got.stderr)
		}
	}
	// A watch ends where asking again does not help.
	got = tqctl(t, nil, "watch", "queues", "--url", s.URL+"/none/diagnostics")
	if got.status != exitFailure || strings.Contains(got.stderr, "trying again") || !strings.Contains(got.stderr, "404") {
		t.Errorf("watch: status %d, %s", got.status, got.stderr)
	}
}
