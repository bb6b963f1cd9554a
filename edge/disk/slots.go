package disk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Slots keeps a key of 32 bytes that is replaced by the next and then must be gone: a file of two slots that are rewritten in place, even numbers in the first. A slot has a
// block of its own, so that a torn write harms no other:
//
//	magic (8) | number (8, big endian) | key (32) | SHA-256 of these (32) | zeros to 4096
//
// A destroyed one is all zeros. A disk with flash, a file system that copies on write, a snapshot or a backup may keep what was overwritten.
type Slots struct {
	disk  Disk
	file  string
	magic string
}

// ErrNoKey: the slots have no key of that number, or it was damaged.
var ErrNoKey = errors.New("no such key")

const (
	SlotSize = 4096 // of one slot, bytes
	slotKey  = 32
)

// NewSlots makes the file, where it is not there. Magic, eight bytes, says what kind of key it holds.
func NewSlots(d Disk, file, magic string) (*Slots, error) {
	f, err := d.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < 2*SlotSize {
		if _, err = f.WriteAt(make([]byte, 2*SlotSize-info.Size()), info.Size()); err == nil { // blocks of its own, no hole
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return &Slots{d, file, magic}, d.SyncDir(filepath.Dir(file))
}

// Keep stores the key of a number, and returns when it will be there after a power cut. The key of the number before it stays. Keeping a number again replaces its key.
func (s *Slots) Keep(number uint64, key []byte) error {
	b := make([]byte, 0, SlotSize)
	b = append(b, s.magic...)
	b = binary.BigEndian.AppendUint64(b, number)
	b = append(b, key...)
	sum := sha256.Sum256(b)
	b = append(b, sum[:]...)[:SlotSize]
	defer clear(b)
	return s.rewrite(int64(number%2), b)
}

// Only destroys the key of every other number, and returns when that is done.
func (s *Slots) Only(number uint64) error {
	b, err := s.read()
	if err != nil {
		return err
	}
	defer clear(b)
	for i := range int64(2) {
		if n, _, ok := ParseSlot(b[i*SlotSize:(i+1)*SlotSize], s.magic); ok && n == number {
			continue
		}
		// Also where it reads as zeros: after a kill, or a sync that failed, that may be so in the machine's memory alone.
		if err := s.rewrite(i, make([]byte, SlotSize)); err != nil {
			return err
		}
	}
	return nil
}

// Key gives the key of a number that is kept, and ErrNoKey where it is not. The caller wipes it.
func (s *Slots) Key(number uint64) ([]byte, error) {
	b, err := s.read()
	if err != nil {
		return nil, err
	}
	defer clear(b)
	i := int64(number % 2)
	n, key, ok := ParseSlot(b[i*SlotSize:(i+1)*SlotSize], s.magic)
	if !ok || n != number {
		return nil, fmt.Errorf("%s: %w: number %d", s.file, ErrNoKey, number)
	}
	return bytes.Clone(key), nil
}

func (s *Slots) read() ([]byte, error) {
	f, err := Open(s.disk, s.file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	b := make([]byte, 2*SlotSize)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	return b, nil
}

// rewrite overwrites a slot where it stands.
func (s *Slots) rewrite(i int64, b []byte) error {
	f, err := s.disk.OpenFile(s.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, i*SlotSize)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ParseSlot reads one slot's block: the number, and the key as it stands in b.
func ParseSlot(b []byte, magic string) (number uint64, key []byte, ok bool) {
	const end = 8 + 8 + slotKey
	if len(b) < end+sha256.Size {
		return 0, nil, false
	}
	sum := sha256.Sum256(b[:end])
	if string(b[:8]) != magic || !bytes.Equal(b[end:end+sha256.Size], sum[:]) {
		return 0, nil, false
	}
	return binary.BigEndian.Uint64(b[8:]), b[16:end], true
}
