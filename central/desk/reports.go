package desk

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
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
				{page.Both("Verklaring van vernietiging", "Certificate of destruction"), linked(st, v, "/bureau/vernietiging", page.Both("bij de privacy officer", "with the privacy officer"))}}}
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
		d.showYear(v, http.StatusOK, form{}, r, kind, year)
	}
}

// showYear shows a report with its signature beside it; its files hold the report alone, so that they are what was signed.
func (d *desk) showYear(v *visit, status int, f form, r report, kind string, year int) {
	if _, end := ending(v.r.URL.Path); kind == "officer" && end == "" {
		csv, pdf, err := d.hashes(r)
		if err != nil {
			d.failed(v, "hashes of "+r.name, err)
			return
		}
		var g *central.Signature
		sign := fill{ID: "ondertekenen", Action: fmt.Sprintf("/bureau/verslagen/officer/%d/ondertekenen", year), Title: page.Both("Ondertekenen", "Sign"), Button: page.Both("Ondertekenen", "Sign"),
			Fields: []field{entry("risicos", "area", "Welke risico's ziet u, en welke maatregelen zijn genomen of nodig?", "Which risks do you see, and which measures were taken or are needed?", nil)},
			Hint:   page.Both("Uw tekst komt in het verslag. De vingerafdrukken van CSV en PDF (in het Nederlands) komen met uw nummer en de tijd in het logboek van de centrale.", "Your text goes into the report. The fingerprints of CSV and PDF (in Dutch) go into the centre's ledger, with your number and the time.")}
		officer := false
		d.Book.View(func(st *central.State) {
			g, officer = st.Signed(year), st.Holds(v.me(), central.Officer, "", v.now)
			sign.Why = would(st, central.SignReport{By: v.me(), Year: year, Risks: "…", Size: r.size, CSV: csv, PDF: pdf}, v.now)
		})
		if g != nil {
			same := badge{"good", page.Both("gelijk aan wat is ondertekend", "the same as what was signed")}
			if g.CSV != csv || g.PDF != pdf {
				same = badge{"bad", page.Both("niet gelijk aan wat is ondertekend: er is iets gewist, of een andere versie van het programma maakte het", "not the same as what was signed: something was erased, or another version of the program made it")}
			}
			r.State = same
			r.Facts = append(r.Facts, fact{page.Both("Ondertekend door", "Signed by"), g.By}, fact{page.Both("Ondertekend op", "Signed on"), g.At},
				fact{page.Both("SHA-256 van de CSV", "SHA-256 of the CSV"), g.CSV.String()}, fact{page.Both("SHA-256 van de PDF", "SHA-256 of the PDF"), g.PDF.String()})
		}
		if officer {
			r.Fills = append(r.Fills, sign)
		}
	}
	d.showReport(v, status, f, r)
}

// hashes of a report's files, in Dutch.
func (d *desk) hashes(r report) (ofCSV, ofPDF protocol.Hash, err error) {
	var b bytes.Buffer
	if err := r.Tables[0].csv(&b, page.NL); err != nil {
		return ofCSV, ofPDF, err
	}
	ofCSV = protocol.HashOf(b.Bytes())
	b.Reset()
	err = d.document(page.NL, r).Write(&b)
	return ofCSV, protocol.HashOf(b.Bytes()), err
}

// risks is what the officer wrote in a report.
func risks(text string) fact {
	return fact{page.Both("Risico's en maatregelen", "Risks and measures"), text}
}

func (d *desk) signReport(v *visit) {
	year, err := strconv.Atoi(v.r.PathValue("year"))
	if err != nil || year < 2000 || year > v.now.Year() {
		d.nothing(v)
		return
	}
	r, ok := d.yearReport(v, "officer", year)
	if !ok {
		return
	}
	unsigned := r
	if text := v.value("risicos"); len(r.Facts) == 0 {
		r.Facts = append(r.Facts, risks(text))
	}
	csv, pdf, err := d.hashes(r)
	if err != nil {
		d.failed(v, "hashes of "+r.name, err)
		return
	}
	d.give(v, r.path, func(v *visit, status int, f form) { d.showYear(v, status, f, unsigned, "officer", year) }, func(a *answers) central.Command {
		return central.SignReport{By: v.me(), Year: year, Risks: a.text("risicos"), Logs: r.logs, Size: r.size, CSV: csv, PDF: pdf}
	})
}

// yearReport is the report of a year as it was at its end, whoever asks and whenever.
func (d *desk) yearReport(v *visit, kind string, year int) (r report, ok bool) {
	name := strconv.Itoa(year)
	r.at, r.said = central.ReportMoment(year), page.Both(fmt.Sprintf("31 december %d om 23:59:59 UTC", year), fmt.Sprintf("31 December %d at 23:59:59 UTC", year)) // years count in UTC
	st := d.asOf(v, r.at)
	if st == nil || !d.fromLedger(v, &r, st) {
		return r, false
	}
	var g *central.Signature
	d.Book.View(func(now *central.State) { g = now.Signed(year) })
	if g != nil {
		r.logs = g.Logs // as they were when it was signed: a log may come in late
		r.Facts = append(r.Facts, risks(g.Risks))
	} else {
		var err error
		if r.logs, err = d.Recorders.Counts(v.r.Context(), time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), r.at); err != nil {
			d.failed(v, "counts of the recorders' logs", err)
			return r, false
		}
	}
	r.size = st.Size
	lines := st.Account(year)
	r.Heading = page.Both("Verantwoording aan de raad over "+name, "Account to the council on "+name)
	if kind == "officer" {
		lines, r.Heading = st.OfficersReport(year), page.Both("Jaarverslag van de privacy officer over "+name, "Privacy officer's report on "+name)
	}
	r.path, r.name = fmt.Sprintf("/bureau/verslagen/%s/%s", kind, name), kind+"-"+name
	r.Back = &page.Link{Path: "/bureau/verslagen", Words: page.Both("Verslagen", "Reports")}
	t := table{Columns: []central.Words{page.Both("Onderdeel", "Part"), page.Both("Wat", "What"), page.Both("Aantal", "Number")}}
	lines = append(lines, r.logs.Lines()...)
	var parts []central.Words // in the order in which they first come
	for _, l := range lines {
		if !slices.Contains(parts, l.Part) {
			parts = append(parts, l.Part)
		}
	}
	slices.SortStableFunc(lines, func(a, b central.Line) int { return slices.Index(parts, a.Part) - slices.Index(parts, b.Part) })
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
