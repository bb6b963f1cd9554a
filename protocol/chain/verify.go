package chain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Verifier is what a log is judged by: whose log it must be, and which witnesses count.
type Verifier struct {
	Origin    string          // of the first log: a successor's checkpoint is accepted too
	Log       note.Verifier   // of protocol.NewVerifier
	Witnesses []note.Verifier // see [WitnessVerifier]
	Quorum    int             // how many of them must have cosigned

	// Each, if set, is shown every sound entry whose kind is among Kinds (of any kind where that is nil), in order, with the head of the log before it; its body is nil where it was destroyed. What it is shown is good until it returns. It and Progress are
	// called by one goroutine at a time, not always the same.
	Kinds []string
	Each  func(before Head, e Entry)

	// Progress, if set, is told now and then how many entries have been read.
	Progress func(entries uint64)
}

func (v Verifier) watches(kind []byte) bool {
	return v.Each != nil && (v.Kinds == nil || slices.ContainsFunc(v.Kinds, func(k string) bool { return k == string(kind) }))
}

const progressEach = 4096

// Verdict is what [Verify] found. The log is proven up to Checkpoint.Size when Fault is nil, Matches and Quorum are true; what comes
// after that is merely well chained, and signed by the log as far as the last of Witnesses goes.
type Verdict struct {
	Entries   uint64 // read and sound, up to the first fault
	Destroyed uint64 // of those, bodies that are gone, since their term was over (see Retention; one that went before is a Fault)
	Unsaid    uint64 // of those, not destroyed by an entry of this log
	Doubted   bool   // that some of these went after their term shows only a cosignature that is TooLate
	Uncovered uint64 // of those, not yet covered by the checkpoint

	Head Head // of the entries that chain

	Epochs Epochs  // of the entries that chain: from Epochs.First on the log is forward secure, up to Epochs.Sealed, except for Breaks
	Breaks []Break // in order

	Resumed []Resumption // in order: the log went on as its own successor

	gone Gone

	Witnessed             // the newest that a quorum cosigned, or the newest; its Checkpoint is nil if the stream ends without one
	Witnesses []Witnessed // all checkpoints of the stream, the smallest first

	Fault *Fault // the first bad entry; nil if none
}

// Break is where the key of an epoch was lost before its seal. Nothing sealed is touched by it; what stood behind the last seal may have been changed or left out.
type Break struct {
	From uint64 // the first entry behind the last seal before it
	Seq  uint64 // the entry that says so, and begins the next epoch
	Why  string // in the words of the recorder
}

// Resumption is where a log went on under its successor's name. Who allowed that stands in Document, whose signatures are for the caller to judge.
type Resumption struct {
	Seq      uint64
	Log      uint64 // the successor's number
	Document string // a resume order, as signed
}

// Verify reads a whole log, from its first entry, and recomputes everything. A log with something wrong gives an error: the
// Verdict's *Fault, or what is wrong with the checkpoint or with reading; the Verdict then still says what was found. A log
// without a checkpoint, without cosignatures enough, or with entries not yet covered is not wrong; the Verdict says so. It uses all
// processors and keeps 41 bytes an entry.
func Verify(r io.Reader, v Verifier) (Verdict, error) {
	d := Verdict{gone: Gone{}}
	var tree leaves
	rest := d.inBlocks(r, v, &tree)
	err := d.oneByOne(rest, v, &tree)
	return d, err
}

// oneByOne reads a log from where the verdict stands to its end. It alone says what is wrong.
func (d *Verdict) oneByOne(r io.Reader, v Verifier, tree *leaves) error {
	in := NewReader(r)
	in.seq, in.line = d.Head.Size, 2*d.Head.Size
	for {
		e, err := in.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = d.add(e, in, v, tree)
		}
		if errors.As(err, &d.Fault) {
			break
		}
		if err != nil {
			return fmt.Errorf("after entry %d: %w", d.Head.Size, err)
		}
		if v.Progress != nil && d.Head.Size%progressEach == 0 {
			v.Progress(d.Head.Size)
		}
	}
	d.Entries = d.Head.Size
	if d.Fault != nil {
		d.Entries = min(d.Entries, d.Fault.Seq)
		if err := drain(in); err != nil { // a broken log may still carry a sound checkpoint, which says how far it once reached
			return errors.Join(d.Fault, err)
		}
	}
	if v.Progress != nil {
		v.Progress(d.Head.Size)
	}
	if err := d.judge(in, v, tree); err != nil {
		return err
	}
	d.retention()
	if d.Fault != nil {
		return d.Fault
	}
	return nil
}

// add takes the next entry, or says with a *Fault which entry is the first that is not as it was written.
func (d *Verdict) add(e Entry, in *Reader, v Verifier, tree *leaves) error {
	line, due := in.Line(), d.Head.Size
	var found *Fault
	fault := func(seq uint64, format string, a ...any) error {
		return &Fault{Seq: seq, Line: line, What: fmt.Sprintf(format, a...)}
	}
	h, err := ParseHeader(e.Header)
	if err != nil && bytes.HasSuffix(e.Header, []byte("\r")) {
		return fault(due, "its line ends as on Windows: a program has converted the file, fetch it anew")
	} else if err != nil {
		return fault(due, "%v", err)
	}
	switch {
	case h.Seq != due && due > 0 && h.Seq == due-1:
		return fault(due-1, "two entries are numbered %d, here and just before: one was inserted", due-1)
	case h.Seq != due:
		if next, ok := peek(in); ok && next.Seq == due+1 {
			return fault(due, "its number was altered to %d", h.Seq)
		}
		return fault(due, "entry %d stands in its place: entry %d was removed or moved", h.Seq, due)
	case h.Prev != d.Head.Last && due == 0:
		return fault(0, "it names a header before it, but it is the first")
	case h.Prev != d.Head.Last:
		// Either this header was altered or the one before it. If the next one cites this header as it stands, this one is whole.
		if next, ok := peek(in); !ok {
			return fault(due-1, "entry %d does not cite its header: one of the two was altered", due)
		} else if next.Prev == protocol.HashOf(e.Header) {
			return fault(due-1, "its header was altered: entry %d cites another", due)
		}
		return fault(due, "its header was altered or inserted: it does not cite the one before, nor does the one after cite it")
	case h.Time.Before(d.Head.Time.Time):
		return fault(due, "its time %s is before the previous entry's %s", h.Time, d.Head.Time)
	}
	if e.Body == nil {
		if err := d.gone.missing(h, e.Header); err != nil {
			return fault(due, "%v", err)
		}
		d.Destroyed++
	} else if err := h.CheckBody(e.Body); err != nil {
		return fault(due, "%v", err)
	}
	err = d.epoch(v.Origin, h, e.Body, nil)
	if err == nil && h.Kind == protocol.KindBodiesDestroyed {
		err = d.gone.destroyed(h, e.Body)
	}
	if errors.As(err, &found) {
		found.Line = 2*found.Seq + 1
		return found
	}
	if v.watches([]byte(h.Kind)) {
		v.Each(d.Head, e)
	}
	hashes := d.Head.Hashes(e.Header)
	tree.tail, tree.tailTimes = append(tree.tail, hashes[0]), append(tree.tailTimes, h.Time.UnixMilli())
	d.Head.push(h, e.Header, hashes)
	return nil
}

// epoch holds an entry against the seals; its own may have been opened already.
func (d *Verdict) epoch(origin string, h Header, body []byte, seal *openedSeal) error {
	breaks, sealed := d.Epochs.Breaks, d.Epochs.Sealed
	if err := d.Epochs.take(origin, d.Head, h, body, seal); err != nil {
		return err
	}
	if d.Epochs.Breaks > breaks {
		var b protocol.EpochBegun
		if err := ParseBody(body, &b); err != nil {
			return err
		}
		d.Breaks = append(d.Breaks, Break{From: sealed, Seq: h.Seq, Why: b.Lost})
	}
	if h.Kind == protocol.KindResumed {
		var b protocol.Resumed
		if err := ParseBody(body, &b); err != nil {
			return err
		}
		d.Resumed = append(d.Resumed, Resumption{h.Seq, b.Log, b.Document})
	}
	return nil
}

// retention judges the bodies that are gone by the latest time that the log and its witnesses tell. A log that ended, since it has a successor, is cosigned for this alone long after its last entry, and a witness may
// be wrong about the time: so what shows only then is neither called missing nor shown.
func (d *Verdict) retention() {
	grew := d.Head.Time.Time
	latest := grew
	for _, w := range d.Witnesses {
		for _, c := range w.Cosignatures {
			if c.Time.After(latest) {
				latest = c.Time
			}
			if c.Time.After(grew) && !d.TooLate(w, c) {
				grew = c.Time
			}
		}
	}
	unsaid, fault := d.gone.judge(latest)
	if _, early := d.gone.judge(grew); fault == nil && early != nil {
		d.Doubted = true
	}
	d.Unsaid = unsaid
	if fault != nil && (d.Fault == nil || fault.Seq < d.Fault.Seq) {
		d.Fault, d.Entries = fault, min(d.Entries, fault.Seq)
	}
}

// peek reads one entry further, to tell two causes apart. Its reader has found a fault and goes no further itself.
func peek(in *Reader) (Header, bool) {
	e, err := in.Next()
	if err != nil {
		return Header{}, false
	}
	h, err := ParseHeader(e.Header)
	return h, err == nil
}

// drain reads on to the checkpoint, past whatever else is wrong.
func drain(in *Reader) error {
	for {
		_, err := in.Next()
		var fault *Fault
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.As(err, &fault) {
			return err
		}
	}
}
