package witness

import (
	"bytes"
	"cmp"
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

// progress is how much of a recorder's logs is taken in: of each what the one before it does not have.
type progress struct {
	log, taken uint64 // the next entry to take in: the number of its log, and its own
	stored     uint64 // entries of the present log
	present    uint64 // its number
	former     []Former
}

// settle goes on to the next log at the end of one.
func (p progress) settle() progress {
	p.log = max(p.log, 1)
	for i, f := range p.former {
		if p.log != f.Log || p.taken < f.Size {
			continue
		}
		p.taken, p.log = f.From, p.present
		if i+1 < len(p.former) {
			p.log = p.former[i+1].Log
		}
	}
	if p.log == p.present {
		p.taken = min(p.taken, p.stored)
	}
	return p
}

var (
	taken     = []byte("taken") // recorder → entries; of a successor its number behind them
	metaTaken = []byte("taken") // the Mark
)

// note is how it is kept.
func (p progress) note() []byte {
	if p.log < 2 {
		return key(p.taken)
	}
	return append(key(p.taken), key(p.log)...)
}

// readTaken fills w.progress. It is Open's.
func (w *Witness) readTaken(tx *bbolt.Tx) error {
	w.progress, w.waiting = map[protocol.RecorderID]progress{}, map[protocol.RecorderID]bool{}
	b, err := tx.CreateBucketIfNotExists(taken)
	if err != nil {
		return err
	}
	return eachRow(tx, func(id protocol.RecorderID, r row) error {
		p := progress{stored: r.Head.Size, present: r.number()}
		if p.former, err = formerOf(tx.Bucket(logs).Bucket([]byte(id)), r); err != nil {
			return err
		}
		if v := b.Get([]byte(id)); len(v) == 8 || len(v) == 16 {
			if p.taken = number(v); len(v) == 16 {
				p.log = number(v[8:])
			}
		}
		w.progressed(id, p)
		return nil
	})
}

// grew notes that a batch is stored.
func (w *Witness) grew(id protocol.RecorderID, b batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.progress[id]
	if p.present != b.log { // the first entries of a recorder, or of a successor of its log
		err := w.db.View(func(tx *bbolt.Tx) error {
			r, err := readRow(tx, id)
			if err == nil {
				p.stored, p.present = r.Head.Size, r.number()
				p.former, err = formerOf(tx.Bucket(logs).Bucket([]byte(id)), r)
			}
			return err
		})
		if err != nil {
			return err
		}
	} else {
		p.stored = max(p.stored, b.checkpoint.Size)
	}
	w.progressed(id, p)
	return nil
}

// progressed notes how far a recorder is. The caller holds mu, or is Open.
func (w *Witness) progressed(id protocol.RecorderID, p progress) {
	p = p.settle()
	w.progress[id] = p
	if p.log < p.present || p.taken < p.stored {
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

// Taken is the next of a recorder's entries to take in: the number of its log, 0 of the first, and its own.
func (w *Witness) Taken(id protocol.RecorderID) (log, next uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.progress[id]
	return laterLog(p.log), p.taken
}

// Take notes that the entries of a recorder's log before this number are taken in, and says whether there are more, in that log or in a successor of it.
func (w *Witness) Take(id protocol.RecorderID, log, next uint64) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.progress[id]
	p.log, p.taken = max(log, 1), next
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
			if bytes.Equal(b.Get([]byte(id)), p.note()) {
				continue
			}
			if err := b.Put([]byte(id), p.note()); err != nil {
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
		p.log, p.taken = 1, 0
		w.progressed(id, p)
	}
}
