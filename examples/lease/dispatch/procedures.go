package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// procedure is one thing that can be asked for.
type procedure struct {
	serve func(*call) error
	reads bool // it changes nothing, so GET will do
	// anywhere says that it needs no queue.
	anywhere bool
	// claims, if set, reads the body for who asks by its own word; the header has
	// said already who that is, or "".
	claims func(c *call, header string) (string, error)
}

func (p procedure) takes(method string) bool {
	return method == http.MethodPost || p.reads && (method == http.MethodGet || method == http.MethodHead)
}

func (p procedure) allowed() string {
	if p.reads {
		return "GET, HEAD, POST"
	}

	return "POST"
}

var procedures = map[string]procedure{
	"enqueue":   {serve: (*call).enqueue},
	"lease":     {serve: (*call).lease, claims: (*call).leasePeer},
	"complete":  {serve: (*call).complete},
	"heartbeat": {serve: (*call).heartbeat},
	"release":   {serve: (*call).release},
	"fail":      {serve: (*call).fail},
	"drain":     {serve: (*call).drain},
	"restore":   {serve: (*call).restore},
	"stats":     {serve: (*call).stats, reads: true},
	"health":    {serve: (*call).health, reads: true, anywhere: true},
	"peers":     {serve: (*call).peers, reads: true, anywhere: true},
}

type callKey struct{}

// enqueue passes the role's gate once the task is known to be good.
func (c *call) enqueue() error {
	decode := func(b []byte) error { return DecodeEnqueueRequestJSON(b, &c.enqueued) }
	err := c.read(c.s.o.MaxBody, false, decode)
	if err != nil {
		return err
	}
	if err := c.s.validate(c.enqueued.Payload, "payload"); err != nil {
		return err
	}
	if err := context.Cause(c.s.open); err != nil {
		return err
	}
	ctx, done := c.waiting(math.MaxInt64, nil)
	defer done()
	c.role.enqueue.ServeHTTP(c.w, c.r.WithContext(context.WithValue(ctx, callKey{}, c)))

	return nil
}

// throttled answers what the gate holds back.
func (s *Service) throttled(_ http.ResponseWriter, r *http.Request, status int) {
	c := r.Context().Value(callKey{}).(*call)
	if cause := context.Cause(r.Context()); cause != nil {
		c.w.Header().Del("Retry-After")
		c.refuse(c.ended(r.Context(), r.Context().Err()))
		return
	}
	c.refuse(&Error{Status: status, Code: CodeThrottled, Message: "the queue has too much to do"})
}

// admit accepts a task that the gate has let through.
func (s *Service) admit(_ http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(callKey{}).(*call)
	if err := c.admit(); err != nil {
		c.refuse(err)
	}
}

func (c *call) admit() error {
	ctx, done := c.waiting(c.s.o.MaxWait, tq.ErrFull)
	defer done()
	id, err := c.role.queue.Enqueue(ctx, *c.enqueued.Payload)
	if err != nil {
		return c.ended(ctx, err)
	}
	res := EnqueueResponse{ID: id.String(), SequenceID: id.Sequence}
	if stats, err := c.role.queue.Stats(ctx); err == nil {
		res.Stats = Depths{stats.Pending(), stats.Active()}
	}

	return c.answer(AppendEnqueueResponseJSON(nil, &res))
}

// lease waits for a task. One that its peer cannot have got goes to another.
func (c *call) lease() error {
	if err := context.Cause(c.s.open); err != nil {
		return err
	}
	leave, ok := c.enter()
	if !ok {
		return &Error{
			Status: http.StatusServiceUnavailable, Code: CodeNotEligible, RetryAfter: time.Second,
			Message: "this peer gets no leases for now",
		}
	}
	lost := true
	defer func() { leave(lost) }()
	l, err := c.take()
	switch {
	case errors.Is(err, tq.ErrEmpty):
		err = c.send(http.StatusNoContent, nil)
	case err == nil:
		err = c.grant(&l)
	}
	lost = errors.Is(err, errGone) || errors.Is(err, context.Canceled)

	return err
}

func (c *call) enter() (leave func(lost bool), ok bool) {
	if c.s.o.Peers == nil {
		return func(bool) {}, true
	}

	return c.s.o.Peers.Enter(c.peer)
}

// grant tells of a lease, or gives it back.
func (c *call) grant(l *leasequeue.Lease) error {
	until := l.Deadline()
	res := LeaseResponse{
		Payload: l.Payload, SequenceID: l.Token.Task.Sequence, Attempt: l.Attempt, EnqueuedAt: l.EnqueuedAt,
		LastError: l.LastError, OwnershipToken: l.Token, OwnerPeerID: c.peer,
		LeaseExpiration: until, LeaseSeconds: time.Until(until).Seconds(),
	}
	err := c.r.Context().Err()
	if err == nil {
		err = c.answer(AppendLeaseResponseJSON(nil, &res))
	}
	if err != nil {
		_ = l.Release(context.WithoutCancel(c.r.Context())) // else it expires
		return errGone
	}

	return nil
}

// leasePeer reads the request for who is to own the lease.
func (c *call) leasePeer(header string) (string, error) {
	req := &c.wanted
	err := c.read(c.s.o.MaxBody, true, func(b []byte) error { return DecodeLeaseRequestJSON(b, req) })
	switch {
	case err != nil:
		return "", err
	case req.WaitSeconds != nil && *req.WaitSeconds < 0:
		return "", invalid(CodeRequestInvalid, "waitSeconds", "waitSeconds is negative")
	case req.PeerID == "":
		return header, nil
	case header != "" && header != req.PeerID:
		return "", invalid(CodeRequestInvalid, "peerId", "peerId is not who the header says it is")
	default:
		return req.PeerID, nil
	}
}

// take leases a task, or answers tq.ErrEmpty.
func (c *call) take() (leasequeue.Lease, error) {
	wait := c.s.o.MaxWait
	if c.wanted.WaitSeconds != nil {
		wait = seconds(min(*c.wanted.WaitSeconds, wait.Seconds()))
	}
	ctx, done := c.waiting(wait, tq.ErrEmpty)
	defer done()
	l, err := c.role.queue.LeaseAs(ctx, c.peer)

	return l, c.ended(ctx, err)
}

// settled is a request about a lease, and the lease it is about.
func (c *call) settled() (req SettleRequest, l leasequeue.Lease, err error) {
	err = c.read(c.s.o.MaxBody, false, func(b []byte) error { return DecodeSettleRequestJSON(b, &req) })
	if err != nil {
		return req, l, tokenPath(err)
	}
	if req.OwnershipToken == (tq.Token{}) {
		return req, l, invalid(CodeTokenRequired, "ownershipToken", "ownershipToken is required")
	}
	l, err = c.role.queue.Resume(c.r.Context(), req.OwnershipToken)
	if err == nil && c.s.o.SettleByOwner && l.Owner() != c.peer && !l.Deadline().IsZero() {
		err = &Error{Status: http.StatusForbidden, Code: CodeForbidden, Message: "the lease is another peer's"}
	}

	return req, l, err
}

// tokenPath is err with a path from the root: a token reads itself, and knows
// of itself only.
func tokenPath(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch first, _, _ := strings.Cut(e.Path, "."); first {
	case "token":
		e.Path = "ownershipToken" + strings.TrimPrefix(e.Path, "token")
	case "sequenceId", "attempt", "leaseId", "origin":
		e.Path = "ownershipToken." + e.Path
	}

	return err
}

// refused is why a verb of a lease was, told more exactly than the verb does.
func (c *call) refused(token tq.Token, err error) error {
	if errors.Is(err, tq.ErrLeaseLost) && !errors.Is(err, tq.ErrDeposed) {
		if _, why := c.role.queue.Resume(c.r.Context(), token); why != nil {
			return why
		}
	}

	return err
}

func (c *call) complete() error {
	_, l, err := c.settled()
	if err != nil {
		return err
	}

	return c.acknowledge(&l, l.Complete(c.r.Context()))
}

func (c *call) release() error {
	_, l, err := c.settled()
	if err != nil {
		return err
	}

	return c.acknowledge(&l, l.Release(c.r.Context()))
}

func (c *call) fail() error {
	req, l, err := c.settled()
	if err != nil {
		return err
	}
	cause, err := causeOf(req)
	if err != nil {
		return err
	}
	if req.Requeue != nil && !*req.Requeue {
		return c.acknowledge(&l, l.DeadLetter(c.r.Context(), cause))
	}

	return c.acknowledge(&l, l.Fail(c.r.Context(), cause))
}

// Bounds of what a peer says about a failure, which is kept with the task.
const (
	maxErrorCode = 128
	maxMetadata  = 16
	maxReason    = 4 << 10
)

func tooMuch(member string, most int, what string) *Error {
	return invalid(CodeRequestInvalid, member, fmt.Sprintf("%s has more than %d %s", member, most, what))
}

// causeOf is the error that the task keeps.
func causeOf(req SettleRequest) (error, error) {
	switch {
	case len(req.ErrorCode) > maxErrorCode:
		return nil, tooMuch("errorCode", maxErrorCode, "bytes")
	case len(req.Metadata) > maxMetadata:
		return nil, tooMuch("metadata", maxMetadata, "entries")
	}
	cause := &tq.TaskError{Message: cmp.Or(req.Reason, "lease failed"), Code: cmp.Or(req.ErrorCode, CodeFailed)}
	if len(cause.Message) > maxReason {
		cause.Message = strings.ToValidUTF8(cause.Message[:maxReason-len("…")], "") + "…"
	}
	size := 0
	for k, v := range req.Metadata {
		if cause.Metadata == nil {
			cause.Metadata = make(map[string]tq.Plain, len(req.Metadata))
		}
		cause.Metadata[k] = tq.PlainString(v)
		size += len(k) + len(v)
	}
	if size > maxReason {
		return nil, tooMuch("metadata", maxReason, "bytes")
	}

	return cause, nil
}

func (c *call) heartbeat() error {
	_, l, err := c.settled()
	if err != nil {
		return err
	}
	until, err := l.Heartbeat(c.r.Context())
	if err != nil {
		return c.refused(l.Token, err)
	}

	return c.acknowledged(Acknowledgement{
		Success: true, LeaseExpiration: until, LeaseSeconds: time.Until(until).Seconds(),
	})
}

func (c *call) acknowledge(l *leasequeue.Lease, err error) error {
	if err != nil {
		return c.refused(l.Token, err)
	}

	return c.acknowledged(Acknowledgement{Success: true})
}

func (c *call) acknowledged(a Acknowledgement) error {
	return c.answer(AppendAcknowledgementJSON(nil, &a))
}

// drain takes everything out. What was taken is given again to who asks again,
// so that an answer that got lost loses no task.
func (c *call) drain() error {
	c.slow = true
	var req DrainRequest
	err := c.read(c.s.o.MaxBody, true, func(b []byte) error { return DecodeDrainRequestJSON(b, &req) })
	if err != nil {
		return err
	}
	if req.GraceSeconds < 0 {
		return invalid(CodeRequestInvalid, "graceSeconds", "graceSeconds is negative")
	}
	taken, err := c.role.drain(c.r.Context(), seconds(req.GraceSeconds))
	if err != nil {
		return err
	}

	return c.answer(taken.AppendJSON(nil))
}

func (r *role) drain(ctx context.Context, grace time.Duration) (*leasequeue.Snapshot, error) {
	r.ending.Add(1)
	defer r.ending.Add(-1)
	taken, err := r.queue.Drain(ctx, grace)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !errors.Is(err, tq.ErrUncertain) {
		return nil, err
	}
	r.stopped.Store(true)
	if r.drained != nil && len(taken.Tasks) == 0 && r.drained.ID == taken.ID {
		return r.drained, nil // nothing was in between
	}
	r.drained = &taken // also if nobody has confirmed it: there is no other copy

	return r.drained, err
}

// restore puts in what drain took out.
func (c *call) restore() error {
	c.slow = true
	var snapshot leasequeue.Snapshot
	err := c.read(c.s.o.MaxRestore, false, snapshot.UnmarshalJSON)
	if err != nil {
		return pendingItem(err)
	}
	for i := range snapshot.Tasks {
		t := &snapshot.Tasks[i]
		if t.ID == (tq.TaskID{}) {
			return invalid(CodePendingItemRequired, fmt.Sprintf("tasks.%d", i), "a task is null")
		}
		if err := c.s.validate(&t.Payload, fmt.Sprintf("tasks.%d.value", i)); err != nil {
			return err
		}
	}
	n, err := c.role.restore(c.r.Context(), snapshot)
	if err != nil {
		return err
	}
	res := RestoreResponse{RestoredCount: n}

	return c.answer(AppendRestoreResponseJSON(nil, &res))
}

// pendingItem is err with the established code where a task is missing, or its
// payload.
func pendingItem(err error) error {
	var e *Error
	switch {
	case !errors.As(err, &e):
	case e.Path == "snapshot.tasks":
		e.Code, e.Path = CodePendingItemRequired, "tasks"
	case e.Path == "task.value":
		e.Code, e.Path = CodePayloadRequired, "tasks.value"
	case strings.HasPrefix(e.Path, "task."):
		e.Code, e.Path = CodePendingItemRequired, "tasks."+strings.TrimPrefix(e.Path, "task.")
	default:
		e.Path = strings.TrimPrefix(e.Path, "snapshot.")
	}

	return err
}

// restore says how many tasks were put in.
func (r *role) restore(ctx context.Context, s leasequeue.Snapshot) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, err := r.queue.Stats(ctx)
	if err != nil {
		return 0, err
	}
	err = r.queue.Restore(ctx, s)
	if err == nil || errors.Is(err, tq.ErrUncertain) {
		r.drained = nil
		r.stopped.Store(false)
	}
	switch {
	case err == nil:
	case answerTo(err).Code == CodeInternal: // none of the queue's errors: the snapshot's
		return 0, invalid(CodeSnapshotInvalid, "", err.Error())
	default:
		return 0, err
	}
	after, err := r.queue.Stats(ctx)

	return after.Restored - before.Restored, err
}

func (c *call) stats() error {
	s, err := c.role.queue.Stats(c.r.Context())
	if err != nil {
		return err
	}
	res := Stats{
		Depths: Depths{s.Pending(), s.Active()},
		Ready:  s.Ready, Delayed: s.Delayed, DeadLetters: s.Dead, Capacity: s.Capacity,
		WaitingProducers: s.WaitingProducers, WaitingConsumers: s.WaitingConsumers,
		OldestAgeSeconds: s.OldestReady.Seconds(),
		Backpressure:     c.role.pressure != nil && c.role.pressure.State().Active,
		Enqueued:         s.Enqueued, Leased: s.Granted, Heartbeats: s.Heartbeats, Completed: s.Completed,
		Failed: s.Failed, Requeued: s.Requeued, Expired: s.Expired, DeadLettered: s.DeadLettered,
		Released: s.Released, Drained: s.Drained, Restored: s.Restored, Redriven: s.Redriven, Purged: s.Purged,
	}

	return c.answer(AppendStatsJSON(nil, &res))
}

// health is for balancers: 200 says that requests are welcome here.
func (c *call) health() error {
	res := c.s.health(c.role)
	if res.Status != serving {
		c.status = http.StatusServiceUnavailable
	}

	return c.answer(AppendHealthJSON(nil, &res))
}

const serving = "serving"

func (s *Service) health(r *role) Health {
	switch {
	case s.open.Err() != nil:
		return Health{Status: "closed"}
	case r.queue == nil:
		return Health{Status: "following", Owner: r.owner}
	case r.ending.Load() > 0 || r.stopped.Load():
		return Health{Status: "draining"}
	default:
		return Health{Status: serving}
	}
}

func (c *call) peers() error {
	if c.s.o.Peers == nil {
		return unknown("peers are not followed here")
	}
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(c.s.o.WriteTimeout))
	c.s.o.Peers.ServeHTTP(c.w, c.r)

	return nil
}

// seconds is a duration that is not negative; what it cannot hold is the
// longest.
func seconds(s float64) time.Duration {
	if s >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}

	return time.Duration(s * float64(time.Second))
}
