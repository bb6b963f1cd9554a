package identity

import (
	"crypto/sha256"
	"errors"

	wire "github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// A person signs a document with a passkey that a recorder's roster names: what the passkey is asked for is the SHA-256 of the text (DESIGN section 4, Orders), and its answer stands under it for
// as long as the document lives. The recorder believes that answer, not the centre. A passkey shows nobody what it signs: a person who trusts neither the centre nor the computer before them keeps
// one for signing alone, so that no log-in can be turned into a signature.

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

// Sign begins to have a person sign an unsigned document with the passkey that has a key, as a roster names it. ErrNoKey: they do not have it.
func (s *Store) Sign(in Session, key string, document []byte) (c Ceremony, err error) {
	read, err := protocol.ParseDocument(document)
	if err != nil {
		return c, err
	}
	challenge := sha256.Sum256([]byte(read.Text()))
	err = s.shelf.Update(func(rows Rows) error {
		r, ok, err := getRecord(rows, in.Login)
		if err != nil || !ok {
			return errors.Join(err, ErrNoAccount)
		}
		h := holder{r, s.signsWith(r.Person, key)}
		if len(h.WebAuthnCredentials()) == 0 {
			return ErrNoKey
		}
		options, data, err := s.webauthn.BeginLogin(h, webauthn.WithChallenge(challenge[:]))
		if err != nil {
			return err
		}
		c, err = s.ceremony(rows, step{Kind: stepSign, Login: r.Login, Text: string(document), Key: key}, signTerm, options.Response, data)
		return err
	})
	return c, err
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
		err = s.shown(&r, st, answer, s.signsWith(r.Person, st.Key))
		if err == nil {
			document, err = under(st, answer)
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

// under puts a passkey's answer under the document of a step, as a recorder will check it.
func under(st step, answer string) ([]byte, error) {
	parsed, err := wire.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return nil, err
	}
	given := parsed.Raw.AssertionResponse
	v, err := protocol.NewVerifier(st.Key)
	if err != nil {
		return nil, err
	}
	sig, err := protocol.PasskeySignature(given.AuthenticatorData, given.ClientDataJSON, given.Signature)
	if err != nil {
		return nil, err
	}
	signed, err := protocol.ParseDocument(protocol.AddSignature([]byte(st.Text), v.Name(), v.KeyHash(), sig))
	if err != nil {
		return nil, err
	}
	if !signed.SignedBy(v) {
		return nil, errors.New("a recorder would not take it for the signature of " + v.Name())
	}
	return signed.Raw, nil
}
