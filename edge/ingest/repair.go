package ingest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// repair puts right, on the wire, what cameras say in a way that gortsplib rejects or, worse, takes in silence (cameras/CASES.md). It sees
// plain RTSP with its interleaved RTP: not RTSPS, and not RTP over UDP. What it repairs:
//
//   - a new SSRC in mid-stream, whose packets gortsplib drops without a word: the first one is kept
//   - descriptions with crooked lines, with tracks beside the video that are not described well, with parameter sets that are not base64, or
//     with all tracks "sendonly" (which means a back channel): only what is needed of the video remains
//   - a status line without reason, a description without Content-Type, a Content-Base that is no address
//   - a Transport with a destination that is no address
//   - a refusal of OPTIONS, which nothing depends on
func repair(conn net.Conn) net.Conn {
	return &repaired{Conn: conn, in: bufio.NewReaderSize(conn, 64<<10), ssrc: map[byte][4]byte{}}
}

const (
	maxHead = 64 << 10 // bytes of the lines before a body
	maxBody = 1 << 20
)

// repaired is a connection of which what is read is repaired. Read belongs to one goroutine, as with gortsplib.
type repaired struct {
	net.Conn
	in      *bufio.Reader
	out     []byte // repaired, and not yet read
	ssrc    map[byte][4]byte
	options atomic.Pointer[string] // the CSeq of the last OPTIONS sent
}

// Write looks for OPTIONS; gortsplib writes a request at once.
func (r *repaired) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("OPTIONS ")) {
		for line := range strings.SplitSeq(string(p), "\r\n") {
			if name, value, ok := header(line); ok && name == "cseq" {
				r.options.Store(&value)
			}
		}
	}
	return r.Conn.Write(p)
}

func (r *repaired) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// next reads one message: an interleaved packet, an answer, or a request of the camera's.
func (r *repaired) next() error {
	first, err := r.in.Peek(1)
	if err != nil {
		return err
	}
	if first[0] == '$' {
		return r.packet()
	}
	var lines []string
	for size := 0; ; {
		line, err := r.in.ReadSlice('\n')
		if size += len(line); errors.Is(err, bufio.ErrBufferFull) || size > maxHead {
			return fmt.Errorf("an answer of the camera has more than %d bytes before its body", maxHead)
		} else if err != nil {
			return err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		lines = append(lines, text)
	}
	if len(lines) == 0 {
		return nil // an empty line between messages
	}
	length := 0
	for _, line := range lines[1:] {
		if name, value, ok := header(line); ok && name == "content-length" {
			if length, err = strconv.Atoi(value); err != nil || length < 0 || length > maxBody {
				return fmt.Errorf("an answer of the camera has Content-Length %q; want at most %d", value, maxBody)
			}
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r.in, body); err != nil {
		return err
	}
	if strings.HasPrefix(lines[0], "RTSP/") {
		lines, body = r.answer(lines, body)
	}
	r.out = append([]byte(strings.Join(lines, "\r\n")+"\r\n\r\n"), body...)
	return nil
}

// packet passes an interleaved packet on, with the SSRC that its channel began with: that of RTP, and of sender reports beside it.
func (r *repaired) packet() error {
	var head [4]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return err
	}
	p := make([]byte, int(binary.BigEndian.Uint16(head[2:])))
	if _, err := io.ReadFull(r.in, p); err != nil {
		return err
	}
	channel := head[1] &^ 1 // RTP has the even channel of a pair, RTCP the odd one
	switch {
	case len(p) < 12 || p[0]>>6 != 2:
	case p[1] >= 192 && p[1] <= 223: // RTCP (RFC 5761 section 4)
		if first, ok := r.ssrc[channel]; ok && p[1] == 200 {
			copy(p[4:8], first[:])
		}
	default:
		first, ok := r.ssrc[channel]
		if !ok {
			first = [4]byte(p[8:12])
			r.ssrc[channel] = first
		}
		copy(p[8:12], first[:])
	}
	r.out = append(head[:], p...)
	return nil
}

func (r *repaired) answer(lines []string, body []byte) ([]string, []byte) {
	status := strings.Fields(lines[0])
	if len(status) == 2 {
		status = append(status, "OK")
	}
	var kept []string
	typed := false
	for _, line := range lines[1:] {
		name, value, _ := header(line)
		switch name {
		case "cseq":
			if o := r.options.Load(); o != nil && *o == value && len(status) > 1 && status[1] != "401" {
				status = []string{status[0], "200", "OK"}
			}
		case "content-length":
			continue
		case "content-type":
			typed = true
		case "content-base":
			if !strings.Contains(value, "://") && !strings.HasPrefix(value, "/") {
				continue
			}
		case "transport":
			var fields []string
			for field := range strings.SplitSeq(line, ";") {
				name, address, _ := strings.Cut(strings.TrimSpace(field), "=")
				if name == "destination" && net.ParseIP(address) == nil {
					continue
				}
				fields = append(fields, field)
			}
			line = strings.Join(fields, ";")
		}
		kept = append(kept, line)
	}
	if bytes.HasPrefix(body, []byte("v=0")) {
		body = describe(body)
		if !typed {
			kept = append(kept, "Content-Type: application/sdp")
		}
	}
	if len(body) > 0 {
		kept = append(kept, "Content-Length: "+strconv.Itoa(len(body)))
	}
	return append([]string{strings.Join(status, " ")}, kept...), body
}

// describe makes of a description (SDP, RFC 8866) one with only what is needed: the video tracks, or all tracks when there is no video, so that it can be
// told what the camera offered.
func describe(sdp []byte) []byte {
	video := bytes.Contains(sdp, []byte("\nm=video "))
	out := []string{"v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0"}
	session, keep := true, true
	for line := range strings.Lines(string(sdp)) {
		line = strings.TrimSpace(line)
		switch control, isControl := strings.CutPrefix(line, "a=control:"); {
		case strings.HasPrefix(line, "m="):
			session, keep = false, !video || strings.HasPrefix(line, "m=video ")
			if keep {
				out = append(out, line)
			}
		case !keep:
		case session:
			if isControl && (control == "*" || strings.Contains(control, "://")) {
				out = append(out, line)
			}
		case isControl, strings.HasPrefix(line, "a=rtpmap:"):
			out = append(out, line)
		case strings.HasPrefix(line, "a=fmtp:"):
			out = append(out, parameters(line))
		}
	}
	return []byte(strings.Join(out, "\r\n") + "\r\n")
}

// parameters takes parameter sets that are not base64 out of an fmtp line; they come in band as well, or the camera cannot be recorded.
func parameters(line string) string {
	payload, list, _ := strings.Cut(line, " ")
	var kept []string
	for field := range strings.SplitSeq(list, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		valid := true
		switch name {
		case "sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps":
			for set := range strings.SplitSeq(value, ",") {
				_, err := base64.StdEncoding.DecodeString(set)
				valid = valid && err == nil
			}
		}
		if valid {
			kept = append(kept, field)
		}
	}
	return payload + " " + strings.Join(kept, ";")
}

func header(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	return strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value), ok
}
