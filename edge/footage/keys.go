package footage

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

const keySize = 32

// ErrKey: the key of a segment is not in the key table.
var ErrKey = errors.New("its key is not here")

// chainID is random, so that no place of a chain is ever given twice, also after a crash or with a table put back.
type chainID [8]byte

// slot says which key a segment has: its place in a chain. In the index it is written as 5e0c40ab99d1f00c/17.
type slot struct {
	chain chainID
	n     uint32
}

func (k slot) String() string {
	return hex.EncodeToString(k.chain[:]) + "/" + strconv.FormatUint(uint64(k.n), 10)
}

func parseSlot(s string) (k slot, err error) {
	chain, n, _ := strings.Cut(s, "/")
	b, err := hex.DecodeString(chain)
	if err != nil || copy(k.chain[:], b) != len(b) || len(b) != len(k.chain) {
		return k, fmt.Errorf("key %q: want chain/place", s)
	}
	place, err := strconv.ParseUint(n, 10, 32)
	if k.n = uint32(place); err != nil || k.String() != s {
		return k, fmt.Errorf("key %q: want chain/place", s)
	}
	return k, nil
}

// keyChain is what is left of a one-way chain. From its state every later place follows, and none before:
//
//	key of n     = HKDF-SHA256(state n, info "beeldwacht segment", 32)
//	state of n+1 = HKDF-SHA256(state n, info "beeldwacht chain", 32)
type keyChain struct {
	camera protocol.CameraID
	hour   int64 // unix time of its clock hour, s
	from   uint32
	state  [keySize]byte            // of place from
	own    map[uint32][keySize]byte // keys of places before from that are still needed

	next uint32          // not yet given out; of a chain from before this start: not known, and nothing is given out
	open map[uint32]bool // given out, and not in the index yet
}

// hourOf is what a chain is for.
type hourOf struct {
	camera protocol.CameraID
	hour   int64
}

// hourOfRun goes by the run's name, which stands also where its row was made anew.
func hourOfRun(r *runRow) hourOf {
	const hour = "20060102t15"
	at, err := time.Parse(hour, string(r.Run[:min(len(r.Run), len(hour))]))
	if err != nil {
		at = r.Start.Truncate(time.Hour)
	}
	return hourOf{r.Camera, at.Unix()}
}

// key is how an hour is written in the index.
func (of hourOf) key() string { return string(of.camera) + "/" + number(uint64(of.hour)) }

func parseHour(key string) (of hourOf, err error) {
	camera, hour, _ := strings.Cut(key, "/")
	n, err := strconv.ParseUint(hour, 16, 64)
	return hourOf{protocol.CameraID(camera), int64(n)}, err
}

func derive(state []byte, info string) []byte {
	b, err := hkdf.Key(sha256.New, state, nil, info, keySize)
	if err != nil {
		panic("HKDF of a fixed length: " + err.Error())
	}
	return b
}

// walk gives the key of each place from the oldest on, until see returns false, and ends with the state of the place after the last. All are wiped afterwards.
func (c *keyChain) walk(see func(n uint32, key []byte) bool) (n uint32, state [keySize]byte) {
	n, state = c.from, c.state
	for {
		key := derive(state[:], "beeldwacht segment")
		more := see(n, key)
		clear(key)
		after := derive(state[:], "beeldwacht chain")
		copy(state[:], after)
		clear(after)
		n++
		if !more {
			return n, state
		}
	}
}

// keyring is keys.tbl in memory. Whoever wants a segment's key asks it. Its lock may be held while the disk syncs and while the index is read; it is never taken by
// who holds mu.
type keyring struct {
	disk     disk.Disk
	dir      string
	recorder protocol.RecorderID
	volume   string
	holder   Holder
	every    time.Duration      // a new generation at most so often
	at       func(string) error // see Config
	random   func([]byte)       // tests plant canaries

	mu         sync.Mutex // guards what follows
	generation uint64
	key        []byte // of the generation
	coming     []byte // of the next one, once the holder has been asked to keep it: until that generation stands, the table on disk may be of either
	chains     map[chainID]*keyChain
	current    map[protocol.CameraID]chainID // the chain that gives keys out
	dirty      bool                          // what was destroyed here is still under the generation key on disk
	made       time.Time                     // when the generation was; zero: before this start
}

// fill is crypto/rand: it never fails.
func fill(b []byte) { _, _ = rand.Read(b) }

// The table on disk:
//
//	"BWKEYS" 0 1 (8) | generation (8) | nonce (12) | AES-256-GCM under the generation key, bound to these 16 bytes, recorder and volume, of:
//	chains (4), and for each: id (8) | hour (8) | length of camera (1) | camera | from (4) | state (32) | own keys (4) | for each: place (4) | key (32)
//
// All numbers are big endian.
var tableMagic = []byte("BWKEYS\x00\x01")

const (
	tableHead  = 8 + 8
	tableNonce = 12
)

func (k *keyring) table() string { return filepath.Join(k.dir, "keys.tbl") }

func newKeyring(c *Config, volume string) (*keyring, error) {
	k := &keyring{disk: c.Disk, dir: c.Keys, recorder: c.Recorder, volume: volume, holder: c.Holder, every: min(c.SealEvery, time.Minute), at: c.at, random: c.random,
		chains: map[chainID]*keyChain{}, current: map[protocol.CameraID]chainID{}}
	if err := disk.MkdirAll(k.disk, k.dir); err != nil {
		return nil, err
	}
	if k.holder == nil {
		file := filepath.Join(k.dir, "generation.key")
		if disk.Absent(k.disk, file) && !disk.Absent(k.disk, k.table()) {
			return nil, fmt.Errorf("%s is missing, and %s opens only with it; put both back as they were", file, k.table())
		}
		h, err := newSlots(k.disk, file)
		if err != nil {
			return nil, err
		}
		k.holder = h
	}
	return k, nil
}

// makeKeys makes the table of a volume that has had none. A table that holds keys of another volume is not overwritten.
func makeKeys(c *Config, volume string) (*keyring, error) {
	k, err := newKeyring(c, volume)
	if err != nil {
		return nil, err
	}
	if raw, err := disk.ReadFile(k.disk, k.table()); err == nil && len(raw) > tableHead+tableNonce+tagSize+4 {
		return nil, fmt.Errorf("%s holds keys, and not of this volume; mount the disk they belong to, or move the folder away", k.table())
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	k.dirty = true
	k.at = func(string) error { return nil } // half a table is made anew
	err = k.renew(time.Time{}, nil)
	k.at = c.at
	return k, err
}

// openKeys reads the table of a volume, and finishes the destruction of the generation before it.
func openKeys(c *Config, volume string) (*keyring, error) {
	raw, err := disk.ReadFile(c.Disk, filepath.Join(c.Keys, "keys.tbl"))
	if err != nil {
		return nil, fmt.Errorf("%w; put the folder of the keys back, or move the volume away and report its footage as lost", err)
	}
	k, err := newKeyring(c, volume)
	if err != nil {
		return nil, err
	}
	if len(raw) < tableHead+tableNonce || !bytes.Equal(raw[:8], tableMagic) {
		return nil, fmt.Errorf("%s: no key table of a version that is known here", k.table())
	}
	k.generation = binary.BigEndian.Uint64(raw[8:])
	if k.key, err = k.holder.Key(k.generation); err != nil {
		return nil, fmt.Errorf("%s: %w", k.table(), err)
	}
	aead, err := k.aead(k.key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, raw[tableHead:tableHead+tableNonce], raw[tableHead+tableNonce:], k.bound(raw[:tableHead]))
	if err != nil {
		return nil, fmt.Errorf("%s: is not of volume %s, or was changed", k.table(), volume)
	}
	defer clear(plain)
	if err := k.parse(plain); err != nil {
		return nil, fmt.Errorf("%s: %w", k.table(), err)
	}
	if err := k.disk.Remove(k.table() + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return k, errors.Join(k.disk.SyncDir(k.dir), k.holder.Only(k.generation)) // synced first: only then is this the table that a power cut leaves
}

func (k *keyring) aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (k *keyring) bound(head []byte) []byte {
	return fmt.Appendf(bytes.Clone(head), "%s\n%s\n", k.recorder, k.volume)
}

func (k *keyring) encode() []byte {
	size := 4
	for _, c := range k.chains {
		size += 8 + 8 + 1 + len(c.camera) + 4 + keySize + 4 + len(c.own)*(4+keySize)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(len(k.chains))) // never grown: a copy left behind would not be wiped
	for _, id := range slices.SortedFunc(maps.Keys(k.chains), func(a, b chainID) int { return bytes.Compare(a[:], b[:]) }) {
		c := k.chains[id]
		b = append(b, id[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(c.hour))
		b = append(b, byte(len(c.camera)))
		b = append(b, c.camera...)
		b = binary.BigEndian.AppendUint32(b, c.from)
		b = append(b, c.state[:]...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(c.own)))
		for _, n := range slices.Sorted(maps.Keys(c.own)) {
			key := c.own[n]
			b = append(binary.BigEndian.AppendUint32(b, n), key[:]...)
		}
	}
	return b
}

func (k *keyring) parse(b []byte) error {
	bad := false
	take := func(n int) []byte {
		if n > len(b) {
			bad = true
			return make([]byte, n)
		}
		out := b[:n]
		b = b[n:]
		return out
	}
	number := func() uint32 { return binary.BigEndian.Uint32(take(4)) }
	for range number() {
		id := chainID(take(8))
		c := &keyChain{hour: int64(binary.BigEndian.Uint64(take(8)))} // without maps: there may be tens of thousands
		c.camera = protocol.CameraID(take(int(take(1)[0])))
		c.from, c.state = number(), [keySize]byte(take(keySize))
		for range number() {
			n := number()
			if c.own == nil {
				c.own = map[uint32][keySize]byte{}
			}
			c.own[n] = [keySize]byte(take(keySize))
			if bad {
				return errors.New("cut off")
			}
		}
		if bad || k.chains[id] != nil {
			return errors.New("cut off, or one chain twice")
		}
		k.chains[id] = c
	}
	if len(b) > 0 {
		return errors.New("goes on after its end")
	}
	return nil
}

// save writes the table under a generation's key and puts it in place.
func (k *keyring) save(generation uint64, key []byte) error {
	plain := k.encode()
	defer clear(plain)
	aead, err := k.aead(key)
	if err != nil {
		return err
	}
	raw := binary.BigEndian.AppendUint64(bytes.Clone(tableMagic), generation)
	nonce := make([]byte, tableNonce)
	fill(nonce)
	raw = aead.Seal(append(raw, nonce...), nonce, plain, k.bound(raw))
	if err := errors.Join(disk.WriteFile(k.disk, k.table()+".new", raw), k.at("key table written")); err != nil {
		return err
	}
	if err := k.disk.Rename(k.table()+".new", k.table()); err != nil {
		return err
	}
	return errors.Join(k.at("key table renamed"), k.disk.SyncDir(k.dir), k.at("key table in place"))
}

// renew makes a new generation of what is in memory, and destroys the one before: after it nothing on disk opens what memory has no key for. It leaves off anywhere
// and is begun again with the same key: the table that a failed rename left may be of either generation. Chains of which nothing is left are dropped.
func (k *keyring) renew(now time.Time, spent map[hourOf]bool) error {
	for id, c := range k.chains {
		if of := (hourOf{c.camera, c.hour}); spent[of] && len(c.open) == 0 {
			c.wipe()
			delete(k.chains, id)
		} else if spent[of] {
			delete(spent, of)
		}
	}
	if k.coming == nil {
		k.coming = make([]byte, keySize)
		k.random(k.coming)
	}
	if err := k.holder.Keep(k.generation+1, k.coming); err != nil {
		return err
	}
	if err := k.at("generation kept"); err != nil {
		return err
	}
	if err := k.save(k.generation+1, k.coming); err != nil {
		return err
	}
	clear(k.key)
	k.generation, k.key, k.coming = k.generation+1, k.coming, nil
	if err := k.holder.Only(k.generation); err != nil {
		return err
	}
	k.dirty, k.made = false, now
	return k.at("generation destroyed")
}

func (c *keyChain) wipe() {
	clear(c.state[:])
	for n := range c.own {
		c.own[n] = [keySize]byte{}
	}
	clear(c.own)
}

// take gives a new segment of a camera its key. It is in the table on disk before it is given. The caller wipes it.
func (k *keyring) take(camera protocol.CameraID, hour time.Time) (slot, []byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := k.current[camera]
	c := k.chains[id]
	if c == nil || c.hour != hour.Unix() {
		c = &keyChain{camera: camera, hour: hour.Unix(), open: map[uint32]bool{}}
		fill(id[:])
		k.random(c.state[:])
		k.chains[id] = c
		if err := k.save(k.generation, k.key); err != nil {
			c.wipe()
			delete(k.chains, id)
			return slot{}, nil, fmt.Errorf("key table: %w", err)
		}
		k.current[camera] = id
	}
	n := c.next
	c.next++
	c.open[n] = true
	key, err := k.get(slot{id, n})
	return slot{id, n}, key, err
}

// find gives the key of a segment, or [ErrKey]. The caller wipes it.
func (k *keyring) find(s slot) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.get(s)
}

// maxChain bounds how far a key is looked for: a chain has a segment each few seconds of an hour.
const maxChain = 1 << 16

func (k *keyring) get(s slot) (key []byte, err error) {
	c := k.chains[s.chain]
	if c == nil {
		return nil, ErrKey
	}
	if own, ok := c.own[s.n]; ok {
		return bytes.Clone(own[:]), nil
	}
	if s.n < c.from || s.n-c.from > maxChain {
		return nil, ErrKey
	}
	c.walk(func(n uint32, b []byte) bool {
		if n == s.n {
			key = bytes.Clone(b)
		}
		return key == nil
	})
	return key, nil
}

// adopt says that a file that a crash left open has this key; done, that a key's file is in the index now, or gone.
func (k *keyring) adopt(s slot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.chains[s.chain]; c != nil {
		if c.open == nil {
			c.open = map[uint32]bool{}
		}
		c.open[s.n] = true
	}
}

func (k *keyring) done(s slot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.chains[s.chain]; c != nil {
		delete(c.open, s.n)
	}
}

// wait is how long until the next generation may be made; a clock that was set back makes nobody wait.
func (k *keyring) wait(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.made.IsZero() || now.Before(k.made) {
		return 0
	}
	return max(0, k.made.Add(k.every).Sub(now))
}

// destroy makes keys unobtainable, in memory first, and then on disk with a new generation. Before the state of a chain is moved on past a key, the keys of
// what is still needed before it are taken out of it and stand by themselves. Living says which places of a chain the index still needs; spent, of which hours there is no
// footage any more: their chains go, and those that must stay are taken out of what it gave. Destroying again what is gone changes nothing.
func (k *keyring) destroy(now time.Time, gone []slot, living func(hourOf, chainID) (map[uint32]bool, error), spent func() (map[hourOf]bool, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	byChain := map[chainID]map[uint32]bool{}
	for _, s := range gone {
		if byChain[s.chain] == nil {
			byChain[s.chain] = map[uint32]bool{}
		}
		byChain[s.chain][s.n] = true
	}
	for id, places := range byChain {
		if c := k.chains[id]; c != nil {
			if err := k.forget(c, id, places, living); err != nil {
				return err
			}
		}
	}
	if !k.dirty {
		return nil
	}
	hours, err := spent()
	if err != nil {
		return err
	}
	return k.renew(now, hours)
}

func (k *keyring) forget(c *keyChain, id chainID, gone map[uint32]bool, living func(hourOf, chainID) (map[uint32]bool, error)) error {
	last := slices.MaxFunc(slices.Collect(maps.Keys(gone)), func(a, b uint32) int { return cmp.Compare(a, b) })
	if last >= c.from && last-c.from > maxChain {
		return fmt.Errorf("chain %x: no segment ever had place %d", id, last)
	}
	var alive map[uint32]bool
	for n := c.from; n < last && alive == nil; n++ {
		if !gone[n] { // mostly none: footage goes in the order in which it came
			var err error
			if alive, err = living(hourOf{c.camera, c.hour}, id); err != nil {
				return err
			}
			maps.Copy(alive, c.open)
		}
	}
	for n := range gone {
		if _, ok := c.own[n]; ok {
			c.own[n] = [keySize]byte{}
			delete(c.own, n)
			k.dirty = true
		}
	}
	if last < c.from {
		return nil
	}
	c.from, c.state = c.walk(func(n uint32, key []byte) bool {
		if alive[n] && !gone[n] {
			if c.own == nil {
				c.own = map[uint32][keySize]byte{}
			}
			c.own[n] = [keySize]byte(key)
		}
		return n < last
	})
	k.dirty = true
	return nil
}

// spoil says that the table on disk holds what must go with the next generation.
func (k *keyring) spoil() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dirty = true
}

// allHours are the clock hours that have a chain.
func (k *keyring) allHours() (hours []hourOf) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.chains {
		hours = append(hours, hourOf{c.camera, c.hour})
	}
	return hours
}

// close wipes what is in memory.
func (k *keyring) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, c := range k.chains {
		c.wipe()
		delete(k.chains, id)
	}
	clear(k.key)
	clear(k.coming)
}
