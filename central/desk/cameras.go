package desk

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Cameras: what they do now, and the register.

// cameraList is for staff their own cameras, for others all of them.
func (d *desk) cameras(v *visit) {
	d.show(v, http.StatusOK, "cameras.html", page.Both("Camera's", "Cameras"), func(st *central.State) any {
		var list []seenCamera
		find := v.finder()
		if d.seesAll(st, v) {
			for _, p := range take(&find, st.CamerasFrom, isCamera) {
				list = append(list, d.seen(st, p, v))
			}
			darkFirst(list)
		} else {
			list = d.assigned(st, v)
		}
		return struct {
			List      []seenCamera
			Find      finder
			Registrar bool
		}{list, find, st.Holds(v.me(), central.Registrar, "", v.now)}
	}, wide, fresh)
}

// seesAll: staff see the cameras assigned to them and no others.
func (d *desk) seesAll(st *central.State, v *visit) bool {
	for _, role := range []central.Role{central.Registrar, central.Approver, central.Officer, central.Auditor} {
		if st.Holds(v.me(), role, "", v.now) {
			return true
		}
	}
	return false
}

// placement is one camera in the register and what this reader can do with it.
type placement struct {
	seenCamera
	Protocol *central.CameraProtocol
	Advice   *counselled // of the privacy officer
	More     []section
	Lacks    []*central.Refusal
	Due      protocol.Time // of the next re-confirmation
	Overdue  bool
	Unneeded bool
	Erasing  bool // this reader may see what is erased of it
	Erasures []erasure

	MayAmend, MaySign, MayActivate, MayRenew, MayEnd, MayWindow *act
	MayTest, MayLive                                            *fill

	// Of changing the window.
	Versions      []*central.CameraProtocol
	ProposedRules bool // that is what a first approver has signed
	Begin         central.Rules
	BeginKeep     string

	form
	Acted string
}

func (d *desk) camera(v *visit) { d.showCamera(v, http.StatusOK, form{}, "") }

func (d *desk) showCamera(v *visit, status int, f form, acted string) {
	id := protocol.CameraID(v.r.PathValue("id"))
	var there bool
	d.Book.View(func(st *central.State) {
		there = st.Placement(id) != nil && (d.seesAll(st, v) || slices.Contains(st.Person(v.me()).Cameras, id))
	})
	if !there {
		d.nothing(v)
		return
	}
	d.show(v, status, "camera.html", page.Both("Camera "+string(id), "Camera "+string(id)), func(st *central.State) any {
		p := st.Placement(id)
		registrar := st.Holds(v.me(), central.Registrar, "", v.now)
		out := placement{seenCamera: d.seen(st, p, v), Protocol: st.Protocol(p.Protocol), Advice: adviceOn(st, v, p.AdvisedOn()[0], p.AdvisedOn()[1:]...), form: f, Acted: acted, More: sections(st, p, v), Due: st.ConfirmDue(p, v.now)}
		out.Overdue = !out.Due.IsZero() && !v.now.Before(out.Due.Time)
		out.Unneeded = st.Unneeded(v.now, p)[id]
		if out.Erasing = st.MayReadErasing(v.me(), id, v.now); out.Erasing {
			for _, o := range st.EraseOrders(id, "") {
				out.Erasures = append(out.Erasures, erasure{o, eraseState(v, o)})
			}
		}
		if p.Status != central.Removed {
			if registrar && p.Regime == protocol.WPG {
				out.MayLive = liveForm(p, f, acted)
			}
			out.Lacks = st.Lacks(p, v.now)
			out.MayAmend = offered(registrar, nil)
			if registrar || st.Holds(v.me(), central.Officer, "", v.now) {
				out.MayTest = testForm(st, p, f, acted, v.now)
			}
		}
		switch p.StatusAt(v.now) {
		case central.Draft:
			out.MayActivate = offered(registrar, would(st, central.Activate{By: v.me(), Camera: id}, v.now))
		case central.Suspended:
			out.MayActivate = offered(registrar, would(st, central.Activate{By: v.me(), Camera: id}, v.now))
		case central.Active, central.Lapsed:
			if out.MayRenew = offered(registrar, nil); registrar {
				if list := st.LacksToRenew(p, v.now); len(list) > 0 {
					out.MayRenew.Why = list[0] // all of them stand above
				}
			}
		}
		if p.StatusAt(v.now) == central.Active {
			out.MayWindow = offered(registrar || st.Holds(v.me(), central.Approver, p.Regime, v.now), nil)
			out.Begin = central.Rules{Protocol: p.Protocol, Keep: p.Keep}
			if out.ProposedRules = p.Proposed != nil && p.Proposed.Ending == central.Shorten; out.ProposedRules {
				out.Begin = p.Proposed.Rules
			}
			out.BeginKeep = days(out.Begin.Keep)
			for _, rules := range st.Protocols() {
				if rules.ID == p.Protocol.ID {
					out.Versions = append(out.Versions, rules)
				}
			}
		}
		if p.Status != central.Removed {
			out.MaySign = offered(registrar, nil)
		}
		if p.Status == central.Active || p.Status == central.Suspended {
			out.MayEnd = offered(st.Holds(v.me(), central.Approver, p.Regime, v.now), nil)
		}
		return out
	}, wide)
}

// onCamera gives a command about a camera and goes back to its page.
func (d *desk) onCamera(v *visit, name string, command func(protocol.CameraID) (central.Command, error)) {
	id := protocol.CameraID(v.r.PathValue("id"))
	c, err := command(id)
	refusal, ok := central.RefusalOf(err)
	if err != nil && !ok {
		refusal = &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Vul de datum in als jaar-maand-dag: "+err.Error()+".", "Fill in the date as year-month-day: "+err.Error()+".")}
	} else if err == nil {
		if refusal, ok = d.do(v, c); !ok {
			return
		}
	}
	d.answered(v, refusal, "/bureau/cameras/"+string(id), func(v *visit, status int, f form) { d.showCamera(v, status, f, name) })
}

func (d *desk) sign(v *visit) {
	d.onCamera(v, "sign", func(id protocol.CameraID) (central.Command, error) {
		a := answers{v: v}
		sign := central.Sign{Placed: a.day("geplaatst"), Exception: v.value("uitzondering"), Sound: v.value("bord-geluid") == "ja", Photo: a.hashed("foto"), Kept: v.value("foto-waar")}
		if a.bad != nil {
			return nil, a.bad
		}
		return central.PlaceSign{By: v.me(), Camera: id, Sign: sign}, nil
	})
}

func (d *desk) activate(v *visit) {
	d.onCamera(v, "activate", func(id protocol.CameraID) (central.Command, error) {
		return central.Activate{By: v.me(), Camera: id}, nil
	})
}

func (d *desk) renew(v *visit) {
	d.onCamera(v, "renew", func(id protocol.CameraID) (central.Command, error) {
		b, err := v.besluit()
		return central.Renew{By: v.me(), Camera: id, Besluit: b}, err
	})
}

func (d *desk) end(v *visit) {
	d.onCamera(v, "end", func(id protocol.CameraID) (central.Command, error) {
		return central.EndPlacement{By: v.me(), Camera: id, Ending: central.Ending(v.value("hoe")), Reason: v.value("waarom")}, nil
	})
}

func (v *visit) besluit() (central.Besluit, error) {
	b := central.Besluit{Reference: v.value("besluit"), Body: v.value("orgaan"), Area: v.value("gebied"), Published: v.value("besluit-waar")}
	for name, t := range map[string]*protocol.Time{"besluit-datum": &b.Date, "besluit-van": &b.ValidFrom, "besluit-tot": &b.ValidUntil, "besluit-evaluatie": &b.Evaluate,
		"besluit-ovj": &b.Prosecutor, "live-van": &b.LiveFrom, "live-tot": &b.LiveUntil} {
		var err error
		if *t, err = parseDay(v.value(name)); err != nil {
			return b, err
		}
	}
	return b, nil
}

// registering is the form of a placement.
type registering struct {
	form
	Camera       protocol.CameraID // being amended; empty: a new one
	Recorders    []*central.Recorder
	Protocols    []*central.CameraProtocol
	Purposes     []central.Purpose
	Publications []central.Publication
	Groups       []fill
	InUse        bool // it has been in use: what its mandate rests on is not asked
}

func (d *desk) showRegistering(v *visit, status int, f form, camera protocol.CameraID) {
	title := page.Both("Camera registreren", "Register a camera")
	d.show(v, status, "registering.html", title, func(st *central.State) any {
		p := st.Placement(camera)
		return registering{f, camera, st.Recorders(), st.Protocols(), central.Purposes, central.Publications, groups(st, f), p != nil && p.Status != central.Draft}
	})
}

// newCamera begins with the least that usually will do (R30).
func (d *desk) newCamera(v *visit) {
	d.showRegistering(v, http.StatusOK, form{Values: url.Values{"kwaliteit": {string(central.Observe)}}}, "")
}

func (d *desk) register(v *visit) {
	d.registered(v, "", func(f central.PlacementFacts) central.Command {
		return central.RegisterPlacement{By: v.me(), PlacementFacts: f}
	})
}

func (d *desk) registered(v *visit, camera protocol.CameraID, command func(central.PlacementFacts) central.Command) {
	facts, refusal := v.placementFacts()
	if camera != "" {
		facts.Camera = camera
		d.Book.View(func(st *central.State) {
			p := st.Placement(camera)
			if p != nil && p.Sign.Placed == facts.Sign.Placed { // its photo is recorded with the sign
				facts.Sign.Photo, facts.Sign.Kept = p.Sign.Photo, p.Sign.Kept
			}
			if p != nil && p.Status != central.Draft { // what its mandate rests on was not asked
				facts.Regime, facts.Purposes, facts.Streams, facts.Recorder, facts.Sound = p.Regime, p.Purposes, p.Streams, p.Recorder, p.Sound
				facts.Besluit, facts.Protocol, facts.Keep, facts.Sign = p.Besluit, p.Protocol, p.Keep, p.Sign
			}
		})
	}
	if refusal == nil {
		var ok bool
		if refusal, ok = d.do(v, command(facts)); !ok {
			return
		}
	}
	if refusal != nil {
		f := v.form()
		f.Problem = refusal
		d.showRegistering(v, statusOf(refusal), f, camera)
		return
	}
	v.onward("/bureau/cameras/" + string(facts.Camera))
}

func (v *visit) placementFacts() (f central.PlacementFacts, refusal *central.Refusal) {
	bad := func(nl, en string) *central.Refusal {
		return &central.Refusal{Code: central.CodeInvalid, Words: page.Both(nl, en)}
	}
	f = central.PlacementFacts{
		Camera: protocol.CameraID(v.value("nummer")), Name: v.value("naam"), Regime: protocol.Regime(v.value("regime")), Place: v.value("plaats"),
		Subsidiarity: v.value("subsidiariteit"), Proportionality: v.value("proportionaliteit"), Recorder: protocol.RecorderID(v.value("recorder")),
		Publication: central.Publication(v.value("openbaar")), PublicationReason: v.value("openbaar-reden"), Contact: v.value("contact"),
	}
	for _, p := range v.r.PostForm["doel"] {
		f.Purposes = append(f.Purposes, central.Purpose(p))
	}
	for _, s := range strings.Fields(v.value("stromen")) {
		f.Streams = append(f.Streams, protocol.StreamID(s))
	}
	lat, err1 := strconv.ParseFloat(strings.Replace(v.value("breedte"), ",", ".", 1), 64)
	lon, err2 := strconv.ParseFloat(strings.Replace(v.value("lengte"), ",", ".", 1), 64)
	if err1 != nil || err2 != nil || !(math.Abs(lat) <= 90 && math.Abs(lon) <= 180) { // "NaN" is a number to ParseFloat
		return f, bad("Vul de plaats in als graden, bijvoorbeeld 51,4809 en 5,6613.", "Fill in the position in degrees, for example 51.4809 and 5.6613.")
	}
	f.Position = central.At(lat, lon)
	direction, err := strconv.Atoi(v.value("richting"))
	if err != nil {
		return f, bad("Vul de richting in als hele graden, 0 tot en met 359.", "Fill in the direction in whole degrees, 0 to 359.")
	}
	f.Direction = direction
	if id, version, ok := strings.Cut(v.value("protocol"), " v"); ok {
		n, err := strconv.Atoi(version)
		if err != nil {
			return f, bad("Kies een cameraprotocol uit de lijst.", "Choose a camera protocol from the list.")
		}
		f.Protocol = central.ProtocolRef{ID: id, Version: n}
	}
	var dates error
	if f.Besluit, dates = v.besluit(); dates == nil {
		f.Sign.Placed, dates = parseDay(v.value("geplaatst"))
	}
	f.Sign.Exception, f.Sign.Sound = v.value("uitzondering"), v.value("bord-geluid") == "ja"
	f.Sound = central.Sound{Reason: v.value("geluid"), DPIA: v.value("geluid-dpia")}
	if f.Keep, refusal = keep(v.value("bewaren")); refusal != nil {
		return f, refusal
	}
	if f.Particulars, refusal = v.particulars(); refusal != nil {
		return f, refusal
	}
	if dates != nil {
		return f, bad("Vul datums in als jaar-maand-dag: "+dates.Error()+".", "Fill in dates as year-month-day: "+dates.Error()+".")
	}
	return f, nil
}

// amendForm begins with what the draft says.
func (d *desk) amendForm(v *visit) {
	id := protocol.CameraID(v.r.PathValue("id"))
	f := form{Values: map[string][]string{}}
	there := false
	d.Book.View(func(st *central.State) {
		p := st.Placement(id)
		if there = p != nil; !there {
			return
		}
		set := func(name string, values ...any) {
			for _, v := range values {
				f.Add(name, text(v))
			}
		}
		set("naam", p.Name)
		set("regime", p.Regime)
		set("plaats", p.Place)
		set("subsidiariteit", p.Subsidiarity)
		set("proportionaliteit", p.Proportionality)
		set("recorder", p.Recorder)
		set("openbaar", p.Publication)
		set("openbaar-reden", p.PublicationReason)
		set("contact", p.Contact)
		set("breedte", p.Position.Lat())
		set("lengte", p.Position.Lon())
		set("richting", p.Direction)
		if p.Protocol.ID != "" {
			set("protocol", p.Protocol)
		}
		for _, purpose := range p.Purposes {
			set("doel", purpose)
		}
		streams := make([]string, len(p.Streams))
		for i, s := range p.Streams {
			streams[i] = string(s)
		}
		set("stromen", strings.Join(streams, " "))
		set("besluit", p.Besluit.Reference)
		set("orgaan", p.Besluit.Body)
		set("gebied", p.Besluit.Area)
		set("besluit-datum", p.Besluit.Date)
		set("besluit-van", p.Besluit.ValidFrom)
		set("besluit-tot", p.Besluit.ValidUntil)
		set("geplaatst", p.Sign.Placed)
		set("uitzondering", p.Sign.Exception)
		if p.Sign.Sound {
			set("bord-geluid", "ja")
		}
		set("geluid", p.Sound.Reason)
		set("geluid-dpia", p.Sound.DPIA)
		set("besluit-waar", p.Besluit.Published)
		set("besluit-evaluatie", p.Besluit.Evaluate)
		set("besluit-ovj", p.Besluit.Prosecutor)
		set("live-van", p.Besluit.LiveFrom)
		set("live-tot", p.Besluit.LiveUntil)
		set("bewaren", days(p.Keep))
		setParticulars(set, p)
	})
	if !there {
		d.nothing(v)
		return
	}
	d.showRegistering(v, http.StatusOK, f, id)
}

func (d *desk) amend(v *visit) {
	d.registered(v, protocol.CameraID(v.r.PathValue("id")), func(f central.PlacementFacts) central.Command {
		return central.AmendPlacement{By: v.me(), PlacementFacts: f}
	})
}

// Looking back near the recorder: standing grants.

type viewing struct {
	form
	Grants   []*central.Grant
	Requests []*central.Request
	Cameras  []seenCamera
	Purposes []central.Purpose
	Last     protocol.Time // the latest end that can be asked
}

var titleViewing = page.Both("Terugkijken", "Looking back")

func (d *desk) viewing(v *visit) { d.showViewing(v, http.StatusOK, form{Values: v.r.URL.Query()}) }

func (d *desk) showViewing(v *visit, status int, f form) {
	d.show(v, status, "viewing.html", titleViewing, func(st *central.State) any {
		out := viewing{form: f, Cameras: d.assigned(st, v), Grants: st.StandingGrants(v.me(), v.now), Last: protocol.T(v.now.Add(protocol.StandingGrantTerm))}
		for _, c := range out.Cameras {
			for _, p := range c.Purposes {
				if !slices.Contains(out.Purposes, p) {
					out.Purposes = append(out.Purposes, p)
				}
			}
		}
		for _, r := range st.Requests(v.me(), v.now) {
			if r.Kind == central.Standing && r.Requester == v.me() {
				out.Requests = append(out.Requests, r)
			}
		}
		return out
	})
}

func (d *desk) askViewing(v *visit) {
	f := v.form()
	until, err := parseDay(v.value("tot"))
	if err != nil {
		f.Problem = &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Vul de einddatum in als jaar-maand-dag.", "Fill in the end date as year-month-day.")}
		d.showViewing(v, http.StatusBadRequest, f)
		return
	}
	if last := v.now.Add(protocol.StandingGrantTerm); until.After(last) && until.Sub(last) < 24*time.Hour {
		until = protocol.T(last) // the ninetieth day, whatever the hour
	}
	events, err := d.Book.Do(v.r.Context(), central.FileRequest{By: v.me(), RequestFacts: central.RequestFacts{
		Kind: central.Standing, Purpose: central.Purpose(v.value("doel")), Cameras: cameraIDs(v.r.PostForm["camera"]), Reference: v.value("kenmerk"),
		Necessity: v.value("noodzaak"), ViewerKey: v.value("sleutel"), Until: until,
	}})
	if refusal, ok := central.RefusalOf(err); ok {
		f.Problem = refusal
		d.showViewing(v, statusOf(refusal), f)
		return
	}
	if err != nil {
		d.failed(v, "ask to view", err)
		return
	}
	v.onward("/bureau/aanvragen/" + string(filed(events)))
}
