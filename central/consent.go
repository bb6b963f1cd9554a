package central

import (
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Consent (R20). What no law or demand gives may go to somebody else only with the prior consent of everyone who can be recognised, and consent can be taken back at any
// moment: that stops all that has not been handed over. Masking those who did not consent needs a derivative, which is not made here: without everyone's consent, nothing.

// Consent is what everyone recognisable said beforehand. The statements name people; they are kept elsewhere.
type Consent struct {
	Statements []string `json:"statements"` // where each signed statement is kept
	Everyone   bool     `json:"everyone"`   // there is one for everyone who can be recognised
}

// ConsentWithdrawn: somebody took their consent back.
type ConsentWithdrawn struct {
	Request protocol.RequestID `json:"request"`
	Note    string             `json:"note,omitempty"` // how it came: letter, telephone
}

// WithdrawConsent stops what has not been handed over. By the handler or a requester of the unit, whoever was told; the person filmed has no account here.
type WithdrawConsent struct {
	By      protocol.PersonID
	Request protocol.RequestID
	Note    string
}

// check is what a request on consent states.
func (c Consent) check() error {
	switch {
	case len(c.Statements) == 0 || slices.ContainsFunc(c.Statements, func(s string) bool { return strings.TrimSpace(s) == "" }):
		return missing("waar elke ondertekende verklaring van toestemming wordt bewaard", "where each signed statement of consent is kept")
	case !c.Everyone:
		return refuse(CodeInvalid,
			"Iedereen die herkenbaar in beeld is moet vooraf toestemming hebben gegeven. Kan dat niet, dan kunnen deze beelden niet op deze grond worden verstrekt.",
			"Everyone who can be recognised must have consented beforehand. If that cannot be, this footage cannot be released on this ground.")
	}
	return nil
}

// consented says why a request on consent gives nothing now.
func (r *Request) consented() error {
	if r.Withdrawn == nil {
		return nil
	}
	return refuse(CodeState, "De toestemming is ingetrokken. Er wordt niets meer verstrekt; wijs de aanvraag af, dan eindigt de bewaring.", "Consent was withdrawn. Nothing is released any more; refuse the request, and the hold ends.")
}

// MayWithdrawConsent says why a person cannot record that consent was taken back.
func (s *State) MayWithdrawConsent(person protocol.PersonID, r *Request, now time.Time) error {
	if !s.Holds(person, Handler, r.Regime, now) {
		if err := s.receives(person, r, now); err != nil {
			return err
		}
	}
	switch {
	case r.Kind != ByConsent || r.Withdrawn != nil:
		return refuse(CodeState, "Hier is geen toestemming om in te trekken.", "There is no consent here to withdraw.")
	case r.HandedOver != nil || r.Status == Refused || r.Status == Closed:
		return refuse(CodeState, "De beelden zijn al overgedragen, of er wordt niets verstrekt.", "The footage has been handed over already, or nothing is released.")
	}
	return nil
}

func (c WithdrawConsent) decide(d *decision) error {
	d.by = c.By
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.MayWithdrawConsent(c.By, r, d.now.Time); err != nil {
		return err
	}
	if strings.TrimSpace(c.Note) == "" {
		return missing("hoe de intrekking binnenkwam, zonder namen", "how the withdrawal came in, without names")
	}
	d.record(&ConsentWithdrawn{r.ID, c.Note})
	return nil
}

func (f *ConsentWithdrawn) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, f.Note, func(r *Request) {
		m := e.moment(f.Note)
		r.Withdrawn = &m
		for _, g := range r.Grants {
			if g.Voided == nil && !r.fetched(g) {
				g.void(e, VoidConsent)
			}
		}
		if r.Check != nil {
			r.Status = Checked // an approver refuses, which lifts the holds
		}
	})
}
