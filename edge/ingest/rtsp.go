package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/pion/rtp"
)

// answerTimeout is how long a camera may take to accept a connection and to answer a request.
const answerTimeout = 10 * time.Second

// stream connects once and receives until that breaks, the camera falls short, or ctx ends. It returns why.
func (s *Session) stream(ctx context.Context, t *target, runs *runs) problem {
	camera := func(format string, a ...any) problem {
		return problem{cause: footage.CauseCamera, detail: t.redact(fmt.Sprintf(format, a...))}
	}
	var local net.IP // our side of the connection
	client := &gortsplib.Client{
		Scheme:       t.url.Scheme,
		Host:         t.url.Host,
		ReadTimeout:  answerTimeout,
		WriteTimeout: answerTimeout,
		Transport:    s.transport(),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
				local = tcp.IP
			}
			if t.url.Scheme == "rtsps" {
				return conn, nil // gortsplib puts TLS above this; repairs would see ciphertext
			}
			return repair(conn), nil
		},
		// Only the side that the camera can reach listens.
		ListenPacket: func(network, address string) (net.PacketConn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return net.ListenPacket("udp", net.JoinHostPort(local.String(), port))
		},
		OnPacketsLost: func(n uint64) { s.Log.Debug("packets lost", "packets", n) },
		OnDecodeError: func(err error) { s.Log.Debug("packet not understood", "error", t.redact(err.Error())) },
	}
	if s.Source.TLS != nil {
		client.TLSConfig = s.Source.TLS.Clone() // gortsplib writes in it
	}
	if err := client.Start2(); err != nil {
		return camera("%v", err)
	}
	defer client.Close()
	defer context.AfterFunc(ctx, client.Close)()

	url := base.URL(t.url)
	offered, _, err := client.Describe(&url)
	if err != nil {
		return t.classify("DESCRIBE", err)
	}
	media, chosen, described, err := choose(offered)
	if err != nil {
		return camera("%v", err)
	}
	if _, err := client.Setup(offered.BaseURL, media, 0, 0); err != nil {
		return t.classify("SETUP", err)
	}

	watch := time.NewTimer(s.Source.KeyFrameTimeout)
	defer watch.Stop()
	runs.connected(described)
	depacketiser := &depacketiser{codec: described.Codec}
	var lost uint64
	client.OnPacketRTP(media, chosen, func(p *rtp.Packet) {
		depacketiser.push(p, func(u unit) {
			now, size := s.Now(), 0
			for _, n := range u.nals {
				size += len(n)
			}
			s.status.arrived(now, size, depacketiser.lost-lost)
			lost = depacketiser.lost
			if runs.unit(u, now) {
				watch.Reset(s.Source.KeyFrameTimeout)
			}
		})
	})
	if _, err := client.Play(nil); err != nil {
		return t.classify("PLAY", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	select {
	case <-ctx.Done():
		return problem{}
	case err := <-ended:
		return t.classify("", err)
	case <-watch.C:
	}
	client.Close() // runs is ours again
	after := s.Source.KeyFrameTimeout
	switch {
	case runs.latest.IsZero():
		return camera("the camera is connected and has sent no whole frame for %s", after)
	case s.Now().Sub(runs.latest) > after/2:
		return camera("the camera is connected and has fallen silent for %s", after)
	case runs.keys > 0 && !runs.seen.complete():
		return camera("the camera sends key frames, and no parameter sets for %s", after)
	}
	return camera("the camera sends frames, and no key frame for %s; its key-frame interval may be longer than that", after)
}

func (s *Session) transport() *gortsplib.Transport {
	t := gortsplib.TransportTCP
	if s.Source.Transport == UDP {
		t = gortsplib.TransportUDP
	}
	return &t
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
	var auth liberrors.ErrClientAuthSetup
	var network net.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &status) && status.Code == base.StatusUnauthorized, errors.As(err, &auth):
		p.refused = true
		p.detail = "the camera refuses the user name or password"
		if t.url.User == nil {
			p.detail = "the camera asks for a user name and password; none is configured"
		}
	case errors.As(err, &status):
		p.detail = fmt.Sprintf("the camera answers %s with %d %s", doing, status.Code, status.Message)
	case errors.As(err, new(liberrors.ErrClientTCPTimeout)), errors.As(err, new(liberrors.ErrClientUDPTimeout)):
		p.detail = "the camera is connected and has sent nothing for " + answerTimeout.String()
	case errors.As(err, new(liberrors.ErrClientRequestTimedOut)):
		p.detail = fmt.Sprintf("the camera is connected and does not answer %s", doing)
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
