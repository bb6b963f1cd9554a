package ingest

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/pion/rtp"
)

// hearing puts the sound of one connection beside its pictures, on the one timeline of the run. Both bear RTP times of clocks that began anywhere. How they lie beside each other is known
//
//	from sender reports of both, which give each by the camera's own clock           exactly
//	else from RTP-Info, which names the RTP times at which both began to play        exactly, then; how far they part since is seen from their coming
//	else from when they came here: what is earliest came with the least delay        within some tens of milliseconds
//
// A camera that tells nonsense is not believed: the first two must agree with the third within [maxSkew]. Sound that comes too far from the pictures of its time is dropped, and its clock
// looked at anew; frames that follow each other without a hole are put end to end, whatever small steps their times make. Nothing here touches a picture.
//
// Its arrivals are steady (see [Session.steady]). It belongs to the goroutine that reads the socket, but for info.
type hearing struct {
	track    *soundTrack
	unpack   *unpacker
	runs     *runs
	picture  clock
	sound    clock
	info     atomic.Pointer[played] // what the camera answered to PLAY
	informed bool

	settled bool
	exact   bool
	parted  *time.Duration // what was guessed when there was enough to guess from, with RTP-Info
	offset  time.Duration  // from the zero of the picture's clock to that of the sound's
	pending []placed       // heard before that was known

	zero int64 // of the run, by the picture's clock
	seen int64 // the newest picture, by its own clock
	next int64 // end of what was written of the run, by the sound's clock
	off  int   // frames in a row that came too far from their pictures
}

const (
	// maxSkew is how far sender reports and RTP-Info may be from what is seen here.
	maxSkew = 2 * time.Second
	// settling is how long both are listened to before their coming is taken for their place. Pictures wait as long for sound, see edge/footage.
	settling = 300 * time.Millisecond
	// reportAge is how long a sender report counts: their clocks part slowly.
	reportAge = 2 * time.Minute
	// maxApart is how far sound may come from the pictures of its time.
	maxApart = 1500 * time.Millisecond
	// From these on the sound is moved: by what is known exactly, and by what is guessed.
	exactStep, guessedStep = 10 * time.Millisecond, 80 * time.Millisecond
	// jitter is how far the times of frames that follow each other may be off.
	jitter = 20 * time.Millisecond
	// maxUnplaced bounds frames that wait for their place.
	maxUnplaced = 256
)

// placed is a frame of sound, by its own clock.
type placed struct {
	heardFrame
	at int64
}

// played are the RTP times at which both tracks began to play.
type played struct{ picture, sound uint32 }

// clock follows the RTP time of one track over its wraps.
type clock struct {
	rate    int64
	begun   bool
	stamp   uint32
	elapsed int64 // at stamp, since its first packet
	arrival time.Time

	report, start *mark // by the camera's clock: of the last sender report, and of RTP-Info

	// When its zero was, by what came with the least delay of this stretch of time and the one before.
	stretch         time.Time
	earliest, least time.Time
}

// mark says when, by the camera's clock, a track was where.
type mark struct {
	when time.Time
	at   int64     // elapsed
	here time.Time // when it came
}

func (c *clock) length(ticks int64) time.Duration {
	return time.Duration(ticks/c.rate)*time.Second + time.Duration(ticks%c.rate)*time.Second/time.Duration(c.rate)
}

func (c *clock) ticks(d time.Duration) int64 {
	return int64(d/time.Second)*c.rate + int64(d%time.Second)*c.rate/int64(time.Second)
}

// follow takes the time of a frame that lasts so long: it cannot come before it is over. False is a clock that jumped: all that was known of it is forgotten.
func (c *clock) follow(stamp uint32, length time.Duration, arrival time.Time) bool {
	const stretch = 10 * time.Second
	step := int64(int32(stamp - c.stamp))
	same := true
	if c.begun {
		if passed := arrival.Sub(c.arrival); c.length(step) > passed+maxSkew || c.length(step) < -maxSkew {
			c.forget()
			same = false
		}
	}
	if !c.begun {
		c.begun, step = true, 0
	}
	c.stamp, c.elapsed, c.arrival = stamp, c.elapsed+step, arrival
	zero := arrival.Add(-c.length(c.elapsed) - length)
	if c.stretch.IsZero() || arrival.Sub(c.stretch) > stretch {
		c.stretch, c.least, c.earliest = arrival, c.earliest, zero
	}
	if zero.Before(c.earliest) {
		c.earliest = zero
	}
	return same
}

// forget forgets what is known of how the clock lies beside the other.
func (c *clock) forget() {
	c.report, c.start = nil, nil
	c.stretch, c.earliest, c.least = time.Time{}, time.Time{}, time.Time{}
}

// mark notes that it was at an RTP time at a moment of the camera's.
func (c *clock) mark(when time.Time, stamp uint32, here time.Time) *mark {
	return &mark{when: when, at: c.elapsed + int64(int32(stamp-c.stamp)), here: here}
}

// young tells whether it was heard of too shortly to guess from.
func (c *clock) young(now time.Time) bool { return c.least.IsZero() && now.Sub(c.stretch) < settling }

// came is when its zero came here, or would have.
func (c *clock) came() time.Time {
	if !c.least.IsZero() && c.least.Before(c.earliest) {
		return c.least
	}
	return c.earliest
}

// zeroBy is when its zero was, by the camera's clock.
func (c *clock) zeroBy(m *mark) time.Time {
	return m.when.Add(-c.length(m.at))
}

func newHearing(t *soundTrack, runs *runs) *hearing {
	return &hearing{track: t, unpack: newUnpacker(t), runs: runs, picture: clock{rate: 90000}, sound: clock{rate: int64(t.format.Rate)}}
}

// saw is told of each access unit of the pictures, before the run is.
func (h *hearing) saw(stamp uint32, arrival time.Time) {
	if !h.picture.follow(stamp, 0, arrival) {
		h.settled = false
	}
	h.seen = h.picture.elapsed
}

// began is told that a run begins with the access unit that was seen last.
func (h *hearing) began() { h.zero, h.next, h.off = h.picture.elapsed, 0, 0 }

// reported is told of a sender report.
func (h *hearing) reported(sound bool, when time.Time, stamp uint32, now time.Time) {
	c := &h.picture
	if sound {
		c = &h.sound
	}
	if !when.IsZero() && c.begun {
		c.report = c.mark(when, stamp, now)
	}
}

// heard takes an RTP packet of the sound.
func (h *hearing) heard(p *rtp.Packet, arrival time.Time) {
	h.unpack.push(p, func(f heardFrame) {
		if !h.sound.follow(f.stamp, h.sound.length(f.length), arrival) {
			h.settled, h.pending = false, nil
		}
		h.pending = append(h.pending, placed{f, h.sound.elapsed})
		if !h.place(arrival) {
			if len(h.pending) > maxUnplaced {
				h.pending = h.pending[1:]
			}
			return
		}
		for _, f := range h.pending {
			h.write(f)
		}
		h.pending = h.pending[:0]
	})
}

// place finds how the clocks lie beside each other; false is not yet.
func (h *hearing) place(now time.Time) bool {
	if !h.picture.begun {
		return false
	}
	if info := h.info.Load(); info != nil && !h.informed {
		h.informed = true
		// The same moment for both: that is all it says.
		h.picture.start, h.sound.start, h.parted = h.picture.mark(now, info.picture, now), h.sound.mark(now, info.sound, now), nil
	}
	guess := h.sound.came().Sub(h.picture.came())
	told := func(picture, sound *mark) (time.Duration, bool) {
		if picture == nil || sound == nil {
			return 0, false
		}
		d := h.sound.zeroBy(sound).Sub(h.picture.zeroBy(picture))
		return d, (d - guess).Abs() <= maxSkew
	}
	offset, least, exact := guess, guessedStep, false
	if d, ok := told(h.picture.report, h.sound.report); ok && now.Sub(h.picture.report.here) < reportAge && now.Sub(h.sound.report.here) < reportAge {
		offset, least, exact = d, exactStep, true
	} else if d, ok := told(h.picture.start, h.sound.start); ok {
		if h.parted == nil && !h.picture.least.IsZero() && !h.sound.least.IsZero() {
			h.parted = &guess
		}
		if offset, exact = d, true; h.parted != nil {
			offset += guess - *h.parted
		}
	}
	switch {
	case !h.settled && !exact && (h.picture.young(now) || h.sound.young(now)):
		return false
	case !h.settled, (offset - h.offset).Abs() > least, exact && !h.exact:
		h.offset = offset
	}
	h.settled, h.exact = true, exact
	return true
}

// write puts a frame in the open run, in its place.
func (h *hearing) write(f placed) {
	if !h.runs.open {
		return
	}
	at := f.at + h.sound.ticks(h.offset-h.picture.length(h.zero))
	if apart := h.sound.length(at) - h.picture.length(h.seen-h.zero); apart.Abs() > maxApart {
		if h.off++; h.sound.length(int64(h.off)*f.length) > time.Second {
			h.sound.forget()
			h.settled, h.off = false, 0
		}
		return
	}
	h.off = 0
	if early := at - h.next; early < 0 && -early <= h.sound.ticks(jitter) || early > 0 && early <= h.sound.ticks(jitter) && !f.after && h.next > 0 {
		at = h.next
	}
	if at < h.next || at < 0 {
		return
	}
	if err := h.runs.session.Writer.WriteSound(footage.Sound{Data: f.data, Time: at, Length: f.length}); err != nil {
		h.runs.session.Log.Debug("sound dropped", "error", err)
		return
	}
	h.next = at + f.length
	h.runs.session.status.heard(h.runs.session.Now())
}

// playedOf reads RTP-Info (RFC 2326 section 12.33); nil is nothing that can be used. Its addresses end as those of the tracks do.
func playedOf(value, picture, sound string) *played {
	var p played
	var found [2]bool
	for entry := range strings.SplitSeq(value, ",") {
		address, stamp, given := "", uint32(0), false
		for field := range strings.SplitSeq(entry, ";") {
			name, v, _ := strings.Cut(strings.TrimSpace(field), "=")
			switch strings.ToLower(name) {
			case "url":
				address = strings.Trim(v, `"`)
			case "rtptime":
				stamp, given = parseStamp(v)
			}
		}
		switch {
		case !given:
		case sameTrack(address, picture):
			p.picture, found[0] = stamp, true
		case sameTrack(address, sound):
			p.sound, found[1] = stamp, true
		}
	}
	if !found[0] || !found[1] {
		return nil
	}
	return &p
}

func parseStamp(v string) (uint32, bool) {
	n, err := strconv.ParseUint(v, 10, 32)
	return uint32(n), err == nil
}

// sameTrack tells whether an address is a track's: the whole of it, or its end.
func sameTrack(address, control string) bool {
	at := strings.TrimSuffix(address, "/")
	control = strings.TrimSuffix(control, "/")
	return control != "" && (at == control || strings.HasSuffix(at, "/"+strings.TrimPrefix(control, "/")))
}
