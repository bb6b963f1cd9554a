package footage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// ErrHoldShare: the hold would take more of the disk than the roster allows holds to take.
var ErrHoldShare = errors.New("holds would take more than their share of the disk")

type holdRow struct {
	V      int            `json:"v"`
	Hold   protocol.Hold  `json:"hold"`
	Placed protocol.Time  `json:"placed"`
	Lifted *protocol.Time `json:"lifted,omitempty"` // by order
	Over   bool           `json:"over"`             // its end came or it was lifted, and the entry that says so is owed or written

	// Once every segment that touches Asked is sealed:
	Confirmed bool              `json:"confirmed"`
	Interval  protocol.Interval `json:"interval,omitzero"`
	Segments  int               `json:"segments"`
	Bytes     int64             `json:"bytes"`
	Root      protocol.Hash     `json:"root"`
	Missing   int               `json:"missing,omitempty"` // segments it keeps that could not be seen then: it is confirmed again when they can
}

func (h *holdRow) keep() Keep {
	k := Keep{Camera: h.Hold.Camera, Asked: h.Hold.Asked, End: h.Hold.End.Time, Over: h.Over || h.Lifted != nil}
	if h.Lifted != nil {
		k.Lifted = h.Lifted.Time
	}
	return k
}

// HoldState is a hold as it stands on this recorder.
type HoldState struct {
	protocol.Hold
	Interval protocol.Interval // Asked rounded outward to whole segments
	Segments int
	Bytes    int64         // of footage, as it will be released
	Root     protocol.Hash // RFC 6962 root over the SegmentLines, in time order
	Complete bool          // every segment that touches Asked is sealed: the hold.placed entry is written or owed
	Missing  int           // segments that it keeps besides, on a disk that is not there
}

// Place keeps what touches h.Asked, also what is still to be recorded, until h.End. Footage that was already due is not brought back. It returns when the hold stands; that
// it is confirmed is the entry hold.placed, which follows when every segment it touches is sealed. Placing a hold again changes nothing, also when it has ended. It
// fails with [ErrHoldShare], and on a hold that is over or of another recorder.
func (s *Store) Place(h protocol.Hold) error {
	s.sweep(context.Background())
	if err := s.place(h); err != nil {
		return fmt.Errorf("footage: hold %s: %w", h.ID, err)
	}
	s.sweep(context.Background())
	s.wake()
	return nil
}

func (s *Store) place(h protocol.Hold) error {
	if err := errors.Join(protocol.ValidID(h.ID), protocol.ValidID(h.Camera), h.Asked.Valid(), h.Ground.Valid()); err != nil {
		return err
	}
	if h.Recorder != s.Recorder {
		return fmt.Errorf("is for recorder %s", h.Recorder)
	}
	now := s.Now()
	total, err := s.capacity()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds[h.HoldID()] != nil {
		return nil
	}
	if !now.Before(h.End.Time) {
		return fmt.Errorf("ended at %s; it is %s", h.End, protocol.T(now))
	}
	row := &holdRow{V: format, Hold: h, Placed: protocol.T(now)}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		held := s.heldBytes(tx, append(s.standing(now), row.keep()))
		if limit := total / 100 * int64(s.share); held > limit {
			return fmt.Errorf("%w: %d bytes of at most %d", ErrHoldShare, held, limit)
		}
		return put(tx, inHolds, string(h.ID), row)
	})
	if err == nil {
		s.holds[h.HoldID()] = row
	}
	return err
}

// SetHoldShare changes the percentage of the disk that holds may take. Holds that stand are not touched.
func (s *Store) SetHoldShare(percent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.share = percent
}

// Lift ends a hold before its end. What was overdue goes before it returns. Lifting again changes nothing; reason is for this machine's log.
func (s *Store) Lift(id protocol.HoldID, reason string) error {
	if err := s.lift(id); err != nil {
		return fmt.Errorf("footage: lifting hold %s: %w", id, err)
	}
	s.Log.Info("footage: hold lifted", "hold", id, "reason", reason)
	s.sweep(context.Background())
	s.wake()
	return nil
}

func (s *Store) lift(id protocol.HoldID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.holds[id]
	if known == nil {
		return errors.New("it was never placed here, or ended long ago")
	}
	if known.Over || known.Lifted != nil {
		return nil
	}
	row := *known
	at := protocol.T(s.Now())
	row.Lifted = &at
	if err := s.db.Update(func(tx *bbolt.Tx) error { return put(tx, inHolds, string(id), row) }); err != nil {
		return err
	}
	s.holds[id] = &row
	s.lookForRoom()
	return nil
}

// lookForRoom has volumes that only held footage was left on looked at again. The caller has mu.
func (s *Store) lookForRoom() {
	for _, v := range s.volumes {
		v.fullUntil = time.Time{}
	}
}

// Holds are the holds that stand, oldest first.
func (s *Store) Holds() ([]HoldState, error) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []HoldState
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, h := range s.holds {
			if k := h.keep(); k.Over || !now.Before(k.until()) {
				continue
			}
			state := HoldState{Hold: h.Hold, Interval: h.Interval, Segments: h.Segments, Bytes: h.Bytes, Root: h.Root, Complete: h.Confirmed, Missing: h.Missing}
			if !h.Confirmed {
				if err := s.measure(tx, &state); err != nil {
					return err
				}
			}
			out = append(out, state)
		}
		return nil
	})
	slices.SortFunc(out, func(a, b HoldState) int {
		return strings.Compare(a.NotBefore.String()+string(a.ID), b.NotBefore.String()+string(b.ID))
	})
	return out, err
}

// measure fills in what a hold keeps now.
func (s *Store) measure(tx *bbolt.Tx, h *HoldState) (err error) {
	lines, away := s.lines(tx, h.Camera, h.Asked), s.linesOn(tx, h.Camera, h.Asked, true)
	h.Interval, h.Segments, h.Bytes, h.Missing = round(h.Asked, append(away, lines...)), len(lines), 0, len(away)
	for _, l := range lines {
		h.Bytes += l.Size
	}
	h.Root, err = rootOf(leaves(lines))
	return err
}

// keeps are all holds as expiry sees them, ended ones too: they say why overdue footage goes now. The caller has mu.
func (s *Store) keeps() []Keep {
	keeps := make([]Keep, 0, len(s.holds))
	for _, h := range s.holds {
		keeps = append(keeps, h.keep())
	}
	return keeps
}

// standing are the holds that keep footage at now. The caller has mu.
func (s *Store) standing(now time.Time) []Keep {
	return slices.DeleteFunc(s.keeps(), func(k Keep) bool { return k.Over || !now.Before(k.until()) })
}

func held(keeps []Keep, l protocol.SegmentLine) bool {
	return slices.ContainsFunc(keeps, func(k Keep) bool { return k.covers(l) })
}

// heldBytes is what these holds keep together, in bytes on disk; what two of them keep counts once. The caller has mu.
func (s *Store) heldBytes(tx *bbolt.Tx, keeps []Keep) (total int64) {
	seen := map[string]bool{}
	for _, of := range keeps {
		for r := range s.runsOf(tx, of.Camera, of.Asked) {
			whole := slices.ContainsFunc(keeps, func(k Keep) bool { return k.Camera == r.Camera && k.Asked.Contains(r.interval()) })
			switch {
			case seen[r.key()]:
			case whole:
				total += r.Bytes
			default:
				s.eachLine(tx, r, 0, func(row segmentRow, l protocol.SegmentLine) bool {
					if held(keeps, l) {
						total += row.stored(l)
					}
					return true
				})
			}
			seen[r.key()] = true
		}
	}
	return total
}

// eachIn reads the sealed segments of a camera that touch an interval and are not being erased, until see returns false. The caller has mu.
func (s *Store) eachIn(tx *bbolt.Tx, camera protocol.CameraID, i protocol.Interval, see func(r *runRow, l protocol.SegmentLine) bool) {
	more := true
	for r := range s.runsOf(tx, camera, i) {
		s.eachLine(tx, r, 0, func(_ segmentRow, l protocol.SegmentLine) bool {
			if i.Overlaps(spanOf(l)) && !s.erasing(l) {
				more = see(r, l)
			}
			return more && l.Start.Before(i.To)
		})
		if !more {
			return
		}
	}
}

// lines are the sealed segments of a camera that touch an interval and can be reached, in time order. The caller has mu.
func (s *Store) lines(tx *bbolt.Tx, camera protocol.CameraID, i protocol.Interval) []protocol.SegmentLine {
	return s.linesOn(tx, camera, i, false)
}

// linesOn is lines, or those whose disk is away.
func (s *Store) linesOn(tx *bbolt.Tx, camera protocol.CameraID, i protocol.Interval, away bool) (lines []protocol.SegmentLine) {
	s.eachIn(tx, camera, i, func(r *runRow, l protocol.SegmentLine) bool {
		if (s.volumeOf(r).away != nil) == away {
			lines = append(lines, l)
		}
		return true
	})
	slices.SortFunc(lines, compareLines)
	return lines
}

// round widens an interval to the segments that touch it.
func round(i protocol.Interval, lines []protocol.SegmentLine) protocol.Interval {
	for _, l := range lines {
		if l.Start.Before(i.From) {
			i.From = l.Start.Time
		}
		i.To = later(i.To, l.End.Time)
	}
	return i
}

// tendHolds ends what has come to its end and confirms what is complete.
func (s *Store) tendHolds() (next time.Time) {
	now := s.Now()
	soonest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.holds {
		var err error
		until := h.keep().until()
		switch {
		case !h.Over && (h.Lifted != nil || !now.Before(until)):
			err = s.endHold(h)
		case h.Over:
			err = s.forgetHold(h, now)
		case !h.Confirmed && !now.Before(h.Hold.Asked.To) && !s.unsealedIn(h.Hold.Camera, h.Hold.Asked):
			err = s.confirm(h)
		case h.Missing > 0 && !s.unsealedIn(h.Hold.Camera, h.Hold.Asked):
			err = s.complete(h)
		case !h.Confirmed && now.Before(h.Hold.Asked.To):
			soonest(h.Hold.Asked.To)
		}
		if err != nil {
			s.incidentLocked("hold cannot be written to the index", h.Hold.Camera, short(err))
			soonest(now.Add(retryUnlink))
		}
		if now.Before(until) && !h.Over {
			soonest(until)
		}
	}
	return next
}

func (s *Store) endHold(h *holdRow) error {
	row := *h
	row.Over = true
	reason := "end"
	if row.Lifted != nil {
		reason = "lift"
	}
	lifted, err := owe(protocol.KindHoldLifted, protocol.HoldLifted{Hold: h.Hold.HoldID(), Reason: reason})
	if err != nil {
		return err
	}
	err = s.rejudge(h.Hold.Camera, func(tx *bbolt.Tx) error {
		return errors.Join(put(tx, inHolds, string(h.Hold.ID), row), putOwed(tx, lifted))
	})
	if err == nil {
		s.holds[h.Hold.HoldID()] = &row
		s.lookForRoom()
	}
	return err
}

// forgetHold drops a hold that is over, whose end has come, and of whose footage nothing is left.
func (s *Store) forgetHold(h *holdRow, now time.Time) error {
	if now.Before(h.Hold.End.Time) {
		return nil // an order that comes again must find it ended
	}
	left := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		s.eachIn(tx, h.Hold.Camera, h.Hold.Asked, func(*runRow, protocol.SegmentLine) bool { left = true; return false })
		return nil
	})
	if err != nil || left {
		return err
	}
	if err := s.db.Update(func(tx *bbolt.Tx) error { return del(tx, inHolds, string(h.Hold.ID)) }); err != nil {
		return err
	}
	delete(s.holds, h.Hold.HoldID())
	return nil
}

// complete confirms a hold again when it sees what it did not see the first time.
func (s *Store) complete(h *holdRow) error {
	state := HoldState{Hold: h.Hold}
	err := s.db.View(func(tx *bbolt.Tx) error { return s.measure(tx, &state) })
	if err != nil || state.Missing >= h.Missing {
		return err
	}
	return s.confirm(h)
}

// confirm owes the entry that says what a hold keeps, as far as that can be seen: a hold of which nothing can be seen yet is not confirmed.
func (s *Store) confirm(h *holdRow) error {
	row := *h
	unseen := false
	err := s.db.Update(func(tx *bbolt.Tx) error {
		state := HoldState{Hold: h.Hold}
		if err := s.measure(tx, &state); err != nil {
			return err
		}
		if state.Missing > 0 {
			s.incidentLocked("hold on a missing disk", h.Hold.Camera, fmt.Sprintf("hold %s: %d segments that it keeps cannot be seen, %d can", h.Hold.ID, state.Missing, state.Segments))
		}
		if unseen = state.Missing > 0 && state.Segments == 0; unseen {
			return nil
		}
		row.Confirmed, row.Interval, row.Segments, row.Bytes, row.Root, row.Missing = true, state.Interval, state.Segments, state.Bytes, state.Root, state.Missing
		placed, err := owe(protocol.KindHoldPlaced, protocol.HoldPlaced{Hold: h.Hold.HoldID(), Request: h.Hold.Request, Camera: h.Hold.Camera, Asked: h.Hold.Asked,
			Interval: row.Interval, Segments: row.Segments, Bytes: row.Bytes, Root: row.Root, End: h.Hold.End})
		if err != nil {
			return err
		}
		return errors.Join(put(tx, inHolds, string(h.Hold.ID), row), putOwed(tx, placed))
	})
	if err == nil && !unseen {
		s.holds[h.Hold.HoldID()] = &row
	}
	return err
}

// unsealedIn says whether a camera may still bring a segment that touches an interval in the past. The caller has mu.
func (s *Store) unsealedIn(camera protocol.CameraID, i protocol.Interval) bool {
	for _, w := range s.writers {
		if at := w.pending(); w.tape.camera == camera && !at.IsZero() && at.Before(i.To) {
			return true
		}
	}
	for key := range s.broken {
		if r := s.runs[key]; r != nil && s.volumeOf(r).away == nil && r.Camera == camera && r.Start.Before(i.To) {
			return true
		}
	}
	return false
}
