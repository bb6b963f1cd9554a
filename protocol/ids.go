package protocol

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Ids are short, lower-case and safe in file names, topics and URLs. They are never used again once given (invariant 6).
type (
	RecorderID string
	CameraID   string
	StreamID   string // "main", "sub"
	RunID      string // a gap-free session; sorts by its start
	RequestID  string
	HoldID     string
	GrantID    string
	DocumentID string // of any document: a hold's, grant's, mandate's or roster's own id
	DossierID  string // what a document belongs to in the centre's ledger
	PersonID   string // pseudonym; names live only at the centre
)

// ValidID says what is wrong with an id, or nil: 1 to 64 of a–z, 0–9, '-', '_' and '.', starting with a letter or digit.
func ValidID[T ~string](id T) error {
	if len(id) == 0 || len(id) > 64 {
		return fmt.Errorf("id %q: must be 1 to 64 characters", string(id))
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && strings.IndexByte("-_.", c) >= 0:
		default:
			return fmt.Errorf("id %q: character %q at %d; use a–z, 0–9 and, not first, - _ .", string(id), c, i)
		}
	}
	if strings.Contains(string(id), "..") {
		return fmt.Errorf("id %q: two dots in a row", string(id))
	}
	return nil
}

// Hash is a SHA-256; 64 lower-case hex digits in text.
type Hash [sha256.Size]byte

// HashOf is the SHA-256 of b.
func HashOf(b []byte) Hash { return sha256.Sum256(b) }

func (h Hash) String() string { return hex.EncodeToString(h[:]) }
func (h Hash) IsZero() bool   { return h == Hash{} }

// ParseHash reads 64 lower-case hex digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) || strings.ToLower(s) != s {
		return h, fmt.Errorf("hash %q: want 64 lower-case hex digits", s)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return h, fmt.Errorf("hash %q: %w", s, err)
	}
	return h, nil
}

func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

func (h *Hash) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHash(string(b))
	return err
}

// Regime is the law a camera falls under; it decides who is controller, who may ask and how long (REQUIREMENTS section 1).
type Regime string

const (
	AVG Regime = "AVG" // buildings and property; the municipality is controller
	WPG Regime = "WPG" // public order, art. 151c Gemeentewet; the chief of police is controller
)

// Valid refuses anything but the two regimes.
func (r Regime) Valid() error {
	if r != AVG && r != WPG {
		return fmt.Errorf("regime %q: want AVG or WPG", string(r))
	}
	return nil
}
