// Package destruction makes the certificate of destruction: of one camera and one day, what was deleted, under which protocol, when it was due and when it
// was done.
//
// # What it is worth
//
// A certificate says nothing that the recorder's log does not prove. It is computed from the log alone, and it names each entry it rests on, the checkpoint it was made
// under and who cosigned that. Whoever has the log makes the same certificate again, byte for byte, without the recorder, the centre or us:
//
//	beeldwacht certificate -keys KEYS -camera plein -day 2026-11-21 LOG
//
// That footage is gone is the recorder's word: no log can prove that no copy exists. What the log does prove is that the recorder said so then, to its witnesses, before anyone asked,
// and that nothing it sealed on that day is left out of the count.
//
// # How it counts
//
// Each minute footage.sealed says how many segments a camera has more. Each footage.expired names the segments that went, the minute in which each was sealed, and when each was
// due. So of a day
//
//	sealed = deleted + remaining
//
// and what remains is still there rightly (its window runs, or a hold keeps it) or is *unaccounted for*: sealed, never reported as deleted, while its longest window has passed and
// no hold stands. That is what a privacy officer must look into. A segment that went before its minute was journalled is named by footage.expired alone; it counts as sealed too.
//
// A day is a calendar day in the zone given; a segment belongs to the day in which its first frame was taken. The log counts minutes, not days: what remains of the minute around midnight counts
// for both days until it is deleted, so that a day is never called empty too soon.
//
// Under which mandate a segment went: the newest one accepted before it went whose window is the segment's own; a longer window never lengthens the life of footage that exists, so an older
// mandate may still count for it. Footage that went by another window than any mandate's (a lower ceiling of the roster) counts under the mandate that was in force when it was taken.
package destruction

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Account is what a recorder's log says of sealing and deletion, in days. Give it the entries in order, from the first; one goroutine at a time.
type Account struct {
	zone *time.Location

	days     map[dayKey]*Day
	mandates map[protocol.CameraID][]mandate // as accepted
	holds    map[protocol.HoldID]*hold
	erases   map[protocol.DocumentID]Erasure // orders to erase, as accepted
	midnight map[minuteKey]*minute           // minutes around a midnight of which segments remain
	last     map[segmentID]bool              // of the newest footage.expired entry: a crash may write one twice
	until    protocol.Time                   // of the newest entry
	unread   uint64                          // entries that tell of sealing or deletion but whose body is gone or not understood
}

type dayKey struct {
	camera protocol.CameraID
	date   string
}

type minuteKey struct {
	seq    uint64
	camera protocol.CameraID
}

type minute struct {
	days [2]dayKey
	left int
}

type segmentID struct {
	run protocol.RunID
	n   int
}

type mandate struct {
	*protocol.Mandate
	entry uint64
	at    time.Time
}

type hold struct {
	protocol.HoldPlaced
	lifted time.Time // zero: it stands until its end
}

func (h *hold) until() time.Time {
	if !h.lifted.IsZero() && h.lifted.Before(h.End.Time) {
		return h.lifted
	}
	return h.End.Time
}

// Day is what became of one camera's footage of one calendar day.
type Day struct {
	Camera   protocol.CameraID `json:"camera"`
	Date     string            `json:"date"` // 2026-11-21, in the account's zone
	Interval protocol.Interval `json:"interval"`

	Sealed       int `json:"sealed"`       // segments; Deleted + Remaining
	Deleted      int `json:"deleted"`      // reported by footage.expired
	Remaining    int `json:"remaining"`    // not reported as deleted
	Unaccounted  int `json:"unaccounted"`  // of those: past the longest window, and no hold stands
	Unjournalled int `json:"unjournalled"` // of the deleted: went before its minute was journalled

	Reasons []Reason          `json:"reasons,omitempty"`
	Under   []Rule            `json:"under,omitempty"`
	Erased  []Erasure         `json:"erased,omitempty"` // orders that destroyed some of it before its window
	Held    []protocol.HoldID `json:"held,omitempty"`   // holds that stand on this day

	FirstDue *protocol.Time `json:"firstDue,omitempty"`
	LastDue  *protocol.Time `json:"lastDue,omitempty"`
	LastGone *protocol.Time `json:"lastGone,omitempty"`
	Latest   Late           `json:"latest"` // the longest that a segment outlived its due time, or the end of its last hold; 0 if none did

	From uint64 `json:"from"` // the first and last entry that this day rests on, mandates aside
	To   uint64 `json:"to"`

	firstExpired uint64 // entry
}

// Expiries is where in the log the footage.expired entries of this day lie: from up to but not including end. Rows are among them (RowOf).
func (d Day) Expiries() (from, end uint64) {
	if d.Deleted == 0 {
		return 0, 0
	}
	return d.firstExpired, d.To + 1
}

// Reason is why segments went: the words of protocol.Expired.
type Reason struct {
	Reason   string `json:"reason"`
	Segments int    `json:"segments"`
}

// Rule is a mandate under which segments went.
type Rule struct {
	Entry    uint64              `json:"entry"` // of order.accepted
	Mandate  protocol.DocumentID `json:"mandate"`
	Version  uint64              `json:"version"`
	Protocol string              `json:"protocol"`
	Besluit  string              `json:"besluit"`
	Window   protocol.Window     `json:"window"`
	Segments int                 `json:"segments"`
	Exact    bool                `json:"exact"` // false: they went by a shorter window than this mandate's
}

// Erasure is an order of two approvers under which segments went before their window: they were unlawful.
type Erasure struct {
	Entry     uint64               `json:"entry"` // of order.accepted; 0: the log does not have it
	Order     protocol.DocumentID  `json:"order"`
	Ground    protocol.EraseGround `json:"ground"`
	Dossier   protocol.DossierID   `json:"dossier"`
	Approvers []protocol.PersonID  `json:"approvers"`
	Level     protocol.Level       `json:"level"`
	Segments  int                  `json:"segments"`
}

// NewAccount begins an account in days of the zone.
func NewAccount(zone *time.Location) *Account {
	return &Account{zone: zone, days: map[dayKey]*Day{}, mandates: map[protocol.CameraID][]mandate{}, holds: map[protocol.HoldID]*hold{}, erases: map[protocol.DocumentID]Erasure{}, midnight: map[minuteKey]*minute{}}
}

// Read takes the next entry; a nil body is one that was destroyed. What it cannot read it counts, and certificates say so: an entry that cannot be read must not look like
// one that is not there.
func (a *Account) Read(h chain.Header, body []byte) {
	a.until = h.Time
	read := func(v any) bool {
		if body == nil || chain.ParseBody(body, v) != nil {
			a.unread++
			return false
		}
		return true
	}
	switch h.Kind {
	case protocol.KindOrder:
		var o protocol.Order
		switch ok := read(&o); {
		case ok && o.Kind == "mandate":
			a.mandate(h, o)
		case ok && o.Kind == "erase":
			a.erase(h, o)
		}
	case protocol.KindHoldPlaced:
		var p protocol.HoldPlaced
		if read(&p) {
			a.holds[p.Hold] = &hold{HoldPlaced: p}
		}
	case protocol.KindHoldLifted:
		var l protocol.HoldLifted
		if read(&l) && a.holds[l.Hold] != nil {
			a.holds[l.Hold].lifted = h.Time.Time
		}
	case protocol.KindSealed:
		var s protocol.Sealed
		if read(&s) {
			for _, c := range s.Cameras {
				a.sealed(h.Seq, c)
			}
		}
	case protocol.KindExpired:
		var x protocol.Expired
		if read(&x) {
			a.expired(h.Seq, x)
		}
	}
}

func (a *Account) mandate(h chain.Header, o protocol.Order) {
	signed, err := protocol.ParseDocument([]byte(o.Document))
	m, ok := signed.Document.(*protocol.Mandate)
	if err != nil || !ok {
		a.unread++
		return
	}
	a.mandates[m.Camera] = append(a.mandates[m.Camera], mandate{m, h.Seq, h.Time.Time})
}

func (a *Account) erase(h chain.Header, o protocol.Order) {
	signed, err := protocol.ParseDocument([]byte(o.Document))
	e, ok := signed.Document.(*protocol.Erase)
	if err != nil || !ok {
		a.unread++
		return
	}
	a.erases[e.ID] = Erasure{Entry: h.Seq, Order: e.ID, Ground: e.Ground, Dossier: e.Dossier, Approvers: e.Approvers, Level: o.Level}
}

func (a *Account) key(camera protocol.CameraID, t time.Time) dayKey {
	return dayKey{camera, t.In(a.zone).Format(time.DateOnly)}
}

// day is the record of one camera and day, made at its first entry.
func (a *Account) day(k dayKey, entry uint64) *Day {
	d := a.days[k]
	if d == nil {
		d = &Day{Camera: k.camera, Date: k.date, Interval: DayOf(k.date, a.zone), From: entry}
		a.days[k] = d
	}
	d.To = entry
	return d
}

// DayOf is the calendar day in the zone: 23 or 25 hours where the clock changes. The date must be one.
func DayOf(date string, zone *time.Location) protocol.Interval {
	from, err := time.ParseInLocation(time.DateOnly, date, zone)
	if err != nil {
		return protocol.Interval{}
	}
	return protocol.Span(from, from.AddDate(0, 0, 1))
}

func (a *Account) sealed(seq uint64, c protocol.SealedCamera) {
	first, last := a.key(c.Camera, c.First.Time), a.key(c.Camera, c.Last.Add(-time.Millisecond))
	a.day(first, seq)
	if first == last {
		a.days[first].Remaining += c.Count
		return
	}
	a.day(last, seq)
	a.midnight[minuteKey{seq, c.Camera}] = &minute{[2]dayKey{first, last}, c.Count}
}

func (a *Account) expired(seq uint64, x protocol.Expired) {
	again := true
	these := make(map[segmentID]bool, len(x.Segments))
	for _, s := range x.Segments {
		id := segmentID{s.Run, s.N}
		these[id] = true
		again = again && a.last[id]
	}
	if again {
		return
	}
	a.last = these
	for _, s := range x.Segments {
		k := a.key(s.Camera, s.Start.Time)
		d := a.day(k, seq)
		if d.Deleted++; d.Deleted == 1 {
			d.firstExpired = seq
		}
		m := a.midnight[minuteKey{s.Minute, s.Camera}]
		switch {
		case s.Minute == 0:
			d.Unjournalled++
		case m != nil:
			if m.left--; m.left == 0 {
				delete(a.midnight, minuteKey{s.Minute, s.Camera})
			}
		default:
			d.Remaining--
		}
		d.reason(x.Reason)
		if x.Erase != "" {
			order := a.erases[x.Erase]
			order.Order = x.Erase
			d.erasure(order)
		}
		var freed time.Time
		gone := x.GoneAt(s)
		if x.Reason == "hold-ended" {
			freed = a.freed(s, gone.Time)
		}
		d.moments(s.Due, gone, freed)
		d.rule(a.under(s, gone.Time))
	}
}

// freed is when the last of the holds that had kept a segment let it go; zero if the log knows none.
func (a *Account) freed(s protocol.ExpiredSegment, gone time.Time) (freed time.Time) {
	for _, h := range a.holds {
		if h.Camera == s.Camera && h.Interval.Has(s.Start.Time) && h.until().After(freed) && !h.until().After(gone) {
			freed = h.until()
		}
	}
	return freed
}

func (d *Day) reason(reason string) {
	i := slices.IndexFunc(d.Reasons, func(r Reason) bool { return r.Reason == reason })
	if i < 0 {
		i, d.Reasons = len(d.Reasons), append(d.Reasons, Reason{Reason: reason})
	}
	d.Reasons[i].Segments++
}

func (d *Day) erasure(order Erasure) {
	i := slices.IndexFunc(d.Erased, func(e Erasure) bool { return e.Order == order.Order })
	if i < 0 {
		i, d.Erased = len(d.Erased), append(d.Erased, order)
	}
	d.Erased[i].Segments++
}

func (d *Day) moments(due, at protocol.Time, freed time.Time) {
	if d.FirstDue == nil || due.Before(d.FirstDue.Time) {
		d.FirstDue = &due
	}
	if d.LastDue == nil || due.After(d.LastDue.Time) {
		d.LastDue = &due
	}
	if d.LastGone == nil || at.After(d.LastGone.Time) {
		d.LastGone = &at
	}
	allowed := due.Time
	if freed.After(allowed) {
		allowed = freed
	}
	d.Latest = max(d.Latest, Late(at.Sub(allowed)))
}

// under is the mandate that a segment went under; nil if the log knows none.
func (a *Account) under(s protocol.ExpiredSegment, gone time.Time) (m *mandate, exact bool) {
	window := protocol.Window(s.Due.Sub(s.Start.Time))
	list := a.mandates[s.Camera]
	for i := range list {
		switch known := &list[i]; {
		case known.at.After(gone):
		case known.Window == window:
			m, exact = known, true
		case !exact && (m == nil || !known.NotBefore.After(s.Start.Time)):
			m = known
		}
	}
	return m, exact
}

func (d *Day) rule(m *mandate, exact bool) {
	if m == nil {
		return
	}
	i := slices.IndexFunc(d.Under, func(r Rule) bool { return r.Entry == m.entry && r.Exact == exact })
	if i < 0 {
		i = len(d.Under)
		d.Under = append(d.Under, Rule{Entry: m.entry, Mandate: m.ID, Version: m.Version, Protocol: m.Protocol, Besluit: m.Besluit, Window: m.Window, Exact: exact})
	}
	d.Under[i].Segments++
}

// Days are all days of all cameras, or of one, newest first.
func (a *Account) Days(camera protocol.CameraID) []Day {
	var list []Day
	for k := range a.days {
		if camera == "" || k.camera == camera {
			list = append(list, a.finished(k))
		}
	}
	slices.SortFunc(list, func(x, y Day) int { return cmp.Or(-cmp.Compare(x.Date, y.Date), cmp.Compare(x.Camera, y.Camera)) })
	return list
}

// Day is one, or false if the log knows nothing of it.
func (a *Account) Day(camera protocol.CameraID, date string) (Day, bool) {
	k := dayKey{camera, date}
	if a.days[k] == nil {
		return Day{}, false
	}
	return a.finished(k), true
}

// Unread is how many entries that bear on certificates could not be read: their body is gone, or of a newer kind.
func (a *Account) Unread() uint64 { return a.unread }

// finished is a day with all that follows from the whole log.
func (a *Account) finished(k dayKey) Day {
	d := *a.days[k]
	d.Reasons, d.Under, d.Erased = slices.Clone(d.Reasons), slices.Clone(d.Under), slices.Clone(d.Erased)
	slices.SortFunc(d.Reasons, func(x, y Reason) int { return cmp.Compare(x.Reason, y.Reason) })
	slices.SortFunc(d.Under, func(x, y Rule) int {
		return cmp.Or(cmp.Compare(x.Entry, y.Entry), cmp.Compare(fmt.Sprint(x.Exact), fmt.Sprint(y.Exact)))
	})
	for _, m := range a.midnight {
		if m.days[0] == k || m.days[1] == k {
			d.Remaining += m.left
		}
	}
	d.Sealed = d.Deleted + d.Remaining
	for id, h := range a.holds {
		if h.Camera == k.camera && h.Interval.Overlaps(d.Interval) && h.until().After(a.until.Time) {
			d.Held = append(d.Held, id)
		}
	}
	slices.Sort(d.Held)
	var longest protocol.Window
	for _, m := range a.mandates[k.camera] {
		longest = max(longest, m.Window)
	}
	if longest == 0 {
		longest = protocol.MaxWindow
	}
	if len(d.Held) == 0 && a.until.After(d.Interval.To.Add(longest.Duration()+grace)) {
		d.Unaccounted = d.Remaining
	}
	return d
}

// grace is how long after its time a deletion may be journalled: the entry waits for the key's destruction, at most a minute, and for the journal.
const grace = 15 * time.Minute

// Row is one footage.expired entry, as far as it bears on a camera's day.
type Row struct {
	Entry    uint64        `json:"entry"`
	At       protocol.Time `json:"at"` // when the last of the files were gone
	Reason   string        `json:"reason"`
	Segments int           `json:"segments"`
	First    protocol.Time `json:"first"` // start of the first and last of them
	Last     protocol.Time `json:"last"`
	Due      protocol.Time `json:"due"` // the earliest
}

// RowOf is the row of an entry; false if it does not bear on that camera and day.
func RowOf(h chain.Header, body []byte, camera protocol.CameraID, day protocol.Interval) (r Row, ok bool) {
	var x protocol.Expired
	if h.Kind != protocol.KindExpired || body == nil || chain.ParseBody(body, &x) != nil {
		return Row{}, false
	}
	r = Row{Entry: h.Seq, Reason: x.Reason}
	for _, s := range x.Segments {
		if s.Camera != camera || !day.Has(s.Start.Time) {
			continue
		}
		gone := x.GoneAt(s)
		if r.Segments++; r.Segments == 1 {
			r.First, r.Last, r.Due, r.At = s.Start, s.Start, s.Due, gone
		}
		if gone.After(r.At.Time) {
			r.At = gone
		}
		if s.Start.Before(r.First.Time) {
			r.First = s.Start
		}
		if s.Start.After(r.Last.Time) {
			r.Last = s.Start
		}
		if s.Due.Before(r.Due.Time) {
			r.Due = s.Due
		}
	}
	return r, r.Segments > 0
}
