// Package protocoltest is a municipality in miniature to test with, as httptest is for HTTP: offline roots, the centre's order key, a
// recorder, a vault key, and people with passkeys who sign as a browser would. It is for tests and the demonstration's tests only.
package protocoltest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// The people of every Town. Each handler and approver sits for both regimes.
const (
	Handler   protocol.PersonID = "p-handler"
	Approver  protocol.PersonID = "p-approver"
	Approver2 protocol.PersonID = "p-approver2"
	Officer   protocol.PersonID = "p-officer"
	Requester protocol.PersonID = "p-requester"
	Admin     protocol.PersonID = "p-admin" // has a passkey and no seat
)

// RelyingParty is the desk's host name, to which all passkeys belong.
const RelyingParty = "desk.stad.example"

// Town holds every key that the real parties keep apart.
type Town struct {
	Municipality string
	Recorder     protocol.RecorderID
	Start        time.Time // when the first roster's term begins
	Roots        protocol.Roots
	RootKeys     []note.Signer
	Order        note.Signer
	OrderKey     string
	Log          note.Signer // the recorder's own key, named after its log's origin
	LogKey       string
	LedgerKey    string
	Witness      *chain.Witness
	WitnessKey   string
	Vault        *age.X25519Identity
	People       map[protocol.PersonID]*Passkey

	t testing.TB
}

// NewTown makes a town whose first roster is valid for a year from start.
func NewTown(t testing.TB, start time.Time) *Town {
	t.Helper()
	town := &Town{Municipality: "stad", Recorder: "rec-1", Start: protocol.T(start).Time, People: map[protocol.PersonID]*Passkey{}, t: t}
	for i := range 3 {
		s, v := Key(t, fmt.Sprintf("root%d.stad", i+1))
		town.RootKeys, town.Roots = append(town.RootKeys, s), append(town.Roots, v)
	}
	town.Order, town.OrderKey = Key(t, "orders.stad/beeldwacht")
	town.Log, town.LogKey = Key(t, protocol.Origin(town.Recorder, town.Municipality))
	_, town.LedgerKey = Key(t, protocol.LedgerOrigin(town.Municipality))
	skey, _, err := protocol.NewKey("witness.stad/beeldwacht")
	must(t, err)
	town.Witness, town.WitnessKey, err = chain.NewWitness(skey)
	must(t, err)
	town.Vault, err = age.GenerateX25519Identity()
	must(t, err)
	for _, p := range []protocol.PersonID{Handler, Approver, Approver2, Officer, Requester, Admin} {
		town.People[p] = NewPasskey(t, p)
	}
	return town
}

// Key makes an Ed25519 note key.
func Key(t testing.TB, name string) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := protocol.NewKey(name)
	must(t, err)
	s, err := protocol.NewSigner(skey)
	must(t, err)
	return s, vkey
}

// Roster is the roster of a version, signed by two roots. Level centre is refused unless a change says otherwise.
func (town *Town) Roster(version uint64, changes ...func(*protocol.Roster)) []byte {
	town.t.Helper()
	r := &protocol.Roster{
		Heading: town.Heading(fmt.Sprintf("roster-%d", version), 365*24*time.Hour),
		Version: version, Municipality: town.Municipality,
		OrderKey: town.OrderKey, LedgerKey: town.LedgerKey, RecorderKey: town.LogKey, VaultKey: town.Vault.Recipient().String(),
		Officer: Officer, OfficerKey: town.People[Officer].Verifier(), Witnesses: []string{town.WitnessKey}, Quorum: 1,
		MaxWindow: protocol.MaxWindow, MaxHold: protocol.Window(protocol.MaxHold), HoldShare: 50,
	}
	for _, regime := range []protocol.Regime{protocol.AVG, protocol.WPG} {
		r.Handlers = append(r.Handlers, protocol.Seat{Regime: regime, Person: Handler, Key: town.People[Handler].Verifier()})
		for _, p := range []protocol.PersonID{Approver, Approver2} {
			r.Approvers = append(r.Approvers, protocol.Seat{Regime: regime, Person: p, Key: town.People[p].Verifier()})
		}
	}
	for _, change := range changes {
		change(r)
	}
	raw := town.Compose(r)
	for _, root := range town.RootKeys[:2] {
		var err error
		raw, err = protocol.Countersign(raw, root)
		must(town.t, err)
	}
	return raw
}

// Heading begins a document for this town's recorder, valid from the town's start for a term.
func (town *Town) Heading(id string, term time.Duration) protocol.Heading {
	return protocol.Heading{ID: protocol.DocumentID(id), Recorder: town.Recorder, NotBefore: protocol.T(town.Start), NotAfter: protocol.T(town.Start.Add(term))}
}

// Compose writes a document and has each of the persons sign it with their passkey.
func (town *Town) Compose(d protocol.Document, signers ...protocol.PersonID) []byte {
	town.t.Helper()
	raw, err := protocol.Compose(d)
	must(town.t, err)
	for _, p := range signers {
		raw = town.People[p].Sign(town.t, raw)
	}
	return raw
}

// Envelope carries a document under a number, valid for thirty days from the town's start.
func (town *Town) Envelope(number uint64, document []byte, changes ...func(*protocol.Envelope)) []byte {
	town.t.Helper()
	e := protocol.Envelope{Recorder: town.Recorder, Number: number, NotBefore: protocol.T(town.Start), NotAfter: protocol.T(town.Start.Add(30 * 24 * time.Hour)), Document: document}
	for _, change := range changes {
		change(&e)
	}
	raw, err := protocol.SealEnvelope(e, town.Order)
	must(town.t, err)
	return raw
}

// Mandate permits a camera for a year with the longest window.
func (town *Town) Mandate(camera protocol.CameraID, version uint64) *protocol.Mandate {
	return &protocol.Mandate{
		Heading: town.Heading(fmt.Sprintf("m-%s-%d", camera, version), 365*24*time.Hour),
		Camera:  camera, Regime: protocol.WPG, Version: version, Streams: []protocol.StreamID{"main", "sub"},
		Window: protocol.MaxWindow, LongestHold: protocol.Window(60 * 24 * time.Hour),
		Sound: "none", Hours: "always", Besluit: "B-2026-14", Protocol: "cameraprotocol 3.1",
	}
}

// Hold keeps an interval of a camera for fourteen days.
func (town *Town) Hold(id string, camera protocol.CameraID, asked protocol.Interval) *protocol.Hold {
	return &protocol.Hold{
		Heading: town.Heading(id, 30*24*time.Hour),
		Camera:  camera, Request: "z-12", Asked: asked, Ground: protocol.GroundRequest, End: protocol.T(town.Start.Add(14 * 24 * time.Hour)),
	}
}

// Erase is an order to destroy an interval of a camera, for two approvers to sign.
func (town *Town) Erase(id string, camera protocol.CameraID, interval protocol.Interval) *protocol.Erase {
	return &protocol.Erase{Heading: town.Heading(id, 24*time.Hour), Camera: camera, Interval: interval, Ground: protocol.EraseIncident, Dossier: "incident-1",
		Approvers: []protocol.PersonID{Approver, Approver2}}
}

// Resume lets the town's recorder go on under the log of a number, for the officer to sign. The witness has seven entries of the one before.
func (town *Town) Resume(id string, log uint64) *protocol.Resume {
	return &protocol.Resume{Heading: town.Heading(id, 28*24*time.Hour), Log: log, Witnessed: protocol.LedgerHead{Size: 7, Root: protocol.HashOf([]byte("witnessed"))}, Officer: Officer}
}

// Grant is a release grant to the town's vault, of exactly the footage asked, valid for its whole day.
func (town *Town) Grant(id string, camera protocol.CameraID, interval protocol.Interval) *protocol.Grant {
	return &protocol.Grant{
		Heading: town.Heading(id, protocol.ReleaseGrantTerm),
		Camera:  camera, Regime: protocol.WPG, Request: "z-12", Use: protocol.UseRelease, Asked: interval, Interval: interval,
		Purpose: "opsporing", Requester: Requester, Handler: Handler, Approver: Approver, Recipient: town.Vault.Recipient().String(),
	}
}

// Passkey is a person's authenticator in software: WebAuthn, ES256, bound to RelyingParty.
type Passkey struct {
	Person protocol.PersonID
	RP     string
	Key    *ecdsa.PrivateKey
	Flags  byte // 0x05: present and verified
	Type   string
}

// NewPasskey makes one that a person is present at and unlocks.
func NewPasskey(t testing.TB, person protocol.PersonID) *Passkey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return &Passkey{Person: person, RP: RelyingParty, Key: key, Flags: 0x05, Type: "webauthn.get"}
}

// Verifier is the passkey as a roster names it.
func (p *Passkey) Verifier() string {
	return protocol.PasskeyVerifier(p.Person, RelyingParty, &p.Key.PublicKey)
}

// Assert makes what a browser returns for a challenge: authenticator data, client data and signature.
func (p *Passkey) Assert(t testing.TB, challenge []byte) (auth, client, sig []byte) {
	t.Helper()
	rp := sha256.Sum256([]byte(p.RP))
	auth = binary.BigEndian.AppendUint32(append(rp[:], p.Flags), 7)
	client = fmt.Appendf(nil, `{"type":%q,"challenge":%q,"origin":"https://%s","crossOrigin":false}`, p.Type, base64.RawURLEncoding.EncodeToString(challenge), p.RP)
	clientHash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, auth...), clientHash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, p.Key, digest[:])
	must(t, err)
	return auth, client, sig
}

// Sign adds the person's signature line to a document.
func (p *Passkey) Sign(t testing.TB, raw []byte) []byte {
	t.Helper()
	s, err := protocol.ParseDocument(raw)
	must(t, err)
	challenge := sha256.Sum256([]byte(s.Text()))
	packed, err := protocol.PasskeySignature(p.Assert(t, challenge[:]))
	must(t, err)
	v, err := protocol.NewVerifier(p.Verifier())
	must(t, err)
	return protocol.AddSignature(raw, v.Name(), v.KeyHash(), packed)
}

// Change replaces text in a signed note without signing it again, as an attacker would.
func Change(t testing.TB, raw []byte, old, new string) []byte {
	t.Helper()
	if strings.Count(string(raw), old) != 1 {
		t.Fatalf("%q stands %d times in:\n%s", old, strings.Count(string(raw), old), raw)
	}
	return []byte(strings.Replace(string(raw), old, new, 1))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
