// Package orders verifies what the centre sends to this recorder, once and in order, and remembers it.
//
// # The rule
//
// The recorder does not trust the centre, nor the broker. Nothing is obeyed that this package has not verified, and nothing is handed out
// to be obeyed before it stands in the journal (invariants 9 and 10). When the journal cannot be written, nothing is used and nothing
// is handed out.
//
// # An envelope's way
//
// Only an envelope that the roster's order key signed, for this recorder, with exactly the next number, uses that number up. It is then either
// obeyed (order.accepted) or refused with the reason (order.refused). Any other is dropped: it uses nothing up, is counted, and is
// written a bounded number of times (order.dropped); the status tells the centre the last number, and the centre sends what is missing.
// An envelope that was used before and comes again byte for byte is passed over in silence: brokers repeat.
//
//	last order 16
//	envelope 18 …            dropped: the next is 17
//	envelope 17, a hold …    order.accepted, number 17: the hold is handed out
//	envelope 17 again        nothing
//	envelope 18, a grant …   order.refused, number 18: "grant g-1: p-approver has not signed, …"
//	envelope 19, a hold …    order.accepted, and then order.refused, number 19: it would take more of the disk than holds may
//
// # The centre's ledger
//
// A centre that was put back from a backup, or tells different recorders different things, may not order anything. So each order rests on the centre's ledger, which is a log like this
// recorder's own: the recorder follows its checkpoints ([Orders.SeeLedger]; on down/ledger, with the proof that each extends the last one seen), and an envelope names the head, size and
// root, of the ledger that has its order. Only an envelope that names exactly the head this recorder follows is taken; any other is dropped, which costs an honest centre nothing: it sends the checkpoint
// and the order again. The head stands in the journal before the order that rests on it does, so a recorder that starts again knows what it obeyed; a growing ledger that no order rests on is written down
// once an hour, and what comes in between is kept in a file of its own ([Orders.KeepLedger]), so that a start forgets nothing.
//
// So a centre whose ledger is shorter than what a recorder saw, or another, has its orders dropped whatever it signs: it cannot show that its ledger extends what was seen. That alone
// proves nothing, since messages come late, and come spoilt. Proof is what the centre's own keys signed: another root at the same size; a longer ledger whose consistency proof shows another past; or a
// shorter one that the centre's own witness cosigned at a later time than the longer (checkpoints have no time, cosignatures do; a witness cosigns only what grew). Then both checkpoints are
// written down (ledger.refused), the status says so, and no order is taken any more, for good and across restarts.
//
// The way out is the roots': a roster of a rising version that names the head from which the recorder is to follow the ledger (or another ledger key). It comes by hand, or in an envelope, which then need
// not rest on anything. A centre that crashed has lost nothing: what it signed is on its disk before it is sent. Several centres on one database have one ledger.
//
// The first checkpoint a recorder sees it believes. Envelopes without a head are taken until a checkpoint has come with its proof: from a centre of before this was so.
//
// # The memory
//
// There is no store here. An order.accepted entry holds the whole document, log.opened the first roster and the pinned roots; Open
// replays them. What became of releases and holds is read from the journal too, whoever wrote it.
package orders

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Journal is what this package needs of the recorder's journal.
type Journal interface {
	Append(ctx context.Context, kind string, body any) (seq uint64, err error)
	Entries(from uint64, max int) ([]chain.Entry, error)
}

// What Accept's errors can be asked with errors.Is. Any other error means that the journal failed: nothing was used.
var (
	ErrDropped  = errors.New("dropped")      // used nothing up
	ErrRepeated = errors.New("already used") // the same envelope again, byte for byte
	ErrRefused  = errors.New("refused")      // used its number up and is not obeyed
	errZero     = errors.New("not made by edge/orders: no permission")
)

// Action is what there is to carry out: a *Grant, Resume, protocol.Hold, protocol.Lift, protocol.Erase, *protocol.Mandate or *protocol.Roster.
type Action any

// Orders is the recorder's memory of what it may do. Safe for use by many goroutines.
type Orders struct {
	journal Journal
	self    protocol.RecorderID
	now     func() time.Time
	log     *slog.Logger

	accepting sync.Mutex // held while one envelope is judged and journalled: one at a time, in order
	drops     drops      // under accepting

	ledgerDisk disk.Disk // under accepting, like the two below; nil: only the journal keeps what is seen of the ledger
	ledgerFile string
	ledgerPut  time.Time

	following sync.Mutex // held while the journal is read on
	next      uint64     // under following: the first entry not yet read

	mu     sync.RWMutex // guards memory; never held while the journal is written
	memory memory
}

// Open replays the journal. An empty journal is opened with its first entry: the pinned roots and the first roster. In a journal that
// exists, roots must be those that it was opened with; a roster newer than the one in force is accepted as if it came by hand.
func Open(j Journal, self protocol.RecorderID, roots protocol.Roots, roster []byte, now func() time.Time, log *slog.Logger) (*Orders, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx := context.Background() // a start is not given up half way
	o := &Orders{journal: j, self: self, now: now, log: log, memory: newMemory()}
	first, err := j.Entries(0, 1)
	if err != nil {
		return nil, fmt.Errorf("orders: read the journal: %w", err)
	}
	if len(first) == 0 {
		r, err := protocol.OpenRoster(roster, roots)
		if err != nil {
			return nil, fmt.Errorf("orders: first roster: %w", err)
		}
		if r.Recorder != self {
			return nil, fmt.Errorf("orders: first roster is for recorder %s, this is %s", r.Recorder, self)
		}
		opened := protocol.Opened{Recorder: self, Municipality: r.Municipality, Key: r.RecorderKey, Roster: string(roster), Roots: roots}
		if _, err := j.Append(ctx, protocol.KindOpened, opened); err != nil {
			return nil, fmt.Errorf("orders: open the journal: %w", err)
		}
	}
	if err := o.replay(); err != nil {
		return nil, fmt.Errorf("orders: replay the journal: %w", err)
	}
	if err := o.memory.sameEnrolment(self, roots); err != nil {
		return nil, err
	}
	if len(roster) > 0 {
		if r, err := protocol.OpenRoster(roster, roots); err == nil && r.Version > o.memory.roster().Version {
			if _, err := o.AcceptRoster(ctx, roster); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// Accept verifies one envelope as it was received. On success the order stands in the journal and the action is the caller's to carry out.
// Errors: ErrDropped, ErrRepeated and ErrRefused say that there is nothing to do; any other that the journal failed and nothing was used.
func (o *Orders) Accept(ctx context.Context, envelope []byte) (Action, error) {
	o.accepting.Lock()
	defer o.accepting.Unlock()
	now := o.now()
	hash := protocol.HashOf(envelope)

	if err := o.follow(); err != nil {
		return nil, fmt.Errorf("orders: read the journal: %w", err)
	}
	o.mu.RLock()
	last, key, repeated, follows := o.memory.last, o.memory.orderKey, o.memory.envelopes.has(hash), o.memory.ledger
	o.mu.RUnlock()
	if repeated {
		return nil, ErrRepeated
	}
	e, err := protocol.OpenEnvelope(envelope, key)
	switch {
	case err != nil:
	case e.Recorder != o.self:
		err = fmt.Errorf("envelope %d: for recorder %s", e.Number, e.Recorder)
	case e.Number != last+1:
		err = fmt.Errorf("envelope %d: the next is %d", e.Number, last+1)
	case !isRoster(e.Document): // the roots' word does not rest on the centre's
		err = follows.rests(e)
	}
	if err == nil && follows.bound && follows.note != nil && follows.kept != follows.head.Size { // what the order rests on stands in the journal before it
		if err := o.keepLedger(ctx, &follows, now); err != nil {
			return nil, err
		}
		o.mu.Lock()
		o.memory.ledger = follows
		o.mu.Unlock()
	}
	if err != nil {
		return nil, o.drop(ctx, hash, err, now)
	}

	// From here on the number is used, whatever follows.
	o.mu.RLock()
	v, err := o.judgeEnvelope(e, now)
	o.mu.RUnlock()
	var entry protocol.Order
	if err == nil {
		entry = protocol.Order{Number: e.Number, Kind: v.Kind(), ID: v.Head().ID, Level: v.level, Document: string(v.Raw), Envelope: hash}
		if v.Kind() == "grant" || v.Kind() == "resume" { // for whoever asks later on whose word
			entry.Note = string(envelope)
		}
		err = fits(entry)
	}
	if err != nil {
		refused := protocol.OrderRefused{Number: e.Number, Reason: short(err), Envelope: hash}
		if v.Document != nil {
			refused.Kind, refused.ID = v.Kind(), v.Head().ID
		}
		if _, jerr := o.journal.Append(ctx, protocol.KindRefused, refused); jerr != nil {
			return nil, fmt.Errorf("orders: order %d: journal: %w", e.Number, jerr)
		}
		o.mu.Lock()
		o.memory.used(e.Number, hash)
		o.mu.Unlock()
		o.log.Warn("order refused", "number", e.Number, "kind", refused.Kind, "id", refused.ID, "reason", refused.Reason)
		return nil, fmt.Errorf("order %d: %w: %w", e.Number, ErrRefused, err)
	}
	return o.obey(ctx, entry, v, now)
}

// isRoster says whether a document is one, by its first line; whether it counts is judged later.
func isRoster(document []byte) bool {
	return bytes.HasPrefix(document, []byte("beeldwacht/roster "))
}

// AcceptRoster takes a roster that came by hand, without an envelope. The same roster again changes nothing.
func (o *Orders) AcceptRoster(ctx context.Context, raw []byte) (*protocol.Roster, error) {
	o.accepting.Lock()
	defer o.accepting.Unlock()
	now := o.now()
	o.mu.RLock()
	current := o.memory.rosters[len(o.memory.rosters)-1]
	s, err := protocol.ParseDocument(raw)
	if err == nil && s.Hash() != current.Hash() {
		err = o.memory.judgeRoster(s, now)
	}
	o.mu.RUnlock()
	entry := protocol.Order{Level: protocol.LevelRoots, Document: string(raw)}
	if err == nil {
		if s.Hash() == current.Hash() {
			return current.Document.(*protocol.Roster), nil
		}
		entry.Kind, entry.ID = s.Kind(), s.Head().ID
		err = fits(entry)
	}
	if err != nil {
		return nil, fmt.Errorf("roster by hand: %w: %w", ErrRefused, err)
	}
	action, err := o.obey(ctx, entry, verdict{Signed: s, level: protocol.LevelRoots}, now)
	if err != nil {
		return nil, err
	}
	return action.(*protocol.Roster), nil
}

// obey journals and remembers, in that order; then the action may leave.
func (o *Orders) obey(ctx context.Context, entry protocol.Order, v verdict, now time.Time) (Action, error) {
	seq, err := o.journal.Append(ctx, protocol.KindOrder, entry)
	if err != nil {
		return nil, fmt.Errorf("orders: order %d: journal: %w", entry.Number, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if entry.Number > 0 {
		o.memory.used(entry.Number, entry.Envelope)
	}
	o.log.Info("order accepted", "number", entry.Number, "kind", entry.Kind, "id", entry.ID, "level", entry.Level, "entry", seq)
	return o.memory.accept(v, entry, seq, now)
}

// CannotHold says that a hold which was accepted cannot stand, and why: an order.refused entry under its number tells the centre so, and the hold is forgotten as if it had
// been refused at once. On an error of the journal it is still there, and this may be called again. A hold that is not known is passed over.
func (o *Orders) CannotHold(ctx context.Context, id protocol.HoldID, why error) error {
	return o.cannot(ctx, protocol.DocumentID(id), why)
}

// CannotErase is CannotHold for an order to erase: a hold keeps part of a segment that it would take.
func (o *Orders) CannotErase(ctx context.Context, id protocol.DocumentID, why error) error {
	return o.cannot(ctx, id, why)
}

func (o *Orders) cannot(ctx context.Context, id protocol.DocumentID, why error) error {
	o.accepting.Lock()
	defer o.accepting.Unlock()
	o.mu.RLock()
	order, known := o.memory.undone(id)
	o.mu.RUnlock()
	if !known {
		return nil
	}
	refused := protocol.OrderRefused{Number: order.Number, Kind: order.Kind, ID: order.ID, Reason: short(why), Envelope: order.Envelope}
	if _, err := o.journal.Append(ctx, protocol.KindRefused, refused); err != nil {
		return fmt.Errorf("orders: %s %s cannot be carried out: %w; journal: %w", order.Kind, id, why, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.memory.forget(id)
	o.log.Warn("order refused: it was accepted and cannot be carried out", "number", refused.Number, "kind", refused.Kind, "id", id, "reason", refused.Reason)
	return nil
}

// verdict is a document that this recorder will obey, and on whose word.
type verdict struct {
	protocol.Signed
	level protocol.Level
}

// judgeEnvelope says whether the document in an envelope that has used its number is obeyed.
func (o *Orders) judgeEnvelope(e protocol.Envelope, now time.Time) (verdict, error) {
	envelope := protocol.Heading{NotBefore: e.NotBefore, NotAfter: e.NotAfter}
	if err := envelope.Valid(now); err != nil {
		return verdict{}, fmt.Errorf("envelope: %w", err)
	}
	s, err := protocol.ParseDocument(e.Document)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{Signed: s}
	v.level, err = o.memory.judge(s, o.self, now)
	return v, err
}

// maxBody leaves room for the salt and a prefix.
const maxBody = chain.MaxBody - 256

// fits refuses what the journal could not hold; otherwise one long document would stop every order after it.
func fits(entry protocol.Order) error {
	line, err := json.Marshal(entry)
	if err == nil && len(line) > maxBody {
		err = fmt.Errorf("%s %s: %d bytes in the journal, at most %d", entry.Kind, entry.ID, len(line), maxBody)
	}
	return err
}

// short keeps what others wrote from filling the journal.
func short(err error) string {
	s := []rune(strings.ToValidUTF8(err.Error(), "?"))
	if len(s) > 500 {
		s = append(s[:500], '…')
	}
	return string(s)
}

// At most dropsAnHour dropped envelopes get an entry of their own; the next entry counts the others.
const dropsAnHour = 10

type drops struct {
	written  []time.Time // of the last hour
	unlogged uint64
}

// drop counts an envelope that uses nothing up, and writes it down while there is room.
func (o *Orders) drop(ctx context.Context, hash protocol.Hash, why error, now time.Time) error {
	o.mu.Lock()
	o.memory.dropped++
	o.mu.Unlock()
	o.drops.forget(now)
	if len(o.drops.written) >= dropsAnHour {
		o.drops.unlogged++
		return fmt.Errorf("%w: %w", ErrDropped, why)
	}
	o.log.Warn("envelope dropped", "reason", short(why))
	body := protocol.OrderDropped{Reason: short(why), Envelope: hash, Unlogged: o.drops.unlogged}
	if _, err := o.journal.Append(ctx, protocol.KindDropped, body); err != nil {
		o.drops.unlogged++
		return fmt.Errorf("orders: envelope %w: %w; journal: %w", ErrDropped, why, err)
	}
	o.drops.written, o.drops.unlogged = append(o.drops.written, now), 0
	return fmt.Errorf("%w: %w", ErrDropped, why)
}

func (d *drops) forget(now time.Time) {
	for len(d.written) > 0 && now.Sub(d.written[0]).Abs() >= time.Hour { // either way: the clock may be set back
		d.written = d.written[1:]
	}
}

// verifier reads a key that a roster's own check has read before.
func verifier(key string) (note.Verifier, error) {
	v, err := protocol.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("order key: %w", err)
	}
	return v, nil
}
