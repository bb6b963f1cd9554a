package chain_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
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
	if _, err = verify(f.entries, other.checkpoint(t, 12), other.checkpoint(t, 12)); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("said twice: %v", err)
	}
	fork, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: 17, Root: other.head.Root()}, f.signer)
	must(t, err)
	if d, err = verify(f.entries, first, both, fork); err == nil || d.Fault == nil || d.Fault.Seq != 16 || !strings.Contains(d.Fault.What, "from entry 12 on") {
		t.Errorf("a signed fork: %+v", d.Fault)
	}
	if d.Fault.Before != 4 {
		t.Errorf("entries 12 to 15 may have been written anew as well: %+v", d.Fault)
	}
	// Of two faults the first is named, also where it shows only by a checkpoint.
	torn := slices.Clone(f.entries)
	torn[14].Body = torn[13].Body
	early, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: 5, Root: other.head.Root()}, f.signer)
	must(t, err)
	if d, err = verify(torn, first, early, both); err == nil || d.Fault == nil || d.Fault.Seq != 4 || d.Fault.Before != 1 || d.Entries != 4 {
		t.Errorf("a false checkpoint before a bad entry: %+v", d.Fault)
	}
	if d, err = verify(torn, first, both, fork); err == nil || d.Fault == nil || d.Fault.Seq != 14 {
		t.Errorf("a bad entry before a false checkpoint: %+v", d.Fault)
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

// Bodies that went in time are told from bodies that are missing by the newest cosignature there is, also where the quorum is of an older checkpoint: a witness that was away accuses nobody.
func TestI11_TheNewestCosignatureTellsWhatIsDue(t *testing.T) {
	f := newFixture(t, 0)
	for i := range 4 {
		f.add(t, i, func(int) (string, any) { return protocol.KindView, protocol.Access{How: "live"} })
	}
	signed := func(size uint64, at time.Time, by ...*chain.Witness) []byte {
		root, err := chain.RootAt(size, f.hashes)
		must(t, err)
		n, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: size, Root: root}, f.signer)
		must(t, err)
		for _, w := range by {
			n, err = chain.Cosign(n, w, at)
			must(t, err)
		}
		return n
	}
	for i := range f.entries {
		f.entries[i].Body = nil
	}
	verify := func(notes ...[]byte) (chain.Verdict, error) {
		b := bytes.NewBuffer(stream(t, f.entries, nil))
		for _, n := range notes {
			must(t, chain.WriteCheckpoint(b, n))
		}
		return chain.Verify(b, f.verifier)
	}
	both := signed(3, start.Add(time.Hour), f.witnesses...)
	if _, err := verify(both); err == nil || !strings.Contains(err.Error(), "its body is missing") {
		t.Errorf("before the term was over: %v", err)
	}
	if d, err := verify(both, signed(4, start.AddDate(6, 0, 0), f.witnesses[0])); err != nil || !d.Quorum || d.Checkpoint.Size != 3 || d.Unsaid != 4 {
		t.Errorf("%v: %+v", err, d)
	}
}

// Of notes of one log those stay that show since when and until where each witness signed; of two of the same entries the signatures go together, the later of one key.
func TestFirstAndNewest(t *testing.T) {
	f := newFixture(t, 20)
	signed := func(size uint64, minutes int, by ...*chain.Witness) []byte {
		root, err := chain.RootAt(size, f.hashes)
		must(t, err)
		n, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: size, Root: root}, f.signer)
		must(t, err)
		for _, w := range by {
			n, err = chain.Cosign(n, w, start.Add(time.Duration(minutes)*time.Minute))
			must(t, err)
		}
		return n
	}
	own, outside := f.witnesses[0], f.witnesses[1]
	left, err := chain.FirstAndNewest([][]byte{signed(20, 20, own, outside), signed(3, 1, own), signed(4, 2, own), signed(5, 3, own, outside), signed(9, 9, own, outside), signed(2, 0), signed(20, 30, own), signed(5, 4, own)})
	must(t, err)
	var got []string
	for _, n := range left {
		c, by, err := chain.OpenCheckpoint(n, origin, f.log, f.verifier.Witnesses...)
		must(t, err)
		line := fmt.Sprint(c.Size)
		for _, w := range by {
			line += fmt.Sprintf(" %s %v", w.Name, w.Time.Sub(start))
		}
		got = append(got, line)
	}
	if want := []string{"3 witness.helmond 1m0s", "5 witness.helmond 4m0s witness.example 3m0s", "20 witness.helmond 30m0s witness.example 20m0s"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if _, err := chain.FirstAndNewest([][]byte{[]byte("x")}); err == nil {
		t.Error("that is no note")
	}
}
