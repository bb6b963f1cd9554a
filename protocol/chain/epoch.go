package chain

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// MaxEpoch is how long an epoch may last while the log goes on.
const MaxEpoch = time.Hour

// Epochs is what the seals of a log say up to a place: enough to check the next entry and to make the next seal. The zero Epochs is that of a log that has none yet. It may be
// stored as JSON.
type Epochs struct {
	Key      string        `json:"key"`              // public, of the epoch that runs; empty: the log has no epochs yet
	Number   uint64        `json:"number"`           // of that epoch
	Since    protocol.Time `json:"since"`            // its beginning: the time of the entry that names Key
	Named    uint64        `json:"named"`            // that entry
	First    uint64        `json:"first"`            // the entry that began the log's first epoch
	Sealed   uint64        `json:"sealed"`           // entries under the newest seal: nobody can have changed them since it was made
	SealedAt protocol.Time `json:"sealedAt"`         // when that was; zero: never
	Breaks   uint64        `json:"breaks,omitempty"` // how many times the key of an epoch was lost before its seal
	Failed   bool          `json:"failed,omitempty"` // Next found a fault: nothing is believed until an epoch is begun anew
	Log      uint64        `json:"log,omitempty"`    // number of the log that goes on here, under whose name the keys are; 0: the first
	Anew     bool          `json:"anew,omitempty"`   // the log was resumed: the next entry begins an epoch
}

// EpochSeal is what the key of an ending epoch signs: a checkpoint of the log as it is before the entry that carries it (C2SP tlog-checkpoint), with three extension lines:
//
//	rec-1.helmond/beeldwacht
//	20852163
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//	epoch 7
//	ended 2026-11-21T03:00:00.000Z
//	next rec-1.helmond/beeldwacht+d2f1a4c0+AZx…
//
//	— rec-1.helmond/beeldwacht 9nzgrn…
type EpochSeal struct {
	Checkpoint
	Epoch uint64
	Ended protocol.Time // also the time of the entry that carries it
	Next  string        // public key of the next epoch
}

// String is the seal's text as it is signed.
func (s EpochSeal) String() string {
	return s.Checkpoint.String() + "epoch " + strconv.FormatUint(s.Epoch, 10) + "\nended " + s.Ended.String() + "\nnext " + s.Next + "\n"
}

// ParseEpochSeal reads a seal's text, without its signature, in its one form.
func ParseEpochSeal(text string) (s EpochSeal, err error) {
	lines := strings.SplitAfter(text, "\n")
	if len(lines) != 7 || lines[6] != "" {
		return s, errors.New("seal: want six lines: origin, size, root, epoch, ended, next")
	}
	if s.Checkpoint, err = ParseCheckpoint(strings.Join(lines[:3], "")); err != nil {
		return s, fmt.Errorf("seal: %w", err)
	}
	value := func(line, word string) string {
		v, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), word+" ")
		if !ok && err == nil {
			err = fmt.Errorf("seal: want a line that begins with %q, have %.60q", word, line)
		}
		return v
	}
	epoch, ended := value(lines[3], "epoch"), value(lines[4], "ended")
	s.Next = value(lines[5], "next")
	if err != nil {
		return s, err
	}
	if s.Epoch, err = strconv.ParseUint(epoch, 10, 64); err != nil || s.Epoch > MaxInteger {
		return s, fmt.Errorf("seal: epoch %.40q: want an integer up to 2^53", epoch)
	}
	if s.Ended, err = protocol.ParseTime(ended); err != nil {
		return s, fmt.Errorf("seal: ended: %w", err)
	}
	if s.String() != text {
		return s, errors.New("seal: not in its one form")
	}
	return s, nil
}

// Seal makes the seal that ends the running epoch at the head of the log, for an entry that is made for the same head at the same time. The key is that of the ending epoch, next the public
// key of the one that follows.
func (e Epochs) Seal(head Head, key note.Signer, next string, now time.Time) (protocol.EpochSealed, error) {
	own, err := epochKey(key.Name(), e.Key)
	if err != nil {
		return protocol.EpochSealed{}, err
	}
	at := protocol.T(now)
	if at.Before(head.Time.Time) {
		at = head.Time
	}
	s := EpochSeal{Checkpoint: Checkpoint{Origin: key.Name(), Size: head.Size, Root: head.Root()}, Epoch: e.Number, Ended: at, Next: next}
	signed, err := note.Sign(&note.Note{Text: s.String()}, key)
	if err == nil { // with another key nobody would believe it
		_, err = note.Open(signed, note.VerifierList(own))
	}
	if err != nil {
		return protocol.EpochSealed{}, fmt.Errorf("seal of epoch %d: %w", e.Number, err)
	}
	return protocol.EpochSealed{Seal: string(signed)}, nil
}

// epochKey reads the public key of an epoch, which bears the log's origin as the log's own key does.
func epochKey(origin, vkey string) (note.Verifier, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("key %.100q of an epoch: %w", vkey, err)
	}
	if v.Name() != origin {
		return nil, fmt.Errorf("the key of an epoch is named %q, the log %q", v.Name(), origin)
	}
	return v, nil
}

// Next takes the entry that comes after head, whose place in the chain the caller has checked. What is wrong is a *[Fault], whose Seq is the first entry that may not be as it was
// written, and Line 0. After a fault nothing is said until an epoch is begun anew, which counts as a break.
func (e *Epochs) Next(origin string, head Head, h Header, body []byte) error {
	return e.take(origin, head, h, body, nil)
}

// take is [Epochs.Next] for who may have opened the entry's seal already.
func (e *Epochs) take(origin string, head Head, h Header, body []byte, seal *openedSeal) error {
	err := e.next(origin, head, h, body, seal)
	if err != nil {
		e.Failed = true
	}
	return err
}

func (e *Epochs) next(origin string, head Head, h Header, body []byte, seal *openedSeal) error {
	origin = e.name(origin)
	fault := func(from uint64, format string, a ...any) error {
		return &Fault{Seq: from, What: fmt.Sprintf(format, a...)}
	}
	switch {
	case h.Kind == protocol.KindEpochBegun:
		b, err := e.begun(origin, body)
		if err != nil {
			return fault(h.Seq, "%v", err)
		}
		if e.Key == "" {
			e.First = h.Seq
		} else {
			e.Breaks++
		}
		e.Key, e.Number, e.Since, e.Named, e.Failed, e.Anew = b.Key, b.Epoch, h.Time, h.Seq, false, false
	case e.Anew:
		e.Anew = false
		return fault(h.Seq, "the log was resumed before this entry, which should begin an epoch")
	case h.Kind == protocol.KindResumed:
		log, err := e.resumed(body)
		if err != nil {
			return fault(h.Seq, "%v", err)
		}
		e.Log, e.Anew = log, e.Key != ""
	case e.Failed:
	case h.Kind == protocol.KindEpochSealed:
		if e.Key == "" {
			return fault(0, "entry %d seals an epoch that no entry before it began", h.Seq)
		}
		next, err := e.sealed(origin, head.Size, head.Root(), h, body, seal)
		if err != nil {
			return fault(e.Sealed, "entries %d to %d are not as they were sealed: %v", e.Sealed, h.Seq, err)
		}
		e.Key, e.Number, e.Since, e.Named = next, e.Number+1, h.Time, h.Seq
		e.Sealed, e.SealedAt = head.Size, h.Time
	case e.Key != "" && h.Time.Sub(e.Since.Time) >= MaxEpoch:
		return fault(h.Seq, "epoch %d began at %s and is not sealed before this entry of %s: the seal is missing", e.Number, e.Since, h.Time)
	}
	return nil
}

// name is the name of the log that goes on here, by that of the first or of any successor.
func (e *Epochs) name(origin string) string {
	first, _ := protocol.ParseLogOrigin(origin)
	return protocol.LogOrigin(first, e.Log)
}

// resumed checks an entry by which the log becomes its own successor, and returns its number. Who signed the order is for others to judge: here nobody is known.
func (e *Epochs) resumed(body []byte) (log uint64, err error) {
	if body == nil {
		return 0, errors.New("the body that says who had the log resumed is gone; it is never destroyed")
	}
	var b protocol.Resumed
	if err := ParseBody(body, &b); err != nil {
		return 0, err
	}
	order, err := protocol.ParseDocument([]byte(b.Document))
	if err != nil {
		return 0, fmt.Errorf("the order by which the log was resumed: %w", err)
	}
	r, ok := order.Document.(*protocol.Resume)
	switch due := max(e.Log, 1) + 1; {
	case !ok:
		err = fmt.Errorf("the log was resumed by a %s", order.Kind())
	case b.Log != due || r.Log != due:
		err = fmt.Errorf("it begins log %d by an order for log %d; log %d would come next", b.Log, r.Log, due)
	}
	return b.Log, err
}

// begun checks an entry that begins an epoch out of nothing.
func (e *Epochs) begun(origin string, body []byte) (b protocol.EpochBegun, err error) {
	if body == nil {
		return b, errors.New("the body that names the key of an epoch is gone; it is never destroyed")
	}
	if err := ParseBody(body, &b); err != nil {
		return b, err
	}
	if _, err := epochKey(origin, b.Key); err != nil {
		return b, err
	}
	switch {
	case b.Key == e.Key:
		return b, errors.New("it begins an epoch with the key of the epoch before")
	case e.Key == "" && (b.Epoch != 0 || b.Lost != ""):
		return b, fmt.Errorf("it begins epoch %d after a break, and there was none before", b.Epoch)
	case e.Key != "" && (b.Epoch <= e.Number || b.Epoch != e.Number+1 && !e.Failed):
		return b, fmt.Errorf("it begins epoch %d, after epoch %d", b.Epoch, e.Number)
	case e.Key != "" && b.Lost == "":
		return b, fmt.Errorf("it begins epoch %d and does not say why epoch %d is not sealed", b.Epoch, e.Number)
	}
	return b, nil
}

// CheckSeal checks one seal without the rest of the log: named is the entry that names the epoch's key (the seal before it, or an epoch.begun), seal the entry that ends it, root that of the
// log before seal. A seal that is wrong is a *[Fault]; any other error says that these entries prove nothing, as the seal of another epoch does.
func CheckSeal(origin string, named, seal Entry, root protocol.Hash) error {
	n, err := ParseHeader(named.Header)
	if err == nil {
		err = n.CheckBody(named.Body)
	}
	if err != nil {
		return fmt.Errorf("entry that names the key: %w", err)
	}
	h, err := ParseHeader(seal.Header)
	if err == nil {
		err = h.CheckBody(seal.Body)
	}
	if err != nil {
		return fmt.Errorf("entry with the seal: %w", err)
	}
	e := Epochs{Named: n.Seq, Since: n.Time}
	switch n.Kind {
	case protocol.KindEpochBegun:
		var b protocol.EpochBegun
		if err := ParseBody(named.Body, &b); err != nil {
			return err
		}
		e.Key, e.Number = b.Key, b.Epoch
	case protocol.KindEpochSealed:
		s, err := unsigned(named.Body) // it has been checked before, or it is the one to be complained of
		if err != nil {
			return err
		}
		e.Key, e.Number = s.Next, s.Epoch+1
	}
	own := logOf(e.Key)
	first, log := protocol.ParseLogOrigin(own)
	if asked, _ := protocol.ParseLogOrigin(origin); first != asked {
		return fmt.Errorf("the key of an epoch is named %q, the log %q", own, origin)
	}
	e.Log = log
	if e.Key == "" || h.Kind != protocol.KindEpochSealed || h.Seq <= n.Seq {
		return fmt.Errorf("entry %d, %s, does not name the key that entry %d, %s, is sealed with", n.Seq, n.Kind, h.Seq, h.Kind)
	}
	if s, err := unsigned(seal.Body); err == nil && s.Epoch != e.Number {
		return fmt.Errorf("entry %d names the key of epoch %d, entry %d seals epoch %d", n.Seq, e.Number, h.Seq, s.Epoch)
	}
	if _, err = e.sealed(e.name(origin), h.Seq, root, h, seal.Body, nil); err != nil {
		return &Fault{Seq: h.Seq, What: err.Error()}
	}
	return nil
}

// unsigned reads what a seal says, without believing it.
func unsigned(body []byte) (EpochSeal, error) {
	var b protocol.EpochSealed
	if err := ParseBody(body, &b); err != nil {
		return EpochSeal{}, err
	}
	text, _, _ := strings.Cut(b.Seal, "\n\n")
	return ParseEpochSeal(text + "\n")
}

// sealed checks the seal of the running epoch, over a log of this size and root, and returns the next one's key. A seal that was opened with another key, or as another log's, is opened anew.
func (e *Epochs) sealed(origin string, size uint64, root protocol.Hash, h Header, body []byte, s *openedSeal) (next string, err error) {
	if s == nil || s.origin != origin || s.key != e.Key {
		if s, err = e.open(origin, body); err != nil {
			return "", err
		}
	}
	switch {
	case s.Origin != origin:
		err = fmt.Errorf("the seal is of %q", s.Origin)
	case s.Epoch != e.Number:
		err = fmt.Errorf("the seal is of epoch %d, this is epoch %d", s.Epoch, e.Number)
	case s.Size != size:
		err = fmt.Errorf("the seal of epoch %d is over %d entries, and stands behind %d", s.Epoch, s.Size, size)
	case s.Root != root:
		err = fmt.Errorf("the seal of epoch %d says root %s, the entries before it give %s", s.Epoch, s.Root, root)
	case !s.Ended.Equal(h.Time.Time):
		err = fmt.Errorf("epoch %d ended at %s, the entry with its seal says %s", s.Epoch, s.Ended, h.Time)
	case s.Next == e.Key:
		err = fmt.Errorf("the seal of epoch %d names its own key for the next", s.Epoch)
	}
	return s.Next, err
}

// openedSeal is a seal that is signed with the key of an epoch of a log. Whether it is true of the log is another matter.
type openedSeal struct {
	origin, key string
	EpochSeal
}

// open checks that the key of the running epoch signed the seal in a body: all the work there is on a seal, and it needs nothing of the log but that key.
func (e *Epochs) open(origin string, body []byte) (*openedSeal, error) {
	if body == nil {
		return nil, errors.New("the body with the seal is gone; it is never destroyed")
	}
	var b protocol.EpochSealed
	if err := ParseBody(body, &b); err != nil {
		return nil, err
	}
	key, err := epochKey(origin, e.Key)
	if err != nil {
		return nil, err
	}
	n, err := note.Open([]byte(b.Seal), note.VerifierList(key))
	if err != nil {
		if s, err := unsigned(body); err == nil && s.Epoch != e.Number { // not believed, but it helps whoever looks
			return nil, fmt.Errorf("the seal of epoch %d stands where epoch %d must be sealed", s.Epoch, e.Number)
		}
		return nil, fmt.Errorf("the seal is not signed with the key that entry %d names for epoch %d (%w)", e.Named, e.Number, err)
	}
	s, err := ParseEpochSeal(n.Text)
	if err != nil {
		return nil, err
	}
	if _, err := epochKey(origin, s.Next); err != nil {
		return nil, err
	}
	return &openedSeal{origin, e.Key, s}, nil
}

// logOf is the name of its log, which a key bears.
func logOf(key string) string {
	name, _, _ := strings.Cut(key, "+")
	return name
}

// namedBy is the key that an entry seems to name for the epoch that begins with it; empty where it does not. Nothing is checked: it is there so that what follows can be opened ahead, and who finds it wrong opens it anew.
func namedBy(e Entry) string {
	if _, next, ok := bytes.Cut(e.Body, []byte(`\nnext `)); ok { // in a seal, as JSON writes it
		key, _, _ := bytes.Cut(next, []byte(`\n`))
		return string(key)
	}
	var b protocol.EpochBegun
	if err := ParseBody(e.Body, &b); err != nil {
		return ""
	}
	return b.Key
}
