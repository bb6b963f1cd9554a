package witness

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// The export of a recorder's log shows what outside witnesses cosigned, of each the first and the newest: also of a log that a successor took the place of, also after a start. Whoever asks for two witnesses finds
// both; a cosignature that is moved or altered counts for nothing and shows.
func TestI11_ExportCarriesOutsideCosignatures(t *testing.T) {
	p, r, backup, x := putBack(t) // 8 entries, cosigned here
	skey, _, err := protocol.NewKey("fg.stad.example")
	if err != nil {
		t.Fatal(err)
	}
	officer, vkey, err := chain.NewWitness(skey)
	if err != nil {
		t.Fatal(err)
	}
	var verifiers []note.Verifier
	for _, key := range []string{p.Key(), vkey} {
		v, err := chain.WitnessVerifier(key)
		if err != nil {
			t.Fatal(err)
		}
		verifiers = append(verifiers, v)
	}
	cosign := func(cosigned []byte) {
		t.Helper()
		both, err := chain.Cosign(cosigned, officer, p.Now())
		if err == nil {
			err = p.Witnessed(id, both)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	exportOf := func(log, enough uint64) []byte {
		t.Helper()
		var file bytes.Buffer
		if err := p.FormerFile(id, log, enough, &file); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	export := func(log uint64) []byte { return exportOf(log, 0) }
	verify := func(file []byte) (chain.Verdict, error) {
		return chain.Verify(bytes.NewReader(file), chain.Verifier{Origin: origin, Log: r.verifier(t), Witnesses: verifiers, Quorum: 2})
	}
	// shown: both signed the first entries up to covered, and there are more by so many; checkpoints are of these sizes.
	shown := func(log, covered, more uint64, sizes ...uint64) {
		t.Helper()
		d, err := verify(export(log))
		if err != nil || !d.Quorum || !d.Matches || d.Checkpoint.Size != covered || d.Uncovered != more {
			t.Fatalf("log %d: %v, quorum %v, %+v, %d not covered", log, err, d.Quorum, d.Checkpoint, d.Uncovered)
		}
		var got []uint64
		for _, w := range d.Witnesses {
			got = append(got, w.Checkpoint.Size)
		}
		if !slices.Equal(got, sizes) {
			t.Errorf("log %d: checkpoints of %v entries, want %v", log, got, sizes)
		}
	}
	if d, err := verify(export(1)); err != nil || d.Quorum {
		t.Errorf("one witness of two: %+v %v", d, err)
	}
	cosign(p.state().Cosigned)
	shown(1, 8, 0, 8) // before it is on the disk
	for range 3 {
		p.now = p.now.Add(time.Minute)
		r.grow(t, 1)
		cosign(p.receive(r, r.batch(t, 8, len(r.entries))))
		if err := p.Sweep(); err != nil {
			t.Fatal(err)
		}
	}
	shown(1, 11, 0, 8, 11)
	p.now = p.now.Add(time.Minute)
	r.grow(t, 1)
	p.receive(r, r.batch(t, 8, 12)) // the officer's witness is away
	shown(1, 11, 1, 8, 11, 12)
	// Where what both signed is enough, the export ends there; where it is not, it shows everything.
	for enough, want := range map[uint64]uint64{10: 11, 11: 11, 12: 12} {
		if d, err := verify(exportOf(1, enough)); err != nil || !d.Quorum || d.Checkpoint.Size != 11 || d.Entries != want {
			t.Errorf("%d entries are enough: %d came, %+v, %v", enough, d.Entries, d.Checkpoint, err)
		}
	}
	for entries, want := range map[uint64]int{8: 2, 11: 2, 12: 1, 13: 0} {
		if by, err := p.CosignedBy(id, entries); err != nil || by != want {
			t.Errorf("%d entries were cosigned by %d: %v", entries, by, err)
		}
	}
	p.reopen()
	shown(1, 11, 1, 8, 11, 12)

	good := export(1)
	line := func(after []byte) []byte { // the officer's cosignature under the next checkpoint
		from := bytes.Index(after, []byte("— fg.stad.example "))
		return after[from : from+bytes.IndexByte(after[from:], '\n')+1]
	}
	newest := line(good[bytes.LastIndex(good, []byte(origin+"\n11\n")):])
	oldest := line(good)
	altered := slices.Clone(newest)
	if altered[len(altered)-6] = 'A'; newest[len(altered)-6] == 'A' {
		altered[len(altered)-6] = 'B'
	}
	for what, forged := range map[string][]byte{
		"moved to what it was not made for": slices.Concat(good, oldest),
		"an older one in its place":         bytes.Replace(good, newest, oldest, 1),
		"altered":                           bytes.Replace(good, newest, altered, 1),
	} {
		d, err := verify(forged)
		if err != nil || !slices.ContainsFunc(d.Witnesses, func(w chain.Witnessed) bool { return slices.Equal(w.Forged, []string{officer.Name()}) }) {
			t.Errorf("%s: nothing shows: %+v, %v", what, d.Witnesses, err)
		}
	}
	if d, err := verify(good); err != nil || slices.ContainsFunc(d.Witnesses, func(w chain.Witnessed) bool { return len(w.Forged) > 0 }) {
		t.Errorf("%+v %v", d.Witnesses, err)
	}

	// A successor is a log of its own, and the one before it keeps what it had.
	if err := p.Resume(id, 2); err != nil {
		t.Fatal(err)
	}
	backup.resumed(t, x, 2)
	cosigned := p.receive(backup, backup.batch(t, 0, len(backup.entries)))
	if d, err := verify(export(2)); err != nil || d.Quorum {
		t.Errorf("what was cosigned of the log before counts for its successor: %+v %v", d, err)
	}
	cosign(cosigned)
	shown(2, 7, 0, 7)
	p.reopen()
	shown(2, 7, 0, 7)
	shown(1, 11, 1, 8, 11, 12)
	if err := p.Witnessed(id, []byte("x")); err == nil {
		t.Error("that is no checkpoint")
	}
}
