package footage

import (
	"bytes"
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/disk/disktest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// scene is a piece of a recorder's life. Each of its steps is made to fail in each way.
type scene struct {
	name   string
	from   string        // a volume that is there from before; "": none
	before func(p *play) // leads up to it, on a disk that does not fail
	act    func(p *play)
}

var scenes = []scene{
	{"a new volume", "", nil, func(p *play) { p.start() }},
	{"a run and its segments", "", nil, func(p *play) {
		p.start()
		p.record(plein, frames(squareClip(), 2500*time.Millisecond))
		p.minute()
		p.record(plein, frames(squareClip(), 1500*time.Millisecond))
	}},
	{"many chunks", "", nil, func(p *play) {
		p.start()
		p.record(plein, large(frames(squareClip(), 1500*time.Millisecond), 20_000))
	}},
	{"syncing an open segment", "", nil, func(p *play) {
		p.start()
		p.on(plein, frames(squareClip(), 1700*time.Millisecond))
		if p.Store != nil {
			p.syncOpen()
		}
		p.record(plein, frames(squareClip(), 600*time.Millisecond))
	}},
	{"expiry", "", twoCameras, func(p *play) {
		p.start()
		p.at(6 * time.Minute)
		p.at(8 * time.Minute)
	}},
	{"a full disk", "", twoCameras, func(p *play) {
		p.start()
		p.space(0)
		p.at(30 * time.Second)
		p.space(1 << 40)
		p.at(31 * time.Second)
	}},
	{"a hold and its lifting", "", twoCameras, func(p *play) {
		p.start()
		p.place(1500*time.Millisecond, 1900*time.Millisecond)
		p.at(6 * time.Minute)
		p.at(7 * time.Minute)
		p.lift()
		p.at(9 * time.Minute)
	}},
	{"an erasure", "", twoCameras, func(p *play) {
		p.start()
		p.at(10 * time.Second)
		p.erase(1500*time.Millisecond, 1900*time.Millisecond)
		p.at(80 * time.Second)
		p.at(3 * time.Minute)
	}},
	{"recovery of an erasure", "", func(p *play) {
		twoCameras(p)
		p.at(10 * time.Second)
		p.erase(1500*time.Millisecond, 1900*time.Millisecond)
	}, func(p *play) {
		p.start()
		p.at(80 * time.Second)
	}},
	{"a shorter window", "", twoCameras, func(p *play) {
		p.start()
		p.mandate(10 * time.Second)
		p.at(40 * time.Second)
		p.at(6 * time.Minute)
	}},
	{"recovery of an open segment", "", func(p *play) {
		p.start()
		p.on(plein, large(frames(squareClip(), 2700*time.Millisecond), 4_000))
	}, func(p *play) { p.start() }},
	{"recovery of what was expiring", "", func(p *play) {
		twoCameras(p)
		p.at(6 * time.Minute)
	}, func(p *play) {
		p.start()
		p.at(8 * time.Minute)
	}},
	{"a share is replaced", "", func(p *play) {
		p.centre = &keeper{TB: p.T}
		twoCameras(p)
	}, func(p *play) {
		p.start() // under the next
		p.record(plein, frames(squareClip(), 1200*time.Millisecond))
		p.at(6 * time.Minute)
	}},
	{"write-only until the share comes", "", func(p *play) {
		p.centre = &keeper{TB: p.T}
		twoCameras(p)
	}, func(p *play) {
		p.alone = true
		p.start()
		p.record(plein, frames(squareClip(), 2200*time.Millisecond))
		p.at(4 * time.Minute)
		p.record(plein, frames(squareClip(), 1200*time.Millisecond))
		p.at(6 * time.Minute) // of before, and the first that was recorded write-only
		p.alone = false
		p.bind()
		p.at(7 * time.Minute)
	}},
	{"a second disk", "", twoCameras, func(p *play) {
		p.second = true
		p.start()
		p.record(hal, frames(squareClip(), 1500*time.Millisecond))
		p.minute()
		p.at(6 * time.Minute)
		p.at(8 * time.Minute)
	}},
	{"from format 1 to 2", "testdata/format1", func(p *play) { p.clock.set(noon.Add(10 * time.Second)) }, func(p *play) {
		p.start()
		p.record(plein, frames(squareClip(), 1200*time.Millisecond))
		p.at(8 * time.Minute)
	}},
	{"from format 2 to 3", "testdata/format2", func(p *play) { p.clock.set(noon.Add(5 * time.Minute)) }, func(p *play) {
		p.start()
		p.record(hal, frames(squareClip(), 1200*time.Millisecond))
		p.lift()
		p.at(12 * time.Minute)
	}},
}

func twoCameras(p *play) {
	p.start()
	p.record(plein, frames(squareClip(), 3*time.Second))
	p.record(hal, frames(squareClip(), 2*time.Second))
	p.minute()
}

// play is a recorder in a scene: it goes on after every error, and remembers what it may rely on.
type play struct {
	*rig
	root   string
	disk   *disktest.Disk
	second bool // there is another volume, for what is new of hal
	window time.Duration

	answers  []error                         // what calls answered
	sealed   map[string]protocol.SegmentLine // what the index had at any moment
	runs     map[protocol.RunID]bool
	volumeID string
	held     protocol.Interval // of plein, while a hold is known to stand
	gone     protocol.Interval // of plein, once an order to erase it was taken
	begun    bool              // a hold was asked for: from here on it may stand
	tables   [][]byte          // each key table that ever had its place
	slots    map[string]slot   // which key each of sealed has
	centre   *keeper           // of the share that the keys need; nil: they need none
	alone    bool              // it cannot be reached
}

// newPlay begins in root, which is made with what is in from.
func newPlay(t *testing.T, root, from string, now time.Time, entries []entry) *play {
	if err := os.CopyFS(root, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	d, err := disktest.New(root)
	if err != nil {
		t.Fatal(err)
	}
	p := &play{rig: &rig{T: t, clock: &clock{t: now}, book: &book{entries: slices.Clone(entries)}}, root: root, disk: d, window: 5 * time.Minute, sealed: map[string]protocol.SegmentLine{}, runs: map[protocol.RunID]bool{}, slots: map[string]slot{}}
	p.space(1 << 40)
	return p
}

func (p *play) space(free int64) { p.disk.Space(func() (int64, int64) { return free, 1 << 40 }) }

func (p *play) note(err error) {
	if err != nil {
		p.answers = append(p.answers, err)
	}
}

// start opens the volume, a second time when that fails, and says what may be recorded.
func (p *play) start() {
	c := config(filepath.Join(p.root, "volume"), p.clock, p.book)
	c.Disk, c.SegmentLength, c.AwaitShare = p.disk, time.Second, p.centre != nil
	if p.second {
		c.Volumes = []Volume{{Dir: c.Dir, Cameras: []protocol.CameraID{plein}}, {Dir: filepath.Join(p.root, "second"), Cameras: []protocol.CameraID{hal}}}
	}
	for range 8 { // as systemd does
		s, err := Open(context.Background(), c)
		p.note(err)
		if err == nil {
			p.Store, p.volumeID = s, s.volume
			break
		}
	}
	p.mandate(p.window)
	p.bind()
}

// bind is what the recorder gets from the centre after a start: the share that its table is under, and the next.
func (p *play) bind() {
	if p.Store == nil || p.centre == nil || p.alone {
		return
	}
	if st := p.KeyState(); st.Locked {
		err := p.Bind(p.centre.of(st.Under))
		if p.note(err); err != nil {
			return
		}
	}
	under := p.KeyState().Under
	if under != "" {
		p.centre.of(under) // its status says so
	}
	next := p.centre.offer(under)
	p.note(p.Bind(next))
	if p.KeyState().Under == next.ID {
		p.centre.of(next.ID)
	}
}

func (p *play) stop() {
	if p.Store != nil {
		p.note(p.Close())
		p.Store = nil
	}
}

func (p *play) mandate(window time.Duration) {
	if p.window = window; p.Store != nil {
		p.note(p.SetMandates([]*protocol.Mandate{mandate(plein, window), mandate(hal, window)}))
		p.look()
	}
}

// on records without an end.
func (p *play) on(camera protocol.CameraID, units []AccessUnit) {
	if p.Store == nil {
		return
	}
	w := p.Camera(camera, main_)
	base := p.clock.Now()
	p.note(w.StartRun(formatOf(squareClip()), base))
	for i, u := range units {
		u.Arrival = base.Add(media(u.DTS))
		p.clock.set(u.Arrival)
		p.note(w.Write(u))
		if i%5 == 0 {
			w.idle()
			p.look()
		}
	}
	w.idle()
	p.look()
}

func (p *play) record(camera protocol.CameraID, units []AccessUnit) {
	if p.Store == nil {
		return
	}
	p.on(camera, units)
	w := p.Camera(camera, main_)
	p.note(w.EndRun(CauseNetwork, "the scene is over"))
	w.idle()
	p.look()
}

func (p *play) minute() {
	if p.Store != nil {
		p.note(p.SealMinute(p.Context()))
	}
}

// at is a moment after noon at which the clock goes round.
func (p *play) at(d time.Duration) {
	p.clock.set(noon.Add(d))
	if p.Store != nil {
		p.sweep(p.Context())
		p.look()
	}
}

func (p *play) place(from, to time.Duration) {
	if p.Store == nil {
		return
	}
	asked := protocol.Span(noon.Add(from), noon.Add(to))
	err := p.Place(p.rig.hold("h-1", plein, asked, noon.Add(20*time.Minute)))
	if p.note(err); err == nil {
		p.held = asked
	}
}

func (p *play) lift() {
	p.held = protocol.Interval{} // from here on it may be over
	if p.Store != nil {
		p.note(p.Lift("h-1", "the scene says so"))
		p.look()
	}
}

// look remembers what stands in the index.
func (p *play) look() {
	for _, l := range append(p.lines(plein), p.lines(hal)...) {
		key := segmentKey(l)
		if was, ok := p.sealed[key]; ok && was != l {
			p.Errorf("segment %s was %s and is %s: its id was used twice", key, was, l)
		}
		p.sealed[key], p.runs[l.Run] = l, true
	}
	err := p.db.View(func(tx *bbolt.Tx) error {
		return each(tx, inSegments, "", p.badRow, func(key string, r segmentRow) error {
			if k, encrypted, err := r.slot(); err == nil && encrypted {
				p.slots[key] = k
			}
			return nil
		})
	})
	if err != nil {
		p.Error(err)
	}
}

// thief takes a disk as it is, with each key table that ever stood on it, and must find no key of what the journal says is gone.
func (p *play) thief(image string) {
	p.Helper()
	holder, err := os.ReadFile(filepath.Join(image, "keys", "generation.key"))
	if errors.Is(err, fs.ErrNotExist) {
		return
	} else if err != nil || len(holder) != 2*disk.SlotSize {
		return // of a volume that is not there yet
	}
	told := p.told()
	keys := []*generation{{}}
	if p.centre != nil {
		for _, s := range p.centre.all { // also of those that it has destroyed
			keys = append(keys, &generation{share: &s})
		}
	}
	var private []*blindPrivate
	for _, block := range [][]byte{holder[:disk.SlotSize], holder[disk.SlotSize:]} {
		_, part, ok := disk.ParseSlot(block, slotMagic)
		for _, raw := range p.tables {
			_, head, rest, err := readTable(raw)
			if err != nil || !ok {
				continue // written by halves
			}
			for _, g := range keys {
				k := &keyring{recorder: self, volume: p.volumeID, chains: map[chainID]*keyChain{}}
				plain, err := k.decipher(&generation{part: part, share: g.share}, head, rest)
				if err != nil {
					continue
				}
				if err := k.parse(plain, len(head) == tableHead); err != nil {
					p.Fatal(err)
				}
				private = append(private, k.private...)
				for segment, s := range p.slots {
					if _, err := k.get(s); err == nil && told[segment] > 0 {
						p.Errorf("the journal says that %s is gone, and a thief has its key", segment)
					}
				}
			}
		}
	}
	blind, err := os.ReadFile(filepath.Join(image, "keys", blindFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	k := &keyring{recorder: self, volume: p.volumeID}
	for ; len(blind) >= blindHead+blindRecord; blind = blind[blindRecord:] {
		s, _, sealed, ok := parseBlind(blind[blindHead:])
		for segment, of := range p.slots {
			for _, key := range private {
				if !ok || of != s || told[segment] == 0 {
					break
				}
				if _, err := hpke.Open(key.key, hpke.HKDFSHA256(), hpke.AES256GCM(), k.blindBound(s), sealed); err == nil {
					p.Errorf("the journal says that %s is gone, and a thief with the share has its key", segment)
				}
			}
		}
	}
}

// sound is rig's, but for a new disk that could not be made ready: it is of no use before the next start, and the recorder says so.
func (p *play) sound() {
	p.Helper()
	found, err := p.Check(context.Background())
	if err != nil {
		p.Fatal(err)
	}
	for _, f := range found {
		if !p.second || f.What != "missing disk" || !slices.ContainsFunc(p.incidents(), func(i string) bool { return strings.HasPrefix(i, "disk that cannot be used") }) {
			p.Error("check: ", f)
		}
	}
}

// check holds a recorder that goes on, or is back, to its promises.
func (p *play) check() {
	p.Helper()
	p.sound()
	p.checkErased()
	there := map[string]bool{}
	for _, l := range append(p.lines(plein), p.lines(hal)...) {
		there[segmentKey(l)] = true
	}
	told := p.told()
	for key, l := range p.sealed {
		if p.held.From.Before(p.held.To) && l.Camera == plein && p.held.Overlaps(protocol.Interval{From: l.Start.Time, To: l.End.Time}) && !there[key] {
			p.Errorf("segment %s is held, and gone", key)
		}
		if !there[key] && told[key] == 0 && p.clock.Now().Before(l.Start.Add(p.window)) {
			p.Errorf("segment %s is neither there nor told of", key)
		}
	}
}

func (p *play) told() map[string]int {
	told := map[string]int{}
	for _, e := range p.expired() {
		told[segmentKey(protocol.SegmentLine{Camera: e.Camera, Stream: main_, Run: e.Run, N: e.N})]++
	}
	return told
}

// drain lets all windows and holds end, and looks for anything that is left.
func (p *play) drain() {
	p.Helper()
	p.clock.set(noon.Add(time.Hour))
	for range 3 {
		p.sweep(p.Context())
		p.clock.advance(time.Minute)
	}
	p.sound()
	told := p.told()
	for key := range p.sealed {
		if n := told[key]; n < 1 || n > 2 { // twice: the power went between the journal's sync and the index's
			p.Errorf("the journal tells %d times that segment %s expired", n, key)
		}
	}
	left, err := filepath.Glob(filepath.Join(p.root, "*", "footage", "*", "*", "*"))
	if err != nil || len(left) > 0 {
		p.Errorf("an hour later there is still %s", left)
	}
	for _, bucket := range [][]byte{inSegments, inUnlisted, inTombstones, inHolds, inOwed, inMinutes, inErases} {
		if n := p.rows(bucket); n > 0 {
			p.Errorf("an hour later there are %d rows in %s", n, bucket)
		}
	}
	p.reopen()
	if n := len(p.keys.chains); n > 0 {
		p.Errorf("an hour later there are keys of %d chains", n)
	}
	// The holder gives up one key, and no table from before opens with it to anything.
	holder, err := os.ReadFile(filepath.Join(p.root, "keys", "generation.key"))
	if err != nil {
		p.Fatal(err)
	}
	for _, slot := range [][]byte{holder[:disk.SlotSize], holder[disk.SlotSize:]} {
		_, key, ok := disk.ParseSlot(slot, slotMagic)
		if !ok && !bytes.Equal(slot, make([]byte, disk.SlotSize)) {
			p.Error("the holder has half a key")
		}
		th := &thief{p.T, p.volume, map[string]bool{}}
		for _, raw := range p.tables {
			if !ok {
				break
			}
			th.table(raw, &generation{part: key})
			if p.centre == nil {
				continue
			}
			for _, s := range p.centre.all {
				th.table(raw, &generation{part: key, share: &s})
			}
		}
		if len(th.keys) > 0 {
			p.Error("an hour later a key table from before gives keys")
		}
	}
}

// flaw is a way for a step to go wrong.
type flaw struct {
	name  string
	fault disktest.Fault
	loss  disktest.Loss // what the power cut takes that comes with it, or at the end; nil: the process is killed, and started again before a power cut takes all
	where func(disktest.Op) bool
	more  int // steps after it that go wrong as well
}

func writes(o disktest.Op) bool { return o.Kind == disktest.Write }
func closes(o disktest.Op) bool { return o.Kind == disktest.Close }
func any_(o disktest.Op) bool   { return true }

func flaws(n uint64) []flaw {
	return []flaw{
		{"failed", disktest.Fault{Err: syscall.EIO}, disktest.Lost, any_, 0},
		{"failed for a while", disktest.Fault{Err: syscall.EIO}, disktest.Some(n), disktest.Op.Changes, 12},
		{"done, and reported as failed", disktest.Fault{Err: syscall.EIO, Done: true}, disktest.Lost, disktest.Op.Changes, 0},
		{"done, and reported as failed for a while", disktest.Fault{Err: syscall.EIO, Done: true}, disktest.Lost, disktest.Op.Changes, 12},
		{"torn", disktest.Fault{Err: syscall.ENOSPC, Torn: true}, disktest.Some(n), writes, 0},
		{"cut, all is lost", disktest.Fault{Cut: true}, disktest.Lost, disktest.Op.Changes, 0},
		{"cut, all is kept", disktest.Fault{Cut: true}, disktest.Kept, disktest.Op.Changes, 0},
		{"cut, some is kept", disktest.Fault{Cut: true}, disktest.Some(n), disktest.Op.Changes, 0},
		{"cut within", disktest.Fault{Cut: true, Torn: true}, disktest.Kept, writes, 0},
		{"killed, and cut after the next start", disktest.Fault{Cut: true}, nil, disktest.Op.Changes, 0},
	}
}

// scratch is a directory in memory where the machine has one: what is synced there costs nothing.
func scratch(t *testing.T) string {
	if _, err := os.Stat("/dev/shm"); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "beeldwacht-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Every step on the disk, of all that a recorder does, fails in every way there is. It goes on, says so, and is started again on what the disk then has: nothing that it promised is
// broken. BEELDWACHT_SWEEP=all tries each step; otherwise each so many.
func TestFaultAtEveryStep(t *testing.T) {
	for i, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ready, centre, clock, book, ops := s.rehearse(t)
			every := 15
			if os.Getenv("BEELDWACHT_SWEEP") == "all" {
				every = 1
			}
			tried := 0
			for n, op := range ops {
				for k, f := range flaws(uint64(n)) {
					if !f.where(op) || closes(op) && f.fault.Err != nil && f.fault.Done {
						continue
					}
					if tried++; (tried+i+k)%every != 0 {
						continue
					}
					t.Run(fmt.Sprintf("%s %s", strings.ReplaceAll(op.String(), "/", "_"), f.name), func(t *testing.T) {
						s.spoil(t, ready, centre, clock, book, op, f)
					})
				}
			}
			t.Logf("%d steps, %d faults", len(ops), tried)
		})
	}
}

// rehearse leads up to a scene, keeps that, and plays it once without a fault.
func (s scene) rehearse(t *testing.T) (ready string, centre *keeper, now time.Time, entries []entry, ops []disktest.Op) {
	dir := scratch(t)
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if s.from != "" {
		to := filepath.Join(empty, "volume")
		if s.from == "testdata/format2" {
			to = empty // and its keys
		}
		if err := os.CopyFS(to, os.DirFS(s.from)); err != nil {
			t.Fatal(err)
		}
	}
	p := newPlay(t, filepath.Join(dir, "before"), empty, noon, nil)
	if s.before != nil {
		s.before(p)
	}
	if len(p.answers) > 0 {
		t.Fatal("without any fault: ", p.answers)
	}
	ready = p.cut(disktest.Lost)
	centre, now, entries = p.centre, p.clock.Now(), p.book.entries

	p = newPlay(t, filepath.Join(dir, "rehearsal"), ready, now, entries)
	p.centre = centre.copied(t)
	s.act(p)
	ops = p.disk.Ops()
	if p.check(); len(p.answers) > 0 || len(p.incidents()) > 0 {
		t.Fatal("without any fault: ", p.answers, p.incidents())
	}
	p.drain()
	p.stop()
	return ready, centre, now, entries, ops
}

// cut takes the power away and gives what the disk then has.
func (p *play) cut(loss disktest.Loss) (image string) {
	p.Helper()
	p.book.break_(disktest.ErrCut)
	p.disk.Cut()
	image = p.root + ".image"
	if err := p.disk.Image(image, loss); err != nil {
		p.Fatal(err)
	}
	p.stop()
	return image
}

func (s scene) spoil(t *testing.T, ready string, centre *keeper, now time.Time, entries []entry, op disktest.Op, f flaw) {
	p := newPlay(t, filepath.Join(scratch(t), "a"), ready, now, entries)
	p.centre = centre.copied(t)
	over := false
	p.disk.On(func(o disktest.Op) disktest.Fault {
		if o.Kind == disktest.Rename && filepath.Base(o.Name) == "keys.tbl" {
			if b, err := os.ReadFile(filepath.Join(p.root, o.Name)); err == nil {
				p.tables = append(p.tables, b)
			}
		}
		if over || o.N < op.N || o.N > op.N+f.more || o.N > op.N && !o.Changes() {
			return disktest.Fault{}
		}
		if f.fault.Cut {
			p.book.break_(disktest.ErrCut)
		}
		return f.fault
	})
	s.act(p)
	if over = true; !f.fault.Cut {
		if p.Store == nil {
			p.start()
		}
		if p.Store == nil {
			t.Fatal("cannot be opened: ", p.answers)
		}
		p.goOn()
		if len(p.answers) == 0 && len(p.incidents()) == 0 && !p.gap(CauseDisk) && filepath.Base(op.Name) != reserve { // which is made another time
			t.Errorf("nobody is told")
		}
	}
	if f.loss == nil {
		p.stop()
		p.disk.Resume()
		p.book.break_(nil)
		p.answers = nil
		if p.start(); len(p.answers) > 0 {
			t.Fatal("after a kill: ", p.answers)
		}
		p.check()
		f.loss = disktest.Lost
	}
	image := p.cut(f.loss)
	for _, name := range []string{"keys.tbl", "keys.tbl.new"} {
		if b, err := os.ReadFile(filepath.Join(p.root, "keys", name)); err == nil {
			p.tables = append(p.tables, b)
		}
	}
	p.thief(image)
	q := newPlay(t, p.root+".again", image, p.clock.Now(), p.book.entries)
	q.centre = p.centre
	q.second = p.second
	q.gone = p.gone
	q.sealed, q.held, q.window, q.tables, q.slots = p.sealed, p.held, p.window, p.tables, p.slots
	before := len(bodies[protocol.Incident](t, q.book, protocol.KindIncident))
	q.start()
	if q.Store == nil || len(q.answers) > 0 {
		t.Fatal("after a power cut: ", q.answers)
	}
	q.check()
	told := slices.DeleteFunc(q.incidents()[before:], func(what string) bool { // of who starts without the share after the window of what was open
		return q.centre != nil && strings.HasPrefix(what, "footage expired before it could be sealed")
	})
	if f.fault.Cut && len(told) > 0 {
		t.Errorf("the power went, and the journal says %q", told)
	}
	q.record(hal, frames(squareClip(), time.Second))
	for run := range q.runs {
		if p.runs[run] && !slices.ContainsFunc(slices.Collect(maps.Values(p.sealed)), func(l protocol.SegmentLine) bool { return l.Run == run }) {
			t.Errorf("run %s is there again", run)
		}
	}
	q.check()
	q.drain()
	q.stop()
}

// goOn lets a recorder mend what it can, and record.
func (p *play) goOn() {
	p.Helper()
	for range 3 {
		p.clock.advance(20 * time.Second)
		p.bind()
		p.sweep(p.Context())
		p.look()
	}
	was := len(p.lines(hal))
	now := p.clock.Now()
	p.record(hal, frames(squareClip(), time.Second))
	if n := 0; true {
		for _, l := range p.lines(hal) {
			if !l.Start.Before(now) {
				n++
			}
		}
		if n == 0 {
			p.Errorf("nothing is recorded any more: %d segments before", was)
		}
	}
	p.check()
}

func (p *play) gap(cause Cause) bool {
	return slices.ContainsFunc(bodies[protocol.Gap](p.T, p.book, protocol.KindGapBegun), func(g protocol.Gap) bool { return g.Cause == string(cause) })
}
