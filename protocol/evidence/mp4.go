package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// initAt is the init that stands before segments which do not begin their run: a copy of the run's init in which the one track has an edit
// list (ISO/IEC 14496-12, 8.6.6) whose media_time is the presentation time of the first frame that follows, so that it is shown at time
// zero. Nothing else differs. first is the beginning of the first segment, at least its whole first moof box.
func initAt(init, first []byte) ([]byte, error) {
	mediaTime, err := firstPresentation(first)
	if err != nil {
		return nil, fmt.Errorf("first fragment: %w", err)
	}
	moov, err := find(init, 0, len(init), "moov")
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	trak, err := find(init, moov.body, moov.end, "trak")
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	if _, err := find(init, trak.end, moov.end, "trak"); err == nil {
		return nil, errors.New("init: more than one track; only a single video track is released")
	}
	if _, err := find(init, trak.body, trak.end, "edts"); err == nil {
		return nil, errors.New("init: has an edit list already")
	}
	tkhd, err := find(init, trak.body, trak.end, "tkhd")
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	be := binary.BigEndian
	elst := append(be.AppendUint32(nil, 36), "elst"...)
	elst = be.AppendUint32(elst, 1<<24)             // version 1: 64 bits
	elst = be.AppendUint32(elst, 1)                 // one edit
	elst = be.AppendUint64(elst, 0)                 // as long as the fragments last
	elst = be.AppendUint64(elst, uint64(mediaTime)) // from here
	elst = be.AppendUint32(elst, 1<<16)             // at normal speed
	edts := append(append(be.AppendUint32(nil, uint32(8+len(elst))), "edts"...), elst...)

	out := bytes.Clone(init[:tkhd.end])
	out = append(append(out, edts...), init[tkhd.end:]...)
	for _, b := range []box{moov, trak} {
		be.PutUint32(out[b.start:], uint32(b.end-b.start+len(edts)))
	}
	return out, nil
}

// box is where a box lies: header from start, content from body, to end.
type box struct{ start, body, end int }

var errBox = errors.New("box longer than what holds it")

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
	return box{}, fmt.Errorf("no %s box", kind)
}

// firstPresentation is the presentation time of the first sample in a fragment, in the track's time scale: the decode time of its tfdt and
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
