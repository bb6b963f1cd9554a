package office

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
