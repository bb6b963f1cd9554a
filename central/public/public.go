// Package public is what everyone may see: where cameras are, what they are for, who decided, until when, how long footage stays, and whether
// a camera records now. No log-in, no cookie, no script that is needed to read.
//
// What a page may show of a place is decided before it comes here: [central.State.Public] leaves out what the publication level keeps private,
// so that no template can show it by mistake. A place that is not shown exactly has its reason beside it.
//
//	/                          map and equal list
//	/camera/{id}               one camera
//	/bord/{id}                 the sign, to print
//	/documenten                statements and camera protocols, in all their versions (R26)
//	/melden                    tell the privacy officer something (R25)
//	/rechten                   how to ask for footage of oneself (R14)
//	/cameras.geojson           the same facts as open data (RFC 7946); ?camera=a,b: of these alone
//	/.well-known/security.txt  RFC 9116
//
// The oldest footage is never shown older than the window, although held footage may be: the difference would tell that a demand was made on this
// camera, and demands are secret (REQUIREMENTS section 1, Secrecy of a vordering).
package public

import (
	"bufio"
	"context"
	"embed"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Facts is what recorders say of a camera, as far as the public is concerned. The zero value is: nothing heard.
type Facts struct {
	Heard      time.Time // when the recorder last spoke; zero: never, or too long ago to say anything of now
	Recording  bool
	Since      time.Time // of this state
	Cause      string    // why it does not record, as the recorder coded it
	Oldest     time.Time // of the footage there is; zero: none
	CosignedAt time.Time // when a witness last confirmed the log that Oldest comes from
}

// Register is all that the public pages read, and the one thing they can record.
type Register interface {
	// FindPublic gives cameras by title; see central.State.FindPublic.
	FindPublic(text string, after, most int, now time.Time) (list []central.PublicPlacement, more bool)
	// PublicUnder gives the cameras in use under a version of a protocol, by title.
	PublicUnder(ref central.ProtocolRef, most int, now time.Time) (list []central.PublicPlacement, more bool)
	PublicCamera(id protocol.CameraID, now time.Time) (central.PublicPlacement, bool)
	Facts(id protocol.CameraID) Facts
	Documents() []central.PublicDocument
	// Tell records what somebody tells the privacy officer, and gives its reference; a *central.Refusal says what is wrong with it.
	Tell(context.Context, central.Tell) (reference string, err error)
}

// Config makes the public site.
type Config struct {
	Register Register
	Site     page.Site
	URL      string // base address as people type it, "https://cameras.helmond.nl"; on signs and in security.txt
	Security string // where to report a weakness: an e-mail address, or a URL
	Now      func() time.Time
}

//go:embed pages/*.html
var templates embed.FS

type site struct {
	Config
	pages   *page.Set
	tellers *page.Limiter // by truncated address
}

// New makes the handler. It expects page.Languages and page.Secure around it.
func New(c Config) (http.Handler, error) {
	pages, err := page.Parse(c.Site, templates, nil, "pages/*.html")
	if err != nil {
		return nil, err
	}
	s := &site{c, pages, page.NewLimiter(toldPerSecond, toldAtOnce)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.all)
	mux.HandleFunc("GET /camera/{id}", s.camera)
	mux.HandleFunc("GET /bord/{id}", s.sign)
	mux.HandleFunc("GET /documenten", s.documents)
	mux.HandleFunc("GET /documenten/{kind}/{id}", s.document)
	mux.HandleFunc("GET /documenten/{kind}/{id}/{version}", s.document)
	mux.HandleFunc("GET /melden", s.tellForm)
	mux.HandleFunc("POST /melden", s.tell)
	mux.HandleFunc("GET /melden/ontvangen/{reference}", s.told)
	mux.HandleFunc("GET /rechten", s.rights)
	mux.HandleFunc("GET /cameras.geojson", s.data)
	mux.HandleFunc("GET /.well-known/security.txt", s.security)
	mux.HandleFunc("/", s.nothing)
	return http.NewCrossOriginProtection().Handler(mux), nil
}

// camera is one camera as the templates see it.
type camera struct {
	central.PublicPlacement
	Facts
	Gone bool // suspended, removed or lapsed: it may not record
}

func (s *site) known(p central.PublicPlacement, now time.Time) camera {
	c := camera{PublicPlacement: p, Facts: s.Register.Facts(p.Camera), Gone: p.Status != central.Active}
	if reach := now.Add(-p.Window.Duration()); !c.Oldest.IsZero() && c.Oldest.Before(reach) {
		c.Oldest = reach
	}
	return c
}

// onePage is how many cameras a page lists: a country has 338,000. The map shows those that the list shows.
const onePage = 100

func (s *site) all(w http.ResponseWriter, r *http.Request) {
	now := s.Now()
	find := struct {
		Look           string
		Page           int
		Earlier, Later int
	}{Look: strings.TrimSpace(r.URL.Query().Get("zoek")), Page: 1}
	if n, err := strconv.Atoi(r.URL.Query().Get("pagina")); err == nil && n > 1 && n < 1<<20 {
		find.Page = n
	}
	find.Earlier = find.Page - 1
	list, more := s.Register.FindPublic(find.Look, find.Earlier*onePage, onePage, now)
	if more {
		find.Later = find.Page + 1
	}
	var inUse, ended []camera
	var shown []string
	for _, p := range list {
		shown = append(shown, string(p.Camera))
		if c := s.known(p, now); c.Gone {
			ended = append(ended, c)
		} else {
			inUse = append(inUse, c)
		}
	}
	many := more || find.Page > 1 || find.Look != ""
	if !many {
		shown = nil
	}
	fresh(w)
	s.pages.Show(w, r, http.StatusOK, "all.html", page.Frame{
		Title: page.Both("Camera's van de gemeente", "Cameras of the municipality"), Wide: true,
		Styles: []string{"leaflet.css"}, Scripts: []string{"leaflet.js", "map.js", "fresh.js"},
		Body: map[string]any{"InUse": inUse, "Ended": ended, "Map": s.Site.Map, "Base": strings.TrimSuffix(page.LangOf(r.Context()).Path("/"), "/"), "Find": find, "Many": many, "Shown": strings.Join(shown, ",")},
	})
}

func (s *site) camera(w http.ResponseWriter, r *http.Request) {
	now := s.Now()
	p, ok := s.Register.PublicCamera(protocol.CameraID(r.PathValue("id")), now)
	if !ok {
		s.nothing(w, r)
		return
	}
	c := s.known(p, now)
	fresh(w)
	s.pages.Show(w, r, http.StatusOK, "camera.html", page.Frame{Title: page.Both(c.Title, c.Title), Scripts: []string{"fresh.js"}, Body: map[string]any{"Camera": c, "Officer": s.Site.Officer, "Name": s.Site.Name}})
}

func (s *site) sign(w http.ResponseWriter, r *http.Request) {
	now := s.Now()
	p, ok := s.Register.PublicCamera(protocol.CameraID(r.PathValue("id")), now)
	if !ok {
		s.nothing(w, r)
		return
	}
	c := s.known(p, now)
	address := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(s.URL, "/"), "https://"), "http://") + "/camera/" + string(p.Camera)
	fresh(w)
	s.pages.Show(w, r, http.StatusOK, "sign.html", page.Frame{Title: page.Both("Bord voor "+c.Title, "Sign for "+c.Title),
		Body: map[string]any{"Camera": c, "Officer": s.Site.Officer, "Name": s.Site.Name, "Address": address}})
}

func (s *site) nothing(w http.ResponseWriter, r *http.Request) {
	s.pages.Show(w, r, http.StatusNotFound, "nothing.html", page.Frame{Title: page.Both("Niet gevonden", "Not found")})
}

// fresh lets a cache keep a page for as long as a camera's state may lag.
func fresh(w http.ResponseWriter) { w.Header().Set("Cache-Control", "public, max-age=10") }

// feature is a camera in the open data. Fields that its publication level keeps private are null.
type feature struct {
	Type       string     `json:"type"`
	ID         string     `json:"id"`
	Geometry   *geometry  `json:"geometry"` // null unless the place is published exactly (RFC 7946 section 3.2)
	Properties properties `json:"properties"`
}

type geometry struct {
	Type        string            `json:"type"`
	Coordinates [2]jsontext.Value `json:"coordinates"` // longitude, latitude
}

type properties struct {
	Camera            protocol.CameraID   `json:"camera"`
	Name              string              `json:"name"`
	Place             string              `json:"place,omitempty"`
	Area              string              `json:"area,omitempty"`
	Direction         *int                `json:"direction,omitempty"`
	Regime            protocol.Regime     `json:"regime"`
	Status            central.Status      `json:"status"`
	Purposes          []central.Purpose   `json:"purposes"`
	Window            protocol.Window     `json:"window"`
	Sound             bool                `json:"sound"` // recorded too
	Besluit           string              `json:"besluit"`
	BesluitBody       string              `json:"besluitBody"`
	BesluitDate       protocol.Time       `json:"besluitDate,omitzero"`
	ValidUntil        protocol.Time       `json:"validUntil,omitzero"`
	Publication       central.Publication `json:"publication"`
	PublicationReason string              `json:"publicationReason,omitempty"`
	Recording         *bool               `json:"recording"` // null: not known now
	Since             protocol.Time       `json:"since,omitzero"`
	Oldest            protocol.Time       `json:"oldestFootage,omitzero"`
	CosignedAt        protocol.Time       `json:"cosignedAt,omitzero"`
	SelfWitnessed     bool                `json:"selfWitnessed"`
}

func (s *site) data(w http.ResponseWriter, r *http.Request) {
	now := s.Now()
	alone := s.Site.SelfWitnessed != nil && s.Site.SelfWitnessed()
	fresh(w)
	w.Header().Set("Content-Type", "application/geo+json")
	w.Header().Set("Access-Control-Allow-Origin", "*") // open data; nothing here depends on who asks
	out := bufio.NewWriterSize(page.Steady(w), 64<<10)
	between := `{"type":"FeatureCollection","features":[`
	one := func(p central.PublicPlacement) bool {
		b, err := json.Marshal(s.feature(s.known(p, now), alone))
		if err != nil {
			s.Site.Log.Error("the open data could not be written", "camera", p.Camera, "err", err)
			panic(http.ErrAbortHandler) // what was sent is not the whole register, and must not look like it
		}
		_, _ = out.WriteString(between) // Flush tells
		_, err = out.Write(b)
		between = ","
		return err == nil
	}
	if ids := r.URL.Query().Get("camera"); ids != "" {
		for id := range strings.SplitSeq(ids, ",") {
			if p, ok := s.Register.PublicCamera(protocol.CameraID(id), now); ok && !one(p) {
				break
			}
		}
	} else { // piece by piece: a country is hundreds of megabytes, and nobody waits meanwhile
		const piece = 500
		for after, more := 0, true; more; after += piece {
			var list []central.PublicPlacement
			list, more = s.Register.FindPublic("", after, piece, now)
			for _, p := range list {
				more = one(p) && more
			}
		}
	}
	if between != "," {
		_, _ = out.WriteString(between)
	}
	_, _ = out.WriteString("]}")
	if err := out.Flush(); err != nil {
		s.Site.Log.Debug("the open data were not read to their end", "err", err)
	}
}

func (s *site) feature(c camera, alone bool) feature {
	f := feature{Type: "Feature", ID: string(c.Camera), Properties: properties{
		Camera: c.Camera, Name: c.Title, Place: c.Place, Area: c.Area, Direction: c.Direction, Regime: c.Regime, Status: c.Status, Purposes: c.Purposes,
		Window: c.Window, Sound: c.Sound, Besluit: c.Besluit.Reference, BesluitBody: c.Besluit.Body, BesluitDate: c.Besluit.Date, ValidUntil: c.Besluit.ValidUntil,
		Publication: c.Publication, PublicationReason: c.PublicationReason, SelfWitnessed: alone,
	}}
	if c.Position != nil {
		f.Geometry = &geometry{"Point", [2]jsontext.Value{degrees(c.Position.LonE7), degrees(c.Position.LatE7)}}
	}
	if !c.Heard.IsZero() {
		f.Properties.Recording = &c.Recording
		f.Properties.Since = optional(c.Since)
	}
	f.Properties.Oldest, f.Properties.CosignedAt = optional(c.Oldest), optional(c.CosignedAt)
	return f
}

func optional(t time.Time) protocol.Time {
	if t.IsZero() {
		return protocol.Time{}
	}
	return protocol.T(t)
}

// degrees writes ten-millionths of a degree as a decimal number, exactly.
func degrees(e7 int64) jsontext.Value {
	sign := ""
	if e7 < 0 {
		sign, e7 = "-", -e7
	}
	return jsontext.Value(fmt.Sprintf("%s%d.%07d", sign, e7/1e7, e7%1e7))
}

// security answers RFC 9116. Expires lies a year ahead of the day it is asked: the file is made from configuration and cannot go stale by itself.
func (s *site) security(w http.ResponseWriter, r *http.Request) {
	contact := s.Security
	if !strings.Contains(contact, ":") {
		contact = "mailto:" + contact
	}
	day := s.Now().UTC().Truncate(24 * time.Hour)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if u, err := url.Parse(s.URL); err == nil && u.Scheme == "https" { // RFC 9116 section 2.5.3: in the order of preference
		contact += "\nContact: " + strings.TrimSuffix(s.URL, "/") + "/melden?over=" + string(central.Weakness)
	}
	text := fmt.Sprintf("Contact: %s\nExpires: %s\nPreferred-Languages: nl, en\n", contact, day.AddDate(0, 11, 0).Format(time.RFC3339))
	if u, err := url.Parse(s.URL); err == nil && u.Host != "" {
		text += "Canonical: " + u.Scheme + "://" + u.Host + "/.well-known/security.txt\n"
	}
	if _, err := w.Write([]byte(text)); err != nil {
		s.Site.Log.Debug("security.txt was not read to its end", "err", err)
	}
}
