package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// measure runs one receiver for n streams of a source of its own, and removes what it wrote.
func (p *plan) measure(ctx context.Context, dir, clip, what string, n int) (c cost, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var src *process
	if src, err = start(self(ctx, "source", clip)); err != nil {
		return c, fmt.Errorf("source: %w", err)
	}
	defer func() { err = errors.Join(err, src.stop()) }()
	address := src.said

	var receivers []*process
	stop := func() (err error) {
		for _, r := range receivers {
			err = errors.Join(err, r.stop())
		}
		receivers = nil
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var idle float64
	switch what {
	case "recorder", "bare":
		if idle, err = p.idle(ctx, filepath.Join(dir, "idle"), what, address); err != nil {
			return c, err
		}
		r, err := start(p.child(ctx, filepath.Join(dir, "data"), what, address, n))
		if err != nil {
			return c, err
		}
		receivers = append(receivers, r)
	case "ffmpeg":
		for i := range n {
			r, err := start(exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", fmt.Sprintf("rtsp://%s/%d", address, i),
				"-c", "copy", "-f", "segment", "-segment_time", strconv.Itoa(int(p.window.Seconds())), "-segment_format", "mp4", filepath.Join(dir, fmt.Sprintf("%d-%%d.mp4", i))))
			if err != nil {
				return c, err
			}
			receivers = append(receivers, r)
		}
	default:
		return c, fmt.Errorf("-only %s: want bare, recorder or ffmpeg", what)
	}
	if err := sleep(ctx, p.warm); err != nil {
		return c, err
	}

	from, began, written := used(receivers), time.Now(), size(dir)
	for time.Since(began) < p.window {
		if err := sleep(ctx, min(time.Second, p.window-time.Since(began))); err != nil {
			return c, err
		}
		c.memory = max(c.memory, resident(receivers))
	}
	took, cpu := time.Since(began), used(receivers)-from
	c = cost{percent: 100 * cpu.Seconds() / took.Seconds() / float64(n), memory: (c.memory - idle) / float64(n), written: float64(size(dir)-written) / took.Seconds() / float64(n)}
	for _, r := range receivers {
		if r.ended() {
			return c, errors.New("a receiver ended before it was told to")
		}
	}
	return c, stop()
}

// child is one of our own receivers.
func (p *plan) child(ctx context.Context, dir, what, address string, n int) *exec.Cmd {
	return self(ctx, what, dir, address, strconv.Itoa(n), p.window.String(), p.profile)
}

// idle is the memory of a receiver that receives nothing.
func (p *plan) idle(ctx context.Context, dir, what, address string) (bytes float64, err error) {
	r, err := start(p.child(ctx, dir, what, address, 0))
	if err != nil {
		return 0, err
	}
	err = sleep(ctx, time.Second)
	bytes = resident([]*process{r})
	return bytes, errors.Join(err, r.stop())
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// process is a child process, which stop ends.
type process struct {
	cmd    *exec.Cmd
	ours   bool
	said   string // after "ready"
	exited chan struct{}
	err    error // of the exit, when exited is closed
}

func self(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "/proc/self/exe", args...)
}

// start starts a process; one of ours must say that it is ready.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ours: cmd.Path == "/proc/self/exe", exited: make(chan struct{})}
	// A child does not outlive us, whatever ends us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	var output *bufio.Reader
	if p.ours {
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		output = bufio.NewReader(pipe)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var line string
	if p.ours {
		line, _ = output.ReadString('\n')
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	said, ready := strings.CutPrefix(line, "ready")
	if p.ours && !ready {
		return nil, errors.Join(errors.New("it did not get ready"), p.stop())
	}
	p.said = strings.TrimSpace(said)
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *process) stop() error {
	if !p.ended() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	<-p.exited
	if p.ours {
		return p.err
	}
	return nil // ffmpeg has codes of its own for being told to stop
}

// used is the processor time that processes took since they began, to the nanosecond: what getrusage tells them when they end, told meanwhile.
func used(of []*process) (total time.Duration) {
	for _, p := range of {
		const scheduled = 2 // CPUCLOCK_SCHED, see clock_getcpuclockid(3)
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|scheduled), &t); err == nil {
			total += time.Duration(t.Nano())
		}
	}
	return total
}

// resident is the memory of one process, or the proportional part of many that share.
func resident(of []*process) (total float64) {
	field := "Rss:"
	if len(of) > 1 {
		field = "Pss:"
	}
	for _, p := range of {
		total += memoryOf(p, field)
	}
	return total
}

// memoryOf is a line of what the kernel says of a process's memory, in bytes.
func memoryOf(p *process, field string) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024
		}
	}
	return 0
}

// size is what the files in a folder hold.
func size(dir string) (total int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(d.Name(), ".db") {
			return nil // it may be renamed while we look
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	if err != nil {
		return 0
	}
	return total
}

// ready says so to the process that started this one, and waits for its end.
func ready(ctx context.Context, out io.Writer, what string) error {
	if _, err := fmt.Fprintln(out, "ready", what); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
