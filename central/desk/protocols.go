package desk

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Camera protocols (R3): read by everyone who works here, acknowledged by who acts under them, drafted and adopted by a registrar. The annex is the register's own list of cameras.

func (d *desk) protocolRoutes(in func(string, func(*visit), ...central.Role)) {
	in("GET /bureau/protocollen", d.protocols)
	in("POST /bureau/protocollen", d.beginProtocol, central.Registrar)
	in("GET /bureau/protocollen/{id}", d.protocol)
	in("GET /bureau/protocollen/{id}/versie/{version}", d.protocol)
	in("POST /bureau/protocollen/{id}/gelezen", d.acknowledge)
	in("GET /bureau/protocollen/{id}/concept", d.draft, central.Registrar, central.Officer, central.Auditor)
	in("POST /bureau/protocollen/{id}/concept", d.keepDraft, central.Registrar)
	in("POST /bureau/protocollen/{id}/vaststellen", d.adopt, central.Registrar)
	annex := []central.Role{central.Registrar, central.Approver, central.Officer, central.Auditor}
	in("GET /bureau/protocollen/{id}/bijlage", d.annex, annex...)
	in("GET /bureau/protocollen/{id}/bijlage.csv", d.annex, annex...)
}

var titleProtocols = page.Both("Cameraprotocollen", "Camera protocols")

func (d *desk) protocols(v *visit) { d.showProtocols(v, http.StatusOK, form{}) }

func (d *desk) showProtocols(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Protocol", "Protocol"), page.Both("Titel", "Title"), page.Both("Versie", "Version"), page.Both("Vastgesteld", "Adopted"), page.Both("Opnieuw bekijken", "Review"), page.Both("Uw bevestiging", "Your acknowledgement")}, Empty: page.Both("Er is nog geen cameraprotocol.", "There is no camera protocol yet.")}
		seen := map[string]bool{}
		for _, p := range st.Protocols() {
			if seen[p.ID] {
				continue
			}
			seen[p.ID] = true
			p = st.NewestProtocol(p.ID)
			t.Rows = append(t.Rows, []any{to{"/bureau/protocollen/" + p.ID, p.ID}, p.Title, p.Version, onDay{p.AdoptedOn}, reviewed(v, p.Review), acknowledged(st, v, p)})
		}
		s := sheet{Heading: titleProtocols, Tables: []table{t},
			Intro: page.Both("In een protocol staat hoe we met de beelden omgaan. Wie met beelden werkt, leest het en bevestigt dat eerst.", "A protocol says how we treat footage. Who works with footage reads it and acknowledges it first.")}
		if st.Holds(v.me(), central.Registrar, "", v.now) {
			for _, draft := range st.ProtocolDrafts() {
				if !seen[draft.ID] {
					s.Tables[0].Rows = append(s.Tables[0].Rows, []any{to{"/bureau/protocollen/" + draft.ID + "/concept", draft.ID}, draft.Title, badge{"warn", page.Both("concept", "draft")}, "", "", ""})
				}
			}
			s.Fills = []fill{{ID: "nieuw", Action: "/bureau/protocollen", Title: page.Both("Nieuw protocol", "New protocol"), Button: page.Both("Concept beginnen", "Begin a draft"),
				Fields: []field{entry("kenmerk", "text", "Kenmerk (kleine letters)", "Id (lower case)", nil), entry("titel", "text", "Titel", "Title", nil), regimeChoice("")}}}
		}
		return s
	})
}

// reviewed is a review's day, marked when it is near or past.
func reviewed(v *visit, on protocol.Time) any {
	switch {
	case on.IsZero():
		return badge{"warn", page.Both("geen datum", "no date")}
	case !v.now.Before(on.Time):
		return badge{"bad", page.Both("had gemoeten op "+page.NL.Date(on.Time), "was due on "+page.EN.Date(on.Time))}
	case on.Sub(v.now) < central.ReviewNotice:
		return badge{"warn", page.Both("voor "+page.NL.Date(on.Time), "before "+page.EN.Date(on.Time))}
	}
	return onDay{on}
}

// acknowledged is what this reader has still to do about a version.
func acknowledged(st *central.State, v *visit, p *central.CameraProtocol) any {
	if at := st.Acknowledged(v.me(), central.ProtocolRef{ID: p.ID, Version: p.Version}); !at.IsZero() {
		return onDay{at}
	}
	for _, person := range st.Readers(p, v.now) {
		if person.Person == v.me() {
			if by := st.ReadBy(p); !by.IsZero() && !v.now.Before(by.Time) {
				return badge{"bad", page.Both("nodig voordat u iets doet", "needed before you act")}
			}
			return badge{"warn", page.Both("nog te doen", "to be done")}
		}
	}
	return ""
}

func regimeChoice(chosen protocol.Regime) field {
	f := field{Name: "regime", Kind: "radio", Label: page.Both("Regime", "Regime")}
	for regime, w := range map[protocol.Regime]central.Words{protocol.AVG: page.Both("AVG: gebouwen en eigendommen", "AVG: buildings and property"), protocol.WPG: page.Both("WPG: openbare orde", "WPG: public order")} {
		f.Options = append(f.Options, option{string(regime), w, regime == chosen})
	}
	if f.Options[0].Value == string(protocol.WPG) {
		f.Options[0], f.Options[1] = f.Options[1], f.Options[0]
	}
	return f
}

func (d *desk) beginProtocol(v *visit) {
	d.give(v, "/bureau/protocollen/"+v.value("kenmerk")+"/concept", d.showProtocols, func(a *answers) central.Command {
		return central.DraftProtocol{By: v.me(), CameraProtocol: central.CameraProtocol{ID: a.text("kenmerk"), Version: 1, Title: a.text("titel"), Regime: protocol.Regime(a.text("regime"))}}
	})
}

// version is the one in the path, or the newest; nil when there is none.
func (v *visit) version(st *central.State) *central.CameraProtocol {
	id := v.r.PathValue("id")
	if n, err := strconv.Atoi(v.r.PathValue("version")); err == nil {
		return st.Protocol(central.ProtocolRef{ID: id, Version: n})
	}
	return st.NewestProtocol(id)
}

func (d *desk) protocol(v *visit) { d.showProtocol(v, http.StatusOK, form{}) }

func (d *desk) showProtocol(v *visit, status int, f form) {
	there := false
	d.Book.View(func(st *central.State) { there = v.version(st) != nil })
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		p := v.version(st)
		path := "/bureau/protocollen/" + p.ID
		s := sheet{Back: &page.Link{Path: "/bureau/protocollen", Words: titleProtocols}, Heading: page.Both(fmt.Sprintf("%s, versie %d", p.Title, p.Version), fmt.Sprintf("%s, version %d", p.Title, p.Version))}
		for _, line := range p.Lines() {
			s.Facts = append(s.Facts, fact{line.Label, dated(line.Value)})
		}
		if until := st.ProtocolUntil(p); !until.IsZero() && p.ValidTo.IsZero() {
			s.Facts = append(s.Facts, fact{page.Both("Opgevolgd op", "Succeeded on"), onDay{until}})
		}
		if p.Document != (protocol.Hash{}) {
			s.Facts = append(s.Facts, fact{page.Both("Hash van de tekst (SHA-256)", "Hash of the text (SHA-256)"), p.Document.String()})
		}
		annex := st.Holds(v.me(), central.Registrar, "", v.now) || st.Holds(v.me(), central.Approver, "", v.now) || st.Oversees(v.me(), v.now)
		if annex {
			s.Facts = append(s.Facts, fact{page.Both("Bijlage: waar de camera's staan", "Annex: where the cameras are"), to{path + "/bijlage", page.Both("bekijken", "open")}})
		}
		public := fmt.Sprintf("/documenten/protocol/%s/%d", p.ID, p.Version)
		s.Facts = append(s.Facts, fact{page.Both("Openbare pagina", "Public page"), to{public, public}})
		s.Facts = append(s.Facts, adviceFacts(st, v, central.About{Kind: central.AboutProtocol, ID: p.Ref()})...)
		versions := table{Caption: page.Both("Versies", "Versions"), Columns: []central.Words{page.Both("Versie", "Version"), page.Both("Geldig vanaf", "Valid from"), page.Both("Tot", "Until"), page.Both("Vastgesteld door", "Adopted by"), page.Both("Vastgelegd", "Recorded"), page.Both("Door", "By")}}
		for _, one := range st.Protocols() {
			if one.ID == p.ID {
				recorded := st.Adopted(central.ProtocolRef{ID: one.ID, Version: one.Version})
				versions.Rows = append(versions.Rows, []any{to{fmt.Sprintf("%s/versie/%d", path, one.Version), one.Version}, onDay{one.ValidFrom}, onDay{st.ProtocolUntil(one)}, one.AdoptedBy, recorded.At, recorded.By})
			}
		}
		s.Tables = []table{versions}
		if earlier := st.Protocol(central.ProtocolRef{ID: p.ID, Version: p.Version - 1}); earlier != nil {
			s.Tables = append([]table{changes(p, earlier, false)}, s.Tables...)
		}
		if annex {
			readers := table{Caption: page.Both("Wie het heeft gelezen", "Who has read it"), Columns: []central.Words{page.Both("Wie", "Who"), page.Both("Bevestigd", "Acknowledged")}, Empty: page.Both("Niemand werkt ermee.", "Nobody works with it.")}
			for _, person := range st.Readers(p, v.now) {
				at := st.Acknowledged(person.Person, central.ProtocolRef{ID: p.ID, Version: p.Version})
				row := []any{person.Person, onDay{at}}
				if at.IsZero() {
					row[1] = badge{"warn", page.Both("nog niet", "not yet")}
				}
				readers.Rows = append(readers.Rows, row)
			}
			s.Tables = append(s.Tables, readers)
		}
		if !st.Acknowledged(v.me(), central.ProtocolRef{ID: p.ID, Version: p.Version}).IsZero() {
			s.State = badge{"good", page.Both("door u bevestigd", "acknowledged by you")}
		} else if acknowledged(st, v, p) != "" {
			hint := page.Both("Lees het protocol. Daarna kunt u ermee werken.", "Read the protocol. After that you can work with it.")
			if by := st.ReadBy(p); v.now.Before(by.Time) {
				hint = page.Both("Lees het protocol en bevestig dat voor "+page.NL.Date(by.Time)+". Daarna kunt u zonder bevestiging niet verder.", "Read the protocol and acknowledge it before "+page.EN.Date(by.Time)+". After that you cannot go on without.")
			}
			s.Fills = append(s.Fills, fill{ID: "gelezen", Action: path + "/gelezen", Title: page.Both("Bevestigen", "Acknowledge"), Hint: hint, Button: page.Both("Gelezen: ik handel hiernaar", "Read: I act by it"),
				Fields: []field{{Name: "versie", Kind: "hidden", Value: strconv.Itoa(p.Version)}}})
		}
		if st.Holds(v.me(), central.Registrar, "", v.now) {
			s.Facts = append(s.Facts, fact{page.Both("Volgende versie", "Next version"), to{path + "/concept", page.Both("opstellen en vaststellen", "draft and adopt")}})
		}
		return s
	})
}

// dated shows a day as a day.
func dated(value any) any {
	if t, ok := value.(protocol.Time); ok {
		return onDay{t}
	}
	return value
}

// changes are what a version says otherwise; of a draft without what is only known when it is adopted.
func changes(p, earlier *central.CameraProtocol, draft bool) table {
	t := table{Caption: page.Both("Wat er anders is", "What is different"), Columns: []central.Words{page.Both("Wat", "What"), page.Both("Was", "Was"), page.Both("Wordt", "Becomes")}, Empty: page.Both("Niets.", "Nothing.")}
	if earlier != nil {
		t.Caption = page.Both(fmt.Sprintf("Wat er anders is dan in versie %d", earlier.Version), fmt.Sprintf("What differs from version %d", earlier.Version))
	}
	for _, c := range p.Changes(earlier) {
		if draft && c.Adopting {
			continue
		}
		t.Rows = append(t.Rows, []any{c.Label, dated(c.Was), dated(c.Is)})
	}
	return t
}

func (d *desk) acknowledge(v *visit) {
	id := v.r.PathValue("id")
	d.give(v, "/bureau/protocollen/"+id, d.showProtocol, func(a *answers) central.Command {
		return central.AcknowledgeProtocol{By: v.me(), Protocol: central.ProtocolRef{ID: id, Version: a.number("versie")}}
	})
}

func (d *desk) draft(v *visit) { d.showDraft(v, http.StatusOK, form{}) }

// drafted is the next version as it stands: the draft, or what the last one said.
func drafted(st *central.State, id string) (p central.CameraProtocol, begun, there bool) {
	last := st.NewestProtocol(id)
	if draft := st.DraftOf(id); draft != nil {
		return draft.CameraProtocol, true, true
	}
	if last == nil {
		return p, false, false
	}
	p = *last
	p.Version, p.AdoptedOn, p.ValidFrom, p.ValidTo, p.Review, p.Published, p.Document = last.Version+1, protocol.Time{}, protocol.Time{}, protocol.Time{}, protocol.Time{}, "", protocol.Hash{}
	return p, false, true
}

func (d *desk) showDraft(v *visit, status int, f form) {
	id := v.r.PathValue("id")
	there := false
	d.Book.View(func(st *central.State) { _, _, there = drafted(st, id) })
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		p, begun, _ := drafted(st, id)
		path := "/bureau/protocollen/" + id
		s := sheet{Back: &page.Link{Path: path, Words: page.Both("Protocol "+id, "Protocol "+id)}, Heading: page.Both(fmt.Sprintf("Concept van %s, versie %d", id, p.Version), fmt.Sprintf("Draft of %s, version %d", id, p.Version)),
			Intro: page.Both("Bewaar het concept zo vaak u wilt. De privacy officer leest mee en geeft advies. Stel het daarna vast.", "Keep the draft as often as you like. The privacy officer reads along and gives advice. Then adopt it."), Tables: []table{changes(&p, st.NewestProtocol(id), true)}}
		if st.NewestProtocol(id) == nil {
			s.Back.Path, s.Back.Words = "/bureau/protocollen", titleProtocols
		}
		if begun {
			s.Facts = append(s.Facts, adviceFacts(st, v, central.About{Kind: central.AboutProtocol, ID: p.Ref()})...)
		}
		if !st.Holds(v.me(), central.Registrar, "", v.now) {
			return s
		}
		days := func(w protocol.Window) string {
			if w == 0 {
				return ""
			}
			if n := w.Duration() / (24 * time.Hour); w.Duration() == n*24*time.Hour {
				return strconv.Itoa(int(n))
			}
			return w.String()
		}
		var bases []central.Basis
		for _, law := range central.Bases {
			if law.Regime == p.Regime {
				bases = append(bases, law.Code)
			}
		}
		sound := tick("geluid", "Camera's onder dit protocol mogen geluid opnemen, elk om een eigen reden", "Cameras under this protocol may record sound, each for its own reason")
		sound.Options[0].Chosen = p.Sound
		s.Fills = []fill{{ID: "concept", Action: path + "/concept", Title: page.Both("Concept", "Draft"), Button: page.Both("Concept bewaren", "Keep the draft"), Fields: []field{
			entry("titel", "text", "Titel", "Title", p.Title),
			choice("doel", "check", "Doelen", "Purposes", central.Purposes, p.Purposes...),
			choice("grondslag", "check", "Grondslag", "Legal basis", bases, p.Bases...),
			entry("termijn", "text", "Bewaartermijn in dagen", "Window in days", days(p.Window)).hint("Zo kort als kan, ten hoogste 28.", "As short as can be, at most 28."),
			entry("langste", "text", "Langste bewaring op verzoek, in dagen", "Longest hold on request, in days", days(p.LongestHold)),
			sound,
			choice("kijken", "radio", "Wie kijkt?", "Who looks?", central.ViewingForms, p.Form),
			choice("rol", "check", "Wie werken ermee?", "Who works with it?", central.ProtocolUsers, p.Roles...).hint("Zij lezen en bevestigen het protocol.", "They read and acknowledge the protocol."),
			entry("bekijken", "area", "Hoe gaat bekijken?", "How does viewing go?", p.Viewing),
			entry("verstrekken", "area", "Hoe gaat verstrekken?", "How does release go?", p.Release),
			entry("herkenbaar", "area", "Hoe herkenbaar zijn mensen in beeld, en wat is afgeschermd?", "How recognisable are people, and what is masked?", p.Recognisability),
			entry("beveiliging", "area", "Hoe zijn de beelden beveiligd?", "How is the footage secured?", p.Security).hint("Dit komt niet op de openbare pagina.", "This is not on the public page."),
			entry("or", "text", "Instemming van de ondernemingsraad (kenmerk)", "Consent of the works council (reference)", p.WorksCouncil).hint("Nodig als er personeel in beeld komt (art. 27 WOR).", "Needed where staff are filmed (art. 27 WOR)."),
			entry("orgaan", "text", "Wie stelt het vast?", "Who adopts it?", p.AdoptedBy)}}}
		advice := adviceOn(st, v, central.About{Kind: central.AboutProtocol, ID: p.Ref()})
		adopt := fill{ID: "vaststellen", Action: path + "/vaststellen", Title: page.Both("Vaststellen", "Adopt"), Button: page.Both("Versie vaststellen", "Adopt the version"),
			Hint: page.Both("Dit legt vast wat het bevoegde orgaan heeft besloten, met het concept zoals het hierboven staat. Wie ermee werkt krijgt bericht om het te lezen.", "This records what the competent body decided, with the draft as it stands above. Whoever works with it is told to read it."),
			Fields: []field{entry("vastgesteld", "date", "Vastgesteld op", "Adopted on", nil), entry("van", "date", "Geldig vanaf", "Valid from", nil), entry("tot", "date", "Geldig tot (leeg: tot de volgende versie)", "Valid until (empty: until the next version)", nil),
				entry("herzien", "date", "Opnieuw bekijken voor", "Review before", nil).hint("Binnen vijf jaar.", "Within five years."), entry("gepubliceerd", "text", "Waar gepubliceerd", "Where published", nil),
				{Name: "tekst", Kind: "file", Label: page.Both("Bestand met de vastgestelde tekst", "File with the adopted text"), Hint: page.Both("Alleen de hash wordt bewaard.", "Only its hash is kept.")}}}
		if advice != nil && advice.Warned {
			adopt.Fields = append(adopt.Fields, despite())
		}
		if !begun {
			adopt.Why = &central.Refusal{Code: central.CodeNotReady, Words: page.Both("Bewaar eerst een concept van deze versie.", "First keep a draft of this version.")}
		}
		s.Fills = append(s.Fills, adopt)
		return s
	})
}

// days reads a number of days, or an ISO 8601 duration.
func (a *answers) days(name string) (w protocol.Window) {
	s := a.text(name)
	if s == "" {
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil {
		s = fmt.Sprintf("P%dD", n)
	}
	w, err := protocol.ParseWindow(s)
	a.wrong(err)
	return w
}

func coded[T ~string](list []string) (all []T) {
	for _, s := range list {
		all = append(all, T(s))
	}
	return all
}

func (d *desk) keepDraft(v *visit) {
	id := v.r.PathValue("id")
	d.give(v, "/bureau/protocollen/"+id+"/concept", d.showDraft, func(a *answers) central.Command {
		var p central.CameraProtocol
		d.Book.View(func(st *central.State) { p, _, _ = drafted(st, id) })
		p.Title, p.Window, p.LongestHold, p.Sound, p.Form = a.text("titel"), a.days("termijn"), a.days("langste"), a.yes("geluid"), central.ViewingForm(a.text("kijken"))
		p.Purposes, p.Bases, p.Roles = coded[central.Purpose](v.r.PostForm["doel"]), coded[central.Basis](v.r.PostForm["grondslag"]), coded[central.Role](v.r.PostForm["rol"])
		p.Viewing, p.Release, p.Recognisability, p.Security = a.text("bekijken"), a.text("verstrekken"), a.text("herkenbaar"), a.text("beveiliging")
		p.WorksCouncil, p.AdoptedBy = a.text("or"), a.text("orgaan")
		return central.DraftProtocol{By: v.me(), CameraProtocol: p}
	})
}

func (d *desk) adopt(v *visit) {
	id := v.r.PathValue("id")
	d.give(v, "/bureau/protocollen/"+id, d.showDraft, func(a *answers) central.Command {
		var p central.CameraProtocol
		begun := false
		d.Book.View(func(st *central.State) { p, begun, _ = drafted(st, id) })
		if !begun {
			a.bad = &central.Refusal{Code: central.CodeNotReady, Words: page.Both("Bewaar eerst een concept van deze versie.", "First keep a draft of this version.")}
		}
		p.AdoptedOn, p.ValidFrom, p.ValidTo, p.Review, p.Published = a.day("vastgesteld"), a.day("van"), a.day("tot"), a.day("herzien"), a.text("gepubliceerd")
		p.Document = a.hashed("tekst")
		return central.AdoptProtocol{By: v.me(), CameraProtocol: p}
	})
}

// hashed is the hash of an uploaded file, which stays nowhere; zero when none was sent.
func (a *answers) hashed(name string) protocol.Hash {
	text := a.file(name)
	if text == nil {
		return protocol.Hash{} // central says what is missing
	}
	return protocol.HashOf(text)
}

// file is an uploaded file; nil when none was sent.
func (a *answers) file(name string) []byte {
	file, _, err := a.v.r.FormFile(name)
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return nil
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(file)
		err = errors.Join(err, file.Close())
	}
	if (err != nil || len(text) == 0) && a.bad == nil {
		a.bad = &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Het bestand is leeg of kwam niet goed over.", "The file is empty or did not arrive well.")}
	}
	return text
}

// annex is where the cameras of a protocol are (V:57), as of now or, with ?op=year-month-day, at the end of that day.
func (d *desk) annex(v *visit) {
	id := v.r.PathValue("id")
	on, at, ok := d.onDay(v)
	if !ok {
		return
	}
	st := d.asOf(v, at)
	if st == nil {
		return
	}
	p := st.NewestProtocol(id)
	if p == nil {
		d.nothing(v)
		return
	}
	t := table{CSV: "/bureau/protocollen/" + id + "/bijlage.csv" + on, Empty: page.Both("Er waren geen camera's onder dit protocol in gebruik.", "No cameras were in use under this protocol."),
		Columns: []central.Words{page.Both("Camera", "Camera"), page.Both("Naam", "Name"), page.Both("Waar", "Where"), page.Both("Breedte", "Latitude"), page.Both("Lengte", "Longitude"), page.Both("Richting", "Direction"), page.Both("Doelen", "Purposes"),
			page.Both("Stand", "Status"), page.Both("Protocolversie", "Protocol version"), page.Both("Besluit", "Decision"), page.Both("Tot", "Until")}}
	for _, c := range st.Under(id) {
		t.Rows = append(t.Rows, []any{string(c.Camera), c.Name, c.Place, fmt.Sprintf("%.5f", c.Position.Lat()), fmt.Sprintf("%.5f", c.Position.Lon()), c.Direction, central.Joined(c.Purposes), c.StatusAt(at).Words(), c.Protocol.Version, c.Besluit.Reference, onDay{c.Besluit.ValidUntil}})
	}
	if strings.HasSuffix(v.r.URL.Path, ".csv") {
		d.sendCSV(v, "bijlage-"+id+"-"+at.In(page.Amsterdam).Format("2006-01-02"), t)
		return
	}
	d.showSheet(v, http.StatusOK, form{}, func(*central.State) sheet {
		return sheet{Back: &page.Link{Path: "/bureau/protocollen/" + id, Words: page.Both("Protocol "+id, "Protocol "+id)}, Heading: page.Both("Bijlage bij "+p.Title, "Annex to "+p.Title), Tables: []table{t},
			Intro: page.Both("Waar de camera's onder dit protocol staan, uit het register zoals het was op "+page.NL.Moment(at)+". Zet ?op=jaar-maand-dag achter het adres voor een andere dag.",
				"Where the cameras under this protocol are, from the register as it was on "+page.EN.Moment(at)+". Put ?op=year-month-day behind the address for another day.")}
	})
}

// onDay reads ?op=year-month-day: the query to repeat and the end of that day, or now. Where it cannot be read this has answered.
func (d *desk) onDay(v *visit) (query string, at time.Time, ok bool) {
	on := v.r.URL.Query().Get("op")
	if on == "" {
		return "", v.now, true
	}
	day, err := parseDay(on)
	if err != nil || day.After(v.now) {
		d.say(v, http.StatusBadRequest, page.Both("Geef een dag in het verleden als jaar-maand-dag.", "Give a day in the past as year-month-day."))
		return "", at, false
	}
	return "?op=" + on, day.In(page.Amsterdam).AddDate(0, 0, 1).Add(-time.Millisecond), true
}
