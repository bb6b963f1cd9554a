package desk

import (
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The officer advises against a request; the approver sees it beside the form, goes on with a reason, and it stays there.
func TestR09_AdviceBesideTheDecision(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	path := "/bureau/adviezen/request/" + string(id)
	h := o.as(handler)
	says(t, h.get("/bureau/aanvragen/"+string(id)), 200, "Advies van de privacy officer: nog geen")
	if w := h.post(path+"/vraag", "formulier", "vraag", "vraag", "is dit niet te ruim?"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	v := o.as(officer)
	says(t, v.get("/bureau"), 200, "advies gevraagd over aanvraag (request "+string(id)+")")
	says(t, v.post(path+"/advies", "formulier", "advies", "tekst", "te ruim"), 400, "positief, onder voorwaarden, of negatief")
	if w := v.post(path+"/advies", "oordeel", "against", "tekst", "tien minuten volstaan"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	if w := h.post(path+"/advies", "oordeel", "favourable", "tekst", "prima"); w.Code != 403 {
		t.Errorf("a handler advised: %d", w.Code)
	}
	for _, p := range []protocol.PersonID{requester, teammate} { // it is the municipality's own
		if body := o.as(p).get("/bureau/aanvragen/" + string(id)).Body.String(); strings.Contains(body, "tien minuten") {
			t.Errorf("%s reads the advice", p)
		}
		if w := o.as(p).get(path); w.Code != 403 {
			t.Errorf("%s on the advice: %d", p, w.Code)
		}
	}
	o.confirm(id)
	o.do(central.CheckRequest{By: handler, Request: id, Complete: true, Necessary: true})
	a := o.as(approver)
	says(t, a.get("/bureau/aanvragen/"+string(id)), 200, "negatief: niet doen. tien minuten volstaan", "Waarom gaat u toch door?")
	var rounded string
	o.book.View(func(st *central.State) { rounded = "hal " + st.Request(id).Holds[0].Rounded().String() })
	grant := []string{"besluit", "granted", "motivering", "voldoet", "akkoord", rounded}
	says(t, a.post("/bureau/aanvragen/"+string(id)+"/beslissen", grant...), 409, "De privacy officer adviseert negatief", "schrijf dan op waarom")
	if w := a.post("/bureau/aanvragen/"+string(id)+"/beslissen", append(grant, "ondanks", "de dader kwam eerder")...); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	for _, p := range []protocol.PersonID{approver, officer, handler} {
		says(t, o.as(p).get("/bureau/aanvragen/"+string(id)), 200, "Niet gevolgd door Aad de Boer", "de dader kwam eerder")
	}
	says(t, v.get("/bureau/adviezen"), 200, "niet gevolgd: de dader kwam eerder")
	says(t, v.get("/bureau/verslagen/officer/2026"), 200, "keer een negatief advies niet gevolgd 1")
	says(t, v.get("/en"+path), 200, "Advice on request "+string(id), "against: do not do it")
}

// Draft, advice against, adoption with a reason: what differs is on the page, the text's hash in the register.
func TestR09_R26_TheNextVersionOfAProtocol(t *testing.T) {
	o := newOffice(t)
	r := o.as(registrar)
	says(t, r.get("/bureau/protocollen"), 200, "gebouwen", "Cameraprotocol gebouwen")
	says(t, r.get("/bureau/protocollen/gebouwen/concept"), 200, "Concept van gebouwen, versie 2", "Bewaar eerst een concept van deze versie")
	draft := []string{"formulier", "concept", "titel", "Cameraprotocol gebouwen", "doel", "buildings", "doel", "visitors", "grondslag", "public-task", "termijn", "14", "langste", "60", "kijken", "afterwards", "rol", "handler", "rol", "approver",
		"bekijken", "door de receptie", "verstrekken", "na vordering", "herkenbaar", "gezichten bij de ingang", "beveiliging", "kast op slot", "orgaan", "college"}
	if w := r.post("/bureau/protocollen/gebouwen/concept", draft...); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	v := o.as(officer)
	if body := plain(v.get("/bureau/protocollen/gebouwen/concept").Body.String()); strings.Contains(body, "Vastgesteld op") {
		t.Error("a draft differs in the day of its adoption")
	}
	says(t, v.get("/bureau/protocollen/gebouwen/concept"), 200, "Bewaartermijn 7 dagen 14 dagen", "Kijken live door wie daarvoor is aangewezen, en een kwartier terug alleen achteraf, op aanvraag")
	if w := v.post("/bureau/protocollen/gebouwen/concept", draft...); w.Code != 403 {
		t.Errorf("the officer writes protocols: %d", w.Code)
	}
	if w := v.post("/bureau/adviezen/protocol/gebouwen%20v2/advies", "oordeel", "against", "tekst", "zeven dagen volstond"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	adopt := []string{"formulier", "vaststellen", "vastgesteld", "2026-11-20", "van", "2026-12-20", "herzien", "2028-11-01", "gepubliceerd", "gemeenteblad 2026-9"}
	says(t, r.post("/bureau/protocollen/gebouwen/vaststellen", adopt...), 400, "het bestand met de tekst van het protocol")
	says(t, r.upload("/bureau/protocollen/gebouwen/vaststellen", "tekst", "de tekst", adopt...), 409, "zeven dagen volstond")
	if w := r.upload("/bureau/protocollen/gebouwen/vaststellen", "tekst", "de tekst", append(adopt, "ondanks", "de raad vroeg erom")...); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, o.as(handler).get("/bureau/protocollen/gebouwen"), 200, "versie 2", "Wat er anders is dan in versie 1", "Bewaartermijn 7 dagen 14 dagen", protocol.HashOf([]byte("de tekst")).String())
	says(t, r.get("/bureau/protocollen/gebouwen"), 200, "Advies niet gevolgd, omdat de raad vroeg erom", "Rik Register")
	says(t, r.get("/bureau/protocollen/gebouwen/versie/1"), 200, "versie 1", "Opgevolgd op 20 december 2026")
	if w := r.get("/bureau/protocollen/gebouwen/versie/3"); w.Code != 404 {
		t.Error(w.Code)
	}
}

// R3: who works under a protocol is reminded, reads and acknowledges it; the annex is the register's.
func TestR03_ReadingAProtocolAndItsAnnex(t *testing.T) {
	o := newOffice(t)
	b := o.as(requester)
	says(t, b.get("/bureau"), 200, "lees en bevestig het cameraprotocol (gebouwen)", "termijn 5 december 2026")
	says(t, b.get("/bureau/protocollen"), 200, "nog te doen")
	o.now = o.now.Add(central.ReadingTerm)
	delete(o.sessions, requester)
	b = o.as(requester)
	says(t, b.post("/bureau/aanvragen/nieuw", "stap", "indienen", "camera", "hal", "van", "2026-12-05T01:00", "tot", "2026-12-05T01:10", "artikel", "126nda", "bevoegde", "x", "kenmerk", "PL-1", "noodzaak", "diefstal"), 403, "Lees eerst het cameraprotocol \"Cameraprotocol gebouwen\" (versie 1)")
	says(t, b.get("/bureau/protocollen"), 200, "nodig voordat u iets doet")
	if w := b.post("/bureau/protocollen/gebouwen/gelezen", "versie", "1"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/protocollen/gebouwen"), 200, "door u bevestigd")
	if strings.Contains(plain(b.get("/bureau").Body.String()), "lees en bevestig") {
		t.Error("what was acknowledged still waits")
	}
	if w := b.post("/bureau/aanvragen/nieuw", "stap", "indienen", "camera", "hal", "van", "2026-12-05T01:00", "tot", "2026-12-05T01:10", "artikel", "126nda", "bevoegde", "x", "kenmerk", "PL-1", "noodzaak", "diefstal"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	delete(o.sessions, registrar)
	r := o.as(registrar)
	if strings.Contains(r.get("/bureau/protocollen/gebouwen").Body.String(), "ik handel hiernaar") {
		t.Error("a registrar, who does not act on footage, is asked to acknowledge")
	}
	says(t, r.get("/bureau/protocollen/gebouwen/bijlage"), 200, "hal Hal stadskantoor hoofdingang 51.47930 5.65700 90", "actief")
	says(t, r.get("/bureau/protocollen/gebouwen/bijlage?op=2027-01-01"), 400, "een dag in het verleden")
	if w := r.get("/bureau/protocollen/gebouwen/bijlage.csv?op=2026-11-21"); w.Code != 200 || !strings.Contains(w.Body.String(), "hal,Hal stadskantoor,hoofdingang,51.47930,5.65700,90,") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := r.get("/bureau/protocollen/gebouwen/bijlage?op=2026-11-01"); w.Code != 404 { // before there was any
		t.Error(w.Code, plain(w.Body.String()))
	}
	if w := b.get("/bureau/protocollen/gebouwen/bijlage"); w.Code != 403 { // exact places, whatever is public of them
		t.Errorf("a requester sees the annex: %d", w.Code)
	}
}

// R9 (N:398): the channel to the college has no administrator on it.
func TestR09_ReportingToTheCollege(t *testing.T) {
	o := newOffice(t)
	o.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: staff, Posts: []central.Post{{Role: central.CollegeMember}}, Secrecy: day(-10)}})
	v := o.as(officer)
	if w := v.post("/bureau/college", "onderwerp", "te lang bewaard", "tekst", "het museum"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	c := o.as(staff)
	says(t, c.get("/bureau"), 200, "rapport van de privacy officer (1)")
	says(t, c.get("/bureau/college"), 200, "te lang bewaard", "antwoord voor 5 december 2026")
	if w := c.post("/bureau/college/antwoord", "nummer", "1", "tekst", "wij bekorten"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, v.get("/bureau/college"), 200, "wij bekorten", "Fatma Yilmaz")
	says(t, c.get("/bureau/verslagen/college/2026"), 200, "Verantwoording aan de raad over 2026")
	if w := c.get("/bureau/verslagen/officer/2026"); w.Code != 404 {
		t.Error(w.Code)
	}
	for _, p := range []protocol.PersonID{admin, registrar, approver} {
		if w := o.as(p).get("/bureau/college"); w.Code != 403 {
			t.Errorf("%s reads what the officer reports: %d", p, w.Code)
		}
	}
}

// R19, R31: what an agreement must say is asked; a check is recorded; who is let in is shut out when it ends.
func TestR19_R31_AgreementsOnThePages(t *testing.T) {
	o := newOffice(t)
	b := o.as(admin)
	says(t, b.get("/bureau/organisaties"), 200, "Politie basisteam", "ketenpartner", "geldig")
	fields := []string{"formulier", "afspraak", "eenheid-id", "camerabeheer", "eenheid-naam", "Camerabeheer BV", "soort", "processor", "afspraak", "Verseon 2026-881", "partijen", "gemeente en Camerabeheer", "doelen", "onderhoud", "bijzonder", "geen",
		"informeren", "privacyverklaring", "verwerkingen", "onderhoud aan recorders", "rechten", "via de gemeente", "geldig-van", "2026-01-01", "geldig-tot", "2027-01-01", "herzien", "2026-12-31"}
	w := b.post("/bureau/organisaties", fields...)
	says(t, w, 400, "welke versie van het IBD-model")
	if !strings.Contains(w.Body.String(), "onderhoud aan recorders</textarea>") {
		t.Error("what was typed is gone")
	}
	if w := b.post("/bureau/organisaties", append(fields, "model", "2023")...); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/organisaties/camerabeheer"), 200, "verwerkersovereenkomst", "Verseon 2026-881", "Nog niet nagegaan of de afspraak wordt nagekomen")
	r := o.as(registrar)
	if w := r.post("/bureau/organisaties/camerabeheer/controle", "op", "2026-11-20", "bevinding", "logboek gezien; twee namen ontbreken"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, o.as(officer).get("/bureau/organisaties/camerabeheer"), 200, "niet nagekomen", "twee namen ontbreken")
	if w := r.post("/bureau/organisaties", fields...); w.Code != 403 {
		t.Error(w.Code)
	}
	if w := b.post("/bureau/organisaties/basisteam/einde", "reden", "convenant geschonden"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get("/bureau/organisaties/basisteam"), 200, "geen geldige afspraak", "convenant geschonden")
	if w := o.as(requester).get("/bureau/aanvragen/nieuw"); w.Code != 403 {
		t.Errorf("the unit's people still ask: %d", w.Code)
	}
}

// R26: the registrar publishes the next version of a statement, whose text may be long; the desk lists what has to be looked at again.
func TestR26_PublishingAStatement(t *testing.T) {
	o := newOffice(t)
	r := o.as(registrar)
	says(t, r.get("/bureau/verklaringen"), 200, "privacyverklaring nog niet gepubliceerd", "privacybeleid")
	long := strings.Repeat("Wij gaan zorgvuldig met uw gegevens om, zoals u van ons mag verwachten. ", 500)
	fields := []string{"formulier", "versie", "tekst", long, "orgaan", "college", "vastgesteld", "2026-11-16", "van", "2026-11-20", "herzien", "2027-01-10"}
	says(t, r.upload("/bureau/verklaringen/privacyverklaring", "niets", "", append(fields[:len(fields)-2:len(fields)-2], "herzien", "2032-01-01")...), 400, "binnen vijf jaar")
	if w := r.upload("/bureau/verklaringen/privacyverklaring", "niets", "", fields...); w.Code != 303 {
		t.Fatal(w.Code, plain(w.Body.String()))
	}
	says(t, r.get("/bureau/verklaringen/privacyverklaring"), 200, "college", "16 november 2026", "20 november 2026")
	says(t, r.get("/bureau/herzien"), 200, "privacyverklaring opnieuw bekijken", "voor 10 januari 2027", "registerbeheerder")
	says(t, r.get("/bureau"), 200, "privacyverklaring opnieuw bekijken (privacyverklaring)")
	if w := o.as(officer).upload("/bureau/verklaringen/privacyverklaring", "niets", "", fields...); w.Code != 403 {
		t.Error(w.Code)
	}
	if w := r.get("/bureau/verklaringen/folder"); w.Code != 404 {
		t.Error(w.Code)
	}
}

// A new protocol begins as an unfinished draft, and the register says so.
func TestR03_ANewProtocolBeginsAsADraft(t *testing.T) {
	o := newOffice(t)
	r := o.as(registrar)
	says(t, r.post("/bureau/protocollen", "formulier", "nieuw", "kenmerk", "Museum!", "titel", "Museum", "regime", "AVG"), 400, "kenmerk van het protocol")
	if w := r.post("/bureau/protocollen", "kenmerk", "museum", "titel", "Museum", "regime", "AVG"); w.Code != 303 || w.Header().Get("Location") != "/bureau/protocollen/museum/concept" {
		t.Fatal(w.Code, w.Header())
	}
	says(t, r.get("/bureau/protocollen"), 200, "museum Museum concept")
	says(t, r.get("/bureau/protocollen/museum/concept"), 200, "Concept van museum, versie 1", "Concept bewaren", "Versie vaststellen")
	says(t, r.post("/bureau/protocollen/museum/concept", "formulier", "concept", "titel", "Museum", "termijn", "een week"), 400, "is niet te lezen")
	if w := r.get("/bureau/protocollen/museum"); w.Code != 404 {
		t.Errorf("a draft is a protocol: %d", w.Code)
	}
	says(t, o.as(officer).get("/bureau/protocollen/museum/concept"), 200, "nog geen: vragen of geven")
}
