package desk

import (
	"net/url"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// R2 (V:55): there is no way to ask footage for judging staff; whoever tries is told why.
func TestR02_NoWayToAskForJudgingStaff(t *testing.T) {
	o := newOffice(t)
	b := o.as(staff)
	for _, path := range []string{"/bureau/aanvragen/nieuw", "/bureau/meekijken"} {
		body := b.get(path).Body.String()
		for _, option := range []string{`value="judging-staff"`, `value="personeel"`, `value="other"`} {
			if strings.Contains(body, option) {
				t.Errorf("%s offers %s", path, option)
			}
		}
		if !strings.Contains(plain(body), "nadrukkelijk niet bedoeld") {
			t.Errorf("%s does not say why it is not there", path)
		}
	}
	says(t, b.post("/bureau/meekijken", "doel", "judging-staff", "camera", "hal", "kenmerk", "x", "noodzaak", "functioneren van een medewerker", "tot", "2026-12-01", "sleutel", "p256:x"), 400, "nadrukkelijk niet bedoeld als controlemiddel op het functioneren van personeelsleden")
	says(t, o.as(requester).post("/bureau/aanvragen/nieuw", append(theft, "doel", "judging-staff", "stap", "indienen")...), 400, "nadrukkelijk niet bedoeld als controlemiddel")
}

// R32 (V:43, V:67): beside every form is the way of telephone and paper, logged in or not.
func TestR32_TelephoneAndPaperBesideEveryForm(t *testing.T) {
	o := newOffice(t)
	id := string(o.filed())
	pages := map[protocol.PersonID][]string{
		"":        {"/bureau/inloggen", "/bureau/uitnodiging", "/en/bureau/inloggen"},
		requester: {"/bureau/aanvragen/nieuw", "/bureau/aanvragen/" + id, "/bureau/aanvragen/" + id + "/wijzigen", "/bureau/protocollen/gebouwen", "/bureau/incidenten/melden"},
		handler:   {"/bureau/aanvragen/" + id, "/bureau/betrokkenen", "/bureau/adviezen/request/" + id},
		staff:     {"/bureau/meekijken", "/bureau/aanvragen/nieuw"},
		registrar: {"/bureau/cameras/nieuw", "/bureau/cameras/hal", "/bureau/protocollen/gebouwen/concept", "/bureau/verklaringen/privacyverklaring"},
		officer:   {"/bureau/klachten", "/bureau/steekproeven", "/bureau/inzage", "/bureau/college"},
		admin:     {"/bureau/mensen", "/bureau/organisaties", "/bureau/recorders"},
	}
	for who, list := range pages {
		b := &browser{office: o}
		if who != "" {
			b = o.as(who)
		}
		for _, path := range list {
			w := b.send("GET", path, url.Values(nil))
			body := w.Body.String()
			main, footer, _ := strings.Cut(body, "<footer")
			if w.Code != 200 || !strings.Contains(main, "<form") {
				t.Errorf("%s on %s: %d, no form", who, path, w.Code)
			}
			if !strings.Contains(footer, "14 0000") || !strings.Contains(footer, "Postbus 950, Stad") {
				t.Errorf("%s: no telephone or post beside the form", path)
			}
		}
	}
}
