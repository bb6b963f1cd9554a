package central

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Samples of accesses and planned audits (R11). A sample is drawn by a seed: with the same accesses and the same seed everyone draws the same ones, so nobody can choose what
// is looked at, and afterwards it can be repeated to see that nothing was left out.

// Finding is what looking at one access led to.
type Finding string

const (
	FoundInOrder  Finding = "in-order"
	FoundQuestion Finding = "question"
	FoundWrong    Finding = "wrong" // opens an incident
)

var Findings = []Finding{FoundInOrder, FoundQuestion, FoundWrong}

var findingWords = map[Finding]Words{
	FoundInOrder:  {"in orde", "in order"},
	FoundQuestion: {"vraag gesteld", "question asked"},
	FoundWrong:    {"niet in orde: incident", "not in order: incident"},
}

func (f Finding) Words() Words { return findingWords[f] }

// maxSample bounds what one sample draws.
const maxSample = 100

type (
	// DrawSample by the officer, from all accesses that the logs have.
	DrawSample struct {
		By       protocol.PersonID
		Seed     string
		Interval protocol.Interval // in which the accesses were
		Size     int
		Accesses []Access
	}
	// RecordFinding by the officer, for one item of a sample; a later one takes an earlier one's place, and both stay in the ledger.
	RecordFinding struct {
		By      protocol.PersonID
		Sample  int
		Item    Source
		Finding Finding
		Note    string
	}
	// PlanAudit by the officer: what will be looked into, and when.
	PlanAudit struct {
		By      protocol.PersonID
		Subject string
		Planned protocol.Time
	}
	// FinishAudit by the officer.
	FinishAudit struct {
		By     protocol.PersonID
		Audit  int
		Result string
	}
)

type (
	SampleDrawn struct {
		Seed     string            `json:"seed"`
		Interval protocol.Interval `json:"interval"`
		Of       int               `json:"of"`    // accesses there were
		All      protocol.Hash     `json:"all"`   // over which ones those were; see Population
		Items    []Source          `json:"items"` // drawn
	}
	FindingRecorded struct {
		Sample  int     `json:"sample"`
		Item    Source  `json:"item"`
		Finding Finding `json:"finding"`
		Note    string  `json:"note,omitempty"`
	}
	AuditPlanned struct {
		Subject string        `json:"subject"`
		Planned protocol.Time `json:"planned"`
	}
	AuditFinished struct {
		Audit  int    `json:"audit"`
		Result string `json:"result"`
	}
)

func (*SampleDrawn) name() string     { return "sample.drawn" }
func (*FindingRecorded) name() string { return "sample.finding" }
func (*AuditPlanned) name() string    { return "audit.planned" }
func (*AuditFinished) name() string   { return "audit.finished" }

// Sample and what was found in it.
type Sample struct {
	*SampleDrawn
	Number   int
	By       protocol.PersonID
	At       protocol.Time
	Findings map[Source]FindingRecorded
}

// Audit planned, and its result.
type Audit struct {
	*AuditPlanned
	Number   int
	By       protocol.PersonID
	Finished protocol.Time // zero: not yet
	Result   string
}

// Draw takes size of the accesses within the interval: those whose SHA-256 of "seed recorder seq" comes first. of and all say from which ones.
func Draw(accesses []Access, seed string, interval protocol.Interval, size int) (items []Source, of int, all protocol.Hash) {
	var within []Source
	for _, a := range accesses {
		if !a.At.Before(interval.From) && a.At.Before(interval.To) {
			within = append(within, Source{a.Recorder, a.Log, a.Seq})
		}
	}
	slices.SortFunc(within, func(a, b Source) int {
		if c := strings.Compare(string(a.Recorder), string(b.Recorder)); c != 0 {
			return c
		}
		return int(a.Seq) - int(b.Seq)
	})
	within = slices.Compact(within)
	var text strings.Builder
	for _, s := range within {
		fmt.Fprintln(&text, s.Entry())
	}
	rank := func(s Source) []byte {
		h := sha256.Sum256(fmt.Appendf(nil, "%s %s", seed, s.Entry()))
		return h[:]
	}
	items = slices.Clone(within)
	slices.SortFunc(items, func(a, b Source) int { return bytes.Compare(rank(a), rank(b)) })
	return items[:min(size, len(items))], len(within), protocol.HashOf([]byte(text.String()))
}

func (c DrawSample) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(c.Seed) == "":
		return missing("het startgetal van de steekproef", "the seed of the sample")
	case c.Size < 1 || c.Size > maxSample:
		return missing(fmt.Sprintf("een omvang van één tot %d", maxSample), fmt.Sprintf("a size of one to %d", maxSample))
	case c.Interval.Valid() != nil || c.Interval.To.After(d.now.Time):
		return refuse(CodeInterval, "Geef een tijdvak in het verleden, het einde na het begin.", "Give an interval in the past, its end after its beginning.")
	}
	list, _ := d.Overseen(d.Match(c.Accesses)) // of WPG cameras there is nothing to look into here (R8)
	var mine []Access
	for _, m := range list {
		mine = append(mine, m.Access)
	}
	items, of, all := Draw(mine, c.Seed, c.Interval, c.Size)
	if of == 0 {
		return refuse(CodeNoFootage, "In dit tijdvak kwam niemand bij beelden.", "Nobody got to footage in this interval.")
	}
	d.record(&SampleDrawn{c.Seed, c.Interval, of, all, items})
	return nil
}

func (c RecordFinding) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	s := d.Sample(c.Sample)
	switch {
	case s == nil || !slices.Contains(s.Items, c.Item):
		return unknown("Steekproef of regel", "Sample or entry", fmt.Sprintf("%d %s", c.Sample, c.Item.Entry()))
	case findingWords[c.Finding] == Words{}:
		return missing("de bevinding", "the finding")
	case c.Finding != FoundInOrder && strings.TrimSpace(c.Note) == "":
		return missing("wat er niet klopt of wat is gevraagd", "what is wrong or what was asked")
	}
	d.record(&FindingRecorded{c.Sample, c.Item, c.Finding, c.Note})
	if c.Finding == FoundWrong {
		d.record(&IncidentOpened{Kind: "sample-finding", Detail: short(fmt.Sprintf("sample %d, %s entry %d: %s", c.Sample, c.Item.Recorder, c.Item.Seq, c.Note))})
	}
	return nil
}

func (c PlanAudit) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(c.Subject) == "":
		return missing("wat wordt onderzocht", "what is looked into")
	case c.Planned.IsZero():
		return missing("wanneer", "when")
	}
	d.record(&AuditPlanned{c.Subject, c.Planned})
	return nil
}

func (c FinishAudit) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	switch {
	case c.Audit < 1 || c.Audit > len(d.audits):
		return unknown("Audit", "Audit", fmt.Sprint(c.Audit))
	case !d.audits[c.Audit-1].Finished.IsZero():
		return refuse(CodeState, "Deze audit is al afgerond.", "This audit has been finished already.")
	case strings.TrimSpace(c.Result) == "":
		return missing("de uitkomst", "the result")
	}
	d.record(&AuditFinished{c.Audit, c.Result})
	return nil
}

func (f *SampleDrawn) apply(s *State, e Event) error {
	s.samples = append(s.samples, &Sample{SampleDrawn: f, Number: len(s.samples) + 1, By: e.By, At: e.Time, Findings: map[Source]FindingRecorded{}})
	return nil
}

func (f *FindingRecorded) apply(s *State, _ Event) error {
	sample := s.Sample(f.Sample)
	if sample == nil {
		return noSuch("sample", fmt.Sprint(f.Sample))
	}
	sample.Findings[f.Item] = *f
	return nil
}

func (f *AuditPlanned) apply(s *State, e Event) error {
	s.audits = append(s.audits, &Audit{AuditPlanned: f, Number: len(s.audits) + 1, By: e.By})
	return nil
}

func (f *AuditFinished) apply(s *State, e Event) error {
	if f.Audit < 1 || f.Audit > len(s.audits) {
		return noSuch("audit", fmt.Sprint(f.Audit))
	}
	a := s.audits[f.Audit-1]
	a.Finished, a.Result = e.Time, f.Result
	return nil
}

// Sample of a number, or nil.
func (s *State) Sample(number int) *Sample {
	if number < 1 || number > len(s.samples) {
		return nil
	}
	return s.samples[number-1]
}

// Samples, newest first.
func (s *State) Samples() []*Sample {
	list := slices.Clone(s.samples)
	slices.Reverse(list)
	return list
}

// Audits, as planned.
func (s *State) Audits() []*Audit { return s.audits }

// Open is how many items have no finding yet.
func (s *Sample) Open() int { return len(s.Items) - len(s.Findings) }

// auditTasks are the officer's: samples to look into, audits whose day is near.
func (s *State) auditTasks(now time.Time, add func(Task)) {
	for _, p := range s.samples {
		if p.Open() > 0 {
			add(Task{Topic: TopicSample, Key: fmt.Sprint(p.Number), Since: p.At, Words: Words{"steekproef nazien", "look into a sample"}})
		}
	}
	for _, a := range s.audits {
		if a.Finished.IsZero() && a.Planned.Sub(now) < Near {
			add(Task{Topic: TopicAudit, Key: fmt.Sprint(a.Number), Since: a.Planned, Due: a.Planned, Words: Words{"audit: " + a.Subject, "audit: " + a.Subject}})
		}
	}
}
