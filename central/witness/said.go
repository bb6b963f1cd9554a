package witness

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// said is the newest status of a recorder. It counts against a later one; so one that states more entries than are stored is kept on the disk, until they have come in: of the others the checkpoint says
// as much.
type said struct {
	at       protocol.Time
	log      uint64
	entries  uint64
	raw      []byte
	suspects map[protocol.CameraID]bool // not changed once the status has been looked at: whose oldest footage was reported as deleted
}

var ahead = []byte("ahead") // recorder → its newest status, where that states more entries than are stored

// readSaid fills w.statuses. It is Open's. What cannot be read accuses nobody.
func (w *Witness) readSaid(tx *bbolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(ahead)
	if err != nil {
		return err
	}
	w.ahead = map[protocol.RecorderID][]byte{}
	return b.ForEach(func(k, raw []byte) error {
		id := protocol.RecorderID(k)
		raw = bytes.Clone(raw)
		w.ahead[id] = raw
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		v, err := protocol.NewVerifier(r.Key)
		if err != nil {
			return err
		}
		s, err := protocol.OpenStatus(raw, v)
		if err != nil {
			w.log.Warn("a status that was kept cannot be read", "recorder", id, "error", err)
			return nil
		}
		w.statuses[id] = said{at: s.Time, log: max(s.Log, 1), entries: s.Entries, raw: raw}
		return nil
	})
}

// keepSaid puts on the disk what recorders stated beyond what they handed in, and drops what has come in since: at most one transaction, however many recorders there are.
func (w *Witness) keepSaid() error {
	w.saying.Lock()
	defer w.saying.Unlock()
	changes := map[protocol.RecorderID][]byte{} // nil: dropped
	w.mu.Lock()
	for id, s := range w.statuses {
		kept, on := w.ahead[id]
		switch beyond := s.entries > w.progress[id].stored; {
		case beyond && !bytes.Equal(kept, s.raw):
			changes[id] = s.raw
		case !beyond && on:
			changes[id] = nil
		}
	}
	w.mu.Unlock()
	if len(changes) == 0 {
		return nil
	}
	err := w.db.Update(func(tx *bbolt.Tx) error {
		for id, raw := range changes {
			if raw == nil {
				if err := tx.Bucket(ahead).Delete([]byte(id)); err != nil {
					return err
				}
			} else if err := tx.Bucket(ahead).Put([]byte(id), raw); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("witness: statuses of recorders: %w", err)
	}
	for id, raw := range changes {
		if w.ahead[id] = raw; raw == nil {
			delete(w.ahead, id)
		}
	}
	return nil
}
