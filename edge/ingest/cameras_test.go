package ingest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/pion/rtp"
)

func recordFake(t *testing.T, s script, configure func(*Session)) (*rig, *fake) {
	t.Helper()
	t.Parallel()
	f := newFake(t, s)
	r := recordURL(t, f.url(), s.user, s.password, configure)
	r.clip = s.clip
	return r, f
}

func overTransport(transport Transport) func(*Session) {
	return func(s *Session) { s.Source.Transport = transport }
}

// replaceLine puts another line, or none, in the place of the first that begins with prefix.
func replaceLine(s, prefix, with string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, prefix) {
			if with == "" {
				return strings.Join(slices.Delete(lines, i, i+1), "\n")
			}
			lines[i] = with
			break
		}
	}
	return strings.Join(lines, "\n")
}

// realCameras says which answers belong to one camera; a method without one is answered plainly. The same file may serve two.
var realCameras = map[string]map[string]string{
	"Anpviz":               {"DESCRIBE": "anpviz_sdp"},
	"Wowza":                {"DESCRIBE": "bunny_describe", "SETUP": "bunny_setup", "PLAY": "bunny_play"},
	"Dahua":                {"OPTIONS": "dahua_options", "DESCRIBE": "dahua_describe_h264_aac_onvif", "SETUP": "dahua_setup", "PLAY": "dahua_play"},
	"Foscam":               {"DESCRIBE": "foscam_describe"},
	"GW, main":             {"DESCRIBE": "gw_main_describe", "SETUP": "gw_main_setup_video", "PLAY": "gw_main_play"},
	"GW, SETUP of a sound": {"DESCRIBE": "gw_main_describe", "SETUP": "gw_main_setup_audio", "PLAY": "gw_main_play"},
	"GW, sub":              {"DESCRIBE": "gw_sub_describe", "SETUP": "gw_sub_setup", "PLAY": "gw_sub_play"},
	"Hikvision":            {"DESCRIBE": "hikvision_describe", "SETUP": "hikvision_setup", "PLAY": "hikvision_play"},
	"IPCAM":                {"DESCRIBE": "ipcam_describe"},
	"Laureii":              {"PLAY": "laureii_play"},
	"Luckfox":              {"SETUP": "luckfox_rkipc_setup_udp"},
	"Reolink":              {"DESCRIBE": "reolink_describe", "SETUP": "reolink_setup", "PLAY": "reolink_play", "TEARDOWN": "reolink_teardown"},
	"TP-Link":              {"DESCRIBE": "tplink_sdp"},
	"Ubiquiti":             {"DESCRIBE": "ubiquiti_sdp"},
}

func TestRealCameras(t *testing.T) {
	t.Parallel()
	used := map[string]bool{"LICENSE-MIT": true}
	for camera, files := range realCameras {
		s := script{clip: quick(cameratest.CounterH264()), answers: map[string]string{}}
		if camera == "TP-Link" {
			s.clip = quick(cameratest.CounterH265())
		}
		for method, file := range files {
			used[file] = true
			s.answers[method] = captured(t, file)
		}
		check := func(t *testing.T, s script, transport Transport) {
			r, _ := recordFake(t, s, overTransport(transport))
			r.until(frames(25))
			runs, state := r.tape.copy(), r.session.State()
			if len(runs) != 1 {
				t.Fatalf("%d runs, want 1", len(runs))
			}
			r.same(runs[0].units, s.clip)
			if !bytes.Equal(runs[0].format.SPS, s.clip.SPS) || !bytes.Equal(runs[0].format.PPS, s.clip.PPS) {
				t.Error("the run has other parameter sets than its frames")
			}
			if sound := strings.Contains(s.answers["DESCRIBE"], "m=audio"); sound != strings.Contains(state.Detail, "without the camera's sound") {
				t.Errorf("the camera offers sound: %v; the state says %q", sound, state.Detail)
			}
			if runs[0].format.Sound != nil {
				t.Error("sound that nobody asked for")
			}
			if state.Lost > 1 {
				t.Errorf("%d frames counted as lost", state.Lost)
			}
			r.finish(nil)
		}
		for _, transport := range []Transport{TCP, UDP} {
			t.Run(camera+", "+string(transport), func(t *testing.T) { check(t, s, transport) })
		}
		t.Run(camera+", all tracks sent", func(t *testing.T) {
			s := s
			s.beside = true
			check(t, s, Auto)
		})
		for _, transport := range []Transport{TCP, UDP} {
			text := s.answers["DESCRIBE"]
			if !strings.Contains(text, "m=audio") {
				break
			}
			t.Run(camera+", sound wanted, "+string(transport), func(t *testing.T) {
				_, d := describe([]byte(text[strings.Index(text, "v=0"):]), true)
				s := s
				s.sound, s.beside = cameratest.BeepAAC(), transport == TCP
				s.hear = func(_ int, p *rtp.Packet) []*rtp.Packet {
					if d.sound != nil {
						p.PayloadType = d.sound.payload
					}
					return []*rtp.Packet{p}
				}
				r, _ := recordFake(t, s, withSound(transport))
				r.until(frames(25))
				if d.sound != nil {
					r.until(heardFrames(5))
				}
				run, state := r.tape.copy()[0], r.session.State()
				r.same(run.units, s.clip)
				if state.Lost > 1 || (run.format.Sound != nil) != (d.sound != nil) || strings.HasPrefix(state.Detail, protocol.SoundRecorded) != (d.sound != nil) {
					t.Errorf("sound that can be recorded: %+v; format %+v, state %+v", d.sound, run.format.Sound, state)
				}
			})
		}
		t.Run(camera+", parameter sets only in the description", func(t *testing.T) {
			s := s
			encoded := base64.StdEncoding.EncodeToString
			s.answers = maps.Clone(s.answers)
			d := regexp.MustCompile(`sprop-parameter-sets=[^;\s]*`).ReplaceAllString(s.answers["DESCRIBE"], "sprop-parameter-sets="+encoded(s.clip.SPS)+","+encoded(s.clip.PPS))
			for name, set := range map[string][]byte{"vps": s.clip.VPS, "sps": s.clip.SPS, "pps": s.clip.PPS} {
				d = regexp.MustCompile(`sprop-`+name+`=[^;\s]*`).ReplaceAllString(d, "sprop-"+name+"="+encoded(set))
			}
			s.answers["DESCRIBE"], s.clip = d, bare(s.clip)
			check(t, s, TCP)
		})
	}
	names, err := filepath.Glob("testdata/cameras/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !used[strings.TrimSuffix(filepath.Base(name), ".txt")] {
			t.Errorf("%s is replayed nowhere", name)
		}
	}
}

// together puts start codes between the NAL units of a key frame and sends them as one, as some recorders between us and a camera do.
func together(_ int, f cameratest.Frame) cameratest.Frame {
	if f.Key {
		f.NALs = [][]byte{bytes.Join(f.NALs, []byte{0, 0, 0, 1})}
	}
	return f
}

// Of each of these cameras one gap-free run of the clip must come, bit for bit.
func TestCrookedCameras(t *testing.T) {
	t.Parallel()
	each := func(change func(n int, p *rtp.Packet)) func(int, *rtp.Packet) []*rtp.Packet {
		return func(n int, p *rtp.Packet) []*rtp.Packet {
			change(n, p)
			return []*rtp.Packet{p}
		}
	}
	sdp := func(old, with string) func(*script) {
		return func(s *script) { s.sdp = func(d string) string { return strings.Replace(d, old, with, 1) } }
	}
	line := func(prefix, with string) func(*script) {
		return func(s *script) { s.sdp = func(d string) string { return replaceLine(d, prefix, with) } }
	}
	answer := func(method string, change func(string) string) func(*script) {
		return func(s *script) {
			s.answer = func(m, text string) string {
				if m == method || method == "" {
					return change(text)
				}
				return text
			}
		}
	}
	refuse := func(status string) func(string) string {
		return func(text string) string { return replaceLine(replaceLine(text, "Public:", ""), "RTSP/1.0", status) }
	}
	digest := func(path, qop bool, rotate int) func(*script) {
		return func(s *script) { s.user, s.password, s.path, s.qop, s.rotate = "admin", "a/b:c,d", path, qop, rotate }
	}
	var all, tcp, both = []Transport{TCP, UDP, "rtsps"}, []Transport{TCP}, []Transport{TCP, UDP}
	for name, c := range map[string]struct {
		change func(*script)
		over   []Transport
		frames int // 0: 25
	}{
		"plain":    {func(*script) {}, all, 0},
		"H.265":    {func(s *script) { s.clip = quick(cameratest.CounterH265()) }, all, 0},
		"B-frames": {func(s *script) { s.clip = quick(cameratest.ReorderedH264()) }, both, 0},
		"new SSRC every group of pictures": {func(s *script) {
			s.packet = each(func(n int, p *rtp.Packet) { p.SSRC = uint32(n / 10) })
		}, all, 0},
		"new SSRC and a new sequence every group of pictures": {func(s *script) {
			s.packet = each(func(n int, p *rtp.Packet) {
				p.SSRC, p.SequenceNumber = uint32(n/10), p.SequenceNumber+uint16(n/10*30011)
			})
		}, both, 0},
		"new SSRC and a sequence that goes back a little": {func(s *script) {
			s.packet = each(func(n int, p *rtp.Packet) { p.SSRC, p.SequenceNumber = uint32(n/10), p.SequenceNumber-uint16(n/10*40) })
		}, both, 0},
		"a new sequence every group of pictures": {func(s *script) {
			s.packet = each(func(n int, p *rtp.Packet) { p.SequenceNumber -= uint16(n / 10 * 2000) })
		}, both, 0},
		"SSRC other than SETUP said": {func(s *script) {
			s.answers = map[string]string{"SETUP": captured(t, "dahua_setup")}
		}, both, 0},
		"key frame in one unit, H.264": {func(s *script) { s.frame = together }, both, 0},
		"key frame in one unit, H.265": {func(s *script) { s.clip, s.frame = quick(cameratest.CounterH265()), together }, both, 0},
		"key frame in one unit, and nothing described": {func(s *script) {
			line("a=fmtp", "")(s)
			s.frame = together
		}, tcp, 0},
		"parameter sets only in band":        {line("a=fmtp", ""), both, 0},
		"parameter sets only in band, H.265": {func(s *script) { line("a=fmtp", "")(s); s.clip = quick(cameratest.CounterH265()) }, both, 0},
		"parameter sets only in the description": {func(s *script) {
			s.clip = bare(s.clip)
		}, both, 0},
		"parameter sets after two seconds": {func(s *script) {
			line("a=fmtp", "")(s)
			without := bare(s.clip)
			s.frame = func(n int, f cameratest.Frame) cameratest.Frame {
				if n < 80 {
					f.NALs = without.Frames[n%len(without.Frames)].NALs
				}
				return f
			}
		}, tcp, 0},
		"parameter sets not in base64": {sdp("sprop-parameter-sets=", "sprop-parameter-sets=%%%"), tcp, 0},
		"parameter sets without padding": {func(s *script) {
			s.clip = bare(s.clip)
			s.sdp = func(d string) string { return strings.ReplaceAll(d, "==", "") }
		}, tcp, 0},
		"parameter sets with start codes": {func(s *script) {
			encoded := base64.StdEncoding.EncodeToString
			code := []byte{0, 0, 0, 1}
			sets := encoded(slices.Concat(s.clip.SPS, code)) + "," + encoded(slices.Concat(code, s.clip.PPS, code))
			s.clip = bare(s.clip)
			s.sdp = func(d string) string {
				return regexp.MustCompile(`sprop-parameter-sets=\S*`).ReplaceAllString(d, "sprop-parameter-sets="+sets)
			}
		}, tcp, 0},
		"origin half said":        {line("o=", "o=- 1 1 IN "), tcp, 0},
		"origin without address":  {line("o=", "o=- 1 1 IN IP4"), tcp, 0},
		"origin twice":            {line("o=", "o=- 1 1 IN IP IP4 10.0.0.1"), tcp, 0},
		"connection without type": {line("c=", "c=IN 0.0.0.0"), tcp, 0},
		"no session name, no time": {func(s *script) {
			s.sdp = func(d string) string { return replaceLine(replaceLine(d, "s=", ""), "t=", "") }
		}, tcp, 0},
		"lines of no kind":           {sdp("m=video", "nonsense\n\nx\nm=video"), tcp, 0},
		"medium of no kind":          {sdp("m=video", "m=meta 0 smart\na=control:x\nm=video"), tcp, 0},
		"sound without config":       {sdp("m=video", "m=audio 0 RTP/AVP 97\na=control:x\na=rtpmap:97 mpeg4-generic/8000\nm=video"), tcp, 0},
		"sound without rtpmap":       {sdp("m=video", "m=audio 0 RTP/AVP 97\na=control:x\nm=video"), tcp, 0},
		"a second video of no kind":  {func(s *script) { s.sdp = func(d string) string { return d + "m=video 0 RTP/AVP 99\na=control:y\n" } }, tcp, 0},
		"sendonly on every medium":   {sdp("a=rtpmap", "a=sendonly\na=rtpmap"), tcp, 0},
		"packetization-mode garbled": {sdp("packetization-mode=1", "packetization-mode=x"), tcp, 0},
		"status without reason":      {answer("", func(text string) string { return replaceLine(text, "RTSP/1.0", "RTSP/1.0 200") }), all, 0},
		"destination is a name": {answer("SETUP", func(text string) string {
			return strings.Replace(text, ";unicast", ";unicast;destination=recorder;source=camera.local", 1)
		}), all, 0},
		"SETUP without Transport": {answer("SETUP", func(text string) string { return replaceLine(text, "Transport:", "") }), all, 0},
		"Transport forgets TCP":   {answer("SETUP", func(text string) string { return strings.Replace(text, "RTP/AVP/TCP", "RTP/AVP", 1) }), tcp, 0},
		"no Content-Type":         {answer("DESCRIBE", func(text string) string { return replaceLine(text, "Content-Type:", "") }), tcp, 0},
		"Content-Base without scheme": {answer("DESCRIBE", func(text string) string {
			return replaceLine(text, "Content-Base:", "Content-Base: 192.168.1.10/stream/")
		}), tcp, 0},
		"no CSeq":                     {answer("", func(text string) string { return replaceLine(text, "CSeq:", "") }), tcp, 0},
		"OPTIONS 405":                 {answer("OPTIONS", refuse("RTSP/1.0 405 Method Not Allowed")), all, 0},
		"OPTIONS 501":                 {answer("OPTIONS", refuse("RTSP/1.0 501 Not Implemented")), tcp, 0},
		"OPTIONS not answered":        {answer("OPTIONS", func(string) string { return "" }), all, 0},
		"OPTIONS answered late":       {func(s *script) { s.late = map[string]time.Duration{"OPTIONS": patience + 300*time.Millisecond} }, both, 0},
		"digest":                      {digest(false, false, 0), all, 0},
		"basic":                       {func(s *script) { s.user, s.password, s.basic = "admin", "a/b:c,d", true }, all, 0},
		"digest over a path":          {digest(true, false, 0), all, 0},
		"digest with qop":             {digest(false, true, 0), both, 0},
		"digest with qop over a path": {digest(true, true, 0), tcp, 0},
		"nonce good for one request":  {digest(false, false, 1), tcp, 0},
		"nonce changes, and a short timeout": {func(s *script) {
			digest(true, false, 3)(s)
			s.timeout = 2 * time.Second
		}, all, 200},
		"short timeout": {func(s *script) { s.timeout = 2 * time.Second }, all, 200},
		"keepalive answered late": {func(s *script) {
			s.timeout = 2 * time.Second
			s.late = map[string]time.Duration{"GET_PARAMETER": 1900 * time.Millisecond}
		}, all, 200},
		"keepalive never answered": {func(s *script) {
			s.timeout = 2 * time.Second
			answer("GET_PARAMETER", func(string) string { return "" })(s)
		}, tcp, 200},
		"requests of its own": {func(s *script) {
			s.says = []string{"ANNOUNCE rtsp://x/ RTSP/1.0\nCSeq: 1\nSession: 1\nContent-Length: 3\n\nv=0", "OPTIONS rtsp://x/ RTSP/1.0\nCSeq: 2", "SET_PARAMETER * RTSP/1.0\nCSeq: 3"}
		}, tcp, 50},
		"stray bytes between messages": {func(s *script) { s.says = []string{"\x01\x02Rumpelstiltskin \xff"} }, tcp, 50},
		"stray payload types": {func(s *script) {
			s.packet = func(n int, p *rtp.Packet) []*rtp.Packet {
				p.SequenceNumber *= 2
				stray := *p
				stray.SequenceNumber, stray.PayloadType, stray.Payload, stray.Timestamp = p.SequenceNumber+1, 126, []byte("stray"), 99
				return []*rtp.Packet{p, &stray}
			}
		}, both, 0},
		"a marker on each packet": {func(s *script) {
			s.packet = func(n int, p *rtp.Packet) []*rtp.Packet {
				p.Marker = true
				return []*rtp.Packet{p}
			}
		}, both, 0},
		"no marker at all": {func(s *script) {
			s.packet = func(n int, p *rtp.Packet) []*rtp.Packet {
				p.Marker = false
				return []*rtp.Packet{p}
			}
		}, both, 0},
		"no sender report":        {func(s *script) {}, both, 0},
		"sender reports say 1970": {func(s *script) { s.report = func(now time.Time) (time.Time, bool) { return time.Unix(0, 0), true } }, all, 0},
		"sender reports are a day off": {func(s *script) {
			s.report = func(now time.Time) (time.Time, bool) { return now.Add(-24 * time.Hour), true }
		}, both, 0},
		"refuses TCP":                   {func(s *script) { s.noTCP = true }, []Transport{Auto, UDP}, 0},
		"another UDP port than it says": {func(s *script) { s.otherPort = true }, []Transport{UDP}, 0},
		"UDP packets out of order": {func(s *script) {
			var kept []*rtp.Packet
			s.packet = func(n int, p *rtp.Packet) []*rtp.Packet {
				if kept = append(kept, p); len(kept) < 4 {
					return nil
				}
				out := []*rtp.Packet{kept[0], kept[2], kept[1], kept[1], kept[3]}
				kept = nil
				return out
			}
		}, []Transport{UDP}, 0},
	} {
		for _, over := range c.over {
			t.Run(name+", "+string(over), func(t *testing.T) {
				s := script{clip: quick(cameratest.CounterH264())}
				c.change(&s)
				configure := overTransport(over)
				if over == "rtsps" {
					var trust *tls.Config
					s.tls, trust = certified(t)
					configure = func(s *Session) { s.Source.TLS = trust }
				}
				r, f := recordFake(t, s, configure)
				r.until(frames(max(c.frames, 25)))
				runs := r.tape.copy()
				if len(runs) != 1 {
					t.Fatalf("%d runs, want 1: %s", len(runs), runs[0].detail)
				}
				r.same(runs[0].units, r.clip)
				if n := len(r.tape.gaps); n != 0 {
					t.Errorf("%d gaps before the run: %v", n, r.tape.gaps)
				}
				if s := r.session.State(); s.Lost > 1 {
					t.Errorf("%d frames counted as lost", s.Lost)
				}
				if len(s.says) > 1 && f.count("answered") < 3 {
					t.Errorf("of the camera's own requests %d were answered", f.count("answered"))
				}
				if name == "digest over a path" && f.refusals != 2 {
					t.Errorf("%d refusals, want 2: the camera may lock out who tries more often", f.refusals)
				}
				r.finish(nil)
				if f.count("TEARDOWN") == 0 {
					t.Error("the camera was left without TEARDOWN")
				}
			})
		}
	}
}

// certified is a camera's TLS and a recorder's that trusts it.
func certified(t *testing.T) (camera, recorder *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: roots}
}

// What cannot be one gap-free run is told as what it is.
func TestCamerasThatGoWrong(t *testing.T) {
	t.Parallel()
	t.Run("RTP time jumps an hour and the sequence restarts", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264())}
		s.packet = func(n int, p *rtp.Packet) []*rtp.Packet {
			if n >= 25 {
				p.Timestamp += 3600 * 90000
				p.SequenceNumber += 30000
			}
			return []*rtp.Packet{p}
		}
		r, _ := recordFake(t, s, nil)
		r.until(recordingRun(2))
		if run := r.tape.copy()[0]; run.cause != footage.CauseClock || len(run.units) != 25 {
			t.Errorf("the run of %d frames ended with cause %s", len(run.units), run.cause)
		}
		if lost := r.session.State().Lost; lost > 1 {
			t.Errorf("%d frames counted as lost; none was", lost)
		}
		r.same(r.tape.copy()[1].units, s.clip)
	})
	t.Run("no parameter sets anywhere", func(t *testing.T) {
		s := script{clip: bare(quick(cameratest.CounterH264())), sdp: func(d string) string { return replaceLine(d, "a=fmtp", "") }}
		r, _ := recordFake(t, s, func(s *Session) { s.Source.KeyFrameTimeout = 1500 * time.Millisecond })
		r.until(inGap(footage.CauseCamera, "no parameter sets"))
		if len(r.tape.copy()) != 0 {
			t.Error("a run started")
		}
	})
	t.Run("I08 no key frame for long", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264())}
		s.frame = func(n int, f cameratest.Frame) cameratest.Frame {
			if f.Key && n > 0 {
				f.NALs = nil
			}
			return f
		}
		r, f := recordFake(t, s, func(s *Session) { s.Source.KeyFrameTimeout = 1500 * time.Millisecond })
		r.until(inGap(footage.CauseCamera, "no key frame for 1.5s"))
		r.until("another connection", func([]taped, State) bool { return f.count("PLAY") > 1 })
	})
	t.Run("TCP half open", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264())}
		r, f := recordFake(t, s, func(s *Session) { s.Source.KeyFrameTimeout = 1500 * time.Millisecond })
		r.until(frames(20))
		f.set(func() { f.sessions[0].hang() })
		r.until(inGap(footage.CauseCamera, "fallen silent"))
		r.until(recordingRun(2))
		for _, run := range r.tape.copy() {
			r.same(run.units, s.clip)
		}
	})
	t.Run("half open before it answers", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264()), answer: func(method, text string) string { return "" }}
		r, _ := recordFake(t, s, nil)
		r.until(inGap(footage.CauseCamera, "does not answer DESCRIBE"))
	})
	t.Run("UDP loses packets", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264())}
		at := 0
		s.packet = func(_ int, p *rtp.Packet) []*rtp.Packet {
			if at++; at%50 == 40 {
				return nil
			}
			return []*rtp.Packet{p}
		}
		r, _ := recordFake(t, s, overTransport(UDP))
		r.until(frames(60))
		runs := r.tape.copy()
		if len(runs) != 1 || r.session.State().Lost == 0 {
			t.Errorf("%d runs, %d frames lost; want one and some", len(runs), r.session.State().Lost)
		}
		for _, u := range runs[0].units {
			if !slices.ContainsFunc(s.clip.Frames, func(f cameratest.Frame) bool { return slices.EqualFunc(f.NALs, u.NALs, bytes.Equal) }) {
				t.Fatal("a frame of which a part was lost was recorded")
			}
		}
	})
	t.Run("a firewall stops UDP: TCP", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264()), blockUDP: true}
		r, _ := recordFake(t, s, func(s *Session) {
			s.Source.Transport, s.Source.KeyFrameTimeout = UDP, 1500*time.Millisecond
		})
		r.until(recordingRun(1))
		r.same(r.tape.copy()[0].units, s.clip)
	})
	t.Run("only TCP is allowed, and the camera refuses it", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264()), noTCP: true}
		r, f := recordFake(t, s, overTransport(TCP))
		r.until(inGap(footage.CauseCamera, "the other of tcp and udp"))
		f.set(func() {
			for _, c := range f.sessions {
				if c.udp[0] != nil {
					t.Error("UDP was asked, though the configuration says TCP")
				}
			}
		})
	})
	t.Run("wrong password", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264()), user: "admin", password: "right"}
		r, f := recordFake(t, s, func(s *Session) { s.Source.Password, s.RetryRefused = "wrong", time.Hour })
		r.until(inGap(footage.CauseCamera, "refuses the user name or password"))
		if f.set(func() {}); f.refusals != 3 {
			t.Errorf("the camera refused %d times, want 3: once to ask, and each form of digest once", f.refusals)
		}
	})
	t.Run("the camera ends the session", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264()), says: []string{"OPTIONS * RTSP/1.0\nCSeq: 1", "TEARDOWN * RTSP/1.0\nCSeq: 2"}}
		r, _ := recordFake(t, s, nil)
		r.until(recordingRun(2))
		if run := r.tape.copy()[0]; !strings.Contains(run.detail, "TEARDOWN") {
			t.Errorf("the run ended with %s, %q", run.cause, run.detail)
		}
	})
	t.Run("parameter sets change in mid-run", func(t *testing.T) {
		s := script{clip: quick(cameratest.CounterH264())}
		other := quick(cameratest.ReorderedH264())
		s.frame = func(n int, f cameratest.Frame) cameratest.Frame {
			if n >= 20 {
				f.NALs = other.Frames[n%len(other.Frames)].NALs
			}
			return f
		}
		r, _ := recordFake(t, s, nil)
		r.until(recordingRun(2))
		if runs := r.tape.copy(); len(runs[0].units) != 20 || !bytes.Equal(runs[1].format.SPS, other.SPS) {
			t.Errorf("the first run has %d frames, want 20", len(runs[0].units))
		}
	})
}

// One camera, two sessions at once: what one does is no matter of the other.
func TestMainAndSubStream(t *testing.T) {
	main := script{clip: quick(cameratest.CounterH264()), answers: map[string]string{"DESCRIBE": captured(t, "gw_main_describe"), "SETUP": captured(t, "gw_main_setup_video")}}
	t.Parallel()
	f := newFake(t, main)
	a := recordURL(t, f.url(), "", "", nil)
	b := recordURL(t, strings.Replace(f.url(), "subtype=0", "subtype=1", 1), "", "", func(s *Session) { s.Source.Stream = "sub" })
	a.until(frames(20))
	b.until(frames(20))
	a.finish(nil)
	n := len(b.tape.copy()[0].units)
	b.until(frames(n + 20))
	b.same(b.tape.copy()[0].units, main.clip)
	a.same(a.tape.copy()[0].units, main.clip)
}

// The ONVIF clips, whose SEI units contain start codes: each NAL unit must come out as it went in.
func TestSignedVideoStaysVerifiable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"test_signed_h264.mp4", "test_h264.mp4"} {
		for _, over := range []Transport{TCP, UDP} {
			t.Run(name+", "+string(over), func(t *testing.T) {
				clip := onvif(t, name)
				r, _ := recordFake(t, script{clip: clip}, overTransport(over))
				flat := func(units [][][]byte) (all [][]byte) {
					for _, u := range units {
						all = append(all, u...)
					}
					return all
				}
				var want [][][]byte
				for _, f := range clip.Frames {
					want = append(want, f.NALs)
				}
				r.until(frames(len(clip.Frames) - 3))
				r.until("all frames", func(runs []taped, _ State) bool {
					var got [][][]byte
					for _, u := range runs[0].units {
						got = append(got, u.NALs)
					}
					return len(flat(got)) >= len(flat(want))
				})
				run := r.tape.copy()[0]
				var got [][][]byte
				seis := 0
				for _, u := range run.units {
					got = append(got, u.NALs)
				}
				have, all := flat(got), flat(want)
				for i, nal := range all {
					if kindOf(footage.H264, nal) == sei {
						seis++
					}
					if !bytes.Equal(have[i], nal) {
						t.Fatalf("NAL unit %d, type %d of %d bytes, came out with %d bytes", i, nal[0]&31, len(nal), len(have[i]))
					}
				}
				if strings.Contains(name, "signed") && seis < 2 {
					t.Errorf("%d SEI units in a signed clip", seis)
				}
				t.Logf("%d NAL units, %d of them SEI", len(all), seis)
			})
		}
	}
}

func onvif(t *testing.T, name string) cameratest.Clip {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata/media", name))
	if err != nil {
		t.Fatal(err)
	}
	return mp4Clip(t, name, raw)
}
