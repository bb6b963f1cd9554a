package public

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"log/slog"
)

// teller is a site whose reports go to a real state of the domain.
type teller struct {
	t   *testing.T
	s   *central.State
	now time.Time
	h   http.Handler
	log bytes.Buffer
}

func newTeller(t *testing.T) *teller {
	o := &teller{t: t, s: new(central.State), now: now}
	r := example()
	r.tell = func(c central.Tell) (string, error) {
		events, err := central.Decide(o.s, c, o.now)
		if err != nil {
			return "", err
		}
		for _, e := range events {
			if err := o.s.Apply(e); err != nil {
				return "", err
			}
		}
		return events[0].Fact.(*central.MatterOpened).Reference, nil
	}
	h, err := New(Config{Register: r, URL: "https://cameras.helmond.example", Security: "veilig@helmond.example", Now: func() time.Time { return o.now },
		Site: page.Site{Name: "Gemeente Helmond", Log: slog.New(slog.NewTextHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Officer: page.Contact{Name: "V. Grijs", Telephone: "14 0492", Email: "privacy@helmond.example", Post: "Postbus 950, 5700 AZ Helmond"}}})
	if err != nil {
		t.Fatal(err)
	}
	o.h = page.Log(slog.New(slog.NewTextHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug})), page.Secure(nil, page.Languages(h)))
	return o
}

func (o *teller) post(from string, headers map[string]string, pairs ...string) *httptest.ResponseRecorder {
	o.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest("POST", "/melden", strings.NewReader(form.Encode()))
	r.RemoteAddr = from
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	o.h.ServeHTTP(w, r)
	if w.Header().Get("Set-Cookie") != "" {
		o.t.Error("a cookie")
	}
	return w
}

// Anybody reports a doubt about security: no account, no cookie, no trace of where it came from; whoever would rather call finds the number.
func TestR25_AnybodyReportsADoubtWithoutAnAccount(t *testing.T) {
	o := newTeller(t)
	for path, words := range map[string][]string{
		"/":                          {`href="/melden"`, `href="/rechten"`},
		"/melden?over=weakness":      {`value="weakness" checked`, "14 0492", "Postbus 950", "balie", "Alleen de privacy officer leest uw melding"},
		"/en/melden":                 {"Only the privacy officer reads your report", `action="/en/melden"`},
		"/.well-known/security.txt":  {"Contact: mailto:veilig@helmond.example\nContact: https://cameras.helmond.example/melden?over=weakness\n"},
		"/melden/ontvangen/web-12":   {"web-12", "14 0492"},
		"/en/melden/ontvangen/web-1": {"has been received"},
	} {
		code, body, header := get(t, o.h, path)
		if code != 200 || header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d", path, code)
		}
		wants(t, body, words...)
	}
	if code, body, _ := get(t, o.h, "/melden/ontvangen/Bel%20dit%20nummer"); code != 404 || strings.Contains(body, "Bel dit") {
		t.Error("a link puts somebody's words on our page")
	}
	w := o.post("192.0.2.7:1", nil, "over", "weakness", "tekst", " ")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "Vul in: wat u wilt melden") || !strings.Contains(w.Body.String(), `role="alert"`) {
		t.Errorf("%d", w.Code)
	}
	w = o.post("192.0.2.7:1", nil, "over", "weakness", "tekst", "GEHEIM <b>de kast staat open</b>", "bereikbaar", strings.Repeat("x", 300))
	if body := w.Body.String(); w.Code != 400 || !strings.Contains(body, "GEHEIM &lt;b&gt;de kast") || !strings.Contains(body, `value="weakness" checked`) {
		t.Error("what was typed is gone")
	}
	w = o.post("192.0.2.7:1", nil, "over", "weakness", "tekst", "GEHEIM de kast staat open", "bereikbaar", "06 1234")
	if w.Code != 303 || w.Header().Get("Location") != "/melden/ontvangen/web-1" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := o.post("192.0.2.7:1", map[string]string{"Sec-Fetch-Site": "cross-site"}, "over", "weakness", "tekst", "x"); w.Code != 403 {
		t.Errorf("another site's form: %d", w.Code)
	}
	if log := o.log.String(); strings.Contains(log, "GEHEIM") || strings.Contains(log, "06 1234") || strings.Contains(log, "192.0.2.7") {
		t.Errorf("the log knows: %s", log)
	}
}

// One network cannot fill the form for others, nor everybody together the ledger.
func TestR25_TheFormIsRateLimited(t *testing.T) {
	o := newTeller(t)
	tell := func(from string) int { return o.post(from, nil, "over", "complaint", "tekst", "x").Code }
	for range toldAtOnce {
		if code := tell("192.0.2.7:1"); code != 303 {
			t.Fatal(code)
		}
	}
	w := o.post("192.0.2.99:1", nil, "over", "complaint", "tekst", "mijn klacht")
	if body := w.Body.String(); w.Code != 429 || !strings.Contains(body, "Bel of schrijf ons") || !strings.Contains(body, "mijn klacht") {
		t.Errorf("the same network goes on: %d", w.Code)
	}
	if code := tell("198.51.100.1:1"); code != 303 {
		t.Errorf("another network is kept out: %d", code)
	}
	o.now = o.now.Add(13 * time.Minute)
	if code := tell("192.0.2.7:1"); code != 303 {
		t.Errorf("after a while: %d", code)
	}
	if w := o.post("203.0.113.1:1", nil, "over", "complaint", "tekst", strings.Repeat("x", toldLimit)); w.Code != 400 {
		t.Errorf("a book: %d", w.Code)
	}
	broken := example()
	broken.tell = func(central.Tell) (string, error) { return "", errors.New("disk full") }
	w = httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/melden", strings.NewReader("over=complaint&tekst=mijn+klacht"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	serve(t, broken).ServeHTTP(w, r)
	if w.Code != 500 || !strings.Contains(w.Body.String(), "mijn klacht") || strings.Contains(w.Body.String(), "disk full") {
		t.Errorf("a fault: %d", w.Code)
	}
}

// How to ask for footage of oneself is public, in all ways that need no computer.
func TestR14_R32_HowToAskForFootageOfOneself(t *testing.T) {
	h := serve(t, example())
	_, body, _ := get(t, h, "/rechten")
	wants(t, body, "14 0492", "Postbus 950", "balie", "binnen een maand", "geen kopie van uw identiteitsbewijs", "Autoriteit Persoonsgegevens", "niet herkenbaar", "dezelfde dag", `href="/melden?over=complaint"`)
	_, body, _ = get(t, h, "/en/rechten")
	wants(t, body, "within a month", "no copy of your identity document", "How to ask")
	_, body, _ = get(t, h, "/camera/hal")
	wants(t, body, `href="/rechten"`)
}
