package footage

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk/disktest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Thousands of segments come due at once, so that some are buried while others are unlinked; the disk fails now and then, and the power goes in the middle. All the same each file
// goes, its expiry is told once, and nothing is left to tell of.
func TestI02_BacklogUnderFaults(t *testing.T) {
	for seed := range uint64(3) {
		const segments = 2500
		root := filepath.Join(t.TempDir(), "disk")
		if err := os.Mkdir(root, 0o700); err != nil {
			t.Fatal(err)
		}
		minutes(t, filepath.Join(root, "volume"), segments, true)
		if n := len(segmentFiles(t, root)); n != segments {
			t.Fatalf("%d files to begin with", n)
		}
		b, c := &book{}, &clock{t: noon}
		var mu sync.Mutex
		chance := rand.New(rand.NewPCG(seed, 1)) // guarded by mu
		removed, cutAt := 0, 200+rand.New(rand.NewPCG(seed, 2)).IntN(2000)
		faults := func(op disktest.Op) disktest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if op.Kind == disktest.Remove {
				removed++
			}
			switch {
			case removed == cutAt:
				return disktest.Fault{Cut: true}
			case op.Changes() && chance.IntN(50) == 0:
				return disktest.Fault{Err: syscall.EIO, Done: chance.IntN(2) == 0}
			}
			return disktest.Fault{}
		}
		run := func(root string, on func(disktest.Op) disktest.Fault) (d *disktest.Disk) {
			d, err := disktest.New(root)
			if err != nil {
				t.Fatal(err)
			}
			d.Space(func() (int64, int64) { return 1 << 40, 1 << 40 })
			cfg := config(filepath.Join(root, "volume"), c, b)
			cfg.Disk = d
			s, err := Open(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			d.On(on) // what is due when it opens is gone before
			c.set(noon.Add(protocol.MaxWindow.Duration() + time.Hour))
			for range 20 {
				s.sweep(context.Background())
				c.advance(2 * time.Minute)
			}
			if on == nil {
				if u := s.Usage(); u.Bytes != 0 || u.Overdue != 0 || u.Owed != 0 {
					t.Errorf("seed %d: left: %+v", seed, u)
				}
			}
			err = s.Close()
			if on == nil && err != nil {
				t.Error(err)
			}
			return d
		}
		d := run(root, faults)
		after := filepath.Join(t.TempDir(), "after")
		if err := d.Image(after, disktest.Some(seed)); err != nil {
			t.Fatal(err)
		}
		if n := len(segmentFiles(t, after)); n == 0 || n == segments {
			t.Fatalf("seed %d: the power went when %d files were left: nothing is shown", seed, n)
		}
		run(after, nil)
		if left := segmentFiles(t, after); len(left) > 0 {
			t.Errorf("seed %d: %d files are left, among them %s", seed, len(left), left[0])
		}
		told := map[string]int{}
		for _, e := range bodies[protocol.Expired](t, b, protocol.KindExpired) {
			for _, x := range e.Segments {
				told[runKey(x.Camera, main_, x.Run)+"/"+placeName(x.N)]++
			}
		}
		twice := 0
		for _, n := range told {
			if n > 1 {
				twice++
			}
		}
		if len(told) != segments || twice > 0 {
			t.Errorf("seed %d: the journal was told of %d segments, of %d more than once; want each of %d once", seed, len(told), twice, segments)
		}
	}
}

func segmentFiles(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
		if strings.HasSuffix(name, ".seg") {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
