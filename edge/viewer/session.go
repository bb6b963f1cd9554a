package viewer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	challengeTerm = time.Minute
	sessionIdle   = 30 * time.Minute
	sessionTerm   = 12 * time.Hour
)

// session is a browser that has proven that it has a key. Its fields are guarded by Viewer.mu, key and begun do not change.
type session struct {
	key   string
	begun time.Time
	used  time.Time
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.used) >= sessionIdle || now.Sub(s.begun) >= sessionTerm || now.Before(s.begun.Add(-clockSlack))
}

var base64url = base64.RawURLEncoding

const keyPrefix = "p256:"

// parseKey reads a grant's recipient key: "p256:" and the base64url of the compressed point, in its one written form.
func parseKey(s string) (*ecdsa.PublicKey, error) {
	text, ok := strings.CutPrefix(s, keyPrefix)
	point, err := base64url.DecodeString(text)
	if !ok || err != nil || len(point) != 33 || base64url.EncodeToString(point) != text { // the decoder skips line ends and spare bits
		return nil, errors.New("key: want p256: and a compressed point in base64url")
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), point)
	if x == nil {
		return nil, errors.New("key: not a point on P-256")
	}
	return &ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}, nil
}

// statement is what the browser signs.
func (v *Viewer) statement(host, challenge string) []byte {
	return fmt.Appendf(nil, "beeldwacht/viewer v1\n%s\n%s\n%s\n", v.Recorder, host, challenge)
}

// newChallenge makes a challenge that only this process can have made. None is kept, so strangers cannot fill a table with them; those that began a
// session are, until they are over.
func (v *Viewer) newChallenge(now time.Time) string {
	b := make([]byte, 24, 24+sha256.Size)
	binary.BigEndian.PutUint64(b, uint64(now.Add(challengeTerm).UnixMilli()))
	if _, err := rand.Read(b[8:]); err != nil {
		panic(err) // crypto/rand never fails
	}
	return base64url.EncodeToString(v.mark(b))
}

func (v *Viewer) mark(b []byte) []byte {
	h := hmac.New(sha256.New, v.secret[:])
	h.Write(b)
	return h.Sum(b[:len(b):len(b)])
}

// challengeUntil is when a challenge of ours ends.
func (v *Viewer) challengeUntil(challenge string) (time.Time, error) {
	b, err := base64url.DecodeString(challenge)
	if err != nil || len(b) != 24+sha256.Size || base64url.EncodeToString(b) != challenge || !hmac.Equal(v.mark(b[:24]), b) {
		return time.Time{}, errors.New("challenge: not of this viewer")
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b))), nil
}

// proven checks that whoever answered the challenge has the key, for this viewer, now.
func (v *Viewer) proven(host, key, challenge, signature string, now time.Time) error {
	pub, err := parseKey(key)
	if err != nil {
		return err
	}
	until, err := v.challengeUntil(challenge)
	if err != nil {
		return err
	}
	if !now.Before(until) || now.Before(until.Add(-challengeTerm-clockSlack)) {
		return errors.New("challenge: over")
	}
	sig, err := base64url.DecodeString(signature)
	if err != nil || len(sig) != 64 {
		return errors.New("signature: want r and s, 64 bytes in base64url")
	}
	sum := sha256.Sum256(v.statement(host, challenge))
	if !ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return errors.New("signature: not of this key over this challenge")
	}
	return nil
}

func (v *Viewer) challenge(at *visit) error {
	if v.often(at.r.RemoteAddr, at.now) {
		return errOften
	}
	at.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := fmt.Fprint(at.w, v.newChallenge(at.now))
	return err
}

// begin opens a session for a proven key that has a grant.
func (v *Viewer) begin(at *visit) error {
	if v.often(at.r.RemoteAddr, at.now) {
		return errOften
	}
	var proof struct {
		Key       string `json:"key"`
		Challenge string `json:"challenge"`
		Signature string `json:"signature"`
	}
	if err := json.UnmarshalRead(at.r.Body, &proof, json.RejectUnknownMembers(true)); err != nil {
		return errProof
	}
	if err := v.proven(at.r.Host, proof.Key, proof.Challenge, proof.Signature, at.now); err != nil {
		v.Log.Info("viewer: no proof of possession", "error", err)
		return errProof
	}
	if len(v.grants(proof.Key)) == 0 {
		return errNoGrant.to(proof.Key)
	}
	token, err := v.addSession(&session{key: proof.Key, begun: at.now, used: at.now}, proof.Challenge)
	if err != nil {
		return err
	}
	at.setCookie(v.cookieName(), token, int(sessionTerm.Seconds()))
	at.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (v *Viewer) end(at *visit) error {
	if at.session != nil {
		v.mu.Lock()
		v.endSession(at.cookie)
		v.mu.Unlock()
	}
	at.setCookie(v.cookieName(), "", -1)
	http.Redirect(at.w, at.r, at.lang.path("/"), http.StatusSeeOther)
	return nil
}

func (at *visit) setCookie(name, value string, maxAge int) {
	http.SetCookie(at.w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode})
}

// cookieName names the recorder: a browser sends cookies to every port of a host, and there may be more recorders on it.
func (v *Viewer) cookieName() string { return "__Host-viewer-" + string(v.Recorder) }

// addSession uses the challenge up. Only who has a grant comes this far, so strangers cannot fill the table of used ones.
func (v *Viewer) addSession(s *session, challenge string) (token string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, again := v.used[challenge]; again {
		return "", errProof
	}
	if len(v.used) >= 4*maxSessions {
		return "", errFull
	}
	v.used[challenge] = s.begun.Add(challengeTerm)
	oldest, same := "", 0
	for t, other := range v.sessions {
		if other.key == s.key {
			same++
			if oldest == "" || other.used.Before(v.sessions[oldest].used) {
				oldest = t
			}
		}
	}
	if same >= maxSessionsOfKey {
		v.endSession(oldest)
	}
	if len(v.sessions) >= maxSessions {
		return "", errFull
	}
	token = rand.Text() + rand.Text()
	v.sessions[token] = s
	return token, nil
}

// endSession ends a session and closes what it opened. The caller has mu.
func (v *Viewer) endSession(token string) {
	delete(v.sessions, token)
	for _, o := range v.openings {
		if o.session == token {
			v.endOpening(o)
		}
	}
}

// sessionOf finds the session of a request, and keeps it from falling asleep.
func (v *Viewer) sessionOf(r *http.Request, now time.Time) (*session, string) {
	c, err := r.Cookie(v.cookieName())
	if err != nil {
		return nil, ""
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.sessions[c.Value]
	switch {
	case s == nil:
		return nil, ""
	case s.over(now):
		v.endSession(c.Value)
		return nil, ""
	}
	s.used = now
	return s, c.Value
}

// grants are those a key may look under now: standing ones first.
func (v *Viewer) grants(key string) []*orders.Grant {
	if key == "" {
		return nil
	}
	return append(v.Orders.StandingGrants(key), v.Orders.ViewGrants(key)...)
}

// grant is the one of that id, when this key may look under it now. It says why not otherwise.
func (v *Viewer) grant(id, key string) (*orders.Grant, error) {
	for _, g := range v.grants(key) {
		if string(g.Doc().ID) == id {
			return g, nil
		}
	}
	g, found := v.Orders.Grant(protocol.GrantID(id))
	switch doc := g.Doc(); {
	case found && doc.Recipient == key && doc.Use != protocol.UseRelease:
		return nil, expired(doc)
	case found:
		return nil, errOtherGrant.of(doc.Camera)
	}
	return nil, errOtherGrant
}
