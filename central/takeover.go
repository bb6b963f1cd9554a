package central

import (
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Shifts end and requests go on: a colleague of the unit takes a request over, and the request shows who asked before. Whoever ever asked is a requester of it for good, and
// so neither its handler nor its approver (invariant 12).

// TakeOver makes By the requester. By a requester of the same unit, who has not checked or decided it.
type TakeOver struct {
	By      protocol.PersonID
	Request protocol.RequestID
}

// RequestTaken: another person of the unit is the requester from now.
type RequestTaken struct {
	Request protocol.RequestID `json:"request"`
	From    protocol.PersonID  `json:"from"`
}

// asked says whether a person is or was the requester.
func (r *Request) asked(person protocol.PersonID) bool {
	return person == r.Requester || slices.Contains(r.Before, person)
}

// MayTakeOver says why a person cannot take a request over now.
func (s *State) MayTakeOver(person protocol.PersonID, r *Request, now time.Time) error {
	if r.Kind.byStaff() {
		return refuse(CodeForbidden, "Deze aanvraag is van de gemeente zelf en kan niet worden overgenomen.", "This request is the municipality's own and cannot be taken over.")
	}
	if err := s.receives(person, r, now); err != nil {
		return err
	}
	switch {
	case r.Status == Refused || r.Status == Closed:
		return refuse(CodeState, "Deze aanvraag is al afgehandeld.", "This request is done with.")
	case person == r.Requester:
		return refuse(CodeState, "U bent de aanvrager al.", "You are the requester already.")
	case slices.ContainsFunc(r.History, func(m Moment) bool {
		return m.By == person && (m.Name == (*RequestChecked)(nil).name() || m.Name == (*RequestDecided)(nil).name())
	}):
		return errSamePerson
	}
	return nil
}

func (c TakeOver) decide(d *decision) error {
	d.by = c.By
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.MayTakeOver(c.By, r, d.now.Time); err != nil {
		return err
	}
	d.record(&RequestTaken{r.ID, r.Requester})
	return nil
}

func (f *RequestTaken) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, "", func(r *Request) {
		if !slices.Contains(r.Before, r.Requester) {
			r.Before = append(r.Before, r.Requester)
		}
		r.Requester = e.By
	})
}
