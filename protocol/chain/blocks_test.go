package chain_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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
	for round := range 40 {
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
		sameVerdict(t, f.verifier, b, round)
	}
}

// So it does where epochs are sealed, and somebody seals who must not, or nobody does who must.
func TestBlocksGiveTheSameVerdictOnSeals(t *testing.T) {
	l := newSealed(t)
	l.fill(20)
	l.begin("")
	for l.head.Size < 3*256+40 {
		l.fill(30)
		l.seal()
		if l.head.Size > 400 && len(l.epochs.Key) > 0 && l.epochs.Breaks == 0 {
			l.fill(10)
			l.begin("the disk was full\nnext week\nthere is a larger one") // which looks as if it named a key
		}
	}
	f := newFixture(t, 0)
	f.verifier.Kinds = []string{protocol.KindEpochSealed}
	random := rand.New(rand.NewPCG(5, 12))
	sound := stream(t, l.entries, nil)
	sameVerdict(t, f.verifier, sound, 0)
	for round := range 20 {
		b := sound
		switch c := l.upTo(uint64(random.IntN(len(l.entries)))); round % 5 {
		case 0:
			b = tamper(slices.Clone(sound), random)
		case 1: // sealed with the key of today
			c.fill(random.IntN(20))
			c.forgeSeal()
			c.fill(300)
			b = stream(t, c.entries, nil)
		case 2: // not sealed any more
			c.fill(400)
			b = stream(t, c.entries, nil)
		case 3: // one entry other, all behind it chained anew
			c.fill(1)
			for _, e := range l.entries[c.head.Size:] {
				c.take(e)
			}
			b = stream(t, c.entries, nil)
		case 4: // sealed too late
			c = l.copied()
			c.fill(random.IntN(50))
			c.epochs.Since = protocol.T(c.now) // so that the log goes on as if nothing were wrong
			c.fill(random.IntN(50))
			c.forgeSeal()
			for range 20 {
				c.fill(30)
				c.seal()
			}
			b = stream(t, c.entries, nil)
		}
		sameVerdict(t, f.verifier, b, round)
	}
}

// So it does where bodies went, with right and without.
func TestBlocksGiveTheSameVerdictOnRetention(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 13))
	for round := range 24 {
		l := newSealed(t)
		var went chain.Went
		for range 300 {
			must(t, l.write(protocol.KindView, protocol.Access{How: "live"}))
			e := l.entries[len(l.entries)-1]
			h, err := chain.ParseHeader(e.Header)
			must(t, err)
			went.Add(h, e.Header)
		}
		l.fill(random.IntN(300))
		d := protocol.BodiesDestroyed{Month: "2026-11", Kinds: []protocol.KindDestroyed{went.Of(protocol.KindView)}}
		l.now = time.Date(2031, 12, 1, 0, 0, 0, 0, time.UTC)
		switch round % 6 {
		case 1:
			d.Kinds[0].Root[0]++
		case 2:
			l.now = l.now.Add(-time.Hour)
		case 3:
			d.Kinds = nil
		case 4:
			must(t, l.write(protocol.KindBodiesDestroyed, d)) // twice
			l.fill(random.IntN(300))
		}
		must(t, l.write(protocol.KindBodiesDestroyed, d))
		l.fill(300)
		for i := range 300 {
			if round%5 == 0 || random.IntN(3) == 0 {
				l.entries[i].Body = nil
			}
		}
		if round == 23 {
			l.entries[len(l.entries)-1].Body = nil // of a kind that is kept
		}
		sameVerdict(t, newFixture(t, 0).verifier, stream(t, l.entries, nil), round)
	}
}

func sameVerdict(t *testing.T, v chain.Verifier, log []byte, round int) {
	t.Helper()
	var looked []string
	if v.Kinds == nil {
		v.Kinds = []string{"test.kind-1"}
	}
	v.Each = func(before chain.Head, e chain.Entry) {
		looked = append(looked, fmt.Sprintf("%d %s %s %s %s", before.Size, before.Last, before.Root(), before.Time, e.Header))
	}
	v.Progress = func(n uint64) { looked = append(looked, fmt.Sprint("progress ", n)) }
	judge := func(verify func(io.Reader, chain.Verifier) (chain.Verdict, error), r io.Reader) string {
		looked = nil
		d, err := verify(r, v)
		fault, checkpoint := d.Fault, d.Checkpoint
		d.Fault, d.Checkpoint = nil, nil
		return fmt.Sprintf("%v | %+v | %+v | %+v | %s", err, d.Seen(), fault, checkpoint, strings.Join(looked, "\n"))
	}
	same := func(r func() io.Reader) {
		t.Helper()
		if want, got := judge(chain.VerifyOneByOne, r()), judge(chain.Verify, r()); got != want {
			t.Fatalf("blocks     %.3000s\none by one %.3000s", got, want)
		}
	}
	same(func() io.Reader { return bytes.NewReader(log) })
	if round%4 != 0 {
		return
	}
	same(func() io.Reader { return iotest.HalfReader(bytes.NewReader(log)) })
	broken := errors.New("disk is broken")
	same(func() io.Reader {
		return io.MultiReader(bytes.NewReader(log[:len(log)/2]), iotest.ErrReader(broken), bytes.NewReader(log[len(log)/2:]))
	})
}

// A clock that goes back within a chain that is whole in itself is found within a block and between two.
func TestTimeThatFallsIsFoundInAnyPlace(t *testing.T) {
	for _, at := range []int{1, 255, 256, 511} {
		f := newFixture(t, 530)
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
