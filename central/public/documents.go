package public

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// What the municipality says of how it treats footage, in dated versions: whoever was filmed in March can read what was promised in March.

// document is one version as the template sees it.
type document struct {
	central.PublicDocument
	Current  bool // the one that holds now
	Later    bool // begins later
	Rows     []row
	Text     []string // paragraphs, in the reader's language
	Dutch    bool     // there is no English text
	Versions []document
	Cameras  []camera // protocols: in use under it
	Others   bool     // there are more cameras under it
}

type row struct{ Label, Value string }

func (s *site) documents(w http.ResponseWriter, r *http.Request) {
	now, every := s.Now(), s.Register.Documents()
	var list []document
	for i, p := range every { // of each the one that holds now, or else the newest
		if i == 0 || every[i-1].Path() != p.Path() {
			list = append(list, chosen(versions(every[i:], p.Kind, p.ID, now), 0))
		}
	}
	fresh(w)
	s.pages.Show(w, r, http.StatusOK, "documents.html", page.Frame{Title: page.Both("Verklaringen en protocollen", "Statements and protocols"), Body: list})
}

// versions of one document, newest first, of all documents, where they stand together.
func versions(every []central.PublicDocument, kind, id string, now time.Time) (list []document) {
	current := false
	for _, p := range every {
		if p.Kind != kind || p.ID != id {
			if len(list) > 0 {
				break
			}
			continue
		}
		d := document{PublicDocument: p, Later: p.From.After(now)}
		d.Current = !current && p.InForce(now)
		current = current || d.Current
		list = append(list, d)
	}
	return list
}

// chosen is a version; 0: the one that holds now, or else the newest.
func chosen(all []document, version int) document {
	for _, d := range all {
		if d.Version == version || version == 0 && d.Current {
			return d
		}
	}
	if version == 0 && len(all) > 0 {
		return all[0]
	}
	return document{}
}

func (s *site) document(w http.ResponseWriter, r *http.Request) {
	now, l := s.Now(), page.LangOf(r.Context())
	all := versions(s.Register.Documents(), r.PathValue("kind"), r.PathValue("id"), now)
	version := 0
	if text := r.PathValue("version"); text != "" {
		var err error
		if version, err = strconv.Atoi(text); err != nil || version < 1 {
			s.nothing(w, r)
			return
		}
	}
	d := chosen(all, version)
	if d.Version == 0 {
		s.nothing(w, r)
		return
	}
	d.Versions = all
	for _, line := range d.Lines {
		if value := said(l, line.Value); value != "" {
			d.Rows = append(d.Rows, row{l.In(line.Label), value})
		}
	}
	text := l.In(d.PublicDocument.Text)
	if d.Dutch = text == "" && d.Kind == "verklaring"; d.Dutch {
		text = d.PublicDocument.Text.NL
	}
	for _, paragraph := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			d.Text = append(d.Text, paragraph)
		}
	}
	if d.Kind == "protocol" {
		list, more := s.Register.PublicUnder(central.ProtocolRef{ID: d.ID, Version: d.Version}, onePage, now)
		for _, p := range list {
			d.Cameras = append(d.Cameras, s.known(p, now))
		}
		d.Others = more
	}
	fresh(w)
	title := page.Both(fmt.Sprintf("%s, versie %d", d.Title.NL, d.Version), fmt.Sprintf("%s, version %d", d.Title.EN, d.Version))
	s.pages.Show(w, r, http.StatusOK, "document.html", page.Frame{Title: title, Body: d})
}

// said is a line's value in words.
func said(l page.Lang, v any) string {
	switch x := v.(type) {
	case central.Words:
		return l.In(x)
	case protocol.Window:
		return l.Duration(x.Duration())
	case protocol.Time:
		if x.IsZero() {
			return ""
		}
		return l.Date(x.Time)
	case bool:
		if x {
			return l.Say("ja", "yes")
		}
		return l.Say("nee", "no")
	}
	return fmt.Sprint(v)
}
