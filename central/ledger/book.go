package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Book is the ledger with its State: commands in, events kept. Safe for concurrent use.
type Book struct {
	origin string
	store  *Store
	signer note.Signer
	now    func() time.Time
	log    *slog.Logger

	mu    sync.RWMutex // guards what follows; held for writing through one whole Do
	state central.State
	head  chain.Head
	err   error // the state and the store have parted: nothing is done any more
}

// Broken says which entry does not verify, and why.
type Broken struct {
	Path string
	Seq  uint64
	Err  error
}

func (b *Broken) Error() string {
	return fmt.Sprintf("ledger %s: entry %d does not verify: %v; keep this file as evidence and restore the last good copy", b.Path, b.Seq, b.Err)
}

func (b *Broken) Unwrap() error { return b.Err }

// Open opens or makes the ledger of an origin and reads it from the first entry: every hash, the tree, and the last checkpoint's signature
// by this key. A *Broken names the entry that does not verify.
func Open(path, origin string, signer note.Signer, now func() time.Time, log *slog.Logger) (*Book, error) {
	if signer.Name() != origin {
		return nil, fmt.Errorf("ledger %s: the key is named %q, the ledger %q; a log's key bears its origin", path, signer.Name(), origin)
	}
	store, err := OpenStore(path, origin)
	if err != nil {
		return nil, err
	}
	b := &Book{origin: origin, store: store, signer: signer, now: now, log: log}
	if err := b.recover(path); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	log.Info("ledger opened", "entries", b.head.Size, "root", b.head.Root())
	return b, nil
}

func (b *Book) recover(path string) error {
	if err := b.readOn(); err != nil {
		return &Broken{path, b.head.Size, err}
	}
	stored, err := b.store.Head()
	if err != nil {
		return fmt.Errorf("ledger %s: %w", path, err)
	}
	if stored.Size != b.head.Size || stored.Root() != b.head.Root() {
		return &Broken{path, min(stored.Size, b.head.Size), fmt.Errorf("%d entries are here, root %s; the stored head says %d, root %s", b.head.Size, b.head.Root(), stored.Size, stored.Root())}
	}
	signed, err := b.store.Checkpoint()
	if err != nil {
		return fmt.Errorf("ledger %s: %w", path, err)
	}
	if b.head.Size == 0 && signed == nil {
		return nil
	}
	// Signing the same text again with the same key gives the same note (Ed25519, RFC 8032): no verifier key needed.
	want, err := b.sign(b.head)
	if err != nil {
		return err
	}
	if string(want) != string(signed) {
		return &Broken{path, b.head.Size - 1, errors.New("the last checkpoint, signed with this ledger's key, is not of these entries")}
	}
	return nil
}

// readOn takes in what the store has beyond the state. The caller holds mu, or is Open.
func (b *Book) readOn() error {
	for {
		entries, err := b.store.Read(b.head.Size, 1000)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return nil
		}
		for _, e := range entries {
			if err := b.sameTree(e); err != nil {
				return err
			}
			if err := b.take(e); err != nil {
				return err
			}
		}
	}
}

// sameTree checks that the stored hashes, which proofs are made of, are those of the next entry.
func (b *Book) sameTree(e chain.Entry) error {
	want := b.head.Hashes(e.Header)
	at := make([]int64, len(want))
	for i := range at {
		at[i] = chain.HashCount(b.head.Size) + int64(i)
	}
	have, err := b.store.ReadHashes(at)
	if err == nil && !slices.Equal(have, want) {
		err = errors.New("the tree's stored hashes are not of this header")
	}
	return err
}

// take verifies the next entry and applies its event. There is no other way into the state.
func (b *Book) take(e chain.Entry) error {
	head := b.head
	if err := head.Add(e); err != nil {
		return err
	}
	event, err := eventOf(e)
	if err != nil {
		return err
	}
	if err := b.state.Apply(event); err != nil {
		return err
	}
	b.head = head
	return nil
}

// Close lets go of the file.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = errors.New("closed")
	return b.store.Close()
}

// Do decides on a command and, when it is to happen, has it happen: synced before Do returns. A *central.Refusal is for whoever gave the command.
// One now goes for decision and entries; a clock that went back counts as the last entry's time.
func (b *Book) Do(ctx context.Context, c central.Command) ([]central.Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if b.err != nil {
			return nil, fmt.Errorf("ledger: %w", b.err)
		}
		now := protocol.T(b.now())
		if now.Before(b.head.Time.Time) {
			now = b.head.Time
		}
		events, err := central.Decide(&b.state, c, now.Time)
		if err != nil || len(events) == 0 {
			return nil, err
		}
		err = b.write(events)
		if errors.Is(err, ErrMoved) { // another centre on the same store was first
			if err := b.readOn(); err != nil {
				b.err = err
				return nil, fmt.Errorf("ledger: %w", err)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: %s: %w", events[0].Name(), err)
		}
		return events, nil
	}
}

// write seals, stores, then applies.
func (b *Book) write(events []central.Event) error {
	next := b.head
	entries := make([]chain.Entry, len(events))
	for i, e := range events {
		body, err := e.Body()
		if err != nil {
			return err
		}
		if entries[i], err = chain.Seal(&next, e.Name(), body, e.Time.Time); err != nil {
			return err
		}
		if err := next.Add(entries[i]); err != nil {
			return err
		}
	}
	checkpoint, err := b.sign(next)
	if err != nil {
		return err
	}
	if err := b.store.Append(b.head, entries, checkpoint); err != nil {
		return err
	}
	for _, e := range entries {
		if err := b.take(e); err != nil {
			b.err = fmt.Errorf("entry %d was written and cannot be applied: %w; restart the centre", b.head.Size, err)
			b.log.Error("ledger and state have parted", "entry", b.head.Size, "error", err)
			return b.err
		}
	}
	return nil
}

func (b *Book) sign(h chain.Head) ([]byte, error) {
	return chain.SignCheckpoint(chain.Checkpoint{Origin: b.origin, Size: h.Size, Root: h.Root()}, b.signer)
}

// View shows the state. It is shared and read-only; it must not be used after f returns.
func (b *Book) View(f func(*central.State)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	f(&b.state)
}

// At is the state as it was at a moment, read again from the first entry (R5); the caller's own. It takes as long as opening the ledger, and holds up nobody.
func (b *Book) At(ctx context.Context, moment time.Time) (*central.State, error) {
	state := new(central.State)
	for size := b.Size(); state.Size < size; {
		entries, err := b.store.Read(state.Size, int(min(1000, size-state.Size)))
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && len(entries) == 0 {
			err = errors.New("missing from the store")
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: entry %d: %w", state.Size, err)
		}
		for _, e := range entries {
			event, err := eventOf(e)
			if err != nil {
				return nil, fmt.Errorf("ledger: entry %d: %w", state.Size, err)
			}
			if event.Time.After(moment) {
				return state, nil
			}
			if err := state.Apply(event); err != nil {
				return nil, fmt.Errorf("ledger: %w", err)
			}
		}
	}
	return state, nil
}

// eventOf reads an entry.
func eventOf(e chain.Entry) (central.Event, error) {
	h, err := chain.ParseHeader(e.Header)
	if err != nil {
		return central.Event{}, err
	}
	var body central.Body
	if err := chain.ParseBody(e.Body, &body); err != nil {
		return central.Event{}, err
	}
	fact, err := central.ParseFact(h.Kind, body.Fact)
	return central.Event{Seq: h.Seq, Time: h.Time, By: body.By, Via: body.Via, Fact: fact}, err
}

// Changed is closed at the next event. Take it before looking.
func (b *Book) Changed() <-chan struct{} { return b.store.Changed() }

// Size is the number of entries.
func (b *Book) Size() uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.head.Size
}

// Entries gives at most max entries from seq on.
func (b *Book) Entries(from uint64, max int) ([]chain.Entry, error) { return b.store.Read(from, max) }

// Checkpoint is the signed checkpoint over all entries; of the empty ledger as well.
func (b *Book) Checkpoint() ([]byte, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sign(b.head)
}

// Consistency proves that the ledger of size old is the start of the present one: the checkpoint to prove it against, and the proof.
func (b *Book) Consistency(old uint64) (checkpoint []byte, p tlog.TreeProof, err error) {
	b.mu.RLock()
	head := b.head
	b.mu.RUnlock()
	if checkpoint, err = b.sign(head); err != nil {
		return nil, nil, err
	}
	p, err = chain.ConsistencyProof(old, head.Size, b.store)
	return checkpoint, p, err
}

// Proof proves one entry under the present checkpoint; write it with chain.MarshalProof.
func (b *Book) Proof(seq uint64) (chain.Proof, error) {
	b.mu.RLock()
	head := b.head
	b.mu.RUnlock()
	checkpoint, err := b.sign(head)
	if err != nil {
		return chain.Proof{}, err
	}
	return chain.NewProof(seq, head.Size, checkpoint, b.store)
}

// Export writes the whole ledger as a log file, which chain.Verify and `beeldwacht verify` read. It reads piece by piece: while somebody on a slow line
// takes the file in, an open bbolt transaction would keep the ledger's file from growing, and so all writing waiting.
func (b *Book) Export(w io.Writer) error {
	b.mu.RLock()
	size := b.head.Size
	checkpoint, err := b.sign(b.head)
	b.mu.RUnlock()
	if err != nil || size == 0 {
		return err
	}
	for from := uint64(0); from < size; {
		entries, err := b.store.Read(from, int(min(100, size-from)))
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("ledger: entry %d is missing from the store", from)
		}
		for _, e := range entries {
			if err := chain.WriteEntry(w, e); err != nil {
				return err
			}
		}
		from += uint64(len(entries))
	}
	return chain.WriteCheckpoint(w, checkpoint)
}
