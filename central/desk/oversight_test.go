package desk

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
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

// What the officer opens or takes along is in the ledger before it is shown; everyone else's work is not "reading".
func TestR10_TheOfficersReadingIsInTheLedger(t *testing.T) {
	o := newOffice(t)
	id := string(o.filed())
	v := o.as(officer)
	before := o.book.Size()
	o.as(handler).get("/bureau/aanvragen/" + id)
	if o.book.Size() != before {
		t.Error("a handler's page was recorded as oversight")
	}
	for _, path := range []string{"/bureau/toegang", "/bureau/logboeken/rec-1", "/bureau/aanvragen/" + id, "/bureau/aanvragen/" + id} {
		if w := v.get(path); w.Code != 200 {
			t.Fatal(path, w.Code)
		}
	}
	if got := o.book.Size() - before; got != 3 {
		t.Errorf("%d readings, want 3", got)
	}
	says(t, v.get("/bureau/inzage"), 200, "overzicht van toegang bekeken", "logboek opgehaald rec-1", "aanvraag bekeken "+id, "Vera Grijs")
	if w := v.post("/bureau/inzage", "over", id, "tekst", "nabellen"); w.Code != 303 {
		t.Fatal(w.Code)
	}
	says(t, v.get("/bureau/inzage"), 200, "nabellen")
	if w := o.as(admin).get("/bureau/inzage"); w.Code != 403 {
		t.Error(w.Code)
	}
}

// plein puts a camera in public space in use, and files a request of the police for it.
func (o *office) plein() {
	o.t.Helper()
	p := hall()
	p.Camera, p.Name, p.Regime, p.Purposes, p.Protocol = "plein", "Plein noord", protocol.WPG, []central.Purpose{central.StreetSafety}, central.ProtocolRef{ID: "straat", Version: 1}
	p.Besluit.Prosecutor = day(-25)
	rules := buildings()
	rules.ID, rules.Regime, rules.Purposes, rules.Bases = "straat", protocol.WPG, p.Purposes, []central.Basis{central.PublicOrder}
	o.do(central.AdoptProtocol{By: registrar, CameraProtocol: rules})
	o.do(central.RegisterPlacement{By: registrar, PlacementFacts: p})
	o.do(central.Activate{By: registrar, Camera: "plein"})
	o.do(central.FileRequest{By: requester, RequestFacts: central.RequestFacts{Kind: central.WpgRelease, Cameras: []protocol.CameraID{"plein"}, Asked: protocol.Span(o.now.Add(-time.Hour), o.now.Add(-30*time.Minute)),
		Reference: "PL2100-GEHEIM", Necessity: "onderzoek"}})
}

// Each page says whose footage it is and in whose name is decided; the other regime's people do not find it.
func TestPagesSayWhoseFootageItIs(t *testing.T) {
	o := newOffice(t)
	o.plein()
	says(t, o.as(requester).get("/bureau/aanvragen/nieuw?soort=wpg"), 200, "Plein noord", "Deze beelden zijn van de politie", "een eigen goedkeurder van de politie beslist, niet de gemeente")
	says(t, o.as(requester).get("/bureau/aanvragen/nieuw?soort=vordering"), 200, "Hal stadskantoor", "Deze beelden zijn van de gemeente; de gemeente beslist.")
	says(t, o.as(requester).get("/bureau/aanvragen/z-1"), 200, "verstrekking binnen de politie (Wpg)", "de korpschef is verantwoordelijk", "De politie toetst en beslist zelf; de gemeente niet.")
	for _, by := range []protocol.PersonID{handler, approver, officer, stranger} {
		if w := o.as(by).get("/bureau/aanvragen/z-1"); w.Code != 404 {
			t.Errorf("%s finds the police's request: %d", by, w.Code)
		}
	}
	o.confirm("z-1")
	for p, role := range map[protocol.PersonID]central.Role{handler: central.Handler, approver: central.Approver} { // the police's own, from now
		o.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: p, Unit: "recherche", Posts: []central.Post{{Role: role, Regime: protocol.WPG}}}})
	}
	o.as(handler).sent("/bureau/aanvragen/z-1/toetsen", "volledig", "ja", "noodzakelijk", "ja")
	says(t, o.as(approver).get("/bureau/aanvragen/z-1"), 200, "U beslist namens de korpschef van politie", "Concrete aanleiding, met het zaaknummer van de politie")
	o.filed()
	says(t, o.as(requester).get("/bureau/aanvragen/z-2"), 200, "de gemeente is verantwoordelijk, toetst en beslist")
	if w := o.as(approver).get("/bureau/aanvragen/z-2"); w.Code != 404 {
		t.Errorf("the police's approver finds the municipality's request: %d", w.Code)
	}
}

// The municipality's officer sees of a WPG camera how often it was asked, and no more.
func TestR08_AWpgRequestIsNotThereForTheOfficer(t *testing.T) {
	o := newOffice(t)
	o.plein()
	v := o.as(officer)
	if w := v.get("/bureau/aanvragen/z-1"); w.Code != 404 {
		t.Errorf("status %d", w.Code)
	}
	o.seen = []central.Access{{Recorder: "rec-1", Seq: 5, At: protocol.T(o.now), Kind: protocol.KindView, Access: protocol.Access{How: "playback", Camera: "plein", Person: "p-agent", Reason: "GEHEIM"}}}
	for _, path := range []string{"/bureau", "/bureau/toegang", "/bureau/aanvragen", "/bureau/bewaring"} {
		if body := v.get(path).Body.String(); strings.Contains(body, "GEHEIM") || strings.Contains(body, "p-agent") || strings.Contains(body, "z-1") {
			t.Errorf("%s shows the police's request", path)
		}
	}
	says(t, v.get("/bureau/toegang"), 200, "Plein noord 1 0 0 0 1 1", "De gemeente ziet alleen aantallen")
}

func TestR14_AnsweringAPersonWhoWasFilmed(t *testing.T) {
	o := newOffice(t)
	h := o.as(handler)
	ask := []string{"formulier", "nieuw", "recht", "access", "kenmerk", "brief 881", "ontvangen", "2026-11-20T10:00", "camera", "hal", "van", "2026-11-20T23:00", "tot", "2026-11-20T23:30", "omschrijving", "rode jas", "namens", "curator"}
	says(t, h.post("/bureau/betrokkenen", ask...), 400, "kenmerk van de machtiging of benoeming")
	if w := h.post("/bureau/betrokkenen", append(ask, "machtiging", "beschikking 12")...); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, h.get("/bureau/betrokkenen/b-1"), 200, "gevraagd aan de recorder", "20 december 2026", "Maak geen kopie van een document", "beschikking 12")
	a := o.as(approver)
	says(t, a.get("/bureau/betrokkenen/b-1"), 200, "Antwoord vastleggen")
	says(t, a.post("/bureau/betrokkenen/b-1/antwoord", "formulier", "antwoord", "besluit", "granted", "wijze", "masked-copy", "onherkenbaar", "ja", "motivering", "x", "rechtsmiddelen", "ja"), 409, "De identiteit is niet vastgesteld")
	if w := h.post("/bureau/betrokkenen/b-1/identiteit", "hoe", "counter"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, a.get("/bureau"), 200, "verzoek van een betrokkene: beantwoorden (b-1)")
	if w := a.post("/bureau/betrokkenen/b-1/antwoord", "besluit", "granted", "wijze", "masked-copy", "onherkenbaar", "ja", "motivering", "staat erop", "rechtsmiddelen", "ja"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, o.as(officer).get("/en/bureau/betrokkenen/b-1"), 200, "granted", "copy with others unrecognisable")
	for _, who := range []protocol.PersonID{requester, staff, admin, registrar} {
		if w := o.as(who).get("/bureau/betrokkenen/b-1"); w.Code != 403 {
			t.Errorf("%s: %d", who, w.Code)
		}
	}
}

func TestR11_ASampleOnThePages(t *testing.T) {
	o := newOffice(t)
	for seq := range uint64(5) {
		o.seen = append(o.seen, central.Access{Recorder: "rec-1", Seq: seq, At: protocol.T(o.now.Add(-time.Hour)), Kind: protocol.KindView, Access: protocol.Access{How: "playback", Camera: "hal", Person: staff, Reason: "jas kwijt"}})
	}
	v := o.as(officer)
	says(t, v.post("/bureau/steekproeven", "formulier", "trekken", "van", "2026-11-01T00:00", "tot", "2026-11-21T02:00", "aantal", "2"), 400, "Vul in: het startgetal")
	if w := v.post("/bureau/steekproeven", "startgetal", "6 2 5", "van", "2026-11-01T00:00", "tot", "2026-11-21T02:00", "aantal", "2"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, v.get("/bureau"), 200, "steekproef nazien (1)")
	w := v.get("/bureau/steekproeven/1")
	says(t, w, 200, "Opnieuw getrokken dezelfde", "Fatma Yilmaz", "geen toestemming bekend")
	var items []central.Source
	o.book.View(func(st *central.State) { items = st.Sample(1).Items })
	says(t, v.post("/bureau/steekproeven/1", "formulier", "bevinding", "regel", "rec-1 77", "bevinding", "in-order"), 404, "niet bekend")
	for _, i := range items {
		if w := v.post("/bureau/steekproeven/1", "regel", "rec-1 "+strconv.FormatUint(i.Seq, 10), "bevinding", "wrong", "toelichting", "geen aanvraag"); w.Code != 303 {
			t.Fatal(plain(w.Body.String()))
		}
	}
	says(t, v.get("/en/bureau/steekproeven/1"), 200, "not in order: incident geen aanvraag")
	says(t, v.get("/bureau/incidenten"), 200, "bevinding bij een steekproef")
	o.seen = o.seen[1:]
	says(t, v.get("/bureau/steekproeven/1"), 200, "niet dezelfde toegang")
	if w := v.post("/bureau/audits", "wat", "rooster", "wanneer", "2026-11-25"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, v.get("/bureau"), 200, "audit: rooster (1)")
	if w := v.post("/bureau/audits/uitkomst", "audit", "1", "uitkomst", "in orde"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
}

// What anybody told on the public site is among the officer's matters, with how to reach them, and on nobody else's pages.
func TestR25_WhatWasToldIsTheOfficersAlone(t *testing.T) {
	o := newOffice(t)
	o.do(central.Tell{Kind: central.Weakness, Text: "de kast staat open", Contact: "06 12345678"})
	v := o.as(officer)
	says(t, v.get("/bureau"), 200, "melding over de beveiliging (1)")
	says(t, v.get("/bureau/klachten/1"), 200, "web-1", "de kast staat open", "Te bereiken via 06 12345678")
	for _, who := range []protocol.PersonID{admin, registrar, handler, approver, requester, staff} {
		b := o.as(who)
		if w := b.get("/bureau/klachten/1"); w.Code != 403 || strings.Contains(b.get("/bureau").Body.String(), "melding over de beveiliging") {
			t.Errorf("%s: %d", who, w.Code)
		}
	}
}

func TestR27_ComplaintsAreTheOfficersAlone(t *testing.T) {
	o := newOffice(t)
	v := o.as(officer)
	if w := v.post("/bureau/klachten", "soort", "complaint", "kenmerk", "K-1", "ontvangen", "2026-10-01", "tekst", "voelt zich gefilmd"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, v.get("/bureau"), 200, "klacht (1)", "termijn voorbij")
	for _, who := range []protocol.PersonID{admin, registrar, handler, approver, requester, staff} {
		for _, path := range []string{"/bureau/klachten", "/bureau/klachten/1"} {
			if w := o.as(who).get(path); w.Code != 403 {
				t.Errorf("%s on %s: %d", who, path, w.Code)
			}
		}
	}
	if w := v.post("/bureau/klachten/1", "tekst", "masker geplaatst", "sluiten", "ja"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, v.get("/bureau/klachten/1"), 200, "afgesloten", "masker geplaatst", "Kan nu niet")
}

// An auditor reads logs, registers and accesses for a period, and leaves traces; requests, complaints and every form are not theirs.
func TestR29_AnAuditorOnThePages(t *testing.T) {
	o := newOffice(t)
	id := string(o.filed())
	says(t, o.as(admin).post("/bureau/mensen/p-colleague", "rol", "auditor", "geheimhouding", "2026-11-01"), 400, "tot wanneer de auditor meeleest")
	if w := o.as(admin).post("/bureau/mensen/p-colleague", "rol", "auditor", "geheimhouding", "2026-11-01", "auditor-tot", "2026-11-30"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	b := o.as(teammate)
	says(t, b.get("/bureau"), 200, "auditor")
	for _, path := range []string{"/bureau/toegang", "/bureau/logboeken", "/bureau/logboeken/rec-1", "/bureau/vernietiging", "/bureau/cameras/hal", "/bureau/incidenten", "/bureau/steekproeven", "/bureau/inzage"} {
		w := b.get(path)
		if w.Code != 200 || strings.Contains(plain(w.Body.String()), "Aantekening maken") || strings.Count(w.Body.String(), `<form method="post"`) > 1 { // one: to log out
			t.Errorf("%s: %d, or it offers a form", path, w.Code)
		}
	}
	for _, path := range []string{"/bureau/aanvragen/" + id, "/bureau/klachten", "/bureau/betrokkenen", "/bureau/mensen", "/bureau/bewaring"} {
		if w := b.get(path); w.Code != 403 && w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	says(t, o.as(officer).get("/bureau/inzage"), 200, "Kim Smit p-colleague logboek opgehaald rec-1")
	o.now = day(10).Time
	delete(o.sessions, teammate)
	if w := o.as(teammate).get("/bureau/toegang"); w.Code != 403 {
		t.Errorf("after the period: %d", w.Code)
	}
}

func TestR28_AnAdministratorRecordsTraining(t *testing.T) {
	o := newOffice(t)
	b := o.as(admin)
	says(t, b.get("/bureau/opleidingen"), 200, "Hanna Vink p-handler – – nog niet vastgelegd", "leidt de eigen organisatie op")
	says(t, b.post("/bureau/opleidingen", "formulier", "vastleggen", "persoon", "p-handler", "opleiding", "privacy", "gevolgd", "2026-01-10"), 400, "tot wanneer de opleiding geldt")
	if w := b.post("/bureau/opleidingen", "persoon", string(handler), "opleiding", "privacy", "gevolgd", "2025-11-01", "geldig", "2026-11-10"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/opleidingen"), 200, "privacy 1 november 2025 10 november 2026 verlopen")
	says(t, o.as(handler).get("/bureau"), 200, "uw opleiding is verlopen: na deze datum is uw rol niet actief", "10 december 2026")
}

func TestR05_R06_R22_ReportsOnThePages(t *testing.T) {
	o := newOffice(t)
	o.filed()
	o.now = o.now.Add(48 * time.Hour)
	clear(o.sessions) // which are over
	p := hall()
	p.Camera, p.Name = "kelder", "=Kelder"
	o.do(central.RegisterPlacement{By: registrar, PlacementFacts: p})
	o.do(central.Activate{By: registrar, Camera: "kelder"})
	v := o.as(officer)
	says(t, v.get("/bureau/verslagen"), 200, "2026")
	says(t, v.get("/bureau/verslagen/college/2026"), 200, "in gebruik, AVG 2", "vordering 126nda < 5", "Dit jaar is nog niet om")
	says(t, v.get("/en/bureau/verslagen/officer/2026"), 200, "readings by oversight")
	says(t, v.get("/bureau/verwerkingen"), 200, "Hal stadskantoor (hal)", "=Kelder", "college van de gemeente stad", "Politie basisteam", "7 dagen")
	w := v.get("/bureau/verwerkingen?op=2026-11-21")
	says(t, w, 200, "Zoals het was aan het eind van 21 november 2026", "Hal stadskantoor")
	if strings.Contains(w.Body.String(), "Kelder") {
		t.Error("a camera of two days later is in the register as of that day")
	}
	says(t, v.get("/bureau/verwerkingen?op=2027-01-01"), 400, "een dag in het verleden")
	w = v.get("/bureau/verwerkingen.csv")
	if body := w.Body.String(); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") || !strings.Contains(body, "'=Kelder") || strings.Contains(body, "\n=") || !strings.HasPrefix(body, "Camera,Stand,Verantwoordelijke") {
		t.Errorf("%d %s", w.Code, body)
	}
	if w := v.get("/bureau/verslagen/college/2026.csv"); w.Code != 200 || !strings.Contains(w.Body.String(), "vordering 126nda,< 5") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := o.as(registrar).get("/bureau/verslagen/officer/2026"); w.Code != 404 {
		t.Errorf("a registrar on the officer's own report: %d", w.Code)
	}
	says(t, o.as(registrar).get("/bureau/verslagen/college/2026"), 200, "in gebruik")
	for _, who := range []protocol.PersonID{requester, staff, handler} {
		if w := o.as(who).get("/bureau/verwerkingen"); w.Code != 403 {
			t.Errorf("%s: %d", who, w.Code)
		}
	}
}
