package office

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// follower is the part of a recorder that follows the centre's ledger (edge/orders has the real one).
type follower struct {
	w      *world
	ledger note.Verifier
	own    note.Verifier

	mu       sync.Mutex
	head     protocol.LedgerHead
	at       time.Time // of the own witness's cosignature
	accused  string
	received int
}

// follow subscribes to the ledger.
func (r *recorder) follow() *follower {
	r.w.t.Helper()
	f := &follower{w: r.w}
	var err error
	f.ledger, err = protocol.NewVerifier(r.w.town.LedgerKey)
	r.w.check(err)
	f.own, err = chain.WitnessVerifier(r.w.town.WitnessKey)
	r.w.check(err)
	f.listen()
	return f
}

func (f *follower) listen() {
	r := f.w.rec
	r.wait(r.client.Subscribe(protocol.Topic("rec-1", protocol.DownLedger), 1, func(_ paho.Client, m paho.Message) { f.take(m.Payload()) }))
}

func (f *follower) take(raw []byte) {
	s, err := chain.ParseSubmission(raw)
	if err != nil {
		f.w.t.Errorf("%v: %s", err, raw)
		return
	}
	c, by, err := chain.OpenCheckpoint(s.Note, f.ledger.Name(), f.ledger, f.own)
	if err != nil {
		f.w.t.Error(err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.received++
	switch shown, err := chain.ShownRoot(s.Proof, s.Old, c.Size, c.Root); {
	case c.Size < f.head.Size && len(by) == 1 && by[0].Time.After(f.at):
		f.accused = "rolled back"
	case c.Size == f.head.Size && c.Root != f.head.Root, err == nil && s.Old == f.head.Size && shown != f.head.Root:
		f.accused = "forked"
	case c.Size >= f.head.Size && s.Old == f.head.Size && (s.Old == 0 || chain.CheckConsistency(s.Proof, s.Old, f.head.Root, c.Size, c.Root) == nil):
		f.head = protocol.LedgerHead{Size: c.Size, Root: c.Root}
		if len(by) == 1 {
			f.at = by[0].Time
		}
	}
}

func (f *follower) now() (protocol.LedgerHead, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head, f.accused
}

// status as a recorder's that follows.
func (f *follower) status(last uint64) []byte {
	head, _ := f.now()
	return f.w.rec.status(last, func(s *protocol.Status) { s.Ledger = &head })
}

// Each order rests on the ledger as it is when it is sent, and the recorder has by then what shows that it only grew; also after the centre crashed.
func TestLedgerGoesDownBeforeTheOrdersThatRestOnIt(t *testing.T) {
	t.Parallel()
	w := running(t)
	f := w.rec.follow()
	said := func(last uint64) { // as soon as something changes, a recorder says so
		w.later(sendAgain)
		w.rec.publish(protocol.UpStatus, f.status(last))
	}
	rests := func(number uint64) {
		t.Helper()
		w.until("an order that rests on the ledger that is followed", func() bool {
			if !slices.Contains(w.rec.numbers(), number) {
				return false
			}
			w.rec.mu.Lock()
			defer w.rec.mu.Unlock()
			head, _ := f.now()
			return slices.ContainsFunc(w.rec.envelopes, func(e protocol.Envelope) bool { return e.Number == number && e.Ledger == head && head.Size > 0 })
		})
	}
	said(0)
	rests(1)
	w.ask(requester)
	said(1)
	rests(2)
	w.restart()
	w.rec.connect()
	f.listen()
	w.ask(colleague)
	said(2)
	rests(3)
	if _, accused := f.now(); accused != "" {
		t.Error(accused)
	}
	if i := w.incidents(); slices.Contains(i, string(central.LedgerBehind)) {
		t.Errorf("%v", i)
	}
}

// A centre put back from an older copy finds out by itself, from its own witness where that was left in place, and from the recorders in any case; and they get what shows it.
func TestLedgerPutBackFromABackup(t *testing.T) {
	t.Parallel()
	w := running(t)
	f := w.rec.follow()
	follows := func() {
		t.Helper()
		w.until("the ledger is followed", func() bool {
			w.later(sendAgain)
			w.rec.publish(protocol.UpStatus, f.status(0))
			head, _ := f.now()
			return head.Size == w.office.book.Size()
		})
	}
	follows()
	w.stop()
	backup := filepath.Join(t.TempDir(), "backup")
	w.check(os.CopyFS(backup, os.DirFS(w.config.Data)))
	w.log.mark()
	w.start()
	w.rec.connect()
	f.listen()
	w.ask(requester)
	follows()
	lost, _ := f.now()
	w.stop()
	for _, files := range [][]string{{"ledger.db"}, {"ledger.db", "witness.db"}} { // first the ledger alone, then all of it
		for _, file := range files {
			b, err := os.ReadFile(filepath.Join(backup, file))
			w.check(err)
			w.check(os.WriteFile(filepath.Join(w.config.Data, file), b, 0o600))
		}
		w.later(time.Minute)
		w.log.mark()
		w.start()
		w.rec.connect()
		f.listen()
		w.until("an incident", func() bool {
			w.later(sendAgain)
			w.rec.publish(protocol.UpStatus, f.status(0))
			return slices.Contains(w.incidents(), string(central.LedgerBehind))
		})
		if len(files) == 1 {
			if !strings.Contains(w.log.since(), "was an older copy put back?") {
				t.Error("its own witness has said nothing")
			}
			w.stop()
		}
	}
	w.until("the recorder is shown that it was put back, or has another past", func() bool { _, accused := f.now(); return accused != "" })
	if head, _ := f.now(); head != lost {
		t.Errorf("it follows %s, and followed %s", head, lost)
	}
}

// Whichever of three centres on one database speaks to the recorders, it speaks of one ledger.
func TestLedgerOfSeveralCentresIsOne(t *testing.T) {
	w := newWorld(t)
	server := postgrestest.Start(t)
	w.config.Broker = BrokerConfig{}
	dir := t.TempDir()
	w.config.Ledger = LedgerConfig{Keys: filepath.Join(dir, "dossiers"), Postgres: server.Database()}
	var centres []*Office
	for _, name := range []string{"a", "b", "c"} {
		w.config.Data = filepath.Join(dir, name)
		o := w.newOffice()
		w.check(o.Open(t.Context()))
		t.Cleanup(func() { o.Close() })
		centres = append(centres, o)
	}
	w.check(centres[0].Apply(t.Context(), Setup{Administrator: SetupPerson{Person: admin, Login: "admin", Name: "Admin", Password: "een lang wachtwoord", Posts: []string{"administrator"}, Secrecy: day(-10)}}))
	var seen chain.Checkpoint
	for round := range 9 {
		writer, speaker := centres[round%3], centres[(round/2)%3]
		_, err := writer.book.Do(t.Context(), central.Tell{Kind: central.Weakness, Text: "round"})
		w.check(err)
		w.until("the speaker has read it", func() bool { return speaker.book.Size() == writer.book.Size() })
		c, signed, err := speaker.ownLedger(t.Context())
		w.check(err)
		v, err := chain.WitnessVerifier(w.town.WitnessKey)
		w.check(err)
		ledger, err := protocol.NewVerifier(w.town.LedgerKey)
		w.check(err)
		if _, by, err := chain.OpenCheckpoint(signed, ledger.Name(), ledger, v); err != nil || len(by) != 1 {
			t.Fatalf("%v %v", by, err)
		}
		if seen.Size > 0 {
			p, err := speaker.book.Grew(t.Context(), seen.Size, c.Size)
			w.check(err)
			w.check(chain.CheckConsistency(p, seen.Size, seen.Root, c.Size, c.Root))
		}
		seen = c
	}
}
