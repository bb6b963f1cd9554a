package edge

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// A journal that cannot be opened does not stop a start: what may be recorded is recorded, what is due goes, no order is obeyed and nothing is served; status and centre are
// told why. When it can be opened the recorder starts anew by itself, and the journal takes what happened meanwhile.
func TestI10_StartsWithoutItsJournal(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *street, dir string) (mend func()){
		"its disk is not mounted": func(s *street, dir string) func() {
			s.check(os.Rename(dir, dir+".away"))
			s.check(os.Mkdir(dir, 0o700))
			return func() { s.check(os.Remove(dir)); s.check(os.Rename(dir+".away", dir)) }
		},
		"damaged in its middle": func(s *street, dir string) func() {
			file := filepath.Join(dir, "headers.log")
			b, err := os.ReadFile(file)
			s.check(err)
			s.check(os.WriteFile(file, append(bytes.Repeat([]byte{'x'}, 100), b[100:]...), 0o600))
			return func() { s.check(os.WriteFile(file, b, 0o600)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStreet(t)
			s.connect()
			_, stop := s.start()
			s.order(s.mandate(1, func(m *protocol.Mandate) { m.Window = protocol.Window(3 * time.Second) }))
			s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
			stop()
			mend := spoil(s, filepath.Join(s.config.Data, "journal"))

			var out bytes.Buffer
			checked := &Agent{Config: s.config, Log: slog.New(slog.DiscardHandler)}
			if err := checked.Check(t.Context(), &out); err != ErrFindings || strings.Count(out.String(), "FINDING ") != 1 || !strings.Contains(out.String(), "FINDING   journal: ") {
				t.Errorf("check: %v\n%s", err, &out)
			}

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			began := time.Now()
			go func() {
				done <- (&Agent{Config: s.config, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}).Run(ctx)
			}()
			var at Situation
			s.eventually("it records, and what is older than the window is gone", func() bool {
				var err error
				at, _, err = Ask(ctx, s.config.Data)
				return err == nil && len(at.Cameras) == 1 && at.Cameras[0].State == "recording" && at.Cameras[0].Oldest != nil && at.Cameras[0].Oldest.After(began.Add(time.Second))
			})
			if page := strings.Join(strings.Fields(at.Text(time.UTC)), " "); at.Healthy || !at.Journal.Unopened || at.Orders.Used != 1 || !strings.Contains(page, "!! The journal cannot be opened: ") || !strings.Contains(page, "Journal NOT OPEN") {
				t.Errorf("the operator is not told:\n%s", page)
			}
			s.eventually("the centre is told", func() bool {
				return strings.Contains(s.now().Why, "the journal cannot be opened") && s.now().Time.After(began)
			})
			hold := s.town.Compose(s.town.Hold("h-1", plein, protocol.Span(time.Now().Add(-time.Second), time.Now())))
			s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), s.town.Envelope(s.number+1, hold), false, 1))
			time.Sleep(500 * time.Millisecond)
			if at, _, err := Ask(ctx, s.config.Data); err != nil || at.Orders.Used != 1 || at.Footage.Held != 0 {
				t.Errorf("an order was obeyed that cannot be put on record: %+v, %v", at, err)
			}

			mend()
			mended := time.Now()
			s.eventually("the journal has what happened meanwhile, and the centre too", func() bool {
				return s.sealedUntil().After(mended) && len(told[protocol.Expired](s, protocol.KindExpired)) > 0 && s.now().Why == "" && s.now().Time.After(mended)
			})
			s.order(hold)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			s.sound()
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.faults) > 0 {
				t.Error(s.faults)
			}
		})
	}
}

// Only what this recorder signed itself is taken for its memory; and where nothing is remembered, an empty folder is not taken for a disk.
func TestRememberedIsItsOwn(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	_, stop := s.start()
	s.order(s.mandate(1, nil))
	stop()
	s.check(os.RemoveAll(filepath.Join(s.config.Data, "journal")))
	file := filepath.Join(s.config.Data, "remembered")
	b, err := os.ReadFile(file)
	s.check(err)
	open := func(what string, wants string) {
		t.Helper()
		a := &Agent{Config: s.config, Log: slog.New(slog.DiscardHandler)}
		err := a.open(t.Context())
		if (err == nil) != (wants == "") || err != nil && !strings.Contains(err.Error(), wants) {
			t.Errorf("%s: %v", what, err)
		}
		if err == nil && !a.journal.Behind() && a.unopened == nil {
			t.Errorf("%s: a new journal was begun", what)
		}
		s.check(a.close())
	}
	open("as it was", "")
	if bytes.Count(b, []byte("PT1M")) == 0 {
		t.Fatalf("the mandate is not in it: %s", b)
	}
	s.check(os.WriteFile(file, bytes.Replace(b, []byte("PT1M"), []byte("PT9M"), 1), 0o600))
	open("with another window", "remembered")
	s.check(os.WriteFile(file, b, 0o600))
	s.check(os.Rename(filepath.Join(s.config.Data, "footage"), filepath.Join(s.config.Data, "elsewhere")))
	open("without its volume", "is not here")

	// A data directory from before there was such a file: nothing says what may be recorded, but what is there still expires.
	s.check(os.Rename(filepath.Join(s.config.Data, "elsewhere"), filepath.Join(s.config.Data, "footage")))
	s.check(os.Remove(file))
	s.check(os.MkdirAll(filepath.Join(s.config.Data, "journal"), 0o700))
	s.check(os.WriteFile(filepath.Join(s.config.Data, "journal", "headers.log"), []byte("damaged\n{}\n"), 0o600))
	s.check(os.WriteFile(filepath.Join(s.config.Data, "journal", "bodies-2026-01.log"), bytes.Repeat([]byte("{}\n"), 1000), 0o600))
	open("with nothing remembered", "")
}
