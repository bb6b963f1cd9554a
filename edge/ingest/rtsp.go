package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// answerTimeout is how long a camera may take to accept a connection and to answer a request.
const answerTimeout = 10 * time.Second

const (
	rtspsPort    = "322"
	maxRedirects = 4
	maxUnheard   = 2 // connections in a row that asked for sound and brought no picture; the next goes without
)

// stream connects and receives until that breaks, the camera falls short, or ctx ends. It returns why. A camera that does not send in the way it is asked is asked
// the other way: at once when it says so, else at the next connection.
func (s *Session) stream(ctx context.Context, t *target, runs *runs) problem {
	p := s.connect(ctx, t, runs)
	if p.otherWay && s.Source.Transport != TCP && t.url.Scheme == "rtsp" { // what TLS hides, UDP would show
		t.udp = !t.udp
		s.Log.Info("the camera is asked to send another way", "udp", t.udp, "reason", p.detail)
		if !p.connected && ctx.Err() == nil {
			p = s.connect(ctx, t, runs)
		}
	}
	return p
}

// connect is one connection of stream.
func (s *Session) connect(ctx context.Context, t *target, runs *runs) problem {
	camera := func(format string, a ...any) problem {
		return problem{cause: footage.CauseCamera, detail: t.redact(fmt.Sprintf(format, a...))}
	}
	before := t.unheard
	silent := before >= maxUnheard
	t.unheard = 0
	var conn *repaired
	var line *paced // below it
	dialled := 0
	transport := gortsplib.TransportTCP
	client := &gortsplib.Client{
		Scheme:       "rtsp", // TLS is put below the repairs, not above
		Host:         t.url.Host,
		ReadTimeout:  answerTimeout,
		WriteTimeout: answerTimeout,
		Transport:    &transport,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if dialled++; dialled > maxRedirects+1 {
				return nil, errors.New("the camera sends us from one address to the next, without end")
			}
			if t.srtp {
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}
			secure := t.url.Scheme == "rtsps" || conn != nil && conn.toTLS
			below, plain, host, err := s.dial(ctx, network, address, secure)
			if err != nil {
				return nil, err
			}
			line = below
			conn = repair(plain, host, secure, t.login)
			conn.hear = s.Source.Sound && !silent
			if t.udp && !secure {
				conn = overUDP(conn)
			}
			return conn, nil
		},
		OnPacketsLost: func(n uint64) { s.Log.Debug("packets lost", "packets", n) },
		OnDecodeError: func(err error) { s.Log.Debug("packet not understood", "error", t.redact(err.Error())) },
	}
	if t.url.Scheme == "rtsps" && t.url.Port() == "" {
		client.Host = net.JoinHostPort(t.url.Hostname(), rtspsPort)
	}
	url := base.URL(t.url)
	url.Scheme, url.Host = client.Scheme, client.Host
	if t.srtp {
		client.Scheme, url.Scheme, url.User = "rtsps", "rtsps", t.login.userinfo()
		if s.Source.TLS != nil {
			client.TLSConfig = s.Source.TLS.Clone() // gortsplib writes in it
		}
	}
	if err := client.Start2(); err != nil {
		return camera("%v", err)
	}
	defer client.Close()
	defer context.AfterFunc(ctx, client.Close)()

	offered, _, err := client.Describe(&url)
	if err != nil {
		return t.classify("DESCRIBE", err)
	}
	media, chosen, described, err := choose(offered)
	if err != nil {
		return camera("%v", err)
	}
	if media.Secure && t.url.Scheme == "rtsps" && !t.srtp {
		t.srtp = true // the camera encrypts its video once more, which only gortsplib's own TLS can undo
		client.Close()
		return s.connect(ctx, t, runs)
	}
	if _, err := client.Setup(offered.BaseURL, media, 0, 0); err != nil {
		return t.classify("SETUP", err)
	}
	track, err := s.setUpSound(client, offered, conn)
	if err != nil { // sound never costs pictures
		if p := t.classify("SETUP", err); p.cause == footage.CauseNetwork {
			return p
		}
		s.Log.Info("the camera is asked anew without its sound", "reason", t.redact(err.Error()))
		client.Close()
		t.unheard = maxUnheard
		return s.connect(ctx, t, runs)
	}
	if conn != nil {
		coding := ""
		if track != nil {
			coding = track.name
		}
		s.status.besides(conn.beside, coding)
	}

	watch := time.NewTimer(s.Source.KeyFrameTimeout)
	defer watch.Stop()
	runs.connected(described, track)
	depacketiser := &depacketiser{codec: described.Codec, every: t.marksAll}
	var lost uint64
	emit := func(u unit) {
		now, size := s.Now(), 0
		for _, n := range u.nals {
			size += len(n)
		}
		s.status.arrived(now, size, depacketiser.lost-lost)
		lost = depacketiser.lost
		if runs.unit(u, now) {
			watch.Reset(s.Source.KeyFrameTimeout)
		}
		if conn != nil && conn.messages == nil {
			line.pace(runs.open) // what begins a run is read at once: its arrival is the run's place in time
		}
	}
	if conn == nil {
		client.OnPacketRTP(media, chosen, func(p *rtp.Packet) { depacketiser.push(p, emit) })
	} else {
		var p rtp.Packet
		conn.onVideo = func(packet []byte) {
			if err := p.Unmarshal(packet); err != nil {
				s.Log.Debug("packet not understood", "error", err)
			} else if p.PayloadType == chosen.PayloadType() {
				depacketiser.push(&p, emit)
			}
		}
	}
	if track != nil {
		conn.listen(runs.sound)
	}
	answer, err := client.Play(nil)
	if err != nil {
		if track != nil {
			t.unheard = before + 1
		}
		return t.classify("PLAY", err)
	}
	if track != nil {
		runs.sound.info.Store(playedOf(strings.Join(answer.Header["RTP-Info"], ","), media.Control, audioOf(offered).Control))
	}
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	var p problem
	select {
	case <-ctx.Done():
		return p
	case err := <-ended:
		p = t.classify("", err)
	case <-watch.C:
		client.Close() // runs is ours again
		p = camera("%s", s.missing(runs))
	}
	p.connected, t.marksAll = true, depacketiser.every
	if track != nil && runs.latest.IsZero() {
		t.unheard = before + 1
	}
	if runs.latest.IsZero() && p.cause == footage.CauseCamera && (t.udp || s.Source.Transport == UDP) {
		p.otherWay = true // a firewall between passes no UDP
	}
	return p
}

// setUpSound asks for the sound beside the video, where it is wanted and there is some.
func (s *Session) setUpSound(client *gortsplib.Client, offered *description.Session, conn *repaired) (*soundTrack, error) {
	if conn == nil || conn.heard == nil {
		return nil, nil
	}
	media := audioOf(offered)
	if media == nil {
		return nil, errors.New("its description lost it")
	}
	if _, err := client.Setup(offered.BaseURL, media, 0, 0); err != nil {
		return nil, err
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if conn.sound < 0 || conn.sound&^1 == conn.video&^1 {
		return nil, fmt.Errorf("it wants to send its sound on channel %d, beside video on %d", conn.sound, conn.video)
	}
	return conn.heard, nil
}

// audioOf is the sound that describe left in a description.
func audioOf(offered *description.Session) *description.Media {
	i := slices.IndexFunc(offered.Medias, func(m *description.Media) bool { return m.Type == description.MediaTypeAudio })
	if i < 0 {
		return nil
	}
	return offered.Medias[i]
}

// listen leads the sound, and the sender reports of both tracks, to where they are put together.
func (r *repaired) listen(h *hearing) {
	s := h.runs.session
	var p rtp.Packet
	r.onSound = func(packet []byte) {
		if p.Unmarshal(packet) == nil {
			h.heard(&p, s.steady(s.Now()))
		}
	}
	r.onReport = func(sound bool, packet []byte) {
		packets, err := rtcp.Unmarshal(packet)
		if err != nil {
			return
		}
		for _, one := range packets {
			if report, ok := one.(*rtcp.SenderReport); ok {
				h.reported(sound, ntpTime(report.NTPTime), report.RTPTime, s.steady(s.Now()))
			}
		}
	}
}

// ntpTime reads the time of a sender report (RFC 3550 section 4); zero is a camera that has none.
func ntpTime(t uint64) time.Time {
	if t>>32 == 0 {
		return time.Time{}
	}
	return time.Unix(int64(t>>32), int64(t&math.MaxUint32*1e9>>32))
}

// missing says what of a connected camera is missing.
func (s *Session) missing(runs *runs) string {
	after := s.Source.KeyFrameTimeout
	switch {
	case runs.latest.IsZero():
		return fmt.Sprintf("the camera is connected and has sent no whole frame for %s", after)
	case s.Now().Sub(runs.latest) > after/2:
		return fmt.Sprintf("the camera is connected and has fallen silent for %s", after)
	case runs.keys > 0 && !runs.seen.complete():
		return fmt.Sprintf("the camera sends key frames, and no parameter sets for %s", after)
	}
	return fmt.Sprintf("the camera sends frames, and no key frame for %s; its key-frame interval may be longer than that", after)
}

// dial connects, and over TLS also greets. host is what address names, line the connection below TLS.
func (s *Session) dial(ctx context.Context, network, address string, secure bool) (line *paced, conn net.Conn, host string, err error) {
	if host, _, err = net.SplitHostPort(address); err != nil {
		return nil, nil, "", err
	}
	plain, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, nil, "", err
	}
	line = &paced{Conn: plain}
	if !secure {
		return line, line, host, nil
	}
	config := &tls.Config{}
	if s.Source.TLS != nil {
		config = s.Source.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	over := tls.Client(line, config)
	if err := over.HandshakeContext(ctx); err != nil {
		return nil, nil, "", errors.Join(err, line.Close())
	}
	return line, over, host, nil
}

// choose takes the first video that can be recorded; all else a camera offers is left alone. Its error names what was offered.
func choose(offered *description.Session) (*description.Media, format.Format, sets, error) {
	var names []string
	for _, m := range offered.Medias {
		for _, f := range m.Formats {
			name := fmt.Sprintf("%s %s", m.Type, f.Codec())
			if m.IsBackChannel {
				name += " (back channel)"
			} else if m.Type == description.MediaTypeVideo {
				switch f := f.(type) {
				case *format.H264:
					if f.PacketizationMode < 2 {
						return m, f, sets{Codec: footage.H264, SPS: f.SPS, PPS: f.PPS}, nil
					}
					name += " interleaved"
				case *format.H265:
					if f.MaxDONDiff == 0 {
						return m, f, sets{Codec: footage.H265, VPS: f.VPS, SPS: f.SPS, PPS: f.PPS}, nil
					}
					name += " with decoding order numbers"
				}
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{"nothing"}
	}
	return nil, nil, sets{}, fmt.Errorf("the camera offers %s; set it to H.264 or H.265 video", strings.Join(names, ", "))
}

// classify says whose fault an error is: the camera's, when it answered in a way that we cannot record, else the network's. doing is the
// request that failed, empty while frames were received.
func (t *target) classify(doing string, err error) problem {
	p := problem{cause: footage.CauseCamera}
	var status liberrors.ErrClientBadStatusCode
	var network net.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &status) && status.Code == base.StatusUnauthorized:
		p.refused = true
		p.detail = "the camera refuses the user name or password"
		if !t.login.known() {
			p.detail = "the camera asks for a user name and password; none is configured"
		}
	case errors.As(err, &status) && status.Code == base.StatusUnsupportedTransport, errors.As(err, new(liberrors.ErrClientServerRequestedUDP)):
		p.otherWay = true
		p.detail = "the camera does not send the way it is asked; leave out transport, or set it to the other of tcp and udp"
	case errors.As(err, &status):
		p.detail = fmt.Sprintf("the camera answers %s with %d %s", doing, status.Code, status.Message)
	case errors.As(err, new(liberrors.ErrClientTCPTimeout)), errors.As(err, new(liberrors.ErrClientUDPTimeout)):
		p.detail = "the camera is connected and has sent nothing for " + answerTimeout.String()
	case errors.As(err, new(liberrors.ErrClientRequestTimedOut)):
		p.detail = fmt.Sprintf("the camera is connected and does not answer %s", doing)
	case errors.As(err, new(*tls.CertificateVerificationError)):
		p.detail = fmt.Sprintf("the camera's certificate is not trusted: %v", err)
	case errors.As(err, &network), errors.As(err, &errno), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		p.cause = footage.CauseNetwork
		p.detail = fmt.Sprintf("the camera cannot be reached: %v", err)
		if doing == "" {
			p.detail = fmt.Sprintf("the session broke: %v", err)
		}
	case doing == "":
		p.detail = fmt.Sprintf("the session broke: %v", err)
	default:
		p.detail = fmt.Sprintf("the camera's answer to %s is not understood: %v", doing, err)
	}
	p.detail = t.redact(p.detail)
	return p
}
