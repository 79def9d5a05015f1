// Package replica measures followers: what applying an event costs beside the
// operation that made it, and what events cost over HTTP, and over gRPC, beside
// copying their bytes.
package replica

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tqgen/tqgen/adapters/grpc/replicationgrpc"
	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/bench/payload/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Rows are for an event each.
func Rows() []measure.Row {
	return []measure.Row{
		{Name: "replica/operation", Ratios: true, Measure: measure.Loop(operations)},
		{Name: "replica/apply", Ratios: true, Measure: measure.Loop(applies)},
		{Name: "replica/http/copy", Ratios: true, Measure: measure.Loop(copies)},
		{Name: "replica/http/stream", Ratios: true, Measure: measure.Loop(streams(overHTTP))},
		{Name: "replica/http/follow", Measure: measure.Loop(follows(overHTTP))},
		{Name: "replica/grpc/stream", Measure: measure.Loop(streams(overGRPC))},
		{Name: "replica/grpc/follow", Measure: measure.Loop(follows(overGRPC))},
	}
}

func request() payload.Lease {
	return payload.Lease{
		ResourceType: "compute.instance", ResourceID: "urn:res:1234567890", PartitionKey: "tenant-4711",
		PayloadEncoding: "application/octet-stream",
		Attributes:      map[string]string{"region": "eu-central-1"},
		Body:            []byte("a body"), Priority: 7, Timeout: 90 * time.Second,
		RequestedBy: &payload.Peer{ID: "worker-17", Zone: "eu-central-1a", Weight: 0.75},
		Tags:        []string{"blue", "canary"}, State: 2,
	}
}

// tasks are in flight at once: as many as a busy queue has, and as many as the
// cache holds.
const tasks = 256

// cycle is the three operations on each of so many tasks.
func cycle(ctx context.Context, q *leasequeue.Local, p payload.Lease) error {
	for range tasks {
		if _, err := q.Enqueue(ctx, p); err != nil {
			return err
		}
	}
	for range tasks {
		l, err := q.Lease(ctx)
		if err != nil {
			return err
		}
		if err := l.Complete(ctx); err != nil {
			return err
		}
	}

	return nil
}

// operations makes events, with the log on.
func operations() (func(int) error, func(), error) {
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		return nil, nil, err
	}
	if _, err := q.Watch(0); err != nil {
		return nil, nil, err
	}
	p := request()

	return func(n int) error {
		for ; n > 0; n -= 3 * tasks {
			if err := cycle(context.Background(), q, p); err != nil {
				return err
			}
		}

		return nil
	}, func() { _ = q.Close() }, nil
}

// events are those of one cycle of a new queue.
func events() ([]leasequeue.Event, error) {
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		return nil, err
	}
	defer q.Close()
	reader, err := q.Watch(0)
	if err != nil {
		return nil, err
	}
	if err := cycle(context.Background(), q, request()); err != nil {
		return nil, err
	}
	all := make([]leasequeue.Event, 3*tasks)
	for n := 0; n < len(all); {
		read, err := reader.Read(context.Background(), all[n:])
		if err != nil {
			return nil, err
		}
		n += read
	}

	return all, nil
}

// again makes the events of one cycle those of the next.
func again(all []leasequeue.Event) {
	for i := range all {
		e := &all[i]
		e.Sequence += 3 * tasks
		e.Task.Sequence += tasks
		if e.Token.Epoch != 0 {
			e.Token.Task.Sequence += tasks
			e.Token.Epoch += tasks
		}
	}
}

func applies() (func(int) error, func(), error) {
	all, err := events()
	if err != nil {
		return nil, nil, err
	}
	r, err := leasequeue.NewReplica(leasequeue.Options{})
	if err != nil {
		return nil, nil, err
	}

	return func(n int) error {
		for ; n > 0; n -= len(all) {
			for i := range all {
				if err := r.Apply(&all[i]); err != nil {
					return err
				}
			}
			again(all)
		}

		return nil
	}, nil, nil
}

// endless is a feed of the same events over and over, encoded anew each time,
// as a queue's feed does.
type endless struct{ events []leasequeue.Event }

func (f *endless) Queue() (string, tq.Incarnation) {
	return f.events[0].Queue, f.events[0].Incarnation
}

func (f *endless) Lines(tq.Sequence) (replication.Lines, error) { return &lines{events: f.events}, nil }

func (f *endless) AppendSnapshot(dst []byte) ([]byte, error) { return dst, errors.ErrUnsupported }

type lines struct {
	replication.Lines // nil: nobody waits for a reader of these
	events            []leasequeue.Event
	next              int
}

// Append appends as many events as generated feeds read at once.
func (l *lines) Append(ctx context.Context, dst []byte) (_ []byte, err error) {
	if err := ctx.Err(); err != nil {
		return dst, err
	}
	for range 256 {
		if dst, err = l.events[l.next].AppendJSON(dst); err != nil {
			return dst, err
		}
		dst = append(dst, '\n')
		l.next = (l.next + 1) % len(l.events)
	}

	return dst, nil
}

func (l *lines) Close() error { return nil }

// serve serves on loopback.
func serve(h http.Handler) (url string, done func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }() // until it is closed

	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// copies is the yardstick: the same lines, encoded before, written by a handler
// and read by lines.
func copies() (func(int) error, func(), error) {
	all, err := events()
	if err != nil {
		return nil, nil, err
	}
	var text []byte
	for i := range all {
		if text, err = all[i].AppendJSON(text); err != nil {
			return nil, nil, err
		}
		text = append(text, '\n')
	}
	url, done, err := serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(text); err != nil {
				return
			}
		}
	}))
	if err != nil {
		return nil, nil, err
	}

	res, err := http.Get(url)
	if err != nil {
		done()
		return nil, nil, err
	}
	in := bufio.NewReaderSize(res.Body, 64<<10)

	return func(n int) error {
			for range n {
				if _, err := in.ReadSlice('\n'); err != nil {
					return err
				}
			}

			return nil
		}, func() {
			_ = res.Body.Close()
			done()
		}, nil
}

// connect gives a client of the endless feed, and what ends it.
type connect func() (c replication.Client, done func(), err error)

func overHTTP() (replication.Client, func(), error) {
	all, err := events()
	if err != nil {
		return nil, nil, err
	}
	h, err := replicationhttp.NewHandler(&endless{all}, replicationhttp.HandlerOptions{})
	if err != nil {
		return nil, nil, err
	}
	url, done, err := serve(h)
	if err != nil {
		return nil, nil, err
	}
	c, err := replicationhttp.NewClient(url, replicationhttp.ClientOptions{})

	return c, done, err
}

func overGRPC() (replication.Client, func(), error) {
	all, err := events()
	if err != nil {
		return nil, nil, err
	}
	h, err := replicationgrpc.NewHandler(&endless{all}, replicationgrpc.HandlerOptions{})
	if err != nil {
		return nil, nil, err
	}
	server := grpc.NewServer()
	if err := replicationgrpc.Register(server, h); err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() { _ = server.Serve(listener) }() // until it is stopped
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		server.Stop()
		return nil, nil, err
	}
	c, err := replicationgrpc.NewClient(conn, replicationgrpc.ClientOptions{})

	return c, func() {
		_ = conn.Close()
		server.Stop()
	}, err
}

// stream is one that stays open while its events are counted.
type stream struct {
	left  int
	want  chan int   // how many to take next; closed when it is over
	taken chan error // that many were taken, or why not
}

// open begins a stream that run reads; run calls take for each event.
func open(to connect, run func(c replication.Client, s *stream) error) (func(int) error, func(), error) {
	c, done, err := to()
	if err != nil {
		return nil, nil, err
	}
	s := &stream{want: make(chan int), taken: make(chan error, 1)}
	go func() {
		s.left = <-s.want
		s.taken <- run(c, s)
	}()

	return func(n int) error {
			s.want <- n
			return <-s.taken
		}, func() {
			close(s.want)
			done()
		}, nil
}

// take counts an event and waits where that was enough.
func (s *stream) take() error {
	if s.left--; s.left > 0 {
		return nil
	}
	s.taken <- nil
	if s.left = <-s.want; s.left == 0 {
		return io.EOF
	}

	return nil
}

// streams is what a transport does: encode, send, receive, hand on.
func streams(to connect) func() (func(int) error, func(), error) {
	return func() (func(int) error, func(), error) {
		return open(to, func(c replication.Client, s *stream) error {
			return c.Events(context.Background(), tq.Position{}, func([]byte) error { return s.take() })
		})
	}
}

// counting is a follower that takes whatever comes.
type counting struct{ *stream }

func (c counting) Position() tq.Position                    { return tq.Position{} }
func (c counting) ApplySnapshot(*leasequeue.Snapshot) error { return errors.ErrUnsupported }
func (c counting) Apply(*leasequeue.Event) error            { return c.take() }

// follows is all of it, decoding included.
func follows(to connect) func() (func(int) error, func(), error) {
	return func() (func(int) error, func(), error) {
		return open(to, func(c replication.Client, s *stream) error {
			return leasequeue.Follow(context.Background(), c, counting{s}, replication.FollowOptions{})
		})
	}
}
