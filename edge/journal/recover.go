package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// recover reads the whole log, checks that it chains, cuts a torn tail back to the last whole entry, and leaves head, marks and at as
// they are for the next entry. It refuses a log that is broken anywhere else.
func (j *Journal) recover() error {
	c, err := openCursor(j.disk, j.dir, place{})
	if err != nil {
		return err
	}
	defer c.Close() // only read from
	hashes, err := checkHashes(j.disk, filepath.Join(j.dir, hashesFile))
	if err != nil {
		return err
	}
	defer hashes.f.Close() // not synced: it can be computed again

	var tail error
	for {
		at := c.at
		e, h, err := c.next()
		var t *torn
		if err == io.EOF {
			break
		}
		if err == nil {
			before, stored := j.head, j.head.Hashes(e.Header)
			if err = j.add(e, h); err == nil {
				err = hashes.add(stored)
			}
			if err == nil {
				j.count(h, e.Body)
				if wrong := j.epochs.Next(j.first.Name(), before, h, e.Body); wrong != nil && j.unsealed == nil { // the chain is whole: it is said, and an epoch begun anew
					j.unsealed = wrong
				}
			}
		}
		if errors.As(err, &t) {
			if err := c.onlyTail(t); err != nil {
				return fmt.Errorf("%s: entry %d: %w", j.dir, j.head.Size, err)
			}
			c.at, tail = at, t
			if h.V != 0 && monthOf(h.Time) > at.month { // its month began with it
				c.at.month, c.at.body = monthOf(h.Time), 0
			}
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w; copy the directory and have it looked at, this is not what a crash leaves", j.dir, err)
		}
		j.mark(j.head.Size-1, at, h)
	}
	if j.head.Size > 0 && monthOf(j.head.Time) == c.at.month && c.bodies == nil {
		return fmt.Errorf("%s: %s is missing, the newest entries stand in it", j.dir, bodiesFile(c.at.month))
	}
	if err := j.cutTail(c.at, tail); err != nil {
		return err
	}
	from, err := hashes.finish(chain.HashCount(j.head.Size))
	if err != nil {
		return fmt.Errorf("%s: %w", hashesFile, err)
	}
	if from >= 0 && j.head.Size > 0 {
		j.log.Warn("journal: stored hashes were missing or wrong and have been computed again", "dir", j.dir, "from", from)
	}
	j.at = c.at
	return j.fasten()
}

// fasten makes sure that the last batch is on the disk, and not only in the machine's memory: what is told to the witnesses from here on must be there after a power cut.
func (j *Journal) fasten() error {
	if j.head.Size == 0 {
		return nil
	}
	from := j.marks[(j.head.Size-1)/markEvery]
	if i := (j.head.Size - 1) / markEvery; i > 0 {
		from = j.marks[i-1] // so that it is all of the batch
	}
	if err := again(j.disk, filepath.Join(j.dir, headersFile), from.header); err != nil {
		return err
	}
	months, err := bodyMonths(j.disk, j.dir)
	for _, m := range months {
		at := int64(0)
		if m == from.month {
			at = from.body
		}
		if err == nil && m >= from.month && m <= j.at.month {
			err = again(j.disk, filepath.Join(j.dir, bodiesFile(m)), at)
		}
	}
	return err
}

// add advances the head by an entry whose body may have been destroyed. A body that is not even in a body's form is torn.
func (j *Journal) add(e chain.Entry, h chain.Header) error {
	if e.Body == nil {
		return j.head.AddHeader(e.Header)
	}
	if !h.Holds(e.Body) && chain.CheckBody(e.Body) != nil {
		return &torn{bodiesFile(monthOf(h.Time)), "the line is not a body"}
	}
	return j.head.Add(e)
}

// mark remembers where every 256th entry begins, so that reading from anywhere is quick.
func (j *Journal) mark(seq uint64, at place, h chain.Header) {
	if seq%markEvery != 0 {
		return
	}
	if month := monthOf(h.Time); month > at.month {
		at.month, at.body = month, 0
	}
	j.marks = append(j.marks, at)
}

// onlyTail says whether what stands behind a torn line is the rest of an unfinished batch: nothing whole. Otherwise the damage is in
// the middle, which no crash does.
func (c *cursor) onlyTail(t *torn) error {
	later := map[protocol.Hash]uint64{} // bodies that whole headers behind the torn one ask for
	err := eachLine(c.hr, func(line []byte) {
		if n, err := chain.ParseHeader(line); err == nil {
			later[n.Body] = n.Seq
		}
	})
	if err != nil {
		return err
	}
	const look = "copy the directory and have it looked at, this is not what a crash leaves"
	if t.file == headersFile && len(later) > 0 {
		return fmt.Errorf("%w, though whole entries follow; %s", t, look)
	}
	behind := func(line []byte) {
		if seq, ok := later[protocol.HashOf(line)]; ok {
			err = fmt.Errorf("%w, though the body of entry %d follows; %s", t, seq, look)
		}
	}
	if c.br != nil {
		if err := eachLine(c.br, behind); err != nil {
			return err
		}
	}
	months, listErr := bodyMonths(c.disk, c.dir)
	for _, m := range months {
		if m <= c.at.month {
			continue
		}
		f, openErr := disk.Open(c.disk, filepath.Join(c.dir, bodiesFile(m)))
		if openErr != nil {
			return openErr
		}
		readErr := eachLine(bufio.NewReader(f), behind)
		if err := errors.Join(readErr, f.Close()); err != nil {
			return err
		}
	}
	return errors.Join(err, listErr)
}

func eachLine(r *bufio.Reader, do func([]byte)) error {
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		do(line[:len(line)-1])
	}
}

// bodyMonths lists the months that have a bodies file, in order.
func bodyMonths(d disk.Disk, dir string) ([]string, error) {
	names, err := d.ReadDir(dir)
	var months []string
	for _, n := range names {
		if m, ok := strings.CutPrefix(n.Name(), "bodies-"); ok && strings.HasSuffix(m, ".log") {
			months = append(months, strings.TrimSuffix(m, ".log"))
		}
	}
	slices.Sort(months)
	return months, err
}

// cutTail cuts the files back to end: headers first, so that a crash in between leaves bodies without headers and never the other
// way round.
func (j *Journal) cutTail(end place, why error) error {
	sizes := map[string]int64{headersFile: end.header}
	order := []string{headersFile}
	months, err := bodyMonths(j.disk, j.dir)
	if err != nil {
		return err
	}
	for _, m := range months {
		if m >= end.month {
			sizes[bodiesFile(m)] = 0
			order = append(order, bodiesFile(m))
		}
	}
	if end.month != "" {
		sizes[bodiesFile(end.month)] = end.body
	}
	surplus := 0
	for _, name := range order[1:] {
		n, err := linesFrom(j.disk, filepath.Join(j.dir, name), sizes[name])
		if err != nil {
			return err
		}
		surplus += n
	}
	if surplus > maxBatch {
		return fmt.Errorf("%s: %d bodies stand behind the last entry, %d, and have no header: headers.log was cut or lost; restore it, or start a successor log", j.dir, surplus, j.head.Size)
	}
	for _, name := range order {
		path := filepath.Join(j.dir, name)
		info, err := j.disk.Lstat(path)
		if err != nil {
			return err
		}
		if info.Size() <= sizes[name] {
			continue
		}
		if why == nil {
			why = errors.New("bodies without header")
		}
		j.log.Warn("journal: an unfinished last write was cut off", "file", path, "bytes", info.Size()-sizes[name], "entries", j.head.Size, "found", why)
		if err := cut(j.disk, path, sizes[name]); err != nil {
			return err
		}
	}
	return nil
}

func linesFrom(d disk.Disk, path string, offset int64) (n int, err error) {
	f, err := disk.Open(d, path)
	if err != nil {
		return 0, err
	}
	_, err = f.Seek(offset, io.SeekStart)
	if err == nil {
		err = eachLine(bufio.NewReader(f), func([]byte) { n++ })
	}
	return n, errors.Join(err, f.Close())
}

// hashCheck compares the file of stored hashes with the ones computed, and rewrites it from the first difference on.
type hashCheck struct {
	f    disk.File
	r    *bufio.Reader
	w    *bufio.Writer // once they differ
	at   int64         // bytes that are right
	from int64         // number of the first hash that was not
}

func checkHashes(d disk.Disk, path string) (*hashCheck, error) {
	f, err := d.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &hashCheck{f: f, r: bufio.NewReader(f), from: -1}, nil
}

func (c *hashCheck) add(hashes []tlog.Hash) error {
	for _, h := range hashes {
		if c.w == nil {
			var have tlog.Hash
			_, err := io.ReadFull(c.r, have[:])
			if err == nil && bytes.Equal(have[:], h[:]) {
				c.at += tlog.HashSize
				continue
			}
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return err
			}
			c.from = c.at / tlog.HashSize
			if _, err := c.f.Seek(c.at, io.SeekStart); err != nil {
				return err
			}
			c.w = bufio.NewWriter(c.f)
		}
		if _, err := c.w.Write(h[:]); err != nil {
			return err
		}
		c.at += tlog.HashSize
	}
	return nil
}

// finish leaves exactly count hashes and says from which on they had to be rewritten, -1 for none.
func (c *hashCheck) finish(count int64) (from int64, err error) {
	if c.w != nil {
		if err := c.w.Flush(); err != nil {
			return 0, err
		}
	}
	return c.from, c.f.Truncate(count * tlog.HashSize)
}
