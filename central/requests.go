package central

import (
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Requests: asked, held, checked, decided, released, handed over.

// maxCameras bounds what one request may ask at once; more is another request, with its own necessity.
const maxCameras = 32

func (c FileRequest) decide(d *decision) error {
	f, regime, err := d.asked(c.By, c.RequestFacts)
	if err != nil {
		return err
	}
	id := protocol.RequestID(fmt.Sprintf("z-%d", len(d.order)+1))
	d.record(&RequestFiled{ID: id, Regime: regime, RequestFacts: f, Once: d.once})
	if f.Kind == Standing || !f.Period.IsZero() {
		return nil // nothing to hold yet
	}
	for _, camera := range f.Cameras {
		if err := d.hold(id, d.placements[camera], f); err != nil {
			return err
		}
	}
	return nil
}

// asked checks what somebody asks, and puts it as it will be recorded.
func (d *decision) asked(by protocol.PersonID, f RequestFacts) (RequestFacts, protocol.Regime, error) {
	d.by = by
	f.Cameras = slices.Clone(f.Cameras)
	slices.Sort(f.Cameras)
	f.Cameras = slices.Compact(f.Cameras)

	if f.Purpose != "" { // before who may ask: everyone is told why judging staff is not to be had here (R2)
		if err := knownPurpose(f.Purpose); err != nil {
			return f, "", err
		}
	}
	switch f.Kind {
	case Vordering, WpgRelease, ByConsent, Preservation:
		if err := d.as(by, Requester, ""); err != nil {
			return f, "", err
		}
		f.Unit = d.people[by].Unit
	case OwnInitiative, Provisional, Standing:
		if err := d.as(by, Staff, ""); err != nil {
			return f, "", err
		}
		for _, camera := range f.Cameras {
			if !slices.Contains(d.people[by].Cameras, camera) {
				return f, "", refuse(CodeForbidden, fmt.Sprintf("Camera %s is niet aan u toegewezen.", camera), fmt.Sprintf("Camera %s has not been assigned to you.", camera))
			}
		}
	default:
		return f, "", missing("soort aanvraag", "kind of request")
	}
	if f.Kind != Vordering && !f.Said.IsZero() {
		return f, "", refuse(CodeInvalid, "Alleen een vordering kan mondeling zijn.", "Only a demand can be oral.")
	}
	regime, err := d.regimeOf(f)
	if err != nil {
		return f, "", err
	}
	role := Requester
	if f.Kind.byStaff() {
		role = Staff
	}
	if err := d.hasRead(by, role, f.Cameras, d.now.Time); err != nil {
		return f, "", err
	}
	switch {
	case strings.TrimSpace(f.Reference) == "":
		return f, "", missing("kenmerk, bijvoorbeeld het registratienummer", "reference, for example the police record number")
	case strings.TrimSpace(f.Necessity) == "": // R18
		return f, "", missing("waarom de beelden noodzakelijk zijn", "why the footage is necessary")
	}
	if f.Paper != nil {
		if err := f.Paper.check(); err != nil {
			return f, "", err
		}
	}
	if err := d.title(f); err != nil {
		return f, "", err
	}
	if f.Kind == Standing {
		return f, regime, d.standing(&f)
	}
	if f.Kind == Provisional {
		f.Unit = "" // nobody receives
	}
	if !f.Period.IsZero() {
		f.Asked, f.Period = protocol.Interval{}, protocol.Span(f.Period.From, f.Period.To)
		return f, regime, d.period(f)
	}
	f.Asked = protocol.Span(f.Asked.From, f.Asked.To)
	return f, regime, d.interval(f)
}

// regimeOf is the one regime of all cameras asked. Two regimes have two controllers: two requests.
func (d *decision) regimeOf(f RequestFacts) (protocol.Regime, error) {
	if len(f.Cameras) == 0 || len(f.Cameras) > maxCameras {
		return "", missing(fmt.Sprintf("één tot %d camera's", maxCameras), fmt.Sprintf("one to %d cameras", maxCameras))
	}
	var regime protocol.Regime
	for _, camera := range f.Cameras {
		p := d.placements[camera]
		switch {
		case p == nil || p.Status == Draft:
			return "", unknown("Camera", "Camera", string(camera))
		case regime != "" && p.Regime != regime:
			return "", refuse(CodeRegime, "Vraag AVG- en WPG-camera's in twee aanvragen.", "Ask AVG and WPG cameras in two requests.")
		}
		regime = p.Regime
	}
	switch {
	case regime == protocol.WPG && (f.Kind == Vordering || f.Kind == OwnInitiative || f.Kind == ByConsent || f.Kind == Provisional):
		return "", refuse(CodeRegime, "Deze camera valt onder de Wpg: de politie beslist zelf. Kies verstrekking binnen de politie.", "This camera falls under the Wpg: the police decide themselves. Choose release inside the police.")
	case regime == protocol.AVG && f.Kind == WpgRelease:
		return "", refuse(CodeRegime, "Deze camera valt onder de AVG: hiervoor is een vordering nodig.", "This camera falls under the AVG: a demand (vordering) is needed.")
	}
	return regime, nil
}

// title checks the legal title that a kind needs.
func (d *decision) title(f RequestFacts) error {
	switch f.Kind {
	case Vordering:
		law, ok := LawOf(f.Article)
		switch {
		case !ok:
			return missing("het artikel van de vordering", "the article of the demand")
		case strings.TrimSpace(f.Authority) == "":
			return missing("wie vordert: "+law.Authority.NL, "who demands: "+law.Authority.EN)
		case !law.MagistrateFree && strings.TrimSpace(f.Leave) == "":
			return missing("kenmerk van de machtiging van de rechter-commissaris", "reference of the examining magistrate's leave")
		case !law.Future && !f.Period.IsZero():
			return refuse(CodeInvalid, "Alleen artikel 126ne geeft toekomstige beelden.", "Only article 126ne gives future footage.")
		case f.Period.IsZero() && f.Immediate:
			return refuse(CodeInvalid, "Alleen toekomstige beelden kunnen onmiddellijk worden gegeven.", "Only future footage can be given at once.")
		case !f.Period.IsZero():
			return d.spoken(f, law) // the period has its own rules
		case law.Future && (f.Demanded.IsZero() || f.Asked.From.Before(f.Demanded.Time)):
			return refuse(CodeInterval, "Dit artikel geeft alleen beelden van na de vordering. Vul de datum van de vordering in.", "This article gives only footage from after the demand. Fill in the date of the demand.")
		case law.Future && f.Asked.To.After(f.Demanded.Add(law.Longest)):
			return refuse(CodeTerm, "Toekomstige gegevens gaan ten hoogste vier weken na de vordering (artikel 126ne Sv). Daarna is een nieuwe vordering nodig.", "Future data go at most four weeks beyond the demand (art. 126ne Sv). After that a new demand is needed.")
		}
		return d.spoken(f, law)
	case Preservation:
		return d.preserves(f)
	case ByConsent:
		if f.Consent == nil {
			return Consent{}.check()
		}
		return f.Consent.check()
	case OwnInitiative:
		if d.units[f.Unit] == nil {
			return missing("welke politie-eenheid de beelden ontvangt", "which police unit receives the footage")
		}
		return d.agreed(f.Unit, d.now.Time)
	}
	return nil
}

// interval checks what is asked of the past.
func (d *decision) interval(f RequestFacts) error {
	switch {
	case f.Asked.Valid() != nil:
		return refuse(CodeInterval, "Het einde moet na het begin liggen.", "The end must be after the beginning.")
	case f.Asked.To.After(d.now.Time):
		return refuse(CodeInterval, "Het tijdvak ligt deels in de toekomst.", "Part of the interval is in the future.")
	case f.Asked.Duration() > MaxAsked:
		return refuse(CodeInterval, "Vraag ten hoogste 24 uur per aanvraag.", "Ask at most 24 hours in one request.")
	}
	most := MaxHeld
	if f.Kind == Provisional {
		most = MaxHeldAlone
	}
	if asked := f.Asked.Duration() * time.Duration(len(f.Cameras)); asked > most {
		return refuse(CodeInterval,
			fmt.Sprintf("U vraagt %.0f camera-uren; per aanvraag wordt ten hoogste %.0f bewaard. Kies minder camera's of een korter tijdvak.", asked.Hours(), most.Hours()),
			fmt.Sprintf("You ask %.0f camera hours; one request holds at most %.0f. Choose fewer cameras or a shorter interval.", asked.Hours(), most.Hours()))
	}
	if f.MayBeGone {
		return nil
	}
	for _, camera := range f.Cameras {
		p := d.placements[camera]
		if reach := d.now.Add(-p.Window().Duration()); f.Asked.From.Before(reach) {
			return refuse(CodeOutOfReach,
				fmt.Sprintf("Camera %s bewaart beelden %s; (een deel van) dit tijdvak is waarschijnlijk al verwijderd. Bevestig dat u dit weet.", camera, p.Window()),
				fmt.Sprintf("Camera %s keeps footage for %s; (part of) this interval has probably been deleted. Confirm that you know.", camera, p.Window()))
		}
	}
	return nil
}

// standing checks a request to view; it has no interval and nothing to hold.
func (d *decision) standing(f *RequestFacts) error {
	f.Asked, f.Unit = protocol.Interval{}, "" // nothing leaves: nobody receives
	longest := protocol.T(d.start().Add(protocol.StandingGrantTerm))
	switch {
	case f.Purpose == "":
		return missing("doel", "purpose")
	case !f.Until.After(d.now.Time) || f.Until.After(longest.Add(time.Minute+clockSlack)):
		return missing("einddatum, ten hoogste 90 dagen vooruit", "end date, at most 90 days ahead")
	}
	f.Until = earliest(f.Until, longest)
	if err := viewerKey(f.ViewerKey); err != nil {
		return refuse(CodeInvalid, "De sleutel van de kijker is niet geldig.", "The viewer's key is not valid: "+err.Error())
	}
	for _, camera := range f.Cameras {
		p := d.placements[camera]
		if !slices.Contains(p.Purposes, f.Purpose) {
			w := f.Purpose.Words()
			return refuse(CodePurpose, fmt.Sprintf("Camera %s hangt er niet voor %s.", camera, w.NL), fmt.Sprintf("Camera %s is not there for %s.", camera, w.EN))
		}
		if p.Status == Removed {
			return refuse(CodeState, fmt.Sprintf("Camera %s is verwijderd.", camera), fmt.Sprintf("Camera %s has been removed.", camera))
		}
		if err := p.live(d.now.Time); err != nil {
			return err
		}
		if p.Regime == protocol.WPG {
			f.Until = earliest(f.Until, p.Besluit.LiveUntil)
		}
		if rules := d.Protocol(p.Protocol); rules != nil && rules.Form != "" && rules.Form != ViewLive {
			w := rules.Form.Words()
			return refuse(CodeState,
				fmt.Sprintf("Bij camera %s kijkt niemand live mee. Het cameraprotocol zegt: %s.", camera, w.NL),
				fmt.Sprintf("Nobody views camera %s live. Its protocol says: %s.", camera, w.EN))
		}
	}
	return nil
}

// viewerKey: "p256:" and the base64url of the compressed point (protocol.Grant).
func viewerKey(key string) error {
	text, ok := strings.CutPrefix(key, "p256:")
	if !ok {
		return fmt.Errorf("it must begin with p256:")
	}
	point, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return err
	}
	if x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), point); x == nil {
		return fmt.Errorf("it is not a compressed point on P-256")
	}
	return nil
}

// hold orders a camera's recorder to keep what is asked, at once: footage must not age out while people deliberate. It ends by itself, counted from
// the first hold on any of that footage: after 28 days, beyond which two approvers would have to sign, or after the mandate's or the
// roster's longest hold. The recorder counts the same way.
func (d *decision) hold(request protocol.RequestID, p *Placement, f RequestFacts) error {
	asked, ground, longest := f.Asked, protocol.GroundRequest, protocol.MaxHoldSingle
	if f.Kind == Provisional {
		ground, longest = protocol.GroundProvisional, protocol.ProvisionalHold
	}
	if law, ok := PreservationOf(f.Article); ok {
		ground = law.Ground
	}
	first := d.firstHold(p.Camera, asked, d.start())
	longest = min(longest, p.Mandate().LongestHold.Duration(), d.recorders[p.Recorder].Roster.MaxHold.Duration())
	end := protocol.T(first.Add(longest))
	if f.Kind == Preservation { // what the order goes beyond this takes two approvers: see KeepLonger
		end = earliest(end, f.Until)
	}
	if !end.After(d.now.Time) || !end.After(asked.To) {
		return refuse(CodeTerm,
			fmt.Sprintf("De beelden van camera %s zijn al zo lang bewaard als mag.", p.Camera),
			fmt.Sprintf("The footage of camera %s has been held as long as is allowed.", p.Camera))
	}
	h := &protocol.Hold{Heading: d.heading("h", p.Recorder, end), Camera: p.Camera, Request: request, Asked: asked, Ground: ground, End: end}
	return d.issue(h, p.Regime, end)
}

func (d *decision) request(id protocol.RequestID) (*Request, error) {
	if r := d.requests[id]; r != nil {
		return r, d.erased(DossierOf(id))
	}
	return nil, unknown("Aanvraag", "Request", string(id))
}

func (c CheckRequest) decide(d *decision) error {
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.as(c.By, Handler, r.Regime); err != nil {
		return err
	}
	if err := d.hasRead(c.By, Handler, r.Cameras, d.now.Time); err != nil {
		return err
	}
	if err := d.mayCheck(c.By, r, d.now.Time); err != nil {
		return err
	}
	if (!c.Complete || !c.Necessary) && strings.TrimSpace(c.Remark) == "" {
		return missing("wat er ontbreekt of waarom het niet noodzakelijk is", "what is missing or why it is not necessary")
	}
	if c.Complete && !r.Said.IsZero() && strings.TrimSpace(c.Remark) == "" {
		return missing("wie u hebt teruggebeld en op welk nummer: deze vordering is mondeling", "whom you called back and on which number: this demand is oral")
	}
	for _, v := range c.Verified {
		if verifiedWords[v] == (Words{}) {
			return unknown("Controle", "Verification", string(v))
		}
	}
	d.record(&RequestChecked{c.Request, c.Complete, c.Necessary, c.Remark, c.Verified})
	return nil
}

// mayCheck says why this handler cannot check this request now.
func (s *State) mayCheck(person protocol.PersonID, r *Request, now time.Time) error {
	again := (r.Status == Checked || r.Status == Kept && r.Kind == Preservation || r.Status == Granted && r.Period.IsZero() && len(s.Due(r, now)) > 0) && s.acts(r.Check.By, Handler, r.Regime, now) != nil
	if r.Status != Filed && !again {
		return refuse(CodeState, "Deze aanvraag is al getoetst.", "This request has been checked already.")
	}
	if r.asked(person) {
		return errSamePerson
	}
	for _, h := range r.Holds {
		if h.State() == "asked" && !h.Replaced {
			return refuse(CodeNotConfirmed,
				fmt.Sprintf("De recorder van camera %s heeft de bewaring nog niet bevestigd.", h.Camera),
				fmt.Sprintf("The recorder of camera %s has not yet confirmed the hold.", h.Camera))
		}
	}
	return nil
}

var errSamePerson = refuse(CodeSamePerson,
	"Aanvrager, behandelaar en goedkeurder moeten drie verschillende mensen zijn.",
	"Requester, handler and approver must be three different people.")

func (c DecideRequest) decide(d *decision) error {
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	if err := d.as(c.By, Approver, r.Regime); err != nil {
		return err
	}
	if err := d.hasRead(c.By, Approver, r.Cameras, d.now.Time); err != nil {
		return err
	}
	if err := d.mayDecide(c.By, r, d.now.Time); err != nil {
		return err
	}
	if strings.TrimSpace(c.Motivation) == "" {
		return missing("motivering", "motivation")
	}
	if err := c.Stated.check(); err != nil {
		return err
	}
	switch c.Outcome {
	case Refuses:
		return c.refuse(d, r)
	case Ends:
		return c.endKeeping(d, r)
	case Grants, Partly:
		return c.grant(d, r)
	}
	return missing("toekennen, deels toekennen of afwijzen", "grant, grant in part or refuse")
}

// mayDecide says why this approver cannot decide on this request now.
func (s *State) mayDecide(person protocol.PersonID, r *Request, now time.Time) error {
	switch {
	case r.Status == Filed:
		return refuse(CodeState, "Deze aanvraag is nog niet getoetst.", "This request has not been checked yet.")
	case r.Status != Checked && !(r.Status == Granted && r.Period.IsZero() && len(s.Due(r, now)) > 0) && !(r.Status == Kept && r.Kind == Preservation):
		return refuse(CodeState, "Op deze aanvraag is al beslist.", "This request has been decided already.")
	case r.asked(person) || person == r.Check.By || r.asked(r.Check.By):
		return errSamePerson
	}
	return nil
}

func (c DecideRequest) refuse(d *decision, r *Request) error {
	switch {
	case r.Status != Checked:
		return refuse(CodeState, "Deze aanvraag is al toegekend.", "This request has been granted already.")
	case c.Reason == TakenBack && r.TakenBack == nil:
		return refuse(CodeState, "De aanvrager heeft dit niet ingetrokken.", "The requester did not take this back.")
	case !slices.Contains(RefusalReasons, c.Reason):
		return missing("reden van afwijzing", "reason for refusal")
	}
	c.Approved = nil
	d.record(c.decided(nil))
	lift := protocol.Lift{Reason: protocol.LiftRefused, Handler: r.Check.By, Approver: c.By}
	if c.Reason == TakenBack {
		lift.Reason = protocol.LiftWithdrawn
	}
	return d.liftAll(r, lift)
}

func (c DecideRequest) grant(d *decision, r *Request) error {
	switch {
	case !r.Check.Complete || !r.Check.Necessary:
		return refuse(CodeState, "De behandelaar vond deze aanvraag niet volledig of niet noodzakelijk: alleen afwijzen kan.", "The handler found this request incomplete or not necessary: it can only be refused.")
	case c.Reason != Complies:
		return missing("reden van toekenning", "reason for granting")
	}
	if d.acts(r.Check.By, Handler, r.Regime, d.now.Time) != nil {
		return refuse(CodeState, "Wie deze aanvraag toetste heeft die rol niet meer. Een behandelaar moet opnieuw toetsen.", "Whoever checked this request no longer has that role. A handler must check it again.")
	}
	if err := d.mayAsk(r, d.now.Time); err != nil {
		return err
	}
	if err := r.written(d.now.Time); err != nil {
		return err
	}
	if err := r.consented(); err != nil {
		return err
	}
	if err := r.takenBack(); err != nil {
		return err
	}
	if err := d.weigh(About{AboutRequest, string(r.ID)}); err != nil {
		return err
	}
	if c.Outcome == Partly {
		return c.partly(d, r)
	}
	switch {
	case r.Kind == Standing:
		return c.grantStanding(d, r)
	case r.Status == Kept:
		return refuse(CodeState, "Op dit bevel is al beslist.", "This order has been decided already.")
	case r.Kind == Preservation, !r.Period.IsZero(): // held, and nothing released; or each delivery approved by itself
		c.Approved = nil
		d.record(c.decided(nil))
		return nil
	}
	due := d.Due(r, d.now.Time)
	if len(due) == 0 {
		return refuse(CodeNoFootage, "Geen recorder bewaart beelden uit dit tijdvak.", "No recorder holds footage from this interval.")
	}
	if err := c.approves(due); err != nil {
		return err
	}
	d.record(c.decided(nil))
	if err := d.liftReplaced(r, r.Check.By, c.By); err != nil {
		return err
	}
	return c.permitAll(d, r, due)
}

func (c DecideRequest) permitAll(d *decision, r *Request, due []*Hold) error {
	restriction := c.Restriction
	if restriction == "" && r.Decision != nil {
		restriction = r.Decision.Restriction
	}
	return d.permitHeld(r, due, r.Check.By, c.By, restriction)
}

// permitHeld issues a release grant for each of these holds.
func (d *decision) permitHeld(r *Request, due []*Hold, handler, approver protocol.PersonID, restriction string) error {
	for _, h := range due {
		g := d.permit(r, h.Camera, protocol.UseRelease, protocol.T(d.start().Add(protocol.ReleaseGrantTerm)))
		g.Asked, g.Interval, g.Handler = h.Asked, h.Rounded(), handler
		g.Approver, g.Recipient, g.Purpose = approver, d.recorders[h.Recorder].Roster.VaultKey, releasePurpose(r, restriction)
		if err := d.issue(g, r.Regime, g.NotAfter); err != nil {
			return err
		}
	}
	return nil
}

func (c DecideRequest) grantStanding(d *decision, r *Request) error {
	until := earliest(r.Until, protocol.T(d.start().Add(protocol.StandingGrantTerm)))
	if !until.After(d.now.Time) {
		return refuse(CodeTerm, "De gevraagde periode is al voorbij.", "The period asked is over already.")
	}
	c.Approved = nil
	d.record(c.decided(nil))
	for _, camera := range r.Cameras {
		g := d.permit(r, camera, protocol.UseStanding, until)
		g.Approver, g.Recipient, g.Purpose = c.By, r.ViewerKey, string(r.Purpose)
		if err := d.issue(g, r.Regime, g.NotAfter); err != nil {
			return err
		}
	}
	return nil
}

func (d *decision) permit(r *Request, camera protocol.CameraID, use protocol.Use, until protocol.Time) *protocol.Grant {
	return &protocol.Grant{
		Heading: d.heading("g", d.placements[camera].Recorder, until),
		Camera:  camera, Regime: r.Regime, Request: r.ID, Use: use, Requester: r.Requester, Handler: r.Check.By,
	}
}

// releasePurpose is what the grant says the footage is for; the recorder writes it in its log, and it stands in the bag.
func releasePurpose(r *Request, restriction string) string {
	purpose := string(r.Kind)
	if r.Kind == Vordering {
		purpose += " " + string(r.Article)
	}
	if restriction != "" {
		purpose += "; alleen voor: " + restriction
	}
	return purpose
}

func notRounded(due []*Hold) error {
	nl, en := "Keur precies het tijdvak goed dat de recorder bewaart:", "Approve exactly the interval that the recorder holds:"
	for _, h := range due {
		part := fmt.Sprintf(" %s %s;", h.Camera, h.Rounded())
		nl, en = nl+part, en+part
	}
	return refuse(CodeInterval, strings.TrimSuffix(nl, ";")+".", strings.TrimSuffix(en, ";")+".")
}

// Due are the holds with footage that no grant has released or still may release: what a decision can grant.
func (s *State) Due(r *Request, now time.Time) []*Hold {
	var due []*Hold
	for _, h := range r.Holds {
		if h.Replaced || h.State() != "confirmed" || h.Confirmed.Segments == 0 || !now.Before(h.End.Time) {
			continue
		}
		served := slices.ContainsFunc(r.Grants, func(g *Grant) bool {
			return g.Voided == nil && g.Camera == h.Camera && g.Interval.Contains(h.Asked) && (g.Released != nil || g.open(now))
		})
		if !served {
			due = append(due, h)
		}
	}
	return due
}

// open: the recorder may still carry it out.
func (g *Grant) open(now time.Time) bool {
	return g.Voided == nil && g.Released == nil && !g.Final && g.Refused == "" && now.Before(g.NotAfter.Time)
}

// download finds the grant whose bag this person may fetch now.
func (s *State) download(person protocol.PersonID, request protocol.RequestID, grant protocol.GrantID, now time.Time) (*Grant, error) {
	r, g := s.requests[request], s.grants[grant]
	if r == nil || g == nil || g.Request != request {
		return nil, unknown("Aanvraag", "Request", string(request))
	}
	if err := s.receives(person, r, now); err != nil {
		return nil, err
	}
	switch {
	case g.Voided != nil:
		return nil, voided(g.Voided.Why)
	case r.Withdrawn != nil:
		return nil, r.consented()
	case r.TakenBack != nil:
		return nil, r.takenBack()
	case r.written(now) != nil:
		return nil, r.written(now)
	case !r.fetched(g) && s.fault(g, now) != "":
		return nil, voided(s.fault(g, now))
	case g.Released == nil:
		return nil, refuse(CodeState, "De beelden staan nog niet klaar.", "The footage is not ready yet.")
	case !now.Before(g.At.Add(protocol.HandOverTerm)):
		return nil, refuse(CodeTerm, "De veertien dagen om op te halen zijn voorbij.", "The fourteen days for download are over.")
	}
	return g, nil
}

// receives says why a person is not one who receives what this request releases.
func (s *State) receives(person protocol.PersonID, r *Request, now time.Time) error {
	if err := s.acts(person, Requester, "", now); err != nil {
		return err
	}
	if r.Unit == "" || s.people[person].Unit != r.Unit {
		return refuse(CodeForbidden, "Deze aanvraag is van een andere eenheid.", "This request belongs to another unit.")
	}
	return nil
}

func (c RecordDownload) decide(d *decision) error {
	d.by = c.By
	if _, err := d.download(c.By, c.Request, c.Grant, d.now.Time); err != nil {
		return err
	}
	d.record(&FootageDownloaded{c.Request, c.Grant})
	return nil
}

func (c ConfirmHandOver) decide(d *decision) error {
	r, err := d.request(c.Request)
	if err != nil {
		return err
	}
	d.by = c.By
	if err := d.receives(c.By, r, d.now.Time); err != nil {
		return err
	}
	if !r.Period.IsZero() {
		return refuse(CodeState, "Bevestig de ontvangst van elk deel apart.", "Confirm the receipt of each part by itself.")
	}
	if r.HandedOver != nil || r.Status == Closed {
		return refuse(CodeState, "De ontvangst is al bevestigd.", "Receipt has been confirmed already.")
	}
	if !r.anyReleased() {
		return refuse(CodeState, "Er is nog niets verstrekt.", "Nothing has been released yet.")
	}
	for _, g := range r.Grants {
		if g.Released != nil && g.Voided == nil && !r.fetched(g) {
			return refuse(CodeState, fmt.Sprintf("Haal eerst de beelden van camera %s op.", g.Camera), fmt.Sprintf("Download the footage of camera %s first.", g.Camera))
		}
	}
	if slices.ContainsFunc(r.Grants, func(g *Grant) bool { return g.open(d.now.Time) }) {
		return refuse(CodeState, "Een recorder is nog bezig.", "A recorder is still at work.")
	}
	d.record(&HandOverConfirmed{Request: c.Request, Note: c.Note})
	return d.liftReleased(r)
}

func (r *Request) anyReleased() bool {
	return slices.ContainsFunc(r.Grants, func(g *Grant) bool { return g.Released != nil && g.Voided == nil })
}

// liftReleased ends the holds of all that was released. What was not released is not lifted on the envelope alone: that hold runs to its end.
func (d *decision) liftReleased(r *Request) error {
	for _, h := range r.Holds {
		released := func(g *Grant) bool {
			return g.Camera == h.Camera && g.Released != nil && g.Voided == nil && g.Interval.Contains(h.Asked)
		}
		if slices.ContainsFunc(r.Grants, released) {
			if err := d.lift(r, h, protocol.Lift{Reason: protocol.LiftReleased}); err != nil {
				return err
			}
		}
	}
	return nil
}

// lift orders a hold's end, unless it has ended or its end has been ordered.
func (d *decision) lift(r *Request, h *Hold, l protocol.Lift) error {
	if h.LiftSent || h.Lifted != nil || h.Refused != "" || !d.now.Before(h.End.Time) {
		return nil
	}
	l.Heading = d.heading("l", h.Recorder, h.End)
	l.Camera, l.Hold = h.Camera, h.HoldID()
	return d.issue(&l, r.Regime, h.End)
}
