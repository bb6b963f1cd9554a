package chain

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Head is the tip of a growing log: enough to make and to check the next entry and to compute the root, whatever the log's length. The zero
// Head is that of an empty log. A copy of a Head is independent of it. It may be stored as JSON.
type Head struct {
	Size uint64        `json:"size"` // entries so far; the next entry's seq
	Last protocol.Hash `json:"last"` // of the last header line; the next entry's prev
	Time protocol.Time `json:"time"` // of the last entry

	// Peaks are the roots of the complete subtrees that make up the tree, largest first: one for each bit set in Size (RFC 6962 section 2.1).
	Peaks []protocol.Hash `json:"peaks"`
}

// Add checks that e is the entry that comes next — seq, prev, time, and a body that hashes to what the header says — and advances. It
// refuses an entry without its body: use [Head.AddHeader] where bodies may have been destroyed. On error the Head is as it was.
func (h *Head) Add(e Entry) error {
	header, err := h.next(e.Header)
	if err != nil {
		return err
	}
	if err := header.CheckBody(e.Body); err != nil {
		return fmt.Errorf("entry %d: %w", header.Seq, err)
	}
	h.push(header, e.Header, h.Hashes(e.Header))
	return nil
}

// AddHeader is [Head.Add] for an entry whose body is not at hand.
func (h *Head) AddHeader(line []byte) error {
	header, err := h.next(line)
	if err != nil {
		return err
	}
	h.push(header, line, h.Hashes(line))
	return nil
}

// Push is [Head.AddHeader] for who has parsed the header line already, which takes most of the time and can be done ahead, in any order. It returns the tree's stored hashes.
func (h *Head) Push(header Header, line []byte) ([]tlog.Hash, error) {
	if err := h.follows(header); err != nil {
		return nil, err
	}
	hashes := h.Hashes(line)
	h.push(header, line, hashes)
	return hashes, nil
}

// Hashes are the tree's stored hashes of the header line that comes next, as [StoredHashes] gives them but from the Head alone: the leaf, then
// the root of each subtree that it completes.
func (h Head) Hashes(line []byte) []tlog.Hash {
	return h.completed(tlog.RecordHash(line), 0)
}

// completed are the roots of the subtrees that one of 2^level entries completes where it comes next, itself the first. Size is a multiple of 2^level.
func (h Head) completed(root tlog.Hash, level int) []tlog.Hash {
	hashes := []tlog.Hash{root}
	for n, i := h.Size>>level, len(h.Peaks)-1; n&1 == 1; n, i = n>>1, i-1 {
		hashes = append(hashes, tlog.NodeHash(tlog.Hash(h.Peaks[i]), hashes[len(hashes)-1]))
	}
	return hashes
}

// grown are the peaks with such a subtree.
func (h Head) grown(root tlog.Hash, level int) []protocol.Hash {
	return h.peaks(h.completed(root, level))
}

// peaks are the peaks with what was completed, and without what that swallows.
func (h Head) peaks(completed []tlog.Hash) []protocol.Hash {
	swallowed := len(completed) - 1
	return append(slices.Clone(h.Peaks[:len(h.Peaks)-swallowed]), protocol.Hash(completed[swallowed])) // so that a copy of this Head keeps its own
}

// Root is the RFC 6962 root of the log so far.
func (h Head) Root() protocol.Hash {
	if len(h.Peaks) == 0 {
		return protocol.HashOf(nil) // RFC 6962 section 2.1: the hash of an empty tree
	}
	root := tlog.Hash(h.Peaks[len(h.Peaks)-1])
	for i := len(h.Peaks) - 2; i >= 0; i-- {
		root = tlog.NodeHash(tlog.Hash(h.Peaks[i]), root)
	}
	return protocol.Hash(root)
}

// Valid refuses a Head, read back from storage, that cannot be one.
func (h Head) Valid() error {
	if h.Size > MaxInteger || bits.OnesCount64(h.Size) != len(h.Peaks) {
		return fmt.Errorf("head of size %d with %d peaks: damaged; rebuild it from the log", h.Size, len(h.Peaks))
	}
	return nil
}

func (h *Head) next(line []byte) (Header, error) {
	header, err := ParseHeader(line)
	if err != nil {
		return header, fmt.Errorf("entry %d: %w", h.Size, err)
	}
	return header, h.follows(header)
}

func (h *Head) follows(header Header) error {
	if header.Seq != h.Size {
		return fmt.Errorf("entry %d: found seq %d in its place", h.Size, header.Seq)
	}
	if header.Prev != h.Last {
		return fmt.Errorf("entry %d: prev is %s, but the header before it hashes to %s", h.Size, header.Prev, h.Last)
	}
	if header.Time.Before(h.Time.Time) {
		return fmt.Errorf("entry %d: time %s is before the previous entry's %s", h.Size, header.Time, h.Time)
	}
	return nil
}

func (h *Head) push(header Header, line []byte, hashes []tlog.Hash) {
	h.Peaks = h.peaks(hashes)
	h.Size++
	h.Last = protocol.HashOf(line)
	h.Time = header.Time
}

// CheckBody says what keeps a line from being this header's body: its hash, then its form.
func (h Header) CheckBody(line []byte) error {
	if line == nil {
		return errors.New("has no body")
	}
	if got := protocol.HashOf(line); got != h.Body {
		if _, err := ParseHeader(line); err == nil {
			return errors.New("its body is missing: the next header stands in its place")
		}
		return fmt.Errorf("the body hashes to %s, its header says %s", got, h.Body)
	}
	return CheckBody(line)
}
