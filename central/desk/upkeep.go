package desk

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Re-confirming (R23): all cameras of a recorder, or of a building, on one screen.

type upkeep struct {
	form
	Places []upkeepPlace // to choose from
	Here   *upkeepPlace
	List   []central.Upkeep
	May    bool // this reader may say of them whether they are right
}

// upkeepPlace is a recorder or a building (BAG id) and how its cameras stand.
type upkeepPlace struct {
	Query                                     string // of its page
	Words                                     central.Words
	Cameras, Overdue, Doubted, Unneeded, Lack int
}

func (d *desk) upkeep(v *visit) { d.showUpkeep(v, http.StatusOK, form{}) }

func (d *desk) showUpkeep(v *visit, status int, f form) {
	query := v.r.URL.Query()
	d.show(v, status, "upkeep.html", page.Both("Herbevestigen", "Re-confirm"), func(st *central.State) any {
		out := upkeep{form: f, May: st.Holds(v.me(), central.Registrar, "", v.now) || st.Holds(v.me(), central.Staff, "", v.now)}
		all := st.Upkeep(v.me(), v.now)
		index := map[string]int{}
		put := func(key, id string, words central.Words, u central.Upkeep) {
			if id == "" {
				return
			}
			q := url.Values{key: {id}}.Encode()
			i, there := index[q]
			if !there {
				i = len(out.Places)
				index[q] = i
				out.Places = append(out.Places, upkeepPlace{Query: q, Words: words})
			}
			p := &out.Places[i]
			one := func(n *int, yes bool) {
				if yes {
					*n++
				}
			}
			one(&p.Cameras, true)
			one(&p.Overdue, u.Overdue)
			one(&p.Doubted, u.Doubted())
			one(&p.Unneeded, u.Unneeded)
			one(&p.Lack, len(u.Lacks) > 0)
		}
		for _, u := range all {
			put("recorder", string(u.Recorder), page.Both("Recorder "+string(u.Recorder), "Recorder "+string(u.Recorder)), u)
			put("gebouw", u.BAG, page.Both("Gebouw "+u.BAG, "Building "+u.BAG), u)
		}
		slices.SortStableFunc(out.Places, func(a, b upkeepPlace) int {
			if a.Overdue != b.Overdue {
				return b.Overdue - a.Overdue
			}
			return strings.Compare(a.Query, b.Query)
		})
		here := url.Values{}
		for _, key := range []string{"recorder", "gebouw"} {
			if id := query.Get(key); id != "" && len(here) == 0 {
				here.Set(key, id)
			}
		}
		if len(here) == 0 && len(out.Places) > 0 && !slices.ContainsFunc(all, func(u central.Upkeep) bool { return u.Recorder != all[0].Recorder }) {
			here.Set("recorder", string(all[0].Recorder)) // they are all in one place
		}
		if _, there := index[here.Encode()]; there {
			i := slices.IndexFunc(out.Places, func(p upkeepPlace) bool { return p.Query == here.Encode() })
			out.Here = &out.Places[i]
			for _, u := range all {
				if string(u.Recorder) == here.Get("recorder") || u.BAG != "" && u.BAG == here.Get("gebouw") {
					out.List = append(out.List, u)
				}
			}
			slices.SortStableFunc(out.List, func(a, b central.Upkeep) int { return a.Due.Compare(b.Due.Time) })
		}
		return out
	}, wide)
}

func (d *desk) reconfirm(v *visit) {
	c := central.ConfirmPlacements{By: v.me()}
	for _, id := range v.r.PostForm["camera"] {
		if said := v.value("oordeel-" + id); said != "" {
			c.List = append(c.List, central.Said{Camera: protocol.CameraID(id), Right: said == "klopt", Remark: v.value("opmerking-" + id)})
		}
	}
	refusal, ok := d.do(v, c)
	if !ok {
		return
	}
	if refusal != nil {
		f := v.form()
		f.Problem = refusal
		d.showUpkeep(v, statusOf(refusal), f)
		return
	}
	to := "/bureau/herbevestigen"
	if v.r.URL.RawQuery != "" {
		to += "?" + v.r.URL.RawQuery
	}
	v.onward(to)
}
