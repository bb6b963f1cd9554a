package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
)

// twoEnds is a TCP connection, one end of it paced.
func twoEnds(t *testing.T) (*paced, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return &paced{Conn: near}, far
}

// What a camera sent last is far below the low-water mark, and no more comes: it is read all the same.
func TestPacedReadsTheLastBytesOfACameraThatFallsSilent(t *testing.T) {
	near, far := twoEnds(t)
	near.pace(true)
	b := make([]byte, 64<<10)
	for _, word := range []string{"before", "last"} {
		go func() {
			time.Sleep(tick / 3) // it arrives while we wait
			if _, err := io.WriteString(far, word); err != nil {
				t.Error(err)
			}
		}()
		began := time.Now()
		n, err := near.Read(b)
		if err != nil || string(b[:n]) != word {
			t.Fatalf("read %q, %v; want %q", b[:n], err, word)
		}
		if took := time.Since(began); took > 5*tick {
			t.Errorf("%q took %s", word, took)
		}
	}
}

func TestPacedReadsManyAtOnceWithoutWaitingForTheTick(t *testing.T) {
	near, far := twoEnds(t)
	near.pace(true)
	const size = 16 << 20
	go func() {
		if _, err := far.Write(make([]byte, size)); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	if _, err := io.ReadFull(near, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("16 MiB took %s", took)
	}
}

func TestPacedEndsAtItsDeadlineAndWithTheConnection(t *testing.T) {
	near, far := twoEnds(t)
	near.pace(true)
	b := make([]byte, 10)
	if err := near.SetReadDeadline(time.Now().Add(tick * 5 / 2)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := near.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) < 2*tick {
		t.Errorf("a read with a deadline ended with %v after %s", err, time.Since(began))
	}
	if err := near.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	near.pace(false)
	time.AfterFunc(tick, func() { _, _ = io.WriteString(far, "x") })
	if n, err := near.Read(b); n != 1 || err != nil {
		t.Errorf("with the pace off again: %d bytes, %v", n, err)
	}
	near.pace(true)
	time.AfterFunc(tick, func() { _ = far.Close() })
	if _, err := near.Read(b); err != io.EOF {
		t.Errorf("the camera's end: %v", err)
	}
	other, _ := twoEnds(t)
	other.pace(true)
	time.AfterFunc(tick, func() { _ = other.Close() })
	if _, err := other.Read(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("our end: %v", err)
	}
}

// gortsplib hears of the camera once a second, or it would take it for silent.
func TestVideoGoesAroundGortsplibWhichStaysCalm(t *testing.T) {
	var taken [][]byte
	r := &repaired{in: bufio.NewReader(nil), video: 2, onVideo: func(p []byte) { taken = append(taken, bytes.Clone(p)) }}
	video := []byte{'$', 2, 0, 3, 1, 2, 3}
	told := r.around(video)
	if want := []byte{'$', 3, 0, 8, 0x80, 201, 0, 1, 0, 0, 0, 0}; !bytes.Equal(told, want) {
		t.Errorf("at first it hears %x; want an empty receiver report, %x", told, want)
	}
	if again := r.around(video); again != nil {
		t.Errorf("at once again it hears %x", again)
	}
	r.alive = r.alive.Add(-2 * time.Second)
	if later := r.around(video); !bytes.Equal(later, told) {
		t.Errorf("two seconds later it hears %x", later)
	}
	if len(taken) != 3 || !bytes.Equal(taken[0], video[4:]) {
		t.Errorf("taken: %x", taken)
	}
	for _, other := range []string{"$\x03\x00\x01x", "$\x00\x00\x01x", "RTSP/1.0 200 OK\r\n\r\n"} {
		if got := r.around([]byte(other)); string(got) != other {
			t.Errorf("%q became %q", other, got)
		}
	}
}

// spoiler is a Writer that compares frames with the camera's clip, and fills their memory with something else before it gives it back.
type spoiler struct {
	mu     sync.Mutex
	clip   cameratest.Clip
	held   []footage.AccessUnit // frames that wait, as they do for a fragment
	frames int
	wrong  []string
}

func (s *spoiler) StartRun(footage.Format, time.Time) error { return nil }
func (s *spoiler) WriteSound(footage.Sound) error           { return nil }
func (s *spoiler) EndRun(footage.Cause, string) error       { return nil }
func (s *spoiler) Write(au footage.AccessUnit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held = append(s.held, au); len(s.held) < 10 {
		return nil
	}
	for _, au := range s.held {
		s.frames++
		if !s.ofClip(au) {
			s.wrong = append(s.wrong, "a frame that the camera did not send")
		}
		for _, n := range au.NALs {
			for i := range n {
				n[i] = 0xff
			}
		}
		if au.Release != nil {
			au.Release()
		}
	}
	s.held = nil
	return nil
}

func (s *spoiler) ofClip(au footage.AccessUnit) bool {
	for _, f := range s.clip.Frames {
		all := bytes.Join(f.NALs, nil)
		if bytes.HasSuffix(bytes.Join(au.NALs, nil), all) {
			return true
		}
	}
	return false
}

func TestMemoryOfFramesIsNotUsedAfterItsRelease(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var writers []*spoiler
	for i, clip := range []cameratest.Clip{cameratest.CounterH264(), cameratest.CounterH265(), cameratest.ReorderedH264(), cameratest.CounterH264()} {
		camera, err := cameratest.New(cameratest.Options{Clip: clip, BareSDP: i == 3})
		if err != nil {
			t.Fatal(err)
		}
		defer camera.Close()
		w := &spoiler{clip: clip}
		writers = append(writers, w)
		s := &Session{Source: Source{Camera: "plein", Stream: "main", URL: camera.URL()}, Writer: w, Now: time.Now}
		all.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for _, w := range writers {
		for enough := false; !enough; time.Sleep(10 * time.Millisecond) {
			w.mu.Lock()
			enough = w.frames >= 40 || len(w.wrong) > 0
			w.mu.Unlock()
			if t.Context().Err() != nil {
				t.Fatal("no frames")
			}
		}
	}
	cancel()
	all.Wait()
	for i, w := range writers {
		if len(w.wrong) > 0 {
			t.Errorf("camera %d: %d of %d: %s", i, len(w.wrong), w.frames, w.wrong[0])
		}
	}
}

func FuzzStartCode(f *testing.F) {
	f.Add([]byte("12345\x00\x00\x0112345678901234567890"))
	f.Add([]byte("1234567\x00\x00\x01"))
	f.Add([]byte("123456\x00\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for i := range min(len(b), 16) {
			if got, want := findStartCode(b[i:]), bytes.Index(b[i:], startCode); got != want {
				t.Fatalf("%x: start code at %d; it is at %d", b[i:], got, want)
			}
		}
	})
}
