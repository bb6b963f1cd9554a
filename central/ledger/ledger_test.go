package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/centraltest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

var start = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

var origin = protocol.LedgerOrigin("stad")

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
}

func open(t testing.TB, path string, signer note.Signer, c *clock) *Book {
	t.Helper()
	b, err := tryOpen(t, path, signer, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tryOpen(t testing.TB, path string, signer note.Signer, now func() time.Time) (*Book, error) {
	t.Helper()
	store, err := OpenBolt(path, signer.Name())
	if err != nil {
		return nil, err
	}
	return openOn(t, store, signer, now)
}

// dossierKeys is where a test and its child processes have their keys.
var dossierKeys = sync.OnceValue(func() string {
	if dir := os.Getenv("LEDGER_KEYS"); dir != "" {
		return dir
	}
	dir, err := os.MkdirTemp("", "beeldwacht-dossiers-")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("LEDGER_KEYS") == "" {
		if err := os.RemoveAll(dossierKeys()); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

// openOn opens a book, which a test may close before its end.
func openOn(t testing.TB, store Store, signer note.Signer, now func() time.Time) (*Book, error) {
	keys, err := OpenKeys(dossierKeys())
	if err != nil {
		return nil, err
	}
	return openWith(t, store, keys, signer, now)
}

func openWith(t testing.TB, store Store, keys *Keys, signer note.Signer, now func() time.Time) (*Book, error) {
	b, err := Open(t.Context(), store, keys, signer, now, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Cleanup(func() { _ = b.Close() }) // a second Close is harmless; the tests that care close themselves
	}
	return b, err
}

func do(t testing.TB, b *Book, c central.Command) {
	t.Helper()
	if _, err := b.Do(t.Context(), c); err != nil {
		t.Fatalf("%T: %v", c, err)
	}
}

func openCommand() central.Open {
	return central.Open{Municipality: "stad", Administrator: "p-admin", Secrecy: protocol.T(start.Add(-time.Hour))}
}

func agree(n int) central.AgreeUnit {
	return central.AgreeUnit{By: "p-admin", Unit: central.Unit{ID: fmt.Sprintf("unit-%d", n), Name: "Basisteam", Agreement: "CV-1", ValidUntil: protocol.T(start.Add(1000 * time.Hour)),
		AgreementFacts: central.AgreementFacts{Kind: central.ChainPartner, Parties: "x", Goals: "x", Special: "x", Informing: "x", Processings: "x", Rights: "x", ValidFrom: protocol.T(start.Add(-time.Hour)), Review: protocol.T(start.Add(1000 * time.Hour))}}}
}

// filled is a closed ledger of 2+n entries.
func filled(t testing.TB, n int) (path string, signer note.Signer, vkey string) {
	path = filepath.Join(t.TempDir(), "ledger.db")
	signer, vkey = protocoltest.Key(t, origin)
	b := open(t, path, signer, &clock{now: start})
	do(t, b, openCommand())
	for i := range n {
		do(t, b, agree(i))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return path, signer, vkey
}

// reads waits until a book has read on to a size.
func reads(t testing.TB, b *Book, size uint64) {
	t.Helper()
	for give := time.Now().Add(30 * time.Second); b.Size() < size; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(give) {
			t.Fatalf("stays at %d entries, another centre has %d", b.Size(), size)
		}
	}
}

func units(b *Book) (n int) {
	b.View(func(s *central.State) { n = len(s.Units()) })
	return n
}

func TestReopenGivesTheSameState(t *testing.T) {
	path, signer, vkey := filled(t, 3)
	b := open(t, path, signer, &clock{now: start.Add(-time.Hour)}) // a clock that went back
	if b.Size() != 5 || units(b) != 3 {
		t.Fatalf("%d entries, %d units", b.Size(), units(b))
	}
	do(t, b, agree(3))
	entries, err := b.Entries(t.Context(), 4, 10)
	if err != nil || len(entries) != 2 {
		t.Fatal(len(entries), err)
	}
	h, err := chain.ParseHeader(entries[1].Header)
	if err != nil || h.Time.Before(start) || h.Kind != "unit.agreed" {
		t.Errorf("%+v %v", h, err)
	}
	// A refusal comes through as one, and leaves nothing behind.
	_, err = b.Do(t.Context(), openCommand())
	if r, ok := central.RefusalOf(err); !ok || r.Code != central.CodeExists || b.Size() != 6 {
		t.Errorf("%v, %d entries", err, b.Size())
	}
	var file bytes.Buffer
	if err := b.Export(&file, 0); err != nil {
		t.Fatal(err)
	}
	v, err := protocol.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: v})
	if err != nil || !verdict.Matches || verdict.Entries != 6 || verdict.Uncovered != 0 {
		t.Errorf("%+v %v", verdict, err)
	}
}

func TestProofs(t *testing.T) {
	path, signer, vkey := filled(t, 6)
	b := open(t, path, signer, &clock{now: start})
	v, err := protocol.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	before, err := b.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	old, _, err := chain.OpenCheckpoint(before, origin, v)
	if err != nil {
		t.Fatal(err)
	}
	do(t, b, agree(6))
	signed, p, err := b.Consistency(old.Size)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := chain.OpenCheckpoint(signed, origin, v)
	if err != nil {
		t.Fatal(err)
	}
	if err := chain.CheckConsistency(p, old.Size, old.Root, c.Size, c.Root); err != nil {
		t.Error(err)
	}
	proof, err := b.Proof(3)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := b.Entries(t.Context(), 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := chain.VerifyProof(chain.MarshalProof(proof), entries[0].Header, chain.Verifier{Origin: origin, Log: v}); err != nil {
		t.Error(err)
	}
}

// Whatever is changed in the file, opening names the entry.
func TestTamperedFileNamesTheEntry(t *testing.T) {
	for what, c := range map[string]struct {
		change func(tx *bbolt.Tx) error
		seq    uint64
	}{
		"body": {func(tx *bbolt.Tx) error {
			b := bytes.Replace(tx.Bucket(bodies).Get(key(3)), []byte("unit-1"), []byte("unit-9"), 1)
			return tx.Bucket(bodies).Put(key(3), b)
		}, 3},
		"header": {func(tx *bbolt.Tx) error {
			b := bytes.Replace(tx.Bucket(headers).Get(key(2)), []byte(`T02:`), []byte(`T03:`), 1)
			return tx.Bucket(headers).Put(key(2), b)
		}, 2}, // nor does the tree know it
		"entry taken out": {func(tx *bbolt.Tx) error { return tx.Bucket(headers).Delete(key(2)) }, 2},
		"body taken out":  {func(tx *bbolt.Tx) error { return tx.Bucket(bodies).Delete(key(4)) }, 4},
		"last entry taken off": {func(tx *bbolt.Tx) error {
			return errors.Join(tx.Bucket(headers).Delete(key(5)), tx.Bucket(bodies).Delete(key(5)))
		}, 5},
		"tree": {func(tx *bbolt.Tx) error {
			return tx.Bucket(hashes).Put(key(2), make([]byte, 32))
		}, 1}, // place 2 completes the subtree of entries 0 and 1
		"checkpoint": {func(tx *bbolt.Tx) error {
			return tx.Bucket(meta).Put(metaCheckpoint, []byte("x"))
		}, 5},
	} {
		t.Run(what, func(t *testing.T) {
			path, signer, _ := filled(t, 4)
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Update(c.change); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			_, err = tryOpen(t, path, signer, time.Now)
			var broken *Broken
			if !errors.As(err, &broken) || broken.Seq != c.seq {
				t.Errorf("%v, want entry %d named", err, c.seq)
			}
		})
	}
}

// Someone without the key can write a ledger that is sound in itself; it is not this one.
func TestRewrittenLedgerIsRefused(t *testing.T) {
	path, _, _ := filled(t, 2)
	another, _ := protocoltest.Key(t, origin)
	var broken *Broken
	if _, err := tryOpen(t, path, another, time.Now); !errors.As(err, &broken) {
		t.Error(err)
	}
	wrong, _ := protocoltest.Key(t, "ledger.elders/beeldwacht")
	if _, err := tryOpen(t, path, wrong, time.Now); err == nil || !strings.Contains(err.Error(), "another's") {
		t.Error(err)
	}
}

func TestOneCentreAtATime(t *testing.T) {
	path, signer, _ := filled(t, 1)
	open(t, path, signer, &clock{now: start})
	if _, err := tryOpen(t, path, signer, time.Now); err == nil || !strings.Contains(err.Error(), "another centre") {
		t.Error(err)
	}
}

// Two centres on one store: who comes second reads on, decides anew and loses nothing.
func TestReadsOnWhenAnotherWasFirst(t *testing.T) {
	path, signer, _ := filled(t, 1)
	b := open(t, path, signer, &clock{now: start})
	second, err := openOn(t, b.store, signer, b.now)
	if err != nil {
		t.Fatal(err)
	}
	changed := b.Changed()
	do(t, second, agree(1))
	select {
	case <-changed:
	case <-time.After(20 * time.Second):
		t.Error("who waits was not woken")
	}
	do(t, b, agree(2))
	if units(b) != 3 || b.Size() != 5 {
		t.Errorf("%d units, %d entries", units(b), b.Size())
	}
}

func TestManyAtOnce(t *testing.T) {
	path, signer, _ := filled(t, 0)
	b := open(t, path, signer, &clock{now: start})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				if _, err := b.Do(context.Background(), agree(10*i+j)); err != nil {
					t.Error(err)
				}
				units(b)
			}
		})
	}
	wg.Wait()
	if units(b) != 40 {
		t.Errorf("%d units", units(b))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b = open(t, path, signer, &clock{now: start}); units(b) != 40 {
		t.Errorf("%d units after reopening", units(b))
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := b.Do(stopped, agree(99)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestASlowReaderStopsNobody: an officer takes the log in over a bad line, and the ledger has to grow meanwhile.
func TestASlowReaderStopsNobody(t *testing.T) {
	path, signer, _ := filled(t, 300)
	b := open(t, path, signer, &clock{now: start})
	defer b.Close()
	out, in := io.Pipe()
	exported := make(chan error, 1)
	go func() { exported <- errors.Join(b.Export(in, 0), in.Close()) }()
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // it has begun, and now the line stalls
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for n := range 30 {
			unit := agree(1000 + n)
			unit.Name = strings.Repeat("x", 50_000)
			if _, err := b.Do(t.Context(), unit); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing can be decided while somebody reads the log")
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := <-exported; err != nil {
		t.Error(err)
	}
}

// Two approvers, two centres, one head: one of the decisions stands, and the other approver is told that it is decided already.
func TestI12_DecisionsAtTheSameHeadSettleOnce(t *testing.T) {
	path, signer, _ := filled(t, 0)
	b := open(t, path, signer, &clock{now: start})
	town := protocoltest.NewTown(t, start)
	roster := town.Roster(1, func(r *protocol.Roster) { r.LevelCentre = true })
	later, before := protocol.T(start.Add(1000*time.Hour)), protocol.T(start.Add(-time.Hour))
	team := agree(0)
	team.ID = "team"
	do(t, b, team)
	do(t, b, central.EnrolRecorder{By: "p-admin", Recorder: town.Recorder, Key: town.LogKey, Origin: town.Log.Name(), Roots: town.Roots, Roster: roster})
	for p, post := range map[protocol.PersonID]central.Post{"p-registrar": {Role: central.Registrar}, protocoltest.Officer: {Role: central.Officer}, protocoltest.Requester: {Role: central.Requester}, protocoltest.Handler: {Role: central.Handler, Regime: protocol.AVG},
		protocoltest.Approver: {Role: central.Approver, Regime: protocol.AVG}, protocoltest.Approver2: {Role: central.Approver, Regime: protocol.AVG}} {
		do(t, b, central.Appoint{By: "p-admin", Appointment: central.Appointment{Person: p, Posts: []central.Post{post}, Unit: "team", Secrecy: before}})
	}
	do(t, b, central.AdoptProtocol{By: "p-registrar", CameraProtocol: central.CameraProtocol{ID: "gebouwen", Version: 1, Title: "Gebouwen", Regime: protocol.AVG, Purposes: []central.Purpose{central.Buildings}, Bases: []central.Basis{central.PublicTask},
		Window: protocol.Window(7 * 24 * time.Hour), LongestHold: protocol.Window(28 * 24 * time.Hour), Form: central.ViewLive, Roles: central.ProtocolUsers, Viewing: "x", Release: "x", Recognisability: "x", Security: "x",
		AdoptedBy: "college", AdoptedOn: before, Published: "gemeenteblad", ValidFrom: before, Review: later, Document: protocol.HashOf([]byte("x"))}})
	for _, c := range centraltest.Assess("p-registrar", protocoltest.Officer, start) {
		do(t, b, c)
	}
	do(t, b, central.RegisterPlacement{By: "p-registrar", PlacementFacts: centraltest.Ready(central.PlacementFacts{Camera: "hal", Name: "Hal", Regime: protocol.AVG, Position: central.At(51.5, 5.6), Place: "ingang",
		Purposes: []central.Purpose{central.Buildings}, Subsidiarity: "x", Proportionality: "x", Besluit: central.Besluit{Reference: "B-1", Date: before, ValidFrom: before, ValidUntil: later, Body: "college"},
		Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}, Sign: central.Sign{Placed: before}, Recorder: town.Recorder, Streams: []protocol.StreamID{"main"}, Publication: central.PublishExact, Contact: "14 0000"})})
	do(t, b, central.Activate{By: "p-registrar", Camera: "hal"})
	asked := protocol.Span(start.Add(-time.Hour), start.Add(-50*time.Minute))
	second, err := openOn(t, b.store, signer, b.now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		do(t, b, central.FileRequest{By: protocoltest.Requester, RequestFacts: central.RequestFacts{Kind: central.Vordering, Article: "126nda", Authority: "opsporingsambtenaar", Cameras: []protocol.CameraID{"hal"},
			Asked: asked, Reference: "PL-1", Necessity: "diefstal"}})
		id := protocol.RequestID(fmt.Sprintf("z-%d", i+1))
		var placed protocol.HoldPlaced
		b.View(func(s *central.State) {
			h := s.Request(id).Holds[0]
			placed = protocol.HoldPlaced{Hold: h.HoldID(), Request: id, Camera: "hal", Asked: h.Asked, Interval: h.Asked, Segments: 10, End: h.End}
		})
		do(t, b, central.ConfirmHold{Source: central.Source{Recorder: town.Recorder, Seq: uint64(i + 1)}, Placed: placed})
		do(t, b, central.CheckRequest{By: protocoltest.Handler, Request: id, Complete: true, Necessary: true})
		reads(t, second, b.Size())
		decisions := map[*Book]central.DecideRequest{
			b:      {By: protocoltest.Approver, Request: id, Outcome: central.Grants, Reason: central.Complies, Motivation: "x", Approved: []central.Approved{{Camera: "hal", Interval: asked}}},
			second: {By: protocoltest.Approver2, Request: id, Outcome: central.Refuses, Reason: central.TooBroad, Motivation: "x"},
		}
		if i%2 == 1 { // or less of it
			part := central.Part{Camera: "hal", Narrowed: protocol.Span(asked.From, asked.From.Add(time.Minute)), Reason: central.TooBroad, Motivation: "x"}
			decisions[second] = central.DecideRequest{By: protocoltest.Approver2, Request: id, Outcome: central.Partly, Reason: central.Complies, Motivation: "x", Parts: []central.Part{part}}
		}
		errs := make(chan error, len(decisions))
		for book, c := range decisions {
			go func() { _, err := book.Do(context.Background(), c); errs <- err }()
		}
		refusals := 0
		for range decisions {
			if err := <-errs; err != nil {
				if r, ok := central.RefusalOf(err); !ok || r.Code != central.CodeState {
					t.Errorf("who came second is told %v", err)
				}
				refusals++
			}
		}
		if refusals != 1 {
			t.Fatalf("%d of two decisions on %s were refused", refusals, id)
		}
		do(t, b, agree(100+i)) // reads on
		decided := 0
		b.View(func(s *central.State) {
			r := s.Request(id)
			for _, m := range r.History {
				if m.Name == "request.decided" {
					decided++
				}
			}
			if r.Decision == nil || (r.Decision.Outcome == central.Grants) != (len(r.Grants) == 1) || r.Holds[0].LiftSent != (r.Decision.Outcome == central.Refuses) ||
				(len(r.Holds) == 2) != (r.Decision.Outcome == central.Partly) {
				t.Errorf("%s: %+v, %d grants, lift sent %v", id, r.Decision, len(r.Grants), r.Holds[0].LiftSent)
			}
		})
		if decided != 1 {
			t.Errorf("%s was decided %d times", id, decided)
		}
	}
}

// Any day can be explained: the state as of a moment is that of the entries until then, and the present one goes on unhurt.
func TestR05_AsOfAMoment(t *testing.T) {
	c := &clock{now: start}
	signer, _ := protocoltest.Key(t, origin)
	b := open(t, filepath.Join(t.TempDir(), "ledger.db"), signer, c)
	do(t, b, openCommand())
	for n := range 5 {
		c.add(time.Hour)
		do(t, b, agree(n))
	}
	for hours, want := range map[int]int{-1: 0, 0: 0, 1: 1, 3: 3, 5: 5, 99: 5} {
		st, err := b.At(t.Context(), start.Add(time.Duration(hours)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(st.Units()); got != want || (hours < 0) != (st.Size == 0) {
			t.Errorf("as of hour %d: %d units, want %d; %d entries", hours, got, want, st.Size)
		}
	}
	if units(b) != 5 {
		t.Error("looking back changed the present")
	}
}

// I11: the centre's own log is held to the same: every change to its export is found, in its place, under a checkpoint somebody else has kept.
func TestI11_TamperedLedgerIsFound(t *testing.T) {
	path, signer, vkey := filled(t, 40)
	b := open(t, path, signer, &clock{now: start})
	var file bytes.Buffer
	if err := b.Export(&file, 0); err != nil {
		t.Fatal(err)
	}
	log, err := protocol.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	entries, checkpoint, _ := bytes.Cut(file.Bytes(), []byte("\n\n"))
	lines := bytes.Split(entries, []byte("\n")) // two an entry
	for name, change := range map[string]func(l [][]byte, i int) [][]byte{
		"flip a header": func(l [][]byte, i int) [][]byte {
			l[2*i] = bytes.Replace(l[2*i], []byte(`"kind":"`), []byte(`"kind":"x`), 1)
			return l
		},
		"flip a body": func(l [][]byte, i int) [][]byte {
			l[2*i+1] = bytes.Replace(l[2*i+1], []byte(`{"salt":`), []byte(`{"salT":`), 1)
			return l
		},
		"drop":   func(l [][]byte, i int) [][]byte { return slices.Delete(l, 2*i, 2*i+2) },
		"insert": func(l [][]byte, i int) [][]byte { return slices.Insert(l, 2*i+2, l[2*i], l[2*i+1]) },
		"swap": func(l [][]byte, i int) [][]byte {
			return append(slices.Concat(l[:2*i], l[2*i+2:2*i+4], l[2*i:2*i+2]), l[2*i+4:]...)
		},
		"truncate": func(l [][]byte, i int) [][]byte { return l[:2*i] },
	} {
		for _, i := range []int{1, 2, 16, 31, 32, len(lines)/2 - 2} {
			bad := bytes.Join(change(slices.Clone(lines), i), []byte("\n"))
			d, err := chain.Verify(io.MultiReader(bytes.NewReader(bad), strings.NewReader("\n\n"), bytes.NewReader(checkpoint)), chain.Verifier{Origin: origin, Log: log})
			if d.Fault == nil || d.Fault.Seq != uint64(i) {
				t.Errorf("%s at %d: %v", name, i, err)
			}
		}
	}
}
