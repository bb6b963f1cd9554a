package desk

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/identity/dextest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// served is an office on a real port, as a browser meets it.
func served(t *testing.T, configure ...func(*office, *identity.Config)) (o *office, base string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base = fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	o = newOffice(t, append([]func(*office, *identity.Config){func(_ *office, c *identity.Config) { c.URL = base }}, configure...)...)
	var gone atomic.Bool
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !gone.Load() {
			o.handler.ServeHTTP(w, r)
		}
	})}}
	server.Start()
	t.Cleanup(func() { gone.Store(true); server.Close() })
	return o, base
}

// screen is a real browser.
type screen struct {
	t    *testing.T
	ctx  context.Context
	base string
	key  webauthn.AuthenticatorID // the passkey device that is plugged in
}

func newScreen(t *testing.T, base string) *screen {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs Debian package chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	s := &screen{t: t, ctx: ctx, base: base}
	s.do("start", chromedp.Navigate("about:blank"))
	s.ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return s
}

func (s *screen) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, steps...); err != nil {
		s.t.Fatalf("%s: %v; the page says:\n%s", what, err, s.reads())
	}
}

func (s *screen) reads() string {
	text, err := chromedp.Run(s.ctx, chromedp.Evaluate[string](`(document.querySelector('main')?.innerText || '').replace(/\s+/g, ' ')`)) // not by a query, which waits
	if err != nil {
		return err.Error()
	}
	return text
}

// says waits until the page says it.
func (s *screen) says(words string) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.reads(), words); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the page never says %q; it says:\n%s", words, s.reads())
		}
	}
}

func (s *screen) goTo(path string) { s.t.Helper(); s.do(path, chromedp.Navigate(s.base+path)) }

// press presses the button with these words on it.
func (s *screen) press(words string) {
	s.t.Helper()
	s.do(words, chromedp.Click(chromedp.Search(fmt.Sprintf(`//main//*[self::button or self::a][contains(normalize-space(.), %q)]`, words))))
}

func (s *screen) logIn(login, pass string) {
	s.t.Helper()
	s.goTo("/bureau/inloggen")
	s.do("log-in of "+login, chromedp.SendKeys(chromedp.CSS("#login"), login), chromedp.SendKeys(chromedp.CSS("#wachtwoord"), pass+"\r")) // by keyboard alone
}

func (s *screen) logOut() {
	s.t.Helper()
	s.do("log-out", chromedp.Click(chromedp.CSS(".logout button")))
	s.says("Voor medewerkers van de gemeente")
}

// device plugs in a device for passkeys that recognises its owner; the one before stays, without its owner.
func (s *screen) device() webauthn.AuthenticatorID {
	s.t.Helper()
	s.do("passkeys", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{})
		if err != nil {
			return err
		}
		made, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportUsb, HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
		s.key = made.AuthenticatorID
		return err
	}))
	return s.key
}

func (s *screen) unplug(key webauthn.AuthenticatorID) {
	s.t.Helper()
	s.do("unplug", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Call(ctx, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: key})
		return err
	}))
}

// bogus makes the device sign nonsense, or not.
func (s *screen) bogus(on bool) {
	s.t.Helper()
	s.do("bogus", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Call(ctx, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: s.key, IsBogusSignature: &on})
		return err
	}))
}

// unnamed are the things on a page that a screen reader could not name, and the fields and headings that it needs.
const unnamed = `[
	...[...document.querySelectorAll('input:not([type=hidden]), select, textarea')].filter(e => !e.labels.length).map(e => 'no label: ' + e.name),
	...[...document.querySelectorAll('button, a')].filter(e => e.checkVisibility() && !e.innerText.trim()).map(e => 'no words: ' + e.outerHTML),
	...[...document.querySelectorAll('[id]')].filter(e => document.querySelectorAll('#' + CSS.escape(e.id)).length > 1).map(e => 'id twice: ' + e.id),
	...(document.querySelectorAll('h1').length === 1 ? [] : ['not one h1']),
	...(document.documentElement.lang ? [] : ['no language']),
	...[...document.querySelectorAll('[aria-describedby]')].filter(e => !document.getElementById(e.getAttribute('aria-describedby'))).map(e => 'described by nothing: ' + e.outerHTML),
].join('\n')`

// picture looks at the page as a phone and as a screen: it must not be wider than either, and a screen reader must be able to name what is on it. Where DESK_PICTURES names a folder it is saved there, for a person to look at.
func (s *screen) picture(name string) {
	s.t.Helper()
	if what, err := chromedp.Run(s.ctx, chromedp.Evaluate[string](unnamed)); err != nil || what != "" {
		s.t.Errorf("%s: %v\n%s", name, err, what)
	}
	for width, of := range map[int64]string{390: "phone", 1280: "screen"} {
		s.do("viewport", chromedp.EmulateViewport(width, 844))
		wider, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
		if err != nil || wider {
			s.t.Errorf("%s is wider than %d: %v", name, width, err)
		}
		if dir := os.Getenv("DESK_PICTURES"); dir != "" {
			png, err := chromedp.Run(s.ctx, chromedp.FullScreenshot(100))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name+"-"+of+".png"), png, 0o600)
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// The whole life of passkeys, in a real browser: registered, asked at log-in, refused when wrong, a second one, one removed by showing the other, the last one
// not removed, taken away by an administrator who gains nothing by it.
func TestPasskeysInABrowser(t *testing.T) {
	o, base := served(t, func(o *office, c *identity.Config) {
		c.Needs = func(p protocol.PersonID) bool { return p == approver }
		c.Grace = 24 * time.Hour
	})
	b := newScreen(t, base)
	b.device()
	b.goTo("/bureau/inloggen")
	b.picture("1-log-in")
	b.logIn("approver", password)
	b.says("Uw rol vraagt een passkey. Registreer er een voor 22 november 2026 om 02:00:00")
	b.goTo("/bureau/account")
	b.says("U hebt nog geen passkey")
	b.do("name", chromedp.SendKeys(chromedp.CSS("#naam"), "rode sleutel"))
	b.press("Passkey registreren")
	b.says("rode sleutel")
	b.says("Verwijderen kan pas als u er nog een hebt.")
	b.picture("2-account")
	keys, err := o.identity.SigningKeys(approver)
	if err != nil || len(keys) != 1 {
		t.Fatalf("signing keys: %q %v", keys, err)
	}
	if v, err := protocol.NewVerifier(keys[0]); err != nil || v.Name() != string(approver) {
		t.Errorf("a recorder cannot read the key %q: %v", keys[0], err)
	}
	b.press("Passkey registreren") // the same device again
	b.says("De passkey is niet gelezen")

	b.logOut()
	b.logIn("approver", password)
	b.says("Toon uw passkey")
	b.picture("3-passkey")
	if w := (&browser{office: o}).get("/bureau"); w.Code != 303 {
		t.Errorf("the desk without the passkey: %d", w.Code)
	}
	b.bogus(true)
	b.press("Passkey gebruiken")
	b.says("Deze passkey is niet aangenomen")
	b.bogus(false)
	b.do("by keyboard", chromedp.SendKeys(chromedp.CSS("form[data-passkey] button"), "\r"))
	b.says("Goedendag")
	b.says("1 keer lukte inloggen met uw naam sindsdien niet.")

	first := b.key
	b.unplug(first)
	b.device() // another
	b.goTo("/bureau/account")
	b.do("name", chromedp.SendKeys(chromedp.CSS("#naam"), "zwarte sleutel"))
	b.press("Passkey registreren")
	b.says("zwarte sleutel")
	b.do("remove", chromedp.Click(chromedp.CSS(`a[href^="/bureau/account/passkeys/"]`))) // the first of the list, shown by the second
	b.says("Passkey verwijderen: rode sleutel")
	b.picture("4-remove")
	b.press("Andere passkey tonen en verwijderen")
	b.says("Verwijderen kan pas als u er nog een hebt.")
	if m, ok := o.identity.Of(approver); !ok || m.Passkeys != 1 {
		t.Errorf("after removing one of two: %+v", m)
	}

	// Lost. The administrator takes it away: nobody is let in by that, and the person must register another.
	w := o.as(admin).post("/bureau/mensen/" + string(approver) + "/passkeys")
	if w.Code != 303 {
		t.Fatalf("taking away: %d %s", w.Code, plain(w.Body.String()))
	}
	b.goTo("/bureau")
	b.says("Voor medewerkers van de gemeente") // their sessions ended
	b.logIn("approver", password)
	b.says("Registreer eerst een passkey.")
	b.says("al uw passkeys ingetrokken door een beheerder")
	b.picture("5-owes")
	b.goTo("/bureau/aanvragen")
	b.says("Registreer eerst een passkey.") // nothing but the account
	b.press("Passkey registreren")
	b.says("Verwijderen kan pas")
	b.goTo("/bureau/aanvragen")
	b.says("Aanvragen")
	says(t, o.as(officer).get("/bureau/inlogcijfers"), 200, "Inloggen in cijfers", "2026-11-21")
	days, err := o.identity.Days()
	if err != nil || len(days) != 1 || days[0].PasskeyRefused != 1 || days[0].PasskeysTaken != 1 || days[0].WithPasskey != 1 {
		t.Errorf("%+v %v", days, err)
	}
}

func TestI12_AnAdministratorWhoTakesPasskeysGainsNothing(t *testing.T) {
	o := newOffice(t)
	b := o.as(admin)
	says(t, b.post("/bureau/mensen/"+string(approver)+"/passkeys"), 409, "heeft geen passkeys")
	says(t, b.post("/bureau/mensen/"+string(admin)+"/passkeys"), 403, "met een andere passkey")
	says(t, b.post("/bureau/mensen/"+string(approver)+"/uitnodigen"), 409, "kan al inloggen")
	for _, p := range []protocol.PersonID{registrar, approver, officer, requester} {
		says(t, o.as(p).post("/bureau/mensen/"+string(approver)+"/passkeys"), 403, "beheerder")
	}
}

// Who has several sessions sees where, ends one or all, and what a thief began ends with them.
func TestMySessionsEndEverywhere(t *testing.T) {
	o := newOffice(t)
	enter := func(agent, from string) *http.Cookie {
		r := httptest.NewRequest("POST", "/bureau/inloggen", strings.NewReader(url.Values{"login": {"handler"}, "wachtwoord": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("User-Agent", agent)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		o.handler.ServeHTTP(w, r)
		c := given(w, identity.SessionCookie)
		if c == nil {
			t.Fatalf("no session: %d", w.Code)
		}
		return c
	}
	windows := enter("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "198.51.100.77:5")
	phone := enter("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1", "[2001:db8:1:2::3]:9")
	b := o.as(handler)
	page := b.get("/bureau/account")
	says(t, page, 200, "Firefox, Windows, netwerk 198.51.100.0", "Safari, iPhone, netwerk 2001:db8:1::", "deze", "Overal uitloggen")
	if strings.Contains(page.Body.String(), "198.51.100.77") || strings.Contains(page.Body.String(), "rv:140") {
		t.Error("more is kept than a truncated address and a browser's name")
	}
	ids := regexp.MustCompile(`name="sessie" value="([^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(ids) != 2 {
		t.Fatalf("%d sessions to end", len(ids))
	}
	alive := func(c *http.Cookie) bool { return (&browser{office: o, cookie: c}).get("/bureau").Code == 200 }
	if w := o.as(approver).post("/bureau/account/sessies", "sessie", ids[0][1]); w.Code != 303 || !alive(windows) || !alive(phone) {
		t.Error("somebody else ended a session")
	}
	b = o.as(handler)
	if w := b.post("/bureau/account/sessies", "sessie", ids[0][1]); w.Code != 303 || alive(windows) == alive(phone) {
		t.Errorf("ending one: %d, windows %v, phone %v", w.Code, alive(windows), alive(phone))
	}
	if w := b.post("/bureau/account/sessies"); w.Code != 303 || alive(windows) || alive(phone) || alive(b.cookie) {
		t.Error("a session lives after logging out everywhere")
	}
}

// A cookie that somebody planted does not become a session, and logging in ends the session that the browser had.
func TestASessionIsNotFixed(t *testing.T) {
	o := newOffice(t)
	b := &browser{office: o, cookie: &http.Cookie{Name: identity.SessionCookie, Value: "planted-by-somebody-else-0123456789"}}
	w := b.send("POST", "/bureau/inloggen", url.Values{"login": {"handler"}, "wachtwoord": {password}})
	first := given(w, identity.SessionCookie)
	if first == nil || first.Value == b.cookie.Value {
		t.Fatal("the planted cookie became the session")
	}
	if (&browser{office: o, cookie: b.cookie}).get("/bureau").Code == 200 {
		t.Error("the planted cookie is a session")
	}
	w = (&browser{office: o, cookie: first}).send("POST", "/bureau/inloggen", url.Values{"login": {"approver"}, "wachtwoord": {password}})
	second := given(w, identity.SessionCookie)
	if second == nil || second.Value == first.Value || (&browser{office: o, cookie: first}).get("/bureau").Code == 200 {
		t.Error("the session of before lives on after another log-in")
	}
}

func TestALogInSaysWhenYouWereLastHere(t *testing.T) {
	o := newOffice(t)
	for _, wrong := range []string{"fout", "weer fout"} {
		(&browser{office: o}).send("POST", "/bureau/inloggen", url.Values{"login": {"staff"}, "wachtwoord": {wrong}})
	}
	o.now = o.now.Add(3 * time.Hour)
	delete(o.sessions, staff)
	says(t, o.as(staff).get("/bureau"), 200, "U was hier het laatst op 21 november 2026 om 02:00:00", "2 keer lukte inloggen met uw naam sindsdien niet.")
	delete(o.sessions, officer)
	says(t, o.as(officer).get("/bureau/inlogcijfers"), 200, "Inloggen in cijfers")
	for _, p := range []protocol.PersonID{admin, handler, approver, requester, staff, registrar} {
		delete(o.sessions, p)
		says(t, o.as(p).get("/bureau/inlogcijfers"), 403, "privacy officer")
	}
}

// Whose role needs a passkey has a term for it, is told, and afterwards sees nothing but the own account.
func TestAPasskeyIsOwedAfterTheTerm(t *testing.T) {
	o := newOffice(t, func(o *office, c *identity.Config) {
		c.Grace = 14 * 24 * time.Hour
		c.Needs = func(p protocol.PersonID) (needs bool) {
			o.book.View(func(s *central.State) { needs = s.Holds(p, central.Approver, "", o.now) })
			return needs
		}
	})
	delete(o.sessions, approver)
	says(t, o.as(approver).get("/bureau"), 200, "Registreer er een voor 5 december 2026")
	says(t, o.as(handler).get("/bureau"), 200, "Goedendag")
	o.now = o.now.Add(14 * 24 * time.Hour)
	delete(o.sessions, approver)
	b := o.as(approver)
	for _, path := range []string{"/bureau", "/bureau/aanvragen", "/bureau/cameras", "/bureau/niets"} {
		if w := b.get(path); w.Code != 303 || w.Header().Get("Location") != accountPath {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	page := b.get(accountPath)
	says(t, page, 200, "Registreer eerst een passkey.", "tot dan kunt u hier niet verder")
	if strings.Contains(page.Body.String(), `href="/bureau/aanvragen"`) {
		t.Error("the menu offers what is closed")
	}
	delete(o.sessions, handler)
	says(t, o.as(handler).get("/bureau"), 200, "Goedendag")
}

func TestAnOldLogInRegistersNoPasskey(t *testing.T) {
	o := newOffice(t)
	b := o.as(handler)
	o.now = o.now.Add(identity.FreshTerm)
	b = o.as(handler)
	says(t, b.get(accountPath), 200, "Kan nu niet: u logde langer dan een kwartier geleden in.")
	says(t, b.post(accountPath+"/passkeys", "antwoord", "{}", "naam", "van een ander"), 400, "Log eerst opnieuw in")
	says(t, b.get(accountPath+"/passkeys/00ff"), 400, "niet aangenomen")
}

// Every page of the desk, for everyone: nothing inline, no foreign host, and all headers. The pages are found by following the links that people see.
func TestEveryPageKeepsToTheContentSecurityPolicy(t *testing.T) {
	o := newOffice(t)
	o.filed()
	inline := regexp.MustCompile(`(?i)<script(?:>|[^>]*[^>]>[^<])|<style|\son[a-z]+\s*=\s*["']|\sstyle\s*=|javascript:|<base|<iframe|<object|<embed`)
	foreign := regexp.MustCompile(`(?:src|href|action)="(https?:)?//[^"]*"`)
	next := regexp.MustCompile(`href="(/[^"#]*)"`)
	check := func(who protocol.PersonID, path string) string {
		b := &browser{office: o}
		if who != "" {
			b = o.as(who)
		}
		w := b.get(path)
		h := w.Header()
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin", "Permissions-Policy": "camera=()"} {
			if !strings.HasPrefix(h.Get(name), want) && !strings.HasPrefix(path, "/assets/") {
				t.Errorf("%s as %s: %s is %q", path, who, name, h.Get(name))
			}
		}
		for _, word := range []string{"unsafe", "*", "http:", "data: "} {
			if p := strings.Replace(h.Get("Content-Security-Policy"), "img-src 'self' data:;", "", 1); strings.Contains(p, word) {
				t.Errorf("%s: the policy allows %q: %s", path, word, p)
			}
		}
		body := ""
		if strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			body = w.Body.String()
		}
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s as %s: %q is inline", path, who, found)
		}
		for _, link := range foreign.FindAllString(body, -1) {
			if !strings.HasPrefix(link, "href=") || strings.Contains(link, "<link") {
				t.Errorf("%s as %s: %s leads to another host", path, who, link)
			}
		}
		return body
	}
	for _, who := range []protocol.PersonID{"", admin, registrar, handler, approver, officer, requester, staff} {
		if who == "" {
			for _, path := range []string{"/bureau/inloggen", "/bureau/uitnodiging", "/bureau/inloggen/passkey", "/bureau/inloggen/aanbieder", identity.CallbackPath, "/bureau/inloggen/sleutels.json", "/bureau", "/bureau/niets"} {
				check(who, path)
			}
			continue
		}
		seen, todo := map[string]bool{}, []string{"/bureau", "/bureau/niets", "/en/bureau", accountPath, "/bureau/wachtwoord"}
		for len(todo) > 0 && len(seen) < 60 {
			path := todo[0]
			todo = todo[1:]
			if seen[path] {
				continue
			}
			seen[path] = true
			for _, found := range next.FindAllStringSubmatch(check(who, path), -1) {
				if to := strings.ReplaceAll(found[1], "&amp;", "&"); (strings.HasPrefix(to, "/bureau") || strings.HasPrefix(to, "/en/bureau")) && !slices.Contains(todo, to) {
					todo = append(todo, to)
				}
			}
		}
		if len(seen) < 8 {
			t.Errorf("%s: only %d pages", who, len(seen))
		}
	}
}

// The whole way in a real browser, with Dex: what the browser does with cookies between two sites, no test without one shows.
func TestLogInByTheMunicipalityInABrowser(t *testing.T) {
	o, base := served(t, func(o *office, c *identity.Config) {
		c.Now = time.Now // as Dex
		c.Provider = &identity.ProviderConfig{Issuer: dextest.Start(t, c.URL+identity.CallbackPath), ClientID: "beeldwacht", Secret: dextest.Secret, Scopes: []string{"profile", "groups"},
			LoginClaim: "preferred_username", NameClaim: "name", RoleClaim: "groups", Role: "cameratoezicht"}
	})
	if err := o.identity.InviteByProvider(identity.Account{Person: "p-anna", Login: "anna", Name: "A."}); err != nil {
		t.Fatal(err)
	}
	o.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: "p-anna", Posts: []central.Post{{Role: central.Registrar}}, Secrecy: day(-10)}})
	b := newScreen(t, base)
	atDex := func(who string) {
		t.Helper()
		b.do("Dex", chromedp.WaitVisible(chromedp.CSS("#login")), chromedp.SendKeys(chromedp.CSS("#login"), who+"@stad.example"), chromedp.SendKeys(chromedp.CSS("#password"), dextest.Password),
			chromedp.Click(chromedp.CSS("#submit-login")))
	}
	b.goTo("/bureau/cameras")
	b.says("Inloggen via de gemeente")
	b.picture("6-municipality")
	b.press("Inloggen via de gemeente")
	atDex("bert")
	b.says("niet als gebruiker van het cameratoezicht")
	b.picture("7-no-role")
	b.goTo("/bureau/cameras")
	b.press("Inloggen via de gemeente")
	atDex("carla")
	b.says("U hebt hier geen account.")
	b.goTo("/en/bureau/cameras")
	b.press("Log in by the municipality")
	atDex("anna")
	b.says("Hal stadskantoor") // where they wanted to go, in the language that they asked
	b.says("Cameras")
	b.goTo("/bureau/account")
	b.says("Anna de Vries")
	b.says("gekoppeld aan de inlogdienst van de gemeente")

	// A passkey comes after the provider too.
	b.device()
	b.do("name", chromedp.SendKeys(chromedp.CSS("#naam"), "rode sleutel"))
	b.press("Passkey registreren")
	b.says("Verwijderen kan pas")
	b.logOut()
	b.goTo("/bureau/cameras")
	b.press("Inloggen via de gemeente")
	atDex("anna")
	b.says("Toon uw passkey")
	b.press("Passkey gebruiken")
	b.says("Hal stadskantoor")

	// A link that somebody else sends, to the end of a log-in that they began, logs nobody in.
	b.logOut()
	b.says("Bij de inlogdienst van de gemeente bent u misschien nog wel ingelogd") // Dex does not say how to end that
	b.picture("9-logged-out")
	b.goTo(identity.CallbackPath + "?state=planted&code=planted&iss=planted")
	b.says("Deze inlogpoging is al gebruikt, duurde te lang of begon in een andere browser.")
	b.picture("8-stale")
}

// A provider that is down is said plainly, beside the ways in that remain; where the person wanted to go is not lost.
func TestAProviderThatIsDownIsSaid(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	o := newOffice(t, func(o *office, c *identity.Config) {
		c.Provider = &identity.ProviderConfig{Issuer: down.URL, ClientID: "beeldwacht", Secret: "s", LoginClaim: "preferred_username"}
	})
	w := (&browser{office: o}).get("/bureau/inloggen/aanbieder?verder=/bureau/cameras")
	says(t, w, 503, "inlogdienst van de gemeente is nu niet bereikbaar. Er is niets verloren gegaan", "Inlognaam", "Wachtwoord")
	if !strings.Contains(w.Body.String(), `name="verder" value="/bureau/cameras"`) {
		t.Error("where the person wanted to go is lost")
	}
	r := httptest.NewRequest("GET", "/bureau/inloggen/aanbieder", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w = httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/bureau/inloggen?") {
		t.Errorf("another site begins a log-in: %d %s", w.Code, w.Header().Get("Location"))
	}
	says(t, (&browser{office: newOffice(t)}).get("/bureau/inloggen/aanbieder"), 404)
}

// Without passwords the page offers none, and an administrator invites by login only.
func TestOnlyByTheMunicipality(t *testing.T) {
	o := newOffice(t, func(o *office, c *identity.Config) {
		c.NoPasswords = true
		c.Provider = &identity.ProviderConfig{Issuer: "https://inloggen.stad.example", ClientID: "beeldwacht", Secret: "s", LoginClaim: "preferred_username"}
	})
	w := (&browser{office: o}).get("/bureau/inloggen")
	says(t, w, 200, "Inloggen via de gemeente")
	if strings.Contains(w.Body.String(), `type="password"`) {
		t.Error("a password is asked")
	}
	says(t, (&browser{office: o}).send("POST", "/bureau/inloggen", url.Values{"login": {"admin"}, "wachtwoord": {password}}), 403, "Inloggen lukte niet")
	w = o.as(admin).post("/bureau/mensen", "naam", "Nieuw Iemand", "inlognaam", "n.iemand", "rol", "approver AVG", "geheimhouding", "2026-11-01", "manier", "code")
	says(t, w, 200, "Uitgenodigd: Nieuw Iemand", "n.iemand", "binnen 30 dagen")
	if strings.Contains(w.Body.String(), `class="key"`) {
		t.Error("the administrator holds a code")
	}
}

// The privacy officer signs with their own passkey, in a real browser: reads the key to be named in a roster, has it named, and signs the order that lets a recorder go on. What then
// lies ready for the recorder it would take for the officer's own. A passkey that is lost signs nothing, and the page says what to do.
func TestI13_TheOfficerSignsInABrowser(t *testing.T) {
	o, base := served(t)
	b := newScreen(t, base)
	b.device()
	b.logIn("officer", password)
	b.says("Goedendag")
	b.goTo("/bureau/account")
	b.do("name", chromedp.SendKeys(chromedp.CSS("#naam"), "tekensleutel"))
	b.press("Passkey registreren")
	b.says("Sleutel voor een rooster")
	b.do("open", chromedp.Click(chromedp.CSS("main details summary")))
	b.picture("1-key")
	key, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector('main details pre').textContent.trim()`))
	if err != nil {
		t.Fatal(err)
	}

	const path = "/bureau/logboeken/rec-1/hervatten"
	o.do(central.RecordMisbehaviour{Recorder: "rec-1", Kind: "rollback", Name: "rollback 41", At: protocol.T(o.now), Seen: central.Words{NL: "het is teruggezet", EN: "it was put back"}})
	b.goTo(path)
	b.says("De centrale, namens u: het rooster van deze recorder noemt uw passkey niet.")
	b.picture("2-centre")
	o.do(central.PublishRoster{By: admin, Recorder: "rec-1", Roster: o.town.Roster(2, func(r *protocol.Roster) { r.LevelCentre, r.OfficerKey = true, key })})
	b.goTo(path)
	b.says("U zelf, met de passkey die het rooster van deze recorder noemt.")
	b.picture("3-resume")
	b.do("reason", chromedp.SendKeys(chromedp.CSS("#hervatten-reden"), "een oude schijf teruggezet"))
	b.press("Opdracht lezen en ondertekenen")
	b.says("Precies deze tekst ondertekent u beeldwacht/resume v1")
	b.says("een oude schijf teruggezet")
	b.says("Uw passkey tekensleutel")
	b.picture("4-signing")
	b.bogus(true)
	b.press("Ondertekenen met mijn passkey")
	b.says("Deze passkey is niet aangenomen")
	b.says("Opdracht lezen en ondertekenen")
	ordered := func() (x *central.Resumption, signed protocol.Signed, roster *protocol.Roster) {
		o.book.View(func(st *central.State) {
			r := st.Recorder("rec-1")
			if roster = r.Roster; len(r.Resumptions) > 0 {
				x = r.Resumptions[0]
				signed, err = protocol.ParseDocument([]byte(r.Order(x.Number).Document))
			}
		})
		return x, signed, roster
	}
	if x, _, _ := ordered(); x != nil {
		t.Fatal("a signature that is none gave an order")
	}
	if typed, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector('#hervatten-reden').value`)); err != nil || typed != "een oude schijf teruggezet" {
		t.Errorf("what was typed is lost: %q %v", typed, err)
	}
	b.bogus(false)
	b.press("Opdracht lezen en ondertekenen")
	b.says("Precies deze tekst ondertekent u")
	b.do("by keyboard", chromedp.SendKeys(chromedp.CSS("form[data-passkey] button"), "\r"))
	b.says("opgedragen; wacht op de recorder")
	b.says("door de privacy officer zelf, met een passkey")
	b.picture("5-ordered")
	x, signed, roster := ordered()
	if err != nil || x == nil || x.Level != protocol.LevelPersons {
		t.Fatalf("%+v %v", x, err)
	}
	if level, err := roster.Authorise(signed, ""); level != protocol.LevelPersons || err != nil {
		t.Errorf("a recorder would say %q, %v to\n%s", level, err, signed.Raw)
	}
	b.goTo("/bureau/account")
	b.says("met een passkey een opdracht ondertekend")
	b.says("Met deze passkey ondertekent u voor 1 recorder.")
	b.unplug(b.key)
	b.device()
	b.do("name", chromedp.SendKeys(chromedp.CSS("#naam"), "tweede"))
	b.press("Passkey registreren")
	b.says("tweede")
	b.do("remove", chromedp.Click(chromedp.CSS(`a[href^="/bureau/account/passkeys/"]`)))
	b.says("Met deze passkey ondertekent u voor 1 recorder.")
	b.picture("6-removal")

	// Lost: nothing is signed with another, and nobody is left without knowing what to do.
	o.now = o.now.Add(central.ResumeTerm)
	clear(o.sessions)
	says(t, o.as(admin).post("/bureau/mensen/"+string(officer)+"/passkeys"), 303)
	w := o.as(officer).get(path)
	says(t, w, 200, "noemt een passkey die niet bij uw account staat", "Kan nu niet")
	says(t, o.as(officer).post(path, "formulier", "hervatten", "reden", "x"), 400, "noemt een passkey die niet bij uw account staat")
	says(t, o.as(officer).post(path+"/ondertekenen", "formulier", "hervatten", "reden", "x", "ceremonie", "verzonnen", "antwoord", "{}"), 400, "niet aangenomen")
	if w := o.as(officer).get(path + "/ondertekenen"); w.Code != 303 || w.Header().Get("Location") != path {
		t.Errorf("reloaded: %d", w.Code)
	}
	if w := o.as(handler).post(path+"/ondertekenen", "reden", "x"); w.Code != 403 {
		t.Errorf("somebody else: %d", w.Code)
	}
}
