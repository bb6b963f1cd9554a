package footage

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// maxStep is the longest a frame may be shown, in 1/90000 s; decode times that step further, or back, are a broken clock and end the run.
const maxStep = 60 * timescale

// retryDisk is the longest pause before a disk that failed is tried again: each try leaves a run in the journal.
const retryDisk = 30 * time.Second

// errFull: nothing may be deleted any more to make room.
var errFull = errors.New("the disk is full, and nothing is left that may be deleted")

// tape writes one stream to disk. All of it belongs to its Writer's goroutine.
type tape struct {
	s      *Store
	w      *Writer
	camera protocol.CameraID
	stream protocol.StreamID

	on     bool // the session is in a run of its own, which may span several of ours
	format Format
	base   time.Time // wall clock at its decode time zero
	run    *openRun
	failed error     // why frames are not recorded
	retry  time.Time // not before this is a disk that failed tried again
	tries  int       // since a segment was last sealed

	// Where sound is recorded; see mix.
	waiting []AccessUnit
	sound   []Sound // not written yet
	heard   int64   // end of the last of it, by its own clock since the session's decode time zero
}

// openRun is the run being written.
type openRun struct {
	key      string
	id       protocol.RunID
	dir      string
	start    time.Time // wall clock, whole milliseconds
	zero     int64     // the session's decode time at start
	hour     time.Time // end of its clock hour
	volume   *volume
	init     protocol.Hash
	sound    bool   // it has a track of sound
	sequence uint32 // of the last fragment

	seg  *openFile
	next int // place of the next segment

	pending *sample // the last frame; its duration is not known before the next comes
	at      int64   // its decode time, in the run
	step    int64   // the duration of the one before it
	samples []*sample
	base    int64 // decode time of the first of samples
}

// openFile is the segment being written.
type openFile struct {
	f         disk.File
	w         *encrypter // into f
	key       slot
	n         int
	from      int64 // decode time of its first frame, in the run
	size      int64
	synced    int64 // of size
	sum       hash.Hash
	fragments [][2]int64
}

func (t *tape) allowed() (permit, error) { return t.s.allowed(t.camera, t.stream, t.s.Now()) }

func (t *tape) start(f Format, at time.Time) {
	t.drain()
	if t.run != nil {
		t.end(CauseCamera, "the camera's session started anew")
	}
	t.on, t.format, t.base, t.failed, t.retry = true, f, at.Round(0), nil, time.Time{}
	t.sound, t.heard = nil, 0
}

// stop is EndRun.
func (t *tape) stop(cause Cause, detail string) {
	t.drain()
	t.end(cause, detail)
	t.on, t.sound = false, nil
}

// check ends what may not go on.
func (t *tape) check() {
	if _, err := t.allowed(); err != nil {
		t.end(CauseMandate, err.Error())
		return
	}
	if t.run != nil && t.s.isAway(t.run.volume) != nil {
		t.abandon(t.s.isAway(t.run.volume))
		return
	}
	if t.run != nil && t.run.seg != nil && !t.s.Now().Before(t.wall(t.run.seg.from).Add(t.s.windowOf(t.run.key).Duration())) {
		t.end(CauseCamera, "no key frame came before the window of the open segment was over")
	}
}

// patience is how long pictures wait for the sound beside them: sound comes later where coding or sending it takes longer.
const patience = timescale / 2

// maxWaiting bounds them, in frames.
const maxWaiting = 256

// maxUnwritten bounds sound that runs ahead of its pictures, in frames: ten seconds and more of any codec but the finest of Opus.
const maxUnwritten = 1 << 10

// frame is given the next frame.
func (t *tape) frame(au AccessUnit) {
	switch {
	case !t.on:
	case t.format.Sound == nil:
		t.picture(au)
	default:
		t.waiting = append(t.waiting, au)
		t.mix()
	}
}

// hear is given the next frame of sound. What the mandate does not allow is dropped here, before anything else is done with it.
func (t *tape) hear(s Sound) {
	if p, err := t.allowed(); !t.on || t.format.Sound == nil || err != nil || !p.sound {
		t.sound = nil
		return
	}
	if s.Time < t.heard || s.Length <= 0 || s.Length > math.MaxInt32 || len(s.Data) == 0 || len(t.sound) >= maxUnwritten {
		return
	}
	t.sound, t.heard = append(t.sound, s), s.Time+s.Length
	t.mix()
}

// mix takes the pictures beside which all sound has come, and those that have waited for it long enough: a fragment can then be written with its sound. Sound that comes later
// still goes with the next fragment of its segment, and is lost when there is none. Pictures never wait longer for it, and are never lost for it.
func (t *tape) mix() {
	for len(t.waiting) > 0 {
		first, last := t.waiting[0], t.waiting[len(t.waiting)-1]
		if ahead := last.DTS - first.DTS; t.ticks(first.DTS) > t.heard && 0 <= ahead && ahead < patience && len(t.waiting) < maxWaiting {
			return
		}
		t.waiting[0] = AccessUnit{}
		t.waiting = t.waiting[1:]
		t.picture(first)
	}
}

// drain takes all pictures that wait.
func (t *tape) drain() {
	for _, au := range t.waiting {
		t.picture(au)
	}
	t.waiting = nil
}

// ticks is a time in 1/90000 s by the clock of the sound.
func (t *tape) ticks(time int64) int64 {
	rate := int64(t.format.Sound.Rate)
	return time/timescale*rate + time%timescale*rate/timescale
}

// picture takes the next frame. What goes wrong ends the run; at each key frame it is tried again.
func (t *tape) picture(au AccessUnit) {
	if _, err := t.allowed(); err != nil {
		t.end(CauseMandate, err.Error())
		t.failed = err
		return
	}
	if err := t.take(au); err != nil {
		t.abandon(err)
	}
}

func (t *tape) take(au AccessUnit) error {
	sample, err := sampleOf(au)
	if err != nil {
		return nil // an access unit without content: nothing is lost
	}
	if t.run != nil {
		if step := au.DTS - t.run.zero - t.run.at; step <= 0 || step > maxStep {
			t.end(CauseClock, fmt.Sprintf("the camera's clock stepped by %s between two frames", media(step)))
			t.base = t.s.Now().Add(-media(au.DTS))
		}
	}
	if t.run != nil && au.Key {
		if err := t.cut(au.DTS - t.run.zero); err != nil {
			return err
		}
	}
	if t.run == nil {
		if !au.Key || waits(t.s.Now(), t.retry, retryDisk) {
			return nil
		}
		if err := t.begin(au); err != nil {
			return err
		}
	}
	r := t.run
	now := au.DTS - r.zero
	if r.pending != nil {
		if err := t.complete(now); err != nil {
			return err
		}
	}
	if r.seg == nil {
		if err := t.openSegment(now); err != nil {
			return err
		}
	}
	r.pending, r.at = sample, now
	t.w.recorded(t.wall(now))
	if now-r.seg.from > units(max(10*t.s.SegmentLength, 10*time.Minute)) {
		t.end(CauseCamera, "the camera sends no key frames")
	}
	return nil
}

// complete gives the pending frame its duration and writes the fragment when it is long enough.
func (t *tape) complete(next int64) error {
	r := t.run
	r.step = next - r.at
	r.pending.duration = uint32(r.step)
	if len(r.samples) == 0 {
		r.base = r.at
	}
	r.samples = append(r.samples, r.pending)
	r.pending = nil
	if next-r.base >= units(t.s.FragmentLength) {
		return t.flush()
	}
	return nil
}

// cut ends the segment before a key frame where it is long enough, and the run where it must.
func (t *tape) cut(now int64) error {
	r := t.run
	may, err := t.allowed()
	if err != nil {
		return err
	}
	own := t.s.windowOf(r.key)
	at := t.wall(now)
	over := !at.Before(r.hour) || may.window > own || r.sound != (may.sound && t.format.Sound != nil)
	// Half a frame of slack: cameras do not count to sixty exactly.
	if !over && now-r.seg.from < units(min(t.s.SegmentLength, own.Duration()/2))-r.step/2 {
		return nil
	}
	if err := t.complete(now); err != nil {
		return err
	}
	if err := t.seal(now); err != nil {
		return err
	}
	if over {
		err := t.s.endRun(r.key)
		t.run = nil
		return err
	}
	return t.s.room(r.volume)
}

// end ends the run in order, if one is open; there is a gap from there on.
func (t *tape) end(cause Cause, detail string) {
	from := t.s.Now()
	if r := t.run; r != nil {
		err := t.finish()
		from = t.wall(r.at + max(r.step, 1))
		if err != nil {
			t.abandon(err)
		} else if err := t.s.endRun(r.key); err != nil {
			t.abandon(err)
		}
		t.run = nil
		t.w.opened(time.Time{}, "")
		t.w.recorded(from)
	}
	t.s.gap(t.camera, t.stream, cause, detail, from)
	t.s.wake()
}

// finish seals what is open. The last frame is shown as long as the one before it.
func (t *tape) finish() error {
	r := t.run
	if r.step == 0 {
		r.step = timescale / 25
	}
	end := r.at + r.step
	if r.pending != nil {
		if err := t.complete(end); err != nil {
			return err
		}
	}
	if r.seg == nil {
		return nil
	}
	return t.seal(end)
}

// abandon leaves a run that the disk fails on as it is. It is sealed by the code that seals what a crash left, as soon as the disk lets it.
func (t *tape) abandon(err error) {
	t.failed = err
	if t.tries > 0 { // the first time, the next key frame may do
		t.retry = t.s.Now().Add(min(time.Second<<min(t.tries, 10), retryDisk))
	}
	t.tries++
	from := t.s.Now()
	if r := t.run; r != nil {
		from = t.wall(r.at + r.step)
		if r.seg != nil {
			// The chunk that is not full may still find its way: without it up to 4 KiB of frames are lost, and the fragment they end.
			if e := errors.Join(r.seg.w.Close(), r.seg.f.Close()); e != nil && !errors.Is(e, os.ErrClosed) {
				t.failed = errors.Join(err, e)
			}
		}
		t.run = nil
		t.s.abandon(r, t.failed)
		t.w.opened(time.Time{}, "")
	}
	t.s.Log.Error("footage: recording stopped", "camera", t.camera, "stream", t.stream, "error", err)
	t.s.gap(t.camera, t.stream, CauseDisk, short(err), from)
	t.s.wake()
}

func (t *tape) begin(au AccessUnit) error {
	may, err := t.allowed()
	if err != nil {
		return err
	}
	f := t.format
	if !may.sound {
		f.Sound = nil
	}
	init, err := initOf(f)
	if err != nil {
		return err
	}
	at := t.base.Add(media(au.DTS))
	if !au.Arrival.IsZero() && au.Arrival.Before(at) {
		at = au.Arrival // a camera whose clock runs fast: nothing was seen after it arrived, and its window must not end late
	}
	start := protocol.T(at)
	r := &openRun{start: start.Time, zero: au.DTS, hour: start.Truncate(time.Hour).Add(time.Hour), init: protocol.HashOf(init), sound: f.Sound != nil}
	row := &runRow{V: format, Camera: t.camera, Stream: t.stream, Codec: t.format.Codec, Init: r.init, Start: start, End: start, First: start}
	if r.sound {
		row.Sound = f.Sound.Codec
	}
	if err := t.s.onSome(t.camera, func(v *volume) error { return t.beginOn(v, r, init, row, may.window) }); err != nil {
		return err
	}
	r.key = row.key()
	t.run, t.failed = r, nil
	return t.s.at("run indexed")
}

// beginOn begins a run on a volume, or leaves nothing there.
func (t *tape) beginOn(v *volume, r *openRun, init []byte, row *runRow, window protocol.Window) (err error) {
	if err := t.s.room(v); err != nil {
		return err
	}
	if r.id, r.dir, err = t.s.newRunDir(v, t.camera, row.Start); err != nil {
		return err
	}
	r.volume, row.Run, row.Volume = v, r.id, v.inRow()
	switch err = t.makeRun(r, init, row, window); {
	case errors.Is(err, errDoubt):
		t.s.unmakeLater(t.camera, r.id) // where it turns out to have no row
		return err
	case err != nil:
		return errors.Join(err, t.s.unmake(t.camera, r.id)) // it has no row, and each try makes another
	}
	t.s.made(t.camera, r.id)
	return nil
}

func (s *Store) made(camera protocol.CameraID, run protocol.RunID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.making, filepath.Join(string(camera), string(run)))
}

// unmake removes the directory of a run that did not come to be, now or later.
func (s *Store) unmake(camera protocol.CameraID, run protocol.RunID) error {
	err := s.removeRun(s.runDir(camera, run))
	if err != nil {
		s.unmakeLater(camera, run)
		return err
	}
	s.forgetPlace(camera, run)
	s.made(camera, run)
	return nil
}

func (s *Store) unmakeLater(camera protocol.CameraID, run protocol.RunID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.making[filepath.Join(string(camera), string(run))] = true
}

// removeUnmade tries again what unmake could not do, once it is certain that there is no row.
func (s *Store) removeUnmade() (next time.Time) {
	s.mu.Lock()
	var left []string
	for name, over := range s.making {
		if over && !s.db.doubt {
			left = append(left, name)
		}
	}
	left = slices.DeleteFunc(left, func(name string) bool {
		camera, run := filepath.Split(name)
		has := s.hasRun(protocol.CameraID(filepath.Clean(camera)), protocol.RunID(run))
		if has {
			delete(s.making, name)
		}
		return has
	})
	s.mu.Unlock()
	for _, name := range left {
		camera, run := filepath.Split(name)
		if err := s.unmake(protocol.CameraID(filepath.Clean(camera)), protocol.RunID(run)); err != nil {
			next = s.Now().Add(retryFull)
		}
	}
	return next
}

// makeRun writes the init and then the run's row.
func (t *tape) makeRun(r *openRun, init []byte, row *runRow, window protocol.Window) error {
	if err := disk.WriteFile(t.s.Disk, filepath.Join(r.dir, "init.mp4"), init); err != nil {
		return err
	}
	if err := errors.Join(t.s.Disk.SyncDir(r.dir), t.s.Disk.SyncDir(filepath.Dir(r.dir)), t.s.at("run made")); err != nil {
		return err
	}
	return t.s.beginRun(row, window)
}

// newRunDir makes the directory of a run, which [Store.made] says has a row now, or is gone.
func (s *Store) newRunDir(v *volume, camera protocol.CameraID, start protocol.Time) (protocol.RunID, string, error) {
	if err := s.present(v); err != nil { // another disk in its place would take the footage
		return "", "", err
	}
	parent := filepath.Join(v.Dir, "footage", string(camera))
	if err := s.Disk.Mkdir(parent, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", "", err
	}
	if err := s.Disk.SyncDir(filepath.Dir(parent)); err != nil { // also of one that is there: whoever made it may have failed to
		return "", "", err
	}
	for {
		var b [2]byte
		if _, err := rand.Read(b[:]); err != nil {
			return "", "", err
		}
		id := protocol.RunID(start.Format("20060102t150405.000z") + "-" + hex.EncodeToString(b[:]))
		if !s.reserve(camera, id, v) {
			continue
		}
		err := s.Disk.Mkdir(s.runDir(camera, id), 0o700)
		if err == nil {
			return id, s.runDir(camera, id), nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", "", errors.Join(err, s.unmake(camera, id)) // it may be there all the same
		}
		s.forgetPlace(camera, id)
		s.made(camera, id)
	}
}

func (t *tape) openSegment(from int64) error {
	r := t.run
	key, secret, err := t.s.keys.take(t.camera, r.hour.Add(-time.Hour))
	if err != nil {
		return err
	}
	defer clear(secret)
	name := filepath.Join(r.dir, fmt.Sprintf("%06d.open", r.next))
	f, err := t.s.Disk.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Join(err, t.s.keys.doom(key, hourOf{t.camera, r.hour.Add(-time.Hour).Unix()}))
	}
	w, err := encrypt(f, key, secret, head{fileVersion, key}.bound(t.s.Recorder, t.camera, t.stream, r.id, r.next))
	if err != nil {
		if !t.s.KeyState().Locked { // no frame was written; but its head may have been, and whoever finds that looks for a key that cannot be made again
			t.s.keys.done(key)
		}
		return errors.Join(err, f.Close())
	}
	r.seg = &openFile{f: f, w: w, key: key, n: r.next, from: from, sum: sha256.New()}
	r.next++
	t.w.opened(t.wall(from), r.key)
	t.s.wake() // it may be due before anything else is
	return nil
}

// flush writes what is collected as one fragment.
func (t *tape) flush() error {
	r := t.run
	if len(r.samples) == 0 {
		return nil
	}
	r.sequence++
	sound, zero := t.beside()
	r.seg.fragments = append(r.seg.fragments, [2]int64{r.seg.size, r.base})
	if err := writeFragment(r.seg, r.sequence, r.base, r.samples, sound, zero); err != nil {
		return err
	}
	if err := r.seg.w.flush(); err != nil {
		return err
	}
	for _, s := range r.samples {
		if s.release != nil {
			s.release()
		}
	}
	clear(r.samples)
	r.samples = r.samples[:0]
	return t.s.at("fragment")
}

// beside takes the sound of the fragment that is being written, and says where the run begins by its clock. What belongs to a segment before this one is lost.
func (t *tape) beside() (sound []Sound, zero int64) {
	r := t.run
	if !r.sound {
		t.sound = nil
		return nil, 0
	}
	if p, err := t.allowed(); err != nil || !p.sound {
		t.sound = nil // not one more moment
		return nil, 0
	}
	end := r.base
	for _, s := range r.samples {
		end += int64(s.duration)
	}
	zero = t.ticks(r.zero)
	first := slices.IndexFunc(t.sound, func(s Sound) bool { return s.Time >= t.ticks(r.zero+r.seg.from) })
	if first < 0 {
		first = len(t.sound)
	}
	t.sound = t.sound[first:]
	n := slices.IndexFunc(t.sound, func(s Sound) bool { return s.Time >= t.ticks(r.zero+end) })
	if n < 0 {
		n = len(t.sound)
	}
	sound, t.sound = t.sound[:n], t.sound[n:]
	return sound, zero
}

func (f *openFile) Write(b []byte) (int, error) {
	f.size += int64(len(b))
	if n, err := f.sum.Write(b); err != nil {
		return n, err
	}
	return f.w.Write(b)
}

// sync takes all fragments of the open segment to the disk, so that a power cut costs none of them.
func (t *tape) sync() {
	if r := t.run; r == nil || r.seg == nil || r.seg.size == r.seg.synced {
		return
	}
	if err := t.keep(); err != nil {
		t.abandon(err)
	}
}

func (t *tape) keep() error {
	seg := t.run.seg
	// What is in a chunk that is not full is not in the file yet.
	if _, err := seg.Write(padding(seg.w.left())); err != nil {
		return err
	}
	if err := seg.w.flush(); err != nil {
		return err
	}
	if err := errors.Join(seg.f.Sync(), t.s.at("open segment synced")); err != nil {
		return err
	}
	if seg.synced == 0 {
		if err := t.s.Disk.SyncDir(t.run.dir); err != nil {
			return err
		}
	}
	seg.synced = seg.size
	return nil
}

// seal makes the open segment a sealed one that ends at a decode time: file first, then row (invariant 1).
func (t *tape) seal(end int64) error {
	r := t.run
	if err := t.flush(); err != nil {
		return err
	}
	seg := r.seg
	if err := seg.w.Close(); err != nil {
		return err
	}
	if err := errors.Join(seg.f.Sync(), t.s.at("synced")); err != nil {
		return err
	}
	if err := seg.f.Close(); err != nil {
		return err
	}
	line := protocol.SegmentLine{Camera: t.camera, Stream: t.stream, Run: r.id, N: seg.n, Start: protocol.T(t.wall(seg.from)), End: protocol.T(t.wall(end)),
		Size: seg.size, SHA256: protocol.Hash(seg.sum.Sum(nil)), Init: r.init}
	if err := t.s.sealFile(line, segmentRow{V: format, Key: seg.key.String(), Chunk: chunkSize, Fragments: seg.fragments}); err != nil {
		return err
	}
	r.seg, t.tries = nil, 0
	t.w.opened(time.Time{}, "")
	t.s.wake()
	return nil
}

// wall is the wall clock at a decode time of the run.
func (t *tape) wall(dts int64) time.Time { return t.run.start.Add(media(dts)) }

// media is a duration in 1/90000 s; units is the way back.
func media(d int64) time.Duration {
	return time.Duration(d/timescale)*time.Second + time.Duration(d%timescale)*time.Second/timescale
}
func units(d time.Duration) int64 {
	return int64(d/time.Second)*timescale + int64(d%time.Second)*timescale/int64(time.Second)
}

// short is an error as it may stand in an entry.
func short(err error) string {
	s := strings.ReplaceAll(err.Error(), "\n", "; ")
	if len(s) > 500 {
		s = s[:500]
	}
	return strings.ToValidUTF8(s, "?")
}

// sealFile takes a synced, closed .open file through the rest of sealing. Of the row it is given version, key and fragments.
func (s *Store) sealFile(line protocol.SegmentLine, row segmentRow) error {
	sealed := s.segmentFile(line)
	if err := s.Disk.Rename(strings.TrimSuffix(sealed, ".seg")+".open", sealed); err != nil {
		return err
	}
	if err := errors.Join(s.at("renamed"), s.Disk.SyncDir(filepath.Dir(sealed)), s.at("directory synced")); err != nil {
		return err
	}
	return s.indexSegment(line, row)
}

// indexSegment makes the row of a segment whose file is whole and synced. The run's own entry goes first.
func (s *Store) indexSegment(line protocol.SegmentLine, row segmentRow) error {
	if line.N == 0 {
		s.settle(context.Background())
	}
	if err := s.putSegment(line, row); err != nil {
		return err
	}
	if k, encrypted, err := row.slot(); err != nil {
		return err
	} else if encrypted {
		s.keys.done(k)
	}
	return s.at("segment indexed")
}

func (s *Store) putSegment(line protocol.SegmentLine, row segmentRow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, rk := segmentKey(line), runKey(line.Camera, line.Stream, line.Run)
	known := s.runs[rk]
	if known == nil {
		return fmt.Errorf("segment %s: its run is not in the index", key)
	}
	run := *known
	run.add(line, row.stored(line))
	row.Line, row.Window = line.String(), s.windowOfRun(&run)
	s.volumeOf(known).changed = true
	return s.saveRuns(map[string]*runRow{rk: &run}, func(tx *bbolt.Tx) error {
		return errors.Join(putSegment(tx, key, row), put(tx, inUnlisted, key, true))
	})
}

// beginRun makes the run's row, with the entries that say so and that any gap is over.
func (s *Store) beginRun(r *runRow, window protocol.Window) error {
	body := protocol.RunStarted{Camera: r.Camera, Stream: r.Stream, Run: r.Run, Codec: string(r.Codec), Sound: string(r.Sound), Init: r.Init, Start: r.Start, Clock: s.Clock().State}
	started, err := owe(protocol.KindRun, body)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sk := streamKey(r.Camera, r.Stream)
	r.Back = s.back(s.Clock()).Milliseconds()
	var q *queue
	err = s.saveRuns(map[string]*runRow{r.key(): r}, func(tx *bbolt.Tx) (err error) {
		if err := s.putNews(tx); err != nil {
			return err
		}
		if q, err = s.queueFor(tx, r.Camera, window, r.Volume); err != nil {
			return err
		}
		r.Queue = q.n
		if err := errors.Join(put(tx, inStreams, sk, streamRow{V: format}), putOwed(tx, started)); err != nil {
			return err
		}
		if before := s.streams[sk]; before != nil && before.Gap != nil {
			return endGap(tx, *before.Gap, r.Start.Time)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.news = nil
	s.queues[q.key()] = q
	s.streams[sk] = &streamRow{V: format}
	return nil
}

// endRun marks a run as ended: nothing will be added to it.
func (s *Store) endRun(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.runs[key]
	if known == nil {
		return nil // it has ended
	}
	run := *known
	run.Ended = true
	return s.saveRuns(map[string]*runRow{key: &run}, nil)
}

func (s *Store) abandon(r *openRun, why error) {
	s.avoid(r.volume, why)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[r.key] = time.Time{}
	if r.seg != nil {
		s.cut[r.key] = r.seg.key
	}
}

// gap says that a stream has no footage from a moment on. A gap keeps its first cause, unless one comes that says more; see says.
func (s *Store) gap(camera protocol.CameraID, stream protocol.StreamID, cause Cause, detail string, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.beginGap(camera, stream, cause, detail, from); err != nil {
		s.Log.Error("footage: gap", "camera", camera, "stream", stream, "cause", cause, "error", err)
	}
}

// beginGap is gap for who has mu. When the index cannot be written the gap stands in memory, and waits there with its entries.
func (s *Store) beginGap(camera protocol.CameraID, stream protocol.StreamID, cause Cause, detail string, from time.Time) error {
	key := streamKey(camera, stream)
	var before *protocol.Gap
	if row := s.streams[key]; row != nil {
		before = row.Gap
	} else if cause == CauseRecorder {
		return nil // what was never recorded is not missing because the recorder stops
	}
	if before != nil {
		if says(cause) <= says(Cause(before.Cause)) {
			return nil
		}
		from = s.Now()
	}
	gap := protocol.Gap{Camera: camera, Stream: stream, Cause: string(cause), Detail: detail, From: protocol.T(from)}
	begun, err := owe(protocol.KindGapBegun, gap)
	if err != nil {
		return err
	}
	row := &streamRow{V: format, Gap: &gap}
	s.streams[key] = row
	write := func(tx *bbolt.Tx) error {
		if before != nil {
			if err := endGap(tx, *before, from); err != nil {
				return err
			}
		}
		if s.streams[key] == row { // otherwise it is over by now
			if err := put(tx, inStreams, key, row); err != nil {
				return err
			}
		}
		return putOwed(tx, begun)
	}
	s.news = append(s.news, write)
	if err := s.db.Update(s.putNews); err != nil {
		return err
	}
	s.news = nil
	return nil
}

// says is how much a cause says of why there is no footage: the recorder's own absence least; then what is seen of the camera; that its frames came and the disk refused them; that they may not
// be recorded at all.
func says(c Cause) int {
	switch c {
	case CauseRecorder:
		return 0
	case CauseDisk:
		return 2
	case CauseMandate:
		return 3
	}
	return 1
}

func endGap(tx *bbolt.Tx, gap protocol.Gap, to time.Time) error {
	end := protocol.T(later(gap.From.Time, to))
	gap.To = &end
	ended, err := owe(protocol.KindGapEnded, gap)
	if err != nil {
		return err
	}
	return errors.Join(put(tx, inGaps, gapKey(gap), gapRow{V: format, Gap: gap}), putOwed(tx, ended))
}

type gapRow struct {
	V   int          `json:"v"`
	Gap protocol.Gap `json:"gap"`
}

func gapKey(g protocol.Gap) string {
	return streamKey(g.Camera, g.Stream) + "/" + number(uint64(g.From.UnixMilli()))
}

// finishBroken seals what runs left open by a crash or a disk error hold.
func (s *Store) finishBroken() (next time.Time, worked bool) {
	now := s.Now()
	s.mu.Lock()
	var due []string
	for key, at := range s.broken {
		if !now.Before(at) {
			due = append(due, key)
		}
	}
	s.mu.Unlock()
	for _, key := range due {
		err := s.finishRun(key)
		s.mu.Lock()
		switch {
		case err == nil:
			delete(s.broken, key)
			delete(s.cut, key)
		case errors.Is(err, ErrAway): // was told of the volume
			s.broken[key] = now.Add(10 * time.Second)
		default:
			s.broken[key] = now.Add(10 * time.Second)
			if run := s.runs[key]; errors.Is(err, ErrLocked) && run != nil {
				if due := s.dueFrom(run, run.End.Time, s.Clock()); due.After(now) && due.Before(s.broken[key]) {
					s.broken[key] = due
				}
			} else {
				camera, _, _ := strings.Cut(key, "/")
				s.incidentLocked("open run cannot be sealed", protocol.CameraID(camera), short(err))
			}
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.broken {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, len(due) > 0
}

// finishRun seals the files of a run that is not being written any more, and ends it. A file is cut to its last whole fragment; one without any goes.
func (s *Store) finishRun(key string) error {
	s.mu.Lock()
	known := s.runs[key]
	s.mu.Unlock()
	if known == nil {
		return nil
	}
	run := *known
	if err := s.present(s.volumeOf(known)); err != nil {
		return err
	}
	for n := run.Next; ; n++ {
		name, found := s.unindexed(&run, n)
		if !found {
			return s.endRun(key)
		}
		line, row, err := s.cutWhole(name, run, n)
		if errors.Is(err, ErrLocked) {
			if err = s.expireUnread(name, run, err); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		switch {
		case len(row.Fragments) == 0:
			if strings.HasSuffix(name, ".seg") {
				s.incident("sealed segment without a whole fragment", run.Camera, name)
			}
			if e := s.Disk.Remove(cutName(name)); e != nil && !errors.Is(e, fs.ErrNotExist) {
				return e
			}
			if err = errors.Join(s.Disk.Remove(name), s.Disk.SyncDir(filepath.Dir(name))); err == nil && row.Key != "" {
				if k, e := parseSlot(row.Key); e == nil {
					err = s.keys.doom(k, hourOfRun(&run))
				}
			}
		case strings.HasSuffix(name, ".open"):
			err = s.sealFile(line, row)
		default:
			err = errors.Join(s.Disk.SyncDir(filepath.Dir(name)), s.indexSegment(line, row))
		}
		if err != nil {
			return err
		}
	}
}

// expireUnread deletes a file that a crash left open, and that cannot be cut and sealed because its key waits for the share, when its window is over: it begins where
// the last sealed segment ends. A hold that may touch it keeps it. Until then it gives why back.
func (s *Store) expireUnread(name string, run runRow, why error) error {
	reading := s.Clock()
	now := reading.Now
	s.mu.Lock()
	early := now.Before(s.dueFrom(&run, run.End.Time, reading))
	kept := early || slices.ContainsFunc(s.standing(now), func(k Keep) bool { return k.Camera == run.Camera && run.End.Before(k.Asked.To) })
	s.mu.Unlock()
	if kept {
		return why
	}
	f, err := disk.Open(s.Disk, name)
	if err != nil {
		return err
	}
	h, err := readHead(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.keys.doom(h.key, hourOfRun(&run)); err != nil { // before the file, which alone says which key it has
		return err
	}
	if err := errors.Join(s.Disk.Remove(name), s.Disk.SyncDir(filepath.Dir(name))); err != nil {
		return err
	}
	s.incident("footage expired before it could be sealed", run.Camera, fmt.Sprintf("the end of run %s, from %s, was cut off by a stop and never read: the share of the key did not come in its window", run.Run, run.End))
	return nil
}

// unindexed is the file of a place in a run that has no row yet.
func (s *Store) unindexed(run *runRow, n int) (name string, found bool) {
	base := filepath.Join(s.runDir(run.Camera, run.Run), fmt.Sprintf("%06d", n))
	for _, name := range []string{base + ".open", base + ".seg"} {
		if !disk.Absent(s.Disk, name) {
			return name, true
		}
	}
	return "", false
}

// adoptOpen tells the key table which keys belong to files that a crash left without a row.
func (s *Store) adoptOpen(key string) error {
	s.mu.Lock()
	run := s.runs[key]
	s.mu.Unlock()
	if run == nil || run.Plain {
		return nil
	}
	for n := run.Next; ; n++ {
		name, found := s.unindexed(run, n)
		if !found {
			return nil
		}
		f, err := disk.Open(s.Disk, name)
		if err != nil {
			return err
		}
		if h, err := readHead(f); err == nil { // one without a header cannot be read by anyone, and goes
			s.keys.adopt(h.key)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
}

// cutWhole cuts a file to its whole fragments, syncs it, and says what it then is; without fragments it is nothing.
func (s *Store) cutWhole(name string, run runRow, n int) (line protocol.SegmentLine, row segmentRow, err error) {
	f, err := s.Disk.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return line, row, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return line, row, err
	}
	if row.V = format; run.Plain {
		row.V = plaintext
	}
	var footage io.ReaderAt = f
	length, closed := info.Size(), false
	var k slot
	if row.V != plaintext {
		h, err := readHead(f)
		if err != nil {
			return line, row, nil // nothing was ever synced
		}
		k = h.key
		row.Key, row.Chunk = k.String(), h.chunk()
		d, err := s.decrypt(f, run.Camera, run.Stream, run.Run, n, k, decryptCut)
		switch {
		case errors.Is(err, ErrKey):
			s.incident("missing key", run.Camera, fmt.Sprintf("%s was open and cannot be read: %v", name, err))
			return line, row, nil
		case errors.Is(err, errAuthentic):
			return line, row, nil
		case err != nil:
			return line, row, err
		}
		footage, length, closed = d, d.length, d.closed
	}
	whole, end, _ := wholeFragments(footage, length) // that the rest is not whole is what is expected here
	if len(whole) == 0 {
		return line, row, nil
	}
	for _, w := range whole {
		row.Fragments = append(row.Fragments, [2]int64{w.offset, w.time})
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(footage, 0, end)); err != nil {
		return line, row, err
	}
	switch {
	case row.V == plaintext:
		err = errors.Join(f.Truncate(end), f.Sync())
	case closed && end == length && strings.HasSuffix(name, ".seg"): // it was synced before it had that name
	default: // also what is whole: where a sync failed, the kernel takes it for written ever after, and only writing it again helps
		row.Chunk = chunkSize
		err = s.encryptAnew(name, io.NewSectionReader(footage, 0, end), run, n, k)
	}
	first, last := whole[0], whole[len(whole)-1]
	return protocol.SegmentLine{Camera: run.Camera, Stream: run.Stream, Run: run.Run, N: n, Start: protocol.T(run.Start.Add(media(first.time))),
		End: protocol.T(run.Start.Add(media(last.time + last.duration))), Size: end, SHA256: protocol.Hash(sum.Sum(nil)), Init: run.Init}, row, err
}

// cutName is where a file that is cut is written before it takes the other's place.
func cutName(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) + ".cut" }

// encryptAnew puts what is whole of a file in its place, under the same key and a fresh salt: to close the old stream under its own would use a nonce twice.
func (s *Store) encryptAnew(name string, whole io.Reader, run runRow, n int, k slot) error {
	key, err := s.keys.find(k)
	if err != nil {
		return err
	}
	defer clear(key)
	anew := cutName(name)
	f, err := s.Disk.OpenFile(anew, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w, err := encrypt(f, k, key, head{fileVersion, k}.bound(s.Recorder, run.Camera, run.Stream, run.Run, n))
	if err == nil {
		_, err = io.Copy(w, whole)
		err = errors.Join(err, w.Close())
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close(), s.at("cut anew")); err != nil {
		return err
	}
	return errors.Join(s.Disk.Rename(anew, name), s.Disk.SyncDir(filepath.Dir(name)), s.at("cut"))
}
