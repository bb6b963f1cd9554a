package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Complaints are the officer's alone; objections and letters have their terms.
func TestR27_ComplaintsObjectionsAndLetters(t *testing.T) {
	c := newCentre(t)
	week := func(n int) protocol.Time { return day(7 * n) }
	complaint := MatterFacts{Kind: Complaint, Reference: "K-1", Received: day(-1), Text: "voelt zich gefilmd in huis"}
	for _, by := range []protocol.PersonID{admin, registrar, handler, approver, requester, staff} {
		c.refused(OpenMatter{by, complaint}, CodeForbidden)
		if c.s.Matters(by, c.now) != nil {
			t.Errorf("%s reads complaints", by)
		}
	}
	c.refused(OpenMatter{officer, MatterFacts{Kind: Objection, Reference: "B-1", Received: day(-1), Text: "x"}}, CodeInvalid)
	c.refused(OpenMatter{officer, MatterFacts{Kind: "gossip", Reference: "B-1", Received: day(-1), Text: "x"}}, CodeInvalid)
	c.do(OpenMatter{officer, complaint})
	c.do(OpenMatter{officer, MatterFacts{Kind: Objection, Reference: "B-1", Received: day(-1), Decided: week(-5), Text: "tegen weigering"}})
	c.do(OpenMatter{officer, MatterFacts{Kind: Objection, Reference: "B-2", Received: day(-1), Decided: week(-7), Text: "te laat"}})
	c.do(OpenMatter{officer, MatterFacts{Kind: FromAuthority, Reference: "AP-9", Received: day(-1), Due: day(20), Text: "vraagt uitleg"}})
	c.do(OpenMatter{officer, MatterFacts{Kind: ToAuthority, Reference: "AP-10", Received: day(-1), Text: "ter kennisname"}})
	list := c.s.Matters(officer, c.now)
	for i, want := range []protocol.Time{{}, day(20), week(5), week(7), day(41)} {
		if got := list[i].Deadline(); !got.Equal(want.Time) {
			t.Errorf("%s %s: due %s, want %s", list[i].Kind, list[i].Reference, got.Format(time.DateOnly), want.Format(time.DateOnly))
		}
	}
	if !list[2].Late() || list[3].Late() {
		t.Error("which objection came too late")
	}
	if n := len(c.s.Inbox(officer, c.now)); n != 5 || len(c.s.Inbox(admin, c.now)) != 0 {
		t.Errorf("%d wait for the officer", n)
	}
	c.do(FollowMatter{officer, 1, "gebeld", false})
	c.do(FollowMatter{officer, 1, "masker geplaatst, klager tevreden", true})
	c.refused(FollowMatter{officer, 1, "nog iets", false}, CodeState)
	if n := len(c.s.Inbox(officer, c.now)); n != 4 {
		t.Errorf("%d wait for the officer", n)
	}
}
