package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// How far clocks may part before a new run starts.
const (
	// Frames arrive at once what a camera had in store when it was asked to play: seldom more than a group of pictures.
	maxAhead = 5 * time.Second
	// Frames arrive late when the network stalls; the time of their taking is then right all the same.
	maxBehind = 15 * time.Second
	// A frame is shown at most this much before one that was sent earlier; B-frames reach back less than a second.
	maxBack = 2 * time.Second
	// NTP turns a clock by 0.5 ms a second: this much in half an hour. More at once is a clock that was set.
	maxClockStep = time.Second
)

// runs cuts what arrives into runs and gives them to the Writer. It belongs to the goroutine that reads the socket, and between connections to
// that of Session.Run.
type runs struct {
	session *Session
	number  uint64 // of the last run

	seen   sets     // parameter sets
	prefix [][]byte // NAL units that came before their slices, marked as an access unit of their own

	open   bool // a run; what follows is its own
	sets   sets
	dts    decodeTimes
	start  time.Time     // arrival of its first frame
	began  time.Duration // Session.Running then
	stamp  uint32        // RTP time of its last frame
	pts    int64         // of its last frame: 90 kHz since start
	last   int64         // decode time of its last frame
	divide string        // why the next key frame starts a new one
	told   footage.Cause // the last cause given to the Writer by gap, until a run starts
	full   bool          // the Writer was, when the last run ended
	tried  backoff       // before a writer that failed is tried again
	tryAt  time.Time
	latest time.Time // arrival of the last picture since connecting
	keys   uint64    // key frames since connecting, whether or not the parameter sets were known
	sound  *hearing  // of the connection; nil where no sound is asked for
}

// connected forgets what belonged to the connection before.
func (r *runs) connected(described sets, sound *soundTrack) {
	r.seen, r.prefix, r.latest, r.keys, r.sound = described, nil, time.Time{}, 0, nil
	if sound != nil {
		r.sound = newHearing(sound, r)
	}
}

// unit takes an access unit; true is a key frame that was, or could be, recorded.
func (r *runs) unit(u unit, arrival time.Time) bool {
	prefix := r.prefix
	r.prefix = nil
	nals := slices.Concat(prefix, u.nals)
	r.seen.see(u.nals)
	picture, key := false, false
	for _, n := range u.nals {
		k := kindOf(r.seen.Codec, n)
		picture, key = picture || k == slice || k == keySlice, key || k == keySlice
	}
	if !picture {
		if len(nals) < maxUnitNALs {
			for _, n := range u.nals {
				prefix = append(prefix, bytes.Clone(n)) // not all of the memory that it was lent in
			}
			r.prefix = prefix // belongs to the picture that follows
		}
		if u.release != nil {
			u.release()
		}
		return false
	}
	if r.latest = arrival; key {
		r.keys++
	}
	if r.sound != nil {
		r.sound.saw(u.stamp, r.session.steady(arrival))
	}
	if r.open {
		r.checkClocks(u.stamp, arrival)
	}
	if r.open && key {
		if !r.seen.equal(r.sets) {
			r.end(footage.CauseCamera, "the camera changed its picture: a new run starts with other parameter sets")
		} else if r.divide != "" {
			r.end(footage.CauseClock, r.divide)
		}
	}
	if !r.open && (!key || !r.seen.complete() || !r.begin(u.stamp, arrival)) {
		if r.full {
			r.session.status.dropped()
		}
		return key && r.seen.complete()
	}
	r.write(nals, u.release, arrival, key)
	return key
}

func (r *runs) begin(stamp uint32, arrival time.Time) bool {
	if wait := r.tryAt.Sub(arrival); 0 < wait && wait <= r.tried.max { // a longer one is a clock that was set back
		return false
	}
	format := footage.Format(r.seen)
	if r.sound != nil {
		format.Sound = &r.sound.track.format
		r.sound.began()
	}
	err := r.session.Writer.StartRun(format, arrival)
	if r.full = errors.Is(err, footage.ErrSlow); r.full {
		return false
	}
	r.number++
	r.told = ""
	r.open, r.sets, r.start, r.stamp, r.pts, r.last, r.divide = true, r.seen, arrival, stamp, 0, -1, ""
	if r.session.Running != nil {
		r.began = r.session.Running()
	}
	r.dts.reset(r.sets)
	if err != nil {
		r.fail(arrival, "starting a run failed", err)
	}
	return err == nil
}

// checkClocks ends the run at once when the camera's time can no longer be followed, and at the next key frame when the wall clock was set.
func (r *runs) checkClocks(stamp uint32, arrival time.Time) {
	r.pts += int64(int32(stamp - r.stamp))
	r.stamp = stamp
	ours := arrival.Sub(r.start)
	if r.session.Running != nil {
		ours = r.session.Running() - r.began
	}
	wall := arrival.Round(0).Sub(r.start.Round(0))
	jumped, set := compareClocks(ticks(r.pts), ticks(r.last), ours, wall)
	if jumped != "" {
		r.end(footage.CauseClock, jumped)
	} else if set != "" {
		r.divide = set
	}
}

func ticks(t int64) time.Duration { return time.Duration(t) * (time.Second / 10000) / 9 }

// compareClocks compares what has passed since the start of the run by four clocks: that of the camera, the same up to the last frame in
// decoding order, our monotonic and our wall clock. It says that the camera's time jumped, or that ours was set, or nothing.
func compareClocks(camera, decoded, ours, wall time.Duration) (jumped, set string) {
	switch {
	case camera-ours > maxAhead, ours-camera > maxBehind, decoded-camera > maxBack:
		return fmt.Sprintf("the camera's time jumped: in this run %s have passed there, and %s here", camera.Round(time.Millisecond), ours.Round(time.Millisecond)), ""
	case (wall - ours).Abs() > maxClockStep:
		return "", fmt.Sprintf("this recorder's clock was set by %s", (wall - ours).Round(time.Millisecond))
	}
	return "", ""
}

func (r *runs) write(nals [][]byte, release func(), arrival time.Time, key bool) {
	// Decode times rise with each frame, also where the extractor knows none or the camera repeats itself.
	r.last = max(r.dts.of(nals, r.pts, key), r.last+1)
	err := r.session.Writer.Write(footage.AccessUnit{NALs: nals, PTS: r.pts, DTS: r.last, Arrival: arrival, Key: key, Release: release})
	switch {
	case err == nil:
		r.session.status.recording()
	case errors.Is(err, footage.ErrSlow):
		r.full = true
		r.session.status.dropped()
		r.end(footage.CauseDisk, "the disk is too slow: the queue is full, and frames are dropped up to a next key frame")
	default:
		r.fail(arrival, "writing a frame failed", err)
	}
}

// fail ends a run that the Writer failed. The next one waits, longer each time.
func (r *runs) fail(now time.Time, doing string, err error) {
	r.end(footage.CauseDisk, fmt.Sprintf("%s: %v", doing, err))
	if now.Sub(r.start) > r.tried.max {
		r.tried.reset()
	}
	r.tryAt = now.Add(r.tried.next())
}

// end ends the open run, if there is one.
func (r *runs) end(cause footage.Cause, detail string) {
	if !r.open {
		return
	}
	r.open = false
	r.tell(cause, detail)
	r.session.status.gap(cause, detail)
}

func (r *runs) tell(cause footage.Cause, detail string) {
	if err := r.session.Writer.EndRun(cause, detail); err != nil {
		r.session.Log.Error("the end of a run was not recorded", "cause", cause, "detail", detail, "error", err)
	}
}

// gap says why there is nothing: it ends the open run, and where none was open tells the Writer, so that a camera that never came up is a gap too
// (invariant 8). The same cause again is not news.
func (r *runs) gap(cause footage.Cause, detail string) {
	switch {
	case r.open:
		r.end(cause, detail)
	case r.told != cause:
		r.tell(cause, detail)
	}
	r.told = cause
}

// decodeTimes finds when a frame must be decoded, which RTP does not say: it is no later than when it is shown, and rises.
type decodeTimes struct {
	sets    sets
	extract func([][]byte, int64) (int64, error)
	lost    bool // the extractor, until the next key frame
}

func (d *decodeTimes) reset(s sets) {
	d.sets, d.lost = s, false
	if s.Codec == footage.H265 {
		e := &h265.DTSExtractor{}
		e.Initialize()
		d.extract = e.Extract
		return
	}
	e := &h264.DTSExtractor{}
	e.Initialize()
	d.extract = e.Extract
}

// of is the decode time of a frame; that of its showing when the stream's order cannot be told.
func (d *decodeTimes) of(nals [][]byte, pts int64, key bool) int64 {
	if key && d.lost {
		d.reset(d.sets)
	}
	if d.lost {
		return pts
	}
	// The extractor must know the parameter sets, and keeps those it is shown: ours, not those in memory that is lent to one access unit.
	var shown [][]byte
	if key {
		shown = d.sets.list()
	}
	for _, n := range nals {
		if k := kindOf(d.sets.Codec, n); k == slice || k == keySlice {
			shown = append(shown, n)
		}
	}
	dts, err := d.extract(shown, pts)
	if err != nil {
		d.lost = true
		return pts
	}
	return dts
}
