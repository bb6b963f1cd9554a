package evidence

import (
	"fmt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// State is the outcome of a verdict.
type State string

const (
	OK       State = "ok"
	Failed   State = "failed"    // something is not as it must be
	NotShown State = "not shown" // nothing is wrong, but the bag does not prove it
)

// Text is the same sentence in Dutch (for most readers) and English.
type Text struct {
	NL string `json:"nl"`
	EN string `json:"en"`
}

func say(nl, en string, args ...any) Text {
	return Text{fmt.Sprintf(nl, args...), fmt.Sprintf(en, args...)}
}

// Words names a state.
func (s State) Words() Text {
	switch s {
	case OK:
		return Text{"in orde", "ok"}
	case NotShown:
		return Text{"niet aangetoond", "not shown"}
	}
	return Text{"NIET IN ORDE", "FAILED"}
}

// Finding is one thing that is wrong or not shown, and where.
type Finding struct {
	State   State   `json:"state"`             // Failed or NotShown
	File    string  `json:"file,omitempty"`    // below the bag's folder
	Offset  *int64  `json:"offset,omitempty"`  // bytes into File, where that is known
	Segment string  `json:"segment,omitempty"` // run and place in the run
	Entry   *uint64 `json:"entry,omitempty"`   // seq in the recorder's journal
	Text
}

// Where writes file, offset, segment and entry, as far as they are known.
func (f Finding) Where() string {
	where := f.File
	add := func(s string) {
		if where != "" {
			where += ", "
		}
		where += s
	}
	if f.Offset != nil {
		add(fmt.Sprintf("byte %d", *f.Offset))
	}
	if f.Segment != "" {
		add("segment " + f.Segment)
	}
	if f.Entry != nil {
		add(fmt.Sprintf("entry %d", *f.Entry))
	}
	return where
}

// The places a finding can be at.
func inFile(name string) Finding { return Finding{File: name} }
func inEntry(seq uint64, part string) Finding {
	return Finding{File: entryFile(seq, part), Entry: &seq}
}
func inSegment(p placed) Finding {
	return Finding{File: runFolder(p.SegmentLine) + p.File, Offset: &p.Offset, Segment: fmt.Sprintf("%s %d", p.Run, p.N)}
}
func (f Finding) at(offset int64) Finding { f.Offset = &offset; return f }

// Verdict is one of the three judgements on a bag.
type Verdict struct {
	State     State     `json:"state"`
	Sentences []Text    `json:"sentences"`          // what was shown, in plain words
	Findings  []Finding `json:"findings,omitempty"` // what was not
	Omitted   int       `json:"omitted,omitempty"`  // findings beyond the first maxFindings
}

const maxFindings = 100

// Find adds something that is wrong or not shown.
func (v *Verdict) Find(state State, where Finding, what Text) {
	if v.State != Failed {
		v.State = state
	}
	if len(v.Findings) == maxFindings {
		v.Omitted++
		return
	}
	where.State, where.Text = state, what
	v.Findings = append(v.Findings, where)
}

func (v *Verdict) fail(where Finding, what Text)   { v.Find(Failed, where, what) }
func (v *Verdict) unsure(where Finding, what Text) { v.Find(NotShown, where, what) }
func (v *Verdict) say(nl, en string, args ...any) {
	v.Sentences = append(v.Sentences, say(nl, en, args...))
}

// Report is what [Verify] found. The facts above the verdicts are what the bag's grant says; they count for as much as Authorisation does.
type Report struct {
	Grant         protocol.GrantID    `json:"grant"`
	Request       protocol.RequestID  `json:"request"`
	Municipality  string              `json:"municipality"`
	Recorder      protocol.RecorderID `json:"recorder"`
	Camera        protocol.CameraID   `json:"camera"`
	Interval      string              `json:"interval"`
	Segments      int                 `json:"segments"`
	Sound         bool                `json:"sound,omitempty"` // a film in it has a track of sound
	Manifest      protocol.Hash       `json:"manifest"`        // to compare with the release.done entry
	Level         protocol.Level      `json:"level,omitempty"`
	SelfWitnessed bool                `json:"selfWitnessed"`
	Cosigned      []Cosigned          `json:"cosigned,omitempty"`

	Integrity     Verdict `json:"integrity"`     // is this what the recorder recorded, all of it?
	Time          Verdict `json:"time"`          // since when is that certain?
	Authorisation Verdict `json:"authorisation"` // was it allowed to leave?
}

// Cosigned is one witness's word.
type Cosigned struct {
	Witness string        `json:"witness"`
	Time    protocol.Time `json:"time"`
}

// State is the worst of the three: Failed, then NotShown, then OK.
func (r Report) State() State {
	worst := OK
	for _, v := range []Verdict{r.Integrity, r.Time, r.Authorisation} {
		if v.State == Failed {
			return Failed
		}
		if v.State == NotShown {
			worst = NotShown
		}
	}
	return worst
}

// Named pairs a verdict with its name, in the order in which they are read.
type Named struct {
	Name Text
	*Verdict
}

// Verdicts are the three.
func (r *Report) Verdicts() []Named {
	return []Named{{Text{"Integriteit", "Integrity"}, &r.Integrity}, {Text{"Tijd", "Time"}, &r.Time}, {Text{"Bevoegdheid", "Authorisation"}, &r.Authorisation}}
}
