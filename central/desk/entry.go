package desk

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Coming in and going out.

// doors are the ways in that this centre has.
type doors struct {
	form
	Passwords, Provider bool
	Still               bool // who just logged out here may still be logged in at the provider
}

func (d *desk) logInForm(v *visit) {
	if _, ok := identity.Of(v.r.Context()); ok {
		v.onward(onlyHere(v.r.URL.Query().Get("verder")))
		return
	}
	d.doors(v, http.StatusOK, form{Values: url.Values{"verder": {v.r.URL.Query().Get("verder")}}})
}

func (d *desk) doors(v *visit, status int, f form) {
	d.entry(v, status, "login.html", doors{f, !d.Identity.NoPasswords, d.Identity.HasProvider(), v.r.URL.Query().Get("nog-ingelogd") != ""})
}

var titleEntry = page.Both("Inloggen", "Log in")

// entry shows a page of who is not in yet.
func (d *desk) entry(v *visit, status int, name string, body any, more ...func(*page.Frame)) {
	v.in = identity.Session{}
	d.show(v, status, name, titleEntry, func(*central.State) any { return body }, more...)
}

func (d *desk) logIn(v *visit) {
	entry, err := d.Identity.LogIn(v.r.Context(), v.r.PostForm.Get("login"), v.r.PostForm.Get("wachtwoord"), v.client())
	switch {
	case errors.Is(err, identity.ErrRefused):
		f := form{Values: url.Values{"login": {v.value("login")}, "verder": {v.value("verder")}}}
		f.Problem = &central.Refusal{Words: page.Both(
			"Inloggen lukte niet. De naam of het wachtwoord klopt niet, of er is te vaak geprobeerd. Wacht na vijf pogingen een kwartier.",
			"Logging in failed. The name or password is wrong, or it was tried too often. Wait a quarter of an hour after five attempts.")}
		d.doors(v, http.StatusForbidden, f)
	case err != nil:
		d.failed(v, "log-in", err)
	default:
		if d.admitted(v, entry) {
			v.onward(v.next(entry, onlyHere(v.value("verder"))))
		}
	}
}

// admitted gives the browser what it got in with. A session that this browser had ends.
func (d *desk) admitted(v *visit, e identity.Entry) bool {
	if in, ok := identity.Of(v.r.Context()); ok {
		if _, err := d.Identity.LogOut(v.r.Context(), in); err != nil {
			d.failed(v, "the session before", err)
			return false
		}
	}
	identity.SetCookie(v.w, v.r, identity.StepCookie, e.Step)
	identity.SetCookie(v.w, v.r, identity.SessionCookie, e.Session)
	return true
}

// next is where somebody goes who came in as far as this.
func (v *visit) next(e identity.Entry, onward string) string {
	if e.Step != "" {
		return "/bureau/inloggen/passkey?verder=" + url.QueryEscape(onward)
	}
	return onward
}

// away sends the person to the municipality's log-in service.
func (d *desk) away(v *visit) {
	onward := onlyHere(v.r.URL.Query().Get("verder"))
	if v.r.Header.Get("Sec-Fetch-Site") == "cross-site" { // another site does not begin a log-in here
		v.onward("/bureau/inloggen?verder=" + url.QueryEscape(onward))
		return
	}
	address, cookie, err := d.Identity.Away(v.r.Context(), nil, v.lang.Path(onward), v.client())
	if err != nil {
		d.notIn(v, onward, err)
		return
	}
	identity.SetCookie(v.w, v.r, identity.ProviderCookie, cookie)
	http.Redirect(v.w, v.r, address, http.StatusSeeOther)
}

// back is the person coming from there.
func (d *desk) back(v *visit) {
	cookie := identity.Cookie(v.r, identity.ProviderCookie)
	entry, onward, err := d.Identity.Back(v.r.Context(), v.r.URL.Query(), cookie, v.client())
	if err == nil || !errors.Is(err, identity.ErrStale) { // a stranger's link does not end what this browser has under way
		identity.SetCookie(v.w, v.r, identity.ProviderCookie, "")
	}
	if rest, english := strings.CutPrefix(onward, "/en/"); english { // the redirect URI is one, so the language came along with the way onward
		v.lang, onward = page.EN, "/"+rest
	}
	onward = onlyHere(onward)
	if err != nil {
		d.notIn(v, onward, err)
		return
	}
	if entry != (identity.Entry{}) && !d.admitted(v, entry) {
		return
	}
	// The browser came from another site, and does not send cookies with SameSite=Strict along a redirect from there; from a page of ours it does.
	d.onPage(v, v.lang.Path(v.next(entry, onward)))
}

// onPage leads on from a page of ours, where a redirect would not do.
func (d *desk) onPage(v *visit, address string) {
	v.w.Header().Set("Refresh", "0; url="+address)
	d.pages.Show(v.w, v.r, http.StatusOK, "onward.html", page.Frame{Title: page.Both("Een moment", "One moment"), Body: address})
}

// notIn says why somebody did not come in by the provider, beside the ways in that there are.
func (d *desk) notIn(v *visit, onward string, err error) {
	f := form{Values: url.Values{"verder": {onward}}}
	status := http.StatusForbidden
	switch say := func(nl, en string) { f.Problem = &central.Refusal{Words: page.Both(nl, en)} }; {
	case errors.Is(err, identity.ErrProviderDown):
		status = http.StatusServiceUnavailable
		say("De inlogdienst van de gemeente is nu niet bereikbaar. Er is niets verloren gegaan: probeer het over een paar minuten opnieuw, of bel de beheerder.",
			"The municipality's log-in service cannot be reached now. Nothing was lost: try again in a few minutes, or call the administrator.")
	case errors.Is(err, identity.ErrStale):
		say("Deze inlogpoging is al gebruikt, duurde te lang of begon in een andere browser. Begin opnieuw.", "This log-in was used already, took too long or began in another browser. Begin again.")
	case errors.Is(err, identity.ErrDeclined):
		say("De inlogdienst heeft u niet ingelogd. Probeer het opnieuw.", "The log-in service did not log you in. Try again.")
	case errors.Is(err, identity.ErrAnswer):
		say("Het antwoord van de inlogdienst klopt niet, daarom bent u niet ingelogd. Bel de beheerder; in het logboek van de centrale staat wat er mis is.",
			"The answer of the log-in service is not in order, so you were not logged in. Call the administrator; the centre's log says what is wrong.")
	case errors.Is(err, identity.ErrNoRole):
		say("U bent bekend bij de gemeente, maar niet als gebruiker van het cameratoezicht. Vraag uw leidinggevende om de rol hiervoor aan te vragen.",
			"The municipality knows you, but not as a user of camera surveillance. Ask your manager to request the role for it.")
	case errors.Is(err, identity.ErrNotHere):
		say("U hebt hier geen account. Vraag de beheerder om u uit te nodigen met uw inlognaam bij de gemeente.", "You have no account here. Ask the administrator to invite you with your login at the municipality.")
	case errors.Is(err, identity.ErrRefused):
		status = http.StatusTooManyRequests
		say("Er is te vaak geprobeerd. Wacht een kwartier.", "It was tried too often. Wait a quarter of an hour.")
	case errors.Is(err, identity.ErrNoProvider):
		d.nothing(v)
		return
	default:
		d.failed(v, "log-in by the provider", err)
		return
	}
	d.doors(v, status, f)
}

// keys are the centre's public keys for the provider.
func (d *desk) keys(v *visit) {
	set, err := d.Identity.PublicKeys()
	if err != nil {
		d.failed(v, "public keys", err)
		return
	}
	v.w.Header().Set("Content-Type", "application/jwk-set+json")
	if _, err := v.w.Write(set); err != nil {
		d.Log.Debug("the keys were not read to their end", "err", err)
	}
}

// asked is a ceremony on a page: what the browser's passkey must answer.
type asked struct {
	form
	identity.Ceremony
	Key   identity.Passkey // the one to remove
	Named int              // for how many recorders it signs
}

func withPasskeys(f *page.Frame) { f.Scripts = append(f.Scripts, "passkey.js") }

// passkeyForm asks for a passkey, after password or provider.
func (d *desk) passkeyForm(v *visit) {
	d.askPasskey(v, http.StatusOK, v.r.URL.Query().Get("verder"), nil)
}

func (d *desk) askPasskey(v *visit, status int, onward string, problem *central.Refusal) {
	options, err := d.Identity.Challenge(identity.Cookie(v.r, identity.StepCookie))
	if errors.Is(err, identity.ErrPasskey) {
		f := form{Values: url.Values{"verder": {onward}}}
		if problem == nil {
			problem = &central.Refusal{Words: page.Both("Het inloggen duurde te lang. Begin opnieuw.", "Logging in took too long. Begin again.")}
		}
		f.Problem = problem
		identity.SetCookie(v.w, v.r, identity.StepCookie, "")
		d.doors(v, http.StatusForbidden, f)
		return
	}
	if err != nil {
		d.failed(v, "passkey", err)
		return
	}
	d.entry(v, status, "passkey.html", asked{form: form{Values: url.Values{"verder": {onward}}, Problem: problem}, Ceremony: identity.Ceremony{Options: options}}, withPasskeys)
}

func (d *desk) showPasskey(v *visit) {
	secret, err := d.Identity.ShowPasskey(identity.Cookie(v.r, identity.StepCookie), v.r.PostForm.Get("antwoord"), v.client())
	switch {
	case errors.Is(err, identity.ErrPasskey):
		d.askPasskey(v, http.StatusForbidden, v.value("verder"), passkeyProblem(err))
	case errors.Is(err, identity.ErrRefused):
		identity.SetCookie(v.w, v.r, identity.StepCookie, "")
		d.doors(v, http.StatusForbidden, form{Values: url.Values{"verder": {v.value("verder")}}, Problem: &central.Refusal{Words: page.Both("Er is te vaak geprobeerd. Wacht een kwartier.", "It was tried too often. Wait a quarter of an hour.")}})
	case err != nil:
		d.failed(v, "passkey", err)
	case d.admitted(v, identity.Entry{Session: secret}):
		v.onward(onlyHere(v.value("verder")))
	}
}

// visitor is what tells those apart who try passwords: an IPv4 address, or an IPv6 network, of which anybody has all addresses to try from.
func visitor(remote string) string {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	addr := peer.Addr().Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}

// client is where a visit comes from.
func (v *visit) client() identity.Client {
	return identity.Client{Address: visitor(v.r.RemoteAddr), Where: identity.Where{Browser: browserWords(v.r.UserAgent()), Network: page.Truncate(v.r.RemoteAddr)}}
}

// browserWords says what a person would recognise of the browser's own description; no more of it is kept.
func browserWords(agent string) string {
	first := func(names [][2]string) string {
		for _, n := range names {
			if strings.Contains(agent, n[0]) {
				return n[1]
			}
		}
		return "?"
	}
	program := first([][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS", "Chrome"}, {"Safari/", "Safari"}})
	machine := first([][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Macintosh", "Mac"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}})
	if program+machine == "??" {
		return ""
	}
	return program + ", " + machine
}

// onlyHere keeps a way onward within the desk.
func onlyHere(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || u.Path != path.Clean(u.Path) || !(u.Path == "/bureau" || strings.HasPrefix(u.Path, "/bureau/")) || strings.ContainsAny(to, "\\ ") {
		return "/bureau"
	}
	return u.RequestURI()
}

func (d *desk) logOut(v *visit) {
	left, err := d.Identity.LogOut(v.r.Context(), v.in)
	if err != nil {
		d.failed(v, "log-out", err)
		return
	}
	identity.SetCookie(v.w, v.r, identity.SessionCookie, "")
	switch {
	case left.Onward != "":
		v.in = identity.Session{}
		d.onPage(v, left.Onward) // form-action forbids a redirect of a form to elsewhere
	case left.Provider:
		v.onward(identity.OutPath + "?nog-ingelogd=aanbieder")
	default:
		v.onward(identity.OutPath)
	}
}

func (d *desk) invitationForm(v *visit) { d.entry(v, http.StatusOK, "invitation.html", form{}) }

func (d *desk) redeem(v *visit) {
	f := form{Values: url.Values{"code": {v.value("code")}}}
	if v.r.PostForm.Get("wachtwoord") != v.r.PostForm.Get("nogmaals") {
		f.Problem = &central.Refusal{Words: page.Both("De twee wachtwoorden zijn niet gelijk.", "The two passwords differ.")}
		d.entry(v, http.StatusBadRequest, "invitation.html", f)
		return
	}
	_, err := d.Identity.Redeem(v.value("code"), v.r.PostForm.Get("wachtwoord"))
	if f.Problem = entryProblem(err); f.Problem != nil {
		d.entry(v, http.StatusBadRequest, "invitation.html", f)
		return
	}
	if err != nil {
		d.failed(v, "invitation", err)
		return
	}
	v.onward("/bureau/inloggen")
}

// entryProblem puts identity's errors into words; nil for others.
func entryProblem(err error) *central.Refusal {
	switch {
	case errors.Is(err, identity.ErrPassword):
		return &central.Refusal{Words: page.Both("Kies een wachtwoord van ten minste 12 tekens. Vier losse woorden is een goed wachtwoord.", "Choose a password of at least 12 characters. Four unrelated words make a good one.")}
	case errors.Is(err, identity.ErrInvitation):
		return &central.Refusal{Words: page.Both("Deze code is niet geldig, al gebruikt of verlopen. Vraag de beheerder om een nieuwe.", "This code is not valid, was used or has expired. Ask the administrator for another.")}
	case errors.Is(err, identity.ErrRefused):
		return &central.Refusal{Words: page.Both("Het huidige wachtwoord klopt niet, of er is te vaak geprobeerd.", "The present password is wrong, or it was tried too often.")}
	case errors.Is(err, identity.ErrNoPasswords):
		return &central.Refusal{Code: central.CodeState, Words: page.Both("U logt in via de gemeente; hier is geen wachtwoord om te wijzigen.", "You log in by the municipality; there is no password here to change.")}
	case errors.Is(err, identity.ErrNoProvider):
		return &central.Refusal{Code: central.CodeState, Words: page.Both("Er is hier geen inlogdienst ingesteld.", "No log-in service has been set up here.")}
	case errors.Is(err, identity.ErrExists):
		return &central.Refusal{Code: central.CodeExists, Words: page.Both("Er is al iemand met deze inlognaam.", "Somebody has this login already.")}
	}
	return nil
}

var titlePassword = page.Both("Wachtwoord wijzigen", "Change password")

func (d *desk) passwordForm(v *visit) {
	d.show(v, http.StatusOK, "password.html", titlePassword, func(*central.State) any { return form{} })
}

func (d *desk) setPassword(v *visit) {
	f := form{}
	if v.r.PostForm.Get("wachtwoord") != v.r.PostForm.Get("nogmaals") {
		f.Problem = &central.Refusal{Words: page.Both("De twee wachtwoorden zijn niet gelijk.", "The two passwords differ.")}
	} else {
		err := d.Identity.ChangePassword(v.r.Context(), v.in, v.r.PostForm.Get("huidig"), v.r.PostForm.Get("wachtwoord"), v.client().Where)
		if f.Problem = entryProblem(err); err != nil && f.Problem == nil {
			d.failed(v, "password", err)
			return
		}
	}
	if f.Problem != nil {
		d.show(v, http.StatusBadRequest, "password.html", titlePassword, func(*central.State) any { return f })
		return
	}
	identity.SetCookie(v.w, v.r, identity.SessionCookie, "")
	v.onward("/bureau/inloggen")
}
