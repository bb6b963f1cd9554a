package desk

import (
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The start page says that mail is off, each person chooses what they get, and what a mail would say the page says.
func TestMailAboutYourWork(t *testing.T) {
	o := newOffice(t)
	v := o.as(staff)
	says(t, v.get("/bureau"), 200, "De mail staat uit: kijk hier zelf")
	says(t, v.get("/bureau/berichten"), 200, "er is geen mailserver ingesteld", "een overzicht van wat nieuw is")
	says(t, v.post("/bureau/berichten/adres", "formulier", "adres", "adres", "portier\r\nBcc: x@y"), 400, "zoals naam@gemeente.nl")
	if w := v.post("/bureau/berichten/adres", "formulier", "adres", "adres", "portier@stad.example"); w.Code != 303 || o.identity.Email(staff) != "portier@stad.example" {
		t.Error(w.Code, o.identity.Email(staff))
	}
	if w := v.post("/bureau/berichten", "formulier", "keuze", "overzicht", "ja"); w.Code != 303 {
		t.Error(plain(w.Body.String()))
	}
	if w := v.get("/bureau/berichten"); strings.Count(w.Body.String(), "checked") != 1 {
		t.Error("the choice does not show")
	}
	a := o.as(approver)
	says(t, a.post("/bureau/berichten", "formulier", "keuze", "overzicht", "ja"), 403, "In uw rol krijgt u dringende zaken altijd meteen")
	says(t, a.get("/bureau/berichten"), 200, "In uw rol")

	id := o.filed()
	o.confirm(id)
	o.decided(id)
	for _, p := range []protocol.PersonID{handler, approver, approver2, officer, requester, teammate, registrar, admin, staff} {
		var m central.Mail
		o.book.View(func(s *central.State) { m, _ = s.DueMail(p, o.now.Add(time.Hour), o.now.Add(time.Hour)) })
		page := o.as(p).get("/bureau").Body.String()
		for _, task := range m.Tasks {
			if task.Request != nil && !strings.Contains(page, "/bureau/aanvragen/"+string(task.Request.ID)) || task.Camera != nil && !strings.Contains(page, task.Camera.Name) {
				t.Errorf("%s is mailed %s, and the start page does not say so", p, task.Once())
			}
		}
		if p == requester && len(m.Tasks) == 0 {
			t.Error("the requester is not told of the decision")
		}
	}
	says(t, o.as(requester).get("/bureau"), 200, "Pas besloten", ": besloten: toegekend, 21 november 2026")
}
