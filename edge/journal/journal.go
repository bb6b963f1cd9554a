package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const (
	maxBatch     = 256 // entries in one commit
	mendEvery    = time.Second
	markEvery    = 256     // entries between remembered places
	maxEntrySize = 1 << 20 // bytes that Entries returns at a time
)

var (
	// ErrBroken: a write failed, so what is on the disk is not known. Every Append fails until the disk lets the journal be mended (invariant 10).
	ErrBroken = errors.New("journal: cannot be written")

	// ErrInUse: Open found the writer's lock taken.
	ErrInUse = errors.New("another process writes this journal")

	// ErrClosed: Close was called.
	ErrClosed = errors.New("journal: closed")

	// ErrBehind: a cosigned checkpoint shows that this log was rolled back or forked. The recorder records, and serves nothing, until
	// a resume order lets it go on as its own successor (invariant 13; doc.go, Succession).
	ErrBehind = errors.New("journal: behind its witnesses (rolled back or forked); nothing is served until it is resumed")

	// ErrQuorum: a checkpoint came back that too few witnesses have cosigned. It counts for nothing; see Lacking.
	ErrQuorum = errors.New("journal: too few witnesses cosigned")
)

// Journal is a recorder's log. Its methods may be called from any goroutine.
type Journal struct {
	// Set by Open.
	disk  disk.Disk
	dir   string
	first note.Signer // the key, under the name of the first log
	now   func() time.Time
	log   *slog.Logger

	appends chan *waiting
	pings   chan chan error
	quit    chan struct{} // closed by Close
	done    chan struct{} // closed by the writer as it ends

	unopened error // why it could not be opened at all; see Unopened

	closing sync.Once

	// Owned by the writer goroutine.
	headers, hashes, bodies disk.File
	month                   string    // of bodies
	at                      place     // where the next entry goes
	tried                   time.Time // when mending was, last
	epochAt                 time.Time // by the clock as it was read: when the epoch began. Zero until it is looked at
	onlyKey                 bool      // no key but that of the running epoch is on the disk
	unsealed                error     // what recovery found wrong with the seals
	bodiesOf                map[monthKind]*ofMonth

	stored disk.File // hashes, for reading

	moving sync.RWMutex // held by who puts another bodies file in the place of one, and shared by who looks up a place in it and opens it; before mu

	cosigning sync.Mutex // one Cosigned at a time

	mu           sync.Mutex  // guards what follows
	signer       note.Signer // the key under the present log's name, which is its origin
	head         chain.Head
	epochs       chain.Epochs
	keys         *disk.Slots // nil until SealEpochs
	marks        []place     // where entry i×markEvery begins
	broken       error
	brokenAt     time.Time
	behind       bool
	cosigned     chain.Checkpoint // verified since Open
	cosignedAt   time.Time
	cosignedNote []byte
	lacking      []string // see Lacking
	delivered    uint64   // see Delivered
	deliveredAt  time.Time
	changed      chan struct{} // closed at the next change of any of these
}

// waiting is one Append on its way.
type waiting struct {
	kind   string
	body   chain.Body
	answer chan answer // buffered: nobody may be waiting any more
}

type answer struct {
	seq uint64
	err error
}

// Open opens the journal in dir, which it makes if there is none, checks all of it, and starts its writer. origin is
// `<recorder>.<municipality>/beeldwacht`, the name of signer's key; a log that was resumed signs with that key under its successor's name, so it is of protocol.NewSigner. The cosigned checkpoint of an earlier run counts again once
// it has been given to [Journal.Cosigned] with the witnesses of the roster: see [Journal.CosignedNote].
func Open(dir, origin string, signer note.Signer, now func() time.Time, log *slog.Logger) (*Journal, error) {
	return OpenOn(disk.OS, dir, origin, signer, now, log)
}

// OpenOn is Open on a disk that may be another than the machine's own, which nil means.
func OpenOn(d disk.Disk, dir, origin string, signer note.Signer, now func() time.Time, log *slog.Logger) (*Journal, error) {
	if d == nil {
		d = disk.OS
	}
	j := newJournal(d, dir, signer, now, log)
	if err := j.open(origin); err != nil {
		return nil, fmt.Errorf("journal: %w", errors.Join(err, j.closeFiles()))
	}
	go j.write()
	return j, nil
}

func newJournal(d disk.Disk, dir string, signer note.Signer, now func() time.Time, log *slog.Logger) *Journal {
	return &Journal{
		disk: d, dir: dir, first: signer, signer: signer, now: now, log: log,
		bodiesOf: map[monthKind]*ofMonth{}, appends: make(chan *waiting), pings: make(chan chan error), quit: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}),
	}
}

func (j *Journal) open(origin string) error {
	if origin != j.first.Name() {
		return fmt.Errorf("the key is named %q, the log's origin is %q: they must be the same", j.first.Name(), origin)
	}
	if err := disk.MkdirAll(j.disk, j.dir); err != nil {
		return err
	}
	headers, err := openAppend(j.disk, filepath.Join(j.dir, headersFile))
	if err != nil {
		return err
	}
	j.headers = headers
	if err := lock(headers); err != nil {
		return err
	}
	if err := j.recover(); err != nil {
		return err
	}
	hashes, err := openAppend(j.disk, filepath.Join(j.dir, hashesFile))
	if err != nil {
		return err
	}
	j.hashes, j.stored = hashes, hashes
	if err := j.succeed(); err != nil {
		return err
	}
	return j.recall()
}

// recall reads what earlier runs learned from the witnesses.
func (j *Journal) recall() error {
	if err := j.recallBehind(); err != nil {
		return err
	}
	signed, err := disk.ReadFile(j.disk, filepath.Join(j.dir, cosignedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if j.earlier(signed) > 0 {
		return j.recallDelivered(signed)
	}
	c, _, err := chain.OpenCheckpoint(signed, j.signer.Name(), ownKey{j.signer})
	if err != nil {
		// It is only a memory: the witnesses still have it.
		j.log.Warn("journal: the remembered cosigned checkpoint cannot be used", "file", filepath.Join(j.dir, cosignedFile), "error", err)
		return nil
	}
	j.cosignedNote = signed
	// Our own signature is enough to know that we once were that far.
	if err := j.compare(c); errors.Is(err, ErrBehind) {
		return j.fallBehind(signed, err)
	} else if err != nil {
		return err
	}
	return nil
}

// Close ends the writer after the batch it is at; Appends that wait fail with [ErrClosed].
func (j *Journal) Close() error {
	var err error
	j.closing.Do(func() {
		close(j.quit)
		<-j.done
		err = j.closeFiles()
	})
	return err
}

func (j *Journal) closeFiles() error {
	var errs []error
	for _, f := range []disk.File{j.headers, j.hashes, j.bodies} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Append writes an entry and returns its number once body and header are on the disk. Many Appends at a time share one sync. After
// an error the act that the entry was for must not happen; the entry itself may still have been written (when ctx ended, or when the
// disk kept what it said it had not).
func (j *Journal) Append(ctx context.Context, kind string, body any) (seq uint64, err error) {
	// Here, so that the caller may change body as soon as this returns, and because the writer is one goroutine.
	b, err := chain.NewBody(body)
	if err != nil {
		return 0, fmt.Errorf("journal: %s: %w", kind, err)
	}
	w := &waiting{kind: kind, body: b, answer: make(chan answer, 1)}
	select {
	case j.appends <- w:
	case <-j.done:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, fmt.Errorf("journal: %s: %w", kind, ctx.Err())
	}
	select {
	case a := <-w.answer:
		return a.seq, a.err
	case <-ctx.Done():
		return 0, fmt.Errorf("journal: %s: %w", kind, ctx.Err())
	}
}

// write is the writer goroutine.
func (j *Journal) write() {
	defer close(j.done)
	look := time.NewTicker(sealLook)
	defer look.Stop()
	for {
		select {
		case <-j.quit:
			return
		case <-look.C:
			j.commit(nil)
			j.destroyDue(j.now())
		case answer := <-j.pings:
			j.commit(nil)
			j.destroyDue(j.now())
			answer <- j.Err()
		case first := <-j.appends:
			j.commit(j.gather(first))
		}
	}
}

// gather takes what else waits to be written. Those who were answered by the batch before and come again at once are given a moment to come: alone, the first of them would have a sync to itself,
// and the others the next.
func (j *Journal) gather(first *waiting) []*waiting {
	batch := []*waiting{first}
	for moments := 4; moments > 0 && len(batch) < maxBatch-1; {
		select {
		case w := <-j.appends:
			batch = append(batch, w)
		default:
			runtime.Gosched()
			moments--
		}
	}
	return batch
}

// commit makes entries of a batch, writes and syncs them, and answers. On a journal that is mended the first of them says that it was broken.
func (j *Journal) commit(batch []*waiting) {
	now := j.now()
	j.mu.Lock()
	broken, since := j.broken, j.brokenAt
	j.mu.Unlock()
	mended := broken != nil && j.mend(now)
	if mended {
		what, err := chain.NewBody(protocol.Incident{What: "journal", Detail: fmt.Sprintf("could not be written since %s: %v", protocol.T(since), broken)})
		if err != nil {
			j.log.Error("journal: that it was broken cannot be said", "error", err)
		} else {
			batch = slices.Insert(batch, 0, &waiting{kind: protocol.KindIncident, body: what, answer: make(chan answer, 1)})
		}
	}
	if broken == nil || mended {
		broken = nil
		if err := j.tendEpoch(now); err == errUnsealed {
			broken = err
		} else if err != nil {
			broken = j.fail(err, now)
		}
	}
	if broken == nil {
		batch, broken = j.resume(batch, now)
	}
	if broken != nil {
		for _, w := range batch {
			w.answer <- answer{err: broken}
		}
	} else if err := j.put(batch, now); err == nil && mended {
		j.log.Warn("journal: can be written again", "dir", j.dir, "since", since)
	}
}

// put makes entries, writes and syncs them, and answers.
func (j *Journal) put(batch []*waiting, now time.Time) error {
	j.mu.Lock()
	head, epochs := j.head, j.epochs
	j.mu.Unlock()
	var entries []chain.Entry
	var made []chain.Header
	var sealed []*waiting
	first := head.Size
	var hashes bytes.Buffer
	for _, w := range batch {
		h, e, stored, err := j.next(&head, &epochs, w, now)
		if err != nil { // this one cannot be an entry; the others can
			w.answer <- answer{err: fmt.Errorf("journal: %w", err)}
			continue
		}
		for _, h := range stored {
			hashes.Write(h[:])
		}
		entries, made, sealed = append(entries, e), append(made, h), append(sealed, w)
	}
	if len(entries) == 0 {
		return nil
	}
	marks, err := j.store(entries, first, monthOf(head.Time), hashes.Bytes())
	if err != nil {
		err = j.fail(err, now)
	} else {
		j.mu.Lock()
		j.head, j.epochs, j.broken = head, epochs, nil
		j.marks = append(j.marks, marks...)
		j.announce()
		j.mu.Unlock()
		for i, h := range made {
			j.count(h, entries[i].Body)
		}
	}
	for i, w := range sealed {
		w.answer <- answer{seq: first + uint64(i), err: err}
	}
	return err
}

// next makes the entry that comes next, and its stored hashes.
func (j *Journal) next(head *chain.Head, epochs *chain.Epochs, w *waiting, now time.Time) (chain.Header, chain.Entry, []tlog.Hash, error) {
	h, e, err := head.Seal(w.kind, w.body, now)
	if err != nil {
		return h, e, nil, err
	}
	after := *epochs
	if err := after.Next(j.first.Name(), *head, h, e.Body); err != nil {
		return h, e, nil, err
	}
	*epochs = after
	stored, err := head.Push(h, e.Header)
	return h, e, stored, err
}

// fail leaves the journal broken: what is on the disk is not known.
func (j *Journal) fail(err error, now time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if errors.Is(err, ErrBroken) { // said already
		return err
	}
	broken := fmt.Errorf("%w: %w", ErrBroken, err)
	if j.broken == nil {
		j.broken, j.brokenAt, j.tried = broken, now, now
	}
	j.announce()
	j.log.Error("journal: cannot be written; nothing is served until it can", "dir", j.dir, "entries", j.head.Size, "error", err)
	return broken
}

// store puts entries on the disk: bodies synced, then headers synced. All are of one month, since they have one time.
func (j *Journal) store(entries []chain.Entry, first uint64, month string, hashes []byte) (marks []place, err error) {
	if month != j.month {
		if err := j.turn(month); err != nil {
			return nil, err
		}
	}
	at := j.at
	if at.month != month {
		at.month, at.body = month, 0
	}
	var headers, bodies bytes.Buffer
	for i, e := range entries {
		if (first+uint64(i))%markEvery == 0 {
			marks = append(marks, at)
		}
		headers.Write(append(e.Header, '\n'))
		bodies.Write(append(e.Body, '\n'))
		at.header += int64(len(e.Header)) + 1
		at.body += int64(len(e.Body)) + 1
	}
	if _, err := j.bodies.Write(bodies.Bytes()); err != nil {
		return nil, err
	}
	if err := j.bodies.Sync(); err != nil {
		return nil, err
	}
	if _, err := j.hashes.Write(hashes); err != nil { // not synced: recomputable
		return nil, err
	}
	if _, err := j.headers.Write(headers.Bytes()); err != nil {
		return nil, err
	}
	if err := j.headers.Sync(); err != nil {
		return nil, err
	}
	j.at = at
	return marks, nil
}

// turn opens the bodies file of a month.
func (j *Journal) turn(month string) error {
	f, err := openAppend(j.disk, filepath.Join(j.dir, bodiesFile(month)))
	if err != nil {
		return err
	}
	old := j.bodies
	j.bodies, j.month = f, month
	if old != nil {
		return old.Close() // it is synced; but a close that fails means a disk that fails
	}
	return nil
}

// mend brings the files of a broken journal back to the last entry that was acknowledged. What was written after it was never told to anybody.
func (j *Journal) mend(now time.Time) bool {
	if since := now.Sub(j.tried); since >= 0 && since < mendEvery {
		return false
	}
	j.tried = now
	body := j.at.body
	if j.month != j.at.month { // begun, and nothing came of it
		body = 0
	}
	err := shorten(j.headers, j.at.header) // before the bodies, as in recovery
	if err == nil && j.bodies != nil {
		err = shorten(j.bodies, body)
	}
	if err == nil {
		err = shorten(j.hashes, chain.HashCount(j.Head().Size)*tlog.HashSize)
	}
	if err != nil {
		j.log.Warn("journal: still cannot be written", "dir", j.dir, "error", err)
	}
	return err == nil
}

// announce tells all that wait on Changed; call with mu held.
func (j *Journal) announce() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change: an entry, a cosigned checkpoint, a failure. Take it before looking.
func (j *Journal) Changed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

// Err is why the journal cannot be written ([ErrBroken]), or nil.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.broken
}

// Head is the newest size and root that is on the disk.
func (j *Journal) Head() chain.Head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.head
}

// Entries returns entries from number from on: at most max, and no more than about a mebibyte, but at least one if there is any. Body is
// nil where it has been destroyed.
func (j *Journal) Entries(from uint64, max int) ([]chain.Entry, error) {
	var out []chain.Entry
	size := 0
	err := j.each(from, func(_ chain.Header, e chain.Entry) error {
		if len(out) > 0 && (len(out) >= max || size+len(e.Header)+len(e.Body) > maxEntrySize) {
			return errEnough
		}
		size += len(e.Header) + len(e.Body)
		out = append(out, e)
		return nil
	})
	return out, err
}

// Replay calls do for every entry there is now, in order, with its body line or nil where that has been destroyed. It stops at do's
// first error and returns it.
func (j *Journal) Replay(do func(h chain.Header, body []byte) error) error {
	return j.each(0, func(h chain.Header, e chain.Entry) error { return do(h, e.Body) })
}

var errEnough = errors.New("enough")

func (j *Journal) each(from uint64, do func(chain.Header, chain.Entry) error) error {
	if j.unopened != nil {
		return j.unopened
	}
	j.moving.RLock()
	j.mu.Lock()
	size := j.head.Size
	var at place
	if from < size {
		at = j.marks[from/markEvery]
	}
	j.mu.Unlock()
	if from >= size {
		j.moving.RUnlock()
		return nil
	}
	c, err := openCursor(j.disk, j.dir, at)
	j.moving.RUnlock()
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer c.Close() // only read from
	for seq := from - from%markEvery; seq < size; seq++ {
		e, h, err := c.next()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err == nil && h.Seq != seq {
			err = fmt.Errorf("found entry %d in its place", h.Seq)
		}
		if err == nil && e.Body != nil && !h.Holds(e.Body) {
			err = errors.New("its body changed on the disk")
		}
		if err != nil {
			return fmt.Errorf("journal: %s: entry %d: %w", j.dir, seq, err)
		}
		if seq < from {
			continue
		}
		if err := do(h, e); err == errEnough {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Checkpoint is the present head, signed now by the recorder.
func (j *Journal) Checkpoint() ([]byte, error) {
	if j.unopened != nil {
		return nil, j.unopened
	}
	j.mu.Lock()
	head, signer := j.head, j.signer
	j.mu.Unlock()
	return chain.SignCheckpoint(chain.Checkpoint{Origin: signer.Name(), Size: head.Size, Root: head.Root()}, signer)
}

// CheckpointAt is the head that the log had at size entries, signed now. A batch of a long tail ends before the journal does.
func (j *Journal) CheckpointAt(size uint64) ([]byte, error) {
	if j.unopened != nil {
		return nil, j.unopened
	}
	j.mu.Lock()
	there, signer := j.head.Size, j.signer
	j.mu.Unlock()
	if size > there {
		return nil, fmt.Errorf("journal: no checkpoint at %d entries: there are %d", size, there)
	}
	root, err := chain.RootAt(size, chain.HashesIn(j.stored))
	if err != nil {
		return nil, fmt.Errorf("journal: root at %d entries: %w", size, err)
	}
	return chain.SignCheckpoint(chain.Checkpoint{Origin: signer.Name(), Size: size, Root: root}, signer)
}

// Cosigned takes a checkpoint that came back with cosignatures. It must be signed by this recorder's own key and by a quorum of
// witnesses. One that fits this log is remembered, if it covers more than the last one or as much at a later time; an older one is
// ignored. One that this log does not lead to — more entries than it has, or another root — leaves the log behind its
// witnesses, for good and across restarts, and returns [ErrBehind] (invariant 13).
func (j *Journal) Cosigned(signed []byte, witnesses []note.Verifier, quorum int) error {
	if j.unopened != nil { // whether this log leads to it is not known
		return j.unopened
	}
	if quorum < 1 {
		return fmt.Errorf("journal: a quorum of %d witnesses: at least one must cosign", quorum)
	}
	j.cosigning.Lock() // so that the log does not become its successor meanwhile
	defer j.cosigning.Unlock()
	j.mu.Lock()
	signer := j.signer
	j.mu.Unlock()
	c, cosigned, err := chain.OpenCheckpoint(signed, signer.Name(), ownKey{signer}, witnesses...)
	if err != nil {
		return fmt.Errorf("journal: cosigned: %w", err)
	}
	// Latest first.
	slices.SortFunc(cosigned, func(a, b chain.Cosignature) int { return b.Time.Compare(a.Time) })
	if len(cosigned) < quorum {
		return j.lacks(c, cosigned, witnesses, quorum)
	}
	// The time by which a quorum had seen it: the latest that quorum of them reach.
	at := cosigned[quorum-1].Time
	if err := j.compare(c); errors.Is(err, ErrBehind) {
		return errors.Join(err, j.fallBehind(signed, err))
	} else if err != nil {
		return err
	}
	j.mu.Lock()
	known, knownAt := j.cosigned, j.cosignedAt
	j.mu.Unlock()
	if c.Size < known.Size || (c.Size == known.Size && !at.After(knownAt)) {
		return nil
	}
	if err := disk.Replace(j.disk, filepath.Join(j.dir, cosignedFile), signed); err != nil {
		return fmt.Errorf("journal: remember cosigned checkpoint: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cosigned, j.cosignedAt, j.cosignedNote, j.lacking = c, at, slices.Clone(signed), nil
	j.deliver(c.Size, cosigned[0].Time)
	j.announce()
	return nil
}

// lacks takes a checkpoint that too few witnesses have cosigned: it counts for nothing, but what it covers need not be handed in again.
func (j *Journal) lacks(c chain.Checkpoint, cosigned []chain.Cosignature, witnesses []note.Verifier, quorum int) error {
	var lacking []string
	for _, w := range witnesses {
		if !slices.ContainsFunc(cosigned, func(s chain.Cosignature) bool { return s.Name == w.Name() }) {
			lacking = append(lacking, w.Name())
		}
	}
	err := fmt.Errorf("%w: %d of %d witnesses the checkpoint of size %d, %d are needed; not %s", ErrQuorum, len(cosigned), len(witnesses), c.Size, quorum, strings.Join(lacking, ", "))
	if len(cosigned) == 0 {
		return err
	}
	if fits := j.compare(c); fits != nil { // too few for a verdict on this log
		return fmt.Errorf("%w; nor does it fit this log: %v", err, fits)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if c.Size > j.cosigned.Size || cosigned[0].Time.After(j.cosignedAt) { // not an old one again
		j.lacking = lacking
		j.deliver(c.Size, cosigned[0].Time)
		j.announce()
	}
	return err
}

// deliver notes what some witness has; call with mu held.
func (j *Journal) deliver(size uint64, at time.Time) {
	if size > j.delivered || size == j.delivered && at.After(j.deliveredAt) {
		j.delivered, j.deliveredAt = size, at
	}
}

// Delivered is how many entries the newest checkpoint covers that came back with a witness's cosignature, and when that was made: what need not be handed in again. Where the quorum needs
// a witness that is absent it runs ahead of CosignedHead.
func (j *Journal) Delivered() (size uint64, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.delivered, j.deliveredAt
}

// compare says with ErrBehind that this log does not lead to a checkpoint.
func (j *Journal) compare(c chain.Checkpoint) error {
	size := j.Head().Size
	if c.Size > size {
		return fmt.Errorf("%w: the checkpoint covers %d entries, here are %d", ErrBehind, c.Size, size)
	}
	root, err := chain.RootAt(c.Size, chain.HashesIn(j.stored))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if root != c.Root {
		// Being behind is for good: make sure that it is not merely the stored hashes that rotted.
		if root, err = j.rootOfHeaders(c.Size); err != nil {
			return err
		}
		if root == c.Root {
			return fmt.Errorf("journal: %s in %s is damaged; open the journal anew, which computes it again", hashesFile, j.dir)
		}
		return fmt.Errorf("%w: at %d entries the checkpoint's root is %s, here it is %s", ErrBehind, c.Size, c.Root, root)
	}
	return nil
}

func (j *Journal) rootOfHeaders(size uint64) (protocol.Hash, error) {
	var head chain.Head
	err := j.each(0, func(_ chain.Header, e chain.Entry) error {
		if head.Size == size {
			return errEnough
		}
		return head.AddHeader(e.Header)
	})
	return head.Root(), err
}

// fallBehind remembers the checkpoint that showed it, here and on the disk.
func (j *Journal) fallBehind(signed []byte, why error) error {
	j.mu.Lock()
	was := j.behind
	j.behind = true
	j.announce()
	j.mu.Unlock()
	if was && !disk.Absent(j.disk, filepath.Join(j.dir, behindFile)) {
		return nil
	}
	j.log.Error("journal: this log is not the one its witnesses know; nothing is served any more", "dir", j.dir, "error", why)
	if err := disk.Replace(j.disk, filepath.Join(j.dir, behindFile), signed); err != nil {
		return fmt.Errorf("journal: remember being behind: %w", err)
	}
	return nil
}

// Behind reports that this log was rolled back or forked: the recorder records, and serves nothing (invariant 13).
func (j *Journal) Behind() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.behind
}

// CosignedHead is how many entries the last accepted cosigned checkpoint covers, and by when a quorum had cosigned it. Zero until
// Cosigned has accepted one since Open.
func (j *Journal) CosignedHead() (size uint64, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.cosigned.Size, j.cosignedAt
}

// Lacking are the witnesses, by name, that have not cosigned the newest checkpoint that came back, where the quorum needs them. It is empty as soon as one comes that counts.
func (j *Journal) Lacking() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lacking
}

// CosignedNote is the last cosigned checkpoint, nil if there is none. After Open it is that of the earlier run, which counts only when
// it is given to [Journal.Cosigned]: the witnesses are in the roster, and the roster is in the journal.
func (j *Journal) CosignedNote() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.cosignedNote)
}

// WaitCosigned returns nil once a cosigned checkpoint covers entry seq, ErrBehind when none will, or ctx's error.
func (j *Journal) WaitCosigned(ctx context.Context, seq uint64) error {
	for {
		j.mu.Lock()
		covered, behind, changed := j.cosigned.Size > seq, j.behind, j.changed
		j.mu.Unlock()
		switch {
		case behind:
			return ErrBehind
		case covered:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if lacking := j.Lacking(); len(lacking) > 0 {
				return fmt.Errorf("journal: entry %d is not yet cosigned by %s, whose signature the roster asks for; ask whoever runs that witness whether it is switched on: %w", seq, strings.Join(lacking, ", "), ctx.Err())
			}
			return fmt.Errorf("journal: entry %d is not yet cosigned: %w", seq, ctx.Err())
		}
	}
}

// Proof proves entry seq under the last cosigned checkpoint.
func (j *Journal) Proof(seq uint64) (chain.Proof, error) {
	j.mu.Lock()
	size, signed := j.cosigned.Size, slices.Clone(j.cosignedNote)
	j.mu.Unlock()
	if seq >= size {
		return chain.Proof{}, fmt.Errorf("journal: entry %d is not covered: the last cosigned checkpoint covers %d entries", seq, size)
	}
	return chain.NewProof(seq, size, signed, chain.HashesIn(j.stored))
}

// ownKey verifies the recorder's own signatures with its private key: Ed25519 signs the same text the same way (RFC 8032 section 5.1.6).
type ownKey struct{ note.Signer }

func (k ownKey) Verify(text, sig []byte) bool {
	own, err := k.Sign(text)
	return err == nil && bytes.Equal(own, sig)
}

var _ note.Verifier = ownKey{}
