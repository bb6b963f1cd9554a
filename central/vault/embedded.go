package vault

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"golang.org/x/sys/unix"
)

// EmbeddedConfig is what the child process needs. It travels over standard input, never over the command line.
type EmbeddedConfig struct {
	Dir       string `json:"dir"`  // all state: objects, their versions and their locks; survives a restart
	Addr      string `json:"addr"` // 127.0.0.1:port or [::1]:port; port 0 lets StartEmbedded choose one
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	CertFile  string `json:"cert_file,omitempty"` // with KeyFile: TLS
	KeyFile   string `json:"key_file,omitempty"`
}

func (c EmbeddedConfig) valid() error {
	switch {
	case !loopback(c.Addr):
		return fmt.Errorf("embedded S3 on %q: it listens on the loopback interface only, give 127.0.0.1:port", c.Addr)
	case c.AccessKey == "" || len(c.SecretKey) < 16:
		return errors.New("embedded S3: give an access key and a secret key of at least 16 characters")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("embedded S3: TLS takes both a certificate file and a key file")
	case !filepath.IsAbs(c.Dir):
		return fmt.Errorf("embedded S3 in %q: give an absolute path, the process changes its working directory", c.Dir)
	}
	return nil
}

// loopback says whether host:port names this machine only.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// ServeEmbedded runs the S3 gateway until ctx ends. It changes the working directory and may run once a process: call it in a
// child process, see RunEmbedded.
func ServeEmbedded(ctx context.Context, c EmbeddedConfig) error {
	if err := c.valid(); err != nil {
		return err
	}
	objects, versions := filepath.Join(c.Dir, "objects"), filepath.Join(c.Dir, "versions")
	for _, dir := range []string{c.Dir, objects, versions} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("embedded S3: %w", err)
		}
	}
	if err := testAttributes(c.Dir); err != nil {
		return err
	}
	opts := posix.PosixOpts{VersioningDir: versions, ValidateBucketNames: true, Concurrency: 64}
	opts.SetNewDirPerm(0o700)
	opts.SetNewFilePerm(0o600)
	store, err := posix.New(objects, meta.XattrMeta{}, opts)
	if err != nil {
		return fmt.Errorf("embedded S3 in %s: %w", c.Dir, err)
	}
	err = embedgw.RunVersityGW(ctx, store, &embedgw.Config{
		RootUserAccess:    c.AccessKey,
		RootUserSecret:    c.SecretKey,
		Ports:             []string{c.Addr},
		MaxConnections:    1024,
		MaxRequests:       512,
		MultipartMaxParts: 10000,
		CertFile:          c.CertFile,
		KeyFile:           c.KeyFile,
		KeepAlive:         true,
		DisableACLs:       true,
		Quiet:             true,
	})
	if err != nil {
		return fmt.Errorf("embedded S3 on %s: %w", c.Addr, err)
	}
	return nil
}

// testAttributes checks that the file system keeps user extended attributes: versions, locks and metadata live in them.
func testAttributes(dir string) error {
	f, err := os.CreateTemp(dir, ".attributes-*")
	if err != nil {
		return fmt.Errorf("embedded S3: %w", err)
	}
	err = unix.Fsetxattr(int(f.Fd()), "user.beeldwacht", []byte("1"), 0)
	if err != nil {
		err = fmt.Errorf("embedded S3 in %s: the file system keeps no user extended attributes (%w), and object locks live in them; use ext4, xfs, btrfs or zfs", dir, err)
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// RunEmbedded is the whole life of the child process: it reads its configuration, one line of JSON, from in, serves, and stops when in
// ends: the parent holds the other end, so the child cannot outlive it.
func RunEmbedded(ctx context.Context, in io.Reader) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("embedded S3: no configuration on standard input: %w; this command is started by the centre, not by hand", err)
	}
	var c EmbeddedConfig
	if err := json.Unmarshal(line, &c, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("embedded S3: configuration on standard input: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		io.Copy(io.Discard, lines) // whatever ends it, the parent is gone
	}()
	return ServeEmbedded(ctx, c)
}

// Child is how to start this binary again so that it calls RunEmbedded with its standard input.
type Child struct {
	Exe  string   // os.Executable()
	Args []string // without the name
	Env  []string // the whole environment; nil for an empty one
}

// Embedded is a running child process and the goroutine that keeps it running.
type Embedded struct {
	Endpoint string // host:port to give to Config

	stop context.CancelFunc
	done chan struct{} // closed when the child is gone for good

	mu   sync.Mutex
	pid  int    // of the living child; 0 between two
	last string // its last line on standard error, to tell why it died
}

// StartEmbedded starts the child, waits until it answers to the keys of c, and restarts it when it dies, until ctx ends or
// Stop is called. The first start must succeed; the error carries the child's last words. cas are needed with TLS only.
func StartEmbedded(ctx context.Context, child Child, c EmbeddedConfig, cas *x509.CertPool, log *slog.Logger) (*Embedded, error) {
	if err := c.valid(); err != nil {
		return nil, err
	}
	if _, port, _ := net.SplitHostPort(c.Addr); port == "0" {
		l, err := net.Listen("tcp", c.Addr)
		if err != nil {
			return nil, fmt.Errorf("embedded S3: find a free port: %w", err)
		}
		c.Addr = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("embedded S3: find a free port: %w", err)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	e := &Embedded{Endpoint: c.Addr, stop: stop, done: make(chan struct{})}
	died := make(chan error, 1) // the first death only
	go e.supervise(ctx, child, c, log, died)
	if err := e.waitUntilAnswers(ctx, c, cas, died); err != nil {
		e.Stop()
		return nil, err
	}
	log.Info("embedded S3 answers", "endpoint", e.Endpoint, "dir", c.Dir)
	return e, nil
}

// Stop ends the child and waits until it is gone.
func (e *Embedded) Stop() {
	e.stop()
	<-e.done
}

// PID is the process id of the living child, or 0 between two.
func (e *Embedded) PID() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pid
}

func (e *Embedded) supervise(ctx context.Context, child Child, c EmbeddedConfig, log *slog.Logger, died chan<- error) {
	defer close(e.done)
	// On Linux the child gets a signal when the thread that started it ends: this goroutine keeps its thread for itself.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const shortest, longest = 200 * time.Millisecond, 10 * time.Second
	for pause := shortest; ; pause = min(2*pause, longest) {
		started := time.Now()
		err := e.runOnce(ctx, child, c, log)
		if ctx.Err() != nil {
			return
		}
		select {
		case died <- err:
		default:
		}
		if time.Since(started) > time.Minute {
			pause = shortest
		}
		log.Error("embedded S3 stopped by itself; starting it again", "endpoint", c.Addr, "error", err, "after", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (e *Embedded) runOnce(ctx context.Context, child Child, c EmbeddedConfig, log *slog.Logger) error {
	config, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("embedded S3: %w", err)
	}
	cmd := exec.Command(child.Exe, child.Args...)
	cmd.Env = append([]string{}, child.Env...) // never nil: exec would pass on all of ours, secrets included
	dieWithParent(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("embedded S3: %w", err)
	}
	// The gateway reports everything, good and bad, on both streams; only its last error line is kept to tell why it died.
	out := &lineLog{line: func(s string) { log.Debug("embedded S3", "says", s) }}
	errs := &lineLog{line: func(s string) {
		e.mu.Lock()
		e.last = s
		e.mu.Unlock()
		log.Warn("embedded S3", "says", s)
	}}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("embedded S3: start %s: %w", child.Exe, err)
	}
	e.setPID(cmd.Process.Pid)
	defer e.setPID(0)
	ended := make(chan struct{})
	go func() { // owns stdin
		_, err := stdin.Write(append(config, '\n'))
		if err != nil {
			log.Error("embedded S3: hand over its configuration", "error", err)
		}
		select {
		case <-ended:
			return
		case <-ctx.Done():
			stdin.Close() // asks it to stop
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			log.Warn("embedded S3 did not stop when asked; killing it", "endpoint", c.Addr)
			cmd.Process.Signal(syscall.SIGKILL)
		}
	}()
	err = cmd.Wait()
	close(ended)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		err = errors.New("it ended without an error")
	}
	if e.last != "" {
		return fmt.Errorf("%w: %s", err, e.last)
	}
	return err
}

func (e *Embedded) setPID(pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pid = pid
}

// waitUntilAnswers asks with our own keys: another program on the port would not know them.
func (e *Embedded) waitUntilAnswers(ctx context.Context, c EmbeddedConfig, cas *x509.CertPool, died <-chan error) error {
	transport, err := minio.DefaultTransport(c.CertFile != "")
	if err != nil {
		return fmt.Errorf("embedded S3 on %s: %w", e.Endpoint, err)
	}
	defer transport.CloseIdleConnections()
	if c.CertFile != "" {
		transport.TLSClientConfig.RootCAs = cas
	}
	client, err := minio.New(e.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""), Secure: c.CertFile != "", Transport: transport, Region: "us-east-1", MaxRetries: 1,
	})
	if err != nil {
		return fmt.Errorf("embedded S3 on %s: %w", e.Endpoint, err)
	}
	waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		_, err := client.ListBuckets(waiting)
		if err == nil {
			return nil
		}
		select {
		case why := <-died:
			return fmt.Errorf("embedded S3 on %s in %s did not start: %w", e.Endpoint, c.Dir, why)
		case <-waiting.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("embedded S3 on %s: %w while it started", e.Endpoint, ctx.Err())
			}
			return fmt.Errorf("embedded S3 on %s in %s does not answer: %w; is another program on that port?", e.Endpoint, c.Dir, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lineLog is a writer that hands on whole lines, cut at 1 KiB. Only exec's copying goroutine writes to it.
type lineLog struct {
	line func(string)
	buf  []byte
}

func (l *lineLog) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == '\n' {
			if len(l.buf) > 0 {
				l.line(string(l.buf))
			}
			l.buf = l.buf[:0]
		} else if len(l.buf) < 1024 {
			l.buf = append(l.buf, b)
		}
	}
	return len(p), nil
}
