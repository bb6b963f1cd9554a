package central

import (
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Words are what a person reads: Dutch first, English beside it.
type Words struct{ NL, EN string }

// Coded things carry a code that stands in the ledger and words that stand on a page. Each table below is ordered as a page shows it.

// Role is what a person may do. Handler and approver are held for one regime.
type Role string

const (
	Registrar     Role = "registrar"     // keeps the register: protocols, placements
	Handler       Role = "handler"       // checks requests for completeness and necessity
	Approver      Role = "approver"      // decides on requests; two of them end a mandate
	Requester     Role = "requester"     // asks for footage, on behalf of a unit
	Staff         Role = "staff"         // facility staff: the cameras assigned to them
	Officer       Role = "officer"       // the privacy officer: reads everything, approves nothing (R8)
	Auditor       Role = "auditor"       // IT auditor, concern control, external: reads for a period, and what they read is recorded (R29)
	CollegeMember Role = "college"       // of mayor and aldermen: reads the accounts and the privacy officer's reports, and answers them (R9)
	Administrator Role = "administrator" // appoints people and enrols recorders; decides on no footage
)

// Roles in the order a page lists them.
var Roles = []Role{Registrar, Handler, Approver, Requester, Staff, Officer, Auditor, CollegeMember, Administrator}

var roleWords = map[Role]Words{
	Registrar:     {"registerbeheerder", "registrar"},
	Handler:       {"behandelaar", "handler"},
	Approver:      {"goedkeurder", "approver"},
	Requester:     {"aanvrager", "requester"},
	Staff:         {"medewerker facilitair", "facility staff"},
	Officer:       {"privacy officer", "privacy officer"},
	Auditor:       {"auditor", "auditor"},
	CollegeMember: {"lid van het college", "member of the college"},
	Administrator: {"beheerder", "administrator"},
}

func (r Role) Words() Words { return roleWords[r] }

// Mark is why a recorder gets nothing any more that opens its disks.
type Mark string

const (
	InUse     Mark = ""
	Stolen    Mark = "stolen"
	Withdrawn Mark = "withdrawn"
)

// Marks in the order a page lists them.
var Marks = []Mark{InUse, Stolen, Withdrawn}

var markWords = map[Mark]Words{
	InUse:     {"in gebruik", "in use"},
	Stolen:    {"gestolen", "stolen"},
	Withdrawn: {"buiten gebruik", "withdrawn"},
}

func (m Mark) Words() Words { return markWords[m] }

// PerRegime says whether the role is held for one regime: a WPG camera is handled and decided by the police's own people.
func (r Role) PerRegime() bool { return r == Handler || r == Approver }

// Purpose is why a camera hangs where it hangs (R1). There is no "other", and none for judging staff (R2).
type Purpose string

const (
	StreetSafety Purpose = "street-safety"
	Buildings    Purpose = "buildings"
	StaffSafety  Purpose = "staff" // the protection of staff, never the judging of them
	Visitors     Purpose = "visitors"
	Museum       Purpose = "museum"
)

// Purposes in the order a page lists them. Source: V:53 (street safety), V:55 (the others).
var Purposes = []Purpose{StreetSafety, Buildings, StaffSafety, Visitors, Museum}

var purposeWords = map[Purpose]Words{
	StreetSafety: {"veiligheid op straat", "safety in the street"},
	Buildings:    {"bescherming van gebouwen en terreinen", "protection of buildings and grounds"},
	StaffSafety:  {"bescherming van personeel", "protection of staff"},
	Visitors:     {"bescherming van bezoekers", "protection of visitors"},
	Museum:       {"bescherming van museale eigendommen", "protection of museum property"},
}

func (p Purpose) Words() Words { return purposeWords[p] }

// Basis is on what legal ground a camera films; see Bases.
type Basis string

const (
	PublicTask         Basis = "public-task"
	LegitimateInterest Basis = "legitimate-interest"
	LegalDuty          Basis = "legal-duty"
	PublicOrder        Basis = "public-order"
)

// Status of a placement as its events leave it; [Placement.StatusAt] knows of lapsing as well.
type Status string

const (
	Draft     Status = "draft"
	Active    Status = "active"
	Suspended Status = "suspended"
	Removed   Status = "removed"
	Lapsed    Status = "lapsed" // the besluit has ended: derived, no event says it
)

// Statuses in the order of a camera's life.
var Statuses = []Status{Draft, Active, Suspended, Removed, Lapsed}

var statusWords = map[Status]Words{
	Draft:     {"concept", "draft"},
	Active:    {"actief", "active"},
	Suspended: {"opgeschort", "suspended"},
	Removed:   {"verwijderd", "removed"},
	Lapsed:    {"besluit verlopen", "decision lapsed"},
}

func (s Status) Words() Words { return statusWords[s] }

// Publication is how precisely the place is made public. Anything less than exact has a reason, and that reason is public too.
type Publication string

const (
	PublishExact  Publication = "exact"
	PublishStreet Publication = "street" // the place in words, no point on the map
	PublishArea   Publication = "area"   // only the area of the besluit
	PublishNone   Publication = "none"   // that the camera exists, not where
)

var Publications = []Publication{PublishExact, PublishStreet, PublishArea, PublishNone}

var publicationWords = map[Publication]Words{
	PublishExact:  {"exacte plaats", "exact place"},
	PublishStreet: {"alleen de straat", "street only"},
	PublishArea:   {"alleen het gebied", "area only"},
	PublishNone:   {"plaats niet openbaar", "place not public"},
}

func (p Publication) Words() Words { return publicationWords[p] }

// RequestKind is what is asked.
type RequestKind string

const (
	Vordering     RequestKind = "vordering"      // AVG cameras: a demand under the code of criminal procedure
	OwnInitiative RequestKind = "own-initiative" // AVG cameras: the municipality reports an offence unasked
	WpgRelease    RequestKind = "wpg-release"    // WPG cameras: release inside the police
	Preservation  RequestKind = "preservation"   // footage is held on an order, and nothing is released (keeping.go)
	ByConsent     RequestKind = "consent"        // AVG cameras: with the consent of everyone recognisable (R20)
	Provisional   RequestKind = "provisional"    // staff keep footage for 72 hours, before anyone asks for it; it is only kept
	Standing      RequestKind = "standing"       // viewing by staff of the cameras assigned to them
)

var RequestKinds = []RequestKind{Vordering, OwnInitiative, WpgRelease, Preservation, ByConsent, Provisional, Standing}

var requestKindWords = map[RequestKind]Words{
	Vordering:     {"vordering", "demand (vordering)"},
	OwnInitiative: {"eigen initiatief: aangifte", "own initiative: reporting an offence"},
	WpgRelease:    {"verstrekking binnen de politie (Wpg)", "release inside the police (Wpg)"},
	Preservation:  {"bewaren op bevel", "preservation order"},
	ByConsent:     {"toestemming van wie herkenbaar is", "consent of those recognisable"},
	Provisional:   {"voorlopig bewaren, 72 uur", "provisional hold, 72 hours"},
	Standing:      {"doorlopend meekijken", "standing view"},
}

func (k RequestKind) Words() Words { return requestKindWords[k] }

// byStaff: the municipality's own staff ask it, not a chain partner.
func (k RequestKind) byStaff() bool { return k == OwnInitiative || k == Provisional || k == Standing }

// Article is the legal title of a vordering.
type Article string

// RequestStatus is how far a request has come.
type RequestStatus string

const (
	Filed    RequestStatus = "filed"    // holds asked; waiting for the recorders to confirm, then for the handler
	Checked  RequestStatus = "checked"  // waiting for the approver
	Granted  RequestStatus = "granted"  // grants are out; a standing grant stays here
	Kept     RequestStatus = "kept"     // a provisional hold, or one on an order: nothing is released, its end comes by itself
	Refused  RequestStatus = "refused"  // the end
	Released RequestStatus = "released" // every granted camera's bag is in the vault
	Closed   RequestStatus = "closed"   // hand-over confirmed, or fourteen days passed
)

// RequestStatuses in the order of a request's life.
var RequestStatuses = []RequestStatus{Filed, Checked, Granted, Kept, Refused, Released, Closed}

var requestStatusWords = map[RequestStatus]Words{
	Filed:    {"ingediend", "filed"},
	Checked:  {"getoetst, wacht op besluit", "checked, awaiting decision"},
	Granted:  {"toegekend", "granted"},
	Kept:     {"wordt bewaard", "held"},
	Refused:  {"afgewezen", "refused"},
	Released: {"klaar om op te halen", "ready to download"},
	Closed:   {"afgesloten", "closed"},
}

func (s RequestStatus) Words() Words { return requestStatusWords[s] }

var outcomeWords = map[Outcome]Words{
	Grants:  {"Toegekend", "Granted"},
	Partly:  {"Deels toegekend", "Granted in part"},
	Refuses: {"Afgewezen", "Refused"},
	Ends:    {"Beëindigd", "Ended"},
}

func (o Outcome) Words() Words { return outcomeWords[o] }

var groundWords = map[protocol.Ground]Words{
	protocol.GroundRequest:      {"lopende aanvraag", "open request"},
	protocol.GroundProvisional:  {"voorlopig, 72 uur", "provisional, 72 hours"},
	protocol.GroundPreservation: {"bevel tot bewaren (art. 126ni Sv)", "preservation order (art. 126ni Sv)"},
	protocol.GroundCourt:        {"bevel van een rechter", "order of a court"},
	protocol.GroundRights:       {"verzoek van een betrokkene", "request of a person filmed"},
}

// GroundWords says why footage is held.
func GroundWords(g protocol.Ground) Words { return groundWords[g] }

// Reason is why a request was decided as it was.
type Reason string

const (
	Complies     Reason = "complies" // the only reason to grant
	Incomplete   Reason = "incomplete"
	NoPower      Reason = "no-power"
	NotNecessary Reason = "not-necessary"
	TooBroad     Reason = "too-broad"
	NoFootage    Reason = "no-footage"
	JudgingStaff Reason = "judging-staff" // R2
	NoConsent    Reason = "no-consent"    // R20: withdrawn, or not everyone's
	TakenBack    Reason = "taken-back"    // by who asked
	NoLonger     Reason = "no-longer"     // only of ending what was kept on an order
)

// RefusalReasons in the order a page lists them.
var RefusalReasons = []Reason{Incomplete, NoPower, NotNecessary, TooBroad, NoFootage, NoConsent, TakenBack, JudgingStaff}

// EndReasons are why preserving on an order ends before its time.
var EndReasons = []Reason{TakenBack, NoLonger}

var reasonWords = map[Reason]Words{
	Complies:     {"voldoet aan de eisen", "meets the requirements"},
	Incomplete:   {"de aanvraag is niet volledig", "the request is incomplete"},
	NoPower:      {"er is geen bevoegdheid om dit te vragen", "there is no power to ask this"},
	NotNecessary: {"de beelden zijn hiervoor niet noodzakelijk", "the footage is not necessary for this"},
	TooBroad:     {"er is meer gevraagd dan nodig", "more is asked than needed"},
	NoFootage:    {"er zijn geen beelden", "there is no footage"},
	NoConsent:    {"niet iedereen die herkenbaar is geeft (nog) toestemming", "not everyone recognisable consents, or no longer"},
	TakenBack:    {"de aanvrager heeft het ingetrokken", "whoever asked has taken it back"},
	NoLonger:     {"bewaren is niet meer nodig", "holding is no longer needed"},
	JudgingStaff: judgingStaffWords,
}

func (r Reason) Words() Words { return reasonWords[r] }

// judgingStaffWords quote the municipality's own promise (V:55).
var judgingStaffWords = Words{
	"De camera's zijn nadrukkelijk niet bedoeld als controlemiddel op het functioneren van personeelsleden (privacyverklaring). Daarom bestaat dit doel hier niet.",
	"The cameras are expressly not meant for judging how staff do their work (privacy statement). That is why this purpose does not exist here.",
}

// Ending is how a mandate ends, or becomes less, before its time.
type Ending string

const (
	Suspend  Ending = "suspend"  // may be activated again
	Withdraw Ending = "withdraw" // for good
	Mute     Ending = "mute"     // its sound only: the pictures go on
	Shorten  Ending = "shorten"  // how long footage stays; see window.go
)

var endingWords = map[Ending]Words{
	Suspend:  {"opschorten", "suspend"},
	Withdraw: {"intrekken", "withdraw"},
	Mute:     {"het geluid stoppen", "stop the sound"},
	Shorten:  {"de bewaartermijn verkorten", "shorten the window"},
}

func (e Ending) Words() Words { return endingWords[e] }

// Terms of this house that are not law; law is in law.go and protocol.
const (
	// MaxAsked is the longest interval one request may ask.
	MaxAsked = 24 * time.Hour

	// MaxHeld is how many camera hours one request may hold (REQUIREMENTS section 1, Hold grounds: cameras × hours capped); MaxHeldAlone is for what staff have held provisionally,
	// which nobody else has looked at. The number is of this house.
	MaxHeld      = 192 * time.Hour
	MaxHeldAlone = 24 * time.Hour

	// HoldAlarm: a hold not confirmed by the recorder after this is an alarm (REQUIREMENTS section 1, Hold grounds).
	HoldAlarm = 5 * time.Minute

	// clockSlack is how far a recorder's clock may be behind ours: documents start that much earlier, or a recorder two seconds slow would
	// refuse an order as not yet valid, and use its number up.
	clockSlack = 2 * time.Minute
)

// System is who acts when no person does: facts that recorders report, terms that end.
const System protocol.PersonID = "system"
