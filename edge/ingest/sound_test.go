package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/sdp"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"
)

func withSound(over Transport) func(*Session) {
	return func(s *Session) { s.Source.Transport, s.Source.Sound = over, true }
}

func heardFrames(n int) (string, func([]taped, State) bool) {
	return fmt.Sprintf("%d frames of sound", n), func(runs []taped, _ State) bool { return len(runs) > 0 && len(runs[len(runs)-1].sound) >= n }
}

// counted is sound of which each frame says which it is: Opus as far as its first byte goes, 20 ms each.
func counted() *cameratest.Sound {
	s := &cameratest.Sound{Codec: "opus", Rate: 48000, Channels: 1, Length: 960}
	for k := range 10000 {
		s.Frames = append(s.Frames, binary.BigEndian.AppendUint32([]byte{0xf8}, uint32(k)))
	}
	return s
}

// A server that others wrote: sound comes out bit for bit, whole, beside the pictures, and that it does is said.
func TestSoundBesideVideo(t *testing.T) {
	for name, sound := range map[string]*cameratest.Sound{"AAC": cameratest.BeepAAC(), "Opus": cameratest.BeepOpus()} {
		for _, over := range []Transport{TCP, UDP} {
			t.Run(fmt.Sprintf("%s over %s", name, over), func(t *testing.T) {
				r := record(t, cameratest.Options{Clip: cameratest.FlashH264(), Sound: sound, User: "u", Password: "p"}, withSound(over))
				r.until(heardFrames(100))
				state := r.session.State()
				r.finish(nil)
				runs := r.tape.copy()
				run := runs[0]
				if len(runs) != 1 || state.Phase != Recording || state.Detail != protocol.SoundRecorded+" ("+name+")" {
					t.Errorf("%d runs, state %+v", len(runs), state)
				}
				f := run.format.Sound
				if f == nil || string(f.Codec) != sound.Codec || f.Rate != sound.Rate || !bytes.Equal(f.Config, sound.Config) {
					t.Fatalf("format of sound %+v", f)
				}
				r.same(run.units, r.clip)
				first := -1
				for i, frame := range sound.Frames {
					if bytes.Equal(frame, run.sound[0].Data) && bytes.Equal(sound.Frames[(i+1)%len(sound.Frames)], run.sound[1].Data) && bytes.Equal(sound.Frames[(i+2)%len(sound.Frames)], run.sound[2].Data) {
						first = i
					}
				}
				for i, s := range run.sound {
					if first < 0 || s.Length != int64(sound.Length) || s.Time != run.sound[0].Time+int64(i*sound.Length) {
						t.Fatalf("frame %d of %d: at %d, %d long; the first is %d of the clip, at %d", i, len(run.sound), s.Time, s.Length, first, run.sound[0].Time)
					}
				}
				for i := range run.sound[:50] { // silence is the same all over, so only what follows the first is compared
					found := false
					for shift := range len(sound.Frames) {
						found = found || bytes.Equal(sound.Frames[(shift+i)%len(sound.Frames)], run.sound[i].Data)
					}
					if !found {
						t.Fatalf("frame %d is not one of the camera's", i)
					}
				}
			})
		}
	}
	t.Run("not allowed", func(t *testing.T) {
		r := record(t, cameratest.Options{Clip: cameratest.FlashH264(), Sound: cameratest.BeepAAC()}, nil)
		r.until(frames(20))
		if state := r.session.State(); state.Detail != protocol.SoundLeftOut+" (AAC)" {
			t.Errorf("state %+v", state)
		}
		if run := r.tape.copy()[0]; run.format.Sound != nil || len(run.sound) > 0 {
			t.Errorf("sound that nobody asked for: %+v, %d frames", run.format.Sound, len(run.sound))
		}
	})
	t.Run("announced and never sent", func(t *testing.T) {
		r := record(t, cameratest.Options{Clip: cameratest.FlashH264(), Sound: cameratest.BeepAAC()}, withSound(TCP))
		r.camera.Deafen(true)
		r.until("being told", func(_ []taped, s State) bool {
			return s.Phase == Recording && s.Detail == protocol.SoundSilent+" (AAC)"
		})
		if runs := r.tape.copy(); len(runs) != 1 || len(runs[0].units) < 200 {
			t.Errorf("%d runs, %d pictures", len(runs), len(runs[0].units))
		}
		r.camera.Deafen(false)
		r.until("the sound after all", func(runs []taped, s State) bool {
			return s.Detail == protocol.SoundRecorded+" (AAC)" && len(runs) == 1 && len(runs[0].sound) > 10
		})
	})
	t.Run("other sound after a restart is another run", func(t *testing.T) {
		r := record(t, cameratest.Options{Clip: cameratest.FlashH264(), Sound: cameratest.BeepAAC()}, withSound(TCP))
		r.until(heardFrames(10))
		r.camera.Stop()
		r.until("a gap", func(_ []taped, s State) bool { return s.Phase == Gap })
		r.camera.Hear(cameratest.BeepOpus())
		if err := r.camera.Start(); err != nil {
			t.Fatal(err)
		}
		r.until("a second run with sound", func(runs []taped, _ State) bool { return len(runs) > 1 && len(runs[len(runs)-1].sound) > 10 })
		runs := r.tape.copy()
		if first, last := runs[0].format.Sound, runs[len(runs)-1].format.Sound; first.Codec != footage.AAC || last.Codec != footage.Opus {
			t.Errorf("%+v, then %+v", first, last)
		}
	})
}

// Where sound lies beside the pictures, whatever the camera tells of its clocks. The frames say when they were heard.
func TestSoundInItsPlace(t *testing.T) {
	now := func(at time.Time) (time.Time, bool) { return at, true }
	after := func(d time.Duration) func(time.Time) (time.Time, bool) {
		return func(at time.Time) (time.Time, bool) { return at.Add(d), true }
	}
	info := func(picture, sound uint32) string {
		return fmt.Sprintf("url=trackID=0;seq=1;rtptime=%d,url=rtsp://x/stream/trackID=1;seq=7;rtptime=%d", picture, sound)
	}
	const exact, guessed = 25 * time.Millisecond, 200 * time.Millisecond // that much on a busy machine
	for name, c := range map[string]struct {
		script script
		over   Transport
		within time.Duration
	}{
		"sender reports":                    {script{report: now, soundReport: now}, TCP, exact},
		"sender reports over UDP":           {script{report: now, soundReport: now}, UDP, exact},
		"sender reports of a wrong clock":   {script{report: after(-50 * 365 * 24 * time.Hour), soundReport: after(-50 * 365 * 24 * time.Hour)}, TCP, exact},
		"RTP-Info":                          {script{info: info}, TCP, exact},
		"RTP-Info over UDP":                 {script{info: info}, UDP, exact},
		"RTP-Info, of nonsense":             {script{info: func(uint32, uint32) string { return info(0, 0) }}, TCP, guessed},
		"nothing":                           {script{}, TCP, guessed},
		"nothing over UDP":                  {script{}, UDP, guessed},
		"reports of two clocks":             {script{report: now, soundReport: after(time.Hour)}, TCP, guessed},
		"reports of pictures only":          {script{report: now}, TCP, guessed},
		"sound that is sent late":           {script{report: now, soundReport: now, hear: later(15)}, TCP, exact},
		"sound that is lost in pieces":      {script{info: info, hear: func(k int, p *rtp.Packet) []*rtp.Packet { return some(k%11 > 3, p) }}, TCP, exact},
		"sound that begins late":            {script{info: info, hear: func(k int, p *rtp.Packet) []*rtp.Packet { return some(k > 150, p) }}, TCP, exact},
		"sound that pauses":                 {script{report: now, soundReport: now, hear: func(k int, p *rtp.Packet) []*rtp.Packet { return some(k < 50 || k > 200, p) }}, TCP, exact},
		"sound whose clock jumps far ahead": {script{hear: jumping(50, 3600*48000)}, TCP, guessed},
		"sound whose clock jumps far back":  {script{hear: jumping(50, -3600*48000)}, TCP, guessed},
		"sound whose clock stands in silence": {script{hear: func(k int, p *rtp.Packet) []*rtp.Packet {
			if k >= 200 { // three seconds of which it counts nothing
				p.Timestamp -= 150 * 960
			}
			return some(k < 50 || k >= 200, p)
		}}, TCP, guessed},
		"sound whose times tremble": {script{info: info, hear: func(k int, p *rtp.Packet) []*rtp.Packet {
			p.Timestamp += uint32(k * 7919 % 600)
			return []*rtp.Packet{p}
		}}, TCP, 45 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			c.script.clip, c.script.sound = cameratest.CounterH264(), counted()
			r, _ := recordFake(t, c.script, withSound(c.over))
			r.until("seven seconds of pictures", func(runs []taped, _ State) bool { return len(runs) > 0 && len(runs[0].units) > 70 })
			state := r.session.State()
			r.finish(nil)
			runs := r.tape.copy()
			if len(runs) != 1 || state.Lost > 0 {
				t.Fatalf("%d runs, %d pictures lost", len(runs), state.Lost)
			}
			run := runs[0]
			r.same(run.units, r.clip)
			zero := int64(-1) // when the run began, by the camera
			for _, f := range r.clip.Frames {
				if bytes.Equal(f.NALs[len(f.NALs)-1], run.units[0].NALs[len(run.units[0].NALs)-1]) {
					zero = f.PTS
				}
			}
			if len(run.sound) < 60 {
				t.Errorf("%d frames of sound", len(run.sound))
			}
			var off time.Duration
			wrong := 0
			for _, s := range run.sound {
				k := time.Duration(binary.BigEndian.Uint32(s.Data[1:]))
				at := k*20*time.Millisecond - time.Duration(zero)*time.Second/90000
				if d := (time.Duration(s.Time)*time.Second/48000 - at); d.Abs() > c.within {
					wrong++
					off = d
				}
			}
			// The first moments, before the camera told anything and after a jump, may be guessed from too little, on a busy machine.
			if wrong > len(run.sound)/5 {
				t.Errorf("%d of %d frames lie further than %s from their pictures, the last %s", wrong, len(run.sound), c.within, off)
			}
		})
	}
}

func some(yes bool, p *rtp.Packet) []*rtp.Packet {
	if yes {
		return []*rtp.Packet{p}
	}
	return nil
}

// later sends each frame so many frames after its time.
func later(frames int) func(int, *rtp.Packet) []*rtp.Packet {
	var held []*rtp.Packet
	return func(_ int, p *rtp.Packet) []*rtp.Packet {
		if held = append(held, p); len(held) <= frames {
			return nil
		}
		first := held[0]
		held = held[1:]
		return []*rtp.Packet{first}
	}
}

func jumping(from, ticks int) func(int, *rtp.Packet) []*rtp.Packet {
	return func(k int, p *rtp.Packet) []*rtp.Packet {
		if k >= from {
			p.Timestamp += uint32(ticks)
		}
		return []*rtp.Packet{p}
	}
}

// Sound never costs pictures: whatever a camera makes of being asked for it, it is recorded.
func TestSoundCostsNoPictures(t *testing.T) {
	for name, s := range map[string]script{
		"refuses it":                 {},
		"sends it where video goes":  {answer: func(_, text string) string { return strings.Replace(text, "interleaved=2-3", "interleaved=0-1", 1) }},
		"sends nonsense":             {hear: func(_ int, p *rtp.Packet) []*rtp.Packet { p.Payload = []byte{0, 16, 0xff}; return []*rtp.Packet{p} }},
		"sends another payload type": {hear: func(_ int, p *rtp.Packet) []*rtp.Packet { p.PayloadType = 8; return []*rtp.Packet{p} }},
		"sends empty packets":        {hear: func(_ int, p *rtp.Packet) []*rtp.Packet { p.Payload = nil; return []*rtp.Packet{p} }},
		"sends ten times too much": {hear: func(_ int, p *rtp.Packet) (all []*rtp.Packet) {
			for range 10 {
				all = append(all, p)
			}
			return all
		}},
	} {
		for _, sound := range []*cameratest.Sound{cameratest.BeepAAC(), counted()} {
			t.Run(name+", "+sound.Codec, func(t *testing.T) {
				s.clip, s.sound = cameratest.CounterH264(), sound
				if name == "refuses it" {
					n := 0
					s.answer = func(method, text string) string {
						if method == "SETUP" {
							if n++; n == 2 {
								return "RTSP/1.0 454 Session Not Found\nCSeq: 5\n\n"
							}
						}
						return text
					}
				}
				r, _ := recordFake(t, s, withSound(TCP))
				r.until(frames(30))
				state := r.session.State()
				r.finish(nil)
				run := r.tape.copy()[0]
				r.same(run.units, r.clip)
				if state.Lost > 0 {
					t.Errorf("state %+v", state)
				}
				if silent := strings.HasSuffix(name, "it") || strings.HasSuffix(name, "goes"); silent && (run.format.Sound != nil || !strings.HasPrefix(state.Detail, protocol.SoundLeftOut)) {
					t.Errorf("format %+v, state %+v", run.format.Sound, state)
				}
			})
		}
	}
	t.Run("sends no video beside it", func(t *testing.T) {
		s := script{clip: cameratest.CounterH264(), sound: counted()}
		s.dumb = true
		r, _ := recordFake(t, s, func(q *Session) { q.Source.Sound, q.Source.KeyFrameTimeout = true, 2*time.Second })
		r.until(frames(10))
		if run := r.tape.copy()[0]; run.format.Sound != nil {
			t.Error("a run with sound")
		}
	})
}

func TestSoundInDescriptions(t *testing.T) {
	for name, c := range map[string]struct{ block, coding string }{
		"AAC":                        {"m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000/1\na=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408", "aac 16000 1 1408"},
		"AAC, its own way":           {"m=audio 0 RTP/AVP 0 104\na=control:a\na=rtpmap:104 mpeg4-generic/48000\na=fmtp:104 SizeLength=13 ; Mode=aac_hbr; Config=1190", "aac 48000 2 1190"},
		"AAC without size":           {"m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000/1\na=fmtp:97 mode=AAC-hbr;config=1408", ""},
		"AAC without config":         {"m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000/1\na=fmtp:97 mode=AAC-hbr;sizelength=13", ""},
		"AAC in another mode":        {"m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000/1\na=fmtp:97 mode=CELP-cbr;sizelength=13;config=1408", ""},
		"AAC of no rate":             {"m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/0\na=fmtp:97 mode=AAC-hbr;sizelength=13;config=1408", ""},
		"LATM":                       {"m=audio 0 RTP/AVP 97\na=rtpmap:97 MP4A-LATM/16000/1\na=fmtp:97 profile-level-id=30;cpresent=0;config=40002810", "aac 16000 1 1408"},
		"LATM, parameters in band":   {"m=audio 0 RTP/AVP 97\na=rtpmap:97 MP4A-LATM/90000/1\na=fmtp:97 profile-level-id=30", ""},
		"Opus":                       {"m=audio 0 RTP/AVP 96\na=rtpmap:96 opus/48000/2", "opus 48000 1 "},
		"Opus in stereo":             {"m=audio 0 RTP/AVP 96\na=rtpmap:96 OPUS/48000/2\na=fmtp:96 sprop-stereo=1", "opus 48000 2 "},
		"Opus of another clock":      {"m=audio 0 RTP/AVP 96\na=rtpmap:96 opus/8000", ""},
		"G.711":                      {"m=audio 0 RTP/AVP 8", ""},
		"G.711 first":                {"m=audio 0 RTP/AVP 8 96\na=rtpmap:96 opus/48000/2", "opus 48000 1 "},
		"G.726":                      {"m=audio 0 RTP/AVP 97\na=rtpmap:97 G726-32/8000", ""},
		"encrypted":                  {"m=audio 0 RTP/SAVP 96\na=rtpmap:96 opus/48000/2", ""},
		"where it is cannot be read": {"m=audio 0 RTP/AVP 96\na=control:%zz\na=rtpmap:96 opus/48000/2", ""},
	} {
		got := ""
		if s := soundIn(strings.Split(c.block, "\n")); s != nil {
			got = fmt.Sprintf("%s %d %d %x", s.format.Codec, s.format.Rate, s.format.Channels, s.format.Config)
		}
		if got != c.coding {
			t.Errorf("%s: %q, want %q", name, got, c.coding)
		}
	}
}

// LATM as RFC 6416 packs it, frames of AAC and of fragments of them.
func TestLATM(t *testing.T) {
	track := soundIn(strings.Split("m=audio 0 RTP/AVP 97\na=rtpmap:97 MP4A-LATM/16000/1\na=fmtp:97 cpresent=0;config=40002810", "\n"))
	if track == nil {
		t.Fatal("not understood")
	}
	u := newUnpacker(track)
	var got [][]byte
	for i, frame := range cameratest.BeepAAC().Frames[:20] {
		whole, err := (mpeg4audio.AudioMuxElement{StreamMuxConfig: track.mux, Payloads: [][][][]byte{{{frame}}}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		half := len(whole) / 2
		for j, part := range [][]byte{whole[:half], whole[half:]} {
			u.push(&rtp.Packet{Header: rtp.Header{PayloadType: 97, SequenceNumber: uint16(2*i + j), Timestamp: uint32(i * 1024), Marker: j == 1}, Payload: part}, func(f heardFrame) {
				if f.length != 1024 || f.stamp != uint32(i*1024) || f.after {
					t.Errorf("frame %d: %+v", i, f)
				}
				got = append(got, f.data)
			})
		}
	}
	if len(got) != 20 || !bytes.Equal(got[7], cameratest.BeepAAC().Frames[7]) {
		t.Errorf("%d frames come out", len(got))
	}
}

// What cameras say of sound may be anything. What describe makes of it is always understood where it is without sound, so that sound costs no pictures.
func FuzzSoundDescription(f *testing.F) {
	for _, block := range []string{"m=audio 0 RTP/AVP 97\na=control:x\na=rtpmap:97 MPEG4-GENERIC/16000/1\na=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;config=1408",
		"m=audio 0 RTP/AVP 97\na=rtpmap:97 MP4A-LATM/16000/1\na=fmtp:97 cpresent=0;config=40002810", "m=audio 0 RTP/AVP 0 96\na=rtpmap:96 opus/48000/2\na=control:rtsp://[::1"} {
		f.Add(block, []byte("\x00\x10\x00\x20four"), []byte{0xfc, 1, 2})
	}
	const video = "v=0\ns=-\nt=0 0\nm=video 0 RTP/AVP 96\na=control:v\na=rtpmap:96 H264/90000\n"
	understood := func(raw []byte) error {
		var s sdp.SessionDescription
		if err := s.Unmarshal(raw); err != nil {
			return err
		}
		return new(description.Session).Unmarshal(&s)
	}
	f.Fuzz(func(t *testing.T, block string, first, second []byte) {
		silent, _ := describe([]byte(video+block), false)
		out, d := describe([]byte(video+block), true)
		if err := understood(out); err != nil && understood(silent) == nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		if d.sound == nil {
			return
		}
		u := newUnpacker(d.sound)
		for i, payload := range [][]byte{first, second, first} {
			u.push(&rtp.Packet{Header: rtp.Header{PayloadType: d.sound.payload, SequenceNumber: uint16(i), Marker: len(first)%2 == 0}, Payload: payload}, func(f heardFrame) {
				if len(f.data) == 0 || f.length <= 0 {
					t.Fatalf("frame %+v", f)
				}
			})
		}
		playedOf(block, "v", "a")
	})
}

// keeper is a Writer that keeps the sound.
type keeper struct {
	tape
	sound []footage.Sound
}

func (k *keeper) WriteSound(s footage.Sound) error { k.sound = append(k.sound, s); return nil }

// Clocks of sound and picture part over the hours, and nobody may tell: sound follows its pictures all the same, in steps that nobody hears, and without holes.
func TestSoundFollowsWhenClocksPart(t *testing.T) {
	for name, c := range map[string]struct {
		drift   float64 // of the sound's clock, parts of one
		reports bool
		info    bool
		within  time.Duration
	}{
		"fast, no word of it":    {300e-6, false, false, 130 * time.Millisecond},
		"slow, no word of it":    {-300e-6, false, false, 130 * time.Millisecond},
		"fast, RTP-Info":         {300e-6, false, true, 110 * time.Millisecond},
		"slow, RTP-Info":         {-300e-6, false, true, 110 * time.Millisecond},
		"fast, sender reports":   {300e-6, true, true, 40 * time.Millisecond},
		"slow, sender reports":   {-300e-6, true, false, 40 * time.Millisecond},
		"as fast as the picture": {0, false, true, 40 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC)
			now, chance := begin, rand.New(rand.NewPCG(1, 2))
			w := &keeper{}
			s := &Session{Writer: w, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
			s.status.begin(s)
			r := &runs{session: s, open: true}
			h := newHearing(&soundTrack{payload: 97, format: footage.SoundFormat{Codec: footage.Opus, Rate: 48000}}, r)
			if c.info {
				h.info.Store(&played{picture: 5000, sound: 7000})
			}
			const step, long = 20 * time.Millisecond, 15 * time.Minute
			tick := func(at time.Time) time.Time { return at.Truncate(100 * time.Millisecond).Add(100 * time.Millisecond) } // as cameras are read
			var frames []time.Duration                                                                                      // when each was heard
			for at := time.Duration(0); at < long; at += step {
				now = tick(begin.Add(at + step + time.Duration(chance.Int64N(int64(30*time.Millisecond)))))
				if at%(2*step) == 0 {
					h.saw(uint32(5000+int64(at)*9/1e5), now)
				}
				if at == 0 {
					h.began()
				}
				stamp := uint32(7000 + int64(float64(at)*48000/1e9*(1+c.drift)))
				if c.reports && at%(5*time.Second) == 0 {
					h.reported(false, begin.Add(at), uint32(5000+int64(at)*9/1e5), now)
					h.reported(true, begin.Add(at), stamp, now)
				}
				k := len(w.sound)
				h.heard(&rtp.Packet{Header: rtp.Header{PayloadType: 97, SequenceNumber: uint16(at / step), Timestamp: stamp}, Payload: binary.BigEndian.AppendUint64([]byte{0xf8}, uint64(at))}, now)
				for _, f := range w.sound[k:] {
					frames = append(frames, time.Duration(binary.BigEndian.Uint64(f.Data[1:])))
				}
			}
			missing := int(long/step) - len(w.sound)
			if missing > 50 { // what is dropped to catch up: a quarter of a second, in steps
				t.Errorf("%d frames of %d are missing", missing, long/step)
			}
			var worst time.Duration
			moved := 0
			for i, f := range w.sound {
				off := time.Duration(f.Time)*time.Second/48000 - frames[i]
				if off.Abs() > worst.Abs() {
					worst = off
				}
				if i > 0 && f.Time != w.sound[i-1].Time+w.sound[i-1].Length {
					moved++
				}
			}
			if t.Logf("the furthest %s, moved %d times, %d missing", worst, moved, missing); worst.Abs() > c.within || moved > 200 {
				t.Errorf("sound lies up to %s from its pictures, and was moved %d times", worst, moved)
			}
		})
	}
}
