package central

import (
	"fmt"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Looking along with a WPG camera: the mayor fixes the period, after consulting the prosecutor, and may do so anew while the besluit on the area stands (art. 151c lid 3 Gemeentewet †).

// LivePeriod is when people may look along.
type LivePeriod struct {
	From       protocol.Time `json:"from"`
	Until      protocol.Time `json:"until"`
	Prosecutor protocol.Time `json:"prosecutor"` // the day of consultation
	Reference  string        `json:"reference"`  // of the mayor's decision
}

// FixLivePeriod records the mayor's next period for a WPG camera. By a registrar.
type FixLivePeriod struct {
	By     protocol.PersonID
	Camera protocol.CameraID
	LivePeriod
}

type LivePeriodFixed struct {
	Camera protocol.CameraID `json:"camera"`
	LivePeriod
}

func (*LivePeriodFixed) name() string { return "placement.live" }

func (c FixLivePeriod) decide(d *decision) error {
	if err := d.as(c.By, Registrar, ""); err != nil {
		return err
	}
	p := d.placements[c.Camera]
	switch {
	case p == nil:
		return unknown("Camera", "Camera", string(c.Camera))
	case p.Regime != protocol.WPG:
		return refuse(CodeRegime, "Alleen voor een camera voor de openbare orde stelt de burgemeester een periode vast.", "Only for a public order camera does the mayor fix a period.")
	case p.Status == Removed:
		return refuse(CodeState, "Deze camera is verwijderd.", "This camera has been removed.")
	case c.Reference == "":
		return missing("het kenmerk van het besluit van de burgemeester", "the reference of the mayor's decision")
	case c.Prosecutor.IsZero() || c.Prosecutor.After(d.now.Time):
		return missing("de dag van overleg met de officier van justitie, niet in de toekomst", "the day the prosecutor was consulted, not in the future")
	case !c.Until.After(c.From.Time) || !c.Until.After(d.now.Time) || c.Until.After(p.Besluit.ValidUntil.Time):
		return missing("van wanneer tot wanneer, binnen de termijn van het besluit", "from when until when, within the term of the decision on the area")
	}
	d.record(&LivePeriodFixed{c.Camera, c.LivePeriod})
	return nil
}

func (f *LivePeriodFixed) apply(s *State, e Event) error {
	return s.place(f.Camera, e, f.Reference, func(p *Placement) {
		p.Besluit.LiveFrom, p.Besluit.LiveUntil, p.Besluit.Prosecutor = f.From, f.Until, f.Prosecutor
	})
}

// live says why nobody may look along with a camera now. Of an AVG camera the protocol says whether.
func (p *Placement) live(now time.Time) error {
	b := p.Besluit
	if p.Regime != protocol.WPG || !now.Before(b.LiveFrom.Time) && now.Before(b.LiveUntil.Time) {
		return nil
	}
	return refuse(CodeTerm,
		fmt.Sprintf("Voor camera %s geldt nu geen periode waarin live mag worden meegekeken. De burgemeester stelt die vast, na overleg met de officier van justitie.", p.Camera),
		fmt.Sprintf("There is no period now in which camera %s may be viewed live. The mayor fixes it, after consulting the prosecutor.", p.Camera))
}
