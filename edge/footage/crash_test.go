package footage

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The power goes at any step of a day with two cameras, a hold, a shorter window and a full disk. After each of these crashes: the store finds nothing wrong with itself, what
// is held is there, nothing is overdue, and every segment that was ever sealed is there or the journal says why it is not.
func TestCrashAnywhere(t *testing.T) {
	type crash struct {
		stage   string
		dir     string
		now     time.Time
		entries int
		held    bool // the hold stood
	}
	var crashes []crash
	var free int64 = 1 << 40
	var mu sync.Mutex // hooks run on several goroutines
	var r *rig
	held, n := false, 0
	root := t.TempDir()
	r = newRig(t, func(c *Config) {
		c.SegmentLength = time.Second
		c.Disk = sized{disk.OS, func() int64 { return free }}
		c.at = func(stage string) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%3 != 0 && stage != "gone" && stage != "tombstoned" {
				return nil
			}
			dir := filepath.Join(root, fmt.Sprint(n))
			r.book.mu.Lock()
			entries := len(r.book.entries)
			r.book.mu.Unlock()
			crashes = append(crashes, crash{stage, dir, r.clock.Now(), entries, held})
			return r.image(dir)
		}
	})
	asked := protocol.Span(noon.Add(1500*time.Millisecond), noon.Add(2500*time.Millisecond))
	r.allow(time.Minute, plein, hal)
	r.record(plein, 4*time.Second)
	if err := r.Place(r.hold("h-1", plein, asked, noon.Add(10*time.Minute))); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	held = true
	mu.Unlock()
	if err := r.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.record(hal, 4*time.Second)
	sealed := append(r.lines(plein), r.lines(hal)...)
	free = 0
	r.sweep(t.Context())
	free = 1 << 40
	r.clock.set(noon.Add(40 * time.Second))
	r.record(hal, 3*time.Second)
	sealed = append(sealed, r.lines(hal)...)
	r.allow(20*time.Second, plein, hal)
	r.clock.set(noon.Add(5 * time.Minute))
	if err := r.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.sweep(t.Context())
	mu.Lock()
	held = false // from here on it may be ending
	mu.Unlock()
	r.clock.set(noon.Add(10 * time.Minute))
	r.sweep(t.Context())
	r.sound()
	if len(crashes) < 30 {
		t.Errorf("only %d crashes", len(crashes))
	}
	for i, c := range crashes {
		t.Run(fmt.Sprint(i, " ", c.stage), func(t *testing.T) {
			again := &rig{T: t, clock: &clock{t: c.now}, book: &book{entries: append([]entry(nil), r.book.entries[:c.entries]...)}}
			cfg := config(filepath.Join(c.dir, "volume"), again.clock, again.book)
			was := map[string]bool{}
			for _, l := range sealed {
				was[l.String()] = wasSealed(filepath.Join(c.dir, "volume"), l)
			}
			again.open(cfg)
			again.sound()
			there := map[string]bool{}
			for _, l := range append(again.lines(plein), again.lines(hal)...) {
				there[l.String()] = true
			}
			told := map[protocol.Hash]int{}
			for _, e := range again.expired() {
				told[e.SHA256]++
			}
			for _, l := range sealed {
				if was[l.String()] && !there[l.String()] && told[l.SHA256] == 0 {
					t.Errorf("segment %s is neither there nor told of", l)
				}
			}
			if c.held {
				n := 0
				for _, l := range again.lines(plein) {
					if asked.Overlaps(protocol.Interval{From: l.Start.Time, To: l.End.Time}) {
						n++
					}
				}
				if n != 2 {
					t.Errorf("%d held segments survive, want 2", n)
				}
			}
			again.clock.advance(time.Hour)
			again.sweep(t.Context())
			again.sweep(t.Context())
			again.sound()
			if left := append(again.files(plein, "*"), again.files(hal, "*")...); len(left) > 0 {
				t.Errorf("an hour later there is still %s", left)
			}
		})
	}
}

// wasSealed says whether a segment's file existed when the power went: one that was not sealed yet may be cut to another content.
func wasSealed(dir string, l protocol.SegmentLine) bool {
	_, err := os.Stat(filepath.Join(dir, "footage", string(l.Camera), string(l.Run), fmt.Sprintf("%06d.seg", l.N)))
	return err == nil
}

// Everybody at once: cameras, the clock, holds, mandates, checks and readers.
func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	b := &book{}
	cfg := config(filepath.Join(dir, "volume"), nil, b)
	cfg.Now, cfg.SegmentLength, cfg.SealEvery = time.Now, 100*time.Millisecond, 50*time.Millisecond
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	mandates := func(window time.Duration) (ms []*protocol.Mandate) {
		for i := range 4 {
			m := mandate(protocol.CameraID(fmt.Sprint("cam-", i)), window)
			m.NotBefore, m.NotAfter = protocol.T(start.Add(-time.Hour)), protocol.T(start.Add(time.Hour))
			ms = append(ms, m)
		}
		return ms
	}
	if err := s.SetMandates(mandates(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	clip := squareClip()
	for i := range 4 {
		wg.Go(func() {
			w := s.Camera(protocol.CameraID(fmt.Sprint("cam-", i)), main_)
			for ctx.Err() == nil {
				if err := w.StartRun(formatOf(clip), time.Now()); err != nil {
					t.Error(err)
				}
				for _, u := range frames(clip, time.Duration(1+rand.IntN(40))*100*time.Millisecond) {
					u.DTS, u.PTS = u.DTS/10, u.PTS/10 // ten times as fast
					if err := w.Write(u); err != nil {
						t.Error(err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				if err := w.EndRun(CauseNetwork, "again"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 3 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				camera := protocol.CameraID(fmt.Sprint("cam-", i%4))
				id := protocol.HoldID(fmt.Sprint("h-", n, "-", i))
				now := time.Now()
				h := protocol.Hold{Heading: protocol.Heading{ID: protocol.DocumentID(id), Recorder: self}, Camera: camera, Request: "z-1",
					Asked: protocol.Span(now.Add(-300*time.Millisecond), now), Ground: protocol.GroundRequest, End: protocol.T(now.Add(time.Hour))}
				if err := s.Place(h); err != nil {
					t.Error(err)
				}
				if _, err := s.Coverage(camera, protocol.Span(start, now.Add(time.Second))); err != nil {
					t.Error(err)
				}
				s.Usage()
				if i%2 == 0 {
					if err := s.Lift(id, "lift"); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := s.SetMandates(mandates(time.Duration(1+i%2) * time.Second)); err != nil {
				t.Error(err)
			}
			found, err := s.Check(ctx)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			for _, f := range found {
				if f.What != "overdue" { // by some microseconds: nobody has swept
					t.Error(f)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	wg.Wait()
	s.sweep(t.Context())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	found, err := s.Check(t.Context())
	for _, f := range found {
		if f.What != "overdue" {
			t.Error(f)
		}
	}
	if err != nil || s.Close() != nil {
		t.Error(err)
	}
	if n := len(bodies[protocol.Incident](t, b, protocol.KindIncident)); n > 0 {
		t.Errorf("%d incidents", n)
	}
	if len(bodies[protocol.Expired](t, b, protocol.KindExpired)) == 0 || len(bodies[protocol.HoldPlaced](t, b, protocol.KindHoldPlaced)) == 0 {
		t.Error("nothing expired, or no hold was confirmed")
	}
}

// What recovery reads may be anything that a disk gives back.
func FuzzWholeFragments(f *testing.F) {
	var samples [][]byte
	for _, u := range frames(squareClip(), 300*time.Millisecond) {
		s, err := sampleOf(u)
		if err != nil {
			f.Fatal(err)
		}
		s.duration = 9000
		var sound []Sound
		if len(samples)%2 == 1 {
			sound = []Sound{{[]byte("sound"), 7, 960}, {[]byte("more"), 967, 960}}
		}
		var b bytes.Buffer
		if err := writeFragment(&b, 1, u.DTS, []*sample{s}, sound, 0); err != nil {
			f.Fatal(err)
		}
		samples = append(samples, b.Bytes())
		if len(samples) == 2 {
			samples = append(samples, padding(100))
		}
	}
	f.Add(bytes.Join(samples, nil))
	f.Add(samples[1])
	f.Add(samples[0][:200])
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, end, err := wholeFragments(bytes.NewReader(b), int64(len(b)))
		if end < 0 || end > int64(len(b)) || (err == nil) != (end == int64(len(b))) {
			t.Fatalf("whole to %d of %d: %v", end, len(b), err)
		}
		again, e, err := wholeFragments(bytes.NewReader(b[:end]), end)
		if err != nil || e != end || len(again) != len(whole) {
			t.Fatalf("what was whole is not: %d of %d fragments, %v", len(again), len(whole), err)
		}
	})
}
