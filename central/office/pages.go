package office

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/api"
	"github.com/beeldwacht/beeldwacht/central/desk"
	"github.com/beeldwacht/beeldwacht/central/mail"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/public"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// silence is how long a recorder may say nothing: it speaks once a minute when all is well.
const silence = 3 * time.Minute

// pages puts the public site, the desk and the API side by side.
func (o *Office) pages(mailer *mail.Mailer) (http.Handler, error) {
	c := o.Config
	site := page.Site{
		Name: c.Name, Log: o.Log,
		Officer:       page.Contact{Name: c.Contact.Officer, Email: c.Contact.Email, Telephone: c.Contact.Phone, Post: c.Contact.Address},
		SelfWitnessed: o.selfWitnessed,
	}
	if c.Demonstration {
		site.Notice = page.Both("Dit is een demonstratie: de camera's spelen filmpjes af en beelden blijven maar minuten.", "This is a demonstration: the cameras play clips, and footage stays for minutes only.")
	}
	if c.Pages.Tiles != "" {
		site.Map = &page.MapBackground{Tiles: c.Pages.Tiles}
	}
	citizens, err := public.New(public.Config{Register: register{o}, Site: site, URL: c.Pages.URL, Security: c.Contact.Email, Now: o.Now})
	if err != nil {
		return nil, err
	}
	var post func() mail.Status
	if mailer != nil {
		post = mailer.Status
	}
	staff, err := desk.New(desk.Config{Mail: post, Book: o.book, Identity: o.identity, Recorders: recorders{o}, Witnesses: o.outsideWitnesses, Cosign: o.cosignNow, Vault: o.vault, Bags: c.Data, Site: site, URL: c.Pages.URL,
		Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, err
	}
	secret, err := tokenSecret(o.keys.vault)
	if err != nil {
		return nil, err
	}
	systems, err := api.New(api.Config{Book: o.book, Vault: o.vault, Accesses: recorders{o}.accesses, Bags: c.Data, Secret: secret, URL: c.Pages.URL, Name: c.Name, Contact: site.Officer, Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/assets/", page.Assets())
	mux.Handle("/bureau", staff)
	mux.Handle("/bureau/", staff)
	mux.Handle("/", citizens)
	people := page.Languages(mux)
	served := page.Log(slog.New(o.Log.Handler()), page.Secure(site.Map, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if api.Is(r.URL.Path) { // before a mux cleans the path and redirects
			systems.ServeHTTP(w, r)
			return
		}
		people.ServeHTTP(w, r)
	})))
	if strings.HasPrefix(c.Pages.URL, "https://") && !c.Pages.TLS {
		return behindProxy(served), nil
	}
	return served, nil
}

// tokenSecret signs the access tokens of the API. It comes from the vault's key, which all centres with this keys folder have, and which opens more than any token does.
func tokenSecret(key *age.X25519Identity) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(key.String()), nil, "beeldwacht/v1 access tokens of the API", 32)
}

// behindProxy is for pages whose TLS a proxy in front does: cookies are still for TLS only, and who tries passwords is told apart by the address
// that the proxy saw. Only a proxy on this machine or a private network is believed; it says the address last.
func behindProxy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.TLS = &tls.ConnectionState{}
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && (peer.Addr().Unmap().IsLoopback() || peer.Addr().Unmap().IsPrivate()) {
			hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
			if from, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
				r.RemoteAddr = netip.AddrPortFrom(from, 0).String()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// selfWitnessed says whether for any recorder the municipality's own witnesses are enough: nobody outside then has to agree before something is released or shown.
func (o *Office) selfWitnessed() (alone bool) {
	o.book.View(func(s *central.State) {
		alone = s.SelfWitnessed()
	})
	return alone
}

// outsideWitnesses is what the desk shows of them.
func (o *Office) outsideWitnesses() (list []desk.OutsideWitness) {
	for _, w := range o.courier.Witnesses() {
		list = append(list, desk.OutsideWitness{Name: w.Name, Absent: protocol.T(w.Absent), Why: w.Why, Cosigned: protocol.T(w.Cosigned), Refused: w.Refused})
	}
	return list
}

// register is all that the public pages can reach.
type register struct{ o *Office }

func (r register) FindPublic(text string, after, most int, now time.Time) (list []central.PublicPlacement, more bool) {
	r.o.book.View(func(s *central.State) { list, more = s.FindPublic(text, after, most, now) })
	return list, more
}

func (r register) PublicUnder(ref central.ProtocolRef, most int, now time.Time) (list []central.PublicPlacement, more bool) {
	r.o.book.View(func(s *central.State) { list, more = s.PublicUnder(ref, most, now) })
	return list, more
}

func (r register) PublicCamera(id protocol.CameraID, now time.Time) (p central.PublicPlacement, ok bool) {
	r.o.book.View(func(s *central.State) { p, ok = s.PublicCamera(id, now) })
	return p, ok
}

func (r register) Documents() (list []central.PublicDocument) {
	r.o.book.View(func(s *central.State) { list = s.PublicDocuments() })
	return list
}

func (r register) Tell(ctx context.Context, c central.Tell) (string, error) {
	events, err := r.o.book.Do(ctx, c)
	if err != nil {
		return "", err
	}
	for _, e := range events {
		if m, ok := e.Fact.(*central.MatterOpened); ok {
			return m.Reference, nil
		}
	}
	return "", errors.New("what was told made no matter")
}

func (r register) Facts(id protocol.CameraID) public.Facts {
	var recorder protocol.RecorderID
	r.o.book.View(func(s *central.State) {
		if p := s.Placement(id); p != nil {
			recorder = p.Recorder
		}
	})
	var f public.Facts
	if status, ok := r.o.StatusOf(recorder); ok && status.State == "online" && r.o.Now().Sub(status.Received) < silence {
		for _, c := range status.Cameras {
			if c.Camera == id {
				f.Heard, f.Recording, f.Since, f.Cause = status.Received, c.State == "recording", c.Since.Time, c.Cause
			}
		}
	}
	if oldest, ok := r.o.witness.OldestFootage(recorder, id); ok {
		f.CosignedAt = oldest.CosignedAt.Time
		if oldest.Oldest != nil {
			f.Oldest = oldest.Oldest.Time
		}
	}
	return f
}

// recorders is what the desk reads of recorders: their own word, and the witness's.
type recorders struct{ o *Office }

func (r recorders) Status(id protocol.RecorderID) (protocol.Status, time.Time, bool) {
	s, ok := r.o.StatusOf(id)
	return s.Status, s.Received, ok
}

func (r recorders) Chain(id protocol.RecorderID) desk.Chain {
	w, ok := r.o.witness.Recorder(id)
	if !ok {
		return desk.Chain{Silent: true}
	}
	c := desk.Chain{Log: w.Log, Former: w.Former, Entries: w.Size, LastEntry: w.Last.Time, Checkpoint: w.Heard.Time, Cosigned: w.CosignedSize, CosignedAt: w.CosignedAt.Time,
		Silent: r.o.Now().Sub(w.Heard.Time) > silence}
	if cosigned, err := chain.UnverifiedCheckpoint(w.Cosigned); err == nil { // our own store
		c.Witnessed = protocol.LedgerHead{Size: cosigned.Size, Root: cosigned.Root}
	}
	said := map[string]bool{}
	for _, f := range slices.Backward(w.Findings) { // of each kind and camera the newest; silence shows by itself
		if f.Breaks() && max(f.Log, 1) < w.Log {
			continue // the privacy officer had the log resumed after it, and it stands with the incident
		}
		if what := f.Kind + " " + string(f.Camera); f.Kind != witness.Silent && !said[what] {
			said[what] = true
			c.Findings = append(c.Findings, f.Words())
		}
	}
	slices.Reverse(c.Findings)
	for _, no := range r.o.courier.Refusals(w.Origin) {
		c.Findings = append(c.Findings, central.Words{NL: "Een onafhankelijke getuige tekent dit logboek niet mee: " + no.Error(), EN: "An outside witness does not cosign this log: " + no.Error()})
	}
	return c
}

func (r recorders) Accesses() ([]central.Access, error) {
	var all []central.Access
	for _, w := range r.o.witness.Recorders() {
		list, err := r.accesses(w.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// accesses are the newest of one recorder; its log itself has them all.
func (r recorders) accesses(id protocol.RecorderID) ([]central.Access, error) {
	return r.o.witness.Accesses(id, 500)
}

func (r recorders) Export(ctx context.Context, id protocol.RecorderID, log uint64, w io.Writer) error {
	now, _ := r.o.witness.Recorder(id)
	if log > 0 && log != now.Log { // it has ended
		return r.o.witness.FormerFile(id, log, 0, w)
	}
	return r.o.witness.FormerFile(id, now.Log, r.o.cosignedOutside(ctx, id), w)
}
