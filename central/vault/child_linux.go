package vault

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets the kernel kill the child when we die without a word (SIGKILL, out of memory). The end of standard input says
// the same on every Unix; this is for a child that does not listen any more.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
