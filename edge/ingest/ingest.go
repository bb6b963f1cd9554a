// Package ingest turns what a camera sends over RTSP into access units, without changing a bit of them, and says why when there is nothing.
//
// # What it may not do
//
//   - Show a green light over nothing. A camera that is connected and delivers no key frame for [Session.KeyFrameTimeout] is not recorded: that
//     is a gap with cause camera, and the session connects anew. Only a run that the [Writer] has accepted makes the state "recording".
//   - Grow. What waits for the disk waits in the [Writer], which bounds it; when that is full, whole groups of pictures are dropped up to the next
//     key frame, as a gap with cause disk (invariant 15).
//   - Tell a camera's password. Errors, details and log lines contain neither it nor the path of the camera's URL, where some makers put it.
//   - Re-encode. NAL units go out as they came, in their order, SEI with them: video that a camera signed stays verifiable.
//
// # Runs and gaps
//
// A run starts at the first key frame after the parameter sets are known, from the camera's description or in band. Time within a run is the
// camera's RTP time, from zero. A run ends, and what comes after starts a new one, when
//
//	the session breaks or the camera cannot be reached      cause network
//	the camera refuses, falls silent, offers no H.264/H.265  cause camera
//	the parameter sets change                               cause camera; nothing is lost
//	RTP time parts from ours by more than seconds           cause clock
//	the wall clock is set                                   cause clock; nothing is lost
//	the writer fails, or is full                            cause disk
//	the session is told to stop                             the cause given with [Stop], else recorder
//
// A run has no longest length here; who writes it may cut it at any key frame.
//
// # Cameras as they are
//
// gortsplib v4.16.2 speaks RTSP. Between it and the camera, above TLS, stands a connection that repairs by kind what cameras say and send (repair, describe, login);
// above it our own depacketiser, since gortsplib's cuts signing SEI in two. RTP over UDP is received here too and handed to gortsplib as if interleaved (datagrams): it
// knows of TCP only, and its check of the SSRC and of ports loses nothing. The tests replay what real cameras answered (testdata/cameras).
//
//	what a camera does                                                           what becomes of it
//	new SSRC, new sequence, out of order over UDP; stray payload types           one gap-free run
//	parameter sets only described, only in band, late, crooked                   recorded from the first key frame after them
//	parameter sets and key frame in one unit with start codes; signing SEI       recorded, SEI bit for bit
//	marker on each packet or slice, or none                                      recorded; the first frame after a start may be lost
//	crooked SDP, other tracks of any kind, sendonly                              recorded; what becomes of its sound is in [State.Detail]
//	AAC (RFC 3640, LATM), Opus, where [Source.Sound] allows it                   recorded bit for bit, beside the pictures of its time (hearing)
//	sound that starts late, stops, jumps, is lost or never comes                 pictures as ever
//	SETUP of sound refused, or answered with the video's channel; no video then  asked anew without sound
//	crooked status, Content-Type, Content-Base, Transport, CSeq; stray bytes     recorded
//	OPTIONS refused or never answered                                            recorded, after 3 s
//	digest over a path, with qop, MD5 or SHA-256; nonces that change; Basic      recorded; Basic goes to the configured host only
//	a short timeout, or none named; keepalives answered late or never            recorded
//	requests of its own                                                          answered; TEARDOWN and REDIRECT end the session, gap camera
//	TCP refused; UDP stopped by a firewall                                       the other is asked, unless transport says tcp
//	RTP time jumps                                                               a new run, gap clock, from the next key frame
//	a wrong clock, 1970, no sender report                                        recorded by our clock: the camera's is not looked at
//	half-open, frozen, no key frame, no parameter sets                           gap camera after KeyFrameTimeout, and a new connection
//
// Still lost, and what would help:
//
//	H.264 interleaved (packetization-mode 2), H.265 with decoding order numbers  a depacketiser that sorts by them; no camera seen needs it
//	MJPEG, MPEG-4, AV1, H.266                                                    a format in edge/footage; until then the gap names what is offered
//	sound in G.711, G.722, G.726, MP2, LATM with its parameters in band          fMP4 cannot carry them unchanged (G.711 and others), or a parser of those in band
//	sound beside video that is encrypted within TLS (SRTP)                       as the video: SRTP here
//	SRTP within RTSPS together with anything crooked, or over UDP                gortsplib's own TLS is used for it, without repairs; needs SRTP (pion/srtp) here
//	multicast only, RTSP over HTTP or WebSocket                                  a SETUP of our own, a tunnel in dial; gortsplib v5 has the tunnels
//	a description without Content-Length, a wrong length in a packet             reading until silence; finding the next packet by its channel and SSRC
//	a camera that plays only when its sound was set up too, and may not be heard SETUP of all tracks; ours sets up the video alone. None seen
//	all video under another payload type than described                          taking the type of most packets; until then it is a gap, not a green light
//	key frames further apart than KeyFrameTimeout                                a longer KeyFrameTimeout in the configuration, or the camera's own setting
//	a sequence that starts anew over TCP in mid-frame                            nothing: that one frame is counted as lost
//
// gortsplib v5 mends about half of what repair does, and cuts signed H.265: another version changes rtsp.go and the reports in udp.go alone.
//
// # Who owns what
//
// Run's goroutine connects and waits. gortsplib's reading goroutine calls down through depacketiser and runs, which belong to it while a
// connection lasts. The video's packets leave its way in repair, before gortsplib looks at them. With UDP more goroutines feed that one, for RTSP and for RTP and,
// with sound, for RTCP of each track, and end with the connection.
// What others ask of a session is in status, behind its own lock.
package ingest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Transport is how RTP is asked of a camera.
type Transport string

const (
	Auto Transport = "auto" // TCP, which passes everywhere and loses nothing; UDP from a camera that refuses TCP. So does the empty string
	TCP  Transport = "tcp"  // and nothing else
	UDP  Transport = "udp"  // TCP when nothing comes through. Over rtsps it is TCP: UDP would show what TLS hides
)

// Source is one stream of one camera. It prints without its password.
type Source struct {
	Camera    protocol.CameraID
	Stream    protocol.StreamID
	URL       string // rtsp://host[:port]/path or rtsps://…
	User      string // these two go before those in URL
	Password  string
	Transport Transport
	Sound     bool        // the camera is asked for its sound too. Only where the mandate allows it
	TLS       *tls.Config // for rtsps; nil checks the camera's certificate against the system's roots

	// KeyFrameTimeout is how long a connected camera may deliver no key frame before that is a gap. Zero is 10 s. It must be longer than the
	// camera's own key-frame interval.
	KeyFrameTimeout time.Duration
}

func (s Source) String() string               { return string(s.Camera) + "/" + string(s.Stream) }
func (s Source) GoString() string             { return s.String() }
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil } // for JSON logs

// Writer is fed by one Session, from one goroutine at a time: StartRun, Write for each frame, EndRun, and so on. An EndRun without a run says why there is none. When StartRun or Write fails,
// EndRun follows with cause disk, and the next StartRun comes at a key frame after a pause; after [footage.ErrSlow] without a pause, and without EndRun for a run that did not start. It must not
// wait for the disk: who calls reads the camera's socket.
type Writer interface {
	StartRun(f footage.Format, at time.Time) error // at is the arrival of the run's first frame
	Write(footage.AccessUnit) error
	WriteSound(footage.Sound) error // only of a run whose format has sound; an error costs that frame alone
	EndRun(cause footage.Cause, detail string) error
}

// Session records one Source for as long as Run runs. All fields but Source, Writer and Now have useful zero values; none may be changed after Run
// was called.
type Session struct {
	Source Source
	Writer Writer
	Now    func() time.Time // when frames are taken

	// Running is a clock that nobody sets: by it and Now a run finds that Now was set. Nil: the monotonic readings of Now's times, as time.Now gives.
	Running func() time.Duration

	Log *slog.Logger

	// Changed is told each new phase, cause or detail, also of gaps in which no run ever started. It must not block.
	Changed func(State)

	// Pauses before connecting again: the first, the longest, and the least after the camera refused the password (cameras lock out who
	// tries too often). Zero is 1 s, 30 s and 1 min. The same pauses go before a Writer that failed is tried again.
	RetryMin, RetryMax, RetryRefused time.Duration

	status status
}

// steady is a moment, read as now, by a clock that nobody sets: for what passes between two of them.
func (s *Session) steady(now time.Time) time.Time {
	if s.Running == nil {
		return now // its monotonic reading counts
	}
	return time.Unix(0, 0).Add(s.Running())
}

// Stop is the cause to cancel Run's context with, when there is a better reason than that the recorder stops: a lapsed mandate, for
// example.
type Stop struct {
	Cause  footage.Cause
	Detail string
}

func (s *Stop) Error() string { return s.Detail }

// Run records until ctx ends, and connects again for ever. It returns nil when ctx ended, and an error only for what connecting again cannot mend:
// a Source that makes no sense.
func (s *Session) Run(ctx context.Context) error {
	target, err := s.prepare()
	if err != nil {
		return err
	}
	s.status.begin(s)
	runs := &runs{session: s, tried: backoff{min: s.RetryMin, max: s.RetryMax}}
	pause := backoff{min: s.RetryMin, max: s.RetryMax}
	for ctx.Err() == nil {
		before := runs.number
		problem := s.stream(ctx, target, runs)
		if ctx.Err() != nil {
			break
		}
		runs.gap(problem.cause, problem.detail)
		s.status.gap(problem.cause, problem.detail)
		if runs.number != before {
			pause.reset()
		}
		wait := pause.next()
		if problem.refused {
			wait = max(wait, s.RetryRefused)
		}
		s.Log.Debug("connecting again", "after", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	cause, detail := footage.CauseRecorder, "recording was stopped"
	var stop *Stop
	if errors.As(context.Cause(ctx), &stop) {
		cause, detail = stop.Cause, stop.Detail
	}
	runs.gap(cause, detail)
	s.status.gap(cause, detail)
	return nil
}

// prepare fills in defaults and checks what is given. Its errors do not show the URL.
func (s *Session) prepare() (*target, error) {
	fail := func(format string, a ...any) (*target, error) {
		return nil, fmt.Errorf("camera %s: "+format, append([]any{s.Source}, a...)...)
	}
	if s.Writer == nil || s.Now == nil {
		return fail("a session needs Writer and Now")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.Log = s.Log.With("camera", s.Source.Camera, "stream", s.Source.Stream)
	for field, fallback := range map[*time.Duration]time.Duration{
		&s.Source.KeyFrameTimeout: 10 * time.Second, &s.RetryMin: time.Second, &s.RetryMax: 30 * time.Second, &s.RetryRefused: time.Minute,
	} {
		if *field < 0 {
			return fail("negative timeout or pause")
		} else if *field == 0 {
			*field = fallback
		}
	}
	switch s.Source.Transport {
	case "", Auto, TCP, UDP:
	default:
		return fail("transport %q: want auto, tcp or udp", string(s.Source.Transport))
	}
	u, err := url.Parse(s.Source.URL)
	if err != nil {
		return fail("the URL cannot be read; write rtsp://host/path, with special characters in it percent-encoded")
	}
	if u.Scheme != "rtsp" && u.Scheme != "rtsps" || u.Host == "" {
		return fail("the URL must be rtsp://host/path or rtsps://host/path")
	}
	return newTarget(s.Source, u), nil
}

// target is where to connect, and what of that may not be told.
type target struct {
	url      url.URL // without user and password
	login    *login
	udp      bool // how RTP is asked of the camera
	marksAll bool // see depacketiser.every
	unheard  int  // see maxUnheard
	srtp     bool // this camera's video is encrypted within TLS, and is left to gortsplib, without repairs
	secrets  *strings.Replacer
}

func newTarget(s Source, u *url.URL) *target {
	user, password := s.User, s.Password
	if user == "" && password == "" && u.User != nil {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	t := &target{url: *u, login: &login{user: user, password: password, host: u.Hostname()}}
	t.url.User, t.udp = nil, s.Transport == UDP && u.Scheme == "rtsp"
	// The longest first, so that no rest of one stays when another is taken out of its middle.
	var hide []string
	add := func(secret, instead string) {
		if secret != "" {
			hide = append(hide, secret, instead)
		}
	}
	add(s.URL, "rtsp://…")
	if len(u.RequestURI()) > 1 {
		add(u.RequestURI(), "/…")
	}
	if len(u.Path) > 1 {
		add(u.Path, "/…")
	}
	if t.login.known() {
		add(url.UserPassword(user, password).String(), "…")
		add(base64.StdEncoding.EncodeToString([]byte(user+":"+password)), "…")
	}
	if _, rest, ok := strings.Cut(s.URL, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at > 0 {
			add(rest[:at], "…") // as it was written, with its own way of escaping
			if _, written, ok := strings.Cut(rest[:at], ":"); ok {
				add(written, "…")
			}
		}
	}
	if other, ok := u.User.Password(); ok {
		add(other, "…")
	}
	add(url.QueryEscape(password), "…")
	add(url.PathEscape(password), "…")
	add(password, "…")
	t.secrets = strings.NewReplacer(hide...)
	return t
}

// redact takes out of a text all that may not be told.
func (t *target) redact(text string) string { return t.secrets.Replace(text) }

// problem is why a connection ended.
type problem struct {
	cause   footage.Cause
	detail  string // redacted
	refused bool   // the camera refused the password

	connected bool // the camera said that it plays
	otherWay  bool // it may send over UDP where TCP was asked, or the reverse
}

// backoff doubles from min to max; the half of each pause is left to chance, so that a hundred cameras behind one switch do not return at
// the same moment.
type backoff struct {
	min, max time.Duration
	tries    int
}

func (b *backoff) next() time.Duration {
	d := b.max
	if b.tries < 30 {
		d = min(b.max, b.min<<b.tries)
	}
	if d <= 0 {
		d = b.max
	}
	b.tries++
	return d/2 + rand.N(d/2+1)
}

func (b *backoff) reset() { b.tries = 0 }
