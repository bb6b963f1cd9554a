package central

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The privacy officer's advice (R9). It weighs and does not bind (N:392): nobody waits for it who was not told to, but who goes on against it says why ([Despite]), under their own
// name, and that stands beside the decision and in the yearly report (N:396). The officer advises of their own accord or when asked, and approves nothing (R8).

// AboutKind is what an advice can be about.
type AboutKind string

const (
	AboutPlacement AboutKind = "placement" // ID: the camera
	AboutProtocol  AboutKind = "protocol"  // ID: the version, "gebouwen v2"; also of a draft
	AboutRequest   AboutKind = "request"   // ID: the request, of AVG cameras only
	AboutDPIA      AboutKind = "dpia"      // ID: the assessment's
)

var aboutWords = map[AboutKind]Words{
	AboutPlacement: {"camera", "camera"},
	AboutProtocol:  {"cameraprotocol", "camera protocol"},
	AboutRequest:   {"aanvraag", "request"},
	AboutDPIA:      {"DPIA", "DPIA"},
}

func (k AboutKind) Words() Words { return aboutWords[k] }

// About is what an advice is about.
type About struct {
	Kind AboutKind `json:"about"`
	ID   string    `json:"id"`
}

func (a About) String() string { return string(a.Kind) + " " + a.ID }

// Opinion is what the officer advises.
type Opinion string

const (
	Favourable  Opinion = "favourable"
	Conditional Opinion = "conditional" // go on, if
	Against     Opinion = "against"     // who goes on says why
)

// Opinions in the order a page lists them.
var Opinions = []Opinion{Favourable, Conditional, Against}

var opinionWords = map[Opinion]Words{
	Favourable:  {"positief", "favourable"},
	Conditional: {"positief, onder voorwaarden", "favourable, on conditions"},
	Against:     {"negatief: niet doen", "against: do not do it"},
}

func (o Opinion) Words() Words { return opinionWords[o] }

type (
	// AskAdvice asks the officer. By whoever has a hand in what it is about.
	AskAdvice struct {
		By protocol.PersonID
		About
		Question string
	}
	// GiveAdvice by the privacy officer, asked or not. A later advice about the same takes the place of an earlier.
	GiveAdvice struct {
		By protocol.PersonID
		About
		Opinion Opinion
		Text    string
	}
	// Despite goes on with a command against the officer's advice, and says why. Where nothing was advised against it changes nothing.
	Despite struct {
		Command
		Reason string
	}
)

type (
	AdviceAsked struct {
		About
		Question string `json:"question"`
	}
	AdviceGiven struct {
		About
		Opinion Opinion `json:"opinion"`
		Text    string  `json:"text"`
	}
	// AdviceNotFollowed: somebody went on against the last advice. It stands before the event by which they did.
	AdviceNotFollowed struct {
		About
		Reason string `json:"reason"`
	}
)

func (*AdviceAsked) name() string       { return "advice.asked" }
func (*AdviceGiven) name() string       { return "advice.given" }
func (*AdviceNotFollowed) name() string { return "advice.deviated" }

// Counsel is one advice.
type Counsel struct {
	About
	By      protocol.PersonID
	At      protocol.Time
	Opinion Opinion
	Text    string
	Against *Deviation // somebody went on all the same
}

// Deviation is who went on against an advice, when and why.
type Deviation struct {
	By     protocol.PersonID
	At     protocol.Time
	Reason string
}

// Counselled is all that was asked and advised about one thing, oldest first.
type Counselled struct {
	Asked []Moment   // the questions
	Given []*Counsel // the last one counts
}

// Waits says since when a question waits for advice; zero: none does.
func (c *Counselled) Waits() protocol.Time {
	if n := len(c.Asked); n > 0 && (len(c.Given) == 0 || c.Given[len(c.Given)-1].At.Before(c.Asked[n-1].At.Time)) {
		return c.Asked[n-1].At
	}
	return protocol.Time{}
}

// Advice about something: what was asked and advised; nil when nothing was.
func (s *State) Advice(a About) *Counselled { return s.advice[a] }

// Advised is everything that was advised or asked about, oldest first.
func (s *State) Advised() []About { return s.advised }

// Warned is the last advice about something, when it is against it; nil otherwise.
func (s *State) Warned(a About) *Counsel {
	c := s.advice[a]
	if c == nil || len(c.Given) == 0 || c.Given[len(c.Given)-1].Opinion != Against {
		return nil
	}
	return c.Given[len(c.Given)-1]
}

// MayReadAdvice says whether a person reads the advice about something: those who decide on it or keep it, and those who oversee. A requester does not: it is the municipality's own.
func (s *State) MayReadAdvice(person protocol.PersonID, a About, now time.Time) bool {
	if a.Kind == AboutRequest {
		r := s.requests[protocol.RequestID(a.ID)]
		return r != nil && (s.Holds(person, Officer, "", now) && r.Regime == protocol.AVG || s.Holds(person, Handler, r.Regime, now) || s.Holds(person, Approver, r.Regime, now))
	}
	return s.Oversees(person, now) || s.Holds(person, Registrar, "", now) || s.Holds(person, Approver, "", now)
}

// Advisable says why there can be no advice about something.
func (s *State) Advisable(a About) error {
	there := false
	switch a.Kind {
	case AboutPlacement:
		there = s.placements[protocol.CameraID(a.ID)] != nil
	case AboutProtocol:
		id, version, _ := strings.Cut(a.ID, " v")
		n, err := strconv.Atoi(version)
		draft := s.drafts[id]
		there = err == nil && (s.Protocol(ProtocolRef{id, n}) != nil || draft != nil && draft.Version == n)
	case AboutRequest:
		r := s.requests[protocol.RequestID(a.ID)]
		there = r != nil && r.Regime == protocol.AVG
	case AboutDPIA:
		there = s.dpias[a.ID] != nil
	}
	if !there {
		return unknown("Onderwerp van advies", "Subject of advice", a.String())
	}
	return nil
}

// AdvisedOn is what going on with a camera rests on: itself, and its assessment.
func (p *Placement) AdvisedOn() []About {
	return []About{{AboutPlacement, string(p.Camera)}, {AboutDPIA, p.DPIA}}
}

func (c AskAdvice) decide(d *decision) error {
	d.by = c.By
	if !d.MayReadAdvice(c.By, c.About, d.now.Time) {
		return refuse(CodeForbidden, "U beslist hier niet over, en kunt er geen advies over vragen.", "You do not decide on this, and cannot ask advice about it.")
	}
	if err := d.Advisable(c.About); err != nil {
		return err
	}
	if strings.TrimSpace(c.Question) == "" {
		return missing("wat u aan de privacy officer vraagt", "what you ask of the privacy officer")
	}
	d.record(&AdviceAsked{c.About, c.Question})
	return nil
}

func (c GiveAdvice) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	if err := d.Advisable(c.About); err != nil {
		return err
	}
	switch {
	case c.Opinion.Words() == Words{}:
		return missing("positief, onder voorwaarden, of negatief", "favourable, on conditions, or against")
	case strings.TrimSpace(c.Text) == "":
		return missing("het advies", "the advice")
	}
	d.record(&AdviceGiven{c.About, c.Opinion, c.Text})
	return nil
}

func (c Despite) decide(d *decision) error {
	d.despite = c.Reason
	return c.Command.decide(d)
}

// weigh refuses to go on with what the officer last advised against, unless the command says why.
func (d *decision) weigh(about ...About) error {
	for _, a := range about {
		warned := d.Warned(a)
		if warned == nil || warned.Against != nil {
			continue
		}
		if strings.TrimSpace(d.despite) == "" {
			w := a.Kind.Words()
			return refuse(CodeAdvice,
				fmt.Sprintf("De privacy officer adviseert negatief over %s %s: %q. Gaat u toch door, schrijf dan op waarom. Uw naam en reden blijven erbij staan.", w.NL, a.ID, warned.Text),
				fmt.Sprintf("The privacy officer advises against %s %s: %q. If you go on all the same, write down why. Your name and reason stay with it.", w.EN, a.ID, warned.Text))
		}
		d.record(&AdviceNotFollowed{a, d.despite})
	}
	return nil
}

func (s *State) counsel(a About) *Counselled {
	if s.advice[a] == nil {
		s.advice[a] = &Counselled{}
		s.advised = append(s.advised, a)
	}
	return s.advice[a]
}

func (f *AdviceAsked) apply(s *State, e Event) error {
	c := s.counsel(f.About)
	c.Asked = append(c.Asked, e.moment(f.Question))
	return nil
}

func (f *AdviceGiven) apply(s *State, e Event) error {
	c := s.counsel(f.About)
	c.Given = append(c.Given, &Counsel{About: f.About, By: e.By, At: e.Time, Opinion: f.Opinion, Text: f.Text})
	return nil
}

func (f *AdviceNotFollowed) apply(s *State, e Event) error {
	warned := s.Warned(f.About)
	if warned == nil {
		return noSuch("advice against", f.About.String())
	}
	warned.Against = &Deviation{e.By, e.Time, f.Reason}
	return nil
}

// adviceTasks bring to the officer what waits for advice.
func (s *State) adviceTasks(add func(Task)) {
	for _, a := range s.advised {
		if since := s.advice[a].Waits(); !since.IsZero() {
			w := a.Kind.Words()
			add(Task{Topic: TopicAdvice, Key: a.String(), Since: since, Words: Words{"advies gevraagd over " + w.NL, "advice asked about " + w.EN}})
		}
	}
}

// AdviceCount is what came of the advice of a period.
type AdviceCount struct {
	Given, Against, NotFollowed int
}

// AdviceIn counts the advice given, and the going against it, in a period; from is in it, to is not.
func (s *State) AdviceIn(from, to time.Time) (n AdviceCount) {
	in := func(t protocol.Time) bool { return !t.Before(from) && t.Before(to) }
	for _, a := range s.advised {
		for _, c := range s.advice[a].Given {
			if in(c.At) {
				if n.Given++; c.Opinion == Against {
					n.Against++
				}
			}
			if c.Against != nil && in(c.Against.At) {
				n.NotFollowed++
			}
		}
	}
	return n
}

// Deviations are all advice that was not followed, newest first.
func (s *State) Deviations() (list []*Counsel) {
	for _, a := range s.advised {
		for _, c := range s.advice[a].Given {
			if c.Against != nil {
				list = append(list, c)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *Counsel) int { return b.Against.At.Compare(a.Against.At.Time) })
	return list
}
