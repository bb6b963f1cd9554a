package witness

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Kinds of findings; the package comment has them in a table.
const (
	Fork       = "fork"
	Rollback   = "rollback"
	Truncation = "truncation"
	Silent     = "silence"
	Clock      = "clock"
	Bodiless   = "body"
	Overdue    = "overdue"
	Listed     = "listed"
	Unsealed   = "unsealed"
	Late       = "late"
	Unfit      = "unfit"  // only the newest is kept
	Access     = "access" // never kept: made of an entry when somebody asks for it
)

// Finding is something that a recorder should not have done. Ours and Theirs are notes: of a fork both are checkpoints that the recorder signed.
//
// A fork is proven in one of two ways, which Check checks. Theirs is no larger than Ours: Proof shows that the log under Ours had Root at that size, and Theirs says another. Or
// Theirs is larger: Inclusion shows that it covers Entry at place Seq, and OurInclusion that Ours covers OurEntry there.
//
// That the seals do not hold is proven under Theirs alone: Inclusion shows that it covers Entry, with Body, at place Seq. Where that is a seal, OurInclusion shows OurEntry, with
// OurBody, at place Named, which names its key, and Proof that the log had Root before it. Another entry, or the seal of another epoch, is one too many in the log as a whole:
// chain.Verify shows it.
//
// Of the other kinds Ours is the recorder's checkpoint, cosigned here, that covers the entries Shown (of a truncation it may be an earlier status); Theirs, where there is one, is
// the status or, of a body, the checkpoint that shows it; of a clock that was behind, the centre's ledger checkpoint that the shown entry holds, and Inclusion shows that it
// covers Entry of the ledger.
//
// Checkpoints of a log that is a successor bear its name, and the recorder's key under that name (protocol.LogOrigin); statuses are signed under the first.
type Finding struct {
	Recorder     protocol.RecorderID `json:"recorder"`
	At           protocol.Time       `json:"at"` // when it was first seen
	Kind         string              `json:"kind"`
	Key          string              `json:"key,omitempty"` // one finding for each; see Name
	Camera       protocol.CameraID   `json:"camera,omitempty"`
	Log          uint64              `json:"log,omitzero"` // number of the recorder's log that it is about; 0: the first
	Seen         central.Words       `json:"seen,omitzero"`
	Detail       string              `json:"detail"`
	Ours         []byte              `json:"ours"`
	Theirs       []byte              `json:"theirs"`
	Root         protocol.Hash       `json:"root,omitzero"`
	Proof        tlog.TreeProof      `json:"proof,omitempty"`
	Seq          uint64              `json:"seq,omitempty"`
	Entry        []byte              `json:"entry,omitempty"` // header line
	Inclusion    tlog.RecordProof    `json:"inclusion,omitempty"`
	OurEntry     []byte              `json:"ourEntry,omitempty"` // header line
	OurInclusion tlog.RecordProof    `json:"ourInclusion,omitempty"`
	Body         []byte              `json:"body,omitempty"`
	Named        uint64              `json:"named,omitempty"`
	OurBody      []byte              `json:"ourBody,omitempty"`
	Seqs         []uint64            `json:"seqs,omitempty"`  // of the entries that it rests on
	Shown        []Shown             `json:"shown,omitempty"` // those, under Ours; where it is empty, under the newest checkpoint when somebody asks
	Times        uint64              `json:"times"`           // seen
}

// Words says what was seen, with times for people.
func (f Finding) Words() central.Words {
	w := f.Seen
	if w == (central.Words{}) {
		k := kinds[f.Kind]
		w = central.Words{NL: k.seen.NL + " (" + f.Detail + ")", EN: k.seen.EN + " (" + f.Detail + ")"}
	}
	return central.Words{NL: stamp.ReplaceAllString(w.NL, "$1 $2 UTC"), EN: stamp.ReplaceAllString(w.EN, "$1 $2 UTC")}
}

var stamp = regexp.MustCompile(`(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d{3}Z`)

// Growth says that it is about the log itself: it did not grow as it should.
func (f Finding) Growth() bool {
	return f.Kind == Fork || f.Kind == Rollback || f.Kind == Truncation || f.Kind == Bodiless || f.Kind == Unsealed || f.Kind == Unfit
}

// Breaks says that the recorder stands still by it until its log is resumed.
func (f Finding) Breaks() bool {
	return f.Kind == Fork || f.Kind == Rollback || f.Kind == Truncation
}

// ErrWord: a finding whose notes and entries are what they say, and which proves nothing by itself.
var ErrWord = errors.New("this rests on somebody's word")

// Check verifies a finding from the finding alone, with the recorder's key as it was enrolled: nil when what it shows proves that the recorder did what it says. ErrWord when everything shown is genuine but what it comes down
// to is not in it, such as that something is missing. The witness's key is needed for its time: of a clock that ran ahead.
func (f Finding) Check(origin string, recorder note.Verifier, witnesses ...note.Verifier) error {
	switch f.Kind {
	case Fork:
		return f.checkFork(origin, recorder)
	case Truncation, Rollback:
		return f.checkShrunk(origin, recorder)
	case Clock:
		return f.checkClock(origin, recorder, witnesses)
	case Unsealed:
		return f.checkSeal(origin, recorder)
	case Late:
		if _, _, err := chain.OpenSuccessor(f.Theirs, origin, recorder); err != nil {
			return err
		}
		return fmt.Errorf("the recorder signed for a log; that its newest seal is too old rests on this witness's clock: %w", ErrWord)
	case Unfit:
		return fmt.Errorf("finding %q: %w", f.Kind, ErrWord)
	case Bodiless:
		theirs, _, err := chain.OpenSuccessor(f.Theirs, origin, recorder)
		if err == nil {
			err = chain.CheckInclusion(f.Inclusion, theirs.Size, theirs.Root, f.Seq, f.Entry)
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("the recorder signed for entry %d; that it came without its body: %w", f.Seq, ErrWord)
	}
	if _, err := f.checkShown(origin, recorder); err != nil {
		return err
	}
	return fmt.Errorf("finding %q: %w", f.Kind, ErrWord)
}

// checkShown verifies Ours and what is shown under it, and gives the headers.
func (f Finding) checkShown(origin string, recorder note.Verifier) (list []chain.Header, err error) {
	c, _, err := chain.OpenSuccessor(f.Ours, origin, recorder)
	if err != nil {
		return nil, err
	}
	for _, s := range f.Shown {
		h, err := s.check(c)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

func (f Finding) checkFork(origin string, recorder note.Verifier) error {
	ours, _, err := chain.OpenSuccessor(f.Ours, origin, recorder)
	if err != nil {
		return err
	}
	theirs, _, err := chain.OpenSuccessor(f.Theirs, origin, recorder)
	if err != nil {
		return err
	}
	if ours.Origin != theirs.Origin {
		return fmt.Errorf("one is of %s, the other of %s: a log that was resumed may differ from the one before it", ours.Origin, theirs.Origin)
	}
	if theirs.Size <= ours.Size {
		if theirs.Root == f.Root {
			return errors.New("the two checkpoints agree")
		}
		return chain.CheckConsistency(f.Proof, theirs.Size, f.Root, ours.Size, ours.Root)
	}
	if bytes.Equal(f.Entry, f.OurEntry) {
		return errors.New("the two entries are the same")
	}
	return errors.Join(chain.CheckInclusion(f.Inclusion, theirs.Size, theirs.Root, f.Seq, f.Entry),
		chain.CheckInclusion(f.OurInclusion, ours.Size, ours.Root, f.Seq, f.OurEntry))
}

// checkShrunk: the recorder signed for so many entries, and later for fewer.
func (f Finding) checkShrunk(origin string, recorder note.Verifier) error {
	now, err := protocol.OpenStatus(f.Theirs, recorder)
	if err != nil {
		return err
	}
	var log, had uint64
	var at time.Time
	if before, err := protocol.OpenStatus(f.Ours, recorder); err == nil {
		log, had, at = before.Log, before.Entries, before.Time.Time
	} else {
		shown, err := f.checkShown(origin, recorder)
		if err != nil {
			return err
		}
		if len(shown) == 0 {
			return errors.New("no entry is shown whose time says when the log was longer")
		}
		last := shown[len(shown)-1]
		had, at = last.Seq+1, last.Time.Time
		c, err := chain.UnverifiedCheckpoint(f.Ours) // checkShown has verified it
		if err != nil {
			return err
		}
		_, log = protocol.ParseLogOrigin(c.Origin)
	}
	switch before, after := max(log, 1), max(now.Log, 1); {
	case after > before:
		return fmt.Errorf("the status of %s is of log %d: one that was resumed may be shorter than log %d was", now.Time, after, before)
	case after < before && now.Time.After(at):
		return nil
	}
	if now.Entries >= had || !now.Time.After(at) {
		return fmt.Errorf("the status of %s counts %d entries; that is not fewer than the %d of %s", now.Time, now.Entries, had, protocol.T(at))
	}
	return nil
}

// checkClock: an entry is dated after a cosignature that covers it, or before the youngest ledger entry that it speaks of.
func (f Finding) checkClock(origin string, recorder note.Verifier, witnesses []note.Verifier) error {
	shown, err := f.checkShown(origin, recorder)
	if err != nil {
		return err
	}
	if len(shown) != 1 {
		return errors.New("the entry is not shown")
	}
	if len(f.Theirs) == 0 {
		_, cosigned, err := chain.OpenSuccessor(f.Ours, origin, recorder, witnesses...)
		if err != nil {
			return err
		}
		for _, c := range cosigned {
			if shown[0].Time.After(c.Time) {
				return nil
			}
		}
		return errors.New("no witness given here signed for it before its time")
	}
	var seen protocol.LedgerSeen
	if err := chain.ParseBody(f.Shown[0].Body, &seen); err != nil || seen.Checkpoint != string(f.Theirs) {
		return fmt.Errorf("entry %d does not hold this ledger checkpoint", shown[0].Seq)
	}
	text, _, _ := bytes.Cut(f.Theirs, []byte("\n\n"))
	c, err := chain.ParseCheckpoint(string(text) + "\n")
	if err == nil {
		err = chain.CheckInclusion(f.Inclusion, c.Size, c.Root, f.Seq, f.Entry)
	}
	if err != nil {
		return fmt.Errorf("the ledger's checkpoint: %w", err)
	}
	h, err := chain.ParseHeader(f.Entry)
	if err == nil && !h.Time.After(shown[0].Time.Time) {
		err = errors.New("the ledger's entry is not younger")
	}
	return err
}

func (f Finding) checkSeal(origin string, recorder note.Verifier) error {
	theirs, _, err := chain.OpenSuccessor(f.Theirs, origin, recorder)
	if err != nil {
		return err
	}
	if err := errors.Join(chain.CheckInclusion(f.Inclusion, theirs.Size, theirs.Root, f.Seq, f.Entry),
		chain.CheckInclusion(f.OurInclusion, theirs.Size, theirs.Root, f.Named, f.OurEntry),
		chain.CheckConsistency(f.Proof, f.Seq, f.Root, theirs.Size, theirs.Root)); err != nil {
		return err
	}
	var wrong *chain.Fault
	err = chain.CheckSeal(origin, chain.Entry{Header: f.OurEntry, Body: f.OurBody}, chain.Entry{Header: f.Entry, Body: f.Body}, f.Root)
	switch {
	case err == nil:
		return errors.New("the seal holds")
	case errors.As(err, &wrong):
		return nil
	}
	return fmt.Errorf("proves nothing without the log before it, which chain.Verify checks: %w", err)
}

// unsealed adds the proof to a finding about seals, and keeps it. r is the row as the batch leaves it.
func (w *Witness) unsealed(log *bbolt.Bucket, r row, f Finding, id protocol.RecorderID) error {
	f.Recorder, f.At, f.Log, f.Theirs = id, protocol.T(w.now()), r.Log, r.Checkpoint
	tree := &overlay{base: log.Bucket(hashes), split: chain.HashCount(r.Head.Size)}
	f.OurEntry, f.OurBody = bytes.Clone(log.Bucket(headers).Get(key(f.Named))), bytes.Clone(bodyOf(log, f.Named))
	var err error
	if f.Inclusion, err = chain.InclusionProof(f.Seq, r.Head.Size, tree); err != nil {
		return err
	}
	if f.OurInclusion, err = chain.InclusionProof(f.Named, r.Head.Size, tree); err != nil {
		return err
	}
	if f.Proof, err = chain.ConsistencyProof(f.Seq, r.Head.Size, tree); err != nil {
		return err
	}
	w.log.Error("a recorder's log breaks its own seals", "recorder", id, "entry", f.Seq, "detail", f.Detail)
	return f.put(log, true)
}

// Bounds of what is kept of a recorder: one that signs a thousand lies must not fill the disk with them.
const (
	mostForks    = 16   // and as many broken seals: one proves that it lies
	mostFindings = 1000 // of all kinds
)

// keep stores a finding: a fork once for each checkpoint that shows it, up to mostForks; of broken seals as many; of the unfit only the newest; of other kinds the first of each key.
func (w *Witness) keep(f Finding) error { return w.keeping(f, true) }

// keepOnce is keep for what is looked for again and again: once known, it is not counted.
func (w *Witness) keepOnce(f Finding) error {
	known := false
	err := w.db.View(func(tx *bbolt.Tx) error {
		known = tx.Bucket(logs).Bucket([]byte(f.Recorder)).Bucket(findings).Get([]byte(f.Name())) != nil
		return nil
	})
	if err != nil || known {
		return err
	}
	return w.keeping(f, false)
}

func (w *Witness) keeping(f Finding, count bool) error {
	err := w.db.Update(func(tx *bbolt.Tx) error { return f.put(tx.Bucket(logs).Bucket([]byte(f.Recorder)), count) })
	if err == nil {
		w.tell()
		w.wake()
	}
	return err
}

// put stores a finding in the recorder's bucket.
func (f Finding) put(log *bbolt.Bucket, count bool) error {
	b := log.Bucket(findings)
	name := []byte(f.Name())
	if f.Kind == Fork {
		h := protocol.HashOf(f.Theirs)
		name = append([]byte(Fork+" "), h[:]...)
	}
	if b.Get(name) == nil {
		like, all := 0, 0
		if err := b.ForEach(func(k, _ []byte) error {
			if all++; bytes.HasPrefix(k, []byte(f.Kind+" ")) {
				like++
			}
			return nil
		}); err != nil {
			return err
		}
		switch proves := f.Kind == Fork || f.Kind == Unsealed; {
		case f.Kind == Fork && like >= mostForks:
			name = []byte(Fork + " more")
		case proves && like >= mostForks, f.Kind != Fork && f.Kind != Unfit && all >= mostFindings:
			f.Key = f.Kind + " more"
			name = []byte(f.Name())
		}
	}
	if f.Detail == "" {
		f.Detail = f.Seen.EN
	}
	f.Times = 1
	if have := b.Get(name); have != nil {
		var old Finding
		if err := json.Unmarshal(have, &old); err != nil {
			return err
		}
		if f.Kind != Unfit {
			f.At = old.At
		}
		if f.Kind != Unfit && f.Kind != Fork { // the first is the evidence
			f = old
		}
		f.Times = old.Times
		if count {
			f.Times++
		}
	}
	v, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return b.Put(name, v)
}

// Found gives a value when there are findings that were not there before.
func (w *Witness) Found() <-chan struct{} { return w.found }

func (w *Witness) tell() {
	select {
	case w.found <- struct{}{}:
	default:
	}
}

// bodiless is an entry that the recorder signed for without showing what it says.
func (b batch) bodiless(known row, seq uint64, header []byte) *Finding {
	return &Finding{Kind: Bodiless, Key: fmt.Sprintf("%s %d", Bodiless, seq), Ours: known.Checkpoint, Theirs: b.note, Seq: seq, Entry: header, Seen: central.Words{
		NL: fmt.Sprintf("De recorder tekende voor een logboek van %d regels. Van regel %d liet hij alleen de kop zien: wat er gebeurde ontbreekt, terwijl die regel nog bewaard moet worden.", b.checkpoint.Size, seq),
		EN: fmt.Sprintf("The recorder signed for a log of %d entries. Of entry %d it showed the header alone: what happened is missing, though that entry must still be kept.", b.checkpoint.Size, seq)}}
}

// Evidence is a finding with all that is needed to check it elsewhere.
type Evidence struct {
	Finding
	Origin  string // of the recorder's log
	Log     string // the recorder's key
	Witness string // ours
}

// Evidence of a finding, by its Name; false if there is none.
func (w *Witness) Evidence(id protocol.RecorderID, name string) (Evidence, bool, error) {
	r, ok := w.Recorder(id)
	if !ok {
		return Evidence{}, false, nil
	}
	for _, f := range r.Findings {
		if f.Name() == name {
			e, err := w.evidence(r, f)
			return e, err == nil, err
		}
	}
	return Evidence{}, false, nil
}

// EvidenceOf is an entry of a recorder's log of this number (0: the first) as evidence of an access that nothing allowed.
func (w *Witness) EvidenceOf(id protocol.RecorderID, log, seq uint64) (e Evidence, ok bool, err error) {
	r, ok := w.Recorder(id)
	if !ok || max(log, 1) > r.Log {
		return Evidence{}, false, nil
	}
	var h chain.Header
	err = w.inLog(id, log, func(l stored) error {
		one, has := l.entry(seq)
		if ok = has && seq < l.covered; !ok {
			return nil
		}
		h, err = chain.ParseHeader(one.Header)
		return err
	})
	if err != nil || !ok {
		return Evidence{}, false, err
	}
	e, err = w.evidence(r, Finding{Recorder: id, Kind: Access, Log: laterLog(log), Seqs: []uint64{seq}, At: h.Time, Seen: central.Words{
		NL: fmt.Sprintf("Regel %d van het logboek, van %s, zegt dat beelden zijn gelezen. De centrale kent geen toestemming die dit toestond.", seq, h.Time),
		EN: fmt.Sprintf("Entry %d of the log, of %s, says that footage was read. The centre knows no grant that allowed this.", seq, h.Time)}})
	return e, err == nil, err
}

func (w *Witness) evidence(r Recorder, f Finding) (Evidence, error) {
	first, _ := protocol.ParseLogOrigin(r.Origin)
	e := Evidence{Finding: f, Origin: protocol.LogOrigin(first, f.Log), Log: r.Key, Witness: w.vkey}
	if len(f.Seqs) == 0 || len(f.Shown) > 0 {
		return e, nil
	}
	err := w.inLog(r.ID, f.Log, func(l stored) (err error) {
		size, ours := l.covered, l.cosigned
		for _, seq := range f.Seqs {
			if seq >= size { // not cosigned yet: the recorder's signature covers it
				size, ours = l.size, l.checkpoint
			}
		}
		e.Ours = bytes.Clone(ours)
		e.Shown, err = show(l, size, f.Seqs...)
		return err
	})
	if err != nil {
		err = fmt.Errorf("witness: recorder %s: evidence of %s: %w", r.ID, f.Name(), err)
	}
	return e, err
}
