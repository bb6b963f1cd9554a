package protocol

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"crypto/rand"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"
)

// Keys are note keys: a signer key "PRIVATE+KEY+name+hash+data" that stays secret and a verifier key "name+hash+data" that is shared.

// NewKey makes an Ed25519 note key under a name.
func NewKey(name string) (signer, verifier string, err error) {
	return note.GenerateKey(rand.Reader, name)
}

// PublicKey is the verifier key of a signer key made by [NewKey].
func PublicKey(signer string) (string, error) {
	if _, err := note.NewSigner(signer); err != nil {
		return "", fmt.Errorf("signer key: %w", err) // never the key itself
	}
	parts := strings.SplitN(signer, "+", 5) // PRIVATE+KEY+<name>+<hash>+<base64>
	seed, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil {
		return "", errors.New("signer key: not base64")
	}
	return note.NewEd25519VerifierKey(parts[2], ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
}

// KeyUnder is an Ed25519 verifier key under another name: a recorder signs the successor of its log with the same key, which bears the successor's name as every log's key bears its log's.
func KeyUnder(name, vkey string) (string, error) {
	if _, err := note.NewVerifier(vkey); err != nil {
		return "", fmt.Errorf("verifier key %q: %w", vkey, err)
	}
	parts := strings.SplitN(vkey, "+", 3) // <name>+<hash>+<base64 of the type and the key>
	data, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(data) != 1+ed25519.PublicKeySize {
		return "", fmt.Errorf("verifier key %q: not an Ed25519 key", vkey)
	}
	return note.NewEd25519VerifierKey(name, data[1:])
}

// VerifierUnder is [KeyUnder] for a verifier that [NewVerifier] made.
func VerifierUnder(name string, v note.Verifier) (note.Verifier, error) {
	k, ok := v.(textKey)
	if !ok {
		return nil, fmt.Errorf("key of %s: cannot be read under another name", v.Name())
	}
	vkey, err := KeyUnder(name, k.text)
	if err != nil {
		return nil, err
	}
	return NewVerifier(vkey)
}

// textKey remembers what it was read from.
type textKey struct {
	note.Verifier
	text string
}

// NewSigner reads a private key made by [NewKey].
func NewSigner(skey string) (note.Signer, error) {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err // which does not quote the key
	}
	vkey, err := PublicKey(skey)
	if err != nil {
		return nil, err
	}
	return textSigner{signer, vkey}, nil
}

// SignerUnder is [KeyUnder] for a signer that [NewSigner] made: the same key signs under another name.
func SignerUnder(name string, s note.Signer) (note.Signer, error) {
	k, ok := s.(textSigner)
	if !ok {
		return nil, fmt.Errorf("key of %s: cannot sign under another name", s.Name())
	}
	vkey, err := KeyUnder(name, k.public)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return textSigner{renamed{s, v}, vkey}, nil
}

// textSigner knows its public key.
type textSigner struct {
	note.Signer
	public string
}

type renamed struct {
	note.Signer
	as note.Verifier
}

func (r renamed) Name() string    { return r.as.Name() }
func (r renamed) KeyHash() uint32 { return r.as.KeyHash() }

// passkeyType is the note signature type of a passkey: 0xff marks a type with a written name (C2SP signed-note).
const passkeyType = "\xffbeeldwacht/passkey-es256/v1\n"

// PasskeyVerifier writes the verifier key of a person's passkey: person id, relying party (the desk's host name), P-256 public key.
func PasskeyVerifier(person PersonID, rpID string, pub *ecdsa.PublicKey) string {
	rp := sha256.Sum256([]byte(rpID))
	data := append([]byte(passkeyType), rp[:]...)
	data = append(data, elliptic.MarshalCompressed(elliptic.P256(), pub.X, pub.Y)...)
	return fmt.Sprintf("%s+%08x+%s", person, passkeyHash(string(person), data), base64.StdEncoding.EncodeToString(data))
}

func passkeyHash(name string, data []byte) uint32 {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write(data)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// NewVerifier reads a verifier key: Ed25519, or a passkey.
func NewVerifier(vkey string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	hash, data64, _ := strings.Cut(rest, "+")
	data, err := base64.StdEncoding.DecodeString(data64)
	if err == nil && base64.StdEncoding.EncodeToString(data) != data64 {
		return nil, fmt.Errorf("verifier key %q: not in its one written form", vkey) // the decoder skips line ends
	}
	if err != nil || !bytes.HasPrefix(data, []byte(passkeyType)) {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, fmt.Errorf("verifier key %q: %w", vkey, err)
		}
		return textKey{v, vkey}, nil
	}
	key := data[len(passkeyType):]
	if len(key) != 32+33 || name == "" || fmt.Sprintf("%08x", passkeyHash(name, data)) != hash {
		return nil, fmt.Errorf("verifier key %q: malformed passkey", vkey)
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), key[32:])
	if x == nil {
		return nil, fmt.Errorf("verifier key %q: not a point on P-256", vkey)
	}
	return &passkey{name: name, hash: passkeyHash(name, data), rp: [32]byte(key[:32]), pub: &ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}}, nil
}

// IsPasskey says whether a verifier key is a passkey's.
func IsPasskey(v note.Verifier) bool {
	_, ok := v.(*passkey)
	return ok
}

type passkey struct {
	name string
	hash uint32
	rp   [32]byte
	pub  *ecdsa.PublicKey
}

func (p *passkey) Name() string    { return p.name }
func (p *passkey) KeyHash() uint32 { return p.hash }

// Verify checks a WebAuthn assertion over text: the challenge is SHA-256(text), the relying party is the pinned one, the person was
// present and verified (WebAuthn level 2, section 7.2).
func (p *passkey) Verify(text, sig []byte) bool {
	auth, client, der, ok := splitAssertion(sig)
	if !ok || len(auth) < 37 || !bytes.Equal(auth[:32], p.rp[:]) {
		return false
	}
	const present, verified = 0x01, 0x04
	if auth[32]&present == 0 || auth[32]&verified == 0 {
		return false
	}
	var data struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
	}
	if err := json.Unmarshal(client, &data); err != nil || data.Type != "webauthn.get" {
		return false
	}
	challenge := sha256.Sum256(text)
	if data.Challenge != base64.RawURLEncoding.EncodeToString(challenge[:]) {
		return false
	}
	clientHash := sha256.Sum256(client)
	signed := sha256.Sum256(append(bytes.Clone(auth), clientHash[:]...))
	return ecdsa.VerifyASN1(p.pub, signed[:], der)
}

// PasskeySignature packs a WebAuthn assertion for a signature line: two length-prefixed (16 bit, big endian) parts, authenticator data
// and client data, then the ASN.1 signature.
func PasskeySignature(authenticatorData, clientData, signature []byte) ([]byte, error) {
	if len(authenticatorData) > 1<<12 || len(clientData) > 1<<12 {
		return nil, fmt.Errorf("passkey assertion: authenticator data of %d and client data of %d bytes; at most 4096 each", len(authenticatorData), len(clientData))
	}
	var b []byte
	for _, part := range [][]byte{authenticatorData, clientData} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(part)))
		b = append(b, part...)
	}
	return append(b, signature...), nil
}

func splitAssertion(b []byte) (auth, client, sig []byte, ok bool) {
	parts := make([][]byte, 2)
	for i := range parts {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return nil, nil, nil, false
		}
		n := int(binary.BigEndian.Uint16(b))
		parts[i], b = b[2:2+n], b[2+n:]
	}
	return parts[0], parts[1], b, true
}
