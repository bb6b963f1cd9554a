package clock

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/edge/disk"
)

const (
	day       = 24 * time.Hour
	allowance = 150 * time.Second // what one source alone may move the time by at once, and again in each 24 h of running
	believed  = 72 * time.Hour    // of power cuts that nobody confirmed, in all
	steadfast = 72 * time.Hour    // of running, after which an unconfirmed clock is believed

	agree  = time.Minute           // how far apart a witness and another may be that say the same
	exact  = time.Second           // a machine's clock this near to trusted now is the same; further is a jump
	still  = 50 * time.Millisecond // nearer than this nothing is moved
	recent = time.Hour             // how long a witness's word counts against the machine's clock: the hour of invariant 13
	beyond = 100 * 365 * day       // later than everything

	writeEvery = 10 * time.Minute
	tellEvery  = time.Minute
)

// What [Reading.State] says.
const (
	Synced      = "synced"      // NTP keeps the machine's clock, and it is trusted now
	Unsynced    = "unsynced"    // nothing keeps it
	Unknown     = "unknown"     // the machine does not say
	Disputed    = "disputed"    // it is not trusted now, whatever keeps it
	Unconfirmed = "unconfirmed" // the power was off, and nobody has said yet for how long
)

// Machine is what the machine says of time. [System] is the one this runs on.
type Machine struct {
	Boot    string               // identity of this boot; empty: not known
	Running func() time.Duration // since the boot; nobody can set it, and it counts while the machine sleeps
	Wall    func() time.Time
	NTP     func() string // Synced, Unsynced or Unknown
}

// Config says where the floor is. File and Machine are needed.
type Config struct {
	Disk    disk.Disk // nil: the machine's own
	File    string
	Machine Machine
	Known   time.Time // the newest time in the journal, zero when it is empty: it stands in for a File that is not there yet
}

// Reading is the time at one moment.
type Reading struct {
	Now   time.Time     // trusted now, UTC
	Ahead time.Duration // how much later it may be; see Latest
	Back  time.Duration // how far Now was moved back in all; what was recorded at a smaller Back is due sooner by the difference
	State string        // how far to believe Now: Synced, Unsynced, Unknown, Disputed or Unconfirmed
}

// Latest is the latest that it may be: what is due by then is shown to nobody.
func (r Reading) Latest() time.Time { return r.Now.Add(r.Ahead) }

// Doubtful says that it may be so much later that orders must wait: judged by Now they could be refused for what only the clock has done wrong.
func (r Reading) Doubtful() bool { return r.Ahead > 2*allowance }

// News is something about the clock that a person should know. It belongs in the journal.
type News struct {
	What, Detail string
	Moved        bool // trusted now was moved: what waits for a moment must look again
}

// Clock is the recorder's trusted now. Its methods may be called from any goroutine.
type Clock struct {
	Config
	writing sync.Mutex    // held by who writes the file; taken before mu
	saved   time.Duration // of Running, when it was last written

	mu    sync.Mutex // guards what follows
	kept  kept
	dirty bool // it changed in a way that must not be lost
	news  []News
	told  map[string]telling // by who was told of
}

// kept is the file: the floor, and what must outlive a stop.
type kept struct {
	V         int       `json:"v"`
	Now       time.Time `json:"now"` // at
	At        span      `json:"at"`  // of Running, in
	Boot      string    `json:"boot"`
	Back      span      `json:"back"`
	Ran       span      `json:"ran"`              // in all
	Allowance span      `json:"allowance"`        // what is left to one source alone
	Believed  span      `json:"believed"`         // of power cuts, since somebody confirmed the time
	Confirmed bool      `json:"confirmed"`        // in this boot, or because there was nothing before it
	Witness   time.Time `json:"witness,omitzero"` // the last one's word in this boot; zero: none
	Heard     span      `json:"heard,omitzero"`   // at
	Later     steady    `json:"later,omitempty"`
	Earlier   steady    `json:"earlier,omitempty"`
}

const format = 1

// telling is what was last told of a clock that parts from trusted now.
type telling struct {
	by time.Duration
	at time.Duration // Running
}

// Open finds the floor, and what time it is after it. What is wrong with the file is news, and stops nobody from recording.
func Open(c Config) *Clock {
	if c.Disk == nil {
		c.Disk = disk.OS
	}
	k := &Clock{Config: c, told: map[string]telling{}}
	running, wall := c.Machine.Running(), c.Machine.Wall().Round(0).UTC()
	k.kept = kept{V: format, Now: wall, Allowance: span(allowance), Confirmed: true}
	switch floor, err := k.read(); {
	case err == nil && floor.Boot != "" && floor.Boot == c.Machine.Boot && running >= time.Duration(floor.At):
		k.kept = floor
		k.kept.Now = floor.Now.Add(running - time.Duration(floor.At))
	case err == nil:
		k.kept = floor
		k.start(wall)
	case !errors.Is(err, fs.ErrNotExist):
		k.tell("the time floor cannot be read", fmt.Sprintf("%v; the journal's last entry stands in for it", err))
		fallthrough
	default:
		if c.Known.After(wall) { // either may be wrong: nothing is destroyed on the word of an entry, and nothing shown
			k.kept.Confirmed = false
		} else if !c.Known.IsZero() {
			k.kept.Now = c.Known.UTC()
			k.start(wall)
		}
	}
	k.kept.At, k.kept.Boot = span(running), c.Machine.Boot
	k.dirty = true
	return k
}

// start finds the time after a power cut, of which the machine's clock says how long it was. That it was believed is on the disk before it counts.
func (k *Clock) start(wall time.Time) {
	k.kept.Confirmed, k.kept.Witness = false, time.Time{}
	off := wall.Sub(k.kept.Now)
	if off < 0 || time.Duration(k.kept.Believed)+off > believed {
		return // what the machine says is no more than a claim: see observe
	}
	floor := k.kept
	k.kept.Now, k.kept.Believed = wall, floor.Believed+span(off)
	k.kept.At, k.kept.Boot = span(k.Machine.Running()), k.Machine.Boot
	if err := k.write(k.kept); err != nil {
		k.kept = floor
		k.tell("the time floor cannot be written", err.Error())
	}
}

func (k *Clock) read() (floor kept, err error) {
	raw, err := disk.ReadFile(k.Disk, k.File)
	if err == nil {
		err = json.Unmarshal(raw, &floor, json.RejectUnknownMembers(true))
	}
	if err == nil && (floor.V != format || floor.Back < 0 || floor.Now.Year() < 1970 || floor.Now.Year() > 9000) {
		err = fmt.Errorf("%s: not a time floor of version %d", k.File, format)
	}
	return floor, err
}

func (k *Clock) write(floor kept) error {
	raw, err := json.Marshal(floor)
	if err != nil {
		return err
	}
	return disk.Replace(k.Disk, k.File, append(raw, '\n'))
}

// Now is trusted now, UTC. It carries no monotonic reading.
func (k *Clock) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, _ := k.now()
	return now
}

func (k *Clock) now() (now time.Time, running time.Duration) {
	running = k.Machine.Running()
	return k.kept.Now.Add(running - time.Duration(k.kept.At)), running
}

// Read is the time, and how sure it is. What the machine's clock says at this moment is in it: a jump counts at once.
func (k *Clock) Read() Reading {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, running := k.now()
	r := Reading{Now: now, Back: time.Duration(k.kept.Back), State: k.Machine.NTP()}
	wall := k.Machine.Wall().Sub(now)
	r.Ahead = max(0, wall)
	if !k.kept.Witness.IsZero() { // it travelled: then it is later still, and never earlier
		r.Ahead = max(r.Ahead, k.said(now, running))
	}
	if r.Ahead < still {
		r.Ahead = 0
	}
	switch {
	case !k.kept.Confirmed:
		r.Ahead, r.State = beyond, Unconfirmed
	case wall.Abs() > exact:
		r.State = Disputed
	}
	return r
}

// said is how far from now the witness's last word is, by the running clock.
func (k *Clock) said(now time.Time, running time.Duration) time.Duration {
	return k.kept.Witness.Add(running - time.Duration(k.kept.Heard)).Sub(now)
}

// Cosigned takes the time of a cosignature that came just now, of a checkpoint that covers an entry made since this start. The last word counts.
func (k *Clock) Cosigned(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, running := k.now()
	if k.kept.Witness.IsZero() || (k.said(now, running)-at.Sub(now)).Abs() > agree {
		k.dirty = true // otherwise it says what it said before
	}
	k.kept.Witness, k.kept.Heard = at, span(running)
}

// Observe looks at the clocks, moves trusted now where that is allowed, and keeps the floor. It is to be called each second; and returns what happened. The error says
// that the floor could not be written: then it is tried again at the next.
func (k *Clock) Observe() ([]News, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.mu.Lock()
	k.advance()
	k.observe()
	news, kept, dirty := k.news, k.snapshot(), k.dirty
	k.news, k.dirty = nil, false
	k.mu.Unlock()
	if !dirty && time.Duration(kept.At)-k.saved < writeEvery {
		return news, nil
	}
	if err := k.write(kept); err != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.dirty = true
		return news, err
	}
	k.saved = time.Duration(kept.At)
	return news, nil
}

// Close writes the floor.
func (k *Clock) Close() error {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.mu.Lock()
	k.advance()
	kept := k.snapshot()
	k.mu.Unlock()
	return k.write(kept)
}

// snapshot is what is kept as it is now, to be written while time goes on: nobody who asks what time it is waits for a disk.
func (k *Clock) snapshot() kept {
	kept := k.kept
	kept.Later, kept.Earlier = slices.Clone(kept.Later), slices.Clone(kept.Earlier)
	return kept
}

// advance brings what is kept to this moment.
func (k *Clock) advance() {
	now, running := k.now()
	ran := running - time.Duration(k.kept.At)
	k.kept.Now, k.kept.At = now, span(running)
	k.kept.Ran += span(ran)
	k.kept.Allowance = min(span(allowance), k.kept.Allowance+span(ran/(day/allowance)))
}

func (k *Clock) observe() {
	now, running := k.kept.Now, time.Duration(k.kept.At)
	wall := k.Machine.Wall().Sub(now)
	ntp := k.Machine.NTP() == Synced
	heard := !k.kept.Witness.IsZero() && running-time.Duration(k.kept.Heard) <= recent
	said := time.Duration(0)
	if heard {
		if said = k.said(now, running); said.Abs() < agree {
			said = 0 // that may be the way
		}
	}
	switch {
	case ntp && heard && (wall-said).Abs() <= agree:
		k.move(wall, "NTP and the witness agree")
		wall, said = 0, 0
		k.confirm()
	case ntp:
		by := k.alone(wall, "NTP says so")
		wall, said = wall-by, said-by
	case heard:
		by := k.alone(said, "the witness says so")
		wall, said = wall-by, said-by
	}
	if ntp && wall >= -agree || heard && said >= -agree {
		k.confirm()
	}

	// What the machine's clock says counts as far as nobody contradicts it, and back only where somebody says so too: one that woke in 1970 stays there.
	later, earlier := max(0, wall), max(0, -wall)
	if heard {
		later, earlier = min(later, max(0, said)), min(earlier, max(0, -said))
	} else if !ntp {
		earlier = 0
	}
	ran := time.Duration(k.kept.Ran)
	k.dirty = k.kept.Later.see(ran, later) || k.dirty
	k.dirty = k.kept.Earlier.see(ran, earlier) || k.dirty
	if by := k.kept.Later.grown(ran); by > 0 {
		k.move(by, fmt.Sprintf("the machine's clock has said so for %s, and nobody contradicts it", steadfast))
		wall -= by
	} else if by := k.kept.Earlier.grown(ran); by > 0 {
		k.move(-by, fmt.Sprintf("the machine's clock has said so for %s, and so does NTP or the witness", steadfast))
		wall += by
	}
	k.part("the machine's clock", wall)
	if heard {
		k.part("the witness", said)
	}
}

// confirm notes that somebody has said what time it is. Latest is no earlier than they say.
func (k *Clock) confirm() {
	k.dirty = k.dirty || !k.kept.Confirmed
	k.kept.Confirmed, k.kept.Believed = true, 0
}

// alone moves now as far as one source may, and tells how far that is.
func (k *Clock) alone(by time.Duration, why string) time.Duration {
	may := time.Duration(k.kept.Allowance)
	by = max(-may, min(may, by))
	if by.Abs() < still {
		return 0
	}
	k.kept.Allowance -= span(by.Abs())
	k.move(by, why)
	return by
}

func (k *Clock) move(by time.Duration, why string) {
	if by.Abs() < still {
		return
	}
	k.kept.Now = k.kept.Now.Add(by)
	if by < 0 {
		k.kept.Back += span(-by)
	}
	k.kept.Later.shift(by)
	k.kept.Earlier.shift(-by)
	k.dirty = true
	if by.Abs() >= exact {
		k.news = append(k.news, News{What: "the recorder's time was moved", Detail: way(by, "forward", "back") + ": " + why, Moved: true})
	}
}

// part tells of a clock that is not trusted now, once for each jump, and when it is again.
func (k *Clock) part(who string, by time.Duration) {
	last, running := k.told[who], time.Duration(k.kept.At)
	if by.Abs() < exact {
		by = 0
	}
	if (by-last.by).Abs() < exact || last.at > 0 && running-last.at < tellEvery {
		return
	}
	k.told[who] = telling{by, running}
	switch {
	case by == 0:
		k.tell(who+" says the recorder's time again", "it was "+way(last.by, "ahead", "behind"))
	case by > 0:
		k.tell(who+" is ahead of the recorder's time", way(by, "ahead", "")+"; what is too old by it is shown to nobody")
	default:
		k.tell(who+" is behind the recorder's time", way(by, "", "behind"))
	}
}

func (k *Clock) tell(what, detail string) { k.news = append(k.news, News{What: what, Detail: detail}) }

// way words a difference: by how much, and which way.
func way(by time.Duration, more, less string) string {
	if by < 0 {
		more = less
	}
	return by.Abs().Round(time.Millisecond).String() + " " + more
}
