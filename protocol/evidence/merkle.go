package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Tree is an RFC 6962 tree over segment lines: of a minute, or of a hold.
type Tree struct {
	hashes chain.Hashes
	count  int
}

// TreeOf makes the tree of segment lines in the order given.
func TreeOf(lines []protocol.SegmentLine) (*Tree, error) {
	t := &Tree{}
	for _, l := range lines {
		if err := t.hashes.Add(uint64(t.count), []byte(l.String())); err != nil {
			return nil, err
		}
		t.count++
	}
	return t, nil
}

// Root is the tree's root; that of no segments is the hash of nothing (RFC 6962 section 2.1).
func (t *Tree) Root() (protocol.Hash, error) { return chain.RootAt(uint64(t.count), t.hashes) }

// Path proves the segment at index, for [Segment].Path.
func (t *Tree) Path(index int) ([]protocol.Hash, error) {
	proof, err := chain.InclusionProof(uint64(index), uint64(t.count), t.hashes)
	if err != nil {
		return nil, err
	}
	path := make([]protocol.Hash, len(proof))
	for i, h := range proof {
		path[i] = protocol.Hash(h)
	}
	return path, nil
}

// rootOf computes the root of the minute's tree that a segment's path leads to.
func rootOf(s Segment) (protocol.Hash, error) {
	fail := func(what string) (protocol.Hash, error) {
		return protocol.Hash{}, fmt.Errorf("path of %d hashes for place %d of %d: %s", len(s.Path), s.Index, s.Count, what)
	}
	if s.Index < 0 || s.Index >= s.Count {
		return fail("no such place")
	}
	// RFC 9162 section 2.1.3.2, which computes the root; tlog.CheckRecord only compares with one.
	at, last := s.Index, s.Count-1
	hash := tlog.RecordHash([]byte(s.SegmentLine.String()))
	for _, h := range s.Path {
		if last == 0 {
			return fail("too long")
		}
		if at&1 == 1 || at == last {
			hash = tlog.NodeHash(tlog.Hash(h), hash)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			hash = tlog.NodeHash(hash, tlog.Hash(h))
		}
		at, last = at>>1, last>>1
	}
	if last != 0 {
		return fail("too short")
	}
	return protocol.Hash(hash), nil
}

func checkPath(s Segment) error {
	_, err := rootOf(s)
	return err
}

// InTimeOrder sorts one camera's segment lines as a hold's root has them: by start; those that start together by "stream/run/place".
func InTimeOrder(lines []protocol.SegmentLine) {
	key := func(l protocol.SegmentLine) string { return fmt.Sprintf("%s/%s/%06d", l.Stream, l.Run, l.N) }
	slices.SortFunc(lines, func(a, b protocol.SegmentLine) int {
		return cmp.Or(a.Start.Compare(b.Start.Time), strings.Compare(key(a), key(b)))
	})
}
