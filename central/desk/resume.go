package desk

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Letting a recorder go on whose log was put back, forked or cut off: a page of each recorder, for the privacy officer.

func resumePath(recorder protocol.RecorderID) string {
	return "/bureau/hervatten/" + string(recorder)
}

func resumeState(r *central.Resumption, now time.Time) badge {
	switch r.State(now) {
	case "resumed":
		return badge{"good", page.Both("ging verder op "+page.NL.Moment(r.Resumed.Time), "went on at "+page.EN.Moment(r.Resumed.Time))}
	case "refused":
		return badge{"bad", page.Both("geweigerd door de recorder: "+r.Refused, "refused by the recorder: "+r.Refused)}
	case "ended":
		return badge{"bad", page.Both("verlopen: de recorder heeft zich niet op tijd gemeld", "over: the recorder did not report in time")}
	}
	return badge{"warn", page.Both("opgedragen; wacht op de recorder", "ordered; waits for the recorder")}
}

// resumptions is a table of them; of one incident, or of all where that is 0.
func resumptions(r *central.Recorder, incident int, now time.Time) table {
	t := table{Caption: page.Both("Hervatten van het logboek", "Resuming the log"), Empty: page.Both("Het logboek is nooit hervat.", "The log was never resumed."),
		Columns: []central.Words{page.Both("Nieuw logboek", "New log"), page.Both("Opgedragen door", "Ordered by"), page.Both("Op", "At"), page.Both("Waarom", "Why"), page.Both("Van het vorige logboek bekend", "Known of the log before"), page.Both("Incident", "Incident"), page.Both("Stand", "Status")}}
	for _, x := range slices.Backward(r.Resumptions) {
		if incident > 0 && !x.Answers(incident) {
			continue
		}
		because := any("")
		if n := len(x.Incidents); n > 0 {
			because = to{fmt.Sprintf("/bureau/incidenten/%d", x.Incidents[n-1]), fmt.Sprint(x.Incidents[n-1])}
		}
		entries := page.Both(fmt.Sprintf("%d regels", x.Witnessed.Size), fmt.Sprintf("%d entries", x.Witnessed.Size))
		t.Rows = append(t.Rows, []any{fmt.Sprint(x.Log), x.By, x.Ordered, x.Reason, entries, because, resumeState(x, now)})
	}
	return t
}

// logsOf is a table of a recorder's logs, each to download.
func logsOf(id protocol.RecorderID, c Chain) table {
	t := table{Caption: page.Both("Logboeken van deze recorder", "Logs of this recorder"), Columns: []central.Words{page.Both("Nummer", "Number"), page.Both("Regels", "Entries"), page.Both("Door de getuige ondertekend", "Signed by the witness"), page.Both("Tot", "Until"), page.Both("Ophalen", "Download")}}
	row := func(log, size, cosigned uint64, until any) {
		t.Rows = append(t.Rows, []any{fmt.Sprint(log), fmt.Sprint(size), fmt.Sprint(cosigned), until,
			to{fmt.Sprintf("/bureau/logboeken/%s?nummer=%d", id, log), page.Both(fmt.Sprintf("logboek %d", log), fmt.Sprintf("log %d", log))}})
	}
	for _, f := range c.Former {
		row(f.Log, f.Size, f.Covered, f.At)
	}
	row(c.Log, c.Entries, c.Cosigned, page.Both("nu", "now"))
	return t
}

func (d *desk) resuming(v *visit) { d.showResuming(v, http.StatusOK, form{}) }

// successor is the number of a recorder's next log: one more than it says it has, or else than the witness has.
func (d *desk) successor(id protocol.RecorderID, c Chain) uint64 {
	if s, _, ok := d.Recorders.Status(id); ok {
		return max(s.Log, 1) + 1
	}
	return max(c.Log, 1) + 1
}

func (d *desk) showResuming(v *visit, status int, f form) {
	id := protocol.RecorderID(v.r.PathValue("recorder"))
	there := false
	d.Book.View(func(st *central.State) { there = st.Recorder(id) != nil })
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		r, c := st.Recorder(id), d.Recorders.Chain(id)
		next := d.successor(id, c)
		s := sheet{Back: &page.Link{Path: "/bureau/logboeken", Words: page.Both("Logboeken", "Logs")}, Heading: page.Both("Recorder "+string(id)+" verder laten gaan", "Let recorder "+string(id)+" go on"),
			Intro: page.Both("Is het logboek van een recorder teruggezet, gesplitst of ingekort? Dan neemt de recorder nog op en verwijdert hij nog op tijd, maar hij toont en verstrekt niets. Pas met uw opdracht gaat hij verder, onder een nieuw logboek. Het oude logboek blijft hier staan, met alles wat de getuige ervan heeft. Zo blijft te zien wie wat heeft gezien. Verstrekkingen die nog liepen, moeten opnieuw worden goedgekeurd.",
				"Was a recorder's log put back, forked or cut off? Then the recorder still records and still deletes in time, but it shows and releases nothing. Only on your order does it go on, under a new log. The old log stays here, with all that the witness has of it. So it stays known who saw what. Releases that were under way must be approved anew.")}
		if said, _, ok := d.Recorders.Status(id); ok {
			s.Facts = append(s.Facts, fact{page.Both("De recorder zegt", "The recorder says"), page.Both(fmt.Sprintf("logboek %d, %d regels, op %s", max(said.Log, 1), said.Entries, page.NL.Moment(said.Time.Time)), fmt.Sprintf("log %d, %d entries, at %s", max(said.Log, 1), said.Entries, page.EN.Moment(said.Time.Time)))})
		}
		s.Facts = append(s.Facts, fact{page.Both("De getuige heeft", "The witness has"), page.Both(fmt.Sprintf("logboek %d, %d regels, waarvan %d ondertekend", c.Log, c.Entries, c.Cosigned), fmt.Sprintf("log %d, %d entries, of which %d signed", c.Log, c.Entries, c.Cosigned))})
		for _, i := range st.Broken(id) {
			s.Facts = append(s.Facts, fact{page.Both("Wat er is gebeurd", "What happened"), to{fmt.Sprintf("/bureau/incidenten/%d", i.Number), page.Both(fmt.Sprintf("incident %d: %s", i.Number, i.Words().NL), fmt.Sprintf("incident %d: %s", i.Number, i.Words().EN))}})
		}
		if lines := d.witnessLines(r, next); lines != "" {
			s.Facts = append(s.Facts, fact{page.Both("Voor elke onafhankelijke getuige", "For each outside witness"), lines},
				fact{page.Both("Wat daarmee te doen", "What to do with it"), page.Both("Een onafhankelijke getuige kent het nieuwe logboek pas als deze regels in zijn witness.yaml staan, onder logs. Geef ze aan wie die getuige beheert. Zonder zijn handtekening blijft de recorder gesloten waar het rooster die vraagt.",
					"An outside witness knows the new log only when these lines stand in its witness.yaml, under logs. Give them to whoever runs that witness. Without its signature the recorder stays closed where the roster asks for it.")})
		}
		why := would(st, central.ResumeLog{By: v.me(), Recorder: id, Reason: "x", Log: next, Witnessed: c.Witnessed}, v.now)
		s.Tables = []table{resumptions(r, 0, v.now), logsOf(id, c)}
		s.Fills = []fill{{ID: "hervatten", Action: resumePath(id), Title: page.Both("Verder laten gaan", "Let it go on"), Why: why, Open: true,
			Button: page.Both(fmt.Sprintf("Opdracht geven: verder onder logboek %d", next), fmt.Sprintf("Order it: go on under log %d", next)),
			Hint:   page.Both("Zoek eerst uit wat er is gebeurd: is een oude schijf of een reservekopie teruggezet, en door wie? Uw naam staat onder de opdracht. Er is geen weg terug.", "Find out first what happened: was an old disk or a backup put back, and by whom? Your name stands under the order. There is no way back."),
			Fields: []field{entry("reden", "area", "Wat is er gebeurd, en waarom mag de recorder verder?", "What happened, and why may the recorder go on?", nil).hint("Geen namen van personen. Deze tekst blijft in de centrale.", "No personal names. This text stays at the centre.")}}}
		return s
	})
}

// witnessLines are what an outside witness must be told of a recorder's next log; empty where no outside witness counts for it.
func (d *desk) witnessLines(r *central.Recorder, next uint64) lines {
	if d.Witnesses == nil || len(d.Witnesses()) == 0 {
		return ""
	}
	origin := protocol.LogOrigin(r.Origin, next)
	key, err := protocol.KeyUnder(origin, r.Key)
	if err != nil {
		d.Log.Error("the enrolled key of a recorder cannot be read", "recorder", r.ID, "err", err)
		return ""
	}
	return lines(fmt.Sprintf("  - origin: %s\n    key: %s", origin, key))
}

func (d *desk) resume(v *visit) {
	id := protocol.RecorderID(v.r.PathValue("recorder"))
	c := d.Recorders.Chain(id)
	d.give(v, resumePath(id), d.showResuming, func(a *answers) central.Command {
		return central.ResumeLog{By: v.me(), Recorder: id, Reason: a.text("reden"), Log: d.successor(id, c), Witnessed: c.Witnessed}
	})
}
