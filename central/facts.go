package central

import (
	"fmt"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Facts: what recorders' journals tell, and what time brings. A recorder may lie or be confused; what does not fit becomes an incident, never
// an error that stops the rest.

// known says whether this journal entry has become an event before.
func (d *decision) known(s Source) bool { return d.seen[s] }

// Seen says whether this journal entry has become an event: facts may be given again, and a caller may ask first.
func (s *State) Seen(src Source) bool { return s.seen[src] }

// incidentsAnHour is how many incidents of one kind a recorder may open in an hour: a recorder gone bad must not fill the ledger, nor hide one
// incident among thousands of another kind. What is left out stands in its log, which the witness keeps.
const incidentsAnHour = 100

func (d *decision) trouble(i IncidentOpened) {
	i.Kind, i.Detail, i.English = short(i.Kind), short(i.Detail), short(i.English)
	if protocol.ValidID(i.Camera) != nil {
		i.Camera = ""
	}
	if i.Recorder != "" {
		open := d.lately(i.Recorder, i.Kind, time.Hour)
		if open >= incidentsAnHour {
			return
		}
		if open == incidentsAnHour-1 {
			i.Detail += " (what more there is of this kind in this hour stands only in the recorder's log)"
		}
	}
	d.record(&i)
}

// group puts all of a recorder's own words together: it could make up as many as it likes.
func group(kind string) string {
	if _, ours := incidentWords[kind]; ours {
		return kind
	}
	return ""
}

// lately counts the incidents of a kind that a recorder opened in the last while.
func (d *decision) lately(r protocol.RecorderID, kind string, while time.Duration) (n int) {
	for _, i := range slices.Backward(d.incidents) {
		if d.now.Sub(i.Opened.Time) >= while {
			break
		}
		if i.Source.Recorder == r && group(i.Kind) == group(kind) {
			n++
		}
	}
	return n
}

const longest = 800 // characters: what was seen, in two languages

// short keeps what others wrote from filling the ledger: an entry has a longest length, and a fact that does not fit would never be taken in.
func short(s string) string {
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

func (c ConfirmHold) decide(d *decision) error {
	p := c.Placed
	if d.known(c.Source) || d.gone[protocol.DocumentID(p.Hold)] != "" {
		return nil
	}
	h := d.holds[p.Hold]
	switch {
	case h == nil || h.Recorder != c.Recorder || h.Camera != p.Camera || h.Request != p.Request || !h.Asked.Equal(p.Asked):
		d.trouble(IncidentOpened{Source: c.Source, Kind: "hold-mismatch", Detail: fmt.Sprintf("hold %s of camera %s, asked %s", p.Hold, p.Camera, p.Asked), Camera: p.Camera})
	case h.Lifted == nil && (h.Confirmed == nil || p.Segments > h.Confirmed.Segments): // more, when a disk that was missing on the recorder is back
		d.record(&HoldConfirmed{Source: c.Source, Hold: p.Hold, Interval: p.Interval, Segments: p.Segments, Bytes: p.Bytes, Root: p.Root, End: p.End})
	case c.Log > 1 && h.Lifted == nil && p.Segments < h.Confirmed.Segments: // it was put back, and what is held went before the order came again
		d.trouble(IncidentOpened{Source: c.Source, Kind: "hold-less", Detail: fmt.Sprintf("hold %s of camera %s: %d segments were held, %d are", p.Hold, p.Camera, h.Confirmed.Segments, p.Segments), Request: h.Request, Camera: h.Camera})
	}
	return nil
}

func (c RecordLifted) decide(d *decision) error {
	if d.known(c.Source) {
		return nil
	}
	if h := d.holds[c.Lifted.Hold]; h != nil && h.Recorder == c.Recorder && h.Lifted == nil {
		d.record(&HoldLifted{c.Source, c.Lifted.Hold, short(c.Lifted.Reason)})
		if !h.LiftSent && d.now.Before(h.End.Add(-clockSlack)) {
			d.trouble(IncidentOpened{Source: c.Source, Kind: "hold-lost", Detail: fmt.Sprintf("hold %s ends %s; the recorder says: %s", h.ID, h.End, c.Lifted.Reason), Request: h.Request, Camera: h.Camera})
		}
	}
	return nil
}

func (c RecordRelease) decide(d *decision) error {
	f := c.Released
	if d.known(c.Source) || d.gone[protocol.DocumentID(f.Grant)] != "" {
		return nil
	}
	g := d.grants[f.Grant]
	if g == nil || g.Recorder != c.Recorder || g.Request != f.Request || g.Camera != f.Camera || g.Use != protocol.UseRelease || g.Released != nil ||
		f.Object != ObjectName(c.Recorder, f.Grant) { // another's bag under this request would go to the wrong unit
		d.trouble(IncidentOpened{Source: c.Source, Kind: "release-unknown", Detail: fmt.Sprintf("grant %s, object %s", f.Grant, f.Object), Camera: f.Camera})
		return nil
	}
	d.record(&FootageReleased{Source: c.Source, Request: f.Request, Grant: f.Grant, Intent: f.Intent, Object: f.Object, Size: f.Size, SHA256: f.SHA256,
		Bag: f.Bag, Manifest: f.Manifest, Segments: f.Segments, Gaps: f.Gaps})
	return nil
}

func (c RecordReleaseFailed) decide(d *decision) error {
	f := c.Failed
	if d.known(c.Source) || d.gone[protocol.DocumentID(f.Grant)] != "" {
		return nil
	}
	g := d.grants[f.Grant]
	if g == nil || g.Recorder != c.Recorder || g.Request != f.Request {
		d.trouble(IncidentOpened{Source: c.Source, Kind: "release-unknown", Detail: fmt.Sprintf("grant %s: %s", f.Grant, f.Reason)})
		return nil
	}
	if g.Released != nil || g.Final || g.Failed != "" && !f.Final {
		return nil // it came right after all; or it is said already
	}
	d.record(&ReleaseFailed{c.Source, f.Request, f.Grant, short(f.Reason), f.Final})
	if g.Failed == "" {
		d.trouble(IncidentOpened{Source: c.Source, Kind: "release-failed", Detail: f.Reason, Request: g.Request, Camera: g.Camera})
	}
	return nil
}

func (c RecordRefusedOrder) decide(d *decision) error {
	if d.known(c.Source) {
		return nil
	}
	f := c.Refused
	f.Reason = short(f.Reason)
	i := IncidentOpened{Source: c.Source, Kind: "order-refused", Detail: fmt.Sprintf("order %d %s %s: %s", f.Number, f.Kind, f.ID, f.Reason)}
	if r := d.recorders[c.Recorder]; r != nil && r.Order(f.Number) == nil {
		d.taken(c.Source, r, f.Number, f.Kind, f.ID)
	} else if r != nil {
		// The number says which order it was: the rest is the recorder's word.
		o := r.Order(f.Number)
		if c.Log > 1 && d.settled(r, o) { // it was sent again to a recorder that was put back
			return nil
		}
		d.record(&OrderRefused{c.Source, f.Number, o.Kind, o.ID, f.Reason})
		if h := d.holds[protocol.HoldID(o.ID)]; h != nil {
			i.Request, i.Camera = h.Request, h.Camera
		} else if g := d.grants[protocol.GrantID(o.ID)]; g != nil {
			i.Request, i.Camera = g.Request, g.Camera
			if g.Voided != nil {
				return nil // as it should: it went out as one that was over
			}
		} else if e := d.eraseOrder(o.ID); e != nil {
			i.Camera = e.Camera
		}
	}
	d.trouble(i)
	return nil
}

func (c RecordOrder) decide(d *decision) error {
	f := c.Order
	r := d.recorders[c.Recorder]
	if d.known(c.Source) || r == nil {
		return nil
	}
	if f.Number == 0 { // a roster that came by hand, signed by the roots: who witnesses, and with which quorum
		if roster, err := protocol.OpenRoster([]byte(f.Document), r.Roots); err == nil && roster.Version > r.Roster.Version && roster.Recorder == r.ID {
			d.record(&RosterTaken{c.Source, f.Document})
		}
		return nil
	}
	o := r.Order(f.Number)
	if o != nil && (o.Erased || o.Document == f.Document) {
		return nil
	}
	d.taken(c.Source, r, f.Number, f.Kind, f.ID)
	i := IncidentOpened{Source: c.Source, Kind: "order-foreign", Detail: fmt.Sprintf("order %d %s %s, which the recorder obeyed; who else has the order key, or was the ledger put back from a copy?", f.Number, f.Kind, f.ID)}
	if o != nil { // ours never came to be obeyed under its number, and people wait for it
		d.record(&OrderRefused{c.Source, o.Number, o.Kind, o.ID, "the recorder obeyed another order under this number"})
		if h := d.holds[protocol.HoldID(o.ID)]; h != nil {
			i.Request, i.Camera = h.Request, h.Camera
		} else if g := d.grants[protocol.GrantID(o.ID)]; g != nil {
			i.Request, i.Camera = g.Request, g.Camera
		} else if e := d.eraseOrder(o.ID); e != nil {
			i.Camera = e.Camera
		}
	}
	d.trouble(i)
	return nil
}

// mostOrders is beyond what anyone issues, and far enough from 2^53, where entries' numbers end: a recorder cannot lie numbering to its end.
const mostOrders = 1 << 50

// taken notes that a number is used up by an order that is not ours.
func (d *decision) taken(s Source, r *Recorder, number uint64, kind string, id protocol.DocumentID) {
	if number >= r.Next() && number < mostOrders {
		d.record(&OrderForeign{s, number, short(kind), protocol.DocumentID(short(string(id)))})
	}
}

func (c RecordAhead) decide(d *decision) error {
	r := d.recorders[c.Recorder]
	if r == nil || c.LastOrder < r.Next() || d.lately(r.ID, "orders-ahead", 24*time.Hour) > 0 {
		return nil
	}
	d.trouble(IncidentOpened{Source: Source{Recorder: r.ID}, Kind: "orders-ahead", Detail: fmt.Sprintf("its status says %d, the last issued is %d; until this is cleared up it takes no order", c.LastOrder, r.Next()-1)})
	return nil
}

// AlarmKind is the kind of an incident that the centre itself opens; state.go has the words.
type AlarmKind string

const (
	WitnessAbsent  AlarmKind = "witness-absent"  // an outside witness does not answer
	WitnessRefuses AlarmKind = "witness-refuses" // an outside witness does not cosign a recorder's log, or this ledger
	LedgerBehind   AlarmKind = "ledger-behind"   // this ledger is not the one that a recorder or a witness saw before
)

func (c Alarm) decide(d *decision) error {
	if c.Recorder != "" && d.recorders[c.Recorder] == nil {
		return unknown("Recorder", "Recorder", string(c.Recorder))
	}
	if d.lately(c.Recorder, string(c.Kind), 24*time.Hour) == 0 {
		d.trouble(IncidentOpened{Source: Source{Recorder: c.Recorder}, Kind: string(c.Kind), Detail: c.Detail})
	}
	return nil
}

func (c GiveShare) decide(d *decision) error {
	r := d.recorders[c.Recorder]
	switch {
	case r == nil:
		return unknown("Recorder", "Recorder", string(c.Recorder))
	case r.Mark != InUse:
		if d.lately(r.ID, "share-refused", 24*time.Hour) == 0 {
			d.trouble(IncidentOpened{Source: Source{Recorder: r.ID}, Kind: "share-refused", Detail: fmt.Sprintf("it is marked %s since %s, and asks for the share that opens its disks", r.Mark, r.Marked)})
		}
		return nil
	case c.Lost:
		if d.lately(r.ID, "share-lost", 24*time.Hour) == 0 {
			d.trouble(IncidentOpened{Source: Source{Recorder: r.ID}, Kind: "share-lost", Detail: "it asks for a share that this centre does not have: was its disk put back from a copy, or were shares lost here? What it has cannot be read again"})
		}
		return nil
	}
	given := ShareGiven{c.Recorder, c.Ask, c.Opens, c.Next}
	if g := r.Given; g != nil && g.Ask == given.Ask && slices.Equal(g.Opens, given.Opens) && g.Next == given.Next {
		return nil // an answer may be sent again: it opens for the same ask only
	}
	d.record(&given)
	return nil
}

func (c RecordIncident) decide(d *decision) error {
	if d.known(c.Source) {
		return nil
	}
	kind := c.Incident.What
	if _, ours := incidentWords[kind]; ours && !c.Ours {
		kind = saidByRecorder + kind
	}
	d.trouble(IncidentOpened{Source: c.Source, Kind: kind, Detail: c.Incident.Detail, Camera: c.Incident.Camera})
	return nil
}

// saidByRecorder stands before a kind that is this centre's own, when a recorder uses it: it must not be able to open, beforehand and in words of its choice, the incident that a finding about
// itself would otherwise open.
const saidByRecorder = "said "

// findingIncidents are the kinds of incidents that the witness's findings open.
var findingIncidents = map[string]string{
	"fork": "log-fork", "rollback": "log-rollback", "truncation": "log-truncated", "silence": "log-silent", "clock": "log-clock", "body": "log-body", "unfit": "log-unfit",
	"unsealed": "log-unsealed", "late": "log-seal-late",
	"overdue": "footage-overdue", "listed": "footage-listed",
}

func (c RecordMisbehaviour) decide(d *decision) error {
	r, kind := d.recorders[c.Recorder], findingIncidents[c.Kind]
	if r == nil || kind == "" || c.Kind == "silence" && r.Mark != InUse { // one that is gone need not be heard
		return nil
	}
	if !slices.Contains(behind, kind) {
		c.Log = 0 // goes on over a resumption
	}
	for _, i := range slices.Backward(d.incidents) {
		if i.Source.Recorder == c.Recorder && i.Kind == kind && i.Camera == c.Camera && i.Finding != "" && i.Log >= c.Log {
			if i.Closed.IsZero() || !c.At.After(i.Closed.Time) {
				return nil
			}
			break
		}
	}
	d.trouble(IncidentOpened{Source: Source{Recorder: c.Recorder}, Kind: kind, Detail: c.Seen.NL, English: c.Seen.EN, Camera: c.Camera, Finding: c.Name, LogOf: c.Log})
	return nil
}

// ObjectName is where a recorder puts the bag of a release grant in the vault.
func ObjectName(r protocol.RecorderID, g protocol.GrantID) string {
	return "release/" + string(r) + "/" + string(g) + ".age"
}

// Tend closes what nobody came for: fourteen days after release the hold ends all the same. And an agreement that ended makes void what rested on it.
func (Tend) decide(d *decision) error {
	d.recheck(nil)
	d.tendForwarding()
	for _, r := range inFiling(d.live) {
		if d.erasures[DossierOf(r.ID)] != nil {
			continue
		}
		d.tendOral(r)
		d.tendFuture(r)
		if r.Kind == Standing || !r.Period.IsZero() || (r.Status != Released && r.Status != Granted) || len(d.Due(r, d.now.Time)) > 0 {
			continue
		}
		waiting := false
		for _, g := range r.Grants {
			waiting = waiting || g.open(d.now.Time) || (g.Released != nil && g.Voided == nil && d.now.Before(g.At.Add(protocol.HandOverTerm)))
		}
		for _, h := range r.Holds { // what was narrowed waits for its recorder
			waiting = waiting || !h.Replaced && h.State() == "asked" && d.now.Before(h.End.Time)
		}
		if waiting {
			continue
		}
		d.record(&HandOverLapsed{Request: r.ID})
		if err := d.liftReleased(r); err != nil { // one recorder's trouble does not stop the other requests (invariant 14); the hold ends by itself
			d.trouble(IncidentOpened{Kind: "lift-failed", Detail: err.Error(), Request: r.ID})
		}
	}
	return nil
}
