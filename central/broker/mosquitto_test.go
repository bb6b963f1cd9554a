package broker

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMosquittoWithTheShippedConfiguration loads deploy/mosquitto as it is shipped, with paths and port filled in, and holds it
// against the same attacks as the embedded broker.
func TestMosquittoWithTheShippedConfiguration(t *testing.T) {
	const exe = "/usr/sbin/mosquitto"
	if _, err := os.Stat(exe); err != nil {
		t.Skipf("%v; install the Debian package mosquitto to run this test", err)
	}
	ca := newAuthority(t)
	cert := ca.issue("broker", x509.ExtKeyUsageServerAuth)
	// A folder of its own that Mosquitto can read: started as root it becomes the user mosquitto.
	dir, err := os.MkdirTemp("", "mosquitto-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("broker.crt", pemCert(cert.Certificate[0]))
	write("broker.key", pemKey(t, cert.PrivateKey))
	write("clients-ca.crt", pemCert(ca.cert.Raw))
	shipped := filepath.Join("..", "..", "deploy", "mosquitto")
	acl, err := os.ReadFile(filepath.Join(shipped, "acl"))
	if err != nil {
		t.Fatal(err)
	}
	write("acl", acl)
	conf, err := os.ReadFile(filepath.Join(shipped, "mosquitto.conf"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text := string(conf)
	for from, to := range map[string]string{
		"\nlistener 8883\n":     fmt.Sprintf("\nlistener %d 127.0.0.1\n", port),
		"/etc/mosquitto/certs/": dir + "/",
		" /etc/mosquitto/acl\n": " " + dir + "/acl\n",
		"\nlog_type notice\n":   "\nlog_type all\n",
	} {
		if !strings.Contains(text, from) {
			t.Fatalf("the shipped mosquitto.conf has no %q", from)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	write("mosquitto.conf", []byte(text))

	cmd := exec.Command(exe, "-c", filepath.Join(dir, "mosquitto.conf"))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		cmd.Wait() // says "killed"
	})
	eventually(t, "mosquitto listens", func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	attacks(t, "ssl://"+addr, ca, ClientConfig{URL: "ssl://" + addr, TLS: ca.client(Centre)})
}
