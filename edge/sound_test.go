package edge

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// A camera that offers sound is recorded with it only while roster and mandate allow it, from order to disk; what stands in the status is what is done.
func TestSoundFollowsRosterAndMandate(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	sound := &cameratest.Sound{Codec: "opus", Rate: 48000, Channels: 1, Length: 960, Frames: [][]byte{[]byte("\xf8what-somebody-said")}}
	camera, err := cameratest.New(cameratest.Options{Clip: cameratest.FlashH264(), Sound: sound, Transport: cameratest.TCP})
	s.check(err)
	t.Cleanup(camera.Close)
	s.config.Cameras[0].URL = camera.URL()
	s.connect()
	s.start()
	says := func(words string) {
		t.Helper()
		s.eventually(words, func() bool {
			at := s.now()
			return len(at.Cameras) > 0 && at.Cameras[0].State == "recording" && at.Cameras[0].Detail == words+" (Opus)"
		})
	}
	runs := func() (with, without int) {
		for _, r := range told[protocol.RunStarted](s, protocol.KindRun) {
			if r.Sound == "opus" {
				with++
			} else if r.Sound == "" {
				without++
			}
		}
		return with, without
	}
	roster := func(version uint64, sound string) {
		s.order(s.town.Roster(version, func(r *protocol.Roster) { r.Sound = sound }))
	}
	s.order(s.mandate(1, nil))
	says(protocol.SoundLeftOut)
	roster(2, protocol.SoundAllowed) // the roster alone changes nothing
	s.order(s.mandate(2, func(m *protocol.Mandate) { m.Sound = protocol.SoundAllowed }))
	says(protocol.SoundRecorded)
	s.eventually("a run with sound", func() bool { with, _ := runs(); return with == 1 })

	s.order(s.mandate(3, func(m *protocol.Mandate) { m.Sound = protocol.SoundNone }, approvers...))
	says(protocol.SoundLeftOut)
	s.eventually("a run without", func() bool { _, without := runs(); return without >= 2 })
	s.order(s.mandate(4, func(m *protocol.Mandate) { m.Sound = protocol.SoundAllowed }))
	says(protocol.SoundRecorded)
	roster(3, "") // and back, by the roster
	says(protocol.SoundLeftOut)
	for _, g := range told[protocol.Gap](s, protocol.KindGapEnded) {
		if g.Cause == "camera" || g.Cause == "disk" || g.To.Sub(g.From.Time) > 20*time.Second {
			t.Errorf("gap %+v", g)
		}
	}
	// Nothing of it lies anywhere in the clear: index, journal, status and runs know that there was sound, not what.
	s.check(filepath.WalkDir(s.config.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it moves while it is looked at
		}
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte("what-somebody-said")) {
			t.Errorf("%s holds what was said", path)
		}
		return nil
	}))
	if at := s.now(); strings.Contains(at.Why, "sound") {
		t.Errorf("status %+v", at)
	}
}
