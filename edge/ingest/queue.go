package ingest

import (
	"fmt"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
)

// queue is what waits between the socket and the Writer: runs, each a start, frames and an end. Frames are bounded by their bytes and number;
// starts are only taken when there is room for frames, and each has one end, so those are bounded with them (invariant 15).
type queue struct {
	limit int

	mu     sync.Mutex
	filled sync.Cond // an item was added, or the queue was closed
	items  []item
	bytes  int
	closed bool
	broken uint64 // the last run that the Writer failed
}

const maxQueued = 1024 // items; a frame costs more than its bytes

type item struct {
	run    uint64
	start  *footage.Format // with at
	at     time.Time
	frame  *footage.AccessUnit
	size   int           // of frame
	cause  footage.Cause // of the end, with detail
	detail string
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit}
	q.filled.L = &q.mu
	return q
}

// start asks for a new run. It is refused while the queue is more than half full: a run that would break off at once is worth less than
// the rest of those before it.
func (q *queue) start(run uint64, f footage.Format, at time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes > q.limit/2 || len(q.items) > maxQueued/2 {
		return false
	}
	q.add(item{run: run, start: &f, at: at})
	return true
}

// frame adds a frame of a run, or refuses it because the queue is full.
func (q *queue) frame(run uint64, u footage.AccessUnit) bool {
	size := 0
	for _, n := range u.NALs {
		size += len(n)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes+size > q.limit || len(q.items) >= maxQueued {
		return false
	}
	q.bytes += size
	q.add(item{run: run, frame: &u, size: size})
	return true
}

// end ends a run; run 0 says why none was open.
func (q *queue) end(run uint64, cause footage.Cause, detail string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(item{run: run, cause: cause, detail: detail})
}

func (q *queue) add(i item) {
	q.items = append(q.items, i)
	q.filled.Signal()
}

// failed tells whether the Writer has failed a run, which then ended.
func (q *queue) failed(run uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.broken == run
}

func (q *queue) fail(run uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.broken = run
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Signal()
}

// next waits for the next item; false is a queue that is closed and empty. What it returned last no longer counts: the Writer holds it.
func (q *queue) next() (item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 {
		if q.closed {
			return item{}, false
		}
		q.filled.Wait()
	}
	i := q.items[0]
	q.items[0] = item{} // the slice must not keep the frame
	q.items = q.items[1:]
	q.bytes -= i.size
	return i, true
}

// feed gives the Writer what the queue holds until it is closed. A run that the Writer fails is ended there and then, and the rest of it passed over.
func (s *Session) feed(q *queue) {
	var broken uint64
	fail := func(run uint64, doing string, err error) {
		broken = run
		detail := fmt.Sprintf("%s: %v", doing, err)
		if err := s.Writer.EndRun(footage.CauseDisk, detail); err != nil {
			s.Log.Error("the end of a run that could not be written was not recorded either", "error", err)
		}
		q.fail(run)
		s.status.failed(run, detail)
	}
	for {
		i, ok := q.next()
		switch {
		case !ok:
			return
		case i.run == broken && i.run != 0: // 0 is a gap in which no run was open
		case i.start != nil:
			if err := s.Writer.StartRun(*i.start, i.at); err != nil {
				fail(i.run, "starting a run failed", err)
			}
		case i.frame != nil:
			if err := s.Writer.Write(*i.frame); err != nil {
				fail(i.run, "writing a frame failed", err)
				continue
			}
			s.status.recorded(i.run)
		default:
			if err := s.Writer.EndRun(i.cause, i.detail); err != nil {
				s.Log.Error("ending a run failed", "error", err)
				s.status.failed(i.run, fmt.Sprintf("ending a run failed: %v", err))
			}
		}
	}
}
