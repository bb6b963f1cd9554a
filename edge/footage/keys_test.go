package footage

import (
	"bytes"
	"crypto/hpke"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// thief has all that a disk ever gave: images of the data directory of different moments. He tries what he finds.
type thief struct {
	*testing.T
	volume string
	keys   map[string]bool // candidate keys of segments
}

// search takes every key there is in what a later image holds, with key tables from any image: the generation keys in the holder, every 32 bytes that lie in the folder of the keys,
// and what follows from them.
func (r *rig) search(later string, images ...string) *thief {
	r.Helper()
	return r.searchWith(nil, later, images...)
}

// searchWith is search by one who also has these shares.
func (r *rig) searchWith(shares []protocol.Share, later string, images ...string) *thief {
	r.Helper()
	th := &thief{r.T, r.volume, map[string]bool{}}
	holder, err := os.ReadFile(filepath.Join(later, "keys", "generation.key"))
	if err != nil {
		r.Fatal(err)
	}
	var parts [][]byte
	for _, b := range [][]byte{holder[:disk.SlotSize], holder[disk.SlotSize:]} {
		if _, key, ok := disk.ParseSlot(b, slotMagic); ok {
			parts = append(parts, key)
		}
	}
	raw := th.files(filepath.Join(later, "keys"))
	for _, b := range raw {
		for i := 0; i+keySize <= len(b); i++ {
			if w := b[i : i+keySize]; !bytes.Equal(w, make([]byte, keySize)) {
				th.keys[string(w)] = true
			}
		}
	}
	for _, image := range images {
		raw = append(raw, th.files(filepath.Join(image, "keys"))...)
	}
	var private []*blindPrivate
	for _, b := range raw {
		for _, part := range parts {
			private = append(private, th.table(b, &generation{part: part})...)
			for _, s := range shares {
				private = append(private, th.table(b, &generation{part: part, share: &s})...)
			}
		}
	}
	for _, b := range raw {
		th.blind(b, private)
	}
	return th
}

// table opens a key table and walks on along its chains. It gives the private keys in it.
func (th *thief) table(raw []byte, g *generation) []*blindPrivate {
	_, head, rest, err := readTable(raw)
	if err != nil {
		return nil
	}
	k := &keyring{recorder: self, volume: th.volume, chains: map[chainID]*keyChain{}}
	plain, err := k.decipher(g, head, rest)
	if err != nil {
		return nil
	}
	if err := k.parse(plain, len(head) == tableHead); err != nil {
		th.Fatal(err)
	}
	for _, c := range k.chains {
		th.keys[string(c.state[:])] = true
		for _, own := range c.own {
			th.keys[string(own[:])] = true
			for _, info := range []string{"beeldwacht chain", "beeldwacht segment"} {
				th.keys[string(derive(own[:], info))] = true
			}
		}
		c.walk(func(n uint32, key []byte) bool { th.keys[string(key)] = true; return n < c.from+50 })
	}
	return k.private
}

// blind opens the keys in a write-only file, also those of which only the record is left.
func (th *thief) blind(raw []byte, private []*blindPrivate) {
	k := &keyring{recorder: self, volume: th.volume}
	for at := blindHead; at+blindRecord <= len(raw); at += blindRecord {
		s, _, sealed, ok := parseBlind(raw[at:])
		for _, p := range private {
			if !ok {
				break
			}
			if key, err := hpke.Open(p.key, hpke.HKDFSHA256(), hpke.AES256GCM(), k.blindBound(s), sealed); err == nil {
				th.keys[string(key)] = true
			}
		}
	}
}

func (th *thief) files(dir string) (out [][]byte) {
	th.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out = append(out, b)
		return err
	})
	if err != nil {
		th.Fatal(err)
	}
	return out
}

// reads are the segments of an image, open ones too, of which a key opens at least a chunk.
func (th *thief) reads(image string) (out []string) {
	th.Helper()
	names, err := filepath.Glob(filepath.Join(image, "volume", "footage", "*", "*", "0*"))
	if err != nil || len(names) == 0 {
		th.Fatal("no footage in the image: nothing was tried", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			th.Fatal(err)
		}
		h, err := readHead(bytes.NewReader(b))
		if err != nil {
			th.Fatal(name, err)
		}
		parts := strings.Split(name, string(filepath.Separator))
		parts = parts[len(parts)-3:]
		var n int
		if _, err := fmt.Sscanf(parts[2], "%06d", &n); err != nil {
			th.Fatal(err)
		}
		aad := h.bound(self, protocol.CameraID(parts[0]), main_, protocol.RunID(parts[1]), n)
		for key := range th.keys {
			d, err := decryptCut(bytes.NewReader(b), int64(len(b)), []byte(key), aad)
			if err != nil {
				th.Fatal(name, err)
			}
			if d.chunks > 0 {
				out = append(out, filepath.Join(parts...))
				break
			}
		}
	}
	return out
}

// tables keeps each key table that ever stood on the disk.
func (r *rig) tables(into string) func(string) error {
	n := 0
	return func(stage string) error {
		if stage != "key table in place" {
			return nil
		}
		n++
		dir := filepath.Join(into, "keys")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(r.Keys, "keys.tbl"))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), b, 0o600)
	}
}

// Whoever has the disk as it is now, and kept a copy of the ciphertext and of every key table from before, reads nothing that has expired. With a hold he reads exactly what is held.
func TestI02_NoKeyOfWhatHasExpiredIsLeft(t *testing.T) {
	all := t.TempDir()
	var r *rig
	var keep func(string) error
	r = newRig(t, func(c *Config) {
		c.at = func(stage string) error {
			if keep == nil {
				return nil
			}
			return keep(stage)
		}
	})
	keep = r.tables(all)
	image := func() string {
		dir := t.TempDir()
		if err := r.image(dir); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	r.allow(time.Minute, plein, hal)
	r.record(plein, 6*time.Second)
	r.clock.set(noon)
	r.record(hal, 6*time.Second)
	r.reopen() // another chain in the same hour
	r.allow(time.Minute, plein, hal)
	r.record(plein, 6*time.Second)
	held := protocol.Span(noon.Add(3*time.Second), noon.Add(3500*time.Millisecond))
	if err := r.Place(r.hold("h-1", plein, held, noon.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	r.play(r.begin(plein, squareClip()), large(frames(squareClip(), 1600*time.Millisecond), 40<<10)) // and one open
	before := image()
	everything := append(r.files(plein, "0*"), r.files(hal, "0*")...)
	if got := r.search(before).reads(before); len(got) != len(everything) || len(got) != 10 {
		t.Fatalf("with the keys of its own time %d of %d segments are read: the thief is no good", len(got), len(everything))
	}
	line := r.lines(plein)[1]
	want := filepath.Join(string(line.Camera), string(line.Run), fmt.Sprintf("%06d.seg", line.N))

	r.clock.set(noon.Add(30 * time.Minute))
	r.sweep(t.Context())
	r.Camera(plein, main_).idle()
	r.clock.advance(time.Minute)
	r.sweep(t.Context())
	if got := r.lines(plein); len(got) != 1 {
		t.Fatalf("%d segments left, want the held one", len(got))
	}
	if got := r.search(image(), before, all).reads(before); len(got) != 1 || got[0] != want {
		t.Errorf("with what is left he reads %s, want only the held %s", got, want)
	}
	if b := r.plaintext(r.files(plein, "*.seg")[0]); protocol.HashOf(b) != line.SHA256 {
		t.Error("the held segment is not what was recorded")
	}
	r.sound()
	if err := r.Lift("h-1", "lift"); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(time.Minute)
	r.sweep(t.Context())
	if got := r.search(image(), before, all).reads(before); len(got) != 0 {
		t.Errorf("after the hold he still reads %s", got)
	}
	r.reopen()
	if got := r.search(image(), before, all).reads(before); len(got) != 0 || len(r.keys.chains) != 0 {
		t.Errorf("after a start he reads %s; %d chains left", got, len(r.keys.chains))
	}
}

// The power goes, or the disk fails, at each step of making a new generation, once while footage expires and once while a chain is begun. What expired is unreadable once the
// recorder has come round to it again; what is held, and what is recorded afterwards, is never lost.
func TestI02_CrashAtEveryStepOfDestroyingKeys(t *testing.T) {
	for _, stage := range []string{"unlinked", "generation kept", "key table written", "key table renamed", "key table in place", "generation destroyed", "gone", "journalled"} {
		for _, how := range []string{"crash", "fail", "fail, then crash", "fail, then crash before the next table"} {
			if how == "fail, then crash before the next table" && slices.Contains([]string{"generation destroyed", "gone", "journalled"}, stage) {
				continue // the generation stands by then, and no other follows it
			}
			t.Run(stage+", "+how, func(t *testing.T) {
				var r *rig
				armed, again, cut := false, false, t.TempDir()
				r = newRig(t, func(c *Config) {
					c.at = func(s string) error {
						if again && s == "generation kept" {
							again = false
							return r.image(cut)
						}
						if !armed || s != stage {
							return nil
						}
						armed, again = false, how == "fail, then crash before the next table"
						if how == "crash" {
							return r.image(cut)
						}
						return syscall.EIO
					}
				})
				r.allow(time.Minute, plein)
				r.record(plein, 8*time.Second)
				line := r.lines(plein)[1]
				if err := r.Place(r.hold("h-1", plein, protocol.Span(line.Start.Time, line.End.Time), noon.Add(2*time.Hour))); err != nil {
					t.Fatal(err)
				}
				if err := r.SealMinute(t.Context()); err != nil {
					t.Fatal(err)
				}
				before, after := t.TempDir(), t.TempDir()
				if err := r.image(before); err != nil {
					t.Fatal(err)
				}
				armed = true
				r.clock.set(noon.Add(10 * time.Minute))
				r.sweep(t.Context())
				if armed {
					t.Fatal("this step was never reached")
				}
				if again { // the next generation is made a minute later at the earliest
					r.clock.advance(time.Minute)
					r.sweep(t.Context())
				}
				if again {
					t.Fatal("no other generation followed")
				}
				switch how {
				case "crash", "fail, then crash before the next table":
					cfg := r.Config
					cfg.Dir, cfg.Keys, cfg.at = filepath.Join(cut, "volume"), filepath.Join(cut, "keys"), nil
					r.open(cfg)
				case "fail":
					r.clock.advance(time.Minute)
					r.sweep(t.Context())
					r.reopen()
				case "fail, then crash":
					r.crash()
				}
				r.sweep(t.Context())
				r.clock.advance(10 * time.Minute)
				r.sweep(t.Context())
				r.allow(time.Minute, plein)
				r.record(plein, 2*time.Second)
				r.sound()
				if n := len(r.expired()); n < 3 {
					t.Errorf("the journal tells of %d segments, want 3", n)
				}
				got := r.lines(plein)
				if len(got) != 2 || got[0] != line {
					t.Fatalf("left: %v; want the held segment and the new one", got)
				}
				for _, name := range r.files(plein, "*.seg") {
					if b := r.plaintext(name); protocol.HashOf(b) != line.SHA256 && protocol.HashOf(b) != got[1].SHA256 {
						t.Errorf("%s is not what was recorded", name)
					}
				}
				if err := r.image(after); err != nil {
					t.Fatal(err)
				}
				if read := r.search(after, before).reads(before); len(read) != 1 || !strings.HasSuffix(read[0], fmt.Sprintf("%06d.seg", line.N)) {
					t.Errorf("a thief reads %s, want only what is held", read)
				}
			})
		}
	}
}

// A key table that cannot be written: nothing is recorded under a key that a power cut would take, and recording goes on as soon as it can.
func TestI01_NothingIsRecordedUnderAKeyThatIsNotOnDisk(t *testing.T) {
	for _, stage := range []string{"key table written", "key table renamed", "key table in place"} {
		t.Run(stage, func(t *testing.T) {
			fail := true
			var r *rig
			r = newRig(t, func(c *Config) {
				c.at = func(s string) error {
					if s == stage && fail {
						return syscall.ENOSPC
					}
					return nil
				}
			})
			r.allow(time.Hour, plein)
			w := r.begin(plein, squareClip())
			units := frames(squareClip(), 6*time.Second)
			for i, u := range units {
				r.clock.set(noon.Add(media(u.DTS)))
				u.Arrival = r.clock.Now()
				_ = w.Write(u) // says why nothing is recorded for a while
				if w.idle(); i == 12 {
					if len(r.files(plein, "*.open")) > 0 {
						t.Error("a segment is being written under a key that is nowhere")
					}
					fail = false
				}
			}
			if err := w.EndRun(CauseNetwork, ""); err != nil {
				t.Fatal(err)
			}
			w.idle()
			r.crash()
			r.sound()
			cover, err := r.Coverage(plein, protocol.Span(noon, noon.Add(time.Minute)))
			if err != nil || len(cover) != 1 || !cover[0].To.Equal(noon.Add(6*time.Second)) {
				t.Errorf("coverage: %v, %v", cover, err)
			}
		})
	}
}

// Segments go in any order; whatever order that is, exactly those that are left can be opened.
func TestI02_KeysGoInAnyOrder(t *testing.T) {
	for seed := range uint64(12) {
		k := testKeys(t)
		hour := noon.Truncate(time.Hour)
		keys, alive := map[slot][]byte{}, map[slot]bool{}
		var order []slot
		for range 20 {
			s, key, err := k.take(plein, hour)
			if err != nil {
				t.Fatal(err)
			}
			keys[s], alive[s] = key, true
			order = append(order, s)
			if seed%2 == 0 {
				k.done(s)
			}
		}
		for i, b := range noise(len(order), seed) { // shuffled
			j := int(b) % (i + 1)
			order[i], order[j] = order[j], order[i]
		}
		living := func(of hourOf, id chainID) (map[uint32]bool, error) {
			out := map[uint32]bool{}
			for s := range alive {
				if seed%2 == 0 { // otherwise they are open
					out[s.n] = true
				}
			}
			return out, nil
		}
		unused := order[0] // its file never came to be
		if order = order[1:]; unused.n == 19 {
			unused = order[0]
			order = append(order[1:], slot{unused.chain, 19})
		}
		delete(alive, unused)
		k.done(unused)
		now := noon
		for len(order) > 0 {
			n := min(len(order), 1+int(seed%3))
			for _, s := range order[:n] {
				delete(alive, s)
				k.done(s)
			}
			now = now.Add(time.Minute)
			if err := k.destroy(now, order[:n], living, everyHour); err != nil {
				t.Fatal(err)
			}
			order = order[n:]
			again, err := openKeys(&Config{Keys: k.dir, Recorder: self, Disk: disk.OS, at: k.at, random: fill}, k.volume)
			if err != nil {
				t.Fatal(err)
			}
			for s, want := range keys {
				if s == unused && len(order) > 0 {
					continue
				}
				for _, ring := range []*keyring{k, again} {
					got, err := ring.find(s)
					if alive[s] && !bytes.Equal(got, want) || !alive[s] && !errors.Is(err, ErrKey) {
						t.Fatalf("seed %d: key %s, alive %t: %v", seed, s, alive[s], err)
					}
				}
			}
		}
	}
}

func everyHour() func(hourOf) bool { return func(hourOf) bool { return true } }

func testKeys(t testing.TB) *keyring {
	t.Helper()
	k, err := makeKeys(&Config{Keys: t.TempDir(), Recorder: self, Disk: disk.OS, at: func(string) error { return nil }, random: fill}, "5e0c")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Destroying keys is dear: it is done at most once a minute, for all that expired by then, and the journal says only then that footage is gone.
func TestI02_OneGenerationAMinute(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 20*time.Second)
	r.reopen()
	first := r.keys.now.number
	r.clock.set(noon.Add(time.Minute))
	var next time.Time
	for range 20 {
		next = r.sweep(t.Context())
		r.clock.advance(time.Second)
	}
	if n := r.keys.now.number - first; n != 1 || len(r.files(plein, "*.seg")) != 0 {
		t.Errorf("%d generations in 20 s, %d files left; want one, and none", n, len(r.files(plein, "*.seg")))
	}
	if n := len(r.expired()); n != 1 {
		t.Errorf("the journal tells of %d segments, want the one whose key is gone", n)
	}
	if !next.Equal(noon.Add(2 * time.Minute)) {
		t.Errorf("next at %s, want a minute after the last generation", next)
	}
	if u := r.Usage(); u.Overdue != 0 {
		t.Errorf("%d overdue: their files are gone", u.Overdue)
	}
	r.sound()
	r.clock.set(next)
	r.sweep(t.Context())
	e := bodies[protocol.Expired](t, r.book, protocol.KindExpired)
	if len(r.expired()) != 10 || r.keys.now.number != first+2 || len(e) != 2 {
		t.Fatalf("%d expired in %d generations, in %d entries; want one for each generation", len(r.expired()), r.keys.now.number-first, len(e))
	}
	last := len(e[1].Segments) - 1
	for i, x := range e[1].Segments { // each came due two seconds after the one before
		if want := protocol.T(x.Due.Time); !e[1].GoneAt(x).Equal(want.Time) || (x.Gone == nil) != (i == last) {
			t.Errorf("segment %d was gone at %s (%v), want when its file went, %s", i, e[1].GoneAt(x), x.Gone, want)
		}
	}
}

// A file that cannot be unlinked loses its key all the same.
func TestI02_KeyGoesAlsoWhereTheFileStays(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 4*time.Second)
	before, after := t.TempDir(), t.TempDir()
	if err := r.image(before); err != nil {
		t.Fatal(err)
	}
	stuck := r.files(plein, "000000.seg")[0]
	if err := errors.Join(os.Remove(stuck), os.MkdirAll(filepath.Join(stuck, "in the way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	r.clock.set(noon.Add(time.Hour))
	r.sweep(t.Context())
	if err := os.RemoveAll(filepath.Join(stuck, "in the way")); err != nil {
		t.Fatal(err)
	}
	if err := r.image(after); err != nil {
		t.Fatal(err)
	}
	if got := r.search(after, before).reads(before); len(got) != 0 || len(r.expired()) != 1 {
		t.Errorf("a thief reads %s; the journal tells of %d segments, want the one that is gone", got, len(r.expired()))
	}
}

// canary finds secrets wherever they lie: as they are, as hex and as base64.
type canary struct {
	mu      sync.Mutex
	planted [][]byte
	forms   map[[8]byte][][]byte // by their first bytes
}

// plant makes a secret that can be recognised, and knows those that follow from it.
func (c *canary) plant(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	copy(b, fmt.Sprintf("CANARY %08d THAT SINGS OF KEYS", len(c.planted)))
	c.planted = append(c.planted, bytes.Clone(b))
	secrets := [][]byte{bytes.Clone(b)}
	chain := keyChain{state: [keySize]byte(b)}
	for range 20 {
		chain.from, chain.state = chain.walk(func(_ uint32, key []byte) bool { secrets = append(secrets, bytes.Clone(key)); return false })
		secrets = append(secrets, bytes.Clone(chain.state[:]))
	}
	for _, s := range secrets {
		for _, form := range []string{string(s), hex.EncodeToString(s), base64.StdEncoding.EncodeToString(s)[:40], base64.RawURLEncoding.EncodeToString(s)[:40]} {
			c.forms[[8]byte([]byte(form))] = append(c.forms[[8]byte([]byte(form))], []byte(form))
		}
	}
}

func (c *canary) in(b []byte) (found [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range max(0, len(b)-8) {
		for _, form := range c.forms[[8]byte(b[i:])] {
			if bytes.HasPrefix(b[i:], form) {
				found = append(found, form)
			}
		}
	}
	return found
}

// Keys stand in keys.tbl, under the generation key in its holder, and nowhere else: not in the index at any step, not in its freed pages, not in the journal, and not in the clear.
func TestI02_NoKeyInTheIndexOrInTheClear(t *testing.T) {
	t.Run("file", func(t *testing.T) { noKeyInTheClear(t, nil) })
	t.Run("share", func(t *testing.T) { noKeyInTheClear(t, &keeper{TB: t}) })
}

// noKeyInTheClear looks everywhere; with a keeper, the keys need shares, and half of what is recorded is recorded without them.
func noKeyInTheClear(t *testing.T, centre *keeper) {
	c := &canary{forms: map[[8]byte][][]byte{}}
	var dir string
	looked := 0
	r := newRig(t, func(cfg *Config) {
		dir, cfg.AwaitShare = cfg.Dir, centre != nil
		cfg.random = c.plant
		cfg.at = func(stage string) error { // bbolt writes over its freed pages: they are looked at while they last
			b, err := os.ReadFile(filepath.Join(dir, "index.db"))
			if found := c.in(b); len(found) > 0 {
				t.Errorf("at %q the index holds the secret %q", stage, found[0])
			}
			looked++
			return err
		}
	})
	r.allow(time.Minute, plein, hal)
	for i := range 3 {
		r.clock.set(noon.Add(time.Duration(i) * 5 * time.Minute))
		r.record(plein, 6*time.Second)
		if centre != nil {
			if under := r.KeyState().Under; under != "" {
				r.bind(centre.of(under))
			}
			share := centre.next()
			c.plant(share.Secret[:])
			centre.shares[len(centre.shares)-1] = share
			r.bind(share)
		}
		r.record(hal, 4*time.Second)
		if i == 0 {
			if err := r.Place(r.hold("h-1", plein, protocol.Span(noon.Add(3*time.Second), noon.Add(4*time.Second)), noon.Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.SealMinute(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.clock.advance(2 * time.Minute)
		r.sweep(t.Context())
		r.reopen()
		r.allow(time.Minute, plein, hal)
	}
	if centre != nil {
		r.bind(centre.of(r.KeyState().Under)) // so that it is known here what the holder has
	}
	bolts, holders := 0, 0
	err := filepath.WalkDir(filepath.Dir(r.Dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.HasSuffix(path, ".db") {
			bolts++
		}
		for _, found := range c.in(b) {
			if filepath.Base(path) == "generation.key" && bytes.Equal(found, r.keys.now.part) {
				holders++
				continue
			}
			t.Errorf("%s holds the secret %q", path, found)
		}
		return err
	})
	if err != nil || bolts != 1 || len(c.planted) < 9 || looked < 50 {
		t.Fatal("not looked everywhere", err, bolts, len(c.planted), looked)
	}
	for _, e := range r.book.entries {
		if found := c.in(e.body); len(found) > 0 {
			t.Errorf("journal: %s holds the secret %q", e.kind, found[0])
		}
	}
	if holders != 1 {
		t.Errorf("the generation key stands in %d places, want its holder", holders)
	}
}

// The holder has the key of one generation, or for a moment of two; what it destroys is not in its file any more.
func TestI02_HolderOverwrites(t *testing.T) {
	file := filepath.Join(t.TempDir(), "generation.key")
	h, err := disk.NewSlots(disk.OS, file, slotMagic)
	if err != nil {
		t.Fatal(err)
	}
	inode := func() uint64 {
		var st syscall.Stat_t
		if err := syscall.Stat(file, &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	was := inode()
	key := func(g uint64) []byte { return bytes.Repeat([]byte{byte(g)}, keySize) }
	for g := uint64(1); g < 6; g++ {
		if err := h.Keep(g, key(g)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []uint64{g - 1, g} {
			if got, err := h.Key(want); want > 0 && (err != nil || !bytes.Equal(got, key(want))) {
				t.Fatalf("key %d: %v", want, err)
			}
		}
		if err := h.Only(g); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil || g > 1 && bytes.Contains(b, key(g - 1)[:8]) || !bytes.Contains(b, key(g)) || len(b) != 2*disk.SlotSize {
			t.Fatalf("after generation %d alone is kept: %v", g, err)
		}
		if _, err := h.Key(g - 1); err == nil {
			t.Error("a destroyed key is given")
		}
	}
	if inode() != was {
		t.Error("another file took its place: the old one still lies on the disk")
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1, 2, 3}, 20); err != nil || f.Close() != nil { // torn
		t.Fatal(err)
	}
	if _, err := h.Key(5); err != nil {
		t.Error("a torn write in one slot harms the other:", err)
	}
}

// A recorder without its keys does not begin anew over them, and does not take those of another volume.
func TestI06_MissingOrForeignKeysAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(cfg *Config) error
		want string
	}{
		{"none", func(cfg *Config) error { return os.RemoveAll(cfg.Keys) }, "put the folder of the keys back"},
		{"no table", func(cfg *Config) error { return os.Remove(filepath.Join(cfg.Keys, "keys.tbl")) }, "put the folder of the keys back"},
		{"no holder", func(cfg *Config) error { return os.Remove(filepath.Join(cfg.Keys, "generation.key")) }, "is missing"},
		{"wiped holder", func(cfg *Config) error {
			return os.WriteFile(filepath.Join(cfg.Keys, "generation.key"), make([]byte, 2*disk.SlotSize), 0o600)
		}, "no such key"},
		{"changed table", func(cfg *Config) error {
			name := filepath.Join(cfg.Keys, "keys.tbl")
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			b[len(b)-1] ^= 1
			return os.WriteFile(name, b, 0o600)
		}, "was changed"},
		{"new disk beside old keys", func(cfg *Config) error { return os.RemoveAll(cfg.Dir) }, "not of this volume"},
		{"on the volume", func(cfg *Config) error { cfg.Keys = filepath.Join(cfg.Dir, "keys"); return nil }, "would lie on the volume"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.allow(time.Hour, plein)
			r.record(plein, 2*time.Second)
			cfg := r.Config
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.harm(&cfg); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(t.Context(), cfg); err == nil {
				t.Error("was opened", s.Close())
			} else if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

// testdata/format1 was written by the program before encryption, and its power went while a segment was open. It opens, reads, expires, and what comes after is encrypted.
func TestI07_VolumeOfFormat1(t *testing.T) {
	base := t.TempDir()
	if err := os.CopyFS(filepath.Join(base, "volume"), os.DirFS("testdata/format1")); err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, clock: &clock{t: noon.Add(10 * time.Second)}, book: &book{}}
	r.open(config(filepath.Join(base, "volume"), r.clock, r.book))
	r.sound()
	old := r.lines(plein)
	if len(old) != 3 || old[2].End.Sub(old[2].Start.Time) != 1500*time.Millisecond {
		t.Fatalf("%d segments, want two and the open one: %v", len(old), old)
	}
	read := func() {
		for _, l := range old {
			row := segmentRow{}
			if err := r.db.View(func(tx *bbolt.Tx) (err error) {
				row, _, err = get[segmentRow](tx, inSegments, segmentKey(l))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if what, detail := r.compareFile(row, l); what != "" || row.V != plaintext {
				t.Errorf("segment %s: %s %s, row of version %d", l, what, detail, row.V)
			}
		}
	}
	read()
	r.allow(time.Minute, plein)
	r.record(plein, 4*time.Second)
	if err := r.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	r.sound()
	read()
	if b, err := os.ReadFile(filepath.Join(r.Dir, "volume.json")); err != nil || !strings.Contains(string(b), `"v":3`) {
		t.Errorf("volume.json: %s, %v", b, err)
	}
	now := r.lines(plein)
	r.plaintext(r.files(plein, "000001.seg")[1])
	r.clock.set(noon.Add(time.Minute + 6*time.Second))
	r.sweep(t.Context())
	if got := r.lines(plein); len(now) != 5 || len(got) != 2 || got[0] != now[3] {
		t.Errorf("left %v, want the two encrypted ones", got)
	}
	if len(r.expired()) != 3 {
		t.Errorf("%d expired, want 3", len(r.expired()))
	}
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if left := r.files(plein, "*"); len(left) > 0 {
		t.Errorf("left: %s", left)
	}
	r.sound()
}

// The power goes again while a start puts right what the first time left.
func TestI01_CrashWhileCuttingAnew(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein)
	r.play(r.begin(plein, squareClip()), large(frames(squareClip(), 1600*time.Millisecond), 40<<10))
	base := t.TempDir()
	if err := r.image(base); err != nil {
		t.Fatal(err)
	}
	images := map[string]string{}
	cfg := r.Config
	cfg.Dir, cfg.Keys = filepath.Join(base, "volume"), filepath.Join(base, "keys")
	cfg.at = func(stage string) error {
		if images[stage] == "" {
			images[stage] = t.TempDir()
			return os.CopyFS(images[stage], os.DirFS(base))
		}
		return nil
	}
	r.open(cfg)
	want := r.lines(plein)
	if len(want) != 1 || want[0].End.Sub(want[0].Start.Time) != time.Second {
		t.Fatalf("cut to %v, want the two whole fragments", want)
	}
	for _, stage := range []string{"cut anew", "cut", "renamed", "directory synced", "segment indexed"} {
		if images[stage] == "" {
			t.Errorf("step %q was never reached", stage)
			continue
		}
		cfg.Dir, cfg.Keys, cfg.at = filepath.Join(images[stage], "volume"), filepath.Join(images[stage], "keys"), nil
		r.open(cfg)
		r.sound()
		if got := r.lines(plein); !slices.Equal(got, want) || len(r.files(plein, "*.cut")) > 0 {
			t.Errorf("%s: %v, want %v; left %s", stage, got, want, r.files(plein, "*.cut"))
		}
	}
}

// The power goes while a volume gets its first keys, or those of a volume of format 1.
func TestI06_CrashWhileTheFirstKeysAreMade(t *testing.T) {
	for _, volume := range []string{"new", "format 1"} {
		for _, left := range [][]string{{"generation.key"}, {"generation.key", "keys.tbl.new"}, {"generation.key", "keys.tbl"}} {
			base := t.TempDir()
			cfg := config(filepath.Join(base, "volume"), &clock{t: noon.Add(5 * time.Second)}, &book{})
			first := cfg
			first.Dir, first.Keys = filepath.Join(base, "other", "volume"), filepath.Join(base, "other", "keys")
			s, err := Open(t.Context(), first)
			if err != nil || s.Close() != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(cfg.Keys, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range left {
				b, err := os.ReadFile(filepath.Join(first.Keys, strings.TrimSuffix(name, ".new")))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(cfg.Keys, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if volume == "format 1" {
				if err := os.CopyFS(cfg.Dir, os.DirFS("testdata/format1")); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				s, err := Open(t.Context(), cfg)
				if err != nil {
					t.Fatalf("%s volume, %s: %v", volume, left, err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// A file that is moved to another's place, or put back from another recorder's disk, is not taken for what was recorded there.
func TestI14_FileInAnothersPlaceIsNamed(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein)
	r.record(plein, 4*time.Second)
	files := r.files(plein, "*.seg")
	if err := errors.Join(os.Rename(files[0], files[0]+"x"), os.Rename(files[1], files[0]), os.Rename(files[0]+"x", files[1])); err != nil {
		t.Fatal(err)
	}
	found, err := r.Check(t.Context())
	if err != nil || len(found) != 2 || found[0].What != "file that changed" || found[1].What != "file that changed" {
		t.Errorf("check: %v, %v", found, err)
	}
}

// A segment of which the key was lost is named by Check and by whoever reads it; it harms no other.
func TestI14_MissingKeyIsNamed(t *testing.T) {
	r := newRig(t)
	r.allow(time.Minute, plein)
	r.record(plein, 2*time.Second)
	r.reopen()
	r.allow(time.Minute, plein)
	r.record(plein, 2*time.Second)
	for id, c := range r.keys.chains {
		if _, current := r.keys.current[plein]; current && r.keys.current[plein] != id {
			delete(r.keys.chains, id)
			c.wipe()
		}
	}
	found, err := r.Check(t.Context())
	if err != nil || len(found) != 1 || found[0].What != "missing key" {
		t.Errorf("check: %v, %v", found, err)
	}
	r.clock.advance(time.Hour)
	r.sweep(t.Context())
	if len(r.expired()) != 2 || len(r.files(plein, "*")) != 0 {
		t.Errorf("%d expired", len(r.expired()))
	}
}

// What stands in the table after decryption is authentic; all the same no bytes may bring the recorder down.
func FuzzKeyTable(f *testing.F) {
	k := &keyring{private: []*blindPrivate{newPrivate()}, chains: map[chainID]*keyChain{{1}: {camera: plein, from: 3, own: map[uint32][keySize]byte{1: {7}}}, {2}: {camera: hal}}}
	f.Add(k.encode())
	f.Add(k.encode()[:40])
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := &keyring{chains: map[chainID]*keyChain{}}
		if k.parse(b, true) != nil {
			return
		}
		again := &keyring{chains: map[chainID]*keyChain{}}
		if err := again.parse(k.encode(), true); err != nil || len(again.chains) != len(k.chains) || len(again.private) != len(k.private) {
			t.Fatalf("%d chains, again %d: %v", len(k.chains), len(again.chains), err)
		}
		for id, c := range k.chains {
			if d := again.chains[id]; d == nil || d.state != c.state || d.from != c.from || !slices.Equal(slices.Sorted(maps.Keys(c.own)), slices.Sorted(maps.Keys(d.own))) {
				t.Fatal("another chain")
			}
		}
	})
}

// A generation of the table of 64 cameras that keep 28 days, beside writing and syncing as many bytes bare.
func BenchmarkGeneration(b *testing.B) {
	dir := b.TempDir()
	k, err := makeKeys(&Config{Keys: dir, Recorder: self, Disk: disk.OS, at: func(string) error { return nil }, random: fill}, "5e0c")
	if err != nil {
		b.Fatal(err)
	}
	for camera := range 64 {
		for hour := range int64(28 * 24) {
			id := chainID{}
			fill(id[:])
			k.chains[id] = &keyChain{camera: protocol.CameraID(fmt.Sprint("cam-", camera)), hour: hour}
		}
	}
	var ours, bare time.Duration
	now := noon
	for b.Loop() {
		start := time.Now()
		k.dirty = true
		if err := k.destroy(now, nil, nil, everyHour); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		raw, err := os.ReadFile(k.table())
		if err != nil {
			b.Fatal(err)
		}
		start = time.Now()
		if err := disk.WriteFile(disk.OS, filepath.Join(dir, "bare"), raw); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(start)
		b.ReportMetric(float64(len(raw)), "table-bytes")
	}
	b.ReportMetric(float64(bare)/float64(ours), "speed/disk")
}
