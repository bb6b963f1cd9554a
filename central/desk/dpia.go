package desk

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// DPIAs (R12): the list with the table of minimum controls, and each with its advice and its cameras.

func (d *desk) dpias(v *visit) { d.showDPIAs(v, http.StatusOK, form{}) }

func (d *desk) showDPIAs(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		count := map[string]int{}
		for _, p := range st.Placements() {
			if p.Status != central.Removed {
				count[p.DPIA]++
			}
		}
		list := table{Columns: []central.Words{page.Both("DPIA", "DPIA"), page.Both("Bewaard als", "Kept as"), page.Both("Datum", "Date"), page.Both("Score", "Score"), page.Both("Opnieuw bekijken", "Look at anew"), page.Both("Camera's", "Cameras"), page.Both("Stand", "Status")},
			Empty: page.Both("Er is nog geen DPIA vastgelegd. Zonder DPIA kan geen camera in gebruik.", "No DPIA has been recorded yet. Without one no camera can be activated.")}
		for _, a := range st.DPIAs() {
			list.Rows = append(list.Rows, []any{to{"/bureau/dpia/" + a.ID, a.Title}, a.Reference, onDay{a.Date}, a.Score, onDay{a.Review}, count[a.ID], dpiaState(a, v)})
		}
		now := st.ControlsAt(v.now)
		controls := table{Caption: page.Both("Minimale maatregelen bij een score", "Minimum controls by score"), Columns: []central.Words{page.Both("Vanaf score", "From score"), page.Both("Maatregelen", "Controls"), page.Both("Bron", "Source"), page.Both("Geldt", "Holds")}}
		add := func(t central.ControlTable, holds central.Words) {
			for _, s := range t.Steps {
				var nl, en []string
				for _, c := range s.Controls {
					nl, en = append(nl, c.Words().NL), append(en, c.Words().EN)
				}
				controls.Rows = append(controls.Rows, []any{s.Score, page.Both(strings.Join(nl, "; "), strings.Join(en, "; ")), t.Source, holds})
			}
		}
		if now.From.IsZero() {
			add(now, page.Both("nu (standaard)", "now (default)"))
		} else {
			add(now, page.Both("nu, sinds "+page.NL.Date(now.From.Time), "now, since "+page.EN.Date(now.From.Time)))
			add(central.DefaultControls, page.Both("standaard, nu niet", "default, not now"))
		}
		s := sheet{Heading: page.Both("DPIA's", "DPIAs"), Tables: []table{list, controls},
			Intro: page.Both("Een DPIA weegt vooraf welke risico's een camera heeft voor wie in beeld komt. Hoe hoger de score, hoe meer maatregelen een camera nodig heeft voordat hij in gebruik mag.", "A DPIA weighs beforehand what risks a camera has for those who are filmed. The higher the score, the more controls a camera needs before it may be used.")}
		if st.Holds(v.me(), central.Registrar, "", v.now) {
			s.Fills = []fill{{ID: "dpia", Action: "/bureau/dpia", Title: page.Both("DPIA vastleggen of herzien", "Record or revise a DPIA"), Button: page.Both("Vastleggen", "Record"),
				Hint: page.Both("Met een kenmerk dat er al is legt u een herziening vast; de privacy officer adviseert dan opnieuw.", "With an id that is there already you record a revision; the privacy officer then advises anew."),
				Fields: []field{entry("id", "text", "Kenmerk (kleine letters, cijfers, streepjes)", "Id (lower case, digits, hyphens)", nil), entry("titel", "text", "Waar gaat hij over?", "What is it about?", nil),
					entry("bewaard", "text", "Waar wordt hij bewaard?", "Where is it kept?", nil), entry("datum", "date", "Datum", "Date", nil),
					entry("score", "number", fmt.Sprintf("Score: kans maal gevolg, 1 tot en met %d", central.MaxScore), fmt.Sprintf("Score: chance times effect, 1 to %d", central.MaxScore), nil), entry("herzien", "date", "Opnieuw bekijken vóór", "Look at anew before", nil)}},
				{ID: "maatregelen", Action: "/bureau/dpia/maatregelen", Title: page.Both("Eigen tabel met maatregelen vaststellen", "Adopt a table of controls"), Button: page.Both("Vaststellen", "Adopt"),
					Hint:   page.Both("De tabel komt in de plaats van de huidige vanaf de datum die u kiest. Kies bij elke maatregel vanaf welke score zij nodig is; leeg: nooit.", "The table replaces the present one from the date you choose. Choose for each control from which score it is needed; empty: never."),
					Fields: append([]field{entry("besluit", "text", "Kenmerk van het besluit", "Reference of the decision", nil), entry("vanaf", "date", "Geldt vanaf", "Holds from", nil)}, controlFields(now)...)}}
		}
		return s
	})
}

// controlFields ask of each control from which score it is needed, beginning with the table as it is.
func controlFields(t central.ControlTable) (list []field) {
	for _, c := range central.Controls {
		var from any
		for _, s := range t.Steps {
			for _, has := range s.Controls {
				if has == c && from == nil {
					from = s.Score
				}
			}
		}
		w := c.Words()
		list = append(list, entry("vanaf-"+string(c), "number", w.NL, w.EN, from))
	}
	return list
}

func dpiaState(a *central.Assessment, v *visit) badge {
	switch {
	case a.Advised.IsZero():
		return badge{"warn", page.Both("wacht op advies", "awaits advice")}
	case !v.now.Before(a.Review.Time):
		return badge{"bad", page.Both("opnieuw bekijken", "look at anew")}
	}
	return badge{"good", page.Both("geldig", "valid")}
}

func (d *desk) recordDPIA(v *visit) {
	d.give(v, "/bureau/dpia", d.showDPIAs, func(a *answers) central.Command {
		return central.RecordDPIA{By: v.me(), DPIA: central.DPIA{ID: a.text("id"), Title: a.text("titel"), Reference: a.text("bewaard"), Date: a.day("datum"), Score: a.number("score"), Review: a.day("herzien")}}
	})
}

func (d *desk) adoptControls(v *visit) {
	d.give(v, "/bureau/dpia", d.showDPIAs, func(a *answers) central.Command {
		t := central.ControlTable{From: a.day("vanaf"), Source: a.text("besluit")}
		for _, c := range central.Controls {
			if a.text("vanaf-"+string(c)) != "" {
				t.Steps = append(t.Steps, central.ControlStep{Score: a.number("vanaf-" + string(c)), Controls: []central.Control{c}})
			}
		}
		return central.AdoptControls{By: v.me(), ControlTable: t}
	})
}

func (d *desk) dpia(v *visit) { d.showDPIA(v, http.StatusOK, form{}) }

func (d *desk) showDPIA(v *visit, status int, f form) {
	id := v.r.PathValue("id")
	var there bool
	d.Book.View(func(st *central.State) { there = st.DPIA(id) != nil })
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		a := st.DPIA(id)
		about := central.About{Kind: central.AboutDPIA, ID: id}
		needs := table{Caption: page.Both("Wat deze score ten minste vraagt", "What this score asks at least"), Columns: []central.Words{page.Both("Maatregel", "Control")}, Empty: page.Both("Deze score vraagt geen extra maatregelen.", "This score asks no more controls.")}
		for _, c := range st.ControlsAt(v.now).Needed(a.Score) {
			needs.Rows = append(needs.Rows, []any{c.Words()})
		}
		cameras := table{Caption: page.Both("Camera's die hierop rusten", "Cameras that rest on it"), Columns: []central.Words{page.Both("Camera", "Camera"), page.Both("Stand", "Status"), page.Both("Voldoet aan de maatregelen", "Meets the controls")}, Empty: page.Both("Nog geen.", "None yet.")}
		for _, p := range st.Placements() {
			if p.DPIA != id || p.Status == central.Removed {
				continue
			}
			var nl, en []string
			for _, c := range st.Needed(p, v.now) {
				if !st.Meets(p, c, v.now) {
					nl, en = append(nl, c.Words().NL), append(en, c.Words().EN)
				}
			}
			meets := badge{"good", page.Both("ja", "yes")}
			if len(nl) > 0 {
				meets = badge{"bad", page.Both("nee: "+strings.Join(nl, "; "), "no: "+strings.Join(en, "; "))}
			}
			cameras.Rows = append(cameras.Rows, []any{to{"/bureau/cameras/" + string(p.Camera), p.Name}, p.StatusAt(v.now).Words(), meets})
		}
		s := sheet{Back: &page.Link{Path: "/bureau/dpia", Words: page.Both("Alle DPIA's", "All DPIAs")}, Heading: page.Both("DPIA: "+a.Title, "DPIA: "+a.Title), State: dpiaState(a, v), Tables: []table{needs, cameras}, History: a.History,
			Facts: []fact{{page.Both("Kenmerk", "Id"), a.ID}, {page.Both("Bewaard als", "Kept as"), a.Reference}, {page.Both("Datum", "Date"), onDay{a.Date}}, {page.Both("Score", "Score"), strconv.Itoa(a.Score)},
				{page.Both("Opnieuw bekijken vóór", "Look at anew before"), onDay{a.Review}}}}
		if a.Advised.IsZero() {
			s.Warn = append(s.Warn, page.Both("De privacy officer heeft over deze versie nog niet geadviseerd. Tot dan kan geen camera hierop in gebruik.", "The privacy officer has not advised on this version yet. Until then no camera can be activated on it."))
		} else {
			for i, answer := range a.Advice.Answers() {
				s.Facts = append(s.Facts, fact{central.Questions[i], answer})
			}
			s.Facts = append(s.Facts, fact{page.Both("Deze vijf vragen beantwoordde", "These five questions were answered by"), a.AdvisedBy})
		}
		s.Facts = append(s.Facts, adviceFacts(st, v, about)...)
		if st.Holds(v.me(), central.Officer, "", v.now) {
			advice := fill{ID: "advies", Action: "/bureau/dpia/" + id, Title: page.Both("Advies van de privacy officer", "The privacy officer's advice"), Button: page.Both("Advies vastleggen", "Record the advice")}
			for i, q := range central.Questions {
				advice.Fields = append(advice.Fields, entry(fmt.Sprintf("vraag-%d", i+1), "area", q.NL, q.EN, a.Advice.Answers()[i]))
			}
			s.Fills = []fill{advice}
		}
		return s
	})
}

func (d *desk) adviseDPIA(v *visit) {
	id := v.r.PathValue("id")
	d.give(v, "/bureau/dpia/"+id, d.showDPIA, func(a *answers) central.Command {
		return central.AdviseDPIA{By: v.me(), DPIA: id, Advice: central.Advice{Whether: a.text("vraag-1"), Method: a.text("vraag-2"), Who: a.text("vraag-3"), Safeguards: a.text("vraag-4"), Correct: a.text("vraag-5")}}
	})
}
