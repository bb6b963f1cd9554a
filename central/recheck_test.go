package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// What leaves for a recorder under a number: a grant that fell away goes out as one that is over, so that the recorder refuses it and the number is used up.
func (c *centre) outgoing(g *Grant) Order {
	c.t.Helper()
	out := c.s.Outbox(g.Recorder, g.Number-1)
	if len(out) == 0 || out[0].Number != g.Number {
		c.t.Fatalf("outbox %+v", out)
	}
	return out[0]
}

func TestI12_RoleChangeAfterApprovalIsCheckedAgain(t *testing.T) {
	for what, change := range map[string]struct {
		cmd  Command
		why  VoidReason
		mend func(*centre) // what a decision needs first
	}{
		"approver leaves":  {appoint(approver, ""), VoidApprover, func(*centre) {}},
		"approver's other": {appoint(approver, "recherche", Post{Approver, protocol.WPG}), VoidApprover, func(*centre) {}},
		"handler leaves": {appoint(handler, ""), VoidHandler, func(c *centre) {
			c.do(appoint("p-c", "", Post{Handler, protocol.AVG}))
			c.do(CheckRequest{By: "p-c", Request: "z-1", Complete: true, Necessary: true})
		}},
		"requester moves": {appoint(requester, "recherche", Post{Role: Requester}), VoidRequester, func(c *centre) { c.do(appoint(requester, "basisteam", Post{Role: Requester})) }},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCentre(t)
			r := c.granted(requester, handler, approver, theft())
			g := r.Grants[0]
			if o := c.outgoing(g); !o.NotAfter.Equal(g.NotAfter.Time) {
				t.Fatal("a grant that stands goes out otherwise than it was issued")
			}
			c.now = c.now.Add(time.Minute)
			c.do(change.cmd)
			if g.Voided == nil || g.Voided.Why != change.why {
				t.Fatalf("voided: %+v", g.Voided)
			}
			if o := c.outgoing(g); o.NotAfter.After(c.now) {
				t.Error("the grant still leaves")
			}
			if kept := c.s.Recorder("rec-1").Order(g.Number); !kept.NotAfter.Equal(g.NotAfter.Time) {
				t.Error("the ledger's order changed")
			}
			c.do(RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: g.Number, Kind: "grant", ID: g.ID, Reason: "over"}})
			if len(c.s.Incidents(c.now)) != 0 {
				t.Error("an incident, for what went as it should")
			}
			if change.why != VoidApprover {
				_, err := c.try(DecideRequest{By: approver2, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "opnieuw", Approved: c.approved("z-1")})
				if _, ok := RefusalOf(err); !ok {
					t.Errorf("decided anew on what fell away: %v", err)
				}
			}
			change.mend(c)
			c.do(DecideRequest{By: approver2, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "opnieuw", Approved: c.approved("z-1")})
			c.do(RecordRelease{c.source(), released(r.Grants[1])})
			if r.Status != Released {
				t.Errorf("status %s", r.Status)
			}
			c.do(RecordDownload{colleague, "z-1", r.Grants[1].GrantID()})
		})
	}
}

// The footage lies ready, and then a role or an agreement goes: it is not given. What was fetched before has left.
func TestI12_RoleChangeIsCheckedAtTheDownload(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	g := r.Grants[0]
	c.do(RecordRelease{c.source(), released(g)})
	c.do(appoint(approver, ""))
	c.refused(RecordDownload{requester, "z-1", g.GrantID()}, CodeState)
	if tasks := c.s.Inbox(approver2, c.now); len(tasks) != 1 || tasks[0].What != "decide" {
		t.Errorf("nobody is told to decide again: %+v", tasks)
	}
	c.do(DecideRequest{By: approver2, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "opnieuw", Approved: c.approved("z-1")})
	c.do(RecordRelease{c.source(), released(r.Grants[1])})
	c.do(RecordDownload{requester, "z-1", r.Grants[1].GrantID()})
	c.do(appoint(approver2, ""))
	c.do(RecordDownload{requester, "z-1", r.Grants[1].GrantID()})
	c.do(ConfirmHandOver{requester, "z-1", ""})
}

// R17, R19: the agreement with the unit counts at filing, at the decision and at the download.
func TestR17_R19_AgreementCountsAtEveryStep(t *testing.T) {
	c := newCentre(t)
	c.do(AgreeUnit{admin, covenant("basisteam", "CV-2026-1", protocol.T(start.Add(time.Hour)))})
	c.do(FileRequest{requester, theft()})
	report := theft()
	report.Kind, report.Article, report.Unit = OwnInitiative, "", "basisteam"
	c.do(FileRequest{staff, report})
	for _, id := range []protocol.RequestID{"z-1", "z-2"} {
		c.confirm(id)
		c.do(CheckRequest{By: handler, Request: id, Complete: true, Necessary: true})
	}
	waiting := c.granted(requester, handler, approver, theft())
	ready := c.granted(requester, handler, approver, theft())
	c.do(RecordRelease{c.source(), released(ready.Grants[0])})

	c.now = start.Add(time.Hour) // the agreement has ended
	c.refused(FileRequest{requester, theft()}, CodeInactive)
	c.refused(FileRequest{staff, report}, CodeInactive)
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeInactive)
	c.refused(DecideRequest{By: approver, Request: "z-2", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-2")}, CodeInactive)
	c.refused(RecordDownload{requester, ready.ID, ready.Grants[0].GrantID()}, CodeInactive)
	c.do(Tend{}) // what has not left does not leave
	if o := c.outgoing(waiting.Grants[0]); o.NotAfter.After(c.now) || waiting.Grants[0].Voided.Why != VoidRequester {
		t.Errorf("order %+v, %+v", o, waiting.Grants[0].Voided)
	}
	c.do(AgreeUnit{admin, covenant("basisteam", "CV-2026-3", day(365))})
	c.refused(RecordDownload{requester, ready.ID, ready.Grants[0].GrantID()}, CodeState) // decided anew first
	c.do(DecideRequest{By: approver, Request: "z-2", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-2")})
}

// R18: role × camera × purpose, and why, at each request.
func TestR18_RoleCameraPurposeAndNecessity(t *testing.T) {
	c := newCentre(t)
	view := RequestFacts{Kind: Standing, Purpose: Buildings, Cameras: []protocol.CameraID{"hal"}, Reference: "dienst", Necessity: "toezicht bij de ingang", ViewerKey: viewer(t), Until: day(30)}
	report := theft()
	report.Kind, report.Article, report.Unit = OwnInitiative, "", "basisteam"
	wpg := theft()
	wpg.Kind, wpg.Article, wpg.Cameras = WpgRelease, "", []protocol.CameraID{"plein"}
	for _, ask := range []FileRequest{{requester, theft()}, {requester, wpg}, {staff, report}, {staff, view}} {
		none := ask
		none.Necessity = " "
		c.refused(none, CodeInvalid)
		for _, other := range []protocol.PersonID{admin, registrar, handler, approver, officer} {
			ask := ask
			ask.By = other
			c.refused(ask, CodeForbidden)
		}
		c.do(ask)
	}
	other := view
	other.Purpose = StreetSafety
	c.refused(FileRequest{staff, other}, CodePurpose)
	other = report
	other.Cameras = []protocol.CameraID{"plein"}
	c.refused(FileRequest{staff, other}, CodeForbidden)

	// The camera is assigned no more: what was granted for it falls away.
	c.do(CheckRequest{By: handler, Request: "z-4", Complete: true, Necessary: true})
	c.do(DecideRequest{By: approver, Request: "z-4", Outcome: Grants, Reason: Complies, Motivation: "x"})
	if len(c.s.StandingGrants(staff, c.now)) != 1 {
		t.Fatal("no standing grant")
	}
	c.do(Appoint{admin, Appointment{Person: staff, Posts: []Post{{Role: Staff}}, Secrecy: day(-10)}})
	if len(c.s.StandingGrants(staff, c.now)) != 0 {
		t.Error("a standing grant for a camera that is not assigned any more")
	}
}

func TestI12_EditAfterApprovalVoidsIt(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	c.do(RecordRelease{c.source(), released(r.Grants[0])}) // even when it lies ready
	wider := theft()
	wider.Kind, wider.Unit = Vordering, ""
	wider.Asked = protocol.Span(wider.Asked.From.Add(-time.Hour), wider.Asked.To)
	for _, other := range []protocol.PersonID{colleague, handler, approver, admin, officer, staff} {
		c.refused(AmendRequest{other, "z-1", wider}, CodeForbidden)
	}
	kind := wider
	kind.Kind = WpgRelease
	c.refused(AmendRequest{requester, "z-1", kind}, CodeInvalid)
	c.now = c.now.Add(time.Minute)
	if got := names(c.do(AmendRequest{requester, "z-1", wider})); got != "request.amended order.issued" {
		t.Error(got)
	}
	if r.Status != Filed || r.Check != nil || r.Decision != nil || r.Grants[0].Voided == nil || r.Grants[0].Voided.Why != VoidScope {
		t.Errorf("%+v", r)
	}
	c.refused(RecordDownload{requester, "z-1", r.Grants[0].GrantID()}, CodeState)
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeState)
	hold := r.Holds[1]
	c.do(ConfirmHold{c.source(), placed(hold)})
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: []Approved{{"hal", r.Holds[0].Rounded()}}}, CodeInterval) // what was approved before
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: []Approved{{"hal", hold.Rounded()}}})
	if g := lastOrder[*protocol.Grant](c); !g.Interval.Equal(hold.Rounded()) {
		t.Errorf("grant %+v", g)
	}
	c.do(RecordRelease{c.source(), released(r.Grants[1])})
	c.do(RecordDownload{requester, "z-1", r.Grants[1].GrantID()})
	c.refused(AmendRequest{requester, "z-1", theft()}, CodeState)
}

// An agreement that ends makes void at that moment what rested on it, and nothing of another organisation: no minute passes in which its footage could still leave.
func TestR19_GrantsAreVoidTheMomentAnAgreementEnds(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	events := c.do(EndAgreement{admin, "basisteam", "beelden doorgegeven aan een krant"})
	g := r.Grants[0]
	if g.Voided == nil || g.Voided.Why != VoidRequester || !g.Voided.At.Equal(c.now) || len(events) != 2 {
		t.Errorf("%+v after %d events", g.Voided, len(events))
	}
	if o := c.outgoing(g); o.NotAfter.After(c.now) {
		t.Errorf("it goes out until %s", o.NotAfter)
	}
	c = newCentre(t)
	r = c.granted(requester, handler, approver, theft())
	c.do(EndAgreement{admin, "recherche", "opgeheven"})
	if r.Grants[0].Voided != nil {
		t.Error("another organisation's agreement made it void")
	}
}
