package footage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

// timescale is that of RTP video: everything in a run is timed in 1/90000 s.
const timescale = 90000

// maxFragment bounds what recovery takes for one fragment, in bytes: a second of any camera is far smaller.
const maxFragment = 256 << 20

// Tracks of a run: pictures first, and sound where it is recorded.
const (
	pictureTrack = 1
	soundTrack   = 2
)

// initOf makes the fMP4 init of a run; it fails on parameters that nothing could play.
func initOf(f Format) ([]byte, error) {
	track := &fmp4.InitTrack{ID: pictureTrack, TimeScale: timescale}
	switch f.Codec {
	case H264:
		track.Codec = &codecs.H264{SPS: f.SPS, PPS: f.PPS}
	case H265:
		track.Codec = &codecs.H265{VPS: f.VPS, SPS: f.SPS, PPS: f.PPS}
	default:
		return nil, fmt.Errorf("codec %q: want h264 or h265", string(f.Codec))
	}
	tracks := []*fmp4.InitTrack{track}
	if f.Sound != nil {
		sound, err := f.Sound.track()
		if err != nil {
			return nil, fmt.Errorf("sound: %w", err)
		}
		tracks = append(tracks, sound)
	}
	var b seekablebuffer.Buffer
	if err := (&fmp4.Init{Tracks: tracks}).Marshal(&b); err != nil {
		return nil, fmt.Errorf("%s parameter sets: %w", f.Codec, err)
	}
	return b.Bytes(), nil
}

// maxRate bounds the clock of sound, in Hz: far above what is made, and so low that a run's times stay far from overflowing.
const maxRate = 1 << 20

func (f *SoundFormat) track() (*fmp4.InitTrack, error) {
	if f.Rate <= 0 || f.Rate > maxRate {
		return nil, fmt.Errorf("clock of %d Hz: want 1 to %d", f.Rate, maxRate)
	}
	track := &fmp4.InitTrack{ID: soundTrack, TimeScale: uint32(f.Rate)}
	switch f.Codec {
	case AAC:
		c := &codecs.MPEG4Audio{}
		if err := c.Config.Unmarshal(f.Config); err != nil {
			return nil, fmt.Errorf("AAC: %w", err)
		}
		track.Codec = c
	case Opus:
		if f.Channels < 1 || f.Channels > 2 {
			return nil, fmt.Errorf("Opus with %d channels: want 1 or 2", f.Channels)
		}
		track.Codec = &codecs.Opus{ChannelCount: f.Channels}
	default:
		return nil, fmt.Errorf("codec %q: want aac or opus", string(f.Codec))
	}
	return track, nil
}

// fragment is where a fragment stands and when: offset in the file, decode time since the start of the run and its duration in 1/90000 s.
type fragment struct{ offset, time, duration int64 }

// padding is a box that says nothing (ISO/IEC 14496-12 section 8.1.2) and is longer than so many bytes.
func padding(than int) []byte {
	b := make([]byte, max(8, than+1))
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	copy(b[4:], "free")
	return b
}

// wholeFragments reads what writeFragment and padding wrote, up to the first fragment that is not whole, and tells where that one starts. A power cut may leave
// a file shorter than was written, or with zeros where data should be: a fragment is whole when its boxes are there, NAL lengths fill its pictures and samples its data.
func wholeFragments(r io.ReaderAt, size int64) (whole []fragment, end int64, err error) {
	for end < size {
		if free, err := readBox(r, end, size, "free"); err == nil {
			end += int64(len(free))
			continue
		}
		moof, err := readBox(r, end, size, "moof")
		if err != nil {
			return whole, end, err
		}
		mdat, err := readBox(r, end+int64(len(moof)), size, "mdat")
		if err != nil {
			return whole, end, err
		}
		f, pictures, sound, err := parseMoof(moof)
		if err != nil {
			return whole, end, err
		}
		if err := wholeSamples(mdat[8:], pictures, sound); err != nil {
			return whole, end, err
		}
		f.offset = end
		whole = append(whole, f)
		end += int64(len(moof) + len(mdat))
	}
	return whole, end, nil
}

var errCut = errors.New("cut off")

func readBox(r io.ReaderAt, at, size int64, kind string) ([]byte, error) {
	var head [8]byte
	if size-at < 8 {
		return nil, errCut
	}
	if _, err := r.ReadAt(head[:], at); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if string(head[4:]) != kind {
		return nil, fmt.Errorf("box %q at %d: want %s", head[4:], at, kind)
	}
	if n < 8 || n > maxFragment {
		return nil, fmt.Errorf("box %s at %d: impossible size %d", kind, at, n)
	}
	if n > size-at {
		return nil, errCut
	}
	box := make([]byte, n)
	if _, err := r.ReadAt(box, at); err != nil {
		return nil, err
	}
	return box, nil
}

// parseMoof reads moof{mfhd traf{tfhd tfdt trun}} in the one form that writeFragment writes, perhaps with a second traf of sound.
func parseMoof(moof []byte) (f fragment, pictures, sound []uint32, err error) {
	bad := func(what string) (fragment, []uint32, []uint32, error) {
		return fragment{}, nil, nil, fmt.Errorf("moof: %s", what)
	}
	_, rest := child(moof[8:], "mfhd")
	traf, rest := child(rest, "traf")
	if traf == nil {
		return bad("not one mfhd and traf")
	}
	f, pictures, err = parseTraf(traf, pictureTrack)
	if err != nil {
		return bad(err.Error())
	}
	if len(rest) > 0 {
		if traf, rest = child(rest, "traf"); traf == nil || len(rest) != 0 {
			return bad("neither one traf nor two")
		}
		if _, sound, err = parseTraf(traf, soundTrack); err != nil {
			return bad(err.Error())
		}
	}
	return f, pictures, sound, nil
}

// child takes a box off the front of b; body is nil when it is not of that kind.
func child(b []byte, kind string) (body, rest []byte) {
	if len(b) < 8 {
		return nil, nil
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n < 8 || n > int64(len(b)) || string(b[4:8]) != kind {
		return nil, nil
	}
	return b[8:n], b[n:]
}

func parseTraf(traf []byte, track uint32) (f fragment, sizes []uint32, err error) {
	bad := func(what string) (fragment, []uint32, error) { return fragment{}, nil, errors.New(what) }
	tfhd, rest := child(traf, "tfhd")
	tfdt, rest := child(rest, "tfdt")
	trun, rest := child(rest, "trun")
	if len(tfhd) != 8 || len(tfdt) != 12 || len(trun) < 12 || len(rest) != 0 {
		return bad("not one tfhd, tfdt and trun")
	}
	if binary.BigEndian.Uint32(tfhd[4:]) != track {
		return bad("track out of order")
	}
	f.time = int64(binary.BigEndian.Uint64(tfdt[4:]))
	flags := binary.BigEndian.Uint32(trun) & 0xffffff
	count := binary.BigEndian.Uint32(trun[4:])
	width := 8 // duration, size
	if flags&0x400 != 0 {
		width += 4
	}
	if flags&0x800 != 0 {
		width += 4
	}
	entries := trun[12:]
	if flags&0x301 != 0x301 || count == 0 || f.time < 0 || uint64(count)*uint64(width) != uint64(len(entries)) {
		return bad("trun of another form")
	}
	for ; len(entries) > 0; entries = entries[width:] {
		f.duration += int64(binary.BigEndian.Uint32(entries))
		sizes = append(sizes, binary.BigEndian.Uint32(entries[4:]))
	}
	return f, sizes, nil
}

func wholeSamples(data []byte, pictures, sound []uint32) error {
	take := func(size uint32) []byte {
		if uint64(size) > uint64(len(data)) {
			return nil
		}
		sample := data[:size:size]
		data = data[size:]
		return sample
	}
	for _, size := range pictures {
		sample := take(size)
		if sample == nil {
			return errCut
		}
		for len(sample) > 0 {
			if len(sample) < 4 {
				return errCut
			}
			n := binary.BigEndian.Uint32(sample)
			if n == 0 || uint64(n) > uint64(len(sample)-4) {
				return errCut
			}
			sample = sample[4+n:]
		}
	}
	for _, size := range sound {
		if take(size) == nil {
			return errCut
		}
	}
	if len(data) != 0 {
		return errCut
	}
	return nil
}
