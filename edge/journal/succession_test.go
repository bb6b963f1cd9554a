package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// order is what makes a log its own successor.
func (w *world) order(log uint64) protocol.Resumed {
	w.t.Helper()
	raw, err := protocol.Compose(protocoltest.NewTown(w.t, start).Resume("r-1", log))
	w.must(err)
	return protocol.Resumed{Log: log, Document: string(raw)}
}

// elsewhere is a cosigned checkpoint over so many entries of a log that is not this one.
func (w *world) elsewhere(signer note.Signer, size uint64) []byte {
	w.t.Helper()
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: signer.Name(), Size: size, Root: protocol.HashOf([]byte("elsewhere"))}, signer)
	w.must(err)
	for _, x := range w.witness {
		signed, err = chain.Cosign(signed, x, w.now())
		w.must(err)
	}
	return signed
}

// A recorder of which everything was put back but the keys: nothing is served until the resume order, which may come while others write; then it goes on under the next name, and what the
// witnesses said of the log before neither holds it back nor counts for it. All of it verifies with the key of the first.
func TestI13_ResumedLogGoesOnAsItsSuccessor(t *testing.T) {
	w := newSealed(t)
	j := w.open()
	w.fill(j, 3)
	w.pass(time.Hour)
	w.fill(j, 2)
	first := w.cosign(j, w.now(), w.witness...)
	w.must(j.Cosigned(first, w.witnesses, 2))
	covered := j.Head().Size
	w.must(j.Close())
	backup := t.TempDir()
	w.must(os.CopyFS(filepath.Join(backup, "journal"), os.DirFS(w.dir)))
	j = w.open()
	w.pass(time.Hour)
	w.fill(j, 4)
	lost := w.cosign(j, w.now(), w.witness...)
	w.must(j.Close())
	w.must(os.RemoveAll(w.dir))
	w.must(os.CopyFS(w.dir, os.DirFS(filepath.Join(backup, "journal"))))

	j = w.open()
	w.must(j.Cosigned(first, w.witnesses, 2)) // as a start does with what it remembers
	w.fill(j, 2)
	if err := j.Cosigned(lost, w.witnesses, 2); !errors.Is(err, ErrBehind) || string(j.BehindNote()) != string(lost) {
		t.Fatalf("%v, %q", err, j.BehindNote())
	}
	var others sync.WaitGroup
	for range 20 {
		others.Go(func() {
			if _, err := j.Append(context.Background(), protocol.KindIncident, protocol.Incident{What: "test"}); err != nil {
				t.Errorf("who writes meanwhile: %v", err)
			}
		})
	}
	for _, wrong := range []uint64{1, 3} {
		order := w.order(max(wrong, 2))
		order.Log = wrong
		if _, err := j.Append(context.Background(), protocol.KindResumed, order); err == nil || j.Log() != 1 || !j.Behind() {
			t.Errorf("resumed as log %d: %v", j.Log(), err)
		}
	}
	resumed, err := j.Append(context.Background(), protocol.KindResumed, w.order(2))
	w.must(err)
	others.Wait()
	for range 2 {
		if j.Behind() || j.BehindNote() != nil || j.Log() != 2 {
			t.Fatalf("log %d, behind: %v", j.Log(), j.Behind())
		}
		if size, at := j.CosignedHead(); size != 0 || !at.IsZero() || j.CosignedNote() != nil {
			t.Errorf("cosigned %d at %s before any witness has seen it", size, at)
		}
		if size, _ := j.Delivered(); size != covered {
			t.Errorf("%d entries need not be handed in again, the witnesses have %d of these", size, covered)
		}
		for _, old := range [][]byte{first, lost} { // which brokers keep
			if err := j.Cosigned(old, w.witnesses, 2); err == nil || errors.Is(err, ErrBehind) || j.Behind() {
				t.Errorf("a checkpoint of the log before: %v", err)
			}
		}
		body := access("plein", span(0, 60))
		if _, err := j.Access(context.Background(), protocol.KindView, body, "plein", body.Interval); err != nil {
			t.Errorf("an access: %v", err)
		}
		w.must(j.Close())
		j = w.open()
	}
	mine := w.cosign(j, w.now(), w.witness...)
	if !strings.HasPrefix(string(mine), origin+"/2\n") {
		t.Errorf("signed as %s", mine)
	}
	w.must(j.Cosigned(mine, w.witnesses, 2))
	w.pass(time.Hour)
	w.fill(j, 1)
	w.must(j.Close())
	d, err := w.verify()
	if err != nil || len(d.Resumed) != 1 || d.Resumed[0].Seq != resumed || len(d.Breaks) != 2 || d.Breaks[1].Seq != resumed+1 || d.Epochs.Log != 2 || !d.Quorum || !d.Matches || d.Epochs.Sealed <= resumed {
		t.Errorf("%v: %+v", err, d)
	}
	// It can fall behind again, and be resumed again.
	j = w.open()
	signer, err := protocol.SignerUnder(origin+"/2", w.signer)
	w.must(err)
	if err := j.Cosigned(w.elsewhere(signer, 5), w.witnesses, 2); !errors.Is(err, ErrBehind) {
		t.Errorf("a fork of the successor: %v", err)
	}
	w.must(j.Close())
	j = w.open()
	if !j.Behind() {
		t.Error("a restart forgets that the successor is behind")
	}
	_, err = j.Append(context.Background(), protocol.KindResumed, w.order(3))
	if w.must(err); j.Behind() || j.Log() != 3 {
		t.Errorf("log %d, behind: %v", j.Log(), j.Behind())
	}
}
