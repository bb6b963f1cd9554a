package ledger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"github.com/beeldwacht/beeldwacht/central"
)

// Keys are the keys of dossiers (central.Dossier), each its own, in a folder outside every database.
//
// # The rule of backups
//
// None that keeps history: a key that comes back opens what was erased. But nothing else has them either: with this folder all that stands in dossiers is lost, and the ledger
// does not open. So mirror it, as it is, to another disk or machine: a copy that forgets when this one forgets.
//
// # Several centres
//
// They share one ledger and so one folder, on a file system that all have mounted and that keeps locks (NFS 4 does). What one adds the others read when they come across it.
//
// # The file
//
// dossiers.keys, mode 0600: places of 128 bytes, one a dossier, in the order in which dossiers came. The first holds no key, but the form. A key is there, on the disk, before the
// first entry that is under it. A destroyed one is overwritten with zeros, in place, and its place is not used again:
//
//	length of the name (1) | name of the dossier (63) | key (32) | SHA-256 of these (32)
//
// A million dossiers are 128 MB. A file is overwritten where the file system lets it; flash memory may keep the old block: it is then deleted, not erased.
type Keys struct {
	file string

	mu   sync.Mutex // guards what follows
	keys map[central.Dossier]*[keySize]byte
	read int64 // the part of the file that has been read
}

const (
	keySize   = 32
	nameSize  = 63
	placeSize = 1 + nameSize + keySize + sha256.Size
	keysForm  = "beeldwacht dossiers v1"
)

// ErrNoKey: the key of a dossier is not here.
var ErrNoKey = errors.New("the key of a dossier is not here")

// OpenKeys takes the folder into use, or makes it.
func OpenKeys(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keys of dossiers: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("keys of dossiers: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("keys of dossiers: %s: mode %o: others can read what opens the dossiers; use chmod 700", dir, info.Mode().Perm())
	}
	k := &Keys{file: filepath.Join(dir, "dossiers.keys"), keys: map[central.Dossier]*[keySize]byte{}}
	if err := k.locked(os.O_RDWR|os.O_CREATE, func(f *os.File) error {
		if info, err := f.Stat(); err != nil || info.Size() > 0 {
			return errors.Join(err, k.readOn(f))
		}
		first := placeOf(keysForm, new([keySize]byte))
		if _, err := f.WriteAt(first, 0); err != nil {
			return err
		}
		k.read = placeSize
		return syncBoth(f, dir)
	}); err != nil {
		return nil, fmt.Errorf("keys of dossiers: %w", err)
	}
	return k, nil
}

func syncBoth(f *os.File, dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), d.Sync(), d.Close())
}

// locked opens the file while no other centre writes it.
func (k *Keys) locked(flag int, do func(*os.File) error) error {
	f, err := os.OpenFile(k.file, flag, 0o600)
	if err != nil {
		return err
	}
	how := syscall.LOCK_SH
	if flag&os.O_RDWR != 0 {
		how = syscall.LOCK_EX
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return errors.Join(fmt.Errorf("%s: lock: %w", k.file, err), f.Close())
	}
	return errors.Join(do(f), f.Close()) // closing unlocks
}

func placeOf(name central.Dossier, key *[keySize]byte) []byte {
	b := make([]byte, placeSize)
	b[0] = byte(len(name))
	copy(b[1:], name)
	copy(b[1+nameSize:], key[:])
	sum := sha256.Sum256(b[:placeSize-sha256.Size])
	copy(b[placeSize-sha256.Size:], sum[:])
	return b
}

// readOn reads what came since, also from another centre. The caller holds mu, or is OpenKeys, and the file's lock. A place that was torn while it was written was never used.
func (k *Keys) readOn(f io.ReaderAt) error {
	more := io.NewSectionReader(f, k.read, 1<<40)
	b := make([]byte, 4096*placeSize)
	defer clear(b)
	for {
		n, err := io.ReadFull(more, b)
		for at := 0; at+placeSize <= n; at += placeSize {
			place := b[at : at+placeSize]
			sum := sha256.Sum256(place[:placeSize-sha256.Size])
			if bytes.Equal(sum[:], place[placeSize-sha256.Size:]) && place[0] <= nameSize {
				name := central.Dossier(place[1 : 1+place[0]])
				if k.read == 0 && at == 0 && name != keysForm {
					return fmt.Errorf("%s: its form is %q, want %q", k.file, name, keysForm)
				}
				key := new([keySize]byte)
				copy(key[:], place[1+nameSize:])
				k.keys[name] = key
			} else if k.read == 0 && at == 0 {
				return fmt.Errorf("%s: this is not a file of keys", k.file)
			}
		}
		k.read += int64(n - n%placeSize)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// find is a dossier's key, nil where there is none.
func (k *Keys) find(o central.Dossier) (*[keySize]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := k.keys[o]; key != nil {
		return new(*key), nil // a copy: the other may be wiped
	}
	info, err := os.Stat(k.file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() < k.read+placeSize {
		return nil, nil
	}
	if err == nil {
		err = k.locked(os.O_RDONLY, func(f *os.File) error { return k.readOn(f) })
	}
	if err != nil {
		return nil, fmt.Errorf("keys of dossiers: %w", err)
	}
	if key := k.keys[o]; key != nil {
		return new(*key), nil
	}
	return nil, nil
}

// add makes keys for dossiers that have none, whichever centre is first.
func (k *Keys) add(dossiers ...central.Dossier) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.locked(os.O_RDWR, func(f *os.File) error {
		if err := k.readOn(f); err != nil {
			return err
		}
		var places []byte
		defer func() { clear(places) }()
		made := map[central.Dossier]*[keySize]byte{}
		for _, o := range dossiers {
			if len(o) > nameSize {
				return fmt.Errorf("dossier %q: at most %d characters", o, nameSize)
			}
			if k.keys[o] != nil || made[o] != nil {
				continue
			}
			made[o] = new([keySize]byte)
			if _, err := rand.Read(made[o][:]); err != nil {
				return err
			}
			places = append(places, placeOf(o, made[o])...)
		}
		if _, err := f.WriteAt(places, k.read); err != nil { // over the rest of one that was torn
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		maps.Copy(k.keys, made)
		k.read += int64(len(places))
		return nil
	})
	if err != nil {
		return fmt.Errorf("keys of dossiers: %w", err)
	}
	return nil
}

// seal encrypts under a dossier's key, which it makes if there is none. bound says where the result belongs: it opens nowhere else.
func (k *Keys) seal(o central.Dossier, plain, bound []byte) ([]byte, error) {
	key, err := k.find(o)
	if err == nil && key == nil {
		if err = k.add(o); err == nil {
			key, err = k.find(o)
		}
	}
	if err != nil {
		return nil, err
	}
	aead, err := subtle.NewAESGCM(key[:])
	if err != nil {
		return nil, err
	}
	return aead.Encrypt(plain, bound)
}

// open decrypts; ErrNoKey where the key is not here (any more).
func (k *Keys) open(o central.Dossier, sealed, bound []byte) ([]byte, error) {
	key, err := k.find(o)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, ErrNoKey
	}
	aead, err := subtle.NewAESGCM(key[:])
	if err != nil {
		return nil, err
	}
	return aead.Decrypt(sealed, bound)
}

// destroy overwrites keys on the disk and forgets them, also those of which another centre has destroyed the place already.
func (k *Keys) destroy(dossiers []central.Dossier) error {
	gone := map[central.Dossier]bool{}
	for _, o := range dossiers {
		gone[o] = true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.locked(os.O_RDWR, func(f *os.File) error {
		if err := k.readOn(f); err != nil {
			return err
		}
		b, zeros := make([]byte, placeSize), make([]byte, placeSize)
		defer clear(b)
		for at := int64(placeSize); at < k.read; at += placeSize {
			if _, err := f.ReadAt(b[:1+nameSize], at); err != nil {
				return err
			}
			if b[0] > 0 && b[0] <= nameSize && gone[central.Dossier(b[1:1+b[0]])] {
				if _, err := f.WriteAt(zeros, at); err != nil {
					return err
				}
			}
		}
		return f.Sync()
	})
	if err != nil {
		return fmt.Errorf("keys of dossiers: %w", err)
	}
	for o := range gone {
		if key := k.keys[o]; key != nil {
			clear(key[:])
			delete(k.keys, o)
		}
	}
	return nil
}

// among are those of these dossiers whose key is here.
func (k *Keys) among(erased []*central.Erasure) (have []central.Dossier) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range erased {
		if k.keys[e.Dossier] != nil {
			have = append(have, e.Dossier)
		}
	}
	return have
}
