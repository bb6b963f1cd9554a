package central

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The register: placements, mandates. The protocols they are under: protocols.go.

func (c RegisterPlacement) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	if d.placements[c.Camera] != nil {
		return refuse(CodeExists, "Dit cameranummer is al gebruikt. Nummers worden nooit hergebruikt.", "This camera id has been used. Ids are never used again.")
	}
	c.Owners.Accountable = cmp.Or(c.Owners.Accountable, College)
	if err := c.check(d); err != nil {
		return err
	}
	d.record(&PlacementRegistered{c.PlacementFacts})
	return nil
}

func (c AmendPlacement) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	p := d.placements[c.Camera]
	switch {
	case p == nil:
		return unknown("Camera", "Camera", string(c.Camera))
	case p.Status == Removed:
		return refuse(CodeState, "Deze camera is verwijderd.", "This camera has been removed.")
	case p.Regime != c.Regime:
		return refuse(CodeRegime, "Een camera wisselt nooit van regime.", "A camera never changes regime.")
	}
	c.Owners.Accountable = cmp.Or(c.Owners.Accountable, College)
	if err := c.check(d); err != nil {
		return err
	}
	if p.Status != Draft {
		if !c.powers().equal(p.powers()) {
			return refuse(CodeState,
				"Van een camera die in gebruik is geweest veranderen doel, geluid, besluit, protocol, bewaartermijn, bord, recorder en stromen hier niet: daarvoor zijn verlengen, bewaartermijn wijzigen, bord vastleggen en intrekken.",
				"Of a camera that has been in use, purpose, sound, decision, protocol, window, sign, recorder and streams do not change here: for those there are renewing, changing the window, recording the sign and withdrawing.")
		}
		c.ValidFrom, c.ValidTo = p.ValidFrom, p.ValidTo
		after := *p
		after.PlacementFacts = c.PlacementFacts
		if err := d.worse(p, &after); p.Status == Active && err != nil {
			return err
		}
	}
	d.record(&PlacementAmended{c.PlacementFacts})
	return nil
}

// powers is what a mandate rests on: it changes by commands of its own once there has been one.
type powers struct {
	purposes []Purpose
	streams  []protocol.StreamID
	sound    Sound
	besluit  Besluit
	rules    Rules
	sign     Sign
	recorder protocol.RecorderID
}

func (p *PlacementFacts) powers() powers {
	return powers{p.Purposes, p.Streams, p.Sound, p.Besluit, Rules{p.Protocol, p.Keep}, p.Sign, p.Recorder}
}

func (a powers) equal(b powers) bool {
	return slices.Equal(a.purposes, b.purposes) && slices.Equal(a.streams, b.streams) && a.sound == b.sound && a.besluit == b.besluit && a.rules == b.rules && a.sign == b.sign && a.recorder == b.recorder
}

// check is what must be right in a draft already; readiness is checked on activation.
func (p PlacementFacts) check(d *decision) error {
	switch {
	case protocol.ValidID(p.Camera) != nil:
		return missing("cameranummer (kleine letters, cijfers, streepje)", "camera id (lower case, digits, hyphen)")
	case strings.TrimSpace(p.Name) == "":
		return missing("naam", "name")
	case p.Regime.Valid() != nil:
		return missing("regime (AVG of WPG)", "regime (AVG or WPG)")
	case !p.Position.onEarth():
		return missing("plaats op de kaart", "position on the map")
	case strings.TrimSpace(p.Place) == "":
		return missing("plaats in woorden", "place in words")
	case p.Direction < 0 || p.Direction > 359:
		return missing("richting, 0 tot en met 359 graden", "direction, 0 to 359 degrees")
	case strings.TrimSpace(p.Subsidiarity) == "": // R1: "geen andere, minder ingrijpende, manier"
		return missing("waarom een minder ingrijpende manier niet volstaat", "why no less intrusive way will do")
	case strings.TrimSpace(p.Proportionality) == "":
		return missing("waarom de camera niet verder gaat dan nodig", "why the camera goes no further than needed")
	case d.recorders[p.Recorder] == nil:
		return unknown("Recorder", "Recorder", string(p.Recorder))
	case len(p.Streams) == 0 || slices.ContainsFunc(p.Streams, func(s protocol.StreamID) bool { return protocol.ValidID(s) != nil }):
		return missing("beeldstromen, bijvoorbeeld main", "streams, for example main")
	case !slices.Contains(Publications, p.Publication):
		return missing("hoe precies de plaats openbaar is", "how precisely the place is public")
	case p.Sound != Sound{} && p.Regime == protocol.WPG:
		return refuse(CodeRegime, soundInPublic.NL, soundInPublic.EN)
	case p.Sound != Sound{} && strings.TrimSpace(p.Sound.Reason) == "": // R1
		return missing("waarom beeld zonder geluid niet volstaat", "why the picture without sound will not do")
	case p.Sound != Sound{} && strings.TrimSpace(p.Sound.DPIA) == "": // R12
		return missing("het kenmerk van de DPIA die over het geluid gaat", "the reference of the DPIA that covers the sound")
	case p.Publication != PublishExact && strings.TrimSpace(p.PublicationReason) == "":
		return missing("waarom de plaats niet precies openbaar is", "why the place is not exactly public")
	case strings.TrimSpace(p.Contact) == "": // R16
		return missing("contact voor vragen", "contact for questions")
	case p.Besluit.LiveUntil.Before(p.Besluit.LiveFrom.Time):
		return missing("een periode van live meekijken die eindigt nadat zij begint", "a period of live viewing that ends after it begins")
	case p.Keep != 0 && p.Keep.Valid() != nil:
		return missing("een bewaartermijn van ten hoogste 28 dagen", "a window of at most 28 days")
	}
	if err := p.checkParticulars(d); err != nil {
		return err
	}
	return knownPurposes(p.Purposes)
}

func knownPurposes(list []Purpose) error {
	if len(list) == 0 {
		return missing("doel", "purpose")
	}
	for _, p := range list {
		if err := knownPurpose(p); err != nil {
			return err
		}
	}
	return nil
}

// knownPurpose refuses what has no code. Judging staff has none, and whoever asks is told why (R2).
func knownPurpose(p Purpose) error {
	if slices.Contains(Purposes, p) {
		return nil
	}
	if strings.Contains(string(p), "judg") || strings.Contains(string(p), "personeel") || Reason(p) == JudgingStaff {
		return &Refusal{CodeJudgingStaff, judgingStaffWords}
	}
	return refuse(CodePurpose, fmt.Sprintf("Het doel %q bestaat niet.", p), fmt.Sprintf("There is no purpose %q.", p))
}

func (c PlaceSign) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	p := d.placements[c.Camera]
	switch {
	case p == nil:
		return unknown("Camera", "Camera", string(c.Camera))
	case p.Status == Removed:
		return refuse(CodeState, "Deze camera is verwijderd.", "This camera has been removed.")
	case c.Sign.Placed.IsZero() == (c.Sign.Exception == ""):
		return missing("de datum waarop het bord is geplaatst, of waarom er geen bord is", "the date the sign was placed, or why there is none")
	case (c.Sign.Photo == protocol.Hash{}) != (strings.TrimSpace(c.Sign.Kept) == ""):
		return missing("de foto van het bord en waar die wordt bewaard: beide of geen", "the photo of the sign and where it is kept: both or neither")
	case c.Sign.Placed.After(d.now.Time):
		return missing("een datum die niet in de toekomst ligt", "a date that is not in the future")
	}
	d.record(&SignPlaced{c.Camera, c.Sign})
	return nil
}

func (c Activate) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	p := d.placements[c.Camera]
	if p == nil {
		return unknown("Camera", "Camera", string(c.Camera))
	}
	if p.Status != Draft && p.Status != Suspended {
		return refuse(CodeState, "Deze camera is al in gebruik, of verwijderd.", "This camera is in use already, or removed.")
	}
	if err := lacking(d.Lacks(p, d.now.Time)); err != nil {
		return err
	}
	if err := d.weigh(p.AdvisedOn()...); err != nil {
		return err
	}
	d.record(&PlacementActivated{c.Camera})
	return d.mandate(p, p.Besluit)
}

func (p *Placement) nextVersion() uint64 {
	if m := p.Mandate(); m != nil {
		return m.Version + 1
	}
	return 1
}

func (c Renew) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	p := d.placements[c.Camera]
	if p == nil {
		return unknown("Camera", "Camera", string(c.Camera))
	}
	b := c.Besluit
	switch {
	case p.Status != Active:
		return refuse(CodeState, "Alleen een camera in gebruik kan worden verlengd.", "Only a camera in use can be renewed.")
	case !b.ValidUntil.After(p.Besluit.ValidUntil.Time):
		return refuse(CodeInvalid, "Het nieuwe besluit moet later eindigen dan het huidige. Eerder beëindigen vraagt twee goedkeurders.", "The new decision must end later than the present one. Ending earlier takes two approvers.")
	}
	// A besluit that follows on without a gap may be given early: the present one carries the mandate until then.
	follows := b
	if p.StatusAt(d.now.Time) == Active && !b.ValidFrom.After(p.Besluit.ValidUntil.Time) {
		follows.ValidFrom = earliest(b.ValidFrom, d.now)
	}
	if err := lacking(d.lacks(p, follows, d.now.Time)); err != nil {
		return err
	}
	if err := d.weigh(p.AdvisedOn()...); err != nil {
		return err
	}
	if b.LiveUntil.IsZero() { // the mayor's period runs to its own end
		b.LiveFrom, b.LiveUntil = p.Besluit.LiveFrom, p.Besluit.LiveUntil
	}
	d.record(&PlacementRenewed{c.Camera, b})
	return d.mandate(p, b)
}

func (c EndPlacement) decide(d *decision) error {
	p := d.placements[c.Camera]
	if p == nil {
		return unknown("Camera", "Camera", string(c.Camera))
	}
	if err := d.as(c.By, Approver, p.Regime); err != nil {
		return err
	}
	switch {
	case c.Ending != Suspend && c.Ending != Withdraw && c.Ending != Mute:
		return missing("opschorten, intrekken of alleen het geluid stoppen", "suspend, withdraw or stop the sound only")
	case strings.TrimSpace(c.Reason) == "":
		return missing("de reden", "the reason")
	case c.Ending == Mute && p.Sound == Sound{}:
		return refuse(CodeState, "Deze camera neemt geen geluid op.", "This camera records no sound.")
	case p.Status != Active && !(p.Status == Suspended && c.Ending == Withdraw):
		return refuse(CodeState, "Deze camera is niet in gebruik.", "This camera is not in use.")
	}
	if p.Proposed == nil || p.Proposed.Ending != c.Ending || d.acts(p.Proposed.By, Approver, p.Regime, d.now.Time) != nil {
		d.record(&EndingProposed{c.Camera, c.Ending, c.Reason})
		return nil
	}
	if p.Proposed.By == c.By {
		return secondApprover()
	}
	d.record(&PlacementEnded{c.Camera, c.Ending, c.Reason, p.Proposed.By})
	last := p.Mandate()
	if p.StatusAt(d.now.Time) != Active {
		return nil // no mandate stands that would need narrowing
	}
	// The narrowing mandate is the last one, ending now. It stays on its way until the last one would have ended.
	m := *last
	m.Heading = d.heading("m", p.Recorder, d.now)
	if c.Ending == Mute { // the pictures go on
		m.Heading, m.Sound = d.heading("m", p.Recorder, last.NotAfter), protocol.SoundNone
	}
	m.Version = p.nextVersion()
	m.Approvers = []protocol.PersonID{p.Proposed.By, c.By}
	return d.issue(&m, p.Regime, last.NotAfter)
}
