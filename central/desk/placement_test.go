package desk

import (
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// did posts a form that must succeed.
func (b *browser) did(path string, pairs ...string) {
	b.t.Helper()
	if w := b.post(path, pairs...); w.Code != 303 {
		b.t.Fatalf("%s: %d: %s", path, w.Code, plain(w.Body.String()))
	}
}

func TestR12_ADPIAFromRecordingToAdvice(t *testing.T) {
	o := newOffice(t)
	r := o.as(registrar)
	says(t, r.get("/bureau/dpia"), 200, "Camera's in en om gebouwen", "Minimale maatregelen bij een score", "N:474", "nu (standaard)", "geldig")
	ask := []string{"formulier", "dpia", "titel", "Balies", "bewaard", "Z-9", "datum", "2026-11-01", "score", "15", "herzien", "2028-11-01"}
	w := r.post("/bureau/dpia", append(ask, "id", "Balie Één")...)
	says(t, w, 400, "kenmerk van de DPIA")
	if !strings.Contains(w.Body.String(), `value="Balies"`) {
		t.Error("what was typed is gone")
	}
	r.did("/bureau/dpia", append(ask, "id", "balie")...)
	says(t, r.get("/bureau/dpia/balie"), 200, "wacht op advies", "Tot dan kan geen camera hierop in gebruik", "beeldkwaliteit ten hoogste 62 px/m")
	v := o.as(officer)
	says(t, v.get("/bureau"), 200, "advies op DPIA")
	says(t, v.get("/bureau/dpia/balie"), 200, "Moet er een DPIA worden uitgevoerd?", "mag de verwerking doorgaan?")
	answers := []string{"formulier", "advies", "vraag-1", "ja", "vraag-2", "model", "vraag-3", "zelf", "vraag-4", "afschermen"}
	says(t, v.post("/bureau/dpia/balie", answers...), 400, "mag de verwerking doorgaan?", "afschermen")
	v.did("/bureau/dpia/balie", append(answers, "vraag-5", "ja, ga door")...)
	says(t, r.get("/en/bureau/dpia/balie"), 200, "ja, ga door", "Which safeguards must be built in?", "Vera Grijs")
	if w := r.post("/bureau/dpia/balie", answers...); w.Code != 403 {
		t.Errorf("a registrar advises: %d", w.Code)
	}
	for _, who := range []protocol.PersonID{requester, staff, handler, admin} {
		if w := o.as(who).get("/bureau/dpia"); w.Code != 403 {
			t.Errorf("%s: %d", who, w.Code)
		}
	}
	// The municipality's own table.
	says(t, r.post("/bureau/dpia/maatregelen", "formulier", "maatregelen", "besluit", "B-9", "vanaf", "2026-11-01", "vanaf-masks", "veel"), 400, "niet te lezen")
	r.did("/bureau/dpia/maatregelen", "formulier", "maatregelen", "besluit", "B-9", "vanaf", "2026-11-01", "vanaf-masks", "3", "vanaf-window-7", "12")
	says(t, r.get("/bureau/dpia"), 200, "B-9", "nu, sinds 1 november 2026", "standaard, nu niet")
}

func TestR23_AllCamerasOfARecorderOnOneScreen(t *testing.T) {
	o := newOffice(t)
	p := hall()
	p.Camera, p.Name, p.BAG = "kelder", "Kelder", "0794100000001234"
	o.do(central.RegisterPlacement{By: registrar, PlacementFacts: p})
	o.do(central.Activate{By: registrar, Camera: "kelder"})
	r := o.as(registrar)
	says(t, r.get("/bureau/herbevestigen"), 200, "Recorder rec-1 2 0 0 0 0", "Gebouw 0794100000001234 1", "Nog nooit herbevestigd", "Hal stadskantoor", "Kelder")
	says(t, r.get("/bureau/herbevestigen?gebouw=0794100000001234"), 200, "Kelder", "Herbevestigen vóór 21 november 2027")
	if strings.Contains(plain(r.get("/bureau/herbevestigen?gebouw=0794100000001234").Body.String()), "Hal stadskantoor") {
		t.Error("a building shows a camera that is elsewhere")
	}
	o.now = o.now.AddDate(1, 0, 1)
	clear(o.sessions)
	r = o.as(registrar)
	says(t, r.get("/bureau"), 200, "camera's herbevestigen: 2")
	says(t, r.get("/bureau/herbevestigen"), 200, "te laat", "een jaar niet nodig geweest", "Waarom is hij nog nodig")
	w := r.post("/bureau/herbevestigen?recorder=rec-1", "camera", "hal", "camera", "kelder", "oordeel-hal", "klopt", "opmerking-hal", "aangifte in mei", "oordeel-kelder", "klopt")
	says(t, w, 400, "waarom camera kelder nog nodig is", "Kelder")
	if !strings.Contains(w.Body.String(), `value="aangifte in mei"`) {
		t.Error("what was typed is gone")
	}
	r.did("/bureau/herbevestigen?recorder=rec-1", "camera", "hal", "camera", "kelder", "oordeel-hal", "klopt", "opmerking-hal", "aangifte in mei", "oordeel-kelder", "klopt-niet", "opmerking-kelder", "hangt er niet meer")
	says(t, r.get("/bureau/herbevestigen?recorder=rec-1"), 200, "klopt (aangifte in mei)", "klopt niet (hangt er niet meer)")
	says(t, r.get("/bureau/cameras/kelder"), 200, "klopt niet", "hangt er niet meer", "te laat")
	says(t, r.get("/en/bureau"), 200, "correct the details of cameras: 1")

	// Staff see and confirm the cameras assigned to them; the officer sees all, and says nothing of them.
	s := o.as(staff)
	if body := plain(s.get("/bureau/herbevestigen").Body.String()); !strings.Contains(body, "Hal stadskantoor") || strings.Contains(body, "Kelder") {
		t.Errorf("staff: %s", body)
	}
	says(t, s.post("/bureau/herbevestigen", "camera", "kelder", "oordeel-kelder", "klopt"), 403, "niet aan u toegewezen")
	v := o.as(officer)
	if body := v.get("/bureau/herbevestigen").Body.String(); !strings.Contains(body, "Kelder") || strings.Contains(body, "oordeel-") {
		t.Error("the officer is asked to confirm")
	}
	if w := v.post("/bureau/herbevestigen", "camera", "hal", "oordeel-hal", "klopt"); w.Code != 403 {
		t.Errorf("the officer confirms: %d", w.Code)
	}
}

func TestR04_ShorteningAWindowTakesTwoApprovers(t *testing.T) {
	o := newOffice(t)
	a := o.as(approver)
	ask := []string{"protocol", "gebouwen v1", "bewaren", "3", "waarom", "drie dagen volstaat"}
	says(t, a.get("/bureau/cameras/hal"), 200, "Korter bewaren vraagt twee goedkeurders")
	says(t, a.post("/bureau/cameras/hal/bewaartermijn", "protocol", "gebouwen v1", "bewaren", "veertig", "waarom", "x"), 400, "hele dagen")
	says(t, o.as(registrar).post("/bureau/cameras/hal/bewaartermijn", ask...), 403, "Dit mag alleen een goedkeurder")
	a.did("/bureau/cameras/hal/bewaartermijn", ask...)
	says(t, a.post("/bureau/cameras/hal/bewaartermijn", ask...), 403, "Een tweede goedkeurder moet dit ook vragen.")
	w := o.as(approver2).get("/bureau/cameras/hal")
	says(t, w, 200, "stelde voor: gebouwen v1, 3 dagen (drie dagen volstaat)")
	if !strings.Contains(w.Body.String(), `id="w-bewaren" name="bewaren" value="3"`) {
		t.Error("the second approver's form does not begin with what the first one asked")
	}
	o.as(approver2).did("/bureau/cameras/hal/bewaartermijn", ask...)
	says(t, o.as(registrar).get("/bureau/cameras/hal"), 200, "beelden blijven 3 dagen (korter dan het protocol: 7 dagen)", "protocol of bewaartermijn gewijzigd")
	o.as(registrar).did("/bureau/cameras/hal/bewaartermijn", "protocol", "gebouwen v1", "bewaren", "", "waarom", "onderzoek")
	says(t, o.as(registrar).get("/bureau/cameras/hal"), 200, "beelden blijven 7 dagen")
}

// What a mandate rests on does not change by amending a camera in use; the rest does, unless it would lack something.
func TestR12_ACameraInUseIsPutRightOnThePages(t *testing.T) {
	o := newOffice(t)
	r := o.as(registrar)
	form := r.get("/bureau/cameras/hal/aanpassen").Body.String()
	for _, want := range []string{`value="Hal stadskantoor"`, "de straat buiten", `value="observe" checked`, `value="camera-s" selected`, `value="kast 1, stadskantoor"`} {
		if !strings.Contains(form, want) {
			t.Errorf("the form does not begin with %s", want)
		}
	}
	for _, not := range []string{`name="regime"`, `name="doel"`, `name="besluit"`, `name="geluid"`, `name="recorder"`} {
		if strings.Contains(form, not) {
			t.Errorf("the form asks %s of a camera in use", not)
		}
	}
	fields := []string{"naam", "Hal west", "plaats", "zijingang", "breedte", "51.4793", "lengte", "5.657", "richting", "270", "subsidiariteit", "x", "proportionaliteit", "x", "openbaar", "exact", "contact", "14 0000",
		"kwaliteit", "observe", "dpia", "camera-s", "personeel", "no", "selectie", "20.1.2", "rasci-r", "teammanager", "rasci-s", "beveiliging", "rasci-c", "officer", "rasci-i", "raad", "opslag-land", "NL", "opslag-plaats", "kast 1",
		"type", "dome", "bevestiging", "ceiling", "hoogte", "310", "beeldvlak", "51.1 5.1\n51,2; 5,1\n51.2 5.2", "slim", "counting", "slim-reden", "drukte meten"}
	w := r.post("/bureau/cameras/hal/aanpassen", fields...)
	says(t, w, 409, "Leg vast wat in beeld is afgeschermd")
	if !strings.Contains(w.Body.String(), `value="Hal west"`) {
		t.Error("what was typed is gone")
	}
	r.did("/bureau/cameras/hal/aanpassen", append(fields, "maskers", "het kantoor")...)
	says(t, r.get("/bureau/cameras/hal"), 200, "Hal west actief", "kijkt naar 270°", "B-2026-14", "310 cm", "plafond", "51.1 5.1; 51.2 5.1; 51.2 5.2", "mensen tellen: drukte meten", "R – ambtelijk verantwoordelijk teammanager", "kast 1 (NL)")
	o.book.View(func(st *central.State) {
		if p := st.Placement("hal"); p.Status != central.Active || len(p.Purposes) != 2 || p.Besluit != hall().Besluit || len(p.Mandates) != 1 {
			t.Errorf("%+v", p)
		}
	})
	// A revised DPIA without advice: it stays in use, and shows what is missing to who can mend it.
	o.do(central.RecordDPIA{By: registrar, DPIA: central.DPIA{ID: "camera-s", Title: "Camera's", Reference: "Z-2", Date: day(0), Score: 15, Review: day(900)}})
	says(t, r.get("/bureau/cameras/hal"), 200, "actief", "Nog niet op orde", "nog niet geadviseerd over DPIA camera-s", "Vereist: wat niet gezien hoeft te worden is afgeschermd ja", "Vereist: de maatregelen zijn het afgelopen jaar getoetst en in orde nog niet")
}

func TestR15_ASignWithItsPhoto(t *testing.T) {
	o := newOffice(t)
	r := o.as(registrar)
	says(t, r.upload("/bureau/cameras/hal/bord", "foto", "beeld van het bord", "geplaatst", "2026-11-19"), 400, "foto van het bord en waar die wordt bewaard")
	if w := r.upload("/bureau/cameras/hal/bord", "foto", "beeld van het bord", "geplaatst", "2026-11-19", "foto-waar", "Z-2026-77"); w.Code != 303 {
		t.Fatal(plain(w.Body.String()))
	}
	says(t, r.get("/bureau/cameras/hal"), 200, "geplaatst op 19 november 2026", "foto: Z-2026-77")
	o.book.View(func(st *central.State) {
		if s := st.Placement("hal").Sign; s.Photo != protocol.HashOf([]byte("beeld van het bord")) {
			t.Errorf("%+v", s)
		}
	})
}

func TestWpgLivePeriodOnThePages(t *testing.T) {
	o := newOffice(t)
	rules, p := buildings(), hall()
	p.Camera, p.Name, p.Regime, p.Purposes, p.Protocol = "plein", "Plein noord", protocol.WPG, []central.Purpose{central.StreetSafety}, central.ProtocolRef{ID: "straat", Version: 1}
	rules.ID, rules.Regime, rules.Purposes, rules.Bases = "straat", protocol.WPG, p.Purposes, []central.Basis{central.PublicOrder}
	o.do(central.AdoptProtocol{By: registrar, CameraProtocol: rules})
	o.do(central.RegisterPlacement{By: registrar, PlacementFacts: p})
	r := o.as(registrar)
	says(t, r.get("/bureau/cameras/plein"), 200, "Kan nog niet: Leg bij het besluit van de burgemeester het gebied vast, en de dag van overleg")
	ask := []string{"live-besluit", "BM-5", "live-van", "2026-11-22", "live-tot", "2026-12-22"}
	says(t, r.post("/bureau/cameras/plein/live", ask...), 400, "de dag van overleg met de officier van justitie")
	r.did("/bureau/cameras/plein/live", append(ask, "live-ovj", "2026-11-10")...)
	says(t, r.get("/bureau/cameras/plein"), 200, "Live meekijken tot 22 december 2026", "periode van live meekijken vastgesteld: BM-5", "begint op te nemen")
	says(t, r.post("/bureau/cameras/hal/live", append(ask, "live-ovj", "2026-11-10")...), 400, "Alleen voor een camera voor de openbare orde")
}

func TestR30_AControlTestOnThePages(t *testing.T) {
	o := newOffice(t)
	v := o.as(officer)
	says(t, v.get("/bureau/cameras/hal"), 200, "Een maatregel toetsen")
	says(t, v.post("/bureau/cameras/hal/toets", "maatregel", "masks", "getoetst", "2026-11-20", "uitkomst", "nee"), 400, "hoe is getoetst")
	v.did("/bureau/cameras/hal/toets", "maatregel", "masks", "getoetst", "2026-11-20", "uitkomst", "nee", "bevinding", "masker verschoven")
	says(t, v.get("/bureau/cameras/hal"), 200, "20 november 2026, niet in orde: masker verschoven", "Nog niet op orde", "vraagt: wat niet gezien hoeft te worden is afgeschermd")
	if w := o.as(staff).post("/bureau/cameras/hal/toets", "maatregel", "masks", "getoetst", "2026-11-20", "uitkomst", "ja", "bevinding", "x"); w.Code != 403 {
		t.Errorf("staff: %d", w.Code)
	}
}
