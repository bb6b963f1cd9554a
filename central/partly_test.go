package central

import (
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// three is a checked request for three cameras whose holds stand.
func (c *centre) three() *Request {
	c.t.Helper()
	for _, camera := range []protocol.CameraID{"balie", "kelder"} {
		p := hall()
		p.Camera = camera
		c.do(RegisterPlacement{registrar, p})
		c.do(Activate{registrar, camera})
	}
	c.events = nil
	f := theft()
	f.Cameras = []protocol.CameraID{"balie", "hal", "kelder"}
	c.do(FileRequest{requester, f})
	c.confirm("z-1")
	c.do(check(handler, "z-1"))
	return c.s.Request("z-1")
}

func partly(approved []Approved) DecideRequest {
	asked := theft().Asked
	return DecideRequest{By: approver, Request: "z-1", Outcome: Partly, Reason: Complies, Motivation: "hal en een deel van de balie volstaan", Approved: approved,
		Parts: []Part{
			{Camera: "balie", Narrowed: protocol.Span(asked.From, asked.From.Add(2*time.Minute)), Reason: TooBroad, Motivation: "alleen de eerste minuten"},
			{Camera: "kelder", Reason: NotNecessary, Motivation: "de verdachte kwam daar niet"},
		},
		Stated: Stated{Restriction: "onderzoek PL2100-2026-1", Consulted: "advies A-3", Mandate: "mandaatbesluit 2026, 4.2"}}
}

// Some cameras and less of an interval: the rest is refused for its own reason, and its hold ends. Less of an interval is approved as its recorder rounds it.
func TestDecisionInPart(t *testing.T) {
	c := newCentre(t)
	r := c.three()
	hal := []Approved{{"hal", r.holdOf("hal").Rounded()}}
	for what, spoil := range map[string]struct {
		change func(*DecideRequest)
		code   string
	}{
		"no reason":           {func(d *DecideRequest) { d.Parts[1].Reason = "" }, CodeInvalid},
		"no motivation":       {func(d *DecideRequest) { d.Parts[1].Motivation = " " }, CodeInvalid},
		"no parts":            {func(d *DecideRequest) { d.Parts = nil }, CodeInvalid},
		"another camera":      {func(d *DecideRequest) { d.Parts[1].Camera = "plein" }, CodeUnknown},
		"a camera twice":      {func(d *DecideRequest) { d.Parts[1].Camera = "balie" }, CodeUnknown},
		"more than was asked": {func(d *DecideRequest) { d.Parts[0].Narrowed.From = d.Parts[0].Narrowed.From.Add(-time.Second) }, CodeInterval},
		"all of it":           {func(d *DecideRequest) { d.Parts[0].Narrowed = theft().Asked }, CodeInterval},
		"not rounded":         {func(d *DecideRequest) { d.Approved = []Approved{{"hal", theft().Asked}} }, CodeInterval},
		"nothing left": {func(d *DecideRequest) {
			d.Approved = nil
			d.Parts = []Part{{"balie", protocol.Interval{}, NoPower, "x"}, {"kelder", protocol.Interval{}, NoPower, "x"}, {"hal", protocol.Interval{}, NoPower, "x"}}
		}, CodeState},
		"a restriction on two lines": {func(d *DecideRequest) { d.Restriction = "a\nb" }, CodeInvalid},
		"a long restriction":         {func(d *DecideRequest) { d.Restriction = strings.Repeat("a", 301) }, CodeInvalid},
	} {
		t.Log(what)
		cmd := partly(hal)
		spoil.change(&cmd)
		c.refused(cmd, spoil.code)
	}
	for _, by := range []protocol.PersonID{admin, officer, registrar, handler, requester, policeA} {
		cmd := partly(hal)
		cmd.By = by
		c.refused(cmd, CodeForbidden)
	}
	if got := names(c.do(partly(hal))); got != "request.decided order.issued order.issued order.issued" {
		t.Fatal(got)
	}
	if g := lastOrder[*protocol.Grant](c); g.Camera != "hal" || g.Purpose != "vordering 126nda; alleen voor: onderzoek PL2100-2026-1" {
		t.Errorf("grant %+v", g)
	}
	c.refused(partly(hal), CodeState)
	balie, kelder := r.Holds[3], r.Holds[2]
	if balie.Camera != "balie" || balie.Asked.Duration() != 2*time.Minute || !kelder.LiftSent || r.Holds[0].LiftSent {
		t.Errorf("holds: %+v, %+v, %+v", balie, kelder, r.Holds[0])
	}
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	if r.Status != Granted {
		t.Errorf("%s, and the narrower part is still to come", r.Status)
	}
	c.do(Tend{})
	if r.Status != Granted {
		t.Error("closed while a recorder has yet to answer")
	}
	c.do(ConfirmHold{c.source(), placed(balie)})
	if got := c.tasks(approver2, "decide"); len(got) != 1 {
		t.Errorf("nobody is told to approve the rounded interval: %v", got)
	}
	c.do(DecideRequest{By: approver2, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "afgerond", Approved: []Approved{{"balie", balie.Rounded()}}})
	if !r.Holds[0].LiftSent {
		t.Error("the wider hold goes on")
	}
	if g := r.Grants[1]; !g.Interval.Equal(balie.Rounded()) || !strings.Contains(g.Purpose, "alleen voor: onderzoek") {
		t.Errorf("grant %+v", g)
	}
	if d := r.Decision; d.Outcome != Partly || len(d.Parts) != 2 || d.Restriction == "" || d.Mandate == "" || d.Consulted == "" || len(r.Check.Verified) != 2 {
		t.Errorf("decision %+v", d)
	}
	c.do(RecordRelease{c.source(), released(r.Grants[1])})
	if r.Status != Released {
		t.Error(r.Status)
	}
}

// The golden history of a request that was granted in part.
func TestHistoryOfARequestGrantedInPart(t *testing.T) {
	c := newCentre(t)
	r := c.three()
	c.now = c.now.Add(time.Hour)
	c.do(partly([]Approved{{"hal", r.holdOf("hal").Rounded()}}))
	c.do(RecordLifted{c.source(), protocol.HoldLifted{Hold: r.Holds[2].HoldID(), Reason: "lift"}})
	c.do(ConfirmHold{c.source(), placed(r.Holds[3])})
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	c.now = c.now.Add(time.Hour)
	c.do(DecideRequest{By: approver2, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "het afgeronde tijdvak", Approved: []Approved{{"balie", r.Holds[3].Rounded()}}})
	c.do(RecordRelease{c.source(), released(r.Grants[1])})
	for _, g := range r.Grants {
		c.do(RecordDownload{requester, "z-1", g.GrantID()})
	}
	c.do(ConfirmHandOver{requester, "z-1", ""})
	c.history("partly.txt", "z-1")
}
