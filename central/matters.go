package central

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// What comes in on paper and has a term (R27): complaints, which only the privacy officer reads; objections to decisions; letters to and from the supervisory
// authority, with their follow-up. Names stay in the municipality's own letter file; here is its reference. And what anybody tells on the public site, without an
// account (R25): doubts about security, complaints, a camera that is not on the map. It comes to the privacy officer alone, and is kept in a dossier as the rest.

// MatterKind is what came in, or went out.
type MatterKind string

const (
	Complaint     MatterKind = "complaint"
	Objection     MatterKind = "objection"
	FromAuthority MatterKind = "from-authority"
	ToAuthority   MatterKind = "to-authority"
	Weakness      MatterKind = "weakness" // somebody doubts the security
	Unlisted      MatterKind = "unlisted" // somebody saw a camera that is not on the map
)

// MatterKinds are all of them; PublicKinds those that anybody may tell.
var (
	MatterKinds = []MatterKind{Complaint, Objection, FromAuthority, ToAuthority, Weakness, Unlisted}
	PublicKinds = []MatterKind{Weakness, Complaint, Unlisted}
)

const (
	// LongestTold and LongestContact are how much a person without an account can say, and of how to reach them, in characters.
	LongestTold    = 4000
	LongestContact = 200

	// toldAnHour is how much the public form takes in an hour, of everybody together: it must not fill the ledger. Who comes after that is told to call.
	toldAnHour = 60
)

func (k MatterKind) term() MatterTerm {
	i := slices.IndexFunc(MatterTerms, func(t MatterTerm) bool { return t.Kind == k })
	if i < 0 {
		return MatterTerm{}
	}
	return MatterTerms[i]
}

func (k MatterKind) Words() Words { return k.term().Words }

// MatterFacts is what is recorded of one.
type MatterFacts struct {
	Kind      MatterKind    `json:"kind"`
	Reference string        `json:"reference"`
	Received  protocol.Time `json:"received"`         // or sent
	Decided   protocol.Time `json:"decided,omitzero"` // objection: the day of the decision it is against
	Due       protocol.Time `json:"due,omitzero"`     // as a letter says; otherwise by law
	Text      string        `json:"text"`
	Contact   string        `json:"contact,omitempty"` // how to reach whoever told it, if they say so
}

type (
	// Tell is what anybody tells the privacy officer on the public site, without an account: no By.
	Tell struct {
		Kind    MatterKind
		Text    string
		Contact string
	}
	// OpenMatter by the privacy officer.
	OpenMatter struct {
		By protocol.PersonID
		MatterFacts
	}
	// FollowMatter records what was done about it; Close when it is over.
	FollowMatter struct {
		By     protocol.PersonID
		Number int
		Text   string
		Close  bool
	}
)

type (
	MatterOpened struct {
		MatterFacts
	}
	MatterFollowed struct {
		Number int    `json:"number"`
		Text   string `json:"text"`
		Close  bool   `json:"close,omitzero"`
	}
)

func (*MatterOpened) name() string   { return "matter.opened" }
func (*MatterFollowed) name() string { return "matter.followed" }

// Matter and what was done about it.
type Matter struct {
	MatterFacts
	Number  int
	By      protocol.PersonID
	Closed  protocol.Time
	History []Moment
}

func (c OpenMatter) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	f := c.MatterFacts
	switch {
	case f.Kind.term().Kind == "":
		return missing("wat er binnenkwam", "what came in")
	case strings.TrimSpace(f.Reference) == "":
		return missing("het kenmerk", "the reference")
	case f.Received.IsZero() || f.Received.After(d.now.Time):
		return missing("wanneer het is ontvangen of verstuurd", "when it was received or sent")
	case strings.TrimSpace(f.Text) == "":
		return missing("waar het over gaat", "what it is about")
	case f.Kind == Objection && (f.Decided.IsZero() || f.Decided.After(f.Received.Time)):
		return missing("de dag van het besluit waartegen het bezwaar is", "the day of the decision objected to")
	}
	d.record(&MatterOpened{f})
	return nil
}

func (c Tell) decide(d *decision) error {
	text, contact := strings.TrimSpace(c.Text), strings.TrimSpace(c.Contact)
	switch {
	case !slices.Contains(PublicKinds, c.Kind):
		return missing("waar uw melding over gaat", "what your report is about")
	case text == "":
		return missing("wat u wilt melden", "what you want to report")
	case utf8.RuneCountInString(text) > LongestTold:
		return refuse(CodeInvalid, fmt.Sprintf("Maak uw melding korter: hoogstens %d tekens. Is het meer? Bel of schrijf ons.", LongestTold), fmt.Sprintf("Make your report shorter: at most %d characters. Is it more? Call or write to us.", LongestTold))
	case utf8.RuneCountInString(contact) > LongestContact:
		return refuse(CodeInvalid, fmt.Sprintf("Maak korter hoe wij u bereiken: hoogstens %d tekens.", LongestContact), fmt.Sprintf("Make shorter how we reach you: at most %d characters.", LongestContact))
	}
	lately := 0
	for _, m := range d.matters {
		if m.By == System && d.now.Sub(m.Received.Time) < time.Hour {
			lately++
		}
	}
	if lately >= toldAnHour {
		return TooMuchTold
	}
	d.record(&MatterOpened{MatterFacts{Kind: c.Kind, Reference: fmt.Sprintf("web-%d", len(d.matters)+1), Received: d.now, Text: text, Contact: contact}})
	return nil
}

// TooMuchTold is what the public form says when it takes no more for now.
var TooMuchTold = &Refusal{CodeTooOften, Words{"Er komen nu te veel meldingen binnen. Bel of schrijf ons, of probeer het over een uur opnieuw.", "Too many reports are coming in now. Call or write to us, or try again in an hour."}}

func (c FollowMatter) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	switch {
	case c.Number < 1 || c.Number > len(d.matters):
		return unknown("Zaak", "Matter", fmt.Sprint(c.Number))
	case !d.matters[c.Number-1].Closed.IsZero():
		return refuse(CodeState, "Deze zaak is afgesloten.", "This matter is closed.")
	case strings.TrimSpace(c.Text) == "":
		return missing("wat er is gedaan", "what was done")
	}
	if err := d.erased(MatterDossier(c.Number)); err != nil {
		return err
	}
	d.record(&MatterFollowed{c.Number, c.Text, c.Close})
	return nil
}

func (f *MatterOpened) apply(s *State, e Event) error {
	s.matters = append(s.matters, &Matter{MatterFacts: f.MatterFacts, Number: len(s.matters) + 1, By: e.By, History: []Moment{e.moment("")}})
	return nil
}

func (f *MatterFollowed) apply(s *State, e Event) error {
	if f.Number < 1 || f.Number > len(s.matters) {
		return noSuch("matter", fmt.Sprint(f.Number))
	}
	m := s.matters[f.Number-1]
	m.History = append(m.History, e.moment(f.Text))
	if f.Close {
		m.Closed = e.Time
	}
	return nil
}

// Matters are confidential to the privacy officer; for everyone else there are none. Newest first.
func (s *State) Matters(person protocol.PersonID, now time.Time) []*Matter {
	if !s.Holds(person, Officer, "", now) {
		return nil
	}
	list := slices.Clone(s.matters)
	slices.Reverse(list)
	return list
}

// Deadline is when it must have been answered; zero: no term.
func (m *Matter) Deadline() protocol.Time {
	weeks := m.Kind.term().Weeks
	switch {
	case !m.Due.IsZero() || weeks == 0:
		return m.Due
	case m.Kind == Objection:
		return protocol.T(m.Decided.AddDate(0, 0, 7*(ObjectionWeeks+weeks)))
	}
	return protocol.T(m.Received.AddDate(0, 0, 7*weeks))
}

// Late says that an objection came after the six weeks to object.
func (m *Matter) Late() bool {
	return m.Kind == Objection && m.Received.After(m.Decided.AddDate(0, 0, 7*ObjectionWeeks))
}

func (s *State) matterTasks(add func(Task)) {
	for _, m := range s.matters {
		if m.Closed.IsZero() {
			w := m.Kind.Words()
			what := ""
			if m.Kind == Weakness {
				what = "weakness" // urgent: see stage
			}
			add(Task{What: what, Topic: TopicMatter, Key: fmt.Sprint(m.Number), Since: m.Received, Due: m.Deadline(), Words: w})
		}
	}
}
