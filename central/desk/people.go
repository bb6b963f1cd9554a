package desk

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// People and roles: all that an administrator sees.

// colleague is an account beside its appointment. Either may be missing.
type colleague struct {
	identity.Listed
	*central.Person
	Posts []post
}

type everyone struct {
	form
	People []colleague
	staffing
	Code                string // of an invitation just made; shown once
	By                  bool   // invited just now to come from the provider
	Provider, Passwords bool   // the ways in that there are
	For                 identity.Account
	Where               string
}

// staffing is what the form of somebody's posts offers.
type staffing struct {
	Choices []central.Post
	Cameras []*central.Placement
	Units   []*central.Unit
	Many    bool // too many cameras to tick
}

func choices(st *central.State) staffing {
	var posts []central.Post
	for _, role := range central.Roles {
		if !role.PerRegime() {
			posts = append(posts, central.Post{Role: role})
			continue
		}
		for _, regime := range []protocol.Regime{protocol.AVG, protocol.WPG} {
			posts = append(posts, central.Post{Role: role, Regime: regime})
		}
	}
	if st.CameraCount() > onePage {
		return staffing{posts, nil, st.Units(), true}
	}
	return staffing{posts, st.Placements(), st.Units(), false}
}

var titlePeople = page.Both("Mensen en rollen", "People and roles")

func (d *desk) people(v *visit) { d.showPeople(v, http.StatusOK, everyone{}) }

func (d *desk) showPeople(v *visit, status int, e everyone) {
	accounts, err := d.Identity.List()
	if err != nil {
		d.failed(v, "accounts", err)
		return
	}
	e.Provider, e.Passwords = d.Identity.HasProvider(), !d.Identity.NoPasswords
	e.Where = strings.TrimSuffix(d.URL, "/") + v.lang.Path("/bureau/uitnodiging")
	d.show(v, status, "people.html", titlePeople, func(st *central.State) any {
		for _, a := range accounts {
			e.People = append(e.People, d.colleague(st, a, v))
		}
		for _, p := range st.People() {
			if !slices.ContainsFunc(accounts, func(a identity.Listed) bool { return a.Account.Person == p.Person }) {
				e.People = append(e.People, d.colleague(st, identity.Listed{Account: identity.Account{Person: p.Person}}, v))
			}
		}
		e.staffing = choices(st)
		return e
	}, wide)
}

func (d *desk) colleague(st *central.State, a identity.Listed, v *visit) colleague {
	c := colleague{Listed: a, Person: st.Person(a.Account.Person)}
	if c.Person != nil {
		for _, p := range c.Person.Posts {
			c.Posts = append(c.Posts, post{p, st.Holds(a.Account.Person, p.Role, p.Regime, v.now)})
		}
	}
	return c
}

// appointment reads the posts that a form ticks, "handler AVG".
func (v *visit) appointment(person protocol.PersonID) (central.Appointment, *central.Refusal) {
	a := central.Appointment{Person: person, Unit: v.value("eenheid")}
	for _, s := range v.r.PostForm["rol"] {
		role, regime, _ := strings.Cut(s, " ")
		a.Posts = append(a.Posts, central.Post{Role: central.Role(role), Regime: protocol.Regime(regime)})
	}
	a.Cameras = cameraIDs(v.r.PostForm["camera"])
	secrecy, err := parseDay(v.value("geheimhouding"))
	if err != nil {
		return a, &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Vul de datum van de geheimhouding in als jaar-maand-dag.", "Fill in the date of the secrecy statement as year-month-day.")}
	}
	a.Secrecy = secrecy
	if a.Until, err = parseDay(v.value("auditor-tot")); err != nil {
		return a, &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Vul het einde van de periode in als jaar-maand-dag.", "Fill in the end of the period as year-month-day.")}
	}
	return a, nil
}

// invite makes an account without a password and appoints its person. The administrator sees the code once and never the password.
func (d *desk) invite(v *visit) {
	f := v.form()
	account := identity.Account{Login: strings.ToLower(v.value("inlognaam")), Name: v.value("naam"), Email: v.value("mail")}
	var random [5]byte
	if _, err := rand.Read(random[:]); err != nil {
		d.failed(v, "a person id", err)
		return
	}
	account.Person = protocol.PersonID("p-" + hex.EncodeToString(random[:])) // says nothing of the person
	a, refusal := v.appointment(account.Person)
	command := central.Appoint{By: v.me(), Appointment: a}
	if refusal == nil {
		d.Book.View(func(st *central.State) { refusal = would(st, command, v.now) })
	}
	var code string
	byProvider := v.value("manier") == "gemeente" || d.Identity.NoPasswords
	if refusal == nil {
		var err error
		if byProvider {
			err = d.Identity.InviteByProvider(account)
		} else {
			code, err = d.Identity.Invite(account)
		}
		if refusal = entryProblem(err); err != nil && refusal == nil {
			refusal = &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Deze gegevens kloppen niet: "+err.Error(), "These details are not right: "+err.Error())}
		}
	}
	if refusal == nil {
		var ok bool
		if refusal, ok = d.do(v, command); !ok {
			return
		}
	}
	if refusal != nil {
		f.Problem = refusal
		d.showPeople(v, statusOf(refusal), everyone{form: f})
		return
	}
	d.showPeople(v, http.StatusOK, everyone{Code: code, By: byProvider, For: account})
}

type personForm struct {
	form
	colleague
	staffing
	Mine bool
}

func (d *desk) person(v *visit) { d.showPerson(v, http.StatusOK, form{}) }

func (d *desk) showPerson(v *visit, status int, f form) {
	id := protocol.PersonID(v.r.PathValue("person"))
	account, known := d.Identity.Of(id)
	appointed := false
	d.Book.View(func(st *central.State) { appointed = st.Person(id) != nil })
	if !known && !appointed {
		d.nothing(v)
		return
	}
	account.Account.Person = id
	d.show(v, status, "person.html", titlePeople, func(st *central.State) any {
		out := personForm{form: f, colleague: d.colleague(st, account, v), staffing: choices(st), Mine: id == v.me()}
		if f.Problem == nil { // begin with what is
			out.Values = map[string][]string{}
			if p := out.Person; p != nil {
				for _, held := range p.Posts {
					out.Add("rol", strings.TrimSpace(string(held.Role)+" "+string(held.Regime)))
				}
				for _, c := range p.Cameras {
					out.Add("camera", string(c))
				}
				out.Set("eenheid", p.Unit)
				out.Set("geheimhouding", dayInput(p.Secrecy))
				out.Set("auditor-tot", dayInput(p.Until))
			}
		}
		return out
	})
}

func (d *desk) appoint(v *visit) {
	a, refusal := v.appointment(protocol.PersonID(v.r.PathValue("person")))
	if refusal == nil {
		var ok bool
		if refusal, ok = d.do(v, central.Appoint{By: v.me(), Appointment: a}); !ok {
			return
		}
	}
	if refusal != nil {
		f := v.form()
		f.Problem = refusal
		d.showPerson(v, statusOf(refusal), f)
		return
	}
	v.onward("/bureau/mensen")
}

func (d *desk) inviteAgain(v *visit) {
	id := protocol.PersonID(v.r.PathValue("person"))
	code, err := d.Identity.InviteAgain(id)
	if err != nil {
		f := form{Problem: &central.Refusal{Code: central.CodeState, Words: page.Both("Deze persoon kan al inloggen. Alleen wie de machine beheert kan een nieuw wachtwoord instellen.", "This person can log in already. Only whoever runs the machine can set another password.")}}
		d.showPeople(v, http.StatusConflict, everyone{form: f})
		return
	}
	account, _ := d.Identity.Of(id)
	d.showPeople(v, http.StatusOK, everyone{Code: code, By: account.ByProvider, For: account.Account})
}
