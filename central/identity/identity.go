// Package identity says who is asking: local accounts, log-in, sessions. What a person may do is not its business; that is central's.
//
// # Security first
//
// Nobody learns from an answer, or from how long it took, whether a login exists: every failure has the same words, an unknown login costs
// the same work as a known one, and the lock-out after failures counts for logins that do not exist as well.
//
// A password is kept as argon2id in PHC form, and only one or two are worked on at once, so that a flood of log-ins takes neither memory
// nor all processors:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
//
// A session is a cookie with 256 random bits, of which only the SHA-256 is stored: who reads the file cannot become anyone. It ends at
// log-out, after [SessionIdle] without a visit, after [SessionTerm], and when the password changes. The cookie is HttpOnly, SameSite=Strict and,
// over TLS, Secure with the __Host- prefix. Each session has a CSRF token that every POST must carry.
//
// # Who makes an account
//
// An administrator invites: a code that works once, within [InvitationTerm], and lets the person choose a password that the administrator never
// sees. A desk cannot reset the password of someone who has one, because that would let an administrator act as an approver (invariant 12);
// whoever runs the machine can, with [Store.SetPassword].
//
// # File
//
// One bbolt file: bucket accounts (login → account), people (person id → login), sessions and invitations (SHA-256 of the token → whose, and
// until when). Names and addresses live here and never in the ledger, which knows pseudonyms only.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// How long things last. BIO2 asks that a session ends by itself; the numbers are this house's.
const (
	SessionTerm    = 12 * time.Hour   // a shift
	SessionIdle    = 30 * time.Minute // without a visit
	InvitationTerm = 72 * time.Hour
	PasswordLength = 12 // characters at least; length is what helps (NIST SP 800-63B), so there is no rule on kinds of characters
)

// Account is a person who can log in.
type Account struct {
	Person protocol.PersonID `json:"person"` // the pseudonym in the ledger
	Login  string            `json:"login"`  // lower case
	Name   string            `json:"name"`   // as colleagues know the person
	Email  string            `json:"email,omitempty"`
}

var loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`)

func (a Account) valid() error {
	switch {
	case !loginForm.MatchString(a.Login):
		return fmt.Errorf("login %q: 2 to 64 of a–z, 0–9 and . _ @ -, beginning with a letter or digit", a.Login)
	case strings.TrimSpace(a.Name) != a.Name || a.Name == "" || utf8.RuneCountInString(a.Name) > 100 || !utf8.ValidString(a.Name):
		return fmt.Errorf("name %q: 1 to 100 characters, no spaces around it", a.Name)
	case a.Email != "" && !emailForm(a.Email):
		return ErrEmail
	}
	return protocol.ValidID(a.Person)
}

// emailForm: an address that a mail server can be given, and nothing beside it.
func emailForm(address string) bool {
	a, err := mail.ParseAddress(address)
	return err == nil && a.Address == address && len(address) <= 254
}

// record is an account as it is stored.
type record struct {
	Account
	Password string        `json:"password,omitempty"` // PHC form; empty: invited, not yet chosen
	Since    protocol.Time `json:"since"`              // of the password
}

// Session is a logged-in person. It is in the request's context; see [Of].
type Session struct {
	Account
	CSRF    string
	Started time.Time
	hash    []byte
}

// Errors that a page puts into words.
var (
	// ErrRefused is the one answer to every log-in that fails: unknown login, wrong password, too many failures. Telling them apart would tell who exists.
	ErrRefused = errors.New("log-in refused: login or password wrong, or tried too often; wait fifteen minutes after several failures")
	// ErrInvitation: unknown, used or expired.
	ErrInvitation = errors.New("this invitation is not valid, was used already, or has expired; ask for another")
	// ErrExists: login or person is there already.
	ErrExists = errors.New("there is an account with this login or for this person already")
	// ErrPassword: too short.
	ErrPassword = fmt.Errorf("a password needs at least %d characters and at most 512 bytes", PasswordLength)
	// ErrEmail: not an address.
	ErrEmail = errors.New("e-mail address: want name@host, at most 254 characters")
	// ErrNoAccount: no such person or login, or one who has a password already.
	ErrNoAccount = errors.New("no such account")
)

// Store keeps accounts and sessions. It is safe for concurrent use; bbolt owns the file.
type Store struct {
	db    *bbolt.DB
	now   func() time.Time
	tries *tries
}

// dummy is a password record that nobody has, for logins that do not exist.
var dummy = sync.OnceValues(func() (string, error) {
	unguessable, err := token()
	if err != nil {
		return "", err
	}
	return hashPassword(unguessable)
})

var (
	accounts    = []byte("accounts")
	people      = []byte("people")
	sessions    = []byte("sessions")
	invitations = []byte("invitations")
	meta        = []byte("meta")
)

const formatVersion = "1"

// Open opens or makes the file.
func Open(path string, now func() time.Time) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("accounts %s: %w (is another centre running?)", path, err)
	}
	s := &Store{db: db, now: now, tries: newTries()}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{accounts, people, sessions, invitations, meta} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		m := tx.Bucket(meta)
		switch v := m.Get([]byte("version")); {
		case v == nil:
			return m.Put([]byte("version"), []byte(formatVersion))
		case string(v) != formatVersion:
			return fmt.Errorf("format version %q; this program knows %s", v, formatVersion)
		}
		return nil
	})
	if err == nil {
		_, err = dummy()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("accounts %s: %w", path, err), db.Close())
	}
	return s, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Add makes an account with a password: for the first administrator and for demonstrations. Others are invited.
func (s *Store) Add(a Account, password string) error {
	hashed, err := newPassword(password)
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error { return s.add(tx, record{Account: a, Password: hashed}) })
}

func (s *Store) add(tx *bbolt.Tx, r record) error {
	if err := r.valid(); err != nil {
		return err
	}
	if tx.Bucket(accounts).Get([]byte(r.Login)) != nil || tx.Bucket(people).Get([]byte(r.Person)) != nil {
		return ErrExists
	}
	if err := tx.Bucket(people).Put([]byte(r.Person), []byte(r.Login)); err != nil {
		return err
	}
	r.Since = protocol.T(s.now())
	return put(tx, accounts, []byte(r.Login), r)
}

type invitation struct {
	Login string        `json:"login"`
	Until protocol.Time `json:"until"`
}

// Invite makes an account without a password and returns the code that lets the person choose one.
func (s *Store) Invite(a Account) (code string, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if err := s.add(tx, record{Account: a}); err != nil {
			return err
		}
		code, err = s.invite(tx, a.Login)
		return err
	})
	return code, err
}

// InviteAgain makes another code for a person who has not chosen a password yet. Earlier codes stop working.
func (s *Store) InviteAgain(person protocol.PersonID) (code string, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		login := tx.Bucket(people).Get([]byte(person))
		r, ok, err := getRecord(tx, string(login))
		if err != nil {
			return err
		}
		if !ok || r.Password != "" {
			return ErrNoAccount
		}
		if err := drop(tx, invitations, func(v []byte) (bool, error) {
			var i invitation
			err := json.Unmarshal(v, &i)
			return i.Login == r.Login, err
		}); err != nil {
			return err
		}
		code, err = s.invite(tx, r.Login)
		return err
	})
	return code, err
}

func (s *Store) invite(tx *bbolt.Tx, login string) (string, error) {
	code, err := token()
	if err != nil {
		return "", err
	}
	return code, put(tx, invitations, sum(code), invitation{login, protocol.T(s.now().Add(InvitationTerm))})
}

// Invited is whose invitation this is.
func (s *Store) Invited(code string) (Account, error) {
	var a Account
	err := s.db.View(func(tx *bbolt.Tx) error {
		r, err := s.invited(tx, code)
		a = r.Account
		return err
	})
	return a, err
}

func (s *Store) invited(tx *bbolt.Tx, code string) (record, error) {
	var i invitation
	ok, err := get(tx, invitations, sum(code), &i)
	if err != nil {
		return record{}, err
	}
	if !ok || !s.now().Before(i.Until.Time) {
		return record{}, ErrInvitation
	}
	r, ok, err := getRecord(tx, i.Login)
	if err == nil && (!ok || r.Password != "") {
		err = ErrInvitation
	}
	return r, err
}

// Redeem uses an invitation up: the person has a password from now on.
func (s *Store) Redeem(code, password string) (Account, error) {
	if _, err := s.Invited(code); err != nil { // before any work: strangers send codes too
		return Account{}, err
	}
	hashed, err := newPassword(password)
	if err != nil {
		return Account{}, err
	}
	var a Account
	err = s.db.Update(func(tx *bbolt.Tx) error {
		r, err := s.invited(tx, code)
		if err != nil {
			return err
		}
		if err := tx.Bucket(invitations).Delete(sum(code)); err != nil {
			return err
		}
		a, r.Password, r.Since = r.Account, hashed, protocol.T(s.now())
		return put(tx, accounts, []byte(r.Login), r)
	})
	return a, err
}

// SetPassword is for whoever runs the machine; it ends all of the person's sessions. No page offers it.
func (s *Store) SetPassword(login, password string) error {
	hashed, err := newPassword(password)
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		r, ok, err := getRecord(tx, normal(login))
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoAccount
		}
		r.Password, r.Since = hashed, protocol.T(s.now())
		if err := put(tx, accounts, []byte(r.Login), r); err != nil {
			return err
		}
		return drop(tx, sessions, func(v []byte) (bool, error) {
			var stored session
			err := json.Unmarshal(v, &stored)
			return stored.Login == r.Login, err
		})
	})
}

// ChangePassword is the person's own; all their sessions end.
func (s *Store) ChangePassword(ctx context.Context, in Session, present, password string) error {
	if !s.tries.allowed(in.Login, "session of "+in.Login, s.now()) {
		return ErrRefused
	}
	var r record
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		r, _, err = getRecord(tx, in.Login)
		return err
	})
	if err != nil {
		return err
	}
	right, err := checkPassword(ctx, r.Password, present)
	if err != nil {
		return err
	}
	if !right {
		return ErrRefused
	}
	s.tries.forget(in.Login)
	return s.SetPassword(in.Login, password)
}

// SetEmail is the person's own, or an administrator's: where mail for them goes. Nothing secret is in that mail, and no log-in rests on it. Empty: none.
func (s *Store) SetEmail(person protocol.PersonID, address string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		r, ok, err := getRecord(tx, string(tx.Bucket(people).Get([]byte(person))))
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoAccount
		}
		if r.Email = strings.TrimSpace(address); r.Email != "" && !emailForm(r.Email) {
			return ErrEmail
		}
		return put(tx, accounts, []byte(r.Login), r)
	})
}

// Email is where mail for a person goes; empty: nobody said.
func (s *Store) Email(person protocol.PersonID) string {
	a, _ := s.Find(person)
	return a.Email
}

// Name is a person's display name, or the pseudonym where there is no account.
func (s *Store) Name(person protocol.PersonID) string {
	if a, ok := s.Find(person); ok {
		return a.Name
	}
	return string(person)
}

// Find is a person's account.
func (s *Store) Find(person protocol.PersonID) (Account, bool) {
	var r record
	var found bool
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		if login := tx.Bucket(people).Get([]byte(person)); login != nil {
			r, found, err = getRecord(tx, string(login))
		}
		return err
	})
	return r.Account, found && err == nil
}

// Listed is an account in a list; Waiting: invited and no password chosen yet.
type Listed struct {
	Account
	Waiting bool
}

// List is all accounts, by name.
func (s *Store) List() ([]Listed, error) {
	var list []Listed
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(accounts).ForEach(func(_, v []byte) error {
			var r record
			if err := json.Unmarshal(v, &r, json.RejectUnknownMembers(true)); err != nil {
				return err
			}
			list = append(list, Listed{r.Account, r.Password == ""})
			return nil
		})
	})
	slices.SortFunc(list, func(a, b Listed) int { return strings.Compare(a.Name+a.Login, b.Name+b.Login) })
	return list, err
}

// session is as it is stored. Account facts are read anew at each visit.
type session struct {
	Login   string        `json:"login"`
	CSRF    string        `json:"csrf"`
	Started protocol.Time `json:"started"`
	Seen    protocol.Time `json:"seen"`
}

// LogIn checks a password and starts a session. from is the client's address; it is kept in memory for a quarter of an hour and never written down.
func (s *Store) LogIn(ctx context.Context, login, password, from string) (string, error) {
	login = normal(login)
	if !s.tries.allowed(login, from, s.now()) {
		return "", ErrRefused
	}
	var r record
	var known bool
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		r, known, err = getRecord(tx, login)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("log-in: %w", err)
	}
	stored, err := dummy()
	if err != nil {
		return "", fmt.Errorf("log-in: %w", err)
	}
	if known && r.Password != "" {
		stored = r.Password
	}
	right, err := checkPassword(ctx, stored, password)
	if err != nil {
		return "", fmt.Errorf("log-in: %w", err)
	}
	if !right || !known || r.Password == "" {
		return "", ErrRefused
	}
	s.tries.forget(login)
	secret, err := token()
	if err != nil {
		return "", err
	}
	csrf, err := token()
	if err != nil {
		return "", err
	}
	now := protocol.T(s.now())
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if err := drop(tx, sessions, func(v []byte) (bool, error) { // what is over goes when someone comes
			var stored session
			err := json.Unmarshal(v, &stored)
			return !stored.alive(now.Time), err
		}); err != nil {
			return err
		}
		return put(tx, sessions, sum(secret), session{login, csrf, now, now})
	})
	return secret, err
}

func (s session) alive(now time.Time) bool {
	return now.Before(s.Started.Add(SessionTerm)) && now.Before(s.Seen.Add(SessionIdle))
}

// Visit is the session of a cookie, if it is alive; it counts as a visit.
func (s *Store) Visit(secret string) (Session, bool, error) {
	now := protocol.T(s.now())
	key := sum(secret)
	var stored session
	var r record
	found := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		ok, err := get(tx, sessions, key, &stored)
		if err != nil || !ok || !stored.alive(now.Time) {
			return err
		}
		r, found, err = getRecord(tx, stored.Login)
		return err
	})
	if err != nil || !found {
		return Session{}, false, err
	}
	if now.Sub(stored.Seen.Time) >= time.Minute { // not a write for every page
		err := s.db.Update(func(tx *bbolt.Tx) error {
			if tx.Bucket(sessions).Get(key) == nil { // logged out meanwhile: stays so
				found = false
				return nil
			}
			stored.Seen = now
			return put(tx, sessions, key, stored)
		})
		if err != nil || !found {
			return Session{}, false, err
		}
	}
	return Session{r.Account, stored.CSRF, stored.Started.Time, key}, true, nil
}

// LogOut ends a session.
func (s *Store) LogOut(in Session) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(sessions).Delete(in.hash) })
}

// CheckCSRF says whether a form came from a page of this session.
func (in Session) CheckCSRF(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(in.CSRF), []byte(r.PostFormValue("csrf"))) == 1
}

type sessionKey struct{}

// Of is who is asking, if anyone has logged in.
func Of(ctx context.Context) (Session, bool) {
	in, ok := ctx.Value(sessionKey{}).(Session)
	return in, ok
}

// cookieName has the __Host- prefix over TLS: no other host and no plain connection can then set it.
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-bureau"
	}
	return "bureau"
}

// Recognise puts the session of the cookie in the context of what follows. Without a valid one the request passes as a stranger's.
func (s *Store) Recognise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie(cookieName(r))
		if err != nil {
			next.ServeHTTP(w, r)
			return
		}
		in, ok, err := s.Visit(c.Value)
		if err != nil {
			http.Error(w, "accounts cannot be read", http.StatusServiceUnavailable)
			return
		}
		if ok {
			r = r.WithContext(context.WithValue(r.Context(), sessionKey{}, in))
		}
		next.ServeHTTP(w, r)
	})
}

// SetCookie gives the browser its session; an empty secret takes it away.
func SetCookie(w http.ResponseWriter, r *http.Request, secret string) {
	c := &http.Cookie{Name: cookieName(r), Value: secret, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
	if secret == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func normal(login string) string { return strings.ToLower(strings.TrimSpace(login)) }

// token is 256 random bits.
func token() (string, error) {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

func sum(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

func put(tx *bbolt.Tx, bucket, key []byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(key, b)
}

func get(tx *bbolt.Tx, bucket, key []byte, v any) (bool, error) {
	b := tx.Bucket(bucket).Get(key)
	if b == nil {
		return false, nil
	}
	return true, json.Unmarshal(b, v, json.RejectUnknownMembers(true))
}

func getRecord(tx *bbolt.Tx, login string) (r record, ok bool, err error) {
	if len(login) == 0 || len(login) > 64 {
		return r, false, nil
	}
	ok, err = get(tx, accounts, []byte(login), &r)
	return r, ok, err
}

// drop deletes the entries of a bucket that is says.
func drop(tx *bbolt.Tx, bucket []byte, is func(v []byte) (bool, error)) error {
	var keys [][]byte
	err := tx.Bucket(bucket).ForEach(func(k, v []byte) error {
		gone, err := is(v)
		if gone {
			keys = append(keys, slices.Clone(k))
		}
		return err
	})
	for _, k := range keys {
		if err == nil {
			err = tx.Bucket(bucket).Delete(k)
		}
	}
	return err
}
