package footage

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

func (r *rig) rows(bucket []byte) (n int) {
	r.Helper()
	if err := r.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, _ []byte) error { n++; return nil })
	}); err != nil {
		r.Fatal(err)
	}
	return n
}

// incidents are what the journal says of what must not be.
func (r *rig) incidents() (out []string) {
	r.Helper()
	r.settle(r.Context())
	for _, i := range bodies[protocol.Incident](r.T, r.book, protocol.KindIncident) {
		out = append(out, i.What+": "+i.Detail)
	}
	return out
}

func (r *rig) expired() (out []protocol.ExpiredSegment) {
	r.Helper()
	for _, e := range bodies[protocol.Expired](r.T, r.book, protocol.KindExpired) {
		out = append(out, e.Segments...)
	}
	return out
}

func (r *rig) hold(id string, camera protocol.CameraID, asked protocol.Interval, end time.Time) protocol.Hold {
	return protocol.Hold{Heading: protocol.Heading{ID: protocol.DocumentID(id), Recorder: self}, Camera: camera, Request: "z-1", Asked: asked, Ground: protocol.GroundRequest, End: protocol.T(end)}
}

// At every step of recording and sealing the power may go. What is sealed stays, the open segment loses at most its last fragment, and nothing is shown that is not whole.
func TestI01_CrashAtEveryStepOfSealing(t *testing.T) {
	steps := map[string]string{}
	var taken *rig
	r := newRig(t, func(c *Config) {
		c.at = func(stage string) error {
			if dir := t.TempDir(); taken != nil && (steps[stage] == "" || stage == "fragment") {
				steps[stage] = dir
				return taken.image(dir)
			}
			return nil
		}
	})
	taken = r
	r.allow(time.Hour, plein)
	r.record(plein, 5*time.Second)
	for _, want := range []string{"run made", "run indexed", "fragment", "synced", "renamed", "directory synced", "segment indexed"} {
		dir := steps[want]
		if dir == "" {
			t.Errorf("step %q was never reached", want)
			continue
		}
		t.Run(want, func(t *testing.T) {
			c := &rig{T: t, clock: r.clock, book: &book{}}
			cfg := r.Config
			cfg.Dir, cfg.Keys, cfg.at, cfg.Journal = filepath.Join(dir, "volume"), filepath.Join(dir, "keys"), nil, c.book
			c.open(cfg)
			c.sound()
			if open := c.files(plein, "*.open"); len(open) > 0 {
				t.Errorf("still open after a start: %s", open)
			}
			for i, l := range c.lines(plein) {
				if l.N != i {
					t.Errorf("segment %d stands at %d", l.N, i)
				}
			}
			if want == "synced" && len(c.lines(plein)) != 1 {
				t.Errorf("%d segments survive, want the one that was synced", len(c.lines(plein)))
			}
			for _, run := range c.files(plein, "") {
				if len(c.lines(plein)) > 0 {
					plays(t, c.join(run), c.countIn(run))
				}
			}
			if n := len(bodies[protocol.RunStarted](t, c.book, protocol.KindRun)) + len(bodies[protocol.RunStarted](t, r.book, protocol.KindRun)); len(c.lines(plein)) > 0 && n == 0 {
				t.Error("the run was never journalled")
			}
		})
	}
}

// A power cut leaves a file shorter than was written, or zeros at its end.
func TestI01_TornFileIsCutToWholeFragments(t *testing.T) {
	for _, c := range []struct {
		name string
		tear func(b []byte) []byte
		left int64 // frames
	}{
		{"whole chunks", func(b []byte) []byte { return b }, 10}, // of the third fragment the last chunk was not full
		{"short", func(b []byte) []byte { return b[:len(b)-1] }, 10},
		{"zeros", func(b []byte) []byte { clear(b[len(b)-500:]); return b }, 10},
		{"zeros early", func(b []byte) []byte { clear(b[len(b)/2 : len(b)/2+500]); return b }, 5},
		{"half", func(b []byte) []byte { return b[:len(b)/2] }, 5},
		{"chunk border", func(b []byte) []byte { return b[:headSize+80*chunkSize] }, 5},
		{"nothing", func(b []byte) []byte { return b[:100] }, 0},
		{"another's header", func(b []byte) []byte { b[9] ^= 1; return b }, 0},
		{"empty", func(b []byte) []byte { return nil }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.allow(time.Hour, plein)
			r.play(r.begin(plein, squareClip()), large(frames(squareClip(), 1600*time.Millisecond), 40<<10)) // three fragments of 0.5 s and one frame: nothing is sealed
			open := r.files(plein, "*.open")
			if len(open) != 1 {
				t.Fatalf("open: %s", open)
			}
			b, err := os.ReadFile(open[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(open[0], c.tear(b), 0o600); err != nil {
				t.Fatal(err)
			}
			r.crash()
			r.sound()
			if left := append(r.files(plein, "*.open"), r.files(plein, "*.cut")...); len(left) > 0 {
				t.Errorf("left: %s", left)
			}
			var frames int64
			for _, l := range r.lines(plein) {
				frames += int64(l.End.Sub(l.Start.Time) / (100 * time.Millisecond))
			}
			if frames != c.left {
				t.Errorf("%d frames survive, want %d", frames, c.left)
			}
		})
	}
}

// At every step of an expiry the power may go; the next start finishes what was begun, and the journal tells of each segment.
func TestI02_CrashAtEveryStepOfExpiry(t *testing.T) {
	type moment struct {
		dir  string
		told int // expired segments in the journal by then
	}
	steps := map[string]moment{}
	var r *rig
	watching := false
	r = newRig(t, func(c *Config) {
		c.at = func(stage string) error {
			if !watching {
				return nil
			}
			dir := t.TempDir()
			steps[stage] = moment{dir, len(r.expired())}
			return r.image(dir)
		}
	})
	r.allow(time.Minute, plein)
	r.record(plein, 6*time.Second)
	if err := r.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := r.lines(plein)
	if len(all) != 3 {
		t.Fatalf("%d segments, want 3", len(all))
	}
	watching = true
	r.clock.set(noon.Add(time.Hour))
	r.sweep(t.Context())
	watching = false
	for _, step := range []string{"tombstoned", "unlinked", "gone", "journalled", "settled"} {
		m, ok := steps[step]
		if !ok {
			t.Errorf("step %q was never reached", step)
			continue
		}
		t.Run(step, func(t *testing.T) {
			c := &rig{T: t, clock: r.clock, book: &book{}}
			cfg := r.Config
			cfg.Dir, cfg.Keys, cfg.at, cfg.Journal = filepath.Join(m.dir, "volume"), filepath.Join(m.dir, "keys"), nil, c.book
			c.open(cfg)
			c.sound()
			if left := c.files(plein, "*"); len(left) > 0 {
				t.Errorf("left: %s", left)
			}
			if n := c.rows(inTombstones) + c.rows(inMinutes) + c.rows(inSegments) + c.rows(inRuns); n > 0 {
				t.Errorf("%d rows are left", n)
			}
			told := m.told + len(c.expired())
			if told < 3 {
				t.Errorf("the journal tells of %d segments, want 3", told)
			}
			for _, e := range c.expired() {
				if e.Minute == 0 {
					t.Errorf("segment %d does not cite its minute", e.N)
				}
			}
			if found := c.incidents(); len(found) > 0 {
				t.Errorf("finishing what was begun is no incident: %s", found)
			}
		})
	}
}

func TestI02_TombstoneComesBeforeUnlinkAndTheEntryAfter(t *testing.T) {
	var r *rig
	var order []string
	r = newRig(t, func(c *Config) {
		c.at = func(stage string) error {
			switch stage {
			case "tombstoned", "unlinked", "key table in place", "generation destroyed", "gone", "journalled", "settled":
				order = append(order, stage)
				if stage == "tombstoned" && len(r.files(plein, "*.seg")) == 0 {
					t.Error("unlinked before the tombstone was written")
				}
				if stage == "gone" && len(r.expired()) > 0 {
					t.Error("journalled before it was gone")
				}
			}
			return nil
		}
	})
	r.allow(time.Minute, plein)
	r.record(plein, 2*time.Second)
	r.settle(t.Context())
	order = nil
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if got := strings.Join(order, " "); got != "tombstoned unlinked key table in place generation destroyed gone journalled settled" {
		t.Errorf("order: %s", got)
	}
}

// A failed unlink is tried again, is one incident, and stops no other segment.
func TestI02_I14_FailedUnlinkIsRetriedAndReportedOnce(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein, hal)
	r.record(plein, 4*time.Second)
	r.clock.set(noon)
	r.record(hal, 4*time.Second)
	stuck := r.files(plein, "000000.seg")[0]
	if err := errors.Join(os.Remove(stuck), os.MkdirAll(filepath.Join(stuck, "in the way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	r.clock.set(noon.Add(time.Hour))
	for range 5 {
		r.sweep(t.Context())
		r.clock.advance(time.Minute)
	}
	if len(r.expired()) != 3 {
		t.Errorf("%d segments are gone, want the other 3", len(r.expired()))
	}
	if got := r.incidents(); len(got) != 1 || !strings.Contains(got[0], "cannot be deleted") {
		t.Errorf("incidents: %q, want one", got)
	}
	if u := r.Usage(); u.Overdue != 1 {
		t.Errorf("usage counts %d overdue, want 1", u.Overdue)
	}
	if at, ok := r.Oldest(plein); !ok || !at.Equal(noon) {
		t.Errorf("oldest is %s, %t: what could not be deleted still exists", at, ok)
	}
	if err := errors.Join(os.RemoveAll(stuck), os.WriteFile(stuck, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if len(r.expired()) != 4 || len(r.files(plein, "*")) > 0 {
		t.Errorf("%d gone, left %s", len(r.expired()), r.files(plein, "*"))
	}
	r.sound()
}

func TestI02_FileGoneBeforeItsTimeIsAnIncident(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 2*time.Second)
	if err := os.Remove(r.files(plein, "000000.seg")[0]); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if got := r.incidents(); len(got) != 1 || !strings.Contains(got[0], "missing file") || len(r.expired()) != 1 {
		t.Errorf("incidents %q, %d expired", got, len(r.expired()))
	}
}

// A segment is due when its first frame reaches the window: not a moment later, and never more than one segment early.
func TestI03_ExpiresWithItsFirstFrame(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 4*time.Second)
	r.clock.set(noon.Add(time.Minute - time.Millisecond))
	next := r.sweep(t.Context())
	if len(r.lines(plein)) != 2 || !next.Equal(noon.Add(time.Minute)) {
		t.Errorf("a millisecond before: %d segments, next at %s", len(r.lines(plein)), next)
	}
	r.clock.advance(time.Millisecond)
	next = r.sweep(t.Context())
	if len(r.lines(plein)) != 1 || !next.Equal(noon.Add(time.Minute+2*time.Second)) {
		t.Errorf("at the window: %d segments, next at %s", len(r.lines(plein)), next)
	}
	e := r.expired()
	if len(e) != 1 || e[0].N != 0 || !e[0].Due.Equal(noon.Add(time.Minute)) {
		t.Errorf("journal: %+v", e)
	}
	r.sound()
}

// An open segment is sealed and goes too, even when its camera has fallen silent.
func TestI03_OpenSegmentExpires(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	w := r.begin(plein, squareClip())
	r.play(w, frames(squareClip(), time.Second))
	if next := r.sweep(t.Context()); !next.Equal(noon.Add(time.Minute)) {
		t.Errorf("next at %s", next)
	}
	r.clock.set(noon.Add(time.Minute))
	r.sweep(t.Context())
	w.idle()
	r.sweep(t.Context())
	if left := r.files(plein, "*"); len(left) > 0 {
		t.Errorf("left: %s", left)
	}
	r.sound()
}

func TestI04_StartAfterWeeksOffExpiresBeforeAnythingIsServed(t *testing.T) {
	r := newRig(t)
	r.allow(28*24*time.Hour, plein)
	r.record(plein, 4*time.Second)
	r.play(r.begin(plein, squareClip()), large(frames(squareClip(), 1600*time.Millisecond), 40<<10)) // and one left open
	r.clock.set(noon.AddDate(0, 2, 0))
	r.crash()
	if left := r.files(plein, "*"); len(left) > 0 || len(r.lines(plein)) > 0 {
		t.Errorf("after Open: %s", left)
	}
	if len(r.expired()) != 3 {
		t.Errorf("%d expired, want 3", len(r.expired()))
	}
	r.sound()
}

func TestI03_ShorterMandateCountsAtOnceAndLongerNever(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein)
	r.record(plein, 2*time.Second)
	r.allow(10*time.Minute, plein)
	r.allow(20*time.Hour, plein)
	r.clock.set(noon.Add(9 * time.Minute))
	r.reopen()
	r.allow(20*time.Hour, plein)
	if len(r.lines(plein)) != 1 {
		t.Fatal("gone too early")
	}
	r.clock.set(noon.Add(10 * time.Minute))
	r.sweep(t.Context())
	if len(r.lines(plein)) != 0 {
		t.Error("a longer window lengthened existing footage")
	}
	r.clock.set(noon.Add(30 * time.Minute))
	r.record(plein, 2*time.Second)
	r.allow(time.Minute, plein)
	r.clock.advance(2 * time.Minute)
	r.allow(time.Minute, plein)
	if len(r.lines(plein)) != 0 {
		t.Error("SetMandates returned before what was due had gone")
	}
	for _, w := range []protocol.Window{0, -1, protocol.MaxWindow + 1} {
		m := mandate(plein, time.Duration(w))
		if err := r.SetMandates([]*protocol.Mandate{m}); err == nil {
			t.Errorf("window %d was accepted", w)
		}
	}
}

func TestI03_LongerMandateStartsANewRun(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	w := r.begin(plein, squareClip())
	units := frames(squareClip(), 6*time.Second)
	r.play(w, units[:30])
	r.allow(time.Hour, plein)
	r.play(w, units[30:])
	if err := w.EndRun(CauseNetwork, ""); err != nil {
		t.Fatal(err)
	}
	w.idle()
	if n := len(r.files(plein, "")); n != 2 {
		t.Fatalf("%d runs, want 2", n)
	}
	r.clock.set(noon.Add(2 * time.Minute))
	r.sweep(t.Context())
	if got := r.lines(plein); len(got) == 0 || !got[0].Start.Equal(noon.Add(3*time.Second)) {
		t.Errorf("left: %v", got)
	}
	if gaps := bodies[protocol.Gap](t, r.book, protocol.KindGapBegun); len(gaps) != 1 {
		t.Errorf("a new run without loss is no gap: %v", gaps)
	}
}

func TestI05_HoldGoesBeforeWindowAndWindowBeforeSpace(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 8*time.Second)
	asked := protocol.Span(noon.Add(3*time.Second), noon.Add(4*time.Second)) // within the second segment
	if err := r.Place(r.hold("h-1", plein, asked, noon.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	placed := bodies[protocol.HoldPlaced](t, r.book, protocol.KindHoldPlaced)
	want := r.lines(plein)[1]
	root, err := rootOf(leaves([]protocol.SegmentLine{want}))
	if err != nil {
		t.Fatal(err)
	}
	if len(placed) != 1 || placed[0].Segments != 1 || placed[0].Bytes != want.Size || placed[0].Root != root || !placed[0].Interval.Equal(protocol.Span(want.Start.Time, want.End.Time)) {
		t.Fatalf("hold.placed: %+v", placed)
	}
	r.clock.set(noon.Add(30 * time.Minute))
	next := r.sweep(t.Context())
	if got := r.lines(plein); len(got) != 1 || got[0] != want {
		t.Errorf("left: %v, want exactly the held segment", got)
	}
	if !next.Equal(noon.Add(time.Hour)) {
		t.Errorf("next at %s, want the end of the hold", next)
	}
	r.reopen()
	if len(r.lines(plein)) != 1 {
		t.Error("the hold did not survive a start")
	}
	r.clock.set(noon.Add(time.Hour))
	r.sweep(t.Context())
	r.sweep(t.Context())
	if len(r.lines(plein)) != 0 {
		t.Error("overdue footage outlived its hold")
	}
	e := bodies[protocol.Expired](t, r.book, protocol.KindExpired)
	if last := e[len(e)-1]; last.Reason != "hold-ended" || len(last.Segments) != 1 {
		t.Errorf("last footage.expired: %+v", last)
	}
	if l := bodies[protocol.HoldLifted](t, r.book, protocol.KindHoldLifted); len(l) != 1 || l[0].Reason != "end" {
		t.Errorf("hold.lifted: %+v", l)
	}
	if r.rows(inHolds) != 0 {
		t.Error("the hold's row stays")
	}
	r.sound()
}

func TestI05_HoldCoversWhatIsStillToCome(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	w := r.begin(plein, squareClip())
	units := frames(squareClip(), 8*time.Second)
	r.play(w, units[:30])
	h := r.hold("h-1", plein, protocol.Span(noon.Add(time.Second), noon.Add(5*time.Second)), noon.Add(time.Hour))
	for range 3 { // placing again changes nothing
		if err := r.Place(h); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(bodies[protocol.HoldPlaced](t, r.book, protocol.KindHoldPlaced)); n != 0 {
		t.Error("confirmed before its footage is sealed")
	}
	if got, err := r.Holds(); err != nil || len(got) != 1 || got[0].Complete {
		t.Errorf("holds: %+v, %v", got, err)
	}
	r.play(w, units[30:55])
	r.sweep(t.Context())
	if n := len(bodies[protocol.HoldPlaced](t, r.book, protocol.KindHoldPlaced)); n != 0 {
		t.Error("confirmed while the segment that touches its end is open")
	}
	r.play(w, units[55:])
	r.sweep(t.Context())
	r.reopen()
	placed := bodies[protocol.HoldPlaced](t, r.book, protocol.KindHoldPlaced)
	if len(placed) != 1 || placed[0].Segments != 3 || !placed[0].Interval.Equal(protocol.Span(noon, noon.Add(6*time.Second))) {
		t.Errorf("hold.placed: %+v", placed)
	}
	r.clock.set(noon.Add(10 * time.Minute))
	r.sweep(t.Context())
	if n := len(r.lines(plein)); n != 3 {
		t.Errorf("%d segments held, want 3", n)
	}
	if err := r.Lift("h-1", "lift"); err != nil {
		t.Fatal(err)
	}
	if n := len(r.lines(plein)); n != 0 {
		t.Errorf("%d segments left when Lift returned", n)
	}
	if err := r.Lift("h-1", "lift"); err != nil {
		t.Errorf("lifting again: %v", err)
	}
	if err := r.Place(h); err != nil {
		t.Errorf("placing what was lifted: %v", err)
	}
	if got, err := r.Holds(); err != nil || len(got) != 0 {
		t.Errorf("a lifted hold stands again: %v %v", got, err)
	}
	if l := bodies[protocol.HoldLifted](t, r.book, protocol.KindHoldLifted); len(l) != 1 || l[0].Reason != "lift" {
		t.Errorf("hold.lifted: %+v", l)
	}
}

func TestI05_HoldBringsNothingBack(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 2*time.Second)
	r.clock.set(noon.Add(time.Hour)) // due, and nobody has swept
	if err := r.Place(r.hold("h-1", plein, protocol.Span(noon, noon.Add(time.Second)), noon.AddDate(0, 0, 7))); err != nil {
		t.Fatal(err)
	}
	if len(r.lines(plein)) != 0 {
		t.Error("a hold kept what was past its window")
	}
	if p := bodies[protocol.HoldPlaced](t, r.book, protocol.KindHoldPlaced); len(p) != 1 || p[0].Segments != 0 {
		t.Errorf("hold.placed: %+v", p)
	}
}

func TestI05_DiskPressureNeverTakesHeldFootage(t *testing.T) {
	var free int64 = 1 << 40
	r := newRig(t, func(c *Config) {
		c.MinFree = 1000
		c.Disk = sized{disk.OS, func() int64 { return free }}
	})
	r.allow(time.Hour, plein, hal)
	r.record(plein, 4*time.Second)
	r.clock.set(noon.Add(time.Second))
	r.record(hal, 4*time.Second)
	first := r.lines(plein)[0]
	if err := r.Place(r.hold("h-1", plein, protocol.Span(first.Start.Time, first.End.Time), noon.Add(2*time.Hour))); err != nil {
		t.Fatal(err)
	}
	next := r.lines(hal)[0]
	free = 1000 - next.Size/2
	r.sweep(t.Context())
	e := bodies[protocol.Expired](t, r.book, protocol.KindExpired)
	if len(e) == 0 || e[0].Reason != "space" || e[0].Segments[0].Camera != hal || e[0].Segments[0].N != 0 {
		t.Fatalf("expired: %+v; want the oldest that is not held", e)
	}
	free = 0
	for range 10 {
		r.sweep(t.Context())
		r.clock.advance(time.Minute)
	}
	if got := slices.Concat(r.lines(plein), r.lines(hal)); len(got) != 1 || got[0] != first {
		t.Errorf("left %v, want the held segment", got)
	}
	w := r.begin(plein, squareClip())
	if err := w.Write(frames(squareClip(), time.Second)[0]); err != nil {
		t.Fatal(err)
	}
	w.idle()
	if err := w.Write(frames(squareClip(), time.Second)[1]); !errors.Is(err, errFull) {
		t.Errorf("writing on a full disk: %v", err)
	}
	if len(r.lines(plein)) != 1 || len(r.files(plein, "*.open")) != 0 {
		t.Error("recorded on a disk where only held footage is left")
	}
	free = 1 << 40
	if err := r.Lift("h-1", "lift"); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Minute)
	r.record(plein, 2*time.Second)
	if len(r.lines(plein)) != 2 {
		t.Error("recording did not resume")
	}
	r.sound()
}

func TestI05_MaxBytesAndHoldShare(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxBytes, c.HoldShare = 100_000, 60 })
	r.allow(time.Hour, plein)
	r.record(plein, 4*time.Second)
	size := r.lines(plein)[0].Size
	if got := r.Usage().Bytes; got > 100_000 {
		t.Fatalf("clip too large for this test: %d", got)
	}
	all := protocol.Span(noon, noon.Add(time.Hour))
	r.SetHoldShare(1)
	if err := r.Place(r.hold("h-1", plein, all, noon.Add(24*time.Hour))); !errors.Is(err, ErrHoldShare) {
		t.Errorf("a hold over its share: %v", err)
	}
	if got, err := r.Holds(); err != nil || len(got) != 0 {
		t.Errorf("a refused hold stands: %v %v", got, err)
	}
	r.SetHoldShare(100)
	if err := r.Place(r.hold("h-1", plein, protocol.Span(noon, noon.Add(time.Second)), noon.Add(24*time.Hour))); err != nil {
		t.Fatal(err)
	}
	r.record(plein, time.Duration(100_000/size+4)*2*time.Second)
	r.sweep(t.Context())
	if u := r.Usage(); u.Bytes > 100_000 || u.Bytes < 100_000-2*size-30_000 || u.Held != storedSize(size, chunkSize) {
		t.Errorf("usage %+v, segments of about %d", u, size)
	}
	if l := r.lines(plein); l[0].N != 0 || !l[0].Start.Equal(noon) {
		t.Error("the held segment is gone")
	}
	r.sound()
}

func TestI06_WrongOrMissingVolumeIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(dir string, c *Config) error
		want string
	}{
		{"unmounted", func(dir string, c *Config) error { return os.RemoveAll(dir) }, "mounted"},
		{"another volume", func(dir string, c *Config) error { c.Volume = "5e0c"; return nil }, "mount the right disk"},
		{"another recorder", func(dir string, c *Config) error { c.Recorder = "rec-2"; return nil }, "belongs to recorder rec-1"},
		{"no index", func(dir string, c *Config) error { return os.Remove(filepath.Join(dir, "index.db")) }, "index is missing"},
		{"no identity", func(dir string, c *Config) error {
			c.Volume = ""
			return os.Remove(filepath.Join(dir, "volume.json"))
		}, "no volume.json"},
		{"another's index", func(dir string, c *Config) error {
			b, err := os.ReadFile(filepath.Join(dir, "volume.json"))
			if err != nil {
				return err
			}
			s := string(b)
			i := strings.Index(s, `"volume":"`) + len(`"volume":"`)
			c.Volume = ""
			return os.WriteFile(filepath.Join(dir, "volume.json"), []byte(s[:i]+"00000000"+s[i+8:]), 0o600)
		}, "another volume"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.allow(time.Minute, plein)
			r.record(plein, 2*time.Second)
			cfg := r.Config
			cfg.Volume = r.volume
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			before := len(r.expired())
			if err := c.harm(cfg.Dir, &cfg); err != nil {
				t.Fatal(err)
			}
			r.clock.advance(time.Hour)
			s, err := Open(t.Context(), cfg)
			if err == nil {
				t.Error("was opened", s.Close())
			} else if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if len(r.expired()) != before {
				t.Error("the journal says that footage expired")
			}
		})
	}
}

// A disk that goes away while running is not footage that is already deleted.
func TestI06_DiskThatGoesAwayIsNotDeletion(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 2*time.Second)
	away := r.Dir + ".away"
	if err := os.Rename(r.Dir, away); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if len(r.expired()) != 0 {
		t.Error("the journal says that footage expired")
	}
	if got := r.incidents(); len(got) != 1 || !strings.HasPrefix(got[0], "missing disk") {
		t.Errorf("incidents: %q", got)
	}
	if err := os.Rename(away, r.Dir); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if len(r.expired()) != 1 || len(r.files(plein, "*")) != 0 {
		t.Error("did not expire when the disk was back")
	}
}

func TestI07_CameraWithoutConfigurationStillExpires(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 2*time.Second)
	r.allow(time.Minute) // no mandate any more
	r.reopen()           // and no writer
	r.clock.set(noon.Add(time.Hour))
	r.sweep(t.Context())
	if len(r.expired()) != 1 || len(r.files(plein, "*")) != 0 {
		t.Errorf("%d expired, left %s", len(r.expired()), r.files(plein, "*"))
	}
}

func TestI08_GapsHaveCauses(t *testing.T) {
	r := newRig(t)
	w := r.Camera(plein, main_)
	if err := w.StartRun(formatOf(squareClip()), noon); !errors.Is(err, ErrNoMandate) {
		t.Fatalf("recording without a mandate: %v", err)
	}
	w.idle()
	r.clock.advance(time.Minute)
	r.allow(time.Hour, plein)
	r.record(plein, 2*time.Second) // ends with cause network
	r.clock.advance(time.Minute)
	r.play(r.begin(plein, squareClip()), large(frames(squareClip(), 2*time.Second), 40<<10))
	r.crash() // the recorder goes down
	r.clock.advance(time.Minute)
	r.allow(time.Hour, plein)
	w = r.begin(plein, squareClip())
	r.play(w, frames(squareClip(), 2*time.Second))
	r.allow(time.Hour) // the mandate lapses
	w.idle()
	r.settle(t.Context())
	var got []string
	for _, g := range bodies[protocol.Gap](t, r.book, protocol.KindGapBegun) {
		got = append(got, g.Cause)
	}
	if strings.Join(got, " ") != "mandate network recorder mandate" {
		t.Errorf("gaps began with cause %s", got)
	}
	ended := bodies[protocol.Gap](t, r.book, protocol.KindGapEnded)
	if len(ended) != 3 || ended[0].To.Sub(ended[0].From.Time) != time.Minute || ended[1].To.Sub(ended[1].From.Time) != time.Minute {
		t.Errorf("ended: %+v", ended)
	}
	gaps, err := r.Gaps(plein, protocol.Span(noon, noon.Add(time.Hour)))
	if err != nil || len(gaps) != 4 || gaps[3].To != nil {
		t.Errorf("gaps: %v, %v", gaps, err)
	}
	if r.files(plein, "*.open") != nil {
		t.Error("recording goes on without a mandate")
	}
	if err := w.Write(frames(squareClip(), time.Second)[0]); err != nil {
		t.Fatal(err)
	}
	w.idle()
	if err := w.Write(frames(squareClip(), time.Second)[0]); !errors.Is(err, ErrNoMandate) {
		t.Errorf("writing without a mandate: %v", err)
	}
	r.sound()
}

// A stop in the middle of a sweep is no broken journal: what is owed is written before the store is closed, and once.
func TestStopInASweepLeavesNothingOwed(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 2*time.Second)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	r.clock.set(noon.Add(2 * time.Minute))
	r.sweep(stopped)
	if err := r.SealMinute(t.Context()); err != nil || r.Usage().Owed != 0 {
		t.Errorf("%v, %d entries owed", err, r.Usage().Owed)
	}
}

func TestI10_BrokenJournalStopsNeitherRecordingNorExpiry(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.book.break_(syscall.EIO)
	r.record(plein, 4*time.Second)
	if err := r.SealMinute(t.Context()); err == nil {
		t.Error("a minute that was not journalled is reported as one that was")
	}
	if err := r.Place(r.hold("h-1", plein, protocol.Span(noon, noon.Add(time.Second)), noon.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	r.clock.set(noon.Add(30 * time.Minute))
	r.sweep(t.Context())
	if got := r.lines(plein); len(got) != 1 {
		t.Errorf("%d segments, want the held one", len(got))
	}
	if len(r.book.kinds()) != 0 || r.Usage().Owed == 0 {
		t.Error("nothing is owed")
	}
	r.crash()
	r.book.break_(nil)
	r.clock.advance(time.Minute)
	if err := r.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.book.kinds(), " "); got != "run.started gap.begun footage.sealed hold.placed footage.expired" {
		t.Errorf("journal: %s", got)
	}
	if e := r.expired(); len(e) != 1 || e[0].Minute == 0 {
		t.Errorf("expired: %+v; want it to cite its minute", e)
	}
	if r.Usage().Owed != 0 || r.rows(inTombstones) != 0 {
		t.Error("still owed")
	}
	r.sound()
}

// One camera's directory is broken; the other camera is recorded, and expires.
func TestI14_OneBrokenCameraStopsNoOther(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein, hal)
	if err := os.WriteFile(filepath.Join(r.Dir, "footage", string(plein)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := r.begin(plein, squareClip())
	broken := 0
	for _, u := range frames(squareClip(), 4*time.Second) {
		if err := w.Write(u); err != nil {
			broken++
		}
		w.idle()
	}
	if broken == 0 {
		t.Error("nobody was told that nothing is recorded")
	}
	r.record(hal, 4*time.Second)
	if len(r.lines(hal)) != 2 {
		t.Errorf("%d segments of the other camera", len(r.lines(hal)))
	}
	if g := bodies[protocol.Gap](t, r.book, protocol.KindGapBegun); len(g) == 0 || g[0].Camera != plein || g[0].Cause != string(CauseDisk) {
		t.Errorf("gaps: %+v", g)
	}
	if err := os.Remove(filepath.Join(r.Dir, "footage", string(plein))); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Minute)
	for _, u := range frames(squareClip(), 2*time.Second) {
		_ = w.Write(u)
		w.idle()
	}
	if len(r.files(plein, "*.open")) != 1 {
		t.Error("recording did not resume at a key frame")
	}
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if len(r.files(hal, "*")) != 0 {
		t.Error("the other camera did not expire")
	}
}

func TestI14_BrokenRowHidesNoOther(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 6*time.Second)
	key := segmentKey(r.lines(plein)[0])
	if err := r.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(inSegments).Put([]byte(key), []byte("{")) }); err != nil {
		t.Fatal(err)
	}
	if n := len(r.lines(plein)); n != 2 {
		t.Errorf("%d segments are readable, want 2", n)
	}
	found, err := r.Check(t.Context())
	if err != nil || !slices.ContainsFunc(found, func(f Finding) bool { return f.What == "broken row" }) {
		t.Errorf("check: %v, %v", found, err)
	}
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if n := len(r.expired()); n != 2 {
		t.Errorf("%d expired, want the other 2", n)
	}
	if got := r.incidents(); len(got) != 2 || !strings.Contains(got[0], "broken row") || !strings.Contains(got[1], "deleted at the end of its window") {
		t.Errorf("incidents: %q", got)
	}
	if left := r.files(plein, "*"); len(left) > 0 {
		t.Errorf("a broken row kept %s for ever", left)
	}
	r.clock.advance(time.Minute)
	r.sweep(t.Context()) // its key
	r.sound()
}

// The window stands in the run's row: when that is lost, its footage expires all the same.
func TestI14_BrokenRunRowStillExpires(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 4*time.Second)
	l := r.lines(plein)[0]
	if err := r.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(inRuns).Put([]byte(runKey(l.Camera, l.Stream, l.Run)), []byte("{"))
	}); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	r.sound()
	r.clock.set(noon.Add(time.Minute))
	r.sweep(t.Context())
	if n := len(r.lines(plein)); n != 1 {
		t.Errorf("%d segments at the first one's window, want 1", n)
	}
	r.clock.advance(time.Minute)
	r.sweep(t.Context())
	if left := r.files(plein, "*"); len(left) > 0 || len(r.expired()) != 2 {
		t.Errorf("left %s", left)
	}
	anew := 0
	for _, i := range r.incidents() {
		if strings.Contains(i, "made anew") {
			anew++
		} else if !strings.HasPrefix(i, "broken row in the index") { // once for each time the recorder ran
			t.Errorf("incident: %s", i)
		}
	}
	if anew != 1 {
		t.Errorf("%d rows were made anew", anew)
	}
}

// A disk error ends the run, loses nothing that was whole, and recording goes on at the next key frame.
func TestI14_DiskErrorEndsTheRun(t *testing.T) {
	fail := false
	r := newRig(t, func(c *Config) {
		c.at = func(stage string) error {
			if fail && stage == "fragment" {
				fail = false
				return syscall.ENOSPC
			}
			return nil
		}
	})
	r.allow(time.Hour, plein)
	w := r.begin(plein, squareClip())
	units := frames(squareClip(), 8*time.Second)
	r.play(w, units[:25])
	fail = true
	for i, u := range units[25:] {
		r.clock.set(noon.Add(media(u.DTS)))
		_ = w.Write(u) // says why nothing is recorded for a while
		if w.idle(); i == 12 {
			r.sweep(t.Context())
		}
	}
	if err := w.EndRun(CauseNetwork, ""); err != nil {
		t.Fatal(err)
	}
	w.idle()
	r.sweep(t.Context())
	runs := r.files(plein, "")
	if len(runs) != 2 {
		t.Fatalf("runs: %s", runs)
	}
	ended := bodies[protocol.Gap](t, r.book, protocol.KindGapEnded)
	if len(ended) != 1 || ended[0].Cause != string(CauseDisk) || !strings.Contains(ended[0].Detail, "no space") {
		t.Errorf("gaps: %+v", ended)
	}
	cover, err := r.Coverage(plein, protocol.Span(noon, noon.Add(time.Minute)))
	if err != nil || len(cover) != 2 || !cover[0].From.Equal(noon) || cover[0].To.Before(noon.Add(2500*time.Millisecond)) || !cover[1].To.Equal(noon.Add(8*time.Second)) {
		t.Errorf("coverage: %v, %v", cover, err)
	}
	r.sound()
}

// A disk that hangs: memory stays bounded, whole groups of pictures go, and the gap has a cause.
func TestI15_SlowDiskDropsWholeGroups(t *testing.T) {
	block := make(chan struct{})
	blocked := make(chan struct{}, 1)
	hang := true
	r := newRig(t, func(c *Config) {
		c.QueueBytes = 64 << 10
		c.at = func(stage string) error {
			if stage == "run indexed" && hang {
				blocked <- struct{}{}
				<-block
				hang = false
			}
			return nil
		}
	})
	r.allow(time.Hour, plein)
	w := r.begin(plein, squareClip())
	units := frames(squareClip(), 30*time.Second)
	if err := w.Write(units[0]); err != nil {
		t.Fatal(err)
	}
	<-blocked
	slow, most := 0, 0
	for _, u := range units[1:250] {
		r.clock.set(noon.Add(media(u.DTS)))
		if err := w.Write(u); errors.Is(err, ErrSlow) {
			slow++
		}
		w.mu.Lock()
		most = max(most, w.bytes)
		w.mu.Unlock()
	}
	if slow == 0 || w.Dropped() != uint64(slow) {
		t.Errorf("%d frames were refused, %d counted", slow, w.Dropped())
	}
	if limit := 64<<10 + 2*itemBytes; most > limit {
		t.Errorf("the queue grew to %d bytes, at most %d", most, limit)
	}
	close(block)
	w.idle()
	r.play(w, units[250:])
	if err := w.EndRun(CauseNetwork, ""); err != nil {
		t.Fatal(err)
	}
	w.idle()
	r.sweep(t.Context())
	ended := bodies[protocol.Gap](t, r.book, protocol.KindGapEnded)
	if len(ended) != 1 || ended[0].Cause != string(CauseDisk) || !ended[0].To.Equal(noon.Add(25*time.Second)) {
		t.Errorf("gaps: %+v; want one of cause disk up to the next key frame", ended)
	}
	for _, run := range r.files(plein, "") {
		plays(t, r.join(run), r.countIn(run))
	}
	r.sound()
}

// A key frame that takes more than half of the queue is still recorded once the queue is empty: recording comes back.
func TestI15_LargeKeyFrameEndsTheDropping(t *testing.T) {
	units := frames(squareClip(), 30*time.Second)
	size := itemBytes
	for _, n := range units[0].NALs {
		size += len(n)
	}
	block, blocked, hang := make(chan struct{}), make(chan struct{}, 1), true
	r := newRig(t, func(c *Config) {
		c.QueueBytes = size + size/2
		c.at = func(stage string) error {
			if stage == "run indexed" && hang {
				hang = false
				blocked <- struct{}{}
				<-block
			}
			return nil
		}
	})
	r.allow(time.Hour, plein)
	w := r.begin(plein, squareClip())
	w.idle()
	if err := w.Write(units[0]); err != nil {
		t.Fatal(err)
	}
	<-blocked
	dropped := 0
	for _, u := range units[1:120] {
		r.clock.set(noon.Add(media(u.DTS)))
		if err := w.Write(u); errors.Is(err, ErrSlow) {
			dropped++
		}
	}
	close(block)
	w.idle()
	for _, u := range units[120:] {
		r.clock.set(noon.Add(media(u.DTS)))
		if err := w.Write(u); errors.Is(err, ErrSlow) {
			dropped++
		}
		w.idle()
	}
	if dropped == 0 || dropped > 170 || w.LastFrame().Before(noon.Add(29*time.Second)) {
		t.Errorf("%d frames dropped of %d, the last recorded at %s", dropped, len(units), w.LastFrame())
	}
}

// countIn counts the frames in the files of a run: ten a second.
func (r *rig) countIn(run string) (n int) {
	r.Helper()
	names, err := filepath.Glob(filepath.Join(run, "*.seg"))
	if err != nil {
		r.Fatal(err)
	}
	for _, name := range names {
		b := r.plaintext(name)
		whole, _, err := wholeFragments(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			r.Fatal(err)
		}
		for _, w := range whole {
			n += int(w.duration / 9000)
		}
	}
	return n
}

// testdata/format2 was written by the program before queues: footage of two cameras, one of it held, a segment open, tombstones whose files are gone and whose keys are not, and others of which the
// journal was not told. Its power went in an expiry, and once more at each step of bringing the index to version 3. All of it keeps its promise.
func TestI02_I07_VolumeOfFormat2(t *testing.T) {
	at := noon.Add(5 * time.Minute)
	for crash := range 5 {
		base := t.TempDir()
		if err := os.CopyFS(base, os.DirFS("testdata/format2")); err != nil {
			t.Fatal(err)
		}
		r := &rig{T: t, clock: &clock{t: at}, book: &book{}}
		c := config(filepath.Join(base, "volume"), r.clock, r.book)
		if crash > 0 {
			left := crash
			c.at = func(stage string) error {
				if left--; stage == "migrated" && left == 0 {
					return errors.New("the power is gone")
				}
				return nil
			}
			if s, err := Open(t.Context(), c); err == nil {
				if crash < 4 {
					t.Error("there was no crash in step", crash)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			c.at = nil
		}
		r.open(c)
		r.sound()
		if got := r.lines(plein); len(got) != 4 || !got[3].Start.Equal(noon.Add(4*time.Minute)) {
			t.Errorf("crash %d: %d segments, want three and the open one: %v", crash, len(got), got)
		}
		holds, err := r.Holds()
		if err != nil || len(holds) != 1 || holds[0].Segments != 1 {
			t.Errorf("crash %d: holds %+v, %v", crash, holds, err)
		}
		told := map[protocol.CameraID]int{}
		for _, e := range r.expired() {
			told[e.Camera]++
			if e.Camera == hal && e.Minute == 0 {
				t.Errorf("crash %d: a segment does not cite its minute", crash)
			}
		}
		if told[hal] != 2 || told["kade"] != 1 {
			t.Errorf("crash %d: the journal tells of %v, want 2 and 1", crash, told)
		}
		r.clock.set(noon.Add(42 * time.Minute))
		r.sweep(t.Context())
		if n := len(r.lines(plein)); n != 3 {
			t.Errorf("crash %d: %d segments at the window of the first, want 3", crash, n)
		}
		r.allow(time.Minute, plein)
		if got := r.lines(plein); len(got) != 1 || r.rows(inKept) != 1 {
			t.Errorf("crash %d: under a shorter window there are %v, want the held one", crash, got)
		}
		r.sound()
		if err := r.Lift("h-1", ""); err != nil {
			t.Fatal(err)
		}
		r.sweep(t.Context())
		r.clock.advance(time.Minute)
		r.sweep(t.Context())
		if left := r.files(plein, "*"); len(left) > 0 || r.rows(inRuns)+r.rows(inWaiting)+r.rows(inTombstones)+r.rows(inKept) > 0 || len(r.totals.On) > 0 {
			t.Errorf("crash %d: left %s, totals %+v", crash, left, r.totals)
		}
		if found := r.incidents(); len(found) > 0 {
			t.Errorf("crash %d: %s", crash, found)
		}
		r.sound()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
