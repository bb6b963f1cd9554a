package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What real file systems do to a real recorder, and what its operator sees of it. The test runs itself again in a mount namespace of its own, so that nothing it mounts is
// seen by others or outlives it.
const inNamespace = "BEELDWACHT_EDGE_TEST_MOUNTS"

func TestDisks(t *testing.T) {
	t.Parallel()
	self := exec.Command(os.Args[0], "-test.run=^TestInNamespace$", "-test.v", "-test.timeout=10m")
	self.Env = append(os.Environ(), inNamespace+"=1")
	self.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 { // root in a namespace of users may mount, but not everything
		self.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		self.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		self.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := self.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("this machine gives no mount namespace, so no disk is mounted: %v; run it as root, or allow unprivileged user namespaces", err)
	}
	for _, skipped := range regexp.MustCompile(`(?m)^ *disks_test.go:\d+: skipped: .*$`).FindAllString(string(out), -1) {
		t.Log(strings.TrimSpace(skipped))
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// mounted is a disk of a recorder: a file system, and the folder of the recorder that it stands under.
type mounted struct {
	*cabinet
	dir, fs string
}

// mount puts a folder of the recorder's data on a small file system in memory.
func (c *cabinet) mount(name, options string) *mounted {
	c.Helper()
	m := &mounted{c, c.path("data", name), c.path("disk-" + name)}
	c.must(os.MkdirAll(m.fs, 0o700))
	if err := unix.Mount("tmpfs", m.fs, "tmpfs", 0, "mode=700,"+options); err != nil {
		c.Skipf("skipped: tmpfs cannot be mounted: %v", err)
	}
	m.fill0()
	return m
}

// fill0 moves what the folder holds to the file system and puts that in its place.
func (m *mounted) fill0() {
	m.Helper()
	m.must(os.MkdirAll(m.dir, 0o700))
	m.must(os.CopyFS(m.fs, os.DirFS(m.dir)))
	m.must(os.RemoveAll(m.dir))
	m.must(os.Mkdir(m.dir, 0o700))
	m.plug()
	m.Cleanup(func() {
		for _, dir := range []string{m.dir, m.fs} {
			for unix.Unmount(dir, unix.MNT_DETACH) == nil { // whatever a test that failed left there
			}
		}
	})
}

// device is a file system that stands on a file: one that can be frozen, and that gives up.
func (c *cabinet) device(name string) *mounted {
	c.Helper()
	if os.Geteuid() != 0 || os.Getenv("container") != "" {
		c.Skip("skipped: a loop device needs root")
	}
	m := &mounted{c, c.path("data", name), c.path("disk-" + name)}
	image := c.path(name + ".img")
	c.must(os.MkdirAll(m.fs, 0o700))
	c.must(os.WriteFile(image, nil, 0o600))
	c.must(os.Truncate(image, 64<<20))
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-m", "0", image}, {"mount", "-o", "loop", image, m.fs}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			c.Skipf("skipped: %s: %v %s", args, err, out)
		}
	}
	c.must(os.Remove(filepath.Join(m.fs, "lost+found")))
	m.fill0()
	return m
}

// unplug takes the disk away from under the recorder, though its files are open; plug puts it back.
func (m *mounted) unplug() { m.Helper(); m.must(unix.Unmount(m.dir, unix.MNT_DETACH)) }
func (m *mounted) plug()   { m.Helper(); m.must(unix.Mount(m.fs, m.dir, "", unix.MS_BIND, "")) }

// fill has something else take all that is left of the disk, and all that the recorder frees, until it is asked to stop.
func (m *mounted) fill() (free func()) {
	m.Helper()
	filler := filepath.Join(m.fs, "filler")
	f, err := os.Create(filler)
	m.must(err)
	stop, stopped := make(chan struct{}), make(chan struct{})
	fill := func() {
		for size := 1 << 20; size > 0; {
			if _, err := f.Write(make([]byte, size)); err != nil {
				size /= 2
			}
		}
	}
	fill()
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				fill()
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-stopped
		m.must(errors.Join(f.Close(), os.Remove(filler)))
	})
}

func (c *cabinet) recording(since time.Time) bool {
	at := c.camera("plein")
	return at.State == "recording" && at.LastFrame != nil && at.LastFrame.After(since) && at.Oldest != nil
}

// says waits until the operator's page says something.
func (c *cabinet) says(pattern string) {
	c.Helper()
	re := regexp.MustCompile(pattern)
	c.until("the page says "+pattern, func() bool { page, _, _ := c.do("status"); return re.MatchString(unwrapped(page)) })
}

// sound is a check without findings.
func (c *cabinet) sound() {
	c.Helper()
	if out, errs, code := c.do("check"); code != 0 {
		c.Errorf("check: exit code %d\n%s%s", code, out, errs)
	}
}

// refuses starts the recorder, which must not run on what it finds, and says why.
func (c *cabinet) refuses(why string) {
	c.Helper()
	r := c.start(time.Minute)
	select {
	case <-r.gone:
	case <-time.After(30 * time.Second):
		c.Fatal("it runs")
	}
	if said := r.log.String(); r.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said, why) {
		c.Errorf("exit code %d, and it does not say %q:\n%s", r.cmd.ProcessState.ExitCode(), why, said)
	}
}

func (c *cabinet) tree(dir string) (names []string) {
	c.Helper()
	c.must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir {
			names = append(names, path)
		}
		return err
	}))
	return names
}

func TestInNamespace(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		t.Skip("TestDisks runs it")
	}
	const window = 6 * time.Second
	begin := func(c *cabinet) *recorder {
		c.Helper()
		r := c.start(time.Minute)
		c.until("it records", func() bool { return c.recording(time.Time{}) })
		return r
	}
	// expires says that what was there at a moment goes, whatever the disk does.
	expires := func(c *cabinet, since time.Time) {
		c.Helper()
		c.until("what is due is gone", func() bool {
			at := c.camera("plein")
			return at.Oldest == nil || at.Oldest.After(since)
		})
	}
	for name, test := range map[string]func(c *cabinet){
		"footage full": func(c *cabinet) {
			disk := c.mount("footage", "size=2m")
			r := begin(c)
			free := disk.fill()
			defer free()
			full := time.Now()
			c.says(`Footage is deleted before its time, since the disk is full: \d+ pieces .* -> Look what else fills the disk`)
			c.says(`!! Camera plein/main is dark for .*disk: .*(no space left on device|the disk is full, and nothing is left).* -> .*df -h`)
			if code, _ := c.health(); code != 503 {
				c.Errorf("/health is %d", code)
			}
			expires(c, full)
			free()
			c.until("it records again, by itself", func() bool { return c.recording(time.Now().Add(-2 * time.Second)) })
			r.stop()
		},
		"no inodes": func(c *cabinet) {
			disk := c.mount("footage", "size=8m,nr_inodes=40")
			r := begin(c)
			took := []string{}
			for i := 0; ; i++ {
				name := filepath.Join(disk.fs, fmt.Sprintf("filler-%d", i))
				f, err := os.Create(name)
				if errors.Is(err, syscall.ENOSPC) {
					break
				}
				c.must(err)
				c.must(f.Close())
				took = append(took, name)
			}
			full := time.Now()
			c.says(`!! Camera plein/main is dark for .*disk: .*no space left on device.* -> .*df -i`)
			expires(c, full)
			for _, name := range took {
				c.must(os.Remove(name))
			}
			c.until("it records again, by itself", func() bool { return c.recording(time.Now().Add(-2 * time.Second)) })
			r.stop()
		},
		"keys full": func(c *cabinet) {
			disk := c.mount("keys", "size=64k")
			r := begin(c)
			free := disk.fill()
			defer free()
			c.says(`incidents? since the start; the last .* ago: keys of expired footage cannot be destroyed: .*no space left on device.* -> .*df -h`)
			c.says(`\d+ pieces of footage are deleted, and their keys cannot be: .* -> .*under .keys.`)
			if !c.recording(time.Now().Add(-5 * time.Second)) {
				c.Errorf("it does not record: %+v", c.camera("plein"))
			}
			expires(c, time.Now())
			free()
			c.until("the keys are gone, by themselves", func() bool { return c.situation().Footage.Keys == 0 })
			r.stop()
		},
		"journal full": func(c *cabinet) {
			disk := c.mount("journal", "size=4m")
			r := begin(c)
			free := disk.fill()
			defer free()
			full := time.Now()
			c.says(`!! The journal cannot be written: .*no space left on device.* nobody can look back`)
			expires(c, full)
			if code, _ := c.health(); code != 503 || !c.recording(time.Now().Add(-5*time.Second)) {
				c.Errorf("/health is %d, camera %+v", code, c.camera("plein"))
			}
			free()
			c.until("the journal goes on by itself", func() bool { code, _ := c.health(); s := c.situation(); return code == 200 && s.Journal.Owed == 0 })
			r.stop()
		},
		"not mounted at the start": func(c *cabinet) {
			disk := c.mount("footage", "size=8m")
			begin(c).stop()
			disk.unplug()
			c.refuses("is the disk mounted?")
			if out, _, code := c.do("check"); code != 1 || !strings.Contains(out, "FINDING   footage") || !strings.Contains(unwrapped(out), "Is the right disk mounted") {
				c.Errorf("check: exit code %d\n%s", code, out)
			}
			if left := c.tree(disk.dir); len(left) > 0 {
				c.Errorf("it wrote where the disk should be: %v", left)
			}
			disk.plug()
			begin(c).stop()
		},
		"unplugged and plugged in": func(c *cabinet) {
			disk := c.mount("footage", "size=8m")
			r := begin(c)
			disk.unplug()
			c.says(`!! Camera plein/main is dark for .*disk: .*its disk is not there: .* -> .*gone`)
			time.Sleep(window) // what is due cannot be deleted, and is not taken for deleted
			c.says(`missing disk: .*What it holds is not deleted; its keys go when it is due`)
			if left := c.tree(disk.dir); len(left) > 0 {
				c.Errorf("it wrote where the disk should be: %v", left)
			}
			disk.plug()
			back := time.Now()
			c.until("it records again, by itself", func() bool { return c.recording(back.Add(time.Second)) })
			expires(c, back)
			r.stop()
		},
		"swapped": func(c *cabinet) {
			disk := c.mount("footage", "size=8m")
			begin(c).stop()
			other := newCabinet(c.T, time.Hour, "plein")
			begin(other).stop()
			mine := c.path("data", "footage")
			swapped := &mounted{c, mine, other.path("data", "footage")}
			disk.unplug()
			swapped.plug()
			before := c.tree(mine)
			c.refuses("mount the right disk")
			swapped.unplug()
			disk.plug()
			r := begin(c)
			disk.unplug()
			swapped.plug()
			c.says(`!! Camera plein/main is dark for .*disk: `)
			time.Sleep(window)
			if after := c.tree(mine); !slices.Equal(before, after) {
				c.Errorf("it changed the disk of another:\n%v\n%v", before, after)
			}
			swapped.unplug()
			disk.plug()
			back := time.Now()
			c.until("it records again, by itself", func() bool { return c.recording(back.Add(time.Second)) })
			r.stop()
			other.sound()
		},
		"read-only": func(c *cabinet) { // what ext4 does of itself when its disk fails (errors=remount-ro)
			disk := c.device("footage")
			r := begin(c)
			if out, err := exec.Command("mount", "-o", "remount,abort", disk.fs).CombinedOutput(); err != nil {
				c.Skipf("skipped: %v %s", err, out)
			}
			c.says(`!! Camera plein/main is dark for .*disk: .*read-only file system.* -> .*dmesg`)
			r.kill()
			disk.unplug()
			c.must(unix.Unmount(disk.fs, 0))
			if out, err := exec.Command("mount", "-o", "loop", c.path("footage.img"), disk.fs).CombinedOutput(); err != nil {
				c.Fatalf("%v %s", err, out)
			}
			disk.plug()
			r = begin(c)
			expires(c, time.Now())
			r.stop()
		},
		"frozen": func(c *cabinet) { // writes and syncs do not return, as on a disk that hangs
			disk := c.device("footage")
			r := begin(c)
			freeze := func(how string) error { return exec.Command("fsfreeze", how, disk.fs).Run() }
			if err := freeze("-f"); err != nil {
				c.Skipf("skipped: fsfreeze: %v", err)
			}
			thaw := func() {
				if freeze("-u") == nil {
					c.Log("thawed")
				}
			}
			c.Cleanup(thaw)
			c.until("/health says it", func() bool { code, _ := c.health(); return code == 503 })
			c.must(r.cmd.Process.Signal(syscall.SIGTERM))
			// Where a thread waits in the kernel, the process is not gone before that wait is over, whoever kills it: its first thread is.
			given := func() bool {
				state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
				return err != nil || regexp.MustCompile(`\) Z `).Match(state)
			}
			for asked := time.Now(); !given(); time.Sleep(50 * time.Millisecond) {
				if time.Since(asked) > 60*time.Second { // TimeoutStopSec
					c.Error("it does not give up")
					break
				}
			}
			thaw()
			select {
			case <-r.gone:
				if r.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(r.log.String(), "does not stop, and was left as it was") {
					c.Errorf("exit code %d, and it does not say what it left", r.cmd.ProcessState.ExitCode())
				}
			case <-time.After(30 * time.Second):
				c.Error("it does not stop")
			}
			begin(c).stop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCabinet(t, window, "plein")
			test(c)
			c.sound()
		})
	}
}
