package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// street is a recorder's real journal and the centre's real witness, with one clock.
type street struct {
	t    *testing.T
	town *protocoltest.Town
	dir  string
	now  time.Time
	log  *journal.Journal
	*witness.Witness
}

func newStreet(t *testing.T) *street {
	s := &street{t: t, dir: filepath.Join(t.TempDir(), "journal"), now: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)}
	s.town = protocoltest.NewTown(t, s.now)
	skey, _, err := protocol.NewKey("witness.stad/beeldwacht")
	s.must(err)
	s.Witness, err = witness.Open(filepath.Join(t.TempDir(), "witness.db"), skey, s.clock, slog.New(slog.DiscardHandler))
	s.must(err)
	t.Cleanup(func() { s.must(errors.Join(s.log.Close(), s.Close())) })
	s.must(s.Enrol(s.town.Recorder, s.town.LogKey, s.town.Log.Name()))
	s.open()
	return s
}

func (s *street) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *street) clock() time.Time { return s.now }

func (s *street) open() {
	s.t.Helper()
	var err error
	s.log, err = journal.Open(s.dir, s.town.Log.Name(), s.town.Log, s.clock, slog.New(slog.DiscardHandler))
	s.must(err)
}

func (s *street) write(n int) {
	s.t.Helper()
	for range n {
		s.now = s.now.Add(time.Second)
		_, err := s.log.Append(s.t.Context(), protocol.KindStopped, protocol.Stopped{Reason: "test"})
		s.must(err)
	}
}

// handIn gives the witness the journal from an entry on, and the journal what comes back.
func (s *street) handIn(from uint64) error {
	s.t.Helper()
	entries, err := s.log.Entries(from, 1000)
	s.must(err)
	var b bytes.Buffer
	for _, e := range entries {
		s.must(chain.WriteEntry(&b, e))
	}
	checkpoint, err := s.log.Checkpoint()
	s.must(err)
	s.must(chain.WriteCheckpoint(&b, checkpoint))
	cosigned, err := s.Receive(s.t.Context(), s.town.Recorder, b.Bytes())
	if cosigned != nil {
		key, keyErr := chain.WitnessVerifier(s.Key())
		s.must(keyErr)
		err = errors.Join(err, s.log.Cosigned(cosigned, []note.Verifier{key}, 1))
	}
	return err
}

// says is the recorder's status.
func (s *street) says() {
	s.t.Helper()
	s.now = s.now.Add(time.Minute)
	status := protocol.Status{Recorder: s.town.Recorder, Time: protocol.T(s.now), State: "online", Entries: s.log.Head().Size}
	raw, err := protocol.SignStatus(status, s.town.Log)
	s.must(err)
	s.must(s.Status(s.town.Recorder, raw, status))
}

// found are the kinds of what the witness holds against the recorder; each that proves itself does.
func (s *street) found() (list []string) {
	s.t.Helper()
	r, _ := s.Recorder(s.town.Recorder)
	key, err := protocol.NewVerifier(r.Key)
	s.must(err)
	for _, f := range r.Findings {
		e, ok, err := s.Evidence(s.town.Recorder, f.Name())
		s.must(err)
		if err := e.Check(r.Origin, key); !ok || err != nil && !errors.Is(err, witness.ErrWord) {
			s.t.Errorf("%s: %v", f.Kind, err)
		}
		list = append(list, f.Kind)
	}
	return list
}

func (s *street) want(kinds ...string) {
	s.t.Helper()
	if got := s.found(); !slices.Equal(got, kinds) {
		s.t.Fatalf("found %q, want %q", got, kinds)
	}
}

// A recorder's journal is put back from a copy: its next status says so, it knows it itself once the witness has answered, and when it writes on all the same it has signed two
// logs.
func TestI13_AJournalPutBackIsFound(t *testing.T) {
	s := newStreet(t)
	s.write(5)
	s.must(s.handIn(0))
	s.says()
	s.must(s.log.Close())
	copied := filepath.Join(t.TempDir(), "copy")
	s.must(os.CopyFS(copied, os.DirFS(s.dir)))
	s.open()
	s.write(20)
	s.must(s.handIn(0))
	s.want()
	s.must(s.log.Close())
	s.must(os.RemoveAll(s.dir))
	s.must(os.CopyFS(s.dir, os.DirFS(copied)))
	s.open()
	s.says()
	s.want(witness.Rollback)
	if err := s.handIn(0); !errors.Is(err, journal.ErrBehind) {
		t.Error(err)
	}
	s.write(40)
	if err := s.handIn(0); !errors.Is(err, witness.ErrFork) {
		t.Error(err)
	}
	s.want(witness.Fork, witness.Rollback)
}

// The end of a journal is cut off before it was handed in: the chain is whole, and the recorder's own statuses contradict each other.
func TestI11_AJournalCutOffIsFound(t *testing.T) {
	s := newStreet(t)
	s.write(5)
	s.must(s.handIn(0))
	s.write(4)
	s.says()
	s.must(s.log.Close())
	for _, name := range []string{"headers.log", "bodies-2026-11.log"} {
		file := filepath.Join(s.dir, name)
		text, err := os.ReadFile(file)
		s.must(err)
		lines := strings.SplitAfter(string(text), "\n")
		s.must(os.WriteFile(file, []byte(strings.Join(lines[:len(lines)-3], "")), 0o600)) // the last is empty
	}
	s.open()
	s.says()
	s.want(witness.Truncation)
}

// Bodies are removed before they were handed in.
func TestI11_AMissingBodyIsFound(t *testing.T) {
	s := newStreet(t)
	s.write(5)
	s.must(s.log.Close())
	s.now = time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)
	s.open()
	s.write(3)
	s.must(os.Remove(filepath.Join(s.dir, "bodies-2026-11.log")))
	if err := s.handIn(0); !errors.Is(err, witness.ErrBody) {
		t.Error(err)
	}
	s.want(witness.Bodiless)
}
