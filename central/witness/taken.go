package witness

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// What the centre has taken in: it reads each recorder's entries once, for the facts in them, and notes here how far it came. Entries are stored for good,
// so the note is only a hurry: without it, or under a ledger that does not have those facts, all is read again, and nothing happens twice.

// Mark is the ledger's head when everything before the notes was in it. The notes count for a ledger that has this root at this size.
type Mark struct {
	Size uint64        `json:"size"`
	Root protocol.Hash `json:"root"`
}

// progress is one recorder's: entries stored, and how many of them are taken in.
type progress struct{ stored, taken uint64 }

var (
	taken     = []byte("taken") // recorder → entries
	metaTaken = []byte("taken") // the Mark
)

// readTaken fills w.progress. It is Open's.
func (w *Witness) readTaken(tx *bbolt.Tx) error {
	w.progress, w.waiting = map[protocol.RecorderID]progress{}, map[protocol.RecorderID]bool{}
	b, err := tx.CreateBucketIfNotExists(taken)
	if err != nil {
		return err
	}
	return eachRow(tx, func(id protocol.RecorderID, r row) error {
		p := progress{stored: r.Head.Size}
		if v := b.Get([]byte(id)); len(v) == 8 {
			p.taken = min(binary.BigEndian.Uint64(v), p.stored)
		}
		w.progressed(id, p)
		return nil
	})
}

// progressed notes how far a recorder is. The caller holds mu, or is Open.
func (w *Witness) progressed(id protocol.RecorderID, p progress) {
	w.progress[id] = p
	if p.taken < p.stored {
		w.waiting[id] = true
	} else {
		delete(w.waiting, id)
	}
}

// Waiting are the recorders with entries that are not taken in yet, by id. [Witness.Changed] says when there may be more.
func (w *Witness) Waiting() []protocol.RecorderID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Keys(w.waiting), cmp.Compare)
}

// Taken is how many of a recorder's entries are taken in: the next one's number.
func (w *Witness) Taken(id protocol.RecorderID) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress[id].taken
}

// Take notes that a recorder's entries before this number are taken in, and says whether there are more.
func (w *Witness) Take(id protocol.RecorderID, next uint64) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.progress[id]
	p.taken = min(next, p.stored)
	w.progressed(id, p)
	return w.waiting[id]
}

// KeepTaken puts the notes on the disk. at is the ledger's head, taken after the last [Witness.Take].
func (w *Witness) KeepTaken(at Mark) error {
	mark, err := json.Marshal(at)
	if err != nil {
		return err
	}
	w.mu.Lock()
	all := maps.Clone(w.progress)
	w.mu.Unlock()
	err = w.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(taken)
		for id, p := range all {
			if v := b.Get([]byte(id)); len(v) == 8 && binary.BigEndian.Uint64(v) == p.taken {
				continue
			}
			if err := b.Put([]byte(id), key(p.taken)); err != nil {
				return err
			}
		}
		return tx.Bucket(meta).Put(metaTaken, mark)
	})
	if err != nil {
		return fmt.Errorf("witness: notes of what is taken in: %w", err)
	}
	return nil
}

// TakenUnder is the head of the ledger that the notes on the disk count for; false: there are none.
func (w *Witness) TakenUnder() (at Mark, ok bool, err error) {
	err = w.db.View(func(tx *bbolt.Tx) error {
		v := tx.Bucket(meta).Get(metaTaken)
		if ok = v != nil; !ok {
			return nil
		}
		return json.Unmarshal(v, &at, json.RejectUnknownMembers(true))
	})
	return at, ok, err
}

// TakeAgain lets everything be read again, for a ledger that the notes do not count for.
func (w *Witness) TakeAgain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, p := range w.progress {
		p.taken = 0
		w.progressed(id, p)
	}
}
