// Package disk is all that a recorder does to files, as an interface: so that a test can make any single step fail, tear or be forgotten (edge/disk/disktest), and
// so that what is done to a disk stands in one place. [OS] is the machine's own.
//
// Whoever writes files with it keeps to two rules, which are all that file systems promise (POSIX; ext4, xfs and btrfs promise more, each something else):
// what was written is there after a power cut once [File].Sync returned; that a name exists, is gone or is another is so once [Disk].SyncDir returned for its directory.
//
// bbolt opens and syncs its own files. What its users give to [Disk].Commit is the moment that counts: before it nothing of a transaction is on the disk, after it all.
package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Disk is what is done to names. Errors are as those of package os; paths are the machine's. Any goroutine may call it.
type Disk interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error) // flags of package os
	Mkdir(name string, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
	Lstat(name string) (fs.FileInfo, error)
	SyncDir(name string) error                         // its names, not what the files hold
	Free(name string) (free, total int64, err error)   // bytes, of the file system that a directory is on
	Commit(database string, commit func() error) error // calls commit, which takes a transaction of a database to the disk
}

// File is an open file.
type File interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	io.Closer
	Name() string
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Sync() error // its content and its size (fdatasync)
	Lock() error // keeps other processes out until Close (flock); errors.Is syscall.EWOULDBLOCK when one holds it
}

// OS is the machine's own disk.
var OS Disk = system{}

type system struct{}

func (system) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (system) Mkdir(name string, perm fs.FileMode) error         { return os.Mkdir(name, perm) }
func (system) Rename(from, to string) error                      { return os.Rename(from, to) }
func (system) Remove(name string) error                          { return os.Remove(name) }
func (system) ReadDir(name string) ([]fs.DirEntry, error)        { return os.ReadDir(name) }
func (system) Lstat(name string) (fs.FileInfo, error)            { return os.Lstat(name) }
func (system) Commit(database string, commit func() error) error { return commit() }

func (system) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (system) Free(name string) (free, total int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(name, &st); err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, nil
}

type file struct{ *os.File }

func (f file) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != syscall.EINTR {
			return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

func (f file) Lock() error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return nil
}

// Open opens a file for reading.
func Open(d Disk, name string) (File, error) { return d.OpenFile(name, os.O_RDONLY, 0) }

// ReadFile reads a whole file.
func ReadFile(d Disk, name string) ([]byte, error) {
	f, err := Open(d, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Size() < 1<<30 { // room for all of it at once
		b.Grow(int(info.Size()) + bytes.MinRead)
	}
	_, err = b.ReadFrom(f)
	return b.Bytes(), errors.Join(err, f.Close())
}

// WriteFile makes or overwrites a file, and syncs its content; not its name.
func WriteFile(d Disk, name string, content []byte) error {
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Replace puts a whole new content in place of a file, by way of name.new, or leaves the old one. After an error either may be what a power cut leaves.
func Replace(d Disk, name string, content []byte) error {
	if err := WriteFile(d, name+".new", content); err != nil {
		return err
	}
	if err := d.Rename(name+".new", name); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(name))
}

// MkdirAll makes a directory and those above it that are not there, for good.
func MkdirAll(d Disk, name string) error {
	parent := filepath.Dir(name)
	if info, err := d.Lstat(name); err == nil && (info.IsDir() || info.Mode()&fs.ModeSymlink != 0) {
		// Whoever made it may have failed to make it stay. Where its parent may not be read, somebody else made it.
		if err := d.SyncDir(parent); !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	}
	if parent != name {
		if err := MkdirAll(d, parent); err != nil {
			return err
		}
	}
	if err := d.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.SyncDir(parent)
}

// Absent says that a name is known not to exist.
func Absent(d Disk, name string) bool {
	_, err := d.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
}
