package footage

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

func soundOf(s *cameratest.Sound) *SoundFormat {
	return &SoundFormat{Codec: SoundCodec(s.Codec), Rate: s.Rate, Channels: s.Channels, Config: s.Config}
}

// allowSound is allow, with sound.
func (r *rig) allowSound(version uint64, sound string) {
	r.Helper()
	m := mandate(plein, time.Hour)
	m.Version, m.Sound = version, sound
	if err := r.SetMandates([]*protocol.Mandate{m}); err != nil {
		r.Fatal(err)
	}
}

// marked is a sound's frames with something in them that is found again.
func marked(n int) []byte { return fmt.Appendf(nil, "sound-%06d-sound", n) }

// talk plays pictures and sound in the order in which they come: sound of a moment so much later than its pictures. heard makes each frame of sound; nil is one that is lost.
func (r *rig) talk(w *Writer, units []AccessUnit, s *cameratest.Sound, later time.Duration, heard func(n int) []byte) {
	r.Helper()
	n := 0
	for i, u := range units {
		u.Arrival = r.base.Add(media(u.DTS))
		r.clock.set(u.Arrival)
		for ; time.Duration(n)*time.Duration(s.Length)*time.Second/time.Duration(s.Rate)+later < media(u.DTS); n++ {
			if data := heard(n); data != nil {
				if err := w.WriteSound(Sound{Data: data, Time: int64(n * s.Length), Length: int64(s.Length)}); err != nil {
					r.Fatal(err)
				}
			}
		}
		if err := w.Write(u); err != nil {
			r.Fatal(err)
		}
		if i%20 == 0 {
			w.idle()
		}
	}
	w.idle()
}

func (r *rig) listen(f Format) *Writer {
	r.Helper()
	w := r.Camera(plein, main_)
	r.base = r.clock.Now()
	if err := w.StartRun(f, r.base); err != nil {
		r.Fatal(err)
	}
	return w
}

func (r *rig) endRun(w *Writer) {
	r.Helper()
	if err := w.EndRun(CauseNetwork, "the test is over"); err != nil {
		r.Fatal(err)
	}
	w.idle()
}

// heardIn are the frames of sound in a run's files, with their times.
func (r *rig) heardIn(run string) (times []int64, data [][]byte) {
	r.Helper()
	f := r.parsed(run)
	for _, seg := range f.Segments {
		for _, frag := range seg.Fragments {
			for _, traf := range frag.Moof.Trafs {
				if traf.Tfhd.TrackID != soundTrack {
					continue
				}
				trex := f.Init.Moov.Mvex.Trexs[1]
				samples, err := frag.GetFullSamples(trex)
				if err != nil {
					r.Fatal(err)
				}
				for _, s := range samples {
					times, data = append(times, int64(s.DecodeTime)), append(data, s.Data)
				}
			}
		}
	}
	return times, data
}

// parsed is what somebody else's parser makes of init and segments after each other.
func (r *rig) parsed(run string) *mp4.File {
	r.Helper()
	b, err := os.ReadFile(r.join(run))
	if err != nil {
		r.Fatal(err)
	}
	f, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		r.Fatal(err)
	}
	return f
}

// runDirs are the runs of the square, oldest first.
func (r *rig) runDirs() []string {
	r.Helper()
	names, err := filepath.Glob(filepath.Join(r.Dir, "footage", string(plein), "*"))
	if err != nil {
		r.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// Init and segments after each other play with their sound, every frame of it, and what journal and index say is so.
func TestSoundBesidePictures(t *testing.T) {
	for name, s := range map[string]*cameratest.Sound{"aac": cameratest.BeepAAC(), "opus": cameratest.BeepOpus()} {
		for _, later := range []time.Duration{-200 * time.Millisecond, 0, 300 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, %s later", name, later), func(t *testing.T) {
				r := newRig(t)
				r.allowSound(1, protocol.SoundAllowed)
				c := cameratest.FlashH264()
				f := formatOf(c)
				f.Sound = soundOf(s)
				w := r.listen(f)
				r.talk(w, frames(c, 8*time.Second), s, later, func(n int) []byte { return s.Frames[n%len(s.Frames)] })
				r.endRun(w)
				r.Store.settle(t.Context())
				r.sound()

				run := r.runDirs()[0]
				plays(t, r.join(run), 200)
				decodesWhole(t, r.join(run))
				times, data := r.heardIn(run)
				want := int((8*time.Second - max(later, 0)) * time.Duration(s.Rate) / time.Duration(s.Length) / time.Second)
				if len(times) < want-2 {
					t.Errorf("%d frames of sound recorded, want %d", len(times), want)
				}
				for i := range times {
					if times[i] != int64(i*s.Length) || !bytes.Equal(data[i], s.Frames[i%len(s.Frames)]) {
						t.Fatalf("frame %d of sound stands at %d, want %d, and bit for bit", i, times[i], i*s.Length)
					}
				}
				if b := bodies[protocol.RunStarted](t, r.book, protocol.KindRun); len(b) != 1 || b[0].Sound != s.Codec {
					t.Errorf("the journal says %+v", b)
				}
				// Each segment has the sound of its own span, so that one that is released tells nothing of what came before or after it.
				segments, err := filepath.Glob(filepath.Join(run, "*.seg"))
				if err != nil || len(segments) < 4 {
					t.Fatalf("%d segments: %v", len(segments), err)
				}
				for _, name := range segments {
					file, err := mp4.DecodeFile(bytes.NewReader(r.plaintext(name)))
					if err != nil {
						t.Fatal(err)
					}
					var spans [2][2]float64 // from and to, of pictures and of sound
					for _, frag := range file.Segments[0].Fragments {
						for i, traf := range frag.Moof.Trafs {
							scale := []float64{timescale, float64(s.Rate)}[i]
							at, length := float64(traf.Tfdt.BaseMediaDecodeTime()), float64(traf.Trun.Duration(0))
							if spans[i][1] == 0 {
								spans[i][0] = at / scale
							}
							spans[i][1] = (at + length) / scale
						}
					}
					frame := float64(s.Length) / float64(s.Rate)
					if p, h := spans[0], spans[1]; h[1] > 0 && (h[0] < p[0]-1e-9 || h[1] > p[1]+frame) || h[1] == 0 && later <= 0 {
						t.Errorf("a segment of %.3f to %.3f s has sound of %.3f to %.3f s", p[0], p[1], h[0], h[1])
					}
				}
			})
		}
	}
}

func decodesWhole(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed; `make packages`, or apt-get install ffmpeg")
	}
	if out, err := exec.Command("ffmpeg", "-hide_banner", "-v", "warning", "-xerror", "-i", name, "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%s does not decode: %v\n%s", name, err, out)
	}
}

// The law: without a word in the mandate not a byte of sound reaches the disk, and when the mandate narrows it stops at once, without a gap in the pictures.
func TestSoundOnlyWhereTheMandateAllowsIt(t *testing.T) {
	c, s := squareClip(), cameratest.BeepOpus()
	f := formatOf(c)
	f.Sound = soundOf(s)
	onDisk := func(r *rig) (plain []byte) {
		for _, run := range r.runDirs() {
			b, err := os.ReadFile(r.join(run))
			if err != nil {
				r.Fatal(err)
			}
			plain = append(plain, b...)
		}
		return plain
	}
	for _, word := range []string{protocol.SoundNone, ""} {
		r := newRig(t)
		r.allowSound(1, word)
		w := r.listen(f)
		r.talk(w, frames(c, 10*time.Second), s, 0, marked)
		r.endRun(w)
		r.sound()
		if b := onDisk(r); bytes.Contains(b, []byte("sound-")) || bytes.Contains(b, []byte("soun")) || bytes.Contains(b, []byte("Opus")) {
			t.Errorf("mandate %q: sound on the disk, or a track for it", word)
		}
		if n := r.countIn(r.runDirs()[0]); n != 100 {
			t.Errorf("%d pictures recorded, want 100", n)
		}
	}

	r := newRig(t)
	r.allowSound(1, protocol.SoundAllowed)
	w := r.listen(f)
	narrowed, last := -1, 0
	r.talk(w, frames(c, 20*time.Second), s, 0, func(n int) []byte {
		if last = n; n == 400 { // eight seconds and a bit: in the middle of a fragment
			w.idle()
			r.allowSound(2, protocol.SoundNone)
			narrowed = n
		}
		return marked(n)
	})
	r.endRun(w)
	r.sound()
	if narrowed < 0 || last < 900 {
		t.Fatalf("narrowed at %d of %d", narrowed, last)
	}
	b := onDisk(r)
	for n := range last {
		if there := bytes.Contains(b, marked(n)); there && n >= narrowed || !there && n < narrowed-100 {
			t.Errorf("frame %d of sound is on the disk: %v; the mandate narrowed at %d", n, there, narrowed)
		}
	}
	runs := r.runDirs()
	if len(runs) != 2 || r.countIn(runs[0])+r.countIn(runs[1]) != 200 {
		t.Fatalf("%d runs; want one with sound and one without, and all pictures", len(runs))
	}
	if b := bodies[protocol.RunStarted](t, r.book, protocol.KindRun); len(b) != 2 || b[0].Sound != "opus" || b[1].Sound != "" {
		t.Errorf("the journal says %+v", b)
	}
	if init, err := os.ReadFile(filepath.Join(runs[1], "init.mp4")); err != nil || bytes.Contains(init, []byte("soun")) {
		t.Errorf("the run after has a track of sound (%v)", err)
	}
	r.allowSound(3, protocol.SoundAllowed) // and back
	r.base = r.clock.Now()
	if err := w.StartRun(f, r.base); err != nil {
		t.Fatal(err)
	}
	r.talk(w, frames(c, 2*time.Second), s, 0, marked)
	r.endRun(w)
	if b := bodies[protocol.RunStarted](t, r.book, protocol.KindRun); b[len(b)-1].Sound != "opus" {
		t.Errorf("allowed again, and the journal says %+v", b)
	}
}

// Whatever sound does, all pictures are recorded, what is recorded plays, and the store is in order.
func TestSoundHarmsNoPicture(t *testing.T) {
	c, s := squareClip(), cameratest.BeepAAC()
	f := formatOf(c)
	f.Sound = soundOf(s)
	frame := func(n int) []byte { return s.Frames[n%len(s.Frames)] }
	for name, heard := range map[string]func(n int) []byte{
		"never comes":       func(int) []byte { return nil },
		"begins late":       func(n int) []byte { return ifThen(n > 60, frame(n)) },
		"stops":             func(n int) []byte { return ifThen(n < 60, frame(n)) },
		"is lost in pieces": func(n int) []byte { return ifThen(n%7 > 2, frame(n)) },
		"is lost for long":  func(n int) []byte { return ifThen(n < 30 || n > 110, frame(n)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.allowSound(1, protocol.SoundAllowed)
			w := r.listen(f)
			r.talk(w, frames(c, 10*time.Second), s, 0, heard)
			r.endRun(w)
			r.sound()
			run := r.runDirs()[0]
			plays(t, r.join(run), 100)
			times, data := r.heardIn(run)
			for i := range times {
				n := int(times[i]) / s.Length
				if times[i]%int64(s.Length) != 0 || !bytes.Equal(data[i], frame(n)) || heard(n) == nil {
					t.Fatalf("frame %d of what is heard is not that of its time", i)
				}
			}
		})
	}
	t.Run("times that make no sense", func(t *testing.T) {
		r := newRig(t)
		r.allowSound(1, protocol.SoundAllowed)
		w := r.listen(f)
		for i, u := range frames(c, 10*time.Second) {
			u.Arrival = r.base.Add(media(u.DTS))
			r.clock.set(u.Arrival)
			if err := w.Write(u); err != nil {
				t.Fatal(err)
			}
			for _, at := range []int64{-5000, int64(i) * 1600, 1, 1 << 62, -1 << 62, int64(i)*1600 + 20*16000} {
				for _, length := range []int64{1024, 0, -1, 1 << 40} {
					if err := w.WriteSound(Sound{Data: frame(i), Time: at, Length: length}); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.idle()
		}
		r.endRun(w)
		r.sound()
		if n := r.countIn(r.runDirs()[0]); n != 100 {
			t.Errorf("%d pictures recorded, want 100", n)
		}
	})
	t.Run("format that nothing could play", func(t *testing.T) {
		r := newRig(t)
		r.allowSound(1, protocol.SoundAllowed)
		bad := f
		bad.Sound = &SoundFormat{Codec: AAC, Rate: 16000, Config: []byte{0xff}}
		w := r.listen(bad)
		r.talk(w, frames(c, 2*time.Second), s, 0, frame)
		r.endRun(w)
		plays(t, r.join(r.runDirs()[0]), 20)
	})
}

func ifThen(yes bool, b []byte) []byte {
	if yes {
		return b
	}
	return nil
}

// Other parameters of sound are another format, and so another run.
func TestOtherSoundIsAnotherRun(t *testing.T) {
	r := newRig(t)
	r.allowSound(1, protocol.SoundAllowed)
	c := squareClip()
	for _, s := range []*cameratest.Sound{cameratest.BeepAAC(), cameratest.BeepOpus()} {
		f := formatOf(c)
		f.Sound = soundOf(s)
		w := r.listen(f)
		r.talk(w, frames(c, 3*time.Second), s, 0, func(n int) []byte { return s.Frames[n%len(s.Frames)] })
	}
	r.endRun(r.Camera(plein, main_))
	r.sound()
	if b := bodies[protocol.RunStarted](t, r.book, protocol.KindRun); len(b) != 2 || b[0].Sound != "aac" || b[1].Sound != "opus" {
		t.Errorf("the journal says %+v", b)
	}
	for _, run := range r.runDirs() {
		plays(t, r.join(run), 30)
	}
}

// After a crash a segment ends with its last whole fragment, pictures and sound.
func TestCrashKeepsWholeFragmentsWithTheirSound(t *testing.T) {
	r := newRig(t, func(c *Config) { c.SegmentLength = time.Minute })
	r.allowSound(1, protocol.SoundAllowed)
	c, s := squareClip(), cameratest.BeepAAC()
	f := formatOf(c)
	f.Sound = soundOf(s)
	w := r.listen(f)
	r.talk(w, large(frames(c, 10*time.Second), 20_000), s, 0, func(n int) []byte { return s.Frames[n%len(s.Frames)] })
	r.crash()
	r.sound()
	run := r.runDirs()[0]
	times, _ := r.heardIn(run)
	n := r.countIn(run)
	if seconds := float64(len(times)*s.Length) / float64(s.Rate); n < 50 || seconds < float64(n)/10-0.2 || seconds > float64(n)/10+0.2 {
		t.Errorf("%d pictures and %.2f s of sound are left", n, seconds)
	}
	decodesWhole(t, r.join(run))
}
