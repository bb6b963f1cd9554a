package office

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const auditor protocol.PersonID = "p-auditor"

// reader is somebody who oversees, at the centre's own pages.
type reader struct {
	w      *world
	pages  http.Handler
	cookie *http.Cookie
}

func (w *world) reader() *reader {
	w.t.Helper()
	w.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: auditor, Posts: []central.Post{{Role: central.Auditor}}, Until: day(30), Secrecy: day(-10)}})
	w.check(w.office.identity.Add(identity.Account{Person: auditor, Login: "auditor", Name: "A. Uditor"}, "een lang wachtwoord"))
	pages, err := w.office.pages(nil)
	w.check(err)
	return &reader{w: w, pages: pages}
}

// logIn anew: the clock of these tests runs hours ahead.
func (v *reader) logIn() {
	v.w.t.Helper()
	v.cookie = nil
	in := v.send("POST", "/bureau/inloggen", url.Values{"login": {"auditor"}, "wachtwoord": {"een lang wachtwoord"}})
	for _, c := range in.Result().Cookies() {
		if c.Name == identity.SessionCookie {
			v.cookie = c
		}
	}
	if v.cookie == nil {
		v.w.t.Fatalf("log-in: %d %.300s", in.Code, in.Body)
	}
}

func (v *reader) send(method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if v.cookie != nil {
		r.AddCookie(v.cookie)
	}
	answer := httptest.NewRecorder()
	v.pages.ServeHTTP(answer, r)
	return answer
}

// opened is the number of the only incident of a kind, once it is there.
func (w *world) opened(kind string) (number int) {
	w.t.Helper()
	w.until("an incident "+kind, func() bool { return slices.Contains(w.incidents(), kind) })
	w.office.View(func(s *central.State) {
		for _, i := range s.Incidents(w.now()) {
			if i.Kind == kind {
				if number != 0 {
					w.t.Errorf("%s: two incidents", kind)
				}
				number = i.Number
			}
		}
	})
	return number
}

// files reads the page, the PDF and the download of an incident, and checks what was downloaded with the script in it.
func (v *reader) files(kind string) {
	v.w.t.Helper()
	v.logIn()
	path := fmt.Sprintf("/bureau/incidenten/%d", v.w.opened(kind))
	var words central.Words
	v.w.office.View(func(s *central.State) {
		for _, i := range s.Incidents(v.w.now()) {
			if i.Kind == kind {
				words = i.Words()
			}
		}
	})
	for _, lang := range []string{"", "/en"} {
		if p := v.send("GET", lang+path, nil); p.Code != 200 || !strings.Contains(p.Body.String(), path+"/bewijs") {
			v.w.t.Errorf("%s: %s%s: %d", kind, lang, path, p.Code)
		}
		p := v.send("GET", lang+path+"/bewijs", nil)
		questions := []string{"Wat was beloofd?", "Wat is er gezien?", "Wat is dit waard?", "Wie tekende?"}
		if lang == "/en" {
			questions = []string{"What was promised?", "What was seen?", "What is this worth?", "Who signed?"}
		}
		for _, want := range append(questions, words.NL, words.EN, "python3 controle.py", "pak het uit", "unpack it", "rec-1.stad/beeldwacht") { // the answers are in both
			if p.Code != 200 || !strings.Contains(strings.ReplaceAll(p.Body.String(), "&#39;", "'"), want) {
				v.w.t.Errorf("%s: %s%s/bewijs: %d, without %q", kind, lang, path, p.Code, want)
			}
		}
	}
	if p := v.send("GET", path+"/bewijs.pdf", nil); p.Code != 200 || !bytes.HasPrefix(p.Body.Bytes(), []byte("%PDF")) {
		v.w.t.Errorf("%s: PDF: %d", kind, p.Code)
	}
	download := v.send("GET", path+"/bewijs.zip", nil).Body.Bytes()
	z, err := zip.NewReader(bytes.NewReader(download), int64(len(download)))
	if err != nil {
		v.w.t.Fatalf("%s: %v", kind, err)
	}
	dir := v.w.t.TempDir()
	for _, f := range z.File {
		r, err := f.Open()
		v.w.check(err)
		data, err := io.ReadAll(r)
		v.w.check(err)
		v.w.check(os.WriteFile(filepath.Join(dir, f.Name), data, 0o600))
	}
	out, err := exec.Command("python3", filepath.Join(dir, "controle.py")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "goed / good:   handtekening / signature") {
		v.w.t.Errorf("%s: %v\n%s", kind, err, out)
	}
}

// An adversary with the recorder's key does all that a recorder should not; each opens one incident by itself, with a page to file and evidence that others can check.
func TestI11_MisbehaviourBecomesAnIncident(t *testing.T) {
	t.Parallel()
	w := running(t)
	r, v := w.rec, w.reader()
	log := func() { r.deliver() }

	// An access that nothing allowed, and one hour of footage of which the deletion is never reported.
	r.write(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "stad"})
	begin := w.now()
	mandate := w.town.Mandate("hal", 1)
	mandate.Window, mandate.NotBefore = protocol.Window(time.Hour), protocol.T(begin.Add(-5*time.Hour))
	r.write(protocol.KindOrder, protocol.Order{Number: 1, Kind: "mandate", ID: mandate.ID, Level: protocol.LevelOrder, Document: string(w.town.Compose(mandate))})
	film := func(from time.Time, oldest time.Time) uint64 {
		return r.write(protocol.KindSealed, protocol.Sealed{Count: 1, Cameras: []protocol.SealedCamera{{Camera: "hal", Count: 1, First: protocol.T(from), Last: protocol.T(from.Add(time.Minute)), Oldest: protocol.T(oldest)}}})
	}
	gone, kept := begin.Add(-4*time.Hour), begin.Add(-2*time.Hour)
	first := film(gone, gone)
	film(kept, kept)
	r.write(protocol.KindExpired, protocol.Expired{Reason: "window", At: protocol.T(w.now()), Segments: []protocol.ExpiredSegment{{Camera: "hal", Run: "r-1", Minute: first, Start: protocol.T(gone), Due: protocol.T(gone.Add(time.Hour))}}})
	r.write(protocol.KindView, protocol.Access{How: "playback", Grant: "g-none", Request: "z-9", Camera: "hal", Interval: protocol.Span(kept, kept.Add(time.Minute)), Person: "p-1", Recipient: "p256:x"})
	log()
	v.files("access-orphan")
	w.check(w.office.witness.Sweep())
	w.later(20 * time.Minute)
	r.write(protocol.KindStopped, protocol.Stopped{Reason: "test"})
	log()
	w.check(w.office.witness.Sweep())
	v.files("footage-overdue")

	// What was reported as deleted is still called the oldest there is.
	film(w.now().Add(-time.Minute), gone)
	film(w.now(), gone)
	log()
	v.files("footage-listed")

	// A clock that is ahead, and one that is behind what the entry itself holds.
	behind := w.now()
	w.later(3 * time.Hour)
	w.do(central.ReportIncident{By: approver, Drill: true, IncidentFacts: central.IncidentFacts{Nature: "oefening"}})
	checkpoint, err := w.office.book.Checkpoint()
	w.check(err)
	e, err := chain.Seal(&r.head, protocol.KindLedger, protocol.LedgerSeen{Checkpoint: string(checkpoint)}, behind)
	w.check(err)
	w.check(r.hashes.Add(r.head.Size, e.Header))
	w.check(r.head.Add(e))
	r.entries = append(r.entries, e)
	log()
	v.files("log-clock")

	// A header without its body.
	back := recorder{w: w, head: r.head, entries: slices.Clone(r.entries), hashes: slices.Clone(r.hashes)} // a copy of its disk
	r.write(protocol.KindStopped, protocol.Stopped{Reason: "what happened"})
	bare := slices.Clone(r.entries)
	bare[len(bare)-1].Body = nil
	full := r.entries
	r.entries = bare
	r.publish(protocol.UpJournal, r.batch(len(bare)-1))
	v.files("log-body")
	r.entries = full
	log()

	// A disk put back: the status says so; then it writes on, and that is a fork.
	w.later(time.Minute)
	r.publish(protocol.UpStatus, r.status(0, func(s *protocol.Status) { s.Entries = 3 }))
	v.files("log-rollback")
	for range 3 {
		back.write(protocol.KindStopped, protocol.Stopped{Reason: "another story"})
		r.publish(protocol.UpJournal, back.batch(0))
	}
	v.files("log-fork")

	// It counted more than it now has.
	w.later(time.Minute)
	r.publish(protocol.UpStatus, r.status(0, func(s *protocol.Status) { s.Entries += 5 }))
	w.later(time.Minute)
	r.publish(protocol.UpStatus, r.status(0))
	v.files("log-truncated")

	// And then nothing for an hour.
	w.until("it is silent", func() bool {
		w.later(witness.SilentAfter)
		w.check(w.office.witness.Sweep())
		return slices.Contains(w.incidents(), "log-silent")
	})
	v.files("log-silent")

	// All of it again opens nothing more; nor does a restart.
	before := fmt.Sprint(w.incidents())
	w.restart()
	r.connect()
	r.publish(protocol.UpJournal, back.batch(0))
	w.check(w.office.tellFindings(t.Context()))
	if after := fmt.Sprint(w.incidents()); after != before {
		t.Errorf("%s\nbefore: %s", after, before)
	}
}
