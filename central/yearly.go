package central

import (
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// What else a yearly report says (REQUIREMENTS section 3, Yearly report), and the privacy officer's signature under one.
//
// A report is of the ledger as it was at the end of its year, so that it is the same whenever it is made. What only the recorders' logs know is counted when it is made; the
// signature keeps those counts, and the hashes of the report as CSV and as PDF: made again, it is the same to the byte, or something has changed.

// LogCounts are what the recorders' logs say of a year, as the centre's witness has them.
type LogCounts struct {
	Recorders   int    `json:"recorders"`
	Accesses    int    `json:"accesses"`
	Days        int    `json:"days"`        // camera-days with footage of which a certificate can be made
	Destroyed   int    `json:"destroyed"`   // of those: everything is gone
	Unaccounted int    `json:"unaccounted"` // of those: something is not accounted for
	Entries     uint64 `json:"entries"`     // covered by a cosigned checkpoint
	Findings    int    `json:"findings"`    // logs that did not grow as they should
}

type (
	// SignReport fixes the privacy officer's report of a year that is over. By the officer.
	SignReport struct {
		By    protocol.PersonID
		Year  int
		Risks string // the risks that the officer sees, and the measures; it is part of the report
		Logs  LogCounts
		Size  uint64        // of the ledger that it was computed from
		CSV   protocol.Hash // SHA-256 of the files, in Dutch
		PDF   protocol.Hash
	}
	ReportSigned struct {
		Year  int           `json:"year"`
		Risks string        `json:"risks"`
		Logs  LogCounts     `json:"logs"`
		Size  uint64        `json:"size"`
		CSV   protocol.Hash `json:"csv"`
		PDF   protocol.Hash `json:"pdf"`
	}
)

// Signature under a report.
type Signature struct {
	*ReportSigned
	By protocol.PersonID
	At protocol.Time
}

func (*ReportSigned) name() string { return "report.signed" }

// ReportMoment is the last moment of a year's reports.
func ReportMoment(year int) time.Time {
	return time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Millisecond)
}

func (c SignReport) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	switch {
	case c.Year < 2000 || !d.now.After(ReportMoment(c.Year)):
		return refuse(CodeState, "Dit jaar is nog niet om.", "This year is not over yet.")
	case d.Signed(c.Year) != nil:
		return refuse(CodeState, "Dit verslag is al ondertekend.", "This report has been signed already.")
	case c.Size == 0 || c.Size > d.Size:
		return refuse(CodeState, "Over dit jaar staat niets in het logboek.", "The ledger holds nothing of this year.")
	case strings.TrimSpace(c.Risks) == "":
		return missing("welke risico's u ziet, en welke maatregelen", "which risks you see, and which measures")
	case c.CSV == (protocol.Hash{}) || c.PDF == (protocol.Hash{}):
		return missing("het verslag dat u ondertekent", "the report that you sign")
	}
	d.record(&ReportSigned{c.Year, c.Risks, c.Logs, c.Size, c.CSV, c.PDF})
	return nil
}

func (f *ReportSigned) apply(s *State, e Event) error {
	s.signatures = append(s.signatures, Signature{f, e.By, e.Time})
	return nil
}

// Signed is the signature under a year's report, or nil.
func (s *State) Signed(year int) *Signature {
	i := slices.IndexFunc(s.signatures, func(g Signature) bool { return g.Year == year })
	if i < 0 {
		return nil
	}
	return &s.signatures[i]
}

var (
	partOverruns = Words{"Overschrijdingen", "Overruns"}
	partLogs     = Words{"Logboeken van de recorders", "The recorders' logs"}
)

// further lines of the account.
func (s *State) further(year int) (list []Line) {
	in := func(t protocol.Time) bool { return !t.IsZero() && t.Year() == year }
	end := ReportMoment(year)
	add := func(part Words, n int, nl, en string) {
		list = append(list, Line{Part: part, What: Words{nl, en}, Count: n})
	}

	released, partly, ended, late, slow := map[string]Words{}, 0, 0, 0, 0
	times := map[string]int{}
	for _, id := range s.order {
		r := s.requests[id]
		for _, g := range r.Grants {
			if g.Released != nil && in(g.At) {
				w := r.Kind.Words()
				if r.Article != "" {
					w = Words{w.NL + " " + string(r.Article), w.EN + " " + string(r.Article)}
				}
				released[w.NL] = Words{"verstrekt op: " + w.NL, "released on: " + w.EN}
				times[w.NL]++
			}
		}
		if dec := r.Decision; dec != nil && in(dec.At) {
			switch dec.Outcome {
			case Partly:
				partly++
			case Ends:
				ended++
			}
			if !r.Deadline.IsZero() && dec.At.After(r.Deadline.Time) {
				late++
			}
		}
		for _, h := range r.Holds {
			if in(h.Issued) && h.Refused == "" && (h.Confirmed == nil || h.At.Sub(h.Issued.Time) >= HoldAlarm) {
				slow++
			}
		}
	}
	for _, key := range sortedKeys(released) {
		add(partDemands, times[key], released[key].NL, released[key].EN)
	}
	add(partDemands, partly, "waarvan deels toegekend", "of which granted in part")
	add(partDemands, ended, "bewaren beëindigd", "holding ended")
	oral := s.OralDemands(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), end, end)
	add(partDemands, oral.Spoken, "mondelinge vorderingen", "oral demands")
	add(partDemands, oral.InTime, "binnen drie dagen schriftelijk bevestigd", "confirmed in writing within three days")
	add(partDemands, oral.Late, "later bevestigd", "confirmed later")
	add(partDemands, oral.Never, "nooit bevestigd", "never confirmed")

	add(partOverruns, late, "besluiten na de gevraagde termijn", "decisions after the term that was asked")
	add(partOverruns, slow, "bewaringen na vijf minuten niet bevestigd", "holds not confirmed after five minutes")
	overdue := 0
	for _, p := range s.Placements() {
		if p.StatusAt(end) == Active && s.ConfirmDue(p, end).Before(end) {
			overdue++
		}
	}
	add(partOverruns, overdue, "camera's te laat herbevestigd", "cameras not re-confirmed in time")

	review, over := 0, 0
	for _, p := range s.Placements() {
		if a := s.DPIA(p.DPIA); p.StatusAt(end) == Active && a != nil && a.Review.Before(end) {
			review++
		}
	}
	for _, u := range s.Units() {
		if !end.Before(u.ValidUntil.Time) {
			over++
		}
	}
	add(partOverruns, review, "camera's waarvan de DPIA herzien had moeten zijn", "cameras whose DPIA should have been revised")
	add(partOverruns, over, "verlopen afspraken met organisaties", "agreements with organisations that have run out")
	return list
}

// Lines of what the logs know.
func (n LogCounts) Lines() (list []Line) {
	add := func(count int, nl, en string) {
		list = append(list, Line{Part: partLogs, What: Words{nl, en}, Count: count})
	}
	add(n.Recorders, "recorders met een logboek", "recorders with a log")
	add(n.Accesses, "keer toegang tot beelden", "accesses to footage")
	add(n.Days, "dagen van camera's waarvan een verklaring van vernietiging te maken is", "days of cameras that a certificate of destruction can be made of")
	add(n.Destroyed, "daarvan: alles vernietigd", "of which: everything deleted")
	add(n.Unaccounted, "daarvan: niet alles verantwoord", "of which: not everything accounted for")
	add(int(n.Entries), "regels die de getuige heeft nagerekend en bekrachtigd", "entries that the witness verified and cosigned")
	add(n.Findings, "logboeken die niet groeiden zoals het hoort", "logs that did not grow as they should")
	return list
}
