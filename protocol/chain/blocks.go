package chain

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// A log is verified by blocks of as many entries, on all processors: almost all of the work on an entry needs no other entry. Each goroutine cuts a block from the stream, which then is still in its processor's
// cache, checks it, and joins to the log what can be joined by then; it waits for no other block. A block is either found sound, by the same rules as one entry after the other, or is left to the reader of one
// entry after the other, which says what is wrong.
const (
	blockLevel   = 8
	blockEntries = 1 << blockLevel
)

// block is a number of whole entries as they stand in a stream. It belongs to the goroutine that cut it until it is checked, then to whoever has the source's lock.
type block struct {
	first uint64 // the seq its first entry must have
	text  []byte
	ends  [2 * blockEntries]int // of its lines in text, at the newline

	before chan string // what the block before it sends to named, once
	named  chan string // the key that the last entry so far names for an epoch; empty: none, or it is not known

	sound     bool          // all of it follows from the first entry's prev and time
	prev      protocol.Hash // of its first entry
	times     [blockEntries]int64
	sums      [blockEntries]protocol.Hash // of the header lines
	leaves    []tlog.Hash                 // of the tree; not the block's own, since whoever verifies keeps them
	nodes     [blockEntries - 1]tlog.Hash // of the tree above the leaves, level after level; the last is the root of all
	epochs    []int                       // places of the entries that begin or seal an epoch or resume the log, rising
	seals     []*openedSeal               // of those, where the key that was named before is the one that signed it; nil for all others
	gone      []int                       // places of the entries whose body is not there, or which say which bodies were destroyed, rising
	destroyed bool                        // there is one of the latter
	watched   []int                       // places of the entries that somebody wants to see

	ready bool // sound, checked and not joined; under the source's lock

	sha   [2]hash.Hash                                // for all hashes, in turn
	turn  int                                         // of the next
	sum   protocol.Hash                               // room for that of a body
	leaf  [1 + MaxHeader]byte                         // room for a header line behind a 0, as RFC 6962 section 2.1 hashes it
	pairs [blockEntries / 2][1 + 2*tlog.HashSize]byte // room for a level of the tree, two and two behind a 1
}

func newBlock() *block {
	b := &block{text: make([]byte, 0, textAtFirst), sha: [2]hash.Hash{sha256.New(), sha256.New()}}
	for i := range b.pairs {
		b.pairs[i][0] = 1
	}
	return b
}

// hash puts the SHA-256 of some bytes in the place of others. A processor begins with a hash while it ends the one before, but not if it must first read what it has only just written: so two hashers take turns,
// each is set back as soon as it is done, and what is to be hashed is laid out well ahead. It saves a tenth.
func (b *block) hash(of, to []byte) {
	sha := b.sha[b.turn]
	b.turn = 1 - b.turn
	sha.Write(of)
	sha.Sum(to[:0])
	sha.Reset()
}

func (b *block) line(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1] + 1
	}
	return b.text[from:b.ends[i]]
}

// entry is the entry at a place in the block.
func (b *block) entry(i int) Entry {
	e := Entry{Header: b.line(2 * i), Body: b.line(2*i + 1)}
	if string(e.Body) == gone {
		e.Body = nil
	}
	return e
}

// source is a stream that is cut into blocks.
type source struct {
	mu    sync.Mutex // guards what follows
	in    io.Reader
	over  []byte      // what was read and is in no block
	err   error       // why it reads no further
	ended bool        // it is cut no further
	first uint64      // of the next block
	named chan string // the next block's before
	ahead []*block    // cut and not joined, in order
	room  sync.Cond   // ahead has become shorter, or it has ended
	spare []*block    // joined, to be used again
}

// cut makes a block of the next entries; nil: there are not as many plain lines, or they need not be looked at.
func (s *source) cut() *block {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ahead) >= 4*runtime.GOMAXPROCS(0) && !s.ended {
		s.room.Wait()
	}
	if s.ended {
		return nil
	}
	var b *block
	if n := len(s.spare) - 1; n >= 0 { // the last one may still be in the cache
		b, s.spare = s.spare[n], s.spare[:n]
	} else {
		b = newBlock()
	}
	if !b.read(s) {
		s.over, s.ended = b.text, true
		return nil
	}
	b.first, b.before, b.named = s.first, s.named, make(chan string, 1)
	s.first, s.named = s.first+blockEntries, b.named
	s.ahead = append(s.ahead, b)
	return b
}

// checked takes back a block that was checked, and joins those whose turn has come. At one that cannot be joined it all ends.
func (s *source) checked(b *block, join func(*block) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.ready, s.ended = b.sound, s.ended || !b.sound
	for len(s.ahead) > 0 && s.ahead[0].ready {
		next := s.ahead[0]
		if next.ready = false; !join(next) {
			s.ended = true
			break
		}
		s.ahead, s.spare = s.ahead[1:], append(s.spare, next)
	}
	s.room.Broadcast()
}

const (
	readAtOnce  = 32 << 10
	textAtFirst = 256 << 10 // room that is enough for most blocks
)

// read takes the block's lines from a stream; false: text is as far as it read.
func (b *block) read(s *source) bool {
	b.text, s.over = append(b.text[:0], s.over...), nil
	from := 0
	for i := range b.ends {
		limit := MaxHeader
		if i%2 == 1 {
			limit = MaxBody
		}
		n := bytes.IndexByte(b.text[from:], '\n')
		for n < 0 && len(b.text)-from <= limit && s.err == nil {
			have := len(b.text)
			b.text = slices.Grow(b.text, readAtOnce)[:have+readAtOnce]
			n, s.err = s.in.Read(b.text[have:])
			b.text = b.text[:have+n]
			n = bytes.IndexByte(b.text[from:], '\n')
		}
		if n < 1 || n > limit {
			return false
		}
		b.ends[i] = from + n
		from += n + 1
	}
	b.text, s.over = b.text[:from], b.text[from:]
	return true
}

// check does all that needs no other block but, for the seals, the key that is named before it.
func (b *block) check(v Verifier, seen shapes) {
	b.leaves, b.epochs, b.gone, b.watched, b.destroyed = make([]tlog.Hash, blockEntries), b.epochs[:0], b.gone[:0], b.watched[:0], false
	for i := range blockEntries {
		if b.sound = b.checkEntry(i, v, seen); !b.sound {
			b.named <- ""
			return
		}
	}
	if n := len(b.epochs); n > 0 { // whoever has the block behind this one opens its seals by it
		b.named <- namedBy(b.entry(b.epochs[n-1]))
	}
	b.hashTree()
	var key string
	select {
	case key = <-b.before:
	default: // that block is not as far; the first seal of this one is opened when it is joined
	}
	if len(b.epochs) == 0 {
		b.named <- key
	}
	b.openSeals(key)
}

// hashTree makes the nodes, level after level.
func (b *block) hashTree() {
	below, above := b.leaves, b.nodes[:]
	for len(below) > 1 {
		pairs := b.pairs[:len(below)/2]
		for i := range pairs {
			copy(pairs[i][1:], below[2*i][:])
			copy(pairs[i][1+tlog.HashSize:], below[2*i+1][:])
		}
		for i := range pairs {
			b.hash(pairs[i][:], above[i][:])
		}
		below, above = above[:len(pairs)], above[len(pairs):]
	}
}

// openSeals checks who signed the block's seals, by the key that was named before it.
func (b *block) openSeals(key string) {
	b.seals = b.seals[:0]
	for _, i := range b.epochs {
		e := b.entry(i)
		running := Epochs{Key: key}
		seal, err := running.open(logOf(key), e.Body)
		if err == nil {
			key = seal.Next
		} else { // it begins an epoch, resumes the log or is wrong
			key = namedBy(e)
		}
		b.seals = append(b.seals, seal)
	}
}

func (b *block) checkEntry(i int, v Verifier, seen shapes) bool {
	e := b.entry(i)
	leaf := b.leaf[:1+copy(b.leaf[1:], e.Header)] // early: see hash
	s, ok := scanHeader(e.Header)
	if !ok || s.seq != b.first+uint64(i) || i > 0 && (s.prev != b.sums[i-1] || s.at < b.times[i-1]) {
		return false
	}
	b.hash(e.Header, b.sums[i][:])
	b.hash(leaf, b.leaves[i][:])
	if e.Body == nil {
		h := s.header()
		if _, ok := protocol.BodiesDue(h.Kind, protocol.MonthOf(h.Time)); !ok {
			return false
		}
		b.gone = append(b.gone, i)
	} else if b.hash(e.Body, b.sum[:]); b.sum != s.body || !seen.sound(s.kind, e.Body) {
		return false
	}
	if i == 0 {
		b.prev = s.prev
	}
	b.times[i] = s.at
	switch string(s.kind) {
	case protocol.KindEpochBegun, protocol.KindEpochSealed, protocol.KindResumed:
		b.epochs = append(b.epochs, i)
	}
	if string(s.kind) == protocol.KindBodiesDestroyed && e.Body != nil {
		b.gone, b.destroyed = append(b.gone, i), true
	}
	if v.watches(s.kind) {
		b.watched = append(b.watched, i)
	}
	return true
}

// follows says whether a sound block comes next after a head.
func (b *block) follows(h Head) bool {
	return b.sound && b.first == h.Size && b.prev == h.Last && (b.first == 0 || b.times[0] >= h.Time.UnixMilli())
}

// after is the head h with the first n entries of the block that follows it.
func (b *block) after(h Head, n int) Head {
	if n == 0 {
		return h
	}
	out := Head{Size: h.Size + uint64(n), Last: b.sums[n-1], Time: protocol.Time{Time: time.UnixMilli(b.times[n-1]).UTC()}}
	if n == blockEntries {
		out.Peaks = h.grown(b.nodes[blockEntries-2], blockLevel)
		return out
	}
	out.Peaks = slices.Clone(h.Peaks)
	at := 0 // the next entry that is under no peak
	for level := blockLevel - 1; level >= 0; level-- {
		if n>>level&1 == 0 {
			continue
		}
		peak := b.leaves[at]
		if level > 0 {
			peak = b.nodes[blockEntries-blockEntries>>(level-1)+at>>level] // the levels below have 256 - 256/2^(level-1) nodes
		}
		out.Peaks = append(out.Peaks, protocol.Hash(peak))
		at += 1 << level
	}
	return out
}

// inBlocks verifies a log as far as whole blocks of it are sound, and returns the rest of it.
func (d *Verdict) inBlocks(r io.Reader, v Verifier, tree *leaves) io.Reader {
	s := source{in: r, named: make(chan string, 1)}
	s.room.L = &s.mu
	s.named <- ""
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			seen := shapes{}
			for b := s.cut(); b != nil; b = s.cut() {
				b.check(v, seen)
				s.checked(b, func(b *block) bool { return d.join(b, v, tree) })
			}
		})
	}
	all.Wait()
	var rest []io.Reader
	for _, b := range s.ahead {
		rest = append(rest, bytes.NewReader(b.text))
	}
	rest = append(rest, bytes.NewReader(s.over))
	if s.err != nil {
		return io.MultiReader(append(rest, failing{s.err})...)
	}
	return io.MultiReader(append(rest, s.in)...)
}

// join takes a sound block that follows, or leaves everything as it was.
func (d *Verdict) join(b *block, v Verifier, tree *leaves) bool {
	if !b.follows(d.Head) {
		return false
	}
	next := *d
	if b.destroyed { // only what such an entry says can be wrong
		next.gone = d.gone.clone()
	}
	if !next.takeEpochs(b, d.Head, v.Origin) || !next.takeGone(b) {
		return false
	}
	for _, i := range b.watched {
		v.Each(b.after(d.Head, i), b.entry(i))
	}
	next.Head = b.after(d.Head, blockEntries)
	*d = next
	tree.addBlock(b)
	if v.Progress != nil && d.Head.Size%progressEach == 0 {
		v.Progress(d.Head.Size)
	}
	return true
}

// takeEpochs holds a block behind a head against the seals. Since times do not fall, of the entries between two that begin or seal an epoch the last is the one that could be too late.
func (d *Verdict) takeEpochs(b *block, before Head, origin string) bool {
	take := func(i int, seal *openedSeal) bool {
		e := b.entry(i)
		h, err := ParseHeader(e.Header)
		d.Head = b.after(before, i)
		return err == nil && d.epoch(origin, h, e.Body, seal) == nil
	}
	behind := 0
	for n, i := range b.epochs {
		if i > behind && !take(i-1, nil) || !take(i, b.seals[n]) {
			return false
		}
		behind = i + 1
	}
	return behind == blockEntries || take(blockEntries-1, nil)
}

// takeGone takes in which bodies of a block are not there, and which it says were destroyed.
func (d *Verdict) takeGone(b *block) bool {
	for _, i := range b.gone {
		e := b.entry(i)
		h, err := ParseHeader(e.Header)
		if err == nil && e.Body == nil {
			d.Destroyed++
			err = d.gone.missing(h, e.Header)
		} else if err == nil {
			err = d.gone.destroyed(h, e.Body)
		}
		if err != nil {
			return false
		}
	}
	return true
}

// failing is a reader that has failed.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// leaves are those of a log's tree, from which its root at any size can be had, and the times of its entries, in milliseconds since 1970.
type leaves struct {
	blocks    []leafBlock
	tail      []tlog.Hash // behind the last block
	tailTimes []int64
}

type leafBlock struct {
	root   tlog.Hash
	leaves []tlog.Hash
	times  []int64
}

func (l *leaves) addBlock(b *block) {
	l.blocks = append(l.blocks, leafBlock{b.nodes[blockEntries-2], b.leaves, slices.Clone(b.times[:])})
}

func (l *leaves) timeOf(seq uint64) protocol.Time {
	times, at := l.tailTimes, seq-uint64(len(l.blocks))*blockEntries
	if i := seq / blockEntries; i < uint64(len(l.blocks)) {
		times, at = l.blocks[i].times, seq%blockEntries
	}
	return protocol.Time{Time: time.UnixMilli(times[at]).UTC()}
}

// rootAt is the root the log had at a size that it reached.
func (l *leaves) rootAt(size uint64) protocol.Hash {
	var h Head
	whole := min(size/blockEntries, uint64(len(l.blocks)))
	for _, b := range l.blocks[:whole] {
		h.Peaks = h.grown(b.root, blockLevel)
		h.Size += blockEntries
	}
	more := l.tail
	if whole < uint64(len(l.blocks)) {
		more = l.blocks[whole].leaves
	}
	for _, leaf := range more[:size-h.Size] {
		h.Peaks = h.grown(leaf, 0)
		h.Size++
	}
	return h.Root()
}
