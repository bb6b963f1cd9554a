package desk

import (
	"net/http"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Systems that come in through the API: an administrator registers and withdraws them, their units read how to connect.

type systemsPage struct {
	form
	Acted   string // which form was refused: "" or a system's id
	Systems []system
	Units   []*central.Unit
	Scopes  []central.Scope
	Manages bool
}

// system is one of them, and why it does not come in now.
type system struct {
	*central.Client
	Unit *central.Unit
	Why  *central.Refusal
}

var titleSystems = page.Both("Koppelingen", "Systems")

func (d *desk) systems(v *visit) { d.showSystems(v, http.StatusOK, form{}, "") }

func (d *desk) showSystems(v *visit, status int, f form, acted string) {
	d.show(v, status, "systems.html", titleSystems, func(st *central.State) any {
		return systemsPage{form: f, Acted: acted, Systems: d.known(st, v, func(*central.Client) bool { return true }), Units: st.Units(), Scopes: central.Scopes,
			Manages: st.Holds(v.me(), central.Administrator, "", v.now)}
	}, wide)
}

func (d *desk) known(st *central.State, v *visit, which func(*central.Client) bool) (list []system) {
	for _, c := range st.Clients() {
		if which(c) {
			s := system{Client: c, Unit: st.Unit(c.Unit)}
			s.Why, _ = central.RefusalOf(st.ClientMay(c.ID, "", v.now))
			list = append(list, s)
		}
	}
	return list
}

func (d *desk) registerSystem(v *visit) {
	f := central.ClientFacts{ID: central.ClientID(v.value("kenmerk")), Name: v.value("naam"), Unit: v.value("eenheid"), Key: central.ClientKey(v.value("sleutel"))}
	for _, s := range v.r.PostForm["mag"] {
		f.Scopes = append(f.Scopes, central.Scope(s))
	}
	d.changeSystems(v, central.RegisterClient{By: v.me(), ClientFacts: f}, "")
}

func (d *desk) withdrawSystem(v *visit) {
	id := v.r.PathValue("client")
	d.changeSystems(v, central.WithdrawClient{By: v.me(), Client: central.ClientID(id), Reason: v.value("reden")}, id)
}

func (d *desk) changeSystems(v *visit, c central.Command, acted string) {
	refusal, ok := d.do(v, c)
	switch {
	case !ok:
	case refusal != nil:
		f := v.form()
		f.Problem = refusal
		d.showSystems(v, statusOf(refusal), f, acted)
	default:
		v.onward("/bureau/koppelingen")
	}
}

type connectingPage struct {
	Base    string // of the API
	Me      protocol.PersonID
	Unit    *central.Unit
	Systems []system
}

// connecting tells a unit how its own system connects, and which of its systems may.
func (d *desk) connecting(v *visit) {
	d.show(v, http.StatusOK, "connecting.html", page.Both("Uw systeem koppelen", "Connect your system"), func(st *central.State) any {
		unit := st.Person(v.me()).Unit
		return connectingPage{Base: strings.TrimSuffix(d.URL, "/") + "/v1", Me: v.me(), Unit: st.Unit(unit),
			Systems: d.known(st, v, func(c *central.Client) bool { return c.Unit == unit })}
	}, wide)
}
