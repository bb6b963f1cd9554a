package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/beeldwacht/beeldwacht/edge/disk"
)

// openAppend opens a file for appending and reading; a new one is entered in its directory for good before this returns.
func openAppend(d disk.Disk, path string) (disk.File, error) {
	isNew := disk.Absent(d, path)
	f, err := d.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if isNew {
		if err := d.SyncDir(filepath.Dir(path)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// lock keeps other writers out until f is closed.
func lock(f disk.File) error {
	err := f.Lock()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%s: %w; stop it first", f.Name(), ErrInUse)
	}
	return err
}

// cut shortens a file to size bytes, and syncs it.
func cut(d disk.Disk, path string, size int64) error {
	f, err := d.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
