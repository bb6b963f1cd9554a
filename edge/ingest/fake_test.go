package ingest

import (
	"bufio"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// script is what a fake camera says and sends. The zero value, but for clip, is a good camera.
type script struct {
	clip    cameratest.Clip
	answers map[string]string // by method: what a real camera answered, or its bare SDP for DESCRIBE. Their quirks are kept; CSeq, lengths and hosts are fixed up
	sdp     func(string) string
	answer  func(method, text string) string // what becomes of an answer, body and all, before its length is told; empty is none
	late    map[string]time.Duration         // by method

	frame  func(n int, f cameratest.Frame) cameratest.Frame // what becomes of the nth frame since PLAY; without NAL units it is not sent
	packet func(n int, p *rtp.Packet) []*rtp.Packet         // what is sent instead of a packet of the nth frame
	report func(now time.Time) (time.Time, bool)            // the camera's clock, for a sender report every few frames
	beside bool                                             // all tracks are sent, as if they were set up

	sound       *cameratest.Sound                        // offered and, when it is set up, sent beside the clip
	hear        func(k int, p *rtp.Packet) []*rtp.Packet // what is sent instead of the kth frame of sound since PLAY
	soundReport func(now time.Time) (time.Time, bool)    // as report
	dumb        bool                                     // sends no video to who asks for sound
	info        func(picture, sound uint32) string       // RTP-Info

	user, password string
	path           bool // digest over "/path"
	qop            bool
	basic          bool
	rotate         int // requests that a nonce is good for

	timeout   time.Duration // of the session, without a word from the recorder
	noTCP     bool          // refuses interleaved
	blockUDP  bool          // a firewall between
	otherPort bool          // sends from another port than it says
	tls       *tls.Config
	says      []string // requests of the camera's own, one each few frames
}

// fake is a camera that replays the answers of real ones around RTP made of a clip.
type fake struct {
	script
	*testing.T
	l    net.Listener
	addr string

	mu       sync.Mutex
	sessions []*session
	requests []string // "METHOD address"
	refusals int      // 401
	logins   int      // requests that told who asks
	nonces   int
	used     int // requests with the newest nonce
}

func newFake(t *testing.T, s script) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{script: s, T: t, l: l, addr: l.Addr().String()}
	if s.tls != nil {
		f.l = tls.NewListener(l, s.tls)
	}
	go func() {
		for {
			conn, err := f.l.Accept()
			if err != nil {
				return
			}
			c := &session{f: f, conn: conn, in: bufio.NewReader(conn), done: make(chan struct{}), heard: time.Now()}
			f.set(func() { f.sessions = append(f.sessions, c) })
			go c.serve()
		}
	}()
	t.Cleanup(func() {
		f.l.Close()
		f.set(func() {
			for _, c := range f.sessions {
				c.conn.Close()
			}
		})
	})
	return f
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) url() string {
	if f.tls != nil {
		return "rtsps://" + f.addr + "/cam/realmonitor?channel=1&subtype=0"
	}
	return "rtsp://" + f.addr + "/cam/realmonitor?channel=1&subtype=0"
}

// count tells how many requests of a method came.
func (f *fake) count(method string) (n int) {
	f.set(func() {
		for _, r := range f.requests {
			if strings.HasPrefix(r, method+" ") {
				n++
			}
		}
	})
	return n
}

// session is one connection to a fake.
type session struct {
	f    *fake
	conn net.Conn
	in   *bufio.Reader
	done chan struct{}

	mu    sync.Mutex // of what is written, and of what follows
	hung  bool       // says and hears nothing any more, and stays connected
	heard time.Time

	setups int
	udp    [4]*net.UDPConn // of the video and of the sound
	to     [4]*net.UDPAddr
}

func (c *session) hang() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hung = true
}

func (c *session) write(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hung {
		c.conn.Write(p)
	}
}

func (c *session) serve() {
	defer c.conn.Close()
	defer close(c.done)
	for {
		first, err := c.in.Peek(1)
		if err != nil {
			return
		}
		c.mu.Lock()
		hung := c.hung
		c.heard = time.Now()
		c.mu.Unlock()
		if hung {
			time.Sleep(time.Hour)
		}
		if first[0] == '$' {
			var head [4]byte
			if _, err := io.ReadFull(c.in, head[:]); err != nil {
				return
			}
			if _, err := c.in.Discard(int(binary.BigEndian.Uint16(head[2:]))); err != nil {
				return
			}
			continue
		}
		var lines []string
		for {
			line, err := c.in.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimRight(line, "\r\n"); line == "" {
				break
			}
			lines = append(lines, line)
		}
		if strings.HasPrefix(lines[0], "RTSP/") {
			c.f.set(func() { c.f.requests = append(c.f.requests, "answered "+lines[0]) })
			continue
		}
		c.handle(lines)
	}
}

// An answer of a real camera, as it stands in testdata/cameras.
func captured(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata/cameras", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

var hosts = regexp.MustCompile(`rtsp://[^/\s]+`)
var addresses = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)

func (c *session) handle(lines []string) {
	f := c.f
	start := strings.Fields(lines[0])
	method, address := start[0], start[1]
	fields := map[string]string{}
	for _, line := range lines[1:] {
		name, value, _ := header(line)
		fields[name] = value
	}
	f.set(func() {
		if f.requests = append(f.requests, method+" "+address); fields["authorization"] != "" {
			f.logins++
		}
	})
	if f.user != "" && !c.admitted(method, address, fields["authorization"]) {
		qop := ""
		if f.qop {
			qop = `, qop="auth", algorithm=MD5, opaque="a,b"`
		}
		f.set(func() { f.refusals++ })
		if f.basic {
			c.write([]byte(fmt.Sprintf("RTSP/1.0 401 Unauthorized\r\nCSeq: %s\r\nWWW-Authenticate: Basic realm=\"camera\"\r\n\r\n", fields["cseq"])))
			return
		}
		c.write([]byte(fmt.Sprintf("RTSP/1.0 401 Unauthorized\r\nCSeq: %s\r\nWWW-Authenticate: Digest realm=\"a, camera\", nonce=\"%d\"%s\r\n\r\n", fields["cseq"], f.nonces, qop)))
		return
	}
	text := f.answers[method]
	if strings.HasPrefix(text, "v=0") {
		text = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n\r\n" + text
	}
	if text == "" {
		text = map[string]string{
			"OPTIONS":  "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER",
			"DESCRIBE": "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Base: rtsp://x/stream/\r\nContent-Type: application/sdp\r\n\r\n" + f.description(),
			"SETUP":    "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 12345678;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1",
			"PLAY":     "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 12345678\r\nRTP-Info: url=trackID=0;seq=1;rtptime=0",
		}[method]
		if text == "" {
			text = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 12345678"
		}
	}
	text = hosts.ReplaceAllString(strings.ReplaceAll(text, "\r\n", "\n"), "rtsp://"+f.addr)
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimLeft(body, "\n")
	if f.sdp != nil && method == "DESCRIBE" {
		body = f.sdp(body)
	}
	var out []string
	refused := false
	for _, line := range strings.Split(head, "\n") {
		switch name, value, _ := header(line); name {
		case "content-length", "x-notes":
			continue
		case "cseq":
			line = "CSeq: " + fields["cseq"]
		case "session":
			if f.timeout > 0 {
				id, _, _ := strings.Cut(value, ";")
				line = fmt.Sprintf("Session: %s;timeout=%d", id, f.timeout/time.Second)
			}
		case "transport":
			var agreed bool
			if line, agreed = c.setup(value, fields["transport"]); !agreed {
				refused = true
			}
		}
		if f.info != nil && method == "PLAY" && strings.HasPrefix(line, "RTP-Info") {
			line = "RTP-Info: " + f.info(^uint32(20000)+1, soundZero)
		}
		out = append(out, line)
	}
	if refused {
		out = []string{"RTSP/1.0 461 Unsupported Transport", "CSeq: " + fields["cseq"]}
	}
	text = strings.Join(out, "\n") + "\n\n" + body
	if f.answer != nil {
		if text = f.answer(method, text); text == "" {
			return
		}
	}
	head, body, _ = strings.Cut(text, "\n\n")
	body = strings.ReplaceAll(body, "\n", "\r\n")
	if body != "" {
		head += fmt.Sprintf("\nContent-Length: %d", len(body))
	}
	text = strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
	if d := f.late[method]; d > 0 {
		time.AfterFunc(d, func() { c.write([]byte(text)) })
	} else {
		c.write([]byte(text))
	}
	if method == "PLAY" && !refused {
		go c.play()
		if f.timeout > 0 {
			go c.watch()
		}
	}
}

// setup agrees on a transport: that which is asked, said in the words of a real camera.
func (c *session) setup(said, asked string) (line string, agreed bool) {
	var keep []string
	for field := range strings.SplitSeq(addresses.ReplaceAllString(said, "127.0.0.1"), ";") {
		switch name, _, _ := strings.Cut(field, "="); name {
		case "RTP/AVP", "RTP/AVP/TCP", "RTP/AVP/UDP", "unicast", "interleaved", "client_port", "server_port":
		default:
			keep = append(keep, field)
		}
	}
	rest := ""
	if len(keep) > 0 {
		rest = ";" + strings.Join(keep, ";")
	}
	at := 0 // its first channel
	if c.f.sound != nil {
		at = 2 * c.setups
		c.setups++
	}
	if _, ports, ok := strings.Cut(asked, "client_port="); ok {
		first, _, _ := strings.Cut(ports, "-")
		port, err := strconv.Atoi(first)
		if err != nil {
			c.f.Error(err)
		}
		for i := range 2 {
			if c.udp[at+i], err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
				c.f.Error(err)
				return "", false
			}
			c.to[at+i] = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + i}
		}
		port1, port2 := c.udp[at].LocalAddr().(*net.UDPAddr).Port, c.udp[at+1].LocalAddr().(*net.UDPAddr).Port
		if c.f.otherPort {
			port1, port2 = 4, 5
		}
		return fmt.Sprintf("Transport: RTP/AVP;unicast%s;client_port=%s;server_port=%d-%d", rest, ports, port1, port2), true
	}
	if c.f.noTCP {
		return "", false
	}
	return fmt.Sprintf("Transport: RTP/AVP/TCP;unicast;interleaved=%d-%d%s", at, at+1, rest), true
}

// admitted checks a digest.
func (c *session) admitted(method, address, authorization string) bool {
	f := c.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.basic {
		return authorization == "Basic "+base64.StdEncoding.EncodeToString([]byte(f.user+":"+f.password))
	}
	hash := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	got := parseChallenge(authorization).fields
	uri := address
	if f.path {
		uri = "/" + strings.SplitN(address, "/", 4)[3]
	}
	want := hash(f.user + ":a, camera:" + f.password)
	if f.qop {
		want = hash(want + ":" + strconv.Itoa(f.nonces) + ":" + got["nc"] + ":" + got["cnonce"] + ":auth:" + hash(method+":"+uri))
	} else {
		want = hash(want + ":" + strconv.Itoa(f.nonces) + ":" + hash(method+":"+uri))
	}
	if got["response"] != want || got["uri"] != uri || got["username"] != f.user || f.qop && got["opaque"] != "a,b" {
		return false
	}
	if f.used++; f.rotate > 0 && f.used > f.rotate {
		f.nonces++
		f.used = 0
		return false
	}
	return true
}

// description is that of a good camera.
func (f *fake) description() string {
	var video format.Format = &format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: f.clip.SPS, PPS: f.clip.PPS}
	if f.clip.Codec == "h265" {
		video = &format.H265{PayloadTyp: 96, VPS: f.clip.VPS, SPS: f.clip.SPS, PPS: f.clip.PPS}
	}
	sdp := "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=camera\nc=IN IP4 0.0.0.0\nt=0 0\na=control:*\na=range:npt=0-\nm=video 0 RTP/AVP 96\na=control:trackID=0\n" +
		"a=rtpmap:96 " + video.RTPMap() + "\na=framerate:25\na=fmtp:96 "
	var fmtp []string
	for name, value := range video.FMTP() {
		fmtp = append(fmtp, name+"="+value)
	}
	slices.Sort(fmtp)
	sdp += strings.Join(fmtp, "; ") + "\n"
	if s := f.sound; s != nil && s.Codec == "aac" {
		sdp += fmt.Sprintf("m=audio 0 RTP/AVP 97\na=control:trackID=1\na=rtpmap:97 MPEG4-GENERIC/%d/%d\na=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=%x\n",
			s.Rate, s.Channels, s.Config)
	} else if s != nil {
		sdp += "m=audio 0 RTP/AVP 97\na=control:trackID=1\na=rtpmap:97 opus/48000/2\n"
	}
	return sdp
}

// soundZero is the RTP time of the first frame of sound: it wraps soon.
const soundZero = math.MaxUint32 - 100000

// talk sends the sound, from its start and for ever, until the connection ends: each frame when it is over.
func (c *session) talk(start time.Time) {
	f := c.f
	for k := 0; ; k++ {
		select {
		case <-c.done:
			return
		case <-time.After(time.Until(start.Add(time.Duration(k+1) * time.Duration(f.sound.Length) * time.Second / time.Duration(f.sound.Rate)))):
		}
		stamp := uint32(soundZero + int64(k)*int64(f.sound.Length))
		p := f.sound.Packet(f.sound.Frames[k%len(f.sound.Frames)])
		p.SequenceNumber, p.Timestamp = uint16(65000+k), stamp
		packets := []*rtp.Packet{p}
		if f.hear != nil {
			packets = f.hear(k, p)
		}
		for _, p := range packets {
			raw, err := p.Marshal()
			if err != nil {
				f.Error(err)
			}
			c.send(2, raw)
		}
		if f.soundReport != nil && k%16 == 1 {
			if at, ok := f.soundReport(start.Add(time.Duration(k) * time.Duration(f.sound.Length) * time.Second / time.Duration(f.sound.Rate))); ok {
				c.send(3, senderReport(f, at, stamp))
			}
		}
	}
}

func senderReport(t testing.TB, at time.Time, stamp uint32) []byte {
	ntp := uint64(at.Unix()+2208988800)<<32 | uint64(at.Nanosecond())<<32/1e9
	raw, err := (&rtcp.SenderReport{SSRC: 7, NTPTime: ntp, RTPTime: stamp}).Marshal()
	if err != nil {
		t.Error(err)
	}
	return raw
}

var videoLine = regexp.MustCompile(`m=video \d+ RTP/AVP (\d+)`)

// watch ends the session when the recorder says nothing for its timeout.
func (c *session) watch() {
	for {
		select {
		case <-c.done:
			return
		case <-time.After(c.f.timeout / 20):
		}
		c.mu.Lock()
		late := time.Since(c.heard) > c.f.timeout
		c.mu.Unlock()
		if late {
			c.conn.Close()
			return
		}
	}
}

func (c *session) send(channel byte, p []byte) {
	if c.udp[0] == nil {
		c.write(append([]byte{'$', channel, byte(len(p) >> 8), byte(len(p))}, p...))
		return
	}
	if int(channel) < len(c.udp) && c.udp[channel] != nil && !c.f.blockUDP {
		c.udp[channel].WriteToUDP(p, c.to[channel])
	}
}

// play sends the clip, from its start and for ever, until the connection ends.
func (c *session) play() {
	f := c.f
	payload := byte(96)
	if m := videoLine.FindStringSubmatch(f.answers["DESCRIBE"]); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			f.Error(err)
		}
		payload = byte(n)
	}
	if f.dumb && c.setups > 1 {
		return
	}
	encode := encoder(f.T, f.clip.Codec)
	sequence, start, round := uint16(65500), time.Now(), int64(0)
	if f.sound != nil && c.setups > 1 {
		go c.talk(start)
	}
	for n := 0; ; n++ {
		frame := f.clip.Frames[n%len(f.clip.Frames)]
		if n > 0 && n%len(f.clip.Frames) == 0 {
			round += f.clip.Length
		}
		frame.PTS, frame.DTS = frame.PTS+round, frame.DTS+round
		if f.frame != nil {
			frame = f.frame(n, frame)
		}
		select {
		case <-c.done:
			return
		case <-time.After(time.Until(start.Add(time.Duration(frame.DTS) * time.Second / 90000))):
		}
		c.mu.Lock()
		hung := c.hung
		c.mu.Unlock()
		if hung {
			return
		}
		if n%8 == 2 && len(f.says) > 0 {
			c.write([]byte(strings.ReplaceAll(f.says[n/8%len(f.says)], "\n", "\r\n") + "\r\n\r\n"))
		}
		now := start.Add(time.Duration(frame.PTS) * time.Second / 90000) // when it was seen
		stamp := uint32(frame.PTS) - 20000                               // wraps soon
		if f.report != nil && n%8 == 1 {
			if at, ok := f.report(now); ok {
				c.send(1, senderReport(f, at, stamp))
			}
		}
		if f.beside {
			for channel := byte(2); channel < 8; channel += 2 { // sound, metadata, a back channel
				p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8 + channel, SequenceNumber: uint16(n), Timestamp: uint32(n) * 160, SSRC: uint32(channel)}, Payload: make([]byte, 160)}
				raw, err := p.Marshal()
				if err != nil {
					f.Error(err)
				}
				c.send(channel, raw)
			}
		}
		if len(frame.NALs) == 0 {
			continue
		}
		for _, p := range encode(frame.NALs) {
			p.PayloadType, p.SequenceNumber, p.Timestamp, p.SSRC = payload, sequence, stamp, 7
			sequence++
			packets := []*rtp.Packet{p}
			if f.packet != nil {
				packets = f.packet(n, p)
			}
			for _, p := range packets {
				raw, err := p.Marshal()
				if err != nil {
					f.Error(err)
				}
				c.send(0, raw)
			}
		}
	}
}

func encoder(t testing.TB, codec string) func([][]byte) []*rtp.Packet {
	var encode func([][]byte) ([]*rtp.Packet, error)
	if codec == "h265" {
		e, err := (&format.H265{PayloadTyp: 96}).CreateEncoder()
		if err != nil {
			t.Error(err)
			return nil
		}
		encode = e.Encode
	} else {
		e, err := (&format.H264{PayloadTyp: 96, PacketizationMode: 1}).CreateEncoder()
		if err != nil {
			t.Error(err)
			return nil
		}
		encode = e.Encode
	}
	return func(nals [][]byte) []*rtp.Packet {
		packets, err := encode(nals)
		if err != nil {
			t.Error(err)
		}
		return packets
	}
}

// quick is a clip at four times its speed: more frames in the time of a test, and more than its parameter sets say.
func quick(c cameratest.Clip) cameratest.Clip {
	c.Frames = slices.Clone(c.Frames)
	for i := range c.Frames {
		c.Frames[i].PTS /= 4
		c.Frames[i].DTS /= 4
	}
	c.Length /= 4
	return c
}

// bare is a clip without parameter sets in band.
func bare(c cameratest.Clip) cameratest.Clip {
	c.Frames = slices.Clone(c.Frames)
	codec := sets{Codec: "h264"}.Codec
	if c.Codec == "h265" {
		codec = "h265"
	}
	for i, f := range c.Frames {
		c.Frames[i].NALs = slices.DeleteFunc(slices.Clone(f.NALs), func(n []byte) bool {
			k := kindOf(codec, n)
			return k == vps || k == sps || k == pps
		})
	}
	return c
}
