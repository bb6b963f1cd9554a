package edge

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Systemd is how a service tells systemd that it started and still lives: sd_notify(3), one datagram each time.
type Systemd struct {
	Socket   string        // $NOTIFY_SOCKET: a path, or a name that begins with @; empty: nobody asks
	Watchdog time.Duration // a sign of life is due at least this often; zero: never
}

// SystemdFromEnv reads what systemd gave this process. A watchdog that is meant for another process ($WATCHDOG_PID) is none.
func SystemdFromEnv() (s Systemd, err error) {
	s.Socket = os.Getenv("NOTIFY_SOCKET")
	usec := os.Getenv("WATCHDOG_USEC")
	if pid := os.Getenv("WATCHDOG_PID"); usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return s, nil
	}
	n, err := strconv.ParseUint(usec, 10, 52)
	if err != nil || n == 0 {
		return s, fmt.Errorf("WATCHDOG_USEC=%q: want microseconds", usec)
	}
	s.Watchdog = time.Duration(n) * time.Microsecond
	return s, nil
}

// notify sends a state, lines of NAME=value.
func (s Systemd) notify(state string) error {
	if s.Socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.Socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close() // a datagram is gone or not
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

func (a *Agent) tellSystemd(state string) {
	if err := a.Systemd.notify(state); err != nil {
		a.Log.Warn("systemd was not told", "socket", a.Systemd.Socket, "error", err)
	}
}
