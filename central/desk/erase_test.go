package desk

import (
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// From the incident to the recorder's word: who may not sign reads why beside the button, or does not find the page; the order stands on the camera's page and in the dossier.
func TestR08_ErasingOnThePages(t *testing.T) {
	o := newOffice(t)
	o.do(central.ReportIncident{By: staff, IncidentFacts: central.IncidentFacts{Nature: "keek naar binnen", Cameras: []protocol.CameraID{"hal"}}})
	path := "/bureau/cameras/hal/wissen"
	for _, p := range []protocol.PersonID{staff, requester, handler, admin} {
		if w := o.as(p).get(path); w.Code != 403 && w.Code != 404 {
			t.Errorf("%s: %d", p, w.Code)
		}
	}
	a := o.as(approver)
	says(t, a.get("/bureau/cameras/hal"), 200, "Onrechtmatige beelden wissen")
	says(t, a.get(path), 200, "Er is niets gewist en niets voorgesteld", "tekenen twee goedkeurders", "Voorstellen")
	at := func(d time.Duration) string { return localInput(o.now.Add(d)) }
	says(t, a.post(path, "formulier", "voorstellen", "van", at(-2*time.Hour), "tot", at(-time.Hour), "grond", "incident", "dossier", "9", "waarom", "woonkamer in beeld"), 404, "Incident \"9\" is niet bekend", "woonkamer in beeld")
	if w := a.post(path, "van", at(-2*time.Hour), "tot", at(-time.Hour), "grond", "incident", "dossier", "1", "waarom", "woonkamer in beeld"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, a.get(path), 200, "wacht op een tweede goedkeurder", "incident: het had niet mogen worden opgenomen", "Een tweede goedkeurder moet dit ook vragen")
	says(t, a.post(path+"/1/tekenen", "formulier", "tekenen-1"), 403, "Een tweede goedkeurder")
	b := o.as(approver2)
	says(t, b.get("/bureau"), 200, "tweede handtekening onder het wissen van onrechtmatige beelden")
	if w := b.post(path + "/1/tekenen"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, b.get(path), 200, "opgedragen; wacht op de recorder")
	says(t, o.as(officer).get("/bureau/incidenten/1"), 200, "Opdrachten tot wissen", "opgedragen; wacht op de recorder")
	if body := plain(o.as(officer).get(path).Body.String()); strings.Contains(body, "Voorstellen") {
		t.Error("the privacy officer is offered to propose")
	}
	var order *central.EraseOrder
	o.book.View(func(st *central.State) { order = st.EraseOrder(1) })
	o.do(central.RecordErased{Source: central.Source{Recorder: "rec-1", Seq: 4711}, Erased: protocol.Erased{Erase: order.Order, Camera: "hal", Asked: order.Interval, Interval: order.Interval, Segments: 60, Bytes: 9}})
	says(t, b.get(path), 200, "vernietigd", "60 stukken", "regel 4711")
	says(t, b.get("/bureau/cameras/hal"), 200, "Opdracht 1", "vernietigd")
	says(t, o.as(officer).get("/en"+path), 200, "Erase unlawful footage", "destroyed", "60 segments")
}
