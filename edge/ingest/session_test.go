package ingest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
)

// TestMain lets the tests wait beside each other: they need time, not processors. Fuzzing needs processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" {
		if err := flag.Set("test.parallel", "32"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// tape is a Writer that keeps what it is given, and can be full or fail.
type tape struct {
	mu      sync.Mutex
	runs    []taped
	onStart func() error // called without the lock, like onWrite
	onWrite func() error
	wrong   []string        // what a Session must not do
	gaps    []footage.Cause // told while no run was open
}

type taped struct {
	format footage.Format
	at     time.Time
	units  []footage.AccessUnit
	sound  []footage.Sound
	ended  bool
	cause  footage.Cause
	detail string
}

func (t *tape) last() *taped { return &t.runs[len(t.runs)-1] }

func (t *tape) StartRun(f footage.Format, at time.Time) error {
	t.mu.Lock()
	if len(t.runs) > 0 && !t.last().ended {
		t.wrong = append(t.wrong, "a run starts before the last has ended")
	}
	hook := t.onStart
	t.mu.Unlock()
	var err error
	if hook != nil {
		err = hook()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !errors.Is(err, footage.ErrSlow) {
		t.runs = append(t.runs, taped{format: f, at: at})
	}
	return err
}

func (t *tape) Write(u footage.AccessUnit) error {
	t.mu.Lock()
	hook := t.onWrite
	t.mu.Unlock()
	if hook != nil {
		if err := hook(); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.last()
	switch n := len(r.units); {
	case r.ended:
		t.wrong = append(t.wrong, "a frame after the end of its run")
	case n == 0 && (!u.Key || u.PTS != 0 || u.DTS != 0):
		t.wrong = append(t.wrong, fmt.Sprintf("a run starts with key %v, PTS %d, DTS %d", u.Key, u.PTS, u.DTS))
	case n > 0 && u.DTS <= r.units[n-1].DTS:
		t.wrong = append(t.wrong, fmt.Sprintf("DTS %d after %d", u.DTS, r.units[n-1].DTS))
	}
	r.units = append(r.units, u)
	return nil
}

func (t *tape) WriteSound(s footage.Sound) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.last()
	switch n := len(r.sound); {
	case r.ended:
		t.wrong = append(t.wrong, "sound after the end of its run")
	case r.format.Sound == nil:
		t.wrong = append(t.wrong, "sound in a run without")
	case s.Length <= 0 || s.Time < 0 || n > 0 && s.Time < r.sound[n-1].Time+r.sound[n-1].Length:
		t.wrong = append(t.wrong, fmt.Sprintf("sound of %d at %d, after %d frames", s.Length, s.Time, n))
	}
	r.sound = append(r.sound, s)
	return nil
}

func (t *tape) EndRun(cause footage.Cause, detail string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.runs) == 0 || t.last().ended {
		t.gaps = append(t.gaps, cause)
		return nil
	}
	r := t.last()
	r.ended, r.cause, r.detail = true, cause, detail
	return nil
}

func (t *tape) set(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
}

func (t *tape) copy() []taped {
	t.mu.Lock()
	defer t.mu.Unlock()
	runs := slices.Clone(t.runs)
	for i := range runs {
		runs[i].units, runs[i].sound = slices.Clone(runs[i].units), slices.Clone(runs[i].sound)
	}
	return runs
}

// rig is a camera, a session that records it, and the tape it records on.
type rig struct {
	*testing.T
	camera  *cameratest.Camera
	clip    cameratest.Clip
	session *Session
	tape    *tape
	log     *lockedBuffer
	stop    context.CancelCauseFunc
	ended   chan error
}

func record(t *testing.T, o cameratest.Options, configure func(*Session)) *rig {
	t.Helper()
	t.Parallel()
	camera, err := cameratest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(camera.Close)
	r := recordURL(t, camera.URL(), o.User, o.Password, configure)
	r.camera, r.clip = camera, o.Clip
	return r
}

func recordURL(t *testing.T, url, user, password string, configure func(*Session)) *rig {
	t.Helper()
	r := &rig{T: t, tape: &tape{}, log: &lockedBuffer{}, ended: make(chan error, 1)}
	r.session = &Session{
		Source: Source{Camera: "plein-noord", Stream: "main", URL: url, User: user, Password: password, KeyFrameTimeout: 4 * time.Second},
		Writer: r.tape, Now: time.Now, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		RetryMin: 50 * time.Millisecond, RetryMax: 200 * time.Millisecond,
	}
	if configure != nil {
		configure(r.session)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	r.stop = stop
	go func() { r.ended <- r.session.Run(ctx) }()
	t.Cleanup(func() {
		r.finish(nil)
		for _, w := range r.tape.wrong {
			t.Error(w)
		}
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	return r
}

// finish stops the session and waits for it.
func (r *rig) finish(cause error) {
	r.stop(cause)
	select {
	case err, open := <-r.ended:
		if err != nil {
			r.Errorf("Run: %v", err)
		}
		if open {
			close(r.ended)
		}
	case <-time.After(60 * time.Second):
		r.Fatal("Run does not return after its context ended")
	}
}

// until waits for something to be true of what is on tape and of the state.
func (r *rig) until(what string, is func([]taped, State) bool) {
	r.Helper()
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		runs, state := r.tape.copy(), r.session.State()
		if is(runs, state) {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("waited in vain for %s; %d runs, state %+v", what, len(runs), state)
		}
	}
}

func frames(n int) (string, func([]taped, State) bool) {
	return fmt.Sprintf("%d frames", n), func(runs []taped, _ State) bool { return len(runs) > 0 && len(runs[len(runs)-1].units) >= n }
}

func inGap(cause footage.Cause, words ...string) (string, func([]taped, State) bool) {
	return fmt.Sprintf("a gap with cause %s and %q", cause, words), func(_ []taped, s State) bool {
		for _, w := range words {
			if !strings.Contains(s.Detail, w) {
				return false
			}
		}
		return s.Phase == Gap && s.Cause == cause
	}
}

func recordingRun(n int) (string, func([]taped, State) bool) {
	return fmt.Sprintf("run %d being recorded", n), func(runs []taped, s State) bool {
		return len(runs) == n && len(runs[n-1].units) > 1 && s.Phase == Recording
	}
}

// same checks that units are the clip's frames, bit for bit, one after the other, and returns the index of the frame after the last.
func (r *rig) same(units []footage.AccessUnit, clip cameratest.Clip) int {
	r.Helper()
	equal := func(u footage.AccessUnit, f cameratest.Frame) bool {
		return slices.EqualFunc(u.NALs, f.NALs, bytes.Equal) && u.Key == f.Key
	}
	first := slices.IndexFunc(clip.Frames, func(f cameratest.Frame) bool { return equal(units[0], f) })
	if first < 0 {
		r.Fatalf("the first frame recorded, of %d NAL units, is not one of the clip", len(units[0].NALs))
	}
	round, n := int64(0), first
	for i, u := range units {
		f := clip.Frames[n]
		if !equal(u, f) {
			r.Fatalf("frame %d is not frame %d of the clip, bit for bit", i, n)
		}
		if want := round + f.PTS - clip.Frames[first].PTS; u.PTS != want {
			r.Fatalf("frame %d has PTS %d, the camera gave %d", i, u.PTS, want)
		}
		if n++; n == len(clip.Frames) {
			n, round = 0, round+clip.Length
		}
	}
	return n
}

func TestRecordsBitForBit(t *testing.T) {
	t.Parallel()
	signed := cameratest.ReorderedH264()
	signed.Frames = slices.Clone(signed.Frames)
	for i, f := range signed.Frames { // as cameras that sign their video do: SEI with a start code in it
		sei := append([]byte{6, 5, 250, 0, 0, 0, 1, 0x65, 0, 0, 1, 7}, bytes.Repeat([]byte{byte(i), 0xaa}, 1500)...)
		f.NALs = slices.Insert(slices.Clone(f.NALs), len(f.NALs)-1, sei)
		signed.Frames[i] = f
	}
	for name, c := range map[string]struct {
		camera    cameratest.Options
		transport Transport
	}{
		"H.264 TCP":           {cameratest.Options{Clip: cameratest.CounterH264(), Transport: cameratest.TCP}, Auto},
		"H.265 TCP":           {cameratest.Options{Clip: cameratest.CounterH265()}, TCP},
		"H.264 UDP":           {cameratest.Options{Clip: cameratest.QuayH264(), Transport: cameratest.UDP}, UDP},
		"H.265 UDP, in band":  {cameratest.Options{Clip: cameratest.CounterH265(), BareSDP: true}, UDP},
		"parameters in band":  {cameratest.Options{Clip: cameratest.CounterH264(), BareSDP: true}, Auto},
		"digest":              {cameratest.Options{Clip: cameratest.CounterH264(), User: "admin", Password: "g/h:i@j"}, Auto},
		"sound beside":        {cameratest.Options{Clip: cameratest.CounterH264(), Offer: cameratest.VideoAndSound}, Auto},
		"B-frames":            {cameratest.Options{Clip: cameratest.ReorderedH264()}, Auto},
		"SEI with start code": {cameratest.Options{Clip: signed}, Auto},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, c.camera, func(s *Session) { s.Source.Transport = c.transport })
			r.until(frames(35))
			state := r.session.State()
			r.finish(nil)
			runs := r.tape.copy()
			if len(runs) != 1 {
				t.Fatalf("%d runs, want one", len(runs))
			}
			run := runs[0]
			r.same(run.units, r.clip)
			if clip := r.clip; !bytes.Equal(run.format.SPS, clip.SPS) || !bytes.Equal(run.format.PPS, clip.PPS) || !bytes.Equal(run.format.VPS, clip.VPS) || string(run.format.Codec) != clip.Codec {
				t.Errorf("format %+v is not the clip's", run.format)
			}
			if run.cause != footage.CauseRecorder {
				t.Errorf("a stopped recorder ends its run with cause %q", run.cause)
			}
			if state.Phase != Recording || state.Cause != "" || state.BitRate < 5_000 || state.Lost > 1 || time.Since(state.LastFrame) > 5*time.Second {
				t.Errorf("state while recording: %+v", state)
			}
			if got := run.at; !got.Equal(run.units[0].Arrival) {
				t.Errorf("the run starts at %v, its first frame arrived at %v", got, run.units[0].Arrival)
			}
			for _, u := range run.units {
				if u.DTS > u.PTS {
					t.Errorf("decoded at %d, to be shown at %d", u.DTS, u.PTS)
				}
			}
		})
	}
}

func TestI08_CameraThatDiesAndReturnsIsAGapAndANewRun(t *testing.T) {
	r := record(t, cameratest.Options{Clip: cameratest.CounterH264()}, nil)
	r.until(recordingRun(1))
	r.camera.Stop()
	r.until(inGap(footage.CauseNetwork))
	r.until(inGap(footage.CauseNetwork, "cannot be reached"))
	if err := r.camera.Start(); err != nil {
		t.Fatal(err)
	}
	r.until(recordingRun(2))
	runs := r.tape.copy()
	if first := runs[0]; !first.ended || first.cause != footage.CauseNetwork || first.detail == "" {
		t.Errorf("the first run ended %v with cause %q, detail %q", first.ended, first.cause, first.detail)
	}
	r.same(runs[0].units, r.clip)
	r.same(runs[1].units, r.clip)
}

func TestI08_FrozenCameraIsAGap(t *testing.T) {
	r := record(t, cameratest.Options{Clip: cameratest.CounterH264()}, func(s *Session) { s.Source.KeyFrameTimeout = 1500 * time.Millisecond })
	r.until(recordingRun(1))
	r.camera.Freeze(true)
	r.until(inGap(footage.CauseCamera, "fallen silent"))
	r.until(inGap(footage.CauseCamera, "sent no whole frame"))
	r.camera.Freeze(false)
	r.until(recordingRun(2))
	if first := r.tape.copy()[0]; first.cause != footage.CauseCamera {
		t.Errorf("the run ended with cause %q, %q", first.cause, first.detail)
	}
}

func TestI08_NoKeyFrameIsAGap(t *testing.T) {
	r := record(t, cameratest.Options{Clip: cameratest.CounterH265()}, func(s *Session) { s.Source.KeyFrameTimeout = 1500 * time.Millisecond })
	r.until(recordingRun(1))
	r.camera.DropKeyFrames(true)
	r.until(inGap(footage.CauseCamera, "no key frame"))
	time.Sleep(2 * time.Second) // through another connection or more
	if s := r.session.State(); s.Phase != Gap || s.Cause != footage.CauseCamera {
		t.Errorf("without key frames the state became %+v", s)
	}
	if n := len(r.tape.copy()); n != 1 {
		t.Errorf("%d runs: one started without a key frame", n)
	}
	r.camera.DropKeyFrames(false)
	r.until(recordingRun(2))
}

func TestI08_CameraThatOffersNothingWeCanCarry(t *testing.T) {
	t.Parallel()
	for offer, words := range map[cameratest.Offer][]string{
		cameratest.OnlySound: {"audio G711", "H.264 or H.265"},
		cameratest.OnlyMJPEG: {"video M-JPEG", "H.264 or H.265"},
	} {
		t.Run(string(offer), func(t *testing.T) {
			r := record(t, cameratest.Options{Clip: cameratest.CounterH264(), Offer: offer}, nil)
			r.until(inGap(footage.CauseCamera, words...))
			if n := len(r.tape.copy()); n != 0 {
				t.Errorf("%d runs", n)
			}
			time.Sleep(2 * time.Second) // through another connection: the same cause again is not told again
			r.tape.set(func() {
				if !slices.Equal(r.tape.gaps, []footage.Cause{footage.CauseCamera}) {
					t.Errorf("the writer was told %v, want once that the camera is the cause", r.tape.gaps)
				}
			})
		})
	}
}

func TestWrongPasswordIsSaidAndNotRetriedSoon(t *testing.T) {
	const password = "fout geheim/é"
	var changes []State
	var mu sync.Mutex
	r := record(t, cameratest.Options{Clip: cameratest.CounterH264(), User: "admin", Password: "goed"}, func(s *Session) {
		s.Source.Password, s.RetryRefused = password, time.Hour
		s.Changed = func(s State) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, s)
		}
	})
	r.until(inGap(footage.CauseCamera, "refuses the user name or password"))
	time.Sleep(500 * time.Millisecond)
	if n := strings.Count(r.log.String(), "connecting again"); n != 1 {
		t.Errorf("%d pauses in half a second; cameras lock out who tries too often", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(changes) != 1 || changes[0].Phase != Gap {
		t.Errorf("a gap in which no run ever started must be told too: %+v", changes)
	}
}

func TestPasswordNeverShows(t *testing.T) {
	const password = "s3cr%t/x"
	hidden := func(text string) {
		t.Helper()
		for _, secret := range []string{password, "s3cr", "x9y8"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %q", text, secret)
			}
		}
	}
	for _, url := range []string{
		"rtsp://admin:s3cr%25t%2fx@127.0.0.1:1/live", "rtsp://127.0.0.1:1/user=admin&password=x9y8", "rtsp://admin:s3cr%t/x@127.0.0.1:1/live", "http://admin:s3cr%25t%2fx@127.0.0.1/",
	} {
		s := &Session{Source: Source{Camera: "c", Stream: "main", URL: url, User: "admin", Password: password}, Writer: &tape{}, Now: time.Now}
		var log lockedBuffer
		s.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		if err := s.Run(ctx); err != nil {
			hidden(err.Error())
		}
		cancel()
		s.Log.Info("source", "source", s.Source)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("source", "source", s.Source, "within", struct{ S Source }{s.Source})
		hidden(log.String())
		hidden(s.State().Detail)
		hidden(fmt.Sprintf("%v %+v %#v %s", s.Source, s.Source, s.Source, s.Source))
		if target, err := s.prepare(); err == nil {
			hidden(target.redact("cannot GET " + url + " with " + password + " admin:s3cr%25t%2Fx@ s3cr%25t%2Fx"))
		}
	}
}

func TestBadConfigurationReturns(t *testing.T) {
	good := Session{Source: Source{Camera: "c", Stream: "main", URL: "rtsp://127.0.0.1:1/"}, Writer: &tape{}, Now: time.Now}
	for what, spoil := range map[string]func(*Session){
		"scheme": func(s *Session) { s.Source.URL = "http://127.0.0.1/" }, "host": func(s *Session) { s.Source.URL = "rtsp:///x" },
		"transport": func(s *Session) { s.Source.Transport = "carrier pigeon" }, "writer": func(s *Session) { s.Writer = nil },
		"timeout": func(s *Session) { s.Source.KeyFrameTimeout = -1 },
	} {
		s := Session{Source: good.Source, Writer: good.Writer, Now: good.Now}
		spoil(&s)
		if s.Run(t.Context()) == nil {
			t.Errorf("%s: Run accepts it", what)
		}
	}
}

// A Writer that is full takes no more; what it is spared is whole groups of pictures. That it bounds what it takes is shown in edge/footage.
func TestI15_SlowDiskDropsWholeGroups(t *testing.T) {
	r := record(t, cameratest.Options{Clip: cameratest.CounterH265()}, nil)
	r.until(recordingRun(1))
	r.tape.set(func() {
		full := func() error { return fmt.Errorf("camera plein: %w", footage.ErrSlow) }
		r.tape.onWrite, r.tape.onStart = full, full
	})
	r.until(inGap(footage.CauseDisk, "too slow"))
	r.until("dropped frames", func(_ []taped, s State) bool { return s.Dropped > 15 })
	r.tape.set(func() { r.tape.onWrite, r.tape.onStart = nil, nil })
	r.until(recordingRun(2))
	runs := r.tape.copy()
	if runs[0].cause != footage.CauseDisk {
		t.Errorf("the run before the gap ended with cause %q", runs[0].cause)
	}
	r.same(runs[0].units, r.clip) // gap-free within a run
	r.same(runs[1].units, r.clip)
	if strings.Contains(r.log.String(), "connecting again") {
		t.Error("a slow disk cost the camera its connection")
	}
}

func TestI15_FailingDiskEndsTheRunAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"start", "write"} {
		t.Run(what, func(t *testing.T) {
			var fails int
			broken := func() error {
				if fails++; fails < 3 {
					return errors.New("no space left on device")
				}
				return nil
			}
			r := record(t, cameratest.Options{Clip: cameratest.CounterH264()}, nil)
			r.until(recordingRun(1))
			r.tape.set(func() {
				if what == "write" {
					r.tape.onWrite = broken
					return
				}
				r.tape.onStart = broken
			})
			if what == "start" {
				r.camera.Jump(time.Hour)
			}
			r.until(inGap(footage.CauseDisk, "no space left on device"))
			r.until("another run", func(runs []taped, s State) bool {
				return len(runs) > 2 && len(runs[len(runs)-1].units) > 2 && s.Phase == Recording
			})
			for _, run := range r.tape.copy()[1:] {
				if run.ended && run.cause != footage.CauseDisk {
					t.Errorf("a run that could not be written ended with cause %q", run.cause)
				}
			}
			if strings.Contains(r.log.String(), "connecting again") {
				t.Error("a failing disk cost the camera its connection")
			}
		})
	}
}

func TestCameraClockThatJumpsStartsANewRun(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{time.Hour, -time.Hour, -3 * time.Second, 20 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			r := record(t, cameratest.Options{Clip: cameratest.CounterH264()}, nil)
			r.until(frames(35))
			r.camera.Jump(by)
			r.until(recordingRun(2))
			runs := r.tape.copy()
			if runs[0].cause != footage.CauseClock || !strings.Contains(runs[0].detail, "jumped") {
				t.Errorf("cause %q, detail %q", runs[0].cause, runs[0].detail)
			}
			r.same(runs[0].units, r.clip)
			r.same(runs[1].units, r.clip)
		})
	}
}

func TestCompareClocks(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		what                        string
		camera, decoded, ours, wall time.Duration
		jumped, set                 bool
	}{
		{"in step", 3600 * s, 3599 * s, 3600 * s, 3600 * s, false, false},
		{"a stalled network", 60 * s, 60 * s, 72 * s, 72 * s, false, false},
		{"what the camera had in store", 4 * s, 4 * s, s / 10, s / 10, false, false},
		{"an hour of NTP slewing within bounds", 1800 * s, 1800 * s, 1800 * s, 1800*s + 900*time.Millisecond, false, false},
		{"camera ahead", 3660 * s, 59 * s, 60 * s, 60 * s, true, false},
		{"camera back", 50 * s, 59 * s, 60 * s, 60 * s, true, false},
		{"camera stands still", 20 * s, 20 * s, 60 * s, 60 * s, true, false},
		{"wall clock set forward", 60 * s, 60 * s, 60 * s, 3660 * s, false, true},
		{"wall clock set back", 60 * s, 60 * s, 60 * s, 58 * s, false, true},
	} {
		if jumped, set := compareClocks(c.camera, c.decoded, c.ours, c.wall); (jumped != "") != c.jumped || (set != "") != c.set {
			t.Errorf("%s: jumped %q, set %q", c.what, jumped, set)
		}
	}
}

func TestChangedParameterSetsStartANewRunAndLoseNothing(t *testing.T) {
	r := record(t, cameratest.Options{Clip: cameratest.CounterH264()}, nil)
	r.until(frames(5))
	other := cameratest.ReorderedH264()
	r.camera.Play(other)
	r.until(recordingRun(2))
	runs := r.tape.copy()
	if runs[0].cause != footage.CauseCamera || !strings.Contains(runs[0].detail, "parameter sets") {
		t.Errorf("cause %q, detail %q", runs[0].cause, runs[0].detail)
	}
	if !bytes.Equal(runs[1].format.SPS, other.SPS) {
		t.Error("the new run has the old SPS")
	}
	r.same(runs[0].units, r.clip)
	r.same(runs[1].units, other)
	if !bytes.Equal(runs[1].units[0].NALs[0], other.Frames[0].NALs[0]) || len(runs[1].units[0].NALs) != len(other.Frames[0].NALs) {
		t.Error("the first frame of the new clip was lost")
	}
}

func TestStopGivesItsCause(t *testing.T) {
	r := record(t, cameratest.Options{Clip: cameratest.CounterH264()}, nil)
	r.until(recordingRun(1))
	r.finish(&Stop{Cause: footage.CauseMandate, Detail: "the mandate lapsed"})
	if run := r.tape.copy()[0]; run.cause != footage.CauseMandate || run.detail != "the mandate lapsed" {
		t.Errorf("cause %q, detail %q", run.cause, run.detail)
	}
	if s := r.session.State(); s.Phase != Gap || s.Cause != footage.CauseMandate {
		t.Errorf("state %+v", s)
	}
}

// lockedBuffer is a bytes.Buffer for many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A camera that encrypts its video within TLS once more is left to gortsplib whole.
func TestRecordsSRTPWithinRTSPS(t *testing.T) {
	camera, trust := certified(t)
	r := record(t, cameratest.Options{Clip: cameratest.CounterH264(), TLS: camera, User: "admin", Password: "geheim/1"}, func(s *Session) { s.Source.TLS = trust })
	r.until(frames(15))
	r.finish(nil)
	runs := r.tape.copy()
	if len(runs) != 1 {
		t.Fatalf("%d runs, want 1", len(runs))
	}
	r.same(runs[0].units, r.clip)
}

func TestCertificateThatIsNotTrustedIsNoCamera(t *testing.T) {
	camera, _ := certified(t)
	r := record(t, cameratest.Options{Clip: cameratest.CounterH264(), TLS: camera}, nil)
	r.until(inGap(footage.CauseCamera, "certificate is not trusted"))
}

// The password goes in Basic to no host but the camera's own, and TLS is never left on the word of a camera.
func TestRedirect(t *testing.T) {
	t.Parallel()
	behind := newFake(t, script{clip: quick(cameratest.CounterH264())})
	basic := newFake(t, script{clip: quick(cameratest.CounterH264()), user: "admin", password: "geheim", basic: true})
	for name, c := range map[string]struct {
		scheme, to string
		told       string
	}{"to another host that wants Basic": {"rtsp", strings.Replace(basic.url(), "127.0.0.1", "localhost", 1), "refuses the user name or password"}, "to RTSP": {"rtsp", behind.url(), ""}, "from RTSPS to RTSP": {"rtsps", behind.url(), "without TLS"}, "in a circle": {"rtsp", "", "without end"}} {
		t.Run(name, func(t *testing.T) {
			s := script{clip: quick(cameratest.CounterH264())}
			s.answer = func(method, text string) string {
				if method == "DESCRIBE" {
					base, _, _ := strings.Cut(text[strings.Index(text, "rtsp://"):], "\n")
					return "RTSP/1.0 302 Moved\nCSeq: 2\nLocation: " + cmp.Or(c.to, base) + "\n\n"
				}
				return text
			}
			var trust *tls.Config
			if c.scheme == "rtsps" {
				s.tls, trust = certified(t)
			}
			r, _ := recordFake(t, s, func(s *Session) { s.Source.TLS, s.Source.User, s.Source.Password = trust, "admin", "geheim" })
			if c.told == "" {
				r.until(frames(20))
				return
			}
			r.until(inGap(footage.CauseCamera, c.told))
			if basic.set(func() {}); basic.logins != 0 {
				t.Error("the password went out to another host")
			}
			if len(r.tape.copy()) != 0 {
				t.Error("TLS was left behind on the word of a camera")
			}
		})
	}
}
