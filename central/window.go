package central

import (
	"fmt"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// How long footage of a camera in use stays (R4). Less of it can suppress evidence, so two approvers ask it; the recorder checks their names, and what is older goes at once. More of it is
// the registrar's, as far as an adopted protocol goes, and counts for footage recorded from then on (invariant 3).

// Rules of a camera in use: the protocol's version, and how long footage stays where that is less than the protocol's window.
type Rules struct {
	Protocol ProtocolRef     `json:"protocol"`
	Keep     protocol.Window `json:"keep,omitzero"`
}

// ChangeRules puts a camera in use under another version of its protocol, or gives it another window. By a registrar; where it becomes less by an approver of its regime, and it happens
// when a second one asks the same.
type ChangeRules struct {
	By     protocol.PersonID
	Camera protocol.CameraID
	Rules
	Reason string
}

type (
	// ShorteningProposed is the first approver's signature.
	ShorteningProposed struct {
		Camera protocol.CameraID `json:"camera"`
		Rules
		Reason string `json:"reason"`
	}
	// RulesChanged is followed by the order that carries the mandate. Proposer: the first approver, where it became less.
	RulesChanged struct {
		Camera protocol.CameraID `json:"camera"`
		Rules
		Reason   string            `json:"reason"`
		Proposer protocol.PersonID `json:"proposer,omitempty"`
	}
)

func (*ShorteningProposed) name() string { return "placement.shortening" }
func (*RulesChanged) name() string       { return "placement.rules" }

func (c ChangeRules) decide(d *decision) error {
	p := d.placements[c.Camera]
	if p == nil {
		return unknown("Camera", "Camera", string(c.Camera))
	}
	if registrar := d.as(c.By, Registrar, ""); registrar != nil {
		if err := d.as(c.By, Approver, p.Regime); err != nil {
			return registrar
		}
	}
	if p.StatusAt(d.now.Time) != Active {
		return refuse(CodeState, "Deze camera is niet in gebruik.", "This camera is not in use.")
	}
	after := *p
	after.Protocol, after.Keep = c.Protocol, c.Keep
	t, err := d.permitted(&after, d.now.Time)
	if err != nil {
		return err
	}
	last := p.Mandate()
	less := t.window < last.Window || t.longest < last.LongestHold
	switch {
	case c.Rules == Rules{p.Protocol, p.Keep}:
		return refuse(CodeState, "Dit geldt al voor deze camera.", "This holds for this camera already.")
	case strings.TrimSpace(c.Reason) == "":
		return missing("de reden", "the reason")
	case !less:
		if err := d.as(c.By, Registrar, ""); err != nil {
			return err
		}
		if err := d.worse(p, &after); err != nil {
			return err
		}
		d.record(&RulesChanged{Camera: c.Camera, Rules: c.Rules, Reason: c.Reason})
		return d.mandate(&after, p.Besluit)
	}
	if err := d.as(c.By, Approver, p.Regime); err != nil {
		return err
	}
	first := p.Proposed
	if first == nil || first.Ending != Shorten || first.Rules != c.Rules || d.acts(first.By, Approver, p.Regime, d.now.Time) != nil {
		d.record(&ShorteningProposed{c.Camera, c.Rules, c.Reason})
		return nil
	}
	if first.By == c.By {
		return secondApprover()
	}
	d.record(&RulesChanged{c.Camera, c.Rules, c.Reason, first.By})
	return d.mandate(&after, p.Besluit, first.By, c.By)
}

// note says the rules in a history.
func (r Rules) note(reason string) string {
	if r.Keep > 0 {
		return fmt.Sprintf("%s, %s: %s", r.Protocol, r.Keep, reason)
	}
	return fmt.Sprintf("%s: %s", r.Protocol, reason)
}

func (f *ShorteningProposed) apply(s *State, e Event) error {
	return s.place(f.Camera, e, f.note(f.Reason), func(p *Placement) {
		p.Proposed = &Proposal{By: e.By, At: e.Time, Ending: Shorten, Reason: f.Reason, Rules: f.Rules}
	})
}

func (f *RulesChanged) apply(s *State, e Event) error {
	return s.place(f.Camera, e, f.note(f.Reason), func(p *Placement) {
		p.Protocol, p.Keep = f.Protocol, f.Keep
		if f.Proposer != "" {
			p.Proposed = nil
		}
	})
}
