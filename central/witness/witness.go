package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// MaxBatch is the longest batch in bytes.
const MaxBatch = 4 << 20

// Errors that Receive returns; the answer beside them, if any, is to be sent all the same.
var (
	ErrUnknown = errors.New("recorder is not enrolled with this witness")
	ErrGap     = errors.New("the batch begins after, or ends before, what is needed; send from the cosigned checkpoint on")
	ErrFork    = errors.New("the recorder signed two logs that contradict each other; kept as a finding")
	ErrBody    = errors.New("an entry came without its body, before any term of it has passed; kept as a finding")
	ErrUnfit   = errors.New("the batch does not fit the log known here; kept as a finding")
)

// Witness is safe for concurrent use. Its store is one process's.
type Witness struct {
	key  *chain.Witness
	vkey string
	db   *bbolt.DB
	now  func() time.Time
	log  *slog.Logger

	mu       sync.Mutex    // guards what follows
	changed  chan struct{} // closed at the next change
	progress map[protocol.RecorderID]progress
	waiting  map[protocol.RecorderID]bool // those of which not all is taken in
	statuses map[protocol.RecorderID]said // the newest of this run, and those held of the run before
	onDisk   map[protocol.RecorderID]bool // of whom the disk has a status, this or an earlier one; changed within a transaction that writes

	opened protocol.Time // this run
	found  chan struct{} // holds one while there are findings that nobody was told of

	witnessing sync.Mutex                       // guards witnessed; never within a transaction
	witnessed  map[protocol.RecorderID][][]byte // what others cosigned as well and is not on the disk yet

	sweeping sync.Mutex // guards what follows
	swept    map[protocol.RecorderID]protocol.Time
	due      map[protocol.RecorderID]map[lateHour]protocol.Time // the log's time when it was first seen to be due

	between func() error // for tests: a crash between storing and cosigning
}

// row is what is kept per recorder beside its log.
type row struct {
	Key        string        `json:"key"`
	Origin     string        `json:"origin"`     // of the first log; Key bears it
	Head       chain.Head    `json:"head"`       // of what is stored
	Checkpoint []byte        `json:"checkpoint"` // the recorder's note over exactly Head; empty before the first
	Cosigned   []byte        `json:"cosigned"`   // the newest cosigned one
	Size       uint64        `json:"size"`       // of Cosigned
	CosignedAt protocol.Time `json:"cosignedAt"`
	Epochs     chain.Epochs  `json:"epochs,omitzero"` // what the seals say up to Head
	Heard      protocol.Time `json:"heard"`           // when a checkpoint with a good signature last came
	Watch      watch         `json:"watch,omitzero"`
	Log        uint64        `json:"log,omitzero"`  // number of the log; 0: the first
	Next       *next         `json:"next,omitzero"` // nil: no successor is ordered
}

// Buckets.
var (
	recorders = []byte("recorders")
	logs      = []byte("logs")
	meta      = []byte("meta")

	headers  = []byte("headers")
	bodies   = []byte("bodies")
	hashes   = []byte("hashes")
	findings = []byte("findings")
	accesses = []byte("accesses") // seq → read, or nothing
	cameras  = []byte("cameras")  // camera → footage
	hours    = []byte("hours")    // clock hour → tallies
	deleted  = []byte("deleted")  // camera → gone
	windows  = []byte("windows")  // camera → windows
	holds    = []byte("holds")    // hold → held

	first    = []byte("first") // in a recorder's bucket: the first checkpoint that was cosigned, since it is kept (22 November 2026)
	metaForm = []byte("form")
)

const form = "beeldwacht/witness v1"

// lateSeal is how much later than an epoch lasts a seal may come, by this witness's clock.
const lateSeal = 30 * time.Minute

// Open opens or makes a witness's store. The key is a private note key (chain.NewWitness).
func Open(path, skey string, now func() time.Time, log *slog.Logger) (*Witness, error) {
	key, vkey, err := chain.NewWitness(skey)
	if err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, bbolt.ErrTimeout) {
		return nil, fmt.Errorf("witness %s: %w (is another centre running on it?)", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("witness %s: %w", path, err)
	}
	w := &Witness{key: key, vkey: vkey, db: db, now: now, log: log, opened: protocol.T(now()), found: make(chan struct{}, 1), changed: make(chan struct{}),
		statuses: map[protocol.RecorderID]said{}, witnessed: map[protocol.RecorderID][][]byte{}, swept: map[protocol.RecorderID]protocol.Time{},
		due: map[protocol.RecorderID]map[lateHour]protocol.Time{}}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{recorders, logs, meta, outside} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		switch have := tx.Bucket(meta).Get(metaForm); {
		case have == nil:
			if err := tx.Bucket(meta).Put(metaForm, []byte(form)); err != nil {
				return err
			}
		case string(have) != form:
			return fmt.Errorf("its form is %q, want %q", have, form)
		}
		if err := eachRow(tx, func(id protocol.RecorderID, r row) error { return r.sound(tx, id) }); err != nil {
			return err
		}
		if err := w.readSaid(tx); err != nil {
			return err
		}
		return w.readTaken(tx)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("witness %s: %w", path, err), db.Close())
	}
	return w, nil
}

// sound compares the row with the end of the log; LogFile and chain.Verify check all of it.
func (r row) sound(tx *bbolt.Tx, id protocol.RecorderID) error {
	if err := r.Head.Valid(); err != nil {
		return fmt.Errorf("recorder %s: %w", id, err)
	}
	var last protocol.Hash
	var count uint64
	if k, v := tx.Bucket(logs).Bucket([]byte(id)).Bucket(headers).Cursor().Last(); k != nil {
		last, count = protocol.HashOf(v), number(k)+1
	}
	if count != r.Head.Size || last != r.Head.Last || r.Size > r.Head.Size {
		return fmt.Errorf("recorder %s: %d entries are stored, the row says %d: damaged; keep this file, restore a good copy", id, count, r.Head.Size)
	}
	return nil
}

// Close lets go of the file.
func (w *Witness) Close() error { return errors.Join(w.keepWitnessed(), w.db.Close()) }

// Key is the public key that this witness's cosignatures verify with.
func (w *Witness) Key() string { return w.vkey }

// Enrol makes a recorder known: the key that signs its checkpoints, and their origin. Again with the same is fine; another key is refused.
func (w *Witness) Enrol(id protocol.RecorderID, key, origin string) error {
	if err := protocol.ValidID(id); err != nil {
		return fmt.Errorf("witness: recorder %w", err)
	}
	v, err := protocol.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("witness: recorder %s: %w", id, err)
	}
	if v.Name() != origin {
		return fmt.Errorf("witness: recorder %s: key %s, origin %s: a log's key bears its origin", id, v.Name(), origin)
	}
	known := func(tx *bbolt.Tx) error {
		have, err := readRow(tx, id)
		if err == nil && (have.Key != key || have.Origin != origin) {
			return fmt.Errorf("witness: recorder %s is enrolled with another key; a new key is a new recorder", id)
		}
		return err
	}
	if err := w.db.View(known); !errors.Is(err, ErrUnknown) { // at a start this is asked of all
		return err
	}
	return w.db.Batch(func(tx *bbolt.Tx) error {
		if err := known(tx); !errors.Is(err, ErrUnknown) {
			return err
		}
		b, err := tx.Bucket(logs).CreateBucketIfNotExists([]byte(id))
		if err != nil {
			return err
		}
		for _, name := range [][]byte{headers, bodies, hashes, findings, accesses, cameras} {
			if _, err := b.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return row{Key: key, Origin: origin}.put(tx, id)
	})
}

// Receive takes a batch of a recorder's journal. It returns the newest cosigned checkpoint, which is the batch's own when all is well. With an
// error the answer may be nil, or the newest from before, which shows the recorder where this witness stands.
func (w *Witness) Receive(ctx context.Context, id protocol.RecorderID, batch []byte) (cosigned []byte, err error) {
	b, err := w.read(id, batch)
	if err != nil {
		return nil, fmt.Errorf("witness: recorder %s: %w", id, err)
	}
	for range maxRaces {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if cosigned, err = w.receive(id, b); !errors.Is(err, errMoved) { // moved: another batch of this recorder was first
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("witness: recorder %s: checkpoint of %d entries: %w", id, b.checkpoint.Size, err)
	}
	return cosigned, err
}

// maxRaces: each lost race means that another batch was taken in, so nobody loses this often unless something is wrong.
const maxRaces = 100

var errMoved = errors.New("the row has changed meanwhile")

// batch is what came in: form and signature checked, its place not yet.
type batch struct {
	log        uint64        // number of the log, by the checkpoint
	entries    []chain.Entry // seq rises by one, all below checkpoint.Size
	first      uint64        // seq of entries[0]
	note       []byte
	checkpoint chain.Checkpoint
}

func (w *Witness) read(id protocol.RecorderID, raw []byte) (b batch, err error) {
	if len(raw) > MaxBatch {
		return b, fmt.Errorf("batch of %d bytes: at most %d", len(raw), MaxBatch)
	}
	var r row
	if err := w.db.View(func(tx *bbolt.Tx) error { r, err = readRow(tx, id); return err }); err != nil {
		return b, err
	}
	v, err := protocol.NewVerifier(r.Key)
	if err != nil {
		return b, err
	}
	return parse(raw, r.Origin, v)
}

func parse(raw []byte, origin string, v note.Verifier) (b batch, err error) {
	in := chain.NewReader(bytes.NewReader(raw))
	for {
		e, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return b, err
		}
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			return b, err
		}
		if len(b.entries) == 0 {
			b.first = h.Seq
		}
		if h.Seq != b.first+uint64(len(b.entries)) {
			return b, fmt.Errorf("entry %d follows %d", h.Seq, b.first+uint64(len(b.entries))-1)
		}
		b.entries = append(b.entries, e)
	}
	b.note = in.Checkpoint()
	if b.checkpoint, _, err = chain.OpenSuccessor(b.note, origin, v); err != nil {
		return b, err
	}
	_, b.log = protocol.ParseLogOrigin(b.checkpoint.Origin)
	if end := b.first + uint64(len(b.entries)); end > b.checkpoint.Size { // nobody has signed for the rest
		keep := max(b.checkpoint.Size, b.first) - b.first
		b.entries = b.entries[:keep]
	}
	return b, nil
}

// receive judges a batch against the log as it is, stores what is new, and cosigns.
func (w *Witness) receive(id protocol.RecorderID, b batch) (cosigned []byte, err error) {
	var known row
	var fresh []chain.Entry
	var finding *Finding
	var t *turn // where a successor leaves the log that is here
	err = w.db.View(func(tx *bbolt.Tx) error {
		if known, err = readRow(tx, id); err != nil || b.log != known.number() {
			return err
		}
		fresh, finding, err = b.judge(known, w.now(), tx.Bucket(logs).Bucket([]byte(id)))
		return err
	})
	switch {
	case err == nil && b.log < known.number():
		return w.ended(id, known, b)
	case err == nil && b.log > known.number():
		if t, fresh, finding, err = w.succeed(id, known, b); t == nil && err == nil {
			return w.begun(id, known, b)
		}
	}
	switch {
	case finding != nil:
		finding.Recorder, finding.At, finding.Log = id, protocol.T(w.now()), laterLog(b.log)
		if kept := w.keep(*finding); kept != nil {
			err = errors.Join(err, kept)
		}
		w.log.Error("a recorder's log does not grow as it should", "recorder", id, "finding", finding.Kind, "detail", finding.Detail)
		return known.Cosigned, err
	case err != nil:
		return known.Cosigned, err
	}
	if b.checkpoint.Size > known.Head.Size || known.Checkpoint == nil || t != nil {
		if err := w.store(id, known, b, fresh, t); err != nil {
			return nil, err
		}
	}
	if w.between != nil {
		if err := w.between(); err != nil {
			return nil, err
		}
	}
	return w.cosign(id, b)
}

// judge decides what a batch is, changing nothing: entries to store, or a finding, or what is wrong. log is the recorder's bucket.
func (b batch) judge(known row, now time.Time, log *bbolt.Bucket) (fresh []chain.Entry, finding *Finding, err error) {
	size, c := known.Head.Size, b.checkpoint
	stored := &overlay{base: log.Bucket(hashes), split: chain.HashCount(size)}
	if len(b.entries) > 0 && b.first > size {
		return nil, nil, fmt.Errorf("%w: it begins at entry %d, %d are known", ErrGap, b.first, size)
	}
	// The recorder's tree: ours up to the first entry that differs, theirs from there.
	tree := &overlay{base: log.Bucket(hashes), split: chain.HashCount(size)}
	differs, end := size, size
	head := known.Head
	bare := size // the first new entry that came without its body
	var withoutBody []byte
	for i, e := range b.entries {
		seq := b.first + uint64(i)
		if seq < size && differs == size {
			if bytes.Equal(log.Bucket(headers).Get(key(seq)), e.Header) {
				continue
			}
			differs, end = seq, seq
			tree.split = chain.HashCount(seq)
		}
		if differs == size { // beyond what is known: must fit the chain
			add := func() error { return head.Add(e) }
			if e.Body == nil {
				add = func() error { return head.AddHeader(e.Header) }
				if withoutBody == nil && bodyMustBe(e.Header, now) {
					bare, withoutBody = seq, e.Header
				}
			}
			if err := add(); err != nil {
				return nil, b.unfit(known, err.Error()), fmt.Errorf("%w: %w", ErrUnfit, err)
			}
			fresh = append(fresh, e)
		}
		more, err := chain.StoredHashes(seq, e.Header, tree)
		if err != nil {
			return nil, nil, err
		}
		tree.more = append(tree.more, more...)
		end = seq + 1
	}
	// A checkpoint of what is known must be of our tree, whatever entries came with it.
	if c.Size <= size {
		ours, err := chain.RootAt(c.Size, stored)
		if err != nil {
			return nil, nil, err
		}
		if ours == c.Root {
			return nil, nil, nil // old or idle; entries that differ came from elsewhere
		}
		if known.Checkpoint == nil { // nothing signed here yet to set beside it
			return nil, nil, fmt.Errorf("root of an empty log is %s, the checkpoint says %s", ours, c.Root)
		}
		f := b.fork(known, nil, fmt.Sprintf("root at %d entries is %s here, the recorder now signs %s", c.Size, ours, c.Root))
		f.Root = ours
		if f.Proof, err = chain.ConsistencyProof(c.Size, size, stored); err != nil {
			return nil, nil, err
		}
		return nil, f, ErrFork
	}
	if c.Size > end {
		return nil, nil, fmt.Errorf("%w: the batch ends with entry %d", ErrGap, end)
	}
	root, err := chain.RootAt(c.Size, tree)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case root != c.Root:
		err := fmt.Errorf("the entries give root %s, the checkpoint says %s", root, c.Root)
		return nil, b.unfit(known, err.Error()), fmt.Errorf("%w: %w", ErrUnfit, err)
	case differs < size: // and the recorder's signature covers the entry that differs
		f := b.fork(known, &differs, fmt.Sprintf("entry %d is another than the one known here", differs))
		f.Seq, f.Entry, f.OurEntry = differs, b.entries[differs-b.first].Header, bytes.Clone(log.Bucket(headers).Get(key(differs)))
		if f.Inclusion, err = chain.InclusionProof(differs, c.Size, tree); err != nil {
			return nil, nil, err
		}
		if f.OurInclusion, err = chain.InclusionProof(differs, size, stored); err != nil {
			return nil, nil, err
		}
		return nil, f, ErrFork
	case withoutBody != nil:
		f := b.bodiless(known, bare, withoutBody)
		if f.Inclusion, err = chain.InclusionProof(bare, c.Size, tree); err != nil {
			return nil, nil, err
		}
		return nil, f, ErrBody
	}
	return fresh, nil, nil
}

// bodyMustBe says that the term of an entry's body is not over.
func bodyMustBe(header []byte, now time.Time) bool {
	h, err := chain.ParseHeader(header)
	due, ends := protocol.BodiesDue(h.Kind, protocol.MonthOf(h.Time))
	return err != nil || !ends || now.Before(due)
}

// fork says in words which entry is the first that differs, where that is known.
func (b batch) fork(known row, differs *uint64, detail string) *Finding {
	seen := central.Words{
		NL: fmt.Sprintf("De recorder tekende voor twee logboeken die elkaar tegenspreken: eerst voor een van %d regels, en later voor een van %d regels", known.Head.Size, b.checkpoint.Size),
		EN: fmt.Sprintf("The recorder signed for two logs that contradict each other: first for one of %d entries, and later for one of %d entries", known.Head.Size, b.checkpoint.Size)}
	if differs != nil {
		seen.NL += fmt.Sprintf(", waarin regel %d een andere is", *differs)
		seen.EN += fmt.Sprintf(", in which entry %d is another", *differs)
	}
	return &Finding{Kind: Fork, Seen: central.Words{NL: seen.NL + ".", EN: seen.EN + "."}, Detail: detail, Ours: known.Checkpoint, Theirs: b.note}
}

func (b batch) unfit(known row, detail string) *Finding {
	return &Finding{Kind: Unfit, Detail: detail, Ours: known.Checkpoint, Theirs: b.note}
}

// store keeps entries and the checkpoint over them, if the row still is what the batch was judged by.
func (w *Witness) store(id protocol.RecorderID, known row, b batch, fresh []chain.Entry, t *turn) error {
	accused := false
	err := w.db.Batch(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		if r.Head.Size != known.Head.Size || r.Head.Last != known.Head.Last || r.number() != known.number() {
			return errMoved
		}
		log := tx.Bucket(logs).Bucket([]byte(id))
		if t != nil {
			if r.Next == nil || r.Next.Log != b.log || r.Next.Size > t.from {
				return errMoved
			}
			if err := t.take(log, &r, protocol.T(w.now())); err != nil {
				return err
			}
		}
		for _, name := range [][]byte{headers, bodies, hashes} { // they grow at their end alone: their pages may be full
			log.Bucket(name).FillPercent = 1
		}
		x := &watcher{log: log, id: id, watch: &r.Watch, windows: map[protocol.CameraID][]window{}, edited: map[uint64][]tally{}, cameras: map[protocol.CameraID]footage{}}
		if err := x.begin(r.Head); err != nil {
			return err
		}
		var broken []Finding
		for _, e := range fresh {
			seq, more := r.Head.Size, r.Head.Hashes(e.Header)
			h, err := chain.ParseHeader(e.Header)
			if err != nil {
				return err
			}
			was := r.Epochs
			if wrong := r.Epochs.Next(r.Origin, r.Head, h, e.Body); wrong != nil { // what the recorder wrote stands, and so does what is wrong with it
				broken = append(broken, Finding{Kind: Unsealed, Key: fmt.Sprintf("%s %d", Unsealed, seq), Detail: wrong.Error(), Seq: seq, Entry: e.Header, Body: e.Body, Named: was.Named, Root: r.Head.Root()})
			}
			add := r.Head.Add
			if e.Body == nil { // its term is over; judge has seen to it
				add = func(e chain.Entry) error { return r.Head.AddHeader(e.Header) }
			}
			if err := add(e); err != nil {
				return err
			}
			if err := log.Bucket(headers).Put(key(seq), e.Header); err != nil {
				return err
			}
			if e.Body != nil {
				if err := log.Bucket(bodies).Put(key(seq), protocol.Pack(e.Body)); err != nil {
					return err
				}
			}
			for i, h := range more {
				if err := log.Bucket(hashes).Put(key(uint64(chain.HashCount(seq))+uint64(i)), h[:]); err != nil {
					return err
				}
			}
			if err := w.index(x, h, e); err != nil {
				return err
			}
		}
		if r.Head.Size != b.checkpoint.Size || r.Head.Root() != b.checkpoint.Root { // judge has seen to it; this is the last gate
			return fmt.Errorf("stored entries give %d, root %s; the checkpoint says %d, %s", r.Head.Size, r.Head.Root(), b.checkpoint.Size, b.checkpoint.Root)
		}
		if err := x.finish(); err != nil {
			return err
		}
		r.Checkpoint = b.note
		for _, f := range x.found {
			f.Recorder, f.At, f.Log = id, protocol.T(w.now()), r.Log
			if err := f.put(log, true); err != nil {
				return err
			}
		}
		for _, f := range broken {
			if err := w.unsealed(log, r, f, id); err != nil {
				return err
			}
		}
		accused = len(x.found)+len(broken) > 0
		return r.put(tx, id)
	})
	if err == nil && accused {
		w.tell()
	}
	if err == nil && len(fresh) > 0 {
		err = w.grew(id, b)
		w.wake()
	}
	return err
}

// cosign cosigns the stored checkpoint, unless a larger one has been cosigned: then that is the answer. Its time never goes back.
func (w *Witness) cosign(id protocol.RecorderID, b batch) (cosigned []byte, err error) {
	accused := false
	err = w.db.Batch(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		if r.number() != b.log {
			return errMoved
		}
		accused = false // this may run again
		now := protocol.T(w.now())
		r.Heard = now
		if len(b.entries) == 0 && b.checkpoint.Size == r.Head.Size && r.Epochs.Key != "" && now.Sub(r.Epochs.Since.Time) > chain.MaxEpoch+lateSeal {
			f := Finding{Recorder: id, At: now, Log: r.Log, Kind: Late, Key: fmt.Sprintf("%s %s", Late, r.Epochs.Since), Theirs: b.note, Seen: central.Words{
				NL: fmt.Sprintf("De recorder zegt dat zijn logboek %d regels heeft en niet meer. Maar elk uur moet er een zegel bij komen, en het nieuwste is van %s.", r.Head.Size, r.Epochs.Since),
				EN: fmt.Sprintf("The recorder says that its log has %d entries and no more. But every hour must add a seal, and the newest is of %s.", r.Head.Size, r.Epochs.Since)}}
			if err := f.put(tx.Bucket(logs).Bucket([]byte(id)), true); err != nil {
				return err
			}
			accused = true
		}
		if b.checkpoint.Size >= r.Size && b.checkpoint.Size == r.Head.Size {
			if b.checkpoint.Root != r.Head.Root() {
				return errMoved
			}
			if now.Before(r.CosignedAt.Time) {
				now = r.CosignedAt
			}
			if r.Cosigned, err = chain.Cosign(b.note, w.key, now.Time); err != nil {
				return err
			}
			r.Size, r.CosignedAt = b.checkpoint.Size, now
			if log := tx.Bucket(logs).Bucket([]byte(id)); log.Get(first) == nil {
				if err := log.Put(first, r.Cosigned); err != nil {
					return err
				}
			}
			f, ahead, err := aheadOf(r, tx.Bucket(logs).Bucket([]byte(id)), now)
			if err != nil {
				return err
			}
			if ahead {
				accused = true
				f.Recorder, f.At, f.Log = id, now, r.Log
				if err := f.put(tx.Bucket(logs).Bucket([]byte(id)), false); err != nil {
					return err
				}
			}
		}
		cosigned = r.Cosigned
		return r.put(tx, id)
	})
	if err != nil {
		return nil, err
	}
	if accused {
		w.tell()
	}
	w.wake()
	return cosigned, nil
}

// Changed is closed at the next entry, cosignature or finding. Take it before reading.
func (w *Witness) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *Witness) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// overlay is a tree that is stored up to a split, and made here beyond it.
type overlay struct {
	base  *bbolt.Bucket
	split int64
	more  chain.Hashes // hashes from split on
}

func (o *overlay) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x >= o.split {
			if x-o.split >= int64(len(o.more)) {
				return nil, fmt.Errorf("hash %d is beyond the tree", x)
			}
			out[i] = o.more[x-o.split]
			continue
		}
		h := o.base.Get(key(uint64(x)))
		if len(h) != tlog.HashSize {
			return nil, fmt.Errorf("stored hash %d is missing", x)
		}
		out[i] = tlog.Hash(h)
	}
	return out, nil
}

// bodyOf is an entry's body as it came; nil: it is not here any more. It is stored packed, or as it came where that is shorter and in a store of before that. A damaged one is given as it is stored,
// which is not what its header says.
func bodyOf(log *bbolt.Bucket, seq uint64) []byte {
	stored := log.Bucket(bodies).Get(key(seq))
	if body, err := protocol.Unpack(stored, chain.MaxBody); err == nil {
		return body
	}
	return stored
}

func readRow(tx *bbolt.Tx, id protocol.RecorderID) (row, error) {
	b := tx.Bucket(recorders).Get([]byte(id))
	if b == nil {
		return row{}, ErrUnknown
	}
	var r row
	if err := json.Unmarshal(b, &r, json.RejectUnknownMembers(true)); err != nil {
		return row{}, fmt.Errorf("row of %s: %w", id, err)
	}
	if len(r.Checkpoint) == 0 { // an absent note reads back as an empty one
		r.Checkpoint = nil
	}
	if len(r.Cosigned) == 0 {
		r.Cosigned = nil
	}
	if r.Next != nil && len(r.Next.Cosigned) == 0 {
		r.Next.Cosigned = nil
	}
	return r, nil
}

func (r row) put(tx *bbolt.Tx, id protocol.RecorderID) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket(recorders).Put([]byte(id), b)
}

func eachRow(tx *bbolt.Tx, f func(protocol.RecorderID, row) error) error {
	return tx.Bucket(recorders).ForEach(func(k, _ []byte) error {
		r, err := readRow(tx, protocol.RecorderID(k))
		if err != nil {
			return err
		}
		return f(protocol.RecorderID(k), r)
	})
}
