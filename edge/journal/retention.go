package journal

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// ofMonth is what there is of a month's bodies of one kind. Owned by the writer goroutine.
type ofMonth struct {
	here, gone int
	said       bool // an entry says that they are destroyed
}

type monthKind struct{ month, kind string }

// count takes in an entry.
func (j *Journal) count(h chain.Header, body []byte) {
	k := monthKind{protocol.MonthOf(h.Time), h.Kind}
	c := j.bodiesOf[k]
	if c == nil {
		c = &ofMonth{}
		j.bodiesOf[k] = c
	}
	if body == nil {
		c.gone++
		return
	}
	c.here++
	var d protocol.BodiesDestroyed
	if h.Kind != protocol.KindBodiesDestroyed {
		return
	}
	if err := chain.ParseBody(body, &d); err != nil {
		j.log.Error("journal: an entry that says what was destroyed cannot be read", "dir", j.dir, "entry", h.Seq, "error", err)
	}
	for _, said := range d.Kinds {
		if c := j.bodiesOf[monthKind{d.Month, said.Kind}]; c != nil {
			c.said = true
		}
	}
}

// destroyDue destroys bodies whose term is over: of one month, so that the writer is soon back. Only when a quorum of witnesses cosigned that late, since a clock that runs ahead
// must not destroy what is still to be kept. What a crash or the disk left undone is done first.
func (j *Journal) destroyDue(now time.Time) {
	j.mu.Lock()
	cosigned, head, broken := j.cosignedAt, j.head, j.broken
	j.mu.Unlock()
	if broken != nil || cosigned.IsZero() {
		return
	}
	if cosigned.Before(now) {
		now = cosigned
	}
	var due []monthKind
	for k, c := range j.bodiesOf {
		at, ok := protocol.BodiesDue(k.kind, k.month)
		if c.here > 0 && (c.said || ok && !now.Before(at) && k.month < protocol.MonthOf(head.Time)) {
			due = append(due, k)
		}
	}
	slices.SortFunc(due, func(a, b monthKind) int {
		return cmp.Or(cmp.Compare(a.month, b.month), cmp.Compare(a.kind, b.kind))
	})
	if len(due) == 0 {
		return
	}
	kinds := map[string]*chain.Went{}
	for _, k := range due {
		if k.month == due[0].month {
			kinds[k.kind] = &chain.Went{}
		}
	}
	if err := j.destroy(due[0].month, kinds); err != nil {
		j.log.Error("journal: bodies whose term is over could not be destroyed; tried again", "dir", j.dir, "month", due[0].month, "error", err)
	}
}

// destroy destroys the bodies of some kinds of a month: first the entry that says so, for those of which none does yet, then the bodies.
func (j *Journal) destroy(month string, kinds map[string]*chain.Went) error {
	err := j.eachOf(month, func(h chain.Header, e chain.Entry) error {
		if w := kinds[h.Kind]; w != nil && e.Body != nil {
			w.Add(h, e.Header)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d := protocol.BodiesDestroyed{Month: month}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if !j.bodiesOf[monthKind{month, kind}].said {
			d.Kinds = append(d.Kinds, kinds[kind].Of(kind))
		}
	}
	if len(d.Kinds) > 0 {
		b, err := chain.NewBody(d)
		if err != nil {
			return err
		}
		w := &waiting{kind: protocol.KindBodiesDestroyed, body: b, answer: make(chan answer, 1)}
		if err := j.put([]*waiting{w}, j.now()); err != nil {
			return err
		}
		if a := <-w.answer; a.err != nil {
			return a.err
		}
	}
	if err := j.rewrite(month, kinds); err != nil {
		return err
	}
	for kind := range kinds {
		c := j.bodiesOf[monthKind{month, kind}]
		c.here, c.gone = 0, c.gone+c.here
	}
	return nil
}

// rewrite puts a file without the bodies of some kinds in the place of a month's: a line "-" stands for each. What the disk had written of the old one is left to it.
func (j *Journal) rewrite(month string, kinds map[string]*chain.Went) error {
	name := filepath.Join(j.dir, bodiesFile(month))
	f, err := j.disk.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 1<<20)
	var at int64
	marks := map[uint64]int64{} // where marked entries' bodies begin now
	err = j.eachOf(month, func(h chain.Header, e chain.Entry) error {
		if h.Seq%markEvery == 0 {
			marks[h.Seq/markEvery] = at
		}
		line := e.Body
		if line == nil || kinds[h.Kind] != nil {
			line = []byte(goneLine)
		}
		at += int64(len(line)) + 1
		_, err := out.Write(append(line, '\n'))
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	j.moving.Lock() // who reads has marks and file of before, or of after
	defer j.moving.Unlock()
	if err := j.disk.Rename(name+".new", name); err != nil {
		return err
	}
	j.mu.Lock()
	for i, body := range marks {
		j.marks[i].month, j.marks[i].body = month, body
	}
	j.mu.Unlock()
	return j.disk.SyncDir(j.dir)
}

// eachOf calls do for the entries of a month.
func (j *Journal) eachOf(month string, do func(h chain.Header, e chain.Entry) error) error {
	j.mu.Lock()
	size := j.head.Size
	i, _ := slices.BinarySearchFunc(j.marks, month, func(p place, month string) int { return cmp.Compare(p.month, month) })
	from := place{}
	if i = max(i-1, 0); i < len(j.marks) {
		from = j.marks[i]
	}
	j.mu.Unlock()
	c, err := openCursor(j.disk, j.dir, from)
	if err != nil {
		return err
	}
	defer c.Close() // only read from
	for seq := uint64(i) * markEvery; seq < size; seq++ {
		e, h, err := c.next()
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: entry %d: %w", j.dir, seq, err)
		}
		if err == io.EOF || monthOf(h.Time) > month {
			return nil
		}
		if monthOf(h.Time) < month {
			continue
		}
		if e.Body != nil && !h.Holds(e.Body) {
			return fmt.Errorf("%s: entry %d: its body changed on the disk", j.dir, seq)
		}
		if err := do(h, e); err != nil {
			return err
		}
	}
	return nil
}
