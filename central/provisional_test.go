package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Staff keep footage for 72 hours before anyone asks; they get nothing of it, and asking again makes it no longer.
func TestFacility4_ProvisionalHoldOf72HoursAndNoDownload(t *testing.T) {
	c := newCentre(t)
	f := theft()
	f.Kind, f.Article, f.Authority, f.Unit = Provisional, "", "", "basisteam"
	for _, p := range []protocol.PersonID{requester, handler, approver, officer, admin} {
		c.refused(FileRequest{p, f}, CodeForbidden)
	}
	none := f
	none.Necessity = ""
	c.refused(FileRequest{staff, none}, CodeInvalid)
	c.do(FileRequest{staff, f})
	h := lastOrder[*protocol.Hold](c)
	if h.Ground != protocol.GroundProvisional || h.End.Sub(h.NotBefore.Time) != protocol.ProvisionalHold {
		t.Errorf("hold %+v", h)
	}
	c.confirm("z-1")
	c.refused(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true}, CodeState)
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeState)
	c.refused(AmendRequest{staff, "z-1", f}, CodeState)
	c.refused(RecordDownload{staff, "z-1", "g-1"}, CodeUnknown)
	c.now = c.now.Add(24 * time.Hour)
	c.do(FileRequest{staff, f})
	if again := lastOrder[*protocol.Hold](c); !again.End.Equal(h.End.Time) {
		t.Errorf("the second ends %s, the first %s", again.End, h.End)
	}
	f.Kind = OwnInitiative // reporting the offence keeps it on
	c.do(FileRequest{staff, f})
	if on := lastOrder[*protocol.Hold](c); on.Ground != protocol.GroundRequest || !on.End.After(h.End.Time) {
		t.Errorf("hold %+v", on)
	}
	c.now = h.End.Time
	f.Kind = Provisional
	c.refused(FileRequest{staff, f}, CodeTerm)
}
