package witness

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// A log that was put back goes on as its own successor, when the privacy officer orders so: see the package comment.

// Errors that Receive returns of a log that is not the present one.
var (
	ErrNotOrdered = errors.New("no order of the privacy officer lets the recorder go on under this name")
	ErrEnded      = errors.New("this log has ended: a successor of it goes on")
)

// next is the successor that an order lets a log have. Until an entry of it differs, what came in of it is the beginning of the log that is here already.
type next struct {
	Log        uint64        `json:"log"`
	Size       uint64        `json:"size,omitzero"` // cosigned under its name
	Cosigned   []byte        `json:"cosigned,omitempty"`
	CosignedAt protocol.Time `json:"cosignedAt,omitzero"`
}

var (
	former = []byte("former") // a log's number → a bucket of what only that log has
	asRow  = []byte("row")    // in it: the aside
)

// aside says how a log stood when its successor took over.
type aside struct {
	From       uint64        `json:"from"` // the first entry that its successor does not have
	Size       uint64        `json:"size"`
	Checkpoint []byte        `json:"checkpoint"`
	Cosigned   []byte        `json:"cosigned"`
	Covered    uint64        `json:"covered"` // by Cosigned
	At         protocol.Time `json:"at"`      // when that was seen here
}

// number is that of the present log.
func (r row) number() uint64 { return max(r.Log, 1) }

// later is zero for the first log, so that what was written before there were successors keeps its meaning.
func laterLog(number uint64) uint64 {
	if number < 2 {
		return 0
	}
	return number
}

// stored is one of a recorder's logs as it is here, within a transaction.
type stored struct {
	number     uint64
	size       uint64
	checkpoint []byte
	cosigned   []byte
	covered    uint64 // by cosigned
	parts      []part // where its entries are: each in the first part that begins at or before it
	before     []part // of the logs before it, oldest first
}

type part struct {
	log    uint64
	from   uint64
	bucket *bbolt.Bucket
}

// present is the log that goes on.
func present(log *bbolt.Bucket, r row) stored {
	return stored{number: r.number(), size: r.Head.Size, checkpoint: r.Checkpoint, cosigned: r.Cosigned, covered: r.Size, parts: []part{{r.number(), 0, log}}}
}

// logOf is a recorder's log of a number; 0 is the first.
func logOf(log *bbolt.Bucket, r row, number uint64) (l stored, err error) {
	number = max(number, 1)
	l = present(log, r)
	err = eachAside(log, func(n uint64, b *bbolt.Bucket, a aside) error {
		p := part{n, a.From, b}
		switch {
		case n < number:
			l.before = append(l.before, p)
		case n == number:
			l.number, l.size, l.checkpoint, l.cosigned, l.covered = n, a.Size, a.Checkpoint, a.Cosigned, a.Covered
			if len(l.cosigned) == 0 {
				l.cosigned = nil
			}
			fallthrough
		default:
			l.parts = slices.Insert(l.parts, len(l.parts)-1, p)
		}
		return nil
	})
	if err == nil && l.number != number {
		err = fmt.Errorf("there is no log %d here", number)
	}
	return l, err
}

func eachAside(log *bbolt.Bucket, do func(number uint64, b *bbolt.Bucket, a aside) error) error {
	all := log.Bucket(former)
	if all == nil {
		return nil
	}
	return all.ForEachBucket(func(k []byte) error {
		b := all.Bucket(k)
		var a aside
		if err := json.Unmarshal(b.Get(asRow), &a, json.RejectUnknownMembers(true)); err != nil {
			return fmt.Errorf("log %d: %w", number(k), err)
		}
		return do(number(k), b, a)
	})
}

// at is where an entry lies.
func (l stored) at(seq uint64) *bbolt.Bucket {
	i := slices.IndexFunc(l.parts, func(p part) bool { return seq >= p.from })
	return l.parts[i].bucket // the last begins at 0
}

func (l stored) entry(seq uint64) (e chain.Entry, ok bool) {
	if seq >= l.size {
		return e, false
	}
	b := l.at(seq)
	header := b.Bucket(headers).Get(key(seq))
	if header == nil {
		return e, false
	}
	return readEntry(b, key(seq), header), true
}

// first is the number of the log in which an entry stood first: as a fact it is that one's. Mostly its successors have it from there; one that goes on from a copy of what lies aside has it again.
func (l stored) first(seq uint64) uint64 {
	number, older := l.number, l.before
	if i, is := l.twin(seq); is {
		number, older = l.before[i].log, l.before[:i]
	}
	for _, p := range slices.Backward(older) {
		if seq >= p.from {
			break
		}
		number = p.log
	}
	return laterLog(number)
}

// twin is where in before an entry of this log lies as well.
func (l stored) twin(seq uint64) (i int, is bool) {
	header := l.at(seq).Bucket(headers).Get(key(seq))
	i = slices.IndexFunc(l.before, func(p part) bool { return p.has(seq, header) })
	return i, i >= 0
}

// has says whether this entry is in a part. A header names the one before it, so two entries that are the same have all before them in common.
func (p part) has(seq uint64, header []byte) bool {
	return header != nil && bytes.Equal(p.bucket.Bucket(headers).Get(key(seq)), header)
}

// First is the number of the log in which an entry of a recorder's log of this number stood first; 0 is the first.
func (w *Witness) First(id protocol.RecorderID, log, seq uint64) (number uint64, err error) {
	err = w.inLog(id, log, func(l stored) error {
		if seq >= l.size {
			return fmt.Errorf("witness: recorder %s: log %d has no entry %d", id, l.number, seq)
		}
		number = l.first(seq)
		return nil
	})
	return number, err
}

func (l stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		p := l.parts[slices.IndexFunc(l.parts, func(p part) bool { return x >= chain.HashCount(p.from) })]
		h := p.bucket.Bucket(hashes).Get(key(uint64(x)))
		if len(h) != tlog.HashSize || x >= chain.HashCount(l.size) {
			return nil, fmt.Errorf("stored hash %d is missing", x)
		}
		out[i] = tlog.Hash(h)
	}
	return out, nil
}

// Resume lets a recorder's log go on as its successor of this number: the privacy officer ordered so. Again, or for a log that is or has been, it does nothing.
func (w *Witness) Resume(id protocol.RecorderID, log uint64) error {
	var r row
	known := func(tx *bbolt.Tx) (is bool, err error) {
		r, err = readRow(tx, id)
		return log <= r.number() || r.Next != nil && log <= r.Next.Log, err
	}
	var is bool
	err := w.db.View(func(tx *bbolt.Tx) (err error) { is, err = known(tx); return err })
	if err == nil && !is {
		err = w.db.Update(func(tx *bbolt.Tx) error {
			if is, err := known(tx); is || err != nil {
				return err
			}
			r.Next = &next{Log: log}
			return r.put(tx, id)
		})
	}
	if err != nil {
		return fmt.Errorf("witness: recorder %s: resume: %w", id, err)
	}
	return nil
}

// ended answers a batch of a log that is over: with the newest checkpoint of it that was cosigned, so that a recorder that was put back to before its resumption finds out.
func (w *Witness) ended(id protocol.RecorderID, known row, b batch) (cosigned []byte, err error) {
	err = w.db.View(func(tx *bbolt.Tx) error {
		l, err := logOf(tx.Bucket(logs).Bucket([]byte(id)), known, b.log)
		cosigned = l.cosigned
		return err
	})
	return bytes.Clone(cosigned), cmp.Or(err, fmt.Errorf("%w: log %d, here is log %d", ErrEnded, b.log, known.number()))
}

// turn is where a successor leaves the log before it.
type turn struct {
	from   uint64
	head   chain.Head
	epochs chain.Epochs
}

// succeed judges a batch of a successor that was ordered, changing nothing. Nothing and no error: all of it is here already, as the beginning of the present log.
func (w *Witness) succeed(id protocol.RecorderID, known row, b batch) (t *turn, fresh []chain.Entry, finding *Finding, err error) {
	if known.Next == nil || known.Next.Log != b.log {
		return nil, nil, nil, fmt.Errorf("%w: log %d, here is log %d", ErrNotOrdered, b.log, known.number())
	}
	size, c := known.Head.Size, b.checkpoint
	if len(b.entries) > 0 && b.first > size {
		return nil, nil, nil, fmt.Errorf("%w: it begins at entry %d, %d are known", ErrGap, b.first, size)
	}
	differs := false
	from := b.first // the first entry of the batch that is not here
	err = w.db.View(func(tx *bbolt.Tx) error {
		log := tx.Bucket(logs).Bucket([]byte(id))
		for _, e := range b.entries {
			if differs = from == size || !bytes.Equal(log.Bucket(headers).Get(key(from)), e.Header); differs {
				return nil
			}
			from++
		}
		if c.Size > max(from, size) {
			return fmt.Errorf("%w: the batch ends with entry %d", ErrGap, from)
		}
		ours, err := chain.RootAt(c.Size, present(log, known))
		if err == nil && ours != c.Root {
			err = fmt.Errorf("%w: it differs from the log before it below entry %d, and not by an entry of this batch", ErrGap, c.Size)
		}
		return err
	})
	if err != nil || !differs {
		return nil, nil, nil, err
	}
	known.Checkpoint = known.Next.Cosigned
	if from < known.Next.Size {
		err := fmt.Errorf("entry %d differs, and %d were cosigned under this name", from, known.Next.Size)
		return nil, nil, b.unfit(known, err.Error()), fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	t = &turn{from: from}
	if t.head, t.epochs, err = w.rewind(id, known, from); err != nil {
		return nil, nil, nil, err
	}
	known.Head, known.Epochs = t.head, t.epochs
	b.entries, b.first = b.entries[from-b.first:], from
	err = w.db.View(func(tx *bbolt.Tx) error {
		fresh, finding, err = b.judge(known, w.now(), tx.Bucket(logs).Bucket([]byte(id)))
		return err
	})
	return t, fresh, finding, err
}

// atATime is how many entries are read in one transaction: see LogFile.
const atATime = 2000

// rewind is how a recorder's log stood when it had this many entries.
func (w *Witness) rewind(id protocol.RecorderID, known row, size uint64) (head chain.Head, epochs chain.Epochs, err error) {
	for head.Size < size && err == nil {
		err = w.db.View(func(tx *bbolt.Tx) error {
			log := tx.Bucket(logs).Bucket([]byte(id))
			r, err := readRow(tx, id)
			if err == nil && r.number() != known.number() {
				err = errMoved
			}
			for n := 0; n < atATime && head.Size < size && err == nil; n++ {
				line := log.Bucket(headers).Get(key(head.Size))
				if line == nil {
					return fmt.Errorf("entry %d is missing from the store", head.Size)
				}
				var h chain.Header
				if h, err = chain.ParseHeader(line); err != nil {
					break
				}
				var body []byte
				if h.Kind == protocol.KindEpochBegun || h.Kind == protocol.KindEpochSealed || h.Kind == protocol.KindResumed {
					body = bodyOf(log, head.Size)
				}
				_ = epochs.Next(known.Origin, head, h, body) // a finding of its time
				_, err = head.Push(h, line)
			}
			return err
		})
	}
	return head, epochs, err
}

// begun cosigns the beginning of a successor that is the beginning of the log before it as well.
func (w *Witness) begun(id protocol.RecorderID, known row, b batch) (cosigned []byte, err error) {
	err = w.db.Update(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		if r.Next == nil || r.Next.Log != b.log || r.Head.Size != known.Head.Size || r.Head.Last != known.Head.Last {
			return errMoved
		}
		now := later(protocol.T(w.now()), r.Next.CosignedAt)
		r.Heard = now
		if b.checkpoint.Size >= r.Next.Size {
			if r.Next.Cosigned, err = chain.Cosign(b.note, w.key, now.Time); err != nil {
				return err
			}
			r.Next.Size, r.Next.CosignedAt = b.checkpoint.Size, now
		}
		cosigned = r.Next.Cosigned
		return r.put(tx, id)
	})
	if err == nil {
		w.wake()
	}
	return cosigned, err
}

// take makes a successor the present log, within the transaction that stores its first entry of its own: what only the log before it has moves aside, whole.
func (t *turn) take(log *bbolt.Bucket, r *row, now protocol.Time) error {
	all, err := log.CreateBucketIfNotExists(former)
	if err != nil {
		return err
	}
	old, err := all.CreateBucket(key(r.number()))
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name []byte
		from uint64
	}{{headers, t.from}, {bodies, t.from}, {accesses, t.from}, {hashes, uint64(chain.HashCount(t.from))}} {
		if err := move(log.Bucket(m.name), old, m.name, m.from); err != nil {
			return err
		}
	}
	if err := put(old, asRow, aside{t.from, r.Head.Size, r.Checkpoint, r.Cosigned, r.Size, now}); err != nil {
		return err
	}
	if log.Bucket(destroyed) != nil { // what is put back may have bodies of months that were gone through
		if err := log.DeleteBucket(destroyed); err != nil {
			return err
		}
	}
	if err := t.forget(log, r); err != nil {
		return err
	}
	r.Log, r.Head, r.Epochs, r.Checkpoint = r.Next.Log, t.head, t.epochs, nil
	r.Size, r.Cosigned, r.CosignedAt, r.Next = r.Next.Size, r.Next.Cosigned, r.Next.CosignedAt, nil
	return nil
}

// move moves the keys from a number on to a bucket of the same name in another.
func move(b, to *bbolt.Bucket, name []byte, from uint64) error {
	out, err := to.CreateBucket(name)
	if err != nil {
		return err
	}
	var keys [][]byte
	c := b.Cursor()
	for k, v := c.Seek(key(from)); k != nil; k, v = c.Next() {
		k := bytes.Clone(k)
		if err := out.Put(k, bytes.Clone(v)); err != nil {
			return err
		}
		keys = append(keys, k)
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// forget takes the numbers of entries that move aside out of what goes on: what was sealed, deleted, ordered and held there was so, but the successor has no such entry. Number 0 is
// that of no such entry.
func (t *turn) forget(log *bbolt.Bucket, r *row) error {
	r.Watch.Expired = slices.DeleteFunc(r.Watch.Expired, func(seq uint64) bool { return seq >= t.from })
	gone0 := func(seqs ...*uint64) (changed bool) {
		for _, seq := range seqs {
			if *seq >= t.from {
				*seq, changed = 0, true
			}
		}
		return changed
	}
	return errors.Join(
		each(log.Bucket(cameras), func(f *footage) bool { return gone0(&f.Seq, &f.Suspect) }),
		each(log.Bucket(deleted), func(g *gone) bool { return gone0(&g.Seq) }),
		each(log.Bucket(windows), func(list *[]window) (changed bool) {
			for i := range *list {
				changed = gone0(&(*list)[i].Seq) || changed
			}
			return changed
		}),
		each(log.Bucket(hours), func(list *[]tally) (changed bool) {
			for i := range *list {
				changed = gone0(&(*list)[i].From) || changed
			}
			return changed
		}))
}

// each changes the values of a bucket.
func each[V any](b *bbolt.Bucket, change func(*V) bool) error {
	if b == nil {
		return nil
	}
	edited := map[string]V{}
	err := b.ForEach(func(k, raw []byte) error {
		var v V
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		if change(&v) {
			edited[string(k)] = v
		}
		return nil
	})
	for k, v := range edited {
		if err == nil {
			err = put(b, []byte(k), v)
		}
	}
	return err
}

// aside says whether an entry lies aside as well: the log goes on from a copy of what a former one had.
func (x *watcher) aside(seq uint64, header []byte) (is bool, err error) {
	err = eachAside(x.log, func(n uint64, b *bbolt.Bucket, a aside) error {
		is = is || (part{n, a.From, b}).has(seq, header)
		return nil
	})
	return is, err
}

// counted says of a minute of a camera that is sealed again whether its first sealing is in the tallies: it stands in a part that lies aside. Where it never came in it is counted now.
func (x *watcher) counted(c protocol.SealedCamera) (bool, error) {
	if x.sealedAside == nil {
		x.sealedAside = map[sealedMinute]bool{}
		err := eachAside(x.log, func(_ uint64, b *bbolt.Bucket, _ aside) error {
			return b.Bucket(headers).ForEach(func(k, line []byte) error {
				h, err := chain.ParseHeader(line)
				if err != nil || h.Kind != protocol.KindSealed {
					return err
				}
				var s protocol.Sealed
				if e := readEntry(b, k, line); e.Body == nil || chain.ParseBody(e.Body, &s) != nil {
					return nil
				}
				for _, c := range s.Cameras {
					x.sealedAside[sealedMinute{c.Camera, c.First.UnixMilli()}] = true
				}
				return nil
			})
		})
		if err != nil {
			return false, err
		}
	}
	return x.sealedAside[sealedMinute{c.Camera, c.First.UnixMilli()}], nil
}

type sealedMinute struct {
	camera protocol.CameraID
	first  int64
}

// renew cosigns what a successor took the place of once more, as of now: without a cosignature of after their terms nobody could tell bodies that went in time from bodies that are missing.
func (w *Witness) renew(log *bbolt.Bucket) error {
	over := map[uint64]aside{}
	err := eachAside(log, func(n uint64, _ *bbolt.Bucket, a aside) error {
		over[n] = a
		return nil
	})
	for n, a := range over {
		if err != nil {
			break
		}
		if len(a.Cosigned) == 0 {
			continue
		}
		if a.Cosigned, err = chain.Cosign(a.Cosigned, w.key, w.now()); err == nil {
			err = put(log.Bucket(former).Bucket(key(n)), asRow, a)
		}
	}
	return err
}

// Former is a log that a successor took the place of.
type Former struct {
	Log     uint64 // its number
	Origin  string
	From    uint64 // the first entry that its successor does not have
	Size    uint64
	Covered uint64        // by its last cosigned checkpoint
	Root    protocol.Hash // of that
	At      protocol.Time // when its successor came in here
}

func formerOf(log *bbolt.Bucket, r row) (list []Former, err error) {
	err = eachAside(log, func(n uint64, _ *bbolt.Bucket, a aside) error {
		f := Former{Log: n, Origin: protocol.LogOrigin(r.Origin, n), From: a.From, Size: a.Size, Covered: a.Covered, At: a.At}
		if len(a.Cosigned) > 0 {
			c, err := chain.UnverifiedCheckpoint(a.Cosigned) // our own store
			if err != nil {
				return fmt.Errorf("log %d: %w", n, err)
			}
			f.Root = c.Root
		}
		list = append(list, f)
		return nil
	})
	return list, err
}

// FormerFile is [Witness.LogFile] of a log of the recorder by its number, also of one that a successor took the place of. Where so many entries are enough it ends with the checkpoint of at least those
// that most witnesses cosigned: what came in since is left to the next export, for it would only show that not all have seen it yet. 0: all that is stored.
func (w *Witness) FormerFile(id protocol.RecorderID, log, enough uint64, out io.Writer) error {
	var l stored
	var ends [][]byte
	w.witnessing.Lock()
	others := slices.Clone(w.witnessed[id])
	w.witnessing.Unlock()
	err := w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err == nil {
			l, err = logOf(tx.Bucket(logs).Bucket([]byte(id)), r, log)
		}
		if err == nil {
			others, err = witnessedOf(tx, id, others)
		}
		if err == nil {
			ends, err = l.ends(protocol.LogOrigin(r.Origin, l.number), others)
		}
		l = stored{number: l.number, size: l.size}
		return err
	})
	if err == nil && enough > 0 {
		var end uint64
		ends, end, err = chain.EndAt(ends, enough)
		l.size = cmp.Or(end, l.size)
	}
	if err != nil {
		return fmt.Errorf("witness: recorder %s: %w", id, err)
	}
	for from := uint64(0); from < l.size && err == nil; {
		var entries []chain.Entry
		if entries, err = w.EntriesOf(id, l.number, from, int(min(100, l.size-from))); err != nil {
			break
		}
		if len(entries) == 0 {
			return fmt.Errorf("witness: recorder %s: entry %d of log %d is missing from the store", id, from, l.number)
		}
		for _, e := range entries {
			if err := chain.WriteEntry(out, e); err != nil {
				return err
			}
		}
		from += uint64(len(entries))
	}
	for _, signed := range ends {
		if err == nil {
			err = chain.WriteCheckpoint(out, signed)
		}
	}
	return err
}

// EntriesOf gives at most max entries from seq on of a recorder's log of this number; 0 is the first. None at its end. The bodies of some kinds may be left out: of thousands of recorders
// it takes long to unpack what nobody reads.
func (w *Witness) EntriesOf(id protocol.RecorderID, log, from uint64, max int, without ...string) (list []chain.Entry, err error) {
	err = w.inLog(id, log, func(l stored) error {
		if len(l.parts) == 1 { // the log that goes on
			list = readEntries(l.parts[0].bucket, without, from, max)
			return nil
		}
		for seq := from; seq < l.size && len(list) < max; seq++ {
			e, ok := l.entry(seq)
			if !ok {
				return fmt.Errorf("witness: recorder %s: entry %d of log %d is missing from the store", id, seq, l.number)
			}
			list = append(list, e)
		}
		return nil
	})
	return list, err
}

func (w *Witness) inLog(id protocol.RecorderID, log uint64, do func(stored) error) error {
	return w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		l, err := logOf(tx.Bucket(logs).Bucket([]byte(id)), r, log)
		if err != nil {
			return fmt.Errorf("witness: recorder %s: %w", id, err)
		}
		return do(l)
	})
}

// accessesIn are the newest accesses in a part of a log, newest first.
func (w *Witness) accessesIn(id protocol.RecorderID, l stored, b *bbolt.Bucket, max int) (list []central.Access, err error) {
	c := b.Bucket(accesses).Cursor()
	for k, _ := c.Last(); k != nil && len(list) < max; k, _ = c.Prev() {
		e := readEntry(b, k, b.Bucket(headers).Get(k))
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			return nil, err
		}
		a := central.Access{Recorder: id, Log: l.first(h.Seq), Seq: h.Seq, At: h.Time, Kind: h.Kind}
		if e.Body != nil { // a body that cannot be read still was an access: it shows, without what it says, as an orphan
			if err := chain.ParseBody(e.Body, &a.Access); err != nil {
				w.log.Warn("an access entry cannot be read", "recorder", id, "entry", h.Seq, "error", err)
			}
		}
		list = append(list, a)
	}
	return list, nil
}
