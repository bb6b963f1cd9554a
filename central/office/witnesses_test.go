package office

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/courier"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// An outside witness that does not know a log, that has seen more of one than there is, or that stays away, is an incident: of a recorder's log and of this centre's own.
func TestI11_AnOutsideWitnessThatRefusesIsAnIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var more atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if !more.Load() {
			http.Error(out, "not a log of this witness", http.StatusNotFound)
			return
		}
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(http.StatusConflict)
		fmt.Fprintln(out, 1<<30)
	}))
	t.Cleanup(server.Close)
	skey, _, err := protocol.NewKey("fg.stad.example")
	w.check(err)
	_, key, err := chain.NewWitness(skey)
	w.check(err)
	w.config.Witnesses = []courier.Witness{{URL: server.URL, Key: key, Certificate: fmt.Sprintf("%x", sha256.Sum256(server.Certificate().Raw))}}
	w.start()
	w.fill()
	w.newRecorder().connect()
	opens := func(kind central.AlarmKind, recorder protocol.RecorderID) {
		t.Helper()
		w.until(fmt.Sprintf("%s of %q is an incident", kind, recorder), func() (found bool) {
			w.office.tellLedger(t.Context())
			w.office.tellWitnesses(t.Context())
			w.office.book.View(func(s *central.State) {
				found = slices.ContainsFunc(s.Incidents(w.now()), func(i central.Incident) bool { return i.Kind == string(kind) && i.Source.Recorder == recorder })
			})
			return found
		})
	}
	opens(central.WitnessRefuses, "")
	w.rec.write(protocol.KindStopped, protocol.Stopped{Reason: "test"})
	w.rec.deliver()
	opens(central.WitnessRefuses, "rec-1")
	more.Store(true)
	opens(central.LedgerBehind, "")
	server.Close()
	w.rec.write(protocol.KindStopped, protocol.Stopped{Reason: "test"})
	w.rec.deliver()
	w.until("it is absent", func() bool { return !w.office.courier.Witnesses()[0].Absent.IsZero() })
	w.later(2 * absentFor)
	opens(central.WitnessAbsent, "")
}
