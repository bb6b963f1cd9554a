package central

import (
	"slices"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func TestPolice1_AColleagueTakesARequestOver(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()})
	c.do(appoint("p-elders", "recherche", Post{Role: Requester}))
	for _, p := range []protocol.PersonID{"p-elders", handler, approver, officer, admin, staff} {
		c.refused(TakeOver{p, "z-1"}, CodeForbidden)
	}
	c.refused(TakeOver{requester, "z-1"}, CodeState)
	c.do(TakeOver{colleague, "z-1"})
	r := c.s.Request("z-1")
	if r.Requester != colleague || !slices.Equal(r.Before, []protocol.PersonID{requester}) || r.History[len(r.History)-1].Name != "request.taken" {
		t.Errorf("%+v", r)
	}
	c.do(appoint(requester, "")) // has left: the request goes on
	c.confirm("z-1")
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")})
	if g := lastOrder[*protocol.Grant](c); g.Requester != colleague {
		t.Errorf("grant for %s", g.Requester)
	}
}

// Whoever asked is a requester of it for good; whoever checked cannot become one.
func TestI12_TakingOverMakesNoFourthHat(t *testing.T) {
	c := newCentre(t)
	all := []Post{{Role: Requester}, {Handler, protocol.AVG}, {Approver, protocol.AVG}}
	for _, p := range []protocol.PersonID{"p-c", "p-d", "p-e"} {
		c.do(appoint(p, "basisteam", all...))
	}
	c.do(FileRequest{"p-c", theft()})
	c.confirm("z-1")
	c.do(TakeOver{"p-d", "z-1"})
	c.refused(CheckRequest{By: "p-c", Request: "z-1", Complete: true, Necessary: true}, CodeSamePerson)
	c.do(CheckRequest{By: "p-e", Request: "z-1", Complete: true, Necessary: true})
	c.refused(TakeOver{"p-e", "z-1"}, CodeSamePerson)
	c.refused(DecideRequest{By: "p-c", Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeSamePerson)
	c.refused(DecideRequest{By: "p-d", Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeSamePerson)
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")})
	c.refused(TakeOver{approver, "z-1"}, CodeForbidden)
	// After the approval it can be taken over as well: the grant goes on naming who asked for it, who is still there.
	c.do(TakeOver{"p-c", "z-1"})
	if g := c.s.Request("z-1").Grants[0]; g.Voided != nil {
		t.Errorf("%+v", g.Voided)
	}
}
