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
	r.write(protocol.KindEpochBegun, protocol.EpochBegun{Key: w.town.LogKey})
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
	_, epoch, err := protocol.NewKey(protocol.LogOrigin(w.town.Log.Name(), 2))
	w.check(err)
	r.write(protocol.KindEpochBegun, protocol.EpochBegun{Epoch: 1, Key: epoch, Lost: "the log was resumed"}) // no incident: the officer ordered so
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
		w.check((recorders{w.office}).Export(t.Context(), "rec-1", number, &file))
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

// A recorder that was put back to before its resumption takes the officer's order of then again, and by that stands still under a number that the centre has already. It goes on by a second order; and when it
// does, a third is refused. What it was put back to then is of the part that was lost before: what happened there happened once.
func TestI13_PutBackToBeforeItsResumption(t *testing.T) {
	t.Parallel()
	w := running(t)
	r := w.rec
	status := func(log, last uint64) {
		t.Helper()
		w.later(time.Minute)
		r.publish(protocol.UpStatus, r.status(last, func(s *protocol.Status) { s.Log = log }))
	}
	obey := func(number uint64) {
		t.Helper()
		w.until("an order arrives", func() bool { return slices.Contains(r.numbers(), number) })
		r.obey(r.envelope(number))
	}
	order := func(log uint64) error {
		_, err := w.office.book.Do(t.Context(), central.ResumeLog{By: protocoltest.Officer, Recorder: "rec-1", Reason: "teruggezet", Log: log, Witnessed: recorders{w.office}.Chain("rec-1").Witnessed})
		return err
	}
	resume := func(log, number uint64) {
		t.Helper()
		r.log = log
		r.write(protocol.KindResumed, protocol.Resumed{Log: log, Document: string(r.envelope(number).Document)})
	}
	resumed := func(n int) {
		t.Helper()
		w.until("the centre knows that it went on", func() (is bool) {
			w.office.View(func(s *central.State) { is = !s.Recorder("rec-1").Resumptions[n].Resumed.IsZero() })
			return is
		})
	}
	found := func(want ...string) {
		t.Helper()
		w.until("incidents", func() bool { return slices.Equal(slices.Sorted(slices.Values(w.incidents())), want) })
	}
	status(0, 0)
	obey(1)
	backup := func() func() {
		head, entries, hashes := r.head, slices.Clone(r.entries), slices.Clone(r.hashes)
		return func() { r.head, r.entries, r.hashes, r.log = head, slices.Clone(entries), slices.Clone(hashes), 0 }
	}
	early := backup()
	r.write(protocol.KindIncident, protocol.Incident{What: "disk-error", Detail: "in the part that is lost"})
	late := backup()
	r.write(protocol.KindStopped, protocol.Stopped{Reason: "test"})
	r.deliver()
	found("disk-error")
	early()
	status(0, 1)
	found("disk-error", "log-rollback")
	w.check(order(2))
	obey(2)
	resume(2, 2)
	r.deliver()
	resumed(0)
	if order(3) == nil {
		t.Fatal("resumed for nothing")
	}

	late()
	r.forget()
	status(0, 1)
	found("disk-error", "log-rollback", "log-rollback")
	w.check(order(2)) // one more than what it says it has
	obey(2)
	resume(2, 2) // what it lost, before the order that came after it
	obey(3)
	r.write(protocol.KindRefused, protocol.OrderRefused{Number: 3, Kind: "resume", Reason: "this is log 2 already"})
	r.publish(protocol.UpJournal, r.batch(0))
	found("disk-error", "log-fork", "log-rollback", "log-rollback")
	status(2, 3)
	w.check(order(3))
	obey(4)
	resume(3, 4)
	r.deliver()
	resumed(2)
	found("disk-error", "log-fork", "log-rollback", "log-rollback", "order-refused")
	if order(4) == nil {
		t.Error("resumed for nothing")
	}
}
