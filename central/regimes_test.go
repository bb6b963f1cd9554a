package central

import (
	"slices"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Two regimes, two controllers. Every kind of request against each regime: who may file it, who checks and decides it, who may read it, in whose name, and what the recorder's log says.
func TestTwoRegimesAskAndDecideApart(t *testing.T) {
	police, town := [2]protocol.PersonID{policeH, policeA}, [2]protocol.PersonID{handler, approver}
	asks, staffs := []protocol.PersonID{requester, colleague}, []protocol.PersonID{staff}
	table := []struct {
		kind    RequestKind
		regime  protocol.Regime
		file    []protocol.PersonID  // and nobody else; none: this kind is not of this regime
		decide  [2]protocol.PersonID // handler and approver; empty: nobody decides
		use     protocol.Use         // of the grant; empty: nothing is given
		officer bool                 // the municipality's privacy officer reads it
	}{
		{kind: Vordering, regime: protocol.AVG, file: asks, decide: town, use: protocol.UseRelease, officer: true},
		{kind: Vordering, regime: protocol.WPG},
		{kind: OwnInitiative, regime: protocol.AVG, file: staffs, decide: town, use: protocol.UseRelease, officer: true},
		{kind: OwnInitiative, regime: protocol.WPG},
		{kind: WpgRelease, regime: protocol.AVG},
		{kind: WpgRelease, regime: protocol.WPG, file: asks, decide: police, use: protocol.UseRelease},
		{kind: Preservation, regime: protocol.AVG, file: asks, decide: town, officer: true},
		{kind: Preservation, regime: protocol.WPG, file: asks, decide: police},
		{kind: ByConsent, regime: protocol.AVG, file: asks, decide: town, use: protocol.UseRelease, officer: true},
		{kind: ByConsent, regime: protocol.WPG},
		{kind: Provisional, regime: protocol.AVG, file: staffs, officer: true},
		{kind: Provisional, regime: protocol.WPG},
		{kind: Standing, regime: protocol.AVG, file: staffs, decide: town, use: protocol.UseStanding, officer: true},
		{kind: Standing, regime: protocol.WPG, file: staffs, decide: police, use: protocol.UseStanding},
	}
	if n := 2 * len(RequestKinds); len(table) != n {
		t.Errorf("%d rows, %d kinds in two regimes", len(table), n/2)
	}
	everyone := []protocol.PersonID{admin, registrar, handler, approver, approver2, officer, requester, colleague, policeH, policeA, staff, System, "p-nobody"}
	camera := map[protocol.Regime]protocol.CameraID{protocol.AVG: "hal", protocol.WPG: "plein"}
	names := map[protocol.Regime]string{protocol.AVG: "namens het college van burgemeester en wethouders", protocol.WPG: "namens de korpschef van politie"}
	for _, row := range table {
		t.Run(string(row.kind)+" "+string(row.regime), func(t *testing.T) {
			c := newCentre(t)
			c.do(Appoint{admin, Appointment{Person: staff, Posts: []Post{{Role: Staff}}, Cameras: []protocol.CameraID{"hal", "plein"}, Secrecy: day(-10)}})
			f := theft()
			switch f.Kind = row.kind; f.Kind {
			case ByConsent:
				f.Consent = consented().Consent
			case Preservation:
				f = preserve()
			case OwnInitiative:
				f.Unit = "basisteam"
			case Standing:
				c.do(FixLivePeriod{registrar, "plein", LivePeriod{day(0), day(60), day(-2), "BM-2026-5"}})
				f.Asked, f.ViewerKey, f.Until, f.Purpose = protocol.Interval{}, viewer(t), day(30), c.s.Placement(camera[row.regime]).Purposes[0]
			}
			f.Cameras = []protocol.CameraID{"hal", "plein"}
			if len(row.file) > 0 {
				c.refused(FileRequest{row.file[0], f}, CodeRegime) // two controllers, two requests
			}
			f.Cameras = []protocol.CameraID{camera[row.regime]}
			for _, by := range everyone {
				if slices.Contains(row.file, by) {
					continue
				}
				if len(row.file) == 0 && (slices.Contains(asks, by) && !f.Kind.byStaff() || by == staff && f.Kind.byStaff()) {
					c.refused(FileRequest{by, f}, CodeRegime)
				} else {
					c.refused(FileRequest{by, f}, CodeForbidden)
				}
			}
			for _, by := range row.file {
				c.do(FileRequest{by, f})
			}
			if len(row.file) == 0 {
				return
			}
			r := c.s.Request("z-1")
			readers := append([]protocol.PersonID{row.file[0]}, map[protocol.Regime][]protocol.PersonID{protocol.AVG: {handler, approver, approver2, officer}, protocol.WPG: {policeH, policeA}}[row.regime]...)
			if !row.kind.byStaff() || row.kind == OwnInitiative {
				readers = append(readers, asks...) // of the unit that receives
			}
			for _, p := range everyone {
				if got := c.s.MayRead(p, r, c.now); got != slices.Contains(readers, p) {
					t.Errorf("%s reads it: %v", p, got)
				}
			}
			if row.officer != c.s.MayRead(officer, r, c.now) {
				t.Error("the municipality's privacy officer")
			}
			if got := InNameOf(r.Regime).NL; got != names[row.regime] {
				t.Error(got)
			}
			c.confirm("z-1")
			grant := DecideRequest{Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")}
			for _, by := range everyone {
				if by == row.decide[0] {
					continue
				}
				code := CodeForbidden
				if row.decide[0] == "" && slices.Contains([]protocol.PersonID{handler}, by) {
					code = CodeState // a provisional hold is only kept
				}
				c.refused(CheckRequest{By: by, Request: "z-1", Complete: true, Necessary: true}, code)
			}
			if row.decide[0] == "" {
				grant.By = approver
				c.refused(grant, CodeState)
				return
			}
			c.do(CheckRequest{By: row.decide[0], Request: "z-1", Complete: true, Necessary: true})
			for _, by := range everyone {
				if grant.By = by; by == row.decide[1] || by == approver2 && row.regime == protocol.AVG {
					continue
				}
				c.refused(grant, CodeForbidden)
			}
			grant.By = row.decide[1]
			c.do(grant)
			switch {
			case row.use == "" && len(r.Grants) > 0:
				t.Error("a grant of what is only kept")
			case row.use != "":
				if g := lastOrder[*protocol.Grant](c); g.Regime != row.regime || g.Use != row.use || r.Regime != row.regime {
					t.Errorf("the grant, and so the recorder's log, says %s, %s", g.Regime, g.Use)
				}
			}
		})
	}
}
