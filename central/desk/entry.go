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

func (d *desk) logInForm(v *visit) {
	if _, ok := identity.Of(v.r.Context()); ok {
		v.onward(onlyHere(v.r.URL.Query().Get("verder")))
		return
	}
	d.entry(v, http.StatusOK, "login.html", form{Values: url.Values{"verder": {v.r.URL.Query().Get("verder")}}})
}

var titleEntry = page.Both("Inloggen", "Log in")

func (d *desk) entry(v *visit, status int, name string, f form) {
	v.in = identity.Session{}
	d.show(v, status, name, titleEntry, func(*central.State) any { return f })
}

func (d *desk) logIn(v *visit) {
	secret, err := d.Identity.LogIn(v.r.Context(), v.r.PostForm.Get("login"), v.r.PostForm.Get("wachtwoord"), visitor(v.r.RemoteAddr))
	switch {
	case errors.Is(err, identity.ErrRefused):
		f := form{Values: url.Values{"login": {v.value("login")}, "verder": {v.value("verder")}}}
		f.Problem = &central.Refusal{Words: page.Both(
			"Inloggen lukte niet. De naam of het wachtwoord klopt niet, of er is te vaak geprobeerd. Wacht na vijf pogingen een kwartier.",
			"Logging in failed. The name or password is wrong, or it was tried too often. Wait a quarter of an hour after five attempts.")}
		d.entry(v, http.StatusForbidden, "login.html", f)
	case err != nil:
		d.failed(v, "log-in", err)
	default:
		identity.SetCookie(v.w, v.r, secret)
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

// onlyHere keeps a way onward within the desk.
func onlyHere(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || u.Path != path.Clean(u.Path) || !(u.Path == "/bureau" || strings.HasPrefix(u.Path, "/bureau/")) || strings.ContainsRune(to, '\\') {
		return "/bureau"
	}
	return u.RequestURI()
}

func (d *desk) logOut(v *visit) {
	if err := d.Identity.LogOut(v.in); err != nil {
		d.failed(v, "log-out", err)
		return
	}
	identity.SetCookie(v.w, v.r, "")
	v.onward("/bureau/inloggen")
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
		err := d.Identity.ChangePassword(v.r.Context(), v.in, v.r.PostForm.Get("huidig"), v.r.PostForm.Get("wachtwoord"))
		if f.Problem = entryProblem(err); err != nil && f.Problem == nil {
			d.failed(v, "password", err)
			return
		}
	}
	if f.Problem != nil {
		d.show(v, http.StatusBadRequest, "password.html", titlePassword, func(*central.State) any { return f })
		return
	}
	identity.SetCookie(v.w, v.r, "")
	v.onward("/bureau/inloggen")
}
