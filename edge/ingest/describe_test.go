package ingest

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/sdp"
)

func TestDescribeNamesWhatIsLeftOut(t *testing.T) {
	for file, want := range map[string][]string{
		"dahua_describe_h264_aac_onvif": {"sound (AAC)", "application (VND.ONVIF.METADATA)"},
		"gw_main_describe":              {"sound (G.711)"},
		"gw_sub_describe":               nil,
		"foscam_describe":               {"sound (G.711)"},
		"tplink_sdp":                    {"sound (G.711)", "application/TP-LINK"},
		"ubiquiti_sdp":                  {"sound (AAC)", "sound (Opus)"},
	} {
		text := captured(t, file)
		_, d := describe([]byte(text[strings.Index(text, "v=0"):]), false)
		for i := range d.beside {
			d.beside[i] = strings.TrimSuffix(d.beside[i], " (TP-LINK)")
		}
		if !slices.Equal(d.beside, want) {
			t.Errorf("%s: %q, want %q", file, d.beside, want)
		}
	}
}

// Whatever a camera describes: video that we take for H.264 or H.265 is such that gortsplib reads the whole of it.
func FuzzDescribe(f *testing.F) {
	names, err := filepath.Glob("testdata/cameras/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		if text := captured(f, strings.TrimSuffix(filepath.Base(name), ".txt")); strings.Contains(text, "v=0") {
			f.Add([]byte(text[strings.Index(text, "v=0"):]))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, d := describe(in, false)
		if len(out) > 3*(2*len(in)+200) { // what is no UTF-8 becomes a sign of three bytes
			t.Fatalf("%d bytes of %d", len(out), len(in))
		}
		if len(d.beside) == 0 {
			return // all is left as it was, when nothing of it is video
		}
		var s sdp.SessionDescription
		if err := s.Unmarshal(out); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var session description.Session
		if err := session.Unmarshal(&s); err != nil && strings.Count(string(out), "m=") == 1 && strings.Contains(string(out), "RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n") && !strings.Contains(string(out), "key-mgmt") {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a, b", nonce=1, qop="auth", algorithm=MD5, opaque=""`)
	f.Add(`Basic realm="x"`)
	f.Add(`digest nonce="`)
	f.Fuzz(func(t *testing.T, value string) {
		value, _, _ = strings.Cut(value, "\n")
		c := challenged([]string{"WWW-Authenticate: " + value})
		if c == nil {
			return
		}
		l := &login{user: "u", password: "geheim", host: "camera"}
		if line := l.authorization(c, "PLAY", "rtsp://camera/x", "camera"); strings.Contains(line, "\n") || strings.Contains(line, "geheim") {
			t.Errorf("%q", line)
		}
	})
}
