package chain_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// sealed is a log whose epochs are sealed, and the key of the one that runs: all that its recorder has.
type sealed struct {
	t       testing.TB
	head    chain.Head
	epochs  chain.Epochs
	entries []chain.Entry
	now     time.Time
	key     note.Signer
}

func (l *sealed) newKey() (note.Signer, string) {
	skey, vkey, err := note.GenerateKey(rand.Reader, protocol.LogOrigin(origin, l.epochs.Log))
	must(l.t, err)
	key, err := note.NewSigner(skey)
	must(l.t, err)
	return key, vkey
}

func newSealed(t testing.TB) *sealed { return &sealed{t: t, now: start} }

// write appends an entry that may be anything.
func (l *sealed) write(kind string, body any) error {
	l.t.Helper()
	e, err := chain.Seal(&l.head, kind, body, l.now)
	must(l.t, err)
	h, err := chain.ParseHeader(e.Header)
	must(l.t, err)
	wrong := l.epochs.Next(origin, l.head, h, e.Body)
	must(l.t, l.head.Add(e))
	l.entries = append(l.entries, e)
	return wrong
}

func (l *sealed) fill(n int) {
	for range n {
		l.now = l.now.Add(time.Minute)
		_ = l.write("test", map[string]any{"n": l.head.Size}) // an attacker's log is wrong somewhere; Verify says where
	}
}

func (l *sealed) begin(lost string) {
	l.t.Helper()
	number := l.epochs.Number + 1
	if l.epochs.Key == "" {
		number = 0
	}
	key, vkey := l.newKey()
	l.key = key
	must(l.t, l.write(protocol.KindEpochBegun, protocol.EpochBegun{Epoch: number, Key: vkey, Lost: lost}))
}

// seal ends the epoch with the key that there is, at the hour.
func (l *sealed) seal() {
	l.t.Helper()
	l.now = l.epochs.Since.Add(chain.MaxEpoch)
	next, vkey := l.newKey()
	body, err := l.epochs.Seal(l.head, l.key, vkey, l.now)
	must(l.t, err)
	must(l.t, l.write(protocol.KindEpochSealed, body))
	l.key = next
}

// copied is what somebody took with everything on the disk.
func (l *sealed) copied() *sealed {
	c := *l
	c.entries = slices.Clone(l.entries)
	return &c
}

// resume has the log go on as its successor, by an order for the log of a number.
func (l *sealed) resume(log, order uint64) error {
	l.t.Helper()
	doc, err := protocol.Compose(protocoltest.NewTown(l.t, start).Resume("r-1", order))
	must(l.t, err)
	return l.write(protocol.KindResumed, protocol.Resumed{Log: log, Document: string(doc)})
}

// upTo is the log cut to a number of entries, with the key that the disk has now.
func (l *sealed) upTo(size uint64) *sealed {
	c := newSealed(l.t)
	for _, e := range l.entries[:size] {
		c.take(e)
	}
	c.key = l.key
	return c
}

// take takes an entry of another log behind this one's last, with a header that fits here.
func (l *sealed) take(e chain.Entry) {
	h, err := chain.ParseHeader(e.Header)
	must(l.t, err)
	h.Seq, h.Prev = l.head.Size, l.head.Last
	line := fmt.Sprintf(`{"v":1,"seq":%d,"time":"%s","kind":"%s","prev":"%s","body":"%s"}`, h.Seq, h.Time, h.Kind, h.Prev, h.Body)
	e.Header = []byte(line)
	_ = l.epochs.Next(origin, l.head, h, e.Body)
	must(l.t, l.head.Add(e))
	l.entries, l.now = append(l.entries, e), h.Time.Time
}

// forgeSeal seals with whatever key there is, as who has taken the disk can.
func (l *sealed) forgeSeal() {
	l.now = l.now.Add(time.Minute)
	next, vkey := l.newKey()
	s := chain.EpochSeal{Checkpoint: chain.Checkpoint{Origin: origin, Size: l.head.Size, Root: l.head.Root()}, Epoch: l.epochs.Number, Ended: protocol.T(l.now), Next: vkey}
	signed, err := note.Sign(&note.Note{Text: s.String()}, l.key)
	must(l.t, err)
	_ = l.write(protocol.KindEpochSealed, protocol.EpochSealed{Seal: string(signed)})
	l.key = next
}

func (l *sealed) verify() (chain.Verdict, error) {
	return chain.Verify(bytes.NewReader(stream(l.t, l.entries, nil)), chain.Verifier{Origin: origin, Log: newFixture(l.t, 0).log})
}

func (l *sealed) found(what string, from, to uint64) {
	l.t.Helper()
	d, err := l.verify()
	var f *chain.Fault
	if !errors.As(err, &f) || f.Seq < from || f.Seq > to || d.Entries > to || f.Line != 2*f.Seq+1 || !strings.Contains(f.What, what) {
		l.t.Errorf("found %v (%d sound); want %q from entry %d to %d", err, d.Entries, what, from, to)
	}
}

// threeEpochs has entries 0–11 in epoch 0, one empty epoch, and epoch 2, not yet sealed.
func threeEpochs(t testing.TB) *sealed {
	l := newSealed(t)
	l.fill(2)
	l.begin("")
	l.fill(9)
	l.seal() // entry 12
	l.seal() // entry 13, of an empty epoch
	l.fill(4)
	return l
}

func TestI11_SealedEpochsAreForwardSecure(t *testing.T) {
	l := threeEpochs(t)
	d, err := l.verify()
	must(t, err)
	e := d.Epochs
	if e.Number != 2 || e.First != 2 || e.Sealed != 13 || !e.SealedAt.Equal(start.Add(2*time.Minute+2*time.Hour)) || len(d.Breaks) != 0 || e != l.epochs {
		t.Errorf("%+v", d)
	}
	stored, err := json.Marshal(l.epochs)
	must(t, err)
	var back chain.Epochs
	must(t, json.Unmarshal(stored, &back, json.RejectUnknownMembers(true)))
	if back != l.epochs {
		t.Errorf("stored and read back: %+v, was %+v", back, l.epochs)
	}
	old := newSealed(t) // before there were seals
	old.fill(200)
	if d, err := old.verify(); err != nil || d.Epochs.Key != "" {
		t.Errorf("a log without epochs: %+v, %v", d, err)
	}
}

// Software that is not ours takes a seal for what it is: a checkpoint, signed with the key that the log names.
func TestI11_SealIsACheckpointToOthers(t *testing.T) {
	l := threeEpochs(t)
	var begun protocol.EpochBegun
	must(t, chain.ParseBody(l.entries[2].Body, &begun))
	var b protocol.EpochSealed
	must(t, chain.ParseBody(l.entries[12].Body, &b))
	key, err := note.NewVerifier(begun.Key)
	must(t, err)
	c, _, _, err := log.ParseCheckpoint([]byte(b.Seal), origin, key)
	must(t, err)
	if head := l.upTo(12).head.Root(); c.Size != 12 || !bytes.Equal(c.Hash, head[:]) {
		t.Errorf("%+v", c)
	}
}

// Who takes the disk has the key of the epoch that runs, and of none before: nothing older can be written anew, though all is chained and signed again.
func TestI11_OldEntryIsNotAcceptedUnderANewerSeal(t *testing.T) {
	l := threeEpochs(t)
	for at := range l.entries[:12] {
		c := l.upTo(uint64(at))
		c.now = start.Add(time.Duration(at+1) * time.Minute)
		if at == 2 {
			must(t, c.write(protocol.KindEpochBegun, protocol.EpochBegun{Key: vkeyOf(l)}))
		} else {
			_ = c.write("test", map[string]any{"n": "another"})
		}
		for _, e := range l.entries[at+1:] { // with the old seals
			c.take(e)
		}
		c.found("entries 0 to 12 are not as they were sealed", 0, 12)

		c = c.upTo(12)
		c.key = l.key
		c.forgeSeal() // with new ones
		c.forgeSeal()
		c.found("not signed with the key that entry 2 names for epoch 0", 0, 12)
	}
	// In the epoch that runs it is possible: only a cosignature covers that.
	c := l.upTo(15)
	c.fill(9)
	if _, err := c.verify(); err != nil {
		t.Error(err)
	}
}

func vkeyOf(l *sealed) string { _, vkey := l.newKey(); return vkey }

// An empty epoch is sealed too. Without that, who cuts the log back to the seal before it could say that nothing happened since.
func TestI11_EmptyEpochPermitsNoTruncation(t *testing.T) {
	l := threeEpochs(t)
	c := l.upTo(13) // without the empty epoch
	for _, e := range l.entries[14:] {
		c.take(e)
	}
	c.found("the seal is missing", 13, 13)
	c.forgeSeal()
	c.found("the seal is missing", 13, 13)

	c = l.upTo(13)
	c.key = l.key
	c.now = l.now
	c.forgeSeal() // first of all, as after a start
	c.fill(5)
	c.found("not signed with the key that entry 12 names for epoch 1", 12, 13)

	l.seal() // entry 18, of epoch 2
	c = l.upTo(13)
	for _, e := range l.entries[18:] {
		c.take(e)
	}
	c.found("the seal of epoch 2 stands where epoch 1 must be sealed", 12, 13)
}

// An hour is an hour: to the millisecond an entry stands in it, and none but the seal at its end.
func TestI11_EpochIsAnHour(t *testing.T) {
	for late, want := range map[time.Duration]string{-time.Millisecond: "", 0: "the seal is missing"} {
		l := newSealed(t)
		l.fill(1)
		l.begin("")
		l.now = l.epochs.Since.Add(chain.MaxEpoch + late)
		if err := l.write("test", struct{}{}); (err != nil) != (want != "") {
			t.Errorf("%s: %v", late, err)
		}
		if want == "" {
			if _, err := l.verify(); err != nil {
				t.Error(err)
			}
			continue
		}
		l.found(want, 2, 2)
	}
}

func TestI11_CutBackToASealAndGoneOn(t *testing.T) {
	l := threeEpochs(t)
	l.seal()
	for _, cut := range []uint64{3, 12, 13, 14} {
		c := l.upTo(cut)
		c.key = l.key
		c.fill(3)
		c.now = c.now.Add(time.Hour)
		c.fill(1)
		c.found("the seal is missing", cut, cut+4)
		c = l.upTo(cut)
		c.key = l.key
		c.fill(3)
		c.forgeSeal()
		c.found("are not as they were sealed", c.epochs.Sealed, cut+3)
	}
}

func TestI11_SealSaysWhatItIs(t *testing.T) {
	l := threeEpochs(t)
	for what, change := range map[string]func(s *chain.EpochSeal){
		"is of \"rec-2":        func(s *chain.EpochSeal) { s.Origin = "rec-2.helmond/beeldwacht" },
		"is over 3 entries":    func(s *chain.EpochSeal) { s.Size = 3 },
		"says root":            func(s *chain.EpochSeal) { s.Root[4]++ },
		"stands where epoch":   func(s *chain.EpochSeal) { s.Epoch++ },
		"its own key":          func(s *chain.EpochSeal) { s.Next = l.epochs.Key },
		"the entry with its":   func(s *chain.EpochSeal) { s.Ended = protocol.T(s.Ended.Add(time.Second)) },
		"want six lines":       func(s *chain.EpochSeal) { s.Next += "\nmore" },
		"of an epoch is named": func(s *chain.EpochSeal) { _, s.Next, _ = note.GenerateKey(rand.Reader, "other") },
	} {
		c := l.copied()
		s := chain.EpochSeal{Checkpoint: chain.Checkpoint{Origin: origin, Size: c.head.Size, Root: c.head.Root()}, Epoch: 2, Ended: protocol.T(c.now), Next: vkeyOf(l)}
		change(&s)
		signed, err := note.Sign(&note.Note{Text: s.String()}, l.key)
		must(t, err)
		err = c.write(protocol.KindEpochSealed, protocol.EpochSealed{Seal: string(signed)})
		if what == "stands where epoch" {
			what = "is of epoch 3"
		}
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		if !c.epochs.Failed || c.write("test", struct{}{}) != nil {
			t.Error("more than one fault of one seal")
		}
		c.begin("the seal was wrong")
		if c.epochs.Failed || c.epochs.Breaks != 1 {
			t.Errorf("begun anew: %+v", c.epochs)
		}
	}
	gone := l.copied()
	gone.entries[12].Body = nil
	gone.found("never destroyed", 0, 12)
	gone = l.copied()
	gone.entries[2].Body = nil
	gone.found("never destroyed", 2, 2)
}

// A recorder that lost its key begins anew, and nobody can overlook it.
func TestI11_BreakIsSeen(t *testing.T) {
	l := threeEpochs(t)
	l.key = nil
	l.begin("the key file is gone")
	l.fill(3)
	l.seal()
	d, err := l.verify()
	must(t, err)
	if want := (chain.Break{From: 13, Seq: 18, Why: "the key file is gone"}); !slices.Equal(d.Breaks, []chain.Break{want}) || d.Epochs.Breaks != 1 || d.Epochs.Number != 4 {
		t.Errorf("%+v", d)
	}
	for _, b := range []protocol.EpochBegun{{Epoch: 5, Key: vkeyOf(l)}, {Epoch: 4, Key: vkeyOf(l), Lost: "x"}, {Epoch: 6, Key: vkeyOf(l), Lost: "x"}, {Epoch: 5, Key: l.epochs.Key, Lost: "x"}, {Epoch: 5, Lost: "x"}} {
		c := l.copied()
		if err := c.write(protocol.KindEpochBegun, b); err == nil {
			t.Errorf("%+v is accepted", b)
		}
	}
}

func FuzzParseEpochSeal(f *testing.F) {
	f.Add(chain.EpochSeal{Checkpoint: chain.Checkpoint{Origin: origin, Size: 5}, Epoch: 3, Ended: protocol.T(start), Next: vkeyOf(newSealed(f))}.String())
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := chain.ParseEpochSeal(text); err == nil && s.String() != text {
			t.Error("a seal has two spellings")
		}
	})
}

// A log that goes on as its successor is one log to whoever has the first one's key: sealed under the new name, with the break told, and who allowed it.
func TestI13_SuccessorIsVerifiedWithTheKeyOfTheFirst(t *testing.T) {
	l := threeEpochs(t)
	l.seal()
	must(t, l.resume(2, 2))
	l.begin("the log was resumed")
	l.fill(3)
	l.seal()
	f := newFixture(t, 0)
	under := func(log uint64, head chain.Head) []byte {
		s, err := protocol.SignerUnder(protocol.LogOrigin(origin, log), f.signer)
		must(t, err)
		signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: s.Name(), Size: head.Size, Root: head.Root()}, s)
		must(t, err)
		return signed
	}
	v, err := protocol.NewVerifier(f.vkey)
	must(t, err)
	judge := chain.Verifier{Origin: origin, Log: v}
	d, err := chain.Verify(bytes.NewReader(stream(t, l.entries, under(2, l.head))), judge)
	if err != nil || d.Checkpoint == nil || !d.Matches || d.Checkpoint.Origin != origin+"/2" || len(d.Resumed) != 1 || d.Resumed[0].Log != 2 || len(d.Breaks) != 1 || d.Epochs.Log != 2 || d.Epochs.Sealed != l.head.Size-1 {
		t.Errorf("%v: %+v", err, d)
	}
	// The name alone makes no successor: the entry that cites the order must be there.
	for log, of := range map[uint64]*sealed{2: threeEpochs(t), 3: l} {
		if d, err := chain.Verify(bytes.NewReader(stream(t, of.entries, under(log, of.head))), judge); err == nil || d.Fault != nil || !strings.Contains(err.Error(), fmt.Sprintf("is of log %d, and no entry says", log)) {
			t.Errorf("log %d without its resumption: %v", log, err)
		}
	}
	// Somebody else's key under that name is nobody's.
	other, _ := protocoltest.Key(t, origin)
	forged, err := protocol.SignerUnder(origin+"/2", other)
	must(t, err)
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin + "/2", Size: l.head.Size, Root: l.head.Root()}, forged)
	must(t, err)
	if _, err := chain.Verify(bytes.NewReader(stream(t, l.entries, signed)), judge); err == nil {
		t.Error("a successor signed with another key is accepted")
	}
	// Nor is the log of another recorder a successor of this one.
	if _, _, err := chain.OpenSuccessor(under(2, l.head), "rec-2.stad/beeldwacht", v); err == nil {
		t.Error("another recorder's successor is accepted")
	}
}

// What may not be: a number left out, an order for another number, and a log that goes on without a new epoch, whose key only the new name has.
func TestI13_SuccessorBeginsByItsOrder(t *testing.T) {
	for name, act := range map[string]func(l *sealed) error{
		"begins log 3 by an order for log 3": func(l *sealed) error { return l.resume(3, 3) },
		"begins log 2 by an order for log 3": func(l *sealed) error { return l.resume(2, 3) },
		"should begin an epoch":              func(l *sealed) error { must(t, l.resume(2, 2)); return l.write("test", map[string]any{}) },
	} {
		t.Run(name, func(t *testing.T) {
			l := threeEpochs(t)
			l.seal()
			if err := act(l); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("found %v", err)
			}
		})
	}
}
