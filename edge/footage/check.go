package footage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

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
	minutes    map[string]minuteRow
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
	reading := s.Clock()
	now := reading.Now
	c := &snapshot{runs: map[string]runRow{}, segments: map[string]segmentRow{}, tombstones: map[string]tombstoneRow{}, minutes: map[string]minuteRow{}, unlisted: map[string]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	standing := s.standing(now)
	err := s.db.View(func(tx *bbolt.Tx) error {
		broken := func(err error) { c.find("broken row", "index.db", "%v", err) }
		k := tx.Bucket(inUnlisted).Cursor()
		for key, _ := k.First(); key != nil; key, _ = k.Next() {
			c.unlisted[string(key)] = true
		}
		return errors.Join(
			each(tx, inRuns, "", broken, func(key string, r runRow) error { c.runs[key] = r; return nil }),
			each(tx, inSegments, "", broken, func(key string, r segmentRow) error { c.segments[key] = r; return nil }),
			each(tx, inTombstones, "", broken, func(key string, r tombstoneRow) error { c.tombstones[key] = r; return nil }),
			each(tx, inMinutes, "", broken, func(key string, r minuteRow) error { c.minutes[key] = r; return nil }))
	})
	for key, row := range c.segments {
		l, err := row.line(key)
		if run, ok := c.runs[keyRun(key)]; err == nil && ok && !now.Before(run.dueFrom(l.Start.Time, reading)) && !held(standing, l) {
			c.find("overdue", key, "should have expired at %s", protocol.T(run.dueFrom(l.Start.Time, reading)))
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
	for key, t := range c.tombstones {
		k, encrypted, err := t.Segment.slot()
		if err != nil || !encrypted {
			continue
		}
		if !t.Gone {
			going[k] = true
		} else if found, err := s.keys.find(k); err == nil {
			clear(found)
			c.find("key of gone footage", key, "its footage is gone, and its key %s is not", k)
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
			if row.Index >= len(m.Leaves) || m.Leaves[row.Index] != protocol.Hash(tlog.RecordHash([]byte(row.Line))) {
				c.find("wrong minute", key, "its line is not at place %d of minute %d", row.Index, row.Minute)
			}
		}
	}
	for key, row := range c.tombstones {
		if row.Segment.Minute != 0 {
			left[number(row.Segment.Minute)]++
		}
		if _, both := c.segments[key]; both {
			c.find("tombstone over a living segment", key, "the index has both")
		}
	}
	for key, run := range c.runs {
		if run.Count != count[key] || run.Bytes != bytes[key] {
			c.find("wrong count", key, "the run's row says %d segments of %d bytes, there are %d of %d", run.Count, run.Bytes, count[key], bytes[key])
		}
	}
	for key, m := range c.minutes {
		if root, err := rootOf(m.Leaves); err != nil || root != m.Root {
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
		case !s.still(inRuns, key):
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
	for key, row := range c.tombstones {
		l, err := row.Segment.line(key)
		if err != nil {
			c.find("broken row", key, "%v", err)
			continue
		}
		name := s.relative(l)
		known[name] = true
		if _, err := s.Disk.Lstat(s.segmentFile(l)); row.Gone && !errors.Is(err, fs.ErrNotExist) {
			c.find("footage that should be gone", name, "the index says it was deleted")
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
	for key, r := range s.runs {
		if string(r.Camera) != parts[1] || string(r.Run) != parts[2] {
			continue
		}
		if len(parts) == 3 || parts[3] == "init.mp4" || !r.Ended {
			return true
		}
		segment := key + "/" + strings.TrimSuffix(parts[3], ".seg")
		return s.still(inSegments, segment) || s.still(inTombstones, segment)
	}
	return false
}

func (s *Store) relative(l protocol.SegmentLine) string {
	return filepath.Join("footage", string(l.Camera), string(l.Run), fmt.Sprintf("%06d.seg", l.N))
}

// still says whether a row is in the index now.
func (s *Store) still(bucket []byte, key string) (found bool) {
	err := s.db.View(func(tx *bbolt.Tx) error { found = tx.Bucket(bucket).Get([]byte(key)) != nil; return nil })
	return found || err != nil
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
