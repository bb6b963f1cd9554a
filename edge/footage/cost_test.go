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
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Benchmarks named Cost do a fixed piece of work once, and report what it is compared with: `make bench` shows them (-benchtime 1x).

// minutes fills a volume with sealed segments of a minute, as 64 cameras leave them: one run and one chain of keys an hour, one footage.sealed entry a minute, the last of them
// just before noon. With files, each has one of 4 KiB, and its key is real; otherwise there are only rows. They are written as they would be, but many in one transaction, unsynced.
func minutes(b testing.TB, dir string, segments int, files bool) {
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

func storeOf(b testing.TB, dir string) (*Store, *clock) {
	b.Helper()
	c := &clock{t: noon}
	s, err := Open(context.Background(), config(dir, c, &book{}))
	if err != nil {
		b.Fatal(err)
	}
	return s, c
}

// cost is what a piece of work takes: time on the wall, which the disk and others on the machine have a part in, and this process's processor time.
type cost struct{ wall, cpu time.Duration }

func costOf(b *testing.B, work func()) cost {
	b.Helper()
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began, before := time.Now(), cpu()
	work()
	return cost{time.Since(began), cpu() - before}
}

// middle is the median of each.
func middle(costs []cost) cost {
	pick := func(of func(cost) time.Duration) time.Duration {
		var v []time.Duration
		for _, c := range costs {
			v = append(v, of(c))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return cost{pick(func(c cost) time.Duration { return c.wall }), pick(func(c cost) time.Duration { return c.cpu })}
}

// heap is what this process has in memory now, in bytes.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what pools held until now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// Opening a volume, idling in it and asking it for an instant, with many segments and with 20,000. BEELDWACHT_SEGMENTS says how many are many: 64 cameras have 2,580,480 in four weeks.
func BenchmarkCostMany(b *testing.B) {
	const few, rounds = 20_000, 9
	many := 200_000
	if n, err := strconv.Atoi(os.Getenv("BEELDWACHT_SEGMENTS")); err == nil {
		many = n
	}
	for b.Loop() {
		opened, looked, first := map[int]cost{}, map[int]cost{}, map[int]cost{}
		memory := map[int]float64{}
		for _, n := range []int{few, many} {
			dir := filepath.Join(b.TempDir(), "volume")
			minutes(b, dir, n, false)
			recordOne(b, dir)
			before := heap()
			var open, look, byte_ []cost
			for range rounds {
				var s *Store
				open = append(open, costOf(b, func() { s, _ = storeOf(b, dir) }))
				for !s.lookOver().IsZero() {
				}
				memory[n] = heap() - before
				c := costOf(b, func() {
					for range 100 {
						s.sweep(context.Background()) // what Run and its clerk do when something may be due
					}
				})
				look = append(look, cost{c.wall / 100, c.cpu / 100})
				for range 50 {
					at := noon.Add(rand.N(50 * time.Second))
					byte_ = append(byte_, costOf(b, func() { firstByte(b, s, at) }))
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			opened[n], looked[n], first[n] = middle(open), middle(look), middle(byte_)
		}
		b.ReportMetric(opened[many].wall.Seconds()*1e3, fmt.Sprintf("ms_to_open_%d_segments", many))
		b.ReportMetric(float64(opened[many].cpu)/float64(opened[few].cpu), "×_the_processor_time_for_20,000")
		b.ReportMetric(looked[many].wall.Seconds()*1e6, "µs_a_look_at_what_is_due")
		b.ReportMetric(float64(looked[many].wall)/float64(looked[few].wall), "×_that_in_20,000")
		b.ReportMetric(first[many].wall.Seconds()*1e3, "ms_to_the_first_byte_of_an_instant")
		b.ReportMetric(float64(first[many].wall)/float64(first[few].wall), "×_that_among_20,000")
		b.ReportMetric(memory[many]/1e6, "MB_of_heap")
		b.ReportMetric(memory[few]/1e6, "MB_with_20,000")
	}
}

// recordOne puts a real minute of footage among the rows.
func recordOne(b *testing.B, dir string) {
	b.Helper()
	s, c := storeOf(b, dir)
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(s.SetMandates([]*protocol.Mandate{mandate(plein, 24*time.Hour)}))
	w := s.Camera(plein, main_)
	must(w.StartRun(formatOf(squareClip()), noon))
	for _, au := range frames(squareClip(), time.Minute) {
		must(w.Write(au))
		c.set(noon.Add(media(au.DTS)))
	}
	must(w.EndRun(CauseNetwork, "the benchmark is over"))
	w.idle()
	must(s.Close())
}

// firstByte is from the question to the first bytes of the segment.
func firstByte(b *testing.B, s *Store, at time.Time) {
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
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// Expiry against removing the same files in the same directories on the same disk, in the order of their names, and syncing each directory once: nothing that deletes can do less.
// Until the files are gone, and until keys, entries and rows are too.
func BenchmarkCostExpiry(b *testing.B) {
	const segments, rounds = 10_000, 3
	for b.Loop() {
		var bare, unlinked, all []cost
		for range rounds {
			dir := b.TempDir()
			minutes(b, filepath.Join(dir, "bare", "volume"), segments, true)
			minutes(b, filepath.Join(dir, "ours", "volume"), segments, true)
			syscall.Sync()
			bare = append(bare, costOf(b, func() {
				names, err := filepath.Glob(filepath.Join(dir, "bare", "volume", "footage", "*", "*", "*.seg"))
				dirs := map[string]bool{}
				for _, n := range names {
					dirs[filepath.Dir(n)] = true
					err = errors.Join(err, os.Remove(n))
				}
				for d := range dirs {
					err = errors.Join(err, disk.OS.SyncDir(d))
				}
				if err != nil || len(names) != segments {
					b.Fatal(len(names), err)
				}
			}))
			s, c := storeOf(b, filepath.Join(dir, "ours", "volume"))
			for !s.lookOver().IsZero() {
			}
			c.advance(protocol.MaxWindow.Duration() + time.Hour)
			syscall.Sync()
			first := costOf(b, func() { s.act() })
			rest := costOf(b, func() { s.tidy(context.Background()) })
			unlinked, all = append(unlinked, first), append(all, cost{first.wall + rest.wall, first.cpu + rest.cpu})
			if left := s.Usage(); left.Bytes != 0 || left.Overdue != 0 || left.Owed != 0 {
				b.Fatalf("left: %+v", left)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
		peer, gone, done := middle(bare), middle(unlinked), middle(all)
		b.ReportMetric(float64(peer.wall)/float64(gone.wall), "×_the_rate_of_bare_unlink")
		b.ReportMetric(segments/gone.wall.Seconds(), "segments/s")
		b.ReportMetric(float64(gone.cpu)/float64(peer.cpu), "×_its_processor_time")
		b.ReportMetric(float64(peer.wall)/float64(done.wall), "×_its_rate_with_keys,_entries_and_rows")
		b.ReportMetric(float64(done.cpu)/float64(peer.cpu), "×_its_processor_time_with_all")
	}
}
