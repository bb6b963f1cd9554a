package chain_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Others accept our tiles, and refuse them after one flipped bit, wherever it is: fsck of transparency-dev/tessera, built from the module in testdata/fsck.
func TestI11_TesseraAcceptsOurTiles(t *testing.T) {
	if testing.Short() {
		t.Skip("builds tessera's fsck; run without -short")
	}
	binary := filepath.Join(t.TempDir(), "fsck")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir, build.Env = "testdata/fsck", append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building fsck: %v\n%s", err, out)
	}
	const entries = 2*256*3 + 77
	f := newFixture(t, entries)
	vkey := f.vkey
	log := stream(t, f.entries, nil)
	export := func(size uint64) (dir string, files map[string][]byte) {
		dir, files = t.TempDir(), map[string][]byte{}
		root, err := chain.RootAt(size, f.hashes)
		must(t, err)
		must(t, chain.Tiles(bytes.NewReader(log), f.checkpoint(t, size), chain.Checkpoint{Origin: origin, Size: size, Root: root}, func(name string, content []byte) error {
			files[name] = slices.Clone(content)
			path := filepath.Join(dir, filepath.FromSlash(name))
			return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644))
		}))
		return dir, files
	}
	// check gives fsck's answer: accepted or not, and what it says.
	check := func(dir string) (bool, string) {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
		defer stop()
		out, err := exec.CommandContext(ctx, binary, dir, vkey).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 3: it hung
			t.Fatalf("fsck gave no answer: %v\n%s", err, out)
		}
		return err == nil, string(out)
	}
	for _, size := range []uint64{1, 255, 256, 257, 1024, entries} {
		dir, _ := export(size)
		if ok, said := check(dir); !ok {
			t.Errorf("size %d: fsck refuses it: %s", size, said)
		}
	}
	dir, files := export(entries)
	random := rand.New(rand.NewPCG(1, 6))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(name, "tile/") && strings.HasSuffix(name, "/001") || strings.HasSuffix(name, "/003") {
			continue // like those before and behind
		}
		sound := files[name]
		bad := slices.Clone(sound)
		bit := random.IntN(8 * len(bad))
		if name == "checkpoint" {
			bit = random.IntN(8 * bytes.Index(bad, []byte("\n\n"))) // what is signed
		}
		bad[bit/8] ^= 1 << (bit % 8)
		path := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.WriteFile(path, bad, 0o644))
		if ok, _ := check(dir); ok {
			t.Errorf("%s: fsck does not see that bit %d was flipped", name, bit)
		}
		must(t, os.WriteFile(path, sound, 0o644))
	}
	if ok, said := check(dir); !ok {
		t.Errorf("put back: fsck refuses it: %s", said)
	}
	must(t, os.Remove(filepath.Join(dir, "tile", "entries", "002")))
	if ok, _ := check(dir); ok {
		t.Error("fsck does not see that entries are missing")
	}
}

func TestTilesAreOfTheCheckpointOnly(t *testing.T) {
	f := newFixture(t, 300)
	names := map[string]int{}
	put := func(name string, content []byte) error { names[name] = len(content); return nil }
	root, err := chain.RootAt(258, f.hashes)
	must(t, err)
	c := chain.Checkpoint{Origin: origin, Size: 258, Root: root}
	must(t, chain.Tiles(bytes.NewReader(stream(t, f.entries, nil)), f.checkpoint(t, 258), c, put))
	if names["tile/0/000"] != 8192 || names["tile/0/001.p/2"] != 64 || names["tile/1/000.p/1"] != 32 || names["tile/entries/000"] == 0 || names["tile/entries/001.p/2"] == 0 || len(names) != 6 {
		t.Errorf("files %v", names)
	}
	clear(names)
	c.Root = f.head.Root()
	if err := chain.Tiles(bytes.NewReader(stream(t, f.entries, nil)), nil, c, put); err == nil || names["checkpoint"] != 0 {
		t.Errorf("tiles under another root: %v, %v", err, names)
	}
	c.Size = 301
	if err := chain.Tiles(bytes.NewReader(stream(t, f.entries, nil)), nil, c, put); err == nil {
		t.Error("tiles of more entries than there are")
	}
	if err := chain.Tiles(bytes.NewReader(stream(t, f.entries, nil)), nil, c, func(string, []byte) error { return fs.ErrPermission }); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a full disk: %v", err)
	}
}
