package office

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/central/courier"
	"github.com/beeldwacht/beeldwacht/central/mail"
	"github.com/beeldwacht/beeldwacht/central/postgres"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/goccy/go-yaml"
)

// Config is the centre's configuration. deploy/central.yaml explains every field and is loaded by a test.
type Config struct {
	Municipality string            `yaml:"municipality"` // short name, part of every log's origin
	Name         string            `yaml:"name"`         // as on the pages: Gemeente Helmond
	Location     string            `yaml:"location"`
	Data         string            `yaml:"data"`
	Keys         string            `yaml:"keys"`
	Shares       string            `yaml:"shares"` // see central/shares; empty: the folder shares in Data
	Ledger       LedgerConfig      `yaml:"ledger"`
	Pages        PagesConfig       `yaml:"pages"`
	Contact      ContactConfig     `yaml:"contact"`
	Broker       BrokerConfig      `yaml:"broker"`
	Vault        VaultConfig       `yaml:"vault"`
	Login        LoginConfig       `yaml:"login"`
	Witnesses    []courier.Witness `yaml:"witnesses"` // outside ones, beside the centre's own
	Mail         MailConfig        `yaml:"mail"`      // empty: people are not mailed, and the desk says so

	// Demonstration says on every page that nothing here is real.
	Demonstration bool `yaml:"demonstration"`
}

// LedgerConfig: Keys is where the keys of dossiers are, see ledger.Keys; empty: the folder dossiers in Data. Postgres is the DSN of a database for ledger and accounts, without
// its password, which is in the file that VaultConfig.Secrets names; empty: files in Data.
type LedgerConfig struct {
	Keys     string `yaml:"keys"`
	Postgres string `yaml:"postgres"`
}

type PagesConfig struct {
	Listen string `yaml:"listen"`
	URL    string `yaml:"url"`
	TLS    bool   `yaml:"tls"`
	Tiles  string `yaml:"tiles"`
}

// ContactConfig stands on every public page and sign (R16, R32).
type ContactConfig struct {
	Officer string `yaml:"officer"`
	Email   string `yaml:"email"`
	Phone   string `yaml:"phone"`
	Address string `yaml:"address"`
}

// BrokerConfig: Listen starts the embedded broker; URL uses another. One of the two; of several centres on one database one only has either, and serves the recorders.
type BrokerConfig struct {
	Listen string `yaml:"listen"`
	URL    string `yaml:"url"`
}

// VaultConfig: Listen starts the embedded object store; Endpoint uses another. One of the two.
type VaultConfig struct {
	Listen   string `yaml:"listen"`
	Endpoint string `yaml:"endpoint"`
	Bucket   string `yaml:"bucket"`
	Secrets  string `yaml:"secrets"`
}

// MailConfig is the mail server, and when overviews go out. Its password is in the file that VaultConfig.Secrets names.
type MailConfig struct {
	Server   string `yaml:"server"`
	Location string `yaml:"location"`
	TLS      string `yaml:"tls"`
	CA       string `yaml:"ca"`
	From     string `yaml:"from"`
	User     string `yaml:"user"`
	Overview string `yaml:"overview"`
}

// VaultSecrets is the file that VaultConfig.Secrets names; the recorders hold the same keys of the object store.
type VaultSecrets struct {
	AccessKey string `yaml:"access_key"`
	SecretKey string `yaml:"secret_key"`

	MailPassword     string `yaml:"mail_password"`
	PostgresPassword string `yaml:"postgres_password"`
}

// LoadConfig reads a configuration strictly: an unknown field, a wrong type or a missing value is an error that names file, line and field.
// Relative paths are taken from the configuration's own folder.
func LoadConfig(file string) (Config, error) {
	var c Config
	if err := strictYAML(file, &c); err != nil {
		return c, err
	}
	dir := filepath.Dir(file)
	paths := []*string{&c.Data, &c.Keys, &c.Shares, &c.Ledger.Keys, &c.Vault.Secrets, &c.Mail.CA}
	if c.Login.OIDC != nil {
		paths = append(paths, &c.Login.OIDC.Key, &c.Login.OIDC.Secret)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func (c *Config) check() error {
	var err error
	complain := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	for field, value := range map[string]string{"name": c.Name, "data": c.Data, "keys": c.Keys, "pages.listen": c.Pages.Listen, "pages.url": c.Pages.URL,
		"contact.officer": c.Contact.Officer, "contact.email": c.Contact.Email, "contact.phone": c.Contact.Phone, "contact.address": c.Contact.Address,
		"vault.bucket": c.Vault.Bucket, "vault.secrets": c.Vault.Secrets} {
		if value == "" {
			complain("%s: missing", field)
		}
	}
	if e := protocol.ValidID(protocol.DocumentID(c.Municipality)); e != nil {
		complain("municipality: %w", e)
	}
	if c.Location != "NL" {
		complain("location: %q: data is kept only on servers in the Netherlands (privacyverklaring, R21); say NL", c.Location)
	}
	if u, e := url.Parse(c.Pages.URL); e != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		complain("pages.url: %q: want https://host", c.Pages.URL)
	} else if (u.Scheme == "http") && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" {
		complain("pages.url: %q: people log in here; only localhost may do without https", c.Pages.URL)
	}
	c.Login.check(complain)
	switch {
	case c.Broker.Listen != "" && c.Broker.URL != "":
		complain("broker: give either listen (the embedded broker) or url (another), not both")
	case c.Broker.Listen == "" && c.Broker.URL == "" && c.Ledger.Postgres == "":
		complain("broker: give either listen (the embedded broker) or url (another); only beside another centre on the same ledger.postgres may it have neither")
	}
	if c.Ledger.Postgres != "" {
		if e := postgres.CheckDSN(c.Ledger.Postgres); e != nil {
			complain("ledger.postgres: %w", e)
		}
		if c.Ledger.Keys == "" {
			complain("ledger.keys: missing; with ledger.postgres the folder of the dossiers' keys is one that all centres share")
		}
	}
	if (c.Vault.Listen == "") == (c.Vault.Endpoint == "") {
		complain("vault: give either listen (the embedded object store) or endpoint (another), not both")
	}
	for i, w := range c.Witnesses {
		if e := w.Valid(); e != nil {
			complain("witnesses, number %d: %w", i+1, e)
		}
		if slices.ContainsFunc(c.Witnesses[:i], func(o courier.Witness) bool { return o.Key == w.Key }) {
			complain("witnesses, number %d: the same key twice; a witness counts once", i+1)
		}
	}
	if m := c.Mail; m != (MailConfig{}) {
		if m.Location != "NL" && m.Location != "EU" {
			complain("mail.location: %q: mail lies on servers in the Netherlands or elsewhere in Europe, nowhere else (privacyverklaring, R21); say NL or EU", m.Location)
		}
		if _, e := time.Parse("15:04", m.Overview); e != nil {
			complain("mail.overview: %q: want a time of the day, as 07:30", m.Overview)
		}
		s := mail.Server{Address: m.Server, TLS: m.TLS, From: m.From, User: m.User, Password: m.User}
		if e := s.Valid(); e != nil {
			complain("mail.%w", e)
		}
	}
	return err
}

// LoadVaultSecrets reads the object store's keys and refuses a file that others may read.
func LoadVaultSecrets(file string) (VaultSecrets, error) {
	var s VaultSecrets
	info, err := os.Stat(file)
	if err != nil {
		return s, fmt.Errorf("vault.secrets: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return s, fmt.Errorf("%s: mode %o: others can read the object store's keys; use chmod 600", file, info.Mode().Perm())
	}
	if err := strictYAML(file, &s); err != nil {
		return s, err
	}
	if s.AccessKey == "" || len(s.SecretKey) < 16 {
		return s, fmt.Errorf("%s: needs access_key, and secret_key of at least 16 characters", file)
	}
	return s, nil
}

// strictYAML shows the lines around a mistake only of the configuration: the other files hold passwords.
func strictYAML(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, config := into.(*Config)
	if err := yaml.UnmarshalWithOptions(b, into, yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %s", file, yaml.FormatError(err, false, config))
	}
	return nil
}
