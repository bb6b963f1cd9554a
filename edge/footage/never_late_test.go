package footage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// TestI03_NeverLate lives through random histories of a recorder: footage, holds, lifts, mandates, restarts, crashes, power cuts and clocks that are wrong in every way. A real
// Store and a real Clock go through them; beside them stands the truth, which neither knows. In all histories
//
//   - no frame is shown that is truly past its window, unless a hold keeps it;
//   - while NTP and the witness keep the clock, none exists either;
//   - nothing that is held is destroyed;
//   - nothing is destroyed before its window by more than section 6 of the design gives a clock: five minutes for each 24 hours of running where one source lies, and what it was too
//     early itself when the footage was recorded.
//
// Two faults at once are one too many for the first: a witness that lies about a power cut that the machine's clock lies about too. So liars are in histories of their own; and
// so are machine's clocks that nobody mends, which are believed in the end.
//
// BEELDWACHT_HISTORIES says how many, BEELDWACHT_SEED with which chances: a failure prints its seed, and the history.
func TestI03_NeverLate(t *testing.T) {
	histories := 6
	if n, err := strconv.Atoi(os.Getenv("BEELDWACHT_HISTORIES")); err == nil {
		histories = n
	}
	seed, err := strconv.ParseUint(os.Getenv("BEELDWACHT_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64N(1_000_000)
	}
	for i := range histories {
		t.Run(fmt.Sprint("seed ", seed+uint64(i)), func(t *testing.T) {
			w := newWorld(t, seed+uint64(i))
			for range 60 {
				w.live()
				if t.Failed() {
					t.Fatalf("BEELDWACHT_SEED=%d BEELDWACHT_HISTORIES=1; the history:\n%s", seed+uint64(i), strings.Join(w.history, "\n"))
				}
			}
		})
	}
}

// world is the truth, and a recorder in it.
type world struct {
	*rig
	rand    *rand.Rand
	history []string
	disk    disk.Disk
	dir     string

	true    time.Time
	running time.Duration // of the machine, since its boot
	ran     time.Duration // of the recorder, in all
	boot    int
	wrong   time.Duration // of the machine's clock
	ntp     bool
	heard   bool          // the witness answers
	lie     time.Duration // of the witness
	kind    int           // of history
	jumped  time.Duration // ran, when the machine's clock was set wrong
	early   time.Duration // what trusted now was ahead of the truth at most

	clocks  *trusted.Clock
	cameras map[protocol.CameraID]time.Duration // windows that are mandated; zero: none
	filmed  map[string]*filmed                  // by file
	holds   []*standing
	version uint64
}

// filmed is what is truly known of a segment.
type filmed struct {
	camera protocol.CameraID
	at     time.Time         // truly, its first frame
	stamp  protocol.Interval // by the recorder's clock
	behind time.Duration     // that clock was, at the time
	limit  time.Duration     // the shortest window since
	gone   bool
}

type standing struct {
	protocol.Hold
	of   *filmed
	over bool
}

// Kinds of histories.
const (
	liars    = iota // the witness lies, as it likes
	careless        // nobody mends the machine's clock
	careful         // somebody does, before it is believed
	kinds
)

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{rand: rand.New(rand.NewPCG(seed, 0)), true: noon, boot: 1, dir: t.TempDir(), disk: unsynced{sized{disk.OS, func() int64 { return 1 << 40 }}},
		cameras: map[protocol.CameraID]time.Duration{plein: 48 * time.Hour, hal: 6 * time.Hour}, filmed: map[string]*filmed{}}
	w.rig = &rig{T: t, clock: &clock{}, book: &book{}}
	w.kind = int(seed % kinds)
	w.ntp, w.heard = w.chance(2), w.chance(2)
	w.begin("volume", "keys")
	return w
}

func (w *world) chance(in int) bool { return w.rand.IntN(in) == 0 }

// about is a duration of that order of magnitude.
func (w *world) about(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.1 + 2*w.rand.Float64()))
}

func (w *world) note(format string, a ...any) {
	w.history = append(w.history, fmt.Sprintf("%s  now %+.0fs  ahead %.0fs  %s", w.true.Format("02 15:04:05"), w.clocks.Now().Sub(w.true).Seconds(), w.clocks.Read().Ahead.Seconds(), fmt.Sprintf(format, a...)))
}

// begin starts the recorder on what is on its disk.
func (w *world) begin(volume, keys string) {
	w.Helper()
	w.clocks = trusted.Open(trusted.Config{Disk: w.disk, File: filepath.Join(w.dir, "time"), Machine: trusted.Machine{Boot: fmt.Sprint("boot-", w.boot),
		Running: func() time.Duration { return w.running }, Wall: func() time.Time { return w.true.Add(w.wrong) },
		NTP: func() string {
			if w.ntp {
				return trusted.Synced
			}
			return trusted.Unsynced
		}}})
	if w.Store == nil {
		w.observe()
	}
	s, err := Open(context.Background(), Config{Dir: filepath.Join(w.dir, volume), Keys: filepath.Join(w.dir, keys), Recorder: self, Journal: w.book, Clock: w.clocks.Read,
		SegmentLength: 2 * time.Second, FragmentLength: 500 * time.Millisecond, Disk: w.disk, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		w.Fatal(err)
	}
	s.db.NoSync = true
	w.Store = s
	w.Cleanup(func() { s.Close() })
	w.look()
	w.observe()
	w.mandate()
	w.look()
}

func (w *world) observe() {
	w.Helper()
	if w.heard {
		w.clocks.Cosigned(w.true.Add(w.lie).Truncate(time.Second))
	}
	if _, err := w.clocks.Observe(); err != nil {
		w.Fatal(err)
	}
}

func (w *world) mandate() {
	w.Helper()
	var all []*protocol.Mandate
	for camera, window := range w.cameras {
		if window > 0 {
			m := mandate(camera, window)
			w.version++
			m.Version = w.version
			all = append(all, m)
			for _, f := range w.filmed {
				if f.camera == camera {
					f.limit = min(f.limit, window)
				}
			}
		}
	}
	if err := w.SetMandates(all); err != nil {
		w.Fatal(err)
	}
}

// quiet waits until nobody in the recorder looks at a clock that is about to change.
func (w *world) quiet() {
	w.mu.Lock()
	tapes := slices.Collect(maps.Values(w.writers))
	w.mu.Unlock()
	for _, t := range tapes {
		t.idle()
	}
}

// pass lets time go by on a recorder that runs.
func (w *world) pass(d time.Duration) {
	w.Helper()
	for d > 0 && !w.Failed() {
		step := min(d, w.about(20*time.Minute))
		for _, f := range w.filmed {
			if over := f.at.Add(f.limit + 3*time.Second).Sub(w.true); !f.gone && over > 0 {
				step = min(step, over) // just past a window
			}
		}
		d -= step
		w.quiet()
		w.true, w.running, w.ran = w.true.Add(step), w.running+step, w.ran+step
		if w.wrong != 0 && w.kind != careless && w.ran-w.jumped > 60*time.Hour {
			w.wrong = 0
			w.note("the machine's clock is mended")
		}
		w.look() // before the recorder had a chance to do anything
		w.observe()
		if w.chance(4) {
			w.sweep(context.Background())
			for _, tape := range w.writers {
				tape.idle()
			}
			w.look()
			w.sound()
		}
	}
}

// live does one thing that may happen to a recorder.
func (w *world) live() {
	w.quiet()
	switch w.rand.IntN(20) {
	case 14, 15, 16:
		w.restart()
	case 17, 18:
		w.sources()
	case 19:
		w.pass(w.about(30 * time.Hour))
	case 0, 1, 2, 3:
		w.film([]protocol.CameraID{plein, hal}[w.rand.IntN(2)])
	case 4, 5:
		d := w.about([]time.Duration{time.Minute, time.Hour, 5 * time.Hour, 30 * time.Hour}[w.rand.IntN(4)])
		w.note("%s pass", d)
		w.pass(d)
	case 6:
		w.hold()
	case 7:
		if n := len(w.holds); n > 0 {
			h := w.holds[w.rand.IntN(n)]
			w.note("hold %s is lifted", h.ID)
			h.over = true
			if err := w.Lift(h.HoldID(), "test"); err != nil && !strings.Contains(err.Error(), "ended long ago") {
				w.Fatal(err)
			}
		}
	case 8:
		camera := []protocol.CameraID{plein, hal}[w.rand.IntN(2)]
		w.cameras[camera] = []time.Duration{0, 2 * time.Hour, 6 * time.Hour, 48 * time.Hour, 72 * time.Hour}[w.rand.IntN(5)] // none: it was renamed, or removed
		w.note("the window of %s is %s", camera, w.cameras[camera])
		w.mandate()
	case 9:
		w.restart()
	case 10, 11:
		w.set()
	case 12:
		w.sources()
	case 13: // everything is as it should be
		w.ntp, w.heard, w.lie, w.wrong = true, true, 0, 0
		w.note("NTP and the witness are right")
		w.pass(2 * time.Second)
		w.sweep(context.Background())
	}
	w.look()
	w.sound()
}

// sources is that who says what time it is comes or goes.
func (w *world) sources() {
	w.ntp = w.chance(2)
	if w.heard = w.chance(2); w.ntp {
		w.wrong = 0
	}
	if w.lie = 0; w.kind == liars {
		w.lie = w.about([]time.Duration{30 * time.Second, time.Hour, 1000 * time.Hour}[w.rand.IntN(3)]) * time.Duration(1-2*w.rand.IntN(2))
	}
	w.note("NTP %t, witness %t, %s from the truth", w.ntp, w.heard, w.lie)
	w.observe()
}

// set is somebody, or a part that is worn, who sets the machine's clock.
func (w *world) set() {
	if w.ntp {
		return // which would set it right
	}
	w.wrong, w.jumped = w.about([]time.Duration{5 * time.Second, time.Hour, 24 * time.Hour, 20000 * time.Hour}[w.rand.IntN(4)])*time.Duration(1-2*w.rand.IntN(2)), w.ran
	w.note("the machine's clock is set %s from the truth", w.wrong)
	w.look()
	w.observe()
}

func (w *world) restart() {
	w.Helper()
	crash := w.chance(2)
	name := fmt.Sprintf("crash-%d", len(w.history))
	if crash {
		for _, part := range []string{"volume", "keys"} {
			if err := os.CopyFS(filepath.Join(w.dir, name, part), os.DirFS(filepath.Join(filepath.Dir(w.Dir), part))); err != nil {
				w.Fatal(err)
			}
		}
	} else if err := errors.Join(w.Close(), w.clocks.Close()); err != nil {
		w.Fatal(err)
	}
	volume, keys := w.Dir, w.Keys
	if crash {
		moved := map[string]*filmed{}
		for file, f := range w.filmed {
			moved[filepath.Join(w.dir, name, "volume", strings.TrimPrefix(file, w.Dir))] = f
		}
		w.filmed, volume, keys = moved, filepath.Join(w.dir, name, "volume"), filepath.Join(w.dir, name, "keys")
	}
	off := w.about([]time.Duration{time.Second, time.Hour, 60 * time.Hour, 500 * time.Hour}[w.rand.IntN(4)])
	w.true = w.true.Add(off)
	what := ""
	if w.chance(3) {
		w.running += off
		what = fmt.Sprintf("the process was gone for %s, crash %t", off, crash)
	} else {
		w.boot, w.running, w.ntp, w.wrong, w.jumped = w.boot+1, 10*time.Second, false, 0, w.ran
		switch {
		case w.chance(3) && w.kind != liars:
			w.wrong = -w.about(off) // its battery is weak
		case w.chance(3) && w.kind != liars:
			w.wrong = -w.true.Sub(time.Unix(1000, 0))
		case w.chance(2) && w.kind == careless:
			w.wrong = w.about(50 * time.Hour)
		}
		what = fmt.Sprintf("the power was gone for %s, crash %t; the machine's clock is %s from the truth", off, crash, w.wrong)
	}
	rel := func(p string) string { r, err := filepath.Rel(w.dir, p); w.check(err); return r }
	w.begin(rel(volume), rel(keys))
	w.note("%s", what)
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// film records a segment, and notes the truth of it.
func (w *world) film(camera protocol.CameraID) {
	w.Helper()
	tape := w.Camera(camera, main_)
	now := w.clocks.Now()
	err := tape.StartRun(formatOf(squareClip()), now)
	if errors.Is(err, ErrNoMandate) {
		return
	}
	w.check(err)
	at, behind := w.true, w.true.Sub(now)
	for _, u := range frames(squareClip(), 1500*time.Millisecond) {
		u.Arrival = now.Add(media(u.DTS))
		w.check(tape.Write(u))
	}
	tape.idle()
	w.check(tape.EndRun(CauseNetwork, "the test is over"))
	w.quiet()
	w.true, w.running, w.ran = w.true.Add(1500*time.Millisecond), w.running+1500*time.Millisecond, w.ran+1500*time.Millisecond
	found := 0
	for _, file := range w.files(camera, "*.seg") {
		if w.filmed[file] == nil {
			found++
			w.filmed[file] = &filmed{camera: camera, at: at, stamp: protocol.Span(now, now.Add(1500*time.Millisecond)), behind: behind, limit: w.cameras[camera]}
		}
	}
	w.note("%s is filmed: %d segments", camera, found)
	if found == 0 && w.clocks.Read().State != trusted.Disputed {
		w.Error("nothing was recorded")
	}
}

func (w *world) hold() {
	w.Helper()
	for _, file := range slices.Sorted(maps.Keys(w.filmed)) {
		f := w.filmed[file]
		if f.gone || w.chance(3) {
			continue
		}
		now := w.clocks.Now()
		h := w.rig.hold(fmt.Sprintf("h-%d", len(w.holds)), f.camera, protocol.Span(f.stamp.From, f.stamp.From.Add(time.Second)), now.Add(w.about(20*time.Hour)))
		if err := w.Place(h); err != nil {
			w.Fatal(err)
		}
		if _, err := w.disk.Lstat(file); err != nil {
			f = nil // it was due before
		}
		w.holds = append(w.holds, &standing{Hold: h, of: f})
		w.note("hold %s on %s until %s", h.ID, h.Asked, h.End)
		return
	}
}

// held says whether a hold stands that may keep it.
func (w *world) held(f *filmed) bool {
	return slices.ContainsFunc(w.holds, func(h *standing) bool {
		h.over = h.over || !w.clocks.Now().Before(h.End.Time)
		return !h.over && h.Camera == f.camera && h.Asked.Overlaps(protocol.Interval{From: f.stamp.From.Add(-2 * time.Second), To: f.stamp.To.Add(2 * time.Second)})
	})
}

// look is what must hold at every moment.
func (w *world) look() {
	w.Helper()
	w.early = max(w.early, w.clocks.Now().Sub(w.true))
	whole := protocol.Span(time.Unix(0, 0), noon.AddDate(100, 0, 0))
	shown := map[string]bool{}
	for camera := range w.cameras {
		_, lines, err := w.Round(camera, whole)
		if err != nil && !errors.Is(err, ErrWithheld) {
			w.Fatal(err)
		}
		for _, l := range lines {
			shown[w.segmentFile(l)] = true
		}
		r := &Reading{s: w.Store, camera: camera, interval: whole}
		w.check(r.load(w.Clock()))
		for _, s := range r.segments {
			shown[w.segmentFile(s.SegmentLine)] = true
		}
	}
	if most := 5 * time.Minute * (1 + w.ran/(24*time.Hour)); w.kind != careless && w.early > most {
		w.Errorf("AHEAD: now was %s later than it was true; one source alone may do %s in so much running", w.early, most)
	}
	for file, f := range w.filmed {
		age := w.true.Sub(f.at)
		if shown[file] && age > f.limit+2*time.Second && !w.held(f) {
			w.Errorf("LATE: %s was filmed %s ago and is shown; it may be for %s", file, age, f.limit)
		}
		if f.gone {
			continue
		}
		if _, err := w.disk.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			f.gone = true
			allowed := f.limit - max(0, f.behind) - w.early - 5*time.Minute*(1+w.ran/(24*time.Hour)) - 2*time.Second
			if age < allowed {
				w.Errorf("EARLY: %s was filmed %s ago and is gone; it may be kept for %s, at least %s", file, age, f.limit, allowed)
			}
			if w.held(f) && slices.ContainsFunc(w.holds, func(h *standing) bool { return h.of == f && !h.over }) {
				w.Errorf("HELD: %s is gone", file)
			}
		}
	}
}

// sound holds the disk against the truth where nothing is wrong with the clock, after a sweep.
func (w *world) sound() {
	w.Helper()
	if r := w.clocks.Read(); r.State != trusted.Synced || !w.heard || w.lie != 0 || r.Ahead > 2*time.Second {
		return
	}
	w.sweep(context.Background())
	for file, f := range w.filmed {
		if _, err := w.disk.Lstat(file); err == nil && w.true.Sub(f.at) > f.limit+2*time.Second && !w.held(f) {
			w.Errorf("LATE: %s was filmed %s ago and exists; it may for %s", file, w.true.Sub(f.at), f.limit)
		}
	}
}

// unsynced is a disk that is quick: nothing takes the power from it.
type unsynced struct{ disk.Disk }

func (u unsynced) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := u.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return quick{f}, nil
}

func (unsynced) SyncDir(string) error { return nil }

type quick struct{ disk.File }

func (quick) Sync() error { return nil }
