package central

import (
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Two regimes, two controllers: each kind of request belongs to one of them, and each is checked and decided by its own people alone.
func TestTwoRegimesAskAndDecideApart(t *testing.T) {
	kinds := map[RequestKind]protocol.Regime{Vordering: protocol.AVG, OwnInitiative: protocol.AVG, Provisional: protocol.AVG, ByConsent: protocol.AVG, WpgRelease: protocol.WPG}
	camera := map[protocol.Regime]protocol.CameraID{protocol.AVG: "hal", protocol.WPG: "plein"}
	people := map[protocol.Regime][2]protocol.PersonID{protocol.AVG: {handler, approver}, protocol.WPG: {policeH, policeA}}
	other := map[protocol.Regime]protocol.Regime{protocol.AVG: protocol.WPG, protocol.WPG: protocol.AVG}
	for kind, regime := range kinds {
		c := newCentre(t)
		c.do(Appoint{admin, Appointment{Person: staff, Posts: []Post{{Role: Staff}}, Cameras: []protocol.CameraID{"hal", "plein"}, Secrecy: day(-10)}})
		f, by := theft(), requester
		f.Kind = kind
		if kind.byStaff() {
			by, f.Unit = staff, "basisteam"
		}
		if kind == ByConsent {
			f.Consent = consented().Consent
		}
		f.Cameras = []protocol.CameraID{camera[other[regime]]}
		c.refused(FileRequest{by, f}, CodeRegime)
		f.Cameras = []protocol.CameraID{"hal", "plein"}
		c.refused(FileRequest{by, f}, CodeRegime)
		f.Cameras = []protocol.CameraID{camera[regime]}
		c.do(FileRequest{by, f})
		if kind == Provisional {
			continue // nobody decides on it
		}
		c.confirm("z-1")
		mine, theirs := people[regime], people[other[regime]]
		c.refused(CheckRequest{By: theirs[0], Request: "z-1", Complete: true, Necessary: true}, CodeForbidden)
		c.do(CheckRequest{By: mine[0], Request: "z-1", Complete: true, Necessary: true})
		c.refused(DecideRequest{By: theirs[1], Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}, CodeForbidden)
		c.do(DecideRequest{By: mine[1], Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")})
		r := c.s.Request("z-1")
		if g := lastOrder[*protocol.Grant](c); g.Regime != regime || r.Regime != regime {
			t.Errorf("%s: the grant, and so the recorder's log, says %s", kind, g.Regime)
		}
		if c.s.MayRead(theirs[0], r, c.now) || c.s.MayRead(theirs[1], r, c.now) {
			t.Errorf("%s: the other regime's people read it", kind)
		}
	}
}
