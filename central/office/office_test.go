package office

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
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
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/centraltest"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// These tests run the centre whole: its ledger, witness, embedded broker, and embedded object store as a child process of this test binary. Only
// the recorder is played by the test, over MQTT.

// TestMain is also the object store's process.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "object-store" {
		if err := vault.RunEmbedded(context.Background(), os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const (
	admin     protocol.PersonID = "p-admin"
	registrar protocol.PersonID = "p-registrar"
	colleague protocol.PersonID = "p-colleague"
	handler                     = protocoltest.Handler
	approver                    = protocoltest.Approver
	requester                   = protocoltest.Requester
)

// world is a centre's folder, its keys, and a recorder.
type world struct {
	t      testing.TB
	config Config
	town   *protocoltest.Town
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	pool   *x509.CertPool
	order  note.Verifier
	log    *logged

	mu     sync.Mutex
	offset time.Duration // of the centre's clock

	office *Office
	stop   func()
	rec    *recorder
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset)
}

// later moves the centre's clock.
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

func day(n int) protocol.Time { return protocol.T(time.Now().AddDate(0, 0, n)) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, town: protocoltest.NewTown(t, time.Now().Add(-time.Hour)), log: &logged{}}
	dir := t.TempDir()
	w.config = Config{Municipality: w.town.Municipality, Name: "Gemeente Stad", Location: "NL", Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys"),
		Pages:   PagesConfig{Listen: "127.0.0.1:0", URL: "http://localhost"},
		Contact: ContactConfig{Officer: "V. Grijs", Email: "fg@stad.example", Phone: "14 0492", Address: "Postbus 1"},
		Broker:  BrokerConfig{Listen: free(t)}, Vault: VaultConfig{Listen: free(t), Bucket: "evidence", Secrets: filepath.Join(dir, "secrets.yaml")}}
	w.check(os.WriteFile(w.config.Vault.Secrets, []byte("access_key: vault\nsecret_key: only-for-this-test-0123456789\n"), 0o600))
	w.makeKeys()
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// free is an address on which nothing listens.
func free(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (w *world) file(name, text string) {
	w.t.Helper()
	w.check(os.WriteFile(filepath.Join(w.config.Keys, name), []byte(text), 0o600))
}

// makeKeys writes what `beeldwacht centre` writes, and gives the town's roster those keys.
func (w *world) makeKeys() {
	w.check(os.MkdirAll(w.config.Keys, 0o700))
	key := func(file, name string) string {
		skey, vkey, err := protocol.NewKey(name)
		w.check(err)
		w.file(file, skey)
		if file == "witness.key" {
			_, vkey, err = chain.NewWitness(skey)
			w.check(err)
		}
		return vkey
	}
	orderKey := key("order.key", "order.stad/beeldwacht")
	w.town.OrderKey, w.town.LedgerKey = orderKey, key("ledger.key", protocol.LedgerOrigin("stad"))
	w.town.WitnessKey = key("witness.key", "witness.stad/beeldwacht")
	_, err := vault.NewIdentity(filepath.Join(w.config.Keys, "vault.key"))
	w.check(err)
	w.town.Vault, err = vault.LoadIdentity(filepath.Join(w.config.Keys, "vault.key"))
	w.check(err)
	w.order, err = protocol.NewVerifier(orderKey)
	w.check(err)

	w.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stad"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &w.caKey.PublicKey, w.caKey)
	w.check(err)
	w.ca, err = x509.ParseCertificate(der)
	w.check(err)
	w.pool = x509.NewCertPool()
	w.pool.AddCert(w.ca)
	w.file("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	for file, name := range map[string]string{"server": "localhost", "centre": "centre"} {
		cert, key := w.certificate(name, time.Hour)
		w.file(file+".crt", cert)
		w.file(file+".tls", key)
	}
}

// certificate is for a server on this machine when it is named localhost, for a client otherwise. It ends after a term, which may be over.
func (w *world) certificate(name string, term time.Duration) (cert, key string) {
	w.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(term),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if name == "localhost" {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, w.ca, &k.PublicKey, w.caKey)
	w.check(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	w.check(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func (w *world) newOffice() *Office {
	exe, err := os.Executable()
	w.check(err)
	return &Office{Config: w.config, Store: vault.Child{Exe: exe, Args: []string{"object-store"}}, Now: w.now, Log: slog.New(slog.NewTextHandler(w.log, nil))}
}

// start runs the centre until stop, or the end of the test.
func (w *world) start() {
	w.t.Helper()
	o := w.newOffice()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	w.office = o
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				w.t.Errorf("the centre did not stop in order: %v", err)
			}
		case <-time.After(60 * time.Second):
			w.t.Error("the centre does not stop")
		}
	}
	w.t.Cleanup(func() { w.stop() })
	w.until("the centre is up", func() bool {
		select {
		case err := <-ended:
			ended <- err
			w.t.Fatalf("the centre ended: %v\n%s", err, w.log)
		default:
		}
		return strings.Contains(w.log.since(), "centre started") && strings.Contains(w.log.since(), "MQTT session")
	})
}

func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.log.mark()
	w.start()
}

// until waits for what must come.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s\n%s", what, w.log)
		}
	}
}

func (w *world) do(c central.Command) []central.Event {
	w.t.Helper()
	events, err := w.office.book.Do(w.t.Context(), c)
	w.check(err)
	return events
}

func (w *world) incidents() (kinds []string) {
	w.office.View(func(s *central.State) {
		for _, i := range s.Incidents(w.now()) {
			kinds = append(kinds, i.Kind)
		}
	})
	return kinds
}

// fill gives the new centre its people, its recorder and a camera.
func (w *world) fill() {
	w.t.Helper()
	post := func(role central.Role) central.Post { return central.Post{Role: role} }
	appoint := func(p protocol.PersonID, unit string, posts ...central.Post) {
		w.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: p, Posts: posts, Unit: unit, Secrecy: day(-10)}})
	}
	w.do(central.Open{Municipality: "stad", Administrator: admin, Secrecy: day(-10)})
	w.do(central.AgreeUnit{By: admin, Unit: central.Unit{ID: "basisteam", Name: "Politie basisteam", Agreement: "CV-1", ValidUntil: day(365), AgreementFacts: central.AgreementFacts{Kind: central.ChainPartner, Parties: "x", Goals: "x",
		Special: "x", Informing: "x", Processings: "x", Rights: "x", ValidFrom: day(-30), Review: day(300)}}})
	w.do(central.EnrolRecorder{By: admin, Recorder: "rec-1", Key: w.town.LogKey, Origin: w.town.Log.Name(), Roots: w.town.Roots,
		Roster: w.town.Roster(1, func(r *protocol.Roster) { r.LevelCentre, r.OfficerKey = true, "" })})
	appoint(registrar, "", post(central.Registrar))
	appoint(protocoltest.Officer, "", post(central.Officer))
	appoint(handler, "", central.Post{Role: central.Handler, Regime: protocol.AVG})
	appoint(approver, "", central.Post{Role: central.Approver, Regime: protocol.AVG})
	appoint(requester, "basisteam", post(central.Requester))
	appoint(colleague, "basisteam", post(central.Requester))
	w.do(central.AdoptProtocol{By: registrar, CameraProtocol: central.CameraProtocol{ID: "gebouwen", Version: 1, Title: "Cameraprotocol gebouwen", Regime: protocol.AVG,
		Purposes: []central.Purpose{central.Buildings}, Bases: []central.Basis{central.PublicTask}, Window: protocol.Window(7 * 24 * time.Hour), LongestHold: protocol.MaxWindow, Form: central.ViewLive, Roles: central.ProtocolUsers,
		Viewing: "x", Release: "x", Recognisability: "x", Security: "x", AdoptedBy: "college", AdoptedOn: day(-30), Published: "gemeenteblad", ValidFrom: day(-30), Review: day(300), Document: protocol.HashOf([]byte("x"))}})
	for _, c := range centraltest.Assess(registrar, protocoltest.Officer, w.now()) {
		w.do(c)
	}
	w.do(central.RegisterPlacement{By: registrar, PlacementFacts: centraltest.Ready(central.PlacementFacts{Camera: "hal", Name: "Hal", Regime: protocol.AVG, Position: central.At(51.4, 5.6), Place: "ingang",
		Purposes: []central.Purpose{central.Buildings}, Subsidiarity: "beveiligers volstaan niet", Proportionality: "alleen de ingang",
		Besluit:  central.Besluit{Reference: "B-1", Date: day(-20), ValidFrom: day(-10), ValidUntil: day(300), Body: "college", Area: "stadskantoor"},
		Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}, Sign: central.Sign{Placed: day(-5)}, Recorder: "rec-1", Streams: []protocol.StreamID{"main"},
		Publication: central.PublishExact, Contact: "fg@stad.example"})})
	w.do(central.Activate{By: registrar, Camera: "hal"})
}

// file asks for footage.
func (w *world) ask(by protocol.PersonID) *central.Request {
	w.t.Helper()
	events := w.do(central.FileRequest{By: by, RequestFacts: central.RequestFacts{Kind: central.Vordering, Article: "126nda", Authority: "hulpofficier Jansen", Cameras: []protocol.CameraID{"hal"},
		Asked: protocol.Span(w.now().Add(-time.Hour), w.now().Add(-50*time.Minute)), Reference: "PL-1", Necessity: "de verdachte liep langs de ingang"}})
	return w.request(events[0].Fact.(*central.RequestFiled).ID)
}

func (w *world) request(id protocol.RequestID) *central.Request {
	var r central.Request
	w.office.View(func(s *central.State) {
		r = *s.Request(id)
		r.Holds = slices.Clone(r.Holds)
		for i, h := range r.Holds { // the office goes on writing to its own
			own := *h
			r.Holds[i] = &own
		}
	})
	return &r
}

// logged is the centre's log.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
	from int
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) mark() { l.mu.Lock(); defer l.mu.Unlock(); l.from = l.text.Len() }

func (l *logged) since() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()[l.from:]
}

func (l *logged) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

// recorder plays one over MQTT. Its journal is a real chain.
type recorder struct {
	w       *world
	client  paho.Client
	head    chain.Head
	entries []chain.Entry
	hashes  chain.Hashes
	log     uint64 // number of its journal; 0: the first

	mu        sync.Mutex
	envelopes []protocol.Envelope
	cosigned  []byte
}

func (w *world) newRecorder() *recorder {
	r := &recorder{w: w}
	w.rec = r
	return r
}

// connect as rec-1 with its own certificate.
func (r *recorder) connect() {
	r.w.t.Helper()
	if r.client != nil {
		r.client.Disconnect(0)
	}
	cert, key := r.w.certificate("rec-1", time.Hour)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	r.w.check(err)
	r.client = paho.NewClient(paho.NewClientOptions().AddBroker("ssl://" + r.w.config.Broker.Listen).SetClientID("rec-1").SetProtocolVersion(4).SetAutoReconnect(false).
		SetTLSConfig(&tls.Config{RootCAs: r.w.pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}))
	r.wait(r.client.Connect())
	r.wait(r.client.Subscribe(protocol.Topic("rec-1", protocol.DownOrders), 1, func(_ paho.Client, m paho.Message) {
		e, err := protocol.OpenEnvelope(m.Payload(), r.w.order)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil {
			r.w.t.Errorf("an envelope that no recorder would take: %v", err)
			return
		}
		r.envelopes = append(r.envelopes, e)
	}))
	r.wait(r.client.Subscribe(protocol.Topic("rec-1", protocol.DownCosigned), 1, func(_ paho.Client, m paho.Message) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cosigned = m.Payload()
	}))
	r.w.t.Cleanup(func() { r.client.Disconnect(0) })
}

func (r *recorder) wait(token paho.Token) {
	r.w.t.Helper()
	if !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		r.w.t.Fatal("MQTT:", token.Error())
	}
}

func (r *recorder) publish(channel protocol.Channel, payload []byte) {
	r.w.t.Helper()
	r.wait(r.client.Publish(protocol.Topic("rec-1", channel), 1, false, payload))
}

// status says how many orders it has used.
func (r *recorder) status(last uint64, changes ...func(*protocol.Status)) []byte {
	r.w.t.Helper()
	s := protocol.Status{Recorder: "rec-1", Time: protocol.T(r.w.now()), State: "online", LastOrder: last, Entries: r.head.Size, Software: "test"}
	for _, change := range changes {
		change(&s)
	}
	raw, err := protocol.SignStatus(s, r.w.town.Log)
	r.w.check(err)
	return raw
}

// numbers of the envelopes that came in since forget. One may come twice: on a status and because it was issued.
func (r *recorder) numbers() (list []uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.envelopes {
		list = append(list, e.Number)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (r *recorder) envelope(number uint64) protocol.Envelope {
	r.w.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.envelopes, func(e protocol.Envelope) bool { return e.Number == number })
	if i < 0 {
		r.w.t.Fatalf("envelope %d has not come", number)
	}
	return r.envelopes[i]
}

// forget also what is still under way: an order may have been sent twice, which does no harm.
func (r *recorder) forget() {
	for had := -1; ; time.Sleep(300 * time.Millisecond) {
		r.mu.Lock()
		if len(r.envelopes) == had {
			r.envelopes = nil
			r.mu.Unlock()
			return
		}
		had = len(r.envelopes)
		r.mu.Unlock()
	}
}

// write makes the next entry of its journal.
func (r *recorder) write(kind string, body any) uint64 {
	r.w.t.Helper()
	e, err := chain.Seal(&r.head, kind, body, r.w.now())
	r.w.check(err)
	r.w.check(r.hashes.Add(r.head.Size, e.Header))
	r.w.check(r.head.Add(e))
	r.entries = append(r.entries, e)
	return r.head.Size - 1
}

// batch of its entries from a place on.
func (r *recorder) batch(from int) []byte {
	r.w.t.Helper()
	var b bytes.Buffer
	for _, e := range r.entries[from:] {
		r.w.check(chain.WriteEntry(&b, e))
	}
	signer, err := protocol.SignerUnder(protocol.LogOrigin(r.w.town.Log.Name(), r.log), r.w.town.Log)
	r.w.check(err)
	cp, err := chain.SignCheckpoint(chain.Checkpoint{Origin: signer.Name(), Size: r.head.Size, Root: r.head.Root()}, signer)
	r.w.check(err)
	r.w.check(chain.WriteCheckpoint(&b, cp))
	return b.Bytes()
}

// deliver hands its whole journal in until it is cosigned.
func (r *recorder) deliver() {
	r.w.t.Helper()
	r.w.until("the witness knows the recorder", func() bool { _, ok := r.w.office.witness.Recorder("rec-1"); return ok }) // a real one hands in again
	r.publish(protocol.UpJournal, r.batch(0))
	r.w.until("the journal is cosigned", func() bool { return r.cosignedSize() == r.head.Size })
}

func (r *recorder) cosignedSize() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cosigned == nil {
		return 0
	}
	log, err := protocol.NewVerifier(r.w.town.LogKey)
	r.w.check(err)
	witness, err := chain.WitnessVerifier(r.w.town.WitnessKey)
	r.w.check(err)
	c, by, err := chain.OpenSuccessor(r.cosigned, r.w.town.Log.Name(), log, witness)
	if err != nil || len(by) != 1 {
		r.w.t.Errorf("cosigned by %d: %v", len(by), err)
	}
	return c.Size
}

// obey writes what a recorder writes on each order.
func (r *recorder) obey(e protocol.Envelope) {
	r.w.t.Helper()
	signed, err := protocol.ParseDocument(e.Document)
	r.w.check(err)
	r.write(protocol.KindOrder, protocol.Order{Number: e.Number, Kind: signed.Kind(), ID: signed.Head().ID, Level: protocol.LevelCentre, Document: string(e.Document)})
	if h, ok := signed.Document.(*protocol.Hold); ok {
		r.write(protocol.KindHoldPlaced, protocol.HoldPlaced{Hold: h.HoldID(), Request: h.Request, Camera: h.Camera, Asked: h.Asked, Interval: h.Asked, Segments: 11, Bytes: 1 << 20, Root: protocol.HashOf([]byte("r")), End: h.End})
	}
}

// release writes that a grant's bag is in the vault; what it uploaded is in stored.
func (r *recorder) release(g *central.Grant, stored []byte) {
	r.w.t.Helper()
	r.write(protocol.KindReleased, protocol.Released{Grant: g.GrantID(), Request: g.Request, Camera: g.Camera, Object: central.ObjectName("rec-1", g.GrantID()), Size: int64(len(stored)),
		SHA256: protocol.HashOf(stored), Bag: protocol.HashOf([]byte("bag")), Manifest: protocol.HashOf([]byte("m")), Segments: 11})
}

// running is a filled centre with a connected recorder.
func running(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.start()
	w.fill()
	w.newRecorder().connect()
	return w
}

// TestOrdersGoDown: issued → sealed → delivered; lost → sent again on the recorder's status; late, repeated and disordered news changes nothing.
func TestOrdersGoDown(t *testing.T) {
	t.Parallel()
	w := running(t)
	r := w.rec
	if n := r.numbers(); n != nil {
		t.Errorf("orders %v to a recorder that has said nothing", n)
	}
	r.publish(protocol.UpStatus, r.status(0))
	w.until("the mandate arrives", func() bool { return slices.Contains(r.numbers(), 1) })
	w.ask(requester)
	w.until("the hold arrives at once", func() bool { return slices.Contains(r.numbers(), 2) })
	e := r.envelope(2)
	if signed, err := protocol.ParseDocument(e.Document); err != nil || signed.Kind() != "hold" || e.Recorder != "rec-1" {
		t.Errorf("envelope 2 is for %s: %v", e.Recorder, err)
	}

	// All that was sent is lost; the next status says so.
	r.forget()
	w.later(sendAgain)
	r.publish(protocol.UpStatus, r.status(0))
	w.until("lost orders come again", func() bool { return slices.Equal(r.numbers(), []uint64{1, 2}) })
	// Part is lost.
	r.forget()
	w.later(sendAgain)
	old := r.status(0)
	r.publish(protocol.UpStatus, r.status(1))
	w.until("what is missing comes, and no more", func() bool { return slices.Equal(r.numbers(), []uint64{2}) })

	// News that the broker repeats or brings late, or that somebody else made.
	w.later(time.Second)
	newest := r.status(2)
	r.publish(protocol.UpStatus, newest)
	w.until("the status is taken", func() bool { s, _ := w.office.StatusOf("rec-1"); return s.LastOrder == 2 })
	r.forget()
	w.later(time.Minute)
	heard, _ := w.office.StatusOf("rec-1")
	other, _ := protocoltest.Key(t, w.town.Log.Name())
	forged, err := protocol.SignStatus(protocol.Status{Recorder: "rec-1", Time: protocol.T(w.now()), State: "online", Software: "forged"}, other)
	w.check(err)
	r.publish(protocol.UpStatus, old)
	r.publish(protocol.UpStatus, newest)
	r.publish(protocol.UpStatus, forged)
	r.publish(protocol.UpStatus, r.status(0, func(s *protocol.Status) { s.Recorder = "rec-2" }))
	r.publish(protocol.UpStatus, r.status(0, func(s *protocol.Status) { s.Time = protocol.T(w.now().Add(time.Hour)) }))
	r.publish(protocol.UpStatus, []byte("nonsense"))
	w.until("they are refused in the log", func() bool { return strings.Count(w.log.since(), "status not accepted") == 4 })
	if now, _ := w.office.StatusOf("rec-1"); !now.Received.Equal(heard.Received) || now.LastOrder != 2 || now.Software != "test" {
		t.Errorf("old news counts as new: %+v, was %+v", now, heard)
	}
	if n := r.numbers(); n != nil {
		t.Errorf("orders %v on old or forged news", n)
	}

	// After a restart the broker still has the last status that it was to keep: true once, but not news.
	w.restart()
	r.connect()
	r.publish(protocol.UpStatus, newest)
	w.until("it is taken", func() bool { _, ok := w.office.StatusOf("rec-1"); return ok })
	if s, _ := w.office.StatusOf("rec-1"); w.now().Sub(s.Received) < 50*time.Second {
		t.Errorf("a status of %s counts as heard at %s", s.Time, s.Received)
	}
	w.later(time.Second)
	w.ask(colleague)
	w.until("orders go on where they were", func() bool { return slices.Equal(r.numbers(), []uint64{3}) })
}

// TestFactsAreReadOnce: a start goes on where the last one was; but under a ledger that was put back from a copy, which lacks facts that were taken in,
// the journals are read again.
func TestFactsAreReadOnce(t *testing.T) {
	t.Parallel()
	w := running(t)
	r := w.rec
	r.write(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "stad"})
	tell := func(what string) {
		t.Helper()
		r.write(protocol.KindIncident, protocol.Incident{What: what})
		r.deliver()
		w.until(what+" is in the ledger", func() bool { return slices.Contains(w.incidents(), what) })
	}
	tell("unlink-failed")
	ledger := filepath.Join(w.config.Data, "ledger.db")
	w.stop()
	before, err := os.ReadFile(ledger)
	w.check(err)
	w.restart()
	if err := w.office.resumeFacts(t.Context()); err != nil {
		t.Error(err)
	}
	if _, got := w.office.witness.Taken("rec-1"); got != uint64(len(r.entries)) {
		t.Errorf("after a start %d of %d entries are taken in", got, len(r.entries))
	}
	r.connect()
	tell("disk-full")
	w.stop()
	w.check(os.WriteFile(ledger, before, 0o600))
	w.restart()
	w.until("what the old copy lacks is taken in again", func() bool { return slices.Contains(w.incidents(), "disk-full") })
	if !strings.Contains(w.log.since(), "the recorders' journals are read again from the start") {
		t.Error("the log does not say that the journals are read again")
	}
}

// TestFactsComeUp: batch → stored → cosigned → each fact becomes a command once, also after a restart and when everything is handed in again.
func TestFactsComeUp(t *testing.T) {
	t.Parallel()
	w := running(t)
	r := w.rec
	asked := w.ask(requester)
	r.publish(protocol.UpStatus, r.status(0))
	w.until("mandate and hold arrive", func() bool { return slices.Equal(r.numbers(), []uint64{1, 2}) })
	r.write(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "stad"})
	r.obey(r.envelope(1))
	r.obey(r.envelope(2))
	r.deliver()
	w.until("the hold is confirmed", func() bool { return w.request(asked.ID).Holds[0].State() == "confirmed" })
	hold := w.request(asked.ID).Holds[0]
	w.do(central.CheckRequest{By: handler, Request: asked.ID, Complete: true, Necessary: true})
	w.do(central.DecideRequest{By: approver, Request: asked.ID, Outcome: central.Grants, Reason: central.Complies, Motivation: "voldoet", Approved: []central.Approved{{Camera: "hal", Interval: hold.Rounded()}}})
	grant := w.request(asked.ID).Grants[0]
	failed := protocol.ReleaseFailed{Grant: grant.GrantID(), Request: asked.ID, Reason: "vault full"}
	r.write(protocol.KindReleaseFail, failed)
	r.write(protocol.KindReleaseFail, failed)
	r.release(grant, []byte("stored"))
	r.write(protocol.KindIncident, protocol.Incident{What: "unlink-failed", Detail: "read-only file system"})
	r.write(protocol.KindEpochBegun, protocol.EpochBegun{Key: w.town.LogKey})
	_, next, err := protocol.NewKey(w.town.Log.Name())
	w.check(err)
	r.write(protocol.KindEpochBegun, protocol.EpochBegun{Epoch: 1, Key: next, Lost: "the file is gone"})
	r.write(protocol.KindHoldLifted, map[string]any{"hold": "h-1", "since": "a newer version"})
	r.deliver()
	w.until("all facts are in", func() bool { return slices.Contains(w.incidents(), "entry-unreadable") })
	if s := w.request(asked.ID).Status; s != central.Released {
		t.Errorf("the request is %s", s)
	}
	if got := fmt.Sprint(w.incidents()); got != "[entry-unreadable seals-broken unlink-failed release-failed]" {
		t.Error(got)
	}
	size := w.office.book.Size()

	again := func(when string) {
		t.Helper()
		for range 3 {
			r.publish(protocol.UpJournal, r.batch(0))
			r.publish(protocol.UpJournal, r.batch(len(r.entries)-1))
		}
		r.write(protocol.KindHoldLifted, protocol.HoldLifted{Hold: "h-none"}) // a mark: when it is cosigned, all before it were taken
		r.deliver()
		time.Sleep(100 * time.Millisecond)
		if now := w.office.book.Size(); now != size {
			entries, _ := w.office.book.Entries(t.Context(), size, 10)
			t.Errorf("%s: the ledger has %d entries, had %d: %s", when, now, size, entries)
		}
	}
	again("repeated")
	w.restart()
	r.connect()
	again("after a restart")

	// A journal that was put back is shown as soon as the recorder itself says so.
	if c := (recorders{w.office}).Chain("rec-1"); len(c.Findings) != 0 {
		t.Errorf("%+v", c.Findings)
	}
	w.later(5 * time.Second)
	r.publish(protocol.UpStatus, r.status(0, func(s *protocol.Status) { s.Entries = 2 }))
	w.until("the rollback is shown", func() bool {
		f := recorders{w.office}.Chain("rec-1").Findings
		return len(f) == 1 && strings.Contains(f[0].EN, "put back")
	})
	w.later(time.Second)
	r.publish(protocol.UpStatus, r.status(0))
	w.until("the rollback is an incident", func() bool { return slices.Contains(w.incidents(), "log-rollback") })

	// A journal that does not extend is not cosigned, and the officer can see why.
	cosigned := r.cosignedSize()
	lie := recorder{w: w, head: r.head, entries: slices.Clone(r.entries), hashes: slices.Clone(r.hashes)}
	r.write(protocol.KindStopped, protocol.Stopped{Reason: "one"})
	r.deliver()
	lie.write(protocol.KindStopped, protocol.Stopped{Reason: "another"})
	r.publish(protocol.UpJournal, lie.batch(0))
	w.until("the fork is found", func() bool {
		f := recorders{w.office}.Chain("rec-1").Findings
		return len(f) == 2 && strings.Contains(f[0].EN, "two logs that contradict") // what was seen before stays: it is evidence
	})
	if got := r.cosignedSize(); got != cosigned+1 {
		t.Errorf("%d cosigned, want %d", got, cosigned+1)
	}
}

// TestForgedOrderIsNoticed: the recorder has used a number that this centre never gave out.
func TestForgedOrderIsNoticed(t *testing.T) {
	t.Parallel()
	w := running(t)
	r := w.rec
	r.publish(protocol.UpStatus, r.status(0))
	w.until("the mandate arrives", func() bool { return slices.Equal(r.numbers(), []uint64{1}) })
	r.write(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "stad"})
	r.obey(r.envelope(1))
	r.write(protocol.KindOrder, protocol.Order{Number: 2, Kind: "grant", ID: "g-1", Level: protocol.LevelCentre, Document: "forged"})
	w.later(time.Second)
	r.publish(protocol.UpStatus, r.status(2))
	w.until("its status is noticed", func() bool { return slices.Equal(w.incidents(), []string{"orders-ahead"}) })
	r.deliver()
	w.until("its journal says which", func() bool { return slices.Contains(w.incidents(), "order-foreign") })
	r.forget()
	w.ask(requester)
	w.until("the next order is one that the recorder takes", func() bool { return slices.Equal(r.numbers(), []uint64{3}) })
}

// TestStrangersAreRefused: wrong certificate, unknown recorder.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	w := running(t)
	dial := func(name, cert, key string) error {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		w.check(err)
		c := paho.NewClient(paho.NewClientOptions().AddBroker("ssl://" + w.config.Broker.Listen).SetClientID(name).SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(2 * time.Second).
			SetTLSConfig(&tls.Config{RootCAs: w.pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}))
		defer c.Disconnect(0)
		token := c.Connect()
		if !token.WaitTimeout(5 * time.Second) {
			return errors.New("no answer")
		}
		if token.Error() == nil {
			for _, channel := range []protocol.Channel{protocol.UpStatus, protocol.UpJournal} {
				c.Publish(protocol.Topic(protocol.RecorderID(name), channel), 1, false, w.rec.batch(0)).WaitTimeout(2 * time.Second)
			}
		}
		return token.Error()
	}
	cert, key := w.certificate("rec-1", -time.Minute)
	if dial("rec-1", cert, key) == nil {
		t.Error("an expired certificate was let in")
	}
	w.until("the log says why, and who", func() bool {
		return strings.Contains(w.log.since(), "certificate has expired") && strings.Contains(w.log.since(), "remote=127.0.0.1")
	})
	cert, key = w.certificate("localhost", time.Hour)
	if dial("rec-1", cert, key) == nil {
		t.Error("a server's certificate was let in")
	}
	cert, key = w.certificate("rec-9", time.Hour) // of our CA, and enrolled nowhere
	w.check(dial("rec-9", cert, key))
	w.until("the log names it", func() bool {
		return strings.Contains(w.log.since(), "status of a recorder that is not enrolled") && strings.Contains(w.log.since(), "recorder is not enrolled with this witness") && strings.Contains(w.log.since(), "rec-9")
	})
	w.rec.publish(protocol.UpStatus, w.rec.status(0)) // the others go on
	w.until("the mandate arrives", func() bool { return slices.Contains(w.rec.numbers(), 1) })
}

// store is the embedded object store, seen with the recorder's keys.
func (w *world) store() *minio.Client {
	w.t.Helper()
	transport, err := minio.DefaultTransport(true)
	w.check(err)
	transport.TLSClientConfig = &tls.Config{RootCAs: w.pool}
	w.t.Cleanup(transport.CloseIdleConnections)
	c, err := minio.New(w.office.vault.Endpoint, &minio.Options{Creds: credentials.NewStaticV4("vault", "only-for-this-test-0123456789", ""), Secure: true, Region: "us-east-1", Transport: transport})
	w.check(err)
	return c
}

// upload is what a recorder uploads, locked until a time.
func (w *world) upload(object string, until time.Time) (stored []byte) {
	w.t.Helper()
	var b bytes.Buffer
	in, err := age.Encrypt(&b, w.town.Vault.Recipient())
	w.check(err)
	_, err = io.WriteString(in, "a bag")
	w.check(err)
	w.check(in.Close())
	sum := sha256.Sum256(b.Bytes())
	_, err = w.store().PutObject(w.t.Context(), w.config.Vault.Bucket, object, bytes.NewReader(b.Bytes()), int64(b.Len()), minio.PutObjectOptions{
		Mode: minio.Compliance, RetainUntilDate: until, SendContentMd5: true, UserMetadata: map[string]string{vault.MetaSHA256: hex.EncodeToString(sum[:])}})
	w.check(err)
	return b.Bytes()
}

func (w *world) versions(prefix string) (n int) {
	for v := range w.store().ListObjectsIter(w.t.Context(), w.config.Vault.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: true}) {
		w.check(v.Err)
		n++
	}
	return n
}

// TestBagsAreKeptForTheirTerm: a bag that was handed over stays for fourteen days after that, and no longer; one whose term is over goes in every version.
func TestBagsAreKeptForTheirTerm(t *testing.T) {
	t.Parallel()
	w := running(t)
	r := w.rec
	asked := w.ask(requester)
	r.publish(protocol.UpStatus, r.status(0))
	w.until("the hold arrives", func() bool { return len(r.numbers()) == 2 })
	r.write(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "stad"})
	r.obey(r.envelope(1))
	r.obey(r.envelope(2))
	r.deliver()
	w.until("the hold is confirmed", func() bool { return w.request(asked.ID).Holds[0].State() == "confirmed" })
	w.do(central.CheckRequest{By: handler, Request: asked.ID, Complete: true, Necessary: true})
	w.do(central.DecideRequest{By: approver, Request: asked.ID, Outcome: central.Grants, Reason: central.Complies, Motivation: "voldoet",
		Approved: []central.Approved{{Camera: "hal", Interval: w.request(asked.ID).Holds[0].Rounded()}}})
	grant := w.request(asked.ID).Grants[0]
	object := central.ObjectName("rec-1", grant.GrantID())
	soon := time.Now().Add(2 * time.Second).UTC() // the store has a clock of its own; a real lock is fourteen days
	r.release(grant, w.upload(object, soon))
	w.upload("release/rec-1/g-old.age", soon)
	w.upload("release/rec-1/g-old.age", soon) // somebody wrote it again
	w.check(w.store().RemoveObject(t.Context(), w.config.Vault.Bucket, "release/rec-1/g-old.age", minio.RemoveObjectOptions{}))
	if n := w.versions("release/rec-1/g-old.age"); n != 3 {
		t.Fatalf("%d versions to begin with", n)
	}
	r.deliver()
	w.until("the footage is ready", func() bool { return w.request(asked.ID).Status == central.Released })
	w.do(central.RecordDownload{By: requester, Request: asked.ID, Grant: grant.GrantID()})
	w.do(central.ConfirmHandOver{By: colleague, Request: asked.ID})

	ctx := t.Context()
	w.office.tendVault(ctx) // as each minute
	handed := w.request(asked.ID).HandedOver.At
	o, err := w.office.vault.Stat(ctx, object)
	if want := handed.Add(protocol.HandOverTerm); err != nil || o.Until.Before(want.Truncate(time.Second)) || o.Until.After(want.Add(time.Minute)) {
		t.Errorf("kept until %s, want %s (%v)", o.Until, want, err)
	}
	time.Sleep(time.Until(soon.Add(1100 * time.Millisecond)))
	w.office.tendVault(ctx)
	if n := w.versions("release/rec-1/g-old.age"); n != 0 {
		t.Errorf("%d versions of an expired bag are left", n)
	}
	if n := w.versions(object); n != 1 {
		t.Errorf("the bag handed over: %d versions", n)
	}
	if !strings.Contains(w.log.since(), "written or deleted again") {
		t.Error("nobody is told that a bag was written again")
	}
}

// TestStartsWithoutTheObjectStore: a store elsewhere that is down takes nothing else with it, and is used as soon as it answers.
func TestStartsWithoutTheObjectStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addr := w.config.Vault.Listen
	w.config.Vault.Endpoint, w.config.Vault.Listen = addr, ""
	w.config.Pages.Listen = free(t)
	w.start()
	for _, want := range []string{"without the object store", addr, "running"} {
		if !strings.Contains(w.log.since(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	res, err := http.Get("http://" + w.config.Pages.Listen + "/")
	w.check(err)
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the public pages answer %s", res.Status)
	}
	w.fill()
	w.newRecorder().connect()
	w.rec.write(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "stad"})
	w.rec.deliver()

	store, err := vault.StartEmbedded(t.Context(), w.office.Store, vault.EmbeddedConfig{Dir: filepath.Join(t.TempDir(), "vault"), Addr: addr, AccessKey: "vault", SecretKey: "only-for-this-test-0123456789",
		CertFile: filepath.Join(w.config.Keys, "server.crt"), KeyFile: filepath.Join(w.config.Keys, "server.tls")}, w.pool, slog.New(slog.DiscardHandler))
	w.check(err)
	t.Cleanup(store.Stop)
	if _, err := w.office.vault.Stat(t.Context(), "release/rec-1/g-1.age"); err == nil {
		t.Error("the bucket was there already")
	}
	w.stop() // tend runs once a minute: what it then does is done here
	w.office.tendVault(t.Context())
	w.upload("release/rec-1/g-1.age", time.Now().Add(time.Hour))
}

// TestWrongKeysAreNamed: what is wrong with the keys' folder is said with its file, before anything is opened.
func TestWrongKeysAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, text := range map[string]string{"order.key": "nonsense", "server.crt": "nonsense", "ca.crt": "nonsense", "vault.key": "nonsense", "witness.key": "nonsense"} {
		file := filepath.Join(w.config.Keys, name)
		good, err := os.ReadFile(file)
		w.check(err)
		w.check(os.WriteFile(file, []byte(text), 0o600))
		o := w.newOffice()
		if err := o.Open(t.Context()); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(name, filepath.Ext(name))) {
			t.Errorf("%s: %v", name, err)
		}
		w.check(os.WriteFile(file, good, 0o600))
	}
	w.check(os.Remove(filepath.Join(w.config.Keys, "order.key")))
	if err := w.newOffice().Open(t.Context()); err == nil || !strings.Contains(err.Error(), "order.key") || !strings.Contains(err.Error(), "beeldwacht centre") {
		t.Errorf("missing: %v", err)
	}
}

// TestAFactTheLedgerCannotTakeIsNotLost: its disk is full, say. The fact stays the next one of its recorder.
func TestAFactTheLedgerCannotTakeIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.office = w.newOffice()
	w.check(w.office.Open(t.Context()))
	t.Cleanup(func() { w.office.Close() })
	w.fill()
	w.office.enrol()
	r := w.newRecorder()
	r.write(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "stad"})
	r.write(protocol.KindIncident, protocol.Incident{What: "unlink-failed"})
	_, err := w.office.witness.Receive(t.Context(), "rec-1", r.batch(0))
	w.check(err)
	w.check(w.office.book.Close())
	if taken, err := w.office.takeSome(t.Context(), "rec-1", 0, 0); taken != 1 || err == nil {
		t.Errorf("%d entries taken by a ledger that takes nothing: %v", taken, err)
	}
	w.check(errors.Join(w.office.witness.Close(), w.office.identity.Close()))
	w.office = w.newOffice()
	w.check(w.office.Open(t.Context()))
	if taken, err := w.office.takeSome(t.Context(), "rec-1", 0, 1); taken != 1 || err != nil || !slices.Equal(w.incidents(), []string{"unlink-failed"}) {
		t.Errorf("%d taken, %v, incidents %v", taken, err, w.incidents())
	}
}

// TestKeysThatDoNotFitTheRosterAreNamed: the recorder would drop every order without a word.
func TestKeysThatDoNotFitTheRosterAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.office = w.newOffice()
	w.check(w.office.Open(t.Context()))
	w.fill()
	w.office.enrol()
	if strings.Contains(w.log.since(), "another key") {
		t.Fatal(w.log)
	}
	w.check(w.office.Close())
	order, _, err := protocol.NewKey("order.stad/beeldwacht")
	w.check(err)
	w.file("order.key", order)
	w.later(366 * 24 * time.Hour)
	w.office = w.newOffice()
	w.check(w.office.Open(t.Context()))
	w.office.enrol()
	for _, want := range []string{"another key", "recorder=rec-1", "key=order", "roster is not in force", "server.crt"} {
		if !strings.Contains(w.log.since(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	w.check(w.office.Close())
}

// TestBehindAProxy: the site is https to everybody, whoever does the TLS.
func TestBehindAProxy(t *testing.T) {
	var seen *http.Request
	h := behindProxy(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
	for _, c := range []struct{ peer, forwarded, want string }{
		{"127.0.0.1:99", "198.51.100.7, 203.0.113.9", "203.0.113.9:0"}, // the first is the visitor's own word
		{"10.0.0.2:99", "203.0.113.9", "203.0.113.9:0"},
		{"203.0.113.1:99", "198.51.100.7", "203.0.113.1:99"}, // not a proxy of ours
		{"127.0.0.1:99", "", "127.0.0.1:99"},
		{"127.0.0.1:99", "nonsense", "127.0.0.1:99"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if seen.RemoteAddr != c.want || seen.TLS == nil {
			t.Errorf("%+v: %s, TLS %v", c, seen.RemoteAddr, seen.TLS != nil)
		}
	}
}

// TestStopLeavesNothingRunning runs alone, before the parallel tests.
func TestStopLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newWorld(t)
	w.start()
	w.fill()
	w.newRecorder().connect()
	w.rec.publish(protocol.UpStatus, w.rec.status(0))
	w.until("an order", func() bool { return len(w.rec.numbers()) > 0 })
	w.rec.client.Disconnect(100)
	w.stop()
	w.until("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	w.log.mark()
	w.start() // and its ports are free again
	w.stop()

	o := w.newOffice() // stopped while it starts: in order too
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	w.check(o.Run(ctx))
}
