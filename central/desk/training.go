package desk

import (
	"net/http"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Training (R28): until when each person's is valid, for the administrator.

func (d *desk) trainings(v *visit) { d.showTrainings(v, http.StatusOK, form{}) }

func (d *desk) showTrainings(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Wie", "Who"), page.Both("Opleiding", "Training"), page.Both("Gevolgd", "Followed"), page.Both("Geldig tot", "Valid until"), page.Both("Stand", "Status")}, Empty: page.Both("Er is nog niemand aangesteld.", "Nobody has been appointed yet.")}
		people := field{Name: "persoon", Kind: "select", Label: page.Both("Wie", "Who")}
		untrained := map[protocol.PersonID]bool{}
		for _, p := range st.Untrained(v.now) {
			untrained[p.Person] = true
		}
		for _, p := range st.People() {
			last, ok := st.Training(p.Person)
			state := badge{"good", page.Both("geldig", "valid")}
			switch {
			case ok && untrained[p.Person] && !v.now.Before(last.ValidUntil.Add(central.TrainingGrace)):
				state = badge{"bad", page.Both("verlopen: rol niet actief", "lapsed: role inactive")}
			case ok && untrained[p.Person]:
				state = badge{"warn", page.Both("verlopen", "lapsed")}
			case untrained[p.Person]:
				state = badge{"warn", page.Both("nog niet vastgelegd", "not recorded yet")}
			case !ok:
				state = badge{"", page.Both("leidt de eigen organisatie op", "trained by their own organisation")}
			}
			t.Rows = append(t.Rows, []any{p.Person, last.Subject, onDay{last.Followed}, onDay{last.ValidUntil}, state})
			name := d.Identity.Name(p.Person)
			people.Options = append(people.Options, option{Value: string(p.Person), Words: page.Both(name, name)})
		}
		return sheet{Heading: page.Both("Opleidingen", "Training"), Tables: []table{t},
			Intro: page.Both("Verloopt een opleiding, dan krijgt de medewerker een herinnering. Dertig dagen later is de rol niet meer actief, tot de opleiding opnieuw is gevolgd.", "When training lapses its person is reminded. Thirty days later the role is inactive, until the training is followed again."),
			Fills: []fill{{ID: "vastleggen", Action: "/bureau/opleidingen", Title: page.Both("Opleiding vastleggen", "Record a training"), Button: page.Both("Vastleggen", "Record"),
				Fields: []field{people, entry("opleiding", "text", "Welke opleiding", "Which training", nil), entry("gevolgd", "date", "Gevolgd op", "Followed on", nil), entry("geldig", "date", "Geldig tot", "Valid until", nil)}}}}
	})
}

func (d *desk) recordTraining(v *visit) {
	d.give(v, "/bureau/opleidingen", d.showTrainings, func(a *answers) central.Command {
		return central.RecordTraining{By: v.me(), TrainingFacts: central.TrainingFacts{Person: protocol.PersonID(a.text("persoon")), Subject: a.text("opleiding"), Followed: a.day("gevolgd"), ValidUntil: a.day("geldig")}}
	})
}
