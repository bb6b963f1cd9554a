package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
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
