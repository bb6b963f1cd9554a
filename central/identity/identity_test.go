package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

// TestMain makes passwords cheap: the race detector would make these tests take a minute.
func TestMain(m *testing.M) {
	cost.memoryKiB = 512
	os.Exit(m.Run())
}

func TestPasswordsAreHashedAtOWASPsCost(t *testing.T) {
	b, err := os.ReadFile("password.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("}{19 * 1024, 2, 1}")) {
		t.Error("the cost of a password changed: see the OWASP password storage cheat sheet before changing this test")
	}
}

const goodPassword = "vier losse woorden hier"

func open(t *testing.T, path string, c Config) *Store {
	t.Helper()
	shelf, err := File(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(shelf, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logIn is a log-in by password that no passkey follows.
func logIn(t *testing.T, s *Store, login, password, from string) (string, error) {
	e, err := s.LogIn(t.Context(), login, password, Client{Address: from})
	return e.Session, err
}

func newStore(t *testing.T) (*Store, *clock, string) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}
	path := filepath.Join(t.TempDir(), "accounts.db")
	s := open(t, path, Config{Now: c.now, URL: "https://desk.stad.example", Name: "Gemeente Stad"})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c, path
}

func withAnna(t *testing.T) (*Store, *clock, string) {
	t.Helper()
	s, c, path := newStore(t)
	if err := s.Add(Account{Person: "p-4f2a", Login: "anna", Name: "Anna de Vries"}, goodPassword); err != nil {
		t.Fatal(err)
	}
	return s, c, path
}

func TestLogInVisitAndLogOut(t *testing.T) {
	s, _, path := withAnna(t)
	secret, err := logIn(t, s, " Anna ", goodPassword, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	in, ok, err := s.Visit(secret)
	if err != nil || !ok || in.Person != "p-4f2a" || in.Name != "Anna de Vries" || len(in.CSRF) < 40 {
		t.Fatalf("%+v %v %v", in, ok, err)
	}
	if _, err := s.LogOut(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.Visit(secret); ok {
		t.Error("the session lives after log-out")
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(stored, []byte(secret)) || bytes.Contains(stored, []byte(goodPassword)) {
		t.Error("the file holds a secret that would let its reader log in")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file mode %v %v", info.Mode(), err)
	}
}

func TestASessionEndsByItself(t *testing.T) {
	s, c, _ := withAnna(t)
	secret, err := logIn(t, s, "anna", goodPassword, "a")
	if err != nil {
		t.Fatal(err)
	}
	started := c.t
	for c.t.Sub(started) < SessionTerm-20*time.Minute { // visited every 20 minutes
		c.t = c.t.Add(20 * time.Minute)
		if _, ok, err := s.Visit(secret); !ok || err != nil {
			if c.t.Sub(started) < SessionTerm {
				t.Fatalf("ended after %s of visits: %v", c.t.Sub(started), err)
			}
		}
	}
	c.t = started.Add(SessionTerm)
	if _, ok, _ := s.Visit(secret); ok {
		t.Error("a session lives past its term")
	}
	secret, err = logIn(t, s, "anna", goodPassword, "a")
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(SessionIdle)
	if _, ok, _ := s.Visit(secret); ok {
		t.Error("a session lives after half an hour without a visit")
	}
	if _, ok, _ := s.Visit("nonsense"); ok {
		t.Error("a made-up secret is a session")
	}
}

func TestEveryFailureLooksAlike(t *testing.T) {
	s, _, _ := withAnna(t)
	if _, err := s.Invite(Account{Person: "p-b", Login: "bert", Name: "Bert"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ login, password string }{
		{"anna", "fout"}, {"niemand", goodPassword}, {"bert", ""}, {"bert", goodPassword}, {"", ""}, {strings.Repeat("x", 10000), goodPassword}, {"anna", strings.Repeat("x", 100000)},
	} {
		if _, err := logIn(t, s, c.login, c.password, "b"); !errors.Is(err, ErrRefused) {
			t.Errorf("%.10q: %v", c.login, err)
		}
	}
}

// unlock forgets what was tried of a login.
func unlock(t *testing.T, s *Store, login string) {
	t.Helper()
	if err := s.shelf.Update(func(rows Rows) error { return s.forget(rows, login) }); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnknownLoginCostsTheSameWork(t *testing.T) {
	s, _, _ := withAnna(t)
	best := map[string]time.Duration{"anna": time.Hour, "niemand": time.Hour}
	for i := range 20 { // in turn, and the best of each: other work on the machine and its disk falls on both
		for login := range best {
			began := time.Now()
			if _, err := logIn(t, s, login, "fout wachtwoord", fmt.Sprint(i)); !errors.Is(err, ErrRefused) {
				t.Fatal(err)
			}
			best[login] = min(best[login], time.Since(began))
			unlock(t, s, login)
		}
	}
	if known, unknown := best["anna"], best["niemand"]; unknown < known/3 || unknown > known*3 {
		t.Errorf("known login %s, unknown %s: the time tells who exists", known, unknown)
	}
}

func TestLockOutHoldsForKnownAndUnknownAlike(t *testing.T) {
	s, c, _ := withAnna(t)
	for _, login := range []string{"anna", "niemand"} {
		for range triesPerLogin {
			if _, err := logIn(t, s, login, "fout", "a"); !errors.Is(err, ErrRefused) {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	if _, err := logIn(t, s, "anna", goodPassword, "b"); !errors.Is(err, ErrRefused) {
		t.Errorf("a locked login with the right password: %v", err)
	}
	if _, err := logIn(t, s, "niemand", goodPassword, "b"); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	if time.Since(began) > 2*time.Second {
		t.Error("locked logins still cost work")
	}
	c.t = c.t.Add(LockTerm)
	if _, err := logIn(t, s, "anna", goodPassword, "a"); err != nil {
		t.Errorf("after the lock-out: %v", err)
	}
}

func TestOneAddressCannotTryForEverNorLockOthersOut(t *testing.T) {
	s, c, _ := withAnna(t)
	for i := range triesPerAddress {
		if err := s.attempt(fmt.Sprint("user", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if err := s.attempt("anna", "x"); !errors.Is(err, ErrRefused) {
			t.Errorf("an address is not limited: %v", err)
		}
	}
	if err := s.attempt("anna", "elsewhere"); err != nil {
		t.Errorf("a blocked address locked someone else's login: %v", err)
	}
	for i := range mostRemembered + 10 {
		s.flood.passes(fmt.Sprint("f", i), c.now())
	}
	if len(s.flood.seen) > mostRemembered {
		t.Errorf("%d remembered: memory is not bounded", len(s.flood.seen))
	}
	if err := s.attempt("bert", "elsewhere"); err != nil {
		t.Errorf("who was there before the flood: %v", err)
	}
	if err := s.attempt("bert", "y"); !errors.Is(err, ErrRefused) {
		t.Errorf("in the flood: %v", err)
	}
	c.t = c.t.Add(LockTerm)
	if err := s.attempt("anna", "y"); err != nil {
		t.Errorf("the flood is not forgotten: %v", err)
	}
}

func TestAnInvitationIsUsedOnceAndInTime(t *testing.T) {
	s, c, _ := withAnna(t)
	bert := Account{Person: "p-b", Login: "bert", Name: "Bert"}
	code, err := s.Invite(bert)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.InviteAgain("p-b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(code, goodPassword); err != ErrInvitation {
		t.Errorf("a replaced code: %v", err)
	}
	if a, err := s.Invited(again); err != nil || a != bert {
		t.Errorf("%+v %v", a, err)
	}
	if _, err := s.Redeem(again, "kort"); err != ErrPassword {
		t.Errorf("a short password: %v", err)
	}
	if _, err := s.Redeem(again, goodPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(again, "een heel ander wachtwoord"); err != ErrInvitation {
		t.Errorf("a used code: %v", err)
	}
	if _, err := logIn(t, s, "bert", goodPassword, "a"); err != nil {
		t.Error(err)
	}
	late, err := s.Invite(Account{Person: "p-c", Login: "cas", Name: "Cas"})
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(InvitationTerm)
	if _, err := s.Redeem(late, goodPassword); err != ErrInvitation {
		t.Errorf("an expired code: %v", err)
	}
}

// TestAStrangersCodeCostsNoWork: anybody can send codes. While as many passwords are worked on as may be, a code that is none is refused at once, and
// choosing a password waits its turn.
func TestAStrangersCodeCostsNoWork(t *testing.T) {
	s, _, _ := withAnna(t)
	code, err := s.Invite(Account{Person: "p-b", Login: "bert", Name: "Bert"})
	if err != nil {
		t.Fatal(err)
	}
	for range cap(atOnce) {
		atOnce <- struct{}{}
	}
	refused := make(chan error, 1)
	go func() { _, err := s.Redeem("made-up", goodPassword); refused <- err }()
	select {
	case err := <-refused:
		if err != ErrInvitation {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("a code that is none waits for work")
	}
	redeemed := make(chan error, 1)
	go func() { _, err := s.Redeem(code, goodPassword); redeemed <- err }()
	select {
	case <-redeemed:
		t.Fatal("a password was hashed beside all that may be at once")
	case <-time.After(100 * time.Millisecond):
	}
	for range cap(atOnce) {
		<-atOnce
	}
	if err := <-redeemed; err != nil {
		t.Error(err)
	}
}

func TestI12_AnAdministratorCannotTakeOverAnAccount(t *testing.T) {
	s, _, _ := withAnna(t)
	if _, err := s.InviteAgain("p-4f2a"); err != ErrNoAccount {
		t.Errorf("inviting someone with a password again: %v", err)
	}
	if _, err := s.Invite(Account{Person: "p-4f2a", Login: "anna2", Name: "Anna"}); err != ErrExists {
		t.Errorf("a second login for one person: %v", err)
	}
	if _, err := s.Invite(Account{Person: "p-x", Login: "anna", Name: "Anna"}); err != ErrExists {
		t.Errorf("a second person for one login: %v", err)
	}
}

func TestANewPasswordEndsSessions(t *testing.T) {
	s, _, _ := withAnna(t)
	secret, err := logIn(t, s, "anna", goodPassword, "a")
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := s.Visit(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ChangePassword(t.Context(), in, "fout", "een heel ander wachtwoord", Where{}); !errors.Is(err, ErrRefused) {
		t.Errorf("changed without knowing the present one: %v", err)
	}
	if err := s.ChangePassword(t.Context(), in, goodPassword, "een heel ander wachtwoord", Where{}); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.Visit(secret); ok {
		t.Error("a session outlives the password it began with")
	}
	if _, err := logIn(t, s, "anna", goodPassword, "a"); !errors.Is(err, ErrRefused) {
		t.Error("the old password still works")
	}
}

func TestAccountsAreChecked(t *testing.T) {
	s, _, _ := newStore(t)
	for _, a := range []Account{
		{Person: "p", Login: "A", Name: "x"}, {Person: "p", Login: "a b", Name: "x"}, {Person: "P!", Login: "ab", Name: "x"}, {Person: "p", Login: "ab"}, {Person: "p", Login: "ab", Name: " x"},
	} {
		if err := s.Add(a, goodPassword); err == nil {
			t.Errorf("accepted %+v", a)
		}
	}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if s.Name("p-onbekend") != "p-onbekend" {
		t.Error("an unknown person loses the pseudonym")
	}
}

func TestTheCookieIsHostOnlyOverTLS(t *testing.T) {
	s, _, _ := withAnna(t)
	secret, err := logIn(t, s, "anna", goodPassword, "a")
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/bureau", nil)
	r.TLS = &tls.ConnectionState{}
	w := httptest.NewRecorder()
	SetCookie(w, r, SessionCookie, secret)
	got := w.Header().Get("Set-Cookie")
	for _, want := range []string{"__Host-bureau=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(got, want) {
			t.Errorf("cookie %q lacks %s", got, want)
		}
	}
	r.AddCookie(&http.Cookie{Name: "__Host-bureau", Value: secret})
	var who Session
	h := s.Recognise(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who, _ = Of(r.Context()) }))
	h.ServeHTTP(httptest.NewRecorder(), r)
	if who.Login != "anna" {
		t.Errorf("recognised %+v", who)
	}
	who = Session{}
	r.TLS = nil // a cookie of the TLS site means nothing without it
	h.ServeHTTP(httptest.NewRecorder(), r)
	if who.Login != "" {
		t.Error("recognised over plain HTTP by a __Host- cookie")
	}
}

func TestCSRF(t *testing.T) {
	in := Session{CSRF: "right"}
	for value, want := range map[string]bool{"right": true, "wrong": false, "": false} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(url.Values{"csrf": {value}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := in.CheckCSRF(r); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
	r := httptest.NewRequest("POST", "/?csrf=right", nil) // a link must not carry it
	if in.CheckCSRF(r) {
		t.Error("taken from the address")
	}
}

func TestADamagedPasswordRecordIsNoMatch(t *testing.T) {
	for _, record := range []string{"", "$argon2id$v=19$m=1,t=0,p=1$AA$AA", "$argon2id$v=19$m=19456,t=2,p=1$AA$", "$2b$x", "$argon2id$v=19$m=99999999,t=2,p=1$AA$AAAA"} {
		if ok, err := checkPassword(context.Background(), record, ""); ok || err == nil {
			t.Errorf("%q: %v %v", record, ok, err)
		}
	}
}

func TestASecondCentreOnTheSameFileIsRefused(t *testing.T) {
	_, _, path := newStore(t)
	if _, err := File(path); err == nil || !strings.Contains(err.Error(), "another centre") {
		t.Error(err)
	}
}

// A file of the first version, which knew passwords only: its people log in, what was open stays open, and an older program is told that it is now of another.
func TestAFileOfTheFirstVersionOpens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.db")
	c := &clock{time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}
	hashed, err := newPassword(goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		for bucket, rows := range map[string]map[string]string{
			"accounts":    {"anna": `{"person":"p-4f2a","login":"anna","name":"Anna de Vries","password":"` + hashed + `","since":"2026-11-01T00:00:00.000Z"}`},
			"people":      {"p-4f2a": "anna"},
			"sessions":    {sum("cookie of before"): `{"login":"anna","csrf":"token","started":"2026-11-21T00:50:00.000Z","seen":"2026-11-21T00:55:00.000Z"}`},
			"invitations": {},
			"meta":        {"version": "1"},
		} {
			b, err := tx.CreateBucket([]byte(bucket))
			if err != nil {
				return err
			}
			for k, v := range rows {
				if err := b.Put([]byte(k), []byte(v)); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, Config{Now: c.now, URL: "https://desk.stad.example"})
	defer s.Close()
	if in, ok, err := s.Visit("cookie of before"); err != nil || !ok || in.Name != "Anna de Vries" {
		t.Errorf("%+v %v %v", in, ok, err)
	}
	if _, err := logIn(t, s, "anna", goodPassword, "a"); err != nil {
		t.Error(err)
	}
	if err := s.shelf.View(func(rows Rows) error {
		version, err := rows.Get(meta, "version")
		if string(version) != formatVersion {
			t.Errorf("version %q", version)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
