package central

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Reports (R22) and the register of processing (R6) are views: nothing in them is kept beside the ledger. Ask them of the State as it was at the end of the year, or on a day: see
// ledger.Book.At (R5).

// Line of a report: what was counted, and how often.
type Line struct {
	Part  Words
	What  Words
	Count int
	Note  string // a reference where there is no count
}

// FewDemands: demands are secret; in an account to the council fewer than this many are not told apart (REQUIREMENTS section 1, Secrecy).
const FewDemands = 5

// Said is the count as it may be read.
func (l Line) Said(public bool) string {
	if public && l.Part == partDemands && l.Count > 0 && l.Count < FewDemands {
		return fmt.Sprintf("< %d", FewDemands)
	}
	return strconv.Itoa(l.Count)
}

var (
	partCameras   = Words{"Camera's", "Cameras"}
	partDemands   = Words{"Aanvragen van beelden", "Requests for footage"}
	partIncidents = Words{"Incidenten", "Incidents"}
	partSubjects  = Words{"Verzoeken van betrokkenen", "Requests of people filmed"}
	partOversight = Words{"Toezicht", "Oversight"}
)

// Account is the college's yearly account to the council. Drills are in no count.
func (s *State) Account(year int) []Line {
	var list []Line
	in := func(t protocol.Time) bool { return !t.IsZero() && t.Year() == year }
	end := time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC)
	add := func(part Words, n int, nl, en string) {
		list = append(list, Line{Part: part, What: Words{nl, en}, Count: n})
	}

	for _, regime := range []protocol.Regime{protocol.AVG, protocol.WPG} {
		perPurpose, active, assessed, confirmed := map[Purpose]int{}, 0, 0, 0
		var changes = map[string]int{}
		for _, p := range s.Placements() {
			if p.Regime != regime {
				continue
			}
			if p.StatusAt(end.Add(-time.Millisecond)) == Active {
				active++
				if p.DPIA != "" {
					assessed++
				}
				if s.ConfirmDue(p, end).After(end.Add(-time.Millisecond)) {
					confirmed++
				}
				for _, purpose := range p.Purposes {
					perPurpose[purpose]++
				}
			}
			for _, m := range p.History {
				if in(m.At) {
					changes[m.Name]++
				}
			}
			if v := p.Besluit.ValidUntil; p.Status == Active && in(v) && v.Before(end) {
				changes["lapsed"]++
			}
		}
		r := string(regime)
		add(partCameras, active, "in gebruik, "+r, "in use, "+r)
		for _, purpose := range Purposes {
			if n := perPurpose[purpose]; n > 0 {
				w := purpose.Words()
				add(partCameras, n, r+", voor "+w.NL, r+", for "+w.EN)
			}
		}
		add(partCameras, assessed, "in gebruik met een DPIA, "+r, "in use with a DPIA, "+r)
		add(partCameras, confirmed, "in gebruik en op tijd herbevestigd, "+r, "in use and re-confirmed in time, "+r)
		add(partCameras, changes["placement.activated"], "in gebruik genomen, "+r, "activated, "+r)
		add(partCameras, changes["placement.renewed"], "besluit verlengd, "+r, "decision renewed, "+r)
		add(partCameras, changes["placement.ended"], "gestopt, "+r, "stopped, "+r)
		add(partCameras, changes["lapsed"], "besluit verlopen, "+r, "decision lapsed, "+r)
	}

	asked, granted, partly, refused, released := map[string]int{}, 0, 0, 0, 0
	var took []time.Duration
	for _, id := range s.order {
		r := s.requests[id]
		if in(r.Filed) {
			w := r.Kind.Words().NL
			if r.Article != "" {
				w += " " + string(r.Article)
			}
			asked[w]++
		}
		if r.Decision != nil && in(r.Decision.At) {
			if r.Decision.Outcome != Ends { // that came long after what was decided on the request itself
				took = append(took, r.Decision.At.Sub(r.Filed.Time))
			}
			switch r.Decision.Outcome {
			case Refuses:
				refused++
			case Partly:
				partly++
			default:
				granted++
			}
		}
		for _, g := range r.Grants {
			if g.Released != nil && in(g.At) {
				released++
			}
		}
	}
	for _, what := range sortedKeys(asked) {
		add(partDemands, asked[what], what, what)
	}
	add(partDemands, granted, "toegekend", "granted")
	if partly > 0 {
		add(partDemands, partly, "deels toegekend", "granted in part")
	}
	add(partDemands, refused, "afgewezen", "refused")
	add(partDemands, released, "keer beelden verstrekt", "times footage was released")
	if len(took) > 0 {
		slices.Sort(took)
		hours := int(took[len(took)/2].Hours())
		list = append(list, Line{Part: Words{"Doorlooptijd", "Lead time"}, What: Words{"uren van aanvraag tot besluit, mediaan", "hours from request to decision, median"}, Count: hours})
	}

	opened, drills, inTime, late, noBreach := 0, 0, 0, 0, 0
	for _, i := range s.incidents {
		switch n := i.Told[TellAuthority]; {
		case !in(i.Opened):
		case i.Drill:
			drills++
		default:
			opened++
			switch {
			case i.NoBreach:
				noBreach++
			case i.OnTime():
				inTime++
			case n != nil && !n.At.IsZero():
				late++
			}
		}
	}
	add(partIncidents, opened, "geopend", "opened")
	add(partIncidents, inTime, "gemeld aan de AP binnen 72 uur", "notified to the AP within 72 hours")
	add(partIncidents, late, "later gemeld", "notified later")
	add(partIncidents, noBreach, "bleken geen datalek", "turned out no breach")
	add(partIncidents, drills, "oefeningen (niet meegeteld)", "drills (not counted)")

	filed, answered, tooLate := 0, 0, 0
	for _, q := range s.subjects {
		if in(q.Received) {
			filed++
		}
		if q.Answered != nil && in(q.AnsweredAt) {
			if answered++; !q.InTime() {
				tooLate++
			}
		}
	}
	add(partSubjects, filed, "ontvangen", "received")
	add(partSubjects, answered, "beantwoord", "answered")
	add(partSubjects, tooLate, "daarvan te laat", "of which late")

	perKind := map[MatterKind]int{}
	for _, m := range s.matters {
		if in(m.Received) {
			perKind[m.Kind]++
		}
	}
	for _, kind := range []MatterKind{Complaint, Objection} {
		w := kind.Words()
		add(partOversight, perKind[kind], w.NL, w.EN)
	}
	advice := s.AdviceIn(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), end)
	valid, checked := 0, 0
	for _, u := range s.Units() {
		if u.valid(end.Add(-time.Millisecond)) {
			valid++
		}
		for _, c := range s.agreements[u.ID].Checks {
			if in(c.On) {
				checked++
			}
		}
	}
	add(partOversight, valid, "geldige afspraken met organisaties", "valid agreements with organisations")
	add(partOversight, checked, "keer naleving van een afspraak nagegaan", "times an agreement was checked")
	add(partOversight, advice.Given, "adviezen van de privacy officer", "advices of the privacy officer")
	add(partOversight, advice.Against, "daarvan negatief", "of which against")
	add(partOversight, advice.NotFollowed, "keer een negatief advies niet gevolgd", "times an advice against was not followed")
	return append(list, s.further(year)...)
}

// OfficersReport is the privacy officer's own yearly report: the account, and what oversight did.
func (s *State) OfficersReport(year int) []Line {
	list := s.Account(year)
	in := func(t protocol.Time) bool { return !t.IsZero() && t.Year() == year }
	add := func(n int, nl, en string) {
		list = append(list, Line{Part: partOversight, What: Words{nl, en}, Count: n})
	}
	drawn, looked, wrong := 0, 0, 0
	for _, p := range s.samples {
		if in(p.At) {
			drawn++
			looked += len(p.Findings)
			for _, f := range p.Findings {
				if f.Finding == FoundWrong {
					wrong++
				}
			}
		}
	}
	audits, letters, read := 0, 0, 0
	for _, a := range s.audits {
		if in(a.Finished) {
			audits++
		}
	}
	for _, m := range s.matters {
		if in(m.Received) && (m.Kind == FromAuthority || m.Kind == ToAuthority) {
			letters++
		}
	}
	for _, r := range s.readings {
		if in(r.At) {
			read++
		}
	}
	orphans := 0
	for _, i := range s.incidents {
		if in(i.Opened) && i.Kind == "access-orphan" {
			orphans++
		}
	}
	add(orphans, "keer toegang zonder toestemming", "accesses without a grant")
	add(drawn, "steekproeven getrokken", "samples drawn")
	add(looked, "keer toegang nagezien", "accesses looked into")
	add(wrong, "daarvan niet in orde", "of which not in order")
	add(audits, "audits afgerond", "audits finished")
	add(letters, "brieven van en aan de toezichthouder", "letters from and to the authority")
	add(read, "keer inzage door toezicht", "readings by oversight")
	return list
}

// Processing is one entry of the register of processing (art. 30 AVG; contents N:451–455): a camera and all that is done with its footage.
type Processing struct {
	*Placement
	Controller Words
	Basis      Words
	Subjects   Words
	Data       Words
	Recipients []string // units with an agreement
	Window     protocol.Window
	Measures   Words
	Storage    string // in the Netherlands (R21)
	Processor  string // and its agreement; empty: nobody
}

// ControllerOf says who is the controller of footage under a regime (REQUIREMENTS section 1; art. 1 Wpg).
func (s *State) ControllerOf(r protocol.Regime) Words {
	if r == protocol.WPG {
		return Words{"korpschef van politie (Wpg); de gemeente plaatst de camera", "chief of police (Wpg); the municipality places the camera"}
	}
	return Words{"college van de gemeente " + s.Municipality, "executive of the municipality of " + s.Municipality}
}

// Register of processing: every camera that is or was in use, by id.
func (s *State) Register() []Processing {
	var units []string
	for _, u := range s.Units() {
		units = append(units, u.Name)
	}
	var list []Processing
	for _, p := range s.Placements() {
		if p.Status == Draft {
			continue
		}
		e := Processing{Placement: p, Recipients: units, Window: p.Window(),
			Controller: s.ControllerOf(p.Regime),
			Basis:      s.Ground(p).Words(),
			Storage:    p.Storage.Place,
			Subjects:   Words{"bezoekers, medewerkers en voorbijgangers", "visitors, staff and passers-by"},
			Data:       Words{"camerabeelden", "camera images"},
			Measures:   Words{"versleutelde opslag, vier ogen, getuigd logboek, automatische vernietiging", "encrypted storage, four eyes, witnessed log, deletion by itself"}}
		if p.Processor != "" {
			e.Processor = p.Processor
			if u := s.units[p.Processor]; u != nil {
				e.Processor = fmt.Sprintf("%s (%s)", u.Name, u.Agreement)
			}
		}
		if p.FilmsStaff == No {
			e.Subjects = Words{"bezoekers en voorbijgangers", "visitors and passers-by"}
		}
		if p.Sound != (Sound{}) {
			e.Data = Words{"camerabeelden en geluid", "camera images and sound"}
		}
		list = append(list, e)
	}
	return list
}
