package footage

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// While a shorter window lets thousands of segments go at once, others come due as they are recorded. These are unlinked, with their directories synced, within a second of their moment; on a
// machine with much else to do the test allows more, and prints what it was.
func TestI03_UnlinkedOnTimeOnALoadedRecorder(t *testing.T) {
	const backlog, writing, window = 6000, 4, 2 * time.Second
	dir := filepath.Join(t.TempDir(), "volume")
	minutes(t, dir, backlog, true)
	begin := time.Now()
	now := func() time.Time { return noon.Add(time.Since(begin)) }
	b := &book{}
	cfg := config(dir, nil, b)
	cfg.Now, cfg.SegmentLength, cfg.SealEvery = now, 200*time.Millisecond, time.Second
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	mandates := func(old time.Duration) (ms []*protocol.Mandate) {
		for i := range writing {
			ms = append(ms, mandate(protocol.CameraID(fmt.Sprint("cam-", i)), window))
		}
		for i := range 64 {
			ms = append(ms, mandate(protocol.CameraID(fmt.Sprintf("camera-%02d", i)), old))
		}
		return ms
	}
	if err := s.SetMandates(mandates(24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	clip := squareClip()
	for i := range writing {
		wg.Go(func() {
			w := s.Camera(protocol.CameraID(fmt.Sprint("cam-", i)), main_)
			for ctx.Err() == nil {
				if err := w.StartRun(formatOf(clip), now()); err != nil {
					t.Error(err)
				}
				for _, u := range frames(clip, 30*time.Second) {
					if ctx.Err() != nil {
						break
					}
					u.DTS, u.PTS = u.DTS/10, u.PTS/10 // ten times as fast
					if err := w.Write(u); err != nil {
						t.Error(err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				if err := w.EndRun(CauseNetwork, "again"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	time.Sleep(window + time.Second)
	ordered := time.Now()
	if err := s.SetMandates(mandates(10 * time.Minute)); err != nil {
		t.Error(err)
	}
	took := time.Since(ordered)
	time.Sleep(window)
	stop()
	wg.Wait()
	s.destroyKeys(s.Now(), true)
	s.settle(t.Context())
	var latest time.Duration
	punctual, old := 0, 0
	for _, e := range bodies[protocol.Expired](t, b, protocol.KindExpired) {
		for _, x := range e.Segments {
			if x.Due.Before(noon) {
				old++
				continue
			}
			punctual++
			latest = max(latest, e.At.Sub(x.Due.Time))
		}
	}
	t.Logf("%d segments went in %s on an order; of %d that came due by themselves the latest was gone %s after its moment", old, took.Round(time.Millisecond), punctual, latest.Round(time.Millisecond))
	if old != backlog || punctual < 20 {
		t.Errorf("%d of %d went on the order, %d by themselves", old, backlog, punctual)
	}
	if latest > 10*time.Second {
		t.Errorf("%s is late", latest)
	}
}
