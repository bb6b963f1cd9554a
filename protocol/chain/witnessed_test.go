package chain_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// A stream may end with several checkpoints: each is held against the entries, and the verdict goes by the newest that a quorum cosigned.
func TestI11_EveryCheckpointOfAStreamCounts(t *testing.T) {
	f := newFixture(t, 20)
	signed := func(size uint64, by ...*chain.Witness) []byte {
		root, err := chain.RootAt(size, f.hashes)
		must(t, err)
		n, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: size, Root: root}, f.signer)
		must(t, err)
		for _, w := range by {
			n, err = chain.Cosign(n, w, start.Add(time.Duration(size)*time.Minute))
			must(t, err)
		}
		return n
	}
	own, outside := f.witnesses[0], f.witnesses[1]
	first, both, alone, bare := signed(3, own), signed(12, own, outside), signed(17, own), signed(20)
	verify := func(entries []chain.Entry, notes ...[]byte) (chain.Verdict, error) {
		b := bytes.NewBuffer(stream(t, entries, nil))
		for _, n := range notes {
			must(t, chain.WriteCheckpoint(b, n))
		}
		return chain.Verify(b, f.verifier)
	}

	d, err := verify(f.entries, first, both, alone, bare)
	must(t, err)
	if d.Checkpoint.Size != 12 || !d.Quorum || !d.Matches || d.Uncovered != 8 || len(d.Witnesses) != 4 || string(d.Signed) != string(both) {
		t.Errorf("%+v", d)
	}
	if w := d.Witnesses[0]; w.Checkpoint.Size != 3 || w.Quorum || !w.Matches || len(w.Cosignatures) != 1 || !w.CoveredTime.Equal(start.Add(2*time.Second)) {
		t.Errorf("the first: %+v", w)
	}
	if d, err = verify(f.entries, first, alone, bare); err != nil || d.Quorum || d.Checkpoint.Size != 20 {
		t.Errorf("without a quorum the newest counts: %+v %v", d, err)
	}

	// Whatever is wrong with one of them shows.
	if d, err = verify(f.entries[:15], first, both, alone); err == nil || d.Fault == nil || d.Fault.Seq != 15 || !d.Quorum {
		t.Errorf("cut behind the quorum: %+v", d.Fault)
	}
	other := newFixture(t, 20)
	if _, err = verify(f.entries, first, other.checkpoint(t, 12), alone); err == nil || !strings.Contains(err.Error(), "unverified") && !strings.Contains(err.Error(), "signature") {
		t.Errorf("a checkpoint of another log: %v", err)
	}
	fork, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: 17, Root: other.head.Root()}, f.signer)
	must(t, err)
	if d, err = verify(f.entries, first, both, fork); err == nil || d.Fault == nil || d.Fault.Seq != 16 || !strings.Contains(d.Fault.What, "from entry 12 on") {
		t.Errorf("a signed fork: %+v", d.Fault)
	}
	stolen := slices.Concat(signed(20, own), both[bytes.LastIndex(both, []byte("— "+outside.Name())):])
	if d, err = verify(f.entries, first, both, stolen); err != nil || len(d.Witnesses[2].Forged) != 1 || d.Witnesses[2].Forged[0] != outside.Name() || d.Witnesses[2].Quorum || d.Checkpoint.Size != 12 {
		t.Errorf("a cosignature moved to another checkpoint: %+v, %v", d.Witnesses, err)
	}

	// Only as many as anyone needs are read.
	if _, err = verify(f.entries, slices.Repeat([][]byte{both}, chain.MaxCheckpoints)...); err != nil {
		t.Error(err)
	}
	if _, err = verify(f.entries, slices.Repeat([][]byte{bytes.Repeat([]byte("x\n"), chain.MaxCheckpoint)}, chain.MaxCheckpoints)...); err == nil {
		t.Error("notes without end")
	}
}
