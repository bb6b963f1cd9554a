package footage

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// ErrExpired: the segment's window was over while it was being read.
var ErrExpired = errors.New("expired")

// ErrErased: the segment was destroyed before its window, by an order: it was unlawful.
var ErrErased = errors.New("erased by order")

// ErrWithheld: the segment is there, and nobody may see it before it is known how late it is: some clock says that its window is over (see package clock).
var ErrWithheld = errors.New("withheld until it is known what time it is")

// ErrDamaged: a segment, or the init of its run, is not what was recorded, or it, or its key, is gone from a volume that is there. No other try will mend that.
var ErrDamaged = errors.New("damaged")

// Segment is a sealed segment as a reader sees it, with its place in the minute it was journalled in.
type Segment struct {
	protocol.SegmentLine
	Codec     Codec
	RunStart  protocol.Time
	Fragments [][2]int64 // offset in the file; decode time since RunStart in 1/90000 s

	Listed bool            // it stands in a journalled minute; what follows is otherwise empty
	Minute uint64          // seq of the footage.sealed entry
	Index  int             // its leaf in that entry's tree
	Count  int             // leaves of that tree
	Path   []protocol.Hash // RFC 6962 audit path
	Root   protocol.Hash   // of that tree

	row segmentRow
	run *runRow // as it was
}

// Reading is footage that may be read. It pins nothing: what expires while it is open cannot be read any more.
type Reading struct {
	s        *Store
	camera   protocol.CameraID
	interval protocol.Interval
	segments []Segment
	gaps     []protocol.Gap
}

// Read gives the footage of the grant's camera that touches interval; for a release what touches the interval asked, which is what the hold kept: another stream, cut
// at other moments, may reach beyond where this one was rounded to. It refuses a grant that is not verified or not valid now, an interval that is not within the
// grant's (for a standing grant: not within the last [protocol.LookBack]), and a receipt that is not an unused one for exactly this (DESIGN section 1, sentence 2).
// The receipt is then used.
func (s *Store) Read(grant *orders.Grant, interval protocol.Interval, receipt *journal.Receipt) (*Reading, error) {
	reading := s.Clock()
	now := reading.Now
	if err := grant.Valid(now); err != nil {
		return nil, fmt.Errorf("footage: reading: grant: %w", err)
	}
	doc := grant.Doc()
	within := doc.Interval
	if doc.Use == protocol.UseStanding {
		within = protocol.Interval{From: now.Add(-protocol.LookBack), To: now}
	}
	if err := interval.Valid(); err != nil {
		return nil, fmt.Errorf("footage: reading: %w", err)
	}
	if !within.Contains(interval) {
		return nil, fmt.Errorf("footage: reading: %s is not within %s, which grant %s permits", interval, within, doc.ID)
	}
	if doc.Recorder != s.Recorder {
		return nil, fmt.Errorf("footage: reading: grant %s is for recorder %s", doc.ID, doc.Recorder)
	}
	if s.KeyState().Locked {
		return nil, fmt.Errorf("footage: reading: %w", ErrLocked)
	}
	if err := receipt.Use(doc.Camera, interval); err != nil {
		return nil, fmt.Errorf("footage: reading: %w", err)
	}
	r := &Reading{s: s, camera: doc.Camera, interval: interval}
	if doc.Use == protocol.UseRelease {
		r.interval = doc.Asked
	}
	if err := r.load(reading); err != nil {
		return nil, fmt.Errorf("footage: reading %s %s: %w", doc.Camera, interval, err)
	}
	return r, nil
}

func (r *Reading) load(now trusted.Reading) error {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	standing := s.standing(now.Now)
	return s.db.View(func(tx *bbolt.Tx) error {
		var failed error
		for run := range s.runsOf(tx, r.camera, r.interval) {
			if s.volumeOf(run).away != nil {
				continue
			}
			s.eachLine(tx, run, 0, func(row segmentRow, l protocol.SegmentLine) bool {
				if !r.interval.Overlaps(protocol.Interval{From: l.Start.Time, To: l.End.Time}) || s.hidden(run, l, standing, now) != nil {
					return l.Start.Before(r.interval.To)
				}
				fragments, err := row.fragments()
				row.list = nil
				seg := Segment{SegmentLine: l, Codec: run.Codec, RunStart: run.Start, Fragments: fragments, row: row, run: run}
				failed = errors.Join(failed, err, seg.prove(tx, row))
				r.segments = append(r.segments, seg)
				return true
			})
		}
		if failed != nil {
			return failed
		}
		slices.SortFunc(r.segments, func(a, b Segment) int { return compareLines(a.SegmentLine, b.SegmentLine) })
		var err error
		r.gaps, err = s.gapsIn(tx, r.camera, r.interval)
		return err
	})
}

// prove fills in the segment's place in its minute.
func (seg *Segment) prove(tx *bbolt.Tx, row segmentRow) error {
	if row.Minute == 0 {
		return nil
	}
	m, found, err := get[minuteRow](tx, inMinutes, number(row.Minute))
	if err != nil || !found || m.Seq == 0 {
		return err
	}
	list, err := m.leaves()
	if err == nil && row.Index >= len(list) {
		err = fmt.Errorf("segment %s: its minute has no place %d", segmentKey(seg.SegmentLine), row.Index)
	}
	if err != nil {
		return err
	}
	seg.Listed, seg.Minute, seg.Index, seg.Count, seg.Root = true, m.Seq, row.Index, len(list), m.Root
	seg.Path, err = pathOf(list, row.Index)
	return err
}

// Segments are the segments that touch the interval, in time order.
func (r *Reading) Segments() []Segment { return r.segments }

// Gaps say why there is no footage in the interval where there is none. One that has not ended has no To.
func (r *Reading) Gaps() []protocol.Gap { return r.gaps }

// Init is the fMP4 init of a run that has a segment in this reading.
func (r *Reading) Init(run protocol.RunID) ([]byte, error) {
	i := slices.IndexFunc(r.segments, func(s Segment) bool { return s.Run == run })
	if i < 0 {
		return nil, fmt.Errorf("footage: run %s has no segment in this reading", run)
	}
	name := filepath.Join(r.s.runDir(r.camera, run), "init.mp4")
	b, err := disk.ReadFile(r.s.Disk, name)
	if err != nil {
		return nil, fmt.Errorf("footage: %w", err)
	}
	if protocol.HashOf(b) != r.segments[i].Init {
		return nil, fmt.Errorf("footage: %s: not what was recorded: its SHA-256 is %s, the index says %s", name, protocol.HashOf(b), r.segments[i].Init)
	}
	return b, nil
}

// Open reads a segment of this reading. Open, the last Read, or one before it, fails with [ErrDamaged] when the file is not what was recorded, naming it; and with
// [ErrExpired] when the segment has expired meanwhile.
func (r *Reading) Open(seg Segment) (io.ReadCloser, error) {
	i := slices.IndexFunc(r.segments, func(s Segment) bool { return s.SegmentLine == seg.SegmentLine })
	if i < 0 {
		return nil, fmt.Errorf("footage: segment %s is not in this reading", segmentKey(seg.SegmentLine))
	}
	v := &verified{s: r.s, line: seg.SegmentLine, run: r.segments[i].run, sum: sha256.New()}
	if err := v.alive(); err != nil {
		return nil, err
	}
	f, err := r.s.openSegment(r.segments[i].row, seg.SegmentLine)
	if err != nil {
		if e := v.alive(); e != nil {
			return nil, e
		}
		if errors.Is(err, errAuthentic) {
			return nil, v.changed(err)
		}
		return nil, fmt.Errorf("footage: %w", r.s.lost(r.s.where(seg.Camera, seg.Run), err))
	}
	v.f = f
	return v, nil
}

// lost says [ErrDamaged] of what is missing, where the volume is there: what is on a disk that is gone may come back.
func (s *Store) lost(v *volume, err error) error {
	if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrKey)) && s.present(v) == nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// openSegment reads a segment's plaintext. An error names the file; see [ErrKey] and errAuthentic.
func (s *Store) openSegment(row segmentRow, l protocol.SegmentLine) (io.ReadCloser, error) {
	name := s.segmentFile(l)
	k, encrypted, err := row.slot()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f, err := disk.Open(s.Disk, name)
	if err != nil || !encrypted {
		return f, err
	}
	d, err := s.decrypt(f, l.Camera, l.Stream, l.Run, l.N, k, decrypt)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(d, 0, d.length), f}, nil
}

// decrypt opens an encrypted file in one of the two ways: as one that is whole, or as one that a crash cut off.
func (s *Store) decrypt(f disk.File, camera protocol.CameraID, stream protocol.StreamID, run protocol.RunID, n int, k slot,
	open func(r io.ReaderAt, size int64, key, aad []byte) (*decrypter, error)) (*decrypter, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h, err := readHead(f)
	if err != nil || h.key != k {
		return nil, errors.Join(errAuthentic, err)
	}
	key, err := s.keys.find(k)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return open(f, info.Size(), key, h.bound(s.Recorder, camera, stream, run, n))
}

// Close ends the reading.
func (r *Reading) Close() error { r.segments, r.gaps = nil, nil; return nil }

// verified is a segment's file being read.
type verified struct {
	s    *Store
	line protocol.SegmentLine
	run  *runRow
	f    io.ReadCloser
	sum  hash.Hash
	read int64
	err  error
}

func (v *verified) Read(p []byte) (int, error) {
	if v.err == nil {
		v.err = v.alive()
	}
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.f.Read(p)
	v.read += int64(n)
	if _, e := v.sum.Write(p[:n]); e != nil {
		err = e
	}
	bad := v.read > v.line.Size
	if err == io.EOF || v.read == v.line.Size && n > 0 {
		bad = bad || v.read != v.line.Size || protocol.Hash(v.sum.Sum(nil)) != v.line.SHA256
	}
	if bad || errors.Is(err, errAuthentic) {
		if err == nil || err == io.EOF {
			err = fmt.Errorf("its SHA-256 is not %s", v.line.SHA256)
		}
		n, err = 0, v.changed(err)
	}
	v.err = err
	return n, err
}

// changed reports a file that is not what was recorded.
func (v *verified) changed(why error) error {
	err := fmt.Errorf("footage: %s: %w: not what was recorded: %w", v.s.segmentFile(v.line), ErrDamaged, why)
	v.s.incident("file that changed", v.line.Camera, short(err))
	return err
}

func (v *verified) Close() error { return v.f.Close() }

// alive says whether the segment may still be read.
func (v *verified) alive() error {
	now := v.s.Clock()
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	key := segmentKey(v.line)
	exists, erased := false, false
	err := v.s.db.View(func(tx *bbolt.Tx) (err error) {
		if exists = tx.Bucket(inSegments).Get([]byte(key)) != nil; !exists {
			erased, err = v.s.wasErased(tx, v.line)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case exists:
		err = v.s.hidden(v.run, v.line, v.s.standing(now.Now), now)
	case erased:
		err = ErrErased
	default:
		err = ErrExpired
	}
	if err != nil {
		return fmt.Errorf("footage: segment %s: %w", key, err)
	}
	return nil
}

// hidden says why a segment of a run may not be shown, or nil: ErrErased, ErrExpired or ErrWithheld. The caller has mu.
func (s *Store) hidden(run *runRow, l protocol.SegmentLine, standing []Keep, now trusted.Reading) error {
	due := s.dueFrom(run, l.Start.Time, now)
	switch {
	case s.erasing(l):
		return ErrErased
	case now.Latest().Before(due), held(standing, l):
		return nil
	case now.Now.Before(due):
		return ErrWithheld
	}
	return ErrExpired
}

// shown are the segments that touch an interval and may be shown. The error is ErrWithheld where there are others that may not be for now.
func (s *Store) shown(camera protocol.CameraID, i protocol.Interval) (lines []protocol.SegmentLine, withheld, err error) {
	now := s.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	standing := s.standing(now.Now)
	err = s.db.View(func(tx *bbolt.Tx) error {
		s.eachIn(tx, camera, i, func(run *runRow, l protocol.SegmentLine) bool {
			if s.volumeOf(run).away != nil {
				return true
			}
			why := s.hidden(run, l, standing, now)
			if why == nil {
				lines = append(lines, l)
			} else if errors.Is(why, ErrWithheld) {
				withheld = ErrWithheld
			}
			return true
		})
		return nil
	})
	slices.SortFunc(lines, compareLines)
	return lines, withheld, err
}

// Round widens an interval outward to whole segments, and says which of them can be reached. It fails with [ErrWithheld] where it touches footage that is there and not shown, and with
// [ErrAway] where all that it touches is on disks that are not there.
func (s *Store) Round(camera protocol.CameraID, i protocol.Interval) (protocol.Interval, []protocol.SegmentLine, error) {
	lines, withheld, err := s.shown(camera, i)
	if err = errors.Join(withheld, err); err != nil {
		return round(i, lines), lines, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var away []protocol.SegmentLine
	err = s.db.View(func(tx *bbolt.Tx) error { away = s.linesOn(tx, camera, i, true); return nil })
	if err == nil && len(away) > 0 && len(lines) == 0 {
		err = fmt.Errorf("footage: camera %s, %s: %w", camera, i, ErrAway)
	}
	return round(i, append(away, lines...)), lines, err
}

// Stretch is uninterrupted footage of one stream.
type Stretch struct {
	Stream protocol.StreamID
	protocol.Interval
}

// meet is how far apart segments may be that belong together: runs start at whole milliseconds.
const meet = 10 * time.Millisecond

// Coverage is which footage of a camera touches an interval: whole segments, those that meet joined. It shows times, no footage.
func (s *Store) Coverage(camera protocol.CameraID, i protocol.Interval) ([]Stretch, error) {
	lines, _, err := s.shown(camera, i)
	var out []Stretch
	for _, l := range lines {
		at := slices.IndexFunc(out, func(c Stretch) bool { return c.Stream == l.Stream && l.Start.Sub(c.To) <= meet })
		if at >= 0 {
			out[at].To = later(out[at].To, l.End.Time)
			continue
		}
		out = append(out, Stretch{l.Stream, protocol.Interval{From: l.Start.Time, To: l.End.Time}})
	}
	return out, err
}

// Gaps say why a camera has no footage, as far as it touches an interval.
func (s *Store) Gaps(camera protocol.CameraID, i protocol.Interval) (gaps []protocol.Gap, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.db.View(func(tx *bbolt.Tx) (err error) { gaps, err = s.gapsIn(tx, camera, i); return err })
	return gaps, err
}

func (s *Store) gapsIn(tx *bbolt.Tx, camera protocol.CameraID, i protocol.Interval) (gaps []protocol.Gap, err error) {
	err = each(tx, inGaps, string(camera)+"/", s.badRow, func(_ string, row gapRow) error {
		if g := row.Gap; g.To != nil && g.From.Before(g.To.Time) && g.From.Before(i.To) && i.From.Before(g.To.Time) {
			gaps = append(gaps, g)
		}
		return nil
	})
	for key, row := range s.streams {
		if cameraOf(key) == camera && row.Gap != nil && row.Gap.From.Before(i.To) {
			gaps = append(gaps, *row.Gap)
		}
	}
	if err != nil {
		return gaps, err
	}
	away, err := s.awayGaps(tx, camera, i, gaps)
	gaps = append(gaps, away...)
	slices.SortFunc(gaps, func(a, b protocol.Gap) int { return a.From.Compare(b.From.Time) })
	return gaps, err
}

// Oldest is the first frame of a camera's oldest footage here, also of what is on a disk that is not there.
func (s *Store) Oldest(camera protocol.CameraID) (oldest time.Time, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.db.View(func(tx *bbolt.Tx) error { oldest, found = s.oldest(tx, camera); return nil })
	if err != nil {
		s.Log.Error("footage: oldest is not known", "camera", camera, "error", err)
	}
	return oldest, found
}

// Usage is what footage takes, in bytes.
type Usage struct {
	Bytes   int64 // that sealed footage takes on all volumes
	Held    int64 // of that, under a standing hold
	Free    int64 // on the disks that take new footage
	Total   int64 // of those disks
	Overdue int   // segments that should be gone and could not be deleted yet; not those on a disk that is away, whose keys are gone
	Owed    int   // entries that the journal has not taken yet

	Keys    int       // segments that are deleted, and whose key should be gone and is not
	Early   uint64    // segments that went before their window since the start, to make room
	EarlyAt time.Time // when the last of these did

	Volumes []VolumeUsage
}

// Usage measures; what cannot be measured is zero, and logged.
func (s *Store) Usage() Usage {
	now := s.Now()
	u := Usage{Volumes: s.volumeUsage()}
	for _, v := range u.Volumes {
		if u.Bytes += v.Bytes; v.Listed {
			u.Free, u.Total = u.Free+v.Free, u.Total+v.Total
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tombs {
		switch {
		case !t.unlinked.IsZero():
			if !t.keyless && now.Sub(t.unlinked) > 2*s.keys.every+5*time.Second {
				u.Keys += t.count
			}
		case s.volumeOf(&runRow{Volume: t.volume}).away == nil: // otherwise its key is gone
			u.Overdue += len(t.left)
		}
	}
	u.Early, u.EarlyAt = s.early, s.earlyAt
	err := s.db.View(func(tx *bbolt.Tx) error {
		u.Owed = tx.Bucket(inOwed).Stats().KeyN
		u.Held = s.heldBytes(tx, s.standing(now))
		return nil
	})
	if err != nil {
		s.Log.Error("footage: held bytes are not known", "error", err)
	}
	return u
}
