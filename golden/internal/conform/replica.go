package conform

import (
	"context"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
	"github.com/tqgen/tqgen/runtime/tqtest"
)

// follower is a generated replica as tqtest wants it.
type follower[E any, PE event[E], S any, PS snapshot[S], Q any, F replica[E, S, Q]] struct {
	replica F
	adapt   func(Q) tqtest.Queue
}

func (f *follower[E, PE, S, PS, Q, F]) Apply(text []byte) error {
	var e E
	if err := PE(&e).UnmarshalJSON(text); err != nil {
		return err
	}

	return f.replica.Apply(&e)
}

func (f *follower[E, PE, S, PS, Q, F]) ApplySnapshot(doc []byte) error {
	var s S
	if err := PS(&s).UnmarshalJSON(doc); err != nil {
		return err
	}

	return f.replica.ApplySnapshot(&s)
}

func (f *follower[E, PE, S, PS, Q, F]) State() ([]byte, error) {
	s := f.replica.State()

	return PS(&s).AppendJSON(nil)
}

func (f *follower[E, PE, S, PS, Q, F]) Position() tq.Position { return f.replica.Position() }

func (f *follower[E, PE, S, PS, Q, F]) Counters() tq.Counters { return f.replica.Counters() }

func (f *follower[E, PE, S, PS, Q, F]) Promote(ctx context.Context, o tq.Options) (tqtest.Queue, error) {
	q, err := f.replica.Promote(ctx, o, replication.Promotion{})
	if err != nil {
		return nil, err
	}

	return f.adapt(q), nil
}
