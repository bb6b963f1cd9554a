package footage

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// ErrNoMandate: this stream may not be recorded (DESIGN section 1, sentence 5).
var ErrNoMandate = errors.New("no valid mandate")

// ErrSlow: the disk does not keep up, and frames are being dropped up to a next key frame.
var ErrSlow = errors.New("the disk does not keep up: frames are dropped up to the next key frame")

var errClosed = errors.New("the store is closed")

// Writer takes one stream's frames. StartRun, Write and EndRun never wait for the disk: what comes is queued, and when the queue is full whole groups of pictures are
// dropped up to the next key frame, as a gap with cause disk (invariant 15).
//
// A disk error ends the run with cause disk; recording is tried again at each next key frame. Until it succeeds Write returns that error, so that
// nobody shows a green light over nothing.
type Writer struct {
	tape *tape // belongs to the goroutine that runs work
	wake chan struct{}
	done chan struct{}

	mu       sync.Mutex // guards what follows
	queue    []item
	bytes    int
	dropping bool
	dropped  uint64    // frames
	failed   error     // why frames are not recorded at present
	unsealed time.Time // start of the open segment; zero: none
	run      string    // key of the run it belongs to
	last     time.Time // end of the last frame recorded
	checking bool      // a check is queued
	syncing  bool      // a sync is queued
	closed   bool
}

// item is one thing for work to do.
type item struct {
	do   func(*tape)
	size int
	at   time.Time // when it was queued
}

const (
	itemBytes = 512 // what a queued item costs beside its NAL units
	maxItems  = 1 << 14
)

// Camera gives the writer of a stream, always the same one.
func (s *Store) Camera(camera protocol.CameraID, stream protocol.StreamID) *Writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := streamKey(camera, stream)
	if w := s.writers[key]; w != nil {
		return w
	}
	w := &Writer{wake: make(chan struct{}, 1), done: make(chan struct{}), closed: s.closed}
	w.tape = &tape{s: s, w: w, camera: camera, stream: stream}
	s.writers[key] = w
	if s.closed {
		close(w.done)
	} else {
		go w.work()
	}
	return w
}

// StartRun begins a run: what follows is gap-free, in one format, and at is the wall clock at decode time zero. It refuses without a valid mandate, and a format
// that cannot be written; and with [ErrSlow] while more than half of what may wait for the disk waits there: a run that would break off at once is worth
// less than the rest of those before it.
func (w *Writer) StartRun(f Format, at time.Time) error {
	silent := f
	silent.Sound = nil
	init, err := initOf(silent)
	if err != nil {
		return fmt.Errorf("camera %s: %w", w.tape.camera, err)
	}
	if _, err := initOf(f); err != nil {
		w.tape.s.Log.Warn("footage: recording without sound", "camera", w.tape.camera, "error", err)
		f = silent // sound never costs the pictures
	}
	if _, err := w.tape.allowed(); err != nil {
		w.check()
		return fmt.Errorf("camera %s, stream %s: %w", w.tape.camera, w.tape.stream, err)
	}
	w.mu.Lock()
	full := w.bytes > w.tape.s.QueueBytes/2
	if !full {
		w.failed, w.dropping = nil, false
	}
	w.mu.Unlock()
	if full {
		return ErrSlow
	}
	return w.add(item{do: func(t *tape) { t.start(f, at) }, size: itemBytes + len(init)})
}

// Write queues a frame. An error tells why frames are not recorded at present; see [Writer].
func (w *Writer) Write(au AccessUnit) error {
	size := itemBytes
	for _, n := range au.NALs {
		size += len(n)
	}
	limit := w.tape.s.QueueBytes
	w.mu.Lock()
	switch {
	case w.dropping && au.Key && (w.bytes+size <= limit/2 || len(w.queue) == 0):
		w.dropping = false
	case w.dropping:
		w.dropped++
		w.mu.Unlock()
		return ErrSlow
	case w.bytes+size > limit && len(w.queue) > 0:
		w.dropping = true
		w.dropped++
		w.mu.Unlock()
		return errors.Join(ErrSlow, w.add(item{do: func(t *tape) { t.drain(); t.end(CauseDisk, ErrSlow.Error()) }, size: itemBytes}))
	}
	failed := w.failed
	w.mu.Unlock()
	return errors.Join(failed, w.add(item{do: func(t *tape) { t.frame(au) }, size: size}))
}

// WriteSound queues a frame of sound of the run's format. It goes with the pictures of its time, when it comes no more than half a second after them. What the mandate does not
// allow, what comes too late and what the queue has no room for is dropped: sound never costs pictures.
func (w *Writer) WriteSound(s Sound) error {
	size := itemBytes + len(s.Data)
	w.mu.Lock()
	full := w.dropping || w.bytes+size > w.tape.s.QueueBytes || len(w.queue) >= maxItems/2
	w.mu.Unlock()
	if full {
		return ErrSlow
	}
	return w.add(item{do: func(t *tape) { t.hear(s) }, size: size})
}

// EndRun ends the run; there is a gap with this cause until another starts. Without a run it says why there is none.
func (w *Writer) EndRun(cause Cause, detail string) error {
	return w.add(item{do: func(t *tape) { t.stop(cause, detail) }, size: itemBytes})
}

// Dropped is how many frames were dropped because the disk was too slow.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// LastFrame is when the last recorded frame ended; zero if there is none since the start.
func (w *Writer) LastFrame() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *Writer) add(i item) error {
	i.at = w.tape.s.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	if len(w.queue) >= maxItems {
		return ErrSlow
	}
	w.queue = append(w.queue, i)
	w.bytes += i.size
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

func (w *Writer) work() {
	defer close(w.done)
	for range w.wake {
		for {
			w.mu.Lock()
			if len(w.queue) == 0 {
				closed := w.closed
				w.mu.Unlock()
				if closed {
					return
				}
				break
			}
			i := w.queue[0]
			w.mu.Unlock()
			i.do(w.tape)
			w.mu.Lock()
			// Only now does it leave the queue: what is being written counts towards its bound.
			w.queue[0] = item{}
			w.queue = w.queue[1:]
			w.bytes -= i.size
			w.failed = w.tape.failed
			w.mu.Unlock()
		}
	}
}

func (w *Writer) close() {
	err := w.EndRun(CauseRecorder, "recording was stopped")
	w.mu.Lock()
	if err != nil && !w.closed {
		// The queue has no place left: what is in it is still written, and the run is ended by the next start.
		w.tape.s.Log.Error("footage: stopping", "camera", w.tape.camera, "error", err)
	}
	w.closed = true
	select {
	case w.wake <- struct{}{}:
	default:
	}
	w.mu.Unlock()
	<-w.done
}

// pending is the earliest moment of which footage may still be sealed; zero: none.
func (w *Writer) pending() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.unsealed.IsZero() {
		return w.unsealed
	}
	if len(w.queue) > 0 {
		return w.queue[0].at.Add(-queueSlack)
	}
	return time.Time{}
}

// queueSlack is how much later than its own time a frame may have been queued.
const queueSlack = 5 * time.Second

// check has the writer's goroutine look whether it may still record, and whether its open segment is due.
func (w *Writer) check() {
	w.mu.Lock()
	queued := w.checking
	w.checking = true
	w.mu.Unlock()
	if queued {
		return
	}
	err := w.add(item{do: func(t *tape) {
		w.mu.Lock()
		w.checking = false
		w.mu.Unlock()
		t.check()
	}, size: itemBytes})
	if err != nil {
		w.mu.Lock()
		w.checking = false
		w.mu.Unlock()
	}
}

// sync has the writer's goroutine sync the open segment.
func (w *Writer) sync() {
	w.mu.Lock()
	idle := w.syncing || w.unsealed.IsZero()
	w.syncing = w.syncing || !idle
	w.mu.Unlock()
	if idle {
		return
	}
	done := func() {
		w.mu.Lock()
		w.syncing = false
		w.mu.Unlock()
	}
	if err := w.add(item{do: func(t *tape) { t.sync(); done() }, size: itemBytes}); err != nil {
		done() // it is being closed, or too far behind: then the disk is what is slow
	}
}

// opened tells what is open, for holds and for expiry: the start of the open segment (zero: none is) and its run.
func (w *Writer) opened(start time.Time, run string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsealed, w.run = start, run
}

func (w *Writer) open() (start time.Time, run string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unsealed, w.run
}

func (w *Writer) recorded(until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = until
}
