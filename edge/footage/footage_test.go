package footage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// noon is half past eleven, so that a run of some minutes stays within its clock hour.
var noon = time.Date(2026, 11, 21, 11, 30, 0, 0, time.UTC)

const (
	self  = protocol.RecorderID("rec-1")
	plein = protocol.CameraID("plein-noord")
	hal   = protocol.CameraID("stadhuis-hal")
	main_ = protocol.StreamID("main")
)

// clock is the time of a test.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time          { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) set(t time.Time)         { c.mu.Lock(); defer c.mu.Unlock(); c.t = t }
func (c *clock) advance(d time.Duration) { c.set(c.Now().Add(d)) }

// book is a journal that can be made to fail.
type book struct {
	mu      sync.Mutex
	fail    error
	entries []entry
}

type entry struct {
	kind string
	body []byte
}

func (b *book) Append(ctx context.Context, kind string, body any) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	line, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return 0, b.fail
	}
	b.entries = append(b.entries, entry{kind, line})
	return uint64(len(b.entries)), nil
}

func (b *book) break_(err error) { b.mu.Lock(); defer b.mu.Unlock(); b.fail = err }

// bodies reads all entries of one kind.
func bodies[T any](t testing.TB, b *book, kind string) (out []T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.kind != kind {
			continue
		}
		var v T
		if err := json.Unmarshal(e.body, &v, json.RejectUnknownMembers(true)); err != nil {
			t.Fatalf("%s %s: %v", kind, e.body, err)
		}
		out = append(out, v)
	}
	return out
}

func (b *book) kinds() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		out = append(out, e.kind)
	}
	return out
}

// rig is a store under test.
type rig struct {
	*testing.T
	*Store
	clock *clock
	book  *book
	base  time.Time // of the run that begin began
}

func config(dir string, c *clock, b *book) Config {
	return Config{Dir: dir, Keys: filepath.Join(filepath.Dir(dir), "keys"), Recorder: self, Journal: b, Now: c.Now, SegmentLength: 2 * time.Second, FragmentLength: 500 * time.Millisecond,
		Disk: sized{disk.OS, func() int64 { return 1 << 40 }}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// sized is a disk of a tebibyte, with as much of it free as a test says.
type sized struct {
	disk.Disk
	free func() int64
}

func (d sized) Free(string) (free, total int64, err error) { return d.free(), 1 << 40, nil }

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{T: t, clock: &clock{t: noon}, book: &book{}}
	c := config(filepath.Join(t.TempDir(), "volume"), r.clock, r.book)
	for _, f := range change {
		f(&c)
	}
	r.open(c)
	return r
}

func (r *rig) open(c Config) {
	r.Helper()
	s, err := Open(context.Background(), c)
	if err != nil {
		r.Fatal(err)
	}
	r.Store = s
	r.Cleanup(func() {
		if err := s.Close(); err != nil && !strings.Contains(err.Error(), "not open") {
			r.T.Log("close:", err)
		}
	})
}

// reopen is an orderly stop and a start.
func (r *rig) reopen() {
	r.Helper()
	c := r.Config
	if err := r.Close(); err != nil {
		r.Fatal(err)
	}
	r.open(c)
}

// crash leaves the store as it is and opens a copy of its files.
func (r *rig) crash() {
	r.Helper()
	c := r.Config
	base := r.TempDir()
	if err := r.image(base); err != nil {
		r.Fatal(err)
	}
	c.Dir, c.Keys, c.at = filepath.Join(base, "volume"), filepath.Join(base, "keys"), nil
	r.open(c)
}

// image copies volume and keys as they are now.
func (r *rig) image(base string) error {
	return errors.Join(os.CopyFS(filepath.Join(base, "volume"), os.DirFS(r.Dir)), os.CopyFS(filepath.Join(base, "keys"), os.DirFS(r.Keys)))
}

// plaintext decrypts a segment's file as anybody with its key would.
func (r *rig) plaintext(name string) []byte {
	r.Helper()
	f, err := disk.Open(disk.OS, name)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	h, err := readHead(f)
	if err != nil {
		r.Fatal(name, err)
	}
	parts := strings.Split(name, string(filepath.Separator))
	parts = parts[len(parts)-3:]
	var n int
	if _, err := fmt.Sscanf(parts[2], "%06d", &n); err != nil {
		r.Fatal(err)
	}
	d, err := r.decrypt(f, protocol.CameraID(parts[0]), main_, protocol.RunID(parts[1]), n, h.key, decrypt)
	if err != nil {
		r.Fatal(name, err)
	}
	b, err := io.ReadAll(io.NewSectionReader(d, 0, d.length))
	if err != nil {
		r.Fatal(name, err)
	}
	return b
}

func mandate(camera protocol.CameraID, window time.Duration) *protocol.Mandate {
	return &protocol.Mandate{Heading: protocol.Heading{ID: "m-" + protocol.DocumentID(camera), Recorder: self, NotBefore: protocol.T(noon.AddDate(-1, 0, 0)), NotAfter: protocol.T(noon.AddDate(1, 0, 0))},
		Camera: camera, Regime: protocol.AVG, Version: 1, Streams: []protocol.StreamID{main_}, Window: protocol.Window(window), LongestHold: protocol.Window(protocol.MaxHold)}
}

func (r *rig) allow(window time.Duration, cameras ...protocol.CameraID) {
	r.Helper()
	var ms []*protocol.Mandate
	for _, c := range cameras {
		ms = append(ms, mandate(c, window))
	}
	if err := r.SetMandates(ms); err != nil {
		r.Fatal(err)
	}
}

var (
	squareClip = sync.OnceValue(cameratest.CounterH264)
	hallClip   = sync.OnceValue(cameratest.CounterH265)
	orderClip  = sync.OnceValue(cameratest.ReorderedH264)
)

func formatOf(c cameratest.Clip) Format {
	return Format{Codec: Codec(c.Codec), VPS: c.VPS, SPS: c.SPS, PPS: c.PPS}
}

// frames is a clip played again and again for a while.
func frames(c cameratest.Clip, d time.Duration) (out []AccessUnit) {
	for base := int64(0); ; base += c.Length {
		for _, f := range c.Frames {
			if media(base+f.DTS) >= d {
				return out
			}
			out = append(out, AccessUnit{NALs: f.NALs, DTS: base + f.DTS, PTS: base + f.PTS, Key: f.Key})
		}
	}
}

// large makes frames of so many bytes more each, as from a camera of many Mbit/s.
func large(units []AccessUnit, size int) []AccessUnit {
	for i := range units {
		filler := bytes.Repeat([]byte{byte(i) | 1}, size)
		filler[0] = 12 // filler data
		units[i].NALs = append(slices.Clip(units[i].NALs), filler)
	}
	return units
}

// begin starts a run at the test's time.
func (r *rig) begin(camera protocol.CameraID, c cameratest.Clip) *Writer {
	r.Helper()
	w := r.Camera(camera, main_)
	r.base = r.clock.Now()
	if err := w.StartRun(formatOf(c), r.base); err != nil {
		r.Fatal(err)
	}
	return w
}

// play writes frames as time passes.
func (r *rig) play(w *Writer, units []AccessUnit) {
	r.Helper()
	for i, u := range units {
		u.Arrival = r.base.Add(media(u.DTS))
		r.clock.set(u.Arrival)
		if err := w.Write(u); err != nil {
			r.Fatal(err)
		}
		if i%20 == 0 {
			w.idle()
		}
	}
	w.idle()
}

// record makes a run from start to end.
func (r *rig) record(camera protocol.CameraID, d time.Duration) {
	r.Helper()
	c := squareClip()
	w := r.begin(camera, c)
	start := r.clock.Now()
	r.play(w, frames(c, d))
	r.clock.set(start.Add(d))
	if err := w.EndRun(CauseNetwork, "the test is over"); err != nil {
		r.Fatal(err)
	}
	w.idle()
}

func (r *rig) lines(camera protocol.CameraID) []protocol.SegmentLine {
	r.Helper()
	_, lines, err := r.Round(camera, protocol.Span(noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0)))
	if err != nil && (len(lines) > 0 || !errors.Is(err, ErrAway)) {
		r.Fatal(err)
	}
	return lines
}

// sound fails when the store finds anything wrong with itself.
func (r *rig) sound() {
	r.Helper()
	found, err := r.Check(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	for _, f := range found {
		r.Error("check: ", f)
	}
}

func (r *rig) files(camera protocol.CameraID, pattern string) []string {
	r.Helper()
	names, err := filepath.Glob(filepath.Join(r.Dir, "footage", string(camera), "*", pattern))
	if err != nil {
		r.Fatal(err)
	}
	return names
}

// ffprobe counts the frames that decode without complaint.
func plays(t *testing.T, name string, want int) {
	t.Helper()
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skip("ffprobe is not installed; `make packages`, or apt-get install ffmpeg")
	}
	var stderr bytes.Buffer
	cmd := exec.Command("ffprobe", "-v", "warning", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", name)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("ffprobe %s: %v\n%s", name, err, &stderr)
	}
	if got := strings.TrimSpace(string(out)); got != itoa(want) {
		t.Errorf("%s plays %s frames, want %d", name, got, want)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// join writes init and segments after each other, as cat does.
func (r *rig) join(run string) string {
	r.Helper()
	names, err := filepath.Glob(filepath.Join(run, "*.seg"))
	if err != nil {
		r.Fatal(err)
	}
	slices.Sort(names)
	out := filepath.Join(r.TempDir(), "plays.mp4")
	f, err := os.Create(out)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	init, err := os.ReadFile(filepath.Join(run, "init.mp4"))
	if err != nil {
		r.Fatal(err)
	}
	parts := [][]byte{init}
	for _, name := range names {
		parts = append(parts, r.plaintext(name))
	}
	for _, b := range parts {
		if _, err := f.Write(b); err != nil {
			r.Fatal(err)
		}
	}
	return out
}

func TestRunPlays(t *testing.T) {
	for _, c := range []struct {
		name string
		clip cameratest.Clip
	}{{"H.264", squareClip()}, {"H.265", hallClip()}, {"H.264 with B-frames", orderClip()}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.allow(time.Hour, plein)
			w := r.begin(plein, c.clip)
			units := frames(c.clip, 7*time.Second)
			r.play(w, units)
			if err := w.EndRun(CauseNetwork, "over"); err != nil {
				t.Fatal(err)
			}
			w.idle()
			lines := r.lines(plein)
			if len(lines) < 3 {
				t.Fatalf("%d segments, want at least 3", len(lines))
			}
			for i, l := range lines {
				if i > 0 && !l.Start.Equal(lines[i-1].End.Time) {
					t.Errorf("segment %d starts at %s, the one before ends at %s", i, l.Start, lines[i-1].End)
				}
			}
			if got := lines[len(lines)-1].End.Sub(lines[0].Start.Time); got != 7*time.Second {
				t.Errorf("lasts %s, want 7s", got)
			}
			runs := r.files(plein, "")
			plays(t, r.join(runs[0]), len(units))
			r.sound()
		})
	}
}

// idle waits until all that was queued is done.
func (w *Writer) idle() {
	done := make(chan struct{})
	if w.add(item{do: func(*tape) { close(done) }}) == nil {
		<-done
	}
}
