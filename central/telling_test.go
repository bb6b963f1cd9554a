package central

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// mailed lets a person be told what they are due, as the mailer does, and gives the tasks as "what stage", the urgent mail marked with !.
func (c *centre) mailed(person protocol.PersonID, morning time.Time) string {
	c.t.Helper()
	m, ok := c.s.DueMail(person, morning, c.now)
	if !ok {
		return ""
	}
	c.do(RecordMail{m})
	var list []string
	for _, t := range m.Tasks {
		stage, _, _ := strings.Cut(t.Stage, " 2")
		list = append(list, strings.TrimSpace(t.What+string(t.Topic)+" "+stage))
	}
	text := strings.Join(list, ", ")
	if !m.Digest {
		text = "! " + text
	}
	return text
}

func (c *centre) told(when string, person protocol.PersonID, morning time.Time, want string) {
	c.t.Helper()
	if got := c.mailed(person, morning); got != want {
		c.t.Errorf("%s: %s is told %q, want %q", when, person, got, want)
	}
	if got := c.mailed(person, morning); got != "" {
		c.t.Errorf("%s: %s is told %q once more", when, person, got)
	}
}

// TestSilentRecordersComeWithTheOverview, until their last day: a cut line silences hundreds.
func TestSilentRecordersComeWithTheOverview(t *testing.T) {
	c := newCentre(t)
	yesterday, morning := start.Add(-20*time.Hour), start.Add(4*time.Hour)
	for i, kind := range []string{"log-silent", "log-unfit"} {
		c.do(RecordIncident{Source: Source{Recorder: "rec-1", Seq: uint64(9000 + i)}, Ours: true, Incident: protocol.Incident{What: kind, Detail: "plein"}})
	}
	c.told("it can wait until morning", officer, yesterday, "")
	c.do(RecordIncident{Source: Source{Recorder: "rec-1", Seq: 9002}, Ours: true, Incident: protocol.Incident{What: "log-fork", Detail: "plein"}})
	c.told("what is proven cannot wait", officer, yesterday, "! look")
	c.now = morning.Add(time.Minute)
	c.told("in the morning", officer, morning, "look, look")
	c.told("and the administrator", admin, yesterday, "! look")
	c.now = start.Add(BreachTerm - 23*time.Hour)
	c.told("the last day", officer, morning, "! look last day, look last day, look last day")
}

// TestPeopleAreToldOnce: urgent things at once, the rest with the morning's overview, and nothing twice at the same stage.
func TestPeopleAreToldOnce(t *testing.T) {
	c := newCentre(t)
	yesterday, morning := start.Add(-20*time.Hour), start.Add(4*time.Hour)
	r := c.file(theft())
	c.told("filed", handler, yesterday, "")
	c.now = c.now.Add(time.Minute)
	c.confirm(r)
	c.told("it can wait until morning", handler, yesterday, "")
	c.now = morning.Add(time.Minute)
	c.told("in the morning", handler, morning, "check")
	c.now = c.now.Add(time.Minute)
	c.do(CheckRequest{By: handler, Request: r, Complete: true, Necessary: true})
	c.told("an approver is asked", approver, morning, "! decide")
	c.told("another approver as well", approver2, morning, "! decide")
	c.told("who checked it does not decide", handler, morning, "")
	c.now = c.now.Add(time.Minute)
	c.do(DecideRequest{By: approver, Request: r, Outcome: Refuses, Reason: Incomplete, Motivation: "artikel ontbreekt"})
	c.told("decided: not urgent", requester, morning, "")
	c.now = morning.Add(24*time.Hour + time.Minute)
	c.told("what was decided", requester, morning.Add(24*time.Hour), "decided")
	c.told("and to the unit", colleague, morning.Add(24*time.Hour), "decided")
	c.told("nobody else", policeH, morning.Add(24*time.Hour), "")
	if news := c.s.News(requester, c.now); len(news) != 1 || news[0].Request.ID != r {
		t.Errorf("the start page says %v", news)
	}
	c.now = c.now.Add(NewsTerm)
	if news := c.s.News(requester, c.now); len(news) != 0 {
		t.Errorf("news of two weeks ago: %v", news)
	}
}

func (c *centre) file(f RequestFacts) protocol.RequestID {
	c.t.Helper()
	before := len(c.s.order)
	c.do(FileRequest{requester, f})
	return c.s.order[before]
}

// TestUrgentThingsAreMailedAtOnce: an oral demand at 48 hours and at three days, a hold that is not confirmed, the 72 hours of an incident.
func TestUrgentThingsAreMailedAtOnce(t *testing.T) {
	c := newCentre(t)
	never := start.Add(-time.Hour * 24 * 30) // no overview goes out
	f := theft()
	f.Said = protocol.T(start)
	r := c.file(f)
	c.now = start.Add(6 * time.Minute)
	c.told("no recorder confirms", officer, never, "! look")
	c.told("nor to the administrator", admin, never, "! look")
	c.confirm(r)
	c.told("an oral demand is checked at once", handler, never, "! check")
	c.told("nothing yet", requester, never, "")
	c.now = start.Add(OralReminder)
	c.told("48 hours", requester, never, "! write reminder")
	c.told("48 hours", handler, never, "! write reminder")
	c.now = start.Add(3*24*time.Hour + time.Minute)
	c.do(Tend{})
	c.told("three days", requester, never, "! write over")
	c.told("three days: the incident", officer, never, "! look")
	c.now = c.now.Add(48*time.Hour + time.Minute)
	c.told("the last day of the 72 hours", officer, never, "! look last day")
	c.now = c.now.Add(24 * time.Hour)
	c.told("72 hours over", officer, never, "! look over")
	c.do(TellOfIncident{officer, 1, TellAuthority, Notice{At: protocol.T(c.now), Reference: "AP-1", Reason: "vakantie"}})
	c.told("told the authority: known already", officer, c.now, "")
}

// TestUrgentMailDoesNotFlood: many urgent things soon after each other go in two mails.
func TestUrgentMailDoesNotFlood(t *testing.T) {
	c := newCentre(t)
	mails := 0
	for range 200 {
		c.now = c.now.Add(time.Second)
		c.do(RecordIncident{Source: c.source(), Incident: protocol.Incident{What: "unlink-failed", Camera: "hal"}})
		if c.mailed(officer, start) != "" {
			mails++
		}
	}
	if mails != 1 {
		t.Errorf("%d mails", mails)
	}
	c.now = c.now.Add(MailPause)
	m, ok := c.s.DueMail(officer, start, c.now)
	if !ok || len(m.Tasks) != mostTold || len(m.Tasks)+m.Still != len(c.s.Inbox(officer, c.now)) {
		t.Errorf("%d told, %d beside", len(m.Tasks), m.Still)
	}
}

// TestWhoHearsAtOnce: the overview is a choice; urgent things are not for those whom others wait for.
func TestWhoHearsAtOnce(t *testing.T) {
	c := newCentre(t)
	for _, p := range []protocol.PersonID{handler, approver, requester, officer, admin} {
		c.refused(ChooseMail{p, MailChoice{NoAtOnce: true}}, CodeForbidden)
	}
	c.refused(ChooseMail{"p-nobody", MailChoice{NoDigest: true}}, CodeForbidden)
	c.do(ChooseMail{registrar, MailChoice{NoAtOnce: true}})
	c.now = hall().Besluit.ValidUntil.Add(-23 * time.Hour)
	c.do(ChooseMail{staff, MailChoice{NoDigest: true}})
	morning := c.now.Add(-time.Hour)
	c.told("the last day: with the overview", registrar, morning, "lapsing 1 days, lapsing 1 days")
	c.told("staff, at once", staff, morning, "! lapsing 1 days")
	c.do(Appoint{admin, Appointment{Person: registrar, Posts: []Post{{Role: Registrar}, {Handler, protocol.AVG}}, Secrecy: day(-10)}})
	c.now = hall().Besluit.ValidUntil.Time
	if got := c.mailed(registrar, c.now); got != "! lapsing over, lapsing over" {
		t.Errorf("whom others wait for is told %q", got)
	}
	c.do(ChooseMail{registrar, MailChoice{}})
	if n := c.s.Size; len(c.do(ChooseMail{registrar, MailChoice{}})) != 0 || c.s.Size != n {
		t.Error("the same choice twice is two entries")
	}
}

// TestOneCentreMails: of several centres on a ledger one mails at a time, and another takes over when that one is gone.
func TestOneCentreMails(t *testing.T) {
	c := newCentre(t)
	c.do(TakeMail{"one"})
	c.refused(TakeMail{"two"}, CodeState)
	if len(c.do(TakeMail{"one"})) != 0 {
		t.Error("taken twice")
	}
	c.now = c.now.Add(MailLease * 2 / 3)
	if len(c.do(TakeMail{"one"})) != 1 {
		t.Error("not renewed")
	}
	c.now = c.now.Add(MailLease / 2)
	c.refused(TakeMail{"two"}, CodeState)
	c.now = c.now.Add(MailLease)
	c.do(TakeMail{"two"})
}

// TestToldIsForgottenWithTheTask: what is over needs no remembering, so that memory grows with what waits and not with what was.
func TestToldIsForgottenWithTheTask(t *testing.T) {
	c := newCentre(t)
	for range 20 {
		r := c.file(theft())
		c.confirm(r)
		c.now = c.now.Add(MailPause)
		c.do(CheckRequest{By: handler, Request: r, Necessary: true, Remark: "onvolledig"})
		if c.mailed(approver, start.Add(-24*time.Hour)) == "" {
			t.Fatal("the approver is not told")
		}
		c.do(DecideRequest{By: approver, Request: r, Outcome: Refuses, Reason: Incomplete, Motivation: "onvolledig"})
		c.now = c.now.Add(MailPause)
	}
	if n := len(c.s.mail[approver].told); n != 1 {
		t.Errorf("%d are remembered", n)
	}
	if len(c.s.live) != 0 {
		t.Errorf("%d requests are alive", len(c.s.live))
	}
	c.do(Appoint{admin, Appointment{Person: approver}})
	if c.s.mail[approver] != nil {
		t.Error("remembered of somebody who left")
	}
}

func TestWorkingDays(t *testing.T) {
	var off []string
	for d := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC); d.Year() == 2026; d = d.AddDate(0, 0, 1) {
		if wd := d.Weekday(); !WorkingDay(d) && wd != time.Saturday && wd != time.Sunday {
			off = append(off, d.Format("2-1"))
		}
	}
	// New Year, Good Friday, Easter Monday, King's birthday, 5 May, Ascension, Whit Monday, Christmas (the second day is a Saturday).
	if want := []string{"1-1", "3-4", "6-4", "27-4", "5-5", "14-5", "25-5", "25-12"}; !slices.Equal(off, want) {
		t.Errorf("%v, want %v", off, want)
	}
	for _, day := range []string{"2025-04-21", "2027-03-29", "2038-04-26", "2049-04-19"} { // Easter Monday
		if d, err := time.Parse(time.DateOnly, day); err != nil || WorkingDay(d) {
			t.Errorf("%s: %v", day, err)
		}
	}
}
