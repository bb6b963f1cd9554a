package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/beeldwacht/beeldwacht/central/identity/dextest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// hostile is a provider that lies as it is told. Told nothing it is a good one, and holds the centre to PKCE, to its redirect URI and to how it shows who it is.
type hostile struct {
	t      *testing.T
	server *httptest.Server
	now    func() time.Time
	key    crypto.Signer
	secret string           // of the client, where it has no key
	client crypto.PublicKey // of the client, where it has one

	mu       sync.Mutex
	codes    map[string]url.Values // what was asked; taken at use
	used     map[string]bool       // assertions
	lie      func(claims map[string]any)
	sign     func(claims map[string]any) string // nil: RS256 by key
	discover func(map[string]any)
	down     bool
}

const clientID = "beeldwacht"

var providerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newHostile(t *testing.T, now func() time.Time) *hostile {
	h := &hostile{t: t, now: now, key: providerKey(), secret: "geheim van de client", codes: map[string]url.Values{}, used: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		says := map[string]any{"issuer": h.server.URL, "authorization_endpoint": h.server.URL + "/auth", "token_endpoint": h.server.URL + "/token", "jwks_uri": h.server.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "RS512", "HS256", "none"}, "authorization_response_iss_parameter_supported": true}
		if h.discover != nil {
			h.discover(says)
		}
		answer(w, 200, says)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: h.key.Public(), KeyID: "k", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", h.token)
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.down {
			http.Error(w, "out of order", http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(h.server.Close)
	return h
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (h *hostile) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(code, why string) {
		h.t.Log("the provider refuses: " + why)
		answer(w, 400, map[string]string{"error": code})
	}
	if err := r.ParseForm(); err != nil {
		refuse("invalid_request", err.Error())
		return
	}
	if h.client != nil {
		if why := h.assertion(r); why != "" {
			refuse("invalid_client", why)
			return
		}
	} else if id, secret, _ := r.BasicAuth(); id != clientID || secret != url.QueryEscape(h.secret) {
		answer(w, 401, map[string]string{"error": "invalid_client"})
		return
	}
	asked, ok := h.codes[r.PostForm.Get("code")]
	delete(h.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") || r.PostForm.Get("redirect_uri") != asked.Get("redirect_uri") {
		refuse("invalid_grant", "code used, or not this log-in's")
		return
	}
	now := h.now()
	claims := map[string]any{"iss": h.server.URL, "sub": "sub-anna", "aud": clientID, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": asked.Get("nonce"),
		"preferred_username": "Anna", "name": "Anna de Vries", "groups": []string{"gemeente", "cameratoezicht"}}
	if h.lie != nil {
		h.lie(claims)
	}
	sign := h.sign
	if sign == nil {
		sign = func(claims map[string]any) string { return signed(h.t, jose.RS256, h.key, claims) }
	}
	answer(w, 200, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": sign(claims)})
}

// assertion says what is wrong with the client's (RFC 7523); empty: nothing.
func (h *hostile) assertion(r *http.Request) string {
	token, err := jwt.ParseSigned(r.PostForm.Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256, jose.PS256})
	if err != nil {
		return err.Error()
	}
	var c jwt.Claims
	if err := token.Claims(h.client, &c); err != nil {
		return err.Error()
	}
	switch {
	case r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		return "type"
	case r.PostForm.Get("client_secret") != "" || r.Header.Get("Authorization") != "":
		return "a secret beside the assertion"
	case c.ID == "" || h.used[c.ID]:
		return "used before"
	case c.Expiry.Time().Sub(h.now()) > 2*time.Minute:
		return "good for too long"
	}
	h.used[c.ID] = true
	if err := c.Validate(jwt.Expected{Issuer: clientID, Subject: clientID, AnyAudience: jwt.Audience{h.server.URL + "/token"}, Time: h.now()}); err != nil {
		return err.Error()
	}
	return ""
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, claims any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := out.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// agrees is the person logging in at the provider: what it sends their browser back with.
func (h *hostile) agrees(address string) url.Values {
	h.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		h.t.Fatal(err)
	}
	asked := u.Query()
	if u.Path != "/auth" || asked.Get("response_type") != "code" || asked.Get("code_challenge_method") != "S256" || len(asked.Get("state")) < 40 || len(asked.Get("nonce")) < 40 ||
		asked.Get("client_id") != clientID || asked.Get("redirect_uri") != "https://desk.stad.example"+CallbackPath || !slices.Contains(strings.Fields(asked.Get("scope")), "openid") {
		h.t.Fatalf("asked: %s", address)
	}
	code, err := token()
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.codes[code] = asked
	h.mu.Unlock()
	return url.Values{"state": {asked.Get("state")}, "code": {code}, "iss": {h.server.URL}}
}

// tied is a store with this provider, in which Anna was invited under her login there.
type tied struct {
	*Store
	*clock
	h   *hostile
	log bytes.Buffer
}

func newTied(t *testing.T, change ...func(*Config)) *tied {
	t.Helper()
	c := &clock{time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}
	p := &tied{clock: c, h: newHostile(t, c.now)}
	config := Config{Now: c.now, URL: "https://desk.stad.example", Name: "Gemeente Stad", Log: slog.New(slog.NewTextHandler(&p.log, nil)),
		Provider: &ProviderConfig{Issuer: p.h.server.URL, ClientID: clientID, Secret: p.h.secret, Scopes: []string{"profile", "groups"}, LoginClaim: "preferred_username", NameClaim: "name", RoleClaim: "groups", Role: "cameratoezicht"}}
	for _, f := range change {
		f(&config)
	}
	p.Store = open(t, filepath.Join(t.TempDir(), "accounts.db"), config)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := p.InviteByProvider(Account{Person: "p-4f2a", Login: "anna", Name: "A. de Vries"}); err != nil {
		t.Fatal(err)
	}
	return p
}

var here = Client{Address: "192.0.2.1"}

// comes is somebody who goes to the provider, logs in there, and comes back.
func (p *tied) comes(t *testing.T) (Entry, error) {
	t.Helper()
	address, cookie, err := p.Away(t.Context(), nil, "/bureau/aanvragen", here)
	if err != nil {
		return Entry{}, err
	}
	e, onward, err := p.Back(t.Context(), p.h.agrees(address), cookie, here)
	if onward != "/bureau/aanvragen" {
		t.Errorf("onward: %q", onward)
	}
	return e, err
}

func TestSomebodyComesFromTheProvider(t *testing.T) {
	p := newTied(t)
	for range 2 { // the first time links, the second finds
		e, err := p.comes(t)
		if err != nil {
			t.Fatal(err)
		}
		in, ok, err := p.Visit(e.Session)
		if err != nil || !ok || in.Person != "p-4f2a" || in.Name != "Anna de Vries" {
			t.Fatalf("%+v %v %v", in, ok, err)
		}
	}
	if _, err := p.InviteAgain("p-4f2a"); err != ErrNoAccount {
		t.Errorf("inviting who is linked again: %v", err)
	}
	days, err := p.Days()
	if err != nil || len(days) != 1 || days[0].ByProvider != 2 || days[0].LoggedIn != 2 {
		t.Errorf("%+v %v", days, err)
	}
	for name, said := range map[string]string{"the log": p.log.String()} {
		if strings.Contains(said, "nna") || strings.Contains(said, "192.0.2.1") {
			t.Errorf("%s names somebody: %s", name, said)
		}
	}
}

// A key instead of a secret: the assertion is good for a minute, for this provider, and once. Its public half is what the provider is given.
func TestTheCentreShowsWhoItIsByAKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ES256": ec, "PS256": providerKey()} {
		t.Run(name, func(t *testing.T) {
			p := newTied(t, func(c *Config) { c.Provider.Secret, c.Provider.Key = "", key })
			b, err := p.PublicKeys()
			if err != nil {
				t.Fatal(err)
			}
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(b, &set); err != nil || len(set.Keys) != 1 || !set.Keys[0].IsPublic() || set.Keys[0].KeyID == "" {
				t.Fatalf("%s: %v", b, err)
			}
			p.h.client = set.Keys[0].Key
			for range 2 {
				if _, err := p.comes(t); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestProviderSignaturesOfTheProfileAreBelieved(t *testing.T) {
	p := newTied(t)
	p.h.sign = func(c map[string]any) string { return signed(t, jose.PS256, p.h.key, c) }
	if _, err := p.comes(t); err != nil {
		t.Errorf("PS256: %v", err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p = newTied(t)
	p.h.key, p.h.sign = ec, func(c map[string]any) string { return signed(t, jose.ES256, ec, c) }
	if _, err := p.comes(t); err != nil {
		t.Errorf("ES256: %v", err)
	}
}

// Each answer that is not in order lets nobody in, links nobody, and is counted. A good one afterwards still works: nothing was used up.
func TestNothingButAGoodAnswerLetsIn(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := func(claim string, value any) func(*hostile) {
		return func(h *hostile) { h.lie = func(c map[string]any) { c[claim] = value } }
	}
	at := func(claim string, from time.Duration) func(*hostile) {
		return func(h *hostile) { h.lie = func(c map[string]any) { c[claim] = h.now().Add(from).Unix() } }
	}
	without := func(claim string) func(*hostile) {
		return func(h *hostile) { h.lie = func(c map[string]any) { delete(c, claim) } }
	}
	signs := func(sign func(*hostile, map[string]any) string) func(*hostile) {
		return func(h *hostile) { h.sign = func(c map[string]any) string { return sign(h, c) } }
	}
	for name, c := range map[string]struct {
		lie  func(*hostile)
		want error
	}{
		"wrong issuer in the token": {set("iss", "https://elders.example"), ErrAnswer},
		"wrong nonce":               {set("nonce", "een andere"), ErrAnswer},
		"no nonce":                  {without("nonce"), ErrAnswer},
		"expired":                   {at("exp", -10*time.Minute), ErrAnswer},
		"not yet valid":             {at("nbf", 10*time.Minute), ErrAnswer},
		"issued in the future":      {at("iat", 10*time.Minute), ErrAnswer},
		"for another client":        {set("aud", "ander"), ErrAnswer},
		"for others too, no azp":    {set("aud", []string{clientID, "ander"}), ErrAnswer},
		"issued to another":         {set("azp", "ander"), ErrAnswer},
		"no subject":                {without("sub"), ErrAnswer},
		"wrong access token hash":   {set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), ErrAnswer},
		"alg none": {signs(func(_ *hostile, c map[string]any) string {
			b, _ := json.Marshal(c)
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
		}), ErrAnswer},
		"HS256 by the client's secret": {signs(func(h *hostile, c map[string]any) string {
			return signed(t, jose.HS256, []byte(strings.Repeat(h.secret, 2)), c)
		}), ErrAnswer},
		"HS256 by the public key": {signs(func(h *hostile, c map[string]any) string {
			return signed(t, jose.HS256, h.key.Public().(*rsa.PublicKey).N.Bytes(), c)
		}), ErrAnswer},
		"RS512":          {signs(func(h *hostile, c map[string]any) string { return signed(t, jose.RS512, h.key, c) }), ErrAnswer},
		"another's key":  {signs(func(_ *hostile, c map[string]any) string { return signed(t, jose.RS256, other, c) }), ErrAnswer},
		"no token":       {signs(func(*hostile, map[string]any) string { return "" }), ErrAnswer},
		"missing role":   {set("groups", []string{"gemeente"}), ErrNoRole},
		"no roles":       {without("groups"), ErrNoRole},
		"part of a role": {set("groups", "cameratoezicht-oud"), ErrNoRole},
		"unknown login":  {set("preferred_username", "iemand"), ErrNotHere},
		"no login":       {without("preferred_username"), ErrNotHere},
		"login is a map": {set("preferred_username", map[string]any{"a": 1}), ErrNotHere},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTied(t)
			c.lie(p.h)
			e, err := p.comes(t)
			if !errors.Is(err, c.want) || e != (Entry{}) {
				t.Errorf("%+v %v", e, err)
			}
			if l, _ := p.Of("p-4f2a"); !l.Waiting {
				t.Error("the account was linked")
			}
			days, err := p.Days()
			if err != nil || len(days) != 1 || days[0].BadAnswer+days[0].NotAdmitted != 1 || days[0].LoggedIn != 0 {
				t.Errorf("%+v %v", days, err)
			}
			p.h.lie, p.h.sign = nil, nil
			if _, err := p.comes(t); err != nil {
				t.Errorf("a good answer afterwards: %v", err)
			}
		})
	}
}

func TestARedirectWorksOnceAndInItsOwnBrowser(t *testing.T) {
	p := newTied(t)
	away := func() (url.Values, string) {
		address, cookie, err := p.Away(t.Context(), nil, "/bureau", here)
		if err != nil {
			t.Fatal(err)
		}
		return p.h.agrees(address), cookie
	}
	back := func(q url.Values, cookie string) error {
		_, _, err := p.Back(t.Context(), q, cookie, here)
		return err
	}
	q, cookie := away()
	if err := back(q, "another browser's"); !errors.Is(err, ErrStale) {
		t.Errorf("in another browser: %v", err)
	}
	if err := back(q, ""); !errors.Is(err, ErrStale) {
		t.Errorf("without a cookie: %v", err)
	}
	if err := back(q, cookie); err != nil {
		t.Errorf("in its own, after others tried: %v", err)
	}
	if err := back(q, cookie); !errors.Is(err, ErrStale) {
		t.Errorf("replayed state: %v", err)
	}
	used := q.Get("code")
	q, cookie = away()
	q.Set("code", used)
	if err := back(q, cookie); !errors.Is(err, ErrStale) {
		t.Errorf("replayed code under a new state: %v", err)
	}
	q, cookie = away()
	stolen, _ := away()
	q.Set("code", stolen.Get("code")) // somebody else's code in this browser's log-in: PKCE
	if err := back(q, cookie); !errors.Is(err, ErrStale) {
		t.Errorf("another log-in's code: %v", err)
	}
	for _, iss := range []string{"https://elders.example", ""} {
		q, cookie = away()
		q.Set("iss", iss)
		if err := back(q, cookie); !errors.Is(err, ErrAnswer) {
			t.Errorf("answer of issuer %q: %v", iss, err)
		}
	}
	for code, want := range map[string]error{"access_denied": ErrDeclined, "server_error": ErrProviderDown, "invalid_scope": ErrAnswer} {
		q, cookie = away()
		q.Del("code")
		q.Set("error", code)
		if err := back(q, cookie); !errors.Is(err, want) {
			t.Errorf("%s: %v", code, err)
		}
	}
	q, cookie = away()
	p.t = p.t.Add(awayTerm)
	if err := back(q, cookie); !errors.Is(err, ErrStale) {
		t.Errorf("too late: %v", err)
	}
}

func TestAProviderThatIsDownLosesNothing(t *testing.T) {
	p := newTied(t)
	p.h.down = true
	if _, _, err := p.Away(t.Context(), nil, "/bureau", here); !errors.Is(err, ErrProviderDown) {
		t.Errorf("down before: %v", err)
	}
	p.h.down = false
	address, cookie, err := p.Away(t.Context(), nil, "/bureau/aanvragen", here)
	if err != nil {
		t.Fatal(err)
	}
	q := p.h.agrees(address)
	p.h.down = true
	if _, onward, err := p.Back(t.Context(), q, cookie, here); !errors.Is(err, ErrProviderDown) || onward != "/bureau/aanvragen" {
		t.Errorf("down after: %v, onward %q", err, onward)
	}
	p.h.down = false
	if _, err := p.comes(t); err != nil {
		t.Errorf("up again: %v", err)
	}
}

func TestAProviderThatIsNotItselfIsNotAsked(t *testing.T) {
	for name, discover := range map[string]func(map[string]any){
		"says it is another":         func(d map[string]any) { d["issuer"] = "https://elders.example" },
		"sends people plainly":       func(d map[string]any) { d["authorization_endpoint"] = "http://elders.example/auth" },
		"takes codes plainly":        func(d map[string]any) { d["token_endpoint"] = "http://elders.example/token" },
		"gives its keys in the open": func(d map[string]any) { d["jwks_uri"] = "http://elders.example/keys" },
	} {
		p := newTied(t)
		p.h.discover = discover
		if _, _, err := p.Away(t.Context(), nil, "/bureau", here); !errors.Is(err, ErrProviderDown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newProvider(Config{URL: "https://desk.stad.example", Provider: &ProviderConfig{Issuer: "http://elders.example", ClientID: "x", LoginClaim: "sub", Secret: "s"}}); err == nil {
		t.Error("an issuer without TLS was accepted")
	}
}

// I12: an administrator invites under a login; that gives nobody but its holder a way in, and nobody two accounts.
func TestI12_OnePersonAtTheProviderIsOnePersonHere(t *testing.T) {
	p := newTied(t, func(c *Config) { c.NoPasswords = true })
	if _, err := p.Invite(Account{Person: "p-x", Login: "xander", Name: "X"}); err != ErrNoPasswords {
		t.Errorf("a code where there are no passwords: %v", err)
	}
	if err := p.Add(Account{Person: "p-beheer", Login: "beheer", Name: "Bo"}, goodPassword); err != nil { // set up before
		t.Fatal(err)
	}
	if _, err := p.LogIn(t.Context(), "beheer", goodPassword, here); !errors.Is(err, ErrRefused) {
		t.Errorf("a password where there are none: %v", err)
	}
	comes := func(sub, login string) error {
		p.h.lie = func(c map[string]any) { c["sub"], c["preferred_username"] = sub, login }
		_, err := p.comes(t)
		return err
	}
	if err := comes("sub-beheer", "beheer"); !errors.Is(err, ErrNotHere) {
		t.Errorf("an account with a password was linked by its login: %v", err)
	}
	if err := comes("sub-anna", "anna"); err != nil {
		t.Fatal(err)
	}
	// The administrator invites a second person, and Anna's login changes at the provider to that one's.
	if err := p.InviteByProvider(Account{Person: "p-twee", Login: "anna2", Name: "Piet"}); err != nil {
		t.Fatal(err)
	}
	if err := comes("sub-anna", "anna2"); err != nil {
		t.Fatal(err)
	}
	if l, _ := p.Of("p-twee"); !l.Waiting {
		t.Error("one person at the provider has two accounts here")
	}
	// Somebody else gets the login that was Anna's.
	if err := comes("sub-ander", "anna"); !errors.Is(err, ErrNotHere) {
		t.Errorf("another under a linked login: %v", err)
	}
	if err := comes("sub-derde", "anna2"); err != nil {
		t.Fatal(err)
	}
	if err := p.InviteByProvider(Account{Person: "p-laat", Login: "laat", Name: "Laat"}); err != nil {
		t.Fatal(err)
	}
	p.t = p.t.Add(LinkTerm)
	if err := comes("sub-laat", "laat"); !errors.Is(err, ErrNotHere) {
		t.Errorf("after the term: %v", err)
	}
	if code, err := p.InviteAgain("p-laat"); err != nil || code != "" {
		t.Errorf("inviting again: %q %v", code, err)
	}
	if err := comes("sub-laat", "laat"); err != nil {
		t.Errorf("invited again: %v", err)
	}
}

func TestAPersonLinksTheirOwnAccount(t *testing.T) {
	p := newTied(t)
	if err := p.Add(Account{Person: "p-b", Login: "bert", Name: "Bert"}, goodPassword); err != nil {
		t.Fatal(err)
	}
	e, err := p.LogIn(t.Context(), "bert", goodPassword, here)
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := p.Visit(e.Session)
	if err != nil {
		t.Fatal(err)
	}
	p.h.lie = func(c map[string]any) {
		maps.Copy(c, map[string]any{"sub": "sub-bert", "preferred_username": "b.bos", "name": "Bert Bos"})
	}
	address, cookie, err := p.Away(t.Context(), &in, "/bureau/account", here)
	if err != nil {
		t.Fatal(err)
	}
	if e, _, err := p.Back(t.Context(), p.h.agrees(address), cookie, here); err != nil || e != (Entry{}) {
		t.Fatalf("%+v %v", e, err)
	}
	e, err = p.comes(t)
	if err != nil {
		t.Fatal(err)
	}
	if in, _, _ := p.Visit(e.Session); in.Person != "p-b" || in.Name != "Bert Bos" {
		t.Errorf("%+v", in)
	}
	p.t = p.t.Add(FreshTerm)
	if _, _, err := p.Away(t.Context(), &in, "/bureau/account", here); err != ErrNotFresh {
		t.Errorf("linking on an old log-in: %v", err)
	}
}

func TestGoingToTheProviderIsLimitedPerAddress(t *testing.T) {
	p := newTied(t)
	for range triesPerAddress {
		if _, _, err := p.Away(t.Context(), nil, "/bureau", here); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := p.Away(t.Context(), nil, "/bureau", here); !errors.Is(err, ErrRefused) {
		t.Errorf("without end: %v", err)
	}
	if _, _, err := p.Away(t.Context(), nil, "/bureau", Client{Address: "192.0.2.2"}); err != nil {
		t.Errorf("another address: %v", err)
	}
}

// TestLoggingOutEndsTheLogInAtTheProviderToo, where it says how, with a passkey between as well; and who came by a password does not go there.
func TestLoggingOutEndsTheLogInAtTheProviderToo(t *testing.T) {
	p := newTied(t)
	p.h.discover = func(says map[string]any) {
		says["end_session_endpoint"] = p.h.server.URL + "/end?realm=stad"
	}
	out := func() Left {
		t.Helper()
		e, err := p.comes(t)
		if err != nil {
			t.Fatal(err)
		}
		in, ok, err := p.Visit(e.Session)
		if err != nil || !ok {
			t.Fatal(err)
		}
		left, err := p.LogOut(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, err := p.Visit(e.Session); ok || err != nil {
			t.Errorf("still in here: %v", err)
		}
		return left
	}
	left := out()
	u, err := url.Parse(left.Onward)
	if err != nil || !left.Provider {
		t.Fatal(left, err)
	}
	q := u.Query()
	if u.Scheme+"://"+u.Host+u.Path != p.h.server.URL+"/end" || q.Get("realm") != "stad" || q.Get("client_id") != clientID || q.Get("post_logout_redirect_uri") != "https://desk.stad.example/bureau/inloggen" {
		t.Errorf("%s", left.Onward)
	}
	token, err := jwt.ParseSigned(q.Get("id_token_hint"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var c jwt.Claims
	if err := token.Claims(p.h.key.Public(), &c); err != nil || c.Subject != "sub-anna" {
		t.Errorf("%+v: %v", c, err)
	}

	// It is down, or names no such address: they are out here all the same, and are told.
	p.clock.t = p.clock.t.Add(2 * time.Hour)
	e, err := p.comes(t)
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := p.Visit(e.Session)
	if err != nil {
		t.Fatal(err)
	}
	p.provider.provider, p.h.down = nil, true // as after a start, when nothing is known of it yet
	left, err = p.LogOut(t.Context(), in)
	if err != nil || left != (Left{Provider: true}) || !strings.Contains(p.log.String(), "to log somebody out") || strings.Contains(p.log.String(), "anna") {
		t.Errorf("%+v %v: %s", left, err, p.log.String())
	}
	if _, ok, err := p.Visit(e.Session); ok || err != nil {
		t.Errorf("still in here: %v", err)
	}
	p.h.down, p.h.discover = false, nil
	if left = out(); left != (Left{Provider: true}) {
		t.Errorf("%+v", left)
	}

	// A password is of this house alone.
	if err := p.Add(Account{Person: "p-bert", Login: "bert", Name: "Bert"}, goodPassword); err != nil {
		t.Fatal(err)
	}
	secret, err := logIn(t, p.Store, "bert", goodPassword, "x")
	if err != nil {
		t.Fatal(err)
	}
	if in, _, err = p.Visit(secret); err != nil {
		t.Fatal(err)
	}
	if left, err = p.LogOut(t.Context(), in); err != nil || left != (Left{}) {
		t.Errorf("%+v %v", left, err)
	}

	// A provider that would have people send their ID token over a plain line, or to a script, is not believed at all.
	for _, lie := range []string{"http://elders.example/end", "javascript:alert(1)", "//elders.example/end", "/end"} {
		p := newTied(t)
		p.h.discover = func(says map[string]any) { says["end_session_endpoint"] = lie }
		if _, err := p.comes(t); !errors.Is(err, ErrProviderDown) {
			t.Errorf("%s: %v", lie, err)
		}
	}
}

var formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)

// TestDex is the whole way with a provider that is not ours.
func TestDex(t *testing.T) {
	const redirect = "https://desk.stad.example" + CallbackPath
	issuer := dextest.Start(t, redirect)
	s := open(t, filepath.Join(t.TempDir(), "accounts.db"), Config{Now: time.Now, URL: "https://desk.stad.example", Name: "Gemeente Stad", Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Provider: &ProviderConfig{Issuer: issuer, ClientID: "beeldwacht", Secret: dextest.Secret, Scopes: []string{"profile", "groups"}, LoginClaim: "preferred_username", NameClaim: "name", RoleClaim: "groups", Role: "cameratoezicht"}})
	t.Cleanup(func() { s.Close() })
	for _, who := range []string{"anna", "bert"} {
		if err := s.InviteByProvider(Account{Person: protocol.PersonID("p-" + who), Login: who, Name: who}); err != nil {
			t.Fatal(err)
		}
	}
	// atDex is a person filling in Dex's own form, until it sends them back.
	atDex := func(address, who string) url.Values {
		t.Helper()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		var back url.Values
		client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), redirect) {
				back = r.URL.Query()
				return http.ErrUseLastResponse
			}
			return nil
		}}
		res, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(res.Body)
		res.Body.Close()
		form := formAction.FindSubmatch(page)
		if err != nil || form == nil {
			t.Fatalf("Dex shows no form (%v): %s", err, page)
		}
		to, err := res.Request.URL.Parse(strings.ReplaceAll(string(form[1]), "&amp;", "&"))
		if err != nil {
			t.Fatal(err)
		}
		res, err = client.PostForm(to.String(), url.Values{"login": {who + "@stad.example"}, "password": {dextest.Password}})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if back == nil {
			t.Fatalf("Dex does not send %s back: %s", who, res.Status)
		}
		return back
	}
	come := func(who string) (Entry, url.Values, string, error) {
		t.Helper()
		address, cookie, err := s.Away(t.Context(), nil, "/bureau", here)
		if err != nil {
			t.Fatal(err)
		}
		q := atDex(address, who)
		e, _, err := s.Back(t.Context(), q, cookie, here)
		return e, q, cookie, err
	}
	e, q, cookie, err := come("anna")
	if err != nil {
		t.Fatal(err)
	}
	if in, ok, err := s.Visit(e.Session); err != nil || !ok || in.Person != protocol.PersonID("p-"+"anna") || in.Name != "Anna de Vries" {
		t.Fatalf("%+v %v %v", in, ok, err)
	}
	if in, _, err := s.Visit(e.Session); err != nil {
		t.Fatal(err)
	} else if left, err := s.LogOut(t.Context(), in); err != nil || !left.Provider || left.Onward != "" { // this Dex keeps no log-in of its own to end
		t.Errorf("%+v %v", left, err)
	}
	if _, _, err := s.Back(t.Context(), q, cookie, here); !errors.Is(err, ErrStale) {
		t.Errorf("the same redirect again: %v", err)
	}
	address, cookie, err := s.Away(t.Context(), nil, "/bureau", here)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Back(t.Context(), url.Values{"state": u.Query()["state"], "code": q["code"]}, cookie, here); !errors.Is(err, ErrStale) {
		t.Errorf("a used code under a new state: %v", err)
	}
	if _, _, _, err := come("bert"); !errors.Is(err, ErrNoRole) {
		t.Errorf("without the role: %v", err)
	}
	if _, _, _, err := come("carla"); !errors.Is(err, ErrNotHere) {
		t.Errorf("without an account: %v", err)
	}
	for name, change := range map[string]func(url.Values){"another redirect URI": func(q url.Values) { q.Set("redirect_uri", "https://elders.example/terug") }, "another client": func(q url.Values) { q.Set("client_id", "ander") }} {
		address, _, err := s.Away(t.Context(), nil, "/bureau", here)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		asked := u.Query()
		change(asked)
		u.RawQuery = asked.Encode()
		res, err := http.Get(u.String())
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode < 400 {
			t.Errorf("%s: Dex says %s", name, res.Status)
		}
	}
}
