package identity

import (
	"bytes"
	"encoding/hex"
	stdjson "encoding/json" // for the library's own types, which are written for it
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	wire "github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Passkey is one of a person's. Its private key never leaves the device it is on.
type Passkey struct {
	ID        []byte        `json:"id"`
	Key       []byte        `json:"key"`  // COSE public key
	Name      string        `json:"name"` // the person's own word for it
	Added     protocol.Time `json:"added"`
	Used      protocol.Time `json:"used,omitzero"`
	Counter   uint32        `json:"counter,omitempty"` // of its signatures, where it counts
	Flags     byte          `json:"flags,omitempty"`   // as at its last use: backup eligibility never changes
	Transport []string      `json:"transport,omitempty"`
}

// Short is how pages and forms name it.
func (p Passkey) Short() string { return hex.EncodeToString(p.ID) }

// ErrPasskey: what came from the passkey was not in order, or came too late, or twice.
var ErrPasskey = errors.New("the passkey was not accepted; try again")

// ErrNotFresh: the log-in is too long ago to change what one logs in with.
var ErrNotFresh = errors.New("log in again first")

// ErrLastPasskey: removing one takes another.
var ErrLastPasskey = errors.New("the last passkey cannot be removed; add another first")

// mostPasskeys that one person has.
const mostPasskeys = 10

// algorithms that are asked of a passkey. The first is the one that recorders can check, see [Store.Sign]; the other is all that some computers of
// the office have.
var algorithms = []wire.CredentialParameter{{Type: wire.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256}, {Type: wire.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256}}

func relyingParty(c Config) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("base address %q: want https://host; passkeys belong to its host", c.URL)
	}
	return webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: c.Name, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference:  wire.PreferNoAttestation,
		AuthenticatorSelection: wire.AuthenticatorSelection{ResidentKey: wire.ResidentKeyRequirementPreferred, UserVerification: wire.VerificationRequired}})
}

// holder is a person as the library wants to see them. The handle on the device is the pseudonym.
type holder struct {
	record
	only func(Passkey) bool // nil: all
}

func (h holder) WebAuthnID() []byte          { return []byte(h.Person) }
func (h holder) WebAuthnName() string        { return h.Login }
func (h holder) WebAuthnDisplayName() string { return h.Account.Name }
func (h holder) WebAuthnCredentials() (list []webauthn.Credential) {
	for _, p := range h.Passkeys {
		if h.only != nil && !h.only(p) {
			continue
		}
		c := webauthn.Credential{ID: p.ID, PublicKey: p.Key, Flags: webauthn.NewCredentialFlags(wire.AuthenticatorFlags(p.Flags)), Authenticator: webauthn.Authenticator{SignCount: p.Counter}}
		for _, t := range p.Transport {
			c.Transport = append(c.Transport, wire.AuthenticatorTransport(t))
		}
		list = append(list, c)
	}
	return list
}

// Ceremony is what a page gives the browser: options for navigator.credentials, and the token that the answer comes back with.
type Ceremony struct {
	Options string // JSON
	Token   string
}

// Register begins to add a passkey.
func (s *Store) Register(in Session) (c Ceremony, err error) {
	if !in.Fresh(s.Now()) {
		return c, ErrNotFresh
	}
	err = s.shelf.Update(func(rows Rows) error {
		r, ok, err := getRecord(rows, in.Login)
		if err != nil || !ok {
			return errors.Join(err, ErrNoAccount)
		}
		h := holder{record: r}
		options, data, err := s.webauthn.BeginRegistration(h, webauthn.WithCredentialParameters(algorithms), webauthn.WithExclusions(webauthn.Credentials(h.WebAuthnCredentials()).CredentialDescriptors()))
		if err != nil {
			return err
		}
		c, err = s.ceremony(rows, step{Kind: stepRegister, Login: r.Login}, stepTerm, options.Response, data)
		return err
	})
	return c, err
}

func (s *Store) ceremony(rows Rows, st step, term time.Duration, options, data any) (c Ceremony, err error) {
	b, err := stdjson.Marshal(options)
	if err != nil {
		return c, err
	}
	c.Options = string(b)
	if st.Ceremony, err = stdjson.Marshal(data); err != nil {
		return c, err
	}
	c.Token, err = s.begin(rows, st, term)
	return c, err
}

// AddPasskey ends what Register began, with the browser's answer. name is the person's own word for it.
func (s *Store) AddPasskey(in Session, c Ceremony, answer, name string, where Where) error {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 60 || !utf8.ValidString(name) {
		name = "passkey"
	}
	if !in.Fresh(s.Now()) {
		return ErrNotFresh
	}
	var refused error
	err := s.shelf.Update(func(rows Rows) error {
		st, r, ok, err := s.take(rows, stepRegister, c.Token, in.Login)
		if err != nil {
			return err
		}
		if refused = nil; !ok || len(r.Passkeys) >= mostPasskeys {
			refused = ErrPasskey
			return nil
		}
		data, err := st.asked()
		if err != nil {
			return err
		}
		parsed, err := wire.ParseCredentialCreationResponseBytes([]byte(answer))
		var made *webauthn.Credential
		if err == nil {
			made, err = s.webauthn.CreateCredential(holder{record: r}, data, parsed)
		}
		if err == nil && slices.ContainsFunc(r.Passkeys, func(p Passkey) bool { return bytes.Equal(p.ID, made.ID) }) {
			err = errors.New("registered already")
		}
		if err != nil {
			refused = s.badPasskey(err)
			return nil
		}
		p := Passkey{ID: made.ID, Key: made.PublicKey, Name: name, Added: protocol.T(s.Now()), Counter: made.Authenticator.SignCount, Flags: byte(made.Flags.ProtocolValue())}
		for _, t := range made.Transport {
			p.Transport = append(p.Transport, string(t))
		}
		r.Passkeys, r.Due = append(r.Passkeys, p), protocol.Time{}
		r.happened(PasskeyAdded, p.Added, where)
		// Other sessions began without it, perhaps not the person's.
		_, err = drop(rows, sessions, func(key string, o session) bool { return o.Login == r.Login && key != in.hash })
		return errors.Join(err, put(rows, accounts, r.Login, r))
	})
	return errors.Join(err, refused)
}

// take uses up what somebody has under way, whatever comes of it.
func (s *Store) take(rows Rows, kind stepKind, token, login string) (st step, r record, ok bool, err error) {
	st, ok, err = s.underWay(rows, kind, token)
	if err != nil || !ok || st.Login != login || st.Ceremony == nil {
		return st, r, false, err
	}
	if err = rows.Delete(steps, sum(token)); err == nil {
		r, ok, err = getRecord(rows, login)
	}
	return st, r, ok, err
}

// badPasskey keeps the library's reason for whoever runs the machine. It names no person.
func (s *Store) badPasskey(err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		err = fmt.Errorf("%s: %s", e.Type, e.Details)
	}
	s.Log.Warn("a passkey's answer was not accepted", "reason", err)
	return ErrPasskey
}

// Challenge is what a passkey must answer at a log-in. Each time another: the one before is void.
func (s *Store) Challenge(stepToken string) (options string, err error) {
	err = s.shelf.Update(func(rows Rows) error {
		st, ok, err := s.underWay(rows, stepLogIn, stepToken)
		var r record
		if err == nil && ok {
			r, ok, err = getRecord(rows, st.Login)
		}
		if err != nil || !ok || len(r.Passkeys) == 0 {
			return errors.Join(err, ErrPasskey)
		}
		asked, data, err := s.webauthn.BeginLogin(holder{record: r})
		if err != nil {
			return err
		}
		b, err := stdjson.Marshal(asked.Response)
		if err != nil {
			return err
		}
		options = string(b)
		if st.Ceremony, err = stdjson.Marshal(data); err != nil {
			return err
		}
		return put(rows, steps, sum(stepToken), st)
	})
	return options, err
}

// ShowPasskey ends a log-in with a passkey's answer: the session's cookie. ErrRefused: tried too often.
func (s *Store) ShowPasskey(stepToken, answer string, from Client) (secret string, err error) {
	var login string
	if err := s.shelf.View(func(rows Rows) error {
		st, _, err := s.underWay(rows, stepLogIn, stepToken)
		login = st.Login
		return err
	}); err != nil {
		return "", err
	}
	if err := s.attempt("passkey of "+login, from.Address); err != nil {
		return "", err
	}
	var refused error
	err = s.shelf.Update(func(rows Rows) error {
		refused, secret = nil, ""
		st, ok, err := s.underWay(rows, stepLogIn, stepToken)
		if err != nil {
			return err
		}
		if !ok || st.Ceremony == nil {
			refused = ErrPasskey
			return nil
		}
		r, ok, err := getRecord(rows, st.Login)
		if err != nil || !ok {
			return errors.Join(err, ErrPasskey)
		}
		data, err := st.asked()
		if err != nil {
			return err
		}
		if err := s.shown(&r, data, answer, nil); err != nil {
			refused, st.Ceremony = s.badPasskey(err), nil
			r.Failed++
			return errors.Join(put(rows, steps, sum(stepToken), st), put(rows, accounts, r.Login, r), s.count(rows, func(d *Day) { d.PasskeyRefused++ }))
		}
		if err := rows.Delete(steps, sum(stepToken)); err != nil {
			return err
		}
		secret, err = s.start(rows, r, from.Where, st.ByProvider, st.Hint, true)
		return errors.Join(err, s.forget(rows, "passkey of "+st.Login))
	})
	return secret, errors.Join(err, refused)
}

// shown checks a passkey's answer and notes its use in r.
func (s *Store) shown(r *record, data webauthn.SessionData, answer string, only func(Passkey) bool) error {
	parsed, err := wire.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return err
	}
	c, err := s.webauthn.ValidateLogin(holder{*r, only}, data, parsed)
	if err != nil {
		return err
	}
	if c.Authenticator.CloneWarning {
		return errors.New("its counter went back: there may be a copy of it")
	}
	for i, p := range r.Passkeys {
		if bytes.Equal(p.ID, c.ID) {
			r.Passkeys[i].Used, r.Passkeys[i].Counter, r.Passkeys[i].Flags = protocol.T(s.Now()), c.Authenticator.SignCount, byte(c.Flags.ProtocolValue())
		}
	}
	return nil
}

// Remove begins to remove a passkey, by showing another.
func (s *Store) Remove(in Session, id string) (c Ceremony, err error) {
	err = s.shelf.Update(func(rows Rows) error {
		r, _, err := getRecord(rows, in.Login)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(r.Passkeys, func(p Passkey) bool { return p.Short() == id }) {
			return ErrPasskey
		}
		if len(r.Passkeys) < 2 {
			return ErrLastPasskey
		}
		options, data, err := s.webauthn.BeginLogin(holder{r, func(p Passkey) bool { return p.Short() != id }})
		if err != nil {
			return err
		}
		c, err = s.ceremony(rows, step{Kind: stepRemove, Login: r.Login}, stepTerm, options.Response, data)
		return err
	})
	return c, err
}

// RemovePasskey ends what Remove began, with another passkey's answer. The person's other sessions end.
func (s *Store) RemovePasskey(in Session, c Ceremony, answer, id string, where Where) error {
	var refused error
	err := s.shelf.Update(func(rows Rows) error {
		st, r, ok, err := s.take(rows, stepRemove, c.Token, in.Login)
		if err != nil {
			return err
		}
		if refused = nil; !ok {
			refused = ErrPasskey
			return nil
		}
		data, err := st.asked()
		if err != nil {
			return err
		}
		if err := s.shown(&r, data, answer, func(p Passkey) bool { return p.Short() != id }); err != nil {
			refused = s.badPasskey(err)
			return nil
		}
		r.Passkeys = slices.DeleteFunc(r.Passkeys, func(p Passkey) bool { return p.Short() == id })
		r.happened(PasskeyRemoved, protocol.T(s.Now()), where)
		_, err = drop(rows, sessions, func(key string, o session) bool { return o.Login == r.Login && key != in.hash })
		return errors.Join(err, put(rows, accounts, r.Login, r))
	})
	return errors.Join(err, refused)
}

// TakePasskeys is an administrator's, for who lost all of theirs. It gives nobody a way in: the password or the provider is still needed. The person's
// sessions end, and they are told at their next log-in.
func (s *Store) TakePasskeys(person protocol.PersonID) error {
	return s.shelf.Update(func(rows Rows) error {
		r, ok, err := recordOf(rows, person)
		if err != nil {
			return err
		}
		if !ok || len(r.Passkeys) == 0 {
			return ErrNoAccount
		}
		now := protocol.T(s.Now())
		r.Passkeys, r.Due = nil, now
		r.happened(PasskeysTaken, now, Where{})
		return errors.Join(put(rows, accounts, r.Login, r), endAll(rows, r.Login), s.count(rows, func(d *Day) { d.PasskeysTaken++ }))
	})
}
