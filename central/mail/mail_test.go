package mail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/centraltest"
	"github.com/beeldwacht/beeldwacht/central/ledger"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// sink is a mail server on loopback: STARTTLS or TLS from the start, log-in, and whatever a real one does to us.
type sink struct {
	t        testing.TB
	listener net.Listener
	config   *tls.Config
	wg       sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	mails    []received
	answers  map[string]string // by recipient: what RCPT is answered; empty: 250
	grey     map[string]int    // by recipient: how many times it is put off first
	hang     string            // at this command nothing is answered: "", "CONNECT", "MAIL", "DATA", "."
	cut      bool              // after the mail was taken the connection breaks, before we hear so
	leave    bool              // we hear so, and then it breaks
	noTLS    bool
	implicit bool
	plain    int // times that somebody began to log in or to send without TLS
}

type received struct {
	to, id, subject, text, raw string
	tls                        bool
}

const mailUser, mailPassword = "beeldwacht", "een heel geheim"

func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func newSink(t testing.TB) (*sink, *x509.CertPool) {
	t.Helper()
	cert, pool := certificate(t)
	s := &sink{t: t, config: &tls.Config{Certificates: []tls.Certificate{cert}}, conns: map[net.Conn]bool{}, answers: map[string]string{}, grey: map[string]int{}}
	s.listen("127.0.0.1:0")
	t.Cleanup(s.stop)
	return s, pool
}

func (s *sink) listen(address string) {
	s.t.Helper()
	var err error
	if s.listener, err = net.Listen("tcp", address); err != nil {
		s.t.Fatal(err)
	}
	listener := s.listener
	s.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(conn) })
		}
	})
}

func (s *sink) address() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return net.JoinHostPort("localhost", port)
}

func (s *sink) stop() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// is reads one of its switches.
func (s *sink) is(on *bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *on
}

func (s *sink) hangs(at string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hang == at
}

func (s *sink) serve(conn net.Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		conn.Close()
	}()
	secure := false
	if s.is(&s.implicit) {
		conn, secure = tls.Server(conn, s.config), true
	}
	r := bufio.NewReader(conn)
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	stuck := func(at string) bool {
		if s.hangs(at) {
			io.Copy(io.Discard, r) // until the other side gives up
			return true
		}
		return false
	}
	if stuck("CONNECT") {
		return
	}
	say("220 sink")
	known, to := false, ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		verb = strings.ToUpper(verb)
		if stuck(verb) {
			return
		}
		if !secure && (verb == "AUTH" || verb == "MAIL") {
			s.mu.Lock()
			s.plain++
			s.mu.Unlock()
		}
		switch verb {
		case "EHLO":
			say("250-sink")
			if !secure && !s.is(&s.noTLS) {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN LOGIN")
		case "STARTTLS":
			say("220 go ahead")
			conn, secure = tls.Server(conn, s.config), true
			r = bufio.NewReader(conn)
		case "AUTH":
			_, secret, _ := strings.Cut(rest, " ")
			b, _ := base64.StdEncoding.DecodeString(secret)
			if known = string(b) == "\x00"+mailUser+"\x00"+mailPassword; known {
				say("235 welcome")
			} else {
				say("535 5.7.8 no")
			}
		case "MAIL":
			if !known {
				say("530 5.7.0 log in first")
				continue
			}
			say("250 ok")
		case "RCPT":
			to = strings.TrimSuffix(strings.TrimPrefix(rest, "TO:<"), ">")
			s.mu.Lock()
			answer := s.answers[to]
			if s.grey[to] > 0 {
				s.grey[to]--
				answer = "451 4.7.1 come back later"
			}
			s.mu.Unlock()
			if answer == "" {
				answer = "250 ok"
			}
			say(answer)
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if strings.TrimRight(line, "\r\n") == "." {
					break
				}
				b.WriteString(strings.TrimPrefix(line, "."))
			}
			if stuck(".") {
				return
			}
			s.took(to, b.String(), secure)
			s.mu.Lock()
			cut, leave := s.cut, s.leave
			s.mu.Unlock()
			if cut {
				return
			}
			if say("250 taken"); leave {
				return
			}
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *sink) took(to, raw string, secure bool) {
	msg, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		s.t.Errorf("not a mail: %v", err)
		return
	}
	text, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	if err != nil {
		s.t.Error(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		s.t.Error(err)
	}
	for header, want := range map[string]string{"Auto-Submitted": "auto-generated", "From": "<centrale@stad.example>", "To": "<" + to + ">", "Content-Type": "text/plain; charset=UTF-8"} {
		if got := msg.Header.Get(header); got != want {
			s.t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, received{to: to, id: msg.Header.Get("Message-ID"), subject: subject, text: strings.ReplaceAll(string(text), "\r\n", "\n"), raw: raw, tls: secure})
}

// got is what came since the last look.
func (s *sink) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.mails
	s.mails = nil
	return list
}

func (s *sink) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

var start = time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC) // a Tuesday

const (
	admin     protocol.PersonID = "p-admin"
	registrar protocol.PersonID = "p-registrar"
	staff     protocol.PersonID = "p-staff"
)

// town is a centre with people, a camera and a ledger.
type town struct {
	t    testing.TB
	now  time.Time
	book *ledger.Book
	town *protocoltest.Town
	sink *sink
	pool *x509.CertPool
	log  *bytes.Buffer
	seq  uint64
	mail map[protocol.PersonID]string
}

func (w *town) clock() time.Time { return w.now }

func (w *town) do(c central.Command) {
	w.t.Helper()
	if _, err := w.book.Do(w.t.Context(), c); err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
}

func newTown(t testing.TB) *town {
	t.Helper()
	w := &town{t: t, now: start, town: protocoltest.NewTown(t, start), log: new(bytes.Buffer)}
	w.sink, w.pool = newSink(t)
	w.mail = map[protocol.PersonID]string{admin: "admin@stad.example", registrar: "register@stad.example", protocoltest.Handler: "behandelaar@stad.example",
		protocoltest.Approver: "j.jansen@stad.example", protocoltest.Officer: "fg@stad.example", protocoltest.Requester: "balie@politie.example", staff: "portier@stad.example"}
	signer, _ := protocoltest.Key(t, protocol.LedgerOrigin(w.town.Municipality))
	store, err := ledger.OpenBolt(filepath.Join(t.TempDir(), "ledger.db"), signer.Name())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ledger.OpenKeys(filepath.Join(t.TempDir(), "dossiers"))
	if err != nil {
		t.Fatal(err)
	}
	if w.book, err = ledger.Open(t.Context(), store, keys, signer, w.clock, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.book.Close() })
	at := func(days int) protocol.Time { return protocol.T(start.AddDate(0, 0, days)) }
	w.do(central.Open{Municipality: w.town.Municipality, Administrator: admin, Secrecy: at(-10)})
	w.do(central.AgreeUnit{By: admin, Unit: central.Unit{ID: "basisteam", Name: "Politie basisteam", Agreement: "CV-1", ValidUntil: at(900), AgreementFacts: central.AgreementFacts{Kind: central.ChainPartner,
		Parties: "gemeente en politie", Goals: "opsporing", Special: "geen", Informing: "bord", Processings: "verstrekken", Rights: "via de gemeente", ValidFrom: at(-30), Review: at(800)}}})
	w.do(central.EnrolRecorder{By: admin, Recorder: w.town.Recorder, Key: w.town.LogKey, Origin: w.town.Log.Name(), Roots: w.town.Roots, Roster: w.town.Roster(1, func(r *protocol.Roster) { r.LevelCentre = true })})
	for p, posts := range map[protocol.PersonID][]central.Post{registrar: {{Role: central.Registrar}}, protocoltest.Handler: {{Role: central.Handler, Regime: protocol.AVG}},
		protocoltest.Approver: {{Role: central.Approver, Regime: protocol.AVG}}, protocoltest.Officer: {{Role: central.Officer}}, protocoltest.Requester: {{Role: central.Requester}}} {
		a := central.Appointment{Person: p, Posts: posts, Secrecy: at(-10)}
		if p == protocoltest.Requester {
			a.Unit = "basisteam"
		}
		w.do(central.Appoint{By: admin, Appointment: a})
	}
	w.do(central.AdoptProtocol{By: registrar, CameraProtocol: central.CameraProtocol{ID: "gebouwen", Version: 1, Title: "Protocol", Regime: protocol.AVG, Purposes: []central.Purpose{central.Buildings},
		Bases: []central.Basis{central.PublicTask}, Window: protocol.Window(7 * 24 * time.Hour), LongestHold: protocol.Window(28 * 24 * time.Hour), Form: central.ViewLive, Roles: []central.Role{central.Staff}, Viewing: "receptie",
		Release: "na vordering", Recognisability: "gezichten", Security: "kast", AdoptedBy: "college", AdoptedOn: at(-30), Published: "blad", ValidFrom: at(-30), Review: at(700), Document: protocol.HashOf([]byte("protocol"))}})
	for _, c := range centraltest.Assess(registrar, protocoltest.Officer, w.now) {
		w.do(c)
	}
	w.do(central.RegisterPlacement{By: registrar, PlacementFacts: centraltest.Ready(central.PlacementFacts{Camera: "geheimehal", Name: "Verborgen hal", Regime: protocol.AVG, Position: central.At(51, 5), Place: "achter de kluis",
		Purposes: []central.Purpose{central.Buildings}, Subsidiarity: "nodig", Proportionality: "klein", Besluit: central.Besluit{Reference: "B-1", Date: at(-20), ValidFrom: at(-10), ValidUntil: at(45), Body: "college", Area: "geheimgebied"},
		Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}, Sign: central.Sign{Placed: at(-5)}, Recorder: w.town.Recorder, Streams: []protocol.StreamID{"main"}, Publication: central.PublishExact, Contact: "fg"})})
	w.do(central.Activate{By: registrar, Camera: "geheimehal"})
	w.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: staff, Posts: []central.Post{{Role: central.Staff}}, Cameras: []protocol.CameraID{"geheimehal"}, Secrecy: at(-10)}})
	return w
}

func (w *town) mailer(change ...func(*Config)) *Mailer {
	w.t.Helper()
	c := Config{Server: Server{Address: w.sink.address(), TLS: StartTLS, CAs: w.pool, From: "centrale@stad.example", User: mailUser, Password: mailPassword}, Morning: 7*time.Hour + 30*time.Minute,
		Site: "Gemeente Stad", URL: "https://cameras.stad.example/", Path: func(t central.Task) string {
			if t.Request != nil {
				return "/bureau/aanvragen/" + string(t.Request.ID)
			}
			return "/bureau"
		}, Book: w.book, Address: func(p protocol.PersonID) string { return w.mail[p] }, Now: w.clock, Log: slog.New(slog.NewTextHandler(w.log, nil))}
	for _, f := range change {
		f(&c)
	}
	m, err := New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	m.timeout = 5 * time.Second
	return m
}

// asked files a request and checks it, so that an approver is asked.
func (w *town) asked() protocol.RequestID {
	w.t.Helper()
	f := central.RequestFacts{Kind: central.Vordering, Article: "126nda", Authority: "hulpofficier De Vries", Cameras: []protocol.CameraID{"geheimehal"},
		Asked: protocol.Span(w.now.Add(-time.Hour), w.now.Add(-50*time.Minute)), Reference: "PL2100-2026-77", Necessity: "verdachte met rode jas"}
	w.do(central.FileRequest{By: protocoltest.Requester, RequestFacts: f})
	var r central.Request
	w.book.View(func(s *central.State) { r = *s.Requests(protocoltest.Requester, w.now)[0] })
	for _, h := range r.Holds {
		w.seq++
		w.do(central.ConfirmHold{Source: central.Source{Recorder: w.town.Recorder, Seq: w.seq}, Placed: protocol.HoldPlaced{Hold: h.HoldID(), Request: h.Request, Camera: h.Camera, Asked: h.Asked,
			Interval: h.Asked, Segments: 11, Bytes: 1 << 20, Root: protocol.HashOf([]byte("root")), End: h.End}})
	}
	w.do(central.CheckRequest{By: protocoltest.Handler, Request: r.ID, Complete: true, Necessary: true})
	return r.ID
}

func (w *town) expect(when string, to ...string) []received {
	w.t.Helper()
	mails := w.sink.got()
	var got []string
	for _, m := range mails {
		got = append(got, m.to)
		if !m.tls {
			w.t.Errorf("%s: to %s without TLS", when, m.to)
		}
	}
	if strings.Join(got, " ") != strings.Join(to, " ") {
		w.t.Errorf("%s: mail to %v, want %v\n%s", when, got, to, w.log)
	}
	return mails
}

const toApprover = "j.jansen@stad.example"

// TestPeopleAreTold: an approver asked hears at once; the rest comes in the morning; over STARTTLS with a log-in, and what is on the page is what is in the mail.
func TestPeopleAreTold(t *testing.T) {
	w := newTown(t)
	m := w.mailer()
	id := w.asked()
	m.Round(t.Context())
	mails := w.expect("an approver is asked", toApprover)
	if len(mails) == 1 {
		got := mails[0]
		if got.subject != "Dringend: 1 bericht / Urgent: 1 notice" {
			t.Error(got.subject)
		}
		for _, want := range []string{"- aanvraag " + string(id) + ": beslissen\n  https://cameras.stad.example/bureau/aanvragen/" + string(id) + "\n", "- request " + string(id) + ": decide\n  https://cameras.stad.example/en/bureau/aanvragen/",
			"https://cameras.stad.example/bureau/berichten", "Gemeente Stad"} {
			if !strings.Contains(got.text, want) {
				t.Errorf("the mail does not say %q:\n%s", want, got.text)
			}
		}
	}
	m.Round(t.Context())
	w.expect("nothing new")
	w.now = time.Date(2026, 11, 24, 6, 31, 0, 0, time.UTC) // 7:31 in the Netherlands
	m.Round(t.Context())
	mails = w.expect("the morning", "register@stad.example", "portier@stad.example")
	for _, want := range []string{"Overzicht: 1 bericht", "- een camera: het besluit loopt af, uiterlijk 8 januari 2027", "at the latest 8 January 2027"} {
		if len(mails) > 0 && !strings.Contains(mails[0].subject+mails[0].text, want) {
			t.Errorf("the overview does not say %q:\n%s", want, mails[0].text)
		}
	}
	if s := m.Status(); s.Sent != 3 || !s.Last.Equal(w.now) || !s.Failing.IsZero() {
		t.Errorf("%+v", s)
	}
	w.now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) // a Saturday
	w.do(central.OpenMatter{By: protocoltest.Officer, MatterFacts: central.MatterFacts{Kind: central.Complaint, Reference: "K-1", Received: protocol.T(w.now), Text: "x"}})
	for range 3 * 24 {
		w.now = w.now.Add(time.Hour)
		m.Round(t.Context())
		if w.now.Before(time.Date(2026, 11, 30, 6, 30, 0, 0, time.UTC)) {
			w.expect("in the weekend nothing that can wait")
		}
	}
	w.expect("on Monday", "fg@stad.example")
}

// TestNoPersonalDataInMail: whatever is known of people and places, a mail holds numbers, times and links.
func TestNoPersonalDataInMail(t *testing.T) {
	w := newTown(t)
	m := w.mailer()
	w.asked()
	w.do(central.OpenMatter{By: protocoltest.Officer, MatterFacts: central.MatterFacts{Kind: central.Complaint, Reference: "K-PIETERSEN", Received: protocol.T(w.now), Text: "Pietersen klaagt"}})
	w.do(central.PlanAudit{By: protocoltest.Officer, Subject: "onderzoek naar Pietersen", Planned: protocol.T(w.now)})
	w.do(central.ReportIncident{By: staff, IncidentFacts: central.IncidentFacts{Nature: "Pietersen liep binnen", Cameras: []protocol.CameraID{"geheimehal"}}})
	w.seq++
	w.do(central.RecordIncident{Source: central.Source{Recorder: w.town.Recorder, Seq: w.seq}, Incident: protocol.Incident{What: "pietersen\r\nBcc: allen@elders.example", Camera: "geheimehal", Detail: "Pietersen"}})
	w.do(central.FileSubjectRequest{By: protocoltest.Handler, SubjectFacts: central.SubjectFacts{Right: central.RightAccess, Reference: "brief Pietersen", Received: protocol.T(w.now), Cameras: []protocol.CameraID{"geheimehal"},
		Asked: protocol.Span(w.now.Add(-time.Hour), w.now.Add(-30*time.Minute)), Description: "rode jas", Representative: central.InPerson}})
	w.now = w.now.Add(10 * time.Hour)
	m.Round(t.Context())
	w.now = w.now.Add(24 * time.Hour)
	m.Round(t.Context())
	mails := w.sink.got()
	if len(mails) < 6 {
		t.Errorf("%d mails", len(mails))
	}
	for _, mail := range mails {
		for _, never := range []string{"ietersen", "geheim", "Verborgen", "kluis", "Vries", "PL2100", "jas", "Politie", "p-", "Bcc", "rec-1", "CV-1", "K-", "camera-s", "gebouwen"} {
			if strings.Contains(mail.text+mail.subject, never) {
				t.Errorf("a mail to %s holds %q:\n%s", mail.to, never, mail.text)
			}
		}
	}
	if strings.Contains(w.log.String(), "@stad") {
		t.Errorf("an address in the log: %s", w.log)
	}
}

// TestServerDownForADay: nothing is lost and nothing comes twice; it is tried ever less often, and the desk can say so.
func TestServerDownForADay(t *testing.T) {
	w := newTown(t)
	m := w.mailer()
	address := w.sink.listener.Addr().String()
	w.sink.stop()
	first := w.asked()
	size := w.book.Size()
	down, rounds := w.now, 0
	for w.now = w.now.Add(time.Second); w.now.Before(down.Add(24 * time.Hour)); w.now = w.now.Add(time.Minute) {
		m.Round(t.Context())
		rounds++
	}
	if s := m.Status(); s.Sent != 0 || s.Failing.Sub(down) > time.Minute || s.Why == "" {
		t.Errorf("%+v", s)
	}
	if tries := strings.Count(w.log.String(), "trying again"); tries < 20 || tries > 35 {
		t.Errorf("%d tries in %d rounds", tries, rounds)
	}
	if grown := w.book.Size() - size; grown > 35 {
		t.Errorf("a day without a mail server is %d entries in the ledger", grown)
	}
	w.sink.listen(address)
	w.now = w.now.Add(lastAgain)
	m.Round(t.Context())
	mails := w.sink.got()
	var toldApprover int
	for _, mail := range mails {
		toldApprover += strings.Count(mail.text, "aanvraag "+string(first)+": beslissen")
	}
	if toldApprover != 1 || len(mails) != 3 { // approver; registrar and staff: the overviews of a morning that was missed
		t.Errorf("%d mails, the approver told %d times", len(mails), toldApprover)
	}
	if s := m.Status(); !s.Failing.IsZero() || s.Why != "" {
		t.Errorf("%+v", s)
	}
}

// TestCrashBetweenServerAndLedger: a mail that was sent and not recorded goes once more, with the same id; never not at all.
func TestCrashBetweenServerAndLedger(t *testing.T) {
	w := newTown(t)
	w.asked()
	m := w.mailer(func(c *Config) { c.Book = deaf{w.book} })
	m.Round(t.Context())
	once := w.expect("sent, and the centre dies", toApprover)
	other := w.mailer()
	other.Round(t.Context())
	w.expect("another centre waits for the first one's time")
	w.now = w.now.Add(central.MailLease + time.Second)
	other.Round(t.Context())
	again := w.expect("and takes over", toApprover)
	if len(once) == 1 && len(again) == 1 && (once[0].id != again[0].id || once[0].id == "") {
		t.Errorf("ids %q and %q", once[0].id, again[0].id)
	}
	w.now = w.now.Add(central.MailPause)
	other.Round(t.Context())
	w.mailer().Round(t.Context())
	w.expect("told, after a restart as well")
}

// deaf cannot record that a mail was sent.
type deaf struct{ *ledger.Book }

func (b deaf) Do(ctx context.Context, c central.Command) ([]central.Event, error) {
	if _, sent := c.(central.RecordMail); sent {
		return nil, errors.New("the disk is full")
	}
	return b.Book.Do(ctx, c)
}

// TestSeveralCentresOnOneLedger: three of them, all at once, and each mail goes once.
func TestSeveralCentresOnOneLedger(t *testing.T) {
	w := newTown(t)
	w.now = w.now.Add(8 * time.Hour)
	id := w.asked()
	var wg sync.WaitGroup
	for range 3 {
		m := w.mailer(func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
		wg.Go(func() {
			for range 10 {
				m.Round(t.Context())
			}
		})
	}
	wg.Wait()
	mails := w.sink.got()
	if len(mails) != 3 || strings.Count(mails[0].text+mails[1].text+mails[2].text, "aanvraag "+string(id)+": beslissen") != 1 {
		t.Errorf("%d mails", len(mails))
	}
}

// TestOneAddressDoesNotStopTheOthers: refused, put off, greylisted, not an address at all.
func TestOneAddressDoesNotStopTheOthers(t *testing.T) {
	w := newTown(t)
	w.now = w.now.Add(8 * time.Hour)
	w.asked()
	w.sink.set(func() {
		w.sink.answers["register@stad.example"] = "550 5.1.1 no such mailbox"
		w.sink.grey[toApprover] = 2
	})
	m := w.mailer()
	m.Round(t.Context())
	w.expect("the others", "portier@stad.example")
	if s := m.Status(); s.PutOff != 2 || !s.Failing.IsZero() {
		t.Errorf("%+v", s)
	}
	w.now = w.now.Add(61 * time.Second)
	m.Round(t.Context())
	w.expect("still grey")
	w.now = w.now.Add(61 * time.Second)
	m.Round(t.Context())
	w.expect("tried ever less often")
	w.now = w.now.Add(60 * time.Second)
	m.Round(t.Context())
	w.expect("not grey any more", toApprover)
	w.sink.set(func() { delete(w.sink.answers, "register@stad.example") })
	w.mail[registrar] = "geen adres"
	w.now = w.now.Add(lastAgain)
	m.Round(t.Context())
	w.expect("not an address")
	w.mail[registrar] = "beter@stad.example"
	w.now = w.now.Add(lastAgain)
	m.Round(t.Context())
	w.expect("mended", "beter@stad.example")
	if s := m.Status(); s.PutOff != 0 {
		t.Errorf("%+v", s)
	}
}

// TestServerThatHangs: at any moment; it costs a timeout and loses nothing.
func TestServerThatHangs(t *testing.T) {
	for _, at := range []string{"CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			w.asked()
			w.sink.set(func() { w.sink.hang = at })
			m := w.mailer()
			m.timeout = 300 * time.Millisecond
			m.Round(t.Context())
			if s := m.Status(); s.Failing.IsZero() {
				t.Errorf("%+v", s)
			}
			w.expect("nothing came")
			w.sink.set(func() { w.sink.hang = "" })
			m.timeout = 5 * time.Second
			w.now = w.now.Add(firstAgain)
			m.Round(t.Context())
			w.expect("it works again", toApprover)
			if strings.Contains(w.log.String(), toApprover) {
				t.Errorf("an address in the log: %s", w.log)
			}
		})
	}
	t.Run("taken, and then the line breaks", func(t *testing.T) {
		w := newTown(t)
		w.asked()
		w.sink.set(func() { w.sink.cut = true })
		m := w.mailer()
		m.Round(t.Context())
		once := w.expect("we cannot know", toApprover)
		w.sink.set(func() { w.sink.cut = false })
		w.now = w.now.Add(firstAgain)
		m.Round(t.Context())
		if again := w.expect("so it goes again", toApprover); len(once) == 1 && len(again) == 1 && once[0].id != again[0].id {
			t.Error("with another id")
		}
	})
	t.Run("we hear that it was taken, and then the line breaks", func(t *testing.T) {
		w := newTown(t)
		w.asked()
		w.sink.set(func() { w.sink.leave = true })
		m := w.mailer()
		m.Round(t.Context())
		w.expect("sent", toApprover)
		w.now = w.now.Add(central.MailPause)
		m.Round(t.Context())
		w.expect("and not again")
	})
	t.Run("a stop does not wait for it", func(t *testing.T) {
		w := newTown(t)
		w.asked()
		w.sink.set(func() { w.sink.hang = "DATA" })
		m := w.mailer()
		m.timeout = time.Hour
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, stop)
		m.Run(ctx)
	})
}

// TestTLSIsRequired: no log-in and no mail over a plain connection, none to a server that cannot prove who it is.
func TestTLSIsRequired(t *testing.T) {
	try := func(name string, change func(*town, *Config)) {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			w.asked()
			m := w.mailer(func(c *Config) { change(w, c) })
			m.Round(t.Context())
			var plain int
			w.sink.set(func() { plain = w.sink.plain })
			if s := m.Status(); s.Failing.IsZero() || len(w.sink.got()) != 0 || plain != 0 {
				t.Errorf("%+v, %d times in the clear", s, plain)
			}
			if strings.Contains(m.Status().Why, mailPassword) || strings.Contains(w.log.String(), mailPassword) {
				t.Error("the password is told")
			}
		})
	}
	try("a server without STARTTLS", func(w *town, _ *Config) { w.sink.set(func() { w.sink.noTLS = true }) })
	try("an unknown certificate", func(_ *town, c *Config) { c.Server.CAs = x509.NewCertPool() })
	try("another host's certificate", func(_ *town, c *Config) {
		c.Server.Address = strings.Replace(c.Server.Address, "localhost", "127.0.0.1", 1)
	})
	try("a wrong password", func(_ *town, c *Config) { c.Server.Password = "iets anders" })

	w := newTown(t)
	w.sink.set(func() { w.sink.implicit = true })
	w.asked()
	w.mailer(func(c *Config) { c.Server.TLS = TLS }).Round(t.Context())
	w.expect("TLS from the first byte", toApprover)

	for address, want := range map[string]string{"mail.stad.example:25": "only a mail server on this machine", "localhost:25": "", "127.0.0.1:25": "", "[::1]:25": "", "localhost": "host:port", "localhost:x": "number"} {
		err := Server{Address: address, TLS: Plain, From: "a@b.example"}.Valid()
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, s := range []Server{{Address: "m:25", From: "a@b.example"}, {Address: "m:25", TLS: TLS, From: "niets"}, {Address: "m:25", TLS: TLS, From: "a@b.example", User: "x"}} {
		if s.Valid() == nil {
			t.Errorf("%+v", s)
		}
	}
}
