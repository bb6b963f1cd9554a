package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// initAt is the init that stands before segments which do not begin their run: a copy of the run's init in which each track has an edit
// list (ISO/IEC 14496-12, 8.6.6) whose media_time is the presentation time of the first picture that follows, so that it is shown at time
// zero, and sound stays beside the pictures it belongs to: its media_time is that same moment in its own time scale, rounded down. Nothing else
// differs. first is the beginning of the first segment, at least its whole first moof box.
func initAt(init, first []byte) ([]byte, error) {
	from, err := firstPresentation(first)
	if err != nil {
		return nil, fmt.Errorf("first fragment: %w", err)
	}
	tracks, err := tracksOf(init)
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	if tracks[0].handler != pictures || len(tracks) > 2 || len(tracks) == 2 && tracks[1].handler != sound {
		return nil, errors.New("init: want a track of pictures, and after it at most one of sound")
	}
	moov, err := find(init, 0, len(init), "moov")
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	be := binary.BigEndian
	out, at, more := []byte{}, 0, 0
	for _, t := range tracks {
		if _, err := find(init, t.trak.body, t.trak.end, "edts"); err == nil {
			return nil, errors.New("init: has an edit list already")
		}
		tkhd, err := find(init, t.trak.body, t.trak.end, "tkhd")
		if err != nil {
			return nil, fmt.Errorf("init: %w", err)
		}
		there := from
		if t.handler == sound {
			there = from/tracks[0].scale*t.scale + from%tracks[0].scale*t.scale/tracks[0].scale
		}
		edts := editFrom(there)
		start := len(out) + t.trak.start - at
		out = append(out, init[at:tkhd.end]...)
		be.PutUint32(out[start:], uint32(t.trak.end-t.trak.start+len(edts)))
		out = append(out, edts...)
		at, more = tkhd.end, more+len(edts)
	}
	out = append(out, init[at:]...)
	be.PutUint32(out[moov.start:], uint32(moov.end-moov.start+more))
	return out, nil
}

// editFrom is an edit list that begins at a time.
func editFrom(mediaTime int64) []byte {
	be := binary.BigEndian
	elst := append(be.AppendUint32(nil, 36), "elst"...)
	elst = be.AppendUint32(elst, 1<<24)             // version 1: 64 bits
	elst = be.AppendUint32(elst, 1)                 // one edit
	elst = be.AppendUint64(elst, 0)                 // as long as the fragments last
	elst = be.AppendUint64(elst, uint64(mediaTime)) // from here
	elst = be.AppendUint32(elst, 1<<16)             // at normal speed
	return append(append(be.AppendUint32(nil, uint32(8+len(elst))), "edts"...), elst...)
}

// Handlers of tracks (ISO/IEC 14496-12, 8.4.3).
const (
	pictures = "vide"
	sound    = "soun"
)

// track is one of an init's.
type track struct {
	trak    box
	handler string
	scale   int64 // of its times, in a second
}

// tracksOf are the tracks of an init, at least one.
func tracksOf(init []byte) ([]track, error) {
	moov, err := find(init, 0, len(init), "moov")
	if err != nil {
		return nil, err
	}
	var list []track
	for at := moov.body; ; at = list[len(list)-1].trak.end {
		trak, err := find(init, at, moov.end, "trak")
		if errors.Is(err, errNone) && len(list) > 0 {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		mdia, err := find(init, trak.body, trak.end, "mdia")
		if err != nil {
			return nil, err
		}
		mdhd, err := find(init, mdia.body, mdia.end, "mdhd")
		if err != nil {
			return nil, err
		}
		hdlr, err := find(init, mdia.body, mdia.end, "hdlr")
		if err != nil {
			return nil, err
		}
		header, handler := init[mdhd.body:mdhd.end], init[hdlr.body:hdlr.end]
		scaleAt := 12 // behind version, flags and two times
		if len(header) > 0 && header[0] == 1 {
			scaleAt = 20
		}
		if len(header) < scaleAt+4 || len(handler) < 12 {
			return nil, errors.New("malformed mdhd or hdlr box")
		}
		t := track{trak: trak, handler: string(handler[8:12]), scale: int64(binary.BigEndian.Uint32(header[scaleAt:]))}
		if t.scale == 0 {
			return nil, errors.New("mdhd box: no time scale")
		}
		list = append(list, t)
	}
}

// hasSound tells whether an init has a track of sound. One that cannot be read has none: it plays nothing.
func hasSound(init []byte) bool {
	tracks, err := tracksOf(init)
	return err == nil && slices.ContainsFunc(tracks, func(t track) bool { return t.handler == sound })
}

// box is where a box lies: header from start, content from body, to end.
type box struct{ start, body, end int }

var (
	errBox  = errors.New("box longer than what holds it")
	errNone = errors.New("no box")
)

// find returns the first box of a kind among those that fill b[from:to].
func find(b []byte, from, to int, kind string) (box, error) {
	for at := from; at < to; {
		if to-at < 8 {
			return box{}, errBox
		}
		size := int(binary.BigEndian.Uint32(b[at:]))
		found := string(b[at+4:at+8]) == kind
		if size < 8 || size > to-at { // sizes 0 and 1 (to the end, 64 bits) do not occur in what a recorder writes
			return box{}, fmt.Errorf("%w, at byte %d", errBox, at)
		}
		if found {
			return box{at, at + 8, at + size}, nil
		}
		at += size
	}
	return box{}, fmt.Errorf("%w %s", errNone, kind)
}

// firstPresentation is the presentation time of the first picture in a fragment, in the track's time scale: the decode time of its tfdt and
// the composition offset in its trun.
func firstPresentation(b []byte) (int64, error) {
	moof, err := find(b, 0, len(b), "moof")
	if err != nil {
		return 0, err
	}
	traf, err := find(b, moof.body, moof.end, "traf")
	if err != nil {
		return 0, err
	}
	tfdt, err := find(b, traf.body, traf.end, "tfdt")
	if err != nil {
		return 0, err
	}
	be := binary.BigEndian
	var decode uint64
	switch body := b[tfdt.body:tfdt.end]; {
	case len(body) == 12 && body[0] == 1:
		decode = be.Uint64(body[4:])
	case len(body) == 8 && body[0] == 0:
		decode = uint64(be.Uint32(body[4:]))
	default:
		return 0, errors.New("malformed tfdt box")
	}
	if decode > 1<<53 {
		return 0, errors.New("tfdt box: decode time beyond any run")
	}
	trun, err := find(b, traf.body, traf.end, "trun")
	if err != nil {
		return 0, err
	}
	const dataOffset, firstFlags, duration, size, flags, composition = 0x1, 0x4, 0x100, 0x200, 0x400, 0x800
	body := b[trun.body:trun.end]
	if len(body) < 8 {
		return 0, errors.New("malformed trun box")
	}
	has := be.Uint32(body) & 0xffffff
	if has&composition == 0 {
		return int64(decode), nil
	}
	at := 8
	for _, field := range []uint32{dataOffset, firstFlags, duration, size, flags} {
		if has&field != 0 {
			at += 4
		}
	}
	if be.Uint32(body[4:]) == 0 || len(body) < at+4 {
		return 0, errors.New("malformed trun box")
	}
	// Version 0 has unsigned offsets, version 1 signed; below 2^31 they read the same, and no camera is further out.
	return int64(decode) + int64(int32(be.Uint32(body[at:]))), nil
}
