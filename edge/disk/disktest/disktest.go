// Package disktest is a disk that fails, tears and forgets, for tests: under a directory of the machine it does what it is asked, numbers each step, and does
// to any of them what a test wants. It remembers what was synced, so that it can say what a power cut would have left.
//
// # What a power cut may leave
//
// No more than POSIX promises has to be there. Of a file: what was written before the last Sync that succeeded; of what was written since, any part. Of a directory: the
// names there were at the last SyncDir that succeeded; of what was done to names since, any part, a rename as one. What stands under a name that is lost is lost with it. After a Sync that failed, what
// it was for may be lost for good, also when a later Sync succeeds, as with Linux: only writing it again helps.
//
// # What it does not cover
//
// bbolt's own files. A transaction is one step here ([disk.Disk].Commit): it fails before anything is written; it stands and is reported as failed; or the power goes before or
// after it. What bbolt does within that step, its order of writing and syncing pages, is taken to be sound.
package disktest

import (
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
			child.base, err = os.ReadFile(path)
			child.size = int64(len(child.base))
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
	base []byte // what is certain
	log  []written
	size int64
}

// naming is something that was done to names: a name is given to a node (nil: to none), and perhaps taken away from another.
type naming struct {
	name, from string
	to         *node
}

type written struct {
	at       int64
	b        []byte
	cut      bool // a truncation to at
	synced   bool
	forsaken bool // a Sync failed on it
}

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

func (n *node) content(lose Loss) []byte {
	b := slices.Clone(n.base)
	for _, w := range n.log {
		switch {
		case w.synced:
			b = w.apply(b)
		case !lose():
			b = w.apply(b)
		case len(w.b) > 1 && !lose():
			w.b = w.b[:len(w.b)/2] // torn
			b = w.apply(b)
		}
	}
	return b
}

func (w written) apply(b []byte) []byte {
	end := w.at + int64(len(w.b))
	if grown := end - int64(len(b)); grown > 0 {
		b = append(b, make([]byte, grown)...)
	}
	if w.cut {
		return b[:w.at]
	}
	copy(b[w.at:], w.b)
	return b
}

func (n *node) write(w written) {
	n.log = append(n.log, w)
	if n.size = max(n.size, w.at+int64(len(w.b))); w.cut {
		n.size = w.at
	}
}

func (n *node) sync() {
	for i := range n.log {
		n.log[i].synced = !n.log[i].forsaken
	}
	for len(n.log) > 0 && n.log[0].synced {
		n.base = n.log[0].apply(n.base)
		n.log = n.log[1:]
	}
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
	case err != nil:
		return err
	case f.Err != nil:
		return &fs.PathError{Op: kind, Path: name, Err: f.Err}
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
			f.node.write(written{cut: true})
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
		n.base, n.size = b, int64(len(b))
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
			at := f.node.size
			if f.flag&os.O_APPEND == 0 {
				if at, err = f.Seek(0, io.SeekCurrent); err != nil {
					return err
				}
			}
			if n, err = f.File.Write(p); err == nil {
				f.node.write(written{at: at, b: slices.Clone(p)})
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
				f.node.write(written{at: off, b: slices.Clone(p)})
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
		if size > f.node.size {
			f.node.write(written{at: f.node.size, b: make([]byte, size-f.node.size)})
		} else {
			f.node.write(written{at: size, cut: true})
		}
		return nil
	}, nil)
}

// Sync does not trouble the machine's disk: what is synced is remembered.
func (f *file) Sync() error {
	err := f.d.step(Sync, f.Name(), func() error { f.node.sync(); return nil }, nil)
	if err != nil {
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		for i := range f.node.log {
			f.node.log[i].forsaken = !f.node.log[i].synced
		}
	}
	return err
}

// Close closes the machine's file also when it is to fail, as the machine does.
func (f *file) Close() error {
	err := f.d.step(Close, f.Name(), func() error { return nil }, nil)
	return errors.Join(err, f.File.Close())
}
