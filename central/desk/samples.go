package desk

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Samples of accesses, and planned audits (R11).

func (d *desk) samples(v *visit) { d.showSamples(v, http.StatusOK, form{}) }

func (d *desk) showSamples(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		t := table{Caption: page.Both("Steekproeven", "Samples"), Columns: []central.Words{page.Both("Nummer", "Number"), page.Both("Getrokken", "Drawn"), page.Both("Startgetal", "Seed"), page.Both("Tijdvak", "Interval"), page.Both("Aantal", "Number of items"), page.Both("Nog na te zien", "Still to look into")},
			Empty: page.Both("Nog geen.", "None yet.")}
		for _, s := range st.Samples() {
			t.Rows = append(t.Rows, []any{to{fmt.Sprintf("/bureau/steekproeven/%d", s.Number), strconv.Itoa(s.Number)}, s.At, s.Seed, s.Interval, page.Both(fmt.Sprintf("%d van %d", len(s.Items), s.Of), fmt.Sprintf("%d of %d", len(s.Items), s.Of)), s.Open()})
		}
		audits := table{Caption: page.Both("Audits", "Audits"), Columns: []central.Words{page.Both("Nummer", "Number"), page.Both("Wat", "What"), page.Both("Gepland", "Planned"), page.Both("Afgerond", "Finished"), page.Both("Uitkomst", "Result")}, Empty: page.Both("Nog geen gepland.", "None planned yet.")}
		for _, a := range st.Audits() {
			audits.Rows = append(audits.Rows, []any{a.Number, a.Subject, onDay{a.Planned}, a.Finished, a.Result})
		}
		s := sheet{Heading: page.Both("Steekproeven en audits", "Samples and audits"), Tables: []table{t, audits},
			Intro: page.Both("Met hetzelfde startgetal trekt iedereen dezelfde steekproef. Kies een getal dat niemand vooraf kent, bijvoorbeeld met een dobbelsteen.", "With the same seed everyone draws the same sample. Choose one that nobody knows beforehand, for example with dice.")}
		if st.Holds(v.me(), central.Officer, "", v.now) {
			s.Fills = []fill{
				{ID: "trekken", Action: "/bureau/steekproeven", Title: page.Both("Steekproef trekken", "Draw a sample"), Button: page.Both("Trekken", "Draw"), Fields: []field{entry("startgetal", "text", "Startgetal", "Seed", nil),
					entry("van", "datetime-local", "Toegang van", "Accesses from", protocol.T(v.now.AddDate(0, -1, 0))), entry("tot", "datetime-local", "Tot", "To", protocol.T(v.now)), entry("aantal", "number", "Hoeveel", "How many", 10)}},
				{ID: "plannen", Action: "/bureau/audits", Title: page.Both("Audit plannen", "Plan an audit"), Button: page.Both("Plannen", "Plan"), Fields: []field{entry("wat", "text", "Wat wordt onderzocht?", "What is looked into?", nil), entry("wanneer", "date", "Wanneer", "When", nil)}},
				{ID: "afronden", Action: "/bureau/audits/uitkomst", Title: page.Both("Audit afronden", "Finish an audit"), Button: page.Both("Uitkomst vastleggen", "Record the result"), Fields: []field{entry("audit", "number", "Nummer", "Number", nil), entry("uitkomst", "area", "Uitkomst", "Result", nil)}},
			}
		}
		return s
	})
}

func (d *desk) drawSample(v *visit) {
	accesses, err := d.Recorders.Accesses()
	if err != nil {
		d.failed(v, "accesses", err)
		return
	}
	d.give(v, "/bureau/steekproeven", d.showSamples, func(a *answers) central.Command {
		return central.DrawSample{By: v.me(), Seed: a.text("startgetal"), Interval: protocol.Span(a.moment("van").Time, a.moment("tot").Time), Size: a.number("aantal"), Accesses: accesses}
	})
}

func (d *desk) planAudit(v *visit) {
	d.give(v, "/bureau/steekproeven", d.showSamples, func(a *answers) central.Command {
		return central.PlanAudit{By: v.me(), Subject: a.text("wat"), Planned: a.day("wanneer")}
	})
}

func (d *desk) finishAudit(v *visit) {
	d.give(v, "/bureau/steekproeven", d.showSamples, func(a *answers) central.Command {
		return central.FinishAudit{By: v.me(), Audit: a.number("audit"), Result: a.text("uitkomst")}
	})
}

func (d *desk) sample(v *visit) { d.showSample(v, http.StatusOK, form{}) }

func (d *desk) showSample(v *visit, status int, f form) {
	accesses, err := d.Recorders.Accesses()
	if err != nil {
		d.failed(v, "accesses", err)
		return
	}
	there := false
	d.Book.View(func(st *central.State) { there = st.Sample(v.number()) != nil })
	if !there {
		d.nothing(v)
		return
	}
	if !d.reading(v, central.ReadAccesses, fmt.Sprintf("sample %d", v.number())) {
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		p := st.Sample(v.number())
		list, _ := st.Overseen(st.Match(accesses))
		found, mine := map[central.Source]central.MatchedAccess{}, []central.Access{}
		for _, m := range list {
			found[central.Source{Recorder: m.Recorder, Log: m.Log, Seq: m.Seq}] = m
			mine = append(mine, m.Access)
		}
		s := sheet{Back: &page.Link{Path: "/bureau/steekproeven", Words: page.Both("Alle steekproeven", "All samples")}, Heading: page.Both(fmt.Sprintf("Steekproef %d", p.Number), fmt.Sprintf("Sample %d", p.Number)),
			Facts: []fact{{page.Both("Startgetal", "Seed"), p.Seed}, {page.Both("Tijdvak", "Interval"), p.Interval}, {page.Both("Getrokken door", "Drawn by"), p.By}, {page.Both("Op", "At"), p.At}, {page.Both("Uit hoeveel", "Out of"), p.Of}}}
		if _, _, all := central.Draw(mine, p.Seed, p.Interval, len(p.Items)); all == p.All {
			s.Facts = append(s.Facts, fact{page.Both("Opnieuw getrokken", "Drawn again"), badge{"good", page.Both("dezelfde", "the same")}})
		} else {
			s.Warn = append(s.Warn, page.Both("De logboeken tonen nu niet dezelfde toegang in dit tijdvak als toen. Een recorder die later meldde, of regels die verder terug liggen dan hier getoond, kan de reden zijn.", "The logs do not show the same accesses in this interval as then. A recorder that reported later, or entries further back than are shown here, may be why."))
		}
		t := table{Columns: []central.Words{page.Both("Regel", "Entry"), page.Both("Wanneer", "When"), page.Both("Camera", "Camera"), page.Both("Wie", "Who"), page.Both("Reden", "Reason"), page.Both("Toestemming", "Grant"), page.Both("Bevinding", "Finding")}}
		items := field{Name: "regel", Kind: "select", Label: page.Both("Regel", "Entry")}
		for _, i := range p.Items {
			name := i.Entry()
			row := []any{name, page.Both("niet meer in de getoonde logboeken", "no longer in the logs shown"), "", "", "", "", ""}
			if m, ok := found[i]; ok {
				row = []any{name, m.At, string(m.Camera), m.Person, m.Access.Reason, badge{"good", page.Both(string(m.Access.Grant), string(m.Access.Grant))}, ""}
				if m.Orphan() {
					row[5] = badge{"bad", m.Why}
				}
			}
			if finding, ok := p.Findings[i]; ok {
				w := finding.Finding.Words()
				row[6] = page.Both(w.NL+" "+finding.Note, w.EN+" "+finding.Note)
			} else {
				items.Options = append(items.Options, option{Value: name, Words: page.Both(name, name)})
			}
			t.Rows = append(t.Rows, row)
		}
		s.Tables = []table{t}
		if len(items.Options) > 0 && st.Holds(v.me(), central.Officer, "", v.now) {
			s.Fills = []fill{{ID: "bevinding", Action: fmt.Sprintf("/bureau/steekproeven/%d", p.Number), Title: page.Both("Bevinding", "Finding"), Button: page.Both("Vastleggen", "Record"),
				Fields: []field{items, choice("bevinding", "radio", "Bevinding", "Finding", central.Findings), entry("toelichting", "area", "Toelichting", "Remark", nil)}}}
		}
		return s
	})
}

func (d *desk) recordFinding(v *visit) {
	d.give(v, fmt.Sprintf("/bureau/steekproeven/%d", v.number()), d.showSample, func(a *answers) central.Command {
		item, err := central.ParseEntry(a.text("regel"))
		a.wrong(err)
		return central.RecordFinding{By: v.me(), Sample: v.number(), Item: item, Finding: central.Finding(a.text("bevinding")), Note: a.text("toelichting")}
	})
}
