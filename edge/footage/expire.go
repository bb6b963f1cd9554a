package footage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	buryAtOnce   = 500 // tombstones in one transaction
	expiredEntry = 100 // segments in one footage.expired entry: some 30 kB of the 64 an entry may have

	retryUnlink    = time.Second
	retryUnlinkMax = 5 * time.Minute
	retryFull      = 10 * time.Second
)

// tombstone is a segment whose file is still there, or may be.
type tombstone struct {
	row      tombstoneRow
	size     int64
	again    bool      // found at the start: its file may be gone already
	unlinked time.Time // when it was, with its directory synced: only its key is left; zero: not yet
	keyless  bool      // its key is destroyed
	tries    int
	retry    time.Time
}

// expire lets everything go that is due, and tells when more is. The caller has sweeping.
func (s *Store) expire(ctx context.Context) (next time.Time) {
	for {
		reading := s.Clock()
		now := reading.Now
		var until time.Time
		buried := 0
		for _, v := range s.volumes {
			n, at, err := s.bury(v, reading)
			if err != nil {
				s.incident("expiry cannot be written to the index", "", short(err))
				at = now.Add(retryUnlink)
			}
			if buried += n; !at.IsZero() && (until.IsZero() || at.Before(until)) {
				until = at
			}
		}
		s.unlink(now)
		s.rounds.Add(1)
		if buried == 0 {
			next = until
			break
		}
		s.destroyKeys(now, s.backlog())
		s.settle(ctx)
	}
	if at := s.destroyKeys(s.Now(), false); !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	s.settle(ctx)
	if at := s.removeRuns(); !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tombs {
		if t.unlinked.IsZero() && (next.IsZero() || t.retry.Before(next)) {
			next = t.retry
		}
	}
	for _, w := range s.writers {
		if start, run := w.open(); !start.IsZero() && s.runs[run] != nil {
			if due := s.runs[run].dueFrom(start, s.Clock()); next.IsZero() || due.Before(next) {
				next = due
			}
		}
	}
	return next
}

// bury puts a tombstone over each segment of a volume that must go, the intent of expiry, as many as one transaction takes.
func (s *Store) bury(v *volume, reading trusted.Reading) (buried int, next time.Time, err error) {
	now := reading.Now
	need, err := s.over(v)
	if err != nil {
		s.incident("free space is not known", "", short(err)) // windows still count
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if waits(now, v.fullUntil, retryFull) {
		need = 0 // everything was looked at just now, and is held
	}
	var c candidates
	if err := s.db.View(func(tx *bbolt.Tx) error { c, err = s.candidates(tx, v, need, reading); return err }); err != nil {
		return 0, time.Time{}, err
	}
	if c.crowded {
		need = 0
	}
	due, next := Expired(c.aging, s.keeps(), need, now)
	if v.full = need > 0 && len(due) == 0; v.full {
		v.fullUntil = now.Add(retryFull)
	}
	for _, at := range c.later {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if len(due) == 0 && len(c.miscounted) == 0 {
		return 0, next, nil
	}
	due = due[:min(len(due), buryAtOnce)]
	runs := s.without(due, c)
	put := func(tx *bbolt.Tx) error { return putTombstones(tx, due, c.rows, runs) }
	if err = s.db.Update(put); err != nil && s.spendReserve(err) {
		err = s.db.Update(put)
	}
	if err != nil {
		return 0, next, err
	}
	for key, r := range runs {
		s.runs[key] = r
	}
	for _, d := range due {
		key := segmentKey(d.SegmentLine)
		s.tombs[key] = &tombstone{row: tombstoneOf(d, c.rows[key]), size: d.Stored}
		if d.Reason == ReasonSpace {
			s.early, s.earlyAt = s.early+1, now
		}
	}
	return len(due), next, s.at("tombstoned")
}

// candidates are the segments of a volume that the policy must look at: all of each run that has something due or must help to make room.
type candidates struct {
	aging []Aging
	rows  map[string]segmentRow
	later []time.Time // when the other runs have something due

	crowded    bool     // as much is due as one transaction takes: nothing goes early while that is so
	miscounted []string // runs of which rows cannot be read: they do not count
}

func (s *Store) candidates(tx *bbolt.Tx, v *volume, need int64, reading trusted.Reading) (c candidates, err error) {
	c.rows = map[string]segmentRow{}
	now := reading.Now
	standing := s.standing(now)
	var spare int64 // bytes that may go
	free := 0       // segments that may
	add := func(r *runRow) error {
		before := len(c.aging)
		err := s.eachLine(tx, r, func(key string, row segmentRow, l protocol.SegmentLine) {
			c.rows[key] = row
			c.aging = append(c.aging, Aging{l, r.Window, row.stored(l), r.back(reading)})
			if !held(standing, l) {
				spare += row.stored(l)
				free++
			}
		})
		if len(c.aging)-before != r.Count {
			c.miscounted = append(c.miscounted, r.key())
		}
		return err
	}
	var past, rest []*runRow
	for _, r := range s.runs {
		switch {
		case r.Count == 0 || s.volumeOf(r) != v:
		case now.Before(r.due(reading)):
			rest = append(rest, r)
		default:
			past = append(past, r)
		}
	}
	// After weeks off there is more than one transaction takes: what is oldest goes first, and the others have their turn.
	slices.SortFunc(past, func(a, b *runRow) int { return a.First.Compare(b.First.Time) })
	for _, r := range past {
		if free >= buryAtOnce {
			c.later = append(c.later, r.due(reading))
		} else if err := add(r); err != nil {
			return c, err
		}
	}
	if c.crowded = free >= buryAtOnce; c.crowded {
		need = 0
	}
	if spare >= need { // as nearly always: then only the next to be due matters of what may be forty thousand runs
		if len(rest) > 0 {
			c.later = append(c.later, slices.MinFunc(rest, func(a, b *runRow) int { return a.due(reading).Compare(b.due(reading)) }).due(reading))
		}
		return c, nil
	}
	// To make room the oldest go first: the oldest runs, until enough may go, and those that overlap the last of them.
	slices.SortFunc(rest, func(a, b *runRow) int { return a.First.Compare(b.First.Time) })
	var until time.Time
	for _, r := range rest {
		if spare >= need && !r.First.Before(until) {
			c.later = append(c.later, r.due(reading))
			continue
		}
		if spare < need {
			until = later(until, r.End.Time)
		}
		if err := add(r); err != nil {
			return c, err
		}
	}
	return c, nil
}

func tombstoneOf(d Expiring, row segmentRow) tombstoneRow {
	row.Fragments = nil // nobody reads it any more, and many may wait for their keys to go
	return tombstoneRow{V: format, Segment: row, Reason: d.Reason, Due: protocol.T(d.Due())}
}

func putTombstones(tx *bbolt.Tx, due []Expiring, rows map[string]segmentRow, runs map[string]*runRow) error {
	for _, d := range due {
		key := segmentKey(d.SegmentLine)
		if err := errors.Join(put(tx, inTombstones, key, tombstoneOf(d, rows[key])), del(tx, inSegments, key), del(tx, inUnlisted, key)); err != nil {
			return err
		}
	}
	for key, r := range runs {
		if err := put(tx, inRuns, key, r); err != nil {
			return err
		}
	}
	return nil
}

// without is what becomes of the runs when these segments leave them.
func (s *Store) without(due []Expiring, c candidates) map[string]*runRow {
	gone := map[string]bool{}
	runs := map[string]*runRow{}
	for _, d := range due {
		gone[segmentKey(d.SegmentLine)] = true
		runs[runKey(d.Camera, d.Stream, d.Run)] = nil
	}
	for _, key := range c.miscounted {
		runs[key] = nil
	}
	for key := range runs {
		r := *s.runs[key]
		r.Count, r.Bytes = 0, 0
		runs[key] = &r
	}
	for key, row := range c.rows {
		r := runs[keyRun(key)]
		if r == nil || gone[key] {
			continue
		}
		line, err := row.line(key)
		if err != nil {
			continue // was reported when it was read
		}
		r.add(line, row.stored(line))
	}
	return runs
}

// unlink destroys the files under tombstones, syncs their directories, and leaves word for the journal. What fails is tried again; the others go on.
func (s *Store) unlink(now time.Time) {
	s.mu.Lock()
	todo := map[*volume]map[string]*tombstone{}
	for key, t := range s.tombs {
		if t.unlinked.IsZero() && !waits(now, t.retry, retryUnlinkMax) {
			v := s.whereSegment(key)
			if todo[v] == nil {
				todo[v] = map[string]*tombstone{}
			}
			todo[v][key] = t
		}
	}
	s.mu.Unlock()
	for _, v := range s.volumes {
		if len(todo[v]) > 0 {
			s.unlinkOn(v, todo[v], now)
		}
	}
}

func (s *Store) unlinkOn(v *volume, todo map[string]*tombstone, now time.Time) {
	if err := s.present(v); err != nil {
		if !v.listed {
			s.giveUp(v, todo, now)
		}
		s.again(todo, now)
		return
	}
	s.touched(v)
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
		switch err := s.Disk.Remove(file); {
		case errors.Is(err, fs.ErrNotExist):
			if !t.again && !v.copied {
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
		if err := s.Disk.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range todo {
		t.unlinked = now
	}
}

// backlog says whether more waits for its key to be destroyed than should stand in memory: then a generation is made before its time.
func (s *Store) backlog() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tombs) >= 10*buryAtOnce
}

// destroyKeys destroys the keys of what has a tombstone and was unlinked, also of what could not be unlinked: then its key, at least, goes in time. What has neither file nor key
// is gone. A generation is made at most once a minute, unless it is to be now; it tells when the next one may be, if something waits for it.
func (s *Store) destroyKeys(now time.Time, always bool) (next time.Time) {
	s.mu.Lock()
	keys := map[string]slot{}
	waiting, gone := map[string]*tombstone{}, map[string]*tombstone{}
	for key, t := range s.tombs {
		k, encrypted, err := t.row.Segment.slot()
		t.keyless = t.keyless || !encrypted || err != nil // what no row names goes with its chain
		switch {
		case !t.keyless && (!t.unlinked.IsZero() || t.tries > 0):
			waiting[key], keys[key] = t, k
		case t.keyless && !t.unlinked.IsZero():
			gone[key] = t
		}
	}
	s.mu.Unlock()
	var doomed []slot
	for key, k := range keys {
		if s.keys.waits(k) { // for the share, and the entry with it
			delete(waiting, key)
			continue
		}
		doomed = append(doomed, k)
	}
	work := len(doomed) > 0 || s.keys.owes()
	if wait := s.keys.wait(now); work && wait > 0 && !always {
		next = now.Add(wait)
	} else if work {
		if err := s.keys.destroy(now, doomed, s.living, s.hours); err != nil {
			s.incident("keys of expired footage cannot be destroyed", "", cause(err))
			next = now.Add(retryUnlink)
		} else {
			s.mu.Lock()
			for key, t := range waiting {
				if t.keyless = true; !t.unlinked.IsZero() {
					gone[key] = t
				}
			}
			s.mu.Unlock()
		}
	}
	if err := s.markGone(gone); err != nil {
		s.incident("expiry cannot be written to the index", "", short(err))
		next = now.Add(retryUnlink)
	}
	return next
}

// tidyKeys drops what a crash left in the key table without footage.
func (s *Store) tidyKeys() {
	hours := s.hours()
	if !s.keys.stale(hours) {
		return
	}
	if err := s.keys.destroy(s.Now(), nil, s.living, s.hours); err != nil {
		s.incident("keys without footage cannot be destroyed", "", cause(err))
	}
}

// hours are the clock hours of each camera of which there is a run.
func (s *Store) hours() map[hourOf]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	hours := map[hourOf]bool{}
	for _, r := range s.runs {
		hours[hourOfRun(r)] = true
	}
	return hours
}

// living are the places of a chain that have a row. Of a row that cannot be read the file says which key it has.
func (s *Store) living(of hourOf, id chainID) (map[uint32]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	places := map[uint32]bool{}
	see := func(k slot, err error) {
		if err == nil && k.chain == id {
			places[k.n] = true
		}
	}
	return places, s.db.View(func(tx *bbolt.Tx) error {
		for _, r := range s.runs {
			if hourOfRun(r) != of || r.V == plaintext {
				continue
			}
			c := tx.Bucket(inSegments).Cursor()
			for k, v := c.Seek([]byte(r.key() + "/")); k != nil && strings.HasPrefix(string(k), r.key()+"/"); k, v = c.Next() {
				row, err := decode[segmentRow](inSegments, string(k), v)
				if err == nil {
					k, _, err := row.slot()
					see(k, err)
					continue
				}
				f, err := disk.Open(s.Disk, filepath.Join(s.runDir(r.Camera, r.Run), strings.TrimPrefix(string(k), r.key()+"/")+".seg"))
				if err != nil {
					continue // nothing to keep a key for
				}
				h, err := readHead(f)
				see(h.key, err)
				if err := f.Close(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// cause is an error without the file it came from: one cause is one incident.
func cause(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return fmt.Sprintf("%s in %s: %v", at.Op, filepath.Dir(filepath.Dir(at.Path)), at.Err)
	}
	return short(err)
}

// waits says that what is tried again at a moment is not tried yet. What seems to wait for longer than it may waits for a clock that was set back, and so no more.
func waits(now, until time.Time, most time.Duration) bool {
	return now.Before(until) && until.Sub(now) <= most
}

func (s *Store) again(failed map[string]*tombstone, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range failed {
		t.retry = now.Add(min(retryUnlink<<min(t.tries, 20), retryUnlinkMax))
		t.tries++
	}
}

// markGone notes that files and their keys do not exist any more, together with the entries that say so. An entry's At is when the files were unlinked.
func (s *Store) markGone(gone map[string]*tombstone) error {
	if len(gone) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range gone {
		delete(s.tombs, key)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		type group struct {
			reason Reason
			at     time.Time
		}
		groups := map[group][]expired{}
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
			of := group{row.Reason, t.unlinked}
			groups[of] = append(groups[of], expired{key, line, row})
		}
		for _, of := range slices.SortedFunc(maps.Keys(groups), func(a, b group) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.reason, b.reason)) }) {
			list := groups[of]
			slices.SortFunc(list, func(a, b expired) int { return compareLines(a.line, b.line) })
			for part := range slices.Chunk(list, expiredEntry) {
				row, err := s.expiredEntry(of.reason, part, of.at)
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

func (s *Store) expiredEntry(reason Reason, list []expired, at time.Time) (owedRow, error) {
	body := protocol.Expired{Reason: string(reason), At: protocol.T(at)}
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
		if t.unlinked.IsZero() && strings.HasPrefix(key, string(c)+"/") {
			if line, err := t.row.Segment.line(key); err == nil {
				see(line.Start.Time)
			}
		}
	}
	return oldest, found
}

// removeRuns removes what is left of runs that are over and have no footage any more.
func (s *Store) removeRuns() (next time.Time) {
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
	streams := map[string]bool{}
	there := map[*volume]bool{}
	for _, r := range over {
		v := s.volumeOf(r)
		if _, asked := there[v]; !asked {
			there[v] = s.present(v) == nil
		}
		if !there[v] && v.listed {
			continue
		}
		wait, err := s.clearRun(r)
		if !wait.IsZero() && (next.IsZero() || wait.Before(next)) {
			next = wait
		}
		if err != nil {
			s.incident("a run without footage cannot be removed", r.Camera, short(err))
			continue
		}
		if wait.IsZero() {
			streams[streamKey(r.Camera, r.Stream)] = true
		}
	}
	s.forgetGaps(streams)
	return next
}

// clearRun removes a run of which no readable row is left. Files that stand in its directory all the same have rows that cannot be read: they go when the last frame of
// the run is past its window and no hold touches the run, since nothing says which of them is which. Until then it tells when to come back.
func (s *Store) clearRun(r *runRow) (wait time.Time, err error) {
	dir := s.runDir(r.Camera, r.Run)
	entries, err := s.Disk.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wait, err
	}
	var left []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".seg") {
			left = append(left, filepath.Join(dir, e.Name()))
		}
	}
	if len(left) > 0 {
		reading := s.Clock()
		now := reading.Now
		wait = r.dueFrom(r.End.Time, reading)
		s.mu.Lock()
		for _, k := range s.standing(now) {
			if k.Camera == r.Camera && k.Asked.Overlaps(protocol.Interval{From: r.Start.Time, To: r.End.Time}) {
				wait = later(wait, k.until())
			}
		}
		s.mu.Unlock()
		if now.Before(wait) {
			return wait, nil
		}
		s.incident("footage whose row cannot be read", r.Camera, fmt.Sprintf("%d files of run %s are deleted at the end of its window", len(left), r.Run))
		for _, name := range left {
			if err := s.Disk.Remove(name); err != nil {
				return now.Add(retryUnlinkMax), err
			}
		}
	}
	if err := s.removeRun(dir); err != nil {
		return s.Now().Add(retryUnlinkMax), err
	}
	if len(left) > 0 {
		defer s.keys.owe() // no tombstone asks for their keys
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.db.Update(func(tx *bbolt.Tx) error {
		for _, bucket := range [][]byte{inSegments, inUnlisted} {
			c := tx.Bucket(bucket).Cursor()
			prefix := r.key() + "/"
			for k, _ := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, _ = c.Seek([]byte(prefix)) {
				if err := c.Delete(); err != nil {
					return err
				}
			}
		}
		return del(tx, inRuns, r.key())
	})
	if err == nil {
		delete(s.runs, r.key())
		s.forgetPlace(r.Camera, r.Run)
	}
	return time.Time{}, err
}

// forgetGaps drops gaps that lie before everything a camera still has, and before what the longest window could still ask about. The journal keeps them.
func (s *Store) forgetGaps(streams map[string]bool) {
	if len(streams) == 0 {
		return
	}
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

// over is how many bytes must go from a volume: above its MaxBytes, or in the space that is to stay free. What has a tombstone is on its way. Of one that is not there
// nothing goes to make room.
func (s *Store) over(v *volume) (int64, error) {
	if s.present(v) != nil {
		return 0, nil
	}
	free, _, err := s.Disk.Free(v.Dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	var used, going int64
	for _, r := range s.runs {
		if s.volumeOf(r) == v {
			used += r.Bytes
		}
	}
	for key, t := range s.tombs {
		if t.unlinked.IsZero() && s.whereSegment(key) == v {
			going += t.size
		}
	}
	over := int64(0)
	if v.MaxBytes > 0 {
		over = used - v.MaxBytes
	}
	if err != nil {
		return max(0, over), err
	}
	return max(0, over, s.MinFree-free-going), nil
}

// room makes room on a volume for another segment, or says that there is none: only held footage is left.
func (s *Store) room(v *volume) error {
	over, err := s.over(v)
	if err != nil {
		return err
	}
	if over == 0 {
		return nil
	}
	s.mu.Lock()
	known := waits(s.Now(), v.fullUntil, retryFull)
	s.mu.Unlock()
	if known {
		return errFull
	}
	s.sweep(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.full {
		return errFull
	}
	return nil
}
