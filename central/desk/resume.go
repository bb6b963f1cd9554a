package desk

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Letting a recorder go on whose log was put back, forked or cut off: a page of each recorder, for the privacy officer.

func resumePath(recorder protocol.RecorderID) string {
	return "/bureau/logboeken/" + string(recorder) + "/hervatten"
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

func resumeSigned(r *central.Resumption) central.Words {
	if r.Level == protocol.LevelPersons {
		return page.Both("door de privacy officer zelf, met een passkey", "by the privacy officer personally, with a passkey")
	}
	return page.Both("door de centrale, namens de privacy officer", "by the centre, on the privacy officer's behalf")
}

// resumptions is a table of them; of one incident, or of all where that is 0.
func resumptions(r *central.Recorder, incident int, now time.Time) table {
	t := table{Caption: page.Both("Hervatten van het logboek", "Resuming the log"), Empty: page.Both("Het logboek is nooit hervat.", "The log was never resumed."),
		Columns: []central.Words{page.Both("Nieuw logboek", "New log"), page.Both("Stand", "Status"), page.Both("Opgedragen door", "Ordered by"), page.Both("Op", "At"), page.Both("Ondertekend", "Signed"), page.Both("Waarom", "Why"), page.Both("Vorig logboek", "Log before"), page.Both("Incident", "Incident")}}
	for _, x := range slices.Backward(r.Resumptions) {
		if incident > 0 && !x.Answers(incident) {
			continue
		}
		because := any("")
		if n := len(x.Incidents); n > 0 {
			because = to{fmt.Sprintf("/bureau/incidenten/%d", x.Incidents[n-1]), fmt.Sprint(x.Incidents[n-1])}
		}
		entries := page.Both(fmt.Sprintf("%d regels", x.Witnessed.Size), fmt.Sprintf("%d entries", x.Witnessed.Size))
		t.Rows = append(t.Rows, []any{fmt.Sprint(x.Log), resumeState(x, now), x.By, x.Ordered, resumeSigned(x), x.Reason, entries, because})
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
	keys, err := d.Identity.SigningKeys(v.me())
	if err != nil {
		d.failed(v, "signing keys", err)
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
		if lines := d.witnessLines(r, max(c.Log, 2), next); lines != "" {
			s.Facts = append(s.Facts, fact{page.Both("Voor elke onafhankelijke getuige", "For each outside witness"), lines},
				fact{page.Both("Wat daarmee te doen", "What to do with it"), page.Both("Een onafhankelijke getuige kent het nieuwe logboek pas als deze regels in zijn witness.yaml staan, onder logs. Geef ze aan wie die getuige beheert. Zonder zijn handtekening blijft de recorder gesloten waar het rooster die vraagt.",
					"An outside witness knows the new log only when these lines stand in its witness.yaml, under logs. Give them to whoever runs that witness. Without its signature the recorder stays closed where the roster asks for it.")})
		}
		order := central.ResumeLog{By: v.me(), Recorder: id, Reason: "x", Log: next, Witnessed: c.before(next)}
		_, key, err := order.Draft(st, v.now)
		why, _ := central.RefusalOf(err)
		button := page.Both(fmt.Sprintf("Opdracht geven: verder onder logboek %d", next), fmt.Sprintf("Order it: go on under log %d", next))
		switch {
		case why != nil:
		case key == "":
			why = would(st, order, v.now)
			s.Facts = append(s.Facts, fact{page.Both("Wie ondertekent", "Who signs"), page.Both("De centrale, namens u: het rooster van deze recorder noemt uw passkey niet. Een centrale die liegt, kan deze opdracht dan ook zonder u geven. Wilt u zelf ondertekenen? Op de pagina Mijn account staat de sleutel van uw passkey; wie de roosters maakt, zet die in een nieuw rooster.",
				"The centre, on your behalf: the roster of this recorder does not name your passkey. A centre that lies can then give this order without you too. Would you sign yourself? The page My account has the key of your passkey; whoever makes the rosters puts it into a new roster.")})
		default:
			if !slices.Contains(keys, key) {
				why = notTheirKey
			}
			s.Facts = append(s.Facts, fact{page.Both("Wie ondertekent", "Who signs"), page.Both("U zelf, met de passkey die het rooster van deze recorder noemt. De recorder controleert uw handtekening en neemt deze opdracht van niemand anders aan.",
				"You yourself, with the passkey that the roster of this recorder names. The recorder checks your signature and takes this order from nobody else.")})
			button = page.Both("Opdracht lezen en ondertekenen", "Read and sign the order")
		}
		s.Tables = []table{resumptions(r, 0, v.now), logsOf(id, c)}
		s.Fills = []fill{{ID: "hervatten", Action: resumePath(id), Title: page.Both("Verder laten gaan", "Let it go on"), Why: why, Open: true,
			Button: button,
			Hint:   page.Both("Zoek eerst uit wat er is gebeurd: is een oude schijf of een reservekopie teruggezet, en door wie? Uw naam staat onder de opdracht. Er is geen weg terug.", "Find out first what happened: was an old disk or a backup put back, and by whom? Your name stands under the order. There is no way back."),
			Fields: []field{entry("reden", "area", "Wat is er gebeurd, en waarom mag de recorder verder?", "What happened, and why may the recorder go on?", nil).hint("Geen namen van personen. Deze tekst blijft in de centrale.", "No personal names. This text stays at the centre.")}}}
		return s
	})
}

// witnessLines are what an outside witness must be told of a recorder's successor logs of these numbers; empty where there is no outside witness.
func (d *desk) witnessLines(r *central.Recorder, from, to uint64) (all lines) {
	if d.Witnesses == nil || len(d.Witnesses()) == 0 {
		return ""
	}
	for log := from; log <= to; log++ {
		origin := protocol.LogOrigin(r.Origin, log)
		key, err := protocol.KeyUnder(origin, r.Key)
		if err != nil {
			d.Log.Error("the enrolled key of a recorder cannot be read", "recorder", r.ID, "err", err)
			return ""
		}
		all += lines(fmt.Sprintf("  - origin: %s\n    key: %s\n", origin, key))
	}
	return all
}

// resumeOrder is the order that a form asks for.
func (d *desk) resumeOrder(v *visit) central.ResumeLog {
	id := protocol.RecorderID(v.r.PathValue("recorder"))
	c := d.Recorders.Chain(id)
	next := d.successor(id, c)
	return central.ResumeLog{By: v.me(), Recorder: id, Reason: v.value("reden"), Log: next, Witnessed: c.before(next)}
}

// before is what the witness cosigned last of the log that a successor of this number follows: one that was put back to before it was resumed follows a log that is over.
func (c Chain) before(successor uint64) protocol.LedgerHead {
	for _, f := range c.Former {
		if f.Log == successor-1 {
			return protocol.LedgerHead{Size: f.Covered, Root: f.Root}
		}
	}
	return c.Witnessed
}

// resume gives the order, or asks the privacy officer to sign it first.
func (d *desk) resume(v *visit) {
	order, document, key, ok := d.resumeDraft(v)
	switch {
	case !ok:
	case key == "":
		d.give(v, resumePath(order.Recorder), d.showResuming, func(*answers) central.Command { return order })
	default:
		d.signing(v, order, key, document)
	}
}

// resumeDraft is the order that a form asks for, and as it would be signed. Where it may not be given, that has been answered and ok is false.
func (d *desk) resumeDraft(v *visit) (order central.ResumeLog, document []byte, key string, ok bool) {
	order = d.resumeOrder(v)
	var err error
	d.Book.View(func(st *central.State) { document, key, err = order.Draft(st, v.now) })
	refusal, refused := central.RefusalOf(err)
	switch {
	case refused:
		d.answered(v, refusal, "", d.showResuming)
	case err != nil:
		d.failed(v, "draft of an order", err)
	}
	return order, document, key, err == nil
}

// notSigned answers an attempt to sign that failed.
func (d *desk) notSigned(v *visit, err error) {
	if problem := passkeyProblem(err); problem != nil {
		d.answered(v, problem, "", d.showResuming)
		return
	}
	d.failed(v, "signing", err)
}

var titleSigning = page.Both("Opdracht ondertekenen", "Sign the order")

// toSign is what a person reads before they sign it.
type toSign struct {
	identity.Ceremony
	Back, Action, Form string
	Facts              []fact
	Values             map[string]string // that the form brings along
}

// signing shows the order in words and as it is signed, and asks for the passkey.
func (d *desk) signing(v *visit, order central.ResumeLog, key string, document []byte) {
	c, passkey, err := d.Identity.Sign(v.in, key, document)
	if err != nil {
		d.notSigned(v, err)
		return
	}
	path, until := resumePath(order.Recorder), v.now.Add(central.ResumeTerm)
	text, _, _ := strings.Cut(string(document), "\n\n")
	d.show(v, http.StatusOK, "signing.html", titleSigning, func(*central.State) any {
		return toSign{Ceremony: c, Back: path, Action: path + "/ondertekenen#hervatten", Form: "hervatten", Values: map[string]string{"reden": order.Reason}, Facts: []fact{
			{page.Both("U draagt op", "You order"), page.Both(fmt.Sprintf("Recorder %s mag verder, onder logboek %d.", order.Recorder, order.Log), fmt.Sprintf("Recorder %s may go on, under log %d.", order.Recorder, order.Log))},
			{page.Both("Van het vorige logboek bewaart de getuige", "The witness keeps, of the log before"), page.Both(fmt.Sprintf("%d regels", order.Witnessed.Size), fmt.Sprintf("%d entries", order.Witnessed.Size))},
			{page.Both("De opdracht geldt tot", "The order holds until"), protocol.T(until)},
			{page.Both("Uw reden", "Your reason"), order.Reason},
			{page.Both("Uw passkey", "Your passkey"), passkey},
			{page.Both("Precies deze tekst ondertekent u", "This is the exact text that you sign"), lines(text)},
			{page.Both("Wat er in die tekst staat", "What that text says"), page.Both(fmt.Sprintf("log is het nummer van het nieuwe logboek, witnessed wat de getuige van het vorige heeft (aantal regels en controlegetal), officer uw eigen nummer (%s), not-before en not-after de termijn. De tijden zijn in UTC: in Nederland is het dan een uur later, in de zomer twee.", v.me()),
				fmt.Sprintf("log is the number of the new log, witnessed what the witness has of the one before (number of entries and checksum), officer your own number (%s), not-before and not-after the term. Times are in UTC: in the Netherlands it is then one hour later, two in summer.", v.me()))},
		}}
	}, withPasskeys)
}

// signResume takes the signature, once it is sure that there is still something to sign for.
func (d *desk) signResume(v *visit) {
	order, _, _, ok := d.resumeDraft(v)
	if !ok {
		return
	}
	signed, err := d.Identity.Signed(v.in, identity.Ceremony{Token: v.value("ceremonie")}, v.r.PostForm.Get("antwoord"), v.client().Where)
	if err != nil {
		d.notSigned(v, err)
		return
	}
	order.Signed = signed
	d.give(v, resumePath(order.Recorder), d.showResuming, func(*answers) central.Command { return order })
}
