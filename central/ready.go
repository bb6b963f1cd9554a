package central

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// What a camera needs before it may be used, or used on under a new besluit. A camera that was in use before this was asked stays in use until its besluit ends, and shows what it lacks; no
// change makes it lack more.

// window is how long the footage of a placement would stay by its protocol and its own rule; zero without a protocol.
func (s *State) window(p *Placement) protocol.Window {
	rules := s.Protocol(p.Protocol)
	if rules == nil || p.Keep > 0 && p.Keep < rules.Window {
		return p.Keep
	}
	return rules.Window
}

// Lacks is everything a placement needs before it may be used, with the besluit it has; nothing: it may be activated. Each says what to do.
func (s *State) Lacks(p *Placement, now time.Time) []*Refusal { return s.lacks(p, p.Besluit, now) }

// LacksToRenew is what it needs before it may be renewed, besides the new besluit.
func (s *State) LacksToRenew(p *Placement, now time.Time) []*Refusal {
	return slices.DeleteFunc(s.Lacks(p, now), func(r *Refusal) bool {
		besluit, ok := RefusalOf(inForce(p.Regime, p.Besluit, now))
		return ok && *r == *besluit
	})
}

func (s *State) lacks(p *Placement, b Besluit, now time.Time) (list []*Refusal) {
	add := func(err error) {
		if r, ok := RefusalOf(err); ok {
			list = append(list, r)
		}
	}
	need := func(there bool, nl, en string) {
		if !there {
			add(refuse(CodeNotReady, nl, en))
		}
	}
	need(!p.Sign.Placed.IsZero() || p.Sign.Exception != "", "Plaats eerst het bord, of leg vast waarom dat niet kan.", "Place the sign first, or record why that cannot be.") // R15
	need(p.Sound == Sound{} || p.Sign.Sound || p.Sign.Exception != "", "Zet eerst op het bord dat er ook geluid wordt opgenomen.", "First have the sign say that sound is recorded too.")
	add(inForce(p.Regime, b, now))
	_, err := s.permitted(p, now)
	add(err)

	s.lacksOfDPIA(p, now, add)
	need(p.Masks != "" || p.NoMasks != "", "Leg vast wat in beeld is afgeschermd, of waarom dat niet nodig is.", "Record what is masked in the picture, or why that is not needed.") // R30
	need(p.Quality != "", "Kies hoeveel er te zien moet zijn (beeldkwaliteit).", "Choose how much has to be seen (quality).")                                                        // R30
	if p.Regime == protocol.AVG {
		need(p.FilmsStaff != "", "Leg vast of personeel in beeld komt.", "Record whether staff are filmed.")
		need(p.FilmsStaff != Yes || p.Council != Council{}, "Deze camera filmt personeel: leg de instemming van de ondernemingsraad vast.", "This camera films staff: record the works council's consent.")
		need(p.Selection != "", "Vul de code uit de selectielijst in, op grond waarvan de beelden worden vernietigd.", "Fill in the code of the selection list by which the footage is destroyed.") // R4
	}
	if open := p.Owners.open(); len(open) > 0 { // R7
		need(false, "Vul bij elke letter van RASCI een verantwoordelijke in; nog open: "+strings.Join(open, ", ")+".", "Fill in an owner for each letter of RASCI; still open: "+strings.Join(open, ", ")+".")
	}
	need(p.Storage.Country == Netherlands, "Leg vast waar in Nederland de beelden staan.", "Record where in the Netherlands the footage is kept.") // R21
	if p.Processor != "" {                                                                                                                         // R19
		add(s.ProcessorAgreed(p.Processor, now))
	}
	return list
}

// lacksOfDPIA: R12.
func (s *State) lacksOfDPIA(p *Placement, now time.Time, add func(error)) {
	a := s.dpias[p.DPIA]
	if a == nil {
		add(refuse(CodeNotReady, "Kies eerst de DPIA waarop deze camera rust.", "First choose the DPIA that this camera rests on."))
		return
	}
	if a.Advised.IsZero() {
		add(refuse(CodeNotReady, fmt.Sprintf("De privacy officer heeft nog niet geadviseerd over DPIA %s.", a.ID), fmt.Sprintf("The privacy officer has not advised on DPIA %s yet.", a.ID)))
	}
	if !now.Before(a.Review.Time) {
		add(refuse(CodeNotReady, fmt.Sprintf("DPIA %s moet opnieuw worden bekeken.", a.ID), fmt.Sprintf("DPIA %s has to be looked at anew.", a.ID)))
	}
	for _, c := range s.Needed(p, now) {
		if !s.Meets(p, c, now) {
			w := c.Words()
			add(refuse(CodeNotReady, fmt.Sprintf("DPIA %s (score %d) vraagt: %s.", a.ID, a.Score, w.NL), fmt.Sprintf("DPIA %s (score %d) asks: %s.", a.ID, a.Score, w.EN)))
		}
	}
}

// lacking refuses what lacks something: with the code of the first, and the words of all.
func lacking(list []*Refusal) error {
	if len(list) == 0 {
		return nil
	}
	var nl, en []string
	for _, r := range list {
		nl, en = append(nl, r.NL), append(en, r.EN)
	}
	return refuse(list[0].Code, strings.Join(nl, " "), strings.Join(en, " "))
}

// worse refuses a change to a camera in use that makes it lack what it did not lack.
func (d *decision) worse(before, after *Placement) error {
	had := d.Lacks(before, d.now.Time)
	return lacking(slices.DeleteFunc(d.Lacks(after, d.now.Time), func(r *Refusal) bool {
		return slices.ContainsFunc(had, func(h *Refusal) bool { return *h == *r })
	}))
}

// incomplete says cheaply that a camera in use has not got what was asked of none before: assessment and owners.
func (p *Placement) incomplete() bool { return p.DPIA == "" || len(p.Owners.open()) > 0 }

// inForce says why a besluit cannot carry a mandate now.
func inForce(regime protocol.Regime, b Besluit, now time.Time) error {
	switch {
	case b.Reference == "" || b.Body == "" || b.Date.IsZero() || b.ValidUntil.IsZero():
		return refuse(CodeNotReady, "Leg eerst het besluit vast: kenmerk, datum, wie besloot en tot wanneer.", "Record the decision first: reference, date, who decided and until when.")
	case b.Date.After(now) || b.ValidFrom.After(now):
		return refuse(CodeNotReady, "Het besluit is nog niet in werking.", "The decision is not yet in force.")
	case !now.Before(b.ValidUntil.Time):
		return refuse(CodeTerm, "Het besluit is verlopen.", "The decision has lapsed.")
	case regime == protocol.WPG && (b.Area == "" || b.Prosecutor.IsZero() || b.Prosecutor.After(now)):
		return refuse(CodeNotReady,
			"Leg bij het besluit van de burgemeester het gebied vast, en de dag van overleg met de officier van justitie.",
			"Record with the mayor's decision the area, and the day the prosecutor was consulted.")
	}
	return nil
}

// terms are what a mandate says of keeping and of sound.
type terms struct {
	window, longest protocol.Window
	sound           string
}

// permitted is what protocol, own rule and roster allow a placement; or why there can be no mandate.
func (s *State) permitted(p *Placement, now time.Time) (t terms, err error) {
	rules := s.Protocol(p.Protocol)
	if rules == nil {
		return t, refuse(CodeNotReady, "Kies eerst een vastgesteld cameraprotocol.", "Choose an adopted camera protocol first.")
	}
	if rules.Regime != p.Regime {
		return t, refuse(CodeRegime, "Het protocol is voor een ander regime.", "The protocol is for another regime.")
	}
	if err := rules.inForce(now); err != nil {
		return t, err
	}
	for _, purpose := range p.Purposes {
		if !slices.Contains(rules.Purposes, purpose) {
			w := purpose.Words()
			return t, refuse(CodePurpose, fmt.Sprintf("Het protocol kent het doel %q niet.", w.NL), fmt.Sprintf("The protocol does not know the purpose %q.", w.EN))
		}
	}
	if p.Basis != "" && len(rules.Bases) > 0 && !slices.Contains(rules.Bases, p.Basis) {
		w := p.Basis.Words()
		return t, refuse(CodeInvalid, fmt.Sprintf("Het protocol kent de grondslag %q niet.", w.NL), fmt.Sprintf("The protocol does not know the legal basis %q.", w.EN))
	}
	if p.Keep > rules.Window {
		return t, refuse(CodeInvalid, fmt.Sprintf("Het protocol bewaart ten hoogste %s. Langer vraagt een nieuwe versie van het protocol.", rules.Window), fmt.Sprintf("The protocol keeps footage for at most %s. Longer takes a new version of the protocol.", rules.Window))
	}
	window := s.window(p)
	if most := CapOf(p.Regime); window > most.Window { // R4
		return t, refuse(CodeInvalid, fmt.Sprintf("De bewaartermijn is langer dan mag: %s (%s).", most.Words.NL, most.Source), fmt.Sprintf("The window is longer than is allowed: %s (%s).", most.Words.EN, most.Source))
	}
	roster := s.recorders[p.Recorder].Roster
	if window > roster.MaxWindow || rules.LongestHold > roster.MaxHold {
		return t, refuse(CodeRoster, "Het protocol bewaart langer dan het rooster van de recorder toestaat.", "The protocol keeps footage longer than the recorder's roster allows.")
	}
	sound := protocol.SoundNone
	if p.Sound != (Sound{}) {
		if sound = protocol.SoundAllowed; !rules.Sound {
			return t, refuse(CodeNotReady, "Het cameraprotocol staat geen geluid toe.", "The camera protocol allows no sound.")
		}
		if roster.Sound != protocol.SoundAllowed {
			return t, refuse(CodeRoster, "Het rooster van de recorder staat geen geluid toe.", "The recorder's roster allows no sound.")
		}
	}
	return terms{window, rules.LongestHold, sound}, nil
}

// mandate issues the next mandate of a placement, until the end of a besluit.
func (d *decision) mandate(p *Placement, b Besluit, approvers ...protocol.PersonID) error {
	t, err := d.permitted(p, d.now.Time)
	if err != nil {
		return err
	}
	return d.issue(&protocol.Mandate{
		Heading: d.heading("m", p.Recorder, b.ValidUntil),
		Camera:  p.Camera, Regime: p.Regime, Version: p.nextVersion(), Streams: p.Streams,
		Window: t.window, LongestHold: t.longest, Sound: t.sound, Hours: "always", Besluit: b.Reference, Protocol: p.Protocol.String(), Approvers: approvers,
	}, p.Regime, b.ValidUntil)
}
