// Package tpmtest is a TPM to test with: Debian's swtpm, a process of its own on a socket in a folder.
package tpmtest

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Chip is one TPM. What it keeps is in Dir.
type Chip struct {
	Dir string
	cmd *exec.Cmd
}

// Start makes a new chip, which ends with the test. Without swtpm the test is skipped.
func Start(t testing.TB) *Chip {
	t.Helper()
	if _, err := exec.LookPath("swtpm"); err != nil {
		t.Skipf("%v; `make packages` installs what this test needs", err)
	}
	dir, err := os.MkdirTemp("", "tpm-") // the name of a socket may be only 107 bytes long
	if err != nil {
		t.Fatal(err)
	}
	c := &Chip{Dir: dir}
	t.Cleanup(func() {
		c.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	c.start(t)
	return c
}

func (c *Chip) start(t testing.TB) {
	t.Helper()
	c.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+c.Dir, "--server", "type=unixio,path="+c.socket(), "--flags", "not-need-init,startup-clear")
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if dev, err := c.Open(); err == nil {
			dev.Close() // only asked whether it answers
			return
		} else if time.Now().After(end) {
			t.Fatal("swtpm does not start:", err)
		}
	}
}

func (c *Chip) socket() string { return filepath.Join(c.Dir, "s") }

func (c *Chip) stop() {
	c.cmd.Process.Kill() // by its own pid; it may have ended before
	c.cmd.Wait()
	os.Remove(c.socket())
}

// Restart cuts its power.
func (c *Chip) Restart(t testing.TB) {
	t.Helper()
	c.stop()
	c.start(t)
}

// Open connects to it; one at a time.
func (c *Chip) Open() (io.ReadWriteCloser, error) {
	return net.Dial("unix", c.socket())
}
