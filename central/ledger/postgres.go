package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central/postgres"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Postgres is a Store in a PostgreSQL database of its own, which any number of centres may have open.
//
// The one row of table ledger is the head; who appends locks it, so that of all who write at a head exactly one wins. Each append notifies the channel of the same name,
// within its transaction. Whoever listens also looks every few seconds, and each time that it had to connect again: a notification is a hurry, not the news.
type Postgres struct {
	pool   *pgxpool.Pool
	name   string
	log    *slog.Logger
	moving bool // see move; set before it is used

	stop      context.CancelFunc
	listening sync.WaitGroup

	mu      sync.Mutex    // guards changed
	changed chan struct{} // closed by wake
}

// layout makes the tables. Bodies stand apart from headers, as in the file. The log's tables have no index but their key: they are read from a place on.
const layout = `
CREATE TABLE IF NOT EXISTS ledger (
	one        boolean PRIMARY KEY DEFAULT true CHECK (one),
	form       text  NOT NULL,
	origin     text  NOT NULL,
	head       text  NOT NULL,
	checkpoint bytea,
	witnessed  bytea,
	note       text  NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS ledger_headers (seq   bigint PRIMARY KEY, line bytea NOT NULL);
CREATE TABLE IF NOT EXISTS ledger_bodies  (seq   bigint PRIMARY KEY, line bytea NOT NULL);
CREATE TABLE IF NOT EXISTS ledger_hashes  (place bigint PRIMARY KEY, hash bytea NOT NULL);`

const (
	// lookAnyway is how often a listener looks without having been notified.
	lookAnyway = 5 * time.Second
	// answersWithin is how long a database that is there may take over one thing.
	answersWithin = 20 * time.Second
	// doubtFor is how long an append whose connection broke asks what became of it.
	doubtFor = 10 * time.Second
)

// OpenPostgres opens the ledger in a database, or makes its tables there; the pool is the store's from then on (see package postgres). The user needs to be able to create
// tables the first time, later only to select, insert and update. Connect to the server itself, not through a pooler that shares connections: those lose LISTEN.
func OpenPostgres(ctx context.Context, pool *pgxpool.Pool, origin string, log *slog.Logger) (*Postgres, error) {
	p := &Postgres{pool: pool, name: postgres.Name(pool.Config()), log: log, changed: make(chan struct{})}
	if err := p.prepare(ctx, origin); err != nil {
		pool.Close()
		return nil, fmt.Errorf("ledger %s: %w", p.name, err)
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.listening.Go(func() { p.listen(ctx) })
	return p, nil
}

func (p *Postgres) prepare(ctx context.Context, origin string) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		// Two centres may be started at once, and IF NOT EXISTS is not safe then.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('beeldwacht ledger'))`); err != nil {
			return err
		}
		for option, bad := range map[string]string{"fsync": "off", "synchronous_commit": "off"} {
			var value string
			if err := tx.QueryRow(ctx, `SELECT current_setting($1)`, option).Scan(&value); err != nil {
				return err
			}
			if value == bad {
				return fmt.Errorf("its setting %s is %s: what it acknowledges may be gone after a power cut; set it to on", option, value)
			}
		}
		var made bool
		if err := tx.QueryRow(ctx, `SELECT to_regclass('ledger') IS NOT NULL`).Scan(&made); err != nil {
			return err
		}
		if !made {
			if _, err := tx.Exec(ctx, layout); err != nil {
				return err
			}
			empty, err := json.Marshal(chain.Head{})
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO ledger (form, origin, head) VALUES ($1, $2, $3)`, form, origin, string(empty)); err != nil {
				return err
			}
		}
		var witnessed bool // the column is of 22 November 2026
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('ledger') AND attname = 'witnessed' AND NOT attisdropped)`).Scan(&witnessed); err != nil {
			return err
		}
		if !witnessed {
			if _, err := tx.Exec(ctx, `ALTER TABLE ledger ADD COLUMN witnessed bytea`); err != nil {
				return fmt.Errorf("its table ledger is of before cosigned checkpoints were kept; have its owner do ALTER TABLE ledger ADD COLUMN witnessed bytea: %w", err)
			}
		}
		var haveForm, haveOrigin string
		if err := tx.QueryRow(ctx, `SELECT form, origin FROM ledger`).Scan(&haveForm, &haveOrigin); err != nil {
			return err
		}
		if haveForm != form {
			return fmt.Errorf("its form is %q, want %q: this database is another's", haveForm, form)
		}
		if haveOrigin != origin {
			return fmt.Errorf("its origin is %q, want %q: this database is another's", haveOrigin, origin)
		}
		return nil
	})
}

// Close lets go of the database.
func (p *Postgres) Close() error {
	p.stop()
	p.listening.Wait()
	p.pool.Close()
	return nil
}

func (p *Postgres) String() string { return p.name }

// Head implements Store.
func (p *Postgres) Head(ctx context.Context) (chain.Head, error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	return postgresHead(ctx, p.pool, `SELECT head FROM ledger`)
}

type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func postgresHead(ctx context.Context, from rower, sql string) (h chain.Head, err error) {
	var stored string
	if err := from.QueryRow(ctx, sql).Scan(&stored); err != nil {
		return h, err
	}
	if err := json.Unmarshal([]byte(stored), &h, json.RejectUnknownMembers(true)); err != nil {
		return h, fmt.Errorf("stored head: %w", err)
	}
	return h, h.Valid()
}

// Append implements Store. Once it has begun it does not stop half way because the caller left.
//
// Commit goes alone, after the head is locked: so long as the server has not answered, either it holds that lock, or it will never commit. That is what doubt asks.
func (p *Postgres) Append(ctx context.Context, expect chain.Head, entries []chain.Entry, checkpoint []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answersWithin)
	defer cancel()
	tx, err := p.pool.Begin(ctx)
	if err != nil {
		return err
	}
	err = p.append(ctx, tx, expect, entries, checkpoint)
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT pg_notify('beeldwacht_ledger', '')`)
	}
	if err != nil {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = tx.Rollback(back) // the connection may be why: then the server does it by itself
		return err
	}
	err = tx.Commit(ctx)
	var answer *pgconn.PgError
	if err == nil || errors.Is(err, pgx.ErrTxCommitRollback) {
		return err
	}
	if errors.As(err, &answer) && !ending(answer) { // the server says that it did not
		return err
	}
	p.log.Warn("the database went away during a commit; asking what became of it", "error", err)
	if len(entries) == 0 {
		return err
	}
	return p.doubt(ctx, expect.Size, entries[0].Header)
}

// ending: the server says that it is going, not what it did (class 57P0x).
func ending(e *pgconn.PgError) bool { return e.Code >= "57P01" && e.Code <= "57P03" }

func (p *Postgres) append(ctx context.Context, tx pgx.Tx, expect chain.Head, entries []chain.Entry, checkpoint []byte) error {
	head, err := postgresHead(ctx, tx, `SELECT head FROM ledger FOR UPDATE`)
	if err != nil {
		return err
	}
	var note string
	if err := tx.QueryRow(ctx, `SELECT note FROM ledger`).Scan(&note); err != nil {
		return err
	}
	if note != "" && !p.moving {
		return fmt.Errorf("%w: %s", ErrMovedAway, note)
	}
	if head.Size != expect.Size || head.Last != expect.Last {
		return ErrMoved
	}
	var seqs, places []int64
	var headers, bodies, hashes [][]byte
	for _, e := range entries {
		seq, more := head.Size, head.Hashes(e.Header)
		if err := head.Add(e); err != nil {
			return err
		}
		seqs, headers, bodies = append(seqs, int64(seq)), append(headers, e.Header), append(bodies, e.Body)
		for i, h := range more {
			places, hashes = append(places, chain.HashCount(seq)+int64(i)), append(hashes, h[:])
		}
	}
	stored, err := json.Marshal(head)
	if err != nil {
		return err
	}
	var batch pgx.Batch
	batch.Queue(`INSERT INTO ledger_headers (seq, line) SELECT * FROM unnest($1::bigint[], $2::bytea[])`, seqs, headers)
	batch.Queue(`INSERT INTO ledger_bodies (seq, line) SELECT * FROM unnest($1::bigint[], $2::bytea[])`, seqs, bodies)
	batch.Queue(`INSERT INTO ledger_hashes (place, hash) SELECT * FROM unnest($1::bigint[], $2::bytea[])`, places, hashes)
	batch.Queue(`UPDATE ledger SET head = $1, checkpoint = $2`, string(stored), checkpoint)
	return tx.SendBatch(ctx, &batch).Close()
}

// doubt says what became of an append at a place, whose commit was not answered: nil, or an error.
func (p *Postgres) doubt(ctx context.Context, seq uint64, header []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), doubtFor)
	defer cancel()
	for {
		var line []byte
		err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SELECT FROM ledger FOR UPDATE`); err != nil { // waits for a commit that is still at work
				return err
			}
			return tx.QueryRow(ctx, `SELECT line FROM ledger_headers WHERE seq = $1`, int64(seq)).Scan(&line)
		})
		switch {
		case err == nil && string(line) == string(header):
			return nil
		case err == nil:
			return ErrMoved
		case errors.Is(err, pgx.ErrNoRows):
			return errors.New("the database went away before it had stored this")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%v)", ErrInDoubt, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Read implements Store.
func (p *Postgres) Read(ctx context.Context, from uint64, max int) ([]chain.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	rows, err := p.pool.Query(ctx, `SELECT h.line, b.line FROM ledger_headers h LEFT JOIN ledger_bodies b USING (seq) WHERE seq >= $1 ORDER BY seq LIMIT $2`, int64(from), max)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e chain.Entry, err error) {
		err = row.Scan(&e.Header, &e.Body)
		return e, err
	})
}

// Checkpoint implements Store.
func (p *Postgres) Checkpoint(ctx context.Context) (signed []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	err = p.pool.QueryRow(ctx, `SELECT checkpoint FROM ledger`).Scan(&signed)
	return signed, err
}

// Witnessed implements Store.
func (p *Postgres) Witnessed(ctx context.Context) (notes []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	err = p.pool.QueryRow(ctx, `SELECT witnessed FROM ledger`).Scan(&notes)
	return notes, err
}

// SetWitnessed implements Store.
func (p *Postgres) SetWitnessed(ctx context.Context, notes []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	_, err := p.pool.Exec(ctx, `UPDATE ledger SET witnessed = $1`, notes)
	return err
}

// Hashes implements Store.
func (p *Postgres) Hashes(ctx context.Context, places []int64) ([]tlog.Hash, error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	rows, err := p.pool.Query(ctx, `SELECT hash FROM unnest($1::bigint[]) WITH ORDINALITY AS want (place, n) JOIN ledger_hashes USING (place) ORDER BY n`, places)
	if err != nil {
		return nil, err
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h tlog.Hash, err error) {
		var b []byte
		if err = row.Scan(&b); err == nil && copy(h[:], b) != len(h) {
			err = errMissing
		}
		return h, err
	})
	if err == nil && len(out) != len(places) {
		err = errMissing
	}
	return out, err
}

func (p *Postgres) note(ctx context.Context) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	err = p.pool.QueryRow(ctx, `SELECT note FROM ledger`).Scan(&note)
	return note, err
}

func (p *Postgres) setNote(ctx context.Context, note string) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	_, err := p.pool.Exec(ctx, `UPDATE ledger SET note = $1`, note) // waits for an append that is under way
	return err
}

func (p *Postgres) move() { p.moving = true }

// Changed implements Store.
func (p *Postgres) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

func (p *Postgres) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

// listen keeps a connection of its own open for notifications.
func (p *Postgres) listen(ctx context.Context) {
	for {
		if err := p.listenOnce(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("the ledger's database cannot be listened to; trying again", "database", p.name, "error", err)
		}
		p.wake()
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (p *Postgres) listenOnce(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end) // nothing was written on it
	}()
	if _, err := conn.Exec(ctx, `LISTEN beeldwacht_ledger`); err != nil {
		return err
	}
	for {
		p.wake() // also for what came before anyone listened
		wait, cancel := context.WithTimeout(ctx, lookAnyway)
		_, err := conn.WaitForNotification(wait)
		late := wait.Err() != nil
		cancel()
		if err != nil && (!late || ctx.Err() != nil || conn.IsClosed()) {
			return err
		}
	}
}
