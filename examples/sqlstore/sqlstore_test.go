package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tqtest"
)

var (
	_ effect.StateStore = Store{}
	_ effect.Pruner     = Store{}
)

func TestStore(t *testing.T) {
	t.Parallel()
	tqtest.RunStateStore(t, func(t testing.TB) (one, two effect.StateStore) {
		database := &database{rows: map[string]row{}}
		open := func() Store {
			db := sql.OpenDB(database)
			t.Cleanup(func() { _ = db.Close() })

			return Store{db}
		}

		return open(), open()
	})
}

// database stands for one: a driver that knows the four statements.
type database struct {
	mu   sync.Mutex
	rows map[string]row
}

type row struct {
	value []byte
	at    time.Time
}

func (d *database) Connect(context.Context) (driver.Conn, error) { return conn{d}, nil }
func (d *database) Driver() driver.Driver                        { return nil }

type conn struct{ *database }

func (conn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not asked for") }
func (conn) Close() error                        { return nil }
func (conn) Begin() (driver.Tx, error)           { return nil, errors.New("not asked for") }

func (c conn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if query != get {
		return nil, fmt.Errorf("unknown query %s", query)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.rows[string(args[0].Value.([]byte))]; ok {
		return &rows{[][]byte{r.value}}, nil
	}

	return &rows{}, nil
}

func (c conn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.rows)
	switch query {
	case add, set:
		key := string(args[0].Value.([]byte))
		if _, ok := c.rows[key]; ok && query == add {
			return driver.RowsAffected(0), nil
		}
		c.rows[key] = row{append([]byte{}, args[1].Value.([]byte)...), args[2].Value.(time.Time)}

		return driver.RowsAffected(1), nil
	case prune:
		for key, r := range c.rows {
			if r.at.Before(args[0].Value.(time.Time)) {
				delete(c.rows, key)
			}
		}

		return driver.RowsAffected(n - len(c.rows)), nil
	default:
		return nil, fmt.Errorf("unknown statement %s", query)
	}
}

type rows struct{ values [][]byte }

func (*rows) Columns() []string { return []string{"v"} }
func (*rows) Close() error      { return nil }

func (r *rows) Next(dst []driver.Value) error {
	if len(r.values) == 0 {
		return io.EOF
	}
	dst[0], r.values = r.values[0], r.values[1:]

	return nil
}
