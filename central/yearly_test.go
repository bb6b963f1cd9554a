package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// TestR22_EachItemOfTheYearlyReport: what REQUIREMENTS section 3 lists is there, counted.
func TestR22_EachItemOfTheYearlyReport(t *testing.T) {
	c := newCentre(t)
	g := c.granted(requester, handler, approver, theft()).Grants[0]
	c.do(RecordRelease{c.source(), released(g)})
	spoken := theft()
	spoken.Said, spoken.Deadline = protocol.T(c.now), protocol.T(c.now.Add(time.Hour))
	r := c.file(spoken)
	c.now = c.now.Add(6 * time.Minute)
	c.confirm(r) // too late
	c.now = c.now.Add(4 * 24 * time.Hour)
	c.do(Tend{})
	lines := append(c.s.OfficersReport(2026), LogCounts{Recorders: 1, Accesses: 2, Days: 30, Destroyed: 28, Unaccounted: 1, Entries: 900, Findings: 1}.Lines()...)
	for what, want := range map[string]int{
		"in gebruik, AVG": 1, "in gebruik genomen, AVG": 1, "besluit verlengd, AVG": 0, "gestopt, AVG": 0, "besluit verlopen, AVG": 0, // cameras by regime and change, decisions
		"verstrekt op: vordering 126nda": 1, "toegekend": 1, "waarvan deels toegekend": 0, "afgewezen": 0, // releases by article, outcome
		"mondelinge vorderingen": 1, "nooit bevestigd": 1, // oral demands never confirmed
		"bewaringen na vijf minuten niet bevestigd": 1, "besluiten na de gevraagde termijn": 0, "camera's te laat herbevestigd": 0, // overruns
		"gemeld aan de AP binnen 72 uur": 0, "later gemeld": 0, "ontvangen": 0, "daarvan te laat": 0, "klacht": 0, // incidents, subjects, complaints
		"in gebruik met een DPIA, AVG": 1, "camera's waarvan de DPIA herzien had moeten zijn": 0, "geldige afspraken met organisaties": 2, "adviezen van de privacy officer": 0, "keer een negatief advies niet gevolgd": 0, // DPIA cover, agreements, advice
		"keer toegang tot beelden": 2, "daarvan: alles vernietigd": 28, "daarvan: niet alles verantwoord": 1, "regels die de getuige heeft nagerekend en bekrachtigd": 900, // accesses, certificates, chains
		"steekproeven getrokken": 0,
	} {
		there := false
		for _, l := range lines {
			there = there || l.What.NL == what && l.What.EN != ""
		}
		if got := counted(lines, what); got != want || !there {
			t.Errorf("%s: %d (there: %v), want %d", what, got, there, want)
		}
	}
}

// TestR22_TheOfficerSignsTheYearlyReport: only the officer, only of a year that is over, once.
func TestR22_TheOfficerSignsTheYearlyReport(t *testing.T) {
	c := newCentre(t)
	sign := SignReport{By: officer, Year: 2026, Risks: "geen", Logs: LogCounts{Accesses: 3}, Size: 5, CSV: protocol.HashOf([]byte("csv")), PDF: protocol.HashOf([]byte("pdf"))}
	c.refused(sign, CodeState)
	c.now = time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC)
	for _, p := range []protocol.PersonID{handler, approver, registrar, admin, staff, requester, policeA} {
		other := sign
		other.By = p
		c.refused(other, CodeForbidden)
	}
	for _, wrong := range []SignReport{{By: officer, Year: 2026, Risks: "geen", Size: 5, PDF: sign.PDF}, {By: officer, Year: 2026, Risks: "geen", Size: 5, CSV: sign.CSV}, {By: officer, Year: 2026, Size: 5, CSV: sign.CSV, PDF: sign.PDF}} {
		c.refused(wrong, CodeInvalid)
	}
	empty := sign
	empty.Size = 0
	c.refused(empty, CodeState)
	c.do(sign)
	if g := c.s.Signed(2026); g == nil || g.By != officer || !g.At.Equal(c.now) || g.PDF != sign.PDF || g.Logs.Accesses != 3 || c.s.Signed(2025) != nil {
		t.Errorf("%+v", g)
	}
	c.refused(sign, CodeState)
}
