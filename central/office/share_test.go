package office

import (
	"crypto/ecdh"
	"crypto/hpke"
	"slices"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// asker is a recorder's side of its share.
type asker struct {
	*recorder
	key hpke.PrivateKey

	mu      sync.Mutex
	answers []protocol.ShareAnswer // to this ask
}

func (r *recorder) asker() *asker {
	a := &asker{recorder: r}
	a.again()
	r.wait(r.client.Subscribe(protocol.Topic("rec-1", protocol.DownShare), 1, func(_ paho.Client, m paho.Message) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if answer, err := protocol.OpenShare(m.Payload(), "rec-1", a.key, r.w.order); err == nil {
			a.answers = append(a.answers, answer)
		}
	}))
	return a
}

// again is another ask.
func (a *asker) again() {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	a.key, err = hpke.DHKEM(ecdh.X25519()).GenerateKey()
	a.w.check(err)
	a.answers = nil
}

// ask sends a status; say is what its share says.
func (a *asker) ask(say protocol.ShareAsk) {
	a.w.t.Helper()
	a.w.later(time.Second) // a later status
	say.Key = a.key.PublicKey().Bytes()
	a.publish(protocol.UpStatus, a.status(0, func(s *protocol.Status) { s.Share = &say }))
}

func (a *asker) answer(what string) protocol.ShareAnswer {
	a.w.t.Helper()
	a.w.until(what, func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.answers) > 0 })
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answers[0]
}

func (w *world) given() (g central.ShareGiven, n int) {
	w.office.View(func(s *central.State) {
		if r := s.Recorder("rec-1"); r.Given != nil {
			g = *r.Given
		}
		n = int(s.Size)
	})
	return g, n
}

// A share goes to the recorder that asks, over a restart of the centre, with an entry in the ledger that holds nothing of its secret. Marked stolen, the recorder gets no
// share any more; found back, it does; after the longest window the centre has none left to give.
func TestShareIsGivenUntilTheRecorderIsStolen(t *testing.T) {
	t.Parallel()
	w := running(t)
	a := w.rec.asker()
	a.ask(protocol.ShareAsk{Open: true, Next: true})
	first := a.answer("the first share").Next
	if g, _ := w.given(); g.Next != first.ID || g.Ask != protocol.HashOf(a.key.PublicKey().Bytes()) {
		t.Errorf("the ledger says %v", g)
	}
	_, size := w.given()
	a.ask(protocol.ShareAsk{Open: true, Next: true}) // the answer was lost
	w.until("the same again", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.answers) == 2 && *a.answers[1].Next == *first
	})
	if _, again := w.given(); again != size {
		t.Error("one ask stands in the ledger twice")
	}
	w.restart()
	w.rec.connect()
	a = w.rec.asker()
	uses := []protocol.ShareID{first.ID}
	a.ask(protocol.ShareAsk{Uses: uses})
	if got := a.answer("the share after a restart of both").Shares; !slices.Equal(got, []protocol.Share{*first}) {
		t.Fatal(got)
	}
	mark := func(m central.Mark) {
		t.Helper()
		w.do(central.MarkRecorder{By: admin, Recorder: "rec-1", Mark: m, Reason: "weg uit de kast"})
	}
	mark(central.Stolen)
	a.again()
	a.ask(protocol.ShareAsk{Uses: uses, Next: true})
	if got := a.answer("a refusal"); got.Refused != protocol.ShareStolen || len(got.Shares) > 0 || got.Next != nil {
		t.Fatal(got)
	}
	if kinds := w.incidents(); !slices.Contains(kinds, "recorder-stolen") || !slices.Contains(kinds, "share-refused") {
		t.Errorf("incidents %v", kinds)
	}
	mark(central.InUse)
	a.again()
	a.ask(protocol.ShareAsk{Uses: uses})
	if got := a.answer("the share of a recorder found back").Shares; !slices.Equal(got, []protocol.Share{*first}) {
		t.Fatal(got)
	}
	mark(central.Stolen)
	w.later(protocol.MaxWindow.Duration())
	w.office.tendShares()
	got, err := w.office.shares.Answer("rec-1", &protocol.ShareAsk{Uses: uses})
	if err != nil || got.Refused != protocol.ShareLost {
		t.Error("after four weeks the share of a stolen recorder is still there", err)
	}
	if _, err := w.office.book.Do(t.Context(), central.MarkRecorder{By: admin, Recorder: "rec-1", Mark: central.InUse, Reason: "terug"}); err == nil {
		t.Error("a recorder without a share is back in use")
	}
	if _, err := w.office.book.Do(t.Context(), central.MarkRecorder{By: handler, Recorder: "rec-1", Mark: central.Withdrawn, Reason: "x"}); err == nil {
		t.Error("a handler marks recorders")
	}
}
