package central

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

// lists say again what the State says, in the order in which it is looked for: a country has 338,000 cameras and a million requests, and nobody who waits for a page, and no round of each
// minute, may walk through all of them. They follow each event (State.list, State.follow), hold nothing of their own, and a test compares them with a full walk of every history.
type lists struct {
	cameras    ordered[*Placement]             // by id
	recorders  ordered[*Recorder]              // by id
	byStatus   map[Status]*ordered[*Placement] // by id
	public     ordered[titled]                 // all but drafts, by the title that everyone may see
	known      ordered[*Placement]             // all but drafts, by id
	ending     ordered[dated[*Placement]]      // in use, by the end of their besluit
	proposed   ordered[dated[*Placement]]      // an ending waits for a second approver
	doubted    ordered[dated[*Placement]]      // in use or suspended, and something is not right
	incomplete ordered[dated[*Placement]]      // in use or suspended
	confirming map[string]*confirming          // in use or suspended, by DPIA
	under      map[ProtocolRef]int             // how many are in use or suspended under it
	processing map[string]int                  // how many in use or suspended it processes footage of
	at         map[Place]*ordered[*Placement]  // in use or suspended, by id
	police     ordered[*Placement]             // WPG, but for drafts; by id

	witnessed map[string]int // recorders by witnessing

	live     map[protocol.RequestID]*Request // that somebody may still have to do something about
	ofRegime map[protocol.Regime][]*Request  // in order of filing, as the two that follow
	ofUnit   map[string][]*Request
	own      map[protocol.PersonID][]*Request // of who asked, as it is now
	spoken   []*Request                       // oral demands
	handed   []*Request                       // in order of hand-over
	asked    map[protocol.HoldID]*Hold        // no recorder has answered yet
	standing map[protocol.HoldID]*Hold        // neither refused nor lifted
	open     map[protocol.GrantID]*Grant      // may become void: neither refused nor void, and its request is not closed
	viewing  map[protocol.PersonID][]*Grant   // standing grants, of their requester
}

// titled is a placement under the title that everyone may see.
type titled struct {
	title string
	*Placement
}

// confirming is the cameras under one DPIA by when they are to be re-confirmed, if it asks that each year, and if each half year: which it is changes with time.
type confirming struct{ yearly, often ordered[dated[*Placement]] }

func newLists() lists {
	camera := func(a, b *Placement) int { return cmp.Compare(a.Camera, b.Camera) }
	l := lists{
		cameras:   ordered[*Placement]{compare: camera},
		known:     ordered[*Placement]{compare: camera},
		recorders: ordered[*Recorder]{compare: func(a, b *Recorder) int { return cmp.Compare(a.ID, b.ID) }},
		byStatus:  map[Status]*ordered[*Placement]{},
		public: ordered[titled]{compare: func(a, b titled) int {
			return cmp.Or(strings.Compare(a.title, b.title), cmp.Compare(a.Camera, b.Camera))
		}},
		ending: byDate[*Placement](), proposed: byDate[*Placement](), doubted: byDate[*Placement](), incomplete: byDate[*Placement](),
		confirming: map[string]*confirming{}, under: map[ProtocolRef]int{}, processing: map[string]int{}, at: map[Place]*ordered[*Placement]{}, police: ordered[*Placement]{compare: camera},
		witnessed: map[string]int{},
		live:      map[protocol.RequestID]*Request{}, ofRegime: map[protocol.Regime][]*Request{}, ofUnit: map[string][]*Request{}, own: map[protocol.PersonID][]*Request{},
		asked: map[protocol.HoldID]*Hold{}, standing: map[protocol.HoldID]*Hold{}, open: map[protocol.GrantID]*Grant{}, viewing: map[protocol.PersonID][]*Grant{},
	}
	for _, status := range []Status{Draft, Active, Suspended, Removed} {
		l.byStatus[status] = &ordered[*Placement]{compare: camera}
	}
	return l
}

// listed is where a placement stands in the lists.
type listed struct {
	status                                               Status
	title                                                string
	ending, proposed, doubted, incomplete, yearly, often int64 // never: it is not in that list
	dpia                                                 string
	under                                                ProtocolRef // zero: not in use
	processing                                           string
	recorder, building                                   Place
	police                                               bool
}

// Place is where cameras are together, for whoever walks along them: a recorder, or a building.
type Place struct {
	Recorder protocol.RecorderID
	BAG      string
}

const never = math.MinInt64

func (p *Placement) listed() listed {
	l := listed{status: p.Status, ending: never, proposed: never, doubted: never, incomplete: never, yearly: never, often: never}
	if p.Status != Draft {
		l.title, l.police = p.PublicTitle(), p.Regime == protocol.WPG
	}
	if p.Status == Active {
		l.ending = p.Besluit.ValidUntil.UnixMilli()
	}
	if p.Proposed != nil {
		l.proposed = p.Proposed.At.UnixMilli()
	}
	if p.Status == Active || p.Status == Suspended {
		l.dpia, l.under, l.processing = p.DPIA, p.Protocol, p.Processor
		l.recorder, l.building = Place{Recorder: p.Recorder}, Place{BAG: p.BAG}
		l.yearly, l.often = p.confirmDue(false).UnixMilli(), p.confirmDue(true).UnixMilli()
		if p.Doubted() {
			l.doubted = p.Confirmed.At.UnixMilli()
		}
		if p.incomplete() {
			l.incomplete = p.ValidFrom.UnixMilli()
		}
	}
	return l
}

// list puts a placement where it now stands; was is where it stood, nil for a new one.
func (s *State) list(p *Placement, was *listed) {
	is := p.listed()
	if was != nil && *was == is {
		return
	}
	if was == nil {
		s.cameras.put(p)
		was = &listed{ending: never, proposed: never, doubted: never, incomplete: never, yearly: never, often: never}
	}
	move := func(o *ordered[dated[*Placement]], from, to int64) {
		if from == to {
			return
		}
		if from != never {
			o.remove(dated[*Placement]{from, string(p.Camera), p})
		}
		if to != never {
			o.put(dated[*Placement]{to, string(p.Camera), p})
		}
	}
	if was.status != is.status {
		if was.status != "" {
			s.byStatus[was.status].remove(p)
		}
		s.byStatus[is.status].put(p)
	}
	if was.title != is.title {
		s.public.remove(titled{was.title, p})
		if is.title != "" {
			s.public.put(titled{is.title, p})
			s.known.put(p)
		}
	}
	move(&s.ending, was.ending, is.ending)
	move(&s.proposed, was.proposed, is.proposed)
	move(&s.doubted, was.doubted, is.doubted)
	move(&s.incomplete, was.incomplete, is.incomplete)
	if was.dpia != is.dpia || was.yearly != is.yearly || was.often != is.often {
		if c := s.confirming[was.dpia]; c != nil {
			move(&c.yearly, was.yearly, never)
			move(&c.often, was.often, never)
		}
		if s.confirming[is.dpia] == nil {
			s.confirming[is.dpia] = &confirming{byDate[*Placement](), byDate[*Placement]()}
		}
		move(&s.confirming[is.dpia].yearly, never, is.yearly)
		move(&s.confirming[is.dpia].often, never, is.often)
	}
	if was.police != is.police { // once: no camera in use changes its regime
		s.police.put(p)
	}
	s.stay(p, was.recorder, is.recorder)
	s.stay(p, was.building, is.building)
	count(s.under, was.under, is.under)
	count(s.processing, was.processing, is.processing)
}

// stay moves a placement from one place to another; the zero Place is none.
func (s *State) stay(p *Placement, was, is Place) {
	if was == is {
		return
	}
	if list := s.at[was]; list != nil {
		if list.remove(p); list.size == 0 {
			delete(s.at, was)
		}
	}
	if is != (Place{}) {
		if s.at[is] == nil {
			s.at[is] = &ordered[*Placement]{compare: s.cameras.compare}
		}
		s.at[is].put(p)
	}
}

// count counts one thing less and another more; the zero value is not counted.
func count[K comparable](m map[K]int, was, is K) {
	var none K
	if was == is {
		return
	}
	if was != none {
		if m[was]--; m[was] == 0 {
			delete(m, was)
		}
	}
	if is != none {
		m[is]++
	}
}

// witnessing is how a recorder's releases are witnessed: "" where it is nil or needs somebody outside.
func (r *Recorder) witnessing() string {
	if r == nil {
		return ""
	}
	own := uint64(0)
	for _, key := range r.Roster.Witnesses {
		name, _, _ := strings.Cut(key, "+")
		if evidence.SelfWitnessed(r.Roster.Municipality, []string{name}) {
			own++
		}
	}
	if own < r.Roster.Quorum {
		return ""
	}
	return selfWitnessed
}

const selfWitnessed = "self"

// SelfWitnessed says whether for any recorder the municipality's own witnesses are enough: nobody outside then has to agree before something is released or shown.
func (s *State) SelfWitnessed() bool { return s.witnessed[selfWitnessed] > 0 }

// filed puts a new request in the lists.
func (s *State) filed(r *Request) {
	r.number = len(s.order)
	s.order = append(s.order, r.ID)
	s.ofRegime[r.Regime] = append(s.ofRegime[r.Regime], r)
	s.of(r, filer{}, r.filer())
	s.need(r)
	s.follow(r, r.Holds)
}

// filer is whose a request is.
type filer struct {
	unit   string
	person protocol.PersonID
	spoken bool
}

func (r *Request) filer() filer { return filer{r.Unit, r.Requester, !r.Said.IsZero()} }

// of moves a request from who had it to who has it.
func (s *State) of(r *Request, was, is filer) {
	if was.unit != is.unit {
		moveTo(s.ofUnit, r, was.unit, is.unit)
	}
	if was.person != is.person {
		moveTo(s.own, r, was.person, is.person)
	}
	if is.spoken && !was.spoken && !slices.Contains(s.spoken, r) {
		s.spoken = append(s.spoken, r)
	}
}

// need remembers that somebody asked for these cameras' footage.
func (s *State) need(r *Request) {
	for _, camera := range r.Cameras {
		if p := s.placements[camera]; p != nil && r.Filed.After(p.needed.Time) {
			p.needed = r.Filed
		}
	}
}

func byNumber(a, b *Request) int { return cmp.Compare(a.number, b.number) }

func moveTo[K ~string](m map[K][]*Request, r *Request, from, to K) {
	if i, found := slices.BinarySearchFunc(m[from], r, byNumber); found {
		m[from] = slices.Delete(m[from], i, i+1)
	}
	if to != "" {
		i, _ := slices.BinarySearchFunc(m[to], r, byNumber)
		m[to] = slices.Insert(m[to], i, r)
	}
}

// follow puts a request, its holds and its grants where they now stand; a request of a person filmed (nil) has holds alone.
func (s *State) follow(r *Request, holds []*Hold) {
	for _, h := range holds {
		keep(s.asked, h.HoldID(), h, h.State() == "asked")
		keep(s.standing, h.HoldID(), h, h.Lifted == nil && h.Refused == "")
	}
	if r == nil {
		return
	}
	keep(s.live, r.ID, r, !r.over())
	for _, g := range r.Grants {
		keep(s.open, g.GrantID(), g, g.Voided == nil && g.Refused == "" && r.Status != Closed)
	}
	if n := len(s.handed); r.HandedOver != nil && (n == 0 || s.handed[n-1] != r) && r.HandedOver.Seq == s.Size {
		s.handed = append(s.handed, r)
	}
}

func keep[K comparable, V any](m map[K]V, key K, v V, in bool) {
	if in {
		m[key] = v
	} else {
		delete(m, key)
	}
}

// CameraCount is how many placements there are, drafts included.
func (s *State) CameraCount() int { return s.cameras.size }

// RecordersFrom are the recorders by id, but for the first n.
func (s *State) RecordersFrom(n int) iter.Seq[*Recorder] { return s.lists.recorders.from(n) }

// CamerasFrom are the placements by id, but for the first n.
func (s *State) CamerasFrom(n int) iter.Seq[*Placement] { return s.cameras.from(n) }

// KnownFrom are the placements that are no drafts, by id, but for the first n; and how many there are in all.
func (s *State) KnownFrom(n int) (iter.Seq[*Placement], int) { return s.known.from(n), s.known.size }

// WithStatus are the placements of a status as it is now, by id, but for the first n; and how many there are in all.
func (s *State) WithStatus(status Status, n int, now time.Time) (iter.Seq[*Placement], int) {
	lapsed := s.ending.upTo(dated[*Placement]{now.UnixMilli(), lastID, nil})
	switch status {
	case Lapsed:
		var list []*Placement
		for d := range s.ending.all() {
			if len(list) == lapsed {
				break
			}
			list = append(list, d.of)
		}
		slices.SortFunc(list, s.cameras.compare)
		return slices.Values(list[min(n, len(list)):]), len(list)
	case Active:
		if lapsed == 0 {
			break
		}
		return func(yield func(*Placement) bool) {
			skip := n
			for p := range s.byStatus[Active].all() {
				if p.StatusAt(now) == Lapsed {
					continue
				}
				if skip--; skip < 0 && !yield(p) {
					return
				}
			}
		}, s.byStatus[Active].size - lapsed
	}
	if list := s.byStatus[status]; list != nil {
		return list.from(n), list.size
	}
	return func(func(*Placement) bool) {}, 0
}

// lastID comes after every id.
const lastID = "\xff"

// PublicFrom is every camera that is or was in use, by its title, but for the first n of the list; see Public.
func (s *State) PublicFrom(n int, now time.Time) iter.Seq[PublicPlacement] {
	return func(yield func(PublicPlacement) bool) {
		for p := range s.public.from(n) {
			if public, ok := s.PublicCamera(p.Camera, now); ok && !yield(public) {
				return
			}
		}
	}
}

// FindPublic gives of Public those whose title, place, area or id has a text in it, all where that is empty: at most some, after the first of them; more says whether there are others.
func (s *State) FindPublic(text string, after, most int, now time.Time) (list []PublicPlacement, more bool) {
	text = strings.ToLower(text)
	start := after
	if text != "" {
		start = 0
	}
	for p := range s.PublicFrom(start, now) {
		if text != "" {
			if !slices.ContainsFunc([]string{p.Title, p.Place, p.Area, string(p.Camera)}, func(has string) bool { return strings.Contains(strings.ToLower(has), text) }) {
				continue
			}
			if after--; after >= 0 {
				continue
			}
		}
		if len(list) == most {
			return list, true
		}
		list = append(list, p)
	}
	return list, false
}

// PublicUnder is cameras in use under a version of a protocol, by title, at most some; more says whether there are others.
func (s *State) PublicUnder(ref ProtocolRef, most int, now time.Time) (list []PublicPlacement, more bool) {
	if s.under[ref] == 0 {
		return nil, false
	}
	for p := range s.public.all() {
		if p.Protocol != ref || p.StatusAt(now) != Active {
			continue
		}
		if len(list) == most {
			return list, true
		}
		public, _ := s.PublicCamera(p.Camera, now)
		list = append(list, public)
	}
	return list, false
}

// PublicTitle is what everyone may call it.
func (p *Placement) PublicTitle() string {
	if (p.Publication == PublishExact || p.Publication == PublishStreet) && p.Name != "" {
		return p.Name
	}
	return "Camera " + string(p.Camera)
}

// RequestsBefore are the requests that a person may read (see MayRead), newest first; only those filed before another, unless that is empty.
func (s *State) RequestsBefore(person protocol.PersonID, before protocol.RequestID, now time.Time) iter.Seq[*Request] {
	var mine [][]*Request // each in order of filing
	p := s.people[person]
	if p != nil {
		for _, regime := range []protocol.Regime{protocol.AVG, protocol.WPG} {
			if regime == protocol.AVG && s.Holds(person, Officer, "", now) || s.Holds(person, Handler, regime, now) || s.Holds(person, Approver, regime, now) {
				mine = append(mine, s.ofRegime[regime])
			}
		}
		requester := s.Holds(person, Requester, "", now)
		if requester && p.Unit != "" {
			mine = append(mine, s.ofUnit[p.Unit])
		}
		if requester || s.Holds(person, Staff, "", now) {
			mine = append(mine, s.own[person])
		}
	}
	last := &Request{number: len(s.order)}
	if r := s.requests[before]; r != nil {
		last = r
	}
	return func(yield func(*Request) bool) {
		rest := slices.Clone(mine)
		for i, list := range rest {
			at, _ := slices.BinarySearchFunc(list, last, byNumber)
			rest[i] = list[:at]
		}
		for {
			var next *Request
			for _, list := range rest {
				if n := len(list); n > 0 && (next == nil || list[n-1].number > next.number) {
					next = list[n-1]
				}
			}
			if next == nil || !yield(next) {
				return
			}
			for i, list := range rest {
				if n := len(list); n > 0 && list[n-1] == next {
					rest[i] = list[:n-1]
				}
			}
		}
	}
}

// Standing are the holds that are neither refused nor lifted, oldest first.
func (s *State) Standing() []*Hold {
	list := make([]*Hold, 0, len(s.standing))
	for _, h := range s.standing {
		list = append(list, h)
	}
	sortHolds(list)
	return list
}

func sortHolds(list []*Hold) {
	slices.SortFunc(list, func(a, b *Hold) int {
		return cmp.Or(a.Issued.Compare(b.Issued.Time), strings.Compare(string(a.ID), string(b.ID)))
	})
}

// inFiling are requests in the order of filing.
func inFiling(m map[protocol.RequestID]*Request) []*Request {
	list := make([]*Request, 0, len(m))
	for _, r := range m {
		list = append(list, r)
	}
	slices.SortFunc(list, byNumber)
	return list
}
