package desk

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/centraltest"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/ledger"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/destruction"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

const password = "vier losse woorden hier"

// people of the fixture: login = the last part of the person id.
const (
	admin     protocol.PersonID = "p-admin"
	registrar protocol.PersonID = "p-registrar"
	handler                     = protocoltest.Handler
	approver                    = protocoltest.Approver
	approver2                   = protocoltest.Approver2
	officer                     = protocoltest.Officer
	requester                   = protocoltest.Requester
	teammate  protocol.PersonID = "p-colleague"
	stranger  protocol.PersonID = "p-stranger" // a requester of another unit
	staff     protocol.PersonID = "p-staff"
	auditor   protocol.PersonID = "p-auditor" // without a role, until lived gives one; likewise those below
	alderman  protocol.PersonID = "p-alderman"
	policeA   protocol.PersonID = "p-police-a"
)

// office is a centre with its real domain, ledger and accounts. Recorders and vault speak from memory: the parts that are elsewhere.
type office struct {
	t        testing.TB
	now      time.Time
	book     *ledger.Book
	identity *identity.Store
	town     *protocoltest.Town
	handler  http.Handler
	seq      uint64

	status   protocol.Status
	seen     []central.Access
	bag      []byte
	proof    witness.Evidence
	claimed  []byte
	sessions map[protocol.PersonID]*http.Cookie
	given    func(central.Command, error) // looks at each command that the desk gives
}

func (o *office) clock() time.Time { return o.now }

func (o *office) Status(id protocol.RecorderID) (protocol.Status, time.Time, bool) {
	return o.status, o.status.Time.Time, id == o.town.Recorder && !o.status.Time.IsZero()
}
func (o *office) Chain(protocol.RecorderID) Chain {
	c := Chain{Log: 1, Witnessed: protocol.LedgerHead{Size: 40, Root: protocol.HashOf([]byte("log 1"))}, Entries: 41, LastEntry: o.now, Checkpoint: o.now, Cosigned: 40, CosignedAt: o.now}
	if o.status.Log > 1 {
		c.Former, c.Log = []witness.Former{{Log: 1, From: 38, Size: 41, Covered: 40, At: protocol.T(o.now)}}, o.status.Log
	}
	return c
}
func (o *office) Accesses() ([]central.Access, error) { return o.seen, nil }
func (o *office) Counts(context.Context, time.Time, time.Time) (central.LogCounts, error) {
	return central.LogCounts{Recorders: 1, Accesses: len(o.seen), Entries: 40}, nil
}
func (o *office) Export(_ context.Context, _ protocol.RecorderID, _ uint64, w io.Writer) error {
	_, err := io.WriteString(w, "{\"v\":1}\n{}\n")
	return err
}
func (o *office) Destruction(_ context.Context, _ protocol.RecorderID, camera protocol.CameraID) ([]destruction.Day, error) {
	return []destruction.Day{o.day(camera)}, nil
}
func (o *office) Certificate(_ context.Context, _ protocol.RecorderID, camera protocol.CameraID, date string) (destruction.Certificate, error) {
	at := protocol.T(o.now)
	c := destruction.Certificate{Origin: "rec-1.stad/beeldwacht", Size: 40, Root: "abc", Cosigned: []destruction.Cosigned{{Witness: "getuige.stad", Time: at}}, Day: o.day(camera)}
	if date != c.Day.Date {
		return destruction.Certificate{Day: destruction.Day{Camera: camera, Date: date, Interval: destruction.DayOf(date, page.Amsterdam)}}, nil
	}
	c.Rows = []destruction.Row{{Entry: 39, At: at, Reason: "window", Segments: 1438, First: at, Last: at, Due: at}}
	return c, nil
}
func (o *office) day(camera protocol.CameraID) destruction.Day {
	at := protocol.T(o.now)
	return destruction.Day{Camera: camera, Date: "2026-11-20", Interval: destruction.DayOf("2026-11-20", page.Amsterdam), Sealed: 1440, Deleted: 1438, Remaining: 2, Unaccounted: 2,
		Reasons: []destruction.Reason{{Reason: "window", Segments: 1438}}, FirstDue: &at, LastDue: &at, LastGone: &at, Latest: destruction.Late(13 * time.Millisecond),
		Under: []destruction.Rule{{Entry: 4, Mandate: "m-1", Version: 1, Protocol: "cameraprotocol 2026", Besluit: "B-12", Window: protocol.Window(24 * time.Hour), Segments: 1438, Exact: true}}}
}
func (o *office) Stat(context.Context, string) (vault.Object, error) {
	if o.claimed != nil { // a store that says one thing and gives another
		return vault.Object{SHA256: protocol.HashOf(o.claimed), Size: int64(len(o.claimed))}, nil
	}
	return vault.Object{SHA256: protocol.HashOf(o.bag), Size: int64(len(o.bag))}, nil
}
func (o *office) Open(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(o.bag)), nil
}

// once fails a test that looks at the state while it looks already: with a writer waiting in between, that would stop the centre.
type once struct {
	*ledger.Book
	looking *atomic.Int32
	o       *office
}

func (b once) Do(ctx context.Context, c central.Command) ([]central.Event, error) {
	events, err := b.Book.Do(ctx, c)
	if b.o.given != nil {
		b.o.given(c, err)
	}
	return events, err
}

func (b once) View(f func(*central.State)) {
	if b.looking.Add(1) > 1 {
		b.o.t.Error("looks at the ledger's state within a look")
	}
	defer b.looking.Add(-1)
	b.Book.View(f)
}

func day(n int) protocol.Time { return protocol.T(start0.AddDate(0, 0, n)) }

var start0 = time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)

func (o *office) do(c central.Command) {
	o.t.Helper()
	if _, err := o.book.Do(o.t.Context(), c); err != nil {
		o.t.Fatalf("%T: %v", c, err)
	}
}

func newOffice(t testing.TB, configure ...func(*office, *identity.Config)) *office {
	t.Helper()
	o := &office{t: t, now: start0, town: protocoltest.NewTown(t, start0), sessions: map[protocol.PersonID]*http.Cookie{}, bag: []byte("geen zip")}
	dir := t.TempDir()
	signer, _ := protocoltest.Key(t, protocol.LedgerOrigin(o.town.Municipality))
	store, err := ledger.OpenBolt(filepath.Join(dir, "ledger.db"), signer.Name())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ledger.OpenKeys(filepath.Join(dir, "dossiers"))
	if err != nil {
		t.Fatal(err)
	}
	if o.book, err = ledger.Open(t.Context(), store, keys, signer, o.clock, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	known, err := knownPeople()
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(o.sessions, known.cookies)
	if err := os.WriteFile(filepath.Join(dir, "accounts.db"), known.file, 0o600); err != nil {
		t.Fatal(err)
	}
	if o.identity, err = openAccounts(filepath.Join(dir, "accounts.db"), o.clock, func(c *identity.Config) {
		for _, f := range configure {
			f(o, c)
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(o.book.Close(), o.identity.Close()); err != nil {
			t.Error(err)
		}
	})
	book := once{o.book, new(atomic.Int32), o}
	desk, err := New(Config{Book: book, Identity: o.identity, Recorders: o, Vault: o, Bags: dir, URL: "https://cameras.stad.example", Now: o.clock, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
		Site: page.Site{Name: "Gemeente Stad", SelfWitnessed: func() bool { book.View(func(*central.State) {}); return true }, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)), Officer: page.Contact{Name: "V. Grijs", Telephone: "14 0000", Post: "Postbus 950, Stad"}}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/assets/", page.Assets())
	mux.Handle("/", desk)
	o.handler = page.Secure(nil, page.Languages(mux))

	o.do(central.Open{Municipality: o.town.Municipality, Administrator: admin, Secrecy: day(-10)})
	for i, id := range []string{"basisteam", "recherche"} {
		o.do(central.AgreeUnit{By: admin, Unit: central.Unit{ID: id, Name: "Politie " + id, Agreement: fmt.Sprintf("CV-%d", i+1), ValidUntil: day(365), AgreementFacts: central.AgreementFacts{Kind: central.ChainPartner, Parties: "gemeente en politie",
			Goals: "opsporing", Special: "geen", Informing: "bord en website", Processings: "verstrekken van beelden", Rights: "via de gemeente", ValidFrom: day(-30), Review: day(300)}}})
	}
	roster := o.town.Roster(1, func(r *protocol.Roster) { r.LevelCentre, r.OfficerKey = true, "" })
	o.do(central.EnrolRecorder{By: admin, Recorder: o.town.Recorder, Key: o.town.LogKey, Origin: o.town.Log.Name(), Viewer: "https://recorder.test:8443", Roots: o.town.Roots, Roster: roster})
	appoint := func(p protocol.PersonID, unit string, posts ...central.Post) {
		o.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: p, Posts: posts, Unit: unit, Secrecy: day(-10)}})
	}
	appoint(registrar, "", central.Post{Role: central.Registrar})
	appoint(handler, "", central.Post{Role: central.Handler, Regime: protocol.AVG})
	appoint(approver, "", central.Post{Role: central.Approver, Regime: protocol.AVG})
	appoint(approver2, "", central.Post{Role: central.Approver, Regime: protocol.AVG}, central.Post{Role: central.Handler, Regime: protocol.AVG})
	appoint(officer, "", central.Post{Role: central.Officer})
	appoint(requester, "basisteam", central.Post{Role: central.Requester})
	appoint(teammate, "basisteam", central.Post{Role: central.Requester})
	appoint(stranger, "recherche", central.Post{Role: central.Requester})
	o.do(central.AdoptProtocol{By: registrar, CameraProtocol: buildings()})
	for _, c := range centraltest.Assess(registrar, officer, o.now) {
		o.do(c)
	}
	o.do(central.RegisterPlacement{By: registrar, PlacementFacts: hall()})
	o.do(central.Activate{By: registrar, Camera: "hal"})
	o.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: staff, Posts: []central.Post{{Role: central.Staff}}, Cameras: []protocol.CameraID{"hal"}, Secrecy: day(-10)}})
	frame := protocol.T(o.now)
	o.status = protocol.Status{Recorder: o.town.Recorder, Time: protocol.T(o.now), State: "online", Cameras: []protocol.CameraStatus{{Camera: "hal", State: "recording", Since: day(-1), LastFrame: &frame}}}
	return o
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) { w.t.Log(string(b)); return len(b), nil }

func buildings() central.CameraProtocol {
	return central.CameraProtocol{ID: "gebouwen", Version: 1, Title: "Cameraprotocol gebouwen", Regime: protocol.AVG, Purposes: []central.Purpose{central.Buildings, central.Visitors}, Bases: []central.Basis{central.PublicTask},
		Window: protocol.Window(7 * 24 * time.Hour), LongestHold: protocol.Window(60 * 24 * time.Hour), Form: central.ViewLive, Roles: central.ProtocolUsers, Viewing: "alleen door de receptie", Release: "na vordering",
		Recognisability: "gezichten bij de ingang", Security: "recorder in een afgesloten kast", AdoptedBy: "college", AdoptedOn: day(-30), Published: "gemeenteblad 2026-1", ValidFrom: day(-30), Review: day(700),
		Document: protocol.HashOf([]byte("protocol gebouwen"))}
}

func hall() central.PlacementFacts {
	return centraltest.Ready(central.PlacementFacts{Camera: "hal", Name: "Hal stadskantoor", Regime: protocol.AVG, Position: central.At(51.4793, 5.657), Place: "hoofdingang", Direction: 90,
		Purposes: []central.Purpose{central.Buildings, central.Visitors}, Subsidiarity: "beveiligers alleen volstaan niet", Proportionality: "alleen de ingang",
		Besluit:  central.Besluit{Reference: "B-2026-14", Date: day(-20), ValidFrom: day(-10), ValidUntil: day(300), Body: "college", Area: "stadskantoor"},
		Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}, Sign: central.Sign{Placed: day(-5)}, Recorder: "rec-1", Streams: []protocol.StreamID{"main"},
		Publication: central.PublishExact, Contact: "14 0000"})
}

// knownPeople is a file of accounts in which each person has logged in at start0. It is made once: passwords are slow on purpose.
var knownPeople = sync.OnceValues(func() (known struct {
	file    []byte
	cookies map[protocol.PersonID]*http.Cookie
}, err error) {
	dir, err := os.MkdirTemp("", "desk-accounts-")
	if err != nil {
		return known, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "accounts.db")
	s, err := openAccounts(path, func() time.Time { return start0 }, func(*identity.Config) {})
	if err != nil {
		return known, err
	}
	known.cookies = map[protocol.PersonID]*http.Cookie{}
	for p, name := range map[protocol.PersonID]string{admin: "Ada Beheer", registrar: "Rik Register", handler: "Hanna Vink", approver: "Aad de Boer", approver2: "Ans Mulder",
		officer: "Vera Grijs", requester: "Joris <b>Bakker</b>", teammate: "Kim Smit", stranger: "Sem Ander", staff: "Fatma Yilmaz", auditor: "Otto Toets", alderman: "Wilma Bestuur", policeA: "Piet Zwart"} {
		login := strings.TrimPrefix(string(p), "p-")
		if err := s.Add(identity.Account{Person: p, Login: login, Name: name}, password); err != nil {
			return known, err
		}
		in, err := s.LogIn(context.Background(), login, password, identity.Client{Address: "192.0.2.1"})
		if err != nil {
			return known, err
		}
		known.cookies[p] = &http.Cookie{Name: "bureau", Value: in.Session}
	}
	if err := s.Close(); err != nil {
		return known, err
	}
	known.file, err = os.ReadFile(path)
	return known, err
})

func openAccounts(path string, now func() time.Time, configure func(*identity.Config)) (*identity.Store, error) {
	shelf, err := identity.File(path)
	if err != nil {
		return nil, err
	}
	c := identity.Config{Now: now, URL: "https://cameras.stad.example", Name: "Gemeente Stad"}
	configure(&c)
	return identity.Open(shelf, c)
}

// browser is one person's, with their cookie.
type browser struct {
	*office
	cookie *http.Cookie
	csrf   string
}

func (o *office) as(p protocol.PersonID) *browser {
	o.t.Helper()
	b := &browser{office: o}
	if b.cookie = o.sessions[p]; b.cookie == nil {
		w := b.send("POST", "/bureau/inloggen", url.Values{"login": {strings.TrimPrefix(string(p), "p-")}, "wachtwoord": {password}})
		if b.cookie = given(w, identity.SessionCookie); w.Code != 303 || b.cookie == nil {
			o.t.Fatalf("log-in of %s: %d", p, w.Code)
		}
		o.sessions[p] = b.cookie
	}
	if found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(b.get("/bureau").Body.String()); found != nil {
		b.csrf = found[1]
	}
	return b
}

// given is a cookie that an answer sets.
func given(w *httptest.ResponseRecorder, name string) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == name && c.MaxAge >= 0 {
			return c
		}
	}
	return nil
}

func (b *browser) send(method, path string, form url.Values) *httptest.ResponseRecorder {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, path, body)
	r.RemoteAddr = "192.0.2.1:1"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		if said := ofMachines.FindAllString(unquoted(w.Body.String()), 3); said != nil {
			b.t.Errorf("%s %s says times as machines do, not in the zone of the screen: %q", method, path, said)
		}
	}
	return w
}

var ofMachines = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*|\bP(\d+D|T\d+[HMS])\S*| UTC\b`)

// unquoted is the text of a page's main part but for what is quoted there. It is read of every page of every test, and so without a regular expression.
func unquoted(page string) string {
	_, page, _ = strings.Cut(page, "<main")
	page, _, _ = strings.Cut(page, "</main>")
	var b strings.Builder
	for {
		text, rest, more := strings.Cut(page, "<")
		b.WriteString(text)
		b.WriteByte(' ')
		if !more {
			return b.String()
		}
		for _, quote := range []string{"pre", "code", "textarea"} {
			if strings.HasPrefix(rest, quote) {
				_, rest, _ = strings.Cut(rest, "</"+quote)
			}
		}
		_, page, _ = strings.Cut(rest, ">")
	}
}

func (b *browser) get(path string) *httptest.ResponseRecorder { return b.send("GET", path, nil) }

// post sends a form with the session's token.
func (b *browser) post(path string, pairs ...string) *httptest.ResponseRecorder {
	form := url.Values{"csrf": {b.csrf}}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.send("POST", path, form)
}

// says checks status and words of an answer, as a reader sees them.
func says(t testing.TB, w *httptest.ResponseRecorder, status int, words ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d", w.Code, status)
	}
	body := plain(w.Body.String())
	for _, want := range words {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if t.Failed() {
		t.Fatalf("the page: %s", body)
	}
}

var tags = regexp.MustCompile(`(?s)<style.*?</style>|<[^>]*>`)

// plain is what a reader reads of a page's main part.
func plain(page string) string {
	if _, main, ok := strings.Cut(page, "<main"); ok {
		page, _, _ = strings.Cut("<main"+main, "</main>")
	}
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

var theft = []string{"camera", "hal", "van", "2026-11-21T00:55", "tot", "2026-11-21T01:05", "artikel", "126nda", "bevoegde", "J. Bakker, opsporingsambtenaar", "kenmerk", "PL2100-2026-1", "noodzaak", "de verdachte liep langs de ingang"}

// filed lets the requester file a theft, and the recorder confirm the hold.
func (o *office) filed() protocol.RequestID {
	o.t.Helper()
	w := o.as(requester).post("/bureau/aanvragen/nieuw", append(theft, "stap", "indienen")...)
	if w.Code != 303 {
		o.t.Fatalf("filing: %d %s", w.Code, plain(w.Body.String()))
	}
	return protocol.RequestID(strings.TrimPrefix(w.Header().Get("Location"), "/bureau/aanvragen/"))
}

func (o *office) confirm(id protocol.RequestID) {
	o.t.Helper()
	var list []central.Command
	o.book.View(func(st *central.State) {
		for _, h := range st.Request(id).Holds {
			o.seq++
			list = append(list, central.ConfirmHold{Source: central.Source{Recorder: o.town.Recorder, Seq: o.seq}, Placed: protocol.HoldPlaced{Hold: h.HoldID(), Request: h.Request, Camera: h.Camera, Asked: h.Asked,
				Interval: protocol.Span(h.Asked.From.Add(-20*time.Second), h.Asked.To.Add(40*time.Second)), Segments: 11, Bytes: 1 << 20, Root: protocol.HashOf([]byte("root")), End: h.End}})
		}
	})
	for _, c := range list {
		o.do(c)
	}
}

// released lets the recorder release the request's one grant.
func (o *office) released(id protocol.RequestID) (grant protocol.GrantID) {
	o.t.Helper()
	var c central.RecordRelease
	o.book.View(func(st *central.State) {
		g := st.Request(id).Grants[0]
		o.seq++
		grant = g.GrantID()
		c = central.RecordRelease{Source: central.Source{Recorder: o.town.Recorder, Seq: o.seq}, Released: protocol.Released{Grant: g.GrantID(), Request: g.Request, Camera: g.Camera, Intent: 40, Object: central.ObjectName(g.Recorder, g.GrantID()),
			Size: int64(len(o.bag)), SHA256: protocol.HashOf(o.bag), Bag: protocol.HashOf(o.bag), Manifest: protocol.HashOf([]byte("m")), Segments: 11}}
	})
	o.do(c)
	return grant
}

func (o *office) decided(id protocol.RequestID) {
	o.t.Helper()
	if w := o.as(handler).post("/bureau/aanvragen/"+string(id)+"/toetsen", "volledig", "ja", "noodzakelijk", "ja"); w.Code != 303 {
		o.t.Fatalf("check: %d %s", w.Code, plain(w.Body.String()))
	}
	b := o.as(approver)
	akkoord := regexp.MustCompile(`name="akkoord" value="([^"]+)"`).FindStringSubmatch(b.get("/bureau/aanvragen/" + string(id)).Body.String())
	if akkoord == nil {
		o.t.Fatal("the approver's page offers no rounded interval")
	}
	if w := b.post("/bureau/aanvragen/"+string(id)+"/beslissen", "besluit", "granted", "motivering", "voldoet", "akkoord", akkoord[1]); w.Code != 303 {
		o.t.Fatalf("decide: %d %s", w.Code, plain(w.Body.String()))
	}
}

func TestARequestFromFilingToHandOver(t *testing.T) {
	o := newOffice(t)
	look := o.as(requester).post("/bureau/aanvragen/nieuw", theft...)
	says(t, look, 200, "Klopt dit?", "21 november 2026 van 00:55:00 tot 01:05:00", "10 minuten", "naar buiten afgerond", "blijft tot 28 november 2026 om 00:55:00", "Indienen")
	id := o.filed()
	path := "/bureau/aanvragen/" + string(id)
	says(t, o.as(requester).get(path), 200, "Bewaring gevraagd aan de recorder", "gevraagd", "de recorder bevestigde nog niet", "PL2100-2026-1")
	says(t, o.as(handler).get(path), 200, "nog niet bevestigd")

	o.confirm(id)
	says(t, o.as(requester).get(path), 200, "Bewaring bevestigd door de recorder", "Afgerond op hele stukken:", "van 00:54:40 tot 01:05:40", "Wacht op toetsing")
	says(t, o.as(handler).get("/bureau"), 200, "Aanvraag "+string(id)+": toetsen")
	says(t, o.as(handler).post(path+"/toetsen", "volledig", "ja"), 400, "Beantwoord elke vraag met ja of nee.")
	o.decided(id)
	says(t, o.as(approver).get(path), 200, "Niveau centrale: alleen de centrale staat ervoor in")
	says(t, o.as(requester).get(path), 200, "Toegekend", "voldoet", "De recorder maakt de beelden klaar", "Hanna Vink", "Aad de Boer")

	grant := o.released(id)
	says(t, o.as(requester).get("/bureau"), 200, "ophalen")
	says(t, o.as(requester).get(path), 200, "Beelden ophalen", "Haal eerst de beelden van camera hal op.")
	bag := path + "/beelden/" + string(grant)
	if w := o.as(requester).get(bag + "/bestand"); w.Code != 303 {
		t.Errorf("a file without a recorded download: %d", w.Code)
	}
	if w := o.as(requester).post(path+"/ophalen", "toestemming", string(grant)); w.Code != 303 || w.Header().Get("Location") != bag {
		t.Fatalf("download: %d %s", w.Code, plain(w.Body.String()))
	}
	says(t, o.as(requester).get(bag), 200, "Drie oordelen", "NIET IN ORDE", "Gebruik dit pakket niet zo.", "SHA-256 van het bestand: "+protocol.HashOf(o.bag).String(), "Niveau centrale") // this bag is no bag
	w := o.as(requester).get(bag + "/bestand")
	if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), o.bag) || !strings.Contains(w.Header().Get("Content-Disposition"), "beelden-"+string(id)+"-hal.zip") {
		t.Errorf("file: %d %q %v", w.Code, w.Body, w.Header())
	}
	if w := o.as(teammate).get(bag + "/bestand"); w.Code != 303 {
		t.Errorf("a colleague who did not fetch it got %d", w.Code)
	}
	o.now = o.now.Add(10 * time.Minute)
	if w := o.as(teammate).post(path+"/ontvangst", "opmerking", "opgeslagen"); w.Code != 303 {
		t.Errorf("receipt: %d %s", w.Code, plain(w.Body.String()))
	}
	says(t, o.as(officer).get(path), 200, "Overgedragen: ontvangst bevestigd", "Kim Smit p-colleague", "afgesloten", "ontvangst bevestigd")
	o.now = o.now.Add(protocol.HandOverTerm)
	delete(o.sessions, requester) // the session has ended as well
	says(t, o.as(requester).post(path+"/ophalen", "toestemming", string(grant)), 409, "De veertien dagen om op te halen zijn voorbij.")
	if w := o.as(requester).get(bag + "/bestand"); w.Code != 303 {
		t.Errorf("after fourteen days: %d", w.Code)
	}
}

func TestABagThatIsNotTheRecordersIsNotGiven(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	o.confirm(id)
	o.decided(id)
	grant := o.released(id)
	path := "/bureau/aanvragen/" + string(id)
	o.as(requester).post(path+"/ophalen", "toestemming", string(grant))
	right := o.bag
	o.claimed, o.bag = right, []byte("een ander")
	refused := func(what string) {
		t.Helper()
		for _, p := range []string{"/beelden/" + string(grant), "/beelden/" + string(grant) + "/bestand"} {
			if w := o.as(requester).get(path + p); w.Code != 500 || strings.Contains(w.Body.String(), "een ander") {
				t.Errorf("%s: %s: %d %q", what, p, w.Code, plain(w.Body.String()))
			}
		}
	}
	refused("the store claims the right hash")
	o.claimed = nil
	refused("the store's own hash is another")
	o.claimed, o.bag = []byte("een ander"), right
	refused("the object is not the one that the recorder stored")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(o.t.TempDir()), "*", "bag-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("opened bags remain on disk: %v %v", left, err)
	}
}

// Who may open which page: 200, 403 with words, or 404 where not even the existence is told.
func TestWhoSeesWhat(t *testing.T) {
	o := newOffice(t)
	id := string(o.filed())
	all := []protocol.PersonID{admin, registrar, handler, approver, officer, requester, teammate, stranger, staff}
	for path, may := range map[string][]protocol.PersonID{
		"/bureau":                           all,
		"/bureau/wachtwoord":                all,
		"/bureau/aanvragen":                 {handler, approver, officer, requester, teammate, stranger, staff},
		"/bureau/aanvragen/" + id:           {handler, approver, officer, requester, teammate},
		"/bureau/aanvragen/nieuw":           {requester, teammate, stranger, staff},
		"/bureau/cameras":                   {registrar, approver, officer, staff},
		"/bureau/cameras/hal":               {registrar, approver, officer, staff},
		"/bureau/cameras/nieuw":             {registrar},
		"/bureau/cameras/hal/aanpassen":     {registrar},
		"/bureau/meekijken":                 {staff},
		"/bureau/toegang":                   {officer},
		"/bureau/logboeken":                 {officer},
		"/bureau/logboeken/rec-1":           {officer},
		"/bureau/logboeken/centrale":        {officer},
		"/bureau/bewaring":                  {officer},
		"/bureau/vernietiging":              {officer},
		"/bureau/vernietiging/hal":          {officer},
		"/bureau/mensen":                    {admin},
		"/bureau/recorders":                 {admin, officer},
		"/bureau/mensen/" + string(handler): {admin},
	} {
		for _, who := range all {
			for _, prefix := range []string{"", "/en"} {
				w := o.as(who).get(prefix + path)
				allowed := false
				for _, p := range may {
					allowed = allowed || p == who
				}
				if allowed && w.Code != 200 || !allowed && w.Code != 403 && w.Code != 404 {
					t.Errorf("%s on %s%s: %d", who, prefix, path, w.Code)
				}
				if w.Code == 403 {
					says(t, w, 403, map[string]string{"": "Uw rol geeft hier geen toegang toe.", "/en": "Your role does not give access"}[prefix])
				}
			}
		}
		w := (&browser{office: o}).get(path)
		if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/bureau/inloggen") {
			t.Errorf("a stranger on %s: %d %s", path, w.Code, w.Header().Get("Location"))
		}
	}
}

// A demand is secret: another unit's request is as little there as one that never was.
func TestAnotherUnitsRequestIsNotThere(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	b := o.as(stranger)
	theirs, none := b.get("/bureau/aanvragen/"+string(id)), b.get("/bureau/aanvragen/z-99")
	if theirs.Code != 404 || none.Code != 404 || strings.ReplaceAll(theirs.Body.String(), string(id), "") != strings.ReplaceAll(none.Body.String(), "z-99", "") {
		t.Errorf("%d and %d: the answers differ", theirs.Code, none.Code)
	}
	for _, what := range []string{"ophalen", "ontvangst"} {
		if w := b.post("/bureau/aanvragen/" + string(id) + "/" + what); w.Code != 404 {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
	if strings.Contains(b.get("/bureau/aanvragen").Body.String(), string(id)) {
		t.Error("the list shows another unit's request")
	}
}

func TestI12_NobodyActsOutsideTheirPart(t *testing.T) {
	o := newOffice(t)
	id := string(o.filed())
	o.confirm(protocol.RequestID(id))
	path := "/bureau/aanvragen/" + id
	for _, who := range []protocol.PersonID{admin, registrar, officer, requester, staff, stranger} {
		for _, act := range []string{"/toetsen", "/beslissen"} {
			w := o.as(who).post(path+act, "volledig", "ja", "noodzakelijk", "ja", "besluit", "refused", "reden", "too-broad", "motivering", "x")
			if w.Code != 403 && w.Code != 404 {
				t.Errorf("%s on %s: %d", who, act, w.Code)
			}
		}
	}
	// approver2 holds both posts: who checked may not decide, and is told so on the page.
	if w := o.as(approver2).post(path+"/toetsen", "volledig", "ja", "noodzakelijk", "ja"); w.Code != 303 {
		t.Fatal(w.Code)
	}
	says(t, o.as(approver2).get(path), 200, "Aanvrager, behandelaar en goedkeurder moeten drie verschillende mensen zijn.")
	w := o.as(approver2).post(path+"/beslissen", "besluit", "refused", "reden", "too-broad", "motivering", "x")
	says(t, w, 403, "drie verschillende mensen")
}

func TestEveryPOSTNeedsTheSessionsToken(t *testing.T) {
	o := newOffice(t)
	id := string(o.filed())
	o.confirm(protocol.RequestID(id))
	before := o.book.Size()
	for _, c := range []struct {
		who  protocol.PersonID
		path string
	}{
		{requester, "/bureau/aanvragen/nieuw"}, {handler, "/bureau/aanvragen/" + id + "/toetsen"}, {approver, "/bureau/aanvragen/" + id + "/beslissen"}, {requester, "/bureau/aanvragen/" + id + "/ophalen"},
		{requester, "/bureau/aanvragen/" + id + "/ontvangst"}, {staff, "/bureau/meekijken"}, {registrar, "/bureau/cameras/nieuw"}, {registrar, "/bureau/cameras/hal/activeren"}, {registrar, "/bureau/cameras/hal/bord"},
		{registrar, "/bureau/cameras/hal/verlengen"}, {registrar, "/bureau/cameras/hal/aanpassen"}, {approver, "/bureau/cameras/hal/beeindigen"}, {admin, "/bureau/mensen"}, {admin, "/bureau/mensen/p-staff"},
		{admin, "/bureau/mensen/p-staff/uitnodigen"}, {admin, "/bureau/organisaties"}, {admin, "/bureau/recorders/rec-1"}, {staff, "/bureau/wachtwoord"}, {staff, "/bureau/uitloggen"},
	} {
		b := o.as(c.who)
		b.csrf = "another session's"
		says(t, b.post(c.path, append(theft, "stap", "indienen", "volledig", "ja", "noodzakelijk", "ja")...), 403, "Dit formulier hoort niet bij uw sessie.")
	}
	if o.book.Size() != before {
		t.Error("a form without a token changed the ledger")
	}
	r := httptest.NewRequest("POST", "/bureau/inloggen", strings.NewReader("login=staff&wachtwoord="+url.QueryEscape(password)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if w.Code != 403 {
		t.Errorf("a log-in from another site: %d", w.Code)
	}
}

func TestAnOversizedFormIsSaidToBe(t *testing.T) {
	o := newOffice(t)
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", "noodzaak", strings.Repeat("x", formLimit)), http.StatusRequestEntityTooLarge, "te groot", "64 kB")
	says(t, (&browser{office: o}).send("POST", "/bureau/inloggen", url.Values{"wachtwoord": {strings.Repeat("x", formLimit)}}), http.StatusRequestEntityTooLarge, "te groot")
}

func TestVisitorsAreToldApart(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:55": "192.0.2.7", "[::ffff:192.0.2.7]:55": "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:55": "2001:db8:1:2::/64", "[fe80::1%eth0]:55": "fe80::/64", "odd": "odd",
	} {
		if got := visitor(remote); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

func TestLogInSaysNothingOfWhoExists(t *testing.T) {
	o := newOffice(t)
	b := &browser{office: o}
	wrong := b.send("POST", "/bureau/inloggen", url.Values{"login": {"handler"}, "wachtwoord": {"fout"}})
	unknown := b.send("POST", "/bureau/inloggen", url.Values{"login": {"niemand"}, "wachtwoord": {"fout"}})
	says(t, wrong, 403, "De naam of het wachtwoord klopt niet, of er is te vaak geprobeerd.")
	if wrong.Code != unknown.Code || strings.ReplaceAll(wrong.Body.String(), "handler", "") != strings.ReplaceAll(unknown.Body.String(), "niemand", "") {
		t.Error("the answers differ")
	}
	for verder, want := range map[string]string{"/bureau/cameras": "/bureau/cameras", "//evil.example": "/bureau", "https://evil.example/bureau": "/bureau", "/camera/x": "/bureau", `/bureau/\evil`: "/bureau",
		"/bureau/meekijken?sleutel=p256:A-_": "/bureau/meekijken?sleutel=p256:A-_"} {
		w := b.send("POST", "/bureau/inloggen", url.Values{"login": {"staff"}, "wachtwoord": {password}, "verder": {verder}})
		if got := w.Header().Get("Location"); got != want {
			t.Errorf("onward to %q leads to %q", verder, got)
		}
	}
	out := o.as(staff)
	if w := out.post("/bureau/uitloggen"); w.Code != 303 {
		t.Error(w.Code)
	}
	if w := out.get("/bureau"); w.Code != 303 {
		t.Errorf("after log-out: %d", w.Code)
	}
	delete(o.sessions, staff)
	says(t, b.get("/bureau/inloggen?nog-ingelogd=aanbieder"), 200, "U bent hier uitgelogd.", "sluit op een gedeelde computer alle vensters van de browser")
}

// The link from a viewer comes from another site, without the cookie; the page reloads itself once from here.
func TestALinkFromTheViewerArrives(t *testing.T) {
	o := newOffice(t)
	r := httptest.NewRequest("GET", "/bureau/meekijken?sleutel=p256:x", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `http-equiv="refresh" content="0"`) || !strings.Contains(w.Body.String(), `href="/bureau/meekijken?sleutel=p256:x"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNamesCannotBecomeCode(t *testing.T) {
	o := newOffice(t)
	id := string(o.filed())
	body := o.as(handler).get("/bureau/aanvragen/" + id).Body.String()
	if strings.Contains(body, "<b>Bakker") || !strings.Contains(body, "Joris &lt;b&gt;Bakker&lt;/b&gt;") {
		t.Error("a name became code")
	}
	w := o.as(requester).post("/bureau/aanvragen/nieuw", "camera", "hal", "van", "onzin", "tot", `"><script>alert(1)</script>`, "noodzaak", "</textarea><script>alert(2)</script>", "kenmerk", `" onfocus="x`)
	if w.Code != 400 || strings.Contains(w.Body.String(), "<script>alert") || strings.Contains(w.Body.String(), `" onfocus="x`) {
		t.Errorf("%d: what was typed became code", w.Code)
	}
}

func TestARefusalKeepsWhatWasTyped(t *testing.T) {
	o := newOffice(t)
	typed := append([]string{}, theft...)
	for i, s := range typed {
		if s == "2026-11-21T01:05" {
			typed[i] = "2026-11-21T00:50" // ends before it begins
		}
	}
	w := o.as(requester).post("/bureau/aanvragen/nieuw", typed...)
	says(t, w, 400, "Het einde moet na het begin liggen.", "de verdachte liep langs de ingang")
	for _, want := range []string{`value="2026-11-21T00:55"`, `value="hal" checked`, `value="126nda" selected`, `value="PL2100-2026-1"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("lost what was typed: %s", want)
		}
	}
	// Older than the window: told, and asked to say so.
	old := []string{"camera", "hal", "van", "2026-11-10T00:55", "tot", "2026-11-10T01:05", "artikel", "126nda", "bevoegde", "x", "kenmerk", "x", "noodzaak", "x"}
	w = o.as(requester).post("/bureau/aanvragen/nieuw", old...)
	says(t, w, 400, "waarschijnlijk al verwijderd", "en vraag ze toch")
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", append(old, "misschien-weg", "ja")...), 200, "(een deel) is waarschijnlijk al verwijderd")
}

func TestPolice2_ToldWhatExpiresWithinADay(t *testing.T) {
	o := newOffice(t)
	soon := []string{"camera", "hal", "van", "2026-11-14T12:00", "tot", "2026-11-14T12:10", "artikel", "126nda", "bevoegde", "x", "kenmerk", "x", "noodzaak", "x"}
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", soon...), 200, "verloopt binnen 24 uur: vanaf 21 november 2026 om 12:00:00")
}

func TestPolice4_AnUnconfirmedHoldIsAnAlarm(t *testing.T) {
	o := newOffice(t)
	id := string(o.filed())
	o.now = o.now.Add(central.HoldAlarm)
	says(t, o.as(requester).get("/bureau/aanvragen/"+id), 200, "na vijf minuten nog niet bevestigd")
	says(t, o.as(officer).get("/bureau"), 200, "bewaring na vijf minuten niet bevestigd")
}

func TestR2_JudgingStaffHasNoChoiceAndAReason(t *testing.T) {
	o := newOffice(t)
	says(t, o.as(requester).get("/bureau/aanvragen/nieuw"), 200, "nadrukkelijk niet bedoeld zijn als controlemiddel")
	says(t, o.as(staff).post("/bureau/meekijken", "camera", "hal", "doel", "judging-staff", "tot", "2026-12-01", "kenmerk", "x", "noodzaak", "x"), 400, "Daarom bestaat dit doel hier niet.")
}

func TestFacility1_DarkCamerasAndTheirCause(t *testing.T) {
	o := newOffice(t)
	says(t, o.as(staff).get("/bureau"), 200, "Hal stadskantoor", "Neemt op", "Laatste beeld: 21 november 2026 om 02:00:00")
	for detail, said := range map[string]string{protocol.SoundLeftOut + " (G.711)": "Zonder het geluid van de camera (G.711).", protocol.SoundRecorded + " (AAC)": "Met het geluid van de camera (AAC).",
		protocol.SoundSilent + " (Opus)": "De camera biedt geluid aan en stuurt het niet (Opus)."} { // also while it is recorded: people may think they have it
		o.status.Cameras[0] = protocol.CameraStatus{Camera: "hal", State: "recording", Detail: detail, Since: protocol.T(o.now.Add(-time.Hour))}
		says(t, o.as(staff).get("/bureau/cameras"), 200, "Neemt op", said)
	}
	o.status.Cameras[0] = protocol.CameraStatus{Camera: "hal", State: "gap", Cause: "network", Since: protocol.T(o.now.Add(-time.Hour))}
	says(t, o.as(staff).get("/bureau/cameras"), 200, "Donker: neemt niet op", "Sinds 21 november 2026 om 01:00:00", "de camera is niet te bereiken")
	o.now = o.now.Add(10 * time.Minute)
	says(t, o.as(staff).get("/bureau/cameras"), 200, "Recorder zwijgt", "meldde zich het laatst op 21 november 2026 om 02:00:00")
}

func viewerKey(t testing.TB) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return "p256:" + base64.RawURLEncoding.EncodeToString(elliptic.MarshalCompressed(elliptic.P256(), key.X, key.Y))
}

func TestFacility3_AskingToLookBack(t *testing.T) {
	o := newOffice(t)
	key := viewerKey(t)
	b := o.as(staff)
	w := b.get("/bureau/meekijken?sleutel=" + url.QueryEscape(key))
	says(t, w, 200, "hoogstens vijftien minuten", "https://recorder.test:8443")
	if !strings.Contains(w.Body.String(), `value="`+key+`"`) {
		t.Error("the viewer's key is not in the form")
	}
	ask := []string{"sleutel", key, "camera", "hal", "doel", "buildings", "tot", "2027-02-19", "kenmerk", "dienst 3", "noodzaak", "toezicht op de hal"}
	w = b.post("/bureau/meekijken", ask...)
	if w.Code != 303 {
		t.Fatalf("%d %s", w.Code, plain(w.Body.String()))
	}
	path := w.Header().Get("Location")
	says(t, o.as(handler).get(path), 200, "doorlopend meekijken", "Hoogstens vijftien minuten terugkijken, tot 19 februari 2027", key, "bescherming van gebouwen")
	o.as(handler).post(path+"/toetsen", "volledig", "ja", "noodzakelijk", "ja")
	says(t, o.as(approver).get(path), 200, "Niveau centrale")
	if w := o.as(approver).post(path+"/beslissen", "besluit", "granted", "motivering", "akkoord"); w.Code != 303 {
		t.Fatalf("%d %s", w.Code, plain(w.Body.String()))
	}
	says(t, b.get("/bureau/meekijken"), 200, "Tot 19 februari 2027", key, "Niveau centrale")
	says(t, b.post("/bureau/meekijken", "sleutel", "p256:onzin", "camera", "hal", "doel", "buildings", "tot", "2026-12-01", "kenmerk", "x", "noodzaak", "x"), 400, "De sleutel van de kijker is niet geldig.")
}

func TestFacility6_WhatIsMissingStandsBesideTheDisabledButton(t *testing.T) {
	o := newOffice(t)
	b := o.as(registrar)
	fields := []string{"nummer", "deur", "naam", "Achterdeur", "regime", "AVG", "plaats", "achterzijde", "breedte", "51,4793", "lengte", "5.657", "richting", "180", "recorder", "rec-1", "stromen", "main",
		"doel", "buildings", "subsidiariteit", "een slot alleen volstaat niet", "proportionaliteit", "alleen de deur", "openbaar", "exact", "contact", "14 0000"}
	says(t, b.post("/bureau/cameras/nieuw", append(append([]string{}, fields...), "openbaar", "area")...), 303)
	// Values of radio buttons: the first counts; this camera is exact.
	w := b.get("/bureau/cameras/deur")
	says(t, w, 200, "concept", "Kan nog niet: Plaats eerst het bord, of leg vast waarom dat niet kan.", "ontbreekt")
	if !regexp.MustCompile(`<button disabled[^>]*>In gebruik nemen`).MatchString(w.Body.String()) {
		t.Error("the button is not disabled")
	}
	says(t, b.post("/bureau/cameras/deur/activeren"), 409, "Plaats eerst het bord")
	if w := b.post("/bureau/cameras/deur/bord", "geplaatst", "2026-11-20"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/cameras/deur"), 200, "Kan nog niet: Leg eerst het besluit vast")
	form := b.get("/bureau/cameras/deur/aanpassen").Body.String()
	for _, want := range []string{`value="Achterdeur"`, `value="51.4793"`, `value="2026-11-20"`, `value="buildings" checked`, `value="rec-1" selected`} {
		if !strings.Contains(form, want) {
			t.Errorf("the form to amend does not begin with %s", want)
		}
	}
	if w := b.post("/bureau/cameras/deur/aanpassen", append(fields, "geplaatst", "2026-11-20", "protocol", "gebouwen v1", "besluit", "B-9", "orgaan", "college", "besluit-datum", "2026-11-01", "besluit-van", "2026-11-02", "besluit-tot", "2027-11-02")...); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/cameras/deur"), 200, "Kan nog niet: Kies eerst de DPIA", "of personeel in beeld komt", "nog open: R, S, C, I", "waar in Nederland de beelden staan")
	fields = append(fields, "geplaatst", "2026-11-20", "protocol", "gebouwen v1", "besluit", "B-9", "orgaan", "college", "besluit-datum", "2026-11-01", "besluit-van", "2026-11-02", "besluit-tot", "2027-11-02",
		"maskers", "de tuin van de buren", "kwaliteit", "observe", "dpia", "camera-s", "personeel", "yes", "selectie", "20.1.2", "rasci-r", "teammanager", "rasci-s", "beveiliging", "rasci-c", "privacy officer", "rasci-i", "raad", "opslag-plaats", "kast 1")
	says(t, b.post("/bureau/cameras/deur/aanpassen", append(fields, "opslag-land", "DE")...), 400, "Beelden worden alleen in Nederland bewaard")
	if w := b.post("/bureau/cameras/deur/aanpassen", append(fields, "opslag-land", "nl")...); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/cameras/deur"), 200, "Kan nog niet: Deze camera filmt personeel: leg de instemming van de ondernemingsraad vast.")
	if w := b.post("/bureau/cameras/deur/aanpassen", append(fields, "opslag-land", "nl", "or-kenmerk", "OR-3", "or-datum", "2026-11-10")...); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/cameras/deur"), 200, "begint op te nemen")
	if w := b.post("/bureau/cameras/deur/activeren"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/cameras/deur"), 200, "actief", "camera in gebruik genomen", "Rik Register p-registrar")
	says(t, b.post("/bureau/cameras/nieuw", "nummer", "x", "naam", "x", "breedte", "NaN", "lengte", "5"), 400, "Vul de plaats in als graden")
}

func TestStoppingACameraTakesTwoApprovers(t *testing.T) {
	o := newOffice(t)
	if w := o.as(approver).post("/bureau/cameras/hal/beeindigen", "hoe", "suspend", "waarom", "verbouwing"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, o.as(approver).post("/bureau/cameras/hal/beeindigen", "hoe", "suspend", "waarom", "verbouwing"), 403, "Een tweede goedkeurder moet dit ook vragen.")
	says(t, o.as(approver2).get("/bureau/cameras/hal"), 200, "Aad de Boer p-approver stelde voor: opschorten (verbouwing)")
	if w := o.as(approver2).post("/bureau/cameras/hal/beeindigen", "hoe", "suspend", "waarom", "verbouwing"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, o.as(registrar).get("/bureau/cameras/hal"), 200, "opgeschort")
}

func TestOfficer2_EveryAccessBesideItsGrantBothWays(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	o.confirm(id)
	o.decided(id)
	var grant protocol.GrantID
	var recipient string
	var interval protocol.Interval
	o.book.View(func(st *central.State) {
		g := st.Request(id).Grants[0]
		grant, recipient, interval = g.GrantID(), g.Recipient, g.Interval
	})
	at := protocol.T(o.now.Add(time.Minute))
	good := central.Access{Recorder: "rec-1", Seq: 71, At: at, Kind: protocol.KindIntent, Access: protocol.Access{How: "release", Grant: grant, Request: id, Camera: "hal", Interval: interval, Person: requester, Recipient: recipient, Reason: "vordering 126nda", Level: protocol.LevelCentre}}
	orphan := central.Access{Recorder: "rec-1", Seq: 72, At: at, Kind: protocol.KindView, Access: protocol.Access{How: "playback", Grant: "g-verzonnen", Request: "z-7", Camera: "hal", Interval: interval, Person: staff, Reason: "<i>zomaar</i>", Level: protocol.LevelCentre}}
	o.seen = []central.Access{good, orphan}

	says(t, o.as(officer).get("/bureau"), 200, "Toegang zonder toestemming", "1 keer is bij beelden gekomen", "geen toestemming bekend", "g-verzonnen", "<i>zomaar</i>")
	w := o.as(officer).get("/bureau/toegang")
	says(t, w, 200, "Wees", "vordering 126nda", "besloten door Aad de Boer", "Niveau centrale")
	if body := w.Body.String(); strings.Index(body, "g-verzonnen") > strings.Index(body, string(grant)) {
		t.Error("the orphan does not come first")
	} else if !strings.Contains(body, `href="/bureau/aanvragen/`+string(id)+`"`) {
		t.Error("no way from the access to its request")
	}
	says(t, o.as(officer).get("/bureau/aanvragen/"+string(id)), 200, "Wat de recorders zelf in hun logboek schreven", "rec-1, 71")
	says(t, o.as(officer).get("/bureau/bewaring"), 200, "1 bewaringen", "lopende aanvraag", "1,0 MB")
	says(t, o.as(officer).get("/bureau/logboeken"), 200, "Zelf getuige", "40 regels", "Het laatste ondertekende controlepunt", protocol.LedgerOrigin(o.town.Municipality), "Er is nog niets vernietigd")
	if w := o.as(officer).get("/bureau/logboeken/centrale"); !strings.Contains(w.Body.String(), "centre.opened") {
		t.Error("the ledger's log is empty")
	}
}

// TestTheOfficerReadsCertificatesOfDestruction: what is unaccounted for is said first; the text is the tool's.
func TestTheOfficerReadsCertificatesOfDestruction(t *testing.T) {
	o := newOffice(t)
	b := o.as(officer)
	says(t, b.get("/bureau/vernietiging"), 200, "Vernietiging", "Hal stadskantoor")
	says(t, b.get("/bureau/vernietiging/hal"), 200, "20 november 2026", "1.440", "1.438", "niet verantwoord")
	if !strings.Contains(b.get("/bureau/vernietiging").Body.String(), `href="/bureau/vernietiging/hal"`) || !strings.Contains(b.get("/bureau/vernietiging/hal").Body.String(), `href="/bureau/vernietiging/hal/2026-11-20"`) {
		t.Error("no way to the certificate")
	}
	says(t, b.get("/bureau/vernietiging/hal/2026-11-20"), 200, "Niet verantwoord: 2 stukken", "cameraprotocol 2026", "B-12", "1 dag", "13ms", "einde van de bewaartermijn", "getuige.stad", "40 regels")
	says(t, b.get("/en/bureau/vernietiging/hal/2026-11-20"), 200, "Unaccounted for: 2 segments", "end of the window")
	says(t, b.get("/bureau/vernietiging/hal/2026-11-20.txt"), 200, "VERKLARING VAN VERNIETIGING", "protocol cameraprotocol 2026, besluit B-12")
	says(t, b.get("/bureau/vernietiging/hal/2026-11-19"), 200, "Er zijn op deze dag geen beelden vastgelegd")
	for _, path := range []string{"/bureau/vernietiging/nergens", "/bureau/vernietiging/hal/gisteren", "/bureau/vernietiging/hal/2026-02-30", "/bureau/vernietiging/nergens/2026-11-20"} {
		if w := b.get(path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestAnAdministratorInvitesAndSeesNothingElse(t *testing.T) {
	o := newOffice(t)
	b := o.as(admin)
	page := b.get("/bureau").Body.String()
	for _, path := range []string{"/bureau/aanvragen", "/bureau/cameras", "/bureau/toegang"} {
		if strings.Contains(page, `href="`+path+`"`) {
			t.Errorf("the administrator's menu has %s", path)
		}
	}
	says(t, b.post("/bureau/mensen", "naam", "Nieuw Iemand", "inlognaam", "nieuw", "rol", "officer", "rol", "approver AVG", "geheimhouding", "2026-11-01"), 403, "mag niet ook")
	if _, found := o.identity.Find("p-nieuw"); found {
		t.Error("a refused appointment left an account")
	}
	w := b.post("/bureau/mensen", "naam", "Nieuw Iemand", "inlognaam", "nieuw", "rol", "approver AVG", "geheimhouding", "2026-11-01")
	says(t, w, 200, "Uitnodiging voor Nieuw Iemand", "https://cameras.stad.example/bureau/uitnodiging", "goedkeurder AVG")
	code := regexp.MustCompile(`<code class="key">([^<]+)</code>`).FindStringSubmatch(w.Body.String())
	if code == nil {
		t.Fatal("no code")
	}
	if strings.Contains(b.get("/bureau/mensen").Body.String(), code[1]) {
		t.Error("the code is shown twice")
	}
	guest := &browser{office: o}
	says(t, guest.send("POST", "/bureau/uitnodiging", url.Values{"code": {code[1]}, "wachtwoord": {password}, "nogmaals": {"anders"}}), 400, "De twee wachtwoorden zijn niet gelijk.")
	says(t, guest.send("POST", "/bureau/uitnodiging", url.Values{"code": {code[1]}, "wachtwoord": {"kort"}, "nogmaals": {"kort"}}), 400, "ten minste 12 tekens")
	if w := guest.send("POST", "/bureau/uitnodiging", url.Values{"code": {code[1]}, "wachtwoord": {password}, "nogmaals": {password}}); w.Code != 303 {
		t.Errorf("%d %s", w.Code, plain(w.Body.String()))
	}
	says(t, b.post("/bureau/mensen/p-admin", "rol", "approver AVG"), 403, "U kunt uzelf niet aanstellen.")
	says(t, b.post("/bureau/mensen/p-handler/uitnodigen"), 409, "kan al inloggen")
	if w := b.post("/bureau/mensen/p-handler", "geheimhouding", "2026-11-01"); w.Code != 303 { // no posts left
		t.Fatal(plain(w.Body.String()))
	}
	if w := o.as(handler).get("/bureau/aanvragen"); w.Code != 403 {
		t.Errorf("a dismissed handler still reads: %d", w.Code)
	}
	if w := b.post("/bureau/organisaties", "eenheid-id", "boa", "eenheid-naam", "Team handhaving", "soort", "chain-partner", "afspraak", "O-1", "partijen", "x", "doelen", "x", "bijzonder", "geen", "informeren", "x", "verwerkingen", "x",
		"rechten", "x", "geldig-van", "2026-01-01", "geldig-tot", "2027-01-01", "herzien", "2026-12-31"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
}

func TestLocalTimesAroundTheChangeOfClocks(t *testing.T) {
	for _, c := range []struct {
		s    string
		last bool
		want string
	}{
		{"2026-11-21T02:55", false, "2026-11-21T01:55:00Z"},
		{"2026-07-01T02:55:07", false, "2026-07-01T00:55:07Z"},
		{"2026-10-25T02:30", false, "2026-10-25T00:30:00Z"}, // twice: from is the first
		{"2026-10-25T02:30", true, "2026-10-25T01:30:00Z"},  // and to the second
		{"2026-10-25T03:30", false, "2026-10-25T02:30:00Z"},
		{"2026-10-25T01:30", true, "2026-10-24T23:30:00Z"},
		{"2026-03-29T02:30", false, "2026-03-29T00:30:00Z"}, // never: half past one, or half past three
		{"2026-03-29T02:30", true, "2026-03-29T01:30:00Z"},
		{"2026-03-29T03:00", false, "2026-03-29T01:00:00Z"},
		{"2026-03-29T01:59", true, "2026-03-29T00:59:00Z"},
	} {
		got, err := parseLocal(c.s, c.last)
		if err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%s (last %v): %s, want %s (%v)", c.s, c.last, got.Format(time.RFC3339), c.want, err)
		}
	}
	for _, s := range []string{"", "2026-11-21", "21-11-2026 02:00", "2026-02-30T00:00"} {
		if got, err := parseLocal(s, false); err == nil {
			t.Errorf("%q was taken for %s", s, got)
		}
	}
}

func FuzzFormTimes(f *testing.F) {
	f.Add("2026-10-25T02:30", "2026-10-25")
	f.Fuzz(func(t *testing.T, local, day string) {
		first, err1 := parseLocal(local, false)
		last, err2 := parseLocal(local, true)
		if (err1 == nil) != (err2 == nil) || last.Before(first) || last.Sub(first) > time.Hour {
			t.Errorf("%q: %s %s %v %v", local, first, last, err1, err2)
		}
		if d, err := parseDay(day); err == nil && day != "" && dayInput(d) != day {
			t.Errorf("%q reads back as %q", day, dayInput(d))
		}
	})
}

func TestTemplatesHoldNothingThatThePolicyForbids(t *testing.T) {
	err := fs.WalkDir(templates, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(templates, path)
		if found := regexp.MustCompile(`(?i)<script|\son[a-z]+=|\sstyle=|javascript:|(?:src|href|action)="https?:`).Find(b); found != nil {
			t.Errorf("%s: %s", path, found)
		}
		if inputs := regexp.MustCompile(`<(?:input|select|textarea)[^>]*>`).FindAll(b, -1); inputs != nil {
			for _, in := range inputs {
				id := regexp.MustCompile(` id="([^"]+)"`).FindSubmatch(in)
				hidden := regexp.MustCompile(`type="(?:hidden|checkbox|radio)"`).Match(in)
				if !hidden && (id == nil || !bytes.Contains(b, []byte(`for="`+string(id[1])+`"`))) {
					t.Errorf("%s: a field without a label: %s", path, in)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Wherever a log-in leads, it is within the desk.
func FuzzOnlyHere(f *testing.F) {
	for _, s := range []string{"/bureau/cameras", "//evil.example/bureau", "/bureau/../../x", "https:/bureau", "/bureau\\@evil", "/bureau/%2e%2e//evil", "/bureau?x=//evil"} {
		f.Add(s)
	}
	here, err := url.Parse("https://desk.example/bureau/inloggen")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := onlyHere(path)
		to, err := here.Parse(got)
		if err != nil || to.Host != here.Host || to.Scheme != "https" || !strings.HasPrefix(to.Path, "/bureau") || strings.ContainsAny(got, "\\\r\n\t ") {
			t.Errorf("%q leads to %q", path, got)
		}
	})
}

// At two at night, on a phone, a time is changed more easily than typed: the form begins with a whole minute that has just passed, in local time.
func TestRequestFormBeginsWithAMinuteThatHasJustPassed(t *testing.T) {
	to := time.Date(2026, 7, 1, 0, 10, 42, 0, time.UTC)
	if got, want := localInput(to.Truncate(time.Minute)), "2026-07-01T02:10:00"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	back, err := parseLocal(localInput(to.Truncate(time.Minute)), true)
	if err != nil || !back.Equal(to.Truncate(time.Minute)) {
		t.Errorf("read back as %s, %v", back, err)
	}
}

// A stolen recorder is marked by the administrator, with a reason; the page says what that means for its footage, and the officer sees it.
func TestAStolenRecorderIsMarked(t *testing.T) {
	o := newOffice(t)
	b := o.as(admin)
	says(t, b.get("/bureau/recorders"), 200, "rec-1 in gebruik", "Staat geheel op de recorder")
	o.status.Share = &protocol.ShareAsk{Uses: []protocol.ShareID{"00112233445566778899aabbccddeeff"}}
	o.do(central.GiveShare{Recorder: "rec-1", Next: "00112233445566778899aabbccddeeff"})
	says(t, b.get("/bureau/recorders"), 200, "rec-1 wacht op zijn sleuteldeel", "Neemt op zonder te kunnen lezen")
	o.status.Share.Open = true
	says(t, b.get("/bureau/recorders"), 200, "rec-1 in gebruik", "Deze centrale bewaart een deel")
	says(t, b.post("/bureau/recorders/rec-1", "reden", "weg"), 400, "Kies wat er met de recorder is")
	says(t, b.post("/bureau/recorders/rec-1", "stand", "stolen"), 400, "Vul in: de reden")
	says(t, o.as(officer).post("/bureau/recorders/rec-1", "stand", "stolen", "reden", "weg"), 403)
	if w := b.post("/bureau/recorders/rec-1", "stand", "stolen", "reden", "kast opengebroken"); w.Code != 303 {
		t.Fatal(w.Code)
	}
	says(t, o.as(officer).get("/bureau/recorders"), 200, "rec-1 gestolen", "kast opengebroken", "wordt 28 dagen na vastleggen vernietigd")
	if strings.Contains(o.as(officer).get("/bureau/recorders").Body.String(), "<form method=\"post\" action=\"/bureau/recorders") {
		t.Error("the officer is offered what only an administrator may do")
	}
	says(t, b.post("/bureau/recorders/rec-1", "stand", "stolen", "reden", "nog eens"), 409, "stond al zo vast")
	o.now = o.now.Add(protocol.MaxWindow.Duration())
	delete(o.sessions, admin) // which is over
	says(t, o.as(admin).get("/bureau/recorders"), 200, "voorgoed onleesbaar")
}

func TestI12_ChangingARequestIsDecidingItAnew(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	path := "/bureau/aanvragen/" + string(id)
	o.confirm(id)
	o.decided(id)
	says(t, o.as(requester).get(path), 200, "Aanvraag wijzigen", "Van de gemeente (AVG): de gemeente is verantwoordelijk")
	if strings.Contains(plain(o.as(teammate).get(path).Body.String()), "Aanvraag wijzigen") || o.as(teammate).get(path+"/wijzigen").Code != 404 {
		t.Error("a colleague can change it")
	}
	form := o.as(requester).get(path + "/wijzigen")
	says(t, form, 200, "Wijzig aanvraag "+string(id), "Een toestemming die er al was, vervalt.")
	if body := form.Body.String(); !strings.Contains(body, `value="2026-11-21T00:55:00"`) || !strings.Contains(body, "PL2100-2026-1") {
		t.Error("the form does not hold what was asked")
	}
	earlier := append([]string{}, theft...)
	earlier[3] = "2026-11-21T00:40"
	says(t, o.as(requester).post(path+"/wijzigen", earlier...), 200, "Klopt dit?", "25 minuten")
	says(t, o.as(teammate).post(path+"/wijzigen", append(earlier, "stap", "indienen")...), 403, "Alleen de aanvrager")
	if w := o.as(requester).post(path+"/wijzigen", append(earlier, "stap", "indienen")...); w.Code != 303 || w.Header().Get("Location") != path {
		t.Fatalf("change: %d %s", w.Code, plain(w.Body.String()))
	}
	says(t, o.as(requester).get(path), 200, "Vervallen", "de aanvraag is na de goedkeuring gewijzigd", "Telt niet meer mee", "aanvraag gewijzigd", "van 00:40:00 tot 01:05:00")
	says(t, o.as(handler).get(path), 200, "nog niet bevestigd")
}

func TestI12_AnApproverWhoLeavesTakesTheApprovalAlong(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	path := "/bureau/aanvragen/" + string(id)
	o.confirm(id)
	o.decided(id)
	grant := o.released(id)
	o.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: approver}})
	says(t, o.as(requester).get(path), 200, "De toestemming is vervallen", "de goedkeurder heeft deze rol niet meer")
	says(t, o.as(requester).post(path+"/ophalen", "toestemming", string(grant)), 409, "Er moet opnieuw worden beslist.")
	says(t, o.as(approver2).get("/bureau"), 200, "opnieuw beslissen")
	says(t, o.as(approver2).get(path), 200, "Besluit vastleggen")
}

// upload sends a form with a file.
func (b *browser) upload(path, field, file string, pairs ...string) *httptest.ResponseRecorder {
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for i := 0; i < len(pairs); i += 2 {
		_ = m.WriteField(pairs[i], pairs[i+1]) // into memory
	}
	_ = m.WriteField("csrf", b.csrf)
	if part, err := m.CreateFormFile(field, "vordering.pdf"); err != nil {
		b.t.Fatal(err)
	} else if _, err := io.WriteString(part, file); err != nil {
		b.t.Fatal(err)
	}
	_ = m.Close()
	r := httptest.NewRequest("POST", path, &body)
	r.RemoteAddr = "192.0.2.1:1"
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(b.cookie)
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func TestPolice5_OralNowWrittenLaterWithTheClockInView(t *testing.T) {
	o := newOffice(t)
	form := append([]string{"mondeling", "ja", "stap", "indienen"}, theft...)
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", form...), 400, "tijdstip van de mondelinge vordering")
	w := o.as(requester).post("/bureau/aanvragen/nieuw", append(form, "uitgesproken", "2026-11-21T01:50", "aanduiding", "man met rode jas")...)
	if w.Code != 303 {
		t.Fatalf("filing: %d %s", w.Code, plain(w.Body.String()))
	}
	path := w.Header().Get("Location")
	says(t, o.as(requester).get(path), 200, "schriftelijk bevestigen vóór 24 november 2026 om 01:50:00", "Mondeling, uitgesproken", "man met rode jas", "alleen de vingerafdruk")
	says(t, o.as(requester).get("/bureau"), 200, "mondelinge vordering binnen drie dagen schriftelijk bevestigen")
	o.confirm("z-1")
	says(t, o.as(handler).get(path), 200, "bel terug en noteer wie u sprak")
	says(t, o.as(handler).post(path+"/toetsen", "volledig", "ja", "noodzakelijk", "ja"), 400, "wie u hebt teruggebeld")
	if o.as(stranger).upload(path+"/schriftelijk", "stuk", "%PDF", "bewaarplaats", "x").Code != 404 {
		t.Error("another unit confirms it")
	}
	o.now = o.now.Add(protocol.OralTerm)
	o.sessions = map[protocol.PersonID]*http.Cookie{} // the log-ins are over
	o.do(central.Tend{})
	says(t, o.as(requester).get(path), 200, "Mondelinge vordering niet schriftelijk bevestigd vóór", "geen beelden meer")
	says(t, o.as(officer).get("/bureau"), 200, "1 nooit bevestigd", "mondelinge vordering niet binnen drie dagen schriftelijk bevestigd")
	says(t, o.as(teammate).upload(path+"/schriftelijk", "stuk", "", "bewaarplaats", "zaak 12"), 400, "leeg")
	says(t, o.as(teammate).upload(path+"/schriftelijk", "stuk", "%PDF", "bewaarplaats", ""), 400, "waar de schriftelijke vordering wordt bewaard")
	if w := o.as(teammate).upload(path+"/schriftelijk", "stuk", "%PDF", "bewaarplaats", "zaak 12"); w.Code != 303 {
		t.Fatalf("confirming: %d %s", w.Code, plain(w.Body.String()))
	}
	says(t, o.as(handler).get(path), 200, "Mondelinge vordering schriftelijk bevestigd", "Te laat", protocol.HashOf([]byte("%PDF")).String(), "zaak 12", "Kim Smit")
	says(t, o.as(requester).get("/bureau/aanvragen/nieuw"), 200, "Bel of schrijf", "mondeling")
}

func TestPolice1_AColleagueTakesOverAndItShows(t *testing.T) {
	o := newOffice(t)
	path := "/bureau/aanvragen/" + string(o.filed())
	if strings.Contains(plain(o.as(requester).get(path).Body.String()), "Aanvraag overnemen") || o.as(stranger).post(path+"/overnemen").Code != 404 {
		t.Error("the requester, or another unit, is offered to take it over")
	}
	says(t, o.as(handler).post(path+"/overnemen"), 403)
	says(t, o.as(teammate).get(path), 200, "Aanvraag overnemen")
	if w := o.as(teammate).post(path + "/overnemen"); w.Code != 303 {
		t.Fatalf("%d %s", w.Code, plain(w.Body.String()))
	}
	says(t, o.as(handler).get(path), 200, "Kim Smit", "overgenomen van Joris", "aanvraag overgenomen door een collega")
	says(t, o.as(requester).get(path), 200, "Aanvraag overnemen") // and back
}

func TestR20_ConsentIsAskedForAndCanBeTakenBack(t *testing.T) {
	o := newOffice(t)
	form := append([]string{}, theft...)
	form[7] = "toestemming"
	form = append(form, "stap", "indienen", "verklaringen", "zaak 1, bijlage 2\r\nzaak 1, bijlage 3")
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", form...), 400, "Iedereen die herkenbaar in beeld is")
	w := o.as(requester).post("/bureau/aanvragen/nieuw", append(form, "iedereen", "ja")...)
	if w.Code != 303 {
		t.Fatalf("filing: %d %s", w.Code, plain(w.Body.String()))
	}
	path := w.Header().Get("Location")
	says(t, o.as(handler).get(path), 200, "zaak 1, bijlage 3", "Toestemming ingetrokken?", "brief, telefoon of aan de balie")
	o.confirm("z-1")
	o.decided("z-1")
	grant := o.released("z-1")
	if w := o.as(handler).post(path+"/intrekken", "hoe", "telefonisch"); w.Code != 303 {
		t.Fatalf("%d %s", w.Code, plain(w.Body.String()))
	}
	says(t, o.as(requester).get(path), 200, "Ingetrokken", "telefonisch", "Vervallen")
	says(t, o.as(requester).post(path+"/ophalen", "toestemming", string(grant)), 409, "ingetrokken")
	says(t, o.as(approver).get(path), 200, "Besluit vastleggen", "niet iedereen die herkenbaar is")
}

func TestFacility4_ProvisionalHoldFromTheForm(t *testing.T) {
	o := newOffice(t)
	form := []string{"camera", "hal", "van", "2026-11-21T00:55", "tot", "2026-11-21T01:05", "kenmerk", "melding 12", "noodzaak", "ruit ingegooid", "alleen-bewaren", "ja", "stap", "indienen"}
	w := o.as(staff).post("/bureau/aanvragen/nieuw", form...)
	if w.Code != 303 {
		t.Fatalf("%d %s", w.Code, plain(w.Body.String()))
	}
	path := w.Header().Get("Location")
	o.confirm("z-1")
	says(t, o.as(staff).get(path), 200, "voorlopig bewaren, 72 uur", "Bewaring bevestigd door de recorder", "bewaard tot 24 november 2026")
	if body := plain(o.as(approver).get(path).Body.String()); strings.Contains(body, "Besluit vastleggen") {
		t.Error("a provisional hold is offered to be granted")
	}
	says(t, o.as(officer).get("/bureau/bewaring"), 200, "z-1")
}

// The form shows what the kind of request needs, and nothing else; it is chosen by a link, without script.
func TestR18_TheRequestFormShowsOnlyWhatItsKindNeeds(t *testing.T) {
	o := newOffice(t)
	all := []string{"artikel", "bevoegde", "verklaringen", "eenheid", "geldt-tot", "onmiddellijk", "machtiging", "mondeling"}
	needs := map[string][]string{
		"vordering": {"artikel", "bevoegde", "machtiging", "mondeling"}, "wpg": nil, "bewaren": {"artikel", "bevoegde", "geldt-tot"},
		"toekomst": {"bevoegde", "onmiddellijk", "machtiging", "mondeling"}, "toestemming": {"verklaringen"}, "aangifte": {"eenheid"}, "voorlopig": nil,
	}
	for _, s := range sorts {
		by := requester
		if s.Staff {
			by = staff
		}
		body := o.as(by).get("/bureau/aanvragen/nieuw?soort=" + s.Code).Body.String()
		for _, name := range all {
			if has := strings.Contains(body, `name="`+name+`"`); has != slices.Contains(needs[s.Code], name) {
				t.Errorf("%s: field %s shown: %v", s.Code, name, has)
			}
		}
		if hal := strings.Contains(body, `value="hal"`); hal != slices.Contains(s.Regimes, protocol.AVG) {
			t.Errorf("%s: an AVG camera to choose: %v", s.Code, hal)
		}
		if !strings.Contains(body, `name="soort" value="`+s.Code+`"`) {
			t.Errorf("%s is not what the form asks", s.Code)
		}
	}
	if body := o.as(staff).get("/bureau/aanvragen/nieuw?soort=vordering").Body.String(); !strings.Contains(body, `name="soort" value="aangifte"`) {
		t.Error("staff are offered a demand")
	}
}

func (o *office) Evidence(id protocol.RecorderID, finding string) (witness.Evidence, bool, error) {
	return o.proof, o.proof.Recorder == id && o.proof.Name() == finding, nil
}
func (o *office) EvidenceOf(_ protocol.RecorderID, _, _ uint64) (witness.Evidence, bool, error) {
	return witness.Evidence{}, false, nil
}
