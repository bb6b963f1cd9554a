// Package page is the common frame of every page of the centre: layout, language, assets, security headers, and the words for times and terms.
//
// # Security first
//
// A page runs nothing but this binary's own files: [Secure] sends a content security policy without inline script or style and without
// foreign hosts, forbids framing, and lets nobody keep a page unless the page says so. Every word that came from outside goes through
// html/template, which escapes it for where it stands. A page is written whole before its first byte is sent, so that a failing template is a
// plain error and never half a page.
//
// # Language
//
// Dutch is at the path itself, English at the same path under /en. The path alone decides: there is no cookie and no guess from the
// browser, so a link always shows what its sender saw.
//
//	/camera/plein-noord       Nederlands
//	/en/camera/plein-noord    English
//
// Templates hold both languages side by side, so that neither is forgotten:
//
//	<h1>{{t "Camera's in de buurt" "Cameras nearby"}}</h1>
//
// # Without JavaScript
//
// Everything works without it, except the map and the player. Forms are plain forms, and what a map shows is also in a list.
package page

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Lang is the language of a page.
type Lang string

const (
	NL Lang = "nl"
	EN Lang = "en"
)

// Say picks the words of this language.
func (l Lang) Say(nl, en string) string {
	if l == EN {
		return en
	}
	return nl
}

// Path is where a page stands in this language.
func (l Lang) Path(path string) string {
	if l == EN {
		return "/en" + path
	}
	return path
}

// Other is the language that the switch leads to.
func (l Lang) Other() Lang {
	if l == EN {
		return NL
	}
	return EN
}

// Words are one text in both languages.
type Words = central.Words

// Both are Words.
func Both(nl, en string) Words { return Words{NL: nl, EN: en} }

// In picks the words of this language and says their times in the zone of the screen (Times): the domain writes UTC. For a machine, use Say.
func (l Lang) In(w Words) string { return l.Times(l.Say(w.NL, w.EN)) }

type langKey struct{}

// LangOf is the language that the path asked for.
func LangOf(ctx context.Context) Lang {
	if l, ok := ctx.Value(langKey{}).(Lang); ok {
		return l
	}
	return NL
}

// Languages takes /en off the path and remembers the language, so that next sees each page once.
func Languages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, "/en")
		if !ok || rest != "" && rest[0] != '/' {
			next.ServeHTTP(w, r)
			return
		}
		if rest == "" {
			http.Redirect(w, r, "/en/", http.StatusMovedPermanently)
			return
		}
		in := r.Clone(context.WithValue(r.Context(), langKey{}, EN))
		in.URL.Path, in.URL.RawPath = rest, ""
		next.ServeHTTP(w, in)
	})
}

// Site is what every page says of the municipality behind it.
type Site struct {
	Name          string         // as people say it: "Gemeente Helmond"
	Notice        Words          // shown above every page, such as that this is a demonstration; empty: nothing
	Officer       Contact        // the privacy officer, on every page (R16)
	SelfWitnessed func() bool    // the centre is its own only witness; said on every page (DESIGN section 4)
	Log           *slog.Logger   // failing templates
	Map           *MapBackground // nil: the map draws its own background only
}

// Contact is how to reach someone, with a way that needs no computer beside the one that does (R32).
type Contact struct {
	Name, Email, Telephone, Post string
}

// MapBackground is a tile server that draws the map's background. It is off by default: a visitor's browser then meets no host but ours.
type MapBackground struct {
	Tiles       string // URL template with {z}, {x}, {y}
	Attribution string
}

// Link leads to a page, in the reader's language.
type Link struct {
	Path  string
	Words Words
	Waits int // how many things wait there for the reader
}

// Group is the links to one kind of work. In the menu it is its words, which open to the links; without words the links stand in the menu themselves.
type Group struct {
	Words Words
	Links []Link
}

// Waits is how many things wait behind the group's links.
func (g Group) Waits() (n int) {
	for _, l := range g.Links {
		n += l.Waits
	}
	return n
}

// Frame is what one page gives the layout.
type Frame struct {
	Title   Words
	Nav     []Group
	Account *Account // nil: nobody has logged in, or logging in is not for this page
	Wide    bool     // tables and maps, rather than text to read
	Scripts []string // assets, beside the page; never needed to read it
	Styles  []string
	Reload  bool // at once, from here: see desk's stranger
	Body    any  // the page template's dot

	// Alone is Set.Alone, asked before any lock is taken under which the page is rendered. Show asks by itself.
	Alone bool
}

// Account is who is logged in, for the frame's corner and its log-out button.
type Account struct {
	Name, CSRF, LogOut string // LogOut is the path that takes the POST
	Own                string // the path of the person's own account
}

// Set is a group of page templates in both languages.
type Set struct {
	site  Site
	pages map[Lang]*template.Template
}

//go:embed layout.html
var layout string

// mapPart is a definition "map" for pages that show cameras on a map. Its dot has Base, Map and, where points tick checkboxes, Choose; and where
// the page shows some of many cameras, Shown: their ids with commas between.
//
//go:embed map.html
var mapPart string

// Parse reads the templates of a package. Each file is one page, shown by its name; definitions in them can be used by all. more, which may be nil,
// gives functions beside those of every page.
func Parse(site Site, files fs.FS, more func(Lang) template.FuncMap, patterns ...string) (*Set, error) {
	s := &Set{site: site, pages: map[Lang]*template.Template{}}
	for _, l := range []Lang{NL, EN} {
		t := template.New("layout").Funcs(functions(l))
		if more != nil {
			t = t.Funcs(more(l))
		}
		t, err := t.Parse(layout + mapPart)
		if err == nil {
			t, err = t.ParseFS(files, patterns...)
		}
		if err != nil {
			return nil, fmt.Errorf("page templates %v: %w", patterns, err)
		}
		s.pages[l] = t
	}
	return s, nil
}

// Alone says whether the centre is its own only witness.
func (s *Set) Alone() bool { return s.site.SelfWitnessed != nil && s.site.SelfWitnessed() }

// Render makes a whole page, or an error page when its template fails. It writes nothing to the reader and asks nothing of the Site, so that it can be
// called where the facts are locked.
func (s *Set) Render(r *http.Request, status int, name string, f Frame) Rendered {
	l := LangOf(r.Context())
	var body, whole bytes.Buffer
	err := s.pages[l].ExecuteTemplate(&body, name, f.Body)
	if err == nil {
		err = s.pages[l].ExecuteTemplate(&whole, "layout", framed{
			Frame: f, Site: s.site, Lang: l, Path: r.URL.Path,
			Main: template.HTML(body.String()), // escaped where it was written, by the same package
		})
	}
	if err != nil {
		s.site.Log.Error("a page could not be made", "page", name, "err", err)
		return Rendered{http.StatusInternalServerError, l, []byte("<!DOCTYPE html><p>" + l.Say("Deze pagina kon niet worden gemaakt.", "This page could not be made.") + "\n")}
	}
	return Rendered{status, l, whole.Bytes()}
}

// Show is Render and Write.
func (s *Set) Show(w http.ResponseWriter, r *http.Request, status int, name string, f Frame) {
	f.Alone = s.Alone()
	if err := s.Render(r, status, name, f).Write(w); err != nil {
		s.site.Log.Debug("a page was not read to its end", "page", name, "err", err)
	}
}

// Rendered is a page ready to send.
type Rendered struct {
	status int
	lang   Lang
	body   []byte
}

// Write sends the page. An error is the reader's going away.
func (p Rendered) Write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", string(p.lang))
	w.WriteHeader(p.status)
	_, err := Steady(w).Write(p.body) // making it may have taken long: a bag was judged for it
	return err
}

type framed struct {
	Frame
	Site Site
	Lang Lang
	Path string // without /en
	Main template.HTML
}

// Current is the link that leads to this page, or else to the nearest page above it; nil where the menu has none.
func (f framed) Current() (current *Link) {
	for _, g := range f.Nav {
		for _, l := range g.Links {
			within := f.Path == l.Path || strings.HasPrefix(f.Path, l.Path+"/")
			if within && (current == nil || len(l.Path) > len(current.Path)) {
				current = &l
			}
		}
	}
	return current
}

// Mark is what aria-current says of a link: "page", "true" for the nearest page above this one, or nothing.
func (f framed) Mark(l Link) string {
	switch current := f.Current(); {
	case current == nil || current.Path != l.Path:
		return ""
	case l.Path == f.Path:
		return "page"
	}
	return "true"
}

// Within says whether this page belongs to a group.
func (f framed) Within(g Group) bool {
	return slices.ContainsFunc(g.Links, func(l Link) bool { return f.Mark(l) != "" })
}

// Other is the path of this page in the other language.
func (f framed) Other() string { return f.Lang.Other().Path(f.Path) }

// functions are what every template may use. moment, span and the like write a machine-readable time beside the words.
func functions(l Lang) template.FuncMap {
	return template.FuncMap{
		"t":     l.Say,
		"words": l.In,
		"said":  l.Times, // a text in one language, such as a recorder's
		"path":  l.Path,
		"lang":  func() Lang { return l },
		"asset": assetPath,
		"date":  func(t any) (template.HTML, error) { return timeTag(t, l.Date) },
		"moment": func(t any) (template.HTML, error) {
			return timeTag(t, l.Moment)
		},
		"clock":         func(t any) (template.HTML, error) { return timeTag(t, Clock) },
		"span":          l.Span,
		"duration":      l.Duration,
		"window":        func(w protocol.Window) string { return l.Duration(w.Duration()) },
		"bytes":         l.Bytes,
		"number":        l.Number,
		"cause":         func(c string) string { return l.In(CauseWords(c)) },
		"sound":         func(c string) string { return l.In(SoundWords(c)) },
		"selfWitnessed": func() string { return l.In(SelfWitnessedWords) },
		"level":         func(v protocol.Level) string { return l.In(LevelWords(v)) },
	}
}
