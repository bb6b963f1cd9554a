package central

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// A recorder whose log was put back or forked records and serves nothing, until the privacy officer lets it go on under a successor of that log (DESIGN invariant 13). What the witness
// has of the log before stays on record. The officer orders it once the witness has found it; the recorder's log.resumed entry says that it went on.

// ResumeTerm is how long an order to resume stays on its way to a recorder.
const ResumeTerm = 28 * 24 * time.Hour

// signTerm is how long before an order is given its text may have been shown to who signs it.
const signTerm = time.Hour

type (
	// ResumeLog orders that a recorder's log goes on as its successor. By the privacy officer, who signs its [ResumeLog.Draft] where the recorder's roster names their passkey; otherwise
	// the centre vouches for them.
	ResumeLog struct {
		By        protocol.PersonID
		Recorder  protocol.RecorderID
		Reason    string              // what happened and why it may go on; no names. It stays at the centre
		Log       uint64              // number of the successor: one more than the log that the recorder says it has
		Witnessed protocol.LedgerHead // what the witness has of the log before: size and root of its newest cosigned checkpoint
		Signed    []byte              // the draft, with the officer's signature; nil: the centre vouches
	}
	// RecordResumed is the recorder's word that its log went on.
	RecordResumed struct {
		Source
		Resumed protocol.Resumed
		At      protocol.Time // of its entry
	}
)

type (
	// ResumeOrdered is followed by the order itself.
	ResumeOrdered struct {
		Recorder  protocol.RecorderID `json:"recorder"`
		Log       uint64              `json:"log"`
		Order     protocol.DocumentID `json:"order"`
		Incidents []int               `json:"incidents"` // that it answers
		Reason    string              `json:"reason"`
	}
	LogResumed struct {
		Source
		Successor uint64              `json:"successor"`
		Order     protocol.DocumentID `json:"order"`
		At        protocol.Time       `json:"at"` // by the recorder's clock
	}
)

func (*ResumeOrdered) name() string { return "log.resume" }
func (*LogResumed) name() string    { return "log.resumed" }

// Resumption is one time that a recorder's log went on, or was to.
type Resumption struct {
	Log       uint64 // number of the successor
	By        protocol.PersonID
	Ordered   protocol.Time
	Until     protocol.Time // then the order ends
	Order     protocol.DocumentID
	Number    uint64 // of the order
	Witnessed protocol.LedgerHead
	Level     protocol.Level
	Incidents []int
	Reason    string
	Refused   string        // the recorder's reason
	Resumed   protocol.Time // by the recorder's clock; zero: it has not gone on yet
	Seen      protocol.Time // when its entry came in
}

// State of a resumption, for a page: "ordered", "refused", "ended" (its term was over first) or "resumed".
func (r *Resumption) State(now time.Time) string {
	switch {
	case !r.Resumed.IsZero():
		return "resumed"
	case r.Refused != "":
		return "refused"
	case !now.Before(r.Until.Time):
		return "ended"
	}
	return "ordered"
}

// Answers says that it was ordered because of this incident.
func (r *Resumption) Answers(incident int) bool { return slices.Contains(r.Incidents, incident) }

// resumption by its order, or nil.
func (r *Recorder) resumption(id protocol.DocumentID) *Resumption {
	i := slices.IndexFunc(r.Resumptions, func(x *Resumption) bool { return x.Order == id })
	if i < 0 {
		return nil
	}
	return r.Resumptions[i]
}

// behind are the kinds of incidents that a log is resumed after.
var behind = []string{"log-rollback", "log-fork", "log-truncated"}

// BreaksLog says that a recorder stands still by it until its log is resumed.
func (i *Incident) BreaksLog() bool { return i.Finding != "" && slices.Contains(behind, i.Kind) }

// wentOn is the resumption by which the recorder has the log that it has now; nil: it has its first.
func (r *Recorder) wentOn() (last *Resumption) {
	for _, x := range r.Resumptions {
		if !x.Resumed.IsZero() && (last == nil || x.Log >= last.Log) {
			last = x
		}
	}
	return last
}

// Broken are the incidents that a recorder's log can be resumed after: the witness found that it was put back, forked or cut off, and it has not gone on since. What is found of the log that goes on, also that the
// recorder was put back to before it, is about that log. Whether an incident is settled does not matter: the recorder stands still all the same.
func (s *State) Broken(recorder protocol.RecorderID) []*Incident {
	r := s.recorders[recorder]
	if r == nil {
		return nil
	}
	log := uint64(0)
	if x := r.wentOn(); x != nil {
		log = x.Log
	}
	return s.brokenFrom(recorder, log)
}

// brokenFrom are those that are about its log of this number, or a later one.
func (s *State) brokenFrom(recorder protocol.RecorderID, log uint64) (list []*Incident) {
	for _, i := range s.incidents {
		if i.Source.Recorder == recorder && i.BreaksLog() && i.Log >= log {
			list = append(list, i)
		}
	}
	return list
}

// Draft is the order as the privacy officer is to sign it, and the key of the roster that it is signed with: empty where the roster names none. What would be refused once it is signed is refused here.
func (c ResumeLog) Draft(s *State, now time.Time) (document []byte, key string, err error) {
	d := &decision{State: s, now: protocol.T(now)}
	if err := c.allowed(d); err != nil {
		return nil, "", err
	}
	r := d.recorders[c.Recorder]
	if err = r.Roster.Current(now); err == nil && r.Roster.Officer != c.By {
		err = fmt.Errorf("it names %s as privacy officer", r.Roster.Officer)
	}
	if err != nil {
		return nil, "", d.offRoster(r, err)
	}
	if document, err = protocol.Compose(c.order(d)); err != nil {
		return nil, "", badOrder(err)
	}
	return document, r.Roster.OfficerKey, nil
}

func (c ResumeLog) decide(d *decision) error {
	if err := c.allowed(d); err != nil {
		return err
	}
	order := c.order(d)
	if c.Signed != nil {
		if err := c.drafted(d, order); err != nil {
			return err
		}
	}
	ordered := &ResumeOrdered{Recorder: c.Recorder, Log: c.Log, Order: order.ID, Reason: c.Reason}
	for _, i := range d.Broken(c.Recorder) {
		ordered.Incidents = append(ordered.Incidents, i.Number)
	}
	d.record(ordered)
	if c.Signed != nil {
		return d.issueSigned(c.Signed, "", order.NotAfter)
	}
	return d.issue(order, "", order.NotAfter)
}

func (c ResumeLog) order(d *decision) *protocol.Resume {
	return &protocol.Resume{Heading: d.heading("r", c.Recorder, protocol.T(d.now.Add(ResumeTerm))), Log: c.Log, Witnessed: c.Witnessed, Officer: c.By}
}

// drafted refuses a signed order that is not the one of now, and gives that the number and the term which were signed: between draft and order other orders may be given, some time passes, and
// it may be another centre that decides.
func (c ResumeLog) drafted(d *decision, order *protocol.Resume) error {
	signed, err := protocol.ParseDocument(c.Signed)
	if err != nil {
		return badOrder(err)
	}
	h := signed.Head()
	age := order.NotBefore.Sub(h.NotBefore.Time)
	fresh := age > -clockSlack && age < signTerm && h.NotAfter.Sub(h.NotBefore.Time) == order.NotAfter.Sub(order.NotBefore.Time)
	var number uint64
	if _, err := fmt.Sscanf(string(h.ID), "r-%d", &number); err != nil || h.ID != protocol.DocumentID(fmt.Sprintf("r-%d", number)) || number == 0 || number > d.documents+1 {
		fresh = false
	}
	for _, r := range d.recorders {
		fresh = fresh && r.resumption(h.ID) == nil
	}
	order.ID, order.NotBefore, order.NotAfter = h.ID, h.NotBefore, h.NotAfter
	now, err := protocol.Compose(order)
	if err != nil {
		return badOrder(err)
	}
	if !fresh || signed.Text()+"\n" != string(now) {
		return refuse(CodeState, "Wat u ondertekende, geldt niet meer: de getuige heeft intussen iets anders gezien, of het ondertekenen duurde te lang. Begin opnieuw.",
			"What you signed no longer holds: the witness has seen something else since, or signing took too long. Begin again.")
	}
	return nil
}

// allowed refuses an order that nobody may give, or not now.
func (c ResumeLog) allowed(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	r := d.recorders[c.Recorder]
	if r == nil {
		return unknown("Recorder", "Recorder", string(c.Recorder))
	}
	broken := d.Broken(c.Recorder)
	if n := len(r.Resumptions); n > 0 && r.Resumptions[n-1].State(d.now.Time) == "ordered" && (c.Log <= r.Resumptions[n-1].Log || len(d.brokenFrom(r.ID, r.Resumptions[n-1].Log)) == 0) {
		last := r.Resumptions[n-1] // unless the recorder, put back to before it was resumed, took the order of then once more: then its log has the number of the one that this order would begin
		return refuse(CodeExists, fmt.Sprintf("Dit is al opgedragen, op %s (opdracht %d). De recorder krijgt de opdracht zodra hij zich meldt.", last.Ordered, last.Number),
			fmt.Sprintf("This was ordered already, on %s (order %d). The recorder gets the order as soon as it reports.", last.Ordered, last.Number))
	}
	switch {
	case r.Mark != InUse:
		w := r.Mark.Words()
		return refuse(CodeState, "Deze recorder is niet in gebruik: "+w.NL+".", "This recorder is not in use: "+w.EN+".")
	case len(broken) == 0 && r.wentOn() != nil:
		x := r.wentOn()
		return refuse(CodeState, fmt.Sprintf("Deze recorder ging al verder, op %s, onder logboek %d. Daarna heeft de getuige niets gevonden waarvoor dat nog eens nodig is. Staat de recorder toch stil, laat dan de beheerder kijken wat hij meldt.", x.Resumed, x.Log),
			fmt.Sprintf("This recorder went on already, on %s, under log %d. Since then the witness has found nothing that makes that necessary once more. If the recorder stands still all the same, have the administrator look at what it reports.", x.Resumed, x.Log))
	case len(broken) == 0:
		return refuse(CodeState, "De getuige heeft niet gezien dat het logboek van deze recorder is teruggezet, gesplitst of ingekort. Hervatten is dan niet nodig. Staat de recorder toch stil, laat dan de beheerder kijken wat hij meldt.",
			"The witness has not seen that this recorder's log was put back, forked or cut off. Then there is nothing to resume. If the recorder stands still all the same, have the administrator look at what it reports.")
	case strings.TrimSpace(c.Reason) == "":
		return missing("wat er is gebeurd en waarom de recorder verder mag", "what happened and why the recorder may go on")
	case c.Witnessed.Size == 0:
		return refuse(CodeState, "De getuige heeft van dit logboek nog niets ondertekend. Wacht tot de recorder zich heeft gemeld.", "The witness has signed nothing of this log yet. Wait until the recorder has reported.")
	case c.Log < 2: // the rest is for the recorder to judge: it obeys for the log after its own
		return missing("het nummer van het nieuwe logboek, 2 of hoger", "the number of the new log, 2 or higher")
	}
	return nil
}

func (c RecordResumed) decide(d *decision) error {
	r := d.recorders[c.Recorder]
	if r == nil || d.known(c.Source) {
		return nil
	}
	var x *Resumption
	if signed, err := protocol.ParseDocument([]byte(c.Resumed.Document)); err == nil {
		if x = r.resumption(signed.Head().ID); x != nil && (x.Log != c.Resumed.Log || r.Order(x.Number).Document != c.Resumed.Document) {
			x = nil
		}
	}
	switch {
	case x == nil:
		d.trouble(IncidentOpened{Source: c.Source, Kind: "resumed-unknown", Detail: fmt.Sprintf("log %d; who else has the order key, or was the ledger put back from a copy?", c.Resumed.Log)})
	case x.Resumed.IsZero():
		d.record(&LogResumed{c.Source, c.Resumed.Log, x.Order, c.At})
	}
	return nil
}

func (f *ResumeOrdered) apply(s *State, e Event) error {
	r := s.recorders[f.Recorder]
	if r == nil {
		return noSuch("recorder", string(f.Recorder))
	}
	r.Resumptions = append(r.Resumptions, &Resumption{Log: f.Log, By: e.By, Ordered: e.Time, Until: e.Time, Order: f.Order, Incidents: f.Incidents, Reason: f.Reason})
	for _, n := range f.Incidents {
		if err := s.notes(n, e, f.Reason, func(*Incident) {}); err != nil {
			return err
		}
	}
	return nil
}

// resumes fills in what the order says.
func (r *Recorder) resumes(o *OrderIssued, signed protocol.Signed, d *protocol.Resume) error {
	x := r.resumption(d.ID)
	if x == nil {
		return noSuch("resumption", string(d.ID))
	}
	level, err := r.Roster.Authorise(signed, "")
	x.Number, x.Until, x.Witnessed, x.Level = o.Number, o.NotAfter, d.Witnessed, level
	return err
}

func (f *LogResumed) apply(s *State, e Event) error {
	s.seen[f.Source] = true
	r := s.recorders[f.Recorder]
	if r == nil || r.resumption(f.Order) == nil {
		return noSuch("resumption", string(f.Order))
	}
	x := r.resumption(f.Order)
	x.Resumed, x.Seen = f.At, e.Time
	for _, n := range x.Incidents {
		if err := s.notes(n, e, "", func(*Incident) {}); err != nil {
			return err
		}
	}
	return nil
}

func (f *ResumeOrdered) dossier(*decision) Dossier { return IncidentDossier(f.Incidents[0]) }
func (f *ResumeOrdered) remains() Fact {
	return &ResumeOrdered{Recorder: f.Recorder, Log: f.Log, Order: f.Order, Incidents: f.Incidents, Reason: textGone}
}

// settled says of an order that a recorder which was put back gets again, and refuses since its term is over or since it has a newer roster, that nothing waits for it any more.
func (d *decision) settled(r *Recorder, o *Order) bool {
	if o.Kind == "roster" {
		roster, err := protocol.ParseDocument([]byte(o.Document))
		if err == nil && roster.Document.(*protocol.Roster).Version <= r.Roster.Version {
			return true // a recorder remembers the newest beside its journal
		}
	}
	if o.NotAfter.After(d.now.Time) {
		return false
	}
	if h := d.holds[protocol.HoldID(o.ID)]; h != nil {
		return h.Confirmed != nil || h.Lifted != nil
	}
	if g := d.grants[protocol.GrantID(o.ID)]; g != nil {
		return g.Released != nil || g.Final || g.Voided != nil || g.Use == protocol.UseStanding
	}
	if e := d.eraseOrder(o.ID); e != nil {
		return e.Done != nil
	}
	if x := r.resumption(o.ID); x != nil {
		return !x.Resumed.IsZero()
	}
	return true // a mandate, lift or roster of before
}
