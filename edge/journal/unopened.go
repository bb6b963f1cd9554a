package journal

import (
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Unopened stands in for a journal that could not be opened, and why: what there is of it is not known, so it reads and writes nothing, and every Append fails with
// [ErrBroken]. A recorder that has only this records and expires, and serves nothing (invariant 10).
func Unopened(dir string, signer note.Signer, now func() time.Time, log *slog.Logger, why error) *Journal {
	j := newJournal(nil, dir, signer, now, log)
	j.unopened = fmt.Errorf("%w: %w", ErrBroken, why)
	j.broken = j.unopened
	go j.refuse()
	return j
}

// refuse is the writer of an unopened journal.
func (j *Journal) refuse() {
	defer close(j.done)
	for {
		select {
		case <-j.quit:
			return
		case ping := <-j.pings:
			ping <- j.unopened
		case w := <-j.appends:
			w.answer <- answer{err: j.unopened}
		}
	}
}
