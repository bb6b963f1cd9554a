package chain_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Verification by blocks on all processors gives the verdict of reading one entry after the other, to the letter: whatever was done to the log, and whoever looks on.
func TestBlocksGiveTheSameVerdict(t *testing.T) {
	const size = 3*256 + 40
	f := newFixture(t, size)
	for _, i := range []int{3, 255, 256, 700} {
		f.entries[i].Body = nil
	}
	random := rand.New(rand.NewPCG(5, 11))
	checkpoints := [][]byte{f.checkpoint(t, size), f.checkpoint(t, 512), f.checkpoint(t, 511), f.checkpoint(t, 300), f.checkpoint(t, 1), nil}
	sound := stream(t, f.entries, nil)
	for round := range 200 {
		b := slices.Clone(sound)
		if round%4 != 0 {
			b = tamper(b, random)
		}
		if cp := checkpoints[random.IntN(len(checkpoints))]; cp != nil && round%7 != 0 {
			b = append(append(b, '\n'), cp...)
		}
		if round%5 == 0 && len(b) > 0 {
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		}
		type seen struct{ Told []string }
		judge := func(verify func(io.Reader, chain.Verifier) (chain.Verdict, error), r io.Reader) (string, seen) {
			v, s := f.verifier, seen{}
			v.Kinds = []string{"test.kind-1"}
			v.Each = func(before chain.Head, e chain.Entry) {
				s.Told = append(s.Told, fmt.Sprintf("%d %s %s %s %s", before.Size, before.Last, before.Root(), before.Time, e.Header))
			}
			v.Progress = func(n uint64) { s.Told = append(s.Told, fmt.Sprint("progress ", n)) }
			d, err := verify(r, v)
			fault := d.Fault
			d.Fault = nil
			told := fmt.Sprintf("%v | %+v | %+v", err, d, fault)
			return strings.ReplaceAll(told, fmt.Sprintf("%p", d.Checkpoint), fmt.Sprint(*cmpOr(d.Checkpoint))), s
		}
		want, wantSeen := judge(chain.VerifyOneByOne, bytes.NewReader(b))
		var r io.Reader = bytes.NewReader(b)
		if round%3 == 0 {
			r = iotest.HalfReader(r)
		}
		got, gotSeen := judge(chain.Verify, r)
		if got != want || !reflect.DeepEqual(gotSeen, wantSeen) {
			t.Fatalf("round %d:\nblocks     %s\none by one %s", round, got, want)
		}
		broken := errors.New("disk is broken")
		failing := func() io.Reader {
			return io.MultiReader(bytes.NewReader(b[:len(b)/2]), iotest.ErrReader(broken), bytes.NewReader(b[len(b)/2:]))
		}
		want, _ = judge(chain.VerifyOneByOne, failing())
		if got, _ = judge(chain.Verify, failing()); got != want {
			t.Fatalf("round %d, broken disk:\nblocks     %s\none by one %s", round, got, want)
		}
	}
}

// A clock that goes back within a chain that is whole in itself is found within a block and between two.
func TestTimeThatFallsIsFoundInAnyPlace(t *testing.T) {
	for _, at := range []int{1, 100, 255, 256, 257, 512, 767} {
		f := newFixture(t, 800)
		header, err := chain.ParseHeader(f.entries[at].Header)
		must(t, err)
		entries := slices.Clone(f.entries[:at])
		h := chain.Head{Size: uint64(at), Last: header.Prev} // knows of no time before
		for _, e := range f.entries[at:] {
			e, err = chain.Seal(&h, "test.back", struct{}{}, start.Add(-time.Second))
			must(t, err)
			h.Size, h.Last = h.Size+1, protocol.HashOf(e.Header)
			entries = append(entries, e)
		}
		d, err := chain.Verify(bytes.NewReader(stream(t, entries, nil)), f.verifier)
		if d.Fault == nil || d.Fault.Seq != uint64(at) || !strings.Contains(d.Fault.What, "is before the previous entry's") {
			t.Errorf("time falls at %d: %v", at, err)
		}
	}
}

func cmpOr(c *chain.Checkpoint) *chain.Checkpoint {
	if c == nil {
		return &chain.Checkpoint{}
	}
	return c
}

// tamper does one thing to a stream of entries: it flips a bit, or drops, doubles, swaps, moves or empties lines, or cuts.
func tamper(b []byte, random *rand.Rand) []byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	i, j := random.IntN(len(lines)-1), random.IntN(len(lines)-1)
	switch random.IntN(10) {
	case 0:
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		return b
	case 1:
		return b[:random.IntN(len(b))]
	case 2:
		lines = slices.Delete(lines, i, i+1)
	case 3:
		i &^= 1
		lines = slices.Delete(lines, i, i+2)
	case 4:
		lines = slices.Insert(lines, i, lines[j])
	case 5:
		i, j = i&^1, j&^1
		lines = slices.Insert(lines, i, lines[j], lines[j+1])
	case 6:
		lines[i], lines[j] = lines[j], lines[i]
	case 7:
		lines[i] = []byte("\n")
	case 8:
		lines[i] = []byte(strings.Repeat("x", 1+random.IntN(2*chain.MaxBody)) + "\n")
	case 9:
		lines[i|1] = []byte("-\n")
	}
	return bytes.Join(lines, nil)
}
