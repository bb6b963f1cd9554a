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
	"math"
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

// ErrLocked: the key table waits for its share; until that comes footage is recorded and expires, and none can be read.
var ErrLocked = errors.New("its key waits for the share that is not here yet")

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

	next uint32 // not yet given out; of a chain from before this start: not known, and nothing is given out
}

// loose is where a chain begins that has no state: the own keys of segments that were recorded write-only.
const loose = math.MaxUint32

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
//
// Locked, it waits for the share that the table is under: it gives out keys that it cannot give back (write-only), and forgets those that it has sealed itself.
type keyring struct {
	disk     disk.Disk
	dir      string
	recorder protocol.RecorderID
	volume   string
	holder   Holder
	shares   []protocol.Share   // known at the start
	awaits   bool               // a share comes later
	every    time.Duration      // a new generation at most so often
	at       func(string) error // see Config
	random   func([]byte)       // tests plant canaries

	mu      sync.Mutex // guards what follows
	now     generation
	coming  *generation // once the holder has been asked to keep it: until it stands, the table on disk may be of either
	locked  bool        // now has no key, and the table is only on disk
	chains  map[chainID]*keyChain
	current map[protocol.CameraID]chainID // the chain that gives keys out
	open    map[slot]bool                 // given out, or found in a file that a crash left, and not in the index yet
	dirty   bool                          // what was destroyed here is still under the generation key on disk
	made    time.Time                     // when the generation was; zero: before this start

	blind   *blindKeys // the write-only file; nil: there is none
	private []*blindPrivate
	fresh   *blindPrivate // of private: the write-only file is to be made anew with its public half, once the table with it stands
}

// generation is one generation of the table: under a key that takes what the holder keeps and, where there is one, a share.
type generation struct {
	number uint64
	part   []byte          // what the holder keeps
	share  *protocol.Share // nil: none
	under  protocol.ShareID
}

// key is what the table is under. Without a share it is what the holder keeps. The caller wipes it.
func (g *generation) key() ([]byte, error) {
	if g.share == nil {
		return bytes.Clone(g.part), nil
	}
	return hkdf.Key(sha256.New, g.part, g.share.Secret[:], "beeldwacht generation\n"+string(g.share.ID), keySize)
}

func (g *generation) wipe() {
	clear(g.part)
	if g.share != nil {
		clear(g.share.Secret[:])
	}
}

// fill is crypto/rand: it never fails.
func fill(b []byte) { _, _ = rand.Read(b) }

// The table on disk:
//
//	"BWKEYS" 0 2 (8) | generation (8) | id of the share, or zeros (16) | nonce (12) | AES-256-GCM under the generation key, bound to these 32 bytes, recorder and volume, of:
//	chains (4), and for each: id (8) | hour (8) | length of camera (1) | camera | from (4) | state (32) | own keys (4) | for each: place (4) | key (32);
//	private keys of the write-only file (1), and for each: key (32)
//
// All numbers are big endian. Version 1 has neither share nor private keys; it is read.
var (
	tableMagic  = []byte("BWKEYS\x00\x02")
	tableMagic1 = []byte("BWKEYS\x00\x01")
)

const (
	shareIDSize = 16
	tableHead1  = 8 + 8
	tableHead   = tableHead1 + shareIDSize
	tableNonce  = 12
)

func (k *keyring) table() string { return filepath.Join(k.dir, "keys.tbl") }

// readTable takes a table apart: head as it is bound, and the rest.
func readTable(raw []byte) (g generation, head, rest []byte, err error) {
	size := 0
	switch {
	case bytes.HasPrefix(raw, tableMagic):
		size = tableHead
	case bytes.HasPrefix(raw, tableMagic1):
		size = tableHead1
	}
	if size == 0 || len(raw) < size+tableNonce {
		return g, nil, nil, errors.New("no key table of a version that is known here")
	}
	g.number = binary.BigEndian.Uint64(raw[8:])
	if id := raw[tableHead1:size]; !bytes.Equal(id, make([]byte, len(id))) {
		g.under = protocol.ShareID(hex.EncodeToString(id))
	}
	return g, raw[:size], raw[size:], nil
}

func newKeyring(c *Config, volume string) (*keyring, error) {
	k := &keyring{disk: c.Disk, dir: c.Keys, recorder: c.Recorder, volume: volume, holder: c.Holder, shares: c.Shares, awaits: c.AwaitShare, every: min(c.SealEvery, time.Minute),
		at: c.at, random: c.random, chains: map[chainID]*keyChain{}, current: map[protocol.CameraID]chainID{}, open: map[slot]bool{}}
	if err := disk.MkdirAll(k.disk, k.dir); err != nil {
		return nil, err
	}
	if k.holder == nil {
		file := filepath.Join(k.dir, "generation.key")
		if disk.Absent(k.disk, file) && !disk.Absent(k.disk, k.table()) {
			return nil, fmt.Errorf("%s is missing, and %s opens only with it; put both back as they were", file, k.table())
		}
		h, err := disk.NewSlots(k.disk, file, slotMagic)
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
	if raw, err := disk.ReadFile(k.disk, k.table()); err == nil {
		if _, _, rest, err := readTable(raw); err != nil || len(rest) > tableNonce+tagSize+4+1 {
			return nil, fmt.Errorf("%s holds keys, and not of this volume; mount the disk they belong to, or move the folder away", k.table())
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	k.dirty = true
	k.at = func(string) error { return nil } // half a table is made anew
	err = k.renew(time.Time{}, nil)
	k.at = c.at
	return k, err
}

// openKeys reads the table of a volume, and finishes the destruction of the generation before it. One that is under a share which is still to come stays locked.
func openKeys(c *Config, volume string) (*keyring, error) {
	raw, err := disk.ReadFile(c.Disk, filepath.Join(c.Keys, "keys.tbl"))
	if err != nil {
		return nil, fmt.Errorf("%w; put the folder of the keys back, or move the volume away and report its footage as lost", err)
	}
	k, err := newKeyring(c, volume)
	if err != nil {
		return nil, err
	}
	if k.now, _, _, err = readTable(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", k.table(), err)
	}
	var share *protocol.Share
	if k.now.under != "" {
		if i := slices.IndexFunc(k.shares, func(s protocol.Share) bool { return s.ID == k.now.under }); i >= 0 {
			share = &k.shares[i]
		} else if k.awaits {
			k.locked = true
			k.blind, err = openBlind(k)
			return k, err
		} else if len(k.shares) > 0 {
			return nil, fmt.Errorf("%s: is under another credential (%s) than this service was given; put the right one back", k.table(), k.now.under)
		} else {
			return nil, fmt.Errorf("%s: is under a credential, a TPM or the centre's share (%s); set keys_holder as it was", k.table(), k.now.under)
		}
	}
	return k, k.unlock(share)
}

// unlock reads the table with the share that it is under.
func (k *keyring) unlock(share *protocol.Share) (err error) {
	raw, err := disk.ReadFile(k.disk, k.table())
	if err != nil {
		return err
	}
	g, head, rest, err := readTable(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", k.table(), err)
	}
	if g.part, err = k.holder.Key(g.number); err != nil {
		return fmt.Errorf("%s: %w", k.table(), err)
	}
	if share != nil {
		own := *share
		g.share = &own
	}
	plain, err := k.decipher(&g, head, rest)
	if err != nil {
		return fmt.Errorf("%s: is not of volume %s, or was changed", k.table(), k.volume)
	}
	defer clear(plain)
	before := k.chains // locked, these have no key
	k.chains, k.private = map[chainID]*keyChain{}, nil
	defer func() {
		if err != nil {
			k.chains, k.private = before, nil
		}
	}()
	if err := k.parse(plain, len(head) == tableHead); err != nil {
		return fmt.Errorf("%s: %w", k.table(), err)
	}
	if err := k.disk.Remove(k.table() + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := errors.Join(k.disk.SyncDir(k.dir), k.holder.Only(g.number)); err != nil { // synced first: only then is this the table that a power cut leaves
		return err
	}
	k.now, k.locked = g, false
	return nil
}

// relock forgets the table again: it is of no use without what was recorded write-only.
func (k *keyring) relock() {
	for id, c := range k.chains {
		c.wipe()
		delete(k.chains, id)
	}
	for _, p := range k.private {
		clear(p.bytes[:])
	}
	k.now.wipe()
	k.now.part, k.now.share, k.private, k.fresh, k.locked = nil, nil, nil, nil, true
}

func (k *keyring) decipher(g *generation, head, rest []byte) ([]byte, error) {
	key, err := g.key()
	if err != nil {
		return nil, err
	}
	defer clear(key)
	aead, err := k.aead(key)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, rest[:tableNonce], rest[tableNonce:], k.bound(head))
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
	size += 1 + len(k.private)*keySize
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
	b = append(b, byte(len(k.private)))
	for _, p := range k.private {
		b = append(b, p.bytes[:]...)
	}
	return b
}

func (k *keyring) parse(b []byte, private bool) error {
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
	const least = len(chainID{}) + 8 + 1 + 4 + keySize + 4 // bytes a chain takes
	many := number()
	if uint64(many)*uint64(least) > uint64(len(b)) {
		return errors.New("cut off")
	}
	// A start waits for this, with tens of thousands of chains of a few cameras: room for all of them at once, and each name once.
	chains, names := make([]keyChain, many), map[string]protocol.CameraID{}
	if len(k.chains) == 0 {
		k.chains = make(map[chainID]*keyChain, many)
	}
	for i := range chains {
		id := chainID(take(8))
		c := &chains[i]
		c.hour = int64(binary.BigEndian.Uint64(take(8)))
		name := take(int(take(1)[0]))
		var known bool
		if c.camera, known = names[string(name)]; !known {
			c.camera = protocol.CameraID(name)
			names[string(c.camera)] = c.camera
		}
		c.from, c.state = number(), [keySize]byte(take(keySize))
		for range number() {
			n := number()
			c.keep(n, take(keySize))
			if bad {
				return errors.New("cut off")
			}
		}
		if bad || k.chains[id] != nil {
			return errors.New("cut off, or one chain twice")
		}
		k.chains[id] = c
	}
	if private {
		for range take(1)[0] {
			p, err := parsePrivate(take(keySize))
			if bad || err != nil {
				return errors.New("cut off, or no private key")
			}
			k.private = append(k.private, p)
		}
	}
	if bad || len(b) > 0 {
		return errors.New("goes on after its end, or before")
	}
	return nil
}

// save writes the table under a generation's key and puts it in place.
func (k *keyring) save(g *generation) error {
	plain := k.encode()
	defer clear(plain)
	key, err := g.key()
	if err != nil {
		return err
	}
	defer clear(key)
	aead, err := k.aead(key)
	if err != nil {
		return err
	}
	raw := binary.BigEndian.AppendUint64(bytes.Clone(tableMagic), g.number)
	id := make([]byte, shareIDSize)
	if g.share != nil {
		if _, err := hex.Decode(id, []byte(g.share.ID)); err != nil {
			return fmt.Errorf("share %q: %w", g.share.ID, err)
		}
	}
	raw = append(raw, id...)
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
func (k *keyring) renew(now time.Time, needed func(hourOf) bool) error {
	for id, c := range k.chains {
		if !needed(hourOf{c.camera, c.hour}) && !k.opened(id) {
			c.wipe()
			delete(k.chains, id)
		}
	}
	k.private = slices.DeleteFunc(k.private, func(p *blindPrivate) bool { // one that the write-only file is not for any more goes
		gone := p != k.fresh && (k.blind == nil || !p.opens(k.blind))
		if gone {
			clear(p.bytes[:])
		}
		return gone
	})
	if k.coming == nil {
		k.coming = &generation{number: k.now.number + 1, part: make([]byte, keySize), share: k.now.share, under: k.now.under}
		k.random(k.coming.part)
	}
	if err := k.holder.Keep(k.coming.number, k.coming.part); err != nil {
		return err
	}
	if err := k.at("generation kept"); err != nil {
		return err
	}
	if err := k.save(k.coming); err != nil {
		return err
	}
	if k.now.share == k.coming.share {
		k.now.share = nil // it lives on
	}
	k.now.wipe()
	k.now, k.coming = *k.coming, nil
	if err := k.holder.Only(k.now.number); err != nil {
		return err
	}
	k.dirty, k.made = false, now
	if err := k.at("generation destroyed"); err != nil {
		k.dirty = k.fresh != nil
		return err
	}
	if k.fresh == nil {
		return nil
	}
	blind, err := makeBlind(k, k.fresh)
	if err != nil {
		k.dirty = true
		return err
	}
	k.blind, k.fresh, k.dirty = blind, nil, len(k.private) > 1
	return k.at("write-only file made anew")
}

// opened says whether a chain has a place that is given out and not in the index yet.
func (k *keyring) opened(id chainID) bool {
	for s := range k.open {
		if s.chain == id {
			return true
		}
	}
	return false
}

// bind takes a share: it opens the table that waits for it, or makes a new generation under it. What was recorded write-only moves into the table, but for what is
// gone meanwhile. After an error the next generation tries again.
func (k *keyring) bind(share protocol.Share, now time.Time, living func(hourOf, chainID) (map[uint32]bool, error), needed func() func(hourOf) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.locked && share.ID != k.now.under:
		return fmt.Errorf("%s is under share %s, this one is %s", k.table(), k.now.under, share.ID)
	case k.locked:
		if err := k.unlock(&share); err != nil {
			return err
		}
		clear(k.current) // of which the rest was sealed
		if err := k.takeIn(living); err != nil {
			k.relock()
			return err
		}
	case k.coming == nil && share.ID == k.now.under:
		return nil
	case k.coming != nil && k.coming.under != share.ID: // one that failed: nobody knows which of the two the disk has
		if err := k.renew(now, needed()); err != nil || k.now.under == share.ID {
			return err
		}
		fallthrough
	case k.coming == nil:
		k.coming = &generation{number: k.now.number + 1, part: make([]byte, keySize), share: &share, under: share.ID}
		k.random(k.coming.part)
	}
	k.dirty = true
	return k.renew(now, needed())
}

// prepare takes what is known at the start into use: a share that the table is not under yet, and the write-only file for a share that is to come.
func (k *keyring) prepare(now time.Time, living func(hourOf, chainID) (map[uint32]bool, error), needed func() func(hourOf) bool) error {
	if len(k.shares) > 0 && k.now.under == "" {
		if err := k.bind(k.shares[0], now, living, needed); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locked || !k.awaits {
		return nil
	}
	var err error
	if k.blind, err = openBlind(k); err != nil {
		return err
	}
	if err := k.tidyLoose(living); err != nil {
		return err
	}
	if k.blind != nil && len(k.blind.at)+len(k.blind.doomed) == 0 && slices.ContainsFunc(k.private, func(p *blindPrivate) bool { return p.opens(k.blind) }) {
		return nil
	}
	if err := k.takeIn(living); err != nil {
		return err
	}
	k.dirty = true
	return k.renew(now, needed())
}

// keep notes a key by itself. A chain without any has no map: there may be tens of thousands of chains.
func (c *keyChain) keep(n uint32, key []byte) {
	if c.own == nil {
		c.own = map[uint32][keySize]byte{}
	}
	c.own[n] = [keySize]byte(key)
}

func (c *keyChain) wipe() {
	clear(c.state[:])
	for n := range c.own {
		c.own[n] = [keySize]byte{}
	}
	clear(c.own)
}

// take gives a new segment of a camera its key. It is in the table on disk before it is given; or, locked, in the write-only file. The caller wipes it.
func (k *keyring) take(camera protocol.CameraID, hour time.Time) (slot, []byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := k.current[camera]
	c := k.chains[id]
	if c == nil || c.hour != hour.Unix() {
		c = &keyChain{camera: camera, hour: hour.Unix()}
		fill(id[:])
		k.chains[id] = c
		if err := k.begin(c); err != nil {
			c.wipe()
			delete(k.chains, id)
			return slot{}, nil, fmt.Errorf("key table: %w", err)
		}
		k.current[camera] = id
	}
	s := slot{id, c.next}
	var key []byte
	var err error
	if k.locked {
		key = make([]byte, keySize)
		k.random(key)
		if err := k.blind.add(k, s, hourOf{camera, c.hour}, key); err != nil {
			clear(key)
			return slot{}, nil, fmt.Errorf("write-only keys: %w", err)
		}
	} else if key, err = k.get(s); err != nil {
		return slot{}, nil, err
	}
	c.next++
	k.open[s] = true
	return s, key, nil
}

// begin gives a chain its first state, and takes it to the disk. Locked, it gets none: what is not kept cannot be found.
func (k *keyring) begin(c *keyChain) error {
	if k.locked {
		c.from = loose
		if k.blind == nil {
			return fmt.Errorf("%s is missing: nothing can be recorded until the share is here", blindFile)
		}
		return nil
	}
	k.random(c.state[:])
	return k.save(&k.now)
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
	if k.locked {
		return nil, ErrLocked
	}
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
	k.open[s] = true
}

func (k *keyring) done(s slot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, s)
}

// waits says whether a key cannot be destroyed yet, because the table that it is in is locked.
func (k *keyring) waits(s slot) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.locked && !k.blind.has(s)
}

func (k *keyring) state() KeyState {
	k.mu.Lock()
	defer k.mu.Unlock()
	st := KeyState{Under: k.now.under, Locked: k.locked}
	if k.locked && k.blind != nil {
		st.Blind = len(k.blind.at)
	}
	return st
}

// doom destroys the key of a file that is gone and never had a row: with the next generation where it stands by itself, at once where it is write-only, and as soon as the table
// opens where that is locked. One that a chain's state gives goes as the chain moves on.
func (k *keyring) doom(s slot, of hourOf) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, s)
	if c := k.chains[s.chain]; !k.locked && c != nil {
		if _, ok := c.own[s.n]; ok {
			c.own[s.n] = [keySize]byte{}
			delete(c.own, s.n)
			k.dirty = true
		}
	}
	switch {
	case !k.locked || k.blind == nil:
		return nil
	case k.blind.has(s):
		return k.blind.remove(k, func(o slot, _ hourOf) bool { return o == s })
	}
	return k.blind.doom(k, s, of)
}

// owe asks for another generation: of an hour nothing is left.
func (k *keyring) owe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dirty = true
}

// owes says whether a generation is to be made although no tombstone waits for one: one that failed, or that drops what is not needed any more.
func (k *keyring) owes() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dirty && !k.locked
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
// what is still needed before it are taken out of it and stand by themselves. Living says which places of a chain the index still needs; needed, of which hours there is
// footage at all. Destroying again what is gone changes nothing.
func (k *keyring) destroy(now time.Time, gone []slot, living func(hourOf, chainID) (map[uint32]bool, error), needed func() func(hourOf) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	byChain := map[chainID]map[uint32]bool{}
	for _, s := range gone {
		if byChain[s.chain] == nil {
			byChain[s.chain] = map[uint32]bool{}
		}
		byChain[s.chain][s.n] = true
	}
	if k.locked {
		k.made = now
		alive := needed()
		return k.blind.remove(k, func(s slot, of hourOf) bool { return byChain[s.chain][s.n] || !alive(of) && !k.open[s] })
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
	failed := k.coming != nil
	if err := k.renew(now, needed()); err != nil || !failed {
		return err
	}
	return k.renew(now, needed()) // the table of the try that failed may have had more, under the key of the one that did not
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
			k.addOpen(id, alive)
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
			c.keep(n, key)
		}
		return n < last
	})
	k.dirty = true
	return nil
}

// addOpen adds the places of a chain that are given out.
func (k *keyring) addOpen(id chainID, places map[uint32]bool) {
	for s := range k.open {
		if s.chain == id {
			places[s.n] = true
		}
	}
}

// stale says whether there is a chain, or an own key, that nothing needs any more.
func (k *keyring) stale(needed func(hourOf) bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locked {
		return k.blind.any(func(s slot, of hourOf) bool { return !needed(of) && !k.open[s] })
	}
	for id, c := range k.chains {
		if !needed(hourOf{c.camera, c.hour}) && !k.opened(id) {
			k.dirty = true
		}
	}
	return k.dirty
}

// only keeps of a camera's hour the keys of places that the index needs or that are being written, each by itself, and lets go of the chains' states: whatever else was given
// out opens no more, and nothing more is given out.
func (k *keyring) only(now time.Time, of hourOf, living func(hourOf, chainID) (map[uint32]bool, error), needed func() func(hourOf) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locked {
		var failed error
		return errors.Join(k.blind.remove(k, func(s slot, hour hourOf) bool {
			if hour != of || k.open[s] {
				return false
			}
			alive, err := living(of, s.chain)
			failed = errors.Join(failed, err)
			return err == nil && !alive[s.n]
		}), failed)
	}
	for id, c := range k.chains {
		if (hourOf{c.camera, c.hour}) != of {
			continue
		}
		alive, err := living(of, id)
		if err != nil {
			return err
		}
		k.addOpen(id, alive)
		for n := range c.own {
			if !alive[n] {
				c.own[n] = [keySize]byte{}
				delete(c.own, n)
				k.dirty = true
			}
		}
		if c.from == loose {
			continue
		}
		last := c.from
		for n := range alive {
			if n >= c.from && n-c.from <= maxChain {
				last = max(last, n)
			}
		}
		c.walk(func(n uint32, key []byte) bool {
			if alive[n] {
				c.keep(n, key)
			}
			return n < last
		})
		clear(c.state[:])
		c.from = loose
		if k.current[c.camera] == id {
			delete(k.current, c.camera)
		}
		k.dirty = true
	}
	if !k.dirty {
		return nil
	}
	return k.renew(now, needed())
}

// spare are keys that stand by themselves and that no footage needs: none in the index, none being written, none that is on its way out.
func (k *keyring) spare(going map[slot]bool, living func(hourOf, chainID) (map[uint32]bool, error)) (out []slot, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, c := range k.chains {
		if len(c.own) == 0 {
			continue
		}
		alive, err := living(hourOf{c.camera, c.hour}, id)
		if err != nil {
			return nil, err
		}
		k.addOpen(id, alive)
		for n := range c.own {
			if s := (slot{id, n}); !alive[n] && !going[s] {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// hours are the clock hours that the table, or the write-only file, has keys of; a locked table does not tell.
func (k *keyring) hours() (hours map[hourOf]bool, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	hours = map[hourOf]bool{}
	for _, c := range k.chains {
		hours[hourOf{c.camera, c.hour}] = true
	}
	return hours, !k.locked
}

// close wipes what is in memory.
func (k *keyring) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, c := range k.chains {
		c.wipe()
		delete(k.chains, id)
	}
	k.now.wipe()
	if k.coming != nil {
		k.coming.wipe()
	}
	for _, p := range k.private {
		clear(p.bytes[:])
	}
}
