package central

import (
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// unlawful is an order on the ground of an incident that a person at the desk reported about the hall.
func (c *centre) unlawful() EraseFacts {
	c.t.Helper()
	c.do(ReportIncident{By: staff, IncidentFacts: IncidentFacts{Nature: "de camera keek bij de buren naar binnen", Cameras: []protocol.CameraID{"hal"}}})
	return EraseFacts{Camera: "hal", Interval: protocol.Span(c.now.Add(-3*time.Hour), c.now.Add(-2*time.Hour)), Ground: protocol.EraseIncident, Dossier: IncidentDossier(len(c.s.incidents)), Reason: "woonkamer in beeld"}
}

// Two approvers of the camera's regime, and nobody else, have unlawful footage destroyed; the recorder's entry closes the order.
func TestR08_ErasingTakesTwoApprovers(t *testing.T) {
	c := newCentre(t)
	f := c.unlawful()
	for _, by := range []protocol.PersonID{handler, officer, admin, registrar, requester, staff, policeA, policeH} {
		c.refused(ProposeErase{by, f}, CodeForbidden)
	}
	for code, spoil := range map[string]func(*EraseFacts){
		CodeUnknown:  func(f *EraseFacts) { f.Camera = "elders" },
		CodeInterval: func(f *EraseFacts) { f.Interval.To = c.now.Add(time.Minute) },
	} {
		bad := f
		spoil(&bad)
		c.refused(ProposeErase{approver, bad}, code)
	}
	for _, spoil := range []func(*EraseFacts){func(f *EraseFacts) { f.Reason = " " }, func(f *EraseFacts) { f.Ground = "shame" }, func(f *EraseFacts) { f.Interval = protocol.Interval{} },
		func(f *EraseFacts) { f.Dossier = "matter/1" }, func(f *EraseFacts) { f.Ground = protocol.EraseComplaint }} {
		bad := f
		spoil(&bad)
		c.refused(ProposeErase{approver, bad}, CodeInvalid)
	}
	c.do(ProposeErase{approver, f})
	o := c.s.EraseOrder(1)
	if o.State() != "proposed" || len(c.tasks(approver2, "erase")) != 1 || len(c.tasks(approver, "erase"))+len(c.tasks(policeA, "erase"))+len(c.tasks(officer, "erase")) > 0 {
		t.Errorf("%s; who is asked for a second signature: %v", o.State(), c.tasks(approver2, "erase"))
	}
	before := len(c.s.Recorder(c.town.Recorder).Orders)
	c.refused(ProposeErase{approver2, f}, CodeExists)
	c.refused(SignErase{approver, 1}, CodeSamePerson)
	c.refused(SignErase{handler, 1}, CodeForbidden)
	c.refused(SignErase{policeA, 1}, CodeForbidden)
	c.refused(SignErase{approver2, 2}, CodeUnknown)
	if len(c.s.Recorder(c.town.Recorder).Orders) != before {
		t.Fatal("one signature went out")
	}
	c.do(SignErase{approver2, 1})
	orders := c.s.Recorder(c.town.Recorder).Orders
	last := orders[len(orders)-1]
	signed, err := protocol.ParseDocument([]byte(last.Document))
	doc, ok := signed.Document.(*protocol.Erase)
	if err != nil || !ok || doc.ID != o.Order || !doc.Interval.Equal(f.Interval) || doc.Dossier != "incident-1" || !slices.Equal(doc.Approvers, []protocol.PersonID{approver, approver2}) {
		t.Fatalf("%+v, %v", signed.Document, err)
	}
	c.refused(SignErase{approver2, 1}, CodeState)
	c.refused(DropErase{approver2, 1, "toch niet"}, CodeState)
	late := func() bool {
		return slices.ContainsFunc(c.s.Incidents(c.now), func(i Incident) bool { return i.Kind == "erase-late" && i.Camera == "hal" })
	}
	if late() {
		t.Error("late at once")
	}
	c.now = c.now.Add(EraseAlarm)
	if !late() {
		t.Error("the recorder is silent for an hour, and nobody is told")
	}
	whole := protocol.Span(f.Interval.From.Add(-20*time.Second), f.Interval.To.Add(10*time.Second))
	gone := protocol.Erased{Erase: o.Order, Camera: "hal", Asked: f.Interval, Interval: whole, Segments: 61, Bytes: 1 << 20}
	source := c.source()
	c.do(RecordErased{source, gone})
	c.do(RecordErased{source, gone})
	if o.State() != "erased" || o.Done.Segments != 61 || !o.Done.Interval.Equal(whole) || late() {
		t.Errorf("%s: %+v", o.State(), o.Done)
	}
	gone.Erase = "e-999" // nobody here ordered that
	c.do(RecordErased{c.source(), gone})
	if i := c.s.incidents[len(c.s.incidents)-1]; i.Kind != "erase-unknown" {
		t.Errorf("%+v", i)
	}
	var names []string
	for _, m := range o.History {
		names = append(names, m.Name)
	}
	if got := strings.Join(names, " "); got != "erase.proposed erase.signed footage.erased" {
		t.Error(got)
	}
}

// A hold on any of the footage stands in the way, of the proposal and of the second signature: it is decided first. What the recorder refuses all the same is an incident.
func TestR08_ErasingWaitsForCompetingHolds(t *testing.T) {
	c := newCentre(t)
	f := c.unlawful()
	f.Interval = protocol.Span(theft().Asked.From.Add(-time.Minute), theft().Asked.From.Add(time.Minute))
	c.do(ProposeErase{approver, f})
	ask := theft()
	c.do(FileRequest{requester, ask})
	c.confirm("z-1")
	if held := c.s.CompetingHolds("hal", f.Interval, c.now); len(held) != 1 {
		t.Fatalf("%d competing holds", len(held))
	}
	c.refusedSaying(SignErase{approver2, 1}, CodeState, "z-1", "Beslis eerst daarover")
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Refuses, Reason: NoPower, Motivation: "x"})
	c.do(SignErase{approver2, 1}) // the lift goes before it
	o := c.s.EraseOrder(1)
	last := c.s.Recorder(c.town.Recorder).Orders
	c.do(RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: last[len(last)-1].Number, Kind: "erase", ID: o.Order, Reason: "hold h-9 stands"}})
	if i := c.s.incidents[len(c.s.incidents)-1]; o.State() != "refused" || !strings.Contains(o.Refused, "h-9") || i.Kind != "order-refused" || i.Camera != "hal" {
		t.Errorf("%s %q; %+v", o.State(), o.Refused, i)
	}
	c.do(ProposeErase{approver2, f}) // anew
	c.do(DropErase{approver, 2, "de beelden zijn al weg"})
	if c.s.EraseOrder(2).State() != "dropped" {
		t.Error(c.s.EraseOrder(2).State())
	}
}

// A request for erasure that was granted leads to an order, by others than who handled it, of no more than was asked; one that was refused, or is about access, leads to none.
func TestR14_ErasingWhatAPersonAskedFor(t *testing.T) {
	c := newCentre(t)
	ask := filmed()
	ask.Right = RightErasure
	c.do(FileSubjectRequest{handler, ask})
	q := c.s.subjects[0]
	f := EraseFacts{Camera: "hal", Interval: ask.Asked, Ground: protocol.EraseRequest, Dossier: DossierOf(q.ID), Reason: "onrechtmatig"}
	c.refused(ProposeErase{approver, f}, CodeState) // not answered
	for _, h := range q.Holds {
		c.do(ConfirmHold{c.source(), placed(h)})
	}
	c.do(IdentifySubject{handler, q.ID, ByDigiD})
	for _, h := range q.Holds {
		c.do(ConfirmHold{c.source(), placed(h)})
	}
	c.do(AnswerSubjectRequest{By: approver, Request: q.ID, Answer: AnswerGranted, Manner: InWriting, Motivation: "de camera hing verkeerd", Remedies: true})
	if len(c.tasks(approver2, "erase")) != 1 {
		t.Error("nobody is told that granting it is not yet doing it")
	}
	wide := f
	wide.Interval.To = wide.Interval.To.Add(time.Minute)
	c.refused(ProposeErase{approver, wide}, CodeInterval)
	c.do(ProposeErase{approver, f})
	c.do(SignErase{approver2, 1})
	if len(c.tasks(approver2, "erase")) != 0 {
		t.Error("it is asked again")
	}
	c.do(appoint(handler, "", Post{Approver, protocol.AVG})) // who handled it has another post now
	f2 := f
	f2.Interval.To = f2.Interval.To.Add(-time.Minute)
	c.refused(ProposeErase{handler, f2}, CodeSamePerson)
	ask.Right = RightAccess
	ask.Asked = protocol.Span(ask.Asked.From.Add(-2*time.Hour), ask.Asked.To.Add(-2*time.Hour))
	c.do(appoint(handler, "", Post{Handler, protocol.AVG}))
	c.do(FileSubjectRequest{handler, ask})
	f.Dossier, f.Interval = DossierOf(c.s.subjects[1].ID), ask.Asked
	c.refused(ProposeErase{approver, f}, CodeInvalid)
}

// Fewer people destroy nothing: with one approver, whatever posts the others hold and in whatever order they try, no order to erase goes out; every order that does has two approvers of
// the regime who did not handle the dossier.
func TestR08_FewerPeopleEraseNothing(t *testing.T) {
	for seed := range uint64(30) {
		c := newCentre(t)
		rnd := mathrand.New(mathrand.NewPCG(seed, 8))
		f := c.unlawful()
		people := []protocol.PersonID{approver, handler, officer, registrar, requester, staff, admin, policeA, policeH, System, ""}
		if seed%3 == 0 {
			people = append(people, approver2)
		}
		for range 60 {
			by := people[rnd.IntN(len(people))]
			g := f
			g.Interval.From = g.Interval.From.Add(time.Duration(rnd.IntN(3)) * time.Minute)
			g.Camera = []protocol.CameraID{"hal", "hal", "plein"}[rnd.IntN(3)]
			cmds := []Command{ProposeErase{by, g}, SignErase{by, 1 + rnd.IntN(len(c.s.eraseOrders)+1)}, DropErase{by, 1 + rnd.IntN(len(c.s.eraseOrders)+1), "x"}}
			if _, err := c.try(cmds[min(2, rnd.IntN(8)/3)]); err != nil {
				if _, ok := RefusalOf(err); !ok {
					t.Fatal(err)
				}
			}
		}
		sent := 0
		for _, o := range c.s.Recorder(c.town.Recorder).Orders {
			if o.Kind != "erase" {
				continue
			}
			sent++
			signed, err := protocol.ParseDocument([]byte(o.Document))
			if err != nil {
				t.Fatal(err)
			}
			if two := signed.Document.(*protocol.Erase).Approvers; len(two) != 2 || !slices.Contains(two, approver) || !slices.Contains(two, approver2) {
				t.Errorf("seed %d: erased by %v", seed, two)
			}
		}
		if seed%3 != 0 && sent > 0 {
			t.Errorf("seed %d: one approver had footage erased", seed)
		}
	}
}
