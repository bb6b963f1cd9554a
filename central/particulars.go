package central

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Particulars are what REQUIREMENTS section 3 asks of a placement beside where it is and why. A draft may leave any of them out; see [State.Lacks] for what a camera
// needs before it may be used.
type Particulars struct {
	Type   CameraType `json:"type,omitempty"`
	Mount  Mount      `json:"mount,omitempty"`
	BAG    string     `json:"bag,omitempty"` // id of the building or address in the Basisregistratie Adressen en Gebouwen
	Height int        `json:"heightCm,omitzero"`
	Angle  int        `json:"angle,omitzero"` // degrees below the horizon
	View   []Point    `json:"view,omitempty"` // the polygon of what it sees

	Masks         string          `json:"masks,omitempty"`   // what is masked in the picture
	NoMasks       string          `json:"noMasks,omitempty"` // or why nothing needs to be (R30)
	Quality       Quality         `json:"quality,omitempty"`
	QualityReason string          `json:"qualityReason,omitempty"` // why more than observing
	Smart         []SmartFunction `json:"smart,omitempty"`
	SmartReason   string          `json:"smartReason,omitempty"`

	Basis      Basis   `json:"basis,omitempty"`     // empty: that of its protocol, see Ground
	Selection  string  `json:"selection,omitempty"` // code of the result in the selection list, by which the footage is destroyed (R4)
	DPIA       string  `json:"dpia,omitempty"`      // id of the assessment it rests on (R12)
	FilmsStaff YesNo   `json:"filmsStaff,omitempty"`
	Council    Council `json:"council,omitzero"`
	Owners     Owners  `json:"owners,omitzero"`

	Storage       Storage `json:"storage,omitzero"`
	Processor     string  `json:"processor,omitempty"` // the organisation that processes the footage for the municipality: its id; empty: nobody does
	CameraInBeeld string  `json:"cameraInBeeld,omitempty"`
}

// CameraType is what hangs there.
type CameraType string

// CameraTypes in the order a page lists them. Codes as OpenStreetMap's camera:type where it has one.
var CameraTypes = []CameraType{"fixed", "dome", "ptz", "mobile"}

var cameraTypeWords = map[CameraType]Words{
	"fixed":  {"vast", "fixed"},
	"dome":   {"bol (dome)", "dome"},
	"ptz":    {"draaibaar (PTZ)", "panning (PTZ)"},
	"mobile": {"verplaatsbaar", "mobile"},
}

func (t CameraType) Words() Words { return cameraTypeWords[t] }

// Mount is what it hangs on (OpenStreetMap's camera:mount).
type Mount string

var Mounts = []Mount{"wall", "ceiling", "pole", "street_lamp", "vehicle"}

var mountWords = map[Mount]Words{
	"wall":        {"muur of gevel", "wall"},
	"ceiling":     {"plafond", "ceiling"},
	"pole":        {"mast", "pole"},
	"street_lamp": {"lantaarnpaal", "street lamp"},
	"vehicle":     {"voertuig of aanhanger", "vehicle or trailer"},
}

func (m Mount) Words() Words { return mountWords[m] }

// Quality is how much of a person the picture shows. More than observing has a reason of its own (R30).
type Quality string

const (
	Detect    Quality = "detect"
	Observe   Quality = "observe"
	Recognise Quality = "recognise"
	Identify  Quality = "identify"
)

// Qualities from the least intrusive to the most.
var Qualities = []Quality{Detect, Observe, Recognise, Identify}

// qualities: pixels a metre at the place looked at. Source: EN-IEC 62676-4.
var qualities = map[Quality]struct {
	pixels int
	words  Words
}{
	Detect:    {25, Words{"zien dat er iemand is (25 px/m)", "see that somebody is there (25 px/m)"}},
	Observe:   {62, Words{"zien wat iemand doet (62 px/m)", "see what somebody does (62 px/m)"}},
	Recognise: {125, Words{"een bekende herkennen (125 px/m)", "recognise somebody known (125 px/m)"}},
	Identify:  {250, Words{"een onbekende identificeren (250 px/m)", "identify somebody unknown (250 px/m)"}},
}

func (q Quality) Words() Words { return qualities[q].words }

// PixelsPerMetre at the place looked at.
func (q Quality) PixelsPerMetre() int { return qualities[q].pixels }

// SmartFunction is what a computer reads from the picture. None has a code that recognises persons by their body: art. 9(1) AVG.
type SmartFunction string

var SmartFunctions = []SmartFunction{"motion", "counting", "line-crossing", "objects", "plates"}

var smartWords = map[SmartFunction]Words{
	"motion":        {"beweging melden", "report motion"},
	"counting":      {"mensen tellen", "count people"},
	"line-crossing": {"een lijn overschrijden melden", "report crossing a line"},
	"objects":       {"voorwerpen herkennen", "recognise objects"},
	"plates":        {"kentekens lezen", "read number plates"},
}

func (f SmartFunction) Words() Words { return smartWords[f] }

// noFaces says why there is no code for it.
var noFaces = Words{
	"Gezichten of andere lichaamskenmerken herkennen kan hier niet: artikel 9 AVG verbiedt het. Laat deze functie uit.",
	"Recognising faces or other features of a body is not possible here: article 9 GDPR forbids it. Leave this function off.",
}

// Ground is the basis a placement states; else the first of its protocol, or of its regime.
func (s *State) Ground(p *Placement) Basis {
	if p.Basis != "" {
		return p.Basis
	}
	if rules := s.Protocol(p.Protocol); rules != nil && len(rules.Bases) > 0 {
		return rules.Bases[0]
	}
	return BasesOf(p.Regime)[0]
}

// YesNo answers a question that may not be skipped: empty is not yet answered.
type YesNo string

const (
	Yes YesNo = "yes"
	No  YesNo = "no"
)

var YesNos = []YesNo{Yes, No}

func (a YesNo) Words() Words {
	return map[YesNo]Words{Yes: {"ja", "yes"}, No: {"nee", "no"}}[a]
}

// Council is the works council's consent (art. 27 lid 1 onder l WOR): an AVG camera that films staff needs it.
type Council struct {
	Date      protocol.Time `json:"date"`
	Reference string        `json:"reference"`
}

// Owners has an owner for each letter of RASCI (R7; N:129–165). They are posts, not people: "teammanager facilitair".
type Owners struct {
	Responsible string `json:"responsible,omitempty"`
	Accountable string `json:"accountable,omitempty"` // the college, where nothing else is said (N:171)
	Supporting  string `json:"supporting,omitempty"`
	Consulted   string `json:"consulted,omitempty"`
	Informed    string `json:"informed,omitempty"`
}

// College is accountable by default. Source: N:171.
const College = "college van burgemeester en wethouders"

// Owner is one letter and whose it is.
type Owner struct {
	Letter string
	Words  Words
	Who    string
}

// Letters of RASCI in order.
func (o Owners) Letters() []Owner {
	return []Owner{
		{"R", Words{"ambtelijk verantwoordelijk", "responsible"}, o.Responsible},
		{"A", Words{"eindverantwoordelijk", "accountable"}, o.Accountable},
		{"S", Words{"uitvoerend", "supporting"}, o.Supporting},
		{"C", Words{"adviserend en controlerend", "consulted"}, o.Consulted},
		{"I", Words{"geïnformeerd", "informed"}, o.Informed},
	}
}

// open are the letters without an owner.
func (o Owners) open() (letters []string) {
	for _, l := range o.Letters() {
		if l.Who == "" {
			letters = append(letters, l.Letter)
		}
	}
	return letters
}

// Storage is where the footage is kept (R21): the country declared, and the place in words.
type Storage struct {
	Country string `json:"country"` // ISO 3166-1
	Place   string `json:"place"`
}

// Netherlands is the only country where footage is kept. Source: V:63.
const Netherlands = "NL"

var (
	bagID         = regexp.MustCompile(`^\d{16}$`)
	selectionCode = regexp.MustCompile(`^\d{1,2}(\.\d{1,3}){1,3}$`)
)

// check is what must be right of the particulars that are given.
func (p *PlacementFacts) checkParticulars(d *decision) error {
	smart := func(f SmartFunction) bool { return smartWords[f] == Words{} }
	switch {
	case p.Type != "" && cameraTypeWords[p.Type] == Words{}:
		return missing("een type uit de lijst", "a type from the list")
	case p.Mount != "" && mountWords[p.Mount] == Words{}:
		return missing("een bevestiging uit de lijst", "a mount from the list")
	case p.BAG != "" && !bagID.MatchString(p.BAG):
		return missing("het BAG-nummer: zestien cijfers", "the BAG id: sixteen digits")
	case p.Height < 0 || p.Height > 20000:
		return missing("de hoogte in centimeters, ten hoogste 20000", "the height in centimetres, at most 20000")
	case p.Angle < 0 || p.Angle > 90:
		return missing("de hoek onder de horizon, 0 tot en met 90 graden", "the angle below the horizon, 0 to 90 degrees")
	case len(p.View) > 0 && (len(p.View) < 3 || len(p.View) > 100 || slices.ContainsFunc(p.View, func(q Point) bool { return !q.onEarth() })):
		return missing("het beeldvlak als drie tot honderd punten", "the view as three to a hundred points")
	case p.Masks != "" && p.NoMasks != "":
		return missing("wat is afgeschermd, of waarom dat niet nodig is: één van beide", "what is masked, or why that is not needed: one of the two")
	case p.Quality != "" && p.Quality.PixelsPerMetre() == 0:
		return missing("een beeldkwaliteit uit de lijst", "a quality from the list")
	case p.Quality.PixelsPerMetre() > Observe.PixelsPerMetre() && strings.TrimSpace(p.QualityReason) == "": // R30
		return missing("waarom zien wat iemand doet (62 px/m) niet volstaat", "why seeing what somebody does (62 px/m) will not do")
	case slices.ContainsFunc(p.Smart, func(f SmartFunction) bool {
		return strings.Contains(string(f), "face") || strings.Contains(string(f), "biometr")
	}):
		return &Refusal{CodePurpose, noFaces}
	case slices.ContainsFunc(p.Smart, smart):
		return missing("slimme functies uit de lijst", "smart functions from the list")
	case len(p.Smart) > 0 && strings.TrimSpace(p.SmartReason) == "":
		return missing("waarom beeld zonder slimme functies niet volstaat", "why the picture without smart functions will not do")
	case p.Basis != "" && p.Basis.law().Regime != p.Regime:
		return refuse(CodeRegime, "Deze grondslag hoort niet bij het regime van de camera.", "This legal basis does not belong to the camera's regime.")
	case p.Selection != "" && !selectionCode.MatchString(p.Selection):
		return missing("de code uit de selectielijst, bijvoorbeeld 20.1.2", "the code of the selection list, for example 20.1.2")
	case p.DPIA != "" && d.dpias[p.DPIA] == nil:
		return unknown("DPIA", "DPIA", p.DPIA)
	case p.FilmsStaff != "" && p.FilmsStaff.Words() == Words{}:
		return missing("of personeel in beeld komt: ja of nee", "whether staff are filmed: yes or no")
	case p.Council != Council{} && (p.Council.Reference == "" || p.Council.Date.IsZero() || p.Council.Date.After(d.now.Time)):
		return missing("kenmerk en datum van de instemming van de ondernemingsraad, niet in de toekomst", "reference and date of the works council's consent, not in the future")
	case p.Storage.Country != "" && p.Storage.Country != Netherlands: // R21
		return refuse(CodeStorage,
			fmt.Sprintf("Beelden worden alleen in Nederland bewaard (privacyverklaring), niet in %q. Kies een plaats in Nederland.", p.Storage.Country),
			fmt.Sprintf("Footage is kept in the Netherlands only (privacy statement), not in %q. Choose a place in the Netherlands.", p.Storage.Country))
	case (p.Storage.Country == "") != (strings.TrimSpace(p.Storage.Place) == ""):
		return missing("waar de beelden staan: land en plaats", "where the footage is kept: country and place")
	}
	return nil
}

func (p Point) onEarth() bool {
	return p.LatE7 >= -90e7 && p.LatE7 <= 90e7 && p.LonE7 >= -180e7 && p.LonE7 <= 180e7 && p != Point{}
}
