package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The seam costs no memory where frames are written.
func TestWritingAllocatesNothing(t *testing.T) {
	d := Watch(OS, func(error) { t.Error("told of an error") })
	f, err := d.OpenFile(filepath.Join(t.TempDir(), "a"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	if n := testing.AllocsPerRun(50, func() {
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations a write", n)
	}
}

// What means damage is told; an answer is not.
func TestWatchTellsOfDamage(t *testing.T) {
	var told []error
	d := Watch(failing{OS}, func(err error) { told = append(told, err) })
	if _, err := Open(d, filepath.Join(t.TempDir(), "nothing")); !errors.Is(err, os.ErrNotExist) || len(told) > 0 {
		t.Error(err, told)
	}
	if err := d.SyncDir(t.TempDir()); !errors.Is(err, syscall.EIO) || len(told) != 1 || !errors.Is(told[0], syscall.EIO) {
		t.Error(err, told)
	}
}

type failing struct{ Disk }

func (failing) SyncDir(name string) error {
	return &os.PathError{Op: "sync", Path: name, Err: syscall.EIO}
}

// A directory is made with those above it, and one that is there is left as it is.
func TestMkdirAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	for range 2 {
		if err := MkdirAll(OS, dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteFile(OS, filepath.Join(dir, "f"), nil); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(OS, filepath.Join(dir, "f", "g")); err == nil {
		t.Error("made below a file")
	}
}
