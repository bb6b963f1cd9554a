package page

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func frameSet(t *testing.T, files map[string]string) *Set {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := Parse(Site{Name: "Gemeente Helmond", Officer: Contact{Name: "V. Grijs", Telephone: "14 0492"}, Log: slog.New(slog.DiscardHandler),
		SelfWitnessed: func() bool { return true }}, fsys, nil, "*.html")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestBothLanguagesStandAtTheSamePath(t *testing.T) {
	s := frameSet(t, map[string]string{"hello.html": `<h1>{{t "Goedemorgen" "Good morning"}}, {{.}}</h1><a href="{{path "/x"}}">x</a>`})
	h := Languages(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Show(w, r, 200, "hello.html", Frame{Title: Both("Hallo", "Hello"), Body: `<script>alert(1)</script>`})
	}))
	nl, en := get(h, "/groet").Body.String(), get(h, "/en/groet").Body.String()
	for _, c := range []struct{ page, want string }{
		{nl, `<html lang="nl"`}, {nl, "Goedemorgen"}, {nl, `href="/x"`}, {nl, `href="/en/groet" hreflang="en"`},
		{en, `<html lang="en"`}, {en, "Good morning"}, {en, `href="/en/x"`}, {en, `href="/groet" hreflang="nl"`},
		{nl, "&lt;script&gt;"}, {nl, "Zelf getuige"}, {en, "Self-witnessed"}, {nl, "14 0492"},
	} {
		if !strings.Contains(c.page, c.want) {
			t.Errorf("page lacks %q:\n%s", c.want, c.page)
		}
	}
	if strings.Contains(nl, "<script>alert") {
		t.Error("a word from outside became script")
	}
	if got := get(h, "/en").Header().Get("Location"); got != "/en/" {
		t.Errorf("/en leads to %q", got)
	}
	if body := get(h, "/england").Body.String(); !strings.Contains(body, `lang="nl"`) {
		t.Error("/england was taken for English")
	}
}

func TestAFailingTemplateIsAnErrorAndNotHalfAPage(t *testing.T) {
	s := frameSet(t, map[string]string{"bad.html": `<h1>begin</h1>{{.Missing.Field}}`})
	w := httptest.NewRecorder()
	s.Show(w, httptest.NewRequest("GET", "/", nil), 200, "bad.html", Frame{Body: struct{}{}})
	if w.Code != 500 || strings.Contains(w.Body.String(), "begin") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

func TestHeadersAllowNothingInlineAndNothingForeign(t *testing.T) {
	h := Secure(nil, http.NotFoundHandler())
	got := get(h, "/").Header()
	policy := got.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy %q allows inline or foreign", policy)
	}
	if got.Get("X-Content-Type-Options") != "nosniff" || got.Get("Referrer-Policy") != "no-referrer" || got.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", got)
	}
	tiles := Secure(&MapBackground{Tiles: "https://tiles.example/{z}/{x}/{y}.png"}, http.NotFoundHandler())
	if p := get(tiles, "/").Header().Get("Content-Security-Policy"); !strings.Contains(p, "img-src 'self' data: https://tiles.example;") {
		t.Errorf("policy with tiles: %q", p)
	}
}

func TestOwnTemplatesAndStylesNameNoForeignHostAndNoInlineCode(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script>|\son[a-z]+=|\sstyle=|javascript:`)
	if found := inline.FindString(layout); found != "" {
		t.Errorf("layout has %q, which the policy forbids", found)
	}
	for _, name := range []string{"page.css", "voorbeeld-theme.css", "utrecht-html.css", "leaflet.css"} {
		b, err := os.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`@import|url\(["']?https?:`).Find(b); found != nil {
			t.Errorf("%s fetches from elsewhere: %s", name, found)
		}
	}
}

func TestAssetsAreCompressedAndNamedByTheirContent(t *testing.T) {
	path, err := assetPath("page.css")
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	Assets().ServeHTTP(w, r)
	if !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("headers %v", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil || !strings.Contains(string(b), ".facts") {
		t.Errorf("%v, %d bytes", err, len(b))
	}
	if got := get(Assets(), "/assets/page.css?v=old").Header().Get("Cache-Control"); strings.Contains(got, "immutable") {
		t.Error("another version is kept for ever under an old name")
	}
	if got := get(Assets(), "/assets/../page.go"); got.Code != 404 {
		t.Errorf("got %d for a path outside", got.Code)
	}
	if _, err := assetPath("none.css"); err == nil {
		t.Error("an unknown asset has an address")
	}
}

func TestTimesAreSaidInTheZoneOfTheScreen(t *testing.T) {
	at := time.Date(2026, 11, 21, 1, 55, 0, 0, time.UTC)
	if got := NL.Moment(at); got != "21 november 2026 om 02:55:00" {
		t.Error(got)
	}
	if got := EN.Span(protocol.Span(at, at.Add(10*time.Minute))); got != "21 November 2026 from 02:55:00 to 03:05:00" {
		t.Error(got)
	}
	// What the domain and the witness write in UTC, a page says as it says all else.
	for text, want := range map[string]string{
		"tot 2026-11-21T23:30:00.000Z (aanvraag z-1).":              "tot 22 november 2026 om 00:30:00 (aanvraag z-1).",
		"hal 2026-07-01T10:00:00.000Z/2026-07-01T10:01:30.500Z.":    "hal 1 juli 2026 van 12:00:00 tot 12:01:30.",
		"bewaart beelden P28D; dan weg":                             "bewaart beelden 28 dagen; dan weg",
		"sinds 2026-11-21 01:55:00 UTC, 3 maal":                     "sinds 21 november 2026 om 02:55:00, 3 maal",
		"2026-13-41T99:00:00.000Z, PT0S, camera P1, op 2026-11-21.": "2026-13-41T99:00:00.000Z, PT0S, camera P1, op 2026-11-21.",
	} {
		if got := NL.In(Both(text, text)); got != want {
			t.Errorf("%q is said as %q, want %q", text, got, want)
		}
	}
	// 25 October 2026: 02:30 happens twice.
	first := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	if a, b := Clock(first), Clock(first.Add(time.Hour)); a != "02:30:00 (CEST)" || b != "02:30:00 (CET)" {
		t.Errorf("the doubled hour: %q and %q", a, b)
	}
	for d, want := range map[time.Duration]string{
		28 * 24 * time.Hour: "28 dagen", 4 * time.Minute: "4 minuten", 90 * time.Minute: "1 uur en 30 minuten", 0: "minder dan een seconde",
		49*time.Hour + time.Second: "2 dagen en 1 uur", 28*24*time.Hour + 3*time.Second: "28 dagen",
	} {
		if got := NL.Duration(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := NL.Bytes(4_230_000); got != "4,2 MB" {
		t.Error(got)
	}
	if got := NL.Number(338000); got != "338.000" {
		t.Error(got)
	}
	if got, err := timeTag(protocol.T(at), NL.Date); err != nil || got != `<time datetime="2026-11-21T01:55:00.000Z">21 november 2026</time>` {
		t.Errorf("%s %v", got, err)
	}
	if got, err := timeTag((*protocol.Time)(nil), NL.Date); err != nil || got != "–" {
		t.Errorf("a missing time: %s %v", got, err)
	}
}

func TestR24_AddressesInLogsAreTruncated(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.77:4711": "192.0.2.0", "[2001:db8:1:2::9]:80": "2001:db8:1::", "[::ffff:192.0.2.77]:1": "192.0.2.0", "@": "unknown", "192.0.2.9": "192.0.2.0",
		"[fe80::1%eth0]:80": "fe80::",
	} {
		if got := Truncate(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := httptest.NewRequest("GET", "/camera/x?naam=jan", nil)
	r.RemoteAddr = "192.0.2.77:4711"
	Log(log, http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if strings.Contains(b.String(), "192.0.2.77") || strings.Contains(b.String(), "jan") || !strings.Contains(b.String(), "status=404") {
		t.Error(b.String())
	}
}

// TestASlowReaderOfALongAnswerIsNotCutOff: the server's limit is for pages; a bag may take as long as it takes.
func TestASlowReaderOfALongAnswerIsNotCutOff(t *testing.T) {
	long := func(out func(http.ResponseWriter) io.Writer) http.Handler {
		return Log(slog.New(slog.DiscardHandler), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "3")
			for range 3 {
				time.Sleep(100 * time.Millisecond)
				if _, err := io.WriteString(out(w), "x"); err != nil {
					return
				}
			}
		}))
	}
	for name, out := range map[string]func(http.ResponseWriter) io.Writer{"steady": Steady, "page": func(w http.ResponseWriter) io.Writer { return w }} {
		server := httptest.NewUnstartedServer(long(out))
		server.Config.WriteTimeout = 200 * time.Millisecond
		server.Start()
		res, err := http.Get(server.URL)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if whole := err == nil && string(got) == "xxx"; whole != (name == "steady") {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
		server.Close()
	}
}
