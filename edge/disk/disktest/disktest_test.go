package disktest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/beeldwacht/beeldwacht/edge/disk"
)

// What a power cut leaves of files and names, after steps that were synced and steps that were not.
func TestPowerCut(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(d *Disk, f disk.File, text string) {
		t.Helper()
		_, err := f.Write([]byte(text))
		must(err)
	}
	for name, c := range map[string]struct {
		do         func(d *Disk, dir string, f disk.File) // f is dir/a, with "aaaa" synced, and its name too
		lost, kept string                                 // what is there, as name=content
	}{
		"nothing":                   {func(*Disk, string, disk.File) {}, "a=aaaa ", "a=aaaa "},
		"written":                   {func(d *Disk, dir string, f disk.File) { write(d, f, "bb") }, "a=aaaa ", "a=aaaabb "},
		"synced":                    {func(d *Disk, dir string, f disk.File) { write(d, f, "bb"); must(f.Sync()) }, "a=aaaabb ", "a=aaaabb "},
		"truncated":                 {func(d *Disk, dir string, f disk.File) { must(f.Truncate(1)) }, "a=aaaa ", "a=a "},
		"renamed":                   {func(d *Disk, dir string, f disk.File) { must(d.Rename(dir+"/a", dir+"/b")) }, "a=aaaa ", "b=aaaa "},
		"renamed, directory synced": {func(d *Disk, dir string, f disk.File) { must(d.Rename(dir+"/a", dir+"/b")); must(d.SyncDir(dir)) }, "b=aaaa ", "b=aaaa "},
		"removed":                   {func(d *Disk, dir string, f disk.File) { must(d.Remove(dir + "/a")) }, "a=aaaa ", ""},
		"made, its directory not":   {func(d *Disk, dir string, f disk.File) { must(disk.WriteFile(d, dir+"/c", []byte("c"))) }, "a=aaaa ", "a=aaaa c=c "},
		"replaced":                  {func(d *Disk, dir string, f disk.File) { must(disk.Replace(d, dir+"/a", []byte("z"))) }, "a=z ", "a=z "},
		"a directory that is not synced": {func(d *Disk, dir string, f disk.File) {
			must(d.Mkdir(dir+"/d", 0o700))
			must(disk.WriteFile(d, dir+"/d/e", []byte("e")))
			must(d.SyncDir(dir + "/d"))
		}, "a=aaaa ", "a=aaaa d/e=e "},
		"forsaken by a sync that failed": {func(d *Disk, dir string, f disk.File) {
			write(d, f, "bb")
			d.On(func(o Op) Fault { return Fault{Err: syscall.EIO} })
			if err := f.Sync(); !errors.Is(err, syscall.EIO) {
				t.Error(err)
			}
			d.On(nil)
			must(f.Sync())
		}, "a=aaaa\x00\x00 ", "a=aaaabb "},
		"forsaken, and written again": {func(d *Disk, dir string, f disk.File) {
			write(d, f, "bb")
			d.On(func(o Op) Fault { return Fault{Err: syscall.EIO} })
			if err := f.Sync(); !errors.Is(err, syscall.EIO) {
				t.Error(err)
			}
			d.On(nil)
			write(d, f, "cc")
			must(f.Sync())
		}, "a=aaaabbcc ", "a=aaaabbcc "},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			d, err := New(root)
			must(err)
			f, err := d.OpenFile(root+"/a", os.O_RDWR|os.O_CREATE, 0o600)
			must(err)
			write(d, f, "aaaa")
			must(f.Sync())
			must(d.SyncDir(root))
			c.do(d, root, f)
			d.Cut()
			if _, err := f.Write([]byte("x")); !errors.Is(err, ErrCut) {
				t.Errorf("written without power: %v", err)
			}
			if err := f.Close(); !errors.Is(err, ErrCut) {
				t.Errorf("closed without power: %v", err)
			}
			for want, loss := range map[string]Loss{c.lost: Lost, c.kept: Kept} {
				to := filepath.Join(t.TempDir(), "image")
				must(d.Image(to, loss))
				if got := list(t, to, ""); got != want {
					t.Errorf("left is %q, want %q", got, want)
				}
			}
			for seed := range uint64(20) { // anything between the two, as long as it can be made
				must(d.Image(filepath.Join(t.TempDir(), "image"), Some(seed)))
			}
		})
	}
}

func list(t *testing.T, dir, under string) (out string) {
	entries, err := os.ReadDir(filepath.Join(dir, under))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Join(under, e.Name())
		if e.IsDir() {
			out += list(t, dir, name)
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%s=%s ", name, b)
	}
	return out
}

// Each fault is what it says, and the steps are numbered.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault Fault
		want  string
		fails bool
	}{
		"none":                  {Fault{}, "abcd", false},
		"nothing happened":      {Fault{Err: syscall.ENOSPC}, "", true},
		"happened all the same": {Fault{Err: syscall.EIO, Done: true}, "abcd", true},
		"torn":                  {Fault{Err: syscall.EIO, Torn: true}, "ab", true},
		"cut before":            {Fault{Cut: true}, "", true},
		"cut after":             {Fault{Cut: true, Done: true}, "abcd", true},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			d, err := New(root)
			if err != nil {
				t.Fatal(err)
			}
			d.On(func(o Op) Fault {
				if o.Kind == Write {
					return c.fault
				}
				return Fault{}
			})
			err = disk.WriteFile(d, root+"/a", []byte("abcd"))
			if (err != nil) != c.fails || c.fault.Err != nil && !errors.Is(err, c.fault.Err) {
				t.Errorf("answers %v", err)
			}
			b, err := os.ReadFile(root + "/a")
			if err != nil || string(b) != c.want {
				t.Errorf("%q is there, want %q (%v)", b, c.want, err)
			}
			if ops := d.Ops(); len(ops) < 3 || ops[0].String() != "0 create a" || ops[1].String() != "1 write a" {
				t.Errorf("steps %v", ops)
			}
		})
	}
}
