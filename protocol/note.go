package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// MaxDocument is the longest document or envelope anyone needs to look at, in bytes.
const MaxDocument = 64 << 10

// Signed is a document as it was received: the bytes, and what they say.
type Signed struct {
	Document
	Raw []byte // as received: text, blank line, signature lines (perhaps none)
}

// Compose writes a document without signatures. It refuses one that could not be read back.
func Compose(d Document) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%s %s: %w", d.Kind(), d.Head().ID, err)
	}
	f := &fields{}
	d.fields(f)
	if f.err != nil {
		return nil, fmt.Errorf("%s %s: %w", d.Kind(), d.Head().ID, f.err)
	}
	raw := []byte("beeldwacht/" + d.Kind() + " v1\n" + f.out.String() + "\n")
	if _, err := ParseDocument(raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// ParseDocument reads a document, signed or not. It checks the form, not the signatures.
func ParseDocument(raw []byte) (Signed, error) {
	if len(raw) > MaxDocument {
		return Signed{}, fmt.Errorf("document of %d bytes: at most %d", len(raw), MaxDocument)
	}
	text, _, err := splitNote(raw)
	if err != nil {
		return Signed{}, fmt.Errorf("document: %w", err)
	}
	first, rest, _ := strings.Cut(text, "\n")
	kind, ok := strings.CutPrefix(first, "beeldwacht/")
	kind, versioned := strings.CutSuffix(kind, " v1")
	d := newDocument(kind)
	if !ok || !versioned || d == nil {
		return Signed{}, fmt.Errorf("document: first line %q: unknown kind or version", first)
	}
	f, err := readFields(rest)
	if err != nil {
		return Signed{}, fmt.Errorf("%s: %w", kind, err)
	}
	d.fields(f)
	if err := f.finish(); err != nil {
		return Signed{}, fmt.Errorf("%s: %w", kind, err)
	}
	if err := d.Head().check(); err != nil {
		return Signed{}, fmt.Errorf("%s %s: %w", kind, d.Head().ID, err)
	}
	if err := d.check(); err != nil {
		return Signed{}, fmt.Errorf("%s %s: %w", kind, d.Head().ID, err)
	}
	return Signed{Document: d, Raw: bytes.Clone(raw)}, nil
}

// splitNote parts text (with its last newline) from signature lines; a note without signatures ends with the blank line.
func splitNote(raw []byte) (text string, lines string, err error) {
	i := bytes.LastIndex(raw, []byte("\n\n"))
	if i < 0 {
		return "", "", errors.New("no blank line after the text")
	}
	text, lines = string(raw[:i+1]), string(raw[i+2:])
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(raw, nil); lines != "" && !errors.As(err, &unverified) {
		return "", "", errors.New("malformed signature lines")
	}
	return text, lines, nil
}

// Text is what is signed: everything before the blank line, with the last newline.
func (s Signed) Text() string {
	text, _, err := splitNote(s.Raw)
	if err != nil { // ParseDocument has split these bytes before
		panic(err)
	}
	return text
}

// Hash identifies the document as received, signatures included.
func (s Signed) Hash() Hash { return HashOf(s.Raw) }

// SignedBy says whether the document carries a valid signature of v.
func (s Signed) SignedBy(v note.Verifier) bool {
	signed, err := s.signature(v)
	return signed && err == nil
}

// signature tells absent (false), valid (true) and broken (an error) apart.
func (s Signed) signature(v note.Verifier) (bool, error) {
	n, err := note.Open(s.Raw, note.VerifierList(v))
	var invalid *note.InvalidSignatureError
	if errors.As(err, &invalid) {
		return false, err
	}
	return err == nil && len(n.Sigs) > 0, nil
}

// Countersign adds a signature line to a document or other note.
func Countersign(raw []byte, signer note.Signer) ([]byte, error) {
	text, _, err := splitNote(raw)
	if err != nil {
		return nil, err
	}
	sig, err := signer.Sign([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("sign as %s: %w", signer.Name(), err)
	}
	return AddSignature(raw, signer.Name(), signer.KeyHash(), sig), nil
}

// AddSignature appends a signature line made elsewhere, as by a passkey.
func AddSignature(raw []byte, name string, keyHash uint32, sig []byte) []byte {
	blob := append(binary.BigEndian.AppendUint32(nil, keyHash), sig...)
	return fmt.Appendf(bytes.Clone(raw), "— %s %s\n", name, base64.StdEncoding.EncodeToString(blob))
}

// Envelope is an order on its way to a recorder.
type Envelope struct {
	Recorder  RecorderID
	Number    uint64 // exactly one more than the last
	NotBefore Time
	NotAfter  Time
	Ledger    LedgerHead // the head of the centre's ledger that the order rests on: its entry is under it. Zero, and left out of the text: a recorder that asks for none
	Document  []byte     // a document with its own signature lines
}

const envelopeFirst = "beeldwacht/envelope v1"

func (e *Envelope) fields(f *fields) {
	idField(f, "recorder", &e.Recorder)
	numberField(f, "order", &e.Number)
	timeField(f, "not-before", &e.NotBefore)
	timeField(f, "not-after", &e.NotAfter)
	optional(f, "ledger", &e.Ledger, ParseLedgerHead, LedgerHead.String)
}

// SealEnvelope signs an envelope with the centre's order key.
func SealEnvelope(e Envelope, order note.Signer) ([]byte, error) {
	f := &fields{}
	e.fields(f)
	if f.err != nil {
		return nil, fmt.Errorf("envelope %d for %s: %w", e.Number, e.Recorder, f.err)
	}
	text := envelopeFirst + "\n" + f.out.String() + "\n" + string(e.Document)
	sealed, err := note.Sign(&note.Note{Text: text}, order)
	if err != nil {
		return nil, fmt.Errorf("envelope %d for %s: %w", e.Number, e.Recorder, err)
	}
	return sealed, nil
}

// OpenEnvelope verifies the order key's signature and then reads the same bytes. The document inside is not yet parsed: only an envelope with
// a valid signature may use its number up, also when its document is then refused.
func OpenEnvelope(raw []byte, order note.Verifier) (Envelope, error) {
	if len(raw) > MaxDocument {
		return Envelope{}, fmt.Errorf("envelope of %d bytes: at most %d", len(raw), MaxDocument)
	}
	n, err := note.Open(raw, note.VerifierList(order))
	if err != nil {
		return Envelope{}, fmt.Errorf("envelope: not signed by order key %s: %w", order.Name(), err)
	}
	first, rest, _ := strings.Cut(n.Text, "\n")
	head, document, ok := strings.Cut(rest, "\n\n")
	if first != envelopeFirst || !ok {
		return Envelope{}, fmt.Errorf("envelope: first line %q, or no document", first)
	}
	f, err := readFields(head + "\n")
	if err != nil {
		return Envelope{}, fmt.Errorf("envelope: %w", err)
	}
	e := Envelope{Document: []byte(document)}
	e.fields(f)
	if err := f.finish(); err != nil {
		return Envelope{}, fmt.Errorf("envelope: %w", err)
	}
	return e, nil
}
