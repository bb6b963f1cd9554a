package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sys/unix"
)

// The running recorder tells its Situation to who connects to operator.sock in the data directory: one JSON document, then it hangs up. It reads
// nothing, so nothing can be asked or ordered. Mode 0600: only the recorder's own account and root.
const (
	socketName    = "operator.sock"
	socketTimeout = 5 * time.Second
	maxSituation  = 4 << 20
)

// ErrNotRunning: nobody answers in this data directory.
var ErrNotRunning = errors.New("the recorder is not running")

// Ask returns the Situation of the recorder that runs on a data directory, and its bytes as they came. It returns [ErrNotRunning] when none does.
func Ask(ctx context.Context, data string) (Situation, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, socketTimeout+time.Second)
	defer cancel()
	var s Situation
	dir, err := os.Open(data)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, fmt.Errorf("%w: %s is not there", ErrNotRunning, data)
	}
	if err != nil {
		return s, nil, err
	}
	defer dir.Close() // only a way to the socket
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socketIn(dir))
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED): // ECONNREFUSED: it was killed and left its socket
		return s, nil, ErrNotRunning
	case errors.Is(err, fs.ErrPermission):
		return s, nil, fmt.Errorf("%s: not allowed; use the recorder's account, or sudo", filepath.Join(data, socketName))
	case err != nil:
		return s, nil, fmt.Errorf("%s: %w", filepath.Join(data, socketName), err)
	}
	defer conn.Close() // only read from
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return s, nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(conn, maxSituation))
	if err != nil || len(raw) == 0 {
		return s, nil, fmt.Errorf("the recorder runs but does not answer: its disk may hang; look at `dmesg` and `journalctl -u beeldwacht-edge` (%w)", errors.Join(err, io.ErrUnexpectedEOF))
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, raw, fmt.Errorf("the recorder's answer: %w", err)
	}
	if s.V != situationVersion {
		return s, raw, fmt.Errorf("the running recorder answers in version %d, this program reads %d: restart the recorder after its update", s.V, situationVersion)
	}
	return s, raw, nil
}

// socketIn names the socket by its open directory: the name of a socket may be only 107 bytes long, and data directories are not.
func socketIn(dir *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName)
}

// listenPrivate makes the socket with mode 0600 from its first moment. Only who has the journal's lock calls it: what a killed run left there is removed.
func listenPrivate(data string) (net.Listener, error) {
	dir, err := os.Open(data)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := socketIn(dir)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var mode error // bind(2) gives the file the mode that the socket has
		return errors.Join(c.Control(func(fd uintptr) { mode = unix.Fchmod(int(fd), 0o600) }), mode)
	}}
	l, err := private.Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // that name does not outlive dir
	return l, nil
}

// serveSocket answers on l until ctx ends, and removes the socket then.
func (a *Agent) serveSocket(ctx context.Context, l net.Listener) error {
	end := context.AfterFunc(ctx, func() { l.Close() }) // Accept then fails, which ends this
	defer end()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return errors.Join(err, l.Close())
		}
		go func() { // not waited for at the end: it may wait for a disk that hangs
			defer conn.Close()
			if err := a.answer(ctx, conn); err != nil && ctx.Err() == nil {
				a.Log.Warn("`beeldwacht-edge status` was not answered", "error", err)
			}
		}()
	}
	return os.Remove(filepath.Join(a.Config.Data, socketName))
}

func (a *Agent) answer(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	s, err := a.look(ctx)
	if err != nil {
		return err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(socketTimeout)); err != nil {
		return err
	}
	_, err = conn.Write(append(b, '\n'))
	return err
}
