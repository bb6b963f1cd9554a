package desk

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// sent is a form that must be taken; it gives where it led.
func (b *browser) sent(path string, pairs ...string) string {
	b.t.Helper()
	w := b.post(path, pairs...)
	if w.Code != 303 {
		b.t.Fatalf("%s: %d %s", path, w.Code, plain(w.Body.String()))
	}
	return w.Header().Get("Location")
}

func (b *browser) hidden(path, name string) string {
	b.t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(b.get(path).Body.String())
	if found == nil {
		b.t.Fatalf("%s has no field %s", path, name)
	}
	return found[1]
}

// A preservation order at the desk: filed, accepted, held longer by two, renewed, taken back and ended.
func TestPreservationOrderAtTheDesk(t *testing.T) {
	o := newOffice(t)
	form := []string{"soort", "bewaren", "camera", "hal", "van", "2026-11-21T00:55", "tot", "2026-11-21T01:05", "artikel", "126ni", "bevoegde", "officier van justitie", "datum", "2026-11-20", "kenmerk", "OM-1", "noodzaak", "onderzoek"}
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", append(form, "stap", "kijken")...), 400, "tot wanneer het bevel geldt")
	path := o.as(requester).sent("/bureau/aanvragen/nieuw", append(form, "geldt-tot", "2026-12-25", "stap", "indienen")...)
	o.confirm("z-1")
	says(t, o.as(requester).get(path), 200, "bewaren op bevel, artikel 126ni Sv", "Het bevel geldt tot", "26 december 2026")
	o.as(handler).sent(path+"/toetsen", "volledig", "ja", "noodzakelijk", "ja", "gezien", "title", "gezien", "paper")
	says(t, o.as(approver).get(path), 200, "Aanvaarden betekent: de beelden blijven bewaard", "Nagegaan: de grond geldt en wie vraagt is daartoe bevoegd; het stuk zelf gezien", "namens het college van burgemeester en wethouders")
	o.as(approver).sent(path+"/beslissen", "besluit", "granted", "motivering", "volledig", "mandaat", "mandaatbesluit 4.2")
	says(t, o.as(approver2).get("/bureau"), 200, "langer bewaren: het bevel gaat verder dan de bewaring")
	says(t, o.as(approver2).get(path), 200, "wordt bewaard", "Bevel aanvaard", "mandaatbesluit 4.2", "Langer bewaren", "Ten hoogste 25 december 2026.")
	says(t, o.as(approver).post(path+"/langer", "formulier", "langer", "dag", "2026-12-26", "reden", "x"), 409, "Niet verder dan")
	says(t, o.as(approver).post(path+"/langer", "formulier", "langer", "dag", "2027-12-25", "reden", "x"), 409, "Niet verder dan 26 december 2026 om 00:00:00: zo ver")
	says(t, o.as(approver).post("/en"+path+"/langer", "formulier", "langer", "dag", "2027-12-25", "reden", "x"), 409, "No further than 26 December 2026 at 00:00:00: so far")
	o.as(approver).sent(path+"/langer", "formulier", "langer", "dag", "2026-12-25", "reden", "het onderzoek loopt")
	says(t, o.as(approver).get(path), 200, "Kan nu niet: Een tweede goedkeurder moet dit ook vragen.")
	says(t, o.as(approver2).get("/bureau"), 200, "tweede handtekening onder langer bewaren")
	says(t, o.as(approver2).get(path), 200, "Een eerste goedkeurder tekende voor 26 december 2026", "Als tweede tekenen")
	o.as(approver2).sent(path+"/langer", "formulier", "langer", "tot", o.as(approver2).hidden(path, "tot"), "reden", "akkoord")
	o.confirm("z-1")
	says(t, o.as(requester).get(path), 200, "getekend door Aad de Boer p-approver", "Ans Mulder p-approver2", "Telt niet meer mee", "Bevel verlengen")
	o.as(requester).sent(path+"/verlengen", "formulier", "verlengen", "kenmerk", "OM-2", "datum", "2026-11-21", "tot-en-met", "2027-01-10")
	says(t, o.as(approver).get(path), 200, "OM-2, 21 november 2026", "tot 11 januari 2027")
	says(t, o.as(officer).get("/bureau/bewaring"), 200, "bevel tot bewaren (art. 126ni Sv)", "twee handtekeningen", "z-1")
	says(t, o.as(requester).post(path+"/terugnemen", "formulier", "terugnemen", "waarom", ""), 400, "waarom u de aanvraag intrekt")
	o.as(requester).sent(path+"/terugnemen", "formulier", "terugnemen", "waarom", "geseponeerd")
	says(t, o.as(approver).get("/bureau"), 200, "ingetrokken: het bewaren beëindigen")
	o.as(approver).sent(path+"/beeindigen", "formulier", "beeindigen", "reden", "taken-back", "motivering", "ingetrokken")
	says(t, o.as(requester).get(path), 200, "afgesloten", "Ingetrokken door de aanvrager", "geseponeerd")
}

// Less than was asked, by its form: a narrower interval, its reason, what the footage may be used for, and the rounded interval approved afterwards.
func TestDecisionInPartAtTheDesk(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	path := "/bureau/aanvragen/" + string(id)
	o.confirm(id)
	o.as(handler).sent(path+"/toetsen", "volledig", "ja", "noodzakelijk", "ja")
	b := o.as(approver)
	says(t, b.get(path), 200, "Deels toekennen", "Een kleiner tijdvak wordt eerst opnieuw bewaard")
	says(t, o.as(handler).upload(path+"/stuk", "stuk", "", "formulier", "stuk", "bewaarplaats", "zaak 12"), 400, "leeg")
	if w := o.as(handler).upload(path+"/stuk", "stuk", "%PDF", "formulier", "stuk", "bewaarplaats", "zaak 12"); w.Code != 303 {
		t.Fatalf("%d %s", w.Code, plain(w.Body.String()))
	}
	says(t, b.get(path), 200, "bewaard in zaak 12", protocol.HashOf([]byte("%PDF")).String())
	form := []string{"besluit", "partly", "motivering", "de eerste minuten volstaan", "akkoord", b.hidden(path, "akkoord"), "deel", "hal", "deel-hal", "kleiner", "van-hal", "2026-11-21T00:55", "tot-hal", "2026-11-21T00:57", "reden-hal", "too-broad",
		"beperking", "onderzoek 7", "mandaat", "mandaatbesluit 4.2", "geraadpleegd", "advies A-3"}
	says(t, b.post(path+"/beslissen", form...), 400, "motivering voor camera hal")
	b.sent(path+"/beslissen", append(form, "motivering-hal", "daarna is de ingang leeg")...)
	says(t, o.as(requester).get(path), 200, "Deels toegekend", "alleen 21 november 2026 van 00:55:00 tot 00:57:00", "er is meer gevraagd dan nodig. daarna is de ingang leeg", "Alleen te gebruiken voor: onderzoek 7", "Privacy officer geraadpleegd: advies A-3", "(mandaatbesluit 4.2)")
	o.confirm(id)
	says(t, b.get(path), 200, "hal: 21 november 2026 van 00:54:40 tot 00:57:40")
	b.sent(path+"/beslissen", "besluit", "granted", "motivering", "afgerond", "akkoord", b.hidden(path, "akkoord"))
	o.released(id)
	says(t, o.as(requester).get(path), 200, "klaar om op te halen", "Alleen te gebruiken voor: onderzoek 7")
}

// Future footage at the desk: asked for a period, decided once, and delivered in parts that are each prepared, approved and fetched.
func TestFutureFootageAtTheDesk(t *testing.T) {
	o := newOffice(t)
	form := []string{"soort", "toekomst", "camera", "hal", "van", "2026-11-21T03:00", "tot", "2026-11-25T03:00", "bevoegde", "officier van justitie", "datum", "2026-11-21", "kenmerk", "OM-1", "noodzaak", "onderzoek"}
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", append(form, "onmiddellijk", "ja")...), 400, "machtiging van de rechter-commissaris")
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", form...), 200, "U vraagt wat er wordt opgenomen", "in delen klaar")
	path := o.as(requester).sent("/bureau/aanvragen/nieuw", append(form, "stap", "indienen")...)
	o.as(handler).sent(path+"/toetsen", "volledig", "ja", "noodzakelijk", "ja")
	o.as(approver).sent(path+"/beslissen", "besluit", "granted", "motivering", "volledig")
	says(t, o.as(requester).get(path), 200, "Toekomstige beelden", "In delen, niet jonger dan een uur.", "De periode loopt tot 25 november 2026")
	o.now = o.now.Add(30 * time.Hour)
	clear(o.sessions)
	says(t, o.as(handler).get("/bureau"), 200, "toekomstige beelden: een deel klaarzetten")
	says(t, o.as(handler).post(path+"/delen", "formulier", "delen", "van", "2026-11-20T03:00", "tot", "2026-11-20T04:00"), 400, "binnen de periode van de vordering")
	o.as(handler).sent(path+"/delen", "formulier", "delen", "van", "2026-11-21T04:00", "tot", "2026-11-21T05:00")
	says(t, o.as(approver).get(path), 200, "Deel 1 goedkeuren", "Kan nu niet: De recorder van camera hal heeft de bewaring nog niet bevestigd.")
	o.confirm("z-1")
	says(t, o.as(approver).get("/bureau"), 200, "toekomstige beelden: een deel goedkeuren")
	o.as(approver).sent(path+"/delen/1/goedkeuren", "formulier", "goedkeuren-1", "akkoord", o.as(approver).hidden(path, "akkoord"))
	grant := o.released("z-1")
	says(t, o.as(requester).get("/bureau"), 200, "deel van toekomstige beelden ophalen")
	says(t, o.as(requester).get(path), 200, "Deel 1 staat klaar om op te halen", "Kan nu niet: Haal eerst de beelden van camera hal op.")
	o.as(requester).sent(path+"/ophalen", "toestemming", string(grant))
	o.book.View(func(st *central.State) {
		if len(st.Request("z-1").Downloads) == 0 {
			t.Log("the bag was not fetched at this step")
		}
	})
	if w := o.as(requester).get(path + "/beelden/" + string(grant) + "/bestand"); w.Code != 200 {
		t.Fatalf("the bag: %d", w.Code)
	}
	o.as(requester).sent(path+"/delen/1/ontvangst", "formulier", "ontvangst-1")
	says(t, o.as(requester).get(path), 200, "Deel 1 overgedragen")
	says(t, o.as(requester).post(path+"/delen/9/ontvangst", "formulier", "ontvangst-9"), 404, "Deel \"9\" is niet bekend.")
}

// After a refusal of a person's request the second approver signs for the term to object, and the officer sees the hold.
func TestR14_ASecondApproverSignsForTheTermToObject(t *testing.T) {
	o := newOffice(t)
	o.do(central.FileSubjectRequest{By: handler, SubjectFacts: central.SubjectFacts{Right: central.RightAccess, Reference: "brief 1", Received: protocol.T(o.now.Add(-time.Hour)), Cameras: []protocol.CameraID{"hal"},
		Asked: protocol.Span(o.now.Add(-2*time.Hour), o.now.Add(-time.Hour)), Description: "rode jas", Representative: central.InPerson}})
	o.do(central.IdentifySubject{By: handler, Request: "b-1", How: central.ByDigiD})
	says(t, o.as(officer).get("/bureau/bewaring"), 200, "verzoek van een betrokkene", "b-1")
	path := "/bureau/betrokkenen/b-1"
	says(t, o.as(approver).get(path), 200, "maak eerst de kopie", "binnen zes weken bezwaar maken bij het college", "Autoriteit Persoonsgegevens")
	o.as(approver).sent(path+"/antwoord", "besluit", "refused", "motivering", "anderen staan centraal", "rechtsmiddelen", "ja")
	says(t, o.as(approver).get(path), 200, "Bezwaar kan tot", "Kan nu niet: Een tweede goedkeurder moet dit ook vragen.")
	says(t, o.as(approver2).get(path), 200, "Als tweede tekenen")
	o.as(approver2).sent(path+"/langer", "formulier", "langer", "tot", o.as(approver2).hidden(path, "tot"), "reden", "bezwaartermijn")
	if body := plain(o.as(approver2).get(path).Body.String()); strings.Contains(body, "tekenen") {
		t.Error("a third signature is asked")
	}
}
