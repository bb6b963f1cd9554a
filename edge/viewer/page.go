package viewer

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
	_ "time/tzdata" // the zone of the screen must exist on every machine

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
)

//go:embed assets/*.css assets/*.js assets/pages.html
var files embed.FS

// lang is the language of a page.
type lang string

const (
	nl lang = "nl"
	en lang = "en"
)

func (l lang) say(nlText, enText string) string {
	if l == en {
		return enText
	}
	return nlText
}

func (l lang) path(p string) string { return l.say("", "/en") + p }

// amsterdam is the zone of the screen; inside, everything is UTC (DESIGN section 6).
var amsterdam = func() *time.Location {
	l, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err) // tzdata is in the binary
	}
	return l
}()

var months = map[lang][]string{
	nl: {"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"},
	en: {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}

func (l lang) day(t time.Time) string {
	t = t.In(amsterdam)
	return fmt.Sprintf("%d %s %d", t.Day(), months[l][t.Month()-1], t.Year())
}

// clock is "03:05:07"; the hour that the autumn change repeats says which of the two it is.
func clock(t time.Time) string {
	t = t.In(amsterdam)
	hour := func(d time.Duration) string { return t.Add(d).In(amsterdam).Format("15") }
	if hour(time.Hour) == hour(0) || hour(-time.Hour) == hour(0) {
		return t.Format("15:04:05 (MST)")
	}
	return t.Format("15:04:05")
}

func (l lang) Moment(t time.Time) string { return l.day(t) + l.say(" om ", " at ") + clock(t) }

func (l lang) Span(i protocol.Interval) string {
	if l.day(i.From) == l.day(i.To) {
		return l.day(i.From) + l.say(" van ", " from ") + clock(i.From) + l.say(" tot ", " to ") + clock(i.To)
	}
	return l.Moment(i.From) + l.say(" tot ", " to ") + l.Moment(i.To)
}

// causeWords says why there is no footage (invariant 8).
func causeWords(cause string) words {
	switch footage.Cause(cause) {
	case footage.CauseCamera:
		return words{"de camera geeft geen bruikbaar beeld", "the camera gives no usable picture"}
	case footage.CauseNetwork:
		return words{"de camera was niet te bereiken", "the camera could not be reached"}
	case footage.CauseRecorder:
		return words{"de recorder stond uit of startte opnieuw", "the recorder was down or restarting"}
	case footage.CauseMandate:
		return words{"er was geen geldig besluit, dus opnemen mocht niet", "there was no valid decision, so recording was not allowed"}
	case footage.CauseDisk:
		return words{"de schijf was te langzaam, vol of weg", "the disk was too slow, full or gone"}
	case footage.CauseMissing:
		return words{"het is opgenomen, maar de schijf waar het op staat is er nu niet", "it was recorded, but the disk it is on is not there now"}
	case footage.CauseErased:
		return words{"het was onrechtmatig opgenomen, en is in opdracht vernietigd", "it was unlawful, and was destroyed by order"}
	case footage.CauseClock:
		return words{"de klok versprong", "the clock jumped"}
	}
	return words{"oorzaak onbekend", "cause unknown"}
}

// timeline draws an interval: where there is footage, and where not and why. Bars are in thousandths of its width.
type timeline struct {
	From, Middle, To string
	Bars             []bar
	Lines            []line // the same in words
}

type bar struct {
	X, Width int
	Class    string // "footage", "gap"
}

type line struct {
	Class, When, What string
}

func (v *Viewer) timeline(l lang, camera protocol.CameraID, over protocol.Interval, now time.Time) (timeline, error) {
	stretches, err := v.Store.Coverage(camera, over)
	if err != nil {
		return timeline{}, err
	}
	gaps, err := v.Store.Gaps(camera, over)
	if err != nil {
		return timeline{}, err
	}
	return draw(l, over, stretches, gaps, now), nil
}

// maxLines is how many lines of words a timeline has at most; a camera that comes and goes has many gaps.
const maxLines = 12

func draw(l lang, over protocol.Interval, stretches []footage.Stretch, gaps []protocol.Gap, now time.Time) timeline {
	t := timeline{From: clock(over.From), Middle: clock(over.From.Add(over.Duration() / 2)), To: clock(over.To)}
	var begun, until time.Time // of the stretch drawn last
	add := func(class string, from, to time.Time, what string) {
		if from.Before(over.From) {
			from = over.From
		}
		if to.After(over.To) {
			to = over.To
		}
		if !from.Before(to) {
			return
		}
		x, end := int(from.Sub(over.From)*1000/over.Duration()), int(to.Sub(over.From)*1000/over.Duration())
		if n := len(t.Bars); class == "footage" && from.Equal(until) { // segments that meet are one stretch
			t.Bars[n-1].Width = end - t.Bars[n-1].X
			t.Lines[len(t.Lines)-1].When = clock(begun) + " – " + clock(to)
			until = to
			return
		}
		begun, until = from, to
		if class != "footage" {
			until = time.Time{}
		}
		t.Bars = append(t.Bars, bar{x, max(2, end-x), class})
		t.Lines = append(t.Lines, line{class, clock(from) + " – " + clock(to), what})
	}
	for len(stretches) > 0 || len(gaps) > 0 {
		if len(gaps) == 0 || len(stretches) > 0 && !stretches[0].From.After(gaps[0].From.Time) {
			add("footage", stretches[0].From, stretches[0].To, l.say("beeld", "footage"))
			stretches = stretches[1:]
			continue
		}
		to := now
		if gaps[0].To != nil {
			to = gaps[0].To.Time
		}
		why := causeWords(gaps[0].Cause)
		add("gap", gaps[0].From.Time, to, l.say("geen beeld: "+why.NL, "no footage: "+why.EN))
		gaps = gaps[1:]
	}
	if extra := len(t.Lines) - maxLines; extra > 0 {
		t.Lines = append(t.Lines[:maxLines], line{"", "", l.say(fmt.Sprintf("en %d stukken meer", extra), fmt.Sprintf("and %d parts more", extra))})
	}
	return t
}

var pages = func() map[lang]*template.Template {
	m := map[lang]*template.Template{}
	for _, l := range []lang{nl, en} {
		m[l] = template.Must(template.New("").Funcs(template.FuncMap{
			"t": l.say, "words": func(w words) string { return l.say(w.NL, w.EN) }, "path": l.path, "clock": clock, "moment": l.Moment, "span": l.Span, "day": l.day, "asset": assetPath,
			"minutes": func() []string { return []string{"1", "2", "5", "10", "15"} },
		}).ParseFS(files, "assets/pages.html"))
	}
	return m
}()

// show writes a page. Who asked for no page (scripts, the player) gets the words alone.
func (v *Viewer) show(at *visit, status int, name string, data any) {
	w := at.w
	if no, refused := data.(*refusal); refused && !strings.Contains(at.r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		if _, err := fmt.Fprintln(w, strings.TrimSpace(at.lang.say(no.NL+" "+no.Help.NL, no.EN+" "+no.Help.EN))); err != nil {
			v.Log.Debug("viewer: answer not sent", "error", err)
		}
		return
	}
	self := at.r.URL.Path
	if at.lang == en {
		self = strings.TrimPrefix(self, "/en")
	}
	if at.r.Method != http.MethodGet && name == "refused" {
		self = "/"
	}
	other := en
	if at.lang == en {
		other = nl
	}
	var b bytes.Buffer
	err := pages[at.lang].ExecuteTemplate(&b, name, struct {
		Lang, OtherLang lang
		Other           string
		Recorder        protocol.RecorderID
		Session         *session
		Now             time.Time
		Data            any
	}{at.lang, other, other.path(self), v.Recorder, at.session, at.now, data})
	if err != nil {
		v.Log.Error("viewer: page", "name", name, "error", err)
		http.Error(w, errBroken.NL+" "+errBroken.EN, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := b.WriteTo(w); err != nil {
		v.Log.Debug("viewer: page not sent", "error", err)
	}
}

// home shows the key and how to get a grant; with a session, what the key permits.
func (v *Viewer) home(at *visit) error {
	if at.session == nil {
		desk := ""
		if v.Desk != "" {
			desk = strings.TrimSuffix(v.Desk, "/") + at.lang.path(requestPath)
		}
		v.show(at, http.StatusOK, "key", struct {
			Desk   string
			Closed *refusal
		}{desk, v.closed(at.now)})
		return nil
	}
	type may struct {
		protocol.Grant
		Standing bool
		Now      string // what there is to see
		Class    string
	}
	var list []may
	for _, g := range v.grants(at.session.key) {
		m := may{Grant: g.Doc(), Standing: g.Doc().Use == protocol.UseStanding}
		over := permitted(m.Grant, at.now)
		stretches, err := v.Store.Coverage(m.Camera, over)
		if err != nil {
			return err
		}
		m.Now, m.Class = at.lang.say("geen beeld", "no footage"), "bad"
		if len(stretches) > 0 {
			last := stretches[len(stretches)-1].To
			if last.After(over.To) {
				last = over.To
			}
			m.Now, m.Class = at.lang.say("beeld tot ", "footage up to ")+clock(last), "good"
		}
		list = append(list, m)
	}
	v.show(at, http.StatusOK, "cameras", struct {
		Grants []may
		Closed *refusal
	}{list, v.closed(at.now)})
	return nil
}

// versions are parts of the SHA-256 of the embedded files: a changed file has another address.
var versions = func() map[string]string {
	m := map[string]string{}
	entries, err := files.ReadDir("assets")
	if err != nil {
		panic(err) // embedded
	}
	for _, e := range entries {
		b, err := files.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(b)
		m[e.Name()] = hex.EncodeToString(sum[:6])
	}
	delete(m, "pages.html")
	return m
}()

// assetPath is the address of an embedded file. An unknown name fails the template that uses it.
func assetPath(name string) (string, error) {
	version, ok := versions[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return "/assets/" + name + "?v=" + version, nil
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	version, ok := versions[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	b, err := files.ReadFile("assets/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	if r.URL.Query().Get("v") == version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
}
