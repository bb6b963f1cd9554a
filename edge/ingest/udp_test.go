package ingest

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

func numbered(n uint16, ssrc uint32) datagram {
	m := make([]byte, 16)
	m[0], m[4] = '$', 0x80
	binary.BigEndian.PutUint16(m[6:], n)
	binary.BigEndian.PutUint32(m[12:], ssrc)
	return datagram{m}
}

func TestRow(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		what     string
		in, want []uint16
	}{
		{"in order, over the end of numbers", []uint16{65534, 65535, 0, 1}, []uint16{65534, 65535, 0, 1}},
		{"two changed places", []uint16{1, 3, 2, 4}, []uint16{1, 2, 3, 4}},
		{"twice", []uint16{1, 2, 2, 4, 4, 3, 1}, []uint16{1, 2, 3, 4}},
		{"starts anew, far back", []uint16{40000, 40001, 7, 8, 9}, []uint16{40000, 40001, 7, 8, 9}},
		{"starts anew, far ahead", []uint16{7, 20000, 20001}, []uint16{7, 20000, 20001}},
		{"one from long ago", []uint16{40000, 39000, 40001}, []uint16{40000, 40001}},
	} {
		var r row
		var got []uint16
		for _, n := range c.in {
			for _, p := range r.take(numbered(n, 1), now) {
				got = append(got, p.sequence())
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// The frames before sabotage must not wait for a packet that will never come.
func TestRowWaitsNotForLong(t *testing.T) {
	now := time.Now()
	var r row
	r.take(numbered(1, 1), now)
	for n := uint16(3); n < 6; n++ {
		if out := r.take(numbered(n, 1), now); out != nil {
			t.Fatalf("packet %d overtook one that may still come", n)
		}
	}
	if out := r.take(numbered(6, 1), now.Add(late)); len(out) != 4 {
		t.Errorf("after %s %d packets, want 4", late, len(out))
	}
	if out := r.take(numbered(8, 1), now.Add(late)); out != nil {
		t.Error("the wait for another packet was over before it began")
	}
	if out := r.skip(); len(out) != 1 || out[0].sequence() != 8 {
		t.Errorf("%v", out)
	}
}

func TestRowIsBounded(t *testing.T) {
	now := time.Now()
	var r row
	r.take(numbered(1, 1), now)
	total := 0
	for n := uint16(3); n < 3+2*reordered; n++ {
		total += len(r.take(numbered(n, 1), now))
		if len(r.waiting) > reordered {
			t.Fatalf("%d packets wait", len(r.waiting))
		}
	}
	if total < reordered {
		t.Errorf("%d packets came out", total)
	}
}
