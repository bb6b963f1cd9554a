package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func future() RequestFacts {
	f := theft()
	f.Article, f.Authority, f.Demanded, f.Asked = "126ne", "officier van justitie", protocol.T(start.Add(-time.Hour)), protocol.Interval{}
	f.Period = protocol.Span(start.Add(-time.Hour), day(14).Time)
	return f
}

// delivered takes a part to its bag.
func (c *centre) delivered(r *Request, asked protocol.Interval) *Delivery {
	c.t.Helper()
	c.do(PrepareDelivery{handler, r.ID, nil, asked})
	d := r.Deliveries[len(r.Deliveries)-1]
	for _, h := range r.DeliveryHolds(d) {
		c.do(ConfirmHold{c.source(), placed(h)})
	}
	c.do(ApproveDelivery{approver, r.ID, d.Number, c.rounded(r, d)})
	for _, g := range r.DeliveryGrants(d) {
		c.do(RecordRelease{c.source(), released(g)})
	}
	return d
}

func (c *centre) rounded(r *Request, d *Delivery) (list []Approved) {
	for _, h := range r.DeliveryHolds(d) {
		list = append(list, Approved{h.Camera, h.Rounded()})
	}
	return list
}

func hours(from, to int) protocol.Interval {
	return protocol.Span(start.Add(time.Duration(from)*time.Hour), start.Add(time.Duration(to)*time.Hour))
}

// Art. 126ne Sv: of what is yet to come, at most four weeks, in parts that each rest on three people.
func TestFutureDataIsDeliveredInParts(t *testing.T) {
	c := newCentre(t)
	for what, spoil := range map[string]struct {
		change func(*RequestFacts)
		code   string
	}{
		"another article":       {func(f *RequestFacts) { f.Article = "126nd" }, CodeInvalid},
		"before the demand":     {func(f *RequestFacts) { f.Period.From = f.Period.From.Add(-time.Second) }, CodeInterval},
		"over four weeks":       {func(f *RequestFacts) { f.Period.To = day(28).Time }, CodeTerm},
		"over already":          {func(f *RequestFacts) { f.Period.To = start }, CodeInterval},
		"at once without leave": {func(f *RequestFacts) { f.Immediate = true }, CodeInvalid},
		"no date":               {func(f *RequestFacts) { f.Demanded = protocol.Time{} }, CodeInvalid},
		"by consent":            {func(f *RequestFacts) { f.Kind, f.Article, f.Consent = ByConsent, "", consented().Consent }, CodeInvalid},
	} {
		t.Log(what)
		f := future()
		spoil.change(&f)
		c.refused(FileRequest{requester, f}, spoil.code)
	}
	past := theft()
	past.Article, past.Demanded, past.Immediate = "126ne", protocol.T(past.Asked.From), true
	c.refused(FileRequest{requester, past}, CodeInvalid)

	if got := names(c.do(FileRequest{requester, future()})); got != "request.filed" {
		t.Error(got) // nothing is there yet
	}
	r := c.s.Request("z-1")
	c.refused(PrepareDelivery{handler, "z-1", nil, hours(0, 1)}, CodeState)
	c.do(check(handler, "z-1"))
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Stated: Stated{Restriction: "onderzoek 7"}})
	if len(r.Grants) != 0 {
		t.Error("a grant of what is yet to come")
	}
	c.now = start.Add(26 * time.Hour)
	if got := c.tasks(handler, "deliver"); len(got) != 1 {
		t.Errorf("nobody is told to prepare a part: %v", got)
	}
	for _, by := range []protocol.PersonID{admin, officer, registrar, approver, requester, staff, policeH} {
		c.refused(PrepareDelivery{by, "z-1", nil, hours(0, 24)}, CodeForbidden)
	}
	c.refused(PrepareDelivery{handler, "z-1", nil, hours(-2, 1)}, CodeInterval)
	c.refused(PrepareDelivery{handler, "z-1", nil, hours(25, 26)}, CodeTerm) // at once: no leave
	c.refused(PrepareDelivery{handler, "z-1", []protocol.CameraID{"plein"}, hours(0, 1)}, CodeInvalid)
	c.do(PrepareDelivery{handler, "z-1", nil, hours(0, 24)})
	c.refused(PrepareDelivery{handler, "z-1", nil, hours(0, 24)}, CodeState)
	d := r.Deliveries[0]
	c.refused(ApproveDelivery{approver, "z-1", 1, nil}, CodeNotConfirmed)
	c.do(ConfirmHold{c.source(), placed(r.DeliveryHolds(d)[0])})
	c.refused(ApproveDelivery{approver, "z-1", 1, []Approved{{"hal", d.Asked}}}, CodeInterval)
	c.refused(ApproveDelivery{approver, "z-1", 2, c.rounded(r, d)}, CodeUnknown)
	for _, by := range []protocol.PersonID{admin, officer, registrar, handler, requester, staff, policeA} {
		c.refused(ApproveDelivery{by, "z-1", 1, c.rounded(r, d)}, CodeForbidden)
	}
	if got := c.tasks(approver2, "decide"); len(got) != 1 {
		t.Errorf("nobody is told to approve the part: %v", got)
	}
	c.do(ApproveDelivery{approver2, "z-1", 1, c.rounded(r, d)})
	c.refused(ApproveDelivery{approver, "z-1", 1, c.rounded(r, d)}, CodeState) // settled once
	if g := lastOrder[*protocol.Grant](c); g.Handler != handler || g.Approver != approver2 || g.Requester != requester || g.Purpose != "vordering 126ne; alleen voor: onderzoek 7" {
		t.Errorf("grant %+v", g)
	}
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	if r.Status != Granted {
		t.Errorf("%s, and the period goes on", r.Status)
	}
	if len(c.tasks(colleague, "download")) != 1 {
		t.Error("the unit is not told")
	}
	c.refused(ConfirmDelivery{requester, "z-1", 1}, CodeState)
	c.do(RecordDownload{requester, "z-1", r.Grants[0].GrantID()})
	c.refused(ConfirmHandOver{requester, "z-1", ""}, CodeState)
	c.refused(ConfirmDelivery{handler, "z-1", 1}, CodeForbidden)
	c.do(ConfirmDelivery{colleague, "z-1", 1})
	if l := lastOrder[*protocol.Lift](c); l.Reason != protocol.LiftReleased || r.Status != Granted {
		t.Errorf("lift %+v, %s", l, r.Status)
	}

	// Whoever prepared a part and left does not stand behind it.
	c.now = start.Add(50 * time.Hour)
	c.do(PrepareDelivery{handler, "z-1", nil, hours(24, 48)})
	c.do(ConfirmHold{c.source(), placed(r.DeliveryHolds(r.Deliveries[1])[0])})
	c.do(appoint(handler, ""))
	c.refused(ApproveDelivery{approver, "z-1", 2, c.rounded(r, r.Deliveries[1])}, CodeState)
	c.do(appoint(handler, "", Post{Handler, protocol.AVG}))
	c.do(ApproveDelivery{approver, "z-1", 2, c.rounded(r, r.Deliveries[1])})
	c.do(appoint(approver, ""))
	if g := r.Grants[1]; g.Voided == nil || g.Voided.Why != VoidApprover {
		t.Error("the grant still rests on an approver who left")
	}
	c.do(ApproveDelivery{approver2, "z-1", 2, c.rounded(r, r.Deliveries[1])})
}

// Given at once: only with the examining magistrate's leave.
func TestFutureDataAtOnceNeedsTheMagistratesLeave(t *testing.T) {
	c := newCentre(t)
	f := future()
	f.Immediate, f.Leave = true, "RC 26/88"
	c.do(FileRequest{requester, f})
	c.do(check(handler, "z-1"))
	c.do(decide(approver, "z-1", Grants, Complies))
	c.now = start.Add(time.Hour)
	c.delivered(c.s.Request("z-1"), protocol.Span(c.now.Add(-10*time.Minute), c.now.Add(-time.Minute)))
}

// What nobody prepared is held before it ages out, once; it is given to nobody until it is prepared and approved.
func TestFutureDataDoesNotAgeOutWhilePeopleWait(t *testing.T) {
	c := newCentre(t)
	f := future()
	f.Period.To = day(9).Time
	c.do(FileRequest{requester, f})
	r := c.s.Request("z-1")
	for range 16 * 24 {
		c.now = c.now.Add(time.Hour)
		c.do(Tend{})
	}
	if len(r.Holds) != 10 {
		t.Errorf("%d holds", len(r.Holds))
	}
	from := r.Period.From
	for _, h := range r.Holds {
		if h.Asked.From.After(from) || h.Issued.After(h.Asked.From.Add(7*24*time.Hour)) {
			t.Errorf("hold of %s, asked at %s: there is a gap, or it came too late", h.Asked, h.Issued)
		}
		from = h.Asked.To
	}
	if !from.Equal(r.Period.To) || len(r.Grants) != 0 {
		t.Errorf("held until %s", from)
	}
}

// The golden history of future data delivered in parts, with a renewed demand.
func TestHistoryOfFutureData(t *testing.T) {
	c := newCentre(t)
	c.events = nil
	f := future()
	f.Period.To = day(2).Time
	c.do(FileRequest{requester, f})
	c.do(check(handler, "z-1"))
	c.do(decide(approver, "z-1", Grants, Complies))
	r := c.s.Request("z-1")
	for i, asked := range []protocol.Interval{hours(0, 20), hours(20, 44)} {
		c.now = asked.To.Add(2 * time.Hour)
		d := c.delivered(r, asked)
		for _, g := range r.DeliveryGrants(d) {
			c.do(RecordDownload{requester, "z-1", g.GrantID()})
		}
		if i == 0 {
			c.do(ConfirmDelivery{requester, "z-1", d.Number})
		}
	}
	c.refused(RenewDemand{requester, "z-1", Renewal{"OM-2", protocol.T(c.now), day(31)}}, CodeTerm)
	c.do(RenewDemand{requester, "z-1", Renewal{"OM-2", protocol.T(c.now), day(4)}})
	c.refused(PrepareDelivery{handler, "z-1", nil, hours(44, 45)}, CodeState) // checked and decided anew
	c.do(check(handler, "z-1"))
	c.do(decide(approver2, "z-1", Grants, Complies))
	c.now = day(5).Time
	c.delivered(r, hours(44, 66))
	for range 30 {
		c.now = c.now.Add(24 * time.Hour)
		c.do(Tend{})
	}
	if r.Status != Closed {
		t.Error(r.Status)
	}
	c.history("future.txt", "z-1")
}

// Asking another period, or deciding in part and then asking otherwise, voids what was approved: it is checked and decided anew.
func TestI12_EditAfterAPartWasApprovedVoidsIt(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, future()})
	c.do(check(handler, "z-1"))
	c.do(decide(approver, "z-1", Grants, Complies))
	c.now = start.Add(26 * time.Hour)
	r := c.s.Request("z-1")
	c.delivered(r, hours(0, 24))
	shorter := future()
	shorter.Period.To = day(3).Time
	now := theft()
	now.Article, now.Demanded = "126ne", shorter.Demanded
	c.refused(AmendRequest{requester, "z-1", now}, CodeInvalid) // of the past instead: another request
	c.do(AmendRequest{requester, "z-1", shorter})
	if r.Status != Filed || r.Grants[0].Voided == nil || len(r.Deliveries) != 0 || !r.Holds[0].Replaced {
		t.Errorf("%s, grant %+v, %d deliveries", r.Status, r.Grants[0].Voided, len(r.Deliveries))
	}
	c.refused(RecordDownload{requester, "z-1", r.Grants[0].GrantID()}, CodeState)
	c.refused(PrepareDelivery{handler, "z-1", nil, hours(0, 24)}, CodeState)
	c.do(check(handler, "z-1"))
	c.do(decide(approver2, "z-1", Grants, Complies))
	c.delivered(r, hours(0, 24))

	c = newCentre(t)
	r = c.three()
	c.do(partly([]Approved{{"hal", r.holdOf("hal").Rounded()}}))
	less := theft()
	c.do(AmendRequest{requester, "z-1", less})
	if r.Status != Filed || r.Decision != nil || r.Grants[0].Voided == nil {
		t.Errorf("%s, %+v", r.Status, r.Decision)
	}
}
