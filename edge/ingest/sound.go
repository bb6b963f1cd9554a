package ingest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpfragmented"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/pion/rtp"
)

// soundTrack is a track of sound that fMP4 carries unchanged, as a description offers it: AAC by RFC 3640 or, with its parameters in the description, RFC 6416 (LATM); or Opus by RFC 7587.
type soundTrack struct {
	name    string // in words for people
	payload byte
	format  footage.SoundFormat

	samples int64                       // AAC: in a frame, at rate
	rate    int64                       // AAC: of its core, in Hz
	widths  [3]int                      // RFC 3640: bits of an access unit's size, index and index-delta
	mux     *mpeg4audio.StreamMuxConfig // RFC 6416
}

// soundIn finds in a medium of a description the first payload type that can be recorded; nil is none.
func soundIn(block []string) *soundTrack {
	fields := strings.Fields(block[0])
	if !strings.HasPrefix(block[0], "m=audio ") || len(fields) < 4 || strings.Contains(fields[2], "SAVP") {
		return nil
	}
	for _, line := range block {
		if control, ok := strings.CutPrefix(line, "a=control:"); ok {
			if _, err := url.Parse(control); err != nil {
				return nil
			}
		}
	}
	for _, payload := range payloads(block) {
		if payload < 96 {
			continue // neither has a number of its own
		}
		coding, parameters := "", map[string]string{}
		for _, line := range block {
			if rest, ok := strings.CutPrefix(line, fmt.Sprintf("a=rtpmap:%d ", payload)); ok {
				coding = strings.TrimSpace(rest)
			}
			if rest, ok := strings.CutPrefix(line, fmt.Sprintf("a=fmtp:%d ", payload)); ok {
				for field := range strings.SplitSeq(rest, ";") {
					name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
					parameters[strings.ToLower(name)] = strings.TrimSpace(value)
				}
			}
		}
		if t, err := newSoundTrack(coding, parameters); err == nil {
			t.payload = byte(payload)
			return t
		}
	}
	return nil
}

// newSoundTrack reads a coding ("mpeg4-generic/16000/1") and its parameters.
func newSoundTrack(coding string, parameters map[string]string) (*soundTrack, error) {
	name, rest, _ := strings.Cut(coding, "/")
	clock, _, _ := strings.Cut(rest, "/")
	rate, err := strconv.Atoi(clock)
	if err != nil || rate < 4000 || rate > 192000 {
		return nil, fmt.Errorf("coding %q: no clock that can be followed", coding)
	}
	number := func(field string) int {
		n, err := strconv.Atoi(parameters[field])
		if err != nil || n < 0 || n > 32 {
			return 0
		}
		return n
	}
	switch strings.ToUpper(name) {
	case "OPUS":
		channels := 1 // a stream of Opus decodes as one or two, whatever it was made of (RFC 7587 section 7)
		if parameters["sprop-stereo"] == "1" {
			channels = 2
		}
		if rate != 48000 {
			return nil, errors.New("Opus counts 48000 a second")
		}
		return &soundTrack{name: "Opus", format: footage.SoundFormat{Codec: footage.Opus, Rate: rate, Channels: channels}}, nil

	case "MPEG4-GENERIC":
		config, err := hex.DecodeString(parameters["config"])
		if err != nil {
			return nil, err
		}
		t := &soundTrack{widths: [3]int{number("sizelength"), number("indexlength"), number("indexdeltalength")}}
		if t.widths[0] == 0 || !strings.EqualFold(strings.ReplaceAll(parameters["mode"], "_", "-"), "aac-hbr") && parameters["mode"] != "" {
			return nil, errors.New("AAC in another mode than AAC-hbr")
		}
		var c mpeg4audio.AudioSpecificConfig
		if err := c.Unmarshal(config); err != nil {
			return nil, err
		}
		return t, t.aac(c, rate)

	case "MP4A-LATM":
		config, err := hex.DecodeString(parameters["config"])
		if err != nil || parameters["cpresent"] != "0" {
			return nil, errors.New("LATM with its parameters in band")
		}
		t := &soundTrack{mux: &mpeg4audio.StreamMuxConfig{}}
		if err := t.mux.Unmarshal(config); err != nil {
			return nil, err
		}
		if len(t.mux.Programs) != 1 || len(t.mux.Programs[0].Layers) != 1 || t.mux.Programs[0].Layers[0].AudioSpecificConfig == nil || t.mux.OtherDataPresent {
			return nil, errors.New("LATM with more than one layer")
		}
		return t, t.aac(*t.mux.Programs[0].Layers[0].AudioSpecificConfig, rate)
	}
	return nil, fmt.Errorf("coding %q: neither AAC nor Opus", coding)
}

func (t *soundTrack) aac(c mpeg4audio.AudioSpecificConfig, rate int) error {
	config, err := c.Marshal()
	if err != nil {
		return err
	}
	if t.samples, t.rate = 1024, int64(c.SampleRate); c.FrameLengthFlag {
		t.samples = 960
	}
	if t.rate < 4000 || t.rate > 192000 || c.ChannelCount == 0 {
		return errors.New("AAC whose rate or channels stand elsewhere than in its parameters")
	}
	t.name, t.format = "AAC", footage.SoundFormat{Codec: footage.AAC, Rate: rate, Channels: c.ChannelCount, Config: config}
	return nil
}

// described is the track in a description, in a form that nothing can be held against: gortsplib sets it up and gets none of its packets.
func (t *soundTrack) described(block []string) []string {
	lines := []string{fmt.Sprintf("m=audio 0 RTP/AVP %d", t.payload), fmt.Sprintf("a=rtpmap:%d SOUND/%d", t.payload, t.format.Rate)}
	for _, line := range block {
		if strings.HasPrefix(line, "a=control:") {
			return append(lines, line)
		}
	}
	return lines
}

// maxSound bounds a frame of sound, in bytes: AAC has 768 a channel, Opus 1275 for each of at most 48 frames in a packet.
const maxSound = 64 << 10

// heardFrame is a frame of sound as it came over the wire.
type heardFrame struct {
	data   []byte // its own
	stamp  uint32 // RTP time, by the track's clock
	length int64
	after  bool // something before it was lost
}

// unpacker makes frames of sound of RTP packets. What it cannot read it drops, and counts.
type unpacker struct {
	track *soundTrack
	aac   rtpmpeg4audio.Decoder
	latm  rtpfragmented.Decoder
	lost  uint64

	begun    bool
	sequence uint16
	hole     bool // something is missing before the next frame
}

func newUnpacker(t *soundTrack) *unpacker {
	return &unpacker{track: t, aac: rtpmpeg4audio.Decoder{SizeLength: t.widths[0], IndexLength: t.widths[1], IndexDeltaLength: t.widths[2]}}
}

func (u *unpacker) push(p *rtp.Packet, emit func(heardFrame)) {
	if p.PayloadType != u.track.payload {
		return
	}
	if u.begun && p.SequenceNumber != u.sequence+1 {
		u.hole = true
		u.lost++
	}
	u.begun, u.sequence = true, p.SequenceNumber
	if len(p.Payload) == 0 {
		return // padding, or what a camera sends in silence
	}
	own := *p
	own.Payload = append([]byte(nil), p.Payload...) // the decoders keep parts, and the packet's memory is lent
	frames, err := u.frames(&own)
	if err != nil {
		if !errors.Is(err, rtpmpeg4audio.ErrMorePacketsNeeded) && !errors.Is(err, rtpfragmented.ErrMorePacketsNeeded) {
			u.hole = true
			u.lost++
		}
		return
	}
	stamp := p.Timestamp
	for _, f := range frames {
		length := u.length(f)
		if len(f) == 0 || len(f) > maxSound || length <= 0 {
			u.hole = true
			u.lost++
			continue
		}
		emit(heardFrame{data: f, stamp: stamp, length: length, after: u.hole})
		stamp += uint32(length)
		u.hole = false
	}
}

func (u *unpacker) frames(p *rtp.Packet) ([][]byte, error) {
	switch {
	case u.track.format.Codec == footage.Opus:
		return [][]byte{p.Payload}, nil
	case u.track.mux == nil:
		return u.aac.Decode(p)
	}
	whole, err := u.latm.Decode(p)
	if err != nil {
		return nil, err
	}
	e := mpeg4audio.AudioMuxElement{StreamMuxConfig: u.track.mux}
	if err := e.Unmarshal(whole); err != nil {
		return nil, err
	}
	var frames [][]byte
	for _, sub := range e.Payloads {
		frames = append(frames, sub[0][0])
	}
	return frames, nil
}

// length of a frame, by the track's clock.
func (u *unpacker) length(frame []byte) int64 {
	if u.track.format.Codec == footage.Opus {
		if n := opus.PacketDuration2(frame); n <= 5760 { // 120 ms (RFC 6716 section 2.1.4)
			return n
		}
		return 0
	}
	return u.track.samples * int64(u.track.format.Rate) / u.track.rate
}
