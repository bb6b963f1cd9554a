// Package demo is a small town on one machine: test cameras, one recorder and one centre, talking RTSP, TLS, MQTT and S3 as they would in the street.
// Run shows it to a person; Check walks through its promises without one.
//
// Only three things differ from a real town: the cameras play clips, the three root keys lie in one folder instead of three drawers, and windows last
// minutes instead of days.
package demo

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/office"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/enrol"
	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Options of a demo.
type Options struct {
	Dir     string      // state; a second start continues there
	Cameras []string    // the newcomer's own, RTSP URLs; a user and password in them go to the secrets file
	Ports   Ports       // zero: free ones
	Store   vault.Child // how to start the object store as a child of this program
	Out     io.Writer   // what a person reads
	Log     io.Writer   // what goes wrong and right, one line each

	tls bool // the pages speak TLS, with the town's own certificate
}

// Ports on 127.0.0.1. They must stay the same for a second start to continue.
type Ports struct {
	Pages, Viewer, Broker, Store, Cameras int // Cameras: the first of three
}

// DefaultPorts are those of `make run`.
var DefaultPorts = Ports{Pages: 8480, Viewer: 8481, Broker: 8483, Store: 8484, Cameras: 8554}

const (
	municipality = "helmond"
	recorderID   = protocol.RecorderID("kast-1")
	password     = "beeldwacht-demo"
	cameraUser   = "recorder"
	cameraSecret = "demo-camera"
)

// scene is one camera of the town.
type scene struct {
	id       protocol.CameraID
	name     string
	place    string
	mount    central.Mount
	lat, lon float64
	purposes []central.Purpose
	window   protocol.Window
	lapses   time.Duration // the besluit ends so long after the first start; zero: in two years
	options  cameratest.Options
	url      string // of a newcomer's own camera; then options is not used
	user     string // with password: the camera's login
	password string
}

func scenes() []scene {
	minutes := func(n int) protocol.Window { return protocol.Window(time.Duration(n) * time.Minute) }
	return []scene{
		{id: "plein", name: "Stationsplein", place: "mast voor de hoofdingang van het station", mount: "pole", lat: 51.4756, lon: 5.6614, window: minutes(3),
			purposes: []central.Purpose{central.StreetSafety}, options: cameratest.Options{Clip: cameratest.CounterH264(), Transport: cameratest.TCP}},
		{id: "hal", name: "Hal stadskantoor", place: "plafond van de centrale hal", mount: "ceiling", lat: 51.4801, lon: 5.6569, window: minutes(10),
			purposes: []central.Purpose{central.Buildings, central.Visitors}, options: cameratest.Options{Clip: cameratest.CounterH265(), Transport: cameratest.TCP}},
		{id: "kade", name: "Kanaalkade", place: "lantaarnpaal bij de brug", mount: "street_lamp", lat: 51.4839, lon: 5.6531, window: minutes(5),
			purposes: []central.Purpose{central.StreetSafety}, options: cameratest.Options{Clip: cameratest.QuayH264(), Transport: cameratest.UDP, OutEvery: 90 * time.Second, OutFor: 12 * time.Second}},
	}
}

// town is a running demo.
type town struct {
	dir     string
	ports   Ports
	scenes  []scene
	tls     bool
	ca      *x509.CertPool // the centre's
	cameras map[protocol.CameraID]*cameratest.Camera
	office  *office.Office
	agent   *edge.Agent
	log     *slog.Logger

	parts sync.WaitGroup
	stop  context.CancelCauseFunc
	ended context.Context

	stopRecorder context.CancelFunc
	began        time.Time // when the besluiten were entered
	names        []string  // of the people
}

func (t *town) pages() string {
	if t.tls {
		return fmt.Sprintf("https://localhost:%d", t.ports.Pages)
	}
	return fmt.Sprintf("http://localhost:%d", t.ports.Pages)
}

func (t *town) viewer() string { return fmt.Sprintf("https://localhost:%d", t.ports.Viewer) }

// path is a place in the state folder.
func (t *town) path(parts ...string) string {
	return filepath.Join(append([]string{t.dir}, parts...)...)
}

// start makes what is not there yet and starts everything. Whoever calls it calls close.
func start(ctx context.Context, o Options, list []scene) (*town, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	t := &town{dir: dir, ports: o.Ports, scenes: list, tls: o.tls, cameras: map[protocol.CameraID]*cameratest.Camera{},
		log: slog.New(slog.NewTextHandler(o.Log, nil))}
	for i, own := range o.Cameras {
		u, err := url.Parse(own)
		if err != nil || u.Hostname() == "" || (u.Scheme != "rtsp" && u.Scheme != "rtsps") {
			return nil, fmt.Errorf("-camera %d: want rtsp://host/path, or rtsp://user:password@host/path", i+1) // the URL is not repeated: it may hold a password
		}
		user := u.User.Username()
		secret, _ := u.User.Password()
		u.User = nil
		t.scenes = append(t.scenes, scene{id: protocol.CameraID(fmt.Sprintf("eigen-%d", i+1)), name: fmt.Sprintf("Eigen camera %d", i+1),
			place: "bij u", lat: 51.4777 + 0.002*float64(i), lon: 5.6650, window: protocol.Window(5 * time.Minute),
			purposes: []central.Purpose{central.Buildings}, url: u.String(), user: user, password: secret})
	}
	if err := t.choosePorts(); err != nil {
		return nil, err
	}
	if err := t.enrol(); err != nil {
		return nil, err
	}
	// Not ended by ctx: close stops the recorder first, and the centre after it has cosigned the recorder's last entries.
	t.ended, t.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	for i, s := range t.scenes {
		if s.url != "" {
			continue
		}
		options := s.options
		options.User, options.Password = cameraUser, cameraSecret
		if t.ports.Cameras != 0 {
			options.Addr = fmt.Sprintf("127.0.0.1:%d", t.ports.Cameras+i)
		}
		camera, err := cameratest.New(options)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("camera %s: %w", s.id, err), t.close())
		}
		t.cameras[s.id] = camera
		t.scenes[i].url, t.scenes[i].user, t.scenes[i].password = camera.URL(), cameraUser, cameraSecret
	}
	if err := t.startCentre(ctx, o.Store); err != nil {
		return nil, errors.Join(err, t.close())
	}
	if err := t.startRecorder(ctx); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// close stops the town from the recorder inward, and says how it went.
func (t *town) close() error {
	if t.stopRecorder != nil {
		t.stopRecorder()
	}
	t.stop(nil)
	t.parts.Wait()
	for _, c := range t.cameras {
		c.Close()
	}
	if cause := context.Cause(t.ended); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// choosePorts chooses those that are zero, and says at once which one is taken.
func (t *town) choosePorts() error {
	ports := []*int{&t.ports.Pages, &t.ports.Viewer, &t.ports.Broker, &t.ports.Store}
	if first := t.ports.Cameras; first != 0 {
		for i := range scenes() {
			port := first + i
			ports = append(ports, &port)
		}
	}
	for _, p := range ports {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *p))
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("port %d on 127.0.0.1 is in use: is another demo running? Stop what is there, then start again (it listens on %d–%d and %d–%d)",
				*p, t.ports.Pages, t.ports.Store, t.ports.Cameras, t.ports.Cameras+len(scenes())-1)
		}
		if err != nil {
			return err
		}
		*p = l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// enrol makes roots, centre, recorder and the object store's keys once. It makes them aside and puts the recorder in place last: a start that was
// cut off, or that found the disk full, is simply made again.
func (t *town) enrol() error {
	if _, err := os.Stat(t.path("recorder", "roster")); err == nil {
		return nil
	}
	now := time.Now()
	seat := func(p protocol.PersonID) protocol.Seat { return protocol.Seat{Regime: protocol.AVG, Person: p} }
	people := enrol.People{Officer: "p-fg", Handlers: []protocol.Seat{seat("p-behandel"), seat("p-besluit-2")}, Approvers: []protocol.Seat{seat("p-besluit"), seat("p-besluit-2")}, LevelCentre: true}
	secret := make([]byte, 20)
	rand.Read(secret) // never fails (crypto/rand)
	keys := "access_key: recorder\nsecret_key: " + hex.EncodeToString(secret) + "\n"
	hosts := []string{"localhost", "127.0.0.1"}
	aside := func(parts ...string) string { return t.path(append([]string{"unfinished"}, parts...)...) }
	if err := os.RemoveAll(aside()); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return enrol.Roots(aside("roots"), municipality) },
		func() error { return enrol.Centre(aside("centre"), municipality, hosts, now) },
		func() error {
			return enrol.Recorder(aside("recorder"), recorderID, municipality, aside("centre"), aside("roots", "roots.txt"),
				[]string{aside("roots", "root-1.key"), aside("roots", "root-2.key")}, people, hosts, now)
		},
		func() error { return os.WriteFile(t.path("central-secrets.yaml"), []byte(keys), 0o600) },
		func() error { return replace(aside("roots"), t.path("roots")) },
		func() error { return replace(aside("centre"), t.path("centre")) },
		func() error { return os.Rename(aside("recorder"), t.path("recorder")) },
		func() error { return os.Remove(aside()) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("make the keys in %s: %w", t.dir, err)
		}
	}
	return nil
}

// replace moves a folder over what an earlier start, cut off, has left.
func replace(from, to string) error {
	return errors.Join(os.RemoveAll(to), os.Rename(from, to))
}

func (t *town) startCentre(ctx context.Context, store vault.Child) error {
	file := t.path("central.yaml")
	text := fmt.Sprintf(`# Written by the demo at each start.
municipality: %s
name: Gemeente Helmond
location: NL
demonstration: true
data: central-data
keys: centre
pages: {listen: "127.0.0.1:%d", url: "%s", tls: %v, tiles: ""}
contact: {officer: Privacy officer, email: privacy@helmond.example, phone: "14 0492", address: "Postbus 950, 5700 AZ Helmond"}
broker: {listen: "127.0.0.1:%d"}
vault: {listen: "127.0.0.1:%d", bucket: beeldwacht, secrets: central-secrets.yaml}
`, municipality, t.ports.Pages, t.pages(), t.tls, t.ports.Broker, t.ports.Store)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	config, err := office.LoadConfig(file)
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(t.path("centre", "ca.crt"))
	if err != nil {
		return err
	}
	t.ca = x509.NewCertPool()
	if !t.ca.AppendCertsFromPEM(authority) {
		return fmt.Errorf("%s: no certificate in it", t.path("centre", "ca.crt"))
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: t.ca}}}
	t.office = &office.Office{Config: config, Store: store, Now: time.Now, Log: t.log.With("at", "centre")}
	if err := t.setup(ctx); err != nil {
		return err
	}
	t.parts.Go(func() {
		if err := t.office.Run(t.ended); err != nil {
			t.stop(fmt.Errorf("centre: %w", err))
		}
	})
	return t.await(ctx, "centre", func() bool {
		res, err := client.Get(t.pages() + "/")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

func (t *town) startRecorder(ctx context.Context) error {
	var cameras, logins strings.Builder
	for _, s := range t.scenes {
		if s.user != "" {
			fmt.Fprintf(&logins, "  %s: {user: %q, password: %q}\n", s.id, s.user, s.password)
		}
		transport := "tcp"
		if s.options.Transport == cameratest.UDP {
			transport = "udp"
		}
		fmt.Fprintf(&cameras, "  - {id: %s, url: \"%s\", transport: %s, key_frame_timeout: 5s}\n", s.id, s.url, transport)
	}
	keys, err := office.LoadVaultSecrets(t.path("central-secrets.yaml"))
	if err != nil {
		return err
	}
	secrets := fmt.Sprintf("# Written by the demo at each start.\nvault: {access_key: %q, secret_key: %q}\ncameras:\n%s", keys.AccessKey, keys.SecretKey, logins.String())
	if err := os.WriteFile(t.path("edge-secrets.yaml"), []byte(secrets), 0o600); err != nil {
		return err
	}
	file := t.path("edge.yaml")
	text := fmt.Sprintf(`# Written by the demo at each start.
recorder: %s
municipality: %s
location: NL
data: recorder-data
identity: recorder
secrets: edge-secrets.yaml
broker: {url: "ssl://localhost:%d", checkpoint_every: 5s}
vault: {endpoint: "localhost:%d", bucket: beeldwacht}
viewer: {listen: "127.0.0.1:%d", url: "%s", desk: "%s"}
footage: {segment: 5s, seal_every: 5s}
cameras:
%s`, recorderID, municipality, t.ports.Broker, t.ports.Store, t.ports.Viewer, t.viewer(), t.pages(), cameras.String())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	config, private, err := edge.LoadConfig(file)
	if err != nil {
		return err
	}
	t.agent = &edge.Agent{Config: config, Secrets: private, Log: t.log.With("at", "recorder")}
	// The recorder stops before the centre, which is to cosign its last entries.
	recording, stop := context.WithCancel(context.WithoutCancel(ctx))
	gone := make(chan struct{})
	t.stopRecorder = func() { stop(); <-gone }
	go func() {
		defer close(gone)
		if err := t.agent.Run(recording); err != nil {
			t.stop(fmt.Errorf("recorder: %w", err))
		}
	}()
	return nil
}

// await polls until ready, or says what did not start.
func (t *town) await(ctx context.Context, what string, ready func() bool) error {
	deadline := time.After(30 * time.Second)
	for !ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.ended.Done():
			return fmt.Errorf("%s did not start", what) // close says why
		case <-deadline:
			return fmt.Errorf("%s did not start within 30 s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// setup gives a new centre its people, recorder, protocols and cameras; on a second start only what is new.
func (t *town) setup(ctx context.Context) error {
	now := time.Now()
	t.began = now
	day := protocol.T(now.Add(-30 * 24 * time.Hour))
	person := func(id, login, name string, cameras []protocol.CameraID, posts ...string) office.SetupPerson {
		t.names = append(t.names, name)
		return office.SetupPerson{Person: protocol.PersonID(id), Login: login, Name: name, Password: password, Posts: posts, Cameras: cameras, Secrecy: day}
	}
	var all []protocol.CameraID
	for _, s := range t.scenes {
		all = append(all, s.id)
	}
	police := person("p-agent", "agent", "Aga Agent", nil, "requester")
	police.Unit = "basisteam-peelland"
	s := office.Setup{
		Administrator: person("p-beheer", "beheer", "Bo Beheer", nil, "administrator"),
		People: []office.SetupPerson{
			person("p-register", "register", "Ria Register", nil, "registrar"), person("p-behandel", "behandel", "Henk Behandelaar", nil, "handler AVG"),
			person("p-besluit", "besluit", "Bea Besluit", nil, "approver AVG"), person("p-besluit-2", "besluit2", "Bram Besluit", nil, "handler AVG", "approver AVG"),
			person("p-fg", "fg", "Fien Gegevens", nil, "officer"), person("p-facilitair", "facilitair", "Fred Facilitair", all, "staff"), police,
		},
		Units: []office.SetupUnit{{ID: "basisteam-peelland", Name: "Basisteam Peelland", Kind: central.ChainPartner, Agreement: "convenant demo",
			Parties: "Gemeente en politie, ieder voor de eigen verwerking.", Goals: "Opsporing.", Special: "Geen.", Informing: "Borden en openbare pagina's.", Processings: "Verstrekken van beelden na een vordering.",
			Rights: "Via de gemeente.", ValidFrom: day, ValidUntil: protocol.T(now.AddDate(2, 0, 0)), Review: protocol.T(now.AddDate(1, 0, 0))}},
		Recorders: []office.SetupRecorder{{ID: recorderID, Identity: t.path("recorder"), Viewer: t.viewer()}},
		Registrar: "p-register", Officer: "p-fg",
		DPIAs: []office.SetupDPIA{{ID: "centrum", Title: "Camera's in het centrum en het stadskantoor", Reference: "zaaksysteem demo-12", Date: day, Score: 9, Review: protocol.T(now.AddDate(3, 0, 0)),
			Advice: office.SetupAdvice{Whether: "Ja: er wordt stelselmatig gefilmd waar iedereen komt.", Method: "Model gegevensbeschermingseffectbeoordeling van de rijksdienst.", Who: "Zelf, met de beveiliger.",
				Safeguards: "Woningen afschermen, kort bewaren, geen geluid.", Correct: "Goed uitgevoerd; de verwerking mag doorgaan."}}},
	}
	for _, c := range t.scenes {
		until := now.AddDate(2, 0, 0)
		if c.lapses > 0 {
			until = now.Add(c.lapses)
		}
		s.Protocols = append(s.Protocols, office.SetupProtocol{ID: "protocol-" + string(c.id), Version: 1, Title: "Cameraprotocol " + c.name, Regime: protocol.AVG,
			Purposes: c.purposes, Window: c.window, LongestHold: protocol.Window(28 * 24 * time.Hour), AdoptedBy: "college van burgemeester en wethouders", AdoptedOn: day, Published: "demo",
			Bases: []central.Basis{central.PublicTask}, Form: central.ViewLive, Roles: central.ProtocolUsers, Viewing: "Alleen wie daarvoor is aangewezen kijkt mee.", Release: "Na een vordering, met vier ogen.",
			Recognisability: "Mensen zijn herkenbaar; woningen zijn afgeschermd.", Security: "Versleutelde opslag op de recorder.", WorksCouncil: "OR demo", ValidFrom: day, Review: protocol.T(now.AddDate(1, 0, 0)),
			Document: protocol.HashOf([]byte("cameraprotocol " + c.name))})
		s.Placements = append(s.Placements, office.SetupPlacement{
			Camera: c.id, Name: c.name, Regime: protocol.AVG, Latitude: c.lat, Longitude: c.lon, Place: c.place, Direction: 180, Purposes: c.purposes,
			Subsidiarity: "Verlichting en toezicht bleken na een proef niet genoeg.", Proportionality: "Alleen de plek zelf is in beeld; woningen zijn afgeschermd.",
			Besluit: office.SetupBesluit{Reference: "demo-2026-" + string(c.id), Date: day, ValidFrom: day, ValidUntil: protocol.T(until),
				Body: "college van burgemeester en wethouders", Area: "centrum"},
			Protocol: "protocol-" + string(c.id), ProtocolVersion: 1, SignPlaced: day, Recorder: recorderID, Streams: []protocol.StreamID{"main"},
			Publication: central.PublishExact, Contact: "privacy@helmond.example", Type: "fixed", Mount: c.mount, Height: 420, Angle: 20, Masks: "Ramen en deuren van woningen.", Quality: central.Observe,
			Selection: "20.1.2", DPIA: "centrum", FilmsStaff: central.Yes, Council: office.SetupCouncil{Date: day, Reference: "OR demo-3"},
			Owners:    office.SetupOwners{Responsible: "teammanager facilitaire zaken", Supporting: "beveiliging", Consulted: "privacy officer en it-auditor", Informed: "gemeenteraad en voorbijgangers"},
			StorageIn: central.Netherlands, StoragePlace: "recorder " + string(recorderID) + ", stadskantoor", Activate: true})
	}
	if err := t.office.Open(ctx); err != nil {
		return err
	}
	return errors.Join(t.office.Apply(ctx, s), t.office.Close())
}
