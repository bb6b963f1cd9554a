package central

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Camera protocols (R3): the rules of conduct for the cameras of a kind, in numbered and dated versions. The text is a public document elsewhere; here are its hash, what the
// software holds people to, and who has read it. Which cameras stand where is not written in the text: the annex is the register's own, as of any day.
//
// Whoever acts on a camera under a protocol has read it first. They are reminded from the day that a version is recorded, and have until it begins, but at least ReadingTerm: no door
// is shut on the first day. Who is appointed later reads before the first act. A version from before roles were recorded reminds and shuts no door.

// CameraProtocol is one version (REQUIREMENTS section 3). The officer's advice and what deviates from it stand with the advice (advice.go). Fields that omit their zero
// are absent from versions that were adopted before they were asked.
type CameraProtocol struct {
	ID              string          `json:"id"`
	Version         int             `json:"version"`
	Title           string          `json:"title"`
	Regime          protocol.Regime `json:"regime"`
	Purposes        []Purpose       `json:"purposes"`
	Bases           []Basis         `json:"bases,omitempty"`
	Window          protocol.Window `json:"window,omitzero"`
	LongestHold     protocol.Window `json:"longestHold,omitzero"`
	Sound           bool            `json:"sound,omitzero"` // cameras under it may record sound, each for its own reason
	Form            ViewingForm     `json:"form,omitempty"`
	Roles           []Role          `json:"roles,omitempty"`           // who acts under it, and reads it first
	Viewing         string          `json:"viewing,omitempty"`         // how looking goes
	Release         string          `json:"release,omitempty"`         // how footage is given out
	Recognisability string          `json:"recognisability,omitempty"` // how recognisable people are, and who is masked
	Security        string          `json:"security,omitempty"`        // not for the public
	WorksCouncil    string          `json:"worksCouncil,omitempty"`    // reference of its consent (art. 27 WOR), where staff are filmed
	AdoptedBy       string          `json:"adoptedBy"`                 // the body: college, burgemeester
	AdoptedOn       protocol.Time   `json:"adoptedOn"`
	Published       string          `json:"published"` // where: URL or reference
	ValidFrom       protocol.Time   `json:"validFrom,omitzero"`
	ValidTo         protocol.Time   `json:"validTo,omitzero"` // zero: until the next version; see State.ProtocolUntil
	Review          protocol.Time   `json:"review,omitzero"`
	Document        protocol.Hash   `json:"document,omitzero"` // SHA-256 of the text
}

// Ref names a protocol's version, "cameraprotocol-gebouwen v2".
func (p CameraProtocol) Ref() string { return p.ref().String() }

func (p CameraProtocol) ref() ProtocolRef { return ProtocolRef{p.ID, p.Version} }

// ProtocolRef points to a version of a protocol.
type ProtocolRef struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

func (r ProtocolRef) String() string { return fmt.Sprintf("%s v%d", r.ID, r.Version) }

// ViewingForm is how footage is looked at, if at all.
type ViewingForm string

const (
	ViewRelease    ViewingForm = "release"    // nobody looks: it is given out on request only
	ViewAfterwards ViewingForm = "afterwards" // on request, when something has happened
	ViewLive       ViewingForm = "live"       // by people appointed for it, and a quarter of an hour back
)

// ViewingForms in the order a page lists them: the least intrusive first.
var ViewingForms = []ViewingForm{ViewRelease, ViewAfterwards, ViewLive}

var viewingWords = map[ViewingForm]Words{
	ViewRelease:    {"niemand kijkt; beelden worden alleen op aanvraag verstrekt", "nobody looks; footage is only released on request"},
	ViewAfterwards: {"alleen achteraf, op aanvraag", "afterwards only, on request"},
	ViewLive:       {"live door wie daarvoor is aangewezen, en een kwartier terug", "live by those appointed for it, and a quarter of an hour back"},
}

func (f ViewingForm) Words() Words { return viewingWords[f] }

// ProtocolUsers are the roles that act on footage, and so can be named by a protocol.
var ProtocolUsers = []Role{Requester, Staff, Handler, Approver}

type (
	// DraftProtocol keeps the next version of a protocol as it stands, in place of an earlier draft, for the officer and others to read. By a registrar.
	DraftProtocol struct {
		By protocol.PersonID
		CameraProtocol
	}
	// AdoptProtocol records that a version was adopted. By a registrar: the body that adopted it is in it.
	AdoptProtocol struct {
		By protocol.PersonID
		CameraProtocol
	}
	// AcknowledgeProtocol: By has read this version and will act by it.
	AcknowledgeProtocol struct {
		By       protocol.PersonID
		Protocol ProtocolRef
	}
)

type (
	ProtocolDrafted struct {
		CameraProtocol
	}
	ProtocolAdopted struct {
		CameraProtocol
	}
	ProtocolRead struct {
		Protocol ProtocolRef `json:"protocol"`
	}
)

func (*ProtocolDrafted) name() string { return "protocol.drafted" }
func (*ProtocolAdopted) name() string { return "protocol.adopted" }
func (*ProtocolRead) name() string    { return "protocol.read" }

// ProtocolDraft is the next version while it is written.
type ProtocolDraft struct {
	CameraProtocol
	By protocol.PersonID
	At protocol.Time
}

// next checks what a draft and a version have in common, and says which version comes before it.
func (p CameraProtocol) next(s *State) (last *CameraProtocol, err error) {
	if protocol.ValidID(protocol.DocumentID(p.ID)) != nil {
		return nil, missing("kenmerk van het protocol (kleine letters, cijfers)", "id of the protocol (lower case, digits)")
	}
	version := 1
	if last = s.NewestProtocol(p.ID); last != nil {
		if version = last.Version + 1; p.Regime != last.Regime {
			return nil, refuse(CodeRegime, "Een protocol wisselt niet van regime.", "A protocol never changes regime.")
		}
	}
	switch {
	case p.Version != version:
		return nil, refuse(CodeInvalid, fmt.Sprintf("De volgende versie is %d.", version), fmt.Sprintf("The next version is %d.", version))
	case p.Regime.Valid() != nil:
		return nil, missing("regime (AVG of WPG)", "regime (AVG or WPG)")
	}
	return last, nil
}

func (c DraftProtocol) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	if _, err := c.next(d.State); err != nil {
		return err
	}
	d.record(&ProtocolDrafted{c.CameraProtocol})
	return nil
}

func (c AdoptProtocol) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	last, err := c.next(d.State)
	if err != nil {
		return err
	}
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	switch {
	case blank(c.Title):
		return missing("titel", "title")
	case len(c.Bases) == 0 || slices.ContainsFunc(c.Bases, func(b Basis) bool { return b.law().Regime != c.Regime }):
		return missing("de wettelijke grondslag, een die bij het regime past", "the legal basis, one that fits the regime")
	case c.LongestHold <= 0 || c.LongestHold.Duration() > protocol.MaxHold:
		return missing("langste bewaring op verzoek, ten hoogste 90 dagen", "longest hold, at most 90 days")
	case c.Form.Words() == Words{}:
		return missing("of en hoe er wordt gekeken", "whether and how footage is looked at")
	case len(c.Roles) == 0 || slices.ContainsFunc(c.Roles, func(r Role) bool { return !slices.Contains(ProtocolUsers, r) }):
		return missing("wie volgens dit protocol werken", "who acts under this protocol")
	case blank(c.Viewing):
		return missing("hoe bekijken gaat, of dat het niet gebeurt", "how viewing goes, or that it does not happen")
	case blank(c.Release):
		return missing("hoe verstrekken gaat", "how release goes")
	case blank(c.Recognisability):
		return missing("hoe herkenbaar mensen in beeld zijn", "how recognisable people are")
	case blank(c.Security):
		return missing("hoe de beelden zijn beveiligd", "how the footage is secured")
	case c.Regime == protocol.AVG && slices.Contains(c.Purposes, StaffSafety) && blank(c.WorksCouncil):
		return missing("het kenmerk van de instemming van de ondernemingsraad (art. 27 WOR): er komt personeel in beeld", "the reference of the works council's consent (art. 27 WOR): staff are filmed")
	case blank(c.AdoptedBy):
		return missing("wie het protocol heeft vastgesteld", "who adopted the protocol")
	case c.AdoptedOn.IsZero() || c.AdoptedOn.After(d.now.Time):
		return missing("datum van vaststelling, niet in de toekomst", "date of adoption, not in the future")
	case blank(c.Published):
		return missing("waar het protocol is gepubliceerd", "where the protocol is published")
	case c.ValidFrom.Before(c.AdoptedOn.Time):
		return missing("vanaf wanneer het protocol geldt, niet voor de vaststelling", "from when the protocol is valid, not before its adoption")
	case last != nil && c.ValidFrom.Before(last.ValidFrom.Time):
		return missing("vanaf wanneer deze versie geldt, niet voor de vorige", "from when this version is valid, not before the previous one")
	case !c.ValidTo.IsZero() && (!c.ValidTo.After(c.ValidFrom.Time) || !c.ValidTo.After(d.now.Time)):
		return missing("tot wanneer het protocol geldt, in de toekomst (leeg: tot de volgende versie)", "until when the protocol is valid, in the future (empty: until the next version)")
	case !c.Review.After(d.now.Time) || c.Review.After(c.AdoptedOn.AddDate(ReviewYears, 0, 0)): // R23
		return missing("wanneer het protocol opnieuw wordt bekeken, binnen vijf jaar na vaststelling", "when the protocol is reviewed, within five years of its adoption")
	case c.Document == protocol.Hash{}:
		return missing("het bestand met de tekst van het protocol", "the file with the text of the protocol")
	}
	if err := c.Window.Valid(); err != nil {
		return refuse(CodeInvalid, "De bewaartermijn is langer dan 28 dagen of leeg.", "The window is over 28 days or empty: "+err.Error())
	}
	if err := knownPurposes(c.Purposes); err != nil {
		return err
	}
	if err := d.weigh(About{AboutProtocol, c.Ref()}); err != nil {
		return err
	}
	d.record(&ProtocolAdopted{c.CameraProtocol})
	return nil
}

func (c AcknowledgeProtocol) decide(d *decision) error {
	d.by = c.By
	rules := d.Protocol(c.Protocol)
	switch {
	case d.people[c.By] == nil || len(d.people[c.By].Posts) == 0:
		return refuse(CodeForbidden, "U bent hier niet aangesteld.", "You have not been appointed here.")
	case rules == nil:
		return unknown("Cameraprotocol", "Camera protocol", c.Protocol.String())
	case !d.Acknowledged(c.By, c.Protocol).IsZero():
		return nil
	}
	d.record(&ProtocolRead{c.Protocol})
	return nil
}

func (f *ProtocolDrafted) apply(s *State, e Event) error {
	s.drafts[f.ID] = &ProtocolDraft{f.CameraProtocol, e.By, e.Time}
	return nil
}

func (f *ProtocolAdopted) apply(s *State, e Event) error {
	s.protocols = append(s.protocols, &f.CameraProtocol)
	s.adoptions[f.ref()] = e.moment("")
	delete(s.drafts, f.ID)
	return nil
}

func (f *ProtocolRead) apply(s *State, e Event) error {
	if s.read[e.By] == nil {
		s.read[e.By] = map[ProtocolRef]protocol.Time{}
	}
	s.read[e.By][f.Protocol] = e.Time
	return nil
}

// Protocols, all versions, as adopted.
func (s *State) Protocols() []*CameraProtocol { return s.protocols }

// Protocol finds a version, or nil.
func (s *State) Protocol(ref ProtocolRef) *CameraProtocol {
	i := slices.IndexFunc(s.protocols, func(p *CameraProtocol) bool { return p.ref() == ref })
	if i < 0 {
		return nil
	}
	return s.protocols[i]
}

// NewestProtocol is the last version of a protocol that was adopted, in force yet or not; nil when there is none.
func (s *State) NewestProtocol(id string) *CameraProtocol {
	for _, p := range slices.Backward(s.protocols) {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// DraftOf is the next version while it is written, or nil.
func (s *State) DraftOf(id string) *ProtocolDraft { return s.drafts[id] }

// ProtocolDrafts, by id.
func (s *State) ProtocolDrafts() []*ProtocolDraft { return sorted(s.drafts) }

// Adopted is when and by whom a version was recorded.
func (s *State) Adopted(ref ProtocolRef) Moment { return s.adoptions[ref] }

// ProtocolUntil is when a version ends: on its own day, or when the next begins; zero: neither.
func (s *State) ProtocolUntil(p *CameraProtocol) protocol.Time {
	until := p.ValidTo
	if next := s.Protocol(ProtocolRef{p.ID, p.Version + 1}); next != nil {
		begins := next.ValidFrom
		if begins.IsZero() {
			begins = next.AdoptedOn
		}
		if until.IsZero() || begins.Before(until.Time) {
			until = begins
		}
	}
	return until
}

// inForce says why no mandate can rest on a version now.
func (p *CameraProtocol) inForce(now time.Time) error {
	switch {
	case p.ValidFrom.After(now):
		return refuse(CodeNotReady, "Dit cameraprotocol geldt nog niet.", "This camera protocol is not yet in force.")
	case !p.ValidTo.IsZero() && !now.Before(p.ValidTo.Time):
		return refuse(CodeTerm, "Dit cameraprotocol geldt niet meer. Kies een nieuwe versie.", "This camera protocol is no longer in force. Choose a new version.")
	}
	return nil
}

// Under are the placements of a protocol that are or were in use, by camera: its annex (V:57). Ask it of the State as of a day.
func (s *State) Under(id string) (list []*Placement) {
	for _, p := range s.Placements() {
		if p.Protocol.ID == id && p.Status != Draft {
			list = append(list, p)
		}
	}
	return list
}

// Acknowledged is when a person acknowledged a version; zero: not yet.
func (s *State) Acknowledged(person protocol.PersonID, ref ProtocolRef) protocol.Time {
	return s.read[person][ref]
}

// users are the roles that read a version.
func (p *CameraProtocol) users() []Role {
	if len(p.Roles) == 0 {
		return ProtocolUsers
	}
	return p.Roles
}

// ReadBy is until when people may act under a version without having read it: ReadingTerm after it was recorded, or the day it begins. Zero: for ever.
func (s *State) ReadBy(p *CameraProtocol) (by protocol.Time) {
	if len(p.Roles) == 0 {
		return by
	}
	by = protocol.T(s.adoptions[p.ref()].At.Add(ReadingTerm))
	if p.ValidFrom.After(by.Time) {
		by = p.ValidFrom
	}
	return by
}

// hasRead says which protocol a person must read before they act in this role on these cameras.
func (s *State) hasRead(person protocol.PersonID, role Role, cameras []protocol.CameraID, now time.Time) error {
	for _, camera := range cameras {
		rules := s.Protocol(s.placements[camera].Protocol)
		if rules == nil || !slices.Contains(rules.Roles, role) || !s.Acknowledged(person, rules.ref()).IsZero() || now.Before(s.ReadBy(rules).Time) {
			continue
		}
		return refuse(CodeUnread,
			fmt.Sprintf("Lees eerst het cameraprotocol %q (versie %d) en bevestig dat u ernaar handelt. Dat kan op de pagina Protocollen.", rules.Title, rules.Version),
			fmt.Sprintf("First read the camera protocol %q (version %d) and acknowledge that you act by it. You can do so on the page Protocols.", rules.Title, rules.Version))
	}
	return nil
}

// Readers are the people who act under a version, by id: those who hold one of its roles for a camera under it.
func (s *State) Readers(p *CameraProtocol, now time.Time) (list []*Person) {
	for _, person := range s.People() {
		if s.reads(person, p, now) {
			list = append(list, person)
		}
	}
	return list
}

func (s *State) reads(person *Person, p *CameraProtocol, now time.Time) bool {
	for _, role := range p.users() {
		if !s.Holds(person.Person, role, p.Regime, now) || role == Staff && !slices.ContainsFunc(person.Cameras, func(c protocol.CameraID) bool { return s.placements[c].Protocol == p.ref() }) {
			continue
		}
		return true
	}
	return false
}

// readingTasks remind a person of the protocols that they act under and have not acknowledged.
func (s *State) readingTasks(person protocol.PersonID, now time.Time, add func(Task)) {
	for _, rules := range s.Unread(person, now) {
		add(Task{Topic: TopicProtocol, Key: rules.ID, Since: s.adoptions[rules.ref()].At, Due: s.ReadBy(rules),
			Words: Words{"lees en bevestig het cameraprotocol", "read and acknowledge the camera protocol"}})
	}
}

// Unread are the versions in use that a person acts under and has not acknowledged.
func (s *State) Unread(person protocol.PersonID, now time.Time) (list []*CameraProtocol) {
	p := s.people[person]
	if p == nil {
		return nil
	}
	for _, rules := range s.protocols {
		if !s.Acknowledged(person, rules.ref()).IsZero() || !s.reads(p, rules, now) {
			continue
		}
		if s.under[rules.ref()] > 0 {
			list = append(list, rules)
		}
	}
	return list
}

// ProtocolLine is one field of a protocol, for a page or a comparison. Value is Words, text, a date, a window or whether.
type ProtocolLine struct {
	Label    Words
	Value    any
	Inside   bool // not for the public
	Adopting bool // it is known when the version is adopted, and not before
}

// Lines of a version, as a page shows them.
func (p CameraProtocol) Lines() []ProtocolLine {
	return []ProtocolLine{
		{Label: Words{"Titel", "Title"}, Value: p.Title},
		{Label: Words{"Regime", "Regime"}, Value: string(p.Regime)},
		{Label: Words{"Doelen", "Purposes"}, Value: Joined(p.Purposes)},
		{Label: Words{"Grondslag", "Legal basis"}, Value: Joined(p.Bases)},
		{Label: Words{"Bewaartermijn", "Window"}, Value: p.Window},
		{Label: Words{"Langste bewaring op verzoek", "Longest hold"}, Value: p.LongestHold},
		{Label: Words{"Geluid", "Sound"}, Value: p.Sound},
		{Label: Words{"Kijken", "Viewing"}, Value: p.Form.Words()},
		{Label: Words{"Wie ermee werken", "Who works with it"}, Value: Joined(p.Roles)},
		{Label: Words{"Hoe bekijken gaat", "How viewing goes"}, Value: p.Viewing},
		{Label: Words{"Hoe verstrekken gaat", "How release goes"}, Value: p.Release},
		{Label: Words{"Herkenbaarheid", "Recognisability"}, Value: p.Recognisability},
		{Label: Words{"Beveiliging", "Security"}, Value: p.Security, Inside: true},
		{Label: Words{"Instemming ondernemingsraad", "Works council's consent"}, Value: p.WorksCouncil},
		{Label: Words{"Vastgesteld door", "Adopted by"}, Value: p.AdoptedBy},
		{Label: Words{"Vastgesteld op", "Adopted on"}, Value: p.AdoptedOn, Adopting: true},
		{Label: Words{"Gepubliceerd", "Published"}, Value: p.Published, Adopting: true},
		{Label: Words{"Geldig vanaf", "Valid from"}, Value: p.ValidFrom, Adopting: true},
		{Label: Words{"Geldig tot", "Valid until"}, Value: p.ValidTo, Adopting: true},
		{Label: Words{"Opnieuw bekijken voor", "Review before"}, Value: p.Review, Adopting: true},
	}
}

// Change is one field that differs between two versions.
type Change struct {
	Label    Words
	Was, Is  any
	Adopting bool // see ProtocolLine
}

// Changes are what a version says otherwise than an earlier one, or than nothing.
func (p CameraProtocol) Changes(earlier *CameraProtocol) (list []Change) {
	var before []ProtocolLine
	if earlier != nil {
		before = earlier.Lines()
	}
	for i, line := range p.Lines() {
		var was any
		if before != nil {
			was = before[i].Value
		}
		if fmt.Sprint(was) != fmt.Sprint(line.Value) {
			list = append(list, Change{line.Label, was, line.Value, line.Adopting})
		}
	}
	return list
}

// Joined are the words of coded things, in a row.
func Joined[T interface{ Words() Words }](list []T) (all Words) {
	for i, one := range list {
		w := one.Words()
		if i > 0 {
			all.NL, all.EN = all.NL+"; ", all.EN+"; "
		}
		all.NL, all.EN = all.NL+w.NL, all.EN+w.EN
	}
	return all
}
