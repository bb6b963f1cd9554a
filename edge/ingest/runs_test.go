package ingest

import (
	"slices"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
)

// receiver is runs without a camera, to look at what a Writer is given.
func receiver(t *testing.T) *runs {
	t.Helper()
	s := &Session{Source: Source{Camera: "c", Stream: "main", URL: "rtsp://127.0.0.1/"}, Writer: &tape{}, Now: time.Now}
	if _, err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	s.status.begin(s)
	r := &runs{session: s, tried: backoff{min: time.Second, max: time.Minute}}
	r.connected(sets{Codec: footage.H264}, nil)
	return r
}

func (r *runs) taken() (starts int, frames []footage.AccessUnit) {
	for _, run := range r.session.Writer.(*tape).copy() {
		starts++
		frames = append(frames, run.units...)
	}
	return starts, frames
}

func TestParameterSetsMarkedAsAFrameOfTheirOwnGoWithTheNext(t *testing.T) {
	r, clip, now := receiver(t), cameratest.CounterH264(), time.Now()
	for i, f := range clip.Frames[:12] {
		at := now.Add(time.Duration(i) * 100 * time.Millisecond)
		for _, n := range f.NALs { // each with a marker, as some cameras send them
			r.unit(unit{nals: [][]byte{n}, stamp: uint32(f.PTS)}, at)
		}
	}
	starts, frames := r.taken()
	if starts != 1 || len(frames) != 12 {
		t.Fatalf("%d runs, %d frames; want 1 and 12", starts, len(frames))
	}
	for i, u := range frames {
		if !slices.EqualFunc(u.NALs, clip.Frames[i].NALs, slices.Equal) {
			t.Errorf("frame %d: %d NAL units, want %d in the camera's order", i, len(u.NALs), len(clip.Frames[i].NALs))
		}
	}
}

func TestRunWaitsForParameterSets(t *testing.T) {
	r, clip, now := receiver(t), cameratest.CounterH264(), time.Now()
	bare := func(f cameratest.Frame) unit {
		return unit{nals: f.NALs[len(f.NALs)-1:], stamp: uint32(f.PTS)}
	}
	for _, f := range clip.Frames[:20] { // two key frames without
		if r.unit(bare(f), now) {
			t.Error("a key frame that cannot be decoded counts as one")
		}
	}
	if starts, _ := r.taken(); starts != 0 {
		t.Error("a run started without parameter sets")
	}
	if f := clip.Frames[20]; !r.unit(unit{nals: f.NALs, stamp: uint32(f.PTS)}, now) {
		t.Error("a key frame with parameter sets does not count")
	}
	if f := clip.Frames[30]; !r.unit(bare(f), now.Add(time.Second)) {
		t.Error("parameter sets are forgotten after their key frame")
	}
	if starts, frames := r.taken(); starts != 1 || len(frames) != 2 {
		t.Errorf("%d runs, %d frames; want 1 and 2", starts, len(frames))
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	b := backoff{min: time.Second, max: 30 * time.Second}
	for i := range 100 {
		want := min(b.max, b.min<<min(i, 10))
		if d := b.next(); d < want/2 || d > want {
			t.Errorf("pause %d is %s, want between %s and %s", i, d, want/2, want)
		}
	}
}
