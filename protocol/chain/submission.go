package chain

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Submission is a checkpoint on its way to somebody who has seen an earlier one: a witness (C2SP tlog-witness, add-checkpoint), or a recorder that keeps the ledger's. Proof shows
// that the log of Old entries is the start of the one under Note; it is empty for Old 0, and where nothing was added.
type Submission struct {
	Old   uint64
	Proof tlog.TreeProof
	Note  []byte // the checkpoint, with its signatures
}

// MaxSubmission is the longest submission in bytes.
const MaxSubmission = 4<<10 + MaxCheckpoint

// maxProof is how many hashes a consistency proof can have (C2SP tlog-witness).
const maxProof = 63

// MarshalSubmission writes a submission as the body of an add-checkpoint request.
func MarshalSubmission(s Submission) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", s.Old)
	for _, h := range s.Proof {
		fmt.Fprintln(&b, base64.StdEncoding.EncodeToString(h[:]))
	}
	b.WriteByte('\n')
	b.Write(s.Note)
	return b.Bytes()
}

// ParseSubmission reads what [MarshalSubmission] writes. It verifies nothing.
func ParseSubmission(raw []byte) (Submission, error) {
	var s Submission
	if len(raw) > MaxSubmission {
		return s, fmt.Errorf("submission of %d bytes: at most %d", len(raw), MaxSubmission)
	}
	head, signed, ok := strings.Cut(string(raw), "\n\n")
	if !ok {
		return s, errors.New("submission: no empty line before the checkpoint")
	}
	lines := strings.Split(head, "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseUint(size, 10, 64)
	if !ok || err != nil || old > MaxInteger {
		return s, fmt.Errorf("submission: first line %.40q: want old and a size up to 2^53", lines[0])
	}
	if len(lines)-1 > maxProof {
		return s, fmt.Errorf("submission: %d lines of proof, at most %d", len(lines)-1, maxProof)
	}
	s = Submission{Old: old, Note: []byte(signed)}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return Submission{}, fmt.Errorf("submission: proof line %.60q: want 32 bytes in base64", line)
		}
		s.Proof = append(s.Proof, tlog.Hash(h))
	}
	if !bytes.Equal(MarshalSubmission(s), raw) {
		return Submission{}, errors.New("submission: not in its one form (leading zeros or loose base64)")
	}
	return s, nil
}

// ShownRoot is the root that a consistency proof shows at its smaller size, provided that it leads to the larger root: whoever signed the larger checkpoint has, by this proof, signed for that
// as well. The proof for a smaller size that is a power of two does not show it (RFC 6962 section 2.1.2): then, and where the proof leads elsewhere, it is an error.
func ShownRoot(p tlog.TreeProof, old, size uint64, root protocol.Hash) (protocol.Hash, error) {
	none := func(why string) (protocol.Hash, error) {
		return protocol.Hash{}, fmt.Errorf("consistency proof from %d to %d: %s", old, size, why)
	}
	if old == 0 || old >= size || old&(old-1) == 0 || len(p) == 0 {
		return none("shows no root at the smaller size")
	}
	f, s := old-1, size-1 // the last entries of both (RFC 9162 section 2.1.4.2)
	for f&1 == 1 {
		f, s = f>>1, s>>1
	}
	was, is := p[0], p[0]
	for _, h := range p[1:] {
		if s == 0 {
			return none("too long")
		}
		if f&1 == 1 || f == s {
			was, is = tlog.NodeHash(h, was), tlog.NodeHash(h, is)
			for f&1 == 0 && f != 0 {
				f, s = f>>1, s>>1
			}
		} else {
			is = tlog.NodeHash(is, h)
		}
		f, s = f>>1, s>>1
	}
	if s != 0 || protocol.Hash(is) != root {
		return none("does not lead to the larger root")
	}
	return protocol.Hash(was), nil
}

// UnverifiedCheckpoint reads a checkpoint note without verifying it: to find out whose it says it is, and so with which key to verify it ([OpenCheckpoint]).
func UnverifiedCheckpoint(signed []byte) (Checkpoint, error) {
	if len(signed) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("checkpoint of %d bytes, at most %d are allowed", len(signed), MaxCheckpoint)
	}
	n, err := unverified(signed)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return ParseCheckpoint(n.Text)
}

// CosignatureLine is a witness's cosignature alone, as it answers a submission with it; [Cosign] has what must come first.
func CosignatureLine(c Checkpoint, w *Witness, now time.Time) ([]byte, error) {
	signer := w.At(now)
	sig, err := signer.Sign([]byte(c.String()))
	if err != nil {
		return nil, err
	}
	return protocol.AddSignature(nil, signer.Name(), signer.KeyHash(), sig), nil
}

// AddCosignature takes a witness's cosignature out of the lines it answered, verifies it, and adds it to a checkpoint note, in place of an older one of the same key. Other
// lines are left out.
func AddCosignature(signed, lines []byte, w note.Verifier) ([]byte, error) {
	n, err := unverified(signed)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	answered, err := note.Open(append([]byte(n.Text+"\n"), lines...), note.VerifierList(w))
	if err != nil {
		return nil, fmt.Errorf("cosignature of %s: %w", w.Name(), err)
	}
	others := slices.DeleteFunc(n.UnverifiedSigs, func(s note.Signature) bool { return s.Name == w.Name() && s.Hash == w.KeyHash() })
	return note.Sign(&note.Note{Text: n.Text, Sigs: append(others, answered.Sigs[0])})
}

// unverified takes a note apart.
func unverified(signed []byte) (*note.Note, error) {
	_, err := note.Open(signed, nil)
	var n *note.UnverifiedNoteError
	if !errors.As(err, &n) {
		return nil, cmp.Or(err, errors.New("a note without signatures"))
	}
	return n.Note, nil
}
