package desk

import (
	"errors"
	"net/http"
	"slices"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// A person's own account: what they log in with, where they are logged in, what happened. And of everyone's log-ins, the counts.

const accountPath = "/bureau/account"

type account struct {
	form
	identity.Mine
	Sessions           []identity.OpenSession
	Register           identity.Ceremony // empty: log in again first
	Session            identity.Session
	Provider, Linkable bool
	Signs              bool           // they may have to sign an order with a passkey
	Named              map[string]int // for how many recorders each passkey signs, by its key
}

var happenings = map[identity.What]central.Words{
	identity.CameIn:         page.Both("ingelogd", "logged in"),
	identity.PasswordSet:    page.Both("wachtwoord gewijzigd", "password changed"),
	identity.PasskeyAdded:   page.Both("passkey geregistreerd", "passkey registered"),
	identity.PasskeyRemoved: page.Both("passkey verwijderd", "passkey removed"),
	identity.PasskeySigned:  page.Both("met een passkey een opdracht ondertekend", "signed an order with a passkey"),
	identity.PasskeysTaken:  page.Both("al uw passkeys ingetrokken door een beheerder", "all your passkeys taken away by an administrator"),
	identity.Linked:         page.Both("gekoppeld aan de inlogdienst van de gemeente", "linked to the municipality's log-in service"),
}

var titleAccount = page.Both("Mijn account", "My account")

func (d *desk) account(v *visit) { d.showAccount(v, http.StatusOK, form{}) }

func (d *desk) showAccount(v *visit, status int, f form) {
	a := account{form: f, Session: v.in, Provider: d.Identity.HasProvider()}
	var err1, err2, err3 error
	a.Mine, err1 = d.Identity.Mine(v.in)
	a.Sessions, err2 = d.Identity.Sessions(v.in)
	if v.in.Fresh(v.now) {
		a.Register, err3 = d.Identity.Register(v.in)
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		d.failed(v, "account", err)
		return
	}
	a.Linkable = a.Provider && !a.Mine.ByProvider
	d.show(v, status, "account.html", titleAccount, func(st *central.State) any {
		if a.Signs = st.Holds(v.me(), central.Officer, "", v.now); a.Signs {
			a.Named = map[string]int{}
			for _, key := range a.Mine.Keys {
				a.Named[key] = st.SignsFor(key)
			}
		}
		return a
	}, withPasskeys)
}

// notTheirKey: a roster names a passkey that this person does not have, or no longer.
var notTheirKey = &central.Refusal{Code: central.CodeRoster, Words: page.Both("Het rooster van deze recorder noemt een passkey die niet bij uw account staat. Op de pagina Mijn account staat de sleutel van elke passkey die u hebt. Laat wie de roosters maakt een nieuw rooster maken met een van die sleutels.",
	"The roster of this recorder names a passkey that is not with your account. The page My account has the key of each passkey that you have. Have whoever makes the rosters make a new roster with one of those keys.")}

// passkeyProblem puts identity's errors about passkeys into words; nil for others.
func passkeyProblem(err error) *central.Refusal {
	switch {
	case errors.Is(err, identity.ErrPasskey):
		return &central.Refusal{Words: page.Both("Deze passkey is niet aangenomen, of het duurde te lang. Probeer het opnieuw.", "This passkey was not accepted, or it took too long. Try again.")}
	case errors.Is(err, identity.ErrNotFresh):
		return &central.Refusal{Words: page.Both("Log eerst opnieuw in: wie wijzigt waarmee u inlogt, moet kort daarvoor hebben ingelogd.", "Log in again first: changing what you log in with takes a recent log-in.")}
	case errors.Is(err, identity.ErrNoKey):
		return notTheirKey
	case errors.Is(err, identity.ErrLastPasskey):
		return &central.Refusal{Words: page.Both("Uw laatste passkey kunt u niet verwijderen. Voeg eerst een andere toe.", "You cannot remove your last passkey. Add another first.")}
	}
	return nil
}

// changed answers an attempt to change something of the own account.
func (d *desk) changed(v *visit, what string, err error) {
	if err == nil {
		v.onward(accountPath)
		return
	}
	problem := passkeyProblem(err)
	if problem == nil {
		d.failed(v, what, err)
		return
	}
	d.showAccount(v, http.StatusBadRequest, form{Problem: problem})
}

func (d *desk) addPasskey(v *visit) {
	err := d.Identity.AddPasskey(v.in, identity.Ceremony{Token: v.value("ceremonie")}, v.r.PostForm.Get("antwoord"), v.value("naam"), v.client().Where)
	d.changed(v, "passkey", err)
}

// removalForm asks for another passkey than the one to remove.
func (d *desk) removalForm(v *visit) {
	c, err := d.Identity.Remove(v.in, v.r.PathValue("key"))
	if err != nil {
		d.changed(v, "passkey", err)
		return
	}
	mine, err := d.Identity.Mine(v.in)
	if err != nil {
		d.failed(v, "passkey", err)
		return
	}
	i := slices.IndexFunc(mine.Passkeys, func(p identity.Passkey) bool { return p.Short() == v.r.PathValue("key") })
	d.show(v, http.StatusOK, "removal.html", titleAccount, func(st *central.State) any {
		a := asked{Ceremony: c, Key: mine.Passkeys[max(0, i)]}
		if key, ok := mine.Keys[a.Key.Short()]; ok {
			a.Named = st.SignsFor(key)
		}
		return a
	}, withPasskeys)
}

func (d *desk) removePasskey(v *visit) {
	err := d.Identity.RemovePasskey(v.in, identity.Ceremony{Token: v.value("ceremonie")}, v.r.PostForm.Get("antwoord"), v.r.PathValue("key"), v.client().Where)
	d.changed(v, "passkey", err)
}

// endSessions ends one of the person's sessions, or all.
func (d *desk) endSessions(v *visit) {
	if err := d.Identity.EndSessions(v.in, v.value("sessie")); err != nil {
		d.failed(v, "sessions", err)
		return
	}
	v.onward(accountPath) // and from there to the log-in page, when it was this one
}

// linkProvider sends a person who is logged in to the provider, to come from there from now on.
func (d *desk) linkProvider(v *visit) {
	if !v.in.Fresh(v.now) {
		d.changed(v, "link", identity.ErrNotFresh)
		return
	}
	in := v.in
	address, cookie, err := d.Identity.Away(v.r.Context(), &in, v.lang.Path(accountPath), v.client())
	if err != nil {
		d.notIn(v, accountPath, err)
		return
	}
	identity.SetCookie(v.w, v.r, identity.ProviderCookie, cookie)
	d.onPage(v, address) // a form may lead to this site only, so says the content security policy
}

// takePasskeys is an administrator's, for who lost theirs.
func (d *desk) takePasskeys(v *visit) {
	id := protocol.PersonID(v.r.PathValue("person"))
	if id == v.me() {
		d.showPerson(v, http.StatusForbidden, form{Problem: &central.Refusal{Code: central.CodeForbidden, Words: page.Both("Uw eigen passkeys verwijdert u bij uw account, met een andere passkey.", "Your own passkeys you remove at your account, with another passkey.")}})
		return
	}
	err := d.Identity.TakePasskeys(id)
	if errors.Is(err, identity.ErrNoAccount) {
		d.showPerson(v, http.StatusConflict, form{Problem: &central.Refusal{Code: central.CodeState, Words: page.Both("Deze persoon heeft geen passkeys.", "This person has no passkeys.")}})
		return
	}
	if err != nil {
		d.failed(v, "passkeys", err)
		return
	}
	v.onward("/bureau/mensen/" + string(id))
}

var titleLogIns = page.Both("Inloggen in cijfers", "Log-ins in figures")

// logIns are the counts of who came in and who did not, without names.
func (d *desk) logIns(v *visit) {
	days, err := d.Identity.Days()
	if err != nil {
		d.failed(v, "log-ins", err)
		return
	}
	days = days[:min(len(days), 62)]
	d.show(v, http.StatusOK, "logins.html", titleLogIns, func(*central.State) any { return days }, wide)
}
