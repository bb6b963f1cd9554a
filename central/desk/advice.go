package desk

import (
	"net/http"
	"net/url"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Advice of the privacy officer (R9), asked and given; and the officer's own channel to the college.

func (d *desk) adviceRoutes(in func(string, func(*visit), ...central.Role)) {
	deciding := []central.Role{central.Officer, central.Auditor, central.Registrar, central.Approver, central.Handler}
	in("GET /bureau/adviezen", d.allAdvice, deciding...)
	in("GET /bureau/adviezen/{kind}/{id}", d.advice, deciding...)
	in("POST /bureau/adviezen/{kind}/{id}/vraag", d.askAdvice, deciding...)
	in("POST /bureau/adviezen/{kind}/{id}/advies", d.giveAdvice, central.Officer)

	in("GET /bureau/college", d.college, central.Officer, central.CollegeMember)
	in("POST /bureau/college", d.reportToCollege, central.Officer)
	in("POST /bureau/college/antwoord", d.answerOfficer, central.CollegeMember)
}

func advicePath(a central.About) string {
	return "/bureau/adviezen/" + string(a.Kind) + "/" + url.PathEscape(a.ID)
}

// aboutPath is the page of what an advice is about.
func aboutPath(a central.About) string {
	switch a.Kind {
	case central.AboutPlacement:
		return "/bureau/cameras/" + a.ID
	case central.AboutRequest:
		return "/bureau/aanvragen/" + a.ID
	case central.AboutDPIA:
		return "/bureau/dpia/" + a.ID
	}
	return ""
}

func aboutWords(a central.About) central.Words {
	w := a.Kind.Words()
	return page.Both(w.NL+" "+a.ID, w.EN+" "+a.ID)
}

func opinionBadge(o central.Opinion) badge {
	kind := map[central.Opinion]string{central.Favourable: "good", central.Conditional: "warn", central.Against: "bad"}[o]
	return badge{kind, o.Words()}
}

// counselled is the advice about something, for who may read it, beside where it is acted upon; more is what the act rests on as well. Nil: not for this reader.
type counselled struct {
	Path   string
	Last   *central.Counsel // nil: none yet
	Warned bool             // who goes on must still say why
}

func adviceOn(st *central.State, v *visit, a central.About, more ...central.About) *counselled {
	if !st.MayReadAdvice(v.me(), a, v.now) {
		return nil
	}
	c := &counselled{Path: advicePath(a)}
	if all := st.Advice(a); all != nil && len(all.Given) > 0 {
		c.Last = all.Given[len(all.Given)-1]
	}
	for _, one := range append(more, a) {
		warned := st.Warned(one)
		c.Warned = c.Warned || warned != nil && warned.Against == nil
	}
	return c
}

// adviceFacts are the privacy officer's advice on something, for who may read it.
func adviceFacts(st *central.State, v *visit, a central.About) []fact {
	c := adviceOn(st, v, a)
	if c == nil {
		return nil
	}
	label := page.Both("Advies van de privacy officer", "Advice of the privacy officer")
	if c.Last == nil {
		return []fact{{label, to{c.Path, page.Both("nog geen: vragen of geven", "none yet: ask or give")}}}
	}
	w := c.Last.Opinion.Words()
	list := []fact{{label, to{c.Path, page.Both(w.NL+": "+c.Last.Text, w.EN+": "+c.Last.Text)}}}
	if c.Last.Against != nil {
		list = append(list, fact{page.Both("Advies niet gevolgd, omdat", "Advice not followed, because"), c.Last.Against.Reason}, fact{page.Both("Niet gevolgd door", "Not followed by"), c.Last.Against.By})
	}
	return list
}

// despite is the field in which one says why one goes on against the advice; do reads it.
func despite() field {
	return entry("ondanks", "area", "De privacy officer adviseert negatief. Waarom gaat u toch door?", "The privacy officer advises against it. Why do you go on all the same?", nil).
		hint("Uw naam en reden staan voortaan bij het advies en in het jaarverslag.", "Your name and reason stand with the advice from now on, and in the yearly report.")
}

func (d *desk) allAdvice(v *visit) {
	d.showSheet(v, http.StatusOK, form{}, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Waarover", "About"), page.Both("Advies", "Advice"), page.Both("Gegeven", "Given"), page.Both("Wat ermee is gedaan", "What was done with it")}, Empty: page.Both("Er is nog geen advies gevraagd of gegeven.", "No advice has been asked or given yet.")}
		all := st.Advised()
		for i := len(all) - 1; i >= 0; i-- {
			a := all[i]
			c := adviceOn(st, v, a)
			if c == nil {
				continue
			}
			row := []any{to{c.Path, aboutWords(a)}, badge{"warn", page.Both("gevraagd", "asked")}, st.Advice(a).Waits(), ""}
			if last := c.Last; last != nil && st.Advice(a).Waits().IsZero() {
				row[1], row[2] = opinionBadge(last.Opinion), last.At
				if last.Against != nil {
					row[3] = page.Both("niet gevolgd: "+last.Against.Reason, "not followed: "+last.Against.Reason)
				}
			}
			t.Rows = append(t.Rows, row)
		}
		return sheet{Heading: page.Both("Adviezen van de privacy officer", "Advice of the privacy officer"), Tables: []table{t},
			Intro: page.Both("Een advies weegt zwaar en bindt niet. Wie het niet volgt, schrijft op waarom. Advies vragen of geven doet u op de pagina van de camera, de aanvraag, de DPIA of het concept van een protocol.",
				"An advice weighs heavily and does not bind. Who does not follow it writes down why. Ask or give advice from the page of the camera, the request, the DPIA or the draft of a protocol.")}
	})
}

func (v *visit) about() central.About {
	return central.About{Kind: central.AboutKind(v.r.PathValue("kind")), ID: v.r.PathValue("id")}
}

func (d *desk) advice(v *visit) { d.showAdvice(v, http.StatusOK, form{}) }

func (d *desk) showAdvice(v *visit, status int, f form) {
	a := v.about()
	there := false
	d.Book.View(func(st *central.State) {
		there = st.MayReadAdvice(v.me(), a, v.now) && st.Advisable(a) == nil
	})
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		w := aboutWords(a)
		s := sheet{Back: &page.Link{Path: "/bureau/adviezen", Words: page.Both("Alle adviezen", "All advice")}, Heading: page.Both("Advies over "+w.NL, "Advice on "+w.EN)}
		if path := aboutPath(a); path != "" {
			s.Facts = append(s.Facts, fact{page.Both("Waarover", "About"), to{path, w}})
		}
		asked := table{Caption: page.Both("Gevraagd", "Asked"), Columns: []central.Words{page.Both("Wanneer", "When"), page.Both("Vraag", "Question"), page.Both("Door", "By")}, Empty: page.Both("Er is niets gevraagd.", "Nothing was asked.")}
		given := table{Caption: page.Both("Adviezen", "Advice"), Columns: []central.Words{page.Both("Wanneer", "When"), page.Both("Advies", "Advice"), page.Both("Toelichting", "Explanation"), page.Both("Van", "By"), page.Both("Niet gevolgd: waarom", "Not followed: why"), page.Both("Door", "By")}, Empty: page.Both("Er is nog geen advies.", "There is no advice yet.")}
		if all := st.Advice(a); all != nil {
			for _, m := range all.Asked {
				asked.Rows = append(asked.Rows, []any{m.At, m.Note, m.By})
			}
			for _, c := range all.Given {
				row := []any{c.At, opinionBadge(c.Opinion), c.Text, c.By, "", ""}
				if c.Against != nil {
					row[4], row[5] = c.Against.Reason, c.Against.By
				}
				given.Rows = append(given.Rows, row)
			}
		}
		s.Tables = []table{given, asked}
		path := advicePath(a)
		if st.Holds(v.me(), central.Officer, "", v.now) {
			s.Fills = append(s.Fills, fill{ID: "advies", Action: path + "/advies", Title: page.Both("Advies geven", "Give advice"), Button: page.Both("Advies vastleggen", "Record the advice"),
				Hint:   page.Both("Gevraagd of ongevraagd. Het laatste advies telt.", "Asked or not. The last advice counts."),
				Fields: []field{choice("oordeel", "radio", "Uw advies", "Your advice", central.Opinions), entry("tekst", "area", "Toelichting, met eventuele voorwaarden", "Explanation, with any conditions", nil)}})
		} else {
			s.Fills = append(s.Fills, fill{ID: "vraag", Action: path + "/vraag", Title: page.Both("Advies vragen", "Ask for advice"), Button: page.Both("Vragen", "Ask"), Why: would(st, central.AskAdvice{By: v.me(), About: a, Question: "?"}, v.now),
				Fields: []field{entry("vraag", "area", "Wat vraagt u aan de privacy officer?", "What do you ask of the privacy officer?", nil)}})
		}
		return s
	})
}

func (d *desk) askAdvice(v *visit) {
	d.give(v, advicePath(v.about()), d.showAdvice, func(a *answers) central.Command {
		return central.AskAdvice{By: v.me(), About: v.about(), Question: a.text("vraag")}
	})
}

func (d *desk) giveAdvice(v *visit) {
	d.give(v, advicePath(v.about()), d.showAdvice, func(a *answers) central.Command {
		return central.GiveAdvice{By: v.me(), About: v.about(), Opinion: central.Opinion(a.text("oordeel")), Text: a.text("tekst")}
	})
}

func (d *desk) college(v *visit) { d.showCollege(v, http.StatusOK, form{}) }

func (d *desk) showCollege(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Nummer", "Number"), page.Both("Wanneer", "When"), page.Both("Onderwerp", "Subject"), page.Both("Rapport", "Report"), page.Both("Antwoord van het college", "Answer of the college"), page.Both("Door", "By")}, Empty: page.Both("Er zijn nog geen rapporten.", "There are no reports yet.")}
		var open []option
		for _, r := range st.CollegeReports(v.me(), v.now) {
			row := []any{r.Number, r.At, r.Subject, r.Text, r.Answered.Note, r.Answered.By}
			if r.Answered.At.IsZero() {
				row[4], row[5] = badge{"warn", page.Both("antwoord voor "+page.NL.Date(r.Due().Time), "answer before "+page.EN.Date(r.Due().Time))}, ""
				if r.Overdue(v.now) {
					row[4] = badge{"bad", page.Both("had beantwoord moeten zijn op "+page.NL.Date(r.Due().Time), "should have been answered on "+page.EN.Date(r.Due().Time))}
				}
				open = append(open, option{Value: text(r.Number), Words: page.Both(text(r.Number)+": "+r.Subject, text(r.Number)+": "+r.Subject), Chosen: len(open) == 0})
			}
			t.Rows = append(t.Rows, row)
		}
		s := sheet{Heading: page.Both("Privacy officer aan het college", "Privacy officer to the college"), Tables: []table{t},
			Intro: page.Both("Dit lezen alleen de privacy officer en het college. Ook de beheerder leest het niet.", "Only the privacy officer and the college read this. The administrator does not either.")}
		if st.Holds(v.me(), central.Officer, "", v.now) {
			s.Fills = append(s.Fills, fill{ID: "rapport", Action: "/bureau/college", Title: page.Both("Aan het college melden", "Report to the college"), Button: page.Both("Versturen", "Send"),
				Fields: []field{entry("onderwerp", "text", "Onderwerp", "Subject", nil), entry("tekst", "area", "Wat meldt u?", "What do you report?", nil)}})
		} else if len(open) > 0 {
			s.Fills = append(s.Fills, fill{ID: "antwoord", Action: "/bureau/college/antwoord", Title: page.Both("Gelezen, en antwoord", "Read, and answer"), Button: page.Both("Vastleggen", "Record"),
				Fields: []field{{Name: "nummer", Kind: "select", Label: page.Both("Welk rapport?", "Which report?"), Options: open}, entry("tekst", "area", "Wat doet het college ermee?", "What does the college do about it?", nil)}})
		}
		return s
	})
}

func (d *desk) reportToCollege(v *visit) {
	d.give(v, "/bureau/college", d.showCollege, func(a *answers) central.Command {
		return central.ReportToCollege{By: v.me(), Subject: a.text("onderwerp"), Text: a.text("tekst")}
	})
}

func (d *desk) answerOfficer(v *visit) {
	d.give(v, "/bureau/college", d.showCollege, func(a *answers) central.Command {
		return central.AnswerOfficer{By: v.me(), Number: a.number("nummer"), Answer: a.text("tekst")}
	})
}
