package evidence

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

var update = flag.Bool("update", false, "make the bags in testdata anew; only when the format has a new version")

// The bags in testdata stay readable for as long as there are bags: a court may open one ten years after it was made. They also serve the
// scripts of cmd/beeldwacht.
func TestGoldenBags(t *testing.T) {
	if *update {
		s := newScene(t)
		sound := s.bag()
		late := *s
		late.head, late.hashes, late.entries = newScene(t).head, nil, nil
		late.sealedAt = func(int) protocol.Time { return at(time.Hour) }
		keys := "# the roots of testdata/bag.zip and bag-late.zip\n"
		for _, r := range s.roots {
			keys += "root " + r + "\n"
		}
		for name, content := range map[string][]byte{"bag.zip": sound, "bag-late.zip": late.bag(), "keys.txt": []byte(keys)} {
			if err := os.WriteFile("testdata/"+name, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	keys, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	var roots protocol.Roots
	for _, line := range bytes.Split(keys, []byte("\n")) {
		if key, ok := bytes.CutPrefix(line, []byte("root ")); ok {
			roots = append(roots, string(key))
		}
	}
	for name, want := range map[string]State{"bag.zip": OK, "bag-late.zip": NotShown} {
		bag, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Verify(bytes.NewReader(bag), int64(len(bag)), Trust{Roots: roots}, nil)
		if err != nil || r.State() != want {
			t.Errorf("%s: %v\n%s", name, err, told(r))
		}
	}
}
