package desk

import (
	"net/http"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Organisations and what was agreed with them (R19, R31).

func (d *desk) organisationRoutes(in func(string, func(*visit), ...central.Role)) {
	reading := []central.Role{central.Administrator, central.Registrar, central.Officer, central.Auditor}
	in("GET /bureau/organisaties", d.organisations, reading...)
	in("POST /bureau/organisaties", d.agree, central.Administrator)
	in("GET /bureau/organisaties/{unit}", d.organisation, reading...)
	in("POST /bureau/organisaties/{unit}/controle", d.checkAgreement, central.Registrar, central.Officer)
	in("POST /bureau/organisaties/{unit}/einde", d.endAgreement, central.Administrator)
}

var titleOrganisations = page.Both("Organisaties en afspraken", "Organisations and agreements")

func agreementState(v *visit, u *central.Unit) badge {
	switch {
	case !u.Valid(v.now) && u.ValidFrom.After(v.now):
		return badge{"warn", page.Both("geldt nog niet", "not yet valid")}
	case !u.Valid(v.now):
		return badge{"bad", page.Both("geen geldige afspraak", "no valid agreement")}
	case u.ValidUntil.Sub(v.now) < central.ReviewNotice:
		return badge{"warn", page.Both("loopt af", "about to end")}
	}
	return badge{"good", page.Both("geldig", "valid")}
}

func (d *desk) organisations(v *visit) { d.showOrganisations(v, http.StatusOK, form{}) }

func (d *desk) showOrganisations(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Organisatie", "Organisation"), page.Both("Soort", "Kind"), page.Both("Afspraak", "Agreement"), page.Both("Geldig tot", "Valid until"), page.Both("Opnieuw bekijken", "Review"), page.Both("Stand", "Status")}, Empty: page.Both("Nog geen.", "None yet.")}
		for _, u := range st.Units() {
			t.Rows = append(t.Rows, []any{to{"/bureau/organisaties/" + u.ID, u.Name}, u.Kind.Words(), u.Agreement, onDay{u.ValidUntil}, reviewed(v, u.Review), agreementState(v, u)})
		}
		s := sheet{Heading: titleOrganisations, Tables: []table{t},
			Intro: page.Both("Mensen van een ketenpartner kunnen hier alleen werken, en krijgen alleen beelden, zolang de afspraak geldt.", "People of a chain partner can only work here, and get footage, while its agreement is valid.")}
		if st.Holds(v.me(), central.Administrator, "", v.now) {
			s.Fills = []fill{agreeing(central.Unit{})}
		}
		return s
	})
}

// agreeing is the form of an agreement, beginning with what stands.
func agreeing(u central.Unit) fill {
	id := entry("eenheid-id", "text", "Kenmerk (kleine letters)", "Id (lower case)", u.ID)
	title := page.Both("Organisatie en afspraak vastleggen", "Record an organisation and its agreement")
	if u.ID != "" {
		id = field{Name: "eenheid-id", Kind: "hidden", Value: u.ID}
		title = page.Both("Nieuwe afspraak, of afspraak wijzigen", "New agreement, or change it")
	}
	return fill{ID: "afspraak", Action: "/bureau/organisaties", Title: title, Button: page.Both("Vastleggen", "Record"), Fields: []field{id,
		entry("eenheid-naam", "text", "Naam", "Name", u.Name),
		choice("soort", "radio", "Wat voor organisatie?", "What kind of organisation?", central.UnitKinds, u.Kind),
		entry("afspraak", "text", "Kenmerk van convenant of overeenkomst", "Reference of covenant or agreement", u.Agreement).hint("Een verwerkersovereenkomst staat in Verseon: neem dat kenmerk.", "A processor agreement is kept in Verseon: take that reference."),
		entry("model", "text", "Versie van het IBD-model (bij een verwerker)", "Version of IBD's model (for a processor)", u.Model),
		entry("partijen", "area", "Welke organisaties, en wie is waarvoor verantwoordelijk?", "Which organisations, and who is responsible for what?", u.Parties),
		entry("doelen", "area", "Met welk doel?", "To what end?", u.Goals),
		entry("bijzonder", "area", "Worden er bijzondere persoonsgegevens verwerkt?", "Are special categories of data processed?", u.Special),
		entry("informeren", "area", "Hoe worden betrokkenen geïnformeerd?", "How are people informed?", u.Informing),
		entry("verwerkingen", "area", "De belangrijkste verwerkingen", "The main processings", u.Processings),
		entry("rechten", "area", "Hoe gebruiken betrokkenen hun rechten?", "How do people use their rights?", u.Rights),
		entry("geldig-van", "date", "Geldig vanaf", "Valid from", u.ValidFrom), entry("geldig-tot", "date", "Geldig tot", "Valid until", u.ValidUntil), entry("herzien", "date", "Opnieuw bekijken voor", "Review before", u.Review)}}
}

func (d *desk) agree(v *visit) {
	again := d.showOrganisations
	d.Book.View(func(st *central.State) {
		if id := v.value("eenheid-id"); st.Unit(id) != nil { // its own page has this form too
			v.r.SetPathValue("unit", id)
			again = d.showOrganisation
		}
	})
	d.give(v, "/bureau/organisaties", again, func(a *answers) central.Command {
		return central.AgreeUnit{By: v.me(), Unit: central.Unit{ID: a.text("eenheid-id"), Name: a.text("eenheid-naam"), Agreement: a.text("afspraak"), ValidUntil: a.day("geldig-tot"), AgreementFacts: central.AgreementFacts{
			Kind: central.UnitKind(a.text("soort")), Model: a.text("model"), Parties: a.text("partijen"), Goals: a.text("doelen"), Special: a.text("bijzonder"), Informing: a.text("informeren"), Processings: a.text("verwerkingen"),
			Rights: a.text("rechten"), ValidFrom: a.day("geldig-van"), Review: a.day("herzien")}}}
	})
}

func (d *desk) organisation(v *visit) { d.showOrganisation(v, http.StatusOK, form{}) }

func (d *desk) showOrganisation(v *visit, status int, f form) {
	id := v.r.PathValue("unit")
	there := false
	d.Book.View(func(st *central.State) { there = st.Unit(id) != nil })
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		u, dealings := st.Unit(id), st.Dealings(id)
		s := sheet{Back: &page.Link{Path: "/bureau/organisaties", Words: titleOrganisations}, Heading: page.Both(u.Name, u.Name), State: agreementState(v, u), History: dealings.History,
			Facts: []fact{{page.Both("Kenmerk", "Id"), u.ID}, {page.Both("Soort", "Kind"), u.Kind.Words()}, {page.Both("Wat is afgesproken", "What was agreed"), u.Kind.Agreement()}, {page.Both("Afspraak", "Agreement"), u.Agreement}, {page.Both("Versie van het IBD-model", "Version of IBD's model"), u.Model},
				{page.Both("Partijen", "Parties"), u.Parties}, {page.Both("Doelen", "Goals"), u.Goals}, {page.Both("Bijzondere persoonsgegevens", "Special categories of data"), u.Special}, {page.Both("Informeren", "Informing"), u.Informing},
				{page.Both("Verwerkingen", "Processings"), u.Processings}, {page.Both("Rechten", "Rights"), u.Rights}, {page.Both("Geldig vanaf", "Valid from"), onDay{u.ValidFrom}}, {page.Both("Geldig tot", "Valid until"), onDay{u.ValidUntil}}, {page.Both("Opnieuw bekijken", "Review"), reviewed(v, u.Review)}}}
		checks := table{Caption: page.Both("Controles", "Checks"), Columns: []central.Words{page.Both("Wanneer", "When"), page.Both("Uitkomst", "Outcome"), page.Both("Wat is gezien", "What was seen")}, Empty: page.Both("Nog niet nagegaan of de afspraak wordt nagekomen.", "Not yet checked whether the agreement is kept.")}
		for _, c := range dealings.Checks {
			outcome := badge{"bad", page.Both("niet nagekomen", "not kept")}
			if c.Kept {
				outcome = badge{"good", page.Both("nagekomen", "kept")}
			}
			checks.Rows = append(checks.Rows, []any{onDay{c.On}, outcome, c.Finding})
		}
		s.Tables = []table{checks}
		if u.Kind == "" {
			s.Warn = append(s.Warn, page.Both("Van deze afspraak is nog niet vastgelegd wat erin staat. Vul haar aan.", "What this agreement says has not been recorded yet. Complete it."))
		}
		if st.Holds(v.me(), central.Registrar, "", v.now) || st.Holds(v.me(), central.Officer, "", v.now) {
			s.Fills = append(s.Fills, fill{ID: "controle", Action: "/bureau/organisaties/" + id + "/controle", Title: page.Both("Controle vastleggen", "Record a check"), Button: page.Both("Vastleggen", "Record"),
				Fields: []field{entry("op", "date", "Wanneer nagegaan?", "Checked when?", nil), tick("nagekomen", "De afspraak wordt nagekomen", "The agreement is kept"), entry("bevinding", "area", "Wat is nagegaan en gezien?", "What was looked at and seen?", nil)}})
		}
		if st.Holds(v.me(), central.Administrator, "", v.now) {
			s.Fills = append(s.Fills, agreeing(*u), fill{ID: "einde", Action: "/bureau/organisaties/" + id + "/einde", Title: page.Both("Afspraak nu beëindigen", "End the agreement now"), Button: page.Both("Beëindigen", "End it"),
				Why: would(st, central.EndAgreement{By: v.me(), Unit: id, Reason: "?"}, v.now), Hint: page.Both("De mensen van deze organisatie kunnen dan niets meer doen, en wat nog niet is opgehaald wordt niet gegeven.", "The people of this organisation can then do nothing more, and what was not fetched is not given."),
				Fields: []field{entry("reden", "area", "Waarom?", "Why?", nil)}})
		}
		return s
	})
}

func (d *desk) checkAgreement(v *visit) {
	id := v.r.PathValue("unit")
	d.give(v, "/bureau/organisaties/"+id, d.showOrganisation, func(a *answers) central.Command {
		return central.CheckAgreement{By: v.me(), AgreementCheck: central.AgreementCheck{Unit: id, On: a.day("op"), Kept: a.yes("nagekomen"), Finding: a.text("bevinding")}}
	})
}

func (d *desk) endAgreement(v *visit) {
	id := v.r.PathValue("unit")
	d.give(v, "/bureau/organisaties/"+id, d.showOrganisation, func(a *answers) central.Command {
		return central.EndAgreement{By: v.me(), Unit: id, Reason: a.text("reden")}
	})
}
