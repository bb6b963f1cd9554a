package identity

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	stdjson "encoding/json" // the provider's claims are whatever they are
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// ProviderConfig is the municipality's own log-in service: OpenID Connect after the NL GOV assurance profile. The authorization code flow with PKCE (S256), state, nonce, an
// exact redirect URI and a check of iss; the centre shows who it is by a signed assertion (private_key_jwt) or, where the provider takes none, a secret.
type ProviderConfig struct {
	Issuer   string
	ClientID string
	Secret   string        // one of the two
	Key      crypto.Signer // P-256 (ES256) or RSA of at least 2048 bits (PS256)
	Scopes   []string      // beside openid

	LoginClaim string // whose value is the account's login
	NameClaim  string // whose value is how colleagues know the person; empty: the name stays as the administrator wrote it
	RoleClaim  string // whose value or values must hold Role; empty: everyone the provider knows may try
	Role       string
}

// CallbackPath is where the provider sends people back to; the redirect URI is Config.URL with it.
const CallbackPath = "/bureau/inloggen/aanbieder/terug"

// Errors of a log-in by the provider.
var (
	// ErrProviderDown: it does not answer, or not as a provider does.
	ErrProviderDown = errors.New("the provider cannot be reached")
	// ErrStale: this log-in was finished already, began in another browser, or took too long.
	ErrStale = errors.New("this log-in is over; begin again")
	// ErrDeclined: the provider let the person go without logging them in.
	ErrDeclined = errors.New("the provider did not log you in")
	// ErrAnswer: what came in the provider's name was not in order. The log says what.
	ErrAnswer = errors.New("the provider's answer was not in order")
	// ErrNoRole: the provider does not give the person the role that this centre asks.
	ErrNoRole = errors.New("the provider does not name you as a user of this centre")
	// ErrNotHere: the person has no account here.
	ErrNotHere = errors.New("you have no account here")
)

// algorithms of a provider's signature that are believed (NL GOV assurance profile for OpenID Connect).
var signatures = []string{oidc.RS256, oidc.PS256, oidc.ES256}

const (
	awayTerm     = 10 * time.Minute // to log in at the provider
	providerWait = 10 * time.Second // for one answer
	outWait      = 3 * time.Second  // for it to say where people log out; who leaves does not wait long
	skew         = time.Minute      // between its clock and ours
)

// away is who is at the provider.
type away struct {
	Browser  []byte `json:"browser,omitempty"` // SHA-256 of its cookie
	Nonce    string `json:"nonce,omitempty"`
	Verifier string `json:"verifier,omitempty"` // PKCE
	Onward   string `json:"onward,omitempty"`
	Link     bool   `json:"link,omitempty"` // a person who is logged in wants to come from there from now on
}

type provider struct {
	ProviderConfig
	redirect string
	client   *http.Client
	kid      string

	mu   sync.Mutex
	read time.Time // when found was
	found
}

// found is what the provider says of itself.
type found struct {
	provider *oidc.Provider
	issParam bool   // its answers name it (RFC 9207)
	end      string // where it ends a log-in; empty: it does not
	style    oauth2.AuthStyle
}

func newProvider(c Config) (*provider, error) {
	p := &provider{ProviderConfig: *c.Provider, redirect: strings.TrimSuffix(c.URL, "/") + CallbackPath}
	p.client = &http.Client{Timeout: providerWait, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	switch {
	case secure(p.Issuer) != nil:
		return nil, fmt.Errorf("provider: issuer: %w", secure(p.Issuer))
	case p.ClientID == "" || p.LoginClaim == "":
		return nil, errors.New("provider: needs a client id and the claim that holds the login")
	case (p.Secret == "") == (p.Key == nil):
		return nil, errors.New("provider: needs either a key (private_key_jwt) or a client secret")
	case (p.RoleClaim == "") != (p.Role == ""):
		return nil, errors.New("provider: a role needs its claim, and a claim its role")
	}
	if p.Key != nil {
		key, err := p.publicKey()
		if err != nil {
			return nil, err
		}
		p.kid = key.KeyID
	}
	return p, nil
}

// secure refuses a plain connection to anywhere but this machine.
func secure(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && !(u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1"))) {
		return fmt.Errorf("%q: want https://host; only this machine may do without https", address)
	}
	return nil
}

// LoadKey reads the key of private_key_jwt, PKCS #8 in PEM, from a file that others may not read.
func LoadKey(file string) (crypto.Signer, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM in it", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return k, nil
		}
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%s: want a P-256 key, or RSA of at least 2048 bits", file)
}

// publicKey is what the provider must know to check our assertions.
func (p *provider) publicKey() (jose.JSONWebKey, error) {
	key := jose.JSONWebKey{Key: p.Key.Public(), Use: "sig", Algorithm: string(p.algorithm())}
	sum, err := key.Thumbprint(crypto.SHA256)
	key.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return key, err
}

func (p *provider) algorithm() jose.SignatureAlgorithm {
	if _, is := p.Key.(*ecdsa.PrivateKey); is {
		return jose.ES256
	}
	return jose.PS256
}

// PublicKeys is the centre's own key for the provider, as a JSON Web Key Set. It is public.
func (s *Store) PublicKeys() ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	if s.provider != nil && s.provider.Key != nil {
		key, err := s.provider.publicKey()
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, key)
	}
	return stdjson.Marshal(set)
}

// assertion shows the provider that it is us, for a minute and once (RFC 7523).
func (p *provider) assertion(now time.Time, audience string) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: p.algorithm(), Key: p.Key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", p.kid))
	if err != nil {
		return "", err
	}
	id, err := token()
	if err != nil {
		return "", err
	}
	claims, err := stdjson.Marshal(map[string]any{"iss": p.ClientID, "sub": p.ClientID, "aud": audience, "jti": id, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// HasProvider says whether one is configured.
func (s *Store) HasProvider() bool { return s.provider != nil }

// find reads what the provider says of itself, anew after an hour.
func (p *provider) find(ctx context.Context, now time.Time) (found, oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.provider == nil || now.Sub(p.read) > time.Hour {
		op, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
		if err != nil {
			return found{}, oauth2.Config{}, err
		}
		var says struct {
			IssParam bool     `json:"authorization_response_iss_parameter_supported"`
			JWKS     string   `json:"jwks_uri"`
			End      string   `json:"end_session_endpoint"`
			Methods  []string `json:"token_endpoint_auth_methods_supported"`
		}
		if err := op.Claims(&says); err != nil {
			return found{}, oauth2.Config{}, err
		}
		for _, address := range []string{op.Endpoint().AuthURL, op.Endpoint().TokenURL, says.JWKS, cmp.Or(says.End, p.Issuer)} {
			if err := secure(address); err != nil {
				return found{}, oauth2.Config{}, err
			}
		}
		// Never the library's own guess, which sends a refused code a second time.
		style := oauth2.AuthStyleInHeader
		if p.Key != nil || len(says.Methods) > 0 && !slices.Contains(says.Methods, "client_secret_basic") { // with a key, client_id goes beside the assertion; there is no secret to send
			style = oauth2.AuthStyleInParams
		}
		p.found, p.read = found{op, says.IssParam, says.End, style}, now
	}
	c := oauth2.Config{ClientID: p.ClientID, ClientSecret: p.Secret, Endpoint: p.provider.Endpoint(), RedirectURL: p.redirect, Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...)}
	c.Endpoint.AuthStyle = p.style
	return p.found, c, nil
}

// Away sends somebody to the provider: the address, and the cookie that their browser comes back with. onward is where they wanted to go. With a session, it is for its
// person to link their account.
func (s *Store) Away(ctx context.Context, in *Session, onward string, from Client) (address, cookie string, err error) {
	if s.provider == nil {
		return "", "", ErrNoProvider
	}
	if in != nil && !in.Fresh(s.Now()) {
		return "", "", ErrNotFresh
	}
	if err := s.attempt("", from.Address); err != nil {
		return "", "", err
	}
	_, c, err := s.provider.find(ctx, s.Now())
	if err != nil {
		s.Log.Error("the provider of log-ins cannot be reached", "issuer", s.provider.Issuer, "err", err)
		return "", "", ErrProviderDown
	}
	if cookie, err = token(); err != nil {
		return "", "", err
	}
	nonce, err := token()
	if err != nil {
		return "", "", err
	}
	browser := sha256.Sum256([]byte(cookie))
	st := step{Kind: stepAway, Away: away{Browser: browser[:], Nonce: nonce, Verifier: oauth2.GenerateVerifier(), Onward: onward}}
	if in != nil {
		st.Login, st.Away.Link = in.Login, true
	}
	err = s.shelf.Update(func(rows Rows) error {
		state, err := s.begin(rows, st, awayTerm)
		address = c.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(st.Away.Verifier))
		return err
	})
	return address, cookie, err
}

// Back is somebody who comes from the provider with what it gave them: the query of the redirect, and the browser's cookie. It says how far they came in and where they wanted to go.
func (s *Store) Back(ctx context.Context, query url.Values, cookie string, from Client) (e Entry, onward string, err error) {
	if s.provider == nil {
		return e, "", ErrNoProvider
	}
	if err := s.attempt("", from.Address); err != nil {
		return e, "", err
	}
	var st step
	browser := sha256.Sum256([]byte(cookie))
	err = s.shelf.Update(func(rows Rows) error {
		var ok bool
		if st, ok, err = s.underWay(rows, stepAway, query.Get("state")); err != nil {
			return err
		}
		if !ok || subtle.ConstantTimeCompare(st.Away.Browser, browser[:]) != 1 { // another's browser does not use it up
			return ErrStale
		}
		return rows.Delete(steps, sum(query.Get("state")))
	})
	if err != nil {
		return e, "", err
	}
	who, err := s.provider.who(ctx, st.Away, query, s.Now())
	switch {
	case errors.Is(err, ErrAnswer):
		s.Log.Error("a log-in by the provider was refused", "issuer", s.provider.Issuer, "err", err)
		return e, st.Away.Onward, errors.Join(ErrAnswer, s.counted(func(d *Day) { d.BadAnswer++ }))
	case errors.Is(err, ErrProviderDown):
		s.Log.Error("the provider of log-ins cannot be reached", "issuer", s.provider.Issuer, "err", err)
		return e, st.Away.Onward, ErrProviderDown
	case errors.Is(err, ErrNoRole):
		return e, st.Away.Onward, errors.Join(ErrNoRole, s.counted(func(d *Day) { d.NotAdmitted++ }))
	case err != nil:
		return e, st.Away.Onward, err
	}
	err = s.shelf.Update(func(rows Rows) (err error) {
		e = Entry{}
		var r record
		if st.Away.Link {
			if r, err = s.link(rows, st.Login, who, from.Where); err == nil {
				err = put(rows, accounts, r.Login, r)
			}
			return err
		}
		if r, err = s.known(rows, who, from.Where); err == nil {
			e, err = s.admit(rows, r, from.Where, true, who.Hint)
		}
		return err
	})
	if errors.Is(err, ErrNotHere) {
		err = errors.Join(err, s.counted(func(d *Day) { d.NotAdmitted++ }))
	}
	return e, st.Away.Onward, err
}

func (s *Store) counted(add func(*Day)) error {
	return s.shelf.Update(func(rows Rows) error { return s.count(rows, add) })
}

// OutPath is where the provider sends people back to whom it has logged out; Config.URL with it is what it must know.
const OutPath = "/bureau/inloggen"

// out is the address at the provider that ends the log-in there. hint is the ID token that it gave.
func (p *provider) out(ctx context.Context, hint string, now time.Time) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, outWait)
	defer cancel()
	found, _, err := p.find(ctx, now)
	if err != nil || found.end == "" {
		return "", err
	}
	address, err := url.Parse(found.end)
	if err != nil {
		return "", err
	}
	query := address.Query()
	query.Set("client_id", p.ClientID)
	query.Set("post_logout_redirect_uri", strings.TrimSuffix(p.redirect, CallbackPath)+OutPath)
	if hint != "" {
		query.Set("id_token_hint", hint)
	}
	address.RawQuery = query.Encode()
	return address.String(), nil
}

// visitor is who the provider says somebody is.
type visitor struct{ Subject, Login, Name, Hint string }

// who takes the code to the provider and believes its answer when all of it is in order.
func (p *provider) who(ctx context.Context, a away, query url.Values, now time.Time) (v visitor, err error) {
	found, c, err := p.find(ctx, now)
	if err != nil {
		return v, fmt.Errorf("%w: %w", ErrProviderDown, err)
	}
	if iss := query.Get("iss"); iss != p.Issuer && (iss != "" || found.issParam) {
		return v, fmt.Errorf("%w: it came from issuer %q", ErrAnswer, iss)
	}
	switch code := query.Get("error"); code {
	case "":
	case "access_denied", "login_required", "interaction_required", "consent_required":
		return v, ErrDeclined
	case "temporarily_unavailable", "server_error":
		return v, fmt.Errorf("%w: it says %s", ErrProviderDown, code)
	default:
		return v, fmt.Errorf("%w: it says %.100q", ErrAnswer, code)
	}
	ctx = oidc.ClientContext(ctx, p.client)
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(a.Verifier)}
	if p.Key != nil {
		assertion, err := p.assertion(now, c.Endpoint.TokenURL)
		if err != nil {
			return v, err
		}
		options = append(options, oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), oauth2.SetAuthURLParam("client_assertion", assertion))
	}
	given, err := c.Exchange(ctx, query.Get("code"), options...)
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) && refused.Response.StatusCode < 500 {
		if refused.ErrorCode == "invalid_grant" { // a code that was used, is another's, or took too long
			return v, ErrStale
		}
		return v, fmt.Errorf("%w: it refused the code: %.100q", ErrAnswer, refused.ErrorCode)
	} else if err != nil {
		return v, fmt.Errorf("%w: %w", ErrProviderDown, err)
	}
	raw, _ := given.Extra("id_token").(string)
	checked, err := found.provider.Verifier(&oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: signatures, Now: func() time.Time { return now.Add(-skew) }}).Verify(ctx, raw)
	if unreached := (*url.Error)(nil); errors.As(err, &unreached) { // its keys
		return v, fmt.Errorf("%w: %w", ErrProviderDown, err)
	}
	if err != nil {
		return v, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	var claims map[string]any
	if err := checked.Claims(&claims); err != nil {
		return v, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	text := func(claim string) string { s, _ := claims[claim].(string); return s }
	switch azp := text("azp"); {
	case subtle.ConstantTimeCompare([]byte(checked.Nonce), []byte(a.Nonce)) != 1:
		return v, fmt.Errorf("%w: its nonce is not that of this log-in", ErrAnswer)
	case azp != "" && azp != p.ClientID, azp == "" && len(checked.Audience) > 1:
		return v, fmt.Errorf("%w: it was issued to %.100q", ErrAnswer, azp)
	case checked.IssuedAt.After(now.Add(skew)):
		return v, fmt.Errorf("%w: it was issued in the future", ErrAnswer)
	case checked.Subject == "":
		return v, fmt.Errorf("%w: it names no subject", ErrAnswer)
	}
	if checked.AccessTokenHash != "" {
		if err := checked.VerifyAccessToken(given.AccessToken); err != nil {
			return v, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
	}
	if p.RoleClaim != "" && !holds(claims[p.RoleClaim], p.Role) {
		return v, ErrNoRole
	}
	return visitor{checked.Subject, normal(text(p.LoginClaim)), strings.TrimSpace(text(p.NameClaim)), raw}, nil
}

// holds says whether a claim is this value, or a list with it.
func holds(claim any, value string) bool {
	list, _ := claim.([]any)
	return claim == any(value) || slices.Contains(list, any(value))
}

// subjectKey is short and the same for ever, whatever a provider calls people.
func (p *provider) subjectKey(subject string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(sum(p.Issuer + "\n" + subject)))
}

// known is the account of who comes from the provider: the one linked to their subject, or the one that was invited under their login and has nobody yet.
func (s *Store) known(rows Rows, v visitor, where Where) (record, error) {
	login, err := rows.Get(subjects, s.provider.subjectKey(v.Subject))
	if err != nil {
		return record{}, err
	}
	if login == nil {
		r, ok, err := getRecord(rows, v.Login)
		if err != nil {
			return r, err
		}
		if !ok || !r.ByProvider || r.settled() || !s.Now().Before(r.Since.Add(LinkTerm)) {
			return r, ErrNotHere
		}
		return s.link(rows, v.Login, v, where)
	}
	r, ok, err := getRecord(rows, string(login))
	if err == nil && !ok {
		err = ErrNotHere
	}
	return s.named(r, v), err
}

// link binds an account to who somebody is at the provider. One subject, one account.
func (s *Store) link(rows Rows, login string, v visitor, where Where) (record, error) {
	key := s.provider.subjectKey(v.Subject)
	taken, err := rows.Get(subjects, key)
	if err != nil {
		return record{}, err
	}
	r, ok, err := getRecord(rows, login)
	if err != nil {
		return r, err
	}
	if !ok || taken != nil || r.Subject != "" {
		return r, ErrNotHere
	}
	r.Subject = key
	r.happened(Linked, protocol.T(s.Now()), where)
	return s.named(r, v), rows.Put(subjects, key, []byte(login))
}

// named gives the account the name that the provider knows: colleagues then see who it truly is.
func (s *Store) named(r record, v visitor) record {
	was := r.Name
	if r.Name = v.Name; r.Account.valid() != nil {
		r.Name = was
	}
	return r
}
