package broker

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	neturl "net/url"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// authority is a CA that signs certificates as `beeldwacht enrol` does.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.key = key(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func key(t *testing.T) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (a *authority) issue(name string, use x509.ExtKeyUsage) tls.Certificate {
	k := key(a.t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{use}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
}

// client is the TLS side of a client with a certificate in that name.
func (a *authority) client(name string) *tls.Config {
	return &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{a.issue(name, x509.ExtKeyUsageClientAuth)}, MinVersion: tls.VersionTLS13}
}

func pemCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func pemKey(t *testing.T, k any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func startEmbedded(t *testing.T, ca *authority, addr string, log *slog.Logger) *Embedded {
	t.Helper()
	e, err := NewEmbedded(EmbeddedConfig{Addr: addr, Certificate: ca.issue("broker", x509.ExtKeyUsageServerAuth), Clients: ca.pool, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func logger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// got keeps what the handler was given.
type got struct {
	mu   sync.Mutex
	msgs []string
	slow chan struct{} // when not nil: each call waits for one
}

func (g *got) Journal(r protocol.RecorderID, p []byte) { g.add("journal", r, p) }
func (g *got) Status(r protocol.RecorderID, p []byte)  { g.add("status", r, p) }

func (g *got) add(what string, r protocol.RecorderID, p []byte) {
	if g.slow != nil {
		<-g.slow
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.msgs = append(g.msgs, what+" "+string(r)+" "+string(p))
}

func (g *got) all() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.msgs, "\n")
}

// eventually fails the test when ok does not come true within ten seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func runClient(t *testing.T, c ClientConfig, h Handler) *Client {
	t.Helper()
	c.Log = logger(t)
	c.Retry = 50 * time.Millisecond
	client := NewClient(c, h)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); client.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	eventually(t, "the centre is connected", client.Connected)
	return client
}

// dial connects a bare MQTT client, such as a recorder gone bad would use.
func dial(url, id string, config *tls.Config, change func(*paho.ClientOptions)) (paho.Client, error) {
	opts := paho.NewClientOptions().AddBroker(url).SetClientID(id).SetTLSConfig(config).SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(3 * time.Second)
	if change != nil {
		change(opts)
	}
	c := paho.NewClient(opts)
	t := c.Connect()
	if !t.WaitTimeout(5 * time.Second) {
		return nil, fmt.Errorf("no answer")
	}
	return c, t.Error()
}

func mustDial(t *testing.T, url, id string, config *tls.Config) paho.Client {
	t.Helper()
	c, err := dial(url, id, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func publish(c paho.Client, topic, payload string) {
	c.Publish(topic, 1, false, payload).WaitTimeout(2 * time.Second)
}

// attacks are the same for the embedded broker and for Mosquitto with the shipped access list: what a recorder, or a stranger,
// must not be able to do.
func attacks(t *testing.T, url string, ca *authority, config ClientConfig) {
	h := &got{}
	centre := runClient(t, config, h)

	t.Run("strangers", func(t *testing.T) {
		unknown := newAuthority(t).client("rec-1")
		unknown.RootCAs = ca.pool
		if _, err := dial(url, "rec-1", unknown, nil); err == nil {
			t.Error("a certificate of an unknown CA was let in")
		}
		if _, err := dial(url, "rec-1", &tls.Config{RootCAs: ca.pool}, nil); err == nil {
			t.Error("let in without a certificate")
		}
		server := &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue("rec-1", x509.ExtKeyUsageServerAuth)}}
		if _, err := dial(url, "rec-1", server, nil); err == nil {
			t.Error("a certificate for servers was let in as a client's")
		}
		if _, err := dial(url, "rec-1", newAuthority(t).client("rec-1"), nil); err == nil {
			t.Error("a client accepted a broker of an unknown CA")
		}
	})

	one, two := ca.client("rec-1"), ca.client("rec-2")

	t.Run("own topics", func(t *testing.T) {
		c := mustDial(t, url, "rec-1", one)
		orders := make(chan string, 10)
		if token := c.Subscribe(protocol.Topic("rec-1", protocol.DownOrders), 1, func(_ paho.Client, m paho.Message) { orders <- string(m.Payload()) }); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
			t.Fatal("subscribe to its own orders:", token.Error())
		}
		publish(c, protocol.Topic("rec-1", protocol.UpJournal), "entries")
		publish(c, protocol.Topic("rec-1", protocol.UpStatus), "all is well")
		eventually(t, "the centre hears rec-1", func() bool {
			return strings.Contains(h.all(), "journal rec-1 entries") && strings.Contains(h.all(), "status rec-1 all is well")
		})
		if err := centre.Publish(t.Context(), protocol.Topic("rec-1", protocol.DownOrders), []byte("order"), false); err != nil {
			t.Fatal(err)
		}
		select {
		case o := <-orders:
			if o != "order" {
				t.Errorf("order %q", o)
			}
		case <-time.After(5 * time.Second):
			t.Error("no order")
		}
	})

	t.Run("another's journal", func(t *testing.T) {
		for _, topic := range []string{
			protocol.Topic("rec-1", protocol.UpJournal), protocol.Topic("rec-1", protocol.UpStatus), protocol.Topic("rec-1", protocol.DownOrders),
			protocol.Topic("rec-2", protocol.DownOrders), protocol.Topic("rec-2", "up/other"), "beeldwacht/v1/rec-2/../rec-1/up/journal", "elsewhere",
		} {
			c := mustDial(t, url, "rec-2", two) // 3.1.1: mochi ends the session on a denied publish, Mosquitto acknowledges it
			publish(c, topic, "forged")
			c.Disconnect(0)
		}
		c := mustDial(t, url, "rec-2", two)
		publish(c, protocol.Topic("rec-2", protocol.UpJournal), "the last one")
		eventually(t, "the centre hears rec-2's own", func() bool { return strings.Contains(h.all(), "journal rec-2 the last one") })
		if strings.Contains(h.all(), "forged") {
			t.Errorf("a forged message arrived:\n%s", h.all())
		}
	})

	t.Run("another's orders", func(t *testing.T) {
		c := mustDial(t, url, "rec-2", two)
		heard := make(chan string, 100)
		for _, filter := range []string{protocol.Topic("rec-1", protocol.DownOrders), protocol.TopicFilter(protocol.DownOrders), protocol.Topic("rec-1", protocol.UpJournal),
			protocol.TopicFilter(protocol.UpJournal), "#", "beeldwacht/#", "beeldwacht/v1/rec-1/#", "+/v1/rec-1/down/orders"} {
			c.Subscribe(filter, 1, func(_ paho.Client, m paho.Message) { heard <- m.Topic() }).WaitTimeout(2 * time.Second)
		}
		own := make(chan struct{}, 1)
		c.Subscribe(protocol.Topic("rec-2", protocol.DownCosigned), 1, func(paho.Client, paho.Message) { own <- struct{}{} }).WaitTimeout(2 * time.Second)
		publish(mustDial(t, url, "rec-1", one), protocol.Topic("rec-1", protocol.UpJournal), "private")
		for _, topic := range []string{protocol.Topic("rec-1", protocol.DownOrders), protocol.Topic("rec-2", protocol.DownCosigned)} {
			if err := centre.Publish(t.Context(), topic, []byte("for its reader only"), false); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-own:
		case <-time.After(5 * time.Second):
			t.Error("its own cosignature did not come")
		}
		time.Sleep(100 * time.Millisecond)
		for len(heard) > 0 {
			if topic := <-heard; topic != protocol.Topic("rec-2", protocol.DownCosigned) {
				t.Errorf("rec-2 heard %s", topic)
			}
		}
	})

	t.Run("another's last will", func(t *testing.T) {
		abandonWithWill(t, url, "rec-2", two, protocol.Topic("rec-1", protocol.UpStatus), "forged will")
		abandonWithWill(t, url, "rec-1", one, protocol.Topic("rec-1", protocol.UpStatus), "gone")
		eventually(t, "the centre hears rec-1's own will", func() bool { return strings.Contains(h.all(), "status rec-1 gone") })
		if strings.Contains(h.all(), "forged will") {
			t.Errorf("a forged will arrived:\n%s", h.all())
		}
	})

	t.Run("another's session", func(t *testing.T) {
		lost := make(chan struct{}, 1)
		victim, err := dial(url, "rec-1", one, func(o *paho.ClientOptions) {
			o.SetConnectionLostHandler(func(paho.Client, error) { lost <- struct{}{} })
		})
		if err != nil {
			t.Fatal(err)
		}
		defer victim.Disconnect(0)
		if c, err := dial(url, "rec-1", two, nil); err == nil { // rec-2 calls itself rec-1
			defer c.Disconnect(0)
		}
		select {
		case <-lost:
			t.Error("rec-2 ended the session of rec-1")
		case <-time.After(300 * time.Millisecond):
		}
	})

	t.Run("too large", func(t *testing.T) {
		before := h.all()
		publish(mustDial(t, url, "rec-1", one), protocol.Topic("rec-1", protocol.UpJournal), strings.Repeat("x", MaxMessage+1))
		publish(mustDial(t, url, "rec-1", one), protocol.Topic("rec-1", protocol.UpJournal), "small again")
		eventually(t, "the centre hears rec-1 again", func() bool { return strings.Contains(h.all(), "small again") })
		if len(h.all())-len(before) > 1000 {
			t.Error("an oversized message arrived")
		}
		if err := centre.Publish(t.Context(), protocol.Topic("rec-1", protocol.DownOrders), bytes.Repeat([]byte("x"), MaxMessage+1), false); err == nil {
			t.Error("the centre publishes an oversized message")
		}
	})
}

// abandonWithWill connects with a last will and drops the connection without a word, so that the will is due.
func abandonWithWill(t *testing.T, url, id string, config *tls.Config, topic, will string) {
	t.Helper()
	var conn net.Conn
	c, err := dial(url, id, config, func(o *paho.ClientOptions) {
		o.SetBinaryWill(topic, []byte(will), 1, true)
		host := strings.TrimPrefix(url, "ssl://")
		o.SetCustomOpenConnectionFn(func(_ *neturl.URL, _ paho.ClientOptions) (net.Conn, error) {
			var err error
			conn, err = tls.Dial("tcp", host, config)
			return conn, err
		})
	})
	if err != nil {
		return // refused at once: as good
	}
	defer c.Disconnect(0)
	conn.Close()
}

func TestEmbeddedRecorderSpeaksForItselfOnly(t *testing.T) {
	ca := newAuthority(t)
	e := startEmbedded(t, ca, "127.0.0.1:0", logger(t))
	url := "ssl://" + e.Addr()
	t.Run("the centre inside", func(t *testing.T) { attacks(t, url, ca, ClientConfig{Embedded: e}) })
	t.Run("the centre over the network", func(t *testing.T) { attacks(t, url, ca, ClientConfig{URL: url, TLS: ca.client(Centre)}) })

	t.Run("names", func(t *testing.T) {
		for _, name := range []string{"", "Rec-1", "+", "#", "rec/1", "centre2/x", "$SYS", "inline"} {
			if _, err := dial(url, name, ca.client(name), nil); err == nil {
				t.Errorf("a certificate in the name %q was let in", name)
			}
		}
		old := ca.client("rec-1")
		old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		if _, err := dial(url, "rec-1", old, nil); err == nil {
			t.Error("TLS 1.2 was let in")
		}
	})

	t.Run("nothing is kept", func(t *testing.T) {
		c := mustDial(t, url, "rec-3", ca.client("rec-3"))
		first := &got{}
		runClient(t, ClientConfig{Embedded: e}, first)
		abandonWithWill(t, url, "rec-4", ca.client("rec-4"), protocol.Topic("rec-4", protocol.UpStatus), "kept as well")
		eventually(t, "the will is heard", func() bool { return strings.Contains(first.all(), "status rec-4 kept as well") })
		for _, channel := range []protocol.Channel{protocol.UpJournal, protocol.UpStatus} {
			if token := c.Publish(protocol.Topic("rec-3", channel), 1, true, "kept"); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
				t.Fatal(token.Error())
			}
		}
		for _, config := range []ClientConfig{{URL: url, TLS: ca.client(Centre)}, {Embedded: e}} {
			h := &got{}
			runClient(t, config, h)
			publish(c, protocol.Topic("rec-3", protocol.UpStatus), "said again")
			eventually(t, "a later centre hears the next status", func() bool { return strings.Contains(h.all(), "status rec-3 said again") })
			if strings.Contains(h.all(), "kept") {
				t.Errorf("a message was kept: %s", h.all())
			}
		}
	})
}

func TestEmbeddedLogsWhatItDenies(t *testing.T) {
	var mu sync.Mutex
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return text.Write(p) }), nil))
	ca := newAuthority(t)
	url := "ssl://" + startEmbedded(t, ca, "127.0.0.1:0", log).Addr()
	publish(mustDial(t, url, "rec-2", ca.client("rec-2")), protocol.Topic("rec-1", protocol.UpJournal), "forged")
	if _, err := dial(url, "rec-1", &tls.Config{RootCAs: ca.pool}, nil); err == nil {
		t.Error("let in without a certificate")
	}
	for _, want := range []string{"name=rec-2 verb=publish topic=beeldwacht/v1/rec-1/up/journal", "client didn't provide a certificate"} {
		eventually(t, "the log says "+want, func() bool { mu.Lock(); defer mu.Unlock(); return strings.Contains(text.String(), want) })
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestClientComesBackAfterABrokerRestart(t *testing.T) {
	ca := newAuthority(t)
	first, err := NewEmbedded(EmbeddedConfig{Addr: "127.0.0.1:0", Certificate: ca.issue("broker", x509.ExtKeyUsageServerAuth), Clients: ca.pool, Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	addr := first.Addr()
	h := &got{}
	centre := runClient(t, ClientConfig{URL: "ssl://" + addr, TLS: ca.client(Centre)}, h)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the centre notices", func() bool { return !centre.Connected() })
	if err := centre.Publish(t.Context(), protocol.Topic("rec-1", protocol.DownOrders), []byte("x"), false); err == nil {
		t.Error("published without a session")
	}
	startEmbedded(t, ca, addr, logger(t))
	eventually(t, "the centre is back", centre.Connected)
	publish(mustDial(t, "ssl://"+addr, "rec-1", ca.client("rec-1")), protocol.Topic("rec-1", protocol.UpJournal), "after the restart")
	eventually(t, "its subscriptions are back", func() bool { return strings.Contains(h.all(), "journal rec-1 after the restart") })
}

// TestClientQueueIsBounded: a handler that stands still costs bounded memory, and one recorder does not take the others' place (invariant 15, 14).
func TestClientQueueIsBounded(t *testing.T) {
	h := &got{slow: make(chan struct{})}
	c := NewClient(ClientConfig{Log: logger(t), Queue: 6, PerRecorder: 4, QueueBytes: 1000, MaxMessage: 300}, h)
	for range 10 {
		c.enqueue(protocol.Topic("rec-1", protocol.UpStatus), []byte("flood"))
	}
	c.enqueue(protocol.Topic("rec-2", protocol.UpStatus), []byte("still heard"))
	c.enqueue(protocol.Topic("rec-3", protocol.UpStatus), make([]byte, 301))
	c.enqueue(protocol.Topic("rec-3", protocol.DownOrders), []byte("not for us"))
	c.enqueue("beeldwacht/v1/REC/up/journal", []byte("bad id"))
	if want := (Counts{Received: 5, Oversized: 1, UnknownTopic: 2, QueueFull: 6}); c.Counts() != want {
		t.Errorf("counts %+v; want %+v", c.Counts(), want)
	}
	close(h.slow)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.handle(ctx) }()
	eventually(t, "rec-2 is heard", func() bool { return strings.Contains(h.all(), "status rec-2 still heard") })
	stop()
	<-done
	if len(c.waiting) != 0 || c.bytes != 0 || c.queued != 0 {
		t.Errorf("left in the books: %v, %d messages of %d bytes", c.waiting, c.queued, c.bytes)
	}
}

// meeting is a handler that keeps each call until others of another recorder are under way as well.
type meeting struct {
	mu   sync.Mutex
	busy map[protocol.RecorderID]bool
	most int
	got  map[protocol.RecorderID]string
	t    *testing.T
}

func (m *meeting) Status(r protocol.RecorderID, p []byte) { m.Journal(r, p) }

func (m *meeting) Journal(r protocol.RecorderID, p []byte) {
	m.mu.Lock()
	if m.busy[r] {
		m.t.Errorf("two calls for %s at a time", r)
	}
	m.busy[r] = true
	m.most = max(m.most, len(m.busy))
	m.mu.Unlock()
	time.Sleep(time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.busy, r)
	m.got[r] += string(p)
}

// TestClientSideBySide: different recorders are handled side by side, each in its own order.
func TestClientSideBySide(t *testing.T) {
	t.Parallel()
	m := &meeting{t: t, busy: map[protocol.RecorderID]bool{}, got: map[protocol.RecorderID]string{}}
	c := NewClient(ClientConfig{Log: logger(t)}, m)
	for n := range 10 {
		for r := range 50 {
			c.enqueue(protocol.Topic(protocol.RecorderID(fmt.Sprintf("rec-%d", r)), protocol.UpStatus), []byte{'0' + byte(n)})
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var handling sync.WaitGroup
	for range sideBySide {
		handling.Go(func() { c.handle(ctx) })
	}
	eventually(t, "all are handled", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.queued == 0 })
	stop()
	handling.Wait()
	if len(m.got) != 50 || m.most < 2 {
		t.Errorf("%d recorders heard, at most %d at a time", len(m.got), m.most)
	}
	for r, got := range m.got {
		if got != "0123456789" {
			t.Errorf("%s: %s", r, got)
		}
	}
}

// TestNewerBatchTakesTheOldersPlace: a recorder that gets no answer sends its tail again, and what waits here is not to grow by it.
func TestNewerBatchTakesTheOldersPlace(t *testing.T) {
	h := &got{slow: make(chan struct{})}
	c := NewClient(ClientConfig{Log: logger(t)}, h)
	up := func(channel protocol.Channel, text string) {
		c.enqueue(protocol.Topic("rec-1", channel), []byte(text))
	}
	up(protocol.UpJournal, "under way")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.handle(ctx) }()
	eventually(t, "it is handled", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.waiting["rec-1"][0].begun })
	for _, text := range []string{"a", "ab", "abc"} {
		up(protocol.UpJournal, text)
	}
	up(protocol.UpStatus, "a status")
	up(protocol.UpJournal, "abcd")
	if want := (Counts{Received: 4, Replaced: 2}); c.Counts() != want {
		t.Errorf("counts %+v, want %+v", c.Counts(), want)
	}
	close(h.slow)
	eventually(t, "all are handled", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.queued == 0 })
	stop()
	<-done
	if want := "journal rec-1 under way\njournal rec-1 abc\nstatus rec-1 a status\njournal rec-1 abcd"; h.all() != want || c.bytes != 0 {
		t.Errorf("handled:\n%s\nwant:\n%s\n%d bytes left in the books", h.all(), want, c.bytes)
	}
}

// TestCrowdIsTurnedAwayInTime: of many that connect at once each is served or sent away soon, and one who stops in the middle of a handshake keeps nobody out.
func TestCrowdIsTurnedAwayInTime(t *testing.T) {
	t.Parallel()
	turns := make(chan struct{}, 1)
	stuck, stop := context.WithCancel(t.Context())
	defer stop()
	if err := turn(stuck, turns); err != nil {
		t.Fatal(err)
	}
	if err := turn(t.Context(), turns); err != nil {
		t.Error("behind one that waits for its peer:", err)
	}
	turns <- struct{}{} // when the second's turn is over: nobody will end this one
	if err := turn(t.Context(), turns); !errors.Is(err, errCrowd) {
		t.Errorf("in a crowd: %v", err)
	}
	<-turns
	over, end := context.WithCancel(t.Context())
	if err := turn(over, turns); err != nil {
		t.Fatal(err)
	}
	end()
	eventually(t, "a handshake that is over frees its turn", func() bool { return len(turns) == 0 })
}

func FuzzEnqueue(f *testing.F) {
	f.Add("beeldwacht/v1/rec-1/up/journal", []byte("x"))
	f.Add("beeldwacht/v1/+/up/status", []byte{})
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		c := NewClient(ClientConfig{Log: slog.New(slog.DiscardHandler), Queue: 16}, &got{})
		c.enqueue(topic, payload)
		if n := c.Counts(); n.Received == 1 {
			r := <-c.ready
			if m := c.waiting[r][0]; protocol.ValidID(r) != nil || topic != protocol.Topic(r, m.channel) {
				t.Errorf("%q taken as %s of %q", topic, m.channel, r)
			}
		}
	})
}
