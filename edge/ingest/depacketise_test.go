package ingest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
)

func TestUnwrap(t *testing.T) {
	sps, pps, idr := []byte{0x67, 1, 2, 0x80}, []byte{0x68, 3, 0x80}, []byte{0x65, 4, 5, 0x80}
	signed := []byte{0x06, 5, 0, 0, 0, 1, 0x65, 0, 0, 1, 9}
	long, short := []byte{0, 0, 0, 1}, []byte{0, 0, 1}
	for _, c := range []struct {
		what string
		in   []byte
		want [][]byte
	}{
		{"plain", idr, [][]byte{idr}},
		{"parameter sets and key frame in one", slices.Concat(sps, long, pps, short, idr), [][]byte{sps, pps, idr}},
		{"start code before all", slices.Concat(long, sps, long, pps), [][]byte{sps, pps}},
		{"start code before one", slices.Concat(short, idr), [][]byte{idr}},
		{"signing SEI is never cut", signed, [][]byte{signed}},
		{"nor with a start code before it", slices.Concat(long, signed), [][]byte{signed}},
		{"only a start code", long, nil},
		{"two in a row", slices.Concat(sps, long, long, pps), [][]byte{sps, pps}},
	} {
		if got := unwrap(nil, footage.H264, c.in); !slices.EqualFunc(got, c.want, bytes.Equal) {
			t.Errorf("%s: %x, want %x", c.what, got, c.want)
		}
	}
}

// units pushes packets and returns what comes out.
func units(d *depacketiser, packets []*rtp.Packet) (out []unit) {
	for _, p := range packets {
		d.push(p, func(u unit) { out = append(out, u) })
	}
	return out
}

// three is three access units in packets, as gortsplib's encoder makes them: small ones, several in one packet, one over several packets.
func three(t testing.TB) (nals [3][][]byte, packets [3][]*rtp.Packet) {
	t.Helper()
	encoder, err := (&format.H264{PayloadTyp: 96, PacketizationMode: 1}).CreateEncoder()
	if err != nil {
		t.Fatal(err)
	}
	nals = [3][][]byte{
		{{0x67, 1}, {0x68, 2}, append([]byte{0x65}, bytes.Repeat([]byte{7}, 5000)...)},
		{{0x41, 3, 3}},
		{{0x41, 4}, append([]byte{0x41}, bytes.Repeat([]byte{8}, 3000)...)},
	}
	for i, n := range nals {
		if packets[i], err = encoder.Encode(n); err != nil {
			t.Fatal(err)
		}
		for _, p := range packets[i] {
			p.Timestamp = uint32(i) * 9000
		}
	}
	return nals, packets
}

func TestDepacketiser(t *testing.T) {
	nals, packets := three(t)
	all := slices.Concat(packets[0], packets[1], packets[2])
	expect := func(what string, in []*rtp.Packet, lost uint64, want ...int) {
		t.Helper()
		d := &depacketiser{codec: footage.H264}
		got := units(d, in)
		if len(got) != len(want) || d.lost != lost {
			t.Fatalf("%s: %d access units, %d lost; want %d and %d", what, len(got), d.lost, len(want), lost)
		}
		for i, n := range want {
			if !slices.EqualFunc(got[i].nals, nals[n], bytes.Equal) || got[i].stamp != uint32(n)*9000 {
				t.Errorf("%s: access unit %d is not number %d with its own time", what, i, n)
			}
		}
	}
	expect("all", all, 0, 0, 1, 2)
	for i := range all {
		// Whatever packet is lost, each of the others comes whole or not at all, with its own time.
		d := &depacketiser{codec: footage.H264}
		for _, u := range units(d, slices.Delete(slices.Clone(all), i, i+1)) {
			n := int(u.stamp / 9000)
			whole := slices.EqualFunc(u.nals, nals[n], bytes.Equal)
			headLost := len(u.nals) < len(nals[n]) && slices.EqualFunc(u.nals, nals[n][len(nals[n])-len(u.nals):], bytes.Equal)
			if !whole && !headLost { // a lost first packet cannot be seen
				t.Errorf("without packet %d, access unit %d came in pieces", i, n)
			}
		}
	}
	expect("joined in the middle", all[2:], 1, 1, 2)

	var unmarked []*rtp.Packet
	for _, p := range all {
		c := *p
		c.Marker = false
		unmarked = append(unmarked, &c)
	}
	expect("no markers", unmarked, 0, 0, 1)
}

// Some cameras mark each slice: what is then taken for a frame is a part of one. Once that is seen, frames end when their time does.
func TestMarkerOnEachSlice(t *testing.T) {
	d := &depacketiser{codec: footage.H264}
	var in []*rtp.Packet
	for i := range 12 {
		first := byte(0x80) // first_mb_in_slice 0
		if i%3 > 0 {
			first = 0x40
		}
		in = append(in, &rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(i), Timestamp: uint32(i / 3 * 9000), Marker: true}, Payload: []byte{0x41, first, byte(i)}})
	}
	got := units(d, in)
	for _, u := range got[1:] {
		if len(u.nals) != 3 {
			t.Errorf("frame at %d has %d of its 3 slices", u.stamp, len(u.nals))
		}
	}
	if len(got) != 3 || d.lost != 2 { // of the first, two slices came before it was known; the last is not over
		t.Errorf("%d frames, %d lost; want 3 and 2", len(got), d.lost)
	}
}

func FuzzDepacketiser(f *testing.F) {
	_, packets := three(f)
	for _, p := range slices.Concat(packets[0], packets[1], packets[2]) {
		raw, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, raw, false)
	}
	f.Add([]byte{}, []byte{}, true)
	f.Fuzz(func(t *testing.T, a, b []byte, hevc bool) {
		d := &depacketiser{codec: footage.H264}
		if hevc {
			d.codec = footage.H265
		}
		seen := sets{Codec: d.codec}
		for _, raw := range [][]byte{a, b, a, b} {
			var p rtp.Packet
			if p.Unmarshal(raw) != nil {
				continue
			}
			d.push(&p, func(u unit) {
				if len(u.nals) == 0 || len(u.nals) > maxUnitNALs {
					t.Fatalf("%d NAL units", len(u.nals))
				}
				for _, n := range u.nals {
					if len(n) < headerSize(d.codec) {
						t.Fatalf("NAL unit of %d bytes", len(n))
					}
				}
				if seen.see(u.nals); seen.complete() {
					var times decodeTimes
					times.reset(seen)
					times.of(u.nals, 0, true)
					times.of(u.nals, 9000, false)
				}
			})
		}
	})
}

// TestUnitsInOneAreFoundAlsoLater: a camera that has sent nothing but proper units for long is searched less, and still found out when a key frame brings several in one; from then on all is looked at again.
func TestUnitsInOneAreFoundAlsoLater(t *testing.T) {
	var (
		sps, pps, idr = []byte{0x67, 1}, []byte{0x68, 2}, []byte{0x65, 3}
		picture       = []byte{0x41, 0x9a, 4}
		wrapped       = slices.Concat(sps, []byte{0, 0, 0, 1}, pps, []byte{0, 0, 1}, idr)
		slicesInOne   = slices.Concat(picture, []byte{0, 0, 1}, []byte{0x41, 5})
	)
	d := &depacketiser{codec: footage.H264}
	var sequence uint16
	count := func(payload []byte) (n int) {
		sequence++
		d.push(&rtp.Packet{Header: rtp.Header{SequenceNumber: sequence, Timestamp: uint32(sequence) * 3600, Marker: true}, Payload: payload}, func(u unit) { n = len(u.nals); u.release() })
		return n
	}
	if n := count(slicesInOne); n != 2 {
		t.Fatalf("at first: %d units, want 2", n)
	}
	for range trusted {
		count(picture)
	}
	if n := count(slicesInOne); n != 1 {
		t.Errorf("a camera that behaved is searched between its key frames: %d units", n)
	}
	if n := count(wrapped); n != 3 {
		t.Fatalf("a key frame with its parameter sets: %d units, want 3", n)
	}
	if n := count(slicesInOne); n != 2 {
		t.Errorf("a camera that was found out is not looked at again: %d units, want 2", n)
	}
}
