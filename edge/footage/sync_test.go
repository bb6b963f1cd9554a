package footage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk/disktest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// A power cut, on a disk that forgets all that was not synced, costs at most SyncInterval and one fragment, whatever the bit rate: cameras of a still scene send so little
// that a chunk of the cipher takes seconds to fill.
func TestPowerCutCostsAtMostTheSyncInterval(t *testing.T) {
	for _, size := range []int{12, 3000, 40_000} { // bytes a frame, ten frames a second
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			root := t.TempDir()
			d, err := disktest.New(root)
			if err != nil {
				t.Fatal(err)
			}
			d.Space(func() (free, total int64) { return 1 << 40, 1 << 40 })
			r := &rig{T: t, clock: &clock{t: noon}, book: &book{}}
			c := config(filepath.Join(root, "volume"), r.clock, r.book)
			c.Disk, c.SegmentLength = d, 12*time.Second
			r.open(c)
			r.allow(time.Hour, plein)
			w := r.begin(plein, squareClip())
			units := frames(squareClip(), 19*time.Second)
			for i, u := range units {
				units[i].NALs = [][]byte{u.NALs[len(u.NALs)-1][:12]}
			}
			if size > 12 {
				units = large(units, size)
			}
			const frame = 100 * time.Millisecond
			every := r.SyncInterval * 4 / 5 // see keepSynced
			if r.SyncInterval != 5*time.Second {
				t.Fatalf("SyncInterval is %s when none is given", r.SyncInterval)
			}
			for i, u := range units {
				passed := media(u.DTS)
				r.clock.set(noon.Add(passed))
				if err := w.Write(u); err != nil {
					t.Fatal(err)
				}
				w.idle()
				if (passed+frame)%every == 0 || i%37 == 20 {
					if worst := noon.Add(passed - r.SyncInterval - r.FragmentLength - frame); r.survives(d).Before(worst) {
						t.Errorf("of what was recorded up to %s, %s survives a power cut", passed, r.survives(d).Sub(noon))
					}
				}
				if passed%every == 0 && passed > 0 {
					r.syncOpen()
					w.idle()
				}
			}
		})
	}
}

// survives is the end of what a recorder has that starts after a power cut now: noon, if that is nothing.
func (r *rig) survives(d *disktest.Disk) (end time.Time) {
	r.Helper()
	base := filepath.Join(r.TempDir(), "after")
	if err := d.Image(base, disktest.Lost); err != nil {
		r.Fatal(err)
	}
	after := &rig{T: r.T, clock: &clock{t: r.clock.Now()}, book: &book{}}
	after.open(config(filepath.Join(base, "volume"), after.clock, after.book))
	after.sound()
	end = noon
	for i, l := range after.lines(plein) {
		if i > 0 && l.Start.Sub(end) > meet {
			r.Errorf("a hole from %s to %s", end, l.Start)
		}
		end = l.End.Time
	}
	if err := after.Close(); err != nil {
		r.Fatal(err)
	}
	return end
}

// A sync that fails is not taken for one that worked: the gap has a cause, and what could not be synced is written again.
func TestSyncThatFailsEndsTheRun(t *testing.T) {
	root := t.TempDir()
	d, err := disktest.New(root)
	if err != nil {
		t.Fatal(err)
	}
	d.Space(func() (free, total int64) { return 1 << 40, 1 << 40 })
	r := &rig{T: t, clock: &clock{t: noon}, book: &book{}}
	c := config(filepath.Join(root, "volume"), r.clock, r.book)
	c.Disk, c.SegmentLength = d, time.Minute
	r.open(c)
	r.allow(time.Hour, plein)
	w := r.begin(plein, squareClip())
	units := frames(squareClip(), 10*time.Second)
	r.play(w, units[:15])
	r.syncOpen() // what fills the chunk is no part of the pictures
	r.play(w, units[15:25])
	d.On(func(o disktest.Op) (f disktest.Fault) {
		if o.Kind == disktest.Sync && filepath.Ext(o.Name) == ".open" {
			f.Err = syscall.EIO
		}
		return f
	})
	r.syncOpen()
	w.idle()
	d.On(nil)
	if err := w.Write(units[25]); !errors.Is(err, syscall.EIO) {
		t.Errorf("after a sync that failed a frame is taken with %v", err)
	}
	r.sweep(t.Context())
	for _, u := range units[26:] {
		r.clock.set(noon.Add(media(u.DTS)))
		if err := w.Write(u); err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		w.idle()
	}
	r.endRun(w)
	r.sweep(t.Context())
	if gaps := bodies[protocol.Gap](t, r.book, protocol.KindGapBegun); len(gaps) == 0 || gaps[0].Cause != string(CauseDisk) {
		t.Errorf("gaps: %+v", gaps)
	}
	lines := r.lines(plein)
	if len(lines) != 2 || lines[0].Start.Time != noon || lines[0].End.Sub(lines[0].Start.Time) < 2*time.Second {
		t.Errorf("left: %v", lines)
	}
	for _, run := range r.files(plein, "") {
		plays(t, r.join(run), r.countIn(run))
	}
	r.sound()
}

// Files as they were written before, in chunks of 64 KiB, sealed and open, are read, mended and expire.
func TestFilesOfVersion2AreReadAndMended(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.play(r.begin(plein, squareClip()), large(frames(squareClip(), 3900*time.Millisecond), 20<<10))
	sealed, open := r.files(plein, "*.seg"), r.files(plein, "*.open")
	if len(sealed) != 1 || len(open) != 1 {
		t.Fatal(sealed, open)
	}
	want := r.lines(plein)[0]
	for _, name := range append(sealed, open...) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		now, err := readHead(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		key, err := r.keys.find(now.key)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if name == open[0] {
			n = 1
		}
		d, err := decryptCut(bytes.NewReader(b), int64(len(b)), key, now.bound(self, plein, main_, want.Run, n))
		if err != nil {
			t.Fatal(err)
		}
		before := head{coarseVersion, now.key}
		var old bytes.Buffer
		old.Write(before.bytes())
		w, err := tink(t, key, coarseSize).NewEncryptingWriter(&old, before.bound(self, plein, main_, want.Run, n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, io.NewSectionReader(d, 0, d.length)); err != nil {
			t.Fatal(err)
		}
		if name == sealed[0] {
			err = w.Close()
		}
		if err = errors.Join(err, os.WriteFile(name, old.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	err := r.db.Update(func(tx *bbolt.Tx) error {
		key := segmentKey(want)
		row, _, err := get[segmentRow](tx, inSegments, key)
		if err != nil {
			return err
		}
		run := *r.runs[keyRun(key)]
		run.Bytes -= row.stored(want)
		row.Chunk = 0
		run.Bytes += row.stored(want)
		totals := r.totals
		return errors.Join(putSegment(tx, key, row), r.putRun(tx, r.runs[keyRun(key)], &run, &totals), putTotals(tx, &totals))
	})
	if err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.sound()
	lines := r.lines(plein)
	if len(lines) != 2 || lines[0] != want || lines[1].End.Sub(lines[1].Start.Time) < time.Second {
		t.Errorf("segments: %v", lines)
	}
	for _, run := range r.files(plein, "") {
		plays(t, r.join(run), r.countIn(run))
	}
	r.clock.advance(2 * time.Minute)
	r.sweep(t.Context())
	if u := r.Usage(); u.Bytes != 0 || len(r.files(plein, "*")) != 0 {
		t.Errorf("left: %d bytes, %s", u.Bytes, r.files(plein, "*"))
	}
}
