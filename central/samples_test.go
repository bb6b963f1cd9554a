package central

import (
	"slices"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The same seed draws the same accesses, in whatever order they come; each gets a finding; a wrong one opens an incident.
func TestR11_ASampleRepeatsFromItsSeed(t *testing.T) {
	c := newCentre(t)
	var all []Access
	for seq := range uint64(200) {
		all = append(all, Access{Recorder: "rec-1", Seq: seq, At: protocol.T(start.Add(-time.Duration(seq) * time.Hour)), Access: protocol.Access{Camera: "hal"}})
	}
	all = append(all, Access{Recorder: "rec-1", Seq: 999, At: protocol.T(start.Add(-time.Hour)), Access: protocol.Access{Camera: "plein"}}) // the police's
	week := protocol.Span(start.Add(-100*time.Hour), start)
	c.refused(DrawSample{handler, "dobbelsteen 4 1 6", week, 10, all}, CodeForbidden)
	c.refused(DrawSample{officer, "", week, 10, all}, CodeInvalid)
	c.refused(DrawSample{officer, "x", week, 101, all}, CodeInvalid)
	c.refused(DrawSample{officer, "x", protocol.Span(start, start.Add(time.Hour)), 1, all}, CodeInterval)
	c.refused(DrawSample{officer, "x", week, 1, nil}, CodeNoFootage)
	c.do(DrawSample{officer, "dobbelsteen 4 1 6", week, 10, all})
	slices.Reverse(all)
	c.do(DrawSample{officer, "dobbelsteen 4 1 6", week, 10, all})
	c.do(DrawSample{officer, "dobbelsteen 4 1 5", week, 10, all})
	a, b, other := c.s.Sample(1), c.s.Sample(2), c.s.Sample(3)
	if len(a.Items) != 10 || a.Of != 100 || !slices.Equal(a.Items, b.Items) || a.All != b.All {
		t.Errorf("the same seed draws otherwise: %v of %d, %v", a.Items, a.Of, b.Items)
	}
	if slices.Equal(a.Items, other.Items) || slices.Contains(a.Items, Source{Recorder: "rec-1", Seq: 999}) || slices.Contains(a.Items, Source{Recorder: "rec-1", Seq: 150}) {
		t.Error("another seed draws the same, or something drawn is the police's or outside the interval")
	}
	if items, _, hash := Draw(all[:len(all)-1], "dobbelsteen 4 1 6", week, 10); slices.Equal(items, a.Items) && hash == a.All {
		t.Error("an access left out does not show") // seq 0, the newest
	}

	for _, item := range a.Items[1:] {
		c.do(RecordFinding{officer, 1, item, FoundInOrder, ""})
	}
	c.refused(RecordFinding{officer, 1, Source{Recorder: "rec-1", Seq: 150}, FoundInOrder, ""}, CodeUnknown)
	c.refused(RecordFinding{officer, 1, a.Items[0], FoundWrong, ""}, CodeInvalid)
	c.do(RecordFinding{officer, 1, a.Items[0], FoundWrong, "geen noodzaak"})
	if i := c.s.Incident(1); a.Open() != 0 || i == nil || i.Kind != "sample-finding" || !i.Waits() {
		t.Errorf("%d open; %+v", a.Open(), i)
	}
}

func TestR11_PlannedAuditsAreBroughtToTheOfficer(t *testing.T) {
	c := newCentre(t)
	c.refused(PlanAudit{handler, "rooster", day(30)}, CodeForbidden)
	c.refused(PlanAudit{By: officer, Subject: "rooster"}, CodeInvalid)
	c.do(PlanAudit{officer, "rooster nalopen", day(30)})
	if len(c.s.Inbox(officer, c.now)) != 0 || len(c.s.Inbox(officer, day(24).Time)) != 1 || len(c.s.Inbox(handler, day(24).Time)) != 0 {
		t.Error("the audit is not brought to the officer a week ahead")
	}
	c.refused(FinishAudit{officer, 2, "x"}, CodeUnknown)
	c.do(FinishAudit{officer, 1, "in orde"})
	c.refused(FinishAudit{officer, 1, "x"}, CodeState)
	if len(c.s.Inbox(officer, day(40).Time)) != 0 {
		t.Error("a finished audit still waits")
	}
}
