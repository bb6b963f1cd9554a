package desk

import (
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
)

// Five years after a request was settled nothing of it is to be read any more, and its page says why.
func TestAnErasedDossierSaysSo(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	o.confirm(id)
	o.do(central.CheckRequest{By: handler, Request: id, Complete: true, Necessary: false, Remark: "een foto is er al"})
	o.do(central.DecideRequest{By: approver, Request: id, Outcome: central.Refuses, Reason: central.NotNecessary, Motivation: "een foto is er al"})
	o.now = o.now.AddDate(5, 2, 0)
	clear(o.sessions)
	says(t, o.as(handler).get("/bureau/aanvragen/"+string(id)), 200, "een foto is er al", "de verdachte liep langs de ingang")
	o.do(central.EraseDue{})
	page := ""
	for give := time.Now().Add(20 * time.Second); time.Now().Before(give); time.Sleep(5 * time.Millisecond) {
		page = plain(o.as(handler).get("/bureau/aanvragen/" + string(id)).Body.String())
		if !strings.Contains(page, "foto") {
			break
		}
	}
	says(t, o.as(handler).get("/bureau/aanvragen/"+string(id)), 200, "Dit dossier is gewist op 21 januari 2032 om 02:00:00, grond: bewaartermijn voorbij (5 jaar nadat zij is afgehandeld", "aanvraag ingediend", "besluit genomen")
	if strings.Contains(page, "verdachte") || strings.Contains(page, "foto") {
		t.Errorf("still says %s", page)
	}
	says(t, o.as(handler).get("/bureau/aanvragen"), 200, string(id))
	if w := o.as(handler).post("/bureau/aanvragen/"+string(id)+"/toetsen", "volledig", "ja", "noodzakelijk", "ja"); w.Code != 409 {
		t.Errorf("going on with it: %d %s", w.Code, plain(w.Body.String()))
	}
}
