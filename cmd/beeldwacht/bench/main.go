// Command bench measures what a recorder costs beside what others cost for the same work, on this machine, in one run:
//
//	go run ./cmd/beeldwacht/bench [-streams 16,48] [-window 30s] [-rounds 1] [-only recorder,ffmpeg,bare] [-segments 200000]
//
// A source process sends the same clip (1080p25 H.264, 4 Mbit/s, made once by ffmpeg) over RTSP/TCP on loopback, each stream at its own pace and
// phase. Three receivers write it to disk, one after the other, so that none disturbs another:
//
//	recorder  edge/ingest and edge/footage in one process: depacketise, fragment, hash, encrypt, write, sync (also what is open, each 5 s), index, journal
//	ffmpeg    ffmpeg -c copy -f segment, one process a stream
//	bare      one process that reads the sockets and writes the bytes; nothing can cost less without reading less often
//
// Processor time is what the kernel counts for the receivers' processes alone, over the window, after a warm-up; the source is not counted. Each stream of
// the recorder ends a segment once in the window, as often as in daily use or more often. Memory is the most that is resident within the window, less
// that of the same process with no streams; for ffmpeg, whose processes share their libraries, the proportional part of each (PSS).
//
// The ratios count, for other work on the machine and its age touch all three alike; the percentages are for orientation. After that come the benchmarks of
// the packages that have something to be compared with: `go test -bench Cost`.
//
//	go run ./cmd/beeldwacht/bench -fleet 20000 [-witness 3m] [-brokers embedded,mosquitto]
//
// measures the centre instead: see witnessing.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// roles are the child processes that this command starts of itself. Each says "ready …" on its output when it is, and ends at SIGTERM.
var roles = map[string]func(ctx context.Context, args []string, out io.Writer) error{
	"source": source, "recorder": recorder, "bare": bare, "centre": runCentre, "fleet": runFleet,
}

type plan struct {
	streams      []int
	warm, window time.Duration
	rounds       int
	only         []string
	dir          string
	profile      string
	packages     bool
	segments     int
	fleet        int
	witnessFor   time.Duration
	brokers      string
	minute       time.Duration // of the fleet
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		if role := roles[args[0]]; role != nil {
			return role(ctx, args[1:], out)
		}
	}
	p := plan{minute: time.Minute}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	streams := flags.String("streams", "16,48", "numbers of streams")
	only := flags.String("only", "bare,recorder,ffmpeg", "what to measure")
	flags.DurationVar(&p.window, "window", 30*time.Second, "how long each is measured")
	flags.DurationVar(&p.warm, "warm", 5*time.Second, "how long each runs before it is measured")
	flags.IntVar(&p.rounds, "rounds", 1, "how often; medians are shown")
	flags.StringVar(&p.dir, "dir", os.TempDir(), "where to write; the disk is part of what is measured")
	flags.StringVar(&p.profile, "profile", "", "folder for a processor and a heap profile of the recorder, or of the centre with its fleet")
	flags.BoolVar(&p.packages, "packages", true, "also the benchmarks of the packages")
	flags.IntVar(&p.segments, "segments", 200_000, "how many segments an index with many has; 64 cameras have 2580480 in four weeks, which takes 4 GB and some minutes more")
	flags.IntVar(&p.fleet, "fleet", 0, "instead of all that: the steady traffic of so many recorders on the witness of a centre; 20000 is the Netherlands, and takes twenty minutes")
	flags.DurationVar(&p.witnessFor, "witness", 3*time.Minute, "how long the fleet's traffic is measured")
	flags.StringVar(&p.brokers, "brokers", "embedded,mosquitto", "with which brokers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, s := range strings.Split(*streams, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("-streams %q: want numbers, with commas between them", *streams)
		}
		p.streams = append(p.streams, n)
	}
	p.only = strings.Split(*only, ",")
	if p.rounds < 1 || p.window < time.Second {
		return errors.New("-rounds and -window want at least 1 and 1s")
	}
	fmt.Fprintln(out, machine(p.dir))
	if p.fleet > 0 {
		return p.witnessing(ctx, out)
	}
	if err := p.recording(ctx, out); err != nil {
		return err
	}
	if !p.packages {
		return nil
	}
	return packages(ctx, p.segments, out)
}

// recording measures the receivers and prints their table.
func (p *plan) recording(ctx context.Context, out io.Writer) error {
	clip, err := makeClip(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(p.dir, "beeldwacht-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(out, "source: 1920x1080, 25 frames/s, H.264 of %.2f Mbit/s, RTSP over TCP on loopback; %s each after %s, %d time(s)\n\n", float64(clip.bitRate)/1e6, p.window, p.warm, p.rounds)

	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "streams\treceiver\t× bare\t× ffmpeg\t% of a core a stream\tMB a stream\tMbit/s a stream written\t")
	for _, n := range p.streams {
		costs := map[string][]cost{}
		for range p.rounds {
			for _, what := range p.only {
				var c cost
				// A source that is kept from its work sends late and much at once, which is cheap to receive: that round does not count.
				for range 3 {
					if c, err = p.measure(ctx, filepath.Join(dir, what), clip.file, what, n); err != nil {
						return fmt.Errorf("%s with %d streams: %w", what, n, err)
					}
					if c.written*8 > 0.95*float64(clip.bitRate) || p.window < 10*time.Second {
						break
					}
				}
				costs[what] = append(costs[what], c)
			}
		}
		for _, what := range p.only {
			own := median(costs[what])
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%.3f\t%.2f\t%.2f\t\n", n, what, ratio(costs[what], costs["bare"]), ratio(costs[what], costs["ffmpeg"]),
				own.percent, own.memory/1e6, own.written*8/1e6)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\naim: the recorder at most 1.2 × bare, 0.4 × ffmpeg and 1.5 MB a stream; at the least 1.5 × bare and 2.5 MB")
	return nil
}

// cost is what one receiver took a stream.
type cost struct {
	percent float64 // of one core
	memory  float64 // bytes
	written float64 // bytes a second
}

func median(costs []cost) cost {
	pick := func(of func(cost) float64) float64 {
		var v []float64
		for _, c := range costs {
			v = append(v, of(c))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return cost{pick(func(c cost) float64 { return c.percent }), pick(func(c cost) float64 { return c.memory }), pick(func(c cost) float64 { return c.written })}
}

// ratio compares round by round: what disturbed a round disturbed both. It takes the median, with the least and the most behind it.
func ratio(a, b []cost) string {
	var r []float64
	for i := range min(len(a), len(b)) {
		r = append(r, a[i].percent/b[i].percent)
	}
	if len(r) == 0 {
		return "-"
	}
	slices.Sort(r)
	middle := fmt.Sprintf("%.2f", r[len(r)/2])
	if len(r) > 1 {
		middle += fmt.Sprintf(" (%.2f–%.2f)", r[0], r[len(r)-1])
	}
	return middle
}

// machine is what a reader of the figures must know of where they were taken.
func machine(dir string) string {
	first := func(file, prefix string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			return "unknown"
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return strings.TrimSpace(strings.TrimLeft(rest, "\t :"))
			}
		}
		return "unknown"
	}
	ffmpeg := "no ffmpeg"
	if b, err := exec.Command("ffmpeg", "-version").Output(); err == nil {
		line, _, _ := bytes.Cut(b, []byte(" Copyright"))
		ffmpeg = string(line)
	}
	var load string
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	disk := "unknown"
	if b, err := exec.Command("stat", "-f", "-c", "%T", dir).Output(); err == nil {
		disk = strings.TrimSpace(string(b))
	}
	return fmt.Sprintf("machine: %d × %s, %s of memory, Linux %s, %s, %s; %s is %s; load at the start %s", runtime.NumCPU(), first("/proc/cpuinfo", "model name"),
		first("/proc/meminfo", "MemTotal:"), first("/proc/sys/kernel/osrelease", ""), runtime.Version(), ffmpeg, dir, disk, cmp.Or(load, "unknown"))
}
