package office

import (
	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// resume tells the witness which recorders' logs may go on as a successor: those of which the ledger has an order of the privacy officer.
func (o *Office) resume() {
	ordered := map[protocol.RecorderID]uint64{}
	o.book.View(func(s *central.State) {
		for _, r := range s.Recorders() {
			for _, x := range r.Resumptions {
				ordered[r.ID] = max(ordered[r.ID], x.Log)
			}
		}
	})
	for id, log := range ordered {
		if err := o.witness.Resume(id, log); err != nil {
			o.Log.Error("the witness cannot let a recorder's log go on", "recorder", id, "log", log, "error", err)
		}
	}
}
