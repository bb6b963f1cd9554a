package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/centraltest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// TestEveryFieldOfTheDomainIsInTheAPI gives each field of what the domain keeps a value, alone, and expects that it shows; what does not show stands here with the reason.
func TestEveryFieldOfTheDomainIsInTheAPI(t *testing.T) {
	var st central.State
	c := &call{now: start} // of a system of the municipality
	text := func(v any) string {
		b, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, domain := range []struct {
		of   any
		show func(v any) string
		not  map[string]string
	}{
		{central.Placement{PlacementFacts: central.PlacementFacts{Regime: protocol.AVG}}, func(v any) string {
			p := v.(central.Placement)
			return text([]any{c.newPlaatsing(&st, &p), newBesluit(p.Besluit)})
		}, map[string]string{
			"PlacementFacts.Keep": "the window shown is the mandate's, which it has gone into",
			"Mandates":            "documents for the recorder; the window of the last one shows",
			"Proposed":            "between two approvers, at the desk",
			"History":             "names who registered; at the desk",
			"Tests":               "at the desk; whether a measure is taken shows",
			"Confirmed.By":        "a person",
			"Confirmed.Remark":    "at the desk",
			"Confirmed.Last":      "confirmed and right say it",
		}},
		{central.CameraProtocol{}, func(v any) string {
			p := v.(central.CameraProtocol)
			return text(c.newProtocol(&API{}, &st, &p))
		}, nil},
		{central.Unit{}, func(v any) string {
			u := v.(central.Unit)
			return text(newOrganisatie(&u, start))
		}, nil},
		{central.Request{History: []central.Moment{{}}}, func(v any) string {
			r := v.(central.Request)
			return text(newVerzoek(&r, start))
		}, map[string]string{
			"RequestFacts.Purpose":   "of a standing grant to view, which staff ask at the desk",
			"RequestFacts.ViewerKey": "of a standing grant to view, which staff ask at the desk",
			"Check.By":               "who checks is not named",
			"Decision.By":            "who decides is not named",
			"Keeping":                "between two approvers, at the desk",
			"Written.By":             "stands in what happened",
			"Downloads":              "each stands with its bag",
		}},
		{central.Hold{}, func(v any) string {
			h := v.(central.Hold)
			return text(newVerzoek(&central.Request{History: []central.Moment{{}}, Holds: []*central.Hold{&h}}, start))
		}, map[string]string{
			"Heading": "of the order to the recorder", "Number": "of the order to the recorder", "Request": "the one it stands in", "LiftSent": "an order on its way; lifted shows", "At": "shows with what was confirmed",
			"Hold.Heading": "of the order to the recorder; the id shows", "Hold.Request": "the one it stands in",
		}},
		{central.Grant{}, func(v any) string {
			g := v.(central.Grant)
			return text(newVerstrekking(&central.Request{}, &g))
		}, map[string]string{
			"Grant.Heading": "of the order to the recorder; id and end show", "Grant.Regime": "the request's", "Grant.Request": "the one it stands in", "Grant.Use": "always a release here", "Grant.Asked": "the request's",
			"Grant.Purpose": "the request's restriction", "Grant.Requester": "the request's", "Grant.Handler": "who checks is not named", "Grant.Approver": "who decides is not named",
			"Grant.Recipient": "a key of the centre's own", "Number": "of the order to the recorder", "Failed": "it tries again until it is final; then it shows", "Final": "shows with the reason it failed", "At": "shows with what was released",
		}},
	} {
		empty := domain.show(domain.of)
		for _, path := range leaves(reflect.TypeOf(domain.of), nil) {
			name := strings.Join(path, ".")
			excused := false
			for n := range path {
				_, known := domain.not[strings.Join(path[:n+1], ".")]
				excused = excused || known
			}
			v := reflect.New(reflect.TypeOf(domain.of)).Elem()
			v.Set(reflect.ValueOf(domain.of))
			at := v
			for _, step := range path {
				if at.Kind() == reflect.Pointer {
					if at.IsNil() {
						at.Set(reflect.New(at.Type().Elem()))
					}
					at = at.Elem()
				}
				at = at.FieldByName(step)
			}
			fill(at)
			if shows := domain.show(v.Interface()) != empty; !shows && !excused {
				t.Errorf("%T: %s shows nowhere in the API", domain.of, name)
			}
		}
	}
}

// leaves are the paths to all that a structure holds, through structures and pointers to them.
func leaves(t reflect.Type, above []string) (list [][]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[protocol.Time](), reflect.TypeFor[protocol.Interval](), reflect.TypeFor[protocol.Hash](), reflect.TypeFor[central.Moment](), reflect.TypeFor[central.ProtocolRef]():
		return [][]string{above}
	}
	if t.Kind() != reflect.Struct {
		return [][]string{above}
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			list = append(list, leaves(f.Type, append(slices.Clone(above), f.Name))...)
		}
	}
	return list
}

// fill gives a value, of any kind, that is not zero.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case protocol.Time:
		v.Set(reflect.ValueOf(day(1)))
		return
	case protocol.Interval:
		v.Set(reflect.ValueOf(protocol.Span(start, start.Add(time.Minute))))
		return
	case protocol.Hash:
		v.Set(reflect.ValueOf(protocol.HashOf([]byte("x"))))
		return
	case protocol.Regime:
		v.SetString(string(protocol.WPG))
		return
	case central.Article:
		v.SetString("126nda")
		return
	case central.YesNo:
		v.SetString(string(central.Yes))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("iets")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(24 * time.Hour))
	case reflect.Uint64:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	}
}

// TestR08_R18_ASystemSeesItsOwnAndNothingMore: not what another unit asked, not how the municipality runs its cameras, no drafts, no other organisation's agreement, and nobody who checks or decides.
func TestR08_R18_ASystemSeesItsOwnAndNothingMore(t *testing.T) {
	w := newWorld(t)
	w.do(central.RegisterPlacement{By: registrar, PlacementFacts: central.PlacementFacts{Camera: "concept", Name: "Nog niet", Regime: protocol.AVG, Position: central.At(51.4793, 5.657), Place: "kelder", Purposes: []central.Purpose{central.Buildings},
		Subsidiarity: "s", Proportionality: "p", Recorder: "rec-1", Streams: []protocol.StreamID{"main"}, Publication: central.PublishExact, Contact: "14 0000"}})
	var theirs, ours plaatsingLijst
	w.check(w.call(w.police, "GET", "/plaatsingen", "", nil).Read(200, &theirs))
	w.check(w.call(w.reader, "GET", "/plaatsingen", "", nil).Read(200, &ours))
	if theirs.Totaal != 1 || theirs.Plaatsingen[0].Beheer != nil || ours.Totaal != 2 || ours.Plaatsingen[1].Beheer == nil || len(ours.Plaatsingen[1].Beheer.Eigenaren) != 5 {
		t.Errorf("the police see %+v, the municipality %+v", theirs, ours)
	}
	w.problem(w.call(w.police, "GET", "/plaatsingen/concept", "", nil), 404, "unknown")

	var own organisatieLijst
	w.check(w.call(w.police, "GET", "/organisaties", "", nil).Read(200, &own))
	if own.Totaal != 1 || own.Organisaties[0].ID != "basisteam" || !own.Organisaties[0].Geldig || own.Organisaties[0].Doelen != "opsporing" {
		t.Errorf("%+v", own)
	}
	w.problem(w.call(w.police, "GET", "/organisaties/recherche", "", nil), 404, "unknown")

	id := w.file(w.police, requester, w.theft(), once)
	grant := w.handle(id)
	g := w.of(id).Grants[0]
	w.read = []central.Access{{Recorder: "rec-1", Seq: 7, At: day(0), Kind: "release.intent", Access: protocol.Access{How: "release", Grant: grant, Request: id, Camera: "hal", Interval: g.Interval, Person: requester, Level: g.Level}},
		{Recorder: "rec-1", Seq: 8, At: day(0), Kind: "release.intent", Access: protocol.Access{How: "release", Grant: "g-9", Request: "z-9", Camera: "hal", Person: "p-ander", Level: g.Level}}}
	var read toegangLijst
	w.check(w.call(w.police, "GET", "/verzoeken/"+string(id)+"/toegangen", "", nil).Read(200, &read))
	if read.Totaal != 1 || read.Toegangen[0].Regel != 7 || read.Toegangen[0].ZonderGrond != "" && g.Recipient == "" {
		t.Errorf("%+v", read)
	}
	var v verzoek
	a := w.call(w.police, "GET", "/verzoeken/"+string(id), "", nil)
	w.check(a.Read(200, &v))
	if v.Toetsing == nil || v.Toetsing.Opmerking != "teruggebeld" || v.Beslissing == nil || v.Beslissing.Namens == "" || len(v.Beslissing.Goedgekeurd) != 1 || v.Ontvanger != "basisteam" || v.Verstrekkingen[0].Manifest == nil {
		t.Errorf("%s", a.Body)
	}
	if len(v.Verloop) < 4 || v.Verloop[0].Wat != "request.filed" || v.Verloop[0].Medewerker != requester || v.Verloop[0].Systeem != "bvh" {
		t.Errorf("%+v", v.Verloop)
	}
	for _, name := range []protocol.PersonID{handler, approver, admin, registrar} {
		if strings.Contains(string(a.Body), string(name)) {
			t.Errorf("%s is named: %s", name, a.Body)
		}
	}
	for _, path := range []string{"", "/toegangen"} {
		w.problem(w.call(w.other, "GET", "/verzoeken/"+string(id)+path, "", nil), 404, "unknown")
	}
	w.problem(w.call(w.other, "PUT", "/verzoeken/"+string(id), stranger, w.theft()), 404, "unknown")
	w.problem(w.call(w.other, "POST", "/vooruitblikken", requester, w.theft()), 403, "forbidden")
	w.problem(w.call(w.reader, "POST", "/vooruitblikken", requester, w.theft()), 403, "forbidden")
	w.problem(w.call(w.other, "PUT", "/protocollen/gebouwen/versies/1/lezing", requester, nil), 403, "forbidden")
}

// TestTheTwoRegimesAreTwoInTheAPI: another controller, another kind of request, no asking of both at once, and the period of live viewing with the besluit.
func TestTheTwoRegimesAreTwoInTheAPI(t *testing.T) {
	w := newWorld(t)
	w.square()
	var hal, plein plaatsing
	w.check(w.call(w.police, "GET", "/plaatsingen/hal", "", nil).Read(200, &hal))
	w.check(w.call(w.police, "GET", "/plaatsingen/plein", "", nil).Read(200, &plein))
	if !strings.Contains(hal.Verantwoordelijke, "college") || !strings.Contains(plein.Verantwoordelijke, "korpschef") || plein.Grondslag != central.PublicOrder {
		t.Errorf("%s, %s", hal.Verantwoordelijke, plein.Verantwoordelijke)
	}
	var under plaatsingLijst
	w.check(w.call(w.police, "GET", "/plaatsingen?regime=WPG", "", nil).Read(200, &under))
	if under.Totaal != 1 || under.Plaatsingen[0].ID != "plein" {
		t.Errorf("%+v", under)
	}
	release := with(w.theft(), "soort", "wpg-release", "cameras", []string{"plein"})
	delete(release, "artikel")
	delete(release, "bevoegde")
	w.problem(w.call(w.police, "POST", "/vooruitblikken", requester, with(w.theft(), "cameras", []string{"plein"})), 400, "regime")
	w.problem(w.call(w.police, "POST", "/vooruitblikken", requester, with(release, "cameras", []string{"hal"})), 400, "regime")
	w.problem(w.call(w.police, "POST", "/vooruitblikken", requester, with(release, "cameras", []string{"hal", "plein"})), 400, "regime")
	var before vooruitblik
	w.check(w.call(w.police, "POST", "/vooruitblikken", requester, release).Read(200, &before))
	if before.Regime != protocol.WPG || before.Cameras[0].Weg || before.Cameras[0].Verdwijnt.IsZero() {
		t.Errorf("%+v", before)
	}
	if list := w.call(w.police, "GET", "/verzoeken", "", nil); !strings.Contains(string(list.Body), `"totaal":0`) {
		t.Errorf("looking ahead filed something: %s", list.Body)
	}
	var v verzoek
	w.check(w.call(w.police, "GET", "/verzoeken/"+string(w.file(w.police, requester, release, once)), "", nil).Read(200, &v))
	if v.Regime != protocol.WPG || v.Bewaringen[0].Grond != protocol.GroundRequest || v.Bewaringen[0].TeLaat {
		t.Errorf("%+v", v)
	}
	w.later(central.HoldAlarm)
	w.check(w.call(w.police, "GET", "/verzoeken/"+string(v.ID), "", nil).Read(200, &v))
	if !v.Bewaringen[0].TeLaat {
		t.Error("a hold that no recorder confirmed is not late")
	}
}

// square puts a camera of the other regime into use.
func (w *world) square() {
	w.t.Helper()
	w.do(central.AdoptProtocol{By: registrar, CameraProtocol: central.CameraProtocol{ID: "plein", Version: 1, Title: "Cameraprotocol openbare orde", Regime: protocol.WPG, Purposes: []central.Purpose{central.StreetSafety},
		Bases: []central.Basis{central.PublicOrder}, Window: protocol.Window(7 * 24 * time.Hour), LongestHold: protocol.Window(28 * 24 * time.Hour), Form: central.ViewLive, Roles: central.ProtocolUsers,
		Viewing: "door de politie", Release: "door de politie", Recognisability: "herkenbaar", Security: "kast", AdoptedBy: "burgemeester", AdoptedOn: day(-30), Published: "gemeenteblad 2026-2", ValidFrom: day(-30),
		Review: day(700), Document: protocol.HashOf([]byte("protocol plein"))}})
	w.do(central.RegisterPlacement{By: registrar, PlacementFacts: centraltest.Ready(central.PlacementFacts{Camera: "plein", Name: "Plein", Regime: protocol.WPG, Position: central.At(51.48, 5.66), Place: "markt", Direction: 10,
		Purposes: []central.Purpose{central.StreetSafety}, Subsidiarity: "toezicht volstaat niet", Proportionality: "alleen de markt",
		Besluit: central.Besluit{Reference: "B-2026-15", Date: day(-20), ValidFrom: day(-10), ValidUntil: day(300), Body: "burgemeester", Area: "markt", Published: "gemeenteblad", Prosecutor: day(-21), LiveFrom: day(-10),
			LiveUntil: day(300), Evaluate: day(200)},
		Protocol: central.ProtocolRef{ID: "plein", Version: 1}, Sign: central.Sign{Placed: day(-5)}, Recorder: "rec-1", Streams: []protocol.StreamID{"main"}, Publication: central.PublishExact, Contact: "14 0000"})})
	w.do(central.Activate{By: registrar, Camera: "plein"})
}

// TestARepeatedChangeChangesNothing: an amendment that was sent again after a lost answer leaves the check as it is, and a repeated fetching is one.
func TestARepeatedChangeChangesNothing(t *testing.T) {
	w := newWorld(t)
	body := with(w.theft(), "noodzaak", "de verdachte liep twee keer langs de ingang")
	id := w.file(w.police, requester, w.theft(), once)
	path := "/verzoeken/" + string(id)
	if a := w.call(w.police, "PUT", path, requester, body); a.Status != 200 {
		t.Fatalf("%s", a.Body)
	}
	w.confirm(id, w.of(id).Holds[0])
	w.do(central.CheckRequest{By: handler, Request: id, Complete: true, Necessary: true})
	w.later(time.Minute)
	if a := w.call(w.police, "PUT", path, requester, body); a.Status != 200 || !strings.Contains(string(a.Body), `"stand":"checked"`) {
		t.Errorf("%s", a.Body)
	}
	if a := w.call(w.police, "PUT", path, requester, with(body, "kenmerk", "PL-2")); a.Status != 200 || !strings.Contains(string(a.Body), `"stand":"filed"`) {
		t.Errorf("a change left the check standing: %s", a.Body)
	}
	bag := path + "/verstrekkingen/" + string(w.again(id))
	var first, second ophaling
	w.check(w.call(w.police, "POST", bag+"/ophalingen", requester, nil).Read(201, &first))
	w.later(10 * time.Minute)
	w.check(w.call(w.police, "POST", bag+"/ophalingen", requester, nil).Read(201, &second))
	if second != first || len(w.of(id).Downloads) != 1 {
		t.Errorf("%+v and %+v, %d recorded", first, second, len(w.of(id).Downloads))
	}
	w.check(w.call(w.police, "POST", bag+"/ophalingen", colleague, nil).Read(201, &second))
	w.later(central.FetchTerm)
	w.check(w.call(w.police, "POST", bag+"/ophalingen", requester, nil).Read(201, &second))
	if len(w.of(id).Downloads) != 3 || !second.Tot.After(first.Tot.Time) {
		t.Errorf("%d recorded, until %s", len(w.of(id).Downloads), second.Tot)
	}
}

// again checks, grants and releases what a recorder has confirmed already.
func (w *world) again(id protocol.RequestID) protocol.GrantID {
	w.t.Helper()
	w.do(central.CheckRequest{By: protocoltest.Handler, Request: id, Complete: true, Necessary: true})
	w.do(central.DecideRequest{By: approver, Request: id, Outcome: central.Grants, Reason: central.Complies, Motivation: "voldoet", Approved: []central.Approved{{Camera: "hal", Interval: w.of(id).Holds[0].Rounded()}}})
	return w.release(id)
}

// TestWhoMustReadFirstIsTold, and can say so through the system.
func TestWhoMustReadFirstIsTold(t *testing.T) {
	w := newWorld(t)
	w.later(central.ReadingTerm)
	w.problem(w.call(w.police, "POST", "/verzoeken", requester, w.theft(), "Idempotency-Key", once), 403, "unread")
	unread := func() (n int) {
		var list medewerkerLijst
		w.check(w.call(w.police, "GET", "/medewerkers", "", nil).Read(200, &list))
		for _, m := range list.Medewerkers {
			if m.ID == requester {
				n = len(m.TeLezen)
			}
		}
		return n
	}
	if unread() != 1 {
		t.Error("nothing to read")
	}
	var p cameraprotocol
	w.check(w.call(w.police, "GET", "/protocollen/gebouwen/versies/1", "", nil).Read(200, &p))
	if p.Verstrekken == "" || p.Lezers != 0 || !strings.HasSuffix(p.Bijlage, "/v1/plaatsingen?protocol=gebouwen&versie=1") {
		t.Errorf("%+v", p)
	}
	w.check(w.call(w.police, "PUT", "/protocollen/gebouwen/versies/1/lezing", requester, nil).Read(200, &lezing{}))
	if unread() != 0 {
		t.Error("still to read")
	}
	w.file(w.police, requester, w.theft(), once)
	w.check(w.call(w.reader, "GET", "/protocollen/gebouwen/versies/1", "", nil).Read(200, &p))
	if p.Gelezen != 1 || p.Lezers < 2 {
		t.Errorf("%d of %d have read it", p.Gelezen, p.Lezers)
	}
}

// TestAcceptIsHonoured: who takes something else is told so, in problem+json all the same.
func TestAcceptIsHonoured(t *testing.T) {
	w := newWorld(t)
	for accept, status := range map[string]int{"": 200, "*/*": 200, "application/json": 200, "application/*;q=0.5, text/html": 200, "text/html, */*;q=0.1": 200, "text/html": 406, "application/json;q=0, */*": 406, "application/problem+json": 406, ";": 406} {
		headers := []string{"Accept", accept}
		if accept == "" {
			headers = nil
		}
		a := w.plain("GET", "/v1/fouten", headers...)
		if a.Status != status {
			t.Errorf("%q: %d, want %d", accept, a.Status, status)
		}
		if status == 406 {
			w.problem(a, 406, "not-acceptable")
		}
	}
}

// TestAnErasedRequestIsNotThere: nothing says any more whose it was, also while the ledger is still reading itself anew.
func TestAnErasedRequestIsNotThere(t *testing.T) {
	w := newWorld(t)
	id := w.file(w.police, requester, w.theft(), once)
	w.confirm(id, w.of(id).Holds[0])
	w.do(central.CheckRequest{By: handler, Request: id, Complete: true, Necessary: false, Remark: "te ruim"})
	w.do(central.DecideRequest{By: approver, Request: id, Outcome: central.Refuses, Reason: central.TooBroad, Motivation: "te ruim gevraagd"})
	w.later(12 * 365 * 24 * time.Hour)
	w.agree("basisteam", protocol.T(w.clock().AddDate(1, 0, 0)))
	w.do(central.EraseDue{})
	for _, path := range []string{"", "/toegangen"} {
		w.problem(w.call(w.police, "GET", "/verzoeken/"+string(id)+path, "", nil), 404, "unknown")
	}
	w.problem(w.call(w.police, "PUT", "/verzoeken/"+string(id), requester, w.theft()), 404, "unknown")
	if a := w.call(w.police, "GET", "/verzoeken", "", nil); !strings.Contains(string(a.Body), `"totaal":0`) {
		t.Errorf("%s", a.Body)
	}
}
