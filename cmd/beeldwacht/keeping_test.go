package main

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// both is a centre's state and a real recorder's orders, which get what the centre sends and nothing else.
type both struct {
	t        *testing.T
	town     *protocoltest.Town
	now      time.Time
	state    central.State
	recorder *orders.Orders
	journal  *journal.Journal
	entry    uint64
}

func newBoth(t *testing.T) *both {
	b := &both{t: t, now: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)}
	b.town = protocoltest.NewTown(t, b.now)
	roster := b.town.Roster(1, func(r *protocol.Roster) { r.LevelCentre = true })
	clock := func() time.Time { return b.now }
	var err error
	if b.journal, err = journal.Open(t.TempDir(), b.town.Log.Name(), b.town.Log, clock, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	if b.recorder, err = orders.Open(b.journal, b.town.Recorder, b.town.Roots, roster, clock, nil); err != nil {
		t.Fatal(err)
	}
	// The centre's past, as its ledger would tell it: what it took to get there is tested elsewhere.
	ago, ends := protocol.T(b.now.Add(-time.Hour)), protocol.T(b.now.AddDate(1, 0, 0))
	b.past(&central.CentreOpened{Municipality: b.town.Municipality})
	b.past(&central.UnitAgreed{Unit: central.Unit{ID: "basisteam", Name: "Politie basisteam", Agreement: "CV-2026-1", ValidUntil: ends}})
	b.past(&central.RecorderEnrolled{Recorder: b.town.Recorder, Key: b.town.LogKey, Origin: b.town.Log.Name(), Viewer: "https://recorder.test", Roots: b.town.Roots, Roster: string(roster)})
	for person, post := range map[protocol.PersonID]central.Post{protocoltest.Handler: {Role: central.Handler, Regime: protocol.AVG}, protocoltest.Approver: {Role: central.Approver, Regime: protocol.AVG},
		protocoltest.Approver2: {Role: central.Approver, Regime: protocol.AVG}, protocoltest.Requester: {Role: central.Requester}} {
		b.past(&central.PersonAppointed{Appointment: central.Appointment{Person: person, Posts: []central.Post{post}, Unit: "basisteam", Secrecy: ago}})
	}
	b.past(&central.PlacementRegistered{PlacementFacts: central.PlacementFacts{Camera: "hal", Name: "Hal", Regime: protocol.AVG, Recorder: b.town.Recorder, Streams: []protocol.StreamID{"main"},
		Besluit: central.Besluit{Reference: "B-1", Date: ago, ValidFrom: ago, ValidUntil: ends, Body: "college"}}})
	b.past(&central.PlacementActivated{Camera: "hal"})
	mandate := b.town.Mandate("hal", 1)
	mandate.Regime, mandate.Window, mandate.LongestHold = protocol.AVG, protocol.Window(7*24*time.Hour), protocol.Window(protocol.MaxHold)
	raw := b.town.Compose(mandate)
	b.past(&central.OrderIssued{Recorder: b.town.Recorder, Number: 1, NotBefore: mandate.NotBefore, NotAfter: mandate.NotAfter, Document: string(raw)})
	if err := b.send(raw, mandate.NotBefore, mandate.NotAfter); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *both) past(f central.Fact) {
	b.t.Helper()
	if err := b.state.Apply(central.Event{Seq: b.state.Size, Time: protocol.T(b.now), By: "p-admin", Fact: f}); err != nil {
		b.t.Fatal(err)
	}
}

// do gives the centre a command, and the recorder whatever order follows from it.
func (b *both) do(c central.Command) {
	b.t.Helper()
	events, err := central.Decide(&b.state, c, b.now)
	if err != nil {
		b.t.Fatalf("%T: %v", c, err)
	}
	for _, e := range events {
		if err := b.state.Apply(e); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, o := range b.state.Outbox(b.town.Recorder, b.recorder.LastOrder()) {
		if err := b.send([]byte(o.Document), o.NotBefore, o.NotAfter); err != nil {
			b.t.Fatalf("%T: the recorder does not obey: %v", c, err)
		}
		d, err := protocol.ParseDocument([]byte(o.Document))
		if err != nil {
			b.t.Fatal(err)
		}
		if h, ok := d.Document.(*protocol.Hold); ok {
			b.entry++
			b.do(central.ConfirmHold{Source: central.Source{Recorder: h.Recorder, Seq: 1000 + b.entry},
				Placed: protocol.HoldPlaced{Hold: h.HoldID(), Request: h.Request, Camera: h.Camera, Asked: h.Asked, Interval: h.Asked, Segments: 3, Bytes: 9, End: h.End}})
		}
	}
}

func (b *both) send(document []byte, from, until protocol.Time) error {
	_, err := b.recorder.Accept(b.t.Context(), b.town.Envelope(b.recorder.LastOrder()+1, document, func(e *protocol.Envelope) { e.NotBefore, e.NotAfter = from, until }))
	return err
}

// A preservation order from its filing to its end, on a recorder that verifies everything itself: 28 days on the envelope, ninety on two approvers, and what the centre makes of
// fewer signatures or of more days it does not obey.
func TestPreservationOrderIsObeyedByARecorder(t *testing.T) {
	b := newBoth(t)
	asked := protocol.Span(b.now.Add(-time.Hour), b.now.Add(-30*time.Minute))
	until := protocol.T(b.now.Add(89 * 24 * time.Hour))
	b.do(central.FileRequest{By: protocoltest.Requester, RequestFacts: central.RequestFacts{Kind: central.Preservation, Article: "126ni", Authority: "officier van justitie", Demanded: protocol.T(b.now), Until: until,
		Cameras: []protocol.CameraID{"hal"}, Asked: asked, Reference: "OM-1", Necessity: "onderzoek"}})
	b.do(central.CheckRequest{By: protocoltest.Handler, Request: "z-1", Complete: true, Necessary: true})
	b.do(central.DecideRequest{By: protocoltest.Approver, Request: "z-1", Outcome: central.Grants, Reason: central.Complies, Motivation: "x"})
	b.now = b.now.Add(20 * 24 * time.Hour)

	// A hostile centre, or one that forgot: the same hold with one signature less, twice the same, by the privacy officer, or a day too long.
	r := b.state.Request("z-1")
	approvers := []protocol.PersonID{protocoltest.Approver, protocoltest.Approver2}
	forged := protocol.Hold{Heading: protocol.Heading{ID: "h-900", Recorder: b.town.Recorder, NotBefore: protocol.T(b.now), NotAfter: until}, Camera: "hal", Request: "z-1", Asked: asked,
		Ground: protocol.GroundPreservation, End: until, Approvers: approvers}
	for want, spoil := range map[string]func(*protocol.Hold){
		"needs two":                    func(h *protocol.Hold) { h.Approvers = nil },
		"needs two different":          func(h *protocol.Hold) { h.Approvers = approvers[:1] },
		"two different approvers":      func(h *protocol.Hold) { h.Approvers = []protocol.PersonID{approvers[0], approvers[0]} },
		"is not on roster":             func(h *protocol.Hold) { h.Approvers = []protocol.PersonID{approvers[0], protocoltest.Officer} },
		"the longest hold is P90D":     func(h *protocol.Hold) { h.End = protocol.T(until.Add(26 * time.Hour)); h.NotAfter = h.End },
		"after the first hold on this": func(h *protocol.Hold) { h.Approvers, h.End = nil, protocol.T(r.Holds[0].End.Add(time.Hour)) },
	} {
		h := forged
		spoil(&h)
		raw, err := protocol.Compose(&h)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.send(raw, protocol.T(b.now.Add(-time.Minute)), until); !errors.Is(err, orders.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	// The centre learns that those numbers are used up, as it does of a real recorder.
	for n := r.Holds[0].Number + 1; n <= b.recorder.LastOrder(); n++ {
		events, err := central.Decide(&b.state, central.RecordRefusedOrder{Source: central.Source{Recorder: b.town.Recorder, Seq: 500 + n}, Refused: protocol.OrderRefused{Number: n, Kind: "hold", ID: "h-900", Reason: "x"}}, b.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if err := b.state.Apply(e); err != nil {
				t.Fatal(err)
			}
		}
	}

	b.do(central.KeepLonger{By: protocoltest.Approver, Request: "z-1", Until: until, Reason: "het onderzoek loopt"})
	if held := b.recorder.Holds(); len(held) != 1 {
		t.Fatalf("one signature reached the recorder: %+v", held)
	}
	b.do(central.KeepLonger{By: protocoltest.Approver2, Request: "z-1", Until: until, Reason: "het onderzoek loopt"})
	b.now = b.now.Add(40 * 24 * time.Hour) // day sixty: the first has ended by itself
	if held := b.recorder.Holds(); len(held) != 1 || !held[0].End.Equal(until.Time) || !slices.Equal(held[0].Approvers, approvers) {
		t.Fatalf("held: %+v", held)
	}
	b.do(central.WithdrawRequest{By: protocoltest.Requester, Request: "z-1", Note: "geseponeerd"})
	b.do(central.DecideRequest{By: protocoltest.Approver, Request: "z-1", Outcome: central.Ends, Reason: central.TakenBack, Motivation: "x"})
	if held := b.recorder.Holds(); len(held) != 0 {
		t.Errorf("held after its end: %+v", held)
	}
}

// Two parts of future footage on their way at once: the receipt of the first ends its hold on the recorder, and leaves the second's.
func TestPartsOfFutureFootageAreObeyedByARecorder(t *testing.T) {
	b := newBoth(t)
	b.do(central.FileRequest{By: protocoltest.Requester, RequestFacts: central.RequestFacts{Kind: central.Vordering, Article: "126ne", Authority: "officier van justitie", Demanded: protocol.T(b.now), Cameras: []protocol.CameraID{"hal"},
		Period: protocol.Span(b.now, b.now.Add(5*24*time.Hour)), Reference: "OM-1", Necessity: "onderzoek"}})
	b.do(central.CheckRequest{By: protocoltest.Handler, Request: "z-1", Complete: true, Necessary: true})
	b.do(central.DecideRequest{By: protocoltest.Approver, Request: "z-1", Outcome: central.Grants, Reason: central.Complies, Motivation: "x"})
	from := b.now
	b.now = b.now.Add(48 * time.Hour)
	r := b.state.Request("z-1")
	for i := range 2 {
		asked := protocol.Span(from.Add(time.Duration(i)*time.Hour), from.Add(time.Duration(i+1)*time.Hour))
		b.do(central.PrepareDelivery{By: protocoltest.Handler, Request: "z-1", Asked: asked})
		b.do(central.ApproveDelivery{By: protocoltest.Approver2, Request: "z-1", Number: i + 1, Approved: []central.Approved{{Camera: "hal", Interval: asked}}})
	}
	if held := b.recorder.Holds(); len(held) != 2 || len(b.recorder.Unfinished()) != 2 {
		t.Fatalf("%d holds, %d grants", len(held), len(b.recorder.Unfinished()))
	}
	g := r.Grants[0]
	released := protocol.Released{Grant: g.GrantID(), Request: g.Request, Camera: g.Camera, Intent: 9, Object: central.ObjectName(g.Recorder, g.GrantID()), Segments: 3}
	if _, err := b.journal.Append(t.Context(), protocol.KindReleased, released); err != nil {
		t.Fatal(err)
	}
	b.do(central.RecordRelease{Source: central.Source{Recorder: b.town.Recorder, Seq: 900}, Released: released})
	b.do(central.RecordDownload{By: protocoltest.Requester, Request: "z-1", Grant: g.GrantID()})
	b.do(central.ConfirmDelivery{By: protocoltest.Requester, Request: "z-1", Number: 1})
	if held := b.recorder.Holds(); len(held) != 1 || !held[0].Asked.Equal(r.Deliveries[1].Asked) {
		t.Errorf("held: %+v", held)
	}
}
