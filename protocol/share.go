package protocol

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ShareSize is the length of a share's secret and of an ask's key, in bytes.
const ShareSize = 32

// ShareID names a share; it is random and says nothing of the secret. 32 lower-case hex digits.
type ShareID string

func parseShareID(s string) (ShareID, error) {
	if b, err := hex.DecodeString(s); err != nil || len(b) != 16 || strings.ToLower(s) != s {
		return "", fmt.Errorf("share id %q: want 32 lower-case hex digits", s)
	}
	return ShareID(s), nil
}

// Share is the centre's part of what opens a recorder's key tables (DESIGN section 4, Keys): without it the recorder's own disks do not.
type Share struct {
	ID     ShareID
	Secret [ShareSize]byte
}

// ShareAsk stands in the signed [Status] of a recorder whose keys need the centre's share. It is the whole protocol upwards: what the recorder uses, and what it
// wants. A share that it has come to use confirms that the ones before it may be destroyed.
type ShareAsk struct {
	Key  []byte    `json:"key"`  // X25519 public key to seal the answer to; made anew at each start and after each answer used, so that an old answer opens nothing
	Uses []ShareID `json:"uses"` // what the key tables on its disks are under; none: no share yet
	Open bool      `json:"open"` // they are open: the recorder does not need those shares until it starts again
	Next bool      `json:"next"` // it wants the share that is to follow
}

// Refused shares: why the centre gives none.
const (
	ShareStolen    = "stolen"    // the recorder is marked so in the centre's ledger
	ShareWithdrawn = "withdrawn" // likewise
	ShareLost      = "lost"      // the centre has no share of these ids, or no longer
)

// ShareAnswer is what the centre answers on down/share: a note signed with its order key, its secrets sealed (HPKE, RFC 9180) to the key of the ask. Only the process
// that asked can open it, and only once it has asked so.
//
//	beeldwacht/share v1
//	recorder rec-1
//	key sZcVb…
//	sealed 9fKx…
//
//	— orders.helmond/beeldwacht 5mY2…
type ShareAnswer struct {
	Shares  []Share // those that the ask uses, where it is not open
	Next    *Share  // where it wants one
	Refused string  // instead of both; see ShareStolen
}

// shareNote is an answer as it travels.
type shareNote struct {
	recorder RecorderID
	key      string
	sealed   string
	refused  string
}

const shareFirst = "beeldwacht/share v1\n"

func (n *shareNote) fields(f *fields) {
	idField(f, "recorder", &n.recorder)
	once(f, "key", &n.key, parseString[string], formatString[string])
	optional(f, "refused", &n.refused, oneOf(ShareStolen, ShareWithdrawn, ShareLost), formatString[string])
	optional(f, "sealed", &n.sealed, parseString[string], formatString[string])
}

func (a *ShareAnswer) fields(f *fields) {
	many(f, "share", &a.Shares, parseShare, formatShare)
	next := []Share{}
	if a.Next != nil {
		next = append(next, *a.Next)
	}
	if f.reading {
		next = nil
	}
	many(f, "next", &next, parseShare, formatShare)
	if f.reading && len(next) > 1 && f.err == nil {
		f.err = fmt.Errorf("field next: given %d times", len(next))
	} else if f.reading && len(next) == 1 {
		a.Next = &next[0]
	}
}

func formatShare(s Share) string { return string(s.ID) + " " + hex.EncodeToString(s.Secret[:]) }

func parseShare(text string) (s Share, err error) {
	id, secret, _ := strings.Cut(text, " ")
	if s.ID, err = parseShareID(id); err != nil {
		return s, err
	}
	b, err := hex.DecodeString(secret)
	if err != nil || copy(s.Secret[:], b) != ShareSize || len(b) != ShareSize {
		return s, fmt.Errorf("share %s: want a secret of %d bytes in hex", id, ShareSize) // never the value: errors are logged
	}
	return s, nil
}

// shareBound is the HPKE info: an answer for one recorder is none for another.
func shareBound(r RecorderID) []byte { return []byte("beeldwacht share v1\n" + string(r) + "\n") }

// SealShare writes the answer to an ask.
func SealShare(a ShareAnswer, recorder RecorderID, askKey []byte, order note.Signer) ([]byte, error) {
	n := shareNote{recorder: recorder, key: base64.StdEncoding.EncodeToString(askKey), refused: a.Refused}
	if a.Refused == "" {
		to, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(askKey)
		if err != nil {
			return nil, fmt.Errorf("share for %s: its key: %w", recorder, err)
		}
		inner := &fields{}
		a.fields(inner)
		if inner.err != nil {
			return nil, fmt.Errorf("share for %s: %w", recorder, inner.err)
		}
		sealed, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), shareBound(recorder), []byte(inner.out.String()))
		if err != nil {
			return nil, fmt.Errorf("share for %s: %w", recorder, err)
		}
		n.sealed = base64.StdEncoding.EncodeToString(sealed)
	}
	f := &fields{}
	n.fields(f)
	if f.err != nil {
		return nil, fmt.Errorf("share for %s: %w", recorder, f.err)
	}
	return note.Sign(&note.Note{Text: shareFirst + f.out.String()}, order)
}

// OpenShare verifies an answer against the centre's order key and opens it with the private half of the ask's key. One to another ask, or for another recorder, is an error.
func OpenShare(raw []byte, recorder RecorderID, ask hpke.PrivateKey, order note.Verifier) (a ShareAnswer, err error) {
	n, err := note.Open(raw, note.VerifierList(order))
	if err != nil {
		return a, fmt.Errorf("share: not signed by order key %s: %w", order.Name(), err)
	}
	lines, ok := strings.CutPrefix(n.Text, shareFirst)
	if !ok {
		return a, fmt.Errorf("share: unknown first line")
	}
	f, err := readFields(lines)
	if err != nil {
		return a, fmt.Errorf("share: %w", err)
	}
	var outer shareNote
	outer.fields(f)
	if err := f.finish(); err != nil {
		return a, fmt.Errorf("share: %w", err)
	}
	switch {
	case outer.recorder != recorder:
		return a, fmt.Errorf("share: for recorder %s, not for %s", outer.recorder, recorder)
	case outer.key != base64.StdEncoding.EncodeToString(ask.PublicKey().Bytes()):
		return a, fmt.Errorf("share: answers another ask")
	case outer.refused != "":
		return ShareAnswer{Refused: outer.refused}, nil
	}
	sealed, err := base64.StdEncoding.DecodeString(outer.sealed)
	if err != nil {
		return a, fmt.Errorf("share: %w", err)
	}
	plain, err := hpke.Open(ask, hpke.HKDFSHA256(), hpke.AES256GCM(), shareBound(recorder), sealed)
	if err != nil {
		return a, fmt.Errorf("share: cannot be opened: %w", err)
	}
	defer clear(plain)
	inner, err := readFields(string(plain))
	if err != nil {
		return a, fmt.Errorf("share: malformed inside")
	}
	a.fields(inner)
	return a, inner.finish()
}
