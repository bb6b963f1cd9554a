package centraltest

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// A country is a history: it can be applied, and those who wait in it are waited for.
func TestACountryIsAHistory(t *testing.T) {
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	c := Country{Placements: 3000, Recorders: 20, Requests: 800, Waiting: 40}
	var s central.State
	c.Tell(t, protocoltest.NewTown(t, now), now, func(e central.Event) {
		if err := s.Apply(e); err != nil {
			t.Fatal(err)
		}
	})
	if n, m, k := len(s.Placements()), len(s.Recorders()), len(s.Requests(protocoltest.Handler, now)); n != 3000 || m != 20 || k != 800 {
		t.Errorf("%d placements on %d recorders, %d requests", n, m, k)
	}
	what := map[string]int{}
	for _, task := range append(s.Inbox(protocoltest.Handler, now), append(s.Inbox(protocoltest.Approver, now), s.Inbox(Registrar, now)...)...) {
		what[task.What]++
	}
	for _, w := range []string{"check", "decide", "activate", "lapsing", "correct"} {
		if what[w] == 0 {
			t.Errorf("nothing waits to %s: %v", w, what)
		}
	}
}
