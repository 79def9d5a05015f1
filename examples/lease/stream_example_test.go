package lease_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// A sink applies every event of a queue once and remembers where it was.
func ExampleSink() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q, _ := leasequeue.New(leasequeue.Options{})
	defer q.Close()

	store := new(replication.MemoryCheckpoints) // or OpenFileCheckpoints, or your database
	done := make(chan tq.Kind)
	sink, err := leasequeue.NewSink(leasequeue.SinkOptions{Stream: "leases/audit", Store: store},
		func(_ context.Context, e *leasequeue.Event) error {
			done <- e.Kind

			return nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	attached := leasequeue.Fanout(ctx, q, leasequeue.SourceOptions{Stamp: replication.Stamp{Peer: "node-a"}}, sink)

	_, _ = q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"})
	fmt.Println(<-done)
	cancel()
	<-attached[0].Done()
	c, _ := store.Load(context.Background(), "leases/audit")
	fmt.Println("checkpoint at", c.Position)
	// Output:
	// Enqueued
	// checkpoint at 1
}

// A file has every event once. It is replayed into whatever makes a state of
// it, and says what became of one task.
func ExampleFileLog() {
	ctx := context.Background()
	dir, _ := os.MkdirTemp("", "events")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "leases.events")

	q, _ := leasequeue.New(leasequeue.Options{})
	reader, _ := q.Watch(0)
	log, err := leasequeue.OpenFileLog(path, leasequeue.FileLogOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = q.Enqueue(ctx, lease.ResourceLease{ResourceID: "i-1"})
	l, _ := q.Lease(ctx)
	_ = l.Complete(ctx)
	_ = q.Close()

	source := leasequeue.NewSource(reader, leasequeue.SourceOptions{})
	if err := source.Pump(ctx, log.Append); !errors.Is(err, tq.ErrClosed) {
		fmt.Println(err)
	}
	_ = log.Close()

	r, _ := leasequeue.NewReplica(leasequeue.Options{})
	torn, err := leasequeue.Replay(path, r.Apply, r.ApplySnapshot)
	fmt.Println("torn", torn, err)
	fmt.Println("at", r.Position().Sequence, "completed", r.Counters().Completed)
	// Output:
	// torn 0 <nil>
	// at 3 completed 1
}

// SQLCheckpoints is a checkpoint store on a table
//
//	CREATE TABLE checkpoint (stream TEXT PRIMARY KEY, revision BIGINT NOT NULL, body TEXT NOT NULL)
type SQLCheckpoints struct{ DB *sql.DB }

func (s SQLCheckpoints) Load(ctx context.Context, stream string) (c replication.Checkpoint, err error) {
	var body []byte
	err = s.DB.QueryRowContext(ctx, `SELECT body FROM checkpoint WHERE stream = $1`, stream).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return replication.Checkpoint{Stream: stream}, nil
	}
	if err == nil {
		err = c.UnmarshalJSON(body)
	}

	return c, err
}

func (s SQLCheckpoints) Save(ctx context.Context, c replication.Checkpoint, expected uint64) error {
	body, err := c.AppendJSON(nil)
	if err != nil {
		return err
	}
	statement := `UPDATE checkpoint SET revision = $2, body = $3 WHERE stream = $1 AND revision = $4`
	if expected == 0 {
		statement = `INSERT INTO checkpoint (stream, revision, body) SELECT $1, $2, $3 WHERE $4 = 0 ON CONFLICT DO NOTHING`
	}
	done, err := s.DB.ExecContext(ctx, statement, c.Stream, c.Revision, string(body), expected)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		err = replication.ErrConflict
	}

	return err
}

var _ replication.CheckpointStore = SQLCheckpoints{}
