package ingest

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// login answers a camera that asks who we are (RFC 2617, RFC 7616: Digest with MD5 or SHA-256, with and without qop; Basic when nothing better is asked).
// gortsplib has this too, but knows one form of address in it, and one nonce a connection. A login outlives its connections, one at a time.
type login struct {
	user, password string
	host           string // Basic shows the password: it goes to no other host, whatever a redirect says

	path   bool // this camera hashes "/path" where others hash "rtsp://host/path"
	proven bool // it took the password in that form
}

func (l *login) known() bool { return l != nil && (l.user != "" || l.password != "") }

func (l *login) userinfo() *url.Userinfo {
	if !l.known() {
		return nil
	}
	return url.UserPassword(l.user, l.password)
}

// challenge is what a camera wants to be answered with a request.
type challenge struct {
	basic  bool
	fields map[string]string
	count  int // requests answered with this nonce
}

// challenged takes the best challenge that we can answer from the lines of a refusal, or nil.
func challenged(lines []string) *challenge {
	var best *challenge
	rank := 0
	for _, line := range lines {
		name, value, ok := header(line)
		if !ok || name != "www-authenticate" {
			continue
		}
		c, of := parseChallenge(value), 0
		switch algorithm := strings.ToUpper(c.fields["algorithm"]); {
		case c.basic:
			of = 1
		case c.fields["nonce"] == "":
		case algorithm == "" || algorithm == "MD5":
			of = 2
		case algorithm == "SHA-256":
			of = 3
		}
		if of > rank {
			best, rank = c, of
		}
	}
	return best
}

// parseChallenge reads `Digest realm="…", nonce=…`. What it does not understand is left out.
func parseChallenge(value string) *challenge {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	c := &challenge{basic: strings.EqualFold(scheme, "basic"), fields: map[string]string{}}
	if !c.basic && !strings.EqualFold(scheme, "digest") {
		return c
	}
	for rest != "" {
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		name = strings.ToLower(strings.Trim(name, ", \t"))
		after = strings.TrimLeft(after, " \t")
		if quoted, ok := strings.CutPrefix(after, `"`); ok {
			after, rest, _ = strings.Cut(quoted, `"`)
		} else {
			after, rest, _ = strings.Cut(after, ",")
			after = strings.TrimSpace(after)
		}
		c.fields[name] = after
	}
	return c
}

// authorization is the line that answers a challenge for one request; empty when it must not be answered at this host.
func (l *login) authorization(c *challenge, method, address, host string) string {
	if c.basic {
		if !strings.EqualFold(host, l.host) {
			return ""
		}
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(l.user+":"+l.password))
	}
	hash := func(parts ...string) string {
		text := []byte(strings.Join(parts, ":"))
		if strings.EqualFold(c.fields["algorithm"], "SHA-256") {
			sum := sha256.Sum256(text)
			return hex.EncodeToString(sum[:])
		}
		sum := md5.Sum(text)
		return hex.EncodeToString(sum[:])
	}
	if l.path {
		if u, err := url.Parse(address); err == nil {
			address = u.RequestURI()
		}
	}
	realm, nonce := c.fields["realm"], c.fields["nonce"]
	mine, asked := hash(l.user, realm, l.password), hash(method, address)
	line := fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s"`, l.user, realm, nonce, address)
	if qop := c.fields["qop"]; wants(qop, "auth") {
		c.count++
		count, ours := fmt.Sprintf("%08x", c.count), rand.Text()
		line += fmt.Sprintf(`, response="%s", qop=auth, nc=%s, cnonce="%s"`, hash(mine, nonce, count, ours, "auth", asked), count, ours)
	} else {
		line += fmt.Sprintf(`, response="%s"`, hash(mine, nonce, asked))
	}
	if opaque, ok := c.fields["opaque"]; ok {
		line += fmt.Sprintf(`, opaque="%s"`, opaque)
	}
	if algorithm, ok := c.fields["algorithm"]; ok {
		line += ", algorithm=" + algorithm
	}
	return line
}

func wants(list, one string) bool {
	for field := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(field), one) {
			return true
		}
	}
	return false
}
