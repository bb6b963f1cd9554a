package clock

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk"
)

var monday = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// cabinet is a machine that can be set, switched off and lied to, and the truth about it.
type cabinet struct {
	*testing.T
	*Clock
	true    time.Time
	running time.Duration
	boots   int
	wrong   time.Duration // of the machine's clock
	ntp     string
	centre  func() time.Duration // how wrong the witness is; nil: it does not answer
	file    string
	memory  memory
	known   time.Time
	disk    disk.Disk
	told    []string
}

func newCabinet(t *testing.T) *cabinet {
	c := &cabinet{T: t, true: monday, ntp: Unsynced, file: "time", memory: memory{files: map[string][]byte{}}, boots: 1}
	c.disk = c.memory
	c.start()
	return c
}

func (c *cabinet) wall() time.Time { return c.true.Add(c.wrong) }

// start is the process being started.
func (c *cabinet) start() {
	c.Clock = Open(Config{Disk: c.disk, File: c.file, Known: c.known, Machine: Machine{Boot: strings.Repeat("b", c.boots),
		Running: func() time.Duration { return c.running }, Wall: c.wall, NTP: func() string { return c.ntp }}})
	c.look()
}

// look is one observation, and what must always hold.
func (c *cabinet) look() {
	c.Helper()
	if c.centre != nil {
		c.Cosigned(c.true.Add(c.centre()).Truncate(time.Second))
	}
	news, err := c.Observe()
	if err != nil {
		c.Fatal(err)
	}
	for _, n := range news {
		c.told = append(c.told, n.What+": "+n.Detail)
	}
	r := c.Read()
	if r.Latest().Before(r.Now) {
		c.Fatalf("the latest it may be, %s, is before now, %s", r.Latest(), r.Now)
	}
}

// run lets time go by, looking each step.
func (c *cabinet) run(d, step time.Duration) {
	c.Helper()
	for ; d > 0; d -= step {
		c.pass(min(d, step))
		c.look()
	}
}

func (c *cabinet) pass(d time.Duration) { c.true, c.running = c.true.Add(d), c.running+d }

// powerCut ends the process without a word, and the machine with it.
func (c *cabinet) powerCut(off time.Duration, clock time.Duration) {
	c.Helper()
	c.true, c.running, c.wrong, c.ntp = c.true.Add(off), 20*time.Second, clock, Unsynced
	c.boots++
	c.start()
}

func (c *cabinet) off() time.Duration { return c.Read().Now.Sub(c.true) }

func (c *cabinet) want(off, ahead time.Duration, state string) {
	c.Helper()
	r := c.Read()
	if o := r.Now.Sub(c.true); (o - off).Abs() > time.Second {
		c.Errorf("trusted now is %s from the truth, want %s", o, off)
	}
	if (r.Ahead - ahead).Abs() > time.Second {
		c.Errorf("it may be %s later, want %s", r.Ahead, ahead)
	}
	if r.State != state {
		c.Errorf("state %s, want %s", r.State, state)
	}
}

func (c *cabinet) wantTold(text string) {
	c.Helper()
	if !strings.Contains(strings.Join(c.told, "\n"), text) {
		c.Errorf("not told: %q; but\n%s", text, strings.Join(c.told, "\n"))
	}
}

func honest() time.Duration { return 0 }

func TestMachineThatIsKept(t *testing.T) {
	c := newCabinet(t)
	c.ntp, c.centre = Synced, honest
	c.run(48*time.Hour, time.Minute)
	c.want(0, 0, Synced)
	if len(c.told) > 0 {
		t.Errorf("news: %s", c.told)
	}
}

// A clock that is set a day ahead withholds at once, moves nothing, and is forgotten when it is mended.
func TestJumpForthAndMended(t *testing.T) {
	c := newCabinet(t)
	c.run(time.Hour, time.Minute)
	c.wrong = day
	c.want(0, day, Disputed) // before anybody has looked
	c.run(71*time.Hour, time.Minute)
	c.want(0, day, Disputed)
	c.wantTold("24h0m0s ahead")
	c.wrong = 0
	c.run(5*time.Minute, time.Minute)
	c.want(0, 0, Unsynced)
	c.wantTold("says the recorder's time again")
	c.run(72*time.Hour, time.Minute)
	c.want(0, 0, Unsynced)
}

// What nobody confirms and nobody contradicts is believed after 72 hours of running, and not before; power cuts in between neither shorten nor restart that.
func TestJumpForthIsBelievedAfter72Hours(t *testing.T) {
	c := newCabinet(t)
	c.wrong = 10 * day
	for range 7 {
		c.run(10*time.Hour, time.Minute)
		c.powerCut(0, 10*day)
		if off := c.off(); off > 0 {
			t.Fatalf("after %s of running it is believed: %s", time.Duration(c.kept.Ran), off)
		}
	}
	c.run(3*time.Hour, time.Minute)
	if off := c.off(); off < 10*day-2*writeEvery { // the last power cut took what was not written yet, and that waits for itself
		t.Errorf("after 73 hours of running it is %s from what its clock says", 10*day-off)
	}
	if a := c.Read().Ahead; a != beyond {
		t.Errorf("shown, though nobody has confirmed it since the power cut: %s", a)
	}
}

// A clock that is moved on while it waits gains nothing by having been wrong before.
func TestGrowingJumpWaitsForEachStep(t *testing.T) {
	c := newCabinet(t)
	c.wrong = time.Hour
	c.run(71*time.Hour, time.Minute)
	c.wrong = 1000 * day
	c.run(2*time.Hour, time.Minute)
	c.want(time.Hour, 1000*day-time.Hour, Disputed)
	c.wrong = 30 * time.Minute // and now it says that it is earlier than is believed
	c.run(72*time.Hour, time.Minute)
	c.want(time.Hour, 0, Disputed)
}

func TestJumpBackKeepsRunning(t *testing.T) {
	c := newCabinet(t)
	c.run(time.Hour, time.Minute)
	c.wrong = -day
	c.run(100*time.Hour, time.Minute)
	c.want(0, 0, Disputed)
	c.wantTold("24h0m0s behind")
	if back := c.Read().Back; back != 0 {
		t.Errorf("moved back by %s", back)
	}
}

// NTP and a witness that agree move it by whatever they say; and where they move it back, age goes on.
func TestBothMoveItBackAndAgeGoesOn(t *testing.T) {
	c := newCabinet(t)
	c.wrong = 3000 * day
	c.run(73*time.Hour, time.Minute)
	c.want(3000*day, 0, Unsynced)
	age := c.Read().Now.Add(c.Read().Back)
	c.wrong, c.ntp, c.centre = 0, Synced, honest
	c.run(time.Minute, time.Second)
	c.want(0, 0, Synced)
	if r := c.Read(); !r.Now.Add(r.Back).Equal(age.Add(time.Minute)) {
		t.Errorf("age went from %s to %s in a minute", age, r.Now.Add(r.Back))
	}
	c.powerCut(time.Hour, 0)
	if r := c.Read(); r.Back != 3000*day {
		t.Errorf("after a power cut it was moved back %s in all, want 3000 days", r.Back)
	}
}

// A centre that lies can, alone, move it by at most five minutes in any 24 hours of running, whatever it says; and withholds when it lies by much.
func TestLyingCentre(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  func(day int) time.Duration
		ntp  string
	}{
		{"by a lot", func(int) time.Duration { return 400 * day }, Unsynced},
		{"by a little, more each day", func(d int) time.Duration { return 2 * time.Minute * time.Duration(1+d) }, Unsynced},
		{"back", func(int) time.Duration { return -400 * day }, Unsynced},
		{"to and fro", func(d int) time.Duration { return 400 * day * time.Duration(1-2*(d%2)) }, Unsynced},
		{"by a lot, beside NTP", func(int) time.Duration { return 400 * day }, Synced},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newCabinet(t)
			days := 0
			k.ntp, k.centre = c.ntp, func() time.Duration { return c.lie(days) }
			var moved []time.Duration // in each ten minutes
			for ; days < 120; days++ {
				for range 24 * 6 {
					before := k.off()
					k.run(10*time.Minute, 10*time.Minute)
					moved = append(moved, (k.off() - before).Abs())
				}
				if days%10 == 5 {
					k.powerCut(time.Minute, 0) // it does not help to switch it off
					k.ntp = c.ntp
				}
			}
			sum := time.Duration(0)
			for i, m := range moved {
				if sum += m; i >= 144 {
					sum -= moved[i-144]
				}
				if sum > 5*time.Minute {
					t.Fatalf("moved by %s in the 24 hours before day %d", sum, i/144)
				}
			}
			if c.ntp == Synced {
				if off := k.off().Abs(); off > time.Second {
					t.Errorf("beside NTP it ends %s from the truth", off)
				}
			}
			if lie := c.lie(119); lie > day && k.Read().Latest().Before(k.true.Add(lie-time.Hour)) {
				t.Errorf("what would be too old if the centre were right is shown: latest %s", k.Read().Latest())
			}
		})
	}
}

// A lying NTP is held the same way, and by a witness that contradicts it for ever.
func TestLyingNTP(t *testing.T) {
	c := newCabinet(t)
	c.ntp, c.wrong, c.centre = Synced, 400*day, honest
	c.run(24*time.Hour, time.Minute)
	if off := c.off(); off > 5*time.Minute {
		t.Errorf("moved by %s in 24 hours", off)
	}
	c.run(90*day, 10*time.Minute)
	if off := c.off(); off > 90*5*time.Minute {
		t.Errorf("moved by %s in 91 days", off)
	}
	if c.Read().Ahead < 390*day {
		t.Errorf("what would be too old if NTP were right is shown")
	}
}

func TestPowerCut(t *testing.T) {
	for _, c := range []struct {
		name  string
		off   time.Duration
		clock time.Duration // how wrong after it
		then  time.Duration // trusted now from the truth
	}{
		{"a night", 10 * time.Hour, 0, 0},
		{"a long weekend", 71 * time.Hour, 0, 0},
		{"three weeks", 21 * day, 0, -21 * day},
		{"its clock is a year ahead", time.Hour, 365 * day, -time.Hour},
		{"1970", 10 * time.Hour, -monday.Sub(time.Unix(0, 0)), -10 * time.Hour},
		{"its clock stood still", 10 * time.Hour, -10 * time.Hour, -10 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newCabinet(t)
			k.ntp, k.centre = Synced, honest
			k.run(time.Hour, time.Minute)
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
			k.centre = nil
			k.powerCut(c.off, c.clock)
			k.want(c.then, beyond, Unconfirmed)
			k.run(100*time.Hour, time.Minute) // nobody confirms it: nothing is shown, and its own clock counts only forth
			k.want(max(c.then, c.clock), beyond, Unconfirmed)
			k.powerCut(time.Minute, 0)
			k.ntp, k.centre = Synced, honest
			k.run(10*time.Second, time.Second)
			k.want(0, 0, Synced)
		})
	}
}

// What a witness said still withholds after the process was started anew, until it can say it again.
func TestRestartForgetsNoWitness(t *testing.T) {
	c := newCabinet(t)
	c.run(time.Hour, time.Minute)
	c.powerCut(10*day, -50*365*day)
	c.centre = honest
	c.look()
	c.centre = nil
	c.pass(time.Minute)
	c.start()
	if r := c.Read(); r.Latest().Before(c.true.Add(-2*time.Second)) || r.Ahead == beyond {
		t.Errorf("it may be %s at the latest, and is %s", r.Latest(), c.true)
	}
	c.powerCut(10*day, -50*365*day)
	if r := c.Read(); r.Ahead != beyond {
		t.Errorf("a witness of another boot is believed: it may be %s at the latest", r.Latest())
	}
}

// One word from outside after a power cut is enough to show what is not too old by it, and not to destroy.
func TestPowerCutConfirmedByOne(t *testing.T) {
	c := newCabinet(t)
	c.run(time.Hour, time.Minute)
	c.powerCut(21*day, -50*365*day)
	c.centre = honest
	c.run(time.Minute, time.Second)
	if r := c.Read(); r.Ahead > 22*day || r.Latest().Before(c.true.Add(-agree)) {
		t.Errorf("latest %s, the truth is %s", r.Latest(), c.true)
	}
	if off := c.off(); off > -20*day {
		t.Errorf("a witness alone moved it to %s from the truth", off)
	}
	c.ntp, c.wrong = Synced, 0
	c.run(2*time.Second, time.Second)
	c.want(0, 0, Synced)

	c.centre = nil
	c.powerCut(time.Hour, 0)
	c.wrong, c.ntp = -2*day, Synced // NTP that says it is before the floor confirms nothing
	c.run(time.Minute, time.Second)
	if r := c.Read(); r.Ahead != beyond {
		t.Errorf("shown on the word of a clock that is before the floor: %+v", r)
	}
}

// Power cuts that nobody confirms are believed for three days in all: a bad battery cannot walk on and on.
func TestPowerCutsAddUp(t *testing.T) {
	c := newCabinet(t)
	c.run(time.Hour, time.Minute)
	for i := range 10 {
		c.powerCut(time.Minute, time.Duration(i+1)*20*time.Hour)
	}
	if off := c.off(); off > believed {
		t.Errorf("ten power cuts moved it by %s", off)
	}
	c.wrong, c.ntp = c.off(), Synced
	c.run(time.Minute, time.Second)
	c.powerCut(50*time.Hour, c.off()) // believed anew since it was confirmed
	if ahead := c.wall().Sub(c.Read().Now); ahead > time.Second {
		t.Errorf("the machine's clock is %s ahead of what is believed", ahead)
	}
}

// Within one boot nobody needs to say how long the process was gone.
func TestRestartWithinABoot(t *testing.T) {
	c := newCabinet(t)
	c.run(time.Hour, time.Minute)
	c.pass(21 * day)
	c.wrong = -3 * day
	c.start()
	c.want(0, 0, Disputed)
}

// A floor that is gone or spoilt is news, and the journal's last entry stands in for it.
func TestFloorIsLost(t *testing.T) {
	for name, content := range map[string]string{"torn": `{"v":1,"now":"2026-`, "of another version": `{"v":9,"now":"2026-11-23T08:00:00Z"}`, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			c := newCabinet(t)
			c.memory.files[c.file] = []byte(content)
			c.known = c.true
			c.powerCut(10*day, 0)
			c.want(-10*day, beyond, Unconfirmed)
			c.wantTold("the time floor cannot be read")
		})
	}
	t.Run("never was", func(t *testing.T) { // a data directory of the version before this one
		c := newCabinet(t)
		delete(c.memory.files, c.file)
		c.known = c.true
		c.powerCut(time.Hour, 0)
		c.want(0, beyond, Unconfirmed)
	})
	t.Run("journal from the future", func(t *testing.T) { // which was written when a clock was once far ahead
		c := newCabinet(t)
		delete(c.memory.files, c.file)
		c.known = c.true.Add(3000 * day)
		c.powerCut(time.Hour, 0)
		c.want(0, beyond, Unconfirmed)
		c.centre = honest
		c.look()
		c.want(0, 0, Unsynced)
	})
}

// memory is a disk that is quick: months go by in these tests.
type memory struct {
	disk.Disk
	files map[string][]byte
}

func (m memory) OpenFile(name string, flag int, _ fs.FileMode) (disk.File, error) {
	content, found := m.files[name]
	if flag&os.O_CREATE == 0 && !found {
		return nil, fs.ErrNotExist
	}
	if flag&os.O_TRUNC != 0 {
		content = nil
	}
	return &remembered{m: m, name: name, content: bytes.NewBuffer(content)}, nil
}

func (m memory) Rename(from, to string) error {
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (memory) SyncDir(string) error { return nil }

type remembered struct {
	disk.File
	content *bytes.Buffer
	m       memory
	name    string
}

func (r *remembered) Read(p []byte) (int, error)  { return r.content.Read(p) }
func (r *remembered) Write(p []byte) (int, error) { return r.content.Write(p) }
func (r *remembered) Close() error                { return nil }
func (r *remembered) Stat() (fs.FileInfo, error)  { return nil, errors.ErrUnsupported }
func (r *remembered) Sync() error                 { r.m.files[r.name] = bytes.Clone(r.content.Bytes()); return nil }

type full struct{ disk.Disk }

func (full) Rename(string, string) error { return errors.New("no space left on device") }

// With a disk that takes nothing it records on, and believes no machine's clock that it could not keep a count of.
func TestFloorCannotBeWritten(t *testing.T) {
	c := newCabinet(t)
	c.run(time.Hour, time.Minute)
	c.true, c.boots, c.running = c.true.Add(10*time.Hour), c.boots+1, 0
	c.Clock = Open(Config{Disk: full{c.memory}, File: c.file, Machine: Machine{Boot: "other", Running: func() time.Duration { return c.running }, Wall: c.wall, NTP: func() string { return c.ntp }}})
	news, err := c.Observe()
	if err == nil {
		t.Error("no error")
	}
	if off := c.off(); off > -9*time.Hour {
		t.Errorf("believed: %s", off)
	}
	if len(news) == 0 || !strings.Contains(news[0].What, "cannot be written") {
		t.Errorf("news: %v", news)
	}
}

// A crash at any moment loses at most what was not written yet: now never goes back by more, and what was moved stays moved.
func TestFloorIsWrittenSparinglyAndInTime(t *testing.T) {
	c := newCabinet(t)
	writes := &counted{Disk: c.memory}
	c.disk = writes
	c.start()
	writes.n = 0
	c.run(10*time.Hour, time.Second)
	if writes.n > 61 {
		t.Errorf("%d writes in ten hours in which nothing happened", writes.n)
	}
	c.centre = func() time.Duration { return 2 * time.Minute }
	c.run(2*time.Second, time.Second)
	before := c.Read().Now
	c.powerCut(0, -50*365*day)
	if now := c.Read().Now; now.Before(before.Add(-time.Second)) {
		t.Errorf("moved to %s, found at %s after a crash", before, now)
	}
	if left := time.Duration(c.kept.Allowance); left > 31*time.Second {
		t.Errorf("after a crash one source may move it by %s again", left)
	}
}

type counted struct {
	disk.Disk
	n int
}

func (c *counted) Rename(from, to string) error { c.n++; return c.Disk.Rename(from, to) }

// On a real disk the floor is found again, and no half of it.
func TestFloorOnADisk(t *testing.T) {
	c := newCabinet(t)
	c.disk, c.file = disk.OS, filepath.Join(t.TempDir(), "time")
	c.start()
	c.run(time.Hour, time.Minute)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), `"now":"2026-11-23T09:00:00Z"`) || !strings.Contains(string(raw), `"allowance":"2m30s"`) {
		t.Errorf("not for people: %s", raw)
	}
	c.powerCut(10*day, 0)
	c.want(-10*day, beyond, Unconfirmed)
}

// The machine that runs this test has a clock that runs, and an identity of its boot.
func TestSystem(t *testing.T) {
	m := System()
	if m.Boot == "" {
		t.Error("no boot id")
	}
	a, w := m.Running(), m.Wall()
	time.Sleep(20 * time.Millisecond)
	if d := m.Running() - a; d < 15*time.Millisecond || m.Wall().Sub(w) < 15*time.Millisecond {
		t.Errorf("in 20 ms the running clock went on by %s", d)
	}
	switch s := m.NTP(); s {
	case Synced, Unsynced, Unknown:
	default:
		t.Errorf("NTP: %q", s)
	}
}
