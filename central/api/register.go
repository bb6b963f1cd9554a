package api

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The register: placements, protocols and besluiten; and the client's own organisation. A system of a chain partner sees what its people see at the desk: the cameras that are
// or were in use, and why they are there. How the municipality runs them, and what is still a draft, only its own systems see.

type plaatsing struct {
	_                 struct{}                `doc:"Een camera in het register."`
	ID                protocol.CameraID       `json:"id"`
	Naam              string                  `json:"naam"`
	Regime            protocol.Regime         `json:"regime"`
	Verantwoordelijke string                  `json:"verantwoordelijke" doc:"Wie verwerkingsverantwoordelijke is voor de beelden."`
	Stand             central.Status          `json:"stand"`
	Type              central.CameraType      `json:"type,omitempty"`
	Bevestiging       central.Mount           `json:"bevestiging,omitempty" doc:"Waar de camera aan hangt."`
	Bag               string                  `json:"bag,omitempty" doc:"Nummer van gebouw of adres in de BAG."`
	Breedtegraad      float64                 `json:"breedtegraad" doc:"WGS 84, graden."`
	Lengtegraad       float64                 `json:"lengtegraad" doc:"WGS 84, graden."`
	Plaats            string                  `json:"plaats" doc:"In woorden."`
	Richting          int                     `json:"richting" doc:"Graden vanaf het noorden, met de klok mee."`
	Hoek              int                     `json:"hoek,omitzero" doc:"Graden onder de horizon."`
	HoogteCm          int                     `json:"hoogteCm,omitzero"`
	Beeldvlak         []punt                  `json:"beeldvlak,omitempty" doc:"De veelhoek die de camera ziet."`
	Afgeschermd       string                  `json:"afgeschermd,omitempty" doc:"Wat in het beeld is afgedekt."`
	NietAfgeschermd   string                  `json:"nietAfgeschermd,omitempty" doc:"Of waarom dat niet nodig is."`
	Beeldkwaliteit    central.Quality         `json:"beeldkwaliteit,omitempty"`
	BeeldkwaliteitOm  string                  `json:"beeldkwaliteitOm,omitempty" doc:"Waarom zien wat iemand doet niet volstaat."`
	SlimmeFuncties    []central.SmartFunction `json:"slimmeFuncties,omitempty"`
	SlimmeFunctiesOm  string                  `json:"slimmeFunctiesOm,omitempty" doc:"Waarom beeld zonder slimme functies niet volstaat."`
	Doelen            []central.Purpose       `json:"doelen"`
	Grondslag         central.Basis           `json:"grondslag"`
	Subsidiariteit    string                  `json:"subsidiariteit" doc:"Waarom het niet minder ingrijpend kan."`
	Proportionaliteit string                  `json:"proportionaliteit" doc:"Waarom dit niet meer is dan nodig."`
	Besluit           string                  `json:"besluit,omitempty" doc:"Kenmerk; zie /besluiten."`
	Protocol          *protocolverwijzing     `json:"protocol,omitempty"`
	Bewaartermijn     string                  `json:"bewaartermijn,omitempty" doc:"ISO 8601, zoals P7D. Ontbreekt: nog nooit in gebruik."`
	Geluid            bool                    `json:"geluid"`
	GeluidOm          string                  `json:"geluidOm,omitempty" doc:"Waarom beeld alleen niet volstaat."`
	Bord              *bord                   `json:"bord,omitempty"`
	Publicatie        central.Publication     `json:"publicatie" doc:"Hoe precies de plaats openbaar is."`
	PublicatieOm      string                  `json:"publicatieOm,omitempty" doc:"Waarom minder dan precies."`
	Contact           string                  `json:"contact"`
	GeldigVan         tijdstip                `json:"geldigVan,omitzero"`
	GeldigTot         tijdstip                `json:"geldigTot,omitzero"`
	Gewijzigd         tijdstip                `json:"gewijzigd"`
	Beheer            *beheer                 `json:"beheer,omitempty" doc:"Alleen voor systemen van de gemeente zelf."`
}

type beheer struct {
	_                  struct{}            `doc:"Hoe de gemeente een camera beheert."`
	Geregistreerd      tijdstip            `json:"geregistreerd"`
	Bevestigd          tijdstip            `json:"bevestigd,omitzero" doc:"Wanneer het laatst is nagegaan of het register klopt."`
	Juist              bool                `json:"juist,omitzero" doc:"Toen klopte het."`
	BevestigenVoor     tijdstip            `json:"bevestigenVoor,omitzero"`
	Recorder           protocol.RecorderID `json:"recorder"`
	Beeldstromen       []protocol.StreamID `json:"beeldstromen"`
	OpslagLand         string              `json:"opslagLand,omitempty" doc:"ISO 3166-1."`
	OpslagPlaats       string              `json:"opslagPlaats,omitempty"`
	Verwerker          string              `json:"verwerker,omitempty" doc:"De organisatie die de beelden voor de gemeente verwerkt."`
	Verwerkersafspraak string              `json:"verwerkersafspraak,omitempty" doc:"Kenmerk van de overeenkomst."`
	Dpia               string              `json:"dpia,omitempty"`
	DpiaScore          int                 `json:"dpiaScore,omitzero"`
	GeluidDpia         string              `json:"geluidDpia,omitempty"`
	Maatregelen        []maatregel         `json:"maatregelen,omitempty" doc:"Die bij de score van de DPIA horen."`
	Selectielijst      string              `json:"selectielijst,omitempty" doc:"Code van het resultaat waarnaar de beelden worden vernietigd."`
	PersoneelInBeeld   *bool               `json:"personeelInBeeld,omitempty" doc:"Ontbreekt: nog niet beantwoord."`
	Ondernemingsraad   string              `json:"ondernemingsraad,omitempty" doc:"Kenmerk van de instemming."`
	OndernemingsraadOp tijdstip            `json:"ondernemingsraadOp,omitzero"`
	Eigenaren          []eigenaar          `json:"eigenaren" doc:"RASCI: voor elke letter een functie."`
	CameraInBeeld      string              `json:"cameraInBeeld,omitempty" doc:"Kenmerk in Camera in Beeld."`
	Ontbreekt          []string            `json:"ontbreekt,omitempty" doc:"Wat er nog moet voordat de camera in gebruik mag."`
}

type punt struct {
	_            struct{} `doc:"Een punt, WGS 84."`
	Breedtegraad float64  `json:"breedtegraad"`
	Lengtegraad  float64  `json:"lengtegraad"`
}

type bord struct {
	_              struct{}       `doc:"Hoe mensen vooraf weten dat er een camera is."`
	Geplaatst      tijdstip       `json:"geplaatst,omitzero"`
	Uitgezonderd   string         `json:"uitgezonderd,omitempty" doc:"Of waarom er geen bord staat."`
	Geluid         bool           `json:"geluid,omitzero" doc:"Het zegt dat er ook geluid wordt opgenomen."`
	Foto           *protocol.Hash `json:"foto,omitempty" doc:"SHA-256 van een foto van het bord."`
	FotoBewaardBij string         `json:"fotoBewaardBij,omitempty"`
}

type maatregel struct {
	_       struct{}        `doc:"Een maatregel die de score van een DPIA eist."`
	Code    central.Control `json:"code"`
	Genomen bool            `json:"genomen"`
}

type eigenaar struct {
	_      struct{} `doc:"Een letter van RASCI en van welke functie zij is."`
	Letter string   `json:"letter"`
	Rol    string   `json:"rol"`
	Wie    string   `json:"wie,omitempty" doc:"Een functie, geen persoon. Ontbreekt: nog niemand."`
}

type protocolverwijzing struct {
	_      struct{} `doc:"Een versie van een cameraprotocol."`
	ID     string   `json:"id"`
	Versie int      `json:"versie"`
}

type leesplicht struct {
	_         struct{} `doc:"Een versie van een cameraprotocol die een medewerker nog moet lezen."`
	ID        string   `json:"id"`
	Versie    int      `json:"versie"`
	Uiterlijk tijdstip `json:"uiterlijk,omitzero" doc:"Daarna kan de medewerker hier niets meer tot het gelezen is."`
}

// inner says whether a system is the municipality's own.
func (c *call) inner() bool { return c.unit == "" }

// seen are the placements that this system may see.
func (c *call) seen(p *central.Placement) bool { return p.Status != central.Draft || c.inner() }

func (c *call) newPlaatsing(st *central.State, p *central.Placement) plaatsing {
	v := plaatsing{ID: p.Camera, Naam: p.Name, Regime: p.Regime, Verantwoordelijke: st.ControllerOf(p.Regime).NL, Stand: p.StatusAt(c.now), Type: p.Type, Bevestiging: p.Mount, Bag: p.BAG,
		Breedtegraad: p.Position.Lat(), Lengtegraad: p.Position.Lon(), Plaats: p.Place, Richting: p.Direction, Hoek: p.Angle, HoogteCm: p.Height, Afgeschermd: p.Masks, NietAfgeschermd: p.NoMasks,
		Beeldkwaliteit: p.Quality, BeeldkwaliteitOm: p.QualityReason, SlimmeFuncties: p.Smart, SlimmeFunctiesOm: p.SmartReason, Doelen: p.Purposes, Grondslag: st.Ground(p),
		Subsidiariteit: p.Subsidiarity, Proportionaliteit: p.Proportionality, Besluit: p.Besluit.Reference, Geluid: p.Sound != central.Sound{}, GeluidOm: p.Sound.Reason,
		Publicatie: p.Publication, PublicatieOm: p.PublicationReason, Contact: p.Contact, GeldigVan: at(p.ValidFrom), GeldigTot: at(p.ValidTo), Gewijzigd: at(p.Changed)}
	for _, q := range p.View {
		v.Beeldvlak = append(v.Beeldvlak, punt{Breedtegraad: q.Lat(), Lengtegraad: q.Lon()})
	}
	if p.Protocol.ID != "" {
		v.Protocol = &protocolverwijzing{ID: p.Protocol.ID, Versie: p.Protocol.Version}
	}
	if w := p.Window(); w != 0 {
		v.Bewaartermijn = w.String()
	}
	if s := p.Sign; s != (central.Sign{}) {
		v.Bord = &bord{Geplaatst: at(s.Placed), Uitgezonderd: s.Exception, Geluid: s.Sound, Foto: hashed(&s.Photo), FotoBewaardBij: s.Kept}
	}
	if c.inner() {
		v.Beheer = newBeheer(st, p, c.now)
	}
	return v
}

func newBeheer(st *central.State, p *central.Placement, now time.Time) *beheer {
	b := &beheer{Geregistreerd: at(p.Registered), BevestigenVoor: at(st.ConfirmDue(p, now)), Recorder: p.Recorder, Beeldstromen: p.Streams, OpslagLand: p.Storage.Country, OpslagPlaats: p.Storage.Place,
		Verwerker: p.Processor, Dpia: p.DPIA, GeluidDpia: p.Sound.DPIA, Selectielijst: p.Selection, Ondernemingsraad: p.Council.Reference, OndernemingsraadOp: at(p.Council.Date), CameraInBeeld: p.CameraInBeeld}
	if c := p.Confirmed; c != nil {
		b.Bevestigd, b.Juist = at(c.At), c.Right
	}
	if u := st.Unit(p.Processor); u != nil {
		b.Verwerkersafspraak = u.Agreement
	}
	if d := st.DPIA(p.DPIA); d != nil {
		b.DpiaScore = d.Score
	}
	for _, control := range st.Needed(p, now) {
		b.Maatregelen = append(b.Maatregelen, maatregel{Code: control, Genomen: st.Meets(p, control, now)})
	}
	if p.FilmsStaff != "" {
		films := p.FilmsStaff == central.Yes
		b.PersoneelInBeeld = &films
	}
	for _, o := range p.Owners.Letters() {
		b.Eigenaren = append(b.Eigenaren, eigenaar{Letter: o.Letter, Rol: o.Words.NL, Wie: o.Who})
	}
	if p.Status != central.Removed {
		for _, r := range st.Lacks(p, now) {
			b.Ontbreekt = append(b.Ontbreekt, r.NL)
		}
	}
	return b
}

// hashed leaves out a hash that there is not.
func hashed(h *protocol.Hash) *protocol.Hash {
	if h.IsZero() {
		return nil
	}
	return h
}

type cameraprotocol struct {
	_                struct{}            `doc:"Een versie van de regels voor camera's van een soort."`
	ID               string              `json:"id"`
	Versie           int                 `json:"versie"`
	Titel            string              `json:"titel"`
	Regime           protocol.Regime     `json:"regime"`
	Doelen           []central.Purpose   `json:"doelen"`
	Grondslagen      []central.Basis     `json:"grondslagen,omitempty"`
	Bewaartermijn    string              `json:"bewaartermijn" doc:"ISO 8601, zoals P7D."`
	LangsteBewaring  string              `json:"langsteBewaring" doc:"ISO 8601: zo lang kan een verzoek beelden ten hoogste vasthouden."`
	Geluid           bool                `json:"geluid" doc:"Camera's onder dit protocol mogen geluid opnemen, elk om een eigen reden."`
	Kijken           central.ViewingForm `json:"kijken,omitempty"`
	Rollen           []central.Role      `json:"rollen,omitempty" doc:"Wie ermee werken, en het eerst lezen."`
	Bekijken         string              `json:"bekijken,omitempty" doc:"Hoe bekijken gaat."`
	Verstrekken      string              `json:"verstrekken,omitempty" doc:"Hoe verstrekken gaat."`
	Herkenbaarheid   string              `json:"herkenbaarheid,omitempty"`
	Beveiliging      string              `json:"beveiliging,omitempty" doc:"Niet openbaar."`
	Ondernemingsraad string              `json:"ondernemingsraad,omitempty" doc:"Kenmerk van de instemming."`
	VastgesteldDoor  string              `json:"vastgesteldDoor"`
	VastgesteldOp    tijdstip            `json:"vastgesteldOp"`
	Gepubliceerd     string              `json:"gepubliceerd" doc:"Waar: adres of kenmerk."`
	GeldigVan        tijdstip            `json:"geldigVan,omitzero"`
	GeldigTot        tijdstip            `json:"geldigTot,omitzero" doc:"De eigen einddag, of waarop de volgende versie begint."`
	Herzien          tijdstip            `json:"herzien,omitzero" doc:"Wanneer het opnieuw wordt bekeken."`
	LezenVoor        tijdstip            `json:"lezenVoor,omitzero" doc:"Tot dan kan wie ermee werkt dat zonder het gelezen te hebben."`
	Sha256           *protocol.Hash      `json:"sha256,omitempty" doc:"Van de vastgestelde tekst."`
	Bijlage          string              `json:"bijlage" doc:"Adres van de plaatsingen onder deze versie: de bijlage, zoals het register nu is."`
	Lezers           int                 `json:"lezers,omitzero" doc:"Zoveel mensen werken ermee. Alleen voor systemen van de gemeente zelf."`
	Gelezen          int                 `json:"gelezen,omitzero" doc:"Zoveel van hen bevestigden dat ze het lazen. Alleen voor systemen van de gemeente zelf."`
}

func (c *call) newProtocol(a *API, st *central.State, p *central.CameraProtocol) cameraprotocol {
	ref := central.ProtocolRef{ID: p.ID, Version: p.Version}
	v := cameraprotocol{ID: p.ID, Versie: p.Version, Titel: p.Title, Regime: p.Regime, Doelen: p.Purposes, Grondslagen: p.Bases, Bewaartermijn: p.Window.String(), LangsteBewaring: p.LongestHold.String(),
		Geluid: p.Sound, Kijken: p.Form, Rollen: p.Roles, Bekijken: p.Viewing, Verstrekken: p.Release, Herkenbaarheid: p.Recognisability, Beveiliging: p.Security, Ondernemingsraad: p.WorksCouncil,
		VastgesteldDoor: p.AdoptedBy, VastgesteldOp: at(p.AdoptedOn), Gepubliceerd: p.Published, GeldigVan: at(p.ValidFrom), GeldigTot: at(st.ProtocolUntil(p)), Herzien: at(p.Review),
		LezenVoor: at(st.ReadBy(p)), Sha256: hashed(&p.Document), Bijlage: a.base + "/plaatsingen?protocol=" + p.ID + "&versie=" + strconv.Itoa(p.Version)}
	if c.inner() {
		for _, reader := range st.Readers(p, c.now) {
			v.Lezers++
			if !st.Acknowledged(reader.Person, ref).IsZero() {
				v.Gelezen++
			}
		}
	}
	return v
}

type besluit struct {
	_            struct{}            `doc:"Het formele besluit achter plaatsingen."`
	Kenmerk      string              `json:"kenmerk"`
	Datum        tijdstip            `json:"datum"`
	Orgaan       string              `json:"orgaan" doc:"Wie besloot."`
	Gebied       string              `json:"gebied,omitempty"`
	Gepubliceerd string              `json:"gepubliceerd,omitempty" doc:"Waar het openbaar is gemaakt."`
	GeldigVan    tijdstip            `json:"geldigVan"`
	GeldigTot    tijdstip            `json:"geldigTot"`
	Evalueren    tijdstip            `json:"evalueren,omitzero" doc:"Voor wanneer wordt bekeken of het nog nodig is."`
	Ingetrokken  tijdstip            `json:"ingetrokken,omitzero"`
	OvjGehoord   tijdstip            `json:"ovjGehoord,omitzero" doc:"WPG: wanneer de officier van justitie is geraadpleegd."`
	LiveVan      tijdstip            `json:"liveVan,omitzero" doc:"WPG: de periode van live meekijken."`
	LiveTot      tijdstip            `json:"liveTot,omitzero"`
	Plaatsingen  []protocol.CameraID `json:"plaatsingen"`
}

func newBesluit(b central.Besluit) *besluit {
	return &besluit{Kenmerk: b.Reference, Datum: at(b.Date), Orgaan: b.Body, Gebied: b.Area, Gepubliceerd: b.Published, GeldigVan: at(b.ValidFrom), GeldigTot: at(b.ValidUntil),
		Evalueren: at(b.Evaluate), Ingetrokken: at(b.Withdrawn), OvjGehoord: at(b.Prosecutor), LiveVan: at(b.LiveFrom), LiveTot: at(b.LiveUntil)}
}

type organisatie struct {
	_                  struct{}         `doc:"Een organisatie en wat met haar is afgesproken."`
	ID                 string           `json:"id"`
	Naam               string           `json:"naam"`
	Soort              central.UnitKind `json:"soort"`
	Afspraak           string           `json:"afspraak" doc:"Kenmerk van convenant of overeenkomst."`
	Geldig             bool             `json:"geldig" doc:"De afspraak geldt nu. Zo niet, dan kan de organisatie hier niets."`
	GeldigVan          tijdstip         `json:"geldigVan,omitzero"`
	GeldigTot          tijdstip         `json:"geldigTot"`
	Herzien            tijdstip         `json:"herzien,omitzero" doc:"Wanneer de afspraak opnieuw wordt bekeken."`
	Model              string           `json:"model,omitempty" doc:"Versie van het model, bij een verwerker."`
	Partijen           string           `json:"partijen,omitempty"`
	Doelen             string           `json:"doelen,omitempty"`
	BijzondereGegevens string           `json:"bijzondereGegevens,omitempty"`
	Informeren         string           `json:"informeren,omitempty" doc:"Hoe betrokkenen worden geïnformeerd."`
	Verwerkingen       string           `json:"verwerkingen,omitempty"`
	Rechten            string           `json:"rechten,omitempty" doc:"Hoe betrokkenen hun rechten gebruiken."`
}

func newOrganisatie(u *central.Unit, now time.Time) organisatie {
	v := organisatie{ID: u.ID, Naam: u.Name, Soort: u.Kind, Afspraak: u.Agreement, Geldig: u.Valid(now), GeldigVan: at(u.ValidFrom), GeldigTot: at(u.ValidUntil), Herzien: at(u.Review), Model: u.Model,
		Partijen: u.Parties, Doelen: u.Goals, BijzondereGegevens: u.Special, Informeren: u.Informing, Verwerkingen: u.Processings, Rechten: u.Rights}
	if v.Soort == "" { // recorded before kinds were
		v.Soort = central.ChainPartner
	}
	return v
}

func (a *API) placements(c *call) (reply, error) {
	var list plaatsingLijst
	query := c.r.URL.Query()
	stand, regime, under := central.Status(query.Get("stand")), protocol.Regime(query.Get("regime")), query.Get("protocol")
	version, err := c.number("versie", 0)
	if err != nil {
		return reply{}, err
	}
	a.Book.View(func(st *central.State) {
		from := func(n int) (iter.Seq[*central.Placement], int) {
			switch {
			case stand != "":
				return st.WithStatus(stand, n, c.now)
			case c.inner():
				return st.CamerasFrom(n), st.CameraCount()
			}
			return st.KnownFrom(n)
		}
		those, total := from(0)
		var all []*central.Placement
		if regime == "" && under == "" && version == 0 && (stand != central.Draft || c.inner()) {
			all, list.bladwijzer, err = pageFrom(a, c, total, func(n int) iter.Seq[*central.Placement] { those, _ = from(n); return those })
		} else {
			all, list.bladwijzer, err = pageOf(a, c, slices.DeleteFunc(slices.Collect(those), func(p *central.Placement) bool {
				return !c.seen(p) || regime != "" && p.Regime != regime || under != "" && p.Protocol.ID != under || version != 0 && p.Protocol.Version != version
			}))
		}
		list.Plaatsingen = each(all, func(p *central.Placement) plaatsing { return c.newPlaatsing(st, p) })
	})
	return reply{body: list}, err
}

func (a *API) placement(c *call) (out reply, err error) {
	err = fault(central.CodeUnknown, "Deze plaatsing is er niet.", "There is no such placement.")
	a.Book.View(func(st *central.State) {
		if p := st.Placement(protocol.CameraID(c.path["plaatsing"])); p != nil && c.seen(p) {
			out, err = reply{body: c.newPlaatsing(st, p)}, nil
		}
	})
	return out, err
}

func (a *API) protocols(c *call) (reply, error) {
	var list protocolLijst
	var err error
	a.Book.View(func(st *central.State) {
		var all []*central.CameraProtocol
		all, list.bladwijzer, err = pageOf(a, c, slices.Clone(st.Protocols()))
		list.Protocollen = each(all, func(p *central.CameraProtocol) cameraprotocol { return c.newProtocol(a, st, p) })
	})
	return reply{body: list}, err
}

// version is the version of a protocol that the path names.
func (c *call) version() (ref central.ProtocolRef) {
	ref.ID = c.path["protocol"]
	if n, err := strconv.Atoi(c.path["versie"]); err == nil { // else there is no such version
		ref.Version = n
	}
	return ref
}

func (a *API) protocol(c *call) (out reply, err error) {
	err = fault(central.CodeUnknown, "Deze versie is er niet.", "There is no such version.")
	a.Book.View(func(st *central.State) {
		if p := st.Protocol(c.version()); p != nil {
			out, err = reply{body: c.newProtocol(a, st, p)}, nil
		}
	})
	return out, err
}

// acknowledge records that a person has read a version and will act by it. Repeated, it is nothing.
func (a *API) acknowledge(c *call) (out reply, err error) {
	if _, err := a.Book.Do(c.r.Context(), central.Through{Client: c.client, Command: central.AcknowledgeProtocol{By: c.person, Protocol: c.version()}}); err != nil {
		return reply{}, err
	}
	a.Book.View(func(st *central.State) {
		out.body = lezing{Protocol: protocolverwijzing{ID: c.version().ID, Versie: c.version().Version}, Medewerker: c.person, Op: at(st.Acknowledged(c.person, c.version()))}
	})
	return out, nil
}

type lezing struct {
	_          struct{}           `doc:"Een medewerker heeft een protocol gelezen en handelt ernaar."`
	Protocol   protocolverwijzing `json:"protocol"`
	Medewerker protocol.PersonID  `json:"medewerker"`
	Op         tijdstip           `json:"op"`
}

func (a *API) besluiten(c *call) (reply, error) {
	var list besluitLijst
	var err error
	a.Book.View(func(st *central.State) {
		var all []*besluit
		known := map[central.Besluit]*besluit{}
		for _, p := range st.Placements() {
			if p.Besluit == (central.Besluit{}) || !c.seen(p) {
				continue
			}
			b := known[p.Besluit]
			if b == nil {
				b = newBesluit(p.Besluit)
				known[p.Besluit] = b
				all = append(all, b)
			}
			b.Plaatsingen = append(b.Plaatsingen, p.Camera)
		}
		slices.SortStableFunc(all, func(a, b *besluit) int { return strings.Compare(a.Kenmerk, b.Kenmerk) })
		all, list.bladwijzer, err = pageOf(a, c, all)
		list.Besluiten = each(all, func(b *besluit) besluit { return *b })
	})
	return reply{body: list}, err
}

// organisations is a list of one, the client's own: of another nothing is said here.
func (a *API) organisations(c *call) (reply, error) {
	var list organisatieLijst
	var err error
	a.Book.View(func(st *central.State) {
		var own []*central.Unit
		if u := st.Unit(c.unit); u != nil {
			own = append(own, u)
		}
		own, list.bladwijzer, err = pageOf(a, c, own)
		list.Organisaties = each(own, func(u *central.Unit) organisatie { return newOrganisatie(u, c.now) })
	})
	return reply{body: list}, err
}

func (a *API) organisation(c *call) (out reply, err error) {
	err = fault(central.CodeUnknown, "Deze organisatie is er niet, of is niet de uwe.", "There is no such organisation, or it is not yours.")
	a.Book.View(func(st *central.State) {
		if u := st.Unit(c.unit); u != nil && u.ID == c.path["organisatie"] {
			out, err = reply{body: newOrganisatie(u, c.now)}, nil
		}
	})
	return out, err
}
