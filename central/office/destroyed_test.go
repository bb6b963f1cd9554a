package office

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// What the centre destroys of its copies of recorders' entries is a fact in its ledger: once a round, also when it crashed in between; and those who oversee see it.
func TestI11_DestroyedBodiesAreAFactInTheLedger(t *testing.T) {
	t.Parallel()
	w := running(t)
	signer, key := protocoltest.Key(t, "rec-oud.stad/beeldwacht")
	w.check(w.office.witness.Enrol("rec-oud", key, signer.Name()))
	var head chain.Head
	var entries bytes.Buffer
	write := func(at time.Time, kind string, body any) {
		e, err := chain.Seal(&head, kind, body, at)
		w.check(err)
		w.check(head.Add(e))
		w.check(chain.WriteEntry(&entries, e))
	}
	for month := range 3 {
		at := w.now().AddDate(-4, month, 0)
		write(at, protocol.KindIncident, protocol.Incident{What: "kast open"})
		write(at, protocol.KindView, protocol.Access{How: "live"}) // five years
	}
	write(w.now(), protocol.KindIncident, protocol.Incident{What: "kast open"})
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: signer.Name(), Size: head.Size, Root: head.Root()}, signer)
	w.check(err)
	w.check(chain.WriteCheckpoint(&entries, signed))
	_, err = w.office.witness.Receive(t.Context(), "rec-oud", entries.Bytes())
	w.check(err)

	told := func() (list []central.Destruction) {
		w.office.View(func(s *central.State) { list = s.Destroyed() })
		return list
	}
	w.check(w.office.destroyBodies(t.Context()))
	w.check(w.office.destroyBodies(t.Context())) // nothing more is due
	until := w.now().AddDate(-3, -1, 0)
	if list := told(); len(list) != 1 || len(list[0].Kinds) != 1 || list[0].Kinds[0] != (central.KindDestroyed{Kind: protocol.KindIncident, Until: until.UTC().Format("2006-01"), Bodies: 3}) {
		t.Fatalf("%+v", list)
	}

	v := w.reader()
	v.logIn()
	page := v.send("GET", "/bureau/logboeken", nil).Body.String()
	for _, want := range []string{"Vernietigd aan het einde van de termijn", "<code>" + protocol.KindIncident + "</code>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of logs does not say %q", want)
		}
	}
	var ledger bytes.Buffer
	w.check(w.office.book.Export(&ledger, 0))
	if n := strings.Count(ledger.String(), `"kind":"bodies.destroyed"`); n != 1 {
		t.Errorf("%d entries in the ledger", n)
	}

	// A crash between destroying and telling, and one between telling and noting that.
	w.later(24 * time.Hour)
	file := t.TempDir() + "/witness.db"
	skey, _, err := protocol.NewKey("witness.stad/beeldwacht")
	w.check(err)
	other, err := witness.Open(file, skey, w.now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	w.check(err)
	w.check(other.Enrol("rec-oud", key, signer.Name()))
	_, err = other.Receive(t.Context(), "rec-oud", entries.Bytes())
	w.check(err)
	n, err := other.Destroy(t.Context())
	w.check(err)
	w.check(other.Close())
	other, err = witness.Open(file, skey, w.now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	w.check(err)
	defer other.Close()
	round, any, err := other.Destroyed()
	if w.check(err); !any || n != 3 || round.Bodies() != 3 {
		t.Fatalf("%+v %v after %d", round, any, n)
	}
	for range 2 {
		w.do(central.RecordDestroyed{BodiesDestroyed: round})
	}
	if list := told(); len(list) != 2 || !list[0].Begun.Equal(round.Begun.Time) {
		t.Errorf("%+v", list)
	}
	w.check(other.Told(round))
	if _, any, err = other.Destroyed(); any || err != nil {
		t.Errorf("told, and told again: %v", err)
	}
}
