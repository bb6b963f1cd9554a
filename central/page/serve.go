package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed assets/*.css assets/*.js
var assetFiles embed.FS

type asset struct {
	plain, gzipped []byte
	kind, version  string // version is a part of the SHA-256: a changed file has another address
}

var assets = sync.OnceValue(func() map[string]asset {
	m := map[string]asset{}
	names, err := fs.Glob(assetFiles, "assets/*")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		plain, err := assetFiles.ReadFile(name)
		if err != nil {
			panic(err)
		}
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err == nil {
			_, err = z.Write(plain)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil { // writing to memory
			panic(err)
		}
		sum := sha256.Sum256(plain)
		m[path.Base(name)] = asset{plain, b.Bytes(), mime.TypeByExtension(path.Ext(name)), hex.EncodeToString(sum[:6])}
	}
	return m
})

// assetPath is the address of an embedded file. An unknown name fails the template that uses it.
func assetPath(name string) (string, error) {
	a, ok := assets()[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return "/assets/" + name + "?v=" + a.version, nil
}

// Assets serves the embedded files under /assets/.
func Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets()[strings.TrimPrefix(r.URL.Path, "/assets/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", a.kind)
		h.Set("Vary", "Accept-Encoding")
		h.Set("Cache-Control", "public, max-age=300")
		if r.URL.Query().Get("v") == a.version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		body := a.plain
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = a.gzipped
		}
		h.Set("Content-Length", fmt.Sprint(len(body)))
		if r.Method == http.MethodHead {
			return
		}
		if _, err := w.Write(body); err != nil {
			return // the reader left
		}
	})
}

// Secure sets the security headers on every answer. background, which may be nil, is the one foreign host that a municipality can allow, for map tiles.
func Secure(background *MapBackground, next http.Handler) http.Handler {
	images := "'self' data:"
	if background != nil {
		if u, err := url.Parse(background.Tiles); err == nil && u.Scheme == "https" {
			images += " https://" + strings.ReplaceAll(u.Host, "{s}", "*")
		}
	}
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src " + images +
		"; connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), interest-cohort=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// Log writes one line for each answer, with a truncated address and without the query.
func Log(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		log.Debug("answered", "method", r.Method, "path", r.URL.Path, "status", seen.status, "from", Truncate(r.RemoteAddr))
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Steady is for an answer that may take long to read: as long as it takes, if each piece is taken within a minute. The server's own limit is for
// a whole page, and for those who open many and read none.
func Steady(w http.ResponseWriter) io.Writer { return steady{w} }

type steady struct{ http.ResponseWriter }

func (s steady) Write(p []byte) (int, error) {
	if err := http.NewResponseController(s.ResponseWriter).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return s.ResponseWriter.Write(p)
}

// Truncate keeps of a client's address what counting and defence need and no more: an IPv4 address without its last octet, an IPv6 address cut to
// 48 bits (R24). Anything else becomes "unknown".
func Truncate(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		withPort, err := netip.ParseAddrPort(remote)
		if err != nil {
			return "unknown"
		}
		addr = withPort.Addr()
	}
	bits := 48
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		bits = 24
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.Addr().String()
}
