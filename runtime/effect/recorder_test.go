package effect_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

var someTime = time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)

func recorder(t *testing.T, o effect.Options) *effect.Recorder {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return someTime }
	}
	r, err := effect.New(o)
	if err != nil {
		t.Fatal(err)
	}

	return r
}

// gives is an effect that gives value, which is JSON, and counts its runs.
func gives(value string, runs *atomic.Int32) func(context.Context, effect.Call) ([]byte, error) {
	return func(context.Context, effect.Call) ([]byte, error) {
		runs.Add(1)
		return []byte(value), nil
	}
}

// never is an effect that must not run.
func never(t *testing.T) func(context.Context, effect.Call) ([]byte, error) {
	return func(_ context.Context, call effect.Call) ([]byte, error) {
		t.Errorf("%s runs", call.ID)
		return nil, nil
	}
}

// Invariant 30: N concurrent runs of one effect are one execution in each
// process, one committed outcome anywhere, and N equal results. Two recorders
// on handles of their own stand for two processes.
func TestInvariant30(t *testing.T) {
	t.Parallel()
	stores := map[string]func(t *testing.T) (one, two effect.StateStore){
		"memory": func(*testing.T) (one, two effect.StateStore) {
			m := new(effect.Memory)
			return m, m
		},
		"files": func(t *testing.T) (one, two effect.StateStore) {
			dir := t.TempDir()
			return files(t, dir), files(t, dir)
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := open(t)
			recorders := [2]*effect.Recorder{
				recorder(t, effect.Options{Store: one}), recorder(t, effect.Options{Store: two}),
			}
			const effects, callers = 5, 16
			var runs [effects][2]atomic.Int32
			var results [effects][callers]string
			var group sync.WaitGroup
			for n := range effects * callers {
				group.Go(func() {
					e, by := n/callers, n%2
					own := fmt.Sprintf(`"by %d"`, n)
					scope := effect.Named(fmt.Sprint(e))
					got, err := recorders[by].Capture(t.Context(), scope, "s", gives(own, &runs[e][by]))
					if err != nil {
						t.Error(err)
					}
					results[e][n%callers] = string(got)
				})
			}
			group.Wait()
			for e := range effects {
				for by := range runs[e] {
					if n := runs[e][by].Load(); n > 1 {
						t.Errorf("effect %d ran %d times in one process", e, n)
					}
				}
				if equal := slices.Compact(results[e][:]); len(equal) != 1 {
					t.Errorf("effect %d has the results %v", e, equal)
				}
			}
		})
	}
}

// Invariant 30, and exactly one run where there is one process: waiters do not
// run, they get what the first got.
func TestSingleFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := recorder(t, effect.Options{Store: new(effect.Memory)})
		release := make(chan struct{})
		transient := errors.New("no answer")
		fail := true
		var runs atomic.Int32
		do := func(context.Context, effect.Call) ([]byte, error) {
			runs.Add(1)
			<-release
			if fail {
				return nil, transient
			}

			return []byte(`"done"`), nil
		}
		round := func() (values []string, errs []error) {
			values, errs = make([]string, 20), make([]error, 20)
			var group sync.WaitGroup
			for i := range values {
				group.Go(func() {
					value, err := r.Capture(t.Context(), effect.Named("a"), "s", do)
					values[i], errs[i] = string(value), err
					clear(value) // everybody has its own
				})
			}
			synctest.Wait()
			if n := runs.Load(); n != 1 {
				t.Errorf("%d runs at once", n)
			}
			release <- struct{}{}
			group.Wait()

			return values, errs
		}
		_, errs := round()
		for _, err := range errs {
			if err != transient { //nolint:errorlint // the very error
				t.Errorf("a waiter got %v", err)
			}
		}
		fail = false
		runs.Store(0)
		values, errs := round()
		err := errors.Join(errs...)
		if diff := cmp.Diff(slices.Repeat([]string{`"done"`}, 20), values); diff != "" || err != nil {
			t.Errorf("results (-want +got):\n%s%v", diff, err)
		}
	})
}

// A waiter obeys its own context, and is not hurt by that of the one it waits
// for, nor by its panic, which reaches the caller of that one.
func TestWaiters(t *testing.T) {
	t.Parallel()
	// Each is how the first call ends; fine says what its caller sees.
	ends := map[string]struct {
		do   func(ctx context.Context, release chan struct{}) ([]byte, error)
		seen string
	}{
		"cancelled": {
			do: func(ctx context.Context, _ chan struct{}) ([]byte, error) {
				<-ctx.Done()
				return nil, fmt.Errorf("call: %w", ctx.Err())
			},
			seen: "call: context canceled",
		},
		"panic": {
			do:   func(_ context.Context, release chan struct{}) ([]byte, error) { <-release; panic("no") },
			seen: "panic: no",
		},
		"goexit": {
			do: func(_ context.Context, release chan struct{}) ([]byte, error) {
				<-release
				runtime.Goexit()

				return nil, nil
			},
			seen: "nothing",
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := recorder(t, effect.Options{Store: new(effect.Memory)})
				first, cancel := context.WithCancel(t.Context())
				release := make(chan struct{})
				seen, ended := "nothing", make(chan struct{})
				go func() {
					defer func() {
						defer close(ended)
						if p := recover(); p != nil {
							seen = fmt.Sprint("panic: ", p)
						}
					}()
					_, err := r.Capture(first, effect.Named("a"), "s",
						func(ctx context.Context, call effect.Call) ([]byte, error) { return end.do(ctx, release) })
					seen = fmt.Sprint(err)
				}()
				synctest.Wait()

				impatient, stop := context.WithTimeout(t.Context(), time.Second)
				defer stop()
				_, err := r.Capture(impatient, effect.Named("a"), "s", never(t))
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a waiter whose context ends gets %v", err)
				}

				var runs, doubts atomic.Int32
				var group sync.WaitGroup
				for range 5 {
					group.Go(func() {
						value, err := r.Capture(t.Context(), effect.Named("a"), "s",
							func(_ context.Context, call effect.Call) ([]byte, error) {
								runs.Add(1)
								if call.InDoubt {
									doubts.Add(1)
								}

								return []byte("1"), nil
							})
						if string(value) != "1" || err != nil {
							t.Errorf("a waiter got %s, %v", value, err)
						}
					})
				}
				synctest.Wait()
				if n := runs.Load(); n != 0 {
					t.Errorf("%d waiters run while the first does", n)
				}
				cancel()
				close(release)
				group.Wait()
				<-ended
				if seen != end.seen {
					t.Errorf("the first caller saw %q, want %q", seen, end.seen)
				}
				if runs.Load() != 1 || doubts.Load() != 1 {
					t.Errorf("%d of the waiters ran, %d in doubt; want one", runs.Load(), doubts.Load())
				}
			})
		})
	}
}

// coded is an error with a code and metadata.
type coded struct{}

func (coded) Error() string { return "card <declined>: ü\x00" }
func (coded) Code() string  { return "error.card.declined" }

func (coded) Metadata() map[string]tq.Plain {
	return map[string]tq.Plain{
		"limit": "100", "card": tq.PlainString("…17"), "open": "true", "none": "null", "rate": "1.50",
	}
}

// Invariant 31: transient failures and cancellation are not recorded, a final
// failure is, and replayed with message, code and metadata as they were.
func TestInvariant31(t *testing.T) {
	t.Parallel()
	plain := errors.New("no")
	long := strings.Repeat("ü", 4000)
	another := &tq.TaskError{Message: "m", Code: "c", Cause: "T: x", Metadata: map[string]tq.Plain{"a": "1"}}
	cases := map[string]struct {
		err  error
		want *tq.TaskError // nil: not recorded
	}{
		"transient":       {err: plain},
		"cancelled":       {err: context.Canceled},
		"final cancelled": {err: effect.Final(fmt.Errorf("call: %w", context.Canceled))},
		"final deadline":  {err: effect.Final(context.DeadlineExceeded)},
		"final": {
			err: effect.Final(plain), want: &tq.TaskError{Message: "no", Code: tq.CodeFailed},
		},
		"final below": {
			err:  fmt.Errorf("pay: %w", effect.Final(plain)),
			want: &tq.TaskError{Message: "pay: no", Code: tq.CodeFailed},
		},
		"sentinel": {
			err: effect.Final(tq.ErrFull), want: &tq.TaskError{Message: tq.ErrFull.Error(), Code: tq.CodeFull},
		},
		"code, metadata": {
			err:  effect.Final(coded{}),
			want: &tq.TaskError{Message: coded{}.Error(), Code: coded{}.Code(), Metadata: coded{}.Metadata()},
		},
		"long": {
			err:  effect.Final(errors.New(long)),
			want: &tq.TaskError{Message: long[:4096] + "…", Code: tq.CodeFailed},
		},
		"another's": {err: effect.Final(another), want: another},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := effect.Options{Store: new(effect.Memory)}
			runs := 0
			for range 3 { // each a process of its own
				err := recorder(t, o).Do(t.Context(), effect.Named("a"), func(context.Context, effect.Call) error {
					runs++
					return c.err
				})
				if c.want == nil {
					if err != c.err { //nolint:errorlint // the very error
						t.Errorf("got %v", err)
					}
					continue
				}
				var failure *effect.Failure
				if !errors.As(err, &failure) || !effect.IsFinal(err) {
					t.Fatalf("got %T %v", err, err)
				}
				want := &effect.Failure{ID: "taskqueue.named::a", RecordedAt: someTime, Err: c.want}
				if diff := cmp.Diff(want, failure); diff != "" {
					t.Errorf("failure (-want +got):\n%s", diff)
				}
				if code := tq.ErrorCode(err); code != c.want.Code || err.Error() != c.want.Message {
					t.Errorf("says %q with code %s", err, code)
				}
			}
			if want := map[bool]int{true: 1, false: 3}[c.want != nil]; runs != want {
				t.Errorf("ran %d times, want %d", runs, want)
			}
		})
	}
	if effect.Final(nil) != nil || effect.IsFinal(plain) {
		t.Error("what is no error, or not marked, is final")
	}
}

// A caller that has given up by the time its effect succeeds leaves a record.
func TestSuccessOutlivesCaller(t *testing.T) {
	t.Parallel()
	r := recorder(t, effect.Options{Store: new(effect.Memory)})
	ctx, cancel := context.WithCancel(t.Context())
	err := r.Do(ctx, effect.Named("a"), func(context.Context, effect.Call) error {
		cancel()
		return nil
	})
	if err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := r.Capture(t.Context(), effect.Named("a"), "", never(t)); err != nil {
		t.Error(err)
	}
	if err := r.Do(ctx, effect.Named("a"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended gives %v", err)
	}
}

// faulty is a store that fails when told.
type faulty struct {
	effect.StateStore
	get, add func(key string) error
}

func (f *faulty) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if f.get != nil {
		if err := f.get(key); err != nil {
			return nil, false, err
		}
	}

	return f.StateStore.Get(ctx, key)
}

func (f *faulty) TryAdd(ctx context.Context, key string, value []byte) (bool, error) {
	if f.add != nil {
		if err := f.add(key); err != nil {
			return false, err
		}
	}

	return f.StateStore.TryAdd(ctx, key, value)
}

// Invariant 32, where the record cannot be written: the error says that the
// outcome is uncertain, and the retry has the same key and knows.
func TestInvariant32(t *testing.T) {
	t.Parallel()
	store := &faulty{StateStore: new(effect.Memory)}
	full := errors.New("disk full")
	store.add = func(key string) error {
		if !strings.HasSuffix(key, "#intent") {
			return full
		}

		return nil
	}
	now := someTime
	o := effect.Options{Store: store, Now: func() time.Time { return now }}
	var calls []effect.Call
	do := func(_ context.Context, call effect.Call) error {
		calls = append(calls, call)
		return nil
	}
	err := recorder(t, o).Do(t.Context(), effect.Named("a"), do)
	if !errors.Is(err, tq.ErrUncertain) || !errors.Is(err, full) {
		t.Errorf("an outcome that cannot be recorded gives %v", err)
	}
	store.add = nil
	now = now.Add(time.Hour)
	for range 2 {
		if err := recorder(t, o).Do(t.Context(), effect.Named("a"), do); err != nil {
			t.Error(err)
		}
	}
	want := effect.Call{ID: "taskqueue.named::a", Key: calls[0].Key, Since: someTime}
	doubt := want
	doubt.InDoubt = true
	if diff := cmp.Diff([]effect.Call{want, doubt}, calls); diff != "" || len(want.Key) != 32 {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if err := recorder(t, o).Do(t.Context(), effect.Named("b"), do); err != nil || calls[2].Key == want.Key {
		t.Errorf("another effect gives %v, and the key %s", err, calls[2].Key)
	}

	// What fails before the effect runs, leaves it alone.
	for _, broken := range []*faulty{
		{get: func(string) error { return full }}, {add: func(string) error { return full }},
	} {
		broken.StateStore = new(effect.Memory)
		_, err := recorder(t, effect.Options{Store: broken}).Capture(t.Context(), effect.Named("a"), "", never(t))
		if !errors.Is(err, full) || errors.Is(err, tq.ErrUncertain) {
			t.Errorf("a store that fails gives %v", err)
		}
	}
}

// Invariant 32 with a process that is killed between the effect and its record.
func TestInvariant32Killed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	cmd := child(t.Context(), "effect", filepath.Join(dir, "store"), outside)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n') // the effect has happened
	if err != nil || line != "happened\n" {
		t.Fatalf("the process says %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process ended with %v", err)
	}

	r := recorder(t, effect.Options{Store: files(t, filepath.Join(dir, "store"))})
	var calls []effect.Call
	for range 2 {
		err = r.Do(t.Context(), effect.Named("mail"), func(_ context.Context, call effect.Call) error {
			calls = append(calls, call)
			return send(outside, call)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(calls) != 1 || !calls[0].InDoubt {
		t.Errorf("the retries were called with %+v, want one call in doubt", calls)
	}
	sent, err := os.ReadFile(outside)
	if err != nil {
		t.Fatal(err)
	}
	key := "key " + calls[0].Key + "\n"
	if diff := cmp.Diff(key+key, string(sent)); diff != "" {
		t.Errorf("what the outside was told (-want +got):\n%s", diff)
	}
}

// hangInEffect is the process of TestInvariant32Killed.
func hangInEffect(store, outside string) error {
	f, err := effect.OpenFiles(store)
	if err != nil {
		return err
	}
	r, err := effect.New(effect.Options{Store: f})
	if err != nil {
		return err
	}

	return r.Do(context.Background(), effect.Named("mail"), func(_ context.Context, call effect.Call) error {
		if err := send(outside, call); err != nil {
			return err
		}
		fmt.Println("happened")
		_, err := io.Copy(io.Discard, os.Stdin) // which nobody closes

		return err
	})
}

// send is the effect on the outside: it happens as often as it is called.
func send(outside string, call effect.Call) error {
	f, err := os.OpenFile(outside, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, "key", call.Key)

	return errors.Join(err, f.Close())
}

// Another process that began an effect and still runs holds up nobody: both
// run, both know the key, the first outcome is everybody's.
func TestTwoProcessesRun(t *testing.T) {
	t.Parallel()
	o := effect.Options{Store: new(effect.Memory)}
	one, two := recorder(t, o), recorder(t, o)
	var keys []string
	second := func(_ context.Context, call effect.Call) ([]byte, error) {
		keys = append(keys, call.Key)
		if !call.InDoubt {
			t.Error("the second is not in doubt")
		}

		return []byte(`"second"`), nil
	}
	first := func(_ context.Context, call effect.Call) ([]byte, error) {
		keys = append(keys, call.Key)
		if call.InDoubt {
			t.Error("the first is in doubt")
		}
		got, err := two.Capture(t.Context(), effect.Named("a"), "s", second)
		if string(got) != `"second"` || err != nil {
			t.Errorf("the second got %s, %v", got, err)
		}

		return nil, effect.Final(errors.New("the slower one's outcome does not count"))
	}
	got, err := one.Capture(t.Context(), effect.Named("a"), "s", first)
	if string(got) != `"second"` || err != nil {
		t.Errorf("the first got %s, %v", got, err)
	}
	if len(keys) != 2 || keys[0] != keys[1] {
		t.Errorf("the keys were %v", keys)
	}
}

// Whoever finds an intent looks for its outcome once more before it runs.
func TestOutcomeMeanwhile(t *testing.T) {
	t.Parallel()
	store := &faulty{StateStore: new(effect.Memory)}
	var runs atomic.Int32
	other := recorder(t, effect.Options{Store: store.StateStore})
	store.add = func(string) error { // after the first look, before the intent
		store.add = nil
		_, err := other.Capture(t.Context(), effect.Named("a"), "s", gives("1", &runs))

		return err
	}
	got, err := recorder(t, effect.Options{Store: store}).Capture(t.Context(), effect.Named("a"), "s", never(t))
	if string(got) != "1" || err != nil || runs.Load() != 1 {
		t.Errorf("got %s, %v after %d runs", got, err, runs.Load())
	}
}

// Invariant 33: what the first release wrote is read, whatever it is called in
// Go by now; and what is written looks like that.
func TestInvariant33(t *testing.T) {
	t.Parallel()
	const (
		value   = `{"kind":"effect","schema":"shape-1","version":1,"time":"2026-11-22T01:02:03Z","payload":{"value":{"id": 7}}}`
		raw     = `{"kind":"effect","schema":"raw","version":1,"time":"2026-11-22T01:02:03Z","payload":{"bytes":"AQI="}}`
		failure = `{"kind":"effect","schema":"","version":1,"time":"2026-11-22T01:02:03Z","payload":{"error":{"message":"no","code":"error.taskqueue.failed"}}}`
		intent  = `{"kind":"effect.intent","schema":"shape-1","version":1,"time":"2026-11-22T01:02:03Z","payload":{"key":"d368e8a67a6125ecf8944c9dd7a6ebad"}}`
		version = `{"kind":"version","schema":"","version":4,"time":"2026-11-22T01:02:03Z"}`
	)
	ctx := t.Context()
	written := new(effect.Memory)
	w := recorder(t, effect.Options{Store: written})
	var runs atomic.Int32
	_, err1 := w.Capture(ctx, effect.Named("value"), "shape-1", gives(`{"id": 7}`, &runs))
	_, err2 := w.Capture(ctx, effect.Named("raw"), "raw", gives("\x01\x02", &runs))
	err3 := w.Do(ctx, effect.Named("failure"),
		func(context.Context, effect.Call) error { return effect.Final(errors.New("no")) })
	_, err4 := w.Require(ctx, "change", 1, 4)
	if err := errors.Join(err1, err2, err4); err != nil || !effect.IsFinal(err3) {
		t.Fatal(err, err3)
	}
	kept := new(effect.Memory)
	for key, want := range map[string]string{
		"taskqueue.named::value": value, "taskqueue.named::raw": raw, "taskqueue.named::failure": failure,
		"taskqueue.named::value#intent": intent, "taskqueue.version::change": version,
	} {
		got, _, err := written.Get(ctx, key)
		if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
			t.Errorf("record of %s (-want +got):\n%s%v", key, diff, err)
		}
		if err := kept.Set(ctx, key, []byte(want)); err != nil {
			t.Fatal(err)
		}
	}

	r := recorder(t, effect.Options{Store: kept})
	got, err := r.Capture(ctx, effect.Named("value"), "shape-1", never(t))
	if string(got) != `{"id": 7}` || err != nil {
		t.Errorf("value: %s, %v", got, err)
	}
	if got, err := r.Capture(ctx, effect.Named("raw"), "raw", never(t)); string(got) != "\x01\x02" || err != nil {
		t.Errorf("raw: %q, %v", got, err)
	}
	if _, err := r.Capture(ctx, effect.Named("failure"), "", never(t)); !effect.IsFinal(err) || err.Error() != "no" {
		t.Errorf("failure: %v", err)
	}
	v, err := r.Require(ctx, "change", 0, 9)
	want := effect.Version{Change: "change", Number: 4, RecordedAt: someTime}
	if diff := cmp.Diff(want, v); diff != "" || err != nil {
		t.Errorf("version (-want +got):\n%s%v", diff, err)
	}
}

// A record of another kind or schema names both; one that is none is not taken
// for absent. Nothing runs.
func TestMismatch(t *testing.T) {
	t.Parallel()
	const head = `"schema":"other","time":"2026-11-22T01:02:03Z"`
	cases := map[string]struct {
		key, record string
		want        string
		is          error
	}{
		"schema": {
			record: `{"kind":"effect","version":1,` + head + `,"payload":{"value":1}}`, is: effect.ErrMismatch,
			want: `effect: taskqueue.named::a is recorded as kind "effect" with schema "other", and kind "effect" with schema "mine" is expected`,
		},
		"kind": {
			record: `{"kind":"version","version":1,` + head + `}`, is: effect.ErrMismatch,
			want: `effect: taskqueue.named::a is recorded as kind "version" with schema "other", and kind "effect" with schema "mine" is expected`,
		},
		"kind of intent": {
			key: "#intent", record: `{"kind":"effect","version":1,` + head + `}`, is: effect.ErrMismatch,
			want: `effect: taskqueue.named::a#intent is recorded as kind "effect" with schema "other", and kind "effect.intent" with schema "mine" is expected`,
		},
		"no record": {
			record: "{}", is: effect.ErrCorrupt,
			want: `effect: "taskqueue.named::a" is damaged: jsonwire: record lacks kind, version, time`,
		},
		"no outcome": {
			record: `{"kind":"effect","version":1,"schema":"mine","time":"2026-11-22T01:02:03Z","payload":{}}`,
			is:     effect.ErrCorrupt, want: `effect: "taskqueue.named::a" is damaged: it has neither value nor error`,
		},
		"no payload": {
			record: `{"kind":"effect","version":1,"schema":"mine","time":"2026-11-22T01:02:03Z"}`,
			is:     effect.ErrCorrupt, want: `effect: "taskqueue.named::a" is damaged: jsonwire: unexpected end of JSON input at offset 0`,
		},
		"later form": {
			record: `{"kind":"effect","version":2,"schema":"mine","time":"2026-11-22T01:02:03Z","payload":{"value":1}}`,
			is:     effect.ErrCorrupt, want: `effect: "taskqueue.named::a" is damaged: its form has version 2, and 1 is known here`,
		},
		"no key": {
			key: "#intent", record: `{"kind":"effect.intent","version":1,` + head + `,"payload":{}}`, is: effect.ErrCorrupt,
			want: `effect: "taskqueue.named::a#intent" is damaged: it has no idempotency key`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := new(effect.Memory)
			if err := store.Set(t.Context(), "taskqueue.named::a"+c.key, []byte(c.record)); err != nil {
				t.Fatal(err)
			}
			r := recorder(t, effect.Options{Store: store})
			_, err := r.Capture(t.Context(), effect.Named("a"), "mine", never(t))
			if !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
			if diff := cmp.Diff(c.want, fmt.Sprint(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if errors.Is(err, effect.ErrMismatch) && tq.ErrorCode(err) != effect.CodeMismatch {
				t.Errorf("the code is %s", tq.ErrorCode(err))
			}
		})
	}

	// The same while the other still runs.
	r := recorder(t, effect.Options{Store: new(effect.Memory)})
	_, err := r.Capture(t.Context(), effect.Named("a"), "mine", func(context.Context, effect.Call) ([]byte, error) {
		_, err := r.Capture(t.Context(), effect.Named("a"), "other", never(t))
		if !errors.Is(err, effect.ErrMismatch) {
			t.Errorf("another schema at the same time gives %v", err)
		}

		return []byte("1"), nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Which id is chosen: that of the ID function unless it gives none, then that
// of the prefix.
func TestID(t *testing.T) {
	t.Parallel()
	task := tq.TaskID{Origin: 0xa, Sequence: 17}
	event := effect.ForEvent("q", 0xb, 42, task, "mail")
	byID := func(s effect.Scope) string {
		if s.Effect != "mail" {
			return ""
		}

		return fmt.Sprintf("own %s %v %d %v %s", s.Queue, s.Incarnation, s.Sequence, s.Task, s.Effect)
	}
	const long = effect.MaxKey - len("#intent")
	cases := map[string]struct {
		o     effect.Options
		scope effect.Scope
		want  string
		err   string
	}{
		"event":         {scope: event, want: "taskqueue.replication::q::000000000000000b::42::mail"},
		"whole event":   {scope: effect.ForEvent("q", 0xb, 42, task, ""), want: "taskqueue.replication::q::000000000000000b::42"},
		"task":          {scope: effect.ForTask("q", task, "mail"), want: "taskqueue.task::q::000000000000000a::17::mail"},
		"named":         {scope: effect.Named("a::b"), want: "taskqueue.named::a::b"},
		"prefix":        {o: effect.Options{Prefix: "x"}, scope: event, want: "x.replication::q::000000000000000b::42::mail"},
		"function":      {o: effect.Options{Prefix: "x", ID: byID}, scope: event, want: "own q 000000000000000b 42 000000000000000a-17 mail"},
		"function none": {o: effect.Options{Prefix: "x", ID: byID}, scope: effect.Named("a"), want: "x.named::a"},
		"function, no incarnation": {
			o: effect.Options{ID: byID}, scope: effect.ForEvent("q", 0, 42, task, "mail"),
			want: "own q 0000000000000000 42 000000000000000a-17 mail",
		},
		"longest":        {o: effect.Options{ID: func(effect.Scope) string { return strings.Repeat("x", long) }}, want: strings.Repeat("x", long)},
		"too long":       {o: effect.Options{ID: func(effect.Scope) string { return strings.Repeat("x", long+1) }}, err: "longer than 1017 bytes"},
		"intent":         {scope: effect.Named("a#intent"), err: "ends in #intent"},
		"no incarnation": {scope: effect.ForEvent("q", 0, 42, task, "mail"), err: "set Options.ID"},
		"no sequence":    {scope: effect.ForEvent("q", 1, 0, task, "mail"), err: "no sequence"},
		"no task":        {scope: effect.ForTask("q", tq.TaskID{}, "mail"), err: "holds no task"},
		"no name":        {scope: effect.ForTask("q", task, ""), err: "no name"},
		"no scope":       {scope: effect.Scope{Effect: "a"}, err: "not made by"},
		"queue":          {scope: effect.ForTask("a::b", task, "mail"), err: ":: in it"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.o.Store = new(effect.Memory)
			got, err := recorder(t, c.o).ID(c.scope)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %q, %v; want %q, %s", got, err, c.want, c.err)
			}
			if err != nil && !errors.Is(err, effect.ErrScope) {
				t.Errorf("%v does not match ErrScope", err)
			}
		})
	}
}

// Options without a store are refused, and the rest has defaults.
func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]effect.Options{
		"no store": {}, "negative": {Store: new(effect.Memory), RecordTimeout: -1},
	} {
		if _, err := effect.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	o := recorder(t, effect.Options{Store: new(effect.Memory)}).Options()
	if o.Prefix != effect.DefaultPrefix || o.RecordTimeout != 10*time.Second {
		t.Errorf("the defaults are %+v", o)
	}
}

// wrapped is a codec whose output is no JSON.
type wrapped struct{ fail error }

func (w wrapped) Encode(schema string, json []byte) ([]byte, error) {
	return []byte(schema + "|" + base64.StdEncoding.EncodeToString(json)), w.fail
}

func (w wrapped) Decode(schema string, stored []byte) ([]byte, error) {
	text, ok := strings.CutPrefix(string(stored), schema+"|")
	if !ok {
		return nil, errors.New("not encoded")
	}

	return base64.StdEncoding.DecodeString(text)
}

// A codec stands between results and their records, not between failures and
// theirs.
func TestCodec(t *testing.T) {
	t.Parallel()
	store := new(effect.Memory)
	var runs atomic.Int32
	for range 2 {
		r := recorder(t, effect.Options{Store: store, Codec: wrapped{}})
		got, err := r.Capture(t.Context(), effect.Named("a"), "s", gives(`{"secret":1}`, &runs))
		if string(got) != `{"secret":1}` || err != nil {
			t.Errorf("got %s, %v", got, err)
		}
		err = r.Do(t.Context(), effect.Named("b"),
			func(context.Context, effect.Call) error { return effect.Final(coded{}) })
		if !effect.IsFinal(err) || err.Error() != (coded{}).Error() {
			t.Errorf("got %v", err)
		}
	}
	stored, _, _ := store.Get(t.Context(), "taskqueue.named::a")
	if strings.Contains(string(stored), "secret") || runs.Load() != 1 {
		t.Errorf("after %d runs the record is %s", runs.Load(), stored)
	}
	plain := recorder(t, effect.Options{Store: new(effect.Memory)})
	if _, err := plain.Capture(t.Context(), effect.Named("a"), "s", gives("1", &runs)); err != nil {
		t.Fatal(err)
	}
	other := recorder(t, effect.Options{Store: plain.Options().Store, Codec: wrapped{}})
	if _, err := other.Capture(t.Context(), effect.Named("a"), "s", never(t)); err == nil {
		t.Error("a record that was not encoded is decoded")
	}
	fail := errors.New("no key")
	broken := recorder(t, effect.Options{Store: new(effect.Memory), Codec: wrapped{fail}})
	_, err := broken.Capture(t.Context(), effect.Named("a"), "s", gives("1", &runs))
	if !errors.Is(err, fail) || !errors.Is(err, tq.ErrUncertain) {
		t.Errorf("a codec that fails gives %v", err)
	}
}

// An outcome that does not get recorded in time is uncertain, not waited for.
func TestRecordTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := recorder(t, effect.Options{Store: stuck{new(effect.Memory)}, RecordTimeout: time.Minute})
		start := time.Now()
		err := r.Do(t.Context(), effect.Named("a"), func(context.Context, effect.Call) error { return nil })
		took := time.Since(start)
		if !errors.Is(err, tq.ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// stuck is a store that takes intents alone.
type stuck struct{ effect.StateStore }

func (s stuck) TryAdd(ctx context.Context, key string, value []byte) (bool, error) {
	if strings.HasSuffix(key, "#intent") {
		return s.StateStore.TryAdd(ctx, key, value)
	}
	<-ctx.Done()

	return false, ctx.Err()
}

// After Prune an effect runs anew: it is as if it had never been.
func TestRetention(t *testing.T) {
	t.Parallel()
	store := new(effect.Memory)
	r := recorder(t, effect.Options{Store: store})
	var runs atomic.Int32
	for want := range int32(2) {
		for range 2 {
			if _, err := r.Capture(t.Context(), effect.Named("a"), "s", gives("1", &runs)); err != nil {
				t.Fatal(err)
			}
		}
		if n := runs.Load(); n != want+1 {
			t.Errorf("%d runs, want %d", n, want+1)
		}
		if n, err := store.Prune(t.Context(), time.Now().Add(time.Hour)); n != 2 || err != nil {
			t.Errorf("pruned %d, %v; want outcome and intent", n, err)
		}
	}
}
