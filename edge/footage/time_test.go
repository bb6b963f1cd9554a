package footage

import (
	"errors"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// doubt is a clock that is not sure, on top of the test's own.
type doubt struct {
	ahead, back time.Duration
}

func (d *doubt) of(c *clock) func(*Config) {
	return func(cfg *Config) {
		cfg.Clock = func() trusted.Reading {
			return trusted.Reading{Now: c.Now(), Ahead: d.ahead, Back: d.back, State: trusted.Disputed}
		}
	}
}

func newDoubtful(t *testing.T) (*rig, *doubt) {
	d, c := &doubt{}, &clock{t: noon}
	r := newRig(t, d.of(c))
	r.clock = c
	return r, d
}

// kept is how many segments of a camera there are, shown or not.
func (r *rig) kept(camera protocol.CameraID) (n int) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.db.View(func(tx *bbolt.Tx) error {
		n = len(r.Store.lines(tx, camera, protocol.Span(noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0))))
		return nil
	}); err != nil {
		r.Fatal(err)
	}
	return n
}

// What is too old by a clock that nobody has confirmed is there, and shown to nobody, unless it is held; it comes back when the clock is mended, and goes when it is confirmed.
func TestTooOldByAnUnconfirmedClockIsWithheld(t *testing.T) {
	r, d := newDoubtful(t)
	r.allow(24*time.Hour, plein, hal)
	r.record(plein, 10*time.Second)
	start := r.clock.Now()
	r.record(hal, 10*time.Second)
	all := protocol.Span(noon.Add(-time.Hour), noon.Add(time.Hour))
	before := r.kept(plein)
	if err := r.Place(r.hold("h-1", hal, protocol.Span(start, start.Add(time.Second)), noon.AddDate(0, 0, 7))); err != nil {
		t.Fatal(err)
	}
	d.ahead = 30 * 24 * time.Hour
	r.sweep(t.Context())
	if _, lines, err := r.Round(plein, all); !errors.Is(err, ErrWithheld) || len(lines) > 0 {
		t.Errorf("%d segments are shown, %v", len(lines), err)
	}
	if stretches, err := r.Coverage(plein, all); err != nil || len(stretches) > 0 {
		t.Errorf("shown as footage: %v, %v", stretches, err)
	}
	if _, lines, err := r.Round(hal, protocol.Span(start, start.Add(time.Second))); err != nil || len(lines) == 0 {
		t.Errorf("what is held is not shown: %v", err)
	}
	r.reopen()
	if n := r.kept(plein); n != before {
		t.Errorf("%d of %d segments are left: the word of one clock destroyed them", n, before)
	}
	d.ahead = 0
	if _, lines, err := r.Round(plein, all); err != nil || len(lines) != before {
		t.Errorf("mended, and %d of %d segments are shown: %v", len(lines), before, err)
	}
	d.ahead = 30 * 24 * time.Hour
	r.clock.advance(d.ahead)
	d.ahead = 0
	r.reopen()
	if n := r.kept(plein); n > 0 {
		t.Errorf("confirmed, and %d segments are left", n)
	}
}

// A clock that was ahead and is set back makes nothing live longer: neither what was recorded before it, nor what it dated itself, nor a hold that had ended.
func TestI03_ClockSetBackLengthensNothing(t *testing.T) {
	r, d := newDoubtful(t)
	r.allow(24*time.Hour, plein, hal)
	r.record(plein, 4*time.Second)
	if err := r.Place(r.hold("h-1", plein, protocol.Span(noon, noon.Add(time.Second)), noon.Add(20*time.Hour))); err != nil {
		t.Fatal(err)
	}
	ahead := 21 * time.Hour
	r.clock.advance(ahead) // its hold is over
	r.sweep(t.Context())
	r.record(hal, 4*time.Second)
	r.clock.advance(-ahead)
	d.back = ahead
	r.sweep(t.Context())
	if holds, err := r.Holds(); err != nil || len(holds) > 0 {
		t.Errorf("a hold that had ended stands again: %v %v", holds, err)
	}
	if r.kept(plein) == 0 || r.kept(hal) == 0 {
		t.Fatal("destroyed early")
	}
	r.reopen()
	r.allow(24*time.Hour, plein, hal)
	r.clock.advance(3 * time.Hour) // 24 since the first was recorded, by a clock that only goes on
	r.sweep(t.Context())
	if n := r.kept(plein); n > 0 {
		t.Errorf("%d segments live longer than their window", n)
	}
	r.record(plein, 4*time.Second) // dated by the clock as it is now
	r.clock.advance(21*time.Hour - time.Minute)
	r.sweep(t.Context())
	if n := r.kept(hal); n == 0 {
		t.Error("what the wrong clock dated went before its window")
	}
	r.clock.advance(time.Minute + 10*time.Second)
	r.sweep(t.Context())
	if n := r.kept(hal); n > 0 {
		t.Errorf("%d segments that the wrong clock dated live longer than their window", n)
	}
	r.clock.advance(3*time.Hour - 2*time.Minute)
	r.sweep(t.Context())
	if n := r.kept(plein); n == 0 {
		t.Error("what was recorded after the clock was set back went before its window")
	}
	r.clock.advance(2 * time.Minute)
	r.sweep(t.Context())
	if n := r.kept(plein); n > 0 {
		t.Errorf("%d segments live longer than their window", n)
	}
}
