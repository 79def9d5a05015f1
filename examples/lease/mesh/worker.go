package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

// poison is the type of resources that no worker can do anything with.
const poison = "poison"

// worker sends a mail for each task.
type worker struct {
	s       settings
	out     *said
	effects *leasequeue.Coordinator
	mu      sync.Mutex
	random  *rand.Rand // guarded by mu
}

// runWorker is the process.
func runWorker(ctx context.Context, s settings, out *said) error {
	store, err := effect.OpenFiles(filepath.Join(s.state, "effects"))
	if err != nil {
		return err
	}
	w := &worker{s: s, out: out, random: rand.New(rand.NewPCG(s.seed, 4))}
	if w.effects, err = leasequeue.NewCoordinator(effect.Options{Store: store}); err != nil {
		return err
	}
	client, err := newClient(s.nodes, s.name)
	if err != nil {
		return err
	}
	out.say("ready", s.name)

	return dispatch.Run(ctx, client, dispatch.WorkOptions{
		RunOptions: tq.RunOptions{Workers: s.workers, Owner: s.name, Grace: s.lease},
		Policy:     tq.RunPolicy{Lease: s.lease, Heartbeat: s.lease / 4},
	}, w.handle)
}

// newClient asks all nodes.
func newClient(all nodes, peer string) (*dispatch.Client, error) {
	return dispatch.NewClient(dispatch.ClientOptions{
		Nodes: slices.Sorted(maps.Values(all)), Peer: peer, Timeout: 3 * time.Second,
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
	})
}

// errPoison is why a poisoned task fails.
var errPoison = &tq.TaskError{Code: "example.poison", Message: "<b>nobody</b> can work on this"}

// handle works on one task.
func (w *worker) handle(ctx context.Context, l *leasequeue.Lease) error {
	if err := pause(ctx, w.effort()); err != nil && !errors.Is(err, tq.ErrLeaseLost) {
		return err
	}
	if l.Payload.ResourceType == poison {
		return errPoison
	}
	sent, err := w.effects.Notify(context.WithoutCancel(ctx), l, w.send)
	if err != nil {
		return err
	}
	w.out.say("sent", l.Token, sent.MessageID)

	return w.complete(ctx, l)
}

// effort is how long the next task takes.
func (w *worker) effort() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()

	return time.Duration(w.random.Int64N(2*int64(w.s.takes) + 1))
}

// complete completes a task, also one whose lease seems to be lost: whether it
// is the queue decides, and says so here. It tries until it is answered, or the
// lease is over.
func (w *worker) complete(ctx context.Context, l *leasequeue.Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.s.lease)
	defer cancel()
	for unsure := false; ; unsure = true {
		err := l.Complete(ctx)
		switch {
		case err == nil:
			w.out.say("completed", l.Token)
			return nil
		case errors.Is(err, tq.ErrLeaseLost) && unsure:
			w.out.say("unsure", l.Token) // the try before may have completed it
			return nil
		case errors.Is(err, tq.ErrLeaseLost):
			w.out.say("late", l.Token)
			return nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("complete: %w", err)
		}
	}
}

// send is the effect.
func (w *worker) send(ctx context.Context, l *leasequeue.Lease, call effect.Call) (lease.NotifyResult, error) {
	body, err := json.Marshal(mail{Resource: l.Payload.ResourceID, Task: l.Token.Task.String()})
	if err != nil {
		return lease.NotifyResult{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.s.gateway+"/send", bytes.NewReader(body))
	if err != nil {
		return lease.NotifyResult{}, err
	}
	req.Header.Set(headerKey, call.Key)
	req.Header.Set(headerWorker, w.s.name)
	req.Header.Set(headerInDoubt, fmt.Sprint(call.InDoubt))
	var sent mail
	if err := fetch(req, &sent); err != nil {
		return lease.NotifyResult{}, err
	}

	return lease.NotifyResult{MessageID: sent.MessageID, Recipients: []string{l.Payload.ResourceID}}, nil
}

// fetch makes a request and reads the JSON that answers it.
func fetch(req *http.Request, v any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // as far as it comes

		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, bytes.TrimSpace(text))
	}

	return json.NewDecoder(res.Body).Decode(v)
}

// get reads the JSON at a URL.
func get(ctx context.Context, url string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}

	return fetch(req, v)
}
