// Package sqlstore is an example: effects and versions recorded in a table of
// any SQL database, for all processes that share it.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Store is an effect.StateStore and an effect.Pruner on a table:
//
//	CREATE TABLE effects (k BYTEA PRIMARY KEY, v BYTEA NOT NULL, stored_at TIMESTAMPTZ NOT NULL)
//
// Keys are bytes, so that no collation takes one for another.
type Store struct{ DB *sql.DB }

// The statements are PostgreSQL's and SQLite's. MySQL spells the two INSERTs
// with IGNORE and ON DUPLICATE KEY UPDATE.
const (
	get   = `SELECT v FROM effects WHERE k = $1`
	add   = `INSERT INTO effects VALUES ($1, $2, $3) ON CONFLICT (k) DO NOTHING`
	set   = `INSERT INTO effects VALUES ($1, $2, $3) ON CONFLICT (k) DO UPDATE SET v = $2, stored_at = $3`
	prune = `DELETE FROM effects WHERE stored_at < $1`
)

// Get implements effect.StateStore.
func (s Store) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	err = s.DB.QueryRowContext(ctx, get, []byte(key)).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}

	return value, err == nil, err
}

// Set implements effect.StateStore.
func (s Store) Set(ctx context.Context, key string, value []byte) error {
	_, err := s.DB.ExecContext(ctx, set, []byte(key), append([]byte{}, value...), time.Now())

	return err
}

// TryAdd implements effect.StateStore: the primary key lets one of all adders win.
func (s Store) TryAdd(ctx context.Context, key string, value []byte) (added bool, err error) {
	n, err := affected(s.DB.ExecContext(ctx, add, []byte(key), append([]byte{}, value...), time.Now()))

	return n == 1, err
}

// Prune implements effect.Pruner.
func (s Store) Prune(ctx context.Context, before time.Time) (int, error) {
	return affected(s.DB.ExecContext(ctx, prune, before))
}

func affected(r sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()

	return int(n), err
}
