package footage

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk/disktest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// ofJournal are the bodies of one kind in the office's journal.
func ofJournal[T any](o *office, kind string) (out []T) {
	o.Helper()
	err := o.journal.Replay(func(h chain.Header, body []byte) error {
		var v T
		if h.Kind != kind {
			return nil
		}
		defer func() { out = append(out, v) }()
		return chain.ParseBody(body, &v)
	})
	if err != nil {
		o.Fatal(err)
	}
	return out
}

// While others have filled the disk, while it is read-only, or has no inodes left: nothing is recorded, and said so; nothing is served, since no access can be journalled; footage is not readable past its window, and
// it goes as far as the disk lets it go. When the disk is well again, so is the recorder, without a new start, and the journal tells of all of it.
func TestI10_DiskThatTakesNothingForAWhile(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     error
		refuses func(full *atomic.Bool, o disktest.Op) bool
		expires bool // also meanwhile
		serves  bool
	}{
		{"full", syscall.ENOSPC, func(full *atomic.Bool, o disktest.Op) bool {
			if o.Kind == disktest.Remove && (filepath.Base(o.Name) == reserve || strings.HasSuffix(o.Name, ".seg")) {
				full.Store(false) // there is room for the index and the key table; what comes of cameras is more
			}
			switch o.Kind {
			case disktest.Write, disktest.Create, disktest.Mkdir:
				return full.Load() || strings.HasPrefix(o.Name, "volume/footage") || strings.HasPrefix(o.Name, "journal")
			case disktest.Commit:
				return full.Load()
			}
			return false
		}, true, false},
		{"read-only", syscall.EROFS, func(_ *atomic.Bool, o disktest.Op) bool { return o.Changes() }, false, false},
		{"without inodes", syscall.ENOSPC, func(_ *atomic.Bool, o disktest.Op) bool { return o.Kind == disktest.Create || o.Kind == disktest.Mkdir }, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := scratch(t)
			d, err := disktest.New(root)
			if err != nil {
				t.Fatal(err)
			}
			d.Space(func() (int64, int64) { return 1 << 40, 1 << 40 })
			o := newOfficeOn(t, root, d)
			o.allow(5*time.Minute, plein)
			o.record(plein, 4*time.Second)
			interval := protocol.Span(noon.Add(time.Second), noon.Add(3*time.Second))
			g := o.grant("g-1", interval)
			old := o.lines(plein)

			var full atomic.Bool
			full.Store(true)
			d.On(func(op disktest.Op) disktest.Fault {
				if c.refuses(&full, op) {
					return disktest.Fault{Err: c.err}
				}
				return disktest.Fault{}
			})
			o.clock.set(noon.Add(time.Minute))
			w := o.begin(plein, squareClip())
			refused := 0
			for _, u := range frames(squareClip(), 6*time.Second) {
				o.clock.set(noon.Add(time.Minute + media(u.DTS)))
				if err := w.Write(u); errors.Is(err, c.err) {
					refused++
				}
				w.idle()
			}
			if refused == 0 || !w.LastFrame().Before(noon.Add(time.Minute+time.Second)) {
				t.Errorf("%d frames were refused; the last that counts as recorded ended at %s", refused, w.LastFrame())
			}
			doc := g.Doc()
			r, err := o.journal.Access(t.Context(), protocol.KindIntent, protocol.Access{How: "release", Grant: doc.GrantID(), Request: doc.Request, Camera: plein, Interval: interval}, plein, interval)
			if !c.serves && (!errors.Is(err, journal.ErrBroken) || r != nil) {
				t.Errorf("an access is journalled: %v", err)
			}
			o.clock.set(noon.Add(10 * time.Minute))
			for range 3 {
				o.sweep(t.Context())
				o.clock.advance(10 * time.Second)
			}
			if left := len(o.files(plein, "*.seg")); c.expires != (left == 0) {
				t.Errorf("%d files are left of what is due", left)
			}
			if reading := (&Reading{s: o.Store, camera: plein, interval: interval}); reading.load(o.Clock()) != nil || len(reading.Segments()) > 0 {
				t.Error("what is due can be read")
			}

			d.On(nil)
			if err := w.EndRun(CauseNetwork, "over"); err != nil {
				t.Error(err)
			}
			w.idle()
			o.clock.advance(time.Minute)
			o.sweep(t.Context())
			o.clock.advance(time.Minute)
			was := o.clock.Now()
			o.record(plein, 4*time.Second)
			o.clock.advance(time.Minute)
			o.sweep(t.Context())
			if err := o.journal.Err(); err != nil {
				t.Errorf("the disk is well again, and the journal is not: %v", err)
			}
			lines := o.lines(plein)
			if len(lines) != 2 || lines[0].Start.Before(was) {
				t.Errorf("recorded since: %v", lines)
			}
			told := map[string]bool{}
			for _, e := range ofJournal[protocol.Expired](o, protocol.KindExpired) {
				for _, s := range e.Segments {
					told[s.Start.String()] = true
				}
			}
			for _, l := range old {
				if !told[l.Start.String()] {
					t.Errorf("the journal does not say that %s is gone", l)
				}
			}
			begun, ended := ofJournal[protocol.Gap](o, protocol.KindGapBegun), ofJournal[protocol.Gap](o, protocol.KindGapEnded)
			isDisk := func(g protocol.Gap) bool {
				return g.Cause == string(CauseDisk) && strings.Contains(g.Detail, c.err.Error())
			}
			if !slices.ContainsFunc(begun, isDisk) || !slices.ContainsFunc(ended, isDisk) {
				t.Errorf("gaps begun %+v, ended %+v", begun, ended)
			}
			if !c.serves {
				i := ofJournal[protocol.Incident](o, protocol.KindIncident)
				if !slices.ContainsFunc(i, func(i protocol.Incident) bool {
					return i.What == "journal" && strings.Contains(i.Detail, c.err.Error())
				}) {
					t.Errorf("incidents %+v: none says that the journal could not be written", i)
				}
			}
			o.sound()
		})
	}
}

// A step on the disk that hangs, of one camera, stops no other camera's recording, and its own frames wait in a queue that is bounded (invariant 15).
func TestI14_I15_DiskThatHangs(t *testing.T) {
	for _, c := range []struct {
		name  string
		hangs func(o disktest.Op) bool
		own   bool // it is the camera's own writing
	}{
		{"unlinking what is due", func(o disktest.Op) bool { return o.Kind == disktest.Remove && strings.HasSuffix(o.Name, ".seg") }, false},
		{"syncing the directory of what is due", func(o disktest.Op) bool {
			return o.Kind == disktest.SyncDir && strings.Contains(o.Name, "footage/plein-noord/2")
		}, false},
		{"syncing a segment", func(o disktest.Op) bool {
			return o.Kind == disktest.Sync && strings.Contains(o.Name, "plein-noord") && strings.HasSuffix(o.Name, ".open")
		}, true},
		{"writing one", func(o disktest.Op) bool {
			return o.Kind == disktest.Write && strings.Contains(o.Name, "plein-noord") && strings.HasSuffix(o.Name, ".open")
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := scratch(t)
			d, err := disktest.New(root)
			if err != nil {
				t.Fatal(err)
			}
			r := &rig{T: t, clock: &clock{t: noon}, book: &book{}}
			cfg := config(filepath.Join(root, "volume"), r.clock, r.book)
			cfg.Disk, cfg.QueueBytes = d, 64<<10
			d.Space(func() (int64, int64) { return 1 << 40, 1 << 40 })
			r.open(cfg)
			r.allow(5*time.Minute, plein, hal)
			r.record(plein, 4*time.Second)
			r.clock.set(noon.Add(4 * time.Minute))
			stuck, go_on := make(chan struct{}), make(chan struct{})
			var once, release sync.Once
			free := func() { release.Do(func() { close(go_on) }) }
			defer free()
			d.On(func(o disktest.Op) disktest.Fault {
				if c.hangs(o) {
					once.Do(func() { close(stuck) })
					<-go_on
				}
				return disktest.Fault{}
			})
			swept := make(chan struct{})
			w := r.Camera(plein, main_)
			if c.own {
				close(swept)
				r.base = r.clock.Now()
				if err := w.StartRun(formatOf(squareClip()), r.base); err != nil {
					t.Fatal(err)
				}
			} else {
				r.clock.set(noon.Add(6 * time.Minute))
				go func() { r.sweep(t.Context()); close(swept) }()
				<-stuck
			}
			if c.own { // until it hangs, and far beyond
				slow, most := 0, 0
				for _, u := range large(frames(squareClip(), 30*time.Second), 5000) {
					if err := w.Write(u); errors.Is(err, ErrSlow) {
						slow++
					}
					w.mu.Lock()
					most = max(most, w.bytes)
					w.mu.Unlock()
				}
				<-stuck
				if slow == 0 || most > 64<<10+2*itemBytes {
					t.Errorf("%d frames were dropped; the queue grew to %d bytes", slow, most)
				}
			}
			r.record(hal, 6*time.Second)
			if n := len(r.lines(hal)); n < 3 {
				t.Errorf("%d segments of another camera", n)
			}
			free()
			<-swept
			w.idle()
			r.clock.advance(time.Minute)
			r.sweep(t.Context())
			if err := w.EndRun(CauseNetwork, "over"); err != nil {
				t.Error(err)
			}
			w.idle()
			r.clock.advance(10 * time.Minute)
			for range 3 {
				r.sweep(t.Context())
				r.clock.advance(time.Minute)
			}
			if left := append(r.files(plein, "*"), r.files(hal, "*")...); len(left) > 0 {
				t.Errorf("left: %s", left)
			}
			disk := func(g protocol.Gap) bool { return g.Camera == plein && g.Cause == string(CauseDisk) }
			if got := slices.ContainsFunc(bodies[protocol.Gap](t, r.book, protocol.KindGapBegun), disk); got != c.own {
				t.Errorf("a gap of cause disk: %t, want %t", got, c.own)
			}
			r.sound()
		})
	}
}
