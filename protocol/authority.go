package protocol

import (
	"fmt"
	"time"
)

// Level says who vouches for the persons on a document. It is derived from the signatures found, never claimed.
type Level string

const (
	LevelPersons Level = "persons" // handler and approver signed themselves
	LevelCentre  Level = "centre"  // only the centre's envelope vouches for them; this does not withstand a hostile centre
	LevelRoots   Level = "roots"   // a roster, signed by the offline roots
	LevelOrder   Level = "order"   // a document that no person signs: the envelope is all it needs
)

// Roots are the offline keys pinned at enrolment; RootThreshold of them sign a roster.
type Roots []string

// RootThreshold: two of three.
const RootThreshold = 2

// OpenRoster verifies a roster against the pinned roots and then reads it.
func OpenRoster(raw []byte, roots Roots) (*Roster, error) {
	s, err := ParseDocument(raw)
	if err != nil {
		return nil, err
	}
	r, ok := s.Document.(*Roster)
	if !ok {
		return nil, fmt.Errorf("%s %s: not a roster", s.Kind(), s.Head().ID)
	}
	seen := map[string]bool{}
	for _, key := range roots {
		v, err := NewVerifier(key)
		if err != nil {
			return nil, fmt.Errorf("pinned root: %w", err)
		}
		if s.SignedBy(v) {
			seen[key] = true
		}
	}
	if len(seen) < RootThreshold {
		return nil, fmt.Errorf("roster %s version %d: signed by %d of the pinned roots, needs %d", r.ID, r.Version, len(seen), RootThreshold)
	}
	return r, nil
}

// Authorise checks a document's persons against the roster and derives its level. The caller has verified the envelope and the term.
func (r *Roster) Authorise(s Signed, regime Regime) (Level, error) {
	switch d := s.Document.(type) {
	case *Grant:
		if d.Regime != regime {
			return "", fmt.Errorf("grant %s: regime %s, but camera %s falls under %s", d.ID, d.Regime, d.Camera, regime)
		}
		if d.Requester == r.Officer && d.Use == UseRelease {
			return "", fmt.Errorf("grant %s: the privacy officer receives no release", d.ID)
		}
		return r.persons(s, regime, d.Handler, d.Approver)
	case *Lift:
		if d.Handler == "" && d.Approver == "" {
			return LevelOrder, nil // reason released; that everything is released is for the receiver, who did it
		}
		return r.persons(s, regime, d.Handler, d.Approver)
	case *Hold:
		if len(d.Approvers) == 0 && d.End.Sub(d.NotBefore.Time) <= MaxHoldSingle {
			return LevelOrder, nil // that a renewed hold needs two is for the receiver, who knows the first one
		}
		return r.approvers(s, regime, d.Approvers)
	case *Mandate:
		if len(d.Approvers) == 0 {
			return LevelOrder, nil // that narrowing needs two is for the receiver, who knows what came before
		}
		return r.approvers(s, regime, d.Approvers)
	case *Erase:
		return r.approvers(s, regime, d.Approvers) // never on the envelope alone: it destroys evidence
	case *Resume: // of the whole recorder, whatever the regime
		if d.Officer != r.Officer {
			return "", fmt.Errorf("resume %s: %s is not the privacy officer of roster version %d", d.ID, d.Officer, r.Version)
		}
		level, err := r.level(s, Seat{Person: r.Officer, Key: r.OfficerKey})
		if err == nil && level != LevelPersons && r.OfficerKey != "" {
			return "", fmt.Errorf("resume %s: the privacy officer has not signed it; the roster names the key, so the centre's word is not enough", d.ID)
		}
		return level, err
	}
	return "", fmt.Errorf("%s %s: no person's authority applies", s.Kind(), s.Head().ID)
}

func (r *Roster) persons(s Signed, regime Regime, handler, approver PersonID) (Level, error) {
	h, ok := seat(r.Handlers, regime, handler)
	if !ok {
		return "", fmt.Errorf("%s %s: handler %s is not on roster version %d for %s", s.Kind(), s.Head().ID, handler, r.Version, regime)
	}
	a, ok := seat(r.Approvers, regime, approver)
	if !ok {
		return "", fmt.Errorf("%s %s: approver %s is not on roster version %d for %s", s.Kind(), s.Head().ID, approver, r.Version, regime)
	}
	return r.level(s, h, a)
}

func (r *Roster) approvers(s Signed, regime Regime, people []PersonID) (Level, error) {
	if len(people) != 2 || people[0] == people[1] {
		return "", fmt.Errorf("%s %s: needs two different approvers, names %v", s.Kind(), s.Head().ID, people)
	}
	seats := make([]Seat, len(people))
	for i, p := range people {
		var ok bool
		if seats[i], ok = seat(r.Approvers, regime, p); !ok {
			return "", fmt.Errorf("%s %s: approver %s is not on roster version %d for %s", s.Kind(), s.Head().ID, p, r.Version, regime)
		}
	}
	return r.level(s, seats...)
}

// level is persons when every seat's own key signed; otherwise centre, if the roster allows that. A signature that is there and does not
// verify is refused, never passed over.
func (r *Roster) level(s Signed, seats ...Seat) (Level, error) {
	level := LevelPersons
	for _, seat := range seats {
		if seat.Key != "" {
			v, err := NewVerifier(seat.Key)
			if err != nil {
				return "", err
			}
			signed, err := s.signature(v)
			if err != nil {
				return "", fmt.Errorf("%s %s: signature of %s: %w", s.Kind(), s.Head().ID, seat.Person, err)
			}
			if signed {
				continue
			}
		}
		if !r.LevelCentre {
			return "", fmt.Errorf("%s %s: %s has not signed, and the roster does not accept the centre's word for it", s.Kind(), s.Head().ID, seat.Person)
		}
		level = LevelCentre
	}
	return level, nil
}

// Current says whether a roster may be relied on at now.
func (r *Roster) Current(now time.Time) error {
	if err := r.Valid(now); err != nil {
		return fmt.Errorf("roster version %d: %w", r.Version, err)
	}
	return nil
}
