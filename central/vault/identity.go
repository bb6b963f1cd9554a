package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// NewIdentity makes the age key that opens bags and keeps it in a file that only its owner reads (mode 0600), in the form of
// age-keygen. It never overwrites: bags encrypted to the old key could not be opened any more.
func NewIdentity(path string) (*age.X25519Identity, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("vault identity: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("vault identity %s: exists already; bags may be encrypted to it, so keep it, or move it away yourself", path)
	}
	if err != nil {
		return nil, fmt.Errorf("vault identity: %w", err)
	}
	_, err = fmt.Fprintf(f, "# the key that opens released bags; whoever has it reads them all\n# public key: %s\n%s\n", id.Recipient(), id)
	if err = errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		return nil, fmt.Errorf("vault identity %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return id, nil
}

// LoadIdentity reads the file of NewIdentity or age-keygen. It refuses a file that others than its owner can read.
func LoadIdentity(path string) (*age.X25519Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("vault identity: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("vault identity %s: mode %#o lets others read it; run chmod 600 on it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("vault identity: %w", err)
	}
	ids, err := age.ParseIdentities(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("vault identity %s: %w", path, err)
	}
	id, ok := ids[0].(*age.X25519Identity)
	if len(ids) != 1 || !ok {
		return nil, fmt.Errorf("vault identity %s: want exactly one X25519 identity (AGE-SECRET-KEY-1…)", path)
	}
	return id, nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
