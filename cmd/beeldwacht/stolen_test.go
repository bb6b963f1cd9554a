package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// TestARecorderWhoseKeyTheCentreShares runs the two daemons as they are shipped, with keys_holder: centre. Started without the centre the recorder records and cannot read;
// with the centre it serves footage from before and from that time; marked stolen at the desk it gets no share at its next start, and records on.
func TestARecorderWhoseKeyTheCentreShares(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; run it without -short")
	}
	t.Parallel()
	w := newWorld(t)
	w.enrol()
	w.configure()
	camera, err := cameratest.New(cameratest.Options{Clip: cameratest.CounterH264(), Transport: cameratest.TCP})
	w.must(err)
	t.Cleanup(camera.Close)
	w.amend("central.yaml", fmt.Sprintf("url: ssl://localhost:%d", w.ports.broker), fmt.Sprintf("listen: 127.0.0.1:%d", w.ports.broker))
	w.amend("setup.yaml", "window: PT40S", "window: PT10M")
	config, err := os.ReadFile(w.path("edge.yaml"))
	w.must(err)
	text := strings.Replace(string(config), "keys_holder: file", "keys_holder: centre", 1)
	text = text[:strings.Index(text, "  - {id: ")] + fmt.Sprintf("  - {id: h264-tcp, url: %q}\n", camera.URL())
	w.write("edge.yaml", text, 0o600)
	w.write("edge-secrets.yaml", "vault:\n  access_key: recorder\n  secret_key: verander-mij-ook-want-dit-is-openbaar\n", 0o600)
	w.do("beeldwacht-central", "-config", w.path("central.yaml"), "-setup", w.path("setup.yaml"))

	startCentre := func() *process {
		p := w.start("central", w.bin("beeldwacht-central"), "-config", w.path("central.yaml"))
		w.until("the centre's pages", 60*time.Second, func() error {
			res, err := http.Get(w.pages() + "/")
			if err != nil {
				return err
			}
			return res.Body.Close()
		})
		return p
	}
	startRecorder := func() *process {
		return w.start("edge", w.bin("beeldwacht-edge"), "-config", w.path("edge.yaml"))
	}
	keys := func(what string, is func(edge.KeysSituation) bool) (k edge.KeysSituation) {
		t.Helper()
		w.until(what, 60*time.Second, func() error {
			s, _, err := edge.Ask(w.ctx, w.path("edge-data"))
			if k = s.Keys; err == nil && !is(k) {
				err = fmt.Errorf("%+v", k)
			}
			return err
		})
		return k
	}
	streams := []protocol.CameraID{"h264-tcp"}

	centre, recorder := startCentre(), startRecorder()
	first := keys("the first share", func(k edge.KeysSituation) bool { return k.Share != "" && !k.Locked })
	w.recorded("recorded", 60*time.Second, streams, time.Time{})
	request, held := w.request("h264-tcp")

	t.Log("both stop; the recorder starts alone")
	recorder.stop()
	centre.kill()
	recorder = startRecorder()
	keys("write-only", func(k edge.KeysSituation) bool { return k.Locked && k.Share == first.Share })
	w.recorded("recorded without the centre", 60*time.Second, streams, time.Now())
	page := string(w.output("beeldwacht-edge", "status", "-config", w.path("edge.yaml")))
	if !strings.Contains(page, "WRITE-ONLY until the centre's share arrives") {
		t.Errorf("the operator is not told:\n%s", page)
	}
	if k := keys("sealed", func(k edge.KeysSituation) bool { return k.Blind > 0 }); !k.Locked {
		t.Error("it opened without the centre")
	}

	t.Log("the centre comes")
	centre = startCentre()
	second := keys("open, under another share", func(k edge.KeysSituation) bool { return !k.Locked && k.Share != first.Share })
	w.delivered("delivered", recorder)
	w.release(request, held) // of before the start

	t.Log("the recorder is stolen")
	admin := w.visitor("beheer")
	p, err := admin.Get(w.ctx, "/bureau/recorders")
	w.must(err)
	if !strings.Contains(p.Text, "Deze centrale bewaart een deel") {
		t.Errorf("the desk does not say that it keeps a share: %s", p.Text)
	}
	p, err = admin.Submit(w.ctx, p, "/bureau/recorders/kast-12", url.Values{"stand": {"stolen"}, "reden": {"kast opengebroken"}})
	w.must(err)
	if !strings.Contains(p.Text, "kast-12 gestolen") && !strings.Contains(p.Text, "gestolen") {
		t.Errorf("the desk says: %s", p.Text)
	}
	recorder.kill()
	recorder = startRecorder()
	keys("refused", func(k edge.KeysSituation) bool {
		return k.Locked && k.Share == second.Share && k.Refused == protocol.ShareStolen
	})
	w.recorded("recorded all the same", 60*time.Second, streams, time.Now())
	if k := keys("still locked", func(k edge.KeysSituation) bool { return k.Locked }); k.Refused != protocol.ShareStolen {
		t.Errorf("%+v", k)
	}
	w.until("the incident", 30*time.Second, func() error {
		p, err := w.visitor("fg").Get(w.ctx, "/bureau/recorders")
		if err == nil && !strings.Contains(p.Text, "kast opengebroken") {
			err = errors.New(p.Text)
		}
		return err
	})
	recorder.stop()
	centre.stop()
	shares, err := os.ReadDir(w.path("central-shares"))
	if w.must(err); !slices.ContainsFunc(shares, func(e os.DirEntry) bool { return e.Name() == "kast-12.shares" }) {
		t.Errorf("shares: %v", shares)
	}
}
