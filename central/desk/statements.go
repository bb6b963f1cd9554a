package desk

import (
	"fmt"
	"net/http"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Statements of the municipality in their versions (R26), and all that has to be looked at again (R23).

func (d *desk) statementRoutes(in func(string, func(*visit), ...central.Role)) {
	reading := []central.Role{central.Registrar, central.Officer, central.Auditor, central.CollegeMember}
	in("GET /bureau/verklaringen", d.statements, reading...)
	in("GET /bureau/verklaringen/{kind}", d.statement, reading...)
	in("POST /bureau/verklaringen/{kind}", d.publishStatement, central.Registrar)
	in("GET /bureau/herzien", d.reviews, central.Registrar, central.Administrator, central.Officer, central.Auditor)
}

var titleStatements = page.Both("Verklaringen en beleid", "Statements and policy")

func (d *desk) statements(v *visit) {
	d.showSheet(v, http.StatusOK, form{}, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Stuk", "Document"), page.Both("Versie", "Version"), page.Both("Vastgesteld", "Adopted"), page.Both("Geldig vanaf", "Valid from"), page.Both("Opnieuw bekijken", "Review")}}
		for _, kind := range central.StatementKinds {
			row := []any{to{"/bureau/verklaringen/" + string(kind), kind.Words()}, badge{"warn", page.Both("nog niet gepubliceerd", "not published yet")}, "", "", ""}
			if one := st.NewestStatement(kind); one != nil {
				row[1], row[2], row[3], row[4] = one.Version, onDay{one.AdoptedOn}, onDay{one.ValidFrom}, reviewed(v, one.Review)
			}
			t.Rows = append(t.Rows, row)
		}
		return sheet{Heading: titleStatements, Tables: []table{t}, Intro: page.Both("Deze stukken staan op de openbare site. Oude versies blijven daar te lezen.", "These documents are on the public site. Earlier versions can be read there still.")}
	})
}

func (d *desk) statement(v *visit) { d.showStatement(v, http.StatusOK, form{}) }

func (d *desk) showStatement(v *visit, status int, f form) {
	kind := central.StatementKind(v.r.PathValue("kind"))
	w := kind.Words()
	if w == (central.Words{}) {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		t := table{Caption: page.Both("Versies", "Versions"), Columns: []central.Words{page.Both("Versie", "Version"), page.Both("Vastgesteld door", "Adopted by"), page.Both("Op", "On"), page.Both("Geldig vanaf", "Valid from"), page.Both("Opnieuw bekijken", "Review")}, Empty: page.Both("Nog niet gepubliceerd.", "Not published yet.")}
		for _, one := range st.Statements() {
			if one.Kind == kind {
				t.Rows = append(t.Rows, []any{to{fmt.Sprintf("/documenten/verklaring/%s/%d", kind, one.Version), one.Version}, one.AdoptedBy, onDay{one.AdoptedOn}, onDay{one.ValidFrom}, onDay{one.Review}})
			}
		}
		s := sheet{Back: &page.Link{Path: "/bureau/verklaringen", Words: titleStatements}, Heading: w, Tables: []table{t}}
		if st.Holds(v.me(), central.Registrar, "", v.now) {
			var begin central.Statement
			if last := st.NewestStatement(kind); last != nil {
				begin = *last
			}
			s.Fills = []fill{{ID: "versie", Action: "/bureau/verklaringen/" + string(kind), Title: page.Both("Volgende versie", "Next version"), Button: page.Both("Publiceren", "Publish"),
				Hint: page.Both("Dit staat meteen op de openbare site, met de dag waarop het ingaat.", "This is on the public site at once, with the day on which it begins."),
				Fields: []field{entry("tekst", "long", "Tekst", "Text", begin.Text).hint("Een lege regel begint een nieuwe alinea.", "An empty line begins a new paragraph."), entry("engels", "long", "Engelse tekst (mag leeg)", "English text (optional)", begin.English),
					entry("orgaan", "text", "Vastgesteld door", "Adopted by", begin.AdoptedBy), entry("vastgesteld", "date", "Vastgesteld op", "Adopted on", nil), entry("van", "date", "Geldig vanaf", "Valid from", nil),
					entry("herzien", "date", "Opnieuw bekijken voor", "Review before", nil).hint("Binnen vijf jaar.", "Within five years.")}}}
		}
		return s
	})
}

func (d *desk) publishStatement(v *visit) {
	kind := central.StatementKind(v.r.PathValue("kind"))
	d.give(v, "/bureau/verklaringen/"+string(kind), d.showStatement, func(a *answers) central.Command {
		version := 1
		d.Book.View(func(st *central.State) {
			if last := st.NewestStatement(kind); last != nil {
				version = last.Version + 1
			}
		})
		return central.PublishStatement{By: v.me(), Statement: central.Statement{Kind: kind, Version: version, Text: a.text("tekst"), English: a.text("engels"), AdoptedBy: a.text("orgaan"), AdoptedOn: a.day("vastgesteld"), ValidFrom: a.day("van"), Review: a.day("herzien")}}
	})
}

// reviews are what has to be looked at again soon, or had to be.
func (d *desk) reviews(v *visit) {
	d.showSheet(v, http.StatusOK, form{}, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Wat", "What"), page.Both("Welke", "Which"), page.Both("Voor", "Before"), page.Both("Wie", "Who")}, Empty: page.Both("De komende zestig dagen hoeft niets opnieuw te worden bekeken.", "Nothing has to be looked at again in the coming sixty days.")}
		for _, r := range st.Reviews(v.now) {
			t.Rows = append(t.Rows, []any{r.Words, linked(st, v, taskPath(central.Task{Topic: r.Topic, Key: r.Key}), r.Key), reviewed(v, r.Due), central.Joined(r.Roles)})
		}
		return sheet{Heading: page.Both("Opnieuw bekijken", "To be looked at again"), Tables: []table{t},
			Intro: page.Both("Beleid, protocollen en afspraken worden op tijd opnieuw bekeken: ten minste iedere vijf jaar.", "Policy, protocols and agreements are looked at again in time: at least every five years.")}
	})
}
