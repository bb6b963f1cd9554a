package edge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The whole state of a recorder is put back from a copy: journal, index, footage and keys. It records and deletes, and serves nothing, once its witness has told it what it
// does not know; nothing that was deleted before is footage again; and operator and centre are told what to do.
func TestI13_RestoredStateServesNothing(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	_, stop := s.start()
	s.order(s.mandate(1, func(m *protocol.Mandate) { m.Window = protocol.Window(3 * time.Second) }))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	stop()
	copied := filepath.Join(s.dir, "copy")
	s.check(os.CopyFS(copied, os.DirFS(s.config.Data)))
	_, stop = s.start()
	until := s.sealedUntil()
	s.eventually("it goes on, and what the copy holds is gone", func() bool {
		return s.sealedUntil().After(until.Add(4*time.Second)) && len(told[protocol.Expired](s, protocol.KindExpired)) > 0
	})
	stop()
	s.check(os.RemoveAll(s.config.Data))
	s.check(os.CopyFS(s.config.Data, os.DirFS(copied)))

	back := time.Now()
	a, stop := s.start()
	if oldest, ok := a.footage.Oldest(plein); ok && oldest.Before(back.Add(-3*time.Second)) {
		t.Errorf("footage of %s is back", oldest)
	}
	s.eventually("it knows that it was put back, and records", func() bool {
		at, _, err := Ask(t.Context(), s.config.Data)
		return err == nil && at.Journal.Behind && !at.Healthy && len(at.Cameras) == 1 && at.Cameras[0].State == "recording" && strings.Contains(at.Text(time.UTC), "put back from a copy")
	})
	s.eventually("the centre is told", func() bool { return strings.Contains(s.now().Why, "the witness has more of this journal") })
	if _, err := a.journal.Access(t.Context(), protocol.KindView, protocol.Access{Camera: plein, Interval: protocol.Span(back, back.Add(time.Second))}, plein, protocol.Span(back, back.Add(time.Second))); err == nil {
		t.Error("it serves")
	}
	stop()
}
