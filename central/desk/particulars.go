package desk

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The particulars of a placement: folded groups in the form, folded lists on its page.

// section is one folded list of facts.
type section struct {
	Title central.Words
	Facts []fact
}

// pick is a choice that may be left open.
func pick[T interface {
	~string
	Words() central.Words
}](name, nl, en string, all []T) field {
	f := choice(name, "select", nl, en, all)
	f.Options = append([]option{{Words: page.Both("Nog niet gekozen", "Not chosen yet")}}, f.Options...)
	return f
}

// groups are the fields of the particulars, with what was typed in them.
func groups(st *central.State, f form) []fill {
	dpias := field{Name: "dpia", Kind: "select", Label: page.Both("DPIA waarop de camera rust", "DPIA that the camera rests on"), Options: []option{{Words: page.Both("Nog niet gekozen", "Not chosen yet")}}}
	for _, a := range st.DPIAs() {
		name := fmt.Sprintf("%s (%s, score %d)", a.Title, a.ID, a.Score)
		dpias.Options = append(dpias.Options, option{Value: a.ID, Words: page.Both(name, name)})
	}
	processors := field{Name: "verwerker", Kind: "select", Label: page.Both("Verwerker", "Processor"), Hint: page.Both("Een verwerker en zijn overeenkomst legt de beheerder vast bij Organisaties.", "A processor and its agreement are recorded by the administrator under Organisations."),
		Options: []option{{Words: page.Both("geen: alleen de gemeente", "none: the municipality only")}}}
	for _, u := range st.Units() {
		if u.Kind == central.Processor {
			processors.Options = append(processors.Options, option{Value: u.ID, Words: page.Both(u.Name, u.Name)})
		}
	}
	var bases []central.Basis
	for _, l := range central.Bases {
		bases = append(bases, l.Code)
	}
	list := []fill{
		{ID: "beeld", Title: page.Both("Wat de camera mag laten zien", "What the camera may show"), Open: true,
			Hint: page.Both("Zo weinig als kan: scherm af wat niet gezien hoeft te worden, en kies de laagste kwaliteit die volstaat.", "As little as possible: mask what need not be seen, and choose the lowest quality that will do."),
			Fields: []field{
				entry("maskers", "area", "Wat is in beeld afgeschermd?", "What is masked in the picture?", nil).hint("Bijvoorbeeld: de ramen van de woningen aan de overkant.", "For example: the windows of the houses opposite."),
				entry("geen-maskers", "text", "Of: waarom hoeft niets te worden afgeschermd?", "Or: why does nothing need to be masked?", nil),
				choice("kwaliteit", "radio", "Hoeveel moet er te zien zijn?", "How much has to be seen?", central.Qualities),
				entry("kwaliteit-reden", "text", "Waarom meer dan zien wat iemand doet?", "Why more than seeing what somebody does?", nil),
			}},
		{ID: "dpia-personeel", Title: page.Both("DPIA, grondslag en personeel", "DPIA, legal basis and staff"), Fields: []field{
			dpias, pick("grondslag", "Grondslag", "Legal basis", bases),
			choice("personeel", "radio", "Komt personeel in beeld? (niet bij WPG)", "Are staff filmed? (not for WPG)", central.YesNos),
			entry("or-kenmerk", "text", "Instemming ondernemingsraad: kenmerk", "Works council's consent: reference", nil), entry("or-datum", "date", "Instemming ondernemingsraad: datum", "Works council's consent: date", nil),
			entry("selectie", "text", "Code uit de selectielijst", "Code of the selection list", nil).hint("Op grond hiervan worden de beelden vernietigd. Bijvoorbeeld 20.1.2.", "Footage is destroyed by it. For example 20.1.2."),
		}},
		{ID: "rasci", Title: page.Both("Wie is waarvoor verantwoordelijk? (RASCI)", "Who is responsible for what? (RASCI)"), Hint: page.Both("Vul functies in, geen namen.", "Fill in posts, no names."), Fields: []field{
			entry("rasci-r", "text", "R – ambtelijk verantwoordelijk", "R – responsible", nil), entry("rasci-a", "text", "A – eindverantwoordelijk", "A – accountable", central.College),
			entry("rasci-s", "text", "S – uitvoerend", "S – supporting", nil), entry("rasci-c", "text", "C – adviserend en controlerend", "C – consulted", nil), entry("rasci-i", "text", "I – geïnformeerd", "I – informed", nil),
		}},
		{ID: "opslag", Title: page.Both("Waar de beelden staan", "Where the footage is kept"), Fields: []field{
			entry("opslag-land", "text", "Land", "Country", central.Netherlands).hint("Alleen NL: beelden verlaten Nederland niet.", "NL only: footage does not leave the Netherlands."),
			entry("opslag-plaats", "text", "Plaats", "Place", nil).hint("Bijvoorbeeld: kast 12, stadskantoor.", "For example: cabinet 12, city office."),
			entry("verwerker", "text", "Verwerker (leeg: geen)", "Processor (empty: none)", nil).hint("Het kenmerk op de pagina Organisaties; zonder geldige verwerkersovereenkomst kan de camera niet in gebruik.", "The id on the page Organisations; without a valid processor agreement the camera cannot be activated."), entry("verwerker-overeenkomst", "text", "Kenmerk van de verwerkersovereenkomst", "Reference of the processor's agreement", nil),
		}},
		{ID: "techniek", Title: page.Both("De camera zelf", "The camera itself"), Fields: []field{
			pick("type", "Type", "Type", central.CameraTypes), pick("bevestiging", "Bevestiging", "Mount", central.Mounts),
			entry("hoogte", "number", "Hoogte in centimeters", "Height in centimetres", nil), entry("hoek", "number", "Hoek onder de horizon in graden", "Angle below the horizon in degrees", nil),
			entry("bag", "text", "BAG-nummer van gebouw of adres", "BAG id of the building or address", nil).hint("Zestien cijfers.", "Sixteen digits."),
			entry("beeldvlak", "area", "Beeldvlak: hoekpunten", "View: corners", nil).hint("Elke regel een punt: breedte en lengte in graden, bijvoorbeeld 51.4793 5.6570", "Each line a point: latitude and longitude in degrees, for example 51.4793 5.6570"),
			choice("slim", "check", "Slimme functies (liever geen)", "Smart functions (rather none)", central.SmartFunctions), entry("slim-reden", "text", "Waarom zijn die nodig?", "Why are they needed?", nil),
			entry("camera-in-beeld", "text", "Nummer in Camera in Beeld (politie)", "Number in Camera in Beeld (police)", nil),
		}},
	}
	fillIn(list, f)
	return list
}

// fillIn puts what was typed, or what stands recorded, in the fields.
func fillIn(list []fill, f form) {
	for i := range list {
		for j := range list[i].Fields {
			field := &list[i].Fields[j]
			if f.Has(field.Name) {
				field.Value = f.Get(field.Name)
			}
			for k := range field.Options {
				field.Options[k].Chosen = f.Ticked(field.Name, field.Options[k].Value)
			}
		}
	}
}

// setParticulars puts what stands recorded where fillIn finds it.
func setParticulars(set func(string, ...any), p *central.Placement) {
	one := func(name, value string) {
		if value != "" {
			set(name, value)
		}
	}
	one("maskers", p.Masks)
	one("geen-maskers", p.NoMasks)
	one("kwaliteit", string(p.Quality))
	one("kwaliteit-reden", p.QualityReason)
	one("dpia", p.DPIA)
	one("grondslag", string(p.Basis))
	one("personeel", string(p.FilmsStaff))
	one("or-kenmerk", p.Council.Reference)
	set("or-datum", p.Council.Date)
	one("selectie", p.Selection)
	one("rasci-r", p.Owners.Responsible)
	one("rasci-a", p.Owners.Accountable)
	one("rasci-s", p.Owners.Supporting)
	one("rasci-c", p.Owners.Consulted)
	one("rasci-i", p.Owners.Informed)
	one("opslag-land", p.Storage.Country)
	one("opslag-plaats", p.Storage.Place)
	one("verwerker", p.Processor)
	one("type", string(p.Type))
	one("bevestiging", string(p.Mount))
	one("bag", p.BAG)
	one("camera-in-beeld", p.CameraInBeeld)
	one("slim-reden", p.SmartReason)
	for _, f := range p.Smart {
		set("slim", f)
	}
	if p.Height > 0 {
		set("hoogte", p.Height)
	}
	if p.Angle > 0 {
		set("hoek", p.Angle)
	}
	one("beeldvlak", corners(p.View))
}

func corners(view []central.Point) string {
	var lines []string
	for _, q := range view {
		lines = append(lines, fmt.Sprintf("%.7g %.7g", q.Lat(), q.Lon()))
	}
	return strings.Join(lines, "\n")
}

// particulars reads the groups back.
func (v *visit) particulars() (central.Particulars, *central.Refusal) {
	a := answers{v: v}
	p := central.Particulars{
		Type: central.CameraType(a.text("type")), Mount: central.Mount(a.text("bevestiging")), BAG: a.text("bag"), Height: a.number("hoogte"), Angle: a.number("hoek"),
		Masks: a.text("maskers"), NoMasks: a.text("geen-maskers"), Quality: central.Quality(a.text("kwaliteit")), QualityReason: a.text("kwaliteit-reden"), SmartReason: a.text("slim-reden"),
		Basis: central.Basis(a.text("grondslag")), Selection: a.text("selectie"), DPIA: a.text("dpia"), FilmsStaff: central.YesNo(a.text("personeel")),
		Council:   central.Council{Reference: a.text("or-kenmerk"), Date: a.day("or-datum")},
		Owners:    central.Owners{Responsible: a.text("rasci-r"), Accountable: a.text("rasci-a"), Supporting: a.text("rasci-s"), Consulted: a.text("rasci-c"), Informed: a.text("rasci-i")},
		Processor: a.text("verwerker"), CameraInBeeld: a.text("camera-in-beeld"),
	}
	if place := a.text("opslag-plaats"); place != "" {
		p.Storage = central.Storage{Country: strings.ToUpper(a.text("opslag-land")), Place: place}
	}
	for _, f := range v.r.PostForm["slim"] {
		p.Smart = append(p.Smart, central.SmartFunction(f))
	}
	for line := range strings.Lines(a.text("beeldvlak")) {
		parts := strings.Fields(strings.NewReplacer(";", " ", ",", ".").Replace(line))
		if len(parts) == 0 {
			continue
		}
		if len(parts) != 2 {
			a.wrong(fmt.Errorf("beeldvlak: %q", strings.TrimSpace(line)))
			continue
		}
		lat, err := strconv.ParseFloat(parts[0], 64)
		a.wrong(err)
		lon, err := strconv.ParseFloat(parts[1], 64)
		a.wrong(err)
		if !(lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180) { // "NaN" is a number to ParseFloat
			a.wrong(fmt.Errorf("beeldvlak: %q", strings.TrimSpace(line)))
			continue
		}
		p.View = append(p.View, central.At(lat, lon))
	}
	return p, a.bad
}

// keep reads a window of whole days, or ISO 8601 for what is less; empty: none of its own.
func keep(s string) (protocol.Window, *central.Refusal) {
	if s == "" {
		return 0, nil
	}
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= 28 {
		return protocol.Window(time.Duration(n) * 24 * time.Hour), nil
	}
	if w, err := protocol.ParseWindow(s); err == nil {
		return w, nil
	}
	return 0, &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Vul de bewaartermijn in als hele dagen, 1 tot en met 28.", "Fill in the window in whole days, 1 to 28.")}
}

// days writes a window as keep reads it.
func days(w protocol.Window) string {
	switch day := 24 * time.Hour; {
	case w == 0:
		return ""
	case w.Duration()%day == 0:
		return strconv.Itoa(int(w.Duration() / day))
	}
	return w.String()
}

// sections are the particulars as a camera's page shows them.
func sections(st *central.State, p *central.Placement, v *visit) []section {
	var masks any = p.Masks
	if p.Masks == "" && p.NoMasks != "" {
		masks = page.Both("geen: "+p.NoMasks, "none: "+p.NoMasks)
	}
	with := func(w central.Words, reason string) central.Words {
		if reason == "" {
			return w
		}
		return page.Both(w.NL+": "+reason, w.EN+": "+reason)
	}
	var smart central.Words
	for i, f := range p.Smart {
		w := f.Words()
		if i > 0 {
			w.NL, w.EN = smart.NL+", "+w.NL, smart.EN+", "+w.EN
		}
		smart = w
	}
	if len(p.Smart) == 0 {
		smart = page.Both("geen", "none")
	}
	row := func(nl, en string, value any) fact { return fact{page.Both(nl, en), value} }
	dated := func(t protocol.Time) any {
		if t.IsZero() {
			return ""
		}
		return onDay{t}
	}
	number := func(n int, unit string) any {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("%d %s", n, unit)
	}
	var dpia, council any = "", ""
	if a := st.DPIA(p.DPIA); a != nil {
		dpia = linked(st, v, "/bureau/dpia/"+a.ID, fmt.Sprintf("%s, score %d", a.Title, a.Score))
	}
	if p.Council.Reference != "" {
		council = p.Council.Reference
	}
	var processor any = p.Processor
	if u := st.Unit(p.Processor); u != nil {
		processor = to{"/bureau/organisaties/" + u.ID, u.Name + ": " + u.Agreement}
	}
	privacy := section{page.Both("Privacy: afscherming, kwaliteit, DPIA en personeel", "Privacy: masks, quality, DPIA and staff"), []fact{
		row("Afgeschermd", "Masked", masks), row("Beeldkwaliteit", "Quality", with(p.Quality.Words(), p.QualityReason)), row("Slimme functies", "Smart functions", with(smart, p.SmartReason)),
		row("DPIA", "DPIA", dpia), row("Grondslag", "Legal basis", st.Ground(p).Words()), row("Selectielijst", "Selection list", p.Selection),
	}}
	if p.Regime == protocol.AVG {
		privacy.Facts = append(privacy.Facts, row("Personeel in beeld", "Staff filmed", p.FilmsStaff.Words()), row("Instemming ondernemingsraad", "Works council's consent", council))
	}
	for _, c := range st.Needed(p, v.now) {
		state := badge{"bad", page.Both("nog niet", "not yet")}
		if st.Meets(p, c, v.now) {
			state = badge{"good", page.Both("ja", "yes")}
		}
		w := c.Words()
		privacy.Facts = append(privacy.Facts, fact{page.Both("Vereist: "+w.NL, "Required: "+w.EN), state})
	}
	for _, t := range p.Tests {
		outcome := page.Both("in orde", "in order")
		if !t.Passed {
			outcome = page.Both("niet in orde", "not in order")
		}
		w := t.Control.Words()
		privacy.Facts = append(privacy.Facts, fact{page.Both("Getoetst: "+w.NL, "Tested: "+w.EN), page.Both(page.NL.Date(t.Tested.Time)+", "+outcome.NL+": "+t.Remark, page.EN.Date(t.Tested.Time)+", "+outcome.EN+": "+t.Remark)})
	}
	owners := section{Title: page.Both("Wie waarvoor verantwoordelijk is (RASCI)", "Who is responsible for what (RASCI)")}
	for _, o := range p.Owners.Letters() {
		owners.Facts = append(owners.Facts, fact{page.Both(o.Letter+" – "+o.Words.NL, o.Letter+" – "+o.Words.EN), o.Who})
	}
	storage := p.Storage.Place
	if storage != "" {
		storage += " (" + p.Storage.Country + ")"
	}
	b := p.Besluit
	more := section{page.Both("Besluit: publicatie, evaluatie en live meekijken", "Decision: publication, evaluation and live viewing"), []fact{
		row("Gebied", "Area", b.Area), row("Gepubliceerd", "Published", b.Published), row("Evalueren vóór", "Evaluate before", dated(b.Evaluate)), row("Ingetrokken", "Withdrawn", dated(b.Withdrawn))}}
	if p.Regime == protocol.WPG {
		more.Facts = append(more.Facts, row("Overleg officier van justitie", "Prosecutor consulted", dated(b.Prosecutor)), row("Live meekijken van", "Live viewing from", dated(b.LiveFrom)), row("Live meekijken tot", "Live viewing until", dated(b.LiveUntil)))
	}
	return []section{privacy, owners, more,
		{page.Both("Waar de beelden staan", "Where the footage is kept"), []fact{
			row("Verwerkingsverantwoordelijke", "Controller", st.ControllerOf(p.Regime)), row("Opslagplaats", "Storage place", storage), row("Verwerker", "Processor", processor)}},
		{page.Both("De camera zelf", "The camera itself"), []fact{
			row("Type", "Type", p.Type.Words()), row("Bevestiging", "Mount", p.Mount.Words()), row("Hoogte", "Height", number(p.Height, "cm")), row("Hoek onder de horizon", "Angle below the horizon", number(p.Angle, "°")),
			row("BAG-nummer", "BAG id", p.BAG), row("Beeldvlak", "View", strings.ReplaceAll(corners(p.View), "\n", "; ")), row("Camera in Beeld", "Camera in Beeld", p.CameraInBeeld)}},
	}
}

// testForm is the form to say what came of testing a control.
func testForm(st *central.State, p *central.Placement, f form, acted string, now time.Time) *fill {
	needed := st.Needed(p, now)
	if len(needed) == 0 {
		needed = central.Controls
	}
	outcome := field{Name: "uitkomst", Kind: "radio", Label: page.Both("Uitkomst", "Outcome"), Options: []option{{Value: "ja", Words: page.Both("in orde", "in order")}, {Value: "nee", Words: page.Both("niet in orde", "not in order")}}}
	list := []fill{{ID: "toets", Fields: []field{choice("maatregel", "select", "Welke maatregel", "Which control", needed), entry("getoetst", "date", "Getoetst op", "Tested on", nil), outcome,
		entry("bevinding", "area", "Hoe is getoetst, en wat bleek?", "How was it tested, and what was found?", nil)}}}
	if acted == "test" {
		fillIn(list, f)
	}
	return &list[0]
}

func (d *desk) testControl(v *visit) {
	d.onCamera(v, "test", func(id protocol.CameraID) (central.Command, error) {
		tested, err := parseDay(v.value("getoetst"))
		return central.RecordControlTest{By: v.me(), Camera: id, ControlTest: central.ControlTest{Control: central.Control(v.value("maatregel")), Tested: tested, Passed: v.value("uitkomst") == "ja", Remark: v.value("bevinding")}}, err
	})
}

// liveForm is the form of the mayor's period for a WPG camera.
func liveForm(p *central.Placement, f form, acted string) *fill {
	list := []fill{{ID: "live", Fields: []field{entry("live-besluit", "text", "Kenmerk van het besluit van de burgemeester", "Reference of the mayor's decision", nil), entry("live-van", "date", "Van", "From", p.Besluit.LiveFrom),
		entry("live-tot", "date", "Tot", "Until", p.Besluit.LiveUntil), entry("live-ovj", "date", "Overleg met de officier van justitie op", "Prosecutor consulted on", nil)}}}
	if acted == "live" {
		fillIn(list, f)
	}
	return &list[0]
}

func (d *desk) fixLivePeriod(v *visit) {
	d.onCamera(v, "live", func(id protocol.CameraID) (central.Command, error) {
		a := answers{v: v}
		p := central.LivePeriod{From: a.day("live-van"), Until: a.day("live-tot"), Prosecutor: a.day("live-ovj"), Reference: a.text("live-besluit")}
		if a.bad != nil {
			return nil, a.bad
		}
		return central.FixLivePeriod{By: v.me(), Camera: id, LivePeriod: p}, nil
	})
}

func (d *desk) changeRules(v *visit) {
	d.onCamera(v, "window", func(id protocol.CameraID) (central.Command, error) {
		rules := central.Rules{}
		if name, version, ok := strings.Cut(v.value("protocol"), " v"); ok {
			n, err := strconv.Atoi(version)
			if err != nil {
				return nil, err
			}
			rules.Protocol = central.ProtocolRef{ID: name, Version: n}
		}
		var refusal *central.Refusal
		if rules.Keep, refusal = keep(v.value("bewaren")); refusal != nil {
			return nil, refusal
		}
		return central.ChangeRules{By: v.me(), Camera: id, Rules: rules, Reason: v.value("waarom")}, nil
	})
}
