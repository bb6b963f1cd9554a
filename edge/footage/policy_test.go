package footage

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

var update = flag.Bool("update", false, "write what Expired says now into testdata")

// TestExpired reads testdata/expired/*.txt: lines up to --- are the question, what follows is the answer. Times are minutes on one day.
//
//	segment CAMERA N START END WINDOW SIZE
//	hold CAMERA FROM TO END [lifted AT]
//	need BYTES
//	now TIME
//	---
//	expire REASON CAMERA N due TIME
//	next TIME
func TestExpired(t *testing.T) {
	names, err := filepath.Glob("testdata/expired/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			question, want, _ := strings.Cut(string(raw), "---\n")
			q := ask(t, question)
			due, next := Expired(q.segments, q.holds, q.need, q.now)
			var got strings.Builder
			for _, d := range due {
				fmt.Fprintf(&got, "expire %s %s %d due %s\n", d.Reason, d.Camera, d.N, d.Due().Format("15:04"))
			}
			if next.IsZero() {
				got.WriteString("next never\n")
			} else {
				fmt.Fprintf(&got, "next %s\n", next.Format("15:04"))
			}
			if *update {
				if err := os.WriteFile(name, []byte(question+"---\n"+got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != want {
				t.Errorf("got\n%swant\n%s", &got, want)
			}
		})
	}
}

type question struct {
	segments []Aging
	holds    []Keep
	need     int64
	now      time.Time
}

func ask(t *testing.T, text string) (q question) {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(s string) time.Time {
		m, err := time.Parse("2006-01-02 15:04", "2026-11-21 "+s)
		fail(err)
		return m
	}
	number := func(s string) int64 { n, err := strconv.ParseInt(s, 10, 64); fail(err); return n }
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		switch f[0] {
		case "segment":
			w, err := protocol.ParseWindow(f[5])
			fail(err)
			q.segments = append(q.segments, Aging{protocol.SegmentLine{Camera: protocol.CameraID(f[1]), Stream: main_, Run: "r", N: int(number(f[2])),
				Start: protocol.T(at(f[3])), End: protocol.T(at(f[4])), Size: number(f[6])}, w, number(f[6]), 0})
		case "hold":
			k := Keep{Camera: protocol.CameraID(f[1]), Asked: protocol.Span(at(f[2]), at(f[3])), End: at(f[4])}
			if len(f) == 7 {
				k.Lifted = at(f[6])
			}
			q.holds = append(q.holds, k)
		case "need":
			q.need = number(f[1])
		case "now":
			q.now = at(f[1])
		default:
			t.Fatalf("unknown line %q", lines.Text())
		}
	}
	return q
}
