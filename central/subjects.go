package central

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Requests of people who were filmed (R14). The footage is held at once, before anyone knows who asks; answered within a month. Who the person is stands in the
// municipality's own letter file: here is its reference, whether the identity was checked and how, and never a copy of a document.

// Right is what a person asks.
type Right string

const (
	RightAccess        Right = "access"
	RightRectification Right = "rectification"
	RightErasure       Right = "erasure"
	RightRestriction   Right = "restriction"
	RightObjection     Right = "objection"
)

// Rights in the order a page lists them. Source: V:43–49; the articles are of the AVG.
var Rights = []Right{RightAccess, RightRectification, RightErasure, RightRestriction, RightObjection}

var rightWords = map[Right]Words{
	RightAccess:        {"inzage (art. 15 AVG)", "access (art. 15 GDPR)"},
	RightRectification: {"rectificatie (art. 16 AVG)", "rectification (art. 16 GDPR)"},
	RightErasure:       {"wissen (art. 17 AVG)", "erasure (art. 17 GDPR)"},
	RightRestriction:   {"beperking (art. 18 AVG)", "restriction (art. 18 GDPR)"},
	RightObjection:     {"bezwaar (art. 21 AVG)", "objection (art. 21 GDPR)"},
}

func (r Right) Words() Words { return rightWords[r] }

// Representative is who asks on the person's behalf.
type Representative string

const (
	InPerson Representative = "self"
	Proxy    Representative = "proxy" // with written authority
	Parent   Representative = "parent"
	Curator  Representative = "curator"
	Mentor   Representative = "mentor"
)

var Representatives = []Representative{InPerson, Proxy, Parent, Curator, Mentor}

var representativeWords = map[Representative]Words{
	InPerson: {"de betrokkene zelf", "the person concerned"},
	Proxy:    {"gemachtigde", "somebody with written authority"},
	Parent:   {"ouder of voogd", "parent or guardian"},
	Curator:  {"curator", "curator"},
	Mentor:   {"mentor", "mentor"},
}

func (r Representative) Words() Words { return representativeWords[r] }

// Identified is how an identity was checked.
type Identified string

const (
	ShownAtCounter Identified = "counter" // a document shown, not copied
	ByDigiD        Identified = "digid"
	ByFootage      Identified = "footage" // time, place and appearance fit what only this person can know
	NotIdentified  Identified = "failed"
)

var Identifications = []Identified{ShownAtCounter, ByDigiD, ByFootage, NotIdentified}

var identifiedWords = map[Identified]Words{
	ShownAtCounter: {"document getoond aan de balie; geen kopie gemaakt", "document shown at the counter; no copy made"},
	ByDigiD:        {"DigiD", "DigiD"},
	ByFootage:      {"tijd, plaats en uiterlijk kloppen", "time, place and appearance fit"},
	NotIdentified:  {"niet vastgesteld", "not established"},
}

func (i Identified) Words() Words { return identifiedWords[i] }

// Manner is how access is given.
type Manner string

const (
	MaskedCopy        Manner = "masked-copy"
	SupervisedViewing Manner = "viewing"
	InWriting         Manner = "writing" // no footage is shown
)

var Manners = []Manner{MaskedCopy, SupervisedViewing, InWriting}

var mannerWords = map[Manner]Words{
	MaskedCopy:        {"kopie waarop anderen onherkenbaar zijn", "copy with others unrecognisable"},
	SupervisedViewing: {"bekijken onder toezicht", "supervised viewing"},
	InWriting:         {"schriftelijk, zonder beelden", "in writing, without footage"},
}

func (m Manner) Words() Words { return mannerWords[m] }

// Answer to a person's request.
type Answer string

const (
	AnswerGranted Answer = "granted"
	AnswerPartly  Answer = "partly"
	AnswerRefused Answer = "refused"
	AnswerPolice  Answer = "forwarded" // a WPG camera: the police answer
)

var Answers = []Answer{AnswerGranted, AnswerPartly, AnswerRefused}

var answerWords = map[Answer]Words{
	AnswerGranted: {"toegewezen", "granted"},
	AnswerPartly:  {"deels toegewezen", "partly granted"},
	AnswerRefused: {"afgewezen", "refused"},
	AnswerPolice:  {"doorgestuurd naar de politie", "forwarded to the police"},
}

func (a Answer) Words() Words { return answerWords[a] }

// SubjectFacts is what a person asks, without who they are.
type SubjectFacts struct {
	Right          Right               `json:"right"`
	Reference      string              `json:"reference"` // of the municipality's own letter file
	Received       protocol.Time       `json:"received"`
	Cameras        []protocol.CameraID `json:"cameras"`
	Asked          protocol.Interval   `json:"asked"`
	Description    string              `json:"description"` // time, place and appearance, so that they can be found
	Representative Representative      `json:"representative"`
	Authority      string              `json:"authority,omitempty"` // reference of the written authority or appointment
}

type (
	// FileSubjectRequest by a handler of the cameras' regime, or for a WPG camera by any handler: it is forwarded.
	FileSubjectRequest struct {
		By protocol.PersonID
		SubjectFacts
	}
	// IdentifySubject by a handler.
	IdentifySubject struct {
		By      protocol.PersonID
		Request protocol.RequestID
		How     Identified
	}
	// ExtendSubjectRequest: two months more, told within the first (art. 12(3) AVG). By a handler.
	ExtendSubjectRequest struct {
		By      protocol.PersonID
		Request protocol.RequestID
		Reason  string
	}
	// AnswerSubjectRequest by an approver who did not handle it; forwarding to the police by a handler.
	AnswerSubjectRequest struct {
		By         protocol.PersonID
		Request    protocol.RequestID
		Answer     Answer
		Manner     Manner
		Masked     bool // others on the footage are unrecognisable
		Motivation string
		Remedies   bool // the answer says where to complain or object
	}
)

type (
	SubjectFiled struct {
		ID     protocol.RequestID `json:"id"`
		Regime protocol.Regime    `json:"regime"`
		SubjectFacts
	}
	SubjectIdentified struct {
		Request protocol.RequestID `json:"request"`
		How     Identified         `json:"how"`
	}
	SubjectExtended struct {
		Request protocol.RequestID `json:"request"`
		Reason  string             `json:"reason"`
	}
	SubjectAnswered struct {
		Request    protocol.RequestID `json:"request"`
		Answer     Answer             `json:"answer"`
		Manner     Manner             `json:"manner,omitempty"`
		Masked     bool               `json:"masked,omitzero"`
		Motivation string             `json:"motivation"`
		Remedies   bool               `json:"remedies,omitzero"`
	}
)

func (*SubjectFiled) name() string      { return "subject.filed" }
func (*SubjectIdentified) name() string { return "subject.identified" }
func (*SubjectExtended) name() string   { return "subject.extended" }
func (*SubjectAnswered) name() string   { return "subject.answered" }

// SubjectRequest is a person's request and what followed.
type SubjectRequest struct {
	ID     protocol.RequestID
	Regime protocol.Regime
	SubjectFacts
	By         protocol.PersonID
	Filed      protocol.Time
	Holds      []*Hold
	Identified Identified // empty: not tried
	Identifier protocol.PersonID
	Extended   string // the reason
	Answered   *SubjectAnswered
	AnsweredAt protocol.Time
	AnsweredBy protocol.PersonID
	Keeping    *Keeping `json:",omitzero"` // a first signature under holding longer, see keeping.go
	History    []Moment
}

func (c FileSubjectRequest) decide(d *decision) error {
	f := c.SubjectFacts
	f.Cameras = slices.Clone(f.Cameras)
	slices.Sort(f.Cameras)
	f.Cameras = slices.Compact(f.Cameras)
	if len(f.Cameras) == 0 || len(f.Cameras) > maxCameras {
		return missing(fmt.Sprintf("één tot %d camera's", maxCameras), fmt.Sprintf("one to %d cameras", maxCameras))
	}
	var regime protocol.Regime
	for _, camera := range f.Cameras {
		p := d.placements[camera]
		switch {
		case p == nil || p.Status == Draft:
			return unknown("Camera", "Camera", string(camera))
		case regime != "" && p.Regime != regime:
			return refuse(CodeRegime, "Vraag AVG- en WPG-camera's in twee verzoeken: over de laatste beslist de politie.", "Put AVG and WPG cameras in two requests: the police decide on the latter.")
		}
		regime = p.Regime
	}
	if err := d.as(c.By, Handler, protocol.AVG); err != nil {
		return err
	}
	f.Asked = protocol.Span(f.Asked.From, f.Asked.To)
	switch {
	case rightWords[f.Right] == Words{}:
		return missing("welk recht", "which right")
	case strings.TrimSpace(f.Reference) == "":
		return missing("het kenmerk van de brief of het gesprek", "the reference of the letter or conversation")
	case f.Received.IsZero() || f.Received.After(d.now.Time):
		return missing("wanneer het verzoek is ontvangen", "when the request was received")
	case f.Asked.Valid() != nil || f.Asked.To.After(d.now.Time):
		return refuse(CodeInterval, "Geef een tijdvak in het verleden, het einde na het begin.", "Give an interval in the past, its end after its beginning.")
	case f.Asked.Duration() > SubjectHold:
		return refuse(CodeInterval, "Voor een verzoek van een betrokkene wordt ten hoogste één uur bewaard.", "For a request of a person filmed at most one hour is held.")
	case strings.TrimSpace(f.Description) == "":
		return missing("tijd, plaats en uiterlijk", "time, place and appearance")
	case representativeWords[f.Representative] == Words{}:
		return missing("wie het verzoek doet", "who makes the request")
	case f.Representative != InPerson && strings.TrimSpace(f.Authority) == "":
		return missing("het kenmerk van de machtiging of benoeming", "the reference of the written authority or appointment")
	}
	id := protocol.RequestID(fmt.Sprintf("b-%d", len(d.subjects)+1))
	d.record(&SubjectFiled{ID: id, Regime: regime, SubjectFacts: f})
	if regime == protocol.WPG { // the police hold, and answer
		return nil
	}
	return d.holdForSubject(id, f, SubjectUnidentified)
}

// holdForSubject holds every camera's footage for a while, or as long as one signature may.
func (d *decision) holdForSubject(id protocol.RequestID, f SubjectFacts, while time.Duration) error {
	for _, camera := range f.Cameras {
		p := d.placements[camera]
		first := d.firstHold(camera, f.Asked, d.start())
		end := protocol.T(first.Add(min(protocol.MaxHoldSingle, p.Mandate().LongestHold.Duration(), d.recorders[p.Recorder].Roster.MaxHold.Duration())))
		if while > 0 {
			end = earliest(end, protocol.T(d.now.Add(while)))
		}
		if !end.After(d.now.Time) || f.Asked.From.Before(d.now.Add(-p.Window().Duration())) {
			continue // nothing to keep, or no longer allowed: the answer says so
		}
		h := &protocol.Hold{Heading: d.heading("h", p.Recorder, end), Camera: camera, Request: id, Asked: f.Asked, Ground: protocol.GroundRights, End: end}
		if err := d.issue(h, p.Regime, end); err != nil {
			return err
		}
	}
	return nil
}

// subject finds one that has not been answered.
func (d *decision) subject(by protocol.PersonID, role Role, id protocol.RequestID) (*SubjectRequest, error) {
	if err := d.as(by, role, protocol.AVG); err != nil {
		return nil, err
	}
	q := d.SubjectRequest(id)
	switch {
	case q == nil:
		return nil, unknown("Verzoek", "Request", string(id))
	case q.Answered != nil:
		return nil, refuse(CodeState, "Dit verzoek is al beantwoord.", "This request has been answered already.")
	}
	return q, d.erased(DossierOf(id))
}

func (c IdentifySubject) decide(d *decision) error {
	q, err := d.subject(c.By, Handler, c.Request)
	if err != nil {
		return err
	}
	switch {
	case q.Regime == protocol.WPG:
		return refuse(CodeRegime, "Stuur dit verzoek door: de politie stelt de identiteit vast.", "Forward this request: the police establish the identity.")
	case identifiedWords[c.How] == Words{}:
		return missing("hoe de identiteit is vastgesteld", "how the identity was established")
	case q.Known():
		return refuse(CodeState, "De identiteit is al vastgesteld.", "The identity has been established already.")
	}
	d.record(&SubjectIdentified{q.ID, c.How})
	if c.How == NotIdentified {
		return nil
	}
	return d.holdForSubject(q.ID, q.SubjectFacts, 0)
}

func (c ExtendSubjectRequest) decide(d *decision) error {
	q, err := d.subject(c.By, Handler, c.Request)
	switch {
	case err != nil:
		return err
	case q.Extended != "":
		return refuse(CodeState, "De termijn is al verlengd.", "The term has been extended already.")
	case strings.TrimSpace(c.Reason) == "":
		return missing("waarom de termijn wordt verlengd", "why the term is extended")
	case !d.now.Before(q.Due().Time):
		return refuse(CodeTerm, "Verlengen kan alleen binnen de eerste maand (art. 12 lid 3 AVG).", "Extending is possible only within the first month (art. 12(3) GDPR).")
	}
	d.record(&SubjectExtended{q.ID, c.Reason})
	return nil
}

func (c AnswerSubjectRequest) decide(d *decision) error {
	if q := d.SubjectRequest(c.Request); q != nil && q.Regime == protocol.WPG {
		if _, err := d.subject(c.By, Handler, c.Request); err != nil {
			return err
		}
		if c.Answer != AnswerPolice {
			return refuse(CodeRegime, "Over deze camera beslist de politie: stuur het verzoek vandaag door.", "The police decide on this camera: forward the request today.")
		}
		d.record(&SubjectAnswered{Request: c.Request, Answer: AnswerPolice, Motivation: c.Motivation})
		return nil
	}
	q, err := d.subject(c.By, Approver, c.Request)
	if err != nil {
		return err
	}
	gives := c.Answer == AnswerGranted || c.Answer == AnswerPartly
	switch {
	case c.By == q.By || c.By == q.Identifier:
		return refuse(CodeSamePerson, "Wie het verzoek behandelde, beslist niet. Vraag een andere goedkeurder.", "Whoever handled the request does not decide. Ask another approver.")
	case !slices.Contains(Answers, c.Answer):
		return missing("het besluit", "the decision")
	case gives && !q.Known():
		return refuse(CodeState, "De identiteit is niet vastgesteld: alleen afwijzen kan.", "The identity has not been established: it can only be refused.")
	case gives && q.Right == RightAccess && mannerWords[c.Manner] == Words{}:
		return missing("hoe inzage wordt gegeven", "how access is given")
	case gives && (c.Manner == MaskedCopy || c.Manner == SupervisedViewing) && !c.Masked:
		return missing("dat anderen op de beelden onherkenbaar zijn", "that others on the footage are unrecognisable")
	case strings.TrimSpace(c.Motivation) == "":
		return missing("motivering", "motivation")
	case !c.Remedies:
		return missing("dat het antwoord zegt waar men bezwaar maakt of klaagt (art. 12 lid 4 AVG)", "that the answer says where to object or complain (art. 12(4) GDPR)")
	}
	d.record(&SubjectAnswered{q.ID, c.Answer, c.Manner, c.Masked, c.Motivation, true})
	if c.Answer == AnswerRefused {
		return c.keepForObjection(d, q)
	}
	handler := q.Identifier
	if handler == "" {
		handler = q.By
	}
	for _, h := range q.Holds {
		l := protocol.Lift{Heading: d.heading("l", h.Recorder, h.End), Camera: h.Camera, Hold: h.HoldID(), Reason: protocol.LiftReleased, Handler: handler, Approver: c.By}
		if !h.stands(d.now.Time) {
			continue
		}
		if err := d.issue(&l, q.Regime, h.End); err != nil { // the person is answered all the same; the hold ends by itself
			d.trouble(IncidentOpened{Kind: "lift-failed", Detail: err.Error(), Request: q.ID})
		}
	}
	return nil
}

// keepForObjection is the approver's own signature under holding what was refused until the term for objections is over: a second approver signs as well (KeepLonger).
func (c AnswerSubjectRequest) keepForObjection(d *decision, q *SubjectRequest) error {
	until := d.now.AddDate(0, 0, 7*ObjectionWeeks)
	shortest := false
	for _, h := range q.Holds {
		if h.stands(d.now.Time) && !h.Replaced {
			if last := d.LongestHold(h); until.After(last.Time) {
				until = last.Time
			}
			shortest = shortest || h.End.Before(until)
		}
	}
	if shortest {
		d.record(&KeepingProposed{q.ID, protocol.T(until), "bezwaartermijn / term for objections"})
	}
	return nil
}

// ObjectionEnds is until when a refused request's footage is held for an objection. Only of one that was answered.
func (q *SubjectRequest) ObjectionEnds() protocol.Time {
	return protocol.T(q.AnsweredAt.AddDate(0, 0, 7*ObjectionWeeks))
}

// tendForwarding opens an incident of each request about a WPG camera that was not forwarded the day it came in: the police answer it, and their term runs.
func (d *decision) tendForwarding() {
	for _, q := range d.subjects {
		late := q.Regime == protocol.WPG && q.Answered == nil && !d.now.Before(q.Due().Time) && d.erasures[DossierOf(q.ID)] == nil
		if late && !slices.ContainsFunc(d.incidents, func(i *Incident) bool { return i.Kind == "forward-late" && i.Request == q.ID }) {
			d.trouble(IncidentOpened{Kind: "forward-late", Detail: fmt.Sprintf("%s, received %s; it was to be forwarded by %s", q.ID, q.Received, q.Due()), Request: q.ID})
		}
	}
}

func (f *SubjectFiled) apply(s *State, e Event) error {
	s.subjects = append(s.subjects, &SubjectRequest{ID: f.ID, Regime: f.Regime, SubjectFacts: f.SubjectFacts, By: e.By, Filed: e.Time, History: []Moment{e.moment("")}})
	return nil
}

func (s *State) file(id protocol.RequestID, e Event, note string, change func(*SubjectRequest)) error {
	q := s.SubjectRequest(id)
	if q == nil {
		return noSuch("request", string(id))
	}
	change(q)
	q.History = append(q.History, e.moment(note))
	s.follow(nil, q.Holds)
	return nil
}

func (f *SubjectIdentified) apply(s *State, e Event) error {
	return s.file(f.Request, e, string(f.How), func(q *SubjectRequest) { q.Identified, q.Identifier = f.How, e.By })
}

func (f *SubjectExtended) apply(s *State, e Event) error {
	return s.file(f.Request, e, f.Reason, func(q *SubjectRequest) { q.Extended = f.Reason })
}

func (f *SubjectAnswered) apply(s *State, e Event) error {
	return s.file(f.Request, e, f.Motivation, func(q *SubjectRequest) { q.Answered, q.AnsweredAt, q.AnsweredBy = f, e.Time, e.By })
}

// SubjectRequest of an id, or nil.
func (s *State) SubjectRequest(id protocol.RequestID) *SubjectRequest {
	number, ours := strings.CutPrefix(string(id), "b-")
	n, err := strconv.Atoi(number)
	if !ours || err != nil || n < 1 || n > len(s.subjects) || s.subjects[n-1].ID != id {
		return nil
	}
	return s.subjects[n-1]
}

// SubjectRequests a person may read, newest first: handlers and approvers of AVG cameras, and the privacy officer.
func (s *State) SubjectRequests(person protocol.PersonID, now time.Time) []*SubjectRequest {
	if !s.Holds(person, Handler, protocol.AVG, now) && !s.Holds(person, Approver, protocol.AVG, now) && !s.Holds(person, Officer, "", now) {
		return nil
	}
	list := slices.Clone(s.subjects)
	slices.Reverse(list)
	return list
}

// Known: the person's identity has been established.
func (q *SubjectRequest) Known() bool { return q.Identified != "" && q.Identified != NotIdentified }

// Due is when it must have been answered; about a WPG camera, when it must have been forwarded.
func (q *SubjectRequest) Due() protocol.Time {
	switch {
	case q.Regime == protocol.WPG:
		return protocol.T(q.Received.Truncate(24 * time.Hour).Add(24 * time.Hour))
	case q.Extended != "":
		return months(q.Received, AnswerMonths+ExtensionMonths)
	}
	return months(q.Received, AnswerMonths)
}

// InTime says whether it was answered within its term. Only of one that was answered.
func (q *SubjectRequest) InTime() bool { return q.Answered != nil && !q.AnsweredAt.After(q.Due().Time) }

// subjectTasks are what waits on a person.
func (s *State) subjectTasks(person protocol.PersonID, now time.Time, add func(Task)) {
	handler, approver, officer := s.Holds(person, Handler, protocol.AVG, now), s.Holds(person, Approver, protocol.AVG, now), s.Holds(person, Officer, "", now)
	for _, q := range s.subjects {
		if t, ok := s.keepingTask(person, q.ID, now); ok {
			t.Topic, t.Key = TopicSubject, string(q.ID)
			add(t)
		}
		t := Task{Topic: TopicSubject, Key: string(q.ID), Since: q.Received, Due: q.Due()}
		switch {
		case q.Answered != nil:
			continue
		case handler && q.Regime == protocol.WPG:
			t.What, t.Words = "forward", Words{"verzoek van een betrokkene: vandaag doorsturen naar de politie", "request of a person filmed: forward to the police today"}
		case handler && q.Identified == "":
			t.What, t.Words = "identify", Words{"verzoek van een betrokkene: identiteit vaststellen", "request of a person filmed: establish the identity"}
		case approver && q.Regime == protocol.AVG && q.Identified != "" && person != q.By && person != q.Identifier:
			t.What, t.Words = "answer", Words{"verzoek van een betrokkene: beantwoorden", "request of a person filmed: answer"}
		case officer && q.Due().Sub(now) < Near:
			t.What, t.Words = "watch", Words{"verzoek van een betrokkene: termijn nadert of is voorbij", "request of a person filmed: its term is near or over"}
		default:
			continue
		}
		add(t)
	}
}
