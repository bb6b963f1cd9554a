package central

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func preserve() RequestFacts {
	f := theft()
	f.Kind, f.Article, f.Authority, f.Demanded, f.Until = Preservation, "126ni", "officier van justitie", protocol.T(start.Add(-time.Hour)), day(50)
	return f
}

func decide(by protocol.PersonID, id protocol.RequestID, o Outcome, r Reason) DecideRequest {
	return DecideRequest{By: by, Request: id, Outcome: o, Reason: r, Motivation: "x"}
}

func check(by protocol.PersonID, id protocol.RequestID) CheckRequest {
	return CheckRequest{By: by, Request: id, Complete: true, Necessary: true, Verified: []Verified{VerifiedTitle, VerifiedScope}}
}

// history writes a golden history and compares it: the events in order, and what the dossier says of them.
func (c *centre) history(golden string, id protocol.RequestID, more ...any) {
	c.t.Helper()
	var b bytes.Buffer
	for _, e := range c.events {
		fmt.Fprintf(&b, "%s %s by %s\n", e.Time, e.Name(), e.By)
	}
	r := c.s.Request(id)
	for _, m := range r.History {
		fmt.Fprintf(&b, "history: %s %s | %s\n", m.At, EventWords(m.Name).NL, EventWords(m.Name).EN)
	}
	for _, h := range r.Holds {
		fmt.Fprintf(&b, "hold: %s %s, ground %s, until %s, approvers %v, %s, replaced %v\n", h.Camera, h.Asked, h.Ground, h.End, h.Approvers, h.State(), h.Replaced)
	}
	for _, g := range r.Grants {
		fmt.Fprintf(&b, "grant: %s %s for %q by %s, %s, %s, released %v\n", g.Camera, g.Interval, g.Purpose, g.Requester, g.Handler, g.Approver, g.Released != nil)
	}
	fmt.Fprintf(&b, "status: %s\n", r.Status)
	golden = "testdata/" + golden
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		c.t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		c.t.Errorf("the history is not that of %s:\n%s", golden, b.Bytes())
	}
}

// Art. 126ni Sv: footage is held and nobody gets any; beyond 28 days two approvers sign; a new order goes on, at most ninety days in all.
func TestPreservationOrderHoldsAndReleasesNothing(t *testing.T) {
	c := newCentre(t)
	for what, spoil := range map[string]func(*RequestFacts){
		"no title": func(f *RequestFacts) { f.Article = "126nd" }, "nobody orders": func(f *RequestFacts) { f.Authority = "" }, "no date": func(f *RequestFacts) { f.Demanded = protocol.Time{} },
		"no end": func(f *RequestFacts) { f.Until = protocol.Time{} },
	} {
		t.Log(what)
		f := preserve()
		spoil(&f)
		c.refused(FileRequest{requester, f}, CodeInvalid)
	}
	long := preserve()
	long.Until = day(90) // ninety days after the order is an hour less
	c.refused(FileRequest{requester, long}, CodeTerm)
	for _, by := range []protocol.PersonID{admin, officer, registrar, handler, approver, staff} {
		c.refused(FileRequest{by, preserve()}, CodeForbidden)
	}
	c.do(FileRequest{requester, preserve()})
	h := lastOrder[*protocol.Hold](c)
	if h.Ground != protocol.GroundPreservation || h.End.Sub(h.NotBefore.Time) != protocol.MaxHoldSingle || len(h.Approvers) != 0 {
		t.Errorf("hold %+v", h)
	}
	c.confirm("z-1")
	c.refused(KeepLonger{approver, "z-1", day(40), "x"}, CodeState) // nobody has decided yet
	c.do(check(handler, "z-1"))
	c.do(decide(approver, "z-1", Grants, Complies))
	r := c.s.Request("z-1")
	if r.Status != Kept || len(r.Grants) != 0 {
		t.Errorf("%s, %d grants", r.Status, len(r.Grants))
	}
	c.refused(decide(approver2, "z-1", Grants, Complies), CodeState)
	c.refused(decide(approver2, "z-1", Refuses, NoPower), CodeState)
	c.refused(AmendRequest{requester, "z-1", preserve()}, CodeState)
	if got := c.tasks(approver2, "keep"); len(got) != 1 || !strings.Contains(got[0], "langer bewaren") {
		t.Errorf("nobody is told that the order goes beyond the hold: %v", got)
	}

	// Two signatures, by two who may, on the same day and for a reason.
	for _, by := range []protocol.PersonID{admin, officer, registrar, handler, requester, staff, policeA, System} {
		c.refused(KeepLonger{by, "z-1", day(40), "x"}, CodeForbidden)
	}
	c.refused(KeepLonger{approver, "z-1", day(40), " "}, CodeInvalid)
	c.refused(KeepLonger{approver, "z-1", day(51), "x"}, CodeTerm) // further than the order
	c.refused(KeepLonger{approver, "z-1", day(20), "x"}, CodeTerm) // it stands that long already
	c.do(KeepLonger{approver, "z-1", day(40), "het onderzoek loopt"})
	c.refused(KeepLonger{approver, "z-1", day(40), "nog eens"}, CodeSamePerson)
	if len(r.Holds) != 1 {
		t.Fatal("one signature holds longer")
	}
	if got := c.tasks(approver2, "keep"); len(got) != 1 || !strings.Contains(got[0], "tweede") {
		t.Errorf("tasks %v", got)
	}
	if got := names(c.do(KeepLonger{approver2, "z-1", day(50), "liever vijftig"})); got != "keeping.proposed" { // another day: a first signature again
		t.Error(got)
	}
	if got := names(c.do(KeepLonger{approver, "z-1", day(50), "goed"})); got != "keeping.prolonged order.issued" {
		t.Error(got)
	}
	if h := lastOrder[*protocol.Hold](c); !h.End.Equal(day(50).Time) || !slices.Equal(h.Approvers, []protocol.PersonID{approver2, approver}) || h.Ground != protocol.GroundPreservation {
		t.Errorf("hold %+v", h)
	}
	c.do(ConfirmHold{c.source(), placed(r.Holds[1])})
	if !r.Holds[0].Replaced {
		t.Error("the shorter hold still counts")
	}

	c.now = day(49).Time
	c.refused(RenewDemand{handler, "z-1", Renewal{"OM-2", protocol.T(c.now), day(60)}}, CodeForbidden)
	c.do(RenewDemand{colleague, "z-1", Renewal{"OM-2", protocol.T(c.now), day(70)}})
	c.refused(KeepLonger{approver, "z-1", day(65), "x"}, CodeTerm) // the mandate's longest hold is sixty days
	c.do(KeepLonger{approver, "z-1", day(59), "x"})
	c.do(KeepLonger{approver2, "z-1", day(59), "x"})
}

// Held longer rests on two approvers at the moment of the second signature.
func TestI12_ASignatureOfSomebodyWhoLeftDoesNotCount(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, preserve()})
	c.confirm("z-1")
	c.do(check(handler, "z-1"))
	c.do(decide(approver, "z-1", Grants, Complies))
	c.do(KeepLonger{approver, "z-1", day(40), "x"})
	c.do(appoint(approver, ""))
	if got := names(c.do(KeepLonger{approver2, "z-1", day(40), "x"})); got != "keeping.proposed" {
		t.Error(got)
	}
	// Whoever handles it now answers for the lifting.
	c.do(appoint(handler, ""))
	c.refused(decide(approver2, "z-1", Ends, NoLonger), CodeState)
	c.do(appoint("p-c", "", Post{Handler, protocol.AVG}))
	c.do(check("p-c", "z-1"))
	if r := c.s.Request("z-1"); r.Status != Kept {
		t.Error(r.Status)
	}
	c.do(decide(approver2, "z-1", Ends, NoLonger))
	if l := lastOrder[*protocol.Lift](c); l.Handler != "p-c" || l.Approver != approver2 || l.Reason != protocol.LiftWithdrawn {
		t.Errorf("lift %+v", l)
	}
}

// The golden history of a preservation order that two approvers held longer, that was renewed, and that ended before its time.
func TestHistoryOfAPreservationOrder(t *testing.T) {
	c := newCentre(t)
	c.events = nil
	f := preserve()
	f.Until = day(40)
	c.do(FileRequest{requester, f})
	c.confirm("z-1")
	r := c.s.Request("z-1")
	c.now = c.now.Add(time.Hour)
	c.do(check(handler, "z-1"))
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "het bevel is volledig", Stated: Stated{Mandate: "mandaatbesluit 2026, 4.2"}})
	c.now = day(27).Time
	c.do(KeepLonger{approver, "z-1", day(40), "het onderzoek loopt"})
	c.do(KeepLonger{approver2, "z-1", day(40), "het onderzoek loopt"})
	c.do(ConfirmHold{c.source(), placed(r.Holds[1])})
	c.now = day(39).Time
	c.do(RenewDemand{requester, "z-1", Renewal{"OM-2026-2", protocol.T(c.now), day(55)}})
	c.do(KeepLonger{approver2, "z-1", day(55), "verlengd bevel"})
	c.do(KeepLonger{approver, "z-1", day(55), "verlengd bevel"})
	c.do(ConfirmHold{c.source(), placed(r.Holds[2])})
	c.now = day(45).Time
	c.refused(decide(approver, "z-1", Ends, TakenBack), CodeState)
	c.do(WithdrawRequest{colleague, "z-1", "de zaak is geseponeerd"})
	if got := c.tasks(approver, "decide"); len(got) != 1 {
		t.Errorf("nobody is told that it can end: %v", got)
	}
	c.do(decide(approver, "z-1", Ends, TakenBack))
	c.do(RecordLifted{c.source(), protocol.HoldLifted{Hold: r.Holds[2].HoldID(), Reason: "lift"}})
	c.history("preservation.txt", "z-1")
}

// Footage of public space is held past four weeks only when two of the police's own approvers confirm a concrete ground.
func TestWpgHoldPastFourWeeksNeedsThePolice(t *testing.T) {
	c := newCentre(t)
	rules := *c.s.Protocol(ProtocolRef{"straat", 1})
	rules.Version, rules.LongestHold = 2, protocol.Window(60*24*time.Hour)
	c.do(AdoptProtocol{registrar, rules})
	p := square()
	p.Camera, p.Protocol.Version = "markt", 2
	c.do(RegisterPlacement{registrar, p})
	c.do(Activate{registrar, "markt"})
	c.do(PublishRoster{admin, "rec-1", c.town.Roster(2, func(r *protocol.Roster) {
		r.LevelCentre, r.OfficerKey = true, "" // nobody has a passkey yet
		for _, p := range []protocol.PersonID{policeA, "p-police-2"} {
			r.Approvers = append(r.Approvers, protocol.Seat{Regime: protocol.WPG, Person: p})
		}
	})})
	c.do(appoint("p-police-2", "recherche", Post{Approver, protocol.WPG}))
	f := theft()
	f.Kind, f.Article, f.Cameras = WpgRelease, "", []protocol.CameraID{"markt"}
	c.do(FileRequest{requester, f})
	c.confirm("z-1")
	if h := c.s.Request("z-1").Holds[0]; h.End.Sub(h.NotBefore.Time) > 28*24*time.Hour {
		t.Errorf("held until %s without anyone's ground", h.End)
	}
	c.refused(KeepLonger{approver, "z-1", day(50), "zaak"}, CodeForbidden)
	c.refused(KeepLonger{policeA, "z-1", day(50), ""}, CodeInvalid)
	c.do(KeepLonger{policeA, "z-1", day(50), "herkend in onderzoek 26-114"})
	c.refused(KeepLonger{approver2, "z-1", day(50), "zaak"}, CodeForbidden)
	c.do(KeepLonger{"p-police-2", "z-1", day(50), "herkend in onderzoek 26-114"})
	if h := lastOrder[*protocol.Hold](c); !slices.Equal(h.Approvers, []protocol.PersonID{policeA, "p-police-2"}) {
		t.Errorf("hold %+v", h)
	}
}

// What was taken back gives nothing any more, and handler and approver end its holds.
func TestRequestTakenBack(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	for _, by := range []protocol.PersonID{admin, officer, handler, approver, staff} {
		c.refused(WithdrawRequest{by, "z-1", "x"}, CodeForbidden)
	}
	c.refused(WithdrawRequest{requester, "z-1", ""}, CodeInvalid)
	c.do(WithdrawRequest{colleague, "z-1", "niet meer nodig"})
	c.refused(WithdrawRequest{requester, "z-1", "x"}, CodeState)
	c.refused(RecordDownload{requester, "z-1", r.Grants[0].GrantID()}, CodeState)
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeState)
	c.refused(KeepLonger{approver, "z-1", day(40), "x"}, CodeState)
	c.do(decide(approver, "z-1", Refuses, TakenBack))
	if l := lastOrder[*protocol.Lift](c); l.Reason != protocol.LiftWithdrawn || l.Handler != handler || l.Approver != approver {
		t.Errorf("lift %+v", l)
	}
	c.do(FileRequest{requester, theft()})
	c.confirm("z-2")
	c.do(check(handler, "z-2"))
	c.refused(decide(approver, "z-2", Refuses, TakenBack), CodeState) // nobody did
}

// Cameras × hours are capped, for what one person has held alone most of all.
func TestHeldCameraHoursAreCapped(t *testing.T) {
	c := newCentre(t)
	var many []protocol.CameraID
	for i := range 9 {
		p := hall()
		p.Camera = protocol.CameraID(fmt.Sprintf("hal-%d", i))
		c.do(RegisterPlacement{registrar, p})
		c.do(Activate{registrar, p.Camera})
		many = append(many, p.Camera)
	}
	c.do(Appoint{admin, Appointment{Person: staff, Posts: []Post{{Role: Staff}}, Cameras: many, Secrecy: day(-10)}})
	f := theft()
	f.Asked, f.Cameras = protocol.Span(start.Add(-24*time.Hour), start), many
	c.refused(FileRequest{requester, f}, CodeInterval)
	f.Cameras = many[:8]
	c.do(FileRequest{requester, f})
	f.Kind, f.Article, f.Cameras = Provisional, "", many[:2]
	c.refused(FileRequest{staff, f}, CodeInterval)
	f.Cameras = many[:1]
	c.do(FileRequest{staff, f})
}
