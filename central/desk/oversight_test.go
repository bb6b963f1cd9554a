package desk

import (
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
)

// Anyone reports an incident; the officer sees it on the first page with its term, and settles it.
func TestR13_AnIncidentFromReportToEnd(t *testing.T) {
	o := newOffice(t)
	b := o.as(staff)
	says(t, b.get("/bureau"), 200, "Een incident melden")
	says(t, b.post("/bureau/incidenten/melden", "formulier", "melden", "ontdekt", "2026-11-21T01:00"), 400, "Vul in: wat er is gebeurd")
	if w := b.post("/bureau/incidenten/melden", "wat", "USB-stick met beelden zoek", "camera", "hal"); w.Code != 303 {
		t.Fatal(w.Code, plain(w.Body.String()))
	}
	says(t, b.get("/bureau/incidenten/gemeld"), 200, "Uw melding is vastgelegd")
	for _, path := range []string{"/bureau/incidenten", "/bureau/incidenten/1"} {
		if w := b.get(path); w.Code != 403 {
			t.Errorf("staff on %s: %d", path, w.Code)
		}
	}
	v := o.as(officer)
	says(t, v.get("/bureau"), 200, "gemeld door een medewerker", "termijn 24 november 2026 om 02:00:00", "USB-stick")
	says(t, v.get("/bureau/incidenten"), 200, "gemeld door een medewerker", "nog 72 uur", "21 november 2029")
	says(t, v.get("/en/bureau/incidenten/1"), 200, "Incident 1: reported by staff", "72 hours left")
	says(t, v.post("/bureau/incidenten/1/gemeld", "formulier", "melding", "wie", "authority", "op", "2026-11-21T01:59"), 400, "het kenmerk van de melding")
	for _, form := range [][]string{{"/gemeld", "wie", "authority", "op", "2026-11-21T01:59", "kenmerk", "AP-77"}, {"/gemeld", "wie", "subjects", "reden", "de stick is versleuteld"}} {
		if w := v.post("/bureau/incidenten/1"+form[0], form[1:]...); w.Code != 303 {
			t.Fatal(plain(w.Body.String()))
		}
	}
	says(t, v.get("/bureau/incidenten/1"), 200, "op tijd gemeld", "AP-77", "niet: de stick is versleuteld")
	w := v.post("/bureau/incidenten/1/sluiten", "formulier", "sluiten", "conclusie", "stick is terug")
	says(t, w, 400, "Vul in: de oorzaak")
	if !strings.Contains(w.Body.String(), "stick is terug</textarea>") {
		t.Error("what was typed is gone")
	}
	if w := v.post("/bureau/incidenten/1", "wat", "USB-stick met beelden zoek", "ontdekt", "2026-11-21T01:00", "bekend", "2026-11-21T01:30", "aantal", "3", "oorzaak", "slordigheid", "maatregelen", "teruggevonden", "voorkomen", "geen sticks meer"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	if w := v.post("/bureau/incidenten/1/sluiten", "conclusie", "stick is terug"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, v.get("/bureau/incidenten/1"), 200, "afgesloten", "Kan nu niet: Dit incident is afgesloten", "incident beschreven")
	if strings.Contains(v.get("/bureau").Body.String(), "gemeld door een medewerker") {
		t.Error("a closed incident still waits")
	}
	o.do(central.ReportIncident{By: staff, IncidentFacts: central.IncidentFacts{Nature: "nog een"}})
	o.now = o.now.Add(72 * time.Hour)
	delete(o.sessions, officer)
	says(t, o.as(officer).get("/bureau"), 200, "termijn voorbij")
}
