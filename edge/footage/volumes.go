package footage

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// ErrAway: the disk that footage is on, or is to go to, is not there.
var ErrAway = errors.New("its disk is not there")

// Volume is a place for footage, as the configuration has it: a folder on a disk.
type Volume struct {
	Dir      string              // an empty one that was never used before becomes a volume
	MaxBytes int64               // of footage; zero: as much as the disk takes
	Cameras  []protocol.CameraID // that are at home there. Of others the recorder chooses the home
}

// volume is a folder with footage, or one that is to have it.
type volume struct {
	Volume
	id     string // its identity; empty: its folder cannot be used, and never was
	own    bool   // it is that of the index
	listed bool   // it is in the configuration, and so takes new footage

	// The store's lock mu guards what follows.
	away      error     // why its footage cannot be reached; nil: it is there. Wraps ErrAway
	failed    time.Time // when a run failed on it last
	why       error     // and why
	full      bool      // only held footage is left to delete
	fullUntil time.Time // not before this is that looked at again
	marks     [2]string // see mark
	changed   bool      // since its mark
	copied    bool      // it is an older copy of itself: what it lacks was told once
}

// volumeRow is what the index knows of a volume beside its own.
type volumeRow struct {
	V      int       `json:"v"`
	Dir    string    `json:"dir"` // where it was last
	Marks  [2]string `json:"marks"`
	Copied bool      `json:"copied,omitempty"`
}

type homeRow struct {
	V      int    `json:"v"`
	Volume string `json:"volume"` // as in a run's row
}

// avoidFor is how long other volumes go before one on which a run failed.
const avoidFor = 30 * time.Second

// inRow is how a run's row names the volume.
func (v *volume) inRow() string {
	if v.own {
		return ""
	}
	return v.id
}

// String names the volume for people: where it is, and which it is.
func (v *volume) String() string {
	if v.id == "" {
		return v.Dir
	}
	return fmt.Sprintf("%s (volume %s)", v.Dir, v.id)
}

// volumeOf is where a run's footage is.
func (s *Store) volumeOf(r *runRow) *volume {
	if r.Volume == "" {
		return s.own
	}
	return s.byID[r.Volume]
}

// where is volumeOf for who has no row at hand.
func (s *Store) where(c protocol.CameraID, r protocol.RunID) *volume {
	s.placesMu.RLock()
	defer s.placesMu.RUnlock()
	if v := s.places[placeKey(c, r)]; v != nil {
		return v
	}
	return s.own
}

// whereSegment is where for the key of a segment.
func (s *Store) whereSegment(key string) *volume {
	if len(s.volumes) == 1 {
		return s.own
	}
	parts := strings.Split(key, "/")
	if len(parts) < 3 {
		return s.own
	}
	return s.where(protocol.CameraID(parts[0]), protocol.RunID(parts[2]))
}

func placeKey(c protocol.CameraID, r protocol.RunID) string { return string(c) + "/" + string(r) }

func (s *Store) setPlace(c protocol.CameraID, r protocol.RunID, v *volume) {
	if v.own {
		return
	}
	s.placesMu.Lock()
	defer s.placesMu.Unlock()
	s.places[placeKey(c, r)] = v
}

// reserve gives a run that is about to be made its place, unless the camera has one of that name already, on whichever volume.
func (s *Store) reserve(c protocol.CameraID, r protocol.RunID, v *volume) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := filepath.Join(string(c), string(r))
	_, taken := s.making[name]
	taken = taken || s.hasRun(c, r)
	if !taken {
		s.making[name] = false
		s.setPlace(c, r, v)
	}
	return !taken
}

// hasRun says whether the index has a run of a camera, of whichever stream; also where it cannot tell. The caller has mu.
func (s *Store) hasRun(c protocol.CameraID, r protocol.RunID) (found bool) {
	err := s.db.View(func(tx *bbolt.Tx) error {
		var key string
		key, found = ofStreams(tx, inRuns, string(c), string(r))
		found = found && strings.HasSuffix(key, "/"+string(r))
		return nil
	})
	return found || err != nil
}

func (s *Store) forgetPlace(c protocol.CameraID, r protocol.RunID) {
	s.placesMu.Lock()
	defer s.placesMu.Unlock()
	delete(s.places, placeKey(c, r))
}

// isAway says why a volume's footage cannot be reached; nil when it can.
func (s *Store) isAway(v *volume) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return v.away
}

// present looks whether a volume is where it should be: a missing disk is not a missing file. Its error wraps [ErrAway].
func (s *Store) present(v *volume) error {
	if v.id == "" {
		return s.isAway(v)
	}
	id, err := s.identityIn(v.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no volume.json, so it is not mounted", ErrAway)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrAway, err)
	case id != v.id:
		return fmt.Errorf("%w: volume %s is in its place", ErrAway, id)
	}
	return nil
}

// identityIn reads whose folder this is, and which.
func (s *Store) identityIn(dir string) (id string, err error) {
	raw, err := disk.ReadFile(s.Disk, filepath.Join(dir, "volume.json"))
	if err != nil {
		return "", err
	}
	var f volumeFile
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		return "", fmt.Errorf("volume.json: %w", err)
	}
	switch {
	case f.V < plaintext || f.V > format:
		return "", fmt.Errorf("is of format %d; this program knows %d to %d", f.V, plaintext, format)
	case f.Recorder != s.Recorder:
		return "", fmt.Errorf("belongs to recorder %s, not to %s", f.Recorder, s.Recorder)
	}
	return f.Volume, nil
}

// openVolumes finds out which volume is where. One that is missing stops none of the others: it is told of, and looked for again before anything else is done.
func (s *Store) openVolumes() error {
	rows := map[string]volumeRow{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		return each(tx, inVolumes, "", s.badRow, func(id string, r volumeRow) error { rows[id] = r; return nil })
	})
	if err != nil {
		return err
	}
	s.own = &volume{Volume: Volume{Dir: s.Dir, MaxBytes: s.MaxBytes}, id: s.volume, own: true, listed: len(s.Volumes) == 0}
	for _, c := range s.Volumes {
		v := &volume{Volume: c, listed: true}
		if filepath.Clean(c.Dir) == filepath.Clean(s.Dir) {
			v, s.own.Volume, s.own.listed = s.own, c, true
		}
		s.volumes = append(s.volumes, v)
	}
	if !s.own.listed || len(s.Volumes) == 0 {
		s.volumes = append(s.volumes, s.own)
	}
	s.identify(rows)
	for _, id := range slices.Sorted(maps.Keys(rows)) { // what is in the configuration no longer is still here to be read and to expire
		switch {
		case s.byID[id] != nil:
		case s.hasRuns(id):
			v := &volume{Volume: Volume{Dir: rows[id].Dir}, id: id}
			s.volumes, s.byID[id] = append(s.volumes, v), v
		default: // its last footage is gone
			if err := s.db.Update(func(tx *bbolt.Tx) error { return del(tx, inVolumes, id) }); err != nil {
				return err
			}
		}
	}
	for id := range s.totals.On { // an index that lost the volume's row
		if s.volumeOf(&runRow{Volume: id}) == nil {
			v := &volume{Volume: Volume{Dir: "an unknown folder"}, id: id}
			s.volumes, s.byID[id] = append(s.volumes, v), v
		}
	}
	if err := s.findPlaces(); err != nil {
		return err
	}
	for _, v := range s.volumes {
		v.marks, v.copied = rows[v.id].Marks, rows[v.id].Copied
		if v.id == "" {
			s.incident("disk that cannot be used", "", fmt.Sprintf("%s: %s", v, short(v.away)))
			continue
		}
		if v.away = s.present(v); v.away != nil {
			s.missing(v)
			continue
		}
		if err := s.takeIn(v); err != nil {
			if v.own {
				return err
			}
			v.away = fmt.Errorf("%w: %w", ErrAway, err)
			s.missing(v)
		}
	}
	return nil
}

// hasRuns says whether any run is on a volume. It is for a start, and takes no lock.
func (s *Store) hasRuns(id string) bool { return s.totals.On[id].Runs > 0 }

// findPlaces finds out which runs are not beside the index, from their places in queues, or what else knows them. It is for a start, and takes no lock.
func (s *Store) findPlaces() error {
	if len(s.volumes) == 1 {
		return nil
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		for key, q := range s.queues {
			if q.volume == "" {
				continue
			}
			c := tx.Bucket(inWaiting).Cursor()
			for k, _ := c.Seek([]byte(key + "/")); k != nil && strings.HasPrefix(string(k), key+"/"); k, _ = c.Next() {
				s.setPlace(q.camera, protocol.RunID(strings.TrimPrefix(string(k), keyRun(string(k))+"/")), s.volumeOf(&runRow{Volume: q.volume}))
			}
		}
		for _, bucket := range [][]byte{inKept, inOpen, inOver} {
			c := tx.Bucket(bucket).Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				if r := s.run(tx, string(k)); r != nil && s.volumeOf(r) != nil {
					s.setPlace(r.Camera, r.Run, s.volumeOf(r))
				}
			}
		}
		return nil
	})
}

// identify gives each volume of the configuration its identity: that which is found there; where nothing is, that which was there before; and a new one where neither is.
func (s *Store) identify(rows map[string]volumeRow) {
	s.byID[s.volume] = s.own
	var empty []*volume
	others := slices.DeleteFunc(slices.Clone(s.volumes), func(v *volume) bool { return v.own })
	for _, v := range others {
		id, err := s.identityIn(v.Dir)
		if err == nil && s.byID[id] == nil && filepath.Clean(rows[id].Dir) == filepath.Clean(v.Dir) {
			v.id, s.byID[id] = id, v // where it was before: if there are two, the other is the copy
		}
	}
	for _, v := range others {
		if v.id != "" {
			continue
		}
		id, err := s.identityIn(v.Dir)
		_, known := rows[id]
		switch {
		case errors.Is(err, fs.ErrNotExist):
			empty = append(empty, v)
			continue
		case err != nil:
		case s.byID[id] != nil:
			err = fmt.Errorf("is volume %s, as is %s: a copy", id, s.byID[id].Dir)
		case !known && !disk.Absent(s.Disk, filepath.Join(v.Dir, "footage")):
			err = fmt.Errorf("has footage of volume %s, which this index does not know; mount the right disk", id)
		default:
			v.id, s.byID[id] = id, v
			continue
		}
		v.away = fmt.Errorf("%w: %w", ErrAway, err)
		empty = append(empty, v) // of ours
	}
	was := func(v *volume, id string) bool { return filepath.Clean(rows[id].Dir) == filepath.Clean(v.Dir) }
	for _, own := range []bool{true, false} { // the second time for disks that were mounted in each other's place
		for _, v := range empty {
			used := slices.ContainsFunc(slices.Collect(maps.Keys(rows)), func(id string) bool { return was(v, id) })
			for _, id := range slices.Sorted(maps.Keys(rows)) {
				if v.id == "" && s.byID[id] == nil && (was(v, id) || !own && used) {
					v.id, s.byID[id] = id, v
				}
			}
		}
	}
	for _, v := range s.volumes {
		if v.own || v.id != "" || v.away != nil {
			continue
		}
		if err := s.makeVolume(v); err != nil {
			v.id, v.away = "", fmt.Errorf("%w: %w", ErrAway, err)
			continue
		}
		s.byID[v.id] = v
	}
}

// makeVolume makes a volume of an empty folder. A crash before the index knows it leaves one without footage, which is taken for new again.
func (s *Store) makeVolume(v *volume) error {
	if !disk.Absent(s.Disk, filepath.Join(v.Dir, "footage")) {
		return errors.New("has footage but no volume.json; mount the right disk, or put volume.json back")
	}
	if err := disk.MkdirAll(s.Disk, v.Dir); err != nil {
		return err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	v.id = hex.EncodeToString(id[:])
	return s.putIdentity(v.Dir, v.id)
}

func (s *Store) putIdentity(dir, id string) error {
	raw, err := json.Marshal(volumeFile{format, id, s.Recorder})
	if err != nil {
		return err
	}
	return errors.Join(disk.Replace(s.Disk, filepath.Join(dir, "volume.json"), append(raw, '\n')), s.Disk.SyncDir(filepath.Dir(dir)))
}

// takeIn begins to use a volume that is there.
func (s *Store) takeIn(v *volume) error {
	footage := filepath.Join(v.Dir, "footage")
	if v.own {
		return errors.Join(disk.MkdirAll(s.Disk, footage), s.Disk.SyncDir(v.Dir))
	}
	if v.marks != [2]string{} {
		raw, err := disk.ReadFile(s.Disk, filepath.Join(v.Dir, "mark"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.mu.Lock()
		if on := strings.TrimSpace(string(raw)); slices.Contains(v.marks[:], on) {
			v.marks[1] = on
		} else {
			v.copied = true
		}
		s.mu.Unlock()
	}
	if err := s.mark(v); err != nil { // the index knows the volume before it has anything
		return err
	}
	return errors.Join(disk.MkdirAll(s.Disk, footage), s.Disk.SyncDir(v.Dir))
}

// mark writes a new random mark on a volume, and in the index, by which a volume is told from an older copy of itself. The index knows the one that was written last and the
// one that may be there after a crash.
func (s *Store) mark(v *volume) error {
	s.marking.Lock()
	defer s.marking.Unlock()
	next := rand.Text()
	s.mu.Lock()
	v.marks[0], v.changed = next, false
	row := volumeRow{V: format, Dir: v.Dir, Marks: v.marks, Copied: v.copied}
	err := s.db.Update(func(tx *bbolt.Tx) error { return put(tx, inVolumes, v.id, row) })
	s.mu.Unlock()
	if err == nil {
		err = disk.Replace(s.Disk, filepath.Join(v.Dir, "mark"), []byte(next+"\n"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		v.marks[1] = next
	}
	return err
}

// markChanged marks the volumes that were written to since they were marked.
func (s *Store) markChanged() {
	for _, v := range s.volumes {
		s.mu.Lock()
		due := v.changed && v.away == nil && !v.own
		s.mu.Unlock()
		if !due || s.present(v) != nil {
			continue
		}
		if err := s.mark(v); err != nil {
			s.incident("volume cannot be marked", "", cause(err))
		}
	}
}

// look notices that a disk went, or came back. The caller has sweeping.
func (s *Store) look() {
	for _, v := range s.volumes {
		if v.id == "" { // of no use before a restart
			continue
		}
		was, err := s.isAway(v), s.present(v)
		switch {
		case was == nil && err != nil:
			s.mu.Lock()
			v.away = err
			s.mu.Unlock()
			s.missing(v)
		case was != nil && err == nil:
			s.isBack(v)
		}
	}
	s.forsake()
}

// missing tells that a volume is missing, and has who records on it go elsewhere.
func (s *Store) missing(v *volume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incidentLocked("missing disk", "", fmt.Sprintf("%s: %s; since %s. What it holds is not deleted; its keys go when it is due", v, short(v.away), s.Now().UTC().Format(time.DateTime)))
	for _, w := range s.writers {
		if _, run := w.open(); run != "" && s.runs[run] != nil && s.volumeOf(s.runs[run]) == v {
			w.check()
		}
	}
}

// isBack takes a volume in again. What became due meanwhile has its tombstone already, so nobody reads it.
func (s *Store) isBack(v *volume) {
	if err := s.takeIn(v); err != nil {
		s.incident("disk that is back cannot be used", "", cause(err))
		return
	}
	s.mu.Lock()
	v.away, v.failed, v.fullUntil = nil, time.Time{}, time.Time{}
	for _, t := range s.tombs {
		if t.volume == v.inRow() {
			t.retry = time.Time{}
		}
	}
	var open []*runRow
	for key := range s.broken {
		if r := s.runs[key]; r != nil && s.volumeOf(r) == v {
			s.broken[key] = time.Time{}
			open = append(open, r)
		}
	}
	s.incidentLocked("disk is back", "", fmt.Sprintf("%s, at %s", v, s.Now().UTC().Format(time.DateTime)))
	s.mu.Unlock()
	for _, r := range open {
		if err := s.adoptOpen(r.key()); err != nil {
			s.incident("open run cannot be looked at", r.Camera, short(err))
		}
	}
	s.clean(v)
}

// clean removes from a volume that was taken in what is footage no more.
func (s *Store) clean(v *volume) {
	if v.copied {
		s.cleanse(v)
	}
	if err := s.lookForStrays(v); err != nil {
		s.incident("unknown file", "", cause(err))
	}
	s.wakeClerk()
}

// forsake lets the keys go of what was being written when its disk went missing, and has reached its window since. The index does not know that segment, only that it follows
// the last one it does know; so of the hour's keys only those stay that the index needs.
func (s *Store) forsake() {
	reading := s.Clock()
	now := reading.Now
	s.mu.Lock()
	var dead []*runRow
	for key := range s.broken {
		r := s.runs[key]
		if r == nil || r.Plain || s.volumeOf(r).away == nil || now.Before(s.dueFrom(r, r.End.Time, reading)) {
			continue
		}
		held := slices.ContainsFunc(s.standing(now), func(k Keep) bool { return k.Camera == r.Camera && r.End.Before(k.Asked.To) })
		if !held {
			dead = append(dead, r)
		}
	}
	s.mu.Unlock()
	for _, r := range dead {
		if s.keys.wait(now) > 0 {
			return
		}
		s.mu.Lock()
		k, known := s.cut[r.key()]
		gone := !s.volumeOf(r).listed
		s.mu.Unlock()
		if known {
			s.keys.done(k)
		}
		err := s.keys.only(now, hourOfRun(r), s.living, s.needed)
		if err == nil && gone && !s.KeyState().Locked { // the disk is not expected back
			if err = s.endRun(r.key()); err == nil {
				s.mu.Lock()
				delete(s.broken, r.key())
				s.mu.Unlock()
			}
		}
		if err != nil {
			s.incident("keys of expired footage cannot be destroyed", r.Camera, cause(err))
		}
	}
}

// cleanse removes from an older copy of a volume what is footage no more: files that the index does not know and that no key opens. What the copy lacks is counted.
func (s *Store) cleanse(v *volume) {
	removed, lacking := 0, 0
	cameras, err := s.Disk.ReadDir(filepath.Join(v.Dir, "footage"))
	for _, camera := range cameras {
		at := filepath.Join(v.Dir, "footage", camera.Name())
		runs, e := s.Disk.ReadDir(at)
		err = errors.Join(err, e)
		for _, run := range runs {
			n, e := s.cleanseRun(filepath.Join(at, run.Name()), []string{"footage", camera.Name(), run.Name()})
			removed, err = removed+n, errors.Join(err, e)
		}
	}
	s.mu.Lock()
	var rows []protocol.SegmentLine
	e := s.db.View(func(tx *bbolt.Tx) error {
		return each(tx, inRuns, "", s.badRow, func(_ string, r runRow) error {
			if s.volumeOf(&r) == v {
				s.eachLine(tx, &r, 0, func(_ segmentRow, l protocol.SegmentLine) bool { rows = append(rows, l); return true })
			}
			return nil
		})
	})
	s.mu.Unlock()
	for _, l := range rows {
		if disk.Absent(s.Disk, s.segmentFile(l)) {
			lacking++
		}
	}
	detail := fmt.Sprintf("%s: %d files of footage that has expired were on it again, and were deleted; %d segments that it had are not on it", v, removed, lacking)
	if err = errors.Join(err, e); err != nil {
		detail += "; it could not all be looked at: " + cause(err)
	}
	s.incident("disk put back from a copy", "", detail)
}

func (s *Store) cleanseRun(dir string, path []string) (removed int, err error) {
	files, err := s.Disk.ReadDir(dir)
	for _, f := range files {
		if f.Name() == "init.mp4" || s.indexed(append(slices.Clone(path), f.Name())) {
			continue
		}
		k, e := s.keyIn(filepath.Join(dir, f.Name()))
		if e == nil {
			var key []byte
			if key, e = s.keys.find(k); e == nil { // it can be read: a person must look
				clear(key)
				continue
			}
		}
		if !errors.Is(e, ErrKey) {
			err = errors.Join(err, e)
			continue
		}
		if e := s.Disk.Remove(filepath.Join(dir, f.Name())); e != nil {
			err = errors.Join(err, e)
			continue
		}
		removed++
	}
	if !s.indexed(path) {
		err = errors.Join(err, s.removeRun(dir))
	} else if removed > 0 {
		err = errors.Join(err, s.Disk.SyncDir(dir))
	}
	return removed, err
}

func (s *Store) keyIn(name string) (k slot, err error) {
	f, err := disk.Open(s.Disk, name)
	if err != nil {
		return k, err
	}
	h, err := readHead(f)
	return h.key, errors.Join(err, f.Close())
}

// settleMended finds out where a run is whose row was lost.
func (s *Store) settleMended(r *runRow) {
	for _, v := range s.volumes {
		if v.away == nil && !disk.Absent(s.Disk, filepath.Join(v.Dir, "footage", string(r.Camera), string(r.Run))) {
			r.Volume = v.inRow()
			s.setPlace(r.Camera, r.Run, v)
			return
		}
	}
	for _, v := range s.volumes { // then it is on one of those that are missing
		if v.away != nil && v.id != "" {
			r.Volume = v.inRow()
			s.setPlace(r.Camera, r.Run, v)
			return
		}
	}
}

// listed are the volumes that take new footage, in the order of the configuration.
func (s *Store) listed() []*volume {
	return slices.DeleteFunc(slices.Clone(s.volumes), func(v *volume) bool { return !v.listed })
}

// home is where a camera's runs go when nothing is in the way: as configured; else where fewest cameras are at home, of those where most is free, chosen once and remembered.
func (s *Store) home(camera protocol.CameraID) *volume {
	listed := s.listed()
	for _, v := range listed {
		if len(listed) == 1 || slices.Contains(v.Cameras, camera) {
			return v
		}
	}
	free := map[*volume]int64{}
	for _, v := range listed {
		if s.isAway(v) != nil {
			continue
		}
		n, _, err := s.Disk.Free(v.Dir)
		if err != nil {
			s.incident("free space is not known", "", cause(err))
		}
		free[v] = n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	chosen := func(c protocol.CameraID) *volume {
		if id, ok := s.homes[c]; ok && s.volumeOf(&runRow{Volume: id}) != nil && s.volumeOf(&runRow{Volume: id}).listed {
			return s.volumeOf(&runRow{Volume: id})
		}
		return nil
	}
	if v := chosen(camera); v != nil {
		return v
	}
	cameras := map[*volume]map[protocol.CameraID]bool{}
	for _, v := range listed {
		cameras[v] = map[protocol.CameraID]bool{}
		for _, c := range v.Cameras {
			cameras[v][c] = true
		}
	}
	for _, w := range s.writers {
		if v := chosen(w.tape.camera); v != nil {
			cameras[v][w.tape.camera] = true
		}
	}
	there := slices.DeleteFunc(slices.Clone(listed), func(v *volume) bool { return v.away != nil })
	if len(there) == 0 {
		return listed[0] // none to choose from yet
	}
	v := slices.MinFunc(there, func(a, b *volume) int {
		return cmp.Or(cmp.Compare(len(cameras[a]), len(cameras[b])), cmp.Compare(free[b], free[a]))
	})
	if err := s.db.Update(func(tx *bbolt.Tx) error { return put(tx, inHomes, string(camera), homeRow{format, v.inRow()}) }); err != nil {
		s.Log.Error("footage: a camera's home is not remembered", "camera", camera, "error", err)
	}
	s.homes[camera] = v.inRow()
	return v
}

// onSome begins a run on the first volume that lets it: the camera's home, then the next in the order of the configuration, and so round; last those on which a run failed
// a moment ago.
func (s *Store) onSome(camera protocol.CameraID, begin func(*volume) error) error {
	home, order := s.home(camera), s.listed()
	at := slices.Index(order, home)
	order = append(order[at:len(order):len(order)], order[:at]...)
	now := s.Now()
	s.mu.Lock()
	slices.SortStableFunc(order, func(a, b *volume) int {
		return cmp.Compare(a.avoided(now), b.avoided(now))
	})
	s.mu.Unlock()
	var failed, atHome error
	for _, v := range order {
		err := s.isAway(v)
		if err == nil {
			if err = begin(v); err == nil {
				s.settledOn(camera, v, home, atHome)
				return nil
			}
			if errors.Is(err, errDoubt) { // of the index: it is no volume's fault
				return err
			}
			s.avoid(v, err)
		}
		if v == home {
			atHome = err
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %w", v, err))
	}
	return failed
}

// avoided is 1 for as long as others go before it. The caller has mu.
func (v *volume) avoided(now time.Time) int {
	if waits(now, v.failed.Add(avoidFor), avoidFor) {
		return 1
	}
	return 0
}

// avoid has the next runs go elsewhere for a while. A volume that is full is asked each time.
func (s *Store) avoid(v *volume, why error) {
	if errors.Is(why, errFull) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v.failed, v.why = s.Now(), why
}

// guest is a camera that is not recorded at home.
type guest struct {
	on  *volume
	why string
}

// settledOn notes where a camera is recorded now.
func (s *Store) settledOn(camera protocol.CameraID, v, home *volume, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v == home {
		delete(s.guests, camera)
		return
	}
	if why == nil { // it was not asked: a run failed there a moment ago
		why = home.why
	}
	g := guest{v, cause(why)}
	s.guests[camera] = g
	s.incidentLocked("camera recorded on another disk", camera, fmt.Sprintf("on %s, and not on %s: %s", v, home, g.why))
}

// Others are the identities of all volumes beside that of the index, also of those that are missing.
func (s *Store) Others() (ids []string) {
	for _, v := range s.volumes {
		if !v.own && v.id != "" {
			ids = append(ids, v.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// VolumeUsage is one volume as it is now.
type VolumeUsage struct {
	Volume
	ID     string              // empty: it could never be used
	Listed bool                // in the configuration; else what it has ages out
	Away   string              // why its footage cannot be reached; empty: it can
	Bytes  int64               // of footage on it, also where it is away
	Free   int64               // on its disk; 0 where it is away
	Total  int64               // of its disk; likewise
	Guests []protocol.CameraID // recorded here now, and at home elsewhere
}

// volumeUsage measures each volume.
func (s *Store) volumeUsage() []VolumeUsage {
	out := make([]VolumeUsage, len(s.volumes))
	for i, v := range s.volumes {
		u := &out[i]
		if s.isAway(v) == nil {
			var err error
			if u.Free, u.Total, err = s.Disk.Free(v.Dir); err != nil {
				s.Log.Error("footage: free space is not known", "error", err)
			}
		}
		s.mu.Lock()
		u.Volume, u.ID, u.Listed = v.Volume, v.id, v.listed
		if v.away != nil {
			u.Away = short(v.away)
		}
		u.Bytes = s.totals.On[v.inRow()].Bytes
		for c, g := range s.guests {
			if g.on == v {
				u.Guests = append(u.Guests, c)
			}
		}
		s.mu.Unlock()
		slices.Sort(u.Guests)
	}
	return out
}

// capacity is what all volumes may take together; of one that is away, what it has.
func (s *Store) capacity() (total int64, err error) {
	for _, u := range s.volumeUsage() {
		switch {
		case u.Away != "" || !u.Listed:
			total += u.Bytes
		case u.MaxBytes > 0:
			total += min(u.Total, u.MaxBytes)
		default:
			total += u.Total
		}
	}
	if total == 0 {
		return 0, fmt.Errorf("%w: no volume can be used", ErrAway)
	}
	return total, nil
}

// awayGaps are stretches that were recorded on a disk that is not there now. Gaps are those of the camera that are known otherwise. The caller has mu.
func (s *Store) awayGaps(tx *bbolt.Tx, camera protocol.CameraID, i protocol.Interval, gaps []protocol.Gap) (out []protocol.Gap, err error) {
	type part struct {
		stream   protocol.StreamID
		from, to time.Time
		on       *volume
	}
	var parts []part
	for _, l := range s.linesOn(tx, camera, i, true) {
		parts = append(parts, part{l.Stream, l.Start.Time, l.End.Time, s.where(camera, l.Run)})
	}
	for key := range s.broken { // what was being written
		if r := s.runs[key]; r != nil && r.Camera == camera && s.volumeOf(r).away != nil {
			parts = append(parts, part{r.Stream, r.End.Time, s.resumed(tx, r, i.To, gaps), s.volumeOf(r)})
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return a.from.Compare(b.from) })
	for _, p := range parts {
		if !p.from.Before(i.To) || !i.From.Before(p.to) || !p.from.Before(p.to) {
			continue
		}
		detail := fmt.Sprintf("it was recorded on %s, which is not there", p.on)
		at := slices.IndexFunc(out, func(g protocol.Gap) bool {
			return g.Stream == p.stream && g.Detail == detail && p.from.Sub(g.To.Time) <= meet
		})
		to := protocol.T(p.to)
		if at >= 0 {
			to = protocol.T(later(out[at].To.Time, p.to))
			out[at].To = &to
			continue
		}
		out = append(out, protocol.Gap{Camera: camera, Stream: p.stream, Cause: string(CauseMissing), Detail: detail, From: protocol.T(p.from), To: &to})
	}
	return out, nil
}

// resumed is when, after a run that was cut off, something else is known of its stream; at the latest until. The caller has mu.
func (s *Store) resumed(tx *bbolt.Tx, r *runRow, until time.Time, gaps []protocol.Gap) time.Time {
	see := func(t time.Time) {
		if t.After(r.End.Time) && t.Before(until) {
			until = t
		}
	}
	for _, g := range gaps {
		if g.Stream == r.Stream {
			see(g.From.Time)
		}
	}
	// The next run of the stream, by its name.
	c := tx.Bucket(inRuns).Cursor()
	for k, _ := c.Seek([]byte(r.key() + "0")); k != nil && keyRun(string(k)) == streamKey(r.Camera, r.Stream); k, _ = c.Next() {
		if other := s.run(tx, string(k)); other != nil && other.Start.After(r.End.Time) {
			see(other.Start.Time)
			break
		}
	}
	return until
}

// giveUp lets go of what is due on a disk that is missing and was taken out of the configuration: its files are never seen again, so they count as gone with their keys.
func (s *Store) giveUp(v *volume, todo map[string]*tombstone, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range todo {
		if t.keyless {
			t.unlinked, t.left, t.size = now, nil, 0
			delete(todo, key)
		}
	}
	s.incidentLocked("disk given up", "", fmt.Sprintf("%s was taken out of the configuration and is not there: its footage counts as gone when its key is destroyed; nobody saw the files go", v))
}
