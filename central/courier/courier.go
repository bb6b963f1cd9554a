// Package courier carries the centre's cosigned checkpoints to the outside witnesses, and their cosignatures back (C2SP tlog-witness). It speaks for nobody: what a witness
// answers is verified with its key before it is passed on, and whoever gets it verifies it again.
//
// # The rule
//
// Nothing waits for an outside witness but what needs its cosignature. A checkpoint is handed to [Courier.Carry] after the centre's own witness stored and cosigned it (invariant 11); the
// call returns at once, and the note comes back through its callback with what cosignatures there are, at the latest when a request's time is up. There is no queue that must be
// kept: of each log only the newest checkpoint is under way, and what was not cosigned is handed in again by the log itself, at the latest with its next idle checkpoint.
//
// # A witness that does not answer
//
// One failed request makes a witness absent: from then on one request at a time tries it, after a pause that doubles from a second to a minute (±50 %), and everything else comes back at once
// without its cosignature. So it costs the others nothing, however many logs there are. [Courier.Witnesses] says since when it is absent and why.
//
// # A witness that refuses
//
// A witness knows each log by its key and by the last checkpoint it cosigned. That it does not know a log, or that the log does not extend what it cosigned, is told as a [Refusal]: the first
// is put right by the privacy officer, the second is evidence, which the witness keeps.
package courier

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Witness is an outside witness: where it answers, its public key, and the SHA-256 of its certificate in hex, where that is of its own making; empty: an authority that this machine trusts vouches for it.
type Witness struct {
	URL         string `yaml:"url"`
	Key         string `yaml:"key"`
	Certificate string `yaml:"certificate"`
}

// Valid says what is wrong with it.
func (w Witness) Valid() error {
	if u, err := url.Parse(w.URL); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("url: %q: want https://host:port", w.URL)
	}
	if _, err := chain.WitnessVerifier(w.Key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if b, err := hex.DecodeString(w.Certificate); err != nil || len(b) != 0 && len(b) != sha256.Size {
		return fmt.Errorf("certificate: %.80q: want the SHA-256 of it, 64 hexadecimal digits", w.Certificate)
	}
	return nil
}

// Log is one whose checkpoints are carried.
type Log struct {
	Origin string
	// Proof shows that the first old entries are the start of the first size.
	Proof func(old, size uint64) (tlog.TreeProof, error)
}

// Refusal is why a witness does not cosign a log.
type Refusal struct {
	Witness string // name of its key
	Why     string // for people
	Fork    bool   // it has cosigned what this log does not extend
}

func (r *Refusal) Error() string { return fmt.Sprintf("witness %s: %s", r.Witness, r.Why) }

// Courier carries between Run's begin and end.
type Courier struct {
	now  func() time.Time
	log  *slog.Logger
	road []*road
}

// New makes a courier to these witnesses.
func New(witnesses []Witness, now func() time.Time, log *slog.Logger) (*Courier, error) {
	c := &Courier{now: now, log: log}
	for _, w := range witnesses {
		if err := w.Valid(); err != nil {
			return nil, err
		}
		v, err := chain.WitnessVerifier(w.Key)
		if err != nil {
			return nil, err
		}
		transport := &http.Transport{MaxIdleConnsPerHost: atOnce, MaxConnsPerHost: atOnce, IdleConnTimeout: 2 * time.Minute, TLSHandshakeTimeout: Patience, TLSClientConfig: pinned(w.Certificate)}
		r := &road{Witness: w, verifier: v, now: now, log: log, sizes: map[string]uint64{}, refusals: map[string]*Refusal{}, waiting: map[string]*parcel{}, ready: make(chan string, mostWaiting),
			client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
		c.road = append(c.road, r)
	}
	return c, nil
}

// Patience is how long a witness may take over one request.
const Patience = 5 * time.Second

const (
	atOnce      = 32      // requests to one witness
	mostWaiting = 1 << 16 // logs that wait for one witness
	firstPause  = time.Second
	lastPause   = time.Minute
)

// pinned trusts exactly one certificate, whoever made it.
func pinned(fingerprint string) *tls.Config {
	if fingerprint == "" {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	want := strings.ToLower(fingerprint)
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, // not by name or authority, but by the certificate itself:
		VerifyConnection: func(s tls.ConnectionState) error {
			if have := fmt.Sprintf("%x", sha256.Sum256(s.PeerCertificates[0].Raw)); have != want {
				return fmt.Errorf("its certificate is %s, the configuration pins %s: somebody else answers, or the witness has a new certificate: %w", have, want, x509.UnknownAuthorityError{})
			}
			return nil
		}}
}

// Run carries until ctx ends. What is under way then is dropped.
func (c *Courier) Run(ctx context.Context) {
	var work sync.WaitGroup
	for _, r := range c.road {
		for range atOnce {
			work.Go(func() { r.work(ctx) })
		}
	}
	work.Wait()
}

// Carry hands a log's checkpoint note to every witness. Back is called once, from another goroutine, with the note and every cosignature that came; not at all where a newer checkpoint of
// the log has taken its place meanwhile. Where there is no outside witness Carry does nothing.
func (c *Courier) Carry(l Log, signed []byte, back func(signed []byte)) {
	if len(c.road) == 0 {
		return
	}
	p := &parcel{log: l, signed: signed, note: signed, open: len(c.road), back: back}
	for _, r := range c.road {
		r.take(p)
	}
}

// State is how an outside witness stands.
type State struct {
	Name     string
	URL      string
	Absent   time.Time // since when it does not answer; zero: it does
	Why      string
	Cosigned time.Time // when it last cosigned anything
	Refused  int       // logs that it does not cosign now
}

// Witnesses are all, in the order of the configuration.
func (c *Courier) Witnesses() (all []State) {
	for _, r := range c.road {
		r.mu.Lock()
		all = append(all, State{Name: r.verifier.Name(), URL: r.URL, Absent: r.absent, Why: r.why, Cosigned: r.cosigned, Refused: len(r.refusals)})
		r.mu.Unlock()
	}
	return all
}

// Refusals are those of one log, by the witnesses that do not cosign it now.
func (c *Courier) Refusals(origin string) (all []Refusal) {
	for _, r := range c.road {
		r.mu.Lock()
		if no := r.refusals[origin]; no != nil {
			all = append(all, *no)
		}
		r.mu.Unlock()
	}
	return all
}

// parcel is a note on its way to all witnesses.
type parcel struct {
	log    Log
	signed []byte // as it came
	back   func([]byte)

	mu    sync.Mutex
	note  []byte // with what was added
	open  int    // witnesses that have not answered
	stale bool   // a newer one took its place somewhere
}

// done is one witness's end of it; the last calls back.
func (p *parcel) done(lines []byte, v note.Verifier) error {
	p.mu.Lock()
	var err error
	if lines != nil {
		var more []byte
		if more, err = chain.AddCosignature(p.note, lines, v); err == nil {
			p.note = more
		}
	}
	p.open--
	last := p.open == 0 && !p.stale
	p.mu.Unlock()
	if last {
		p.back(p.note)
	}
	return err
}

// passed over for a newer one.
func (p *parcel) passed() {
	p.mu.Lock()
	p.open--
	p.stale = true
	p.mu.Unlock()
}

// road is the way to one witness.
type road struct {
	Witness
	verifier note.Verifier
	client   *http.Client
	now      func() time.Time
	log      *slog.Logger
	ready    chan string // logs with a parcel waiting, each once

	mu       sync.Mutex
	waiting  map[string]*parcel // by origin
	sizes    map[string]uint64  // that it last cosigned
	refusals map[string]*Refusal
	absent   time.Time
	why      string
	pause    time.Duration
	again    time.Time // when it is tried again; while absent
	trying   string    // the log that tries it
	cosigned time.Time
}

// take puts a parcel in line, in place of an older one of its log.
func (r *road) take(p *parcel) {
	origin := p.log.Origin
	r.mu.Lock()
	older := r.waiting[origin]
	full := older == nil && len(r.waiting) >= mostWaiting
	away := !r.absent.IsZero() && r.now().Before(r.again)
	if !full && !away {
		if !r.absent.IsZero() { // this one tries it; the others come back meanwhile
			r.again, r.trying = r.now().Add(Patience), origin
		}
		r.waiting[origin] = p
	}
	r.mu.Unlock()
	switch {
	case full || away:
		go p.done(nil, nil) // whoever called may hold a lock that the callback takes
	case older != nil:
		older.passed()
	default:
		r.ready <- origin // has room for all that wait
	}
}

func (r *road) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case origin := <-r.ready:
			r.mu.Lock()
			p := r.waiting[origin]
			delete(r.waiting, origin)
			away := !r.absent.IsZero() && r.trying != origin // it went away while this waited
			r.mu.Unlock()
			if away {
				p.done(nil, nil)
			} else {
				r.deliver(ctx, p)
			}
		}
	}
}

// deliver has one checkpoint cosigned, or finds out why not.
func (r *road) deliver(ctx context.Context, p *parcel) {
	lines, err := r.ask(ctx, p)
	if err == nil {
		err = p.done(lines, r.verifier)
	} else {
		p.done(nil, nil)
	}
	var no *Refusal
	var later *laterError
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.cosigned = r.now()
		delete(r.refusals, p.log.Origin)
	case errors.As(err, &no):
		if r.refusals[p.log.Origin] == nil || *r.refusals[p.log.Origin] != *no {
			r.log.Error("an outside witness does not cosign a log", "witness", no.Witness, "log", p.log.Origin, "why", no.Why)
		}
		r.refusals[p.log.Origin] = no
	case errors.As(err, &later), errors.Is(err, errPassed), ctx.Err() != nil:
	default:
		r.pause = min(max(2*r.pause, firstPause), lastPause)
		r.again = r.now().Add(r.pause/2 + rand.N(r.pause))
		r.why, r.trying = err.Error(), ""
		if r.absent.IsZero() {
			r.absent = r.now()
			r.log.Error("an outside witness does not answer; what needs its cosignature waits, all else goes on", "witness", r.verifier.Name(), "error", err)
		}
	}
}

// laterError: it has more to do than it may.
type laterError struct{ error }

// errPassed: it has cosigned a newer checkpoint than this one.
var errPassed = errors.New("a newer checkpoint was cosigned")

// ask hands a checkpoint in, and once more where the witness says that it stands elsewhere than we thought.
func (r *road) ask(ctx context.Context, p *parcel) (lines []byte, err error) {
	c, err := chain.UnverifiedCheckpoint(p.signed)
	if err != nil {
		return nil, err
	}
	origin := c.Origin
	r.mu.Lock()
	old, known := r.sizes[origin]
	r.mu.Unlock()
	if !known {
		old = 0 // it says where it stands
	}
	refuse := func(fork bool, format string, args ...any) (lines []byte, err error) {
		return nil, &Refusal{Witness: r.verifier.Name(), Fork: fork, Why: fmt.Sprintf(format, args...)}
	}
	for range 3 {
		if old > c.Size {
			// It stands beyond this checkpoint. A newer one of ours overtook this; or the log here is older than the one it knows.
			if _, err := p.log.Proof(old, old); err != nil {
				return refuse(true, "it has cosigned %d entries of this log, and here are fewer: was an older copy put back?", old)
			}
			return nil, errPassed
		}
		proof, err := p.log.Proof(old, c.Size)
		if err != nil {
			return nil, laterError{err} // our own store
		}
		body := chain.MarshalSubmission(chain.Submission{Old: old, Proof: proof, Note: p.signed})
		status, kind, answer, err := r.post(ctx, body)
		if err != nil {
			return nil, err
		}
		if status < http.StatusInternalServerError {
			r.answered()
		}
		said := strings.TrimSpace(string(answer[:min(len(answer), 200)]))
		switch {
		case status == http.StatusOK:
			r.stands(origin, c.Size)
			return answer, nil
		case status == http.StatusConflict && kind == "text/x.tlog.size":
			at, err := strconv.ParseUint(strings.TrimSuffix(string(answer), "\n"), 10, 64)
			if err != nil || at == old || at > chain.MaxInteger {
				return nil, fmt.Errorf("it answers 409 with %.40q to old %d", answer, old)
			}
			old = at
			r.stands(origin, at)
		case status == http.StatusConflict, status == http.StatusUnprocessableEntity:
			return refuse(true, "it has cosigned another log under this name, which this one does not extend, and keeps the evidence: %s", said)
		case status == http.StatusNotFound:
			return refuse(false, "it does not know this log. Give whoever runs it the log's name and public key (for witness.yaml)")
		case status == http.StatusForbidden:
			return refuse(false, "it knows this log by another key")
		case status == http.StatusTooManyRequests:
			return nil, laterError{errors.New("too much at once")}
		default:
			return nil, fmt.Errorf("it answers %d: %s", status, said)
		}
	}
	return nil, laterError{errors.New("somebody else hands this log in as well")}
}

// answered: it is there, whatever it said.
func (r *road) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.absent.IsZero() {
		r.log.Info("an outside witness answers again", "witness", r.verifier.Name(), "absent since", r.absent)
	}
	r.absent, r.why, r.pause = time.Time{}, "", 0
}

func (r *road) stands(origin string, size uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sizes[origin] = size
}

func (r *road) post(ctx context.Context, body []byte) (status int, kind string, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	address, err := url.JoinPath(r.URL, "add-checkpoint")
	if err != nil {
		return 0, "", nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return 0, "", nil, err
	}
	answer, err = io.ReadAll(io.LimitReader(response.Body, chain.MaxCheckpoint))
	return response.StatusCode, response.Header.Get("Content-Type"), answer, cmp.Or(err, response.Body.Close())
}
