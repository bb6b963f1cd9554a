package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Bolt is a Store in one bbolt file, which one process has open at a time.
type Bolt struct {
	db      *bbolt.DB
	moving  bool          // see move; set before it is used
	mu      sync.Mutex    // guards changed
	changed chan struct{} // closed on the next append
}

// Buckets: headers and bodies by seq, hashes by their place in the tree (8 bytes, big endian); meta by name. Bodies stand apart because they go
// first, at the end of their own term.
var (
	headers = []byte("headers")
	bodies  = []byte("bodies")
	hashes  = []byte("hashes")
	meta    = []byte("meta")

	metaForm       = []byte("form") // version of this layout
	metaOrigin     = []byte("origin")
	metaHead       = []byte("head")
	metaCheckpoint = []byte("checkpoint")
	metaNote       = []byte("note")
	metaWitnessed  = []byte("witnessed")
)

// OpenBolt opens or makes the file of one log.
func OpenBolt(path, origin string) (*Bolt, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, bbolt.ErrTimeout) || os.IsPermission(err) {
		return nil, fmt.Errorf("ledger %s: %w (is another centre running on it?)", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{headers, bodies, hashes, meta} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		m := tx.Bucket(meta)
		for _, must := range []struct {
			key  []byte
			want string
		}{{metaForm, form}, {metaOrigin, origin}} {
			switch have := m.Get(must.key); {
			case have == nil:
				if err := m.Put(must.key, []byte(must.want)); err != nil {
					return err
				}
			case string(have) != must.want:
				return fmt.Errorf("its %s is %q, want %q: this file is another's", must.key, have, must.want)
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ledger %s: %w", path, err), db.Close())
	}
	return &Bolt{db: db, changed: make(chan struct{})}, nil
}

// Close lets go of the file.
func (s *Bolt) Close() error { return s.db.Close() }

func (s *Bolt) String() string { return s.db.Path() }

// Head implements Store.
func (s *Bolt) Head(context.Context) (chain.Head, error) {
	var h chain.Head
	err := s.db.View(func(tx *bbolt.Tx) (err error) { h, err = readHead(tx); return err })
	return h, err
}

func readHead(tx *bbolt.Tx) (chain.Head, error) {
	var h chain.Head
	b := tx.Bucket(meta).Get(metaHead)
	if b == nil {
		return h, nil
	}
	if err := json.Unmarshal(b, &h, json.RejectUnknownMembers(true)); err != nil {
		return h, fmt.Errorf("stored head: %w", err)
	}
	return h, h.Valid()
}

// Append implements Store: one transaction of the file.
func (s *Bolt) Append(ctx context.Context, expect chain.Head, entries []chain.Entry, checkpoint []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		head, err := readHead(tx)
		if err != nil {
			return err
		}
		if note := tx.Bucket(meta).Get(metaNote); len(note) > 0 && !s.moving {
			return fmt.Errorf("%w: %s", ErrMovedAway, note)
		}
		if head.Size != expect.Size || head.Last != expect.Last {
			return ErrMoved
		}
		for _, e := range entries {
			seq, more := head.Size, head.Hashes(e.Header)
			if err := head.Add(e); err != nil {
				return err
			}
			if err := tx.Bucket(headers).Put(key(seq), e.Header); err != nil {
				return err
			}
			if err := tx.Bucket(bodies).Put(key(seq), e.Body); err != nil {
				return err
			}
			for i, h := range more {
				if err := tx.Bucket(hashes).Put(key(uint64(chain.HashCount(seq))+uint64(i)), h[:]); err != nil {
					return err
				}
			}
		}
		b, err := json.Marshal(head)
		if err != nil {
			return err
		}
		if err := tx.Bucket(meta).Put(metaHead, b); err != nil {
			return err
		}
		return tx.Bucket(meta).Put(metaCheckpoint, checkpoint)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// Read implements Store.
func (s *Bolt) Read(_ context.Context, from uint64, max int) ([]chain.Entry, error) {
	var list []chain.Entry
	err := s.db.View(func(tx *bbolt.Tx) error {
		list = readEntries(tx, from, max)
		return nil
	})
	return list, err
}

func readEntries(tx *bbolt.Tx, from uint64, max int) []chain.Entry {
	var list []chain.Entry
	c := tx.Bucket(headers).Cursor()
	for k, v := c.Seek(key(from)); k != nil && len(list) < max; k, v = c.Next() {
		e := chain.Entry{Header: append([]byte(nil), v...)}
		if body := tx.Bucket(bodies).Get(k); body != nil {
			e.Body = append([]byte(nil), body...)
		}
		list = append(list, e)
	}
	return list
}

// Checkpoint implements Store.
func (s *Bolt) Checkpoint(context.Context) ([]byte, error) { return s.get(metaCheckpoint) }

// Witnessed implements Store.
func (s *Bolt) Witnessed(context.Context) ([]byte, error) { return s.get(metaWitnessed) }

// SetWitnessed implements Store.
func (s *Bolt) SetWitnessed(_ context.Context, notes []byte) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(meta).Put(metaWitnessed, notes) })
}

func (s *Bolt) get(name []byte) ([]byte, error) {
	var b []byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		b = append([]byte(nil), tx.Bucket(meta).Get(name)...)
		return nil
	})
	if len(b) == 0 {
		b = nil
	}
	return b, err
}

// Hashes implements Store.
func (s *Bolt) Hashes(_ context.Context, places []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(places))
	err := s.db.View(func(tx *bbolt.Tx) error {
		for i, x := range places {
			b := tx.Bucket(hashes).Get(key(uint64(x)))
			if len(b) != tlog.HashSize {
				return errMissing
			}
			out[i] = tlog.Hash(b)
		}
		return nil
	})
	return out, err
}

// Changed implements Store; closed at the next append.
func (s *Bolt) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Bolt) note(context.Context) (note string, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		note = string(tx.Bucket(meta).Get(metaNote))
		return nil
	})
	return note, err
}

func (s *Bolt) setNote(_ context.Context, note string) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(meta).Put(metaNote, []byte(note)) })
}

func (s *Bolt) move() { s.moving = true }

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
