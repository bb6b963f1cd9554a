package api

import (
	"cmp"
	"encoding/json" // the document is read by another reader than the one that wrote it
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/api/apitest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// described is the document as somebody else reads it.
type described struct {
	t     testing.TB
	doc   map[string]any
	calls map[string]int // by operationId
}

func (w *world) described() *described {
	a := w.plain("GET", "/v1/openapi.json")
	d := &described{t: w.t, calls: map[string]int{}}
	if a.Status != 200 {
		w.t.Fatal(a.Status)
	}
	w.check(json.Unmarshal(a.Body, &d.doc))
	return d
}

func in(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

// holds checks an answer against the document: its operation, its status, its media type, its headers, its schema.
func (d *described) holds(a *apitest.Answer) {
	d.t.Helper()
	method, path, _ := strings.Cut(a.What, " ")
	path, _, _ = strings.Cut(path, "?")
	if _, after, ok := strings.Cut(path, "/v1/"); ok {
		path = "/" + after
	}
	for pattern, operations := range d.doc["paths"].(map[string]any) {
		if !matches(pattern, path) {
			continue
		}
		operation := in(operations, strings.ToLower(method))
		if operation == nil {
			continue
		}
		d.calls[fmt.Sprint(in(operation, "operationId"))]++
		response := in(operation, "responses", fmt.Sprint(a.Status))
		if response == nil {
			d.t.Fatalf("%s: status %d is not in the document: %s", a.What, a.Status, a.Body)
		}
		if in(response, "headers", "API-Version") == nil || a.Header.Get("API-Version") == "" {
			d.t.Errorf("%s: no API-Version", a.What)
		}
		if in(response, "headers", "Location") != nil && a.Header.Get("Location") == "" {
			d.t.Errorf("%s: no Location", a.What)
		}
		if a.Status == 304 {
			return
		}
		content := in(response, "content", a.Header.Get("Content-Type"))
		if content == nil {
			d.t.Fatalf("%s: %s is not in the document", a.What, a.Header.Get("Content-Type"))
		}
		if a.Header.Get("Content-Type") == "application/zip" {
			return
		}
		var value any
		if err := json.Unmarshal(a.Body, &value); err != nil {
			d.t.Fatalf("%s: %v", a.What, err)
		}
		for _, wrong := range d.fits("", in(content, "schema"), value) {
			d.t.Errorf("%s: %s\n%s", a.What, wrong, a.Body)
		}
		return
	}
	d.t.Fatalf("%s is not in the document", a.What)
}

func matches(pattern, path string) bool { _, ok := match(pattern, path); return ok }

// fits says where a value is not as its schema says. What the schema does not name is wrong as well: the document would be incomplete.
func (d *described) fits(at string, schema, v any) (wrong []string) {
	say := func(format string, args ...any) {
		wrong = append(wrong, cmp.Or(at, "/")+": "+fmt.Sprintf(format, args...))
	}
	if ref, ok := in(schema, "$ref").(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		if schema = in(d.doc, "components", "schemas", name); schema == nil {
			say("no schema %s", name)
			return wrong
		}
	}
	switch kind := in(schema, "type"); kind {
	case "object":
		o, ok := v.(map[string]any)
		if !ok {
			say("%v is no object", v)
			return wrong
		}
		properties, _ := in(schema, "properties").(map[string]any)
		if properties == nil {
			return wrong // the document itself
		}
		required, _ := in(schema, "required").([]any)
		for _, r := range required {
			if o[r.(string)] == nil {
				say("%s is missing", r)
			}
		}
		for name, value := range o {
			if properties[name] == nil {
				say("%s is not in the document", name)
				continue
			}
			wrong = append(wrong, d.fits(at+"/"+name, properties[name], value)...)
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			say("%v is no array", v)
		}
		for i, value := range list {
			wrong = append(wrong, d.fits(fmt.Sprintf("%s/%d", at, i), in(schema, "items"), value)...)
		}
	case "string":
		s, ok := v.(string)
		if !ok {
			say("%v is no string", v)
		}
		if enum, ok := in(schema, "enum").([]any); ok && !slices.Contains(enum, any(s)) {
			say("%q is not one of %v", s, enum)
		}
		if pattern, ok := in(schema, "pattern").(string); ok && !regexp.MustCompile(pattern).MatchString(s) {
			say("%q does not match %s", s, pattern)
		}
		if in(schema, "format") == "date-time" {
			if at, err := time.Parse(time.RFC3339, s); err != nil || !strings.HasSuffix(s, "Z") || at.IsZero() {
				say("%q is no moment in UTC", s)
			}
		}
	case "integer":
		if n, ok := v.(float64); !ok || n != float64(int64(n)) {
			say("%v is no integer", v)
		}
	case "number":
		if _, ok := v.(float64); !ok {
			say("%v is no number", v)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			say("%v is no boolean", v)
		}
	default:
		say("a schema of type %v", kind)
	}
	return wrong
}

// TestEveryOperationIsAsTheDocumentSays calls each operation with real data, well and badly, and holds every answer against the document.
func TestEveryOperationIsAsTheDocumentSays(t *testing.T) {
	w := newWorld(t)
	d := w.described()
	call := func(status int, method, path string, person protocol.PersonID, body any, headers ...string) *apitest.Answer {
		t.Helper()
		w.later(100 * time.Millisecond)
		a := w.call(w.police, method, path, person, body, headers...)
		if a.Status != status {
			t.Fatalf("%s: %d, want %d: %s", a.What, a.Status, status, a.Body)
		}
		d.holds(a)
		return a
	}
	assertion, err := w.police.Sign("ES256", w.police.Claims())
	w.check(err)
	for range 2 { // once let in, once refused
		a, err := w.police.Ask(t.Context(), assertion, nil)
		w.check(err)
		d.holds(a)
	}
	a, err := w.police.Ask(t.Context(), "x", url.Values{"grant_type": {"password"}})
	w.check(err)
	d.holds(a)
	for _, path := range []string{"/v1/openapi.json", "/v1/fouten", "/v1/fouten/state", "/v1/fouten/geen", "/v1/fouten?x=1", "/v1/verzoeken"} {
		d.holds(w.plain("GET", path))
	}

	call(200, "POST", "/vooruitblikken", requester, w.theft())
	call(400, "POST", "/vooruitblikken", requester, with(w.theft(), "artikel", "999"))
	call(406, "GET", "/verzoeken", "", nil, "Accept", "text/html, application/xml")
	for range 2 {
		call(200, "PUT", "/protocollen/gebouwen/versies/1/lezing", requester, nil)
	}
	call(404, "PUT", "/protocollen/gebouwen/versies/7/lezing", requester, nil)
	call(404, "GET", "/organisaties/recherche", "", nil)

	// A demand, spoken; filed twice, changed, taken over, confirmed in writing, handled, fetched, handed over.
	oral := with(w.theft(), "uitgesprokenOp", w.clock().Add(-10*time.Minute), "wijze", "via dit systeem", "uiterlijk", w.clock().Add(24*time.Hour), "aanduiding", "persoon met rode jas")
	for range 2 {
		call(201, "POST", "/verzoeken", requester, oral, "Idempotency-Key", once)
	}
	call(409, "POST", "/verzoeken", requester, w.theft(), "Idempotency-Key", once)
	call(400, "POST", "/verzoeken", requester, with(oral, "artikel", "999"), "Idempotency-Key", once+"9")
	call(415, "POST", "/verzoeken", requester, "x", "Idempotency-Key", once, "Content-Type", "text/plain")
	call(413, "POST", "/verzoeken", requester, strings.Repeat(" ", bodyLimit+1), "Idempotency-Key", once)
	call(403, "POST", "/verzoeken", stranger, oral, "Idempotency-Key", once)
	call(200, "PUT", "/verzoeken/z-1", requester, with(oral, "noodzaak", "de verdachte liep twee keer langs de ingang"))
	call(403, "PUT", "/verzoeken/z-1", colleague, oral)
	for range 2 {
		call(200, "PUT", "/verzoeken/z-1/aanvrager", colleague, nil)
	}
	written := map[string]any{"sha256": protocol.HashOf([]byte("vordering")), "bewaardBij": "BVH 2026-1"}
	for range 2 {
		call(200, "PUT", "/verzoeken/z-1/schriftelijke-vordering", requester, written)
	}
	call(409, "PUT", "/verzoeken/z-1/schriftelijke-vordering", requester, with(written, "bewaardBij", "elders"))
	bag := "/verzoeken/z-1/verstrekkingen/" + string(w.handle("z-1"))
	call(409, "GET", bag+"/bestand", requester, nil)
	for range 2 {
		call(201, "POST", bag+"/ophalingen", requester, nil)
	}
	call(404, "POST", "/verzoeken/z-1/verstrekkingen/g-99/ophalingen", requester, nil)
	call(200, "GET", bag+"/bestand", requester, nil)
	tag := call(200, "GET", "/verzoeken/z-1", "", nil).Header.Get("ETag")
	call(304, "GET", "/verzoeken/z-1", "", nil, "If-None-Match", tag)
	call(404, "GET", "/verzoeken/z-99", "", nil)
	for range 2 {
		call(200, "PUT", "/verzoeken/z-1/ontvangstbevestiging", requester, map[string]any{"opmerking": "veilig"})
	}

	// On consent, which is taken back.
	consent := with(w.theft(), "soort", "consent", "toestemmingVan", []string{"zaak 12, blad 3"}, "toestemmingIeders", true)
	delete(consent, "artikel")
	delete(consent, "bevoegde")
	call(201, "POST", "/verzoeken", requester, consent, "Idempotency-Key", once+"-consent")
	for range 2 {
		call(200, "PUT", "/verzoeken/z-2/ingetrokken-toestemming", requester, map[string]any{"toelichting": "per brief"})
	}
	call(409, "PUT", "/verzoeken/z-1/ingetrokken-toestemming", requester, map[string]any{"toelichting": "per brief"})
	// One refused by an approver, one refused by its recorder, one whose handler then left.
	w.file(w.police, requester, w.theft(), once+"-3")
	r := w.of("z-3")
	w.do(central.RecordRefusedOrder{Source: w.source(), Refused: protocol.OrderRefused{Number: r.Holds[0].Number, Kind: "hold", ID: r.Holds[0].ID, Reason: "no such camera"}})
	w.do(central.CheckRequest{By: handler, Request: "z-3", Complete: true, Necessary: false, Remark: "te ruim"})
	w.do(central.DecideRequest{By: approver, Request: "z-3", Outcome: central.Refuses, Reason: central.TooBroad, Motivation: "te ruim gevraagd"})
	w.file(w.police, requester, w.theft(), once+"-4")
	w.handle("z-4")
	w.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: handler, Secrecy: day(-10)}})
	for _, id := range []string{"z-2", "z-3", "z-4"} {
		call(200, "GET", "/verzoeken/"+id, "", nil)
	}
	// Kept on an order, which is renewed, and then taken back; and future data, of which a part is delivered.
	w.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: handler, Posts: []central.Post{{Role: central.Handler, Regime: protocol.AVG}}, Secrecy: day(-10)}})
	paper := map[string]any{"sha256": protocol.HashOf([]byte("bevel")), "bewaardBij": "BVH 2026-2"}
	demanded := w.clock().Add(-time.Hour)
	preserve := with(w.theft(), "soort", "preservation", "artikel", "126ni", "bevoegde", "officier van justitie", "gevorderdOp", demanded, "bewarenTot", w.clock().Add(60*24*time.Hour), "stuk", paper)
	call(201, "POST", "/verzoeken", requester, preserve, "Idempotency-Key", once+"-kept")
	renewal := map[string]any{"kenmerk": "PL-verlengd", "datum": w.clock(), "tot": w.clock().Add(80 * 24 * time.Hour)}
	for range 2 {
		call(200, "PUT", "/verzoeken/z-5/verlenging", colleague, renewal)
	}
	call(409, "PUT", "/verzoeken/z-3/verlenging", colleague, renewal)
	for range 2 {
		call(200, "PUT", "/verzoeken/z-5/intrekking", requester, map[string]any{"toelichting": "niet meer nodig"})
	}
	future := with(w.theft(), "artikel", "126ne", "bevoegde", "officier van justitie", "gevorderdOp", demanded, "periode", map[string]any{"van": demanded, "tot": demanded.Add(48 * time.Hour)})
	delete(future, "tijdvak")
	call(201, "POST", "/verzoeken", requester, future, "Idempotency-Key", once+"-future")
	w.later(2 * time.Hour)
	w.deliver("z-6", demanded)
	call(404, "PUT", "/verzoeken/z-6/leveringen/2/ontvangstbevestiging", requester, nil)
	call(409, "PUT", "/verzoeken/z-6/leveringen/1/ontvangstbevestiging", requester, nil)
	part := "/verzoeken/z-6/verstrekkingen/" + string(w.of("z-6").Grants[0].GrantID())
	call(201, "POST", part+"/ophalingen", requester, nil)
	call(200, "GET", part+"/bestand", requester, nil)
	for range 2 {
		call(200, "PUT", "/verzoeken/z-6/leveringen/1/ontvangstbevestiging", requester, nil)
	}

	g := w.of("z-1").Grants[0]
	w.read = []central.Access{{Recorder: "rec-1", Seq: 7, At: day(0), Kind: "release.intent", Access: protocol.Access{How: "release", Grant: g.GrantID(), Request: "z-1", Camera: "hal", Interval: g.Interval, Person: requester, Level: g.Level}},
		{Recorder: "rec-1", Seq: 9, At: day(0), Kind: "access.view", Access: protocol.Access{How: "playback", Grant: "g-99", Request: "z-1", Camera: "hal", Interval: g.Interval, Person: handler, Level: g.Level}}}
	call(200, "GET", "/verzoeken?stand=refused&aantal=1", "", nil)
	call(200, "GET", "/verzoeken?kenmerk=PL2100-2026-1", "", nil)
	call(400, "GET", "/plaatsingen?versie=nul", "", nil)
	call(200, "GET", "/verzoeken?aantal=1&pagina=2", "", nil)
	call(400, "GET", "/verzoeken?aantal=0", "", nil)

	for _, path := range []string{"/medewerkers", "/verzoeken/z-1/toegangen", "/organisaties", "/organisaties/basisteam", "/plaatsingen?stand=active", "/plaatsingen?regime=AVG&protocol=gebouwen&versie=1", "/plaatsingen/hal", "/protocollen", "/protocollen/gebouwen/versies/1", "/besluiten"} {
		a := call(200, "GET", path, "", nil)
		if strings.Contains(string(a.Body), `"totaal":0`) {
			t.Errorf("%s shows nothing: %s", path, a.Body)
		}
	}
	for _, path := range []string{"/plaatsingen/nergens", "/protocollen/gebouwen/versies/9", "/protocollen/gebouwen/versies/een"} {
		call(404, "GET", path, "", nil)
	}
	for _, op := range w.api.operations {
		if d.calls[op.id] == 0 {
			t.Errorf("nobody called %s", op.id)
		}
	}
	if len(d.calls) != len(w.api.operations) {
		t.Errorf("the document has %d operations, the table %d", len(d.calls), len(w.api.operations))
	}
}

// TestTheDocumentPassesSpectral lints the document with the OpenAPI rules of spectral and our own of the NL API Design Rules (testdata/spectral/rules.yaml). Spectral is
// installed from the lock file, once for each version of it; nothing of a package is run at the installation. Without npm this test fails: a document that nobody linted has not passed.
func TestTheDocumentPassesSpectral(t *testing.T) {
	w := newWorld(t)
	dir := installSpectral(t)
	lint := func(document string) (string, error) {
		file := filepath.Join(t.TempDir(), "openapi.json")
		w.check(os.WriteFile(file, []byte(document), 0o600))
		rules, err := filepath.Abs("testdata/spectral/rules.yaml")
		w.check(err)
		ctx := exec.CommandContext(t.Context(), filepath.Join(dir, "node_modules", ".bin", "spectral"), "lint", "--ruleset", rules, "--fail-severity", "warn", "--format", "text", "--quiet", file)
		out, err := ctx.CombinedOutput()
		return string(out), err
	}
	document := string(w.plain("GET", "/v1/openapi.json").Body)
	if out, err := lint(document); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The rules bite: each of these changes breaks one.
	broken, rules := document, []string{}
	for _, c := range [][3]string{
		{"paths-kebab-case", `/ontvangstbevestiging"`, `/ontvangstBevestiging"`},
		{"paths-no-trailing-slash", `"/plaatsingen":`, `"/plaatsingen/":`},
		{"query-keys-camel-case", `"name": "aantal"`, `"name": "aantal_per_pagina"`},
		{"properties-camel-case", `"bewaartermijn":`, `"bewaar_termijn":`},
		{"version-header", `"API-Version": \{\s*"\$ref"`, `"Api-Versie": {"$$ref"`},
		{"problem-json", `"application/problem\+json"`, `"application/json"`},
		{"no-422", `"429":`, `"422":`},
		{"version-in-server-address", `/v1"`, `/api"`},
		{"semantic-version", `"version": "1.1.0"`, `"version": "1"`},
	} {
		changed := regexp.MustCompile(c[1]).ReplaceAllString(broken, c[2])
		if changed == broken {
			t.Errorf("%s: nothing to break", c[0])
		}
		broken, rules = changed, append(rules, c[0])
	}
	out, err := lint(broken)
	for _, rule := range rules {
		if err == nil || !strings.Contains(out, rule) {
			t.Errorf("%s does not bite", rule)
		}
	}
	if t.Failed() {
		t.Log(out[:min(len(out), 5000)])
	}
}

func installSpectral(t *testing.T) string {
	t.Helper()
	lock, err := os.ReadFile("testdata/spectral/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "beeldwacht", "spectral-"+protocol.HashOf(lock).String()[:16])
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".bin", "spectral")); err == nil {
		return dir
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Fatal("this test lints the API's document with spectral, which needs node and npm: `make packages` installs them")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(fresh) }) // gone already, unless this failed
	for _, name := range []string{"package.json", "package-lock.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", "spectral", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(fresh, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
	install.Dir = fresh
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("spectral could not be installed with `npm ci` (is the npm registry within reach?): %v\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, "node_modules")); there != nil { // and nobody else was first
			t.Fatal(err)
		}
	}
	return dir
}
