package central

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func jwkOf(t testing.TB) ClientKey {
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
	return ClientKey(fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q,"kid":"1","use":"sig"}`, b64(point[1:33]), b64(point[33:])))
}

const once = "0123456789abcdef"

// withSystem is a centre with a police system of the unit basisteam, and one that only reads.
func withSystem(t testing.TB) *centre {
	c := newCentre(t)
	c.do(RegisterClient{admin, ClientFacts{ID: "bvh", Name: "Zaaksysteem", Unit: "basisteam", Scopes: []Scope{ScopeFile, ScopeFollow, ScopeFetch}, Key: jwkOf(t)}})
	c.do(RegisterClient{admin, ClientFacts{ID: "kijker", Name: "Kijker", Unit: "basisteam", Scopes: []Scope{ScopeFollow}, Key: jwkOf(t)}})
	return c
}

// TestR18_AdministratorsAloneLetSystemsIn: and only those whose organisation has a valid agreement (R19).
func TestR18_AdministratorsAloneLetSystemsIn(t *testing.T) {
	c := newCentre(t)
	good := ClientFacts{ID: "bvh", Name: "Zaaksysteem", Unit: "basisteam", Scopes: []Scope{ScopeFile}, Key: jwkOf(t)}
	for _, p := range []protocol.PersonID{registrar, handler, approver, officer, requester, staff, System} {
		c.refused(RegisterClient{p, good}, CodeForbidden)
		c.refused(WithdrawClient{p, "bvh", "x"}, CodeForbidden)
	}
	with := func(change func(*ClientFacts)) RegisterClient {
		f := good
		change(&f)
		return RegisterClient{admin, f}
	}
	c.refused(with(func(f *ClientFacts) { f.ID = "BVH!" }), CodeInvalid)
	c.refused(with(func(f *ClientFacts) { f.Name = " " }), CodeInvalid)
	c.refused(with(func(f *ClientFacts) { f.Scopes = nil }), CodeInvalid)
	c.refused(with(func(f *ClientFacts) { f.Scopes = []Scope{"beslissen"} }), CodeUnknown)
	c.refused(with(func(f *ClientFacts) { f.Unit = "elders" }), CodeUnknown)
	c.refused(with(func(f *ClientFacts) { f.Unit = "" }), CodeCombination)
	c.refused(with(func(f *ClientFacts) { f.Key = `{"kty":"oct","k":"AAAA"}` }), CodeInvalid)
	c.refused(with(func(f *ClientFacts) {
		f.Key = ClientKey(strings.Replace(string(good.Key), `"kid"`, `"d":"AAAA","kid"`, 1))
	}), CodeInvalid)
	c.refused(with(func(f *ClientFacts) {
		f.Key = `{"kty":"RSA","e":"AQAB","n":"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDprecbAYxknTcQkhslANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4gs_7svlJJQ4H9_NxsiIoLwAEk7-Q3UXERGYw_75IDrGA84-lA_-Ct4eTlXHBIY2EaV7t7LjJaynVJCpkv4LKjTTAumiGUIuQhrNhZLuF_RJLqHpM2kgWFLU7-VTdL1VbC2tejvcI2BlMkEpk1BzBZI0KQB0GaDWFLN-aEAw3vRw"}`
	}), CodeInvalid) // 2048 bits
	c.do(RegisterClient{admin, good})
	c.refused(RegisterClient{admin, good}, CodeExists)
	c.refused(with(func(f *ClientFacts) { f.ID = "nog-een" }), CodeExists) // a key is one system's
	c.now = day(366).Time
	c.refused(with(func(f *ClientFacts) { f.ID, f.Key = "later", jwkOf(t) }), CodeInactive)
}

// TestClientKeyThumbprint is the example of RFC 7638, section 3.1; its key of 2048 bits is too short to be let in.
func TestClientKeyThumbprint(t *testing.T) {
	key := ClientKey(`{"e":"AQAB","kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}`)
	if got := key.Thumbprint(); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Error(got)
	}
	given := jwkOf(t)
	one, err := ParseClientKey([]byte(given))
	if err != nil || strings.Contains(string(one), "kid") {
		t.Error(one, err)
	}
	if _, algorithm, err := one.Public(); err != nil || algorithm != "ES256" {
		t.Error(algorithm, err)
	}
}

// TestI12_NoSystemChecksOrDecides: whomever it names, and whatever roles they hold; nor does it do anything for another unit or the municipality's own people.
func TestI12_NoSystemChecksOrDecides(t *testing.T) {
	c := withSystem(t)
	through := func(cmd Command) Through { return Through{"bvh", once, cmd} }
	c.do(appoint(policeH, "basisteam", Post{Handler, protocol.WPG}, Post{Role: Requester})) // of the unit, and a handler as well
	c.do(appoint("p-stranger", "recherche", Post{Role: Requester}))
	c.do(through(FileRequest{requester, theft()}))
	r := c.s.Request("z-1")
	c.confirm("z-1")
	for _, cmd := range []Command{
		CheckRequest{By: handler, Request: r.ID, Complete: true, Necessary: true, Remark: "x"}, CheckRequest{By: policeH, Request: r.ID, Complete: true, Necessary: true, Remark: "x"}, DecideRequest{By: approver, Request: r.ID, Outcome: Grants, Reason: Complies, Motivation: "x"},
		Appoint{admin, Appointment{Person: "p-new"}}, Activate{registrar, "hal"}, EndPlacement{approver, "hal", Suspend, "x"}, Through{"bvh", once, FileRequest{requester, theft()}},
		RegisterClient{admin, ClientFacts{}}, Tend{},
	} {
		c.refused(through(cmd), CodeForbidden)
	}
	initiative := theft()
	initiative.Kind = OwnInitiative
	c.refused(through(FileRequest{staff, initiative}), CodeForbidden)
	for _, p := range []protocol.PersonID{"p-stranger", handler, admin, officer, staff, System, "p-nobody"} {
		c.refused(through(FileRequest{p, theft()}), CodeForbidden)
	}
	c.do(FileRequest{"p-stranger", theft()}) // at the desk, by another unit
	for _, cmd := range []Command{TakeOver{requester, "z-2"}, RecordDownload{requester, "z-2", "g-1"}, ConfirmHandOver{requester, "z-2", ""},
		WithdrawConsent{policeH, "z-2", "x"}, ConfirmOral{policeH, "z-2", WrittenLater{}}, AmendRequest{"p-stranger", "z-2", theft()}} {
		_, err := c.try(through(cmd))
		if r, ok := RefusalOf(err); !ok || r.Code != CodeUnknown && r.Code != CodeForbidden {
			t.Errorf("%T of another unit: %v", cmd, err)
		}
	}
	c.refused(Through{"kijker", once, FileRequest{requester, theft()}}, CodeForbidden) // without the scope
	c.refused(Through{"niemand", once, FileRequest{requester, theft()}}, CodeUnknown)
	c.do(appoint(requester, "basisteam")) // who has lost the role is not vouched back into it
	c.refused(Through{"bvh", once + "2", FileRequest{requester, theft()}}, CodeForbidden)
}

// TestR05_HistorySaysThroughWhichSystem: who asked and which system vouched for that, both; what was done at the desk names none.
func TestR05_HistorySaysThroughWhichSystem(t *testing.T) {
	c := withSystem(t)
	events := c.do(Through{"bvh", once, FileRequest{requester, theft()}})
	for _, e := range events {
		if e.By != requester || e.Via != "bvh" {
			t.Errorf("%s by %q via %q", e.Name(), e.By, e.Via)
		}
		body, err := e.Body()
		if err != nil || body.Via != "bvh" {
			t.Error(body.Via, err)
		}
	}
	c.do(TakeOver{colleague, "z-1"})
	var via []string
	for _, m := range c.s.Request("z-1").History {
		via = append(via, string(m.Via))
	}
	if got := strings.Join(via, " "); got != "bvh bvh " {
		t.Errorf("%q", got)
	}
	if got := c.s.Request("z-1").Before[0]; got != requester {
		t.Error(got)
	}
}

// TestAFilingThatIsRepeatedFilesOnce: a system that got no answer sends again.
func TestAFilingThatIsRepeatedFilesOnce(t *testing.T) {
	c := withSystem(t)
	file := FileRequest{requester, theft()}
	c.refused(Through{"bvh", "", file}, CodeInvalid)
	c.refused(Through{"bvh", "kort", file}, CodeInvalid)
	c.do(Through{"bvh", once, file})
	if events := c.do(Through{"bvh", once, file}); len(events) != 0 {
		t.Errorf("filed again: %d events", len(events))
	}
	if f, ok := c.s.FiledOnce("bvh", once); !ok || f.Request != "z-1" {
		t.Error(f, ok)
	}
	other := theft()
	other.Necessity = "iets anders"
	c.refused(Through{"bvh", once, FileRequest{requester, other}}, CodeExists)
	c.refused(Through{"bvh", once, FileRequest{colleague, theft()}}, CodeExists)
	c.now = c.now.Add(time.Hour) // later, too
	c.do(Through{"bvh", once, file})
	if len(c.s.order) != 1 {
		t.Errorf("%d requests", len(c.s.order))
	}
}

// TestSystemsComeInOnceForEachAssertion, not too often, and no more once withdrawn or without an agreement.
func TestSystemsComeInOnceForEachAssertion(t *testing.T) {
	c := withSystem(t)
	in := func(jti string) AdmitClient {
		return AdmitClient{"bvh", protocol.HashOf([]byte(jti)), protocol.T(c.now.Add(time.Minute))}
	}
	c.do(in("a"))
	c.refused(in("a"), CodeExists)
	late := in("b")
	late.Until = protocol.T(c.now)
	c.refused(late, CodeTerm)
	late.Until = protocol.T(c.now.Add(AssertionTerm + time.Second))
	c.refused(late, CodeTerm)
	for i := range AdmissionsAnHour - 1 {
		c.do(in(fmt.Sprint(i)))
	}
	c.refused(in("too-many"), CodeTooOften)
	c.do(AdmitClient{"kijker", protocol.HashOf([]byte("a")), protocol.T(c.now.Add(time.Minute))}) // another system's own
	c.now = c.now.Add(time.Hour)
	c.do(in("later"))
	if got := c.s.Client("bvh"); !got.Came.Equal(c.now) || len(got.admissions) != 1 {
		t.Errorf("came %s, %d remembered", got.Came, len(got.admissions))
	}
	c.refused(WithdrawClient{admin, "bvh", ""}, CodeInvalid)
	c.do(WithdrawClient{admin, "bvh", "sleutel gelekt"})
	c.refused(WithdrawClient{admin, "bvh", "nog eens"}, CodeState)
	c.refused(in("withdrawn"), CodeInactive)
	c.refused(Through{"bvh", once, FileRequest{requester, theft()}}, CodeInactive)
	c.now = day(366).Time // the agreement is over
	c.refused(AdmitClient{"kijker", protocol.HashOf([]byte("z")), protocol.T(c.now.Add(time.Minute))}, CodeInactive)
}
