package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The clock of a breach runs from awareness, through the weekend; late is said to be late, and why; an incident closes only when nothing is left open.
func TestR13_IncidentsAnd72Hours(t *testing.T) {
	c := newCentre(t) // a Saturday
	aware := protocol.T(c.now.Add(-10 * time.Hour))
	facts := IncidentFacts{Nature: "kast van de recorder stond open", Discovered: aware, Aware: aware, Cameras: []protocol.CameraID{"hal"}}
	c.refused(ReportIncident{"p-nobody", false, facts}, CodeForbidden)
	c.refused(ReportIncident{By: staff}, CodeInvalid)
	c.refused(ReportIncident{staff, false, IncidentFacts{Nature: "x", Aware: day(1)}}, CodeInterval)
	c.refused(ReportIncident{staff, false, IncidentFacts{Nature: "x", Cameras: []protocol.CameraID{"nergens"}}}, CodeUnknown)
	c.do(ReportIncident{staff, false, facts})
	i := c.s.Incident(1)
	if !i.Deadline().Equal(aware.Add(72*time.Hour)) || !i.Waits() || i.KeepUntil().Before(i.Opened.AddDate(3, 0, 0)) {
		t.Fatalf("%+v, deadline %s", i, i.Deadline())
	}
	if tasks := c.s.Inbox(officer, c.now); len(tasks) != 1 || !tasks[0].Due.Equal(i.Deadline().Time) {
		t.Errorf("the officer is not shown the term: %+v", tasks)
	}

	for _, by := range []protocol.PersonID{staff, admin, approver, registrar} { // the register is the officer's
		c.refused(TellOfIncident{by, 1, TellAuthority, Notice{At: protocol.T(c.now), Reference: "AP-1"}}, CodeForbidden)
		c.refused(CloseIncident{by, 1, true, "niets"}, CodeForbidden)
	}
	c.refused(CloseIncident{By: officer, Number: 1, Conclusion: "klaar"}, CodeInvalid)
	c.refused(TellOfIncident{officer, 1, TellAuthority, Notice{}}, CodeInvalid)
	c.now = aware.Add(72*time.Hour + time.Minute)
	now := protocol.T(c.now)
	c.refused(TellOfIncident{officer, 1, TellAuthority, Notice{At: now, Reference: "AP-1"}}, CodeInvalid) // late, and no reason
	c.do(TellOfIncident{officer, 1, TellAuthority, Notice{At: now, Reference: "AP-1", Reason: "pas maandag gezien"}})
	if i.OnTime() || i.Waits() {
		t.Error("told late, and counted as on time or waiting")
	}
	c.do(TellOfIncident{officer, 1, TellAuthority, Notice{At: protocol.T(aware.Add(72 * time.Hour)), Reference: "AP-1"}})
	if !i.OnTime() {
		t.Error("within 72 hours, and counted as late")
	}
	c.do(TellOfIncident{By: officer, Number: 1, Told: TellSubjects, Notice: Notice{Reason: "niemand kon bij de beelden"}})
	c.refused(CloseIncident{By: officer, Number: 1, Conclusion: "klaar"}, CodeInvalid) // cause, measures, prevention
	facts.Cause, facts.Measures, facts.Prevention, facts.Discovered, facts.Aware = "slot defect", "slot vervangen", "slot jaarlijks nazien", aware, aware
	c.do(DescribeIncident{officer, 1, facts})
	c.do(CloseIncident{By: officer, Number: 1, Conclusion: "slot vervangen, niemand kon bij de beelden"})
	c.refused(DescribeIncident{officer, 1, facts}, CodeState)
	if len(c.s.OpenIncidents(c.now)) != 0 || len(c.s.Inbox(officer, c.now)) != 0 || len(i.History) != 6 {
		t.Errorf("%d open, %d in the inbox, history of %d", len(c.s.OpenIncidents(c.now)), len(c.s.Inbox(officer, c.now)), len(i.History))
	}
}

func TestR13_DrillsAreFlaggedAndHaveNoTerm(t *testing.T) {
	c := newCentre(t)
	c.do(ReportIncident{admin, true, IncidentFacts{Nature: "oefening: recorder gestolen"}})
	i := c.s.Incident(1)
	c.do(DescribeIncident{officer, 1, IncidentFacts{Nature: "oefening", Aware: i.Facts.Aware, Discovered: i.Facts.Discovered}})
	if !i.Drill || i.Waits() || !c.s.Inbox(officer, c.now)[0].Due.IsZero() {
		t.Error("a drill is not flagged, or has a term")
	}
}

// What nothing allowed opens itself, once, with the clock running; what was allowed does not.
func TestR13_AnOrphanedAccessOpensAnIncident(t *testing.T) {
	c := newCentre(t)
	g := c.granted(requester, handler, approver, theft()).Grants[0]
	access := Access{Recorder: g.Recorder, Seq: 7, At: protocol.T(c.now), Kind: protocol.KindIntent, Access: protocol.Access{How: "release", Grant: g.GrantID(), Request: g.Request,
		Camera: g.Camera, Interval: g.Interval, Person: requester, Recipient: g.Recipient}}
	if events := c.do(RecordAccess{c.source(), access}); events != nil {
		t.Errorf("a granted access: %s", names(events))
	}
	access.Grant = "g-verzonnen"
	fact := RecordAccess{c.source(), access}
	c.do(fact)
	if again := c.do(fact); again != nil {
		t.Error("the same entry twice")
	}
	i := c.s.Incident(1)
	if i == nil || i.Kind != "access-orphan" || i.Camera != "hal" || !i.Waits() || !i.Deadline().Equal(c.now.Add(BreachTerm)) {
		t.Fatalf("%+v", i)
	}
	c.do(CloseIncident{officer, 1, true, "grant van voor het herstel van de centrale, nagezien op papier"})
}

// I12: a grant serves only its camera, interval, purpose, recipient and time; what else is done under it is an orphan, and the page says why.
func TestI12_EachAccessIsHeldAgainstItsGrantAtTheCentre(t *testing.T) {
	c := newCentre(t)
	given := *c.granted(requester, handler, approver, theft()).Grants[0]
	intent := Access{Recorder: given.Recorder, Seq: 50, At: protocol.T(c.now), Kind: protocol.KindIntent, Access: protocol.Access{How: "release", Grant: given.GrantID(), Request: given.Request,
		Camera: given.Camera, Interval: given.Interval, Person: given.Requester, Recipient: given.Recipient}}
	standing := func(g *Grant, a *Access, back time.Duration) {
		g.Use, a.Kind, a.How, a.Interval = protocol.UseStanding, protocol.KindView, "playback", protocol.Span(c.now.Add(-back), c.now)
	}
	for name, x := range map[string]struct {
		change func(g *Grant, a *Access)
		why    string
	}{
		"as granted":           {func(*Grant, *Access) {}, ""},
		"of another recorder":  {func(_ *Grant, a *Access) { a.Recorder = "kast-9" }, "the grant is for another camera"},
		"another camera":       {func(_ *Grant, a *Access) { a.Camera = "elders" }, "the grant is for another camera"},
		"another request":      {func(_ *Grant, a *Access) { a.Request = "z-9" }, "the grant is for someone else or another request"},
		"another person":       {func(_ *Grant, a *Access) { a.Person = admin }, "the grant is for someone else or another request"},
		"another key":          {func(_ *Grant, a *Access) { a.Recipient = "age1mine" }, "read for another key"},
		"fallen away before":   {func(g *Grant, _ *Access) { g.Voided = &Voiding{At: protocol.T(c.now.Add(-time.Second))} }, "after the grant had fallen away"},
		"fallen away after":    {func(g *Grant, _ *Access) { g.Voided = &Voiding{At: protocol.T(c.now.Add(time.Second))} }, ""},
		"too late":             {func(g *Grant, a *Access) { a.At = g.NotAfter }, "outside the grant's term"},
		"too early":            {func(g *Grant, a *Access) { a.At = protocol.T(g.NotBefore.Add(-time.Millisecond)) }, "outside the grant's term"},
		"viewed, not released": {func(_ *Grant, a *Access) { a.How = "playback" }, "another act than allowed"},
		"released, not viewed": {func(g *Grant, _ *Access) { g.Use = protocol.UseView }, "another act than allowed"},
		"more than granted":    {func(_ *Grant, a *Access) { a.Interval.To = a.Interval.To.Add(time.Second) }, "outside the granted interval"},
		"looked back":          {func(g *Grant, a *Access) { standing(g, a, protocol.LookBack) }, ""},
		"looked back further":  {func(g *Grant, a *Access) { standing(g, a, protocol.LookBack+2*time.Minute) }, "looked back further than fifteen minutes"},
		"before it was used":   {func(g *Grant, _ *Access) { g.Released = &FootageReleased{Source: Source{given.Recorder, 0, 51}} }, ""},
		"used twice":           {func(g *Grant, _ *Access) { g.Released = &FootageReleased{Source: Source{given.Recorder, 0, 49}} }, "the grant had been used before"},
		"used in the log before it was put back": {func(g *Grant, a *Access) {
			g.Released = &FootageReleased{Source: Source{given.Recorder, 0, 90}}
			a.Log = 2
		}, "the grant had been used before"},
	} {
		g, a := given, intent
		x.change(&g, &a)
		if why := (MatchedAccess{Access: a, Permit: &g}).fault(); why.EN != x.why || (why.NL == "") != (x.why == "") {
			t.Errorf("%s: %+v, want %q", name, why, x.why)
		}
	}
}
