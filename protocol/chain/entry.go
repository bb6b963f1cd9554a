package chain

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// ErrBody: what is to be written does not fit in an entry.
var ErrBody = errors.New("the body is too long")

const (
	// Version is the entry version this package writes and reads.
	Version = 1

	// MaxBody is the longest body line in bytes: an entry states facts, it does not carry data.
	MaxBody = 64 << 10

	// MaxHeader is the longest header line in bytes; a kind is at most 64 characters, so none comes near it.
	MaxHeader = 512

	// MaxInteger is the largest integer that every JSON reader keeps exact (RFC 8259 section 6).
	MaxInteger = 1 << 53
)

// Entry is one record of a log as it is stored: two lines of JSON without their newlines. Body is nil once it has been destroyed.
type Entry struct{ Header, Body []byte }

// Header is what the chain and the tree are made of; it outlives the body.
type Header struct {
	V    int           `json:"v"`
	Seq  uint64        `json:"seq"`
	Time protocol.Time `json:"time"`
	Kind string        `json:"kind"`
	Prev protocol.Hash `json:"prev"`
	Body protocol.Hash `json:"body"`
}

// ParseHeader reads a header line and refuses any that this package would have written differently, by a byte.
func ParseHeader(line []byte) (Header, error) {
	if len(line) > MaxHeader {
		return Header{}, fmt.Errorf("header is %d bytes, at most %d are allowed", len(line), MaxHeader)
	}
	if s, ok := scanHeader(line); ok {
		return s.header(), nil
	}
	return readHeader(line)
}

// readHeader is what [ParseHeader] means.
func readHeader(line []byte) (h Header, err error) {
	if err := json.Unmarshal(line, &h, json.RejectUnknownMembers(true)); err != nil {
		return Header{}, fmt.Errorf("header: %w", err)
	}
	if err := h.valid(); err != nil {
		return Header{}, err
	}
	// One comparison refuses missing, reordered and differently spelled keys, spaces, and numbers such as 7.0 or 7e0.
	if !bytes.Equal(h.line(), line) {
		return Header{}, errors.New(`header: not in its one form {"v":…,"seq":…,"time":…,"kind":…,"prev":…,"body":…}`)
	}
	return h, nil
}

func (h Header) valid() error {
	if h.V != Version {
		return fmt.Errorf("header: version %d, want %d", h.V, Version)
	}
	if h.Seq >= MaxInteger {
		return fmt.Errorf("header: seq %d, must be below 2^53", h.Seq)
	}
	if y := h.Time.UTC().Year(); y < 1970 || y > 9999 {
		return fmt.Errorf("header: time %s, must be in the years 1970 to 9999", h.Time)
	}
	if err := protocol.ValidID(h.Kind); err != nil {
		return fmt.Errorf("header: kind: %w", err)
	}
	return nil
}

func (h Header) line() []byte {
	b := make([]byte, 0, 256)
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, int64(h.V), 10)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, h.Seq, 10)
	b = append(b, `,"time":"`...)
	b = append(b, h.Time.String()...)
	b = append(b, `","kind":"`...)
	b = append(b, h.Kind...)
	b = append(b, `","prev":"`...)
	b = hex.AppendEncode(b, h.Prev[:])
	b = append(b, `","body":"`...)
	b = hex.AppendEncode(b, h.Body[:])
	return append(b, `"}`...)
}

// Seal makes the entry that comes next after head: it marshals body (one of protocol's bodies), puts a fresh salt in the place of any it
// had, and chains the header. It does not advance head; [Head.Add] does, once the entry is stored. A clock that went back does not stop the log:
// the entry then carries the previous entry's time, since times in a log never fall.
func Seal(head *Head, kind string, body any, now time.Time) (Entry, error) {
	b, err := NewBody(body)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %d %s: %w", head.Size, kind, err)
	}
	_, e, err := head.Seal(kind, b, now)
	return e, err
}

// Body is a body line that can become an entry's.
type Body struct {
	line []byte
	hash protocol.Hash
}

// NewBody is the part of [Seal] that needs no head, and takes most of the time: who has many entries can have it done ahead, in any order.
func NewBody(body any) (Body, error) {
	line, err := sealBody(body)
	return Body{line, protocol.HashOf(line)}, err
}

// Seal is the rest of the function [Seal]. It also returns the entry's header, for [Head.Push].
func (h *Head) Seal(kind string, b Body, now time.Time) (Header, Entry, error) {
	header := Header{V: Version, Seq: h.Size, Time: protocol.T(now), Kind: kind, Prev: h.Last, Body: b.hash}
	if header.Time.Before(h.Time.Time) {
		header.Time = h.Time
	}
	if err := header.valid(); err != nil {
		return header, Entry{}, fmt.Errorf("entry %d: %w", h.Size, err)
	}
	return header, Entry{Header: header.line(), Body: b.line}, nil
}

const (
	saltBytes = 16 // 128 bits
	saltKey   = `{"salt":"`
	saltEnd   = len(saltKey) + 2*saltBytes + len(`"`)
)

func sealBody(body any) ([]byte, error) {
	facts, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if len(facts) < 2 || facts[0] != '{' {
		return nil, fmt.Errorf("body: want a JSON object, have %.40s", facts)
	}
	var salt [saltBytes]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("body: salt: %w", err)
	}
	if salted(facts) { // read back from another entry
		facts = append([]byte{'{'}, bytes.TrimPrefix(facts[saltEnd:], []byte{','})...)
	}
	line := append([]byte(saltKey), hex.EncodeToString(salt[:])...)
	line = append(line, '"')
	if facts[1] != '}' {
		line = append(line, ',')
	}
	line = append(line, facts[1:]...)
	return line, CheckBody(line)
}

// ParseBody reads a body line into v, a pointer to one of protocol's bodies (all embed [protocol.Salted]). Unknown fields are errors: a
// reader that does not know a field must not act as if it were not there.
func ParseBody(line []byte, v any) error {
	if err := CheckBody(line); err != nil {
		return err
	}
	if err := json.Unmarshal(line, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

// CheckBody says what keeps a line from being a body: its form, not its facts.
func CheckBody(line []byte) error {
	if len(line) > MaxBody {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrBody, len(line), MaxBody)
	}
	if salted(line) && scanBody(line, nil) {
		return nil
	}
	return readBody(line)
}

// readBody is what [CheckBody] means.
func readBody(line []byte) error {
	if bytes.ContainsAny(line, "\r\n") {
		return errors.New("body is more than one line")
	}
	if !salted(line) {
		return fmt.Errorf(`body must begin with %s and %d lower-case hex digits`, saltKey, 2*saltBytes)
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(line)) // refuses duplicate keys and invalid UTF-8
	for {
		t, err := d.ReadToken()
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		if t.Kind() == '0' && !exact(t.String()) {
			return fmt.Errorf("body: number %.40s: only integers up to 2^53", t.String())
		}
		if d.StackDepth() == 0 {
			break
		}
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return errors.New("body: something follows the object")
	}
	return nil
}

func salted(line []byte) bool {
	if len(line) <= saltEnd || string(line[:len(saltKey)]) != saltKey || line[saltEnd-1] != '"' || (line[saltEnd] != ',' && line[saltEnd] != '}') {
		return false
	}
	var salt [saltBytes]byte
	return scanHex(salt[:], line[len(saltKey):])
}

// exact reports whether a JSON number is written as an integer within ±2^53.
func exact(number string) bool {
	n, err := strconv.ParseInt(number, 10, 64)
	return err == nil && n >= -MaxInteger && n <= MaxInteger && number != "-0"
}
