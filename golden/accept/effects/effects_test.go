package effects_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/golden/accept/effects"
	"github.com/tqgen/tqgen/golden/accept/effects/orderqueue"
	"github.com/tqgen/tqgen/golden/internal/conform"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

func TestConformance(t *testing.T) {
	conform.Run(t, orderqueue.New, orderqueue.Run, orderqueue.NewReplica, nil)
	conform.Run(t, effects.NewInvoiceQueue, effects.RunInvoice, effects.NewInvoiceReplica, nil)
}

func coordinator(t *testing.T, o effect.Options) *orderqueue.Coordinator {
	t.Helper()
	c, err := orderqueue.NewCoordinator(o)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// leased gives a queue and the lease of its one task.
func leased(t *testing.T) (*orderqueue.Local, orderqueue.Lease) {
	t.Helper()
	q, err := orderqueue.New(orderqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	if _, err := q.Enqueue(t.Context(), effects.Order{ID: 1}); err != nil {
		t.Fatal(err)
	}
	l, err := q.TryLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	return q, l
}

// method is an effect's method for tasks.
type method[R any] func(
	context.Context, *orderqueue.Lease, func(context.Context, *orderqueue.Lease, effect.Call) (R, error),
) (R, error)

// results runs one effect twice, the second time by another coordinator, and
// wants the same of both.
func results[R any](t *testing.T, first, second method[R], l *orderqueue.Lease, give, want R) {
	t.Helper()
	runs := 0
	do := func(_ context.Context, got *orderqueue.Lease, call effect.Call) (R, error) {
		runs++
		if got != l || call.InDoubt {
			t.Errorf("called with lease %p, want %p; in doubt %v", got, l, call.InDoubt)
		}

		return give, nil
	}
	for _, m := range []method[R]{first, second} {
		got, err := m(t.Context(), l, do)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b effects.Stamp) bool { return a == b })); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
	}
	if runs != 1 {
		t.Errorf("ran %d times, want once", runs)
	}
}

// Results of every kind come back from their records, at first as later: what
// is not in JSON is missing from the first one already.
func TestResults(t *testing.T) {
	t.Parallel()
	_, l := leased(t)
	o := effect.Options{Store: new(effect.Memory)}
	a, b := coordinator(t, o), coordinator(t, o)
	at := time.Date(2026, 11, 22, 1, 2, 3, 4000, time.UTC)
	stamp := effects.NewStamp(7)

	receipt := effects.Receipt{Number: "17", At: at}
	local := receipt
	local.Local = 9
	results(t, a.Charge, b.Charge, &l, local, receipt)
	parcel := &effects.Parcel{Grams: 5, Parts: []*effects.Parcel{{Grams: 2}, nil}}
	results(t, a.Ship, b.Ship, &l, parcel, parcel)
	results(t, a.Tags, b.Tags, &l, []string{"<a>", ""}, []string{"<a>", ""})
	results(t, a.Raw, b.Raw, &l, []byte{0, 255}, []byte{0, 255})
	results(t, a.Code, b.Code, &l, "ü\n", "ü\n")
	results(t, a.Stock, b.Stock, &l, map[string]int{"a": 1}, map[string]int{"a": 1})
	results(t, a.Due, b.Due, &l, at, at)
	results(t, a.Level, b.Level, &l, -3, -3)
	results(t, a.Stamp, b.Stamp, &l, stamp, stamp)
	results(t, a.Wire, b.Wire, &l, json.RawMessage(`{ "a" : 1 }`), json.RawMessage(`{"a":1}`))
	results(t, a.Price, b.Price, &l, 1.5, 1.5)
	results(t, a.Pair, b.Pair, &l, [2]*effects.Stamp{&stamp}, [2]*effects.Stamp{&stamp})
	box := effects.Box[effects.Receipt]{Inner: receipt}
	results(t, a.Boxed, b.Boxed, &l, box, box)
	label := effects.Label{Text: "a", Next: &effects.Label{Text: "b"}}
	results(t, a.Mark, b.Mark, &l, label, label)
	results(t, a.Marks, b.Marks, &l, []*effects.Label{&label}, []*effects.Label{&label})
	plain := []struct{ A int }{{1}, {2}}
	results(t, a.Plain, b.Plain, &l, plain, plain)
}

// Invariant 30 for tasks: a task that comes to another queue, as after a
// failover, replays; another task does not.
func TestTaskScope(t *testing.T) {
	t.Parallel()
	q, l := leased(t)
	c := coordinator(t, effect.Options{Store: new(effect.Memory)})
	runs := 0
	do := func(context.Context, *orderqueue.Lease, effect.Call) (string, error) {
		runs++
		return "code", nil
	}
	plain := func(context.Context, *orderqueue.Lease, effect.Call) error {
		runs++
		return nil
	}
	work := func(l *orderqueue.Lease) {
		t.Helper()
		if _, err := c.Code(t.Context(), l, do); err != nil {
			t.Fatal(err)
		}
		if err := c.DoTask(t.Context(), l, "mail", plain); err != nil {
			t.Fatal(err)
		}
	}
	work(&l)
	s, err := q.Drain(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	next, err := orderqueue.New(orderqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Restore(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	again, err := next.TryLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again.Token.Incarnation == l.Token.Incarnation {
		t.Fatal("the task was leased by the same queue")
	}
	work(&again)
	if runs != 2 {
		t.Errorf("%d runs of two effects of one task", runs)
	}
	_, other := leased(t)
	work(&other)
	if runs != 4 {
		t.Errorf("%d runs of two effects of two tasks", runs)
	}
}

// Effects of events are scoped to incarnation and sequence: those that come
// back over a wire replay.
func TestEventScope(t *testing.T) {
	t.Parallel()
	q, err := orderqueue.New(orderqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	_, reader := q.WatchNow()
	defer reader.Close()
	for i := range 2 {
		if _, err := q.Enqueue(t.Context(), effects.Order{ID: i}); err != nil {
			t.Fatal(err)
		}
	}
	c := coordinator(t, effect.Options{Store: new(effect.Memory)})
	var order []string
	for range 2 {
		e, err := reader.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wire, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		var back orderqueue.Event
		if err := back.UnmarshalJSON(wire); err != nil {
			t.Fatal(err)
		}
		first := back
		for _, e := range []*orderqueue.Event{&e, &back} {
			order = append(order, handle(t, c, e, first)...)
			e.OwnerPeer = "whoever changes it later" // the record stays
		}
	}
	want := []string{"apply 0", "code 0", "apply 1", "code 1"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}

	err = c.Do(t.Context(), new(orderqueue.Event), "apply", nil)
	if !errors.Is(err, effect.ErrScope) {
		t.Errorf("an event without an incarnation gives %v, want effect.ErrScope", err)
	}
	err = c.DoTask(t.Context(), new(orderqueue.Lease), "apply", nil)
	if !errors.Is(err, effect.ErrScope) {
		t.Errorf("the zero lease gives %v, want effect.ErrScope", err)
	}
}

// handle runs every kind of effect for an event, and says which really ran. The
// event was captured as first.
func handle(t *testing.T, c *orderqueue.Coordinator, e *orderqueue.Event, first orderqueue.Event) (ran []string) {
	t.Helper()
	note := func(what string, e *orderqueue.Event) { ran = append(ran, what+" "+string(rune('0'+e.Payload.ID))) }
	err := c.Do(t.Context(), e, "apply", func(_ context.Context, e *orderqueue.Event, _ effect.Call) error {
		note("apply", e)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	code, err := c.CodeEvent(t.Context(), e,
		func(_ context.Context, e *orderqueue.Event, _ effect.Call) (string, error) {
			note("code", e)
			return "x", nil
		})
	if err != nil || code != "x" {
		t.Errorf("code event gives %q, %v", code, err)
	}
	captured, err := c.CaptureEvent(t.Context(), e)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(first, captured); diff != "" {
		t.Errorf("captured (-first +got):\n%s", diff)
	}

	return ran
}

// Invariant 33: a record is read by a type of another name in another package,
// as long as it has the same JSON; one of another shape is refused, with both
// named.
func TestRenamed(t *testing.T) {
	t.Parallel()
	_, l := leased(t)
	o := effect.Options{
		Store: new(effect.Memory),
		ID:    func(s effect.Scope) string { return "moved::" + s.Effect },
	}
	before := coordinator(t, o)
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	_, err := before.Charge(t.Context(), &l,
		func(context.Context, *orderqueue.Lease, effect.Call) (effects.Receipt, error) {
			return effects.Receipt{Number: "17", At: at}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	_, err = before.Ship(t.Context(), &l,
		func(context.Context, *orderqueue.Lease, effect.Call) (*effects.Parcel, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}

	after, err := effects.NewInvoiceCoordinator(o)
	if err != nil {
		t.Fatal(err)
	}
	lease := effects.NewInvoiceLease(effects.Invoice{}, tq.Grant{Token: l.Token})
	got, err := after.Charge(t.Context(), &lease, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(effects.Voucher{Serial: "17", At: &at}, got); diff != "" {
		t.Errorf("replayed (-want +got):\n%s", diff)
	}
	_, err = after.Ship(t.Context(), &lease, nil)
	var mismatch *effect.MismatchError
	if !errors.As(err, &mismatch) || mismatch.Schema != "parcel/1" || mismatch.WantSchema == mismatch.Schema {
		t.Errorf("a result of another shape gives %v", err)
	}
}

// Recorded failures are replayed, and a result without a JSON form is the
// caller's error, not recorded.
func TestFailures(t *testing.T) {
	t.Parallel()
	_, l := leased(t)
	c := coordinator(t, effect.Options{Store: new(effect.Memory)})
	no := errors.New("no such card")
	for range 2 {
		_, err := c.Charge(t.Context(), &l,
			func(context.Context, *orderqueue.Lease, effect.Call) (effects.Receipt, error) {
				return effects.Receipt{}, effect.Final(no)
			})
		var failure *effect.Failure
		if !errors.As(err, &failure) || failure.Error() != no.Error() || errors.Is(err, no) {
			t.Errorf("a final failure gives %v", err)
		}
	}
	for _, price := range []float64{math.NaN(), 2} {
		_, err := c.Price(t.Context(), &l, func(context.Context, *orderqueue.Lease, effect.Call) (float64, error) {
			return price, nil
		})
		if failed := err != nil; failed != math.IsNaN(price) {
			t.Errorf("the price %v gives %v", price, err)
		}
	}
}
