package main

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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

// The whole of the witness's measurement, made small: a fleet connects, all it writes is cosigned, and again after the centre was away.
func TestBenchWitnessesAFleet(t *testing.T) {
	t.Chdir("../../..") // where deploy is
	var out bytes.Buffer
	p := plan{fleet: 5, minute: 2 * time.Second, witnessFor: 4 * time.Second, brokers: "mosquitto", dir: os.TempDir()} // a folder that Mosquitto can enter
	if err := p.witnessing(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, broker := range strings.Split(p.brokers, ",") {
		row := regexp.MustCompile(broker + ` +(\d+) +[\d.]+ s`).FindStringSubmatch(out.String())
		if row == nil {
			t.Fatalf("no row of %s:\n%s", broker, out.String())
		}
		if n, _ := strconv.Atoi(row[1]); n < 60 { // five each two seconds are 150 a minute
			t.Errorf("%s: %d cosigned a minute", broker, n)
		}
	}
}
