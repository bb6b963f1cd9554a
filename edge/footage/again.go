package footage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

var metaLog = []byte("log") // number of the log in which every minute has been looked up

// SealAgain journals each minute again whose footage.sealed entry does not stand in the journal, which was put back and goes on as the successor of what it was: stands says whether the entry of
// that number is the one with that root. What is left of the minute is counted; its list, and so its root and the paths in it, stay what they were. It is done once for a log of a number, also
// when that takes more than one run. Nothing of a minute is offered before its new entry is there. It returns how many there were, and the journal's error, if any; the entries are then owed.
func (s *Store) SealAgain(ctx context.Context, log uint64, stands func(seq uint64, root protocol.Hash) (bool, error)) (minutes int, err error) {
	known := map[uint64]minuteRow{}
	done := false
	err = s.db.View(func(tx *bbolt.Tx) error {
		if done = string(tx.Bucket(inMeta).Get(metaLog)) == strconv.FormatUint(log, 10); done {
			return nil
		}
		return each(tx, inMinutes, "", s.badRow, func(key string, r minuteRow) error {
			own, err := strconv.ParseUint(key, 16, 64)
			if err == nil && r.Seq != 0 {
				known[own] = minuteRow{Seq: r.Seq, Root: r.Root}
			}
			return err
		})
	})
	if err != nil || done {
		return 0, err
	}
	lost := map[uint64]map[protocol.CameraID]*protocol.SealedCamera{}
	for own, m := range known {
		there, err := stands(m.Seq, m.Root)
		if err != nil {
			return 0, fmt.Errorf("footage: minute of entry %d: %w", m.Seq, err)
		}
		if !there {
			lost[own] = map[protocol.CameraID]*protocol.SealedCamera{}
		}
	}
	owns := slices.Sorted(maps.Keys(lost))
	s.mu.Lock()
	err = s.db.View(func(tx *bbolt.Tx) error {
		if len(owns) == 0 {
			return nil
		}
		return each(tx, inSegments, "", s.badRow, func(key string, r segmentRow) error {
			cameras := lost[r.Minute]
			if cameras == nil {
				return nil
			}
			l, err := r.line(key)
			if err != nil {
				s.badRow(err)
				return nil
			}
			s.addSealed(tx, cameras, l)
			return nil
		})
	})
	s.mu.Unlock()
	for part := range slices.Chunk(owns, 200) {
		if err == nil {
			err = s.oweAgain(part, lost)
		}
	}
	if err == nil {
		s.mu.Lock()
		err = s.db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(inMeta).Put(metaLog, []byte(strconv.FormatUint(log, 10)))
		})
		s.mu.Unlock()
	}
	if err != nil {
		return 0, fmt.Errorf("footage: seal again: %w", err)
	}
	if retry := s.settle(ctx); !retry.IsZero() {
		return len(owns), errors.New("footage: the journal cannot be written; what must be sealed again is journalled later")
	}
	return len(owns), nil
}

func (s *Store) oweAgain(owns []uint64, lost map[uint64]map[protocol.CameraID]*protocol.SealedCamera) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, own := range owns {
			m, found, err := get[minuteRow](tx, inMinutes, number(own))
			if err != nil {
				return err
			}
			if !found { // all of it is gone by now
				continue
			}
			list, err := m.leaves()
			if err != nil {
				return err
			}
			m.Seq = 0
			if err := putMinute(tx, own, m); err != nil {
				return err
			}
			if len(lost[own]) == 0 { // on its way out: what expires cites no entry then
				continue
			}
			body := protocol.Sealed{Root: m.Root, Count: len(list), Cameras: sorted(lost[own]), Again: true}
			sealed, err := owe(protocol.KindSealed, body)
			if err != nil {
				return err
			}
			sealed.Minute = own
			if err := putOwed(tx, sealed); err != nil {
				return err
			}
		}
		return nil
	})
}
