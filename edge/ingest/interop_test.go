package ingest

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
)

// needs skips a test for want of a program, and says which Debian package has it.
func needs(t *testing.T, program, packages string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%v; apt-get install %s", err, packages)
	}
	return path
}

// freePort is below those that the kernel gives to outgoing connections.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 15000 + rand.IntN(4000)
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

const gstPackages = "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-rtsp gstreamer1.0-libav gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"

func startGst(t *testing.T, user, password string) (port int) {
	t.Helper()
	python := needs(t, "/usr/bin/python3", "python3 "+gstPackages)
	port = freePort(t)
	cmd := exec.Command(python, "testdata/gst-camera.py", strconv.Itoa(port), user, password)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Log(err)
		}
		cmd.Wait() // says that it was killed
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		if t.Cleanup(func() {}); strings.Contains(said.String(), "No module named") || strings.Contains(said.String(), "not available") {
			t.Skipf("GStreamer's RTSP server is not there; apt-get install %s", gstPackages)
		}
		t.Fatalf("gst-camera.py says %q: %v", line, err)
	}
	return port
}

func TestGStreamerCameras(t *testing.T) {
	const user, password = "recorder", "geheim van de camera"
	t.Parallel()
	open := startGst(t, "", "")
	closed := startGst(t, user, password)
	for _, codec := range []string{"h264", "h265"} {
		for _, c := range []struct {
			sound   string
			allowed bool
			said    string
		}{{"none", true, ""}, {"aac", true, "with the camera's sound (AAC)"}, {"opus", true, "with the camera's sound (Opus)"}, {"g711", true, "without the camera's sound (G.711)"},
			{"aac", false, "without the camera's sound (AAC)"}} {
			for _, over := range []Transport{TCP, UDP} {
				for login, port := range map[string]int{"open": open, "digest": closed} {
					if login == "digest" && c.sound != "g711" || !c.allowed && (codec == "h265" || over == UDP) {
						continue // each encoder costs
					}
					t.Run(fmt.Sprintf("%s, %s, sound %s, allowed %v, %s", codec, over, c.sound, c.allowed, login), func(t *testing.T) {
						t.Parallel()
						r := recordURL(t, fmt.Sprintf("rtsp://127.0.0.1:%d/%s-%s-%s", port, codec, c.sound, over), "", "", func(s *Session) {
							s.Source.Transport, s.Source.KeyFrameTimeout = over, 30*time.Second // twenty encoders start at once
							s.Source.Sound = c.allowed
							if login == "digest" {
								s.Source.User, s.Source.Password = user, password
							}
						})
						r.until(frames(30))
						state := r.session.State()
						r.finish(nil)
						runs := r.tape.copy()
						if len(runs) != 1 || state.Lost > 1 || state.Detail != c.said || string(runs[0].format.Codec) != codec {
							t.Errorf("%d runs of %s, state %+v; want one, and to be told %q", len(runs), runs[0].format.Codec, state, c.said)
						}
						decodes(t, runs[0])
						if f := runs[0].format.Sound; (f != nil) != strings.HasPrefix(c.said, "with the") {
							t.Errorf("format of sound %+v", f)
						} else if f != nil {
							covers(t, runs[0])
						}
					})
				}
			}
		}
	}
}

// covers checks that there is sound beside most of the pictures.
func covers(t *testing.T, run taped) {
	t.Helper()
	var heard float64
	for _, s := range run.sound {
		heard += float64(s.Length) / float64(run.format.Sound.Rate)
	}
	if seen := float64(run.units[len(run.units)-1].PTS) / 90000; heard < 0.7*seen || heard > seen+2 {
		t.Errorf("%.2f s of sound beside %.2f s of pictures", heard, seen)
	}
}

// decodes lets ffmpeg decode what was recorded.
func decodes(t *testing.T, run taped) {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Log("not decoded: apt-get install ffmpeg")
		return
	}
	var stream bytes.Buffer
	for _, set := range [][]byte{run.format.VPS, run.format.SPS, run.format.PPS} {
		if len(set) > 0 {
			stream.Write(append([]byte{0, 0, 0, 1}, set...))
		}
	}
	for _, u := range run.units {
		for _, n := range u.NALs {
			stream.Write([]byte{0, 0, 0, 1})
			stream.Write(n)
		}
	}
	format := map[footage.Codec]string{footage.H264: "h264", footage.H265: "hevc"}[run.format.Codec]
	cmd := exec.Command(ffmpeg, "-hide_banner", "-v", "error", "-xerror", "-threads", "1", "-f", format, "-i", "-", "-f", "null", "-")
	cmd.Stdin = &stream
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("what was recorded does not decode: %v\n%s", err, out)
	}
}

// VLC serves over UDP only, and not as root.
func TestVLC(t *testing.T) {
	t.Parallel()
	vlc := needs(t, "cvlc", "vlc-bin vlc-plugin-base")
	dir, err := os.MkdirTemp("", "vlc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	raw, err := os.ReadFile("cameratest/clips/square.mp4")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "square.mp4")
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	cmd := exec.Command(vlc, "-I", "dummy", "--no-audio", "--loop", file, "--sout", fmt.Sprintf("#rtp{sdp=rtsp://127.0.0.1:%d/square}", port), "--sout-keep")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	var said lockedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil { // its own group: cvlc is a script
			t.Log(err)
		}
		cmd.Wait() // says that it was killed
		if t.Failed() {
			t.Log(said.String())
		}
	})
	r := recordURL(t, fmt.Sprintf("rtsp://127.0.0.1:%d/square", port), "", "", overTransport(UDP))
	r.until(frames(30))
	r.finish(nil)
	runs := r.tape.copy()
	run := runs[len(runs)-1]
	clip := cameratest.CounterH264()
	known := map[string]bool{}
	for _, f := range clip.Frames {
		for _, n := range f.NALs {
			known[string(n)] = true
		}
	}
	for i, u := range run.units {
		for _, n := range u.NALs {
			if k := kindOf(footage.H264, n); (k == slice || k == keySlice) && !known[string(n)] {
				t.Fatalf("a slice of frame %d is not one of the clip's", i)
			}
		}
	}
	decodes(t, run)
}

// Real people, as a real camera saw them.
func TestPedestrians(t *testing.T) {
	t.Parallel()
	const video = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"
	if _, err := os.Stat(video); err != nil {
		t.Skipf("%v; apt-get install opencv-doc", err)
	}
	ffmpeg := needs(t, "ffmpeg", "ffmpeg")
	file := filepath.Join(t.TempDir(), "vtest.mp4")
	out, err := exec.Command(ffmpeg, "-hide_banner", "-v", "error", "-t", "8", "-i", video, "-an", "-threads", "1", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "20", "-b:v", "1M", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	clip := mp4Clip(t, "vtest", raw)
	for _, over := range []Transport{TCP, UDP} {
		t.Run(string(over), func(t *testing.T) {
			r, _ := recordFake(t, script{clip: clip}, overTransport(over))
			start := time.Now()
			r.until(frames(70))
			runs := r.tape.copy()
			if len(runs) != 1 {
				t.Fatalf("%d runs in %s", len(runs), time.Since(start))
			}
			r.same(runs[0].units, clip)
			decodes(t, runs[0])
		})
	}
}
