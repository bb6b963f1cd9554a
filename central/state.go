package central

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// State is the centre as its ledger tells it. The zero State is an empty ledger's. Only Apply changes it; it is not safe for concurrent
// use (ledger.Book guards it). What read methods return is shared with the State: look, keep copies of values if you like, never change.
type State struct {
	Municipality string
	Size         uint64 // events applied

	people      map[protocol.PersonID]*Person
	units       map[string]*Unit
	agreements  map[string]*Dealings // with each unit
	advice      map[About]*Counselled
	advised     []About // in the order of their first question or advice
	toCollege   []*CollegeReport
	statements  []*Statement
	recorders   map[protocol.RecorderID]*Recorder
	protocols   []*CameraProtocol
	drafts      map[string]*ProtocolDraft // by the protocol's id
	adoptions   map[ProtocolRef]Moment
	read        map[protocol.PersonID]map[ProtocolRef]protocol.Time // acknowledged
	placements  map[protocol.CameraID]*Placement
	requests    map[protocol.RequestID]*Request
	order       []protocol.RequestID // of filing
	holds       map[protocol.HoldID]*Hold
	grants      map[protocol.GrantID]*Grant
	incidents   []*Incident
	subjects    []*SubjectRequest
	samples     []*Sample
	audits      []*Audit
	matters     []*Matter
	trainings   []TrainingFacts
	dpias       map[string]*Assessment
	controls    []ControlTable // adopted, oldest first
	clients     map[ClientID]*Client
	readings    []Read
	notebook    []Note
	decided     []protocol.RequestID // in the order of deciding
	mail        map[protocol.PersonID]*mailbox
	mailer      MailTaken // which centre mails
	signatures  []Signature
	seen        map[Source]bool // journal entries that have become events
	eraseOrders []*EraseOrder
	erasures    map[Dossier]*Erasure
	destroyed   []Destruction                   // oldest first: one a month or so
	bare        map[Dossier]bool                // dossiers with events from before there were keys
	gone        map[protocol.DocumentID]Dossier // holds and grants of which only that remains
	documents   uint64                          // issued so far: the number in the next document's id

	lists
}

// Post is a role held; Regime only for handler and approver.
type Post struct {
	Role   Role            `json:"role"`
	Regime protocol.Regime `json:"regime,omitempty"`
}

// Appointment is what is known of a person here: what they may do. Names live in central/identity.
type Appointment struct {
	Person  protocol.PersonID   `json:"person"`
	Posts   []Post              `json:"posts,omitempty"`
	Unit    string              `json:"unit,omitempty"`    // the chain partner's unit: requesters, and handlers and approvers for WPG
	Cameras []protocol.CameraID `json:"cameras,omitempty"` // staff: those assigned
	Until   protocol.Time       `json:"until,omitzero"`    // auditor: the end of the period
	Secrecy protocol.Time       `json:"secrecy,omitzero"`  // oath or signed statement: without it no municipal post is active (R17)
}

// Person is an appointment and since when.
type Person struct {
	Appointment
	Since protocol.Time
}

// Recorder is what the centre knows of one, and the orders it has issued to it.
type Recorder struct {
	ID        protocol.RecorderID
	Key       string // verifier key
	Origin    string
	Viewer    string
	Roots     protocol.Roots
	Roster    *protocol.Roster
	RosterRaw []byte
	Enrolled  protocol.Time
	Orders    []Order // by number, which only rises

	// Left out of what tests compare old ledgers by, where they are zero.
	Mark       Mark          `json:",omitzero"`
	Marked     protocol.Time `json:",omitzero"` // since when it has that mark; zero: it never had any
	MarkReason string        `json:",omitzero"`
	Given      *ShareGiven   `json:",omitzero"` // the last shares; nil: none were given
	GivenAt    protocol.Time `json:",omitzero"`

	Resumptions []*Resumption `json:",omitzero"` // of its log, oldest first

	foreign uint64 // the highest number that the recorder used for an order which is not ours
}

// SharesOver says whether the shares of a marked recorder are to be destroyed: of what it had recorded until then nothing may be kept any longer anywhere, and a recorder
// that is gone does not delete (AP: at most four weeks; see protocol.MaxWindow).
func (r *Recorder) SharesOver(now time.Time) bool {
	return r.Mark != InUse && !now.Before(r.Marked.Add(protocol.MaxWindow.Duration()))
}

// Order is the one issued under a number, or nil.
func (r *Recorder) Order(number uint64) *Order {
	i, found := slices.BinarySearchFunc(r.Orders, number, func(o Order, n uint64) int { return cmp.Compare(o.Number, n) })
	if !found {
		return nil
	}
	return &r.Orders[i]
}

// Next is the number of the next order: above all of ours, and above those that somebody else used up.
func (r *Recorder) Next() uint64 {
	last := r.foreign
	if n := len(r.Orders); n > 0 {
		last = max(last, r.Orders[n-1].Number)
	}
	return last + 1
}

// Order is one order issued to a recorder.
type Order struct {
	Recorder  protocol.RecorderID
	Number    uint64
	NotBefore protocol.Time
	NotAfter  protocol.Time
	Document  string
	Kind      string // of the document
	ID        protocol.DocumentID
	Issued    protocol.Time
	Refused   string // the recorder's reason
	Erased    bool   `json:",omitzero"` // with its dossier: Document says nothing any more, and uses the number up
}

// Point is a place, WGS 84, in ten-millionths of a degree: entries hold no fractions.
type Point struct {
	LatE7 int64 `json:"latE7"`
	LonE7 int64 `json:"lonE7"`
}

// At makes a Point of degrees.
func At(lat, lon float64) Point {
	return Point{int64(math.Round(lat * 1e7)), int64(math.Round(lon * 1e7))}
}

func (p Point) Lat() float64 { return float64(p.LatE7) / 1e7 }
func (p Point) Lon() float64 { return float64(p.LonE7) / 1e7 }

// Besluit is the formal decision behind a placement.
type Besluit struct {
	Reference  string        `json:"reference"`
	Date       protocol.Time `json:"date"`
	ValidFrom  protocol.Time `json:"validFrom"`
	ValidUntil protocol.Time `json:"validUntil"`
	Body       string        `json:"body"` // who decided: college, burgemeester
	Area       string        `json:"area,omitempty"`
	Published  string        `json:"published,omitempty"` // where it was made public
	Prosecutor protocol.Time `json:"prosecutor,omitzero"` // WPG: when the prosecutor was consulted on the period of use (art. 151c lid 3 Gemeentewet †)
	LiveFrom   protocol.Time `json:"liveFrom,omitzero"`   // WPG: the period of live viewing
	LiveUntil  protocol.Time `json:"liveUntil,omitzero"`
	Evaluate   protocol.Time `json:"evaluate,omitzero"`  // by when it is looked at whether it is still needed
	Withdrawn  protocol.Time `json:"withdrawn,omitzero"` // by two approvers, before its end
}

// Sign tells people beforehand (R15): placed, or why not.
type Sign struct {
	Placed    protocol.Time `json:"placed,omitzero"`
	Exception string        `json:"exception,omitempty"`
	Sound     bool          `json:"sound,omitzero"` // it says that sound is recorded too
	Photo     protocol.Hash `json:"photo,omitzero"` // SHA-256 of a photo of the sign where it stands
	Kept      string        `json:"kept,omitempty"` // where that photo is
}

// Sound is why a camera's sound is recorded beside its picture. It is more than the picture, so it has a reason and an assessment of its own; zero: it is not recorded.
type Sound struct {
	Reason string `json:"reason"` // why the picture alone will not do (R1)
	DPIA   string `json:"dpia"`   // reference of the assessment that covers the sound (R12)
}

// PlacementFacts is what a registrar records of a camera (REQUIREMENTS section 3).
type PlacementFacts struct {
	Camera            protocol.CameraID   `json:"camera"`
	Name              string              `json:"name"`
	Regime            protocol.Regime     `json:"regime"`
	Position          Point               `json:"position"`
	Place             string              `json:"place"`     // in words
	Direction         int                 `json:"direction"` // degrees from north, clockwise; 0 to 359
	Purposes          []Purpose           `json:"purposes"`
	Subsidiarity      string              `json:"subsidiarity"`    // why no less intrusive way will do (R1)
	Proportionality   string              `json:"proportionality"` // why this is not more than needed
	Sound             Sound               `json:"sound,omitzero"`
	Besluit           Besluit             `json:"besluit,omitzero"`
	Protocol          ProtocolRef         `json:"protocol,omitzero"`
	Keep              protocol.Window     `json:"keep,omitzero"` // how long footage stays, where that is less than the protocol's window
	Sign              Sign                `json:"sign,omitzero"`
	Recorder          protocol.RecorderID `json:"recorder"`
	Streams           []protocol.StreamID `json:"streams"`
	Publication       Publication         `json:"publication"`
	PublicationReason string              `json:"publicationReason,omitempty"`
	Contact           string              `json:"contact"` // for questions, on page and sign
	ValidFrom         protocol.Time       `json:"validFrom,omitzero"`
	ValidTo           protocol.Time       `json:"validTo,omitzero"`
	Particulars
}

// Placement is a camera in the register.
type Placement struct {
	PlacementFacts
	Status     Status // see StatusAt
	Registered protocol.Time
	Changed    protocol.Time
	Mandates   []*protocol.Mandate // issued, oldest first; the last one counts
	Proposed   *Proposal           // an ending that waits for a second approver
	History    []Moment

	// Left out of what tests compare old ledgers by, where they are zero.
	Confirmed *Confirmation `json:",omitzero"` // the last one, see confirm.go
	Tests     []ControlTest `json:",omitzero"` // of its controls, oldest first

	needed protocol.Time // when the last request that named it was filed
	holds  []*Hold       // all there ever were of its footage
}

// Proposal is an ending that one approver has asked.
type Proposal struct {
	By     protocol.PersonID
	At     protocol.Time
	Ending Ending
	Reason string
	Rules  Rules `json:",omitzero"` // Shorten: those asked
}

// Moment is one line of a history.
type Moment struct {
	Seq  uint64 // of the ledger entry
	At   protocol.Time
	By   protocol.PersonID
	Name string   // of the event; see EventWords
	Note string   // what is worth saying beside it, as recorded
	Via  ClientID `json:",omitzero"` // the system that acted for By
}

// Approved is the rounded interval an approver approves for a camera; it must be the one the recorder confirmed.
type Approved struct {
	Camera   protocol.CameraID `json:"camera"`
	Interval protocol.Interval `json:"interval"`
}

// Outcome of a decision.
type Outcome string

const (
	Grants  Outcome = "granted"
	Partly  Outcome = "partly" // some cameras, or less of an interval: see partly.go
	Ends    Outcome = "ended"  // what was kept on an order
	Refuses Outcome = "refused"
)

// RequestFacts is what a requester states.
type RequestFacts struct {
	Kind      RequestKind         `json:"kind"`
	Article   Article             `json:"article,omitempty"` // of a vordering
	Authority string              `json:"authority,omitempty"`
	Leave     string              `json:"leave,omitempty"`     // reference of the magistrate's leave, where the article needs it
	Demanded  protocol.Time       `json:"demanded,omitzero"`   // date of the vordering; needed for future data
	Said      protocol.Time       `json:"said,omitzero"`       // when an oral vordering was spoken; zero: it is in writing. See oral.go
	Indicated string              `json:"indicated,omitempty"` // the person, or the most precise indication, where the demand names one
	Manner    string              `json:"manner,omitempty"`    // how it is to be given, where the demand says so
	Deadline  protocol.Time       `json:"deadline,omitzero"`   // by when, where the demand says so
	Purpose   Purpose             `json:"purpose,omitempty"`   // standing: one of the camera's own
	Cameras   []protocol.CameraID `json:"cameras"`
	Asked     protocol.Interval   `json:"asked,omitzero"`      // not for standing
	Reference string              `json:"reference"`           // police record number, or own
	Necessity string              `json:"necessity"`           // why this is needed (R18)
	MayBeGone bool                `json:"mayBeGone,omitempty"` // told that part lies before the window's reach
	Unit      string              `json:"unit,omitempty"`      // who receives; a requester's own when left empty
	ViewerKey string              `json:"viewerKey,omitempty"` // standing: the viewer's public key, "p256:…"
	Until     protocol.Time       `json:"until,omitzero"`      // standing: at most ninety days; preservation: as the order says
	Period    protocol.Interval   `json:"period,omitzero"`     // future data, of which parts are delivered; then nothing is Asked. See future.go
	Immediate bool                `json:"immediate,omitzero"`  // future data: given at once, with the magistrate's leave
	Paper     *WrittenLater       `json:"paper,omitzero"`      // of a demand in writing: its hash, and where it is kept
	Consent   *Consent            `json:"consent,omitzero"`    // kind consent only
}

// Request is a request and all that followed.
type Request struct {
	ID     protocol.RequestID
	Regime protocol.Regime
	RequestFacts
	Requester  protocol.PersonID
	Filed      protocol.Time
	Status     RequestStatus
	Holds      []*Hold // one a camera, in the order of Cameras; none for standing
	Check      *Check
	Decision   *Decision // the last one
	Grants     []*Grant
	Downloads  []Download
	HandedOver *Moment
	History    []Moment

	Keeping    *Keeping    `json:",omitzero"` // a first signature under holding longer, see keeping.go
	Renewals   []Renewal   `json:",omitzero"` // new orders behind the first
	TakenBack  *Moment     `json:",omitzero"` // by who asked
	Deliveries []*Delivery `json:",omitzero"` // of future data, see future.go

	Before    []protocol.PersonID `json:",omitzero"` // who were the requester before, see takeover.go
	Withdrawn *Moment             `json:",omitzero"` // consent was taken back, see consent.go

	// Of an oral demand; left out of what tests compare old ledgers by, where they are zero.
	Written *Writing      `json:",omitzero"` // nil: not yet
	Overdue protocol.Time `json:",omitzero"` // when it was found unconfirmed after three days

	number int // in the order of filing
}

// Check is the handler's.
type Check struct {
	By                  protocol.PersonID
	At                  protocol.Time
	Complete, Necessary bool
	Remark              string
	Verified            []Verified `json:",omitzero"`
}

// Decision is the approver's.
type Decision struct {
	By         protocol.PersonID
	At         protocol.Time
	Outcome    Outcome
	Reason     Reason
	Motivation string
	Approved   []Approved
	Parts      []Part `json:",omitzero"` // what was not granted, or less of it
	Stated
}

// Hold is one camera's footage kept for a request: asked when its order was issued, confirmed by the recorder's own entry.
type Hold struct {
	protocol.Hold
	Issued    protocol.Time
	Number    uint64 // of the order
	Confirmed *HoldConfirmed
	At        protocol.Time // when it was confirmed here
	Refused   string        // the recorder's reason
	LiftSent  bool
	Lifted    *HoldLifted
	Replaced  bool `json:",omitzero"` // the request asks something else by now
}

// Rounded is the interval as it will be released: whole segments, and never less than what was asked. Zero until confirmed.
func (h *Hold) Rounded() protocol.Interval {
	if h.Confirmed == nil {
		return protocol.Interval{}
	}
	i := h.Asked
	if c := h.Confirmed.Interval; !c.IsZero() {
		if c.From.Before(i.From) {
			i.From = c.From
		}
		if c.To.After(i.To) {
			i.To = c.To
		}
	}
	return i
}

// State of a hold, for a page: "asked", "confirmed", "refused" or "lifted".
func (h *Hold) State() string {
	switch {
	case h.Lifted != nil:
		return "lifted"
	case h.Refused != "":
		return "refused"
	case h.Confirmed != nil:
		return "confirmed"
	}
	return "asked"
}

// Grant is a permission issued, and what came of it.
type Grant struct {
	protocol.Grant
	Level    protocol.Level
	Issued   protocol.Time
	Number   uint64 // of the order
	Released *FootageReleased
	At       protocol.Time // when the release was recorded here
	Failed   string        // the recorder's reason, until it succeeds after all
	Final    bool          // the recorder will not try again
	Refused  string        // the recorder refused the order
	Voided   *Voiding      `json:",omitzero"` // it fell away before its footage was fetched
}

// Download is one time that a bag was fetched.
type Download struct {
	By    protocol.PersonID
	At    protocol.Time
	Grant protocol.GrantID
}

// Incident is something a person must look at.
type Incident struct {
	Number  int
	Kind    string // "order-refused", "release-failed", "release-unknown", "order-foreign", or the recorder's own word
	Detail  string
	English string `json:",omitzero"` // see Says
	Opened  protocol.Time
	Source  Source
	Request protocol.RequestID
	Camera  protocol.CameraID

	// What people wrote and did of it since; see incidents.go. Left out of what tests compare old ledgers by, where they are zero.
	Finding    string           `json:",omitzero"` // of the witness: the name of its evidence
	Log        uint64           `json:",omitzero"` // number of the log that it is about, where it BreaksLog; 0: the first
	Drill      bool             `json:",omitzero"`
	Facts      IncidentFacts    `json:",omitzero"`
	Told       map[Told]*Notice `json:",omitzero"`
	Closed     protocol.Time    `json:",omitzero"` // zero: open
	NoBreach   bool             `json:",omitzero"`
	Conclusion string           `json:",omitzero"`
	History    []Moment         `json:",omitzero"`
}

var incidentWords = map[string]Words{
	reported:           {"gemeld door een medewerker", "reported by staff"},
	"sample-finding":   {"bevinding bij een steekproef", "finding in a sample"},
	"access-orphan":    {"toegang tot beelden zonder toestemming", "access to footage without a grant"},
	"oral-unconfirmed": {"mondelinge vordering niet binnen drie dagen schriftelijk bevestigd", "oral demand not confirmed in writing within three days"},
	"order-refused":    {"recorder weigert een opdracht", "recorder refuses an order"},
	"release-failed":   {"verstrekking mislukt", "release failed"},
	"release-unknown":  {"verstrekking zonder toestemming van deze centrale", "release without a grant of this centre"},
	"hold-mismatch":    {"recorder bevestigt een bewaring die niet is gevraagd", "recorder confirms a hold that was not asked"},
	"order-foreign":    {"recorder kreeg een opdracht die deze centrale niet gaf", "recorder was given an order that this centre did not issue"},
	"recorder-stolen":  {"recorder gestolen", "recorder stolen"},
	"share-refused":    {"gestolen of ingetrokken recorder vraagt om zijn sleuteldeel", "stolen or withdrawn recorder asks for its share"},
	"share-lost":       {"recorder vraagt om een sleuteldeel dat hier niet is", "recorder asks for a share that is not here"},
	"entry-unreadable": {"regel in het logboek van de recorder is niet te lezen", "entry of the recorder's log cannot be read"},
	"seals-broken":     {"de verzegeling van het logboek van de recorder is verbroken", "the seals of the recorder's log were broken"},
	"ledger-behind":    {"deze administratie is niet die van eerder: een oudere kopie teruggezet? Recorders nemen geen opdrachten aan", "this ledger is not the one of before: was an older copy put back? Recorders take no orders"},
	"witness-absent":   {"een onafhankelijke getuige antwoordt niet", "an outside witness does not answer"},
	"witness-refuses":  {"een onafhankelijke getuige tekent een logboek niet mee", "an outside witness does not cosign a log"},
	"orders-ahead":     {"recorder telt meer opdrachten dan deze centrale gaf", "recorder counts more orders than this centre issued"},
	"hold-lost":        {"recorder hief een bewaring op die nog liep", "recorder lifted a hold that was still running"},
	"lift-failed":      {"bewaring kon niet worden opgeheven; zij eindigt vanzelf", "hold could not be lifted; it ends by itself"},
	"future-lost":      {"toekomstige beelden konden niet worden bewaard", "future footage could not be held"},
	"log-fork":         {"recorder tekende voor twee logboeken die elkaar tegenspreken", "recorder signed two logs that contradict each other"},
	"log-rollback":     {"logboek van de recorder is teruggezet", "the recorder's log was put back"},
	"log-truncated":    {"van het logboek van de recorder is een stuk af, of het is weg", "a piece of the recorder's log is gone, or all of it"},
	"log-silent":       {"recorder zwijgt al een uur", "recorder silent for an hour"},
	"log-clock":        {"tijden in het logboek van de recorder kloppen niet", "times in the recorder's log are not right"},
	"log-body":         {"inhoud van een regel in het logboek ontbreekt", "content of an entry of the log is missing"},
	"log-unfit":        {"stuk logboek van de recorder past niet", "a piece of the recorder's log does not fit"},
	"log-unsealed":     {"zegels van het logboek kloppen niet", "the seals of the recorder's log are not right"},
	"log-seal-late":    {"recorder verzegelt zijn logboek niet", "recorder does not seal its log"},
	"footage-overdue":  {"beelden niet als verwijderd gemeld na hun bewaartermijn", "footage not reported as deleted after its window"},
	"footage-listed":   {"recorder noemt beelden die als verwijderd zijn gemeld", "recorder names footage that was reported as deleted"},
	"resumed-unknown":  {"logboek van de recorder ging verder zonder opdracht van deze centrale", "the recorder's log went on without an order of this centre"},
	"hold-less":        {"van bewaarde beelden is een deel weg sinds de recorder is teruggezet", "some of the held footage is gone since the recorder was put back"},
	"erase-unknown":    {"recorder wiste beelden zonder opdracht van deze centrale", "recorder erased footage without an order of this centre"},
	"erase-late":       {"opdracht tot wissen na een uur niet uitgevoerd", "order to erase not carried out after an hour"},
	"forward-late":     {"verzoek van een betrokkene niet dezelfde dag naar de politie doorgestuurd", "request of a person filmed not forwarded to the police the same day"},
	"hold-late":        {"bewaring na vijf minuten niet bevestigd", "hold not confirmed after five minutes"},
}

func (i Incident) Words() Words {
	if w, ok := incidentWords[i.Kind]; ok {
		return w
	}
	return Words{"melding van de recorder: " + i.Kind, "report by the recorder: " + i.Kind}
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
