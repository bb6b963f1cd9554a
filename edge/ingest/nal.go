package ingest

import (
	"bytes"
	"encoding/binary"

	"github.com/beeldwacht/beeldwacht/edge/footage"
)

// kind is what a NAL unit is to a recorder.
type kind int

const (
	other kind = iota
	vps
	sps
	pps
	sei
	slice    // of a picture that needs earlier ones
	keySlice // of a picture that a decoder can start at
)

// kindOf reads the header of a NAL unit (H.264 table 7-1, H.265 table 7-1). The unit must not be empty.
func kindOf(codec footage.Codec, nal []byte) kind {
	if codec == footage.H265 {
		switch t := nal[0] >> 1 & 0x3f; {
		case t >= 16 && t <= 21: // BLA, IDR, CRA
			return keySlice
		case t < 32:
			return slice
		case t == 32:
			return vps
		case t == 33:
			return sps
		case t == 34:
			return pps
		case t == 39 || t == 40:
			return sei
		}
		return other
	}
	switch nal[0] & 0x1f {
	case 1, 2, 3, 4:
		return slice
	case 5:
		return keySlice
	case 6:
		return sei
	case 7:
		return sps
	case 8:
		return pps
	}
	return other
}

// continues tells whether a NAL unit is a slice of a picture that began with another (H.264 7.3.3 first_mb_in_slice, H.265 7.3.6.1 first_slice_segment_in_pic_flag).
func continues(codec footage.Codec, nal []byte) bool {
	at := headerSize(codec)
	k := kindOf(codec, nal)
	return (k == slice || k == keySlice) && len(nal) > at && nal[at]&0x80 == 0 && (codec == footage.H265 || nal[0]&0x1f == 1 || nal[0]&0x1f == 5)
}

var startCode = []byte{0, 0, 1}

// findStartCode tells where the first start code begins; -1: nowhere. It looks at sixteen bytes at a time, of those only at the odd ones: of two zeros next to each
// other one is there, and of nearly all that a camera sends none is zero.
func findStartCode(b []byte) int {
	const ones, tops, odd = 0x0101010101010101, 0x8080808080808080, 0xff00ff00ff00ff00
	i := 0
	for ; i+18 <= len(b); i += 16 {
		w := binary.LittleEndian.Uint64(b[i:])&odd | binary.LittleEndian.Uint64(b[i+8:])&odd>>8
		if (w-ones)&^w&tops == 0 { // it marks each byte that is zero, and seldom another
			continue
		}
		if n := bytes.Index(b[i:i+18], startCode); n >= 0 {
			return i + n
		}
	}
	if n := bytes.Index(b[i:], startCode); n >= 0 {
		return i + n
	}
	return -1
}

// unwrap takes apart what some cameras send as one unit: parameter sets and a key frame with Annex B start codes between them; and adds it to nals. Slices and
// parameter sets cannot contain a start code (emulation prevention, H.264 7.4.1), so cutting there loses nothing. Other units are left alone: the SEI
// of cameras that sign their video contains start codes, and would not verify when cut.
func unwrap(nals [][]byte, codec footage.Codec, nal []byte) [][]byte {
	n := findStartCode(nal)
	if n >= 0 && len(bytes.Trim(nal[:n], "\x00")) == 0 {
		nal = nal[n+len(startCode):] // a start code before the first byte is no part of the unit
		n = findStartCode(nal)
	}
	if len(nal) < headerSize(codec) {
		return nals
	}
	if k := kindOf(codec, nal); k == sei || k == other {
		return append(nals, nal)
	}
	for ; n >= 0; n = findStartCode(nal) {
		if first := bytes.TrimRight(nal[:n], "\x00"); len(first) >= headerSize(codec) {
			nals = append(nals, first)
		}
		nal = nal[n+len(startCode):]
	}
	if len(nal) >= headerSize(codec) {
		nals = append(nals, nal)
	}
	return nals
}

func headerSize(codec footage.Codec) int {
	if codec == footage.H265 {
		return 2
	}
	return 1
}

// sets are the parameter sets of a stream, as they were last seen.
type sets footage.Format

// see remembers the parameter sets of an access unit. Of several of a kind it takes the first: cameras that send more of them send the one
// in use first.
func (s *sets) see(nals [][]byte) {
	var newest [pps + 1][]byte
	for _, nal := range nals {
		if k := kindOf(s.Codec, nal); (k == vps || k == sps || k == pps) && newest[k] == nil {
			newest[k] = nal
		}
	}
	for k, set := range map[kind]*[]byte{vps: &s.VPS, sps: &s.SPS, pps: &s.PPS} {
		if newest[k] != nil && !bytes.Equal(*set, newest[k]) {
			*set = bytes.Clone(newest[k]) // not the whole access unit with it
		}
	}
}

func (s *sets) complete() bool {
	for _, set := range s.list() {
		if len(set) < headerSize(s.Codec) {
			return false
		}
	}
	return true
}

func (s *sets) equal(o sets) bool {
	return s.Codec == o.Codec && bytes.Equal(s.VPS, o.VPS) && bytes.Equal(s.SPS, o.SPS) && bytes.Equal(s.PPS, o.PPS)
}

// list is the parameter sets in the order in which a decoder wants them.
func (s *sets) list() [][]byte {
	if s.Codec == footage.H265 {
		return [][]byte{s.VPS, s.SPS, s.PPS}
	}
	return [][]byte{s.SPS, s.PPS}
}
