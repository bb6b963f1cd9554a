package edge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample copies the shipped configuration to a folder of its own, changed by replace.
func sample(t *testing.T, replace ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"edge.yaml", "edge-secrets.yaml"} {
		b, err := os.ReadFile(filepath.Join("..", "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if name == "edge.yaml" {
			for i := 0; i < len(replace); i += 2 {
				if !strings.Contains(text, replace[i]) {
					t.Fatalf("deploy/%s has no %q", name, replace[i])
				}
				text = strings.Replace(text, replace[i], replace[i+1], 1)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "edge.yaml")
}

func TestShippedConfigurationLoads(t *testing.T) {
	c, s, err := LoadConfig(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.Recorder != "kast-12" || len(c.Cameras) != 1 || c.Footage.Segment != time.Minute || c.Footage.SyncInterval != 5*time.Second || s.Cameras["plein-noord"].User != "beeldwacht" || s.Vault.AccessKey == "" {
		t.Errorf("loaded %+v and %+v", c, s)
	}
}

// Each mistake is named with what and where, and nothing starts on a configuration that is half understood.
func TestWrongConfigurationIsNamed(t *testing.T) {
	for _, c := range []struct {
		name    string
		replace []string
		want    []string
	}{
		{"unknown field", []string{"recorder: kast-12", "recorder: kast-12\nretention: 90d"}, []string{"edge.yaml", "retention", "[7:1]"}},
		{"wrong type", []string{"max_bytes: 0", "max_bytes: veel"}, []string{"edge.yaml", "max_bytes", "veel"}},
		{"missing value", []string{"  url: ssl://centrale.example:8883", ""}, []string{"broker.url", "missing"}},
		{"location", []string{"location: NL", "location: US"}, []string{"location", "R21"}},
		{"password in the URL", []string{"rtsp://10.20.0.11/stream1", "rtsp://admin:geheim@10.20.0.11/stream1"}, []string{"cameras[0].url", "secrets file"}},
		{"transport", []string{"transport: tcp", "transport: smoke"}, []string{"cameras[0].transport", "smoke"}},
		{"id", []string{"id: plein-noord", "id: Plein Noord"}, []string{"cameras[0].id", "Plein Noord"}},
		{"segment", []string{"segment: 1m", "segment: 0s"}, nil}, // zero is the default, said in the sample
		{"too long a segment", []string{"segment: 1m", "segment: 2h"}, []string{"footage.segment"}},
		{"metrics", []string{"listen: 127.0.0.1:9480", "listen: 9480"}, []string{"metrics.listen", "127.0.0.1:9480"}},
		{"secrets", []string{"secrets: edge-secrets.yaml", "secrets: elders.yaml"}, []string{"elders.yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := LoadConfig(sample(t, c.replace...))
			if (err == nil) != (c.want == nil) {
				t.Fatalf("error %v", err)
			}
			for _, word := range c.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error does not say %q: %v", word, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), "geheim@") {
				t.Errorf("the error tells the camera's password: %v", err)
			}
		})
	}
}

func TestSecretsThatOthersCanReadAreRefused(t *testing.T) {
	file := sample(t)
	if err := os.Chmod(filepath.Join(filepath.Dir(file), "edge-secrets.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadConfig(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}

func TestMistakeInSecretsDoesNotPrintThem(t *testing.T) {
	file := sample(t)
	secrets := filepath.Join(filepath.Dir(file), "edge-secrets.yaml")
	if err := os.WriteFile(secrets, []byte("vault:\n  access_key: recorder\n  secret_key: hoogst-geheim\n  colour: blue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadConfig(file); err == nil || strings.Contains(err.Error(), "hoogst-geheim") || !strings.Contains(err.Error(), "[4:3]") {
		t.Errorf("got %v", err)
	}
}
