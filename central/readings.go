package central

import (
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// What those who oversee read is itself recorded (R10), and of WPG cameras they see placement facts and counts, no requests (R8): that footage is the
// police's, who have an officer of their own.

// ReadingRecorded says that somebody who oversees opened or took something.
type ReadingRecorded struct {
	What  Reading `json:"what"`
	About string  `json:"about,omitempty"` // the request, the log
}

// Reading is what was opened.
type Reading string

const (
	ReadAccesses Reading = "accesses"
	ReadLog      Reading = "log" // taken along whole
	ReadRequest  Reading = "request"
	ReadReport   Reading = "report"
)

var readingWords = map[Reading]Words{
	ReadAccesses: {"overzicht van toegang bekeken", "list of accesses opened"},
	ReadLog:      {"logboek opgehaald", "log downloaded"},
	ReadRequest:  {"aanvraag bekeken", "request opened"},
	ReadReport:   {"verslag of register bekeken", "report or register opened"},
}

func (r Reading) Words() Words { return readingWords[r] }

// Read is one reading.
type Read struct {
	By    protocol.PersonID
	At    protocol.Time
	What  Reading
	About string
}

// readAgain: a page that stays open, or is opened again within this time, is one reading.
const readAgain = time.Hour

type (
	// RecordReading is recorded before anything is shown. By those who oversee; for everyone else it is nothing.
	RecordReading struct {
		By    protocol.PersonID
		What  Reading
		About string
	}
	// WriteNote is a confidential note of the privacy officer's, about anything.
	WriteNote struct {
		By          protocol.PersonID
		About, Text string
	}
)

// NoteWritten is read by privacy officers only (R10: confidentiality, N:297).
type NoteWritten struct {
	About string `json:"about,omitempty"`
	Text  string `json:"text"`
}

func (*ReadingRecorded) name() string { return "reading.recorded" }
func (*NoteWritten) name() string     { return "note.written" }

func (c RecordReading) decide(d *decision) error {
	d.by = c.By
	if !d.Oversees(c.By, d.now.Time) {
		return nil
	}
	if readingWords[c.What] == (Words{}) {
		return missing("wat is bekeken", "what was opened")
	}
	if c.What != ReadLog { // each copy that leaves is one
		for _, r := range slices.Backward(d.readings) {
			if d.now.Sub(r.At.Time) >= readAgain {
				break
			}
			if r.By == c.By && r.What == c.What && r.About == c.About {
				return nil
			}
		}
	}
	d.record(&ReadingRecorded{c.What, c.About})
	return nil
}

func (c WriteNote) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	if strings.TrimSpace(c.Text) == "" {
		return missing("de aantekening", "the note")
	}
	d.record(&NoteWritten{c.About, c.Text})
	return nil
}

func (f *ReadingRecorded) apply(s *State, e Event) error {
	s.readings = append(s.readings, Read{e.By, e.Time, f.What, f.About})
	return nil
}

func (f *NoteWritten) apply(s *State, e Event) error {
	s.notebook = append(s.notebook, Note{e.By, e.Time, f.About, f.Text})
	return nil
}

// Note of a privacy officer.
type Note struct {
	By    protocol.PersonID
	At    protocol.Time
	About string
	Text  string
}

// Notes are for privacy officers only; for everyone else there are none. Newest first.
func (s *State) Notes(person protocol.PersonID, now time.Time) []Note {
	if !s.Holds(person, Officer, "", now) {
		return nil
	}
	list := slices.Clone(s.notebook)
	slices.Reverse(list)
	return list
}

// Readings of those who oversee, newest first.
func (s *State) Readings() []Read {
	list := slices.Clone(s.readings)
	slices.Reverse(list)
	return list
}

// Oversees says whether a person reads without taking part: what they open is recorded.
func (s *State) Oversees(person protocol.PersonID, now time.Time) bool {
	return s.Holds(person, Officer, "", now) || s.Holds(person, Auditor, "", now)
}

// WpgCount is all that those who oversee see of what was asked of a WPG camera.
type WpgCount struct {
	*Placement
	Requests, Granted, Refused, Releases int
	Accesses, Orphans                    int
}

// Overseen parts accesses into those that the municipality's privacy officer reads and, of WPG cameras, counts.
func (s *State) Overseen(all []MatchedAccess) (list []MatchedAccess, counts []WpgCount) {
	index := map[protocol.CameraID]int{}
	for p := range s.police.all() {
		index[p.Camera] = len(counts)
		counts = append(counts, WpgCount{Placement: p})
	}
	count := func(camera protocol.CameraID, add func(*WpgCount)) {
		if i, ok := index[camera]; ok {
			add(&counts[i])
		}
	}
	for _, m := range all {
		p := s.placements[m.Camera]
		if (p == nil || p.Regime != protocol.WPG) && (m.Dossier == nil || m.Dossier.Regime != protocol.WPG) {
			list = append(list, m)
			continue
		}
		count(m.Camera, func(c *WpgCount) {
			c.Accesses++
			if m.Orphan() {
				c.Orphans++
			}
		})
	}
	for _, r := range s.ofRegime[protocol.WPG] { // no request is about both
		for _, camera := range r.Cameras {
			count(camera, func(c *WpgCount) {
				c.Requests++
				if r.Decision != nil && r.Decision.Outcome == Refuses {
					c.Refused++
				} else if r.Decision != nil {
					c.Granted++
				}
				for _, g := range r.Grants {
					if g.Camera == camera && g.Released != nil {
						c.Releases++
					}
				}
			})
		}
	}
	return list, counts
}
