package main

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The children are this test's own program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := run(ctx, os.Args[1:], os.Stdout)
		stop()
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Who measures must first see the work done: a receiver that writes nothing is cheap.
func TestBenchMeasuresReceiversThatReceive(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-streams", "2", "-window", "3s", "-warm", "1s", "-only", "bare,recorder", "-packages=false", "-dir", t.TempDir()}, &out); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		fields := strings.Fields(line)
		if len(fields) != 7 || fields[0] != "2" {
			continue
		}
		seen[fields[1]] = true
		written, err := strconv.ParseFloat(fields[6], 64)
		if err != nil || written < 2 || written > 7 { // of 4, in fragments of a second
			t.Errorf("%s wrote %s Mbit/s", fields[1], fields[6])
		}
	}
	if !seen["bare"] || !seen["recorder"] {
		t.Errorf("the table:\n%s", out.String())
	}
}
