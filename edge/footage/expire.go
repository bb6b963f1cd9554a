package footage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	buryAtOnce   = 500 // tombstones in one transaction
	expiredEntry = 100 // segments in one footage.expired entry: some 30 kB of the 64 an entry may have

	retryUnlink    = time.Second
	retryUnlinkMax = 5 * time.Minute
)

// tombstone is a segment whose file is still there, or may be.
type tombstone struct {
	row   tombstoneRow
	again bool // found at the start: its file may be gone already
	tries int
	retry time.Time
}

// expire lets everything go that is due, and tells when more is. The caller has sweeping.
func (s *Store) expire(ctx context.Context) (next time.Time) {
	for {
		now := s.Now()
		buried, until, err := s.bury(now)
		if err != nil {
			s.incident("expiry cannot be written to the index", "", short(err))
			until = now.Add(retryUnlink)
		}
		s.unlink(now)
		s.settle(ctx)
		if buried == 0 {
			next = until
			break
		}
	}
	s.removeRuns()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tombs {
		if next.IsZero() || t.retry.Before(next) {
			next = t.retry
		}
	}
	for _, w := range s.writers {
		if start, run := w.open(); !start.IsZero() && s.runs[run] != nil {
			if due := start.Add(s.runs[run].Window.Duration()); next.IsZero() || due.Before(next) {
				next = due
			}
		}
	}
	return next
}

// bury puts a tombstone over each segment that must go, the intent of expiry, as many as one transaction takes.
func (s *Store) bury(now time.Time) (buried int, next time.Time, err error) {
	need, err := s.over()
	if err != nil {
		s.incident("free space is not known", "", short(err)) // windows still count
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := map[string]segmentRow{}
	var aging []Aging
	var due []Expiring
	err = s.db.Update(func(tx *bbolt.Tx) error {
		var rest []*runRow
		for _, r := range s.runs {
			switch due := r.First.Add(r.Window.Duration()); {
			case r.Count == 0:
			case !now.Before(due):
				if err := s.age(tx, r, rows, &aging); err != nil {
					return err
				}
			default:
				rest = append(rest, r)
			}
		}
		due, next = Expired(aging, s.keeps(), need, now)
		if need > 0 {
			// The oldest runs, until enough may go; each may overlap those that start within its hour.
			slices.SortFunc(rest, func(a, b *runRow) int { return a.First.Compare(b.First.Time) })
			var enough time.Time
			for len(rest) > 0 && (enough.IsZero() || !rest[0].First.After(enough)) {
				if err := s.age(tx, rest[0], rows, &aging); err != nil {
					return err
				}
				end := rest[0].End.Time
				rest = rest[1:]
				due, next = Expired(aging, s.keeps(), need, now)
				if enough.IsZero() && freed(due) >= need {
					enough = end
				}
			}
			s.full = freed(due) < need && len(due) == 0
		} else {
			s.full = false
		}
		for _, r := range rest {
			if at := r.First.Add(r.Window.Duration()); next.IsZero() || at.Before(next) {
				next = at
			}
		}
		if len(due) > buryAtOnce {
			due = due[:buryAtOnce]
		}
		if len(due) == 0 {
			return nil
		}
		return s.putTombstones(tx, due, rows)
	})
	if err != nil {
		return 0, next, err
	}
	s.forget(due, rows, aging)
	if len(due) > 0 {
		err = s.at("tombstoned")
	}
	return len(due), next, err
}

func freed(due []Expiring) (n int64) {
	for _, d := range due {
		n += d.Size
	}
	return n
}

// age reads a run's segments.
func (s *Store) age(tx *bbolt.Tx, r *runRow, rows map[string]segmentRow, aging *[]Aging) error {
	return each(tx, inSegments, r.key()+"/", s.badRow, func(key string, row segmentRow) error {
		line, err := row.line(key)
		if err != nil {
			s.badRow(err)
			return nil
		}
		rows[key] = row
		*aging = append(*aging, Aging{line, r.Window})
		return nil
	})
}

func (s *Store) putTombstones(tx *bbolt.Tx, due []Expiring, rows map[string]segmentRow) error {
	for _, d := range due {
		key := segmentKey(d.SegmentLine)
		err := errors.Join(
			put(tx, inTombstones, key, tombstoneRow{V: format, Segment: rows[key], Reason: d.Reason, Due: protocol.T(d.Due())}),
			del(tx, inSegments, key), del(tx, inUnlisted, key))
		if err != nil {
			return err
		}
	}
	for key, r := range s.without(due, rows) {
		if err := put(tx, inRuns, key, r); err != nil {
			return err
		}
	}
	return nil
}

// without is what becomes of the runs when these segments leave them. rows holds all segments of those runs.
func (s *Store) without(due []Expiring, rows map[string]segmentRow) map[string]*runRow {
	gone := map[string]bool{}
	runs := map[string]*runRow{}
	for _, d := range due {
		gone[segmentKey(d.SegmentLine)] = true
		runs[runKey(d.Camera, d.Stream, d.Run)] = nil
	}
	for key := range runs {
		r := *s.runs[key]
		r.Count, r.Bytes = 0, 0
		runs[key] = &r
	}
	for key, row := range rows {
		r := runs[keyRun(key)]
		if r == nil || gone[key] {
			continue
		}
		line, err := row.line(key)
		if err != nil {
			continue // was reported when it was read
		}
		if r.Count == 0 || line.Start.Before(r.First.Time) {
			r.First = line.Start
		}
		r.Count++
		r.Bytes += line.Size
	}
	return runs
}

// forget brings the picture in memory after the index.
func (s *Store) forget(due []Expiring, rows map[string]segmentRow, _ []Aging) {
	for key, r := range s.without(due, rows) {
		s.runs[key] = r
	}
	for _, d := range due {
		key := segmentKey(d.SegmentLine)
		s.tombs[key] = &tombstone{row: tombstoneRow{V: format, Segment: rows[key], Reason: d.Reason, Due: protocol.T(d.Due())}}
	}
}

// unlink destroys the files under tombstones, syncs their directories, and leaves word for the journal. What fails is tried again; the others go on.
func (s *Store) unlink(now time.Time) {
	s.mu.Lock()
	todo := map[string]*tombstone{}
	for key, t := range s.tombs {
		if !now.Before(t.retry) {
			todo[key] = t
		}
	}
	s.mu.Unlock()
	if len(todo) == 0 {
		return
	}
	if err := s.present(); err != nil {
		s.incident("disk", "", short(err))
		s.again(todo, now)
		return
	}
	failed := map[string]*tombstone{}
	dirs := map[string][]string{}
	for key, t := range todo {
		line, err := t.row.Segment.line(key)
		if err != nil {
			s.badRow(err)
			failed[key] = t
			continue
		}
		file := s.segmentFile(line)
		switch err := os.Remove(file); {
		case errors.Is(err, fs.ErrNotExist):
			if !t.again {
				s.incident("missing file", line.Camera, fmt.Sprintf("%s was gone before it expired", file))
			}
		case err != nil:
			s.incident("expired footage cannot be deleted", line.Camera, cause(err))
			failed[key] = t
			continue
		}
		dirs[filepath.Dir(file)] = append(dirs[filepath.Dir(file)], key)
	}
	if err := s.at("unlinked"); err != nil {
		return
	}
	for dir, keys := range dirs {
		if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.incident("directory cannot be synced", "", cause(err))
			for _, key := range keys {
				todo[key].again = true
				failed[key] = todo[key]
			}
		}
	}
	for key := range failed {
		delete(todo, key)
	}
	s.again(failed, now)
	if err := s.markGone(todo, now); err != nil {
		s.incident("expiry cannot be written to the index", "", short(err))
		for _, t := range todo {
			t.again = true
		}
		s.again(todo, now)
	}
}

// cause is an error without the file it came from: one cause is one incident.
func cause(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return fmt.Sprintf("%s in %s: %v", at.Op, filepath.Dir(filepath.Dir(at.Path)), at.Err)
	}
	return short(err)
}

func (s *Store) again(failed map[string]*tombstone, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range failed {
		t.retry = now.Add(min(retryUnlink<<min(t.tries, 20), retryUnlinkMax))
		t.tries++
	}
}

// markGone notes that files do not exist any more, together with the entries that say so.
func (s *Store) markGone(gone map[string]*tombstone, now time.Time) error {
	if len(gone) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range gone {
		delete(s.tombs, key)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		byReason := map[Reason][]expired{}
		for key, t := range gone {
			row := t.row
			row.Gone = true
			if err := put(tx, inTombstones, key, row); err != nil {
				return err
			}
			line, err := row.Segment.line(key)
			if err != nil {
				return err
			}
			byReason[row.Reason] = append(byReason[row.Reason], expired{key, line, row})
		}
		for _, reason := range []Reason{ReasonHoldEnded, ReasonWindow, ReasonSpace} {
			list := byReason[reason]
			slices.SortFunc(list, func(a, b expired) int { return compareLines(a.line, b.line) })
			for part := range slices.Chunk(list, expiredEntry) {
				row, err := s.expiredEntry(reason, part, now)
				if err == nil {
					err = putOwed(tx, row)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		return s.at("gone")
	}
	for key, t := range gone {
		s.tombs[key] = t
	}
	return err
}

type expired struct {
	key  string
	line protocol.SegmentLine
	row  tombstoneRow
}

func (s *Store) expiredEntry(reason Reason, list []expired, now time.Time) (owedRow, error) {
	body := protocol.Expired{Reason: string(reason), At: protocol.T(now)}
	var row owedRow
	var cameras []protocol.CameraID
	for _, e := range list {
		body.Segments = append(body.Segments, protocol.ExpiredSegment{Camera: e.line.Camera, Run: e.line.Run, N: e.line.N, Start: e.line.Start, Due: e.row.Due, SHA256: e.line.SHA256})
		row.Minutes = append(row.Minutes, e.row.Segment.Minute)
		row.Drop = append(row.Drop, e.key)
		if !slices.Contains(cameras, e.line.Camera) {
			cameras = append(cameras, e.line.Camera)
		}
	}
	slices.Sort(cameras)
	for _, c := range cameras {
		o := protocol.OldestFootage{Camera: c}
		if at, ok := s.oldest(c); ok {
			t := protocol.T(at)
			o.Oldest = &t
		}
		body.Oldest = append(body.Oldest, o)
	}
	full, err := owe(protocol.KindExpired, body)
	full.Minutes, full.Drop = row.Minutes, row.Drop
	return full, err
}

// oldest is the first frame of a camera's oldest footage that is on this disk, held or not, and also what could not be unlinked. The caller has mu.
func (s *Store) oldest(c protocol.CameraID) (oldest time.Time, found bool) {
	see := func(t time.Time) {
		if !found || t.Before(oldest) {
			oldest, found = t, true
		}
	}
	for _, r := range s.runs {
		if r.Camera == c && r.Count > 0 {
			see(r.First.Time)
		}
	}
	for key, t := range s.tombs {
		if strings.HasPrefix(key, string(c)+"/") {
			see(t.row.Due.Time) // refined below
			if line, err := t.row.Segment.line(key); err == nil {
				see(line.Start.Time)
			}
		}
	}
	return oldest, found
}

// removeRuns removes what is left of runs that are over and have no footage any more.
func (s *Store) removeRuns() {
	s.mu.Lock()
	busy := map[string]bool{}
	for key := range s.tombs {
		busy[keyRun(key)] = true
	}
	var over []*runRow
	for key, r := range s.runs {
		if r.Ended && r.Count == 0 && !busy[key] {
			over = append(over, r)
		}
	}
	s.mu.Unlock()
	if len(over) == 0 || s.present() != nil {
		return
	}
	streams := map[string]bool{}
	for _, r := range over {
		if err := removeRun(s.runDir(r.Camera, r.Run)); err != nil {
			s.incident("unknown file", r.Camera, fmt.Sprintf("a run without footage cannot be removed: %v", err))
			continue
		}
		s.mu.Lock()
		err := s.db.Update(func(tx *bbolt.Tx) error { return del(tx, inRuns, r.key()) })
		if err == nil {
			delete(s.runs, r.key())
		}
		s.mu.Unlock()
		if err != nil {
			s.Log.Error("footage: removing a run", "run", r.key(), "error", err)
			return
		}
		streams[streamKey(r.Camera, r.Stream)] = true
	}
	s.forgetGaps(streams)
}

// forgetGaps drops gaps that lie before everything a camera still has, and before what the longest window could still ask about. The journal keeps them.
func (s *Store) forgetGaps(streams map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for key := range streams {
			camera, _, _ := strings.Cut(key, "/")
			before := s.Now().Add(-protocol.MaxWindow.Duration())
			if at, ok := s.oldest(protocol.CameraID(camera)); ok && at.Before(before) {
				before = at
			}
			var old []string
			err := each(tx, inGaps, key+"/", s.badRow, func(k string, g gapRow) error {
				if g.Gap.To != nil && g.Gap.To.Before(before) {
					old = append(old, k)
				}
				return nil
			})
			for _, k := range old {
				err = errors.Join(err, del(tx, inGaps, k))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Log.Error("footage: forgetting gaps", "error", err)
	}
}

// over is how many bytes are on the disk that should not be: above MaxBytes, or in the space that stays free.
func (s *Store) over() (int64, error) {
	used, open := s.used()
	var over int64
	if s.MaxBytes > 0 {
		over = used + open - s.MaxBytes
	}
	free, _, err := s.free(s.Dir)
	if err != nil {
		return max(0, over), err
	}
	return max(0, over, s.MinFree-free), nil
}

// used is the bytes of sealed footage that exist, also under tombstones, and how many the open segments may still take.
func (s *Store) used() (sealed, open int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		sealed += r.Bytes
	}
	return sealed, 0
}

// room makes room for another segment, or says that there is none: only held footage is left.
func (s *Store) room() error {
	over, err := s.over()
	if err != nil {
		return err
	}
	if over == 0 {
		return nil
	}
	s.sweep(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return errFull
	}
	return nil
}
