package ingest

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// tick is how often a camera that is being recorded is read. All cameras are read at the same ticks: one waking up serves them all, where one for each
// packet of each camera costs more than all else that is done with it.
const tick = 200 * time.Millisecond

// lowWater is how many bytes end the wait for the tick, so that no buffer overflows; the kernel makes its own at least twice as large. Below that, what arrives
// wakes nobody.
const lowWater = 256 << 10

// ticks are counted from here.
var ticksFrom = time.Now()

func nextTick() time.Time {
	return ticksFrom.Add(time.Since(ticksFrom).Truncate(tick) + tick)
}

// paced is a connection that is read at ticks, while pace is on. What is in the socket is read at each tick, however little it is: when a camera falls silent, its last
// frames do not wait for more to come (they may be those before sabotage). Read and pace belong to one goroutine.
type paced struct {
	net.Conn
	on bool

	mu       sync.Mutex
	deadline time.Time // that was asked for
}

// pace turns it on or off. It is off until a session plays: a request waits for its answer, which is shorter than the low-water mark.
func (p *paced) pace(on bool) {
	if p.on == on {
		return
	}
	mark := 1
	if on {
		mark = lowWater
	}
	if c, ok := p.Conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			// Without the mark we wake up more often and lose nothing.
			_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, mark) })
		}
	}
	p.on = on
	if !on {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = p.Conn.SetReadDeadline(p.deadline) // a connection that has no deadlines fails at its next Read
	}
}

func (p *paced) Read(b []byte) (int, error) {
	for p.on {
		p.mu.Lock()
		end := nextTick()
		ours := p.deadline.IsZero() || end.Before(p.deadline)
		if !ours {
			end = p.deadline
		}
		err := p.Conn.SetReadDeadline(end)
		p.mu.Unlock()
		if err != nil {
			return 0, err
		}
		n, err := p.Conn.Read(b)
		if n == 0 && ours && errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		return n, err
	}
	return p.Conn.Read(b)
}

func (p *paced) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	return p.Conn.SetReadDeadline(t)
}

func (p *paced) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.Conn.SetWriteDeadline(t))
}
