package central

import (
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Review is something that must be looked at again, or agreed anew, by a day (R19, R23).
type Review struct {
	Words Words
	Topic Topic
	Key   string
	Due   protocol.Time
	Roles []Role // who see to it
}

// Reviews are those due within ReviewNotice, and those overdue, earliest first: policy and protocols (N:617), agreements and their ends. What is not in use any more is left out.
func (s *State) Reviews(now time.Time) (list []Review) {
	add := func(due protocol.Time, topic Topic, key, nl, en string, roles ...Role) {
		if !due.IsZero() && due.Sub(now) < ReviewNotice {
			list = append(list, Review{Words{nl, en}, topic, key, due, roles})
		}
	}
	for _, p := range s.protocols {
		if s.under[p.ref()] == 0 {
			continue
		}
		review := p.Review
		if review.IsZero() { // adopted before it was asked
			review = protocol.T(p.AdoptedOn.AddDate(ReviewYears, 0, 0))
		}
		if s.NewestProtocol(p.ID) == p {
			add(review, TopicProtocol, p.ID, "cameraprotocol opnieuw bekijken", "review the camera protocol", Registrar)
		}
		add(s.ProtocolUntil(p), TopicProtocol, p.ID, "cameraprotocol loopt af: er zijn nog camera's onder deze versie", "camera protocol ends: there are cameras under this version still", Registrar)
	}
	for _, kind := range StatementKinds {
		if one := s.NewestStatement(kind); one != nil {
			w := kind.Words()
			add(one.Review, TopicStatement, string(kind), w.NL+" opnieuw bekijken", "review the "+w.EN, Registrar)
		}
	}
	working := map[string]bool{}
	for _, person := range s.people {
		if len(person.Posts) > 0 {
			working[person.Unit] = true
		}
	}
	for _, u := range s.Units() {
		if !working[u.ID] && s.processing[u.ID] == 0 && !u.valid(now) {
			continue
		}
		add(u.ValidUntil, TopicUnit, u.ID, "afspraak met organisatie loopt af", "agreement with an organisation ends", Administrator)
		add(u.Review, TopicUnit, u.ID, "afspraak met organisatie opnieuw bekijken", "review the agreement with an organisation", Administrator)
	}
	slices.SortStableFunc(list, func(a, b Review) int { return a.Due.Compare(b.Due.Time) })
	return list
}

// reviewTasks bring them to who sees to them.
func (s *State) reviewTasks(person protocol.PersonID, now time.Time, add func(Task)) {
	mine := func(r Role) bool { return s.Holds(person, r, "", now) }
	if !mine(Registrar) && !mine(Administrator) {
		return
	}
	for _, r := range s.Reviews(now) {
		if slices.ContainsFunc(r.Roles, mine) {
			add(Task{What: "review", Topic: r.Topic, Key: r.Key, Words: r.Words, Since: protocol.T(r.Due.Add(-ReviewNotice)), Due: r.Due})
		}
	}
}
