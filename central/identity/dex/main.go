// Command dex is the OpenID provider that the tests of central/identity log in with: Dex as it is, with everything in memory and three people. It is
// a module of its own, so that Dex's dependencies are not those of what we ship.
//
//	dex -redirect https://centre/bureau/inloggen/aanbieder/terug
//
// It listens on a free port of the loopback, prints its issuer on the first line, and ends with its input.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	redirect := flag.String("redirect", "", "the one redirect URI of client beeldwacht")
	flag.Parse()
	if err := run(*redirect); err != nil {
		fmt.Fprintln(os.Stderr, "dex:", err)
		os.Exit(1)
	}
}

func run(redirect string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + listener.Addr().String() + "/dex"
	hash, err := bcrypt.GenerateFromPassword([]byte("wachtwoord van dex"), bcrypt.MinCost+6)
	if err != nil {
		return err
	}
	store := storage.WithStaticClients(memory.New(log), []storage.Client{
		{ID: "beeldwacht", Secret: "geheim-van-de-client", Name: "Beeldwacht", RedirectURIs: []string{redirect}},
		{ID: "ander", Secret: "geheim-van-een-ander", Name: "Ander", RedirectURIs: []string{redirect}},
	})
	store = storage.WithStaticPasswords(store, []storage.Password{
		{Email: "anna@stad.example", Hash: hash, Username: "anna", PreferredUsername: "anna", Name: "Anna de Vries", UserID: "sub-anna", Groups: []string{"beeldwacht", "gemeente"}},
		{Email: "bert@stad.example", Hash: hash, Username: "bert", PreferredUsername: "bert", Name: "Bert Bos", UserID: "sub-bert", Groups: []string{"gemeente"}},
		{Email: "carla@stad.example", Hash: hash, Username: "carla", PreferredUsername: "carla", Name: "Carla Ceel", UserID: "sub-carla", Groups: []string{"beeldwacht"}},
	}, log)
	store = storage.WithStaticConnectors(store, []storage.Connector{{ID: server.LocalConnector, Type: server.LocalConnector, Name: "Email"}})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	keys, err := (&signer.LocalConfig{KeysRotationPeriod: "6h"}).Open(ctx, store, time.Hour, time.Now, log)
	if err != nil {
		return err
	}
	dex, err := server.NewServer(ctx, server.Config{Issuer: issuer, Storage: store, SkipApprovalScreen: true, Logger: log, Signer: keys, IDTokensValidFor: time.Hour, AllowedGrantTypes: []string{"authorization_code"}})
	if err != nil {
		return err
	}
	served := &http.Server{Handler: dex, ReadHeaderTimeout: time.Minute}
	go func() {
		io.Copy(io.Discard, os.Stdin) // the test that started it has ended
		served.Close()
	}()
	fmt.Println(issuer)
	if err := served.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}
