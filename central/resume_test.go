package central

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

func witnessed(size uint64) protocol.LedgerHead {
	return protocol.LedgerHead{Size: size, Root: protocol.HashOf([]byte("log 1"))}
}

// found is what the witness says of a log that was put back; 0: the first.
func (c *centre) found(kind string, log uint64) {
	c.do(RecordMisbehaviour{Recorder: "rec-1", Kind: kind, Name: fmt.Sprint(kind, c.now.Unix()), Log: log, At: protocol.T(c.now), Seen: Words{NL: "gezien", EN: "seen"}})
}

func (c *centre) resume(log uint64) ResumeLog {
	return ResumeLog{By: officer, Recorder: "rec-1", Reason: "de schijf is teruggezet na een storing", Log: log, Witnessed: witnessed(70)}
}

// resumedBy is the recorder's log.resumed entry.
func (c *centre) resumedBy(log uint64) RecordResumed {
	c.t.Helper()
	r := c.s.Recorder("rec-1")
	x := r.Resumptions[len(r.Resumptions)-1]
	c.seq++
	return RecordResumed{Source: Source{Recorder: "rec-1", Log: log, Seq: c.seq}, Resumed: protocol.Resumed{Log: log, Document: r.Order(x.Number).Document}, At: protocol.T(c.now)}
}

// A recorder that was put back goes on by an order of the privacy officer, and of nobody else; only when the witness found it; one order at a time.
func TestI13_TheOfficerLetsALogGoOn(t *testing.T) {
	c := newCentre(t)
	c.refused(c.resume(2), CodeState)
	c.found("rollback", 0)
	for by, p := range c.s.people {
		if order := c.resume(2); by != officer && !c.s.Holds(p.Person, Officer, "", c.now) {
			order.By = by
			c.refused(order, CodeForbidden)
		}
	}
	for _, wrong := range []func(*ResumeLog){
		func(r *ResumeLog) { r.Recorder = "rec-9" },
		func(r *ResumeLog) { r.Reason = " " },
		func(r *ResumeLog) { r.Log = 1 },
		func(r *ResumeLog) { r.Witnessed = protocol.LedgerHead{} },
	} {
		order := c.resume(2)
		wrong(&order)
		if _, err := Decide(&c.s, order, c.now); err == nil {
			t.Errorf("%+v is ordered", order)
		}
	}
	c.do(c.resume(2))
	r := c.s.Recorder("rec-1")
	x := r.Resumptions[0]
	o := r.Order(x.Number)
	signed, err := protocol.ParseDocument([]byte(o.Document))
	if err != nil {
		t.Fatal(err)
	}
	if d := signed.Document.(*protocol.Resume); d.Log != 2 || d.Officer != officer || d.Witnessed != witnessed(70) || x.Level != protocol.LevelCentre || x.State(c.now) != "ordered" || !x.Answers(1) {
		t.Errorf("%+v by %s", d, x.Level)
	}
	if strings.Contains(o.Document, "storing") {
		t.Error("the officer's text leaves the centre")
	}
	c.refused(c.resume(2), CodeExists)

	// It goes on, and that stands with the incident; again, or by somebody else's order, is told apart.
	c.now = c.now.Add(time.Minute)
	entry := c.resumedBy(2)
	c.do(entry)
	if c.do(entry) != nil || x.State(c.now) != "resumed" || len(c.s.Incident(1).History) != 2 {
		t.Errorf("%+v", c.s.Incident(1).History)
	}
	again := c.resumedBy(2)
	again.Source.Log = 3
	if c.do(again) != nil {
		t.Error("the same order taken again after it was put back changes nothing")
	}
	foreign := c.resumedBy(2)
	foreign.Resumed.Document = strings.Replace(foreign.Resumed.Document, "log 2", "log 3", 1)
	c.do(foreign)
	if i := c.s.Incident(2); i == nil || i.Kind != "resumed-unknown" {
		t.Errorf("%+v", i)
	}
	c.found("rollback", 0) // once more told: it was answered
	c.refused(c.resume(3), CodeState)
}

// What went on already is not resumed for nothing, whether or not somebody has settled the incident since; what the witness finds of the log that goes on is an incident of its own, and makes it possible again.
func TestI13_ALogIsNotResumedForNothing(t *testing.T) {
	c := newCentre(t)
	c.found("rollback", 0)
	c.found("fork", 0)
	c.do(c.resume(2))
	c.now = c.now.Add(time.Minute)
	c.do(c.resumedBy(2))
	r := c.s.Recorder("rec-1")
	if x := r.Resumptions[0]; !x.Answers(1) || !x.Answers(2) {
		t.Errorf("%+v", x)
	}
	c.refused(c.resume(3), CodeState)
	if _, err := Decide(&c.s, c.resume(3), c.now); !strings.Contains(err.Error(), "under log 2") {
		t.Error(err)
	}
	c.now = c.now.Add(time.Hour)
	c.do(CloseIncident{By: officer, Number: 1, NoBreach: true, Conclusion: "een teruggezette schijf"})
	c.refused(c.resume(3), CodeState) // settled after it went on

	c.found("rollback", 2) // put back once more, as anyone may see: incident 2 is open still, and about the log of before
	c.found("rollback", 2)
	if i := c.s.Incident(3); i == nil || i.Kind != "log-rollback" || c.s.Incident(4) != nil {
		t.Fatalf("%v", kinds(&c.s, c.now))
	}
	c.now = c.now.Add(time.Hour)
	c.do(CloseIncident{By: officer, Number: 3, NoBreach: true, Conclusion: "nog een teruggezette schijf"}) // the recorder stands still all the same
	c.do(c.resume(3))
	if x := r.Resumptions[1]; x.Answers(2) || !x.Answers(3) {
		t.Errorf("%+v", x)
	}
	c.now = c.now.Add(ResumeTerm)
	if got := r.Resumptions[1].State(c.now); got != "ended" {
		t.Error(got)
	}
	c.do(c.resume(3))
	c.do(c.resumedBy(3))
	c.refused(c.resume(4), CodeState)
	c.now = c.now.Add(time.Minute)
	c.found("fork", 3)
	c.do(c.resume(4))
}

// A recorder that was put back to before it was resumed takes the order of then again, and stands still under that same number: the order that was given for it meanwhile cannot help, and one for the next
// number is not kept from it.
func TestI13_PutBackToBeforeItsResumption(t *testing.T) {
	c := newCentre(t)
	c.found("rollback", 0)
	c.do(c.resume(2))
	c.refused(c.resume(3), CodeExists) // the recorder may have gone on before its entry is here: that is no reason for another order
	c.do(c.resumedBy(2))
	c.now = c.now.Add(time.Hour)
	c.found("rollback", 2)
	c.do(c.resume(2)) // it says that its log is the first
	c.refused(c.resume(2), CodeExists)
	c.do(c.resume(3)) // it says that its log is the second
	c.refused(c.resume(3), CodeExists)
	c.refused(c.resume(4), CodeExists)
	c.do(c.resumedBy(3))
	c.refused(c.resume(4), CodeState)
}

// What the recorder refuses can be ordered again; a recorder that is gone is not resumed; a roster that names the officer's key wants its signature.
func TestI13_AResumptionThatIsRefused(t *testing.T) {
	c := newCentre(t)
	c.found("truncation", 0)
	roster := c.s.Recorder("rec-1").Roster
	roster.OfficerKey = c.town.People[officer].Verifier()
	c.refused(c.resume(2), CodeRoster)
	roster.OfficerKey = ""
	c.do(c.resume(2))
	x := c.s.Recorder("rec-1").Resumptions[0]
	c.do(RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: x.Number, Kind: "resume", ID: x.Order, Reason: "no"}})
	if x.State(c.now) != "refused" {
		t.Errorf("%+v", x)
	}
	c.do(c.resume(2))
	c.do(MarkRecorder{By: admin, Recorder: "rec-1", Mark: Stolen, Reason: "weg"})
	c.now = c.now.Add(ResumeTerm)
	c.refused(c.resume(2), CodeState)
}

// A recorder that was put back gets its orders again: what their term ended on changes nothing of what came of them, and the hold that it could not keep whole shows.
func TestI13_OrdersThatComeAgain(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	g, h := r.Grants[0], r.Holds[0]
	c.do(RecordRelease{c.source(), released(g)})
	refused := func(o uint64, log uint64) RecordRefusedOrder {
		s := c.source()
		s.Log = log
		return RecordRefusedOrder{s, protocol.OrderRefused{Number: o, Reason: "its term is over"}}
	}
	c.now = c.now.Add(30 * time.Hour)
	if c.do(refused(g.Number, 2)) != nil || g.Refused != "" {
		t.Errorf("a release that was done: %q", g.Refused)
	}
	s := c.source()
	s.Log = 2
	c.do(RecordReleaseFailed{s, protocol.ReleaseFailed{Grant: g.GrantID(), Request: g.Request, Reason: "the log was resumed", Final: true}})
	if g.Final || g.Released == nil {
		t.Errorf("%+v", g)
	}
	less := placed(h)
	less.Segments--
	s.Seq++
	c.do(ConfirmHold{s, less})
	if list := c.s.OpenIncidents(c.now); len(list) != 1 || list[0].Kind != "hold-less" || h.Confirmed.Segments != less.Segments+1 {
		t.Errorf("%+v", list)
	}
	c.now = h.End.Add(time.Hour)
	if c.do(refused(h.Number, 2)) != nil || h.Refused != "" {
		t.Errorf("a hold that has ended: %q", h.Refused)
	}
	for _, m := range c.s.Recorder("rec-1").Orders {
		if m.Kind == "mandate" && c.do(refused(m.Number, 1)) == nil {
			t.Error("in the first log a refusal is news")
		}
	}
}

// Where the recorder's roster names the privacy officer's passkey, the order is the text that the officer signed, of this moment and of nothing else; the centre's word does not stand in for it, and
// the recorder's own check passes.
func TestI13_TheOfficerSignsWhatIsOrdered(t *testing.T) {
	c := newCentre(t)
	c.found("rollback", 0)
	r := c.s.Recorder("rec-1")
	r.Roster.OfficerKey = c.town.People[officer].Verifier()
	signed := func(order ResumeLog, by protocol.PersonID) ResumeLog {
		document, key, err := order.Draft(&c.s, c.now)
		if err != nil || key != r.Roster.OfficerKey {
			t.Fatalf("%q: %v", key, err)
		}
		order.Signed = c.town.People[by].Sign(t, document)
		return order
	}
	early := c.resume(2)
	early.By = handler
	if _, _, err := early.Draft(&c.s, c.now); err == nil {
		t.Error("anybody gets a draft")
	}
	c.refused(c.resume(2), CodeRoster)
	c.refused(signed(c.resume(2), handler), CodeRoster)
	unsigned := c.resume(2)
	unsigned.Signed, _, _ = c.resume(2).Draft(&c.s, c.now)
	c.refused(unsigned, CodeRoster)
	const over = "Wat u ondertekende, geldt niet meer"
	for _, change := range []func(*ResumeLog){func(o *ResumeLog) { o.Witnessed = witnessed(71) }, func(o *ResumeLog) { o.Log = 3 }} {
		order := signed(c.resume(2), officer)
		change(&order)
		c.refusedSaying(order, CodeState, over)
	}
	grant := c.resume(2)
	grant.Signed = c.town.Compose(c.town.Erase("e-1", "plein-1", protocol.Interval{From: c.now.Add(-time.Hour), To: c.now}), officer)
	c.refusedSaying(grant, CodeState, over)
	late := signed(c.resume(2), officer)
	longer := late
	longer.Signed = c.town.People[officer].Sign(t, protocoltest.Change(t, late.Signed[:strings.Index(string(late.Signed), "\n\n")+2], "not-after 20", "not-after 21"))
	c.refusedSaying(longer, CodeState, over)

	// Other orders may be given in between, and it may take a while, but not for ever.
	was := c.now
	c.now = c.now.Add(signTerm)
	c.refusedSaying(late, CodeState, over)
	c.now = was.Add(signTerm - time.Second)
	c.granted(requester, handler, approver, theft())
	c.do(late)
	x := r.Resumptions[0]
	order := r.Order(x.Number)
	document, err := protocol.ParseDocument([]byte(order.Document))
	if err != nil || order.Document != string(late.Signed) || x.Level != protocol.LevelPersons {
		t.Fatalf("by %s: %v\n%s", x.Level, err, order.Document)
	}
	if level, err := r.Roster.Authorise(document, ""); level != protocol.LevelPersons || err != nil {
		t.Errorf("the recorder would say %s, %v", level, err)
	}
	c.do(RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: x.Number, Kind: "resume", ID: x.Order, Reason: "no"}})
	c.refusedSaying(late, CodeState, over) // one signature, one order
	c.do(signed(c.resume(2), officer))
}
