package central

import (
	"fmt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Facts: what recorders' journals tell, and what time brings. A recorder may lie or be confused; what does not fit becomes an incident, never
// an error that stops the rest.

// known says whether this journal entry has become an event before.
func (d *decision) known(s Source) bool { return d.seen[s] }

// Seen says whether this journal entry has become an event: facts may be given again, and a caller may ask first.
func (s *State) Seen(src Source) bool { return s.seen[src] }

func (d *decision) trouble(i IncidentOpened) { d.record(&i) }

func (c ConfirmHold) decide(d *decision) error {
	if d.known(c.Source) {
		return nil
	}
	p := c.Placed
	h := d.holds[p.Hold]
	switch {
	case h == nil || h.Recorder != c.Recorder || h.Camera != p.Camera || h.Request != p.Request || !h.Asked.Equal(p.Asked):
		d.trouble(IncidentOpened{Source: c.Source, Kind: "hold-mismatch", Detail: fmt.Sprintf("hold %s of camera %s, asked %s", p.Hold, p.Camera, p.Asked), Camera: p.Camera})
	case h.Confirmed == nil && h.Lifted == nil:
		d.record(&HoldConfirmed{Source: c.Source, Hold: p.Hold, Interval: p.Interval, Segments: p.Segments, Bytes: p.Bytes, Root: p.Root, End: p.End})
	}
	return nil
}

func (c RecordLifted) decide(d *decision) error {
	if d.known(c.Source) {
		return nil
	}
	if h := d.holds[c.Lifted.Hold]; h != nil && h.Recorder == c.Recorder && h.Lifted == nil {
		d.record(&HoldLifted{c.Source, c.Lifted.Hold, c.Lifted.Reason})
	}
	return nil
}

func (c RecordRelease) decide(d *decision) error {
	if d.known(c.Source) {
		return nil
	}
	f := c.Released
	g := d.grants[f.Grant]
	if g == nil || g.Recorder != c.Recorder || g.Request != f.Request || g.Camera != f.Camera || g.Use != protocol.UseRelease || g.Released != nil {
		d.trouble(IncidentOpened{Source: c.Source, Kind: "release-unknown", Detail: fmt.Sprintf("grant %s, object %s", f.Grant, f.Object), Camera: f.Camera})
		return nil
	}
	d.record(&FootageReleased{Source: c.Source, Request: f.Request, Grant: f.Grant, Intent: f.Intent, Object: f.Object, Size: f.Size, SHA256: f.SHA256,
		Bag: f.Bag, Manifest: f.Manifest, Segments: f.Segments, Gaps: f.Gaps})
	return nil
}

func (c RecordReleaseFailed) decide(d *decision) error {
	if d.known(c.Source) {
		return nil
	}
	f := c.Failed
	g := d.grants[f.Grant]
	if g == nil || g.Recorder != c.Recorder || g.Request != f.Request {
		d.trouble(IncidentOpened{Source: c.Source, Kind: "release-unknown", Detail: fmt.Sprintf("grant %s: %s", f.Grant, f.Reason)})
		return nil
	}
	if g.Failed != "" && !f.Final {
		return nil // it tries on; the incident is open
	}
	d.record(&ReleaseFailed{c.Source, f.Request, f.Grant, f.Reason, f.Final})
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
	i := IncidentOpened{Source: c.Source, Kind: "order-refused", Detail: fmt.Sprintf("order %d %s %s: %s", f.Number, f.Kind, f.ID, f.Reason)}
	if r := d.recorders[c.Recorder]; r != nil && f.Number > 0 && f.Number <= uint64(len(r.Orders)) {
		// The number says which order it was: the rest is the recorder's word.
		o := r.Orders[f.Number-1]
		d.record(&OrderRefused{c.Source, f.Number, o.Kind, o.ID, f.Reason})
		if h := d.holds[protocol.HoldID(o.ID)]; h != nil {
			i.Request, i.Camera = h.Request, h.Camera
		} else if g := d.grants[protocol.GrantID(o.ID)]; g != nil {
			i.Request, i.Camera = g.Request, g.Camera
		}
	}
	d.trouble(i)
	return nil
}

func (c RecordIncident) decide(d *decision) error {
	if !d.known(c.Source) {
		d.trouble(IncidentOpened{Source: c.Source, Kind: c.Incident.What, Detail: c.Incident.Detail, Camera: c.Incident.Camera})
	}
	return nil
}

// Tend closes what nobody came for: fourteen days after release the hold ends all the same.
func (Tend) decide(d *decision) error {
	for _, id := range d.order {
		r := d.requests[id]
		if r.Kind == Standing || (r.Status != Released && r.Status != Granted) || len(d.unserved(r, d.now.Time)) > 0 {
			continue
		}
		waiting := false
		for _, g := range r.Grants {
			waiting = waiting || g.open(d.now.Time) || (g.Released != nil && d.now.Before(g.At.Add(protocol.HandOverTerm)))
		}
		if waiting {
			continue
		}
		d.record(&HandOverLapsed{r.ID})
		if err := d.liftReleased(r); err != nil { // one recorder's trouble does not stop the other requests (invariant 14); the hold ends by itself
			d.trouble(IncidentOpened{Kind: "lift-failed", Detail: err.Error(), Request: r.ID})
		}
	}
	return nil
}
