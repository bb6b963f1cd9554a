package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func counted(lines []Line, what string) (n int) {
	for _, l := range lines {
		if l.What.NL == what {
			n += l.Count
		}
	}
	return n
}

// The account counts what happened that year and no drills; few demands are not told apart to the council. The officer's own report says more.
func TestR22_YearlyReports(t *testing.T) {
	c := newCentre(t)
	g := c.granted(requester, handler, approver, theft()).Grants[0]
	c.do(RecordRelease{c.source(), released(g)})
	c.do(ReportIncident{staff, false, IncidentFacts{Nature: "echt"}})
	c.do(ReportIncident{staff, true, IncidentFacts{Nature: "oefening"}})
	c.do(TellOfIncident{officer, 1, TellAuthority, Notice{At: protocol.T(c.now), Reference: "AP-1"}})
	c.do(FileSubjectRequest{handler, filmed()})
	c.do(OpenMatter{officer, MatterFacts{Kind: Complaint, Reference: "K-1", Received: day(-1), Text: "x"}})
	c.do(DrawSample{officer, "1", protocol.Span(start.Add(-time.Hour), start), 1, []Access{{Recorder: "rec-1", Seq: 1, At: day(0)}, {Recorder: "rec-1", Seq: 2, At: protocol.T(start.Add(-time.Minute))}}})
	lines := c.s.OfficersReport(2026)
	for what, want := range map[string]int{"in gebruik, AVG": 1, "in gebruik, WPG": 1, "vordering 126nda": 1, "toegekend": 1, "keer beelden verstrekt": 1, "geopend": 1, "oefeningen (niet meegeteld)": 1,
		"gemeld aan de AP binnen 72 uur": 1, "ontvangen": 1, "klacht": 1, "steekproeven getrokken": 1} {
		if got := counted(lines, what); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	if got := counted(c.s.Account(2025), "toegekend") + counted(c.s.Account(2025), "geopend"); got != 0 {
		t.Errorf("the year before counts %d", got)
	}
	for _, l := range c.s.Account(2026) {
		if l.What.NL == "vordering 126nda" && (l.Said(true) != "< 5" || l.Said(false) != "1") {
			t.Errorf("one demand is told as %q", l.Said(true))
		}
	}
	if counted(c.s.Account(2026), "steekproeven getrokken") != 0 {
		t.Error("the officer's own work is in the college's account")
	}
}

func TestR06_TheRegisterOfProcessing(t *testing.T) {
	c := newCentre(t)
	draft := hall()
	draft.Camera = "kelder"
	c.do(RegisterPlacement{registrar, draft})
	list := c.s.Register()
	if len(list) != 2 {
		t.Fatalf("%d entries: one a camera in use, no drafts", len(list))
	}
	for _, e := range list {
		if e.Controller == (Words{}) || e.Basis == (Words{}) || e.Subjects == (Words{}) || e.Data == (Words{}) || e.Measures == (Words{}) || len(e.Purposes) == 0 || len(e.Recipients) == 0 || e.Window == 0 {
			t.Errorf("%s: something that art. 30 asks is missing: %+v", e.Camera, e)
		}
	}
	if list[0].Controller == list[1].Controller {
		t.Error("two regimes, one controller")
	}
}
