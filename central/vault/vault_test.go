package vault

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/minio/minio-go/v7"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// TestMain is also the child process: the tests run against the real gateway, started as the centre starts it.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "embedded-s3" {
		if err := RunEmbedded(context.Background(), os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const accessKey, secretKey = "vault", "only-for-this-test-0123456789"

func startStore(t *testing.T, dir string) *Embedded {
	t.Helper()
	e, err := StartEmbedded(t.Context(), child(t), EmbeddedConfig{Dir: dir, Addr: "127.0.0.1:0", AccessKey: accessKey, SecretKey: secretKey}, nil, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

func child(t *testing.T) Child {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Child{Exe: exe, Args: []string{"embedded-s3"}}
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func config(t *testing.T, endpoint string, id *age.X25519Identity) Config {
	return Config{Endpoint: endpoint, Bucket: "evidence", AccessKey: accessKey, SecretKey: secretKey, Location: "NL", Identity: id, Log: logger(t)}
}

func newVault(t *testing.T, endpoint string) *Vault {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(t.Context(), config(t, endpoint, id))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// upload does what a recorder does (edge/release): encrypt to the vault key, put once, locked until its term ends.
func upload(t *testing.T, v *Vault, object, text string, until time.Time) {
	t.Helper()
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, v.Identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, v, object, sealed.Bytes(), sealed.Bytes(), until)
}

// put stores body and says that its SHA-256 is that of promised.
func put(t *testing.T, v *Vault, object string, body, promised []byte, until time.Time) {
	t.Helper()
	sum := sha256.Sum256(promised)
	opts := minio.PutObjectOptions{UserMetadata: map[string]string{MetaSHA256: hex.EncodeToString(sum[:])}}
	if !until.IsZero() {
		opts.Mode, opts.RetainUntilDate = minio.Compliance, until
	}
	if _, err := v.client.PutObject(t.Context(), v.Bucket, object, bytes.NewReader(body), int64(len(body)), opts); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, v *Vault, object string) string {
	t.Helper()
	r, err := v.Open(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func versions(t *testing.T, v *Vault) (names []string) {
	t.Helper()
	for info := range v.client.ListObjectsIter(t.Context(), v.Bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if info.Err != nil {
			t.Fatal(info.Err)
		}
		names = append(names, info.Key)
	}
	return names
}

// TestBagIsLockedReadExtendedAndExpired is the whole life of a bag.
func TestBagIsLockedReadExtendedAndExpired(t *testing.T) {
	t.Parallel()
	v := newVault(t, startStore(t, t.TempDir()).Endpoint)
	object := central.ObjectName("rec-1", "g-1")
	text := strings.Repeat("een zak met beelden ", 20000) // several age chunks
	start := time.Now()
	upload(t, v, object, text, start.Add(3*time.Second))
	upload(t, v, central.ObjectName("rec-1", "g-10"), "another bag whose name starts the same", start.Add(time.Hour))

	o, err := v.Stat(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	if o.Tampered() || o.SHA256.IsZero() || o.Until.Before(start.Add(time.Second)) {
		t.Errorf("stat: %+v", o)
	}
	if got := read(t, v, object); got != text {
		t.Errorf("read %d bytes that are not the bag's %d", len(got), len(text))
	}

	// Nobody deletes it early: neither with the vault's own keys, nor with a clock that runs ahead.
	if err := v.client.RemoveObject(t.Context(), v.Bucket, object, minio.RemoveObjectOptions{VersionID: o.Version, GovernanceBypass: true}); err == nil {
		t.Error("the store deleted a locked version")
	}
	early, err := v.Expire(t.Context(), start.Add(4*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if len(early.Deleted) != 0 || len(early.Failed) != 1 || !errors.Is(early.Failed[0].Err, ErrLocked) || early.Failed[0].Object != object {
		t.Errorf("expire with a clock that runs ahead: %+v; want one refusal by the object lock", early)
	}
	t.Log(early.Failed[0].Err)

	// Hand-over extends the term, and no term gets shorter.
	until := start.Add(5 * time.Second)
	if err := v.Extend(t.Context(), object, until); err != nil {
		t.Fatal(err)
	}
	if o, err = v.Stat(t.Context(), object); err != nil || !o.Until.Equal(until.UTC().Truncate(time.Second)) {
		t.Errorf("after extension: until %s, %v; want %s", o.Until, err, until)
	}
	if err := v.Extend(t.Context(), object, start.Add(2*time.Second)); !errors.Is(err, ErrLocked) {
		t.Errorf("shortening: %v; want a refusal", err)
	}
	if within, err := v.Expire(t.Context(), start.Add(3500*time.Millisecond)); err != nil || len(within.Deleted)+len(within.Failed) != 0 {
		t.Errorf("expire within the extended term: %+v, %v; want nothing done", within, err)
	}

	time.Sleep(time.Until(o.Until.Add(time.Second)))
	late, err := v.Expire(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(late.Deleted) != 1 || len(late.Failed) != 0 || late.Deleted[0].Object != object {
		t.Errorf("expire: %+v; want exactly %s deleted", late, object)
	}
	if _, err := v.Open(t.Context(), object); !errors.Is(err, ErrNotFound) {
		t.Errorf("open after its term: %v", err)
	}
	if left := versions(t, v); !slices.Equal(left, []string{central.ObjectName("rec-1", "g-10")}) {
		t.Errorf("left in the bucket: %q", left)
	}
}

// TestOverwrittenBagIsNoticed: who writes under the name again, or deletes it, changes nothing of what is read, and is reported.
func TestOverwrittenBagIsNoticed(t *testing.T) {
	t.Parallel()
	v := newVault(t, startStore(t, t.TempDir()).Endpoint)
	object := central.ObjectName("rec-1", "g-2")
	until := time.Now().Add(3 * time.Second)
	upload(t, v, object, "the recorder's bag", until)
	upload(t, v, object, "a forged bag", until)
	if err := v.client.RemoveObject(t.Context(), v.Bucket, object, minio.RemoveObjectOptions{}); err != nil { // makes a delete marker
		t.Fatal(err)
	}
	upload(t, v, object, "another forged bag", until)

	if got := read(t, v, object); got != "the recorder's bag" {
		t.Errorf("read %q; want the first version", got)
	}
	if o, err := v.Stat(t.Context(), object); err != nil || len(o.Others) != 3 {
		t.Errorf("stat: %+v, %v; want three others", o, err)
	}

	if o, err := v.Stat(t.Context(), object); err != nil {
		t.Error(err)
	} else if err := v.client.RemoveObject(t.Context(), v.Bucket, object, minio.RemoveObjectOptions{VersionID: o.Version}); err == nil {
		t.Error("the store deleted the locked first version from under the others")
	}

	// A forger's longer lock keeps his own version, and is reported; it keeps nothing else.
	mode, forever := minio.Compliance, time.Now().Add(time.Hour)
	if err := v.client.PutObjectRetention(t.Context(), v.Bucket, object, minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &forever}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(until.Add(time.Second)))
	done, err := v.Expire(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Deleted) != 3 || len(done.Failed) != 1 || !errors.Is(done.Failed[0].Err, ErrLocked) || !slices.Equal(done.Tampered, []string{object}) {
		t.Errorf("expire: %+v; want two versions and the delete marker deleted, one lock refusal, tampering reported", done)
	}
	if left := versions(t, v); len(left) != 1 {
		t.Errorf("left in the bucket: %q", left)
	}
}

// TestUnlockedAndUnfinishedUploadsExpireToo: what did not arrive as a recorder sends it does not stay for ever.
func TestUnlockedAndUnfinishedUploadsExpireToo(t *testing.T) {
	t.Parallel()
	v := newVault(t, startStore(t, t.TempDir()).Endpoint)
	upload(t, v, "release/rec-1/unlocked.age", "no lock", time.Time{})
	core := minio.Core{Client: v.client}
	id, err := core.NewMultipartUpload(t.Context(), v.Bucket, "release/rec-1/broken-off.age", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.PutObjectPart(t.Context(), v.Bucket, "release/rec-1/broken-off.age", id, 1, strings.NewReader("half"), 4, minio.PutObjectPartOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after   time.Duration
		deleted int
	}{{time.Hour, 0}, {protocol.ReleaseGrantTerm + time.Hour, 1}, {protocol.HandOverTerm + time.Hour, 1}} {
		done, err := v.Expire(t.Context(), time.Now().Add(step.after))
		if err != nil || len(done.Deleted) != step.deleted || len(done.Failed) != 0 {
			t.Errorf("expire after %s: %+v, %v; want %d deleted", step.after, done, err, step.deleted)
		}
	}
}

func TestChangedObjectsAreRefused(t *testing.T) {
	v := newVault(t, startStore(t, t.TempDir()).Endpoint)
	soon := time.Now().Add(2 * time.Second)

	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, v.Identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "a bag"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := sealed.Bytes()
	put(t, v, "promised-otherwise", whole, []byte("something else"), soon)
	put(t, v, "cut", whole[:len(whole)-3], whole[:len(whole)-3], soon)
	for _, object := range []string{"promised-otherwise", "cut"} {
		r, err := v.Open(t.Context(), object)
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), object) || !strings.Contains(err.Error(), v.Bucket) {
			t.Errorf("%s: %v; want an error that names object and bucket", object, err)
		}
	}

	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	upload(t, v, "not-ours", "a bag", soon)
	v.Identity = other
	if _, err := v.Open(t.Context(), "not-ours"); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("encrypted to another key: %v", err)
	}
}

// TestRestartKeepsBagsAndLocks kills the child as the machine would, then stops and starts the whole store.
func TestRestartKeepsBagsAndLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := startStore(t, dir)
	v := newVault(t, e.Endpoint)
	object := central.ObjectName("rec-1", "g-3")
	upload(t, v, object, "a bag", time.Now().Add(time.Hour))

	first := e.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := v.Stat(t.Context(), object); err == nil && e.PID() != first {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the store did not come back: %v", err)
		}
	}
	second := e.PID()
	e.Stop()
	if err := syscall.Kill(second, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child outlives Stop: %v", err)
	}

	again, err := New(t.Context(), config(t, startStore(t, dir).Endpoint, v.Identity))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, again, object); got != "a bag" {
		t.Errorf("after a restart: %q", got)
	}
	o, err := again.Stat(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.client.RemoveObject(t.Context(), again.Bucket, object, minio.RemoveObjectOptions{VersionID: o.Version}); err == nil {
		t.Error("the lock did not survive the restart")
	}
}

// TestChildDiesWithItsParent: the end of standard input is the parent's end, however it came.
func TestChildDiesWithItsParent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := child(t)
	cmd := exec.Command(c.Exe, c.Args...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	parent, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if _, err := fmt.Fprintf(parent, `{"dir":%q,"addr":%q,"access_key":%q,"secret_key":%q}`+"\n", t.TempDir(), addr, accessKey, secretKey); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			break
		} else if time.Now().After(deadline) {
			t.Fatal("the child does not listen")
		}
	}
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the child ended with %v", err)
		}
	case <-time.After(60 * time.Second):
		t.Error("the child outlives its parent")
	}
}

func TestSecretsAreNotOnTheCommandLine(t *testing.T) {
	e := startStore(t, t.TempDir())
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", e.PID(), file))
		if err != nil {
			t.Skip("no /proc on this system:", err)
		}
		if bytes.Contains(text, []byte(secretKey)) {
			t.Errorf("the secret stands in the child's %s", file)
		}
	}
}

// faulty stands before the store and answers some requests as a store in trouble does.
func faulty(t *testing.T, endpoint string, trouble func(*http.Request) (code string, status int)) string {
	target := &url.URL{Scheme: "http", Host: endpoint}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code, status := trouble(r); status != 0 {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>No space left on device.</Message></Error>`, code)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestStoreInTroubleIsAClearError(t *testing.T) {
	t.Parallel()
	e := startStore(t, t.TempDir())
	full, gone := false, ""
	v := newVault(t, faulty(t, e.Endpoint, func(r *http.Request) (string, int) {
		if full && r.Method == http.MethodPut {
			return "InsufficientStorage", http.StatusInsufficientStorage
		}
		if gone != "" && r.Method == http.MethodDelete && strings.Contains(r.URL.Path, gone) {
			return "InternalError", http.StatusInternalServerError
		}
		return "", 0
	}))
	object := central.ObjectName("rec-1", "g-4")
	until := time.Now().Add(time.Second)
	upload(t, v, object, "a bag", until)
	upload(t, v, central.ObjectName("rec-1", "g-5"), "a bag", until)

	full = true
	err := v.Extend(t.Context(), object, time.Now().Add(time.Hour))
	full = false
	if !errors.Is(err, ErrFull) {
		t.Errorf("extend on a full store: %v", err)
	}
	for _, want := range []string{v.Endpoint, v.Bucket, object, "more space"} {
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}

	// One object that cannot be deleted is reported and never keeps the others (invariant 14).
	time.Sleep(time.Until(until.Add(time.Second)))
	gone = "g-4"
	done, err := v.Expire(t.Context(), time.Now())
	if err != nil || len(done.Deleted) != 1 || len(done.Failed) != 1 || done.Failed[0].Object != object || errors.Is(done.Failed[0].Err, ErrLocked) {
		t.Errorf("expire with one failing delete: %+v, %v", done, err)
	}
	gone = ""
	if done, err = v.Expire(t.Context(), time.Now()); err != nil || len(done.Deleted) != 1 || len(done.Failed) != 0 {
		t.Errorf("next round: %+v, %v; want it deleted", done, err)
	}

	c := config(t, e.Endpoint, v.Identity)
	c.SecretKey = "a wrong secret"
	if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "secret key") {
		t.Errorf("wrong secret: %v", err)
	}
	c = config(t, "127.0.0.1:1", v.Identity)
	if _, err := New(t.Context(), c); !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "running") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("nobody there: %v", err)
	}
}

// TestR21_EvidenceStaysInTheNetherlands: REQUIREMENTS R21.
func TestR21_EvidenceStaysInTheNetherlands(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{"", "DE", "US", "nl "} {
		c := config(t, "127.0.0.1:1", id)
		c.Location = location
		if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "R21") {
			t.Errorf("location %q: %v; want a refusal that names R21", location, err)
		}
	}
	c := config(t, "s3.example.nl:80", id)
	if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("plain HTTP to another machine: %v", err)
	}
}

func TestBucketWithoutObjectLockIsRefused(t *testing.T) {
	v := newVault(t, startStore(t, t.TempDir()).Endpoint)
	if err := v.client.MakeBucket(t.Context(), "plain", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	c := config(t, v.Endpoint, v.Identity)
	c.Bucket = "plain"
	if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "object lock") {
		t.Errorf("bucket without object lock: %v", err)
	}
	if _, err := New(t.Context(), config(t, v.Endpoint, v.Identity)); err != nil {
		t.Errorf("a bucket that was made before: %v", err)
	}
}

func TestEmbeddedRefusesWhatIsUnsafe(t *testing.T) {
	good := EmbeddedConfig{Dir: t.TempDir(), Addr: "127.0.0.1:0", AccessKey: accessKey, SecretKey: secretKey}
	for name, change := range map[string]func(*EmbeddedConfig){
		"all interfaces": func(c *EmbeddedConfig) { c.Addr = ":7070" },
		"another host":   func(c *EmbeddedConfig) { c.Addr = "192.0.2.1:7070" },
		"a host name":    func(c *EmbeddedConfig) { c.Addr = "localhost:7070" },
		"short secret":   func(c *EmbeddedConfig) { c.SecretKey = "short" },
		"relative":       func(c *EmbeddedConfig) { c.Dir = "data" },
		"half of TLS":    func(c *EmbeddedConfig) { c.CertFile = "/cert" },
	} {
		c := good
		change(&c)
		if _, err := StartEmbedded(t.Context(), child(t), c, nil, logger(t)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	c := good
	c.Dir = filepath.Join(t.TempDir(), "file", "below")
	if err := os.WriteFile(filepath.Dir(c.Dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := StartEmbedded(t.Context(), child(t), c, nil, logger(t)); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a directory that cannot be made: %v; want the child's own words", err)
	}
	// /proc keeps no user extended attributes, and no files either; where a tmpfs without them is mounted the message is the same.
	if err := testAttributes("/proc"); err == nil {
		t.Error("/proc accepted as a store")
	}
}

func TestIdentityIsKeptPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.key")
	made, err := NewIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	loaded, err := LoadIdentity(path)
	if err != nil || loaded.String() != made.String() {
		t.Errorf("load: %v", err)
	}
	if _, err := NewIdentity(path); err == nil {
		t.Error("overwrote the key that opens existing bags")
	}
	if again, err := LoadIdentity(path); err != nil || again.String() != made.String() {
		t.Errorf("after a refused overwrite: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that all can read: %v", err)
	}
}

func TestEmbeddedSpeaksTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := EmbeddedConfig{Dir: filepath.Join(dir, "store"), Addr: "127.0.0.1:0", AccessKey: accessKey, SecretKey: secretKey, CertFile: filepath.Join(dir, "crt"), KeyFile: filepath.Join(dir, "key")}
	for file, block := range map[string]*pem.Block{c.CertFile: {Type: "CERTIFICATE", Bytes: der}, c.KeyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cas := x509.NewCertPool()
	cas.AddCert(cert)
	e, err := StartEmbedded(t.Context(), child(t), c, cas, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	vc := config(t, e.Endpoint, id)
	vc.Secure, vc.CAs = true, cas
	v, err := New(t.Context(), vc)
	if err != nil {
		t.Fatal(err)
	}
	upload(t, v, "over-tls", "a bag", time.Now().Add(time.Second))
	if got := read(t, v, "over-tls"); got != "a bag" {
		t.Errorf("read %q", got)
	}
	vc.CAs = x509.NewCertPool()
	if _, err := New(t.Context(), vc); err == nil || !strings.Contains(err.Error(), "ca.crt") || !strings.Contains(err.Error(), e.Endpoint) {
		t.Errorf("a store of an unknown CA: %v", err)
	}
}
