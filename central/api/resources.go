package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// What goes over the line. The types have the interface's Dutch names, their fields as well; the schemas in openapi.json are read from them.

// tijdstip is a moment: RFC 3339, any offset coming in, UTC going out.
type tijdstip struct{ time.Time }

func (t *tijdstip) UnmarshalText(b []byte) error {
	at, err := time.Parse(time.RFC3339, strings.ToUpper(string(b)))
	if err != nil {
		return fmt.Errorf("%.40q is no moment like 2026-11-21T14:30:00Z", b)
	}
	t.Time = protocol.T(at).Time
	return nil
}

func (t *tijdstip) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' {
		return fmt.Errorf("%.40s is no moment like \"2026-11-21T14:30:00Z\"", b)
	}
	return t.UnmarshalText(b[1 : len(b)-1])
}

func (t tijdstip) MarshalJSON() ([]byte, error) {
	return []byte(`"` + protocol.T(t.Time).String() + `"`), nil
}

func at(t protocol.Time) tijdstip { return tijdstip{t.Time} }

type tijdvak struct {
	_   struct{} `doc:"Een tijdvak: van hoort erbij, tot niet."`
	Van tijdstip `json:"van"`
	Tot tijdstip `json:"tot"`
}

func span(i protocol.Interval) *tijdvak {
	if i.IsZero() {
		return nil
	}
	return &tijdvak{Van: tijdstip{i.From}, Tot: tijdstip{i.To}}
}

func (t *tijdvak) interval() protocol.Interval {
	if t == nil {
		return protocol.Interval{}
	}
	return protocol.Span(t.Van.Time, t.Tot.Time)
}

// vraag is what is asked: what a system sends, and gets back.
type vraag struct {
	_                 struct{}            `doc:"Wat er wordt gevraagd en waarom."`
	Soort             central.RequestKind `json:"soort" doc:"Wat een politiesysteem kan vragen: vordering, wpg-release, preservation of consent."`
	Artikel           central.Article     `json:"artikel,omitempty" doc:"Bij een vordering of een bevel tot bewaren: de grond."`
	Bevoegde          string              `json:"bevoegde,omitempty" doc:"Bij een vordering: wie vordert, in functie."`
	Machtiging        string              `json:"machtiging,omitempty" doc:"Kenmerk van de machtiging van de rechter-commissaris, waar het artikel die eist."`
	GevorderdOp       tijdstip            `json:"gevorderdOp,omitzero" doc:"Datum van de vordering; verplicht bij toekomstige gegevens."`
	UitgesprokenOp    tijdstip            `json:"uitgesprokenOp,omitzero" doc:"Alleen bij een mondelinge vordering: wanneer zij werd uitgesproken. De schriftelijke volgt binnen drie dagen."`
	Aanduiding        string              `json:"aanduiding,omitempty" doc:"De persoon of de nauwkeurigste aanduiding, waar de vordering die noemt."`
	Wijze             string              `json:"wijze,omitempty" doc:"Hoe de beelden te geven zijn, waar de vordering dat zegt."`
	Uiterlijk         tijdstip            `json:"uiterlijk,omitzero" doc:"Wanneer uiterlijk, waar de vordering dat zegt."`
	Cameras           []protocol.CameraID `json:"cameras" doc:"Nummers van plaatsingen, ten hoogste 32."`
	Tijdvak           *tijdvak            `json:"tijdvak,omitempty" doc:"Wat er wordt gevraagd, ten hoogste 24 uur. Ontbreekt alleen bij toekomstige gegevens."`
	Periode           *tijdvak            `json:"periode,omitempty" doc:"Bij toekomstige gegevens (126ne): ten hoogste vier weken na de vordering. De beelden komen in delen."`
	Onmiddellijk      bool                `json:"onmiddellijk,omitzero" doc:"Bij toekomstige gegevens: meteen te geven, met machtiging van de rechter-commissaris."`
	BewarenTot        tijdstip            `json:"bewarenTot,omitzero" doc:"Bij preservation: tot wanneer, volgens het bevel."`
	Stuk              *stuk               `json:"stuk,omitempty" doc:"Van een schriftelijke vordering: de vingerafdruk en waar zij ligt."`
	Kenmerk           string              `json:"kenmerk" doc:"Registratienummer bij de aanvrager."`
	Noodzaak          string              `json:"noodzaak" doc:"Waarom deze beelden nodig zijn."`
	MogelijkGewist    bool                `json:"mogelijkGewist,omitzero" doc:"De aanvrager weet dat een deel buiten de bewaartermijn valt en waarschijnlijk gewist is."`
	ToestemmingVan    []string            `json:"toestemmingVan,omitempty" doc:"Bij consent: waar elke ondertekende verklaring wordt bewaard."`
	ToestemmingIeders bool                `json:"toestemmingIeders,omitzero" doc:"Bij consent: iedereen die herkenbaar is heeft toestemming gegeven."`
}

func (v vraag) facts() central.RequestFacts {
	f := central.RequestFacts{Kind: v.Soort, Article: v.Artikel, Authority: v.Bevoegde, Leave: v.Machtiging, Demanded: protocol.T(v.GevorderdOp.Time), Said: protocol.T(v.UitgesprokenOp.Time),
		Indicated: v.Aanduiding, Manner: v.Wijze, Deadline: protocol.T(v.Uiterlijk.Time), Cameras: v.Cameras, Asked: v.Tijdvak.interval(),
		Reference: v.Kenmerk, Necessity: v.Noodzaak, MayBeGone: v.MogelijkGewist, Period: v.Periode.interval(), Immediate: v.Onmiddellijk, Until: protocol.T(v.BewarenTot.Time)}
	if v.Stuk != nil {
		f.Paper = &central.WrittenLater{Document: v.Stuk.Sha256, Kept: v.Stuk.BewaardBij}
	}
	if v.Soort == central.ByConsent {
		f.Consent = &central.Consent{Statements: v.ToestemmingVan, Everyone: v.ToestemmingIeders}
	}
	return f
}

func asked(f central.RequestFacts) vraag {
	v := vraag{Soort: f.Kind, Artikel: f.Article, Bevoegde: f.Authority, Machtiging: f.Leave, GevorderdOp: at(f.Demanded), UitgesprokenOp: at(f.Said), Aanduiding: f.Indicated, Wijze: f.Manner,
		Uiterlijk: at(f.Deadline), Cameras: f.Cameras, Tijdvak: span(f.Asked), Kenmerk: f.Reference, Noodzaak: f.Necessity, MogelijkGewist: f.MayBeGone,
		Periode: span(f.Period), Onmiddellijk: f.Immediate, BewarenTot: at(f.Until)}
	if f.Paper != nil {
		v.Stuk = &stuk{Sha256: f.Paper.Document, BewaardBij: f.Paper.Kept}
	}
	if f.Consent != nil {
		v.ToestemmingVan, v.ToestemmingIeders = f.Consent.Statements, f.Consent.Everyone
	}
	return v
}

type verzoek struct {
	_                  struct{}              `doc:"Een verzoek om beelden en wat ervan is geworden."`
	ID                 protocol.RequestID    `json:"id"`
	Stand              central.RequestStatus `json:"stand"`
	Regime             protocol.Regime       `json:"regime" doc:"AVG: de gemeente toetst en beslist. WPG: de politie zelf."`
	Vraag              vraag                 `json:"vraag"`
	Ingediend          tijdstip              `json:"ingediend"`
	Aanvrager          protocol.PersonID     `json:"aanvrager" doc:"Wie nu de aanvrager is, met het nummer dat de gemeente gaf."`
	EerdereAanvragers  []protocol.PersonID   `json:"eerdereAanvragers,omitempty" doc:"Van wie het verzoek is overgenomen."`
	Ontvanger          string                `json:"ontvanger,omitempty" doc:"De organisatie die ontvangt."`
	Systeem            central.ClientID      `json:"systeem,omitempty" doc:"Het systeem dat indiende en voor de aanvrager instaat. Ontbreekt: aan het bureau ingediend."`
	SchriftelijkVoor   tijdstip              `json:"schriftelijkVoor,omitzero" doc:"Bij een mondelinge vordering: wanneer de schriftelijke er moet zijn."`
	SchriftelijkSinds  tijdstip              `json:"schriftelijkSinds,omitzero"`
	SchriftelijkStuk   *stuk                 `json:"schriftelijkStuk,omitempty" doc:"Het stuk dat op de mondelinge vordering volgde."`
	NietBevestigdOp    tijdstip              `json:"nietBevestigdOp,omitzero" doc:"Wanneer is vastgesteld dat de mondelinge vordering niet op tijd schriftelijk was: dat is een incident."`
	Toetsing           *toetsing             `json:"toetsing,omitempty"`
	Bewaringen         []bewaring            `json:"bewaringen"`
	Beslissing         *beslissing           `json:"beslissing,omitempty"`
	Verstrekkingen     []verstrekking        `json:"verstrekkingen"`
	IngetrokkenSinds   tijdstip              `json:"ingetrokkenSinds,omitzero" doc:"De aanvrager trok het verzoek in."`
	Verlengingen       []verlenging          `json:"verlengingen,omitempty"`
	Leveringen         []levering            `json:"leveringen,omitempty"`
	ToestemmingGestopt tijdstip              `json:"toestemmingGestopt,omitzero" doc:"Iemand die herkenbaar is trok de toestemming in."`
	OntvangstBevestigd tijdstip              `json:"ontvangstBevestigd,omitzero"`
	Verloop            []gebeurtenis         `json:"verloop" doc:"Wat er gebeurde, het oudste eerst."`
}

type toetsing struct {
	_            struct{}           `doc:"De toetsing door een behandelaar."`
	Op           tijdstip           `json:"op"`
	Volledig     bool               `json:"volledig"`
	Noodzakelijk bool               `json:"noodzakelijk"`
	Opmerking    string             `json:"opmerking,omitempty"`
	Nagegaan     []central.Verified `json:"nagegaan,omitempty"`
}

type gebeurtenis struct {
	_           struct{}          `doc:"Een regel uit het verloop van een verzoek."`
	Op          tijdstip          `json:"op"`
	Wat         string            `json:"wat" doc:"De gebeurtenis, zoals het grootboek haar noemt."`
	Woorden     string            `json:"woorden" doc:"De gebeurtenis, voor een mens."`
	Toelichting string            `json:"toelichting,omitempty"`
	Medewerker  protocol.PersonID `json:"medewerker,omitempty" doc:"Wie van de eigen organisatie dit deed. Wie toetst en beslist wordt niet genoemd."`
	Systeem     central.ClientID  `json:"systeem,omitempty" doc:"Het systeem waardoor."`
	Regel       int               `json:"regel" doc:"Nummer in het grootboek."`
}

type toegang struct {
	_            struct{}            `doc:"Een toegang tot beelden, zoals de recorder die opschreef voordat er iets werd gelezen."`
	Recorder     protocol.RecorderID `json:"recorder"`
	Logboek      int                 `json:"logboek,omitempty" doc:"Nummer van dat logboek, als het een opvolger is van een logboek dat werd teruggezet; anders ontbreekt het."`
	Regel        int                 `json:"regel" doc:"Nummer in het logboek van de recorder."`
	Op           tijdstip            `json:"op"`
	Handeling    string              `json:"handeling" doc:"release: verstrekken; playback: terugkijken; live."`
	Camera       protocol.CameraID   `json:"camera"`
	Tijdvak      *tijdvak            `json:"tijdvak,omitempty"`
	Verstrekking protocol.GrantID    `json:"verstrekking"`
	Niveau       protocol.Level      `json:"niveau"`
	ZonderGrond  string              `json:"zonderGrond,omitempty" doc:"Wat eraan ontbreekt; ontbreekt dit veld, dan hoort de toegang bij de toestemming."`
}

type bewaring struct {
	_           struct{}          `doc:"De opdracht aan een recorder om beelden te bewaren zolang het verzoek loopt."`
	ID          protocol.HoldID   `json:"id"`
	Camera      protocol.CameraID `json:"camera"`
	Stand       holdState         `json:"stand"`
	Grond       protocol.Ground   `json:"grond"`
	Tijdvak     *tijdvak          `json:"tijdvak,omitempty" doc:"Zoals gevraagd."`
	Gevraagd    tijdstip          `json:"gevraagd"`
	Bevestigd   tijdstip          `json:"bevestigd,omitzero"`
	TeLaat      bool              `json:"teLaat,omitzero" doc:"De recorder bevestigde niet binnen vijf minuten: de gemeente heeft een alarm."`
	BewaardTot  tijdstip          `json:"bewaardTot"`
	Afgerond    *tijdvak          `json:"afgerond,omitempty" doc:"Zoals het wordt verstrekt: naar buiten afgerond op hele stukken."`
	Stukken     int               `json:"stukken" doc:"Zoveel stukken beeld. 0 terwijl de bewaring bevestigd is: er zijn geen beelden."`
	Bytes       int               `json:"bytes"`
	Wortel      *protocol.Hash    `json:"wortel,omitempty" doc:"Van de lijst van stukken (RFC 6962), zoals de recorder die in zijn logboek schreef."`
	Ondertekend int               `json:"ondertekend,omitzero" doc:"Zoveel goedkeurders tekenden ervoor om langer te bewaren."`
	Vervangen   bool              `json:"vervangen,omitzero" doc:"Hoort bij de vraag van voor een wijziging."`
	WaaromNiet  string            `json:"waaromNiet,omitempty" doc:"Waarom de recorder weigerde."`
}

type beslissing struct {
	_            struct{}        `doc:"De beslissing op een verzoek."`
	Uitkomst     central.Outcome `json:"uitkomst"`
	Reden        central.Reason  `json:"reden"`
	Motivering   string          `json:"motivering"`
	Op           tijdstip        `json:"op"`
	Namens       string          `json:"namens" doc:"In wiens naam is beslist."`
	Mandaat      string          `json:"mandaat,omitempty" doc:"Op grond waarvan de goedkeurder mocht beslissen."`
	Geraadpleegd string          `json:"geraadpleegd,omitempty" doc:"Dat de privacy officer is geraadpleegd, en waar het advies is."`
	Goedgekeurd  []goedgekeurd   `json:"goedgekeurd,omitempty"`
	Beperking    string          `json:"beperking,omitempty" doc:"Waarvoor de beelden mogen worden gebruikt, en nergens anders voor."`
	Niet         []nietVerstrekt `json:"niet,omitempty"`
}

type goedgekeurd struct {
	_       struct{}          `doc:"Wat van een camera is toegekend, afgerond op hele stukken."`
	Camera  protocol.CameraID `json:"camera"`
	Tijdvak *tijdvak          `json:"tijdvak,omitempty"`
}

type verstrekking struct {
	_          struct{}          `doc:"Een toestemming om beelden van een camera te verstrekken, en het pakket."`
	ID         protocol.GrantID  `json:"id"`
	Camera     protocol.CameraID `json:"camera"`
	Tijdvak    *tijdvak          `json:"tijdvak,omitempty"`
	Stand      grantState        `json:"stand"`
	Niveau     protocol.Level    `json:"niveau" doc:"Wie er zelf tekende."`
	Afgegeven  tijdstip          `json:"afgegeven"`
	GeldigTot  tijdstip          `json:"geldigTot" doc:"Tot dan kan de recorder het pakket maken."`
	KlaarSinds tijdstip          `json:"klaarSinds,omitzero"`
	OphalenTot tijdstip          `json:"ophalenTot,omitzero"`
	Sha256     *protocol.Hash    `json:"sha256,omitempty" doc:"Van het pakket, zoals de recorder het in zijn logboek schreef."`
	Manifest   *protocol.Hash    `json:"manifest,omitempty" doc:"SHA-256 van het manifest in het pakket."`
	Bytes      int               `json:"bytes"`
	Stukken    int               `json:"stukken"`
	Gaten      int               `json:"gaten" doc:"Onderbrekingen; de reden staat in het pakket."`
	Opgehaald  bool              `json:"opgehaald"`
	Ophalingen []opgehaald       `json:"ophalingen,omitempty"`
	WaaromNiet string            `json:"waaromNiet,omitempty"`
}

type opgehaald struct {
	_          struct{}          `doc:"Een keer dat een medewerker het pakket ophaalde."`
	Medewerker protocol.PersonID `json:"medewerker"`
	Op         tijdstip          `json:"op"`
}

type (
	holdState  string
	grantState string
)

// grantStates are what becomes of a grant, in the ledger's terms.
var grantStates = []coded{
	{"pending", central.Words{NL: "onderweg: de recorder maakt het pakket"}}, {"ready", central.Words{NL: "klaar om op te halen"}},
	{"failed", central.Words{NL: "mislukt, de recorder probeert het niet meer"}}, {"refused", central.Words{NL: "de recorder weigert"}},
	{"void", central.Words{NL: "vervallen: er moet opnieuw worden beslist"}},
}

// coded is a code that an answer can carry.
type coded struct {
	Code  string
	Words central.Words
}

func words[T interface {
	~string
	Words() central.Words
}](list []T) (out []coded) {
	for _, v := range list {
		if !slices.ContainsFunc(out, func(c coded) bool { return c.Code == string(v) }) {
			out = append(out, coded{string(v), v.Words()})
		}
	}
	return out
}

// codes are the values of the coded types, for the document.
var codes = map[reflect.Type][]coded{
	reflect.TypeFor[central.RequestKind]():   words(central.RequestKinds),
	reflect.TypeFor[central.RequestStatus](): words(central.RequestStatuses),
	reflect.TypeFor[central.Status]():        words(central.Statuses),
	reflect.TypeFor[central.Publication]():   words(central.Publications),
	reflect.TypeFor[central.Purpose]():       words(central.Purposes),
	reflect.TypeFor[central.Reason]():        words(slices.Concat([]central.Reason{central.Complies}, central.RefusalReasons, central.EndReasons)),
	reflect.TypeFor[central.Outcome]():       {{string(central.Grants), central.Words{NL: "toegekend"}}, {string(central.Partly), central.Words{NL: "deels toegekend"}}, {string(central.Ends), central.Words{NL: "bewaren beëindigd"}}, {string(central.Refuses), central.Words{NL: "afgewezen"}}},
	reflect.TypeFor[central.Verified]():      words(central.Verifications),
	reflect.TypeFor[central.CameraType]():    words(central.CameraTypes),
	reflect.TypeFor[central.Mount]():         words(central.Mounts),
	reflect.TypeFor[central.Quality]():       words(central.Qualities),
	reflect.TypeFor[central.SmartFunction](): words(central.SmartFunctions),
	reflect.TypeFor[central.Basis]():         words(each(central.Bases, func(l central.BasisLaw) central.Basis { return l.Code })),
	reflect.TypeFor[central.ViewingForm]():   words(central.ViewingForms),
	reflect.TypeFor[central.Role]():          words(central.ProtocolUsers),
	reflect.TypeFor[central.Control]():       words(central.Controls),
	reflect.TypeFor[central.UnitKind]():      words(central.UnitKinds),
	reflect.TypeFor[protocol.Ground]():       grounds(),
	reflect.TypeFor[protocol.Level]():        {{string(protocol.LevelPersons), central.Words{NL: "behandelaar en goedkeurder tekenden zelf"}}, {string(protocol.LevelCentre), central.Words{NL: "alleen de centrale staat ervoor in; dat is niet bestand tegen een kwaadwillende centrale"}}},
	reflect.TypeFor[protocol.Regime]():       {{string(protocol.AVG), central.Words{NL: "gebouwen en eigendommen, de gemeente is verantwoordelijk"}}, {string(protocol.WPG), central.Words{NL: "openbare orde, de korpschef is verantwoordelijk"}}},
	reflect.TypeFor[central.Article]():       articles(),
	reflect.TypeFor[holdState]():             {{"asked", central.Words{NL: "gevraagd"}}, {"confirmed", central.Words{NL: "bevestigd door de recorder"}}, {"refused", central.Words{NL: "geweigerd door de recorder"}}, {"lifted", central.Words{NL: "opgeheven"}}},
	reflect.TypeFor[grantState]():            grantStates,
}

func articles() (out []coded) {
	add := func(code central.Article, title central.Words) {
		if !slices.ContainsFunc(out, func(c coded) bool { return c.Code == string(code) }) { // the law's tables are dated: an article may have several rows
			out = append(out, coded{string(code), title})
		}
	}
	for _, law := range central.Articles {
		add(law.Code, law.Title)
	}
	for _, law := range central.Preservations {
		add(law.Code, law.Title)
	}
	return out
}

func grounds() (out []coded) {
	for _, g := range []protocol.Ground{protocol.GroundRequest, protocol.GroundProvisional, protocol.GroundPreservation, protocol.GroundCourt} {
		out = append(out, coded{string(g), central.GroundWords(g)})
	}
	return out
}

// newVerzoek is a request as its own unit sees it. Of people it names those of the unit who asked or fetched; not who checks and decides.
func newVerzoek(r *central.Request, now time.Time) verzoek {
	v := verzoek{ID: r.ID, Stand: r.Status, Regime: r.Regime, Vraag: asked(r.RequestFacts), Ingediend: at(r.Filed), Aanvrager: r.Requester, Systeem: r.History[0].Via, SchriftelijkVoor: at(r.OralDue()),
		EerdereAanvragers: r.Before, Ontvanger: r.Unit, NietBevestigdOp: at(r.Overdue), Bewaringen: []bewaring{}, Verstrekkingen: []verstrekking{}}
	own := append([]protocol.PersonID{r.Requester}, r.Before...)
	for _, d := range r.Downloads {
		own = append(own, d.By)
	}
	for _, m := range r.History {
		g := gebeurtenis{Op: at(m.At), Wat: m.Name, Woorden: central.EventWords(m.Name).NL, Toelichting: m.Note, Systeem: m.Via, Regel: int(m.Seq)}
		if slices.Contains(own, m.By) {
			g.Medewerker = m.By
		}
		v.Verloop = append(v.Verloop, g)
	}
	if c := r.Check; c != nil {
		v.Toetsing = &toetsing{Op: at(c.At), Volledig: c.Complete, Noodzakelijk: c.Necessary, Opmerking: c.Remark, Nagegaan: c.Verified}
	}
	if r.Written != nil {
		v.SchriftelijkSinds = at(r.Written.At)
		if r.Written.WrittenLater != (central.WrittenLater{}) { // else it was erased
			v.SchriftelijkStuk = &stuk{Sha256: r.Written.Document, BewaardBij: r.Written.Kept}
		}
	}
	if r.Withdrawn != nil {
		v.ToestemmingGestopt = at(r.Withdrawn.At)
	}
	if r.HandedOver != nil {
		v.OntvangstBevestigd = at(r.HandedOver.At)
	}
	if r.TakenBack != nil {
		v.IngetrokkenSinds = at(r.TakenBack.At)
	}
	for _, n := range r.Renewals {
		v.Verlengingen = append(v.Verlengingen, verlenging{Kenmerk: n.Reference, Datum: at(n.Demanded), Tot: at(n.Until)})
	}
	for _, d := range r.Deliveries {
		v.Leveringen = append(v.Leveringen, levering{Nummer: d.Number, Cameras: d.Cameras, Klaargezet: at(d.At), Tijdvak: span(d.Asked), Toegekend: at(d.ApprovedAt), Afgerond: at(d.Done), Pakketten: each(r.DeliveryGrants(d), (*central.Grant).GrantID)})
	}
	for _, h := range r.Holds {
		b := bewaring{ID: h.HoldID(), Camera: h.Camera, Stand: holdState(h.State()), Grond: h.Ground, Tijdvak: span(h.Asked), Gevraagd: at(h.Issued), BewaardTot: at(h.End), Ondertekend: len(h.Approvers),
			TeLaat: h.Late(now), Vervangen: h.Replaced, WaaromNiet: h.Refused}
		if h.Confirmed != nil {
			b.Bevestigd, b.Stukken, b.Bytes, b.Wortel, b.BewaardTot = at(h.At), h.Confirmed.Segments, int(h.Confirmed.Bytes), &h.Confirmed.Root, at(h.Confirmed.End)
			if b.Stukken > 0 {
				b.Afgerond = span(h.Rounded())
			}
		}
		v.Bewaringen = append(v.Bewaringen, b)
	}
	if d := r.Decision; d != nil {
		v.Beslissing = &beslissing{Uitkomst: d.Outcome, Reden: d.Reason, Motivering: d.Motivation, Op: at(d.At), Beperking: d.Restriction,
			Namens: central.InNameOf(r.Regime).NL, Mandaat: d.Mandate, Geraadpleegd: d.Consulted}
		for _, p := range d.Approved {
			v.Beslissing.Goedgekeurd = append(v.Beslissing.Goedgekeurd, goedgekeurd{Camera: p.Camera, Tijdvak: span(p.Interval)})
		}
		for _, p := range d.Parts {
			v.Beslissing.Niet = append(v.Beslissing.Niet, nietVerstrekt{Camera: p.Camera, Beperkt: span(p.Narrowed), Reden: p.Reason, Motivering: p.Motivation})
		}
	}
	for _, g := range r.Grants {
		v.Verstrekkingen = append(v.Verstrekkingen, newVerstrekking(r, g))
	}
	return v
}

func newVerstrekking(r *central.Request, g *central.Grant) verstrekking {
	v := verstrekking{ID: g.GrantID(), Camera: g.Camera, Tijdvak: span(g.Interval), Stand: "pending", Niveau: g.Level, Afgegeven: at(g.Issued), GeldigTot: at(g.NotAfter)}
	for _, d := range r.Downloads {
		if d.Grant == g.GrantID() {
			v.Ophalingen = append(v.Ophalingen, opgehaald{Medewerker: d.By, Op: at(d.At)})
		}
	}
	v.Opgehaald = len(v.Ophalingen) > 0
	switch {
	case g.Voided != nil:
		v.Stand, v.WaaromNiet = "void", g.Voided.Why.Words().NL
	case g.Refused != "":
		v.Stand, v.WaaromNiet = "refused", g.Refused
	case g.Released != nil:
		v.Stand, v.KlaarSinds, v.OphalenTot = "ready", at(g.At), tijdstip{g.At.Add(protocol.HandOverTerm)}
		v.Sha256, v.Manifest, v.Bytes, v.Stukken, v.Gaten = &g.Released.Bag, &g.Released.Manifest, int(g.Released.Size), g.Released.Segments, g.Released.Gaps
	case g.Failed != "" && g.Final:
		v.Stand, v.WaaromNiet = "failed", g.Failed
	}
	return v
}

// Pages of a list.

type verzoekLijst struct {
	_         struct{}  `doc:"Een pagina van de verzoeken van de eigen organisatie, de nieuwste eerst."`
	Verzoeken []verzoek `json:"verzoeken"`
	bladwijzer
}

type plaatsingLijst struct {
	_           struct{}    `doc:"Een pagina van de plaatsingen, op nummer."`
	Plaatsingen []plaatsing `json:"plaatsingen"`
	bladwijzer
}

type protocolLijst struct {
	_           struct{}         `doc:"Een pagina van de cameraprotocollen, alle versies."`
	Protocollen []cameraprotocol `json:"protocollen"`
	bladwijzer
}

type besluitLijst struct {
	_         struct{}  `doc:"Een pagina van de besluiten achter de plaatsingen."`
	Besluiten []besluit `json:"besluiten"`
	bladwijzer
}

type medewerkerLijst struct {
	_           struct{}     `doc:"Een pagina van de aanvragers van de eigen organisatie."`
	Medewerkers []medewerker `json:"medewerkers"`
	bladwijzer
}

type organisatieLijst struct {
	_            struct{}      `doc:"De eigen organisatie, met haar afspraak."`
	Organisaties []organisatie `json:"organisaties"`
	bladwijzer
}

type toegangLijst struct {
	_         struct{}  `doc:"Een pagina van de toegangen tot de beelden van een verzoek: eerst die zonder grond, dan de nieuwste."`
	Toegangen []toegang `json:"toegangen"`
	bladwijzer
}

type foutLijst struct {
	_      struct{} `doc:"Alle soorten fouten."`
	Fouten []fout   `json:"fouten"`
}

// bladwijzer says which page of a list this is.
type bladwijzer struct {
	Pagina   int    `json:"pagina" doc:"Deze pagina; de eerste is 1."`
	Aantal   int    `json:"aantal" doc:"Ten hoogste zoveel per pagina."`
	Totaal   int    `json:"totaal" doc:"Zoveel zijn er in alle pagina's samen."`
	Volgende string `json:"volgende,omitempty" doc:"Adres van de volgende pagina; ontbreekt op de laatste."`
	Vorige   string `json:"vorige,omitempty" doc:"Adres van de vorige pagina; ontbreekt op de eerste."`
}

type medewerker struct {
	_       struct{}          `doc:"Een aanvrager van de eigen organisatie, zonder naam."`
	ID      protocol.PersonID `json:"id" doc:"Voor de header Medewerker."`
	Actief  bool              `json:"actief" doc:"Mag nu aanvragen."`
	TeLezen []leesplicht      `json:"teLezen,omitempty" doc:"Protocollen die deze medewerker nog moet lezen en bevestigen."`
}

type fout struct {
	_     struct{} `doc:"Een soort fout."`
	Type  string   `json:"type"`
	Title string   `json:"title"`
	Code  string   `json:"code"`
	Stand int      `json:"status" doc:"De HTTP-status waarmee zij komt."`
}

type ophaling struct {
	_       struct{} `doc:"Vastgelegd dat een medewerker een pakket ophaalt."`
	Bestand string   `json:"bestand" doc:"Adres van het pakket, voor deze medewerker."`
	Tot     tijdstip `json:"tot" doc:"Daarna is vastleggen opnieuw nodig."`
}

type vooruitblik struct {
	_       struct{}        `doc:"Wat er zou gebeuren als dit werd ingediend. Er is niets vastgelegd en niets bewaard."`
	Regime  protocol.Regime `json:"regime" doc:"AVG: de gemeente toetst en beslist. WPG: de politie zelf."`
	Cameras []uitzicht      `json:"cameras"`
}

type uitzicht struct {
	_             struct{}          `doc:"Hoe lang het gevraagde van een camera er nog is, als er niets gebeurt."`
	Camera        protocol.CameraID `json:"camera"`
	Bewaartermijn string            `json:"bewaartermijn,omitempty" doc:"ISO 8601, zoals P7D."`
	Verdwijnt     tijdstip          `json:"verdwijnt,omitzero" doc:"Wanneer het begin van het tijdvak de bewaartermijn bereikt. Ontbreekt bij toekomstige gegevens."`
	Weg           bool              `json:"weg,omitzero" doc:"Dat is voorbij: (een deel) is waarschijnlijk al verwijderd."`
}

type stuk struct {
	_          struct{}      `doc:"Een schriftelijke vordering. Het stuk zelf komt hier niet: alleen de vingerafdruk en waar het ligt."`
	Sha256     protocol.Hash `json:"sha256"`
	BewaardBij string        `json:"bewaardBij" doc:"Zaaksysteem en nummer."`
}

type intrekking struct {
	_           struct{} `doc:"Een verzoek of een toestemming wordt ingetrokken."`
	Toelichting string   `json:"toelichting" doc:"Waarom, of hoe het binnenkwam. Geen namen."`
}

type verlenging struct {
	_       struct{} `doc:"Een nieuw bevel achter een dat afloopt."`
	Kenmerk string   `json:"kenmerk" doc:"Van het nieuwe bevel."`
	Datum   tijdstip `json:"datum" doc:"Van het nieuwe bevel."`
	Tot     tijdstip `json:"tot"`
}

type levering struct {
	_          struct{}            `doc:"Een deel van toekomstige gegevens."`
	Nummer     int                 `json:"nummer"`
	Tijdvak    *tijdvak            `json:"tijdvak,omitempty"`
	Toegekend  tijdstip            `json:"toegekend,omitzero"`
	Afgerond   tijdstip            `json:"afgerond,omitzero" doc:"De ontvangst is bevestigd, of niemand haalde het op."`
	Cameras    []protocol.CameraID `json:"cameras"`
	Klaargezet tijdstip            `json:"klaargezet"`
	Pakketten  []protocol.GrantID  `json:"pakketten" doc:"De verstrekkingen van dit deel."`
}

type nietVerstrekt struct {
	_          struct{}          `doc:"Wat niet werd toegekend van een camera, en waarom."`
	Camera     protocol.CameraID `json:"camera"`
	Beperkt    *tijdvak          `json:"beperkt,omitempty" doc:"Alleen dit werd toegekend; ontbreekt: niets."`
	Reden      central.Reason    `json:"reden"`
	Motivering string            `json:"motivering"`
}

type ontvangstbevestiging struct {
	_         struct{} `doc:"De beelden zijn veilig opgeslagen; de recorder hoeft ze niet langer te bewaren."`
	Opmerking string   `json:"opmerking,omitempty"`
}
