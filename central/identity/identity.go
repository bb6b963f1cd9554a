// Package identity says who is asking: local accounts, the municipality's own log-in service, passkeys, sessions. What a person may do is not its
// business; that is central's: the provider says who somebody is, the ledger's appointment what they may do.
//
// # Security first
//
// Nobody learns from an answer, or from how long it took, whether a login exists: every failure has the same words, an unknown login costs
// the same work as a known one, and the lock-out after failures counts for logins that do not exist as well. That a passkey is asked is seen only
// by who gave the right password. Who comes from the provider is told of their own login only.
//
// A password is kept as argon2id in PHC form, and only one or two are worked on at once, so that a flood of log-ins takes neither memory
// nor all processors:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
//
// A session is a cookie with 256 random bits, of which only the SHA-256 is stored: who reads the file cannot become anyone. It is made anew at each
// log-in and never taken from the browser. It ends at log-out, after [SessionIdle] without a visit, after [SessionTerm], when the password or the
// passkeys change, and when its person ends it from another one. The cookie is HttpOnly, SameSite=Strict and, over TLS, Secure with the __Host- prefix. Each session has a CSRF
// token that every POST must carry.
//
// # Who makes an account
//
// An administrator invites, in one of two ways. With a code that works once, within [InvitationTerm], and lets the person choose a password that the
// administrator never sees. Or by the login that the person has at the provider: the first who comes from there under that login, within [LinkTerm], is linked to the account
// by issuer and subject, for good. One subject has one account here, and one account one subject; another subject under the same login is refused. The second way is the
// stronger: the administrator holds nothing that could be used, and where passwords are off ([Config.NoPasswords]) nobody, the administrator included,
// can be two people here, and so approver beside administrator (R8), without being two people at the provider.
//
// Nobody can put something in the place of what a person logs in with, because that would let an administrator act as an approver (invariant 12). A desk cannot reset the password of someone who has one; whoever runs the machine can, with [Store.SetPassword]. An account with a
// password or a subject is not linked by its login; its own person may link it.
// An administrator may take away lost passkeys ([Store.TakePasskeys]): the person then still has to know the password or be known to the provider,
// sees it at the next log-in, and must register another at once if their role needs one.
//
// # Passkeys
//
// A passkey (WebAuthn, with user verification) is a second factor, after password or provider: asked at every log-in once there is one. [Config.Needs] says who must have one,
// within [Config.Grace] of the first log-in without; after that only the own account is open. Registering one takes a log-in of the last [FreshTerm], removing one takes showing
// another: so the last is not removed. Each challenge works once.
//
// With a passkey a person also signs a document that a recorder checks for itself ([Store.Sign], [Store.Signed]): the challenge is the SHA-256 of its text, and only the passkey that the
// recorder's roster names is asked. [Mine] has the keys in the form in which a roster names them. Today the privacy officer signs so that a recorder's log may be resumed; handler and approver
// do not sign grants so yet (DESIGN section 4, level persons).
//
// # Rows
//
// All of it lies on a [Shelf]: a bbolt file ([File]) or a PostgreSQL database that several centres share ([Database]). Names and addresses live here and never in the ledger, which knows
// pseudonyms only. Attempts are counted there too, so that all centres count together, under keys from which no address can be read after about an hour; and before that in the memory of
// each centre, so that a flood does not reach the shelf.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// How long things last. BIO2 asks that a session ends by itself; the numbers are this house's.
const (
	SessionTerm    = 12 * time.Hour   // a shift
	SessionIdle    = 30 * time.Minute // without a visit
	InvitationTerm = 72 * time.Hour
	LinkTerm       = 30 * 24 * time.Hour // from an invitation to the first log-in from the provider
	FreshTerm      = 15 * time.Minute    // after a log-in in which its person may change what they log in with
	PasswordLength = 12                  // characters at least; length is what helps (NIST SP 800-63B), so there is no rule on kinds of characters
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
	Password string        `json:"password,omitempty"` // PHC form; empty: invited and not yet chosen, or by the provider
	Since    protocol.Time `json:"since"`              // of the password, or of the invitation

	ByProvider bool          `json:"by-provider,omitempty"` // invited to come from the provider
	Subject    string        `json:"subject,omitempty"`     // who it is there, see subjectKey; empty: not linked
	Passkeys   []Passkey     `json:"passkeys,omitempty"`
	Due        protocol.Time `json:"due,omitzero"`     // by when a passkey is needed, where one is
	Failed     int           `json:"failed,omitempty"` // attempts since the last log-in
	Happened   []Happening   `json:"happened,omitempty"`
}

// settled: the person has something to log in with, which nobody else may replace.
func (r record) settled() bool { return r.Password != "" || r.Subject != "" }

// Happening is something that its person should know of.
type Happening struct {
	What  What          `json:"what"`
	At    protocol.Time `json:"at"`
	Where `json:",inline"`
}

type What string

const (
	CameIn         What = "came-in"
	PasswordSet    What = "password-set"
	PasskeyAdded   What = "passkey-added"
	PasskeyRemoved What = "passkey-removed"
	PasskeySigned  What = "passkey-signed" // a document
	PasskeysTaken  What = "passkeys-taken" // by an administrator
	Linked         What = "linked"         // to who it is at the provider
)

const mostHappened = 20

// happened keeps the newest.
func (r *record) happened(what What, at protocol.Time, where Where) {
	r.Happened = append(r.Happened, Happening{what, at, where})
	r.Happened = r.Happened[max(0, len(r.Happened)-mostHappened):]
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
	// ErrNoAccount: no such person or login, or one who has something to log in with already.
	ErrNoAccount = errors.New("no such account")
	// ErrNoPasswords: this centre, or this account, is only for who comes from the provider.
	ErrNoPasswords = errors.New("there are no passwords here; log in by the provider")
	// ErrNoProvider: none is configured.
	ErrNoProvider = errors.New("no provider is configured")
)

// Config is what a centre decides of its log-in.
type Config struct {
	Now         func() time.Time
	Log         *slog.Logger                 // gets no names and no addresses; nil: nowhere
	URL         string                       // base address of the desk; its host is whom passkeys belong to
	Name        string                       // of the municipality, as a passkey's own screen shows it
	NoPasswords bool                         // only by the provider
	Needs       func(protocol.PersonID) bool // whose role needs a passkey; nil: nobody's
	Grace       time.Duration                // to register one, from the first log-in without
	Provider    *ProviderConfig              // nil: there is none
}

// Store keeps accounts and sessions. It is safe for concurrent use; the shelf owns the rows.
type Store struct {
	Config
	shelf    Shelf
	flood    *flood
	locked   atomic.Int32 // refusals not counted on the shelf yet, which a flood shall not write to
	webauthn *webauthn.WebAuthn
	provider *provider // nil: there is none
}

// dummy is a password record that nobody has, for logins that do not exist.
var dummy = sync.OnceValues(func() (string, error) {
	unguessable, err := token()
	if err != nil {
		return "", err
	}
	return hashPassword(unguessable)
})

// formatVersion of the rows. Version 1 had passwords only; its rows are rows of version 2 as well.
const formatVersion = "2"

// Open begins to keep accounts on a shelf, which it closes in the end, also when it fails.
func Open(shelf Shelf, c Config) (s *Store, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s = &Store{Config: c, shelf: shelf, flood: newFlood()}
	err = shelf.Update(func(rows Rows) error {
		version, err := rows.Get(meta, "version")
		if err != nil || string(version) == formatVersion {
			return err
		}
		if version != nil && string(version) != "1" {
			return fmt.Errorf("format version %q; this program knows 1 and %s", version, formatVersion)
		}
		return rows.Put(meta, "version", []byte(formatVersion))
	})
	if err == nil {
		_, err = dummy()
	}
	if err == nil {
		s.webauthn, err = relyingParty(c)
	}
	if err == nil && c.Provider != nil {
		s.provider, err = newProvider(c)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("accounts: %w", err), shelf.Close())
	}
	return s, nil
}

// Close closes the shelf.
func (s *Store) Close() error { return s.shelf.Close() }

// Add makes an account with a password: for the first administrator and for demonstrations. Others are invited.
func (s *Store) Add(a Account, password string) error {
	hashed, err := newPassword(password)
	if err != nil {
		return err
	}
	return s.shelf.Update(func(rows Rows) error { return s.add(rows, record{Account: a, Password: hashed}) })
}

func (s *Store) add(rows Rows, r record) error {
	if err := r.valid(); err != nil {
		return err
	}
	byLogin, err1 := rows.Get(accounts, r.Login)
	byPerson, err2 := rows.Get(people, string(r.Person))
	switch {
	case err1 != nil || err2 != nil:
		return errors.Join(err1, err2)
	case byLogin != nil || byPerson != nil:
		return ErrExists
	}
	r.Since = protocol.T(s.Now())
	return errors.Join(rows.Put(people, string(r.Person), []byte(r.Login)), put(rows, accounts, r.Login, r))
}

type invitation struct {
	Login string        `json:"login"`
	Until protocol.Time `json:"until"`
}

// Invite makes an account without a password and returns the code that lets the person choose one.
func (s *Store) Invite(a Account) (code string, err error) {
	if s.NoPasswords {
		return "", ErrNoPasswords
	}
	err = s.shelf.Update(func(rows Rows) error {
		if err := s.add(rows, record{Account: a}); err != nil {
			return err
		}
		code, err = s.invite(rows, a.Login)
		return err
	})
	return code, err
}

// InviteByProvider makes an account for who comes from the provider under its login, within [LinkTerm].
func (s *Store) InviteByProvider(a Account) error {
	if s.provider == nil {
		return ErrNoProvider
	}
	return s.shelf.Update(func(rows Rows) error { return s.add(rows, record{Account: a, ByProvider: true}) })
}

// InviteAgain makes another code, or another term, for a person who has nothing to log in with yet. Earlier codes stop working.
func (s *Store) InviteAgain(person protocol.PersonID) (code string, err error) {
	err = s.shelf.Update(func(rows Rows) error {
		r, ok, err := recordOf(rows, person)
		if err != nil {
			return err
		}
		if !ok || r.settled() {
			return ErrNoAccount
		}
		if r.ByProvider {
			code, r.Since = "", protocol.T(s.Now())
			return put(rows, accounts, r.Login, r)
		}
		if _, err := drop(rows, invitations, func(_ string, i invitation) bool { return i.Login == r.Login }); err != nil {
			return err
		}
		code, err = s.invite(rows, r.Login)
		return err
	})
	return code, err
}

func (s *Store) invite(rows Rows, login string) (string, error) {
	code, err := token()
	if err != nil {
		return "", err
	}
	return code, put(rows, invitations, sum(code), invitation{login, protocol.T(s.Now().Add(InvitationTerm))})
}

// Invited is whose invitation this is.
func (s *Store) Invited(code string) (Account, error) {
	var a Account
	err := s.shelf.View(func(rows Rows) error {
		r, err := s.invited(rows, code)
		a = r.Account
		return err
	})
	return a, err
}

func (s *Store) invited(rows Rows, code string) (record, error) {
	var i invitation
	ok, err := get(rows, invitations, sum(code), &i)
	if err != nil {
		return record{}, err
	}
	if !ok || !s.Now().Before(i.Until.Time) {
		return record{}, ErrInvitation
	}
	r, ok, err := getRecord(rows, i.Login)
	if err == nil && (!ok || r.settled()) {
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
	err = s.shelf.Update(func(rows Rows) error {
		r, err := s.invited(rows, code)
		if err != nil {
			return err
		}
		if err := rows.Delete(invitations, sum(code)); err != nil {
			return err
		}
		a, r.Password, r.Since = r.Account, hashed, protocol.T(s.Now())
		return put(rows, accounts, r.Login, r)
	})
	return a, err
}

// SetPassword is for whoever runs the machine; it ends all of the person's sessions. No page offers it.
func (s *Store) SetPassword(login, password string) error {
	return s.setPassword(normal(login), password, "", Where{})
}

// setPassword puts a password in the place of the one that was, where that is known.
func (s *Store) setPassword(login, password, was string, where Where) error {
	hashed, err := newPassword(password)
	if err != nil {
		return err
	}
	return s.shelf.Update(func(rows Rows) error {
		r, ok, err := getRecord(rows, login)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoAccount
		}
		if was != "" && r.Password != was {
			return ErrRefused
		}
		r.Password, r.Since = hashed, protocol.T(s.Now())
		r.happened(PasswordSet, r.Since, where)
		return errors.Join(put(rows, accounts, r.Login, r), endAll(rows, login), s.forget(rows, login))
	})
}

// endAll ends a person's sessions and what they have under way.
func endAll(rows Rows, login string) error {
	_, err1 := drop(rows, sessions, func(_ string, o session) bool { return o.Login == login })
	_, err2 := drop(rows, steps, func(_ string, st step) bool { return st.Login == login })
	return errors.Join(err1, err2)
}

// ChangePassword is the person's own; all their sessions end.
func (s *Store) ChangePassword(ctx context.Context, in Session, present, password string, where Where) error {
	if err := s.attempt(in.Login, "session of "+in.Login); err != nil {
		return err
	}
	var r record
	err := s.shelf.View(func(rows Rows) (err error) {
		r, _, err = getRecord(rows, in.Login)
		return err
	})
	if err != nil {
		return err
	}
	if r.Password == "" {
		return ErrNoPasswords
	}
	right, err := checkPassword(ctx, r.Password, present)
	if err != nil {
		return err
	}
	if !right {
		return ErrRefused
	}
	return s.setPassword(in.Login, password, r.Password, where)
}

// SetEmail is the person's own, or an administrator's: where mail for them goes. Nothing secret is in that mail, and no log-in rests on it. Empty: none.
func (s *Store) SetEmail(person protocol.PersonID, address string) error {
	return s.shelf.Update(func(rows Rows) error {
		r, ok, err := recordOf(rows, person)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoAccount
		}
		if r.Email = strings.TrimSpace(address); r.Email != "" && !emailForm(r.Email) {
			return ErrEmail
		}
		return put(rows, accounts, r.Login, r)
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
	l, ok := s.Of(person)
	return l.Account, ok
}

// Listed is an account in a list, with what its person logs in with.
type Listed struct {
	Account
	Waiting    bool // invited, and nothing to log in with yet
	ByProvider bool // invited to come from the provider, or linked
	Password   bool
	Passkeys   int
}

func (r record) listed() Listed {
	return Listed{r.Account, !r.settled(), r.ByProvider || r.Subject != "", r.Password != "", len(r.Passkeys)}
}

// Of is a person's account, with what they log in with.
func (s *Store) Of(person protocol.PersonID) (Listed, bool) {
	var r record
	var found bool
	err := s.shelf.View(func(rows Rows) (err error) {
		r, found, err = recordOf(rows, person)
		return err
	})
	if err != nil { // a page then shows the pseudonym
		s.Log.Error("an account could not be read", "err", err)
		return Listed{}, false
	}
	return r.listed(), found
}

// List is all accounts, by name.
func (s *Store) List() ([]Listed, error) {
	var list []Listed
	err := s.shelf.View(func(rows Rows) error {
		list = nil
		return rows.Each(accounts, func(_ string, v []byte) error {
			var r record
			if err := json.Unmarshal(v, &r, json.RejectUnknownMembers(true)); err != nil {
				return err
			}
			list = append(list, r.listed())
			return nil
		})
	})
	slices.SortFunc(list, func(a, b Listed) int { return strings.Compare(a.Name+a.Login, b.Name+b.Login) })
	return list, err
}

// Mine is what the person sees of their own account: what they log in with, and what happened lately, the newest first.
type Mine struct {
	Listed
	Passkeys []Passkey
	Keys     map[string]string // of those that can sign for a recorder, by [Passkey.Short]: as a roster names them
	Happened []Happening
}

// Mine is the account of who asks.
func (s *Store) Mine(in Session) (m Mine, err error) {
	err = s.shelf.View(func(rows Rows) error {
		r, _, err := getRecord(rows, in.Login)
		if err == nil {
			m = Mine{r.listed(), r.Passkeys, map[string]string{}, r.Happened}
		}
		for _, p := range m.Passkeys {
			if key, ok := s.signingKey(r.Person, p); ok {
				m.Keys[p.Short()] = key
			}
		}
		return err
	})
	slices.Reverse(m.Happened)
	return m, err
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

func sum(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return string(h[:])
}

func getRecord(rows Rows, login string) (r record, ok bool, err error) {
	if len(login) > 64 {
		return r, false, nil
	}
	ok, err = get(rows, accounts, login, &r)
	return r, ok, err
}

// recordOf is a person's.
func recordOf(rows Rows, p protocol.PersonID) (r record, ok bool, err error) {
	login, err := rows.Get(people, string(p))
	if err != nil || login == nil {
		return r, false, err
	}
	return getRecord(rows, string(login))
}
