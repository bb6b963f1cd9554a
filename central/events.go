package central

import (
	"cmp"
	"fmt"
	"reflect"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Event is something that happened, as the ledger keeps it: one entry each, kind = the fact's name, time = the entry's time.
type Event struct {
	Seq  uint64 // of its entry in the ledger
	Time protocol.Time
	By   protocol.PersonID // a person, or System
	Via  ClientID          // the system that acted for that person; empty: the person came to the desk
	Fact Fact

	Dossier Dossier // whose key its body is under; empty: it lies open
	Erased  bool    // that key is destroyed: By and Via are empty, and Fact is what remains
}

// Name is the kind of the event's entry.
func (e Event) Name() string { return e.Fact.name() }

// Fact is what happened.
type Fact interface {
	name() string
	apply(*State, Event) error
}

// Body is an event as the body of its entry; chain.Seal adds the salt. It lies open (By, Via, Fact), or is of a dossier (Dossier, Remains, Sealed): then Sealed is an open
// body under the dossier's key, without salt.
type Body struct {
	protocol.Salted
	By   protocol.PersonID `json:"by,omitempty"`
	Via  ClientID          `json:"via,omitempty"`
	Fact jsontext.Value    `json:"fact,omitempty"`

	Dossier Dossier        `json:"dossier,omitempty"`
	Remains jsontext.Value `json:"remains,omitempty"`
	Sealed  []byte         `json:"sealed,omitempty"` // base64; none: it came when the dossier had been erased already
}

// Body writes the event's body, open.
func (e Event) Body() (Body, error) {
	b, err := json.Marshal(e.Fact, json.Deterministic(true))
	if err != nil {
		return Body{}, fmt.Errorf("event %d %s: %w", e.Seq, e.Name(), err)
	}
	return Body{By: e.By, Via: e.Via, Fact: b}, nil
}

// Erase makes of an event of a dossier what is left when that is erased.
func (e Event) Erase() Event {
	return Event{Seq: e.Seq, Time: e.Time, Fact: e.Fact.(private).remains(), Dossier: e.Dossier, Erased: true}
}

// ParseFact reads a fact of this name back; unknown names and fields are errors.
func ParseFact(name string, value []byte) (Fact, error) {
	t := factTypes()[name]
	if t == nil {
		return nil, fmt.Errorf("event %q: no such kind; a newer version wrote this ledger", name)
	}
	f := reflect.New(t).Interface().(Fact)
	if err := json.Unmarshal(value, f, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("event %q: %w", name, err)
	}
	return f, nil
}

// factTypes are the kinds of facts by name: a ledger is read at a million a few seconds.
var factTypes = sync.OnceValue(func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for name := range eventWords {
		if f := newFact(name); f != nil {
			types[name] = reflect.TypeOf(f).Elem()
		}
	}
	return types
})

// The facts.
type (
	// CentreOpened is the first event of every ledger.
	CentreOpened struct {
		Municipality string `json:"municipality"`
	}

	// PersonAppointed says all of a person's posts anew; whoever has none left is dismissed.
	PersonAppointed struct {
		Appointment
	}

	RecorderEnrolled struct {
		Recorder protocol.RecorderID `json:"recorder"`
		Key      string              `json:"key"`
		Origin   string              `json:"origin"`
		Viewer   string              `json:"viewer,omitempty"`
		Roots    []string            `json:"roots"`
		Roster   string              `json:"roster"` // the first one, which goes to the recorder by hand
	}
	// RecorderMarked says that a recorder is stolen, withdrawn or, without a mark, in use after all.
	RecorderMarked struct {
		Recorder protocol.RecorderID `json:"recorder"`
		Mark     Mark                `json:"mark,omitempty"`
		Reason   string              `json:"reason"`
	}
	// ShareGiven: a recorder was given the shares of these ids; of their secrets nothing stands in the ledger.
	ShareGiven struct {
		Recorder protocol.RecorderID `json:"recorder"`
		Ask      protocol.Hash       `json:"ask"` // SHA-256 of the key that they were sealed to
		Opens    []protocol.ShareID  `json:"opens,omitempty"`
		Next     protocol.ShareID    `json:"next,omitempty"`
	}
	// RosterTaken: a recorder was given a roster by hand, at the cabinet.
	RosterTaken struct {
		Source
		Roster string `json:"roster"`
	}
	// RosterPublished is followed by the order that carries the roster itself.
	RosterPublished struct {
		Recorder protocol.RecorderID `json:"recorder"`
		Version  uint64              `json:"version"`
	}

	PlacementRegistered struct {
		PlacementFacts
	}
	PlacementAmended struct {
		PlacementFacts
	}
	SignPlaced struct {
		Camera protocol.CameraID `json:"camera"`
		Sign   Sign              `json:"sign"`
	}
	PlacementActivated struct {
		Camera protocol.CameraID `json:"camera"`
	}
	PlacementRenewed struct {
		Camera  protocol.CameraID `json:"camera"`
		Besluit Besluit           `json:"besluit"`
	}
	// EndingProposed is the first approver's signature under suspending, withdrawing or stopping the sound; PlacementEnded the second's.
	EndingProposed struct {
		Camera protocol.CameraID `json:"camera"`
		Ending Ending            `json:"ending"`
		Reason string            `json:"reason"`
	}
	PlacementEnded struct {
		Camera   protocol.CameraID `json:"camera"`
		Ending   Ending            `json:"ending"`
		Reason   string            `json:"reason"`
		Proposer protocol.PersonID `json:"proposer"`
	}

	// OrderIssued is an order to a recorder: the ledger is the outbox. Document is the whole text, with persons' signatures; the envelope around it
	// is signed when it is sent.
	OrderIssued struct {
		Recorder  protocol.RecorderID `json:"recorder"`
		Number    uint64              `json:"number"`
		NotBefore protocol.Time       `json:"notBefore"`
		NotAfter  protocol.Time       `json:"notAfter"`
		Document  string              `json:"document"`

		// Only in what remains after its dossier's end; before, the document says it.
		Kind string              `json:"kind,omitempty"`
		ID   protocol.DocumentID `json:"id,omitempty"`
	}
	OrderRefused struct {
		Source
		Number uint64              `json:"number"`
		Kind   string              `json:"kind,omitempty"`
		ID     protocol.DocumentID `json:"id,omitempty"`
		Reason string              `json:"reason"`
	}

	// OrderForeign: the recorder used this number for an order that is not ours. Numbering goes on above it.
	OrderForeign struct {
		Source
		Number uint64              `json:"number"`
		Kind   string              `json:"kind,omitempty"`
		ID     protocol.DocumentID `json:"id,omitempty"`
	}

	RequestFiled struct {
		ID     protocol.RequestID `json:"id"`
		Regime protocol.Regime    `json:"regime"`
		RequestFacts
		Once *Once `json:"once,omitempty"` // through a system only
	}
	HoldConfirmed struct {
		Source
		Hold     protocol.HoldID   `json:"hold"`
		Interval protocol.Interval `json:"interval,omitzero"`
		Segments int               `json:"segments"`
		Bytes    int64             `json:"bytes"`
		Root     protocol.Hash     `json:"root"`
		End      protocol.Time     `json:"end"`
	}
	HoldLifted struct {
		Source
		Hold   protocol.HoldID `json:"hold"`
		Reason string          `json:"reason"`
	}
	RequestChecked struct {
		Request   protocol.RequestID `json:"request"`
		Complete  bool               `json:"complete"`
		Necessary bool               `json:"necessary"`
		Remark    string             `json:"remark,omitempty"`
		Verified  []Verified         `json:"verified,omitempty"`
	}
	RequestDecided struct {
		Request    protocol.RequestID `json:"request"`
		Outcome    Outcome            `json:"outcome"`
		Reason     Reason             `json:"reason"`
		Motivation string             `json:"motivation"`
		Approved   []Approved         `json:"approved,omitempty"`
		Parts      []Part             `json:"parts,omitempty"`
		Stated
	}
	FootageReleased struct {
		Source
		Request  protocol.RequestID `json:"request"`
		Grant    protocol.GrantID   `json:"grant"`
		Intent   uint64             `json:"intent"`
		Object   string             `json:"object"`
		Size     int64              `json:"size"`
		SHA256   protocol.Hash      `json:"sha256"`
		Bag      protocol.Hash      `json:"bag"`
		Manifest protocol.Hash      `json:"manifest"`
		Segments int                `json:"segments"`
		Gaps     int                `json:"gaps"`
	}
	ReleaseFailed struct {
		Source
		Request protocol.RequestID `json:"request"`
		Grant   protocol.GrantID   `json:"grant"`
		Reason  string             `json:"reason"`
		Final   bool               `json:"final"`
	}
	FootageDownloaded struct {
		Request protocol.RequestID `json:"request"`
		Grant   protocol.GrantID   `json:"grant"`
	}
	HandOverConfirmed struct {
		Request  protocol.RequestID `json:"request"`
		Note     string             `json:"note,omitempty"`
		Delivery int                `json:"delivery,omitzero"` // of future data: this part
	}
	// HandOverLapsed: nobody confirmed within fourteen days; the hold ends all the same.
	HandOverLapsed struct {
		Request  protocol.RequestID `json:"request"`
		Delivery int                `json:"delivery,omitzero"`
	}

	IncidentOpened struct {
		Source                     // zero where no journal entry is behind it
		Kind    string             `json:"kind"`
		Detail  string             `json:"detail"`
		English string             `json:"english,omitempty"` // the same, of a detail in Dutch; empty: there is one text
		Request protocol.RequestID `json:"request,omitempty"`
		Camera  protocol.CameraID  `json:"camera,omitempty"`
		Finding string             `json:"finding,omitempty"` // of the witness: the name of its evidence
		LogOf   uint64             `json:"logOf,omitzero"`    // number of the log that the finding is about, where the recorder stands still by it until that goes on; 0: the first
	}
)

// Source is the journal entry that a fact comes from; the same entry is never a fact twice.
type Source struct {
	Recorder protocol.RecorderID `json:"recorder,omitempty"`
	Log      uint64              `json:"log,omitzero"` // number of the log in which it stood first; 0: the first. See protocol.LogOrigin
	Seq      uint64              `json:"seq,omitempty"`
}

// after says whether an entry of the same recorder comes behind another.
func (s Source) after(o Source) bool {
	return cmp.Or(cmp.Compare(max(s.Log, 1), max(o.Log, 1)), cmp.Compare(s.Seq, o.Seq)) > 0
}

// Entry names the entry: its recorder, its number and, of a log that was resumed, the number of that log.
func (s Source) Entry() string {
	if s.Log < 2 {
		return fmt.Sprintf("%s %d", s.Recorder, s.Seq)
	}
	return fmt.Sprintf("%s %d/%d", s.Recorder, s.Log, s.Seq)
}

// ParseEntry is the inverse of [Source.Entry].
func ParseEntry(text string) (s Source, err error) {
	if _, err = fmt.Sscanf(text, "%s %d/%d", &s.Recorder, &s.Log, &s.Seq); err != nil {
		s.Log = 0
		_, err = fmt.Sscanf(text, "%s %d", &s.Recorder, &s.Seq)
	}
	if err != nil || s.Entry() != text {
		return Source{}, fmt.Errorf("%.100q names no entry of a recorder's log", text)
	}
	return s, nil
}

func newFact(name string) Fact {
	for _, f := range []Fact{
		&BodyErased{}, &BodiesDestroyed{},
		&CentreOpened{}, &IncidentDescribed{}, &IncidentTold{}, &IncidentClosed{}, &ReadingRecorded{}, &NoteWritten{},
		&SubjectFiled{}, &SubjectIdentified{}, &SubjectExtended{}, &SubjectAnswered{},
		&SampleDrawn{}, &FindingRecorded{}, &AuditPlanned{}, &AuditFinished{}, &MatterOpened{}, &MatterFollowed{}, &TrainingRecorded{},
		&DPIARecorded{}, &DPIAAdvised{}, &ControlsAdopted{}, &ControlTested{}, &PlacementConfirmed{}, &ShorteningProposed{}, &RulesChanged{}, &LivePeriodFixed{},
		&PersonAppointed{}, &UnitAgreed{}, &AgreementChecked{}, &AgreementEnded{}, &RecorderEnrolled{}, &RecorderMarked{}, &ShareGiven{}, &RosterPublished{}, &RosterTaken{}, &ProtocolAdopted{}, &ProtocolDrafted{}, &ProtocolRead{},
		&AdviceAsked{}, &AdviceGiven{}, &AdviceNotFollowed{}, &CollegeReported{}, &CollegeAnswered{}, &StatementPublished{},
		&PlacementRegistered{}, &PlacementAmended{}, &SignPlaced{}, &PlacementActivated{}, &PlacementRenewed{}, &EndingProposed{}, &PlacementEnded{},
		&OrderIssued{}, &OrderRefused{}, &OrderForeign{}, &RequestFiled{}, &EraseProposed{}, &EraseSigned{}, &EraseDropped{}, &FootageErased{}, &ResumeOrdered{}, &LogResumed{}, &HoldConfirmed{}, &HoldLifted{}, &RequestChecked{}, &RequestDecided{},
		&FootageReleased{}, &ReleaseFailed{}, &FootageDownloaded{}, &HandOverConfirmed{}, &HandOverLapsed{}, &IncidentOpened{},
		&KeepingProposed{}, &KeepingProlonged{}, &DemandRenewed{}, &RequestWithdrawn{}, &DeliveryPrepared{}, &DeliveryApproved{}, &PaperFiled{},
		&GrantVoided{}, &RequestAmended{}, &OralWritten{}, &OralOverdue{}, &RequestTaken{}, &ConsentWithdrawn{},
		&MailChosen{}, &MailTaken{}, &MailSent{}, &ReportSigned{},
		&ClientRegistered{}, &ClientWithdrawn{}, &ClientAdmitted{},
	} {
		if f.name() == name {
			return f
		}
	}
	return nil
}

func (*CentreOpened) name() string        { return "centre.opened" }
func (*PersonAppointed) name() string     { return "person.appointed" }
func (*RecorderEnrolled) name() string    { return "recorder.enrolled" }
func (*RecorderMarked) name() string      { return "recorder.marked" }
func (*ShareGiven) name() string          { return "share.given" }
func (*RosterTaken) name() string         { return "roster.taken" }
func (*RosterPublished) name() string     { return "roster.published" }
func (*PlacementRegistered) name() string { return "placement.registered" }
func (*PlacementAmended) name() string    { return "placement.amended" }
func (*SignPlaced) name() string          { return "placement.sign" }
func (*PlacementActivated) name() string  { return "placement.activated" }
func (*PlacementRenewed) name() string    { return "placement.renewed" }
func (*EndingProposed) name() string      { return "placement.ending" }
func (*PlacementEnded) name() string      { return "placement.ended" }
func (*OrderIssued) name() string         { return "order.issued" }
func (*OrderRefused) name() string        { return "order.refused" }
func (*OrderForeign) name() string        { return "order.foreign" }
func (*RequestFiled) name() string        { return "request.filed" }
func (*HoldConfirmed) name() string       { return "hold.confirmed" }
func (*HoldLifted) name() string          { return "hold.lifted" }
func (*RequestChecked) name() string      { return "request.checked" }
func (*RequestDecided) name() string      { return "request.decided" }
func (*FootageReleased) name() string     { return "release.ready" }
func (*ReleaseFailed) name() string       { return "release.failed" }
func (*FootageDownloaded) name() string   { return "release.downloaded" }
func (*HandOverConfirmed) name() string   { return "handover.confirmed" }
func (*HandOverLapsed) name() string      { return "handover.lapsed" }
func (*IncidentOpened) name() string      { return "incident.opened" }
func (*OralWritten) name() string         { return "oral.written" }
func (*OralOverdue) name() string         { return "oral.overdue" }
func (*RequestTaken) name() string        { return "request.taken" }
func (*ConsentWithdrawn) name() string    { return "consent.withdrawn" }
func (*GrantVoided) name() string         { return "grant.voided" }
func (*RequestAmended) name() string      { return "request.amended" }
func (*ClientRegistered) name() string    { return "client.registered" }
func (*ClientWithdrawn) name() string     { return "client.withdrawn" }
func (*ClientAdmitted) name() string      { return "client.admitted" }

var eventWords = map[string]Words{
	"body.erased":          {"dossier gewist aan het einde van zijn termijn", "dossier erased at the end of its term"},
	"bodies.destroyed":     {"inhoud van logboekregels vernietigd aan het einde van de termijn", "bodies of log entries destroyed at the end of their term"},
	"centre.opened":        {"centrale geopend", "centre opened"},
	"incident.described":   {"incident beschreven", "incident described"},
	"incident.told":        {"melding van incident vastgelegd", "notification of incident recorded"},
	"training.recorded":    {"opleiding vastgelegd", "training recorded"},
	"sample.drawn":         {"steekproef getrokken", "sample drawn"},
	"sample.finding":       {"bevinding vastgelegd", "finding recorded"},
	"audit.planned":        {"audit gepland", "audit planned"},
	"audit.finished":       {"audit afgerond", "audit finished"},
	"matter.opened":        {"klacht, bezwaar of brief vastgelegd", "complaint, objection or letter recorded"},
	"matter.followed":      {"opvolging vastgelegd", "follow-up recorded"},
	"subject.filed":        {"verzoek van betrokkene vastgelegd", "request of a person filmed recorded"},
	"subject.identified":   {"identiteit nagegaan", "identity checked"},
	"subject.extended":     {"termijn verlengd", "term extended"},
	"subject.answered":     {"verzoek beantwoord", "request answered"},
	"reading.recorded":     {"inzage door toezicht", "reading by oversight"},
	"note.written":         {"vertrouwelijke aantekening", "confidential note"},
	"incident.closed":      {"incident afgesloten", "incident closed"},
	"person.appointed":     {"persoon aangesteld", "person appointed"},
	"unit.agreed":          {"afspraak met organisatie vastgelegd", "agreement with organisation recorded"},
	"unit.checked":         {"naleving van afspraak nagegaan", "agreement checked"},
	"unit.ended":           {"afspraak met organisatie beëindigd", "agreement with organisation ended"},
	"advice.asked":         {"advies gevraagd aan de privacy officer", "advice asked of the privacy officer"},
	"advice.given":         {"advies van de privacy officer", "advice of the privacy officer"},
	"advice.deviated":      {"advies van de privacy officer niet gevolgd", "advice of the privacy officer not followed"},
	"statement.published":  {"verklaring of beleid gepubliceerd", "statement or policy published"},
	"college.reported":     {"rapport van de privacy officer aan het college", "report of the privacy officer to the college"},
	"college.answered":     {"antwoord van het college", "answer of the college"},
	"recorder.enrolled":    {"recorder ingeschreven", "recorder enrolled"},
	"recorder.marked":      {"recorder gestolen, buiten gebruik of terug", "recorder stolen, withdrawn or back"},
	"share.given":          {"sleuteldeel aan recorder gegeven", "share given to recorder"},
	"roster.published":     {"rooster gepubliceerd", "roster published"},
	"roster.taken":         {"rooster bij de recorder zelf ingevoerd", "roster given to the recorder by hand"},
	"protocol.drafted":     {"concept van cameraprotocol bewaard", "draft of a camera protocol kept"},
	"protocol.adopted":     {"cameraprotocol vastgesteld", "camera protocol adopted"},
	"protocol.read":        {"cameraprotocol gelezen en bevestigd", "camera protocol read and acknowledged"},
	"placement.registered": {"camera geregistreerd", "camera registered"},
	"placement.amended":    {"registratie aangepast", "registration amended"},
	"placement.sign":       {"bord geplaatst", "sign placed"},
	"placement.activated":  {"camera in gebruik genomen", "camera activated"},
	"placement.renewed":    {"besluit verlengd", "decision renewed"},
	"placement.ending":     {"beëindiging voorgesteld", "ending proposed"},
	"placement.shortening": {"kortere bewaartermijn voorgesteld", "shorter window proposed"},
	"placement.rules":      {"protocol of bewaartermijn gewijzigd", "protocol or window changed"},
	"placement.live":       {"periode van live meekijken vastgesteld", "period of live viewing fixed"},
	"placement.confirmed":  {"herbevestiging vastgelegd", "re-confirmation recorded"},
	"control.tested":       {"maatregel getoetst", "control tested"},
	"controls.adopted":     {"minimale maatregelen vastgesteld", "minimum controls adopted"},
	"dpia.recorded":        {"DPIA vastgelegd", "DPIA recorded"},
	"dpia.advised":         {"advies op DPIA vastgelegd", "advice on DPIA recorded"},
	"placement.ended":      {"camera of geluid gestopt", "camera or sound stopped"},
	"erase.proposed":       {"wissen van onrechtmatige beelden voorgesteld", "erasing unlawful footage proposed"},
	"erase.signed":         {"wissen door twee goedkeurders opgedragen", "erasing ordered by two approvers"},
	"erase.dropped":        {"voorstel tot wissen ingetrokken", "proposal to erase taken back"},
	"footage.erased":       {"beelden vernietigd door de recorder", "footage destroyed by the recorder"},
	"order.issued":         {"opdracht aan recorder", "order to recorder"},
	"order.refused":        {"opdracht geweigerd door recorder", "order refused by recorder"},
	"order.foreign":        {"opdracht van een ander aan recorder", "order to recorder by another"},
	"request.filed":        {"aanvraag ingediend", "request filed"},
	"hold.confirmed":       {"recorder bewaart de beelden", "recorder holds the footage"},
	"hold.lifted":          {"bewaring opgeheven", "hold lifted"},
	"request.checked":      {"aanvraag getoetst", "request checked"},
	"request.decided":      {"besluit genomen", "decision taken"},
	"release.ready":        {"beelden staan klaar", "footage ready"},
	"release.failed":       {"verstrekking mislukt", "release failed"},
	"release.downloaded":   {"beelden opgehaald", "footage downloaded"},
	"handover.confirmed":   {"ontvangst bevestigd", "receipt confirmed"},
	"handover.lapsed":      {"termijn voor ophalen voorbij", "term for download over"},
	"incident.opened":      {"incident geopend", "incident opened"},
	"keeping.proposed":     {"langer bewaren voorgesteld", "holding longer proposed"},
	"keeping.prolonged":    {"langer bewaren door twee goedkeurders", "holding longer by two approvers"},
	"demand.renewed":       {"bevel verlengd", "order renewed"},
	"request.withdrawn":    {"aanvraag ingetrokken", "request taken back"},
	"delivery.prepared":    {"deel van toekomstige beelden klaargezet", "part of future footage prepared"},
	"log.resume":           {"hervatten van het logboek opgedragen", "resuming the log ordered"},
	"log.resumed":          {"recorder ging verder onder een nieuw logboek", "recorder went on under a new log"},
	"paper.filed":          {"stuk vastgelegd", "paper recorded"},
	"delivery.approved":    {"deel van toekomstige beelden goedgekeurd", "part of future footage approved"},
	"oral.written":         {"mondelinge vordering schriftelijk bevestigd", "oral demand confirmed in writing"},
	"oral.overdue":         {"mondelinge vordering niet binnen drie dagen bevestigd", "oral demand not confirmed within three days"},
	"request.taken":        {"aanvraag overgenomen door een collega", "request taken over by a colleague"},
	"consent.withdrawn":    {"toestemming van wie herkenbaar is ingetrokken", "consent withdrawn"},
	"grant.voided":         {"toestemming vervallen", "grant void"},
	"request.amended":      {"aanvraag gewijzigd", "request changed"},
	"report.signed":        {"jaarverslag ondertekend", "yearly report signed"},
	"mail.chosen":          {"keuze voor mail vastgelegd", "choice of mail recorded"},
	"mail.taken":           {"centrale verstuurt de mail", "centre sends the mail"},
	"mail.sent":            {"mail verstuurd", "mail sent"},
	"client.registered":    {"koppeling van een systeem vastgelegd", "system registered"},
	"client.withdrawn":     {"koppeling van een systeem ingetrokken", "system withdrawn"},
	"client.admitted":      {"systeem binnengelaten", "system admitted"},
}

// EventWords says an event's name in words.
func EventWords(name string) Words { return eventWords[name] }
