package ledger

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

func nothingAlong() error { return nil }

// failing is a store that breaks off after some appends, or notes.
type failing struct {
	Store
	left int
}

var errBroken = errors.New("broken off")

func (f *failing) count() error {
	if f.left--; f.left < 0 {
		return errBroken
	}
	return nil
}

func (f *failing) Append(ctx context.Context, h chain.Head, e []chain.Entry, c []byte) error {
	if err := f.count(); err != nil {
		return err
	}
	return f.Store.Append(ctx, h, e, c)
}

func (f *failing) setNote(ctx context.Context, note string) error {
	if err := f.count(); err != nil {
		return err
	}
	return f.Store.setNote(ctx, note)
}

// A ledger goes from the file to the database and, with more in it, back; broken off at each step and given again. At no moment do both take entries, and what was there is
// there to the byte. A centre that still runs on the one that is left is stopped at its next decision.
func TestMoveThereAndBack(t *testing.T) {
	path, signer, _ := filled(t, 1200)
	dsn := postgrestest.Start(t).Database()
	file := func() Store {
		s, err := OpenBolt(path, origin)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	database := func() Store {
		s, err := openPostgres(t, dsn, origin)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	writable := func(open func() Store) bool {
		b, err := openOn(t, open(), signer, (&clock{now: start}).Now)
		if err != nil {
			if !errors.Is(err, ErrMovedAway) && !strings.Contains(err.Error(), "no entries") {
				t.Fatal(err)
			}
			return false
		}
		defer b.Close()
		return b.Size() > 0
	}
	move := func(from, to func() Store) {
		t.Helper()
		for steps := 0; ; steps++ {
			a, b := &failing{from(), steps}, &failing{to(), steps}
			along := 0
			_, err := Move(t.Context(), a, b, func() error { along++; return nil })
			if err := errors.Join(a.Close(), b.Close()); err != nil {
				t.Fatal(err)
			}
			left, arrived := writable(from), writable(to)
			if left && arrived {
				t.Fatalf("broken off after %d steps: both take entries (%v)", steps, err)
			}
			if err == nil {
				if left || !arrived || steps < 2 {
					t.Fatalf("after %d steps: left %v, arrived %v", steps, left, arrived)
				}
				return
			}
			if !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
		}
	}
	move(file, database)
	b, err := openOn(t, database(), signer, (&clock{now: start}).Now)
	if err != nil {
		t.Fatal(err)
	}
	if b.Size() != 1202 || units(b) != 1200 {
		t.Errorf("%d entries, %d units", b.Size(), units(b))
	}
	do(t, b, agree(5000))
	var before, after bytes.Buffer
	if err := b.Export(&before, 0); err != nil {
		t.Fatal(err)
	}
	move(database, file) // the centre runs on
	if _, err := b.Do(t.Context(), agree(5001)); !errors.Is(err, ErrMovedAway) || !strings.Contains(err.Error(), path) {
		t.Errorf("a centre on what was left: %v", err)
	}
	back, err := openOn(t, file(), signer, (&clock{now: start}).Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Export(&after, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before.Bytes(), after.Bytes()) {
		t.Error("what came back is not what went")
	}
	do(t, back, agree(5001))
}

// Nothing is moved onto a ledger that is in use, or another one; nor one that does not verify.
func TestMoveRefuses(t *testing.T) {
	path, _, _ := filled(t, 3)
	from, err := OpenBolt(path, origin)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	otherPath, _, _ := filled(t, 5)
	other, err := OpenBolt(otherPath, origin)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := Move(t.Context(), from, other, nothingAlong); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
	if err := other.setNote(t.Context(), "it moved to elsewhere"); err != nil {
		t.Fatal(err)
	}
	if _, err := Move(t.Context(), from, other, nothingAlong); err == nil || !strings.Contains(err.Error(), "not the beginning") {
		t.Error(err)
	}
	empty, err := OpenBolt(filepath.Join(t.TempDir(), "empty.db"), origin)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if _, err := Move(t.Context(), empty, other, nothingAlong); err == nil || !strings.Contains(err.Error(), "no entries") {
		t.Error(err)
	}
	if err := from.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(bodies).Put(key(3), []byte(`{"salt":"00000000000000000000000000000000"}`))
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := Move(t.Context(), from, empty, nothingAlong); err == nil || !strings.Contains(err.Error(), "entry 3") {
		t.Error(err)
	}
	if note, err := from.note(t.Context()); note != "" || err != nil {
		t.Errorf("it is closed all the same: %q %v", note, err)
	}
}
