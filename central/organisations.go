package central

import (
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Organisations that the municipality works with, and what was agreed (R19, R31): chain partners under a covenant, processors and suppliers under a contract. A chain partner's people
// act here, and footage goes there, only while its agreement is valid. The agreements themselves are kept elsewhere; here is what must be in them, and where they are.

// UnitKind is what an organisation is to the municipality.
type UnitKind string

const (
	ChainPartner UnitKind = "chain-partner" // the police: asks, receives, decides on WPG cameras
	Processor    UnitKind = "processor"     // handles footage on the municipality's behalf
	Supplier     UnitKind = "supplier"      // supplies or maintains, and does not get at footage
)

func (k UnitKind) rule() AgreementRule {
	i := slices.IndexFunc(AgreementRules, func(r AgreementRule) bool { return r.Kind == k })
	if i < 0 {
		return AgreementRule{}
	}
	return AgreementRules[i]
}

func (k UnitKind) Words() Words { return k.rule().Words }

// Agreement words what is agreed with this kind.
func (k UnitKind) Agreement() Words { return k.rule().Agreement }

// UnitKinds in the order a page lists them.
var UnitKinds = []UnitKind{ChainPartner, Processor, Supplier}

// Unit is an organisation, with the last agreement made with it.
type Unit struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Agreement  string        `json:"agreement"` // reference; of processor agreements that in Verseon (N:259)
	ValidUntil protocol.Time `json:"validUntil"`
	AgreementFacts
}

// AgreementFacts are what is in an agreement (R31). Absent from those recorded before they were asked, which are chain partners'.
type AgreementFacts struct {
	Kind        UnitKind      `json:"kind,omitempty"`
	Model       string        `json:"model,omitempty"`       // processors: the version of IBD's model
	Parties     string        `json:"parties,omitempty"`     // the organisations and who is responsible for what (N:267)
	Goals       string        `json:"goals,omitempty"`       // to what end (N:267)
	Special     string        `json:"special,omitempty"`     // whether special categories of data are processed, and which (N:269)
	Informing   string        `json:"informing,omitempty"`   // how people are told (N:271)
	Processings string        `json:"processings,omitempty"` // the main ones (N:273)
	Rights      string        `json:"rights,omitempty"`      // how people use their rights (N:275)
	ValidFrom   protocol.Time `json:"validFrom,omitzero"`
	Review      protocol.Time `json:"review,omitzero"`
}

type (
	// AgreeUnit records an organisation and its agreement, or the next agreement with it. By an administrator.
	AgreeUnit struct {
		By protocol.PersonID
		Unit
	}
	// CheckAgreement records that the municipality looked whether an agreement is kept (N:614). By a registrar or the privacy officer.
	CheckAgreement struct {
		By protocol.PersonID
		AgreementCheck
	}
	// EndAgreement ends an agreement now: its people act no more, and what has not been fetched is not given. By an administrator.
	EndAgreement struct {
		By     protocol.PersonID
		Unit   string
		Reason string
	}
)

// AgreementCheck is one look at how an agreement is kept.
type AgreementCheck struct {
	Unit    string        `json:"unit"`
	On      protocol.Time `json:"on"`
	Kept    bool          `json:"kept"`    // it is kept
	Finding string        `json:"finding"` // what was looked at and seen
}

type (
	// UnitAgreed records an organisation's agreement, which its people need to be active (R17, R19).
	UnitAgreed struct {
		Unit
	}
	AgreementChecked struct {
		AgreementCheck
	}
	AgreementEnded struct {
		Unit   string `json:"unit"`
		Reason string `json:"reason"`
	}
)

func (*UnitAgreed) name() string       { return "unit.agreed" }
func (*AgreementChecked) name() string { return "unit.checked" }
func (*AgreementEnded) name() string   { return "unit.ended" }

// Dealings are what happened with an organisation's agreements.
type Dealings struct {
	Checks  []AgreementCheck
	History []Moment
}

// valid says whether there is an agreement now. A nil unit has none.
func (u *Unit) valid(now time.Time) bool {
	return u != nil && !u.ValidFrom.After(now) && now.Before(u.ValidUntil.Time)
}

// Valid says whether the agreement is valid now.
func (u *Unit) Valid(now time.Time) bool { return u.valid(now) }

// portal: its people may act here, and receive footage.
func (u *Unit) portal() bool { return u.Kind == "" || u.Kind == ChainPartner }

func (c AgreeUnit) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	rule, before := c.Kind.rule(), d.units[c.ID]
	switch {
	case protocol.ValidID(protocol.DocumentID(c.ID)) != nil:
		return missing("kenmerk van de organisatie (kleine letters, cijfers)", "id of the unit (lower case, digits)")
	case blank(c.Name):
		return missing("naam van de organisatie", "name of the unit")
	case rule.Kind == "":
		return missing("wat voor organisatie dit is", "what kind of organisation this is")
	case before != nil && before.portal() && !c.portal():
		return refuse(CodeState, "Deze organisatie is ketenpartner. Leg een verwerker of leverancier onder een eigen kenmerk vast.", "This organisation is a chain partner. Record a processor or supplier under an id of its own.")
	case blank(c.Agreement):
		return missing("kenmerk van de afspraak", "reference of the agreement")
	case rule.Model && blank(c.Model):
		return missing("welke versie van het IBD-model is gebruikt", "which version of IBD's model was used")
	case rule.Contents && blank(c.Parties):
		return missing("welke organisaties meedoen en wie waarvoor verantwoordelijk is", "which organisations take part and who is responsible for what")
	case rule.Contents && blank(c.Goals):
		return missing("met welk doel", "to what end")
	case rule.Contents && blank(c.Special):
		return missing("of er bijzondere persoonsgegevens worden verwerkt", "whether special categories of data are processed")
	case rule.Contents && blank(c.Informing):
		return missing("hoe betrokkenen worden geïnformeerd", "how people are informed")
	case rule.Contents && blank(c.Processings):
		return missing("de belangrijkste verwerkingen", "the main processings")
	case rule.Contents && blank(c.Rights):
		return missing("hoe betrokkenen hun rechten gebruiken", "how people use their rights")
	case c.ValidFrom.IsZero() || !c.ValidUntil.After(c.ValidFrom.Time):
		return missing("vanaf wanneer en tot wanneer de afspraak geldt", "from when and until when the agreement is valid")
	case !d.now.Before(c.ValidUntil.Time):
		return missing("een einddatum in de toekomst", "an end date in the future")
	case !c.Review.After(d.now.Time) || c.Review.After(d.now.AddDate(ReviewYears, 0, 0)):
		return missing("wanneer de afspraak opnieuw wordt bekeken, binnen vijf jaar", "when the agreement is reviewed, within five years")
	}
	d.record(&UnitAgreed{c.Unit})
	return nil
}

func (c CheckAgreement) decide(d *decision) error {
	if d.as(c.By, Registrar, "") != nil {
		if err := d.as(c.By, Officer, ""); err != nil {
			return err
		}
	}
	switch {
	case d.units[c.Unit] == nil:
		return unknown("Organisatie", "Unit", c.Unit)
	case c.On.IsZero() || c.On.After(d.now.Time):
		return missing("wanneer het is nagegaan, niet in de toekomst", "when it was checked, not in the future")
	case strings.TrimSpace(c.Finding) == "":
		return missing("wat is nagegaan en wat de uitkomst was", "what was looked at and what was found")
	}
	d.record(&AgreementChecked{c.AgreementCheck})
	return nil
}

func (c EndAgreement) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	switch u := d.units[c.Unit]; {
	case u == nil:
		return unknown("Organisatie", "Unit", c.Unit)
	case !d.now.Before(u.ValidUntil.Time):
		return refuse(CodeState, "Deze afspraak is al geëindigd.", "This agreement has ended already.")
	case strings.TrimSpace(c.Reason) == "":
		return missing("de reden", "the reason")
	}
	d.record(&AgreementEnded{c.Unit, c.Reason})
	d.recheckUnit(c.Unit)
	return nil
}

func (f *UnitAgreed) apply(s *State, e Event) error {
	s.units[f.ID] = &f.Unit
	return s.dealt(f.ID, e, f.Agreement, func(*Dealings) {})
}

func (f *AgreementChecked) apply(s *State, e Event) error {
	return s.dealt(f.Unit, e, f.Finding, func(a *Dealings) { a.Checks = append(a.Checks, f.AgreementCheck) })
}

func (f *AgreementEnded) apply(s *State, e Event) error {
	u := s.units[f.Unit]
	if u == nil {
		return noSuch("unit", f.Unit)
	}
	ended := *u
	ended.ValidUntil = e.Time
	s.units[f.Unit] = &ended
	return s.dealt(f.Unit, e, f.Reason, func(*Dealings) {})
}

func (s *State) dealt(unit string, e Event, note string, change func(*Dealings)) error {
	if s.units[unit] == nil {
		return noSuch("unit", unit)
	}
	if s.agreements[unit] == nil {
		s.agreements[unit] = &Dealings{}
	}
	a := s.agreements[unit]
	change(a)
	a.History = append(a.History, e.moment(note))
	return nil
}

// Dealings with an organisation; nil when there is no such.
func (s *State) Dealings(unit string) *Dealings { return s.agreements[unit] }

// ProcessorAgreed says why an organisation may not process footage now: it is unknown, or has no valid processor agreement (art. 28 AVG).
func (s *State) ProcessorAgreed(unit string, now time.Time) error {
	u := s.units[unit]
	switch {
	case u == nil:
		return unknown("Organisatie", "Unit", unit)
	case u.Kind != Processor || !u.valid(now):
		return refuse(CodeNotReady,
			"Er is geen geldige verwerkersovereenkomst met "+u.Name+". Vraag de beheerder die vast te leggen op de pagina Organisaties.",
			"There is no valid processor agreement with "+u.Name+". Ask the administrator to record it on the page Organisations.")
	}
	return nil
}
