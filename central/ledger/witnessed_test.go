package ledger

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// The export carries, of each witness, the first and the newest checkpoint that it cosigned, on both stores, also after a start and a move, and from a centre that has no witness itself.
func TestI11_ExportCarriesCosignatures(t *testing.T) {
	eachStore(t, func(p place) {
		t := p.T
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		signer, vkey := protocoltest.Key(t, origin)
		log, err := protocol.NewVerifier(vkey)
		check(err)
		var witnesses []*chain.Witness
		verifier := chain.Verifier{Origin: origin, Log: log, Quorum: 2}
		for _, name := range []string{"witness.stad/beeldwacht", "witness.elders"} {
			skey, _, err := protocol.NewKey(name)
			check(err)
			w, vkey, err := chain.NewWitness(skey)
			check(err)
			v, err := chain.WitnessVerifier(vkey)
			check(err)
			witnesses, verifier.Witnesses = append(witnesses, w), append(verifier.Witnesses, v)
		}
		own, outside := witnesses[0], witnesses[1]
		c := &clock{now: start}
		opened := func(s Store) *Book {
			b, err := openOn(t, s, signer, c.Now)
			check(err)
			return b
		}
		b := opened(p.store())
		do(t, b, openCommand())
		n := 0
		cosign := func(by ...*chain.Witness) (size uint64) {
			c.add(time.Second)
			n++
			do(t, b, agree(n))
			signed, err := b.Checkpoint()
			check(err)
			for _, w := range by {
				signed, err = chain.Cosign(signed, w, c.Now())
				check(err)
				check(b.Witnessed(t.Context(), signed))
			}
			return b.Size()
		}
		exported := func(b *Book, want ...uint64) (d chain.Verdict) {
			t.Helper()
			var file bytes.Buffer
			check(b.Export(&file, 0))
			d, err := chain.Verify(&file, verifier)
			var got []uint64
			for _, w := range d.Witnesses {
				got = append(got, w.Checkpoint.Size)
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("checkpoints of %v entries, want %v: %v", got, want, err)
			}
			return d
		}
		exported(b, b.Size()) // nobody has cosigned yet: its own
		first := cosign(own)
		cosign(own)
		joined := cosign(own, outside)
		cosign(own, outside)
		together := cosign(own, outside)
		if d := exported(b, first, joined, together); !d.Quorum || d.Checkpoint.Size != together || d.Uncovered != 0 {
			t.Errorf("quorum %v under %v, %d uncovered", d.Quorum, d.Checkpoint, d.Uncovered)
		}
		alone := cosign(own) // the other one is away
		n++
		do(t, b, agree(n))
		if d := exported(b, first, joined, together, alone, b.Size()); !d.Quorum || d.Checkpoint.Size != together || d.Uncovered != b.Size()-together {
			t.Errorf("a quorum under %v, %d uncovered", d.Checkpoint, d.Uncovered)
		}
		for enough, want := range map[uint64]uint64{joined: together, together: together, together + 1: alone, b.Size(): b.Size()} { // an export ends where most have signed what is enough
			var file bytes.Buffer
			check(b.Export(&file, enough))
			if d, err := chain.Verify(&file, verifier); err != nil || !d.Quorum || d.Checkpoint.Size != together || d.Entries != want {
				t.Errorf("%d entries are enough: %d came, a quorum under %v: %v", enough, d.Entries, d.Checkpoint, err)
			}
		}
		last := cosign(own, outside)
		check(b.Close())
		b = opened(p.store()) // another centre, or after a start
		if d := exported(b, first, joined, last); !d.Quorum || d.Uncovered != 0 {
			t.Errorf("quorum %v under %v, %d uncovered", d.Quorum, d.Checkpoint, d.Uncovered)
		}

		// Cosignatures of another ledger, or of more than there is, stay out.
		other, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: 2, Root: protocol.HashOf(nil)}, signer)
		check(err)
		if err := b.Witnessed(t.Context(), other); err == nil || !strings.Contains(err.Error(), "not of this ledger") {
			t.Error(err)
		}
		ahead, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: 200, Root: protocol.HashOf(nil)}, signer)
		check(err)
		if err := b.Witnessed(t.Context(), ahead); err == nil {
			t.Error("a checkpoint of more than there is")
		}
		check(b.Close())

		from := p.store()
		to, err := OpenBolt(filepath.Join(t.TempDir(), "moved.db"), origin)
		check(err)
		_, err = Move(t.Context(), from, to, nothingAlong)
		check(err)
		check(from.Close())
		b = opened(to)
		exported(b, first, joined, last)
		check(b.Close())
	})
}

// A database from before opens.
func TestDatabaseOfBeforeCosignaturesWereKept(t *testing.T) {
	dsn := postgrestest.Start(t).Database()
	s, err := openPostgres(t, dsn, origin)
	if err == nil {
		_, err = s.(*Postgres).pool.Exec(t.Context(), `ALTER TABLE ledger DROP COLUMN witnessed`)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err = openPostgres(t, dsn, origin); err == nil {
		err = s.SetWitnessed(t.Context(), []byte("x"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := s.Witnessed(t.Context()); string(kept) != "x" || err != nil {
		t.Errorf("%q %v", kept, err)
	}
}
