package ledger

import (
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

// ErrMoved: the log is not where the caller thought it was; read on and decide anew.
var ErrMoved = errors.New("the log has grown since it was read")

// Store keeps entries, the tree's hashes and the newest checkpoint in one bbolt file. It checks what it appends; what it reads back is for the
// reader to check. Safe for concurrent use.
type Store struct {
	db      *bbolt.DB
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
)

const form = "beeldwacht/ledger v1"

// OpenStore opens or makes the store of one log.
func OpenStore(path, origin string) (*Store, error) {
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
	return &Store{db: db, changed: make(chan struct{})}, nil
}

// Close lets go of the file.
func (s *Store) Close() error { return s.db.Close() }

// Head is the tip as stored.
func (s *Store) Head() (chain.Head, error) {
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

// Append adds entries after the head that the caller expects, together with the checkpoint over them; all or nothing, synced. ErrMoved
// if the head is another.
func (s *Store) Append(expect chain.Head, entries []chain.Entry, checkpoint []byte) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		head, err := readHead(tx)
		if err != nil {
			return err
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

// Read gives at most max entries from seq on; none at the end of the log. Body is nil where it was destroyed.
func (s *Store) Read(from uint64, max int) ([]chain.Entry, error) {
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

// Checkpoint is the newest signed one; nil for an empty log.
func (s *Store) Checkpoint() ([]byte, error) {
	var b []byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		b = append([]byte(nil), tx.Bucket(meta).Get(metaCheckpoint)...)
		return nil
	})
	if len(b) == 0 {
		b = nil
	}
	return b, err
}

// ReadHashes makes the Store a chain.HashReader.
func (s *Store) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	err := s.db.View(func(tx *bbolt.Tx) (err error) { out, err = hashesIn(tx).ReadHashes(indexes); return err })
	return out, err
}

// Changed is closed at the next append. Take it before reading, or an append in between is missed.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func hashesIn(tx *bbolt.Tx) chain.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			b := tx.Bucket(hashes).Get(key(uint64(x)))
			if len(b) != tlog.HashSize {
				return nil, fmt.Errorf("stored hash %d is missing", x)
			}
			out[i] = tlog.Hash(b)
		}
		return out, nil
	})
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
