package office

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/destruction"
)

// mostAccounts of destruction are kept in memory: of the recorders that somebody looked at last. Others are read again from their log when asked for.
const mostAccounts = 8

// accounts of destruction are made from the witness's copy of the logs when somebody asks, up to the newest cosigned checkpoint, and read on from there the next time. So a page rests on
// exactly what the tool rests on, given the exported log.
type accounts struct {
	mu   sync.Mutex
	list []*account // looked at last comes first
}

type account struct {
	recorder protocol.RecorderID

	mu         sync.Mutex
	log        uint64 // number of the recorder's log that was read
	read       uint64 // entries taken in
	account    *destruction.Account
	checkpoint chain.Checkpoint // over exactly those; zero before the first
	cosigned   []chain.Cosignature
}

func (a *accounts) of(id protocol.RecorderID) *account {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.list, func(x *account) bool { return x.recorder == id })
	var one *account
	if i < 0 {
		one = &account{recorder: id, account: destruction.NewAccount(page.Amsterdam)}
	} else {
		one = a.list[i]
		a.list = slices.Delete(a.list, i, i+1)
	}
	a.list = slices.Insert(a.list, 0, one)
	a.list = a.list[:min(len(a.list), mostAccounts)]
	return one
}

// catchUp reads what the newest cosigned checkpoint covers and has not been read. The account's lock is held.
func (a *account) catchUp(ctx context.Context, w *witness.Witness) error {
	r, ok := w.Recorder(a.recorder)
	if ok && a.log != r.Log { // it goes on as a successor: what that has is read anew
		a.log, a.read, a.account, a.checkpoint, a.cosigned = r.Log, 0, destruction.NewAccount(page.Amsterdam), chain.Checkpoint{}, nil
	}
	if !ok || r.Cosigned == nil || r.CosignedSize == a.read && a.cosigned != nil {
		return nil
	}
	log, err := protocol.NewVerifier(r.Key)
	if err != nil {
		return err
	}
	ours, err := chain.WitnessVerifier(w.Key())
	if err != nil {
		return err
	}
	checkpoint, cosigned, err := chain.OpenSuccessor(r.Cosigned, r.Origin, log, ours)
	if err != nil {
		return fmt.Errorf("recorder %s: its cosigned checkpoint: %w", a.recorder, err)
	}
	err = eachEntry(ctx, w, a.recorder, a.read, checkpoint.Size, func(h chain.Header, body []byte) {
		a.account.Read(h, body)
		a.read = h.Seq + 1
	})
	if err != nil {
		return err
	}
	a.checkpoint, a.cosigned = checkpoint, cosigned
	return nil
}

// eachEntry gives a recorder's entries from up to but not including end.
func eachEntry(ctx context.Context, w *witness.Witness, id protocol.RecorderID, from, end uint64, take func(h chain.Header, body []byte)) error {
	for from < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := w.Entries(id, from, int(min(500, end-from)))
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("recorder %s: entry %d is missing from the witness's store", id, from)
		}
		for _, e := range entries {
			h, err := chain.ParseHeader(e.Header)
			if err != nil {
				return fmt.Errorf("recorder %s: entry %d: %w", id, from, err)
			}
			take(h, e.Body)
			from++
		}
	}
	return nil
}

func (r recorders) Destruction(ctx context.Context, id protocol.RecorderID, camera protocol.CameraID) ([]destruction.Day, error) {
	a := r.o.accounts.of(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.catchUp(ctx, r.o.witness); err != nil {
		return nil, err
	}
	return a.account.Days(camera), nil
}

// countedRecorders is of how many recorders' logs the days are counted: reading those of thousands would take hours.
const countedRecorders = 100

func (r recorders) Counts(ctx context.Context, from, to time.Time) (n central.LogCounts, err error) {
	all := r.o.witness.Recorders()
	first, last := from.In(page.Amsterdam).Format(time.DateOnly), to.In(page.Amsterdam).Format(time.DateOnly)
	for _, w := range all {
		n.Recorders++
		n.Entries += w.CosignedSize
		for _, f := range w.Findings {
			if f.Growth() {
				n.Findings++
			}
		}
		accesses, err := r.o.witness.Accesses(w.ID, math.MaxInt)
		if err != nil {
			return n, err
		}
		for _, a := range accesses {
			if !a.At.Before(from) && !a.At.After(to) {
				n.Accesses++
			}
		}
		if len(all) > countedRecorders {
			continue
		}
		days, err := r.Destruction(ctx, w.ID, "")
		if err != nil {
			return n, err
		}
		for _, d := range days {
			if d.Date < first || d.Date > last || d.Sealed == 0 {
				continue
			}
			n.Days++
			switch {
			case d.Complete():
				n.Destroyed++
			case d.Unaccounted > 0:
				n.Unaccounted++
			}
		}
	}
	return n, nil
}

func (r recorders) Certificate(ctx context.Context, id protocol.RecorderID, camera protocol.CameraID, date string) (destruction.Certificate, error) {
	a := r.o.accounts.of(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.catchUp(ctx, r.o.witness); err != nil {
		return destruction.Certificate{}, err
	}
	day, ok := a.account.Day(camera, date)
	if !ok {
		day = destruction.Day{Camera: camera, Date: date, Interval: destruction.DayOf(date, page.Amsterdam)}
	}
	c := destruction.Certificate{Origin: a.checkpoint.Origin, Size: a.checkpoint.Size, Root: a.checkpoint.Root.String(), Unread: a.account.Unread(), Day: day}
	for _, s := range a.cosigned {
		c.Cosigned = append(c.Cosigned, destruction.Cosigned{Witness: s.Name, Time: protocol.T(s.Time)})
	}
	from, end := day.Expiries()
	err := eachEntry(ctx, r.o.witness, id, from, end, func(h chain.Header, body []byte) {
		if row, ok := destruction.RowOf(h, body, camera, day.Interval); ok {
			c.Rows = append(c.Rows, row)
		}
	})
	return c, err
}
