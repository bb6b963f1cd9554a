package desk

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The menu is what a person can go to, grouped by the work they do. It opens without script (details). Whoever has few pages sees no groups, only links.

// place is a page in the menu, and whose it is.
type place struct {
	path  string
	words central.Words
	roles []central.Role
}

// region is places for one kind of work.
type region struct {
	words  central.Words
	places []place
}

// fewPlaces fit in the menu without groups.
const fewPlaces = 7

var (
	oversees = []central.Role{central.Officer, central.Auditor}
	register = []central.Role{central.Registrar, central.Officer, central.Auditor}
)

// regions in the order of the menu.
var regions = []region{
	{page.Both("Verzoeken", "Requests"), []place{
		{"/bureau/aanvragen", page.Both("Aanvragen", "Requests for footage"), []central.Role{central.Requester, central.Handler, central.Approver, central.Staff, central.Officer}},
		{"/bureau/aanvragen/nieuw", page.Both("Nieuwe aanvraag", "New request"), []central.Role{central.Requester, central.Staff}},
		{"/bureau/meekijken", page.Both("Terugkijken", "Looking back"), []central.Role{central.Staff}},
		{"/bureau/betrokkenen", page.Both("Mensen in beeld", "People filmed"), []central.Role{central.Handler, central.Approver, central.Officer}},
		{"/bureau/bewaring", page.Both("Bewaarde beelden", "Held footage"), []central.Role{central.Officer}},
		{"/bureau/koppelen", page.Both("Uw systeem koppelen", "Connect your system"), []central.Role{central.Requester}},
	}},
	{page.Both("Camera's", "Cameras"), []place{
		{"/bureau/cameras", page.Both("Alle camera's", "All cameras"), []central.Role{central.Staff, central.Registrar, central.Approver, central.Officer, central.Auditor}},
		{"/bureau/herbevestigen", page.Both("Herbevestigen", "Re-confirm"), []central.Role{central.Staff, central.Registrar, central.Officer, central.Auditor}},
		{"/bureau/protocollen", page.Both("Protocollen", "Protocols"), []central.Role{central.Requester, central.Staff, central.Handler, central.Approver, central.Registrar, central.Officer, central.Auditor}},
		{"/bureau/dpia", page.Both("DPIA's", "DPIAs"), register},
		{"/bureau/recorders", page.Both("Recorders", "Recorders"), []central.Role{central.Administrator, central.Officer}},
	}},
	{page.Both("Toezicht", "Oversight"), []place{
		{"/bureau/incidenten", page.Both("Incidenten", "Incidents"), oversees},
		{"/bureau/klachten", page.Both("Klachten en bezwaren", "Complaints and objections"), []central.Role{central.Officer}},
		{"/bureau/toegang", page.Both("Toegang tot beelden", "Accesses to footage"), oversees},
		{"/bureau/steekproeven", page.Both("Steekproeven en audits", "Samples and audits"), oversees},
		{"/bureau/vernietiging", page.Both("Vernietiging", "Destruction"), oversees},
		{"/bureau/logboeken", page.Both("Logboeken", "Logs"), oversees},
		{"/bureau/inzage", page.Both("Wie wat inzag", "Who read what"), oversees},
		{"/bureau/inlogcijfers", page.Both("Inlogcijfers", "Log-ins"), oversees},
	}},
	{page.Both("Verantwoording", "Accountability"), []place{
		{"/bureau/adviezen", page.Both("Adviezen", "Advice"), []central.Role{central.Officer, central.Auditor, central.Registrar, central.Approver, central.Handler}},
		{"/bureau/verslagen", page.Both("Verslagen", "Reports"), []central.Role{central.CollegeMember, central.Registrar, central.Officer, central.Auditor}},
		{"/bureau/college", page.Both("Berichten aan het college", "Messages to the college"), []central.Role{central.Officer, central.CollegeMember}},
		{"/bureau/verklaringen", page.Both("Verklaringen", "Statements"), []central.Role{central.Registrar, central.Officer, central.Auditor, central.CollegeMember}},
		{"/bureau/herzien", page.Both("Wat herzien moet worden", "What must be reviewed"), []central.Role{central.Registrar, central.Administrator, central.Officer, central.Auditor}},
	}},
	{page.Both("Beheer", "Administration"), []place{
		{"/bureau/mensen", page.Both("Mensen", "People"), []central.Role{central.Administrator}},
		{"/bureau/opleidingen", page.Both("Opleidingen", "Training"), []central.Role{central.Administrator}},
		{"/bureau/organisaties", page.Both("Organisaties", "Organisations"), []central.Role{central.Administrator, central.Registrar, central.Officer, central.Auditor}},
		{"/bureau/koppelingen", page.Both("Koppelingen", "Systems"), []central.Role{central.Administrator, central.Officer, central.Auditor}},
	}},
}

// menu is the regions as far as they are this person's, with what waits for them at each place.
func (d *desk) menu(st *central.State, v *visit) []page.Group {
	waits := d.waits.of(st, v.me(), v.now)
	menu := []page.Group{{Links: []page.Link{{Path: "/bureau", Words: page.Both("Begin", "Start"), Waits: waits["/bureau"]}}}}
	links := 1
	for _, r := range regions {
		g := page.Group{Words: r.words}
		for _, p := range r.places {
			if p.open(st, v) {
				g.Links = append(g.Links, page.Link{Path: p.path, Words: p.words, Waits: waits[p.path]})
			}
		}
		if links += len(g.Links); len(g.Links) > 0 {
			menu = append(menu, g)
		}
	}
	for i, g := range menu {
		if len(g.Links) == 1 || links <= fewPlaces {
			menu[i].Words = central.Words{}
		}
	}
	return menu
}

// waits remembers how many things wait for a person at each place, until the ledger grows or a minute passes: counting looks at every camera of the register.
type waits struct {
	mu     sync.Mutex
	counts map[protocol.PersonID]counted
}

type counted struct {
	size   uint64 // of the ledger
	minute time.Time
	at     map[string]int // by place; at the start: everything
}

func (w *waits) of(st *central.State, person protocol.PersonID, now time.Time) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	minute := now.Truncate(time.Minute)
	if c := w.counts[person]; c.at != nil && c.size == st.Size && c.minute.Equal(minute) {
		return c.at
	}
	at := map[string]int{}
	for _, t := range st.Inbox(person, now) {
		at["/bureau"]++
		at[placeOf(taskPath(t)).path]++
	}
	if w.counts == nil {
		w.counts = map[protocol.PersonID]counted{}
	}
	w.counts[person] = counted{st.Size, minute, at}
	return at
}

// open says whether this person may go there.
func (p place) open(st *central.State, v *visit) bool {
	return slices.ContainsFunc(p.roles, func(role central.Role) bool { return st.Holds(v.me(), role, "", v.now) })
}

// linked is a link for whoever may open it, and its text for others.
func linked(st *central.State, v *visit, path string, text any) any {
	if placeOf(path).open(st, v) {
		return to{path, text}
	}
	return text
}

// placeOf is the place in the menu that a page is under.
func placeOf(path string) (of place) {
	for _, r := range regions {
		for _, p := range r.places {
			if (path == p.path || strings.HasPrefix(path, p.path+"/")) && len(p.path) > len(of.path) {
				of = p
			}
		}
	}
	return of
}
