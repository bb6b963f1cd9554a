package footage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func eraseOf(camera protocol.CameraID, from, to time.Duration) protocol.Erase {
	return protocol.Erase{Heading: protocol.Heading{ID: "e-1", Recorder: self}, Camera: camera, Interval: protocol.Span(noon.Add(from), noon.Add(to)),
		Ground: protocol.EraseIncident, Dossier: "incident-1", Approvers: []protocol.PersonID{"p-1", "p-2"}}
}

func (r *rig) erased() []protocol.Erased {
	r.Helper()
	return bodies[protocol.Erased](r.T, r.book, protocol.KindErased)
}

func (r *rig) tidyUp() {
	for range 3 {
		r.sweep(r.Context())
		r.clock.advance(time.Minute)
	}
}

// An order destroys the segments that touch its interval, their files and their keys, and nothing beside them; the journal names each, then closes the order once. The gap they leave
// says why it is there: not expired, not never recorded.
func TestI02_I06_EraseTakesWholeSegmentsAndNothingElse(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein, hal)
	r.record(plein, 10*time.Second) // segments of two seconds
	r.clock.set(noon)
	r.record(hal, 10*time.Second)
	if err := r.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.clock.set(noon.Add(20 * time.Second))
	before := r.lines(plein)
	if len(before) != 5 {
		t.Fatalf("%d segments", len(before))
	}
	e := eraseOf(plein, 3*time.Second, 5*time.Second)
	for range 2 { // the second time changes nothing
		if err := r.Erase(e); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.lines(plein); !slices.Equal(got, append(slices.Clone(before[:1]), before[3:]...)) {
		t.Errorf("left: %v", got)
	}
	r.tidyUp()
	if got := r.expired(); len(got) != 2 || got[0].SHA256 != before[1].SHA256 || got[1].SHA256 != before[2].SHA256 || got[0].Minute == 0 {
		t.Errorf("footage.expired: %+v", got)
	}
	for _, x := range bodies[protocol.Expired](t, r.book, protocol.KindExpired) {
		if x.Reason != "erase" || x.Erase != "e-1" {
			t.Errorf("footage.expired says %q, order %q", x.Reason, x.Erase)
		}
	}
	whole := protocol.Span(before[1].Start.Time, before[2].End.Time)
	if got := r.erased(); len(got) != 1 || got[0].Segments != 2 || got[0].Bytes != before[1].Size+before[2].Size || !got[0].Interval.Equal(whole) || !got[0].Asked.Equal(e.Interval) {
		t.Errorf("footage.erased: %+v, want once %s", got, whole)
	}
	kinds := r.book.kinds()
	if slices.Index(kinds, protocol.KindErased) < slices.Index(kinds, protocol.KindExpired) {
		t.Errorf("closed before anything went: %s", kinds)
	}
	if files := r.files(plein, "*.seg"); len(files) != 3 {
		t.Errorf("files: %s", files)
	}
	if len(r.lines(hal)) != 5 {
		t.Error("another camera lost footage")
	}
	told := func() {
		t.Helper()
		gaps, err := r.Gaps(plein, whole)
		if err != nil || len(gaps) != 1 || gaps[0].Cause != string(CauseErased) || !gaps[0].From.Equal(whole.From) || !gaps[0].To.Equal(whole.To) || !strings.Contains(gaps[0].Detail, "e-1") {
			t.Errorf("gaps: %+v, %v", gaps, err)
		}
		if n := r.rows(inErases) + r.rows(inTombstones); n > 0 {
			t.Errorf("%d rows left", n)
		}
	}
	told()
	r.sound()
	r.reopen()
	told()
	r.sound()
	journalled := false
	for _, g := range bodies[protocol.Gap](t, r.book, protocol.KindGapEnded) {
		journalled = journalled || g.Cause == string(CauseErased) && g.From.Equal(whole.From)
	}
	if !journalled {
		t.Error("the journal has no gap that says so")
	}
}

// A hold stands in the way of the whole order, also one that touches only another part of a segment that would go; lifted, the same footage is erased by the next order.
func TestI05_EraseIsRefusedWhileAHoldStandsOnAnyOfIt(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein, hal)
	r.record(plein, 10*time.Second)
	if err := r.Place(r.hold("h-1", plein, protocol.Span(noon.Add(5500*time.Millisecond), noon.Add(5800*time.Millisecond)), noon.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	r.clock.set(noon.Add(20 * time.Second))
	e := eraseOf(plein, 3*time.Second, 5*time.Second) // the segment from 4 to 6 is held
	if err := r.Erase(e); !errors.Is(err, ErrHeld) {
		t.Fatalf("%v", err)
	}
	r.tidyUp()
	if n := len(r.lines(plein)); n != 5 || len(r.erased()) > 0 || r.rows(inErases) > 0 {
		t.Fatalf("%d segments left", n)
	}
	beside := e
	beside.ID, beside.Interval = "e-2", protocol.Span(noon, noon.Add(time.Second))
	if err := r.Erase(beside); err != nil {
		t.Errorf("beside the hold: %v", err)
	}
	if err := r.Lift("h-1", "decided"); err != nil {
		t.Fatal(err)
	}
	e.ID = "e-3"
	if err := r.Erase(e); err != nil {
		t.Fatal(err)
	}
	r.tidyUp()
	if n := len(r.lines(plein)); n != 2 || len(r.erased()) != 2 {
		t.Errorf("%d segments left, %d orders closed", n, len(r.erased()))
	}
	late := eraseOf(plein, time.Hour, 2*time.Hour)
	if err := r.Erase(late); err == nil || !strings.Contains(err.Error(), "ends at") {
		t.Errorf("what is still to come: %v", err)
	}
	r.sound()
}

// The segment that is being written is erased when it is sealed; the order waits for it, and the run goes on. A hold on it stands in the way as on any other.
func TestI02_EraseWaitsForTheOpenSegment(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein)
	w := r.begin(plein, squareClip())
	units := frames(squareClip(), 8*time.Second)
	half := slices.IndexFunc(units, func(u AccessUnit) bool { return u.DTS >= 5*timescale })
	r.play(w, units[:half])
	r.clock.set(noon.Add(5 * time.Second))
	e := eraseOf(plein, 3*time.Second, 4500*time.Millisecond)
	if err := r.Erase(e); err != nil {
		t.Fatal(err)
	}
	r.tidyUp()
	if got := r.erased(); len(got) > 0 || len(r.lines(plein)) != 1 || len(r.expired()) != 1 {
		t.Fatalf("before the open segment is sealed: closed %+v, %d segments left, %d expired", got, len(r.lines(plein)), len(r.expired()))
	}
	r.play(w, units[half:])
	if err := w.EndRun(CauseNetwork, "the test is over"); err != nil {
		t.Fatal(err)
	}
	w.idle()
	if got := r.lines(plein); len(got) != 2 {
		t.Errorf("to be seen: %v", got)
	}
	r.tidyUp()
	if got := r.erased(); len(got) != 1 || got[0].Segments != 2 || !got[0].Interval.Equal(protocol.Span(noon.Add(2*time.Second), noon.Add(6*time.Second))) {
		t.Errorf("%+v", got)
	}
	if n := len(r.files(plein, "*.seg")); n != 2 {
		t.Errorf("%d files left", n)
	}
	r.sound()
}

// At every step of an erasure the power may go; the next start finishes what was begun, and the journal tells of each segment and closes the order.
func TestI02_CrashAtEveryStepOfErasure(t *testing.T) {
	type moment struct {
		dir  string
		book []entry
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
			r.book.mu.Lock()
			steps[stage] = moment{dir, slices.Clone(r.book.entries)}
			r.book.mu.Unlock()
			return r.image(dir)
		}
	})
	r.allow(time.Hour, plein)
	r.record(plein, 10*time.Second)
	if err := r.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.clock.set(noon.Add(2 * time.Minute))
	watching = true
	if err := r.Erase(eraseOf(plein, 3*time.Second, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Minute)
	r.sweep(t.Context())
	watching = false
	for _, step := range []string{"tombstoned", "unlinked", "key table in place", "generation destroyed", "gone", "journalled", "settled"} {
		m, ok := steps[step]
		if !ok {
			t.Errorf("step %q was never reached", step)
			continue
		}
		t.Run(step, func(t *testing.T) {
			c := &rig{T: t, clock: r.clock, book: &book{entries: m.book}}
			cfg := r.Config
			cfg.Dir, cfg.Keys, cfg.at, cfg.Journal = filepath.Join(m.dir, "volume"), filepath.Join(m.dir, "keys"), nil, c.book
			c.open(cfg)
			if err := c.Erase(eraseOf(plein, 3*time.Second, 5*time.Second)); err != nil { // as the agent does, of what the journal does not close
				t.Fatal(err)
			}
			c.clock.advance(time.Minute)
			c.sweep(t.Context())
			c.sound()
			if n := len(c.files(plein, "*.seg")); n != 3 {
				t.Errorf("%d files left, want 3", n)
			}
			if n := c.rows(inTombstones) + c.rows(inErases); n > 0 {
				t.Errorf("%d rows are left", n)
			}
			if n := len(c.expired()); n < 2 {
				t.Errorf("the journal tells of %d segments, want 2", n)
			}
			if got := c.erased(); len(got) == 0 || got[0].Segments != 2 {
				t.Errorf("footage.erased: %+v", got)
			}
			if found := c.incidents(); len(found) > 0 {
				t.Errorf("finishing what was begun is no incident: %s", found)
			}
		})
	}
}

// Footage on a disk that is away loses its keys at once, and its files when the disk is back; only then is the order closed. A person is told that it waits.
func TestI06_EraseReachesEveryVolume(t *testing.T) {
	s := newShelf(t, 2, func(s *shelf, c *Config) {
		c.Volumes[0].Cameras = []protocol.CameraID{plein}
	})
	s.allow(time.Hour, plein)
	s.record(plein, 4*time.Second) // on a
	s.pull("a")
	s.tick()
	s.record(plein, 4*time.Second) // on b
	s.is(plein, "a", "b")
	s.clock.advance(time.Minute)
	stolen := t.TempDir()
	if err := os.CopyFS(filepath.Join(stolen, "volume"), os.DirFS(s.dir("a")+".out")); err != nil {
		t.Fatal(err)
	}
	e := eraseOf(plein, 0, 8*time.Second)
	if err := s.Erase(e); err != nil {
		t.Fatal(err)
	}
	s.tidyUp()
	s.tidyUp()
	if got := s.search(s.base, s.base).reads(stolen); len(got) > 0 {
		t.Errorf("the keys that are left open %q", got)
	}
	if len(s.files_(plein, "b")) > 0 || len(s.erased()) > 0 || !s.told("erasure on a missing disk", "e-1") {
		t.Errorf("while it is away: files on b %s; closed %+v; told %q", s.files_(plein, "b"), s.erased(), s.incidents())
	}
	s.put("a")
	s.tidyUp()
	s.clock.advance(5 * time.Minute)
	s.tidyUp()
	if got := s.erased(); len(got) != 1 || got[0].Segments < 3 || len(s.files_(plein, "a")) > 0 {
		t.Errorf("when it is back: %+v, files %s", got, s.files_(plein, "a"))
	}
	s.sound()
}

// Who was reading it can read no more of it, and is told why.
func TestI06_ReadingSaysErased(t *testing.T) {
	o := newOffice(t)
	o.record(plein, 4*time.Second)
	if err := o.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := protocol.Span(noon, noon.Add(4*time.Second))
	g := o.grant("g-1", all)
	reading, err := o.Read(g, all, o.receipt(g, all))
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	f, err := reading.Open(reading.Segments()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := o.Erase(eraseOf(plein, 0, 4*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 100)); !errors.Is(err, ErrErased) || errors.Is(err, ErrExpired) {
		t.Errorf("%v", err)
	}
	if _, err := reading.Open(reading.Segments()[1]); !errors.Is(err, ErrErased) {
		t.Errorf("%v", err)
	}
}

// A day's footage goes in more than one transaction, and in none is any of it seen again.
func TestEraseOfMuchFootage(t *testing.T) {
	r := newRig(t, func(c *Config) { c.SegmentLength = 200 * time.Millisecond })
	r.allow(time.Hour, plein)
	r.atOnce = 3
	r.record(plein, 8*time.Second)
	n := len(r.lines(plein))
	if n < 6 {
		t.Fatalf("the clip gives %d segments", n)
	}
	r.sweeping.Lock()
	r.atOnce = 3
	r.sweeping.Unlock()
	r.clock.set(noon.Add(time.Minute))
	if err := r.Erase(eraseOf(plein, 0, 8*time.Second)); err != nil {
		t.Fatal(err)
	}
	r.tidyUp()
	if got := r.erased(); len(got) != 1 || got[0].Segments != n || len(r.lines(plein)) > 0 || len(r.files(plein, "*")) > 0 {
		t.Errorf("%+v of %d", got, n)
	}
	gaps, err := r.Gaps(plein, protocol.Span(noon, noon.Add(8*time.Second)))
	for _, g := range gaps {
		if g.Cause != string(CauseErased) || err != nil {
			t.Errorf("%+v, %v", g, err)
		}
	}
	r.sound()
}

// erase is a step of a scene: an order that was taken stands, whatever goes wrong after it.
func (p *play) erase(from, to time.Duration) {
	if p.Store == nil {
		return
	}
	e := eraseOf(plein, from, to)
	err := p.Erase(e)
	if p.note(err); err == nil {
		p.gone = e.Interval
	}
	p.look()
}

func (p *play) checkErased() {
	p.Helper()
	if p.gone.IsZero() {
		return
	}
	for _, l := range p.lines(plein) {
		if p.gone.Overlaps(spanOf(l)) {
			p.Errorf("segment %s was erased, and is seen", segmentKey(l))
		}
	}
}
