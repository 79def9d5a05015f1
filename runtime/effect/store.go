package effect

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// StateStore keeps small values by key. All methods are safe for concurrent
// use, and by several processes where the store says so. Keys are any text of
// 1 to [MaxKey] bytes; values may be empty. A store does not keep the slices it
// is given, and those it gives are the caller's.
//
// A nil error of Set, and true from TryAdd, mean that the value survives the
// process, as far as the store survives it at all. After an error the value may
// have been stored or not. tqtest.RunStateStore holds a store to all of this.
type StateStore interface {
	// Get gives the value of key; found is false if it has none.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	// Set gives key a value, whether it had one or not.
	Set(ctx context.Context, key string, value []byte) error
	// TryAdd gives key a value if it has none. Only one of all who try gets
	// true; whoever gets false finds the value of that one.
	TryAdd(ctx context.Context, key string, value []byte) (added bool, err error)
}

// MaxKey is the length in bytes up to which every store takes keys.
const MaxKey = 1024

// Pruner is a store that can forget.
type Pruner interface {
	// Prune removes the values that were stored before the given time, and says
	// how many. What it removes is as if it had never been: effects run anew,
	// versions are chosen anew, and claims of a term can be made again. Prune
	// what is older than any work still to come, and keep claims in a store
	// that is not pruned. A value that is Set anew while Prune runs may go with
	// the old one; values that are only ever added cannot.
	Prune(ctx context.Context, before time.Time) (n int, err error)
}

// Memory is a [StateStore] and a [Pruner] in the memory of this process. The
// zero Memory is empty and ready to use.
type Memory struct {
	// Now is the clock by which values have an age; nil is time.Now. It is not
	// changed once the store is in use.
	Now func() time.Time

	mu     sync.Mutex
	values map[string]kept // guarded by mu
}

type kept struct {
	value []byte
	at    time.Time
}

// Get implements [StateStore].
func (m *Memory) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k, found := m.values[key]

	return bytes.Clone(k.value), found, nil
}

// Set implements [StateStore].
func (m *Memory) Set(ctx context.Context, key string, value []byte) error {
	_, err := m.put(ctx, key, value, true)

	return err
}

// TryAdd implements [StateStore].
func (m *Memory) TryAdd(ctx context.Context, key string, value []byte) (added bool, err error) {
	return m.put(ctx, key, value, false)
}

func (m *Memory) put(ctx context.Context, key string, value []byte, replace bool) (stored bool, err error) {
	if err := checkKey(key); err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	now := clock(m.Now)()
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.values[key]; found && !replace {
		return false, nil
	}
	if m.values == nil {
		m.values = make(map[string]kept)
	}
	m.values[key] = kept{bytes.Clone(value), now}

	return true, nil
}

// Prune implements [Pruner].
func (m *Memory) Prune(ctx context.Context, before time.Time) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, k := range m.values {
		if k.at.Before(before) {
			delete(m.values, key)
			n++
		}
	}

	return n, nil
}

// clock is now, or time.Now if that is nil.
func clock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}

	return now
}
