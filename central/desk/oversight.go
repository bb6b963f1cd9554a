package desk

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// oversightRoutes are the pages of oversight: incidents and what the privacy officer keeps.
func (d *desk) oversightRoutes(in func(string, func(*visit), ...central.Role)) {
	in("GET /bureau/incidenten", d.incidents, central.Officer, central.Auditor)
	in("GET /bureau/incidenten/melden", d.reporting)
	in("POST /bureau/incidenten/melden", d.report)
	in("GET /bureau/incidenten/gemeld", d.reported)
	in("GET /bureau/incidenten/{number}", d.incident, central.Officer, central.Auditor)
	for _, end := range append(endings, ".zip") {
		in("GET /bureau/incidenten/{number}/bewijs"+end, d.evidence, central.Officer, central.Auditor)
	}
	in("POST /bureau/incidenten/{number}", d.describeIncident, central.Officer)
	in("POST /bureau/incidenten/{number}/gemeld", d.tellOfIncident, central.Officer)
	in("POST /bureau/incidenten/{number}/sluiten", d.closeIncident, central.Officer)

	subjects := []central.Role{central.Handler, central.Approver, central.Officer}
	in("GET /bureau/betrokkenen", d.subjects, subjects...)
	in("POST /bureau/betrokkenen", d.fileSubject, central.Handler)
	in("GET /bureau/betrokkenen/{id}", d.subject, subjects...)
	in("POST /bureau/betrokkenen/{id}/identiteit", d.identifySubject, central.Handler)
	in("POST /bureau/betrokkenen/{id}/verlengen", d.extendSubject, central.Handler)
	in("POST /bureau/betrokkenen/{id}/antwoord", d.answerSubject, central.Approver)
	in("POST /bureau/betrokkenen/{id}/doorsturen", d.forwardSubject, central.Handler)

	in("GET /bureau/steekproeven", d.samples, central.Officer, central.Auditor)
	in("POST /bureau/steekproeven", d.drawSample, central.Officer)
	in("GET /bureau/steekproeven/{number}", d.sample, central.Officer, central.Auditor)
	in("POST /bureau/steekproeven/{number}", d.recordFinding, central.Officer)
	in("POST /bureau/audits", d.planAudit, central.Officer)
	in("POST /bureau/audits/uitkomst", d.finishAudit, central.Officer)
	in("GET /bureau/klachten", d.matters, central.Officer)
	in("POST /bureau/klachten", d.openMatter, central.Officer)
	in("GET /bureau/klachten/{number}", d.matter, central.Officer)
	in("POST /bureau/klachten/{number}", d.followMatter, central.Officer)

	reporting := []central.Role{central.CollegeMember, central.Registrar, central.Officer, central.Auditor}
	in("GET /bureau/verslagen", d.reports, reporting...)
	in("GET /bureau/verslagen/{kind}/{year}", d.yearly, reporting...)
	in("POST /bureau/verslagen/officer/{year}/ondertekenen", d.signReport, central.Officer)
	for _, end := range endings {
		in("GET /bureau/verwerkingen"+end, d.processing, reporting...)
		in("GET /bureau/camera-in-beeld"+end, d.inBeeld, reporting...)
	}
	in("GET /bureau/opleidingen", d.trainings, central.Administrator)
	in("POST /bureau/opleidingen", d.recordTraining, central.Administrator)
	in("GET /bureau/inzage", d.readings, central.Officer, central.Auditor)
	in("POST /bureau/inzage", d.writeNote, central.Officer)
}

func (d *desk) readings(v *visit) { d.showReadings(v, http.StatusOK, form{}) }

// showReadings is what those who oversee opened, and the officer's notes.
func (d *desk) showReadings(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		notes := table{Caption: page.Both("Aantekeningen", "Notes"), Columns: []central.Words{page.Both("Wanneer", "When"), page.Both("Over", "About"), page.Both("Aantekening", "Note"), page.Both("Van", "By")}, Empty: page.Both("Nog geen.", "None yet.")}
		for _, n := range st.Notes(v.me(), v.now) {
			notes.Rows = append(notes.Rows, []any{n.At, n.About, n.Text, n.By})
		}
		read := table{Caption: page.Both("Wat toezicht heeft bekeken", "What oversight has opened"), Columns: []central.Words{page.Both("Wanneer", "When"), page.Both("Wie", "Who"), page.Both("Wat", "What"), page.Both("Welke", "Which")}, Empty: page.Both("Nog niets.", "Nothing yet.")}
		for _, r := range st.Readings() {
			read.Rows = append(read.Rows, []any{r.At, r.By, r.What.Words(), r.About})
		}
		s := sheet{Heading: page.Both("Inzage en aantekeningen", "Readings and notes"), Tables: []table{notes, read},
			Intro: page.Both("Ook wie toezicht houdt laat sporen na: wat u opent of ophaalt staat in het logboek van de centrale. Aantekeningen leest alleen de privacy officer.",
				"Those who oversee leave traces too: what you open or download is in the centre's log. Notes are read by the privacy officer only."),
			Fills: []fill{{ID: "aantekening", Action: "/bureau/inzage", Title: page.Both("Aantekening maken", "Write a note"), Button: page.Both("Vastleggen", "Record"),
				Fields: []field{entry("over", "text", "Over (bijvoorbeeld een aanvraag of camera)", "About (for example a request or camera)", nil), entry("tekst", "area", "Aantekening", "Note", nil)}}}}
		if !st.Holds(v.me(), central.Officer, "", v.now) {
			s.Tables, s.Fills = s.Tables[1:], nil
		}
		return s
	})
}

func (d *desk) writeNote(v *visit) {
	d.give(v, "/bureau/inzage", d.showReadings, func(a *answers) central.Command {
		return central.WriteNote{By: v.me(), About: a.text("over"), Text: a.text("tekst")}
	})
}

// taskPath is the page where a task is done.
func taskPath(t central.Task) string {
	switch {
	case t.Request != nil:
		return "/bureau/aanvragen/" + string(t.Request.ID)
	case t.Camera != nil:
		return "/bureau/cameras/" + string(t.Camera.Camera)
	case t.Trouble != nil && t.Trouble.Number > 0:
		return fmt.Sprintf("/bureau/incidenten/%d", t.Trouble.Number)
	}
	switch t.Topic {
	case central.TopicSubject:
		return "/bureau/betrokkenen/" + t.Key
	case central.TopicSample:
		return "/bureau/steekproeven/" + t.Key
	case central.TopicAudit:
		return "/bureau/steekproeven"
	case central.TopicAdvice:
		kind, id, _ := strings.Cut(t.Key, " ")
		return advicePath(central.About{Kind: central.AboutKind(kind), ID: id})
	case central.TopicStatement:
		return "/bureau/verklaringen/" + t.Key
	case central.TopicUnit:
		return "/bureau/organisaties/" + t.Key
	case central.TopicCollege:
		return "/bureau/college"
	case central.TopicDPIA:
		return "/bureau/dpia/" + t.Key
	case central.TopicUpkeep:
		return "/bureau/herbevestigen"
	case central.TopicProtocol:
		return "/bureau/protocollen/" + t.Key
	case central.TopicMatter:
		return "/bureau/klachten/" + t.Key
	}
	return "/bureau"
}
