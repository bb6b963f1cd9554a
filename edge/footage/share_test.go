package footage

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// keeper is the centre, as far as shares go: it destroys one when a later one is in use.
type keeper struct {
	testing.TB
	shares []protocol.Share // that it has, oldest first
	all    []protocol.Share // that there ever were: what a thief may have kept
}

func (k *keeper) next() protocol.Share {
	var s protocol.Share
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		k.Fatal(err)
	}
	if _, err := rand.Read(s.Secret[:]); err != nil {
		k.Fatal(err)
	}
	s.ID = protocol.ShareID(hex.EncodeToString(id[:]))
	k.shares, k.all = append(k.shares, s), append(k.all, s)
	return s
}

// of is the share of an id, which must still be there; using it confirms that the ones before it may go.
func (k *keeper) of(id protocol.ShareID) protocol.Share {
	k.Helper()
	i := slices.IndexFunc(k.shares, func(s protocol.Share) bool { return s.ID == id })
	if i < 0 {
		k.Fatalf("share %s is in use, and the centre has destroyed it", id)
	}
	k.shares = k.shares[i:]
	return k.shares[0]
}

// offer is the share that follows the one in use: the same until it is used.
func (k *keeper) offer(using protocol.ShareID) protocol.Share {
	if n := len(k.shares); n > 0 && k.shares[n-1].ID != using {
		return k.shares[n-1]
	}
	return k.next()
}

// copied is another centre that knows as much.
func (k *keeper) copied(t testing.TB) *keeper {
	if k == nil {
		return nil
	}
	return &keeper{t, slices.Clone(k.shares), slices.Clone(k.all)}
}

func (r *rig) bind(s protocol.Share) {
	r.Helper()
	if err := r.Bind(s); err != nil {
		r.Fatal(err)
	}
	if got := r.KeyState(); got.Locked || got.Under != s.ID {
		r.Fatalf("after a share is bound: %v", got)
	}
}

func (r *rig) imaged() string {
	r.Helper()
	dir := r.TempDir()
	if err := r.image(dir); err != nil {
		r.Fatal(err)
	}
	return dir
}

func awaiting(c *Config) { c.AwaitShare = true }

// A recorder whose centre cannot be reached records, lets expire and destroys keys, places and lifts holds, and reads nothing. When the share comes everything that is left
// can be read again, and the journal tells of all that expired.
func TestWriteOnlyUntilTheShareComes(t *testing.T) {
	r := newRig(t, awaiting)
	k := &keeper{TB: t}
	r.bind(k.next())
	r.allow(time.Minute, plein, hal)
	r.record(plein, 6*time.Second)
	w := r.begin(hal, squareClip())
	r.play(w, large(frames(squareClip(), 4600*time.Millisecond), 40<<10))
	r.crash() // hal's last segment is open
	if st := r.KeyState(); !st.Locked || st.Under != k.shares[0].ID {
		t.Fatalf("after a start: %v", st)
	}
	r.allow(time.Minute, plein, hal)
	r.record(plein, 6*time.Second)
	before := len(r.lines(plein))
	if before != 6 {
		t.Fatalf("%d segments: nothing is recorded without the share", before)
	}
	row := func(l protocol.SegmentLine) (row segmentRow) {
		if err := r.db.View(func(tx *bbolt.Tx) (err error) {
			row, _, err = get[segmentRow](tx, inSegments, segmentKey(l))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return row
	}
	for _, l := range append(r.lines(plein), r.lines(hal)...) {
		if _, err := r.openSegment(row(l), l); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v, want that it waits for the share", l, err)
		}
	}
	// A hold on one from before, and on one from after, keeps both; the others go on time, also the one that was open.
	lines := r.lines(plein)
	for i, l := range []protocol.SegmentLine{lines[1], lines[4]} {
		if err := r.Place(r.hold(fmt.Sprint("h-", i), plein, protocol.Span(l.Start.Time, l.Start.Add(time.Second)), noon.Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	image := r.imaged()
	r.clock.set(noon.Add(4 * time.Minute))
	r.sweep(t.Context())
	if left := append(r.files(plein, "*.seg"), append(r.files(hal, "*.open"), r.files(hal, "*.seg")...)...); len(left) != 2 {
		t.Errorf("left after the window: %s", left)
	}
	// The keys of what was sealed write-only are destroyed, the others cannot be yet, and so the journal waits with those.
	if n := len(r.expired()); n != 2 {
		t.Errorf("the journal tells of %d segments whose keys are destroyed, want the two recorded write-only", n)
	}
	if st := r.KeyState(); st.Blind != 1 {
		t.Errorf("%d keys wait, want that of the held segment", st.Blind)
	}
	r.reopen() // still without
	r.allow(time.Minute, plein, hal)
	r.record(hal, 2*time.Second)
	r.bind(k.of(r.KeyState().Under))
	r.bind(k.next())
	k.of(r.KeyState().Under)
	r.clock.advance(20 * time.Second)
	r.sweep(t.Context())
	r.clock.advance(time.Minute)
	r.sweep(t.Context())
	if got := r.lines(plein); len(got) != 2 || got[0] != lines[1] || got[1] != lines[4] {
		t.Errorf("left: %v", got)
	}
	r.sound() // reads every byte
	if n := len(r.expired()); n != 6+1 {
		t.Errorf("the journal tells of %d segments, want all that had a row", n)
	}
	if got := r.incidents(); len(got) != 1 || !strings.Contains(got[0], "expired before it could be sealed") {
		t.Errorf("incidents: %q", got)
	}
	if read := r.searchWith(k.all, r.imaged(), image).reads(image); len(read) != 2 {
		t.Errorf("with every share there ever was, and what is on the disk, he reads %s of what expired; want the two that are held", read)
	}
}

// Who steals the recorder whole has all its disks, now and from before, and not the share: he reads nothing. With the share he reads what is there now.
func TestAStolenRecorderReadsNothing(t *testing.T) {
	for _, kind := range []string{"credential or TPM", "centre"} {
		t.Run(kind, func(t *testing.T) {
			all := t.TempDir()
			var r *rig
			var keep func(string) error
			k := &keeper{TB: t}
			first := k.next()
			r = newRig(t, func(c *Config) {
				c.AwaitShare = kind == "centre"
				if !c.AwaitShare {
					c.Shares = []protocol.Share{first}
				}
				c.at = func(stage string) error {
					if keep == nil {
						return nil
					}
					return keep(stage)
				}
			})
			keep = r.tables(all)
			if kind == "centre" {
				r.bind(first)
			}
			r.allow(time.Hour, plein)
			r.record(plein, 4*time.Second)
			if kind == "centre" { // and some of it write-only
				r.reopen()
				r.allow(time.Hour, plein)
				r.record(plein, 4*time.Second)
			}
			image := r.imaged()
			if read := r.search(image, all).reads(image); len(read) > 0 {
				t.Errorf("without the share he reads %s", read)
			}
			if read := r.searchWith(k.all, image, all).reads(image); len(read) != len(r.files(plein, "*.seg")) {
				t.Errorf("with it he reads %s, want all: the thief is no good", read)
			}
			if kind == "centre" {
				r.bind(first)
			}
			r.bind(k.next())
			later := r.imaged()
			if read := r.search(later, image, all).reads(image); len(read) > 0 {
				t.Errorf("without the share he reads %s", read)
			}
			if read := r.searchWith(k.all[1:], later, image).reads(image); len(read) != len(r.files(plein, "*.seg")) {
				t.Errorf("with the share of now he reads %d", len(read))
			}
			if read := r.searchWith(k.all[:1], later, image, all).reads(image); len(read) > 0 {
				t.Errorf("with the share before it he reads %s", read)
			}
			r.sound()
		})
	}
}

// Even who gets at every block that ever was on the recorder's disk, the holder's overwritten ones too, reads nothing that expired once its share is gone: that is what
// makes *erased* of *deleted*.
func TestErasedWithTheShare(t *testing.T) {
	var r *rig
	var slots []string // images of the keys, with every block the holder ever had
	k := &keeper{TB: t}
	r = newRig(t, awaiting, func(c *Config) {
		c.at = func(stage string) error {
			if r == nil || stage != "generation kept" && stage != "generation destroyed" {
				return nil
			}
			dir := t.TempDir()
			slots = append(slots, dir)
			return os.CopyFS(filepath.Join(dir, "keys"), os.DirFS(r.Config.Keys))
		}
	})
	r.bind(k.next())
	r.allow(time.Minute, plein)
	r.record(plein, 4*time.Second)
	image := r.imaged()
	r.clock.set(noon.Add(2 * time.Minute))
	r.sweep(t.Context())
	if len(r.files(plein, "*.seg")) > 0 || len(slots) == 0 {
		t.Fatal("nothing expired, or nothing was kept")
	}
	reads := func(shares []protocol.Share) (out []string) {
		for _, dir := range append(slots, image) {
			out = append(out, r.searchWith(shares, dir, append(slots, image)...).reads(image)...)
		}
		return out
	}
	if len(reads(k.shares)) == 0 {
		t.Fatal("with the old blocks and the share nothing is read: the thief is no good")
	}
	r.bind(k.next())
	k.of(r.KeyState().Under) // the centre destroys the one before
	if read := reads(k.shares); len(read) > 0 {
		t.Errorf("after the share is replaced the old blocks give %s", read)
	}
}

// The power goes, or the disk fails, at every step of recording write-only, of a share that comes and of one that is replaced. Nothing that may be kept is lost, what expired
// stays unreadable, and no table is ever under a share that the centre was told it may destroy.
func TestI02_CrashAtEveryStepOfAShare(t *testing.T) {
	type life struct {
		*rig
		*keeper
		image string
	}
	// live is a life with one start without the centre in it. At is called at each step.
	live := func(t *testing.T, at func(life, string) error) life {
		l := life{keeper: &keeper{TB: t}}
		l.rig = newRig(t, awaiting, func(c *Config) {
			c.at = func(stage string) error {
				if l.rig == nil {
					return nil
				}
				return at(l, stage)
			}
		})
		r := l.rig
		bind := func(s protocol.Share) { // as the agent does: it tries again
			for range 3 {
				if err := r.Bind(s); err == nil {
					break
				}
			}
			if st := r.KeyState(); st.Locked || st.Under != s.ID {
				t.Errorf("after a share came: %v", st)
			}
			l.of(r.KeyState().Under)
		}
		bind(l.next())
		r.allow(time.Minute, plein)
		l.write(4 * time.Second)
		r.reopen()
		r.allow(time.Minute, plein)
		l.write(4 * time.Second) // write-only
		r.clock.set(noon.Add(30 * time.Second))
		l.write(4 * time.Second)
		l.image = r.imaged()
		r.clock.set(noon.Add(time.Minute + 6*time.Second)) // the first run is over, and half of the second
		r.sweep(t.Context())
		next := l.next() // both come in one answer
		bind(l.of(r.KeyState().Under))
		bind(next)
		l.write(2 * time.Second)
		r.clock.set(noon.Add(80 * time.Second))
		r.sweep(t.Context())
		return l
	}
	judge := func(t *testing.T, l life) {
		t.Helper()
		r := l.rig
		r.clock.set(noon.Add(80 * time.Second)) // the rest of the second run is over too
		r.sweep(t.Context())
		r.clock.advance(2 * time.Second)
		r.destroyKeys(r.clock.Now(), true)
		r.settle(t.Context())
		r.sound()
		if got := r.incidents(); len(got) > 0 && !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "cannot be destroyed") }) {
			t.Errorf("incidents: %q", got)
		}
		if names, err := filepath.Glob(filepath.Join(l.image, "volume", "footage", "*", "*", "0*")); err != nil || len(names) == 0 {
			return // cut off before there was any
		}
		living := map[string]bool{}
		for _, line := range r.lines(plein) {
			living[filepath.Join(string(line.Camera), string(line.Run), fmt.Sprintf("%06d.seg", line.N))] = true
		}
		for _, name := range r.searchWith(l.all, r.imaged(), l.image).reads(l.image) {
			if !living[name] {
				t.Errorf("of what expired he reads %s", name)
			}
			delete(living, name)
		}
		if left := len(living); left > 3 {
			t.Errorf("%d segments that are kept are not read", left)
		}
	}
	steps := map[string]int{}
	counting := true
	whole := live(t, func(_ life, stage string) error {
		if counting {
			steps[stage]++
		}
		return nil
	})
	counting = false
	judge(t, whole)
	for _, stage := range []string{"write-only key kept", "write-only keys destroyed", "generation kept", "key table written", "key table renamed", "key table in place", "generation destroyed", "write-only file made anew"} {
		if steps[stage] == 0 {
			t.Errorf("%q is never reached", stage)
		}
		for n := range steps[stage] {
			t.Run(fmt.Sprintf("%s %d, fails", stage, n), func(t *testing.T) {
				seen := 0
				judge(t, live(t, func(_ life, s string) error {
					if s != stage {
						return nil
					}
					if seen++; seen != n+1 {
						return nil
					}
					return syscall.EIO
				}))
			})
			t.Run(fmt.Sprintf("%s %d, power cut", stage, n), func(t *testing.T) {
				seen, cut := 0, t.TempDir()
				var left life
				var then time.Time
				old := live(t, func(l life, s string) error {
					if s != stage {
						return nil
					}
					if seen++; seen != n+1 {
						return nil
					}
					left, then = l, l.clock.Now()
					left.keeper = &keeper{t, slices.Clone(l.shares), slices.Clone(l.all)}
					return l.rig.image(cut)
				})
				c := old.Config
				c.Dir, c.Keys, c.at, c.Journal = filepath.Join(cut, "volume"), filepath.Join(cut, "keys"), nil, &book{}
				left.rig = &rig{T: t, clock: &clock{t: then}, book: c.Journal.(*book)}
				left.image, c.Now = cut, left.clock.Now
				left.rig.open(c)
				left.rig.allow(time.Minute, plein)
				left.write(2 * time.Second)
				if under := left.KeyState().Under; under != "" {
					left.bind(left.of(under))
				}
				left.bind(left.next())
				left.of(left.KeyState().Under)
				judge(t, left)
			})
		}
	}
}

// write records as record does, also while the disk fails: what is not taken then is taken at a next key frame.
func (r *rig) write(d time.Duration) {
	r.Helper()
	w := r.begin(plein, squareClip())
	for _, u := range frames(squareClip(), d) {
		u.Arrival = r.base.Add(media(u.DTS))
		r.clock.set(u.Arrival)
		_ = w.Write(u) // says why nothing is recorded for a while
		w.idle()
	}
	if err := w.EndRun(CauseNetwork, "the test is over"); err != nil {
		r.Fatal(err)
	}
	w.idle()
}

// A volume whose keys stood in a file goes under a credential at the next start, by itself; from then on it opens with that one only.
func TestKeysUnderACredential(t *testing.T) {
	r := newRig(t)
	k := &keeper{TB: t}
	r.allow(time.Hour, plein)
	r.record(plein, 4*time.Second)
	before := r.imaged()
	with := func(change func(*Config)) (*Store, error) {
		c := r.Config
		c.Shares, c.AwaitShare = nil, false
		change(&c)
		return Open(t.Context(), c)
	}
	c := r.Config
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	right, wrong := k.next(), k.next()
	c.Shares = []protocol.Share{right}
	for range 2 {
		r.open(c)
		r.sound()
		if st := r.KeyState(); st.Under != right.ID || st.Locked {
			t.Errorf("%v", st)
		}
		if read := r.search(r.imaged(), before).reads(before); len(read) > 0 {
			t.Errorf("whoever has the disk reads %s", read)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for want, change := range map[string]func(*Config){
		"another credential":    func(c *Config) { c.Shares = []protocol.Share{wrong} },
		"set keys_holder as it": func(*Config) {},
		"is not of volume":      func(c *Config) { c.Shares = []protocol.Share{{ID: right.ID, Secret: wrong.Secret}} },
	} {
		if s, err := with(change); err == nil {
			t.Error("opened", s.Close())
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// A key table of version 1 opens, under what the holder keeps alone, and is of version 2 from the next generation on.
func TestI07_KeyTableOfVersion1(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 4*time.Second)
	plain := r.keys.encode()
	old := append(bytes.Clone(tableMagic1), make([]byte, 8)...)
	old[15] = byte(r.keys.now.number)
	aead, err := r.keys.aead(r.keys.now.part)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, tableNonce)
	old = aead.Seal(append(old, nonce...), nonce, plain[:len(plain)-1], r.keys.bound(old))
	if err := os.WriteFile(r.keys.table(), old, 0o600); err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.sound()
	r.clock.advance(2 * time.Minute)
	r.sweep(t.Context())
	r.reopen()
	r.sound()
	if raw, err := os.ReadFile(r.keys.table()); err != nil || !bytes.HasPrefix(raw, tableMagic) || len(r.expired()) != 2 {
		t.Errorf("the table begins %x; %d expired; %v", raw[:8], len(r.expired()), err)
	}
}

// A write-only file that is gone stops recording with a reason, and one that somebody put in its place costs no footage from before; nothing stops the recorder.
func TestWriteOnlyFileGoneOrReplaced(t *testing.T) {
	for _, harm := range []string{"gone", "replaced", "torn"} {
		t.Run(harm, func(t *testing.T) {
			r := newRig(t, awaiting)
			k := &keeper{TB: t}
			r.bind(k.next())
			r.allow(time.Hour, plein)
			r.record(plein, 2*time.Second)
			r.reopen()
			r.allow(time.Hour, plein)
			r.record(plein, 4*time.Second)
			if n := len(r.lines(plein)); n != 3 {
				t.Fatalf("%d segments", n)
			}
			name := filepath.Join(r.Config.Keys, blindFile)
			c := r.Config
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			lost := 2
			switch harm {
			case "gone":
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			case "replaced":
				if _, err := makeBlind(&keyring{disk: c.Disk, dir: c.Keys}, newPrivate()); err != nil {
					t.Fatal(err)
				}
			case "torn":
				if info, err := os.Stat(name); err != nil || os.Truncate(name, info.Size()-100) != nil {
					t.Fatal(err)
				}
				lost = 1
			}
			r.open(c)
			r.allow(time.Hour, plein)
			r.clock.advance(time.Second)
			r.write(2 * time.Second)
			r.bind(k.of(r.KeyState().Under))
			r.bind(k.next())
			r.write(2 * time.Second)
			found, err := r.Check(t.Context())
			for _, f := range found {
				if f.What != "missing key" {
					t.Error(f)
				}
			}
			if harm == "replaced" {
				lost++ // what was recorded to a stranger's key
			}
			if err != nil || len(found) != lost {
				t.Errorf("%d keys are missing, want %d: %v", len(found), lost, found)
			}
		})
	}
}

// A key that nothing needs is found.
func TestI02_CheckFindsKeysOfGoneFootage(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein)
	r.record(plein, 4*time.Second)
	r.sound()
	for _, c := range r.keys.chains {
		c.keep(7, bytes.Repeat([]byte{1}, keySize))
	}
	found, err := r.Check(t.Context())
	if err != nil || len(found) != 1 || found[0].What != "key of gone footage" || !strings.HasSuffix(found[0].Key, "/7") {
		t.Errorf("check: %v, %v", found, err)
	}
}

// Whatever stands in the write-only file, it brings nothing down.
func FuzzWriteOnlyFile(f *testing.F) {
	dir := f.TempDir()
	k := &keyring{disk: disk.OS, dir: dir, recorder: self, volume: "5e0c", at: func(string) error { return nil }}
	p := newPrivate()
	b, err := makeBlind(k, p)
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(b.add(k, slot{chainID{1}, 2}, hourOf{plein, 3}, make([]byte, keySize)), b.doom(k, slot{chainID{2}, 2}, hourOf{hal, 3})); err != nil {
		f.Fatal(err)
	}
	raw, err := os.ReadFile(k.blindPath())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw[blindHead:])
	head := raw[:blindHead]
	f.Fuzz(func(t *testing.T, records []byte) {
		k := &keyring{disk: disk.OS, dir: t.TempDir(), recorder: self, volume: "5e0c", chains: map[chainID]*keyChain{}, private: []*blindPrivate{p}}
		if err := os.WriteFile(k.blindPath(), append(bytes.Clone(head), records...), 0o600); err != nil {
			t.Fatal(err)
		}
		if k.blind, err = openBlind(k); err != nil {
			t.Fatal(err)
		}
		if err := k.moveIn(); err != nil {
			t.Fatal(err)
		}
	})
}

// A share that is known at a start after all, as when a TPM answers again: what was recorded write-only moves in at once.
func TestShareKnownAtTheNextStart(t *testing.T) {
	r := newRig(t, awaiting)
	k := &keeper{TB: t}
	r.bind(k.next())
	r.allow(time.Hour, plein)
	r.record(plein, 2*time.Second)
	r.reopen()
	r.allow(time.Hour, plein)
	r.record(plein, 2*time.Second)
	c := r.Config
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	c.Shares = k.all
	for range 2 {
		r.open(c)
		r.sound()
		if n := len(r.lines(plein)); n != 2 {
			t.Errorf("%d segments", n)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
