package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
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
// Only the camera's addresses are heard. Packets are put in order, within 64; a sequence that starts anew is followed at its second packet (RFC 3550 appendix A.1).
type datagrams struct {
	rtp, rtcp *net.UDPConn
	from      []net.IP
	ports     [2]int // at the camera, RTP and RTCP; 0 is not known
	messages  chan []byte
	done      chan struct{}
	close     sync.Once
	running   sync.WaitGroup

	// These belong to receive.
	order *rtcpreceiver.RTCPReceiver
	ssrc  uint32
	last  uint16
	begun bool
	odd   *rtp.Packet // far behind the others: a duplicate, or the first of a sequence that starts anew
}

const (
	maxDatagram = 16 << 10
	reordered   = 64 // packets
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

// play opens the firewalls between, and starts to receive into messages.
func (d *datagrams) play(messages chan []byte, mend func([]byte) []byte) error {
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
	if err := d.anew(); err != nil {
		return err
	}
	d.running.Add(1)
	go func() {
		defer d.running.Done()
		d.receive(mend)
	}()
	return nil
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

// anew forgets the order of packets.
func (d *datagrams) anew() error {
	if d.order != nil {
		d.order.Close()
	}
	d.begun, d.odd = false, nil
	ours := rand.Uint32()
	d.order = &rtcpreceiver.RTCPReceiver{ClockRate: 90000, LocalSSRC: &ours, UnrealiableTransport: true, BufferSize: reordered, Period: reportEvery, WritePacketRTCP: d.report}
	return d.order.Initialize()
}

func (d *datagrams) receive(mend func([]byte) []byte) {
	defer func() { d.order.Close() }()
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := d.rtp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed
		}
		ip := net.IP(from.Addr().Unmap().AsSlice())
		if n < 12 || buf[0]>>6 != 2 || !slices.ContainsFunc(d.from, ip.Equal) {
			continue
		}
		// The message, as if interleaved on channel 0. The receiver looks only at the header beside it.
		p := &rtp.Packet{Payload: append([]byte{'$', 0, byte(n >> 8), byte(n)}, buf[:n]...)}
		p.SequenceNumber, p.Timestamp = binary.BigEndian.Uint16(buf[2:]), binary.BigEndian.Uint32(buf[4:])
		for _, p := range d.sort(p, binary.BigEndian.Uint32(buf[8:])) {
			select {
			case d.messages <- mend(p.Payload):
			case <-d.done:
				return
			}
		}
	}
}

// sort takes a packet and returns those that are next.
func (d *datagrams) sort(p *rtp.Packet, ssrc uint32) []*rtp.Packet {
	behind := d.begun && int16(p.SequenceNumber-d.last) < -reordered
	var held *rtp.Packet
	switch {
	case d.begun && ssrc != d.ssrc && p.SequenceNumber-d.last > reordered:
		if d.anew() != nil {
			return nil
		}
	case behind && d.odd != nil && d.odd.SequenceNumber+1 == p.SequenceNumber:
		held = d.odd
		if d.anew() != nil {
			return nil
		}
	case behind:
		d.odd = p
		return nil
	}
	d.begun, d.ssrc, d.last = true, ssrc, p.SequenceNumber
	var out []*rtp.Packet
	for _, p := range []*rtp.Packet{held, p} {
		if p != nil {
			sorted, _, err := d.order.ProcessPacket2(p, time.Now(), true)
			if err == nil { // it refuses only an SSRC, and is told none
				out = append(out, sorted...)
			}
		}
	}
	return out
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
