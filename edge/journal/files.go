package journal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"syscall"

	"github.com/beeldwacht/beeldwacht/edge/disk"
)

// openAppend opens a file for appending and reading; it is entered in its directory for good before this returns.
func openAppend(d disk.Disk, path string) (disk.File, error) {
	f, err := d.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := d.SyncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close())
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
	return errors.Join(shorten(f, size), f.Close())
}

func shorten(f disk.File, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// again writes what stands in a file from an offset on once more, and syncs it. What a crash, or a sync that failed, left in the machine's memory need not be on the disk, and only what is written
// again is synced again.
func again(d disk.Disk, path string, from int64) error {
	f, err := d.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, from, math.MaxInt64-from))
	if err == nil {
		_, err = f.WriteAt(b, from)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
