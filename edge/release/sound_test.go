package release_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/minio/minio-go/v7"

	"github.com/beeldwacht/beeldwacht/edge/ingest"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// A camera that flashes and beeps at the same moments, recorded over RTSP, released from the middle of its run, unpacked and decoded by others: each flash still has its beep, the bag says that
// it has sound, and anybody verifies it.
func TestSoundStaysBesideItsPictures(t *testing.T) {
	for _, program := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v; apt-get install ffmpeg", err)
		}
	}
	for codec, sound := range map[string]*cameratest.Sound{"aac": cameratest.BeepAAC(), "opus": cameratest.BeepOpus()} {
		t.Run(codec, func(t *testing.T) {
			const balie protocol.CameraID = "balie"
			r := newRig(t, func(ro *protocol.Roster) { ro.Sound = protocol.SoundAllowed })
			m := r.town.Mandate(balie, 1)
			m.Sound = protocol.SoundAllowed
			r.order(r.town.Compose(m))
			r.check(r.footage.SetMandates(r.orders.Mandates()))
			camera, err := cameratest.New(cameratest.Options{Clip: cameratest.FlashH264(), Sound: sound, Transport: cameratest.TCP})
			r.check(err)
			defer camera.Close()
			time.Sleep(time.Second) // a camera that has been on for a while says in RTP-Info where both tracks are; one just switched on is guessed at, within some tens of milliseconds
			start, began := r.clock(), time.Now()
			ctx, stop := context.WithCancel(t.Context())
			session := &ingest.Session{Source: ingest.Source{Camera: balie, Stream: "main", URL: camera.URL(), Sound: true}, Writer: r.footage.Camera(balie, "main"),
				Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
					now := start.Add(time.Since(began))
					r.setClock(now)
					return now
				}}
			ended := make(chan error, 1)
			go func() { ended <- session.Run(ctx) }()
			asked := protocol.Span(start.Add(5*time.Second), start.Add(10*time.Second))
			for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				covered, err := r.footage.Coverage(balie, asked)
				r.check(err)
				if len(covered) == 1 && covered[0].To.After(asked.To) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("never recorded: %v, %+v", covered, session.State())
				}
			}
			stop()
			r.check(<-ended)

			r.witness()
			rounded, segments, err := r.footage.Round(balie, asked)
			r.check(err)
			if segments[0].N == 0 {
				t.Error("the release begins with its run: nothing is shown of the edit lists")
			}
			r.check(r.releaser().Release(t.Context(), r.grant("g-"+codec, func(g *protocol.Grant) { g.Camera, g.Asked, g.Interval = balie, asked, rounded })))
			all := bodies[protocol.Released](r, protocol.KindReleased)
			done := all[len(all)-1]
			object, err := r.s3.GetObject(t.Context(), r.bucket, done.Object, minio.GetObjectOptions{})
			r.check(err)
			sealed, err := io.ReadAll(object)
			r.check(err)
			if report := r.judge(sealed, done); !report.Sound {
				t.Error("the verifier does not see that there is sound")
			}

			opened, err := age.Decrypt(bytes.NewReader(sealed), r.town.Vault)
			r.check(err)
			bag, err := io.ReadAll(opened)
			r.check(err)
			files, err := zip.NewReader(bytes.NewReader(bag), int64(len(bag)))
			r.check(err)
			film := filepath.Join(t.TempDir(), "film.mp4")
			for _, f := range files.File {
				in, err := f.Open()
				r.check(err)
				b, err := io.ReadAll(in)
				r.check(err)
				switch {
				case strings.HasSuffix(f.Name, "/LEESMIJ.html") && !bytes.Contains(b, []byte("ook geluid opgenomen")),
					strings.HasSuffix(f.Name, "/bag-info.txt") && !bytes.Contains(b, []byte("\nBeeldwacht-Sound: recorded\n")):
					t.Errorf("%s says nothing of the sound", f.Name)
				case strings.HasSuffix(f.Name, ".mp4") && !strings.HasSuffix(f.Name, "/init.mp4"):
					r.check(os.WriteFile(film, b, 0o600))
				}
			}
			flashes, beeps := flashesIn(t, film), beepsIn(t, film)
			t.Logf("flashes at %v, beeps at %v", flashes, beeps)
			if len(flashes) < 2 || len(beeps) < len(flashes) {
				t.Fatalf("%d flashes and %d beeps in %s", len(flashes), len(beeps), rounded)
			}
			for _, flash := range flashes {
				nearest := time.Hour
				for _, beep := range beeps {
					if d := beep - flash; d.Abs() < nearest.Abs() {
						nearest = d
					}
				}
				if nearest.Abs() > 40*time.Millisecond {
					t.Errorf("the flash at %s has its beep %s after it", flash, nearest)
				}
			}
		})
	}
}

func output(t *testing.T, program string, arguments ...string) []byte {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(program, arguments...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		t.Fatalf("%s %v: %v\n%s", program, arguments, err, &said)
	}
	return out
}

// flashesIn are the moments at which the picture turns white.
func flashesIn(t *testing.T, film string) (at []time.Duration) {
	t.Helper()
	lights := output(t, "ffmpeg", "-v", "error", "-i", film, "-map", "0:v", "-fps_mode", "passthrough", "-vf", "scale=1:1,setsar=1,format=gray", "-f", "rawvideo", "-")
	times := strings.Fields(string(output(t, "ffprobe", "-v", "warning", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0", film)))
	if len(times) != len(lights) {
		t.Fatalf("%d pictures, %d times", len(lights), len(times))
	}
	for i := 1; i < len(lights); i++ {
		if lights[i] > 128 && lights[i-1] <= 128 {
			s, err := strconv.ParseFloat(strings.Trim(times[i], ","), 64)
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Duration(s*float64(time.Second)))
		}
	}
	return at
}

// beepsIn are the moments at which a tone begins after silence.
func beepsIn(t *testing.T, film string) (at []time.Duration) {
	t.Helper()
	raw := output(t, "ffmpeg", "-v", "warning", "-i", film, "-map", "0:a", "-af", "aresample=48000:async=1:first_pts=0", "-ac", "1", "-f", "s16le", "-")
	last := -48000
	for i := 0; i+1 < len(raw); i += 2 {
		if v := int16(binary.LittleEndian.Uint16(raw[i:])); v > 8000 || v < -8000 {
			if n := i / 2; n-last > 24000 {
				at = append(at, time.Duration(n)*time.Second/48000)
			}
			last = i / 2
		}
	}
	return at
}
