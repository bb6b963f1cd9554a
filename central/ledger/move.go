package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Move moves a ledger from one store to another, whichever kinds they are, and verifies it there. At no moment can both be written: the one is closed for good before the other is
// opened, each by a note in the store itself, which a centre that still runs meets at its next append. Broken off, it is given again, and goes on where it was. What
// came earlier from a store may go back to it: it then needs only the rest. along is done when all is there and neither can be written: what goes with the ledger.
//
// The keys of dossiers stay where they are.
func Move(ctx context.Context, from, to Store, along func() error) (entries uint64, err error) {
	left, arriving := "it moved to "+to.String(), "it is arriving from "+from.String()
	noteFrom, err := from.note(ctx)
	if err != nil {
		return 0, fmt.Errorf("move: %s: %w", from, err)
	}
	noteTo, err := to.note(ctx)
	if err != nil {
		return 0, fmt.Errorf("move: %s: %w", to, err)
	}
	there, err := to.Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("move: %s: %w", to, err)
	}
	switch {
	case noteFrom == left && noteTo == "" && there.Size > 0:
		return there.Size, nil // it had arrived
	case noteFrom != "" && noteFrom != left:
		return 0, fmt.Errorf("move: %s: %w: %s", from, ErrMovedAway, noteFrom)
	case noteTo == "" && there.Size > 0:
		return 0, fmt.Errorf("move: in %s there is a ledger in use, of %d entries; nothing was moved", to, there.Size)
	case noteTo != "" && noteTo != arriving && !strings.HasPrefix(noteTo, "it moved to "):
		return 0, fmt.Errorf("move: %s: %w: %s", to, ErrMovedAway, noteTo)
	}
	if here, err := from.Head(ctx); err != nil || here.Size == 0 {
		return 0, errors.Join(fmt.Errorf("move: %s has no entries", from), err)
	}
	begins := false
	if err := walk(ctx, from, func(head chain.Head, _ chain.Entry) error { // before anything is closed
		begins = begins || head.Size == there.Size && head.Root() == there.Root()
		return nil
	}); err != nil {
		return 0, fmt.Errorf("move: %w; nothing was moved", err)
	}
	if !begins {
		return 0, fmt.Errorf("move: what is in %s is not the beginning of what is in %s; nothing was moved", to, from)
	}
	if err := from.setNote(ctx, left); err != nil {
		return 0, fmt.Errorf("move: %s: %w", from, err)
	}
	to.move()
	if err := to.setNote(ctx, arriving); err != nil {
		return 0, fmt.Errorf("move: %s: %w", to, err)
	}
	checkpoint, err := from.Checkpoint(ctx)
	if err != nil {
		return 0, fmt.Errorf("move: %s: %w", from, err)
	}
	for {
		some, err := from.Read(ctx, there.Size, 500)
		if err != nil {
			return 0, fmt.Errorf("move: %s: %w", from, err)
		}
		if err := to.Append(ctx, there, some, checkpoint); err != nil { // of the last some it is the right one
			return 0, fmt.Errorf("move: %s: %w", to, err)
		}
		if len(some) == 0 {
			break
		}
		if there, err = to.Head(ctx); err != nil {
			return 0, fmt.Errorf("move: %s: %w", to, err)
		}
	}
	witnessed, err := from.Witnessed(ctx)
	if err != nil {
		return 0, fmt.Errorf("move: %s: %w", from, err)
	}
	if err := to.SetWitnessed(ctx, witnessed); err != nil {
		return 0, fmt.Errorf("move: %s: %w", to, err)
	}
	if err := same(ctx, from, to); err != nil {
		return 0, fmt.Errorf("move: %w; both are closed, and %s is as it was", err, from)
	}
	if err := along(); err != nil {
		return 0, fmt.Errorf("move: %w", err)
	}
	if err := to.setNote(ctx, ""); err != nil {
		return 0, fmt.Errorf("move: %s: %w", to, err)
	}
	return there.Size, nil
}

// walk reads a store from the first entry and verifies it by itself; each gets the head before each entry, and at the end the last head and none.
func walk(ctx context.Context, s Store, each func(chain.Head, chain.Entry) error) error {
	var head chain.Head
	for {
		entries, err := s.Read(ctx, head.Size, 500)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		if len(entries) == 0 {
			break
		}
		var places []int64
		for at := chain.HashCount(head.Size); at < chain.HashCount(head.Size+uint64(len(entries))); at++ {
			places = append(places, at)
		}
		stored, err := s.Hashes(ctx, places)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		for _, e := range entries {
			if err := each(head, e); err != nil {
				return err
			}
			hashes := head.Hashes(e.Header)
			if err := head.Add(e); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			if !slices.Equal(stored[:len(hashes)], hashes) {
				return fmt.Errorf("%s: entry %d: the tree's stored hashes are not of this header", s, head.Size-1)
			}
			stored = stored[len(hashes):]
		}
	}
	stored, err := s.Head(ctx)
	if err != nil || stored.Size != head.Size || stored.Root() != head.Root() {
		return errors.Join(fmt.Errorf("%s: its head says %d entries, %d are there", s, stored.Size, head.Size), err)
	}
	return each(head, chain.Entry{})
}

// same compares two stores to the byte, verifying both.
func same(ctx context.Context, a, b Store) error {
	var want []chain.Entry // a part of a
	if err := walk(ctx, b, func(head chain.Head, e chain.Entry) error {
		var err error
		if len(want) == 0 {
			if want, err = a.Read(ctx, head.Size, 500); err != nil {
				return fmt.Errorf("%s: %w", a, err)
			}
		}
		if e.Header == nil && len(want) == 0 {
			return nil
		}
		if len(want) == 0 || !bytes.Equal(want[0].Header, e.Header) || !bytes.Equal(want[0].Body, e.Body) {
			return fmt.Errorf("entry %d is another in %s than in %s", head.Size, b, a)
		}
		want = want[1:]
		return nil
	}); err != nil {
		return err
	}
	ca, err1 := a.Checkpoint(ctx)
	cb, err2 := b.Checkpoint(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if !bytes.Equal(ca, cb) {
		return fmt.Errorf("the checkpoint in %s is another than in %s", b, a)
	}
	return nil
}
