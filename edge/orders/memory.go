package orders

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// memory is what the journal says, folded. The same code fills it at the start and while running.
type memory struct {
	opened    protocol.Opened
	rosters   []protocol.Signed // all that were ever in force, the last one now
	orderKey  note.Verifier     // of the last roster
	last      uint64            // number of the last envelope used
	envelopes recent
	ids       map[protocol.DocumentID]bool // ever accepted
	mandates  map[protocol.CameraID][]*protocol.Mandate
	holds     map[protocol.HoldID]*hold
	lifts     []protocol.Lift
	erases    map[protocol.DocumentID]*erase
	grants    map[protocol.GrantID]*Grant
	releases  map[protocol.GrantID]Release
	dropped   uint64 // since the start
	ledger    ledger // the centre's, as far as it was seen
	log       uint64 // number of the log that goes on here; 0: the first
	resume    *Resume
}

// Resume is an accepted order to let the log go on as its successor.
type Resume struct {
	protocol.Resume
	Signed string // as received
}

type hold struct {
	doc      protocol.Hold
	order    protocol.Order
	accepted time.Time         // by this recorder's clock
	placed   protocol.Interval // rounded to whole segments, once hold.placed says so
	lifted   bool
}

type erase struct {
	doc   protocol.Erase
	order protocol.Order
	done  bool // footage.erased says so
}

func newMemory() memory {
	return memory{
		envelopes: recent{has_: map[protocol.Hash]bool{}}, ids: map[protocol.DocumentID]bool{},
		mandates: map[protocol.CameraID][]*protocol.Mandate{}, holds: map[protocol.HoldID]*hold{},
		erases: map[protocol.DocumentID]*erase{},
		grants: map[protocol.GrantID]*Grant{}, releases: map[protocol.GrantID]Release{},
	}
}

func (m *memory) roster() *protocol.Roster {
	return m.rosters[len(m.rosters)-1].Document.(*protocol.Roster)
}

// sameEnrolment refuses a journal of another recorder, and pinned roots that somebody changed.
func (m *memory) sameEnrolment(self protocol.RecorderID, roots protocol.Roots) error {
	if m.opened.Recorder != self {
		return fmt.Errorf("orders: this journal is of recorder %s, the configuration says %s", m.opened.Recorder, self)
	}
	a, b := slices.Clone(m.opened.Roots), slices.Clone([]string(roots))
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) {
		return fmt.Errorf("orders: the roots are not those pinned when the journal of %s was opened; enrol the recorder anew if that is meant", self)
	}
	return nil
}

func (m *memory) used(number uint64, envelope protocol.Hash) {
	m.last = max(m.last, number)
	m.envelopes.add(envelope)
}

// accept takes in a document that was judged, and makes of it what leaves this package.
func (m *memory) accept(v verdict, order protocol.Order, seq uint64, at time.Time) (Action, error) {
	m.ids[v.Head().ID] = true
	switch d := v.Document.(type) {
	case *protocol.Roster:
		key, err := verifier(d.OrderKey)
		if err != nil {
			return nil, err
		}
		var before *protocol.Roster
		if len(m.rosters) > 0 {
			before = m.roster()
		}
		m.rosters, m.orderKey = append(m.rosters, v.Signed), key
		m.rosterLedger(before, d)
		return d, nil
	case *protocol.Mandate:
		m.mandates[d.Camera] = append(m.mandates[d.Camera], d)
		return d, nil
	case *protocol.Hold:
		m.holds[d.HoldID()] = &hold{doc: *d, order: order, accepted: at}
		return *d, nil
	case *protocol.Lift:
		if h := m.holds[d.Hold]; h != nil {
			h.lifted = true
		}
		m.lifts = append(m.lifts, *d)
		return *d, nil
	case *protocol.Erase:
		m.erases[d.ID] = &erase{doc: *d, order: order}
		return *d, nil
	case *protocol.Resume:
		m.resume = &Resume{*d, string(v.Raw)}
		return *m.resume, nil
	case *protocol.Grant:
		g := &Grant{signed: v.Signed, roster: m.rosters[len(m.rosters)-1], level: v.level, envelope: order.Note, accepted: seq}
		m.grants[d.GrantID()] = g
		return g, nil
	}
	return nil, fmt.Errorf("%s: unknown kind of order", v.Kind())
}

// undone is the order of a hold or an erasure that was accepted, and that may yet turn out not to be possible.
func (m *memory) undone(id protocol.DocumentID) (order protocol.Order, known bool) {
	if h := m.holds[protocol.HoldID(id)]; h != nil {
		return h.order, true
	}
	if e := m.erases[id]; e != nil && !e.done {
		return e.order, true
	}
	return order, false
}

func (m *memory) forget(id protocol.DocumentID) {
	delete(m.holds, protocol.HoldID(id))
	delete(m.erases, id)
}

// replay reads the whole journal: the orders, and what became of them.
func (o *Orders) replay() error {
	return o.read(func(h chain.Header, body []byte) error {
		m := &o.memory
		switch h.Kind {
		case protocol.KindOpened:
			if err := chain.ParseBody(body, &m.opened); err != nil {
				return err
			}
			s, err := protocol.ParseDocument([]byte(m.opened.Roster))
			if err == nil {
				_, err = protocol.OpenRoster(s.Raw, m.opened.Roots)
			}
			if err == nil {
				_, err = m.accept(verdict{Signed: s, level: protocol.LevelRoots}, protocol.Order{}, h.Seq, h.Time.Time)
			}
			return err
		case protocol.KindOrder:
			var b protocol.Order
			if err := chain.ParseBody(body, &b); err != nil {
				return err
			}
			if b.Number > 0 {
				m.used(b.Number, b.Envelope)
			}
			s, err := protocol.ParseDocument([]byte(b.Document))
			if err != nil {
				return err
			}
			if m.ids[s.Head().ID] { // written twice: the first time the journal failed, or seemed to
				return nil
			}
			_, err = m.accept(verdict{Signed: s, level: b.Level}, b, h.Seq, h.Time.Time)
			return err
		case protocol.KindRefused:
			var b protocol.OrderRefused
			if err := chain.ParseBody(body, &b); err != nil {
				return err
			}
			m.used(b.Number, b.Envelope)
			if order, known := m.undone(b.ID); known && order.Number == b.Number { // see cannot
				m.forget(b.ID)
			}
			return nil
		case protocol.KindLedger, protocol.KindLedgerBad:
			return m.replayLedger(h, body)
		case protocol.KindDropped:
			o.drops.written = append(o.drops.written, h.Time.Time)
			o.drops.forget(h.Time.Time)
			return nil
		}
		return m.observe(h, body)
	})
}

// follow reads on in the journal what others wrote there: releases and holds.
func (o *Orders) follow() error {
	return o.read(func(h chain.Header, body []byte) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.memory.observe(h, body)
	})
}

func (o *Orders) read(each func(chain.Header, []byte) error) error {
	o.following.Lock()
	defer o.following.Unlock()
	for {
		entries, err := o.journal.Entries(o.next, 1024)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			h, err := chain.ParseHeader(e.Header)
			if err != nil {
				return fmt.Errorf("entry %d: %w", o.next, err)
			}
			if e.Body != nil { // destroyed at the end of its own term: so the term of what it held is over too
				if err := each(h, e.Body); err != nil {
					return fmt.Errorf("entry %d %s: %w", h.Seq, h.Kind, err)
				}
			}
			o.next = h.Seq + 1
		}
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	if len(o.memory.rosters) == 0 {
		return fmt.Errorf("no %s entry: the journal does not say who may order anything", protocol.KindOpened)
	}
	return nil
}

// observe takes in what became of grants, holds and erasures.
func (m *memory) observe(h chain.Header, body []byte) error {
	switch h.Kind {
	case protocol.KindIntent:
		var b protocol.Access
		if err := chain.ParseBody(body, &b); err != nil {
			return err
		}
		r := m.releases[b.Grant]
		if r.Intent == 0 {
			r.Intent = h.Seq
		}
		m.releases[b.Grant] = r
	case protocol.KindReleased:
		var b protocol.Released
		if err := chain.ParseBody(body, &b); err != nil {
			return err
		}
		r := m.releases[b.Grant]
		r.Done = true
		m.releases[b.Grant] = r
	case protocol.KindReleaseFail:
		var b protocol.ReleaseFailed
		if err := chain.ParseBody(body, &b); err != nil {
			return err
		}
		r := m.releases[b.Grant]
		r.Failed = r.Failed || b.Final
		m.releases[b.Grant] = r
	case protocol.KindHoldPlaced:
		var b protocol.HoldPlaced
		if err := chain.ParseBody(body, &b); err != nil {
			return err
		}
		if held := m.holds[b.Hold]; held != nil {
			held.placed = b.Interval
		}
	case protocol.KindErased:
		var b protocol.Erased
		if err := chain.ParseBody(body, &b); err != nil {
			return err
		}
		if e := m.erases[b.Erase]; e != nil {
			e.done = true
		}
	case protocol.KindResumed:
		var b protocol.Resumed
		if err := chain.ParseBody(body, &b); err != nil {
			return err
		}
		m.resumed(b.Log)
	}
	return nil
}

// resumed takes in that the log goes on as its successor. What became of a release grant may be in what was lost, and it is used once: none that came before goes on.
func (m *memory) resumed(log uint64) {
	m.log = log
	if m.resume != nil && m.resume.Log <= log {
		m.resume = nil
	}
	for id, g := range m.grants {
		if r := m.releases[id]; g.Doc().Use == protocol.UseRelease && !r.Over() {
			r.Void = true
			m.releases[id] = r
		}
	}
}

// Resuming is the order to resume that was accepted and not yet carried out, or nil.
func (o *Orders) Resuming() *Resume {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.memory.resume
}

// Roster is the one in force, current or not. Read only.
func (o *Orders) Roster() *protocol.Roster {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.memory.roster()
}

// LastOrder is the number of the last envelope used, for the status.
func (o *Orders) LastOrder() uint64 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.memory.last
}

// Dropped counts the envelopes dropped since the start, for the status.
func (o *Orders) Dropped() uint64 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.memory.dropped
}

// Mandate is the mandate of a camera that is in force at now, or why there is none. A lapse needs no order. Read only.
func (o *Orders) Mandate(camera protocol.CameraID, now time.Time) (*protocol.Mandate, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.memory.mandate(camera, now)
}

func (m *memory) mandate(camera protocol.CameraID, now time.Time) (*protocol.Mandate, error) {
	if _, err := m.newestMandate(camera); err != nil {
		return nil, err
	}
	all := m.mandates[camera]
	d := all[inForce(all, now)]
	if err := d.Valid(now); err != nil {
		return nil, fmt.Errorf("mandate of camera %s, version %d: %w", camera, d.Version, err)
	}
	return m.capped(d), nil
}

// capped is a mandate as it counts, within the ceilings on window and sound of the roster in force, which may have come after it.
func (m *memory) capped(d *protocol.Mandate) *protocol.Mandate {
	r := m.roster()
	if d.Window <= r.MaxWindow && (d.Sound != protocol.SoundAllowed || r.Sound == protocol.SoundAllowed) {
		return d
	}
	c := *d
	c.Window = min(c.Window, r.MaxWindow)
	if r.Sound != protocol.SoundAllowed {
		c.Sound = protocol.SoundNone
	}
	return &c
}

// inForce is the index of the newest version that has begun, even if it is over: an older one does not come back. If none has begun it is
// the first.
func inForce(all []*protocol.Mandate, now time.Time) int {
	for i := len(all) - 1; i > 0; i-- {
		if !now.Before(all[i].NotBefore.Time) {
			return i
		}
	}
	return 0
}

// Mandates are, by camera, the one in force and those that follow it by themselves, in the order of their versions. The first may be over, and still says
// how long footage is kept; what was replaced before is left out. Windows are no longer than the roster in force allows. Read only.
func (o *Orders) Mandates() []*protocol.Mandate {
	now := o.now()
	o.mu.RLock()
	defer o.mu.RUnlock()
	var in []*protocol.Mandate
	for _, camera := range slices.Sorted(maps.Keys(o.memory.mandates)) {
		all := o.memory.mandates[camera]
		for _, d := range all[inForce(all, now):] {
			in = append(in, o.memory.capped(d))
		}
	}
	return in
}

// NextChange is the next moment after now at which a mandate begins or ends by itself; zero if there is none.
func (o *Orders) NextChange(now time.Time) time.Time {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var next time.Time
	for _, all := range o.memory.mandates {
		for _, d := range all {
			for _, t := range []time.Time{d.NotBefore.Time, d.NotAfter.Time} {
				if t.After(now) && (next.IsZero() || t.Before(next)) {
					next = t
				}
			}
		}
	}
	return next
}

// Standing is what counts of all orders where the journal cannot be read: who may order, and what may be recorded. Kept beside the journal, it lets a recorder record and
// expire without it; see [OpenStanding].
type Standing struct {
	Roster   string   `json:"roster"`   // in force, as signed
	Mandates []string `json:"mandates"` // those in force or to follow, without signatures: they were verified when they were accepted
	Last     uint64   `json:"last"`     // number of the last envelope used, for the status
}

// Standing is what stands now.
func (o *Orders) Standing() (s Standing, err error) {
	now := o.now()
	o.mu.RLock()
	defer o.mu.RUnlock()
	m := &o.memory
	s.Roster, s.Last = string(m.rosters[len(m.rosters)-1].Raw), m.last
	for _, camera := range slices.Sorted(maps.Keys(m.mandates)) {
		all := m.mandates[camera]
		for _, d := range all[inForce(all, now):] {
			text, err := protocol.Compose(d)
			if err != nil {
				return s, fmt.Errorf("orders: mandate %s: %w", d.ID, err)
			}
			s.Mandates = append(s.Mandates, string(text))
		}
	}
	return s, nil
}

// OpenStanding is a memory without its journal, which cannot be read. Mandates and roster count; every other order is in the journal, and nothing is accepted.
func OpenStanding(j Journal, self protocol.RecorderID, roots protocol.Roots, s Standing, now func() time.Time, log *slog.Logger) (*Orders, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	o := &Orders{journal: j, self: self, now: now, log: log, memory: newMemory()}
	if _, err := protocol.OpenRoster([]byte(s.Roster), roots); err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	o.memory.last = s.Last
	for _, text := range append([]string{s.Roster}, s.Mandates...) {
		d, err := protocol.ParseDocument([]byte(text))
		if err == nil && d.Head().Recorder != self {
			err = fmt.Errorf("for recorder %s, this is %s", d.Head().Recorder, self)
		}
		if err == nil {
			_, err = o.memory.accept(verdict{Signed: d}, protocol.Order{}, 0, time.Time{})
		}
		if err != nil {
			return nil, fmt.Errorf("orders: what is remembered: %w", err)
		}
	}
	return o, nil
}

// Holds are those ordered, not lifted and not at their end, by id.
func (o *Orders) Holds() []protocol.Hold {
	now := o.now()
	o.mu.RLock()
	defer o.mu.RUnlock()
	var in []protocol.Hold
	for _, h := range o.memory.holds {
		if !h.lifted && now.Before(h.doc.End.Time) {
			in = append(in, h.doc)
		}
	}
	slices.SortFunc(in, func(a, b protocol.Hold) int { return cmp.Compare(a.ID, b.ID) })
	return in
}

// Lifts are those accepted, in order, of holds that would still stand without them: after a crash some may not have been carried out.
func (o *Orders) Lifts() []protocol.Lift {
	now := o.now()
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.DeleteFunc(slices.Clone(o.memory.lifts), func(l protocol.Lift) bool {
		h := o.memory.holds[l.Hold]
		return h == nil || !now.Before(h.doc.End.Time)
	})
}

// Erases are the orders to erase that have no footage.erased entry yet, in the order accepted: after a crash some may not have been begun. None, if the journal cannot be read.
func (o *Orders) Erases() []protocol.Erase {
	if err := o.follow(); err != nil {
		o.log.Error("orders: the journal cannot be read, so it is not known what is to be erased", "error", err)
		return nil
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	var in []*erase
	for _, e := range o.memory.erases {
		if !e.done {
			in = append(in, e)
		}
	}
	slices.SortFunc(in, func(a, b *erase) int { return cmp.Compare(a.order.Number, b.order.Number) })
	var docs []protocol.Erase
	for _, e := range in {
		docs = append(docs, e.doc)
	}
	return docs
}

// Grant finds an accepted grant, whatever its term.
func (o *Orders) Grant(id protocol.GrantID) (*Grant, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	g, ok := o.memory.grants[id]
	return g, ok
}

// StandingGrants are those valid now for a viewer's key.
func (o *Orders) StandingGrants(recipient string) []*Grant {
	return o.viewing(protocol.UseStanding, recipient)
}

// ViewGrants are the playback grants valid now for a viewer's key.
func (o *Orders) ViewGrants(recipient string) []*Grant { return o.viewing(protocol.UseView, recipient) }

func (o *Orders) viewing(use protocol.Use, recipient string) []*Grant {
	now := o.now()
	return o.find(func(g *Grant) bool {
		d := g.Doc()
		return d.Use == use && d.Recipient == recipient && g.Valid(now) == nil
	})
}

// Release says how far a release grant has come, by the journal as it is now.
func (o *Orders) Release(id protocol.GrantID) (Release, error) {
	if err := o.follow(); err != nil {
		return Release{}, fmt.Errorf("orders: read the journal: %w", err)
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.memory.releases[id], nil
}

// Unfinished are the release grants without an outcome in the journal, begun or not, their term over or not, in the order accepted. None, if
// the journal cannot be read: what is on record then is not known (invariant 10).
func (o *Orders) Unfinished() []*Grant {
	if err := o.follow(); err != nil {
		o.log.Error("orders: the journal cannot be read, so nothing is released", "error", err)
		return nil
	}
	return o.find(func(g *Grant) bool {
		d := g.Doc()
		return d.Use == protocol.UseRelease && !o.memory.releases[d.GrantID()].Over()
	})
}

func (o *Orders) find(wanted func(*Grant) bool) []*Grant {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var in []*Grant
	for _, g := range o.memory.grants {
		if wanted(g) {
			in = append(in, g)
		}
	}
	slices.SortFunc(in, func(a, b *Grant) int { return cmp.Compare(a.accepted, b.accepted) })
	return in
}

// recent remembers the last envelopes used, to be silent when a broker repeats them. Older ones are dropped by their number.
type recent struct {
	order []protocol.Hash
	has_  map[protocol.Hash]bool
}

const remembered = 4096

func (r *recent) has(h protocol.Hash) bool { return r.has_[h] }

func (r *recent) add(h protocol.Hash) {
	r.order = append(r.order, h)
	r.has_[h] = true
	if len(r.order) > remembered {
		delete(r.has_, r.order[0])
		r.order = r.order[1:]
	}
}
