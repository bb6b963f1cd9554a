package central

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// People are told. What a person's start page shows (Inbox, News) is mailed to them as well, each thing once at each stage it comes to: what is urgent at once, the rest once a
// working day. What was told stands in the ledger, so that centres that share one do not say it twice, and a restart forgets nothing. A mail is recorded when the mail
// server has taken it: a crash in between tells it again, never not at all.

const (
	// NewsTerm is how long a decision is news.
	NewsTerm = 14 * 24 * time.Hour

	// MailPause is between two mails to one person about urgent things: what comes in between goes in one.
	MailPause = 10 * time.Minute

	// MailLease is for how long one of the centres on a ledger is the one that mails.
	MailLease = 5 * time.Minute

	// mostTold bounds what one mail tells; the rest comes in the next.
	mostTold = 50
)

// LapseWarnings are how many days before a besluit ends people are warned (USERS.md, Facility staff).
var LapseWarnings = []int{60, 14, 1}

// mustHear are the roles that hear of urgent things at once, whatever they would like: others wait for them, or a term of the law runs.
var mustHear = []Role{Handler, Approver, Requester, Officer, Administrator}

// mostlyHarmless are incidents that a cut line or a broken disk opens by the hundred: they go with the overview until their last day, for hundreds of urgent mails tell nobody anything.
var mostlyHarmless = []string{"log-silent", "log-unfit"}

// stage says how far a task has come, since when, and whether it is urgent. At each stage it is told again.
func (t *Task) stage(now time.Time) {
	t.From = earliest(t.Since, protocol.T(now))
	reached := func(stage string, from time.Time) bool {
		if now.Before(from) {
			return false
		}
		t.Stage, t.From = stage, protocol.T(from)
		return true
	}
	before := func(stage string, margin time.Duration) bool { // a term that is moved is another
		return !t.Due.IsZero() && reached(stage+" "+t.Due.Format(time.DateOnly), t.Due.Add(-margin))
	}
	switch {
	case t.What == "write":
		t.Urgent = reached("reminder", t.Since.Add(OralReminder))
	case t.What == "lapsing":
		for _, days := range LapseWarnings {
			if before(fmt.Sprintf("%d days", days), time.Duration(days)*24*time.Hour) {
				t.Urgent = days == 1
			}
		}
	case t.What == "weakness": // whoever found it may not be the only one
		t.Urgent = true
	case t.What == "look":
		lastDay := before("last day", 24*time.Hour)
		t.Urgent = t.Trouble.Number == 0 || t.Trouble.Waits() && (lastDay || !slices.Contains(mostlyHarmless, t.Trouble.Kind))
	case t.What == "decide" || t.What == "keep" || t.What == "ending" || t.What == "erase": // an approver is asked
		t.Urgent = true
	case t.What == "check" || t.What == "decided":
		t.Urgent = !t.Request.Said.IsZero() // it was urgent enough to be spoken
	case t.Topic == TopicSubject && t.Due.Sub(t.Since.Time) <= 24*time.Hour:
		t.Urgent = true // to be forwarded the same day
	case t.Due.Sub(t.Since.Time) > 2*Near:
		before("near", Near)
	}
	before("over", 0)
	t.once = t.name() + "|" + t.Stage
}

// Once names a task at its stage: what has this name is told once.
func (t Task) Once() string { return t.once }

// name of a task, whatever its stage.
func (t Task) name() string {
	about, since := t.Key, t.Since.String()
	switch {
	case t.Request != nil:
		about = string(t.Request.ID)
	case t.Camera != nil:
		about = string(t.Camera.Camera)
		if t.What != "ending" { // since its last change, whatever that was
			since = ""
		}
	case t.Trouble != nil && t.Trouble.Number > 0:
		about = strconv.Itoa(t.Trouble.Number)
	case t.Trouble != nil: // time alone brought it
		about = t.Trouble.Kind + " " + t.Trouble.Detail
	}
	return strings.Join([]string{t.What, string(t.Topic), about, since}, "|")
}

// News is what was decided lately that concerns a person: nothing waits for them. Newest first.
func (s *State) News(person protocol.PersonID, now time.Time) []Task {
	p := s.people[person]
	if p == nil {
		return nil
	}
	var list []Task
	requester, staff := s.Holds(person, Requester, "", now), s.Holds(person, Staff, "", now)
	told := map[protocol.RequestID]bool{} // decided twice, it is news once
	for _, id := range slices.Backward(s.decided) {
		r := s.requests[id]
		if !requester && !staff || r.Decision != nil && now.Sub(r.Decision.At.Time) >= NewsTerm {
			break
		}
		mine := requester && r.Unit != "" && p.Unit == r.Unit || staff && person == r.Requester
		if r.Decision == nil || told[id] || !mine { // none: the question was changed since, and is to be decided anew
			continue
		}
		told[id] = true
		w := r.Decision.Outcome.Words()
		list = append(list, Task{What: "decided", Words: Words{"besloten: " + strings.ToLower(w.NL), "decided: " + strings.ToLower(w.EN)}, Since: r.Decision.At, Request: r})
	}
	if s.Holds(person, Handler, protocol.AVG, now) {
		for _, q := range s.subjects {
			if q.By == person && q.Answered != nil && q.Answered.Answer != AnswerPolice && now.Sub(q.AnsweredAt.Time) < NewsTerm {
				list = append(list, Task{Topic: TopicSubject, What: "answered", Key: string(q.ID), Since: q.AnsweredAt, Words: Words{"verzoek van een betrokkene: er is besloten, verstuur het antwoord", "request of a person filmed: decided, send the answer"}})
			}
		}
	}
	if staff && !s.Holds(person, Registrar, "", now) {
		for _, id := range p.Cameras {
			if t, ok := lapsing(s.placements[id], now); ok {
				list = append(list, t)
			}
		}
	}
	for i := range list {
		list[i].stage(now)
	}
	slices.SortStableFunc(list, func(a, b Task) int { return cmp.Or(b.Since.Compare(a.Since.Time), strings.Compare(a.Once(), b.Once())) })
	return list
}

// lapsing warns of a besluit that ends.
func lapsing(p *Placement, now time.Time) (Task, bool) {
	if p == nil {
		return Task{}, false
	}
	at := p.StatusAt(now)
	if at != Lapsed && (at != Active || now.Before(p.Besluit.ValidUntil.AddDate(0, 0, -LapseWarnings[0]))) {
		return Task{}, false
	}
	return Task{What: "lapsing", Words: Words{"besluit verlengen", "renew the decision"}, Since: p.Changed, Due: p.Besluit.ValidUntil, Camera: p}, true
}

// mailbox is what a person was told, and how they would like to be.
type mailbox struct {
	MailChoice
	digest, atOnce protocol.Time // when the last of each was sent
	told           map[string]bool
}

// MailChoice is a person's own; zero: everything.
type MailChoice struct {
	NoDigest bool `json:"noDigest,omitzero"` // no daily overview
	NoAtOnce bool `json:"noAtOnce,omitzero"` // urgent things with the overview; not for roles that others wait for
}

// Mail is one that a person is due.
type Mail struct {
	Person protocol.PersonID
	Digest bool
	Tasks  []Task   // told for the first time at their stage
	Still  int      // wait as well, and were told before or come in the next mail
	over   []string // were told, and are over
}

type (
	// ChooseMail is a person's own choice.
	ChooseMail struct {
		By protocol.PersonID
		MailChoice
	}
	// TakeMail makes one of the centres on a ledger the one that mails for a while. Refused while another is.
	TakeMail struct{ Centre string }
	// RecordMail: the mail server has taken it.
	RecordMail struct{ Mail Mail }
)

type (
	MailChosen struct {
		MailChoice
	}
	MailTaken struct {
		Centre string        `json:"centre"`
		Until  protocol.Time `json:"until"`
	}
	// MailSent says what a person was told, by the names of Task.Once.
	MailSent struct {
		Person protocol.PersonID `json:"person"`
		Digest bool              `json:"digest,omitzero"`
		Told   []string          `json:"told"`
		Over   []string          `json:"over,omitempty"` // need no remembering any more
	}
)

func (*MailChosen) name() string { return "mail.chosen" }
func (*MailTaken) name() string  { return "mail.taken" }
func (*MailSent) name() string   { return "mail.sent" }

func (c ChooseMail) decide(d *decision) error {
	d.by = c.By
	if d.people[c.By] == nil {
		return refuse(CodeForbidden, "U bent hier niet aangesteld.", "You have not been appointed here.")
	}
	if c.NoAtOnce && d.MustHear(c.By, d.now.Time) {
		return refuse(CodeForbidden, "In uw rol krijgt u dringende zaken altijd meteen: anderen wachten erop, of er loopt een wettelijke termijn.",
			"In your role you always get urgent things at once: others wait for them, or a legal term runs.")
	}
	if d.mail[c.By] == nil && c.MailChoice == (MailChoice{}) || d.mail[c.By] != nil && d.mail[c.By].MailChoice == c.MailChoice {
		return nil
	}
	d.record(&MailChosen{c.MailChoice})
	return nil
}

func (c TakeMail) decide(d *decision) error {
	switch {
	case d.mailer.Centre == c.Centre && d.mailer.Until.After(d.now.Add(MailLease/2)):
		return nil
	case d.mailer.Centre != c.Centre && d.mailer.Until.After(d.now.Time):
		return refuse(CodeState, "Een andere centrale verstuurt nu de mail.", "Another centre sends the mail now.")
	}
	d.record(&MailTaken{c.Centre, protocol.T(d.now.Add(MailLease))})
	return nil
}

func (c RecordMail) decide(d *decision) error {
	m := c.Mail
	if d.people[m.Person] == nil {
		return unknown("Persoon", "Person", string(m.Person))
	}
	f := &MailSent{Person: m.Person, Digest: m.Digest, Over: m.over}
	for _, t := range m.Tasks {
		f.Told = append(f.Told, t.Once())
	}
	d.record(f)
	return nil
}

func (s *State) box(person protocol.PersonID) *mailbox {
	if s.mail == nil {
		s.mail = map[protocol.PersonID]*mailbox{}
	}
	if s.mail[person] == nil {
		s.mail[person] = &mailbox{told: map[string]bool{}}
	}
	return s.mail[person]
}

func (f *MailChosen) apply(s *State, e Event) error {
	s.box(e.By).MailChoice = f.MailChoice
	return nil
}

func (f *MailTaken) apply(s *State, _ Event) error {
	s.mailer = *f
	return nil
}

func (f *MailSent) apply(s *State, e Event) error {
	b := s.box(f.Person)
	for _, once := range f.Over {
		delete(b.told, once)
	}
	for _, once := range f.Told {
		b.told[once] = true
	}
	if f.Digest {
		b.digest = e.Time
	} else {
		b.atOnce = e.Time
	}
	return nil
}

// MailChoice is what a person chose.
func (s *State) MailChoice(person protocol.PersonID) MailChoice {
	if b := s.mail[person]; b != nil {
		return b.MailChoice
	}
	return MailChoice{}
}

// MustHear says whether a person hears of urgent things at once in any case.
func (s *State) MustHear(person protocol.PersonID, now time.Time) bool {
	return slices.ContainsFunc(mustHear, func(role Role) bool { return s.Holds(person, role, "", now) })
}

// DueMail is the mail that a person is due now, if any. morning is the last moment at which overviews went out: only what was there then goes in one.
func (s *State) DueMail(person protocol.PersonID, morning, now time.Time) (Mail, bool) {
	b := s.mail[person]
	if b == nil {
		b = &mailbox{}
	}
	m := Mail{Person: person}
	var urgent, rest []Task
	waits := map[string]bool{}
	for _, t := range append(s.Inbox(person, now), s.News(person, now)...) {
		waits[t.name()] = true
		switch {
		case b.told[t.Once()]:
			m.Still++
		case t.Urgent && (!b.NoAtOnce || s.MustHear(person, now)):
			urgent = append(urgent, t)
		default:
			rest = append(rest, t)
		}
	}
	for _, once := range sortedKeys(b.told) {
		if !waits[once[:strings.LastIndex(once, "|")]] {
			m.over = append(m.over, once)
		}
	}
	take := func(list []Task, others int) (Mail, bool) {
		n := min(len(list), mostTold)
		m.Tasks, m.Still = list[:n], m.Still+len(list)-n+others
		return m, n > 0
	}
	if len(urgent) > 0 && now.Sub(b.atOnce.Time) >= MailPause {
		return take(urgent, len(rest))
	}
	since := b.digest
	if p := s.people[person]; p != nil && p.Since.After(since.Time) {
		since = p.Since // the first overview is that of the first morning
	}
	if b.NoDigest || !since.Before(morning) || !slices.ContainsFunc(rest, func(t Task) bool { return !t.From.After(morning) }) {
		return Mail{}, false
	}
	m.Digest = true
	return take(rest, len(urgent))
}
