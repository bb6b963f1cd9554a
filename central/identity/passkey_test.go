package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// The life of passkeys in a real browser is tested in central/desk; here is what a browser would not do.

// cose is an ES256 key as a passkey gives it (RFC 9053).
func cose(p *protocoltest.Passkey) []byte {
	b := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}
	b = append(b, p.Key.X.FillBytes(make([]byte, 32))...)
	return append(append(b, 0x22, 0x58, 0x20), p.Key.Y.FillBytes(make([]byte, 32))...)
}

// withPasskeys is a store in which each of these people has a password and a passkey.
func withPasskeys(t *testing.T, logins ...string) (*Store, *clock, map[string]*protocoltest.Passkey) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}
	s := open(t, filepath.Join(t.TempDir(), "accounts.db"), Config{Now: c.now, URL: "https://" + protocoltest.RelyingParty, Name: "Gemeente Stad"})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	keys := map[string]*protocoltest.Passkey{}
	for _, login := range logins {
		person := protocol.PersonID("p-" + login)
		if err := s.Add(Account{Person: person, Login: login, Name: login}, goodPassword); err != nil {
			t.Fatal(err)
		}
		keys[login] = protocoltest.NewPasskey(t, person)
		if err := s.shelf.Update(func(rows Rows) error {
			r, _, err := getRecord(rows, login)
			r.Passkeys = []Passkey{{ID: []byte("key of " + login), Key: cose(keys[login]), Name: "sleutel", Flags: 5}}
			return errors.Join(err, put(rows, accounts, login, r))
		}); err != nil {
			t.Fatal(err)
		}
	}
	return s, c, keys
}

// asks is a log-in up to the passkey: the step, and the challenge.
func asks(t *testing.T, s *Store, login string) (step string, challenge []byte) {
	t.Helper()
	e, err := s.LogIn(t.Context(), login, goodPassword, here)
	if err != nil || e.Session != "" || e.Step == "" {
		t.Fatalf("%+v %v", e, err)
	}
	return e.Step, challengeOf(t, s, e.Step)
}

func challengeOf(t *testing.T, s *Store, step string) []byte {
	t.Helper()
	options, err := s.Challenge(step)
	if err != nil {
		t.Fatal(err)
	}
	var asked struct {
		Challenge        string
		UserVerification string
	}
	if err := json.Unmarshal([]byte(options), &asked); err != nil || asked.UserVerification != "required" {
		t.Fatalf("%s: %v", options, err)
	}
	b, err := base64.RawURLEncoding.DecodeString(asked.Challenge)
	if err != nil || len(b) < 16 {
		t.Fatal(asked.Challenge, err)
	}
	return b
}

// answers is what a browser sends for a passkey.
func answers(t *testing.T, login string, p *protocoltest.Passkey, challenge []byte) string {
	t.Helper()
	auth, client, sig := p.Assert(t, challenge)
	text := base64.RawURLEncoding.EncodeToString
	id := text([]byte("key of " + login))
	b, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]string{"authenticatorData": text(auth), "clientDataJSON": text(client), "signature": text(sig), "userHandle": text([]byte(p.Person))}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAPasskeyAnswersItsOwnChallengeOnce(t *testing.T) {
	s, _, keys := withPasskeys(t, "anna", "bert")
	step, challenge := asks(t, s, "anna")
	good := answers(t, "anna", keys["anna"], challenge)
	for name, change := range map[string]func(p *protocoltest.Passkey){
		"without its owner verified": func(p *protocoltest.Passkey) { p.Flags = 0x01 },
		"without its owner there":    func(p *protocoltest.Passkey) { p.Flags = 0x04 },
		"made at another site":       func(p *protocoltest.Passkey) { p.RP = "elders.example" },
		"a registration":             func(p *protocoltest.Passkey) { p.Type = "webauthn.create" },
		"another key":                func(p *protocoltest.Passkey) { p.Key = keys["bert"].Key },
	} {
		step, challenge := asks(t, s, "anna")
		p := *keys["anna"]
		change(&p)
		if secret, err := s.ShowPasskey(step, answers(t, "anna", &p, challenge), here); !errors.Is(err, ErrPasskey) || secret != "" {
			t.Errorf("%s: %v", name, err)
		}
		unlock(t, s, "passkey of anna") // the lock-out has a test of its own
		unlock(t, s, "anna")
	}
	if secret, err := s.ShowPasskey(step, answers(t, "bert", keys["bert"], challenge), here); !errors.Is(err, ErrPasskey) || secret != "" {
		t.Errorf("another person's passkey: %v", err)
	}
	if _, err := s.ShowPasskey(step, good, here); !errors.Is(err, ErrPasskey) {
		t.Errorf("a challenge that was answered already, wrongly: %v", err)
	}
	challenge = challengeOf(t, s, step)
	stale := challenge
	challenge = challengeOf(t, s, step)
	if _, err := s.ShowPasskey(step, answers(t, "anna", keys["anna"], stale), here); !errors.Is(err, ErrPasskey) {
		t.Errorf("the challenge before: %v", err)
	}
	challenge = challengeOf(t, s, step)
	good = answers(t, "anna", keys["anna"], challenge)
	secret, err := s.ShowPasskey(step, good, here)
	if err != nil || secret == "" {
		t.Fatal(err)
	}
	if in, ok, err := s.Visit(secret); err != nil || !ok || !in.Passkey || in.Person != "p-anna" {
		t.Errorf("%+v %v %v", in, ok, err)
	}
	if _, err := s.ShowPasskey(step, good, here); !errors.Is(err, ErrPasskey) {
		t.Errorf("the same answer again: %v", err)
	}
	// Its counter stood at 7, and stands there again: a copy.
	step, challenge = asks(t, s, "anna")
	if _, err := s.ShowPasskey(step, answers(t, "anna", keys["anna"], challenge), here); !errors.Is(err, ErrPasskey) {
		t.Errorf("a copy of a passkey: %v", err)
	}
}

func TestPasskeysAreLimitedAndTheStepEnds(t *testing.T) {
	s, c, keys := withPasskeys(t, "anna")
	step, challenge := asks(t, s, "anna")
	for range triesPerLogin {
		if _, err := s.ShowPasskey(step, "{}", here); !errors.Is(err, ErrPasskey) {
			t.Fatal(err)
		}
		challenge = challengeOf(t, s, step)
	}
	if _, err := s.ShowPasskey(step, answers(t, "anna", keys["anna"], challenge), here); err != ErrRefused {
		t.Errorf("after %d wrong ones: %v", triesPerLogin, err)
	}
	c.t = c.t.Add(LockTerm)
	if _, err := s.Challenge(step); !errors.Is(err, ErrPasskey) {
		t.Errorf("a step lives for ever: %v", err)
	}
	step, challenge = asks(t, s, "anna")
	if err := s.SetPassword("anna", "een heel ander wachtwoord"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ShowPasskey(step, answers(t, "anna", keys["anna"], challenge), here); !errors.Is(err, ErrPasskey) {
		t.Errorf("a step outlives the password it began with: %v", err)
	}
}

// The key that a person logs in with is the key that a recorder would check their signature with.
func TestSigningKeysAreThoseOfARoster(t *testing.T) {
	s, _, keys := withPasskeys(t, "anna")
	list, err := s.SigningKeys("p-anna")
	if err != nil || !slices.Equal(list, []string{keys["anna"].Verifier()}) {
		t.Errorf("%q, want %q: %v", list, keys["anna"].Verifier(), err)
	}
	if list, err := s.SigningKeys("p-niemand"); err != nil || len(list) != 0 {
		t.Errorf("%q %v", list, err)
	}
}

// signingOf is what a person's passkey is asked for when a document is to be signed.
func signingOf(t *testing.T, s *Store, in Session, key string, document []byte) (c Ceremony, challenge []byte) {
	t.Helper()
	c, err := s.Sign(in, key, document)
	if err != nil {
		t.Fatal(err)
	}
	var asked struct{ Challenge string }
	if err := json.Unmarshal([]byte(c.Options), &asked); err != nil {
		t.Fatal(err)
	}
	if challenge, err = base64.RawURLEncoding.DecodeString(asked.Challenge); err != nil {
		t.Fatal(err)
	}
	return c, challenge
}

// What a person signs with their passkey a recorder takes for their signature, by the key that its roster names: of this text and no other, by the passkey that is named and no other of
// theirs, once, within its term. What a log-in gave is no signature.
func TestI13_ADocumentIsSignedWithTheVeryPasskeyOfTheRoster(t *testing.T) {
	s, c, keys := withPasskeys(t, "anna", "bert")
	town := protocoltest.NewTown(t, c.t)
	document := town.Compose(town.Resume("r-1", 2))
	in := Session{Account: Account{Login: "anna", Person: "p-anna"}}
	key := keys["anna"].Verifier()
	read, err := protocol.ParseDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(read.Text()))

	// None of the refused ones counts as a use: the counter of this passkey stands still, and a second use would be taken for a copy.
	refused := func(what string, in Session, make func(challenge []byte) string) {
		t.Helper()
		asked, challenge := signingOf(t, s, Session{Account: Account{Login: "anna", Person: "p-anna"}}, key, document)
		if signed, err := s.Signed(in, asked, make(challenge), here.Where); !errors.Is(err, ErrPasskey) || signed != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	by := func(p protocoltest.Passkey) func([]byte) string {
		return func(challenge []byte) string { return answers(t, "anna", &p, challenge) }
	}
	unlocked, elsewhere, other := *keys["anna"], *keys["anna"], *keys["anna"]
	unlocked.Flags, elsewhere.RP, other.Key = 0x01, "elders.example", keys["bert"].Key
	refused("its owner was not verified", in, by(unlocked))
	refused("at another site", in, by(elsewhere))
	refused("with another key", in, by(other))
	refused("somebody else's session", Session{Account: Account{Login: "bert", Person: "p-bert"}}, by(*keys["anna"]))
	refused("over another text", in, func([]byte) string {
		other := sha256.Sum256([]byte(strings.Replace(read.Text(), "log 2", "log 3", 1)))
		return answers(t, "anna", keys["anna"], other[:])
	})
	refused("what a log-in gave", in, func([]byte) string {
		_, challenge := asks(t, s, "anna")
		return answers(t, "anna", keys["anna"], challenge)
	})
	asked, challenge := signingOf(t, s, in, key, document)
	newer, _ := signingOf(t, s, in, key, document)
	if _, err := s.Signed(in, asked, answers(t, "anna", keys["anna"], challenge), here.Where); !errors.Is(err, ErrPasskey) {
		t.Errorf("a signing that was begun anew: %v", err)
	}
	c.t = c.t.Add(signTerm)
	if _, err := s.Signed(in, newer, answers(t, "anna", keys["anna"], challenge), here.Where); !errors.Is(err, ErrPasskey) {
		t.Errorf("after its term: %v", err)
	}
	asked, challenge = signingOf(t, s, in, key, document)
	if !bytes.Equal(challenge, sum[:]) {
		t.Fatalf("the passkey is asked for %x, the text is %x", challenge, sum)
	}
	answer := answers(t, "anna", keys["anna"], challenge)
	signed, err := s.Signed(in, asked, answer, here.Where)
	if err != nil {
		t.Fatal(err)
	}
	got, err := protocol.ParseDocument(signed)
	v, err2 := protocol.NewVerifier(key)
	if err := errors.Join(err, err2); err != nil || got.Text() != read.Text() || !got.SignedBy(v) {
		t.Fatalf("%v\n%s", err, signed)
	}
	if again, err := s.Signed(in, asked, answer, here.Where); !errors.Is(err, ErrPasskey) || again != nil {
		t.Errorf("the same answer again: %v", err)
	}
	if _, err := s.Sign(in, keys["bert"].Verifier(), document); !errors.Is(err, ErrNoKey) {
		t.Errorf("with a key that is not theirs: %v", err)
	}
	if _, err := s.Sign(in, key, []byte("zomaar een tekst\n")); err == nil {
		t.Error("what is no document is signed")
	}
}
