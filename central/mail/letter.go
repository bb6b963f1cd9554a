package mail

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// letter is a mail as it is read.
type letter struct{ subject, text string }

// todo says what is to be done, by the code of a task. What has no line here is "something to do": the desk says what.
var todo = map[string]central.Words{
	"check":    {NL: "toetsen", EN: "check"},
	"decide":   {NL: "beslissen", EN: "decide"},
	"decided":  {NL: "er is besloten", EN: "decided"},
	"write":    {NL: "schriftelijk bevestigen", EN: "confirm in writing"},
	"download": {NL: "ophalen", EN: "download"},
	"confirm":  {NL: "ontvangst bevestigen", EN: "confirm receipt"},
	"look":     {NL: "bekijken", EN: "look into it"},
	"keep":     {NL: "langer bewaren: handtekening zetten", EN: "hold longer: sign"},
	"deliver":  {NL: "een deel klaarzetten", EN: "prepare a part"},
	"erase":    {NL: "wissen van onrechtmatige beelden", EN: "erasing unlawful footage"},
	"ending":   {NL: "tweede handtekening zetten", EN: "second signature"},
	"activate": {NL: "in gebruik nemen", EN: "activate"},
	"lapsing":  {NL: "het besluit loopt af", EN: "the decision behind it ends"},
	"forward":  {NL: "vandaag doorsturen", EN: "forward today"},
	"identify": {NL: "identiteit vaststellen", EN: "establish the identity"},
	"answer":   {NL: "beantwoorden", EN: "answer"},
	"review":   {NL: "opnieuw bekijken of verlengen", EN: "look at it again or renew it"},
	"answered": {NL: "er is besloten, verstuur het antwoord", EN: "decided, send the answer"},
	"watch":    {NL: "de termijn nadert of is voorbij", EN: "the term is near or over"},
}

// topicTodo likewise, of those that are always for the same.
var topicTodo = map[central.Topic]central.Words{
	central.TopicSample:    {NL: "nazien", EN: "look into it"},
	central.TopicAudit:     {NL: "aan de beurt", EN: "planned"},
	central.TopicMatter:    {NL: "behandelen", EN: "deal with it"},
	central.TopicTraining:  {NL: "verloopt of is verlopen", EN: "lapses or has lapsed"},
	central.TopicProtocol:  {NL: "lezen en bevestigen", EN: "read and acknowledge"},
	central.TopicDPIA:      {NL: "adviseren of herzien", EN: "advise or revise"},
	central.TopicAdvice:    {NL: "advies gevraagd", EN: "advice asked"},
	central.TopicCollege:   {NL: "lezen en beantwoorden", EN: "read and answer"},
	central.TopicUpkeep:    {NL: "nalopen", EN: "go through it"},
	central.TopicStatement: {NL: "herzien", EN: "revise"},
	central.TopicUnit:      {NL: "nalopen", EN: "go through it"},
}

// numbered are the topics whose key is a number that we gave. The keys of named ones are somebody's words, and stay out.
var (
	numbered = map[central.Topic]central.Words{
		central.TopicSubject: {NL: "verzoek", EN: "request"},
		central.TopicSample:  {NL: "steekproef", EN: "sample"},
		central.TopicAudit:   {NL: "audit", EN: "audit"},
		central.TopicMatter:  {NL: "zaak", EN: "matter"},
		central.TopicCollege: {NL: "rapport aan het college", EN: "report to the college"},
	}
	named = map[central.Topic]central.Words{
		central.TopicTraining: {NL: "uw opleiding", EN: "your training"},
		central.TopicProtocol: {NL: "een cameraprotocol", EN: "a camera protocol"},
		central.TopicDPIA:     {NL: "een DPIA", EN: "a DPIA"},

		central.TopicAdvice:    {NL: "een advies", EN: "an advice"},
		central.TopicStatement: {NL: "een verklaring of beleidsstuk", EN: "a statement or policy"},
		central.TopicUnit:      {NL: "een afspraak met een organisatie", EN: "an agreement with an organisation"},
		central.TopicUpkeep:    {NL: "het cameraregister", EN: "the camera register"},
	}
)

// about is what a task is about: a number, never a name.
func about(t central.Task, l page.Lang) string {
	switch {
	case t.Request != nil:
		return l.Say("aanvraag ", "request ") + string(t.Request.ID)
	case t.Camera != nil:
		return l.Say("een camera", "a camera")
	case t.Trouble != nil && t.Trouble.Number > 0:
		return l.Say("incident ", "incident ") + strconv.Itoa(t.Trouble.Number)
	case t.Trouble != nil && t.Trouble.Request != "":
		return l.Say("aanvraag ", "request ") + string(t.Trouble.Request)
	}
	if w, ok := numbered[t.Topic]; ok {
		return l.In(w) + " " + t.Key
	}
	if w, ok := named[t.Topic]; ok {
		return l.In(w)
	}
	return l.Say("een zaak", "a matter")
}

func line(t central.Task, l page.Lang, now time.Time) string {
	what := page.Both("er is iets te doen", "there is something to do")
	if w, ok := todo[t.What]; ok {
		what = w
	} else if w, ok := topicTodo[t.Topic]; ok {
		what = w
	}
	s := about(t, l) + ": " + l.In(what)
	switch {
	case t.Due.IsZero():
	case t.Due.After(now):
		s += l.Say(", uiterlijk ", ", at the latest ") + l.Moment(t.Due.Time)
	default:
		s += l.Say(", termijn voorbij sinds ", ", term over since ") + l.Moment(t.Due.Time)
	}
	return s
}

// write makes the letter. path is where the desk has a task.
func write(m central.Mail, site, url string, path func(central.Task) string, now time.Time) letter {
	n := len(m.Tasks)
	count := func(l page.Lang) string {
		if n == 1 {
			return l.Say("1 bericht", "1 notice")
		}
		return fmt.Sprintf(l.Say("%d berichten", "%d notices"), n)
	}
	kind := page.Both("Dringend", "Urgent")
	if m.Digest {
		kind = page.Both("Overzicht", "Overview")
	}
	var b strings.Builder
	in := func(l page.Lang) {
		fmt.Fprintf(&b, l.Say("Cameratoezicht %s. ", "Camera surveillance %s. "), site)
		switch {
		case m.Digest:
			b.WriteString(l.Say("Dit is nieuw voor u:", "This is new for you:"))
		default:
			b.WriteString(l.Say("Dit kan niet wachten:", "This cannot wait:"))
		}
		b.WriteString("\n\n")
		for _, t := range m.Tasks {
			fmt.Fprintf(&b, "- %s\n  %s\n", line(t, l, now), url+l.Path(path(t)))
		}
		b.WriteString("\n")
		if m.Still > 0 {
			fmt.Fprintf(&b, l.Say("Er wacht nog meer op u: %d.\n", "More waits for you: %d.\n"), m.Still)
		}
		fmt.Fprintf(&b, l.Say("Alles staat op uw beginpagina: %s\n", "Everything is on your start page: %s\n"), url+l.Path("/bureau"))
		fmt.Fprintf(&b, l.Say("In deze mail staan met opzet geen namen en plaatsen. Wat u krijgt kiest u hier: %s\n", "This mail holds no names or places on purpose. Choose what you get here: %s\n"), url+l.Path("/bureau/berichten"))
	}
	in(page.NL)
	b.WriteString("\n-- English --\n\n")
	in(page.EN)
	return letter{subject: fmt.Sprintf("%s: %s / %s: %s", kind.NL, count(page.NL), kind.EN, count(page.EN)), text: b.String()}
}
