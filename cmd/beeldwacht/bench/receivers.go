package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// job is what a receiver is told to do.
type job struct {
	dir, address string
	streams      int
	window       time.Duration
	profile      string
}

func readJob(args []string) (j job, err error) {
	if len(args) != 5 {
		return j, fmt.Errorf("want a folder, an address, a number of streams, a window and a folder for profiles")
	}
	j = job{dir: args[0], address: args[1], profile: args[4]}
	j.streams, err = strconv.Atoi(args[2])
	if err == nil {
		j.window, err = time.ParseDuration(args[3])
	}
	return j, errors.Join(err, os.MkdirAll(j.dir, 0o700))
}

// recorder is our own path, put together as the recorder's agent does it, less orders and uplink.
func recorder(ctx context.Context, args []string, out io.Writer) (err error) {
	job, err := readJob(args)
	if err != nil {
		return err
	}
	const self, stream, origin = protocol.RecorderID("bench"), protocol.StreamID("main"), "bench.example/beeldwacht"
	secret, _, err := protocol.NewKey(origin)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	log_, err := journal.Open(filepath.Join(job.dir, "journal"), origin, signer, time.Now, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log_.Close()) }()
	store, err := footage.Open(ctx, footage.Config{Dir: filepath.Join(job.dir, "volume"), Keys: filepath.Join(job.dir, "keys"), Recorder: self, Journal: log_, Now: time.Now, Log: log,
		SegmentLength: min(job.window, time.Minute), SealEvery: min(job.window, time.Minute)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var mandates []*protocol.Mandate
	now := time.Now().Truncate(time.Second)
	camera := func(i int) protocol.CameraID { return protocol.CameraID(fmt.Sprintf("camera-%d", i)) }
	for i := range job.streams {
		mandates = append(mandates, &protocol.Mandate{Heading: protocol.Heading{ID: protocol.DocumentID(fmt.Sprintf("mandate-%d", i)), Recorder: self,
			NotBefore: protocol.T(now.Add(-time.Hour)), NotAfter: protocol.T(now.Add(24 * time.Hour))}, Camera: camera(i), Regime: protocol.AVG, Version: 1,
			Streams: []protocol.StreamID{stream}, Window: protocol.MaxWindow, LongestHold: protocol.Window(protocol.MaxHold), Sound: "none", Hours: "always"})
	}
	if err := store.SetMandates(mandates); err != nil {
		return err
	}
	if job.profile != "" && job.streams > 0 {
		stop, err := profile(job.profile, job.streams)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, job.streams+1)
	all.Go(func() { failed <- store.Run(ctx) })
	for i := range job.streams {
		session := &ingest.Session{Source: ingest.Source{Camera: camera(i), Stream: stream, URL: fmt.Sprintf("rtsp://%s/%d", job.address, i)},
			Writer: store.Camera(camera(i), stream), Now: time.Now, Log: log}
		all.Go(func() { failed <- session.Run(ctx) })
	}
	waiting := make(chan error, 1)
	all.Go(func() { waiting <- ready(ctx, out, "") })
	select {
	case err := <-waiting:
		return err
	case err := <-failed:
		return err
	}
}

func profile(dir string, streams int) (stop func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	name := func(kind string) string { return filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", kind, streams)) }
	cpu, err := os.Create(name("cpu"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		heap, err := os.Create(name("heap"))
		if err != nil {
			return errors.Join(err, cpu.Close())
		}
		return errors.Join(pprof.Lookup("heap").WriteTo(heap, 0), heap.Close(), cpu.Close())
	}, nil
}

// bare asks for the streams, and from then on only reads the sockets and writes the bytes.
func bare(ctx context.Context, args []string, out io.Writer) error {
	job, err := readJob(args)
	if err != nil {
		return err
	}
	failed := make(chan error, job.streams+1)
	for i := range job.streams {
		go func() { failed <- copyStream(job, i) }()
	}
	go func() { failed <- ready(ctx, out, "") }()
	return <-failed
}

func copyStream(job job, i int) error {
	conn, err := net.Dial("tcp", job.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	f, err := os.Create(filepath.Join(job.dir, strconv.Itoa(i)))
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	for n, method := range []string{"DESCRIBE", "SETUP", "PLAY"} {
		if _, err := fmt.Fprintf(conn, "%s rtsp://%s/%d RTSP/1.0\r\nCSeq: %d\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n", method, job.address, i, n); err != nil {
			return err
		}
		got, err := conn.Read(b)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(b[:got]), "RTSP/1.0 200") {
			return fmt.Errorf("the source answers %s with %q", method, b[:got])
		}
	}
	for {
		n, err := conn.Read(b)
		if err != nil {
			return err
		}
		if _, err := f.Write(b[:n]); err != nil {
			return err
		}
	}
}
