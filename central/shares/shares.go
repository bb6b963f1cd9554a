// Package shares keeps the centre's part of what opens a recorder's key tables: a share for each recorder that is set to need one. Who takes such a recorder whole reads
// nothing of its disks, because the share is here and is not given to a recorder that is marked stolen.
//
// # The rule of backups
//
// None. Leave this folder out of every backup, snapshot and replica: a share that comes back opens what was erased. Nor is a backup worth anything, since a share
// is replaced each day. A share that is lost here costs this: a recorder that runs goes on and gets another within a minute; one that starts before it got another never reads
// again what it has. It records on, blind to its own past, and what it has still goes on time.
//
// # Two at most
//
// A recorder has the share that it uses, and for a moment the one that follows: that is offered until the recorder's own signed status says that its tables are under it,
// and only then is the one before it destroyed. So the power may go at any moment on either side. Only a share that was made later, and is used, makes one go: an
// old status that a broker brings again destroys nothing.
//
// # A file
//
// <recorder>.shares, mode 0600: two slots of 4096 bytes, rewritten in place; a destroyed one is all zeros.
//
//	"BWSHARE1" (8) | number, rising (8, big endian) | id (16) | secret (32) | SHA-256 of these (32) | zeros
//
// A file is overwritten where the file system lets it; flash memory may keep the old block. To read what a recorder erased somebody would have to find the old
// block both here and there.
package shares

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	slotSize = 4096
	sumAt    = 8 + 8 + 16 + protocol.ShareSize
)

var magic = []byte("BWSHARE1")

// Store is the folder. Any goroutine may use it.
type Store struct {
	dir string

	mu sync.Mutex // held while files are used
}

// Open takes the folder into use, or makes it.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %o: others can read what opens the recorders' disks; use chmod 700", dir, info.Mode().Perm())
	}
	return &Store{dir: dir}, nil
}

// slot is one place in a file.
type slot struct {
	protocol.Share
	number uint64 // 0: empty
}

// Answer carries out what an ask says: it destroys the share before the one that is used now, makes the next where it is wanted, and gives what the recorder needs. An ask
// for shares that are not here is answered by [protocol.ShareLost].
func (s *Store) Answer(recorder protocol.RecorderID, ask *protocol.ShareAsk) (a protocol.ShareAnswer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slots, err := s.read(recorder)
	if err != nil {
		return a, err
	}
	var newest uint64 // of those that are used
	for _, h := range slots {
		if h.number > 0 && slices.Contains(ask.Uses, h.ID) {
			newest = max(newest, h.number)
		}
	}
	for i, h := range slots {
		if h.number > 0 && h.number < newest && !slices.Contains(ask.Uses, h.ID) {
			if err := s.write(recorder, i, slot{}); err != nil {
				return a, err
			}
			slots[i] = slot{}
		}
	}
	if !ask.Open {
		for _, id := range ask.Uses {
			i := slices.IndexFunc(slots[:], func(h slot) bool { return h.number > 0 && h.ID == id })
			if i < 0 {
				return protocol.ShareAnswer{Refused: protocol.ShareLost}, nil
			}
			a.Shares = append(a.Shares, slots[i].Share)
		}
	}
	if !ask.Next || len(ask.Uses) > 1 { // until all its tables are under one there is no place for a third
		return a, nil
	}
	last := slices.MaxFunc(slots[:], func(a, b slot) int { return cmp.Compare(a.number, b.number) })
	if last.number == 0 || slices.Contains(ask.Uses, last.ID) {
		next := slot{number: last.number + 1}
		var id [16]byte
		for _, b := range [][]byte{id[:], next.Secret[:]} {
			if _, err := rand.Read(b); err != nil {
				return a, err
			}
		}
		next.ID = protocol.ShareID(hex.EncodeToString(id[:]))
		i := slices.IndexFunc(slots[:], func(h slot) bool { return h.number != last.number || last.number == 0 })
		if err := s.write(recorder, i, next); err != nil {
			return a, err
		}
		last = next
	}
	a.Next = &last.Share
	return a, nil
}

// Destroy destroys all shares of a recorder. Destroying what is not there is no error.
func (s *Store) Destroy(recorder protocol.RecorderID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Lstat(s.file(recorder)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for i := range 2 {
		if err := s.write(recorder, i, slot{}); err != nil {
			return err
		}
	}
	return os.Remove(s.file(recorder))
}

func (s *Store) file(recorder protocol.RecorderID) string {
	return filepath.Join(s.dir, string(recorder)+".shares")
}

func (s *Store) read(recorder protocol.RecorderID) (slots [2]slot, err error) {
	f, err := os.Open(s.file(recorder))
	if errors.Is(err, fs.ErrNotExist) {
		return slots, nil
	}
	if err != nil {
		return slots, err
	}
	defer f.Close() // read only
	var b [2 * slotSize]byte
	defer clear(b[:])
	if _, err := io.ReadFull(f, b[:]); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return slots, fmt.Errorf("%s: %w", s.file(recorder), err)
	}
	for i := range slots { // one that was torn while it was written was never given
		c := b[i*slotSize : (i+1)*slotSize]
		sum := sha256.Sum256(c[:sumAt])
		if bytes.HasPrefix(c, magic) && bytes.Equal(sum[:], c[sumAt:sumAt+len(sum)]) {
			slots[i].number = binary.BigEndian.Uint64(c[8:])
			slots[i].ID = protocol.ShareID(hex.EncodeToString(c[16:32]))
			copy(slots[i].Secret[:], c[32:])
		}
	}
	return slots, nil
}

// write rewrites a slot in place, and returns when it will be there after a power cut.
func (s *Store) write(recorder protocol.RecorderID, i int, h slot) error {
	b := make([]byte, slotSize)
	defer clear(b)
	if h.number > 0 {
		id, err := hex.DecodeString(string(h.ID))
		if err != nil {
			return err
		}
		copy(b, magic)
		binary.BigEndian.PutUint64(b[8:], h.number)
		copy(b[16:], id)
		copy(b[32:], h.Secret[:])
		sum := sha256.Sum256(b[:sumAt])
		copy(b[sumAt:], sum[:])
	}
	f, err := os.OpenFile(s.file(recorder), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < 2*slotSize {
		_, err = f.WriteAt(make([]byte, 2*slotSize-info.Size()), info.Size()) // blocks of its own, no hole
	}
	if err == nil {
		_, err = f.WriteAt(b, int64(i)*slotSize)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
