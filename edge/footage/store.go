package footage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Journal is the recorder's log as this package needs it; *journal.Journal is one.
type Journal interface {
	// Append writes an entry and returns its place once it is synced.
	Append(ctx context.Context, kind string, body any) (seq uint64, err error)
}

// Config says where footage goes. Dir, Keys, Recorder, Journal and Clock are needed; the rest has useful zero values.
type Config struct {
	Dir      string              // of the index: a volume itself
	Keys     string              // the folder of the keys: not on the volume, and not in a backup
	Recorder protocol.RecorderID // whose it is; a volume of another recorder is refused
	Volume   string              // the identity Dir must have, as [Store.Volume] told before; empty: none is known, and an empty Dir becomes a new volume
	Volumes  []Volume            // where new footage goes; none: to Dir
	Journal  Journal
	Holds    []protocol.Hold // those that were ordered: placed, where they are not, before anything expires at the start

	SegmentLength  time.Duration // about; a segment ends before the first key frame after it. Zero is 60 s
	FragmentLength time.Duration // about. Zero is 1 s
	SyncInterval   time.Duration // a power cut loses at most this of an open segment, and one fragment. Zero is 5 s
	SealEvery      time.Duration // how often sealed segments are journalled; keys are destroyed at most so often, or once a minute if that is more. Zero is 1 min

	MaxBytes   int64 // of footage in Dir, where Volumes does not say it; zero: as much as the disk takes
	MinFree    int64 // bytes that stay free on the disk. Zero is 512 MiB
	HoldShare  int   // percent of what all volumes may take that held footage may take: the roster's. Zero is 50
	QueueBytes int   // what may wait for the disk, per stream. Zero is 8 MiB

	Holder     Holder           // of the generation key, or of its part here; nil: a file in Keys
	Shares     []protocol.Share // the other part, where it is known at the start: a credential, or what a TPM keeps. A table that is under none is put under the first
	AwaitShare bool             // the other part comes with [Store.Bind]. Until then a table that is under one is locked: recording is write-only

	Clock func() trusted.Reading // what time it is, and how sure that is
	Now   func() time.Time       // the same without the rest; where there is no Clock, all there is
	Log   *slog.Logger           // nil: none

	Disk disk.Disk // nil: the machine's own

	at     func(stage string) error // tests: called between any two steps that reach the disk; an error stops there
	random func([]byte)             // tests: makes the keys
}

// Store is the footage of a recorder: one index, and the volumes it is on. Its methods may be called from any goroutine.
type Store struct {
	Config
	volume string
	db     *database
	keys   *keyring

	own     *volume            // Dir
	volumes []*volume          // those of the configuration in its order, then those that are no longer in it. Fixed once it is open; each volume says what guards it
	byID    map[string]*volume // likewise

	marking sync.Mutex // held by who marks a volume: one at a time. Taken before mu

	placesMu sync.RWMutex       // taken last of all
	places   map[string]*volume // camera/run: where the runs are that are not in Dir

	reserved     bool          // the reserve is there; guarded by sweeping
	sweeping     sync.Mutex    // held by whoever makes footage expire; guards seen and atOnce
	tidying      sync.Mutex    // held by whoever destroys keys and removes what expired footage left
	settling     chan struct{} // holds one token for whoever appends what is owed, and guards journalRetry
	journalRetry time.Time
	changed      chan struct{} // tells Run that something may be due earlier than it thinks
	untidy       chan struct{} // tells Run's clerk that there is work

	mu      sync.Mutex           // guards the index for writing, and what follows: its picture in memory
	runs    map[string]*runRow   // that have not ended
	empty   map[string]time.Time // runs that ended and have no footage any more, and when to try to remove them again
	queues  map[string]*queue
	totals  totalsRow
	holds   map[protocol.HoldID]*holdRow
	erases  map[protocol.DocumentID]*eraseRow // of which the journal has no outcome yet
	obeyed  map[protocol.DocumentID]bool      // orders to erase of which it has, since the start
	tombs   map[string]*tombstone             // not gone yet
	streams map[string]*streamRow
	writers map[string]*Writer
	making  map[string]bool         // camera/run directories that have no row yet; true: there will be none, and it must go
	known   map[string]bool         // incidents that were journalled, by what they are, so that each is once
	broken  map[string]time.Time    // runs that a disk error left open, and when to try to seal them again
	news    []func(*bbolt.Tx) error // incidents and gaps that wait for a transaction, in order
	guests  map[protocol.CameraID]guest
	homes   map[protocol.CameraID]string // the volume that a camera's runs go to, where the configuration does not say it
	cut     map[string]slot              // of those in broken: which key its open file has
	unseen  []unseen                     // directories that were not looked over since the start, or since their disk came
	share   int                          // see Config.HoldShare
	early   uint64                       // see Usage
	earlyAt time.Time

	closed bool

	rounds, tidied atomic.Uint64 // see Progress
	seen           uint64        // of tidied
	atOnce         int           // how many segments a round of expiry takes on

	badMu sync.Mutex
	bad   []foul          // not yet reported
	torn  map[string]bool // runs whose rows could not be read

	mandateMu sync.RWMutex
	mandates  map[protocol.CameraID][]*protocol.Mandate
}

type volumeFile struct {
	V        int                 `json:"v"`
	Volume   string              `json:"volume"`
	Recorder protocol.RecorderID `json:"recorder"`
}

// Open takes a volume into use, or makes a new one of an empty or absent directory. It finishes what a crash left half done, and lets everything expire that is due,
// before it returns (invariant 4). It refuses a volume with another identity or recorder, or without its index (invariant 6).
func Open(ctx context.Context, c Config) (*Store, error) {
	if err := c.prepare(); err != nil {
		return nil, fmt.Errorf("footage: %w", err)
	}
	s := &Store{Config: c, share: c.HoldShare, atOnce: buryAtOnce, settling: make(chan struct{}, 1), changed: make(chan struct{}, 1), untidy: make(chan struct{}, 1),
		runs: map[string]*runRow{}, empty: map[string]time.Time{}, queues: map[string]*queue{}, torn: map[string]bool{}, holds: map[protocol.HoldID]*holdRow{}, erases: map[protocol.DocumentID]*eraseRow{}, obeyed: map[protocol.DocumentID]bool{}, tombs: map[string]*tombstone{}, streams: map[string]*streamRow{},
		writers: map[string]*Writer{}, making: map[string]bool{}, known: map[string]bool{}, broken: map[string]time.Time{}, mandates: map[protocol.CameraID][]*protocol.Mandate{},
		byID: map[string]*volume{}, places: map[string]*volume{}, homes: map[protocol.CameraID]string{}, guests: map[protocol.CameraID]guest{}, cut: map[string]slot{}}
	s.Disk = disk.Watch(c.Disk, func(err error) { s.word("disk error", cause(err)) })
	if err := s.openVolume(); err != nil {
		return nil, fmt.Errorf("footage: volume %s: %w", c.Dir, err)
	}
	if err := s.recover(ctx); err != nil {
		s.keys.close()
		return nil, errors.Join(fmt.Errorf("footage: volume %s: %w", c.Dir, err), s.db.Close())
	}
	return s, nil
}

func (c *Config) prepare() error {
	if c.Dir == "" || c.Keys == "" || c.Journal == nil || c.Now == nil && c.Clock == nil {
		return errors.New("needs Dir, Keys, Journal, and Clock or Now")
	}
	for _, v := range append([]Volume{{Dir: c.Dir}}, c.Volumes...) {
		if rel, err := filepath.Rel(v.Dir, c.Keys); err != nil || filepath.IsLocal(rel) {
			return errors.Join(fmt.Errorf("keys in %s would lie on the volume %s: who takes the disk would have both", c.Keys, v.Dir), err)
		}
	}
	if err := protocol.ValidID(c.Recorder); err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	for field, fallback := range map[*time.Duration]time.Duration{&c.SegmentLength: time.Minute, &c.FragmentLength: time.Second, &c.SyncInterval: 5 * time.Second, &c.SealEvery: time.Minute} {
		if *field < 0 {
			return errors.New("negative length")
		} else if *field == 0 {
			*field = fallback
		}
	}
	if c.MaxBytes < 0 || c.MinFree < 0 || c.QueueBytes < 0 {
		return errors.New("negative number of bytes")
	}
	if c.MinFree == 0 {
		c.MinFree = 512 << 20
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = 8 << 20
	}
	if c.HoldShare < 0 || c.HoldShare > 100 {
		return fmt.Errorf("holds may take %d percent of the disk: want 1 to 100", c.HoldShare)
	}
	if c.HoldShare == 0 {
		c.HoldShare = 50
	}
	if c.Clock == nil {
		now := c.Now
		c.Clock = func() trusted.Reading { return trusted.Reading{Now: now(), State: trusted.Unknown} }
	} else {
		now := c.Clock
		c.Now = func() time.Time { return now().Now }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.at == nil {
		c.at = func(string) error { return nil }
	}
	if c.random == nil {
		c.random = fill
	}
	if c.Disk == nil {
		c.Disk = disk.OS
	}
	return nil
}

// Volume is the identity of this volume. Who opens it should remember it beside its own configuration and give it in Config.Volume from then on: only that tells an
// unmounted disk's empty directory from a new volume.
func (s *Store) Volume() string { return s.volume }

func (s *Store) openVolume() error {
	file, index := filepath.Join(s.Dir, "volume.json"), filepath.Join(s.Dir, "index.db")
	var v volumeFile
	raw, err := disk.ReadFile(s.Disk, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := s.newVolume(index); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(raw, &v, json.RejectUnknownMembers(true)); err != nil {
			return fmt.Errorf("volume.json: %w; is this the right disk?", err)
		}
		switch {
		case v.V < plaintext || v.V > format:
			return fmt.Errorf("is of format %d; this program knows %d to %d", v.V, plaintext, format)
		case v.Recorder != s.Recorder:
			return fmt.Errorf("belongs to recorder %s, not to %s; mount the disk of this recorder", v.Recorder, s.Recorder)
		case s.Config.Volume != "" && v.Volume != s.Config.Volume:
			return fmt.Errorf("is volume %s, not %s; mount the right disk", v.Volume, s.Config.Volume)
		}
		s.volume = v.Volume
		if _, err := s.Disk.Lstat(index); err != nil {
			return fmt.Errorf("its index is missing (%w); put index.db back, or move the whole directory away and report its footage as lost", err)
		}
	}
	if err := s.openIndex(index); err != nil {
		return err
	}
	switch v.V {
	case plaintext: // what is there stays as it is and ages out; keys are for what comes. They are there before the volume says so
		if err = s.makeKeys(); err == nil {
			err = s.putIdentity(s.Dir, s.volume)
		}
	case oneLine, format:
		if s.keys, err = openKeys(&s.Config, s.volume); err != nil {
			err = fmt.Errorf("keys: %w", err)
		} else if v.V != format { // before its index is: no older program may write in what is half done
			err = s.putIdentity(s.Dir, s.volume)
		}
	default: // newVolume made them
		err = nil
	}
	if err == nil {
		err = s.migrate()
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// Bind takes a share of the centre: it opens the key table that waits for it, or puts an open one under it with a new generation. When it returns nil nothing on this
// disk opens with the share before it. What could not be read until now is served, sealed and destroyed from then on.
func (s *Store) Bind(share protocol.Share) error {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if err := s.keys.bind(share, s.Now(), s.living, s.needed); err != nil {
		return fmt.Errorf("footage: keys: %w", err)
	}
	s.mu.Lock()
	for run := range s.broken { // some waited for their key
		s.broken[run] = time.Time{}
	}
	for _, t := range s.tombs {
		t.locked = false
	}
	s.mu.Unlock()
	s.wake()
	return nil
}

// KeyState is what the key table needs.
type KeyState struct {
	Under  protocol.ShareID // the share that it is under; empty: none
	Locked bool             // it waits for that share
	Blind  int              // keys that were recorded write-only and wait likewise
}

// KeyState tells the state of the key table.
func (s *Store) KeyState() KeyState { return s.keys.state() }

func (s *Store) makeKeys() (err error) {
	if s.keys, err = makeKeys(&s.Config, s.volume); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

func (s *Store) newVolume(index string) error {
	if s.Config.Volume != "" {
		return fmt.Errorf("volume %s is not here: no volume.json; is the disk mounted?", s.Config.Volume)
	}
	// An index that was begun and has no identity yet is made anew; one beside footage is not.
	if _, err := s.Disk.Lstat(filepath.Join(s.Dir, "footage")); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("has footage but no volume.json; mount the right disk, or put volume.json back (%w)", err)
	}
	if err := disk.MkdirAll(s.Disk, s.Dir); err != nil {
		return err
	}
	if err := s.Disk.Remove(index); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	s.volume = hex.EncodeToString(id[:])
	db, err := openDatabase(s.Disk, index)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range buckets {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return errors.Join(tx.Bucket(inMeta).Put([]byte("volume"), []byte(s.volume)), tx.Bucket(inMeta).Put(indexFormat, number3))
	})
	if err := errors.Join(err, db.Close(), s.Disk.SyncDir(s.Dir)); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if err := s.makeKeys(); err != nil {
		return err
	}
	return s.putIdentity(s.Dir, s.volume) // the last: it says that all of it is there
}

func (s *Store) openIndex(index string) error {
	db, err := openDatabase(s.Disk, index)
	if err != nil {
		return fmt.Errorf("index: %w; is another recorder running here?", err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(inMeta)
		if meta == nil || string(meta.Get([]byte("volume"))) != s.volume {
			return fmt.Errorf("is of another volume than volume.json; put the index of volume %s back", s.volume)
		}
		for _, b := range buckets {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("index: %w", err), db.Close())
	}
	s.db = db
	return nil
}

// recover brings the volume to where normal running would have brought it.
func (s *Store) recover(ctx context.Context) error {
	s.mu.Lock()
	err := s.load()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.openVolumes(); err != nil {
		return err
	}
	for key, r := range s.runs {
		s.broken[key] = time.Time{}
		if s.volumeOf(r).away != nil {
			continue
		}
		if err := s.adoptOpen(key); err != nil {
			s.incident("open run cannot be looked at", r.Camera, short(err))
		}
	}
	for _, h := range s.Config.Holds {
		if err := s.place(h); err != nil {
			s.incident("a hold that was ordered cannot be placed", h.Camera, short(fmt.Errorf("hold %s: %w", h.ID, err)))
		}
	}
	for _, v := range s.volumes {
		if v.away != nil || v.copied {
			continue
		}
		if err := s.lookForStrays(v); err != nil {
			return err
		}
	}
	s.lookOver() // of a small volume it is all
	if err := s.keys.prepare(s.Now(), s.living, s.needed); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	s.sweep(ctx)
	s.tidyKeys()
	if err := s.gapsOfAbsence(); err != nil {
		return err
	}
	s.settle(ctx)
	for _, v := range s.volumes {
		if v.away == nil && v.copied {
			s.clean(v)
		}
	}
	s.lookOver()
	return nil
}

// load makes the picture in memory. The caller has mu.
func (s *Store) load() error {
	err := s.db.View(func(tx *bbolt.Tx) error {
		totals, _, err := get[totalsRow](tx, inMeta, "totals")
		s.totals = totals
		runs := func(bucket []byte, see func(key string)) {
			c := tx.Bucket(bucket).Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				see(string(k))
			}
		}
		runs(inOpen, func(key string) {
			if r := s.run(tx, key); r != nil {
				s.runs[key] = r
			}
		})
		runs(inOver, func(key string) { s.empty[key] = time.Time{} })
		return errors.Join(err,
			each(tx, inQueues, "", s.badRow, func(key string, row queueRow) error {
				q, err := parseQueue(key, row)
				if err != nil {
					s.badRow(err)
					return nil
				}
				s.queues[key] = q
				return nil
			}),
			each(tx, inHomes, "", s.badRow, func(key string, r homeRow) error { s.homes[protocol.CameraID(key)] = r.Volume; return nil }),
			each(tx, inHolds, "", s.badRow, func(key string, h holdRow) error { s.holds[h.Hold.HoldID()] = &h; return nil }),
			each(tx, inErases, "", s.badRow, func(key string, e eraseRow) error { s.erases[e.Erase.ID] = &e; return nil }),
			each(tx, inStreams, "", s.badRow, func(key string, r streamRow) error { s.streams[key] = &r; return nil }),
			each(tx, inTombstones, "", s.badRow, func(key string, row tombstoneRow) error {
				for i := range row.Segments {
					if err := row.Segments[i].read(); err != nil {
						s.badRow(fmt.Errorf("index: tombstones %s: %w", key, err))
						return nil
					}
				}
				s.tombs[key] = newTombstone(row)
				s.tombs[key].again = true
				return nil
			}))
	})
	if err != nil {
		return err
	}
	if err := s.mendQueues(); err != nil {
		return err
	}
	return s.rejudge("", nil) // a hold may have been lost
}

// gapsOfAbsence begins a gap, from the end of its last segment, for each stream that was being recorded when the recorder went down.
func (s *Store) gapsOfAbsence() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, stream := range s.streams {
		if stream.Gap != nil {
			continue
		}
		from := s.Now()
		if end, found := s.lastEnd(key); found {
			from = end
		}
		camera, name, _ := strings.Cut(key, "/")
		if err := s.beginGap(protocol.CameraID(camera), protocol.StreamID(name), CauseRecorder, "the recorder was not running", from); err != nil {
			return err
		}
	}
	return nil
}

// lastEnd is the end of the last segment of a stream. The caller has mu.
func (s *Store) lastEnd(stream string) (end time.Time, found bool) {
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(inRuns).Cursor()
		k, _ := c.Seek([]byte(stream + "0")) // '0' follows '/'
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		longest := time.Duration(s.totals.Longest) * time.Millisecond
		for ; k != nil && keyRun(string(k)) == stream; k, _ = c.Prev() {
			if found && string(k)[len(stream)+1:] < momentOf(end.Add(-longest)) {
				break // a clock that was set back: no run before this one reached so far
			}
			if r := s.run(tx, string(k)); r != nil {
				end, found = later(end, r.End.Time), true
			}
		}
		return nil
	})
	return end, found && err == nil
}

// unseen is a camera's directory that was not looked over yet.
type unseen struct {
	v      *volume
	camera string
}

// lookForStrays begins a look over all directories of a volume.
func (s *Store) lookForStrays(v *volume) error {
	cameras, err := s.Disk.ReadDir(filepath.Join(v.Dir, "footage"))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cameras {
		s.unseen = append(s.unseen, unseen{v, c.Name()})
	}
	return nil
}

// lookOver goes on with the look that the start began, some hundreds of runs at a time: there may be tens of thousands, and nobody needs to wait for it. It finds what is
// not in the order that a crash leaves: a run whose row cannot be read, or is not there, and directories without one. Next is zero when there is nothing more to look at.
func (s *Store) lookOver() (next time.Time) {
	for looked := 0; ; {
		s.mu.Lock()
		left := s.unseen
		if len(left) > 0 && looked < clearAtOnce {
			s.unseen = left[1:]
		}
		s.mu.Unlock()
		switch {
		case len(left) == 0:
			return next
		case looked >= clearAtOnce:
			return s.Now()
		}
		n, err := s.strays(left[0].v, left[0].camera)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.incident("unknown file", "", cause(err))
		}
		looked += n
	}
}

// strays removes run directories of a camera that a crash left without a row: nothing but an init can be in them. Anything more is footage that the index does not
// know; it is reported and left to be looked at, since nothing here offers it to anyone.
func (s *Store) strays(v *volume, camera string) (looked int, err error) {
	at := filepath.Join(v.Dir, "footage", camera)
	dirs, err := s.Disk.ReadDir(at)
	if err != nil {
		return 0, err
	}
	known := map[string]bool{}
	err = s.db.View(func(tx *bbolt.Tx) error {
		prefix := camera + "/"
		c := tx.Bucket(inRuns).Cursor()
		for k, _ := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, _ = c.Next() {
			s.run(tx, string(k)) // notes those that cannot be read
			known[strings.TrimPrefix(string(k), keyRun(string(k))+"/")] = true
		}
		for _, d := range dirs {
			if known[d.Name()] {
				continue
			}
			if run, found := ofStreams(tx, inSegments, camera, d.Name()+"/"); found {
				s.lose(keyRun(run))
				known[d.Name()] = true
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, d := range dirs {
		if known[d.Name()] || s.indexed([]string{"footage", camera, d.Name()}) {
			continue
		}
		if err := errors.Join(s.dropRunDir(filepath.Join(at, d.Name())), s.Disk.SyncDir(at)); err != nil {
			s.incident("unknown file", protocol.CameraID(camera), fmt.Sprintf("footage of no known run: %v", err))
		}
	}
	return len(dirs), nil
}

// ofStreams finds the first key <camera>/<stream>/<rest>… whatever the stream.
func ofStreams(tx *bbolt.Tx, bucket []byte, camera, rest string) (key string, found bool) {
	prefix := camera + "/"
	c := tx.Bucket(bucket).Cursor()
	for k, _ := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); {
		name, _, _ := strings.Cut(string(k)[len(prefix):], "/")
		stream := prefix + name
		if k, _ = c.Seek([]byte(stream + "/" + rest)); k != nil && strings.HasPrefix(string(k), stream+"/"+rest) {
			return string(k), true
		}
		k, _ = c.Seek([]byte(stream + "0")) // '0' follows '/'
	}
	return "", false
}

// Run keeps the clock: expiry at the moment it is due, and ends of holds. What may take longer than that allows for, keys, minutes and what the journal must be told, its clerk does
// beside it; and open segments are synced. Run returns when ctx ends, and nil then.
func (s *Store) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { s.clerk(ctx) })
	beside.Go(func() { s.keepSynced(ctx) })
	for {
		next := s.act()
		s.wakeClerk()
		if next.IsZero() {
			next = s.Now().Add(s.SealEvery) // a clock that is set is noticed
		}
		// What is still due now waits for something else, a disk that hangs for one.
		if !s.pause(ctx, s.changed, next) {
			return nil
		}
	}
}

func (s *Store) clerk(ctx context.Context) {
	minute := s.Now().Add(s.SealEvery)
	for {
		next := s.tidy(ctx)
		now := s.Now()
		if !now.Before(minute) {
			if err := s.SealMinute(ctx); err != nil && ctx.Err() == nil {
				s.Log.Error("journalling sealed segments", "error", err)
			}
			s.markChanged()
			minute = now.Add(s.SealEvery)
		}
		if back := now.Add(s.SealEvery); back.Before(minute) {
			minute = back // the clock was set back
		}
		if next.IsZero() || minute.Before(next) {
			next = minute
		}
		if !s.pause(ctx, s.untidy, next) {
			return
		}
	}
}

// pause waits until next, or for word that there is something to do; it says whether to go on.
func (s *Store) pause(ctx context.Context, word <-chan struct{}, next time.Time) bool {
	timer := time.NewTimer(max(20*time.Millisecond, next.Sub(s.Now())))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-word:
	}
	return true
}

// keepSynced has all open segments synced in time. A fifth of SyncInterval is left for the syncing itself.
func (s *Store) keepSynced(ctx context.Context) {
	ticks := time.NewTicker(s.SyncInterval * 4 / 5)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			s.syncOpen()
		}
	}
}

// syncOpen has each writer sync its open segment, and waits for none: one disk that hangs is not to keep the others waiting.
func (s *Store) syncOpen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.writers {
		w.sync()
	}
}

// Close ends all runs as a gap of cause recorder, journals what is sealed, and lets go of the volume. Run must have returned.
func (s *Store) Close() error {
	s.mu.Lock()
	writers := slices.Collect(maps.Values(s.writers))
	s.closed = true
	s.mu.Unlock()
	var closing sync.WaitGroup
	for _, w := range writers {
		closing.Go(w.close) // at once: one that hangs keeps no other from sealing
	}
	closing.Wait()
	err := s.SealMinute(context.Background())
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	s.tidying.Lock()
	defer s.tidying.Unlock()
	s.destroyKeys(s.Now(), true)
	s.settle(context.Background())
	s.markChanged()
	s.keys.close()
	return errors.Join(err, s.db.Close())
}

// TimeMoved tells that the clock was moved: more or less may be due now than Run waits for.
func (s *Store) TimeMoved() {
	s.mu.Lock()
	for key := range s.empty {
		s.empty[key] = time.Time{}
	}
	s.mu.Unlock()
	s.wake()
}

// wake makes Run look again.
func (s *Store) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *Store) wakeClerk() {
	select {
	case s.untidy <- struct{}{}:
	default:
	}
}

// sweep does what is due now and tells when something next is; it never is late because something in it failed.
func (s *Store) sweep(ctx context.Context) (next time.Time) {
	next = s.act()
	if at := s.tidy(ctx); !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	return next
}

// act is what must not be late: windows, holds, and unlinking what is due. It waits for no key and no journal.
func (s *Store) act() (next time.Time) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	for {
		next = time.Time{}
		soonest := func(t time.Time) {
			if !t.IsZero() && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
		s.settleIndex()
		s.keepReserve()
		s.look()
		soonest(s.enforceMandates())
		soonest(s.tendHolds())
		soonest(s.erase())
		soonest(s.expire())
		soonest(s.removeUnmade())
		again, worked := s.finishBroken()
		if soonest(again); !worked {
			return next
		}
	}
}

// tidy destroys the keys of what was unlinked, tells the journal of it, and clears away what it left.
func (s *Store) tidy(ctx context.Context) (next time.Time) {
	s.tidying.Lock()
	defer s.tidying.Unlock()
	soonest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	again := s.destroyKeys(s.Now(), s.backlog())
	for s.backlog() && !s.Now().Before(again) { // more than one generation takes at once
		again = s.destroyKeys(s.Now(), true)
	}
	soonest(again)
	soonest(s.finishErases())
	soonest(s.settle(ctx))
	soonest(s.removeRuns())
	soonest(s.lookOver())
	soonest(s.settle(ctx))
	s.tidied.Add(1)
	return next
}

// round counts a round of the clock, if the clerk has made one too since the last that was counted.
func (s *Store) round() {
	if tidied := s.tidied.Load(); tidied != s.seen {
		s.seen = tidied
		s.rounds.Add(1)
	}
}

// maxIncidents is how many different incidents are journalled for as long as this process runs.
const maxIncidents = 1000

// incident is something that must not be. It is journalled once for as long as this process runs.
func (s *Store) incident(what string, camera protocol.CameraID, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incidentLocked(what, camera, detail)
}

func (s *Store) incidentLocked(what string, camera protocol.CameraID, detail string) {
	key := what + "\x00" + string(camera) + "\x00" + detail
	if s.known[key] {
		return
	}
	s.Log.Error("footage: "+what, "camera", camera, "detail", detail)
	if len(s.known) == maxIncidents { // what comes after so many stands in this machine's log only
		return
	}
	s.known[key] = true
	row, err := owe(protocol.KindIncident, protocol.Incident{What: what, Camera: camera, Detail: detail})
	if err != nil {
		s.Log.Error("footage: incident", "error", err)
		return
	}
	s.news = append(s.news, func(tx *bbolt.Tx) error { return putOwed(tx, row) })
}

// badRow reports a row that cannot be read. It is called in transactions, by whoever may hold mu, so it only leaves word for settle.
func (s *Store) badRow(err error) { s.word("broken row in the index", err.Error()) }

// word leaves word of an incident; any lock may be held.
func (s *Store) word(what, detail string) {
	s.badMu.Lock()
	defer s.badMu.Unlock()
	if f := (foul{what, detail}); len(s.bad) < 1000 && !slices.Contains(s.bad, f) {
		s.bad = append(s.bad, f)
	}
}

// foul is something that must not be, found by who cannot journal it.
type foul struct{ what, detail string }

// settleIndex ends what errDoubt is about.
func (s *Store) settleIndex() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.db.doubt {
		return
	}
	if err := s.db.settle(); err != nil {
		return // the disk was heard to fail
	}
	known := s.runs
	s.erases = map[protocol.DocumentID]*eraseRow{}
	s.runs, s.holds, s.tombs, s.queues, s.empty = map[string]*runRow{}, map[protocol.HoldID]*holdRow{}, map[string]*tombstone{}, map[string]*queue{}, map[string]time.Time{} // streams: a gap may stand in memory alone
	if err := s.load(); err != nil {
		s.incidentLocked("index cannot be read", "", short(err))
		s.db.doubt = true
	}
	for key, r := range s.runs {
		if known[key] == nil && !r.Ended { // whoever began it thinks that it failed
			s.broken[key] = time.Time{}
		}
	}
}

func (s *Store) runDir(c protocol.CameraID, r protocol.RunID) string {
	return filepath.Join(s.where(c, r).Dir, "footage", string(c), string(r))
}

func (s *Store) segmentFile(l protocol.SegmentLine) string {
	return filepath.Join(s.runDir(l.Camera, l.Run), placeName(l.N)+".seg")
}

// removeRun removes a run's directory in which at most its init is left.
func (s *Store) removeRun(dir string) error {
	if err := s.dropRunDir(dir); err != nil {
		return err
	}
	if err := s.Disk.SyncDir(filepath.Dir(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Store) dropRunDir(dir string) error {
	if err := s.Disk.Remove(filepath.Join(dir, "init.mp4")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.Disk.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
