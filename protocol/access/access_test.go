package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/access"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

var start = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

// log is a recorder's log with two cameras and three grants, one of each use.
type log struct {
	t      *testing.T
	town   *protocoltest.Town
	head   chain.Head
	now    time.Time
	all    []chain.Entry
	orders uint64
	grants map[protocol.GrantID]protocol.Access // what each allows
}

func newLog(t *testing.T, centre bool) *log {
	l := &log{t: t, town: protocoltest.NewTown(t, start), now: start, grants: map[protocol.GrantID]protocol.Access{}}
	roster := l.town.Roster(1, func(r *protocol.Roster) {
		if r.LevelCentre = centre; centre {
			r.OfficerKey = ""
		}
	})
	l.write(protocol.KindOpened, protocol.Opened{Recorder: l.town.Recorder, Roster: string(roster), Roots: l.town.Roots})
	l.order(l.town.Mandate("hal", 1), protocol.LevelOrder)
	l.order(l.town.Mandate("plein", 1), protocol.LevelOrder)
	for _, g := range []*protocol.Grant{l.grant("g-release", protocol.UseRelease), l.grant("g-view", protocol.UseView), l.grant("g-standing", protocol.UseStanding)} {
		l.give(g, centre)
	}
	return l
}

func (l *log) grant(id string, use protocol.Use) *protocol.Grant {
	g := l.town.Grant(id, "hal", protocol.Span(start, start.Add(10*time.Minute)))
	if g.Use = use; use == protocol.UseStanding {
		g.Asked, g.Interval = protocol.Interval{}, protocol.Interval{}
	}
	return g
}

func (l *log) give(g *protocol.Grant, centre bool) {
	signers, level := []protocol.PersonID{protocoltest.Handler, protocoltest.Approver}, protocol.LevelPersons
	if centre {
		signers, level = nil, protocol.LevelCentre
	}
	raw := l.order(g, level, signers...)
	a := protocol.Access{How: "playback", Grant: g.GrantID(), Request: g.Request, Camera: g.Camera, Interval: g.Interval, Person: g.Requester, Recipient: g.Recipient, Document: protocol.HashOf(raw), Level: level}
	if g.Use == protocol.UseRelease {
		a.How = "release"
	}
	if g.Use == protocol.UseStanding {
		a.Interval = protocol.Span(start, start.Add(time.Minute))
	}
	l.grants[g.GrantID()] = a
}

func (l *log) write(kind string, body any) uint64 {
	l.t.Helper()
	l.now = l.now.Add(time.Second)
	e, err := chain.Seal(&l.head, kind, body, l.now)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.head.Add(e); err != nil {
		l.t.Fatal(err)
	}
	l.all = append(l.all, e)
	return l.head.Size - 1
}

func (l *log) order(d protocol.Document, level protocol.Level, signers ...protocol.PersonID) []byte {
	l.orders++
	raw := l.town.Compose(d, signers...)
	envelope := l.town.Envelope(l.orders, raw)
	l.write(protocol.KindOrder, protocol.Order{Number: l.orders, Kind: d.Kind(), ID: d.Head().ID, Level: level, Document: string(raw), Envelope: protocol.HashOf(envelope), Note: string(envelope)})
	return raw
}

// lastOrder is the document of the newest order.
func (l *log) lastOrder() []byte {
	var o protocol.Order
	if err := chain.ParseBody(l.all[len(l.all)-1].Body, &o); err != nil {
		l.t.Fatal(err)
	}
	return []byte(o.Document)
}

// read is the account of the log, for a reader with these roots.
func (l *log) read(roots protocol.Roots) *access.Account {
	a := access.NewAccount(roots)
	for _, e := range l.all {
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			l.t.Fatal(err)
		}
		a.Read(h, e.Body)
	}
	return a
}

// I13: that a log was resumed stands on the privacy officer's order too, and ends the release grants that came before.
func TestI13_ResumptionIsHeldAgainstItsOrder(t *testing.T) {
	for name, c := range map[string]struct {
		centre    bool // level centre, and no key of the officer in the roster
		signers   []protocol.PersonID
		log       uint64
		unordered bool
		wrong     string
	}{
		"signed by the officer":           {signers: []protocol.PersonID{protocoltest.Officer}, log: 2},
		"on the centre's word, as agreed": {centre: true, log: 2},
		"signed by an approver":           {signers: []protocol.PersonID{protocoltest.Approver}, log: 2, wrong: "has not signed"},
		"an order for another log":        {signers: []protocol.PersonID{protocoltest.Officer}, log: 3, wrong: "is for log 2"},
		"no order":                        {signers: []protocol.PersonID{protocoltest.Officer}, log: 2, unordered: true, wrong: "stands nowhere before"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t, c.centre)
			doc := l.town.Compose(l.town.Resume("r-2", 2), c.signers...)
			if !c.unordered {
				level := protocol.LevelPersons
				if c.centre {
					level = protocol.LevelCentre
				}
				l.order(l.town.Resume("r-1", 2), level, c.signers...)
				doc = l.lastOrder() // as it was signed: a passkey signs the same text differently each time
			}
			l.write(protocol.KindResumed, protocol.Resumed{Log: c.log, Document: string(doc)})
			l.write(protocol.KindIntent, l.grants["g-release"])
			a := l.read(l.town.Roots)
			if len(a.Resumed) != 1 || a.Resumed[0].Log != c.log || (a.Resumed[0].Wrong == nil) != (c.wrong == "") || c.wrong != "" && !strings.Contains(a.Resumed[0].Wrong.EN, c.wrong) || a.Resumed[0].Unsure != nil {
				t.Errorf("%+v; want wrong: %q", a.Resumed, c.wrong)
			}
			if n := len(a.Accesses); n != 1 || a.Accesses[0].Wrong == nil || !strings.Contains(a.Accesses[0].Wrong.EN, "before the log was resumed") {
				t.Errorf("a release under a grant from before: %+v", a.Accesses)
			}
			if c.wrong == "" {
				if b := l.read(nil); b.Resumed[0].Wrong != nil || b.Resumed[0].Unsure == nil {
					t.Errorf("without root keys: %+v", b.Resumed)
				}
			}
		})
	}
}

// I12: a grant serves only its camera, interval, purpose, recipient and time, and whoever has the log sees that it did.
func TestI12_EachAccessIsHeldAgainstItsGrant(t *testing.T) {
	for name, c := range map[string]struct {
		kind   string
		grant  protocol.GrantID
		change func(l *log, a *protocol.Access)
		wrong  string // empty: in order
	}{
		"released":          {protocol.KindIntent, "g-release", nil, ""},
		"played back":       {protocol.KindView, "g-view", nil, ""},
		"looked back":       {protocol.KindView, "g-standing", nil, ""},
		"no such grant":     {protocol.KindView, "g-view", func(_ *log, a *protocol.Access) { a.Grant = "g-x" }, "stands nowhere before"},
		"another document":  {protocol.KindView, "g-view", func(_ *log, a *protocol.Access) { a.Document = protocol.HashOf(nil) }, "another grant"},
		"another camera":    {protocol.KindView, "g-view", func(_ *log, a *protocol.Access) { a.Camera = "plein" }, "is for camera hal"},
		"another person":    {protocol.KindView, "g-view", func(_ *log, a *protocol.Access) { a.Person = "p-admin" }, "for someone else"},
		"another request":   {protocol.KindIntent, "g-release", func(_ *log, a *protocol.Access) { a.Request = "z-9" }, "another request"},
		"another key":       {protocol.KindIntent, "g-release", func(_ *log, a *protocol.Access) { a.Recipient = "age1mine" }, "another key"},
		"another level":     {protocol.KindIntent, "g-release", func(_ *log, a *protocol.Access) { a.Level = protocol.LevelCentre }, "of level persons"},
		"more":              {protocol.KindView, "g-view", func(_ *log, a *protocol.Access) { a.Interval.To = a.Interval.To.Add(time.Minute) }, "outside that of grant"},
		"too late":          {protocol.KindIntent, "g-release", func(l *log, _ *protocol.Access) { l.now = l.now.Add(protocol.ReleaseGrantTerm) }, "was not in force"},
		"viewed to release": {protocol.KindIntent, "g-view", func(_ *log, a *protocol.Access) { a.How = "release" }, "another act"},
		"released to view":  {protocol.KindView, "g-release", func(_ *log, a *protocol.Access) { a.How = "playback" }, "another act"},
		"says another act":  {protocol.KindView, "g-view", func(_ *log, a *protocol.Access) { a.How = "release" }, "another act"},
		"looked further":    {protocol.KindView, "g-standing", func(l *log, _ *protocol.Access) { l.now = l.now.Add(20 * time.Minute) }, "further than PT15M"},
		"used twice": {protocol.KindIntent, "g-release", func(l *log, a *protocol.Access) {
			l.write(protocol.KindReleased, protocol.Released{Grant: a.Grant, Request: a.Request, Camera: a.Camera, Intent: l.write(protocol.KindIntent, *a)})
		}, "was used before"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t, false)
			a := l.grants[c.grant]
			if c.change != nil {
				c.change(l, &a)
			}
			seq := l.write(c.kind, a)
			accesses := l.read(l.town.Roots).Accesses
			x := accesses[len(accesses)-1]
			switch {
			case x.Entry != seq || x.Unsure != nil:
				t.Errorf("%+v", x)
			case c.wrong == "" && (x.Wrong != nil || x.Accepted == 0):
				t.Errorf("in order, and said to be wrong: %+v", x.Wrong)
			case c.wrong != "" && (x.Wrong == nil || !strings.Contains(x.Wrong.EN, c.wrong) || x.Wrong.NL == ""):
				t.Errorf("want %q, have %+v", c.wrong, x.Wrong)
			}
		})
	}
}

func TestGrantThatDoesNotCountAllowsNothing(t *testing.T) {
	wrong := func(name string, l *log, roots protocol.Roots, id protocol.GrantID, want string) {
		t.Helper()
		l.write(protocol.KindIntent, l.grants[id])
		if x := l.read(roots).Accesses[0]; x.Wrong == nil || !strings.Contains(x.Wrong.EN, want) {
			t.Errorf("%s: %+v %+v", name, x.Wrong, x.Unsure)
		}
	}
	l := newLog(t, false)
	wrong("other roots", l, protocoltest.NewTown(t, start).Roots, "g-release", "not signed by the root keys")

	l = newLog(t, false)
	g := l.grant("g-unsigned", protocol.UseRelease)
	raw := l.order(g, protocol.LevelPersons, protocoltest.Handler)
	a := l.grants["g-release"]
	a.Grant, a.Document = "g-unsigned", protocol.HashOf(raw)
	l.grants["g-unsigned"] = a
	wrong("without the approver", l, l.town.Roots, "g-unsigned", "p-approver has not signed")

	l = newLog(t, true)
	l.orders++
	raw = l.town.Compose(l.grant("g-forged", protocol.UseRelease))
	a = l.grants["g-release"]
	a.Grant, a.Document = "g-forged", protocol.HashOf(raw)
	l.grants["g-forged"] = a
	envelope := protocoltest.NewTown(t, start).Envelope(l.orders, raw)
	l.write(protocol.KindOrder, protocol.Order{Number: l.orders, Kind: "grant", ID: "g-forged", Level: protocol.LevelCentre, Document: string(raw), Envelope: protocol.HashOf(envelope), Note: string(envelope)})
	wrong("in an envelope of somebody else", l, l.town.Roots, "g-forged", "not signed by order key")

	for name, c := range map[string]struct {
		number   uint64 // of the entry
		envelope func(*protocol.Envelope)
		want     string
	}{
		"in an envelope to another recorder":  {9, func(e *protocol.Envelope) { e.Recorder = "rec-9" }, "order 9 for recorder rec-9"},
		"in an envelope of another number":    {8, func(*protocol.Envelope) {}, "order 9 for recorder"},
		"in an envelope of another document":  {9, func(e *protocol.Envelope) { e.Document = l.town.Compose(l.grant("g-other", protocol.UseRelease)) }, "carries another document"},
		"signed by nobody, and said to be so": {0, nil, "calls it level persons, its signatures give centre"},
	} {
		l = newLog(t, true)
		raw := l.town.Compose(l.grant("g-loose", protocol.UseRelease))
		o := protocol.Order{Number: c.number, Kind: "grant", ID: "g-loose", Level: protocol.LevelPersons, Document: string(raw)}
		if c.envelope != nil {
			envelope := l.town.Envelope(9, raw, c.envelope)
			o.Level, o.Envelope, o.Note = protocol.LevelCentre, protocol.HashOf(envelope), string(envelope)
		}
		l.write(protocol.KindOrder, o)
		a := l.grants["g-release"]
		a.Grant, a.Document, a.Level = "g-loose", protocol.HashOf(raw), o.Level
		l.grants["g-loose"] = a
		wrong(name, l, l.town.Roots, "g-loose", c.want)
	}

	l = newLog(t, false)
	l.now = start.AddDate(2, 0, 0)
	l.give(l.grant("g-late", protocol.UseRelease), false)
	wrong("under a roster whose term is over", l, l.town.Roots, "g-late", "roster")

	l = newLog(t, false)
	seq := l.write(protocol.KindReleased, protocol.Released{Grant: "g-release", Camera: "hal", Intent: 3})
	if x := l.read(l.town.Roots).Accesses[0]; x.Entry != seq || x.Wrong == nil || !strings.Contains(x.Wrong.EN, "without the intent") {
		t.Errorf("released without an intent: %+v", x)
	}
}

func TestWhatCannotBeKnownIsNotCalledWrong(t *testing.T) {
	unsure := func(name string, a *access.Account, want string) {
		t.Helper()
		if x := a.Accesses[0]; x.Wrong != nil || x.Unsure == nil || !strings.Contains(x.Unsure.EN, want) {
			t.Errorf("%s: %+v %+v", name, x.Wrong, x.Unsure)
		}
	}
	l := newLog(t, false)
	seq := l.write(protocol.KindView, l.grants["g-view"])
	unsure("no roots", l.read(nil), "Without root keys")
	body := l.all[4].Body // the order that brought it
	l.all[4].Body = nil
	unsure("the order's body is gone", l.read(l.town.Roots), "1 entries' bodies are gone")
	l.all[4].Body, l.all[seq].Body = body, nil
	unsure("the access's body is gone", l.read(l.town.Roots), "destroyed or cannot be read")
	// That access had its term; one without a grant after it is no less wrong, however old the log: orders stay as long as it does.
	orphan := l.grants["g-view"]
	orphan.Grant = "g-nowhere"
	l.write(protocol.KindView, orphan)
	if x := l.read(l.town.Roots).Accesses[1]; x.Wrong == nil || !strings.Contains(x.Wrong.EN, "stands nowhere") {
		t.Errorf("without a grant, behind an access whose body had its term: %+v", x)
	}

	l = newLog(t, true)
	l.write(protocol.KindIntent, l.grants["g-release"])
	if x := l.read(l.town.Roots).Accesses[0]; x.Wrong != nil || x.Unsure != nil {
		t.Errorf("level centre with its envelope: %+v %+v", x.Wrong, x.Unsure)
	}
	l = newLog(t, true)
	raw := l.town.Compose(l.grant("g-bare", protocol.UseRelease))
	l.write(protocol.KindOrder, protocol.Order{Number: 9, Kind: "grant", ID: "g-bare", Level: protocol.LevelCentre, Document: string(raw)})
	a := l.grants["g-release"]
	a.Grant, a.Document = "g-bare", protocol.HashOf(raw)
	l.write(protocol.KindIntent, a)
	unsure("level centre without its envelope", l.read(l.town.Roots), "only the recorder states")
}
