package ingest

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

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
