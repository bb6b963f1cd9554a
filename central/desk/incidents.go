package desk

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Incidents (R13): everyone here can report one; the privacy officer keeps the register.

func incidentState(i *central.Incident) badge {
	switch {
	case i.Drill:
		return badge{"", page.Both("oefening", "drill")}
	case i.NoBreach:
		return badge{"good", page.Both("afgesloten: geen datalek", "closed: no breach")}
	case !i.Closed.IsZero():
		return badge{"good", page.Both("afgesloten", "closed")}
	}
	return badge{"warn", page.Both("open", "open")}
}

// apTerm is how the 72 hours stand.
func (v *visit) apTerm(i *central.Incident) any {
	n := i.Told[central.TellAuthority]
	switch {
	case n != nil && n.At.IsZero():
		return badge{"", page.Both("niet gemeld: "+n.Reason, "not notified: "+n.Reason)}
	case i.OnTime():
		return badge{"good", page.Both("op tijd gemeld", "notified in time")}
	case n != nil:
		return badge{"bad", page.Both("te laat gemeld", "notified late")}
	case !i.Waits():
		return ""
	case !v.now.Before(i.Deadline().Time):
		return badge{"bad", page.Both("72 uur voorbij", "72 hours over")}
	}
	left := i.Deadline().Sub(v.now)
	return badge{"warn", page.Both(fmt.Sprintf("nog %d uur", int(left.Hours())), fmt.Sprintf("%d hours left", int(left.Hours())))}
}

func (d *desk) incidents(v *visit) {
	d.showSheet(v, http.StatusOK, form{}, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Nummer", "Number"), page.Both("Wat", "What"), page.Both("Stand", "Status"), page.Both("Bekend sinds", "Aware since"), page.Both("AP", "AP"), page.Both("Melden voor", "Notify by"), page.Both("Bewaren tot", "Keep until")},
			Empty: page.Both("Er zijn geen incidenten.", "There are no incidents.")}
		for _, i := range st.Incidents(v.now) {
			if i.Number == 0 {
				t.Rows = append(t.Rows, []any{"–", i.Words(), badge{"bad", page.Both("loopt", "going on")}, i.Opened, "", "", ""})
				continue
			}
			t.Rows = append(t.Rows, []any{to{fmt.Sprintf("/bureau/incidenten/%d", i.Number), strconv.Itoa(i.Number)}, i.Words(), incidentState(&i), i.Aware(), v.apTerm(&i), i.Deadline(), onDay{i.KeepUntil()}})
		}
		return sheet{Heading: page.Both("Incidenten", "Incidents"), Tables: []table{t},
			Intro: page.Both("De 72 uur voor een melding aan de Autoriteit Persoonsgegevens lopen vanaf het moment dat de gemeente het wist, ook in het weekend. Wat recorders zelf melden, en wat de getuige in hun logboeken ziet, opent zich hier vanzelf.",
				"The 72 hours for notifying the supervisory authority run from when the municipality knew, on weekends too. What recorders find, and what the witness sees in their logs, opens here by itself.")}
	})
}

func incidentFields(st *central.State, f central.IncidentFacts) []field {
	return []field{
		entry("wat", "area", "Wat is er gebeurd?", "What happened?", f.Nature).hint("Geen namen van personen.", "No personal names."),
		entry("ontdekt", "datetime-local", "Ontdekt op", "Found at", f.Discovered),
		entry("bekend", "datetime-local", "De gemeente wist het op", "The municipality knew at", f.Aware).hint("Hier begint de termijn van 72 uur. Leeg: nu.", "The 72 hours start here. Empty: now."),
		cameraChoice(st, f.Cameras),
	}
}

func (a *answers) incident() central.IncidentFacts {
	return central.IncidentFacts{Nature: a.text("wat"), Discovered: a.moment("ontdekt"), Aware: a.moment("bekend"), Internal: a.moment("intern"), Categories: a.text("soorten"), People: a.number("aantal"),
		Cameras: cameraIDs(a.v.r.PostForm["camera"]), Segments: a.text("beelden"), Cause: a.text("oorzaak"), Consequences: a.text("gevolgen"), Measures: a.text("maatregelen"),
		Prevention: a.text("voorkomen"), FollowUp: a.text("opvolging"), Advice: a.text("advies")}
}

func (d *desk) reporting(v *visit) { d.showReporting(v, http.StatusOK, form{}) }

func (d *desk) showReporting(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		return sheet{Heading: page.Both("Een incident melden", "Report an incident"),
			Intro: page.Both("Is er iets misgegaan met beelden of met een recorder? Meld het meteen, ook als u twijfelt. Bellen mag ook: de privacy officer vult dit dan in. De privacy officer beslist wat er verder gebeurt.",
				"Did something go wrong with footage or a recorder? Report it at once, also when in doubt. You may also telephone: the privacy officer then fills this in. The privacy officer decides what follows."),
			Fills: []fill{{ID: "melden", Action: "/bureau/incidenten/melden", Title: page.Both("Melding", "Report"), Button: page.Both("Melden", "Report"),
				Fields: append(incidentFields(st, central.IncidentFacts{}), tick("oefening", "Dit is een oefening", "This is a drill"))}}}
	})
}

func (d *desk) report(v *visit) {
	onward := "/bureau/incidenten/gemeld"
	if d.holdsAny(v, []central.Role{central.Officer}) {
		onward = "/bureau/incidenten"
	}
	d.give(v, onward, d.showReporting, func(a *answers) central.Command {
		return central.ReportIncident{By: v.me(), Drill: a.yes("oefening"), IncidentFacts: a.incident()}
	})
}

func (d *desk) reported(v *visit) {
	d.say(v, http.StatusOK, page.Both("Uw melding is vastgelegd. De privacy officer ziet haar meteen.", "Your report is recorded. The privacy officer sees it at once."))
}

// number of a path; 0: none.
func (v *visit) number() int {
	n, err := strconv.Atoi(v.r.PathValue("number"))
	if err != nil {
		return 0
	}
	return n
}

func (d *desk) incident(v *visit) { d.showIncident(v, http.StatusOK, form{}) }

func (d *desk) showIncident(v *visit, status int, f form) {
	there := false
	d.Book.View(func(st *central.State) { there = st.Incident(v.number()) != nil })
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		i := st.Incident(v.number())
		path, w := fmt.Sprintf("/bureau/incidenten/%d", i.Number), i.Facts
		s := sheet{Back: &page.Link{Path: "/bureau/incidenten", Words: page.Both("Alle incidenten", "All incidents")}, Heading: page.Both(fmt.Sprintf("Incident %d: %s", i.Number, i.Words().NL), fmt.Sprintf("Incident %d: %s", i.Number, i.Words().EN)),
			State: incidentState(i), Warn: erased(st, central.IncidentDossier(i.Number)), History: i.History}
		s.Facts = []fact{
			{page.Both("Melding", "Report"), i.Says()}, {page.Both("Geopend", "Opened"), i.Opened}, {page.Both("Bekend sinds", "Aware since"), i.Aware()},
			{page.Both("Melden aan de AP voor", "Notify the AP by"), i.Deadline()}, {page.Both("Termijn", "Term"), v.apTerm(i)}, {page.Both("Bewaren tot", "Keep until"), onDay{i.KeepUntil()}},
			{page.Both("Recorder", "Recorder"), string(i.Source.Recorder)}, {page.Both("Camera", "Camera"), string(i.Camera)}, {page.Both("Conclusie", "Conclusion"), i.Conclusion},
		}
		if evident(i) {
			s.Facts = append(s.Facts, fact{page.Both("Bewijs", "Evidence"), to{path + "/bewijs", page.Both("Wat was beloofd, wat is gezien, wie tekende", "What was promised, what was seen, who signed")}})
		}
		if r := st.Request(i.Request); r != nil && st.MayRead(v.me(), r, v.now) {
			s.Facts = append(s.Facts, fact{page.Both("Aanvraag", "Request"), to{"/bureau/aanvragen/" + string(r.ID), string(r.ID)}})
		}
		for _, told := range central.Tolds {
			if n := i.Told[told]; n != nil {
				if s.Facts = append(s.Facts, fact{told.Words(), page.Both("niet: "+n.Reason, "no: "+n.Reason)}); !n.At.IsZero() {
					s.Facts[len(s.Facts)-1].Value = page.Both(page.Lang("nl").Moment(n.At.Time)+" "+n.Reference+" "+n.Reason, page.Lang("en").Moment(n.At.Time)+" "+n.Reference+" "+n.Reason)
				}
			}
		}
		if r := st.Recorder(i.Source.Recorder); r != nil && i.BreaksLog() {
			state, action := page.Both("Ging verder onder een nieuw logboek", "Went on under a new log"), page.Both("Bekijk wanneer, en op wiens opdracht", "See when, and on whose order")
			broken := st.Broken(r.ID)
			stands := slices.Contains(broken, i)
			if stands {
				state = page.Both("Neemt op, maar toont en verstrekt niets tot de privacy officer hem verder laat gaan", "Records, but shows and releases nothing until the privacy officer lets it go on")
				action = page.Both("Zoek uit wat er is gebeurd, en laat de recorder verder gaan", "Find out what happened, and let the recorder go on")
			}
			s.Facts = append(s.Facts, fact{page.Both("Stand van de recorder", "State of the recorder"), state})
			if st.Holds(v.me(), central.Officer, "", v.now) {
				s.Facts = append(s.Facts, fact{page.Both("Verder laten gaan", "Let it go on"), to{resumePath(r.ID), action}})
			}
			for _, other := range broken {
				if stands && other != i {
					s.Facts = append(s.Facts, fact{page.Both("Vaak dezelfde oorzaak", "Often of the same cause"), to{fmt.Sprintf("/bureau/incidenten/%d", other.Number), page.Both(fmt.Sprintf("incident %d: %s", other.Number, other.Words().NL), fmt.Sprintf("incident %d: %s", other.Number, other.Words().EN))}})
				}
			}
			if t := resumptions(r, i.Number, v.now); len(t.Rows) > 0 {
				s.Tables = append(s.Tables, t)
			}
		}
		if list := st.EraseOrders("", central.IncidentDossier(i.Number)); len(list) > 0 {
			s.Tables = append(s.Tables, erasures(v, st, mineOf(v, st, list)))
		}
		nature, aware := w.Nature, i.Aware()
		if nature == "" {
			nature = i.Words().NL + ": " + page.NL.Times(i.Detail)
		}
		if w.Discovered.IsZero() {
			w.Discovered = i.Opened
		}
		w.Nature, w.Aware = nature, aware
		why := would(st, central.DescribeIncident{By: v.me(), Number: i.Number, IncidentFacts: w}, v.now)
		s.Fills = []fill{
			{ID: "melding", Action: path + "/gemeld", Title: page.Both("Wie is het gemeld?", "Who was told?"), Why: why, Button: page.Both("Vastleggen", "Record"),
				Hint: page.Both("De AP binnen 72 uur (art. 33 AVG); de betrokkenen bij een hoog risico (art. 34 AVG). Niet gemeld? Zeg dan waarom niet.", "The AP within 72 hours (art. 33 GDPR); the people concerned where the risk is high (art. 34 GDPR). Not told? Then say why."),
				Fields: []field{choice("wie", "radio", "Wie", "Who", central.Tolds), entry("op", "datetime-local", "Gemeld op", "Told at", nil).hint("Leeg: niet gemeld.", "Empty: not told."),
					entry("kenmerk", "text", "Kenmerk van de melding", "Reference of the notification", nil), entry("reden", "area", "Waarom niet, of waarom later", "Why not, or why late", nil)}},
			{ID: "beschrijving", Action: path, Title: page.Both("Beschrijving", "Description"), Why: why, Button: page.Both("Beschrijving vastleggen", "Record the description"), Fields: append(incidentFields(st, w),
				entry("intern", "datetime-local", "Intern gemeld op", "Reported internally at", w.Internal),
				entry("soorten", "text", "Soorten gegevens en mensen", "Categories of data and people", w.Categories), entry("aantal", "number", "Ongeveer hoeveel mensen", "About how many people", w.People),
				entry("beelden", "text", "Welke beelden", "Which footage", w.Segments), entry("oorzaak", "area", "Oorzaak", "Cause", w.Cause), entry("gevolgen", "area", "Gevolgen", "Consequences", w.Consequences),
				entry("maatregelen", "area", "Maatregelen", "Measures", w.Measures), entry("voorkomen", "area", "Hoe dit voortaan wordt voorkomen", "How this will be prevented", w.Prevention),
				entry("opvolging", "area", "Opvolging", "Follow-up", w.FollowUp), entry("advies", "area", "Advies van de privacy officer", "The privacy officer's advice", w.Advice))},
			{ID: "sluiten", Action: path + "/sluiten", Title: page.Both("Afsluiten", "Close"), Button: page.Both("Incident afsluiten", "Close the incident"),
				Why: why, Fields: []field{tick("geen-lek", "Er zijn geen persoonsgegevens geraakt: dit is geen datalek", "No personal data were touched: this is no breach"), entry("conclusie", "area", "Conclusie", "Conclusion", nil)}},
		}
		if why != nil && why.Code == central.CodeForbidden {
			s.Fills = nil
		}
		return s
	})
}

func (d *desk) onIncident(v *visit, read func(*answers) central.Command) {
	d.give(v, fmt.Sprintf("/bureau/incidenten/%d", v.number()), d.showIncident, read)
}

func (d *desk) describeIncident(v *visit) {
	d.onIncident(v, func(a *answers) central.Command {
		return central.DescribeIncident{By: v.me(), Number: v.number(), IncidentFacts: a.incident()}
	})
}

func (d *desk) tellOfIncident(v *visit) {
	d.onIncident(v, func(a *answers) central.Command {
		return central.TellOfIncident{By: v.me(), Number: v.number(), Told: central.Told(a.text("wie")), Notice: central.Notice{At: a.moment("op"), Reference: a.text("kenmerk"), Reason: a.text("reden")}}
	})
}

func (d *desk) closeIncident(v *visit) {
	d.onIncident(v, func(a *answers) central.Command {
		return central.CloseIncident{By: v.me(), Number: v.number(), NoBreach: a.yes("geen-lek"), Conclusion: a.text("conclusie")}
	})
}
