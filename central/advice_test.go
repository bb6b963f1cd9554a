package central

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// R9: advice weighs and does not bind (N:392); who goes on against it says why, under their own name (N:396).
func TestR09_AdviceAgainstNeedsAReasonAndAName(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()})
	c.confirm("z-1")
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	request := About{AboutRequest, "z-1"}
	for _, p := range []protocol.PersonID{requester, colleague, staff, registrar, admin, policeA} {
		c.refused(AskAdvice{p, request, "mag dit?"}, CodeForbidden)
	}
	c.refused(AskAdvice{handler, request, " "}, CodeInvalid)
	c.do(AskAdvice{handler, request, "is een uur niet te ruim?"})
	if got := topics(c, officer, TopicAdvice); len(got) != 1 || got[0] != "request z-1" {
		t.Errorf("the officer is not told: %v", got)
	}
	for _, p := range []protocol.PersonID{admin, registrar, handler, approver, requester, staff} {
		c.refused(GiveAdvice{p, request, Favourable, "prima"}, CodeForbidden)
	}
	c.refused(GiveAdvice{officer, request, "", "nee"}, CodeInvalid)
	c.refused(GiveAdvice{officer, request, Against, ""}, CodeInvalid)
	c.refused(GiveAdvice{officer, About{AboutRequest, "z-9"}, Against, "nee"}, CodeUnknown)
	c.do(GiveAdvice{officer, request, Against, "tien minuten volstaan"})
	if got := topics(c, officer, TopicAdvice); len(got) != 0 {
		t.Errorf("what was advised still waits: %v", got)
	}

	grant := DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "voldoet", Approved: c.approved("z-1")}
	_, err := c.try(grant)
	if r, ok := RefusalOf(err); !ok || r.Code != CodeAdvice || !strings.Contains(r.NL, "tien minuten volstaan") || !strings.Contains(r.EN, "write down why") {
		t.Fatalf("granted against the advice without a word: %v", err)
	}
	c.refused(Despite{grant, " "}, CodeAdvice)
	c.refused(Despite{DecideRequest{By: officer, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, "x"}, CodeForbidden) // R8: still approves nothing
	if got := names(c.do(Despite{grant, "de dader kwam eerder dan gemeld"})); got != "advice.deviated request.decided order.issued" {
		t.Errorf("events: %s", got)
	}
	if a := c.s.Advice(request).Given[0].Against; a == nil || a.By != approver || a.Reason != "de dader kwam eerder dan gemeld" || !a.At.Equal(c.now) {
		t.Errorf("%+v", a)
	}
	if n := c.s.AdviceIn(start, start.Add(time.Hour)); n != (AdviceCount{1, 1, 1}) {
		t.Errorf("%+v", n)
	}
	for _, report := range [][]Line{c.s.Account(2026), c.s.OfficersReport(2026)} {
		if got := lineOf(report, "keer een negatief advies niet gevolgd"); got != 1 {
			t.Errorf("the report counts %d", got)
		}
	}
	for p, may := range map[protocol.PersonID]bool{officer: true, handler: true, approver: true, requester: false, registrar: false, policeH: false, admin: false} {
		if got := c.s.MayReadAdvice(p, request, c.now); got != may {
			t.Errorf("%s reads the advice: %v", p, got)
		}
	}
}

// Favourable and conditional advice stop nobody, and saying why where nothing was advised against records nothing.
func TestR09_OnlyAdviceAgainstAsksForAReason(t *testing.T) {
	for _, opinion := range []Opinion{Favourable, Conditional} {
		c := newCentre(t)
		c.do(FileRequest{requester, theft()})
		c.confirm("z-1")
		c.do(GiveAdvice{officer, About{AboutRequest, "z-1"}, Against, "eerst dit"})
		c.do(GiveAdvice{officer, About{AboutRequest, "z-1"}, opinion, "nu wel"}) // the last one counts
		c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
		if got := names(c.do(Despite{DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, "voor de zekerheid"})); strings.Contains(got, "advice") {
			t.Errorf("%s: %s", opinion, got)
		}
	}
}

// Advice on a camera counts when it is activated and when its besluit is renewed; on a protocol, draft or not, when it is adopted.
func TestR09_AdviceOnPlacementsAndProtocols(t *testing.T) {
	c := newCentre(t)
	c.do(GiveAdvice{officer, About{AboutPlacement, "hal"}, Against, "de ingang is al bewaakt"})
	longer := c.s.Placement("hal").Besluit
	longer.ValidUntil = day(500)
	c.refused(Renew{registrar, "hal", longer}, CodeAdvice)
	c.do(Despite{Renew{registrar, "hal", longer}, "college besloot op 3 november anders"})
	longer.ValidUntil = day(600)
	c.do(Renew{registrar, "hal", longer}) // said once is enough, until there is new advice

	next := buildings()
	next.Version, next.Window = 2, protocol.Window(14*24*time.Hour)
	c.refused(GiveAdvice{officer, About{AboutProtocol, "gebouwen v2"}, Against, "te lang"}, CodeUnknown)
	c.do(DraftProtocol{registrar, next})
	c.do(GiveAdvice{officer, About{AboutProtocol, "gebouwen v2"}, Against, "te lang"})
	c.refused(AdoptProtocol{registrar, next}, CodeAdvice)
	if got := names(c.do(Despite{AdoptProtocol{registrar, next}, "raad vroeg erom"})); got != "advice.deviated protocol.adopted" {
		t.Error(got)
	}
	if got := c.s.Deviations(); len(got) != 2 || got[0].Against.By != registrar {
		t.Errorf("%d deviations", len(got))
	}
}

// R8, R9: of the police's requests the municipality's officer reads nothing, and so advises nothing.
func TestR09_NoAdviceOnPoliceRequests(t *testing.T) {
	c := newCentre(t)
	f := theft()
	f.Kind, f.Article, f.Cameras = WpgRelease, "", []protocol.CameraID{"plein"}
	c.do(FileRequest{requester, f})
	c.refused(GiveAdvice{officer, About{AboutRequest, "z-1"}, Against, "x"}, CodeUnknown)
	c.refused(AskAdvice{policeH, About{AboutRequest, "z-1"}, "x"}, CodeUnknown)
}

// R9 (N:398): the officer reports straight to the college, on a channel that no administrator reads, and hears that it was read.
func TestR09_TheOfficerReportsToTheCollege(t *testing.T) {
	c := newCentre(t)
	const mayor protocol.PersonID = "p-mayor"
	c.do(appoint(mayor, "", Post{Role: CollegeMember}))
	for _, other := range []Role{Officer, Auditor, Administrator} {
		a := appoint("p-x", "", Post{Role: CollegeMember}, Post{Role: other})
		a.Until = day(30)
		c.refused(a, CodeCombination)
	}
	for _, p := range []protocol.PersonID{admin, registrar, handler, mayor} {
		c.refused(ReportToCollege{p, "x", "y"}, CodeForbidden)
	}
	c.refused(ReportToCollege{officer, "", "y"}, CodeInvalid)
	c.do(ReportToCollege{officer, "te lange bewaring", "het museum bewaart 28 dagen zonder reden"})
	if got := topics(c, mayor, TopicCollege); len(got) != 1 {
		t.Errorf("the college is not told: %v", got)
	}
	for p, want := range map[protocol.PersonID]int{officer: 1, mayor: 1, admin: 0, registrar: 0, approver: 0, handler: 0, staff: 0} {
		if got := len(c.s.CollegeReports(p, c.now)); got != want {
			t.Errorf("%s reads %d reports", p, got)
		}
	}
	c.now = c.now.Add(CollegeTerm)
	if got := topics(c, officer, TopicCollege); len(got) != 1 {
		t.Errorf("the officer does not learn that it stays unread: %v", got)
	}
	for _, p := range []protocol.PersonID{admin, officer, registrar} {
		c.refused(AnswerOfficer{p, 1, "gelezen"}, CodeForbidden)
	}
	c.refused(AnswerOfficer{mayor, 2, "gelezen"}, CodeUnknown)
	c.do(AnswerOfficer{mayor, 1, "wij bekorten tot 7 dagen"})
	c.refused(AnswerOfficer{mayor, 1, "nogmaals"}, CodeState)
	if len(topics(c, mayor, TopicCollege))+len(topics(c, officer, TopicCollege)) != 0 {
		t.Error("what was answered still waits")
	}
}

// topics are the keys of a person's tasks of a topic.
func topics(c *centre, p protocol.PersonID, topic Topic) (list []string) {
	for _, t := range c.s.Inbox(p, c.now) {
		if t.Topic == topic {
			list = append(list, t.Key)
		}
	}
	return list
}

func lineOf(lines []Line, what string) int {
	for _, l := range lines {
		if l.What.NL == what {
			return l.Count
		}
	}
	return -1
}

// The golden history of advice that was not followed: asked, given against, refused without a reason, gone on with one; and what the reports say of it.
func TestR09_AdviceNotFollowedHistory(t *testing.T) {
	c := newCentre(t)
	c.events = nil
	at := func(d time.Duration) { c.now = start.Add(d) }
	about := About{AboutRequest, "z-1"}
	c.do(FileRequest{requester, theft()})
	c.confirm("z-1")
	at(time.Hour)
	c.do(AskAdvice{handler, about, "is tien minuten om de inbraak heen te ruim?"})
	at(2 * time.Hour)
	c.do(GiveAdvice{officer, about, Against, "vijf minuten volstaan; de hal is dan vol bezoekers"})
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true, Remark: "zie het advies"})
	at(3 * time.Hour)
	grant := DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "de verdachte is op geen ander beeld te zien", Approved: c.approved("z-1")}
	c.refused(grant, CodeAdvice)
	c.do(Despite{grant, "het tijdstip van de inbraak staat niet vast"})
	r := c.s.Request("z-1")
	at(4 * time.Hour)
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	c.do(RecordDownload{requester, "z-1", r.Grants[0].GrantID()})
	c.do(ConfirmHandOver{requester, "z-1", ""})

	var b bytes.Buffer
	for _, e := range c.events {
		body, err := e.Body()
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %s by %s", e.Time, e.Name(), e.By)
		if strings.HasPrefix(e.Name(), "advice.") {
			line += " " + string(body.Fact)
		}
		fmt.Fprintln(&b, line)
	}
	for _, g := range c.s.Advice(about).Given {
		fmt.Fprintf(&b, "advice: %s by %s: %s: %s\n", g.At, g.By, g.Opinion.Words().NL, g.Text)
		fmt.Fprintf(&b, "not followed: %s by %s: %s\n", g.Against.At, g.Against.By, g.Against.Reason)
	}
	for _, report := range []struct {
		who   string
		lines []Line
	}{{"council", c.s.Account(2026)}, {"officer", c.s.OfficersReport(2026)}} {
		for _, l := range report.lines {
			if strings.Contains(l.What.NL, "advie") || strings.Contains(l.What.NL, "negatief") {
				fmt.Fprintf(&b, "report to the %s: %s: %d\n", report.who, l.What.NL, l.Count)
			}
		}
	}
	golden(t, "testdata/advice.txt", b.Bytes())
}
