package ingest

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/pion/rtp"
)

// Bounds on one access unit, so that a camera cannot grow our memory (invariant 15).
const (
	maxUnitSize = 8 << 20 // bytes
	maxUnitNALs = 512
)

// maxMissing is how many packets a network loses at once. More is a camera that began to count anew, and lost nothing.
const maxMissing = 1000

// trusted is after how many units, each of them one as it should be, the slices between key frames are no longer searched for others: those are most of what a camera sends, and a camera
// that sends several units in one does so with its parameter sets, which are always looked at.
const trusted = 500

// unit is one access unit as it came over the wire.
type unit struct {
	nals    [][]byte
	stamp   uint32 // RTP time, 90 kHz
	release func() // see footage.AccessUnit; of all of nals
}

// depacketiser makes access units of RTP packets, which must come in order: H.264 by RFC 6184 (single units, STAP-A, FU-A), H.265 by RFC 7798
// (single units, aggregation and fragmentation units, without decoding order numbers). It keeps all NAL units and their order, and copies
// them out of the packets. An access unit of which a part was lost is dropped whole.
//
// gortsplib has one too. It cuts signing SEI in two, and after a lost packet gives H.264 frames the time of their successor.
type depacketiser struct {
	codec footage.Codec
	lost  uint64 // access units that were not whole, and holes between them

	started  bool
	sequence uint16

	unwrapped int // units since one was several in one; up to trusted

	every   bool   // this camera marks more packets than the last of a frame: a frame ends when its time does
	marked  bool   // a marker ended the last access unit
	flushed uint32 // its time

	open    bool // an access unit is being received
	stamp   uint32
	block   *block // its NAL units end to end, from from on, behind those of access units before; nil before the first
	from    int
	ends    []int // of each of them, from there; what follows the last is a NAL unit being received in parts
	partial bool  // one is
	damaged bool  // something of this access unit is missing
}

// push takes a packet, and emits the access units that it completes: none, one, or two when a camera forgot a marker.
func (d *depacketiser) push(p *rtp.Packet, emit func(unit)) {
	gap := d.started && p.SequenceNumber != d.sequence+1
	before := d.sequence
	d.started, d.sequence = true, p.SequenceNumber
	switch missing := p.SequenceNumber - before - 1; {
	case gap && d.open:
		d.damaged = true // its end, or something in its middle
	case gap && missing < maxMissing:
		d.lost++ // between two access units: one or more, or the head of the next, which cannot be told
	}
	if len(p.Payload) == 0 && !p.Marker {
		return // padding, of no frame; it only takes a place in the row
	}
	if d.open && p.Timestamp != d.stamp {
		d.flush(emit)
	}
	d.open, d.stamp = true, p.Timestamp
	if !d.take(p.Payload) {
		d.damaged = true
	}
	switch {
	case !p.Marker || d.every:
	case d.partial:
		d.every = true // the end of a frame cannot be within a NAL unit
	default:
		d.flush(emit)
		d.marked = true
	}
}

func (d *depacketiser) flush(emit func(unit)) {
	u, whole := unit{stamp: d.stamp}, !d.damaged && !d.partial
	if len(d.ends) > 0 {
		var few bool
		u.nals, few = d.units(d.block.b[d.from:])
		whole = whole && few
	}
	if d.marked && d.stamp == d.flushed && slices.ContainsFunc(u.nals, func(n []byte) bool { return continues(d.codec, n) }) {
		d.every, whole = true, false // the frame before was not at its end
	}
	d.marked, d.flushed = false, d.stamp
	d.open, d.ends, d.partial, d.damaged = false, d.ends[:0], false, false
	if whole && len(u.nals) > 0 {
		d.from = len(d.block.b)
		d.block.holders.Add(1)
		u.release = d.block.release
		emit(u)
		return
	}
	if !whole {
		d.lost++
	}
	if d.block != nil {
		d.block.b = d.block.b[:d.from]
	}
}

// units cuts what was received into NAL units; false is more of them than there may be.
func (d *depacketiser) units(received []byte) (nals [][]byte, ok bool) {
	nals, start := make([][]byte, 0, len(d.ends)), 0
	for _, end := range d.ends {
		nal := received[start:end:end]
		start = end
		if d.unwrapped == trusted && kindOf(d.codec, nal) == slice {
			nals = append(nals, nal)
			continue
		}
		before := len(nals)
		if nals = unwrap(nals, d.codec, nal); len(nals) == before+1 {
			d.unwrapped = min(d.unwrapped+1, trusted)
		} else {
			d.unwrapped = 0
		}
	}
	return nals, len(nals) <= maxUnitNALs
}

// take adds a payload to the access unit; false is a payload that does not fit there.
func (d *depacketiser) take(payload []byte) bool {
	size := headerSize(d.codec)
	if len(payload) < size {
		return len(payload) == 0 // some cameras pad with empty packets
	}
	const (
		h264STAPA, h264FUA = 24, 28
		h265AP, h265FU     = 48, 49
	)
	var aggregate, fragment bool
	if d.codec == footage.H265 {
		t := payload[0] >> 1 & 0x3f
		aggregate, fragment = t == h265AP, t == h265FU
		if t > h265FU {
			return false
		}
	} else {
		t := payload[0] & 0x1f
		aggregate, fragment = t == h264STAPA, t == h264FUA
		if t > h264STAPA && t != h264FUA {
			return false
		}
	}
	if d.partial && !fragment {
		return false // the unit in parts was never completed
	}
	switch {
	case aggregate:
		for rest := payload[size:]; len(rest) > 0; {
			if len(rest) < 2 {
				return false
			}
			n := int(binary.BigEndian.Uint16(rest))
			if rest = rest[2:]; n == 0 {
				return len(bytes.Trim(rest, "\x00")) == 0 // padding
			} else if n > len(rest) || !d.add(rest[:n:n]) {
				return false
			}
			rest = rest[n:]
		}
		return true

	case fragment:
		if len(payload) < size+1 {
			return false
		}
		fu, part := payload[size], payload[size+1:]
		start, end := fu&0x80 != 0, fu&0x40 != 0
		switch {
		case start == d.partial:
			d.partial = false
			return false
		case start && d.codec == footage.H265:
			d.partial = d.keep(payload[0]&0x81|fu&0x3f<<1, payload[1])
		case start:
			d.partial = d.keep(payload[0]&0xe0 | fu&0x1f)
		}
		if d.partial = d.partial && d.keep(part...); !d.partial || !end {
			return d.partial
		}
		d.partial = false
		return d.end()
	}
	return d.add(payload)
}

// add keeps a copy of a whole NAL unit.
func (d *depacketiser) add(nal []byte) bool { return d.keep(nal...) && d.end() }

func (d *depacketiser) keep(part ...byte) bool {
	have := 0
	if d.block != nil {
		have = len(d.block.b) - d.from
	}
	if have+len(part) > maxUnitSize {
		return false
	}
	if d.block == nil || cap(d.block.b)-len(d.block.b) < len(part) {
		next := newBlock(2 * (have + len(part)))
		if d.block != nil {
			next.b = append(next.b, d.block.b[d.from:]...)
			d.block.release()
		}
		d.block, d.from = next, 0
	}
	d.block.b = append(d.block.b, part...)
	return true
}

func (d *depacketiser) end() bool {
	d.ends = append(d.ends, len(d.block.b)-d.from)
	return len(d.ends) <= maxUnitNALs
}
