// Command beeldwacht is the tool beside the two daemons:
//
//	beeldwacht demo         the main job on this machine: three cameras, one recorder, one centre
//	beeldwacht verify       verdicts on a bag, a log or one entry, offline
//	beeldwacht prove        the proof of one entry of a log
//	beeldwacht tiles        a log as C2SP tlog-tiles, for tools of others
//	beeldwacht certificate  what a camera's log proves of the destruction of its footage, per day
//	beeldwacht roots        makes the three offline root keys
//	beeldwacht centre       makes the centre's keys and certificates
//	beeldwacht witness      the privacy officer's own witness, outside the centre
//	beeldwacht roster       makes a recorder's next roster: another witness, or where the centre's ledger goes on
//	beeldwacht enrol        makes a recorder's folder: keys, certificate, pinned roots, first roster
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// command is one subcommand. It writes results to stdout, progress and errors to stderr.
type command struct {
	name, what string
	run        func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

var commands = []command{
	{"demo", "the main job on this machine: three cameras, one recorder, one centre", demoCommand},
	{"verify", "verdicts on a bag, a log or one entry, offline", verifyCommand},
	{"prove", "the proof of one entry of a log", proveCommand},
	{"tiles", "a log as C2SP tlog-tiles, for tools of others", tilesCommand},
	{"certificate", "what a log proves of the destruction of footage, per camera and day", certificateCommand},
	{"roots", "makes the three offline root keys", rootsCommand},
	{"centre", "makes the centre's keys and certificates", centreCommand},
	{"witness", "the privacy officer's own witness, outside the centre", witnessCommand},
	{"roster", "makes a recorder's next roster: another witness, or where the centre's ledger goes on", rosterCommand},
	{"enrol", "makes a recorder's folder: keys, certificate, pinned roots, first roster", enrolCommand},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exitCoder is an error that knows its exit code.
type exitCoder interface {
	error
	ExitCode() int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" || args[0] == "help" {
		usage(stderr)
		return 2
	}
	if args[0] == storeCommandName { // the demo's own child process, not for people
		return report(storeCommand(ctx), stderr)
	}
	for _, c := range commands {
		if c.name == args[0] {
			return report(c.run(ctx, args[1:], stdout, stderr), stderr)
		}
	}
	fmt.Fprintf(stderr, "beeldwacht: unknown command %q\n\n", args[0])
	usage(stderr)
	return 2
}

func report(err error, stderr io.Writer) int {
	var coded exitCoder
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 2
	case errors.As(err, &coded):
		if text := coded.Error(); text != "" {
			fmt.Fprintln(stderr, "beeldwacht:", text)
		}
		return coded.ExitCode()
	}
	fmt.Fprintln(stderr, "beeldwacht:", err)
	return 1
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "Beeldwacht lets a municipality prove how it treats camera footage.")
	fmt.Fprintln(w, "\nusage: beeldwacht COMMAND [flags]   (-h after a command lists its flags)")
	fmt.Fprintln(w)
	for _, c := range commands {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.what)
	}
}
