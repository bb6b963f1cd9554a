package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/rtcpreceiver"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// datagrams receives the video over UDP and hands it on as if it had come interleaved with RTSP, so that the same repairs reach it and gortsplib knows of TCP only. gortsplib's own
// sockets cannot be repaired: it drops a new SSRC, and packets from another port or address of the camera than it announced.
//
// Only the camera's addresses are heard. Packets are put in order, see row.
type datagrams struct {
	rtp, rtcp *net.UDPConn
	from      []net.IP
	ports     [2]int // at the camera, RTP and RTCP; 0 is not known
	channel   byte   // that it would have, interleaved
	messages  chan []byte
	done      chan struct{}
	close     sync.Once
	running   sync.WaitGroup

	reports *rtcpreceiver.RTCPReceiver
	about   uint32 // the SSRC that reports are about: the first of a sequence

	// These belong to receive.
	row row
}

const (
	maxDatagram = 16 << 10
	reordered   = 64                     // packets that wait for one before them, at most
	late        = 300 * time.Millisecond // that they wait: what comes later is as good as lost, and what waits is lost with a camera that is torn down
	reportEvery = 5 * time.Second
)

// listen opens an even port for RTP and the odd one above it for RTCP (RFC 3550 section 11), on the address that the camera reaches us at.
func listen(local, camera net.IP) (*datagrams, error) {
	for range 100 {
		port := 10000 + 2*rand.IntN(20000)
		a, err := net.ListenUDP("udp", &net.UDPAddr{IP: local, Port: port})
		if err != nil {
			continue
		}
		b, err := net.ListenUDP("udp", &net.UDPAddr{IP: local, Port: port + 1})
		if err != nil {
			if err := a.Close(); err != nil {
				return nil, err
			}
			continue
		}
		if err := a.SetReadBuffer(1 << 20); err != nil { // a key frame comes at once
			return nil, errors.Join(err, a.Close(), b.Close())
		}
		return &datagrams{rtp: a, rtcp: b, from: []net.IP{camera}, done: make(chan struct{})}, nil
	}
	return nil, fmt.Errorf("no two free UDP ports next to each other on %s", local)
}

// asks is the Transport to ask for.
func (d *datagrams) asks() string {
	port := d.rtp.LocalAddr().(*net.UDPAddr).Port
	return fmt.Sprintf("RTP/AVP;unicast;client_port=%d-%d", port, port+1)
}

// agreed takes what the camera answered; false is a camera that will send over TCP all the same.
func (d *datagrams) agreed(transport string) bool {
	for field := range strings.SplitSeq(transport, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch strings.ToLower(name) {
		case "interleaved":
			return false
		case "source":
			if ip := net.ParseIP(value); ip != nil && !ip.IsUnspecified() {
				d.from = append(d.from, ip)
			}
		case "server_port":
			first, second, _ := strings.Cut(value, "-")
			var err error
			if d.ports[0], err = strconv.Atoi(first); err == nil {
				if d.ports[1], err = strconv.Atoi(second); err != nil {
					d.ports[1] = d.ports[0] + 1
				}
			}
		}
	}
	return true
}

// play opens the firewalls between, and starts to receive into messages; sender reports too, where somebody wants them.
func (d *datagrams) play(messages chan []byte, mend func([]byte) []byte, reports bool) error {
	d.messages = messages
	if d.ports[0] != 0 {
		empty, err := (&rtp.Packet{Header: rtp.Header{Version: 2}}).Marshal()
		if err == nil {
			_, err = d.rtp.WriteToUDP(empty, &net.UDPAddr{IP: d.from[0], Port: d.ports[0]})
		}
		if err != nil {
			return err
		}
	}
	d.report(&rtcp.ReceiverReport{})
	d.running.Add(1)
	go func() {
		defer d.running.Done()
		d.receive(mend)
	}()
	if reports {
		d.running.Add(1)
		go func() {
			defer d.running.Done()
			d.receiveReports()
		}()
	}
	return nil
}

// receiveReports hands on what the camera says of the track, on the odd channel beside it.
func (d *datagrams) receiveReports() {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := d.rtcp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed
		}
		if n < 8 || buf[0]>>6 != 2 || !slices.ContainsFunc(d.from, net.IP(from.Addr().Unmap().AsSlice()).Equal) {
			continue
		}
		select {
		case d.messages <- append([]byte{'$', d.channel | 1, byte(n >> 8), byte(n)}, buf[:n]...):
		case <-d.done:
			return
		}
	}
}

// report tells the camera how it is received; some stop sending to who never does. A report that does not leave is followed by another.
func (d *datagrams) report(p rtcp.Packet) {
	if d.ports[1] == 0 {
		return
	}
	if raw, err := p.Marshal(); err == nil {
		_, _ = d.rtcp.WriteToUDP(raw, &net.UDPAddr{IP: d.from[0], Port: d.ports[1]})
	}
}

// reportOn begins to count for reports on a sequence of packets.
func (d *datagrams) reportOn(ssrc uint32) error {
	if d.reports != nil {
		d.reports.Close()
	}
	ours := rand.Uint32()
	d.about = ssrc
	d.reports = &rtcpreceiver.RTCPReceiver{ClockRate: 90000, LocalSSRC: &ours, Period: reportEvery, WritePacketRTCP: d.report}
	return d.reports.Initialize()
}

func (d *datagrams) receive(mend func([]byte) []byte) {
	defer func() {
		if d.reports != nil {
			d.reports.Close()
		}
	}()
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := d.rtp.ReadFromUDPAddrPort(buf)
		now := time.Now()
		var next []datagram
		switch ip := net.IP(from.Addr().Unmap().AsSlice()); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			next = d.row.skip()
		case err != nil:
			return // closed
		case n < 12 || buf[0]>>6 != 2 || !slices.ContainsFunc(d.from, ip.Equal):
			continue
		default:
			// As if interleaved.
			p := datagram{append([]byte{'$', d.channel, byte(n >> 8), byte(n)}, buf[:n]...)}
			next = d.row.take(p, now)
		}
		var wait time.Time
		if len(d.row.waiting) > 0 {
			wait = d.row.since.Add(late)
		}
		if err := d.rtp.SetReadDeadline(wait); err != nil {
			return // closed
		}
		if d.row.anew {
			if d.row.anew = false; d.reportOn(next[len(next)-1].ssrc()) != nil {
				return
			}
		}
		for _, p := range next {
			head := &rtp.Packet{Header: rtp.Header{Version: 2, SSRC: d.about, SequenceNumber: p.sequence(), Timestamp: binary.BigEndian.Uint32(p.message[8:])}}
			if _, _, err := d.reports.ProcessPacket2(head, now, true); err != nil {
				return // it refuses another SSRC, and is told none
			}
			select {
			case d.messages <- mend(p.message):
			case <-d.done:
				return
			}
		}
	}
}

// datagram is an RTP packet with the four bytes of interleaving before it.
type datagram struct{ message []byte }

func (p datagram) sequence() uint16 { return binary.BigEndian.Uint16(p.message[6:]) }
func (p datagram) ssrc() uint32     { return binary.BigEndian.Uint32(p.message[12:]) }

// row puts packets in order. One that is missing is waited for until late, or until reordered others wait with it. A sequence that starts anew is followed: at once far
// ahead, else at its second packet (RFC 3550 appendix A.1), where the first of it is not lost.
type row struct {
	begun   bool
	anew    bool   // the packets returned are of another sequence than those before
	next    uint16 // the number that comes next
	ssrc    uint32
	waiting []datagram // rising, all after next
	since   time.Time  // that they wait
	odd     []datagram // one from far behind: a duplicate, or the first of a sequence that starts anew
}

// take takes a packet and returns those that are next.
func (r *row) take(p datagram, now time.Time) []datagram {
	number := p.sequence()
	ahead := int16(number - r.next)
	switch {
	case !r.begun, ahead > maxMissing, ahead > reordered && p.ssrc() != r.ssrc:
		return r.restart(p)
	case ahead < -reordered, ahead < 0 && p.ssrc() != r.ssrc:
		if len(r.odd) > 0 && r.odd[0].sequence()+1 == number {
			return r.restart(r.odd[0], p)
		}
		r.odd = []datagram{p}
		return nil
	case ahead < 0:
		return nil // a duplicate, or too late
	case ahead == 0:
		return r.follow([]datagram{p})
	}
	at, known := slices.BinarySearchFunc(r.waiting, ahead, func(w datagram, ahead int16) int { return int(int16(w.sequence()-r.next)) - int(ahead) })
	if known {
		return nil
	}
	if len(r.waiting) == 0 {
		r.since = now
	}
	if r.waiting = slices.Insert(r.waiting, at, p); len(r.waiting) >= reordered || now.Sub(r.since) >= late {
		return r.skip()
	}
	return nil
}

// restart follows another sequence. What waited of the one before comes first: it was sent first.
func (r *row) restart(p ...datagram) []datagram {
	out := append(r.waiting, p...)
	r.begun, r.anew, r.next, r.waiting, r.odd = true, true, p[len(p)-1].sequence(), nil, nil
	return r.follow(out)
}

// follow returns packets, the last of which is next, and all that waited for it.
func (r *row) follow(out []datagram) []datagram {
	r.next++
	for len(r.waiting) > 0 && r.waiting[0].sequence() == r.next {
		out = append(out, r.waiting[0])
		r.waiting = r.waiting[1:]
		r.next++
	}
	r.ssrc = out[len(out)-1].ssrc()
	return out
}

// skip gives up what is missing.
func (r *row) skip() []datagram {
	if len(r.waiting) == 0 {
		return nil
	}
	first := r.waiting[0]
	r.waiting, r.next, r.since = r.waiting[1:], first.sequence(), r.since.Add(late)
	return r.follow([]datagram{first})
}

func (d *datagrams) stop() (err error) {
	d.close.Do(func() {
		close(d.done)
		err = errors.Join(d.rtp.Close(), d.rtcp.Close())
	})
	d.running.Wait()
	return err
}

// pump reads RTSP beside the datagrams, until that ends.
func (r *repaired) pump() {
	for {
		message, err := r.next()
		if err != nil {
			r.broken = err
			close(r.ended)
			return
		}
		if len(message) > 0 {
			select {
			case r.messages <- slices.Clone(message):
			case <-r.closed:
				return
			}
		}
	}
}

// take waits for a message from either side.
func (r *repaired) take() ([]byte, error) {
	select {
	case m := <-r.messages:
		return m, nil
	case <-r.ended:
		return nil, r.broken
	case <-r.closed:
		return nil, io.EOF
	}
}
