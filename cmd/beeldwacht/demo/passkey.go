package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// passkey is what a person would hold in their hand: a key for one site, here in memory, that answers what a page asks of it as a browser and a security key do together (WebAuthn level 2, sections 5.8, 6.1
// and 6.5).
type passkey struct {
	id     []byte
	key    *ecdsa.PrivateKey
	origin string
	rp     [32]byte
	used   uint32
}

func newPasskey(origin string) (*passkey, error) {
	site, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p := &passkey{id: make([]byte, 16), key: key, origin: origin, rp: sha256.Sum256([]byte(site.Hostname()))}
	rand.Read(p.id) // never fails (crypto/rand)
	return p, nil
}

// answer fills in the form of a page that asks for a passkey, to register this one or to use it, and posts it.
func (p *passkey) answer(ctx context.Context, v *Visitor, page *Page, action string, fields url.Values) (*Page, error) {
	form := find(page.node, func(n *html.Node) bool { return n.Data == "form" && strings.HasSuffix(attr(n, "action"), action) })
	if form == nil {
		return nil, fmt.Errorf("%s: no form %q on the page: %.300s", page.Path, action, page.Text)
	}
	var asked struct{ Challenge string }
	if err := json.Unmarshal([]byte(attr(form, "data-options")), &asked); err != nil {
		return nil, fmt.Errorf("%s: what the form %q asks of a passkey: %w", page.Path, action, err)
	}
	create := attr(form, "data-passkey") == "create"
	b64 := base64.RawURLEncoding.EncodeToString
	kind, response := "webauthn.get", map[string]string{}
	if create {
		kind = "webauthn.create"
	}
	client, err := json.Marshal(map[string]any{"type": kind, "challenge": asked.Challenge, "origin": p.origin, "crossOrigin": false})
	if err != nil {
		return nil, err
	}
	response["clientDataJSON"] = b64(client)
	auth, err := p.authenticator(create)
	if err != nil {
		return nil, err
	}
	if create {
		response["attestationObject"] = b64(append(append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), byte(len(auth))), auth...))
	} else {
		sum := sha256.Sum256(client)
		digest := sha256.Sum256(append(auth, sum[:]...))
		sig, err := ecdsa.SignASN1(rand.Reader, p.key, digest[:])
		if err != nil {
			return nil, err
		}
		response["authenticatorData"], response["signature"] = b64(auth), b64(sig)
	}
	given, err := json.Marshal(map[string]any{"id": b64(p.id), "rawId": b64(p.id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response})
	if err != nil {
		return nil, err
	}
	all := url.Values{"antwoord": {string(given)}}
	for name, list := range fields {
		all[name] = list
	}
	return v.Submit(ctx, page, action, all)
}

// authenticator is its data: the site, that its owner is there and is who they are, how often it was used, and where it is registered its id and public key (COSE, RFC 9053).
func (p *passkey) authenticator(create bool) ([]byte, error) {
	const present, verified, attested = 0x01, 0x04, 0x40
	flags := byte(present | verified)
	if create {
		flags |= attested
	}
	p.used++
	b := binary.BigEndian.AppendUint32(append(p.rp[:], flags), p.used)
	if !create {
		return b, nil
	}
	point, err := p.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	b = append(b, make([]byte, 16)...) // of no known make
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(p.id))), p.id...)
	b = append(append(b, "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"...), point[1:33]...)
	return append(append(b, "\x22\x58\x20"...), point[33:]...), nil
}
