package api

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/api/apitest"
)

// TestAnAssertionThatIsNotRightLetsNobodyIn: each thing that RFC 7523 asks, wrong once.
func TestAnAssertionThatIsNotRightLetsNobodyIn(t *testing.T) {
	w := newWorld(t)
	s := w.police
	sign := func(algorithm string, change map[string]any) string {
		claims := s.Claims()
		for k, v := range change {
			if v == nil {
				delete(claims, k)
			} else {
				claims[k] = v
			}
		}
		text, err := s.Sign(algorithm, claims)
		w.check(err)
		return text
	}
	ask := func(assertion string, more url.Values) *apitest.Answer {
		a, err := s.Ask(t.Context(), assertion, more)
		w.check(err)
		return a
	}
	refused := func(name, assertion string, more url.Values, code string) string {
		t.Helper()
		a := ask(assertion, more)
		var e tokenFout
		w.check(json.Unmarshal(a.Body, &e))
		if a.Status != 400 && a.Status != 401 || e.Error != code || strings.Contains(string(a.Body), "access_token") {
			t.Errorf("%s: %d %s, want %s", name, a.Status, a.Body, code)
		}
		return e.Description
	}
	now := w.clock()
	for name, change := range map[string]map[string]any{
		"somebody else's audience": {"aud": "https://elders.example/token"},
		"two audiences":            {"aud": []string{s.Base + "/toegangstokens", "https://elders.example"}},
		"no audience":              {"aud": nil},
		"another subject":          {"sub": "summit"},
		"ended":                    {"exp": now.Unix()},
		"no end":                   {"exp": nil},
		"too long":                 {"exp": now.Add(6 * time.Minute).Unix()},
		"for ever":                 {"exp": 1e300},
		"not yet":                  {"nbf": now.Add(time.Minute).Unix()},
		"no jti":                   {"jti": nil},
		"unknown system":           {"iss": "niemand", "sub": "niemand"},
		"another system":           {"iss": "summit", "sub": "summit"},
	} {
		refused(name, sign("ES256", change), nil, "invalid_client")
	}
	if a, b := refused("unknown", sign("ES256", map[string]any{"iss": "niemand", "sub": "niemand"}), nil, "invalid_client"), refused("not its key", sign("ES256", map[string]any{"iss": "summit", "sub": "summit"}), nil, "invalid_client"); a != b {
		t.Errorf("an unknown system and a wrong signature are told apart: %q, %q", a, b)
	}
	good := sign("ES256", nil)
	for name, text := range map[string]string{
		"alg none": sign("none", nil), "alg HS256": sign("HS256", nil), "alg PS256": sign("PS256", nil), "nothing": "", "one part": "abc", "no signature": good[:strings.LastIndex(good, ".")+1],
		"another signature": good[:len(good)-4] + "AAAA", "padding": good + "=", "not base64": strings.Replace(good, ".", ".!", 1),
	} {
		refused(name, text, nil, "invalid_client")
	}
	refused("grant", good, url.Values{"grant_type": {"password"}}, "unsupported_grant_type")
	refused("type", good, url.Values{"client_assertion_type": {"x"}}, "invalid_client")
	refused("twice", good, url.Values{"client_assertion": {good, good}}, "invalid_request")
	refused("scope", good, url.Values{"scope": {"verzoeken:beslissen"}}, "invalid_scope")
	refused("client_id", good, url.Values{"client_id": {"summit"}}, "invalid_client")
	w.later(20 * time.Second) // the address has used up what it may ask at once
	if a := ask(good, nil); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	refused("shown again", good, nil, "invalid_client")
	if a := ask(sign("ES256", map[string]any{"aud": []string{s.Base + "/toegangstokens"}}), url.Values{"scope": {"verzoeken:lezen"}}); a.Status != 200 || !strings.Contains(string(a.Body), `"scope":"verzoeken:lezen"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestAnAssertionAdmitsOnceAtAllCentres: two centres on one ledger, or one that was restarted.
func TestAnAssertionAdmitsOnceAtAllCentres(t *testing.T) {
	w := newWorld(t)
	assertion, err := w.police.Sign("ES256", w.police.Claims())
	w.check(err)
	a, err := w.police.Ask(t.Context(), assertion, nil)
	w.check(err)
	var given toegangstoken
	w.check(a.Read(200, &given))
	second, err := New(w.api.Config) // with nothing but the ledger and the secret in common
	w.check(err)
	w.api = second
	if a, err := w.police.Ask(t.Context(), assertion, nil); err != nil || a.Status != 401 {
		t.Errorf("%v %s", err, a.Body)
	}
	if a := w.plain("GET", "/v1/verzoeken", "Authorization", "Bearer "+given.Token); a.Status != 200 {
		t.Errorf("the other centre does not take the token: %d %s", a.Status, a.Body)
	}
	other := w.api.Config
	other.Secret = bytes.Repeat([]byte{8}, 32)
	w.api, err = New(other)
	w.check(err)
	if a := w.plain("GET", "/v1/verzoeken", "Authorization", "Bearer "+given.Token); a.Status != 401 {
		t.Errorf("a centre with another secret takes the token: %d", a.Status)
	}
}

// TestATokenEnds: by time, when the system is withdrawn, when its unit's agreement ends; and it cannot be changed.
func TestATokenEnds(t *testing.T) {
	w := newWorld(t)
	text, err := w.police.Token(t.Context())
	w.check(err)
	try := func(token string) int {
		return w.plain("GET", "/v1/verzoeken", "Authorization", "Bearer "+token).Status
	}
	if got := try(text); got != 200 {
		t.Fatal(got)
	}
	forged, err := (&API{Config: Config{Secret: make([]byte, 32)}}).sealToken(token{"bvh", central.Scopes, w.clock().Add(time.Hour).Unix()})
	w.check(err)
	parts := strings.Split(text, ".")
	for name, token := range map[string]string{"empty": "", "forged": forged, "cut": text[:len(text)-1], "no prefix": strings.TrimPrefix(text, "bw1."), "no sum": parts[0] + "." + parts[1],
		"more scopes": parts[0] + "." + base64url.EncodeToString([]byte(`{"c":"bvh","s":["x"],"e":9999999999}`)) + "." + parts[2]} {
		if got := try(token); got != 401 {
			t.Errorf("%s: %d", name, got)
		}
	}
	w.later(TokenTerm - time.Second)
	if got := try(text); got != 200 {
		t.Error(got)
	}
	w.later(time.Second)
	if got := try(text); got != 401 {
		t.Error(got)
	}
	w.call(w.police, "GET", "/verzoeken", "", nil)
	w.do(central.WithdrawClient{By: admin, Client: "bvh", Reason: "sleutel gelekt"})
	text, err = w.police.Token(t.Context())
	w.check(err)
	if got := try(text); got != 403 {
		t.Errorf("withdrawn: %d", got)
	}
	text, err = w.other.Token(t.Context())
	w.check(err)
	w.agree("recherche", day(1))
	if got := try(text); got != 200 {
		t.Error(got)
	}
	w.later(24 * time.Hour)
	assertion, err := w.other.Sign("ES256", w.other.Claims())
	w.check(err)
	if a, err := w.other.Ask(t.Context(), assertion, nil); err != nil || a.Status != 401 {
		t.Errorf("without an agreement: %v %s", err, a.Body)
	}
}

// TestASystemMaySignWithRSA: PS256, as the OAuth profile of NL GOV has it.
func TestASystemMaySignWithRSA(t *testing.T) {
	w := newWorld(t)
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	w.check(err)
	jwk := fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q,"alg":"PS256"}`, base64url.EncodeToString(key.N.Bytes()), base64url.EncodeToString(big.NewInt(int64(key.E)).Bytes()))
	w.do(central.RegisterClient{By: admin, ClientFacts: central.ClientFacts{ID: "rsa", Name: "Systeem", Unit: "basisteam", Scopes: []central.Scope{central.ScopeFollow}, Key: central.ClientKey(jwk)}})
	sign := func(algorithm string, pss bool) string {
		claims := w.police.Claims()
		claims["iss"], claims["sub"] = "rsa", "rsa"
		body, err := json.Marshal(claims)
		w.check(err)
		text := base64url.EncodeToString([]byte(`{"alg":"`+algorithm+`"}`)) + "." + base64url.EncodeToString(body)
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if !pss {
			signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		}
		w.check(err)
		return text + "." + base64url.EncodeToString(signature)
	}
	for _, c := range []struct {
		assertion string
		status    int
	}{{sign("PS256", true), 200}, {sign("RS256", false), 401}, {sign("RS256", true), 401}, {sign("PS256", false), 401}} {
		if a, err := w.police.Ask(t.Context(), c.assertion, nil); err != nil || a.Status != c.status {
			t.Errorf("%v %d, want %d: %s", err, a.Status, c.status, a.Body)
		}
	}
}
