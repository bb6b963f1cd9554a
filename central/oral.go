package central

import (
	"fmt"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Oral demands. Where it is urgent a demand may be spoken: the handler calls back whoever spoke it, footage may go out after the same four eyes, and the writing must
// follow within three days (art. 126nda lid 3 Sv). One that never came in writing is an incident, is counted, and gives no more footage.

// OralReminder is how long after the words its unit and the handlers are reminded (REQUIREMENTS section 1, Oral vordering).
const OralReminder = 48 * time.Hour

// WrittenLater is the writing of an oral demand: its hash, and where the paper itself is kept. The paper names people; it does not come here.
type WrittenLater struct {
	Document protocol.Hash `json:"document"` // SHA-256
	Kept     string        `json:"kept"`     // where: case system and number
}

// Writing is when it came, and who gave it.
type Writing struct {
	By protocol.PersonID
	At protocol.Time
	WrittenLater
}

type (
	// OralWritten: the writing of an oral demand is here, in time or not.
	OralWritten struct {
		Request protocol.RequestID `json:"request"`
		WrittenLater
	}
	// OralOverdue: three days passed without it.
	OralOverdue struct {
		Request protocol.RequestID `json:"request"`
	}
)

// ConfirmOral gives the writing of an oral demand. By a requester of its unit, or by a handler who was given it on paper. Also when it is late.
type ConfirmOral struct {
	By      protocol.PersonID
	Request protocol.RequestID
	WrittenLater
}

// FilePaper says where the paper of a demand or order in writing is kept, and its hash. By a requester of its unit, or by a handler who was given it. Once.
type FilePaper struct {
	By      protocol.PersonID
	Request protocol.RequestID
	WrittenLater
}

// PaperFiled is what it records.
type PaperFiled struct {
	Request protocol.RequestID `json:"request"`
	WrittenLater
}

func (*PaperFiled) name() string { return "paper.filed" }

// MayFilePaper says why a person cannot give the paper of a request.
func (s *State) MayFilePaper(person protocol.PersonID, r *Request, now time.Time) error {
	if r.Kind != Vordering && r.Kind != Preservation || !r.Said.IsZero() || r.Paper != nil || r.Status == Refused {
		return refuse(CodeState, "Hier is geen stuk meer nodig.", "No paper is needed here any more.")
	}
	if s.Holds(person, Handler, r.Regime, now) {
		return nil
	}
	return s.receives(person, r, now)
}

// check is what is said of a paper.
func (w WrittenLater) check() error {
	switch {
	case w.Document == protocol.Hash{}:
		return missing("het bestand van het stuk", "the file of the paper")
	case strings.TrimSpace(w.Kept) == "":
		return missing("waar het stuk wordt bewaard", "where the paper is kept")
	}
	return nil
}

func (c FilePaper) decide(d *decision) error {
	d.by = c.By
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.MayFilePaper(c.By, r, d.now.Time); err != nil {
		return err
	}
	if err := c.WrittenLater.check(); err != nil {
		return err
	}
	d.record(&PaperFiled{c.Request, c.WrittenLater})
	return nil
}

func (f *PaperFiled) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, f.Kept, func(r *Request) { r.Paper = &f.WrittenLater })
}

// OralDue is when an oral demand must be confirmed in writing; zero for one that was written.
func (r *Request) OralDue() protocol.Time {
	if r.Said.IsZero() {
		return protocol.Time{}
	}
	return protocol.T(r.Said.Add(protocol.OralTerm))
}

// Unconfirmed says that an oral demand is past its term without the writing.
func (r *Request) Unconfirmed(now time.Time) bool {
	return !r.Said.IsZero() && r.Written == nil && !now.Before(r.OralDue().Time)
}

// spoken checks an oral demand on filing.
func (d *decision) spoken(f RequestFacts, law ArticleLaw) error {
	switch {
	case f.Said.IsZero():
		return nil
	case law.Oral == "":
		return refuse(CodeInvalid, fmt.Sprintf("Een vordering op artikel %s kan niet mondeling.", law.Code), fmt.Sprintf("A demand under article %s cannot be oral.", law.Code))
	case f.Said.After(d.now.Time):
		return missing("wanneer de vordering is uitgesproken, niet in de toekomst", "when the demand was spoken, not in the future")
	case !d.now.Before(f.Said.Add(protocol.OralTerm)):
		return refuse(CodeTerm, "Deze vordering is meer dan drie dagen geleden uitgesproken: zij moet nu schriftelijk zijn.", "This demand was spoken more than three days ago: it must be in writing now.")
	}
	return nil
}

// written says why an oral demand gives no footage now.
func (r *Request) written(now time.Time) error {
	if r.Unconfirmed(now) {
		return refuse(CodeTerm,
			"Deze mondelinge vordering is niet binnen drie dagen schriftelijk bevestigd (artikel 126nda lid 3 Sv). Lever eerst de schriftelijke vordering aan.",
			"This oral demand was not confirmed in writing within three days (art. 126nda(3) Sv). Give the written demand first.")
	}
	return nil
}

// MayConfirmOral says why a person cannot give the writing of a request.
func (s *State) MayConfirmOral(person protocol.PersonID, r *Request, now time.Time) error {
	if r.Said.IsZero() || r.Written != nil || r.Status == Refused {
		return refuse(CodeState, "Hier is geen schriftelijke vordering meer nodig.", "No written demand is needed here any more.")
	}
	if s.Holds(person, Handler, r.Regime, now) {
		return nil
	}
	return s.receives(person, r, now)
}

func (c ConfirmOral) decide(d *decision) error {
	d.by = c.By
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.MayConfirmOral(c.By, r, d.now.Time); err != nil {
		return err
	}
	switch {
	case c.Document == protocol.Hash{}:
		return missing("het bestand van de schriftelijke vordering", "the file of the written demand")
	case strings.TrimSpace(c.Kept) == "":
		return missing("waar de schriftelijke vordering wordt bewaard", "where the written demand is kept")
	}
	d.record(&OralWritten{c.Request, c.WrittenLater})
	return nil
}

// tendOral opens an incident for each oral demand whose three days are over.
func (d *decision) tendOral(r *Request) {
	if r.Unconfirmed(d.now.Time) && r.Overdue.IsZero() && r.Status != Refused {
		d.record(&OralOverdue{r.ID})
		d.trouble(IncidentOpened{Kind: "oral-unconfirmed", Detail: fmt.Sprintf("spoken %s, due in writing %s", r.Said, r.OralDue()), Request: r.ID})
	}
}

func (f *OralWritten) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, f.Kept, func(r *Request) { r.Written = &Writing{e.By, e.Time, f.WrittenLater} })
}

func (f *OralOverdue) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, "", func(r *Request) { r.Overdue = e.Time })
}

// OralCount is what came of the oral demands of a period.
type OralCount struct {
	Spoken int
	InTime int // confirmed within three days
	Late   int // confirmed, later
	Open   int // still within the three days
	Never  int // not confirmed, and over
}

// OralDemands counts those spoken in a period, refused ones left out; from is in it, to is not.
func (s *State) OralDemands(from, to, now time.Time) (n OralCount) {
	for _, r := range s.spoken {
		if r.Said.IsZero() || r.Said.Before(from) || !r.Said.Before(to) || r.Status == Refused && r.Written == nil {
			continue
		}
		n.Spoken++
		switch {
		case r.Written != nil && r.Written.At.Before(r.OralDue().Time):
			n.InTime++
		case r.Written != nil:
			n.Late++
		case r.Unconfirmed(now):
			n.Never++
		default:
			n.Open++
		}
	}
	return n
}

// oralTask is what waits for who can give the writing: for the unit from the start, for handlers from the reminder on.
func (s *State) oralTask(person protocol.PersonID, r *Request, now time.Time) (Task, bool) {
	if r.Said.IsZero() || s.MayConfirmOral(person, r, now) != nil || now.Before(r.Said.Add(OralReminder)) && s.receives(person, r, now) != nil {
		return Task{}, false
	}
	words := Words{"mondelinge vordering binnen drie dagen schriftelijk bevestigen", "confirm the oral demand in writing within three days"}
	switch {
	case r.Unconfirmed(now):
		words = Words{"mondelinge vordering te laat: nog niet schriftelijk bevestigd", "oral demand overdue: not yet confirmed in writing"}
	case !now.Before(r.Said.Add(OralReminder)):
		words = Words{"herinnering: mondelinge vordering binnen een dag schriftelijk bevestigen", "reminder: confirm the oral demand in writing within a day"}
	}
	return Task{What: "write", Words: words, Since: r.Said, Due: r.OralDue(), Request: r}, true
}
