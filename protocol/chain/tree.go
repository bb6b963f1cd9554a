package chain

import (
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// HashReader reads a tree's stored hashes by index; see [StoredHashes].
type HashReader = tlog.HashReader

// StoredHashes returns the hashes to store for a header line that becomes entry seq. They belong, in order, at [HashCount](seq) and
// on. At most 1 + log₂ seq, on average just under two.
func StoredHashes(seq uint64, header []byte, r HashReader) ([]tlog.Hash, error) {
	hashes, err := tlog.StoredHashes(int64(seq), header, r)
	if err != nil {
		return nil, fmt.Errorf("stored hashes of entry %d: %w", seq, err)
	}
	return hashes, nil
}

// HashCount is how many stored hashes a log of this size has.
func HashCount(size uint64) int64 { return tlog.StoredHashCount(int64(size)) }

// Hashes keeps a tree's stored hashes in memory: 64 bytes an entry.
type Hashes []tlog.Hash

// ReadHashes makes Hashes a [HashReader].
func (s Hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(s)) {
			return nil, fmt.Errorf("stored hash %d: only %d are kept", x, len(s))
		}
		out[i] = s[x]
	}
	return out, nil
}

// Add stores the hashes of the next header line, which is entry seq.
func (s *Hashes) Add(seq uint64, header []byte) error {
	more, err := StoredHashes(seq, header, *s)
	if err != nil {
		return err
	}
	*s = append(*s, more...)
	return nil
}

// HashesIn reads stored hashes from a file of them, 32 bytes each.
func HashesIn(r io.ReaderAt) HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			if n, err := r.ReadAt(out[i][:], x*tlog.HashSize); n < tlog.HashSize {
				return nil, fmt.Errorf("stored hash %d: %w", x, err)
			}
		}
		return out, nil
	})
}

// RootAt is the root the log had at a size.
func RootAt(size uint64, r HashReader) (protocol.Hash, error) {
	if size == 0 {
		return protocol.HashOf(nil), nil
	}
	root, err := tlog.TreeHash(int64(size), r)
	if err != nil {
		return protocol.Hash{}, fmt.Errorf("root at size %d: %w", size, err)
	}
	return protocol.Hash(root), nil
}

// InclusionProof proves that entry seq is in the tree of a size (RFC 6962 section 2.1.1).
func InclusionProof(seq, size uint64, r HashReader) (tlog.RecordProof, error) {
	if seq >= size || size > MaxInteger {
		return nil, fmt.Errorf("inclusion proof: entry %d is not in a tree of size %d", seq, size)
	}
	p, err := tlog.ProveRecord(int64(size), int64(seq), r)
	if err != nil {
		return nil, fmt.Errorf("inclusion proof of entry %d at size %d: %w", seq, size, err)
	}
	return p, nil
}

// CheckInclusion checks an inclusion proof for a header line.
func CheckInclusion(p tlog.RecordProof, size uint64, root protocol.Hash, seq uint64, header []byte) error {
	if seq >= size || size > MaxInteger {
		return fmt.Errorf("inclusion proof: entry %d is not in a tree of size %d", seq, size)
	}
	if err := tlog.CheckRecord(p, int64(size), tlog.Hash(root), int64(seq), tlog.RecordHash(header)); err != nil {
		return fmt.Errorf("inclusion proof of entry %d at size %d: %w", seq, size, err)
	}
	return nil
}

// ConsistencyProof proves that the tree of size old is the start of the tree of a size (RFC 6962 section 2.1.2). It is empty for old 0.
func ConsistencyProof(old, size uint64, r HashReader) (tlog.TreeProof, error) {
	if old > size || size > MaxInteger {
		return nil, fmt.Errorf("consistency proof: size %d is not the start of size %d", old, size)
	}
	if old == 0 {
		return nil, nil
	}
	p, err := tlog.ProveTree(int64(size), int64(old), r)
	if err != nil {
		return nil, fmt.Errorf("consistency proof from %d to %d: %w", old, size, err)
	}
	return p, nil
}

// CheckConsistency checks a consistency proof.
func CheckConsistency(p tlog.TreeProof, old uint64, oldRoot protocol.Hash, size uint64, root protocol.Hash) error {
	if old > size || size > MaxInteger {
		return fmt.Errorf("consistency proof: size %d is not the start of size %d", old, size)
	}
	if old == 0 {
		if len(p) != 0 || oldRoot != protocol.HashOf(nil) || (size == 0 && root != oldRoot) {
			return fmt.Errorf("consistency proof from 0 to %d: wrong root, or a proof where none is needed", size)
		}
		return nil
	}
	if err := tlog.CheckTree(p, int64(size), tlog.Hash(root), int64(old), tlog.Hash(oldRoot)); err != nil {
		return fmt.Errorf("consistency proof from %d to %d: %w", old, size, err)
	}
	return nil
}
