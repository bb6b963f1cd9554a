package identity

import (
	"crypto/sha256"
	stdjson "encoding/json" // for the library's own types, which are written for it
	"errors"
	"fmt"
	"slices"

	wire "github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// A person signs a document with a passkey that a recorder's roster names: what the passkey is asked for is the SHA-256 of the text (DESIGN section 4, Orders), and its answer stands under it for
// as long as the document lives. The recorder believes that answer, not the centre. A passkey shows nobody what it signs, and a log-in asks for
// any of a person's: who does not trust the centre with that keeps one for signing on a security key of its own, and logs in with another.

// ErrNoKey: none of the person's passkeys is the key that is to sign.
var ErrNoKey = errors.New("this passkey is not among the person's own")

// signingKey is a passkey as a roster names it (protocol.PasskeyVerifier); false for one of a kind that a recorder cannot check.
func (s *Store) signingKey(person protocol.PersonID, p Passkey) (key string, ok bool) {
	read, err := webauthncose.ParsePublicKey(p.Key)
	if err != nil {
		return "", false
	}
	ec, ok := read.(webauthncose.EC2PublicKeyData)
	if !ok || ec.Algorithm != int64(webauthncose.AlgES256) {
		return "", false
	}
	public, err := ec.ToECDSA()
	if err != nil {
		return "", false
	}
	return protocol.PasskeyVerifier(person, s.webauthn.Config.RPID, public), true
}

// signsWith are the person's passkeys that are this key: one, or none.
func (s *Store) signsWith(person protocol.PersonID, key string) func(Passkey) bool {
	return func(p Passkey) bool {
		own, ok := s.signingKey(person, p)
		return ok && own == key
	}
}

// SigningKeys are a person's passkeys as a recorder's roster would name them, those whose kind a recorder can check.
func (s *Store) SigningKeys(person protocol.PersonID) (list []string, err error) {
	err = s.shelf.View(func(rows Rows) error {
		r, _, err := recordOf(rows, person)
		list = nil
		for _, p := range r.Passkeys {
			if key, ok := s.signingKey(person, p); ok {
				list = append(list, key)
			}
		}
		return err
	})
	return list, err
}

// signing is what is kept of a signing under way. It is within the step's ceremony, so that a centre of before there was signing can read past it.
type signing struct {
	Asked    webauthn.SessionData `json:"asked"`
	Document string               `json:"document"`
	Key      string               `json:"key"` // that is to sign it, as a roster names it
}

// Sign begins to have a person sign an unsigned document with the passkey that has a key, as a roster names it; the passkey's name is theirs for it. ErrNoKey: they do not have it.
func (s *Store) Sign(in Session, key string, document []byte) (c Ceremony, passkey string, err error) {
	read, err := protocol.ParseDocument(document)
	if err != nil {
		return c, "", err
	}
	if read.Text()+"\n" != string(document) {
		return c, "", fmt.Errorf("%s %s: has a signature already", read.Kind(), read.Head().ID)
	}
	challenge := sha256.Sum256([]byte(read.Text()))
	err = s.shelf.Update(func(rows Rows) error {
		r, ok, err := getRecord(rows, in.Login)
		if err != nil || !ok {
			return errors.Join(err, ErrNoAccount)
		}
		i := slices.IndexFunc(r.Passkeys, s.signsWith(r.Person, key))
		if i < 0 {
			return ErrNoKey
		}
		options, data, err := s.webauthn.BeginLogin(holder{r, s.signsWith(r.Person, key)}, webauthn.WithChallenge(challenge[:]))
		if err != nil {
			return err
		}
		passkey = r.Passkeys[i].Name
		c, err = s.ceremony(rows, step{Kind: stepSign, Login: r.Login}, signTerm, options.Response, signing{*data, string(document), key})
		return err
	})
	return c, passkey, err
}

// Signed ends what Sign began, with the browser's answer: the same document with the person's signature under it.
func (s *Store) Signed(in Session, c Ceremony, answer string, where Where) (document []byte, err error) {
	var refused error
	err = s.shelf.Update(func(rows Rows) error {
		refused, document = nil, nil
		st, r, ok, err := s.take(rows, stepSign, c.Token, in.Login)
		if err != nil {
			return err
		}
		if !ok {
			refused = ErrPasskey
			return nil
		}
		var begun signing
		if err := stdjson.Unmarshal(st.Ceremony, &begun); err != nil {
			return err
		}
		err = s.shown(&r, begun.Asked, answer, s.signsWith(r.Person, begun.Key))
		if err == nil {
			document, err = begun.under(answer)
		}
		if err != nil {
			refused = s.badPasskey(err)
			return nil
		}
		r.happened(PasskeySigned, protocol.T(s.Now()), where)
		return put(rows, accounts, r.Login, r)
	})
	if err = errors.Join(err, refused); err != nil {
		return nil, err
	}
	return document, nil
}

// under puts a passkey's answer under the document, as a recorder will check it.
func (b signing) under(answer string) ([]byte, error) {
	parsed, err := wire.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return nil, err
	}
	given := parsed.Raw.AssertionResponse
	v, err := protocol.NewVerifier(b.Key)
	if err != nil {
		return nil, err
	}
	sig, err := protocol.PasskeySignature(given.AuthenticatorData, given.ClientDataJSON, given.Signature)
	if err != nil {
		return nil, err
	}
	signed, err := protocol.ParseDocument(protocol.AddSignature([]byte(b.Document), v.Name(), v.KeyHash(), sig))
	if err != nil {
		return nil, err
	}
	if !signed.SignedBy(v) {
		return nil, errors.New("a recorder would not take it for the signature of " + v.Name())
	}
	return signed.Raw, nil
}
