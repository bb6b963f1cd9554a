package central

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func spoken() RequestFacts {
	f := theft()
	f.Said = protocol.T(start.Add(-10 * time.Minute))
	return f
}

var paper = WrittenLater{protocol.HashOf([]byte("vordering.pdf")), "zaaksysteem Z-2026-88"}

func (c *centre) tasks(p protocol.PersonID, what string) (list []string) {
	for _, t := range c.s.Inbox(p, c.now) {
		if t.What == what {
			list = append(list, t.Words.NL)
		}
	}
	return list
}

// Art. 126nda(3) Sv: spoken when urgent, in writing within three days.
func TestOralDemandIsConfirmedInWriting(t *testing.T) {
	c := newCentre(t)
	for what, change := range map[string]struct {
		f    func(*RequestFacts)
		code string
	}{
		"spoken tomorrow":         {func(f *RequestFacts) { f.Said = day(1) }, CodeInvalid},
		"spoken too long ago":     {func(f *RequestFacts) { f.Said = day(-3) }, CodeTerm},
		"by staff, not demanded":  {func(f *RequestFacts) { f.Kind, f.Unit = OwnInitiative, "basisteam" }, CodeInvalid},
		"more than four weeks on": {func(f *RequestFacts) { f.Article, f.Demanded, f.MayBeGone = "126ne", day(-30), true }, CodeTerm},
	} {
		t.Log(what)
		f, by := spoken(), requester
		change.f(&f)
		if f.Kind == OwnInitiative {
			by = staff
		}
		c.refused(FileRequest{by, f}, change.code)
	}
	c.do(FileRequest{requester, spoken()})
	c.confirm("z-1")
	c.refused(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true}, CodeInvalid) // call back first
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true, Remark: "teruggebeld: meldkamer, 0900"})
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "dringend", Approved: c.approved("z-1")})
	r := c.s.Request("z-1")
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	c.do(RecordDownload{requester, "z-1", r.Grants[0].GrantID()}) // before the writing
	if got := c.tasks(colleague, "write"); len(got) != 1 || len(c.tasks(handler, "write")) != 0 {
		t.Errorf("the unit's tasks: %v", got)
	}
	c.now = start.Add(OralReminder)
	if got := c.tasks(handler, "write"); len(got) != 1 || !strings.Contains(got[0], "herinnering") {
		t.Errorf("no reminder after 48 hours: %v", got)
	}
	for _, p := range []protocol.PersonID{admin, officer, approver, registrar, staff, policeH} {
		c.refused(ConfirmOral{p, "z-1", paper}, CodeForbidden)
	}
	c.refused(ConfirmOral{colleague, "z-1", WrittenLater{Kept: "kast"}}, CodeInvalid)
	c.refused(ConfirmOral{colleague, "z-1", WrittenLater{Document: paper.Document}}, CodeInvalid)
	c.do(ConfirmOral{colleague, "z-1", paper})
	c.refused(ConfirmOral{requester, "z-1", paper}, CodeState)
	c.now = day(4).Time
	c.do(Tend{})
	if got := c.s.Incidents(c.now); len(got) != 0 {
		t.Errorf("incidents %+v", got)
	}
	if n := c.s.OralDemands(day(-1).Time, day(1).Time, c.now); n != (OralCount{Spoken: 1, InTime: 1}) {
		t.Errorf("%+v", n)
	}
}

func TestOralDemandNeverConfirmedIsAnIncidentAndGivesNothing(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, spoken()})
	c.do(FileRequest{requester, spoken()})
	for _, id := range []protocol.RequestID{"z-1", "z-2"} {
		c.confirm(id)
		c.do(CheckRequest{By: handler, Request: id, Complete: true, Necessary: true, Remark: "teruggebeld"})
	}
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "dringend", Approved: c.approved("z-1")})
	g := c.s.Request("z-1").Grants[0]
	c.do(RecordRelease{c.source(), released(g)})
	due := c.s.Request("z-1").OralDue()
	c.now = due.Add(-time.Millisecond)
	if got := c.do(Tend{}); got != nil {
		t.Errorf("too early: %s", names(got))
	}
	c.now = due.Time
	if got := names(c.do(Tend{})); got != "oral.overdue incident.opened oral.overdue incident.opened" {
		t.Error(got)
	}
	if got := c.do(Tend{}); got != nil {
		t.Errorf("twice: %s", names(got))
	}
	c.refused(RecordDownload{requester, "z-1", g.GrantID()}, CodeTerm)
	c.refused(DecideRequest{By: approver, Request: "z-2", Outcome: Grants, Reason: Complies, Motivation: "dringend", Approved: c.approved("z-2")}, CodeTerm)
	if got := c.tasks(requester, "write"); len(got) != 2 || !strings.Contains(got[0], "te laat") {
		t.Errorf("tasks %v", got)
	}
	if len(c.tasks(officer, "look")) != 2 {
		t.Error("the officer does not see it")
	}
	if n := c.s.OralDemands(day(-1).Time, day(1).Time, c.now); n != (OralCount{Spoken: 2, Never: 2}) {
		t.Errorf("%+v", n)
	}
	c.do(ConfirmOral{handler, "z-1", paper}) // late: counted so, and the incident stays
	c.do(RecordDownload{requester, "z-1", g.GrantID()})
	if n := c.s.OralDemands(day(-1).Time, day(1).Time, c.now); n != (OralCount{Spoken: 2, Never: 1, Late: 1}) || len(c.s.Incidents(c.now)) != 2 {
		t.Errorf("%+v, %d incidents", n, len(c.s.Incidents(c.now)))
	}
}

// The golden history of an oral demand never confirmed: its events in order, as the ledger keeps them.
func TestHistoryOfAnOralDemandNeverConfirmed(t *testing.T) {
	c := newCentre(t)
	c.events = nil
	c.do(FileRequest{requester, spoken()})
	c.confirm("z-1")
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true, Remark: "teruggebeld: meldkamer"})
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "dringend", Approved: c.approved("z-1")})
	c.do(RecordRelease{c.source(), released(c.s.Request("z-1").Grants[0])})
	c.do(RecordDownload{requester, "z-1", c.s.Request("z-1").Grants[0].GrantID()})
	c.do(ConfirmHandOver{requester, "z-1", ""})
	for range 5 {
		c.now = c.now.Add(24 * time.Hour)
		c.do(Tend{})
	}
	var b bytes.Buffer
	for _, e := range c.events {
		fmt.Fprintf(&b, "%s %s by %s\n", e.Time, e.Name(), e.By)
	}
	for _, m := range c.s.Request("z-1").History {
		fmt.Fprintf(&b, "history: %s %s | %s\n", m.At, EventWords(m.Name).NL, EventWords(m.Name).EN)
	}
	for _, i := range c.s.Incidents(c.now) {
		fmt.Fprintf(&b, "incident: %s %s (%s): %s\n", i.Opened, i.Words().NL, i.Request, i.Detail)
	}
	fmt.Fprintf(&b, "counted: %+v\n", c.s.OralDemands(day(-1).Time, day(10).Time, c.now))
	const golden = "testdata/oral.txt"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("the history is not that of %s:\n%s", golden, b.Bytes())
	}
}

// A demand in writing: its hash and where it is kept, once, by the unit or by the handler who was given it.
func TestPaperOfADemandInWriting(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()})
	for _, by := range []protocol.PersonID{admin, officer, approver, registrar, staff, policeH} {
		c.refused(FilePaper{by, "z-1", paper}, CodeForbidden)
	}
	c.refused(FilePaper{handler, "z-1", WrittenLater{Kept: "kast"}}, CodeInvalid)
	c.refused(FilePaper{handler, "z-1", WrittenLater{Document: paper.Document}}, CodeInvalid)
	c.do(FilePaper{handler, "z-1", paper})
	c.refused(FilePaper{requester, "z-1", paper}, CodeState)
	if r := c.s.Request("z-1"); r.Paper.Kept != paper.Kept {
		t.Errorf("%+v", r.Paper)
	}
	f := theft()
	f.Paper = &WrittenLater{Kept: "kast"}
	c.refused(FileRequest{requester, f}, CodeInvalid)
	c.do(FileRequest{requester, spoken()})
	c.refused(FilePaper{handler, "z-2", paper}, CodeState) // an oral one is confirmed, within its term
}
