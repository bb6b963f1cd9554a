package central

import (
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// came is what a random run brought about.
type came struct{ released, viewed, fetched, suspended int }

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
	for range 500 {
		ask := theft()
		ask.Asked = protocol.Span(c.now.Add(-time.Hour), c.now.Add(-50*time.Minute))
		switch rnd.IntN(4) {
		case 0:
			ask.Said = protocol.T(c.now)
		case 1:
			ask = RequestFacts{Kind: Standing, Purpose: Buildings, Cameras: []protocol.CameraID{"hal"}, Reference: "dienst", Necessity: "toezicht", ViewerKey: key, Until: protocol.T(c.now.Add(24 * time.Hour))}
		case 2:
			ask.Asked, ask.MayBeGone = theft().Asked, true // the same footage again and again, to hold it longer
		}
		var cmds []Command
		if n := len(c.s.order); n == 0 || rnd.IntN(10) == 0 {
			cmds = append(cmds, FileRequest{who(), ask})
		} else {
			id := c.s.order[max(0, n-1-rnd.IntN(4))]
			r := c.s.Request(id)
			due := []Approved{}
			for _, h := range c.s.Due(r, c.now) {
				due = append(due, Approved{h.Camera, h.Rounded()})
			}
			var grant protocol.GrantID
			if len(r.Grants) > 0 {
				grant = r.Grants[rnd.IntN(len(r.Grants))].GrantID()
			}
			switch rnd.IntN(15) {
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
				cmds = append(cmds, EndPlacement{who(), "hal", Suspend, "x"})
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
		case *PlacementEnded:
			n.suspended++
			if f.Proposer == e.By {
				t.Errorf("seed %d: %s ended a placement alone", seed, e.By)
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
		if len(h.Approvers) < 2 && h.End.Sub(first.Time) > protocol.MaxHoldSingle {
			t.Errorf("seed %d: hold %s ends %s, %s after the first on its footage, with %d approvers", seed, h.ID, h.End, h.End.Sub(first.Time), len(h.Approvers))
		}
	}
	return n
}

// With fewer people than the rule demands nothing is released, viewed, held beyond its bound or suspended, in whatever order they try.
func TestI12_FewerPeopleReleaseViewHoldAndSuspendNothing(t *testing.T) {
	every := []Post{{Role: Requester}, {Role: Staff}, {Handler, protocol.AVG}, {Approver, protocol.AVG}}
	helper := []Post{{Role: Requester}, {Role: Staff}, {Handler, protocol.AVG}}
	var enough came
	for seed := range uint64(12) {
		if n := random(t, seed, map[protocol.PersonID][]Post{"p-c": every}); n != (came{}) {
			t.Errorf("seed %d: one person alone: %+v", seed, n)
		}
		if n := random(t, seed, map[protocol.PersonID][]Post{"p-c": every, "p-d": every}); n.released+n.viewed+n.fetched > 0 {
			t.Errorf("seed %d: two people: %+v", seed, n)
		}
		if n := random(t, seed, map[protocol.PersonID][]Post{"p-c": every, "p-d": helper, "p-e": helper}); n.suspended > 0 {
			t.Errorf("seed %d: one approver: %+v", seed, n)
		}
		n := random(t, seed, map[protocol.PersonID][]Post{"p-c": every, "p-d": every, "p-e": every})
		enough.released, enough.viewed, enough.fetched, enough.suspended = enough.released+n.released, enough.viewed+n.viewed, enough.fetched+n.fetched, enough.suspended+n.suspended
	}
	t.Logf("three people: %+v", enough)
	if enough.released == 0 || enough.viewed == 0 || enough.fetched == 0 || enough.suspended == 0 {
		t.Errorf("three people did not bring it all about: %+v; this test shows too little", enough)
	}
}
