package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
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
	keys   *Keys
	signer note.Signer
	now    func() time.Time
	log    *slog.Logger

	stop      context.CancelFunc
	following sync.WaitGroup

	witnessed witnessed

	writing sync.Mutex // held through one whole Do, and while reading on; who holds it may read what mu guards, since nobody else changes it

	mu sync.RWMutex // guards what follows; held for writing while entries are applied, never while the store is at work
	reading
	changed chan struct{} // closed after the next entry is applied
	err     error         // the state and the store have parted, or the book is closed: nothing is done any more
}

// reading is how far somebody has read, and what it says until there.
type reading struct {
	state  *central.State
	head   chain.Head
	lost   map[central.Dossier]bool // dossiers whose key was not there; once all is read, an erasure has told why
	erased bool                     // an erasure was read, and forget has not looked yet
}

func unread() reading { return reading{state: new(central.State), lost: map[central.Dossier]bool{}} }

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
func Open(ctx context.Context, store Store, keys *Keys, signer note.Signer, now func() time.Time, log *slog.Logger) (*Book, error) {
	b := &Book{origin: signer.Name(), store: store, keys: keys, reading: unread(), signer: signer, now: now, log: log, changed: make(chan struct{})}
	if err := b.recover(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	log.Info("ledger opened", "store", store, "entries", b.head.Size, "root", b.head.Root())
	ctx, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	b.following.Go(func() { b.follow(ctx) })
	return b, nil
}

func (b *Book) recover(ctx context.Context) error {
	if note, err := b.store.note(ctx); err != nil || note != "" {
		return fmt.Errorf("ledger %s: %w", b.store, cmp.Or(err, fmt.Errorf("%w: %s", ErrMovedAway, note)))
	}
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
func (b *Book) readOn(ctx context.Context) error { return b.readTo(ctx, &b.reading, &b.mu) }

// readTo reads from where r is to the end; guard is locked while r is changed. What needs no order, which is most of the work, is done ahead and on all processors.
func (b *Book) readTo(ctx context.Context, r *reading, guard sync.Locker) error {
	ctx, stop := context.WithCancel(ctx)
	ahead := make(chan batch, 2)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer stop()
	from := r.head.Size
	reader.Go(func() {
		defer close(ahead)
		for {
			some := b.readSome(ctx, from)
			from += uint64(len(some.entries))
			select {
			case ahead <- some:
			case <-ctx.Done():
				return
			}
			if some.err != nil || len(some.entries) == 0 {
				return
			}
		}
	})
	for some := range ahead {
		if some.err != nil {
			return some.err
		}
		if len(some.entries) == 0 {
			return b.explain(r)
		}
		if err := b.take(r, guard, some); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// batch is a number of entries, each read by itself, with the tree's hashes as they are stored: all, or those before the first that is missing.
type batch struct {
	entries []chain.Entry
	read    []readEntry
	stored  []tlog.Hash
	err     error // of the store
}

type readEntry struct {
	header chain.Header
	event  central.Event
	err    error
}

// mostAtOnce is how many entries are read in one go.
const mostAtOnce = 2000

func (b *Book) readSome(ctx context.Context, from uint64) (some batch) {
	if some.entries, some.err = b.store.Read(ctx, from, mostAtOnce); some.err != nil {
		some.err = fmt.Errorf("ledger %s: %w", b.store, some.err)
		return some
	}
	if len(some.entries) > 0 {
		some.stored, some.err = b.treeOf(ctx, from, len(some.entries))
	}
	b.readEach(&some)
	return some
}

func (b *Book) readEach(some *batch) {
	some.read = make([]readEntry, len(some.entries))
	const atLeast = 50 // for one processor
	parts := max(1, min(runtime.GOMAXPROCS(0), len(some.entries)/atLeast))
	var readers sync.WaitGroup
	for part := range parts {
		readers.Go(func() {
			for i := part * len(some.entries) / parts; i < (part+1)*len(some.entries)/parts; i++ {
				r := &some.read[i]
				r.header, r.event, r.err = b.read(some.entries[i])
			}
		})
	}
	readers.Wait()
}

// explain holds each dossier whose key is not here against the erasures, all entries having been read. A key that is destroyed without one is lost, or in another folder.
func (b *Book) explain(r *reading) error {
	for o := range r.lost {
		if r.state.Erasure(o) == nil {
			return fmt.Errorf("ledger %s: %w: that of %s is not in %s, and the ledger does not say that it was erased; put the right folder there (centres on one ledger share it)", b.store, ErrNoKey, o, b.keys.file)
		}
	}
	clear(r.lost)
	return nil
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

// take verifies the next entries, with the tree's hashes as they are stored, of which proofs are made; and applies their events. There is no other way into a state.
func (b *Book) take(r *reading, guard sync.Locker, some batch) error {
	guard.Lock()
	defer guard.Unlock()
	if r == &b.reading {
		defer func() {
			close(b.changed)
			b.changed = make(chan struct{})
		}()
	}
	for i, e := range some.entries {
		if err := some.read[i].err; err != nil {
			return b.broken(r, err)
		}
		event, head := some.read[i].event, r.head
		hashes, err := head.Push(some.read[i].header, e.Header)
		if err != nil {
			return b.broken(r, err)
		}
		if n := len(hashes); len(some.stored) < n || !slices.Equal(some.stored[:n], hashes) {
			return b.broken(r, errors.New("the tree's stored hashes are not of this header"))
		}
		some.stored = some.stored[len(hashes):]
		if err := r.state.Apply(event); err != nil {
			return b.broken(r, err)
		}
		r.head = head
		if event.Erased && r.state.Erasure(event.Dossier) == nil {
			r.lost[event.Dossier] = true
		}
		if _, ok := event.Fact.(*central.BodyErased); ok {
			r.erased = true
		}
	}
	return nil
}

func (b *Book) broken(r *reading, err error) error {
	return &Broken{b.store.String(), r.head.Size, err}
}

// read parses an entry and checks it against itself: of its place in the log it knows nothing. A dossier whose key is not here gives what remains.
func (b *Book) read(e chain.Entry) (chain.Header, central.Event, error) {
	h, err := chain.ParseHeader(e.Header)
	if err != nil {
		return h, central.Event{}, err
	}
	if e.Body == nil || !h.Holds(e.Body) {
		return h, central.Event{}, h.CheckBody(e.Body) // says what it is instead
	}
	event := central.Event{Seq: h.Seq, Time: h.Time}
	var body central.Body
	if err := json.Unmarshal(e.Body, &body, json.RejectUnknownMembers(true)); err != nil {
		return h, event, fmt.Errorf("body: %w", err)
	}
	event.Dossier = body.Dossier
	if len(body.Sealed) > 0 {
		plain, err := b.keys.open(body.Dossier, body.Sealed, b.bound(h.Seq, h.Kind, body.Dossier))
		if err == nil {
			body = central.Body{}
			err = json.Unmarshal(plain, &body, json.RejectUnknownMembers(true))
		}
		if err != nil && !errors.Is(err, ErrNoKey) {
			return h, event, fmt.Errorf("body of dossier %s: %w", event.Dossier, err)
		}
	}
	if body.Fact == nil && body.Remains != nil {
		body.Fact, event.Erased = body.Remains, true
	}
	event.By, event.Via = body.By, body.Via
	event.Fact, err = central.ParseFact(h.Kind, body.Fact)
	return h, event, err
}

// seal is an event's body as it is stored.
func (b *Book) seal(e central.Event) (central.Body, error) {
	if e.Dossier == "" {
		return e.Body()
	}
	left, err := e.Erase().Body()
	if err != nil {
		return central.Body{}, err
	}
	body := central.Body{Dossier: e.Dossier, Remains: left.Fact}
	if b.state.Erasure(e.Dossier) != nil { // what still comes into it is erased from the start
		return body, nil
	}
	open, err := e.Body()
	if err != nil {
		return body, err
	}
	plain, err := json.Marshal(open)
	if err != nil {
		return body, err
	}
	body.Sealed, err = b.keys.seal(e.Dossier, plain, b.bound(e.Seq, e.Name(), e.Dossier))
	return body, err
}

// bound is what a sealed body is tied to: its place.
func (b *Book) bound(seq uint64, kind string, o central.Dossier) []byte {
	return fmt.Appendf(nil, "%s\n%d\n%s\n%s", b.origin, seq, kind, o)
}

// forget destroys the keys of dossiers that the ledger says are erased, and reads it anew, as a start does, so that nothing of them stays in memory. Meanwhile all goes on.
func (b *Book) forget(ctx context.Context) error {
	b.mu.RLock()
	have := b.keys.among(b.state.Erasures())
	b.mu.RUnlock()
	if len(have) > 0 {
		if err := b.keys.destroy(have); err != nil {
			return err
		}
	}
	fresh := unread()
	if err := b.readTo(ctx, &fresh, new(sync.Mutex)); err != nil {
		return err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	if err := b.readOn(ctx); err != nil {
		return err
	}
	if err := b.readTo(ctx, &fresh, new(sync.Mutex)); err != nil {
		return err
	}
	if fresh.head.Size != b.head.Size { // another centre wrote in between: next time
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fresh.erased = len(b.keys.among(fresh.state.Erasures())) > 0 // erased meanwhile
	b.reading = fresh
	return nil
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
		erased := b.erased
		b.writing.Unlock()
		if err == nil && erased {
			if err = b.forget(ctx); err != nil && ctx.Err() == nil {
				b.log.Error("erased dossiers cannot be forgotten yet", "error", err)
			}
		}
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
	if !errors.As(err, &broken) && !errors.Is(err, ErrNoKey) {
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
	return errors.Join(b.KeepWitnessed(context.Background()), b.store.Close())
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
		events, err := central.Decide(b.state, c, now.Time)
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
		body, err := b.seal(e)
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
	written := batch{entries: entries, stored: hashes}
	b.readEach(&written)
	if err := b.take(&b.reading, &b.mu, written); err != nil {
		err = fmt.Errorf("it was written and cannot be applied: %w; restart the centre", err)
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
	f(b.state)
}

// At is the state as it was at a moment, read again from the first entry (R5); the caller's own. Of what was erased since it has what remains, and says so. It takes as long
// as opening the ledger, and holds up nobody.
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
			_, event, err := b.read(e)
			if err != nil {
				return nil, fmt.Errorf("ledger: entry %d: %w", state.Size, err)
			}
			if event.Time.After(moment) {
				b.View(state.Recall)
				return state, nil
			}
			if err := state.Apply(event); err != nil {
				return nil, fmt.Errorf("ledger: %w", err)
			}
		}
	}
	b.View(state.Recall)
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

// Grew proves that the first old entries are the start of the first size, which need not be all.
func (b *Book) Grew(ctx context.Context, old, size uint64) (tlog.TreeProof, error) {
	if have := b.Size(); size > have {
		return nil, fmt.Errorf("ledger: only %d entries are here, not %d", have, size)
	}
	return chain.ConsistencyProof(old, size, hashesOf(ctx, b.store))
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

// InclusionAt proves that the ledger's checkpoint of a size covers an entry, and gives its header line.
func (b *Book) InclusionAt(ctx context.Context, seq, size uint64) (header []byte, p tlog.RecordProof, err error) {
	entries, err := b.store.Read(ctx, seq, 1)
	if err == nil && len(entries) == 0 {
		err = errors.New("missing from the store")
	}
	if err == nil {
		header = entries[0].Header
		p, err = chain.InclusionProof(seq, size, hashesOf(ctx, b.store))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ledger: entry %d: %w", seq, err)
	}
	return header, p, nil
}

// Export writes the ledger as a log file, which chain.Verify and `beeldwacht verify` read, with the checkpoints that witnesses cosigned (see Witnessed) and, where it has grown since, its own
// besides. Where so many entries are enough it ends with the checkpoint of at least those that most witnesses cosigned: what was written since is left to the next export, for it would only show that
// not all have seen it yet. 0: the whole ledger. It reads piece by piece: while somebody on a slow line takes the file in, an open bbolt transaction would keep the ledger's file from growing, and so all writing waiting.
func (b *Book) Export(w io.Writer, enough uint64) error {
	notes, err := b.exported(context.Background())
	if err != nil {
		return err
	}
	b.mu.RLock()
	size := b.head.Size
	checkpoint, err := b.sign(b.head)
	b.mu.RUnlock()
	if err != nil || size == 0 {
		return err
	}
	if enough > 0 {
		var end uint64
		if notes, end, err = chain.EndAt(notes, enough); err != nil {
			return err
		}
		size = cmp.Or(end, size)
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
	if len(notes) > 0 {
		if c, err := chain.UnverifiedCheckpoint(notes[len(notes)-1]); err != nil || c.Size == size { // else it has grown since
			checkpoint = nil
		}
	}
	for _, n := range notes {
		if err := chain.WriteCheckpoint(w, n); err != nil {
			return err
		}
	}
	if checkpoint == nil {
		return nil
	}
	return chain.WriteCheckpoint(w, checkpoint)
}
