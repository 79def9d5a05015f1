package labels_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/golden/accept/labels"
	"github.com/tqgen/tqgen/golden/accept/labels/orderqueue"
	"github.com/tqgen/tqgen/golden/internal/conform"
	"github.com/tqgen/tqgen/runtime/tq"
)

func TestConformance(t *testing.T) {
	conform.Run(t, orderqueue.New, orderqueue.Run, orderqueue.NewReplica, nil)
	conform.Run(t, labels.NewParcelQueue, labels.RunParcel, labels.NewParcelReplica, nil)
}

// note is an instrument that notes what it is given.
type note []string

func (n *note) Record(_ context.Context, series int, value float64) {
	*n = append(*n, fmt.Sprintf("%s %v", values(series), value))
}

// values spells a series.
func values(series int) string {
	var list []string
	for i, l := range orderqueue.Metrics().Labels {
		list = append(list, l.Name+"="+orderqueue.Metrics().Labels.Value(i, series))
	}

	return strings.Join(list, " ")
}

// An instrument gets the series of the payload; what is not listed is other.
func TestInstrument(t *testing.T) {
	t.Parallel()
	var got note
	i := orderqueue.NewInstrument(&got)
	for _, o := range []labels.Order{
		{Region: "eu", Urgency: 1, IsGift: true},
		{Region: "us", Urgency: -1},
		{Region: "EU", Urgency: 2, IsGift: true},
		{},
	} {
		i.Record(t.Context(), &o, 1.5)
	}
	want := note{
		"region=eu urgency=1 is_gift=true 1.5",
		"region=us urgency=-1 is_gift=other 1.5",
		"region=other urgency=other is_gift=true 1.5",
		"region=other urgency=0 is_gift=other 1.5",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	orderqueue.Instrument{}.Record(t.Context(), &labels.Order{}, 1) // nobody is told
	if diff := cmp.Diff([]string{"Charge"}, orderqueue.Metrics().Effects); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	if got := orderqueue.Metrics().Queue; got != "orders" {
		t.Errorf("the queue is called %q", got)
	}
}

// Samples of a task carry the series of its payload, however its lease ends.
func TestSamples(t *testing.T) {
	t.Parallel()
	q, err := orderqueue.New(orderqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if diff := cmp.Diff(orderqueue.Metrics().Labels, q.Probe().Labels()); diff != "" {
		t.Errorf("labels of the probe (-want +got):\n%s", diff)
	}
	m := q.Probe().Measure(64, func() {})
	defer m.Close()
	settle := map[labels.Region]func(*orderqueue.Lease) error{
		"eu": func(l *orderqueue.Lease) error {
			_, err := l.Heartbeat(t.Context())
			return errors.Join(err, l.Complete(t.Context()))
		},
		"us": func(l *orderqueue.Lease) error { return l.Fail(t.Context(), errors.New("no")) },
		"":   func(l *orderqueue.Lease) error { return l.DeadLetter(t.Context(), nil) }, // pushes out the one before
	}
	for _, region := range []labels.Region{"eu", "us", ""} {
		if _, err := q.Enqueue(t.Context(), labels.Order{Region: region, IsGift: true}); err != nil {
			t.Fatal(err)
		}
		l, err := q.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := settle[region](&l); err != nil {
			t.Fatal(err)
		}
	}
	samples, _ := m.Take(nil)
	names := map[tq.Measure]string{
		tq.WaitDuration: "wait", tq.LeaseDuration: "lease", tq.HeartbeatExtension: "heartbeat", tq.DeliveryAttempts: "attempts",
	}
	var got []string
	for _, s := range samples {
		if name := names[s.Measure]; name != "" {
			got = append(got, values(int(s.Series))+" "+name)
		} else if s.Series != 0 {
			t.Errorf("a depth has series %d", s.Series)
		}
	}
	slices.Sort(got)
	want := []string{
		"region=eu urgency=0 is_gift=true attempts",
		"region=eu urgency=0 is_gift=true heartbeat",
		"region=eu urgency=0 is_gift=true lease",
		"region=eu urgency=0 is_gift=true wait",
		"region=other urgency=0 is_gift=true attempts",
		"region=other urgency=0 is_gift=true lease",
		"region=other urgency=0 is_gift=true wait",
		"region=us urgency=0 is_gift=true attempts",
		"region=us urgency=0 is_gift=true lease",
		"region=us urgency=0 is_gift=true wait",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

// With out=. a field that only the package can read is a label, too.
func TestJoined(t *testing.T) {
	t.Parallel()
	var got []int
	i := labels.NewParcelInstrument(series(func(s int) { got = append(got, s) }))
	for _, size := range []string{"large", "small", "huge"} {
		p := labels.NewParcel(size)
		i.Record(t.Context(), &p, 1)
	}
	if diff := cmp.Diff([]int{1, 0, 2}, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

type series func(int)

func (s series) Record(_ context.Context, series int, _ float64) { s(series) }
