package edge

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/edge/ingest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// watch is what the operator's view remembers from moment to moment. Any goroutine may use it.
type watch struct {
	mu        sync.Mutex
	started   time.Time
	hungAfter time.Duration // without progress for so long, a part hangs
	clock     string        // what clock.Reading says of it
	clockAt   time.Time     // since when
	uplink    UplinkSituation
	footage   time.Time // when expiry last made progress
	journal   time.Time // when the journal's writer did
	incidents uint64    // since the start
	latest    []IncidentSituation
	faults    map[string]string // parts beside recording that do not work, and why
}

const keepIncidents = 5

func (w *watch) incident(at time.Time, i protocol.Incident) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.incidents++
	w.latest = append(w.latest, IncidentSituation{At: protocol.T(at), What: i.What, Camera: i.Camera, Detail: i.Detail})
	w.latest = w.latest[max(0, len(w.latest)-keepIncidents):]
}

// fault notes why a part beside recording does not work; nil: it works.
func (w *watch) fault(part string, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if why == nil {
		delete(w.faults, part)
		return
	}
	if w.faults == nil {
		w.faults = map[string]string{}
	}
	w.faults[part] = part + ": " + why.Error()
}

// doorAgain is when a door that could not be opened is tried again.
const doorAgain = 5 * time.Second

// door listens, and serves whoever comes, until ctx ends. A part beside recording never stops the recorder: when it fails the operator sees why, and it is tried again.
func (a *Agent) door(ctx context.Context, part string, listen func() (net.Listener, error), serve func(context.Context, net.Listener) error) {
	for ctx.Err() == nil {
		l, err := listen()
		if err == nil {
			a.watch.fault(part, nil)
			err = serve(ctx, l)
		}
		if ctx.Err() != nil {
			if err != nil {
				a.Log.Warn(part, "error", err)
			}
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		a.Log.Error(part, "error", err, "again in", doorAgain)
		a.watch.fault(part, err)
		select {
		case <-ctx.Done():
		case <-time.After(doorAgain):
		}
	}
}

// overseen is the journal as footage and agent write it: incidents are remembered for the operator.
type overseen struct {
	*journal.Journal
	watch *watch
}

// Append writes an entry; see [journal.Journal.Append].
func (o overseen) Append(ctx context.Context, kind string, body any) (seq uint64, err error) {
	seq, err = o.Journal.Append(ctx, kind, body)
	if err != nil || kind != protocol.KindIncident {
		return seq, err
	}
	var i protocol.Incident
	if line, e := json.Marshal(body); e == nil && json.Unmarshal(line, &i) == nil {
		o.watch.incident(o.Head().Time.Time, i)
	}
	return seq, err
}

// session notes that the uplink's session began (nil), or why there is none.
func (a *Agent) session(lost error) {
	w := &a.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	now := protocol.T(a.Now())
	if connected := lost == nil; connected != w.uplink.Connected || w.uplink.Since == nil {
		w.uplink = UplinkSituation{Connected: connected, Since: &now}
	}
	if lost != nil {
		w.uplink.Why = lost.Error()
	}
}

// oversee runs all of the operator's view until ctx ends. Nothing in it that fails stops the recorder.
func (a *Agent) oversee(ctx context.Context) error {
	every := 15 * time.Second
	if a.Systemd.Watchdog > 0 {
		every = a.Systemd.Watchdog / 4
	}
	now := a.Now()
	w := &a.watch
	w.mu.Lock()
	w.started, w.hungAfter = now, 4*every
	w.clock, w.clockAt, w.footage, w.journal = a.clock.Read().State, now, now, now
	w.mu.Unlock()

	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() {
		a.door(ctx, "`beeldwacht-edge status` cannot ask it", func() (net.Listener, error) { return listenPrivate(a.Config.Data) }, a.serveSocket)
	})
	if address := a.Config.Metrics.Listen; address != "" {
		parts.Go(func() {
			a.door(ctx, "/metrics and /health are not served", func() (net.Listener, error) { return net.Listen("tcp", address) }, a.serveMetrics)
		})
	}
	a.tellSystemd("READY=1\n" + a.recordingLine())
	a.beat(ctx, every)
	if !errors.Is(context.Cause(ctx), errAnew) {
		a.tellSystemd("STOPPING=1")
	}
	return nil
}

// beat looks, at a steady pace, whether expiry and the journal's writer get on, and tells systemd's watchdog only when both do. A journal that is
// broken answers and so gets on: recording goes on without it (invariant 10), and a restart could end in no recorder at all.
func (a *Agent) beat(ctx context.Context, every time.Duration) {
	w := &a.watch
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := a.footage.Progress()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asking, cancel := context.WithTimeout(ctx, every/2)
		err := a.journal.Ping(asking)
		cancel()
		answered := err == nil || errors.Is(err, journal.ErrBroken)
		rounds := a.footage.Progress()
		moved := rounds != last
		last = rounds
		now, clock := a.Now(), a.clock.Read().State
		w.mu.Lock()
		if clock != w.clock {
			w.clock, w.clockAt = clock, now
		}
		if moved {
			w.footage = now
		}
		if answered {
			w.journal = now
		}
		w.mu.Unlock()
		if moved && answered {
			a.tellSystemd("WATCHDOG=1\n" + a.recordingLine())
		} else if ctx.Err() == nil {
			a.Log.Error("no progress: is the disk hanging?", "expiry", moved, "journal", answered)
		}
	}
}

// recordingLine is what `systemctl status` shows. It asks nothing that could hang.
func (a *Agent) recordingLine() string {
	recording := 0
	for _, s := range a.streams {
		if s.phase() == ingest.Recording {
			recording++
		}
	}
	return "STATUS=recording " + strconv.Itoa(recording) + " of " + strconv.Itoa(len(a.streams)) + " camera streams"
}

// phase is what the stream's session is doing; empty when none runs.
func (s *stream) phase() ingest.Phase {
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session == nil {
		return ""
	}
	return session.State().Phase
}
