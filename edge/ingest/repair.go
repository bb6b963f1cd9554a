package ingest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// repair stands between gortsplib and a camera, above TLS where there is TLS, and puts right on the wire what cameras say in a way that
// gortsplib rejects or, worse, takes in silence (shared/cameras/CASES.md). What it repairs:
//
//   - a new SSRC in mid-stream, whose packets gortsplib drops without a word: the first one is kept
//   - packets of another payload type among those of the video, and packets before PLAY
//   - descriptions, see describe
//   - a status line without reason, a description without Content-Type, a Content-Base that is no address
//   - a SETUP answered without Transport, or with fields in it that cannot be read
//   - a session without timeout, which some cameras end long before the 60 s they should wait
//   - OPTIONS refused or never answered: nothing depends on it
//   - all of the login: a digest over "/path", a nonce that changes at any time
//   - requests of the camera's own, which are answered, and stray bytes between messages
//
// Requests are numbered anew here (CSeq), since one of gortsplib's can become several.
func repair(conn net.Conn, host string, secure bool, login *login) *repaired {
	return &repaired{Conn: conn, in: bufio.NewReaderSize(conn, maxHead+4), login: login, host: host, secure: secure, ssrc: map[byte][4]byte{}, video: -1, sound: -1, closed: make(chan struct{}), gone: make(chan struct{})}
}

// overUDP makes of a connection one that asks for UDP where gortsplib asks for TCP.
func overUDP(r *repaired) *repaired {
	r.messages, r.ended = make(chan []byte, 64), make(chan struct{})
	go r.pump()
	return r
}

const (
	maxHead    = 64 << 10 // bytes of the lines before a body
	maxBody    = 1 << 20
	maxPending = 8                      // requests without an answer; some cameras answer no keepalive
	patience   = 3 * time.Second        // with a camera that does not answer OPTIONS
	farewell   = 500 * time.Millisecond // for the answer to TEARDOWN
	undeclared = "20"                   // seconds after which a camera that names no timeout may end the session; RFC 2326 says 60, and not all keep to it
)

// repaired is a connection of which what is read is repaired. Read belongs to one goroutine and Write to another, as with gortsplib.
type repaired struct {
	net.Conn
	login  *login
	host   string // of the camera, as it was dialled
	secure bool   // over TLS: addresses in requests say rtsps

	closed  chan struct{}
	closing sync.Once

	goodbye sync.Once
	gone    chan struct{} // the camera answered TEARDOWN, or says nothing any more

	// With UDP; messages is nil without.
	messages chan []byte
	ended    chan struct{} // the RTSP side, with broken
	broken   error

	// These belong to Read, or to pump where there is one. mend works for the datagrams, once they play.
	in       *bufio.Reader
	out      []byte // repaired, and not yet read
	ssrc     map[byte][4]byte
	video    int      // the channel of the video; -1 until it was set up
	sound    int      // the channel of the sound; -1 where none was set up
	setups   int      // tracks that were asked for: the video, then perhaps sound
	payloads []byte   // payload types of the video
	beside   []string // what the camera offers beside what is asked for, in words for people
	hear     bool     // sound is wanted; set before the first message
	heard    *soundTrack

	playing  atomic.Bool
	onVideo  func(packet []byte)             // takes the video's RTP, see around; set before PLAY, as the two that follow
	onSound  func(packet []byte)             // may be nil, and then there is no onReport either
	onReport func(sound bool, packet []byte) // takes RTCP of both
	alive    time.Time                       // when gortsplib was last told of it

	mu        sync.Mutex // guards what follows, and keeps messages on the wire whole
	number    int        // of the last request on the wire
	pending   []*request // sent and not answered, oldest first
	challenge *challenge
	hurried   bool         // a first OPTIONS is on its way: reading ends after patience
	udp       []*datagrams // one a track, from its SETUP on
	parting   bool         // TEARDOWN was sent
	toTLS     bool         // the camera sent us to another address, which speaks TLS
}

// request is one of gortsplib's.
type request struct {
	method, address string
	lines           []string   // without CSeq and Authorization
	cseq            string     // gortsplib's
	asked           string     // the Transport that gortsplib asked for, when another was
	track           int        // of SETUP: 0 is the video, 1 sound
	udp             *datagrams // of SETUP, when the Transport was another
	number          int        // ours, of the last time that it was sent
	tries           int        // times that it was sent because the camera asked who we are
}

func (r *request) header(name string) string {
	for _, line := range r.lines {
		if n, value, ok := header(line); ok && n == name {
			return value
		}
	}
	return ""
}

// Write takes one whole message, as gortsplib writes them.
func (r *repaired) Write(p []byte) (int, error) {
	head, _, _ := bytes.Cut(p, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	start := strings.Fields(lines[0])
	r.mu.Lock()
	defer r.mu.Unlock()
	if p[0] == '$' || len(start) != 3 || !strings.HasPrefix(start[2], "RTSP/") {
		return r.Conn.Write(p)
	}
	q := &request{method: start[0], address: start[1]}
	if r.secure {
		if rest, ok := strings.CutPrefix(q.address, "rtsp://"); ok {
			q.address = "rtsps://" + rest
		}
	}
	for _, line := range lines[1:] {
		if name, value, _ := header(line); name == "cseq" {
			q.cseq = value
		} else {
			q.lines = append(q.lines, line)
		}
	}
	switch q.method {
	case "OPTIONS":
		if r.number == 0 {
			r.hurried = true
			if err := r.Conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				return 0, err
			}
		}
	case "SETUP":
		q.track = r.setups
		r.setups++
		if r.messages != nil {
			if err := r.overUDP(q); err != nil {
				return 0, err
			}
		}
	case "PLAY":
		r.playing.Store(true)
		for i, d := range r.udp {
			mend := r.mend
			if i > 0 {
				mend = func(p []byte) []byte { return p } // gortsplib sees none of it
			}
			if err := d.play(r.messages, mend, r.onSound != nil); err != nil {
				return 0, err
			}
		}
	}
	if err := r.send(q); err != nil {
		return 0, err
	}
	if q.method == "TEARDOWN" {
		r.playing.Store(false)
		r.parting = true
	}
	return len(p), nil
}

// overUDP opens ports, and asks for them in a SETUP.
func (r *repaired) overUDP(q *request) error {
	local, ok := r.Conn.LocalAddr().(*net.TCPAddr)
	camera, also := r.Conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !also {
		return fmt.Errorf("no UDP beside %T", r.Conn)
	}
	d, err := listen(local.IP, camera.IP)
	if err != nil {
		return err
	}
	d.channel = byte(2 * q.track)
	r.udp, q.udp = append(r.udp, d), d
	q.asked = q.header("transport")
	for i, line := range q.lines {
		if name, _, _ := header(line); name == "transport" {
			q.lines[i] = "Transport: " + d.asks()
		}
	}
	return nil
}

// Close also ends what goes over UDP. It gives the camera a moment to hear TEARDOWN: closing with packets unread would cut that off too, and some cameras then keep the
// session, of which they have few.
func (r *repaired) Close() error {
	var err error
	r.closing.Do(func() {
		r.mu.Lock()
		udp, parting := r.udp, r.parting
		r.mu.Unlock()
		if parting {
			select {
			case <-r.gone:
			case <-time.After(farewell):
			}
		}
		close(r.closed)
		err = r.Conn.Close()
		for _, d := range udp {
			err = errors.Join(err, d.stop())
		}
	})
	return err
}

// send puts a request on the wire. The caller holds mu.
func (r *repaired) send(q *request) error {
	r.number++
	q.number = r.number
	lines := append([]string{q.method + " " + q.address + " RTSP/1.0", "CSeq: " + strconv.Itoa(q.number)}, q.lines...)
	if r.challenge != nil {
		if line := r.login.authorization(r.challenge, q.method, q.address, r.host); line != "" {
			lines = append(lines, line)
		}
	}
	if r.pending = append(r.pending, q); len(r.pending) > maxPending {
		r.pending = slices.Delete(r.pending, 0, 1)
	}
	_, err := io.WriteString(r.Conn, strings.Join(lines, "\r\n")+"\r\n\r\n")
	return err
}

func (r *repaired) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		next := r.next
		if r.messages != nil {
			next = r.take
		}
		var err error
		if r.out, err = next(); err != nil {
			return 0, err
		}
		r.out = r.around(r.out)
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// next reads one message: an interleaved packet, an answer, or a request of the camera's. What it returns is to be passed on, is nothing when there is nothing to pass on, and stays
// as it is until the next call.
func (r *repaired) next() ([]byte, error) {
	message, err := r.read()
	if err != nil {
		r.goodbye.Do(func() { close(r.gone) })
	}
	return message, err
}

func (r *repaired) read() ([]byte, error) {
	first, err := r.in.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return r.hurry()
	} else if err != nil {
		return nil, err
	}
	if first[0] == '$' {
		return r.packet()
	}
	if !r.atMessage() {
		_, err := r.in.Discard(1)
		return nil, err
	}
	if err := r.calm(); err != nil {
		return nil, err
	}
	var lines []string
	for size := 0; ; {
		line, err := r.in.ReadSlice('\n')
		if size += len(line); errors.Is(err, bufio.ErrBufferFull) || size > maxHead {
			return nil, fmt.Errorf("an answer of the camera has more than %d bytes before its body", maxHead)
		} else if err != nil {
			return nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		lines = append(lines, text)
	}
	length := 0
	for _, line := range lines[1:] {
		if name, value, ok := header(line); ok && name == "content-length" {
			if length, err = strconv.Atoi(value); err != nil || length < 0 || length > maxBody {
				return nil, fmt.Errorf("an answer of the camera has Content-Length %q; want at most %d", value, maxBody)
			}
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r.in, body); err != nil {
		return nil, err
	}
	if strings.HasPrefix(lines[0], "RTSP/") {
		return r.answered(lines, body)
	}
	return nil, r.asked(lines)
}

// atMessage tells whether a message begins here; else it is stray bytes, as some cameras send between messages.
func (r *repaired) atMessage() bool {
	for _, begin := range []string{"RTSP/", "OPTIONS ", "ANNOUNCE ", "DESCRIBE ", "GET_PARAMETER ", "SET_PARAMETER ", "REDIRECT ", "TEARDOWN ", "SETUP ", "PLAY ", "PAUSE ", "RECORD "} {
		if first, _ := r.in.Peek(1); len(first) == 0 || first[0] != begin[0] {
			continue
		}
		if head, _ := r.in.Peek(len(begin)); string(head) == begin {
			return true
		}
	}
	return false
}

// calm ends the wait for OPTIONS: the camera says something.
func (r *repaired) calm() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.hurried {
		return nil
	}
	r.hurried = false
	return r.Conn.SetReadDeadline(time.Time{})
}

// hurry answers OPTIONS in the camera's place.
func (r *repaired) hurry() ([]byte, error) {
	if err := r.calm(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		return nil, os.ErrDeadlineExceeded
	}
	message := []byte("RTSP/1.0 200 OK\r\nCSeq: " + r.pending[0].cseq + "\r\n\r\n")
	r.pending = r.pending[1:]
	return message, nil
}

// packet passes an interleaved packet on.
func (r *repaired) packet() ([]byte, error) {
	head, err := r.in.Peek(4)
	if err != nil {
		return nil, err
	}
	// It stays in the buffer while it is passed on; that holds the largest packet there is.
	p, err := r.in.Peek(4 + int(binary.BigEndian.Uint16(head[2:])))
	if err != nil {
		return nil, err
	}
	if _, err := r.in.Discard(len(p)); err != nil {
		return nil, err
	}
	if !r.playing.Load() {
		return nil, nil // not asked for yet
	}
	return r.mend(p), nil
}

// mend gives a packet the SSRC that its channel began with: RTP, and the sender reports beside it. Of a packet that does not belong to the video, though it stands
// in its row, only the place in the row stays.
func (r *repaired) mend(p []byte) []byte {
	channel, packet := p[1]&^1, p[4:] // RTP has the even channel of a pair, RTCP the odd one
	switch {
	case len(packet) < 12 || packet[0]>>6 != 2:
	case packet[1] >= 192 && packet[1] <= 223: // RTCP (RFC 5761 section 4)
		if first, ok := r.ssrc[channel]; ok && packet[1] == 200 {
			copy(packet[4:8], first[:])
		}
	default:
		first, ok := r.ssrc[channel]
		if !ok {
			first = [4]byte(packet[8:12])
			r.ssrc[channel] = first
		}
		copy(packet[8:12], first[:])
		if int(p[1]) == r.video && len(r.payloads) > 0 && !slices.Contains(r.payloads, packet[1]&0x7f) {
			packet[0], packet[1] = 0x80, r.payloads[0]
			p = p[:4+12]
			binary.BigEndian.PutUint16(p[2:], 12)
		}
	}
	return p
}

// around takes the video's RTP out of what is passed on, and to where it is going: gortsplib would take each packet through three buffers and as many locks. It must
// hear something now and then, or it takes the camera for silent: once a second it gets a receiver report about nothing. All of the sound goes with it.
func (r *repaired) around(message []byte) []byte {
	if len(message) < 4 || message[0] != '$' || r.onVideo == nil {
		return message
	}
	if channel := int(message[1]); channel != r.video {
		switch {
		case r.onSound == nil:
		case channel == r.sound:
			r.onSound(message[4:])
			return nil
		case channel == r.sound|1, channel == r.video|1:
			if r.onReport(channel == r.sound|1, message[4:]); channel == r.sound|1 || r.messages != nil {
				return nil // over UDP gortsplib never had any
			}
		}
		return message
	}
	r.onVideo(message[4:])
	if r.messages == nil && r.in.Buffered() > 4<<10 { // much more was read at once with it: looking at the clock for each costs as much as taking it apart
		return nil
	}
	if now := time.Now(); now.Sub(r.alive) > time.Second {
		r.alive = now
		return []byte{'$', message[1] | 1, 0, 8, 0x80, 201, 0, 1, 0, 0, 0, 0}
	}
	return nil
}

// asked answers a request of the camera's politely. Nothing is done for it, except that who says goodbye is let go.
func (r *repaired) asked(lines []string) error {
	answer := []string{"RTSP/1.0 200 OK"}
	for _, line := range lines[1:] {
		if name, _, _ := header(line); name == "cseq" || name == "session" {
			answer = append(answer, line)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.Conn.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(r.Conn, strings.Join(answer, "\r\n")+"\r\n\r\n"); err != nil {
		return err
	}
	if method, _, _ := strings.Cut(lines[0], " "); method == "TEARDOWN" || method == "REDIRECT" {
		return fmt.Errorf("the camera ended the session with %s", method)
	}
	return nil
}

// answered takes an answer: passes it on, repaired, or sends its request again.
func (r *repaired) answered(lines []string, body []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, stray := r.match(lines)
	if stray {
		return nil, nil
	}
	if q == nil {
		q = &request{}
	}
	if q.method == "TEARDOWN" {
		r.goodbye.Do(func() { close(r.gone) })
	}
	status := strings.Fields(lines[0])
	if len(status) == 2 {
		status = append(status, "OK")
	}
	refused := false
	if len(status) > 1 && status[1] == "401" {
		again, err := r.again(q, lines)
		if again || err != nil {
			return nil, err
		}
		refused = q.tries > 0
	} else if r.challenge != nil {
		r.login.proven = true
	}
	if q.method == "OPTIONS" && !refused {
		status = []string{status[0], "200", "OK"}
	}
	kept := []string{strings.Join(status, " ")}
	if q.cseq != "" {
		kept = append(kept, "CSeq: "+q.cseq)
	}
	typed, transport := false, false
	for _, line := range lines[1:] {
		name, value, _ := header(line)
		switch name {
		case "content-length":
			continue
		case "cseq":
			if q.cseq != "" {
				continue
			}
		case "content-type":
			typed = true
		case "content-base":
			if u, err := url.Parse(value); err != nil || u.Host == "" && !strings.HasPrefix(value, "/") {
				continue
			}
		case "session":
			if !strings.Contains(strings.ToLower(value), "timeout") {
				line += ";timeout=" + undeclared
			}
		case "location":
			to, err := r.location(value)
			if err != nil {
				return nil, err
			}
			line = "Location: " + to
		case "transport":
			transport = true
			line = "Transport: " + r.transport(q, value)
		}
		kept = append(kept, line)
	}
	if q.method == "SETUP" && !transport && len(status) > 1 && status[1] == "200" {
		kept = append(kept, "Transport: "+r.transport(q, q.header("transport")))
	}
	if bytes.HasPrefix(body, []byte("v=0")) {
		var d described
		body, d = describe(body, r.hear)
		r.payloads, r.beside, r.heard = d.payloads, d.beside, d.sound
		if !typed {
			kept = append(kept, "Content-Type: application/sdp")
		}
	}
	if len(body) > 0 {
		kept = append(kept, "Content-Length: "+strconv.Itoa(len(body)))
	}
	return append([]byte(strings.Join(kept, "\r\n")+"\r\n\r\n"), body...), nil
}

// match finds the request of an answer. One that was answered already is stray: OPTIONS, answered after all. An answer that names no request of ours belongs to the
// oldest one.
func (r *repaired) match(lines []string) (q *request, stray bool) {
	number := 0
	for _, line := range lines[1:] {
		if name, value, _ := header(line); name == "cseq" {
			number, _ = strconv.Atoi(value)
		}
	}
	at := 0
	if 0 < number && number <= r.number {
		if at = slices.IndexFunc(r.pending, func(q *request) bool { return q.number == number }); at < 0 {
			return nil, true
		}
	}
	if len(r.pending) == 0 {
		return nil, false
	}
	q = r.pending[at]
	r.pending = slices.Delete(r.pending, at, at+1)
	return q, false
}

// again answers a camera that asks who we are: once with its newest nonce, and once more with the other form of address, unless it took this form before.
func (r *repaired) again(q *request, lines []string) (bool, error) {
	c := challenged(lines)
	if !r.login.known() || q.method == "" || c == nil || q.tries == 2 || q.tries == 1 && (r.login.proven || c.basic) {
		if q.tries == 2 {
			r.login.path = !r.login.path
		}
		return false, nil
	}
	if c.basic && !strings.EqualFold(r.host, r.login.host) {
		return false, nil
	}
	if q.tries++; q.tries == 2 {
		r.login.path = !r.login.path
	}
	r.challenge = c
	if err := r.Conn.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return false, err
	}
	return true, r.send(q)
}

// location is where a camera sends us. TLS is ours, so gortsplib must not know of it, and is not left on a camera's word.
func (r *repaired) location(value string) (string, error) {
	u, err := url.Parse(value)
	switch {
	case err == nil && u.Scheme == "rtsps":
		if u.Scheme = "rtsp"; u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), rtspsPort)
		}
		r.toTLS = true
		return u.String(), nil
	case r.secure:
		return "", errors.New("the camera sends us from RTSPS to another address without TLS")
	}
	return value, nil
}

// transport takes out of a Transport what cannot be read and is not needed, and notes the channel of the track.
func (r *repaired) transport(q *request, value string) string {
	channel := &r.video
	if q.track > 0 {
		channel = &r.sound
	}
	if q.asked != "" && q.udp.agreed(value) {
		*channel = int(q.udp.channel)
		return q.asked
	}
	var fields []string
	interleaved := false
	for field := range strings.SplitSeq(value, ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch strings.ToLower(name) {
		case "destination":
			continue
		case "source":
			if ip := net.ParseIP(v); ip == nil || ip.IsUnspecified() {
				continue
			}
		case "interleaved":
			interleaved = true
			first, _, _ := strings.Cut(v, "-")
			if n, err := strconv.Atoi(first); err == nil {
				*channel = n
			}
		}
		fields = append(fields, strings.TrimSpace(field))
	}
	if interleaved && fields[0] == "RTP/AVP" {
		fields[0] = "RTP/AVP/TCP"
	}
	return strings.Join(fields, ";")
}

func header(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	return strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value), ok
}
