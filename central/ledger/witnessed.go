package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// witnessed are checkpoints of this ledger with the cosignatures that came back: of each witness the first and the newest. They are no part of the ledger, and end its export: the first show since
// when somebody else vouches for it, the newest until where.
type witnessed struct {
	mu    sync.Mutex
	notes [][]byte // the smallest first
	newer bool     // than what the store has
}

// Witnessed takes a checkpoint of this book with cosignatures, which who added them has verified. The first of a witness is in the store when it returns; newer ones when KeepWitnessed does.
func (b *Book) Witnessed(ctx context.Context, signed []byte) error {
	c, err := chain.UnverifiedCheckpoint(signed)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if have := b.Size(); c.Size > have {
		return fmt.Errorf("ledger: only %d entries are here, the checkpoint covers %d", have, c.Size)
	}
	root, err := chain.RootAt(c.Size, hashesOf(ctx, b.store))
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if c.Origin != b.origin || c.Root != root {
		return fmt.Errorf("ledger: the checkpoint of %d entries of %s is not of this ledger", c.Size, c.Origin)
	}
	b.witnessed.mu.Lock()
	defer b.witnessed.mu.Unlock()
	w := &b.witnessed
	if w.notes == nil {
		if w.notes, err = b.storedWitnessed(ctx); err != nil {
			return err
		}
	}
	before, err := cosigners(w.notes...)
	if err != nil {
		return err
	}
	if w.notes, err = chain.FirstAndNewest(append(slices.Clone(w.notes), signed)); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	after, err := cosigners(w.notes...)
	if err != nil {
		return err
	}
	if w.newer = true; len(after) == len(before) {
		return nil
	}
	return b.keepWitnessed(ctx)
}

// KeepWitnessed puts what was taken since in the store: of a ledger whose head is cosigned with each order, not each time. A crash before costs the newest, which the next takes the place of.
func (b *Book) KeepWitnessed(ctx context.Context) error {
	b.witnessed.mu.Lock()
	defer b.witnessed.mu.Unlock()
	return b.keepWitnessed(ctx)
}

func (b *Book) keepWitnessed(ctx context.Context) error {
	w := &b.witnessed
	if !w.newer {
		return nil
	}
	var series bytes.Buffer
	for _, n := range w.notes {
		if err := chain.WriteCheckpoint(&series, n); err != nil {
			return err
		}
	}
	if err := b.store.SetWitnessed(ctx, series.Bytes()); err != nil {
		return fmt.Errorf("ledger: %s: cosigned checkpoints: %w", b.store, err)
	}
	w.newer = false
	return nil
}

// exported are the notes that end an export: those in the store, which another centre may have put there, and those at hand.
func (b *Book) exported(ctx context.Context) ([][]byte, error) {
	stored, err := b.storedWitnessed(ctx)
	if err != nil {
		return nil, err
	}
	b.witnessed.mu.Lock()
	defer b.witnessed.mu.Unlock()
	return chain.FirstAndNewest(append(stored, b.witnessed.notes...))
}

func (b *Book) storedWitnessed(ctx context.Context) ([][]byte, error) {
	series, err := b.store.Witnessed(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: %s: cosigned checkpoints: %w", b.store, err)
	}
	r := chain.NewReader(bytes.NewReader(series)) // a stream without entries
	if _, err := r.Next(); err != io.EOF {
		return nil, fmt.Errorf("ledger: %s: cosigned checkpoints: %w", b.store, cmp.Or(err, errors.New("entries stand before them")))
	}
	return r.Checkpoints(), nil
}

func cosigners(notes ...[]byte) ([]string, error) {
	var all []string
	for _, n := range notes {
		by, err := chain.Cosigners(n)
		if err != nil {
			return nil, fmt.Errorf("ledger: cosigned checkpoint: %w", err)
		}
		all = append(all, by...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
