package central

import (
	"strings"
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

// Anybody tells the officer what they doubt, without an account; nobody else reads it; it lies under the key of its own dossier, and no flood fills the ledger.
func TestR25_WhatAnybodyTellsComesToTheOfficerAlone(t *testing.T) {
	c := newCentre(t)
	c.refused(Tell{Kind: Objection, Text: "x"}, CodeInvalid)
	c.refused(Tell{Kind: Weakness, Text: " "}, CodeInvalid)
	c.refused(Tell{Kind: Weakness, Text: strings.Repeat("é", LongestTold+1)}, CodeInvalid)
	c.refused(Tell{Kind: Weakness, Text: "x", Contact: strings.Repeat("é", LongestContact+1)}, CodeInvalid)
	c.do(Tell{Weakness, "de kast met de recorder staat open " + strings.Repeat("é", LongestTold-50), "06 12345678"})
	e := c.events[len(c.events)-1]
	if e.By != System || e.Dossier != MatterDossier(1) {
		t.Errorf("it is by %q, in dossier %q", e.By, e.Dossier)
	}
	list := c.s.Matters(officer, c.now)
	if len(list) != 1 || list[0].Reference != "web-1" || list[0].Contact != "06 12345678" || !list[0].Received.Equal(c.now) {
		t.Fatalf("the officer reads %+v", list)
	}
	tasks := c.s.Inbox(officer, c.now)
	if len(tasks) != 1 || !tasks[0].Urgent {
		t.Errorf("a doubt about security waits for the morning: %+v", tasks)
	}
	for _, by := range []protocol.PersonID{admin, registrar, handler, approver, requester, staff} {
		if len(c.s.Matters(by, c.now)) > 0 || len(c.s.Inbox(by, c.now)) > len(c.s.Inbox(by, c.now.Add(-time.Second))) {
			t.Errorf("%s reads what somebody told", by)
		}
	}
	c.do(FollowMatter{officer, 1, "kast gesloten", true})

	for range toldAnHour - 1 {
		c.do(Tell{Kind: Unlisted, Text: "boven de deur van nummer 3"})
	}
	c.refused(Tell{Kind: Complaint, Text: "x"}, CodeTooOften)
	c.do(OpenMatter{officer, MatterFacts{Kind: Complaint, Reference: "K-1", Received: day(-1), Text: "op papier"}})
	c.now = c.now.Add(time.Hour)
	c.do(Tell{Kind: Complaint, Text: "x"})
}
