package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// database is a shelf that several centres share: who logs in at one is known at all.
type database struct{ pool *pgxpool.Pool }

// answersWithin is how long the database may take over one transaction, tries again included.
const answersWithin = 15 * time.Second

// Database is a shelf in a PostgreSQL database; the pool is the shelf's from then on (see package postgres). Transactions are serializable, and run again where
// another was in between.
func Database(ctx context.Context, pool *pgxpool.Pool) (Shelf, error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('beeldwacht accounts'))`); err != nil { // two centres may be started at once
			return err
		}
		_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS accounts (kind text, key bytea, value bytea NOT NULL, PRIMARY KEY (kind, key))`)
		return err
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return database{pool}, nil
}

func (d database) Update(do func(Rows) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), answersWithin)
	defer cancel()
	for {
		err := pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error { return do(tableRows{ctx, tx}) })
		var answer *pgconn.PgError
		if !errors.As(err, &answer) || answer.Code != "40001" && answer.Code != "40P01" { // serialization failure, deadlock
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("accounts: others were always first: %w", err)
		}
	}
}

func (d database) View(do func(Rows) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), answersWithin)
	defer cancel()
	return pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error { return do(tableRows{ctx, tx}) })
}

func (d database) Close() error {
	d.pool.Close()
	return nil
}

type tableRows struct {
	ctx context.Context
	tx  pgx.Tx
}

func (r tableRows) Get(kind Kind, key string) (value []byte, err error) {
	err = r.tx.QueryRow(r.ctx, `SELECT value FROM accounts WHERE kind = $1 AND key = $2`, string(kind), []byte(key)).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

func (r tableRows) Put(kind Kind, key string, value []byte) error {
	_, err := r.tx.Exec(r.ctx, `INSERT INTO accounts VALUES ($1, $2, $3) ON CONFLICT (kind, key) DO UPDATE SET value = $3`, string(kind), []byte(key), value)
	return err
}

func (r tableRows) Delete(kind Kind, key string) error {
	_, err := r.tx.Exec(r.ctx, `DELETE FROM accounts WHERE kind = $1 AND key = $2`, string(kind), []byte(key))
	return err
}

// Each reads all rows before it calls f, which may ask for others on the same connection.
func (r tableRows) Each(kind Kind, f func(string, []byte) error) error {
	rows, err := r.tx.Query(r.ctx, `SELECT key, value FROM accounts WHERE kind = $1 ORDER BY key`, string(kind))
	if err != nil {
		return err
	}
	type row struct{ Key, Value []byte }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	for _, one := range all {
		if err == nil {
			err = f(string(one.Key), one.Value)
		}
	}
	return err
}
