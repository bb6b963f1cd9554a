package central

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Keeping. A preservation order holds footage and releases nothing. Any hold stands on the envelope for 28 days, counted from the first one on that footage; beyond that two
// approvers of the cameras' regime sign it, for WPG cameras so the police's own, on a concrete ground. It ends by itself, or sooner when whoever asked it takes it back: then
// handler and approver lift it.

type (
	// KeepLonger has held footage kept until a later day: By an approver of the regime; it happens when a second approver asks the same. Of a person's request (R14) too.
	KeepLonger struct {
		By      protocol.PersonID
		Request protocol.RequestID
		Until   protocol.Time
		Reason  string // WPG: the concrete ground, as the police confirm it
	}
	// RenewDemand is a new order behind one that ends: to go on preserving, or for future data. By a requester of the unit.
	RenewDemand struct {
		By      protocol.PersonID
		Request protocol.RequestID
		Renewal
	}
	// WithdrawRequest takes a request back; handler and approver then end it, and its holds. By a requester of the unit, or the member of staff who asked.
	WithdrawRequest struct {
		By      protocol.PersonID
		Request protocol.RequestID
		Note    string
	}
)

// Renewal is what a new order behind an old one states.
type Renewal struct {
	Reference string        `json:"reference"` // of the new order
	Demanded  protocol.Time `json:"demanded"`  // its date
	Until     protocol.Time `json:"until"`
}

type (
	// KeepingProposed is the first approver's signature under keeping longer; KeepingProlonged the second's.
	KeepingProposed struct {
		Request protocol.RequestID `json:"request"`
		Until   protocol.Time      `json:"until"`
		Reason  string             `json:"reason"`
	}
	KeepingProlonged struct {
		Request  protocol.RequestID `json:"request"`
		Until    protocol.Time      `json:"until"`
		Reason   string             `json:"reason"`
		Proposer protocol.PersonID  `json:"proposer"`
	}
	DemandRenewed struct {
		Request protocol.RequestID `json:"request"`
		Renewal
	}
	RequestWithdrawn struct {
		Request protocol.RequestID `json:"request"`
		Note    string             `json:"note"`
	}
)

func (*KeepingProposed) name() string  { return "keeping.proposed" }
func (*KeepingProlonged) name() string { return "keeping.prolonged" }
func (*DemandRenewed) name() string    { return "demand.renewed" }
func (*RequestWithdrawn) name() string { return "request.withdrawn" }

// Keeping is what one approver has asked, and waits for a second.
type Keeping struct {
	By     protocol.PersonID
	At     protocol.Time
	Until  protocol.Time
	Reason string
}

// kept is whatever holds are kept for: a request for footage, or that of a person who was filmed.
type kept struct {
	regime   protocol.Regime
	proposed *Keeping
	holds    []*Hold
	until    protocol.Time // no longer than this; zero: the longest hold
	handled  []protocol.PersonID
}

// keeping finds what may be kept longer now.
func (s *State) keeping(id protocol.RequestID, now time.Time) (kept, error) {
	var k kept
	if q := s.SubjectRequest(id); q != nil {
		k = kept{regime: q.Regime, proposed: q.Keeping, holds: q.Holds, handled: []protocol.PersonID{q.By, q.Identifier}}
		if q.Answered != nil {
			k.until = q.ObjectionEnds()
		}
	} else if r := s.requests[id]; r != nil {
		k = kept{regime: r.Regime, proposed: r.Keeping, holds: r.Holds}
		if r.Kind == Preservation {
			k.until = r.Until
		}
		switch {
		case r.Kind == Provisional:
			return k, refuse(CodeTerm, "Voorlopig bewaren duurt 72 uur en kan niet langer. Dien een aanvraag in.", "A provisional hold lasts 72 hours and no longer. File a request.")
		case r.Kind == Preservation && r.Status != Kept:
			return k, refuse(CodeState, "Eerst moet een behandelaar het bevel toetsen en een goedkeurder erop beslissen.", "First a handler must check the order and an approver decide on it.")
		case r.TakenBack != nil || r.Status == Refused || r.Status == Closed:
			return k, refuse(CodeState, "Deze aanvraag is afgehandeld of ingetrokken.", "This request is done with or taken back.")
		}
	} else {
		return k, unknown("Aanvraag", "Request", string(id))
	}
	all := k.holds
	k.holds = slices.DeleteFunc(slices.Clone(all), func(h *Hold) bool {
		return !h.stands(now) || h.Replaced || slices.ContainsFunc(all, func(o *Hold) bool { // of two on the same footage the one that stands longest counts
			return o.Camera == h.Camera && o.Asked.Equal(h.Asked) && o.stands(now) && o.End.After(h.End.Time)
		})
	})
	if len(k.holds) == 0 {
		return k, refuse(CodeNoFootage, "Er wordt niets bewaard dat langer bewaard kan worden.", "Nothing is held that could be held longer.")
	}
	return k, nil
}

// stands: the recorder keeps it, or is about to.
func (h *Hold) stands(now time.Time) bool {
	return h.Lifted == nil && !h.LiftSent && h.Refused == "" && now.Before(h.End.Time)
}

// firstHold is when the first hold on any of this footage began, or begin: every hold's length is counted from there, as the recorder does.
func (s *State) firstHold(camera protocol.CameraID, asked protocol.Interval, begin protocol.Time) protocol.Time {
	p := s.placements[camera]
	if p == nil {
		return begin
	}
	for _, h := range p.holds {
		if (h.Asked.Overlaps(asked) || h.Rounded().Overlaps(asked)) && h.Refused == "" {
			begin = earliest(begin, h.NotBefore)
		}
	}
	return begin
}

// LongestHold is until when this hold's footage may be held at the most, with two signatures.
func (s *State) LongestHold(h *Hold) protocol.Time {
	longest := min(protocol.MaxHold, s.placements[h.Camera].Mandate().LongestHold.Duration(), s.recorders[h.Recorder].Roster.MaxHold.Duration())
	return protocol.T(s.firstHold(h.Camera, h.Asked, h.NotBefore).Add(longest))
}

// preserves checks what a preservation order states.
func (d *decision) preserves(f RequestFacts) error {
	law, ok := PreservationOf(f.Article)
	switch {
	case !ok:
		return missing("op wiens bevel wordt bewaard", "on whose order footage is held")
	case strings.TrimSpace(f.Authority) == "":
		return missing("wie beveelt: "+law.Authority.NL, "who orders it: "+law.Authority.EN)
	case f.Demanded.IsZero() || f.Demanded.After(d.now.Time):
		return missing("de datum van het bevel", "the date of the order")
	case !f.Until.After(d.now.Time):
		return missing("tot wanneer het bevel geldt", "until when the order holds")
	case f.Until.After(f.Demanded.Add(law.Longest)):
		days := int(law.Longest / (24 * time.Hour))
		return refuse(CodeTerm, fmt.Sprintf("Dit bevel geldt ten hoogste %d dagen (%s).", days, law.Source), fmt.Sprintf("This order holds for at most %d days (%s).", days, law.Source))
	}
	return nil
}

// KeepUntil is until when two approvers may have the holds of a request stand; zero when they stand that long already, or nothing may be kept longer.
func (s *State) KeepUntil(id protocol.RequestID, now time.Time) (until protocol.Time) {
	k, err := s.keeping(id, now)
	if err != nil {
		return until
	}
	until = k.until
	for _, h := range k.holds {
		if last := s.LongestHold(h); until.IsZero() || last.Before(until.Time) {
			until = last
		}
	}
	if !slices.ContainsFunc(k.holds, func(h *Hold) bool { return until.After(h.End.Time) }) {
		return protocol.Time{}
	}
	return until
}

func (c KeepLonger) decide(d *decision) error {
	d.by = c.By
	k, err := d.keeping(c.Request, d.now.Time)
	if err != nil {
		return err
	}
	if err := d.as(c.By, Approver, k.regime); err != nil {
		return err
	}
	switch {
	case slices.Contains(k.handled, c.By) || d.requests[c.Request] != nil && d.requests[c.Request].asked(c.By):
		return refuse(CodeSamePerson, "Wie dit vroeg of behandelde tekent niet voor langer bewaren. Vraag een andere goedkeurder.", "Whoever asked or handled this does not sign for holding it longer. Ask another approver.")
	case strings.TrimSpace(c.Reason) == "" && k.regime == protocol.WPG:
		return missing("de concrete aanleiding, zoals de politie die bevestigt", "the concrete ground, as the police confirm it")
	case strings.TrimSpace(c.Reason) == "":
		return missing("waarom langer bewaren nodig is", "why holding longer is needed")
	case !k.until.IsZero() && c.Until.After(k.until.Time):
		return refuse(CodeTerm, fmt.Sprintf("Niet verder dan %s: zo ver gaat het bevel of de bezwaartermijn. Voor langer is een nieuw bevel nodig.", k.until), fmt.Sprintf("No further than %s: so far the order or the term for objections goes. Longer needs a new order.", k.until))
	}
	for _, h := range k.holds {
		if last := d.LongestHold(h); c.Until.After(last.Time) {
			return refuse(CodeTerm, fmt.Sprintf("De beelden van camera %s mogen niet langer bewaard worden dan tot %s.", h.Camera, last), fmt.Sprintf("The footage of camera %s may not be held beyond %s.", h.Camera, last))
		}
	}
	if !slices.ContainsFunc(k.holds, func(h *Hold) bool { return c.Until.After(h.End.Time) }) {
		return refuse(CodeTerm, "Zo lang worden de beelden al bewaard.", "The footage is held that long already.")
	}
	if k.proposed == nil || !k.proposed.Until.Equal(c.Until.Time) || d.acts(k.proposed.By, Approver, k.regime, d.now.Time) != nil {
		d.record(&KeepingProposed{c.Request, c.Until, c.Reason})
		return nil
	}
	if k.proposed.By == c.By {
		return secondApprover()
	}
	d.record(&KeepingProlonged{c.Request, c.Until, c.Reason, k.proposed.By})
	for _, h := range k.holds {
		if !c.Until.After(h.End.Time) {
			continue
		}
		longer := &protocol.Hold{Heading: d.heading("h", h.Recorder, c.Until), Camera: h.Camera, Request: h.Request, Asked: h.Asked, Ground: h.Ground, End: c.Until, Approvers: []protocol.PersonID{k.proposed.By, c.By}}
		if err := d.issue(longer, k.regime, c.Until); err != nil {
			return err
		}
	}
	return nil
}

// MayRenew says why a person cannot put a new order behind this request.
func (s *State) MayRenew(person protocol.PersonID, r *Request, now time.Time) error {
	if err := s.receives(person, r, now); err != nil {
		return err
	}
	if r.TakenBack != nil || r.Kind != Preservation && r.Period.IsZero() || r.Status == Refused || r.Status == Closed {
		return refuse(CodeState, "Hier is geen bevel dat kan worden verlengd.", "There is no order here that can be renewed.")
	}
	return nil
}

func (c RenewDemand) decide(d *decision) error {
	d.by = c.By
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.MayRenew(c.By, r, d.now.Time); err != nil {
		return err
	}
	ends, longest := r.Until, protocol.MaxHold
	if !r.Period.IsZero() {
		law, _ := LawOf(r.Article)
		ends, longest = protocol.T(r.Period.To), law.Longest
	}
	switch {
	case strings.TrimSpace(c.Reference) == "":
		return missing("het kenmerk van het nieuwe bevel", "the reference of the new order")
	case c.Demanded.IsZero() || c.Demanded.After(d.now.Time):
		return missing("de datum van het nieuwe bevel", "the date of the new order")
	case c.Demanded.After(ends.Time):
		return refuse(CodeTerm, "Het vorige bevel was toen al voorbij. Dien een nieuwe aanvraag in.", "The former order had ended by then. File a new request.")
	case !c.Until.After(ends.Time):
		return missing("een einddatum na die van het vorige bevel", "an end date after that of the former order")
	case c.Until.After(c.Demanded.Add(longest)):
		return refuse(CodeTerm, fmt.Sprintf("Ten hoogste %d dagen na het nieuwe bevel.", longest/(24*time.Hour)), fmt.Sprintf("At most %d days after the new order.", longest/(24*time.Hour)))
	}
	d.record(&DemandRenewed{c.Request, c.Renewal})
	return nil
}

// MayWithdraw says why a person cannot take a request back.
func (s *State) MayWithdraw(person protocol.PersonID, r *Request, now time.Time) error {
	if r.Kind.byStaff() {
		if err := s.acts(person, Staff, "", now); err != nil {
			return err
		}
		if person != r.Requester {
			return refuse(CodeForbidden, "Alleen de aanvrager kan de aanvraag intrekken.", "Only the requester can take the request back.")
		}
	} else if err := s.receives(person, r, now); err != nil {
		return err
	}
	if r.TakenBack != nil || r.Status == Refused || r.Status == Closed || r.Kind == Provisional || len(r.Downloads) > 0 {
		return refuse(CodeState, "Deze aanvraag kan niet meer worden ingetrokken.", "This request can no longer be taken back.")
	}
	return nil
}

func (c WithdrawRequest) decide(d *decision) error {
	d.by = c.By
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.MayWithdraw(c.By, r, d.now.Time); err != nil {
		return err
	}
	if strings.TrimSpace(c.Note) == "" {
		return missing("waarom u de aanvraag intrekt", "why you take the request back")
	}
	d.record(&RequestWithdrawn{c.Request, c.Note})
	return nil
}

// takenBack is why a request that was taken back gives nothing.
func (r *Request) takenBack() error {
	if r.TakenBack == nil {
		return nil
	}
	return refuse(CodeState, "De aanvraag is ingetrokken: er kan alleen nog worden afgewezen of beëindigd.", "The request was taken back: it can only be refused or ended.")
}

// endKeeping ends what is only kept, before its time: handler and approver lift it.
func (c DecideRequest) endKeeping(d *decision, r *Request) error {
	switch {
	case r.Kind != Preservation || r.Status != Kept:
		return refuse(CodeState, "Alleen bewaren op bevel kan worden beëindigd.", "Only preserving on an order can be ended.")
	case !slices.Contains(EndReasons, c.Reason):
		return missing("waarom het bewaren eindigt", "why holding ends")
	case c.Reason == TakenBack && r.TakenBack == nil:
		return refuse(CodeState, "De aanvrager heeft dit niet ingetrokken.", "The requester did not take this back.")
	case d.acts(r.Check.By, Handler, r.Regime, d.now.Time) != nil:
		return refuse(CodeState, "Wie deze aanvraag toetste heeft die rol niet meer. Een behandelaar moet opnieuw toetsen.", "Whoever checked this request no longer has that role. A handler must check it again.")
	}
	d.record(c.decided(nil))
	return d.liftAll(r, protocol.Lift{Reason: protocol.LiftWithdrawn, Handler: r.Check.By, Approver: c.By})
}

func (d *decision) liftAll(r *Request, l protocol.Lift) error {
	for _, h := range r.Holds {
		if err := d.lift(r, h, l); err != nil {
			return err
		}
	}
	return nil
}

func (f *KeepingProposed) apply(s *State, e Event) error {
	return s.keep(f.Request, e, f.Reason, &Keeping{e.By, e.Time, f.Until, f.Reason})
}

func (f *KeepingProlonged) apply(s *State, e Event) error { return s.keep(f.Request, e, f.Reason, nil) }

func (s *State) keep(id protocol.RequestID, e Event, note string, k *Keeping) error {
	if q := s.SubjectRequest(id); q != nil {
		q.Keeping = k
	}
	return s.dossier(id, e, note, func(r *Request) { r.Keeping = k })
}

func (f *DemandRenewed) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, f.Reference, func(r *Request) {
		r.Renewals = append(r.Renewals, f.Renewal)
		if r.Kind == Preservation {
			r.Until = f.Until
			return
		}
		r.Period.To = f.Until.Time // what is asked is more: it is checked and decided anew, and what was delivered stays as it was
		r.Check, r.Decision, r.Status = nil, nil, Filed
	})
}

func (f *RequestWithdrawn) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, f.Note, func(r *Request) {
		m := e.moment(f.Note)
		r.TakenBack = &m
		for _, g := range r.Grants {
			if g.Voided == nil && !r.fetched(g) {
				g.void(e, VoidTakenBack)
			}
		}
		switch {
		case r.Status == Kept: // an approver ends it
		case r.Check != nil:
			r.Status = Checked // an approver refuses, which lifts the holds
		default:
			r.Status = Filed
		}
	})
}

// keepingTask is a signature that waits: the second one, and the first where an order goes beyond what the envelope may hold alone.
func (s *State) keepingTask(person protocol.PersonID, id protocol.RequestID, now time.Time) (Task, bool) {
	if !s.Holds(person, Approver, "", now) {
		return Task{}, false
	}
	k, err := s.keeping(id, now)
	if err != nil || !s.Holds(person, Approver, k.regime, now) || slices.Contains(k.handled, person) || s.requests[id] != nil && s.requests[id].asked(person) {
		return Task{}, false
	}
	due := k.holds[0].End
	for _, h := range k.holds {
		due = earliest(due, h.End)
	}
	switch {
	case k.proposed != nil && k.proposed.By != person:
		return Task{What: "keep", Words: Words{"tweede handtekening onder langer bewaren", "second signature under holding longer"}, Since: k.proposed.At, Due: due}, true
	case k.proposed == nil && !k.until.IsZero() && !s.KeepUntil(id, now).IsZero():
		return Task{What: "keep", Words: Words{"langer bewaren: het bevel gaat verder dan de bewaring", "hold longer: the order goes beyond the hold"}, Since: k.holds[0].Issued, Due: due}, true
	}
	return Task{}, false
}
