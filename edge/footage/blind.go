package footage

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// blindFile holds the keys of what is recorded while the table is locked, each sealed (HPKE, RFC 9180: X25519, HKDF-SHA256, AES-256-GCM) to a public key of which the
// private half stands in the table: what is written in it this recorder itself cannot read until the share comes.
//
//	"BWBLIND1" (8) | public key (32) | SHA-256 of these (32) | zeros to 4096
//	and then, 256 bytes each, so that none crosses a sector's border:
//	"BWK1" (4) | chain (8) | place (4) | hour (8) | length of camera (1) | camera (64) | sealed key (80) | first 16 of the SHA-256 of these | zeros
//
// A record that begins "BWX1" names a key in the table that is to be destroyed as soon as it opens: that of a file which a crash left open, and which had to go unread.
//
// A key that is destroyed is overwritten with zeros, and its place is used again. The disk may keep the old block, and opens it to nobody without the private key; that
// goes with the generation after the one in which the share came.
const blindFile = "writeonly.keys"

const (
	blindHead   = 4096
	blindRecord = 256
	blindSealed = 32 + keySize + tagSize // X25519 encapsulation, key, tag
	blindSumAt  = 4 + 8 + 4 + 8 + 1 + 64 + blindSealed
)

var (
	blindMagic = []byte("BWBLIND1")
	blindMark  = []byte("BWK1")
	doomMark   = []byte("BWX1")
)

// blindPrivate is the private half, and stands in the table.
type blindPrivate struct {
	bytes [keySize]byte
	key   hpke.PrivateKey
}

func newPrivate() *blindPrivate {
	key, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	var b []byte
	if err == nil {
		b, err = key.Bytes()
	}
	if err != nil {
		panic("X25519: " + err.Error()) // of crypto/rand, which never fails
	}
	defer clear(b)
	return &blindPrivate{[keySize]byte(b), key}
}

func parsePrivate(b []byte) (*blindPrivate, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(b)
	if err != nil {
		return nil, err
	}
	return &blindPrivate{[keySize]byte(b), key}, nil
}

func (p *blindPrivate) opens(b *blindKeys) bool {
	return bytes.Equal(p.key.PublicKey().Bytes(), b.public.Bytes())
}

// blindKeys is the file. The key table's lock guards it.
type blindKeys struct {
	file   string
	public hpke.PublicKey
	at     map[slot]int64  // which record
	of     map[slot]hourOf // what it is for
	doomed map[slot]hourOf // in the table, and to be destroyed there
	free   []int64         // records that were overwritten
	next   int64           // the first that never was
}

func (b *blindKeys) has(s slot) bool {
	if b == nil {
		return false
	}
	_, ok := b.at[s]
	return ok
}

func (b *blindKeys) any(match func(slot, hourOf) bool) bool {
	if b == nil {
		return false
	}
	for s, of := range b.of {
		if match(s, of) {
			return true
		}
	}
	return false
}

func (k *keyring) blindPath() string { return filepath.Join(k.dir, blindFile) }

// blindBound is the HPKE info of a key.
func (k *keyring) blindBound(s slot) []byte {
	return fmt.Appendf(nil, "beeldwacht write-only key\n%s\n%s\n%s\n", k.recorder, k.volume, s)
}

// makeBlind makes the file anew, without a key.
func makeBlind(k *keyring, private *blindPrivate) (*blindKeys, error) {
	public := private.key.PublicKey()
	head := append(bytes.Clone(blindMagic), public.Bytes()...)
	sum := sha256.Sum256(head)
	head = append(append(head, sum[:]...), make([]byte, blindHead)...)[:blindHead]
	if err := disk.Replace(k.disk, k.blindPath(), head); err != nil {
		return nil, err
	}
	return &blindKeys{file: k.blindPath(), public: public, at: map[slot]int64{}, of: map[slot]hourOf{}, doomed: map[slot]hourOf{}}, nil
}

// openBlind reads the file; nil when there is none. A record that was torn never had a segment.
func openBlind(k *keyring) (*blindKeys, error) {
	raw, err := disk.ReadFile(k.disk, k.blindPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(raw) < blindHead || !bytes.HasPrefix(raw, blindMagic) {
		return nil, fmt.Errorf("%s: no write-only keys of a version that is known here", k.blindPath())
	}
	sum := sha256.Sum256(raw[:40])
	public, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(raw[8:40])
	if err != nil || !bytes.Equal(sum[:], raw[40:72]) {
		return nil, fmt.Errorf("%s: its head is damaged", k.blindPath())
	}
	b := &blindKeys{file: k.blindPath(), public: public, at: map[slot]int64{}, of: map[slot]hourOf{}, doomed: map[slot]hourOf{}, next: int64(len(raw)-blindHead+blindRecord-1) / blindRecord}
	for i := range b.next {
		s, of, sealed, ok := parseBlind(raw[blindHead+i*blindRecord:])
		switch {
		case !ok:
			b.free = append(b.free, i)
		case sealed == nil:
			b.doomed[s] = of
		default:
			b.at[s], b.of[s] = i, of
		}
	}
	return b, nil
}

// parseBlind reads a record; one that dooms a key has nothing sealed.
func parseBlind(b []byte) (s slot, of hourOf, sealed []byte, ok bool) {
	doom := bytes.HasPrefix(b, doomMark)
	if len(b) < blindRecord || !doom && !bytes.HasPrefix(b, blindMark) {
		return s, of, nil, false
	}
	sum := sha256.Sum256(b[:blindSumAt])
	n := int(b[24])
	if !bytes.Equal(sum[:16], b[blindSumAt:blindSumAt+16]) || n > 64 {
		return s, of, nil, false
	}
	s = slot{chainID(b[4:12]), binary.BigEndian.Uint32(b[12:])}
	of = hourOf{protocol.CameraID(b[25 : 25+n]), int64(binary.BigEndian.Uint64(b[16:]))}
	if doom {
		return s, of, nil, true
	}
	return s, of, b[blindSumAt-blindSealed : blindSumAt], true
}

// add seals a key, and returns when it will be there after a power cut.
func (b *blindKeys) add(k *keyring, s slot, of hourOf, key []byte) error {
	sealed, err := hpke.Seal(b.public, hpke.HKDFSHA256(), hpke.AES256GCM(), k.blindBound(s), key)
	if err != nil || len(sealed) != blindSealed {
		return errors.Join(fmt.Errorf("a key sealed to %d bytes", len(sealed)), err)
	}
	i, err := b.put(k, blindMark, s, of, sealed)
	if err != nil {
		return err
	}
	b.at[s], b.of[s] = i, of
	return nil
}

// doom has a key in the table destroyed as soon as that opens.
func (b *blindKeys) doom(k *keyring, s slot, of hourOf) error {
	_, err := b.put(k, doomMark, s, of, nil)
	if err == nil {
		b.doomed[s] = of
	}
	return err
}

// put writes a record. Where that fails it stays taken: nobody knows what the disk has.
func (b *blindKeys) put(k *keyring, mark []byte, s slot, of hourOf, sealed []byte) (i int64, err error) {
	r := append(make([]byte, 0, blindRecord), mark...)
	r = append(r, s.chain[:]...)
	r = binary.BigEndian.AppendUint32(r, s.n)
	r = binary.BigEndian.AppendUint64(r, uint64(of.hour))
	r = append(append(r, byte(len(of.camera))), of.camera...)
	r = r[:blindSumAt]
	copy(r[blindSumAt-blindSealed:], sealed)
	sum := sha256.Sum256(r)
	r = append(r, sum[:16]...)[:blindRecord]
	i = b.next
	if n := len(b.free); n > 0 {
		i, b.free = b.free[n-1], b.free[:n-1]
	} else {
		b.next++
	}
	return i, errors.Join(b.write(k, map[int64][]byte{i: r}), k.at("write-only key kept"))
}

// remove overwrites the keys that match.
func (b *blindKeys) remove(k *keyring, match func(slot, hourOf) bool) error {
	if b == nil {
		return nil
	}
	gone := map[int64][]byte{}
	for s, i := range b.at {
		if match(s, b.of[s]) {
			gone[i] = make([]byte, blindRecord)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := errors.Join(b.write(k, gone), k.at("write-only keys destroyed")); err != nil {
		return err
	}
	for s, i := range b.at {
		if gone[i] != nil {
			delete(b.at, s)
			delete(b.of, s)
			b.free = append(b.free, i)
		}
	}
	return nil
}

func (b *blindKeys) write(k *keyring, records map[int64][]byte) error {
	f, err := k.disk.OpenFile(b.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for i, r := range records {
		if _, err = f.WriteAt(r, blindHead+i*blindRecord); err != nil {
			break
		}
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// takeIn brings an open table up to what was recorded write-only, and makes the pair of keys for a file that begins anew with the next generation.
func (k *keyring) takeIn(living func(hourOf, chainID) (map[uint32]bool, error)) error {
	if err := errors.Join(k.moveIn(), k.tidyLoose(living), k.forgetDoomed(living)); err != nil {
		return err
	}
	k.fresh = newPrivate()
	k.private = append(k.private, k.fresh)
	return nil
}

// moveIn takes the keys of the write-only file into the open table. One that does not open was put there by somebody else, or is damaged: it is not here.
func (k *keyring) moveIn() error {
	if k.blind == nil {
		return nil
	}
	f, err := disk.Open(k.disk, k.blind.file)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	raw := make([]byte, blindRecord)
	for s, i := range k.blind.at {
		if _, err := f.ReadAt(raw, blindHead+i*blindRecord); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		same, of, sealed, ok := parseBlind(raw)
		if !ok || same != s {
			continue
		}
		for _, p := range k.private {
			key, err := hpke.Open(p.key, hpke.HKDFSHA256(), hpke.AES256GCM(), k.blindBound(s), sealed)
			if err != nil {
				continue
			}
			c := k.chains[s.chain]
			if c == nil || c.from != loose {
				c = &keyChain{camera: of.camera, hour: of.hour, from: loose}
				k.chains[s.chain] = c
			}
			c.keep(s.n, key)
			clear(key)
		}
	}
	return nil
}

// forgetDoomed destroys in memory what was doomed while the table was locked; the next generation does on disk.
func (k *keyring) forgetDoomed(living func(hourOf, chainID) (map[uint32]bool, error)) error {
	if k.blind == nil {
		return nil
	}
	for s := range k.blind.doomed {
		if c := k.chains[s.chain]; c != nil {
			if err := k.forget(c, s.chain, map[uint32]bool{s.n: true}, living); err != nil {
				return err
			}
		}
	}
	return nil
}

// tidyLoose drops the keys of chains without a state of which the footage is gone, or never was: a crash may have left a key both here and in the write-only file, and only
// there was it destroyed; and a file of which not even the head was written told nobody which key it has.
func (k *keyring) tidyLoose(living func(hourOf, chainID) (map[uint32]bool, error)) error {
	for id, c := range k.chains {
		if c.from != loose {
			continue
		}
		alive, err := living(hourOf{c.camera, c.hour}, id)
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
	}
	return nil
}
