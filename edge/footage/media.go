package footage

import (
	"bytes"
	"time"
)

// Codec is a video codec this recorder can carry unchanged into fMP4.
type Codec string

const (
	H264 Codec = "h264"
	H265 Codec = "h265"
)

// Format is what must be known of a stream before its first frame can be written. A change of any of it starts a new run.
type Format struct {
	Codec Codec
	VPS   []byte // H.265 only
	SPS   []byte
	PPS   []byte
	Sound *SoundFormat // nil: pictures alone
}

// SoundCodec is a sound codec this recorder can carry unchanged into fMP4.
type SoundCodec string

const (
	AAC  SoundCodec = "aac"
	Opus SoundCodec = "opus"
)

// SoundFormat is what must be known of sound before its first frame can be written.
type SoundFormat struct {
	Codec    SoundCodec
	Rate     int    // of the clock that Sound.Time counts, in Hz; that of Opus is 48000
	Channels int    // Opus: 1 or 2
	Config   []byte // AAC: its AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1)
}

// equal tells whether two formats are one; nil is no sound.
func (f *SoundFormat) equal(o *SoundFormat) bool {
	if f == nil || o == nil {
		return f == o
	}
	return f.Codec == o.Codec && f.Rate == o.Rate && f.Channels == o.Channels && bytes.Equal(f.Config, o.Config)
}

// Sound is one frame of sound as the camera coded it. The receiver keeps Data.
type Sound struct {
	Data   []byte
	Time   int64 // since the start of the run, in 1/Rate s; a frame starts no earlier than the one before it ended
	Length int64 // in 1/Rate s
}

// AccessUnit is one frame as the camera coded it. NAL units are without start codes or lengths, in the camera's order, SEI kept;
// nothing is ever re-encoded. The receiver of an AccessUnit may keep NALs until it calls Release: the sender does not touch them before that.
type AccessUnit struct {
	NALs    [][]byte
	PTS     int64     // presentation time, 90 kHz, since the start of the run
	DTS     int64     // decode time, 90 kHz, since the start of the run; never goes back within a run
	Arrival time.Time // wall clock and monotonic reading when its last packet was read; within a run that may be 200 ms after it arrived
	Key     bool      // a random access point: a segment may start here
	Release func()    // if not nil: gives the memory of NALs back, for other frames. At most once, by the receiver, who may also never call it
}

// Cause is why there is no footage (invariant 8). It is journalled with the gap.
type Cause string

const (
	CauseCamera   Cause = "camera"   // the camera is there and does not deliver: refuses, sends no key frame, changes codec to one we cannot carry
	CauseNetwork  Cause = "network"  // the camera cannot be reached, or the session broke
	CauseRecorder Cause = "recorder" // the recorder was down or restarting
	CauseMandate  Cause = "mandate"  // no valid mandate: recording is not allowed
	CauseDisk     Cause = "disk"     // the disk is too slow, full or gone
	CauseMissing  Cause = "missing"  // it was recorded, on a disk that is not there now. Never in the journal: the disk may come back
	CauseClock    Cause = "clock"    // the clock jumped; a new run was started
	CauseErased   Cause = "erased"   // it was recorded, and destroyed before its window by an order: it was unlawful
)
