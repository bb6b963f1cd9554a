package outside

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Config is the witness's configuration. deploy/witness.yaml explains every field and is loaded by a test.
type Config struct {
	Listen         string `yaml:"listen"`
	Key            string `yaml:"key"`
	Certificate    string `yaml:"certificate"`
	CertificateKey string `yaml:"certificate_key"`
	Data           string `yaml:"data"`
	Logs           []Log  `yaml:"logs"`
}

// Log is one that the witness knows.
type Log struct {
	Origin string `yaml:"origin"`
	Key    string `yaml:"key"`
}

//go:embed witness.yaml
var sample string

// Sample writes a configuration beside the keys that [enrol.Witness] makes, every field explained.
func Sample(w io.Writer, c Config) error {
	return template.Must(template.New("witness.yaml").Parse(sample)).Execute(w, c)
}

// LoadConfig reads a configuration strictly: an unknown field, a wrong type or a missing value is an error that names file and field. Relative paths are taken from its folder.
func LoadConfig(file string) (Config, error) {
	var c Config
	b, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
		return c, fmt.Errorf("%s: %s", file, yaml.FormatError(err, false, true))
	}
	for name, field := range map[string]*string{"key": &c.Key, "certificate": &c.Certificate, "certificate_key": &c.CertificateKey, "data": &c.Data} {
		if *field == "" {
			err = errors.Join(err, fmt.Errorf("%s: missing", name))
		} else if !filepath.IsAbs(*field) {
			*field = filepath.Join(filepath.Dir(file), *field)
		}
	}
	if _, _, e := net.SplitHostPort(c.Listen); e != nil {
		err = errors.Join(err, fmt.Errorf("listen: %q: want address:port, as 0.0.0.0:8444", c.Listen))
	}
	if _, e := c.verifiers(); e != nil {
		err = errors.Join(err, e)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// verifiers are the logs by origin.
func (c Config) verifiers() (map[string]note.Verifier, error) {
	logs := map[string]note.Verifier{}
	var wrong error
	for i, l := range c.Logs {
		v, err := protocol.NewVerifier(l.Key)
		switch {
		case l.Origin == "" || err != nil:
			wrong = errors.Join(wrong, fmt.Errorf("logs, number %d: want origin and key (%w)", i+1, err))
		case logs[l.Origin] != nil:
			wrong = errors.Join(wrong, fmt.Errorf("logs: %s is there twice; a log has one key", l.Origin))
		default:
			logs[l.Origin] = v
		}
	}
	return logs, wrong
}

// Run serves until ctx ends.
func Run(ctx context.Context, c Config, log *slog.Logger) (err error) {
	w, certificate, err := c.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log.Info("witness started", "name", w.key.Name(), "address", l.Addr(), "logs", len(w.logs))
	return w.Serve(ctx, l, certificate)
}

func (c Config) open(log *slog.Logger) (*Witness, tls.Certificate, error) {
	none := tls.Certificate{}
	for _, file := range []string{c.Key, c.CertificateKey} {
		info, err := os.Stat(file)
		if err != nil {
			return nil, none, err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return nil, none, fmt.Errorf("%s: mode %o: others can read the key; use chmod 600", file, info.Mode().Perm())
		}
	}
	certificate, err := tls.LoadX509KeyPair(c.Certificate, c.CertificateKey)
	if err != nil {
		return nil, none, fmt.Errorf("certificate: %w", err)
	}
	if ends := certificate.Leaf.NotAfter; ends.Before(time.Now().Add(30 * 24 * time.Hour)) {
		log.Error("the certificate has expired or soon will; the centre then cannot reach this witness", "file", c.Certificate, "ends", ends)
	}
	key, err := os.ReadFile(c.Key)
	if err != nil {
		return nil, none, err
	}
	logs, err := c.verifiers()
	if err != nil {
		return nil, none, err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, none, err
	}
	w, err := Open(c.Data, strings.TrimSpace(string(key)), logs, time.Now, log)
	if err != nil {
		return nil, none, err
	}
	for origin := range logs { // "kast-12.helmond/beeldwacht"
		if _, own, ok := strings.Cut(origin, "."); ok && strings.HasSuffix(own, "/beeldwacht") && strings.HasSuffix(w.key.Name(), "."+own) {
			return nil, none, errors.Join(fmt.Errorf("key: the name %s is one of the municipality's own, %s: a witness under it does not count as an outside one; make a key with another name", w.key.Name(), own), w.Close())
		}
	}
	return w, certificate, nil
}
