package office

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// A recorder that was put back gets every order again that it lost, and the officer's, in order; it goes on under a successor, and the centre ends with the mandates and holds that it had.
func TestI13_ARecorderThatWasPutBackGoesOn(t *testing.T) {
	t.Parallel()
	w := running(t)
	r := w.rec
	next := func(number uint64) {
		t.Helper()
		w.later(time.Minute)
		r.publish(protocol.UpStatus, r.status(number-1))
		w.until("an order arrives", func() bool { return slices.Contains(r.numbers(), number) })
		r.obey(r.envelope(number))
	}
	next(1)
	head, entries, hashes := r.head, slices.Clone(r.entries), slices.Clone(r.hashes) // a backup
	request := w.ask(requester)
	next(2)
	r.write(protocol.KindView, protocol.Access{Camera: "hal", How: "live"})
	r.deliver()
	w.until("the hold is confirmed", func() bool { return w.request(request.ID).Holds[0].Confirmed != nil })
	w.until("the access is an orphan", func() bool { return slices.Contains(w.incidents(), "access-orphan") })
	lost := slices.Clone(r.entries)

	r.head, r.entries, r.hashes = head, entries, hashes
	r.forget()
	w.later(time.Minute)
	r.publish(protocol.UpStatus, r.status(1))
	w.opened("log-rollback")
	w.until("what it lost comes again", func() bool { return slices.Contains(r.numbers(), 2) })
	seen, _ := w.office.witness.Recorder("rec-1")
	if d := (recorders{w.office}).Chain("rec-1"); d.Witnessed.Size != seen.CosignedSize || d.Witnessed.Size != uint64(len(lost)) {
		t.Errorf("%+v", d)
	}
	w.do(central.ResumeLog{By: protocoltest.Officer, Recorder: "rec-1", Reason: "teruggezet", Log: 2, Witnessed: recorders{w.office}.Chain("rec-1").Witnessed})
	w.until("and the officer's order after it", func() bool { return slices.Equal(r.numbers(), []uint64{2, 3}) })
	r.obey(r.envelope(2))
	r.obey(r.envelope(3))
	r.log = 2
	r.write(protocol.KindResumed, protocol.Resumed{Log: 2, Document: string(r.envelope(3).Document)})
	r.mu.Lock()
	r.cosigned = nil
	r.mu.Unlock()
	r.deliver()
	resumption := func() (x central.Resumption) {
		w.office.View(func(s *central.State) { x = *s.Recorder("rec-1").Resumptions[0] })
		return x
	}
	w.until("the centre knows", func() bool { return !resumption().Resumed.IsZero() })
	if x := resumption(); x.Level != protocol.LevelCentre || !x.Answers(w.opened("log-rollback")) {
		t.Errorf("%+v", x)
	}
	if got := w.incidents(); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if h := w.request(request.ID).Holds[0]; h.State() != "confirmed" || h.Confirmed.Log != 0 {
		t.Errorf("%+v", h)
	}
	if list, err := (recorders{w.office}).Accesses(); err != nil || len(list) != 1 || list[0].Log != 0 {
		t.Errorf("%+v %v", list, err)
	}
	log, err := protocol.NewVerifier(w.town.LogKey)
	w.check(err)
	own, err := chain.WitnessVerifier(w.town.WitnessKey)
	w.check(err)
	for number, want := range map[uint64][]chain.Entry{1: lost, 2: r.entries} {
		var file bytes.Buffer
		w.check((recorders{w.office}).Export("rec-1", number, &file))
		if d, err := chain.Verify(&file, chain.Verifier{Origin: w.town.Log.Name(), Log: log, Witnesses: []note.Verifier{own}, Quorum: 1}); err != nil || !d.Quorum || d.Entries != uint64(len(want)) {
			t.Errorf("log %d: %+v %v", number, d, err)
		}
	}
	// After a start nothing happens again.
	events := w.office.book.Size()
	w.restart()
	r.connect()
	w.later(time.Minute)
	r.publish(protocol.UpStatus, r.status(3, func(s *protocol.Status) { s.Log = 2 }))
	w.until("the status is taken", func() bool { s, _ := w.office.StatusOf("rec-1"); return s.LastOrder == 3 })
	r.write(protocol.KindStopped, protocol.Stopped{Reason: "test"})
	r.deliver()
	if got := w.office.book.Size(); got != events {
		t.Errorf("%d entries in the ledger, and %d after a start", events, got)
	}
}
