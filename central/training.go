package central

import (
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Training (R28): a role's training has a date and a validity. When it lapses its person is reminded; TrainingGrace later the municipal posts are inactive until
// it is done again (an administrator's are not, or nobody could record it). Somebody
// whose training was never recorded is reminded, and goes on: the centre cannot know what was done before it was there.

// TrainingFacts is one training that a person followed.
type TrainingFacts struct {
	Person     protocol.PersonID `json:"person"`
	Subject    string            `json:"subject"`
	Followed   protocol.Time     `json:"followed"`
	ValidUntil protocol.Time     `json:"validUntil"`
}

// RecordTraining by an administrator, not of oneself.
type RecordTraining struct {
	By protocol.PersonID
	TrainingFacts
}

type TrainingRecorded struct {
	TrainingFacts
}

func (*TrainingRecorded) name() string { return "training.recorded" }

func (c RecordTraining) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	switch {
	case c.Person == c.By:
		return refuse(CodeForbidden, "Uw eigen opleiding legt een andere beheerder vast.", "Your own training is recorded by another administrator.")
	case d.people[c.Person] == nil:
		return unknown("Persoon", "Person", string(c.Person))
	case strings.TrimSpace(c.Subject) == "":
		return missing("welke opleiding", "which training")
	case c.Followed.IsZero() || c.Followed.After(d.now.Time):
		return missing("wanneer de opleiding is gevolgd", "when the training was followed")
	case !c.ValidUntil.After(c.Followed.Time):
		return missing("tot wanneer de opleiding geldt", "until when the training is valid")
	}
	d.record(&TrainingRecorded{c.TrainingFacts})
	return nil
}

func (f *TrainingRecorded) apply(s *State, _ Event) error {
	s.trainings = append(s.trainings, f.TrainingFacts)
	return nil
}

// Training is the person's that is valid longest.
func (s *State) Training(person protocol.PersonID) (last TrainingFacts, ok bool) {
	for _, t := range s.trainings {
		if t.Person == person && (!ok || t.ValidUntil.After(last.ValidUntil.Time)) {
			last, ok = t, true
		}
	}
	return last, ok
}

// trained says why a person's municipal posts are not active for want of training.
func (s *State) trained(person protocol.PersonID, now time.Time) error {
	if t, ok := s.Training(person); ok && !now.Before(t.ValidUntil.Add(TrainingGrace)) {
		return refuse(CodeInactive, "Uw opleiding is verlopen. Volg haar opnieuw en vraag de beheerder dit vast te leggen.", "Your training has lapsed. Follow it again and ask the administrator to record it.")
	}
	return nil
}

// trainingTask reminds a municipal person of their own training.
func (s *State) trainingTask(person protocol.PersonID, now time.Time, add func(Task)) {
	p := s.people[person]
	if p == nil || !slices.ContainsFunc(p.Posts, func(post Post) bool { return !post.partner() }) {
		return
	}
	t, ok := s.Training(person)
	switch {
	case !ok:
		return // it stands on the administrator's list; see Untrained
	case !now.Before(t.ValidUntil.Time):
		add(Task{Topic: TopicTraining, Since: t.ValidUntil, Due: protocol.T(t.ValidUntil.Add(TrainingGrace)), Words: Words{"uw opleiding is verlopen: na deze datum is uw rol niet actief", "your training has lapsed: after this date your role is inactive"}})
	case t.ValidUntil.Sub(now) < TrainingGrace:
		add(Task{Topic: TopicTraining, Since: t.Followed, Due: t.ValidUntil, Words: Words{"uw opleiding verloopt", "your training is about to lapse"}})
	}
}

// Untrained are the municipal people without a valid training, by id: those whose training lapsed, and those of whom none is recorded.
func (s *State) Untrained(now time.Time) []*Person {
	return slices.DeleteFunc(s.People(), func(p *Person) bool {
		t, ok := s.Training(p.Person)
		return ok && now.Before(t.ValidUntil.Time) || !slices.ContainsFunc(p.Posts, func(post Post) bool { return !post.partner() })
	})
}
