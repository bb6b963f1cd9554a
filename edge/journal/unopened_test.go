package journal

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// What could not be opened writes nothing, tells the witness nothing of itself, and takes nobody's word for being behind: it does not know.
func TestI10_UnopenedJournal(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 3)
	ahead := w.cosign(j, w.now(), w.witness...)
	w.must(j.Close())
	files := func() string {
		var all strings.Builder
		names, err := filepath.Glob(filepath.Join(w.dir, "*"))
		w.must(err)
		for _, name := range names {
			b, err := os.ReadFile(name)
			w.must(err)
			all.WriteString(name + "\n" + string(b))
		}
		return all.String()
	}
	before := files()
	u := Unopened(w.dir, w.signer, w.now, slog.New(slog.DiscardHandler), errors.New("the disk is gone"))
	asked := protocol.Span(start, start.Add(1))
	asked.To = asked.From.Add(1e9)
	_, appended := u.Append(t.Context(), "test", protocol.Incident{What: "y"})
	_, accessed := u.Access(t.Context(), protocol.KindView, protocol.Access{Camera: "c", Interval: asked}, "c", asked)
	_, entries := u.Entries(0, 10)
	_, at := u.CheckpointAt(0)
	_, now := u.Checkpoint()
	for what, err := range map[string]error{"append": appended, "access": accessed, "entries": entries, "checkpoint at": at, "checkpoint": now, "cosigned": u.Cosigned(ahead, w.witnesses, 1), "ping": u.Ping(t.Context()),
		"replay": u.Replay(func(chain.Header, []byte) error { return nil }), "err": u.Err()} {
		if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "the disk is gone") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if u.Behind() {
		t.Error("behind")
	}
	w.must(u.Close())
	if _, err := u.Append(t.Context(), "test", protocol.Incident{What: "z"}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if after := files(); before != after {
		t.Errorf("it changed the files: %s", after)
	}
}
