package central

import (
	"fmt"
	"slices"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Apply carries out an event: deterministic, and asking no permission, for Decide has. An error means that the event does not fit the
// state: this is not the ledger it came from, or not the program that can read it. The State is then no longer to be used.
func (s *State) Apply(e Event) error {
	if e.Seq != s.Size {
		return fmt.Errorf("event %d %s: %d comes next", e.Seq, e.Name(), s.Size)
	}
	if s.people == nil {
		s.people, s.units, s.agreements = map[protocol.PersonID]*Person{}, map[string]*Unit{}, map[string]*Dealings{}
		s.recorders, s.placements = map[protocol.RecorderID]*Recorder{}, map[protocol.CameraID]*Placement{}
		s.requests, s.holds = map[protocol.RequestID]*Request{}, map[protocol.HoldID]*Hold{}
		s.advice = map[About]*Counselled{}
		s.drafts, s.adoptions, s.read = map[string]*ProtocolDraft{}, map[ProtocolRef]Moment{}, map[protocol.PersonID]map[ProtocolRef]protocol.Time{}
		s.grants, s.seen = map[protocol.GrantID]*Grant{}, map[Source]bool{}
		s.lists = newLists()
		s.clients = map[ClientID]*Client{}
		s.erasures, s.bare, s.gone = map[Dossier]*Erasure{}, map[Dossier]bool{}, map[protocol.DocumentID]Dossier{}
	}
	if p, ok := e.Fact.(private); ok && e.Dossier == "" { // from before dossiers had keys
		if o := p.dossier(&decision{State: s}); o != "" {
			s.bare[o] = true
		}
	}
	if err := e.Fact.apply(s, e); err != nil && !(e.Erased && isAbsent(err)) {
		return fmt.Errorf("event %d %s: %w", e.Seq, e.Name(), err)
	}
	s.Size++
	return nil
}

func (e Event) moment(note string) Moment {
	return Moment{Seq: e.Seq, At: e.Time, By: e.By, Via: e.Via, Name: e.Name(), Note: note}
}

func noSuch(what string, id string) error { return absent{what, id} }

func (f *CentreOpened) apply(s *State, _ Event) error {
	s.Municipality = f.Municipality
	return nil
}

func (f *PersonAppointed) apply(s *State, e Event) error {
	if len(f.Posts) == 0 {
		delete(s.mail, f.Person)
	}
	s.people[f.Person] = &Person{Appointment: f.Appointment, Since: e.Time}
	return nil
}

func (f *RecorderEnrolled) apply(s *State, e Event) error {
	roster, err := protocol.OpenRoster([]byte(f.Roster), f.Roots)
	if err != nil {
		return err
	}
	r := &Recorder{ID: f.Recorder, Key: f.Key, Origin: f.Origin, Viewer: f.Viewer, Roots: f.Roots, Roster: roster, RosterRaw: []byte(f.Roster), Enrolled: e.Time}
	count(s.witnessed, s.recorders[f.Recorder].witnessing(), r.witnessing())
	s.recorders[f.Recorder] = r
	s.lists.recorders.put(r)
	return nil
}

func (f *RecorderMarked) apply(s *State, e Event) error {
	r := s.recorders[f.Recorder]
	if r == nil {
		return noSuch("recorder", string(f.Recorder))
	}
	r.Mark, r.Marked, r.MarkReason = f.Mark, e.Time, f.Reason
	return nil
}

func (f *ShareGiven) apply(s *State, e Event) error {
	r := s.recorders[f.Recorder]
	if r == nil {
		return noSuch("recorder", string(f.Recorder))
	}
	r.Given, r.GivenAt = f, e.Time
	return nil
}

func (f *RosterTaken) apply(s *State, _ Event) error {
	s.seen[f.Source] = true
	r := s.recorders[f.Recorder]
	if r == nil {
		return noSuch("recorder", string(f.Recorder))
	}
	roster, err := protocol.OpenRoster([]byte(f.Roster), r.Roots)
	if err != nil {
		return err
	}
	was := r.witnessing()
	r.Roster, r.RosterRaw = roster, []byte(f.Roster)
	count(s.witnessed, was, r.witnessing())
	return nil
}

func (f *RosterPublished) apply(*State, Event) error { return nil } // the order that follows carries it

func (f *PlacementRegistered) apply(s *State, e Event) error {
	p := &Placement{PlacementFacts: f.PlacementFacts, Status: Draft, Registered: e.Time, Changed: e.Time, History: []Moment{e.moment("")}}
	s.placements[f.Camera] = p
	s.list(p, nil)
	return nil
}

func (f *PlacementAmended) apply(s *State, e Event) error {
	return s.place(f.Camera, e, "", func(p *Placement) { p.PlacementFacts = f.PlacementFacts })
}

func (f *SignPlaced) apply(s *State, e Event) error {
	return s.place(f.Camera, e, f.Sign.Exception, func(p *Placement) { p.Sign = f.Sign })
}

func (f *PlacementActivated) apply(s *State, e Event) error {
	return s.place(f.Camera, e, "", func(p *Placement) {
		p.Status = Active
		if p.ValidFrom.IsZero() {
			p.ValidFrom = e.Time
		}
	})
}

func (f *PlacementRenewed) apply(s *State, e Event) error {
	return s.place(f.Camera, e, f.Besluit.Reference, func(p *Placement) { p.Besluit = f.Besluit })
}

func (f *EndingProposed) apply(s *State, e Event) error {
	return s.place(f.Camera, e, f.Reason, func(p *Placement) { p.Proposed = &Proposal{By: e.By, At: e.Time, Ending: f.Ending, Reason: f.Reason} })
}

func (f *PlacementEnded) apply(s *State, e Event) error {
	return s.place(f.Camera, e, f.Reason, func(p *Placement) {
		p.Proposed = nil
		switch f.Ending {
		case Mute:
			p.Sound = Sound{}
		case Withdraw:
			p.Status, p.ValidTo, p.Besluit.Withdrawn = Removed, e.Time, e.Time
		default:
			p.Status = Suspended
		}
	})
}

func (s *State) place(id protocol.CameraID, e Event, note string, change func(*Placement)) error {
	p := s.placements[id]
	if p == nil {
		return noSuch("placement", string(id))
	}
	was := p.listed()
	change(p)
	p.Changed = e.Time
	p.History = append(p.History, e.moment(note))
	s.list(p, &was)
	return nil
}

// OrderIssued: what was sent is what holds. Holds, lifts, grants, mandates and rosters are read from the text that goes out.
func (f *OrderIssued) apply(s *State, e Event) error {
	r := s.recorders[f.Recorder]
	if r == nil {
		return noSuch("recorder", string(f.Recorder))
	}
	if want := r.Next(); f.Number != want {
		return fmt.Errorf("order %d for %s: %d comes next", f.Number, f.Recorder, want)
	}
	if e.Erased {
		r.Orders = append(r.Orders, Order{Recorder: f.Recorder, Number: f.Number, NotBefore: f.NotBefore, NotAfter: f.NotAfter, Document: f.Document,
			Kind: f.Kind, ID: f.ID, Issued: e.Time, Erased: true})
		s.documents++
		s.gone[f.ID] = e.Dossier
		return nil
	}
	signed, err := protocol.ParseDocument([]byte(f.Document))
	if err != nil {
		return err
	}
	r.Orders = append(r.Orders, Order{Recorder: f.Recorder, Number: f.Number, NotBefore: f.NotBefore, NotAfter: f.NotAfter, Document: f.Document,
		Kind: signed.Kind(), ID: signed.Head().ID, Issued: e.Time})
	s.documents++
	switch d := signed.Document.(type) {
	case *protocol.Roster:
		was := r.witnessing()
		r.Roster, r.RosterRaw = d, signed.Raw
		count(s.witnessed, was, r.witnessing())
	case *protocol.Mandate:
		return s.place(d.Camera, e, string(d.ID), func(p *Placement) { p.Mandates = append(p.Mandates, d) })
	case *protocol.Hold:
		h := &Hold{Hold: *d, Issued: e.Time, Number: f.Number}
		s.holds[d.HoldID()] = h
		if p := s.placements[d.Camera]; p != nil {
			p.holds = append(p.holds, h)
		}
		if q := s.SubjectRequest(d.Request); q != nil {
			q.Holds = append(q.Holds, h)
		}
		return s.dossier(d.Request, e, string(d.ID), func(q *Request) { q.Holds = append(q.Holds, h) })
	case *protocol.Resume:
		return r.resumes(f, signed, d)
	case *protocol.Lift:
		h := s.holds[d.Hold]
		if h == nil {
			return noSuch("hold", string(d.Hold))
		}
		h.LiftSent = true
		return s.dossier(h.Request, e, string(d.ID), func(*Request) {})
	case *protocol.Grant:
		q := s.requests[d.Request]
		if q == nil {
			return noSuch("request", string(d.Request))
		}
		level, err := r.Roster.Authorise(signed, q.Regime)
		if err != nil {
			return err
		}
		g := &Grant{Grant: *d, Level: level, Issued: e.Time, Number: f.Number}
		s.grants[d.GrantID()] = g
		if g.Use == protocol.UseStanding {
			s.viewing[g.Requester] = append(s.viewing[g.Requester], g)
		}
		return s.dossier(d.Request, e, string(d.ID), func(q *Request) { q.Grants = append(q.Grants, g) })
	}
	return nil
}

func (s *State) dossier(id protocol.RequestID, e Event, note string, change func(*Request)) error {
	r := s.requests[id]
	if r == nil { // or of a person filmed, whose holds are recorders' work as well
		return s.file(id, e, note, func(*SubjectRequest) {})
	}
	was := r.filer()
	change(r)
	r.History = append(r.History, e.moment(note))
	s.of(r, was, r.filer())
	s.follow(r, r.Holds)
	return nil
}

// over: nobody has anything to do about it any more, whatever time brings.
func (r *Request) over() bool {
	return r.Status == Refused || r.Kind == Provisional || r.Status == Closed && (r.Said.IsZero() || r.Written != nil)
}

func (f *OrderRefused) apply(s *State, e Event) error {
	s.seen[f.Source] = true
	r := s.recorders[f.Recorder]
	if r == nil || r.Order(f.Number) == nil {
		return noSuch("order", fmt.Sprint(f.Number))
	}
	r.Order(f.Number).Refused = f.Reason
	if h := s.holds[protocol.HoldID(f.ID)]; h != nil {
		h.Refused = f.Reason
		return s.dossier(h.Request, e, f.Reason, func(*Request) {})
	}
	if x := r.resumption(f.ID); x != nil {
		x.Refused = f.Reason
		return nil
	}
	if o := s.eraseOrder(f.ID); o != nil {
		return s.eraseStep(o, e, f.Reason, func(o *EraseOrder) { o.Refused = f.Reason })
	}
	if g := s.grants[protocol.GrantID(f.ID)]; g != nil {
		g.Refused = f.Reason
		return s.dossier(g.Request, e, f.Reason, func(*Request) {})
	}
	return nil
}

func (f *OrderForeign) apply(s *State, _ Event) error {
	s.seen[f.Source] = true
	r := s.recorders[f.Recorder]
	if r == nil {
		return noSuch("recorder", string(f.Recorder))
	}
	r.foreign = max(r.foreign, f.Number)
	return nil
}

func (f *RequestFiled) apply(s *State, e Event) error {
	r := &Request{ID: f.ID, Regime: f.Regime, RequestFacts: f.RequestFacts, Requester: e.By, Filed: e.Time, Status: Filed, History: []Moment{e.moment("")}}
	if f.Kind == Provisional {
		r.Status = Kept
	}
	s.requests[f.ID] = r
	s.filed(r)
	return f.remember(s, e)
}

func (f *HoldConfirmed) apply(s *State, e Event) error {
	s.seen[f.Source] = true
	h := s.holds[f.Hold]
	if h == nil {
		return noSuch("hold", string(f.Hold))
	}
	h.Confirmed, h.At = f, e.Time
	return s.dossier(h.Request, e, string(h.Camera), func(r *Request) {
		for _, o := range r.Holds { // one that stands longer takes the place of the one before
			o.Replaced = o.Replaced || o != h && o.Camera == h.Camera && o.Asked.Equal(h.Asked) && o.Number < h.Number && len(h.Approvers) > 0
		}
	})
}

func (f *HoldLifted) apply(s *State, e Event) error {
	s.seen[f.Source] = true
	h := s.holds[f.Hold]
	if h == nil {
		return noSuch("hold", string(f.Hold))
	}
	h.Lifted = f
	return s.dossier(h.Request, e, string(h.Camera), func(*Request) {})
}

func (f *RequestChecked) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, f.Remark, func(r *Request) {
		r.Check = &Check{e.By, e.Time, f.Complete, f.Necessary, f.Remark, f.Verified}
		if r.Status != Kept && (r.Period.IsZero() || r.Status == Filed) { // otherwise somebody else answers for what was decided already
			r.Status = Checked
		}
	})
}

func (f *RequestDecided) apply(s *State, e Event) error {
	s.decided = append(s.decided, f.Request)
	return s.dossier(f.Request, e, f.Motivation, func(r *Request) {
		before := r.Decision
		r.Decision = &Decision{e.By, e.Time, f.Outcome, f.Reason, f.Motivation, f.Approved, f.Parts, f.Stated}
		r.Status = Granted
		switch {
		case f.Outcome == Refuses:
			r.Status = Refused
		case f.Outcome == Ends:
			r.Status = Closed
		case r.Kind == Preservation:
			r.Status = Kept
		case f.Outcome == Grants && before != nil && before.Outcome == Partly: // the rounded interval of what was narrowed, or a grant anew
			r.Decision.Outcome, r.Decision.Parts = Partly, before.Parts
			if f.Stated == (Stated{}) {
				r.Decision.Stated = before.Stated
			}
		}
		for _, p := range f.Parts {
			if h := r.holdOf(p.Camera); h != nil {
				h.Replaced = true
			}
		}
	})
}

func (f *FootageReleased) apply(s *State, e Event) error {
	s.seen[f.Source] = true
	g := s.grants[f.Grant]
	if g == nil {
		return noSuch("grant", string(f.Grant))
	}
	g.Released, g.At, g.Failed, g.Final = f, e.Time, "", false
	return s.dossier(f.Request, e, string(g.Camera), func(r *Request) {
		all := true
		for _, h := range r.Holds {
			has := !h.Replaced && (h.State() == "asked" || h.Confirmed != nil && h.Confirmed.Segments > 0)
			all = all && (!has || slices.ContainsFunc(r.Grants, func(g *Grant) bool { return g.Camera == h.Camera && g.Released != nil && g.Voided == nil }))
		}
		if all && r.Status == Granted && r.Period.IsZero() {
			r.Status = Released
		}
	})
}

func (f *ReleaseFailed) apply(s *State, e Event) error {
	s.seen[f.Source] = true
	g := s.grants[f.Grant]
	if g == nil {
		return noSuch("grant", string(f.Grant))
	}
	g.Failed, g.Final = f.Reason, f.Final
	return s.dossier(f.Request, e, f.Reason, func(*Request) {})
}

func (f *FootageDownloaded) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, string(f.Grant), func(r *Request) {
		r.Downloads = append(r.Downloads, Download{e.By, e.Time, f.Grant})
	})
}

func (f *HandOverConfirmed) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, f.Note, func(r *Request) {
		if d := r.delivery(f.Delivery); d != nil {
			d.Done = e.Time
			return
		}
		m := e.moment(f.Note)
		r.Status, r.HandedOver = Closed, &m
	})
}

func (f *HandOverLapsed) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, "", func(r *Request) {
		if d := r.delivery(f.Delivery); d != nil {
			d.Done = e.Time
			return
		}
		r.Status = Closed
	})
}

func (f *IncidentOpened) apply(s *State, e Event) error {
	if f.Source != (Source{}) {
		s.seen[f.Source] = true
	}
	s.incidents = append(s.incidents, &Incident{Number: len(s.incidents) + 1, Kind: f.Kind, Detail: f.Detail, English: f.English, Opened: e.Time, Source: f.Source, Request: f.Request, Camera: f.Camera, Finding: f.Finding, Log: f.LogOf})
	return nil
}
