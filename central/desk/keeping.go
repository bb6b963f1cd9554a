package desk

import (
	"fmt"
	"strconv"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// What can be done with a request beside checking and deciding: hold longer, renew, take back, end, and deliver future footage in parts.

func (d *desk) keepingRoutes(in func(string, func(*visit), ...central.Role)) {
	in("POST /bureau/aanvragen/{id}/stuk", d.filePaper, central.Requester, central.Handler)
	in("POST /bureau/aanvragen/{id}/langer", d.keepLonger, central.Approver)
	in("POST /bureau/aanvragen/{id}/verlengen", d.renewDemand, central.Requester)
	in("POST /bureau/aanvragen/{id}/terugnemen", d.takeBack, central.Requester, central.Staff)
	in("POST /bureau/aanvragen/{id}/beeindigen", d.endKeeping, central.Approver)
	in("POST /bureau/aanvragen/{id}/delen", d.prepareDelivery, central.Handler)
	in("POST /bureau/aanvragen/{id}/delen/{n}/goedkeuren", d.approveDelivery, central.Approver)
	in("POST /bureau/aanvragen/{id}/delen/{n}/ontvangst", d.confirmDelivery, central.Requester)
	in("POST /bureau/betrokkenen/{id}/langer", d.keepSubjectLonger, central.Approver)
}

// keepFill is the form for a signature under holding longer; nil when this is not for the reader.
func keepFill(st *central.State, v *visit, id protocol.RequestID, regime protocol.Regime, proposed *central.Keeping, action string) *fill {
	if !st.Holds(v.me(), central.Approver, regime, v.now) {
		return nil
	}
	f := fill{ID: "langer", Action: action, Title: page.Both("Langer bewaren", "Hold longer"), Button: page.Both("Als eerste tekenen", "Sign first"),
		Hint: page.Both("Beelden worden ten hoogste 28 dagen bewaard, gerekend vanaf de eerste bewaring. Langer kan als twee goedkeurders tekenen voor dezelfde dag.", "Footage is held for at most 28 days, counted from the first hold. Longer is possible when two approvers sign for the same day.")}
	reason := entry("reden", "area", "Waarom is langer bewaren nodig?", "Why is holding longer needed?", nil)
	if regime == protocol.WPG {
		reason = entry("reden", "area", "Concrete aanleiding, met het zaaknummer van de politie", "Concrete ground, with the police's case number", nil).hint("Zonder concrete aanleiding worden beelden van de openbare ruimte niet langer dan vier weken bewaard.", "Without a concrete ground footage of public space is not held past four weeks.")
	}
	longest := st.KeepUntil(id, v.now)
	if longest.IsZero() {
		return nil
	}
	until := longest
	if proposed != nil {
		until = proposed.Until
	}
	why := would(st, central.KeepLonger{By: v.me(), Request: id, Until: until, Reason: "?"}, v.now)
	if why != nil && why.Code == central.CodeForbidden {
		return nil
	}
	f.Why = why
	if proposed != nil {
		f.Button = page.Both("Als tweede tekenen", "Sign second")
		f.says(proposed, v)
		f.Fields = []field{{Name: "tot", Kind: "hidden", Value: until.String()}, reason}
		return &f
	}
	last := v.lang.Date(longest.In(page.Amsterdam).AddDate(0, 0, -1)) // the last whole day: keepUntil takes it to its end
	f.Fields = []field{entry("dag", "date", "Tot en met", "Up to and including", nil).hint("Ten hoogste "+last+".", "At most "+last+"."), reason}
	return &f
}

// says is what the first approver signed.
func (f *fill) says(k *central.Keeping, v *visit) {
	day := v.lang.Moment(k.Until.Time)
	f.Hint = page.Both(f.Hint.NL+" Een eerste goedkeurder tekende voor "+day+": "+k.Reason, f.Hint.EN+" A first approver signed for "+day+": "+k.Reason)
}

// keepUntil reads the day, or the moment that the first approver signed for.
func keepUntil(a *answers) protocol.Time {
	if s := a.text("tot"); s != "" {
		t, err := protocol.ParseTime(s)
		a.wrong(err)
		return t
	}
	day := a.day("dag")
	if day.IsZero() {
		return day
	}
	return protocol.T(day.In(page.Amsterdam).AddDate(0, 0, 1))
}

func (d *desk) onRequest(v *visit, read func(*answers, protocol.RequestID) central.Command) {
	d.act(v, v.value("formulier"), func(id protocol.RequestID) (central.Command, *central.Refusal) {
		a := answers{v: v}
		c := read(&a, id)
		return c, a.bad
	})
}

func (d *desk) keepLonger(v *visit) {
	d.onRequest(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.KeepLonger{By: v.me(), Request: id, Until: keepUntil(a), Reason: a.text("reden")}
	})
}

func (d *desk) keepSubjectLonger(v *visit) {
	d.onSubject(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.KeepLonger{By: v.me(), Request: id, Until: keepUntil(a), Reason: a.text("reden")}
	})
}

func (d *desk) renewDemand(v *visit) {
	d.onRequest(v, func(a *answers, id protocol.RequestID) central.Command {
		until := a.day("tot-en-met")
		if !until.IsZero() {
			until = protocol.T(until.In(page.Amsterdam).AddDate(0, 0, 1))
		}
		return central.RenewDemand{By: v.me(), Request: id, Renewal: central.Renewal{Reference: a.text("kenmerk"), Demanded: a.day("datum"), Until: until}}
	})
}

func (d *desk) takeBack(v *visit) {
	d.onRequest(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.WithdrawRequest{By: v.me(), Request: id, Note: a.text("waarom")}
	})
}

func (d *desk) endKeeping(v *visit) {
	d.onRequest(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.DecideRequest{By: v.me(), Request: id, Outcome: central.Ends, Reason: central.Reason(a.text("reden")), Motivation: a.text("motivering"), Stated: central.Stated{Mandate: a.text("mandaat")}}
	})
}

func (d *desk) prepareDelivery(v *visit) {
	d.onRequest(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.PrepareDelivery{By: v.me(), Request: id, Cameras: cameraIDs(v.r.PostForm["camera"]), Asked: protocol.Span(a.moment("van").Time, a.moment("tot").Time)}
	})
}

func (d *desk) approveDelivery(v *visit) {
	d.onRequest(v, func(a *answers, id protocol.RequestID) central.Command {
		rounded, err := approved(v.r.PostForm["akkoord"])
		a.wrong(err)
		return central.ApproveDelivery{By: v.me(), Request: id, Number: part(v), Approved: rounded}
	})
}

func (d *desk) confirmDelivery(v *visit) {
	d.onRequest(v, func(_ *answers, id protocol.RequestID) central.Command {
		return central.ConfirmDelivery{By: v.me(), Request: id, Number: part(v)}
	})
}

func part(v *visit) int {
	n, err := strconv.Atoi(v.r.PathValue("n"))
	if err != nil {
		return 0 // central says that there is no such part
	}
	return n
}

// fills are the forms beside checking and deciding that this reader may fill in.
func (d *desk) fills(st *central.State, v *visit, r *central.Request) []fill {
	var list []fill
	path := "/bureau/aanvragen/" + string(r.ID)
	offer := func(mine bool, c central.Command, f fill) {
		if a := offered(mine, would(st, c, v.now)); a != nil {
			f.Why = a.Why
			list = append(list, f)
		}
	}
	for _, p := range r.Deliveries {
		var akkoord []field
		ask := central.ApproveDelivery{By: v.me(), Request: r.ID, Number: p.Number}
		said := ""
		for _, h := range st.DueDelivery(r, p, v.now) {
			ask.Approved = append(ask.Approved, central.Approved{Camera: h.Camera, Interval: h.Rounded()})
			akkoord = append(akkoord, field{Name: "akkoord", Kind: "hidden", Value: string(h.Camera) + " " + h.Rounded().String()})
			said += fmt.Sprintf(" %s: %s.", h.Camera, v.lang.Span(h.Rounded()))
		}
		n := strconv.Itoa(p.Number)
		if p.Approver == "" || len(akkoord) > 0 {
			offer(st.Holds(v.me(), central.Approver, r.Regime, v.now), ask, fill{ID: "goedkeuren-" + n, Action: path + "/delen/" + n + "/goedkeuren", Title: page.Both("Deel "+n+" goedkeuren", "Approve part "+n), Button: page.Both("Precies dit goedkeuren", "Approve exactly this"),
				Hint: page.Both("Dit wordt verstrekt, naar buiten afgerond op hele stukken:"+said, "This is released, rounded outward to whole segments:"+said), Fields: akkoord})
		}
		if p.Done.IsZero() && p.Approver != "" {
			receives := st.Holds(v.me(), central.Requester, "", v.now) && r.Unit != "" && st.Person(v.me()).Unit == r.Unit
			offer(receives, central.ConfirmDelivery{By: v.me(), Request: r.ID, Number: p.Number}, fill{ID: "ontvangst-" + n, Action: path + "/delen/" + n + "/ontvangst", Title: page.Both("Ontvangst van deel "+n, "Receipt of part "+n), Button: page.Both("Ontvangst bevestigen", "Confirm receipt"),
				Hint: page.Both("Heeft u dit deel veilig opgeslagen? De recorder hoeft het dan niet langer te bewaren.", "Have you stored this part safely? The recorder then need not hold it any longer.")})
		}
	}
	if !r.Period.IsZero() && r.Status == central.Granted {
		cameras := field{Name: "camera", Kind: "check", Label: page.Both("Camera's", "Cameras"), Hint: page.Both("Geen gekozen: alle.", "None chosen: all.")}
		for _, id := range r.Cameras {
			cameras.Options = append(cameras.Options, option{Value: string(id), Words: page.Both(string(id), string(id))})
		}
		if st.Holds(v.me(), central.Handler, r.Regime, v.now) {
			list = append(list, fill{ID: "delen", Action: path + "/delen", Title: page.Both("Een deel klaarzetten", "Prepare a part"), Button: page.Both("Klaarzetten en laten bewaren", "Prepare, and have it held"),
				Hint:   page.Both("De recorder bewaart dit deel. Een goedkeurder keurt daarna het afgeronde tijdvak goed.", "The recorder holds this part. An approver then approves the rounded interval."),
				Fields: []field{cameras, entry("van", "datetime-local", "Van", "From", nil), entry("tot", "datetime-local", "Tot (ten hoogste 24 uur later)", "To (at most 24 hours later)", nil)}})
		}
	}
	if r.Kind == central.Preservation && r.Status == central.Kept {
		offer(st.Holds(v.me(), central.Approver, r.Regime, v.now), central.DecideRequest{By: v.me(), Request: r.ID, Outcome: central.Ends, Reason: central.NoLonger, Motivation: "?"},
			fill{ID: "beeindigen", Action: path + "/beeindigen", Title: page.Both("Bewaren beëindigen", "End the holding"), Button: page.Both("Bewaring opheffen", "Lift the hold"),
				Hint:   page.Both("De behandelaar die toetste en u heffen de bewaring samen op. De beelden verlopen dan op hun gewone tijd.", "The handler who checked and you lift the hold together. The footage then expires in its ordinary time."),
				Fields: []field{choice("reden", "radio", "Waarom?", "Why?", central.EndReasons), entry("motivering", "area", "Motivering", "Motivation", nil), entry("mandaat", "text", "Mandaat", "Mandate", nil)}})
	}
	if f := keepFill(st, v, r.ID, r.Regime, r.Keeping, path+"/langer"); f != nil {
		list = append(list, *f)
	}
	if st.MayRenew(v.me(), r, v.now) == nil {
		list = append(list, fill{ID: "verlengen", Action: path + "/verlengen", Title: page.Both("Bevel verlengen", "Renew the order"), Button: page.Both("Verlenging indienen", "File the renewal"),
			Hint:   page.Both("Is er een nieuw bevel of een nieuwe vordering? Geef die hier, vóór de vorige voorbij is.", "Is there a new order or demand? Give it here, before the former one is over."),
			Fields: []field{entry("kenmerk", "text", "Kenmerk van het nieuwe bevel", "Reference of the new order", nil), entry("datum", "date", "Datum", "Date", nil), entry("tot-en-met", "date", "Geldt tot en met", "Holds until", nil)}})
	}
	if st.MayFilePaper(v.me(), r, v.now) == nil {
		list = append(list, fill{ID: "stuk", Action: path + "/stuk", Title: page.Both("Stuk vastleggen", "Record the paper"), Button: page.Both("Vastleggen", "Record"),
			Hint:   page.Both("Het bestand zelf wordt hier niet bewaard: alleen de vingerafdruk (SHA-256) en waar het stuk ligt.", "The file itself is not kept here: only its fingerprint (SHA-256) and where the paper is."),
			Fields: []field{entry("stuk", "file", "Bestand, ten hoogste 8 MB", "File, at most 8 MB", nil), entry("bewaarplaats", "text", "Waar wordt het stuk bewaard?", "Where is the paper kept?", nil)}})
	}
	if st.MayWithdraw(v.me(), r, v.now) == nil {
		list = append(list, fill{ID: "terugnemen", Action: path + "/terugnemen", Title: page.Both("Aanvraag intrekken", "Take the request back"), Button: page.Both("Intrekken", "Take back"),
			Hint:   page.Both("Er wordt dan niets meer verstrekt. Een behandelaar en een goedkeurder sluiten de aanvraag en heffen de bewaring op.", "Nothing is released any more then. A handler and an approver close the request and lift the hold."),
			Fields: []field{entry("waarom", "text", "Waarom? Geen namen.", "Why? No names.", nil)}})
	}
	return list
}

// partsOf reads what a decision in part says of each camera.
func (v *visit) partsOf() (list []central.Part, refusal *central.Refusal) {
	for _, id := range v.r.PostForm["deel"] {
		what := v.value("deel-" + id)
		if what == "" || what == "heel" {
			continue
		}
		p := central.Part{Camera: protocol.CameraID(id), Reason: central.Reason(v.value("reden-" + id)), Motivation: v.value("motivering-" + id)}
		if what == "kleiner" {
			a := answers{v: v}
			from, to := a.moment("van-"+id), a.moment("tot-"+id)
			if a.bad == nil && (from.IsZero() || to.IsZero()) {
				a.bad = &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Vul het kleinere tijdvak van camera "+id+" in.", "Fill in the narrower interval of camera "+id+".")}
			}
			if a.bad != nil {
				return nil, a.bad
			}
			p.Narrowed = protocol.Span(from.Time, to.Time)
		}
		list = append(list, p)
	}
	return list, nil
}

// namedIn says whether a decision in part names a camera.
func namedIn(parts []central.Part, camera protocol.CameraID) bool {
	for _, p := range parts {
		if p.Camera == camera {
			return true
		}
	}
	return false
}

// verified are the ticked checks.
func (v *visit) verified() (list []central.Verified) {
	for _, s := range v.r.PostForm["gezien"] {
		list = append(list, central.Verified(s))
	}
	return list
}
