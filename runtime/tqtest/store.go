package tqtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/effect"
)

// OpenStates gives two handles on one state that is empty at first. A store that
// has only one handle is given twice.
type OpenStates func(t testing.TB) (one, two effect.StateStore)

// stateChecks are the promises of a state store, in the order in which
// RunStateStore looks at them.
var stateChecks = []struct {
	name  string
	check func(t *testing.T, one, two effect.StateStore)
}{
	{"an absent key is not found", checkAbsent},
	{"a value is what was set last", checkSet},
	{"a value is added once", checkTryAdd},
	{"slices are nobody else's", checkCopies},
	{"keys are any text", checkKeys},
	{"a context that has ended changes nothing", checkEnded},
	{"of many adders one wins", checkAdders},
	{"a reader sees whole values", checkWhole},
	{"what is old is pruned", checkPrune},
}

// RunStateStore holds the stores that open gives to every promise of
// effect.StateStore, each in a subtest, and to those of effect.Pruner where
// they are some.
func RunStateStore(t *testing.T, open OpenStates) {
	for _, c := range stateChecks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			one, two := open(t)
			c.check(t, one, two)
		})
	}
}

// holds checks the value of a key; nil means that it has none.
func holds(t *testing.T, s effect.StateStore, key string, want []byte) {
	t.Helper()
	got, found, err := s.Get(t.Context(), key)
	no(t, err, "get")
	if found != (want != nil) {
		t.Errorf("%.60q is found: %v", key, found)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("value of %.60q (-want +got):\n%s", key, diff)
	}
}

// adds checks whether a value is added.
func adds(t *testing.T, s effect.StateStore, key string, value []byte, want bool) {
	t.Helper()
	added, err := s.TryAdd(t.Context(), key, value)
	no(t, err, "add")
	if added != want {
		t.Errorf("adding %.60q says %v, want %v", key, added, want)
	}
}

func checkAbsent(t *testing.T, one, _ effect.StateStore) { holds(t, one, "a", nil) }

func checkSet(t *testing.T, one, two effect.StateStore) {
	for _, value := range []string{"first", "", strings.Repeat("long\x00\n", 10_000), "last"} {
		no(t, one.Set(t.Context(), "a", []byte(value)), "set")
		holds(t, one, "a", []byte(value))
		holds(t, two, "a", []byte(value))
	}
	holds(t, two, "b", nil)
}

func checkTryAdd(t *testing.T, one, two effect.StateStore) {
	adds(t, one, "a", []byte("first"), true)
	adds(t, two, "a", []byte("second"), false)
	adds(t, one, "a", []byte("third"), false)
	holds(t, two, "a", []byte("first"))

	no(t, two.Set(t.Context(), "a", []byte("set")), "set")
	adds(t, one, "a", []byte("fourth"), false)
	holds(t, one, "a", []byte("set"))

	adds(t, two, "empty", nil, true)
	adds(t, one, "empty", []byte("full"), false)
	holds(t, one, "empty", []byte{})
}

func checkCopies(t *testing.T, one, _ effect.StateStore) {
	value := []byte("value")
	no(t, one.Set(t.Context(), "set", value), "set")
	adds(t, one, "added", value, true)
	value[0] = 'X'
	for _, key := range []string{"set", "added"} {
		got, _, err := one.Get(t.Context(), key)
		no(t, err, "get")
		if len(got) > 0 {
			got[0] = 'Y'
		}
		holds(t, one, key, []byte("value"))
	}
}

func checkKeys(t *testing.T, one, two effect.StateStore) {
	long := strings.Repeat("k", effect.MaxKey-1)
	keys := []string{
		".", "..", "a", "A", "a/b", "/", `a\b`, "a b", " ", "a::b#intent", "ü", "u\u0308", "\x00", "\n", "%2e",
		"con", "a'b\"c;--", long + "1", long + "2",
	}
	for _, key := range keys {
		adds(t, one, key, []byte("value of "+key), true)
	}
	for _, key := range keys {
		holds(t, two, key, []byte("value of "+key))
	}
}

func checkEnded(t *testing.T, one, _ effect.StateStore) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := one.Get(ctx, "a")
	is(t, err, context.Canceled, "get")
	is(t, one.Set(ctx, "a", nil), context.Canceled, "set")
	_, err = one.TryAdd(ctx, "a", nil)
	is(t, err, context.Canceled, "add")
	holds(t, one, "a", nil)
}

func checkAdders(t *testing.T, one, two effect.StateStore) {
	const keys, adders = 8, 8
	var winners [keys]atomic.Int32
	var won [keys]atomic.Value
	var group sync.WaitGroup
	for n := range keys * adders {
		store := one
		if n%2 == 1 {
			store = two
		}
		group.Go(func() {
			k := n / adders
			value := fmt.Sprint("adder ", n)
			added, err := store.TryAdd(t.Context(), fmt.Sprint("key ", k), []byte(value))
			switch {
			case err != nil:
				t.Error(err)
			case added:
				winners[k].Add(1)
				won[k].Store(value)
			default:
				if _, found, err := store.Get(t.Context(), fmt.Sprint("key ", k)); !found || err != nil {
					t.Errorf("who came second finds %v, %v", found, err)
				}
			}
		})
	}
	group.Wait()
	for k := range keys {
		if n := winners[k].Load(); n != 1 {
			t.Fatalf("%d adders of one key were told that they won", n)
		}
		holds(t, two, fmt.Sprint("key ", k), []byte(won[k].Load().(string)))
	}
}

func checkWhole(t *testing.T, one, two effect.StateStore) {
	const rounds = 30
	whole := func(n int) []byte { return bytes.Repeat([]byte{byte('a' + n%26)}, 1+n*997) }
	no(t, one.Set(t.Context(), "a", whole(0)), "set")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range rounds {
			if err := one.Set(t.Context(), "a", whole(n)); err != nil {
				t.Error(err)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, found, err := two.Get(t.Context(), "a")
		if err != nil || !found {
			t.Fatalf("a value that is replaced: found %v, %v", found, err)
		}
		if n := (len(got) - 1) / 997; !bytes.Equal(got, whole(n)) {
			t.Fatalf("read %d bytes that nobody wrote", len(got))
		}
	}
	holds(t, two, "a", whole(rounds-1))
}

func checkPrune(t *testing.T, one, two effect.StateStore) {
	p, ok := one.(effect.Pruner)
	if !ok {
		t.Skip("the store cannot prune")
	}
	prune := func(before time.Time, want int) {
		t.Helper()
		n, err := p.Prune(t.Context(), before)
		no(t, err, "prune")
		if n != want {
			t.Errorf("pruned %d values, want %d", n, want)
		}
	}
	now := time.Now()
	adds(t, one, "a", []byte("1"), true)
	no(t, two.Set(t.Context(), "b", []byte("2")), "set")
	prune(now.Add(-time.Hour), 0)
	holds(t, one, "a", []byte("1"))
	prune(now.Add(time.Hour), 2)
	holds(t, one, "a", nil)
	holds(t, two, "b", nil)
	adds(t, two, "a", []byte("3"), true)
	holds(t, one, "a", []byte("3"))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Prune(ctx, now); !errors.Is(err, context.Canceled) {
		t.Errorf("prune with a context that has ended gives %v", err)
	}
}
