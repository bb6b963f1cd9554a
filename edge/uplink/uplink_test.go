package uplink

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mqtt "github.com/mochi-mqtt/server/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/uplink/uplinktest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const (
	self   = protocol.RecorderID("rec-1")
	origin = "rec-1.helmond/beeldwacht"
)

// tail is the part of a journal that an uplink needs, in memory: the entries and checkpoints are real (protocol/chain).
type tail struct {
	signer note.Signer

	mu       sync.Mutex
	head     chain.Head
	entries  []chain.Entry
	roots    []protocol.Hash // by size
	cosigned uint64
	at       time.Time
	changed  chan struct{}
}

func newTail(signer note.Signer) *tail {
	j := &tail{signer: signer, changed: make(chan struct{})}
	j.roots = []protocol.Hash{j.head.Root()} // of the empty log
	return j
}

func (j *tail) add(n int, size int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for range n {
		e, err := chain.Seal(&j.head, protocol.KindIncident, protocol.Incident{What: "test", Detail: strings.Repeat("x", size)}, time.Now())
		if err == nil {
			err = j.head.Add(e)
		}
		if err != nil {
			panic(err)
		}
		j.entries = append(j.entries, e)
		j.roots = append(j.roots, j.head.Root())
	}
	j.announce()
}

func (j *tail) announce() {
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *tail) Entries(from uint64, max int) ([]chain.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if from > uint64(len(j.entries)) {
		return nil, nil
	}
	rest := j.entries[from:]
	return rest[:min(max, len(rest))], nil
}

func (j *tail) CheckpointAt(size uint64) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if size >= uint64(len(j.roots)) {
		return nil, errors.New("not that long")
	}
	return chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: size, Root: j.roots[size]}, j.signer)
}

func (j *tail) Delivered() (uint64, time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.cosigned, j.at
}

func (j *tail) Changed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

// accept is what the agent's callback does with a cosigned checkpoint.
func (j *tail) accept(signed []byte, log, witness note.Verifier) error {
	c, cosigned, err := chain.OpenCheckpoint(signed, origin, log, witness)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(cosigned) == 0 || c.Size >= uint64(len(j.roots)) || j.roots[c.Size] != c.Root {
		return errors.New("no cosignature, or not our log")
	}
	if c.Size > j.cosigned || (c.Size == j.cosigned && time.Now().After(j.at)) {
		j.cosigned, j.at = c.Size, time.Now() // C2SP cosignatures have whole seconds; the test is faster
		j.announce()
	}
	return nil
}

// town is a broker, a recorder's uplink on its journal, and a centre that cosigns.
type town struct {
	t       *testing.T
	ca      *x509.Certificate
	key     *ecdsa.PrivateKey
	pool    *x509.CertPool
	addr    string
	server  *mqtt.Server
	journal *tail
	log     note.Verifier
	witness *chain.Witness
	vkey    note.Verifier

	mu       sync.Mutex
	status   int // how many times the status was made
	orders   []string
	uplink   *Uplink
	statuses []string // what the centre heard
	batches  []got
	head     chain.Head // the centre's
	// misbehave decides what to do with a batch's answer; nil: send it once.
	misbehave func(n int, answer []byte) [][]byte
	faults    []error
}

type got struct {
	from, end uint64
	bytes     int
}

func newTown(t *testing.T) *town {
	w := &town{t: t, pool: x509.NewCertPool()}
	var err error
	w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &w.key.PublicKey, w.key)
	w.must(err)
	w.ca, err = x509.ParseCertificate(der)
	w.must(err)
	w.pool.AddCert(w.ca)

	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	w.must(err)
	signer, err := note.NewSigner(skey)
	w.must(err)
	w.log, err = note.NewVerifier(vkey)
	w.must(err)
	w.journal = newTail(signer)
	skey, _, err = note.GenerateKey(rand.Reader, "witness.helmond/beeldwacht")
	w.must(err)
	w.witness, vkey, err = chain.NewWitness(skey)
	w.must(err)
	w.vkey, err = chain.WitnessVerifier(vkey)
	w.must(err)

	w.uplink = &Uplink{
		Recorder: self, Certificate: w.issue(string(self)), CAs: w.pool, Journal: w.journal,
		Cosigned: func(n []byte) error { return w.journal.accept(n, w.log, w.vkey) },
		Order: func(_ context.Context, raw []byte) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.orders = append(w.orders, string(raw))
		},
		Status: func() ([]byte, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.status++
			return fmt.Appendf(nil, "online %d", w.status), nil
		},
		Will:     func() ([]byte, error) { return []byte("offline"), nil },
		Debounce: 20 * time.Millisecond, AnswerTimeout: 300 * time.Millisecond, Retry: 50 * time.Millisecond, CheckpointEvery: time.Second,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	return w
}

func (w *town) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) issue(name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, w.ca, &key.PublicKey, w.key)
	w.must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// broker starts a real broker (the centre's own rules are central/broker's and Mosquitto's test) and returns how to stop it.
func (w *town) broker() (stop func()) {
	w.t.Helper()
	addr := w.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := tls.Listen("tcp", addr, &tls.Config{Certificates: []tls.Certificate{w.issue("broker")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: w.pool, MinVersion: tls.VersionTLS13})
	w.must(err)
	if w.addr == "" {
		w.addr = listener.Addr().String()
		w.uplink.Broker = "ssl://" + w.addr
	}
	server, err := uplinktest.New(listener)
	w.must(err)
	w.server = server
	w.must(server.Serve())
	var once sync.Once
	stop = func() {
		once.Do(func() {
			if err := server.Close(); err != nil {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

// centre connects a witness that checks, cosigns and answers.
func (w *town) centre() paho.Client {
	w.t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{w.issue("centre")}, RootCAs: w.pool}
	c := paho.NewClient(paho.NewClientOptions().AddBroker(w.uplink.Broker).SetClientID("centre").SetTLSConfig(config).SetAutoReconnect(false))
	done := func(t paho.Token) {
		w.t.Helper()
		if !t.WaitTimeout(5 * time.Second) {
			w.t.Fatal("the broker does not answer the centre")
		}
		w.must(t.Error())
	}
	done(c.Connect())
	done(c.Subscribe(protocol.TopicFilter(protocol.UpStatus), 1, func(_ paho.Client, m paho.Message) {
		status, err := protocol.Unpack(m.Payload(), batchBytes)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.statuses = append(w.statuses, string(status)); err != nil {
			w.faults = append(w.faults, err)
		}
	}))
	done(c.Subscribe(protocol.TopicFilter(protocol.UpJournal), 1, func(c paho.Client, m paho.Message) {
		for _, answer := range w.take(m.Payload()) {
			c.Publish(protocol.Topic(self, protocol.DownCosigned), 1, false, answer)
		}
	}))
	w.t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func (w *town) take(payload []byte) [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	fail := func(err error) [][]byte { w.faults = append(w.faults, err); return nil }
	stream, err := protocol.Unpack(payload, batchBytes+chain.MaxCheckpoint)
	if err != nil {
		return fail(err)
	}
	r := chain.NewReader(bytes.NewReader(stream))
	var n, from uint64
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fail(err)
		}
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			return fail(err)
		}
		if n == 0 {
			from = h.Seq
		}
		n++
		if h.Seq >= w.head.Size { // repeats are known already
			if err := w.head.Add(e); err != nil {
				return fail(err)
			}
		}
	}
	c, _, err := chain.OpenCheckpoint(r.Checkpoint(), origin, w.log)
	if err != nil {
		return fail(err)
	}
	if n == 0 {
		from = c.Size
	}
	if c.Size != from+n || c.Size == w.head.Size && c.Root != w.head.Root() {
		return fail(fmt.Errorf("checkpoint over %d entries with a batch of %d to %d", c.Size, from, from+n))
	}
	w.batches = append(w.batches, got{from, from + n, len(stream)})
	answer, err := chain.Cosign(r.Checkpoint(), w.witness, time.Now())
	if err != nil {
		return fail(err)
	}
	if w.misbehave != nil {
		return w.misbehave(len(w.batches), answer)
	}
	return [][]byte{answer}
}

func (w *town) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.uplink.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

func (w *town) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		yes, faults := ok(), w.faults
		w.mu.Unlock()
		if len(faults) > 0 {
			w.t.Fatal(faults)
		}
		if yes {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s; batches %v, statuses %q, orders %q", what, w.batches, w.statuses, w.orders)
		}
	}
}

func (w *town) isCosigned() bool {
	size, _ := w.journal.Delivered()
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return size == w.journal.head.Size
}

// TestLongTailIsHandedInPieceByPiece: a recorder that was cut off for long catches up, one bounded batch at a time.
func TestLongTailIsHandedInPieceByPiece(t *testing.T) {
	w := newTown(t)
	w.uplink.AnswerTimeout = 10 * time.Second // a slow machine is no reason to send a piece again
	w.broker()
	w.centre()
	w.journal.add(1200, 10)
	w.journal.add(12, 60_000) // large bodies: the size limit counts now
	w.run()
	w.eventually("all 1212 entries are cosigned", w.isCosigned)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.batches) < 4 || w.batches[0] != (got{0, 500, w.batches[0].bytes}) || w.batches[1].from != 500 {
		t.Errorf("batches %v; want pieces of 500 that follow one another", w.batches)
	}
	for _, b := range w.batches {
		if b.end-b.from > batchEntries || b.bytes > batchBytes+chain.MaxCheckpoint {
			t.Errorf("batch %v is over the limit", b)
		}
	}
}

// TestEntriesThatComeTogetherTravelTogether: and an idle journal sends its checkpoint alone, again and again.
func TestEntriesThatComeTogetherTravelTogether(t *testing.T) {
	w := newTown(t)
	w.uplink.Debounce = 200 * time.Millisecond
	w.broker()
	w.centre()
	w.journal.add(1, 10)
	w.run()
	w.eventually("the first entry is cosigned", w.isCosigned)
	for range 20 {
		w.journal.add(1, 10)
		time.Sleep(time.Millisecond)
	}
	w.eventually("all are cosigned", w.isCosigned)
	w.mu.Lock()
	if len(w.batches) > 3 {
		t.Errorf("20 entries in 20 ms travelled in batches %v", w.batches)
	}
	w.mu.Unlock()
	w.eventually("the idle journal's checkpoint comes twice", func() bool {
		n := len(w.batches)
		return n >= 2 && w.batches[n-1].from == 21 && w.batches[n-2].from == 21 && w.batches[n-1].end == 21
	})
}

// TestBrokerMayDropDelayRepeatAndReorder: what is not answered is sent again; answers that come twice, late or garbled do no harm.
func TestBrokerMayDropDelayRepeatAndReorder(t *testing.T) {
	w := newTown(t)
	var old []byte
	w.misbehave = func(n int, answer []byte) [][]byte {
		switch n % 4 {
		case 1:
			old = answer
			return nil // lost
		case 2:
			return [][]byte{[]byte("garbage"), nil, bytes.Replace(answer, []byte("\n"), []byte("\n9"), 1), bytes.Repeat([]byte("x"), chain.MaxCheckpoint+1)}
		case 3:
			return [][]byte{old, answer, answer, old} // late, twice, out of order
		}
		return [][]byte{answer}
	}
	w.broker()
	w.centre()
	w.journal.add(3, 10)
	w.run()
	w.eventually("the first entries are cosigned", w.isCosigned)
	w.journal.add(700, 10)
	w.eventually("all are cosigned", w.isCosigned)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.batches) < 4 || w.batches[1].from != 0 {
		t.Errorf("batches %v; want the unanswered first one again", w.batches)
	}
}

// TestOneBatchUnderWay: a centre that does not answer is not flooded.
func TestOneBatchUnderWay(t *testing.T) {
	w := newTown(t)
	w.uplink.AnswerTimeout = time.Hour
	w.misbehave = func(int, []byte) [][]byte { return nil }
	w.broker()
	w.centre()
	w.journal.add(10, 10)
	w.run()
	w.eventually("the first batch comes", func() bool { return len(w.batches) == 1 })
	w.journal.add(2000, 10)
	time.Sleep(300 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.batches) != 1 {
		t.Errorf("batches %v without an answer to the first", w.batches)
	}
}

func TestComesBackAfterABrokerRestart(t *testing.T) {
	w := newTown(t)
	var sessions []error // as told; guarded by mu
	w.uplink.Session = func(lost error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		sessions = append(sessions, lost)
	}
	stop := w.broker()
	w.centre()
	w.journal.add(1, 10)
	w.run()
	w.eventually("the first entry is cosigned", w.isCosigned)
	stop()
	w.journal.add(5, 10) // the recorder goes on
	w.broker()
	c := w.centre()
	w.eventually("what was journalled meanwhile is cosigned", w.isCosigned)
	c.Publish(protocol.Topic(self, protocol.DownOrders), 1, false, "after the restart")
	w.eventually("orders come again", func() bool { return len(w.orders) == 1 })
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(sessions); n < 3 || sessions[0] != nil || sessions[1] == nil || sessions[n-1] != nil {
		t.Errorf("told of sessions: %v; want one, its loss, and another", sessions)
	}
}

// TestStatus: it is told at once, after an order, on a change but not more than once a second; a lost recorder is "offline" by its last
// will, a stopped one by its own word.
func TestStatus(t *testing.T) {
	w := newTown(t)
	w.broker()
	w.journal.add(1, 10)
	stop := w.run()
	c := w.centre()
	w.eventually("a centre that comes later hears the kept status", func() bool { return len(w.statuses) > 0 })
	before := time.Now()
	w.mu.Lock()
	made := w.status
	w.mu.Unlock()
	for range 50 {
		w.uplink.StatusChanged()
		time.Sleep(30 * time.Millisecond)
	}
	w.mu.Lock()
	if n := w.status - made; n < 1 || time.Duration(n-2)*time.Second > time.Since(before) {
		t.Errorf("%d statuses in %s of changes", n, time.Since(before))
	}
	heard := len(w.statuses)
	w.mu.Unlock()
	for _, order := range []string{"order 1", "order 2", strings.Repeat("x", maxOrder+1), "order 3"} {
		c.Publish(protocol.Topic(self, protocol.DownOrders), 1, false, order)
	}
	c.Publish(protocol.Topic("rec-2", protocol.DownOrders), 1, false, "another's order")
	w.eventually("the orders are taken in turn and the status follows", func() bool {
		return strings.Join(w.orders, ",") == "order 1,order 2,order 3" && len(w.statuses) > heard
	})
	lost, ok := w.server.Clients.Get(string(self))
	if !ok {
		t.Fatal("the recorder is not connected")
	}
	lost.Stop(errors.New("the line broke"))
	w.eventually("the last will is heard, and the recorder comes back", func() bool {
		heard := strings.Join(w.statuses, ",")
		return strings.Contains(heard, "offline,online")
	})
	stop()
	w.eventually("the stopped recorder says so", func() bool { return w.statuses[len(w.statuses)-1] == "offline" })
}

// TestOrdersAreBounded: an order that takes long costs bounded memory and never holds up cosignatures, which it may be waiting for.
func TestOrdersAreBounded(t *testing.T) {
	w := newTown(t)
	w.uplink.Order = func(ctx context.Context, _ []byte) { <-ctx.Done() }
	w.broker()
	c := w.centre()
	w.run()
	for range 200 {
		c.Publish(protocol.Topic(self, protocol.DownOrders), 1, false, "slow")
	}
	w.journal.add(3, 10)
	w.eventually("the journal is cosigned meanwhile", w.isCosigned)
}

func FuzzInbox(f *testing.F) {
	f.Add("beeldwacht/v1/rec-1/down/orders", []byte("x"))
	f.Add("beeldwacht/v1/rec-1/down/cosigned", []byte{})
	f.Add("beeldwacht/v1/rec-2/up/journal", []byte("x"))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		u := &Uplink{Recorder: self, Log: slog.New(slog.DiscardHandler)}
		in := u.newInbox()
		in.enqueue(topic, payload)
		if taken := len(in.orders) + len(in.cosigned); taken > 0 && topic != protocol.Topic(self, protocol.DownOrders) && topic != protocol.Topic(self, protocol.DownCosigned) {
			t.Errorf("took a message of %q", topic)
		}
	})
}

// Whether the broker's certificate is valid is judged by the time that the recorder trusts, and not by a machine's clock that may be anything.
func TestCertificateIsJudgedByTheRecordersTime(t *testing.T) {
	w := newTown(t)
	w.broker()
	lost := make(chan error, 1)
	w.uplink.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } // by then it has expired
	w.uplink.Session = func(err error) {
		select {
		case lost <- err:
		default:
		}
	}
	w.run()
	select {
	case err := <-lost:
		if err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("want an expired certificate, got %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing happened")
	}
}
