package central

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Incidents (R13): found by recorders, opened by time, or reported by a person; kept by the privacy officer until each is settled. The 72 hours run
// from awareness, on weekends too. Drills are in the register, flagged, and in no count.

// IncidentFacts is what people write of an incident (REQUIREMENTS section 3). Personal names do not belong in it.
type IncidentFacts struct {
	Nature       string              `json:"nature,omitempty"`     // what happened
	Discovered   protocol.Time       `json:"discovered,omitzero"`  // when it was found
	Aware        protocol.Time       `json:"aware,omitzero"`       // when the municipality knew: the clock starts
	Internal     protocol.Time       `json:"internal,omitzero"`    // when it was reported internally
	Categories   string              `json:"categories,omitempty"` // of data and of people
	People       int                 `json:"people,omitzero"`      // about how many
	Cameras      []protocol.CameraID `json:"cameras,omitempty"`
	Segments     string              `json:"segments,omitempty"` // which footage
	Cause        string              `json:"cause,omitempty"`
	Consequences string              `json:"consequences,omitempty"`
	Measures     string              `json:"measures,omitempty"`
	Prevention   string              `json:"prevention,omitempty"`
	FollowUp     string              `json:"followUp,omitempty"`
	Advice       string              `json:"advice,omitempty"` // the officer's
}

// Told is whom an incident is made known to.
type Told string

const (
	TellAuthority Told = "authority" // the AP, art. 33 AVG
	TellSubjects  Told = "subjects"  // the people concerned, art. 34 AVG
)

// Tolds in the order a page lists them.
var Tolds = []Told{TellAuthority, TellSubjects}

var toldWords = map[Told]Words{
	TellAuthority: {"Autoriteit Persoonsgegevens", "supervisory authority (AP)"},
	TellSubjects:  {"betrokkenen", "people concerned"},
}

func (t Told) Words() Words { return toldWords[t] }

// Notice says that somebody was told, and when; or why not. Late to the authority, it says both.
type Notice struct {
	At        protocol.Time `json:"at,omitzero"` // zero: not told
	Reference string        `json:"reference,omitempty"`
	Reason    string        `json:"reason,omitempty"` // why not, or why late
}

type (
	// ReportIncident puts an incident in the register. By anyone who has work here.
	ReportIncident struct {
		By    protocol.PersonID
		Drill bool
		IncidentFacts
	}
	// DescribeIncident replaces what is written of an open incident. By the officer.
	DescribeIncident struct {
		By     protocol.PersonID
		Number int
		IncidentFacts
	}
	// TellOfIncident records that somebody was told, or why not. By the officer.
	TellOfIncident struct {
		By     protocol.PersonID
		Number int
		Told   Told
		Notice
	}
	// CloseIncident settles one. By the officer. NoBreach: it turned out not to touch personal data, and Conclusion says why.
	CloseIncident struct {
		By         protocol.PersonID
		Number     int
		NoBreach   bool
		Conclusion string
	}
	// RecordAccess compares an access to footage with what allowed it; what nothing allowed opens an incident.
	RecordAccess struct {
		Source
		Access Access
	}
)

type (
	// IncidentDescribed follows a report at once, and every time more is known.
	IncidentDescribed struct {
		Number int  `json:"number"`
		Drill  bool `json:"drill,omitzero"` // only on reporting
		IncidentFacts
	}
	IncidentTold struct {
		Number int  `json:"number"`
		Told   Told `json:"told"`
		Notice
	}
	IncidentClosed struct {
		Number     int    `json:"number"`
		NoBreach   bool   `json:"noBreach,omitzero"`
		Conclusion string `json:"conclusion"`
	}
)

func (*IncidentDescribed) name() string { return "incident.described" }
func (*IncidentTold) name() string      { return "incident.told" }
func (*IncidentClosed) name() string    { return "incident.closed" }

// reported is the kind of an incident that a person reported.
const reported = "reported"

// works makes person the actor if any post of theirs is active now.
func (d *decision) works(person protocol.PersonID) error {
	d.by = person
	err := refuse(CodeForbidden, "U bent hier niet aangesteld.", "You have not been appointed here.")
	if p := d.people[person]; p != nil {
		for _, post := range p.Posts {
			if post.Role == Auditor {
				continue // reads only
			}
			if err = d.acts(person, post.Role, post.Regime, d.now.Time); err == nil {
				return nil
			}
		}
	}
	return err
}

func (c ReportIncident) decide(d *decision) error {
	if err := d.works(c.By); err != nil {
		return err
	}
	f := c.IncidentFacts
	if strings.TrimSpace(f.Nature) == "" {
		return missing("wat er is gebeurd", "what happened")
	}
	if f.Aware.IsZero() {
		f.Aware = d.now
	}
	if f.Discovered.IsZero() {
		f.Discovered = f.Aware
	}
	if f.Internal.IsZero() {
		f.Internal = d.now
	}
	if err := d.incidentFacts(f); err != nil {
		return err
	}
	d.record(&IncidentOpened{Kind: reported, Detail: short(f.Nature)})
	d.record(&IncidentDescribed{Number: len(d.incidents) + 1, Drill: c.Drill, IncidentFacts: f})
	return nil
}

func (d *decision) incidentFacts(f IncidentFacts) error {
	for _, camera := range f.Cameras {
		if d.placements[camera] == nil {
			return unknown("Camera", "Camera", string(camera))
		}
	}
	switch {
	case f.Aware.IsZero() || f.Discovered.IsZero():
		return missing("wanneer het is ontdekt en wanneer de gemeente ervan wist", "when it was found and when the municipality knew")
	case f.Aware.After(d.now.Time) || f.Discovered.After(d.now.Time) || f.Internal.After(d.now.Time):
		return refuse(CodeInterval, "Een tijd ligt in de toekomst.", "A time lies in the future.")
	case f.People < 0:
		return missing("het aantal mensen, nul of meer", "the number of people, zero or more")
	}
	return nil
}

// incident finds an open one for the officer.
func (d *decision) incident(by protocol.PersonID, number int) (*Incident, error) {
	if err := d.as(by, Officer, ""); err != nil {
		return nil, err
	}
	i := d.Incident(number)
	switch {
	case i == nil:
		return nil, unknown("Incident", "Incident", fmt.Sprint(number))
	case !i.Closed.IsZero():
		return nil, refuse(CodeState, "Dit incident is afgesloten. Meld een nieuw incident dat hiernaar verwijst.", "This incident is closed. Report a new one that refers to it.")
	}
	return i, d.erased(IncidentDossier(number))
}

func (c DescribeIncident) decide(d *decision) error {
	i, err := d.incident(c.By, c.Number)
	if err != nil {
		return err
	}
	if strings.TrimSpace(c.Nature) == "" {
		return missing("wat er is gebeurd", "what happened")
	}
	if err := d.incidentFacts(c.IncidentFacts); err != nil {
		return err
	}
	d.record(&IncidentDescribed{Number: i.Number, IncidentFacts: c.IncidentFacts})
	return nil
}

func (c TellOfIncident) decide(d *decision) error {
	i, err := d.incident(c.By, c.Number)
	if err != nil {
		return err
	}
	silent := strings.TrimSpace(c.Reason) == ""
	switch {
	case toldWords[c.Told] == Words{}:
		return missing("wie het te weten krijgt", "who is told")
	case c.At.IsZero() && silent:
		return missing("wanneer het is gemeld, of waarom niet", "when they were told, or why not")
	case c.At.After(d.now.Time):
		return refuse(CodeInterval, "Deze tijd ligt in de toekomst.", "This time lies in the future.")
	case c.Told == TellAuthority && !c.At.IsZero() && strings.TrimSpace(c.Reference) == "":
		return missing("het kenmerk van de melding", "the reference of the notification")
	case c.Told == TellAuthority && c.At.After(i.Deadline().Time) && silent: // art. 33(1) AVG
		return missing("waarom later dan 72 uur is gemeld (art. 33 lid 1 AVG)", "why this was notified after 72 hours (art. 33(1) GDPR)")
	}
	d.record(&IncidentTold{i.Number, c.Told, c.Notice})
	return nil
}

func (c CloseIncident) decide(d *decision) error {
	i, err := d.incident(c.By, c.Number)
	if err != nil {
		return err
	}
	if strings.TrimSpace(c.Conclusion) == "" {
		return missing("de conclusie", "the conclusion")
	}
	if !c.NoBreach {
		for _, t := range Tolds {
			if i.Told[t] == nil {
				w := t.Words()
				return missing("of gemeld is aan de "+w.NL+", of waarom niet", "whether the "+w.EN+" were told, or why not")
			}
		}
		switch {
		case strings.TrimSpace(i.Facts.Cause) == "":
			return missing("de oorzaak", "the cause")
		case strings.TrimSpace(i.Facts.Measures) == "":
			return missing("de maatregelen", "the measures")
		case strings.TrimSpace(i.Facts.Prevention) == "":
			return missing("hoe dit voortaan wordt voorkomen", "how this will be prevented")
		}
	}
	d.record(&IncidentClosed{i.Number, c.NoBreach, c.Conclusion})
	return nil
}

func (c RecordAccess) decide(d *decision) error {
	if d.known(c.Source) {
		return nil
	}
	m := d.Match([]Access{c.Access})[0]
	if m.Orphan() {
		d.trouble(IncidentOpened{Source: c.Source, Kind: "access-orphan", Detail: fmt.Sprintf("entry %d, grant %q: %s", c.Seq, short(string(m.Access.Grant)), m.Why.EN), Camera: m.Camera})
	}
	return nil
}

func (s *State) notes(number int, e Event, note string, change func(*Incident)) error {
	i := s.Incident(number)
	if i == nil {
		return noSuch("incident", fmt.Sprint(number))
	}
	change(i)
	i.History = append(i.History, e.moment(note))
	return nil
}

func (f *IncidentDescribed) apply(s *State, e Event) error {
	return s.notes(f.Number, e, "", func(i *Incident) { i.Facts, i.Drill = f.IncidentFacts, i.Drill || f.Drill })
}

func (f *IncidentTold) apply(s *State, e Event) error {
	return s.notes(f.Number, e, f.Reference, func(i *Incident) {
		if i.Told == nil {
			i.Told = map[Told]*Notice{}
		}
		i.Told[f.Told] = &f.Notice
	})
}

func (f *IncidentClosed) apply(s *State, e Event) error {
	return s.notes(f.Number, e, f.Conclusion, func(i *Incident) { i.Closed, i.NoBreach, i.Conclusion = e.Time, f.NoBreach, f.Conclusion })
}

// Incident of a number, or nil.
func (s *State) Incident(number int) *Incident {
	if number < 1 || number > len(s.incidents) {
		return nil
	}
	return s.incidents[number-1]
}

// Says is what was found, as it was written. Recorders write English; a ledger of before 22 November 2026 has both languages in one text.
func (i *Incident) Says() Words { return Words{NL: i.Detail, EN: cmp.Or(i.English, i.Detail)} }

// Aware is when the clock started: as people wrote, or when it was opened.
func (i *Incident) Aware() protocol.Time {
	if i.Facts.Aware.IsZero() {
		return i.Opened
	}
	return i.Facts.Aware
}

// Deadline is when the authority must have been told.
func (i *Incident) Deadline() protocol.Time { return protocol.T(i.Aware().Add(BreachTerm)) }

// KeepUntil is how long it stays in the register at least.
func (i *Incident) KeepUntil() protocol.Time {
	return protocol.T(i.Opened.AddDate(IncidentYears, 0, 0))
}

// Waits says that the authority may still have to be told.
func (i *Incident) Waits() bool {
	return i.Number > 0 && i.Closed.IsZero() && !i.Drill && i.Told[TellAuthority] == nil
}

// OnTime says whether the authority was told within 72 hours. Only of one that it was told of.
func (i *Incident) OnTime() bool {
	n := i.Told[TellAuthority]
	return n != nil && !n.At.IsZero() && !n.At.After(i.Deadline().Time)
}

// OpenIncidents are those that wait for a person, with those that time brings; see Incidents.
func (s *State) OpenIncidents(now time.Time) []Incident {
	return slices.DeleteFunc(s.Incidents(now), func(i Incident) bool { return !i.Closed.IsZero() })
}
