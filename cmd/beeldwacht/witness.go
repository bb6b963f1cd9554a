package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/enrol"
	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/outside"
	"github.com/beeldwacht/beeldwacht/protocol"
)

func witnessCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "init" {
		return witnessInit(args[1:], stdout, stderr)
	}
	flags := newFlags("witness", "-config FILE\n       beeldwacht witness init -name NAME -hosts HOST[,HOST…] -out DIR   makes key, certificate and configuration", stderr)
	file := flags.String("config", "/etc/beeldwacht-witness/witness.yaml", "configuration file")
	check := flags.Bool("check-config", false, "check the configuration and stop")
	if err := parse(flags, args, "config"); err != nil {
		return err
	}
	config, err := outside.LoadConfig(*file)
	if err != nil {
		return usageError{err, false}
	}
	if *check {
		fmt.Fprintf(stdout, "good; a witness of %d logs at %s\n", len(config.Logs), config.Listen)
		return nil
	}
	return outside.Run(ctx, config, slog.New(slog.NewTextHandler(stderr, nil)))
}

func witnessInit(args []string, stdout, stderr io.Writer) error {
	flags := newFlags("witness init", "-name NAME -hosts HOST[,HOST…] -out DIR [-log VKEY]", stderr)
	name := flags.String("name", "", "name of the witness, as it stands beside each cosignature: fg.helmond.example. Not one under the municipality's own /beeldwacht")
	hosts := flags.String("hosts", "", "names and addresses by which the centre reaches this machine; the first is the one it is told")
	listen := flags.String("listen", "0.0.0.0:8444", "address and port to answer on")
	data := flags.String("data", "/var/lib/beeldwacht-witness", "folder to remember in what was cosigned")
	out := flags.String("out", "", "folder to make the key, the certificate and witness.yaml in")
	config := outside.Config{Key: "witness.key", Certificate: "server.crt", CertificateKey: "server.tls"}
	flags.Func("log", "public key of a log to sign for, from keys.txt of a recorder or ledger.pub of the centre; may be given again", func(key string) error {
		v, err := protocol.NewVerifier(key)
		if err == nil {
			config.Logs = append(config.Logs, outside.Log{Origin: v.Name(), Key: key}) // a log's key bears its origin
		}
		return err
	})
	if err := parse(flags, args, "name", "hosts", "out"); err != nil {
		return err
	}
	if strings.HasSuffix(*name, "/beeldwacht") {
		return usageError{fmt.Errorf("name %q: names that end in /beeldwacht are the municipality's own, and a witness under one does not count as an outside one; take one as fg.helmond.example", *name), false}
	}
	_, port, err := net.SplitHostPort(*listen)
	if err != nil {
		return usageError{fmt.Errorf("listen: %w", err), false}
	}
	config.Listen, config.Data = *listen, *data
	if config.Data, err = filepath.Abs(*data); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(config.Data, "witness.db")); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s already has the store of a witness, which belongs to its key; give another folder with -data", config.Data)
	}
	if err := os.MkdirAll(config.Data, 0o700); err != nil { // before there is a key that would have no store
		return err
	}
	var text bytes.Buffer
	if err := outside.Sample(&text, config); err != nil {
		return err
	}
	if err := enrol.Witness(*out, *name, strings.Split(*hosts, ","), text.String(), time.Now()); err != nil {
		return err
	}
	key, err := enrol.ReadLine(filepath.Join(*out, "witness.pub"))
	if err != nil {
		return err
	}
	if err := outside.Make(config.Data, key); err != nil {
		return err
	}
	certificate, err := tls.LoadX509KeyPair(filepath.Join(*out, "server.crt"), filepath.Join(*out, "server.tls"))
	if err != nil {
		return err
	}
	host, _, _ := strings.Cut(*hosts, ",")
	fmt.Fprintf(stdout, "The witness %s is in %s; what it signs it remembers in %s. Put its logs in %s, and start it:\n  beeldwacht witness -config %s\n",
		*name, *out, config.Data, filepath.Join(*out, "witness.yaml"), filepath.Join(*out, "witness.yaml"))
	fmt.Fprintf(stdout, "Keep a copy of witness.key in a safe, and give it to nobody.\n\nGive these to the registrar, on paper or by telephone rather than by mail. For the centre's central.yaml, under witnesses:\n")
	fmt.Fprintf(stdout, "  - url: https://%s\n    key: %s\n    certificate: %x\n", net.JoinHostPort(strings.TrimSpace(host), port), key, sha256.Sum256(certificate.Certificate[0]))
	fmt.Fprintf(stdout, "And for each recorder that is enrolled from now on (one that is there already needs a new roster):\n  beeldwacht enrol … -witness %s\n", key)
	return nil
}
