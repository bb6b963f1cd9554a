package desk

import (
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// From the incident to the recorder that goes on: the privacy officer, and nobody else, finds what happened, what the witness has, and the button; afterwards how it stands, and both logs.
func TestI13_LettingARecorderGoOnOnThePages(t *testing.T) {
	o := newOffice(t)
	const path = "/bureau/logboeken/rec-1/hervatten"
	for _, p := range []protocol.PersonID{staff, requester, handler, approver, admin, registrar} {
		if w := o.as(p).get(path); w.Code != 403 {
			t.Errorf("%s: %d", p, w.Code)
		}
	}
	b := o.as(officer)
	says(t, b.get(path), 200, "Het logboek is nooit hervat", "Kan nu niet", "niet gezien dat het logboek van deze recorder is teruggezet", "41 regels, waarvan 40 ondertekend")
	o.do(central.RecordMisbehaviour{Recorder: "rec-1", Kind: "rollback", Name: "rollback 41", At: protocol.T(o.now), Seen: central.Words{NL: "het is teruggezet", EN: "it was put back"}})
	says(t, b.get("/bureau/incidenten/1"), 200, "Verder laten gaan", "Zoek uit wat er is gebeurd, en laat de recorder verder gaan")
	// A privacy officer reads it in one language, by the clock on the wall, and finds the other incident that the same disk brought.
	o.do(central.RecordMisbehaviour{Recorder: "rec-1", Kind: "fork", Name: "fork 1", At: protocol.T(o.now), Seen: central.Words{NL: "Om 2026-11-22 13:55:58 UTC tekende hij", EN: "At 2026-11-22 13:55:58 UTC it signed"}})
	says(t, b.get("/bureau/incidenten/2"), 200, "Om 22 november 2026 om 14:55:58 tekende hij", "Vaak dezelfde oorzaak", "incident 1: logboek van de recorder is teruggezet")
	says(t, b.get("/en/bureau/incidenten/2"), 200, "At 22 November 2026 at 14:55:58 it signed", "incident 1: the recorder's log was put back")
	if text := plain(b.get("/bureau/incidenten/2").Body.String()); strings.Contains(text, "it signed") || strings.Contains(text, "UTC") {
		t.Error(text)
	}
	o.status.Why = protocol.WhyBehind
	says(t, b.get("/bureau/logboeken"), 200, "hij neemt op, en toont en verstrekt niets tot de privacy officer hem verder laat gaan")
	o.status.Why = ""
	says(t, b.get(path), 200, "incident 1: logboek van de recorder is teruggezet", "verder onder logboek 2", "Er is geen weg terug")
	says(t, b.post(path, "formulier", "hervatten"), 400, "wat er is gebeurd en waarom de recorder verder mag")
	says(t, b.post(path, "formulier", "hervatten", "reden", strings.Repeat("te lang ", 7000)), 400, "Maak de teksten korter")
	if w := b.post(path, "reden", "schijf vervangen door een oude"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get(path), 200, "opgedragen; wacht op de recorder", "Dit is al opgedragen", "schijf vervangen door een oude", "40 regels")
	says(t, b.get("/bureau/incidenten/1"), 200, "opgedragen; wacht op de recorder", "hervatten van het logboek opgedragen")
	var order *central.Order
	o.book.View(func(st *central.State) {
		r := st.Recorder("rec-1")
		order = r.Order(r.Resumptions[0].Number)
	})
	o.now = o.now.Add(time.Minute)
	o.do(central.RecordResumed{Source: central.Source{Recorder: "rec-1", Log: 2, Seq: 42}, Resumed: protocol.Resumed{Log: 2, Document: order.Document}, At: protocol.T(o.now)})
	o.status.Log = 2
	says(t, b.get(path), 200, "ging verder op", "logboek 1", "logboek 2", "verder onder logboek 3", "Kan nu niet", "Deze recorder ging al verder")
	if w := b.post(path, "reden", "voor de zekerheid"); w.Code != 409 {
		t.Errorf("%d: %s", w.Code, plain(w.Body.String()))
	}
	says(t, b.get("/en/bureau/incidenten/1"), 200, "went on at", "recorder went on under a new log", "Went on under a new log")
	says(t, b.get("/bureau/logboeken"), 200, "Verder laten gaan na terugzetten")
	o.do(central.RecordMisbehaviour{Recorder: "rec-1", Kind: "rollback", Name: "rollback 43 (log 2)", Log: 2, At: protocol.T(o.now), Seen: central.Words{NL: "het is teruggezet", EN: "it was put back"}})
	says(t, b.get("/bureau/incidenten/1"), 200, "Ging verder onder een nieuw logboek", "Bekijk wanneer, en op wiens opdracht")
	says(t, b.get("/bureau/incidenten/3"), 200, "tot de privacy officer hem verder laat gaan")
	if text := plain(b.get(path).Body.String()); strings.Contains(text, "Kan nu niet") || !strings.Contains(text, "incident 3: logboek van de recorder is teruggezet") || strings.Contains(text, "incident 1: logboek") {
		t.Error(text)
	}
	for _, number := range []string{"1", "2"} {
		w := b.get("/bureau/logboeken/rec-1?nummer=" + number)
		if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Disposition"), "logboek-rec-1-"+number+".log") {
			t.Errorf("log %s: %d %s", number, w.Code, w.Header())
		}
	}
	for _, number := range []string{"0", "3", "x"} {
		if w := b.get("/bureau/logboeken/rec-1?nummer=" + number); w.Code != 404 {
			t.Errorf("log %s: %d", number, w.Code)
		}
	}
	// Who saw something in the log of before is told apart from who saw something in the other.
	at := protocol.T(o.now)
	o.seen = []central.Access{{Recorder: "rec-1", Seq: 40, At: at, Kind: protocol.KindView}, {Recorder: "rec-1", Log: 2, Seq: 40, At: at, Kind: protocol.KindView}}
	says(t, b.get("/bureau/toegang"), 200, "rec-1, 40", "rec-1, logboek 2, 40")
}
