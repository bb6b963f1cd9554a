package desk

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Complaints, objections, letters of the supervisory authority (R27) and what anybody tells on the public site (R25): the privacy officer's alone.

func matterState(v *visit, m *central.Matter) badge {
	switch due := m.Deadline(); {
	case !m.Closed.IsZero():
		return badge{"good", page.Both("afgesloten", "closed")}
	case !due.IsZero() && !v.now.Before(due.Time):
		return badge{"bad", page.Both("termijn voorbij", "term over")}
	}
	return badge{"warn", page.Both("open", "open")}
}

func (d *desk) matters(v *visit) { d.showMatters(v, http.StatusOK, form{}) }

func (d *desk) showMatters(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Nummer", "Number"), page.Both("Soort", "Kind"), page.Both("Kenmerk", "Reference"), page.Both("Ontvangen of verstuurd", "Received or sent"), page.Both("Antwoord voor", "Answer by"), page.Both("Stand", "Status")}, Empty: page.Both("Nog geen.", "None yet.")}
		for _, m := range st.Matters(v.me(), v.now) {
			t.Rows = append(t.Rows, []any{to{fmt.Sprintf("/bureau/klachten/%d", m.Number), strconv.Itoa(m.Number)}, m.Kind.Words(), m.Reference, onDay{m.Received}, onDay{m.Deadline()}, matterState(v, m)})
		}
		return sheet{Heading: page.Both("Klachten, meldingen, bezwaren en toezichthouder", "Complaints, reports, objections and authority"), Tables: []table{t},
			Intro: page.Both("Dit leest alleen de privacy officer. Wat mensen op de openbare site melden, staat er ook. Schrijf geen namen op: alleen het kenmerk van de brief.", "Only the privacy officer reads this. What people report on the public site is here too. Write no names: only the reference of the letter."),
			Fills: []fill{{ID: "nieuw", Action: "/bureau/klachten", Title: page.Both("Vastleggen", "Record"), Button: page.Both("Vastleggen", "Record"), Fields: []field{choice("soort", "radio", "Soort", "Kind", central.MatterKinds), entry("kenmerk", "text", "Kenmerk", "Reference", nil),
				entry("ontvangen", "date", "Ontvangen of verstuurd op", "Received or sent on", nil), entry("besluit", "date", "Bezwaar: dag van het besluit", "Objection: day of the decision", nil),
				entry("voor", "date", "Antwoord voor (leeg: volgens de wet)", "Answer by (empty: by law)", nil), entry("tekst", "area", "Waar gaat het over?", "What is it about?", nil)}}}}
	})
}

func (d *desk) openMatter(v *visit) {
	d.give(v, "/bureau/klachten", d.showMatters, func(a *answers) central.Command {
		return central.OpenMatter{By: v.me(), MatterFacts: central.MatterFacts{Kind: central.MatterKind(a.text("soort")), Reference: a.text("kenmerk"), Received: a.day("ontvangen"), Decided: a.day("besluit"), Due: a.day("voor"), Text: a.text("tekst")}}
	})
}

func (d *desk) matter(v *visit) { d.showMatter(v, http.StatusOK, form{}) }

func (d *desk) showMatter(v *visit, status int, f form) {
	find := func(st *central.State) *central.Matter {
		list := st.Matters(v.me(), v.now)
		if i := slices.IndexFunc(list, func(m *central.Matter) bool { return m.Number == v.number() }); i >= 0 {
			return list[i]
		}
		return nil
	}
	there := false
	d.Book.View(func(st *central.State) { there = find(st) != nil })
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		m := find(st)
		w := m.Kind.Words()
		s := sheet{Back: &page.Link{Path: "/bureau/klachten", Words: page.Both("Alles", "All")}, Heading: page.Both(fmt.Sprintf("%d: %s", m.Number, w.NL), fmt.Sprintf("%d: %s", m.Number, w.EN)), Warn: erased(st, central.MatterDossier(m.Number)), State: matterState(v, m), History: m.History,
			Facts: []fact{{page.Both("Kenmerk", "Reference"), m.Reference}, {page.Both("Ontvangen of verstuurd", "Received or sent"), onDay{m.Received}}, {page.Both("Antwoord voor", "Answer by"), onDay{m.Deadline()}}, {page.Both("Waar het over gaat", "What it is about"), m.Text}, {page.Both("Te bereiken via", "To be reached at"), m.Contact}}}
		if m.Late() {
			s.Warn = append(s.Warn, page.Both("Dit bezwaar kwam na de zes weken van art. 6:7 Awb.", "This objection came after the six weeks of art. 6:7 Awb."))
		}
		s.Fills = []fill{{ID: "opvolging", Action: fmt.Sprintf("/bureau/klachten/%d", m.Number), Title: page.Both("Opvolging", "Follow-up"), Button: page.Both("Vastleggen", "Record"), Why: would(st, central.FollowMatter{By: v.me(), Number: m.Number, Text: "?"}, v.now),
			Fields: []field{entry("tekst", "area", "Wat is er gedaan?", "What was done?", nil), tick("sluiten", "Hiermee is het afgesloten", "This closes it")}}}
		return s
	})
}

func (d *desk) followMatter(v *visit) {
	d.give(v, fmt.Sprintf("/bureau/klachten/%d", v.number()), d.showMatter, func(a *answers) central.Command {
		return central.FollowMatter{By: v.me(), Number: v.number(), Text: a.text("tekst"), Close: a.yes("sluiten")}
	})
}
