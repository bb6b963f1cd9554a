package central

import (
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// came is what a random run brought about.
type came struct{ released, viewed, fetched, suspended, prolonged, lifted, delivered, answered, shortened int }

// random gives commands at random by these people, each with the posts they may hold (now these, then those), and by an administrator, a privacy officer, a registrar and
// whoever calls themselves the system. Recorders confirm and release what they were ordered; time passes.
func random(t *testing.T, seed uint64, posts map[protocol.PersonID][]Post) came {
	c := newCentre(t)
	c.do(appoint(handler, "")) // the people of the fixture go, so that only these are left
	for _, p := range []protocol.PersonID{approver, approver2, requester, colleague, policeH, policeA, staff} {
		c.do(appoint(p, ""))
	}
	rnd := mathrand.New(mathrand.NewPCG(seed, 4))
	people := sortedKeys(posts)
	hold := func(p protocol.PersonID) Appointment {
		a := appoint(p, "basisteam", posts[p]...).Appointment
		a.Cameras = []protocol.CameraID{"hal"}
		return a
	}
	for _, p := range people {
		c.do(Appoint{admin, hold(p)})
	}
	actors := append([]protocol.PersonID{admin, officer, registrar, System}, people...)
	for range 4 {
		actors = append(actors, people...) // mostly these
	}
	who := func() protocol.PersonID { return actors[rnd.IntN(len(actors))] }
	key := viewer(t)
	for range 700 {
		ask := theft()
		ask.Asked = protocol.Span(c.now.Add(-time.Hour), c.now.Add(-50*time.Minute))
		switch rnd.IntN(7) {
		case 0:
			ask.Said = protocol.T(c.now)
		case 1:
			ask = RequestFacts{Kind: Standing, Purpose: Buildings, Cameras: []protocol.CameraID{"hal"}, Reference: "dienst", Necessity: "toezicht", ViewerKey: key, Until: protocol.T(c.now.Add(24 * time.Hour))}
		case 2:
			ask.Asked, ask.MayBeGone = theft().Asked, true // the same footage again and again, to hold it longer
		case 3, 4:
			ask.Kind, ask.Article, ask.Demanded, ask.Until = Preservation, "126ni", protocol.T(c.now), protocol.T(c.now.Add(80*24*time.Hour))
		case 5:
			ask.Article, ask.Demanded, ask.Asked, ask.Period = "126ne", protocol.T(c.now), protocol.Interval{}, protocol.Span(c.now, c.now.Add(20*24*time.Hour))
		}
		var cmds []Command
		if n := len(c.s.order); n == 0 || rnd.IntN(16) == 0 {
			cmds = append(cmds, FileRequest{who(), ask})
			filmed := filmed()
			filmed.Received, filmed.Asked = protocol.T(c.now), protocol.Span(c.now.Add(-time.Hour), c.now.Add(-50*time.Minute))
			cmds = append(cmds, FileSubjectRequest{who(), filmed})
		} else if m := len(c.s.subjects); m > 0 && rnd.IntN(12) == 0 {
			q := c.s.subjects[max(0, m-1-rnd.IntN(3))]
			until := protocol.T(c.now.Add(30 * 24 * time.Hour))
			if q.Keeping != nil {
				until = q.Keeping.Until
			}
			cmds = append(cmds, IdentifySubject{who(), q.ID, ByDigiD}, AnswerSubjectRequest{who(), q.ID, Answers[rnd.IntN(len(Answers))], MaskedCopy, true, "x", true}, KeepLonger{who(), q.ID, until, "x"})
		} else {
			id := c.s.order[max(0, n-1-rnd.IntN(3))]
			r := c.s.Request(id)
			due := []Approved{}
			for _, h := range c.s.Due(r, c.now) {
				due = append(due, Approved{h.Camera, h.Rounded()})
			}
			var grant protocol.GrantID
			if len(r.Grants) > 0 {
				grant = r.Grants[rnd.IntN(len(r.Grants))].GrantID()
			}
			until := protocol.T(c.now.Add(time.Duration(20+10*rnd.IntN(8)) * 24 * time.Hour))
			if r.Keeping != nil && rnd.IntN(4) > 0 {
				until = r.Keeping.Until
			}
			switch rnd.IntN(29) - 8 {
			case -8, -7, -6:
				for _, h := range r.Holds {
					cmds = append(cmds, ConfirmHold{c.source(), placed(h)})
				}
				cmds = append(cmds, CheckRequest{By: who(), Request: id, Complete: true, Necessary: true, Remark: "teruggebeld"}, CheckRequest{By: who(), Request: id, Complete: true, Necessary: true, Remark: "teruggebeld"})
			case -5, -4, -3, -2, -1:
				cmds = append(cmds, DecideRequest{By: who(), Request: id, Outcome: Grants, Reason: Complies, Motivation: "x", Approved: due})
			case 15, 16:
				cmds = append(cmds, KeepLonger{who(), id, until, "x"})
			case 17:
				cmds = append(cmds, RenewDemand{who(), id, Renewal{"OM", protocol.T(c.now), until}})
				if rnd.IntN(8) == 0 {
					cmds = append(cmds, WithdrawRequest{who(), id, "x"}, DecideRequest{By: who(), Request: id, Outcome: Ends, Reason: TakenBack, Motivation: "x"})
				}
			case 18:
				cmds = append(cmds, DecideRequest{By: who(), Request: id, Outcome: Ends, Reason: NoLonger, Motivation: "x"},
					DecideRequest{By: who(), Request: id, Outcome: Partly, Reason: Complies, Motivation: "x", Parts: []Part{{"hal", protocol.Span(r.Asked.From, r.Asked.From.Add(time.Minute)), TooBroad, "x"}}})
			case 19, 20:
				cmds = append(cmds, PrepareDelivery{who(), id, nil, r.undelivered("hal", c.now.Add(-time.Hour))})
				for _, d := range r.Deliveries {
					for _, h := range r.DeliveryHolds(d) {
						cmds = append(cmds, ConfirmHold{c.source(), placed(h)})
					}
					for range 4 {
						cmds = append(cmds, ApproveDelivery{who(), id, d.Number, c.rounded(r, d)})
					}
					cmds = append(cmds, ConfirmDelivery{who(), id, d.Number})
				}
			case 0, 1:
				for _, h := range r.Holds {
					cmds = append(cmds, ConfirmHold{c.source(), placed(h)})
				}
			case 2, 3, 13:
				cmds = append(cmds, CheckRequest{By: who(), Request: id, Complete: true, Necessary: true, Remark: "teruggebeld"})
			case 4, 5, 14:
				cmds = append(cmds, DecideRequest{By: who(), Request: id, Outcome: Grants, Reason: Complies, Motivation: "x", Approved: due})
			case 6:
				cmds = append(cmds, AmendRequest{who(), id, ask}, TakeOver{who(), id})
			case 7:
				for _, g := range r.Grants {
					if g.Use == protocol.UseRelease && g.Voided == nil {
						cmds = append(cmds, RecordRelease{c.source(), released(g)})
					}
				}
				cmds = append(cmds, RecordDownload{who(), id, grant})
			case 8:
				cmds = append(cmds, ConfirmOral{who(), id, paper}, ConfirmHandOver{who(), id, ""})
			case 9:
				p := people[rnd.IntN(len(people))]
				a := hold(p)
				a.Posts = slices.DeleteFunc(slices.Clone(a.Posts), func(Post) bool { return rnd.IntN(8) == 0 })
				cmds = append(cmds, Appoint{who(), a})
			case 10:
				for _, p := range people {
					cmds = append(cmds, Appoint{admin, hold(p)}) // everybody is back
				}
			case 11:
				if rnd.IntN(2) == 0 {
					cmds = append(cmds, EndPlacement{who(), "hal", Suspend, "x"})
				} else {
					shorter := Rules{ProtocolRef{"gebouwen", 1}, protocol.Window(5 * 24 * time.Hour)}
					cmds = append(cmds, ChangeRules{registrar, "hal", Rules{Protocol: shorter.Protocol}, "x"}, ChangeRules{who(), "hal", shorter, "x"}, ChangeRules{who(), "hal", shorter, "x"})
				}
			case 12:
				c.now = c.now.Add(time.Duration(rnd.IntN(40)) * time.Hour)
				cmds = append(cmds, Tend{}, Activate{registrar, "hal"})
			}
		}
		for _, cmd := range cmds {
			if _, err := c.try(cmd); err != nil {
				if _, ok := RefusalOf(err); !ok {
					t.Fatalf("%T: %v is no refusal", cmd, err)
				}
			}
		}
	}

	var n came
	for _, e := range c.events {
		switch f := e.Fact.(type) {
		case *FootageReleased:
			n.released++
		case *FootageDownloaded:
			n.fetched++
		case *DeliveryApproved:
			n.delivered++
		case *SubjectAnswered:
			n.answered++
		case *KeepingProlonged:
			n.prolonged++
			if f.Proposer == e.By {
				t.Errorf("seed %d: %s had footage held longer alone", seed, e.By)
			}
		case *OrderIssued:
			d, err := protocol.ParseDocument([]byte(f.Document))
			if err != nil {
				t.Fatal(err)
			}
			if l, ok := d.Document.(*protocol.Lift); ok && l.Approver != "" {
				n.lifted++
				if r := c.s.Request(c.s.Hold(l.Hold).Request); l.Handler == l.Approver || r != nil && (r.asked(l.Handler) || r.asked(l.Approver)) {
					t.Errorf("seed %d: lifted by %s and %s", seed, l.Handler, l.Approver)
				}
			}
		case *PlacementEnded:
			n.suspended++
			if f.Proposer == e.By {
				t.Errorf("seed %d: %s ended a placement alone", seed, e.By)
			}
		}
	}
	mandates := c.s.Placement("hal").Mandates
	for i, m := range mandates[1:] {
		if m.Window < mandates[i].Window {
			n.shortened++
			if len(m.Approvers) != 2 || m.Approvers[0] == m.Approvers[1] {
				t.Errorf("seed %d: window shortened by %v", seed, m.Approvers)
			}
		}
	}
	for _, g := range c.s.grants {
		if g.Use == protocol.UseStanding {
			n.viewed++
		}
		if g.Requester == g.Handler || g.Handler == g.Approver || g.Requester == g.Approver {
			t.Errorf("seed %d: grant by %s, %s, %s", seed, g.Requester, g.Handler, g.Approver)
		}
	}
	for _, h := range c.s.holds { // counted from the first hold on any of that footage
		first := h.NotBefore
		for _, o := range c.s.holds {
			if o.Camera == h.Camera && o.Asked.Overlaps(h.Asked) {
				first = earliest(first, o.NotBefore)
			}
		}
		if len(h.Approvers) > 0 && (len(h.Approvers) != 2 || h.Approvers[0] == h.Approvers[1] || h.End.Sub(first.Time) > 60*24*time.Hour) { // of its mandate
			t.Errorf("seed %d: hold %s by %v ends %s, %s after the first on its footage", seed, h.ID, h.Approvers, h.End, h.End.Sub(first.Time))
		}
		if len(h.Approvers) < 2 && h.End.Sub(first.Time) > protocol.MaxHoldSingle {
			t.Errorf("seed %d: hold %s ends %s, %s after the first on its footage, with %d approvers", seed, h.ID, h.End, h.End.Sub(first.Time), len(h.Approvers))
		}
	}
	return n
}

// With fewer people than the rule demands nothing is released, viewed, delivered, held beyond its bound, lifted early, suspended or kept shorter, in whatever order they try.
func TestI12_FewerPeopleReleaseViewHoldAndSuspendNothing(t *testing.T) {
	every := []Post{{Role: Requester}, {Role: Staff}, {Handler, protocol.AVG}, {Approver, protocol.AVG}}
	helper := []Post{{Role: Requester}, {Role: Staff}, {Handler, protocol.AVG}}
	var enough came
	for seed := range uint64(12) {
		if n := random(t, seed, map[protocol.PersonID][]Post{"p-c": every}); n != (came{}) {
			t.Errorf("seed %d: one person alone: %+v", seed, n)
		}
		if n := random(t, seed, map[protocol.PersonID][]Post{"p-c": every, "p-d": every}); n.released+n.viewed+n.fetched+n.delivered > 0 {
			t.Errorf("seed %d: two people: %+v", seed, n)
		}
		if n := random(t, seed, map[protocol.PersonID][]Post{"p-c": every, "p-d": helper, "p-e": helper}); n.suspended+n.prolonged+n.shortened > 0 {
			t.Errorf("seed %d: one approver: %+v", seed, n)
		}
		n := random(t, seed, map[protocol.PersonID][]Post{"p-c": every, "p-d": every, "p-e": every, "p-f": every})
		enough = came{enough.released + n.released, enough.viewed + n.viewed, enough.fetched + n.fetched, enough.suspended + n.suspended, enough.prolonged + n.prolonged, enough.lifted + n.lifted,
			enough.delivered + n.delivered, enough.answered + n.answered, enough.shortened + n.shortened}
	}
	t.Logf("enough people: %+v", enough)
	if min(enough.released, enough.viewed, enough.fetched, enough.suspended, enough.prolonged, enough.lifted, enough.delivered, enough.answered, enough.shortened) == 0 {
		t.Errorf("enough people did not bring it all about: %+v; this test shows too little", enough)
	}
}
