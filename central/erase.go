package central

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Erasing what should never have been recorded, before its window is over (REQUIREMENTS section 1, Erasure of unlawfully recorded footage). That it was unlawful is found elsewhere: in the
// request of a person filmed, an incident, a complaint, or by the supervisory authority; an order to erase names that dossier. One approver of the camera's regime proposes it, a second one
// signs, neither of them whoever handled the dossier; holds on the same footage are decided and lifted first. The recorder destroys whole segments and its footage.erased entry closes the order.

// EraseFacts is what an order to erase says.
type EraseFacts struct {
	Camera   protocol.CameraID    `json:"camera"`
	Interval protocol.Interval    `json:"interval,omitzero"`
	Ground   protocol.EraseGround `json:"ground"`
	Dossier  Dossier              `json:"dossier"` // where it was found unlawful
	Reason   string               `json:"reason,omitempty"`
}

// EraseGrounds in the order a page lists them.
var EraseGrounds = []EraseGround{EraseGround(protocol.EraseRequest), EraseGround(protocol.EraseIncident), EraseGround(protocol.EraseComplaint), EraseGround(protocol.EraseAuthority)}

// EraseGround is protocol's, with words.
type EraseGround protocol.EraseGround

var eraseGroundWords = map[EraseGround]Words{
	EraseGround(protocol.EraseRequest):   {"verzoek van een betrokkene (art. 17 AVG, art. 28 Wpg)", "request of a person filmed (art. 17 GDPR, art. 28 Wpg)"},
	EraseGround(protocol.EraseIncident):  {"incident: het had niet mogen worden opgenomen", "incident: it should not have been recorded"},
	EraseGround(protocol.EraseComplaint): {"klacht of bezwaar", "complaint or objection"},
	EraseGround(protocol.EraseAuthority): {"bevel van de toezichthouder of een rechter", "order of the supervisory authority or a court"},
}

func (g EraseGround) Words() Words { return eraseGroundWords[g] }

const (
	// EraseTerm is how long an order to erase stays on its way to a recorder that is off: by then the footage has aged out.
	EraseTerm = 28 * 24 * time.Hour

	// EraseAlarm: an order that the recorder has not closed after this is an alarm. Of this house: it works at once, and waits at most for a segment and for its keys' next generation.
	EraseAlarm = time.Hour
)

type (
	// ProposeErase is the first signature, by an approver of the camera's regime.
	ProposeErase struct {
		By protocol.PersonID
		EraseFacts
	}
	// SignErase is the second one: the order goes out.
	SignErase struct {
		By     protocol.PersonID
		Number int
	}
	// DropErase takes back a proposal that waits for its second signature. By any approver of the regime.
	DropErase struct {
		By     protocol.PersonID
		Number int
		Reason string
	}
	// RecordErased is the recorder's word that all of it is gone.
	RecordErased struct {
		Source
		Erased protocol.Erased
	}
)

type (
	EraseProposed struct {
		Number int `json:"number"`
		EraseFacts
	}
	EraseSigned struct {
		Number int                 `json:"number"`
		Order  protocol.DocumentID `json:"order"` // the document, which follows
	}
	EraseDropped struct {
		Number int    `json:"number"`
		Reason string `json:"reason"`
	}
	FootageErased struct {
		Source
		Order    protocol.DocumentID `json:"order"`
		Interval protocol.Interval   `json:"interval,omitzero"` // rounded outward to whole segments
		Segments int                 `json:"segments"`
		Bytes    int64               `json:"bytes"`
	}
)

func (*EraseProposed) name() string { return "erase.proposed" }
func (*EraseSigned) name() string   { return "erase.signed" }
func (*EraseDropped) name() string  { return "erase.dropped" }
func (*FootageErased) name() string { return "footage.erased" }

// EraseOrder is an order to erase, from its proposal to its end.
type EraseOrder struct {
	Number int
	EraseFacts
	Regime   protocol.Regime
	By       protocol.PersonID // who proposed it
	Proposed protocol.Time
	Second   protocol.PersonID // who signed; empty: it waits
	Signed   protocol.Time
	Order    protocol.DocumentID
	Dropped  bool
	Refused  string         // the recorder's reason
	Done     *FootageErased // nil: the recorder has not closed it
	DoneAt   protocol.Time
	History  []Moment
}

// State of an order, for a page: "proposed", "dropped", "ordered", "refused" or "erased".
func (o *EraseOrder) State() string {
	switch {
	case o.Done != nil:
		return "erased"
	case o.Refused != "":
		return "refused"
	case o.Dropped:
		return "dropped"
	case o.Second != "":
		return "ordered"
	}
	return "proposed"
}

// Late says that the recorder should have closed it by now.
func (o *EraseOrder) Late(now time.Time) bool {
	return o.State() == "ordered" && !now.Before(o.Signed.Add(EraseAlarm))
}

// EraseOrder of a number, or nil.
func (s *State) EraseOrder(number int) *EraseOrder {
	if number < 1 || number > len(s.eraseOrders) {
		return nil
	}
	return s.eraseOrders[number-1]
}

// eraseOrder of a document, or nil.
func (s *State) eraseOrder(id protocol.DocumentID) *EraseOrder {
	i := slices.IndexFunc(s.eraseOrders, func(o *EraseOrder) bool { return id != "" && o.Order == id })
	if i < 0 {
		return nil
	}
	return s.eraseOrders[i]
}

// EraseOrders of a camera or of a dossier, or all where both are empty; newest first.
func (s *State) EraseOrders(camera protocol.CameraID, dossier Dossier) (list []*EraseOrder) {
	for _, o := range slices.Backward(s.eraseOrders) {
		if (camera == "" || o.Camera == camera) && (dossier == "" || o.Dossier == dossier) {
			list = append(list, o)
		}
	}
	return list
}

// MayReadErasing says whether a person may read what is erased of a camera: the approvers of its regime, and of AVG cameras the privacy officer (R8).
func (s *State) MayReadErasing(person protocol.PersonID, camera protocol.CameraID, now time.Time) bool {
	p := s.placements[camera]
	return p != nil && (s.Holds(person, Approver, p.Regime, now) || p.Regime == protocol.AVG && s.Holds(person, Officer, "", now))
}

// dossierID is how an order on its way names a dossier.
func (o Dossier) dossierID() protocol.DossierID {
	return protocol.DossierID(strings.Replace(string(o), "/", "-", 1))
}

func dossierNamed(id protocol.DossierID) Dossier {
	return Dossier(strings.Replace(string(id), "-", "/", 1))
}

// CompetingHolds are the holds that keep any of a camera's interval, as far as the centre knows: each is decided, and lifted, before it is erased.
func (s *State) CompetingHolds(camera protocol.CameraID, i protocol.Interval, now time.Time) (list []*Hold) {
	for _, h := range s.standing {
		if h.Camera == camera && h.stands(now) && (h.Asked.Overlaps(i) || h.Rounded().Overlaps(i)) {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(a, b *Hold) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// unlawful is the dossier in which an order's ground was found, and who handled it.
func (s *State) unlawful(f EraseFacts, regime protocol.Regime) (handled []protocol.PersonID, err error) {
	kind, key, _ := strings.Cut(string(f.Dossier), "/")
	n, _ := strconv.Atoi(key) // 0 is no number
	other := refuse(CodeInvalid, "Deze grond hoort bij een ander soort dossier.", "This ground goes with another kind of dossier.")
	switch f.Ground {
	case protocol.EraseRequest:
		q := s.SubjectRequest(protocol.RequestID(key))
		switch {
		case kind != "subject":
			return nil, other
		case q == nil:
			return nil, unknown("Verzoek", "Request", key)
		case q.Regime != regime || !slices.Contains(q.Cameras, f.Camera):
			return nil, refuse(CodeInvalid, "Dit verzoek gaat niet over deze camera.", "This request is not about this camera.")
		case q.Right != RightErasure && q.Right != RightObjection:
			return nil, refuse(CodeInvalid, "In dit verzoek is niet om wissen gevraagd. Was het onrechtmatig? Meld het dan als incident.", "This request does not ask for erasure. Was it unlawful? Then report it as an incident.")
		case q.Answered == nil:
			return nil, refuse(CodeState, "Beantwoord eerst het verzoek: daarin staat of de beelden onrechtmatig zijn.", "Answer the request first: the answer says whether the footage is unlawful.")
		case q.Answered.Answer == AnswerRefused:
			return nil, refuse(CodeState, "Dit verzoek is afgewezen.", "This request was refused.")
		case !q.Asked.Contains(f.Interval):
			return nil, refuse(CodeInterval, "Het verzoek gaat over minder dan dit tijdvak. Is meer onrechtmatig? Meld het dan als incident.", "The request is about less than this interval. Is more of it unlawful? Then report it as an incident.")
		}
		return []protocol.PersonID{q.By, q.Identifier}, nil
	case protocol.EraseIncident:
		i := s.Incident(n)
		switch {
		case kind != "incident":
			return nil, other
		case i == nil:
			return nil, unknown("Incident", "Incident", key)
		case i.Drill:
			return nil, refuse(CodeState, "Dit incident is een oefening.", "This incident is a drill.")
		case (i.Camera != "" || len(i.Facts.Cameras) > 0) && i.Camera != f.Camera && !slices.Contains(i.Facts.Cameras, f.Camera):
			return nil, refuse(CodeInvalid, "Dit incident gaat niet over deze camera. Laat de privacy officer haar erbij zetten.", "This incident is not about this camera. Have the privacy officer add it.")
		}
		if i.Kind == reported && len(i.History) > 0 {
			handled = append(handled, i.History[0].By)
		}
		return handled, nil
	case protocol.EraseComplaint, protocol.EraseAuthority:
		if kind != "matter" {
			return nil, other
		}
		if n < 1 || n > len(s.matters) {
			return nil, unknown("Zaak", "Matter", key)
		}
		switch m := s.matters[n-1]; {
		case f.Ground == protocol.EraseAuthority && m.Kind == FromAuthority, f.Ground == protocol.EraseComplaint && (m.Kind == Complaint || m.Kind == Objection):
			return []protocol.PersonID{m.By}, nil
		}
		return nil, other
	}
	return nil, missing("waarom de beelden moeten worden gewist", "why the footage must be erased")
}

// mayErase makes a person the signer of an order, if they may be and everything else is right.
func (d *decision) mayErase(by protocol.PersonID, f EraseFacts) error {
	p := d.placements[f.Camera]
	if p == nil {
		return unknown("Camera", "Camera", string(f.Camera))
	}
	if err := d.as(by, Approver, p.Regime); err != nil {
		return err
	}
	switch {
	case p.Mandate() == nil:
		return refuse(CodeState, "Van deze camera is hier nooit opgenomen.", "This camera was never recorded here.")
	case f.Interval.Valid() != nil:
		return missing("van wanneer tot wanneer", "from when to when")
	case f.Interval.To.After(d.now.Time):
		return refuse(CodeInterval, "Alleen wat is opgenomen kan worden gewist. Laat eerst het opnemen stoppen: schort de camera op of trek haar in.", "Only what was recorded can be erased. Have recording stopped first: suspend the camera or withdraw it.")
	case f.Interval.Duration() > protocol.MaxWindow.Duration():
		return refuse(CodeInterval, "Zo lang bestaan beelden niet.", "Footage does not exist that long.")
	case strings.TrimSpace(f.Reason) == "":
		return missing("waarom de beelden onrechtmatig zijn", "why the footage is unlawful")
	}
	handled, err := d.unlawful(f, p.Regime)
	if err != nil {
		return err
	}
	if slices.Contains(handled, by) {
		return refuse(CodeSamePerson, "Wie het dossier behandelde of meldde, tekent niet voor het wissen. Vraag een andere goedkeurder.", "Whoever handled or reported the dossier does not sign for erasing. Ask another approver.")
	}
	if err := d.erased(f.Dossier); err != nil {
		return err
	}
	if held := d.CompetingHolds(f.Camera, f.Interval, d.now.Time); len(held) > 0 {
		h := held[0]
		return refuse(CodeState, fmt.Sprintf("Deze beelden worden bewaard tot %s (aanvraag %s). Beslis eerst daarover; pas als de bewaring is opgeheven kan er worden gewist.", h.End, h.Request),
			fmt.Sprintf("This footage is held until %s (request %s). Decide on that first; only when the hold is lifted can it be erased.", h.End, h.Request))
	}
	return nil
}

func (c ProposeErase) decide(d *decision) error {
	if err := d.mayErase(c.By, c.EraseFacts); err != nil {
		return err
	}
	for _, o := range d.eraseOrders {
		if open := o.State() == "proposed" || o.State() == "ordered"; open && o.Camera == c.Camera && o.Interval.Equal(c.Interval) {
			return refuse(CodeExists, fmt.Sprintf("Dit is al voorgesteld of opgedragen, als opdracht %d.", o.Number), fmt.Sprintf("This was proposed or ordered already, as order %d.", o.Number))
		}
	}
	d.record(&EraseProposed{len(d.eraseOrders) + 1, c.EraseFacts})
	return nil
}

// waiting is a proposal without its second signature.
func (d *decision) waiting(number int) (*EraseOrder, error) {
	o := d.EraseOrder(number)
	switch {
	case o == nil:
		return nil, unknown("Opdracht tot wissen", "Order to erase", fmt.Sprint(number))
	case o.State() != "proposed":
		return nil, refuse(CodeState, "Deze opdracht wacht niet op een handtekening.", "This order does not wait for a signature.")
	}
	return o, nil
}

func (c SignErase) decide(d *decision) error {
	d.by = c.By
	o, err := d.waiting(c.Number)
	if err != nil {
		return err
	}
	if o.By == c.By {
		return secondApprover()
	}
	if err := d.mayErase(c.By, o.EraseFacts); err != nil {
		return err
	}
	if d.acts(o.By, Approver, o.Regime, d.now.Time) != nil {
		return refuse(CodeState, "Wie dit voorstelde is geen goedkeurder meer. Trek het voorstel in en doe het opnieuw.", "Whoever proposed this is no approver any more. Take the proposal back and make it anew.")
	}
	p, until := d.placements[o.Camera], protocol.T(d.now.Add(EraseTerm))
	doc := &protocol.Erase{Heading: d.heading("e", p.Recorder, until), Camera: o.Camera, Interval: o.Interval, Ground: o.Ground, Dossier: o.Dossier.dossierID(), Approvers: []protocol.PersonID{o.By, c.By}}
	d.record(&EraseSigned{c.Number, doc.ID})
	return d.issue(doc, o.Regime, until)
}

func (c DropErase) decide(d *decision) error {
	d.by = c.By
	o, err := d.waiting(c.Number)
	if err != nil {
		return err
	}
	if err := d.as(c.By, Approver, o.Regime); err != nil {
		return err
	}
	if strings.TrimSpace(c.Reason) == "" {
		return missing("waarom het niet doorgaat", "why it does not go on")
	}
	d.record(&EraseDropped{c.Number, c.Reason})
	return nil
}

func (c RecordErased) decide(d *decision) error {
	f := c.Erased
	if d.known(c.Source) || d.gone[f.Erase] != "" {
		return nil
	}
	o := d.eraseOrder(f.Erase)
	if o == nil || o.Camera != f.Camera || !o.Interval.Equal(f.Asked) || d.placements[o.Camera].Recorder != c.Recorder {
		d.trouble(IncidentOpened{Source: c.Source, Kind: "erase-unknown", Detail: fmt.Sprintf("order %s, camera %s, %s: %d segments destroyed", f.Erase, f.Camera, f.Asked, f.Segments), Camera: f.Camera})
		return nil
	}
	if o.Done == nil {
		d.record(&FootageErased{c.Source, f.Erase, f.Interval, f.Segments, f.Bytes})
	}
	return nil
}

func (f *EraseProposed) apply(s *State, e Event) error {
	p := s.placements[f.Camera]
	if p == nil {
		return noSuch("placement", string(f.Camera))
	}
	s.eraseOrders = append(s.eraseOrders, &EraseOrder{Number: f.Number, EraseFacts: f.EraseFacts, Regime: p.Regime, By: e.By, Proposed: e.Time, History: []Moment{e.moment(f.Reason)}})
	return nil
}

func (s *State) eraseStep(o *EraseOrder, e Event, note string, change func(*EraseOrder)) error {
	if o == nil {
		return noSuch("order to erase", note)
	}
	change(o)
	o.History = append(o.History, e.moment(note))
	return nil
}

func (f *EraseSigned) apply(s *State, e Event) error {
	return s.eraseStep(s.EraseOrder(f.Number), e, string(f.Order), func(o *EraseOrder) { o.Second, o.Signed, o.Order = cmp.Or(e.By, System), e.Time, f.Order })
}

func (f *EraseDropped) apply(s *State, e Event) error {
	return s.eraseStep(s.EraseOrder(f.Number), e, f.Reason, func(o *EraseOrder) { o.Dropped = true })
}

func (f *FootageErased) apply(s *State, e Event) error {
	s.seen[f.Source] = true
	return s.eraseStep(s.eraseOrder(f.Order), e, string(f.Order), func(o *EraseOrder) { o.Done, o.DoneAt = f, e.Time })
}

func (f *EraseProposed) dossier(*decision) Dossier { return f.Dossier }
func (f *EraseProposed) remains() Fact {
	return &EraseProposed{f.Number, EraseFacts{Camera: f.Camera, Ground: f.Ground, Dossier: f.Dossier}}
}

func (f *EraseSigned) dossier(d *decision) Dossier { return d.ofErase(d.EraseOrder(f.Number)) }
func (f *EraseSigned) remains() Fact               { return f }

func (f *EraseDropped) dossier(d *decision) Dossier { return d.ofErase(d.EraseOrder(f.Number)) }
func (f *EraseDropped) remains() Fact               { return &EraseDropped{f.Number, textGone} }

func (f *FootageErased) dossier(d *decision) Dossier { return d.ofErase(d.eraseOrder(f.Order)) }
func (f *FootageErased) remains() Fact {
	return &FootageErased{Source: f.Source, Order: f.Order, Segments: f.Segments, Bytes: f.Bytes}
}

func (d *decision) ofErase(o *EraseOrder) Dossier {
	if o == nil {
		return ""
	}
	return o.Dossier
}

// eraseTasks are second signatures that wait, and answers to requests that say footage must be erased while nobody has proposed that.
func (s *State) eraseTasks(person protocol.PersonID, now time.Time, add func(Task)) {
	if !s.Holds(person, Approver, "", now) {
		return
	}
	for _, o := range s.eraseOrders {
		if o.State() != "proposed" || o.By == person || !s.Holds(person, Approver, o.Regime, now) {
			continue
		}
		if handled, err := s.unlawful(o.EraseFacts, o.Regime); err == nil && !slices.Contains(handled, person) {
			add(Task{What: "erase", Words: Words{"tweede handtekening onder het wissen van onrechtmatige beelden", "second signature under erasing unlawful footage"}, Since: o.Proposed, Camera: s.placements[o.Camera]})
		}
	}
	for _, q := range s.subjects {
		if q.Answered == nil || q.Right != RightErasure || q.Answered.Answer != AnswerGranted && q.Answered.Answer != AnswerPartly || !s.Holds(person, Approver, q.Regime, now) ||
			person == q.By || person == q.Identifier || !now.Before(q.Asked.To.Add(protocol.MaxWindow.Duration())) || len(s.EraseOrders("", DossierOf(q.ID))) > 0 || s.erasures[DossierOf(q.ID)] != nil {
			continue
		}
		add(Task{What: "erase", Words: Words{"verzoek om wissen is toegewezen: stel voor de beelden te wissen", "request for erasure was granted: propose to erase the footage"}, Since: q.AnsweredAt, Topic: TopicSubject, Key: string(q.ID)})
	}
}
