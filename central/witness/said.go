package witness

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// said is the newest status of a recorder. It counts against a later one; so one that states more entries than are stored is held on the disk, until they have come in: of the others the checkpoint
// says as much.
type said struct {
	at       protocol.Time
	log      uint64
	entries  uint64
	raw      []byte
	suspects map[protocol.CameraID]bool // not changed once the status has been looked at: whose oldest footage was reported as deleted
}

var ahead = []byte("ahead") // recorder → its newest status, packed, where that states more entries than are stored

// readSaid fills w.statuses. It is Open's. What cannot be read accuses nobody.
func (w *Witness) readSaid(tx *bbolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(ahead)
	if err != nil {
		return err
	}
	w.onDisk = map[protocol.RecorderID]bool{}
	return b.ForEach(func(k, packed []byte) error {
		id := protocol.RecorderID(k)
		w.onDisk[id] = true
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		v, err := protocol.NewVerifier(r.Key)
		if err != nil {
			return err
		}
		raw, err := protocol.Unpack(bytes.Clone(packed), MaxBatch)
		var s protocol.Status
		if err == nil {
			s, err = protocol.OpenStatus(raw, v)
		}
		if err != nil {
			w.log.Warn("a status that was kept cannot be read", "recorder", id, "error", err)
			return nil
		}
		w.statuses[id] = said{at: s.Time, log: max(s.Log, 1), entries: s.Entries, raw: raw}
		return nil
	})
}

// holdSaid puts a status that states more than came in on the disk, before anything is made of it: nobody else has what it states, and a crash must not forget it. It shares its transaction, and so
// its sync, with what else is being stored. A status like any other costs nothing.
func (w *Witness) holdSaid(id protocol.RecorderID, s said) error {
	w.mu.Lock()
	beyond := w.beyond(id)
	w.mu.Unlock()
	if !beyond {
		return nil
	}
	packed := protocol.Pack(s.raw)
	return w.db.Batch(func(tx *bbolt.Tx) error {
		w.mu.Lock()
		w.onDisk[id] = true
		w.mu.Unlock()
		return tx.Bucket(ahead).Put([]byte(id), packed)
	})
}

// beyond says whether a recorder's newest status states more than is stored. The caller holds mu.
func (w *Witness) beyond(id protocol.RecorderID) bool {
	return w.statuses[id].entries > w.progress[id].stored
}

// dropSaid takes off the disk the statuses of which all has come in since.
func (w *Witness) dropSaid() error {
	var ids []protocol.RecorderID
	w.mu.Lock()
	for id := range w.onDisk {
		if !w.beyond(id) {
			ids = append(ids, id)
		}
	}
	w.mu.Unlock()
	slices.Sort(ids)
	for some := range slices.Chunk(ids, someRecorders) {
		err := w.db.Update(func(tx *bbolt.Tx) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, id := range some {
				if w.beyond(id) { // it has stated more meanwhile
					continue
				}
				delete(w.onDisk, id)
				if err := tx.Bucket(ahead).Delete([]byte(id)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("witness: statuses of recorders: %w", err)
		}
	}
	return nil
}
