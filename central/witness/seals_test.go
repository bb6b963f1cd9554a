package witness

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// epochs is what a recorder in these tests has to seal with.
type epochs struct {
	chain.Epochs
	key note.Signer
}

func (x *epochs) next(t testing.TB) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, protocol.LogOrigin(origin, x.Log))
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return key, vkey
}

func (x *epochs) follow(r *recorder, do func()) {
	before := r.head
	do()
	e := r.entries[len(r.entries)-1]
	if h, err := chain.ParseHeader(e.Header); err == nil {
		_ = x.Next(origin, before, h, e.Body)
	}
}

func (x *epochs) begin(t testing.TB, r *recorder, lost string) {
	t.Helper()
	key, vkey := x.next(t)
	number := uint64(0)
	if x.Key != "" {
		number = x.Number + 1
	}
	x.follow(r, func() { r.add(t, protocol.KindEpochBegun, protocol.EpochBegun{Epoch: number, Key: vkey, Lost: lost}) })
	x.key = key
}

// seal ends the epoch at the recorder's time, with a change that a liar makes.
func (x *epochs) seal(t testing.TB, r *recorder, change func(*chain.EpochSeal)) {
	t.Helper()
	key, vkey := x.next(t)
	s := chain.EpochSeal{Checkpoint: chain.Checkpoint{Origin: protocol.LogOrigin(origin, x.Log), Size: r.head.Size, Root: r.head.Root()}, Epoch: x.Number, Ended: protocol.T(r.now), Next: vkey}
	if change != nil {
		change(&s)
	}
	signed, err := note.Sign(&note.Note{Text: s.String()}, x.key)
	if err != nil {
		t.Fatal(err)
	}
	x.follow(r, func() { r.add(t, protocol.KindEpochSealed, protocol.EpochSealed{Seal: string(signed)}) })
	x.key = key
}

// TestI11_WitnessHoldsTheSeals: what a recorder wrote is kept and cosigned; what its seals do not hold is found, once, at its entry, with a proof for who was not there.
func TestI11_WitnessHoldsTheSeals(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	var x epochs
	sent := 0
	send := func() []Finding {
		t.Helper()
		p.now = r.now
		p.receive(r, r.batch(t, sent, len(r.entries)))
		sent = len(r.entries)
		return p.state().Findings
	}
	r.grow(t, 2)
	x.begin(t, r, "")
	r.grow(t, 3)
	r.now = r.now.Add(time.Hour)
	x.seal(t, r, nil)
	r.grow(t, 2)
	if f := send(); len(f) != 0 {
		t.Fatalf("a good log: %+v", f)
	}
	p.reopen() // it goes on where it was
	r.now = r.now.Add(time.Hour)
	x.seal(t, r, nil)
	if f := send(); len(f) != 0 {
		t.Fatalf("a good log, in pieces: %+v", f)
	}

	// A seal over something else.
	r.grow(t, 1)
	r.now = r.now.Add(time.Hour)
	x.seal(t, r, func(s *chain.EpochSeal) { s.Root[0]++ })
	wrong := r.head.Size - 1
	r.grow(t, 4)
	r.now = r.now.Add(5 * time.Hour)
	r.grow(t, 1)
	f := send()
	if len(f) != 1 || f[0].Kind != Unsealed || f[0].Seq != wrong || !strings.Contains(f[0].Detail, "says root") {
		t.Fatalf("%+v", f)
	}
	if err := f[0].Check(origin, r.verifier(t)); err != nil {
		t.Error("the proof: ", err)
	}
	other := newRecorder(t)
	if err := f[0].Check(origin, other.verifier(t)); err == nil {
		t.Error("a proof against another recorder")
	}
	for what, forge := range map[string]func(*Finding){
		"root":  func(f *Finding) { f.Root[0]++ },
		"seal":  func(f *Finding) { f.Body = bytes.Replace(f.Body, []byte("epoch 2"), []byte("epoch 3"), 1) },
		"key":   func(f *Finding) { f.Named, f.OurEntry, f.OurBody = 2, r.entries[2].Header, r.entries[2].Body },
		"place": func(f *Finding) { f.Seq++ },
	} {
		forged := f[0]
		if forge(&forged); forged.Check(origin, r.verifier(t)) == nil {
			t.Errorf("a forged %s convinces", what)
		}
	}
	// A liar among witnesses cannot make a finding of good seals.
	good := f[0]
	good.Seq, good.Entry, good.Body, good.Named, good.OurEntry, good.OurBody = 6, r.entries[6].Header, r.entries[6].Body, 2, r.entries[2].Header, r.entries[2].Body
	tree := func(n uint64) protocol.Hash {
		root, err := chain.RootAt(n, r.hashes)
		if err != nil {
			t.Fatal(err)
		}
		return root
	}
	var err error
	good.Root = tree(6)
	if good.Proof, err = chain.ConsistencyProof(6, r.head.Size, r.hashes); err != nil {
		t.Fatal(err)
	}
	if good.Inclusion, err = chain.InclusionProof(6, r.head.Size, r.hashes); err != nil {
		t.Fatal(err)
	}
	if good.OurInclusion, err = chain.InclusionProof(2, r.head.Size, r.hashes); err != nil {
		t.Fatal(err)
	}
	if err := good.Check(origin, r.verifier(t)); err == nil || !strings.Contains(err.Error(), "the seal holds") {
		t.Errorf("a good seal: %v", err)
	}

	// It begins anew, and then leaves a seal out.
	x.begin(t, r, "the seal was wrong")
	r.grow(t, 1)
	r.now = r.now.Add(time.Hour)
	r.grow(t, 3)
	f = send()
	if len(f) != 2 || f[1].Seq != wrong+8 || !strings.Contains(f[1].Detail, "the seal is missing") {
		t.Fatalf("%+v", f)
	}
	if err := f[1].Check(origin, r.verifier(t)); err == nil || !strings.Contains(err.Error(), "without the log") {
		t.Errorf("by itself: %v", err)
	}
	var file bytes.Buffer
	if err := p.LogFile(id, &file); err != nil {
		t.Fatal(err)
	}
	if d, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: r.verifier(t)}); err == nil || !strings.HasSuffix(err.Error(), strings.SplitN(f[0].Detail, ": ", 2)[1]) {
		t.Errorf("with the log: %+v, %v", d, err)
	}
}

// TestI11_WitnessMissesTheSealOfAnIdleRecorder: one that says that its log has not grown, hours after its last seal, does not seal.
func TestI11_WitnessMissesTheSealOfAnIdleRecorder(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	var x epochs
	r.grow(t, 1)
	x.begin(t, r, "")
	p.receive(r, r.batch(t, 0, 2))
	p.now = start.Add(80 * time.Minute)
	p.receive(r, r.batch(t, 2, 2))
	if f := p.state().Findings; len(f) != 0 {
		t.Errorf("in time: %+v", f)
	}
	p.now = start.Add(3 * time.Hour)
	p.receive(r, r.batch(t, 0, 2)) // a broker repeats
	if f := p.state().Findings; len(f) != 0 {
		t.Errorf("an old batch: %+v", f)
	}
	p.receive(r, r.batch(t, 2, 2))
	p.receive(r, r.batch(t, 2, 2))
	if f := p.state().Findings; len(f) != 1 || f[0].Kind != Late || f[0].Times != 2 {
		t.Errorf("idle without a seal: %+v", f)
	}
}
