package identity

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Client is where a log-in comes from.
type Client struct {
	Address string // tells apart who tries; never written down but under a key of its own, see pepper
	Where
}

// Where is what is kept of it, for the person to recognise a session by.
type Where struct {
	Browser string `json:"browser,omitempty"` // in words: "Firefox, Windows"
	Network string `json:"network,omitempty"` // the address, truncated (R24)
}

// Session is a logged-in person. It is in the request's context; see [Of].
type Session struct {
	Account
	CSRF    string
	Started time.Time
	Passkey bool // a passkey was shown at this log-in
	Last    Last

	Passkeys int       // how many the person has
	Due      time.Time // by when one is needed; zero: none is, or there is one
	Owes     bool      // the term is over: nothing but the own account is open
	hash     string
}

// Last is what a person is told at log-in, to notice what was not theirs.
type Last struct {
	At     protocol.Time `json:"at,omitzero"` // of the log-in before; zero: there was none
	Where  `json:",inline"`
	Failed int `json:"failed,omitempty"` // attempts that failed since then
}

// Fresh says whether the person logged in so lately that they may change what they log in with.
func (in Session) Fresh(now time.Time) bool { return now.Sub(in.Started) < FreshTerm }

// session is as it is stored. Account facts are read anew at each visit.
type session struct {
	Login      string        `json:"login"`
	CSRF       string        `json:"csrf"`
	Started    protocol.Time `json:"started"`
	Seen       protocol.Time `json:"seen"`
	Where      `json:",inline"`
	Passkey    bool   `json:"passkey,omitempty"`
	Last       Last   `json:"last,omitzero"`
	ByProvider bool   `json:"by-provider,omitempty"`
	Hint       string `json:"hint,omitempty"` // the provider's ID token, by which it knows whom to log out
}

func (s session) alive(now time.Time) bool {
	return now.Before(s.Started.Add(SessionTerm)) && now.Before(s.Seen.Add(SessionIdle))
}

// Entry is how far somebody came in: a session, or a step at which a passkey must be shown. One of the two.
type Entry struct {
	Session string // the cookie
	Step    string // for [Store.Challenge] and [Store.ShowPasskey]
}

// LogIn checks a password.
func (s *Store) LogIn(ctx context.Context, login, password string, from Client) (Entry, error) {
	login = normal(login)
	if s.NoPasswords {
		return Entry{}, ErrRefused
	}
	if err := s.attempt(login, from.Address); errors.Is(err, ErrRefused) {
		return Entry{}, err
	} else if err != nil {
		return Entry{}, fmt.Errorf("log-in: %w", err)
	}
	var r record
	var known bool
	err := s.shelf.View(func(rows Rows) (err error) {
		r, known, err = getRecord(rows, login)
		return err
	})
	if err != nil {
		return Entry{}, fmt.Errorf("log-in: %w", err)
	}
	stored, err := dummy()
	if err != nil {
		return Entry{}, fmt.Errorf("log-in: %w", err)
	}
	if known && r.Password != "" {
		stored = r.Password
	}
	right, err := checkPassword(ctx, stored, password)
	if err != nil {
		return Entry{}, fmt.Errorf("log-in: %w", err)
	}
	if !right || !known || r.Password == "" {
		return Entry{}, errors.Join(ErrRefused, s.failed(login, func(d *Day) { d.Refused++ }))
	}
	var entry Entry
	err = s.shelf.Update(func(rows Rows) (err error) {
		now, known, err := getRecord(rows, login)
		if err != nil {
			return err
		}
		if !known || now.Password != r.Password { // changed while it was checked
			return ErrRefused
		}
		entry, err = s.admit(rows, now, from.Where, false, "")
		return err
	})
	return entry, err
}

// failed counts an attempt, for the officer and for the person whose login it was. A login that does not exist costs the same writing.
func (s *Store) failed(login string, count func(*Day)) error {
	return s.shelf.Update(func(rows Rows) error {
		r, known, err := getRecord(rows, login)
		if err != nil {
			return err
		}
		r.Failed++
		if known {
			err = put(rows, accounts, r.Login, r)
		} else {
			err = put(rows, meta, "nobody", r)
		}
		return errors.Join(err, s.count(rows, count))
	})
}

// admit lets somebody in who has shown who they are; with a passkey they show that first.
func (s *Store) admit(rows Rows, r record, where Where, byProvider bool, hint string) (e Entry, err error) {
	if len(r.Passkeys) > 0 {
		e.Step, err = s.begin(rows, step{Kind: stepLogIn, Login: r.Login, ByProvider: byProvider, Hint: hint}, stepTerm)
		return e, err
	}
	if r.Due.IsZero() && s.needs(r.Person) {
		r.Due = protocol.T(s.Now().Add(s.Grace))
	}
	e.Session, err = s.start(rows, r, where, byProvider, hint, false)
	return e, err
}

// start makes a session and remembers the log-in.
func (s *Store) start(rows Rows, r record, where Where, byProvider bool, hint string, passkey bool) (string, error) {
	secret, err := token()
	if err != nil {
		return "", err
	}
	csrf, err := token()
	if err != nil {
		return "", err
	}
	now := protocol.T(s.Now())
	last := Last{Failed: r.Failed}
	for _, h := range r.Happened {
		if h.What == CameIn {
			last.At, last.Where = h.At, h.Where
		}
	}
	r.Failed = 0
	r.happened(CameIn, now, where)
	err = errors.Join(put(rows, accounts, r.Login, r), s.forget(rows, r.Login),
		s.count(rows, func(d *Day) {
			d.LoggedIn++
			if byProvider {
				d.ByProvider++
			}
			if passkey {
				d.WithPasskey++
			}
		}),
		put(rows, sessions, sum(secret), session{Login: r.Login, CSRF: csrf, Started: now, Seen: now, Where: where, Passkey: passkey, Last: last, ByProvider: byProvider, Hint: hint}))
	if err == nil { // what is over goes when someone comes
		_, err = drop(rows, sessions, func(_ string, stored session) bool { return !stored.alive(now.Time) })
	}
	return secret, err
}

// Visit is the session of a cookie, if it is alive; it counts as a visit.
func (s *Store) Visit(secret string) (Session, bool, error) {
	now := protocol.T(s.Now())
	key := sum(secret)
	var stored session
	var r record
	found := false
	err := s.shelf.View(func(rows Rows) error {
		ok, err := get(rows, sessions, key, &stored)
		if err != nil || !ok || !stored.alive(now.Time) {
			return err
		}
		r, found, err = getRecord(rows, stored.Login)
		return err
	})
	if err != nil || !found {
		return Session{}, false, err
	}
	if now.Sub(stored.Seen.Time) >= time.Minute { // not a write for every page
		err := s.shelf.Update(func(rows Rows) error {
			if found, err = get(rows, sessions, key, &stored); err != nil || !found { // logged out meanwhile: stays so
				return err
			}
			stored.Seen = now
			return put(rows, sessions, key, stored)
		})
		if err != nil || !found {
			return Session{}, false, err
		}
	}
	in := Session{Account: r.Account, CSRF: stored.CSRF, Started: stored.Started.Time, Passkey: stored.Passkey, Last: stored.Last, Passkeys: len(r.Passkeys), hash: key}
	if in.Passkeys == 0 && !r.Due.IsZero() && s.needs(r.Person) {
		in.Due = r.Due.Time
		in.Owes = !now.Before(in.Due)
	}
	return in, true, nil
}

func (s *Store) needs(p protocol.PersonID) bool { return s.Needs != nil && s.Needs(p) }

// Left is how far somebody is logged out.
type Left struct {
	Provider bool   // they came from the provider, and are still logged in there
	Onward   string // its address that ends that too (OpenID Connect RP-Initiated Logout 1.0); empty: it has none, or does not answer
}

// LogOut ends a session, here at once. Where it began at the provider it says how to end it there: for whoever logs in next on the same machine.
func (s *Store) LogOut(ctx context.Context, in Session) (Left, error) {
	var stored session
	err := s.shelf.Update(func(rows Rows) error {
		stored = session{}
		_, err := get(rows, sessions, in.hash, &stored)
		return errors.Join(err, rows.Delete(sessions, in.hash))
	})
	if err != nil || !stored.ByProvider || s.provider == nil {
		return Left{}, err
	}
	left := Left{Provider: true}
	if left.Onward, err = s.provider.out(ctx, stored.Hint, s.Now()); err != nil { // they are out here all the same
		s.Log.Error("the provider of log-ins cannot be reached to log somebody out", "issuer", s.provider.Issuer, "err", err)
	}
	return left, nil
}

// Open is one of a person's sessions, as a list shows them.
type OpenSession struct {
	ID            string // says nothing of its cookie
	Started, Seen protocol.Time
	Where
	Passkey, Mine bool // Mine: the one that asks
}

func sessionID(key string) string { return hex.EncodeToString([]byte(key[:8])) }

// Sessions are the person's own that are alive, the newest first.
func (s *Store) Sessions(in Session) (list []OpenSession, err error) {
	now := s.Now()
	err = s.shelf.View(func(rows Rows) error {
		list = nil
		_, err := drop(rows, sessions, func(key string, o session) bool {
			if o.Login == in.Login && o.alive(now) {
				list = append(list, OpenSession{sessionID(key), o.Started, o.Seen, o.Where, o.Passkey, key == in.hash})
			}
			return false
		})
		return err
	})
	slices.SortFunc(list, func(a, b OpenSession) int { return b.Started.Compare(a.Started.Time) })
	return list, err
}

// EndSessions ends one of the person's own sessions, or all of them where id is empty.
func (s *Store) EndSessions(in Session, id string) error {
	return s.shelf.Update(func(rows Rows) error {
		_, err := drop(rows, sessions, func(key string, o session) bool { return o.Login == in.Login && (id == "" || sessionID(key) == id) })
		return err
	})
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

// Recognise puts the session of the cookie in the context of what follows. Without a valid one the request passes as a stranger's.
func (s *Store) Recognise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret := Cookie(r, SessionCookie)
		if secret == "" {
			next.ServeHTTP(w, r)
			return
		}
		in, ok, err := s.Visit(secret)
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

// The cookies of this house. Each holds nothing but a random token.
const (
	SessionCookie  = "bureau"
	StepCookie     = "bureau-stap"      // between password or provider and passkey
	ProviderCookie = "bureau-aanbieder" // this browser began a log-in at the provider
)

// cookieName has the __Host- prefix over TLS: no other host and no plain connection can then set it.
func cookieName(r *http.Request, name string) string {
	if r.TLS != nil {
		return "__Host-" + name
	}
	return name
}

// Cookie is the value of one of these, empty where there is none.
func Cookie(r *http.Request, name string) string {
	c, err := r.Cookie(cookieName(r, name))
	if err != nil {
		return ""
	}
	return c.Value
}

// SetCookie gives the browser one of these; an empty value takes it away. Only the provider's comes along with a link from another site, because from
// there the person comes back.
func SetCookie(w http.ResponseWriter, r *http.Request, name, value string) {
	c := &http.Cookie{Name: cookieName(r, name), Value: value, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
	if name == ProviderCookie {
		c.SameSite = http.SameSiteLaxMode
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
