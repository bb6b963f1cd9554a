package release_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/minio/minio-go/v7"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

// A hold and a release over three disks, one of which is missing at first. What can be seen is held and leaves, and the bag says what is not there and why; when the disk is back the
// hold is confirmed anew, and a bag with all of it verifies.
func TestReleaseOverSeveralDisks(t *testing.T) {
	r := newRig(t) // twelve seconds beside the index
	r.volumes = []footage.Volume{{Dir: filepath.Join(r.dir, "a"), Cameras: []protocol.CameraID{plein}}, {Dir: filepath.Join(r.dir, "b")}}
	r.restart()
	r.witness()
	look := func() { r.Helper(); r.check(r.footage.SetMandates(r.orders.Mandates())) }
	look()
	r.record(plein, 4*time.Second) // on a
	r.check(os.Rename(r.volumes[0].Dir, r.volumes[0].Dir+".out"))
	look()
	r.record(plein, 4*time.Second) // on b
	all := protocol.Span(noon.Add(9*time.Second), noon.Add(19*time.Second))
	r.check(r.footage.Place(*r.town.Hold("h-1", plein, all)))
	for range 1000 { // until the last segment is sealed and the hold confirmed; nothing else looks in this rig
		if len(r.kinds(protocol.KindHoldPlaced)) == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
		look()
	}

	grant := func(id string) (protocol.Released, []byte) {
		r.Helper()
		rounded, _, err := r.footage.Round(plein, all)
		r.check(err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := r.releaser().Release(ctx, r.grant(id, func(g *protocol.Grant) { g.Asked, g.Interval = all, rounded })); err != nil {
			t.Fatal(err, bodies[protocol.ReleaseFailed](r, protocol.KindReleaseFail))
		}
		list := bodies[protocol.Released](r, protocol.KindReleased)
		done := list[len(list)-1]
		object, err := r.s3.GetObject(t.Context(), r.bucket, done.Object, minio.GetObjectOptions{})
		r.check(err)
		sealed, err := io.ReadAll(object)
		r.check(err)
		return done, sealed
	}
	part, sealed := grant("g-1")
	opened, err := age.Decrypt(bytes.NewReader(sealed), r.town.Vault)
	r.check(err)
	bag, err := io.ReadAll(opened)
	r.check(err)
	report, err := evidence.Verify(bytes.NewReader(bag), int64(len(bag)), evidence.Trust{Roots: r.town.Roots}, nil)
	r.check(err)
	var said []string
	for _, s := range report.Integrity.Sentences {
		said = append(said, s.EN)
	}
	for _, f := range report.Integrity.Findings {
		said = append(said, f.EN)
	}
	if text := strings.Join(said, "\n"); report.Integrity.State != evidence.NotShown || !strings.Contains(text, "missing") || !strings.Contains(text, "exactly the 4 segments") {
		t.Errorf("of footage on a missing disk the bag says %v:\n%s", report.Integrity.State, text)
	}

	r.check(os.Rename(r.volumes[0].Dir+".out", r.volumes[0].Dir))
	look()
	whole, sealed := grant("g-2")
	if report := r.judge(sealed, whole); whole.Segments != part.Segments+2 || report.Segments != whole.Segments {
		t.Errorf("%d segments left, with a disk missing %d", whole.Segments, part.Segments)
	}
	if placed := bodies[protocol.HoldPlaced](r, protocol.KindHoldPlaced); len(placed) != 2 || placed[1].Segments != whole.Segments || placed[0].Segments != part.Segments {
		t.Errorf("hold.placed: %+v", placed)
	}
}
