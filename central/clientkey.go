package central

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"

	"github.com/go-json-experiment/json"
)

// ClientKey is a system's public key: a JWK with only the members of RFC 7638, in its order, so that one key is one text.
type ClientKey string

// jwk is the JWK that somebody gives us: what stands beside the key itself (kid, alg, use, …) is let through and not kept.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	N   string `json:"n"`
	E   string `json:"e"`
	D   string `json:"d"` // nobody may give it to us
}

// leastRSA is the shortest RSA key, in bits (NCSC, ICT-beveiligingsrichtlijnen voor TLS: sufficient).
const leastRSA = 3072

// ParseClientKey reads a public JWK: EC on P-256, which signs with ES256, or RSA of 3072 bits and more, which signs with PS256. A private key is refused.
func ParseClientKey(text []byte) (ClientKey, error) {
	var k jwk
	if err := json.Unmarshal(text, &k); err != nil {
		return "", refuse(CodeInvalid, "Dit is geen JWK: plak de publieke sleutel als JSON, met kty en de velden daarbij.", "This is not a JWK: paste the public key as JSON, with kty and its members.")
	}
	if k.D != "" {
		return "", refuse(CodeInvalid,
			"Dit is een geheime sleutel (d). Die hoort hier niet te zijn: laat de organisatie een nieuw paar maken en alleen de publieke helft sturen.",
			"This is a private key (d). It should not be here: let the organisation make a new pair and send the public half only.")
	}
	key := ClientKey(fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, k.Crv, k.X, k.Y))
	if k.Kty != "EC" {
		key = ClientKey(fmt.Sprintf(`{"e":%q,"kty":%q,"n":%q}`, k.E, k.Kty, k.N))
	}
	if _, _, err := key.Public(); err != nil {
		return "", refuse(CodeInvalid, fmt.Sprintf("Deze sleutel kan hier niet worden gebruikt (%v). Nodig: EC op P-256, of RSA van ten minste %d bits.", err, leastRSA),
			fmt.Sprintf("This key cannot be used here (%v). Needed: EC on P-256, or RSA of at least %d bits.", err, leastRSA))
	}
	return key, nil
}

// Public is the key itself and the one algorithm (RFC 7518) that it signs with: what a signature says of itself decides nothing.
func (c ClientKey) Public() (key crypto.PublicKey, algorithm string, err error) {
	var k jwk
	if err := json.Unmarshal([]byte(c), &k); err != nil {
		return nil, "", err
	}
	number := func(s string) *big.Int {
		b, e := base64.RawURLEncoding.Strict().DecodeString(s)
		if e != nil || len(b) == 0 {
			err = fmt.Errorf("a member that is not base64url")
		}
		return new(big.Int).SetBytes(b)
	}
	switch {
	case k.Kty == "EC" && k.Crv == "P-256":
		x, y := number(k.X), number(k.Y)
		if err != nil {
			return nil, "", err
		}
		if x.BitLen() > 256 || y.BitLen() > 256 {
			return nil, "", fmt.Errorf("not a point on P-256")
		}
		point := append([]byte{4}, append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...)...)
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return nil, "", fmt.Errorf("not a point on P-256")
		}
		return public, "ES256", nil
	case k.Kty == "RSA":
		n, e := number(k.N), number(k.E)
		if err != nil {
			return nil, "", err
		}
		if n.BitLen() < leastRSA || n.BitLen() > 8192 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
			return nil, "", fmt.Errorf("RSA of %d bits", n.BitLen())
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, "PS256", nil
	}
	return nil, "", fmt.Errorf("kty %q, crv %q", k.Kty, k.Crv)
}

// Thumbprint is the key's SHA-256 thumbprint (RFC 7638), by which people compare it on another road.
func (c ClientKey) Thumbprint() string {
	sum := sha256.Sum256([]byte(c))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
