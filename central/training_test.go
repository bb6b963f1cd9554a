package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Lapsed: reminded, then inactive, then back by following it again. Never recorded: goes on, and stands on the list.
func TestR28_TrainingLapses(t *testing.T) {
	c := newCentre(t)
	course := TrainingFacts{handler, "omgaan met camerabeelden", day(-300), day(65)}
	c.refused(RecordTraining{officer, course}, CodeForbidden)
	c.refused(RecordTraining{admin, TrainingFacts{admin, "x", day(-1), day(65)}}, CodeForbidden)
	c.refused(RecordTraining{admin, TrainingFacts{handler, "x", day(1), day(65)}}, CodeInvalid)
	c.refused(RecordTraining{admin, TrainingFacts{handler, "x", day(-1), day(-1)}}, CodeInvalid)
	c.do(RecordTraining{admin, course})
	for _, step := range []struct {
		day    int
		active bool
		tasks  int
	}{{0, true, 0}, {40, true, 1}, {70, true, 1}, {94, true, 1}, {95, false, 1}} {
		now := day(step.day).Time
		if got := c.s.Holds(handler, Handler, protocol.AVG, now); got != step.active {
			t.Errorf("day %d: active %v", step.day, got)
		}
		if got := len(c.s.Inbox(handler, now)); got != step.tasks {
			t.Errorf("day %d: %d reminders", step.day, got)
		}
	}
	if !c.s.Holds(approver, Approver, protocol.AVG, day(95).Time) {
		t.Error("somebody whose training was never recorded is stopped")
	}
	trained := func(now time.Time) bool {
		for _, p := range c.s.Untrained(now) {
			if p.Person == requester || p.Person == policeH {
				t.Error("chain partners train their own people")
			}
			if p.Person == handler {
				return false
			}
		}
		return true
	}
	if !trained(day(64).Time) || trained(day(65).Time) {
		t.Error("the list of the untrained")
	}
	c.now = day(100).Time
	c.do(RecordTraining{admin, TrainingFacts{handler, "opnieuw", day(99), day(400)}})
	if !c.s.Holds(handler, Handler, protocol.AVG, c.now) || !trained(c.now) {
		t.Error("followed again, and still inactive")
	}
}

// An auditor reads for a period, nothing more, and leaves traces.
func TestR29_AnAuditorReadsForAPeriod(t *testing.T) {
	c := newCentre(t)
	grant := func(until protocol.Time, posts ...Post) Appoint {
		return Appoint{admin, Appointment{Person: "p-auditor", Posts: posts, Secrecy: day(-1), Until: until}}
	}
	c.refused(grant(protocol.Time{}, Post{Role: Auditor}), CodeInvalid)
	c.refused(grant(day(-1), Post{Role: Auditor}), CodeInvalid)
	c.refused(grant(day(400), Post{Role: Auditor}), CodeInvalid)
	for _, other := range []Role{Registrar, Requester, Staff, Officer, Administrator} {
		c.refused(Appoint{admin, Appointment{Person: "p-auditor", Posts: []Post{{Role: Auditor}, {Role: other}}, Unit: "basisteam", Secrecy: day(-1), Until: day(30)}}, CodeCombination)
	}
	c.do(grant(day(30), Post{Role: Auditor}))
	c.do(FileRequest{requester, theft()})
	for _, cmd := range []Command{CheckRequest{By: "p-auditor", Request: "z-1", Complete: true, Necessary: true}, Activate{"p-auditor", "hal"}, WriteNote{"p-auditor", "", "x"}, DrawSample{By: "p-auditor"}, OpenMatter{By: "p-auditor"}, CloseIncident{By: "p-auditor"}, ReportIncident{By: "p-auditor", IncidentFacts: IncidentFacts{Nature: "x"}}} {
		c.refused(cmd, CodeForbidden)
	}
	if c.s.MayRead("p-auditor", c.s.Request("z-1"), c.now) || c.s.Matters("p-auditor", c.now) != nil || c.s.Notes("p-auditor", c.now) != nil {
		t.Error("an auditor reads requests, complaints or notes")
	}
	c.do(RecordReading{"p-auditor", ReadLog, "rec-1"})
	if r := c.s.Readings(); len(r) != 1 || r[0].By != "p-auditor" {
		t.Errorf("%+v", r)
	}
	if c.s.Holds("p-auditor", Auditor, "", day(30).Time) {
		t.Error("the period is over, and the role is active")
	}
}
