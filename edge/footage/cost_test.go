package footage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Benchmarks named Cost do a fixed piece of work once, and report what it is compared with: `make bench` shows them (-benchtime 1x).

// minutes fills a volume with sealed segments of a minute, as 64 cameras leave them: one run and one chain of keys an hour, one footage.sealed entry a minute, the last of them
// just before noon. With files, each has one of 4 KiB, and its key is real; otherwise there are only rows. They are written as they would be, but many in one transaction, unsynced.
func minutes(b *testing.B, dir string, segments int, files bool) {
	b.Helper()
	s, _ := storeOf(b, dir)
	s.db.NoSync = true
	const cameras, perRun = 64, 60
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	fragments := make([][2]int64, 60)
	for i := range fragments {
		fragments[i] = [2]int64{int64(i) * 500_000, int64(i) * timescale}
	}
	hours := (segments + cameras*perRun - 1) / (cameras * perRun)
	lists := make([][]protocol.Hash, hours*perRun)
	totals := totalsRow{}
	for n := 0; segments > 0; {
		must(s.db.Update(func(tx *bbolt.Tx) error {
			for batch := 0; batch < 100 && segments > 0; batch, n = batch+1, n+1 {
				camera := protocol.CameraID(fmt.Sprintf("camera-%02d", n/hours))
				start := protocol.T(noon.Truncate(time.Hour).Add(-time.Duration(hours-n%hours) * time.Hour))
				q, err := s.queueFor(tx, camera, protocol.MaxWindow, "")
				must(err)
				s.queues[q.key()] = q
				run := &runRow{V: format, Camera: camera, Stream: main_, Run: protocol.RunID(momentOf(start.Time) + fmt.Sprintf("-%04x", n%(1<<16))), Codec: H264,
					Start: start, End: start, First: start, Queue: q.n, Ended: true}
				if files {
					must(os.MkdirAll(s.runDir(camera, run.Run), 0o700))
				}
				chain := &keyChain{camera: camera, hour: start.Unix()}
				var id chainID
				fill(id[:])
				fill(chain.state[:])
				s.keys.chains[id] = chain
				for i := range perRun {
					if segments == 0 {
						break
					}
					segments--
					at, own := start.Add(time.Duration(i)*time.Minute), n%hours*perRun+i
					l := protocol.SegmentLine{Camera: camera, Stream: main_, Run: run.Run, N: i, Start: protocol.T(at), End: protocol.T(at.Add(time.Minute)), Size: 30_000_000}
					row := segmentRow{V: format, Line: l.String(), Key: slot{id, uint32(i)}.String(), Window: q.window, Fragments: fragments, Minute: uint64(own + 1), Index: len(lists[own])}
					lists[own] = append(lists[own], leaves([]protocol.SegmentLine{l})...)
					run.add(l, row.stored(l))
					must(putSegment(tx, segmentKey(l), row))
					if files {
						must(os.WriteFile(s.segmentFile(l), make([]byte, 4096), 0o600))
					}
				}
				must(s.putRun(tx, nil, run, &totals))
			}
			return putTotals(tx, &totals)
		}))
	}
	for len(lists) > 0 && len(lists[len(lists)-1]) == 0 {
		lists = lists[:len(lists)-1]
	}
	for from := 0; from < len(lists); from += 1000 {
		must(s.db.Update(func(tx *bbolt.Tx) error {
			for own := from; own < min(from+1000, len(lists)); own++ {
				root, err := rootOf(lists[own])
				must(err)
				must(putMinute(tx, uint64(own+1), minuteRow{Seq: uint64(own + 1), Root: root, Leaves: lists[own], Left: len(lists[own])}))
			}
			return tx.Bucket(inMinutes).SetSequence(uint64(len(lists)))
		}))
	}
	must(s.db.Sync())
	must(s.keys.save(&s.keys.now))
	s.totals = totals
	must(s.Close())
}

func storeOf(b *testing.B, dir string) (*Store, *clock) {
	b.Helper()
	c := &clock{t: noon}
	s, err := Open(context.Background(), config(dir, c, &book{}))
	if err != nil {
		b.Fatal(err)
	}
	return s, c
}

// Opening a volume, and idling in it, at a thirteenth of four weeks of 64 cameras and at ten times fewer segments.
func BenchmarkCostStart(b *testing.B) {
	for b.Loop() {
		const many = 200_000
		took, idle := map[int]time.Duration{}, map[int]time.Duration{}
		heap := map[int]int64{}
		for _, n := range []int{many / 10, many} {
			dir := filepath.Join(b.TempDir(), "volume")
			minutes(b, dir, n, false)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			s, _ := storeOf(b, dir)
			took[n] = time.Since(began)
			runtime.GC()
			runtime.ReadMemStats(&after)
			heap[n] = int64(after.HeapAlloc) - int64(before.HeapAlloc)
			began = time.Now()
			for range 10 {
				s.sweep(context.Background()) // what Run does when something may be due
			}
			idle[n] = time.Since(began) / 10
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
		few := many / 10
		b.ReportMetric(took[many].Seconds()*1e3, "ms_to_open_200,000_segments")
		b.ReportMetric(took[many].Seconds()/took[few].Seconds(), "times_as_long_as_20,000")
		b.ReportMetric(idle[many].Seconds()*1e3, "ms_a_look_at_what_is_due")
		b.ReportMetric(idle[many].Seconds()/idle[few].Seconds(), "times_as_long_as_in_20,000")
		b.ReportMetric(float64(heap[many])/1e6, "MB_of_heap")
	}
}

// The first byte of an instant, from the question to the first bytes of the segment, among many segments that are not asked for.
func BenchmarkCostFirstByte(b *testing.B) {
	for b.Loop() {
		dir := filepath.Join(b.TempDir(), "volume")
		minutes(b, dir, 200_000, false)
		s, c := storeOf(b, dir)
		if err := s.SetMandates([]*protocol.Mandate{mandate(plein, 24*time.Hour)}); err != nil {
			b.Fatal(err)
		}
		w := s.Camera(plein, main_)
		if err := w.StartRun(formatOf(squareClip()), noon); err != nil {
			b.Fatal(err)
		}
		for _, au := range frames(squareClip(), time.Minute) {
			if err := w.Write(au); err != nil {
				b.Fatal(err)
			}
			c.set(noon.Add(media(au.DTS)))
		}
		if err := w.EndRun(CauseNetwork, "the benchmark is over"); err != nil {
			b.Fatal(err)
		}
		w.idle()
		var took []time.Duration
		for range 500 {
			at := noon.Add(rand.N(50 * time.Second))
			began := time.Now()
			r := &Reading{s: s, camera: plein, interval: protocol.Span(at, at.Add(time.Second))}
			if err := r.load(s.Clock()); err != nil {
				b.Fatal(err)
			}
			f, err := r.Open(r.segments[0])
			if err != nil {
				b.Fatal(err)
			}
			if _, err := f.Read(make([]byte, 4096)); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2].Seconds()*1e3, "ms_to_the_first_byte,_median")
		b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "ms,_99_of_100")
	}
}

// Expiry against removing as many files in as many directories, each directory synced once.
func BenchmarkCostExpiry(b *testing.B) {
	const segments = 10_000
	for b.Loop() {
		dir := filepath.Join(b.TempDir(), "volume")
		minutes(b, dir, segments, true)
		s, c := storeOf(b, dir)
		bare, err := filepath.Abs(filepath.Join(b.TempDir(), "bare"))
		if err == nil {
			err = os.CopyFS(bare, os.DirFS(filepath.Join(s.Dir, "footage")))
		}
		if err != nil {
			b.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(bare, "*", "*", "*.seg"))
		if err != nil || len(names) != segments {
			b.Fatal(len(names), err)
		}
		began := time.Now()
		for _, n := range names {
			err = errors.Join(err, os.Remove(n))
		}
		dirs, e := filepath.Glob(filepath.Join(bare, "*", "*"))
		for _, d := range dirs {
			err = errors.Join(err, disk.OS.SyncDir(d))
		}
		if err = errors.Join(err, e); err != nil {
			b.Fatal(err)
		}
		peer := time.Since(began)

		if s.Usage().Bytes == 0 {
			b.Fatal("there is nothing to expire")
		}
		c.advance(protocol.MaxWindow.Duration() + time.Hour)
		began = time.Now()
		s.sweep(context.Background())
		took := time.Since(began)
		if left := s.Usage(); left.Bytes != 0 || left.Overdue != 0 {
			b.Fatalf("left: %+v", left)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(peer.Seconds()/took.Seconds(), "×_the_rate_of_bare_unlink")
		b.ReportMetric(segments/took.Seconds(), "segments/s")
	}
}
