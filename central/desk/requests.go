package desk

import (
	"cmp"
	"errors"
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

// Requests for footage: asked, followed, checked, decided, fetched, handed over.

var titleRequests = page.Both("Aanvragen", "Requests")

func (d *desk) requests(v *visit) {
	d.show(v, http.StatusOK, "requests.html", titleRequests, func(st *central.State) any {
		var out struct {
			List  []*central.Request
			Older protocol.RequestID // the last of this page, where there are more
			Begin bool
		}
		before := protocol.RequestID(v.r.URL.Query().Get("voor"))
		out.Begin = before == ""
		for r := range st.RequestsBefore(v.me(), before, v.now) {
			if len(out.List) == onePage {
				out.Older = out.List[onePage-1].ID
				break
			}
			out.List = append(out.List, r)
		}
		return out
	}, wide)
}

// asking is the form for a new request.
type asking struct {
	form
	Amends   protocol.RequestID // a request that is there, and changes; empty: a new one
	Sort     sort
	Sorts    []sort // that this person may choose between; none while changing a request
	Groups   []group
	Articles []central.ArticleLaw
	Titles   []central.PreservationLaw
	Units    []*central.Unit
	Now      time.Time
	Look     *looked // filled in and ready to file
	Many     bool    // there are more cameras than are shown
}

// Shown are the cameras to choose from, where there are others.
func (a asking) Shown() string {
	var ids []string
	for _, g := range a.Groups {
		for _, c := range g.Cameras {
			if a.Many {
				ids = append(ids, string(c.Camera))
			}
		}
	}
	return strings.Join(ids, ",")
}

// group is the cameras of one regime: two controllers, two requests.
type group struct {
	Regime  protocol.Regime
	Cameras []seenCamera
}

// looked is what a request would be, before it is filed.
type looked struct {
	Asked   protocol.Interval
	Period  protocol.Interval // future footage
	Cameras []reach
}

// reach says how long the footage asked of a camera stays, if nothing is done.
type reach struct {
	*central.Placement
	Gone    bool          // the first of it is past the window
	Expires protocol.Time // when the first of it is
	Soon    bool          // within 24 hours
}

func (d *desk) asking(st *central.State, v *visit, f form) asking {
	a := asking{form: f, Amends: protocol.RequestID(v.r.PathValue("id")), Articles: central.Articles, Titles: central.Preservations, Now: v.now}
	staff := !st.Holds(v.me(), central.Requester, "", v.now)
	a.Sort = sortFor(staff, f, st.Request(a.Amends))
	if a.Amends == "" {
		a.Sorts = slices.DeleteFunc(slices.Clone(sorts), func(s sort) bool { return s.Staff != staff })
	}
	var mine []protocol.CameraID
	if p := st.Person(v.me()); p != nil {
		mine = p.Cameras
	}
	for _, regime := range a.Sort.Regimes {
		g := group{Regime: regime}
		add := func(p *central.Placement) {
			if p != nil && p.Regime == regime && p.Status != central.Draft {
				g.Cameras = append(g.Cameras, d.seen(st, p, v))
			}
		}
		if staff {
			for _, id := range mine {
				add(st.Placement(id))
			}
		} else {
			for _, id := range cameraIDs(f.Values["camera"]) { // chosen ones stay, whatever is looked for
				add(st.Placement(id))
			}
			chosen, look := len(g.Cameras), strings.ToLower(strings.TrimSpace(f.Get("zoek")))
			for p := range st.CamerasFrom(0) {
				if f.Ticked("camera", p.Camera) || look != "" && !isCamera(p, look) {
					continue
				}
				if len(g.Cameras) == chosen+onePage {
					a.Many = true
					break
				}
				add(p)
			}
			slices.SortFunc(g.Cameras, func(a, b seenCamera) int { return strings.Compare(string(a.Camera), string(b.Camera)) })
			a.Many = a.Many || look != ""
		}
		if len(g.Cameras) > 0 {
			a.Groups = append(a.Groups, g)
		}
	}
	if a.Sort.Code == askReport {
		a.Units = st.Units()
	}
	return a
}

var titleAsking = page.Both("Nieuwe aanvraag", "New request")

// newRequest begins with a minute that has just passed: on a phone at night, changing a time is easier than typing one.
func (d *desk) newRequest(v *visit) {
	begin := v.r.URL.Query()
	if begin.Get("soort") == askFuture {
		begin.Set("van", localInput(v.now.Truncate(time.Minute).Add(time.Minute)))
	} else if !begin.Has("van") && !begin.Has("tot") {
		to := v.now.Add(-time.Minute).Truncate(time.Minute)
		begin.Set("van", localInput(to.Add(-time.Minute)))
		begin.Set("tot", localInput(to))
	}
	d.showAsking(v, http.StatusOK, form{Values: begin}, nil)
}

var titleAmending = page.Both("Aanvraag wijzigen", "Change a request")

// amendRequest is the same form, with what was asked before.
func (d *desk) amendRequest(v *visit) {
	id := protocol.RequestID(v.r.PathValue("id"))
	f := form{Values: url.Values{}}
	mine := false
	d.Book.View(func(st *central.State) {
		r, there := readable(st, v, id)
		if mine = there && r.Requester == v.me() && st.MayAmend(r) == nil; !mine {
			return
		}
		for name, value := range map[string]string{"van": localInput(r.Asked.From), "tot": localInput(r.Asked.To), "artikel": string(r.Article), "bevoegde": r.Authority, "machtiging": r.Leave,
			"datum": dayInput(r.Demanded), "aanduiding": r.Indicated, "wijze": r.Manner, "uiterlijk": dayInput(r.Deadline), "kenmerk": r.Reference, "noodzaak": r.Necessity, "eenheid": r.RequestFacts.Unit} {
			f.Set(name, value)
		}
		if r.Kind == central.Preservation {
			f.Set("geldt-tot", dayInput(protocol.T(r.RequestFacts.Until.Add(-time.Second))))
		}
		if !r.Period.IsZero() {
			f.Set("van", localInput(r.Period.From))
			f.Set("tot", localInput(r.Period.To))
			if r.Immediate {
				f.Set("onmiddellijk", "ja")
			}
		}
		for _, c := range r.Cameras {
			f.Add("camera", string(c))
		}
		if !r.Said.IsZero() {
			f.Set("mondeling", "ja")
			f.Set("uitgesproken", localInput(r.Said.Time))
		}
		if c := r.Consent; c != nil {
			f.Set("verklaringen", strings.Join(c.Statements, "\n"))
			f.Set("iedereen", "ja")
		}
		if r.MayBeGone {
			f.Set("misschien-weg", "ja")
		}
	})
	if !mine {
		d.nothing(v)
		return
	}
	d.showAsking(v, http.StatusOK, f, nil)
}

func (d *desk) showAsking(v *visit, status int, f form, look *looked) {
	title := titleAsking
	if v.r.PathValue("id") != "" {
		title = titleAmending
	}
	d.show(v, status, "asking.html", title, func(st *central.State) any {
		a := d.asking(st, v, f)
		a.Look = look
		return a
	}, withMap)
}

// fileRequest first shows what would be asked, then, pressed again, asks it: anew, or in place of what a request asks now.
func (d *desk) fileRequest(v *visit) {
	f := v.form()
	if v.value("stap") == "zoeken" {
		d.showAsking(v, http.StatusOK, f, nil)
		return
	}
	facts, err := v.requestFacts()
	if err != nil {
		f.Problem = &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Vul de tijden in als datum en tijd: "+err.Error()+".", "Fill in the times as date and time: "+err.Error()+".")}
		d.showAsking(v, http.StatusBadRequest, f, nil)
		return
	}
	var look *looked
	d.Book.View(func(st *central.State) {
		facts.Kind = kindFor(st, v, f, facts.Cameras)
		f.Problem = would(st, askingFor(v, facts), v.now)
		if f.Problem == nil {
			look = lookAt(st, facts, v.now)
		}
	})
	if f.Problem != nil {
		d.showAsking(v, statusOf(f.Problem), f, nil)
		return
	}
	if v.value("stap") != "indienen" {
		d.showAsking(v, http.StatusOK, f, look)
		return
	}
	events, err := d.Book.Do(v.r.Context(), askingFor(v, facts))
	if refusal, ok := central.RefusalOf(err); ok {
		f.Problem = refusal
		d.showAsking(v, statusOf(refusal), f, nil)
		return
	}
	if err != nil {
		d.failed(v, "file a request", err)
		return
	}
	v.onward("/bureau/aanvragen/" + cmp.Or(v.r.PathValue("id"), string(filed(events))))
}

// askingFor is the command behind the form.
func askingFor(v *visit, facts central.RequestFacts) central.Command {
	if id := protocol.RequestID(v.r.PathValue("id")); id != "" {
		return central.AmendRequest{By: v.me(), Request: id, RequestFacts: facts}
	}
	return central.FileRequest{By: v.me(), RequestFacts: facts}
}

// filed is the id of the request among the events of filing it.
func filed(events []central.Event) protocol.RequestID {
	for _, e := range events {
		if f, ok := e.Fact.(*central.RequestFiled); ok {
			return f.ID
		}
	}
	return ""
}

func (v *visit) requestFacts() (central.RequestFacts, error) {
	from, err := parseLocal(v.value("van"), false)
	if err != nil {
		return central.RequestFacts{}, err
	}
	to, err := parseLocal(v.value("tot"), true)
	if err != nil {
		return central.RequestFacts{}, err
	}
	demanded, err := parseDay(v.value("datum"))
	if err != nil {
		return central.RequestFacts{}, err
	}
	var said protocol.Time
	if text := v.value("uitgesproken"); text != "" && v.value("mondeling") != "" {
		at, err := parseLocal(text, false)
		if err != nil {
			return central.RequestFacts{}, err
		}
		said = protocol.T(at)
	} else if v.value("mondeling") != "" {
		return central.RequestFacts{}, errors.New("tijdstip van de mondelinge vordering / time of the oral demand")
	}
	deadline, err := parseDay(v.value("uiterlijk"))
	if err != nil {
		return central.RequestFacts{}, err
	}
	until, err := parseDay(v.value("geldt-tot"))
	if err != nil {
		return central.RequestFacts{}, err
	}
	if !until.IsZero() {
		until = protocol.T(until.In(page.Amsterdam).AddDate(0, 0, 1)) // to the end of that day
	}
	facts := central.RequestFacts{
		Article: central.Article(strings.TrimPrefix(v.value("artikel"), askConsent)), Consent: v.consent(), Authority: v.value("bevoegde"), Leave: v.value("machtiging"), Demanded: demanded, Said: said, Indicated: v.value("aanduiding"), Manner: v.value("wijze"), Deadline: deadline,
		Cameras: cameraIDs(v.r.PostForm["camera"]), Asked: protocol.Span(from, to), Reference: v.value("kenmerk"), Necessity: v.value("noodzaak"),
		Purpose: central.Purpose(v.value("doel")), MayBeGone: v.value("misschien-weg") != "", Unit: v.value("eenheid"),
	}
	switch v.value("soort") {
	case askPreserve:
		facts.Until = until
	case askFuture:
		facts.Article, facts.Asked, facts.Period, facts.Immediate = "126ne", protocol.Interval{}, facts.Asked, v.value("onmiddellijk") != ""
	}
	return facts, nil
}

func cameraIDs(list []string) []protocol.CameraID {
	var ids []protocol.CameraID
	for _, s := range list {
		for _, id := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\r' }) { // typed, where there are too many to tick
			ids = append(ids, protocol.CameraID(id))
		}
	}
	return ids
}

// consent is one line a statement.
func (v *visit) consent() *central.Consent {
	if v.value("soort") != askConsent && v.value("artikel") != askConsent {
		return nil
	}
	return &central.Consent{Statements: strings.FieldsFunc(v.value("verklaringen"), func(r rune) bool { return r == '\n' || r == '\r' }), Everyone: v.value("iedereen") != ""}
}

// kindFor is what a request is called: as chosen on the form. A form without the choice, filled in by a program, is told by who asks, their cameras and the title.
func kindFor(st *central.State, v *visit, f form, cameras []protocol.CameraID) central.RequestKind {
	if s, ok := sortOf(f.Get("soort")); ok {
		return s.Kind
	}
	if !st.Holds(v.me(), central.Requester, "", v.now) {
		if v.value("alleen-bewaren") != "" {
			return central.Provisional
		}
		return central.OwnInitiative
	}
	for _, id := range cameras {
		if p := st.Placement(id); p != nil && p.Regime == protocol.WPG {
			return central.WpgRelease
		}
	}
	if v.value("artikel") == askConsent {
		return central.ByConsent
	}
	return central.Vordering
}

func lookAt(st *central.State, f central.RequestFacts, now time.Time) *looked {
	l := &looked{Asked: f.Asked, Period: f.Period}
	for _, id := range f.Cameras {
		p := st.Placement(id)
		ends := f.Asked.From.Add(p.Window().Duration())
		if !f.Period.IsZero() { // nothing of it ages out yet
			l.Cameras = append(l.Cameras, reach{Placement: p})
			continue
		}
		l.Cameras = append(l.Cameras, reach{p, !now.Before(ends), protocol.T(ends), now.Before(ends) && ends.Sub(now) < 24*time.Hour})
	}
	return l
}

// file is one request and what this reader can do with it.
type file struct {
	*central.Request
	Unit       *central.Unit
	Steps      []step
	Accesses   []central.MatchedAccess
	Due        []*central.Hold // what a decision can grant
	Reasons    []central.Reason
	Levels     []protocol.Level // that the recorders would give a grant decided here and now
	Places     map[protocol.CameraID]*central.Placement
	FetchUntil protocol.Time                        // the last moment to fetch
	Systems    map[central.ClientID]*central.Client // through which something of this was done

	InNameOf  central.Words
	Verify    []central.Verified
	Fills     []fill // what else this reader can do
	MayPartly bool   // nothing was decided yet

	Advice *counselled // of the privacy officer, for who decides on it

	MayAmend    bool // the requester, as long as nothing was fetched
	MayTake     bool // a colleague
	MayWithdraw bool // who may be told that consent is taken back

	// A nil *Act: not for this reader. With a problem: for this reader, but not now.
	MayCheck, MayDecide, MayConfirm, MayWrite *act
	Fetch                                     map[protocol.GrantID]*act

	form
	Acted string // which form was refused: its problem stands there
}

// act is a form that a reader may see; Why says why it does not work now.
type act struct{ Why *central.Refusal }

// offered is the act for a reader with this role; the reason beside it when central would refuse.
func offered(mine bool, why *central.Refusal) *act {
	if !mine || why != nil && why.Code == central.CodeForbidden {
		return nil
	}
	return &act{why}
}

// step of a request's way. State is "done", "now", "bad" or "".
type step struct {
	State string
	Words central.Words
	At    protocol.Time
	By    protocol.PersonID
	Note  central.Words
}

func (d *desk) request(v *visit) { d.showRequest(v, http.StatusOK, form{}, "") }

func (d *desk) showRequest(v *visit, status int, f form, acted string) {
	accesses, err := d.Recorders.Accesses()
	if err != nil {
		d.failed(v, "accesses", err)
		return
	}
	id := protocol.RequestID(v.r.PathValue("id"))
	var there bool
	d.Book.View(func(st *central.State) { _, there = readable(st, v, id) })
	if !there {
		d.nothing(v)
		return
	}
	if !d.reading(v, central.ReadRequest, string(id)) {
		return
	}
	title := page.Both("Aanvraag "+string(id), "Request "+string(id))
	var gone bool
	d.Book.View(func(st *central.State) { gone = st.Erasure(central.DossierOf(id)) != nil })
	if gone {
		d.showSheet(v, status, f, func(st *central.State) sheet {
			r := st.Request(id)
			return sheet{Back: &page.Link{Path: "/bureau/aanvragen", Words: page.Both("Alle aanvragen", "All requests")}, Heading: title, State: badge{"", r.Status.Words()}, Warn: erased(st, central.DossierOf(id)),
				Facts: []fact{{page.Both("Soort", "Kind"), r.Kind.Words()}, {page.Both("Artikel", "Article"), string(r.Article)}, {page.Both("Ingediend", "Filed"), r.Filed}}, History: r.History}
		})
		return
	}
	d.show(v, status, "request.html", title, func(st *central.State) any {
		return d.file(st, v, st.Request(id), accesses, f, acted)
	}, wide, fresh)
}

// readable finds a request for a reader. One that is not theirs is not there.
func readable(st *central.State, v *visit, id protocol.RequestID) (*central.Request, bool) {
	r := st.Request(id)
	return r, r != nil && st.MayRead(v.me(), r, v.now)
}

func (d *desk) file(st *central.State, v *visit, r *central.Request, accesses []central.Access, f form, acted string) file {
	holds := func(role central.Role, regime protocol.Regime) bool { return st.Holds(v.me(), role, regime, v.now) }
	receives := holds(central.Requester, "") && r.Unit != "" && st.Person(v.me()).Unit == r.Unit
	out := file{Request: r, Unit: st.Unit(r.Unit), Steps: steps(r, v.now), Due: st.Due(r, v.now), Reasons: central.RefusalReasons,
		Places: map[protocol.CameraID]*central.Placement{}, Fetch: map[protocol.GrantID]*act{}, Systems: map[central.ClientID]*central.Client{}, form: f, Acted: acted}
	out.Advice = adviceOn(st, v, central.About{Kind: central.AboutRequest, ID: string(r.ID)})
	for _, id := range r.Cameras {
		out.Places[id] = st.Placement(id)
	}
	for _, m := range r.History {
		if m.Via != "" {
			out.Systems[m.Via] = st.Client(m.Via)
		}
	}
	if why := would(st, central.CheckRequest{By: v.me(), Request: r.ID, Complete: true, Necessary: true, Remark: "?"}, v.now); r.Status == central.Filed || why == nil {
		out.MayCheck = offered(holds(central.Handler, r.Regime), why)
	}
	out.MayWithdraw = st.MayWithdrawConsent(v.me(), r, v.now) == nil
	out.MayTake = st.MayTakeOver(v.me(), r, v.now) == nil
	out.MayAmend = v.me() == r.Requester && st.MayAmend(r) == nil
	if r.Status == central.Filed || r.Status == central.Checked || r.Status == central.Granted && r.Period.IsZero() && len(out.Due) > 0 {
		decision := central.DecideRequest{By: v.me(), Request: r.ID, Outcome: central.Refuses, Reason: central.NotNecessary, Motivation: "?"}
		if r.Status == central.Granted { // what is granted can only be granted anew
			decision.Outcome, decision.Reason = central.Grants, central.Complies
			for _, h := range out.Due {
				decision.Approved = append(decision.Approved, central.Approved{Camera: h.Camera, Interval: h.Rounded()})
			}
		}
		out.MayDecide = offered(holds(central.Approver, r.Regime), would(st, decision, v.now))
		out.Levels = levels(st, r)
	}
	out.MayPartly = r.Status == central.Checked && r.Period.IsZero() && r.Kind != central.Preservation && r.TakenBack == nil && len(out.Due) > 0
	if r.Kind == central.Preservation || !r.Period.IsZero() { // nothing is granted, or each part by itself
		out.Due = nil
	}
	out.InNameOf, out.Verify = central.InNameOf(r.Regime), central.Verifications
	s := sheet{Fills: d.fills(st, v, r)}
	s.refilled(f)
	out.Fills = s.Fills
	if name := f.Get("formulier"); name != "" && !slices.ContainsFunc(out.Fills, func(one fill) bool { return one.ID == name }) {
		out.Acted = "fetch" // its form is gone: say above why
	}
	if st.MayConfirmOral(v.me(), r, v.now) == nil {
		out.MayWrite = &act{}
	}
	for _, g := range r.Grants {
		if g.Released != nil {
			out.FetchUntil = protocol.T(g.At.Add(protocol.HandOverTerm))
			if err := st.Downloadable(v.me(), r.ID, g.GrantID(), v.now); receives {
				why, _ := central.RefusalOf(err)
				out.Fetch[g.GrantID()] = offered(true, why)
			}
		}
	}
	if r.HandedOver == nil && r.Status != central.Closed && r.Period.IsZero() && len(out.Fetch) > 0 {
		out.MayConfirm = offered(receives, would(st, central.ConfirmHandOver{By: v.me(), Request: r.ID}, v.now))
	}
	var mine []central.Access
	for _, a := range accesses {
		if a.Access.Request == r.ID {
			mine = append(mine, a)
		}
	}
	out.Accesses = st.Match(mine)
	return out
}

// levels are those of the recorders that a grant decided here would go to: with no person's key on the roster it is the centre's word alone.
func levels(st *central.State, r *central.Request) []protocol.Level {
	var list []protocol.Level
	for _, id := range r.Cameras {
		if p := st.Placement(id); p != nil {
			if rec := st.Recorder(p.Recorder); rec != nil && rec.Roster.LevelCentre && !slices.Contains(list, protocol.LevelCentre) {
				list = append(list, protocol.LevelCentre) // passkeys on the desk come later; until then nobody signs here
			}
		}
	}
	return list
}

// firstAsked is who filed a request, whoever took it over since.
func firstAsked(r *central.Request) protocol.PersonID {
	if len(r.Before) > 0 {
		return r.Before[0]
	}
	return r.Requester
}

// steps are a request's way, so that nobody has to telephone.
func steps(r *central.Request, now time.Time) []step {
	list := []step{{State: "done", Words: page.Both("Ingediend", "Filed"), At: r.Filed, By: firstAsked(r)}}
	add := func(s step) { list = append(list, s) }
	if due := r.OralDue(); !due.IsZero() {
		s := step{State: "now", Words: page.Both("Mondelinge vordering: schriftelijk bevestigen vóór", "Oral demand: confirm in writing before"), At: due}
		switch {
		case r.Written != nil:
			s = step{State: "done", Words: page.Both("Mondelinge vordering schriftelijk bevestigd", "Oral demand confirmed in writing"), At: r.Written.At, By: r.Written.By}
			if !r.Overdue.IsZero() {
				s.Note = page.Both("Te laat: de drie dagen waren voorbij. Dit blijft een incident.", "Late: the three days were over. This stays an incident.")
			}
		case r.Unconfirmed(now):
			s.State, s.Words = "bad", page.Both("Mondelinge vordering niet schriftelijk bevestigd vóór", "Oral demand not confirmed in writing before")
			s.Note = page.Both("Er worden geen beelden meer gegeven totdat de schriftelijke vordering er is. De privacy officer ziet dit als incident.", "No more footage is given until the written demand is here. The privacy officer sees this as an incident.")
		case !now.Before(r.Said.Add(central.OralReminder)):
			s.State, s.Note = "bad", page.Both("Nog minder dan een dag.", "Less than a day left.")
		}
		add(s)
	}
	if r.Kind != central.Standing && r.Period.IsZero() {
		s := step{State: "now", Words: page.Both("Bewaring gevraagd aan de recorder", "Recorder asked to hold the footage"), At: r.Filed}
		asked, confirmed, refused := 0, 0, 0
		for _, h := range r.Holds {
			if h.Replaced {
				continue
			}
			switch h.State() {
			case "asked":
				asked++
				if !now.Before(h.Issued.Add(central.HoldAlarm)) {
					s.State = "bad"
					s.Note = page.Both("Let op: na vijf minuten nog niet bevestigd. De recorder is misschien niet bereikbaar; de privacy officer ziet dit ook.", "Alarm: not confirmed after five minutes. The recorder may be out of reach; the privacy officer sees this too.")
				}
			case "refused":
				refused++
			default:
				confirmed++
				if h.At.After(s.At.Time) {
					s.At = h.At
				}
			}
		}
		switch {
		case asked == 0 && refused > 0:
			s.State, s.Words = "bad", page.Both("De recorder weigerde (een deel van) de bewaring", "The recorder refused (part of) the hold")
		case asked == 0:
			s.State, s.Words = "done", page.Both("Bewaring bevestigd door de recorder", "Hold confirmed by the recorder")
		}
		add(s)
	}
	if r.Kind == central.Provisional {
		return list
	}
	waiting := func(words central.Words, previous bool) step {
		if previous && r.Status != central.Closed {
			return step{State: "now", Words: words}
		}
		return step{Words: words}
	}
	held := list[len(list)-1].State == "done"
	if r.Check != nil {
		s := step{State: "done", Words: page.Both("Getoetst door een behandelaar", "Checked by a handler"), At: r.Check.At, By: r.Check.By}
		if !r.Check.Complete || !r.Check.Necessary {
			s.Note = page.Both("De behandelaar vond de aanvraag niet volledig of niet noodzakelijk.", "The handler found the request incomplete or not necessary.")
		}
		add(s)
	} else {
		add(waiting(page.Both("Wacht op toetsing door een behandelaar", "Waiting for a handler to check"), held))
	}
	if r.Decision == nil {
		add(waiting(page.Both("Wacht op een besluit", "Waiting for a decision"), r.Check != nil))
	} else {
		s := step{State: "done", Words: r.Decision.Outcome.Words(), At: r.Decision.At, By: r.Decision.By}
		if r.Kind == central.Preservation && r.Decision.Outcome == central.Grants {
			s.Words = page.Both("Bevel aanvaard: de beelden worden bewaard", "Order accepted: the footage is held")
		}
		if r.Decision.Outcome == central.Refuses {
			s.State, s.Words = "bad", page.Both("Afgewezen: "+r.Decision.Reason.Words().NL, "Refused: "+r.Decision.Reason.Words().EN)
			add(s)
			return list
		}
		add(s)
	}
	if r.TakenBack != nil {
		add(step{State: "bad", Words: page.Both("Ingetrokken door de aanvrager", "Taken back by the requester"), At: r.TakenBack.At, By: r.TakenBack.By, Note: page.Both(r.TakenBack.Note, r.TakenBack.Note)})
	}
	if r.Kind == central.Standing || r.Kind == central.Preservation {
		return list
	}
	if !r.Period.IsZero() {
		return append(list, deliverySteps(r)...)
	}
	released, failed := 0, ""
	var voided *central.Voiding
	var at protocol.Time
	for _, g := range r.Grants {
		switch {
		case g.Voided != nil:
			voided = g.Voided
		case g.Released != nil:
			released, at = released+1, g.At
		case g.Failed != "" || g.Refused != "":
			failed = g.Failed + g.Refused
		}
	}
	switch {
	case r.Status == central.Released || r.Status == central.Closed && released > 0:
		add(step{State: "done", Words: page.Both("Verstrekt: de beelden staan klaar", "Released: the footage is ready"), At: at})
	case voided != nil && released == 0:
		w := voided.Why.Words()
		add(step{State: "bad", Words: page.Both("De toestemming is vervallen: er moet opnieuw worden beslist", "The grant is void: a new decision is needed"), At: voided.At, Note: page.Both("Omdat "+w.NL+".", "Because "+w.EN+".")})
	case failed != "":
		add(step{State: "bad", Words: page.Both("Verstrekken is nog niet gelukt", "Releasing has not succeeded yet"), Note: page.Both("De recorder meldt: "+failed, "The recorder says: "+failed)})
	default:
		add(waiting(page.Both("De recorder maakt de beelden klaar", "The recorder is preparing the footage"), r.Decision != nil))
	}
	if n := len(r.Downloads); n > 0 {
		add(step{State: "done", Words: page.Both("Opgehaald", "Downloaded"), At: r.Downloads[n-1].At, By: r.Downloads[n-1].By})
	} else {
		add(waiting(page.Both("Ophalen", "Download"), r.Status == central.Released))
	}
	switch {
	case r.HandedOver != nil && r.HandedOver.Name == "handover.lapsed":
		add(step{State: "bad", Words: page.Both("Niet bevestigd binnen veertien dagen", "Not confirmed within fourteen days"), At: r.HandedOver.At})
	case r.HandedOver != nil:
		add(step{State: "done", Words: page.Both("Overgedragen: ontvangst bevestigd", "Handed over: receipt confirmed"), At: r.HandedOver.At, By: r.HandedOver.By})
	default:
		add(waiting(page.Both("Ontvangst bevestigen", "Confirm receipt"), len(r.Downloads) > 0))
	}
	return list
}

// deliverySteps are the parts of future footage.
func deliverySteps(r *central.Request) (list []step) {
	for _, p := range r.Deliveries {
		n := strconv.Itoa(p.Number)
		s := step{State: "now", Words: page.Both("Deel "+n+" klaargezet, wacht op een goedkeurder", "Part "+n+" prepared, waiting for an approver"), At: p.At, By: p.By}
		released := false
		for _, g := range r.DeliveryGrants(p) {
			released = released || g.Released != nil && g.Voided == nil
		}
		switch {
		case !p.Done.IsZero():
			s.State, s.Words, s.At = "done", page.Both("Deel "+n+" overgedragen", "Part "+n+" handed over"), p.Done
		case released:
			s.State, s.Words, s.At, s.By = "now", page.Both("Deel "+n+" staat klaar om op te halen", "Part "+n+" is ready to download"), p.ApprovedAt, p.Approver
		case p.Approver != "":
			s.Words, s.At, s.By = page.Both("Deel "+n+" goedgekeurd, de recorder maakt het klaar", "Part "+n+" approved, the recorder is preparing it"), p.ApprovedAt, p.Approver
		}
		list = append(list, s)
	}
	if r.Status == central.Granted {
		list = append(list, step{State: "now", Words: page.Both("De periode loopt tot", "The period runs until"), At: protocol.T(r.Period.To)})
	}
	return list
}

// act on a request: the command, and back to its page. Whoever cannot read it learns nothing.
func (d *desk) act(v *visit, name string, command func(protocol.RequestID) (central.Command, *central.Refusal)) {
	id := protocol.RequestID(v.r.PathValue("id"))
	var there bool
	d.Book.View(func(st *central.State) { _, there = readable(st, v, id) })
	if !there {
		d.nothing(v)
		return
	}
	c, refusal := command(id)
	if refusal == nil {
		var ok bool
		if refusal, ok = d.do(v, c); !ok {
			return
		}
	}
	d.answered(v, refusal, "/bureau/aanvragen/"+string(id), func(v *visit, status int, f form) { d.showRequest(v, status, f, name) })
}

func (d *desk) check(v *visit) {
	d.act(v, "check", func(id protocol.RequestID) (central.Command, *central.Refusal) {
		return central.CheckRequest{By: v.me(), Request: id, Complete: v.value("volledig") == "ja", Necessary: v.value("noodzakelijk") == "ja", Remark: v.value("opmerking"), Verified: v.verified()},
			answered(v, "volledig", "noodzakelijk")
	})
}

// answered refuses a form on which a yes-or-no question was left open.
func answered(v *visit, names ...string) *central.Refusal {
	for _, n := range names {
		if v.value(n) == "" {
			return &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Beantwoord elke vraag met ja of nee.", "Answer each question with yes or no.")}
		}
	}
	return nil
}

func (d *desk) withdrawConsent(v *visit) {
	d.act(v, "withdraw", func(id protocol.RequestID) (central.Command, *central.Refusal) {
		return central.WithdrawConsent{By: v.me(), Request: id, Note: v.value("hoe")}, nil
	})
}

func (d *desk) takeOver(v *visit) {
	d.act(v, "take", func(id protocol.RequestID) (central.Command, *central.Refusal) {
		return central.TakeOver{By: v.me(), Request: id}, nil
	})
}

// confirmOral hashes the written demand. The paper names people: it is read once and kept nowhere here.
func (d *desk) confirmOral(v *visit) {
	d.act(v, "write", func(id protocol.RequestID) (central.Command, *central.Refusal) {
		a := answers{v: v}
		return central.ConfirmOral{By: v.me(), Request: id, WrittenLater: a.paper()}, a.bad
	})
}

func (d *desk) filePaper(v *visit) {
	d.onRequest(v, func(a *answers, id protocol.RequestID) central.Command {
		return central.FilePaper{By: v.me(), Request: id, WrittenLater: a.paper()}
	})
}

func (a *answers) paper() central.WrittenLater {
	return central.WrittenLater{Document: a.hashed("stuk"), Kept: a.text("bewaarplaats")}
}

func (d *desk) decide(v *visit) {
	d.act(v, "decide", func(id protocol.RequestID) (central.Command, *central.Refusal) {
		c := central.DecideRequest{By: v.me(), Request: id, Outcome: central.Outcome(v.value("besluit")), Reason: central.Reason(v.value("reden")), Motivation: v.value("motivering"),
			Stated: central.Stated{Restriction: v.value("beperking"), Consulted: v.value("geraadpleegd"), Mandate: v.value("mandaat")}}
		if c.Outcome == central.Grants || c.Outcome == central.Partly {
			c.Reason = central.Complies
			var err error
			if c.Approved, err = approved(v.r.PostForm["akkoord"]); err != nil {
				return nil, &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Het afgeronde tijdvak kwam niet goed over: "+err.Error(), "The rounded interval did not arrive well: "+err.Error())}
			}
		}
		if c.Outcome == central.Partly {
			var refusal *central.Refusal
			if c.Parts, refusal = v.partsOf(); refusal != nil {
				return nil, refusal
			}
			c.Approved = slices.DeleteFunc(c.Approved, func(a central.Approved) bool { return namedIn(c.Parts, a.Camera) })
		}
		return c, nil
	})
}

// approved reads "camera from/to": the rounded intervals as the approver saw them.
func approved(list []string) ([]central.Approved, error) {
	var all []central.Approved
	for _, s := range list {
		camera, interval, ok := strings.Cut(s, " ")
		if !ok {
			return nil, errors.New("no interval")
		}
		i, err := protocol.ParseInterval(interval)
		if err != nil {
			return nil, err
		}
		all = append(all, central.Approved{Camera: protocol.CameraID(camera), Interval: i})
	}
	return all, nil
}

func (d *desk) confirm(v *visit) {
	d.act(v, "confirm", func(id protocol.RequestID) (central.Command, *central.Refusal) {
		return central.ConfirmHandOver{By: v.me(), Request: id, Note: v.value("opmerking")}, nil
	})
}
