package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// An order to erase from the desk to a recorder that verifies everything itself: two approvers of the centre have it sent, it waits for the hold that stands, and what a hostile centre
// makes of fewer signatures is not obeyed.
func TestErasureIsObeyedByARecorder(t *testing.T) {
	b := newBoth(t)
	asked := protocol.Span(b.now.Add(-time.Hour), b.now.Add(-30*time.Minute))
	forged := b.town.Erase("e-900", "hal", asked)
	forged.NotBefore, forged.NotAfter = protocol.T(b.now), protocol.T(b.now.Add(time.Hour))
	for want, approvers := range map[string][]protocol.PersonID{
		"is not on roster":   {protocoltest.Approver, protocoltest.Officer},
		"p-handler is not":   {protocoltest.Handler, protocoltest.Approver},
		"p-admin is not on ": {protocoltest.Admin, protocoltest.Approver2},
	} {
		e := *forged
		e.Approvers = approvers
		raw, err := protocol.Compose(&e)
		if err != nil {
			t.Fatal(err)
		}
		number := b.recorder.LastOrder() + 1
		if err := b.send(raw, protocol.T(b.now.Add(-time.Minute)), forged.NotAfter); !errors.Is(err, orders.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", approvers, err)
		}
		b.do(central.RecordRefusedOrder{Source: central.Source{Recorder: b.town.Recorder, Seq: 500 + number}, Refused: protocol.OrderRefused{Number: number, Kind: "erase", ID: "e-900", Reason: "x"}})
	}
	b.do(central.FileRequest{By: protocoltest.Requester, RequestFacts: central.RequestFacts{Kind: central.Vordering, Article: "126nda", Authority: "opsporingsambtenaar", Cameras: []protocol.CameraID{"hal"}, Asked: asked, Reference: "PL-1", Necessity: "onderzoek"}})
	b.do(central.ReportIncident{By: protocoltest.Handler, IncidentFacts: central.IncidentFacts{Nature: "keek naar binnen", Cameras: []protocol.CameraID{"hal"}}})
	incident := 0
	for incident = 1; b.state.Incident(incident+1) != nil; incident++ { // the last one
	}
	facts := central.EraseFacts{Camera: "hal", Interval: asked, Ground: protocol.EraseIncident, Dossier: central.IncidentDossier(incident), Reason: "woonkamer in beeld"}
	if _, err := central.Decide(&b.state, central.ProposeErase{By: protocoltest.Approver, EraseFacts: facts}, b.now); err == nil {
		t.Fatal("proposed while the footage is held")
	}
	b.do(central.CheckRequest{By: protocoltest.Handler, Request: "z-1", Complete: true, Necessary: true})
	b.do(central.DecideRequest{By: protocoltest.Approver, Request: "z-1", Outcome: central.Refuses, Reason: central.NoPower, Motivation: "x"})
	b.do(central.ProposeErase{By: protocoltest.Approver, EraseFacts: facts})
	if len(b.recorder.Erases()) != 0 {
		t.Fatal("one signature reached the recorder")
	}
	b.do(central.SignErase{By: protocoltest.Approver2, Number: 1})
	order := b.state.EraseOrder(1)
	todo := b.recorder.Erases()
	if len(todo) != 1 || todo[0].ID != order.Order || !todo[0].Interval.Equal(asked) || todo[0].Ground != protocol.EraseIncident {
		t.Fatalf("the recorder is to do %+v", todo)
	}
	gone := protocol.Erased{Erase: order.Order, Camera: "hal", Asked: asked, Interval: asked, Segments: 30, Bytes: 9}
	if _, err := b.journal.Append(t.Context(), protocol.KindErased, gone); err != nil {
		t.Fatal(err)
	}
	b.do(central.RecordErased{Source: central.Source{Recorder: b.town.Recorder, Seq: 900}, Erased: gone})
	if len(b.recorder.Erases()) != 0 || order.State() != "erased" {
		t.Errorf("%s; still to do: %+v", order.State(), b.recorder.Erases())
	}
}
