package footage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// ErrHeld: a hold keeps footage that an order would erase. Competing holds are decided first.
var ErrHeld = errors.New("a hold stands on it")

// eraseRow is an order to erase that is being carried out. From the moment it stands nobody sees or keeps what it names; it goes when its footage.erased entry is in the journal.
type eraseRow struct {
	V        int               `json:"v"`
	Erase    protocol.Erase    `json:"erase"`
	Interval protocol.Interval `json:"interval"` // rounded outward to the segments found so far
	Segments int               `json:"segments"` // that have a tombstone, or had one
	Bytes    int64             `json:"bytes"`    // of footage
	Done     bool              `json:"done"`     // the entry that says so is owed
}

func (e *eraseRow) covers(l protocol.SegmentLine) bool {
	return e.Erase.Camera == l.Camera && e.Erase.Interval.Overlaps(spanOf(l))
}

func spanOf(l protocol.SegmentLine) protocol.Interval {
	return protocol.Interval{From: l.Start.Time, To: l.End.Time}
}

// Erase destroys what touches e.Interval, on all volumes, before its window: whole segments, in the order in which they expire (invariant 2). It returns when the order stands: from then on
// nobody reads any of it, and what is there is being unlinked. The segment that is being written goes when it is sealed, a minute later at most, so that the order costs no picture beyond it. What is on
// a disk that is away loses its keys now, and its files when the disk is back. That all of it is gone is the entry footage.erased. Erasing again changes nothing; after a start
// [orders.Orders.Erases] says what the journal has no outcome of.
// It fails with [ErrHeld] where a hold stands on any of these segments, and on an order for another recorder or for what was not recorded yet.
func (s *Store) Erase(e protocol.Erase) error {
	if err := s.putErase(e); err != nil {
		return fmt.Errorf("footage: order to erase %s: %w", e.ID, err)
	}
	s.sweep(context.Background())
	s.wake()
	return nil
}

func (s *Store) putErase(e protocol.Erase) error {
	if err := errors.Join(protocol.ValidID(e.ID), protocol.ValidID(e.Camera), e.Interval.Valid(), e.Ground.Valid()); err != nil {
		return err
	}
	if e.Recorder != s.Recorder {
		return fmt.Errorf("is for recorder %s", e.Recorder)
	}
	now := s.Now()
	if e.Interval.To.After(now) {
		return fmt.Errorf("ends at %s; it is %s", protocol.T(e.Interval.To), protocol.T(now))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.erases[e.ID] != nil || s.obeyed[e.ID] {
		return nil
	}
	row := &eraseRow{V: format, Erase: e, Interval: e.Interval}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		widest := s.widest(tx, e, now)
		for _, k := range s.standing(now) {
			if k.Camera == e.Camera && k.Asked.Overlaps(widest) {
				return fmt.Errorf("%w: until %s one keeps %s, and the segments of %s reach from %s to %s", ErrHeld, protocol.T(k.until()), k.Asked, e.Interval, protocol.T(widest.From), protocol.T(widest.To))
			}
		}
		return put(tx, inErases, string(e.ID), row)
	})
	if err == nil {
		s.erases[e.ID] = row
	}
	return err
}

// widest is as far as the segments reach that touch what is to be erased, also those that are not sealed yet. The caller has mu.
func (s *Store) widest(tx *bbolt.Tx, e protocol.Erase, now time.Time) protocol.Interval {
	var lines []protocol.SegmentLine
	s.eachIn(tx, e.Camera, e.Interval, func(_ *runRow, l protocol.SegmentLine) bool { lines = append(lines, l); return true })
	i := round(e.Interval, lines)
	for _, open := range s.unsealed(e.Camera, now) {
		if open.Overlaps(e.Interval) {
			i = protocol.Interval{From: sooner(i.From, open.From), To: later(i.To, open.To)}
		}
	}
	return i
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// unsealed is when a camera may have footage that is not sealed: what is being written, and what a crash or a disk left open, here or on a disk that is away. The caller has mu.
func (s *Store) unsealed(camera protocol.CameraID, now time.Time) (open []protocol.Interval) {
	for _, w := range s.writers {
		if at := w.pending(); w.tape.camera == camera && !at.IsZero() {
			open = append(open, protocol.Interval{From: at, To: later(now, at.Add(time.Millisecond))})
		}
	}
	for key := range s.broken {
		if r := s.runs[key]; r != nil && r.Camera == camera { // no run crosses a clock hour
			open = append(open, protocol.Interval{From: r.End.Time, To: sooner(later(now, r.End.Add(time.Millisecond)), r.Start.Truncate(time.Hour).Add(time.Hour+maxStep*time.Second/timescale))})
		}
	}
	return open
}

// erasing says that a segment is under an order to erase. The caller has mu.
func (s *Store) erasing(l protocol.SegmentLine) bool {
	for _, e := range s.erases {
		if e.covers(l) {
			return true
		}
	}
	return false
}

// wasErased says that a segment that is gone went by order. The caller has mu.
func (s *Store) wasErased(tx *bbolt.Tx, l protocol.SegmentLine) (erased bool, err error) {
	err = each(tx, inGaps, streamKey(l.Camera, l.Stream)+"/", s.badRow, func(_ string, row gapRow) error {
		g := row.Gap
		erased = erased || g.Cause == string(CauseErased) && g.To != nil && !l.Start.Before(g.From.Time) && l.Start.Before(g.To.Time)
		return nil
	})
	return erased, err
}

// erase puts tombstones over all that orders to erase name and that is sealed. Unlinking, keys and entries are those of expiry. The caller has sweeping.
func (s *Store) erase() (next time.Time) {
	s.mu.Lock()
	ids := slices.Sorted(maps.Keys(s.erases))
	s.mu.Unlock()
	for _, id := range ids {
		for _, v := range s.volumes {
			for more := true; more; {
				var err error
				if more, err = s.eraseSome(v, id, s.Clock()); err != nil {
					s.incident("an erasure cannot be written to the index", "", short(err))
					next, more = s.Now().Add(retryUnlink), false
				}
			}
		}
	}
	return next
}

// eraseSome buries what an order names on a volume, as much as one transaction takes.
func (s *Store) eraseSome(v *volume, id protocol.DocumentID, reading trusted.Reading) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.erases[id]
	if was == nil {
		return false, nil
	}
	row := *was
	c := candidates{rows: map[string]segmentRow{}, runs: map[string]*runRow{}, broken: map[string]bool{}, erase: id}
	var due []Expiring
	var lines []protocol.SegmentLine
	err = s.db.View(func(tx *bbolt.Tx) error {
		for r := range s.runsOf(tx, row.Erase.Camera, row.Erase.Interval) {
			if r.Volume != v.inRow() {
				continue
			}
			broken := s.eachLine(tx, r, 0, func(seg segmentRow, l protocol.SegmentLine) bool {
				if more = len(due) >= s.atOnce; more {
					return false
				}
				if row.covers(l) {
					seg.list, seg.Fragments = nil, nil
					c.rows[segmentKey(l)], c.runs[r.key()] = seg, r
					due, lines = append(due, Expiring{s.aging(r, l, seg.stored(l), reading), ReasonErase}), append(lines, l)
				}
				return l.Start.Before(row.Erase.Interval.To)
			})
			c.broken[r.key()] = broken > 0
			if more {
				break
			}
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return false, err
	}
	row.Interval, row.Segments = round(row.Interval, lines), row.Segments+len(lines)
	for _, l := range lines {
		row.Bytes += l.Size
	}
	c.with = func(tx *bbolt.Tx) error {
		err := put(tx, inErases, string(id), row)
		for _, g := range erasedGaps(row.Erase, lines) {
			err = errors.Join(err, endGap(tx, g, g.To.Time))
		}
		return err
	}
	if _, err = s.putTombstones(v, due, &c, s.standing(reading.Now), reading); err != nil && s.spendReserve(err) {
		return true, nil
	}
	if err == nil {
		s.erases[id] = &row
	}
	return more && err == nil, err
}

// erasedGaps are the gaps that erased segments leave, those that meet as one: what was erased is told apart from what expired and from what was never recorded (invariant 6).
func erasedGaps(e protocol.Erase, lines []protocol.SegmentLine) (gaps []protocol.Gap) {
	slices.SortFunc(lines, compareLines)
	for _, l := range lines {
		at := slices.IndexFunc(gaps, func(g protocol.Gap) bool { return g.Stream == l.Stream && l.Start.Sub(g.To.Time) <= meet })
		if at >= 0 {
			to := protocol.T(later(gaps[at].To.Time, l.End.Time))
			gaps[at].To = &to
			continue
		}
		to := l.End
		gaps = append(gaps, protocol.Gap{Camera: l.Camera, Stream: l.Stream, Cause: string(CauseErased), From: l.Start, To: &to,
			Detail: fmt.Sprintf("destroyed as unlawful by order %s, ground %s", e.ID, e.Ground)})
	}
	return gaps
}

// finishErases owes the entry that closes an order of which nothing is left: no segment that it names, none that may still be sealed, no file and no key. The caller has tidying.
func (s *Store) finishErases() (next time.Time) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.erases)) {
		was := s.erases[id]
		if was.Done || s.eraseGoesOn(was, now) {
			continue
		}
		row := *was
		row.Done = true
		err := s.db.Update(func(tx *bbolt.Tx) error {
			body := protocol.Erased{Erase: id, Camera: row.Erase.Camera, Asked: row.Erase.Interval, Interval: row.Interval, Segments: row.Segments, Bytes: row.Bytes}
			erased, err := owe(protocol.KindErased, body)
			if err != nil {
				return err
			}
			erased.Erase = id
			return errors.Join(put(tx, inErases, string(id), row), putOwed(tx, erased))
		})
		if err != nil {
			s.incidentLocked("an erasure cannot be written to the index", row.Erase.Camera, short(err))
			next = now.Add(retryUnlink)
			continue
		}
		s.erases[id] = &row
	}
	return next
}

// eraseGoesOn says that something of what an order names is still there, and reports what a person must know of it. The caller has mu.
func (s *Store) eraseGoesOn(e *eraseRow, now time.Time) bool {
	for _, open := range s.unsealed(e.Erase.Camera, now) {
		if open.Overlaps(e.Erase.Interval) {
			return true
		}
	}
	for _, t := range s.tombs {
		if t.erase != e.Erase.ID {
			continue
		}
		if v := s.volumeOf(&runRow{Volume: t.volume}); v.away != nil {
			s.incidentLocked("erasure on a missing disk", e.Erase.Camera, fmt.Sprintf("order %s: segments on %s; their keys go now, their files when the disk is back", e.Erase.ID, v))
		}
		return true
	}
	left, unread := false, 0
	err := s.db.View(func(tx *bbolt.Tx) error {
		for r := range s.runsOf(tx, e.Erase.Camera, e.Erase.Interval) {
			unread += s.eachLine(tx, r, 0, func(_ segmentRow, l protocol.SegmentLine) bool {
				left = left || e.covers(l)
				return l.Start.Before(e.Erase.Interval.To)
			})
		}
		return nil
	})
	if err != nil {
		s.badRow(err)
		return true
	}
	if unread > 0 { // nobody can read it either; see clearRun
		s.incidentLocked("erasure of what cannot be read", e.Erase.Camera, fmt.Sprintf("order %s: %d rows of its runs cannot be read; files that they are of go with the end of their window", e.Erase.ID, unread))
	}
	return left
}
