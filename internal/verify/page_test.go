package verify

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

var screenshot = flag.String("screenshot", "", "`file` that TestScreenshot writes")

// patience is how long anything may take that must come.
const patience = 3 * time.Minute

// chromium is where it is installed; without it the test is skipped.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is installed: the page is not tested (make verify installs it)")

	return ""
}

// browser is one tab, and what went wrong in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	amiss  []string
	down   bool     // the host is: failing to load is expected
	agrees bool     // to what the page asks
	asked  []string // by the page
}

// open shows the page at url.
func openPage(t *testing.T, url string) *browser {
	t.Helper()
	o := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 1100),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(t.TempDir()),
	)
	ctx, end := chromedp.NewExecAllocator(context.Background(), o...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); closeTab() })
	b := &browser{t: t, ctx: ctx}
	must(t, chromedp.Listen(ctx, b.listen))
	must(t, call(ctx, log.Enable, cdp.Empty{}))
	must(t, call(ctx, network.Enable, network.EnableParams{}))
	b.run(chromedp.Navigate(url))

	return b
}

// call is one of the protocol's that answers nothing.
func call[P any](ctx context.Context, c cdp.Command[P, cdp.Empty], params P) error {
	_, err := chromedp.Call(ctx, c, params)

	return err
}

// listen notes what the page must not do: say an error, throw one, break its
// policy, or ask anybody but its host.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	note := func(format string, a ...any) { b.amiss = append(b.amiss, fmt.Sprintf(format, a...)) }
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		note("thrown: %v", e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		note("console: %s %v", e.Type, e.Args)
	case *log.EventEntryAdded:
		// The browser itself says which requests were refused or not answered.
		if e.Entry.Source == log.EntrySourceNetwork && (b.down || strings.Contains(e.Entry.Text, "403")) {
			return
		}
		note("log: %s %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, "http://127.0.0.1:") && !strings.HasPrefix(u, "data:") {
			note("asked %s", u)
		}
	case *page.EventJavascriptDialogOpening:
		b.asked = append(b.asked, e.Message)
		agrees := b.agrees
		go func() {
			_ = call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: agrees})
		}()
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\nThe page:\n%s", err, b.text("body"))
	}
}

// evaluate is the value of a JavaScript expression.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	must(b.t, err)

	return v
}

func (b *browser) text(selector string) string {
	b.t.Helper()

	return evaluate[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))
}

// until waits for a JavaScript expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void](
		expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		b.t.Fatalf("%s never came: %v\nThe page:\n%s", expression, err, b.text("body"))
	}
}

func (b *browser) shows(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "").includes(%q)`, selector, text))
}

// untilAsked waits until the page has asked for confirmation so often, and no
// more.
func (b *browser) untilAsked(times int) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; {
		b.mu.Lock()
		asked := b.asked
		b.mu.Unlock()
		if len(asked) == times {
			return
		}
		if len(asked) > times || time.Now().After(end) {
			b.t.Fatalf("asked %q, want it %d times", asked, times)
		}
		_ = evaluate[bool](b, "true")
	}
}

// setDown says whether the host is.
func (b *browser) setDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// well fails the test if anything was amiss.
func (b *browser) well() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.amiss {
		b.t.Error(a)
	}
}

// site is a host on a port that outlives it.
type site struct {
	t       *testing.T
	queue   *leasequeue.Local
	host    *diagnostics.Host
	monitor *backpressure.Monitor
	gate    *gate
	server  *http.Server
	aside   *httptest.Server // past the gate
	addr    string
}

// serve shows a queue of capacity 64, with watermarks at 16 and 4.
func serve(t *testing.T, o diagnostics.Options) *site {
	t.Helper()
	s := &site{t: t, addr: free(t)}
	s.queue = open(t, tq.Options{
		Name: "mails", Capacity: 64, High: 16, Low: 4, Attempts: 2, Cooldown: tq.NoCooldown, Lease: time.Hour,
	})
	s.start(o)
	t.Cleanup(s.stop)

	return s
}

func (s *site) start(o diagnostics.Options) {
	s.t.Helper()
	if o.Interval == 0 {
		o.Interval = 50 * time.Millisecond
	}
	h, err := diagnostics.New(o)
	must(s.t, err)
	must(s.t, h.AttachQueue(s.queue))
	m, err := backpressure.New(s.queue, backpressure.Options{Shard: "eu"})
	must(s.t, err)
	s.t.Cleanup(func() { m.Close() })
	must(s.t, h.AttachMonitor(m))
	s.monitor = m
	l, err := net.Listen("tcp", s.addr)
	must(s.t, err)
	s.host, s.addr, s.gate = h, l.Addr().String(), &gate{to: h}
	s.server, s.aside = &http.Server{Handler: s.gate}, httptest.NewServer(h)
	go func(server *http.Server) { _ = server.Serve(l) }(s.server)
}

func (s *site) stop() {
	_ = s.host.Close()
	_ = s.server.Close()
	s.aside.Close()
}

func (s *site) url() string { return "http://" + s.addr + "/diagnostics/" }

func (s *site) enqueue(n int) {
	s.t.Helper()
	for range n {
		_, err := s.queue.TryEnqueue(bg, lease.ResourceLease{ResourceID: "secret-payload"})
		must(s.t, err)
	}
}

func (s *site) take(n int, then func(*leasequeue.Lease) error) {
	s.t.Helper()
	for range n {
		l, err := s.queue.LeaseAs(bg, "worker-7")
		must(s.t, err)
		if then != nil {
			must(s.t, then(&l))
		}
	}
}

const evil = `<img src=x onerror="window.evil=1"><script>window.evil=1</script>`

// bury makes n dead letters.
func (s *site) bury(n int, why string) {
	s.t.Helper()
	s.enqueue(n)
	s.take(n, func(l *leasequeue.Lease) error { return l.DeadLetter(bg, errors.New(why)) })
}

const live = `document.querySelector("#connection").dataset.state === "live"`

// What happens to the queue is on the page without anybody's doing: figures,
// backpressure, leases, dead letters; and never a payload.
func TestPageLive(t *testing.T) {
	s := serve(t, diagnostics.Options{})
	b := openPage(t, s.url())
	b.until(live)
	b.shows("#queues", "mails")
	b.shows("#queues", "0 of 64")
	b.shows("#queues .state", "healthy")
	s.enqueue(20)
	b.shows("#queues", "20 of 64")
	b.shows("#queues .state", "backpressure")
	b.until(`parseFloat(document.querySelector(".bar .high").style.left) === 25`)
	s.take(2, nil)
	b.shows("#leases", "worker-7")
	b.until(`document.querySelectorAll("#leases tbody tr").length === 2`)
	s.take(16, func(l *leasequeue.Lease) error { return l.Complete(bg) })
	b.shows("#queues .state", "healthy")
	b.shows("#outcomes", "16")
	b.shows("#attempts", "16 (100 %)")
	b.until(`document.querySelectorAll(".chart canvas").length === 2`)
	b.until(`document.querySelector(".spark polyline").getAttribute("points").split(" ").length > 3`)
	s.bury(1, evil)
	b.shows("#dead", "window.evil")
	b.until(`document.querySelectorAll("#dead button:not([hidden])").length === 0 ||
		document.querySelector("#dead tbody .act").hidden`)
	if html := b.text("html"); strings.Contains(html, "secret-payload") {
		t.Error("the page has a payload")
	}
	b.until(`window.evil === undefined && document.querySelectorAll("main img, main script").length === 0`)

	// Paused, it stays as it is; after that it is as the queue is.
	b.run(chromedp.Click(chromedp.CSS("#pause")))
	before := b.text("#queues")
	s.enqueue(7)
	s.wait(5)
	if diff := b.text("#queues"); diff != before {
		t.Errorf("while paused, %q became %q", before, diff)
	}
	b.run(chromedp.Click(chromedp.CSS("#pause")))
	b.shows("#queues", "9 of 64")
	b.well()
}

// wait waits for some figures to be published.
func (s *site) wait(n uint64) {
	s.t.Helper()
	for range n {
		s.next()
	}
}

// next waits for the next figures.
func (s *site) next() {
	s.t.Helper()
	c := client.Client{URL: s.aside.URL + "/diagnostics/taskqueue?types=" + diagnostics.TypeStats}
	for e, err := range c.Events(s.t.Context()) {
		must(s.t, err)
		if e.Type == diagnostics.TypeStats {
			return
		}
	}
}

// sequence is that of the latest figures.
func (s *site) sequence() uint64 {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.host.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/diagnostics/taskqueue/latest?types="+diagnostics.TypeStats, nil))
	var e diagnostics.Event
	must(s.t, json.Unmarshal(w.Body.Bytes(), &e))
	_, number, _ := strings.Cut(e.ID, ".")
	n, err := strconv.ParseUint(number, 10, 64)
	must(s.t, err)

	return n
}

// A host that goes away is said to be away; once it is there again so is the
// page, and says that it cannot know what was between.
func TestPageRestart(t *testing.T) {
	s := serve(t, diagnostics.Options{})
	b := openPage(t, s.url())
	b.until(live)
	b.shows("#queues", "0 of 64")
	b.setDown(true)
	s.stop()
	b.until(`document.querySelector("#connection").dataset.state === "reconnecting"`)
	b.shows("#connection", "reconnecting")
	s.enqueue(3)
	s.start(diagnostics.Options{})
	b.until(live)
	b.setDown(false)
	b.shows("#queues", "3 of 64")
	b.shows("#missed", "1 restart of the host")
	b.well()
}

// Where the page was cut off and comes back in time it has missed nothing; where
// the host no longer has what was between, the page says how much.
func TestPageGap(t *testing.T) {
	s := serve(t, diagnostics.Options{Ring: 1000, Interval: 100 * time.Millisecond}) // a hundred seconds of figures
	b := openPage(t, s.url())
	b.until(live)
	b.shows("#queues", "0 of 64")
	b.setDown(true)
	cut := func(events uint64, letters int) {
		s.gate.shut(true)
		b.until(`document.querySelector("#connection").dataset.state === "reconnecting"`)
		for last := s.sequence() + events; s.sequence() < last; {
			s.bury(letters, "an event")
			s.next()
		}
		s.gate.shut(false)
		b.until(live)
	}
	cut(3, 0)
	s.enqueue(2)
	b.shows("#queues", "2 of 64")
	b.until(`document.querySelector("#missed").hidden`)
	s.take(2, func(l *leasequeue.Lease) error { return l.Complete(bg) })

	evaluate[bool](b, `Boolean(Date.now = () => 4102444800000)`) // the operator's clock is not the host's
	s.enqueue(16)
	b.shows("#queues .state", "backpressure")
	cut(1200, 40)
	b.shows("#missed", "events missed")
	b.until(`(() => { const { points, bands } = queues.get("mails"); const hole = points.findIndex((p) => p[1] === null);
		return points.every((p, i) => !i || p[0] > points[i - 1][0]) && hole > 0 && hole < points.length - 1 &&
			bands.every((b) => b.from >= points[hole][0] || b.to !== null && b.to < points[hole][0]); })()`)
	s.take(16, func(l *leasequeue.Lease) error { return l.Complete(bg) })
	if text := b.text("#missed"); strings.Contains(text, "restart") {
		t.Errorf("missed: %q", text)
	}
	s.enqueue(5)
	b.shows("#queues", "5 of 64")
	b.well()
}

// Who opens the page late sees when there was backpressure before.
func TestPageShowsThePast(t *testing.T) {
	s := serve(t, diagnostics.Options{})
	for range 2 {
		s.enqueue(16)
		s.wait(2)
		s.take(16, func(l *leasequeue.Lease) error { return l.Complete(bg) })
		s.wait(2)
	}
	s.enqueue(16)
	s.wait(2)
	b := openPage(t, s.url())
	b.until(live)
	b.until(`queues.get("mails").points.length > 6 && queues.get("mails").bands.map((b) => b.to === null).join() === "false,false,true"`)
	s.take(16, func(l *leasequeue.Lease) error { return l.Complete(bg) })
	b.until(`queues.get("mails").bands.map((b) => b.to === null).join() === "false,false,false"`)
	b.well()
}

// What is detached leaves the page, and a host with nothing shows no tables.
func TestPageDetach(t *testing.T) {
	s := serve(t, diagnostics.Options{})
	other := open(t, tq.Options{Name: "letters"})
	must(t, s.host.AttachQueue(other))
	s.enqueue(16)
	b := openPage(t, s.url())
	b.until(live)
	b.shows("#queues", "backpressure")
	b.shows("#queues", "letters")
	must(t, s.host.DetachMonitor(s.monitor))
	b.until(`!document.querySelector("#queues").innerText.includes("backpressure")`)
	b.setDown(true) // the page may ask for a queue that has just gone
	must(t, s.host.DetachQueue(other))
	b.until(`!document.querySelector("#queues").innerText.includes("letters")`)
	b.run(chromedp.Click(chromedp.CSS("#queues button")))
	b.until(`!document.querySelector("#detail").hidden`)
	must(t, s.host.DetachQueue(s.queue))
	b.shows("main", "No queue is attached.")
	b.until(`document.querySelector("#detail").hidden && document.querySelector("#queues").hidden`)
	b.setDown(false)
	must(t, s.host.AttachQueue(other))
	b.shows("#detail-title", "letters")
	b.well()
}

// Many queues are in the order of their numbers, and the longest name leaves room
// for its state in the narrowest window.
func TestPageNames(t *testing.T) {
	s := serve(t, diagnostics.Options{})
	long := strings.Repeat("a long name/", 10) + "12345678"
	for _, name := range []string{"q10", "q9", "q100", long} {
		must(t, s.host.AttachQueue(open(t, tq.Options{Name: name})))
	}
	b := openPage(t, s.url())
	b.until(live)
	b.until(`document.querySelectorAll("#queues tbody tr").length === 5`)
	names := evaluate[[]string](b, `[...document.querySelectorAll("#queues tbody button")].map((b) => b.innerText)`)
	if diff := cmp.Diff([]string{long, "mails", "q9", "q10", "q100"}, names); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	must(t, call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: 320, Height: 640, DeviceScaleFactor: 1,
	}))
	b.until(`innerWidth === 320 && document.documentElement.scrollWidth === 320 &&
		[...document.querySelectorAll("#queues .state")].every((e) => e.getBoundingClientRect().right <= 320)`)
	b.run(chromedp.Focus(chromedp.CSS("#queues tbody tr:last-child button")))
	b.until(`document.activeElement.getBoundingClientRect().top >= document.querySelector("header").getBoundingClientRect().bottom`)
	b.well()
}

// Sources and sinks have a row for each peer, with position, distances and lag,
// wherever their queue is; names of peers are text.
func TestPageReplication(t *testing.T) {
	s := serve(t, diagnostics.Options{})
	b := openPage(t, s.url())
	b.until(live)
	b.shows("#queues", "0 of 64")
	b.until(`document.querySelector("#replication-section").hidden`)

	source := sourceOf(t, s.queue)
	hold, held := make(chan struct{}), make(chan struct{})
	sink := sinkOf(t, leasequeue.SinkOptions{Interval: time.Hour}, func(e *leasequeue.Event) error {
		if e.Sequence == 3 {
			close(held)
			<-hold
		}

		return nil
	})
	must(t, s.host.AttachSource(source))
	must(t, s.host.AttachSink(sink))
	elsewhere := replication.NewSinkProbe("follower")
	must(t, s.host.AttachSink(elsewhere))
	stop := follow(t, sink, source)
	s.enqueue(5)
	<-held
	row := func(by, peer string) string {
		return fmt.Sprintf(`[...document.querySelectorAll("#replication tbody tr")].map((r) => [...r.children].map((c) => c.innerText))
			.find((r) => r[1] === %q && r[2] === %q)`, by, peer)
	}
	cells := func(by, peer string, from int, want ...string) {
		t.Helper()
		b.until(fmt.Sprintf(`%s?.slice(%d, %d).join() === %q`, row(by, peer), from, from+len(want), strings.Join(want, ",")))
	}
	cells("source", "node", 3, "5", "0", "")
	cells("sink audit", "node", 3, "2", "3", "2") // position, behind, to checkpoint
	close(hold)
	cells("sink audit", "node", 3, "5", "0", "5")
	s.take(1, nil)
	cells("sink audit", "worker-7", 3, "6", "0", "1")
	stop()
	cells("sink audit", "node", 5, "0")

	_ = elsewhere.Applied(&replication.Header{
		Queue: "far", Sequence: 8, Incarnation: 3, OwnerPeer: evil, RecordedAt: time.Now().Add(-90 * time.Second),
	}, nil)
	lag := fmt.Sprintf("%.1f s", elsewhere.Stats().Peers[0].Delay.Seconds())
	cells("sink follower", evil, 3, "8", "0", "0", lag, "1", "0", "0")
	b.until(`document.querySelector("#queues tbody").children.length === 1 && window.evil === undefined`)
	must(t, s.host.DetachSink(elsewhere))
	must(t, s.host.DetachSink(sink))
	must(t, s.host.DetachSource(source))
	b.until(`document.querySelector("#replication-section").hidden`)
	b.well()
}

// gate is a handler that can be shut: streams end, and others get 503.
type gate struct {
	to http.Handler

	mu      sync.Mutex
	closed  bool
	streams map[*http.Request]context.CancelFunc
}

func (g *gate) shut(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
	for _, end := range g.streams {
		end()
	}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, end := context.WithCancel(r.Context())
	defer end()
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		http.Error(w, "shut", http.StatusServiceUnavailable)
		return
	}
	if g.streams == nil {
		g.streams = map[*http.Request]context.CancelFunc{}
	}
	g.streams[r] = end
	g.mu.Unlock()
	g.to.ServeHTTP(w, r.WithContext(ctx))
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, r)
}

// Dead letters can be redriven and purged where the host allows it, by keyboard
// too; purging asks first.
func TestPageRedrive(t *testing.T) {
	s := serve(t, diagnostics.Options{Mutations: true})
	s.bury(3, evil)
	b := openPage(t, s.url())
	rows := func(n int) { b.until(fmt.Sprintf(`document.querySelectorAll("#dead tbody tr").length === %d`, n)) }
	rows(3)
	b.run(chromedp.Focus(chromedp.CSS(`#dead tbody tr:first-child button`)), chromedp.KeyEvent(kb.Enter))
	b.shows("#dead-said", "redriven")
	rows(2)
	b.shows("#queues", "1 of 64")

	purge := chromedp.Click(chromedp.CSS(`#dead tbody tr:first-child button:last-child`))
	b.run(purge)
	b.untilAsked(1)
	b.mu.Lock()
	b.agrees = true
	b.mu.Unlock()
	b.run(purge)
	b.shows("#dead-said", "purged")
	rows(1)
	b.untilAsked(2)
	b.well()
}

// Whoever may not redrive is told why, and the letter stays.
func TestPageRedriveDenied(t *testing.T) {
	s := serve(t, diagnostics.Options{Mutations: true, Authorize: func(_ *http.Request, a diagnostics.Action) error {
		if a == diagnostics.Mutate {
			return errors.New("only operators <b>may</b>")
		}

		return nil
	}})
	s.bury(1, evil)
	b := openPage(t, s.url())
	b.run(chromedp.Click(chromedp.CSS(`#dead tbody tr:first-child button`)))
	b.shows("#dead-said", "403: only operators <b>may</b>")
	b.until(`document.querySelectorAll("#dead tbody tr").length === 1`)
	b.well()
}

// A queue is paused and resumed where the host allows it; whoever may not is told
// why, and the queue goes on.
func TestPageHold(t *testing.T) {
	allowed := false
	var mu sync.Mutex
	s := serve(t, diagnostics.Options{Mutations: true, Authorize: func(_ *http.Request, a diagnostics.Action) error {
		mu.Lock()
		defer mu.Unlock()
		if a == diagnostics.Mutate && !allowed {
			return errors.New("only operators <b>may</b>")
		}

		return nil
	}})
	b := openPage(t, s.url())
	b.until(live)
	b.shows("#hold", "Pause the queue")
	b.run(chromedp.Click(chromedp.CSS("#hold")))
	b.shows("#hold-said", "403: only operators <b>may</b>")
	b.shows("#queues .state", "healthy")
	mu.Lock()
	allowed = true
	mu.Unlock()
	b.run(chromedp.Focus(chromedp.CSS("#hold")), chromedp.KeyEvent(kb.Enter))
	b.shows("#queues .state", "paused")
	b.shows("#hold", "Resume the queue")
	s.enqueue(20)
	if l, err := s.queue.TryLease(bg); !errors.Is(err, tq.ErrEmpty) {
		t.Errorf("a paused queue leases %v, %v", l, err)
	}
	b.shows("#queues .state", "paused, backpressure")
	b.run(chromedp.Click(chromedp.CSS("#hold")))
	b.shows("#hold", "Pause the queue")
	b.shows("#queues .state", "backpressure")
	s.take(1, nil)
	must(t, s.queue.Close())
	b.shows("#queues .state", "closed")
	b.well()
}

// Everything that can be operated can be reached by keyboard, has a name, and
// tables say what their columns are; dark and light are both legible.
func TestPageAccessible(t *testing.T) {
	s := serve(t, diagnostics.Options{Mutations: true})
	s.bury(1, evil)
	s.enqueue(3)
	s.take(1, nil)
	b := openPage(t, s.url())
	b.until(`document.querySelectorAll("#dead tbody tr, #leases tbody tr").length === 2`)
	found := evaluate[[]string](b, `[
		...[...document.querySelectorAll("button:not([hidden])")].filter((e) => e.tabIndex < 0 || !(e.ariaLabel || e.innerText)),
		...[...document.querySelectorAll("table")].filter((e) => !e.getAttribute("aria-labelledby") || [...e.querySelectorAll("thead th")].some((h) => h.scope !== "col")),
		...[...document.querySelectorAll("tbody tr")].filter((e) => e.firstChild.scope !== "row"),
		...[...document.querySelectorAll("[role=img]")].filter((e) => e.ariaLabel.length < 10),
		...[...document.querySelectorAll("[aria-labelledby]")].filter((e) => !document.getElementById(e.getAttribute("aria-labelledby")).innerText),
	].map((e) => e.outerHTML)`)
	for _, html := range found {
		t.Errorf("not accessible: %s", html)
	}
	var order []string
	for range 7 {
		b.run(chromedp.KeyEvent(kb.Tab))
		order = append(order, evaluate[string](b,
			`document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.innerText.slice(0, 20)`))
	}
	if order[0] != "pause" || !strings.Contains(strings.Join(order, ","), ",mails,hold,") ||
		!strings.Contains(strings.Join(order, ","), "Redrive ") {
		t.Errorf("tab goes over %q", order)
	}

	// Contrast of text, by WCAG's formula: 4.5 is AA.
	contrast := `(() => {
		const light = (c) => c.match(/[\d.]+/g).slice(0, 3).map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
			.reduce((a, v, i) => a + v * [.2126, .7152, .0722][i], 0);
		const back = (e) => { for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor; if (!c.endsWith(", 0)")) return c; } return "rgb(255,255,255)"; };
		return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() &&
			[...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).flatMap((e) => {
			const [a, b] = [light(getComputedStyle(e).color), light(back(e))].sort((a, b) => b - a);
			const ratio = (a + .05) / (b + .05);
			return ratio < 4.5 ? [e.tagName + " " + e.className + " " + e.innerText.slice(0, 30) + " " + ratio.toFixed(2)] : [];
		});
	})()`
	for _, scheme := range []string{"light", "dark"} {
		must(t, call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}))
		for _, p := range evaluate[[]string](b, contrast) {
			t.Errorf("%s: hard to read: %s", scheme, p)
		}
	}
	b.well()
}

// TestScreenshot makes the picture that README shows.
func TestScreenshot(t *testing.T) {
	if *screenshot == "" {
		t.Skip("no -screenshot: make screenshots takes it")
	}
	s := serve(t, diagnostics.Options{Interval: 250 * time.Millisecond, Mutations: true})
	source := sourceOf(t, s.queue)
	sink := sinkOf(t, leasequeue.SinkOptions{Batch: 20}, func(*leasequeue.Event) error { return nil })
	must(t, s.host.AttachSource(source))
	must(t, s.host.AttachSink(sink))
	follow(t, sink, source)
	s.bury(1, "mailbox unavailable")
	s.bury(1, "no such domain: <example.invalid>")
	b := openPage(t, s.url())
	b.until(live)
	for i := range 48 { // up, over the high watermark, and down below the low one, twice
		in, done := 3, 1
		if i%24 >= 12 {
			in, done = 1, 3
		}
		s.enqueue(in)
		s.take(done, func(l *leasequeue.Lease) error { return l.Complete(bg) })
		s.wait(1)
	}
	s.enqueue(6)
	s.take(3, nil)
	b.shows("#leases", "worker-7")
	s.wait(4)
	b.shows("#queues", "3 of 64")
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	must(t, err)
	path, err := filepath.Abs(*screenshot)
	must(t, err)
	must(t, os.WriteFile(path, picture, 0o644))
	b.well()
}
