package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestDemoKeepsItsPromises is what `beeldwacht demo -check` does for a stranger: the whole way, over the real pages, every promise with its figure.
func TestDemoKeepsItsPromises(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes; run it without -short")
	}
	t.Parallel()
	w := newWorld(t)
	out, err := exec.CommandContext(t.Context(), w.bin("beeldwacht"), "demo", "-check").CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("demo -check: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := regexp.MustCompile(`^(\d+)/(\d+) in `).FindStringSubmatch(lines[len(lines)-1])
	if last == nil || last[1] != last[2] || len(lines)-1 < 24 {
		t.Errorf("last line %q of %d", lines[len(lines)-1], len(lines))
	}
	if strings.Contains(string(out), "DATA RACE") {
		t.Error("data race")
	}
}
