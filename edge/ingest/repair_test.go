package ingest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
)

// crooked stands between a camera and its recorder, and spoils what the camera says: its answers as text, and its packets.
func crooked(t *testing.T, camera string, answer func(string) string, packet func(p []byte)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", camera)
			if err != nil {
				client.Close()
				return
			}
			go func() { io.Copy(server, client); server.Close() }()
			go func() { spoil(client, bufio.NewReader(server), answer, packet); client.Close() }()
		}
	}()
	return l.Addr().String()
}

func spoil(to io.Writer, from *bufio.Reader, answer func(string) string, packet func([]byte)) {
	for {
		first, err := from.Peek(4)
		if err != nil {
			return
		}
		var out []byte
		if first[0] == '$' {
			out = make([]byte, 4+int(binary.BigEndian.Uint16(first[2:])))
			if _, err := io.ReadFull(from, out); err != nil {
				return
			}
			packet(out[4:])
		} else {
			var head strings.Builder
			length := 0
			for !strings.HasSuffix(head.String(), "\r\n\r\n") {
				line, err := from.ReadString('\n')
				if err != nil {
					return
				}
				if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
					length, _ = strconv.Atoi(strings.TrimSpace(n))
					continue
				}
				head.WriteString(line)
			}
			body := make([]byte, length)
			if _, err := io.ReadFull(from, body); err != nil {
				return
			}
			lines, text, _ := strings.Cut(answer(head.String()+string(body)), "\r\n\r\n")
			if text != "" {
				lines += "\r\nContent-Length: " + strconv.Itoa(len(text))
			}
			out = []byte(lines + "\r\n\r\n" + text)
		}
		if _, err := to.Write(out); err != nil {
			return
		}
	}
}

func TestRecordsCamerasThatSpeakCrookedly(t *testing.T) {
	replace := func(old, with string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, with, 1) }
	}
	newSSRC := func() func([]byte) {
		n := 0
		return func(p []byte) {
			if p[1] < 192 || p[1] > 223 {
				n++
				binary.BigEndian.PutUint32(p[8:], uint32(n/20))
			}
		}
	}
	for name, c := range map[string]struct {
		answer func(string) string
		packet func([]byte)
	}{
		"a new SSRC now and then":    {nil, newSSRC()},
		"status without reason":      {func(s string) string { return strings.Replace(s, "RTSP/1.0 200 OK", "RTSP/1.0 200", 1) }, nil},
		"no Content-Type":            {replace("Content-Type: application/sdp\r\n", ""), nil},
		"Content-Base is no address": {func(s string) string { return replaceLine(s, "Content-Base: ", "Content-Base: 127.0.0.1/x/") }, nil},
		"origin half said":           {func(s string) string { return replaceLine(s, "o=", "o=- 1 1 IN ") }, nil},
		"origin without address":     {func(s string) string { return replaceLine(s, "o=", "o=- 1 1 IN IP4") }, nil},
		"connection without type":    {func(s string) string { return replaceLine(s, "c=", "c=IN 0.0.0.0") }, nil},
		"bad sound track":            {replace("m=video", "m=audio 0 RTP/AVP 97\r\na=control:x\r\na=rtpmap:97 mpeg4-generic/8000\r\nm=video"), nil},
		"sound without rtpmap":       {replace("m=video", "m=audio 0 RTP/AVP 97\r\na=control:x\r\nm=video"), nil},
		"unknown medium":             {replace("m=video", "m=meta 0 smart\r\na=control:x\r\nm=video"), nil},
		"sendonly":                   {replace("a=rtpmap", "a=sendonly\r\na=rtpmap"), nil},
		"parameter sets not base64":  {replace("sprop-parameter-sets=", "sprop-parameter-sets=%%%"), nil},
		"destination is a name":      {replace("Transport: RTP/AVP/TCP;unicast;", "Transport: RTP/AVP/TCP;unicast;destination=recorder;"), nil},
		"OPTIONS refused": {func(s string) string {
			if strings.Contains(s, "Public: ") {
				return replaceLine(replaceLine(s, "Public: ", ""), "RTSP/1.0 ", "RTSP/1.0 405 Method Not Allowed")
			}
			return s
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			spoiled := false
			if c.answer == nil {
				spoiled = true
				c.answer = func(s string) string { return s }
			}
			if c.packet == nil {
				c.packet = func([]byte) {}
			}
			spoilt := make(chan struct{}, 100)
			r := record(t, cameratest.Options{Clip: cameratest.CounterH264()}, func(s *Session) {
				_, rest, _ := strings.Cut(s.Source.URL, "://")
				host, path, _ := strings.Cut(rest, "/")
				s.Source.URL = "rtsp://" + crooked(t, host, func(a string) string {
					b := c.answer(a)
					if a != b {
						spoilt <- struct{}{}
					}
					return b
				}, c.packet) + "/" + path
			})
			r.until(frames(25))
			if runs := r.tape.copy(); len(runs) != 1 {
				t.Errorf("%d runs, want 1", len(runs))
			} else {
				r.same(runs[0].units, r.clip)
			}
			if !spoiled && len(spoilt) == 0 {
				t.Error("the test did not spoil anything")
			}
		})
	}
}

// replaceLine puts another line, or none, in the place of the first that begins with prefix.
func replaceLine(s, prefix, with string) string {
	lines := strings.Split(s, "\r\n")
	for i, line := range lines {
		if strings.HasPrefix(line, prefix) {
			if with == "" {
				return strings.Join(append(lines[:i:i], lines[i+1:]...), "\r\n")
			}
			lines[i] = with
			break
		}
	}
	return strings.Join(lines, "\r\n")
}

// readerConn is the reading side of a connection.
type readerConn struct {
	net.Conn
	io.Reader
}

func (r readerConn) Read(p []byte) (int, error)       { return r.Reader.Read(p) }
func (r readerConn) Write(p []byte) (int, error)      { return len(p), nil }
func (r readerConn) SetReadDeadline(time.Time) error  { return nil }
func (r readerConn) SetWriteDeadline(time.Time) error { return nil }

func FuzzRepair(f *testing.F) {
	f.Add([]byte("RTSP/1.0 200\r\nCSeq: 1\r\nContent-Length: 28\r\n\r\nv=0\r\nm=video 0 RTP/AVP 96\r\n\r\n$\x00\x00\x0c\x80\x60\x00\x01\x00\x00\x00\x00\x00\x00\x00\x09"))
	f.Add([]byte("OPTIONS * RTSP/1.0\r\n\r\n\r\nRTSP/1.0 200 OK\r\nTransport: a;destination=b\r\n\r\n"))
	f.Add([]byte("RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := io.ReadAll(repair(readerConn{Reader: bytes.NewReader(in)}, "camera", false, &login{user: "u", password: "p", host: "camera"}))
		if len(out) > 2*len(in)+1000 {
			t.Errorf("%d bytes of %d (%v)", len(out), len(in), err)
		}
	})
}
