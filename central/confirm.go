package central

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Keeping the register right: each camera is re-confirmed every year (R23), its controls are tested, and one that nobody needed for a year is flagged (R30).

type (
	// ConfirmPlacements says of each of some cameras whether what the register says is right. By a registrar; facility staff of the cameras assigned to them.
	ConfirmPlacements struct {
		By   protocol.PersonID
		List []Said
	}
	// RecordControlTest says what came of testing a control in practice. By a registrar or the privacy officer.
	RecordControlTest struct {
		By     protocol.PersonID
		Camera protocol.CameraID
		ControlTest
	}
)

// Said of one camera. Remark: what is wrong; or why it is still needed, where nobody needed it.
type Said struct {
	Camera protocol.CameraID `json:"camera"`
	Right  bool              `json:"right"`
	Remark string            `json:"remark,omitempty"`
}

// ControlTest is what came of testing one control of a camera.
type ControlTest struct {
	Control Control       `json:"control"`
	Tested  protocol.Time `json:"tested"`
	Passed  bool          `json:"passed"`
	Remark  string        `json:"remark"` // how it was tested, and what was found
}

// Confirmation is the last thing that was said of a camera.
type Confirmation struct {
	At     protocol.Time
	By     protocol.PersonID
	Right  bool
	Remark string
	Last   protocol.Time // when it was last found right; zero: never
}

type (
	PlacementConfirmed struct {
		Said
	}
	ControlTested struct {
		Camera protocol.CameraID `json:"camera"`
		ControlTest
	}
)

func (*PlacementConfirmed) name() string { return "placement.confirmed" }
func (*ControlTested) name() string      { return "control.tested" }

func (c ConfirmPlacements) decide(d *decision) error {
	if len(c.List) == 0 {
		return missing("van ten minste één camera of de gegevens kloppen", "of at least one camera whether its details are right")
	}
	var named []*Placement
	for _, said := range c.List {
		if p := d.placements[said.Camera]; p != nil {
			named = append(named, p)
		}
	}
	unneeded := d.Unneeded(d.now.Time, named...)
	once := map[protocol.CameraID]bool{}
	for _, said := range c.List {
		p := d.placements[said.Camera]
		switch {
		case p == nil:
			return unknown("Camera", "Camera", string(said.Camera))
		case !d.MayConfirm(c.By, p, d.now.Time):
			if err := d.as(c.By, Staff, ""); err == nil {
				return refuse(CodeForbidden, fmt.Sprintf("Camera %s is niet aan u toegewezen.", p.Camera), fmt.Sprintf("Camera %s is not assigned to you.", p.Camera))
			}
			return d.as(c.By, Registrar, "")
		case p.Status != Active && p.Status != Suspended:
			return refuse(CodeState, fmt.Sprintf("Camera %s is niet in gebruik.", p.Camera), fmt.Sprintf("Camera %s is not in use.", p.Camera))
		case once[p.Camera]:
			return refuse(CodeInvalid, fmt.Sprintf("Camera %s staat er twee keer.", p.Camera), fmt.Sprintf("Camera %s is there twice.", p.Camera))
		case !said.Right && strings.TrimSpace(said.Remark) == "":
			return missing(fmt.Sprintf("wat er aan camera %s niet klopt", p.Camera), fmt.Sprintf("what is not right of camera %s", p.Camera))
		case said.Right && unneeded[p.Camera] && strings.TrimSpace(said.Remark) == "": // R30
			return missing(fmt.Sprintf("waarom camera %s nog nodig is, al vroeg een jaar lang niemand beelden", p.Camera), fmt.Sprintf("why camera %s is still needed, though nobody asked footage for a year", p.Camera))
		}
		once[p.Camera] = true
	}
	d.by = c.By
	for _, said := range c.List {
		d.record(&PlacementConfirmed{said})
	}
	return nil
}

func (c RecordControlTest) decide(d *decision) error {
	if d.as(c.By, Officer, "") != nil {
		if err := d.as(c.By, Registrar, ""); err != nil {
			return err
		}
	}
	p := d.placements[c.Camera]
	switch {
	case p == nil:
		return unknown("Camera", "Camera", string(c.Camera))
	case p.Status == Removed:
		return refuse(CodeState, "Deze camera is verwijderd.", "This camera has been removed.")
	case controlWords[c.Control] == Words{}:
		return missing("een maatregel uit de lijst", "a control from the list")
	case c.Tested.IsZero() || c.Tested.After(d.now.Time):
		return missing("wanneer is getoetst, niet in de toekomst", "when it was tested, not in the future")
	case strings.TrimSpace(c.Remark) == "":
		return missing("hoe is getoetst en wat er bleek", "how it was tested and what was found")
	}
	d.record(&ControlTested{c.Camera, c.ControlTest})
	return nil
}

func (f *PlacementConfirmed) apply(s *State, e Event) error {
	return s.place(f.Camera, e, f.Remark, func(p *Placement) {
		said := &Confirmation{At: e.Time, By: e.By, Right: f.Right, Remark: f.Remark}
		if f.Right {
			said.Last = e.Time
		} else if p.Confirmed != nil {
			said.Last = p.Confirmed.Last
		}
		p.Confirmed = said
	})
}

func (f *ControlTested) apply(s *State, e Event) error {
	return s.place(f.Camera, e, string(f.Control)+": "+f.Remark, func(p *Placement) { p.Tests = append(p.Tests, f.ControlTest) })
}

// lastTest of a control, or nil.
func (p *Placement) lastTest(c Control) *ControlTest {
	for i := len(p.Tests) - 1; i >= 0; i-- {
		if p.Tests[i].Control == c {
			return &p.Tests[i]
		}
	}
	return nil
}

// MayConfirm says whether somebody may re-confirm a camera.
func (s *State) MayConfirm(person protocol.PersonID, p *Placement, now time.Time) bool {
	if s.Holds(person, Registrar, "", now) {
		return true
	}
	if !s.Holds(person, Staff, "", now) {
		return false
	}
	return slices.Contains(s.people[person].Cameras, p.Camera)
}

// ConfirmDue is by when a camera in use has to be re-confirmed: a year after it was last found right, or after it was put in use; sooner where its DPIA asks so, and by the day on which
// its besluit is to be evaluated. Zero: not in use.
func (s *State) ConfirmDue(p *Placement, now time.Time) protocol.Time {
	if p.Status != Active && p.Status != Suspended {
		return protocol.Time{}
	}
	return p.confirmDue(slices.Contains(s.Needed(p, now), ControlHalfYear))
}

func (p *Placement) confirmDue(often bool) protocol.Time {
	last := p.ValidFrom
	if p.Confirmed != nil && p.Confirmed.Last.After(last.Time) {
		last = p.Confirmed.Last
	}
	every := ConfirmMonths
	if often {
		every = ConfirmMonthsOften
	}
	due := months(last, every)
	if e := p.Besluit.Evaluate; e.After(last.Time) {
		due = earliest(due, e)
	}
	return due
}

// oftenConfirmed are the DPIAs that ask for it every half year.
func (s *State) oftenConfirmed(now time.Time) map[string]bool {
	table, list := s.ControlsAt(now), map[string]bool{}
	for id, a := range s.dpias {
		list[id] = slices.Contains(table.Needed(a.Score), ControlHalfYear)
	}
	return list
}

// reconfirmed are the cameras in use, or suspended, that somebody re-confirms or oversees, at a place or, where that is zero, everywhere: staff their own, others all of them.
func (s *State) reconfirmed(person protocol.PersonID, now time.Time, at Place) (list []*Placement) {
	add := func(p *Placement) {
		if p != nil && (p.Status == Active || p.Status == Suspended) && (at == Place{} || at == Place{Recorder: p.Recorder} || at == Place{BAG: p.BAG}) {
			list = append(list, p)
		}
	}
	switch {
	case s.confirmsAll(person, now):
		if at != (Place{}) {
			if there := s.at[at]; there != nil {
				list = slices.Collect(there.all())
			}
			return list
		}
		return slices.AppendSeq(slices.Collect(s.byStatus[Active].all()), s.byStatus[Suspended].all())
	case s.Holds(person, Staff, "", now):
		for _, id := range s.people[person].Cameras {
			add(s.placements[id])
		}
	}
	return list
}

func (s *State) confirmsAll(person protocol.PersonID, now time.Time) bool {
	return s.Oversees(person, now) || s.Holds(person, Registrar, "", now)
}

// UpkeepPlaces are the recorders and buildings with cameras that somebody may re-confirm or oversee: those with most overdue first.
func (s *State) UpkeepPlaces(person protocol.PersonID, now time.Time) []Place {
	overdue, often := map[Place]int{}, s.oftenConfirmed(now)
	add := func(p *Placement, n int) {
		overdue[Place{Recorder: p.Recorder}] += n
		if p.BAG != "" {
			overdue[Place{BAG: p.BAG}] += n
		}
	}
	if s.confirmsAll(person, now) {
		for at := range s.at {
			overdue[at] = 0
		}
		for dpia, due := range s.confirming {
			list := &due.yearly
			if often[dpia] {
				list = &due.often
			}
			for d := range list.all() {
				if d.at > now.UnixMilli() {
					break
				}
				add(d.of, 1)
			}
		}
	} else {
		for _, p := range s.reconfirmed(person, now, Place{}) {
			add(p, 0)
			if due := p.confirmDue(often[p.DPIA]); !now.Before(due.Time) {
				add(p, 1)
			}
		}
	}
	return slices.SortedFunc(maps.Keys(overdue), func(a, b Place) int {
		return cmp.Or(overdue[b]-overdue[a], strings.Compare(a.BAG, b.BAG), cmp.Compare(a.Recorder, b.Recorder))
	})
}

// Doubted says that what was last said of a camera is that something is not right.
func (p *Placement) Doubted() bool { return p.Confirmed != nil && !p.Confirmed.Right }

// Unneeded are those of some cameras that have been in use for a year or longer, and of which nobody has asked footage for a year (R30).
func (s *State) Unneeded(now time.Time, placements ...*Placement) map[protocol.CameraID]bool {
	since := now.AddDate(0, -UnneededMonths, 0)
	list := map[protocol.CameraID]bool{}
	for _, p := range placements {
		if p.Status == Active && !p.ValidFrom.After(since) && p.needed.Before(since) {
			list[p.Camera] = true
		}
	}
	return list
}

// Upkeep is a camera in use as the register stands.
type Upkeep struct {
	*Placement
	Due      protocol.Time
	Overdue  bool
	Unneeded bool
	Lacks    []*Refusal
}

// Upkeep is the cameras in use that somebody may re-confirm or oversee, at a place or, where that is zero, everywhere; by id. What is overdue is a state, not a message.
func (s *State) Upkeep(person protocol.PersonID, at Place, now time.Time) (list []Upkeep) {
	all := s.reconfirmed(person, now, at)
	slices.SortFunc(all, func(a, b *Placement) int { return strings.Compare(string(a.Camera), string(b.Camera)) })
	unneeded, often := s.Unneeded(now, all...), s.oftenConfirmed(now)
	for _, p := range all {
		due := p.confirmDue(often[p.DPIA])
		list = append(list, Upkeep{p, due, !now.Before(due.Time), unneeded[p.Camera], s.Lacks(p, now)})
	}
	return list
}

// upkeepTasks are one each for whoever re-confirms: not one a camera.
func (s *State) upkeepTasks(person protocol.PersonID, now time.Time, add func(Task)) {
	type count struct {
		n     int
		since protocol.Time
	}
	var overdue, doubted, incomplete count
	add1 := func(c *count, n int, since protocol.Time) {
		if n > 0 && (c.n == 0 || since.Before(c.since.Time)) {
			c.since = since
		}
		c.n += n
	}
	often, registrar := s.oftenConfirmed(now), s.Holds(person, Registrar, "", now)
	if registrar {
		those := func(c *count, list *ordered[dated[*Placement]], until int64) {
			for d := range list.all() {
				add1(c, list.upTo(dated[*Placement]{until, lastID, nil}), protocol.T(time.UnixMilli(d.at)))
				break
			}
		}
		for dpia, due := range s.confirming {
			if often[dpia] {
				those(&overdue, &due.often, now.UnixMilli())
			} else {
				those(&overdue, &due.yearly, now.UnixMilli())
			}
		}
		those(&doubted, &s.doubted, math.MaxInt64)
		those(&incomplete, &s.incomplete, math.MaxInt64)
	} else {
		for _, p := range s.reconfirmed(person, now, Place{}) {
			if due := p.confirmDue(often[p.DPIA]); !now.Before(due.Time) {
				add1(&overdue, 1, due)
			}
		}
	}
	tell := func(c count, what string, due protocol.Time, nl, en string) {
		if c.n > 0 {
			add(Task{What: what, Topic: TopicUpkeep, Since: c.since, Due: due, Words: Words{fmt.Sprintf(nl, c.n), fmt.Sprintf(en, c.n)}})
		}
	}
	tell(overdue, "confirm", overdue.since, "camera's herbevestigen: %d", "re-confirm cameras: %d")
	if registrar {
		tell(doubted, "correct", protocol.Time{}, "gegevens verbeteren van camera's: %d", "correct the details of cameras: %d")
		tell(incomplete, "complete", protocol.Time{}, "gegevens aanvullen van camera's in gebruik: %d", "complete the details of cameras in use: %d")
	}
}
