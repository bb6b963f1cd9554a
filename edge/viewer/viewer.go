package viewer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// requestPath is where the desk takes a request for a standing grant; the key is given with it. The one place that knows the desk's addresses.
const requestPath = "/bureau/meekijken?sleutel="

// Viewer is the pages of one recorder. All fields must be set, but for Desk and Log.
type Viewer struct {
	Certificate tls.Certificate
	Desk        string // base URL of the centre's desk, where a grant is asked for; empty: the page names none
	Recorder    protocol.RecorderID
	Store       *footage.Store
	Journal     *journal.Journal
	Orders      *orders.Orders
	Now         func() time.Time
	Log         *slog.Logger

	secret [32]byte // of the challenges; made in handler and then only read

	mu       sync.Mutex           // guards what follows
	used     map[string]time.Time // challenges that began a session, and until when to remember them
	sessions map[string]*session
	openings map[string]*opening
	refused  map[string]*allowance
	rate     rate
}

// Bounds. What is over one is refused, or in a session the oldest makes place; nothing here grows with what others send.
const (
	maxConnections   = 1024
	maxBody          = 8 << 10 // bytes
	maxSessions      = 512
	maxSessionsOfKey = 4
	maxOpenings      = 64
	maxOpeningsOf    = 4  // of one session
	asksAMinute      = 30 // of one address: challenges, sessions, looks
	refusalsAnHour   = 20 // entries for one key; all keys without a grant share one such number
)

// Serve answers on l, which it closes, until ctx ends; it returns nil then. What is being sent has a few seconds to end. It is called once.
func (v *Viewer) Serve(ctx context.Context, l net.Listener) error {
	if v.Log == nil {
		v.Log = slog.New(slog.DiscardHandler)
	}
	server := &http.Server{
		Handler:           v.handler(),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{v.Certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      2 * time.Minute, // a minute of footage to a phone
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(v.Log.Handler(), slog.LevelDebug), // strangers' broken handshakes
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(&limited{l, make(chan struct{}, maxConnections)}, "", "") }()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	defer v.closeAll(context.WithoutCancel(ctx))
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("viewer: %w", err)
		case <-tick.C:
			v.tidy(ctx, v.Now())
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			if err := server.Shutdown(stopping); err != nil {
				return server.Close()
			}
			return nil
		}
	}
}

// handler makes the routes. It is called once.
func (v *Viewer) handler() http.Handler {
	if _, err := rand.Read(v.secret[:]); err != nil {
		panic(err) // crypto/rand never fails
	}
	v.used, v.sessions, v.openings, v.refused = map[string]time.Time{}, map[string]*session{}, map[string]*opening{}, map[string]*allowance{}
	mux := http.NewServeMux()
	for _, l := range []lang{nl, en} {
		to := func(method, path string, f func(*visit) error) { mux.Handle(method+" "+l.path(path), v.door(l, f)) }
		to("GET", "/{$}", v.home)
		to("GET", "/challenge", v.challenge)
		to("POST", "/session", v.begin)
		to("POST", "/end", v.end)
		to("GET", "/look/{grant}", v.form)
		to("POST", "/look/{grant}", v.look)
		to("GET", "/watch/{id}", v.watch)
		to("GET", "/watch/{id}/list.m3u8", v.playlist)
		to("GET", "/watch/{id}/{run}/init.mp4", v.init)
		to("GET", "/watch/{id}/{segment}", v.segment)
		to("GET", "/", func(*visit) error { return errNoPage })
	}
	mux.Handle("GET /en", http.RedirectHandler("/en/", http.StatusMovedPermanently))
	mux.HandleFunc("GET /assets/{name}", serveAsset)
	return headers(http.NewCrossOriginProtection().Handler(mux))
}

// headers are on every answer. HSTS is not: there is no plain HTTP here to fall back to, and a name may be shared with other ports.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "+
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store") // footage and what says who looked stay out of caches
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// visit is one request, with what was found out about it.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	lang    lang
	now     time.Time
	session *session // nil: none
	cookie  string   // the session's, empty: none
}

// door finds the session of a request, and turns what goes wrong into words and, where it is an access refused, into an entry.
func (v *Viewer) door(l lang, f func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := &visit{w: w, r: r, lang: l, now: v.Now()}
		at.session, at.cookie = v.sessionOf(r, at.now)
		err := f(at)
		if err == nil {
			return
		}
		var no *refusal
		if !errors.As(err, &no) {
			if r.Context().Err() == nil {
				v.Log.Error("viewer", "path", r.URL.Path, "error", err)
			}
			no = errBroken
		}
		if no.recipient == "" && at.session != nil {
			no = no.to(at.session.key)
		}
		if no.journal {
			v.writeRefusal(r.Context(), no, at.now)
		}
		v.show(at, no.status, "refused", no)
	})
}

// tidy ends what is over. What it ends was refused from its end on; this only gives the room back.
func (v *Viewer) tidy(ctx context.Context, now time.Time) {
	v.mu.Lock()
	for c, until := range v.used {
		if now.After(until) {
			delete(v.used, c)
		}
	}
	for token, s := range v.sessions {
		if s.over(now) {
			v.endSession(token)
		}
	}
	for _, o := range v.openings {
		if o.over(now) {
			v.endOpening(o)
		}
	}
	var counts []*refusal
	for key, a := range v.refused {
		if now.Sub(a.since) >= time.Hour {
			counts = append(counts, a.unwritten(key)...)
			delete(v.refused, key)
		}
	}
	v.mu.Unlock()
	v.append(ctx, counts)
}

// closeAll ends everything: the process stops.
func (v *Viewer) closeAll(ctx context.Context) {
	v.mu.Lock()
	for token := range v.sessions {
		v.endSession(token)
	}
	for _, o := range v.openings {
		v.endOpening(o)
	}
	var counts []*refusal
	for key, a := range v.refused {
		counts = append(counts, a.unwritten(key)...)
	}
	v.mu.Unlock()
	v.append(ctx, counts)
}

// limited bounds the connections that are open at a time.
type limited struct {
	net.Listener
	slots chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &slotted{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

type slotted struct {
	net.Conn
	free func()
}

func (c *slotted) Close() error {
	c.free()
	return c.Conn.Close()
}
