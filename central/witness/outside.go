package witness

import (
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Of each of a recorder's logs the checkpoints that outside witnesses cosigned are kept: of each witness the first and the newest. This witness vouches for none of them. They go along with an export: the
// first show since when somebody else vouches for the log, the newest until where.

var outside = []byte("outside") // recorder → notes, of all its logs

// Witnessed takes a checkpoint of a recorder that was cosigned here, with the cosignatures of outside witnesses, which who added them has verified. It is on the disk when Sweep or Close returns: a crash
// before that costs the newest, which the next takes the place of.
func (w *Witness) Witnessed(id protocol.RecorderID, signed []byte) error {
	w.witnessing.Lock()
	defer w.witnessing.Unlock()
	notes, err := ofEachLog(append(slices.Clone(w.witnessed[id]), signed))
	if err != nil {
		return fmt.Errorf("witness: recorder %s: %w", id, err)
	}
	w.witnessed[id] = notes
	return nil
}

// someRecorders are written in one transaction: a store that is busy with one for long keeps all others waiting.
const someRecorders = 500

// keepWitnessed puts on the disk what Witnessed took.
func (w *Witness) keepWitnessed() error {
	w.witnessing.Lock()
	ids := slices.Sorted(maps.Keys(w.witnessed))
	w.witnessing.Unlock()
	for some := range slices.Chunk(ids, someRecorders) {
		if err := w.keepSome(some); err != nil {
			return fmt.Errorf("witness: cosignatures of outside witnesses: %w", err)
		}
	}
	return nil
}

func (w *Witness) keepSome(ids []protocol.RecorderID) error {
	w.witnessing.Lock()
	defer w.witnessing.Unlock()
	err := w.db.Update(func(tx *bbolt.Tx) error {
		for _, id := range ids {
			notes, err := witnessedOf(tx, id, w.witnessed[id])
			if err == nil {
				err = put(tx.Bucket(outside), []byte(id), notes)
			}
			if err != nil {
				return fmt.Errorf("recorder %s: %w", id, err)
			}
		}
		return nil
	})
	for _, id := range ids {
		if err == nil {
			delete(w.witnessed, id)
		}
	}
	return err
}

// witnessedOf are the notes of a recorder that are in the store, and these.
func witnessedOf(tx *bbolt.Tx, id protocol.RecorderID, more [][]byte) (notes [][]byte, err error) {
	if _, err := get(tx.Bucket(outside), []byte(id), &notes); err != nil {
		return nil, err
	}
	return ofEachLog(append(notes, more...))
}

// ofEachLog leaves of notes the first and the newest of each log and witness.
func ofEachLog(notes [][]byte) (left [][]byte, err error) {
	of := map[string][][]byte{} // by the name of the log
	for _, n := range notes {
		c, err := chain.UnverifiedCheckpoint(n)
		if err != nil {
			return nil, err
		}
		of[c.Origin] = append(of[c.Origin], n)
	}
	for _, origin := range slices.Sorted(maps.Keys(of)) {
		some, err := chain.FirstAndNewest(of[origin])
		if err != nil {
			return nil, err
		}
		left = append(left, some...)
	}
	return left, nil
}

// ends are the checkpoints that an export of a log ends with: the first and the newest that were cosigned here, and those of its notes that others cosigned as well.
func (l stored) ends(origin string, others [][]byte) ([][]byte, error) {
	if l.cosigned == nil {
		return nil, nil
	}
	var notes [][]byte
	begin, err := l.begin()
	if err != nil {
		return nil, err
	}
	if begin != nil {
		notes = append(notes, begin)
	}
	for _, n := range others {
		if c, err := chain.UnverifiedCheckpoint(n); err != nil {
			return nil, err
		} else if c.Origin == origin && c.Size <= l.covered {
			notes = append(notes, n)
		}
	}
	return chain.FirstAndNewest(append(notes, l.cosigned))
}

// CosignedBy is how many witnesses, this one among them, have cosigned one checkpoint that covers so many entries of a recorder's log as it goes on.
func (w *Witness) CosignedBy(id protocol.RecorderID, entries uint64) (by int, err error) {
	w.witnessing.Lock()
	others := slices.Clone(w.witnessed[id])
	w.witnessing.Unlock()
	err = w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		l, err := logOf(tx.Bucket(logs).Bucket([]byte(id)), r, r.number())
		if err != nil {
			return err
		}
		if others, err = witnessedOf(tx, id, others); err != nil {
			return err
		}
		notes, err := l.ends(protocol.LogOrigin(r.Origin, l.number), others)
		if err == nil {
			_, by, err = chain.MostCosigned(notes, entries)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("witness: recorder %s: %w", id, err)
	}
	return by, err
}
