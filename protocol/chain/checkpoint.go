package chain

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// MaxCheckpoint is the longest checkpoint note in bytes, cosignatures included.
const MaxCheckpoint = 16 << 10

// MaxCheckpoints is how many may end a stream.
const MaxCheckpoints = 32

// Checkpoint says: the log of this origin had this root when it had this many entries.
type Checkpoint struct {
	Origin string // <recorder>.<municipality>/beeldwacht; also the name of the log's key
	Size   uint64
	Root   protocol.Hash
}

// String is the checkpoint's text as it is signed (C2SP tlog-checkpoint), without extension lines.
func (c Checkpoint) String() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// ParseCheckpoint reads a checkpoint's text, without signatures. It proves nothing: use [OpenCheckpoint] on what comes from elsewhere.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, errors.New("checkpoint: want three lines, origin, size and root")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || size > MaxInteger {
		return Checkpoint{}, fmt.Errorf("checkpoint: size %.40q: want an integer up to 2^53", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(protocol.Hash{}) {
		return Checkpoint{}, fmt.Errorf("checkpoint: root %.60q: want 32 bytes in base64", lines[2])
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: protocol.Hash(root)}
	if c.Origin == "" || c.String() != text {
		return Checkpoint{}, errors.New("checkpoint: not in its one form (empty origin, leading zeros or loose base64)")
	}
	return c, nil
}

// SignCheckpoint makes the log's own signed note of a checkpoint. The signer's name must be the origin, by which third parties match
// key and log (C2SP tlog-checkpoint).
func SignCheckpoint(c Checkpoint, log note.Signer) ([]byte, error) {
	if log.Name() != c.Origin {
		return nil, fmt.Errorf("checkpoint of %q: the key is named %q; a log's key bears its origin", c.Origin, log.Name())
	}
	if _, err := ParseCheckpoint(c.String()); err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: c.String()}, log)
	if err != nil {
		return nil, fmt.Errorf("checkpoint of %q: sign: %w", c.Origin, err)
	}
	return signed, nil
}

// Cosignature is one witness's statement that it has seen the log grow, without a fork, to a checkpoint.
type Cosignature struct {
	Name string    // of the witness's key
	Time time.Time // by the witness's clock, whole seconds UTC
}

// OpenCheckpoint verifies the log's signature, then parses the checkpoint, and returns the cosignatures of those witnesses that
// signed it validly, in the order of witnesses, each key once. It does not judge how many are enough. A cosignature that is unknown, broken or not given
// does not count and spoils nothing else.
func OpenCheckpoint(signed []byte, origin string, log note.Verifier, witnesses ...note.Verifier) (Checkpoint, []Cosignature, error) {
	if len(signed) > MaxCheckpoint {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint of %q: %d bytes, at most %d are allowed", origin, len(signed), MaxCheckpoint)
	}
	if log == nil {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint of %q: no key of the log to verify it with", origin)
	}
	n, err := note.Open(signed, note.VerifierList(log))
	if c, unverified := UnverifiedCheckpoint(signed); err != nil && unverified == nil && c.Origin != origin {
		return Checkpoint{}, nil, fmt.Errorf("it says that it is of the log %q, the key is of %q: %w", c.Origin, origin, err)
	}
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint of %q: %w", origin, err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	if c.Origin != origin {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint of %q, want %q", c.Origin, origin)
	}
	type key struct {
		name string
		hash uint32
	}
	seen := make(map[key]bool)
	var cosigned []Cosignature
	for _, w := range witnesses {
		k := key{w.Name(), w.KeyHash()}
		if seen[k] {
			continue
		}
		seen[k] = true
		// One witness at a time: note.Open refuses a whole note for one bad signature of a known key (invariant 14).
		n, err := note.Open(signed, note.VerifierList(w))
		if err != nil {
			continue
		}
		at, err := formats.CoSigV1Timestamp(n.Sigs[0])
		if err != nil || at.Unix() < 0 || at.UTC().Year() > 9999 {
			continue
		}
		cosigned = append(cosigned, Cosignature{Name: w.Name(), Time: at.UTC()})
	}
	return c, cosigned, nil
}

// OpenSuccessor is [OpenCheckpoint] for a log or any successor of it (protocol.LogOrigin): who checks a recorder's log has its key under the name of the first. log is of protocol.NewVerifier.
func OpenSuccessor(signed []byte, first string, log note.Verifier, witnesses ...note.Verifier) (Checkpoint, []Cosignature, error) {
	first, _ = protocol.ParseLogOrigin(first)
	origin := first
	if line, _, ok := bytes.Cut(signed[:min(len(signed), MaxCheckpoint)], []byte("\n")); ok && log != nil {
		if of, _ := protocol.ParseLogOrigin(string(line)); of == first && string(line) != log.Name() {
			v, err := protocol.VerifierUnder(string(line), log)
			if err != nil {
				return Checkpoint{}, nil, fmt.Errorf("checkpoint of %q: %w", line, err)
			}
			origin, log = string(line), v
		}
	}
	return OpenCheckpoint(signed, origin, log, witnesses...)
}

// Witness is a witness's key: it makes C2SP cosignature/v1 signatures at a time it is told.
type Witness struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
}

// NewWitness reads a private key made by [note.GenerateKey] and also returns the public key that others verify it with, of type 4
// (cosignature/v1).
func NewWitness(skey string) (w *Witness, vkey string, err error) {
	// note.NewSigner checks all of the key's form: name, hash and type.
	if _, err := note.NewSigner(skey); err != nil {
		return nil, "", fmt.Errorf("witness key: %w", err) // never the key itself
	}
	parts := strings.SplitN(skey, "+", 5) // PRIVATE+KEY+<name>+<hash>+<base64>
	seed, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil {
		return nil, "", errors.New("witness key: not base64")
	}
	w = &Witness{name: parts[2], key: ed25519.NewKeyFromSeed(seed[1:])}
	plain, err := note.NewEd25519VerifierKey(w.name, w.key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, "", fmt.Errorf("witness key %s: %w", w.name, err)
	}
	vkey, err = formats.VKeyToCosignatureV1(plain)
	if err != nil {
		return nil, "", fmt.Errorf("witness key %s: %w", w.name, err)
	}
	v, err := WitnessVerifier(vkey)
	if err != nil {
		return nil, "", err
	}
	w.hash = v.KeyHash()
	return w, vkey, nil
}

// Name is the name of the witness's key.
func (w *Witness) Name() string { return w.name }

// At is a signer for notes that states the time now.
func (w *Witness) At(now time.Time) note.Signer { return witnessAt{w, now} }

type witnessAt struct {
	*Witness
	now time.Time
}

func (s witnessAt) KeyHash() uint32 { return s.hash }

func (s witnessAt) Sign(text []byte) ([]byte, error) {
	if s.now.Unix() <= 0 {
		return nil, fmt.Errorf("cosignature of %s: time %s is before 1970", s.name, s.now)
	}
	at := uint64(s.now.Unix())
	message := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text)
	return append(binary.BigEndian.AppendUint64(nil, at), ed25519.Sign(s.key, message)...), nil
}

// WitnessVerifier reads a witness's public key, of type 4 (Ed25519 cosignature/v1).
func WitnessVerifier(vkey string) (note.Verifier, error) {
	v, err := formats.NewVerifierForCosignatureV1(vkey)
	if err != nil {
		return nil, fmt.Errorf("witness key %.200q: %w", vkey, err)
	}
	parts := strings.SplitN(vkey, "+", 3) // <name>+<hash>+<base64>
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) == 0 || key[0] != 4 {
		return nil, fmt.Errorf("witness key %s: want type 4 (Ed25519 cosignature/v1)", v.Name())
	}
	if parts[1] != fmt.Sprintf("%08x", v.KeyHash()) { // formats does not compare them
		return nil, fmt.Errorf("witness key %s: its hash %s does not belong to it", v.Name(), parts[1])
	}
	return v, nil
}

// Cosign adds a witness's cosignature to a checkpoint note, in place of an older one of the same key. It checks nothing: the caller has
// verified the log's signature and that this checkpoint extends the last one it cosigned, and has stored it (invariant 11).
func Cosign(signed []byte, w *Witness, now time.Time) ([]byte, error) {
	n, err := unverified(signed)
	if err != nil {
		return nil, fmt.Errorf("cosign as %s: %w", w.name, err)
	}
	if _, err := ParseCheckpoint(n.Text); err != nil {
		return nil, fmt.Errorf("cosign as %s: %w", w.name, err)
	}
	cosigned, err := note.Sign(n, w.At(now))
	if err != nil {
		return nil, fmt.Errorf("cosign as %s: %w", w.name, err)
	}
	return cosigned, nil
}
