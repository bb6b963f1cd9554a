package footage

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// A queue is the footage of one camera under one window and on one volume, in the order in which it comes due: by its start, and by how far the clock had been set back until then, since a clock
// that is set back makes nothing younger. Its window stands in one place, so that a shorter mandate is obeyed by writing
// one row; and what is due is found without looking at what is not. A camera has another queue only once its window has grown.
type queue struct {
	camera protocol.CameraID
	n      uint64
	window protocol.Window // only ever gets shorter
	volume string          // as in a run's row
}

type queueRow struct {
	V      int             `json:"v"`
	Window protocol.Window `json:"window"`
	Volume string          `json:"volume,omitempty"`
}

func queueKey(c protocol.CameraID, n uint64) string { return string(c) + "/" + number(n) }

func (q *queue) key() string { return queueKey(q.camera, q.n) }

func (q *queue) row() queueRow { return queueRow{format, q.window, q.volume} }

func parseQueue(key string, row queueRow) (*queue, error) {
	camera, n, _ := strings.Cut(key, "/")
	var q queue
	if _, err := fmt.Sscanf(n, "%016x", &q.n); err != nil || row.Window.Valid() != nil {
		return nil, fmt.Errorf("index: queues %s: window %s", key, row.Window)
	}
	q.camera, q.window, q.volume = protocol.CameraID(camera), row.Window, row.Volume
	return &q, nil
}

func (r *runRow) queue() string { return queueKey(r.Camera, r.Queue) }

// moment is how times are written in keys and in the names of runs, so that they sort.
const moment = "20060102t150405.000z"

func momentOf(t time.Time) string { return t.UTC().Format(moment) }

// waitingKey is where a run stands in its queue. The row there is empty.
func (r *runRow) waitingKey() string {
	return r.queue() + "/" + momentOf(r.Waits.Add(r.back())) + "/" + string(r.Stream) + "/" + string(r.Run)
}

func (r *runRow) back() time.Duration { return time.Duration(r.Back) * time.Millisecond }

// place is a run's place in a queue, as its key says it.
type place struct {
	q   *queue
	run string // key
	at  time.Time
}

// due is when it comes due on a clock that was set back so far in all.
func (p place) due(back time.Duration) time.Time { return p.at.Add(p.q.window.Duration() - back) }

// back is how far the clock was set back in all; also of one that has lost count. The caller has mu.
func (s *Store) back(now trusted.Reading) time.Duration {
	return max(now.Back, time.Duration(s.totals.Back)*time.Millisecond)
}

// dueFrom is when a segment of a run expires that starts then. The caller has mu.
func (s *Store) dueFrom(r *runRow, start time.Time, now trusted.Reading) time.Time {
	return s.aging(r, protocol.SegmentLine{Start: protocol.Time{Time: start}}, 0, now).Due()
}

// aging is a segment of a run as expiry sees it. The caller has mu.
func (s *Store) aging(r *runRow, l protocol.SegmentLine, stored int64, now trusted.Reading) Aging {
	return Aging{SegmentLine: l, Window: s.windowOfRun(r), Stored: stored, Back: s.back(now) - r.back()}
}

func (q *queue) place(key []byte) (place, error) {
	at, run, _ := strings.Cut(strings.TrimPrefix(string(key), q.key()+"/"), "/")
	t, err := time.Parse(moment, at)
	if err != nil {
		err = fmt.Errorf("index: waiting %s: %w", key, err)
	}
	return place{q, string(q.camera) + "/" + run, t}, err
}

// head is the place of what a queue has that is due first.
func (q *queue) head(tx *bbolt.Tx) (p place, found bool, err error) {
	prefix := []byte(q.key() + "/")
	k, _ := tx.Bucket(inWaiting).Cursor().Seek(prefix)
	if k == nil || !bytes.HasPrefix(k, prefix) {
		return p, false, nil
	}
	p, err = q.place(k)
	return p, err == nil, err
}

// windowOfRun is the window that counts for what is left of a run. The caller has mu.
func (s *Store) windowOfRun(r *runRow) protocol.Window {
	if q := s.queues[r.queue()]; q != nil {
		return q.window
	}
	return 0 // load gave every queue a window; without one nothing is kept
}

// queueFor is the camera's queue for a window on a volume, a new one where there is none: then it must join queues when the transaction is committed. The caller has mu.
func (s *Store) queueFor(tx *bbolt.Tx, camera protocol.CameraID, window protocol.Window, volume string) (*queue, error) {
	for _, q := range s.queues {
		if q.camera == camera && q.window == window && q.volume == volume {
			return q, nil
		}
	}
	n, err := tx.Bucket(inQueues).NextSequence()
	if err != nil {
		return nil, fmt.Errorf("index: queues: %w", err)
	}
	q := &queue{camera, n, window, volume}
	return q, put(tx, inQueues, q.key(), q.row())
}

// shorten gives queues a shorter window. A longer one lengthens nothing.
func (s *Store) shorten(windows map[protocol.CameraID]protocol.Window) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	shorter := map[string]*queue{}
	for key, q := range s.queues {
		if w, ok := windows[q.camera]; ok && w < q.window {
			shorter[key] = &queue{q.camera, q.n, w, q.volume}
		}
	}
	if len(shorter) == 0 {
		return nil
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for key, q := range shorter {
			if err := put(tx, inQueues, key, q.row()); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		maps.Copy(s.queues, shorter)
	}
	return err
}

// putRun writes a run's row, with its place in its queue and its part of the totals; before is what it was, nil for a new one.
func (s *Store) putRun(tx *bbolt.Tx, before, r *runRow, totals *totalsRow) error {
	var was runRow
	if before != nil {
		was = *before
	}
	var err error
	if !was.Waits.IsZero() && (was.Waits != r.Waits || was.Queue != r.Queue) {
		err = del(tx, inWaiting, was.waitingKey())
	}
	if !r.Waits.IsZero() && (was.Waits != r.Waits || was.Queue != r.Queue) {
		err = errors.Join(err, tx.Bucket(inWaiting).Put([]byte(r.waitingKey()), nil))
	}
	// What is left before From, if anything, is due and held.
	if kept := r.Count > 0 && (r.Waits.IsZero() || r.First.Before(r.Waits.Time)); kept {
		err = errors.Join(err, tx.Bucket(inKept).Put([]byte(r.key()), nil))
	} else {
		err = errors.Join(err, del(tx, inKept, r.key()))
	}
	if !r.Ended {
		err = errors.Join(err, tx.Bucket(inOpen).Put([]byte(r.key()), nil))
	} else {
		err = errors.Join(err, del(tx, inOpen, r.key()))
	}
	if r.Ended && r.Count == 0 {
		err = errors.Join(err, tx.Bucket(inOver).Put([]byte(r.key()), nil))
	}
	made := 0
	if before == nil {
		made = 1
	}
	*totals = totals.with(r.Volume, made, r.Count-was.Count, r.Bytes-was.Bytes)
	totals.Back = max(totals.Back, r.Back)
	totals.Longest = max(totals.Longest, r.End.Sub(r.Start.Time).Milliseconds())
	return errors.Join(err, put(tx, inRuns, r.key(), r))
}

// saveRuns writes rows of runs, with whatever belongs in the same transaction, and brings the picture in memory up to date. The caller has mu.
func (s *Store) saveRuns(runs map[string]*runRow, with func(tx *bbolt.Tx) error) error {
	totals := s.totals
	if len(runs) == 0 && with == nil {
		return nil
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if with != nil {
			if err := with(tx); err != nil {
				return err
			}
		}
		for key, r := range runs {
			before := s.runs[key]
			if row, found, err := get[runRow](tx, inRuns, key); before == nil && found && err == nil {
				before = &row
			}
			if err := s.putRun(tx, before, r, &totals); err != nil {
				return err
			}
		}
		return putTotals(tx, &totals)
	})
	if err != nil {
		return err
	}
	s.totals = totals
	for key, r := range runs {
		if delete(s.runs, key); !r.Ended {
			s.runs[key] = r
		} else if r.Count == 0 {
			s.empty[key] = time.Time{}
		}
	}
	return nil
}

func putTotals(tx *bbolt.Tx, t *totalsRow) error {
	t.V = format
	return put(tx, inMeta, "totals", t)
}

// run reads the row of a run. One that cannot be read is made anew soon.
func (s *Store) run(tx *bbolt.Tx, key string) *runRow {
	r, found, err := get[runRow](tx, inRuns, key)
	if err != nil {
		s.badRow(err)
	}
	if err != nil || !found {
		s.lose(key)
		return nil
	}
	return &r
}

// always is all time.
var always = protocol.Interval{To: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}

// runsOf are the runs of a camera that have footage that may touch an interval, in the order of their streams and names. A run's name is its start. The caller has mu.
func (s *Store) runsOf(tx *bbolt.Tx, camera protocol.CameraID, i protocol.Interval) iter.Seq[*runRow] {
	first := momentOf(i.From.Add(-time.Duration(s.totals.Longest) * time.Millisecond))
	last := momentOf(i.To.Add(time.Millisecond))
	return func(yield func(*runRow) bool) {
		prefix := string(camera) + "/"
		c := tx.Bucket(inRuns).Cursor()
		for k, _ := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); {
			key := string(k)
			stream := keyRun(key)
			switch name := key[len(stream)+1:]; {
			case name < first:
				k, _ = c.Seek([]byte(stream + "/" + first))
			case name > last:
				k, _ = c.Seek([]byte(stream + "0")) // '0' follows '/'
			default:
				r := s.run(tx, key)
				if r != nil && r.Count > 0 && i.From.Before(r.End.Time) && r.First.Before(i.To) && !yield(r) {
					return
				}
				k, _ = c.Next()
			}
		}
	}
}

// oldest is the first frame of a camera's oldest footage that is on this disk, held or not, and also what could not be unlinked. The caller has mu.
func (s *Store) oldest(tx *bbolt.Tx, c protocol.CameraID) (oldest time.Time, found bool) {
	see := func(t time.Time) {
		if !found || t.Before(oldest) {
			oldest, found = t, true
		}
	}
	prefix := string(c) + "/"
	runs := tx.Bucket(inRuns).Cursor()
	for k, _ := runs.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); {
		stream := keyRun(string(k))
		// Nothing in a run is older than its name, so mostly the first says it.
		if found && string(k)[len(stream)+1:] > momentOf(oldest) {
			k, _ = runs.Seek([]byte(stream + "0"))
			continue
		}
		if r := s.run(tx, string(k)); r != nil && r.Count > 0 {
			see(r.First.Time)
		}
		k, _ = runs.Next()
	}
	for _, t := range s.tombs {
		for _, b := range t.left {
			if b.line.Camera == c {
				see(b.line.Start.Time)
			}
		}
	}
	return oldest, found
}

// eachLine reads the segments of a run from a place on, until see returns false. Rows that cannot be read are counted.
func (s *Store) eachLine(tx *bbolt.Tx, r *runRow, from int, see func(row segmentRow, l protocol.SegmentLine) bool) (broken int) {
	prefix := r.key() + "/"
	c := tx.Bucket(inSegments).Cursor()
	for k, v := c.Seek(fmt.Appendf(nil, "%s%06d", prefix, from)); k != nil && strings.HasPrefix(string(k), prefix); k, v = c.Next() {
		key := string(k)
		row, err := decode[segmentRow](inSegments, key, v)
		var line protocol.SegmentLine
		if err == nil {
			line, err = row.line(key)
		}
		if err != nil {
			s.badRow(err)
			broken++
			continue
		}
		if !see(row, line) {
			break
		}
	}
	return broken
}

// rejudge puts what a hold kept back in its queue, for all cameras or one: it may have to go now. The caller has mu.
func (s *Store) rejudge(camera protocol.CameraID, with func(*bbolt.Tx) error) error {
	runs := map[string]*runRow{}
	prefix := ""
	if camera != "" {
		prefix = string(camera) + "/"
	}
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(inKept).Cursor()
		for k, _ := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, _ = c.Next() {
			if r := s.run(tx, string(k)); r != nil {
				r.From, r.Waits = 0, r.First
				runs[string(k)] = r
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.saveRuns(runs, with)
}

// mendQueues gives queues of which the row cannot be read a window: the shortest that segments of their first run were sealed under. The caller has mu.
func (s *Store) mendQueues() error {
	mended := map[string]*queue{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(inWaiting).Cursor()
		for k, _ := c.First(); k != nil; {
			key := keyRun(keyRun(keyRun(string(k))))
			if s.queues[key] == nil {
				q, err := parseQueue(key, queueRow{Window: protocol.MaxWindow})
				if err != nil {
					return err
				}
				head, err := q.place(k)
				if err != nil {
					return err
				}
				if _, q.window, err = s.remake(tx, head.run); err != nil {
					return err
				}
				if r := s.run(tx, head.run); r != nil {
					q.volume = r.Volume
				}
				mended[key] = q
			}
			k, _ = c.Seek([]byte(key + "0")) // '0' follows '/'
		}
		return nil
	})
	if err != nil || len(mended) == 0 {
		return err
	}
	err = s.db.Update(func(tx *bbolt.Tx) (err error) {
		for key, q := range mended {
			err = errors.Join(err, put(tx, inQueues, key, q.row()))
		}
		return err
	})
	for key, q := range mended {
		s.queues[key] = q
		s.incidentLocked("row of a queue made anew", q.camera, fmt.Sprintf("its footage expires after %s", q.window))
	}
	return err
}

// lose notes that a run's row cannot be read, or is not there. It is called in transactions.
func (s *Store) lose(run string) {
	s.badMu.Lock()
	defer s.badMu.Unlock()
	s.torn[run] = true
}

// mendRuns makes rows of runs anew that were found to be lost, from the rows of their segments: they must expire all the same. Their shortest window counts, if not that of their queue.
func (s *Store) mendRuns() (mended bool) {
	s.badMu.Lock()
	lost := slices.Collect(maps.Keys(s.torn))
	s.badMu.Unlock()
	for _, key := range lost {
		err := s.mendRun(key)
		if err == nil {
			err = s.adoptOpen(key)
		}
		if err != nil {
			s.incident("row of a run cannot be made anew", cameraOf(key), short(err))
			continue
		}
		s.badMu.Lock()
		delete(s.torn, key)
		s.badMu.Unlock()
		mended = true
	}
	return mended
}

func (s *Store) mendRun(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.runs[key]; known != nil { // being written: what is in memory is as good as its row was
		return s.saveRuns(map[string]*runRow{key: known}, nil)
	}
	var r *runRow
	var q *queue
	totals := s.totals
	err := s.db.Update(func(tx *bbolt.Tx) (err error) {
		if _, found, err := get[runRow](tx, inRuns, key); found && err == nil {
			return nil // it came to be meanwhile
		}
		window := protocol.MaxWindow
		if r, window, err = s.remake(tx, key); err != nil {
			return err
		}
		if r != nil {
			s.settleMended(r)
		}
		for _, k := range s.waits(tx, key) {
			if q = s.queues[keyRun(keyRun(keyRun(k)))]; q != nil && r != nil {
				r.Volume = q.volume
			}
			err = errors.Join(err, del(tx, inWaiting, k))
		}
		if r == nil || err != nil {
			return errors.Join(err, del(tx, inRuns, key), del(tx, inOpen, key), del(tx, inKept, key), del(tx, inOver, key))
		}
		if q == nil {
			if q, err = s.queueFor(tx, r.Camera, window, r.Volume); err != nil {
				return err
			}
		}
		r.Queue = q.n
		counted := &runRow{Count: r.Count, Bytes: r.Bytes, Volume: r.Volume} // in the totals
		return errors.Join(s.putRun(tx, counted, r, &totals), putTotals(tx, &totals))
	})
	if err != nil || r == nil {
		return err
	}
	s.totals, s.queues[q.key()], s.runs[key] = totals, q, r
	s.setPlace(r.Camera, r.Run, s.volumeOf(r))
	s.broken[key] = time.Time{} // whatever of it has no row yet is sealed, and it is ended
	s.incidentLocked("row of a run made anew", r.Camera, fmt.Sprintf("run %s: its %d segments expire by their own window", r.Run, r.Count))
	return nil
}

// remake makes a run's row of the rows of its segments, and tells the shortest window among them; nil when there are none.
func (s *Store) remake(tx *bbolt.Tx, key string) (r *runRow, window protocol.Window, err error) {
	window = protocol.MaxWindow
	err = each(tx, inSegments, key+"/", s.badRow, func(key string, row segmentRow) error {
		l, err := row.line(key)
		if err != nil {
			return nil // reported where it is used
		}
		if r == nil {
			r = &runRow{V: format, Camera: l.Camera, Stream: l.Stream, Run: l.Run, Init: l.Init, Plain: row.V == plaintext, Start: l.Start, End: l.End}
		}
		window = min(window, row.Window)
		r.add(l, row.stored(l))
		return nil
	})
	return r, window, err
}

// waits are the places that a run has in its camera's queues; it should be one.
func (s *Store) waits(tx *bbolt.Tx, run string) (keys []string) {
	prefix := string(cameraOf(run)) + "/"
	own := "/" + strings.TrimPrefix(run, prefix)
	c := tx.Bucket(inWaiting).Cursor()
	for k, _ := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, _ = c.Next() {
		if strings.HasSuffix(string(k), own) {
			keys = append(keys, string(k))
		}
	}
	return keys
}
