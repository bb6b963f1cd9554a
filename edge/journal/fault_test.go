package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/disk/disktest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// scene is a piece of a journal's life. Each of its steps is made to fail in each way.
type scene struct {
	name        string
	before, act func(p *play)
}

const hour = 3600_000 // ms

var scenes = []scene{
	{"a new journal", func(p *play) {}, func(p *play) { p.start(); p.append(3) }},
	{"a start", func(p *play) { p.start(); p.append(5) }, func(p *play) { p.start(); p.append(2) }},
	{"a month's end", func(p *play) { p.start(); p.append(2) }, func(p *play) {
		p.start()
		p.clock.Store(time.Date(2026, 12, 1, 0, 0, 1, 0, time.UTC).UnixMilli())
		p.append(2)
	}},
	{"many entries", func(p *play) { p.start(); p.append(markEvery - 1) }, func(p *play) { p.start(); p.append(3) }},
	{"cosigned", func(p *play) { p.start(); p.append(2) }, func(p *play) { p.start(); p.append(1); p.cosigned(); p.append(1); p.cosigned() }},
	{"a torn tail", func(p *play) {
		p.start()
		p.append(4)
		p.stop()
		p.tear("headers.log", -7)
		p.tear("hashes", -40)
	}, func(p *play) { p.start(); p.append(2) }},
	{"an epoch's end", func(p *play) { p.start(); p.append(3) }, func(p *play) {
		p.start()
		p.clock.Add(hour)
		p.append(1)
		p.clock.Add(hour)
		p.ping() // nothing happened in it
		p.append(1)
	}},
	{"off for a while", func(p *play) { p.start(); p.append(3); p.clock.Add(5 * hour) }, func(p *play) { p.start(); p.append(1) }},
	{"a journal from before there were seals", func(p *play) {
		keys := p.keys
		p.keys = ""
		p.start()
		p.append(3)
		p.keys = keys
	}, func(p *play) { p.start(); p.append(1) }},
	{"bodies whose term is over", func(p *play) {
		p.start()
		p.append(3)
		p.clock.Store(time.Date(2030, 1, 1, 0, 0, 1, 0, time.UTC).UnixMilli())
		p.append(1)
	}, func(p *play) {
		p.start()
		p.cosigned()
		p.ping() // which destroys them
		p.append(1)
	}},
	{"a lost key", func(p *play) {
		p.start()
		p.append(3)
		p.must(disk.WriteFile(p.disk, filepath.Join(p.keys, epochFile), make([]byte, 2*disk.SlotSize)))
		p.stop()
	}, func(p *play) { p.lost = 1; p.start(); p.append(1) }},
	{"resumed", func(p *play) {
		p.start()
		p.append(3)
		p.must(p.j.Cosigned(p.cosign(p.j, p.now(), p.witness[:2]...), p.witnesses, 2))
		p.append(1)
		if err := p.j.Cosigned(p.elsewhere(p.signer, 9), p.witnesses, 2); !errors.Is(err, ErrBehind) {
			p.t.Fatal(err)
		}
	}, func(p *play) { p.lost = 1; p.start(); p.resume(); p.append(1); p.cosigned() }},
}

// play is a journal in a scene: it goes on after every error, and remembers what it may rely on.
type play struct {
	*world
	disk    *disktest.Disk
	j       *Journal
	answers []error
	acked   []string // header lines by number, of what was acknowledged or told to anybody; "" of the others
	note    []byte   // the last checkpoint that was taken
	lost    uint64   // keys of epochs that were taken away, and logs resumed
	resumes bool
}

func newPlay(t *testing.T, w *world, root, from string) *play {
	if err := os.CopyFS(root, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	d, err := disktest.New(root)
	if err != nil {
		t.Fatal(err)
	}
	own := &world{t: t, dir: filepath.Join(root, "journal"), keys: filepath.Join(root, "keys"), disk: d, signer: w.signer, log: w.log, witness: w.witness, witnesses: w.witnesses}
	own.clock.Store(w.clock.Load())
	return &play{world: own, disk: d}
}

func (p *play) hear(err error) error {
	if err != nil {
		p.answers = append(p.answers, err)
	}
	return err
}

func (p *play) start() {
	for range 8 { // as systemd does
		j, err := p.tryOpen()
		if p.hear(err) == nil {
			p.j = j
			p.look()
			return
		}
	}
}

func (p *play) stop() {
	if p.j != nil {
		p.hear(p.j.Close())
		p.j = nil
	}
}

func (p *play) append(n int) {
	for range n {
		p.clock.Add(2000)
		if p.j == nil {
			return
		}
		size := p.j.Head().Size
		seq, err := p.j.Append(context.Background(), protocol.KindIncident, protocol.Incident{What: "test", Detail: fmt.Sprint(len(p.acked))})
		if p.hear(err) == nil && seq < size {
			p.t.Errorf("entry %d is given out again", seq)
		}
		p.look()
	}
}

func (p *play) ping() {
	if p.j != nil {
		p.hear(p.j.Ping(context.Background()))
		p.look()
	}
}

// look remembers what the journal says it has: that is what it tells its witnesses.
func (p *play) look() {
	p.t.Helper()
	entries, err := p.j.Entries(0, 1000)
	if p.hear(err) != nil {
		return
	}
	if uint64(len(entries)) != p.j.Head().Size || len(entries) < len(p.acked) {
		p.t.Errorf("%d entries, of %d, were %d", len(entries), p.j.Head().Size, len(p.acked))
	}
	for i, e := range entries {
		if i < len(p.acked) && string(e.Header) != p.acked[i] {
			p.t.Errorf("entry %d was %s and is %s", i, p.acked[i], e.Header)
		}
		if i >= len(p.acked) {
			p.acked = append(p.acked, string(e.Header))
		}
	}
}

// resume has the log go on as its own successor.
func (p *play) resume() {
	p.resumes = true
	if p.j == nil {
		return
	}
	_, err := p.j.Append(context.Background(), protocol.KindResumed, p.order(2))
	p.hear(err)
	p.look()
}

func (p *play) cosigned() {
	if p.j == nil {
		return
	}
	note := p.cosign(p.j, p.now(), p.witness[:2]...)
	if p.hear(p.j.Cosigned(note, p.witnesses, 2)) == nil {
		p.note = note
	}
}

func (p *play) tear(name string, by int64) {
	f, err := p.disk.OpenFile(filepath.Join(p.dir, name), os.O_RDWR, 0)
	p.must(err)
	info, err := f.Stat()
	p.must(err)
	p.must(errors.Join(f.Truncate(info.Size()+by), f.Sync(), f.Close()))
	p.acked = nil
}

// check holds it to its promises: all that was ever told is there, and it verifies as a stranger would.
func (p *play) check() {
	p.t.Helper()
	p.look()
	d, err := p.verify()
	if err != nil || d.Fault != nil || d.Entries < uint64(len(p.acked)) {
		p.t.Errorf("verified %+v, %v; want %d entries", d, err, len(p.acked))
	}
	if p.resumes && p.j.Log() == 1 { // the order is there, and the next start finds that it was not carried out
		p.resume()
		p.note = nil // of the log before
		d, err = p.verify()
		p.must(err)
	}
	if p.j.Behind() {
		p.t.Error("behind its witnesses")
	}
	if delivered, _ := p.j.Delivered(); p.resumes && p.j.CosignedNote() == nil && delivered < 4 {
		p.t.Errorf("%d entries need not be handed in again, the witnesses have 4", delivered)
	}
	if d.Epochs.Breaks != p.lost {
		p.t.Errorf("%d breaks of the epochs, %d keys were lost: %+v", d.Epochs.Breaks, p.lost, d.Breaks)
	}
	// After an entry was taken there is the key of the running epoch, and no other.
	slots, err := disk.ReadFile(p.disk, filepath.Join(p.keys, epochFile))
	if p.hear(err) == nil && p.j.Err() == nil && d.Epochs.Key != "" {
		for i := range uint64(2) {
			slot := slots[i*disk.SlotSize : (i+1)*disk.SlotSize]
			n, _, ok := disk.ParseSlot(slot, epochMagic)
			if running := i == d.Epochs.Number%2; running != ok || ok && n != d.Epochs.Number || !ok && strings.Trim(string(slot), "\x00") != "" {
				p.t.Errorf("epoch %d: slot %d has key %d (%v)", d.Epochs.Number, i, n, ok)
			}
		}
	}
	if p.note != nil {
		if p.j.CosignedNote() == nil {
			p.t.Error("the cosigned checkpoint is forgotten")
		}
		if err := p.j.Cosigned(p.note, p.witnesses, 2); err != nil {
			p.t.Errorf("the cosigned checkpoint: %v", err)
		}
	}
}

func (p *play) cut(loss disktest.Loss) (image string) {
	p.disk.Cut()
	image = filepath.Dir(p.dir) + ".image"
	p.must(p.disk.Image(image, loss))
	p.stop()
	return image
}

type flaw struct {
	name  string
	fault disktest.Fault
	more  int // steps after it that go wrong as well
	kill  bool
	loss  disktest.Loss
	where func(disktest.Op) bool
}

func flaws(n uint64) []flaw {
	any_ := func(disktest.Op) bool { return true }
	writes := func(o disktest.Op) bool { return o.Kind == disktest.Write }
	eio := disktest.Fault{Err: syscall.EIO}
	done := disktest.Fault{Err: syscall.EIO, Done: true}
	return []flaw{
		{"failed", eio, 0, false, disktest.Lost, any_},
		{"failed for a while", eio, 6, false, disktest.Some(n), disktest.Op.Changes},
		{"done, and reported as failed", done, 0, false, disktest.Lost, disktest.Op.Changes},
		{"done, and reported as failed for a while", done, 6, false, disktest.Lost, disktest.Op.Changes},
		{"torn", disktest.Fault{Err: syscall.ENOSPC, Torn: true}, 0, false, disktest.Some(n), writes},
		{"cut, all is lost", disktest.Fault{Cut: true}, 0, false, disktest.Lost, disktest.Op.Changes},
		{"cut, some is kept", disktest.Fault{Cut: true}, 0, false, disktest.Some(n), disktest.Op.Changes},
		{"cut, something else is kept", disktest.Fault{Cut: true}, 0, false, disktest.Some(n + 1000), disktest.Op.Changes},
		{"killed, and cut after the next start", disktest.Fault{Cut: true}, 0, true, disktest.Lost, disktest.Op.Changes},
		{"killed within, and cut after the next start", disktest.Fault{Cut: true, Torn: true}, 0, true, disktest.Lost, writes},
	}
}

func scratch(t *testing.T) string {
	if dir, err := os.MkdirTemp("/dev/shm", "beeldwacht-"); err == nil { // in memory: what is synced there costs nothing
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

// Every step of the journal on the disk fails in every way there is. It goes on without being opened anew, and after a power cut it is there with all that it ever told anybody.
// BEELDWACHT_SWEEP=all tries each step; otherwise each so many.
func TestI10_FaultAtEveryStep(t *testing.T) {
	for i, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			dir := scratch(t)
			p := newPlay(t, w, filepath.Join(dir, "before"), t.TempDir())
			s.before(p)
			ready := p.cut(disktest.Lost)
			w.clock.Store(p.clock.Load())
			acked := p.acked

			p = newPlay(t, w, filepath.Join(dir, "rehearsal"), ready)
			s.act(p)
			ops := p.disk.Ops()
			if p.check(); len(p.answers) > 0 {
				t.Fatal("without any fault: ", p.answers)
			}
			p.stop()
			every, tried := 6+len(ops)/20, 0 // fewer of a long scene
			if os.Getenv("BEELDWACHT_SWEEP") == "all" {
				every = 1
			}
			for n, op := range ops {
				for _, f := range flaws(uint64(n)) {
					if !f.where(op) {
						continue
					}
					if tried++; (tried+i)%every != 0 {
						continue
					}
					t.Run(strings.ReplaceAll(op.String(), "/", "_")+" "+f.name, func(t *testing.T) {
						p := newPlay(t, w, filepath.Join(scratch(t), "a"), ready)
						p.acked = slices.Clone(acked)
						p.spoil(s, op, f)
					})
				}
			}
			t.Logf("%d steps, %d faults", len(ops), tried)
		})
	}
}

func (p *play) spoil(s scene, op disktest.Op, f flaw) {
	t := p.t.(*testing.T)
	p.disk.On(func(o disktest.Op) disktest.Fault {
		if o.N < op.N || o.N > op.N+f.more || o.N > op.N && !o.Changes() {
			return disktest.Fault{}
		}
		return f.fault
	})
	s.act(p)
	p.disk.On(nil)
	switch {
	case f.kill:
		p.stop()
		p.disk.Resume()
		p.answers = nil
		if p.start(); len(p.answers) > 0 {
			t.Fatal("after a kill: ", p.answers)
		}
		p.check()
	case !f.fault.Cut:
		if p.j == nil {
			p.start()
		}
		if len(p.answers) == 0 && !strings.Contains(p.logged.String(), "could not be destroyed") && !strings.Contains(p.logged.String(), "cannot be removed") && op.Changes() && op.Kind != disktest.Close {
			t.Error("nobody is told")
		}
		p.answers = nil
		if p.append(2); len(p.answers) > 0 {
			t.Errorf("does not mend itself: %v", p.answers)
		}
		p.cosigned()
		p.check()
	}
	q := newPlay(t, p.world, filepath.Dir(p.dir)+".again", p.cut(f.loss))
	q.acked, q.note, q.lost, q.resumes = p.acked, p.note, p.lost, p.resumes
	if q.start(); len(q.answers) > 0 {
		t.Fatal("after a power cut: ", q.answers)
	}
	q.check()
	if q.append(2); len(q.answers) > 0 {
		t.Error("after a power cut: ", q.answers)
	}
	q.check()
	q.stop()
}

// A failed append stops the act it was for. The journal mends itself as soon as the disk lets it, and says since when it could not be written; opened anew it is what it was.
func TestI10_FailedWriteStopsTheActUntilTheDiskTakesIt(t *testing.T) {
	for _, c := range []struct {
		kind, name string
		fault      disktest.Fault
		kept       uint64 // entries after reopening
	}{
		{disktest.Write, "headers.log", disktest.Fault{Err: syscall.ENOSPC}, 3},
		{disktest.Write, "headers.log", disktest.Fault{Err: syscall.ENOSPC, Torn: true}, 4}, // the half of two that were tried is one
		{disktest.Sync, "headers.log", disktest.Fault{Err: syscall.EIO}, 3},
		{disktest.Write, "bodies-2026-11.log", disktest.Fault{Err: syscall.ENOSPC}, 3},
		{disktest.Write, "bodies-2026-11.log", disktest.Fault{Err: syscall.EIO, Torn: true}, 3},
		{disktest.Sync, "bodies-2026-11.log", disktest.Fault{Err: syscall.EIO}, 3},
		{disktest.Write, "hashes", disktest.Fault{Err: syscall.ENOSPC, Torn: true}, 3},
	} {
		for _, reopen := range []bool{false, true} {
			t.Run(fmt.Sprint(c.kind, " ", c.name, " ", c.fault.Torn, " ", reopen), func(t *testing.T) {
				w := newWorld(t)
				w.must(os.Mkdir(w.dir, 0o700))
				d, err := disktest.New(w.dir)
				w.must(err)
				w.disk = d
				j := w.open()
				w.fill(j, 3)
				changed := j.Changed()
				d.On(func(o disktest.Op) disktest.Fault {
					if o.Kind == c.kind && o.Name == c.name {
						return c.fault
					}
					return disktest.Fault{}
				})
				if _, err := j.Append(context.Background(), "test", struct{}{}); !errors.Is(err, ErrBroken) || !errors.Is(err, c.fault.Err) {
					t.Fatalf("append on a failing disk: %v", err)
				}
				<-changed
				w.clock.Add(2000)
				body := access("plein", span(0, 60))
				if r, err := j.Access(context.Background(), protocol.KindIntent, body, "plein", body.Interval); !errors.Is(err, ErrBroken) || r != nil {
					t.Errorf("access on a broken journal: %v, %v", r, err)
				}
				if err := j.Err(); !errors.Is(err, ErrBroken) || j.Head().Size != 3 {
					t.Errorf("Err %v, size %d", err, j.Head().Size)
				}
				if got, err := j.Entries(0, 10); err != nil || len(got) != 3 {
					t.Errorf("reading a broken journal: %d entries, %v", len(got), err)
				}
				d.On(nil)
				want := uint64(3 + 1 + 1) // the entry that says so, and the access
				if reopen {
					w.must(j.Close())
					j = w.open()
					if j.Head().Size != c.kept {
						t.Errorf("%d entries after reopening, want %d", j.Head().Size, c.kept)
					}
					want = c.kept + 1
				} else {
					w.clock.Add(2000)
					if err := j.Ping(context.Background()); err != nil { // the recorder asks now and then
						t.Error(err)
					}
					got, err := j.Entries(3, 1)
					var i protocol.Incident
					if err == nil {
						err = chain.ParseBody(got[0].Body, &i)
					}
					if err != nil || i.What != "journal" || !strings.Contains(i.Detail, c.fault.Err.Error()) {
						t.Errorf("the entry that says so: %+v, %v", i, err)
					}
				}
				if r, err := j.Access(context.Background(), protocol.KindIntent, body, "plein", body.Interval); err != nil || r.Seq() != want-1 {
					t.Errorf("access on a mended journal: %v, %v", r, err)
				}
				if d, err := w.verify(); err != nil || d.Entries != want {
					t.Errorf("%+v, %v", d, err)
				}
			})
		}
	}
}
