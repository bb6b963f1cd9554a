package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/demo"
)

// storeCommandName starts this binary as the demo's object store; see vault.RunEmbedded.
const storeCommandName = "object-store"

// storeCommand does not hear the Ctrl-C that a terminal sends to it too: it stops when the demo, which may still need it, closes its input.
func storeCommand(ctx context.Context) error {
	return vault.RunEmbedded(context.WithoutCancel(ctx), os.Stdin)
}

func demoCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("demo", "[-check] [-dir DIR] [-camera rtsp://HOST/PATH]…", stderr)
	check := flags.Bool("check", false, "walk through every promise without a person, in a fresh folder, in under three minutes")
	dir := flags.String("dir", defaultDemoDir(), "where the demo keeps its state")
	var own []string
	flags.Func("camera", "a camera of your own, as rtsp://host/path; may be given again", func(s string) error { own = append(own, s); return nil })
	verbose := flags.Bool("v", false, "show the log of recorder and centre")
	if err := parse(flags, args); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	o := demo.Options{Dir: *dir, Cameras: own, Ports: demo.DefaultPorts, Store: vault.Child{Exe: exe, Args: []string{storeCommandName}}, Out: stdout}
	if *check {
		if o.Dir, err = os.MkdirTemp("", "beeldwacht-check-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.Dir)
		o.Ports = demo.Ports{}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("the demo keeps its state in a folder of its own: %w; choose another with -dir", err)
	}
	log, err := os.OpenFile(filepath.Join(o.Dir, "log.txt"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("the demo keeps its state in %s: %w; choose another folder with -dir", o.Dir, err)
	}
	defer log.Close()
	o.Log = log
	if *verbose {
		o.Log = io.MultiWriter(log, stderr)
	}
	if *check {
		return demo.Check(ctx, o)
	}
	return demo.Run(ctx, o)
}

// defaultDemoDir is the XDG state folder: it is kept, and belongs to this person.
func defaultDemoDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "beeldwacht-demo")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "beeldwacht-demo"
	}
	return filepath.Join(home, ".local", "state", "beeldwacht-demo")
}
