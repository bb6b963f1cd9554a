package footage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// shelf is a store with disks that a test can pull out and put back.
type shelf struct {
	*rig
	base string
	free map[string]int64 // of a disk, by name; else a tebibyte

	readOnly atomic.Pointer[string] // the name of a disk whose file system gave up writing
}

// dir is the folder of a disk. It is named so that a thief finds it.
func (s *shelf) dir(name string) string { return filepath.Join(s.base, name, "volume") }

// newShelf makes a store with disks a, b, …; the index is on none of them.
func newShelf(t *testing.T, disks int, change ...func(*shelf, *Config)) *shelf {
	t.Helper()
	s := &shelf{base: t.TempDir(), free: map[string]int64{}}
	s.rig = &rig{T: t, clock: &clock{t: noon}, book: &book{}}
	c := config(filepath.Join(s.base, "index"), s.clock, s.book)
	c.Disk = shelved{disk.OS, s}
	for i := range disks {
		c.Volumes = append(c.Volumes, Volume{Dir: s.dir(string(rune('a' + i)))})
	}
	for _, f := range change {
		f(s, &c)
	}
	s.open(c)
	return s
}

// shelved is the machine's disk with as much free as a test says.
type shelved struct {
	disk.Disk
	s *shelf
}

// What changes something fails on a disk that a test has made read-only.
func (d shelved) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	if err := d.s.stuck(name); err != nil && flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		return nil, err
	}
	return d.Disk.OpenFile(name, flag, perm)
}

func (d shelved) Mkdir(name string, perm os.FileMode) error {
	if err := d.s.stuck(name); err != nil {
		return err
	}
	return d.Disk.Mkdir(name, perm)
}

func (d shelved) Remove(name string) error {
	if err := d.s.stuck(name); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

func (s *shelf) stuck(name string) error {
	if only := s.readOnly.Load(); only != nil && strings.HasPrefix(name, s.dir(*only)+"/") {
		return &os.PathError{Op: "write", Path: name, Err: syscall.EROFS}
	}
	return nil
}

func (d shelved) Free(dir string) (free, total int64, err error) {
	if n, ok := d.s.free[filepath.Base(filepath.Dir(dir))]; ok {
		return n, 1 << 40, nil
	}
	return 1 << 40, 1 << 40, nil
}

// pull takes a disk out: its folder is empty then, as a mount point is.
func (s *shelf) pull(name string) {
	s.Helper()
	if err := errors.Join(os.Rename(s.dir(name), s.dir(name)+".out"), os.Mkdir(s.dir(name), 0o700)); err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) put(name string) {
	s.Helper()
	if err := errors.Join(os.Remove(s.dir(name)), os.Rename(s.dir(name)+".out", s.dir(name))); err != nil {
		s.Fatal(err)
	}
}

// on are the disks that have footage of a camera.
func (s *shelf) on(camera protocol.CameraID) (names []string) {
	for _, v := range s.Volumes {
		name := filepath.Base(filepath.Dir(v.Dir))
		for _, dir := range []string{v.Dir, v.Dir + ".out"} {
			if found, err := filepath.Glob(filepath.Join(dir, "footage", string(camera), "*", "*.seg")); err == nil && len(found) > 0 {
				names = append(names, name)
			}
		}
	}
	return names
}

func (s *shelf) is(camera protocol.CameraID, disks ...string) {
	s.Helper()
	if got := s.on(camera); !slices.Equal(got, disks) {
		s.Errorf("footage of %s is on %q, want %q", camera, got, disks)
	}
}

func (s *shelf) tick() { s.Helper(); s.sweep(s.Context()) }

// told says whether there is an incident with all these words.
func (s *shelf) told(words ...string) bool {
	return slices.ContainsFunc(s.incidents(), func(i string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(i, w) })
	})
}

func (s *shelf) gapCauses(camera protocol.CameraID) (out []string) {
	s.Helper()
	gaps, err := s.Gaps(camera, protocol.Span(noon.Add(-time.Hour), noon.Add(240*time.Hour)))
	if err != nil {
		s.Fatal(err)
	}
	for _, g := range gaps {
		out = append(out, g.Cause)
	}
	return out
}

const kade = protocol.CameraID("kade-west")

// The example in the package comment.
func TestVolumesHomes(t *testing.T) {
	s := newShelf(t, 2, func(s *shelf, c *Config) { c.Volumes[1].Cameras = []protocol.CameraID{plein} })
	s.allow(time.Hour, plein, hal, kade)
	s.free["a"] = 1 << 30 // less than b has
	s.record(plein, 3*time.Second)
	s.record(hal, 3*time.Second)
	s.record(kade, 3*time.Second)
	s.is(plein, "b")
	s.is(hal, "a")  // none is at home there
	s.is(kade, "b") // one on either: more is free on b
	s.reopen()
	s.allow(time.Hour, plein, hal, kade)
	s.free["b"] = 1 << 30
	s.record(kade, 3*time.Second)
	s.is(kade, "b")

	s.pull("a")
	s.tick()
	s.record(hal, 3*time.Second)
	s.is(hal, "a", "b")
	if !s.told("camera recorded on another disk", s.dir("b"), s.dir("a")) || !s.told("missing disk", s.dir("a")) {
		t.Errorf("incidents: %q", s.incidents())
	}
	u := s.Usage()
	if u.Volumes[0].Away == "" || u.Volumes[1].Away != "" || !slices.Equal(u.Volumes[1].Guests, []protocol.CameraID{hal}) || u.Volumes[0].Bytes == 0 {
		t.Errorf("usage: %+v", u.Volumes)
	}
	s.put("a")
	s.tick()
	before := len(s.files_(hal, "a"))
	s.record(hal, 3*time.Second)
	if len(s.files_(hal, "a")) == before {
		t.Error("the camera did not go home when its disk was back")
	}
	if u := s.Usage(); u.Volumes[0].Away != "" || len(u.Volumes[1].Guests) > 0 {
		t.Errorf("usage: %+v", u.Volumes)
	}
	if n := len(s.lines(hal)); n != 6 {
		t.Errorf("%d segments of three runs on two disks, want 6", n)
	}
	s.sound()
}

func (s *shelf) files_(camera protocol.CameraID, name string) []string {
	s.Helper()
	found, err := filepath.Glob(filepath.Join(s.dir(name), "footage", string(camera), "*", "*.seg"))
	if err != nil {
		s.Fatal(err)
	}
	return found
}

// A disk that goes while cameras record on it: they are recorded elsewhere from their next key frame on, the other cameras notice nothing, and what it held is not deleted.
func TestI06_I14_DiskGoesWhileRecording(t *testing.T) {
	s := newShelf(t, 2, func(s *shelf, c *Config) {
		c.Volumes[0].Cameras, c.Volumes[1].Cameras = []protocol.CameraID{plein}, []protocol.CameraID{hal}
	})
	s.allow(time.Hour, plein, hal)
	c := squareClip()
	wp, wh := s.begin(plein, c), s.begin(hal, c)
	pulled := false
	for _, u := range frames(c, 12*time.Second) {
		u.Arrival = s.rig.base.Add(media(u.DTS))
		s.clock.set(u.Arrival)
		for _, w := range []*Writer{wp, wh} {
			if err := w.Write(u); err != nil && w == wh {
				t.Fatal("the camera on the other disk: ", err)
			}
			w.idle()
		}
		if !pulled && media(u.DTS) >= 5*time.Second { // in the middle of a segment
			s.pull("a")
			pulled = true
		}
	}
	s.clock.set(noon.Add(12 * time.Second))
	for _, w := range []*Writer{wp, wh} {
		if err := w.EndRun(CauseNetwork, "over"); err != nil {
			t.Fatal(err)
		}
		w.idle()
	}
	s.tick()
	s.is(plein, "a", "b")
	s.is(hal, "b")
	if gaps := s.gapCauses(hal); !slices.Equal(gaps, []string{"network"}) {
		t.Errorf("gaps of the other camera: %q", gaps)
	}
	if runs := len(bodies[protocol.RunStarted](t, s.book, protocol.KindRun)); runs != 3 {
		t.Errorf("%d runs began, want 3", runs)
	}
	if len(s.expired()) > 0 || s.told("missing file") {
		t.Errorf("footage on a missing disk was read as deleted: %q", s.incidents())
	}
	var missing, dark time.Duration
	gaps, err := s.Gaps(plein, protocol.Span(noon, noon.Add(12*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		if g.To == nil {
			continue
		}
		switch Cause(g.Cause) {
		case CauseMissing:
			missing += g.To.Sub(g.From.Time)
		case CauseDisk:
			dark += g.To.Sub(g.From.Time)
		}
	}
	stretches, err := s.Coverage(plein, protocol.Span(noon, noon.Add(12*time.Second)))
	if err != nil || len(stretches) != 1 {
		t.Fatal(stretches, err)
	}
	seen := stretches[0].To.Sub(stretches[0].From)
	if missing < 4*time.Second || dark == 0 || dark > 3*time.Second || missing+dark+seen != 12*time.Second {
		t.Errorf("of 12 s %s is on a missing disk, %s was not recorded, %s is there: %+v", missing, dark, seen, gaps)
	}

	s.put("a")
	s.tick()
	if gaps := s.gapCauses(plein); slices.Contains(gaps, "missing") {
		t.Errorf("the disk is back, gaps: %q", gaps)
	}
	total := time.Duration(0)
	for _, l := range s.lines(plein) {
		total += l.End.Sub(l.Start.Time)
	}
	if total+dark != 12*time.Second {
		t.Errorf("%s of footage and %s of gap after the disk came back, want 12s: the open segment was cut to what was whole", total, dark)
	}
	s.sound()
}

// The strong one: footage on a disk that was carried off cannot be read by anybody once its window is over, though the recorder never saw the disk again.
func TestI03_KeysGoOfFootageOnAMissingDisk(t *testing.T) {
	for _, c := range []struct {
		name    string
		restart bool
	}{{"while running", false}, {"missing at the start", true}} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t, 2, func(s *shelf, c *Config) { c.Volumes[0].Cameras = []protocol.CameraID{plein} })
			s.allow(10*time.Minute, plein)
			s.record(plein, 4*time.Second)
			w := s.begin(plein, squareClip()) // and a run that is open when the disk goes
			s.play(w, frames(squareClip(), 3*time.Second))
			s.pull("a")
			if err := os.Rename(s.dir("a"), s.dir("a")+".empty"); err != nil { // the thief's disk lies where he looks
				t.Fatal(err)
			}
			if err := os.Rename(s.dir("a")+".out", filepath.Join(s.base, "thief")); err != nil {
				t.Fatal(err)
			}
			stolen := t.TempDir()
			if err := os.Rename(filepath.Join(s.base, "thief"), filepath.Join(stolen, "volume")); err != nil {
				t.Fatal(err)
			}
			if c.restart {
				cfg := s.Config
				if err := s.Close(); err != nil {
					t.Log(err)
				}
				s.open(cfg)
				s.allow(10*time.Minute, plein)
			}
			s.tick()
			if got := s.search(s.base, s.base).reads(stolen); len(got) < 3 {
				t.Fatalf("before its window is over the keys open %q: the probe proves nothing", got)
			}
			s.clock.advance(10*time.Minute + time.Second)
			for range 5 {
				s.tick()
				s.clock.advance(time.Minute)
			}
			if got := s.search(s.base, s.base).reads(stolen); len(got) > 0 {
				t.Errorf("the keys that are left open %q", got)
			}
			if len(s.expired()) > 0 {
				t.Error("the journal says that files are gone which nobody has seen go")
			}
			if u := s.Usage(); u.Overdue > 0 {
				t.Errorf("%d segments are called overdue that nobody can read", u.Overdue)
			}
			// When it turns up all the same, it expires before it is served.
			if err := errors.Join(os.Rename(s.dir("a")+".empty", s.dir("a")), os.Remove(s.dir("a")), os.Rename(filepath.Join(stolen, "volume"), s.dir("a"))); err != nil {
				t.Fatal(err)
			}
			s.tick()
			if lines := s.lines(plein); len(lines) > 0 {
				t.Errorf("%d segments are served", len(lines))
			}
			s.clock.advance(time.Minute)
			s.tick()
			if n := len(s.expired()); n < 3 || len(s.files_(plein, "a")) > 0 {
				t.Errorf("%d segments in footage.expired, %d files left", n, len(s.files_(plein, "a")))
			}
			s.sound()
		})
	}
}

// A hold goes before the window, also of what is on a missing disk: its keys stay, and no others. It is confirmed as far as can be seen, and again when the disk is back.
func TestI05_HoldOverAMissingDisk(t *testing.T) {
	s := newShelf(t, 2, func(s *shelf, c *Config) { c.Volumes[0].Cameras = []protocol.CameraID{plein} })
	s.allow(10*time.Minute, plein)
	s.record(plein, 6*time.Second) // on a
	s.pull("a")
	s.tick()
	s.record(plein, 4*time.Second) // on b
	asked := protocol.Span(noon.Add(4*time.Second), noon.Add(8*time.Second))
	if err := s.Place(s.hold("h-1", plein, asked, noon.Add(24*time.Hour))); err != nil {
		t.Fatal(err)
	}
	placed := bodies[protocol.HoldPlaced](t, s.book, protocol.KindHoldPlaced)
	if len(placed) != 1 || placed[0].Segments != 1 || !placed[0].Interval.Equal(asked) || !s.told("hold on a missing disk", "h-1", "1 segments that it keeps cannot be seen") {
		t.Fatalf("confirmed: %+v; incidents: %q", placed, s.incidents())
	}
	if holds, err := s.Holds(); err != nil || len(holds) != 1 || !holds[0].Complete || holds[0].Missing != 1 {
		t.Errorf("holds: %+v, %v", holds, err)
	}
	s.clock.advance(11 * time.Minute)
	s.tick()
	s.put("a")
	s.tick()
	s.clock.advance(2 * time.Minute)
	s.tick()
	placed = bodies[protocol.HoldPlaced](t, s.book, protocol.KindHoldPlaced)
	lines := s.lines(plein)
	if len(lines) != 2 || !lines[0].Start.Equal(noon.Add(4*time.Second)) {
		t.Fatalf("kept: %v", lines)
	}
	root, err := rootOf(leaves(lines))
	if len(placed) != 2 || placed[1].Segments != 2 || placed[1].Root != root || err != nil {
		t.Errorf("confirmed again: %+v", placed)
	}
	if n := len(s.expired()); n != 3 {
		t.Errorf("%d segments expired, want the two before and the one after what is held", n)
	}
	if holds, err := s.Holds(); err != nil || len(holds) != 1 || holds[0].Missing != 0 {
		t.Errorf("holds: %+v, %v", holds, err)
	}
	s.sound()
}

// What can be in the place of a disk that is not it.
func TestI06_OtherDiskInItsPlace(t *testing.T) {
	for _, c := range []struct {
		name, told string
		mess       func(s *shelf) error
	}{
		{"unmounted", "not mounted", func(s *shelf) error { return nil }},
		{"another recorder's", "belongs to recorder rec-2", func(s *shelf) error {
			other := config(filepath.Join(s.base, "other"), s.clock, &book{})
			other.Recorder, other.Keys = "rec-2", filepath.Join(s.base, "other-keys")
			o, err := Open(context.Background(), other)
			if err == nil {
				err = errors.Join(o.Close(), os.Remove(s.dir("a")), os.Rename(other.Dir, s.dir("a")))
			}
			return err
		}},
		{"one of this recorder from another life", "", func(s *shelf) error {
			other := config(filepath.Join(s.base, "other"), s.clock, &book{})
			other.Keys = filepath.Join(s.base, "other-keys")
			o, err := Open(context.Background(), other)
			if err == nil {
				err = errors.Join(o.Close(), os.Remove(s.dir("a")), os.Rename(other.Dir, s.dir("a")))
			}
			return err
		}},
		{"a copy of the other disk", "", func(s *shelf) error {
			return errors.Join(os.Remove(s.dir("a")), os.CopyFS(s.dir("a"), os.DirFS(s.dir("b"))))
		}},
		{"rubbish", "volume.json", func(s *shelf) error {
			return os.WriteFile(filepath.Join(s.dir("a"), "volume.json"), []byte("?"), 0o600)
		}},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", c.name, restart), func(t *testing.T) {
				s := newShelf(t, 2, func(s *shelf, c *Config) { c.Volumes[0].Cameras = []protocol.CameraID{plein} })
				s.allow(time.Hour, plein)
				s.record(plein, 4*time.Second)
				s.pull("a")
				if err := c.mess(s); err != nil {
					t.Fatal(err)
				}
				before := contents(t, s.dir("a"))
				if restart {
					s.reopen()
					s.allow(time.Hour, plein)
				}
				s.tick()
				s.record(plein, 4*time.Second)
				s.is(plein, "a", "b")
				if !s.told("missing disk", c.told) && !s.told("disk that cannot be used", c.told) {
					t.Errorf("incidents: %q", s.incidents())
				}
				if after := contents(t, s.dir("a")); after != before {
					t.Errorf("what is not ours was changed: %s, was %s", after, before)
				}
				if lines, gaps := s.lines(plein), s.gapCauses(plein); len(lines) != 2 || !slices.Contains(gaps, "missing") || len(s.expired()) > 0 {
					t.Errorf("%d segments there, gaps %q", len(lines), gaps)
				}
				if err := os.RemoveAll(s.dir("a")); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(s.dir("a")+".out", s.dir("a")); err != nil {
					t.Fatal(err)
				}
				if restart {
					s.reopen()
				}
				s.tick()
				if lines := s.lines(plein); len(lines) != 4 {
					t.Errorf("%d segments after the right disk came back, want 4; %q", len(lines), s.incidents())
				}
				s.sound()
			})
		}
	}
}

// contents is what is in a folder, for comparison.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var raw []byte
			raw, err = os.ReadFile(path)
			fmt.Fprintln(&b, path, protocol.HashOf(raw))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Disks may be mounted in each other's place: what counts is which they are.
func TestI06_DisksInEachOthersPlace(t *testing.T) {
	s := newShelf(t, 2, func(s *shelf, c *Config) {
		c.Volumes[0].Cameras, c.Volumes[1].Cameras = []protocol.CameraID{plein}, []protocol.CameraID{hal}
	})
	s.allow(time.Hour, plein, hal)
	s.record(plein, 4*time.Second)
	s.record(hal, 4*time.Second)
	c := s.Config
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	swap := func() {
		x := s.dir("a") + ".x"
		if err := errors.Join(os.Rename(s.dir("a"), x), os.Rename(s.dir("b"), s.dir("a")), os.Rename(x, s.dir("b"))); err != nil {
			t.Fatal(err)
		}
	}
	swap()
	s.open(c)
	s.allow(time.Hour, plein, hal)
	if len(s.lines(plein)) != 2 || len(s.lines(hal)) != 2 || len(s.incidents()) > 0 {
		t.Errorf("%d and %d segments; %q", len(s.lines(plein)), len(s.lines(hal)), s.incidents())
	}
	s.sound()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// One of them, in the other's place, and the other missing: an empty folder where a volume was is not made into a new one.
	if err := errors.Join(os.Rename(s.dir("b"), s.dir("b")+".out"), os.Rename(s.dir("a"), s.dir("b")), os.Mkdir(s.dir("a"), 0o700)); err != nil {
		t.Fatal(err)
	}
	s.open(c)
	if got := contents(t, s.dir("a")); got != "" {
		t.Errorf("written where a disk is missing: %s", got)
	}
	if len(s.lines(hal)) != 2 || len(s.lines(plein)) != 0 || !slices.Contains(s.gapCauses(plein), "missing") {
		t.Errorf("%d segments of the disk that is there, %d of the one that is not", len(s.lines(hal)), len(s.lines(plein)))
	}
}

// A disk put back from a copy raises no dead: what has expired since is not listed, opens with no key, and is deleted.
func TestI06_DiskPutBackFromACopy(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			s := newShelf(t, 2, func(s *shelf, c *Config) { c.Volumes[0].Cameras = []protocol.CameraID{plein} })
			s.allow(10*time.Minute, plein)
			s.record(plein, 4*time.Second)
			copied := t.TempDir()
			if err := os.CopyFS(filepath.Join(copied, "volume"), os.DirFS(s.dir("a"))); err != nil {
				t.Fatal(err)
			}
			for range 4 { // an hour of life after the copy
				s.clock.advance(3 * time.Minute)
				s.record(plein, 4*time.Second)
				if err := s.SealMinute(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.markChanged()
				s.tick()
			}
			if n := len(s.expired()); n < 2 {
				t.Fatalf("%d segments expired", n)
			}
			kept := len(s.lines(plein))
			restored := func() {
				if err := errors.Join(os.Remove(s.dir("a")), os.CopyFS(s.dir("a"), os.DirFS(filepath.Join(copied, "volume")))); err != nil {
					t.Fatal(err)
				}
			}
			s.pull("a")
			if restart {
				c := s.Config
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				restored()
				s.open(c)
			} else {
				s.tick()
				restored()
			}
			s.tick()
			if !s.told("disk put back from a copy", s.dir("a"), "2 files of footage that has expired were on it again", fmt.Sprintf("%d segments that it had are not on it", kept)) {
				t.Errorf("incidents: %q", s.incidents())
			}
			if left := s.files_(plein, "a"); len(left) > 0 {
				t.Errorf("left on it: %q", left)
			}
			if got := s.search(s.base, s.base).reads(copied); len(got) > 0 {
				t.Errorf("of the copy the keys open %q", got)
			}
			if s.told("missing file") {
				t.Error("what the copy lacks is told file by file")
			}
		})
	}
}

// A disk on which only held footage is left sends its cameras elsewhere; pressure on one disk takes nothing from another.
func TestI05_PressureIsPerVolume(t *testing.T) {
	s := newShelf(t, 2, func(s *shelf, c *Config) {
		c.Volumes[0].Cameras, c.Volumes[1].Cameras = []protocol.CameraID{plein}, []protocol.CameraID{hal}
		c.HoldShare = 100
	})
	s.allow(time.Hour, plein, hal)
	s.record(plein, 4*time.Second)
	s.record(hal, 4*time.Second)
	s.record(plein, 4*time.Second)
	if err := s.Place(s.hold("h-1", plein, protocol.Span(noon, noon.Add(4*time.Second)), noon.Add(24*time.Hour))); err != nil {
		t.Fatal(err)
	}
	s.free["a"] = 0
	s.tick()
	if p, h := len(s.lines(plein)), len(s.lines(hal)); p != 2 || h != 2 {
		t.Errorf("%d segments left of the camera on the full disk, want the 2 held; %d on the other, want 2", p, h)
	}
	s.record(plein, 4*time.Second)
	if s.is(plein, "a", "b"); !s.told("camera recorded on another disk", "full") {
		t.Errorf("incidents: %q", s.incidents())
	}
	s.free["a"] = 1 << 40
	s.clock.advance(time.Minute)
	before := len(s.files_(plein, "a"))
	s.record(plein, 4*time.Second)
	if len(s.files_(plein, "a")) == before {
		t.Error("the camera did not go home when there was room")
	}
	s.sound()
}

// An unmounted disk's folder lies on another disk: how full that is takes nothing from what the missing disk holds.
func TestI05_PressureOfTheWrongDisk(t *testing.T) {
	s := newShelf(t, 2, func(s *shelf, c *Config) { c.Volumes[0].Cameras = []protocol.CameraID{plein} })
	s.allow(time.Hour, plein)
	s.record(plein, 4*time.Second)
	s.pull("a")
	s.free["a"] = 0
	s.tick()
	s.put("a")
	delete(s.free, "a")
	s.tick()
	if n := len(s.lines(plein)); n != 2 || len(s.expired()) > 0 {
		t.Errorf("%d segments left, want 2", n)
	}
}

// A disk that is taken out of the configuration is read and ages out, and takes nothing new. One that is missing besides is given up: what was on it is gone with its keys.
func TestI07_DiskTakenOutOfTheConfiguration(t *testing.T) {
	for _, missing := range []bool{false, true} {
		t.Run(fmt.Sprintf("missing %v", missing), func(t *testing.T) {
			s := newShelf(t, 2, func(s *shelf, c *Config) { c.Volumes[0].Cameras = []protocol.CameraID{plein} })
			s.allow(10*time.Minute, plein)
			s.record(plein, 4*time.Second)
			w := s.begin(plein, squareClip())
			s.play(w, frames(squareClip(), 3*time.Second))
			if missing {
				s.pull("a")
			}
			c := s.Config
			if err := s.Close(); err != nil && !missing {
				t.Fatal(err)
			}
			c.Volumes = c.Volumes[1:]
			s.open(c)
			s.allow(10*time.Minute, plein)
			s.record(plein, 4*time.Second)
			if n := len(s.lines(plein)); !missing && n != 6 || missing && n != 2 {
				t.Errorf("%d segments can be reached", n)
			}
			if n := len(s.Usage().Volumes); n != 3 { // b, that of the index, and a
				t.Errorf("%d volumes", n)
			}
			s.clock.advance(11 * time.Minute)
			for range 5 {
				s.tick()
				s.clock.advance(time.Minute)
			}
			if n := len(s.expired()); n < 5 {
				t.Errorf("%d segments expired", n)
			}
			if s.told("disk given up", s.dir("a")) != missing {
				t.Errorf("incidents: %q", s.incidents())
			}
			s.reopen()
			if n := len(s.Usage().Volumes); n != 2 {
				t.Errorf("%d volumes after the last footage of the third was gone: %+v", n, s.Usage().Volumes)
			}
			s.sound()
		})
	}
}

// A recorder of one disk gets more: what is on the first is read and expires there as before.
func TestI07_OneDiskBecomesMore(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein)
	r.record(plein, 4*time.Second)
	c := r.Config
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	c.Volume = r.volume
	c.Volumes = []Volume{{Dir: filepath.Join(t.TempDir(), "b")}}
	r.open(c)
	r.allow(time.Hour, plein)
	r.record(plein, 4*time.Second)
	if n := len(r.lines(plein)); n != 4 || len(r.files(plein, "*.seg")) != 2 {
		t.Errorf("%d segments, %d of them on the first disk", n, len(r.files(plein, "*.seg")))
	}
	r.sound()
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if n := len(r.expired()); n != 4 || len(r.files(plein, "*.seg")) > 0 {
		t.Errorf("%d segments expired", n)
	}
	if sealed := bodies[protocol.Expired](t, r.book, protocol.KindExpired); len(sealed) != 1 {
		t.Errorf("%d entries for what expired at one moment on two disks", len(sealed))
	}
}

// A disk whose file system went read-only under a run: its camera goes on elsewhere with its next key frame, what it has is read from it, and when that is due its keys go.
func TestI14_DiskTurnsReadOnly(t *testing.T) {
	s := newShelf(t, 2, func(s *shelf, c *Config) { c.Volumes[0].Cameras = []protocol.CameraID{plein} })
	s.allow(10*time.Minute, plein)
	w := s.begin(plein, squareClip())
	for _, u := range frames(squareClip(), 12*time.Second) {
		if a := "a"; media(u.DTS) >= 5*time.Second {
			s.readOnly.Store(&a)
		}
		u.Arrival = s.rig.base.Add(media(u.DTS))
		s.clock.set(u.Arrival)
		if err := w.Write(u); err != nil && !errors.Is(err, syscall.EROFS) {
			t.Fatal(err)
		}
		w.idle()
	}
	if err := w.EndRun(CauseNetwork, "over"); err != nil {
		t.Fatal(err)
	}
	w.idle()
	s.is(plein, "a", "b")
	if gaps := s.gapCauses(plein); slices.Contains(gaps, "missing") || !s.told("camera recorded on another disk", "read-only") {
		t.Errorf("gaps %q, incidents %q", gaps, s.incidents())
	}
	if n := len(s.lines(plein)); n < 4 {
		t.Errorf("%d segments can be reached, of both disks", n)
	}
	image := filepath.Join(s.base, "a")
	s.clock.advance(11 * time.Minute)
	for range 3 {
		s.tick()
		s.clock.advance(time.Minute)
	}
	if len(s.lines(plein)) > 0 || len(s.files_(plein, "a")) == 0 || len(s.files_(plein, "b")) > 0 {
		t.Errorf("%d segments listed; files left %q and %q", len(s.lines(plein)), s.files_(plein, "a"), s.files_(plein, "b"))
	}
	if got := s.search(s.base, s.base).reads(image); len(got) > 0 {
		t.Errorf("what cannot be deleted opens with the keys that are left: %q", got)
	}
	s.readOnly.Store(nil)
	s.clock.advance(10 * time.Minute)
	s.tick()
	s.clock.advance(time.Minute)
	s.tick()
	if left := s.files_(plein, "a"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	s.sound()
}
