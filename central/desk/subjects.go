package desk

import (
	"net/http"
	"net/url"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Requests of people who were filmed (R14).

func subjectState(v *visit, q *central.SubjectRequest) badge {
	switch {
	case q.Answered != nil && q.InTime():
		return badge{"good", q.Answered.Answer.Words()}
	case q.Answered != nil:
		w := q.Answered.Answer.Words()
		return badge{"bad", page.Both(w.NL+", te laat", w.EN+", late")}
	case !v.now.Before(q.Due().Time):
		return badge{"bad", page.Both("termijn voorbij", "term over")}
	}
	return badge{"warn", page.Both("open", "open")}
}

func (d *desk) subjects(v *visit) { d.showSubjects(v, http.StatusOK, form{}) }

func (d *desk) showSubjects(v *visit, status int, f form) {
	d.showSheet(v, status, f, func(st *central.State) sheet {
		t := table{Columns: []central.Words{page.Both("Nummer", "Number"), page.Both("Recht", "Right"), page.Both("Camera's", "Cameras"), page.Both("Ontvangen", "Received"), page.Both("Antwoord voor", "Answer by"), page.Both("Stand", "Status")},
			Empty: page.Both("Er zijn geen verzoeken die u mag zien.", "There are no requests that you may see.")}
		for _, q := range st.SubjectRequests(v.me(), v.now) {
			t.Rows = append(t.Rows, []any{to{"/bureau/betrokkenen/" + string(q.ID), string(q.ID)}, q.Right.Words(), idList(q.Cameras), q.Received, q.Due(), subjectState(v, q)})
		}
		s := sheet{Heading: page.Both("Verzoeken van betrokkenen", "Requests of people filmed"), Tables: []table{t},
			Intro: page.Both("Wie gefilmd is, krijgt binnen een maand antwoord. De beelden worden bij vastleggen meteen bewaard: ten hoogste één uur per verzoek, veertien dagen zolang de identiteit niet vaststaat.",
				"Who was filmed is answered within a month. The footage is held at once: at most one hour a request, fourteen days while the identity is not established.")}
		if st.Holds(v.me(), central.Handler, protocol.AVG, v.now) {
			s.Fills = []fill{{ID: "nieuw", Action: "/bureau/betrokkenen", Title: page.Both("Verzoek vastleggen", "Record a request"), Button: page.Both("Vastleggen en beelden bewaren", "Record, and hold the footage"),
				Hint: page.Both("Komt het per telefoon of op papier? Vul het hier in. Geen naam en geen kopie van een document: alleen het kenmerk van de brief of het gesprek.", "By telephone or on paper? Fill it in here. No name and no copy of a document: only the reference of the letter or conversation."),
				Fields: []field{choice("recht", "radio", "Welk recht?", "Which right?", central.Rights), entry("kenmerk", "text", "Kenmerk", "Reference", nil), entry("ontvangen", "datetime-local", "Ontvangen op", "Received at", protocol.T(v.now)),
					cameraChoice(st, nil), entry("van", "datetime-local", "Van", "From", nil), entry("tot", "datetime-local", "Tot (ten hoogste een uur later)", "To (at most an hour later)", nil),
					entry("omschrijving", "area", "Tijd, plaats en uiterlijk", "Time, place and appearance", nil), choice("namens", "select", "Wie vraagt het?", "Who asks?", central.Representatives),
					entry("machtiging", "text", "Kenmerk van machtiging of benoeming", "Reference of written authority or appointment", nil).hint("Verplicht als iemand anders het vraagt.", "Required when somebody else asks.")}}}
		}
		return s
	})
}

func (d *desk) fileSubject(v *visit) {
	d.give(v, "/bureau/betrokkenen", d.showSubjects, func(a *answers) central.Command {
		from, to := a.moment("van"), protocol.Time{}
		if s := a.text("tot"); s != "" {
			at, err := parseLocal(s, true)
			a.wrong(err)
			to = protocol.T(at)
		}
		return central.FileSubjectRequest{By: v.me(), SubjectFacts: central.SubjectFacts{Right: central.Right(a.text("recht")), Reference: a.text("kenmerk"), Received: a.moment("ontvangen"), Cameras: cameraIDs(v.r.PostForm["camera"]),
			Asked: protocol.Span(from.Time, to.Time), Description: a.text("omschrijving"), Representative: central.Representative(a.text("namens")), Authority: a.text("machtiging")}}
	})
}

func (d *desk) subject(v *visit) { d.showSubject(v, http.StatusOK, form{}) }

func (d *desk) showSubject(v *visit, status int, f form) {
	id := protocol.RequestID(v.r.PathValue("id"))
	there := false
	d.Book.View(func(st *central.State) {
		there = st.SubjectRequest(id) != nil && st.SubjectRequests(v.me(), v.now) != nil
	})
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		q := st.SubjectRequest(id)
		path := "/bureau/betrokkenen/" + string(id)
		s := sheet{Back: &page.Link{Path: "/bureau/betrokkenen", Words: page.Both("Alle verzoeken", "All requests")}, Heading: page.Both("Verzoek "+string(id), "Request "+string(id)), Warn: erased(st, central.DossierOf(id)), State: subjectState(v, q), History: q.History,
			Facts: []fact{{page.Both("Recht", "Right"), q.Right.Words()}, {page.Both("Kenmerk", "Reference"), q.Reference}, {page.Both("Ontvangen", "Received"), q.Received}, {page.Both("Antwoord voor", "Answer by"), q.Due()},
				{page.Both("Verlengd", "Extended"), q.Extended}, {page.Both("Camera's", "Cameras"), idList(q.Cameras)}, {page.Both("Tijdvak", "Interval"), q.Asked}, {page.Both("Omschrijving", "Description"), q.Description},
				{page.Both("Gevraagd door", "Asked by"), q.Representative.Words()}, {page.Both("Machtiging", "Authority"), q.Authority}, {page.Both("Identiteit", "Identity"), q.Identified.Words()}}}
		t := table{Caption: page.Both("Bewaring", "Holds"), Columns: []central.Words{page.Both("Camera", "Camera"), page.Both("Stand", "Status"), page.Both("Tot", "Until")}, Empty: page.Both("Er wordt niets bewaard.", "Nothing is held.")}
		for _, h := range q.Holds {
			t.Rows = append(t.Rows, []any{string(h.Camera), holdWords[h.State()], h.End})
		}
		s.Tables = []table{t}
		if list := st.EraseOrders("", central.DossierOf(id)); len(list) > 0 {
			s.Tables = append(s.Tables, erasures(v, st, mineOf(v, st, list)))
		}
		if a := q.Answered; a != nil {
			if (q.Right == central.RightErasure || q.Right == central.RightObjection) && a.Answer != central.AnswerRefused {
				for _, camera := range q.Cameras {
					if st.MayReadErasing(v.me(), camera, v.now) {
						s.Facts = append(s.Facts, fact{page.Both("Wissen", "Erase"), to{erasePath(camera) + "?" + url.Values{"grond": {string(protocol.EraseRequest)}, "dossier": {string(id)}, "van": {localInput(q.Asked.From)}, "tot": {localInput(q.Asked.To)}}.Encode(), string(camera)}})
					}
				}
			}
			s.Facts = append(s.Facts, fact{page.Both("Antwoord", "Answer"), a.Answer.Words()}, fact{page.Both("Wijze", "Manner"), a.Manner.Words()}, fact{page.Both("Anderen onherkenbaar", "Others unrecognisable"), a.Masked},
				fact{page.Both("Motivering", "Motivation"), a.Motivation}, fact{page.Both("Door", "By"), q.AnsweredBy}, fact{page.Both("Op", "At"), q.AnsweredAt})
			if a.Answer == central.AnswerRefused {
				s.Facts = append(s.Facts, fact{page.Both("Bezwaar kan tot", "Objection possible until"), q.ObjectionEnds()})
				if f := keepFill(st, v, id, q.Regime, q.Keeping, path+"/langer"); f != nil {
					s.Fills = append(s.Fills, *f)
				}
			}
			return s
		}
		offer := func(mine bool, c central.Command, f fill) {
			if a := offered(mine, would(st, c, v.now)); a != nil || f.Why != nil {
				if a != nil {
					f.Why = a.Why
				}
				s.Fills = append(s.Fills, f)
			}
		}
		handler, approver := st.Holds(v.me(), central.Handler, protocol.AVG, v.now), st.Holds(v.me(), central.Approver, protocol.AVG, v.now)
		if q.Regime == protocol.WPG {
			offer(handler, central.AnswerSubjectRequest{By: v.me(), Request: id, Answer: central.AnswerPolice}, fill{ID: "doorsturen", Action: path + "/doorsturen", Title: page.Both("Doorsturen naar de politie", "Forward to the police"), Button: page.Both("Doorgestuurd", "Forwarded"),
				Hint: page.Both("Deze camera is van de politie. Stuur het verzoek vandaag door en zeg dat tegen de betrokkene.", "This camera is the police's. Forward the request today and tell the person so."), Fields: []field{entry("motivering", "area", "Hoe en naar wie", "How and to whom", nil)}})
			return s
		}
		offer(handler, central.IdentifySubject{By: v.me(), Request: id, How: central.ByDigiD}, fill{ID: "identiteit", Action: path + "/identiteit", Title: page.Both("Identiteit", "Identity"), Button: page.Both("Vastleggen", "Record"),
			Hint: page.Both("Maak geen kopie van een document: alleen de uitkomst wordt bewaard.", "Make no copy of a document: only the result is kept."), Fields: []field{choice("hoe", "radio", "Hoe is de identiteit vastgesteld?", "How was the identity established?", central.Identifications)}})
		offer(handler, central.ExtendSubjectRequest{By: v.me(), Request: id, Reason: "?"}, fill{ID: "verlengen", Action: path + "/verlengen", Title: page.Both("Termijn verlengen", "Extend the term"), Button: page.Both("Twee maanden verlengen", "Extend by two months"),
			Hint: page.Both("Laat het de betrokkene binnen de eerste maand weten, met de reden.", "Tell the person within the first month, with the reason."), Fields: []field{entry("reden", "area", "Reden", "Reason", nil)}})
		offer(approver, central.AnswerSubjectRequest{By: v.me(), Request: id, Answer: central.AnswerRefused, Motivation: "?", Remedies: true}, fill{ID: "antwoord", Action: path + "/antwoord", Title: page.Both("Antwoord", "Answer"), Button: page.Both("Antwoord vastleggen", "Record the answer"),
			Hint: page.Both("Met het antwoord eindigt de bewaring: maak eerst de kopie, of laat eerst kijken. Na een afwijzing blijven de beelden tot het eind van de bezwaartermijn; een tweede goedkeurder tekent daarvoor. Loopt er een vordering op dezelfde beelden? Zeg daar niets over zolang dat niet mag. Zet in het antwoord: "+central.Remedies.NL,
				"With the answer the hold ends: make the copy first, or let the person look first. After a refusal the footage stays until the term for objections is over; a second approver signs for that. Is there a demand for the same footage? Say nothing of it until that is cleared. Put into the answer: "+central.Remedies.EN),
			Fields: []field{choice("besluit", "radio", "Besluit", "Decision", central.Answers), choice("wijze", "radio", "Hoe wordt inzage gegeven?", "How is access given?", central.Manners), tick("onherkenbaar", "Anderen zijn onherkenbaar gemaakt", "Others have been made unrecognisable"),
				entry("motivering", "area", "Motivering", "Motivation", nil), tick("rechtsmiddelen", "Het antwoord zegt waar men bezwaar maakt of klaagt (AP, rechter)", "The answer says where to object or complain (AP, court)")}})
		return s
	})
}

var holdWords = map[string]central.Words{
	"asked": {NL: "gevraagd aan de recorder", EN: "asked of the recorder"}, "confirmed": {NL: "bevestigd door de recorder", EN: "confirmed by the recorder"},
	"refused": {NL: "geweigerd door de recorder", EN: "refused by the recorder"}, "lifted": {NL: "opgeheven", EN: "lifted"},
}

func (d *desk) onSubject(v *visit, read func(*answers, protocol.RequestID) central.Command) {
	id := v.r.PathValue("id")
	d.give(v, "/bureau/betrokkenen/"+id, d.showSubject, func(a *answers) central.Command { return read(a, protocol.RequestID(id)) })
}

func (d *desk) identifySubject(v *visit) {
	d.onSubject(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.IdentifySubject{By: v.me(), Request: id, How: central.Identified(a.text("hoe"))}
	})
}

func (d *desk) extendSubject(v *visit) {
	d.onSubject(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.ExtendSubjectRequest{By: v.me(), Request: id, Reason: a.text("reden")}
	})
}

func (d *desk) answerSubject(v *visit) {
	d.onSubject(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.AnswerSubjectRequest{By: v.me(), Request: id, Answer: central.Answer(a.text("besluit")), Manner: central.Manner(a.text("wijze")), Masked: a.yes("onherkenbaar"), Motivation: a.text("motivering"), Remedies: a.yes("rechtsmiddelen")}
	})
}

func (d *desk) forwardSubject(v *visit) {
	d.onSubject(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.AnswerSubjectRequest{By: v.me(), Request: id, Answer: central.AnswerPolice, Motivation: a.text("motivering")}
	})
}
