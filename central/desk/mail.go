package desk

import (
	"errors"
	"net/http"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/mail"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Mail: what of the start page comes by mail as well, and where it goes.

// PathOf is where the desk has a task, for a mail: a link is read on other people's servers, so it names what has a number that we
// gave, never a camera, a protocol or a DPIA: their ids are somebody's words, and may say where a camera hangs.
func PathOf(t central.Task) string {
	switch {
	case t.Request != nil, t.Topic == central.TopicSubject, t.Topic == central.TopicSample, t.Topic == central.TopicAudit, t.Topic == central.TopicMatter:
		return taskPath(t)
	}
	return "/bureau" // incidents too: an administrator sees them there alone
}

// mailState is how a person's mail stands, for the start page. Trouble only for an administrator.
type mailState struct {
	Off     bool
	Address string
	Trouble *mail.Status
}

func (d *desk) mailState(v *visit, administrator bool) mailState {
	s := mailState{Off: d.Mail == nil, Address: v.in.Email}
	if d.Mail != nil && administrator {
		if now := d.Mail(); !now.Failing.IsZero() || now.PutOff > 0 {
			s.Trouble = &now
		}
	}
	return s
}

func (d *desk) mailPage(v *visit) { d.showMail(v, http.StatusOK, form{}) }

func (d *desk) showMail(v *visit, status int, f form) {
	address := d.Identity.Email(v.me())
	d.showSheet(v, status, f, func(st *central.State) sheet {
		choice := st.MailChoice(v.me())
		s := sheet{Heading: page.Both("Mail over uw werk", "Mail about your work"),
			Intro: page.Both("Wat op uw beginpagina staat krijgt u ook per mail: dringende zaken meteen, de rest in één overzicht op de ochtend van elke werkdag. Een mail noemt nummers en termijnen, met opzet geen namen en plaatsen.",
				"What is on your start page is mailed to you as well: urgent things at once, the rest in one overview on the morning of each working day. A mail holds numbers and terms, and no names or places on purpose."),
			Facts: []fact{{page.Both("Uw adres", "Your address"), address}}}
		switch {
		case d.Mail == nil:
			s.Warn = append(s.Warn, page.Both("De mail staat uit: er is geen mailserver ingesteld. Kijk op uw beginpagina of er iets wacht.", "Mail is off: no mail server is configured. Look at your start page for what waits."))
		case address == "":
			s.Warn = append(s.Warn, page.Both("Uw adres is niet bekend: u krijgt geen mail.", "Your address is not known: you get no mail."))
		}
		overview := tick("overzicht", "Elke werkdag een overzicht van wat nieuw is", "An overview of what is new each working day")
		overview.Options[0].Chosen = !choice.NoDigest
		once := tick("meteen", "Dringende zaken meteen", "Urgent things at once")
		once.Options[0].Chosen = !choice.NoAtOnce
		if st.MustHear(v.me(), v.now) {
			once.Hint = page.Both("In uw rol krijgt u dringende zaken altijd meteen.", "In your role you always get urgent things at once.")
		}
		s.Fills = []fill{
			{ID: "keuze", Action: "/bureau/berichten", Title: page.Both("Wat u krijgt", "What you get"), Fields: []field{overview, once}, Button: page.Both("Vastleggen", "Record")},
			{ID: "adres", Action: "/bureau/berichten/adres", Title: page.Both("Waar het heen gaat", "Where it goes"), Button: page.Both("Vastleggen", "Record"),
				Fields: []field{entry("adres", "email", "E-mailadres (leeg: geen mail)", "E-mail address (empty: no mail)", address)}},
		}
		return s
	})
}

func (d *desk) chooseMail(v *visit) {
	d.give(v, "/bureau/berichten", d.showMail, func(a *answers) central.Command {
		return central.ChooseMail{By: v.me(), MailChoice: central.MailChoice{NoDigest: !a.yes("overzicht"), NoAtOnce: !a.yes("meteen")}}
	})
}

func (d *desk) setAddress(v *visit) {
	err := d.Identity.SetEmail(v.me(), strings.TrimSpace(v.value("adres")))
	switch {
	case errors.Is(err, identity.ErrEmail):
		f := v.form()
		f.Problem = &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Vul een e-mailadres in, zoals naam@gemeente.nl.", "Fill in an e-mail address, such as name@gemeente.nl.")}
		d.showMail(v, http.StatusBadRequest, f)
	case err != nil:
		d.failed(v, "address", err)
	default:
		v.onward("/bureau/berichten")
	}
}
