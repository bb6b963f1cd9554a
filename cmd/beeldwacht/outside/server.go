package outside

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// ServeHTTP is the protocol; the package comment has its answers.
func (w *Witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	if w.refused.spent(address, w.now()) {
		out.Header().Set("Retry-After", "10")
		http.Error(out, "too much was refused from this address", http.StatusTooManyRequests)
		return
	}
	refuse := func(status int, text string) {
		w.refused.allow(address, w.now())
		http.Error(out, text, status)
	}
	switch {
	case r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		w.refused.allow(address, w.now()) // no refusal, but costly
		text, err := w.Overview()
		if err != nil {
			w.log.Error("the store cannot be read", "error", err)
			http.Error(out, "the store cannot be read", http.StatusInternalServerError)
			return
		}
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(out, text) // who has gone does not read it
		return
	case r.URL.Path != "/add-checkpoint":
		refuse(http.StatusNotFound, "POST /add-checkpoint")
		return
	case r.Method != http.MethodPost:
		out.Header().Set("Allow", http.MethodPost)
		refuse(http.StatusMethodNotAllowed, "POST only")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, chain.MaxSubmission))
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		refuse(http.StatusRequestEntityTooLarge, err.Error())
		return
	}
	if err != nil { // the line broke
		refuse(http.StatusBadRequest, "the body could not be read")
		return
	}
	line, err := w.Cosign(body, address)
	var stale *Stale
	switch {
	case err == nil:
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		out.Write(line) // who has gone asks again
	case errors.As(err, &stale):
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(http.StatusConflict)
		fmt.Fprintf(out, "%d\n", stale.Size)
	case errors.Is(err, ErrMalformed):
		refuse(http.StatusBadRequest, err.Error())
	case errors.Is(err, ErrUnknown):
		refuse(http.StatusNotFound, err.Error())
	case errors.Is(err, ErrUnsigned):
		refuse(http.StatusForbidden, err.Error())
	case errors.Is(err, ErrFork):
		refuse(http.StatusConflict, err.Error())
	case errors.Is(err, ErrProof):
		refuse(http.StatusUnprocessableEntity, err.Error())
	case errors.Is(err, ErrTooMuch):
		out.Header().Set("Retry-After", "1")
		http.Error(out, err.Error(), http.StatusTooManyRequests)
	default:
		w.log.Error("a checkpoint could not be stored", "error", err)
		http.Error(out, "the witness could not store it", http.StatusInternalServerError)
	}
}

// mostConnections stand open at once.
const mostConnections = 512

// Serve answers on a listener until ctx ends; then it finishes what is under way.
func (w *Witness) Serve(ctx context.Context, l net.Listener, certificate tls.Certificate) error {
	server := &http.Server{Handler: w, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelDebug)}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(netutil.LimitListener(l, mostConnections), "", "") }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
