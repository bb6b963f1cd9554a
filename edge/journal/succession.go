package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Log is the number of the log that goes on here: 1, and one more after each log.resumed.
func (j *Journal) Log() uint64 {
	return max(j.Epochs().Log, 1)
}

// BehindNote is the checkpoint that showed this log to be rolled back or forked; nil if it is not, or if that can no longer be read.
func (j *Journal) BehindNote() []byte {
	if !j.Behind() {
		return nil
	}
	signed, err := disk.ReadFile(j.disk, filepath.Join(j.dir, behindFile))
	if err != nil {
		return nil
	}
	return signed
}

// resume writes a batch up to and with the entry by which the log becomes its own successor, if there is one in it, and returns the rest, which is written under the successor's name. Whoever
// appended that entry hears of it when the successor's epoch has begun.
func (j *Journal) resume(batch []*waiting, now time.Time) (later []*waiting, err error) {
	i := slices.IndexFunc(batch, func(w *waiting) bool { return w.kind == protocol.KindResumed })
	if i < 0 {
		return batch, nil
	}
	asked := batch[i]
	entry := &waiting{kind: asked.kind, body: asked.body, answer: make(chan answer, 1)}
	err = j.put(append(batch[:i:i], entry), now)
	a := <-entry.answer
	if a.err == nil {
		if err = j.goOn(); err == nil {
			err = j.tendEpoch(now)
		}
		if err != nil {
			err = j.fail(err, now)
			a.err = err
		}
	}
	asked.answer <- a
	return batch[i+1:], err
}

// goOn makes what is in memory and on the disk that of the successor that has just begun.
func (j *Journal) goOn() error {
	if err := j.succeed(); err != nil {
		return err
	}
	if signed, err := disk.ReadFile(j.disk, filepath.Join(j.dir, cosignedFile)); err == nil && j.earlier(signed) > 0 {
		if err := j.recallDelivered(signed); err != nil {
			return err
		}
	}
	path := filepath.Join(j.dir, behindFile)
	if err := j.disk.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // it is of the log before this one, and no start takes it for this one's
		j.log.Warn("journal: what showed the log before this one to be behind cannot be removed", "file", path, "error", err)
	}
	return nil
}

// succeed has the key sign under the name of the log that goes on here, if that is another by now. What the witnesses said of the log before counts for this one no more: but what they had
// of it, and fits, need not be handed in again. It is called by who alone uses the journal, or by the writer.
func (j *Journal) succeed() error {
	name := protocol.LogOrigin(j.first.Name(), j.Log())
	if name == j.name() {
		return nil
	}
	signer, err := protocol.SignerUnder(name, j.first)
	if err != nil {
		return fmt.Errorf("log %d: %w", j.Log(), err)
	}
	j.cosigning.Lock()
	defer j.cosigning.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.signer, j.behind = signer, false
	j.cosigned, j.cosignedAt, j.cosignedNote, j.lacking = chain.Checkpoint{}, time.Time{}, nil, nil
	j.announce()
	return nil
}

// name is the present log's.
func (j *Journal) name() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.signer.Name()
}

// recallBehind reads whether this log was found rolled back or forked. What was found of the log before it is over; a file that cannot be read says that it was.
func (j *Journal) recallBehind() error {
	path := filepath.Join(j.dir, behindFile)
	if _, err := j.disk.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	signed, err := disk.ReadFile(j.disk, path)
	if err != nil {
		return err
	}
	j.behind = j.earlier(signed) == 0
	return nil
}

// earlier is the number of the log before this one that a checkpoint bears the name of; 0 for any other.
func (j *Journal) earlier(signed []byte) uint64 {
	line, _, _ := bytes.Cut(signed, []byte("\n"))
	first, log := protocol.ParseLogOrigin(string(line))
	if first != j.first.Name() || log >= j.Log() {
		return 0
	}
	return log
}

// recallDelivered reads how much of the log before this one its witnesses had.
func (j *Journal) recallDelivered(signed []byte) error {
	signer, err := protocol.SignerUnder(protocol.LogOrigin(j.first.Name(), j.earlier(signed)), j.first)
	if err != nil {
		return err
	}
	c, _, err := chain.OpenCheckpoint(signed, signer.Name(), ownKey{signer})
	if err == nil {
		err = j.compare(c)
	}
	if err != nil { // then all of it is handed in
		j.log.Warn("journal: the remembered checkpoint of the log before this one does not fit", "file", filepath.Join(j.dir, cosignedFile), "error", err)
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.delivered = c.Size
	return nil
}
