package central

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Future data (art. 126ne Sv). The demand names a period of at most four weeks, which a new demand prolongs. It is checked and decided once; then its footage is delivered in
// parts, as it comes to be: a handler prepares one, the recorder confirms the hold, an approver approves exactly what it rounds to, and each is a grant of its own that rests
// on three people. To be given at once it needs the examining magistrate's leave. What nobody has prepared yet is held before it ages out.

type (
	// PrepareDelivery has a part of the period's footage held, to be delivered. By a handler.
	PrepareDelivery struct {
		By      protocol.PersonID
		Request protocol.RequestID
		Cameras []protocol.CameraID // none: all of the request's
		Asked   protocol.Interval
	}
	// ApproveDelivery lets a prepared part go. By an approver who did not prepare it; Approved are the rounded intervals as the recorders confirmed them.
	ApproveDelivery struct {
		By       protocol.PersonID
		Request  protocol.RequestID
		Number   int
		Approved []Approved
	}
	// ConfirmDelivery: the unit has this part; its holds are lifted. By a requester of the unit.
	ConfirmDelivery struct {
		By      protocol.PersonID
		Request protocol.RequestID
		Number  int
	}
)

type (
	DeliveryPrepared struct {
		Request protocol.RequestID  `json:"request"`
		Number  int                 `json:"number"`
		Cameras []protocol.CameraID `json:"cameras"`
		Asked   protocol.Interval   `json:"asked"`
	}
	DeliveryApproved struct {
		Request  protocol.RequestID `json:"request"`
		Number   int                `json:"number"`
		Approved []Approved         `json:"approved"`
	}
)

func (*DeliveryPrepared) name() string { return "delivery.prepared" }
func (*DeliveryApproved) name() string { return "delivery.approved" }

// Delivery is one part of future data.
type Delivery struct {
	Number     int
	By         protocol.PersonID // the handler
	At         protocol.Time
	Cameras    []protocol.CameraID
	Asked      protocol.Interval
	Approver   protocol.PersonID // empty: not yet
	ApprovedAt protocol.Time
	Done       protocol.Time // handed over, or nobody came for it; zero: not yet
}

// period checks what is asked of the future.
func (d *decision) period(f RequestFacts) error {
	law, _ := LawOf(f.Article)
	switch {
	case f.Kind != Vordering || !law.Future:
		return refuse(CodeInvalid, "Toekomstige beelden vraagt u met een vordering op artikel 126ne.", "Future footage is asked with a demand under article 126ne.")
	case f.Demanded.IsZero() || f.Demanded.After(d.now.Time):
		return missing("de datum van de vordering", "the date of the demand")
	case f.Period.Valid() != nil || f.Period.From.Before(f.Demanded.Time):
		return refuse(CodeInterval, "Dit artikel geeft alleen beelden van na de vordering, het einde na het begin.", "This article gives only footage from after the demand, its end after its beginning.")
	case f.Period.To.After(f.Demanded.Add(law.Longest)):
		return refuse(CodeTerm, "Toekomstige gegevens gaan ten hoogste vier weken na de vordering (artikel 126ne Sv). Daarna kan de vordering worden verlengd.", "Future data go at most four weeks beyond the demand (art. 126ne Sv). After that the demand can be renewed.")
	case !f.Period.To.After(d.now.Time):
		return refuse(CodeInterval, "Deze periode is al voorbij: vraag het tijdvak zelf.", "This period is over already: ask the interval itself.")
	case f.Immediate && strings.TrimSpace(f.Leave) == "":
		return missing("de machtiging van de rechter-commissaris: zonder die worden beelden niet onmiddellijk gegeven (artikel 126ne lid 3 Sv)", "the examining magistrate's leave: without it footage is not given at once (art. 126ne(3) Sv)")
	}
	return nil
}

// delivery finds a part, or nil.
func (r *Request) delivery(number int) *Delivery {
	if number < 1 || number > len(r.Deliveries) {
		return nil
	}
	return r.Deliveries[number-1]
}

// DeliveryHolds are the holds of one part that count.
func (r *Request) DeliveryHolds(d *Delivery) []*Hold {
	var list []*Hold
	for _, h := range r.Holds {
		if !h.Replaced && h.Asked.Equal(d.Asked) && slices.Contains(d.Cameras, h.Camera) {
			list = append(list, h)
		}
	}
	return list
}

// DeliveryGrants are the grants of one part.
func (r *Request) DeliveryGrants(d *Delivery) []*Grant {
	var list []*Grant
	for _, g := range r.Grants {
		if g.Asked.Equal(d.Asked) && slices.Contains(d.Cameras, g.Camera) {
			list = append(list, g)
		}
	}
	return list
}

// DueDelivery are the holds of a part that an approver can let go now.
func (s *State) DueDelivery(r *Request, d *Delivery, now time.Time) []*Hold {
	holds := r.DeliveryHolds(d)
	return slices.DeleteFunc(s.Due(r, now), func(h *Hold) bool { return !slices.Contains(holds, h) })
}

// mayDeliver says why nothing of a request for future data can be delivered now.
func (d *decision) mayDeliver(r *Request) error {
	switch {
	case r.Period.IsZero():
		return refuse(CodeState, "Dit is geen vordering van toekomstige beelden.", "This is no demand for future footage.")
	case r.Status != Granted:
		return refuse(CodeState, "Op deze vordering is (nog) niet toegekend.", "This demand is not granted (yet).")
	}
	if err := r.takenBack(); err != nil {
		return err
	}
	if err := r.written(d.now.Time); err != nil {
		return err
	}
	return d.mayAsk(r, d.now.Time)
}

func (c PrepareDelivery) decide(d *decision) error {
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.as(c.By, Handler, r.Regime); err != nil {
		return err
	}
	if err := d.mayDeliver(r); err != nil {
		return err
	}
	if r.asked(c.By) {
		return errSamePerson
	}
	if len(c.Cameras) == 0 {
		c.Cameras = r.Cameras
	}
	c.Asked = protocol.Span(c.Asked.From, c.Asked.To)
	switch {
	case slices.ContainsFunc(c.Cameras, func(camera protocol.CameraID) bool { return !slices.Contains(r.Cameras, camera) }):
		return refuse(CodeInvalid, "Deze camera's staan niet in de vordering.", "These cameras are not in the demand.")
	case c.Asked.Valid() != nil || !r.Period.Contains(c.Asked):
		return refuse(CodeInterval, "Kies een tijdvak binnen de periode van de vordering.", "Choose an interval within the demand's period.")
	case c.Asked.To.After(d.now.Add(-DeliveredAtOnce)) && !r.Immediate:
		return refuse(CodeTerm, "Beelden van minder dan een uur oud worden alleen gegeven met machtiging van de rechter-commissaris voor onmiddellijke verstrekking.",
			"Footage younger than an hour is given only with the examining magistrate's leave for delivery at once.")
	case slices.ContainsFunc(r.Deliveries, func(e *Delivery) bool { return e.Asked.Equal(c.Asked) && slices.Equal(e.Cameras, c.Cameras) }):
		return refuse(CodeState, "Dit deel is al klaargezet.", "This part has been prepared already.")
	}
	f := r.RequestFacts
	f.Asked, f.Cameras = c.Asked, c.Cameras
	if err := d.interval(f); err != nil {
		return err
	}
	d.record(&DeliveryPrepared{r.ID, len(r.Deliveries) + 1, c.Cameras, c.Asked})
	for _, camera := range c.Cameras {
		if err := d.hold(r.ID, d.placements[camera], f); err != nil {
			return err
		}
	}
	return nil
}

func (c ApproveDelivery) decide(d *decision) error {
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.as(c.By, Approver, r.Regime); err != nil {
		return err
	}
	if err := d.mayDeliver(r); err != nil {
		return err
	}
	part := r.delivery(c.Number)
	switch {
	case part == nil:
		return unknown("Deel", "Part", fmt.Sprint(c.Number))
	case r.asked(c.By) || c.By == part.By || r.asked(part.By):
		return errSamePerson
	case d.acts(part.By, Handler, r.Regime, d.now.Time) != nil:
		return refuse(CodeState, "Wie dit deel klaarzette heeft die rol niet meer. Een behandelaar moet het opnieuw klaarzetten, met een iets ander tijdvak.", "Whoever prepared this part no longer has that role. A handler must prepare it again, with a slightly different interval.")
	}
	for _, h := range r.DeliveryHolds(part) {
		if h.State() == "asked" {
			return refuse(CodeNotConfirmed, fmt.Sprintf("De recorder van camera %s heeft de bewaring nog niet bevestigd.", h.Camera), fmt.Sprintf("The recorder of camera %s has not yet confirmed the hold.", h.Camera))
		}
	}
	due := d.DueDelivery(r, part, d.now.Time)
	switch {
	case len(due) == 0 && part.Approver != "":
		return refuse(CodeState, "Dit deel is al goedgekeurd.", "This part has been approved already.")
	case len(due) == 0:
		return refuse(CodeNoFootage, "Geen recorder bewaart beelden uit dit tijdvak.", "No recorder holds footage from this interval.")
	}
	if err := approves(c.Approved, due); err != nil {
		return err
	}
	d.record(&DeliveryApproved{r.ID, c.Number, c.Approved})
	return d.permitHeld(r, due, part.By, c.By, r.Decision.Restriction)
}

// undelivered is the oldest footage of the period that was neither prepared nor held, at most a day of it; zero when nothing of the past is left.
func (r *Request) undelivered(camera protocol.CameraID, now time.Time) protocol.Interval {
	from := r.Period.From
	holds := slices.DeleteFunc(slices.Clone(r.Holds), func(h *Hold) bool { return h.Camera != camera || h.Replaced })
	slices.SortFunc(holds, func(a, b *Hold) int { return a.Asked.From.Compare(b.Asked.From) })
	to := r.Period.To
	for _, h := range holds {
		if h.Asked.From.After(from) {
			to = h.Asked.From
			break
		}
		if h.Asked.To.After(from) {
			from = h.Asked.To
		}
	}
	for _, end := range []time.Time{from.Add(MaxAsked), now} {
		if to.After(end) {
			to = end
		}
	}
	if !from.Before(to) {
		return protocol.Interval{}
	}
	return protocol.Span(from, to)
}

// tendFuture holds footage of the period that would age out within a day although nobody prepared it, and closes what nobody came for.
func (d *decision) tendFuture(r *Request) {
	if r.Period.IsZero() || r.Status == Refused || r.Status == Closed || r.TakenBack != nil {
		return
	}
	for _, camera := range r.Cameras {
		p := d.placements[camera]
		f := r.RequestFacts
		f.Asked = r.undelivered(camera, d.now.Time)
		if f.Asked.IsZero() || d.now.Before(f.Asked.From.Add(p.Window().Duration()-24*time.Hour)) {
			continue
		}
		if err := d.hold(r.ID, p, f); err != nil {
			if d.firstToday(r.ID, "future-lost") {
				d.trouble(IncidentOpened{Kind: "future-lost", Detail: err.Error(), Request: r.ID, Camera: camera})
			}
		}
	}
	waiting := false
	for _, part := range r.Deliveries {
		if !part.Done.IsZero() {
			continue
		}
		released, over := false, true
		for _, g := range r.DeliveryGrants(part) {
			released = released || g.Released != nil && g.Voided == nil
			over = over && !g.open(d.now.Time) && (g.Released == nil || g.Voided != nil || !d.now.Before(g.At.Add(protocol.HandOverTerm)))
		}
		if waiting = waiting || !released || !over; released && over {
			d.record(&HandOverLapsed{Request: r.ID, Delivery: part.Number})
			if err := d.liftDelivered(r, part); err != nil {
				d.trouble(IncidentOpened{Kind: "lift-failed", Detail: err.Error(), Request: r.ID})
			}
		}
	}
	if !waiting && !d.now.Before(r.Period.To.Add(protocol.HandOverTerm)) {
		d.record(&HandOverLapsed{Request: r.ID})
	}
}

// firstToday says that no incident of this kind was opened for a request in the last day.
func (d *decision) firstToday(id protocol.RequestID, kind string) bool {
	for _, i := range slices.Backward(d.incidents) {
		if d.now.Sub(i.Opened.Time) >= 24*time.Hour {
			break
		}
		if i.Request == id && i.Kind == kind {
			return false
		}
	}
	return true
}

// liftDelivered ends the holds of a part that was released. While another part of the same camera is on its way its recorder takes no envelope's word for that: the two who let this part
// go say so.
func (d *decision) liftDelivered(r *Request, part *Delivery) error {
	for _, h := range r.DeliveryHolds(part) {
		l, released := protocol.Lift{Reason: protocol.LiftReleased}, false
		for _, g := range r.Grants {
			if g.Camera != h.Camera {
				continue
			}
			released = released || g.Asked.Equal(part.Asked) && g.Released != nil && g.Voided == nil
			if g.Released == nil && d.now.Before(g.NotAfter.Time) {
				l.Handler, l.Approver = part.By, part.Approver
			}
		}
		if released {
			if err := d.lift(r, h, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c ConfirmDelivery) decide(d *decision) error {
	d.by = c.By
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.receives(c.By, r, d.now.Time); err != nil {
		return err
	}
	part := r.delivery(c.Number)
	switch {
	case part == nil:
		return unknown("Deel", "Part", fmt.Sprint(c.Number))
	case !part.Done.IsZero():
		return refuse(CodeState, "De ontvangst is al bevestigd.", "Receipt has been confirmed already.")
	}
	grants, any := r.DeliveryGrants(part), false
	for _, g := range grants {
		switch {
		case g.open(d.now.Time):
			return refuse(CodeState, "Een recorder is nog bezig.", "A recorder is still at work.")
		case g.Released == nil || g.Voided != nil:
		case !r.fetched(g):
			return refuse(CodeState, fmt.Sprintf("Haal eerst de beelden van camera %s op.", g.Camera), fmt.Sprintf("Download the footage of camera %s first.", g.Camera))
		default:
			any = true
		}
	}
	if !any {
		return refuse(CodeState, "Er is nog niets verstrekt.", "Nothing has been released yet.")
	}
	d.record(&HandOverConfirmed{Request: c.Request, Delivery: c.Number})
	return d.liftDelivered(r, part)
}

func (f *DeliveryPrepared) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, f.Asked.String(), func(r *Request) {
		r.Deliveries = append(r.Deliveries, &Delivery{Number: f.Number, By: e.By, At: e.Time, Cameras: f.Cameras, Asked: f.Asked})
	})
}

func (f *DeliveryApproved) apply(s *State, e Event) error {
	return s.dossier(f.Request, e, fmt.Sprint(f.Number), func(r *Request) {
		if d := r.delivery(f.Number); d != nil {
			d.Approver, d.ApprovedAt = e.By, e.Time
		}
	})
}

// futureTasks are what waits on a person for a demand of future data.
func (s *State) futureTasks(person protocol.PersonID, r *Request, now time.Time, add func(Task)) {
	if r.Period.IsZero() || r.Status != Granted {
		return
	}
	if s.Holds(person, Handler, r.Regime, now) && !r.asked(person) {
		var oldest time.Time
		var due protocol.Time
		for _, camera := range r.Cameras {
			if i := r.undelivered(camera, now); !i.IsZero() && (oldest.IsZero() || i.From.Before(oldest)) {
				oldest, due = i.From, protocol.T(i.From.Add(s.placements[camera].Window().Duration()))
			}
		}
		if !oldest.IsZero() && (now.Sub(oldest) > 24*time.Hour || now.After(r.Period.To)) {
			add(Task{What: "deliver", Words: Words{"toekomstige beelden: een deel klaarzetten", "future footage: prepare a part"}, Since: protocol.T(oldest), Request: r, Due: due})
		}
	}
	p := s.people[person]
	receives := p != nil && p.Unit == r.Unit && r.Unit != "" && s.Holds(person, Requester, "", now)
	for _, d := range r.Deliveries {
		if s.Holds(person, Approver, r.Regime, now) && !r.asked(person) && person != d.By && len(s.DueDelivery(r, d, now)) > 0 {
			add(Task{What: "decide", Words: Words{"toekomstige beelden: een deel goedkeuren", "future footage: approve a part"}, Since: d.At, Request: r})
		}
		if !receives || !d.Done.IsZero() {
			continue
		}
		for _, g := range r.DeliveryGrants(d) {
			if g.Released == nil || g.Voided != nil {
				continue
			}
			t := Task{What: "download", Words: Words{"deel van toekomstige beelden ophalen", "download a part of future footage"}, Since: g.At, Request: r, Due: protocol.T(g.At.Add(protocol.HandOverTerm))}
			if r.fetched(g) {
				t.What, t.Words = "confirm", Words{"ontvangst van een deel bevestigen", "confirm receipt of a part"}
			}
			add(t)
			break
		}
	}
}
