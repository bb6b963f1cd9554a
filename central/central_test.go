package central

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

var (
	update = flag.Bool("update", false, "write testdata/state.txt anew, from the history that is there")
	record = flag.Bool("record", false, "write testdata/history.jsonl anew")
)

var start = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

const (
	admin     protocol.PersonID = "p-admin"
	registrar protocol.PersonID = "p-registrar"
	handler                     = protocoltest.Handler
	approver                    = protocoltest.Approver
	approver2                   = protocoltest.Approver2
	officer                     = protocoltest.Officer
	requester                   = protocoltest.Requester
	colleague protocol.PersonID = "p-colleague"
	staff     protocol.PersonID = "p-staff"
	policeH   protocol.PersonID = "p-police-handler"
	policeA   protocol.PersonID = "p-police-approver"
)

// centre is a State with a clock; every event goes through its written form on the way in.
type centre struct {
	t      testing.TB
	s      State
	now    time.Time
	town   *protocoltest.Town
	events []Event
	seq    uint64 // of the recorder's journal

	commands []Command // that were not refused
}

func (c *centre) try(cmd Command) ([]Event, error) {
	c.t.Helper()
	before := c.s.Size
	events, err := Decide(&c.s, cmd, c.now)
	if c.s.Size != before {
		c.t.Fatal("Decide changed the state")
	}
	if err != nil {
		return nil, err
	}
	c.commands = append(c.commands, cmd)
	for _, e := range events {
		body, err := e.Body()
		if err != nil {
			c.t.Fatal(err)
		}
		fact, err := ParseFact(e.Name(), body.Fact)
		if err != nil {
			c.t.Fatal(err)
		}
		if !reflect.DeepEqual(fact, e.Fact) {
			a, _ := json.Marshal(fact)
			b, _ := json.Marshal(e.Fact)
			if !bytes.Equal(a, b) {
				c.t.Fatalf("event %s reads back otherwise:\n%s\n%s", e.Name(), a, b)
			}
		}
		e.Fact = fact
		if err := c.s.Apply(e); err != nil {
			c.t.Fatal(err)
		}
		c.events = append(c.events, e)
	}
	return events, nil
}

func (c *centre) do(cmd Command) []Event {
	c.t.Helper()
	events, err := c.try(cmd)
	if err != nil {
		c.t.Fatalf("%T: %v", cmd, err)
	}
	return events
}

// refused expects a Refusal with this code and words in both languages.
func (c *centre) refused(cmd Command, code string) {
	c.t.Helper()
	_, err := c.try(cmd)
	r, ok := RefusalOf(err)
	if !ok {
		c.t.Fatalf("%T: %v, want the refusal %s", cmd, err, code)
	}
	if r.Code != code || r.NL == "" || r.EN == "" {
		c.t.Fatalf("%T: refused with %q (%s / %s), want %s", cmd, r.Code, r.NL, r.EN, code)
	}
}

func day(n int) protocol.Time { return protocol.T(start.Add(time.Duration(n) * 24 * time.Hour)) }

func appoint(p protocol.PersonID, unit string, posts ...Post) Appoint {
	return Appoint{By: admin, Appointment: Appointment{Person: p, Posts: posts, Unit: unit, Secrecy: day(-10)}}
}

// newCentre is a municipality with people, a recorder, an AVG camera and a WPG camera in use.
func newCentre(t testing.TB) *centre {
	t.Helper()
	c := &centre{t: t, now: start, town: protocoltest.NewTown(t, start)}
	t.Cleanup(func() { // whatever the test did: it is still a history when dossiers of it are erased
		if !t.Failed() && len(c.events) > 0 && c.events[0].Seq == 0 && c.events[len(c.events)-1].Seq == uint64(len(c.events))-1 { // unless the test put some in or took some out
			eraseEach(t, c.events, c.commands, c.now)
		}
	})
	c.do(Open{Municipality: c.town.Municipality, Administrator: admin, Secrecy: day(-10)})
	c.do(AgreeUnit{admin, covenant("basisteam", "CV-2026-1", day(365))})
	c.do(AgreeUnit{admin, covenant("recherche", "CV-2026-2", day(365))})
	roster := c.town.Roster(1, func(r *protocol.Roster) {
		r.LevelCentre, r.OfficerKey = true, "" // nobody has a passkey yet
		r.Handlers = append(r.Handlers, protocol.Seat{Regime: protocol.WPG, Person: policeH})
		r.Approvers = append(r.Approvers, protocol.Seat{Regime: protocol.WPG, Person: policeA})
		for _, p := range []protocol.PersonID{"p-c", "p-d", "p-e", "p-f"} {
			r.Handlers = append(r.Handlers, protocol.Seat{Regime: protocol.AVG, Person: p})
			r.Approvers = append(r.Approvers, protocol.Seat{Regime: protocol.AVG, Person: p})
		}
	})
	c.do(EnrolRecorder{admin, c.town.Recorder, c.town.LogKey, c.town.Log.Name(), "https://recorder.test", c.town.Roots, roster})
	c.do(appoint(registrar, "", Post{Role: Registrar}))
	c.do(appoint(handler, "", Post{Handler, protocol.AVG}))
	c.do(appoint(approver, "", Post{Approver, protocol.AVG}))
	c.do(appoint(approver2, "", Post{Approver, protocol.AVG}))
	c.do(appoint(officer, "", Post{Role: Officer}))
	c.do(appoint(requester, "basisteam", Post{Role: Requester}))
	c.do(appoint(colleague, "basisteam", Post{Role: Requester}))
	c.do(appoint(policeH, "recherche", Post{Handler, protocol.WPG}))
	c.do(appoint(policeA, "recherche", Post{Approver, protocol.WPG}))

	c.do(AdoptProtocol{registrar, buildings()})
	c.do(AdoptProtocol{registrar, street()})
	c.do(RecordDPIA{registrar, assessment()})
	c.do(AdviseDPIA{officer, "camera-s", Advice{"ja", "model van het rijk", "zelf", "afschermen en kort bewaren", "ja, ga door"}})
	c.do(RegisterPlacement{registrar, hall()})
	c.do(RegisterPlacement{registrar, square()})
	c.do(Activate{registrar, "hal"})
	c.do(Activate{registrar, "plein"})
	c.do(Appoint{admin, Appointment{Person: staff, Posts: []Post{{Role: Staff}}, Cameras: []protocol.CameraID{"hal"}, Secrecy: day(-10)}})
	for _, p := range []protocol.PersonID{handler, approver, approver2, requester, colleague, staff} {
		c.reads(p)
	}
	c.do(AcknowledgeProtocol{policeH, ProtocolRef{"straat", 1}})
	c.do(AcknowledgeProtocol{policeA, ProtocolRef{"straat", 1}})
	return c
}

// covenant is with a unit of the police.
func covenant(id, reference string, until protocol.Time) Unit {
	return Unit{id, "Politie " + id, reference, until, AgreementFacts{Kind: ChainPartner, Parties: "gemeente en politie; ieder voor de eigen verwerking", Goals: "opsporing", Special: "geen", Informing: "bord en website",
		Processings: "verstrekken van camerabeelden", Rights: "via de gemeente", ValidFrom: day(-30), Review: day(300)}}
}

// reads has somebody read the protocols of both cameras.
func (c *centre) reads(p protocol.PersonID) {
	c.t.Helper()
	c.do(AcknowledgeProtocol{p, ProtocolRef{"gebouwen", 1}})
	c.do(AcknowledgeProtocol{p, ProtocolRef{"straat", 1}})
}

func buildings() CameraProtocol {
	return CameraProtocol{ID: "gebouwen", Version: 1, Title: "Cameraprotocol gebouwen", Regime: protocol.AVG, Purposes: []Purpose{Buildings, Visitors, StaffSafety}, Bases: []Basis{LegitimateInterest},
		Window: protocol.Window(7 * 24 * time.Hour), LongestHold: protocol.Window(60 * 24 * time.Hour), Form: ViewLive, Roles: ProtocolUsers,
		Viewing: "alleen door de receptie", Release: "na vordering, met vier ogen", Recognisability: "gezichten bij de ingang, elders silhouetten", Security: "recorder in een afgesloten kast",
		WorksCouncil: "OR-2026-4", AdoptedBy: "college", AdoptedOn: day(-30), Published: "gemeenteblad 2026-1", ValidFrom: day(-30), Review: day(700), Document: protocol.HashOf([]byte("protocol gebouwen"))}
}

func street() CameraProtocol {
	p := buildings()
	p.ID, p.Title, p.Regime, p.Purposes, p.Bases, p.WorksCouncil = "straat", "Cameraprotocol straat", protocol.WPG, []Purpose{StreetSafety}, []Basis{PublicOrder}, ""
	p.Window, p.LongestHold, p.AdoptedBy, p.Published, p.Document = protocol.MaxWindow, protocol.MaxWindow, "burgemeester", "gemeenteblad 2026-2", protocol.HashOf([]byte("protocol straat"))
	return p
}

func hall() PlacementFacts {
	return PlacementFacts{Camera: "hal", Name: "Hal stadskantoor", Regime: protocol.AVG, Position: At(51.4793, 5.657), Place: "hoofdingang", Direction: 90,
		Purposes: []Purpose{Buildings, Visitors}, Subsidiarity: "beveiligers alleen volstaan niet", Proportionality: "alleen de ingang",
		Besluit:  Besluit{Reference: "B-2026-14", Date: day(-20), ValidFrom: day(-10), ValidUntil: day(300), Body: "college", Area: "stadskantoor"},
		Protocol: ProtocolRef{"gebouwen", 1}, Sign: Sign{Placed: day(-5)}, Recorder: "rec-1", Streams: []protocol.StreamID{"main"},
		Publication: PublishExact, Contact: "fg@stad.example", Particulars: Particulars{Masks: "de straat buiten", Quality: Observe, FilmsStaff: No, Selection: "20.1.2", DPIA: "camera-s",
			Owners:  Owners{"teammanager facilitair", "", "beveiliging", "privacy officer", "gemeenteraad"},
			Storage: Storage{Netherlands, "kast 1, stadskantoor"}}}
}

func assessment() DPIA {
	return DPIA{ID: "camera-s", Title: "Camera's in en om gebouwen", Reference: "zaaksysteem Z-2026-12", Date: day(-40), Score: 6, Review: day(400)}
}

func square() PlacementFacts {
	p := hall()
	p.Camera, p.Name, p.Regime, p.Purposes, p.Protocol = "plein", "Plein noord", protocol.WPG, []Purpose{StreetSafety}, ProtocolRef{"straat", 1}
	p.Besluit.Prosecutor = day(-25)
	p.Place, p.Publication, p.PublicationReason = "bij de fontein", PublishArea, "op verzoek van de politie"
	return p
}

func theft() RequestFacts {
	return RequestFacts{Kind: Vordering, Article: "126nda", Authority: "hulpofficier Jansen", Cameras: []protocol.CameraID{"hal"},
		Asked: protocol.Span(start.Add(-time.Hour), start.Add(-50*time.Minute)), Reference: "PL2100-2026-1", Necessity: "de verdachte liep langs de ingang"}
}

func placed(h *Hold) protocol.HoldPlaced {
	return protocol.HoldPlaced{Hold: h.HoldID(), Request: h.Request, Camera: h.Camera, Asked: h.Asked,
		Interval: protocol.Span(h.Asked.From.Add(-20*time.Second), h.Asked.To.Add(40*time.Second)), Segments: 11, Bytes: 1 << 20, Root: protocol.HashOf([]byte("root")), End: h.End}
}

func (c *centre) source() Source { c.seq++; return Source{Recorder: c.town.Recorder, Seq: c.seq} }

// confirm lets the recorder confirm all of a request's holds.
func (c *centre) confirm(id protocol.RequestID) {
	c.t.Helper()
	for _, h := range c.s.Request(id).Holds {
		c.do(ConfirmHold{c.source(), placed(h)})
	}
}

func (c *centre) approved(id protocol.RequestID) []Approved {
	var list []Approved
	for _, h := range c.s.Request(id).Holds {
		list = append(list, Approved{h.Camera, h.Rounded()})
	}
	return list
}

// granted takes a request to its grants.
func (c *centre) granted(by, h, a protocol.PersonID, f RequestFacts) *Request {
	c.t.Helper()
	c.do(FileRequest{by, f})
	id := c.s.order[len(c.s.order)-1]
	c.confirm(id)
	c.do(CheckRequest{By: h, Request: id, Complete: true, Necessary: true})
	c.do(DecideRequest{By: a, Request: id, Outcome: Grants, Reason: Complies, Motivation: "voldoet", Approved: c.approved(id)})
	return c.s.Request(id)
}

func released(g *Grant) protocol.Released {
	return protocol.Released{Grant: g.GrantID(), Request: g.Request, Camera: g.Camera, Intent: 40, Object: ObjectName(g.Recorder, g.GrantID()), Size: 9, SHA256: protocol.HashOf([]byte("o")),
		Bag: protocol.HashOf([]byte("b")), Manifest: protocol.HashOf([]byte("m")), Segments: 11}
}

func names(events []Event) string {
	var list []string
	for _, e := range events {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func lastOrder[T protocol.Document](c *centre) T {
	c.t.Helper()
	orders := c.s.Recorder(c.town.Recorder).Orders
	signed, err := protocol.ParseDocument([]byte(orders[len(orders)-1].Document))
	if err != nil {
		c.t.Fatal(err)
	}
	d, ok := signed.Document.(T)
	if !ok {
		c.t.Fatalf("last order is a %s", signed.Kind())
	}
	return d
}

func TestRequestFromFilingToHandOver(t *testing.T) {
	c := newCentre(t)
	orders := len(c.s.Recorder("rec-1").Orders)

	if got := names(c.do(FileRequest{requester, theft()})); got != "request.filed order.issued" {
		t.Fatal(got)
	}
	hold := lastOrder[*protocol.Hold](c)
	if hold.Ground != protocol.GroundRequest || !hold.Asked.Equal(theft().Asked) || hold.End.Sub(hold.NotBefore.Time) > protocol.MaxHoldSingle {
		t.Errorf("hold %+v", hold)
	}
	c.refused(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true}, CodeNotConfirmed)
	c.confirm("z-1")
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeState)
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})

	wrong := c.approved("z-1")
	wrong[0].Interval = theft().Asked // what was asked, not what will be released
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "voldoet", Approved: wrong}, CodeInterval)
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "voldoet", Approved: c.approved("z-1")})
	r := c.s.Request("z-1")
	g := lastOrder[*protocol.Grant](c)
	if g.Requester != requester || g.Handler != handler || g.Approver != approver || g.Recipient != c.town.Vault.Recipient().String() ||
		!g.Interval.Equal(r.Holds[0].Rounded()) || g.NotAfter.Sub(g.NotBefore.Time) > protocol.ReleaseGrantTerm || r.Grants[0].Level != protocol.LevelCentre {
		t.Errorf("grant %+v", g)
	}
	c.refused(DecideRequest{By: approver2, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "nog eens", Approved: c.approved("z-1")}, CodeState)

	c.refused(RecordDownload{requester, "z-1", g.GrantID()}, CodeState)
	release := RecordRelease{c.source(), released(r.Grants[0])}
	c.do(release)
	if got := c.do(release); got != nil {
		t.Errorf("the same entry twice gave %s", names(got))
	}
	if r.Status != Released {
		t.Errorf("status %s", r.Status)
	}
	c.refused(ConfirmHandOver{requester, "z-1", ""}, CodeState)
	c.refused(RecordDownload{handler, "z-1", g.GrantID()}, CodeForbidden)
	c.refused(RecordDownload{admin, "z-1", g.GrantID()}, CodeForbidden)
	c.refused(RecordDownload{officer, "z-1", g.GrantID()}, CodeForbidden)
	c.do(RecordDownload{colleague, "z-1", g.GrantID()}) // the own unit
	if got := names(c.do(ConfirmHandOver{requester, "z-1", "opgeslagen"})); got != "handover.confirmed order.issued" {
		t.Error(got)
	}
	if l := lastOrder[*protocol.Lift](c); l.Reason != protocol.LiftReleased || l.Hold != hold.HoldID() {
		t.Errorf("lift %+v", l)
	}
	c.now = c.now.Add(protocol.HandOverTerm)
	c.refused(RecordDownload{requester, "z-1", g.GrantID()}, CodeTerm)

	out := c.s.Outbox("rec-1", uint64(orders))
	if len(out) != 3 || out[0].Number != uint64(orders)+1 || out[2].Kind != "lift" {
		t.Errorf("outbox %v", out)
	}
	var history []string
	for _, m := range r.History {
		history = append(history, m.Name)
	}
	if got := strings.Join(history, " "); got != "request.filed order.issued hold.confirmed request.checked request.decided order.issued release.ready release.downloaded handover.confirmed order.issued" {
		t.Error(got)
	}
}

func TestRefusalLiftsTheHold(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()})
	c.confirm("z-1")
	c.refused(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: false}, CodeInvalid) // not necessary: say why
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: false, Remark: "een foto is er al"})
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "toch", Approved: c.approved("z-1")}, CodeState)
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Refuses, Reason: NotNecessary, Motivation: "een foto is er al"})
	if l := lastOrder[*protocol.Lift](c); l.Reason != protocol.LiftRefused || l.Handler != handler || l.Approver != approver {
		t.Errorf("lift %+v", l)
	}
	if r := c.s.Request("z-1"); r.Status != Refused || len(r.Grants) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestNobodyCameForIt(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	c.now = c.now.Add(protocol.HandOverTerm - time.Millisecond)
	if got := c.do(Tend{}); got != nil {
		t.Errorf("too early: %s", names(got))
	}
	c.now = c.now.Add(time.Millisecond)
	if got := names(c.do(Tend{})); got != "handover.lapsed order.issued" {
		t.Error(got)
	}
	if got := c.do(Tend{}); got != nil || r.Status != Closed {
		t.Errorf("%s, %s", names(got), r.Status)
	}
}

func TestOneRecordersTroubleDoesNotStopTheRest(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	c.do(PublishRoster{admin, "rec-1", c.town.Roster(2, func(r *protocol.Roster) { r.LevelCentre, r.NotAfter = true, day(5) })})
	c.now = c.now.Add(protocol.HandOverTerm)
	if got := names(c.do(Tend{})); got != "handover.lapsed incident.opened" || r.Status != Closed {
		t.Error(got)
	}
}

func TestFailedOrRunOutGrantIsDecidedAgain(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	c.do(RecordReleaseFailed{c.source(), protocol.ReleaseFailed{Grant: r.Grants[0].GrantID(), Request: r.ID, Reason: "vault does not answer"}})
	c.do(RecordReleaseFailed{c.source(), protocol.ReleaseFailed{Grant: r.Grants[0].GrantID(), Request: r.ID, Reason: "vault does not answer"}})
	if got := c.s.Incidents(c.now); len(got) != 1 || got[0].Kind != "release-failed" || got[0].Request != r.ID {
		t.Errorf("incidents %+v", got)
	}
	c.refused(DecideRequest{By: approver, Request: r.ID, Outcome: Grants, Reason: Complies, Motivation: "opnieuw", Approved: c.approved(r.ID)}, CodeState) // it still tries
	c.now = r.Grants[0].NotAfter.Time
	c.refused(DecideRequest{By: handler, Request: r.ID, Outcome: Grants, Reason: Complies, Motivation: "opnieuw", Approved: c.approved(r.ID)}, CodeForbidden)
	c.do(DecideRequest{By: approver2, Request: r.ID, Outcome: Grants, Reason: Complies, Motivation: "opnieuw", Approved: c.approved(r.ID)})
	c.do(RecordRelease{c.source(), released(r.Grants[1])})
	if r.Status != Released || r.Grants[0].ID == r.Grants[1].ID {
		t.Errorf("%s, grants %s %s", r.Status, r.Grants[0].ID, r.Grants[1].ID)
	}
}

// Three different people, whatever posts they hold; no role stands above it.
func TestI12_ThreePeople(t *testing.T) {
	c := newCentre(t)
	all := func(p protocol.PersonID) {
		c.do(appoint(p, "basisteam", Post{Role: Requester}, Post{Handler, protocol.AVG}, Post{Approver, protocol.AVG}, Post{Role: Registrar}))
	}
	for _, p := range []protocol.PersonID{"p-c", "p-d", "p-e"} {
		all(p)
	}
	c.do(FileRequest{"p-c", theft()})
	c.confirm("z-1")
	c.refused(CheckRequest{By: "p-c", Request: "z-1", Complete: true, Necessary: true}, CodeSamePerson)
	c.do(CheckRequest{By: "p-d", Request: "z-1", Complete: true, Necessary: true})
	for _, p := range []protocol.PersonID{"p-c", "p-d"} {
		c.refused(DecideRequest{By: p, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeSamePerson)
	}
	for _, p := range []protocol.PersonID{admin, officer, registrar, handler, requester, policeA, System, "p-nobody"} {
		c.refused(DecideRequest{By: p, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeForbidden)
	}
	c.do(DecideRequest{By: "p-e", Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")})
}

// Commands at random, by people with every post they may combine: two of them, with an administrator and a privacy officer who try everything
// too, never get a grant; three do.
func TestI12_FewerPeopleNeverGetAGrant(t *testing.T) {
	run := func(t *testing.T, seed uint64, people ...protocol.PersonID) int {
		c := newCentre(t)
		rnd := mathrand.New(mathrand.NewPCG(seed, 12))
		for _, p := range people {
			c.do(appoint(p, "basisteam", Post{Role: Requester}, Post{Handler, protocol.AVG}, Post{Approver, protocol.AVG}))
		}
		actors := append([]protocol.PersonID{admin, officer, registrar, System}, people...)
		who := func() protocol.PersonID { return actors[rnd.IntN(len(actors))] }
		for range 150 {
			if len(c.s.order) == 0 || rnd.IntN(6) == 0 {
				_, _ = c.try(FileRequest{who(), theft()})
				continue
			}
			id := c.s.order[rnd.IntN(len(c.s.order))]
			var cmd Command
			switch rnd.IntN(5) {
			case 0:
				h := c.s.Request(id).Holds[0]
				cmd = ConfirmHold{c.source(), placed(h)}
			case 1:
				cmd = CheckRequest{By: who(), Request: id, Complete: true, Necessary: true}
			case 2:
				cmd = DecideRequest{By: who(), Request: id, Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved(id)}
			case 3: // an appointment in between changes who holds what, not how many there are
				cmd = Appoint{who(), appoint(people[rnd.IntN(len(people))], "basisteam", Post{Role: Requester}, Post{Handler, protocol.AVG}, Post{Approver, protocol.AVG}).Appointment}
			case 4:
				cmd = Appoint{who(), Appointment{Person: actors[rnd.IntN(2)], Posts: []Post{{Approver, protocol.AVG}, {Role: Officer}, {Role: Administrator}}, Secrecy: day(-1)}}
			}
			if _, err := c.try(cmd); err != nil {
				if _, ok := RefusalOf(err); !ok {
					t.Fatalf("%T: %v is no refusal", cmd, err)
				}
			}
		}
		for _, g := range c.s.grants {
			if g.Requester == g.Handler || g.Handler == g.Approver || g.Requester == g.Approver || !slices.Contains(people, g.Approver) {
				t.Fatalf("grant by %s, %s, %s", g.Requester, g.Handler, g.Approver)
			}
		}
		return len(c.s.grants)
	}
	three := 0
	for seed := range uint64(15) {
		if n := run(t, seed, "p-c", "p-d"); n > 0 {
			t.Fatalf("seed %d: %d grants by two people", seed, n)
		}
		three += run(t, seed, "p-c", "p-d", "p-e")
	}
	if three == 0 {
		t.Error("three people got no grant either: this test shows nothing")
	}
}

func TestR01_PlacementStatesCodedPurposesAndWhy(t *testing.T) {
	c := newCentre(t)
	for what, change := range map[string]func(*PlacementFacts){
		"no purpose":         func(p *PlacementFacts) { p.Purposes = nil },
		"no subsidiarity":    func(p *PlacementFacts) { p.Subsidiarity = " " },
		"no proportionality": func(p *PlacementFacts) { p.Proportionality = "" },
	} {
		p := hall()
		p.Camera = "nieuw"
		change(&p)
		t.Log(what)
		c.refused(RegisterPlacement{registrar, p}, CodeInvalid)
	}
	p := hall()
	p.Camera, p.Purposes = "nieuw", []Purpose{"other"}
	c.refused(RegisterPlacement{registrar, p}, CodePurpose)
	p.Purposes = []Purpose{Museum} // known, but not in this protocol
	c.do(RegisterPlacement{registrar, p})
	c.refused(Activate{registrar, "nieuw"}, CodePurpose)
}

// Sound goes further than the picture: off by default, and on only with a reason and an assessment of its own, by protocol and roster, said on the sign and in public.
func TestR01_R12_R15_SoundHasItsOwnReasonAssessmentAndSign(t *testing.T) {
	c := newCentre(t)
	if m := c.s.Placement("hal").Mandate(); m.Sound != protocol.SoundNone {
		t.Errorf("sound is %s where nobody spoke of it", m.Sound)
	}
	rules := *c.s.Protocol(ProtocolRef{"gebouwen", 1})
	rules.Version, rules.Sound = 2, true
	c.do(AdoptProtocol{registrar, rules})
	p := hall()
	p.Camera, p.Sound = "balie", Sound{Reason: "bedreigingen aan de balie zijn niet te zien"}
	c.refused(RegisterPlacement{registrar, p}, CodeInvalid) // no assessment
	p.Sound = Sound{DPIA: "DPIA-2026-7"}
	c.refused(RegisterPlacement{registrar, p}, CodeInvalid) // no reason
	p.Sound.Reason = "bedreigingen aan de balie zijn niet te zien"
	wpg := square()
	wpg.Camera, wpg.Sound = "straat", p.Sound
	c.refused(RegisterPlacement{registrar, wpg}, CodeRegime)
	c.do(RegisterPlacement{registrar, p})
	c.refused(Activate{registrar, "balie"}, CodeNotReady) // the sign says nothing of it
	c.do(PlaceSign{registrar, "balie", Sign{Placed: day(-1), Sound: true}})
	c.refused(Activate{registrar, "balie"}, CodeNotReady) // version 1 of the protocol allows none
	p.Protocol.Version, p.Sign = 2, c.s.Placement("balie").Sign
	c.do(AmendPlacement{registrar, p})
	c.refused(Activate{registrar, "balie"}, CodeRoster)
	roster := c.town.Roster(2, func(r *protocol.Roster) {
		r.LevelCentre, r.Sound = true, protocol.SoundAllowed
	})
	c.do(PublishRoster{admin, "rec-1", roster})
	c.do(Activate{registrar, "balie"})
	if m := lastOrder[*protocol.Mandate](c); m.Camera != "balie" || m.Sound != protocol.SoundAllowed {
		t.Errorf("mandate %+v", m)
	}
	if pub, ok := c.s.PublicCamera("balie", c.now); !ok || !pub.Sound || pub.SoundReason != p.Sound.Reason {
		t.Errorf("public: %+v", pub)
	}

	// Less of it takes two approvers, and leaves the pictures as they are.
	c.refused(EndPlacement{approver, "hal", Mute, "x"}, CodeState)
	c.do(EndPlacement{approver, "balie", Mute, "niet meer nodig"})
	c.refused(EndPlacement{approver, "balie", Mute, "niet meer nodig"}, CodeSamePerson)
	c.do(EndPlacement{approver2, "balie", Mute, "niet meer nodig"})
	m := lastOrder[*protocol.Mandate](c)
	if m.Sound != protocol.SoundNone || m.Version != 2 || !m.NotAfter.Equal(p.Besluit.ValidUntil.Time) || !slices.Equal(m.Approvers, []protocol.PersonID{approver, approver2}) {
		t.Errorf("mandate %+v", m)
	}
	if b := c.s.Placement("balie"); b.Status != Active || b.Sound != (Sound{}) || b.Proposed != nil {
		t.Errorf("placement %+v", b)
	}
	if pub, _ := c.s.PublicCamera("balie", c.now); pub.Sound {
		t.Error("the public is told of sound that is over")
	}
}

func TestR02_NoJudgingOfStaff(t *testing.T) {
	c := newCentre(t)
	f := theft()
	f.Kind, f.Purpose, f.Until, f.ViewerKey = Standing, "judging-staff", day(30), viewer(t)
	c.refused(FileRequest{staff, f}, CodeJudgingStaff)
	c.refused(FileRequest{requester, f}, CodeJudgingStaff)
	if _, err := c.try(FileRequest{staff, f}); !strings.Contains(err.(*Refusal).NL, "nadrukkelijk niet") {
		t.Errorf("the reason is not told: %v", err)
	}
	p := hall()
	p.Camera, p.Purposes = "nieuw", []Purpose{"judging-staff"}
	c.refused(RegisterPlacement{registrar, p}, CodeJudgingStaff)
	for _, purpose := range Purposes {
		if strings.Contains(string(purpose), "judg") {
			t.Errorf("purpose %s", purpose)
		}
	}
	if !slices.Contains(RefusalReasons, JudgingStaff) {
		t.Error("an approver cannot say that this is why")
	}
}

func TestR08_OfficerStandsAlone(t *testing.T) {
	c := newCentre(t)
	for _, post := range []Post{{Role: Registrar}, {Handler, protocol.AVG}, {Approver, protocol.AVG}, {Role: Administrator}, {Role: Requester}, {Role: Staff}} {
		c.refused(appoint("p-x", "basisteam", Post{Role: Officer}, post), CodeCombination)
		c.refused(appoint("p-x", "basisteam", post, Post{Role: Officer}), CodeCombination)
	}
	c.refused(Appoint{admin, Appointment{Person: admin, Posts: []Post{{Role: Administrator}}}}, CodeForbidden) // nobody appoints themselves
	c.refused(appoint("p-x", "", Post{Role: Administrator}, Post{Approver, protocol.AVG}), CodeCombination)
	for _, cmd := range []Command{
		CheckRequest{By: officer, Request: "z-1", Complete: true, Necessary: true}, DecideRequest{By: officer, Request: "z-1", Outcome: Refuses, Reason: NoPower, Motivation: "x"},
		EndPlacement{officer, "hal", Withdraw, "x"}, Activate{officer, "hal"}, FileRequest{officer, theft()}, Appoint{officer, Appointment{Person: "p-x"}},
	} {
		if _, ok := cmd.(CheckRequest); ok {
			c.do(FileRequest{requester, theft()})
			c.confirm("z-1")
		}
		c.refused(cmd, CodeForbidden)
	}
	if !c.s.MayRead(officer, c.s.Request("z-1"), c.now) {
		t.Error("the officer cannot read a request")
	}
}

func TestR17_NoSecrecyStatementNoWork(t *testing.T) {
	c := newCentre(t)
	for _, secrecy := range []protocol.Time{{}, day(1)} {
		c.do(Appoint{admin, Appointment{Person: handler, Posts: []Post{{Handler, protocol.AVG}}, Secrecy: secrecy}})
		c.do(FileRequest{requester, theft()})
		id := c.s.order[len(c.s.order)-1]
		c.confirm(id)
		c.refused(CheckRequest{By: handler, Request: id, Complete: true, Necessary: true}, CodeInactive)
		if len(c.s.Inbox(handler, c.now)) != 0 {
			t.Error("an inactive handler has an inbox")
		}
	}
	c.now = c.now.Add(25 * time.Hour)
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})

	c.now = day(366).Time // the police's agreement has ended
	c.refused(FileRequest{requester, theft()}, CodeInactive)
}

func TestWpgIsDecidedByThePolice(t *testing.T) {
	c := newCentre(t)
	f := theft()
	f.Cameras = []protocol.CameraID{"plein"}
	c.refused(FileRequest{requester, f}, CodeRegime) // no vordering within the police
	f.Kind, f.Article = WpgRelease, ""
	c.do(FileRequest{requester, f})
	c.confirm("z-1")
	c.refused(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true}, CodeForbidden)
	c.do(CheckRequest{By: policeH, Request: "z-1", Complete: true, Necessary: true})
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeForbidden)
	c.do(DecideRequest{By: policeA, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")})
	f.Cameras = []protocol.CameraID{"hal", "plein"}
	c.refused(FileRequest{requester, f}, CodeRegime)
	if c.s.MayRead(handler, c.s.Request("z-1"), c.now) {
		t.Error("the municipality's handler reads a request of the police")
	}
}

func TestAskedInterval(t *testing.T) {
	c := newCentre(t)
	for _, bad := range []struct {
		from, to time.Duration
		code     string
	}{
		{-time.Hour, time.Second, CodeInterval},
		{-time.Hour, -time.Hour, CodeInterval},
		{-30 * time.Hour, -5 * time.Hour, CodeInterval},
		{-8 * 24 * time.Hour, -8*24*time.Hour + time.Hour, CodeOutOfReach},
	} {
		f := theft()
		f.Asked = protocol.Interval{From: start.Add(bad.from), To: start.Add(bad.to)}
		c.refused(FileRequest{requester, f}, bad.code)
		if bad.code == CodeOutOfReach {
			f.MayBeGone = true // told: perhaps it is held
			c.do(FileRequest{requester, f})
		}
	}
	f := theft()
	f.Cameras = []protocol.CameraID{"nergens"}
	c.refused(FileRequest{requester, f}, CodeUnknown)
	f = theft()
	f.Article = "126nf"
	c.refused(FileRequest{requester, f}, CodeInvalid) // the magistrate's leave
	f.Article = "126ne"
	c.refused(FileRequest{requester, f}, CodeInterval) // future data begin at the demand
	f.Demanded = protocol.T(f.Asked.From)
	c.do(FileRequest{requester, f})
}

// TestBadRequestsAreNamed: whoever asks outside what exists, or is not known here, is told what and where.
func TestBadRequestsAreNamed(t *testing.T) {
	c := newCentre(t)
	say := func(cmd Command, words ...string) {
		t.Helper()
		_, err := c.try(cmd)
		r, ok := RefusalOf(err)
		for _, w := range words {
			if !ok || !strings.Contains(r.NL+r.EN, w) {
				t.Errorf("%T: %v does not say %q", cmd, err, w)
			}
		}
	}
	f := theft()
	f.Asked = protocol.Span(start.Add(-10*24*time.Hour), start.Add(-10*24*time.Hour+time.Hour))
	say(FileRequest{requester, f}, "hal", "P7D", "waarschijnlijk al verwijderd")
	f.Asked = protocol.Span(start, start.Add(time.Hour))
	say(FileRequest{requester, f}, "toekomst")
	f.Cameras = []protocol.CameraID{"nergens"}
	say(FileRequest{requester, f}, "Camera", "nergens")
	say(CheckRequest{By: handler, Request: "z-99", Complete: true, Necessary: true}, "Aanvraag", "z-99")
	say(FileRequest{"p-nobody", theft()}, "niet aangesteld")
	say(AgreeUnit{"p-nobody", Unit{}}, "niet aangesteld")
	say(RecordDownload{requester, "z-99", "g-99"}, "Aanvraag", "z-99")
	c.do(FileRequest{requester, theft()})
	empty := placed(c.s.Request("z-1").Holds[0])
	empty.Segments = 0
	c.do(ConfirmHold{c.source(), empty})
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	say(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "voldoet"}, "Geen recorder bewaart beelden")
}

func TestHoldEndsWithTheMandatesLongestHoldFromTheFirst(t *testing.T) {
	c := newCentre(t)
	f := theft()
	f.Kind, f.Article, f.Cameras, f.MayBeGone = WpgRelease, "", []protocol.CameraID{"plein"}, true
	c.do(FileRequest{requester, f})
	first := lastOrder[*protocol.Hold](c)
	c.now = c.now.Add(20 * 24 * time.Hour)
	c.do(FileRequest{requester, f})
	if again := lastOrder[*protocol.Hold](c); !again.End.Equal(first.End.Time) {
		t.Errorf("second hold ends %s, the first %s: the longest hold of 28 days counts from the first", again.End, first.End)
	}
	c.now = first.End.Time
	c.refused(FileRequest{requester, f}, CodeTerm)
}

func viewer(t testing.TB) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return "p256:" + base64.RawURLEncoding.EncodeToString(elliptic.MarshalCompressed(elliptic.P256(), key.X, key.Y))
}

func TestStandingView(t *testing.T) {
	c := newCentre(t)
	f := RequestFacts{Kind: Standing, Purpose: Buildings, Cameras: []protocol.CameraID{"hal"}, Reference: "dienst", Necessity: "toezicht bij de ingang", ViewerKey: viewer(t), Until: day(90)}
	bad := f
	bad.Until = day(91)
	c.refused(FileRequest{staff, bad}, CodeInvalid)
	bad = f
	bad.ViewerKey = "p256:AAAA"
	c.refused(FileRequest{staff, bad}, CodeInvalid)
	bad = f
	bad.Purpose = Museum // not why this camera hangs there
	c.refused(FileRequest{staff, bad}, CodePurpose)
	bad = f
	bad.Cameras = []protocol.CameraID{"plein"}
	c.refused(FileRequest{staff, bad}, CodeForbidden) // not assigned
	if got := names(c.do(FileRequest{staff, f})); got != "request.filed" {
		t.Error(got)
	}
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x"})
	g := lastOrder[*protocol.Grant](c)
	if g.Use != protocol.UseStanding || g.Recipient != f.ViewerKey || g.Requester != staff {
		t.Errorf("%+v", g)
	}
	if got := c.s.StandingGrants(staff, c.now); len(got) != 1 {
		t.Errorf("standing grants %v", got)
	}
	if got := c.s.StandingGrants(staff, day(91).Time); len(got) != 0 {
		t.Errorf("standing grants after ninety days %v", got)
	}
}

func TestMandateFollowsTheBesluit(t *testing.T) {
	c := newCentre(t)
	p := c.s.Placement("hal")
	if m := p.Mandate(); !m.NotAfter.Equal(p.Besluit.ValidUntil.Time) || m.Window != protocol.Window(7*24*time.Hour) || m.Version != 1 {
		t.Errorf("mandate %+v", m)
	}
	if p.StatusAt(day(299).Time) != Active || p.StatusAt(day(300).Time) != Lapsed {
		t.Error("lapse needs no event, and was not seen")
	}
	b := p.Besluit
	b.Reference, b.ValidUntil = "B-2027-1", day(299)
	c.refused(Renew{registrar, "hal", b}, CodeInvalid) // shorter: two approvers
	b.ValidFrom, b.ValidUntil = day(300), day(700)
	c.do(Renew{registrar, "hal", b})
	if m := p.Mandate(); m.Version != 2 || !m.NotAfter.Equal(day(700).Time) || m.Besluit != "B-2027-1" {
		t.Errorf("mandate %+v", m)
	}
	c.refused(RegisterPlacement{registrar, hall()}, CodeExists)
	noSign := hall()
	noSign.Camera, noSign.Sign = "nieuw", Sign{}
	c.do(RegisterPlacement{registrar, noSign})
	c.refused(Activate{registrar, "nieuw"}, CodeNotReady)
	if _, public := c.s.PublicCamera("nieuw", c.now); public {
		t.Error("a draft is public")
	}
	c.do(PlaceSign{registrar, "nieuw", Sign{Exception: "binnen, bij de balie gemeld"}})
	c.do(Activate{registrar, "nieuw"})
}

func TestEndingTakesTwoApprovers(t *testing.T) {
	c := newCentre(t)
	c.refused(EndPlacement{admin, "hal", Suspend, "x"}, CodeForbidden)
	c.do(EndPlacement{approver, "hal", Suspend, "verbouwing"})
	if c.s.Placement("hal").Status != Active {
		t.Error("one approver suspended a camera")
	}
	c.refused(EndPlacement{approver, "hal", Suspend, "verbouwing"}, CodeSamePerson)
	c.do(EndPlacement{approver2, "hal", Suspend, "verbouwing"})
	m := lastOrder[*protocol.Mandate](c)
	if m.Version != 2 || m.NotAfter.After(c.now) || !slices.Equal(m.Approvers, []protocol.PersonID{approver, approver2}) {
		t.Errorf("mandate %+v", m)
	}
	c.do(Activate{registrar, "hal"})
	c.do(EndPlacement{approver, "hal", Withdraw, "gesloopt"})
	c.do(EndPlacement{approver2, "hal", Withdraw, "gesloopt"})
	c.refused(Activate{registrar, "hal"}, CodeState)
	if c.s.Placement("hal").Status != Removed {
		t.Error(c.s.Placement("hal").Status)
	}
}

// A hold that was confirmed while a disk of the recorder was missing is confirmed again with more when it is back. What says less changes nothing.
func TestHoldIsConfirmedAgainWithMore(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()})
	all := placed(c.s.Request("z-1").Holds[0])
	part := all
	part.Segments, part.Bytes, part.Root = 4, 1<<18, protocol.HashOf([]byte("part"))
	for _, said := range []protocol.HoldPlaced{part, all, part} {
		c.do(ConfirmHold{c.source(), said})
	}
	if h := c.s.Request("z-1").Holds[0]; h.Confirmed.Segments != all.Segments || h.Confirmed.Root != all.Root {
		t.Errorf("confirmed: %+v", h.Confirmed)
	}
}

func TestFactsThatDoNotFitBecomeIncidents(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()})
	if got := c.s.LateHolds(c.now.Add(HoldAlarm - time.Second)); len(got) != 0 {
		t.Error("alarm too early")
	}
	if got := c.s.Incidents(c.now.Add(HoldAlarm)); len(got) != 1 || got[0].Kind != "hold-late" || got[0].Request != "z-1" {
		t.Errorf("no alarm after five minutes: %+v", got)
	}
	other := placed(c.s.Request("z-1").Holds[0])
	other.Asked = protocol.Span(start.Add(-3*time.Hour), start)
	c.do(ConfirmHold{c.source(), other})
	c.do(RecordRelease{c.source(), protocol.Released{Grant: "g-99", Request: "z-1", Camera: "hal"}})
	refusal := RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: c.s.Request("z-1").Holds[0].Number, Kind: "hold", ID: "whatever", Reason: "disk full"}}
	c.do(refusal)
	if c.do(refusal) != nil {
		t.Error("the same entry twice")
	}
	var kinds []string
	for _, i := range c.s.Incidents(c.now.Add(HoldAlarm)) {
		kinds = append(kinds, i.Kind)
	}
	slices.Sort(kinds)
	if got := strings.Join(kinds, " "); got != "hold-mismatch order-refused release-unknown" {
		t.Error(got)
	}
	if h := c.s.Request("z-1").Holds[0]; h.State() != "refused" {
		t.Error(h.State())
	}
	// With nothing held an approver can only refuse.
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x"}, CodeNoFootage)
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Refuses, Reason: NoFootage, Motivation: "de recorder kon niets bewaren"})
}

func TestAccessesBesideTheirGrants(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	g := r.Grants[0]
	good := Access{Recorder: g.Recorder, Seq: 7, At: protocol.T(c.now), Kind: protocol.KindIntent, Access: protocol.Access{How: "release", Grant: g.GrantID(), Request: r.ID,
		Camera: g.Camera, Interval: g.Interval, Person: requester, Recipient: g.Grant.Recipient}}
	orphans := []func(*Access){
		func(a *Access) { a.Grant = "g-99" },
		func(a *Access) { a.Recorder = "rec-2" },
		func(a *Access) { a.Person = "p-x" },
		func(a *Access) { a.Recipient = "age1other" },
		func(a *Access) { a.Interval.To = a.Interval.To.Add(time.Millisecond) },
		func(a *Access) { a.At = protocol.T(c.now.Add(48 * time.Hour)) },
		func(a *Access) { a.How = "live" },
	}
	list := []Access{good}
	for _, spoil := range orphans {
		a := good
		spoil(&a)
		list = append(list, a)
	}
	matched := c.s.Match(list)
	for i, m := range matched {
		if want := i < len(orphans); m.Orphan() != want {
			t.Errorf("access %d: orphan %v, want %v: orphans come first", i, m.Orphan(), want)
		}
	}
	if last := matched[len(matched)-1]; last.Dossier != r || last.Permit != g {
		t.Error("the good access is not beside its request")
	}
}

func TestPublicShowsNoMoreThanItsLevel(t *testing.T) {
	c := newCentre(t)
	hal, _ := c.s.PublicCamera("hal", c.now)
	if hal.Position == nil || hal.Place == "" || hal.Window != protocol.Window(7*24*time.Hour) {
		t.Errorf("%+v", hal)
	}
	plein, _ := c.s.PublicCamera("plein", c.now)
	if plein.Position != nil || plein.Direction != nil || plein.Place != "" || plein.Name != "" || plein.Area == "" || plein.PublicationReason == "" {
		t.Errorf("%+v", plein)
	}
}

func TestRosterGoesOutAsAnOrder(t *testing.T) {
	c := newCentre(t)
	c.refused(PublishRoster{admin, "rec-1", c.town.Roster(1)}, CodeRoster)
	forged := protocoltest.Change(t, c.town.Roster(2), "version 2", "version 3")
	c.refused(PublishRoster{admin, "rec-1", forged}, CodeRoster)
	c.refused(PublishRoster{registrar, "rec-1", c.town.Roster(2)}, CodeForbidden)
	raw := c.town.Roster(2) // level centre is refused from now on
	c.do(PublishRoster{admin, "rec-1", raw})
	if o := c.s.Outbox("rec-1", 0); o[len(o)-1].Document != string(raw) || c.s.Recorder("rec-1").Roster.Version != 2 {
		t.Error("the roster did not go out as it was signed")
	}
	c.do(FileRequest{requester, theft()})
	c.confirm("z-1")
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	c.refused(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeRoster)
}

// A ledger written once must give the same state for ever.
func TestHistoryGivesTheSameState(t *testing.T) {
	if *record {
		recordHistory(t)
	}
	want, err := os.ReadFile("testdata/state.txt")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := replayed(t)
		got := dump(t, &s)
		if *update {
			if err := os.WriteFile("testdata/state.txt", []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		theirs := strings.Split(string(want), "\n")
		for i, line := range strings.Split(got, "\n") {
			if i >= len(theirs) || line != theirs[i] {
				t.Fatalf("line %d of the state is not that of testdata/state.txt. -update writes it anew: do so only if an old ledger must mean something new, or says more of the same.\n%.2000s", i+1, line)
			}
		}
		if got != string(want) {
			t.Fatal("the state is shorter than testdata/state.txt")
		}
	}
}

// replayed is the state of testdata/history.jsonl.
func replayed(t *testing.T) (s State) {
	t.Helper()
	history, err := os.ReadFile("testdata/history.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(history) {
		var l struct {
			Time protocol.Time     `json:"time"`
			Name string            `json:"name"`
			By   protocol.PersonID `json:"by"`
			Fact jsontext.Value    `json:"fact"`
		}
		if err := json.Unmarshal(line, &l, json.RejectUnknownMembers(true)); err != nil {
			t.Fatal(err)
		}
		fact, err := ParseFact(l.Name, l.Fact)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(Event{Seq: s.Size, Time: l.Time, By: l.By, Fact: fact}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func recordHistory(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	c.now = c.now.Add(time.Hour)
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	c.do(RecordDownload{requester, r.ID, r.Grants[0].GrantID()})
	c.do(ConfirmHandOver{requester, r.ID, ""})
	c.do(RecordLifted{c.source(), protocol.HoldLifted{Hold: r.Holds[0].HoldID(), Reason: "lift"}})
	c.do(FileRequest{colleague, theft()})
	c.confirm("z-2")
	c.do(CheckRequest{By: handler, Request: "z-2", Complete: false, Necessary: true, Remark: "artikel ontbreekt"})
	c.do(DecideRequest{By: approver2, Request: "z-2", Outcome: Refuses, Reason: Incomplete, Motivation: "artikel ontbreekt"})
	c.do(EndPlacement{approver, "hal", Suspend, "verbouwing"})
	c.do(EndPlacement{approver2, "hal", Suspend, "verbouwing"})
	c.do(RecordIncident{Source: c.source(), Incident: protocol.Incident{What: "unlink-failed", Camera: "hal", Detail: "read-only file system"}})
	var b bytes.Buffer
	for _, e := range c.events {
		body, err := e.Body()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "{\"time\":%q,\"name\":%q,\"by\":%q,\"fact\":%s}\n", e.Time, e.Name(), body.By, body.Fact)
	}
	if err := os.WriteFile("testdata/history.jsonl", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// dump writes the whole state, one line a thing.
func dump(t *testing.T, s *State) string {
	var b strings.Builder
	line := func(v any) {
		j, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%T %s\n", v, j)
	}
	line(s.Municipality)
	line(s.Size)
	line(s.documents)
	for _, v := range s.People() {
		line(v)
	}
	for _, v := range s.Units() {
		line(v)
	}
	for _, v := range s.Recorders() {
		line(v)
	}
	for _, v := range s.Protocols() {
		line(v)
	}
	for _, v := range s.Placements() {
		line(v)
	}
	for _, id := range s.order {
		line(s.requests[id])
	}
	for _, v := range s.incidents {
		line(v)
	}
	return b.String()
}
