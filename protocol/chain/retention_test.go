package chain_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// kept has three accesses of November 2026 and an entry of five years later that says that their bodies went, with a change that a liar makes.
func kept(t *testing.T, late time.Time, change func(*protocol.BodiesDestroyed)) *sealed {
	l := newSealed(t)
	must(t, l.write(protocol.KindOpened, protocol.Opened{}))
	var went chain.Went
	for range 3 {
		must(t, l.write(protocol.KindView, protocol.Access{How: "live"}))
		e := l.entries[len(l.entries)-1]
		h, err := chain.ParseHeader(e.Header)
		must(t, err)
		went.Add(h, e.Header)
	}
	l.now = late
	d := protocol.BodiesDestroyed{Month: "2026-11", Kinds: []protocol.KindDestroyed{went.Of(protocol.KindView)}}
	if change != nil {
		change(&d)
	}
	must(t, l.write(protocol.KindBodiesDestroyed, d))
	return l
}

func (l *sealed) without(bodies ...int) *sealed {
	for _, i := range bodies {
		l.entries[i].Body = nil
	}
	return l
}

// A missing body is judged: was its term over, and does an entry say that it went?
func TestI11_MissingBodyIsJudged(t *testing.T) {
	due := time.Date(2031, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, l := range []*sealed{kept(t, due, nil), kept(t, due, nil).without(2), kept(t, due, nil).without(1, 2, 3)} { // the entry stands before the act
		gone := uint64(0)
		for _, e := range l.entries {
			if e.Body == nil {
				gone++
			}
		}
		if d, err := l.verify(); err != nil || d.Destroyed != gone || d.Unsaid != 0 {
			t.Errorf("%d gone: %+v, %v", gone, d, err)
		}
	}
	kept(t, due.Add(-time.Millisecond), nil).without(1, 2, 3).found("before their term was over", 1, 1)
	kept(t, due.Add(-time.Millisecond), nil).found("before their term was over", 4, 4)
	kept(t, due, func(d *protocol.BodiesDestroyed) { d.Kinds[0].Count = 2 }).without(1, 2, 3).found("are not the 2 that entry 4 says", 1, 1)
	kept(t, due, func(d *protocol.BodiesDestroyed) { d.Kinds[0].Root[0]++ }).without(1, 2, 3).found("are not the 3 that entry 4 says", 1, 1)
	kept(t, due, func(d *protocol.BodiesDestroyed) { d.Kinds = append(d.Kinds, d.Kinds[0]) }).without(1, 2, 3).found("says again", 4, 4)
	kept(t, due, func(d *protocol.BodiesDestroyed) { d.Kinds[0].Kind = protocol.KindOrder }).found("before their term was over", 4, 4)
	kept(t, due, nil).without(0, 1, 2, 3).found("a body of log.opened is never destroyed", 0, 0)
	kept(t, due, nil).without(4).found("is never destroyed", 4, 4)
	other := func(d *protocol.BodiesDestroyed) { d.Kinds = nil }
	kept(t, due.Add(-time.Millisecond), other).without(2).found("a body of access.view of 2026-11 is kept until 2031-12-01", 2, 2)
	if d, err := kept(t, due, other).without(2).verify(); err != nil || d.Unsaid != 1 {
		t.Errorf("gone in time, and nobody says so: %+v, %v", d, err)
	}
}

// A cosignature of years after the last entry is of a log that ended, or of a witness that is wrong about the time: a body that is gone is not called missing by it, and its term is not shown to be over.
func TestI11_AWitnessAheadShowsNoTermToBeOver(t *testing.T) {
	l := threeEpochs(t)
	must(t, l.write(protocol.KindView, protocol.Access{How: "live", Camera: "hal"}))
	view := len(l.entries) - 1
	l.seal()
	f := newFixture(t, 0)
	cosigned := func(at time.Time) []byte {
		n, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: l.head.Size, Root: l.head.Root()}, f.signer)
		must(t, err)
		n, err = chain.Cosign(n, f.witnesses[0], at)
		must(t, err)
		return n
	}
	for _, late := range []time.Duration{time.Hour, 9 * 365 * 24 * time.Hour} {
		note := cosigned(l.now.Add(late))
		d, err := chain.Verify(bytes.NewReader(stream(t, l.entries, note)), f.verifier)
		must(t, err)
		if w := d.Witnesses[0]; d.TooLate(w, w.Cosignatures[0]) != (late > 24*time.Hour) {
			t.Errorf("%s later: %+v", late, w)
		}
		bare := slices.Clone(l.entries)
		bare[view].Body = nil
		d, err = chain.Verify(bytes.NewReader(stream(t, bare, note)), f.verifier)
		if late > 24*time.Hour {
			if err != nil || !d.Doubted {
				t.Errorf("%s later: %v, doubted: %v", late, err, d.Doubted)
			}
		} else if err == nil || d.Fault == nil || d.Doubted || d.Fault.Seq != uint64(view) || !strings.Contains(d.Fault.What, "its body is missing") {
			t.Errorf("%s later: %v", late, err)
		}
	}
}

// A recorder that had no line for days hands in piece by piece what it wrote meanwhile. The checkpoint of a piece is cosigned days after the last entry it covers, and nothing is wrong.
func TestI11_WhatWasHandedInLateIsNotDoubted(t *testing.T) {
	l := threeEpochs(t)
	piece := l.head
	for range 72 {
		l.seal()
	}
	f := newFixture(t, 0)
	file := stream(t, l.entries, nil)
	for _, head := range []chain.Head{piece, l.head} {
		n, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: head.Size, Root: head.Root()}, f.signer)
		must(t, err)
		n, err = chain.Cosign(n, f.witnesses[0], l.now)
		must(t, err)
		file = slices.Concat(file, []byte("\n"), n)
	}
	d, err := chain.Verify(bytes.NewReader(file), f.verifier)
	must(t, err)
	if len(d.Witnesses) != 2 {
		t.Fatalf("%d checkpoints", len(d.Witnesses))
	}
	for _, w := range d.Witnesses {
		if d.TooLate(w, w.Cosignatures[0]) {
			t.Errorf("the checkpoint of %d entries of %d is doubted", w.Checkpoint.Size, d.Entries)
		}
	}
}
