package chain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Witnessed is a checkpoint of a stream, held against the entries before it.
type Witnessed struct {
	Checkpoint   *Checkpoint   // signed by the log
	Signed       []byte        // its note, with the cosignatures
	Matches      bool          // the entries give the checkpoint's root
	CoveredTime  protocol.Time // where they do: of the last entry under the checkpoint, by the log's clock
	Cosignatures []Cosignature
	Quorum       bool     // at least Verifier.Quorum, and that at least 1
	Forged       []string // witnesses in whose name there is a cosignature that their key did not make
}

// judge compares what was read with the stream's checkpoints. One that is wrong does not keep the others from being judged.
func (d *Verdict) judge(in *Reader, v Verifier, tree *leaves) error {
	d.Uncovered = d.Entries
	var wrong []error
	for _, signed := range in.Checkpoints() {
		c, cosigned, err := OpenSuccessor(signed, v.Origin, v.Log, v.Witnesses...)
		if err != nil {
			if !slices.ContainsFunc(wrong, func(same error) bool { return same.Error() == err.Error() }) {
				wrong = append(wrong, err)
			}
			continue
		}
		d.Witnesses = append(d.Witnesses, Witnessed{Checkpoint: &c, Signed: signed, Cosignatures: cosigned, Quorum: v.Quorum > 0 && len(cosigned) >= v.Quorum, Forged: forged(signed, v.Witnesses)})
	}
	slices.SortStableFunc(d.Witnesses, func(a, b Witnessed) int { return cmp.Compare(a.Checkpoint.Size, b.Checkpoint.Size) })
	read, under := d.Entries, uint64(0) // under the last checkpoint that matches
	for i := range d.Witnesses {
		w := &d.Witnesses[i]
		if c := w.Checkpoint; c.Size > read {
			if d.Fault == nil {
				d.Fault = &Fault{Seq: read, Line: in.Line(), What: fmt.Sprintf("missing: the checkpoint covers %d entries, the log ends after %d", c.Size, read)}
			}
		} else if fault := w.match(tree, under, in.Line()); fault == nil {
			under = c.Size
		} else if d.Fault == nil || fault.Seq < d.Fault.Seq {
			d.Fault, d.Entries = fault, fault.Seq
		}
		if w.Quorum || !d.Quorum {
			d.Witnessed = *w
		}
		if _, log := protocol.ParseLogOrigin(w.Checkpoint.Origin); d.Fault == nil && log > max(d.Epochs.Log, 1) { // otherwise who forked a log could go on under another name, without anybody's order
			wrong = append(wrong, fmt.Errorf("the checkpoint of %d entries is of log %d, and no entry says that the log was resumed as that", w.Checkpoint.Size, log))
		}
	}
	if d.Checkpoint != nil {
		d.Uncovered = read - min(d.Checkpoint.Size, read)
	}
	if len(wrong) > 0 && d.Fault != nil {
		wrong = append([]error{d.Fault}, wrong...)
	}
	return errors.Join(wrong...)
}

// match holds a checkpoint against the entries, of which it covers no more than there are; under of them are as they were when an earlier one was signed.
func (w *Witnessed) match(tree *leaves, under, line uint64) *Fault {
	c := w.Checkpoint
	root := tree.rootAt(c.Size)
	if w.Matches = root == c.Root; w.Matches {
		if c.Size > 0 {
			w.CoveredTime = tree.timeOf(c.Size - 1)
		}
		return nil
	}
	// The chain is whole, so the change is in the last covered header, or everything from some entry on was written anew.
	f := &Fault{Line: line, What: fmt.Sprintf("the first %d entries give root %s, the checkpoint says %s: this entry was altered, or entries up to it were written anew", c.Size, root, c.Root)}
	if under > 0 {
		f.What += fmt.Sprintf(", from entry %d on", under)
	}
	if c.Size > 0 {
		f.Seq, f.Line = c.Size-1, 2*c.Size-1
		f.Before = f.Seq - min(under, f.Seq)
	}
	return f
}

// maxStill is how much later than the log's last entry a checkpoint may be cosigned, of a log that a seal is added to each hour.
const maxStill = 24 * time.Hour

// TooLate says that a cosignature is of a time at which there would have been another seal: the witness's clock or the log's is wrong, or the log stood still. What a recorder hands in late, after days without a
// line, is cosigned late as well: there the entries behind it show that the log went on.
func (d *Verdict) TooLate(w Witnessed, c Cosignature) bool {
	return w.Matches && d.Epochs.Key != "" && w.Checkpoint.Size > d.Epochs.First && c.Time.Sub(d.Head.Time.Time) > maxStill
}

// forged are the witnesses in whose name, and under whose key's hash, something stands beneath a note that does not verify.
func forged(signed []byte, witnesses []note.Verifier) (names []string) {
	for _, w := range witnesses {
		_, err := note.Open(signed, note.VerifierList(w))
		var bad *note.InvalidSignatureError
		if errors.As(err, &bad) && !slices.Contains(names, w.Name()) {
			names = append(names, w.Name())
		}
	}
	return names
}

// Cosigners are who seems to have cosigned a checkpoint note, as name and key hash, unverified: to tell two notes of one log apart whose cosignatures were verified before.
func Cosigners(signed []byte) ([]string, error) {
	n, err := unverified(signed)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return nil, err
	}
	return cosigners(c.Origin, n), nil
}

func cosigners(origin string, n *note.Note) (by []string) {
	for _, s := range n.UnverifiedSigs {
		if s.Name != origin {
			by = append(by, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
		}
	}
	return by
}

// FirstAndNewest leaves of checkpoint notes of one log, whose cosignatures were verified before, the first and the newest of each witness, the smallest first, and one less than may end a stream. Of two of the
// same entries the signatures go together; of one key the later note's counts.
func FirstAndNewest(notes [][]byte) ([][]byte, error) {
	type one struct {
		Checkpoint
		*note.Note
	}
	var all []one
	for _, signed := range notes {
		n, err := unverified(signed)
		if err != nil {
			return nil, fmt.Errorf("cosigned checkpoint: %w", err)
		}
		c, err := ParseCheckpoint(n.Text)
		if err != nil {
			return nil, fmt.Errorf("cosigned checkpoint: %w", err)
		}
		i := slices.IndexFunc(all, func(o one) bool { return o.Checkpoint == c })
		if i < 0 {
			all = append(all, one{Checkpoint: c, Note: n})
			continue
		}
		others := slices.DeleteFunc(all[i].UnverifiedSigs, func(old note.Signature) bool {
			return slices.ContainsFunc(n.UnverifiedSigs, func(s note.Signature) bool { return s.Name == old.Name && s.Hash == old.Hash })
		})
		all[i].UnverifiedSigs = append(n.UnverifiedSigs, others...)
	}
	slices.SortStableFunc(all, func(a, b one) int { return cmp.Compare(a.Size, b.Size) })
	first, newest := map[string]int{}, map[string]int{}
	for i, o := range all {
		for _, by := range cosigners(o.Origin, o.Note) {
			if _, ok := first[by]; !ok {
				first[by] = i
			}
			newest[by] = i
		}
	}
	var left [][]byte
	for i, o := range all {
		if !slices.ContainsFunc(cosigners(o.Origin, o.Note), func(by string) bool { return first[by] == i || newest[by] == i }) {
			continue
		}
		signed, err := note.Sign(o.Note)
		if err != nil {
			return nil, fmt.Errorf("cosigned checkpoint: %w", err)
		}
		left = append(left, signed)
	}
	const room = MaxCheckpoints - 1
	if len(left) > room { // many keys of witnesses came and went
		left = slices.Delete(left, room/2, len(left)-room/2)
	}
	return left, nil
}

// MostCosigned is how many entries the note covers that most witnesses cosigned, of those that cover at least so many, and how many they are; of several the newest. Where none covers them both are 0. The
// cosignatures were verified before.
func MostCosigned(notes [][]byte, least uint64) (size uint64, by int, err error) {
	for _, signed := range notes {
		n, err := unverified(signed)
		if err != nil {
			return 0, 0, fmt.Errorf("cosigned checkpoint: %w", err)
		}
		c, err := ParseCheckpoint(n.Text)
		if err != nil {
			return 0, 0, fmt.Errorf("cosigned checkpoint: %w", err)
		}
		if all := len(cosigners(c.Origin, n)); c.Size >= least && (all > by || all == by && c.Size > size) {
			size, by = c.Size, all
		}
	}
	return size, by, nil
}

// EndAt is where an export ends that need not cover more than least entries: at the note of MostCosigned, with those that cover no more. Where none covers as many, size is 0 and all are left.
func EndAt(notes [][]byte, least uint64) (left [][]byte, size uint64, err error) {
	size, _, err = MostCosigned(notes, least)
	if err != nil || size == 0 {
		return notes, 0, err
	}
	for _, signed := range notes {
		c, err := UnverifiedCheckpoint(signed)
		if err != nil {
			return nil, 0, err
		}
		if c.Size <= size {
			left = append(left, signed)
		}
	}
	return left, size, nil
}
