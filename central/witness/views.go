package witness

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Recorder is how a recorder's log stands here.
type Recorder struct {
	ID           protocol.RecorderID
	Key          string        // as it was enrolled: it bears the name of the first log
	Log          uint64        // number of the log that goes on
	Origin       string        // its name
	Former       []Former      // the logs before it, oldest first
	Next         uint64        // number of a successor that was ordered and has not come in; 0: none
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
	v := Recorder{ID: id, Key: r.Key, Log: r.number(), Origin: protocol.LogOrigin(r.Origin, r.Log), Size: r.Head.Size, Last: r.Head.Time, CosignedSize: r.Size, CosignedAt: r.CosignedAt, Cosigned: r.Cosigned, Heard: r.Heard}
	if r.Next != nil {
		v.Next = r.Next.Log
	}
	log := tx.Bucket(logs).Bucket([]byte(id))
	var err error
	if v.Former, err = formerOf(log, r); err != nil {
		return v, err
	}
	err = log.Bucket(findings).ForEach(func(_, b []byte) error {
		var f Finding
		if err := json.Unmarshal(b, &f); err != nil {
			return err
		}
		v.Findings = append(v.Findings, f)
		return nil
	})
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
	return v, err
}

// rank puts forks first.
func rank(f Finding) int {
	if f.Kind == Fork {
		return 0
	}
	return 1
}

// Consistency proves that the first old entries of a recorder's log of this name are the start of the first size (RFC 6962 section 2.1.2), as both are stored here.
func (w *Witness) Consistency(id protocol.RecorderID, origin string, old, size uint64) (p tlog.TreeProof, err error) {
	err = w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		first, number := protocol.ParseLogOrigin(origin)
		if first != r.Origin {
			return fmt.Errorf("%s is no log of it", origin)
		}
		if r.Next != nil && number == r.Next.Log { // the beginning of the present one
			number = r.number()
		}
		l, err := logOf(tx.Bucket(logs).Bucket([]byte(id)), r, number)
		if err != nil {
			return err
		}
		if size > l.size {
			return fmt.Errorf("only %d entries are here, not %d", l.size, size)
		}
		p, err = chain.ConsistencyProof(old, size, l)
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

// EqualHead says whether everything a recorder says it has (its status's Log and Entries) is stored and cosigned here.
func (w *Witness) EqualHead(id protocol.RecorderID, log, entries uint64) bool {
	r, ok := w.Recorder(id)
	return ok && r.Log == max(log, 1) && r.Size == entries && r.CosignedSize == entries
}

// Entries gives at most max of a recorder's entries from seq on, of its log as it goes on; none at the end.
func (w *Witness) Entries(id protocol.RecorderID, from uint64, max int) ([]chain.Entry, error) {
	var list []chain.Entry
	err := w.db.View(func(tx *bbolt.Tx) error {
		log := tx.Bucket(logs).Bucket([]byte(id))
		if log == nil {
			return ErrUnknown
		}
		list = readEntries(log, nil, from, max)
		return nil
	})
	return list, err
}

func readEntries(log *bbolt.Bucket, without []string, from uint64, max int) []chain.Entry {
	var list []chain.Entry
	c := log.Bucket(headers).Cursor()
	for k, v := c.Seek(key(from)); k != nil && len(list) < max; k, v = c.Next() {
		if len(without) > 0 {
			if h, err := chain.ParseHeader(v); err == nil && slices.Contains(without, h.Kind) {
				list = append(list, chain.Entry{Header: append([]byte(nil), v...)})
				continue
			}
		}
		list = append(list, readEntry(log, k, v))
	}
	return list
}

func readEntry(log *bbolt.Bucket, k, header []byte) chain.Entry {
	e := chain.Entry{Header: append([]byte(nil), header...)}
	if body := bodyOf(log, number(k)); body != nil {
		e.Body = append([]byte(nil), body...)
	}
	return e
}

// LogFile writes a recorder's whole log as it goes on, with the first and the newest checkpoint of it that were cosigned, by this witness and by each outside one, as `beeldwacht verify` reads it. It reads piece by piece: a slow reader
// with an open bbolt transaction would keep the file from growing, and so every recorder waiting.
func (w *Witness) LogFile(id protocol.RecorderID, out io.Writer) error {
	r, ok := w.Recorder(id)
	if !ok {
		return ErrUnknown
	}
	return w.FormerFile(id, r.Log, 0, out)
}

// begin is the first checkpoint that was cosigned, if it is of this log, and another than the newest.
func (l stored) begin() ([]byte, error) {
	signed := bytes.Clone(l.parts[len(l.parts)-1].bucket.Get(first))
	if signed == nil {
		return nil, nil
	}
	c, err := chain.UnverifiedCheckpoint(signed)
	if err != nil || c.Size >= l.covered {
		return nil, err
	}
	if _, number := protocol.ParseLogOrigin(c.Origin); number != l.number {
		return nil, nil
	}
	root, err := chain.RootAt(c.Size, l)
	if err != nil || root != c.Root {
		return nil, err
	}
	return signed, nil
}

// Accesses are the newest entries of a recorder by which somebody got to footage, newest first, at most max: also those that only a former log has.
func (w *Witness) Accesses(id protocol.RecorderID, max int) (list []central.Access, err error) {
	err = w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		log := tx.Bucket(logs).Bucket([]byte(id))
		l, err := logOf(log, r, r.number())
		if err != nil {
			return err
		}
		if list, err = w.accessesIn(id, l, log, max); err != nil {
			return err
		}
		return eachAside(log, func(n uint64, b *bbolt.Bucket, _ aside) error {
			l, err := logOf(log, r, n)
			if err != nil {
				return err
			}
			more, err := w.accessesIn(id, l, b, max)
			list = append(list, more...)
			return err
		})
	})
	slices.SortStableFunc(list, func(a, b central.Access) int { return b.At.Compare(a.At.Time) })
	return list[:min(len(list), max)], err
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

	Suspect uint64 `json:"suspect,omitzero"` // the entry that first named footage reported as deleted; 0: the newest did not
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

// index notes what pages ask for, and what the log itself says is left of footage. A body that cannot be read is stored like any other and left out here: a newer
// recorder, or a confused one, does not stop its own log.
func (w *Witness) index(x *watcher, h chain.Header, e chain.Entry) (err error) {
	if is, err := x.aside(h.Seq, e.Header); is || err != nil { // all was noted when it first came in, and more has happened since
		return err
	}
	switch h.Kind {
	case protocol.KindIntent, protocol.KindView:
		if err := x.log.Bucket(accesses).Put(key(h.Seq), nil); err != nil { // an access it is, whatever its body says
			return err
		}
	}
	if h.Kind == protocol.KindStarted {
		x.watch.Run = 0
	}
	var unreadable error
	read := func(body any) bool {
		if e.Body == nil {
			return false // its term was over before it came
		}
		unreadable = chain.ParseBody(e.Body, body)
		return unreadable == nil
	}
	switch h.Kind {
	case protocol.KindIntent, protocol.KindView:
		var a protocol.Access
		if read(&a) {
			err = x.access(h, a)
		}
	case protocol.KindSealed:
		var s protocol.Sealed
		if read(&s) {
			err = x.footage(h, s)
		}
	case protocol.KindExpired:
		var d protocol.Expired
		if read(&d) {
			err = x.deleted(h, d)
		}
	case protocol.KindOrder:
		var o protocol.Order
		if read(&o) {
			err = x.order(h.Seq, o)
		}
	case protocol.KindHoldPlaced:
		var p protocol.HoldPlaced
		if read(&p) {
			err = x.holdPlaced(h, p)
		}
	case protocol.KindHoldLifted:
		var l protocol.HoldLifted
		if read(&l) {
			err = x.holdLifted(h, l)
		}
	case protocol.KindReleased:
		var d protocol.Released
		if read(&d) {
			err = x.released(h, d)
		}
	}
	if unreadable != nil {
		w.log.Warn("an entry cannot be read for the pages", "recorder", x.id, "entry", h.Seq, "kind", h.Kind, "error", unreadable)
	}
	return err
}

// footage takes in what was sealed, and what each camera's oldest is.
func (x *watcher) footage(h chain.Header, s protocol.Sealed) error {
	if err := x.sealed(h, s); err != nil {
		return err
	}
	for _, c := range s.Cameras {
		if protocol.ValidID(c.Camera) != nil {
			continue
		}
		have, err := x.camera(c.Camera)
		if err != nil {
			return err
		}
		have.Oldest, have.Seq, have.At = &c.Oldest, h.Seq, h.Time
		if err := x.stillLists(h, c, &have); err != nil {
			return err
		}
		x.cameras[c.Camera] = have
	}
	return nil
}

func (x *watcher) camera(id protocol.CameraID) (f footage, err error) {
	if f, ok := x.cameras[id]; ok {
		return f, nil
	}
	_, err = get(x.log.Bucket(cameras), []byte(id), &f)
	return f, err
}

// deleted takes in what expired, and what each camera's oldest is then.
func (x *watcher) deleted(h chain.Header, d protocol.Expired) error {
	if err := x.expired(h, d); err != nil {
		return err
	}
	for _, o := range d.Oldest {
		if protocol.ValidID(o.Camera) != nil {
			continue
		}
		have, err := x.camera(o.Camera)
		if err != nil {
			return err
		}
		have.Oldest, have.Seq, have.At = o.Oldest, h.Seq, h.Time
		x.cameras[o.Camera] = have
	}
	return nil
}

func key(n uint64) []byte    { return binary.BigEndian.AppendUint64(nil, n) }
func number(k []byte) uint64 { return binary.BigEndian.Uint64(k) }
