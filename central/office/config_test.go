package office

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func sample(t *testing.T, name string, replace ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("deploy/%s has no %q", name, replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestShippedConfigurationLoads(t *testing.T) {
	if _, err := LoadConfig(sample(t, "central.yaml")); err != nil {
		t.Error(err)
	}
	if _, err := LoadVaultSecrets(sample(t, "central-secrets.yaml")); err != nil {
		t.Error(err)
	}
	s, err := LoadSetup(sample(t, "setup.yaml"))
	if err != nil || len(s.People) == 0 || len(s.Placements) == 0 {
		t.Errorf("setup: %v", err)
	}
}

// The sample loads with its database turned on, and with its password where it belongs; not with the password in it, nor without a folder that all centres share.
func TestShippedDatabaseLoads(t *testing.T) {
	c, err := LoadConfig(sample(t, "central.yaml", "  # postgres: postgres://", "  postgres: postgres://", "broker:\n  listen: 0.0.0.0:8883", "broker: {}"))
	if err != nil || !strings.HasPrefix(c.Ledger.Postgres, "postgres://beeldwacht@") || c.Ledger.Keys == "" {
		t.Errorf("%+v %v", c.Ledger, err)
	}
	s, err := LoadVaultSecrets(sample(t, "central-secrets.yaml", "# postgres_password:", "postgres_password:"))
	if err != nil || s.PostgresPassword == "" {
		t.Errorf("%v", err)
	}
	for complaint, replace := range map[string][]string{
		"postgres_password": {"  # postgres: postgres://beeldwacht@", "  postgres: postgres://beeldwacht:geheim@"},
		"verify-full":       {"  # postgres: postgres://", "  postgres: postgres://", "?sslmode=verify-full", "?sslmode=prefer"},
		"ledger.keys":       {"  # postgres: postgres://", "  postgres: postgres://", "  keys: /var/lib/beeldwacht-central-dossiers\n", ""},
		"broker:":           {"broker:\n  listen: 0.0.0.0:8883", "broker: {}"},
	} {
		if _, err := LoadConfig(sample(t, "central.yaml", replace...)); err == nil || !strings.Contains(err.Error(), complaint) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", complaint, err)
		}
	}
}

// uncommented is the sample with its log-in service turned on.
func uncommented(t *testing.T) string {
	t.Helper()
	file := sample(t, "central.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(b), "  # oidc:\n")
	block, after, found := strings.Cut("  # oidc:\n"+rest, "\n\n")
	if !found {
		t.Fatal("deploy/central.yaml has no oidc to turn on")
	}
	text := before + strings.ReplaceAll("\n"+block, "\n  # ", "\n  ") + "\n\n" + after
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestShippedLogInLoads(t *testing.T) {
	file := uncommented(t)
	c, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	o := c.Login.OIDC
	if o == nil || o.LoginClaim != "preferred_username" || o.RoleClaim != "groups" || o.Role != "cameratoezicht" || len(o.Scopes) != 2 || o.Key != filepath.Join(filepath.Dir(file), "oidc.key") {
		t.Fatalf("%+v", o)
	}
	if p := c.passkeys(); len(p.Required) != 4 || p.Grace.Duration() != 14*24*time.Hour {
		t.Errorf("%+v", p)
	}
	if _, err := o.provider(); err == nil || !strings.Contains(err.Error(), "oidc.key") {
		t.Errorf("without its key: %v", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := o.provider(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("with a key that others can read: %v", err)
	}
	if err := os.Chmod(o.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := o.provider(); err != nil || p.Key == nil || p.Secret != "" {
		t.Errorf("%+v %v", p, err)
	}
}

// A centre whose configuration says nothing of log-in asks passkeys of those who decide; a demonstration asks nobody for a device.
func TestPasskeysAreAskedUnlessItIsADemonstration(t *testing.T) {
	if c := (Config{}); !slices.Equal(c.passkeys().Required, passkeysByDefault.Required) {
		t.Error("by default nobody needs a passkey")
	}
	if c := (Config{Demonstration: true}); len(c.passkeys().Required) != 0 {
		t.Error("the demonstration asks for a device")
	}
}

func TestWrongConfigurationIsNamed(t *testing.T) {
	for _, c := range []struct {
		name    string
		replace []string
		want    []string
	}{
		{"unknown field", []string{"location: NL", "location: NL\nlog_level: debug"}, []string{"central.yaml", "log_level"}},
		{"R21 location", []string{"location: NL", "location: DE"}, []string{"location", "R21"}},
		{"two brokers", []string{"  listen: 0.0.0.0:8883", "  listen: 0.0.0.0:8883\n  url: ssl://elders:8883"}, []string{"broker", "not both"}},
		{"no TLS", []string{"url: https://centrale.example", "url: http://centrale.example"}, []string{"pages.url", "https"}},
		{"nobody can log in", []string{"passwords: true", "passwords: false"}, []string{"login.passwords", "nobody"}},
		{"no such role", []string{"required: [approver", "required: [approvers"}, []string{"login.passkeys.required", "approvers"}},
		{"R21 mail outside Europe", []string{"location: NL\n  # starttls", "location: US\n  # starttls"}, []string{"mail.location", "R21"}},
		{"mail without TLS", []string{"tls: starttls", "tls: none"}, []string{"mail.tls", "this machine"}},
		{"mail without a server", []string{"server: smtp.helmond.example:587", ""}, []string{"mail.server", "host:port"}},
		{"no time for the overview", []string{`overview: "07:30"`, `overview: ochtend`}, []string{"mail.overview", "07:30"}},
		{"no telephone (R32)", []string{"  phone: 14 0492", ""}, []string{"contact.phone", "missing"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := LoadConfig(sample(t, "central.yaml", c.replace...))
			if err == nil {
				t.Fatal("no error")
			}
			for _, word := range c.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error does not say %q: %v", word, err)
				}
			}
		})
	}
}

func TestSecretsThatOthersCanReadAreRefused(t *testing.T) {
	file := sample(t, "central-secrets.yaml")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadVaultSecrets(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}
