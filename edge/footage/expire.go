package footage

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	buryAtOnce   = 1000 // segments in one transaction, and the rest of the last run: what comes due meanwhile is in the next
	buryAtLeast  = 60
	buryAtMost   = 4000
	roundAtMost  = 200 * time.Millisecond // that a round of expiry should take: on a slow disk it does less at once
	expiredEntry = 100                    // segments in one footage.expired entry: some 33 kB of the 64 an entry may have
	clearAtOnce  = 500                    // runs in one transaction
	keysAtOnce   = 20_000

	retryUnlink    = time.Second
	retryUnlinkMax = 5 * time.Minute
	retryFull      = 10 * time.Second
)

// tombstone is a row of tombstones at work: segments whose files are still there, or may be, or whose keys are.
type tombstone struct {
	reason   Reason
	erase    protocol.DocumentID // as in its row
	volume   string              // as in a run's row
	count    int
	left     []buried        // whose files are not known to be gone; none: all are, with their directories synced
	runs     map[string]bool // that they belong to
	size     int64           // of left, on disk
	again    bool            // their files may be gone already
	unlinked time.Time       // when they were; zero: not yet
	locked   bool            // their keys are in a locked table
	keyless  bool            // their keys are destroyed, or they never had any
	tries    int
	retry    time.Time
}

func newTombstone(row tombstoneRow) *tombstone {
	t := &tombstone{reason: row.Reason, erase: row.Erase, volume: row.Volume, count: len(row.Segments), left: row.Segments, runs: map[string]bool{}, keyless: true}
	for _, b := range row.Segments {
		t.runs[runKey(b.line.Camera, b.line.Stream, b.line.Run)] = true
		t.size += b.stored()
		t.keyless = t.keyless && b.Key == ""
	}
	return t
}

// slot is which key opens it; encrypted is false for one of version 1.
func (b *buried) slot() (k slot, encrypted bool, err error) {
	if b.Key == "" {
		return k, false, nil
	}
	k, err = parseSlot(b.Key)
	return k, true, err
}

func (b *buried) stored() int64 {
	return storedAs(b.line.Size, b.Key != "", b.Chunk)
}

// expire unlinks all that is due, and tells when more is. While there is more than one transaction takes, the next is buried while the disk is at work on the one before. The
// caller has sweeping.
func (s *Store) expire() (next time.Time) {
	var before sync.WaitGroup // the round that is being unlinked
	for {
		next = time.Time{}
		began := time.Now()
		reading := s.Clock()
		now := reading.Now
		worked, more := false, false
		for _, v := range s.volumes {
			some, full, err := s.bury(v, reading)
			worked, more = worked || some, more || full
			if err != nil {
				s.incident("expiry cannot be written to the index", "", short(err))
				next = now.Add(retryUnlink)
			}
		}
		before.Wait()
		unlink := s.unlink(now)
		if more {
			before.Go(unlink)
		} else {
			unlink()
		}
		switch took := time.Since(began); {
		case took > roundAtMost:
			s.atOnce = max(buryAtLeast, s.atOnce/2)
		case took < roundAtMost/3:
			s.atOnce = min(buryAtOnce, 2*s.atOnce)
		}
		s.round()
		if worked {
			s.wakeClerk()
		} else if before.Wait(); !s.mendRuns() {
			break
		}
	}
	soonest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock()
	if due, any := s.nextDue(now); any && next.IsZero() {
		next = due
	}
	for _, t := range s.tombs {
		if t.unlinked.IsZero() {
			soonest(t.retry)
		}
	}
	for _, w := range s.writers {
		if start, run := w.open(); !start.IsZero() && s.runs[run] != nil {
			soonest(s.dueFrom(s.runs[run], start, now))
		}
	}
	return next
}

// nextDue is when the next of all queues comes due. The caller has mu.
func (s *Store) nextDue(now trusted.Reading) (due time.Time, any bool) {
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, q := range s.queues {
			head, found, err := q.head(tx)
			if err != nil {
				return err
			}
			if found && (!any || head.due(s.back(now)).Before(due)) {
				due, any = head.due(s.back(now)), true
			}
		}
		return nil
	})
	if err != nil {
		s.badRow(err)
		return now.Now.Add(retryUnlink), true
	}
	return due, any
}

// candidates are the segments that the policy must look at.
type candidates struct {
	aging []Aging
	rows  map[string]segmentRow
	runs  map[string]*runRow // they are of these
	spare int64              // bytes that may go

	erase protocol.DocumentID   // the order under which they go
	with  func(*bbolt.Tx) error // what else belongs in the transaction; nil: nothing

	broken map[string]bool // runs with rows that cannot be read: they do not count
}

// weigh adds what a run has from the first that was not judged yet, until enough says so.
func (s *Store) weigh(tx *bbolt.Tx, c *candidates, r *runRow, standing []Keep, now trusted.Reading, enough func(Aging) bool) {
	key := r.key()
	if c.runs[key] == nil {
		c.runs[key] = r
	}
	broken := s.eachLine(tx, r, r.From, func(row segmentRow, l protocol.SegmentLine) bool {
		a := s.aging(r, l, row.stored(l), now)
		if enough(a) {
			return false
		}
		if k := segmentKey(l); c.rows[k].V == 0 {
			row.list, row.Fragments = nil, nil
			c.rows[k] = row
			c.aging = append(c.aging, a)
			if !held(standing, l) {
				c.spare += a.Stored
			}
		}
		return true
	})
	c.broken[key] = c.broken[key] || broken > 0
}

// dueNow collects what is due on a volume, as much as one transaction takes. What came due last goes first: so what comes due while there is much to catch up with is not late too.
func (s *Store) dueNow(tx *bbolt.Tx, v *volume, c *candidates, standing []Keep, now trusted.Reading) error {
	back := s.back(now)
	var places []place // in each queue, the last that is due
	cursors := map[*queue]*bbolt.Cursor{}
	step := func(q *queue, k []byte) error {
		if k == nil || !strings.HasPrefix(string(k), q.key()+"/") {
			return nil
		}
		p, err := q.place(k)
		if err != nil {
			return err
		}
		at, _ := slices.BinarySearchFunc(places, p, func(a, b place) int { return a.due(back).Compare(b.due(back)) })
		places = slices.Insert(places, at, p)
		return nil
	}
	for _, q := range s.queues {
		if q.volume != v.inRow() {
			continue
		}
		cursors[q] = tx.Bucket(inWaiting).Cursor()
		k, _ := cursors[q].Seek([]byte(q.key() + "/" + momentOf(now.Now.Add(back-q.window.Duration())) + "0")) // '0' follows '/'
		if k == nil {
			k, _ = cursors[q].Last()
		} else {
			k, _ = cursors[q].Prev()
		}
		if err := step(q, k); err != nil {
			return err
		}
	}
	for len(places) > 0 && len(c.aging) < s.atOnce && len(c.runs) < clearAtOnce {
		p := places[len(places)-1]
		places = places[:len(places)-1]
		k, _ := cursors[p.q].Prev()
		if err := step(p.q, k); err != nil {
			return err
		}
		r := s.run(tx, p.run)
		switch {
		case r == nil: // its row is made anew, and then it has its turn
		case s.keptWhole(r, standing, now):
			c.runs[p.run] = r
		default:
			s.weigh(tx, c, r, standing, now, func(a Aging) bool { return now.Now.Before(a.Due()) || len(c.aging) >= buryAtMost })
		}
	}
	return nil
}

// keptWhole says that all of a run that was not judged yet is due, and that one hold keeps all of it.
func (s *Store) keptWhole(r *runRow, standing []Keep, now trusted.Reading) bool {
	rest := protocol.Interval{From: r.Waits.Time, To: r.End.Time}
	return !now.Now.Before(s.dueFrom(r, r.End.Time, now)) && slices.ContainsFunc(standing, func(k Keep) bool { return k.Camera == r.Camera && k.Asked.Contains(rest) })
}

// oldestFirst collects what may go before its window: the oldest runs, until enough may go, and those that overlap the last of them.
func (s *Store) oldestFirst(tx *bbolt.Tx, v *volume, c *candidates, standing []Keep, need int64, now trusted.Reading) error {
	heads := map[*queue]place{}
	cursors := map[*queue]*bbolt.Cursor{}
	step := func(q *queue, k []byte) (err error) {
		if delete(heads, q); k != nil && strings.HasPrefix(string(k), q.key()+"/") {
			heads[q], err = q.place(k)
		}
		return err
	}
	for _, q := range s.queues {
		if q.volume != v.inRow() {
			continue
		}
		cursors[q] = tx.Bucket(inWaiting).Cursor()
		k, _ := cursors[q].Seek([]byte(q.key() + "/"))
		if err := step(q, k); err != nil {
			return err
		}
	}
	var until time.Time
	for len(heads) > 0 {
		var p place
		for _, head := range heads {
			if p.q == nil || head.at.Before(p.at) {
				p = head
			}
		}
		if c.spare >= need && !p.at.Before(until) {
			return nil
		}
		k, _ := cursors[p.q].Next()
		if err := step(p.q, k); err != nil {
			return err
		}
		r := s.run(tx, p.run)
		if r == nil || slices.ContainsFunc(standing, func(k Keep) bool {
			return k.Camera == r.Camera && k.Asked.Contains(protocol.Interval{From: r.Waits.Time, To: r.End.Time})
		}) {
			continue
		}
		if c.spare < need {
			until = later(until, r.End.Time)
		}
		s.weigh(tx, c, r, standing, now, func(Aging) bool { return false })
	}
	return nil
}

// bury puts tombstones over segments of a volume that must go, the intent of expiry, as many as one transaction takes: full says that it took so many. Worked is false when
// there is nothing to do.
func (s *Store) bury(v *volume, reading trusted.Reading) (worked, full bool, err error) {
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
	standing := s.standing(now)
	c := candidates{rows: map[string]segmentRow{}, runs: map[string]*runRow{}, broken: map[string]bool{}}
	err = s.db.View(func(tx *bbolt.Tx) error {
		err := s.dueNow(tx, v, &c, standing, reading)
		if full = len(c.aging) >= s.atOnce; full {
			need = 0 // nothing goes early while as much is due as one transaction takes
		}
		if err == nil && c.spare < need {
			err = s.oldestFirst(tx, v, &c, standing, need, reading)
		}
		return err
	})
	if err != nil {
		return false, false, err
	}
	due, _ := Expired(c.aging, s.keeps(), need, now)
	if v.full = need > 0 && len(due) == 0; v.full {
		v.fullUntil = now.Add(retryFull)
	}
	if len(c.runs) == 0 {
		return false, false, nil
	}
	worked, err = s.putTombstones(v, due[:min(len(due), buryAtMost)], &c, standing, reading)
	if err != nil && s.spendReserve(err) {
		s.atOnce = buryAtLeast // it does not hold much
		return true, false, nil
	}
	return worked, full, err
}

// putTombstones also moves the runs that were looked at to their new places in their queues.
func (s *Store) putTombstones(v *volume, due []Expiring, c *candidates, standing []Keep, now trusted.Reading) (worked bool, err error) {
	rows := map[Reason]*tombstoneRow{}
	taken := map[string]*runRow{}
	for _, d := range due {
		key := segmentKey(d.SegmentLine)
		t := rows[d.Reason]
		if t == nil {
			t = &tombstoneRow{V: format, Reason: d.Reason, Volume: v.inRow(), Erase: c.erase}
			rows[d.Reason] = t
		}
		row := c.rows[key]
		t.Segments = append(t.Segments, buried{Line: row.Line, Key: row.Key, Chunk: row.Chunk, Minute: row.Minute, Due: protocol.T(d.Due()), line: d.SegmentLine})
		rk := keyRun(key)
		if taken[rk] == nil {
			r := *c.runs[rk]
			taken[rk] = &r
		}
		taken[rk].Count--
		taken[rk].Bytes -= d.Stored
	}
	made := map[string]*tombstone{}
	moved := map[string]*runRow{}
	err = s.saveRuns(moved, func(tx *bbolt.Tx) error {
		if c.with != nil {
			if err := c.with(tx); err != nil {
				return err
			}
		}
		for _, row := range rows {
			for _, b := range row.Segments {
				key := segmentKey(b.line)
				err := del(tx, inSegments, key)
				if b.Minute == 0 {
					err = errors.Join(err, del(tx, inUnlisted, key))
				}
				if err != nil {
					return err
				}
			}
			key, err := putTombstone(tx, row)
			if err != nil {
				return err
			}
			made[key] = newTombstone(*row)
		}
		for key, was := range c.runs {
			r := taken[key]
			if r == nil {
				same := *was
				r = &same
			}
			if s.judge(tx, r, c.broken[key], standing, now); *r != *was {
				moved[key] = r
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	maps.Copy(s.tombs, made)
	for _, d := range due {
		if d.Reason == ReasonSpace {
			s.early, s.earlyAt = s.early+1, now.Now
		}
	}
	return len(moved) > 0, s.at("tombstoned")
}

func putTombstone(tx *bbolt.Tx, row *tombstoneRow) (key string, err error) {
	n, err := tx.Bucket(inTombstones).NextSequence()
	if err != nil {
		return "", fmt.Errorf("index: tombstones: %w", err)
	}
	return number(n), put(tx, inTombstones, number(n), row)
}

// judge finds a run's new place in its queue: that of the oldest left which is not both due and held. What is before it waits for its hold to end.
func (s *Store) judge(tx *bbolt.Tx, r *runRow, recount bool, standing []Keep, now trusted.Reading) {
	if recount {
		r.Count, r.Bytes = 0, 0
		s.eachLine(tx, r, 0, func(row segmentRow, l protocol.SegmentLine) bool {
			r.Count++
			r.Bytes += row.stored(l)
			return true
		})
	}
	if s.keptWhole(r, standing, now) {
		r.From, r.Waits = r.Next, protocol.Time{}
	} else {
		from := r.From
		r.From, r.Waits = r.Next, protocol.Time{}
		s.eachLine(tx, r, from, func(_ segmentRow, l protocol.SegmentLine) bool {
			if !now.Now.Before(s.dueFrom(r, l.Start.Time, now)) && held(standing, l) {
				return true
			}
			r.From, r.Waits = l.N, l.Start
			return false
		})
	}
	s.eachLine(tx, r, 0, func(_ segmentRow, l protocol.SegmentLine) bool { r.First = l.Start; return false })
}

// grave is a segment under a tombstone, and its file.
type grave struct {
	tombstone, dir, file string
	buried
}

// unlink finds what has a tombstone now. What it returns destroys those files, directory by directory, and syncs each directory once; what fails is tried again, and the others go on.
func (s *Store) unlink(now time.Time) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	todo := map[*volume]map[string]*tombstone{}
	for key, t := range s.tombs {
		if t.unlinked.IsZero() && !waits(now, t.retry, retryUnlinkMax) {
			v := s.volumeOf(&runRow{Volume: t.volume})
			if todo[v] == nil {
				todo[v] = map[string]*tombstone{}
				v.changed = true
			}
			todo[v][key] = t
		}
	}
	return func() {
		for _, v := range s.volumes {
			if len(todo[v]) > 0 {
				s.unlinkOn(v, todo[v], now)
			}
		}
	}
}

func (s *Store) unlinkOn(v *volume, todo map[string]*tombstone, now time.Time) {
	failed := map[string][]buried{}
	fail := func(g grave) { failed[g.tombstone] = append(failed[g.tombstone], g.buried) }
	var graves []grave
	for key, t := range todo {
		for _, b := range t.left {
			file := s.segmentFile(b.line)
			graves = append(graves, grave{key, filepath.Dir(file), file, b})
		}
	}
	if err := s.present(v); err != nil {
		if !v.listed {
			s.giveUp(v, todo, now)
		}
		for _, g := range graves {
			if todo[g.tombstone] != nil {
				fail(g)
			}
		}
		s.unlinked(todo, failed, now)
		return
	}
	slices.SortFunc(graves, func(a, b grave) int { return strings.Compare(a.file, b.file) })
	dirs := map[string][]grave{}
	for _, g := range graves {
		switch err := s.Disk.Remove(g.file); {
		case errors.Is(err, fs.ErrNotExist):
			if !todo[g.tombstone].again && !v.copied {
				s.incident("missing file", g.line.Camera, fmt.Sprintf("%s was gone before it expired", g.file))
			}
		case err != nil:
			s.incident("expired footage cannot be deleted", g.line.Camera, cause(err))
			fail(g)
			continue
		}
		dirs[g.dir] = append(dirs[g.dir], g)
	}
	if err := s.at("unlinked"); err != nil {
		return
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := s.Disk.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.incident("directory cannot be synced", "", cause(err))
			for _, g := range dirs[dir] {
				todo[g.tombstone].again = true
				fail(g)
			}
		}
	}
	s.unlinked(todo, failed, now)
}

// unlinked notes what is gone. Of a tombstone of which some is not, that gets one of its own.
func (s *Store) unlinked(todo map[string]*tombstone, failed map[string][]buried, now time.Time) {
	gone := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range todo {
		bad := failed[key]
		if len(bad) > 0 && len(bad) < t.count {
			some := map[string]bool{}
			for _, b := range bad {
				some[b.Line] = true
			}
			rest, err := s.split(key, t, some)
			if err != nil {
				s.incidentLocked("expiry cannot be written to the index", "", short(err))
				t.again = true // of some the files are gone
			} else {
				rest.later(now)
				bad = nil
			}
		}
		if len(bad) > 0 {
			t.later(now)
		} else {
			t.unlinked, t.left, t.size = gone, nil, 0
		}
	}
}

// later is when a failed unlink is tried again.
func (t *tombstone) later(now time.Time) {
	t.retry = now.Add(min(retryUnlink<<min(t.tries, 20), retryUnlinkMax))
	t.tries++
}

// split gives some of a tombstone's segments, by their lines, one of their own. The caller has mu.
func (s *Store) split(key string, t *tombstone, some map[string]bool) (rest *tombstone, err error) {
	stays := tombstoneRow{V: format, Reason: t.reason, Volume: t.volume, Erase: t.erase}
	goes := stays
	own := ""
	err = s.db.Update(func(tx *bbolt.Tx) error {
		row, err := s.tombstone(tx, key)
		if err != nil {
			return err
		}
		for _, b := range row.Segments {
			if some[b.Line] {
				goes.Segments = append(goes.Segments, b)
			} else {
				stays.Segments = append(stays.Segments, b)
			}
		}
		if own, err = putTombstone(tx, &goes); err != nil {
			return err
		}
		return put(tx, inTombstones, key, stays)
	})
	if err != nil {
		return nil, err
	}
	rest = newTombstone(goes)
	rest.again, rest.keyless, rest.tries, rest.retry = t.again, t.keyless, t.tries, t.retry
	s.tombs[own] = rest
	if t.count = len(stays.Segments); !t.unlinked.IsZero() {
		rest.unlinked, rest.left, rest.size = t.unlinked, nil, 0
	} else {
		t.left, t.size = stays.Segments, t.size-rest.size
	}
	return rest, nil
}

// tombstone reads a row of tombstones.
func (s *Store) tombstone(tx *bbolt.Tx, key string) (row tombstoneRow, err error) {
	row, _, err = get[tombstoneRow](tx, inTombstones, key)
	for i := range row.Segments {
		b := &row.Segments[i]
		if e := b.read(); err == nil && e != nil {
			err = fmt.Errorf("index: tombstones %s: %w", key, e)
		}
	}
	return row, err
}

func (b *buried) read() (err error) {
	b.line, err = protocol.ParseSegmentLine(b.Line)
	return err
}

// backlog says whether more waits for its key to be destroyed than should wait for a minute: then a generation is made before its time.
func (s *Store) backlog() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := 0
	for _, t := range s.tombs {
		if !t.unlinked.IsZero() && !t.locked {
			waiting += t.count
		}
	}
	return waiting >= keysAtOnce/4
}

// destroyKeys destroys the keys of what has a tombstone and was unlinked, also of what could not be unlinked: then its key, at least, goes in time. What has neither file nor key
// is gone. A generation is made at most once a minute, unless it is to be now; it tells when the next one may be, if something waits for it.
func (s *Store) destroyKeys(now time.Time, always bool) (next time.Time) {
	locked := s.keys.state().Locked
	wait := s.keys.wait(now)
	rows, gone := map[string]tombstoneRow{}, map[string]*tombstone{}
	count := 0
	s.mu.Lock()
	err := s.db.View(func(tx *bbolt.Tx) error {
		for key, t := range s.tombs {
			switch {
			case t.keyless && !t.unlinked.IsZero():
				gone[key] = t
			case t.keyless, t.unlinked.IsZero() && t.tries == 0, t.locked && locked:
			case wait > 0 && !always || count >= keysAtOnce:
				next = now.Add(wait)
			default:
				row, err := s.tombstone(tx, key)
				if err != nil {
					s.badRow(err)
				}
				rows[key] = row
				count += t.count
			}
		}
		return nil
	})
	s.mu.Unlock()
	var doomed []slot
	for key, row := range rows {
		mine, later := s.slots(row)
		if doomed = append(doomed, mine...); len(later) == 0 {
			continue
		}
		delete(rows, key) // for the share, and the entry with it
		if ready := s.apart(key, later); ready != "" {
			rows[ready] = row
		}
	}
	if owes := s.keys.owes(); err == nil && (len(rows) > 0 || owes) {
		if owes && wait > 0 && !always {
			next = now.Add(wait)
		} else {
			err = s.renewKeys(now, doomed)
		}
	}
	if err != nil {
		s.incident("keys of expired footage cannot be destroyed", "", cause(err))
		next = now.Add(retryUnlink)
	} else {
		s.mu.Lock()
		for key := range rows {
			if t := s.tombs[key]; t != nil {
				if t.keyless = true; !t.unlinked.IsZero() {
					gone[key] = t
				}
			}
		}
		s.mu.Unlock()
	}
	if err := s.markGone(gone); err != nil {
		s.incident("expiry cannot be written to the index", "", short(err))
		next = now.Add(retryUnlink)
	}
	return next
}

// slots are the keys of a tombstone that can be destroyed, and the lines of what has a key in a locked table.
func (s *Store) slots(row tombstoneRow) (keys []slot, later map[string]bool) {
	later = map[string]bool{}
	for _, b := range row.Segments {
		k, encrypted, err := b.slot()
		switch {
		case !encrypted || err != nil: // what no row names goes with its chain
		case s.keys.waits(k):
			later[b.Line] = true
		default:
			keys = append(keys, k)
		}
	}
	return keys, later
}

// apart gives what a locked table has the keys of a tombstone of its own; ready is the other, if there is one.
func (s *Store) apart(key string, later map[string]bool) (ready string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tombs[key]
	if t == nil {
		return ""
	}
	if len(later) == t.count {
		t.locked = true
		return ""
	}
	rest, err := s.split(key, t, later)
	if err != nil {
		s.incidentLocked("expiry cannot be written to the index", "", short(err))
		return ""
	}
	rest.locked = true
	return key
}

// renewKeys makes a generation without these keys, and without those of clock hours of which nothing is left.
func (s *Store) renewKeys(now time.Time, doomed []slot) error {
	if err := s.keys.destroy(now, doomed, s.living, s.needed); err != nil {
		return err
	}
	spent, err := s.spentHours()
	hours, known := s.keys.hours()
	if err != nil || len(spent) == 0 || !known {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Update(func(tx *bbolt.Tx) (err error) {
		for of := range spent {
			if !hours[of] {
				err = errors.Join(err, del(tx, inSpent, of.key()))
			}
		}
		return err
	})
}

// tidyKeys drops what a crash left in the key table without footage.
func (s *Store) tidyKeys() {
	if !s.keys.stale(s.needed()) {
		return
	}
	if err := s.renewKeys(s.Now(), nil); err != nil {
		s.incident("keys without footage cannot be destroyed", "", cause(err))
	}
}

// needed says of which clock hours of a camera there is footage. All but a few have some: those few are known.
func (s *Store) needed() func(hourOf) bool {
	spent, err := s.spentHours()
	if err != nil {
		s.badRow(err)
	}
	return func(of hourOf) bool { return err != nil || !spent[of] }
}

// spentHours are the clock hours of cameras of which the last run went and whose keys may not have been dropped yet.
func (s *Store) spentHours() (map[hourOf]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spent := map[hourOf]bool{}
	return spent, s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(inSpent).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			of, err := parseHour(string(k))
			if err != nil {
				s.badRow(fmt.Errorf("index: spent %s: %w", k, err))
			} else if len(s.runsOfHour(tx, of)) == 0 {
				spent[of] = true
			}
		}
		return nil
	})
}

// runsOfHour are the keys of a camera's runs in a clock hour, by their names.
func (s *Store) runsOfHour(tx *bbolt.Tx, of hourOf) (keys []string) {
	prefix := string(of.camera) + "/"
	hour := momentOf(time.Unix(of.hour, 0))[:len("20060102t15")]
	c := tx.Bucket(inRuns).Cursor()
	for k, _ := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); {
		stream := keyRun(string(k))
		for k, _ = c.Seek([]byte(stream + "/" + hour)); k != nil && strings.HasPrefix(string(k), stream+"/"+hour); k, _ = c.Next() {
			keys = append(keys, string(k))
		}
		k, _ = c.Seek([]byte(stream + "0")) // '0' follows '/'
	}
	return keys
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
		for _, run := range s.runsOfHour(tx, of) {
			c := tx.Bucket(inSegments).Cursor()
			for k, v := c.Seek([]byte(run + "/")); k != nil && strings.HasPrefix(string(k), run+"/"); k, v = c.Next() {
				row, err := decode[segmentRow](inSegments, string(k), v)
				if err == nil {
					if k, encrypted, err := row.slot(); encrypted {
						see(k, err)
					}
					continue
				}
				camera, name := cameraOf(run), protocol.RunID(strings.TrimPrefix(run, keyRun(run)+"/"))
				f, err := disk.Open(s.Disk, filepath.Join(s.runDir(camera, name), strings.TrimPrefix(string(k), run+"/")+".seg"))
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

// markGone notes that files and their keys do not exist any more: the entries that say so take the place of the tombstones.
func (s *Store) markGone(gone map[string]*tombstone) error {
	if len(gone) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		type group struct {
			reason Reason
			erase  protocol.DocumentID
		}
		groups := map[group][]buried{}
		for key, t := range gone {
			row, err := s.tombstone(tx, key)
			if err != nil {
				s.badRow(err) // there is nothing to say of it
			} else {
				of := group{t.reason, t.erase}
				for _, b := range row.Segments {
					b.unlinked = t.unlinked
					groups[of] = append(groups[of], b)
				}
			}
			if err := del(tx, inTombstones, key); err != nil {
				return err
			}
		}
		for _, of := range slices.SortedFunc(maps.Keys(groups), func(a, b group) int {
			return cmp.Or(cmp.Compare(a.reason, b.reason), cmp.Compare(a.erase, b.erase))
		}) {
			list := groups[of]
			slices.SortFunc(list, func(a, b buried) int { return compareLines(a.line, b.line) })
			for part := range slices.Chunk(list, expiredEntry) {
				row, err := s.expiredEntry(tx, of.reason, of.erase, part)
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
	if err != nil {
		return err
	}
	for key := range gone {
		delete(s.tombs, key)
	}
	return s.at("gone")
}

func (s *Store) expiredEntry(tx *bbolt.Tx, reason Reason, erase protocol.DocumentID, list []buried) (owedRow, error) {
	var last time.Time
	for _, b := range list {
		last = later(last, b.unlinked)
	}
	body := protocol.Expired{Reason: string(reason), Erase: erase, At: protocol.T(last)}
	var minutes []uint64
	cameras := map[protocol.CameraID]bool{}
	for _, b := range list {
		l := b.line
		x := protocol.ExpiredSegment{Camera: l.Camera, Run: l.Run, N: l.N, Start: l.Start, Due: b.Due, SHA256: l.SHA256}
		if gone := protocol.T(b.unlinked); !gone.Equal(body.At.Time) {
			x.Gone = &gone
		}
		body.Segments = append(body.Segments, x)
		minutes = append(minutes, b.Minute)
		cameras[l.Camera] = true
	}
	for _, c := range slices.Sorted(maps.Keys(cameras)) {
		o := protocol.OldestFootage{Camera: c}
		if at, ok := s.oldest(tx, c); ok {
			t := protocol.T(at)
			o.Oldest = &t
		}
		body.Oldest = append(body.Oldest, o)
	}
	row, err := owe(protocol.KindExpired, body)
	row.Minutes = minutes
	return row, err
}

// removeRuns removes what is left of runs that are over and have no footage any more.
func (s *Store) removeRuns() (next time.Time) {
	now := s.Now()
	soonest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	s.mu.Lock()
	busy := map[string]bool{}
	for _, t := range s.tombs {
		maps.Copy(busy, t.runs)
	}
	var over []*runRow
	err := s.db.View(func(tx *bbolt.Tx) error {
		for key, retry := range s.empty {
			switch {
			case busy[key]:
			case now.Before(retry):
				soonest(retry)
			case len(over) == clearAtOnce:
				soonest(now)
			default:
				r := s.run(tx, key)
				if r == nil {
					delete(s.empty, key)
					continue
				}
				over = append(over, r)
			}
		}
		return nil
	})
	s.mu.Unlock()
	if err != nil {
		return next
	}
	there := map[*volume]bool{}
	parents := map[string][]*runRow{}
	for _, r := range over {
		v := s.volumeOf(r)
		if _, asked := there[v]; !asked {
			there[v] = s.present(v) == nil
		}
		if !there[v] && v.listed {
			continue
		}
		retry, err := s.clearRun(r, now)
		if err != nil {
			s.incident("a run without footage cannot be removed", r.Camera, short(err))
		}
		if !retry.IsZero() {
			s.mu.Lock()
			s.empty[r.key()] = retry
			s.mu.Unlock()
			soonest(retry)
			continue
		}
		parent := filepath.Dir(s.runDir(r.Camera, r.Run))
		parents[parent] = append(parents[parent], r)
	}
	var cleared []*runRow
	for parent, runs := range parents {
		if err := s.Disk.SyncDir(parent); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.incident("directory cannot be synced", runs[0].Camera, cause(err))
			soonest(now.Add(retryUnlinkMax))
			continue
		}
		cleared = append(cleared, runs...)
	}
	if err := s.forgetRuns(cleared); err != nil {
		s.incident("a run without footage cannot be removed", "", short(err))
		soonest(now.Add(retryUnlinkMax))
	}
	return next
}

// clearRun removes the directory of a run of which no readable row is left. Files that stand in it all the same have rows that cannot be read: they go when the last frame of
// the run is past its window and no hold touches the run, since nothing says which of them is which. Until then it tells when to come back.
func (s *Store) clearRun(r *runRow, now time.Time) (retry time.Time, err error) {
	dir := s.runDir(r.Camera, r.Run)
	if s.dropRunDir(dir) == nil {
		return retry, nil
	}
	entries, err := s.Disk.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return now.Add(retryUnlinkMax), err
	}
	var left []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".seg") {
			left = append(left, filepath.Join(dir, e.Name()))
		}
	}
	if len(left) > 0 {
		s.mu.Lock()
		until := s.dueFrom(r, r.End.Time, s.Clock())
		for _, k := range s.standing(now) {
			if k.Camera == r.Camera && k.Asked.Overlaps(protocol.Interval{From: r.Start.Time, To: r.End.Time}) {
				until = later(until, k.until())
			}
		}
		s.mu.Unlock()
		if now.Before(until) {
			return until, nil
		}
		s.incident("footage whose row cannot be read", r.Camera, fmt.Sprintf("%d files of run %s are deleted at the end of its window", len(left), r.Run))
		for _, name := range left {
			if err := s.Disk.Remove(name); err != nil {
				return now.Add(retryUnlinkMax), err
			}
		}
	}
	if err := s.dropRunDir(dir); err != nil {
		return now.Add(retryUnlinkMax), err
	}
	if len(left) > 0 {
		s.keys.owe() // no tombstone asks for their keys
	}
	return retry, nil
}

// forgetRuns drops the rows of runs whose directories are gone, and what belongs to them.
func (s *Store) forgetRuns(runs []*runRow) error {
	if len(runs) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	streams := map[string]bool{}
	totals := s.totals
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, r := range runs {
			key := r.key()
			totals = totals.with(r.Volume, -1, 0, 0)
			for _, bucket := range [][]byte{inSegments, inUnlisted} {
				c := tx.Bucket(bucket).Cursor()
				for k, _ := c.Seek([]byte(key + "/")); k != nil && strings.HasPrefix(string(k), key+"/"); k, _ = c.Seek([]byte(key + "/")) {
					if err := c.Delete(); err != nil {
						return err
					}
				}
			}
			err := errors.Join(del(tx, inRuns, key), del(tx, inOver, key), del(tx, inKept, key), tx.Bucket(inSpent).Put([]byte(hourOfRun(r).key()), nil))
			if !r.Waits.IsZero() {
				err = errors.Join(err, del(tx, inWaiting, r.waitingKey()))
			}
			if err != nil {
				return err
			}
			streams[streamKey(r.Camera, r.Stream)] = true
		}
		return errors.Join(s.forgetGaps(tx, streams), putTotals(tx, &totals))
	})
	if err != nil {
		return err
	}
	s.totals = totals
	for _, r := range runs {
		delete(s.empty, r.key())
		s.forgetPlace(r.Camera, r.Run)
	}
	return nil
}

// forgetGaps drops gaps that lie before everything a camera still has, and before what the longest window could still ask about. The journal keeps them. The caller has mu.
func (s *Store) forgetGaps(tx *bbolt.Tx, streams map[string]bool) error {
	for key := range streams {
		before := s.Now().Add(-protocol.MaxWindow.Duration())
		if at, ok := s.oldest(tx, cameraOf(key)); ok && at.Before(before) {
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
	var going int64
	for _, t := range s.tombs {
		if t.volume == v.inRow() {
			going += t.size
		}
	}
	over := int64(0)
	if v.MaxBytes > 0 {
		over = s.totals.On[v.inRow()].Bytes - v.MaxBytes
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
	s.act()
	s.wakeClerk()
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.full {
		return errFull
	}
	return nil
}
