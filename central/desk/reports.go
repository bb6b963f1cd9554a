package desk

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Yearly reports (R22) and the register of processing (R6), each as it was on a day (R5): the ledger is read again up to there.

// asOf is the state at a moment, or nil when this has answered.
func (d *desk) asOf(v *visit, at time.Time) *central.State {
	st, err := d.Book.At(v.r.Context(), at)
	if err != nil {
		d.failed(v, "the ledger as of a day", err)
		return nil
	}
	return st
}

func (d *desk) reports(v *visit) {
	d.showSheet(v, http.StatusOK, form{}, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Jaar", "Year"), page.Both("Verantwoording aan de raad", "Account to the council"), page.Both("Jaarverslag privacy officer", "Privacy officer's report")}}
		for year := v.now.Year(); year >= v.now.Year()-5; year-- {
			y := strconv.Itoa(year)
			row := []any{y, to{"/bureau/verslagen/college/" + y, page.Both("bekijken", "open")}, ""}
			if st.Oversees(v.me(), v.now) {
				row[2] = to{"/bureau/verslagen/officer/" + y, page.Both("bekijken", "open")}
			}
			t.Rows = append(t.Rows, row)
		}
		return sheet{Heading: page.Both("Verslagen", "Reports"), Tables: []table{t},
			Intro: page.Both("Elk verslag wordt berekend uit het logboek zoals het aan het eind van dat jaar was.", "Each report is computed from the ledger as it was at the end of that year."),
			Facts: []fact{{page.Both("Register van verwerkingen (art. 30 AVG)", "Register of processing (art. 30 GDPR)"), to{"/bureau/verwerkingen", page.Both("bekijken", "open")}}}}
	})
}

// yearly is the report, "college" or "officer", of a year, with .csv as a file.
func (d *desk) yearly(v *visit) {
	kind := v.r.PathValue("kind")
	name, file := strings.CutSuffix(v.r.PathValue("year"), ".csv")
	year, err := strconv.Atoi(name)
	mine := kind == "college" || kind == "officer" && d.holdsAny(v, []central.Role{central.Officer, central.Auditor})
	if err != nil || year < 2000 || year > v.now.Year() || !mine {
		d.nothing(v)
		return
	}
	if !d.reading(v, central.ReadReport, kind+" "+name) {
		return
	}
	end := time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Millisecond)
	st := d.asOf(v, end)
	if st == nil {
		return
	}
	lines, heading := st.Account(year), page.Both("Verantwoording aan de raad over "+name, "Account to the council on "+name)
	if kind == "officer" {
		lines, heading = st.OfficersReport(year), page.Both("Jaarverslag van de privacy officer over "+name, "Privacy officer's report on "+name)
	}
	t := table{Columns: []central.Words{page.Both("Onderdeel", "Part"), page.Both("Wat", "What"), page.Both("Aantal", "Number")}, CSV: fmt.Sprintf("/bureau/verslagen/%s/%s.csv", kind, name)}
	for _, l := range lines {
		t.Rows = append(t.Rows, []any{l.Part, l.What, l.Said(kind == "college")})
	}
	if file {
		d.sendCSV(v, kind+"-"+name, t)
		return
	}
	d.showSheet(v, http.StatusOK, form{}, func(*central.State) sheet {
		s := sheet{Back: &page.Link{Path: "/bureau/verslagen", Words: page.Both("Verslagen", "Reports")}, Heading: heading, Tables: []table{t}}
		if kind == "college" {
			s.Intro = page.Both("Vorderingen zijn geheim: minder dan vijf wordt niet uitgesplitst.", "Demands are secret: fewer than five are not told apart.")
		}
		if v.now.Before(end) {
			s.Warn = append(s.Warn, page.Both("Dit jaar is nog niet om.", "This year is not over yet."))
		}
		return s
	})
}

// processing is the register of processing, as it is or, with ?op=year-month-day, as it was at the end of that day.
func (d *desk) processing(v *visit) {
	query, at, ok := d.onDay(v)
	if !ok {
		return
	}
	on := strings.TrimPrefix(query, "?op=")
	if !d.reading(v, central.ReadReport, strings.TrimSpace("art. 30 "+on)) {
		return
	}
	st := d.asOf(v, at)
	if st == nil {
		return
	}
	t := table{CSV: "/bureau/verwerkingen.csv", Empty: page.Both("Er waren nog geen camera's in gebruik.", "No cameras were in use yet."), Columns: []central.Words{page.Both("Camera", "Camera"), page.Both("Stand", "Status"), page.Both("Verantwoordelijke", "Controller"), page.Both("Doelen", "Purposes"),
		page.Both("Grondslag", "Basis"), page.Both("Besluit", "Decision"), page.Both("Betrokkenen", "Subjects"), page.Both("Gegevens", "Data"), page.Both("Ontvangers", "Recipients"), page.Both("Bewaartermijn", "Term"), page.Both("Maatregelen", "Measures"), page.Both("Opslag", "Storage"), page.Both("Verwerker", "Processor")}}
	t.CSV += query
	for _, e := range st.Register() {
		t.Rows = append(t.Rows, []any{e.Name + " (" + string(e.Camera) + ")", e.StatusAt(at).Words(), e.Controller, central.Joined(e.Purposes), e.Basis, e.Besluit.Reference, e.Subjects, e.Data, strings.Join(e.Recipients, ", "),
			page.Both(page.Lang("nl").Duration(e.Window.Duration()), page.Lang("en").Duration(e.Window.Duration())), e.Measures, e.Storage, e.Processor})
	}
	if strings.HasSuffix(v.r.URL.Path, ".csv") {
		d.sendCSV(v, strings.TrimSuffix("verwerkingen-"+on, "-"), t)
		return
	}
	d.showSheet(v, http.StatusOK, form{}, func(*central.State) sheet {
		s := sheet{Back: &page.Link{Path: "/bureau/verslagen", Words: page.Both("Verslagen", "Reports")}, Heading: page.Both("Register van verwerkingen", "Register of processing"), Tables: []table{t},
			Intro: page.Both("Volgens artikel 30 AVG. Zet ?op=jaar-maand-dag achter het adres om te zien hoe het die dag was.", "Under article 30 GDPR. Put ?op=year-month-day behind the address to see it as it was on that day.")}
		if on != "" {
			s.Warn = append(s.Warn, page.Both("Zoals het was aan het eind van "+page.Lang("nl").Date(at)+".", "As it was at the end of "+page.Lang("en").Date(at)+"."))
		}
		return s
	})
}
