package orders_test

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

const (
	handler, approver, approver2 = protocoltest.Handler, protocoltest.Approver, protocoltest.Approver2

	cam   protocol.CameraID = "cam-1"
	day                     = 24 * time.Hour
	never                   = "" // no refusal
)

var start = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

// asked is an hour of footage, h hours before the start.
func asked(h int) protocol.Interval {
	from := start.Add(-time.Duration(h) * time.Hour)
	return protocol.Span(from, from.Add(time.Hour))
}

// recorder is a real journal and the orders that live in it.
type recorder struct {
	*orders.Orders
	town    *protocoltest.Town
	t       *testing.T
	dir     string
	now     time.Time
	journal *journal.Journal
	number  uint64 // the centre's: of the last envelope sent
}

func newRecorder(t *testing.T, changes ...func(*protocol.Roster)) *recorder {
	t.Helper()
	r := &recorder{town: protocoltest.NewTown(t, start), t: t, dir: t.TempDir(), now: start.Add(time.Minute)}
	r.open(r.town.Roster(1, changes...))
	t.Cleanup(func() { r.journal.Close() })
	return r
}

func (r *recorder) open(roster []byte) {
	r.t.Helper()
	clock := func() time.Time { return r.now }
	var err error
	if r.journal, err = journal.Open(r.dir, r.town.Log.Name(), r.town.Log, clock, slog.New(slog.DiscardHandler)); err != nil {
		r.t.Fatal(err)
	}
	if r.Orders, err = orders.Open(r.journal, r.town.Recorder, r.town.Roots, roster, clock, nil); err != nil {
		r.t.Fatal(err)
	}
	r.KeepLedger(disk.OS, r.seen())
}

// seen is the file with the newest of the centre's ledger.
func (r *recorder) seen() string {
	return filepath.Join(r.dir, "..", filepath.Base(r.dir)+"-ledger-seen")
}

func (r *recorder) restart() {
	r.t.Helper()
	if err := r.journal.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.open(nil)
}

// order sends a document under the next number.
func (r *recorder) order(d protocol.Document, signers ...protocol.PersonID) (orders.Action, error) {
	r.t.Helper()
	return r.send(r.town.Compose(d, signers...))
}

func (r *recorder) send(document []byte) (orders.Action, error) {
	r.t.Helper()
	r.number++
	return r.Accept(r.t.Context(), r.town.Envelope(r.number, document, func(e *protocol.Envelope) {
		e.NotBefore, e.NotAfter = protocol.T(r.now.Add(-time.Minute)), protocol.T(r.now.Add(30*day))
	}))
}

// must is an order that has to be obeyed.
func (r *recorder) must(d protocol.Document, signers ...protocol.PersonID) orders.Action {
	r.t.Helper()
	a, err := r.order(d, signers...)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// refused checks that an order used its number up, was not obeyed and that the journal says why.
func (r *recorder) refused(want string, a orders.Action, err error) {
	r.t.Helper()
	if a != nil || !errors.Is(err, orders.ErrRefused) || !strings.Contains(err.Error(), want) {
		r.t.Errorf("got %v, %v; want a refusal that says %q", a, err, want)
		return
	}
	if last := r.LastOrder(); last != r.number {
		r.t.Errorf("last order %d after refusing %d: a refused order uses its number up", last, r.number)
	}
	var b protocol.OrderRefused
	r.lastBody(protocol.KindRefused, &b)
	if b.Number != r.number || !strings.Contains(b.Reason, want) {
		r.t.Errorf("journal says %+v, want %q", b, want)
	}
}

// heading gives a document a fresh id and a term around now.
func (r *recorder) heading(id string, term time.Duration) protocol.Heading {
	return protocol.Heading{ID: protocol.DocumentID(id), Recorder: r.town.Recorder, NotBefore: protocol.T(r.now), NotAfter: protocol.T(r.now.Add(term))}
}

func (r *recorder) kinds() map[string]int {
	r.t.Helper()
	n := map[string]int{}
	if err := r.journal.Replay(func(h chain.Header, _ []byte) error { n[h.Kind]++; return nil }); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *recorder) lastBody(kind string, into any) {
	r.t.Helper()
	var last []byte
	if err := r.journal.Replay(func(h chain.Header, body []byte) error {
		if h.Kind == kind {
			last = body
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	if last == nil {
		r.t.Fatalf("no %s in the journal", kind)
	}
	if err := chain.ParseBody(last, into); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recorder) append(kind string, body any) uint64 {
	r.t.Helper()
	seq, err := r.journal.Append(r.t.Context(), kind, body)
	if err != nil {
		r.t.Fatal(err)
	}
	return seq
}

func TestEachKindIsObeyedAndJournalled(t *testing.T) {
	r := newRecorder(t)
	if m, ok := r.must(r.town.Mandate(cam, 1)).(*protocol.Mandate); !ok || m.Camera != cam {
		t.Error("mandate")
	}
	if h, ok := r.must(r.town.Hold("h-1", cam, asked(2))).(protocol.Hold); !ok || h.ID != "h-1" {
		t.Error("hold")
	}
	g, ok := r.must(r.town.Grant("g-1", cam, asked(2)), handler, approver).(*orders.Grant)
	if !ok || g.Doc().ID != "g-1" || g.Level() != protocol.LevelPersons || g.Valid(r.now) != nil || g.Valid(r.now.Add(day)) == nil {
		t.Errorf("grant %+v", g)
	}
	if l, ok := r.must(&protocol.Lift{Heading: r.heading("l-1", day), Camera: cam, Hold: "h-1", Reason: protocol.LiftWithdrawn, Handler: handler, Approver: approver}, handler, approver).(protocol.Lift); !ok || l.Hold != "h-1" {
		t.Error("lift")
	}
	a, err := r.send(r.town.Roster(2))
	if roster, ok := a.(*protocol.Roster); !ok || err != nil || roster.Version != 2 {
		t.Errorf("roster: %v", err)
	}
	var b protocol.Order
	r.lastBody(protocol.KindOrder, &b)
	if b.Number != 5 || b.Kind != "roster" || b.Level != protocol.LevelRoots || b.Envelope.IsZero() {
		t.Errorf("journal: %+v", b)
	}
	if n := r.kinds(); n[protocol.KindOrder] != 5 || n[protocol.KindOpened] != 1 || r.LastOrder() != 5 {
		t.Errorf("journal has %v, last order %d", n, r.LastOrder())
	}
}

// A grant serves only what handler and approver signed, for three different people; nobody else can make one, whatever the envelope says.
func TestI12_OnlyTheGrantThatTwoPeopleSigned(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	good := func(id string, changes ...func(*protocol.Grant)) *protocol.Grant {
		g := r.town.Grant(id, cam, asked(2))
		for _, c := range changes {
			c(g)
		}
		return g
	}
	n := 0
	refuse := func(name, want string, document []byte) {
		t.Helper()
		a, err := r.send(document)
		t.Log(name)
		r.refused(want, a, err)
		n++
	}
	signed := r.town.Compose(good("g-1"), handler, approver)
	refuse("one byte changed", "invalid signature", protocoltest.Change(t, signed, "purpose opsporing", "purpose opsporinG"))
	refuse("interval widened", "invalid signature", []byte(strings.ReplaceAll(string(signed), "2026-11-21T01:00:00.000Z", "2026-11-21T01:59:00.000Z")))
	refuse("handler only", "p-approver has not signed", r.town.Compose(good("g-2"), handler))
	refuse("nobody", "p-handler has not signed", r.town.Compose(good("g-3")))
	refuse("administrator as approver", "not on roster", r.town.Compose(good("g-4", func(g *protocol.Grant) { g.Approver = protocoltest.Admin }), handler, protocoltest.Admin))
	refuse("two people: handler approves", "three different people", protocoltest.Change(t, r.town.Compose(good("g-5")), "approver p-approver", "approver p-handler"))
	refuse("two people: requester approves", "three different people", protocoltest.Change(t, r.town.Compose(good("g-5")), "requester p-requester", "requester p-approver"))
	stranger := protocoltest.NewPasskey(t, approver) // right name, a key that is not on the roster
	refuse("a key not on the roster", "has not signed", stranger.Sign(t, r.town.Compose(good("g-6"), handler)))
	elsewhere := good("g-7")
	elsewhere.Recorder = "rec-2"
	refuse("for another recorder", "for recorder rec-2", r.town.Compose(elsewhere, handler, approver))
	refuse("for a camera without mandate", "never had a mandate", r.town.Compose(good("g-8", func(g *protocol.Grant) { g.Camera = "cam-9" }), handler, approver))
	refuse("of another regime", "regime", r.town.Compose(good("g-9", func(g *protocol.Grant) { g.Regime = protocol.AVG }), handler, approver))
	refuse("to no key", "neither the vault", r.town.Compose(good("g-10", func(g *protocol.Grant) { g.Recipient = "age1nobody" }), handler, approver))
	refuse("release to the privacy officer", "officer receives no release", r.town.Compose(good("g-11", func(g *protocol.Grant) { g.Requester = protocoltest.Officer }), handler, approver))

	if a := r.must(good("g-1"), handler, approver); a.(*orders.Grant).Level() != protocol.LevelPersons {
		t.Error("the good one")
	}
	refuse("replayed in a fresh envelope", "used before", signed)
	r.now = start.Add(day)
	refuse("after its day", "expired", r.town.Compose(good("g-12"), handler, approver))
	if got := r.kinds()[protocol.KindRefused]; got != n {
		t.Errorf("%d refusals in the journal, want %d", got, n)
	}
	if all := r.Unfinished(); len(all) != 1 {
		t.Errorf("unfinished: %v", all)
	}
}

func TestZeroGrantPermitsNothing(t *testing.T) {
	var zero orders.Grant
	var none *orders.Grant
	if zero.Valid(start) == nil || none.Valid(start) == nil || zero.Doc() != (protocol.Grant{}) || none.Doc() != (protocol.Grant{}) {
		t.Error("a grant nobody made is valid")
	}
}

func TestLevelCentreOnlyWhereTheRosterAllowsIt(t *testing.T) {
	r := newRecorder(t, func(ro *protocol.Roster) { ro.LevelCentre = true })
	r.must(r.town.Mandate(cam, 1))
	if g := r.must(r.town.Grant("g-1", cam, asked(2))).(*orders.Grant); g.Level() != protocol.LevelCentre {
		t.Errorf("level %q", g.Level())
	}
	if a, err := r.send(r.town.Roster(2)); err != nil {
		t.Fatal(a, err)
	}
	a, err := r.order(r.town.Grant("g-2", cam, asked(2)))
	r.refused("does not accept the centre's word", a, err)
}

// Only the next number counts. What the broker does to the order of messages changes nothing.
func TestOnceAndInOrder(t *testing.T) {
	r := newRecorder(t)
	envelopes := make([][]byte, 5)
	for i := range envelopes {
		envelopes[i] = r.town.Envelope(uint64(i+1), r.town.Compose(r.town.Mandate(protocol.CameraID(fmt.Sprintf("cam-%d", i+1)), 1)))
	}
	accept := func(i int) error { _, err := r.Accept(t.Context(), envelopes[i-1]); return err }
	for _, step := range []struct {
		envelope int
		want     error
		last     uint64
	}{
		{2, orders.ErrDropped, 0}, {1, nil, 1}, {1, orders.ErrRepeated, 1}, {3, orders.ErrDropped, 1}, {2, nil, 2}, {2, orders.ErrRepeated, 2},
		{1, orders.ErrRepeated, 2}, {5, orders.ErrDropped, 2}, {3, nil, 3}, {4, nil, 4}, {5, nil, 5},
	} {
		if err := accept(step.envelope); !errors.Is(err, step.want) || r.LastOrder() != step.last {
			t.Fatalf("envelope %d: %v, last %d; want %v, %d", step.envelope, err, r.LastOrder(), step.want, step.last)
		}
	}
	other := r.town.Envelope(3, r.town.Compose(r.town.Mandate("cam-x", 1)))
	if _, err := r.Accept(t.Context(), other); !errors.Is(err, orders.ErrDropped) {
		t.Errorf("another envelope under a used number: %v", err)
	}
	if r.Dropped() != 4 || r.kinds()[protocol.KindDropped] != 4 {
		t.Errorf("dropped %d, journal %v", r.Dropped(), r.kinds())
	}
	r.restart()
	for i := range envelopes {
		if err := accept(i + 1); !errors.Is(err, orders.ErrRepeated) {
			t.Errorf("envelope %d after a restart: %v", i+1, err)
		}
	}
}

// What is not the centre's, or not for this recorder, uses nothing up and cannot fill the journal.
func TestDroppedEnvelopesAreCountedAndBounded(t *testing.T) {
	r := newRecorder(t)
	stranger := protocoltest.NewTown(t, start)
	elsewhere := func(e *protocol.Envelope) { e.Recorder = "rec-2" }
	document := r.town.Compose(r.town.Mandate(cam, 1))
	good := r.town.Envelope(1, document)
	for _, bad := range [][]byte{nil, []byte("x"), document, stranger.Envelope(1, document), r.town.Envelope(1, document, elsewhere), protocoltest.Change(t, good, "order 1", "order 2")} {
		if a, err := r.Accept(t.Context(), bad); a != nil || !errors.Is(err, orders.ErrDropped) {
			t.Errorf("%v, %v", a, err)
		}
	}
	for i := range 100 {
		if i == 50 {
			r.restart() // a restart does not give the flood new room
		}
		if _, err := r.Accept(t.Context(), fmt.Appendf(nil, "noise %d", i)); !errors.Is(err, orders.ErrDropped) {
			t.Fatal(err)
		}
	}
	if n := r.kinds()[protocol.KindDropped]; n != 10 || r.LastOrder() != 0 {
		t.Errorf("%d entries for a flood, last order %d", n, r.LastOrder())
	}
	r.now = r.now.Add(time.Hour)
	if _, err := r.Accept(t.Context(), []byte("noise")); !errors.Is(err, orders.ErrDropped) {
		t.Fatal(err)
	}
	var b protocol.OrderDropped
	r.lastBody(protocol.KindDropped, &b)
	if b.Unlogged != 50 {
		t.Errorf("the next entry counts %d others, want those since the restart, 50", b.Unlogged)
	}
	if a, err := r.Accept(t.Context(), good); err != nil {
		t.Errorf("the good one after the flood: %v, %v", a, err)
	}
}

// An envelope that is ours and next uses its number, whatever is in it.
func TestNumberIsUsedWhateverIsInside(t *testing.T) {
	r := newRecorder(t)
	mandate := r.town.Compose(r.town.Mandate(cam, 1))
	for _, c := range []struct {
		want     string
		document []byte
		change   func(*protocol.Envelope)
	}{
		{"envelope: expired", mandate, func(e *protocol.Envelope) { e.NotAfter = protocol.T(start) }},
		{"envelope: not valid before", mandate, func(e *protocol.Envelope) { e.NotBefore = protocol.T(r.now.Add(time.Hour)) }},
		{"unknown kind", []byte("beeldwacht/wipe v1\nid e-1\n\n"), func(*protocol.Envelope) {}},
		{"no blank line", []byte("nonsense\n"), func(*protocol.Envelope) {}},
		{"unknown field", protocoltest.Change(t, mandate, "sound none\n", "sound none\ncolour red\n"), func(*protocol.Envelope) {}},
	} {
		r.number++
		a, err := r.Accept(t.Context(), r.town.Envelope(r.number, c.document, c.change))
		r.refused(c.want, a, err)
	}
	if _, err := r.send(mandate); err != nil {
		t.Errorf("a refused document may come again: %v", err)
	}
}

func TestMandateRules(t *testing.T) {
	r := newRecorder(t, func(ro *protocol.Roster) { ro.MaxWindow = protocol.Window(14 * day) })
	version := uint64(0)
	mandate := func(change func(*protocol.Mandate)) *protocol.Mandate {
		version++
		m := r.town.Mandate(cam, version)
		m.Window = protocol.Window(7 * day)
		change(m)
		return m
	}
	two := []protocol.PersonID{approver, approver2}
	check := func(want string, change func(*protocol.Mandate), signers ...protocol.PersonID) {
		t.Helper()
		a, err := r.order(mandate(change), signers...)
		if want != never {
			r.refused(want, a, err)
		} else if err != nil {
			t.Errorf("version %d: %v", version, err)
		}
	}
	by := func(change func(*protocol.Mandate)) func(*protocol.Mandate) {
		return func(m *protocol.Mandate) { change(m); m.Approvers = two }
	}
	same := func(*protocol.Mandate) {}
	shorter := func(m *protocol.Mandate) { m.Window = protocol.Window(day) }
	check("over the roster's ceiling", func(m *protocol.Mandate) { m.Window = protocol.Window(15 * day) })
	check(never, same)
	check(never, func(m *protocol.Mandate) { m.Window = protocol.Window(10 * day) }) // wider
	check("shorter than version 3: needs two approvers", same)
	check("has not signed", by(shorter), approver)
	check("has not signed", by(shorter), handler, approver)
	check(never, by(shorter), two...)
	check("not-after", func(m *protocol.Mandate) { m.NotAfter = protocol.T(start.Add(30 * day)) })
	check("longest-hold", func(m *protocol.Mandate) { m.LongestHold = protocol.Window(day) })
	check("stream sub", func(m *protocol.Mandate) { m.Streams = m.Streams[:1] })
	check("never changes regime", func(m *protocol.Mandate) { m.Regime = protocol.AVG })
	check("a version rises", func(m *protocol.Mandate) { m.Version = 3 })
	check(never, by(func(m *protocol.Mandate) { m.NotAfter = protocol.T(r.now.Add(-time.Second)) }), two...) // ends it, at once
	if m, err := r.Mandate(cam, r.now); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an ended mandate is in force: %+v", m)
	}
	check(never, same) // given anew
	if m, err := r.Mandate(cam, r.now); err != nil || m.Version != version {
		t.Errorf("%+v, %v", m, err)
	}
}

// Sound is off unless roster and mandate both allow it: the centre alone cannot switch it on, and what one of them takes back ends at once.
func TestSoundNeedsRosterAndMandate(t *testing.T) {
	r := newRecorder(t)
	ask := func(id string, version uint64, sound string, signers ...protocol.PersonID) (orders.Action, error) {
		m := r.town.Mandate(cam, version)
		m.Heading, m.Sound, m.Approvers = r.heading(id, 200*day), sound, signers
		return r.order(m, signers...)
	}
	now := func() string {
		m, err := r.Mandate(cam, r.now)
		if err != nil {
			t.Fatal(err)
		}
		if given := r.Mandates(); len(given) != 1 || given[0].Sound != m.Sound {
			t.Errorf("footage is given %+v, and the stream %s", given, m.Sound)
		}
		return m.Sound
	}
	a, err := ask("s-1", 1, protocol.SoundAllowed)
	r.refused("over the roster's ceiling, which allows none", a, err)
	if _, err := ask("s-2", 1, protocol.SoundNone); err != nil || now() != protocol.SoundNone {
		t.Fatalf("%v, %s", err, now())
	}
	roster := func(version uint64, sound string) {
		t.Helper()
		raw := r.town.Roster(version, func(ro *protocol.Roster) {
			ro.Heading, ro.Sound = r.heading(fmt.Sprintf("roster-%d", version), 400*day), sound
		})
		if sound == "" && strings.Contains(string(raw), "sound") {
			t.Errorf("a roster that allows no sound speaks of it, which a recorder of the version before refuses:\n%s", raw)
		}
		if _, err := r.send(raw); err != nil {
			t.Fatal(err)
		}
	}
	roster(2, protocol.SoundAllowed)
	if now() != protocol.SoundNone {
		t.Error("the roster alone switched sound on")
	}
	if _, err := ask("s-3", 2, protocol.SoundAllowed); err != nil || now() != protocol.SoundAllowed {
		t.Fatalf("%v, %s", err, now())
	}
	a, err = ask("s-4", 3, protocol.SoundNone)
	r.refused("without sound it is less than version 2: needs two approvers", a, err)
	roster(3, "")
	if now() != protocol.SoundNone {
		t.Error("the roster allows no sound any more, and a mandate from before does")
	}
	roster(4, protocol.SoundAllowed)
	if _, err := ask("s-5", 3, protocol.SoundNone, approver, approver2); err != nil || now() != protocol.SoundNone {
		t.Errorf("%v, %s", err, now())
	}
}

// A lapse needs no order: the register is the power to record, and its term ends by itself.
func TestMandateLapsesByItself(t *testing.T) {
	r := newRecorder(t)
	if _, err := r.Mandate(cam, r.now); err == nil {
		t.Error("a camera nobody registered has a mandate")
	}
	first := r.town.Mandate(cam, 1)
	first.NotAfter = protocol.T(start.Add(10 * day))
	r.must(first)
	later := r.town.Mandate(cam, 2) // the renewal, sent ahead
	later.NotBefore, later.NotAfter = protocol.T(start.Add(12*day)), protocol.T(start.Add(20*day))
	r.must(later)
	for _, c := range []struct {
		at      time.Duration
		version uint64
		next    time.Duration
		given   int // to footage: what follows by itself too, and what is over as long as nothing follows
	}{
		{0, 1, 10 * day, 2}, {10*day - time.Millisecond, 1, 10 * day, 2}, {10 * day, 0, 12 * day, 2}, {12 * day, 2, 20 * day, 1}, {20 * day, 0, 0, 1},
	} {
		r.now = start.Add(c.at)
		m, err := r.Mandate(cam, r.now)
		if (err == nil) != (c.version > 0) || (m != nil && m.Version != c.version) || len(r.Mandates()) != c.given {
			t.Errorf("after %s: %+v, %v", c.at, m, err)
		}
		if next := r.NextChange(r.now); next.IsZero() != (c.next == 0) || c.next > 0 && !next.Equal(start.Add(c.next)) {
			t.Errorf("after %s the next change is %s, want %s", c.at, next, start.Add(c.next))
		}
	}
}

func TestHoldRules(t *testing.T) {
	r := newRecorder(t)
	n := 0
	hold := func(camera protocol.CameraID, i protocol.Interval, days float64, approvers ...protocol.PersonID) *protocol.Hold {
		n++
		h := r.town.Hold(fmt.Sprintf("h-%d", n), camera, i)
		h.Heading = r.heading(string(h.ID), 30*day)
		h.End, h.Approvers = protocol.T(start.Add(time.Duration(days*float64(day)))), approvers
		return h
	}
	two := []protocol.PersonID{approver, approver2}
	a, err := r.order(hold(cam, asked(2), 14))
	r.refused("never had a mandate", a, err)
	m := r.town.Mandate(cam, 1)
	m.NotAfter = protocol.T(start.Add(time.Hour))
	r.must(m)
	r.now = start.Add(2 * time.Hour) // the mandate has lapsed; its footage can still be held
	r.must(hold(cam, asked(2), 14))
	a, err = r.order(hold(cam, asked(8), 0.05))
	r.refused("ended at", a, err)
	a, err = r.order(hold(cam, asked(8), 28.2))
	r.refused("needs two different approvers", a, err)
	a, err = r.order(hold(cam, asked(8), 61), two...)
	r.refused("longest hold is P60D", a, err)

	// Ten days on: renewing counts from the first hold on that footage, however the renewal is cut.
	r.now = start.Add(10 * day)
	half := protocol.Span(asked(2).From.Add(30*time.Minute), asked(2).To.Add(time.Hour))
	r.must(hold(cam, half, 28))
	a, err = r.order(hold(cam, half, 29))
	r.refused("needs two approvers", a, err)
	r.must(hold(cam, half, 29, two...), two...)
	a, err = r.order(hold(cam, half, 61, two...), two...)
	r.refused("longest hold is P60D", a, err)
	r.must(hold(cam, asked(20), 38)) // other footage, counted from now
	if got := len(r.Holds()); got != 4 {
		t.Errorf("%d holds", got)
	}
	// The recorder rounds a hold outward to whole segments; what lies between asked and rounded is held too.
	r.append(protocol.KindHoldPlaced, protocol.HoldPlaced{Hold: "h-2", Camera: cam, Asked: asked(2), Interval: protocol.Span(asked(2).From.Add(-time.Minute), asked(2).To), End: protocol.T(start.Add(14 * day))})
	beside := protocol.Span(asked(2).From.Add(-2*time.Minute), asked(2).From)
	a, err = r.order(hold(cam, beside, 37))
	r.refused("needs two approvers", a, err)

	provisional := hold(cam, asked(30), 20)
	provisional.Ground = protocol.GroundProvisional
	a, err = r.order(provisional)
	r.refused("P3D", a, err)

	r.now = start.Add(29 * day)
	for _, h := range r.Holds() {
		if !r.now.Before(h.End.Time) {
			t.Errorf("hold %s stands after its end", h.ID)
		}
	}
}

func TestLiftRules(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	r.must(r.town.Mandate("cam-2", 1))
	r.must(r.town.Hold("h-1", cam, asked(2)))
	n := 0
	lift := func(hold protocol.HoldID, camera protocol.CameraID, reason protocol.LiftReason, people ...protocol.PersonID) *protocol.Lift {
		n++
		l := &protocol.Lift{Heading: r.heading(fmt.Sprintf("l-%d", n), day), Camera: camera, Hold: hold, Reason: reason}
		if len(people) == 2 {
			l.Handler, l.Approver = people[0], people[1]
		}
		return l
	}
	refuse := func(want string, l *protocol.Lift, signers ...protocol.PersonID) {
		t.Helper()
		a, err := r.order(l, signers...)
		r.refused(want, a, err)
	}
	refuse("never accepted", lift("h-9", cam, protocol.LiftReleased))
	refuse("on camera cam-1", lift("h-1", "cam-2", protocol.LiftReleased))
	refuse("was not released", lift("h-1", cam, protocol.LiftReleased))
	refuse("has not signed", lift("h-1", cam, protocol.LiftRefused, handler, approver), handler)

	half := protocol.Span(asked(2).From, asked(2).From.Add(30*time.Minute))
	rest := protocol.Span(half.To, asked(2).To)
	r.must(r.town.Grant("g-1", cam, half), handler, approver)
	refuse("grant g-1 has no release.done", lift("h-1", cam, protocol.LiftReleased))
	r.append(protocol.KindReleased, protocol.Released{Grant: "g-1", Request: "z-12", Camera: cam})
	refuse("was not released", lift("h-1", cam, protocol.LiftReleased)) // the other half
	r.must(r.town.Grant("g-2", cam, rest), handler, approver)
	r.append(protocol.KindReleaseFail, protocol.ReleaseFailed{Grant: "g-2", Request: "z-12", Reason: "the vault is full", Final: true})
	refuse("was not released", lift("h-1", cam, protocol.LiftReleased))
	r.must(r.town.Grant("g-3", cam, rest), handler, approver)
	r.append(protocol.KindReleased, protocol.Released{Grant: "g-3", Request: "z-12", Camera: cam})
	r.must(lift("h-1", cam, protocol.LiftReleased))
	refuse("lifted before", lift("h-1", cam, protocol.LiftReleased))
	if len(r.Holds()) != 0 || len(r.Lifts()) != 1 {
		t.Errorf("holds %v, lifts %v", r.Holds(), r.Lifts())
	}

	r.must(r.town.Hold("h-2", cam, asked(4)))
	r.must(lift("h-2", cam, protocol.LiftReleased, handler, approver), handler, approver) // not released, but two people say so
	r.must(r.town.Hold("h-3", cam, asked(4)))
	r.now = start.Add(15 * day)
	refuse("ended at", lift("h-3", cam, protocol.LiftWithdrawn, handler, approver), handler, approver)
}

func TestRosterRules(t *testing.T) {
	r := newRecorder(t)
	raw := r.town.Roster(2)
	lines := strings.SplitAfter(string(raw), "\n")
	one := []byte(strings.Join(lines[:len(lines)-2], ""))
	for _, c := range []struct {
		want string
		raw  []byte
	}{
		{"needs 2", one},
		{"version 1 is in force", r.town.Roster(1, func(ro *protocol.Roster) { ro.ID = "roster-1b" })},
		{"used before", r.town.Roster(1)},
		{"another key for this recorder", r.town.Roster(2, func(ro *protocol.Roster) { ro.RecorderKey = r.town.OrderKey })},
		{"enrolled in stad", r.town.Roster(2, func(ro *protocol.Roster) { ro.Municipality = "dorp" })},
		{"for recorder rec-2", r.town.Roster(2, func(ro *protocol.Roster) { ro.Recorder = "rec-2" })},
		{"expired", r.town.Roster(2, func(ro *protocol.Roster) {
			ro.NotBefore, ro.NotAfter = protocol.T(start.Add(-day)), protocol.T(start)
		})},
	} {
		a, err := r.send(c.raw)
		r.refused(c.want, a, err)
		if got, err := r.AcceptRoster(t.Context(), c.raw); c.want != "used before" && (got != nil || !errors.Is(err, orders.ErrRefused)) {
			t.Errorf("by hand: %v, %v; want %q", got, err, c.want)
		}
	}
	// A new order key takes over at once, and the old one is worth nothing.
	order, orderKey := protocoltest.Key(t, "orders2.stad/beeldwacht")
	next := r.town.Roster(2, func(ro *protocol.Roster) { ro.OrderKey = orderKey })
	if got, err := r.AcceptRoster(t.Context(), next); err != nil || got.Version != 2 || r.Roster().Version != 2 {
		t.Fatalf("by hand: %v, %v", got, err)
	}
	if _, err := r.AcceptRoster(t.Context(), next); err != nil {
		t.Errorf("the same roster by hand again: %v", err)
	}
	last := r.LastOrder()
	if _, err := r.order(r.town.Mandate(cam, 1)); !errors.Is(err, orders.ErrDropped) {
		t.Errorf("by the old order key: %v", err)
	}
	r.town.Order, r.number = order, last
	r.must(r.town.Mandate(cam, 1))
	r.restart()
	if r.Roster().Version != 2 || r.LastOrder() != r.number {
		t.Error("the roster by hand was forgotten")
	}
	// When the roster's term is over only a new roster is obeyed.
	r.now = start.Add(366 * day)
	a, err := r.order(r.town.Mandate("cam-2", 1))
	r.refused("roster version 2: expired", a, err)
	if _, err := r.send(r.town.Roster(3, func(ro *protocol.Roster) { ro.Heading = r.heading("roster-3", 400*day); ro.OrderKey = orderKey })); err != nil {
		t.Error(err)
	}
	r.must(&protocol.Mandate{Heading: r.heading("m-2", day), Camera: "cam-2", Regime: protocol.WPG, Version: 1, Streams: []protocol.StreamID{"main"}, Window: protocol.MaxWindow, LongestHold: protocol.MaxWindow, Sound: "none", Hours: "always", Besluit: "b", Protocol: "p"})
}

func TestGrantsForViewing(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	key := protocoltest.NewPasskey(t, "viewer").Key
	recipient := "p256:" + base64.RawURLEncoding.EncodeToString(elliptic.MarshalCompressed(elliptic.P256(), key.X, key.Y))
	standing := r.town.Grant("g-1", cam, protocol.Interval{})
	standing.Heading = r.heading("g-1", 90*day)
	standing.Use, standing.Recipient = protocol.UseStanding, recipient
	view := r.town.Grant("g-2", cam, asked(3))
	view.Use, view.Recipient = protocol.UseView, recipient
	for _, bad := range []string{r.town.Vault.Recipient().String(), "p256:", "p256:AAAA", recipient + "A", strings.Replace(recipient, "p256", "P256", 1)} {
		wrong := *view
		wrong.ID, wrong.Recipient = protocol.DocumentID(fmt.Sprintf("g-bad-%d", r.number)), bad
		a, err := r.order(&wrong, handler, approver)
		r.refused("want p256:", a, err)
	}
	r.must(standing, handler, approver)
	r.must(view, handler, approver)
	if s, v := r.StandingGrants(recipient), r.ViewGrants(recipient); len(s) != 1 || len(v) != 1 || s[0].Doc().ID != "g-1" || v[0].Doc().ID != "g-2" {
		t.Errorf("%v, %v", s, v)
	}
	if len(r.StandingGrants("p256:other")) != 0 {
		t.Error("another key has a grant")
	}
	if all := r.Unfinished(); len(all) != 0 {
		t.Errorf("a viewing grant waits to be released: %v", all)
	}
	r.now = start.Add(2 * day)
	if len(r.ViewGrants(recipient)) != 0 || len(r.StandingGrants(recipient)) != 1 {
		t.Error("a view grant outlives its day, or a standing grant does not")
	}
}

// A release grant is used once: the journal tells how far it came, whoever wrote it there.
func TestUnfinishedReleases(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	ids := []protocol.GrantID{"g-new", "g-begun", "g-tried", "g-done", "g-failed"}
	for _, id := range ids {
		r.must(r.town.Grant(string(id), cam, asked(2)), handler, approver)
	}
	var begun uint64
	for _, id := range ids[1:] {
		seq := r.append(protocol.KindIntent, protocol.Access{How: "release", Grant: id, Camera: cam, Interval: asked(2)})
		if id == "g-begun" {
			begun = seq
		}
	}
	r.append(protocol.KindReleaseFail, protocol.ReleaseFailed{Grant: "g-tried"})
	r.append(protocol.KindReleased, protocol.Released{Grant: "g-done", Camera: cam})
	r.append(protocol.KindReleaseFail, protocol.ReleaseFailed{Grant: "g-failed", Final: true})
	for range 2 {
		all := r.Unfinished()
		var got []protocol.GrantID
		for _, g := range all {
			d := g.Doc()
			got = append(got, d.GrantID())
		}
		if !reflect.DeepEqual(got, ids[:3]) {
			t.Errorf("unfinished %v", got)
		}
		if p, err := r.Release("g-begun"); err != nil || p.Intent != begun || p.Over() {
			t.Errorf("%+v, %v", p, err)
		}
		r.restart()
	}
}

// After a restart the recorder remembers exactly what it knew, from its journal alone.
func TestReplayGivesTheSameState(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	r.must(r.town.Mandate("cam-2", 1))
	r.must(r.town.Mandate(cam, 2))
	r.must(r.town.Hold("h-1", cam, asked(2)))
	r.must(r.town.Hold("h-2", cam, asked(2)))
	r.must(r.town.Grant("g-1", cam, asked(2)), handler, approver)
	if _, err := r.order(r.town.Grant("g-2", cam, asked(2))); !errors.Is(err, orders.ErrRefused) {
		t.Fatal(err)
	}
	r.must(&protocol.Lift{Heading: r.heading("l-1", day), Camera: cam, Hold: "h-2", Reason: protocol.LiftWithdrawn, Handler: handler, Approver: approver}, handler, approver)
	if _, err := r.send(r.town.Roster(2)); err != nil {
		t.Fatal(err)
	}
	state := func() []any {
		return []any{r.Roster(), r.LastOrder(), r.Mandates(), r.Holds(), r.Lifts(), r.Unfinished(), r.NextChange(r.now)}
	}
	before := state()
	r.restart()
	if after := state(); !reflect.DeepEqual(before, after) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	grant, _ := r.Grant("g-1")
	if key, err := protocol.NewVerifier(r.town.OrderKey); err != nil {
		t.Fatal(err)
	} else if e, err := protocol.OpenEnvelope(grant.Envelope(), key); err != nil || string(e.Document) != string(grant.Signed().Raw) {
		t.Errorf("the grant's envelope: %v", err)
	}
	if v := grant.Roster().Document.(*protocol.Roster).Version; v != 1 {
		t.Errorf("the grant was verified under roster version 1, not %d", v)
	}
	a, err := r.send(r.town.Compose(r.town.Grant("g-1", cam, asked(2)), handler, approver))
	r.refused("used before", a, err)
}

// TestI10: with a journal that cannot be written nothing is used and nothing is handed out.
func TestI10_JournalFails(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	grant := r.town.Envelope(2, r.town.Compose(r.town.Grant("g-1", cam, asked(2)), handler, approver))
	refusable := r.town.Envelope(2, r.town.Compose(r.town.Grant("g-2", cam, asked(2))))
	if err := r.journal.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range [][]byte{grant, refusable, []byte("noise")} {
		a, err := r.Accept(t.Context(), e)
		if a != nil || err == nil || errors.Is(err, orders.ErrRefused) || r.LastOrder() != 1 {
			t.Errorf("%v, %v, last %d", a, err, r.LastOrder())
		}
	}
	if _, err := r.AcceptRoster(t.Context(), r.town.Roster(2)); err == nil || r.Roster().Version != 1 {
		t.Errorf("roster by hand: %v", err)
	}
	if _, ok := r.Grant("g-1"); ok {
		t.Error("the grant is remembered though the journal is not written")
	}
	r.open(nil)
	if r.LastOrder() != 1 {
		t.Errorf("last order %d", r.LastOrder())
	}
	if _, err := r.Accept(t.Context(), grant); err != nil {
		t.Errorf("sent again once the journal works: %v", err)
	}
}

// deaf is a journal whose disk kept what it said it had not.
type deaf struct {
	*journal.Journal
	fail bool
}

func (d *deaf) Append(ctx context.Context, kind string, body any) (uint64, error) {
	seq, err := d.Journal.Append(ctx, kind, body)
	if d.fail && err == nil {
		return 0, errors.New("input/output error")
	}
	return seq, err
}

// A write that failed and yet persisted: the order is sent again, or found at the next start; never obeyed twice, never lost.
func TestI10_JournalFailedButPersisted(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	j := &deaf{Journal: r.journal, fail: true}
	o, err := orders.Open(j, r.town.Recorder, r.town.Roots, nil, func() time.Time { return r.now }, nil)
	if err != nil {
		t.Fatal(err)
	}
	hold := r.town.Envelope(2, r.town.Compose(r.town.Hold("h-1", cam, asked(2))))
	if a, err := o.Accept(t.Context(), hold); a != nil || err == nil {
		t.Fatalf("%v, %v", a, err)
	}
	j.fail = false
	if _, err := o.Accept(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	r.restart()
	if r.LastOrder() != 2 || len(r.Holds()) != 1 {
		t.Errorf("last %d, holds %v", r.LastOrder(), r.Holds())
	}
	if _, err := r.Accept(t.Context(), hold); !errors.Is(err, orders.ErrRepeated) {
		t.Error(err)
	}
}

func TestOpenRefusesAnotherEnrolment(t *testing.T) {
	r := newRecorder(t)
	other := protocoltest.NewTown(t, start)
	clock := func() time.Time { return r.now }
	for name, open := range map[string]func() (*orders.Orders, error){
		"other roots": func() (*orders.Orders, error) {
			return orders.Open(r.journal, r.town.Recorder, other.Roots, nil, clock, nil)
		},
		"other recorder": func() (*orders.Orders, error) {
			return orders.Open(r.journal, "rec-2", r.town.Roots, nil, clock, nil)
		},
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	// A newer roster beside the journal is one that came by hand.
	if o, err := orders.Open(r.journal, r.town.Recorder, r.town.Roots, r.town.Roster(2), clock, nil); err != nil || o.Roster().Version != 2 {
		t.Errorf("roster version 2 at the start: %v", err)
	}
}

// A document that fits an envelope and not a journal entry is refused, not tried for ever.
func TestLongDocumentIsRefused(t *testing.T) {
	r := newRecorder(t)
	long := r.town.Roster(2, func(ro *protocol.Roster) {
		for range 4350 { // many short lines: each line end takes two bytes in JSON
			ro.Handlers = append(ro.Handlers, protocol.Seat{Regime: protocol.AVG, Person: "p"})
		}
	})
	if _, err := r.send(long); len(long) > protocol.MaxDocument-600 || err == nil {
		t.Fatalf("%d bytes: too long or too short for this test", len(long))
	} else {
		r.refused("at most", nil, err)
	}
	r.must(r.town.Mandate(cam, 1))
}

// A hold for which there is no room was accepted, and cannot stand: the journal says which under its own number, also after a restart. An order that is refused because
// it bears the id of a hold that stands takes nothing from that.
func TestHoldThatCannotStandIsRefused(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	r.must(r.town.Hold("h-1", cam, asked(2)))
	r.must(r.town.Hold("h-2", cam, asked(3)))
	if err := r.CannotHold(t.Context(), "h-1", errors.New("no room")); err != nil {
		t.Fatal(err)
	}
	var b protocol.OrderRefused
	r.lastBody(protocol.KindRefused, &b)
	if b.Number != 2 || b.Kind != "hold" || b.ID != "h-1" || b.Reason != "no room" || b.Envelope.IsZero() {
		t.Errorf("%+v", b)
	}
	a, err := r.order(r.town.Hold("h-2", cam, asked(3)))
	r.refused("used before", a, err)
	before := r.kinds()[protocol.KindRefused]
	for range 2 {
		if holds := r.Holds(); len(holds) != 1 || holds[0].ID != "h-2" || r.LastOrder() != r.number {
			t.Errorf("holds %v, last order %d", holds, r.LastOrder())
		}
		if err := r.CannotHold(t.Context(), "h-1", errors.New("again")); err != nil || r.kinds()[protocol.KindRefused] != before {
			t.Errorf("said twice: %v", err)
		}
		r.restart()
	}
}

// A roster with a lower ceiling counts at once for mandates that were accepted under a higher one; a mandate that goes no lower than that narrows nothing; and when the
// ceiling rises again, the mandate counts as it was signed.
func TestI03_LowerCeilingShortensEveryWindow(t *testing.T) {
	r := newRecorder(t)
	r.must(r.town.Mandate(cam, 1))
	windows := func(want time.Duration) {
		t.Helper()
		m, err := r.Mandate(cam, r.now)
		if err != nil || m.Window.Duration() != want {
			t.Errorf("in force: %+v, %v; want %s", m, err, want)
		}
		for _, m := range r.Mandates() {
			if m.Window.Duration() != want {
				t.Errorf("window %s, want %s", m.Window, want)
			}
		}
	}
	ceiling := func(version uint64, window time.Duration) {
		t.Helper()
		if _, err := r.send(r.town.Roster(version, func(r *protocol.Roster) { r.MaxWindow = protocol.Window(window) })); err != nil {
			t.Fatal(err)
		}
	}
	windows(28 * day)
	ceiling(2, 7*day)
	windows(7 * day)
	r.restart()
	windows(7 * day)
	m := r.town.Mandate(cam, 2)
	m.ID, m.Window = "m-2", protocol.Window(7*day)
	r.must(m)
	ceiling(3, 14*day)
	windows(7 * day)
}

// An order to erase is obeyed once, of two approvers' own hands, for a camera that had a mandate, of what was recorded, and never over a hold; what it became is read from the
// journal, so that after a start exactly those are left that have no outcome.
func TestI09_EraseRules(t *testing.T) {
	r := newRecorder(t)
	erase := func(id string, i protocol.Interval) *protocol.Erase {
		e := r.town.Erase(id, cam, i)
		e.Heading = r.heading(id, day)
		return e
	}
	a, err := r.order(erase("e-0", asked(2)), approver, approver2)
	r.refused("never had a mandate", a, err)
	r.must(r.town.Mandate(cam, 1))
	a, err = r.order(erase("e-1", asked(2)), approver)
	r.refused("has not signed", a, err)
	a, err = r.order(erase("e-1", asked(2)), approver, handler)
	r.refused("has not signed", a, err)
	byHandler := erase("e-1", asked(2))
	byHandler.Approvers = []protocol.PersonID{approver, handler}
	a, err = r.order(byHandler, approver, handler)
	r.refused("is not on roster", a, err)
	a, err = r.order(erase("e-1", asked(-1)), approver, approver2)
	r.refused("only what was recorded", a, err)
	other := erase("e-1", asked(2))
	other.Recorder = "rec-2"
	a, err = r.order(other, approver, approver2)
	r.refused("for recorder rec-2", a, err)
	past := erase("e-1", asked(2))
	past.NotBefore, past.NotAfter = protocol.T(r.now.Add(-2*day)), protocol.T(r.now.Add(-day))
	a, err = r.order(past, approver, approver2)
	r.refused("expired at", a, err)

	r.must(r.town.Hold("h-1", cam, asked(3)))
	a, err = r.order(erase("e-1", asked(3)), approver, approver2)
	r.refused("hold h-1", a, err)
	r.append(protocol.KindHoldPlaced, protocol.HoldPlaced{Hold: "h-1", Camera: cam, Asked: asked(3), Interval: protocol.Span(asked(3).From, asked(3).To.Add(30*time.Second)), End: protocol.T(r.now.Add(day))})
	a, err = r.order(erase("e-1", asked(2)), approver, approver2)
	r.refused("hold h-1", a, err) // its segments reach into this hour

	got, ok := r.must(erase("e-1", asked(5)), approver, approver2).(protocol.Erase)
	if !ok || got.ID != "e-1" || !got.Interval.Equal(asked(5)) {
		t.Fatalf("handed out: %+v", got)
	}
	var o protocol.Order
	if r.lastBody(protocol.KindOrder, &o); o.Kind != "erase" || o.Level != protocol.LevelPersons || !strings.Contains(o.Document, "interval "+asked(5).String()) {
		t.Errorf("the intent in the journal: %+v", o)
	}
	a, err = r.order(erase("e-1", asked(5)), approver, approver2)
	r.refused("used before", a, err)
	r.must(erase("e-2", asked(6)), approver, approver2)
	r.must(erase("e-3", asked(7)), approver, approver2)
	if err := r.CannotErase(t.Context(), "e-3", errors.New("a hold stands on it")); err != nil {
		t.Fatal(err)
	}
	r.append(protocol.KindErased, protocol.Erased{Erase: "e-1", Camera: cam, Asked: asked(5), Interval: asked(5)})
	for range 2 {
		left := r.Erases()
		if len(left) != 1 || left[0].ID != "e-2" {
			t.Errorf("to be done: %+v", left)
		}
		r.restart()
	}
	if err := r.CannotErase(t.Context(), "e-1", errors.New("too late")); err != nil || r.kinds()[protocol.KindRefused] != 11 {
		t.Errorf("what was done cannot be refused: %v, %d refusals", err, r.kinds()[protocol.KindRefused])
	}
	lift := &protocol.Lift{Heading: r.heading("l-1", day), Camera: cam, Hold: "h-1", Reason: protocol.LiftRefused, Handler: handler, Approver: approver}
	r.must(lift, handler, approver)
	r.must(erase("e-4", asked(3)), approver, approver2)
}

// I13: only the privacy officer's order lets the log go on, for the log that comes next, once; and what a release grant from before may still do is over.
func TestI13_ResumeRules(t *testing.T) {
	r := newRecorder(t)
	resume := func(id string, log uint64) *protocol.Resume { return r.town.Resume(id, log) }
	for want, try := range map[string]func() (orders.Action, error){
		"has not signed":            func() (orders.Action, error) { return r.order(resume("r-1", 2)) },
		"p-officer has not signed":  func() (orders.Action, error) { return r.order(resume("r-2", 2), handler, approver) },
		"log 3: here goes on log 1": func() (orders.Action, error) { return r.order(resume("r-3", 3), protocoltest.Officer) },
		"log 9: here goes on log 1": func() (orders.Action, error) { return r.order(resume("r-9", 9), protocoltest.Officer) },
	} {
		a, err := try()
		r.refused(want, a, err)
	}
	if r.Resuming() != nil {
		t.Error("an order that was refused is carried out")
	}
	r.must(r.town.Mandate(cam, 1))
	r.must(r.town.Grant("g-before", cam, asked(2)), handler, approver)
	r.must(resume("r-4", 2), protocoltest.Officer)
	a, err := r.order(resume("r-5", 2), protocoltest.Officer)
	r.refused("order r-4 to resume was accepted, and is being carried out", a, err)
	if got := r.Resuming(); got == nil || got.ID != "r-4" || got.Log != 2 {
		t.Errorf("%+v", got)
	}
	r.restart()
	if got := r.Resuming(); got == nil || got.ID != "r-4" {
		t.Errorf("forgotten by a start: %+v", got)
	}
	r.append(protocol.KindResumed, protocol.Resumed{Log: 2, Document: r.Resuming().Signed})
	r.must(r.town.Grant("g-behind", cam, asked(2)), handler, approver)
	for range 2 {
		if r.Resuming() != nil {
			t.Error("carried out, and still to be done")
		}
		for id, void := range map[protocol.GrantID]bool{"g-before": true, "g-behind": false} {
			if p, err := r.Release(id); err != nil || p.Void != void {
				t.Errorf("%s: %+v, %v", id, p, err)
			}
		}
		r.restart()
	}
	a, err = r.order(resume("r-6", 2), protocoltest.Officer)
	r.refused("log 2: here goes on log 2", a, err)
}
