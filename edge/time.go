package edge

import (
	"context"
	"path/filepath"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// observeEvery is how often the clocks are compared.
const observeEvery = time.Second

// Now is the recorder's trusted now: see package clock. Nothing in the recorder that decides asks the machine.
func (a *Agent) Now() time.Time { return a.clock.Now() }

// openClock finds out what time it is, before anything expires or is shown. It is at least the time of the journal's last entry, where that is known.
func (a *Agent) openClock(journalled time.Time) {
	if a.Machine.Running == nil {
		a.Machine = clock.System()
	}
	a.clock = clock.Open(clock.Config{Disk: a.Disk, File: filepath.Join(a.Config.Data, "time"), Machine: a.Machine, Known: journalled})
}

// keepTime compares the clocks until ctx ends. Where the recorder's time is moved, what waits for a moment looks again.
func (a *Agent) keepTime(ctx context.Context) error {
	tick := time.NewTicker(observeEvery)
	defer tick.Stop()
	unwritten := false
	for {
		news, err := a.clock.Observe()
		if err != nil && !unwritten {
			a.Log.Error("the time floor cannot be written: after a power cut the recorder's time begins earlier", "error", err)
		}
		unwritten = err != nil
		for _, n := range news {
			a.Log.Warn(n.What, "detail", n.Detail)
			a.append(ctx, protocol.KindIncident, protocol.Incident{What: n.What, Detail: n.Detail})
			if n.Moved {
				a.footage.TimeMoved()
				a.mandates.tell()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
