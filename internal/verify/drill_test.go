package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/generator/monitoring"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

// installed is where a program of Debian's package prometheus is; without it
// the test is skipped.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed: alerts are not tried (make verify installs it)", program)
	}

	return path
}

// render writes the sheets for queues with the given lease timeouts.
func render(t *testing.T, drill int, leases map[string]time.Duration) (folder string) {
	t.Helper()
	folder = t.TempDir()
	var queues []*model.Queue
	for name, d := range leases {
		queues = append(queues, &model.Queue{Name: name, Policy: model.Policy{Lease: d}})
	}
	files, err := monitoring.Render(queues, monitoring.Options{Drill: drill})
	must(t, err)
	for _, f := range files {
		must(t, os.WriteFile(filepath.Join(folder, f.Name), f.Body, 0o666))
	}

	return folder
}

// promtool takes the rules and finds that each fires when it should and only
// then: as committed, for queues of all kinds, for none, and shortened for drills.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool := installed(t, "promtool")
	for name, folder := range map[string]string{
		"committed": "../../examples/lease/observability",
		"several": render(t, 1, map[string]time.Duration{
			"mail": 6 * time.Second, "a b/c.d": time.Millisecond, "slow": 24 * time.Hour,
		}),
		"none":  render(t, 1, nil),
		"drill": render(t, 300, map[string]time.Duration{"mail": 30 * time.Second}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{{"check", "rules", monitoring.Rules}, {"test", "rules", monitoring.RuleTests}} {
				cmd := exec.CommandContext(t.Context(), promtool, args...)
				cmd.Dir = folder
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
				}
			}
		})
	}
}

// shortened divides windows and holds in drills: five minutes are a second.
const shortened = 300

// often is how often things are looked at in drills.
const often = 200 * time.Millisecond

// server is a Prometheus.
type server struct {
	t   *testing.T
	url string
}

// watch starts a Prometheus that scrapes what a registry holds, and evaluates
// the rules for a drill.
func watch(t *testing.T, registry *prometheus.Registry) *server {
	t.Helper()
	program := installed(t, "prometheus")
	target := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(target.Close)
	rules := filepath.Join(render(t, shortened, map[string]time.Duration{"resource-lease": 3 * time.Second}), monitoring.Rules)
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: %[1]v, scrape_timeout: %[1]v, evaluation_interval: %[1]v}
rule_files: [%[2]q]
scrape_configs: [{job_name: drill, static_configs: [{targets: [%[3]q]}]}]
`, often, rules, target.Listener.Addr()), 0o666))
	address := free(t)
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.tsdb.path="+t.TempDir(),
		"--web.listen-address="+address, "--log.level=error")
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context is over, so it is killed

	return &server{t, "http://" + address}
}

// free is an address that nobody listens at. Its port is below those that systems
// give to who asks for any, so that nobody comes to have it meanwhile.
func free(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			defer l.Close()

			return l.Addr().String()
		}
	}
	t.Fatal("there is no free port")

	return ""
}

// firing are the alerts that are, by name; nil while Prometheus does not answer.
func (s *server) firing() (names map[string]bool) {
	answer, err := http.Get(s.url + "/api/v1/alerts")
	if err != nil {
		return nil // it is still starting
	}
	defer answer.Body.Close()
	var body struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	if answer.StatusCode != http.StatusOK || json.NewDecoder(answer.Body).Decode(&body) != nil {
		return nil
	}
	names = map[string]bool{}
	for _, a := range body.Data.Alerts {
		if a.State == "firing" && a.Labels["taskqueue_name"] == "resource-lease" && a.Labels["job"] == "drill" {
			names[a.Labels["alertname"]] = true
		}
	}

	return names
}

// until looks, and does something each time, until the alerts given fire, or
// until none of them does.
func (s *server) until(fire bool, do func(), alerts ...string) {
	s.t.Helper()
	tick := time.NewTicker(often / 4)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		do()
		firing := s.firing()
		met := firing != nil
		for _, a := range alerts {
			met = met && firing[a] == fire
		}
		if met {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("in vain: %v should fire: %t; firing are %v", alerts, fire, firing)
		}
	}
}

// drilled is a queue with a monitor, whose measurements a Prometheus scrapes.
func drilled(t *testing.T) (*leasequeue.Local, *telemetry.Registration, *server) {
	t.Helper()
	t.Parallel()
	provider, registry := exporter(t)
	s := watch(t, registry)
	r, err := telemetry.New(telemetry.WithMeterProvider(provider))
	must(t, err)
	t.Cleanup(func() { r.Close() })
	q := open(t, tq.Options{
		Capacity: 64, High: 8, Low: 2, Cooldown: tq.NoCooldown, Lease: 100 * time.Millisecond,
	})
	m, err := backpressure.New(q, backpressure.Options{})
	must(t, err)
	t.Cleanup(func() { m.Close() })
	must(t, r.AttachQueue(q))
	must(t, r.AttachMonitor(m))

	return q, r, s
}

func enqueue(t *testing.T, q *leasequeue.Local, n int) {
	t.Helper()
	for range n {
		_, err := q.TryEnqueue(bg, lease.ResourceLease{})
		must(t, err)
	}
}

// held is err, unless that is a lease that ran out before it was settled: those of
// drills are short.
func held(err error) error {
	if errors.Is(err, tq.ErrLeaseLost) {
		return nil
	}

	return err
}

// workOff completes what is ready.
func workOff(t *testing.T, q *leasequeue.Local) {
	t.Helper()
	for {
		l, err := q.TryLease(bg)
		if err != nil {
			return
		}
		must(t, held(l.Complete(bg)))
	}
}

// Nobody works on a queue: it is jammed, and its producers are held back for too
// long. Somebody begins, and all is well.
func TestDrillJam(t *testing.T) {
	q, _, s := drilled(t)
	enqueue(t, q, 10)
	s.until(true, func() {}, "TaskQueueJammed", "TaskQueueBackpressureStuck")
	s.until(false, func() {
		workOff(t, q)
		enqueue(t, q, 1)
	}, "TaskQueueJammed", "TaskQueueBackpressureStuck")
}

// A queue fills up and empties again and again.
func TestDrillFlapping(t *testing.T) {
	q, _, s := drilled(t)
	s.until(true, func() {
		enqueue(t, q, 10)
		workOff(t, q)
	}, "TaskQueueBackpressureFlapping")
	s.until(false, func() {
		enqueue(t, q, 1)
		workOff(t, q)
	}, "TaskQueueBackpressureFlapping")
}

// A sink is held up: replication stands still. It goes on, and the way to it is
// slow: what it applies is late, until the way is as it was.
func TestDrillReplication(t *testing.T) {
	q, r, s := drilled(t)
	block, fast := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	source := sourceOf(t, q)
	sink := sinkOf(t, leasequeue.SinkOptions{}, func(e *leasequeue.Event) error {
		if e.Sequence == 4 {
			<-block
		}
		select {
		case <-time.After(time.Until(e.RecordedAt.Add(2 * time.Second))): // the limit is one
		case <-fast:
		case <-ctx.Done():
		}

		return nil
	})
	must(t, r.AttachSink(sink))
	stop := follow(t, sink, source)
	steadily := func() {
		enqueue(t, q, 1)
		workOff(t, q)
	}
	s.until(true, steadily, "TaskQueueReplicationStalled")
	close(block)
	s.until(true, steadily, "TaskQueueReplicationLag")
	close(fast)
	s.until(false, steadily, "TaskQueueReplicationStalled", "TaskQueueReplicationLag")
	stop()
}

// Of three tasks workers give one up, and lose another to its deadline.
func TestDrillFailures(t *testing.T) {
	q, _, s := drilled(t)
	s.until(true, func() {
		enqueue(t, q, 3)
		l, err := q.TryLease(bg)
		must(t, err)
		must(t, held(l.DeadLetter(bg, context.Canceled)))
		_, err = q.TryLease(bg)
		must(t, err)
		workOff(t, q)
	}, "TaskQueueDeadLetterRate", "TaskQueueExpiryRate")
	s.until(false, func() {
		enqueue(t, q, 1)
		workOff(t, q)
	}, "TaskQueueDeadLetterRate", "TaskQueueExpiryRate")
}
