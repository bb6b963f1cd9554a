// Package disktest is a disk that fails, tears and forgets, for tests: under a directory of the machine it does what it is asked, numbers each step, and does
// to any of them what a test wants. It remembers what was synced, so that it can say what a power cut would have left.
//
// # What a power cut may leave
//
// No more than POSIX promises has to be there. Of a file: what was written before the last Sync that succeeded; of its size and of each page of 4 KiB written since, the old, the
// new, or some sectors of each. Of a directory: the names there were at the last SyncDir that succeeded; of what was done to names since, any part, a rename as one. What stands
// under a name that is lost is lost with it. What a Sync that failed was for may be lost for good, also when a later Sync succeeds, as with Linux: only writing it again helps.
//
// # What it does not cover
//
// bbolt's own files. A transaction is one step here ([disk.Disk].Commit): it fails before anything is written; it stands and is reported as failed; or the power goes before or
// after it. What bbolt does within that step, its order of writing and syncing pages, is taken to be sound.
package disktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/beeldwacht/beeldwacht/edge/disk"
)

// Op is one step.
type Op struct {
	N    int    // of all steps, from 0 on
	Kind string // one of the constants below
	Name string // the file or directory, relative to the disk's root; of a rename, where it goes
}

func (o Op) String() string { return fmt.Sprintf("%d %s %s", o.N, o.Kind, o.Name) }

// Kinds of steps. Those from Create on change something.
const (
	Open, Read, ReadDir, Lstat, Free, Close = "open", "read", "read directory", "lstat", "free", "close"
	Create, Write, Truncate, Sync           = "create", "write", "truncate", "sync"
	Mkdir, Rename, Remove, SyncDir, Commit  = "mkdir", "rename", "remove", "sync directory", "commit"
)

// Changes says whether a step changes what is on the disk, or makes it stay.
func (o Op) Changes() bool {
	return !slices.Contains([]string{Open, Read, ReadDir, Lstat, Free, Close}, o.Kind)
}

// Fault is what becomes of a step. The zero Fault is none.
type Fault struct {
	Err  error // what it answers
	Done bool  // it happens all the same
	Torn bool  // half of it happens, of a write or a truncation
	Cut  bool  // the power goes: everything from here on fails
}

// ErrCut is the answer of a disk without power.
var ErrCut = fmt.Errorf("the power is gone: %w", syscall.EIO)

// Disk is one. Any goroutine may use it.
type Disk struct {
	root string

	mu   sync.Mutex // guards what follows, and is held during each step that changes something
	n    int
	ops  []Op
	on   func(Op) Fault
	cut  bool
	tree *node
	free func() (free, total int64)
}

var _ disk.Disk = (*Disk)(nil)

// New is a disk under a directory, with what is in it taken as synced.
func New(root string) (*Disk, error) {
	d := &Disk{root: root, tree: newDir()}
	return d, d.adopt(root, d.tree)
}

func (d *Disk) adopt(name string, n *node) error {
	entries, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		child, path := &node{}, filepath.Join(name, e.Name())
		if e.IsDir() {
			child = newDir()
			err = d.adopt(path, child)
		} else {
			child.now, err = os.ReadFile(path)
			child.stable = slices.Clone(child.now)
		}
		if err != nil {
			return err
		}
		n.names[e.Name()], n.synced[e.Name()] = child, child
	}
	return nil
}

// On says what becomes of each step from here on; nil: nothing goes wrong. It may block: then that step hangs.
func (d *Disk) On(f func(Op) Fault) { d.mu.Lock(); defer d.mu.Unlock(); d.on = f }

// Space says what Free answers; nil: what the machine says.
func (d *Disk) Space(f func() (free, total int64)) { d.mu.Lock(); defer d.mu.Unlock(); d.free = f }

// Ops are the steps so far.
func (d *Disk) Ops() []Op { d.mu.Lock(); defer d.mu.Unlock(); return slices.Clone(d.ops) }

// Cut takes the power away.
func (d *Disk) Cut() { d.mu.Lock(); defer d.mu.Unlock(); d.cut = true }

// Resume gives it back with nothing lost, as when only the process was killed.
func (d *Disk) Resume() { d.mu.Lock(); defer d.mu.Unlock(); d.cut = false }

// Loss is what of the unsynced a power cut takes.
type Loss func() bool

// Lost, Kept and Some lose everything that was not synced, nothing (as when only the process was killed), and by chance.
func Lost() bool { return true }
func Kept() bool { return false }
func Some(seed uint64) Loss {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() bool { return r.IntN(2) == 0 }
}

// Image writes what a power cut now would leave to a directory that is made.
func (d *Disk) Image(dir string, lose Loss) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tree.image(dir, lose)
}

// node is a file or a directory as it is and as it would be.
type node struct {
	// Of a directory.
	names  map[string]*node // nil: a file
	synced map[string]*node
	done   []naming // since

	// Of a file.
	now    []byte
	stable []byte
	dirty  map[int64]bool // pages that a Sync would write
}

// naming is something that was done to names: a name is given to a node (nil: to none), and perhaps taken away from another.
type naming struct {
	name, from string
	to         *node
}

const (
	page   = 4096 // what the machine's memory keeps of a file, and writes as one, if not torn
	sector = 512  // what a disk writes as one
)

func newDir() *node { return &node{names: map[string]*node{}, synced: map[string]*node{}} }

func (n *node) image(path string, lose Loss) error {
	if n.names == nil {
		return os.WriteFile(path, n.content(lose), 0o600)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	names := maps.Clone(n.synced)
	for _, d := range n.done {
		if lose() {
			continue
		}
		d.apply(names)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := names[name].image(filepath.Join(path, name), lose); err != nil {
			return err
		}
	}
	return nil
}

func (d naming) apply(names map[string]*node) {
	if d.from != "" {
		delete(names, d.from)
	}
	if d.to == nil {
		delete(names, d.name)
	} else {
		names[d.name] = d.to
	}
}

// content is what is left of a file: of its size and of each page that was not synced the old or the new, or some of both.
func (n *node) content(lose Loss) []byte {
	size := len(n.stable)
	if size != len(n.now) && !lose() {
		size = len(n.now)
	}
	b := resize(slices.Clone(n.stable), size)
	for at := 0; at < size; at += page {
		end := min(at+page, size, len(n.now))
		if at >= end || bytes.Equal(b[at:end], n.now[at:end]) {
			continue
		}
		if !lose() {
			copy(b[at:end], n.now[at:end])
			continue
		}
		for ; at+sector < end && !lose(); at += sector { // torn
			copy(b[at:at+sector], n.now[at:])
		}
		at -= at % page
	}
	return b
}

func resize(b []byte, size int) []byte {
	if size <= len(b) {
		return b[:size]
	}
	return append(b, make([]byte, size-len(b))...)
}

func (n *node) write(at int64, b []byte) {
	end := at + int64(len(b))
	n.now = resize(n.now, max(len(n.now), int(end)))
	copy(n.now[at:], b)
	n.touch(at, end)
}

func (n *node) truncate(size int64) {
	old := int64(len(n.now))
	n.now = resize(n.now[:min(size, old):min(size, old)], int(size))
	n.touch(min(size, old), max(size, old))
}

func (n *node) touch(from, to int64) {
	if n.dirty == nil {
		n.dirty = map[int64]bool{}
	}
	for p := from / page; p*page < to; p++ {
		n.dirty[p] = true
	}
}

func (n *node) sync() {
	n.stable = resize(n.stable, len(n.now))
	for p := range n.dirty {
		if at := p * page; at < int64(len(n.now)) {
			copy(n.stable[at:min(at+page, int64(len(n.now)))], n.now[at:])
		}
	}
	n.dirty = nil
}

// step numbers a step, asks what becomes of it, and does it.
func (d *Disk) step(kind, name string, do, half func() error) error {
	rel, err := filepath.Rel(d.root, name)
	if err != nil {
		return err
	}
	d.mu.Lock()
	op := Op{d.n, kind, rel}
	d.n++
	d.ops = append(d.ops, op)
	on := d.on
	d.mu.Unlock()
	var f Fault
	if on != nil {
		f = on(op)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return &fs.PathError{Op: kind, Path: name, Err: ErrCut}
	}
	defer func() { d.cut = d.cut || f.Cut }()
	switch {
	case f.Torn && half != nil:
		err = half()
	case f.Done || f.Err == nil && !f.Cut:
		err = do()
	}
	switch {
	case f.Err != nil:
		return &fs.PathError{Op: kind, Path: name, Err: f.Err}
	case err != nil:
		return err
	case f.Cut:
		return &fs.PathError{Op: kind, Path: name, Err: ErrCut}
	}
	return nil
}

// dir is the directory that a name stands in; nil where it is not under the root.
func (d *Disk) dir(name string) (*node, string) {
	n, err := d.find(filepath.Dir(name))
	if err != nil || n.names == nil {
		return nil, ""
	}
	return n, filepath.Base(name)
}

func (d *Disk) find(name string) (*node, error) {
	rel, err := filepath.Rel(d.root, name)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, fmt.Errorf("%s is not under %s", name, d.root)
	}
	n := d.tree
	for _, part := range strings.Split(rel, string(filepath.Separator)) {
		if part == "." {
			continue
		}
		if n = n.names[part]; n == nil {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
	}
	return n, nil
}

func (d *Disk) name(name, from string, to *node) {
	dir, base := d.dir(name)
	if dir == nil {
		return
	}
	n := naming{name: base, to: to}
	if from != "" {
		n.from = filepath.Base(from) // of the same directory: nobody here moves files between two
	}
	n.apply(dir.names)
	dir.done = append(dir.done, n)
}

func (d *Disk) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	kind := Open
	if flag&os.O_CREATE != 0 && disk.Absent(disk.OS, name) {
		kind = Create
	} else if flag&os.O_TRUNC != 0 {
		kind = Truncate
	}
	f := &file{d: d, flag: flag}
	err := d.step(kind, name, func() (err error) {
		if f.File, err = disk.OS.OpenFile(name, flag, perm); err != nil {
			return err
		}
		if f.node, err = d.find(name); kind == Create {
			f.node, err = &node{}, nil
			d.name(name, "", f.node)
		} else if kind == Truncate && err == nil {
			f.node.truncate(0)
		}
		return nil
	}, nil)
	if err != nil && f.File != nil {
		err = errors.Join(err, f.File.Close())
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *Disk) Mkdir(name string, perm fs.FileMode) error {
	return d.step(Mkdir, name, func() error {
		if err := os.Mkdir(name, perm); err != nil {
			return err
		}
		d.name(name, "", newDir())
		return nil
	}, nil)
}

func (d *Disk) Rename(from, to string) error {
	return d.step(Rename, to, func() error {
		n, err := d.find(from)
		if err != nil {
			return err
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
		d.name(to, from, n)
		return nil
	}, nil)
}

func (d *Disk) Remove(name string) error {
	return d.step(Remove, name, func() error {
		if err := os.Remove(name); err != nil {
			return err
		}
		if _, err := d.find(name); err == nil { // otherwise bbolt's, begun and never committed to
			d.name(name, "", nil)
		}
		return nil
	}, nil)
}

func (d *Disk) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = d.step(ReadDir, name, func() (err error) { entries, err = os.ReadDir(name); return err }, nil)
	return entries, err
}

func (d *Disk) Lstat(name string) (info fs.FileInfo, err error) {
	err = d.step(Lstat, name, func() (err error) { info, err = os.Lstat(name); return err }, nil)
	return info, err
}

func (d *Disk) SyncDir(name string) error {
	return d.step(SyncDir, name, func() error {
		if _, err := os.Lstat(name); err != nil {
			return err
		}
		if n, err := d.find(name); err == nil && n.names != nil {
			n.synced, n.done = maps.Clone(n.names), nil
		}
		return nil
	}, nil)
}

func (d *Disk) Free(name string) (free, total int64, err error) {
	err = d.step(Free, name, func() (err error) {
		if d.free != nil {
			free, total = d.free()
			return nil
		}
		free, total, err = disk.OS.Free(name)
		return err
	}, nil)
	return free, total, err
}

func (d *Disk) Commit(database string, commit func() error) error {
	return d.step(Commit, database, func() error {
		if err := commit(); err != nil {
			return err
		}
		b, err := os.ReadFile(database)
		if err != nil {
			return err
		}
		n, err := d.find(database)
		if err != nil { // bbolt made it
			n = &node{}
			d.name(database, "", n)
		}
		n.now, n.stable = b, slices.Clone(b)
		return nil
	}, nil)
}

// file is an open one.
type file struct {
	disk.File
	d    *Disk
	node *node // nil: not under the root
	flag int
}

func (f *file) Read(p []byte) (n int, err error) {
	err = f.d.step(Read, f.Name(), func() (err error) { n, err = f.File.Read(p); return err }, nil)
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.d.step(Read, f.Name(), func() (err error) { n, err = f.File.ReadAt(p, off); return err }, nil)
	return n, err
}

func (f *file) Write(p []byte) (n int, err error) {
	do := func(p []byte) func() error {
		return func() (err error) {
			at := int64(len(f.node.now))
			if f.flag&os.O_APPEND == 0 {
				if at, err = f.Seek(0, io.SeekCurrent); err != nil {
					return err
				}
			}
			if n, err = f.File.Write(p); err == nil {
				f.node.write(at, p)
			}
			return err
		}
	}
	err = f.d.step(Write, f.Name(), do(p), do(p[:len(p)/2]))
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	do := func(p []byte) func() error {
		return func() (err error) {
			if n, err = f.File.WriteAt(p, off); err == nil {
				f.node.write(off, p)
			}
			return err
		}
	}
	err = f.d.step(Write, f.Name(), do(p), do(p[:len(p)/2]))
	return n, err
}

func (f *file) Truncate(size int64) error {
	return f.d.step(Truncate, f.Name(), func() error {
		if err := f.File.Truncate(size); err != nil {
			return err
		}
		f.node.truncate(size)
		return nil
	}, nil)
}

// Sync does not trouble the machine's disk: what is synced is remembered.
func (f *file) Sync() error {
	err := f.d.step(Sync, f.Name(), func() error { f.node.sync(); return nil }, nil)
	if err != nil {
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		f.node.dirty = nil // forsaken
	}
	return err
}

// Close closes the machine's file also when it is to fail, as the machine does.
func (f *file) Close() error {
	err := f.d.step(Close, f.Name(), func() error { return nil }, nil)
	return errors.Join(err, f.File.Close())
}
