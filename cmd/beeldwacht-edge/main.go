// Command beeldwacht-edge is the daemon on a recorder, and what its operator needs beside it.
//
//	beeldwacht-edge [run] -config FILE       records until it is told to stop
//	beeldwacht-edge status -config FILE      what the running recorder does, and what needs a person; -watch, -json
//	beeldwacht-edge check -config FILE       checks what is on the disk while the recorder is stopped, explains it, and repairs what is safe
//	beeldwacht-edge check-config -config FILE   says what is wrong with a configuration, with line and column; starts nothing
//
// FILE is /etc/beeldwacht/edge.yaml where it is left out. `-check` and `-check-config` without a command mean what they always did.
//
// Exit code of run: 0 stopped in order, 1 it failed and the last line says why. Of status: 0 the recorder answered, 1 it is not running or does not
// answer. Of check: 0 good, 1 there are findings. Of all: 2 given wrongly, or (check) the recorder is still running.
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
	"strings"
	"syscall"

	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// command is one subcommand. It writes results to stdout, progress and errors to stderr.
type command struct {
	name, what string
	run        func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

var commands = []command{
	{"run", "records until it is told to stop; so does no command at all", runCommand},
	{"status", "what the running recorder does, and what needs a person", statusCommand},
	{"check", "checks the disk of a stopped recorder, and repairs what is safe", checkCommand},
	{"check-config", "says what is wrong with a configuration", checkConfigCommand},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") && args[0] != "-h" && args[0] != "-help" && args[0] != "--help" {
		return report(runCommand(ctx, args, stdout, stderr), stderr)
	}
	for _, c := range commands {
		if c.name == args[0] {
			return report(c.run(ctx, args[1:], stdout, stderr), stderr)
		}
	}
	if !strings.HasPrefix(args[0], "-") && args[0] != "help" {
		fmt.Fprintf(stderr, "beeldwacht-edge: unknown command %q\n\n", args[0])
	}
	usage(stderr)
	return 2
}

// usageError is a command that was given wrongly.
type usageError struct{ error }

func report(err error, stderr io.Writer) int {
	var given usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 2
	case errors.Is(err, edge.ErrFindings): // they were written
		return 1
	}
	fmt.Fprintln(stderr, "beeldwacht-edge:", err)
	if errors.As(err, &given) || errors.Is(err, edge.ErrRunning) {
		return 2
	}
	return 1
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "The daemon on a recorder, and what its operator needs.")
	fmt.Fprintln(w, "\nusage: beeldwacht-edge COMMAND [flags]   (-h after a command lists its flags)")
	fmt.Fprintln(w)
	for _, c := range commands {
		fmt.Fprintf(w, "  %-12s  %s\n", c.name, c.what)
	}
}

// given is what every command is given: flags of its own, and a configuration.
type given struct {
	*flag.FlagSet
	file    *string
	verbose *bool
}

func flags(name string, stderr io.Writer) given {
	f := flag.NewFlagSet("beeldwacht-edge "+name, flag.ContinueOnError)
	f.SetOutput(stderr)
	return given{f, f.String("config", "/etc/beeldwacht/edge.yaml", "configuration file"), f.Bool("v", false, "log more")}
}

// load parses the arguments and reads the configuration. A mistake in the configuration is a usageError.
func (g given) load(args []string) (edge.Config, edge.Secrets, error) {
	if err := g.Parse(args); err != nil {
		return edge.Config{}, edge.Secrets{}, flag.ErrHelp // what is wrong has been said, with the flags there are
	}
	if g.NArg() > 0 {
		return edge.Config{}, edge.Secrets{}, usageError{fmt.Errorf("%q: only flags are given here; commands stand first", g.Arg(0))}
	}
	config, secrets, err := edge.LoadConfig(*g.file)
	if err != nil {
		return config, secrets, usageError{err}
	}
	return config, secrets, nil
}

func (g given) agent(config edge.Config, secrets edge.Secrets, stderr io.Writer) *edge.Agent {
	level := slog.LevelInfo
	if *g.verbose {
		level = slog.LevelDebug
	}
	return &edge.Agent{Config: config, Secrets: secrets, Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))}
}

func runCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	g := flags("run", stderr)
	checkConfig := g.Bool("check-config", false, "as the command check-config")
	check := g.Bool("check", false, "as the command check")
	config, secrets, err := g.load(args)
	if err != nil {
		return err
	}
	agent := g.agent(config, secrets, stderr)
	switch {
	case *checkConfig:
		return goodConfig(*g.file, config, stdout)
	case *check:
		return agent.Check(ctx, stdout)
	}
	if agent.Systemd, err = edge.SystemdFromEnv(); err != nil {
		return usageError{err}
	}
	return agent.Run(ctx)
}

func checkCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	g := flags("check", stderr)
	config, secrets, err := g.load(args)
	if err != nil {
		return err
	}
	return g.agent(config, secrets, stderr).Check(ctx, stdout)
}

func checkConfigCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	g := flags("check-config", stderr)
	config, _, err := g.load(args)
	if err != nil {
		return err
	}
	return goodConfig(*g.file, config, stdout)
}

// goodConfig checks the identity with the configuration: one without the other starts nothing.
func goodConfig(file string, config edge.Config, stdout io.Writer) error {
	if _, err := edge.LoadIdentity(config.Identity, protocol.Origin(config.Recorder, config.Municipality)); err != nil {
		return usageError{fmt.Errorf("%s: %w", file, err)}
	}
	_, err := fmt.Fprintf(stdout, "%s: good; recorder %s with %d camera streams\n", file, config.Recorder, len(config.Cameras))
	return err
}
