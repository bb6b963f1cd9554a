package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func filmed() SubjectFacts {
	return SubjectFacts{Right: RightAccess, Reference: "brief 2026-881", Received: protocol.T(start.Add(-time.Hour)), Cameras: []protocol.CameraID{"hal"},
		Asked: protocol.Span(start.Add(-3*time.Hour), start.Add(-2*time.Hour)), Description: "rode jas, bij de balie", Representative: InPerson}
}

// Held at once, for fourteen days while nobody knows who asks; answered by another than who handled it, with others unrecognisable and the remedies said.
func TestR14_APersonFilmedAsksAccess(t *testing.T) {
	c := newCentre(t)
	for _, by := range []protocol.PersonID{officer, admin, registrar, requester, staff, approver, policeH} {
		c.refused(FileSubjectRequest{by, filmed()}, CodeForbidden)
	}
	for _, spoil := range []func(*SubjectFacts){
		func(f *SubjectFacts) { f.Right = "all" }, func(f *SubjectFacts) { f.Reference = "" }, func(f *SubjectFacts) { f.Description = "" }, func(f *SubjectFacts) { f.Received = day(1) },
		func(f *SubjectFacts) { f.Representative = Curator }, func(f *SubjectFacts) { f.Representative = Proxy }, func(f *SubjectFacts) { f.Cameras = nil },
	} {
		f := filmed()
		spoil(&f)
		c.refused(FileSubjectRequest{handler, f}, CodeInvalid)
	}
	long := filmed()
	long.Asked = protocol.Span(start.Add(-3*time.Hour), start.Add(-2*time.Hour+time.Second))
	c.refused(FileSubjectRequest{handler, long}, CodeInterval)

	c.do(FileSubjectRequest{handler, filmed()})
	q := c.s.SubjectRequest("b-1")
	if len(q.Holds) != 1 || q.Holds[0].Ground != protocol.GroundRights || !q.Holds[0].End.Equal(c.now.Add(14*24*time.Hour)) {
		t.Fatalf("the footage is not held at once for fourteen days: %+v", q.Holds)
	}
	c.do(ConfirmHold{c.source(), placed(q.Holds[0])})
	c.refused(AnswerSubjectRequest{approver, "b-1", AnswerGranted, MaskedCopy, true, "x", true}, CodeState)
	c.do(IdentifySubject{handler, "b-1", ShownAtCounter})
	if last := q.Holds[len(q.Holds)-1]; len(q.Holds) != 2 || !last.End.After(c.now.Add(15*24*time.Hour)) || last.End.After(c.now.Add(protocol.MaxHoldSingle)) {
		t.Error("now that the person is known the footage is not held longer, or too long")
	}
	if tasks := c.s.Inbox(approver, c.now); len(tasks) != 1 || tasks[0].Topic != TopicSubject || !tasks[0].Due.Equal(q.Received.AddDate(0, 1, 0)) {
		t.Errorf("%+v", tasks)
	}
	c.refused(AnswerSubjectRequest{handler, "b-1", AnswerGranted, MaskedCopy, true, "x", true}, CodeForbidden)
	c.do(Appoint{admin, Appointment{Person: handler, Posts: []Post{{Handler, protocol.AVG}, {Approver, protocol.AVG}}, Secrecy: day(-10)}})
	c.refused(AnswerSubjectRequest{handler, "b-1", AnswerGranted, MaskedCopy, true, "x", true}, CodeSamePerson)
	c.refused(AnswerSubjectRequest{approver, "b-1", AnswerGranted, MaskedCopy, false, "x", true}, CodeInvalid) // others recognisable
	c.refused(AnswerSubjectRequest{approver, "b-1", AnswerGranted, MaskedCopy, true, "x", false}, CodeInvalid) // no remedies
	c.refused(AnswerSubjectRequest{approver, "b-1", AnswerGranted, MaskedCopy, true, "", true}, CodeInvalid)
	c.do(AnswerSubjectRequest{approver, "b-1", AnswerGranted, MaskedCopy, true, "de betrokkene staat op de beelden", true})
	if !q.InTime() || len(c.s.Inbox(approver, c.now)) != 0 {
		t.Error("answered within a month, and not counted so, or it still waits")
	}
	c.refused(ExtendSubjectRequest{handler, "b-1", "x"}, CodeState)
}

func TestR14_OneMonthOnceExtended(t *testing.T) {
	c := newCentre(t)
	f := filmed()
	f.Received = protocol.T(time.Date(2026, 10, 31, 9, 0, 0, 0, time.UTC))
	c.do(FileSubjectRequest{handler, f})
	q := c.s.SubjectRequest("b-1")
	c.do(ConfirmHold{c.source(), placed(q.Holds[0])})
	if got := q.Due().Format(time.DateOnly); got != "2026-11-30" {
		t.Errorf("a month after 31 October is %s", got)
	}
	if len(c.s.Inbox(officer, c.now)) != 0 {
		t.Error("the officer is told nine days ahead")
	}
	if tasks := c.s.Inbox(officer, q.Due().Add(-6*24*time.Hour)); len(tasks) != 1 || tasks[0].Key != "b-1" {
		t.Errorf("the officer is not told six days ahead: %+v", tasks)
	}
	c.refused(ExtendSubjectRequest{handler, "b-1", ""}, CodeInvalid)
	c.do(ExtendSubjectRequest{handler, "b-1", "veel camera's"})
	c.refused(ExtendSubjectRequest{handler, "b-1", "nog meer"}, CodeState)
	if got := q.Due().Format(time.DateOnly); got != "2027-01-31" {
		t.Errorf("extended until %s", got)
	}
	c.do(FileSubjectRequest{handler, f})
	c.now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	c.refused(ExtendSubjectRequest{handler, "b-2", "te laat"}, CodeTerm)
	c.do(IdentifySubject{handler, "b-2", NotIdentified})
	c.refused(AnswerSubjectRequest{approver, "b-2", AnswerPartly, InWriting, false, "x", true}, CodeState)
	c.do(AnswerSubjectRequest{approver, "b-2", AnswerRefused, "", false, "identiteit niet vast te stellen", true})
	if c.s.SubjectRequest("b-2").InTime() {
		t.Error("answered late, and counted as in time")
	}
}

// The police answer for their cameras: nothing is held or decided here, and it goes on the same day.
func TestR14_AboutAWpgCameraItIsForwarded(t *testing.T) {
	c := newCentre(t)
	f := filmed()
	f.Cameras = []protocol.CameraID{"hal", "plein"}
	c.refused(FileSubjectRequest{handler, f}, CodeRegime)
	f.Cameras = f.Cameras[1:]
	c.do(FileSubjectRequest{handler, f})
	q := c.s.SubjectRequest("b-1")
	if len(q.Holds) != 0 || q.Due().Sub(q.Received.Time) > 24*time.Hour {
		t.Errorf("%d holds, due %s", len(q.Holds), q.Due())
	}
	c.refused(IdentifySubject{handler, "b-1", ByDigiD}, CodeRegime)
	c.refused(AnswerSubjectRequest{handler, "b-1", AnswerGranted, MaskedCopy, true, "x", true}, CodeRegime)
	c.do(AnswerSubjectRequest{By: handler, Request: "b-1", Answer: AnswerPolice, Motivation: "doorgestuurd aan de privacydesk van de politie"})
	if !q.InTime() {
		t.Error("forwarded the same day, and counted as late")
	}
}

// With the answer the hold ends; after a refusal it stands until the six weeks to object are over, and beyond 28 days that takes a second approver.
func TestR14_TheHoldEndsWithTheAnswerOrAfterTheTermToObject(t *testing.T) {
	c := newCentre(t)
	for range 2 {
		c.do(FileSubjectRequest{handler, filmed()})
	}
	for _, id := range []protocol.RequestID{"b-1", "b-2"} {
		c.do(IdentifySubject{handler, id, ShownAtCounter})
		for _, h := range c.s.SubjectRequest(id).Holds {
			c.do(ConfirmHold{c.source(), placed(h)})
		}
	}
	c.now = day(10).Time
	if got := names(c.do(AnswerSubjectRequest{approver, "b-1", AnswerGranted, MaskedCopy, true, "x", true})); got != "subject.answered order.issued order.issued" {
		t.Error(got)
	}
	if l := lastOrder[*protocol.Lift](c); l.Handler != handler || l.Approver != approver || !c.s.SubjectRequest("b-1").Holds[0].LiftSent {
		t.Errorf("lift %+v", l)
	}
	if got := names(c.do(AnswerSubjectRequest{approver, "b-2", AnswerRefused, "", false, "anderen staan centraal", true})); got != "subject.answered keeping.proposed" {
		t.Error(got)
	}
	q := c.s.SubjectRequest("b-2")
	until := q.Keeping.Until
	if !until.Equal(c.now.Add(42*24*time.Hour)) || q.Holds[1].LiftSent {
		t.Errorf("until %s", until)
	}
	for _, by := range []protocol.PersonID{handler, approver} {
		if tasks := c.s.Inbox(by, c.now); len(tasks) != 0 {
			t.Errorf("%s may not sign, and is asked to: %+v", by, tasks)
		}
	}
	if tasks := c.s.Inbox(approver2, c.now); len(tasks) != 1 || tasks[0].What != "keep" || tasks[0].Key != "b-2" {
		t.Errorf("the second approver is not told: %+v", tasks)
	}
	c.refused(KeepLonger{approver, "b-2", until, "x"}, CodeSamePerson)
	c.refused(KeepLonger{handler, "b-2", until, "x"}, CodeForbidden)
	c.refused(KeepLonger{approver2, "b-2", protocol.T(until.Add(time.Hour)), "x"}, CodeTerm)
	c.do(KeepLonger{approver2, "b-2", until, "bezwaartermijn"})
	if h := lastOrder[*protocol.Hold](c); h.Ground != protocol.GroundRights || !h.End.Equal(until.Time) || len(h.Approvers) != 2 || len(q.Holds) != 3 {
		t.Errorf("hold %+v, %d holds", h, len(q.Holds))
	}
}

// A request about a camera of the police that still lies here when its day is over opens one incident by itself, which the officer sees; one that was forwarded in time opens none.
func TestR14_ForwardingLateIsAnIncident(t *testing.T) {
	c := newCentre(t)
	ask := filmed()
	ask.Cameras = []protocol.CameraID{"plein"}
	for range 2 {
		c.do(FileSubjectRequest{handler, ask})
	}
	c.do(AnswerSubjectRequest{By: handler, Request: c.s.subjects[0].ID, Answer: AnswerPolice, Motivation: "per post"})
	count := func() (n int) {
		for _, i := range c.s.incidents {
			if i.Kind == "forward-late" {
				n++
				if i.Request != c.s.subjects[1].ID || i.Words() == (Words{}) {
					t.Errorf("%+v", i)
				}
			}
		}
		return n
	}
	c.do(Tend{})
	if count() != 0 {
		t.Error("an incident before the day is over")
	}
	c.now = c.s.subjects[1].Due().Time
	c.do(Tend{})
	c.now = c.now.Add(time.Minute)
	c.do(Tend{})
	if count() != 1 || len(c.tasks(officer, "look")) == 0 {
		t.Errorf("%d incidents", count())
	}
}
