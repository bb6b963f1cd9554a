package orders

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// ErrLedger: the centre's ledger contradicts what was seen of it. It is in the journal, as evidence.
var ErrLedger = errors.New("the centre's ledger was rolled back or forked")

// ledger is how far this recorder follows the centre's.
type ledger struct {
	head     protocol.LedgerHead
	note     []byte    // the checkpoint at head, with its cosignatures; nil where a roster names the head
	at       time.Time // when the centre's own witness cosigned it; zero: it did not
	seen     time.Time // when the newest in the journal was written there
	kept     uint64    // its size
	bound    bool      // orders must rest on it
	since    uint64    // version of the roster that last said where it goes on; 0: none did
	fault    string    // why no order is taken; empty: it only grew
	faultSeq uint64    // the entry that shows it
}

// seeLedger is how often a growing ledger is put in the journal when no order rests on it.
const seeLedger = time.Hour

// Ledger is what this recorder follows of the centre's ledger, and why it takes no orders, if so.
func (o *Orders) Ledger() (head protocol.LedgerHead, fault string) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	l := o.memory.ledger
	if l.fault != "" {
		fault = fmt.Sprintf("%s; journal entry %d has both checkpoints", l.fault, l.faultSeq)
	}
	return l.head, fault
}

// SeeLedger takes a checkpoint of the centre's ledger, as a submission. One that extends what was seen is followed; one that may have come late is passed over. One that proves, by the
// centre's own signatures, that its ledger was rolled back or forked is written down with what it contradicts, and returns ErrLedger: no order is taken any more, until a roster says
// where to go on.
func (o *Orders) SeeLedger(ctx context.Context, raw []byte) error {
	o.accepting.Lock()
	defer o.accepting.Unlock()
	now := o.now()
	o.mu.RLock()
	roster, known := o.memory.roster(), o.memory.ledger
	o.mu.RUnlock()
	s, c, at, err := openLedger(raw, roster)
	if err != nil {
		return err
	}
	bound := known.bound || bytes.HasPrefix(raw, []byte("old ")) // a centre of before sends the note alone
	contradiction, follows := known.judge(s, c, at, bound)
	switch {
	case contradiction != "" && known.fault != "":
		return fmt.Errorf("%w: %s", ErrLedger, contradiction) // it is on record
	case contradiction != "":
		refused := protocol.LedgerRefused{Seen: string(known.note), Refused: string(raw), Why: contradiction}
		seq, err := o.journal.Append(ctx, protocol.KindLedgerBad, refused)
		if err != nil {
			return fmt.Errorf("orders: %w: %s; journal: %w", ErrLedger, contradiction, err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.memory.ledger.fault, o.memory.ledger.faultSeq = contradiction, seq
		return fmt.Errorf("%w: %s", ErrLedger, contradiction)
	case !follows || known.fault != "":
		return nil
	}
	next := known
	next.head, next.note, next.at, next.bound = protocol.LedgerHead{Size: c.Size, Root: c.Root}, s.Note, at, bound
	if next.kept != c.Size && (known.note == nil || now.Sub(known.seen).Abs() >= seeLedger || next.bound != known.bound) {
		if err := o.keepLedger(ctx, &next, now); err != nil {
			return err
		}
	}
	if next.head != known.head && next.kept != c.Size {
		o.putLedger(next, now)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.memory.ledger = next
	return nil
}

// ledgerFile is what stands in the file of [Orders.KeepLedger]. The checkpoint proves itself; since ties it to what the roots last said of the ledger.
type ledgerFile struct {
	V          int    `json:"v"`
	Since      uint64 `json:"since"`
	Bound      bool   `json:"bound,omitempty"`
	Checkpoint string `json:"checkpoint"`
}

// putLedgerAgain is how soon after another a checkpoint is put in the file: a centre in a hurry does not wear the disk out. One that an order rests on is in the journal all the same.
const putLedgerAgain = time.Second

// KeepLedger has each checkpoint of the ledger that is followed put in a file as soon as it is accepted, whatever the journal has, and goes on from what is in that file: so that a recorder that
// starts again forgets nothing of what it saw. A file that is missing, or cannot be read, costs what was seen since the journal's last. Call it before the recorder hears anything.
func (o *Orders) KeepLedger(d disk.Disk, file string) {
	o.accepting.Lock()
	defer o.accepting.Unlock()
	o.ledgerDisk, o.ledgerFile = d, file
	raw, err := disk.ReadFile(d, file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		err = o.memory.takeUp(raw)
	}
	if err != nil {
		o.log.Warn("what was last seen of the centre's ledger cannot be read back; the journal's newest counts", "file", file, "error", err)
	}
}

// takeUp goes on from a file where it says more than the journal.
func (m *memory) takeUp(raw []byte) error {
	var f ledgerFile
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	if f.V != 1 {
		return fmt.Errorf("version %d, this program knows 1", f.V)
	}
	if f.Since != m.ledger.since {
		return nil // of before the roots said where the ledger goes on, or its key changed
	}
	_, c, at, err := openLedger([]byte(f.Checkpoint), m.roster())
	if err != nil {
		return err
	}
	if l := &m.ledger; c.Size > l.head.Size {
		l.head, l.note, l.at, l.bound = protocol.LedgerHead{Size: c.Size, Root: c.Root}, []byte(f.Checkpoint), at, l.bound || f.Bound
	}
	return nil
}

// putLedger: a disk that fails costs what a start forgets, and stops nothing.
func (o *Orders) putLedger(l ledger, now time.Time) {
	if o.ledgerDisk == nil || now.Sub(o.ledgerPut).Abs() < putLedgerAgain {
		return
	}
	line, err := json.Marshal(ledgerFile{V: 1, Since: l.since, Bound: l.bound, Checkpoint: string(l.note)})
	if err == nil {
		err = disk.Replace(o.ledgerDisk, o.ledgerFile, append(line, '\n'))
	}
	if err != nil {
		o.log.Warn("what is seen of the centre's ledger is not kept for a restart", "file", o.ledgerFile, "error", err)
		return
	}
	o.ledgerPut = now
}

// keepLedger puts a checkpoint in the journal.
func (o *Orders) keepLedger(ctx context.Context, l *ledger, now time.Time) error {
	if _, err := o.journal.Append(ctx, protocol.KindLedger, protocol.LedgerSeen{Checkpoint: string(l.note), Bound: l.bound}); err != nil {
		return fmt.Errorf("orders: the ledger's checkpoint: journal: %w", err)
	}
	l.seen, l.kept = now, l.head.Size
	return nil
}

// openLedger verifies what came as the ledger's checkpoint; at is when the centre's own witness cosigned it.
func openLedger(raw []byte, roster *protocol.Roster) (s chain.Submission, c chain.Checkpoint, at time.Time, err error) {
	if s, err = chain.ParseSubmission(raw); err != nil {
		if bytes.HasPrefix(raw, []byte("old ")) {
			return s, c, at, err
		}
		s = chain.Submission{Note: raw}
	}
	key, err := protocol.NewVerifier(roster.LedgerKey)
	if err != nil {
		return s, c, at, err
	}
	var own []note.Verifier
	for _, w := range roster.Witnesses {
		if v, err := chain.WitnessVerifier(w); err == nil && protocol.OwnWitness(roster.Municipality, v.Name()) {
			own = append(own, v)
		}
	}
	c, cosigned, err := chain.OpenCheckpoint(s.Note, protocol.LedgerOrigin(roster.Municipality), key, own...)
	for _, by := range cosigned {
		if by.Time.After(at) {
			at = by.Time
		}
	}
	return s, c, at, err
}

// judge says whether a checkpoint of the ledger follows the one that was seen; or proves, by signatures alone, that both cannot be of one log that only grew. What proves nothing may have
// been spoilt, or have come late: it neither follows nor contradicts.
func (l ledger) judge(s chain.Submission, c chain.Checkpoint, at time.Time, proven bool) (contradiction string, follows bool) {
	seen := fmt.Sprintf("%d entries with root %s were seen", l.head.Size, l.head.Root)
	switch {
	case l.head == (protocol.LedgerHead{}): // the first
		return "", true
	case c.Size == l.head.Size && c.Root != l.head.Root:
		return fmt.Sprintf("%s, and as many with root %s are signed as well: a fork", seen, c.Root), false
	case c.Size == l.head.Size:
		return "", at.After(l.at)
	case c.Size < l.head.Size && !l.at.IsZero() && at.After(l.at):
		return fmt.Sprintf("%s at %s, and at %s the centre's own witness signed that there are %d: rolled back", seen, protocol.T(l.at), protocol.T(at), c.Size), false
	case c.Size < l.head.Size:
		return "", false
	case !proven: // of a centre that sends no proofs yet
		return "", true
	case s.Old != l.head.Size:
		return "", false
	}
	if chain.CheckConsistency(s.Proof, l.head.Size, l.head.Root, c.Size, c.Root) == nil {
		return "", true
	}
	if root, err := chain.ShownRoot(s.Proof, l.head.Size, c.Size, c.Root); err == nil {
		return fmt.Sprintf("%s, and %d are signed of which the first %d have root %s: a fork", seen, c.Size, l.head.Size, root), false
	}
	return "", false
}

// rests says whether an order stands on the ledger that this recorder follows; nil where it need not.
func (l ledger) rests(e protocol.Envelope) error {
	switch {
	case l.fault != "":
		return fmt.Errorf("envelope %d: %s: no order is taken until a roster says where the ledger goes on", e.Number, l.fault)
	case !l.bound || e.Ledger == l.head:
		return nil
	case e.Ledger == (protocol.LedgerHead{}):
		return fmt.Errorf("envelope %d: names no ledger that it rests on; the centre was of a version that does", e.Number)
	}
	return fmt.Errorf("envelope %d: rests on a ledger of %d entries with root %s, which is not shown to be the one seen here, of %d with root %s", e.Number, e.Ledger.Size, e.Ledger.Root, l.head.Size, l.head.Root)
}

// replayLedger takes in what the journal says of it.
func (m *memory) replayLedger(h chain.Header, body []byte) error {
	switch h.Kind {
	case protocol.KindLedger:
		var seen protocol.LedgerSeen
		if err := chain.ParseBody(body, &seen); err != nil {
			return err
		}
		_, c, at, err := openLedger([]byte(seen.Checkpoint), m.roster())
		if err != nil { // of a key before the roster's
			return nil
		}
		m.ledger = ledger{head: protocol.LedgerHead{Size: c.Size, Root: c.Root}, note: []byte(seen.Checkpoint), at: at, seen: h.Time.Time, kept: c.Size, bound: seen.Bound,
			since: m.ledger.since, fault: m.ledger.fault, faultSeq: m.ledger.faultSeq}
	case protocol.KindLedgerBad:
		var refused protocol.LedgerRefused
		if err := chain.ParseBody(body, &refused); err != nil {
			return err
		}
		m.ledger.fault, m.ledger.faultSeq = refused.Why, h.Seq
	}
	return nil
}

// rosterLedger is what a new roster says of the ledger: another head, another key, or nothing.
func (m *memory) rosterLedger(before, r *protocol.Roster) {
	switch {
	case r.Ledger != (protocol.LedgerHead{}):
		m.ledger = ledger{head: r.Ledger, bound: true, since: r.Version}
	case before != nil && before.LedgerKey != r.LedgerKey:
		m.ledger = ledger{bound: m.ledger.bound, since: r.Version}
	}
}
