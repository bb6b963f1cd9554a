package outside

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central/courier"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"golang.org/x/mod/sumdb/tlog"
)

// carried is a log as the centre hands it in.
func (l *testLog) carried() courier.Log {
	hashes, size := l.hashes, l.size
	return courier.Log{Origin: l.origin, Proof: func(old, to uint64) (tlog.TreeProof, error) {
		if to > size {
			return nil, errors.New("not here")
		}
		return chain.ConsistencyProof(old, to, hashes)
	}}
}

type roads struct {
	t testing.TB
	*courier.Courier
}

func newCourier(t testing.TB, witnesses ...courier.Witness) roads {
	c, err := courier.New(witnesses, time.Now, slog.New(slog.DiscardHandler))
	must(t, err)
	done := make(chan struct{})
	ctx := t.Context()
	go func() { defer close(done); c.Run(ctx) }()
	t.Cleanup(func() { <-done })
	return roads{t, c}
}

// carry returns what comes back.
func (r roads) carry(l *testLog) []byte {
	r.t.Helper()
	back := make(chan []byte, 1)
	r.Carry(l.carried(), l.checkpoint(r.t), func(signed []byte) { back <- signed })
	select {
	case signed := <-back:
		return signed
	case <-time.After(30 * time.Second):
		r.t.Fatal("nothing comes back")
		return nil
	}
}

func (p *place) signed(l *testLog, signed []byte) bool {
	v, err := chain.WitnessVerifier(p.Key())
	must(p.t, err)
	_, by, err := chain.OpenCheckpoint(signed, l.origin, p.logs[l.origin], v)
	must(p.t, err)
	return len(by) == 1
}

func (p *place) serve() (courier.Witness, *httptest.Server) {
	server := httptest.NewTLSServer(p)
	p.t.Cleanup(server.Close)
	return courier.Witness{URL: server.URL, Key: p.Key(), Certificate: fmt.Sprintf("%X", sha256.Sum256(server.Certificate().Raw))}, server
}

// A new centre does not know where a witness stands; the witness says so. A log that was put back is not cosigned, and the centre is told.
func TestCourierCarriesBothWays(t *testing.T) {
	l, unknown := newLog(t, "rec-1.stad/beeldwacht").grow(t, "a", "b", "c"), newLog(t, "rec-9.stad/beeldwacht").grow(t, "a")
	p := newPlace(t, l)
	p.cosigned(l, 0)
	p.now = time.Now()
	backup := l.copy()
	w, _ := p.serve()
	c := newCourier(t, w)
	if !p.signed(l, c.carry(l.grow(t, "d"))) || !p.signed(l, c.carry(l.grow(t, "e", "f"))) || !p.signed(l, c.carry(l)) {
		t.Error("not cosigned")
	}
	if p.signed(l, c.carry(backup)) {
		t.Error("a log that was put back is cosigned")
	}
	if no := c.Refusals(l.origin); len(no) != 1 || !no[0].Fork || !strings.Contains(no[0].Why, "was an older copy put back?") {
		t.Errorf("%+v", no)
	}
	if p.signed(l, c.carry(backup.grow(t, "D", "E", "F", "G"))) {
		t.Error("a fork is cosigned")
	}
	if no := c.Refusals(l.origin); len(no) != 1 || !no[0].Fork || !strings.Contains(no[0].Why, "does not extend") {
		t.Errorf("%+v", no)
	}
	if !p.signed(l, c.carry(l.grow(t, "g"))) || len(c.Refusals(l.origin)) != 0 {
		t.Errorf("the true log goes on: %+v", c.Refusals(l.origin))
	}
	c.carry(unknown)
	if no := c.Refusals(unknown.origin); len(no) != 1 || no[0].Fork || !strings.Contains(no[0].Why, "does not know this log") {
		t.Errorf("%+v", no)
	}
	if s := c.Witnesses()[0]; !s.Absent.IsZero() || s.Cosigned.IsZero() || s.Refused != 1 {
		t.Errorf("%+v", s)
	}
}

// Somebody else at the witness's address gets nothing cosigned; a witness of another key does not count.
func TestCourierKnowsItsWitness(t *testing.T) {
	l := newLog(t, "rec-1.stad/beeldwacht").grow(t, "a")
	p, other := newPlace(t, l), newPlace(t, l)
	p.now, other.now = time.Now(), time.Now()
	w, _ := p.serve()
	pinned := w
	pinned.Certificate = strings.Repeat("ab", 32)
	unpinned := w
	unpinned.Certificate = ""
	another := w
	another.Key = other.Key()
	for want, w := range map[string]courier.Witness{"the configuration pins": pinned, "certificate": unpinned, "cosignature of fg.stad.example": another} {
		c := newCourier(t, w)
		if signed := c.carry(l); p.signed(l, signed) {
			t.Errorf("%s: taken", want)
		}
		if s := c.Witnesses()[0]; s.Absent.IsZero() || !strings.Contains(s.Why, want) {
			t.Errorf("%s: %+v", want, s)
		}
	}
}

// A dead witness holds up neither the other witness nor any log; when it is back it cosigns again.
func TestCourierDeadWitnessSlowsNothing(t *testing.T) {
	var logs []*testLog
	for i := range 200 {
		logs = append(logs, newLog(t, fmt.Sprintf("rec-%d.stad/beeldwacht", i)).grow(t, "a"))
	}
	p, q := newPlace(t, logs...), newPlace(t, logs...)
	p.now, q.now = time.Now(), time.Now()
	alive, _ := p.serve()
	var hangs atomic.Bool
	hangs.Store(true)
	gone := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hangs.Load() { // the worst: it takes the request and says nothing
			select {
			case <-gone:
			case <-r.Context().Done():
			}
			return
		}
		q.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(gone) })
	c := newCourier(t, alive, courier.Witness{URL: server.URL, Key: q.Key(), Certificate: fmt.Sprintf("%x", sha256.Sum256(server.Certificate().Raw))})
	c.carry(logs[0]) // waits, once
	began := time.Now()
	for _, l := range logs {
		if !p.signed(l, c.carry(l.grow(t, "b"))) {
			t.Error("the witness that is there did not cosign")
		}
	}
	if took := time.Since(began); took > 30*time.Second { // 200 × 5 s if each waited
		t.Errorf("took %s", took)
	}
	if s := c.Witnesses(); s[1].Absent.IsZero() || !s[0].Absent.IsZero() {
		t.Errorf("%+v", s)
	}
	var mu sync.Mutex // the callback may take a lock that its caller holds
	called := make(chan struct{})
	mu.Lock()
	c.Carry(logs[2].carried(), logs[2].checkpoint(t), func([]byte) { mu.Lock(); defer mu.Unlock(); close(called) })
	mu.Unlock()
	<-called
	dead := newCourier(t, courier.Witness{URL: "https://127.0.0.1:1", Key: q.Key()})
	dead.carry(logs[3])
	called = make(chan struct{})
	mu.Lock()
	dead.Carry(logs[3].carried(), logs[3].checkpoint(t), func([]byte) { mu.Lock(); defer mu.Unlock(); close(called) })
	mu.Unlock()
	<-called
	hangs.Store(false)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if signed := c.carry(logs[1]); q.signed(logs[1], signed) && p.signed(logs[1], signed) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is back, and not asked: %+v", c.Witnesses())
		}
	}
}
