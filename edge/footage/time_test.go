package footage

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

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

// Weeks without power: what is too old is withheld before anything can be asked, since the machine's clock is not believed so far; it is destroyed as soon as NTP and the witness
// say that it is right, and what is not too old comes back.
func TestI04_WeeksWithoutPower(t *testing.T) {
	r := newRig(t)
	wall, boot, ntp := noon, "one", trusted.Unsynced
	var running time.Duration
	file := filepath.Join(t.TempDir(), "time")
	on := func() *trusted.Clock {
		return trusted.Open(trusted.Config{File: file, Machine: trusted.Machine{Boot: boot, Running: func() time.Duration { return running },
			Wall: func() time.Time { return wall }, NTP: func() string { return ntp }}})
	}
	before := on()
	if err := r.SetMandates([]*protocol.Mandate{mandate(plein, 7*24*time.Hour), mandate(hal, 21*24*time.Hour)}); err != nil {
		t.Fatal(err)
	}
	r.record(plein, 10*time.Second)
	r.record(hal, 10*time.Second)
	c := r.Config
	if err := errors.Join(r.Close(), before.Close()); err != nil {
		t.Fatal(err)
	}

	boot, running, wall = "two", time.Second, noon.Add(14*24*time.Hour)
	after := on()
	c.Clock = after.Read
	r.open(c)
	whole := protocol.Span(noon.Add(-time.Hour), noon.Add(time.Hour))
	for _, camera := range []protocol.CameraID{plein, hal} {
		if _, lines, err := r.Round(camera, whole); !errors.Is(err, ErrWithheld) || len(lines) > 0 || r.kept(camera) == 0 {
			t.Errorf("%s: %d of %d segments are shown before anybody has said what time it is: %v", camera, len(lines), r.kept(camera), err)
		}
	}
	ntp = trusted.Synced
	if _, err := after.Observe(); err != nil {
		t.Fatal(err)
	}
	r.sweep(t.Context())
	if _, lines, err := r.Round(plein, whole); !errors.Is(err, ErrWithheld) || len(lines) > 0 || r.kept(plein) == 0 {
		t.Errorf("on the word of NTP alone %d of %d old segments are shown: %v", len(lines), r.kept(plein), err)
	}
	if _, lines, err := r.Round(hal, whole); err != nil || len(lines) == 0 {
		t.Errorf("what is not too old by NTP is not shown: %v", err)
	}
	after.Cosigned(wall)
	if _, err := after.Observe(); err != nil {
		t.Fatal(err)
	}
	r.sweep(t.Context())
	if n := r.kept(plein); n > 0 {
		t.Errorf("confirmed, and %d segments are left", n)
	}
	if n := r.kept(hal); n == 0 {
		t.Error("destroyed before its window")
	}
}

// In both nights in which the Dutch clocks are changed nothing is lost and nothing doubled: hours are those of UTC, and a window of a day is 24 hours long.
func TestNightsInWhichTheClockChanges(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err) // it is in the binary
	}
	for _, night := range []time.Time{time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC), time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)} {
		t.Run(night.Format(time.DateOnly), func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.SegmentLength, c.FragmentLength = 10*time.Minute, 5*time.Minute })
			r.clock.set(night.In(amsterdam))
			r.allow(24*time.Hour, plein)
			w := r.begin(plein, squareClip())
			length := 150 * time.Minute
			var units []AccessUnit
			for _, u := range frames(squareClip(), length/50) { // each frame stands for five seconds
				u.DTS, u.PTS = 50*u.DTS, 50*u.PTS
				units = append(units, u)
			}
			r.play(w, units)
			r.clock.set(night.Add(length).In(amsterdam))
			if err := w.EndRun(CauseNetwork, "the test is over"); err != nil {
				t.Fatal(err)
			}
			w.idle()
			lines := r.lines(plein)
			at, runs, seen := night, map[string]bool{}, map[string]bool{}
			for _, l := range lines {
				if d := l.Start.Sub(at).Abs(); d > meet {
					t.Errorf("segment %s/%d begins at %s, the one before it ended at %s", l.Run, l.N, l.Start, protocol.T(at))
				}
				if hour := l.Start.Truncate(time.Hour); l.End.After(hour.Add(time.Hour + 10*time.Second)) {
					t.Errorf("segment %s/%d crosses the hour: %s to %s", l.Run, l.N, l.Start, l.End)
				}
				at = l.End.Time
				if key := segmentKey(l); seen[key] {
					t.Errorf("segment %s twice", key)
				} else {
					seen[key] = true
				}
				runs[string(l.Run)] = true
			}
			if d := at.Sub(night.Add(length)).Abs(); d > 10*time.Second {
				t.Errorf("footage ends at %s, want %s", protocol.T(at), protocol.T(night.Add(length)))
			}
			if len(runs) != 3 {
				t.Errorf("runs %v, want one for each hour of 0:30 to 3:00", slices.Sorted(maps.Keys(runs)))
			}
			r.clock.set(lines[0].Start.Add(24*time.Hour - time.Second).In(amsterdam))
			r.sweep(t.Context())
			if n := r.kept(plein); n != len(lines) {
				t.Errorf("a second before its window is over %d of %d segments are left", n, len(lines))
			}
			r.clock.set(lines[0].Start.Add(24 * time.Hour).In(amsterdam))
			r.sweep(t.Context())
			if n := r.kept(plein); n != len(lines)-1 {
				t.Errorf("after 24 hours %d of %d segments are left, want all but one", n, len(lines))
			}
		})
	}
}
