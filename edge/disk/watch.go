package disk

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
)

// damage is what a disk answers that is failing, or that its file system gave up on. Anything else is an answer: no such name, no space, not allowed.
var damage = []error{syscall.EIO, syscall.EROFS, syscall.ENXIO, syscall.ENODEV, syscall.EUCLEAN, syscall.ESTALE}

// Watch is a disk of which every error that means damage is told, also where whoever asked can go on without. Tell may be called from any goroutine.
func Watch(d Disk, tell func(error)) Disk { return watched{d, tell} }

type watched struct {
	Disk
	tell func(error)
}

func (w watched) see(err error) error {
	if err != nil && slices.ContainsFunc(damage, func(d error) bool { return errors.Is(err, d) }) {
		w.tell(err)
	}
	return err
}

func (w watched) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := w.Disk.OpenFile(name, flag, perm)
	if w.see(err) != nil {
		return nil, err
	}
	return watchedFile{f, w}, nil
}

func (w watched) Mkdir(name string, perm fs.FileMode) error { return w.see(w.Disk.Mkdir(name, perm)) }
func (w watched) Rename(from, to string) error              { return w.see(w.Disk.Rename(from, to)) }
func (w watched) Remove(name string) error                  { return w.see(w.Disk.Remove(name)) }
func (w watched) SyncDir(name string) error                 { return w.see(w.Disk.SyncDir(name)) }
func (w watched) Commit(database string, commit func() error) error {
	return w.see(w.Disk.Commit(database, commit))
}

func (w watched) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := w.Disk.ReadDir(name)
	return entries, w.see(err)
}

func (w watched) Lstat(name string) (fs.FileInfo, error) {
	info, err := w.Disk.Lstat(name)
	return info, w.see(err)
}

func (w watched) Free(name string) (free, total int64, err error) {
	free, total, err = w.Disk.Free(name)
	return free, total, w.see(err)
}

type watchedFile struct {
	File
	w watched
}

func (f watchedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	return n, f.w.see(err)
}

func (f watchedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	return n, f.w.see(err)
}

func (f watchedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.w.see(err)
}

func (f watchedFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, f.w.see(err)
}

func (f watchedFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return info, f.w.see(err)
}

func (f watchedFile) Truncate(size int64) error { return f.w.see(f.File.Truncate(size)) }
func (f watchedFile) Sync() error               { return f.w.see(f.File.Sync()) }
func (f watchedFile) Close() error              { return f.w.see(f.File.Close()) }
