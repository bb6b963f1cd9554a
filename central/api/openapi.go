package api

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The document, written from the table of operations and from the Go types that are sent.

type object = map[string]any

// beschrijving is the document's own place in the document.
type beschrijving jsontext.Value

// openAPI writes /v1/openapi.json (OpenAPI 3.0.3).
func (a *API) openAPI() ([]byte, error) {
	d := &document{schemas: object{}}
	for _, op := range a.operations { // what comes in is read strictly; what goes out may gain fields
		if op.takes != nil {
			d.strict = true
			d.schema(reflect.TypeOf(op.takes))
		}
	}
	d.strict = false
	paths, tags := object{}, []object{}
	for i := range a.operations {
		op := &a.operations[i]
		at, ok := paths[op.path].(object)
		if !ok {
			at = object{}
			paths[op.path] = at
		}
		at[strings.ToLower(op.method)] = d.operation(op)
		if !slices.ContainsFunc(tags, func(t object) bool { return t["name"] == op.tag }) {
			tags = append(tags, object{"name": op.tag, "description": tagWords[op.tag]})
		}
	}
	d.schema(reflect.TypeFor[probleem]())
	scopes := object{}
	for _, s := range central.Scopes {
		scopes[string(s)] = s.Words().NL
	}
	return json.Marshal(object{
		"openapi": "3.0.3",
		"info": object{"title": "Beeldwacht, " + a.Name, "version": Version, "license": object{"name": "EUPL-1.2", "url": "https://eupl.eu/1.2/nl/"},
			"description": "Voor systemen: beelden vragen en ophalen namens een aanvrager van de eigen organisatie, en het cameraregister lezen. Toetsen en beslissen doen mensen, aan het bureau.",
			"contact":     object{"name": cmp.Or(a.Contact.Name, a.Name), "email": a.Contact.Email, "url": a.URL}},
		"servers": []object{{"url": a.base}},
		"tags":    tags,
		"paths":   paths,
		"components": object{
			"schemas":         d.schemas,
			"headers":         object{"API-Version": object{"description": "De versie van deze API.", "required": true, "schema": object{"type": "string"}}},
			"securitySchemes": object{"systeem": object{"type": "oauth2", "description": "Client credentials met private_key_jwt (RFC 7523).", "flows": object{"clientCredentials": object{"tokenUrl": a.tokenAddress(), "scopes": scopes}}}},
		},
	}, json.Deterministic(true), jsontext.WithIndent(" "))
}

var tagWords = map[string]string{
	"Toegang":      "Zo komt een systeem binnen.",
	"Verzoeken":    "Beelden vragen en volgen wat ervan wordt.",
	"Beelden":      "Ophalen, en de ontvangst bevestigen.",
	"Organisatie":  "De eigen organisatie en de afspraak waarop zij hier werkt.",
	"Medewerkers":  "Namens wie een systeem kan handelen.",
	"Register":     "Plaatsingen, protocollen en besluiten, zonder persoonsgegevens.",
	"Beschrijving": "Wat de API van zichzelf zegt.",
}

type document struct {
	schemas object
	strict  bool
}

func (d *document) operation(op *operation) object {
	out := object{"operationId": op.id, "summary": op.title, "tags": []string{op.tag}, "description": cmp.Or(op.says, op.title+"."), "security": []object{}}
	if op.scope != "" {
		out["security"] = []object{{"systeem": []string{string(op.scope)}}}
	}
	var parameters []object
	add := func(in, name, says string, required bool, schema object) {
		parameters = append(parameters, object{"in": in, "name": name, "description": says, "required": required, "schema": schema})
	}
	for _, part := range strings.Split(op.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			add("path", name, "Welke: "+name+".", true, object{"type": "string"})
		}
	}
	if op.acts {
		add("header", personHeader, "De medewerker voor wie dit gebeurt: een aanvrager van de eigen organisatie, met het nummer dat de gemeente gaf. De organisatie staat er met haar afspraak voor in dat dit de juiste is.", true, object{"type": "string"})
	}
	if op.once {
		add("header", onceHeader, "Dezelfde sleutel met dezelfde inhoud dient één keer in, ook veel later.", true, object{"type": "string", "pattern": "^[A-Za-z0-9_-]{16,64}$"})
	}
	for _, k := range op.keys() {
		schema := object{"type": "integer", "minimum": 1}
		if k.most > 0 {
			schema["maximum"] = k.most
		}
		if k.text {
			schema = object{"type": "string"}
		}
		if k.values != nil {
			schema = object{"type": "string", "enum": each(k.values, func(c coded) string { return c.Code })}
		}
		add("query", k.name, k.says, false, schema)
	}
	if parameters != nil {
		out["parameters"] = parameters
	}
	if op.takes != nil {
		kind := "application/json"
		if op.own {
			kind = "application/x-www-form-urlencoded"
		}
		out["requestBody"] = object{"required": true, "content": object{kind: object{"schema": d.schema(reflect.TypeOf(op.takes))}}}
	}
	answers := object{}
	good := d.answer(http.StatusText(op.status), cmp.Or(op.media, "application/json"), object{"type": "string", "format": "binary"})
	if op.gives != nil {
		good = d.answer(op.title+".", "application/json", d.schema(reflect.TypeOf(op.gives)))
	}
	if op.status == http.StatusCreated {
		good["headers"].(object)["Location"] = object{"description": "Waar het staat.", "schema": object{"type": "string"}}
	}
	answers[fmt.Sprint(op.status)] = good
	if op.method == http.MethodGet && op.media == "" {
		answers["304"] = object{"description": "Niet gewijzigd (If-None-Match).", "headers": d.headers()}
	}
	for _, status := range op.failures() {
		answers[fmt.Sprint(status)] = d.answer(http.StatusText(status), "application/problem+json", object{"$ref": "#/components/schemas/Probleem"})
		if op.own && (status == 400 || status == 401) {
			answers[fmt.Sprint(status)] = d.answer(http.StatusText(status), "application/json", d.schema(reflect.TypeFor[tokenFout]()))
		}
	}
	out["responses"] = answers
	return out
}

// failures are the statuses of the problems that an operation may answer with.
func (o *operation) failures() []int {
	list := []int{400, 406, 429, 500}
	if o.scope != "" || o.own {
		list = append(list, 401)
	}
	if o.scope != "" {
		list = append(list, 403)
	}
	if strings.Contains(o.path, "{") || o.acts {
		list = append(list, 404)
	}
	if o.acts {
		list = append(list, 409)
	}
	if o.takes != nil && !o.own {
		list = append(list, 413, 415)
	}
	return list
}

func (d *document) headers() object {
	return object{"API-Version": object{"$ref": "#/components/headers/API-Version"}}
}

func (d *document) answer(says, kind string, schema object) object {
	return object{"description": says, "headers": d.headers(), "content": object{kind: object{"schema": schema}}}
}

// schema says what a Go type looks like in JSON. Structures go among the components, under their own name.
func (d *document) schema(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		return d.schema(t.Elem())
	}
	switch t {
	case reflect.TypeFor[tijdstip]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[protocol.Hash]():
		return object{"type": "string", "pattern": "^[0-9a-f]{64}$"}
	case reflect.TypeFor[beschrijving]():
		return object{"type": "object"}
	}
	if values, ok := codes[t]; ok {
		return object{"type": "string", "enum": each(values, func(c coded) string { return c.Code }),
			"description": strings.Join(each(values, func(c coded) string { return c.Code + ": " + c.Words.NL }), "; ")}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Struct:
		return d.structure(t)
	}
	panic("api: no schema for " + t.String()) // a test makes the whole document
}

func (d *document) structure(t reflect.Type) object {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	ref := object{"$ref": "#/components/schemas/" + name}
	if d.schemas[name] != nil {
		return ref
	}
	properties, required := object{}, []string{}
	s := object{"type": "object", "properties": properties}
	if d.strict {
		s["additionalProperties"] = false
	}
	d.schemas[name] = s
	for _, f := range reflect.VisibleFields(t) {
		tag, stated := f.Tag.Lookup("json")
		if f.Name == "_" {
			s["description"] = f.Tag.Get("doc")
		}
		if !stated {
			continue
		}
		field, options, _ := strings.Cut(tag, ",")
		of := d.schema(f.Type)
		if says := f.Tag.Get("doc"); says != "" && of["$ref"] == nil {
			if codes, ok := of["description"].(string); ok {
				says += " " + codes
			}
			of["description"] = says
		}
		properties[field] = of
		if options == "" {
			required = append(required, field)
		}
	}
	if len(required) > 0 {
		s["required"] = required
	}
	return ref
}
