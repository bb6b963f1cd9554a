package cameratest

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4"
)

// The clips are made by clips/make.sh.
var (
	//go:embed clips/square.mp4
	square []byte
	//go:embed clips/hall.mp4
	hall []byte
	//go:embed clips/quay.mp4
	quay []byte
	//go:embed clips/reordered.mp4
	reordered []byte
	//go:embed clips/flash.mp4
	flash []byte
	//go:embed clips/beep-aac.mp4
	beepAAC []byte
	//go:embed clips/beep-opus.mp4
	beepOpus []byte
)

// Clip is what a camera sees, for ever again. Its frames must not be changed.
type Clip struct {
	Name   string
	Codec  string // "h264" or "h265"
	VPS    []byte // H.265 only
	SPS    []byte
	PPS    []byte
	Frames []Frame
	Length int64 // of the clip, 90 kHz
}

// Frame is one access unit. Its NAL units are without start codes; a key frame carries the parameter sets before its slices, as cameras
// send them.
type Frame struct {
	NALs [][]byte
	DTS  int64 // when the camera sends it: 90 kHz, from the start of the clip
	PTS  int64 // the time it bears: 90 kHz, the first key frame's is zero
	Key  bool
}

// CounterH264 is a square with people who cross it: 640x360, ten frames a second, a key frame every second, ten seconds, a frame
// counter in the picture.
func CounterH264() Clip { return load("plein-noord", square) }

// CounterH265 is a hall, as CounterH264 in H.265.
func CounterH265() Clip { return load("stadhuis-hal", hall) }

// QuayH264 is water and a boat, as CounterH264.
func QuayH264() Clip { return load("kade-oost", quay) }

// ReorderedH264 is three seconds with B-frames: presentation and decode order differ.
func ReorderedH264() Clip { return load("reordered", reordered) }

// FlashH264 is a dark picture that flashes white for a tenth of a second each two seconds, from the first on: 160x96, 25 frames a second, a key frame every second, eight seconds.
func FlashH264() Clip { return load("flits", flash) }

// Sound is what a camera hears, for ever again. Its frames must not be changed.
type Sound struct {
	Codec    string // "aac" or "opus"
	Rate     int    // of its RTP clock, in Hz
	Channels int
	Config   []byte // AAC: its AudioSpecificConfig
	Frames   [][]byte
	Length   int // of each frame, by that clock
}

// BeepAAC is silence with a beep of a tenth of a second each two seconds, from the first on, the moments at which FlashH264 flashes: AAC-LC, mono, 16 kHz, eight seconds.
func BeepAAC() *Sound {
	// Its first frame only primes the decoder.
	return loadSound("beep-aac", beepAAC, 1024, 1, 125)
}

// BeepOpus is BeepAAC in Opus.
func BeepOpus() *Sound { return loadSound("beep-opus", beepOpus, 960, 0, 400) }

// loadSound takes so many frames from one on out of an fMP4.
func loadSound(name string, file []byte, length, first, count int) *Sound {
	s := &Sound{Length: length}
	var init fmp4.Init
	err := init.Unmarshal(bytes.NewReader(file))
	var parts fmp4.Parts
	if err == nil {
		err = parts.Unmarshal(file)
	}
	if err == nil {
		s.Rate = int(init.Tracks[0].TimeScale)
		switch codec := init.Tracks[0].Codec.(type) {
		case *mp4.CodecMPEG4Audio:
			s.Codec, s.Channels = "aac", codec.Config.ChannelCount
			s.Config, err = codec.Config.Marshal()
		case *mp4.CodecOpus:
			s.Codec, s.Channels = "opus", codec.ChannelCount
		default:
			err = fmt.Errorf("codec %T", codec)
		}
	}
	for _, part := range parts {
		for _, sample := range part.Tracks[0].Samples {
			s.Frames = append(s.Frames, sample.Payload)
		}
	}
	if err == nil && len(s.Frames) < first+count {
		err = fmt.Errorf("%d frames, want %d", len(s.Frames), first+count)
	}
	if err != nil {
		panic(fmt.Sprintf("cameratest: sound %s: %v; remake it with clips/make.sh", name, err))
	}
	s.Frames = s.Frames[first : first+count]
	return s
}

// load takes a clip out of its fMP4. The files are part of the program, so what is wrong with one is a mistake in it.
func load(name string, file []byte) Clip {
	c, err := parse(name, file)
	if err != nil {
		panic(fmt.Sprintf("cameratest: clip %s: %v; remake it with clips/make.sh", name, err))
	}
	return c
}

func parse(name string, file []byte) (Clip, error) {
	c := Clip{Name: name}
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader(file)); err != nil {
		return c, err
	}
	if len(init.Tracks) != 1 || init.Tracks[0].TimeScale == 0 {
		return c, fmt.Errorf("%d tracks, want one", len(init.Tracks))
	}
	var sets [][]byte
	key := h264.IsRandomAccess // the flags in the file stand in places that mediacommon does not read
	switch codec := init.Tracks[0].Codec.(type) {
	case *mp4.CodecH264:
		c.Codec, c.SPS, c.PPS = "h264", codec.SPS, codec.PPS
		sets = [][]byte{c.SPS, c.PPS}
	case *mp4.CodecH265:
		c.Codec, c.VPS, c.SPS, c.PPS = "h265", codec.VPS, codec.SPS, codec.PPS
		sets, key = [][]byte{c.VPS, c.SPS, c.PPS}, h265.IsRandomAccess
	default:
		return c, fmt.Errorf("codec %T", codec)
	}
	var parts fmp4.Parts
	if err := parts.Unmarshal(file); err != nil {
		return c, err
	}
	scale := func(t int64) int64 { return t * 90000 / int64(init.Tracks[0].TimeScale) }
	var first, end int64
	for _, part := range parts {
		for _, track := range part.Tracks {
			t := int64(track.BaseTime)
			for _, s := range track.Samples {
				var nals h264.AVCC // H.265 frames stand in MP4 the same way
				if err := nals.Unmarshal(s.Payload); err != nil {
					return c, err
				}
				f := Frame{NALs: nals, DTS: scale(t), PTS: scale(t + int64(s.PTSOffset)), Key: key(nals)}
				if f.Key {
					f.NALs = slices.Concat(sets, nals)
				}
				if len(c.Frames) == 0 {
					first = f.PTS
				}
				// The first picture is shown at zero, so that one round of the clip fits the next.
				f.PTS -= first
				c.Frames = append(c.Frames, f)
				t += int64(s.Duration)
				end = max(end, t)
			}
		}
	}
	if len(c.Frames) == 0 || !c.Frames[0].Key {
		return c, fmt.Errorf("does not start with a key frame")
	}
	c.Length = scale(end)
	return c, nil
}
