package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// result is what a load has measured.
type result struct {
	Clients  int            `json:"clients"`
	Seconds  float64        `json:"seconds"`
	Accepted int            `json:"accepted"`
	Refused  map[string]int `json:"refused"` // by code
	// Completed is how many tasks workers completed meanwhile.
	Completed int `json:"completed"`
	// Latency is that of requests that were accepted.
	Latency quantiles `json:"latencySeconds"`
	// Wait is how long the tasks that were leased meanwhile had waited for that,
	// as the owner's diagnostics say, and Pending how many did, each at its
	// worst.
	Wait    float64 `json:"worstWaitP99Seconds"`
	Pending int     `json:"mostPending"`
}

// quantiles of durations, in seconds.
type quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// quantilesOf sorts all, and gives those of it: the least that is not below the
// given part of all.
func quantilesOf(all []time.Duration) quantiles {
	if len(all) == 0 {
		return quantiles{}
	}
	slices.Sort(all)
	at := func(permille int) float64 {
		rank := (len(all)*permille + 999) / 1000 // at least so many are not above it

		return all[max(rank, 1)-1].Seconds()
	}

	return quantiles{at(500), at(900), at(990), at(1000)}
}

// loader sends tasks.
type loader struct {
	client *dispatch.Client

	mu      sync.Mutex
	took    []time.Duration // guarded by mu
	refused map[string]int  // guarded by mu
}

// runLoad is the process: clients that send a task as soon as the one before is
// accepted. It ends with one line of JSON.
func runLoad(ctx context.Context, s settings, out *said, _ io.Writer) error {
	client, err := newClient(s.nodes, "load")
	if err != nil {
		return err
	}
	out.say("ready", "load")
	l := &loader{client: client, refused: map[string]int{}}
	before, err := l.stats(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.duration, 5*time.Second))
	defer cancel()
	begun := time.Now()
	var all sync.WaitGroup
	for i := range s.clients {
		all.Go(func() { l.send(ctx, i) })
	}
	r := result{Clients: s.clients}
	all.Go(func() { r.Wait, r.Pending = worst(ctx, s.nodes) })
	all.Wait()
	after, err := l.stats(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	r.Completed = int(after.Completed) - int(min(before.Completed, after.Completed)) // another owner counts anew
	r.Seconds, r.Accepted, r.Refused = time.Since(begun).Seconds(), len(l.took), l.refused
	r.Latency = quantilesOf(l.took)
	text, err := json.Marshal(r)
	out.say("result", string(text))

	return err
}

// stats waits for an owner to say what the queue has counted.
func (l *loader) stats(ctx context.Context) (s dispatch.Stats, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()

	return s, until(ctx, "a node owns the queue", func() bool {
		s, err = l.client.Stats(ctx)
		return err == nil
	})
}

// send is one client.
func (l *loader) send(ctx context.Context, client int) {
	for number := 1; ctx.Err() == nil; number++ {
		p := payload("vm", fmt.Sprintf("load-%d-%d", client, number))
		for {
			begun := time.Now()
			_, err := l.client.Enqueue(ctx, p)
			if ctx.Err() != nil {
				return
			}
			l.note(err, time.Since(begun))
			if err == nil || pause(ctx, retryAfter(err)) != nil {
				break
			}
		}
	}
}

// payload is a task about a resource.
func payload(kind, resource string) lease.ResourceLease {
	return lease.ResourceLease{ResourceType: kind, ResourceID: resource, PartitionKey: "eu", PayloadEncoding: "raw"}
}

// retryAfter is how long a client stays away that was told no.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*dispatch.Error](err); ok && e.RetryAfter > 0 {
		return min(e.RetryAfter, time.Second)
	}

	return 50 * time.Millisecond
}

func (l *loader) note(err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.took = append(l.took, took)
		return
	}
	l.refused[code(err)]++
}

// code is the stable code of a refusal.
func code(err error) string {
	if e, ok := errors.AsType[*dispatch.Error](err); ok {
		return e.Code
	}

	return "no answer"
}

// worst looks at the nodes' diagnostics until ctx ends.
func worst(ctx context.Context, all nodes) (wait float64, pending int) {
	for pause(ctx, 100*time.Millisecond) == nil {
		for _, url := range all {
			var s diagnostics.Snapshot
			if get(ctx, url+"/diagnostics/taskqueue/snapshot", &s) != nil {
				continue
			}
			for _, q := range s.Queues {
				wait, pending = max(wait, q.WaitP99Seconds), max(pending, q.Pending)
			}
		}
	}

	return wait, pending
}

// comparison is a mesh under load.
type comparison struct {
	name      string
	ingress   string
	telemetry bool
}

var comparisons = []comparison{
	{"backpressure off", ingressOff, true},
	{"backpressure off, no telemetry", ingressOff, false},
	{"backpressure on, requests wait", ingressWait, true},
	{"backpressure on, requests are refused", ingressRefuse, true},
}

// runCompare sends the same load to a mesh for each way of holding clients
// back, and to one without telemetry: one after another, so many rounds as it is
// told. Its figures are the medians.
func runCompare(ctx context.Context, s settings, out *said, stderr io.Writer) error {
	s.duration = cmp.Or(s.duration, 5*time.Second)
	results := make([][]result, len(comparisons))
	for range s.rounds {
		for i, c := range comparisons {
			s.ingress, s.telemetry = c.ingress, c.telemetry
			r, err := loadOf(ctx, s, stderr)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	out.print("%d clients, %v each, a queue of %d; medians of %d rounds\n",
		s.clients, s.duration, s.capacity, s.rounds)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\taccepted/s\tcompleted/s\tp50\tp90\tp99\tmax\trefused/s\tmost pending\tworst p99 wait\t")
	for i, c := range comparisons {
		column := func(f func(*result) float64) float64 { return median(results[i], f) }
		fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%.0f\t%.0f\t%s\t\n", c.name,
			column(func(r *result) float64 { return float64(r.Accepted) / r.Seconds }),
			column(func(r *result) float64 { return float64(r.Completed) / r.Seconds }),
			ms(column(func(r *result) float64 { return r.Latency.P50 })),
			ms(column(func(r *result) float64 { return r.Latency.P90 })),
			ms(column(func(r *result) float64 { return r.Latency.P99 })),
			ms(column(func(r *result) float64 { return r.Latency.Max })),
			column(func(r *result) float64 { return float64(r.refused()) / r.Seconds }),
			column(func(r *result) float64 { return float64(r.Pending) }),
			ms(column(func(r *result) float64 { return r.Wait })))
	}

	return table.Flush()
}

func (r *result) refused() (n int) {
	for k := range maps.Values(r.Refused) {
		n += k
	}

	return n
}

// median of what f gives of each.
func median(all []result, f func(*result) float64) float64 {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = f(&all[i])
	}
	slices.Sort(values)

	return values[len(values)/2]
}

func ms(seconds float64) string { return fmt.Sprintf("%.1f ms", 1000*seconds) }

// loadOf is the load of a second process on a new mesh.
func loadOf(ctx context.Context, s settings, stderr io.Writer) (r result, err error) {
	s.state = ""
	s, remove, err := s.withState()
	if err != nil {
		return r, err
	}
	defer remove()
	m, err := openMesh(ctx, s, false, stderr, func(string, string) {})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	soon, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if _, err := m.settled(soon, 0); err != nil {
		return r, err
	}
	said := make(chan string, 1)
	args := s.asChild("load", "load",
		"-nodes", m.s.nodes.String(), "-for", s.duration.String(), fmt.Sprint("-clients=", s.clients))
	load, err := start(ctx, "load", stderr, func(line string) {
		if text, ok := strings.CutPrefix(line, "result "); ok {
			said <- text
		}
	}, args...)
	if err != nil {
		return r, err
	}
	select {
	case <-load.over:
	case <-ctx.Done():
		load.kill()
		return r, ctx.Err()
	}
	select {
	case text := <-said:
		return r, json.Unmarshal([]byte(text), &r)
	default:
		return r, fmt.Errorf("the load has said nothing: %w", load.err)
	}
}
