package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Document is one of *Roster, *Mandate, *Hold, *Lift, *Grant, *Erase, *Resume.
type Document interface {
	Kind() string
	Head() *Heading
	fields(*fields)
	check() error
}

// Heading is what every document says: its own id, the recorder it is for and its own term.
type Heading struct {
	ID        DocumentID
	Recorder  RecorderID
	NotBefore Time
	NotAfter  Time
}

func (h *Heading) Head() *Heading { return h }

func (h *Heading) fields(f *fields) {
	idField(f, "id", &h.ID)
	idField(f, "recorder", &h.Recorder)
}

func (h *Heading) term(f *fields) {
	timeField(f, "not-before", &h.NotBefore)
	timeField(f, "not-after", &h.NotAfter)
}

func (h *Heading) check() error {
	if !h.NotBefore.Before(h.NotAfter.Time) {
		return fmt.Errorf("term %s to %s: must end after it starts", h.NotBefore, h.NotAfter)
	}
	return nil
}

// Valid says whether now is within the document's own term.
func (h *Heading) Valid(now time.Time) error {
	switch {
	case now.Before(h.NotBefore.Time):
		return fmt.Errorf("not valid before %s; it is %s", h.NotBefore, T(now))
	case !now.Before(h.NotAfter.Time):
		return fmt.Errorf("expired at %s; it is %s", h.NotAfter, T(now))
	}
	return nil
}

// Roster says who may handle and approve for which regime, and whose signatures count. Signed by the offline roots, two of three, pinned at
// enrolment. Ceilings bound everything the centre may order.
type Roster struct {
	Heading
	Version      uint64
	Municipality string
	OrderKey     string   // the centre's order key, a verifier key
	LedgerKey    string   // the key of the centre's ledger checkpoints
	RecorderKey  string   // the recorder's own verifier key, so that a bag can be checked from the roots alone
	VaultKey     string   // age recipient of the centre's vault
	Officer      PersonID // the privacy officer
	OfficerKey   string   // of the officer's passkey; empty: the centre vouches for the officer. Once it is there nobody's word stands in for the officer's signature
	Witnesses    []string // cosignature verifier keys
	Quorum       uint64   // how many of them make a delivery
	LevelCentre  bool     // the envelope may vouch for handler and approver
	Handlers     []Seat
	Approvers    []Seat
	MaxWindow    Window
	MaxHold      Window
	HoldShare    uint64 // percent of the disk that holds may take
	Sound        string // SoundAllowed: mandates may allow sound. Empty, and left out of the text: none may

	// Ledger is where the recorder follows the centre's ledger from now on, whatever it saw of it before: how the roots put a centre right that lost part of its ledger. Zero, and left out
	// of the text: it goes on from what it saw.
	Ledger LedgerHead `json:",omitzero"`
}

// What is said of sound. It is off wherever nothing is said, and is recorded only where roster and mandate both allow it.
const (
	SoundNone    = "none"
	SoundAllowed = "allowed"
)

// Seat gives a person a task within one regime. Key is the person's passkey verifier, or empty while only level centre is used.
type Seat struct {
	Regime Regime
	Person PersonID
	Key    string
}

func (s Seat) String() string {
	return strings.TrimSpace(string(s.Regime) + " " + string(s.Person) + " " + s.Key)
}

func parseSeat(v string) (Seat, error) {
	parts := strings.Split(v, " ")
	if len(parts) < 2 || len(parts) > 3 {
		return Seat{}, fmt.Errorf("%q: want regime, person and perhaps a key", v)
	}
	s := Seat{Regime: Regime(parts[0]), Person: PersonID(parts[1])}
	if len(parts) == 3 {
		s.Key = parts[2]
		if _, err := NewVerifier(s.Key); err != nil {
			return Seat{}, err
		}
	}
	return s, errors.Join(s.Regime.Valid(), ValidID(s.Person))
}

func (*Roster) Kind() string { return "roster" }

func (r *Roster) fields(f *fields) {
	r.Heading.fields(f)
	numberField(f, "version", &r.Version)
	once(f, "municipality", &r.Municipality, parseString, formatString)
	once(f, "order-key", &r.OrderKey, parseString, formatString)
	once(f, "ledger-key", &r.LedgerKey, parseString, formatString)
	once(f, "recorder-key", &r.RecorderKey, parseString, formatString)
	once(f, "vault-key", &r.VaultKey, parseString, formatString)
	idField(f, "officer", &r.Officer)
	optional(f, "officer-key", &r.OfficerKey, parseString, formatString)
	many(f, "witness", &r.Witnesses, parseString, formatString)
	numberField(f, "quorum", &r.Quorum)
	once(f, "level-centre", &r.LevelCentre, func(s string) (bool, error) {
		v, err := oneOf("allowed", "refused")(s)
		return v == "allowed", err
	}, func(b bool) string {
		if b {
			return "allowed"
		}
		return "refused"
	})
	many(f, "handler", &r.Handlers, parseSeat, Seat.String)
	many(f, "approver", &r.Approvers, parseSeat, Seat.String)
	windowField(f, "max-window", &r.MaxWindow)
	windowField(f, "max-hold", &r.MaxHold)
	numberField(f, "hold-share", &r.HoldShare)
	optional(f, "sound", &r.Sound, oneOf(SoundAllowed), formatString)
	optional(f, "ledger", &r.Ledger, ParseLedgerHead, LedgerHead.String)
	r.term(f)
}

func (r *Roster) check() error {
	if r.Quorum == 0 || r.Quorum > uint64(len(r.Witnesses)) {
		return fmt.Errorf("quorum %d of %d witnesses: must be at least one and at most all", r.Quorum, len(r.Witnesses))
	}
	keys := map[string]bool{}
	for _, w := range r.Witnesses {
		_, rest, _ := strings.Cut(w, "+") // name+hash+key
		_, key, _ := strings.Cut(rest, "+")
		if keys[key] {
			return fmt.Errorf("witness %s: the same key under two names would count twice", w)
		}
		keys[key] = true
	}
	if r.HoldShare > 100 {
		return fmt.Errorf("hold-share %d: percent of the disk, at most 100", r.HoldShare)
	}
	if err := ValidID(DocumentID(r.Municipality)); err != nil {
		return fmt.Errorf("municipality: %w", err)
	}
	if err := r.MaxWindow.Valid(); err != nil {
		return fmt.Errorf("max-window: %w", err)
	}
	if r.MaxHold.Duration() > MaxHold {
		return fmt.Errorf("max-hold %s: over %s (art. 126ni Sv)", r.MaxHold, Window(MaxHold))
	}
	for _, key := range []string{r.OrderKey, r.LedgerKey, r.RecorderKey} {
		if _, err := NewVerifier(key); err != nil {
			return err
		}
	}
	owner := map[string]PersonID{}
	if r.OfficerKey != "" {
		v, err := NewVerifier(r.OfficerKey)
		if err != nil {
			return fmt.Errorf("officer-key: %w", err)
		}
		if v.Name() != string(r.Officer) {
			return fmt.Errorf("officer-key: it is of %s, and %s is the privacy officer", v.Name(), r.Officer)
		}
		owner[r.OfficerKey] = r.Officer
	}
	for _, s := range slices.Concat(r.Handlers, r.Approvers) {
		if s.Person == r.Officer {
			return fmt.Errorf("%s is the privacy officer and cannot handle or approve (R8)", s.Person)
		}
		if p, ok := owner[s.Key]; ok && s.Key != "" && p != s.Person {
			return fmt.Errorf("%s and %s have the same key: one person would count as two (invariant 12)", p, s.Person)
		}
		owner[s.Key] = s.Person
	}
	return nil
}

func seat(seats []Seat, regime Regime, person PersonID) (Seat, bool) {
	i := slices.IndexFunc(seats, func(s Seat) bool { return s.Regime == regime && s.Person == person })
	if i < 0 {
		return Seat{}, false
	}
	return seats[i], true
}

// Mandate says that a camera may be recorded, how long its footage stays and until when; its term is the term of the besluit. A camera id
// never changes regime. A longer window never lengthens existing footage.
type Mandate struct {
	Heading
	Camera      CameraID
	Regime      Regime
	Version     uint64
	Streams     []StreamID
	Window      Window
	LongestHold Window
	Sound       string // SoundNone or SoundAllowed
	Hours       string // "always"
	Besluit     string // reference of the decision behind the placement
	Protocol    string // the camera protocol and its version
	Approvers   []PersonID
}

func (*Mandate) Kind() string { return "mandate" }

func (m *Mandate) fields(f *fields) {
	m.Heading.fields(f)
	idField(f, "camera", &m.Camera)
	once(f, "regime", &m.Regime, oneOf(AVG, WPG), formatString)
	numberField(f, "version", &m.Version)
	many(f, "stream", &m.Streams, parseID[StreamID], formatString)
	windowField(f, "window", &m.Window)
	windowField(f, "longest-hold", &m.LongestHold)
	once(f, "sound", &m.Sound, oneOf(SoundNone, SoundAllowed), formatString)
	once(f, "hours", &m.Hours, oneOf("always"), formatString)
	once(f, "besluit", &m.Besluit, parseString, formatString)
	once(f, "protocol", &m.Protocol, parseString, formatString)
	many(f, "approver", &m.Approvers, parseID[PersonID], formatString)
	m.term(f)
}

func (m *Mandate) check() error {
	if len(m.Streams) == 0 {
		return errors.New("no stream: a mandate names what may be recorded")
	}
	if m.LongestHold.Duration() > MaxHold {
		return fmt.Errorf("longest-hold %s: over %s (art. 126ni Sv)", m.LongestHold, Window(MaxHold))
	}
	return m.Window.Valid()
}

// Hold keeps exactly this interval until End, which is counted from the first hold on that footage.
type Hold struct {
	Heading   // ID is the hold's id
	Camera    CameraID
	Request   RequestID
	Asked     Interval
	Ground    Ground
	End       Time
	Approvers []PersonID // two, where End lies beyond MaxHoldSingle
}

func (*Hold) Kind() string     { return "hold" }
func (h *Hold) HoldID() HoldID { return HoldID(h.ID) }

func (h *Hold) fields(f *fields) {
	h.Heading.fields(f)
	idField(f, "camera", &h.Camera)
	idField(f, "request", &h.Request)
	intervalField(f, "asked", &h.Asked)
	once(f, "ground", &h.Ground, func(s string) (Ground, error) { return Ground(s), Ground(s).Valid() }, formatString)
	timeField(f, "end", &h.End)
	many(f, "approver", &h.Approvers, parseID[PersonID], formatString)
	h.term(f)
}

func (h *Hold) check() error {
	if !h.Asked.To.Before(h.End.Time) {
		return fmt.Errorf("end %s: not after the footage it holds (%s)", h.End, h.Asked)
	}
	return nil
}

// Lift ends a hold before its end.
type Lift struct {
	Heading
	Camera   CameraID
	Hold     HoldID
	Reason   LiftReason
	Handler  PersonID // with Approver where Reason needs persons
	Approver PersonID
}

// LiftReason is why a hold is lifted early. After a full release the envelope suffices; otherwise handler and approver must say so.
type LiftReason string

const (
	LiftReleased  LiftReason = "released"
	LiftRefused   LiftReason = "refused"
	LiftWithdrawn LiftReason = "withdrawn"
)

func (*Lift) Kind() string { return "lift" }

func (l *Lift) fields(f *fields) {
	l.Heading.fields(f)
	idField(f, "camera", &l.Camera)
	idField(f, "hold", &l.Hold)
	once(f, "reason", &l.Reason, oneOf(LiftReleased, LiftRefused, LiftWithdrawn), formatString)
	optional(f, "handler", &l.Handler, parseID[PersonID], formatString)
	optional(f, "approver", &l.Approver, parseID[PersonID], formatString)
	l.term(f)
}

func (l *Lift) check() error {
	byOrder := l.Reason == LiftReleased && l.Handler == "" && l.Approver == ""
	if !byOrder && (l.Handler == "" || l.Approver == "" || l.Handler == l.Approver) {
		return fmt.Errorf("reason %s: needs a handler and another approver", l.Reason)
	}
	return nil
}

// Use is what a grant permits.
type Use string

const (
	UseRelease  Use = "release"  // one bag, once, within ReleaseGrantTerm
	UseView     Use = "view"     // playback of exactly Interval
	UseStanding Use = "standing" // look back at most LookBack, many times, each with a reason; at most StandingGrantTerm
)

// Grant is permission to release or view exactly this, for this request, to this recipient.
type Grant struct {
	Heading
	Camera    CameraID
	Regime    Regime
	Request   RequestID
	Use       Use
	Asked     Interval // as requested; zero for a standing grant
	Interval  Interval // rounded outward to whole segments: what was approved and will be released
	Purpose   string
	Requester PersonID
	Handler   PersonID
	Approver  PersonID
	Recipient string // release: an age recipient; otherwise the viewer's public key "p256:<base64url of the compressed point>"
}

func (*Grant) Kind() string       { return "grant" }
func (g *Grant) GrantID() GrantID { return GrantID(g.ID) }

func (g *Grant) fields(f *fields) {
	g.Heading.fields(f)
	idField(f, "camera", &g.Camera)
	once(f, "regime", &g.Regime, oneOf(AVG, WPG), formatString)
	idField(f, "request", &g.Request)
	once(f, "use", &g.Use, oneOf(UseRelease, UseView, UseStanding), formatString)
	optional(f, "asked", &g.Asked, ParseInterval, Interval.String)
	optional(f, "interval", &g.Interval, ParseInterval, Interval.String)
	once(f, "purpose", &g.Purpose, parseString, formatString)
	idField(f, "requester", &g.Requester)
	idField(f, "handler", &g.Handler)
	idField(f, "approver", &g.Approver)
	once(f, "recipient", &g.Recipient, parseString, formatString)
	g.term(f)
}

func (g *Grant) check() error {
	longest := ReleaseGrantTerm
	if g.Use == UseStanding {
		longest = StandingGrantTerm
		if !g.Asked.IsZero() || !g.Interval.IsZero() {
			return errors.New("a standing grant has no interval")
		}
	} else {
		if g.Asked.IsZero() || g.Interval.IsZero() || !g.Interval.Contains(g.Asked) {
			return fmt.Errorf("interval %s must contain what was asked, %s", g.Interval, g.Asked)
		}
	}
	if term := g.NotAfter.Sub(g.NotBefore.Time); term > longest {
		return fmt.Errorf("term of %s: a %s grant lasts at most %s", term, g.Use, longest)
	}
	if g.Requester == g.Handler || g.Requester == g.Approver || g.Handler == g.Approver {
		return fmt.Errorf("requester %s, handler %s and approver %s must be three different people (invariant 12)", g.Requester, g.Handler, g.Approver)
	}
	return nil
}

// Erase destroys unlawful footage before its window: every segment that touches Interval, so rounded outward to whole segments. Two approvers sign it. It is refused while
// a hold stands on any of it: competing holds are decided first (DESIGN section 4, Orders).
type Erase struct {
	Heading
	Camera    CameraID
	Interval  Interval // of what was recorded: what is still to come is ended by a mandate
	Ground    EraseGround
	Dossier   DossierID // where it was found unlawful, in the centre's ledger
	Approvers []PersonID
}

func (*Erase) Kind() string { return "erase" }

func (e *Erase) fields(f *fields) {
	e.Heading.fields(f)
	idField(f, "camera", &e.Camera)
	intervalField(f, "interval", &e.Interval)
	once(f, "ground", &e.Ground, func(s string) (EraseGround, error) { return EraseGround(s), EraseGround(s).Valid() }, formatString)
	idField(f, "dossier", &e.Dossier)
	many(f, "approver", &e.Approvers, parseID[PersonID], formatString)
	e.term(f)
}

func (e *Erase) check() error {
	if len(e.Approvers) != 2 || e.Approvers[0] == e.Approvers[1] {
		return fmt.Errorf("approvers %v: two different approvers sign the destruction of footage", e.Approvers)
	}
	return nil
}

// Resume lets a recorder whose log its witnesses do not follow, since it was rolled back or forked, go on under a successor of that log: the entries that it has, under the next number
// (see [LogOrigin]). Only the privacy officer signs it. Nothing that the witnesses have of the log before is taken back by it; release grants that the recorder still had open
// end, since what became of them may be in what it lost (DESIGN section 4, Orders; invariant 13).
type Resume struct {
	Heading
	Log       uint64     // number of the successor: one more than that of the log
	Witnessed LedgerHead // what the centre's witness has of the log before: it stays on record
	Officer   PersonID
}

func (*Resume) Kind() string { return "resume" }

func (r *Resume) fields(f *fields) {
	r.Heading.fields(f)
	numberField(f, "log", &r.Log)
	once(f, "witnessed", &r.Witnessed, ParseLedgerHead, LedgerHead.String)
	idField(f, "officer", &r.Officer)
	r.term(f)
}

func (r *Resume) check() error {
	if r.Log < 2 {
		return fmt.Errorf("log %d: the first log succeeds none", r.Log)
	}
	return nil
}

var (
	_ Document = (*Roster)(nil)
	_ Document = (*Mandate)(nil)
	_ Document = (*Hold)(nil)
	_ Document = (*Lift)(nil)
	_ Document = (*Grant)(nil)
	_ Document = (*Erase)(nil)
	_ Document = (*Resume)(nil)
)

func newDocument(kind string) Document {
	switch kind {
	case "roster":
		return &Roster{}
	case "mandate":
		return &Mandate{}
	case "hold":
		return &Hold{}
	case "lift":
		return &Lift{}
	case "grant":
		return &Grant{}
	case "erase":
		return &Erase{}
	case "resume":
		return &Resume{}
	}
	return nil
}
