// Package apitest is a police system to test and demonstrate the API with, as httptest is for HTTP. It knows what openapi.json says, and nothing of the code behind it.
package apitest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// System is one system with its own key. Not safe for concurrent use.
type System struct {
	ID   string
	Base string // https://centre/v1
	HTTP *http.Client
	Now  func() time.Time

	key   *ecdsa.PrivateKey
	token string
	until time.Time
}

// New makes a system with a new key pair.
func New(id, base string, client *http.Client, now func() time.Time) (*System, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &System{ID: id, Base: base, HTTP: client, Now: now, key: key}, err
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// JWK is the public key, for the administrator.
func (s *System) JWK() (string, error) {
	point, err := s.key.PublicKey.Bytes()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, encode(point[1:33]), encode(point[33:])), nil
}

// Claims are those of an assertion as it should be.
func (s *System) Claims() map[string]any {
	return map[string]any{"iss": s.ID, "sub": s.ID, "aud": s.Base + "/toegangstokens", "exp": s.Now().Add(time.Minute).Unix(), "jti": rand.Text()}
}

// Sign makes a JWT of claims.
func (s *System) Sign(algorithm string, claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]any{"alg": algorithm, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := encode(header) + "." + encode(body)
	sum := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + encode(append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)), nil
}

// Ask asks for an access token with this assertion.
func (s *System) Ask(ctx context.Context, assertion string, more url.Values) (*Answer, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
	for k, v := range more {
		form[k] = v
	}
	return s.send(ctx, "POST", "/toegangstokens", []byte(form.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

// Token is a valid access token: the one there is, or another.
func (s *System) Token(ctx context.Context) (string, error) {
	if s.token != "" && s.Now().Before(s.until) {
		return s.token, nil
	}
	assertion, err := s.Sign("ES256", s.Claims())
	if err != nil {
		return "", err
	}
	answer, err := s.Ask(ctx, assertion, nil)
	if err != nil {
		return "", err
	}
	var t struct {
		Token string `json:"access_token"`
		Lasts int    `json:"expires_in"`
	}
	if err := answer.Read(http.StatusOK, &t); err != nil {
		return "", err
	}
	s.token, s.until = t.Token, s.Now().Add(time.Duration(t.Lasts)*time.Second-time.Minute)
	return s.token, nil
}

// Answer is what came back.
type Answer struct {
	What   string // method and path
	Status int
	Header http.Header
	Body   []byte
}

// Read takes the JSON of an answer that should have this status.
func (a *Answer) Read(status int, into any) error {
	if a.Status != status {
		return fmt.Errorf("%s: status %d, want %d: %s", a.What, a.Status, status, a.Body)
	}
	return json.Unmarshal(a.Body, into)
}

// Call calls an operation, with an access token. person is who it is for; empty: nobody. body is text or something to write as JSON; nil: none. headers are pairs.
func (s *System) Call(ctx context.Context, method, path, person string, body any, headers ...string) (*Answer, error) {
	token, err := s.Token(ctx)
	if err != nil {
		return nil, err
	}
	h := http.Header{"Authorization": {"Bearer " + token}}
	if person != "" {
		h.Set("Medewerker", person)
	}
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		if text, err = json.Marshal(b); err != nil {
			return nil, err
		}
	}
	if text != nil {
		h.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return s.send(ctx, method, path, text, h)
}

func (s *System) send(ctx context.Context, method, path string, body []byte, h http.Header) (*Answer, error) {
	address := path
	if !strings.HasPrefix(path, "http") {
		address = s.Base + path
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = h
	res, err := s.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return &Answer{method + " " + path, res.StatusCode, res.Header, text}, nil
}
