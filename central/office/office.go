// Package office is the centre as one running thing: it opens the ledger, the witness, the accounts and the vault, connects to the broker, serves the
// pages, and carries what passes between them.
//
// # Two roads
//
//	up:    broker → witness (stores, then cosigns) → outside witnesses (courier) → cosigned checkpoint back to the recorder
//	       witness's stored entries → facts as commands → ledger
//	down:  ledger's order.issued events → envelope signed here → broker → recorder
//
// Neither road has a queue of its own. What must go up is what the witness has stored and the ledger has not yet taken in: each fact names its
// entry, and taken twice it happens once. What must go down is what the ledger has issued above the last order number a recorder's own signed status
// states. So any message may be lost, repeated or late, and any part may be restarted, without anything to repair.
//
// # Several
//
// Offices on one database (Config.Ledger.Postgres) share ledger, accounts and sessions: any of them serves any page and takes any command, and one that is killed takes nothing
// with it. The two roads are one office's, the one with a broker: the witness's store, the recorders' newest statuses and their shares are on its machine, and the others know of
// the recorders what the ledger says. Also each office's own are the counts against guessing passwords, and a bag that is being fetched.
package office

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/broker"
	"github.com/beeldwacht/beeldwacht/central/courier"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/ledger"
	"github.com/beeldwacht/beeldwacht/central/postgres"
	"github.com/beeldwacht/beeldwacht/central/shares"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/note"
)

// Office is one centre. Set the exported fields, then Run, or Open, Apply and Close.
type Office struct {
	Config Config
	Store  vault.Child // how to start the embedded object store; only with Config.Vault.Listen
	Now    func() time.Time
	Log    *slog.Logger

	// Made by Open, not replaced afterwards.
	keys keys
	book *ledger.Book

	accountsPool *pgxpool.Pool // of identity; nil: it is on a file

	witness  *witness.Witness
	identity *identity.Store
	accounts accounts
	shares   *shares.Store

	// Made by Run.
	vault  *vault.Vault
	stored bool           // the vault has its bucket; tend's after the start
	client *broker.Client // nil: another centre on this ledger has the recorders

	courier *courier.Courier // Open's

	sending [64]sync.Mutex // by recorder: held while orders or the ledger are sent to it; before telling and mu

	telling  sync.Mutex       // guards told to answered; before mu
	told     chain.Checkpoint // of the ledger, the newest that was handed to the witnesses
	toldNote []byte           // that, with the cosignatures that came so far
	answered chan struct{}    // closed when each outside witness has cosigned it, or is not going to; nil: they have answered

	mu          sync.Mutex
	statuses    map[protocol.RecorderID]Status     // the newest signed status of each recorder
	sent        map[protocol.RecorderID]sentOrder  // the last order sent to each
	sentLedgers map[protocol.RecorderID]sentLedger // the last checkpoint of the ledger sent to each
	enrolled    map[protocol.RecorderID]bool       // with the witness
}

type sentLedger struct {
	head protocol.LedgerHead
	at   time.Time
}

type sentOrder struct {
	number uint64
	at     time.Time
}

// Status is a recorder's own status, verified, and when it came in; the time in it when that is earlier, because a broker can deliver old news.
type Status struct {
	protocol.Status
	Received time.Time
}

// keys is what Config.Keys holds.
type keys struct {
	order, ledger note.Signer
	ledgerKey     string // public
	witness       string // skey
	vault         *age.X25519Identity
	server        tls.Certificate
	client        tls.Certificate
	ca            *x509.CertPool
}

func loadKeys(dir string) (k keys, err error) {
	read := func(name string) (string, error) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("keys: %w; `beeldwacht centre` makes this folder", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	for name, signer := range map[string]*note.Signer{"order.key": &k.order, "ledger.key": &k.ledger} {
		skey, err := read(name)
		if err != nil {
			return k, err
		}
		if *signer, err = note.NewSigner(skey); err != nil {
			return k, fmt.Errorf("keys: %s: %w", filepath.Join(dir, name), err)
		}
	}
	skey, err := read("ledger.key")
	if err == nil {
		k.ledgerKey, err = protocol.PublicKey(skey)
	}
	if err != nil {
		return k, err
	}
	if k.witness, err = read("witness.key"); err != nil {
		return k, err
	}
	if k.vault, err = vault.LoadIdentity(filepath.Join(dir, "vault.key")); err != nil {
		return k, err
	}
	for name, cert := range map[string]*tls.Certificate{"server": &k.server, "centre": &k.client} {
		if *cert, err = tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".tls")); err != nil {
			return k, fmt.Errorf("keys: %s: %w", filepath.Join(dir, name+".crt"), err)
		}
	}
	pem, err := read("ca.crt")
	if err != nil {
		return k, err
	}
	k.ca = x509.NewCertPool()
	if !k.ca.AppendCertsFromPEM([]byte(pem)) {
		return k, fmt.Errorf("keys: %s: no certificate in it", filepath.Join(dir, "ca.crt"))
	}
	return k, nil
}

// Open opens what lies on this machine: keys, ledger, witness store, accounts.
func (o *Office) Open(ctx context.Context) (err error) {
	if o.keys, err = loadKeys(o.Config.Keys); err != nil {
		return err
	}
	for name, cert := range map[string]tls.Certificate{"server.crt": o.keys.server, "centre.crt": o.keys.client} {
		if ends := cert.Leaf.NotAfter; ends.Before(o.Now().Add(30 * 24 * time.Hour)) {
			o.Log.Error("a certificate has expired or soon will; recorders then cannot reach the centre", "file", filepath.Join(o.Config.Keys, name), "ends", ends)
		}
	}
	if err := os.MkdirAll(o.Config.Data, 0o700); err != nil {
		return err
	}
	o.statuses, o.sent, o.enrolled = map[protocol.RecorderID]Status{}, map[protocol.RecorderID]sentOrder{}, map[protocol.RecorderID]bool{}
	o.sentLedgers = map[protocol.RecorderID]sentLedger{}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	if o.book, err = o.openLedger(ctx); err != nil {
		return err
	}
	if o.witness, err = witness.Open(filepath.Join(o.Config.Data, "witness.db"), o.keys.witness, o.Now, o.Log); err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	if o.courier, err = courier.New(o.Config.Witnesses, o.Now, o.Log); err != nil {
		return fmt.Errorf("witnesses: %w", err)
	}
	if o.identity, err = o.openAccounts(ctx); err != nil {
		return err
	}
	if o.shares, err = shares.Open(cmp.Or(o.Config.Shares, filepath.Join(o.Config.Data, "shares"))); err != nil {
		return fmt.Errorf("shares: %w", err)
	}
	return nil
}

// openLedger opens the ledger's store, and reads it.
func (o *Office) openLedger(ctx context.Context) (*ledger.Book, error) {
	origin := protocol.LedgerOrigin(o.Config.Municipality)
	if name := o.keys.ledger.Name(); name != origin {
		return nil, fmt.Errorf("ledger: its key is named %q, the ledger %q; a log's key bears its origin", name, origin)
	}
	var store ledger.Store
	if o.Config.Ledger.Postgres != "" {
		pool, err := o.connect(ctx)
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		if store, err = ledger.OpenPostgres(ctx, pool, origin, o.Log); err != nil {
			return nil, err
		}
	} else {
		var err error
		if store, err = ledger.OpenBolt(filepath.Join(o.Config.Data, "ledger.db"), origin); err != nil {
			return nil, err
		}
	}
	keys, err := ledger.OpenKeys(cmp.Or(o.Config.Ledger.Keys, filepath.Join(o.Config.Data, "dossiers")))
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return ledger.Open(ctx, store, keys, o.keys.ledger, o.Now, o.Log)
}

// connect makes a pool of connections to the database.
func (o *Office) connect(ctx context.Context) (*pgxpool.Pool, error) {
	secrets, err := LoadVaultSecrets(o.Config.Vault.Secrets)
	if err != nil {
		return nil, err
	}
	return postgres.Connect(ctx, o.Config.Ledger.Postgres, secrets.PostgresPassword)
}

// Close closes what Open opened.
func (o *Office) Close() error {
	var err error
	if o.identity != nil {
		err = errors.Join(err, o.identity.Close())
	}
	if o.accountsPool != nil {
		o.accountsPool.Close()
	}
	if o.witness != nil {
		err = errors.Join(err, o.witness.Close())
	}
	if o.book != nil {
		err = errors.Join(err, o.book.Close())
	}
	return err
}

// View shows the state as the ledger tells it. Look, do not keep.
func (o *Office) View(look func(*central.State)) { o.book.View(look) }

// ExportLog writes the centre's copy of a recorder's log, with its cosigned checkpoint.
func (o *Office) ExportLog(recorder protocol.RecorderID, w io.Writer) error {
	return o.witness.LogFile(recorder, w)
}

// Run serves until ctx ends. It returns nil after a clean stop.
func (o *Office) Run(ctx context.Context) (err error) {
	if err := o.Open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	defer func(outer context.Context) {
		if outer.Err() != nil && errors.Is(err, context.Canceled) { // stopped while it was still starting
			err = nil
		}
	}(ctx)
	stopStore, err := o.openVault(ctx)
	if err != nil {
		return err
	}
	defer stopStore()
	mailer, err := o.openMail()
	if err != nil {
		return err
	}
	pages, err := o.pages(mailer)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.Config.Pages.Listen)
	if err != nil {
		return fmt.Errorf("pages.listen: %w", err)
	}
	if o.Config.Pages.TLS {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{o.keys.server}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	server := &http.Server{Handler: pages, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, // longer: page.Steady
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn)}

	// Last, for recorders that come are heard from now on.
	config := broker.ClientConfig{URL: o.Config.Broker.URL, Log: o.Log, TLS: &tls.Config{Certificates: []tls.Certificate{o.keys.client}, RootCAs: o.keys.ca, MinVersion: tls.VersionTLS13}}
	if o.Config.Broker.Listen != "" {
		embedded, err := broker.NewEmbedded(broker.EmbeddedConfig{Addr: o.Config.Broker.Listen, Certificate: o.keys.server, Clients: o.keys.ca, Log: o.Log})
		if err != nil {
			return errors.Join(fmt.Errorf("broker: %w", err), listener.Close())
		}
		defer func() { err = errors.Join(err, embedded.Close()) }()
		config.Embedded, config.URL = embedded, "ssl://"+embedded.Addr()
	}
	if config.URL != "" {
		o.client = broker.NewClient(config, o)
	}

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	if o.client != nil { // else another centre has the recorders
		parts.Go(func() { o.courier.Run(ctx) })
		parts.Go(func() { o.client.Run(ctx) })
		parts.Go(func() { o.takeFacts(ctx) })
		parts.Go(func() { o.oversee(ctx) })
		parts.Go(func() { o.sendOrders(ctx) })
	}
	parts.Go(func() { o.tend(ctx) })
	if mailer != nil {
		parts.Go(func() { mailer.Run(ctx) })
	}
	parts.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("pages: %w", err))
		}
	})
	o.Log.Info("centre started", "pages", o.Config.Pages.URL, "broker", config.URL)
	<-ctx.Done()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		o.Log.Warn("pages were still busy at the stop", "error", err)
		if err := server.Close(); err != nil {
			o.Log.Warn("pages", "error", err)
		}
	}
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// openVault starts the embedded object store where it is configured, and opens the vault in it.
func (o *Office) openVault(ctx context.Context) (stop func(), err error) {
	secrets, err := LoadVaultSecrets(o.Config.Vault.Secrets)
	if err != nil {
		return nil, err
	}
	stop = func() {}
	endpoint := o.Config.Vault.Endpoint
	if o.Config.Vault.Listen != "" {
		embedded, err := vault.StartEmbedded(ctx, o.Store, vault.EmbeddedConfig{Dir: filepath.Join(o.Config.Data, "vault"), Addr: o.Config.Vault.Listen,
			AccessKey: secrets.AccessKey, SecretKey: secrets.SecretKey,
			CertFile: filepath.Join(o.Config.Keys, "server.crt"), KeyFile: filepath.Join(o.Config.Keys, "server.tls")}, o.keys.ca, o.Log)
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		stop, endpoint = embedded.Stop, embedded.Endpoint
	}
	o.vault, err = vault.New(ctx, vault.Config{Endpoint: endpoint, Secure: true, CAs: o.keys.ca, Bucket: o.Config.Vault.Bucket, AccessKey: secrets.AccessKey,
		SecretKey: secrets.SecretKey, Location: o.Config.Location, Identity: o.keys.vault, Log: o.Log})
	if errors.Is(err, vault.ErrAbsent) && o.Config.Vault.Endpoint != "" { // recorders need a witness, and cameras a register, whatever a store elsewhere does
		o.Log.Error("starting without the object store: bags cannot be fetched until it answers; tried again every minute", "error", err)
		return stop, nil
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("vault: %w", err)
	}
	o.stored = true
	return stop, nil
}
