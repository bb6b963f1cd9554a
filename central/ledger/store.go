package ledger

import (
	"context"
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Store keeps one log: its entries, the tree's hashes and the newest checkpoint. It checks what it appends; what it reads back is for the reader to check.
// Safe for concurrent use. There are two, held to one conformance suite: [Bolt] in one file, for one centre, and [Postgres], for any number of them.
type Store interface {
	// Head is the tip as stored.
	Head(context.Context) (chain.Head, error)

	// Append adds entries after the head that the caller expects, together with the checkpoint over them; all or nothing, and on the disk when it returns.
	// ErrMoved: the head is another, and nothing was added. ErrInDoubt: nobody can say yet. Any other error: nothing was added.
	Append(ctx context.Context, expect chain.Head, entries []chain.Entry, checkpoint []byte) error

	// Read gives at most max entries from seq on; none at the end of the log. Body is nil where it was destroyed.
	Read(ctx context.Context, from uint64, max int) ([]chain.Entry, error)

	// Checkpoint is the newest signed one; nil for an empty log.
	Checkpoint(context.Context) ([]byte, error)

	// Witnessed is what SetWitnessed left last, nil for nothing: cosigned checkpoints that go along with an export. They are no part of the log.
	Witnessed(context.Context) ([]byte, error)
	SetWitnessed(context.Context, []byte) error

	// Hashes are the tree's stored hashes at these places (chain.StoredHashes); all of them, or an error.
	Hashes(context.Context, []int64) ([]tlog.Hash, error)

	// Changed is closed when there may be something to read that was not there before, whoever wrote it; now and then without cause. Take it before reading, or what comes in
	// between is missed.
	Changed() <-chan struct{}

	// String says where it is, for messages: no secrets.
	String() string

	Close() error

	// note says whether it may be written: empty, or why not; see Move. From when setNote has returned nobody appends but who moves it.
	note(context.Context) (string, error)
	setNote(context.Context, string) error
	move() // appends of this Store pass a note
}

var (
	// ErrMoved: the log is not where the caller thought it was; read on and decide anew.
	ErrMoved = errors.New("the log has grown since it was read")

	// ErrMovedAway: this log is kept elsewhere now, or is on its way here.
	ErrMovedAway = errors.New("this ledger is not to be used here")

	// ErrInDoubt: the connection broke while the entries were being stored, and until the time was up nobody could say whether they are there. Reading on tells.
	ErrInDoubt = errors.New("the database went away while it stored this; whether it did shows as soon as it answers again")
)

// errMissing is what a Store says of the tree's hashes that it does not have.
var errMissing = errors.New("a stored hash of the tree is missing")

// hashesOf makes a Store a chain.HashReader.
func hashesOf(ctx context.Context, s Store) chain.HashReader {
	return tlog.HashReaderFunc(func(places []int64) ([]tlog.Hash, error) { return s.Hashes(ctx, places) })
}

// form is the version of the layout, the same in both stores.
const form = "beeldwacht/ledger v1"
