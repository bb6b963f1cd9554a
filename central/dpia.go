package central

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Assessments (R12): no camera is used without a DPIA that the privacy officer has advised on (art. 35 AVG; N:466, N:345–357). Its score decides which controls a camera must have at
// least (N:474): a table that the municipality adopts, by date. Without one the default stands.

// DPIA is one data protection impact assessment. Recorded again under its id it is a revision.
type DPIA struct {
	ID        string        `json:"id"`
	Title     string        `json:"title"`
	Reference string        `json:"reference"` // where it is kept
	Date      protocol.Time `json:"date"`
	Score     int           `json:"score"`  // of the matrix: chance times effect, 1 to MaxScore
	Review    protocol.Time `json:"review"` // by when it is looked at anew
	Document  protocol.Hash `json:"document,omitzero"`
}

// MaxScore: chance and effect, each one to five. The municipality's own matrix is a picture that is not in the text we have (N:474 †).
const MaxScore = 25

// Advice is the privacy officer's on a DPIA: the five questions of N:345–357.
type Advice struct {
	Whether    string `json:"whether"`    // does it have to be done
	Method     string `json:"method"`     // by which method
	Who        string `json:"who"`        // by ourselves or by others
	Safeguards string `json:"safeguards"` // which must be built in
	Correct    string `json:"correct"`    // was it done well, and may the processing go on
}

// Questions are the five in words, in the order of N:345–357.
var Questions = []Words{
	{"Moet er een DPIA worden uitgevoerd?", "Does a DPIA have to be done?"},
	{"Met welke methode?", "By which method?"},
	{"Zelf uitvoeren of uitbesteden?", "Do it ourselves or have it done?"},
	{"Welke waarborgen moeten erin?", "Which safeguards must be built in?"},
	{"Is hij goed uitgevoerd, en mag de verwerking doorgaan?", "Was it done well, and may the processing go on?"},
}

// Answers to Questions.
func (a Advice) Answers() []string {
	return []string{a.Whether, a.Method, a.Who, a.Safeguards, a.Correct}
}

// Assessment is a DPIA as it stands, and what was said of it.
type Assessment struct {
	DPIA
	Advice    Advice        // of this revision
	Advised   protocol.Time // zero: not yet
	AdvisedBy protocol.PersonID
	History   []Moment
}

// Control is a measure that a score may ask.
type Control string

const (
	ControlMasks    Control = "masks"
	ControlSign     Control = "sign"
	ControlObserve  Control = "observe"
	ControlWindow14 Control = "window-14"
	ControlWindow7  Control = "window-7"
	ControlNoSmart  Control = "no-smart"
	ControlNoSound  Control = "no-sound"
	ControlTestPass Control = "tested"
	ControlHalfYear Control = "half-year"
)

// Controls in the order a page lists them.
var Controls = []Control{ControlMasks, ControlSign, ControlObserve, ControlWindow14, ControlWindow7, ControlNoSmart, ControlNoSound, ControlTestPass, ControlHalfYear}

var controlWords = map[Control]Words{
	ControlMasks:    {"wat niet gezien hoeft te worden is afgeschermd", "what need not be seen is masked"},
	ControlSign:     {"er staat een bord: geen uitzondering", "there is a sign: no exception"},
	ControlObserve:  {"beeldkwaliteit ten hoogste 62 px/m", "quality at most 62 px/m"},
	ControlWindow14: {"beelden blijven ten hoogste 14 dagen", "footage stays at most 14 days"},
	ControlWindow7:  {"beelden blijven ten hoogste 7 dagen", "footage stays at most 7 days"},
	ControlNoSmart:  {"geen slimme functies", "no smart functions"},
	ControlNoSound:  {"geen geluid", "no sound"},
	ControlTestPass: {"de maatregelen zijn het afgelopen jaar getoetst en in orde", "the controls were tested in the last year and in order"},
	ControlHalfYear: {"elk half jaar herbevestigd", "re-confirmed every half year"},
}

func (c Control) Words() Words { return controlWords[c] }

// ControlStep: from this score on these controls are needed too.
type ControlStep struct {
	Score    int       `json:"score"`
	Controls []Control `json:"controls"`
}

// ControlTable is which controls a score asks at least, from a date.
type ControlTable struct {
	From   protocol.Time `json:"from"`
	Source string        `json:"source"` // the decision it was adopted by
	Steps  []ControlStep `json:"steps"`
}

// DefaultControls holds until the municipality has adopted a table of its own.
var DefaultControls = ControlTable{
	Source: "N:474: hoe hoger de score, hoe robuuster de maatregelen. De stappen zijn van Beeldwacht; stel ze vast als eigen tabel.",
	Steps: []ControlStep{
		{6, []Control{ControlMasks}},
		{10, []Control{ControlWindow14, ControlNoSound}},
		{15, []Control{ControlSign, ControlObserve, ControlWindow7, ControlTestPass}},
		{20, []Control{ControlNoSmart, ControlHalfYear}},
	},
}

// Needed are the controls that a score asks, in the order of Controls.
func (t ControlTable) Needed(score int) []Control {
	return slices.DeleteFunc(slices.Clone(Controls), func(c Control) bool {
		return !slices.ContainsFunc(t.Steps, func(s ControlStep) bool { return score >= s.Score && slices.Contains(s.Controls, c) })
	})
}

type (
	// RecordDPIA records an assessment, or its next revision, which needs advice anew. By a registrar.
	RecordDPIA struct {
		By protocol.PersonID
		DPIA
	}
	// AdviseDPIA answers the five questions on a DPIA as it stands. By the privacy officer.
	AdviseDPIA struct {
		By   protocol.PersonID
		DPIA string
		Advice
	}
	// AdoptControls records the municipality's own table. By a registrar.
	AdoptControls struct {
		By protocol.PersonID
		ControlTable
	}
)

type (
	DPIARecorded struct {
		DPIA
	}
	DPIAAdvised struct {
		DPIA string `json:"dpia"`
		Advice
	}
	ControlsAdopted struct {
		ControlTable
	}
)

func (*DPIARecorded) name() string    { return "dpia.recorded" }
func (*DPIAAdvised) name() string     { return "dpia.advised" }
func (*ControlsAdopted) name() string { return "controls.adopted" }

func (c RecordDPIA) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	switch earlier := d.dpias[c.ID]; {
	case protocol.ValidID(protocol.DocumentID(c.ID)) != nil:
		return missing("kenmerk van de DPIA (kleine letters, cijfers, streepje)", "id of the DPIA (lower case, digits, hyphen)")
	case strings.TrimSpace(c.Title) == "":
		return missing("waar de DPIA over gaat", "what the DPIA is about")
	case strings.TrimSpace(c.Reference) == "":
		return missing("waar de DPIA wordt bewaard", "where the DPIA is kept")
	case c.Date.IsZero() || c.Date.After(d.now.Time):
		return missing("de datum van de DPIA, niet in de toekomst", "the date of the DPIA, not in the future")
	case c.Score < 1 || c.Score > MaxScore:
		return missing(fmt.Sprintf("de score, 1 tot en met %d (kans maal gevolg)", MaxScore), fmt.Sprintf("the score, 1 to %d (chance times effect)", MaxScore))
	case !c.Review.After(d.now.Time):
		return missing("wanneer de DPIA opnieuw wordt bekeken, in de toekomst", "when the DPIA is looked at anew, in the future")
	case earlier != nil && c.Date.Before(earlier.Date.Time):
		return refuse(CodeInvalid, "Er is al een nieuwere versie van deze DPIA.", "There is a newer version of this DPIA.")
	}
	d.record(&DPIARecorded{c.DPIA})
	return nil
}

func (c AdviseDPIA) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	if d.dpias[c.DPIA] == nil {
		return unknown("DPIA", "DPIA", c.DPIA)
	}
	for i, answer := range c.Answers() {
		if strings.TrimSpace(answer) == "" {
			return missing(Questions[i].NL, Questions[i].EN)
		}
	}
	d.record(&DPIAAdvised{c.DPIA, c.Advice})
	return nil
}

func (c AdoptControls) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(c.Source) == "":
		return missing("het besluit waarmee de tabel is vastgesteld", "the decision by which the table was adopted")
	case c.From.IsZero():
		return missing("vanaf wanneer de tabel geldt", "from when the table holds")
	case len(c.Steps) == 0:
		return missing("ten minste één stap", "at least one step")
	}
	for _, s := range c.Steps {
		if s.Score < 1 || s.Score > MaxScore || len(s.Controls) == 0 || slices.ContainsFunc(s.Controls, func(c Control) bool { return controlWords[c] == Words{} }) {
			return missing(fmt.Sprintf("stappen met een score van 1 tot en met %d en maatregelen uit de lijst", MaxScore), fmt.Sprintf("steps with a score of 1 to %d and controls from the list", MaxScore))
		}
	}
	d.record(&ControlsAdopted{c.ControlTable})
	return nil
}

func (f *DPIARecorded) apply(s *State, e Event) error {
	if s.dpias == nil {
		s.dpias = map[string]*Assessment{}
	}
	a := &Assessment{DPIA: f.DPIA}
	if earlier := s.dpias[f.ID]; earlier != nil {
		a.History = earlier.History
	}
	a.History = append(a.History, e.moment(fmt.Sprintf("%s, score %d", f.Reference, f.Score)))
	s.dpias[f.ID] = a
	return nil
}

func (f *DPIAAdvised) apply(s *State, e Event) error {
	a := s.dpias[f.DPIA]
	if a == nil {
		return noSuch("dpia", f.DPIA)
	}
	a.Advice, a.Advised, a.AdvisedBy = f.Advice, e.Time, e.By
	a.History = append(a.History, e.moment(f.Correct))
	return nil
}

func (f *ControlsAdopted) apply(s *State, _ Event) error {
	s.controls = append(s.controls, f.ControlTable)
	return nil
}

// DPIA, or nil.
func (s *State) DPIA(id string) *Assessment { return s.dpias[id] }

// DPIAs, by id.
func (s *State) DPIAs() []*Assessment { return sorted(s.dpias) }

// ControlsAt is the table that holds at a time: of those that have begun the one that began last.
func (s *State) ControlsAt(now time.Time) ControlTable {
	t := DefaultControls
	for _, adopted := range s.controls {
		if !adopted.From.After(now) && cmp.Compare(adopted.From.UnixMilli(), t.From.UnixMilli()) >= 0 {
			t = adopted
		}
	}
	return t
}

// ControlTables that were adopted, oldest first.
func (s *State) ControlTables() []ControlTable { return s.controls }

// Needed are the controls that a placement's DPIA asks of it now; none without a DPIA.
func (s *State) Needed(p *Placement, now time.Time) []Control {
	a := s.dpias[p.DPIA]
	if a == nil {
		return nil
	}
	return s.ControlsAt(now).Needed(a.Score)
}

// Meets says whether a placement has a control now. A control that was tested and found wanting is not there until it is tested again.
func (s *State) Meets(p *Placement, c Control, now time.Time) bool {
	if t := p.lastTest(c); t != nil && !t.Passed {
		return false
	}
	day := 24 * time.Hour
	window := func(most time.Duration) bool {
		w := s.window(p)
		return w > 0 && w.Duration() <= most
	}
	switch c {
	case ControlMasks:
		return p.Masks != ""
	case ControlSign:
		return !p.Sign.Placed.IsZero()
	case ControlObserve:
		return p.Quality != "" && p.Quality.PixelsPerMetre() <= Observe.PixelsPerMetre()
	case ControlWindow14:
		return window(14 * day)
	case ControlWindow7:
		return window(7 * day)
	case ControlNoSmart:
		return len(p.Smart) == 0
	case ControlNoSound:
		return p.Sound == Sound{}
	case ControlTestPass:
		return slices.ContainsFunc(p.Tests, func(t ControlTest) bool { return t.Passed && now.Before(t.Tested.AddDate(1, 0, 0)) }) &&
			!slices.ContainsFunc(Controls, func(c Control) bool { t := p.lastTest(c); return t != nil && !t.Passed })
	case ControlHalfYear:
		return true // its re-confirmation is due every half year: see ConfirmDue
	}
	return false
}

// dpiaTasks are the officer's advice that is waited for, and the registrar's DPIAs to be looked at anew.
func (s *State) dpiaTasks(person protocol.PersonID, now time.Time, add func(Task)) {
	officer, registrar := s.Holds(person, Officer, "", now), s.Holds(person, Registrar, "", now)
	for _, a := range s.DPIAs() {
		since := a.History[len(a.History)-1].At
		if officer && a.Advised.IsZero() {
			add(Task{Topic: TopicDPIA, Key: a.ID, Since: since, Words: Words{"advies op DPIA", "advice on DPIA"}})
		}
		if registrar && a.Review.Sub(now) < ReviewNotice {
			add(Task{Topic: TopicDPIA, Key: a.ID, Since: since, Due: a.Review, Words: Words{"DPIA herzien", "revise DPIA"}})
		}
	}
}
