package api

import (
	"crypto/rand"
	"fmt"
	"io"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// operation is one thing that the API can do: how it is found, what it needs, what it gives. It serves, and it is written into the document.
type operation struct {
	id, method, path, tag string
	title                 string // one line, Dutch
	says                  string // more, where there is more to say
	scope                 central.Scope
	acts                  bool // for a person: the header Medewerker
	once                  bool // the header Idempotency-Key
	paged                 bool
	filters               []parameter
	takes                 any // zero value of the body; nil: none
	status                int
	gives                 any    // zero value of the answer
	media                 string // of the answer, when it is not JSON
	own                   bool   // its errors are OAuth's and not problems
	do                    func(*call) (reply, error)
}

// parameter is a query key.
type parameter struct {
	name, says string
	values     []coded // empty: whole numbers from 1, or text
	text       bool
	most       int
}

// keys are all query keys of an operation.
func (o *operation) keys() []parameter {
	if !o.paged {
		return o.filters
	}
	return append(slices.Clone(o.filters), parameter{name: "pagina", says: "Welke pagina; de eerste is 1."}, parameter{name: "aantal", says: "Hoeveel per pagina; 50 als dit ontbreekt.", most: mostPerPage})
}

const (
	perPage     = 50
	mostPerPage = 100
)

// table is the API.
func (a *API) table() []operation {
	const one, bag = "/verzoeken/{verzoek}", "/verzoeken/{verzoek}/verstrekkingen/{verstrekking}"
	return []operation{
		{id: "vraagToegangstoken", method: "POST", path: "/toegangstokens", tag: "Toegang", title: "Toegangstoken vragen",
			says:  "OAuth 2.0 client credentials met private_key_jwt. Elke verklaring werkt één keer en geldt ten hoogste vijf minuten; een systeem kan dit ten hoogste dertig keer per uur.",
			takes: tokenAanvraag{}, status: 200, gives: toegangstoken{}, own: true, do: a.admit},

		{id: "lijstVerzoeken", method: "GET", path: "/verzoeken", tag: "Verzoeken", title: "Verzoeken van de eigen organisatie", scope: central.ScopeFollow, paged: true,
			filters: []parameter{{name: "stand", says: "Alleen verzoeken die zover zijn.", values: words(central.RequestStatuses)}, {name: "kenmerk", says: "Alleen verzoeken met dit kenmerk.", text: true}},
			status:  200, gives: verzoekLijst{}, do: a.listRequests},
		{id: "dienVerzoekIn", method: "POST", path: "/verzoeken", tag: "Verzoeken", title: "Verzoek indienen",
			says:  "De beelden worden meteen bewaard; de recorder bevestigt dat. Een behandelaar en een goedkeurder van de gemeente (bij WPG: van de politie) toetsen en beslissen aan het bureau. Een systeem kan dat niet.",
			scope: central.ScopeFile, acts: true, once: true, takes: vraag{}, status: 201, gives: verzoek{}, do: a.file},
		{id: "bekijkVooruit", method: "POST", path: "/vooruitblikken", tag: "Verzoeken", title: "Bekijken wat er van een verzoek zou worden",
			says:  "Zegt wat er mist of waarom het niet kan, en hoe lang de beelden er nog zijn. Er wordt niets vastgelegd of bewaard.",
			scope: central.ScopeFile, acts: true, takes: vraag{}, status: 200, gives: vooruitblik{}, do: a.preview},
		{id: "leesVerzoek", method: "GET", path: one, tag: "Verzoeken", title: "Verzoek met stand, beslissing en verstrekkingen", scope: central.ScopeFollow, status: 200, gives: verzoek{}, do: a.request},
		{id: "wijzigVerzoek", method: "PUT", path: one, tag: "Verzoeken", title: "Verzoek wijzigen", says: "Alleen door de aanvrager, zolang er niets is opgehaald. Toetsing, beslissing en toestemmingen vervallen: er wordt opnieuw beslist. Zonder verschil met wat er staat gebeurt er niets.",
			scope: central.ScopeFile, acts: true, takes: vraag{}, status: 200, gives: verzoek{}, do: a.amend},
		{id: "neemVerzoekOver", method: "PUT", path: one + "/aanvrager", tag: "Verzoeken", title: "Verzoek overnemen", says: "De medewerker in de header wordt de aanvrager. Wie het eerst was blijft zichtbaar.",
			scope: central.ScopeFile, acts: true, status: 200, gives: verzoek{}, do: a.takeOver},
		{id: "bevestigSchriftelijk", method: "PUT", path: one + "/schriftelijke-vordering", tag: "Verzoeken", title: "Mondelinge vordering schriftelijk bevestigen",
			scope: central.ScopeFile, acts: true, takes: stuk{}, status: 200, gives: verzoek{}, do: a.confirmOral},
		{id: "trekToestemmingIn", method: "PUT", path: one + "/ingetrokken-toestemming", tag: "Verzoeken", title: "Vastleggen dat toestemming is ingetrokken", says: "Stopt alles wat nog niet is overgedragen.",
			scope: central.ScopeFile, acts: true, takes: intrekking{}, status: 200, gives: verzoek{}, do: a.withdrawConsent},
		{id: "verlengBevel", method: "PUT", path: one + "/verlenging", tag: "Verzoeken", title: "Nieuw bevel achter een dat afloopt", says: "Om te blijven bewaren, of voor toekomstige gegevens.",
			scope: central.ScopeFile, acts: true, takes: verlenging{}, status: 200, gives: verzoek{}, do: a.renew},
		{id: "trekVerzoekIn", method: "PUT", path: one + "/intrekking", tag: "Verzoeken", title: "Verzoek intrekken", says: "Behandelaar en goedkeurder beëindigen het daarna, en heffen de bewaring op.",
			scope: central.ScopeFile, acts: true, takes: intrekking{}, status: 200, gives: verzoek{}, do: a.withdraw},

		{id: "lijstToegangen", method: "GET", path: one + "/toegangen", tag: "Verzoeken", title: "Toegangen tot de beelden van een verzoek", says: "Uit de logboeken van de recorders zelf: van elke recorder de nieuwste 500. Wat ouder is staat in zijn logboek.",
			scope: central.ScopeFollow, paged: true, status: 200, gives: toegangLijst{}, do: a.accesses},

		{id: "legOphalenVast", method: "POST", path: bag + "/ophalingen", tag: "Beelden", title: "Vastleggen dat een medewerker ophaalt", says: "Eerst dit, dan een uur lang het bestand. Herhaald binnen dat uur is het dezelfde ophaling. Het staat in het grootboek voordat er een beeld is gelezen.",
			scope: central.ScopeFetch, acts: true, status: 201, gives: ophaling{}, do: a.recordDownload},
		{id: "haalBestand", method: "GET", path: bag + "/bestand", tag: "Beelden", title: "Pakket met beelden", says: "Een zip volgens BagIt, die zonder ons te controleren is. Wordt geheel nagekeken voordat de eerste byte vertrekt.",
			scope: central.ScopeFetch, acts: true, status: 200, media: "application/zip", do: a.fetch},
		{id: "bevestigOntvangst", method: "PUT", path: one + "/ontvangstbevestiging", tag: "Beelden", title: "Ontvangst bevestigen", scope: central.ScopeFetch, acts: true,
			takes: ontvangstbevestiging{}, status: 200, gives: verzoek{}, do: a.confirmHandOver},
		{id: "bevestigLevering", method: "PUT", path: one + "/leveringen/{nummer}/ontvangstbevestiging", tag: "Beelden", title: "Ontvangst van een deel bevestigen", says: "Alleen bij toekomstige gegevens.",
			scope: central.ScopeFetch, acts: true, status: 200, gives: verzoek{}, do: a.confirmDelivery},

		{id: "lijstMedewerkers", method: "GET", path: "/medewerkers", tag: "Medewerkers", title: "Aanvragers van de eigen organisatie, zonder namen", scope: central.ScopeFile, paged: true, status: 200, gives: medewerkerLijst{}, do: a.colleagues},

		{id: "bevestigLezen", method: "PUT", path: "/protocollen/{protocol}/versies/{versie}/lezing", tag: "Medewerkers", title: "Bevestigen dat een medewerker een cameraprotocol las en ernaar handelt", scope: central.ScopeFile, acts: true, status: 200, gives: lezing{}, do: a.acknowledge},
		{id: "lijstOrganisaties", method: "GET", path: "/organisaties", tag: "Organisatie", title: "De eigen organisatie", scope: central.ScopeFollow, paged: true, status: 200, gives: organisatieLijst{}, do: a.organisations},
		{id: "leesOrganisatie", method: "GET", path: "/organisaties/{organisatie}", tag: "Organisatie", title: "De eigen organisatie met haar afspraak", scope: central.ScopeFollow, status: 200, gives: organisatie{}, do: a.organisation},

		{id: "lijstPlaatsingen", method: "GET", path: "/plaatsingen", tag: "Register", title: "Plaatsingen", scope: central.ScopeRegister, paged: true,
			filters: []parameter{{name: "stand", says: "Alleen plaatsingen met deze stand.", values: words(central.Statuses)}, {name: "regime", says: "Alleen plaatsingen onder dit regime.", values: codes[reflect.TypeFor[protocol.Regime]()]},
				{name: "protocol", says: "Alleen plaatsingen onder dit cameraprotocol.", text: true}, {name: "versie", says: "En onder deze versie ervan."}}, status: 200, gives: plaatsingLijst{}, do: a.placements},
		{id: "leesPlaatsing", method: "GET", path: "/plaatsingen/{plaatsing}", tag: "Register", title: "Plaatsing", scope: central.ScopeRegister, status: 200, gives: plaatsing{}, do: a.placement},
		{id: "lijstProtocollen", method: "GET", path: "/protocollen", tag: "Register", title: "Cameraprotocollen", scope: central.ScopeRegister, paged: true, status: 200, gives: protocolLijst{}, do: a.protocols},
		{id: "leesProtocol", method: "GET", path: "/protocollen/{protocol}/versies/{versie}", tag: "Register", title: "Versie van een cameraprotocol", scope: central.ScopeRegister, status: 200, gives: cameraprotocol{}, do: a.protocol},
		{id: "lijstBesluiten", method: "GET", path: "/besluiten", tag: "Register", title: "Besluiten achter de plaatsingen", scope: central.ScopeRegister, paged: true, status: 200, gives: besluitLijst{}, do: a.besluiten},

		{id: "lijstFouten", method: "GET", path: "/fouten", tag: "Beschrijving", title: "Alle soorten fouten", status: 200, gives: foutLijst{}, do: a.problems},
		{id: "leesFout", method: "GET", path: "/fouten/{code}", tag: "Beschrijving", title: "Soort fout", status: 200, gives: fout{}, do: a.problem},
		{id: "leesBeschrijving", method: "GET", path: "/openapi.json", tag: "Beschrijving", title: "Deze beschrijving (OpenAPI)", status: 200, gives: beschrijving(nil), do: a.describe},
	}
}

// Requests.

// mine shows a request of the system's own unit; another is not there.
func (a *API) mine(c *call) (v verzoek, err error) {
	a.Book.View(func(st *central.State) {
		r := st.ClientRequest(c.client, protocol.RequestID(c.path["verzoek"]))
		if r == nil {
			err = fault(central.CodeUnknown, "Dit verzoek is er niet, of niet voor uw organisatie.", "There is no such request, or not for your organisation.")
			return
		}
		v = newVerzoek(r, c.now)
	})
	return v, err
}

func (a *API) request(c *call) (reply, error) {
	v, err := a.mine(c)
	return reply{body: v}, err
}

func (a *API) listRequests(c *call) (reply, error) {
	var list verzoekLijst
	var err error
	stand, reference := central.RequestStatus(c.r.URL.Query().Get("stand")), c.r.URL.Query().Get("kenmerk")
	a.Book.View(func(st *central.State) {
		requests := st.UnitRequests(c.unit)
		requests = slices.DeleteFunc(requests, func(r *central.Request) bool {
			return st.ClientRequest(c.client, r.ID) == nil || stand != "" && r.Status != stand || reference != "" && r.Reference != reference
		})
		var here []*central.Request
		here, list.bladwijzer, err = pageOf(a, c, requests)
		list.Verzoeken = each(here, func(r *central.Request) verzoek { return newVerzoek(r, c.now) })
	})
	return reply{body: list}, err
}

// through gives a command for the person, and answers with the request as it then is.
func (a *API) through(c *call, command central.Command) (reply, error) {
	if _, err := a.Book.Do(c.r.Context(), central.Through{Client: c.client, Command: command}); err != nil {
		return reply{}, err
	}
	return a.request(c)
}

func (a *API) file(c *call) (reply, error) {
	var v vraag
	if err := c.take(&v); err != nil {
		return reply{}, err
	}
	key := c.r.Header.Get(onceHeader)
	if _, err := a.Book.Do(c.r.Context(), central.Through{Client: c.client, Once: key, Command: central.FileRequest{By: c.person, RequestFacts: v.facts()}}); err != nil {
		return reply{}, err
	}
	a.Book.View(func(st *central.State) {
		if filed, ok := st.FiledOnce(c.client, key); ok {
			c.path["verzoek"] = string(filed.Request)
		}
	})
	out, err := a.request(c)
	out.location = "/verzoeken/" + c.path["verzoek"]
	return out, err
}

// preview decides on a filing as the ledger would, and throws the outcome away.
func (a *API) preview(c *call) (reply, error) {
	var v vraag
	if err := c.take(&v); err != nil {
		return reply{}, err
	}
	out, err := vooruitblik{}, error(nil)
	a.Book.View(func(st *central.State) {
		var events []central.Event
		if events, err = central.Decide(st, central.Through{Client: c.client, Once: rand.Text(), Command: central.FileRequest{By: c.person, RequestFacts: v.facts()}}, c.now); err != nil {
			return
		}
		filed := events[0].Fact.(*central.RequestFiled)
		out.Regime = filed.Regime
		for _, camera := range filed.Cameras {
			window := st.Placement(camera).Window()
			u := uitzicht{Camera: camera, Bewaartermijn: window.String()}
			if !filed.Asked.IsZero() {
				u.Verdwijnt = tijdstip{filed.Asked.From.Add(window.Duration())}
				u.Weg = !c.now.Before(u.Verdwijnt.Time)
			}
			out.Cameras = append(out.Cameras, u)
		}
	})
	return reply{body: out}, err
}

// accesses are what the recorders of a request's cameras wrote before anything of it was read.
func (a *API) accesses(c *call) (reply, error) {
	now, err := a.mine(c)
	if err != nil {
		return reply{}, err
	}
	id := protocol.RequestID(c.path["verzoek"])
	var recorders []protocol.RecorderID
	a.Book.View(func(st *central.State) {
		for _, camera := range now.Vraag.Cameras {
			if r := st.Placement(camera).Recorder; !slices.Contains(recorders, r) {
				recorders = append(recorders, r)
			}
		}
	})
	var mine []central.Access
	for _, recorder := range recorders {
		all, err := a.Accesses(recorder)
		if err != nil {
			return reply{}, fmt.Errorf("accesses of %s: %w", recorder, err)
		}
		mine = append(mine, slices.DeleteFunc(all, func(e central.Access) bool { return e.Access.Request != id })...)
	}
	var list toegangLijst
	a.Book.View(func(st *central.State) {
		var here []central.MatchedAccess
		here, list.bladwijzer, err = pageOf(a, c, st.Match(mine))
		list.Toegangen = each(here, func(m central.MatchedAccess) toegang {
			return toegang{Recorder: m.Recorder, Logboek: int(m.Log), Regel: int(m.Seq), Op: at(m.At), Handeling: m.How, Camera: m.Camera, Tijdvak: span(m.Interval), Verstrekking: m.Access.Access.Grant, Niveau: m.Level, ZonderGrond: m.Why.NL}
		})
	})
	return reply{body: list}, err
}

// onceHeader is the header of a filing that a retry repeats.
const onceHeader = "Idempotency-Key"

func (a *API) amend(c *call) (reply, error) {
	var v vraag
	if err := c.take(&v); err != nil {
		return reply{}, err
	}
	return a.through(c, central.AmendRequest{By: c.person, Request: protocol.RequestID(c.path["verzoek"]), RequestFacts: v.facts()})
}

func (a *API) takeOver(c *call) (reply, error) {
	if now, err := a.mine(c); err != nil || now.Aanvrager == c.person {
		return reply{body: now}, err
	}
	return a.through(c, central.TakeOver{By: c.person, Request: protocol.RequestID(c.path["verzoek"])})
}

func (a *API) confirmOral(c *call) (reply, error) {
	var v stuk
	if err := c.take(&v); err != nil {
		return reply{}, err
	}
	id, given := protocol.RequestID(c.path["verzoek"]), central.WrittenLater{Document: v.Sha256, Kept: v.BewaardBij}
	now, err := a.mine(c)
	again := false
	if err == nil {
		a.Book.View(func(st *central.State) { w := st.Request(id).Written; again = w != nil && w.WrittenLater == given })
	}
	if err != nil || again {
		return reply{body: now}, err
	}
	return a.through(c, central.ConfirmOral{By: c.person, Request: id, WrittenLater: given})
}

func (a *API) withdrawConsent(c *call) (reply, error) {
	var v intrekking
	if err := c.take(&v); err != nil {
		return reply{}, err
	}
	if now, err := a.mine(c); err != nil || !now.ToestemmingGestopt.IsZero() {
		return reply{body: now}, err
	}
	return a.through(c, central.WithdrawConsent{By: c.person, Request: protocol.RequestID(c.path["verzoek"]), Note: v.Toelichting})
}

func (a *API) renew(c *call) (reply, error) {
	var v verlenging
	if err := c.take(&v); err != nil {
		return reply{}, err
	}
	renewal := central.Renewal{Reference: v.Kenmerk, Demanded: protocol.T(v.Datum.Time), Until: protocol.T(v.Tot.Time)}
	now, err := a.mine(c)
	if err != nil || slices.ContainsFunc(now.Verlengingen, func(n verlenging) bool {
		return n.Kenmerk == v.Kenmerk && n.Datum.Equal(renewal.Demanded.Time) && n.Tot.Equal(renewal.Until.Time)
	}) {
		return reply{body: now}, err
	}
	return a.through(c, central.RenewDemand{By: c.person, Request: now.ID, Renewal: renewal})
}

func (a *API) withdraw(c *call) (reply, error) {
	var v intrekking
	if err := c.take(&v); err != nil {
		return reply{}, err
	}
	now, err := a.mine(c)
	if err != nil || !now.IngetrokkenSinds.IsZero() {
		return reply{body: now}, err
	}
	return a.through(c, central.WithdrawRequest{By: c.person, Request: now.ID, Note: v.Toelichting})
}

func (a *API) confirmDelivery(c *call) (reply, error) {
	number, wrong := strconv.Atoi(c.path["nummer"])
	now, err := a.mine(c)
	i := slices.IndexFunc(now.Leveringen, func(l levering) bool { return l.Nummer == number })
	switch {
	case err != nil:
		return reply{}, err
	case wrong != nil || i < 0:
		return reply{}, fault(central.CodeUnknown, "Dit deel is er niet.", "There is no such part.")
	case !now.Leveringen[i].Afgerond.IsZero():
		return reply{body: now}, nil
	}
	return a.through(c, central.ConfirmDelivery{By: c.person, Request: now.ID, Number: number})
}

func (a *API) confirmHandOver(c *call) (reply, error) {
	var v ontvangstbevestiging
	if err := c.take(&v); err != nil {
		return reply{}, err
	}
	if now, err := a.mine(c); err != nil || !now.OntvangstBevestigd.IsZero() {
		return reply{body: now}, err
	}
	return a.through(c, central.ConfirmHandOver{By: c.person, Request: protocol.RequestID(c.path["verzoek"]), Note: v.Opmerking})
}

// Bags.

func (a *API) recordDownload(c *call) (reply, error) {
	id, grant := protocol.RequestID(c.path["verzoek"]), protocol.GrantID(c.path["verstrekking"])
	recorded := func() (at time.Time) {
		a.Book.View(func(st *central.State) {
			if r := st.ClientRequest(c.client, id); r != nil {
				if _, err := st.Fetching(c.person, id, grant, c.now); err == nil {
					at = r.Fetched(c.person, grant).Time
				}
			}
		})
		return at
	}
	from := recorded() // a repeated call, whose answer was lost
	if from.IsZero() {
		if _, err := a.Book.Do(c.r.Context(), central.Through{Client: c.client, Command: central.RecordDownload{By: c.person, Request: id, Grant: grant}}); err != nil {
			return reply{}, err
		}
		from = recorded()
	}
	place := fmt.Sprintf("/verzoeken/%s/verstrekkingen/%s/bestand", id, grant)
	return reply{body: ophaling{Bestand: a.base + place, Tot: tijdstip{from.Add(central.FetchTerm)}}, location: place}, nil
}

// fetch gives a bag to the person who recorded to fetch it. It was decrypted and checked whole before its first byte goes out.
func (a *API) fetch(c *call) (reply, error) {
	id, grant := protocol.RequestID(c.path["verzoek"]), protocol.GrantID(c.path["verstrekking"])
	var released central.FootageReleased
	var camera protocol.CameraID
	var err error
	a.Book.View(func(st *central.State) {
		if st.ClientRequest(c.client, id) == nil {
			err = fault(central.CodeUnknown, "Dit verzoek is er niet, of niet voor uw organisatie.", "There is no such request, or not for your organisation.")
			return
		}
		var g *central.Grant
		if g, err = st.Fetching(c.person, id, grant, c.now); err == nil {
			released, camera = *g.Released, g.Camera
		}
	})
	if err != nil {
		return reply{}, err
	}
	f, size, err := vault.Unpack(c.r.Context(), a.Vault, a.Bags, released.Object, released.SHA256, released.Bag)
	if err != nil {
		return reply{}, err
	}
	h := c.w.Header()
	h.Set("Content-Type", c.op.media)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="beelden-%s-%s.zip"`, id, camera))
	return reply{stream: func(w io.Writer) error {
		defer func() {
			if err := f.Close(); err != nil {
				a.Log.Error("an opened bag could not be closed", "bag", released.Object, "err", err)
			}
		}()
		if c.r.Method == http.MethodHead {
			return nil
		}
		_, err := io.Copy(w, io.NewSectionReader(f, 0, size))
		return err
	}}, nil
}

func (a *API) colleagues(c *call) (reply, error) {
	var list medewerkerLijst
	var err error
	a.Book.View(func(st *central.State) {
		var people []*central.Person
		for _, p := range st.People() {
			if p.Unit == c.unit && c.unit != "" && slices.ContainsFunc(p.Posts, func(post central.Post) bool { return post.Role == central.Requester }) {
				people = append(people, p)
			}
		}
		people, list.bladwijzer, err = pageOf(a, c, people)
		list.Medewerkers = each(people, func(p *central.Person) medewerker {
			m := medewerker{ID: p.Person, Actief: st.Holds(p.Person, central.Requester, "", c.now)}
			for _, rules := range st.Unread(p.Person, c.now) {
				m.TeLezen = append(m.TeLezen, leesplicht{ID: rules.ID, Versie: rules.Version, Uiterlijk: at(st.ReadBy(rules))})
			}
			return m
		})
	})
	return reply{body: list}, err
}

// What the API says of itself.

func (a *API) fout(k kind, c *call) fout {
	return fout{Type: a.base + "/fouten/" + k.code, Title: c.lang.In(k.title), Code: k.code, Stand: k.status}
}

func (a *API) problems(c *call) (reply, error) {
	c.w.Header().Set("Content-Language", string(c.lang))
	return reply{body: foutLijst{Fouten: each(kinds, func(k kind) fout { return a.fout(k, c) })}}, nil
}

func (a *API) problem(c *call) (reply, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.code == c.path["code"] })
	if i < 0 {
		return reply{}, fault(central.CodeUnknown, "Deze soort fout is er niet.", "There is no such kind of problem.")
	}
	c.w.Header().Set("Content-Language", string(c.lang))
	return reply{body: a.fout(kinds[i], c)}, nil
}

func (a *API) describe(c *call) (reply, error) {
	h := c.w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	return reply{body: jsontext.Value(a.document)}, nil
}

// Lists.

func each[T, R any](list []T, f func(T) R) []R {
	out := make([]R, 0, len(list))
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}

// pageOf cuts out the page that is asked for, and says which it is.
func pageOf[T any](a *API, c *call, list []T) ([]T, bladwijzer, error) {
	return pageFrom(a, c, len(list), func(n int) iter.Seq[T] { return slices.Values(list[n:]) })
}

// pageFrom is pageOf a list that is not made whole: of so many, all but the first n.
func pageFrom[T any](a *API, c *call, total int, list func(n int) iter.Seq[T]) (here []T, b bladwijzer, err error) {
	b.Totaal = total
	if b.Pagina, err = c.number("pagina", 1); err != nil {
		return nil, b, err
	}
	if b.Aantal, err = c.number("aantal", perPage); err != nil {
		return nil, b, err
	}
	link := func(rel string, page int) string {
		query := c.r.URL.Query()
		query.Set("pagina", strconv.Itoa(page))
		address := a.base + strings.TrimPrefix(c.r.URL.EscapedPath(), "/v1") + "?" + query.Encode()
		c.w.Header().Add("Link", fmt.Sprintf("<%s>; rel=%q", address, rel))
		return address
	}
	from := min((b.Pagina-1)*b.Aantal, total)
	to := min(from+b.Aantal, total)
	if to < total {
		b.Volgende = link("next", b.Pagina+1)
	}
	if last := max(1, (total+b.Aantal-1)/b.Aantal); b.Pagina > 1 {
		b.Vorige = link("prev", min(b.Pagina-1, last))
	}
	for one := range list(from) {
		if len(here) == to-from {
			break
		}
		here = append(here, one)
	}
	return here, b, nil
}

// number is a query key that is a whole number from 1.
func (c *call) number(name string, without int) (int, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return without, nil
	}
	most := 1 << 30
	for _, k := range c.op.keys() {
		if k.name == name && k.most > 0 {
			most = k.most
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fault(central.CodeInvalid, fmt.Sprintf("%s is een heel getal van 1 tot en met %d.", name, most), fmt.Sprintf("%s is a whole number from 1 to %d.", name, most))
	}
	return n, nil
}
