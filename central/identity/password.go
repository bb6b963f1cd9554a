package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The work that one password costs: OWASP's second choice for argon2id, 19 MiB and two passes. Records carry their own numbers, so these can rise.
var cost = struct {
	memoryKiB, passes uint32
	threads           uint8
}{19 * 1024, 2, 1}

const keyLength = 32

// atOnce bounds how many passwords are worked on together: memory, and processors left for others.
var atOnce = make(chan struct{}, 2)

// newPassword refuses a short one and hashes the rest.
func newPassword(password string) (string, error) {
	if utf8.RuneCountInString(password) < PasswordLength || len(password) > 512 {
		return "", ErrPassword
	}
	return hashPassword(password)
}

func hashPassword(password string) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	atOnce <- struct{}{}
	defer func() { <-atOnce }()
	key := argon2.IDKey([]byte(password), salt, cost.passes, cost.memoryKiB, cost.threads, keyLength)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, cost.memoryKiB, cost.passes, cost.threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// checkPassword does the work of one password. A malformed record is an error, never a match.
func checkPassword(ctx context.Context, record, password string) (bool, error) {
	parts := strings.Split(record, "$")
	var version int
	var memory, time uint32
	var lanes uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("password record: not argon2id")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &lanes); err != nil || version != argon2.Version ||
		memory > 1<<20 || time > 16 || time == 0 || lanes == 0 {
		return false, fmt.Errorf("password record: numbers %s %s", parts[2], parts[3])
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("password record: salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) == 0 {
		return false, fmt.Errorf("password record: hash of %d bytes: %w", len(want), err)
	}
	if len(password) > 512 {
		password = password[:512] // the same work, and no match: nobody has one this long
	}
	select {
	case atOnce <- struct{}{}:
		defer func() { <-atOnce }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return subtle.ConstantTimeCompare(want, argon2.IDKey([]byte(password), salt, time, memory, lanes, uint32(len(want)))) == 1, nil
}

// Failures allowed before a lock-out. A login is locked for LockTerm after its fifth failure in a row; an address after many, since a whole police
// station may share one.
const (
	triesPerLogin   = 5
	triesPerAddress = 50
	LockTerm        = 15 * time.Minute
	mostRemembered  = 20_000 // logins and addresses together; memory is bounded
)

// tries counts attempts per login, known or not, and per address, over LockTerm. Owned by its mutex.
type tries struct {
	mu    sync.Mutex
	seen  map[string]tried
	swept time.Time // a full memory is swept once a minute, or a flood would also cost a sweep an attempt
}

type tried struct {
	count int
	since time.Time // of the first that counts
}

func newTries() *tries { return &tries{seen: map[string]tried{}} }

// allowed counts this attempt and says whether it may go on. An attempt counts before its outcome is known, so that many at once are many.
func (t *tries) allowed(login, from string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= mostRemembered && now.Sub(t.swept) >= time.Minute {
		t.swept = now
		for k, v := range t.seen {
			if now.Sub(v.since) >= LockTerm {
				delete(t.seen, k)
			}
		}
	}
	if len(t.seen) >= mostRemembered {
		return false // an attack of this size: nobody logs in for a while, rather than everybody unlimited
	}
	byAddress := t.count("a:"+from, now) <= triesPerAddress
	byLogin := byAddress && t.count("l:"+login, now) <= triesPerLogin // a blocked address cannot lock others out
	return byAddress && byLogin
}

func (t *tries) count(key string, now time.Time) int {
	if len(key) > 80 {
		key = key[:80]
	}
	v := t.seen[key]
	if now.Sub(v.since) >= LockTerm {
		v = tried{since: now}
	}
	v.count++
	t.seen[key] = v
	return v.count
}

// address counts an attempt that has no login yet.
func (t *tries) address(from string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen) < mostRemembered && t.count("a:"+from, now) <= triesPerAddress
}

// forget clears a login's failures after a success; its address keeps its count.
func (t *tries) forget(login string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, "l:"+login)
}
