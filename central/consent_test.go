package central

import (
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func consented() RequestFacts {
	f := theft()
	f.Kind, f.Article, f.Authority = ByConsent, "", ""
	f.Consent = &Consent{Statements: []string{"zaak 1, bijlage 2", "zaak 1, bijlage 3"}, Everyone: true}
	return f
}

// R20: only with everyone's consent, beforehand, and until it is taken back.
func TestR20_ConsentOfEveryoneAndItsWithdrawal(t *testing.T) {
	c := newCentre(t)
	f := consented()
	f.Consent = nil
	c.refused(FileRequest{requester, f}, CodeInvalid)
	f.Consent = &Consent{Everyone: true}
	c.refused(FileRequest{requester, f}, CodeInvalid)
	f.Consent = &Consent{Statements: []string{"zaak 1"}}
	c.refused(FileRequest{requester, f}, CodeInvalid) // not of everyone
	f = consented()
	f.Cameras = []protocol.CameraID{"plein"}
	c.refused(FileRequest{requester, f}, CodeRegime) // police data are not given on consent

	r := c.granted(requester, handler, approver, consented())
	ready := c.granted(requester, handler, approver, consented())
	c.do(RecordRelease{c.source(), released(ready.Grants[0])})
	for _, p := range []protocol.PersonID{approver, officer, admin, registrar, staff, policeH} {
		c.refused(WithdrawConsent{p, r.ID, "brief"}, CodeForbidden)
	}
	c.refused(WithdrawConsent{handler, r.ID, ""}, CodeInvalid)
	c.do(WithdrawConsent{handler, r.ID, "telefonisch"})
	c.do(WithdrawConsent{colleague, ready.ID, "aan de balie"})
	if o := c.outgoing(r.Grants[0]); o.NotAfter.After(c.now) || r.Grants[0].Voided.Why != VoidConsent {
		t.Errorf("order %+v", o)
	}
	c.refused(RecordDownload{requester, ready.ID, ready.Grants[0].GrantID()}, CodeState)
	for _, q := range []*Request{r, ready} {
		c.refused(DecideRequest{By: approver2, Request: q.ID, Outcome: Grants, Reason: Complies, Motivation: "toch", Approved: c.approved(q.ID)}, CodeState)
		c.do(DecideRequest{By: approver2, Request: q.ID, Outcome: Refuses, Reason: NoConsent, Motivation: "ingetrokken"})
		if l := lastOrder[*protocol.Lift](c); l.Hold != q.Holds[0].HoldID() || q.Status != Refused {
			t.Errorf("the hold is not lifted: %+v", l)
		}
	}
	c.refused(WithdrawConsent{handler, "z-1", "nog eens"}, CodeState)

	over := c.granted(requester, handler, approver, consented())
	c.do(RecordRelease{c.source(), released(over.Grants[0])})
	c.do(RecordDownload{requester, over.ID, over.Grants[0].GrantID()})
	c.do(ConfirmHandOver{requester, over.ID, ""})
	c.refused(WithdrawConsent{handler, over.ID, "brief"}, CodeState) // has been handed over

	c.do(FileRequest{requester, theft()})
	c.refused(WithdrawConsent{handler, c.s.order[len(c.s.order)-1], "brief"}, CodeState)
}
