package edge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// A whole recorder, with real footage: an order of two approvers destroys what it names and nothing else, while the camera goes on being recorded; the journal has the order before
// and the outcome after, and the centre reads both. Where a hold stands it is refused. An order that a crash cut off between journal and act is carried out at the next start.
func TestI02_I09_OrderToEraseIsCarriedOut(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	a, stop := s.start()
	s.order(s.mandate(1, nil))
	s.eventually("some seconds are recorded", func() bool {
		oldest, ok := a.footage.Oldest(plein)
		return ok && s.sealedUntil().Sub(oldest) > 6*time.Second
	})
	oldest, _ := a.footage.Oldest(plein)
	at := func(from, to time.Duration) protocol.Interval {
		return protocol.Span(oldest.Add(from), oldest.Add(to))
	}
	s.order(s.town.Compose(s.town.Hold("h-1", plein, at(0, 500*time.Millisecond))))
	s.eventually("the hold is confirmed", func() bool { return len(told[protocol.HoldPlaced](s, protocol.KindHoldPlaced)) == 1 })
	held := s.envelope(s.town.Compose(s.town.Erase("e-held", plein, at(200*time.Millisecond, 2*time.Second)), approvers...))
	s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), held, false, 1))
	s.eventually("erasing what is held is refused", func() bool {
		return slices.ContainsFunc(told[protocol.OrderRefused](s, protocol.KindRefused), func(r protocol.OrderRefused) bool {
			return r.ID == "e-held" && r.Kind == "erase" && strings.Contains(r.Reason, "hold h-1")
		})
	})

	whole, lines, err := a.footage.Round(plein, at(2*time.Second, 3*time.Second))
	s.check(err)
	raw := s.envelope(s.town.Compose(s.town.Erase("e-1", plein, at(2*time.Second, 3*time.Second)), approvers...))
	s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), raw, false, 1))
	s.eventually("the order is closed", func() bool { return len(told[protocol.Erased](s, protocol.KindErased)) == 1 })
	if got := told[protocol.Erased](s, protocol.KindErased)[0]; got.Erase != "e-1" || got.Segments != len(lines) || !got.Interval.Equal(whole) {
		t.Errorf("%+v, want %d segments of %s", got, len(lines), whole)
	}
	gone := map[protocol.Hash]string{}
	for _, x := range told[protocol.Expired](s, protocol.KindExpired) {
		for _, seg := range x.Segments {
			gone[seg.SHA256] = x.Reason
		}
	}
	for _, l := range lines {
		if gone[l.SHA256] != "erase" {
			t.Errorf("segment %s: the journal says %q", l, gone[l.SHA256])
		}
	}
	gaps, err := a.footage.Gaps(plein, whole)
	s.check(err)
	if !slices.ContainsFunc(gaps, func(g protocol.Gap) bool { return g.Cause == string(footage.CauseErased) }) {
		t.Errorf("gaps %+v", gaps)
	}
	if _, left, err := a.footage.Round(plein, at(0, 500*time.Millisecond)); err != nil || len(left) == 0 {
		t.Errorf("what was held is gone: %v", err)
	}
	until := s.sealedUntil()
	s.eventually("recording goes on", func() bool { return s.sealedUntil().After(until) })

	// The next order gets into the journal and no further.
	stop()
	j, err := journal.Open(a.journalDir(), s.town.Log.Name(), s.town.Log, time.Now, a.Log)
	s.check(err)
	s.check(j.SealEpochs(a.Config.keysDir()))
	o, err := orders.Open(j, s.town.Recorder, s.town.Roots, nil, time.Now, a.Log)
	s.check(err)
	if _, err := o.Accept(t.Context(), s.envelope(s.town.Compose(s.town.Erase("e-2", plein, at(4500*time.Millisecond, 5*time.Second)), approvers...))); err != nil {
		t.Fatal(err)
	}
	s.check(j.Close())
	_, stop = s.start()
	s.eventually("the order that was cut off is closed", func() bool {
		return slices.ContainsFunc(told[protocol.Erased](s, protocol.KindErased), func(e protocol.Erased) bool { return e.Erase == "e-2" && e.Segments > 0 })
	})
	stop()
	s.sound()
}
