package identity

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Database is a shelf in a PostgreSQL database, which several centres may have open: a table of its own beside whatever else is there. It makes the table where it is missing. The pool stays its
// maker's: Close leaves it open.
//
// Transactions are serializable, so that a token that works once works once at one of all centres. Those that the server undoes because another was in between run again.
func Database(ctx context.Context, pool *pgxpool.Pool) (Shelf, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// Two centres may be started at once, and IF NOT EXISTS is not safe then.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('beeldwacht identity'))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS identity (kind text NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (kind, key))`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return database{pool}, nil
}

// databaseWait is how long one transaction may take, with all that it had to run again.
const databaseWait = 20 * time.Second

type database struct{ pool *pgxpool.Pool }

func (d database) Update(do func(Rows) error) error { return d.run(pgx.ReadWrite, do) }
func (d database) View(do func(Rows) error) error   { return d.run(pgx.ReadOnly, do) }
func (d database) Close() error                     { return nil }

func (d database) run(access pgx.TxAccessMode, do func(Rows) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), databaseWait)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		err := pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: access}, func(tx pgx.Tx) error { return do(databaseRows{ctx, tx}) })
		const serialization, deadlock = "40001", "40P01"
		if undone := (*pgconn.PgError)(nil); !errors.As(err, &undone) || undone.Code != serialization && undone.Code != deadlock {
			return err
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
			return err
		}
	}
}

type databaseRows struct {
	ctx context.Context
	tx  pgx.Tx
}

func (r databaseRows) Get(kind Kind, key string) (value []byte, err error) {
	err = r.tx.QueryRow(r.ctx, `SELECT value FROM identity WHERE kind = $1 AND key = $2`, string(kind), []byte(key)).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

func (r databaseRows) Put(kind Kind, key string, value []byte) error {
	_, err := r.tx.Exec(r.ctx, `INSERT INTO identity (kind, key, value) VALUES ($1, $2, $3) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value`, string(kind), []byte(key), value)
	return err
}

func (r databaseRows) Delete(kind Kind, key string) error {
	_, err := r.tx.Exec(r.ctx, `DELETE FROM identity WHERE kind = $1 AND key = $2`, string(kind), []byte(key))
	return err
}

func (r databaseRows) Each(kind Kind, f func(string, []byte) error) error {
	rows, err := r.tx.Query(r.ctx, `SELECT key, value FROM identity WHERE kind = $1 ORDER BY key`, string(kind))
	if err != nil {
		return err
	}
	type row struct{ Key, Value []byte }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	for _, row := range all {
		if err == nil {
			err = f(string(row.Key), row.Value)
		}
	}
	return err
}
