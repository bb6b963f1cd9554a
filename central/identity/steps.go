package identity

import (
	stdjson "encoding/json" // for the library's own types, which are written for it
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// step is something under way that works once and soon: a log-in that waits for a passkey, a passkey being registered, a text being signed, somebody who is at the provider.
// It lies on the shelf, so that another centre may finish it.
type step struct {
	Kind  stepKind      `json:"kind"`
	Login string        `json:"login,omitempty"` // whose; empty: not known yet
	Until protocol.Time `json:"until"`

	Ceremony   jsontext.Value `json:"ceremony,omitempty"` // webauthn.SessionData: the challenge and to whom; of a signing, a signing
	ByProvider bool           `json:"by-provider,omitempty"`
	Hint       string         `json:"hint,omitempty"` // see session
	Away       away           `json:"away,omitzero"`
}

type stepKind string

const (
	stepLogIn    stepKind = "log-in"
	stepRegister stepKind = "register"
	stepRemove   stepKind = "remove"
	stepAway     stepKind = "away"
	stepSign     stepKind = "sign"
)

const (
	stepTerm  = 5 * time.Minute
	signTerm  = 15 * time.Minute // a text that is signed is read first
	mostSteps = 10_000           // under way together; strangers can begin them
)

// begin puts a step on the shelf and returns its token. What a person has begun to register, remove or sign, a new beginning ends.
func (s *Store) begin(rows Rows, st step, term time.Duration) (string, error) {
	now := s.Now()
	underWay, err := drop(rows, steps, func(_ string, old step) bool {
		return !now.Before(old.Until.Time) || old.Kind == st.Kind && old.Login == st.Login && slices.Contains([]stepKind{stepRegister, stepRemove, stepSign}, st.Kind)
	})
	if err != nil {
		return "", err
	}
	if underWay >= mostSteps {
		return "", ErrRefused
	}
	secret, err := token()
	if err != nil {
		return "", err
	}
	st.Until = protocol.T(now.Add(term))
	return secret, put(rows, steps, sum(secret), st)
}

// asked is what the passkey was asked in a step that is no signing.
func (st step) asked() (data webauthn.SessionData, err error) {
	return data, stdjson.Unmarshal(st.Ceremony, &data)
}

// underWay is a step that has not been taken and is not over.
func (s *Store) underWay(rows Rows, kind stepKind, secret string) (st step, ok bool, err error) {
	ok, err = get(rows, steps, sum(secret), &st)
	return st, ok && st.Kind == kind && s.Now().Before(st.Until.Time), err
}
