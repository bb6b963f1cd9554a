package footage

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"sync"
)

// sample is an access unit on its way into a fragment. It holds on to the NAL units it was given; they are encrypted straight from there.
type sample struct {
	nals     [][]byte
	size     uint32 // in the file: each NAL unit behind its length in 4 bytes, as MP4 has them of H.264 and H.265 alike
	duration uint32 // known when the next one comes
	offset   int32  // of presentation after decoding
	key      bool
	release  func() // may be nil; for when the fragment has been written
}

func sampleOf(au AccessUnit) (*sample, error) {
	size := int64(0)
	for _, n := range au.NALs {
		if len(n) > 0 {
			size += 4 + int64(len(n))
		}
	}
	if size == 0 {
		return nil, errors.New("access unit without content")
	} else if size > maxFragment {
		return nil, errors.New("access unit larger than a fragment may be")
	}
	return &sample{nals: au.NALs, size: uint32(size), offset: int32(au.PTS - au.DTS), key: au.Key, release: au.Release}, nil
}

// heads lends the memory that the beginnings of fragments are put together in.
var heads = sync.Pool{New: func() any { return new([]byte) }}

// writeFragment writes one fragment: moof{mfhd traf{tfhd tfdt trun}} mdat (ISO/IEC 14496-12 section 8.8), with a second traf for the sound where there is any, byte for byte as
// mediacommon's fmp4.Part does, without copying what the camera sent. Times of sound count from zero, in its own clock.
func writeFragment(w io.Writer, sequence uint32, base int64, samples []*sample, sound []Sound, zero int64) error {
	const (
		atData, offsets        = 0x01, 0x800 // which fields follow
		durations, sizes, keys = 0x100, 0x200, 0x400
		notKey                 = 1 << 16
	)
	flags, width, data := uint32(atData|durations|sizes), 8, int64(0)
	for _, s := range samples {
		data += int64(s.size)
		if !s.key {
			flags |= keys
		}
		if s.offset != 0 {
			flags |= offsets
		}
	}
	if flags&keys != 0 {
		width += 4
	}
	if flags&offsets != 0 {
		width += 4
	}
	pictures := data
	for _, s := range sound {
		data += int64(len(s.Data))
	}
	const around = 8 + 16 + 20 // a traf without its trun
	trun, soundTrun := 20+width*len(samples), 20+8*len(sound)
	moof := 8 + 16 + around + trun
	if len(sound) > 0 {
		moof += around + soundTrun
	}
	if data > math.MaxUint32-8 {
		return errors.New("fragment: too much for one")
	}
	lent := heads.Get().(*[]byte)
	defer heads.Put(lent)
	b := (*lent)[:0]
	u32 := binary.BigEndian.AppendUint32
	box := func(size int, kind string) { b = append(u32(b, uint32(size)), kind...) }
	track := func(id uint32, base int64, trun int, flags uint32, count int, at int64) {
		box(around+trun, "traf")
		box(16, "tfhd")
		b = u32(u32(b, 0x020000), id) // offsets count from the moof
		box(20, "tfdt")
		b = binary.BigEndian.AppendUint64(u32(b, 1<<24), uint64(base))
		box(trun, "trun")
		b = u32(u32(u32(b, 1<<24|flags), uint32(count)), uint32(int64(moof+8)+at))
	}
	box(moof, "moof")
	box(16, "mfhd")
	b = u32(u32(b, 0), sequence)
	track(pictureTrack, base, trun, flags, len(samples), 0)
	for _, s := range samples {
		b = u32(u32(b, s.duration), s.size)
		if flags&keys != 0 {
			var f uint32
			if !s.key {
				f = notKey
			}
			b = u32(b, f)
		}
		if flags&offsets != 0 {
			b = u32(b, uint32(s.offset))
		}
	}
	if len(sound) > 0 {
		track(soundTrack, sound[0].Time-zero, soundTrun, atData|durations|sizes, len(sound), pictures)
		for i, s := range sound {
			length := s.Length
			if i+1 < len(sound) {
				length = sound[i+1].Time - s.Time // to the next one, over what was lost between
			}
			b = u32(u32(b, uint32(length)), uint32(len(s.Data)))
		}
	}
	box(8+int(data), "mdat")
	*lent = b
	if _, err := w.Write(b); err != nil {
		return err
	}
	for _, s := range samples {
		for _, n := range s.nals {
			if len(n) == 0 {
				continue
			}
			if _, err := w.Write(u32(b[:0], uint32(len(n)))); err != nil {
				return err
			}
			if _, err := w.Write(n); err != nil {
				return err
			}
		}
	}
	for _, s := range sound {
		if _, err := w.Write(s.Data); err != nil {
			return err
		}
	}
	return nil
}
