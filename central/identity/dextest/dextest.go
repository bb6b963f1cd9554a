// Package dextest is an OpenID provider to test log-in with, as httptest is for HTTP: Dex as its makers publish it, pinned and built by the module in folder dex
// beside this package, with everything in memory and three people. It is for tests only.
//
//	anna@stad.example     preferred_username anna, groups gemeente and cameratoezicht
//	bert@stad.example     preferred_username bert, group gemeente
//	carla@stad.example    preferred_username carla, group cameratoezicht
package dextest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// Secret is that of client beeldwacht, Password everybody's.
const (
	Secret   = "geheim van de client"
	Password = "password"
)

// Start builds Dex, which takes a minute the first time, and runs it on a free port of the loopback until the test ends. redirect is the one redirect URI of client beeldwacht.
func Start(t testing.TB, redirect string) (issuer string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds Dex; run without -short")
	}
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("where is the module of Dex?")
	}
	binary := filepath.Join(t.TempDir(), "dex")
	build := exec.Command("go", "build", "-o", binary, "github.com/dexidp/dex/cmd/dex")
	build.Dir, build.Env = filepath.Join(filepath.Dir(here), "..", "dex"), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building Dex: %v\n%s", err, out)
	}
	port := httptest.NewServer(nil) // a free one
	address := port.Listener.Addr().String()
	port.Close()
	issuer = "http://" + address + "/dex"
	const hash = "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W" // "password", as in Dex's own examples
	config := filepath.Join(t.TempDir(), "dex.yaml")
	if err := os.WriteFile(config, []byte(`issuer: `+issuer+`
storage: {type: memory}
web: {http: "`+address+`"}
oauth2: {skipApprovalScreen: true}
enablePasswordDB: true
staticClients:
  - {id: beeldwacht, secret: "`+Secret+`", name: Beeldwacht, redirectURIs: ["`+redirect+`"]}
staticPasswords:
  - {email: anna@stad.example, hash: "`+hash+`", username: anna, preferredUsername: anna, name: Anna de Vries, userID: een, groups: [gemeente, cameratoezicht]}
  - {email: bert@stad.example, hash: "`+hash+`", username: bert, preferredUsername: bert, name: Bert Bos, userID: twee, groups: [gemeente]}
  - {email: carla@stad.example, hash: "`+hash+`", username: carla, preferredUsername: carla, name: Carla Ceel, userID: drie, groups: [cameratoezicht]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", config)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Log(err)
		}
		cmd.Wait() // killed: it says so
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		res, err := http.Get(issuer + "/.well-known/openid-configuration")
		if err == nil {
			res.Body.Close()
			return issuer
		}
		if time.Now().After(deadline) {
			t.Fatalf("Dex does not start: %v", err)
		}
	}
}
