package outside

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Witness is safe for concurrent use. Its store is one process's.
type Witness struct {
	key  *chain.Witness
	vkey string
	logs map[string]note.Verifier // by origin; not changed after Open
	db   *bbolt.DB
	dir  string // of evidence
	now  func() time.Time
	log  *slog.Logger

	signed  *limits // by origin and address
	refused *limits // by address

	keeping sync.Mutex // held while evidence is written

	between func() error // for tests: a crash between storing and cosigning
}

// row is the last cosigned checkpoint of a log.
type row struct {
	Size uint64        `json:"size"`
	Root protocol.Hash `json:"root"`
	Note string        `json:"note"` // with the log's own signature only
	At   protocol.Time `json:"at"`   // when it was first cosigned
}

var (
	logsBucket = []byte("logs")
	metaBucket = []byte("meta")
	metaForm   = []byte("form")
	metaKey    = []byte("key")
)

const form = "beeldwacht/outside v1"

// storeFile is the store in its folder.
func storeFile(dir string) string { return filepath.Join(dir, "witness.db") }

// Make makes the empty store of a key, once. A key whose store is lost is of no more use: nobody knows what it cosigned.
func Make(dir, vkey string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := storeFile(dir)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is already there, and belongs to a key; give another folder", path)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(logsBucket)
		meta, e := tx.CreateBucket(metaBucket)
		if err = errors.Join(err, e); err != nil {
			return err
		}
		return errors.Join(meta.Put(metaForm, []byte(form)), meta.Put(metaKey, []byte(vkey)))
	})
	return errors.Join(err, db.Close())
}

// Open opens the store that [Make] made for this private note key. Logs are by origin.
func Open(dir, key string, logs map[string]note.Verifier, now func() time.Time, log *slog.Logger) (*Witness, error) {
	w := &Witness{logs: logs, dir: filepath.Join(dir, "evidence"), now: now, log: log, signed: newLimits(5, 60), refused: newLimits(1, 60)}
	var err error
	if w.key, w.vkey, err = chain.NewWitness(key); err != nil {
		return nil, err
	}
	path := storeFile(dir)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: what this key cosigned stands there; is its disk mounted? If it is lost, stop using the key and make another with `beeldwacht witness init`", err)
	}
	w.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, bbolt.ErrTimeout) {
		return nil, fmt.Errorf("%s: %w (is the witness running already?)", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	err = w.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil || string(meta.Get(metaForm)) != form {
			return fmt.Errorf("not of the form %q", form)
		}
		if of := string(meta.Get(metaKey)); of != w.vkey {
			return fmt.Errorf("it belongs to the key %s, this is %s; a key keeps its store", of, w.vkey)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), w.db.Close())
	}
	return w, nil
}

// Close lets go of the store.
func (w *Witness) Close() error { return w.db.Close() }

// Key is the public key that this witness's cosignatures verify with.
func (w *Witness) Key() string { return w.vkey }

// What Cosign's errors can be asked with errors.Is. Any other error is of the store.
var (
	ErrMalformed = errors.New("not a submission")
	ErrUnknown   = errors.New("not a log of this witness")
	ErrUnsigned  = errors.New("not signed by the log's key")
	ErrFork      = errors.New("the log has signed another root at this size; kept as evidence")
	ErrProof     = errors.New("the consistency proof does not hold")
	ErrTooMuch   = errors.New("this log hands in more than it may")
)

// Stale: the submission does not begin where this witness stands.
type Stale struct{ Size uint64 }

func (s *Stale) Error() string {
	return fmt.Sprintf("the last cosigned checkpoint has size %d", s.Size)
}

// Cosign judges a submission, stores its checkpoint, and returns the cosignature line. What one address hands in of a log does not count against another: anyone may have a checkpoint
// that the log once signed, and hand it in again and again.
func (w *Witness) Cosign(raw []byte, address string) ([]byte, error) {
	malformed := func(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }
	s, err := chain.ParseSubmission(raw)
	if err != nil {
		return nil, malformed(err)
	}
	c, err := chain.UnverifiedCheckpoint(s.Note)
	if err != nil {
		return nil, malformed(err)
	}
	v := w.logs[c.Origin]
	if v == nil {
		return nil, fmt.Errorf("%.200q: %w", c.Origin, ErrUnknown)
	}
	n, err := note.Open(s.Note, note.VerifierList(v))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Origin, ErrUnsigned)
	}
	if s.Old > c.Size {
		return nil, malformed(fmt.Errorf("old size %d is beyond the checkpoint's, %d", s.Old, c.Size))
	}
	now := w.now()
	if !w.signed.allow(c.Origin+" "+address, now) {
		return nil, ErrTooMuch
	}
	n.UnverifiedSigs = nil
	alone, err := note.Sign(n)
	if err != nil {
		return nil, malformed(err)
	}
	next := row{c.Size, c.Root, string(alone), protocol.T(now)}

	have, err := w.row(c.Origin)
	if err != nil {
		return nil, err
	}
	if err := judge(have, next, s); err != nil {
		if errors.Is(err, ErrFork) || errors.Is(err, ErrProof) {
			w.log.Error("a log does not grow as it should", "log", c.Origin, "error", err)
			if kept := w.keep(c.Origin, have, next, s, err); kept != nil {
				return nil, kept
			}
		}
		return nil, err
	}
	if have.Note == "" || have.Size != next.Size {
		if err := w.store(c.Origin, have, next); err != nil {
			return nil, err
		}
	}
	if w.between != nil {
		if err := w.between(); err != nil {
			return nil, err
		}
	}
	return chain.CosignatureLine(c, w.key, now)
}

// judge says whether next may be cosigned after have, whose Note is empty where nothing was.
func judge(have, next row, s chain.Submission) error {
	switch {
	case s.Old != have.Size:
		return &Stale{have.Size}
	case have.Note != "" && next.Size == have.Size && next.Root != have.Root:
		return ErrFork
	}
	root := have.Root
	if have.Note == "" {
		root = protocol.HashOf(nil) // of an empty log
	}
	if err := chain.CheckConsistency(s.Proof, have.Size, root, next.Size, next.Root); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// store swaps next in for have, on the disk.
func (w *Witness) store(origin string, have, next row) error {
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	return w.db.Batch(func(tx *bbolt.Tx) error {
		now, err := readRow(tx, origin)
		if err != nil {
			return err
		}
		if now.Size != have.Size || now.Root != have.Root { // another submission was first
			return &Stale{now.Size}
		}
		return tx.Bucket(logsBucket).Put([]byte(origin), b)
	})
}

func (w *Witness) row(origin string) (r row, err error) {
	err = w.db.View(func(tx *bbolt.Tx) error { r, err = readRow(tx, origin); return err })
	return r, err
}

func readRow(tx *bbolt.Tx, origin string) (r row, err error) {
	b := tx.Bucket(logsBucket).Get([]byte(origin))
	if b == nil {
		return r, nil
	}
	if err := json.Unmarshal(b, &r, json.RejectUnknownMembers(true)); err != nil {
		return r, fmt.Errorf("row of %s: %w", origin, err)
	}
	return r, nil
}

// Overview is what this witness knows, for people.
func (w *Witness) Overview() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Beeldwacht witness %s\nkey %s\n\n", w.key.Name(), w.vkey)
	origins := make([]string, 0, len(w.logs))
	for origin := range w.logs {
		origins = append(origins, origin)
	}
	slices.Sort(origins)
	evidence, err := w.evidence()
	if err != nil {
		return "", err
	}
	err = w.db.View(func(tx *bbolt.Tx) error {
		for _, origin := range origins {
			r, err := readRow(tx, origin)
			if err != nil {
				return err
			}
			if r.Note == "" {
				fmt.Fprintf(&b, "%s  not seen yet\n", origin)
			} else {
				fmt.Fprintf(&b, "%s  %d entries since %s\n", origin, r.Size, r.At)
			}
		}
		return nil
	})
	fmt.Fprintf(&b, "\nevidence of logs that do not grow as they should: %d\n", len(evidence))
	for _, file := range evidence {
		fmt.Fprintln(&b, " ", filepath.Base(file))
	}
	return b.String(), err
}
