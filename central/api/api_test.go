package api

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/api/apitest"
	"github.com/beeldwacht/beeldwacht/central/centraltest"
	"github.com/beeldwacht/beeldwacht/central/ledger"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

const (
	admin     protocol.PersonID = "p-admin"
	registrar protocol.PersonID = "p-registrar"
	colleague protocol.PersonID = "p-colleague"
	stranger  protocol.PersonID = "p-stranger" // a requester of another unit
	handler                     = protocoltest.Handler
	approver                    = protocoltest.Approver
	requester                   = protocoltest.Requester
)

// world is a centre with its real ledger, served over TLS. The vault speaks from memory; office_test has a real one.
type world struct {
	t      testing.TB
	book   *ledger.Book
	town   *protocoltest.Town
	api    *API
	server *httptest.Server
	log    *logged
	bag    []byte
	read   []central.Access // in the recorder's journal
	seq    uint64

	mu  sync.Mutex
	now time.Time

	police, other, reader *apitest.System
}

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) Stat(context.Context, string) (vault.Object, error) {
	return vault.Object{SHA256: protocol.HashOf(w.bag), Size: int64(len(w.bag))}, nil
}
func (w *world) Open(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(w.bag)), nil
}

type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}
func (l *logged) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

var start = time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)

func day(n int) protocol.Time { return protocol.T(start.AddDate(0, 0, n)) }

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) do(c central.Command) {
	w.t.Helper()
	if _, err := w.book.Do(w.t.Context(), c); err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: start, town: protocoltest.NewTown(t, start), bag: []byte("geen echt pakket"), log: &logged{}}
	signer, _ := protocoltest.Key(t, protocol.LedgerOrigin(w.town.Municipality))
	dir := t.TempDir()
	store, err := ledger.OpenBolt(filepath.Join(dir, "ledger.db"), signer.Name())
	w.check(err)
	keys, err := ledger.OpenKeys(filepath.Join(dir, "dossiers"))
	w.check(err)
	w.book, err = ledger.Open(t.Context(), store, keys, signer, w.clock, slog.New(slog.DiscardHandler))
	w.check(err)
	t.Cleanup(func() { w.check(w.book.Close()) })
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { page.Secure(nil, w.api).ServeHTTP(rw, r) }))
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	w.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.api, err = New(Config{Book: w.book, Vault: w, Accesses: func(protocol.RecorderID) ([]central.Access, error) { return slices.Clone(w.read), nil }, Bags: dir, Secret: bytes.Repeat([]byte{7}, 32), URL: w.server.URL, Name: "Gemeente Stad", Contact: page.Contact{Email: "fg@stad.example"},
		Now: w.clock, Log: slog.New(slog.NewTextHandler(w.log, nil))})
	w.check(err)

	w.do(central.Open{Municipality: w.town.Municipality, Administrator: admin, Secrecy: day(-10)})
	for _, id := range []string{"basisteam", "recherche"} {
		w.agree(id, day(365))
	}
	w.do(central.EnrolRecorder{By: admin, Recorder: w.town.Recorder, Key: w.town.LogKey, Origin: w.town.Log.Name(), Roots: w.town.Roots, Roster: w.town.Roster(1, func(r *protocol.Roster) { r.LevelCentre = true })})
	appoint := func(p protocol.PersonID, unit string, posts ...central.Post) {
		w.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: p, Posts: posts, Unit: unit, Secrecy: day(-10)}})
	}
	appoint(registrar, "", central.Post{Role: central.Registrar})
	appoint(protocoltest.Officer, "", central.Post{Role: central.Officer})
	appoint(handler, "", central.Post{Role: central.Handler, Regime: protocol.AVG})
	appoint(approver, "", central.Post{Role: central.Approver, Regime: protocol.AVG})
	appoint(requester, "basisteam", central.Post{Role: central.Requester})
	appoint(colleague, "basisteam", central.Post{Role: central.Requester})
	appoint(stranger, "recherche", central.Post{Role: central.Requester})
	w.do(central.AdoptProtocol{By: registrar, CameraProtocol: central.CameraProtocol{ID: "gebouwen", Version: 1, Title: "Cameraprotocol gebouwen", Regime: protocol.AVG, Purposes: []central.Purpose{central.Buildings},
		Bases: []central.Basis{central.PublicTask}, Window: protocol.Window(7 * 24 * time.Hour), LongestHold: protocol.Window(28 * 24 * time.Hour), Form: central.ViewLive, Roles: central.ProtocolUsers,
		Viewing: "alleen door de receptie", Release: "na vordering", Recognisability: "gezichten bij de ingang", Security: "recorder in een afgesloten kast", AdoptedBy: "college", AdoptedOn: day(-30),
		Published: "gemeenteblad 2026-1", ValidFrom: day(-30), Review: day(700), Document: protocol.HashOf([]byte("protocol gebouwen"))}})
	for _, c := range centraltest.Assess(registrar, protocoltest.Officer, w.now) {
		w.do(c)
	}
	w.do(central.RegisterPlacement{By: registrar, PlacementFacts: centraltest.Ready(central.PlacementFacts{Camera: "hal", Name: "Hal stadskantoor", Regime: protocol.AVG, Position: central.At(51.4793, 5.657), Place: "hoofdingang", Direction: 90,
		Purposes: []central.Purpose{central.Buildings}, Subsidiarity: "beveiligers alleen volstaan niet", Proportionality: "alleen de ingang",
		Besluit:  central.Besluit{Reference: "B-2026-14", Date: day(-20), ValidFrom: day(-10), ValidUntil: day(300), Body: "college", Area: "stadskantoor"},
		Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}, Sign: central.Sign{Placed: day(-5)}, Recorder: "rec-1", Streams: []protocol.StreamID{"main"}, Publication: central.PublishExact, Contact: "14 0000"})})
	w.do(central.Activate{By: registrar, Camera: "hal"})

	w.police = w.system("bvh", "basisteam", central.ScopeFile, central.ScopeFollow, central.ScopeFetch, central.ScopeRegister)
	w.other = w.system("summit", "recherche", central.ScopeFile, central.ScopeFollow, central.ScopeFetch)
	w.reader = w.system("beheer", "", central.ScopeRegister)
	return w
}

// agree records a police unit's agreement.
func (w *world) agree(id string, until protocol.Time) {
	w.t.Helper()
	w.do(central.AgreeUnit{By: admin, Unit: central.Unit{ID: id, Name: "Politie " + id, Agreement: "CV-" + id, ValidUntil: until, AgreementFacts: central.AgreementFacts{Kind: central.ChainPartner, Parties: "gemeente en politie",
		Goals: "opsporing", Special: "geen", Informing: "bord en website", Processings: "verstrekken van beelden", Rights: "via de gemeente", ValidFrom: day(-30), Review: until}}})
}

// system makes one and has it let in.
func (w *world) system(id, unit string, scopes ...central.Scope) *apitest.System {
	w.t.Helper()
	s, err := apitest.New(id, w.server.URL+"/v1", w.server.Client(), w.clock)
	w.check(err)
	jwk, err := s.JWK()
	w.check(err)
	w.do(central.RegisterClient{By: admin, ClientFacts: central.ClientFacts{ID: central.ClientID(id), Name: "Systeem " + id, Unit: unit, Scopes: scopes, Key: central.ClientKey(jwk)}})
	return s
}

func (w *world) call(s *apitest.System, method, path string, person protocol.PersonID, body any, headers ...string) *apitest.Answer {
	w.t.Helper()
	a, err := s.Call(w.t.Context(), method, path, string(person), body, headers...)
	w.check(err)
	return a
}

// plain calls without a token.
func (w *world) plain(method, path string, headers ...string) *apitest.Answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, nil)
	w.check(err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.server.Client().Do(r)
	w.check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.check(err)
	return &apitest.Answer{What: method + " " + path, Status: res.StatusCode, Header: res.Header, Body: body}
}

func (w *world) theft() map[string]any {
	return map[string]any{"soort": "vordering", "artikel": "126nda", "bevoegde": "opsporingsambtenaar", "cameras": []string{"hal"}, "kenmerk": "PL2100-2026-1", "noodzaak": "de verdachte liep langs de ingang",
		"tijdvak": map[string]any{"van": w.clock().Add(-time.Hour), "tot": w.clock().Add(-50 * time.Minute)}}
}

func with(m map[string]any, pairs ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// problem is what a refusal must look like: problem+json with this status, and a type that ends in this code.
func (w *world) problem(a *apitest.Answer, status int, code string) probleem {
	w.t.Helper()
	var p probleem
	if err := json.Unmarshal(a.Body, &p, json.RejectUnknownMembers(true)); err != nil {
		w.t.Fatalf("%s: %v: %s", a.What, err, a.Body)
	}
	if a.Status != status || p.Status != status || a.Header.Get("Content-Type") != "application/problem+json" || !strings.HasSuffix(p.Type, "/v1/fouten/"+code) || p.Title == "" || p.Detail == "" {
		w.t.Fatalf("%s: %d %s, want %d %s", a.What, a.Status, a.Body, status, code)
	}
	return p
}

// file files a request and gives its id.
func (w *world) file(s *apitest.System, person protocol.PersonID, body any, key string) protocol.RequestID {
	w.t.Helper()
	a := w.call(s, "POST", "/verzoeken", person, body, "Idempotency-Key", key)
	var v verzoek
	w.check(a.Read(201, &v))
	if got := a.Header.Get("Location"); got != w.server.URL+"/v1/verzoeken/"+string(v.ID) {
		w.t.Fatalf("Location %q", got)
	}
	return v.ID
}

func (w *world) source() central.Source {
	w.seq++
	return central.Source{Recorder: "rec-1", Seq: w.seq}
}

func (w *world) of(id protocol.RequestID) (r central.Request) {
	w.book.View(func(st *central.State) { r = *st.Request(id) })
	return r
}

// handle has the recorder confirm, two people at the desk check and grant, and the recorder release.
func (w *world) handle(id protocol.RequestID) protocol.GrantID {
	w.t.Helper()
	for _, h := range w.of(id).Holds {
		w.confirm(id, h)
	}
	w.do(central.CheckRequest{By: handler, Request: id, Complete: true, Necessary: true, Remark: "teruggebeld"})
	r := w.of(id)
	w.do(central.DecideRequest{By: approver, Request: id, Outcome: central.Grants, Reason: central.Complies, Motivation: "voldoet", Approved: []central.Approved{{Camera: "hal", Interval: r.Holds[len(r.Holds)-1].Rounded()}}})
	return w.release(id)
}

// deliver has a first part of a demand for future data checked, granted, held and released.
func (w *world) deliver(id protocol.RequestID, from time.Time) {
	w.t.Helper()
	w.do(central.CheckRequest{By: handler, Request: id, Complete: true, Necessary: true})
	w.do(central.DecideRequest{By: approver, Request: id, Outcome: central.Grants, Reason: central.Complies, Motivation: "voldoet"})
	w.do(central.PrepareDelivery{By: handler, Request: id, Asked: protocol.Span(from, from.Add(10*time.Minute))})
	h := w.of(id).Holds[0]
	w.confirm(id, h)
	w.do(central.ApproveDelivery{By: approver, Request: id, Number: 1, Approved: []central.Approved{{Camera: "hal", Interval: h.Rounded()}}})
	w.release(id)
}

// confirm is the recorder's word that it holds what was asked.
func (w *world) confirm(id protocol.RequestID, h *central.Hold) {
	w.t.Helper()
	w.do(central.ConfirmHold{Source: w.source(), Placed: protocol.HoldPlaced{Hold: h.HoldID(), Request: id, Camera: h.Camera, Asked: h.Asked,
		Interval: protocol.Span(h.Asked.From.Add(-20*time.Second), h.Asked.To.Add(40*time.Second)), Segments: 11, Bytes: 1 << 20, Root: protocol.HashOf([]byte("root")), End: h.End}})
}

// release is the recorder's word that the last grant's bag is in the vault.
func (w *world) release(id protocol.RequestID) protocol.GrantID {
	w.t.Helper()
	r := w.of(id)
	g := r.Grants[len(r.Grants)-1]
	w.do(central.RecordRelease{Source: w.source(), Released: protocol.Released{Grant: g.GrantID(), Request: id, Camera: "hal", Intent: w.seq, Object: central.ObjectName("rec-1", g.GrantID()),
		Size: int64(len(w.bag)), SHA256: protocol.HashOf(w.bag), Bag: protocol.HashOf(w.bag), Manifest: protocol.HashOf([]byte("m")), Segments: 11}})
	return g.GrantID()
}

const once = "0123456789abcdef"

// TestEveryCodeOfARefusalHasAKindOfProblem: a code that central gains must get a status and a title here.
func TestEveryCodeOfARefusalHasAKindOfProblem(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "../refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Code") {
			found++
			code := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
			if !slices.ContainsFunc(kinds, func(k kind) bool { return k.code == code }) {
				t.Errorf("%s has no kind of problem", code)
			}
		}
		return true
	})
	if found < 15 {
		t.Errorf("%d codes found", found)
	}
	for _, k := range kinds {
		if k.title.NL == "" || k.title.EN == "" || k.status == 422 {
			t.Errorf("%+v", k)
		}
	}
}

// TestEveryAnswerIsAsTheDesignRulesAsk: headers, no redirect, no such resource with a slash at its end, and what a method or a key cannot do.
func TestEveryAnswerIsAsTheDesignRulesAsk(t *testing.T) {
	w := newWorld(t)
	for path, code := range map[string]string{"/v1/openapi.json/": "not-found", "/v1/verzoeken/": "not-found", "/v1//verzoeken": "not-found", "/v1/": "not-found", "/v1": "not-found", "/v1/Verzoeken": "not-found",
		"/v1/verzoeken/../fouten": "not-found", "/v1/verzoeken/z-1/": "not-found", "/v1/fouten/niet": "unknown"} {
		w.problem(w.plain("GET", path), 404, code)
	}
	a := w.plain("DELETE", "/v1/verzoeken")
	w.problem(a, 405, "method")
	if a.Header.Get("Allow") != "GET, POST" {
		t.Error(a.Header.Get("Allow"))
	}
	for _, a := range []*apitest.Answer{a, w.plain("GET", "/v1/openapi.json"), w.plain("GET", "/v1/fouten"), w.plain("GET", "/v1/verzoeken"), w.plain("GET", "/v1/nergens"), w.call(w.police, "GET", "/verzoeken", "", nil)} {
		for name, want := range map[string]string{"API-Version": Version, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": "max-age=31536000"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", a.What, name, got, want)
			}
		}
		if cors, public := a.Header.Get("Access-Control-Allow-Origin"), strings.HasSuffix(a.What, "openapi.json"); (cors == "*") != public {
			t.Errorf("%s: CORS %q", a.What, cors)
		}
	}
	w.problem(w.plain("GET", "/v1/verzoeken"), 401, "token")
	w.problem(w.call(w.police, "GET", "/verzoeken?zoek=x", "", nil), 400, "invalid")
	w.problem(w.call(w.police, "GET", "/verzoeken?pagina=0", "", nil), 400, "invalid")
	w.problem(w.call(w.police, "GET", "/verzoeken?aantal=101", "", nil), 400, "invalid")
	if a := w.call(w.police, "HEAD", "/verzoeken", "", nil); a.Status != 200 || len(a.Body) != 0 {
		t.Error(a.Status, a.Body)
	}
}

// TestProblemsSpeakTheReadersLanguage: Dutch unless English is preferred.
func TestProblemsSpeakTheReadersLanguage(t *testing.T) {
	w := newWorld(t)
	for accept, want := range map[string]string{"": "nl", "en": "en", "nl, en;q=0.8": "nl", "en-GB,en;q=0.9,nl;q=0.5": "en", "fr, de;q=0.5": "nl", "en;q=0.2, nl;q=0.4": "nl", "en;q=zeven": "nl"} {
		a := w.plain("GET", "/v1/fouten/same-person", "Accept-Language", accept)
		english := strings.Contains(string(a.Body), "Three different people")
		if a.Header.Get("Content-Language") != want || english != (want == "en") {
			t.Errorf("%q: %s, %s", accept, a.Header.Get("Content-Language"), a.Body)
		}
	}
}

// TestWrongJSONIsPointedAt: unknown and repeated fields, wrong types, too large; nothing is filed.
func TestWrongJSONIsPointedAt(t *testing.T) {
	w := newWorld(t)
	good, err := json.Marshal(w.theft())
	w.check(err)
	change := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for name, c := range map[string]struct{ body, pointer string }{
		"unknown":   {change(`"kenmerk"`, `"kenmerkk":1,"kenmerk"`), "/kenmerkk"},
		"twice":     {change(`"kenmerk"`, `"kenmerk":"PL-2","kenmerk"`), "/kenmerk"},
		"deep":      {change(`"van"`, `"vanaf":"x","van"`), "/tijdvak/vanaf"},
		"case":      {change(`"kenmerk"`, `"Kenmerk"`), "/Kenmerk"},
		"no moment": {regexp.MustCompile(`"van":"[^"]*"`).ReplaceAllString(string(good), `"van":"21-11-2026"`), "/tijdvak/van"},
		"type":      {change(`["hal"]`, `"hal"`), "/cameras"},
		"in list":   {change(`["hal"]`, `["hal",7]`), "/cameras/1"},
		"cut off":   {string(good[:len(good)-1]), ""},
		"more":      {string(good) + "{}", ""},
		"empty":     {"", ""},
	} {
		a := w.call(w.police, "POST", "/verzoeken", requester, c.body, "Idempotency-Key", once, "Content-Type", "application/json")
		if p := w.problem(a, 400, "json"); p.Pointer != c.pointer {
			t.Errorf("%s: points at %q, want %q: %s", name, p.Pointer, c.pointer, p.Detail)
		}
	}
	w.problem(w.call(w.police, "POST", "/verzoeken", requester, strings.Repeat(" ", bodyLimit)+string(good), "Idempotency-Key", once), 413, "too-large")
	w.problem(w.call(w.police, "POST", "/verzoeken", requester, string(good), "Idempotency-Key", once, "Content-Type", "text/plain"), 415, "media-type")
	w.problem(w.call(w.police, "POST", "/verzoeken", requester, string(good)), 400, "invalid") // no key
	w.problem(w.call(w.police, "POST", "/verzoeken", "", string(good), "Idempotency-Key", once), 400, "invalid")
	w.book.View(func(st *central.State) {
		if n := len(st.UnitRequests("basisteam")); n != 0 {
			t.Errorf("%d requests filed", n)
		}
	})
}

// TestARetryFilesOnce: a police system whose answer was lost sends the same again.
func TestARetryFilesOnce(t *testing.T) {
	w := newWorld(t)
	body := w.theft()
	first := w.file(w.police, requester, body, once)
	w.later(2 * time.Hour)
	if again := w.file(w.police, requester, body, once); again != first {
		t.Errorf("filed %s and %s", first, again)
	}
	w.problem(w.call(w.police, "POST", "/verzoeken", requester, with(body, "kenmerk", "PL-2"), "Idempotency-Key", once), 409, "already-exists")
	if other := w.file(w.police, requester, body, once+"2"); other == first {
		t.Error("another key files nothing")
	}
	if theirs := w.file(w.other, stranger, body, once); theirs == first {
		t.Error("another system's key is the same")
	}
}

// TestI12_ASystemActsOnlyForRequestersOfItsUnit, and reads only what its unit asked.
func TestI12_ASystemActsOnlyForRequestersOfItsUnit(t *testing.T) {
	w := newWorld(t)
	for _, p := range []protocol.PersonID{stranger, handler, approver, admin, "p-nobody", "system"} {
		w.problem(w.call(w.police, "POST", "/verzoeken", p, w.theft(), "Idempotency-Key", once), 403, "forbidden")
	}
	id := w.file(w.police, requester, w.theft(), once)
	r := w.of(id)
	if r.Requester != requester || r.History[0].Via != "bvh" {
		t.Errorf("by %s via %q", r.Requester, r.History[0].Via)
	}
	grant := w.handle(id)
	bag := "/verzoeken/" + string(id) + "/verstrekkingen/" + string(grant)
	for _, c := range [][2]string{{"GET", "/verzoeken/" + string(id)}, {"PUT", "/verzoeken/" + string(id) + "/aanvrager"}, {"POST", bag + "/ophalingen"}, {"GET", bag + "/bestand"}} {
		w.problem(w.call(w.other, c[0], c[1], stranger, nil), 404, "unknown")
	}
	if a := w.call(w.other, "GET", "/verzoeken", "", nil); !strings.Contains(string(a.Body), `"totaal":0`) {
		t.Errorf("another unit's list: %s", a.Body)
	}
	w.problem(w.call(w.reader, "GET", "/verzoeken", "", nil), 403, "forbidden")
	w.problem(w.call(w.other, "GET", "/plaatsingen", "", nil), 403, "forbidden")
	body := string(w.call(w.police, "GET", "/verzoeken/"+string(id), "", nil).Body)
	for _, name := range []protocol.PersonID{handler, approver} {
		if strings.Contains(body, string(name)) {
			t.Errorf("%s is named: %s", name, body)
		}
	}
}

// TestABagIsRecordedBeforeItIsRead, given to the one who recorded it, for an hour, and only when it is the recorder's.
func TestABagIsRecordedBeforeItIsRead(t *testing.T) {
	w := newWorld(t)
	id := w.file(w.police, requester, w.theft(), once)
	path := "/verzoeken/" + string(id)
	bag := path + "/verstrekkingen/" + string(w.handle(id))
	w.problem(w.call(w.police, "GET", bag+"/bestand", requester, nil), 409, "state")
	w.problem(w.call(w.police, "PUT", path+"/ontvangstbevestiging", requester, "{}"), 409, "state")
	var o ophaling
	a := w.call(w.police, "POST", bag+"/ophalingen", requester, nil)
	w.check(a.Read(201, &o))
	if d := w.of(id).Downloads; len(d) != 1 || d[0].By != requester {
		t.Fatalf("%+v", d)
	}
	if a := w.call(w.police, "GET", o.Bestand, requester, nil); a.Status != 200 || !bytes.Equal(a.Body, w.bag) || a.Header.Get("Content-Type") != "application/zip" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	w.problem(w.call(w.police, "GET", o.Bestand, colleague, nil), 409, "state")
	right := w.bag
	w.bag = []byte("een ander pakket")
	w.problem(w.call(w.police, "GET", o.Bestand, requester, nil), 500, "fault")
	w.bag = right
	w.later(central.FetchTerm)
	w.problem(w.call(w.police, "GET", o.Bestand, requester, nil), 409, "state")
	for range 2 { // a repeated confirmation is the same confirmation
		if a := w.call(w.police, "PUT", path+"/ontvangstbevestiging", colleague, `{"opmerking":"veilig opgeslagen"}`); a.Status != 200 || !strings.Contains(string(a.Body), `"stand":"closed"`) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	left, err := filepath.Glob(filepath.Join(w.api.Bags, "bag-*"))
	if err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

// TestListsComeInPages, and what the reader has already is not sent again.
func TestListsComeInPages(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.file(w.police, requester, w.theft(), fmt.Sprintf("%s-%d", once, i))
	}
	var ids []protocol.RequestID
	for next := "/verzoeken?aantal=2"; next != ""; {
		a := w.call(w.police, "GET", next, "", nil)
		var list verzoekLijst
		w.check(a.Read(200, &list))
		for _, v := range list.Verzoeken {
			ids = append(ids, v.ID)
		}
		if list.Totaal != 5 || (list.Volgende != "") != strings.Contains(a.Header.Get("Link"), `rel="next"`) {
			t.Errorf("%+v, Link %s", list.bladwijzer, a.Header.Get("Link"))
		}
		next = list.Volgende
	}
	if fmt.Sprint(ids) != "[z-5 z-4 z-3 z-2 z-1]" {
		t.Error(ids)
	}
	if a := w.call(w.police, "GET", "/verzoeken?stand=closed", "", nil); !strings.Contains(string(a.Body), `"totaal":0`) {
		t.Errorf("%s", a.Body)
	}
	a := w.call(w.police, "GET", "/verzoeken/z-1", "", nil)
	tag := a.Header.Get("ETag")
	if b := w.call(w.police, "GET", "/verzoeken/z-1", "", nil, "If-None-Match", `"x", W/`+tag); b.Status != 304 || len(b.Body) != 0 || b.Header.Get("ETag") != tag {
		t.Errorf("%d %s", b.Status, b.Body)
	}
	w.handle("z-1")
	if b := w.call(w.police, "GET", "/verzoeken/z-1", "", nil, "If-None-Match", tag); b.Status != 200 {
		t.Errorf("%d after it changed", b.Status)
	}
}

// TestASystemThatAsksTooMuchWaits, and nobody else does.
func TestASystemThatAsksTooMuchWaits(t *testing.T) {
	w := newWorld(t)
	for range 100 {
		if a := w.call(w.reader, "GET", "/besluiten", "", nil); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	a := w.call(w.reader, "GET", "/besluiten", "", nil)
	w.problem(a, 429, "too-often")
	if a.Header.Get("Retry-After") != "1" {
		t.Error(a.Header.Get("Retry-After"))
	}
	if a := w.call(w.police, "GET", "/besluiten", "", nil); a.Status != 200 {
		t.Error(a.Status)
	}
	w.later(time.Second)
	if a := w.call(w.reader, "GET", "/besluiten", "", nil); a.Status != 200 {
		t.Error(a.Status)
	}
	for range 40 {
		a = w.plain("GET", "/v1/fouten")
	}
	w.problem(a, 429, "too-often")
}

// TestLogsNameNobody: one line a call, with operation, system and status.
func TestLogsNameNobody(t *testing.T) {
	w := newWorld(t)
	w.file(w.police, requester, w.theft(), once)
	text := w.log.String()
	for _, want := range []string{"operation=dienVerzoekIn", "system=bvh", "status=201"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	for _, not := range []string{string(requester), "127.0.0.1", "z-1", "PL2100"} {
		if strings.Contains(text, not) {
			t.Errorf("%s in %s", not, text)
		}
	}
}
