package central

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Dossiers: all that is about one request or one person shares a key, which central/ledger keeps outside the database, and a term. When the term is over the key is destroyed and an
// entry says so (body.erased). The entries stay, and of each what its fact says in remains: numbers, codes and times, which the counts of past years and all later
// events rest on, and which name nobody. A State made of what remains is whole, and goes on.

// Dossier names one: its kind, a slash, and the number or id within the kind: "request/z-3".
type Dossier string

// DossierTerm is one dated row of what is kept under keys, and how long after its end. A lawyer corrects it here, and nowhere else.
type DossierTerm struct {
	Kind   string // before the slash
	Words  Words
	Years  int
	After  Words // from when it counts
	Source string
	From   string // this row holds from this date (YYYY-MM-DD)
}

// DossierTerms is the whole table. Rows with † could not be read in a consolidated text.
var DossierTerms = []DossierTerm{
	{"request", Words{"aanvraag van beelden, met besluit en verstrekking", "request for footage, with decision and release"}, 5,
		Words{"nadat zij is afgehandeld en de laatste bewaring of toestemming is afgelopen", "after it was settled and its last hold or grant ended"},
		"Selectielijst gemeenten en intergemeentelijke organen 2020, verstrekking van gegevens †; for WPG the five years of the logs, art. 32a Wpg †", "2026-11-22"},
	{"subject", Words{"verzoek van een betrokkene", "request of a person filmed"}, 5,
		Words{"nadat het is beantwoord", "after it was answered"}, "Selectielijst gemeenten en intergemeentelijke organen 2020, verzoeken op grond van de AVG †", "2026-11-22"},
	{"incident", Words{"incident", "incident"}, IncidentYears,
		Words{"nadat het is geopend, en niet voordat het is afgesloten", "after it was opened, and not before it is closed"}, "BIO2 (see IncidentYears)", "2026-11-22"},
	{"matter", Words{"klacht, bezwaar of brief", "complaint, objection or letter"}, 5,
		Words{"nadat zij is afgesloten", "after it was closed"}, "Selectielijst gemeenten en intergemeentelijke organen 2020, klachten en bezwaren †", "2026-11-22"},
	{"note", Words{"vertrouwelijke aantekening van de privacy officer", "confidential note of the privacy officer"}, 5,
		Words{"nadat zij is geschreven", "after it was written"}, "of this house: as long as what it may be about †", "2026-11-22"},
	{"person", Words{"aanstelling en opleiding van een medewerker", "appointments and training of a person at work here"}, 7,
		Words{"nadat de laatste rol is beëindigd", "after the last role ended"}, "Selectielijst gemeenten en intergemeentelijke organen 2020, personeelsdossiers †", "2026-11-22"},
}

// plainKinds are the events that are not kept under a key, because they are about cameras, recorders, organisations and the centre itself; of people they say at most who acted, by
// pseudonym. A new kind of event stands here, or its fact is private: a test asks.
var plainKinds = []string{
	"centre.opened", "unit.agreed", "unit.checked", "unit.ended", "recorder.enrolled", "recorder.marked", "log.resumed", "share.given", "roster.published", "roster.taken",
	"protocol.drafted", "protocol.adopted", "protocol.read", "dpia.recorded", "dpia.advised", "controls.adopted", "control.tested",
	"placement.registered", "placement.amended", "placement.sign", "placement.activated", "placement.renewed", "placement.ending", "placement.ended",
	"placement.confirmed", "placement.shortening", "placement.rules", "mail.chosen", "mail.taken", "mail.sent",
	"college.reported", "college.answered", "statement.published", "report.signed", "placement.live",
	"order.foreign", "reading.recorded", "sample.drawn", "sample.finding", "audit.planned", "audit.finished",
	"client.registered", "client.withdrawn", "client.admitted", "body.erased", "bodies.destroyed",
}

// private is a fact of a dossier.
type private interface {
	Fact
	// dossier is asked when the fact is recorded, before it is applied; empty: it is of none after all.
	dossier(*decision) Dossier
	// remains is the fact without what its dossier's end destroys; apply is defined for it.
	remains() Fact
}

// Erasure is the end of a dossier.
type Erasure struct {
	Dossier Dossier
	Ground  Ground
	At      protocol.Time
}

// Ground is why a dossier was erased.
type Ground string

// GroundTerm: its term was over.
const GroundTerm Ground = "term"

// Words say the ground, with the term.
func (e Erasure) Words() Words {
	t := e.Dossier.term()
	return Words{
		NL: fmt.Sprintf("gewist op %s, grond: bewaartermijn voorbij (%d jaar %s)", e.At, t.Years, t.After.NL),
		EN: fmt.Sprintf("erased on %s, ground: its term is over (%d years %s)", e.At, t.Years, t.After.EN),
	}
}

func (o Dossier) term() DossierTerm {
	kind, _, _ := strings.Cut(string(o), "/")
	i := slices.IndexFunc(DossierTerms, func(t DossierTerm) bool { return t.Kind == kind })
	if i < 0 {
		return DossierTerm{}
	}
	return DossierTerms[i]
}

type (
	// EraseDue ends the dossiers whose term is over, some at a time: the ledger destroys their keys. Time gives it; no person does.
	EraseDue struct{}

	// BodyErased says that a dossier's key is destroyed, or is about to be: the intent stands before the act (invariant 9).
	BodyErased struct {
		Dossier Dossier `json:"dossier"`
		Ground  Ground  `json:"ground"`
	}
)

func (*BodyErased) name() string { return "body.erased" }

// erasedAtOnce is how many dossiers one command ends.
const erasedAtOnce = 500

func (EraseDue) decide(d *decision) error {
	d.by = System
	due := d.DueDossiers(d.now.Time)
	for _, o := range due[:min(len(due), erasedAtOnce)] {
		d.record(&BodyErased{o, GroundTerm})
	}
	return nil
}

func (f *BodyErased) apply(s *State, e Event) error {
	s.erasures[f.Dossier] = &Erasure{f.Dossier, f.Ground, e.Time}
	return nil
}

// Erasure of a dossier, or nil.
func (s *State) Erasure(o Dossier) *Erasure { return s.erasures[o] }

// Erasures are all of them.
func (s *State) Erasures() []*Erasure { return sorted(s.erasures) }

// Recall tells a State of long ago what was erased since: what is gone is gone from the past too, and its pages say so.
func (s *State) Recall(present *State) {
	for o, e := range present.erasures {
		if s.erasures != nil && s.erasures[o] == nil {
			s.erasures[o] = e
		}
	}
}

// DossierOf names a request's; of a person filmed as well.
func DossierOf(id protocol.RequestID) Dossier {
	if strings.HasPrefix(string(id), "b-") {
		return Dossier("subject/" + id)
	}
	return Dossier("request/" + id)
}

func numbered(kind string, n int) Dossier { return Dossier(fmt.Sprintf("%s/%d", kind, n)) }

// IncidentDossier names an incident's, by its number.
func IncidentDossier(n int) Dossier { return numbered("incident", n) }

// MatterDossier names a matter's, by its number.
func MatterDossier(n int) Dossier { return numbered("matter", n) }

func ofPerson(person protocol.PersonID) Dossier { return Dossier("person/" + person) }

// dossier of a fact that is being recorded; empty for a plain one.
func (d *decision) dossierOf(f Fact) Dossier {
	if p, ok := f.(private); ok {
		return p.dossier(d)
	}
	return ""
}

// ofDocument is the dossier that a hold or a grant belongs to.
func (d *decision) ofDocument(id protocol.DocumentID) Dossier {
	if h := d.holds[protocol.HoldID(id)]; h != nil {
		return DossierOf(h.Request)
	}
	if g := d.grants[protocol.GrantID(id)]; g != nil {
		return DossierOf(g.Request)
	}
	if o := d.eraseOrder(id); o != nil {
		return o.Dossier
	}
	return d.gone[id]
}

// DueDossiers are those whose term is over, oldest kind of the table first. What was recorded before there were keys is not among them: its bodies lie open in the database, and
// no key's end would erase them.
func (s *State) DueDossiers(now time.Time) (due []Dossier) {
	over := func(o Dossier, ended protocol.Time) {
		if s.erasures[o] == nil && !s.bare[o] && !ended.IsZero() && !now.Before(ended.AddDate(o.term().Years, 0, 0)) {
			due = append(due, o)
		}
	}
	for _, id := range s.order {
		r := s.requests[id]
		if o := DossierOf(id); now.Before(r.Filed.AddDate(o.term().Years, 0, 0)) {
			break // nor is anything that was filed later
		} else {
			over(o, r.ended())
		}
	}
	for _, q := range s.subjects {
		over(DossierOf(q.ID), q.AnsweredAt)
	}
	for _, i := range s.incidents {
		if !i.Closed.IsZero() {
			over(IncidentDossier(i.Number), i.Opened)
		}
	}
	for _, m := range s.matters {
		over(MatterDossier(m.Number), m.Closed)
	}
	for n, note := range s.notebook {
		over(numbered("note", n+1), note.At)
	}
	for _, p := range s.People() {
		if len(p.Posts) == 0 {
			over(ofPerson(p.Person), p.Since)
		}
	}
	return due
}

// ended is when all of a request was over; zero: it is not.
func (r *Request) ended() protocol.Time {
	if r.Status == Filed || r.Status == Checked {
		return protocol.Time{}
	}
	last := r.History[len(r.History)-1].At
	later := func(t protocol.Time) {
		if t.After(last.Time) {
			last = t
		}
	}
	later(r.Until)
	for _, h := range r.Holds {
		later(h.End)
	}
	for _, g := range r.Grants {
		later(g.NotAfter)
	}
	return last
}

// absent is what an event is about and the State does not have. Of an erased event that is no fault: what it was about may be gone with it.
type absent struct{ what, id string }

func (a absent) Error() string { return fmt.Sprintf("no %s %q", a.what, a.id) }

func isAbsent(err error) bool {
	var a absent
	return errors.As(err, &a)
}

// erased refuses what would go on with a dossier that is gone.
func (d *decision) erased(o Dossier) error {
	e := d.erasures[o]
	if e == nil {
		return nil
	}
	w := e.Words()
	return refuse(CodeState, "Dit dossier is "+w.NL+".", "This dossier is "+w.EN+".")
}

// What each private fact belongs to, and what remains of it.

// "—" stands where a text was whose being there means something.
const textGone = "—"

func (f *RequestFiled) dossier(*decision) Dossier { return DossierOf(f.ID) }
func (f *RequestFiled) remains() Fact {
	return &RequestFiled{ID: f.ID, Regime: f.Regime, RequestFacts: f.RequestFacts.remains()}
}
func (f RequestFacts) remains() RequestFacts {
	return RequestFacts{Kind: f.Kind, Article: f.Article, Said: f.Said, Until: f.Until}
}

func (f *RequestAmended) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *RequestAmended) remains() Fact {
	return &RequestAmended{Request: f.Request, RequestFacts: f.RequestFacts.remains()}
}

func (f *RequestChecked) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *RequestChecked) remains() Fact {
	return &RequestChecked{Request: f.Request, Complete: f.Complete, Necessary: f.Necessary}
}

func (f *RequestDecided) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *RequestDecided) remains() Fact {
	return &RequestDecided{Request: f.Request, Outcome: f.Outcome, Reason: f.Reason}
}

func (f *RequestTaken) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *RequestTaken) remains() Fact             { return &RequestTaken{Request: f.Request} }

func (f *ConsentWithdrawn) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *ConsentWithdrawn) remains() Fact             { return &ConsentWithdrawn{Request: f.Request} }

func (f *OralWritten) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *OralWritten) remains() Fact             { return &OralWritten{Request: f.Request} }

func (f *PaperFiled) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *PaperFiled) remains() Fact             { return &PaperFiled{Request: f.Request} }

func (f *OralOverdue) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *OralOverdue) remains() Fact             { return f }

func (f *GrantVoided) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *GrantVoided) remains() Fact             { return f }

func (f *FootageReleased) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *FootageReleased) remains() Fact {
	return &FootageReleased{Source: f.Source, Request: f.Request, Grant: f.Grant}
}

func (f *ReleaseFailed) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *ReleaseFailed) remains() Fact {
	return &ReleaseFailed{Source: f.Source, Request: f.Request, Grant: f.Grant, Final: f.Final}
}

func (f *FootageDownloaded) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *FootageDownloaded) remains() Fact             { return f }

func (f *HandOverConfirmed) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *HandOverConfirmed) remains() Fact             { return &HandOverConfirmed{Request: f.Request} }

func (f *HandOverLapsed) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *HandOverLapsed) remains() Fact             { return f }

func (f *HoldConfirmed) dossier(d *decision) Dossier {
	return d.ofDocument(protocol.DocumentID(f.Hold))
}
func (f *HoldConfirmed) remains() Fact { return &HoldConfirmed{Source: f.Source, Hold: f.Hold} }

func (f *HoldLifted) dossier(d *decision) Dossier { return d.ofDocument(protocol.DocumentID(f.Hold)) }
func (f *HoldLifted) remains() Fact               { return &HoldLifted{Source: f.Source, Hold: f.Hold} }

// An order is of the dossier of its hold, lift, grant or erasure. Its number remains, by which the recorder counts, and its document's id, which the recorder's journal names.
func (f *OrderIssued) dossier(d *decision) Dossier {
	signed, err := protocol.ParseDocument([]byte(f.Document))
	if err != nil {
		return ""
	}
	switch doc := signed.Document.(type) {
	case *protocol.Hold:
		return DossierOf(doc.Request)
	case *protocol.Grant:
		return DossierOf(doc.Request)
	case *protocol.Lift:
		return d.ofDocument(protocol.DocumentID(doc.Hold))
	case *protocol.Erase:
		return dossierNamed(doc.Dossier)
	}
	return ""
}
func (f *OrderIssued) remains() Fact {
	left := &OrderIssued{Recorder: f.Recorder, Number: f.Number, NotBefore: f.NotBefore, NotAfter: f.NotAfter, Document: "erased\n"}
	if signed, err := protocol.ParseDocument([]byte(f.Document)); err == nil {
		left.Kind, left.ID = signed.Kind(), signed.Head().ID
	}
	return left
}

func (f *OrderRefused) dossier(d *decision) Dossier { return d.ofDocument(f.ID) }
func (f *OrderRefused) remains() Fact {
	return &OrderRefused{Source: f.Source, Number: f.Number, Kind: f.Kind, ID: f.ID, Reason: textGone}
}

func (f *KeepingProposed) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *KeepingProposed) remains() Fact {
	return &KeepingProposed{Request: f.Request, Until: f.Until, Reason: textGone}
}

func (f *KeepingProlonged) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *KeepingProlonged) remains() Fact {
	return &KeepingProlonged{Request: f.Request, Until: f.Until, Reason: textGone}
}

func (f *DemandRenewed) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *DemandRenewed) remains() Fact {
	return &DemandRenewed{Request: f.Request, Renewal: Renewal{Until: f.Until}}
}

func (f *RequestWithdrawn) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *RequestWithdrawn) remains() Fact {
	return &RequestWithdrawn{Request: f.Request, Note: textGone}
}

func (f *DeliveryPrepared) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *DeliveryPrepared) remains() Fact {
	return &DeliveryPrepared{Request: f.Request, Number: f.Number}
}

func (f *DeliveryApproved) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *DeliveryApproved) remains() Fact {
	return &DeliveryApproved{Request: f.Request, Number: f.Number}
}

// Advice is of the dossier of what it is about, where that has one.
func (a About) dossierOf() Dossier {
	if a.Kind == AboutRequest {
		return DossierOf(protocol.RequestID(a.ID))
	}
	return ""
}

func (f *AdviceAsked) dossier(*decision) Dossier { return f.dossierOf() }
func (f *AdviceAsked) remains() Fact             { return &AdviceAsked{About: f.About, Question: textGone} }

func (f *AdviceGiven) dossier(*decision) Dossier { return f.dossierOf() }
func (f *AdviceGiven) remains() Fact {
	return &AdviceGiven{About: f.About, Opinion: f.Opinion, Text: textGone}
}

func (f *AdviceNotFollowed) dossier(*decision) Dossier { return f.dossierOf() }
func (f *AdviceNotFollowed) remains() Fact {
	return &AdviceNotFollowed{About: f.About, Reason: textGone}
}

func (f *SubjectFiled) dossier(*decision) Dossier { return DossierOf(f.ID) }
func (f *SubjectFiled) remains() Fact {
	return &SubjectFiled{ID: f.ID, Regime: f.Regime, SubjectFacts: SubjectFacts{Right: f.Right, Received: f.Received}}
}

func (f *SubjectIdentified) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *SubjectIdentified) remains() Fact             { return f }

func (f *SubjectExtended) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *SubjectExtended) remains() Fact {
	return &SubjectExtended{Request: f.Request, Reason: textGone}
}

func (f *SubjectAnswered) dossier(*decision) Dossier { return DossierOf(f.Request) }
func (f *SubjectAnswered) remains() Fact {
	return &SubjectAnswered{Request: f.Request, Answer: f.Answer, Manner: f.Manner, Masked: f.Masked, Remedies: f.Remedies}
}

// IncidentOpened gets the next number, counting those that this decision opens.
func (f *IncidentOpened) dossier(d *decision) Dossier {
	n := len(d.incidents) + 1
	for _, e := range d.events {
		if _, ok := e.Fact.(*IncidentOpened); ok {
			n++
		}
	}
	return IncidentDossier(n)
}
func (f *IncidentOpened) remains() Fact {
	return &IncidentOpened{Source: f.Source, Kind: f.Kind, Request: f.Request, Camera: f.Camera}
}

func (f *IncidentDescribed) dossier(*decision) Dossier { return IncidentDossier(f.Number) }
func (f *IncidentDescribed) remains() Fact {
	return &IncidentDescribed{Number: f.Number, Drill: f.Drill, IncidentFacts: IncidentFacts{Discovered: f.Discovered, Aware: f.Aware, Internal: f.Internal}}
}

func (f *IncidentTold) dossier(*decision) Dossier { return IncidentDossier(f.Number) }
func (f *IncidentTold) remains() Fact {
	return &IncidentTold{Number: f.Number, Told: f.Told, Notice: Notice{At: f.At}}
}

func (f *IncidentClosed) dossier(*decision) Dossier { return IncidentDossier(f.Number) }
func (f *IncidentClosed) remains() Fact {
	return &IncidentClosed{Number: f.Number, NoBreach: f.NoBreach, Conclusion: textGone}
}

func (f *MatterOpened) dossier(d *decision) Dossier { return MatterDossier(len(d.matters) + 1) }
func (f *MatterOpened) remains() Fact {
	return &MatterOpened{MatterFacts{Kind: f.Kind, Received: f.Received, Decided: f.Decided, Due: f.Due}}
}

func (f *MatterFollowed) dossier(*decision) Dossier { return MatterDossier(f.Number) }
func (f *MatterFollowed) remains() Fact {
	return &MatterFollowed{Number: f.Number, Text: textGone, Close: f.Close}
}

func (f *NoteWritten) dossier(d *decision) Dossier { return numbered("note", len(d.notebook)+1) }
func (f *NoteWritten) remains() Fact               { return &NoteWritten{Text: textGone} }

func (f *PersonAppointed) dossier(*decision) Dossier { return ofPerson(f.Person) }
func (f *PersonAppointed) remains() Fact {
	return &PersonAppointed{Appointment{Person: f.Person}}
}

func (f *TrainingRecorded) dossier(*decision) Dossier { return ofPerson(f.Person) }
func (f *TrainingRecorded) remains() Fact {
	return &TrainingRecorded{TrainingFacts{Person: f.Person, Followed: f.Followed, ValidUntil: f.ValidUntil}}
}
