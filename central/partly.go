package central

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Granting in part. Of what was asked some cameras, or less of an interval, are granted; the rest is refused for its own reason and its hold is lifted. Less of an interval
// is held anew first: its recorder rounds it to whole segments, and only that may be approved. The decision says under whose name and mandate it is taken, whether the
// privacy officer was asked, and what the footage may be used for.

// Part is what a decision in part says of one camera.
type Part struct {
	Camera     protocol.CameraID `json:"camera"`
	Narrowed   protocol.Interval `json:"narrowed,omitzero"` // of the interval asked this much is granted; zero: nothing
	Reason     Reason            `json:"reason"`            // why not the rest
	Motivation string            `json:"motivation"`
}

// Stated is what a decision says beside its outcome and motivation.
type Stated struct {
	Restriction string `json:"restriction,omitempty"` // what the footage may be used for, and nothing else; it stands in the grant, and so in the bag
	Consulted   string `json:"consulted,omitempty"`   // that the privacy officer was asked, and where the advice is
	Mandate     string `json:"mandate,omitempty"`     // the mandate or authorisation under which is decided
}

// longestRestriction is in runes: it stands in the grant, the recorder's log and the bag.
const longestRestriction = 300

func (s Stated) check() error {
	if len([]rune(s.Restriction)) > longestRestriction || strings.ContainsFunc(s.Restriction, unicode.IsControl) {
		return refuse(CodeInvalid, fmt.Sprintf("Zeg de beperking in één regel van ten hoogste %d tekens, zonder namen: zij staat in de toestemming en in het pakket.", longestRestriction),
			fmt.Sprintf("State the restriction in one line of at most %d characters, without names: it stands in the grant and in the bag.", longestRestriction))
	}
	return nil
}

// InNameOf says in whose name a decision about a regime's footage is taken (art. 10:10 Awb; art. 1 Wpg).
func InNameOf(r protocol.Regime) Words {
	if r == protocol.WPG {
		return Words{"namens de korpschef van politie", "in the name of the chief of police"}
	}
	return Words{"namens het college van burgemeester en wethouders", "in the name of the municipal executive"}
}

// Verified is one thing that a handler saw to.
type Verified string

const (
	VerifiedTitle  Verified = "title"
	VerifiedAsker  Verified = "asker"
	VerifiedPaper  Verified = "paper"
	VerifiedScope  Verified = "scope"
	VerifiedLess   Verified = "less" // R30
	VerifiedCalled Verified = "called-back"
	VerifiedLeave  Verified = "leave"
)

// Verifications in the order a page lists them.
var Verifications = []Verified{VerifiedTitle, VerifiedAsker, VerifiedPaper, VerifiedScope, VerifiedLess, VerifiedCalled, VerifiedLeave}

var verifiedWords = map[Verified]Words{
	VerifiedTitle:  {"de grond geldt en wie vraagt is daartoe bevoegd", "the ground holds, and whoever asks has the power"},
	VerifiedAsker:  {"de aanvrager hoort bij de eenheid die ontvangt", "the requester belongs to the unit that receives"},
	VerifiedPaper:  {"het stuk zelf gezien", "the paper itself seen"},
	VerifiedScope:  {"camera's en tijdvak zijn niet ruimer dan nodig", "cameras and interval are no wider than needed"},
	VerifiedLess:   {"minder volstaat niet: korter, afgedekt of minder scherp", "less will not do: shorter, masked or less sharp"},
	VerifiedCalled: {"teruggebeld op een nummer dat wij al kenden", "called back on a number that we knew already"},
	VerifiedLeave:  {"de machtiging van de rechter-commissaris gezien", "the examining magistrate's leave seen"},
}

func (v Verified) Words() Words { return verifiedWords[v] }

// decided is the event of a decision.
func (c DecideRequest) decided(parts []Part) *RequestDecided {
	return &RequestDecided{Request: c.Request, Outcome: c.Outcome, Reason: c.Reason, Motivation: c.Motivation, Approved: c.Approved, Parts: parts, Stated: c.Stated}
}

// holdOf is the hold that counts for a camera of a request, or nil.
func (r *Request) holdOf(camera protocol.CameraID) *Hold {
	for _, h := range slices.Backward(r.Holds) {
		if h.Camera == camera && !h.Replaced {
			return h
		}
	}
	return nil
}

// partly grants some of what was asked.
func (c DecideRequest) partly(d *decision, r *Request) error {
	if r.Status != Checked || r.Kind == Standing || r.Kind == Preservation || !r.Period.IsZero() {
		return refuse(CodeState, "Hier kan niet in delen worden beslist: ken toe of wijs af.", "This cannot be decided in part: grant or refuse.")
	}
	if len(c.Parts) == 0 {
		return missing("welke camera's of welk deel u niet toekent, en waarom", "which cameras or which part you do not grant, and why")
	}
	narrowed, named := 0, map[protocol.CameraID]bool{}
	for _, p := range c.Parts {
		h := r.holdOf(p.Camera)
		switch {
		case h == nil || named[p.Camera]:
			return unknown("Camera in deze aanvraag", "Camera in this request", string(p.Camera))
		case !slices.Contains(RefusalReasons, p.Reason):
			return missing("reden van afwijzing voor camera "+string(p.Camera), "reason for refusal for camera "+string(p.Camera))
		case strings.TrimSpace(p.Motivation) == "":
			return missing("motivering voor camera "+string(p.Camera), "motivation for camera "+string(p.Camera))
		case !p.Narrowed.IsZero() && (p.Narrowed.Valid() != nil || !h.Asked.Contains(p.Narrowed) || p.Narrowed.Equal(h.Asked)):
			return refuse(CodeInterval, fmt.Sprintf("Het kleinere tijdvak voor camera %s moet binnen het gevraagde liggen.", p.Camera), fmt.Sprintf("The narrower interval for camera %s must lie within the one asked.", p.Camera))
		}
		named[p.Camera] = true
		if !p.Narrowed.IsZero() {
			narrowed++
		}
	}
	due := slices.DeleteFunc(d.Due(r, d.now.Time), func(h *Hold) bool { return named[h.Camera] })
	if len(due)+narrowed == 0 {
		return refuse(CodeState, "Zo blijft er niets over om toe te kennen: wijs de aanvraag af.", "That leaves nothing to grant: refuse the request.")
	}
	if err := c.approves(due); err != nil {
		return err
	}
	d.record(c.decided(c.Parts))
	for _, p := range c.Parts {
		if p.Narrowed.IsZero() {
			if err := d.lift(r, r.holdOf(p.Camera), protocol.Lift{Reason: protocol.LiftRefused, Handler: r.Check.By, Approver: c.By}); err != nil {
				return err
			}
			continue
		}
		f := r.RequestFacts
		f.Asked = p.Narrowed // what is held now is lifted when this stands: see grant
		if err := d.hold(r.ID, d.placements[p.Camera], f); err != nil {
			return err
		}
	}
	return c.permitAll(d, r, due)
}

// approves says whether the approver approved exactly what the recorders hold.
func (c DecideRequest) approves(due []*Hold) error { return approves(c.Approved, due) }

func approves(approved []Approved, due []*Hold) error {
	if len(approved) != len(due) {
		return notRounded(due)
	}
	for _, h := range due {
		if !slices.ContainsFunc(approved, func(a Approved) bool { return a.Camera == h.Camera && a.Interval.Equal(h.Rounded()) }) {
			return notRounded(due)
		}
	}
	return nil
}

// liftReplaced ends the holds of what nobody asks any more, or of what was narrowed, once something else stands in their place.
func (d *decision) liftReplaced(r *Request, handler, approver protocol.PersonID) error {
	for _, h := range r.Holds {
		if now := r.holdOf(h.Camera); !h.Replaced || now != nil && now.Confirmed == nil {
			continue
		}
		if err := d.lift(r, h, protocol.Lift{Reason: protocol.LiftRefused, Handler: handler, Approver: approver}); err != nil {
			return err
		}
	}
	return nil
}
