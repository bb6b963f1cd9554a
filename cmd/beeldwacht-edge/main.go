// Command beeldwacht-edge is the daemon on a recorder.
//
//	beeldwacht-edge -config /etc/beeldwacht/edge.yaml
//	beeldwacht-edge -config FILE -check-config     says what is wrong with a configuration, with line and field; starts nothing
//	beeldwacht-edge -config FILE -check            checks what is on the disk while the recorder is stopped
//
// It stops in order on SIGINT or SIGTERM. Exit code 0: stopped in order; 1: it failed, and the last line says why; 2: given wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/protocol"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("beeldwacht-edge", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "/etc/beeldwacht/edge.yaml", "configuration file")
	checkConfig := flags.Bool("check-config", false, "check the configuration and stop")
	check := flags.Bool("check", false, "check the footage on the disk against its index and stop")
	verbose := flags.Bool("v", false, "log more")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	err := do(ctx, *file, *checkConfig, *check, stdout, log)
	var usage *edge.ConfigError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "beeldwacht-edge:", err)
		return 2
	}
	fmt.Fprintln(stderr, "beeldwacht-edge:", err)
	return 1
}

func do(ctx context.Context, file string, checkConfig, check bool, stdout io.Writer, log *slog.Logger) error {
	config, secrets, err := edge.LoadConfig(file)
	if err != nil {
		return &edge.ConfigError{Err: err}
	}
	if checkConfig {
		if _, err := edge.LoadIdentity(config.Identity, protocol.Origin(config.Recorder, config.Municipality)); err != nil {
			return &edge.ConfigError{Err: fmt.Errorf("%s: %w", file, err)}
		}
		fmt.Fprintf(stdout, "%s: good; recorder %s with %d camera streams\n", file, config.Recorder, len(config.Cameras))
		return nil
	}
	agent := &edge.Agent{Config: config, Secrets: secrets, Now: time.Now, Log: log}
	if check {
		return agent.Check(ctx, stdout)
	}
	return agent.Run(ctx)
}
