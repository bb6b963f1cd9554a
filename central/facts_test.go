package central

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// A recorder may lie, and somebody may hold the order key. What they say must never break the ledger, hide, or give footage to others.

func kinds(s *State, now time.Time) (list []string) {
	for _, i := range s.Incidents(now) {
		list = append(list, i.Kind)
	}
	return list
}

// obeyed is what a recorder's journal says of an order that it obeyed.
func (c *centre) obeyed(o Order) RecordOrder {
	return RecordOrder{c.source(), protocol.Order{Number: o.Number, Kind: o.Kind, ID: o.ID, Level: protocol.LevelCentre, Document: o.Document}}
}

// TestForgedOrderIsSeenAndSkipped: somebody with the order key gave the recorder an order under the next number. The centre would give its own the
// same number and the recorder would drop that without a word.
func TestForgedOrderIsSeenAndSkipped(t *testing.T) {
	c := newCentre(t)
	rec := c.s.Recorder("rec-1")
	for _, o := range rec.Orders {
		if events := c.do(c.obeyed(o)); events != nil {
			t.Fatalf("order %d is ours: %s", o.Number, names(events))
		}
	}
	last := rec.Orders[len(rec.Orders)-1].Number
	c.do(RecordAhead{"rec-1", last})
	if got := c.s.Incidents(c.now); len(got) != 0 {
		t.Fatalf("a false alarm: %+v", got)
	}
	c.do(RecordAhead{"rec-1", last + 2})
	c.do(RecordAhead{"rec-1", last + 2}) // each status says it
	if got := fmt.Sprint(kinds(&c.s, c.now)); got != "[orders-ahead]" {
		t.Error(got)
	}

	forged := c.obeyed(Order{Number: last + 1, Kind: "grant", ID: "g-1", Document: "beeldwacht/grant v1\nforged"})
	c.do(forged)
	if c.do(forged) != nil {
		t.Error("the same entry twice")
	}
	c.do(RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: last + 2, Reason: "forged, and refused"}})
	if got := fmt.Sprint(kinds(&c.s, c.now)); got != "[order-refused order-foreign orders-ahead]" {
		t.Error(got)
	}
	c.do(RecordAhead{"rec-1", last + 2})

	c.do(FileRequest{requester, theft()})
	hold := c.s.Request("z-1").Holds[0]
	if hold.Number != last+3 {
		t.Errorf("the hold goes out as order %d, which the recorder drops; it has used %d", hold.Number, last+2)
	}
	if out := c.s.Outbox("rec-1", last+2); len(out) != 1 || out[0].Number != last+3 {
		t.Errorf("outbox %+v", out)
	}
	if out := c.s.Outbox("rec-1", last); len(out) != 1 {
		t.Errorf("outbox of a recorder that has not used them: %+v", out)
	}
	c.do(RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: last + 3, Reason: "disk full"}})
	if hold.State() != "refused" {
		t.Errorf("the recorder refused number %d, the hold is %s", last+3, hold.State())
	}
}

// TestForgedOrderInPlaceOfOurs: ours was on its way when the forged one came first. Ours is not carried out, and those who wait for it are told.
func TestForgedOrderInPlaceOfOurs(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()})
	hold := c.s.Request("z-1").Holds[0]
	c.do(c.obeyed(Order{Number: hold.Number, Kind: "lift", ID: "l-7", Document: "beeldwacht/lift v1\nforged"}))
	if hold.State() != "refused" || !strings.Contains(hold.Refused, "another order") {
		t.Errorf("%s: %s", hold.State(), hold.Refused)
	}
	if got := c.s.Incidents(c.now); len(got) != 1 || got[0].Kind != "order-foreign" || got[0].Request != "z-1" {
		t.Errorf("%+v", got)
	}
}

func TestRecorderCannotCountToTheEndOfNumbers(t *testing.T) {
	c := newCentre(t)
	c.do(c.obeyed(Order{Number: 1 << 53, Kind: "hold", ID: "h-1", Document: "x"}))
	c.do(RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: 1<<53 - 1, Reason: "x"}})
	c.do(FileRequest{requester, theft()})
	if got := c.s.Request("z-1").Holds[0].Number; got > 100 {
		t.Errorf("the next order is number %d", got)
	}
}

// TestRecorderCannotPassOffAnothersBag: a recorder knows the store's key, and could name the bag of another unit's request as its own release.
func TestRecorderCannotPassOffAnothersBag(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	lie := released(r.Grants[0])
	lie.Object = ObjectName("rec-2", "g-5")
	c.do(RecordRelease{c.source(), lie})
	if r.Grants[0].Released != nil {
		t.Error("the bag of another request is given out for this one")
	}
	if got := fmt.Sprint(kinds(&c.s, c.now)); got != "[release-unknown]" {
		t.Error(got)
	}
}

// TestFactsAfterARestart: all entries come again, those too that changed nothing the first time.
func TestFactsAfterARestart(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	g := r.Grants[0]
	failed := protocol.ReleaseFailed{Grant: g.GrantID(), Request: r.ID, Reason: "vault unreachable"}
	facts := []Command{
		RecordReleaseFailed{c.source(), failed},
		RecordReleaseFailed{c.source(), failed}, // it tried again, and said so
		RecordReleaseFailed{c.source(), failed},
		RecordRelease{c.source(), released(g)},
		RecordLifted{c.source(), protocol.HoldLifted{Hold: "h-999", Reason: "lift"}},
	}
	for _, f := range facts {
		c.do(f)
	}
	incidents := len(c.s.Incidents(c.now))
	for _, f := range facts {
		if events := c.do(f); events != nil {
			t.Errorf("%T again: %s", f, names(events))
		}
	}
	if r.Status != Released || g.Failed != "" || len(c.s.Incidents(c.now)) != incidents {
		t.Errorf("after a restart: %s, %q, %d incidents", r.Status, g.Failed, len(c.s.Incidents(c.now)))
	}
}

func TestHoldLiftedWithoutOrderIsAnIncident(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()})
	c.confirm("z-1")
	h := c.s.Request("z-1").Holds[0]
	c.do(RecordLifted{c.source(), protocol.HoldLifted{Hold: h.HoldID(), Reason: "end"}})
	if got := fmt.Sprint(kinds(&c.s, c.now)); got != "[hold-lost]" {
		t.Error(got)
	}

	c = newCentre(t)
	c.do(FileRequest{requester, theft()})
	c.confirm("z-1")
	h = c.s.Request("z-1").Holds[0]
	c.now = h.End.Time
	c.do(RecordLifted{c.source(), protocol.HoldLifted{Hold: h.HoldID(), Reason: "end"}})
	if got := kinds(&c.s, c.now); len(got) != 0 {
		t.Errorf("a hold that ended by itself: %v", got)
	}
}

// TestRecorderCannotFloodTheLedger: nor with what is too long for an entry, nor by making up kinds.
func TestRecorderCannotFloodTheLedger(t *testing.T) {
	c := newCentre(t)
	for n := range 3 * incidentsAnHour {
		c.do(RecordIncident{Source: c.source(), Incident: protocol.Incident{What: fmt.Sprintf("made-up-%d", n), Detail: strings.Repeat("é", 60_000)}})
	}
	list := c.s.Incidents(c.now)
	if len(list) != incidentsAnHour || !strings.Contains(list[0].Detail, "only in the recorder's log") {
		t.Errorf("%d incidents, the last %q", len(list), list[0].Detail)
	}
	for _, i := range list {
		if len(i.Detail) > 2000 {
			t.Fatalf("a detail of %d bytes", len(i.Detail))
		}
	}
	c.do(RecordRelease{c.source(), protocol.Released{Grant: "g-99", Object: "x"}})
	if got := c.s.Incidents(c.now); len(got) != incidentsAnHour+1 {
		t.Error("the flood hides another kind of incident")
	}
	c.now = c.now.Add(time.Hour)
	c.do(RecordIncident{Source: c.source(), Incident: protocol.Incident{What: "unlink-failed"}})
	if got := c.s.Incidents(c.now); got[0].Kind != "unlink-failed" {
		t.Errorf("an hour later: %+v", got[0])
	}
}

// TestEndingNeedsTwoWhoAreApproversNow: a proposal outlives its proposer's post on paper only.
func TestEndingNeedsTwoWhoAreApproversNow(t *testing.T) {
	c := newCentre(t)
	c.do(EndPlacement{approver, "hal", Suspend, "verbouwing"})
	c.do(appoint(approver, "")) // dismissed
	c.do(EndPlacement{approver2, "hal", Suspend, "verbouwing"})
	if p := c.s.Placement("hal"); p.Status != Active || p.Proposed.By != approver2 {
		t.Errorf("one approver ended a camera with the help of a dismissed one: %s", p.Status)
	}
	c.refused(EndPlacement{approver2, "hal", Suspend, "verbouwing"}, CodeSamePerson)
}
