package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	frameRate = 25
	clipTime  = 10 // seconds
)

type clip struct {
	file    string
	bitRate int
}

// makeClip makes the clip once, and keeps it in the user's cache. Its noise keeps the encoder at its bit rate, as a street at night does.
func makeClip(ctx context.Context) (clip, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	c := clip{file: filepath.Join(cache, "beeldwacht-bench", "1080p25-4M.h264")}
	info, err := os.Stat(c.file)
	if err != nil {
		if err := os.MkdirAll(filepath.Dir(c.file), 0o755); err != nil {
			return c, err
		}
		fresh := c.file + ".new"
		out, err := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-y", "-loglevel", "error", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=1920x1080:rate=%d,noise=alls=12:allf=t", frameRate),
			"-t", fmt.Sprint(clipTime), "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", fmt.Sprint(2*frameRate), "-bf", "0",
			"-x264-params", "sliced-threads=0:slices=1", "-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M", "-f", "h264", fresh).CombinedOutput()
		if err != nil {
			return c, fmt.Errorf("making the clip with ffmpeg: %w: %s", err, bytes.TrimSpace(out))
		}
		if err := os.Rename(fresh, c.file); err != nil {
			return c, err
		}
		if info, err = os.Stat(c.file); err != nil {
			return c, err
		}
	}
	c.bitRate = int(info.Size()) * 8 / clipTime
	return c, nil
}

// source serves the clip to any number of RTSP clients over TCP until ctx ends. It knows just what its receivers ask.
func source(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("source: want the file of the clip")
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	frames, sps, pps := packetise(raw)
	if len(frames) == 0 || sps == nil || pps == nil {
		return fmt.Errorf("%s: not the clip", args[0])
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	sdp := fmt.Sprintf("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=bench\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"+
		"a=fmtp:96 packetization-mode=1; sprop-parameter-sets=%s,%s\r\na=control:track\r\n", base64.StdEncoding.EncodeToString(sps), base64.StdEncoding.EncodeToString(pps))
	go func() {
		var count atomic.Int64
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn, sdp, frames, count.Add(1))
		}
	}()
	return ready(ctx, out, listener.Addr().String())
}

// serve answers one client. What goes wrong ends the connection, as cameras do.
func serve(conn net.Conn, sdp string, frames [][]byte, number int64) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for playing := false; ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		method, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		url, _, _ := strings.Cut(rest, " ")
		var sequence string
		for line != "\r\n" {
			if line, err = in.ReadString('\n'); err != nil {
				return
			}
			if value, ok := strings.CutPrefix(line, "CSeq:"); ok {
				sequence = strings.TrimSpace(value)
			}
		}
		head, body := "", ""
		switch method {
		case "OPTIONS":
			head = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
		case "DESCRIBE":
			head, body = "Content-Type: application/sdp\r\nContent-Base: "+url+"/\r\n", sdp
		case "SETUP":
			head = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n"
		default:
			head = "Session: 1\r\n"
		}
		// An answer to a keepalive would fall in the middle of a packet, for all that this source minds.
		if !playing {
			if _, err := fmt.Fprintf(conn, "RTSP/1.0 200 OK\r\nCSeq: %s\r\n%sContent-Length: %d\r\n\r\n%s", sequence, head, len(body), body); err != nil {
				return
			}
		}
		if method == "PLAY" && !playing {
			playing = true
			go play(conn, frames, number)
		}
	}
}

// play sends a frame at a time, in one write, when it is due.
func play(conn net.Conn, frames [][]byte, number int64) {
	defer conn.Close()
	const interval = time.Second / frameRate
	// Cameras do not keep step with each other: each starts at its own moment and place in the clip.
	time.Sleep(time.Duration(number*7919%int64(interval/time.Microsecond)) * time.Microsecond)
	at := int(number) * 50 % len(frames)
	began, sequence := time.Now(), uint16(number)
	var b []byte
	for n := 0; ; n++ {
		b = append(b[:0], frames[at]...)
		stamp := uint32(n) * (90000 / frameRate)
		for rest := b; len(rest) > 0; {
			packet := rest[4 : 4+binary.BigEndian.Uint16(rest[2:])]
			binary.BigEndian.PutUint16(packet[2:], sequence)
			binary.BigEndian.PutUint32(packet[4:], stamp)
			binary.BigEndian.PutUint32(packet[8:], uint32(number))
			sequence++
			rest = rest[4+len(packet):]
		}
		if _, err := conn.Write(b); err != nil {
			return
		}
		at = (at + 1) % len(frames)
		time.Sleep(time.Until(began.Add(time.Duration(n+1) * interval)))
	}
}

// packetise makes of a H.264 byte stream, per frame, the interleaved RTP packets (RFC 2326 section 10.12, RFC 6184) as cameras send them: 1,400 bytes of
// payload, a marker on the last. Sequence, time and source are filled in when they are sent.
func packetise(stream []byte) (frames [][]byte, sps, pps []byte) {
	const payload = 1400
	var frame []byte
	add := func(marker bool, parts ...[]byte) {
		size := 12
		for _, p := range parts {
			size += len(p)
		}
		frame = append(frame, '$', 0, byte(size>>8), byte(size), 0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		if marker {
			frame[len(frame)-11] |= 0x80
		}
		for _, p := range parts {
			frame = append(frame, p...)
		}
	}
	for _, nal := range split(stream) {
		kind := nal[0] & 0x1f
		switch kind {
		case 7:
			sps = nal
		case 8:
			pps = nal
		}
		picture := kind == 1 || kind == 5
		if len(nal) <= payload {
			add(picture, nal)
		} else {
			for rest, first := nal[1:], byte(0x80); len(rest) > 0; first = 0 {
				part := rest[:min(len(rest), payload)]
				rest = rest[len(part):]
				last := byte(0)
				if len(rest) == 0 {
					last = 0x40
				}
				add(picture && last != 0, []byte{nal[0]&0xe0 | 28, first | last | kind}, part)
			}
		}
		if picture { // the clip has one slice a picture
			frames, frame = append(frames, frame), nil
		}
	}
	return frames, sps, pps
}

// split cuts a byte stream at its start codes (H.264 annex B).
func split(stream []byte) (nals [][]byte) {
	code := []byte{0, 0, 1}
	for _, nal := range bytes.Split(stream, code) {
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			nals = append(nals, nal)
		}
	}
	return nals
}
