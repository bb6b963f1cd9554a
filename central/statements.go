package central

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// What the municipality says in public of how it treats people's data (R26): its privacy statement, policy and rules, in numbered and dated versions. An earlier version stays readable:
// whoever was filmed in March can read what was promised in March.

// StatementKind is which of them.
type StatementKind string

const (
	PrivacyStatement StatementKind = "privacyverklaring"
	PrivacyPolicy    StatementKind = "privacybeleid"
	PrivacyRules     StatementKind = "privacyreglement"
)

// StatementKinds in the order a page lists them.
var StatementKinds = []StatementKind{PrivacyStatement, PrivacyPolicy, PrivacyRules}

var statementWords = map[StatementKind]Words{
	PrivacyStatement: {"privacyverklaring", "privacy statement"},
	PrivacyPolicy:    {"privacybeleid", "privacy policy"},
	PrivacyRules:     {"privacyreglement", "privacy rules"},
}

func (k StatementKind) Words() Words { return statementWords[k] }

// Statement is one version.
type Statement struct {
	Kind      StatementKind `json:"kind"`
	Version   int           `json:"version"`
	Text      string        `json:"text"`              // paragraphs, with an empty line between
	English   string        `json:"english,omitempty"` // the same; empty: there is none
	AdoptedBy string        `json:"adoptedBy"`
	AdoptedOn protocol.Time `json:"adoptedOn"`
	ValidFrom protocol.Time `json:"validFrom"`
	Review    protocol.Time `json:"review"`
}

// MaxStatement is the longest text of a version in bytes, both languages together: an entry of the ledger must hold it.
const MaxStatement = 48 << 10

// PublishStatement makes the next version public. By a registrar.
type PublishStatement struct {
	By protocol.PersonID
	Statement
}

type StatementPublished struct {
	Statement
}

func (*StatementPublished) name() string { return "statement.published" }

func (c PublishStatement) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	last := d.NewestStatement(c.Kind)
	version := 1
	if last != nil {
		version = last.Version + 1
	}
	switch {
	case c.Kind.Words() == Words{}:
		return missing("welk stuk dit is", "which document this is")
	case c.Version != version:
		return refuse(CodeInvalid, fmt.Sprintf("De volgende versie is %d.", version), fmt.Sprintf("The next version is %d.", version))
	case strings.TrimSpace(c.Text) == "":
		return missing("de tekst", "the text")
	case len(c.Text)+len(c.English) > MaxStatement:
		return refuse(CodeInvalid, fmt.Sprintf("De tekst is te lang: ten hoogste %d kB in beide talen samen.", MaxStatement>>10), fmt.Sprintf("The text is too long: at most %d kB in both languages together.", MaxStatement>>10))
	case strings.TrimSpace(c.AdoptedBy) == "":
		return missing("wie het heeft vastgesteld", "who adopted it")
	case c.AdoptedOn.IsZero() || c.AdoptedOn.After(d.now.Time):
		return missing("datum van vaststelling, niet in de toekomst", "date of adoption, not in the future")
	case c.ValidFrom.Before(c.AdoptedOn.Time) || last != nil && c.ValidFrom.Before(last.ValidFrom.Time):
		return missing("vanaf wanneer deze versie geldt, niet voor de vaststelling of de vorige versie", "from when this version holds, not before its adoption or the previous version")
	case !c.Review.After(d.now.Time) || c.Review.After(c.AdoptedOn.AddDate(ReviewYears, 0, 0)): // N:617
		return missing("wanneer het opnieuw wordt bekeken, binnen vijf jaar na vaststelling", "when it is reviewed, within five years of its adoption")
	}
	d.record(&StatementPublished{c.Statement})
	return nil
}

func (f *StatementPublished) apply(s *State, _ Event) error {
	s.statements = append(s.statements, &f.Statement)
	return nil
}

// Statements are all versions, as published.
func (s *State) Statements() []*Statement { return s.statements }

// NewestStatement is the last version of one of them; nil when there is none.
func (s *State) NewestStatement(kind StatementKind) *Statement {
	for _, one := range slices.Backward(s.statements) {
		if one.Kind == kind {
			return one
		}
	}
	return nil
}

// PublicDocument is a version of a statement or a camera protocol, as everyone may read it.
type PublicDocument struct {
	Kind      string // "verklaring" or "protocol"
	ID        string
	Version   int
	Title     Words
	Text      Words          // statements
	Lines     []ProtocolLine // protocols, without what is inside only
	AdoptedBy string
	AdoptedOn protocol.Time
	From      protocol.Time
	Until     protocol.Time // zero: until further notice
	Hash      protocol.Hash // of a protocol's text
}

// Path is where it stands on the public site.
func (p PublicDocument) Path() string { return "/documenten/" + p.Kind + "/" + p.ID }

// InForce says whether this version holds at a time.
func (p PublicDocument) InForce(now time.Time) bool {
	return !p.From.After(now) && (p.Until.IsZero() || now.Before(p.Until.Time))
}

// PublicDocuments are the statements, then the camera protocols; of each the newest version first. Drafts are not public.
func (s *State) PublicDocuments() (list []PublicDocument) {
	for _, kind := range StatementKinds {
		var until protocol.Time
		for _, one := range slices.Backward(s.statements) {
			if one.Kind != kind {
				continue
			}
			list = append(list, PublicDocument{Kind: "verklaring", ID: string(kind), Version: one.Version, Title: kind.Words(), Text: Words{one.Text, one.English}, AdoptedBy: one.AdoptedBy, AdoptedOn: one.AdoptedOn, From: one.ValidFrom, Until: until})
			until = one.ValidFrom
		}
	}
	protocols := slices.Clone(s.protocols)
	slices.SortStableFunc(protocols, func(a, b *CameraProtocol) int {
		if a.ID != b.ID {
			return strings.Compare(a.ID, b.ID)
		}
		return b.Version - a.Version
	})
	for _, p := range protocols {
		pub := PublicDocument{Kind: "protocol", ID: p.ID, Version: p.Version, Title: Words{p.Title, p.Title}, AdoptedBy: p.AdoptedBy, AdoptedOn: p.AdoptedOn, From: p.ValidFrom, Until: s.ProtocolUntil(p), Hash: p.Document}
		if pub.From.IsZero() {
			pub.From = p.AdoptedOn
		}
		for _, line := range p.Lines() {
			if !line.Inside {
				pub.Lines = append(pub.Lines, line)
			}
		}
		list = append(list, pub)
	}
	return list
}
