package central

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Read methods, for pages and for the daemons.

// Person, or nil.
func (s *State) Person(id protocol.PersonID) *Person { return s.people[id] }

// People, by id.
func (s *State) People() []*Person { return sorted(s.people) }

// Unit, or nil.
func (s *State) Unit(id string) *Unit { return s.units[id] }

// Units, by id.
func (s *State) Units() []*Unit { return sorted(s.units) }

// Recorder, or nil.
func (s *State) Recorder(id protocol.RecorderID) *Recorder { return s.recorders[id] }

// Recorders, by id.
func (s *State) Recorders() []*Recorder { return slices.Collect(s.lists.recorders.all()) }

// SignsFor is how many recorders in use take orders that are signed with this key from the privacy officer alone.
func (s *State) SignsFor(key string) (recorders int) {
	for r := range s.lists.recorders.all() {
		if r.Mark == InUse && r.Roster.OfficerKey == key {
			recorders++
		}
	}
	return recorders
}

// Placement, or nil.
func (s *State) Placement(id protocol.CameraID) *Placement { return s.placements[id] }

// Placements, by camera id, drafts included.
func (s *State) Placements() []*Placement { return slices.Collect(s.cameras.all()) }

// Request, or nil.
func (s *State) Request(id protocol.RequestID) *Request { return s.requests[id] }

// Requests, newest first. Only those that person may see: see MayRead.
func (s *State) Requests(person protocol.PersonID, now time.Time) []*Request {
	return slices.Collect(s.RequestsBefore(person, "", now))
}

// UnitRequests are the requests of a unit, newest first.
func (s *State) UnitRequests(unit string) []*Request {
	list := slices.Clone(s.ofUnit[unit])
	slices.Reverse(list)
	return list
}

// HandedOver are the requests whose hand-over was confirmed after a moment: their bags are kept for fourteen days from then.
func (s *State) HandedOver(after time.Time) (list []*Request) {
	for _, r := range slices.Backward(s.handed) {
		if !r.HandedOver.At.After(after) {
			break
		}
		list = append(list, r)
	}
	return list
}

// MayRead says whether a person may read a request: its requester, its receiving unit's requesters, the handlers and approvers of its
// regime, and, of AVG cameras, the privacy officer (R8).
func (s *State) MayRead(person protocol.PersonID, r *Request, now time.Time) bool {
	p := s.people[person]
	if p == nil {
		return false
	}
	return (s.Holds(person, Officer, "", now) && r.Regime == protocol.AVG) ||
		s.Holds(person, Handler, r.Regime, now) || s.Holds(person, Approver, r.Regime, now) ||
		(s.Holds(person, Requester, "", now) && r.Unit != "" && p.Unit == r.Unit) ||
		(person == r.Requester && (s.Holds(person, Requester, "", now) || s.Holds(person, Staff, "", now)))
}

// Holds says whether a person has this role, active now. Regime only for handler and approver; empty: for any regime.
func (s *State) Holds(person protocol.PersonID, role Role, regime protocol.Regime, now time.Time) bool {
	p := s.people[person]
	return p != nil && slices.ContainsFunc(p.Posts, func(post Post) bool { return post.serves(role, regime) && s.active(p, post, now) == nil })
}

// Task is one thing that waits for a person.
type Task struct {
	What    string // "check", "decide", "decided", "write", "download", "confirm", "look", "ending", "activate", "lapsing", "keep", "deliver", "weakness", "erase"; of a person filmed "forward", "identify", "answer", "answered", "watch"
	Words   Words
	Since   protocol.Time
	Request *Request   // or
	Camera  *Placement // or
	Trouble *Incident
	Topic   Topic         // or one of these
	Key     string        // of what the topic is about
	Due     protocol.Time // zero: no term

	// See telling.go.
	Stage  string        // how far it has come; empty: it is there
	From   protocol.Time // since when at this stage
	Urgent bool
	once   string // see Once
}

// Topic is what a task that is neither of a request, a camera nor an incident is about.
type Topic string

const (
	TopicSubject Topic = "subject" // Key: its id
	TopicSample  Topic = "sample"  // its number
	TopicAudit   Topic = "audit"   // its number
	TopicMatter  Topic = "matter"  // its number

	TopicTraining Topic = "training" // one's own: no key
	TopicProtocol Topic = "protocol" // its id
	TopicAdvice   Topic = "advice"   // what it is about
	TopicCollege  Topic = "college"  // the report's number

	TopicStatement Topic = "statement" // its kind
	TopicUnit      Topic = "unit"      // its id

	TopicDPIA   Topic = "dpia"   // its id
	TopicUpkeep Topic = "upkeep" // of the register as it stands: no key
)

// Inbox is what waits for a person, oldest first. Nothing is in it that this person may not do.
func (s *State) Inbox(person protocol.PersonID, now time.Time) []Task {
	var list []Task
	add := func(t Task) { list = append(list, t) }
	type posts struct{ handler, approver bool }
	mine := map[protocol.Regime]posts{}
	for _, regime := range []protocol.Regime{protocol.AVG, protocol.WPG} {
		mine[regime] = posts{s.Holds(person, Handler, regime, now), s.Holds(person, Approver, regime, now)}
	}
	p, requester := s.people[person], s.Holds(person, Requester, "", now)
	for _, r := range s.live {
		if t, ok := s.oralTask(person, r, now); ok {
			add(t)
		}
		s.futureTasks(person, r, now, add)
		if t, ok := s.keepingTask(person, r.ID, now); ok {
			t.Request = r
			add(t)
		}
		handler, approver := mine[r.Regime].handler, mine[r.Regime].approver
		receives := requester && p.Unit == r.Unit && r.Unit != ""
		switch {
		case handler && s.mayCheck(person, r, now) == nil:
			add(Task{What: "check", Words: Words{"toetsen", "check"}, Since: r.checkable(), Due: r.Deadline, Request: r})
		case approver && r.Status == Checked && !r.asked(person) && person != r.Check.By:
			add(Task{What: "decide", Words: Words{"beslissen", "decide"}, Since: r.Check.At, Due: r.Deadline, Request: r})
		case approver && r.TakenBack != nil && r.Status == Kept && !r.asked(person) && person != r.Check.By:
			add(Task{What: "decide", Words: Words{"ingetrokken: het bewaren beëindigen", "taken back: end the holding"}, Since: r.TakenBack.At, Request: r})
		case approver && r.Status == Granted && r.Period.IsZero() && len(s.Due(r, now)) > 0 && !r.asked(person) && person != r.Check.By:
			add(Task{What: "decide", Words: Words{"opnieuw beslissen: toestemming verlopen of mislukt", "decide again: grant ran out or failed"}, Since: r.Decision.At, Due: r.Deadline, Request: r})
		case receives && r.Status == Released && len(r.Downloads) == 0:
			add(Task{What: "download", Words: Words{"ophalen", "download"}, Since: r.ready(), Due: r.fetchBy(), Request: r})
		case receives && r.Status == Released:
			add(Task{What: "confirm", Words: Words{"ontvangst bevestigen", "confirm receipt"}, Since: r.Downloads[len(r.Downloads)-1].At, Due: r.fetchBy(), Request: r})
		}
	}
	s.subjectTasks(person, now, add)
	s.eraseTasks(person, now, add)
	s.trainingTask(person, now, add)
	s.readingTasks(person, now, add)
	s.collegeTasks(person, now, add)
	s.reviewTasks(person, now, add)
	s.dpiaTasks(person, now, add)
	s.upkeepTasks(person, now, add)
	if s.Holds(person, Officer, "", now) {
		s.adviceTasks(add)
		s.auditTasks(now, add)
		s.matterTasks(add)
	}
	registrar, approver := s.Holds(person, Registrar, "", now), s.Holds(person, Approver, "", now)
	if approver {
		for d := range s.proposed.all() {
			if p := d.of; p.Proposed.By != person && s.Holds(person, Approver, p.Regime, now) {
				add(Task{What: "ending", Words: Words{"tweede handtekening onder beëindiging", "second signature under ending"}, Since: p.Proposed.At, Camera: p})
			}
		}
	}
	if registrar {
		for _, status := range []Status{Draft, Suspended} {
			for p := range s.byStatus[status].all() {
				add(Task{What: "activate", Words: Words{"in gebruik nemen", "activate"}, Since: p.Changed, Camera: p})
			}
		}
		for d := range s.ending.all() {
			t, ok := lapsing(d.of, now)
			if !ok {
				break
			}
			add(t)
		}
	}
	if s.Holds(person, Officer, "", now) || s.Holds(person, Administrator, "", now) {
		for _, i := range s.OpenIncidents(now) {
			t := Task{What: "look", Words: i.Words(), Since: i.Opened, Trouble: &i}
			if r := s.requests[i.Request]; r == nil || !s.MayRead(person, r, now) {
				i.Request = ""
			}
			if i.Waits() {
				t.Due = i.Deadline()
			}
			add(t)
		}
	}
	for i := range list {
		list[i].stage(now)
	}
	slices.SortStableFunc(list, func(a, b Task) int { return cmp.Or(a.Since.Compare(b.Since.Time), strings.Compare(a.Once(), b.Once())) })
	return list
}

// checkable is since when the handler can check: when the last recorder confirmed, or the question changed.
func (r *Request) checkable() protocol.Time {
	since := r.Filed
	for _, h := range r.Holds {
		if h.At.After(since.Time) {
			since = h.At
		}
	}
	for _, m := range r.History {
		if m.Name == (*RequestAmended)(nil).name() && m.At.After(since.Time) {
			since = m.At
		}
	}
	return since
}

// fetchBy is until when its footage can be fetched; zero: there is none.
func (r *Request) fetchBy() protocol.Time {
	if at := r.ready(); !at.IsZero() {
		return protocol.T(at.Add(protocol.HandOverTerm))
	}
	return protocol.Time{}
}

// ready is when the last of its footage was.
func (r *Request) ready() (at protocol.Time) {
	for _, g := range r.Grants {
		if g.Released != nil && g.Voided == nil && g.At.After(at.Time) {
			at = g.At
		}
	}
	return at
}

// Incidents are those opened, and those that time brings: holds not confirmed after HoldAlarm, orders to erase not carried out after EraseAlarm (Number 0). Newest first.
func (s *State) Incidents(now time.Time) []Incident {
	var list []Incident
	for _, h := range s.LateHolds(now) {
		list = append(list, Incident{Kind: "hold-late", Detail: string(h.ID), Opened: protocol.T(h.Issued.Add(HoldAlarm)), Source: Source{Recorder: h.Recorder}, Request: h.Request, Camera: h.Camera})
	}
	for _, o := range s.eraseOrders {
		if o.Late(now) {
			list = append(list, Incident{Kind: "erase-late", Detail: string(o.Order), Opened: protocol.T(o.Signed.Add(EraseAlarm)), Source: Source{Recorder: s.placements[o.Camera].Recorder}, Camera: o.Camera})
		}
	}
	for _, i := range slices.Backward(s.incidents) {
		list = append(list, *i)
	}
	slices.SortStableFunc(list, func(a, b Incident) int { return b.Opened.Compare(a.Opened.Time) })
	return list
}

// Late: no recorder has confirmed or refused it within HoldAlarm.
func (h *Hold) Late(now time.Time) bool {
	return h.State() == "asked" && !now.Before(h.Issued.Add(HoldAlarm))
}

// LateHolds are those that no recorder has confirmed or refused within HoldAlarm, oldest first.
func (s *State) LateHolds(now time.Time) []*Hold {
	var late []*Hold
	for _, h := range s.asked {
		if h.Late(now) {
			late = append(late, h)
		}
	}
	sortHolds(late)
	return late
}

// Outbox is what a recorder has not yet used up: the orders above its LastOrder, in order. A grant that fell away before it left goes as one that is over, for each number
// must be used up: the recorder refuses it, and its journal says so.
func (s *State) Outbox(r protocol.RecorderID, lastOrder uint64) []Order {
	rec := s.recorders[r]
	if rec == nil {
		return nil
	}
	i, used := slices.BinarySearchFunc(rec.Orders, lastOrder, func(o Order, n uint64) int { return cmp.Compare(o.Number, n) })
	if used {
		i++
	}
	orders := rec.Orders[i:]
	for j, o := range orders {
		if g := s.grants[protocol.GrantID(o.ID)]; o.Kind == "grant" && g != nil && g.Voided != nil {
			if &orders[0] == &rec.Orders[i] {
				orders = slices.Clone(orders)
			}
			orders[j].NotAfter = earliest(o.NotAfter, g.Voided.At)
		}
	}
	return orders
}

// Grant, or nil.
func (s *State) Grant(id protocol.GrantID) *Grant { return s.grants[id] }

// Hold, or nil.
func (s *State) Hold(id protocol.HoldID) *Hold { return s.holds[id] }

// StandingGrants are the standing grants of a person that are valid now.
func (s *State) StandingGrants(person protocol.PersonID, now time.Time) []*Grant {
	var list []*Grant
	for _, g := range s.viewing[person] {
		if g.Valid(now) == nil && g.Refused == "" && g.Voided == nil {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b *Grant) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Downloadable says whether a person may fetch this grant's bag now, or the refusal.
func (s *State) Downloadable(person protocol.PersonID, request protocol.RequestID, grant protocol.GrantID, now time.Time) error {
	_, err := s.download(person, request, grant, now)
	return err
}

// FetchTerm is how long after a recorded download its file can be saved, by the person who fetched it. Of this house.
const FetchTerm = time.Hour

// Fetching is the grant whose bag this person has recorded to fetch, within FetchTerm, or the refusal.
func (s *State) Fetching(person protocol.PersonID, request protocol.RequestID, grant protocol.GrantID, now time.Time) (*Grant, error) {
	g, err := s.download(person, request, grant, now)
	if err != nil {
		return nil, err
	}
	if now.Sub(s.requests[request].Fetched(person, grant).Time) >= FetchTerm {
		return nil, refuse(CodeState, "Leg eerst vast dat u de beelden ophaalt. Daarna kan het een uur lang.", "Record first that you fetch the footage. After that you can, for an hour.")
	}
	return g, nil
}

// Fetched is when this person last recorded to fetch this grant's bag; zero: never.
func (r *Request) Fetched(person protocol.PersonID, grant protocol.GrantID) (at protocol.Time) {
	for _, l := range r.Downloads {
		if l.Grant == grant && l.By == person {
			at = l.At
		}
	}
	return at
}

// Access is one entry of a recorder's journal by which somebody got to footage: release.intent or access.view.
type Access struct {
	Recorder protocol.RecorderID
	Log      uint64 // as in Source
	Seq      uint64
	At       protocol.Time
	Kind     string
	protocol.Access
}

// MatchedAccess is an access beside what allowed it. Why says, for an orphan, what is missing.
type MatchedAccess struct {
	Access
	Permit  *Grant
	Dossier *Request
	Why     Words // zero when all is well
}

// Orphan: no grant of this centre covers the access.
func (m MatchedAccess) Orphan() bool { return m.Why != Words{} }

// Match puts accesses beside the grants and requests they belong to: orphans first, then newest first.
func (s *State) Match(accesses []Access) []MatchedAccess {
	list := make([]MatchedAccess, 0, len(accesses))
	for _, a := range accesses {
		m := MatchedAccess{Access: a, Permit: s.grants[a.Access.Grant]}
		if m.Permit != nil {
			m.Dossier = s.requests[m.Permit.Request]
		}
		if s.gone[protocol.DocumentID(a.Access.Grant)] == "" { // what is erased was looked at in its time
			m.Why = m.fault()
		}
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b MatchedAccess) int {
		if a.Orphan() != b.Orphan() {
			if a.Orphan() {
				return -1
			}
			return 1
		}
		return b.At.Compare(a.At.Time)
	})
	return list
}

func (m MatchedAccess) fault() Words {
	g := m.Permit
	switch {
	case g == nil:
		return Words{"geen toestemming bekend", "no grant known"}
	case g.Recorder != m.Recorder || g.Camera != m.Camera:
		return Words{"toestemming is voor een andere camera", "the grant is for another camera"}
	case g.Request != m.Request || g.Requester != m.Person:
		return Words{"toestemming is voor een ander of een andere aanvraag", "the grant is for someone else or another request"}
	case g.Grant.Recipient != m.Recipient:
		return Words{"gelezen voor een andere sleutel", "read for another key"}
	case g.Voided != nil && m.At.After(g.Voided.At.Time):
		return Words{"na het vervallen van de toestemming", "after the grant had fallen away"}
	case g.Valid(m.At.Time) != nil:
		return Words{"buiten de termijn van de toestemming", "outside the grant's term"}
	case g.Use == protocol.UseRelease && m.How != "release", g.Use != protocol.UseRelease && m.How == "release":
		return Words{"andere handeling dan toegestaan", "another act than allowed"}
	case g.Released != nil && m.Kind == protocol.KindIntent && (Source{m.Recorder, m.Log, m.Seq}).after(g.Released.Source):
		return Words{"de toestemming was al gebruikt", "the grant had been used before"}
	case g.Use == protocol.UseStanding && !m.Interval.IsZero() && m.Interval.From.Before(m.At.Add(-protocol.LookBack-time.Minute)):
		return Words{"verder teruggekeken dan vijftien minuten", "looked back further than fifteen minutes"}
	case g.Use != protocol.UseStanding && !g.Interval.Contains(m.Interval):
		return Words{"buiten het toegestane tijdvak", "outside the granted interval"}
	}
	return Words{}
}

// PublicPlacement is what everyone may know of a camera, at its publication level: what must stay private is not in it.
type PublicPlacement struct {
	Camera            protocol.CameraID
	Title             string // its name, or at other levels its id
	Name              string // only at level exact or street
	Regime            protocol.Regime
	Status            Status // never Draft
	Position          *Point // only at level exact
	Direction         *int   // only at level exact
	Place             string // level exact or street
	Area              string // not at level none
	Purposes          []Purpose
	Subsidiarity      string
	Proportionality   string
	Besluit           Besluit
	Protocol          *CameraProtocol
	Window            protocol.Window // how long footage stays
	Sound             bool            // it is recorded too
	SoundReason       string          // why; level exact or street
	Sign              Sign
	Publication       Publication
	PublicationReason string
	Contact           string
	Recorder          protocol.RecorderID // to find its state; not for showing
	ValidFrom         protocol.Time
	ValidTo           protocol.Time
}

// Public is every camera that is or was in use, by title; drafts are not yet public.
func (s *State) Public(now time.Time) []PublicPlacement {
	return slices.Collect(s.PublicFrom(0, now))
}

// PublicCamera is one of Public.
func (s *State) PublicCamera(id protocol.CameraID, now time.Time) (PublicPlacement, bool) {
	p := s.placements[id]
	if p == nil || p.Status == Draft {
		return PublicPlacement{}, false
	}
	pub := PublicPlacement{
		Camera: p.Camera, Title: p.PublicTitle(), Regime: p.Regime, Status: p.StatusAt(now), Purposes: p.Purposes, Besluit: p.Besluit,
		Protocol: s.Protocol(p.Protocol), Window: p.Window(), Sound: p.Sound != Sound{}, Sign: p.Sign, Publication: p.Publication, PublicationReason: p.PublicationReason,
		Contact: p.Contact, Recorder: p.Recorder, ValidFrom: p.ValidFrom, ValidTo: p.ValidTo,
	}
	pub.Besluit.Area = ""
	if p.Publication != PublishNone {
		pub.Area, pub.Besluit.Area = p.Besluit.Area, p.Besluit.Area
	}
	if p.Publication == PublishExact || p.Publication == PublishStreet {
		// Free text about the place says where it is, so it goes no further than the place itself.
		pub.Name, pub.Place, pub.Subsidiarity, pub.Proportionality = p.Name, p.Place, p.Subsidiarity, p.Proportionality
		pub.SoundReason = p.Sound.Reason
	}
	if p.Publication == PublishExact {
		position, direction := p.Position, p.Direction
		pub.Position, pub.Direction = &position, &direction
	}
	return pub, true
}

// StatusAt is the status at a time: an active placement whose besluit has ended is Lapsed, and needs no order to stop.
func (p *Placement) StatusAt(now time.Time) Status {
	if p.Status == Active && !now.Before(p.Besluit.ValidUntil.Time) {
		return Lapsed
	}
	return p.Status
}

// Mandate is the last one issued, or nil.
func (p *Placement) Mandate() *protocol.Mandate {
	if len(p.Mandates) == 0 {
		return nil
	}
	return p.Mandates[len(p.Mandates)-1]
}

// Window is how long its footage stays, by the last mandate; zero before the first.
func (p *Placement) Window() protocol.Window {
	if m := p.Mandate(); m != nil {
		return m.Window
	}
	return 0
}

func sorted[K ~string, V any](m map[K]V) []V {
	list := make([]V, 0, len(m))
	for _, k := range sortedKeys(m) {
		list = append(list, m[k])
	}
	return list
}
