// Package cameratest is a camera to test and demonstrate with, as httptest is an HTTP server to test with. It plays a clip in an endless
// loop over RTSP in real time, and does on request what cameras do in the street: go dark, freeze, forget key frames, jump in time.
//
//	camera, err := cameratest.New(cameratest.Options{Clip: cameratest.CounterH264(), User: "beeldwacht", Password: "geheim"})
//	if err != nil { … }
//	defer camera.Close()
//	record(camera.URL())
//
// It listens on the address it is given (by default loopback, a free port) and serves anyone who knows the password: it is not for
// anything but clips. Time stamps run on over the end of the clip and while the camera is dark.
package cameratest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"
)

// Transport is how a camera is willing to send.
type Transport string

const (
	Any Transport = "" // as the client asks
	TCP Transport = "tcp"
	UDP Transport = "udp"
)

// Offer is what the camera's description (SDP) offers.
type Offer string

const (
	Video         Offer = ""      // the clip
	VideoAndSound Offer = "both"  // the clip, and a G.711 track before it on which nothing is sent
	OnlySound     Offer = "sound" // a G.711 track
	OnlyMJPEG     Offer = "mjpeg" // a video codec that cannot be carried into fMP4
)

// Options of a camera; only Clip is needed.
type Options struct {
	Clip      Clip
	Addr      string // host:port; empty is 127.0.0.1:0. Port 0 is a free port, which stays the camera's own when it is stopped and started
	Transport Transport
	User      string // asked by digest when not empty
	Password  string
	Offer     Offer
	Sound     *Sound // sent beside the clip, as a track before it; nil is none

	// TLS makes the camera speak RTSPS, and encrypt its video within that once more (SRTP).
	TLS *tls.Config

	// BareSDP leaves the parameter sets out of the description: they come in band, with each key frame.
	BareSDP bool

	// Out makes the camera go dark now and then: the last OutFor of each OutEvery since it was made. Zero is never.
	OutEvery, OutFor time.Duration
}

// Camera plays until Close. Its methods may be called from any goroutine.
type Camera struct {
	options Options
	addr    string // with the port that New found
	done    chan struct{}
	quit    context.CancelFunc

	power sync.Mutex // held while the camera is switched on or off; taken before mu

	mu       sync.Mutex // guards what follows; never held while the server closes, which waits for handlers that take it
	server   *gortsplib.Server
	stream   *gortsplib.ServerStream
	stopped  bool // by Stop
	out      bool // by Options.OutEvery
	frozen   bool
	dropKeys bool
	sound    *Sound
	deaf     bool
	jump     time.Duration
	next     *Clip // what to play from the next frame on
}

// New makes a camera and switches it on.
func New(o Options) (*Camera, error) {
	if len(o.Clip.Frames) == 0 {
		return nil, errors.New("cameratest: no clip; set Options.Clip, for example to CounterH264()")
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("cameratest: address %q: %w", o.Addr, err)
	}
	ctx, quit := context.WithCancel(context.Background())
	c := &Camera{options: o, sound: o.Sound, done: make(chan struct{}), quit: quit}
	// A free port is sought below those that the kernel gives to outgoing connections, or one of those could take it while the camera is dark.
	for try := 0; ; try++ {
		c.addr = o.Addr
		if port == "0" {
			c.addr = net.JoinHostPort(host, strconv.Itoa(20000+rand.IntN(5000)))
		}
		if err = c.on(); err == nil {
			break
		} else if try == 100 {
			quit()
			return nil, fmt.Errorf("cameratest: listen on %s: %w", o.Addr, err)
		}
	}
	player, err := newPlayer(c)
	if err != nil {
		quit()
		c.off()
		return nil, fmt.Errorf("cameratest: %w", err)
	}
	go player.run(ctx)
	return c, nil
}

// URL is where the camera can be watched, without user name and password.
func (c *Camera) URL() string {
	scheme := "rtsp"
	if c.options.TLS != nil {
		scheme = "rtsps"
	}
	return scheme + "://" + c.addr + "/" + c.options.Clip.Name
}

// Close switches the camera off for good.
func (c *Camera) Close() {
	c.quit()
	<-c.done
	c.off()
}

// Stop makes the camera go dark: connections are cut, new ones refused. Its clock runs on.
func (c *Camera) Stop() { c.set(func() { c.stopped = true }); c.switchPower() }

// Start ends Stop. It fails when another took the port meanwhile.
func (c *Camera) Start() error { c.set(func() { c.stopped = false }); return c.switchPower() }

// Freeze keeps connections open and sends nothing on them while on is true.
func (c *Camera) Freeze(on bool) { c.set(func() { c.frozen = on }) }

// Hear goes over to other sound, which is offered when the camera is switched on the next time.
func (c *Camera) Hear(s *Sound) { c.set(func() { c.sound = s }) }

// Deafen sends pictures without sound while on is true.
func (c *Camera) Deafen(on bool) { c.set(func() { c.deaf = on }) }

// DropKeyFrames sends all but key frames while on is true.
func (c *Camera) DropKeyFrames(on bool) { c.set(func() { c.dropKeys = on }) }

// Jump moves the camera's own time by d, from the next frame on.
func (c *Camera) Jump(d time.Duration) { c.set(func() { c.jump += d }) }

// Play goes over to another clip of the same codec at the next frame, without telling those who watch; so a camera does when its settings
// are changed.
func (c *Camera) Play(clip Clip) { c.set(func() { c.next = &clip }) }

func (c *Camera) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// switchPower brings the server in line with stopped and out.
func (c *Camera) switchPower() error {
	c.power.Lock()
	defer c.power.Unlock()
	c.mu.Lock()
	want, is := !c.stopped && !c.out, c.server != nil
	c.mu.Unlock()
	switch {
	case want && !is:
		return c.on()
	case !want && is:
		c.off()
	}
	return nil
}

func (c *Camera) on() error {
	c.mu.Lock()
	defer c.mu.Unlock() // handlers wait for the stream
	server := &gortsplib.Server{
		Handler:     handler{c},
		RTSPAddress: c.addr,
		TLSConfig:   c.options.TLS,
		AuthMethods: []auth.VerifyMethod{auth.VerifyMethodDigestMD5},
	}
	if c.options.Transport != TCP {
		host, _, err := net.SplitHostPort(c.addr)
		if err != nil {
			return err
		}
		rtp := 25000 + 2*rand.IntN(3000)
		server.UDPRTPAddress = net.JoinHostPort(host, strconv.Itoa(rtp))
		server.UDPRTCPAddress = net.JoinHostPort(host, strconv.Itoa(rtp+1))
	}
	if err := server.Start(); err != nil {
		return err
	}
	stream := &gortsplib.ServerStream{Server: server, Desc: describe(c.options, c.sound)}
	if err := stream.Initialize(); err != nil {
		server.Close()
		return err
	}
	c.server, c.stream = server, stream
	return nil
}

func (c *Camera) off() {
	c.mu.Lock()
	server, stream := c.server, c.stream
	c.server, c.stream = nil, nil
	c.mu.Unlock()
	if server != nil {
		stream.Close()
		server.Close()
	}
}

const payloadType = 96

func describe(o Options, heard *Sound) *description.Session {
	var video format.Format
	switch clip := o.Clip; {
	case o.Offer == OnlyMJPEG:
		video = &format.MJPEG{}
	case clip.Codec == "h265" && o.BareSDP:
		video = &format.H265{PayloadTyp: payloadType}
	case clip.Codec == "h265":
		video = &format.H265{PayloadTyp: payloadType, VPS: clip.VPS, SPS: clip.SPS, PPS: clip.PPS}
	case o.BareSDP:
		video = &format.H264{PayloadTyp: payloadType, PacketizationMode: 1}
	default:
		video = &format.H264{PayloadTyp: payloadType, PacketizationMode: 1, SPS: clip.SPS, PPS: clip.PPS}
	}
	picture := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{video}}
	sound := &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{&format.G711{PayloadTyp: 8, SampleRate: 8000, ChannelCount: 1}}}
	switch o.Offer {
	case VideoAndSound:
		return &description.Session{Medias: []*description.Media{sound, picture}}
	case OnlySound:
		return &description.Session{Medias: []*description.Media{sound}}
	}
	if heard != nil {
		sound.Formats = []format.Format{heard.format()}
		return &description.Session{Medias: []*description.Media{sound, picture}}
	}
	return &description.Session{Medias: []*description.Media{picture}}
}

const soundPayloadType = 97

func (s *Sound) format() format.Format {
	if s.Codec == "opus" {
		return &format.Opus{PayloadTyp: soundPayloadType, ChannelCount: s.Channels}
	}
	c := &mpeg4audio.AudioSpecificConfig{}
	if err := c.Unmarshal(s.Config); err != nil {
		panic(fmt.Sprintf("cameratest: sound: %v", err)) // it came out of a file of ours
	}
	return &format.MPEG4Audio{PayloadTyp: soundPayloadType, Config: c, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
}

// Packet is the frame as it is sent, by RFC 3640 or RFC 7587; sequence and time are the sender's to set.
func (s *Sound) Packet(frame []byte) *rtp.Packet {
	payload := frame
	if s.Codec == "aac" {
		payload = append([]byte{0, 16, byte(len(frame) >> 5), byte(len(frame) << 3)}, frame...)
	}
	return &rtp.Packet{Header: rtp.Header{Version: 2, Marker: true, PayloadType: soundPayloadType, SSRC: 0x50}, Payload: payload}
}

// handler answers DESCRIBE, SETUP and PLAY for whoever knows the password.
type handler struct{ c *Camera }

func (h handler) admit(conn *gortsplib.ServerConn, request *base.Request) (*base.Response, *gortsplib.ServerStream, error) {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	o := h.c.options
	if o.User != "" && !conn.VerifyCredentials(request, o.User, o.Password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	if h.c.stream == nil {
		return &base.Response{StatusCode: base.StatusServiceUnavailable}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, h.c.stream, nil
}

func (h handler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return h.admit(ctx.Conn, ctx.Request)
}

func (h handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if h.c.options.Transport == UDP && ctx.Transport != gortsplib.TransportUDP {
		return &base.Response{StatusCode: base.StatusUnsupportedTransport}, nil, nil
	}
	return h.admit(ctx.Conn, ctx.Request)
}

func (h handler) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// player sends the clip. Its fields belong to the goroutine of run.
type player struct {
	c      *Camera
	clip   Clip
	encode func([][]byte) ([]*rtp.Packet, error)
	frame  int   // the next of clip
	round  int64 // when this round of the clip began, 90 kHz since the first
	heard  int   // frames of sound sent
	start  time.Time
}

func newPlayer(c *Camera) (*player, error) {
	p := &player{c: c, clip: c.options.Clip}
	if p.clip.Codec == "h265" {
		e, err := (&format.H265{PayloadTyp: payloadType}).CreateEncoder()
		if err != nil {
			return nil, err
		}
		p.encode = e.Encode
		return p, nil
	}
	e, err := (&format.H264{PayloadTyp: payloadType, PacketizationMode: 1}).CreateEncoder()
	if err != nil {
		return nil, err
	}
	p.encode = e.Encode
	return p, nil
}

func (p *player) run(ctx context.Context) {
	defer close(p.c.done)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if p.start.IsZero() {
				p.start = now
			}
			elapsed := now.Sub(p.start)
			if o := p.c.options; o.OutEvery > 0 {
				out := elapsed%o.OutEvery >= o.OutEvery-o.OutFor
				p.c.set(func() { p.c.out = out })
				p.c.switchPower() // when it fails the next tick tries again
			}
			p.send(int64(elapsed) * 9 / 1e5)
			p.sendSound(elapsed)
		}
	}
}

// send sends all frames due at now, 90 kHz since the start.
func (p *player) send(now int64) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	for {
		if p.c.next != nil {
			p.round += p.clip.Frames[p.frame].DTS
			p.clip, p.frame, p.c.next = *p.c.next, 0, nil
		}
		f := p.clip.Frames[p.frame]
		if p.round+f.DTS > now {
			return
		}
		stamp := uint32(p.round + f.PTS + int64(p.c.jump)*9/1e5)
		seen := p.start.Add(time.Duration(p.round+f.PTS) * time.Second / 90000)
		if p.frame++; p.frame == len(p.clip.Frames) {
			p.frame, p.round = 0, p.round+p.clip.Length
		}
		if p.c.stream == nil || p.c.frozen || (p.c.dropKeys && f.Key) || (p.c.options.Offer != Video && p.c.options.Offer != VideoAndSound) {
			continue
		}
		packets, err := p.encode(f.NALs)
		if err != nil {
			panic(fmt.Sprintf("cameratest: clip %s: frame %d cannot be sent: %v", p.clip.Name, p.frame, err))
		}
		media := p.c.stream.Desc.Medias[len(p.c.stream.Desc.Medias)-1]
		for _, packet := range packets {
			packet.Timestamp = stamp
			if p.c.stream.WritePacketRTPWithNTP(media, packet, seen) != nil {
				break // the stream is closing; who watches, sees it
			}
		}
	}
}

// sendSound sends all sound that was over at elapsed since the start: a frame cannot be sent before it was heard.
func (p *player) sendSound(elapsed time.Duration) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	s := p.c.sound
	if s == nil {
		return
	}
	for ; int64(p.heard+1)*int64(s.Length) <= int64(elapsed)*int64(s.Rate)/int64(time.Second); p.heard++ {
		if p.c.stream == nil || p.c.frozen || p.c.deaf {
			continue
		}
		packet := s.Packet(s.Frames[p.heard%len(s.Frames)])
		packet.SequenceNumber = uint16(p.heard)
		packet.Timestamp = uint32(p.heard*s.Length) + uint32(int64(p.c.jump)*int64(s.Rate)/int64(time.Second)) + 4711
		heard := p.start.Add(time.Duration(p.heard) * time.Duration(s.Length) * time.Second / time.Duration(s.Rate))
		if p.c.stream.WritePacketRTPWithNTP(p.c.stream.Desc.Medias[0], packet, heard) != nil {
			break
		}
	}
}
