package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const (
	headersFile  = "headers.log"
	hashesFile   = "hashes"
	cosignedFile = "cosigned"
	behindFile   = "behind"
)

// goneLine stands in the place of a body that was destroyed.
const goneLine = "-"

func bodiesFile(month string) string { return "bodies-" + month + ".log" }
func monthOf(t protocol.Time) string { return protocol.MonthOf(t) }

// place is where an entry begins in the files.
type place struct {
	header int64  // offset in headers.log
	month  string // of the bodies file in use; "" before the first entry
	body   int64  // offset in it
}

// cursor reads entries one after the other from the files. It checks lines, not the chain.
type cursor struct {
	disk    disk.Disk
	dir     string
	at      place // where the next entry begins
	headers disk.File
	bodies  disk.File // nil: this month's bodies have been destroyed
	hr, br  *bufio.Reader
}

func openCursor(d disk.Disk, dir string, at place) (*cursor, error) {
	f, err := disk.Open(d, filepath.Join(dir, headersFile))
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(at.header, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c := &cursor{disk: d, dir: dir, headers: f, at: at, hr: bufio.NewReaderSize(f, 64<<10)}
	if at.month != "" {
		if err := c.openBodies(); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return c, nil
}

func (c *cursor) openBodies() error {
	if c.bodies != nil {
		if err := c.bodies.Close(); err != nil {
			return err
		}
	}
	c.bodies, c.br = nil, nil
	f, err := disk.Open(c.disk, filepath.Join(c.dir, bodiesFile(c.at.month)))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c.bodies = f
	// The file itself, no SectionReader: that gives data and EOF in one call, and bufio would then tell of an end that is no longer there. A body
	// must be looked for after its header was seen.
	c.br = bufio.NewReaderSize(f, chain.MaxBody+1)
	_, err = f.Seek(c.at.body, io.SeekStart)
	return err
}

func (c *cursor) Close() error {
	err := c.headers.Close()
	if c.bodies != nil {
		err = errors.Join(err, c.bodies.Close())
	}
	return err
}

// torn is the error of a line that is not whole: it stands at the end of a file after a crash, or was damaged.
type torn struct {
	file string
	what string
}

func (t *torn) Error() string { return t.file + ": " + t.what }

// next returns the entry at the cursor, its header parsed, and moves behind it. It returns io.EOF behind the last header, and a *torn
// error, without moving, where a line is not whole or is no header. The lines are then as far as they could be read.
func (c *cursor) next() (chain.Entry, chain.Header, error) {
	line, err := readLine(c.hr, headersFile)
	if err != nil {
		return chain.Entry{}, chain.Header{}, err
	}
	e := chain.Entry{Header: line}
	h, headerErr := chain.ParseHeader(line)
	if month := monthOf(h.Time); headerErr == nil && month > c.at.month {
		c.at.month, c.at.body = month, 0
		if err := c.openBodies(); err != nil {
			return e, h, err
		}
	}
	if c.br != nil {
		e.Body, err = readLine(c.br, bodiesFile(c.at.month))
		if err == io.EOF {
			err = &torn{bodiesFile(c.at.month), "ends before the body of this entry"}
		}
	}
	if headerErr != nil {
		err = &torn{headersFile, headerErr.Error()}
	}
	if err != nil {
		return e, h, err
	}
	c.at.header += int64(len(e.Header)) + 1
	if e.Body != nil {
		c.at.body += int64(len(e.Body)) + 1
	}
	if string(e.Body) == goneLine {
		e.Body = nil
	}
	return e, h, nil
}

// readLine returns a line without its newline; io.EOF only where no line begins.
func readLine(r *bufio.Reader, file string) ([]byte, error) {
	line, err := r.ReadBytes('\n')
	switch {
	case err == io.EOF && len(line) > 0:
		return line, &torn{file, "ends within a line"}
	case err != nil:
		return nil, err
	}
	return line[:len(line)-1], nil
}

// OpenLog reads the journal in dir as a stream (the form chain.Verify reads): all whole entries, and the last cosigned checkpoint if
// there is one. It takes no lock and works while a recorder writes; a last line that is still being written is left out. It judges
// nothing: damaged lines are passed on as they are, for Verify to find.
func OpenLog(dir string) (io.ReadCloser, error) {
	// The checkpoint first: what it covers is in the files by then.
	cosigned, err := disk.ReadFile(disk.OS, filepath.Join(dir, cosignedFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	c, err := openCursor(disk.OS, dir, place{})
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return &stream{cursor: c, cosigned: cosigned}, nil
}

type stream struct {
	*cursor
	cosigned []byte
	pending  bytes.Buffer
	ended    bool
}

func (s *stream) Read(p []byte) (int, error) {
	for s.pending.Len() == 0 {
		if s.ended {
			return 0, io.EOF
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	return s.pending.Read(p)
}

func (s *stream) fill() error {
	e, _, err := s.next()
	var t *torn
	switch {
	case errors.As(err, &t) && e.Header != nil:
		if e.Body == nil && s.br != nil { // the header is whole and its body is not there: the empty line says so
			s.ended = true
			s.pending.Write(append(e.Header, '\n'))
			s.finish()
			return nil
		}
	case err == io.EOF, errors.As(err, &t):
		s.ended = true
		s.finish()
		return nil
	case err != nil:
		return err
	}
	return chain.WriteEntry(&s.pending, e)
}

func (s *stream) finish() {
	if s.cosigned != nil {
		s.pending.WriteByte('\n')
		s.pending.Write(s.cosigned)
	}
}
