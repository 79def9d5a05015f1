package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Terms is the succession of a queue's owners, in a store that all nodes share.
// Each term has one owner, for ever: whoever adds it to the store first. Terms
// are claimed without a gap, so an owner finds its successor by looking for the
// next one.
//
// All methods are safe for concurrent use, by several processes as far as the
// store is. Values must never be pruned from it.
type Terms struct {
	Store effect.StateStore
	Queue string           // whose owners these are: the queue's name, and its shard if it has any
	Peer  string           // who claims, for people to read
	Clock func() time.Time // of ClaimedAt; nil is time.Now
}

// Claim is a term and its owner.
type Claim struct {
	Queue       string
	Term        uint64
	Peer        string
	Incarnation tq.Incarnation // of the owner's queue
	ClaimedAt   time.Time
}

// TermError says that a term belongs to somebody else. It matches
// tq.ErrDeposed.
type TermError struct{ Claim Claim }

// Error implements error.
func (e *TermError) Error() string {
	return fmt.Sprintf("replication: term %d of %q belongs to %q, incarnation %v, since %v",
		e.Claim.Term, e.Claim.Queue, e.Claim.Peer, e.Claim.Incarnation, e.Claim.ClaimedAt.Format(time.RFC3339Nano))
}

// Unwrap gives tq.ErrDeposed.
func (e *TermError) Unwrap() error { return tq.ErrDeposed }

// Get is the claim of a term, if anybody has claimed it.
func (t *Terms) Get(ctx context.Context, term uint64) (c Claim, found bool, err error) {
	value, found, err := t.Store.Get(ctx, t.key(term))
	if err == nil && found {
		err = c.UnmarshalJSON(value)
	}
	if err != nil {
		return Claim{}, false, fmt.Errorf("replication: term %d of %q: %w", term, t.Queue, err)
	}

	return c, found, nil
}

func (t *Terms) key(term uint64) string {
	return "taskqueue.term::" + t.Queue + "::" + strconv.FormatUint(term, 10)
}

// Next claims the first term after the given one for the queue own. Terms of
// past, the owner that own succeeds, do not count as taken. Claiming again what
// own has claimed already, because the outcome was not known, gives the same
// term. If somebody else has it the error is a *TermError that names the owner
// of the latest term.
func (t *Terms) Next(ctx context.Context, after uint64, own, past tq.Incarnation) (uint64, error) {
	for term := after + 1; ; term++ {
		c, err := t.claim(ctx, term, own)
		switch {
		case err != nil:
			return 0, err
		case c.Incarnation == own:
			return term, t.last(ctx, term, own)
		case c.Incarnation != past || past == 0:
			return 0, t.taken(ctx, c)
		}
	}
}

// taken is the error that c, or whoever has succeeded it since, has a term.
func (t *Terms) taken(ctx context.Context, c Claim) error {
	for {
		next, found, err := t.Get(ctx, c.Term+1)
		if err != nil || !found {
			return &TermError{c}
		}
		c = next
	}
}

// claim tries to claim a term and says whose it is then.
func (t *Terms) claim(ctx context.Context, term uint64, own tq.Incarnation) (Claim, error) {
	if term > tq.MaxTerm {
		return Claim{}, tq.ErrExhausted
	}
	now := time.Now
	if t.Clock != nil {
		now = t.Clock
	}
	c := Claim{Queue: t.Queue, Term: term, Peer: t.Peer, Incarnation: own, ClaimedAt: now().UTC()}
	value, err := c.AppendJSON(nil)
	if err != nil {
		return Claim{}, err
	}
	added, err := t.Store.TryAdd(ctx, t.key(term), value)
	if err != nil {
		return Claim{}, fmt.Errorf("replication: claim term %d of %q: %w", term, t.Queue, err)
	}
	if added {
		return c, nil
	}
	c, found, err := t.Get(ctx, term)
	if err == nil && !found {
		err = fmt.Errorf("replication: term %d of %q is taken, and the store has no claim of it", term, t.Queue)
	}

	return c, err
}

// last says whether nobody has succeeded own in the given term.
func (t *Terms) last(ctx context.Context, term uint64, own tq.Incarnation) error {
	for term++; ; term++ {
		c, found, err := t.Get(ctx, term)
		switch {
		case err != nil || !found:
			return err
		case c.Incarnation != own:
			return &TermError{c}
		}
	}
}

// Own claims the term after the given one, 0 for the first owner there is, for
// a queue that nobody uses yet. From then on the queue claims further terms
// where Restore needs them. If somebody else has the term the queue is deposed,
// and the error is a *TermError: its owner is to be followed, or, if it is known
// to be gone with everything it had, its term can be given as after.
func (t *Terms) Own(ctx context.Context, e *tq.Engine, after uint64) error {
	own := e.Options().Incarnation
	term, err := t.Next(ctx, after, own, 0)
	if err != nil {
		return t.depose(e, err)
	}

	return e.Own(term, t.claimer(e))
}

// claimer claims all terms up to one that the owner e needs.
func (t *Terms) claimer(e *tq.Engine) func(context.Context, uint64) error {
	return func(ctx context.Context, upTo uint64) error {
		own := e.Options().Incarnation
		for term := e.Term() + 1; term <= upTo; term++ {
			c, err := t.claim(ctx, term, own)
			if err == nil && c.Incarnation != own {
				err = &TermError{c}
			}
			if err != nil {
				return t.depose(e, err)
			}
		}

		return nil
	}
}

// depose deposes e if err says that a term belongs to somebody else.
func (t *Terms) depose(e *tq.Engine, err error) error {
	var taken *TermError
	if !errors.As(err, &taken) {
		return err
	}

	return errors.Join(err, e.Depose(max(taken.Claim.Term, e.Term()+1)))
}

// Check looks whether the owner e has been succeeded. If so it is deposed, and
// the error is a *TermError. Any other error is the store's, and nothing is
// known.
func (t *Terms) Check(ctx context.Context, e *tq.Engine) error {
	return t.depose(e, t.last(ctx, e.Term(), e.Options().Incarnation))
}

// Guard checks at once and then at every interval, which must be positive,
// until the owner has been succeeded, which is a *TermError, or ctx ends, which
// is ctx's error. Other errors of Check are told to failed, unless that is nil,
// and checking goes on.
func (t *Terms) Guard(ctx context.Context, e *tq.Engine, every time.Duration, failed func(error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := t.Check(ctx, e)
		switch {
		case errors.Is(err, tq.ErrDeposed):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && failed != nil:
			failed(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Promotion says how a replica becomes the owner of its queue.
type Promotion struct {
	// Terms decide which of several followers succeeds. Without them, nil, that
	// is the operator's to see to: one follower at a time, and none while the
	// owner lives.
	Terms *Terms
	// Revoke ends the leases of the old owner at once: their tasks come first,
	// and the attempts do not count. Otherwise leases hold until their deadline,
	// and their tokens can be resumed.
	Revoke bool
	// ClockSkew is how far the clock here may be ahead of the old owner's, 0 to
	// 24 hours. Leases that are kept hold that much longer.
	ClockSkew time.Duration
}

// Take claims the term after the one r has followed and makes e, empty yet, go
// on where r stands: see [tq.Engine.Adopt], whose lock it returns with. On an
// error r follows on, and the lock is not held: a *TermError if another follower
// was first, the store's error, in which case it can be tried again, or an error
// of Adopt.
func (p Promotion) Take(ctx context.Context, r *tq.Replica, e *tq.Engine) ([]tq.TaskRef, []tq.Slot, error) {
	how := tq.Takeover{Term: r.Term() + 1, Revoke: p.Revoke, ClockSkew: p.ClockSkew}
	if err := e.Adoptable(r, how); err != nil || p.Terms == nil {
		if err != nil {
			return nil, nil, err
		}

		return e.Adopt(r, how)
	}
	term, err := p.Terms.Next(ctx, r.Term(), e.Options().Incarnation, r.Position().Incarnation)
	if err != nil {
		return nil, nil, err
	}
	if err := e.Own(term, p.Terms.claimer(e)); err != nil {
		return nil, nil, err
	}
	how.Term = term

	return e.Adopt(r, how)
}

// AppendJSON appends the claim as the store has it.
func (c *Claim) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `{"queueName":`...)
	dst = jsonwire.AppendString(dst, c.Queue)
	dst = append(dst, `,"term":`...)
	dst = strconv.AppendUint(dst, c.Term, 10)
	dst = append(dst, `,"peerId":`...)
	dst = jsonwire.AppendString(dst, c.Peer)
	dst = appendIncarnation(dst, `,"incarnation":"`, c.Incarnation)
	dst, err := tq.AppendTime(append(dst, `,"claimedAt":`...), c.ClaimedAt)

	return append(dst, '}'), err
}

var claimFields = jsonwire.Fields{Names: []string{"queueName", "term", "peerId", "incarnation", "claimedAt"}}

const requiredOfClaim = 1<<1 | 1<<3

// UnmarshalJSON reads what [Claim.AppendJSON] wrote. After an error the claim is
// zero.
func (c *Claim) UnmarshalJSON(src []byte) error {
	*c = Claim{}
	var read Claim
	var seen uint64
	r := jsonwire.NewReader(src)
	o := r.Object(0, &claimFields)
	for o.Next() {
		if o.Null() {
			continue
		}
		seen |= 1 << o.Field
		switch o.Field {
		case 0: // queueName
			o.Pos = r.String(o.Pos, &read.Queue)
		case 1: // term
			o.Pos = r.Uint64(o.Pos, &read.Term)
		case 2: // peerId
			o.Pos = r.String(o.Pos, &read.Peer)
		case 3: // incarnation
			o.Pos = tq.ReadIncarnation(&r, o.Pos, &read.Incarnation)
		case 4: // claimedAt
			o.Pos = tq.ReadTime(&r, o.Pos, &read.ClaimedAt)
		}
	}
	if err := r.Finish(o.Pos); err != nil {
		return err
	}
	if err := claimFields.Missing("claim", seen, requiredOfClaim); err != nil {
		return err
	}
	*c = read

	return nil
}
