package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"

	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// The test binary is the daemon when it is called with this in its environment; testscript calls it by its name.
const asDaemon = "BEELDWACHT_EDGE_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"beeldwacht-edge": main})
}

// The scripts hold what the commands say and how they exit where no recorder runs.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"code": func(ts *testscript.TestScript, _ bool, args []string) { // code N COMMAND…: runs it and wants this exit code
			err := ts.Exec(args[1], args[2:]...)
			var exit *exec.ExitError
			got := 0
			if errors.As(err, &exit) {
				got = exit.ExitCode()
			} else if err != nil {
				ts.Fatalf("%v", err)
			}
			if fmt.Sprint(got) != args[0] {
				ts.Fatalf("exit code %d, want %s", got, args[0])
			}
		}}})
}

// cabinet is a recorder on its place: an identity, orders in its journal, cameras, and no broker.
type cabinet struct {
	*testing.T
	dir     string
	town    *protocoltest.Town
	cameras map[protocol.CameraID]*cameratest.Camera
	window  protocol.Window
	metrics string // host:port
	notify  *notified
}

// newCabinet makes a recorder that may record each of the cameras, all of which play.
func newCabinet(t *testing.T, window time.Duration, cameras ...protocol.CameraID) *cabinet {
	t.Helper()
	dir, err := os.MkdirTemp("", "cabinet-")
	c := &cabinet{T: t, dir: dir, town: protocoltest.NewTown(t, time.Now().Add(-time.Hour)), cameras: map[protocol.CameraID]*cameratest.Camera{}, window: protocol.Window(window)}
	c.must(err)
	t.Cleanup(func() { c.must(os.RemoveAll(dir)) })
	c.enrol()
	for _, id := range cameras {
		camera, err := cameratest.New(cameratest.Options{Clip: cameratest.CounterH264(), Transport: cameratest.TCP})
		c.must(err)
		t.Cleanup(camera.Close)
		c.cameras[id] = camera
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	c.metrics = l.Addr().String()
	c.must(l.Close())
	c.notify = listenNotify(t, c.path("notify"))
	c.configure()
	c.order(cameras)
	return c
}

func (c *cabinet) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

func (c *cabinet) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *cabinet) write(name, text string) {
	c.Helper()
	c.must(os.MkdirAll(filepath.Dir(c.path(name)), 0o700))
	c.must(os.WriteFile(c.path(name), []byte(text), 0o600))
}

// enrol makes the folder that `beeldwacht enrol` makes.
func (c *cabinet) enrol() {
	c.Helper()
	skey, vkey, err := protocol.NewKey(protocol.Origin(c.town.Recorder, c.town.Municipality))
	c.must(err)
	c.town.Log, err = note.NewSigner(skey)
	c.must(err)
	c.town.LogKey = vkey
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	self := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "viewer"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, self, self, &key.PublicKey, key)
	c.must(err)
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	c.must(err)
	cert, private := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}))
	for name, text := range map[string]string{"recorder.key": skey + "\n", "recorder.pub": vkey + "\n", "roots.txt": strings.Join(c.town.Roots, "\n") + "\n",
		"roster": string(c.town.Roster(1)), "ca.crt": cert, "client.crt": cert, "client.tls": private, "viewer.crt": cert, "viewer.tls": private} {
		c.write(filepath.Join("identity", name), text)
	}
}

func (c *cabinet) configure() {
	var cameras strings.Builder
	for id, camera := range c.cameras {
		fmt.Fprintf(&cameras, "  - {id: %s, url: %q, key_frame_timeout: 5s}\n", id, camera.URL())
	}
	c.write("edge.yaml", fmt.Sprintf(`recorder: %s
municipality: %s
location: NL
data: data
identity: identity
secrets: secrets.yaml
broker: {url: "ssl://127.0.0.1:1"}
vault: {endpoint: "127.0.0.1:1", bucket: beeldwacht}
viewer: {listen: "127.0.0.1:0", url: "https://viewer.example"}
metrics: {listen: %q}
footage: {segment: 1s, seal_every: 1s, min_free: 4096}
cameras:
%s`, c.town.Recorder, c.town.Municipality, c.metrics, &cameras))
	c.write("secrets.yaml", "cameras: {}\n")
}

// order puts a mandate for each camera in the journal before the first start, as if the centre had sent it.
func (c *cabinet) order(cameras []protocol.CameraID) {
	c.Helper()
	log := slog.New(slog.DiscardHandler)
	j, err := journal.Open(c.path("data", "journal"), c.town.Log.Name(), c.town.Log, time.Now, log)
	c.must(err)
	o, err := orders.Open(j, c.town.Recorder, c.town.Roots, c.town.Roster(1), time.Now, log)
	c.must(err)
	for i, id := range cameras {
		m := c.town.Mandate(id, 1)
		m.Window = c.window
		_, err := o.Accept(c.Context(), c.town.Envelope(uint64(i+1), c.town.Compose(m)))
		c.must(err)
	}
	for range 40 { // so that the journal's file of bodies is by far the biggest file there is: see full
		_, err := j.Append(c.Context(), protocol.KindViewRefused, protocol.AccessRefused{Recipient: "nobody", Reason: strings.Repeat("x", 50_000)})
		c.must(err)
	}
	c.must(j.Close())
}

// full makes the disk refuse to let the journal grow, and nothing else: no file of this process may become bigger than its bodies are.
func (c *cabinet) full(r *recorder) {
	c.Helper()
	bodies, err := filepath.Glob(c.path("data", "journal", "bodies-*.log"))
	c.must(err)
	info, err := os.Stat(bodies[len(bodies)-1])
	c.must(err)
	limit := uint64(info.Size())
	c.must(unix.Prlimit(r.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}, nil))
}

// recorder is a running daemon.
type recorder struct {
	c    *cabinet
	cmd  *exec.Cmd
	log  bytes.Buffer // readable once it is gone
	gone chan error
}

// start is what systemd does: a process with a notify socket and a watchdog.
func (c *cabinet) start(watchdog time.Duration) *recorder {
	c.Helper()
	r := &recorder{c: c, cmd: exec.Command(os.Args[0], "-config", c.path("edge.yaml")), gone: make(chan error, 1)}
	r.cmd.Env = append(os.Environ(), asDaemon+"=1", "NOTIFY_SOCKET="+c.notify.path, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds()))
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	c.must(r.cmd.Start())
	go func() { r.gone <- r.cmd.Wait(); close(r.gone) }()
	c.Cleanup(func() {
		r.cmd.Process.Kill() // by its own pid; it may have ended before
		<-r.gone
		if text := r.log.String(); c.Failed() || strings.Contains(text, "DATA RACE") {
			c.Errorf("the daemon said:\n%s", text[max(0, len(text)-6000):])
		}
	})
	return r
}

func (r *recorder) kill() {
	r.c.Helper()
	r.c.must(r.cmd.Process.Kill())
	<-r.gone
}

func (r *recorder) stop() {
	r.c.Helper()
	r.c.must(r.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-r.gone:
		if err != nil {
			r.c.Errorf("it did not stop in order: %v", err)
		}
	case <-time.After(30 * time.Second):
		r.c.Fatal("it does not stop")
	}
}

// do runs a command of the program to its end, in this process.
func (c *cabinet) do(args ...string) (stdout, stderr string, code int) {
	c.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
	defer cancel()
	code = run(ctx, append([]string{args[0], "-config", c.path("edge.yaml")}, args[1:]...), &out, &errs)
	return out.String(), errs.String(), code
}

func (c *cabinet) situation() (s edge.Situation) {
	c.Helper()
	out, errs, code := c.do("status", "-json")
	if code != 0 {
		return s
	}
	if err := json.Unmarshal([]byte(out), &s, json.RejectUnknownMembers(true)); err != nil {
		c.Fatalf("%v in %s%s", err, out, errs)
	}
	return s
}

func (c *cabinet) health() (code int, body string) {
	c.Helper()
	res, err := http.Get("http://" + c.metrics + "/health")
	if err != nil {
		return 0, err.Error()
	}
	b, err := io.ReadAll(res.Body)
	c.must(errors.Join(err, res.Body.Close()))
	return res.StatusCode, string(b)
}

func (c *cabinet) until(what string, ok func() bool) {
	c.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > 30*time.Second {
			code, body := c.health()
			out, errs, _ := c.do("status")
			c.Fatalf("never: %s; /health is %d %s\n%s%s", what, code, body, out, errs)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// notified is systemd's end of the notify socket.
type notified struct {
	path string
	mu   sync.Mutex
	at   map[string]time.Time // when each line last came
	n    map[string]int
}

func listenNotify(t *testing.T, path string) *notified {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	n := &notified{path: path, at: map[string]time.Time{}, n: map[string]int{}}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			size, err := conn.Read(b)
			if err != nil {
				return
			}
			n.mu.Lock()
			for _, line := range strings.Split(string(b[:size]), "\n") {
				n.at[line] = time.Now()
				n.n[line]++
			}
			n.mu.Unlock()
		}
	}()
	return n
}

func (n *notified) count(line string) int      { n.mu.Lock(); defer n.mu.Unlock(); return n.n[line] }
func (n *notified) last(line string) time.Time { n.mu.Lock(); defer n.mu.Unlock(); return n.at[line] }
