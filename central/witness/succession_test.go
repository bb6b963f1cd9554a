package witness

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// resumed lets a recorder that was put back go on as its successor of a number, as its own code does.
func (r *recorder) resumed(t testing.TB, x *epochs, log uint64) {
	t.Helper()
	doc, err := protocol.Compose(protocoltest.NewTown(t, start).Resume(fmt.Sprint("r-", log), log))
	if err != nil {
		t.Fatal(err)
	}
	x.follow(r, func() { r.add(t, protocol.KindResumed, protocol.Resumed{Log: log, Document: string(doc)}) })
	if r.log = log; x.Key != "" {
		x.begin(t, r, "the log was resumed")
	}
}

// verified checks one of a recorder's logs as anyone does, with the key of its enrolment.
func (p *place) verified(r *recorder, log uint64) chain.Verdict {
	p.t.Helper()
	var file bytes.Buffer
	if err := p.FormerFile(id, log, 0, &file); err != nil {
		p.t.Fatal(err)
	}
	w, err := chain.WitnessVerifier(p.Key())
	if err != nil {
		p.t.Fatal(err)
	}
	d, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: r.verifier(p.t), Witnesses: []note.Verifier{w}, Quorum: 1})
	if err != nil || !d.Quorum || !d.Matches || d.Checkpoint.Origin != protocol.LogOrigin(origin, log) {
		p.t.Errorf("log %d: %v: %+v", log, err, d)
	}
	return d
}

// takeIn reads what waits, as the centre does, by log and number.
func (p *place) takeIn() (list []string) {
	p.t.Helper()
	for slices.Contains(p.Waiting(), id) {
		log, next := p.Taken(id)
		entries, err := p.EntriesOf(id, log, next, 2)
		if err != nil || len(entries) == 0 {
			p.t.Fatal(log, next, err)
		}
		for i, e := range entries {
			h, err := chain.ParseHeader(e.Header)
			if err != nil || h.Seq != next+uint64(i) {
				p.t.Fatal(h, err)
			}
			list = append(list, fmt.Sprintf("%d:%d", log, h.Seq))
		}
		p.Take(id, log, next+uint64(len(entries)))
	}
	return list
}

// putBack is a recorder with a backup of its disk, and epochs; 8 entries of which the backup has 5.
func putBack(t *testing.T) (p *place, r, backup *recorder, x *epochs) {
	r = newRecorder(t)
	p = newPlace(t, r)
	x = &epochs{}
	r.add(t, protocol.KindOpened, protocol.Opened{})
	x.begin(t, r, "")
	r.add(t, protocol.KindView, protocol.Access{Camera: "hal", How: "live"})
	r.grow(t, 2)
	backup = r.copy()
	old := *x
	r.now = r.now.Add(time.Second)
	r.add(t, protocol.KindView, protocol.Access{Camera: "plein", How: "live"}) // 5: somebody saw this, and it is in the lost part
	r.grow(t, 2)
	p.receive(r, r.batch(t, 0, 8))
	backup.now = r.now.Add(time.Minute)
	return p, r, backup, &old
}

// A recorder that was put back goes on under a successor, when the officer orders so; of the log before nothing is lost.
func TestI13_ASuccessorTakesThePlaceOfALogThatWasPutBack(t *testing.T) {
	p, r, backup, x := putBack(t)
	first := p.state().Cosigned
	p.hear(backup, 5)
	backup.grow(t, 2) // what it recorded before anyone knew
	if _, err := p.Receive(t.Context(), id, backup.batch(t, 5, 7)); !errors.Is(err, ErrFork) {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.takeIn()); got != "[0:0 0:1 0:2 0:3 0:4 0:5 0:6 0:7]" {
		t.Error(got)
	}
	lost := r.copy() // what the disk that died counted last, and never handed in, was of the log before
	lost.now = backup.now.Add(time.Second)
	p.hear(lost, 12)
	backup.now = lost.now.Add(time.Minute)
	before := len(p.state().Findings)
	backup.resumed(t, x, 2)
	backup.add(t, protocol.KindView, protocol.Access{Camera: "hal", How: "live"})
	answer, err := p.Receive(t.Context(), id, backup.batch(t, 5, len(backup.entries)))
	if !errors.Is(err, ErrNotOrdered) || !bytes.Equal(answer, first) || p.state().Size != 8 || len(p.state().Findings) != before {
		t.Fatalf("nobody ordered it: %v, %+v", err, p.state())
	}
	for range 2 {
		if err := p.Resume(id, 2); err != nil {
			t.Fatal(err)
		}
	}
	if p.state().Next != 2 {
		t.Error("ordered, and it does not show")
	}
	p.receive(backup, backup.batch(t, 5, len(backup.entries)))
	p.reopen()
	s := p.state()
	if s.Log != 2 || s.Origin != origin+"/2" || s.Size != 10 || s.CosignedSize != 10 || len(s.Former) != 1 || s.Former[0].From != 5 || s.Former[0].Size != 8 || s.Next != 0 || len(s.Findings) != before {
		t.Fatalf("%+v", s)
	}
	backup.now = backup.now.Add(time.Minute)
	p.hear(backup, 10)
	if len(p.state().Findings) != before {
		t.Errorf("the successor is accused of what the log before it counted: %+v", p.state().Findings[before:])
	}
	if !p.EqualHead(id, 2, 10) || p.EqualHead(id, 0, 10) {
		t.Error("EqualHead")
	}
	if d := p.verified(r, 1); d.Entries != 8 || len(d.Resumed) != 0 {
		t.Errorf("log 1: %+v", d)
	}
	if d := p.verified(backup, 2); d.Entries != 10 || len(d.Resumed) != 1 || d.Resumed[0].Log != 2 || len(d.Breaks) != 1 {
		t.Errorf("log 2: %+v", d)
	}
	// Who saw what is never lost, and says of which log.
	list, err := p.Accesses(id, 10)
	if got := fmt.Sprintf("%d:%d %d:%d %d:%d", list[0].Log, list[0].Seq, list[1].Log, list[1].Seq, list[2].Log, list[2].Seq); err != nil || len(list) != 3 || got != "2:9 0:5 0:2" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, a := range list {
		e, ok, err := p.EvidenceOf(id, a.Log, a.Seq)
		if err != nil || !ok {
			t.Fatal(a, ok, err)
		}
		p.stands(backup, e, false, 2)
	}
	// What was found before still is what it was, and facts of both logs are taken in, each once.
	for _, f := range s.Findings {
		if e, ok, err := p.Evidence(id, f.Name()); err != nil || !ok || e.Check(origin, r.verifier(t)) != nil {
			t.Errorf("%s: %v %v", f.Kind, ok, err)
		}
	}
	p.TakeAgain()
	if got := fmt.Sprint(p.takeIn()); got != "[0:0 0:1 0:2 0:3 0:4 0:5 0:6 0:7 2:5 2:6 2:7 2:8 2:9]" {
		t.Error(got)
	}
	if err := p.KeepTaken(Mark{}); err != nil {
		t.Fatal(err)
	}
	p.reopen()
	if got := p.takeIn(); len(got) != 0 {
		t.Error("taken in again:", got)
	}
	// The old name is over: whoever still uses it is shown how far that log came.
	r.grow(t, 1)
	if answer, err := p.Receive(t.Context(), id, r.batch(t, 8, 9)); !errors.Is(err, ErrEnded) || !bytes.Equal(answer, first) {
		t.Error(err)
	}
	backup.grow(t, 1)
	p.receive(backup, backup.batch(t, 10, 11))
	if got := fmt.Sprint(p.takeIn()); got != "[2:10]" {
		t.Error(got)
	}
}

// A successor comes in pieces of any size, from its first entry on or from what the recorder knows to be cosigned; a crash at any point leaves the old log or the new one.
func TestI13_ASuccessorComesInPieces(t *testing.T) {
	for _, pieces := range [][]int{{0, 10}, {0, 3, 10}, {0, 0, 5, 6, 7, 10}, {5, 10}, {5, 5, 6, 10}, {3, 4, 7, 8, 9, 10}} {
		t.Run(fmt.Sprint(pieces), func(t *testing.T) {
			p, r, backup, x := putBack(t)
			backup.grow(t, 2)
			backup.resumed(t, x, 2)
			backup.grow(t, 1)
			if err := p.Resume(id, 2); err != nil {
				t.Fatal(err)
			}
			for i := range len(pieces) - 1 {
				batch := backup.batch(t, pieces[i], pieces[i+1])
				p.between = func() error { return errors.New("the power failed") }
				_, crash := p.Receive(t.Context(), id, batch)
				p.between = nil
				p.reopen()
				p.verified(r, 1)
				if s := p.state(); s.Log == 2 && s.Size != uint64(pieces[i+1]) || s.Log == 1 && s.Size != 8 {
					t.Fatalf("after %v: %+v", crash, s)
				}
				for range 2 {
					cosigned, err := p.Receive(t.Context(), id, batch)
					if err != nil {
						t.Fatal(err)
					}
					if size, _ := p.opened(backup, cosigned); size != uint64(pieces[i+1]) || !strings.HasPrefix(string(cosigned), origin+"/2\n") {
						t.Fatalf("%d cosigned, in\n%s", size, cosigned)
					}
				}
			}
			if s := p.state(); s.Log != 2 || s.Size != 10 || s.Former[0].From != 5 || len(s.Findings) != 0 {
				t.Errorf("%+v", s)
			}
			p.verified(r, 1)
			p.verified(backup, 2)
		})
	}
}

// What is wrong with a successor's first batch changes nothing.
func TestI13_ASuccessorThatIsNotWhole(t *testing.T) {
	p, _, backup, x := putBack(t)
	backup.resumed(t, x, 2)
	if err := p.Resume(id, 2); err != nil {
		t.Fatal(err)
	}
	all := len(backup.entries)
	other := backup.copy()
	other.signer, other.vkey = protocoltest.Key(t, origin)
	bare := slices.Clone(backup.entries[5:])
	bare[0].Body = nil
	for what, c := range map[string]struct {
		batch []byte
		want  error
	}{
		"a hole":             {backup.batch(t, 6, all), ErrUnfit},
		"only a checkpoint":  {backup.batch(t, all, all), ErrGap},
		"another's key":      {other.batch(t, 0, all), nil},
		"a body left out":    {stream(t, bare, backup.checkpoint(t, all)), ErrBody},
		"another entry":      {stream(t, append(slices.Clone(backup.entries[:5]), backup.entries[6:]...), backup.checkpoint(t, all)), nil},
		"a successor's name": {func() []byte { c := backup.copy(); c.log = 3; return c.batch(t, 0, all) }(), ErrNotOrdered},
	} {
		if _, err := p.Receive(t.Context(), id, c.batch); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if s := p.state(); s.Log != 1 || s.Size != 8 || s.CosignedSize != 8 {
			t.Fatalf("%s: %+v", what, s)
		}
	}
	p.receive(backup, backup.batch(t, 0, all))
}

// A successor is a log like any other: what is put back, forked or cut off of it is found, and a next order lets it go on.
func TestI13_ASuccessorIsPutBackItself(t *testing.T) {
	p, r, backup, x := putBack(t)
	lost := backup.copy() // of before the resumption
	lostEpochs := *x
	backup.resumed(t, x, 2)
	if err := p.Resume(id, 2); err != nil {
		t.Fatal(err)
	}
	backup.grow(t, 1)
	second := backup.copy()
	secondEpochs := *x
	backup.now = backup.now.Add(time.Second)
	backup.grow(t, 3)
	p.receive(backup, backup.batch(t, 0, len(backup.entries))) // 11
	p.now = backup.now.Add(time.Minute)

	// Put back to before it was resumed: its status says log 1 again.
	lost.now = backup.now.Add(time.Minute)
	p.hear(lost, 5)
	p.stands(lost, p.only(Rollback), true, 3)
	// Put back to some entries of the successor, and writing on.
	second.now = backup.now.Add(2 * time.Minute)
	raw, s := second.status(t, 8)
	s.Log = 2
	raw, err := protocol.SignStatus(s, second.signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Status(id, raw, s); err != nil {
		t.Fatal(err)
	}
	second.grow(t, 1)
	if _, err := p.Receive(t.Context(), id, second.batch(t, 8, 9)); !errors.Is(err, ErrFork) {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, f := range p.state().Findings {
		kinds[f.Kind]++
		if err := f.Check(origin, r.verifier(t)); err != nil || f.Log != 2 {
			t.Errorf("%s of log %d: %v", f.Kind, f.Log, err)
		}
		if f.Kind == Fork { // logs that succeed each other differ; that is no fork
			f.Ours = r.checkpoint(t, 8)
			if f.Check(origin, r.verifier(t)) == nil {
				t.Error("log 1 and log 2 pass for a fork")
			}
		}
	}
	if kinds[Fork] != 1 || kinds[Rollback] != 1 {
		t.Errorf("%v", kinds)
	}
	if err := p.Resume(id, 3); err != nil {
		t.Fatal(err)
	}
	second.resumed(t, &secondEpochs, 3)
	second.add(t, protocol.KindView, protocol.Access{Camera: "hal", How: "live"})
	p.receive(second, second.batch(t, 3, len(second.entries))) // 12
	p.reopen()
	if s := p.state(); s.Log != 3 || s.Size != 12 || len(s.Former) != 2 || s.Former[1].From != 8 || s.Former[1].Size != 11 {
		t.Fatalf("%+v", s)
	}
	// And once more, to before both: what log 2 and 3 have in common goes aside with log 3.
	lostEpochs.Log = 0
	lost.grow(t, 1)
	lost.resumed(t, &lostEpochs, 2)
	lost.resumed(t, &lostEpochs, 3)
	lost.resumed(t, &lostEpochs, 4)
	if err := p.Resume(id, 4); err != nil {
		t.Fatal(err)
	}
	p.receive(lost, lost.batch(t, 0, len(lost.entries)))
	p.reopen()
	for log, of := range map[uint64]*recorder{1: r, 2: backup, 3: second, 4: lost} {
		if d := p.verified(of, log); d.Entries != uint64(len(of.entries)) {
			t.Errorf("log %d: %d entries", log, d.Entries)
		}
	}
	if got := fmt.Sprint(p.takeIn()); got != "[0:0 0:1 0:2 0:3 0:4 0:5 0:6 0:7 2:5 2:6 2:7 2:8 2:9 2:10 3:8 3:9 3:10 3:11 4:5 4:6 4:7 4:8 4:9 4:10 4:11]" {
		t.Error(got)
	}
	list, err := p.Accesses(id, 10)
	got := ""
	for _, a := range list {
		got += fmt.Sprintf("%d:%d ", a.Log, a.Seq)
	}
	if err != nil || got != "3:11 0:5 0:2 " {
		t.Errorf("%s %v", got, err)
	}
	for log := uint64(1); log <= 4; log++ {
		size := p.verified(r, log).Entries
		proof, err := p.Consistency(id, protocol.LogOrigin(origin, log), 3, size)
		if err != nil || len(proof) == 0 {
			t.Errorf("log %d: %v", log, err)
		}
	}
}

// Bodies of what moved aside go at the end of their term as well, and it still verifies.
func TestI13_WhatMovedAsideHasItsTerms(t *testing.T) {
	p, r, backup, x := putBack(t)
	backup.resumed(t, x, 2)
	backup.grow(t, 1)
	if err := p.Resume(id, 2); err != nil {
		t.Fatal(err)
	}
	p.receive(backup, backup.batch(t, 0, len(backup.entries)))
	backup.now = time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	p.now = backup.now
	x.begin(t, backup, "years later")
	p.receive(backup, backup.batch(t, 8, 9))
	for _, want := range []int{7, 0} { // 2 and 5 are accesses; 3, 4, 6, 7, and 7 of log 2 say that a recorder stopped
		if n, err := p.Destroy(t.Context()); err != nil || n != want {
			t.Errorf("%d destroyed, %v; want %d", n, err, want)
		}
	}
	if d := p.verified(r, 1); d.Destroyed != 6 || !d.Doubted { // it ended in 2026: only the witness's word tells that it is 2036
		t.Errorf("%d destroyed, doubted: %v", d.Destroyed, d.Doubted)
	}
	if d := p.verified(backup, 2); d.Doubted { // it grew
		t.Error("the terms of the log that goes on are doubted")
	}
}

// What the lost part and the other sealed is counted once: a minute that is sealed again, since its entry was lost, is not counted twice; one whose entry never came in is counted then.
func TestI13_TalliesGoOn(t *testing.T) {
	for _, delivered := range []bool{true, false} {
		t.Run(fmt.Sprint(delivered), func(t *testing.T) {
			x := newTape(t)
			x.minute(x.now)
			x.deliver()
			backup, begin := x.copy(), x.now
			if delivered {
				x.minute(start)
			} else {
				x.now = x.now.Add(time.Minute)
				x.grow(t, 1)
			}
			x.deliver()
			backup.now = x.now
			var e epochs
			backup.resumed(t, &e, 2)
			if err := x.p.Resume(id, 2); err != nil {
				t.Fatal(err)
			}
			backup.add(t, protocol.KindSealed, protocol.Sealed{Count: 1, Again: true, Cameras: []protocol.SealedCamera{{Camera: "hal", Count: 1, First: protocol.T(begin), Last: protocol.T(begin.Add(time.Minute)), Oldest: protocol.T(start)}}})
			x.recorder, x.sent = backup, 0
			x.deliver()
			x.now = x.now.Add(time.Hour)
			x.expire(2, start)
			if delivered { // otherwise the one that was sealed again stays
				x.expire(backup.head.Size-2, begin)
			}
			for range 3 {
				x.deliver()
				x.now = x.now.Add(time.Hour)
				x.grow(t, 1)
			}
			x.deliver()
			if !delivered {
				x.p.only(Overdue)
				return
			}
			x.p.none("all that was sealed went")
		})
	}
}

// A recorder that goes on from a later backup, of the part of its log that was lost, brings entries that were here already: they are counted once, told once, and accuse nobody.
func TestI13_ABackupOfTheLostPart(t *testing.T) {
	p, r, backup, x := putBack(t)
	e := *x
	backup.resumed(t, x, 2)
	if err := p.Resume(id, 2); err != nil {
		t.Fatal(err)
	}
	p.receive(backup, backup.batch(t, 0, len(backup.entries)))
	later := replayed(t, r, 7) // of log 1: 5 and 6, in the first of which somebody looked, are in the lost part
	later.now = backup.now.Add(time.Minute)
	later.resumed(t, &e, 2) // the order of then, which it gets again, and the one after
	later.resumed(t, &e, 3)
	later.add(t, protocol.KindView, protocol.Access{Camera: "hal", How: "live"})
	if err := p.Resume(id, 3); err != nil {
		t.Fatal(err)
	}
	p.receive(later, later.batch(t, 0, 7)) // in two batches, and a start between
	p.reopen()
	p.receive(later, later.batch(t, 7, len(later.entries)))
	if d := p.verified(later, 3); d.Entries != uint64(len(later.entries)) {
		t.Errorf("%+v", d)
	}
	got := ""
	for _, of := range p.takeIn() {
		var log, seq uint64
		if _, err := fmt.Sscanf(of, "%d:%d", &log, &seq); err != nil {
			t.Fatal(err)
		}
		first, err := p.First(id, log, seq)
		if err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf("%d:%d ", first, seq)
	}
	if want := "0:0 0:1 0:2 0:3 0:4 0:5 0:6 0:7 2:5 2:6 0:5 0:6 3:7 3:8 3:9 3:10 3:11 "; got != want {
		t.Errorf("taken in %s, want %s", got, want)
	}
	list, err := p.Accesses(id, 10)
	got = ""
	for _, a := range list {
		got += fmt.Sprintf("%d:%d ", a.Log, a.Seq)
	}
	if err != nil || got != "3:11 0:5 0:2 " {
		t.Errorf("accesses %s, %v", got, err)
	}
}

// replayed is a recorder's log as it was when it had so many entries.
func replayed(t testing.TB, of *recorder, size int) *recorder {
	t.Helper()
	r := of.copy()
	r.entries, r.head, r.hashes = r.entries[:size:size], chain.Head{}, chain.Hashes{}
	for _, e := range r.entries {
		if err := errors.Join(r.hashes.Add(r.head.Size, e.Header), r.head.Add(e)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// The same of what is counted: footage that a later backup of the lost part tells of again was sealed and deleted once.
func TestI13_TalliesOfABackupOfTheLostPart(t *testing.T) {
	x := newTape(t)
	x.minute(x.now)
	x.deliver()
	early := x.copy()
	one := x.minute(start)
	two := x.minute(start)
	x.deliver()
	late := x.copy()
	x.now = x.now.Add(time.Hour + time.Minute)
	x.expire(2, start)
	x.expire(one, start.Add(time.Minute))
	x.deliver()

	log1, now := x.recorder, x.now
	var e epochs
	early.now = now
	early.resumed(t, &e, 2)
	if err := x.p.Resume(id, 2); err != nil {
		t.Fatal(err)
	}
	x.recorder, x.sent = early, 0
	x.deliver()

	late.now = x.now.Add(time.Minute) // it was put back to when both minutes had been sealed and none was gone
	late.resumed(t, &e, 2)
	late.resumed(t, &e, 3)
	if err := x.p.Resume(id, 3); err != nil {
		t.Fatal(err)
	}
	x.recorder, x.sent = late, 0
	x.deliver()
	x.expire(two, start.Add(2*time.Minute))
	for range 3 {
		x.deliver()
		x.now = x.now.Add(time.Hour)
		x.grow(t, 1)
	}
	x.deliver()
	x.p.none("all that was sealed went")
	x.p.verified(log1, 1)
	x.p.verified(late, 3)
}

// outsider is a witness elsewhere that knows logs by their names and sees no entries (C2SP tlog-witness), with a place for each log that whoever runs it added.
type outsider struct {
	key  *chain.Witness
	vkey string
	logs map[string]*chain.Checkpoint
}

// cosigns is what it answers: it cosigns what extends the last it cosigned of a log that it knows.
func (o *outsider) cosigns(p *place, r *recorder, cosigned []byte) ([]byte, error) {
	c, _, err := chain.OpenSuccessor(cosigned, origin, r.verifier(p.t))
	if err != nil {
		return nil, err
	}
	have := o.logs[c.Origin]
	if have == nil {
		return nil, errors.New("it does not know this log")
	}
	proof, err := p.Consistency(id, c.Origin, have.Size, c.Size)
	if err == nil && have.Size > 0 {
		err = chain.CheckConsistency(proof, have.Size, have.Root, c.Size, c.Root)
	}
	if err != nil {
		return nil, err
	}
	*have = c
	return chain.Cosign(cosigned, o.key, p.Now())
}

// An outside witness takes the successor as a log of its own, once whoever runs it adds its name and key; the quorum then stands under both logs, and it keeps what it knew of the first.
func TestI13_AnOutsideWitnessKnowsTheSuccessorByItsName(t *testing.T) {
	p, r, backup, x := putBack(t)
	skey, _, err := protocol.NewKey("buiten.example/getuige")
	if err != nil {
		t.Fatal(err)
	}
	o := &outsider{logs: map[string]*chain.Checkpoint{origin: {}}}
	if o.key, o.vkey, err = chain.NewWitness(skey); err != nil {
		t.Fatal(err)
	}
	if _, err := o.cosigns(p, r, p.state().Cosigned); err != nil {
		t.Fatal(err)
	}
	backup.resumed(t, x, 2)
	backup.grow(t, 1)
	if err := p.Resume(id, 2); err != nil {
		t.Fatal(err)
	}
	for _, end := range []int{5, 8} { // the beginning of both, then what only the successor has
		cosigned, err := p.Receive(t.Context(), id, backup.batch(t, 0, end))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.cosigns(p, backup, cosigned); err == nil != (o.logs[origin+"/2"] != nil) {
			t.Errorf("%d entries: %v", end, err)
		}
		o.logs[origin+"/2"] = &chain.Checkpoint{}
		both, err := o.cosigns(p, backup, cosigned)
		if err != nil {
			t.Fatalf("%d entries: %v", end, err)
		}
		var witnesses []note.Verifier
		for _, k := range []string{p.Key(), o.vkey} {
			v, err := chain.WitnessVerifier(k)
			if err != nil {
				t.Fatal(err)
			}
			witnesses = append(witnesses, v)
		}
		if _, by, err := chain.OpenSuccessor(both, origin, backup.verifier(t), witnesses...); err != nil || len(by) != 2 {
			t.Errorf("cosigned by %d: %v", len(by), err)
		}
		backup.now = backup.now.Add(time.Second)
	}
	backup.grow(t, 1)
	if _, err := o.cosigns(p, backup, p.receive(backup, backup.batch(t, 8, 9))); err != nil {
		t.Error("it goes on:", err)
	}
	if o.logs[origin].Size != 8 || o.logs[origin+"/2"].Size != 9 {
		t.Errorf("it knows %v and %v", o.logs[origin], o.logs[origin+"/2"])
	}
}
