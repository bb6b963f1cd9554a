package desk

import (
	"net/http"
	"net/url"
	"slices"

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
	Find   finder
	May    bool // this reader may say of them whether they are right
}

// upkeepPlace is a recorder or a building (BAG id) and how its cameras stand.
type upkeepPlace struct {
	Query                                     string // of its page
	Words                                     central.Words
	Cameras, Overdue, Doubted, Unneeded, Lack int
}

func upkeepAt(at central.Place, list []central.Upkeep) upkeepPlace {
	p := upkeepPlace{Query: url.Values{"recorder": {string(at.Recorder)}}.Encode(), Words: page.Both("Recorder "+string(at.Recorder), "Recorder "+string(at.Recorder)), Cameras: len(list)}
	if at.Recorder == "" {
		p.Query, p.Words = url.Values{"gebouw": {at.BAG}}.Encode(), page.Both("Gebouw "+at.BAG, "Building "+at.BAG)
	}
	one := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	for _, u := range list {
		one(&p.Overdue, u.Overdue)
		one(&p.Doubted, u.Doubted())
		one(&p.Unneeded, u.Unneeded)
		one(&p.Lack, len(u.Lacks) > 0)
	}
	return p
}

func (d *desk) upkeep(v *visit) { d.showUpkeep(v, http.StatusOK, form{}) }

func (d *desk) showUpkeep(v *visit, status int, f form) {
	query := v.r.URL.Query()
	d.show(v, status, "upkeep.html", page.Both("Herbevestigen", "Re-confirm"), func(st *central.State) any {
		out := upkeep{form: f, May: st.Holds(v.me(), central.Registrar, "", v.now) || st.Holds(v.me(), central.Staff, "", v.now)}
		out.Find = v.finder()
		places := st.UpkeepPlaces(v.me(), v.now)
		var here central.Place
		switch recorder, building := query.Get("recorder"), query.Get("gebouw"); {
		case recorder != "":
			here.Recorder = protocol.RecorderID(recorder)
		case building != "":
			here.BAG = building
		default: // they may all be in one place
			recorders := slices.DeleteFunc(slices.Clone(places), func(p central.Place) bool { return p.Recorder == "" })
			if len(recorders) == 1 {
				here = recorders[0]
			}
		}
		for _, p := range cut(&out.Find, places) {
			out.Places = append(out.Places, upkeepAt(p, st.Upkeep(v.me(), p, v.now)))
		}
		if here != (central.Place{}) {
			if out.List = st.Upkeep(v.me(), here, v.now); len(out.List) > 0 {
				place := upkeepAt(here, out.List)
				out.Here = &place
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
