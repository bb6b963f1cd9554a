package witness

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// TestI11_CentreDestroysBodiesToo: when the term of their kind is over, also those of a recorder that is gone; the copy here still verifies.
func TestI11_CentreDestroysBodiesToo(t *testing.T) {
	r := newRecorder(t) // of November 2026
	p := newPlace(t, r)
	other := newRecorder(t)
	if err := p.Enrol("rec-2", other.vkey, origin); err != nil {
		t.Fatal(err)
	}
	r.add(t, protocol.KindOpened, protocol.Opened{})
	for range atOnce {
		r.add(t, protocol.KindIncident, protocol.Incident{What: "x"})
	}
	r.add(t, protocol.KindView, protocol.Access{How: "live"})
	r.grow(t, 3)
	r.now = time.Date(2026, 12, 5, 0, 0, 0, 0, time.UTC)
	r.grow(t, 2)
	p.now = r.now
	p.receive(r, r.batch(t, 0, len(r.entries)))

	destroy := func(when string, now, newest time.Time, want int) {
		t.Helper()
		p.mu.Lock()
		p.now = now
		p.mu.Unlock()
		other.now = newest
		other.grow(t, 1)
		if _, err := p.Receive(t.Context(), "rec-2", other.batch(t, len(other.entries)-1, len(other.entries))); err != nil {
			t.Fatal(err)
		}
		if n, err := p.Destroy(t.Context()); err != nil || n != want {
			t.Errorf("%s: %d destroyed, %v; want %d", when, n, err, want)
		}
	}
	date := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	destroy("too early", date(2029, 11, 30), date(2029, 11, 30), 0)
	destroy("this clock alone", date(2039, 12, 1), date(2029, 11, 30), 0)
	destroy("its clock alone", date(2029, 11, 30), date(2029, 12, 1), 0)
	destroy("incidents", date(2029, 12, 1), date(2029, 12, 1), atOnce)
	p.reopen()
	destroy("again", date(2029, 12, 2), date(2029, 12, 2), 0)
	destroy("the rest of November", date(2031, 12, 1), date(2031, 12, 1), 4)
	destroy("December", date(2032, 1, 1), date(2032, 1, 1), 2)

	p.receive(r, r.batch(t, len(r.entries), len(r.entries))) // now, in 2032
	var file bytes.Buffer
	if err := p.LogFile(id, &file); err != nil {
		t.Fatal(err)
	}
	v, err := chain.WitnessVerifier(p.Key())
	if err != nil {
		t.Fatal(err)
	}
	d, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: r.verifier(t), Witnesses: []note.Verifier{v}, Quorum: 1})
	if err != nil || d.Destroyed != atOnce+6 || d.Unsaid != atOnce+6 || !d.Quorum {
		t.Errorf("%+v, %v", d, err)
	}
}
