package desk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

func publicJWK(t testing.TB) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, b64(point[1:33]), b64(point[33:]))
}

// TestAnAdministratorLetsASystemInAndShutsItOut; its unit reads how to connect, and whoever opens a request that came through it is told so.
func TestAnAdministratorLetsASystemInAndShutsItOut(t *testing.T) {
	o := newOffice(t)
	for _, p := range []protocol.PersonID{registrar, handler, approver, requester, staff} {
		says(t, o.as(p).get("/bureau/koppelingen"), 403, "Uw rol geeft hier geen toegang")
	}
	says(t, o.as(officer).post("/bureau/koppelingen", "kenmerk", "bvh"), 403)
	a := o.as(admin)
	says(t, a.get("/bureau/koppelingen"), 200, "Er zijn geen koppelingen", "Systeem toelaten")
	says(t, a.post("/bureau/koppelingen", "kenmerk", "bvh", "naam", "Zaaksysteem", "eenheid", "basisteam", "mag", "verzoeken:indienen", "sleutel", "geen json"), 400, "Dit is geen JWK", "geen json")
	key := publicJWK(t)
	if w := a.post("/bureau/koppelingen", "kenmerk", "bvh", "naam", "Zaaksysteem", "eenheid", "basisteam", "mag", "verzoeken:indienen", "sleutel", key); w.Code != 303 {
		t.Fatal(w.Code, w.Body)
	}
	parsed, err := central.ParseClientKey([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	says(t, a.get("/bureau/koppelingen"), 200, "Zaaksysteem", parsed.Thumbprint(), "nog nooit", "In gebruik", "Politie basisteam")
	says(t, o.as(officer).get("/en/bureau/koppelingen"), 200, "Zaaksysteem", "No system can check or decide")

	says(t, o.as(requester).get("/bureau/koppelen"), 200, "https://cameras.stad.example/v1/toegangstokens", string(requester), "Zaaksysteem", "CV-1")
	says(t, o.as(stranger).get("/bureau/koppelen"), 200, "Uw organisatie heeft nog geen koppeling", "CV-2")

	o.do(central.Through{Client: "bvh", Once: "0123456789abcdef", Command: central.FileRequest{By: requester, RequestFacts: central.RequestFacts{Kind: central.Vordering, Article: "126nda", Authority: "hulpofficier",
		Cameras: []protocol.CameraID{"hal"}, Asked: protocol.Span(o.now.Add(-time.Hour), o.now.Add(-50*time.Minute)), Reference: "PL-1", Necessity: "de verdachte liep langs de ingang"}}})
	says(t, o.as(handler).get("/bureau/aanvragen/z-1"), 200, "Ingediend door het systeem bvh", "niet zelf aan het bureau", "via systeem bvh")

	says(t, a.post("/bureau/koppelingen/bvh/intrekken", "reden", ""), 400, "Vul in: de reden")
	if w := a.post("/bureau/koppelingen/bvh/intrekken", "reden", "sleutel gelekt"); w.Code != 303 {
		t.Fatal(w.Code, w.Body)
	}
	says(t, a.get("/bureau/koppelingen"), 200, "Ingetrokken", "sleutel gelekt")
	says(t, o.as(handler).get("/bureau/aanvragen/z-1"), 200, "Koppeling ingetrokken", "sleutel gelekt")
}
