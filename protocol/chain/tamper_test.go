package chain_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const tampered = 10_000

// big is a log of ten thousand entries whose epochs are sealed, all but the last, with its checkpoint that both witnesses cosigned.
func big(t *testing.T) (l *sealed, f *fixture, checkpoint []byte) {
	l, f = newSealed(t), newFixture(t, 0)
	l.begin("")
	for l.head.Size < tampered {
		l.fill(int(min(59, tampered-l.head.Size)))
		if l.head.Size < tampered {
			l.seal()
		}
	}
	return l, f, f.cosigned(t, tampered, l.head.Root())
}

// places are where the log is tampered with: its ends, the borders of subtrees and of blocks, the entries around seals, and some at random. A run of the tests takes a few of them, others for
// each turn; with BEELDWACHT_TAMPER=all, as in `make soak`, it takes all, and many more at random.
func places(l *sealed, turn int) []int {
	at := []int{0, tampered - 1, 255, 256, 1, 257, 511, 512, 1023, 1024, 4095, 4096, 8191, 8192, tampered - 2}
	random := rand.New(rand.NewPCG(10, 11))
	for range 60 {
		seal := random.IntN(tampered)
		for !isSeal(l.entries[seal]) {
			seal = (seal + 1) % tampered
		}
		at = append(at, random.IntN(tampered), seal, seal-1, seal+1)
	}
	if os.Getenv("BEELDWACHT_TAMPER") != "all" {
		at = []int{at[turn%15], at[15+turn]}
	}
	return at
}

// I11: every change to a log that witnesses have cosigned is found, and in its place.
func TestI11_TamperMatrix(t *testing.T) {
	l, f, checkpoint := big(t)
	random := rand.New(rand.NewPCG(11, 10))
	flip := func(line []byte) []byte {
		line = slices.Clone(line)
		line[random.IntN(len(line))] ^= 1 << random.IntN(8)
		return line
	}
	type change struct {
		name   string
		tamper func(e []chain.Entry, i int) []chain.Entry // e is a copy
		last   int                                        // place that it can be done at
	}
	changes := []change{
		{"flip a bit of the header", func(e []chain.Entry, i int) []chain.Entry { e[i].Header = flip(e[i].Header); return e }, tampered - 1},
		{"flip a bit of the body", func(e []chain.Entry, i int) []chain.Entry { e[i].Body = flip(e[i].Body); return e }, tampered - 1},
		{"drop", func(e []chain.Entry, i int) []chain.Entry { return slices.Delete(e, i, i+1) }, tampered - 1},
		{"insert the same again", func(e []chain.Entry, i int) []chain.Entry { return slices.Insert(e, i+1, e[i]) }, tampered - 1},
		{"insert a new one", func(e []chain.Entry, i int) []chain.Entry {
			x, err := chain.Seal(headAt(t, e, i), "forged", struct{}{}, start)
			must(t, err)
			return slices.Insert(e, i, x)
		}, tampered - 1},
		{"swap with the next", func(e []chain.Entry, i int) []chain.Entry { e[i], e[i+1] = e[i+1], e[i]; return e }, tampered - 2},
		{"truncate, or replay an older log", func(e []chain.Entry, i int) []chain.Entry { return e[:i] }, tampered - 1},
		{"take the body away", func(e []chain.Entry, i int) []chain.Entry { e[i].Body = nil; return e }, tampered - 1},
	}
	for turn, c := range changes {
		for _, i := range places(l, turn) {
			if i > c.last {
				continue
			}
			log := stream(t, c.tamper(slices.Clone(l.entries), i), checkpoint)
			d, err := chain.Verify(bytes.NewReader(log), f.verifier)
			var fault *chain.Fault
			if !errors.As(err, &fault) || fault != d.Fault || d.Matches && c.name != "take the body away" {
				t.Errorf("%s at %d: not found: %v", c.name, i, err)
				continue
			}
			// A header names what stands before it, and a seal vouches for it: where that alone was altered, what stands before could as well have been, and the verdict says so.
			before := fault.Seq < uint64(i) && strings.HasPrefix(c.name, "flip a bit of the header") && (strings.Contains(fault.What, "one of the two") || strings.Contains(fault.What, "two entries are numbered") ||
				strings.Contains(fault.What, fmt.Sprintf("to %d are not as they were sealed", i)))
			if fault.Seq != uint64(i) && !before {
				t.Errorf("%s at %d: found at %v", c.name, i, fault)
			}
			if d.Entries > uint64(i) {
				t.Errorf("%s at %d: %d entries called sound", c.name, i, d.Entries)
			}
		}
	}
	// Another log altogether, of the same recorder.
	other, _, _ := big(t)
	d, err := chain.Verify(bytes.NewReader(stream(t, other.entries, checkpoint)), f.verifier)
	if d.Fault == nil || d.Matches || !strings.Contains(err.Error(), "root") {
		t.Errorf("replaced whole: %v", err)
	}
}

// I11: who has all of the recorder's keys of today, signs a history of their own with them, and shows it without any witness, is found where an epoch was sealed.
func TestI11_TamperMatrixWithTheKeysOfToday(t *testing.T) {
	l, f, cosigned := big(t)
	sealedUntil := l.epochs.Sealed
	for _, i := range slices.Concat(places(l, 1), places(l, 3)) {
		if i == 0 { // the key of epoch 0 stands there: another one begins another log, which only a witness tells from this one
			continue
		}
		c := l.upTo(uint64(i))
		c.now = c.now.Add(time.Second)
		_ = c.write("test", map[string]string{"history": "of my own"})
		for _, e := range l.entries[i+1:] {
			c.take(e) // chained anew
		}
		own, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: c.head.Size, Root: c.head.Root()}, f.signer)
		must(t, err)
		d, err := chain.Verify(bytes.NewReader(stream(t, c.entries, own)), f.verifier)
		var fault *chain.Fault
		found := errors.As(err, &fault)
		switch {
		// An entry in the place of a seal is one that might have stood there: the seal is missed at the next.
		case uint64(i) < sealedUntil && isSeal(l.entries[i]) && found && fault.Seq == uint64(i)+1 && strings.Contains(fault.What, "the seal is missing"):
		case uint64(i) < sealedUntil && (!found || fault.Seq > uint64(i) || uint64(i)-fault.Seq > 61 || d.Entries > uint64(i)):
			t.Errorf("written anew from %d, sealed long ago: %v", i, err)
		case uint64(i) > sealedUntil && (found || d.Quorum): // the seal of its epoch was not yet made: a witness must tell
			t.Errorf("written anew from %d, not sealed: %v", i, err)
		}
		// With what a witness cosigned it is found, sealed or not.
		if d, err = chain.Verify(bytes.NewReader(stream(t, c.entries, cosigned)), f.verifier); d.Fault == nil || d.Matches || d.Fault.Seq > tampered-1 {
			t.Errorf("written anew from %d, under the witnesses' checkpoint: %v", i, err)
		}
	}
}

func isSeal(e chain.Entry) bool { return bytes.Contains(e.Header, []byte(protocol.KindEpochSealed)) }

// headAt is the head of a log before entry i.
func headAt(t *testing.T, entries []chain.Entry, i int) *chain.Head {
	h := chain.Head{Size: uint64(i)}
	if i > 0 {
		before, err := chain.ParseHeader(entries[i-1].Header)
		must(t, err)
		h.Last, h.Time = protocol.HashOf(entries[i-1].Header), before.Time
	}
	return &h
}
