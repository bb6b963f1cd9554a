package edge

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// A recorder with two disks loses one while it records on both: the other camera goes on undisturbed, the camera of the dead disk goes on elsewhere, the operator and the centre are told,
// a recorder that is started without the disk does the same, and when the disk is back nothing is missing.
func TestI06_I14_OneOfTwoDisksDies(t *testing.T) {
	t.Parallel()
	const hal protocol.CameraID = "stadhuis-hal"
	s := newStreet(t)
	second, err := cameratest.New(cameratest.Options{Clip: cameratest.CounterH264(), Transport: cameratest.TCP})
	s.check(err)
	t.Cleanup(second.Close)
	disk := func(name string) string { return filepath.Join(s.dir, name, "footage") }
	s.config.Volumes = []VolumeConfig{{Path: disk("a"), Cameras: []protocol.CameraID{plein}}, {Path: disk("b"), Cameras: []protocol.CameraID{hal}}}
	s.config.Cameras = append(s.config.Cameras, CameraConfig{ID: hal, Stream: "main", URL: second.URL(), Transport: "tcp"})
	on := func(name string, camera protocol.CameraID) int {
		found, err := filepath.Glob(filepath.Join(disk(name), "footage", string(camera), "*", "*.seg"))
		s.check(err)
		return len(found)
	}
	s.connect()
	a, stop := s.start()
	day := func(m *protocol.Mandate) { m.Window = protocol.Window(24 * time.Hour) }
	s.order(s.mandate(1, day))
	m := s.town.Mandate(hal, 1)
	day(m)
	s.order(s.town.Compose(m))
	s.eventually("footage on both disks", func() bool { return on("a", plein) > 1 && on("b", hal) > 1 })
	if on("a", hal)+on("b", plein) > 0 {
		t.Error("a camera is not at home")
	}

	s.check(os.Rename(disk("a"), disk("a")+".dead"))
	s.eventually("the camera of the dead disk is recorded on the other", func() bool { return on("b", plein) > 1 && s.records() })
	s.eventually("the centre is told", func() bool {
		return strings.Contains(s.now().Why, disk("a")) && slices.ContainsFunc(told[protocol.Incident](s, protocol.KindIncident), func(i protocol.Incident) bool {
			return i.What == "missing disk" && strings.Contains(i.Detail, disk("a"))
		})
	})
	look := a.Situation()
	page := look.Text(time.UTC)
	if !look.Healthy || !strings.Contains(page, "NOT THERE") || len(look.Footage.Volumes) != 2 || len(look.Footage.Volumes[1].Guests) != 1 {
		t.Errorf("healthy %v:\n%s", look.Healthy, page)
	}
	answer := httptest.NewRecorder()
	monitoring(a.look).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{`volume_present{volume="` + disk("a") + `"} 0`, `volume_present{volume="` + disk("b") + `"} 1`, `volume_guests{volume="` + disk("b") + `"} 1`} {
		if !strings.Contains(answer.Body.String(), metricPrefix+want) {
			t.Errorf("no %s in /metrics", want)
		}
	}
	for _, g := range told[protocol.Gap](s, protocol.KindGapBegun) {
		if g.Camera == hal && g.Cause != string(footage.CauseMandate) { // the mandate came after the start
			t.Errorf("the other camera has a gap: %+v", g)
		}
	}
	stop()

	var out bytes.Buffer
	if err := (&Agent{Config: s.config, Log: slog.New(slog.DiscardHandler)}).Check(t.Context(), &out); err == nil || !strings.Contains(out.String(), "missing disk") {
		t.Errorf("check says %v:\n%s", err, &out)
	}
	before := on("b", plein)
	a, stop = s.start() // without the disk
	s.eventually("both are recorded", func() bool { return s.records() && on("b", plein) > before })
	s.check(os.RemoveAll(disk("a"))) // the folder in its place, if anything made one
	s.check(os.Rename(disk("a")+".dead", disk("a")))
	s.eventually("the disk is taken in again", func() bool {
		return !slices.ContainsFunc(a.footage.Usage().Volumes, func(v footage.VolumeUsage) bool { return v.Away != "" })
	})
	gaps, err := a.footage.Gaps(plein, protocol.Span(time.Now().Add(-time.Hour), time.Now()))
	if err != nil || slices.ContainsFunc(gaps, func(g protocol.Gap) bool { return g.Cause == "missing" }) {
		t.Errorf("gaps %+v, %v", gaps, err)
	}
	for _, e := range told[protocol.Expired](s, protocol.KindExpired) {
		t.Errorf("expired: %+v", e)
	}
	started := told[protocol.Started](s, protocol.KindStarted)
	if last := started[len(started)-1]; len(last.Volumes) != 2 {
		t.Errorf("recorder.started: %+v", last)
	}
	stop()
	s.sound()
}
