package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Version of the interface, in the header API-Version and in the document. The first number is also in the path.
const Version = "1.1.0"

// Book is the ledger, as far as the API needs it.
type Book interface {
	Do(context.Context, central.Command) ([]central.Event, error)
	View(func(*central.State))
}

// Config makes the API.
type Config struct {
	Book  Book
	Vault vault.Source
	// Accesses are the newest that a recorder wrote in its journal.
	Accesses func(protocol.RecorderID) ([]central.Access, error)
	Bags     string       // folder for opened bags while they are read; they are unlinked at once. Best on tmpfs
	Secret   []byte       // signs access tokens: at least 32 bytes, the same at every centre
	URL      string       // base address of this centre
	Name     string       // of the municipality
	Contact  page.Contact // for those who build on this
	Now      func() time.Time
	Log      *slog.Logger
}

// API serves /v1. Safe for concurrent use.
type API struct {
	Config
	base       string // of the API, without a slash at its end
	operations []operation
	document   []byte
	systems    *page.Limiter // by client
	strangers  *page.Limiter // by truncated address, before anybody is known
}

// New makes the API. It expects page.Secure around it.
func New(c Config) (*API, error) {
	if len(c.Secret) < 32 {
		return nil, errors.New("api: the secret that signs access tokens needs at least 32 bytes")
	}
	a := &API{Config: c, base: strings.TrimSuffix(c.URL, "/") + "/v1", systems: page.NewLimiter(20, 100), strangers: page.NewLimiter(2, 30)}
	a.operations = a.table()
	var err error
	if a.document, err = a.openAPI(); err != nil {
		return nil, err
	}
	return a, nil
}

// Is says whether a path is the API's.
func Is(path string) bool { return path == "/v1" || strings.HasPrefix(path, "/v1/") }

// call is one call of one operation.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	op     *operation
	path   map[string]string
	now    time.Time
	lang   page.Lang
	client central.ClientID // of a call that has a scope
	unit   string           // the client's
	person protocol.PersonID
}

// reply is what an operation answers, when nothing is wrong.
type reply struct {
	body     any
	location string                // beneath the base
	stream   func(io.Writer) error // instead of body; its headers have been set
}

// bodyLimit is more than any request here holds.
const bodyLimit = 64 << 10

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	c := &call{w: w, r: r, now: a.Now(), lang: preferred(r.Header.Values("Accept-Language"))}
	h := w.Header()
	h.Set("API-Version", Version)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Vary", "Accept-Language")
	status := a.serve(c)
	operation := ""
	if c.op != nil {
		operation = c.op.id
	}
	a.Log.Info("api call", "operation", operation, "system", c.client, "status", status, "took", time.Since(began).Round(time.Millisecond))
}

// serve answers, and says with which status.
func (a *API) serve(c *call) int {
	out, err := a.answer(c)
	switch {
	case err != nil:
		return a.refuse(c, err)
	case out.stream != nil:
		c.w.WriteHeader(c.op.status)
		if err := out.stream(page.Steady(c.w)); err != nil {
			a.Log.Debug("an answer was not read to its end", "operation", c.op.id, "err", err)
		}
		return c.op.status
	}
	text, ok := out.body.(jsontext.Value)
	if !ok {
		if text, err = json.Marshal(out.body, json.Deterministic(true)); err != nil {
			return a.refuse(c, fmt.Errorf("answer: %w", err))
		}
	}
	if out.location != "" {
		c.w.Header().Set("Location", a.base+out.location)
	}
	return a.write(c, c.op.status, "application/json", text)
}

// write sends JSON, or 304 if the reader has it already.
func (a *API) write(c *call, status int, kind string, text []byte) int {
	h := c.w.Header()
	if status == http.StatusOK && (c.r.Method == http.MethodGet || c.r.Method == http.MethodHead) {
		tag := `"` + protocol.HashOf(text).String()[:32] + `"`
		h.Set("ETag", tag)
		if has(c.r.Header.Values("If-None-Match"), tag) {
			c.w.WriteHeader(http.StatusNotModified)
			return http.StatusNotModified
		}
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", fmt.Sprint(len(text)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		if _, err := c.w.Write(text); err != nil {
			a.Log.Debug("an answer was not read to its end", "err", err)
		}
	}
	return status
}

// has says whether If-None-Match names this tag (RFC 9110 section 13.1.2; a weak comparison).
func has(headers []string, tag string) bool {
	for _, t := range strings.Split(strings.Join(headers, ","), ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}

// answer finds the operation, asks who is there, and has it done.
func (a *API) answer(c *call) (reply, error) {
	if err := a.find(c); err != nil {
		return reply{}, err
	}
	if !accepts(c.r.Header.Values("Accept"), cmp.Or(c.op.media, "application/json")) {
		return reply{}, fault(codeAccept, "Hier komt "+cmp.Or(c.op.media, "application/json")+". Vraag daarom met Accept, of laat die header weg.", "This gives "+cmp.Or(c.op.media, "application/json")+". Ask for it with Accept, or leave that header out.")
	}
	if c.op.scope == "" {
		if wait, ok := a.strangers.Take(page.Truncate(c.r.RemoteAddr), c.now); !ok {
			return reply{}, tooOften(c, wait)
		}
	} else if err := a.recognise(c); err != nil {
		return reply{}, err
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, bodyLimit)
	if err := c.query(); err != nil {
		return reply{}, err
	}
	return c.op.do(c)
}

// find matches the path, segment by segment: nothing is cleaned and nothing redirected.
func (a *API) find(c *call) error {
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var others []string
	for i := range a.operations {
		op := &a.operations[i]
		values, ok := match(op.path, strings.TrimPrefix(c.r.URL.Path, "/v1"))
		if !ok {
			continue
		}
		if op.method == method {
			c.op, c.path = op, values
			return nil
		}
		others = append(others, op.method)
	}
	if others == nil {
		return fault(codeNotFound, "Deze bron is er niet. Let op: een pad eindigt niet op een schuine streep.", "There is no such resource. Mind that no path ends in a slash.")
	}
	slices.Sort(others)
	c.w.Header().Set("Allow", strings.Join(others, ", "))
	return fault(codeMethod, "Deze bron kent de methode "+c.r.Method+" niet. Wel: "+strings.Join(others, ", ")+".", "This resource does not know the method "+c.r.Method+". It knows: "+strings.Join(others, ", ")+".")
}

func match(pattern, path string) (map[string]string, bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	values := map[string]string{}
	for i, w := range want {
		if name, ok := strings.CutPrefix(w, "{"); ok && have[i] != "" {
			values[strings.TrimSuffix(name, "}")] = have[i]
		} else if w != have[i] {
			return nil, false
		}
	}
	return values, true
}

// recognise says which system this is, and whom it acts for where the operation asks that.
func (a *API) recognise(c *call) error {
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	t, ok := a.openToken(token, c.now)
	if !strings.EqualFold(scheme, "Bearer") || !ok {
		if wait, ok := a.strangers.Take(page.Truncate(c.r.RemoteAddr), c.now); !ok {
			return tooOften(c, wait)
		}
		c.w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return fault(codeToken, "Geef een geldig toegangstoken mee: Authorization: Bearer …", "Give a valid access token: Authorization: Bearer …")
	}
	c.client = t.Client
	if wait, ok := a.systems.Take(string(c.client), c.now); !ok {
		return tooOften(c, wait)
	}
	if !slices.Contains(t.Scopes, c.op.scope) {
		c.w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_scope", scope=%q`, c.op.scope))
		return fault(central.CodeForbidden, "Dit toegangstoken geeft de bevoegdheid "+string(c.op.scope)+" niet.", "This access token does not give the scope "+string(c.op.scope)+".")
	}
	if c.op.acts {
		c.person = protocol.PersonID(c.r.Header.Get(personHeader))
		if protocol.ValidID(c.person) != nil {
			return fault(central.CodeInvalid, "Noem in de header "+personHeader+" de medewerker voor wie dit gebeurt, met het nummer dat de gemeente gaf.",
				"Name in the header "+personHeader+" the person for whom this is done, by the number that the municipality gave.")
		}
	}
	var err error
	a.Book.View(func(st *central.State) {
		if err = st.ClientMay(c.client, c.op.scope, c.now); err != nil {
			return
		}
		c.unit = st.Client(c.client).Unit
		if c.op.acts {
			err = st.VouchedFor(c.client, c.person, c.now)
		}
	})
	return err
}

// personHeader names the person for whom a system acts.
const personHeader = "Medewerker"

// take reads the body, strictly.
func (c *call) take(into any) error {
	if kind, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";"); strings.TrimSpace(strings.ToLower(kind)) != "application/json" {
		return fault(codeMediaType, "Stuur JSON, met Content-Type: application/json.", "Send JSON, with Content-Type: application/json.")
	}
	err := json.UnmarshalRead(c.r.Body, into, json.RejectUnknownMembers(true))
	var large *http.MaxBytesError
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &large):
		return fault(codeTooLarge, fmt.Sprintf("Een verzoek is hier ten hoogste %d kB.", bodyLimit>>10), fmt.Sprintf("A request is at most %d kB here.", bodyLimit>>10))
	case errors.As(err, &syntax):
		p := fault(codeJSON, "De JSON klopt niet: "+syntax.Err.Error()+".", "The JSON is not right: "+syntax.Err.Error()+".")
		p.Pointer = string(syntax.JSONPointer)
		return p
	case errors.As(err, &meaning):
		why := "the value does not fit here"
		if meaning.Err != nil {
			why = meaning.Err.Error()
		}
		p := fault(codeJSON, "De JSON past niet bij dit verzoek, bij "+string(meaning.JSONPointer)+": "+why+".", "The JSON does not fit this request, at "+string(meaning.JSONPointer)+": "+why+".")
		p.Pointer = string(meaning.JSONPointer)
		return p
	}
	return fault(codeJSON, "Het verzoek kwam niet goed over.", "The request did not arrive well.")
}

// query refuses keys that the operation does not know.
func (c *call) query() error {
	for _, key := range slices.Sorted(maps.Keys(c.r.URL.Query())) {
		if !slices.ContainsFunc(c.op.keys(), func(k parameter) bool { return k.name == key }) {
			return fault(central.CodeInvalid, fmt.Sprintf("De sleutel %q kent deze bron niet.", key), fmt.Sprintf("This resource does not know the key %q.", key))
		}
	}
	return nil
}

// accepts says whether the reader takes a media type (RFC 9110 section 12.5.1). The most specific range that fits decides.
func accepts(headers []string, kind string) bool {
	if len(headers) == 0 {
		return true
	}
	family, _, _ := strings.Cut(kind, "/")
	best, taken := -1, false
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		ranged, options, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		fit := slices.Index([]string{"*/*", family + "/*", kind}, ranged)
		if fit < 0 || fit < best {
			continue
		}
		q, err := strconv.ParseFloat(cmp.Or(options["q"], "1"), 64)
		best, taken = fit, err == nil && q > 0
	}
	return taken
}

// preferred is the language that the reader likes best of the two that there are; Dutch when in doubt.
func preferred(headers []string) page.Lang {
	best, lang := 0.0, page.NL
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		tag, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(weight), "q="); ok {
			if _, err := fmt.Sscanf(v, "%f", &q); err != nil {
				continue
			}
		}
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if l := page.Lang(base); (l == page.NL || l == page.EN) && q > best {
			best, lang = q, l
		}
	}
	return lang
}
