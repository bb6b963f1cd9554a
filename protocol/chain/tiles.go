package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// Tiles writes the first c.Size entries of a log, read from its stream, as C2SP tlog-tiles, which tools that know nothing of us check: put is given each file's name and content.
//
//	checkpoint                   signed, as it is
//	tile/entries/000             header lines, 256 in a file, each behind its length in two bytes
//	tile/0/000                   hashes of the tree, 256 in a file; level 0 are the leaves, each next level eight levels up
//	tile/0/x001/x234/067.p/12    the last file of a level, of 12 hashes
//
// Bodies are in none of them. The caller has verified the log; Tiles still gives an error before the checkpoint where the entries do not give its root.
func Tiles(r io.Reader, signed []byte, c Checkpoint, put func(name string, content []byte) error) error {
	t := tiles{put: put}
	in := NewReader(r)
	var head Head
	for head.Size < c.Size {
		e, err := in.Next()
		if err == io.EOF {
			err = errors.New("the log ends before the checkpoint")
		}
		if err == nil {
			err = head.AddHeader(e.Header)
		}
		if err == nil {
			err = t.add(e.Header)
		}
		if err != nil {
			return fmt.Errorf("tiles of %s: entry %d: %w", c.Origin, head.Size, err)
		}
	}
	if head.Root() != c.Root {
		return fmt.Errorf("tiles of %s: the first %d entries give root %s, the checkpoint says %s", c.Origin, c.Size, head.Root(), c.Root)
	}
	if err := t.finish(); err != nil {
		return err
	}
	return put("checkpoint", signed)
}

// tiles are the last file of each kind, not yet full.
type tiles struct {
	put     func(name string, content []byte) error
	entries tile
	levels  []tile
}

type tile struct {
	number  uint64 // among those of its kind
	width   int
	content []byte
}

const tileWidth = 256

func (t *tiles) add(header []byte) error {
	t.entries.content = binary.BigEndian.AppendUint16(t.entries.content, uint16(len(header)))
	t.entries.content = append(t.entries.content, header...)
	if err := t.grow(&t.entries, "entries"); err != nil {
		return err
	}
	return t.hash(0, tlog.RecordHash(header))
}

// hash adds a hash to a level's last tile, and the root of a full one to the level above.
func (t *tiles) hash(level int, h tlog.Hash) error {
	if level == len(t.levels) {
		t.levels = append(t.levels, tile{})
	}
	last := &t.levels[level]
	last.content = append(last.content, h[:]...)
	if last.width == tileWidth-1 {
		if err := t.hash(level+1, rootOfTile(last.content)); err != nil {
			return err
		}
		last = &t.levels[level] // which may stand elsewhere now
	}
	return t.grow(last, fmt.Sprint(level))
}

// grow counts what was added to a file, and puts it where it is full.
func (t *tiles) grow(last *tile, kind string) error {
	if last.width++; last.width < tileWidth {
		return nil
	}
	err := t.put(tilePath(kind, last.number), last.content)
	*last = tile{number: last.number + 1}
	return err
}

// finish puts what is not full.
func (t *tiles) finish() error {
	partial := func(last tile, kind string) error {
		if last.width == 0 {
			return nil
		}
		return t.put(fmt.Sprintf("%s.p/%d", tilePath(kind, last.number), last.width), last.content)
	}
	err := partial(t.entries, "entries")
	for level, last := range t.levels {
		err = errors.Join(err, partial(last, fmt.Sprint(level)))
	}
	return err
}

func tilePath(kind string, number uint64) string {
	path := fmt.Sprintf("%03d", number%1000)
	for number /= 1000; number > 0; number /= 1000 {
		path = fmt.Sprintf("x%03d/%s", number%1000, path)
	}
	return "tile/" + kind + "/" + path
}

func rootOfTile(content []byte) tlog.Hash {
	if len(content) == tlog.HashSize {
		return tlog.Hash(content)
	}
	half := len(content) / 2
	return tlog.NodeHash(rootOfTile(content[:half]), rootOfTile(content[half:]))
}
