package journal

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

func (w *world) holds(what string) (found bool) {
	w.t.Helper()
	w.must(filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			var b []byte
			b, err = os.ReadFile(path)
			found = found || bytes.Contains(b, []byte(what))
		}
		return err
	}))
	return found
}

// Bodies go when the term of their kind is over, of each kind by itself, not before a witness says that it is so late, and the log stays what it was.
func TestI11_BodiesGoAtTheEndOfTheirTerm(t *testing.T) {
	w := newSealed(t)
	j := w.open()
	w.clock.Store(time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC).UnixMilli())
	write := func(kind string, body any) {
		t.Helper()
		w.pass(time.Second)
		_, err := j.Append(context.Background(), kind, body)
		w.must(err)
	}
	write(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "helmond"})
	for range 300 { // over a mark
		write(protocol.KindIncident, protocol.Incident{What: "november-incident"})
	}
	write(protocol.KindView, protocol.Access{How: "live", Grant: "november-access"})
	for range 300 {
		write(protocol.KindStopped, protocol.Stopped{Reason: "november-stop"})
	}
	write(protocol.KindOrder, protocol.Order{Kind: "mandate", Document: "november-order"})
	at := func(year int, month time.Month, day int) {
		w.clock.Store(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).UnixMilli())
		write(protocol.KindIncident, protocol.Incident{What: "later-incident"})
	}
	want := func(when string, incident, access, order bool, destroyed uint64) {
		t.Helper()
		w.must(j.Ping(context.Background()))
		if w.holds("november-incident") != incident || w.holds("november-access") != access || w.holds("november-stop") != access || w.holds("november-order") != order {
			t.Errorf("%s: the wrong bodies are there", when)
		}
		d, err := w.verify()
		if err != nil || d.Destroyed != destroyed || d.Unsaid != 0 || len(d.Breaks) > 0 {
			t.Errorf("%s: %+v, %v", when, d, err)
		}
		for _, from := range []uint64{0, 255, 256, 300, 301, 512, 600, 603} { // marks stand where they must
			if list, err := j.Entries(from, 3); err != nil || len(list) == 0 {
				t.Errorf("%s: from %d: %v", when, from, err)
			}
		}
	}
	at(2029, 12, 1)
	want("no witness says what time it is", true, true, true, 0)
	w.must(j.Cosigned(w.cosign(j, time.Date(2029, 11, 30, 0, 0, 0, 0, time.UTC), w.witness[:2]...), w.witnesses, 2))
	want("a day before", true, true, true, 0)
	w.must(j.Cosigned(w.cosign(j, w.now(), w.witness[:2]...), w.witnesses, 2))
	want("three years after November", false, true, true, 300)
	w.must(j.Close())
	j = w.open()
	w.must(j.Cosigned(j.CosignedNote(), w.witnesses, 2))
	want("opened again", false, true, true, 300)
	at(2031, 12, 1)
	w.must(j.Cosigned(w.cosign(j, w.now(), w.witness[:2]...), w.witnesses, 2))
	want("five years after November", false, false, true, 601)
	var last protocol.BodiesDestroyed
	n := 0
	w.must(j.Replay(func(h chain.Header, body []byte) error {
		if h.Kind != protocol.KindBodiesDestroyed {
			return nil
		}
		n++
		return chain.ParseBody(body, &last)
	}))
	if n != 2 || last.Month != "2026-11" || len(last.Kinds) != 2 || last.Kinds[0].Kind != protocol.KindView || last.Kinds[0].Count != 1 || last.Kinds[1].Count != 300 {
		t.Errorf("%d entries, the last says %+v", n, last)
	}

	// Somebody takes one more away, before its term.
	w.must(j.Close())
	name := "bodies-2029-12.log"
	lines := bytes.SplitAfter(w.read(name), []byte("\n"))
	for i, l := range lines {
		if bytes.Contains(l, []byte("later-incident")) {
			lines[i] = []byte("-\n")
		}
	}
	w.write(name, bytes.Join(lines, nil))
	if d, err := w.verify(); err == nil || !strings.Contains(err.Error(), "a body of incident of 2029-12 is kept until 2033-01-01") || d.Entries != d.Fault.Seq {
		t.Errorf("a body that is missing before its term: %+v, %v", d, err)
	}
}
