package evidence

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// unpack writes a bag out with somebody else's unzip and returns its folder.
func unpack(t *testing.T, bag []byte) string {
	t.Helper()
	zr, err := zip.NewReader(bytes.NewReader(bag), int64(len(bag)))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range zr.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "g-41")
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed; `make packages` installs what the tests need", name)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A release from the middle of a run plays from its first picture: at time zero, every frame, no complaints.
func TestBagPlays(t *testing.T) {
	for _, c := range []struct {
		clip     string
		released []int
		frames   string
	}{{"square.mp4", []int{1, 2, 3, 4}, "80"}, {"square.mp4", []int{0, 1}, "40"}, {"hall.mp4", []int{2, 3, 4}, "60"}} {
		s := newScene(t)
		s.init, s.plain = clip(t, c.clip)
		for n := range s.lines {
			s.lines[n].Size, s.lines[n].SHA256, s.lines[n].Init = int64(len(s.plain[n])), protocol.HashOf(s.plain[n]), protocol.HashOf(s.init)
		}
		s.released = c.released
		if c.released[0] == 0 {
			s.grant.Interval.From = t0
		}
		films, err := filepath.Glob(unpack(t, s.bag()) + "/data/plein-noord/r-1/2*.mp4")
		if err != nil || len(films) != 1 {
			t.Fatalf("films %v, %v", films, err)
		}
		got := tool(t, "ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=start_time,nb_read_frames", "-of", "csv=p=0", films[0])
		if want := "0.000000," + c.frames + "\n"; got != want {
			t.Errorf("%s from segment %d: start time and frames %q, want %q", c.clip, c.released[0], got, want)
		}
		if out := tool(t, "ffmpeg", "-v", "error", "-xerror", "-i", films[0], "-f", "null", "-"); out != "" {
			t.Errorf("%s: full decode says %s", c.clip, out)
		}
	}
}

// A bag never leaves with what its own verifier would reject.
func TestWriterRefuses(t *testing.T) {
	for name, bend := range map[string]func(*scene){
		"not the segment's bytes": func(s *scene) { s.plain[2] = bytes.Repeat([]byte{7}, len(s.plain[2])) },
		"bytes too many":          func(s *scene) { s.plain[4] = append(bytes.Clone(s.plain[4]), 0) },
		"bytes too few":           func(s *scene) { s.plain[4] = s.plain[4][:100] },
		"another init":            func(s *scene) { s.init = append(bytes.Clone(s.init), 0) },
		"outside the grant":       func(s *scene) { s.released = []int{0, 1} },
		"another camera":          func(s *scene) { s.grant.Camera = "kade-oost" },
		"twice the same":          func(s *scene) { s.released = []int{1, 2, 2} },
	} {
		s := newScene(t)
		bend(s)
		if name == "another init" {
			s.lines[1].Init = protocol.HashOf([]byte("the real one"))
		}
		if _, err := s.write(io.Discard); err == nil {
			t.Errorf("%s: a bag was made", name)
		} else if name != "twice the same" && !strings.Contains(err.Error(), "segment") {
			t.Errorf("%s: %v does not name the segment", name, err)
		}
	}
}
