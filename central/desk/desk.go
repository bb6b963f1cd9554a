// Package desk is the pages for people who log in, under /bureau.
//
// # Who sees what
//
// The desk decides nothing: each button gives a command to the ledger, and central says yes or says why not. What it adds is what may be read. A request
// is shown to those whom central.State.MayRead names and is "not there" for everyone else, so that nobody learns that a demand exists. An
// administrator sees people, roles and recorders, nothing else. Whether a button would work is asked of central.Decide itself, before it is pressed, so
// that a page and a refusal never disagree; the reason stands beside the button.
//
// # Footage
//
// Only the receiving unit's requesters get a bag, and its bytes are read only after the ledger holds who fetches it ([central.RecordDownload]). The
// bag is then checked whole, from the roots alone, before its first byte leaves: the reader sees three verdicts in words beside the file.
//
// # Forms
//
// Every POST carries the session's CSRF token and comes from this site by the browser's own word (Sec-Fetch-Site, Origin). A refusal is shown above the
// form with everything typed still in it. Times are asked and shown in local time (Europe/Amsterdam) and are UTC inside; in the hour that autumn
// repeats, "from" is the first and "to" the second, so that nothing asked is missed.
package desk

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/mail"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/destruction"
)

// Book is the ledger, as far as the desk needs it.
type Book interface {
	Do(context.Context, central.Command) ([]central.Event, error)
	View(func(*central.State))
	At(context.Context, time.Time) (*central.State, error)
	Size() uint64
	Checkpoint() ([]byte, error)
	Export(w io.Writer, enough uint64) error
	Origin() string
	HeadAt(ctx context.Context, size uint64) (root protocol.Hash, last protocol.Time, err error)
}

// Recorders is what recorders say of themselves and what the witness knows of their logs. It is asked while the ledger's state is locked for reading, and must
// not ask the ledger itself.
type Recorders interface {
	// Status is the last one received, and when.
	Status(protocol.RecorderID) (status protocol.Status, received time.Time, ok bool)
	// Chain is the health of a recorder's log.
	Chain(protocol.RecorderID) Chain
	// Accesses are the entries by which somebody got to footage, of all recorders.
	Accesses() ([]central.Access, error)
	// Export writes a recorder's log of a number, to verify elsewhere; 0: the one that goes on. It ends with a checkpoint that covers what is there now, and waits a moment for the witnesses outside to
	// cosign one.
	Export(ctx context.Context, r protocol.RecorderID, log uint64, w io.Writer) error
	// Evidence is what the witness has of a finding, by its name; false if there is none.
	Evidence(r protocol.RecorderID, finding string) (witness.Evidence, bool, error)
	// EvidenceOf is an entry of a recorder's log of a number (0: the first) as evidence.
	EvidenceOf(r protocol.RecorderID, log, seq uint64) (witness.Evidence, bool, error)
	// Counts is what the recorders' logs say up to a moment, and since another.
	Counts(ctx context.Context, from, to time.Time) (central.LogCounts, error)
	// Destruction is what a recorder's cosigned log proves of a camera's days, newest first.
	Destruction(context.Context, protocol.RecorderID, protocol.CameraID) ([]destruction.Day, error)
	// Certificate is a day's certificate of destruction; one of a day of which the log knows nothing says so.
	Certificate(ctx context.Context, r protocol.RecorderID, camera protocol.CameraID, date string) (destruction.Certificate, error)
}

// Chain is the health of one recorder's log, as the witness sees it.
type Chain struct {
	Entries    uint64
	LastEntry  time.Time
	Checkpoint time.Time // when the last one came in
	Cosigned   uint64    // entries covered by a cosigned checkpoint
	CosignedAt time.Time
	Silent     bool            // nothing heard for too long
	Findings   []central.Words // forks, rollbacks, overdue deletion

	Log       uint64              // number of the log that goes on
	Former    []witness.Former    // the logs before it
	Witnessed protocol.LedgerHead // what the witness cosigned last of it
}

// OutsideWitness is how a witness outside this centre stands.
type OutsideWitness struct {
	Name     string
	Absent   protocol.Time // since when it does not answer; zero: it does
	Why      string
	Cosigned protocol.Time // when it last cosigned anything since this centre started
	Refused  int           // logs that it does not cosign now
}

// Vault keeps released bags.
type Vault = vault.Source

// Config makes the desk.
type Config struct {
	Book      Book
	Identity  *identity.Store
	Recorders Recorders
	Vault     Vault
	Witnesses func() []OutsideWitness      // nil: there are none
	Cosign    func(context.Context) uint64 // has the ledger cosigned as it is now, by the witnesses that answer, and says how many entries that is; nil: nobody does
	Mail      func() mail.Status           // how the mail stands; nil: nobody is mailed
	Bags      string                       // folder for opened bags while they are read; they are unlinked at once. Best on tmpfs
	Site      page.Site
	URL       string // base address of this centre, for invitations
	Now       func() time.Time
	Log       *slog.Logger
}

//go:embed pages/*.html
var templates embed.FS

type desk struct {
	Config
	pages *page.Set
	bags  *bags
	waits waits
}

// New makes the handler for /bureau and everything below. It expects page.Languages and page.Secure around it.
func New(c Config) (http.Handler, error) {
	d := &desk{Config: c, bags: newBags(c)}
	var err error
	if d.pages, err = page.Parse(c.Site, templates, d.functions, "pages/*.html"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	open := func(pattern string, h func(*visit)) { mux.HandleFunc(pattern, d.visit(h, false)) }
	in := func(pattern string, h func(*visit), roles ...central.Role) {
		mux.HandleFunc(pattern, d.visit(h, true, roles...))
	}

	open("GET /bureau/inloggen", d.logInForm)
	open("POST /bureau/inloggen", d.logIn)
	open("GET /bureau/inloggen/passkey", d.passkeyForm)
	open("POST /bureau/inloggen/passkey", d.showPasskey)
	open("GET /bureau/inloggen/aanbieder", d.away)
	open("GET "+identity.CallbackPath, d.back)
	open("GET /bureau/inloggen/sleutels.json", d.keys)
	open("GET /bureau/uitnodiging", d.invitationForm)
	open("POST /bureau/uitnodiging", d.redeem)
	in("POST /bureau/uitloggen", d.logOut)
	in("GET /bureau/wachtwoord", d.passwordForm)
	in("POST /bureau/wachtwoord", d.setPassword)
	in("GET "+accountPath, d.account)
	in("POST "+accountPath+"/passkeys", d.addPasskey)
	in("GET "+accountPath+"/passkeys/{key}", d.removalForm)
	in("POST "+accountPath+"/passkeys/{key}", d.removePasskey)
	in("POST "+accountPath+"/sessies", d.endSessions)
	in("POST "+accountPath+"/koppelen", d.linkProvider)
	in("GET /bureau", d.start)
	in("GET /bureau/berichten", d.mailPage)
	in("POST /bureau/berichten", d.chooseMail)
	in("POST /bureau/berichten/adres", d.setAddress)

	handling := []central.Role{central.Requester, central.Handler, central.Approver, central.Staff, central.Officer}
	in("GET /bureau/aanvragen", d.requests, handling...)
	in("GET /bureau/aanvragen/nieuw", d.newRequest, central.Requester, central.Staff)
	in("POST /bureau/aanvragen/nieuw", d.fileRequest, central.Requester, central.Staff)
	in("GET /bureau/aanvragen/{id}", d.request, handling...)
	in("GET /bureau/aanvragen/{id}/wijzigen", d.amendRequest, central.Requester, central.Staff)
	in("POST /bureau/aanvragen/{id}/wijzigen", d.fileRequest, central.Requester, central.Staff)
	in("POST /bureau/aanvragen/{id}/toetsen", d.check, central.Handler)
	in("POST /bureau/aanvragen/{id}/intrekken", d.withdrawConsent, central.Requester, central.Handler)
	in("POST /bureau/aanvragen/{id}/overnemen", d.takeOver, central.Requester)
	in("POST /bureau/aanvragen/{id}/schriftelijk", d.confirmOral, central.Requester, central.Handler)
	in("POST /bureau/aanvragen/{id}/beslissen", d.decide, central.Approver)
	in("POST /bureau/aanvragen/{id}/ophalen", d.fetch, central.Requester)
	in("GET /bureau/aanvragen/{id}/beelden/{grant}", d.fetched, central.Requester)
	in("GET /bureau/aanvragen/{id}/beelden/{grant}/bestand", d.saveBag, central.Requester)
	in("POST /bureau/aanvragen/{id}/ontvangst", d.confirm, central.Requester)

	in("GET /bureau/meekijken", d.viewing, central.Staff)
	in("POST /bureau/meekijken", d.askViewing, central.Staff)

	seeing := []central.Role{central.Staff, central.Registrar, central.Approver, central.Officer, central.Auditor}
	in("GET /bureau/cameras", d.cameras, seeing...)
	in("GET /bureau/cameras/nieuw", d.newCamera, central.Registrar)
	in("POST /bureau/cameras/nieuw", d.register, central.Registrar)
	in("GET /bureau/cameras/{id}", d.camera, seeing...)
	in("GET /bureau/cameras/{id}/aanpassen", d.amendForm, central.Registrar)
	in("POST /bureau/cameras/{id}/aanpassen", d.amend, central.Registrar)
	in("POST /bureau/cameras/{id}/bord", d.sign, central.Registrar)
	in("POST /bureau/cameras/{id}/activeren", d.activate, central.Registrar)
	in("POST /bureau/cameras/{id}/verlengen", d.renew, central.Registrar)
	in("POST /bureau/cameras/{id}/beeindigen", d.end, central.Approver)
	in("POST /bureau/cameras/{id}/bewaartermijn", d.changeRules, central.Registrar, central.Approver)
	in("POST /bureau/cameras/{id}/live", d.fixLivePeriod, central.Registrar)
	in("POST /bureau/cameras/{id}/toets", d.testControl, central.Registrar, central.Officer)
	in("GET /bureau/cameras/{id}/wissen", d.erasing, central.Approver, central.Officer)
	in("POST /bureau/cameras/{id}/wissen", d.proposeErase, central.Approver)
	in("POST /bureau/cameras/{id}/wissen/{number}/tekenen", d.signErase, central.Approver)
	in("POST /bureau/cameras/{id}/wissen/{number}/intrekken", d.dropErase, central.Approver)
	in("GET /bureau/herbevestigen", d.upkeep, central.Registrar, central.Staff, central.Officer, central.Auditor)
	in("POST /bureau/herbevestigen", d.reconfirm, central.Registrar, central.Staff)
	in("GET /bureau/dpia", d.dpias, central.Registrar, central.Officer, central.Auditor)
	in("POST /bureau/dpia", d.recordDPIA, central.Registrar)
	in("POST /bureau/dpia/maatregelen", d.adoptControls, central.Registrar)
	in("GET /bureau/dpia/{id}", d.dpia, central.Registrar, central.Officer, central.Auditor)
	in("POST /bureau/dpia/{id}", d.adviseDPIA, central.Officer)

	in("GET /bureau/toegang", d.accesses, central.Officer, central.Auditor)
	in("GET /bureau/logboeken", d.logs, central.Officer, central.Auditor)
	in("GET /bureau/logboeken/{recorder}", d.exportLog, central.Officer, central.Auditor)
	in("GET /bureau/logboeken/{recorder}/hervatten", d.resuming, central.Officer)
	in("POST /bureau/logboeken/{recorder}/hervatten", d.resume, central.Officer)
	in("POST /bureau/logboeken/{recorder}/hervatten/ondertekenen", d.signResume, central.Officer)
	in("GET /bureau/logboeken/{recorder}/hervatten/ondertekenen", func(v *visit) { v.onward(resumePath(protocol.RecorderID(v.r.PathValue("recorder")))) }, central.Officer) // whoever reloads it, or changes the language
	in("GET /bureau/bewaring", d.holds, central.Officer)
	in("GET /bureau/vernietiging", d.destruction, central.Officer, central.Auditor)
	in("GET /bureau/vernietiging/{camera}", d.destroyedDays, central.Officer, central.Auditor)
	in("GET /bureau/vernietiging/{camera}/{day}", d.certificate, central.Officer, central.Auditor)

	in("GET /bureau/mensen", d.people, central.Administrator)
	in("POST /bureau/mensen", d.invite, central.Administrator)
	in("GET /bureau/mensen/{person}", d.person, central.Administrator)
	in("POST /bureau/mensen/{person}", d.appoint, central.Administrator)
	in("POST /bureau/mensen/{person}/uitnodigen", d.inviteAgain, central.Administrator)
	in("POST /bureau/mensen/{person}/passkeys", d.takePasskeys, central.Administrator)
	in("GET /bureau/inlogcijfers", d.logIns, central.Officer, central.Auditor)

	d.organisationRoutes(in)
	d.protocolRoutes(in)
	d.adviceRoutes(in)
	d.statementRoutes(in)
	d.oversightRoutes(in)
	d.keepingRoutes(in)

	in("GET /bureau/koppelingen", d.systems, central.Administrator, central.Officer, central.Auditor)
	in("POST /bureau/koppelingen", d.registerSystem, central.Administrator)
	in("POST /bureau/koppelingen/{client}/intrekken", d.withdrawSystem, central.Administrator)
	in("GET /bureau/koppelen", d.connecting, central.Requester)

	in("GET /bureau/recorders", d.recorders, central.Administrator, central.Officer)
	in("POST /bureau/recorders/{recorder}", d.markRecorder, central.Administrator)
	in("POST /bureau/recorders/{recorder}/rooster", d.publishRoster, central.Administrator)

	mux.HandleFunc("/bureau/", d.visit(d.nothing, true))

	protect := http.NewCrossOriginProtection()
	return protect.Handler(c.Identity.Recognise(mux)), nil
}

// visit is one request by one person.
type visit struct {
	w    http.ResponseWriter
	r    *http.Request
	in   identity.Session // zero where nobody needs to have logged in
	now  time.Time
	lang page.Lang
}

func (v *visit) me() protocol.PersonID { return v.in.Person }

// formLimit is more than any form here holds.
const formLimit = 64 << 10

// fileLimit is more than a scanned letter needs.
const fileLimit = 8 << 20

func (d *desk) visit(h func(*visit), loggedIn bool, roles ...central.Role) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r, now: d.Now(), lang: page.LangOf(r.Context())}
		in, ok := identity.Of(r.Context())
		if loggedIn && !ok {
			d.stranger(v)
			return
		}
		v.in = in
		if own := r.URL.Path == accountPath || strings.HasPrefix(r.URL.Path, accountPath+"/") || r.URL.Path == "/bureau/uitloggen" || r.URL.Path == "/bureau/wachtwoord"; loggedIn && in.Owes && !own {
			v.onward(accountPath) // a passkey first
			return
		}
		if r.Method == http.MethodPost {
			limit, parse := int64(formLimit), r.ParseForm
			if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); loggedIn && kind == "multipart/form-data" {
				limit, parse = fileLimit, func() error { return r.ParseMultipartForm(fileLimit) } // in memory: what people upload is hashed, and stays nowhere
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			err := parse()
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				d.say(v, http.StatusRequestEntityTooLarge, page.Both(fmt.Sprintf("Dit formulier is te groot: ten hoogste %d kB. Maak de teksten korter.", large.Limit>>10), fmt.Sprintf("This form is too large: at most %d kB. Make the texts shorter.", large.Limit>>10)))
				return
			}
			if err != nil {
				d.say(v, http.StatusBadRequest, page.Both("Het formulier kwam niet goed over. Probeer het opnieuw.", "The form did not arrive well. Try again."))
				return
			}
			if loggedIn && !in.CheckCSRF(r) {
				d.say(v, http.StatusForbidden, page.Both("Dit formulier hoort niet bij uw sessie. Ga terug, ververs de pagina en probeer het opnieuw.", "This form does not belong to your session. Go back, reload the page and try again."))
				return
			}
		}
		if len(roles) > 0 && !d.holdsAny(v, roles) {
			d.forbidden(v, roles)
			return
		}
		h(v)
	}
}

func (d *desk) holdsAny(v *visit, roles []central.Role) (any bool) {
	d.Book.View(func(st *central.State) {
		any = slices.ContainsFunc(roles, func(role central.Role) bool { return st.Holds(v.me(), role, "", v.now) })
	})
	return any
}

// stranger sends somebody who has not logged in to the log-in page. A link on another site, such as a recorder's viewer, arrives without the
// SameSite=Strict cookie; one reload from here brings the cookie along.
func (d *desk) stranger(v *visit) {
	if v.r.Method == http.MethodGet && v.r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		d.pages.Show(v.w, v.r, http.StatusOK, "onward.html", page.Frame{Title: page.Both("Een moment", "One moment"), Reload: true, Body: v.lang.Path(v.r.URL.RequestURI())})
		return
	}
	to := "/bureau/inloggen"
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/bureau" {
		to += "?verder=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	http.Redirect(v.w, v.r, v.lang.Path(to), http.StatusSeeOther)
}

func (d *desk) forbidden(v *visit, roles []central.Role) {
	nl, en := []string{}, []string{}
	for _, role := range roles {
		nl, en = append(nl, role.Words().NL), append(en, role.Words().EN)
	}
	d.say(v, http.StatusForbidden, page.Both("Deze pagina is voor: "+strings.Join(nl, ", ")+". Uw rol geeft hier geen toegang toe.", "This page is for: "+strings.Join(en, ", ")+". Your role does not give access to it."))
}

func (d *desk) nothing(v *visit) {
	d.say(v, http.StatusNotFound, page.Both("Deze pagina is er niet, of niet voor u.", "There is no such page, or not for you."))
}

// say shows a page with one message.
func (d *desk) say(v *visit, status int, words central.Words) {
	d.show(v, status, "message.html", page.Both("Melding", "Message"), func(*central.State) any { return words })
}

// failed says that something broke which the reader cannot mend, and logs what.
func (d *desk) failed(v *visit, what string, err error) {
	d.Log.Error("the desk could not do what was asked", "what", what, "err", err)
	d.say(v, http.StatusInternalServerError, page.Both("Dit lukte niet door een storing. Probeer het later opnieuw of bel de beheerder.", "A fault prevented this. Try again later or call the administrator."))
}

// show makes a page from the state under its lock and sends it without.
func (d *desk) show(v *visit, status int, name string, title central.Words, body func(*central.State) any, more ...func(*page.Frame)) {
	f := page.Frame{Title: title, Alone: d.pages.Alone()}
	if v.in.Person != "" {
		f.Account = &page.Account{Name: v.in.Name, CSRF: v.in.CSRF, LogOut: "/bureau/uitloggen", Own: accountPath}
	}
	for _, m := range more {
		m(&f)
	}
	var made page.Rendered
	d.Book.View(func(st *central.State) {
		if v.in.Person != "" && !v.in.Owes {
			f.Nav = d.menu(st, v)
			f.Scripts = append(f.Scripts, "menu.js")
		}
		f.Body = view{body(st), v.in.CSRF, v.now}
		made = d.pages.Render(v.r, status, name, f)
	})
	if err := made.Write(v.w); err != nil {
		d.Log.Debug("a page was not read to its end", "page", name, "err", err)
	}
}

// view is every page template's dot.
type view struct {
	It   any
	CSRF string
	Now  time.Time
}

func wide(f *page.Frame) { f.Wide = true }

// fresh pages keep their data-fresh parts up to date while somebody looks.
func fresh(f *page.Frame) { f.Scripts = append(f.Scripts, "fresh.js") }

func withMap(f *page.Frame) {
	f.Styles = append(f.Styles, "leaflet.css")
	f.Scripts = append(f.Scripts, "leaflet.js", "map.js")
}

// do gives a command. The refusal, if there is one, is for the reader; other errors have been answered and ok is false.
func (d *desk) do(v *visit, c central.Command) (refusal *central.Refusal, ok bool) {
	if why := v.value("ondanks"); why != "" {
		c = central.Despite{Command: c, Reason: why}
	}
	_, err := d.Book.Do(v.r.Context(), c)
	if err == nil {
		return nil, true
	}
	if refusal, is := central.RefusalOf(err); is {
		return refusal, true
	}
	if errors.Is(err, chain.ErrBody) {
		return &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Wat u schreef is samen te lang om vast te leggen. Maak de teksten korter.", "What you wrote is too long together to be recorded. Make the texts shorter.")}, true
	}
	d.failed(v, "command", err)
	return nil, false
}

// would says what central would answer to a command now, without giving it; where the privacy officer advises against it, to one that says why.
func would(st *central.State, c central.Command, now time.Time) *central.Refusal {
	_, err := central.Decide(st, central.Despite{Command: c, Reason: "?"}, now)
	if err == nil {
		return nil
	}
	if r, ok := central.RefusalOf(err); ok {
		return r
	}
	return &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Dit kan nu niet: "+err.Error(), "Not possible now: "+err.Error())}
}

// statusOf is the HTTP status of a refusal.
func statusOf(r *central.Refusal) int {
	switch r.Code {
	case central.CodeForbidden, central.CodeInactive, central.CodeUnread, central.CodeSamePerson, central.CodeCombination:
		return http.StatusForbidden
	case central.CodeUnknown:
		return http.StatusNotFound
	case central.CodeState, central.CodeAdvice, central.CodeExists, central.CodeNotConfirmed, central.CodeTerm, central.CodeNotReady:
		return http.StatusConflict
	}
	return http.StatusBadRequest
}

// onward sends the reader to a page after a POST, which may say what was done.
func (v *visit) onward(path string) { http.Redirect(v.w, v.r, v.lang.Path(path), http.StatusSeeOther) }

// form is what somebody typed, kept through a refusal.
type form struct {
	url.Values
	Problem *central.Refusal
}

// Ticked says whether a checkbox or radio button of this value was chosen.
func (f form) Ticked(name string, value any) bool {
	return slices.Contains(f.Values[name], text(value))
}

// Joined is all values of a field.
func (f form) Joined(name string) string { return strings.Join(f.Values[name], " ") }

// Or is what was typed, or something to begin with.
func (f form) Or(name string, begin any) string {
	if f.Has(name) {
		return f.Get(name)
	}
	return text(begin)
}

func (v *visit) form() form { return form{Values: v.r.PostForm} }

func (v *visit) value(name string) string { return strings.TrimSpace(v.r.PostForm.Get(name)) }

// functions are the desk's own, beside those of every page.
func (d *desk) functions(l page.Lang) template.FuncMap {
	who := func(p protocol.PersonID) template.HTML {
		if p == central.System {
			return template.HTML(l.Say("het systeem", "the system"))
		}
		name := d.Identity.Name(p)
		if name == string(p) {
			return template.HTML("<code>" + template.HTMLEscapeString(name) + "</code>")
		}
		return template.HTML(template.HTMLEscapeString(name) + " <code>" + template.HTMLEscapeString(string(p)) + "</code>")
	}
	return template.FuncMap{
		"who":          who,
		"cell":         d.cell(l, who),
		"task":         taskPath,
		"local":        localInput,
		"recorderSays": recorderSays,
		"ground":       func(g protocol.Ground) string { return l.In(central.GroundWords(g)) },
		// drawn is the dot of the "fill" part.
		"drawn":   func(f fill, csrf string) map[string]any { return map[string]any{"Fill": f, "CSRF": csrf} },
		"verdict": func(day destruction.Day) string { return l.In(central.Words(day.Verdict())) },
		"event":   func(name string) string { return l.In(central.EventWords(name)) },
		// mapdot is the dot of the "map" part: whose points tick the checkboxes of this name.
		"mapdot": func(choose, shown string) map[string]any {
			return map[string]any{"Base": strings.TrimSuffix(l.Path("/"), "/"), "Map": d.Site.Map, "Choose": choose, "Shown": shown}
		},
		"happening": func(w identity.What) string { return l.In(happenings[w]) },
		"unit":      func(u *central.Unit, id string) string { return unitName(u, id) },
	}
}

func unitName(u *central.Unit, id string) string {
	if u != nil {
		return u.Name
	}
	return id
}
