package api

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Codes of the API itself; the others are central's.
const (
	codeToken     = "token"
	codeNotFound  = "not-found"
	codeMethod    = "method"
	codeJSON      = "json"
	codeTooLarge  = "too-large"
	codeMediaType = "media-type"
	codeAccept    = "not-acceptable"
	codeFault     = "fault"
)

// kind is a type of problem.
type kind struct {
	code   string
	status int
	title  central.Words
}

var kinds = []kind{
	{codeToken, http.StatusUnauthorized, page.Both("Geen geldig toegangstoken", "No valid access token")},
	{codeNotFound, http.StatusNotFound, page.Both("Deze bron is er niet", "No such resource")},
	{codeMethod, http.StatusMethodNotAllowed, page.Both("Deze methode kan hier niet", "This method is not possible here")},
	{codeJSON, http.StatusBadRequest, page.Both("De JSON klopt niet", "The JSON is not right")},
	{codeTooLarge, http.StatusRequestEntityTooLarge, page.Both("Het verzoek is te groot", "The request is too large")},
	{codeMediaType, http.StatusUnsupportedMediaType, page.Both("Dit mediatype kan hier niet", "This media type is not possible here")},
	{codeAccept, http.StatusNotAcceptable, page.Both("Dit mediatype komt hier niet", "This media type is not given here")},
	{codeFault, http.StatusInternalServerError, page.Both("Er is een storing", "There is a fault")},
	{central.CodeForbidden, http.StatusForbidden, page.Both("Dit mag niet", "This is not allowed")},
	{central.CodeInactive, http.StatusForbidden, page.Both("De rol, de afspraak of de koppeling is niet geldig", "The role, the agreement or the system is not valid")},
	{central.CodeSamePerson, http.StatusForbidden, page.Both("Drie verschillende mensen zijn nodig", "Three different people are needed")},
	{central.CodeCombination, http.StatusForbidden, page.Both("Dit gaat niet samen", "These do not go together")},
	{central.CodeUnknown, http.StatusNotFound, page.Both("Dit is niet bekend", "This is not known")},
	{central.CodeInvalid, http.StatusBadRequest, page.Both("Er ontbreekt iets of er klopt iets niet", "Something is missing or wrong")},
	{central.CodeJudgingStaff, http.StatusBadRequest, page.Both("Niet om personeel te beoordelen", "Not for judging staff")},
	{central.CodePurpose, http.StatusBadRequest, page.Both("Dit doel past niet", "This purpose does not fit")},
	{central.CodeInterval, http.StatusBadRequest, page.Both("Het tijdvak klopt niet", "The interval is not right")},
	{central.CodeOutOfReach, http.StatusBadRequest, page.Both("De beelden zijn waarschijnlijk al verwijderd", "The footage has probably been deleted")},
	{central.CodeRegime, http.StatusBadRequest, page.Both("Dit past niet bij het regime van de camera", "This does not fit the camera's regime")},
	{central.CodeNoFootage, http.StatusBadRequest, page.Both("Er zijn geen beelden", "There is no footage")},
	{central.CodeRoster, http.StatusBadRequest, page.Both("Het rooster van de recorder staat dit niet toe", "The recorder's roster does not allow this")},
	{central.CodeStorage, http.StatusBadRequest, page.Both("Opslag alleen in Nederland", "Storage in the Netherlands only")},
	{central.CodeAdvice, http.StatusConflict, page.Both("De privacy officer adviseert anders", "The privacy officer advises otherwise")},
	{central.CodeUnread, http.StatusForbidden, page.Both("Het protocol is nog niet gelezen", "The protocol has not been read yet")},
	{central.CodeState, http.StatusConflict, page.Both("Dat kan nu niet", "Not possible now")},
	{central.CodeNotConfirmed, http.StatusConflict, page.Both("De recorder heeft de bewaring nog niet bevestigd", "The recorder has not yet confirmed the hold")},
	{central.CodeNotReady, http.StatusConflict, page.Both("De plaatsing is nog niet compleet", "The placement is not yet complete")},
	{central.CodeTerm, http.StatusConflict, page.Both("De termijn is voorbij", "The term is over")},
	{central.CodeExists, http.StatusConflict, page.Both("Dit is er al", "This exists already")},
	{central.CodeTooOften, http.StatusTooManyRequests, page.Both("Te vaak; wacht even", "Too often; wait a while")},
}

// refusal is a problem on its way to the reader.
type refusal struct {
	code    string
	words   central.Words
	Pointer string // RFC 6901: where in the body
}

func (p *refusal) Error() string { return p.code + ": " + p.words.EN }

func fault(code, nl, en string) *refusal { return &refusal{code: code, words: page.Both(nl, en)} }

func tooOften(c *call, wait time.Duration) error {
	seconds := int(math.Ceil(max(1, wait.Seconds())))
	c.w.Header().Set("Retry-After", fmt.Sprint(seconds))
	return fault(central.CodeTooOften, fmt.Sprintf("Er komen te veel aanroepen. Wacht %d seconden.", seconds), fmt.Sprintf("There are too many calls. Wait %d seconds.", seconds))
}

// probleem is RFC 9457.
type probleem struct {
	_       struct{} `doc:"Wat er mis is (RFC 9457)."`
	Type    string   `json:"type" doc:"Adres van de soort; eindigt op de code, waar een programma op kan sturen."`
	Title   string   `json:"title" doc:"De soort in woorden."`
	Status  int      `json:"status" doc:"De HTTP-status."`
	Detail  string   `json:"detail" doc:"Wat er nu mis is en wat te doen; voor een mens."`
	Pointer string   `json:"pointer,omitempty" doc:"Waar in de JSON het mis is (RFC 6901)."`
}

// refuse answers with a problem. What broke here is logged and not told.
func (a *API) refuse(c *call, err error) int {
	if o, is := err.(*oauthError); is {
		return a.write(c, o.status, "application/json", o.text)
	}
	p, ok := err.(*refusal)
	if !ok {
		if r, is := central.RefusalOf(err); is {
			p = &refusal{code: r.Code, words: r.Words}
		} else {
			id := ""
			if c.op != nil {
				id = c.op.id
			}
			a.Log.Error("the API could not do what was asked", "operation", id, "err", err)
			p = fault(codeFault, "Dit lukte niet door een storing. Probeer het later opnieuw, met dezelfde idempotentiesleutel.", "A fault prevented this. Try again later, with the same idempotency key.")
		}
	}
	k := kind{p.code, http.StatusBadRequest, page.Both("Dit kan niet", "This is not possible")}
	if i := slices.IndexFunc(kinds, func(k kind) bool { return k.code == p.code }); i >= 0 {
		k = kinds[i]
	}
	text, err := json.Marshal(probleem{Type: a.base + "/fouten/" + p.code, Title: c.lang.Say(k.title.NL, k.title.EN), Status: k.status, Detail: c.lang.Say(p.words.NL, p.words.EN), Pointer: p.Pointer}, json.Deterministic(true))
	if err != nil {
		a.Log.Error("a problem could not be written", "err", err)
	}
	c.w.Header().Set("Content-Language", string(c.lang))
	return a.write(c, k.status, "application/problem+json", text)
}
