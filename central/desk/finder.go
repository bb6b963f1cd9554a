package desk

import (
	"iter"
	"strconv"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
)

// A list may be of a town's ten cameras or of a country's 338,000: a page shows some of it, and leads to the rest by turning over and by looking for a text.

// onePage is how much of a list a page shows.
const onePage = 50

// finder is which part of a list somebody looks at. The zero finder is its beginning.
type finder struct {
	Path   string // of the page
	Look   string // what is looked for; empty: everything
	Page   int    // from 1
	More   bool   // there is another page after it
	Search bool   // the list can be searched
}

func (v *visit) finder() finder {
	f := finder{Path: v.r.URL.Path, Look: strings.TrimSpace(v.r.URL.Query().Get("zoek")), Page: 1}
	if n, err := strconv.Atoi(v.r.URL.Query().Get("pagina")); err == nil && n > 1 && n < 1<<20 {
		f.Page = n
	}
	return f
}

// skip is how many come before this page.
func (f finder) skip() int { return (f.Page - 1) * onePage }

// Many says that the list does not stand on this page alone.
func (f finder) Many() bool { return f.More || f.Page > 1 || f.Look != "" }

func (f finder) Earlier() int { return f.Page - 1 }
func (f finder) Later() int {
	if f.More {
		return f.Page + 1
	}
	return 0
}

// cut is this page of a list.
func cut[T any](f *finder, list []T) []T {
	from := min(f.skip(), len(list))
	to := min(from+onePage, len(list))
	f.More = to < len(list)
	return list[from:to]
}

// take is this page of what matches in a list, which from gives but for its first ones.
func take[T any](f *finder, from func(int) iter.Seq[T], matches func(T, string) bool) (list []T) {
	f.Search = true
	look, skip := strings.ToLower(f.Look), f.skip()
	start := skip
	if look != "" {
		start = 0
	}
	for one := range from(start) {
		if look != "" {
			if !matches(one, look) {
				continue
			}
			if skip--; skip >= 0 {
				continue
			}
		}
		if len(list) == onePage {
			f.More = true
			break
		}
		list = append(list, one)
	}
	return list
}

// isCamera says whether a camera's id, name or place has a text in it.
func isCamera(p *central.Placement, look string) bool {
	return strings.Contains(string(p.Camera), look) || strings.Contains(strings.ToLower(p.Name), look) || strings.Contains(strings.ToLower(p.Place), look)
}

func isRecorder(r *central.Recorder, look string) bool { return strings.Contains(string(r.ID), look) }
