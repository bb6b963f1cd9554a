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
			Facts: []fact{{page.Both("Register van verwerkingen (art. 30 AVG)", "Register of processing (art. 30 GDPR)"), to{"/bureau/verwerkingen", page.Both("bekijken", "open")}},
				{page.Both("Lijst voor Camera in Beeld", "List for Camera in Beeld"), to{"/bureau/camera-in-beeld", page.Both("bekijken", "open")}},
				{page.Both("Verklaring van vernietiging", "Certificate of destruction"), to{"/bureau/vernietiging", page.Both("kies camera en dag", "choose camera and day")}}}}
	})
}

// yearly is the report, "college" or "officer", of a year.
func (d *desk) yearly(v *visit) {
	kind := v.r.PathValue("kind")
	name, _ := ending(v.r.PathValue("year"))
	year, err := strconv.Atoi(name)
	mine := kind == "college" || kind == "officer" && d.holdsAny(v, []central.Role{central.Officer, central.Auditor})
	if err != nil || year < 2000 || year > v.now.Year() || !mine {
		d.nothing(v)
		return
	}
	if !d.reading(v, central.ReadReport, kind+" "+name) {
		return
	}
	if r, ok := d.yearReport(v, kind, year); ok {
		d.showReport(v, http.StatusOK, form{}, r)
	}
}

// yearReport is the report of a year as it was at its end, whoever asks and whenever.
func (d *desk) yearReport(v *visit, kind string, year int) (r report, ok bool) {
	name := strconv.Itoa(year)
	r.at = time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Millisecond)
	st := d.asOf(v, r.at)
	if st == nil || !d.fromLedger(v, &r, st) {
		return r, false
	}
	lines := st.Account(year)
	r.Heading = page.Both("Verantwoording aan de raad over "+name, "Account to the council on "+name)
	if kind == "officer" {
		lines, r.Heading = st.OfficersReport(year), page.Both("Jaarverslag van de privacy officer over "+name, "Privacy officer's report on "+name)
	}
	r.path, r.name = fmt.Sprintf("/bureau/verslagen/%s/%s", kind, name), kind+"-"+name
	r.Back = &page.Link{Path: "/bureau/verslagen", Words: page.Both("Verslagen", "Reports")}
	t := table{Columns: []central.Words{page.Both("Onderdeel", "Part"), page.Both("Wat", "What"), page.Both("Aantal", "Number")}}
	for _, l := range lines {
		t.Rows = append(t.Rows, []any{l.Part, l.What, l.Said(kind == "college")})
	}
	r.Tables = []table{t}
	if kind == "college" {
		r.Intro = page.Both("Vorderingen zijn geheim: minder dan vijf wordt niet uitgesplitst.", "Demands are secret: fewer than five are not told apart.")
	}
	if v.now.Before(r.at) {
		r.Warn = append(r.Warn, page.Both("Dit jaar is nog niet om.", "This year is not over yet."))
	}
	return r, true
}

// dayReport begins a report that is as it is now or, with ?op=year-month-day, as it was at the end of that day.
func (d *desk) dayReport(v *visit, path, name string) (r report, st *central.State, at time.Time, ok bool) {
	query, at, ok := d.onDay(v)
	if !ok {
		return r, nil, at, false
	}
	on := strings.TrimPrefix(query, "?op=")
	if !d.reading(v, central.ReadReport, strings.TrimSpace(name+" "+on)) {
		return r, nil, at, false
	}
	if st = d.asOf(v, at); st == nil {
		return r, nil, at, false
	}
	r = report{path: path, on: query, name: strings.TrimSuffix(name+"-"+on, "-")}
	if on != "" {
		r.at = at
	}
	r.Back, r.AsOf = &page.Link{Path: "/bureau/verslagen", Words: page.Both("Verslagen", "Reports")}, &asOf{Path: path, Day: on, Today: v.now.In(page.Amsterdam).Format(time.DateOnly)}
	if on != "" {
		r.Warn = append(r.Warn, page.Both("Zoals het was aan het eind van "+page.NL.Date(at)+".", "As it was at the end of "+page.EN.Date(at)+"."))
	}
	return r, st, at, d.fromLedger(v, &r, st)
}

// processing is the register of processing.
func (d *desk) processing(v *visit) {
	r, st, at, ok := d.dayReport(v, "/bureau/verwerkingen", "verwerkingen")
	if !ok {
		return
	}
	t := table{Empty: page.Both("Er waren nog geen camera's in gebruik.", "No cameras were in use yet."), Columns: []central.Words{page.Both("Camera", "Camera"), page.Both("Stand", "Status"), page.Both("Verantwoordelijke", "Controller"), page.Both("Doelen", "Purposes"),
		page.Both("Grondslag", "Basis"), page.Both("Besluit", "Decision"), page.Both("Betrokkenen", "Subjects"), page.Both("Gegevens", "Data"), page.Both("Ontvangers", "Recipients"), page.Both("Bewaartermijn", "Term"), page.Both("Maatregelen", "Measures"), page.Both("Opslag", "Storage"), page.Both("Verwerker", "Processor")}}
	for _, e := range st.Register() {
		t.Rows = append(t.Rows, []any{e.Name + " (" + string(e.Camera) + ")", e.StatusAt(at).Words(), e.Controller, central.Joined(e.Purposes), e.Basis, e.Besluit.Reference, e.Subjects, e.Data, strings.Join(e.Recipients, ", "), e.Window, e.Measures, e.Storage, e.Processor})
	}
	r.Heading, r.Tables = page.Both("Register van verwerkingen", "Register of processing"), []table{t}
	r.Intro = page.Both("Volgens artikel 30 AVG: per camera wat er met de beelden gebeurt, waarom, hoe lang en door wie.", "Under article 30 GDPR: for each camera what is done with its footage, why, for how long and by whom.")
	d.showReport(v, http.StatusOK, form{}, r)
}

// inBeeld is the list for Camera in Beeld.
func (d *desk) inBeeld(v *visit) {
	r, st, at, ok := d.dayReport(v, "/bureau/camera-in-beeld", "camera-in-beeld")
	if !ok {
		return
	}
	t := table{Empty: page.Both("Er waren geen camera's in gebruik.", "No cameras were in use."), Columns: []central.Words{page.Both("Camera", "Camera"), page.Both("Nummer in Camera in Beeld", "Number in Camera in Beeld"), page.Both("Houder", "Holder"), page.Both("Contact", "Contact"),
		page.Both("Plaats", "Place"), page.Both("BAG", "BAG"), page.Both("Breedte", "Latitude"), page.Both("Lengte", "Longitude"), page.Both("Richting (graden)", "Direction (degrees)"), page.Both("Soort", "Type"), page.Both("Wat is te zien", "What it shows"),
		page.Both("Regime", "Regime"), page.Both("Bewaartermijn", "Term"), page.Both("Geldig tot", "Valid until")}}
	list, without := st.CamerasInBeeld(at)
	for _, c := range list {
		t.Rows = append(t.Rows, []any{c.Name + " (" + string(c.Camera) + ")", c.Number, c.Holder, c.Contact, c.Place, c.BAG, fmt.Sprintf("%.7f", c.Position.Lat()), fmt.Sprintf("%.7f", c.Position.Lon()),
			c.Direction, c.Type.Words(), c.Quality.Words(), string(c.Regime), c.Window(), onDay{c.Besluit.ValidUntil}})
	}
	r.Heading, r.Tables = page.Both("Lijst voor Camera in Beeld", "List for Camera in Beeld"), []table{t}
	r.Intro = page.Both("Camera in Beeld is het register waarin de politie bijhoudt welke camera's waar hangen. Er staan geen beelden in. Meld nieuwe camera's daar aan en vul het nummer in bij de camera.",
		"Camera in Beeld is the register in which the police keep which cameras hang where. It holds no footage. Enter new cameras there, and fill in the number at the camera.")
	if without > 0 {
		r.Warn = append(r.Warn, page.Both(fmt.Sprintf("Camera's zonder nummer: %d.", without), fmt.Sprintf("Cameras without a number: %d.", without)))
	}
	d.showReport(v, http.StatusOK, form{}, r)
}
