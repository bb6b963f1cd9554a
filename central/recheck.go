package central

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Between an approval and the hand-over people and agreements change, and so does what is asked. A grant rests on three people who may each do their part, and on the
// question as it was approved: when one of these falls away it is void, and somebody decides anew. What has been fetched has left; it is not made undone.

// VoidReason is why a grant fell away.
type VoidReason string

const (
	VoidHandler   VoidReason = "handler"   // the handler may no longer check
	VoidApprover  VoidReason = "approver"  // the approver may no longer decide
	VoidRequester VoidReason = "requester" // the requester, or the unit that receives, may no longer ask
	VoidConsent   VoidReason = "consent"   // somebody recognisable took their consent back
	VoidTakenBack VoidReason = "taken-back"
	VoidScope     VoidReason = "scope" // the request was changed after its approval
)

var voidWords = map[VoidReason]Words{
	VoidHandler:   {"de behandelaar heeft deze rol niet meer", "the handler no longer has this role"},
	VoidApprover:  {"de goedkeurder heeft deze rol niet meer", "the approver no longer has this role"},
	VoidRequester: {"de aanvrager of de ontvangende organisatie mag dit niet meer vragen", "the requester or the receiving organisation may no longer ask this"},
	VoidConsent:   {"de toestemming van wie herkenbaar is werd ingetrokken", "the consent of somebody recognisable was withdrawn"},
	VoidTakenBack: {"de aanvrager heeft de aanvraag ingetrokken", "whoever asked has taken the request back"},
	VoidScope:     {"de aanvraag is na de goedkeuring gewijzigd", "the request was changed after its approval"},
}

func (v VoidReason) Words() Words { return voidWords[v] }

type (
	// GrantVoided: this grant fell away before its footage was fetched. If it has not left yet it goes out as one that is over already.
	GrantVoided struct {
		Request protocol.RequestID `json:"request"`
		Grant   protocol.GrantID   `json:"grant"`
		Why     VoidReason         `json:"why"`
	}
	// RequestAmended: the question is another one. Its check, decision and grants fall away.
	RequestAmended struct {
		Request protocol.RequestID `json:"request"`
		RequestFacts
	}
)

// Voiding is when and why a grant fell away.
type Voiding struct {
	At  protocol.Time
	Why VoidReason
}

// AmendRequest changes what is asked, also after the approval, which it makes void. By the requester; nothing has been fetched yet.
type AmendRequest struct {
	By      protocol.PersonID
	Request protocol.RequestID
	RequestFacts
}

// mayAsk says why this request may not be granted or handed over now: its requester lost the role, unit or camera (R18), or there is no valid agreement with the unit
// that receives (R17, R19).
func (s *State) mayAsk(r *Request, now time.Time) error {
	p, role := s.people[r.Requester], Requester
	if r.Kind.byStaff() {
		role = Staff
	}
	fits := s.acts(r.Requester, role, "", now) == nil
	if fits && role == Staff {
		fits = !slices.ContainsFunc(r.Cameras, func(c protocol.CameraID) bool { return !slices.Contains(p.Cameras, c) })
	} else if fits {
		fits = p.Unit == r.Unit
	}
	if !fits {
		return refuse(CodeInactive,
			"De aanvrager mag deze beelden niet meer vragen: de rol, de eenheid of de toewijzing van de camera is gewijzigd. Bij de politie kan een collega van de eenheid de aanvraag overnemen.",
			"The requester may no longer ask for this footage: the role, the unit or the assignment of the camera has changed. At the police a colleague of the unit can take the request over.")
	}
	if r.Unit != "" {
		return s.agreed(r.Unit, now)
	}
	return nil
}

// agreed says why footage may not go to a unit: R19, only with a valid agreement.
func (s *State) agreed(unit string, now time.Time) error {
	if u := s.units[unit]; !u.valid(now) || !u.portal() {
		return refuse(CodeInactive,
			"Er is geen geldige afspraak met de ontvangende organisatie ("+unit+"). Vraag de beheerder de afspraak te verlengen.",
			"There is no valid agreement with the receiving organisation ("+unit+"). Ask the administrator to renew it.")
	}
	return nil
}

// fault is why a grant no longer rests on three people who may do their part; empty while it does.
func (s *State) fault(g *Grant, now time.Time) VoidReason {
	r := s.requests[g.Request]
	switch {
	case s.acts(g.Handler, Handler, r.Regime, now) != nil:
		return VoidHandler
	case s.acts(g.Approver, Approver, r.Regime, now) != nil:
		return VoidApprover
	case s.mayAsk(r, now) != nil:
		return VoidRequester
	}
	return ""
}

// pending: something may still come of the grant.
func (s *State) pending(g *Grant, now time.Time) bool {
	r := s.requests[g.Request]
	switch {
	case g.Voided != nil || g.Refused != "" || r.Status == Closed:
		return false
	case g.Use == protocol.UseStanding:
		return g.Valid(now) == nil
	case g.Released != nil:
		return !r.fetched(g) && now.Before(g.At.Add(protocol.HandOverTerm))
	}
	return g.open(now)
}

func (r *Request) fetched(g *Grant) bool {
	return slices.ContainsFunc(r.Downloads, func(l Download) bool { return l.Grant == g.GrantID() })
}

// recheck makes void what no longer rests on three people, once this person is as the appointment says; nil: as everyone is now.
func (d *decision) recheck(change *Appointment) {
	after := *d.State
	if change != nil {
		after.people = maps.Clone(d.people)
		after.people[change.Person] = &Person{Appointment: *change, Since: d.now}
	}
	d.voids(&after, func(g *Grant) bool {
		return change == nil || change.Person == g.Handler || change.Person == g.Approver || change.Person == d.requests[g.Request].Requester
	})
}

// recheckUnit makes void what rested on an organisation's agreement, once that has ended (R19).
func (d *decision) recheckUnit(id string) {
	after := *d.State
	after.units = maps.Clone(d.units)
	ended := *d.units[id]
	ended.ValidUntil = d.now
	after.units[id] = &ended
	d.voids(&after, func(*Grant) bool { return true })
}

func (d *decision) voids(after *State, touched func(*Grant) bool) {
	for _, id := range sortedKeys(d.open) {
		g := d.open[id]
		if !d.pending(g, d.now.Time) || !touched(g) {
			continue
		}
		if why := after.fault(g, d.now.Time); why != "" {
			d.record(&GrantVoided{g.Request, id, why})
		}
	}
}

func (g *Grant) void(e Event, why VoidReason) { g.Voided = &Voiding{e.Time, why} }

func (f *GrantVoided) apply(s *State, e Event) error {
	g := s.grants[f.Grant]
	if g == nil {
		return noSuch("grant", string(f.Grant))
	}
	g.void(e, f.Why)
	return s.dossier(f.Request, e, string(f.Grant), func(r *Request) {
		if r.Status == Released {
			r.Status = Granted
		}
	})
}

// voided is why a grant gives nothing now, for whoever would fetch it.
func voided(why VoidReason) error {
	w := why.Words()
	return refuse(CodeState, "Deze toestemming is vervallen: "+w.NL+". Er moet opnieuw worden beslist.", "This grant is void: "+w.EN+". A new decision is needed.")
}

// MayAmend says why a request can no longer be changed.
func (s *State) MayAmend(r *Request) error {
	switch {
	case r.Kind == Standing:
		return refuse(CodeState, "Vraag meekijken opnieuw aan.", "Ask to view anew.")
	case r.Status == Refused || r.Status == Closed || r.Status == Kept || r.TakenBack != nil || len(r.Downloads) > 0:
		return refuse(CodeState, "Deze aanvraag kan niet meer worden gewijzigd. Dien een nieuwe in.", "This request can no longer be changed. File a new one.")
	}
	return nil
}

func (c AmendRequest) decide(d *decision) error {
	d.by = c.By
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if c.By != r.Requester {
		return refuse(CodeForbidden, "Alleen de aanvrager kan de aanvraag wijzigen. Een collega van de eenheid kan haar eerst overnemen.", "Only the requester can change the request. A colleague of the unit can take it over first.")
	}
	if err := d.MayAmend(r); err != nil {
		return err
	}
	if c.Kind != r.Kind || c.Period.IsZero() != r.Period.IsZero() || !c.Said.Equal(r.Said.Time) {
		return refuse(CodeInvalid, "Dit is een ander soort aanvraag. Dien een nieuwe in.", "This is another kind of request. File a new one.")
	}
	f, regime, err := d.asked(c.By, c.RequestFacts)
	if err != nil {
		return err
	}
	if regime != r.Regime {
		return refuse(CodeRegime, "Vraag AVG- en WPG-camera's in twee aanvragen.", "Ask AVG and WPG cameras in two requests.")
	}
	same, err := sameFacts(f, r.RequestFacts)
	if err != nil {
		return err
	}
	held := func(camera protocol.CameraID) bool {
		return slices.ContainsFunc(r.Holds, func(h *Hold) bool { return h.serves(f) && h.Camera == camera })
	}
	if same && (!f.Period.IsZero() || !slices.ContainsFunc(f.Cameras, func(camera protocol.CameraID) bool { return !held(camera) })) {
		return nil // nothing changes, so nothing falls away: a system whose answer was lost sends the same again
	}
	d.record(&RequestAmended{r.ID, f})
	if !f.Period.IsZero() {
		return nil
	}
	for _, camera := range f.Cameras {
		if held(camera) {
			continue
		}
		if err := d.hold(r.ID, d.placements[camera], f); err != nil {
			return err
		}
	}
	return nil
}

// sameFacts: as the ledger would hold them.
func sameFacts(a, b RequestFacts) (bool, error) {
	one, err := json.Marshal(a, json.Deterministic(true))
	if err != nil {
		return false, err
	}
	other, err := json.Marshal(b, json.Deterministic(true))
	return bytes.Equal(one, other), err
}

// serves: the hold keeps what is asked. What it keeps and nobody asks any more runs to its end, for no envelope alone lifts what was not released.
func (h *Hold) serves(f RequestFacts) bool {
	return !h.Replaced && h.State() != "refused" && h.State() != "lifted" && h.Asked.Equal(f.Asked) && slices.Contains(f.Cameras, h.Camera)
}

func (f *RequestAmended) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, "", func(r *Request) {
		r.RequestFacts = f.RequestFacts
		s.need(r)
		r.Check, r.Decision, r.Status, r.Deliveries, r.Keeping = nil, nil, Filed, nil, nil
		for _, h := range r.Holds {
			h.Replaced = !h.serves(f.RequestFacts)
		}
		for _, g := range r.Grants {
			if g.Voided == nil {
				g.void(e, VoidScope)
			}
		}
	})
}
