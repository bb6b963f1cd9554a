package journal

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const (
	epochFile  = "epoch.key"
	epochMagic = "BWEPOCHK"
	sealLook   = 30 * time.Second // how often the writer looks whether the epoch is over, when nobody writes
	sealBack   = time.Minute      // a clock that goes back further than this ends the epoch
)

// errUnsealed: see SealEpochs.
var errUnsealed = errors.New("journal: its epochs are sealed, and the folder of their keys has not been given")

// SealEpochs has the journal's epochs sealed from now on (protocol/chain, Forward security), with keys in the file epoch.key in the folder keys. A log that has no epochs begins the
// first behind its first entry. The epoch that ended while the recorder was off is sealed before this returns, and before anything else is written; one whose key is gone is not: the next
// begins with an entry that says why. On a log whose epochs are sealed already Append fails until this was called. The folder belongs in no backup.
func (j *Journal) SealEpochs(keys string) error {
	if err := disk.MkdirAll(j.disk, keys); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	slots, err := disk.NewSlots(j.disk, filepath.Join(keys, epochFile), epochMagic)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.mu.Lock()
	j.keys = slots
	j.mu.Unlock()
	return j.Ping(context.Background())
}

// Epochs is what the seals say so far.
func (j *Journal) Epochs() chain.Epochs {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.epochs
}

// tendEpoch begins or seals an epoch where that is due, before an entry of this moment.
func (j *Journal) tendEpoch(now time.Time) error {
	j.mu.Lock()
	head, e, keys := j.head, j.epochs, j.keys
	j.mu.Unlock()
	switch {
	case keys == nil && e.Key != "":
		return errUnsealed
	case keys == nil || head.Size == 0: // the first entry says whose log it is
		return nil
	case e.Key == "":
		return j.beginEpoch(keys, 0, "", now)
	case e.Anew:
		return j.beginEpoch(keys, e.Number+1, fmt.Sprintf("the log was resumed as log %d: what stands behind the last seal of the log before it was not sealed", e.Log), now)
	case e.Failed:
		return j.beginEpoch(keys, e.Number+1, fmt.Sprintf("the seals before this entry do not hold: %v", j.unsealed), now)
	}
	if !j.onlyKey { // of a start, or of a seal whose end failed
		key, why, err := j.epochKey(keys, e)
		if err != nil {
			return err
		}
		if key == nil {
			return j.beginEpoch(keys, e.Number+1, why, now)
		}
		clear(key.private)
		if err := keys.Only(e.Number); err != nil {
			return fmt.Errorf("the key of an epoch that is over cannot be destroyed: %w", err)
		}
		j.onlyKey = true
	}
	if j.epochAt.IsZero() {
		j.epochAt = e.Since.Time
	}
	if gone := protocol.T(now).Sub(j.epochAt); gone >= -sealBack && gone < chain.MaxEpoch {
		return nil
	}
	return j.sealEpoch(keys, head, e, now)
}

// sealEpoch ends the running epoch: the next key is on the disk before the seal, the old one is destroyed behind it.
func (j *Journal) sealEpoch(keys *disk.Slots, head chain.Head, e chain.Epochs, now time.Time) error {
	key, why, err := j.epochKey(keys, e)
	if err != nil {
		return err
	}
	if key == nil {
		return j.beginEpoch(keys, e.Number+1, why, now)
	}
	defer clear(key.private)
	next, err := j.newKey(keys, e.Number+1)
	if err != nil {
		return err
	}
	body, err := e.Seal(head, key, next, now)
	if err != nil {
		return err
	}
	return j.turnKey(keys, protocol.KindEpochSealed, body, now, e.Number+1)
}

// beginEpoch begins an epoch that no seal names.
func (j *Journal) beginEpoch(keys *disk.Slots, number uint64, lost string, now time.Time) error {
	key, err := j.newKey(keys, number)
	if err != nil {
		return err
	}
	if lost != "" {
		j.log.Error("journal: an epoch cannot be sealed: what stands behind the last seal is not proven, and the centre is told", "dir", j.dir, "epoch", number-1, "why", lost)
	}
	return j.turnKey(keys, protocol.KindEpochBegun, protocol.EpochBegun{Epoch: number, Key: key, Lost: lost}, now, number)
}

// turnKey writes the entry that names the key of an epoch, and destroys every other.
func (j *Journal) turnKey(keys *disk.Slots, kind string, body any, now time.Time, number uint64) error {
	b, err := chain.NewBody(body)
	if err != nil {
		return err
	}
	w := &waiting{kind: kind, body: b, answer: make(chan answer, 1)}
	if err := j.put([]*waiting{w}, now); err != nil {
		return err
	}
	if a := <-w.answer; a.err != nil {
		return a.err
	}
	j.epochAt, j.onlyKey = protocol.T(now).Time, false
	if err := keys.Only(number); err != nil {
		return fmt.Errorf("the key of an epoch that is over cannot be destroyed: %w", err)
	}
	j.onlyKey = true
	return nil
}

// newKey makes the key of an epoch and returns its public half once the private one is on the disk.
func (j *Journal) newKey(keys *disk.Slots, number uint64) (vkey string, err error) {
	seed := make([]byte, ed25519.SeedSize)
	defer clear(seed)
	if _, err := rand.Read(seed); err != nil {
		return "", err
	}
	if err := keys.Keep(number, seed); err != nil {
		return "", fmt.Errorf("the key of epoch %d cannot be kept: %w", number, err)
	}
	key := ed25519.NewKeyFromSeed(seed)
	defer clear(key)
	return note.NewEd25519VerifierKey(j.name(), key.Public().(ed25519.PublicKey))
}

// epochKey is the key of the running epoch, whose private half the caller wipes; nil, and why, where it is gone.
func (j *Journal) epochKey(keys *disk.Slots, e chain.Epochs) (key *epochKey, why string, err error) {
	seed, err := keys.Key(e.Number)
	if errors.Is(err, disk.ErrNoKey) {
		return nil, fmt.Sprintf("the key of epoch %d is not in %s: the file was lost, damaged, or put back from a copy", e.Number, epochFile), nil
	}
	if err != nil {
		return nil, "", err
	}
	defer clear(seed)
	public, err := note.NewVerifier(e.Key)
	if err != nil {
		return nil, "", err
	}
	key = &epochKey{public, ed25519.NewKeyFromSeed(seed)}
	if vkey, err := note.NewEd25519VerifierKey(public.Name(), key.private.Public().(ed25519.PublicKey)); err != nil || vkey != e.Key {
		clear(key.private)
		return nil, fmt.Sprintf("%s holds another key than this log names for epoch %d: the file or the log was put back from a copy", epochFile, e.Number), err
	}
	return key, "", nil
}

// epochKey is a note.Signer whose private key can be wiped. It is in memory only while it seals.
type epochKey struct {
	note.Verifier
	private ed25519.PrivateKey
}

func (k *epochKey) Sign(text []byte) ([]byte, error) { return ed25519.Sign(k.private, text), nil }
