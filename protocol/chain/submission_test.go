package chain_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// A witness's answer is added to the note it was asked for: verified, once, and nothing else with it.
func TestAnswerOfAWitnessIsAdded(t *testing.T) {
	x := newFixture(t, 5)
	signed := x.checkpoint(t, 5)
	c, err := chain.UnverifiedCheckpoint(signed)
	must(t, err)
	w, v := x.witnesses[0], x.verifier.Witnesses[0]
	var lines []byte
	for i, w := range x.witnesses {
		line, err := chain.CosignatureLine(c, w, start.Add(time.Duration(i)*time.Hour))
		must(t, err)
		lines = append(lines, line...)
	}
	plain, err := chain.SignCheckpoint(c, x.signer)
	must(t, err)
	added, err := chain.AddCosignature(plain, lines, v)
	must(t, err)
	if _, by, err := chain.OpenCheckpoint(added, origin, x.log, x.verifier.Witnesses...); err != nil || len(by) != 1 || by[0].Name != v.Name() {
		t.Errorf("%v %v", by, err)
	}
	younger, err := chain.CosignatureLine(c, w, start.Add(24*time.Hour))
	must(t, err)
	again, err := chain.AddCosignature(added, younger, v)
	must(t, err)
	if _, by, err := chain.OpenCheckpoint(again, origin, x.log, v); err != nil || len(by) != 1 || !by[0].Time.Equal(start.Add(24*time.Hour)) || len(again) != len(added) {
		t.Errorf("%v %v\n%s", by, err, again)
	}
	other := c
	other.Size = 4
	wrong, err := chain.CosignatureLine(other, w, start)
	must(t, err)
	for name, answer := range map[string][]byte{"nothing": nil, "of another checkpoint": wrong, "rubbish": []byte("hello\n"), "two texts": append([]byte("x\n\n"), younger...)} {
		if got, err := chain.AddCosignature(plain, answer, v); err == nil {
			t.Errorf("%s was taken: %s", name, got)
		}
	}
}

func TestSubmissionHasOneSpelling(t *testing.T) {
	x := newFixture(t, 5)
	p, err := chain.ConsistencyProof(2, 5, x.hashes)
	must(t, err)
	good := chain.MarshalSubmission(chain.Submission{Old: 2, Proof: p, Note: x.checkpoint(t, 5)})
	s, err := chain.ParseSubmission(good)
	must(t, err)
	if s.Old != 2 || len(s.Proof) != len(p) || !bytes.Equal(s.Note, x.checkpoint(t, 5)) {
		t.Errorf("%+v", s)
	}
	for _, bad := range [][]byte{nil, good[1:], bytes.Replace(good, []byte("old 2"), []byte("old 02"), 1), bytes.Replace(good, []byte("old 2"), []byte("old -2"), 1),
		bytes.Replace(good, []byte("=\n"), []byte("\n"), 1), bytes.Replace(good, []byte("old 2"), []byte("old 9007199254740993"), 1)} {
		if _, err := chain.ParseSubmission(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

// What a proof shows of the past is what the log was, at every pair of sizes; of a log with another past it shows that.
func TestProofShowsThePast(t *testing.T) {
	x, fork := newFixture(t, 40), newFixture(t, 40)
	for size := uint64(1); size <= 40; size++ {
		for old := uint64(1); old < size; old++ {
			for _, l := range []*fixture{x, fork} {
				p, err := chain.ConsistencyProof(old, size, l.hashes)
				must(t, err)
				was, err := chain.RootAt(old, l.hashes)
				must(t, err)
				is, err := chain.RootAt(size, l.hashes)
				must(t, err)
				shown, err := chain.ShownRoot(p, old, size, is)
				if power := old&(old-1) == 0; power != (err != nil) || !power && shown != was {
					t.Fatalf("%d to %d: %s %v, was %s", old, size, shown, err, was)
				}
				if len(p) > 1 {
					p[len(p)-1][0] ^= 1
					if _, err := chain.ShownRoot(p, old, size, is); err == nil {
						t.Fatalf("%d to %d: a spoilt proof shows something", old, size)
					}
				}
			}
		}
	}
}
