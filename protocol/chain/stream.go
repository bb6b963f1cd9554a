package chain

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// gone is the line that stands for a destroyed body.
const gone = "-"

// WriteEntry writes an entry as two lines, in one Write.
func WriteEntry(w io.Writer, e Entry) error {
	body := e.Body
	if body == nil {
		body = []byte(gone)
	}
	b := make([]byte, 0, len(e.Header)+len(body)+2)
	b = append(append(b, e.Header...), '\n')
	b = append(append(b, body...), '\n')
	_, err := w.Write(b)
	return err
}

// WriteCheckpoint ends a stream: the empty line and the checkpoint note. Again: one more note.
func WriteCheckpoint(w io.Writer, signed []byte) error {
	_, err := w.Write(append([]byte{'\n'}, signed...))
	return err
}

// Fault is what is wrong with a log, and where.
type Fault struct {
	Seq    uint64 // the first entry that is not as it was written, counted from the start of the stream
	Before uint64 // how many entries just before it may have been written anew as well, where that cannot be told
	Line   uint64 // where it shows, counted from 1
	What   string
}

func (f *Fault) Error() string { return fmt.Sprintf("entry %d (line %d): %s", f.Seq, f.Line, f.What) }

// Reader reads a stream line by line. It checks the stream's form only; the chain is [Head]'s and [Verify]'s.
type Reader struct {
	in          *bufio.Reader
	line        uint64 // lines read so far
	entry       uint64 // line of the last entry's header
	seq         uint64 // entries and faults returned so far
	ended       bool
	checkpoints [][]byte
	err         error // of reading what follows the empty line
}

// NewReader reads a stream from r, with a buffer of its own.
func NewReader(r io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(r, MaxBody+1)} }

// Next returns the next entry; Body is nil where it was destroyed. It returns [io.EOF] after the last, a [*Fault] for lines that
// cannot be an entry, after which Next goes on with the lines behind it, and any other error of the underlying reader.
func (r *Reader) Next() (Entry, error) {
	if r.ended {
		return Entry{}, r.end()
	}
	header, err := r.read(MaxHeader)
	r.entry = r.line
	if err == nil && len(header) == 0 && r.goesOn() {
		return Entry{}, r.fault("", errEmpty)
	}
	if err == io.EOF || (err == nil && len(header) == 0) {
		r.ended = true
		if err == nil {
			r.readCheckpoint()
		}
		return Entry{}, r.end()
	}
	if err != nil {
		return Entry{}, r.fault("header: ", err)
	}
	e := Entry{Header: append([]byte(nil), header...)} // the next read overwrites header
	body, err := r.read(MaxBody)
	if err == nil && len(body) == 0 && r.goesOn() {
		return Entry{}, r.fault("body: ", errEmpty)
	}
	if err == io.EOF || (err == nil && len(body) == 0) {
		r.ended = true
		if err == nil {
			r.readCheckpoint()
		}
		return Entry{}, r.fault("", errors.New("its body is missing: the entries end after its header"))
	}
	if err != nil {
		return Entry{}, r.fault("body: ", err)
	}
	if string(body) != gone {
		e.Body = append([]byte(nil), body...)
	}
	r.seq++
	return e, nil
}

// Checkpoint is the note that ends the stream, nil if there is none; known once Next has returned [io.EOF].
func (r *Reader) Checkpoint() []byte {
	if len(r.checkpoints) == 0 {
		return nil
	}
	return r.checkpoints[len(r.checkpoints)-1]
}

// Checkpoints are all notes behind the entries, in the order of the stream; known once Next has returned [io.EOF].
func (r *Reader) Checkpoints() [][]byte { return r.checkpoints }

// Line is the number of the line on which the last entry or fault began, counted from 1.
func (r *Reader) Line() uint64 { return r.entry }

func (r *Reader) end() error {
	if r.err != nil {
		return r.err
	}
	return io.EOF
}

var (
	errTorn  = errors.New("the stream ends within a line")
	errLong  = errors.New("the line is too long")
	errEmpty = errors.New("an empty line stands in its place")
)

// fault turns an error of form into a Fault and passes any other on.
func (r *Reader) fault(part string, err error) error {
	if !r.ended && !errors.Is(err, errTorn) && !errors.Is(err, errLong) && !errors.Is(err, errEmpty) {
		return err
	}
	f := &Fault{Seq: r.seq, Line: r.entry, What: part + err.Error()}
	r.seq++
	return f
}

// read returns one line without its newline, good until the next read. io.EOF only where a line could have begun.
func (r *Reader) read(limit int) ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if len(line) > 0 {
		r.line++
	}
	switch {
	case err == bufio.ErrBufferFull:
		for err == bufio.ErrBufferFull {
			_, err = r.in.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		return nil, errLong
	case err == io.EOF && len(line) > 0:
		return nil, errTorn
	case err != nil:
		return nil, err
	}
	if line = line[:len(line)-1]; len(line) > limit {
		return nil, errLong
	}
	return line, nil
}

// goesOn is whether what stands behind an empty line cannot be a checkpoint, since it is an entry or again an empty line.
func (r *Reader) goesOn() bool {
	next, err := r.in.Peek(1)
	return err == nil && (next[0] == '{' || next[0] == '\n')
}

func (r *Reader) readCheckpoint() {
	b, err := io.ReadAll(io.LimitReader(r.in, MaxCheckpoints*(MaxCheckpoint+1)))
	if err != nil {
		r.err = err
		return
	}
	r.checkpoints = notes(b)
}

// notes takes a series of notes apart: each is a text, an empty line and signatures, with an empty line between one and the next. What is not so stays whole; whoever opens it says what is wrong with it.
func notes(b []byte) [][]byte {
	parts := bytes.SplitAfter(b, []byte("\n\n"))
	if len(parts)%2 != 0 {
		return [][]byte{b}
	}
	var list [][]byte
	for i := 0; i < len(parts); i += 2 {
		signed := slices.Concat(parts[i], parts[i+1])
		if i+2 < len(parts) {
			signed = signed[:len(signed)-1] // the empty line before the next
		}
		list = append(list, signed)
	}
	return list
}
