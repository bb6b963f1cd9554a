package api

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// TokenTerm is how long an access token lasts.
const TokenTerm = 30 * time.Minute

// Access tokens.

const tokenPrefix = "bw1."

var base64url = base64.RawURLEncoding.Strict()

type token struct {
	Client central.ClientID `json:"c"`
	Scopes []central.Scope  `json:"s"`
	End    int64            `json:"e"` // unix seconds
}

func (a *API) sealToken(t token) (string, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	text := tokenPrefix + base64url.EncodeToString(b)
	return text + "." + base64url.EncodeToString(a.sum(text)), nil
}

func (a *API) sum(text string) []byte {
	m := hmac.New(sha256.New, a.Secret)
	m.Write([]byte(text)) // never fails
	return m.Sum(nil)
}

func (a *API) openToken(text string, now time.Time) (t token, ok bool) {
	at := strings.LastIndexByte(text, '.')
	if at < len(tokenPrefix) || !strings.HasPrefix(text, tokenPrefix) {
		return t, false
	}
	sum, err := base64url.DecodeString(text[at+1:])
	if err != nil || !hmac.Equal(sum, a.sum(text[:at])) {
		return t, false
	}
	b, err := base64url.DecodeString(text[len(tokenPrefix):at])
	if err != nil || json.Unmarshal(b, &t) != nil {
		return t, false
	}
	return t, now.Unix() < t.End
}

// Assertions (RFC 7523).

// assertion is what a system states of itself, verified under its key.
type assertion struct {
	client central.ClientID
	once   protocol.Hash // of the jti
	until  protocol.Time
}

type claims struct {
	Issuer   string         `json:"iss"`
	Subject  string         `json:"sub"`
	Audience jsontext.Value `json:"aud"`
	End      float64        `json:"exp"`
	Begin    float64        `json:"nbf"`
	ID       string         `json:"jti"`
}

var errSystem = errors.New("unknown system, or not its signature")

// verify checks an assertion. A system that is not known and a signature that is not its own are told apart to nobody.
func (a *API) verify(text string, now time.Time) (assertion, error) {
	var none assertion
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return none, errors.New("client_assertion is not a signed JWT: three parts with dots between them")
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64url.DecodeString(p); err != nil {
			return none, fmt.Errorf("client_assertion: part %d is not base64url without padding", i+1)
		}
	}
	var header struct {
		Algorithm string         `json:"alg"`
		Critical  jsontext.Value `json:"crit"`
	}
	var c claims
	if err := json.Unmarshal(raw[0], &header); err != nil {
		return none, errors.New("client_assertion: its header is not right JSON")
	}
	if err := json.Unmarshal(raw[1], &c); err != nil {
		return none, errors.New("client_assertion: its claims are not right JSON")
	}
	var key central.ClientKey
	a.Book.View(func(st *central.State) {
		if client := st.Client(central.ClientID(c.Issuer)); client != nil {
			key = client.Key
		}
	})
	if key == "" {
		return none, errSystem
	}
	public, algorithm, err := key.Public()
	if err != nil {
		return none, fmt.Errorf("registered key of %s: %w", c.Issuer, err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !signed(public, sum[:], raw[2]) {
		return none, errSystem
	}
	end := time.Unix(0, int64(c.End*float64(time.Second)))
	switch { // from here on it is the system that reads this
	case header.Algorithm != algorithm:
		return none, fmt.Errorf("alg is %q; this system's key signs with %s", header.Algorithm, algorithm)
	case header.Critical != nil:
		return none, errors.New("crit is not understood here")
	case c.Subject != c.Issuer:
		return none, errors.New("sub and iss must both be the id of the system")
	case !a.addressed(c.Audience):
		return none, fmt.Errorf("aud must be %s and nothing else", a.tokenAddress())
	case c.ID == "" || len(c.ID) > 256:
		return none, errors.New("jti is missing or longer than 256 characters")
	case c.End <= 0 || c.End > 9e9:
		return none, errors.New("exp is missing or no moment")
	case !now.Before(end):
		return none, fmt.Errorf("it ended at %s; here it is %s", protocol.T(end), protocol.T(now))
	case end.After(now.Add(central.AssertionTerm)):
		return none, fmt.Errorf("it ends at %s, more than %s ahead; here it is %s", protocol.T(end), central.AssertionTerm, protocol.T(now))
	case c.Begin > float64(now.Unix()+1):
		return none, fmt.Errorf("it does not begin until later (nbf); here it is %s", protocol.T(now))
	}
	return assertion{central.ClientID(c.Issuer), protocol.HashOf([]byte(c.ID)), protocol.T(end)}, nil
}

func signed(key crypto.PublicKey, sum, signature []byte) bool {
	switch k := key.(type) {
	case *ecdsa.PublicKey: // RFC 7518 section 3.4: r and s, 32 bytes each
		return len(signature) == 64 && ecdsa.Verify(k, sum, new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case *rsa.PublicKey:
		return rsa.VerifyPSS(k, crypto.SHA256, sum, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return false
}

func (a *API) tokenAddress() string { return a.base + "/toegangstokens" }

// addressed: one audience, and it is this endpoint. An assertion meant for somebody else as well could be shown here by them.
func (a *API) addressed(audience jsontext.Value) bool {
	var one string
	if json.Unmarshal(audience, &one) == nil {
		return one == a.tokenAddress()
	}
	var list []string
	return json.Unmarshal(audience, &list) == nil && len(list) == 1 && list[0] == a.tokenAddress()
}

// toegangstoken is the answer of RFC 6749 section 5.1.
type toegangstoken struct {
	_     struct{} `doc:"Een toegangstoken (RFC 6749, paragraaf 5.1)."`
	Token string   `json:"access_token" doc:"Gaat mee in elke aanroep: Authorization: Bearer …"`
	Type  string   `json:"token_type" doc:"Altijd Bearer."`
	Lasts int      `json:"expires_in" doc:"Zolang geldt het, in seconden."`
	Scope string   `json:"scope" doc:"De bevoegdheden, met spaties ertussen."`
}

// tokenFout is the error of RFC 6749 section 5.2.
type tokenFout struct {
	_           struct{} `doc:"Waarom er geen token is (RFC 6749, paragraaf 5.2)."`
	Error       string   `json:"error"`
	Description string   `json:"error_description"`
}

// tokenAanvraag is the form of a token request.
type tokenAanvraag struct {
	_             struct{} `doc:"Client credentials met private_key_jwt (RFC 6749, RFC 7523)."`
	Grant         string   `json:"grant_type" doc:"Altijd client_credentials."`
	AssertionType string   `json:"client_assertion_type" doc:"Altijd urn:ietf:params:oauth:client-assertion-type:jwt-bearer."`
	Assertion     string   `json:"client_assertion" doc:"De ondertekende verklaring: een JWT met iss, sub, aud, exp en jti."`
	Scope         string   `json:"scope,omitempty" doc:"Alleen deze bevoegdheden, met spaties ertussen. Zonder: alle die het systeem heeft."`
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// noToken answers as OAuth asks.
func (a *API) noToken(c *call, status int, code, why string) (reply, error) {
	text, err := json.Marshal(tokenFout{Error: code, Description: why}, json.Deterministic(true))
	if err != nil {
		return reply{}, err
	}
	a.Log.Warn("a system got no access token", "error", code, "why", why)
	return reply{}, &oauthError{status, text}
}

// oauthError is refused as it is, not as a problem.
type oauthError struct {
	status int
	text   []byte
}

func (e *oauthError) Error() string { return string(e.text) }

// admit gives an access token for an assertion.
func (a *API) admit(c *call) (reply, error) {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return a.noToken(c, http.StatusBadRequest, "invalid_request", "send a form: application/x-www-form-urlencoded")
	}
	if err := c.r.ParseForm(); err != nil {
		return a.noToken(c, http.StatusBadRequest, "invalid_request", "the form did not arrive well, or is too large")
	}
	form := c.r.PostForm
	for name, values := range form {
		if len(values) > 1 {
			return a.noToken(c, http.StatusBadRequest, "invalid_request", fmt.Sprintf("%.40q is given twice", name))
		}
	}
	switch {
	case form.Get("grant_type") != "client_credentials":
		return a.noToken(c, http.StatusBadRequest, "unsupported_grant_type", "grant_type must be client_credentials")
	case form.Get("client_assertion_type") != assertionType:
		return a.noToken(c, http.StatusUnauthorized, "invalid_client", "client_assertion_type must be "+assertionType)
	}
	shown, err := a.verify(form.Get("client_assertion"), c.now)
	if err != nil {
		return a.noToken(c, http.StatusUnauthorized, "invalid_client", err.Error())
	}
	c.client = shown.client
	if id := form.Get("client_id"); id != "" && id != string(shown.client) {
		return a.noToken(c, http.StatusUnauthorized, "invalid_client", "client_id is not the system that signed")
	}
	var scopes []central.Scope
	a.Book.View(func(st *central.State) { scopes = slices.Clone(st.Client(shown.client).Scopes) })
	if asked := strings.Fields(form.Get("scope")); len(asked) > 0 {
		has := scopes
		scopes = nil
		for _, s := range asked {
			if !slices.Contains(has, central.Scope(s)) {
				return a.noToken(c, http.StatusBadRequest, "invalid_scope", fmt.Sprintf("this system does not have the scope %.60q", s))
			}
			scopes = append(scopes, central.Scope(s))
		}
	}
	if _, err := a.Book.Do(c.r.Context(), central.AdmitClient{Client: shown.client, Assertion: shown.once, Until: shown.until}); err != nil {
		r, ok := central.RefusalOf(err)
		switch {
		case !ok:
			return reply{}, err
		case r.Code == central.CodeTooOften:
			return reply{}, tooOften(c, time.Minute)
		}
		return a.noToken(c, http.StatusUnauthorized, "invalid_client", r.EN)
	}
	text, err := a.sealToken(token{shown.client, scopes, c.now.Add(TokenTerm).Unix()})
	if err != nil {
		return reply{}, err
	}
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return reply{body: toegangstoken{Token: text, Type: "Bearer", Lasts: int(TokenTerm / time.Second), Scope: strings.Join(names, " ")}}, nil
}
