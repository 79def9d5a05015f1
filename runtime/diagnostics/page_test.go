package diagnostics_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/tq"
)

// The page is files of the host alone, which say that they want no others, and
// what is vendored is what page.html has the hash of.
func TestPage(t *testing.T) {
	t.Parallel()
	h := newHost(t, diagnostics.Options{})
	get := func(path string) (*httptest.ResponseRecorder, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))

		return w, w.Body.String()
	}
	_, html := get("/diagnostics/")
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"(?: integrity="([^"]*)")?`).FindAllStringSubmatch(html, -1)
	pinned := 0
	for _, l := range links {
		if strings.HasPrefix(l[1], "data:") || strings.HasPrefix(l[1], "taskqueue/") {
			continue
		}
		w, body := get("/diagnostics/" + l[1])
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d", l[1], w.Code)
		}
		if sum := sha256.Sum256([]byte(body)); l[2] != "" {
			pinned++
			if got := "sha256-" + base64.StdEncoding.EncodeToString(sum[:]); got != l[2] {
				t.Errorf("%s has the hash %s, the page wants %s", l[1], got, l[2])
			}
		}
	}
	if len(links) < 4 || pinned != 2 {
		t.Errorf("%d links, %d of them pinned", len(links), pinned)
	}
	for path, kind := range map[string]string{
		"/diagnostics/": "text/html", "/diagnostics/page.js": "text/javascript", "/diagnostics/page.css": "text/css",
		"/diagnostics/uPlot.iife.min.js": "text/javascript", "/diagnostics/uPlot.LICENSE": "text/plain",
	} {
		w, body := get(path)
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || body == "" ||
			!strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';") ||
			strings.Contains(policy, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: status %d, %v", path, w.Code, w.Header())
		}
	}
	if w, _ := get("/diagnostics/nothing"); w.Code != http.StatusNotFound {
		t.Errorf("what is not there: %d", w.Code)
	}
	server := httptest.NewServer(http.StripPrefix("/ops", h))
	t.Cleanup(server.Close)
	page, err := http.Get(server.URL + "/ops/diagnostics") //nolint:noctx // to the test's own server
	must(t, err)
	must(t, page.Body.Close())
	if path := page.Request.URL.Path; page.StatusCode != http.StatusOK || path != "/ops/diagnostics/" {
		t.Errorf("below a prefix, without a slash: %d at %s", page.StatusCode, path)
	}
	_, script := get("/diagnostics/page.js")
	for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "://"} {
		if at := strings.Index(strings.ReplaceAll(script, "http://www.w3.org/2000/svg", ""), word); at >= 0 {
			t.Errorf("page.js has %s", word)
		}
	}
}

// Leases come page by page, and without payload.
func TestLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{})
		q := attach(t, h)
		enqueue(t, q, 5)
		var want, got []string
		for i := range 5 {
			time.Sleep(time.Second)
			owner := fmt.Sprint("worker-", i)
			_, err := q.LeaseAs(t.Context(), owner)
			must(t, err)
			want = append(want, owner)
		}
		after := ""
		for range 5 {
			status, body := answer(h, http.MethodGet, root+"/leases?queue=resource-lease&limit=2&after="+url.QueryEscape(after))
			if status != http.StatusOK || strings.Contains(body, "secret") {
				t.Fatalf("status %d: %s", status, body)
			}
			page := decode[diagnostics.Leases](t, []byte(body))
			for _, l := range page.Leases {
				got = append(got, l.Owner)
				if _, err := tq.ParseTaskID(l.Task); err != nil || l.Attempt != 1 || l.Queue != "resource-lease" ||
					!l.Deadline.After(page.ObservedAt) || l.EnqueuedAt.IsZero() {
					t.Errorf("lease %+v", l)
				}
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("owners (-want +got):\n%s", diff)
		}
		for target, want := range map[string]int{
			"?queue=other": http.StatusNotFound, "?queue=resource-lease&after=x": http.StatusBadRequest,
			"?queue=resource-lease&after=2026-01-01T00:00:00Z": http.StatusBadRequest,
		} {
			if status, body := answer(h, http.MethodGet, root+"/leases"+target); status != want {
				t.Errorf("%s: %d %s, want %d", target, status, body, want)
			}
		}
	})
}
