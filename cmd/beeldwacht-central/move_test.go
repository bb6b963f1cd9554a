package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/ledger"
	"github.com/beeldwacht/beeldwacht/central/postgres"
	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// A city outgrows its one machine: the operator moves ledger and accounts to the database, and later back, by one command each. What was there is there, and the place that
// was left opens no more.
func TestMoveCommand(t *testing.T) {
	dir := t.TempDir()
	dsn := postgrestest.Start(t).Database()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	shipped, err := os.ReadFile("../../deploy/central.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := string(shipped)
	for old, text := range map[string]string{
		"data: /var/lib/beeldwacht-central\n":                                                 "data: data\n",
		"keys: /var/lib/beeldwacht-central-dossiers\n":                                        "keys: dossiers\n",
		"  # postgres: postgres://beeldwacht@database.example/beeldwacht?sslmode=verify-full": "  postgres: \"" + dsn + "\"",
	} {
		if !strings.Contains(config, old) {
			t.Fatalf("deploy/central.yaml has no %q", old)
		}
		config = strings.Replace(config, old, text, 1)
	}
	file := write("central.yaml", config)
	write("central-secrets.yaml", "access_key: a\nsecret_key: only-for-this-test-0123456789\n")
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}

	origin := protocol.LedgerOrigin("helmond")
	signer, _ := protocoltest.Key(t, origin)
	onFile := func() (ledger.Store, error) { return ledger.OpenBolt(filepath.Join(data, "ledger.db"), origin) }
	onDatabase := func() (ledger.Store, error) {
		pool, err := postgres.Connect(t.Context(), dsn, "")
		if err != nil {
			return nil, err
		}
		return ledger.OpenPostgres(t.Context(), pool, origin, slog.New(slog.DiscardHandler))
	}
	// writes opens the ledger there and decides something; it says how many entries there are.
	writes := func(open func() (ledger.Store, error), signer note.Signer, c central.Command) (uint64, error) {
		t.Helper()
		store, err := open()
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ledger.OpenKeys(filepath.Join(dir, "dossiers"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := ledger.Open(t.Context(), store, keys, signer, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			return 0, err
		}
		defer b.Close()
		if _, err := b.Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return b.Size(), nil
	}
	appoint := func(p protocol.PersonID) central.Command {
		return central.Appoint{By: "p-admin", Appointment: central.Appointment{Person: p, Posts: []central.Post{{Role: central.Staff}}, Secrecy: protocol.T(time.Now().Add(-time.Hour))}}
	}
	if _, err := writes(onFile, signer, central.Open{Municipality: "helmond", Administrator: "p-admin", Secrecy: protocol.T(time.Now().Add(-time.Hour))}); err != nil {
		t.Fatal(err)
	}
	shelf, err := identity.File(filepath.Join(data, "accounts.db"))
	if err != nil {
		t.Fatal(err)
	}
	people, err := identity.Open(shelf, identity.Config{Now: time.Now, URL: "https://centrale.example", Name: "Gemeente"})
	if err != nil {
		t.Fatal(err)
	}
	if err := people.Add(identity.Account{Person: "p-admin", Login: "admin", Name: "Admin"}, "een lang wachtwoord"); err != nil {
		t.Fatal(err)
	}
	if err := people.Close(); err != nil {
		t.Fatal(err)
	}

	command := func(code int, says string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		if got := run(t.Context(), append([]string{"-config", file}, args...), nil, &out, &out); got != code || !strings.Contains(out.String(), says) {
			t.Fatalf("%v: code %d: %s", args, got, &out)
		}
	}
	command(1, "say postgres or file", "-move", "elders")
	command(0, "moved to postgres: 2 entries, verified", "-move", "postgres")
	command(0, "moved to postgres: 2 entries", "-move", "postgres") // again: nothing to do
	if _, err := writes(onFile, signer, appoint("p-1")); err == nil || !strings.Contains(err.Error(), "it moved to postgres") {
		t.Errorf("the file still opens: %v", err)
	}
	if n, err := writes(onDatabase, signer, appoint("p-1")); n != 3 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
	command(0, "moved to file: 3 entries, verified", "-move", "file")
	if _, err := writes(onDatabase, signer, appoint("p-2")); err == nil || !strings.Contains(err.Error(), "it moved to ") {
		t.Errorf("the database still opens: %v", err)
	}
	if n, err := writes(onFile, signer, appoint("p-2")); n != 4 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
	if shelf, err = identity.File(filepath.Join(data, "accounts.db")); err != nil {
		t.Fatal(err)
	}
	if people, err = identity.Open(shelf, identity.Config{Now: time.Now, URL: "https://centrale.example", Name: "Gemeente"}); err != nil {
		t.Fatal(err)
	}
	defer people.Close()
	if a, ok := people.Find("p-admin"); !ok || a.Login != "admin" {
		t.Errorf("the accounts that came back: %+v", a)
	}
}
