package central

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Systems that come in through the API (central/api). A system is not a person: it decides nothing, and there is no role for it. What it asks it asks for a person of
// its unit, by [Through]: the ledger then holds both, who asked (By) and which system vouched for that (Via). The unit answers for naming the right person, under its
// agreement; here the person must exist, be a requester of that unit and be active, exactly as at the desk. The three people of invariant 12 stay three people, for
// there is no command by which a system checks or decides, whoever it names.

// ClientID names a system.
type ClientID string

// Scope is something a system may do, by the name that it has in the API.
type Scope string

const (
	ScopeFile     Scope = "verzoeken:indienen" // file and change requests, for a requester of the unit
	ScopeFollow   Scope = "verzoeken:lezen"    // follow the unit's requests
	ScopeFetch    Scope = "beelden:ophalen"    // fetch bags and confirm the hand-over, for a requester of the unit
	ScopeRegister Scope = "register:lezen"     // placements, protocols, besluiten: no personal data
)

// Scopes in the order a page lists them.
var Scopes = []Scope{ScopeFile, ScopeFollow, ScopeFetch, ScopeRegister}

var scopeWords = map[Scope]Words{
	ScopeFile:     {"verzoeken indienen en wijzigen, namens een aanvrager", "file and change requests, for a requester"},
	ScopeFollow:   {"de verzoeken van de eigen organisatie volgen", "follow the organisation's own requests"},
	ScopeFetch:    {"beelden ophalen en de ontvangst bevestigen, namens een aanvrager", "fetch footage and confirm receipt, for a requester"},
	ScopeRegister: {"het register lezen: plaatsingen, protocollen, besluiten", "read the register: placements, protocols, decisions"},
}

func (s Scope) Words() Words { return scopeWords[s] }

// Terms of systems, of this house. RFC 7523 and the OAuth profile of NL GOV ask that assertions are short-lived; the numbers are ours.
const (
	// AssertionTerm is how long ahead a signed assertion may end: the centre remembers each one that long, and takes it once.
	AssertionTerm = 5 * time.Minute

	// AdmissionsAnHour is how often a system may come in. Each time is an entry in the ledger, which a system gone wild must not fill.
	AdmissionsAnHour = 30
)

type (
	// ClientFacts is what an administrator registers of a system. Whoever it belongs to has checked the key's thumbprint on another road.
	ClientFacts struct {
		ID     ClientID  `json:"client"`
		Name   string    `json:"name"`           // of the system, not of a person
		Unit   string    `json:"unit,omitempty"` // for whose requesters it vouches; empty: a system of the municipality, which only reads the register
		Scopes []Scope   `json:"scopes"`
		Key    ClientKey `json:"key"`
	}

	// Client is a system and what became of it.
	Client struct {
		ClientFacts
		Registered Moment
		Withdrawn  *Moment
		Came       protocol.Time // when it last got an access token; zero: never

		admissions []admission          // of the last hour, and those whose assertion could still be shown again
		filed      map[string]FiledOnce // by idempotency key
	}

	admission struct {
		at, until protocol.Time
		assertion protocol.Hash
	}

	// FiledOnce is a request that was filed under an idempotency key.
	FiledOnce struct {
		Request protocol.RequestID
		Content protocol.Hash
	}
)

type (
	ClientRegistered struct {
		ClientFacts
	}
	ClientWithdrawn struct {
		Client ClientID `json:"client"`
		Reason string   `json:"reason"`
	}
	// ClientAdmitted: a system showed its key and got an access token. The same assertion never admits twice, at whichever centre.
	ClientAdmitted struct {
		Client    ClientID      `json:"client"`
		Assertion protocol.Hash `json:"assertion"` // SHA-256 of its jti
		Until     protocol.Time `json:"until"`     // when the assertion ends
	}
)

type (
	// RegisterClient lets a system in. By an administrator. Ids are never reused: another key is another system.
	RegisterClient struct {
		By protocol.PersonID
		ClientFacts
	}
	// WithdrawClient shuts a system out, at once and for good. By an administrator.
	WithdrawClient struct {
		By     protocol.PersonID
		Client ClientID
		Reason string
	}
	// AdmitClient is given when a system's assertion verifies under its key; central/api does that.
	AdmitClient struct {
		Client    ClientID
		Assertion protocol.Hash
		Until     protocol.Time
	}
	// Through is a command that a system gives for the person who is its By. Once is the idempotency key of a filing: the same key with the same content files once.
	Through struct {
		Client  ClientID
		Once    string
		Command Command
	}
)

// Once stands in request.filed: the idempotency key, and the hash of what was asked under it.
type Once struct {
	Key     string        `json:"key"`
	Content protocol.Hash `json:"content"`
}

var onceForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,64}$`)

func (c RegisterClient) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	switch {
	case protocol.ValidID(protocol.DocumentID(c.ID)) != nil:
		return missing("kenmerk van het systeem (kleine letters, cijfers)", "id of the system (lower case, digits)")
	case d.clients[c.ID] != nil:
		return refuse(CodeExists, "Er is al een koppeling met dit kenmerk. Kies een ander; trek de oude daarna in.", "There is a system with this id already. Choose another; withdraw the old one afterwards.")
	case strings.TrimSpace(c.Name) == "":
		return missing("naam van het systeem (geen persoonsnaam)", "name of the system (not a person's)")
	case len(c.Scopes) == 0:
		return missing("wat het systeem mag", "what the system may do")
	}
	for _, s := range c.Scopes {
		if _, ok := scopeWords[s]; !ok {
			return unknown("Bevoegdheid", "Scope", string(s))
		}
		if c.Unit == "" && s != ScopeRegister {
			return refuse(CodeCombination, "Een systeem van de gemeente zelf leest alleen het register.", "A system of the municipality itself only reads the register.")
		}
	}
	if c.Unit != "" {
		if d.units[c.Unit] == nil {
			return unknown("Organisatie", "Unit", c.Unit)
		}
		if err := d.agreed(c.Unit, d.now.Time); err != nil {
			return err
		}
	}
	key, err := ParseClientKey([]byte(c.Key))
	if err != nil {
		return err
	}
	for _, id := range sortedKeys(d.clients) {
		if d.clients[id].Key == key {
			return refuse(CodeExists, fmt.Sprintf("Deze sleutel is al van koppeling %s. Elk systeem heeft een eigen sleutel.", id), fmt.Sprintf("This key belongs to system %s already. Each system has a key of its own.", id))
		}
	}
	c.Key = key
	d.record(&ClientRegistered{c.ClientFacts})
	return nil
}

func (c WithdrawClient) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	client := d.clients[c.Client]
	switch {
	case client == nil:
		return unknown("Koppeling", "System", string(c.Client))
	case client.Withdrawn != nil:
		return refuse(CodeState, "Deze koppeling is al ingetrokken.", "This system has been withdrawn already.")
	case strings.TrimSpace(c.Reason) == "":
		return missing("de reden", "the reason")
	}
	d.record(&ClientWithdrawn{c.Client, c.Reason})
	return nil
}

// ClientMay says why a system may not do this now; an empty scope asks only whether it may come in.
func (s *State) ClientMay(id ClientID, scope Scope, now time.Time) error {
	c := s.clients[id]
	switch {
	case c == nil:
		return unknown("Koppeling", "System", string(id))
	case c.Withdrawn != nil:
		return refuse(CodeInactive, "Deze koppeling is ingetrokken.", "This system has been withdrawn.")
	case scope != "" && !slices.Contains(c.Scopes, scope):
		return refuse(CodeForbidden, fmt.Sprintf("Deze koppeling heeft de bevoegdheid %s niet.", scope), fmt.Sprintf("This system does not have the scope %s.", scope))
	case c.Unit != "":
		return s.agreed(c.Unit, now)
	}
	return nil
}

func (c AdmitClient) decide(d *decision) error {
	if err := d.ClientMay(c.Client, "", d.now.Time); err != nil {
		return err
	}
	if !d.now.Before(c.Until.Time) || c.Until.After(d.now.Add(AssertionTerm)) {
		return refuse(CodeTerm, "De verklaring van het systeem is verlopen, of geldt langer dan vijf minuten.", "The system's assertion has ended, or lasts longer than five minutes.")
	}
	lately := 0
	for _, a := range d.clients[c.Client].admissions {
		if a.assertion == c.Assertion {
			return refuse(CodeExists, "Deze verklaring is al gebruikt. Maak voor elk toegangstoken een nieuwe, met een nieuw jti.", "This assertion has been used. Make another for each access token, with another jti.")
		}
		if d.now.Sub(a.at.Time) < time.Hour {
			lately++
		}
	}
	if lately >= AdmissionsAnHour {
		return refuse(CodeTooOften, fmt.Sprintf("Dit systeem vroeg het afgelopen uur al %d toegangstokens. Gebruik een token zolang het geldt.", lately),
			fmt.Sprintf("This system asked for %d access tokens within the hour. Use a token for as long as it lasts.", lately))
	}
	d.record(&ClientAdmitted{c.Client, c.Assertion, c.Until})
	return nil
}

func (c Through) decide(d *decision) error {
	by, request, scope := protocol.PersonID(""), protocol.RequestID(""), ScopeFile
	switch inner := c.Command.(type) { // all that a system can do for somebody; no checking and no deciding
	case FileRequest:
		by = inner.By
		if inner.Kind.byStaff() {
			return refuse(CodeForbidden, "Dit soort aanvraag doet de gemeente zelf, aan het bureau.", "This kind of request is the municipality's own, at the desk.")
		}
	case AmendRequest:
		by, request = inner.By, inner.Request
	case TakeOver:
		by, request = inner.By, inner.Request
	case ConfirmOral:
		by, request = inner.By, inner.Request
	case WithdrawConsent:
		by, request = inner.By, inner.Request
	case WithdrawRequest:
		by, request = inner.By, inner.Request
	case RenewDemand:
		by, request = inner.By, inner.Request
	case AcknowledgeProtocol: // a statement of the person's own, which the unit vouches for like all others
		by = inner.By
	case RecordDownload:
		by, request, scope = inner.By, inner.Request, ScopeFetch
	case ConfirmHandOver:
		by, request, scope = inner.By, inner.Request, ScopeFetch
	case ConfirmDelivery:
		by, request, scope = inner.By, inner.Request, ScopeFetch
	default:
		return refuse(CodeForbidden, "Dit kan geen systeem doen, namens wie dan ook.", "No system can do this, for whomever.")
	}
	if err := d.ClientMay(c.Client, scope, d.now.Time); err != nil {
		return err
	}
	if err := d.VouchedFor(c.Client, by, d.now.Time); err != nil {
		return err
	}
	client := d.clients[c.Client]
	if request != "" && d.ClientRequest(c.Client, request) == nil {
		return unknown("Aanvraag", "Request", string(request))
	}
	filing, files := c.Command.(FileRequest)
	if !files {
		d.via = c.Client
		return c.Command.decide(d)
	}
	if !onceForm.MatchString(c.Once) {
		return missing("een idempotentiesleutel van 16 tot 64 letters, cijfers, - en _", "an idempotency key of 16 to 64 letters, digits, - and _")
	}
	content, err := json.Marshal(filing, json.Deterministic(true))
	if err != nil {
		return refuse(CodeInvalid, "Deze aanvraag kan niet worden vastgelegd: "+err.Error(), "This request cannot be recorded: "+err.Error())
	}
	once := Once{c.Once, protocol.HashOf(content)}
	if before, ok := client.filed[c.Once]; ok {
		if before.Content != once.Content {
			return refuse(CodeExists, fmt.Sprintf("Onder deze idempotentiesleutel is al een andere aanvraag ingediend (%s).", before.Request), fmt.Sprintf("Another request has been filed under this idempotency key (%s).", before.Request))
		}
		return nil // filed already; see FiledOnce
	}
	d.via, d.once = c.Client, &once
	return filing.decide(d)
}

// VouchedFor says why a system cannot act for this person: they must be a requester of its unit, active now.
func (s *State) VouchedFor(client ClientID, person protocol.PersonID, now time.Time) error {
	c := s.clients[client]
	if c == nil {
		return unknown("Koppeling", "System", string(client))
	}
	if p := s.people[person]; p == nil || c.Unit == "" || p.Unit != c.Unit {
		return refuse(CodeForbidden,
			"Deze medewerker is hier geen aanvrager van uw organisatie. Vraag de beheerder van de gemeente de medewerker aan te stellen.",
			"This person is not a requester of your organisation here. Ask the municipality's administrator to appoint them.")
	}
	return s.acts(person, Requester, "", now)
}

// Client, or nil.
func (s *State) Client(id ClientID) *Client { return s.clients[id] }

// Clients, by id.
func (s *State) Clients() []*Client { return sorted(s.clients) }

// ClientRequest is a request that a system may follow: its own unit's. Nil for all others, which are not there; nor is one that was erased, of which nothing says whose it was.
func (s *State) ClientRequest(client ClientID, id protocol.RequestID) *Request {
	c, r := s.clients[client], s.requests[id]
	if c == nil || r == nil || c.Unit == "" || r.Unit != c.Unit || s.Erasure(DossierOf(id)) != nil {
		return nil
	}
	return r
}

// FiledOnce is what a system filed under an idempotency key.
func (s *State) FiledOnce(client ClientID, key string) (FiledOnce, bool) {
	c := s.clients[client]
	if c == nil {
		return FiledOnce{}, false
	}
	f, ok := c.filed[key]
	return f, ok
}

func (f *ClientRegistered) apply(s *State, e Event) error {
	s.clients[f.ID] = &Client{ClientFacts: f.ClientFacts, Registered: e.moment(""), filed: map[string]FiledOnce{}}
	return nil
}

func (f *ClientWithdrawn) apply(s *State, e Event) error {
	c := s.clients[f.Client]
	if c == nil {
		return noSuch("client", string(f.Client))
	}
	m := e.moment(f.Reason)
	c.Withdrawn = &m
	return nil
}

func (f *ClientAdmitted) apply(s *State, e Event) error {
	c := s.clients[f.Client]
	if c == nil {
		return noSuch("client", string(f.Client))
	}
	c.Came = e.Time
	c.admissions = slices.DeleteFunc(c.admissions, func(a admission) bool { return e.Time.Sub(a.at.Time) >= time.Hour && !e.Time.Before(a.until.Time) })
	c.admissions = append(c.admissions, admission{e.Time, f.Until, f.Assertion})
	return nil
}

// remember keeps under which idempotency key a request was filed.
func (f *RequestFiled) remember(s *State, e Event) error {
	if f.Once == nil {
		return nil
	}
	c := s.clients[e.Via]
	if c == nil {
		return noSuch("client", string(e.Via))
	}
	c.filed[f.Once.Key] = FiledOnce{f.ID, f.Once.Content}
	return nil
}
