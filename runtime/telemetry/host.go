package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/metric"

	"github.com/tqgen/tqgen/internal/instrument"
)

// Host is what is reported of a diagnostics host: a *diagnostics.Host.
type Host interface {
	Subscribers() int // streams that are open
	Gaps() uint64     // how often a stream has gone on behind events it did not get
}

// AttachHost reports h until Detach or Close. Several hosts of a process need
// registrations with attributes of their own to be told from each other. The
// errors are those of AttachQueue.
func (r *Registration) AttachHost(h Host) error {
	return r.attach(h, func() (attachment, error) {
		a := &host{r: r, host: h, labels: newLabels(r.config.set("", ""))}
		callbacks, err := r.observe(a.observe)
		a.callbacks = callbacks

		return a, err
	})
}

// DetachHost reports h no longer. It is no error if it is not attached.
func (r *Registration) DetachHost(h Host) error { return r.detach(h) }

// host is an attached host.
type host struct {
	r         *Registration
	host      Host
	labels    labels
	callbacks metric.Registration
}

func (h *host) regroup(Groups) {}

func (h *host) observe(_ context.Context, out metric.Observer) error {
	if !h.r.on(Throughput) {
		return nil
	}
	o := observer{h.r, out}
	o.int(instrument.Subscribers, int64(h.host.Subscribers()), &h.labels)
	o.count(instrument.StreamGaps, h.host.Gaps(), &h.labels)

	return nil
}

func (h *host) close() error { return h.callbacks.Unregister() }
