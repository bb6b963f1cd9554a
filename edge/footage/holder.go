package footage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/beeldwacht/beeldwacht/edge/disk"
)

// Holder keeps the generation key, or its part on this disk where a share takes part in it; what that earns stands in the package comment. A file is overwritten, which a disk with
// flash, a file system that copies on write, a snapshot or a backup may undo.
type Holder interface {
	// Keep stores a generation's key, and returns when it will be there after a power cut. The key of the generation before it stays. Keeping a generation again replaces its key.
	Keep(generation uint64, key []byte) error
	// Key gives the key of a generation that is kept. The caller wipes it.
	Key(generation uint64) ([]byte, error)
	// Only destroys the key of every other generation, and returns when that is done.
	Only(generation uint64) error
}

// slots is the default holder: a file of two slots that are rewritten in place, even generations in the first. A slot has a block of its own, so that a torn write harms no other:
//
//	"BWGENKEY" (8) | generation (8, big endian) | key (32) | SHA-256 of these (32) | zeros to 4096
//
// A destroyed one is all zeros.
type slots struct {
	disk disk.Disk
	file string
}

const slotSize = 4096

var slotMagic = []byte("BWGENKEY")

// newSlots makes the file, where it is not there.
func newSlots(d disk.Disk, file string) (*slots, error) {
	f, err := d.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < 2*slotSize {
		if _, err = f.WriteAt(make([]byte, 2*slotSize-info.Size()), info.Size()); err == nil { // blocks of its own, no hole
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return &slots{d, file}, d.SyncDir(filepath.Dir(file))
}

func (h *slots) Keep(generation uint64, key []byte) error {
	b := make([]byte, 0, slotSize)
	b = append(b, slotMagic...)
	b = binary.BigEndian.AppendUint64(b, generation)
	b = append(b, key...)
	sum := sha256.Sum256(b)
	b = append(b, sum[:]...)[:slotSize]
	defer clear(b)
	return h.rewrite(int64(generation%2), b)
}

func (h *slots) Only(generation uint64) error {
	b, err := h.read()
	if err != nil {
		return err
	}
	defer clear(b)
	for i := range int64(2) {
		slot := b[i*slotSize : (i+1)*slotSize]
		if g, _, ok := parseSlotBlock(slot); ok && g == generation {
			continue
		}
		// Also where it reads as zeros: after a kill, or a sync that failed, that may be so in the machine's memory alone.
		if err := h.rewrite(i, make([]byte, slotSize)); err != nil {
			return err
		}
	}
	return nil
}

func (h *slots) Key(generation uint64) ([]byte, error) {
	b, err := h.read()
	if err != nil {
		return nil, err
	}
	defer clear(b)
	i := int64(generation % 2)
	g, key, ok := parseSlotBlock(b[i*slotSize : (i+1)*slotSize])
	if !ok || g != generation {
		return nil, fmt.Errorf("%s: has no key of generation %d", h.file, generation)
	}
	return bytes.Clone(key), nil
}

func (h *slots) read() ([]byte, error) {
	f, err := disk.Open(h.disk, h.file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	b := make([]byte, 2*slotSize)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("%s: %w", h.file, err)
	}
	return b, nil
}

// rewrite overwrites a slot where it stands.
func (h *slots) rewrite(i int64, b []byte) error {
	f, err := h.disk.OpenFile(h.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, i*slotSize)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func parseSlotBlock(b []byte) (generation uint64, key []byte, ok bool) {
	sum := sha256.Sum256(b[:48])
	if !bytes.Equal(b[:8], slotMagic) || !bytes.Equal(b[48:80], sum[:]) {
		return 0, nil, false
	}
	return binary.BigEndian.Uint64(b[8:]), b[16:48], true
}
