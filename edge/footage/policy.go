package footage

import (
	"cmp"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Aging is a segment and how long it may be kept.
type Aging struct {
	protocol.SegmentLine
	Window protocol.Window
	Stored int64         // bytes on disk
	Back   time.Duration // how far the clock was set back since it was recorded
}

// Due is when the segment's first frame reaches its window (invariant 3). A clock that is set back makes nothing younger.
func (a Aging) Due() time.Time { return a.Start.Add(a.Window.Duration() - a.Back) }

func (a Aging) interval() protocol.Interval {
	return protocol.Interval{From: a.Start.Time, To: a.End.Time}
}

// Keep is a hold as expiry sees it: it stands until End, or until Lifted where that is not zero and earlier.
type Keep struct {
	Camera protocol.CameraID
	Asked  protocol.Interval
	End    time.Time
	Lifted time.Time
	Over   bool // it came to its end, and a clock that is set back does not bring it back
}

func (k Keep) until() time.Time {
	if !k.Lifted.IsZero() && k.Lifted.Before(k.End) {
		return k.Lifted
	}
	return k.End
}

func (k Keep) covers(s protocol.SegmentLine) bool {
	return k.Camera == s.Camera && k.Asked.Overlaps(protocol.Interval{From: s.Start.Time, To: s.End.Time})
}

// Reason is why a segment goes. It is journalled with its expiry.
type Reason string

const (
	ReasonWindow    Reason = "window"     // its window is over
	ReasonSpace     Reason = "space"      // the disk is full; it goes before its window
	ReasonHoldEnded Reason = "hold-ended" // its window was over before; a hold kept it
	ReasonErase     Reason = "erase"      // it was unlawful: an order of two approvers destroys it before its window
)

// Expiring is a segment that must go now.
type Expiring struct {
	Aging
	Reason Reason
}

// Expired is the whole policy: which of these segments must go at now, why, and when to ask again (zero: nothing is left that ends by itself). Need is how many bytes
// must be freed; what is due counts towards it, and then the oldest segments go early. Precedence: hold > window > space (invariant 5). What it returns is in the
// order of start.
func Expired(segments []Aging, holds []Keep, need int64, now time.Time) (due []Expiring, next time.Time) {
	soonest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	inOrder := make([]*Aging, len(segments))
	for i := range segments {
		inOrder[i] = &segments[i]
	}
	slices.SortStableFunc(inOrder, func(a, b *Aging) int { return compareLines(a.SegmentLine, b.SegmentLine) })
	var spare []*Aging // neither due nor held, oldest first
	for _, s := range inOrder {
		var held, freed time.Time // until when a standing hold keeps it; when the last ended one let it go
		for _, k := range holds {
			switch until := k.until(); {
			case !k.covers(s.SegmentLine):
			case !k.Over && now.Before(until):
				held = later(held, until)
			default:
				freed = later(freed, until)
			}
		}
		switch {
		case !held.IsZero():
			soonest(held)
		case now.Before(s.Due()):
			spare = append(spare, s)
		case freed.After(s.Due()):
			due = append(due, Expiring{*s, ReasonHoldEnded})
			need -= s.Stored
		default:
			due = append(due, Expiring{*s, ReasonWindow})
			need -= s.Stored
		}
	}
	early := false
	for _, s := range spare {
		if need > 0 {
			early = true
			due = append(due, Expiring{*s, ReasonSpace})
			need -= s.Stored
			continue
		}
		soonest(s.Due())
	}
	if early {
		slices.SortStableFunc(due, func(a, b Expiring) int { return compareLines(a.SegmentLine, b.SegmentLine) })
	}
	return due, next
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// compareLines orders by time; segments of one moment as their keys do: by camera, stream, run and place.
func compareLines(a, b protocol.SegmentLine) int {
	return cmp.Or(a.Start.Compare(b.Start.Time), compareParts(a.Camera, b.Camera), compareParts(a.Stream, b.Stream), compareParts(a.Run, b.Run), cmp.Compare(a.N, b.N))
}

// compareParts orders parts of keys, each of which ends in a slash there.
func compareParts[T ~string](a, b T) int {
	n := min(len(a), len(b))
	if c := cmp.Compare(a[:n], b[:n]); c != 0 || len(a) == len(b) {
		return c
	}
	if len(a) == n {
		return cmp.Compare('/', b[n])
	}
	return cmp.Compare(a[n], '/')
}
