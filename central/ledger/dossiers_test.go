package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

const secret = "de man met de rode jas"

// withIncident is a ledger of which incident 1 says the secret, closed, three years ago less a day; keys in a folder of its own.
func withIncident(t testing.TB, p place, dir string) (*Book, *clock, note.Signer, string) {
	t.Helper()
	signer, vkey := protocoltest.Key(t, origin)
	c := &clock{now: start}
	keys, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := openWith(t, p.store(), keys, signer, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	do(t, b, openCommand())
	do(t, b, central.Appoint{By: "p-admin", Appointment: central.Appointment{Person: "p-fg", Posts: []central.Post{{Role: central.Officer}}, Secrecy: protocol.T(start.Add(-time.Hour))}})
	do(t, b, central.ReportIncident{By: "p-fg", IncidentFacts: central.IncidentFacts{Nature: secret}})
	do(t, b, central.CloseIncident{By: "p-fg", Number: 1, NoBreach: true, Conclusion: secret})
	c.add(3*365*24*time.Hour - 24*time.Hour)
	return b, c, signer, vkey
}

func export(t testing.TB, b *Book, vkey string) string {
	t.Helper()
	var file bytes.Buffer
	if err := b.Export(&file, 0); err != nil {
		t.Fatal(err)
	}
	text := file.String()
	v, err := protocol.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if verdict, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: v}); err != nil || !verdict.Matches || verdict.Uncovered != 0 {
		t.Errorf("verifies without keys: %+v %v", verdict, err)
	}
	return text
}

func saysSecret(b *Book) (says bool) {
	b.View(func(s *central.State) {
		i := s.Incident(1)
		says = i.Detail == secret && i.Facts.Nature == secret && i.Conclusion == secret
	})
	return says
}

// eventually waits for what happens in the background.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for give := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(give) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A dossier's life in the ledger, with two centres: nobody reads it in the store, it is there after a restart, and when its term is over it is nowhere, which every page can say;
// the log still verifies, and goes on.
func TestDossiersAreSealedAndErased(t *testing.T) {
	eachStore(t, func(p place) {
		t := p.T
		dir := t.TempDir()
		folder := filepath.Join(dir, "keys")
		b, c, signer, vkey := withIncident(t, p, folder)
		if text := export(t, b, vkey); strings.Contains(text, "rode jas") || !strings.Contains(text, `"dossier":"incident/1"`) {
			t.Errorf("the store says %s", text)
		}
		if !saysSecret(b) {
			t.Error("the state does not know it")
		}
		keys2, err := OpenKeys(folder)
		if err != nil {
			t.Fatal(err)
		}
		second, err := openWith(t, p.store(), keys2, signer, c.Now)
		if err != nil || !saysSecret(second) {
			t.Fatal(err)
		}
		do(t, b, central.EraseDue{})
		if !saysSecret(b) {
			t.Error("erased a day early")
		}
		asOf := c.Now()
		c.add(3 * 24 * time.Hour)
		do(t, b, central.EraseDue{})
		for _, book := range []*Book{b, second} {
			eventually(t, "it is erased in memory", func() bool { return !saysSecret(book) })
			book.View(func(s *central.State) {
				e, i := s.Erasure("incident/1"), s.Incident(1)
				if e == nil || !strings.Contains(e.Words().NL, "gewist op 2029-11-22T02:00:00.000Z, grond: bewaartermijn voorbij (3 jaar") || i.Detail != "" || i.Facts.Nature != "" || i.Closed.IsZero() || i.Facts.Aware.IsZero() {
					t.Errorf("%+v %+v", e, i)
				}
			})
		}
		eventually(t, "its key is destroyed in both", func() bool { return len(keys2.among([]*central.Erasure{{Dossier: "incident/1"}})) == 0 })
		raw, err := os.ReadFile(filepath.Join(folder, "dossiers.keys"))
		if err != nil || bytes.Contains(raw, []byte("incident/1")) || !bytes.Contains(raw, []byte("person/p-fg")) {
			t.Errorf("the file of keys: %v", err)
		}
		past, err := b.At(t.Context(), asOf)
		if err != nil || past.Incident(1).Detail != "" || past.Erasure("incident/1") == nil {
			t.Errorf("the past: %+v %v", past.Incident(1), err)
		}
		// What is written when the erasing is not known yet, or comes after it, has no secrets.
		unit := agree(1)
		unit.ValidUntil = protocol.T(c.Now().Add(1000 * time.Hour))
		unit.Review = unit.ValidUntil
		do(t, second, unit)
		reads(t, b, second.Size())
		do(t, b, central.ReportIncident{By: "p-fg", IncidentFacts: central.IncidentFacts{Nature: "een ander"}})
		export(t, b, vkey)
		if err := errors.Join(b.Close(), second.Close()); err != nil {
			t.Fatal(err)
		}
		again, err := OpenKeys(folder)
		if err != nil {
			t.Fatal(err)
		}
		b, err = openWith(t, p.store(), again, signer, c.Now)
		if err != nil {
			t.Fatal(err)
		}
		b.View(func(s *central.State) {
			if s.Incident(1).Detail != "" || s.Incident(2).Facts.Nature != "een ander" || len(s.Units()) != 1 {
				t.Errorf("%+v %+v", s.Incident(1), s.Incident(2))
			}
		})
	})
}

// The power goes between the entry that says so and the key's end: the next start does it. And a file of keys from a backup is cleared of what was erased.
func TestErasureIsFinishedAtTheNextStart(t *testing.T) {
	p := place{T: t}
	path := filepath.Join(t.TempDir(), "ledger.db")
	p.open = func(t testing.TB, origin string) (Store, error) { return OpenBolt(path, origin) }
	folder := filepath.Join(t.TempDir(), "keys")
	b, c, signer, _ := withIncident(t, p, folder)
	before, err := os.ReadFile(filepath.Join(folder, "dossiers.keys"))
	if err != nil {
		t.Fatal(err)
	}
	c.add(3 * 24 * time.Hour)
	do(t, b, central.EraseDue{})
	eventually(t, "it is erased in memory", func() bool { return !saysSecret(b) })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "dossiers.keys"), before, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(folder)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = openWith(t, p.store(), keys, signer, c.Now); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is erased again", func() bool { return !saysSecret(b) })
	raw, err := os.ReadFile(filepath.Join(folder, "dossiers.keys"))
	if err != nil || bytes.Contains(raw, []byte("incident/1")) {
		t.Errorf("the file of keys has it still: %v", err)
	}
}

// Keys that are lost, or another folder, are not taken for erasures: the centre does not start, and says why.
func TestLostKeysAreNotErasures(t *testing.T) {
	p := place{T: t}
	path := filepath.Join(t.TempDir(), "ledger.db")
	p.open = func(t testing.TB, origin string) (Store, error) { return OpenBolt(path, origin) }
	b, c, signer, _ := withIncident(t, p, filepath.Join(t.TempDir(), "keys"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	empty, err := OpenKeys(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), p.store(), empty, signer, c.Now, slog.New(slog.DiscardHandler))
	if !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), empty.file) {
		t.Error(err)
	}
}

// A sealed body opens in its own place only.
func TestSealedBodiesAreBoundToTheirPlace(t *testing.T) {
	keys, err := OpenKeys(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	b := &Book{origin: origin}
	sealed, err := keys.seal("request/z-1", []byte(secret), b.bound(7, "request.filed", "request/z-1"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := keys.open("request/z-1", sealed, b.bound(7, "request.filed", "request/z-1")); err != nil || string(plain) != secret {
		t.Errorf("%q %v", plain, err)
	}
	for _, bound := range [][]byte{b.bound(8, "request.filed", "request/z-1"), b.bound(7, "request.amended", "request/z-1"), (&Book{origin: "ledger.elders/beeldwacht"}).bound(7, "request.filed", "request/z-1")} {
		if _, err := keys.open("request/z-1", sealed, bound); err == nil {
			t.Errorf("opens as %s", bound)
		}
	}
	if _, err := keys.open("request/z-2", sealed, nil); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
}

// Centres share the folder: each has what the others added, and no dossier has two keys. A place that was torn is no key and spoils none.
func TestKeysAreShared(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var all []*Keys
	for range 3 {
		k, err := OpenKeys(dir)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	sealed := map[central.Dossier][][]byte{}
	for _, k := range all {
		wg.Go(func() {
			for n := range 40 {
				o := central.Dossier(fmt.Sprintf("request/z-%d", n))
				s, err := k.seal(o, []byte(o), nil)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				sealed[o] = append(sealed[o], s)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	f, err := os.OpenFile(filepath.Join(dir, "dossiers.keys"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(append(slices.Repeat([]byte{7}, placeSize), 1, 2, 3)); err != nil { // torn, twice
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	last, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := last.seal("request/after", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	for _, k := range append(all, last) {
		for o, list := range sealed {
			for _, s := range list {
				if plain, err := k.open(o, s, nil); err != nil || string(plain) != string(o) {
					t.Fatalf("%s: %q %v", o, plain, err)
				}
			}
		}
		if key, err := k.find("request/after"); key == nil {
			t.Errorf("what came after the torn place: %v", err)
		}
	}
	if err := last.destroy([]central.Dossier{"request/z-3"}); err != nil {
		t.Fatal(err)
	}
	fresh, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.open("request/z-3", sealed["request/z-3"][0], nil); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
	if _, err := fresh.open("request/z-4", sealed["request/z-4"][0], nil); err != nil {
		t.Error(err)
	}
}
