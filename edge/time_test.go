package edge

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// cabinet is a machine of which a test sets the clock and pulls the plug. Its running clock is the true one.
type cabinet struct {
	mu    sync.Mutex
	wrong time.Duration
	ntp   string
}

func (c *cabinet) set(wrong time.Duration, ntp string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong, c.ntp = wrong, ntp
}

// machine is the cabinet after it was switched on.
func (c *cabinet) machine(boot string) clock.Machine {
	real := clock.System()
	began := real.Running()
	return clock.Machine{Boot: boot, Running: func() time.Duration { return real.Running() - began },
		Wall: func() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return time.Now().Add(c.wrong) },
		NTP:  func() string { c.mu.Lock(); defer c.mu.Unlock(); return c.ntp }}
}

// incidents are what the centre was told of the clock.
func (s *street) incidents() (all string) {
	for _, i := range told[protocol.Incident](s, protocol.KindIncident) {
		all += i.What + ": " + i.Detail + "\n"
	}
	return all
}

// headers are the entries that reached the centre.
func (s *street) headers() (all []chain.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.copied {
		h, err := chain.ParseHeader(e.Header)
		s.check(err)
		all = append(all, h)
	}
	return all
}

// A machine that wakes in 1970 records at once, by the time that follows on what it knew, and says with each run that it does not know better. What is old is shown to
// nobody, until NTP and the witness say what time it is; then new runs begin, with that time.
func TestWakesIn1970(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	c := &cabinet{ntp: clock.Synced}
	s.machine = c.machine("first")
	gone := s.connect()
	_, stop := s.start()
	s.order(s.mandate(1, func(m *protocol.Mandate) { m.Window = protocol.Window(time.Hour) }))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	stop()
	gone()
	before := len(told[protocol.RunStarted](s, protocol.KindRun))
	whole := protocol.Span(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))

	s.machine = c.machine("second")
	c.set(-time.Since(time.Unix(100, 0)), clock.Unsynced)
	a, _ := s.start()
	s.eventually("it records", func() bool { return !a.footage.Camera(plein, "main").LastFrame().IsZero() })
	if _, lines, err := a.footage.Round(plein, whole); !errors.Is(err, footage.ErrWithheld) || len(lines) > 0 {
		t.Errorf("%d segments are shown, though nobody knows how long it was off: %v", len(lines), err)
	}
	if status := a.Situation(); !strings.Contains(status.Text(time.UTC), "Clock      unconfirmed") {
		t.Errorf("the operator is not told:\n%s", status.Text(time.UTC))
	}
	s.connect()
	s.eventually("the witness alone is enough to show it", func() bool { _, lines, err := a.footage.Round(plein, whole); return err == nil && len(lines) > 0 })
	c.set(0, clock.Synced)
	s.eventually("NTP keeps the clock", func() bool { return a.clock.Read().State == clock.Synced })
	s.eventually("it is told", func() bool {
		return strings.Contains(s.incidents(), "the machine's clock is behind the recorder's time")
	})
	s.eventually("runs of that start", func() bool { return len(told[protocol.RunStarted](s, protocol.KindRun)) > before })
	for _, r := range told[protocol.RunStarted](s, protocol.KindRun)[before : before+1] {
		if r.Clock != clock.Unconfirmed || time.Since(r.Start.Time) > 10*time.Minute {
			t.Errorf("a run of %s says that its clock was %s", r.Start, r.Clock)
		}
	}
}

// A clock that is years ahead for a while is told, and leaves no trace in the times of runs and entries; recording does not even stop for it.
func TestYearsAheadForAWhile(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	c := &cabinet{ntp: clock.Unsynced}
	s.machine = c.machine("first")
	s.connect()
	a, _ := s.start()
	s.order(s.mandate(1, nil))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	c.set(3000*24*time.Hour, clock.Unsynced)
	until := s.sealedUntil()
	s.eventually("it is told", func() bool { return strings.Contains(s.incidents(), "the machine's clock is ahead") })
	s.eventually("it records on", func() bool { return s.sealedUntil().After(until.Add(2 * time.Second)) })
	if all := told[protocol.Expired](s, protocol.KindExpired); slices.ContainsFunc(all, func(e protocol.Expired) bool { return time.Since(e.Segments[0].Start.Time) < 50*time.Second }) {
		t.Errorf("destroyed on the word of one clock: %+v", all)
	}
	if status := a.Situation(); !strings.Contains(strings.Join(strings.Fields(status.Text(time.UTC)), " "), "it may be 3000d later") {
		t.Errorf("the operator is not told:\n%s", status.Text(time.UTC))
	}
	c.set(0, clock.Unsynced)
	s.order(s.mandate(2, nil)) // waited for as long as the clock was in doubt, and is obeyed now
	for _, h := range s.headers() {
		if h.Time.Sub(time.Now()).Abs() > time.Hour {
			t.Errorf("entry %d (%s) is of %s", h.Seq, h.Kind, h.Time)
		}
	}
	if runs := told[protocol.RunStarted](s, protocol.KindRun); len(runs) > 2 { // a clock hour may have ended
		t.Errorf("%d runs: it stopped for a clock that it does not go by", len(runs))
	}
}

// A jump that NTP and the witness agree on is believed at once: the run ends, another begins with the right time, and the journal says how far it was.
func TestJumpThatIsBelievedStartsANewRun(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	c := &cabinet{ntp: clock.Unsynced, wrong: -2 * time.Hour} // as the machine came from the shop
	s.machine = c.machine("first")
	s.connect()
	a, _ := s.start()
	s.eventually("it is in doubt", func() bool { return a.clock.Read().Doubtful() })
	c.set(0, clock.Synced)
	s.eventually("it is believed", func() bool { return a.clock.Read().State == clock.Synced })
	s.order(s.mandate(1, nil))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	runs := len(told[protocol.RunStarted](s, protocol.KindRun))
	c.set(20*time.Second, clock.Synced)
	s.eventually("a new run", func() bool { return len(told[protocol.RunStarted](s, protocol.KindRun)) > runs })
	s.eventually("told", func() bool {
		return strings.Contains(s.incidents(), "the recorder's time was moved: 2h0m0") && strings.Contains(s.incidents(), "moved: 20")
	})
	gaps := told[protocol.Gap](s, protocol.KindGapBegun)
	if !slices.ContainsFunc(gaps, func(g protocol.Gap) bool { return g.Cause == string(footage.CauseClock) }) {
		t.Errorf("no gap says why: %+v", gaps)
	}
}
