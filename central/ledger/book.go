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

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Book is the ledger with its State: commands in, events kept. It follows its store: what another centre writes is in the State a moment later. Safe for concurrent use.
type Book struct {
	origin string
	store  Store
	signer note.Signer
	now    func() time.Time
	log    *slog.Logger

	stop      context.CancelFunc
	following sync.WaitGroup

	writing sync.Mutex // held through one whole Do, and while reading on; who holds it may read what mu guards, since nobody else changes it

	mu      sync.RWMutex // guards what follows; held for writing while entries are applied, never while the store is at work
	state   central.State
	head    chain.Head
	changed chan struct{} // closed after the next entry is applied
	err     error         // the state and the store have parted, or the book is closed: nothing is done any more
}

// Broken says which entry does not verify, and why.
type Broken struct {
	Store string // where it is
	Seq   uint64
	Err   error
}

func (b *Broken) Error() string {
	return fmt.Sprintf("ledger %s: entry %d does not verify: %v; keep it as evidence and restore the last good copy", b.Store, b.Seq, b.Err)
}

func (b *Broken) Unwrap() error { return b.Err }

// Open reads the ledger in a store from the first entry: every hash, the tree, and the last checkpoint's signature by this key, whose name is the log's origin. A *Broken
// names the entry that does not verify. The store is the Book's from then on; where it cannot be opened it is closed.
func Open(ctx context.Context, store Store, signer note.Signer, now func() time.Time, log *slog.Logger) (*Book, error) {
	b := &Book{origin: signer.Name(), store: store, signer: signer, now: now, log: log, changed: make(chan struct{})}
	if err := b.recover(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	log.Info("ledger opened", "store", store, "entries", b.head.Size, "root", b.head.Root())
	ctx, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	b.following.Go(func() { b.follow(ctx) })
	return b, nil
}

func (b *Book) recover(ctx context.Context) error {
	if err := b.readOn(ctx); err != nil {
		return err
	}
	for { // another centre may be writing
		stored, err := b.store.Head(ctx)
		if err != nil {
			return fmt.Errorf("ledger %s: %w", b.store, err)
		}
		signed, err := b.store.Checkpoint(ctx)
		if err != nil {
			return fmt.Errorf("ledger %s: %w", b.store, err)
		}
		before := b.head.Size
		if err := b.readOn(ctx); err != nil {
			return err
		}
		if b.head.Size != before {
			continue
		}
		if stored.Size != b.head.Size || stored.Root() != b.head.Root() {
			return &Broken{b.store.String(), min(stored.Size, b.head.Size), fmt.Errorf("%d entries are here, root %s; the stored head says %d, root %s", b.head.Size, b.head.Root(), stored.Size, stored.Root())}
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
			return &Broken{b.store.String(), b.head.Size - 1, errors.New("the last checkpoint, signed with this ledger's key, is not of these entries")}
		}
		return nil
	}
}

// readOn takes in what the store has beyond the state. The caller holds writing, or is Open. A *Broken is final, any other error the store's.
func (b *Book) readOn(ctx context.Context) error {
	for {
		entries, err := b.store.Read(ctx, b.head.Size, 1000)
		if err != nil {
			return fmt.Errorf("ledger %s: %w", b.store, err)
		}
		if len(entries) == 0 {
			return nil
		}
		stored, err := b.treeOf(ctx, b.head.Size, len(entries))
		if err != nil {
			return err
		}
		if err := b.take(entries, stored); err != nil {
			return &Broken{b.store.String(), b.head.Size, err}
		}
	}
}

// treeOf reads the stored hashes of n entries from seq on: all of them, or those before the first that is missing.
func (b *Book) treeOf(ctx context.Context, seq uint64, n int) ([]tlog.Hash, error) {
	var places []int64
	for at := chain.HashCount(seq); at < chain.HashCount(seq+uint64(n)); at++ {
		places = append(places, at)
	}
	stored, err := b.store.Hashes(ctx, places)
	if errors.Is(err, errMissing) { // rare: which is it?
		stored, err = nil, nil
		for _, place := range places {
			one, e := b.store.Hashes(ctx, []int64{place})
			if errors.Is(e, errMissing) {
				break
			}
			stored, err = append(stored, one...), errors.Join(err, e)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", b.store, err)
	}
	return stored, nil
}

// take verifies the next entries, with the tree's hashes as they are stored, of which proofs are made; and applies their events. There is no other way into the state.
func (b *Book) take(entries []chain.Entry, stored []tlog.Hash) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() {
		close(b.changed)
		b.changed = make(chan struct{})
	}()
	for _, e := range entries {
		header, event, err := read(e)
		if err != nil {
			return err
		}
		head := b.head
		hashes, err := head.Push(header, e.Header)
		if err != nil {
			return err
		}
		if n := len(hashes); len(stored) < n || !slices.Equal(stored[:n], hashes) {
			return errors.New("the tree's stored hashes are not of this header")
		}
		stored = stored[len(hashes):]
		if err := b.state.Apply(event); err != nil {
			return err
		}
		b.head = head
	}
	return nil
}

// read parses an entry and checks it against itself: of its place in the log it knows nothing.
func read(e chain.Entry) (chain.Header, central.Event, error) {
	h, err := chain.ParseHeader(e.Header)
	if err != nil {
		return h, central.Event{}, err
	}
	if err := h.CheckBody(e.Body); err != nil {
		return h, central.Event{}, err
	}
	var body central.Body
	if err := json.Unmarshal(e.Body, &body, json.RejectUnknownMembers(true)); err != nil {
		return h, central.Event{}, fmt.Errorf("body: %w", err)
	}
	fact, err := central.ParseFact(h.Kind, body.Fact)
	return h, central.Event{Seq: h.Seq, Time: h.Time, By: body.By, Via: body.Via, Fact: fact}, err
}

// followAgain is how long after a failure of the store it is tried again.
const followAgain = time.Second

// follow takes in what other centres write.
func (b *Book) follow(ctx context.Context) {
	for {
		changed := b.store.Changed()
		b.writing.Lock()
		err := b.failed()
		if err == nil {
			if err = b.readOn(ctx); b.parted(err) {
				b.log.Error("ledger and state have parted; nothing is decided any more until this centre is started again", "error", err)
			}
		}
		b.writing.Unlock()
		var again <-chan time.Time
		if err != nil {
			if b.failed() != nil || ctx.Err() != nil {
				return
			}
			b.log.Warn("the ledger cannot be read on; trying again", "error", err)
			again = time.After(followAgain)
			changed = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}

// parted keeps an error that is final, and says whether it is.
func (b *Book) parted(err error) bool {
	var broken *Broken
	if !errors.As(err, &broken) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	return true
}

func (b *Book) failed() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.err
}

// Close lets go of the store, after a command that is under way.
func (b *Book) Close() error {
	b.stop()
	b.following.Wait()
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	b.err = errors.New("closed")
	b.mu.Unlock()
	return b.store.Close()
}

// Do decides on a command and, when it is to happen, has it happen: on the disk before Do returns. A *central.Refusal is for whoever gave the command; of any other error
// nothing happened, but for ErrInDoubt. One now goes for decision and entries; a clock that went back counts as the last entry's time.
func (b *Book) Do(ctx context.Context, c central.Command) ([]central.Event, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := b.failed(); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		now := protocol.T(b.now())
		if now.Before(b.head.Time.Time) {
			now = b.head.Time
		}
		events, err := central.Decide(&b.state, c, now.Time)
		if err != nil || len(events) == 0 {
			return nil, err
		}
		before := b.head.Size
		err = b.write(ctx, events)
		if err == nil {
			return events, nil
		}
		if !errors.Is(err, ErrMoved) {
			return nil, fmt.Errorf("ledger: %s: %w", events[0].Name(), err)
		}
		err = b.readOn(ctx) // another centre on the same store was first
		if err == nil && b.head.Size == before {
			err = &Broken{b.store.String(), before, errors.New("the store's log is another than the one this centre has read: was an older copy put back, or a server promoted that lacked the last entries?")}
		}
		if err != nil {
			b.parted(err)
			return nil, fmt.Errorf("ledger: %w", err)
		}
	}
}

// write seals, stores, then applies.
func (b *Book) write(ctx context.Context, events []central.Event) error {
	next := b.head
	entries := make([]chain.Entry, len(events))
	var hashes []tlog.Hash
	for i, e := range events {
		body, err := e.Body()
		if err != nil {
			return err
		}
		if entries[i], err = chain.Seal(&next, e.Name(), body, e.Time.Time); err != nil {
			return err
		}
		hashes = append(hashes, next.Hashes(entries[i].Header)...)
		if err := next.Add(entries[i]); err != nil {
			return err
		}
	}
	checkpoint, err := b.sign(next)
	if err != nil {
		return err
	}
	if err := b.store.Append(ctx, b.head, entries, checkpoint); err != nil {
		return err
	}
	if err := b.take(entries, hashes); err != nil {
		err = &Broken{b.store.String(), b.head.Size, fmt.Errorf("it was written and cannot be applied: %w; restart the centre", err)}
		b.parted(err)
		b.log.Error("ledger and state have parted", "error", err)
		return err
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
		entries, err := b.store.Read(ctx, state.Size, int(min(1000, size-state.Size)))
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
			_, event, err := read(e)
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

// Changed is closed after the next event, whoever wrote it. Take it before looking.
func (b *Book) Changed() <-chan struct{} {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.changed
}

// Size is the number of entries.
func (b *Book) Size() uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.head.Size
}

// Entries gives at most max entries from seq on.
func (b *Book) Entries(ctx context.Context, from uint64, max int) ([]chain.Entry, error) {
	return b.store.Read(ctx, from, max)
}

// Checkpoint is the signed checkpoint over all entries; of the empty ledger as well.
func (b *Book) Checkpoint() ([]byte, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sign(b.head)
}

// Origin is the name of this log.
func (b *Book) Origin() string { return b.signer.Name() }

// HeadAt is the root over the first entries of the ledger, and the time of the last of them: what a report names that was computed from exactly those.
func (b *Book) HeadAt(ctx context.Context, size uint64) (root protocol.Hash, last protocol.Time, err error) {
	if size == 0 || size > b.Size() {
		return root, last, fmt.Errorf("ledger: no head at size %d", size)
	}
	if root, err = chain.RootAt(size, hashesOf(ctx, b.store)); err != nil {
		return root, last, fmt.Errorf("ledger: %w", err)
	}
	entries, err := b.store.Read(ctx, size-1, 1)
	if err == nil && len(entries) == 0 {
		err = errors.New("missing from the store")
	}
	if err != nil {
		return root, last, fmt.Errorf("ledger: entry %d: %w", size-1, err)
	}
	h, err := chain.ParseHeader(entries[0].Header)
	return root, h.Time, err
}

// Consistency proves that the ledger of size old is the start of the present one: the checkpoint to prove it against, and the proof.
func (b *Book) Consistency(old uint64) (checkpoint []byte, p tlog.TreeProof, err error) {
	b.mu.RLock()
	head := b.head
	b.mu.RUnlock()
	if checkpoint, err = b.sign(head); err != nil {
		return nil, nil, err
	}
	p, err = chain.ConsistencyProof(old, head.Size, hashesOf(context.Background(), b.store))
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
	return chain.NewProof(seq, head.Size, checkpoint, hashesOf(context.Background(), b.store))
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
		entries, err := b.store.Read(context.Background(), from, int(min(100, size-from)))
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
