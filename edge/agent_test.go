package edge

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
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/uplink/uplinktest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

const plein protocol.CameraID = "plein-noord"

// street is a whole recorder on its place: a camera that plays, a broker, and a centre that witnesses its journal and sends it orders.
type street struct {
	*testing.T
	town    *protocoltest.Town
	dir     string
	config  Config
	machine clock.Machine // zero: the one this runs on
	camera  *cameratest.Camera
	key     *ecdsa.PrivateKey
	ca      *x509.Certificate
	addr    string // the broker's
	number  uint64 // of the last order
	tpm     func() (io.ReadWriteCloser, error)
	log     note.Verifier

	mu        sync.Mutex
	broker    *mqtt.Server
	head      chain.Head // the centre's copy of the journal
	copied    []chain.Entry
	status    protocol.Status
	faults    []error
	cosigned  []byte        // the last
	lost      []chain.Entry // of the log before this one
	successor uint64        // number of the log, once that is told
	mute      bool          // the centre takes in and answers nothing
}

// newStreet makes everything and starts nothing but the camera.
func newStreet(t *testing.T) *street {
	t.Helper()
	s := &street{T: t, town: protocoltest.NewTown(t, time.Now().Add(-time.Hour)), dir: t.TempDir()}
	skey, vkey, err := protocol.NewKey(protocol.Origin(s.town.Recorder, s.town.Municipality))
	s.check(err)
	s.town.Log, err = protocol.NewSigner(skey)
	s.check(err)
	s.town.LogKey = vkey
	s.log, err = protocol.NewVerifier(vkey)
	s.check(err)

	s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &s.key.PublicKey, s.key)
	s.check(err)
	s.ca, err = x509.ParseCertificate(der)
	s.check(err)

	identity := filepath.Join(s.dir, "identity")
	s.check(os.MkdirAll(identity, 0o700))
	for name, content := range map[string]string{"recorder.key": skey + "\n", "recorder.pub": vkey + "\n", "roots.txt": strings.Join(s.town.Roots, "\n") + "\n",
		"roster": string(s.town.Roster(1)), "ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))} {
		s.check(os.WriteFile(filepath.Join(identity, name), []byte(content), 0o600))
	}
	for name, subject := range map[string]string{"client": string(s.town.Recorder), "viewer": "viewer"} {
		cert, key := s.issue(subject)
		s.check(os.WriteFile(filepath.Join(identity, name+".crt"), cert, 0o600))
		s.check(os.WriteFile(filepath.Join(identity, name+".tls"), key, 0o600))
	}

	s.camera, err = cameratest.New(cameratest.Options{Clip: cameratest.CounterH264(), Transport: cameratest.TCP})
	s.check(err)
	t.Cleanup(s.camera.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.check(err)
	s.addr = l.Addr().String()
	s.check(l.Close())
	s.config = Config{Recorder: s.town.Recorder, Municipality: s.town.Municipality, Location: "NL", Data: filepath.Join(s.dir, "data"), Identity: identity,
		Broker:  BrokerConfig{URL: "ssl://" + s.addr, CheckpointEvery: time.Second},
		Vault:   VaultConfig{Endpoint: "127.0.0.1:1", Bucket: "evidence"}, // nobody is there
		Viewer:  ViewerConfig{Listen: "127.0.0.1:0", URL: "https://viewer.example"},
		Footage: FootageConfig{Segment: time.Second, SealEvery: 500 * time.Millisecond},
		Cameras: []CameraConfig{{ID: plein, Stream: "main", URL: s.camera.URL(), Transport: "tcp"}}}
	return s
}

func (s *street) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// issue makes a certificate and its key, in PEM.
func (s *street) issue(name string) (cert, key []byte) {
	s.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, s.ca, &k.PublicKey, s.key)
	s.check(err)
	pkcs, err := x509.MarshalPKCS8PrivateKey(k)
	s.check(err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs})
}

// connect starts the broker, and the centre in it.
func (s *street) connect() (gone func()) {
	s.Helper()
	certPEM, keyPEM := s.issue("broker")
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	s.check(err)
	pool := x509.NewCertPool()
	pool.AddCert(s.ca)
	listener, err := tls.Listen("tcp", s.addr, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS13})
	s.check(err)
	broker, err := uplinktest.New(listener)
	s.check(err)
	s.check(broker.Subscribe(protocol.TopicFilter(protocol.UpStatus), 1, func(_ *mqtt.Client, _ packets.Subscription, pk packets.Packet) {
		status, err := openStatus(pk.Payload, s.log)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.status = status; err != nil {
			s.faults = append(s.faults, err)
		}
	}))
	s.check(broker.Subscribe(protocol.TopicFilter(protocol.UpJournal), 2, func(_ *mqtt.Client, _ packets.Subscription, pk packets.Packet) {
		batch, err := protocol.Unpack(pk.Payload, 1<<20)
		var answer []byte
		if err == nil {
			answer, err = s.witness(batch)
		}
		s.mu.Lock()
		mute := s.mute
		s.mu.Unlock()
		if err == nil && !mute {
			err = broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownCosigned), answer, false, 1)
		}
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.faults = append(s.faults, err)
		}
	}))
	s.check(broker.Serve())
	s.mu.Lock()
	s.broker = broker
	s.mu.Unlock()
	gone = sync.OnceFunc(func() {
		if err := broker.Close(); err != nil {
			s.Error(err)
		}
	})
	s.Cleanup(gone)
	return gone
}

// witness takes a batch, checks that the journal only grew, and cosigns.
func (s *street) witness(stream []byte) (cosigned []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := chain.NewReader(bytes.NewReader(stream))
	var batch []chain.Entry
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		batch = append(batch, e)
	}
	c, _, err := chain.OpenSuccessor(r.Checkpoint(), s.town.Log.Name(), s.log)
	if err != nil {
		return nil, err
	}
	if _, log := protocol.ParseLogOrigin(c.Origin); log > s.successor {
		if err := s.succeed(batch); err != nil {
			return nil, err
		}
		s.successor = log
	} else if log < s.successor {
		return nil, fmt.Errorf("%s goes on as log %d", c.Origin, s.successor)
	}
	for _, e := range batch {
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			return nil, err
		}
		if h.Seq < s.head.Size { // known already
			continue
		}
		if err := s.head.Add(e); err != nil {
			return nil, err
		}
		s.copied = append(s.copied, e)
	}
	if c.Size == s.head.Size && c.Root != s.head.Root() {
		return nil, fmt.Errorf("fork at %d entries", c.Size)
	}
	if c.Size < s.head.Size && s.cosigned != nil { // rolled back: it is told what was cosigned before
		return s.cosigned, nil
	}
	defer func() { s.cosigned = cosigned }()
	return chain.Cosign(r.Checkpoint(), s.town.Witness, time.Now())
}

// succeed takes the copy back to where a successor log parts from it. What was there stays in lost.
func (s *street) succeed(batch []chain.Entry) error {
	if s.successor == 0 && len(s.copied) == 0 {
		return nil
	}
	for _, e := range batch {
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			return err
		}
		if h.Seq < s.head.Size && string(s.copied[h.Seq].Header) != string(e.Header) {
			all := s.copied
			s.head, s.copied, s.lost = chain.Head{}, nil, all[h.Seq:]
			for _, e := range all[:h.Seq] {
				if err := s.head.Add(e); err != nil {
					return err
				}
				s.copied = append(s.copied, e)
			}
			break
		}
	}
	s.cosigned = nil
	return nil
}

// start is a start of the recorder. stop ends it in order and may be called again.
func (s *street) start() (a *Agent, stop func()) {
	s.Helper()
	a = &Agent{Config: s.config, Machine: s.machine, TPM: s.tpm, Log: slog.New(slog.NewTextHandler(s.Output(), nil))}
	s.check(a.open(s.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.serve(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					s.Error(err)
				}
			case <-time.After(60 * time.Second):
				s.Error("the recorder does not stop")
			}
		})
	}
	s.Cleanup(stop)
	return a, stop
}

// sound is what `beeldwacht-edge -check` says of a recorder that was stopped.
func (s *street) sound() {
	s.Helper()
	var out bytes.Buffer
	a := &Agent{Config: s.config, TPM: s.tpm, Log: slog.New(slog.DiscardHandler)}
	if err := a.Check(s.Context(), &out); err != nil {
		s.Errorf("%v\n%s", err, &out)
	}
}

func (s *street) eventually(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			s.mu.Lock()
			defer s.mu.Unlock()
			var kinds []string
			for _, e := range s.copied {
				h, _ := chain.ParseHeader(e.Header)
				kinds = append(kinds, h.Kind)
			}
			s.Fatalf("never: %s; the centre has %v and status %+v, faults %v", what, kinds, s.status, s.faults)
		}
	}
}

// envelope is the next order.
func (s *street) envelope(document []byte) []byte {
	s.number++
	return s.town.Envelope(s.number, document)
}

// order sends a document down until the recorder has used its number, as the centre does.
func (s *street) order(document []byte) {
	s.Helper()
	raw := s.envelope(document)
	sent := time.Time{}
	s.eventually(fmt.Sprintf("order %d is used", s.number), func() bool {
		if time.Since(sent) > 300*time.Millisecond {
			s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), raw, false, 1))
			sent = time.Now()
		}
		for _, r := range told[protocol.OrderRefused](s, protocol.KindRefused) {
			s.Fatalf("order %d was refused: %s", r.Number, r.Reason)
		}
		return slices.ContainsFunc(told[protocol.Order](s, protocol.KindOrder), func(o protocol.Order) bool { return o.Number == s.number })
	})
}

// now is the last status the centre heard.
func (s *street) now() protocol.Status { s.mu.Lock(); defer s.mu.Unlock(); return s.status }

// records says whether a camera is being recorded, by the recorder's status.
func (s *street) records() bool {
	at := s.now()
	return slices.ContainsFunc(at.Cameras, func(c protocol.CameraStatus) bool { return c.Camera == plein && c.State == "recording" })
}

// told are the entries of a kind that reached the centre.
func told[T any](s *street, kind string) (out []T) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.copied {
		h, err := chain.ParseHeader(e.Header)
		s.check(err)
		if h.Kind != kind {
			continue
		}
		var b T
		s.check(chain.ParseBody(e.Body, &b))
		out = append(out, b)
	}
	return out
}

// sealedUntil is the end of the newest footage the centre knows of.
func (s *street) sealedUntil() (until time.Time) {
	for _, e := range told[protocol.Sealed](s, protocol.KindSealed) {
		for _, c := range e.Cameras {
			if c.Camera == plein && c.Last.After(until) {
				until = c.Last.Time
			}
		}
	}
	return until
}

// mandate changes the town's usual one: a window of a minute.
func (s *street) mandate(version uint64, change func(*protocol.Mandate), approvers ...protocol.PersonID) []byte {
	m := s.town.Mandate(plein, version)
	m.Window, m.Approvers = protocol.Window(time.Minute), approvers
	if change != nil {
		change(m)
	}
	return s.town.Compose(m, approvers...)
}

var approvers = []protocol.PersonID{protocoltest.Approver, protocoltest.Approver2}

// A besluit that begins later begins by itself, and so does the one that follows it: nobody orders anything at those moments.
func TestMandatesBeginAndFollowByThemselves(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	s.start()
	begins := time.Now().Add(4 * time.Second)
	follows := begins.Add(3 * time.Second)
	s.order(s.mandate(1, func(m *protocol.Mandate) { m.NotBefore, m.NotAfter = protocol.T(begins), protocol.T(follows) }))
	s.order(s.mandate(2, func(m *protocol.Mandate) { m.NotBefore = protocol.T(follows) }))
	if time.Now().After(begins) {
		t.Skip("the orders took over four seconds, so the first mandate has begun; run it with nothing beside it")
	}
	s.eventually("the first mandate begins", s.records)
	s.eventually("the second follows", func() bool { return s.sealedUntil().After(follows.Add(2 * time.Second)) })
	for _, g := range told[protocol.Gap](s, protocol.KindGapBegun) {
		if g.From.After(begins.Add(time.Second)) {
			t.Errorf("a gap where one mandate followed another: %+v", g)
		}
	}
}

// A shorter window counts from the moment its mandate begins, for what exists too, though that moment came while the recorder was off and the mandate
// is over.
func TestI03_ShorterWindowBeginsByItself(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	_, stop := s.start()
	s.order(s.mandate(1, nil))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	begins := time.Now().Add(time.Second)
	s.order(s.mandate(2, func(m *protocol.Mandate) {
		m.Window, m.NotBefore, m.NotAfter = protocol.Window(2*time.Second), protocol.T(begins), protocol.T(begins.Add(time.Second))
	}, approvers...))
	stop()
	time.Sleep(time.Until(begins.Add(3 * time.Second)))
	s.start()
	s.eventually("what is older than the shorter window is gone", func() bool {
		return len(told[protocol.Expired](s, protocol.KindExpired)) > 0
	})
}

// An order that comes while the recorder stops is not used: there is nobody to carry it out any more. The centre sends it again.
func TestOrderDuringStopWaitsForTheNextStart(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	_, stop := s.start()
	s.order(s.mandate(1, nil))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	s.mu.Lock()
	s.mute = true // so that the recorder waits a while for its last cosignature
	s.mu.Unlock()
	hold := s.town.Compose(s.town.Hold("h-1", plein, protocol.Span(time.Now().Add(-3*time.Second), time.Now())))
	raw := s.town.Envelope(s.number+1, hold)
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	newest := func() (kind string) { // also of what it cannot hand in while a batch waits for its answer
		log, err := journal.OpenLog(filepath.Join(s.config.Data, "journal"))
		s.check(err)
		defer log.Close()
		r := chain.NewReader(log)
		for e, err := r.Next(); err == nil; e, err = r.Next() {
			h, err := chain.ParseHeader(e.Header)
			s.check(err)
			kind = h.Kind
		}
		return kind
	}
	s.eventually("the recorder stops", func() bool { return newest() == protocol.KindStopped })
	s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), raw, false, 1))
	<-stopped
	if last := newest(); last != protocol.KindStopped {
		t.Errorf("after it stopped, the recorder wrote %s", last)
	}
	s.mu.Lock()
	s.mute = false
	s.mu.Unlock()
	s.start()
	s.order(hold)
	s.eventually("the hold is confirmed", func() bool { return len(told[protocol.HoldPlaced](s, protocol.KindHoldPlaced)) == 1 })
}

// The footage of a camera that was taken out of the configuration expires as it would have.
func TestI07_RemovedCameraStillExpires(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	_, stop := s.start()
	s.order(s.mandate(1, func(m *protocol.Mandate) { m.Window = protocol.Window(5 * time.Second) }))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	stop()
	s.config.Cameras = nil
	s.start()
	s.eventually("nothing is left", func() bool {
		all := told[protocol.Expired](s, protocol.KindExpired)
		return len(all) > 0 && len(all[len(all)-1].Oldest) == 1 && all[len(all)-1].Oldest[0].Oldest == nil
	})
	left, err := filepath.Glob(filepath.Join(s.config.Data, "footage", "footage", "*", "*", "*.seg"))
	s.check(err)
	if len(left) > 0 {
		t.Errorf("left: %s", left)
	}
}

// A journal that cannot be written stops neither recording nor expiry, and no order is obeyed. What it could not take it takes after the next start.
func TestI10_RecordsAndExpiresWithoutJournal(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	a := &Agent{Config: s.config, Log: slog.New(slog.DiscardHandler)}
	s.check(a.open(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.serve(ctx) }()
	s.order(s.mandate(1, func(m *protocol.Mandate) { m.Window = protocol.Window(3 * time.Second) }))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	s.check(a.journal.Close()) // from here on every append fails
	size, lost := a.journal.Head().Size, time.Now()
	s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), s.town.Envelope(s.number+1, s.town.Compose(s.town.Hold("h-1", plein, protocol.Span(lost.Add(-time.Second), lost)))), false, 1))
	s.eventually("it records on, and what is older than the window goes", func() bool {
		oldest, ok := a.footage.Oldest(plein)
		return ok && oldest.After(lost.Add(time.Second)) && time.Since(oldest) < 5*time.Second
	})
	if held, err := a.footage.Holds(); err != nil || len(held) > 0 || a.orders.LastOrder() != s.number || a.journal.Head().Size != size {
		t.Errorf("an order was obeyed that is not on record: %v, %v", held, err)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the journal lacks entries, and nothing says so at the stop")
	}
	s.start()
	s.eventually("the journal has what happened meanwhile", func() bool {
		return s.sealedUntil().After(lost.Add(2*time.Second)) && len(told[protocol.Expired](s, protocol.KindExpired)) > 0
	})
}

// A mandate that no longer names a stream stops it, and one that names it again starts it; a roster that comes meanwhile stops nothing.
func TestNarrowedMandateAndNewRosterWhileRecording(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	_, stop := s.start()
	s.order(s.mandate(1, nil))
	s.eventually("recording", s.records)
	s.order(s.mandate(2, func(m *protocol.Mandate) { m.Streams = []protocol.StreamID{"sub"} }, approvers...))
	s.eventually("it stops and says why", func() bool {
		at := s.now()
		return len(at.Cameras) == 1 && at.Cameras[0].State == "no mandate" && strings.Contains(at.Cameras[0].Detail, "does not name stream main")
	})
	s.order(s.mandate(3, nil))
	s.eventually("recording again", s.records)
	s.eventually("the gap is explained", func() bool {
		return slices.ContainsFunc(told[protocol.Gap](s, protocol.KindGapEnded), func(g protocol.Gap) bool {
			return g.Cause == "mandate" && strings.Contains(g.Detail, "m-plein-noord-2")
		})
	})
	s.order(s.town.Roster(2, func(r *protocol.Roster) { r.HoldShare = 20 }))
	before := s.sealedUntil()
	s.eventually("it records on under the new roster", func() bool { return s.sealedUntil().After(before.Add(2 * time.Second)) })
	stop()
	s.sound()
}

// Nobody needs to be there: a recorder that starts without broker and vault records, and hands in its journal when somebody comes.
func TestStartsAlone(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	gone := s.connect()
	_, stop := s.start()
	s.order(s.mandate(1, nil))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	stop()
	gone()
	alone := time.Now()
	a, stop := s.start()
	s.eventually("it records alone", func() bool {
		covered, err := a.footage.Coverage(plein, protocol.Span(alone, time.Now().Add(time.Hour)))
		return err == nil && len(covered) > 0 && covered[len(covered)-1].To.After(alone.Add(2*time.Second))
	})
	s.connect()
	s.eventually("the centre learns of it", func() bool { return s.sealedUntil().After(alone.Add(2 * time.Second)) })
	stop()
	s.sound()
}

// A hold that would take more of the disk than holds may is refused under its own number, so that who asked for it is told; what stands is not touched. A roster that comes
// later with a lower ceiling shortens what exists at once.
func TestHoldWithoutRoomAndLowerCeiling(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	s.config.Footage.MaxBytes = 100_000 // of which one percent is less than a segment
	a, stop := s.start()
	s.order(s.mandate(1, nil))
	s.order(s.town.Roster(2, func(r *protocol.Roster) { r.HoldShare = 1 }))
	s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
	until := s.sealedUntil()
	send := func(document []byte) { // order would find the refusal
		s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), s.envelope(document), false, 1))
	}
	send(s.town.Compose(s.town.Hold("h-1", plein, protocol.Span(until.Add(-time.Second), until))))
	s.eventually("the centre is told that h-1 cannot stand", func() bool {
		return slices.ContainsFunc(told[protocol.OrderRefused](s, protocol.KindRefused), func(r protocol.OrderRefused) bool {
			return r.Number == s.number && r.ID == "h-1" && r.Kind == "hold" && strings.Contains(r.Reason, "more than their share of the disk")
		})
	})
	if held, err := a.footage.Holds(); err != nil || len(held) > 0 || len(a.orders.Holds()) > 0 {
		t.Errorf("it stands all the same: %v, %v", held, err)
	}
	send(s.town.Roster(3, func(r *protocol.Roster) { r.MaxWindow = protocol.Window(2 * time.Second) }))
	s.eventually("what is older than the new ceiling is gone", func() bool {
		all := told[protocol.Expired](s, protocol.KindExpired)
		oldest, ok := a.footage.Oldest(plein)
		return ok && time.Since(oldest) < 5*time.Second && slices.ContainsFunc(all, func(e protocol.Expired) bool { return e.Reason == "window" })
	})
	stop()
	s.sound()
}

func openStatus(payload []byte, log note.Verifier) (protocol.Status, error) {
	raw, err := protocol.Unpack(payload, 1<<20)
	if err != nil {
		return protocol.Status{}, err
	}
	return protocol.OpenStatus(raw, log)
}
