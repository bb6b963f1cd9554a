// Command beeldwacht-central is the daemon of the centre.
//
//	beeldwacht-central -config /etc/beeldwacht/central.yaml
//	beeldwacht-central -config FILE -check-config     says what is wrong with a configuration; starts nothing
//	beeldwacht-central -config FILE -setup SETUP      gives a new centre its first people, recorders, protocols and cameras, then stops
//	beeldwacht-central -config FILE -move postgres    moves ledger and accounts from the files to the database in ledger.postgres, and verifies them; -move file moves them back
//
// It stops in order on SIGINT or SIGTERM. Exit code 0: stopped in order; 1: it failed, and the last line says why; 2: given wrongly.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/beeldwacht/beeldwacht/central/office"
	"github.com/beeldwacht/beeldwacht/central/vault"
)

// storeArg starts this binary again as its own object store; see vault.RunEmbedded. Not for people.
const storeArg = "object-store"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var err error
	if len(args) == 1 && args[0] == storeArg {
		err = vault.RunEmbedded(context.WithoutCancel(ctx), stdin) // it ends with its input, not by the Ctrl-C that a terminal sends to it too
	} else {
		flags := flag.NewFlagSet("beeldwacht-central", flag.ContinueOnError)
		flags.SetOutput(stderr)
		file := flags.String("config", "/etc/beeldwacht/central.yaml", "configuration file")
		checkConfig := flags.Bool("check-config", false, "check the configuration and stop")
		setup := flags.String("setup", "", "give a new centre what this file holds, and stop")
		move := flags.String("move", "", "move ledger and accounts to `postgres` (the database in ledger.postgres) or back to file, verify them, and stop")
		if flags.Parse(args) != nil {
			return 2
		}
		config, loadErr := office.LoadConfig(*file)
		if loadErr == nil {
			_, loadErr = office.LoadVaultSecrets(config.Vault.Secrets)
		}
		if loadErr != nil {
			fmt.Fprintln(stderr, "beeldwacht-central:", loadErr)
			return 2
		}
		err = do(ctx, config, *checkConfig, *setup, *move, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "beeldwacht-central:", err)
		return 1
	}
	return 0
}

func do(ctx context.Context, config office.Config, checkConfig bool, setup, move string, stdout, stderr io.Writer) error {
	if checkConfig {
		fmt.Fprintf(stdout, "good; the centre of %s at %s\n", config.Name, config.Pages.URL)
		return nil
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	o := &office.Office{Config: config, Store: vault.Child{Exe: exe, Args: []string{storeArg}}, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(stderr, nil))}
	if move != "" {
		entries, err := o.Move(ctx, move)
		if err == nil {
			fmt.Fprintf(stdout, "moved to %s: %d entries, verified; the place they left takes no more\n", move, entries)
		}
		return err
	}
	if setup == "" {
		return o.Run(ctx)
	}
	s, err := office.LoadSetup(setup)
	if err != nil {
		return err
	}
	if err := o.Open(ctx); err != nil {
		return err
	}
	if err := o.Apply(ctx, s); err != nil {
		o.Close()
		return err
	}
	fmt.Fprintf(stdout, "set up: %d people, %d recorders, %d cameras\n", len(s.People)+1, len(s.Recorders), len(s.Placements))
	return o.Close()
}
