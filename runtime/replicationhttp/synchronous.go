package replicationhttp

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Close ends Synchronous: the queue's operations wait for nobody any more. Those
// that wait get a *tq.UncertainError. Streams go on. Closing twice is no error, and
// nor is it where the handler is not synchronous.
func (h *Handler) Close() error { return h.gate.Close() }

// Followers is how many followers are connected that acknowledge.
func (h *Handler) Followers() int { return h.gate.Followers() }

// acknowledge takes what a follower says it has.
func (h *Handler) acknowledge(w http.ResponseWriter, r *http.Request) {
	at, err := position(r.URL.Query())
	if err == nil {
		err = h.gate.MayJoin(at)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "", err.Error())
		return
	}
	if _, life := h.feed.Queue(); at.Incarnation != life {
		refuseFor(w, fmt.Errorf("%w: the acknowledgement is of incarnation %v, this is %v", tq.ErrForeign, at.Incarnation, life))
		return
	}
	status := http.StatusGone
	gated, ok := h.gated.Load(r.URL.Query().Get("stream"))
	if !ok {
		refuse(w, status, "", "there is no such stream, or it has ended")
		return
	}
	err = h.gate.Acknowledge(gated.(*replication.Gated), at.Sequence)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	case errors.Is(err, replication.ErrAcknowledgement):
		status = http.StatusConflict
	case !errors.Is(err, replication.ErrUnavailable):
		status = http.StatusServiceUnavailable
	}
	refuse(w, status, "", err.Error())
}
