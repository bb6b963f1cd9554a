package centraltest

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// The people of a Country, beside those of protocoltest who are handler, approvers, officer and requester in it.
const (
	Admin     protocol.PersonID = "p-admin"
	Registrar protocol.PersonID = "p-registrar"
	Staff     protocol.PersonID = "p-staff" // of the first cameras
)

// Country is a register of any size with its requests, as a ledger tells it. What is done to one camera and asked of it is done here by commands; all others are the same events
// with other ids and numbers, read back from their written form as from a ledger. Cameras are spread over recorders, requests over cameras, police units and DaysOfCountry.
type Country struct {
	Placements, Recorders, Requests int
	Waiting                         int // of the requests: those that wait for somebody, a quarter each to be checked, decided, released and fetched

	t     testing.TB
	town  *protocoltest.Town
	take  func(central.Event)
	small central.State // in which the commands are given
	now   time.Time
	seq   uint64 // of the small recorder's journal

	size      uint64 // events given
	documents int
	orders    []uint64 // per recorder, so far
	entries   []uint64
	told      []written // not yet given
}

const (
	// DaysOfCountry is how long it has been in use.
	DaysOfCountry = 300

	// UnitsOfCountry is how many police units ask.
	UnitsOfCountry = 200
)

// Camera is the id of a camera of a Country, from 0 on.
func Camera(n int) protocol.CameraID { return protocol.CameraID(fmt.Sprintf("c-%06d", n)) }

// Recorder is the id of a recorder of a Country, from 0 on.
func Recorder(n int) protocol.RecorderID { return protocol.RecorderID(fmt.Sprintf("r-%05d", n)) }

// RecorderOf is the recorder of a camera.
func (c *Country) RecorderOf(camera int) int { return camera % c.Recorders }

// Tell gives all of the history, in order, up to now. The town's clock begins DaysOfCountry earlier; it signs the recorders' rosters.
func (c *Country) Tell(t testing.TB, town *protocoltest.Town, now time.Time, take func(central.Event)) {
	c.t, c.town, c.take = t, town, take
	c.now = protocol.T(now.AddDate(0, 0, -DaysOfCountry)).Time
	town.Start = c.now
	c.orders, c.entries = make([]uint64, c.Recorders), make([]uint64, c.Recorders)
	c.people()
	c.recorders()
	c.placements()
	settled := c.Requests - c.Waiting
	asked := 0
	for day := range DaysOfCountry - 1 {
		c.now = c.now.AddDate(0, 0, 1)
		last := settled * (day + 1) / (DaysOfCountry - 1)
		if asked < last {
			asked = c.ask(c.request(0), asked, last)
		}
	}
	c.now = protocol.T(now.Add(-2 * time.Hour)).Time
	for stage := range stages {
		asked = c.ask(c.request(stage+1), asked, settled+c.Waiting*(stage+1)/len(stages))
	}
	c.flush()
}

func (c *Country) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *Country) do(commands ...central.Command) (all []central.Event) {
	c.t.Helper()
	for _, command := range commands {
		events, err := central.Decide(&c.small, command, c.now)
		if err != nil {
			c.t.Fatalf("%T: %v", command, err)
		}
		for _, e := range events {
			c.check(c.small.Apply(e))
		}
		all = append(all, events...)
	}
	return all
}

// people are those who act, the units with a requester each, the protocols and the DPIA: as they are.
func (c *Country) people() {
	day := func(n int) protocol.Time { return protocol.T(c.now.AddDate(0, 0, n)) }
	appoint := func(p protocol.PersonID, unit string, role central.Role, regimes ...protocol.Regime) central.Command {
		a := central.Appointment{Person: p, Unit: unit, Secrecy: day(-10), Posts: []central.Post{{Role: role}}}
		if len(regimes) > 0 {
			a.Posts = nil
		}
		for _, regime := range regimes {
			a.Posts = append(a.Posts, central.Post{Role: role, Regime: regime})
		}
		return central.Appoint{By: Admin, Appointment: a}
	}
	rules := func(id string, regime protocol.Regime, purpose central.Purpose, basis central.Basis) central.Command {
		return central.AdoptProtocol{By: Registrar, CameraProtocol: central.CameraProtocol{ID: id, Version: 1, Title: "Cameraprotocol " + id, Regime: regime, Purposes: []central.Purpose{purpose}, Bases: []central.Basis{basis},
			Window: protocol.MaxWindow, LongestHold: protocol.MaxWindow, Form: central.ViewLive, Roles: central.ProtocolUsers, Viewing: "door de receptie", Release: "na vordering, met vier ogen",
			Recognisability: "gezichten bij de ingang", Security: "recorder in een afgesloten kast", AdoptedBy: "college", AdoptedOn: day(-30), Published: "gemeenteblad", ValidFrom: day(-30), Review: day(900),
			Document: protocol.HashOf([]byte(id))}}
	}
	commands := []central.Command{central.Open{Municipality: c.town.Municipality, Administrator: Admin, Secrecy: day(-10)},
		appoint(Registrar, "", central.Registrar), appoint(protocoltest.Officer, "", central.Officer), appoint(protocoltest.Handler, "", central.Handler, protocol.AVG),
		appoint(protocoltest.Approver, "", central.Approver, protocol.AVG), appoint(protocoltest.Approver2, "", central.Approver, protocol.AVG), appoint(Staff, "", central.Staff),
		rules("gebouwen", protocol.AVG, central.Buildings, central.PublicTask), rules("straat", protocol.WPG, central.StreetSafety, central.PublicOrder)}
	commands = append(commands, Assess(Registrar, protocoltest.Officer, c.now)...)
	readers := []protocol.PersonID{protocoltest.Handler, protocoltest.Approver, protocoltest.Approver2, Staff}
	for n := range UnitsOfCountry {
		unit, person := unitOf(n)
		commands = append(commands, central.AgreeUnit{By: Admin, Unit: central.Unit{ID: unit, Name: "Politie " + unit, Agreement: "CV-" + unit, ValidUntil: day(900), AgreementFacts: central.AgreementFacts{Kind: central.ChainPartner,
			Parties: "gemeente en politie", Goals: "opsporing", Special: "geen", Informing: "bord", Processings: "verstrekken", Rights: "via de gemeente", ValidFrom: day(-30), Review: day(800)}}},
			appoint(person, unit, central.Requester))
		readers = append(readers, person)
	}
	for _, p := range readers {
		commands = append(commands, central.AcknowledgeProtocol{By: p, Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}})
	}
	for _, e := range c.do(commands...) {
		c.give(e.Time, e.By, e.Fact, e.Dossier)
	}
	c.do(central.EnrolRecorder{By: Admin, Recorder: c.town.Recorder, Key: c.town.LogKey, Origin: c.town.Log.Name(), Roots: c.town.Roots,
		Roster: c.town.Roster(1, func(r *protocol.Roster) { r.LevelCentre = true })})
}

// unitOf is one of the police units, and its requester; the first is the town's own.
func unitOf(n int) (string, protocol.PersonID) {
	if n %= UnitsOfCountry; n > 0 {
		return fmt.Sprintf("eenheid-%03d", n), protocol.PersonID(fmt.Sprintf("%s-%03d", protocoltest.Requester, n))
	}
	return "eenheid", protocoltest.Requester
}

// recorders have each a key and a signed roster of their own.
func (c *Country) recorders() {
	enrolled := make([]*central.RecorderEnrolled, c.Recorders)
	each(c.Recorders, func(n int) {
		town := *c.town
		town.Recorder = Recorder(n)
		town.Log, town.LogKey = protocoltest.Key(c.t, protocol.Origin(town.Recorder, town.Municipality))
		roster := town.Roster(1, func(r *protocol.Roster) { r.LevelCentre = true })
		enrolled[n] = &central.RecorderEnrolled{Recorder: town.Recorder, Key: town.LogKey, Origin: town.Log.Name(), Viewer: "https://" + string(town.Recorder) + ".test", Roots: town.Roots, Roster: string(roster)}
	})
	for _, fact := range enrolled {
		c.give(protocol.T(c.now), Admin, fact, "")
	}
}

// placements are mostly in use; of each thousand a few are drafts, suspended, about to be, lapsed, or soon will be. One in ten is of the police.
func (c *Country) placements() {
	day := func(n int) protocol.Time { return protocol.T(c.now.AddDate(0, 0, n)) }
	model := func(id string, regime protocol.Regime, until int) central.PlacementFacts {
		f := central.PlacementFacts{Camera: protocol.CameraID(id), Name: "Camera " + id, Regime: regime, Position: central.At(52, 5), Place: "hoofdingang, " + id, Direction: 90, Purposes: []central.Purpose{central.Buildings},
			Subsidiarity: "beveiligers alleen volstaan niet: het gebouw heeft vier ingangen", Proportionality: "alleen de ingang, de straat is afgedekt",
			Besluit:  central.Besluit{Reference: "B-2026-14", Date: day(-20), ValidFrom: day(-10), ValidUntil: day(until), Body: "college", Area: "stadskantoor en omgeving"},
			Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}, Sign: central.Sign{Placed: day(-5)}, Recorder: c.town.Recorder, Streams: []protocol.StreamID{"main"},
			Publication: central.PublishExact, Contact: "fg@stad.example"}
		if regime == protocol.WPG {
			f.Purposes, f.Protocol, f.Publication, f.PublicationReason = []central.Purpose{central.StreetSafety}, central.ProtocolRef{ID: "straat", Version: 1}, central.PublishArea, "op verzoek van de politie"
		}
		return Ready(f)
	}
	kinds := map[string]mould{}
	for _, k := range []struct {
		name   string
		regime protocol.Regime
		until  int // of the besluit
	}{{"used", protocol.AVG, 700}, {"police", protocol.WPG, 700}, {"draft", protocol.AVG, 700}, {"suspended", protocol.AVG, 700}, {"doubted", protocol.AVG, 700}, {"lapsing", protocol.AVG, DaysOfCountry + 50},
		{"lapsed", protocol.AVG, DaysOfCountry - 100}} {
		id := protocol.CameraID("mould-" + k.name)
		events := c.do(central.RegisterPlacement{By: Registrar, PlacementFacts: model(string(id), k.regime, k.until)})
		if k.name != "draft" {
			events = append(events, c.do(central.Activate{By: Registrar, Camera: id})...)
		}
		ending := func(by protocol.PersonID) central.Command {
			return central.EndPlacement{By: by, Camera: id, Ending: central.Suspend, Reason: "verbouwing"}
		}
		switch k.name {
		case "suspended":
			events = append(events, c.do(ending(protocoltest.Approver), ending(protocoltest.Approver2))...)
		case "doubted":
			events = append(events, c.do(ending(protocoltest.Approver), central.ConfirmPlacements{By: Registrar, List: []central.Said{{Camera: id, Remark: "hangt anders"}}})...)
		}
		kinds[k.name] = c.mould(events, string(id), "", "")
	}
	for n := range c.Placements {
		kind := "used"
		switch m := n % 1000; {
		case m < 3:
			kind = "draft"
		case m < 6:
			kind = "suspended"
		case m < 8:
			kind = "doubted"
		case m < 20:
			kind = "lapsing"
		case m < 22:
			kind = "lapsed"
		case m%10 == 9:
			kind = "police"
		}
		c.cast(kinds[kind], n, "", 0)
	}
	staff := central.Appointment{Person: Staff, Posts: []central.Post{{Role: central.Staff}}, Secrecy: day(-10)}
	for n := range min(20, c.Placements) {
		staff.Cameras = append(staff.Cameras, Camera(n))
	}
	c.give(protocol.T(c.now), Admin, &central.PersonAppointed{Appointment: staff}, "person/"+central.Dossier(Staff))
}

// stages are how far a request comes, one after the other, until it is settled.
var stages = []string{"to check", "to decide", "to release", "to fetch"}

// request takes one through its stages up to the one before the n-th.
func (c *Country) request(n int) mould {
	const camera = "mould-used"
	events := c.do(central.FileRequest{By: protocoltest.Requester, RequestFacts: central.RequestFacts{Kind: central.Vordering, Article: "126nda", Authority: "hulpofficier Jansen", Cameras: []protocol.CameraID{camera},
		Asked: protocol.Span(c.now.Add(-time.Hour), c.now.Add(-50*time.Minute)), Reference: "PL2100-2026-1", Necessity: "de verdachte liep langs de ingang"}})
	id := events[0].Fact.(*central.RequestFiled).ID
	r := c.small.Request(id)
	source := func() central.Source { c.seq++; return central.Source{Recorder: c.town.Recorder, Seq: c.seq} }
	then := func(commands ...central.Command) { events = append(events, c.do(commands...)...) }
	h := r.Holds[0]
	then(central.ConfirmHold{Source: source(), Placed: protocol.HoldPlaced{Hold: h.HoldID(), Request: id, Camera: camera, Asked: h.Asked,
		Interval: protocol.Span(h.Asked.From.Add(-20*time.Second), h.Asked.To.Add(40*time.Second)), Segments: 11, Bytes: 1 << 20, Root: protocol.HashOf([]byte("root")), End: h.End}})
	if n > 1 || n == 0 {
		then(central.CheckRequest{By: protocoltest.Handler, Request: id, Complete: true, Necessary: true, Remark: "in orde"})
	}
	if n > 2 || n == 0 {
		then(central.DecideRequest{By: protocoltest.Approver, Request: id, Outcome: central.Grants, Reason: central.Complies, Motivation: "voldoet", Approved: []central.Approved{{Camera: camera, Interval: h.Rounded()}}})
	}
	if n > 3 || n == 0 {
		g := r.Grants[0]
		then(central.RecordRelease{Source: source(), Released: protocol.Released{Grant: g.GrantID(), Request: id, Camera: camera, Intent: 40, Object: central.ObjectName(g.Recorder, g.GrantID()), Size: 9,
			SHA256: protocol.HashOf([]byte("o")), Bag: protocol.HashOf([]byte("b")), Manifest: protocol.HashOf([]byte("m")), Segments: 11}})
	}
	if n == 0 {
		then(central.RecordDownload{By: protocoltest.Requester, Request: id, Grant: r.Grants[0].GrantID()}, central.ConfirmHandOver{By: protocoltest.Requester, Request: id, Note: "opgeslagen"},
			central.RecordLifted{Source: source(), Lifted: protocol.HoldLifted{Hold: h.HoldID(), Reason: "lift"}})
	}
	return c.mould(events, camera, string(id), "eenheid")
}

// ask makes requests from a number on up to another, one a camera after the other, in an order that spreads them.
func (c *Country) ask(m mould, from, to int) int {
	for n := from; n < to; n++ {
		camera := n * 7919 % c.Placements
		for k := camera % 1000; k < 22 || k%10 == 9; k = camera % 1000 { // in use, and not of the police
			if camera++; camera >= c.Placements {
				camera = 0
			}
		}
		c.cast(m, camera, fmt.Sprintf("z-%d", n+1), n)
	}
	return max(from, to)
}

// mould is some events as text, cut where other ids come.
type mould struct {
	events    []cut
	documents []string // ids without their numbers, in order
}

type cut struct {
	time    protocol.Time
	by      protocol.PersonID
	kind    string
	private bool
	text    []string
	slots   []int // after each text but the last
}

const (
	slotCamera = iota
	slotRecorder
	slotRequest
	slotUnit
	slotPerson
	slotDocuments
)

func (c *Country) mould(events []central.Event, camera, request, unit string) (m mould) {
	tokens := []string{camera, string(c.town.Recorder), request, unit, string(protocoltest.Requester)}
	for _, e := range events {
		if o, ok := e.Fact.(*central.OrderIssued); ok {
			signed, err := protocol.ParseDocument([]byte(o.Document))
			c.check(err)
			id := string(signed.Head().ID)
			tokens, m.documents = append(tokens, id), append(m.documents, id[:strings.LastIndexByte(id, '-')])
		}
	}
	var choice []string
	for _, token := range tokens {
		if token != "" {
			choice = append(choice, regexp.QuoteMeta(token))
		}
	}
	find := regexp.MustCompile(`\b(` + strings.Join(choice, "|") + `)\b`)
	for _, e := range events {
		body, err := e.Body()
		c.check(err)
		one := cut{time: e.Time, by: e.By, kind: e.Name(), private: e.Dossier != ""}
		done := 0
		for _, at := range find.FindAllIndex(body.Fact, -1) {
			one.text = append(one.text, string(body.Fact[done:at[0]]))
			one.slots = append(one.slots, slices.Index(tokens, string(body.Fact[at[0]:at[1]])))
			done = at[1]
		}
		one.text = append(one.text, string(body.Fact[done:]))
		m.events = append(m.events, one)
	}
	return m
}

// cast gives a mould's events of another camera and, where it is of one, another request: that of the unit with this number.
func (c *Country) cast(m mould, camera int, request string, unit int) {
	recorder := c.RecorderOf(camera)
	name, person := unitOf(unit)
	into := []string{string(Camera(camera)), string(Recorder(recorder)), request, name, string(person)}
	for i, prefix := range m.documents {
		into = append(into, fmt.Sprintf("%s-%d", prefix, c.documents+i+1))
	}
	for _, one := range m.events {
		w := written{time: one.time, by: one.by, kind: one.kind}
		if one.private {
			w.dossier = central.DossierOf(protocol.RequestID(request))
		}
		if w.by == protocoltest.Requester {
			w.by = person
		}
		for i, text := range one.text {
			w.body = append(w.body, text...)
			if i < len(one.slots) {
				w.body = append(w.body, into[one.slots[i]]...)
			}
		}
		switch one.kind {
		case "order.issued":
			c.documents++
			c.orders[recorder]++
			w.number = c.orders[recorder]
		case "hold.confirmed", "hold.lifted", "release.ready":
			c.entries[recorder]++
			w.number = c.entries[recorder]
		case "placement.registered":
			w.number = uint64(camera)
		}
		c.put(w)
	}
}

// give gives an event as it is.
func (c *Country) give(at protocol.Time, by protocol.PersonID, fact central.Fact, o central.Dossier) {
	e := central.Event{Time: at, By: by, Fact: fact, Dossier: o}
	body, err := e.Body()
	c.check(err)
	c.put(written{time: at, by: by, kind: e.Name(), dossier: o, body: body.Fact})
}

// written is an event as a ledger has it, and a number that is to be another.
type written struct {
	time    protocol.Time
	by      protocol.PersonID
	kind    string
	dossier central.Dossier
	body    []byte
	number  uint64
}

func (c *Country) put(w written) {
	if c.told = append(c.told, w); len(c.told) == 4000 {
		c.flush()
	}
}

// flush reads back what was told, on all processors, and gives it.
func (c *Country) flush() {
	events := make([]central.Event, len(c.told))
	each(len(c.told), func(i int) {
		w := &c.told[i]
		fact, err := central.ParseFact(w.kind, w.body)
		if err != nil {
			c.t.Errorf("%s: %v", w.body, err)
			return
		}
		switch f := fact.(type) {
		case *central.OrderIssued:
			f.Number = w.number
		case *central.HoldConfirmed:
			f.Source.Seq = w.number
		case *central.HoldLifted:
			f.Source.Seq = w.number
		case *central.FootageReleased:
			f.Source.Seq = w.number
		case *central.PlacementRegistered:
			f.Position = central.At(50.8+float64(w.number%1000)*0.0025, 3.4+float64(w.number/1000%1000)*0.0037)
		}
		events[i] = central.Event{Time: w.time, By: protocol.PersonID(strings.Clone(string(w.by))), Fact: fact, Dossier: w.dossier}
	})
	if c.t.Failed() {
		c.t.FailNow()
	}
	for _, e := range events {
		e.Seq = c.size
		c.size++
		c.take(e)
	}
	c.told = c.told[:0]
}

// each does something for each number, on all processors.
func each(n int, do func(int)) {
	var workers sync.WaitGroup
	parts := runtime.GOMAXPROCS(0)
	for part := range parts {
		workers.Go(func() {
			for i := part * n / parts; i < (part+1)*n/parts; i++ {
				do(i)
			}
		})
	}
	workers.Wait()
}
