package footage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Finding is something that is not as the index says, or an index that contradicts itself.
type Finding struct {
	What   string // "missing file", "file that changed", "unknown file", "init that changed", "missing key", "key of gone footage", "locked keys", "missing disk", "overdue", "wrong count", "wrong minute", "broken row", …
	Key    string // the row or the file, relative to its volume
	Detail string
}

func (f Finding) String() string { return f.What + ": " + f.Key + ": " + f.Detail }

// snapshot is what the index said at one moment.
type snapshot struct {
	runs       map[string]runRow
	segments   map[string]segmentRow
	tombstones map[string]tombstoneRow
	owed       map[string]owedRow
	queues     map[string]queueRow
	minutes    map[string]minuteRow
	waiting    map[string]bool
	kept       map[string]bool
	open       map[string]bool
	totals     totalsRow
	unlisted   map[string]bool
	findings   []Finding
}

func (c *snapshot) find(what, key, format string, a ...any) {
	c.findings = append(c.findings, Finding{what, key, fmt.Sprintf(format, a...)})
}

// Check compares rows, files, hashes, runs, minutes and tombstones, and reads every byte of footage. It changes nothing. What it finds in a segment that expired meanwhile, or in a
// run that is being written, is left out. An error means that it could not look.
func (s *Store) Check(ctx context.Context) ([]Finding, error) {
	s.sweeping.Lock() // nothing expires while the index is compared with itself
	c, err := s.take()
	if err == nil {
		err = s.checkKeys(c)
	}
	s.sweeping.Unlock()
	if err != nil {
		return nil, fmt.Errorf("footage: check: %w", err)
	}
	c.compareRows()
	if err := s.checkFiles(ctx, c); err != nil {
		return nil, fmt.Errorf("footage: check: %w", err)
	}
	slices.SortFunc(c.findings, func(a, b Finding) int { return strings.Compare(a.Key+a.What, b.Key+b.What) })
	return c.findings, nil
}

func (s *Store) take() (*snapshot, error) {
	c := &snapshot{runs: map[string]runRow{}, segments: map[string]segmentRow{}, tombstones: map[string]tombstoneRow{}, owed: map[string]owedRow{}, queues: map[string]queueRow{}, minutes: map[string]minuteRow{}, unlisted: map[string]bool{}, waiting: map[string]bool{}, kept: map[string]bool{}, open: map[string]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	reading := s.Clock()
	now := reading.Now
	standing := s.standing(now)
	err := s.db.View(func(tx *bbolt.Tx) error {
		broken := func(err error) { c.find("broken row", "index.db", "%v", err) }
		for name, set := range map[string]map[string]bool{"unlisted": c.unlisted, "waiting": c.waiting, "kept": c.kept, "open": c.open} {
			k := tx.Bucket([]byte(name)).Cursor()
			for key, _ := k.First(); key != nil; key, _ = k.Next() {
				set[string(key)] = true
			}
		}
		totals, _, err := get[totalsRow](tx, inMeta, "totals")
		c.totals = totals
		return errors.Join(err,
			each(tx, inQueues, "", broken, func(key string, r queueRow) error { c.queues[key] = r; return nil }),
			each(tx, inOwed, "", broken, func(key string, r owedRow) error { c.owed[key] = r; return nil }),
			each(tx, inRuns, "", broken, func(key string, r runRow) error { c.runs[key] = r; return nil }),
			each(tx, inSegments, "", broken, func(key string, r segmentRow) error { c.segments[key] = r; return nil }),
			each(tx, inTombstones, "", broken, func(key string, r tombstoneRow) error { c.tombstones[key] = r; return nil }),
			each(tx, inMinutes, "", broken, func(key string, r minuteRow) error { c.minutes[key] = r; return nil }))
	})
	for key, row := range c.segments {
		l, err := row.line(key)
		if run, ok := c.runs[keyRun(key)]; err == nil && ok && !now.Before(s.dueFrom(&run, l.Start.Time, reading)) && !held(standing, l) {
			c.find("overdue", key, "should have expired at %s", protocol.T(s.dueFrom(&run, l.Start.Time, reading)))
		}
	}
	return c, err
}

// checkKeys looks for keys of footage that is gone. Of what has a tombstone the key goes with the next generation.
func (s *Store) checkKeys(c *snapshot) error {
	if s.keys.state().Locked {
		c.find("locked keys", "keys.tbl", "%v: no byte of footage was read", ErrLocked)
		return nil
	}
	going := map[slot]bool{}
	for _, row := range c.tombstones {
		for _, b := range row.Segments {
			if k, encrypted, err := b.slot(); encrypted && err == nil {
				going[k] = true
			}
		}
	}
	spare, err := s.keys.spare(going, s.living)
	for _, k := range spare {
		c.find("key of gone footage", k.String(), "no footage needs this key")
	}
	return err
}

// compareRows holds the index against itself.
func (c *snapshot) compareRows() {
	count, bytes := map[string]int{}, map[string]int64{}
	left := map[string]int{}
	for key, row := range c.segments {
		l, err := row.line(key)
		if err != nil {
			c.find("broken row", key, "%v", err)
			continue
		}
		run, ok := c.runs[keyRun(key)]
		if !ok {
			c.find("segment without a run", key, "the index has no such run")
			continue
		}
		if run.Init != l.Init || l.N >= run.Next || l.Start.Before(run.First.Time) {
			c.find("segment beside its run", key, "init, place or start do not fit the run's row")
		}
		count[keyRun(key)]++
		bytes[keyRun(key)] += row.stored(l)
		switch {
		case row.Minute == 0 && !c.unlisted[key]:
			c.find("segment that is never journalled", key, "in no minute and not waiting for one")
		case row.Minute != 0 && c.unlisted[key]:
			c.find("wrong minute", key, "listed, and waiting to be listed")
		case row.Minute != 0:
			left[number(row.Minute)]++
			m := c.minutes[number(row.Minute)]
			if list, err := m.leaves(); err != nil || row.Index >= len(list) || list[row.Index] != protocol.Hash(tlog.RecordHash([]byte(row.Line))) {
				c.find("wrong minute", key, "its line is not at place %d of minute %d", row.Index, row.Minute)
			}
		}
	}
	for _, row := range c.tombstones {
		for _, b := range row.Segments {
			if b.Minute != 0 {
				left[number(b.Minute)]++
			}
			l, err := protocol.ParseSegmentLine(b.Line)
			if _, both := c.segments[segmentKey(l)]; both || err != nil {
				c.find("tombstone over a living segment", segmentKey(l), "the index has both, or its line cannot be read")
			}
		}
	}
	for _, row := range c.owed {
		for _, own := range row.Minutes {
			if own != 0 {
				left[number(own)]++
			}
		}
	}
	c.compareRuns(count, bytes)
	for key, m := range c.minutes {
		list, err := m.leaves()
		if root, e := rootOf(list); err != nil || e != nil || root != m.Root {
			c.find("wrong minute", key, "its root is not that of its list")
		}
		if m.Left != left[key] {
			c.find("wrong minute", key, "%d of its segments should be left, %d are", m.Left, left[key])
		}
	}
	for key := range c.unlisted {
		if _, ok := c.segments[key]; !ok {
			c.find("wrong minute", key, "waits to be listed and does not exist")
		}
	}
}

// compareRuns holds runs against their segments, and against their places in queues: what does not stand there would not expire.
func (c *snapshot) compareRuns(count map[string]int, bytes map[string]int64) {
	var totals totalsRow
	for key, run := range c.runs {
		totals = totals.with(run.Volume, 1, run.Count, run.Bytes)
		if q, ok := c.queues[run.queue()]; ok && q.Volume != run.Volume {
			c.find("run that would not expire", key, "it is on another volume than its queue")
		}
	}
	places := map[string]bool{}
	for key, run := range c.runs {
		if run.Count != count[key] || run.Bytes != bytes[key] {
			c.find("wrong count", key, "the run's row says %d segments of %d bytes, there are %d of %d", run.Count, run.Bytes, count[key], bytes[key])
		}
		_, known := c.queues[run.queue()]
		if places[run.waitingKey()] = true; known == run.Waits.IsZero() && run.Count > 0 && !c.kept[key] || !run.Waits.IsZero() && !(known && c.waiting[run.waitingKey()]) {
			c.find("run that would not expire", key, "it does not stand in a queue")
		}
		if run.Ended == c.open[key] {
			c.find("wrong count", key, "it has ended or is open, and stands among the others")
		}
	}
	for key := range c.waiting {
		if !places[key] {
			c.find("run that would not expire", key, "another, or none, stands at its place in the queue")
		}
	}
	if !maps.Equal(totals.On, c.totals.On) {
		c.find("wrong count", "index.db", "the totals say %v, and it is %v", c.totals.On, totals.On)
	}
}

// checkFiles holds the index against the disk.
func (s *Store) checkFiles(ctx context.Context, c *snapshot) error {
	known := map[string]bool{}
	for key, run := range c.runs {
		dir := filepath.Join("footage", string(run.Camera), string(run.Run))
		known[dir] = true
		known[filepath.Join(dir, "init.mp4")] = true
		if s.isAway(s.volumeOf(&run)) != nil {
			continue
		}
		b, err := disk.ReadFile(s.Disk, filepath.Join(s.runDir(run.Camera, run.Run), "init.mp4"))
		switch {
		case !s.stays(key):
		case err != nil:
			c.find("missing file", filepath.Join(dir, "init.mp4"), "%v", err)
		case protocol.HashOf(b) != run.Init:
			c.find("init that changed", filepath.Join(dir, "init.mp4"), "SHA-256 %s, the index says %s", protocol.HashOf(b), run.Init)
		}
	}
	for key, row := range c.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, err := row.line(key)
		if err != nil {
			continue
		}
		name := s.relative(l)
		known[name] = true
		if s.isAway(s.where(l.Camera, l.Run)) != nil {
			continue
		}
		what, detail := s.compareFile(row, l)
		if what != "" && s.still(inSegments, key) {
			c.find(what, name, "%s", detail)
		}
	}
	for _, row := range c.tombstones {
		for _, b := range row.Segments {
			if l, err := protocol.ParseSegmentLine(b.Line); err == nil {
				known[s.relative(l)] = true
			}
		}
	}
	for key, row := range c.owed {
		var gone protocol.Expired
		if row.Kind != protocol.KindExpired {
			continue
		}
		if err := json.Unmarshal(row.Body, &gone); err != nil {
			c.find("broken row", key, "%v", err)
		}
		for _, e := range gone.Segments {
			of := protocol.SegmentLine{Camera: e.Camera, Run: e.Run, N: e.N}
			name := s.relative(of)
			known[name] = true
			if _, err := s.Disk.Lstat(s.segmentFile(of)); !errors.Is(err, fs.ErrNotExist) {
				c.find("footage that should be gone", name, "the index says it was deleted")
			}
		}
	}
	for _, v := range s.volumes {
		if away := s.isAway(v); away != nil {
			c.find("missing disk", v.Dir, "%s", short(away))
		} else if err := s.checkDir(c, v, "footage", known); err != nil {
			return err
		}
	}
	return nil
}

// checkDir looks for what the index does not know in a directory of footage: those of the volume and of a camera belong to nobody.
func (s *Store) checkDir(c *snapshot, v *volume, dir string, known map[string]bool) error {
	entries, err := s.Disk.ReadDir(filepath.Join(v.Dir, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // expired meanwhile
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if camera := e.IsDir() && dir == "footage"; !camera && !known[name] && !s.knownNow(v, name) {
			c.find("unknown file", name, "the index does not know it")
		}
		if e.IsDir() {
			if err := s.checkDir(c, v, name, known); err != nil {
				return err
			}
		}
	}
	return nil
}

// knownNow says whether a path that the snapshot did not know is known by now, or gone.
func (s *Store) knownNow(v *volume, name string) bool {
	parts := strings.Split(name, string(filepath.Separator))
	if s.indexed(parts) {
		return true
	}
	_, err := s.Disk.Lstat(filepath.Join(v.Dir, name))
	return errors.Is(err, fs.ErrNotExist)
}

// indexed says whether footage/<camera>/<run>[/<file>] is in the index now, or about to be.
func (s *Store) indexed(parts []string) bool {
	if len(parts) < 3 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.making[filepath.Join(parts[1], parts[2])]; ok {
		return true
	}
	known := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		run, found := ofStreams(tx, inRuns, parts[1], parts[2])
		switch {
		case !found || keyRun(run)+"/"+parts[2] != run:
		case len(parts) == 3 || parts[3] == "init.mp4" || s.runs[run] != nil:
			known = true
		default:
			known = tx.Bucket(inSegments).Get([]byte(run+"/"+strings.TrimSuffix(parts[3], ".seg"))) != nil
		}
		return nil
	})
	for _, t := range s.tombs {
		known = known || slices.ContainsFunc(t.left, func(b buried) bool { return s.relative(b.line) == filepath.Join(parts...) })
	}
	return known || err != nil
}

func (s *Store) relative(l protocol.SegmentLine) string {
	return filepath.Join("footage", string(l.Camera), string(l.Run), fmt.Sprintf("%06d.seg", l.N))
}

// still says whether a row is in the index now.
func (s *Store) still(bucket []byte, key string) (found bool) {
	err := s.db.View(func(tx *bbolt.Tx) error { found = tx.Bucket(bucket).Get([]byte(key)) != nil; return nil })
	return found || err != nil
}

// stays says whether a run is in the index now, and not about to be removed.
func (s *Store) stays(run string) (stays bool) {
	err := s.db.View(func(tx *bbolt.Tx) error {
		r, found, err := get[runRow](tx, inRuns, run)
		stays = found && !(r.Ended && r.Count == 0)
		return err
	})
	return stays || err != nil
}

func (s *Store) compareFile(row segmentRow, l protocol.SegmentLine) (what, detail string) {
	f, err := s.openSegment(row, l)
	switch {
	case errors.Is(err, errAuthentic):
		return "file that changed", err.Error()
	case errors.Is(err, ErrLocked): // said once, of all
		return "", ""
	case errors.Is(err, ErrKey):
		return "missing key", err.Error()
	case errors.Is(err, fs.ErrNotExist):
		return "missing file", err.Error()
	case err != nil:
		return "file that cannot be read", err.Error()
	}
	defer f.Close() // read only
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	switch {
	case errors.Is(err, errAuthentic):
		return "file that changed", err.Error()
	case err != nil:
		return "file that cannot be read", err.Error()
	case n != l.Size:
		return "file that changed", fmt.Sprintf("%d bytes, the index says %d", n, l.Size)
	case protocol.Hash(sum.Sum(nil)) != l.SHA256:
		return "file that changed", fmt.Sprintf("SHA-256 is not %s", l.SHA256)
	}
	return "", ""
}
