package public

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

var now = time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)

type register struct {
	list  []central.PublicPlacement
	facts map[protocol.CameraID]Facts

	documents []central.PublicDocument

	tell func(central.Tell) (string, error)
}

// FindPublic gives them by title, as central does.
func (r register) FindPublic(text string, after, most int, _ time.Time) (list []central.PublicPlacement, more bool) {
	for _, p := range r.list {
		p.Title = cmp.Or(p.Name, "Camera "+string(p.Camera))
		if strings.Contains(strings.ToLower(p.Title+p.Place), strings.ToLower(text)) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b central.PublicPlacement) int { return strings.Compare(a.Title, b.Title) })
	list = list[min(after, len(list)):]
	return list[:min(most, len(list))], len(list) > most
}

func (r register) PublicUnder(ref central.ProtocolRef, _ int, _ time.Time) (list []central.PublicPlacement, more bool) {
	for _, p := range r.list {
		if p.Protocol != nil && p.Protocol.ID == ref.ID && p.Protocol.Version == ref.Version && p.Status == central.Active {
			p.Title = cmp.Or(p.Name, "Camera "+string(p.Camera))
			list = append(list, p)
		}
	}
	return list, false
}
func (r register) PublicCamera(id protocol.CameraID, _ time.Time) (central.PublicPlacement, bool) {
	for _, p := range r.list {
		if p.Camera == id {
			p.Title = cmp.Or(p.Name, "Camera "+string(id))
			return p, true
		}
	}
	return central.PublicPlacement{}, false
}
func (r register) Facts(id protocol.CameraID) Facts { return r.facts[id] }

func (r register) Documents() []central.PublicDocument { return r.documents }

func (r register) Tell(_ context.Context, c central.Tell) (string, error) { return r.tell(c) }

func day(y, m, d int) protocol.Time {
	return protocol.T(time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC))
}

func example() register {
	besluit := central.Besluit{Reference: "B-2026-114", Date: day(2026, 3, 2), ValidFrom: day(2026, 3, 9), ValidUntil: day(2027, 3, 9), Body: "college van burgemeester en wethouders", Area: "Centrum"}
	square, hall := central.At(51.4809, 5.6613), central.At(51.4799, 5.6570)
	north, east := 20, 90
	return register{
		list: []central.PublicPlacement{
			{Camera: "plein", Name: "Markt, noordzijde", Regime: protocol.WPG, Status: central.Active, Position: &square, Direction: &north, Place: "Markt, boven de ingang van nummer 12", Area: "Centrum",
				Purposes: []central.Purpose{central.StreetSafety}, Subsidiarity: "Extra licht en toezicht hielpen niet genoeg.", Proportionality: "Alleen het plein is in beeld; ramen van woningen zijn afgedekt.",
				Besluit: besluit, Window: protocol.MaxWindow, Publication: central.PublishExact, Contact: "14 0492", Sign: central.Sign{Placed: day(2026, 3, 8)}},
			{Camera: "hal", Name: "Stadhuis, hal <script>alert(1)</script>", Regime: protocol.AVG, Status: central.Active, Position: &hall, Direction: &east, Place: "Weg op den Heuvel 35", Area: "Centrum",
				Purposes: []central.Purpose{central.Buildings, central.Visitors}, Besluit: besluit, Window: protocol.Window(7 * 24 * time.Hour), Publication: central.PublishExact, Contact: "14 0492"},
			{Camera: "c-17", Regime: protocol.AVG, Status: central.Active, Area: "Centrum", Purposes: []central.Purpose{central.Museum}, Besluit: besluit, Window: protocol.Window(4 * time.Minute),
				Publication: central.PublishArea, PublicationReason: "De exacte plaats helpt inbrekers.", Contact: "14 0492"},
			{Camera: "oud", Name: "Havenweg", Regime: protocol.AVG, Status: central.Lapsed, Place: "Havenweg", Purposes: []central.Purpose{central.Buildings}, Besluit: besluit, Publication: central.PublishStreet, PublicationReason: "Woningen vlakbij.", Contact: "14 0492"},
		},
		facts: map[protocol.CameraID]Facts{
			"plein": {Heard: now, Recording: true, Since: now.Add(-26 * time.Hour), Oldest: now.Add(-40 * 24 * time.Hour), CosignedAt: now.Add(-time.Minute)},
			"hal":   {Heard: now, Recording: false, Since: now.Add(-2 * time.Hour), Cause: "network", Oldest: now.Add(-6 * 24 * time.Hour), CosignedAt: now.Add(-time.Minute)},
		},
	}
}

func serve(t *testing.T, r register) http.Handler {
	t.Helper()
	h, err := New(Config{Register: r, URL: "https://cameras.helmond.example", Security: "veilig@helmond.example", Now: func() time.Time { return now },
		Site: page.Site{Name: "Gemeente Helmond", Log: slog.New(slog.DiscardHandler), SelfWitnessed: func() bool { return true },
			Officer: page.Contact{Name: "V. Grijs", Telephone: "14 0492", Email: "privacy@helmond.example", Post: "Postbus 950, 5700 AZ Helmond"}}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/assets/", page.Assets())
	mux.Handle("/", h)
	return page.Secure(nil, page.Languages(mux))
}

func get(t *testing.T, h http.Handler, path string) (int, string, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String(), w.Header()
}

func wants(t *testing.T, body string, words ...string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestR16_TheListSaysWhatTheMapSays(t *testing.T) {
	h := serve(t, example())
	code, body, header := get(t, h, "/")
	if code != 200 || header.Get("Set-Cookie") != "" {
		t.Fatalf("%d, cookie %q", code, header.Get("Set-Cookie"))
	}
	wants(t, body, "Markt, noordzijde", "veiligheid op straat", "B-2026-114", "geldig tot", "9 maart 2027", "28 dagen", "Neemt nu op", "Neemt nu niet op", "Onbekend of de camera nu opneemt",
		"De exacte plaats helpt inbrekers.", "Zelf getuige", "door een getuige bevestigd op", "14 0492", "Besluit verlopen: mag niet opnemen", "Nog niet bekend")
	_, body, _ = get(t, h, "/en/")
	wants(t, body, `lang="en"`, "Recording now", "safety in the street", "9 March 2027", "28 days", `href="/en/camera/plein"`, "Self-witnessed")
}

func TestCitizen2_TheCameraPageAnswersWhyWhoAndUntilWhen(t *testing.T) {
	h := serve(t, example())
	_, body, _ := get(t, h, "/camera/plein")
	wants(t, body, "Deze camera neemt geen geluid op.", "artikel 151c Gemeentewet", "Extra licht en toezicht hielpen niet genoeg.", "korpschef", "Daarna stopt de opname.", "28 dagen", "8 maart 2026", "de politie; de gemeente stuurt", "Neemt nu op")
	_, body, _ = get(t, h, "/en/camera/hal")
	wants(t, body, "the camera cannot be reached", "article 6 GDPR", "7 days")
	if code, body, _ := get(t, h, "/camera/weg"); code != 404 || !strings.Contains(body, "Naar alle camera") {
		t.Errorf("an unknown camera: %d", code)
	}
	_, body, _ = get(t, h, "/bord/plein")
	wants(t, body, "cameras.helmond.example/camera/plein", "28 dagen")
	if strings.Contains(body, "geluid") {
		t.Error("the sign of a camera without sound speaks of it")
	}

	heard := example()
	heard.list[1].Sound, heard.list[1].SoundReason = true, "bedreigingen aan de balie zijn niet te zien"
	h = serve(t, heard)
	_, body, _ = get(t, h, "/camera/"+string(heard.list[1].Camera))
	wants(t, body, "Deze camera neemt ook geluid op.", "bedreigingen aan de balie zijn niet te zien")
	_, body, _ = get(t, h, "/bord/"+string(heard.list[1].Camera))
	wants(t, body, "Ook geluid wordt opgenomen")
	_, body, _ = get(t, h, "/cameras.geojson")
	wants(t, body, `"sound":true`, `"sound":false`)
}

func TestWordsFromTheRegisterCannotBecomeCode(t *testing.T) {
	h := serve(t, example())
	for _, path := range []string{"/", "/camera/hal", "/bord/hal"} {
		if _, body, _ := get(t, h, path); strings.Contains(body, "<script>alert") {
			t.Errorf("%s: a camera's name became script", path)
		}
	}
}

// A demand is secret. Footage held past its window would give it away.
func TestHeldFootageDoesNotShowInPublic(t *testing.T) {
	h := serve(t, example())
	reach := now.Add(-protocol.MaxWindow.Duration())
	for _, path := range []string{"/", "/camera/plein", "/cameras.geojson"} {
		_, body, _ := get(t, h, path)
		if strings.Contains(body, now.Add(-40*24*time.Hour).Format("2006-01-02")) {
			t.Errorf("%s: shows footage older than the window", path)
		}
		wants(t, body, protocol.T(reach).String())
	}
}

func TestOpenDataKeepsToThePublicationLevel(t *testing.T) {
	h := serve(t, example())
	code, body, header := get(t, h, "/cameras.geojson")
	if code != 200 || header.Get("Content-Type") != "application/geo+json" || header.Get("Access-Control-Allow-Origin") != "*" {
		t.Fatalf("%d %v", code, header)
	}
	var got struct {
		Type     string `json:"type"`
		Features []struct {
			ID       string `json:"id"`
			Geometry *struct {
				Coordinates []float64 `json:"coordinates"`
			} `json:"geometry"`
			Properties struct {
				Recording         *bool  `json:"recording"`
				PublicationReason string `json:"publicationReason"`
				Oldest            string `json:"oldestFootage"`
			} `json:"properties"`
		} `json:"features"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Features) != 4 || got.Type != "FeatureCollection" {
		t.Fatalf("%d features of %s", len(got.Features), got.Type)
	}
	plein, hal, area := got.Features[2], got.Features[3], got.Features[0] // by title
	if plein.ID != "plein" || hal.ID != "hal" || area.ID != "c-17" {
		t.Fatalf("%+v", got.Features)
	}
	if g := plein.Geometry; g == nil || g.Coordinates[0] != 5.6613 || g.Coordinates[1] != 51.4809 {
		t.Errorf("place of plein: %+v", g)
	}
	if f := area; f.Geometry != nil || f.Properties.PublicationReason == "" || f.Properties.Recording != nil {
		t.Errorf("c-17 at level area: %+v", f)
	}
	if r := hal.Properties.Recording; r == nil || *r {
		t.Error("hal does not record, and the data do not say so")
	}
	if _, some, _ := get(t, h, "/cameras.geojson?camera=hal,nergens,plein"); strings.Count(some, `"Feature"`) != 2 || strings.Contains(some, "c-17") {
		t.Errorf("of two cameras: %s", some)
	}
	if got := string(degrees(-123)); got != "-0.0000123" {
		t.Errorf("degrees: %s", got)
	}
}

func TestR25_SecurityText(t *testing.T) {
	_, body, header := get(t, serve(t, example()), "/.well-known/security.txt")
	if !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Error(header)
	}
	wants(t, body, "Contact: mailto:veilig@helmond.example\n", "Expires: 2027-10-21T00:00:00Z\n", "Canonical: https://cameras.helmond.example/.well-known/security.txt\n")
}

// R24: no trackers, no foreign hosts, and nothing that the policy would have to allow.
func TestR24_PagesNameNoForeignHostAndNoInlineCode(t *testing.T) {
	h := serve(t, example())
	for _, path := range []string{"/", "/camera/plein", "/bord/plein", "/en/", "/weg"} {
		_, body, _ := get(t, h, path)
		if found := regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//[^"]*"`).FindString(body); found != "" {
			t.Errorf("%s leads elsewhere: %s", path, found)
		}
		for _, src := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]*)"`).FindAllStringSubmatch(body, -1) {
			if code, _, _ := get(t, h, strings.ReplaceAll(src[1], "&amp;", "&")); code != 200 {
				t.Errorf("%s needs %s: %d", path, src[1], code)
			}
		}
	}
	err := fs.WalkDir(templates, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(templates, path)
		if found := regexp.MustCompile(`(?i)<script|\son[a-z]+=|\sstyle=|javascript:`).Find(b); found != nil {
			t.Errorf("%s: %s", path, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	w := httptest.NewRecorder()
	serve(t, example()).ServeHTTP(w, httptest.NewRequest("POST", "/camera/plein", nil))
	if w.Code != 404 && w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// R26 (V:85): each version has its dates, the one that holds now comes first, and an earlier one says that it is.
func TestR26_StatementsAndProtocolsInTheirVersions(t *testing.T) {
	reg := example()
	line := func(nl, en string, value any) central.ProtocolLine {
		return central.ProtocolLine{Label: central.Words{NL: nl, EN: en}, Value: value}
	}
	title := central.Words{NL: "privacyverklaring", EN: "privacy statement"}
	reg.documents = []central.PublicDocument{
		{Kind: "verklaring", ID: "privacyverklaring", Version: 3, Title: title, Text: central.Words{NL: "Vanaf mei.", EN: "From May."}, AdoptedBy: "college", AdoptedOn: day(2026, 11, 1), From: day(2027, 5, 1)},
		{Kind: "verklaring", ID: "privacyverklaring", Version: 2, Title: title, Text: central.Words{NL: "Eerste alinea.\n\nTweede <b>alinea</b>."}, AdoptedBy: "college", AdoptedOn: day(2026, 3, 1), From: day(2026, 3, 9), Until: day(2027, 5, 1)},
		{Kind: "verklaring", ID: "privacyverklaring", Version: 1, Title: title, Text: central.Words{NL: "Oud."}, AdoptedBy: "college", AdoptedOn: day(2020, 11, 16), From: day(2020, 11, 16), Until: day(2026, 3, 9)},
		{Kind: "protocol", ID: "gebouwen", Version: 1, Title: central.Words{NL: "Cameraprotocol gebouwen", EN: "Cameraprotocol gebouwen"}, Lines: []central.ProtocolLine{line("Bewaartermijn", "Window", protocol.Window(7*24*time.Hour)), line("Geluid", "Sound", false)},
			AdoptedBy: "college", AdoptedOn: day(2026, 3, 1), From: day(2026, 3, 9), Hash: protocol.HashOf([]byte("x"))},
	}
	rules := central.CameraProtocol{ID: "gebouwen", Version: 1, Title: "Cameraprotocol gebouwen"}
	reg.list[1].Protocol = &rules
	h := serve(t, reg)
	status, body, _ := get(t, h, "/documenten")
	if status != 200 {
		t.Fatal(status)
	}
	wants(t, body, "Versie 2, vastgesteld door college", "Cameraprotocol gebouwen")
	_, body, _ = get(t, h, "/documenten/verklaring/privacyverklaring")
	wants(t, body, "versie 2", "<p>Eerste alinea.</p><p>Tweede &lt;b&gt;alinea&lt;/b&gt;.</p>", "geldt nu", "/documenten/verklaring/privacyverklaring/1")
	_, body, _ = get(t, h, "/en/documenten/verklaring/privacyverklaring/2")
	wants(t, body, "There is only a Dutch text.", `lang="nl"`, "Eerste alinea.")
	_, body, _ = get(t, h, "/documenten/verklaring/privacyverklaring/1")
	wants(t, body, "Dit is een oude versie.", "Oud.", "16 november 2020")
	_, body, _ = get(t, h, "/en/documenten/verklaring/privacyverklaring/3")
	wants(t, body, "This version does not hold yet.", "From May.")
	_, body, _ = get(t, h, "/documenten/protocol/gebouwen")
	wants(t, body, "7 dagen", protocol.HashOf([]byte("x")).String(), "/camera/hal")
	_, body, _ = get(t, h, "/camera/hal")
	wants(t, body, `href="/documenten/protocol/gebouwen/1"`)
	for _, path := range []string{"/documenten/verklaring/privacyverklaring/4", "/documenten/verklaring/privacyverklaring/x", "/documenten/verklaring/privacyverklaring/0", "/documenten/x/y", "/documenten/protocol/straat"} {
		if status, _, _ := get(t, h, path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// R16 (N:408–412): the officer's contact is on every page, and on the sign that hangs in the street.
func TestR16_TheOfficersContactIsOnEveryPageAndSign(t *testing.T) {
	h := serve(t, example())
	for _, path := range []string{"/", "/en/", "/camera/plein", "/camera/c-17", "/bord/plein", "/documenten", "/weg"} {
		_, body, _ := get(t, h, path)
		if _, footer, _ := strings.Cut(body, "<footer"); !strings.Contains(footer, "14 0492") || !strings.Contains(footer, "privacy@helmond.example") || !strings.Contains(footer, "Postbus 950") {
			t.Errorf("%s: no contact with the officer", path)
		}
	}
	_, body, _ := get(t, h, "/bord/plein")
	if _, sign, _ := strings.Cut(body, `<div class="sign">`); !strings.Contains(strings.Split(sign, "</main>")[0], "14 0492") {
		t.Error("the printed sign has no telephone number")
	}
}

// A country's list is shown a page at a time, and the map beside it shows that page.
func TestR16_ALongListIsTurnedOverAndSearched(t *testing.T) {
	r := example()
	for n := range 250 {
		p := r.list[1]
		p.Camera, p.Name = protocol.CameraID(fmt.Sprintf("z-%03d", n)), fmt.Sprintf("Zuidkade %03d", n)
		r.list = append(r.list, p)
	}
	h := serve(t, r)
	_, first, _ := get(t, h, "/")
	_, last, _ := get(t, h, "/?pagina=3")
	if n := strings.Count(first, "<h3>"); n != onePage || strings.Contains(first, "Vorige bladzijde") || !strings.Contains(first, "?zoek=&amp;pagina=2") {
		t.Errorf("the first page lists %d", n)
	}
	if n := strings.Count(last, "<h3>"); n != 54 || strings.Contains(last, "Volgende bladzijde") || !strings.Contains(last, "/camera/z-249") {
		t.Errorf("the last page lists %d", n)
	}
	if !strings.Contains(last, "/cameras.geojson?camera=z-") || strings.Contains(last, "plein,") {
		t.Error("the map does not show what the list shows")
	}
	_, found, _ := get(t, h, "/?zoek=KADE+017")
	if strings.Count(found, "<h3>") != 1 || !strings.Contains(found, "/camera/z-017") {
		t.Errorf("found: %.2000s", found)
	}
	_, all, _ := get(t, h, "/cameras.geojson")
	if n := strings.Count(all, `"Feature"`); n != len(r.list) {
		t.Errorf("%d features of %d", n, len(r.list))
	}
}
