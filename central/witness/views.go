package witness

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Kinds of findings.
const (
	Fork     = "fork"     // proven: the recorder's own signature stands under both
	Unsealed = "unsealed" // proven, by itself or with the whole log: entries that the seals do not hold, or a seal that is missing (protocol/chain, Forward security). What the recorder wrote is kept and cosigned all the same
	Late     = "late"     // proves nothing to who does not trust this witness's clock: the recorder is there, and seals nothing
	Unfit    = "unfit"    // proves nothing: it may have been spoilt on the way. Only the newest is kept.
)

// Finding is a log that does not grow as it should. Ours and Theirs are both signed by the recorder.
//
// That the seals do not hold is proven under Theirs alone: Inclusion shows that it covers Entry, with Body, at place Seq. Where that is a seal, OurInclusion shows OurEntry, with OurBody,
// at place Named, which names its key, and Proof that the log had Root before it. Another entry, or the seal of another epoch, is one too many in the log as a whole: chain.Verify shows it.
//
// A fork is proven in one of two ways, which Check checks. Theirs is no larger than Ours: Proof shows that the log under Ours had Root at that size,
// and Theirs says another. Or Theirs is larger: Inclusion shows that it covers Entry at place Seq, and OurInclusion that Ours covers
// OurEntry there.
type Finding struct {
	Recorder     protocol.RecorderID `json:"recorder"`
	At           protocol.Time       `json:"at"`
	Kind         string              `json:"kind"`
	Detail       string              `json:"detail"`
	Ours         []byte              `json:"ours"`
	Theirs       []byte              `json:"theirs"`
	Root         protocol.Hash       `json:"root,omitzero"`
	Proof        tlog.TreeProof      `json:"proof,omitempty"`
	Seq          uint64              `json:"seq,omitempty"`
	Entry        []byte              `json:"entry,omitempty"` // header line
	Inclusion    tlog.RecordProof    `json:"inclusion,omitempty"`
	OurEntry     []byte              `json:"ourEntry,omitempty"` // header line
	OurInclusion tlog.RecordProof    `json:"ourInclusion,omitempty"`
	Body         []byte              `json:"body,omitempty"`
	Named        uint64              `json:"named,omitempty"`
	OurBody      []byte              `json:"ourBody,omitempty"`
	Times        uint64              `json:"times"` // seen
}

// Check verifies a finding from itself alone: nil when the recorder's key signed two logs that contradict each other, or a seal that is wrong.
func (f Finding) Check(origin string, recorder note.Verifier) error {
	if f.Kind == Unsealed {
		return f.checkSeal(origin, recorder)
	}
	if f.Kind != Fork {
		return fmt.Errorf("finding %q proves nothing by itself", f.Kind)
	}
	ours, _, err := chain.OpenCheckpoint(f.Ours, origin, recorder)
	if err != nil {
		return err
	}
	theirs, _, err := chain.OpenCheckpoint(f.Theirs, origin, recorder)
	if err != nil {
		return err
	}
	if theirs.Size <= ours.Size {
		if theirs.Root == f.Root {
			return errors.New("the two checkpoints agree")
		}
		return chain.CheckConsistency(f.Proof, theirs.Size, f.Root, ours.Size, ours.Root)
	}
	if bytes.Equal(f.Entry, f.OurEntry) {
		return errors.New("the two entries are the same")
	}
	return errors.Join(chain.CheckInclusion(f.Inclusion, theirs.Size, theirs.Root, f.Seq, f.Entry),
		chain.CheckInclusion(f.OurInclusion, ours.Size, ours.Root, f.Seq, f.OurEntry))
}

func (f Finding) checkSeal(origin string, recorder note.Verifier) error {
	theirs, _, err := chain.OpenCheckpoint(f.Theirs, origin, recorder)
	if err != nil {
		return err
	}
	if err := errors.Join(chain.CheckInclusion(f.Inclusion, theirs.Size, theirs.Root, f.Seq, f.Entry),
		chain.CheckInclusion(f.OurInclusion, theirs.Size, theirs.Root, f.Named, f.OurEntry),
		chain.CheckConsistency(f.Proof, f.Seq, f.Root, theirs.Size, theirs.Root)); err != nil {
		return err
	}
	var wrong *chain.Fault
	err = chain.CheckSeal(origin, chain.Entry{Header: f.OurEntry, Body: f.OurBody}, chain.Entry{Header: f.Entry, Body: f.Body}, f.Root)
	switch {
	case err == nil:
		return errors.New("the seal holds")
	case errors.As(err, &wrong):
		return nil
	}
	return fmt.Errorf("proves nothing without the log before it, which chain.Verify checks: %w", err)
}

// unsealed adds the proof to a finding about seals, and keeps it. r is the row as the batch leaves it.
func (w *Witness) unsealed(log *bbolt.Bucket, r row, f Finding, id protocol.RecorderID) error {
	f.Recorder, f.At, f.Theirs = id, protocol.T(w.now()), r.Checkpoint
	tree := &overlay{base: log.Bucket(hashes), split: chain.HashCount(r.Head.Size)}
	f.OurEntry, f.OurBody = bytes.Clone(log.Bucket(headers).Get(key(f.Named))), bytes.Clone(log.Bucket(bodies).Get(key(f.Named)))
	var err error
	if f.Inclusion, err = chain.InclusionProof(f.Seq, r.Head.Size, tree); err != nil {
		return err
	}
	if f.OurInclusion, err = chain.InclusionProof(f.Named, r.Head.Size, tree); err != nil {
		return err
	}
	if f.Proof, err = chain.ConsistencyProof(f.Seq, r.Head.Size, tree); err != nil {
		return err
	}
	w.log.Error("a recorder's log breaks its own seals", "recorder", id, "entry", f.Seq, "detail", f.Detail)
	return f.keep(log)
}

// mostForks are kept of a recorder. One proves that it lies; a recorder that signs a thousand must not fill the disk with them.
const mostForks = 16

// keep stores a finding and wakes who waits for one.
func (w *Witness) keep(f Finding) error {
	err := w.db.Update(func(tx *bbolt.Tx) error { return f.keep(tx.Bucket(logs).Bucket([]byte(f.Recorder))) })
	if err == nil {
		w.wake()
	}
	return err
}

// keep stores a finding in the recorder's bucket: a fork once for each checkpoint that shows it, and broken seals once for each entry, up to mostForks; of the others only the newest.
func (f Finding) keep(log *bbolt.Bucket) error {
	b := log.Bucket(findings)
	name := []byte(f.Kind)
	switch f.Kind {
	case Fork:
		h := protocol.HashOf(f.Theirs)
		name = append([]byte(Fork+" "), h[:]...)
	case Unsealed:
		name = append([]byte(Unsealed+" "), key(f.Seq)...)
	}
	proves := f.Kind == Fork || f.Kind == Unsealed
	if proves && b.Get(name) == nil && b.Stats().KeyN >= mostForks {
		name = []byte(f.Kind + " more")
	}
	f.Times = 1
	if have := b.Get(name); have != nil {
		var old Finding
		if err := json.Unmarshal(have, &old); err != nil {
			return err
		}
		f.Times = old.Times + 1
		if proves {
			f.At = old.At
		}
	}
	v, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return b.Put(name, v)
}

// Recorder is how a recorder's log stands here.
type Recorder struct {
	ID           protocol.RecorderID
	Key          string
	Origin       string
	Size         uint64        // entries stored
	Last         protocol.Time // of the last entry
	CosignedSize uint64
	CosignedAt   protocol.Time // zero: never
	Cosigned     []byte        // the newest cosigned checkpoint
	Heard        protocol.Time // when it last handed in, also without news
	Findings     []Finding     // forks first
}

// Recorder is one recorder's, or false.
func (w *Witness) Recorder(id protocol.RecorderID) (Recorder, bool) {
	var v Recorder
	err := w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err == nil {
			v, err = view(tx, id, r)
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrUnknown) {
		w.log.Error("witness row cannot be read", "recorder", id, "error", err)
	}
	return v, err == nil
}

// Recorders are all, by id. One that cannot be read is logged and left out (invariant 14).
func (w *Witness) Recorders() []Recorder {
	var ids []protocol.RecorderID
	err := w.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(recorders).ForEach(func(k, _ []byte) error {
			ids = append(ids, protocol.RecorderID(k))
			return nil
		})
	})
	if err != nil {
		w.log.Error("witness store cannot be read", "error", err)
	}
	var list []Recorder
	for _, id := range ids {
		if r, ok := w.Recorder(id); ok {
			list = append(list, r)
		}
	}
	return list
}

func view(tx *bbolt.Tx, id protocol.RecorderID, r row) (Recorder, error) {
	v := Recorder{ID: id, Key: r.Key, Origin: r.Origin, Size: r.Head.Size, Last: r.Head.Time, CosignedSize: r.Size, CosignedAt: r.CosignedAt, Cosigned: r.Cosigned, Heard: r.Heard}
	err := tx.Bucket(logs).Bucket([]byte(id)).Bucket(findings).ForEach(func(_, b []byte) error {
		var f Finding
		if err := json.Unmarshal(b, &f); err != nil {
			return err
		}
		v.Findings = append(v.Findings, f)
		return nil
	})
	return v, err
}

// Consistency proves that the first old entries of a recorder's log are the start of the first size (RFC 6962 section 2.1.2), as both are stored here.
func (w *Witness) Consistency(id protocol.RecorderID, old, size uint64) (p tlog.TreeProof, err error) {
	err = w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		if size > r.Head.Size {
			return fmt.Errorf("only %d entries are here, not %d", r.Head.Size, size)
		}
		p, err = chain.ConsistencyProof(old, size, &overlay{base: tx.Bucket(logs).Bucket([]byte(id)).Bucket(hashes), split: chain.HashCount(size)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("witness: recorder %s: %w", id, err)
	}
	return p, nil
}

// Silence lists the recorders that handed nothing in for this long, not even an idle checkpoint.
func (w *Witness) Silence(now time.Time, longer time.Duration) []Recorder {
	var silent []Recorder
	for _, r := range w.Recorders() {
		if now.Sub(r.Heard.Time) > longer {
			silent = append(silent, r)
		}
	}
	return silent
}

// EqualHead says whether everything a recorder says it has (its status's Entries) is stored and cosigned here.
func (w *Witness) EqualHead(id protocol.RecorderID, entries uint64) bool {
	r, ok := w.Recorder(id)
	return ok && r.Size == entries && r.CosignedSize == entries
}

// Entries gives at most max of a recorder's entries from seq on; none at the end.
func (w *Witness) Entries(id protocol.RecorderID, from uint64, max int) ([]chain.Entry, error) {
	var list []chain.Entry
	err := w.db.View(func(tx *bbolt.Tx) error {
		log := tx.Bucket(logs).Bucket([]byte(id))
		if log == nil {
			return ErrUnknown
		}
		list = readEntries(log, from, max)
		return nil
	})
	return list, err
}

func readEntries(log *bbolt.Bucket, from uint64, max int) []chain.Entry {
	var list []chain.Entry
	c := log.Bucket(headers).Cursor()
	for k, v := c.Seek(key(from)); k != nil && len(list) < max; k, v = c.Next() {
		list = append(list, readEntry(log, k, v))
	}
	return list
}

func readEntry(log *bbolt.Bucket, k, header []byte) chain.Entry {
	e := chain.Entry{Header: append([]byte(nil), header...)}
	if body := log.Bucket(bodies).Get(k); body != nil {
		e.Body = append([]byte(nil), body...)
	}
	return e
}

// LogFile writes a recorder's whole log with its newest cosigned checkpoint, as `beeldwacht verify` reads it. It reads piece by piece: a slow reader
// with an open bbolt transaction would keep the file from growing, and so every recorder waiting.
func (w *Witness) LogFile(id protocol.RecorderID, out io.Writer) error {
	var r row
	if err := w.db.View(func(tx *bbolt.Tx) (err error) { r, err = readRow(tx, id); return err }); err != nil {
		return err
	}
	for from := uint64(0); from < r.Head.Size; {
		entries, err := w.Entries(id, from, int(min(100, r.Head.Size-from)))
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("witness: recorder %s: entry %d is missing from the store", id, from)
		}
		for _, e := range entries {
			if err := chain.WriteEntry(out, e); err != nil {
				return err
			}
		}
		from += uint64(len(entries))
	}
	if r.Cosigned == nil {
		return nil
	}
	return chain.WriteCheckpoint(out, r.Cosigned)
}

// Accesses are the newest entries of a recorder by which somebody got to footage, newest first, at most max.
func (w *Witness) Accesses(id protocol.RecorderID, max int) ([]central.Access, error) {
	var list []central.Access
	err := w.db.View(func(tx *bbolt.Tx) error {
		log := tx.Bucket(logs).Bucket([]byte(id))
		if log == nil {
			return ErrUnknown
		}
		c := log.Bucket(accesses).Cursor()
		for k, _ := c.Last(); k != nil && len(list) < max; k, _ = c.Prev() {
			e := readEntry(log, k, log.Bucket(headers).Get(k))
			h, err := chain.ParseHeader(e.Header)
			if err != nil {
				return err
			}
			a := central.Access{Recorder: id, Seq: h.Seq, At: h.Time, Kind: h.Kind}
			if e.Body != nil { // a body that cannot be read still was an access: it shows, without what it says, as an orphan
				if err := chain.ParseBody(e.Body, &a.Access); err != nil {
					w.log.Warn("an access entry cannot be read", "recorder", id, "entry", h.Seq, "error", err)
				}
			}
			list = append(list, a)
		}
		return nil
	})
	return list, err
}

// Footage is what a recorder's journal says of a camera's oldest footage.
type Footage struct {
	Oldest     *protocol.Time // nil: there is none
	Seq        uint64         // of the entry that says so
	At         protocol.Time  // that entry's time
	CosignedAt protocol.Time  // by when a cosigned checkpoint covered it; zero: not yet
}

// footage is Footage as stored.
type footage struct {
	Oldest *protocol.Time `json:"oldest,omitempty"`
	Seq    uint64         `json:"seq"`
	At     protocol.Time  `json:"at"`
}

// OldestFootage is what the recorder last said of a camera, or false if it has said nothing.
func (w *Witness) OldestFootage(id protocol.RecorderID, camera protocol.CameraID) (Footage, bool) {
	var f Footage
	found := false
	err := w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		b := tx.Bucket(logs).Bucket([]byte(id)).Bucket(cameras).Get([]byte(camera))
		if b == nil {
			return nil
		}
		var have footage
		if err := json.Unmarshal(b, &have); err != nil {
			return err
		}
		f, found = Footage{Oldest: have.Oldest, Seq: have.Seq, At: have.At}, true
		if have.Seq < r.Size {
			f.CosignedAt = r.CosignedAt
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrUnknown) {
		w.log.Error("oldest footage cannot be read", "recorder", id, "camera", camera, "error", err)
	}
	return f, found && err == nil
}

// index notes what pages ask for. A body that cannot be read is stored like any other and left out here: a newer recorder, or a confused one,
// does not stop its own log.
func (w *Witness) index(log *bbolt.Bucket, id protocol.RecorderID, h chain.Header, e chain.Entry) error {
	note := func(camera protocol.CameraID, oldest *protocol.Time) error {
		b, err := json.Marshal(footage{oldest, h.Seq, h.Time})
		if err != nil {
			return err
		}
		return log.Bucket(cameras).Put([]byte(camera), b)
	}
	var unreadable error
	switch h.Kind {
	case protocol.KindIntent, protocol.KindView:
		return log.Bucket(accesses).Put(key(h.Seq), nil)
	case protocol.KindSealed:
		var s protocol.Sealed
		if unreadable = chain.ParseBody(e.Body, &s); unreadable != nil {
			break
		}
		for _, c := range s.Cameras {
			if protocol.ValidID(c.Camera) != nil {
				continue
			}
			if err := note(c.Camera, &c.Oldest); err != nil {
				return err
			}
		}
	case protocol.KindExpired:
		var x protocol.Expired
		if unreadable = chain.ParseBody(e.Body, &x); unreadable != nil {
			break
		}
		for _, o := range x.Oldest {
			if protocol.ValidID(o.Camera) != nil {
				continue
			}
			if err := note(o.Camera, o.Oldest); err != nil {
				return err
			}
		}
	}
	if unreadable != nil {
		w.log.Warn("an entry cannot be read for the pages", "recorder", id, "entry", h.Seq, "kind", h.Kind, "error", unreadable)
	}
	return nil
}

func key(n uint64) []byte    { return binary.BigEndian.AppendUint64(nil, n) }
func number(k []byte) uint64 { return binary.BigEndian.Uint64(k) }
