package footage

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/beeldwacht/beeldwacht/edge/disk"
)

// reserve is a file beside the index that takes space as long as there is any. On a disk that others have filled it goes, so that the index can take the tombstones of what is due
// (invariants 3 and 5): what then expires makes room for all that follows. Its content is random, since a file system that compresses would keep nothing of zeros.
const (
	reserve     = "reserve"
	reserveSize = 1 << 20
)

// keepReserve makes it, where it is not there and there is space to spare. The caller has sweeping.
func (s *Store) keepReserve() {
	if s.reserved {
		return
	}
	name := filepath.Join(s.Dir, reserve)
	if info, err := s.Disk.Lstat(name); err == nil && info.Size() == reserveSize {
		s.reserved = true
		return
	}
	if free, _, err := s.Disk.Free(s.Dir); err != nil || free < s.MinFree {
		return
	}
	b := make([]byte, reserveSize)
	fill(b)
	if err := disk.WriteFile(s.Disk, name, b); err != nil {
		s.Log.Error("footage: no space could be reserved for the index", "error", err)
		return
	}
	s.reserved = true
}

// spendReserve gives its space to the index, when an error tells of none, and says whether there was any. The caller has sweeping.
func (s *Store) spendReserve(err error) bool {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) || !s.reserved {
		return false
	}
	s.reserved = false
	if err := s.Disk.Remove(filepath.Join(s.Dir, reserve)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Log.Error("footage: the space reserved for the index cannot be had", "error", err)
		return false
	}
	return true
}
