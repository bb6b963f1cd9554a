// Package access judges, from a recorder's log alone, whether each access to footage stands on a grant (invariants 9 and 12).
//
// An access is a release.intent or an access.view entry. What allows it must stand before it in the same log: an order.accepted entry with a grant for this camera, interval, person, recipient and
// act, in force at that moment, signed by (or vouched for) a handler and an approver who were on the roster for the camera's regime; and the roster was signed by the root keys that the
// reader brings. Without root keys nobody knows who might sign anything, and the account says so.
//
// Where the log was put back and goes on as its own successor, that stands on an order of the privacy officer in the same way; no release under a grant from before it does.
//
// What it cannot see: a recorder that reads without writing (it has then lied by silence), and whether a request deserved its grant.
package access

import (
	"errors"
	"fmt"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Kinds are those of the entries an [Account] must be given.
var Kinds = []string{protocol.KindOpened, protocol.KindOrder, protocol.KindIntent, protocol.KindView, protocol.KindReleased, protocol.KindResumed}

// Account is what a recorder's log says of its accesses. Give it the entries of [Kinds] in order, from the first; one goroutine at a time.
type Account struct {
	Accesses []Access
	Resumed  []Resumption
	Unread   uint64 // orders whose body is gone or not understood: the grant of an access may have stood there

	roots   protocol.Roots // nil: none were brought
	roster  *protocol.Roster
	noRoots error // why there is no roster
	regimes map[protocol.CameraID]protocol.Regime
	grants  map[protocol.GrantID]*grant
	intents map[uint64]protocol.GrantID // by their entry
	done    map[protocol.GrantID]uint64 // entry of its release.done
	resumes map[protocol.Hash]*resume   // by their document
}

// Access is one, beside what allowed it.
type Access struct {
	Entry uint64        `json:"entry"`
	At    protocol.Time `json:"at"`
	protocol.Access
	Accepted uint64 `json:"accepted,omitempty"` // entry of its grant; 0: none is known

	Wrong  *Words `json:"wrong,omitempty"`  // no grant allows it; nil otherwise
	Unsure *Words `json:"unsure,omitempty"` // nothing is wrong, but the log does not show that a grant allows it
}

// Resumption is where the log went on as its own successor, beside the order that allowed it.
type Resumption struct {
	Entry   uint64            `json:"entry"`
	At      protocol.Time     `json:"at"`
	Log     uint64            `json:"log"` // the successor's number
	Officer protocol.PersonID `json:"officer,omitempty"`
	Level   protocol.Level    `json:"level,omitempty"` // persons: the officer signed; centre: only the centre vouches for them; empty: it is not shown

	Wrong  *Words `json:"wrong,omitempty"`  // no order of the privacy officer allows it; nil otherwise
	Unsure *Words `json:"unsure,omitempty"` // nothing is wrong, but the log does not show that one does
}

type resume struct {
	*protocol.Resume
	level protocol.Level
	why   error
	loose *Words
}

// Words is a sentence in Dutch and English.
type Words struct {
	NL string `json:"nl"`
	EN string `json:"en"`
}

func words(nl, en string, args ...any) *Words {
	return &Words{fmt.Sprintf(nl, args...), fmt.Sprintf(en, args...)}
}

type grant struct {
	*protocol.Grant
	entry uint64
	hash  protocol.Hash
	level protocol.Level
	why   error  // it does not count
	loose *Words // it counts, but not all of it is shown
}

// NewAccount begins an account. roots are the root keys the reader brought, or none.
func NewAccount(roots protocol.Roots) *Account {
	return &Account{roots: roots, noRoots: errors.New("no log.opened entry says who may sign"), regimes: map[protocol.CameraID]protocol.Regime{}, grants: map[protocol.GrantID]*grant{},
		intents: map[uint64]protocol.GrantID{}, done: map[protocol.GrantID]uint64{}, resumes: map[protocol.Hash]*resume{}}
}

// Read takes the next entry; a nil body is one that was destroyed.
func (a *Account) Read(h chain.Header, body []byte) {
	read := func(v any) bool {
		ok := body != nil && chain.ParseBody(body, v) == nil
		if !ok && (h.Kind == protocol.KindOpened || h.Kind == protocol.KindOrder) { // the others have a term, and no grant stands in them
			a.Unread++
		}
		return ok
	}
	switch h.Kind {
	case protocol.KindOpened:
		var o protocol.Opened
		if read(&o) {
			a.takeRoster([]byte(o.Roster))
		}
	case protocol.KindOrder:
		var o protocol.Order
		if read(&o) {
			a.take(h, o)
		}
	case protocol.KindIntent, protocol.KindView:
		x := Access{Entry: h.Seq, At: h.Time}
		if read(&x.Access) {
			x.Wrong, x.Unsure = a.judge(&x, h)
		} else {
			x.Unsure = words("Van deze inzage is de inhoud vernietigd of niet te lezen.", "The body of this access was destroyed or cannot be read.")
		}
		if h.Kind == protocol.KindIntent {
			a.intents[h.Seq] = x.Grant
		}
		a.Accesses = append(a.Accesses, x)
	case protocol.KindReleased:
		var r protocol.Released
		if !read(&r) {
			return
		}
		if g, ok := a.intents[r.Intent]; !ok || g != "" && g != r.Grant {
			a.Accesses = append(a.Accesses, Access{Entry: h.Seq, At: h.Time, Access: protocol.Access{How: "release", Grant: r.Grant, Request: r.Request, Camera: r.Camera},
				Wrong: words("Beelden zijn verstrekt zonder dat het voornemen eerst was vastgelegd.", "Footage was released without the intent having been journalled first.")})
		}
		a.done[r.Grant] = h.Seq
	case protocol.KindResumed:
		var b protocol.Resumed
		if read(&b) {
			a.Resumed = append(a.Resumed, a.resumed(h, b))
		}
	}
}

// resumed puts a resumption beside its order.
func (a *Account) resumed(h chain.Header, b protocol.Resumed) Resumption {
	x := Resumption{Entry: h.Seq, At: h.Time, Log: b.Log}
	r := a.resumes[protocol.HashOf([]byte(b.Document))]
	switch {
	case r == nil:
		x.Wrong = words("De opdracht daartoe staat nergens voor deze regel in het journaal.", "The order for it stands nowhere before this entry in the log.")
		return x
	case r.why != nil:
		x.Wrong = words("De opdracht daartoe telt niet: %v.", "The order for it does not count: %v.", r.why)
	case r.Log != b.Log:
		x.Wrong = words("De opdracht daartoe is voor logboek %d.", "The order for it is for log %d.", r.Log)
	case len(a.roots) == 0:
		x.Unsure = words("Zonder hoofdsleutels is niet na te gaan wie mocht tekenen.", "Without root keys it cannot be known who might sign.")
	default:
		x.Unsure = r.loose
	}
	if x.Officer = r.Officer; x.Wrong == nil && len(a.roots) > 0 {
		x.Level = r.level // as the signatures give it
	}
	return x
}

// takeRoster makes a roster the one in force, if the roots signed it.
func (a *Account) takeRoster(raw []byte) {
	if len(a.roots) == 0 {
		return
	}
	r, err := protocol.OpenRoster(raw, a.roots)
	if err != nil {
		a.noRoots = err
		return
	}
	a.roster = r
}

func (a *Account) take(h chain.Header, o protocol.Order) {
	s, err := protocol.ParseDocument([]byte(o.Document))
	if err != nil {
		a.Unread++
		return
	}
	switch d := s.Document.(type) {
	case *protocol.Roster:
		a.takeRoster(s.Raw)
	case *protocol.Mandate:
		a.regimes[d.Camera] = d.Regime
	case *protocol.Grant:
		if a.grants[d.GrantID()] != nil {
			return // written twice: the first time the journal failed, or seemed to
		}
		g := &grant{Grant: d, entry: h.Seq, hash: s.Hash(), level: o.Level}
		if len(a.roots) > 0 {
			g.why, g.loose = a.vouched(s, d.Regime, o, h.Time.Time)
		}
		a.grants[d.GrantID()] = g
	case *protocol.Resume:
		r := &resume{Resume: d, level: o.Level}
		if len(a.roots) > 0 {
			r.why, r.loose = a.vouched(s, "", o, h.Time.Time)
		}
		a.resumes[s.Hash()] = r
	}
}

// vouched says what keeps a document that persons sign from counting, or from being shown to count. regime is what it says itself, where its camera's is not known.
func (a *Account) vouched(s protocol.Signed, regime protocol.Regime, o protocol.Order, at time.Time) (error, *Words) {
	if a.roster == nil {
		return fmt.Errorf("the roster is not signed by the root keys: %w", a.noRoots), nil
	}
	if err := a.roster.Current(at); err != nil {
		return err, nil
	}
	if g, ok := s.Document.(*protocol.Grant); ok {
		if known, ok := a.regimes[g.Camera]; ok {
			regime = known
		}
	}
	level, err := a.roster.Authorise(s, regime)
	switch {
	case err != nil:
		return err, nil
	case level != o.Level:
		return fmt.Errorf("the entry calls it level %s, its signatures give %s", o.Level, level), nil
	case level == protocol.LevelPersons:
		return nil, nil
	case o.Note == "":
		return nil, words("De handtekening van de centrale onder document %s staat niet in het journaal; alleen de recorder verklaart dat zij die zag.",
			"The centre's signature on document %s is not in the log; only the recorder states that it saw it.", s.Head().ID)
	}
	key, err := protocol.NewVerifier(a.roster.OrderKey)
	if err != nil {
		return err, nil
	}
	e, err := protocol.OpenEnvelope([]byte(o.Note), key)
	if err == nil && (e.Recorder != s.Head().Recorder || string(e.Document) != string(s.Raw) || e.Number != o.Number) {
		err = fmt.Errorf("its envelope is order %d for recorder %s, or carries another document", e.Number, e.Recorder)
	}
	return err, nil
}

// judge puts an access beside its grant.
func (a *Account) judge(x *Access, h chain.Header) (wrong, unsure *Words) {
	g := a.grants[x.Grant]
	if g == nil && a.Unread > 0 {
		return nil, words("Toestemming %s staat niet in het journaal, maar van %d regels is de inhoud vernietigd of niet te lezen.", "Grant %s is not in the log, but %d entries' bodies are gone or cannot be read.", x.Grant, a.Unread)
	}
	if g == nil {
		return words("Toestemming %s staat nergens voor deze regel in het journaal.", "Grant %s stands nowhere before this entry in the log.", x.Grant), nil
	}
	x.Accepted = g.entry
	act := protocol.UseRelease
	if h.Kind == protocol.KindView {
		act = g.Use // either of the two that allow viewing
	}
	switch {
	case g.why != nil:
		wrong = words("Toestemming %s (regel %d) telt niet: %v.", "Grant %s (entry %d) does not count: %v.", x.Grant, g.entry, g.why)
	case x.Document != g.hash:
		wrong = words("Deze regel noemt een andere toestemming %s dan regel %d.", "This entry cites another grant %s than entry %d.", x.Grant, g.entry)
	case g.Camera != x.Camera:
		wrong = words("Toestemming %s is voor camera %s.", "Grant %s is for camera %s.", x.Grant, g.Camera)
	case g.Request != x.Request || g.Requester != x.Person:
		wrong = words("Toestemming %s is voor een ander of een andere aanvraag.", "Grant %s is for someone else or another request.", x.Grant)
	case g.Recipient != x.Recipient:
		wrong = words("Er is gelezen voor een andere sleutel dan toestemming %s noemt.", "It was read for another key than grant %s names.", x.Grant)
	case g.level != x.Level:
		wrong = words("Toestemming %s is van niveau %s, niet %s.", "Grant %s is of level %s, not %s.", x.Grant, g.level, x.Level)
	case g.Valid(h.Time.Time) != nil:
		wrong = words("Toestemming %s gold toen niet: %v.", "Grant %s was not in force then: %v.", x.Grant, g.Valid(h.Time.Time))
	case g.Use != act || h.Kind == protocol.KindView && g.Use == protocol.UseRelease || (x.How == "release") != (h.Kind == protocol.KindIntent):
		wrong = words("Toestemming %s is voor een andere handeling (%s).", "Grant %s is for another act (%s).", x.Grant, g.Use)
	case g.Use == protocol.UseStanding && !x.Interval.IsZero() && x.Interval.From.Before(h.Time.Add(-protocol.LookBack-time.Minute)):
		wrong = words("Er is verder teruggekeken dan %s.", "It looked back further than %s.", protocol.Window(protocol.LookBack))
	case g.Use != protocol.UseStanding && !g.Interval.Contains(x.Interval):
		wrong = words("Het tijdvak valt buiten dat van toestemming %s.", "The interval is outside that of grant %s.", x.Grant)
	case h.Kind == protocol.KindIntent && len(a.Resumed) > 0 && g.entry < a.Resumed[len(a.Resumed)-1].Entry:
		wrong = words("Toestemming %s is van voor het logboek werd voortgezet (regel %d); zij kan al gebruikt zijn.", "Grant %s is of before the log was resumed (entry %d); it may have been used already.", x.Grant, a.Resumed[len(a.Resumed)-1].Entry)
	case h.Kind == protocol.KindIntent && a.done[x.Grant] > 0:
		wrong = words("Toestemming %s was al gebruikt (regel %d).", "Grant %s was used before (entry %d).", x.Grant, a.done[x.Grant])
	case len(a.roots) == 0:
		unsure = words("Zonder hoofdsleutels is niet na te gaan wie mocht tekenen.", "Without root keys it cannot be known who might sign.")
	default:
		unsure = g.loose
	}
	return wrong, unsure
}
