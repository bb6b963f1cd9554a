package central

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Who may do what. Every command begins here.

// acts says why a person does not hold this role, active now; nil when they do.
func (s *State) acts(person protocol.PersonID, role Role, regime protocol.Regime, now time.Time) error {
	p := s.people[person]
	w := role.Words()
	if p == nil {
		return refuse(CodeForbidden, "U bent hier niet aangesteld.", "You have not been appointed here.")
	}
	var inactive error
	for _, post := range p.Posts {
		if !post.serves(role, regime) {
			continue
		}
		if inactive = s.active(p, post, now); inactive == nil {
			return nil
		}
	}
	if inactive != nil {
		return inactive
	}
	if regime != "" && role.PerRegime() && slices.ContainsFunc(p.Posts, func(o Post) bool { return o.Role == role }) {
		return refuse(CodeForbidden,
			fmt.Sprintf("U bent %s, maar niet voor %s-camera's.", w.NL, regime),
			fmt.Sprintf("You are %s, but not for %s cameras.", w.EN, regime))
	}
	return refuse(CodeForbidden, fmt.Sprintf("Dit mag alleen een %s.", w.NL), fmt.Sprintf("Only a %s may do this.", w.EN))
}

// serves: it is a post of this role, for this regime where roles have one; empty: any.
func (p Post) serves(role Role, regime protocol.Regime) bool {
	return p.Role == role && (regime == "" || !role.PerRegime() || p.Regime == regime)
}

// active says why a post is not active: R17, municipal people need an oath or signed statement; chain partners their organisation's agreement.
func (s *State) active(p *Person, post Post, now time.Time) error {
	if !post.partner() {
		if p.Secrecy.IsZero() || p.Secrecy.After(now) {
			return refuse(CodeInactive,
				"Uw geheimhoudingsverklaring is nog niet vastgelegd. Vraag de beheerder dit te doen.",
				"Your secrecy statement has not been recorded yet. Ask the administrator to do so.")
		}
		switch post.Role {
		case Auditor:
			if !now.Before(p.Until.Time) {
				return refuse(CodeInactive, "De periode van uw onderzoek is voorbij.", "The period of your examination is over.")
			}
		case Administrator: // somebody must be able to record the training that others lack
		default:
			return s.trained(p.Person, now)
		}
		return nil
	}
	if u := s.units[p.Unit]; !u.valid(now) || !u.portal() {
		return refuse(CodeInactive,
			fmt.Sprintf("Er is geen geldige afspraak met uw organisatie (%s).", p.Unit),
			fmt.Sprintf("There is no valid agreement with your organisation (%s).", p.Unit))
	}
	return nil
}

// partner: the post is a chain partner's, not the municipality's.
func (p Post) partner() bool {
	return p.Role == Requester || (p.Role.PerRegime() && p.Regime == protocol.WPG)
}

func (c Open) decide(d *decision) error {
	if d.Size != 0 {
		return refuse(CodeExists, "Deze centrale is al geopend.", "This centre has been opened already.")
	}
	if err := protocol.ValidID(protocol.DocumentID(c.Municipality)); err != nil {
		return fmt.Errorf("municipality: %w", err)
	}
	if err := protocol.ValidID(c.Administrator); err != nil || c.Administrator == System {
		return fmt.Errorf("first administrator %q: not a person id", c.Administrator)
	}
	d.record(&CentreOpened{c.Municipality})
	d.record(&PersonAppointed{Appointment{Person: c.Administrator, Posts: []Post{{Role: Administrator}}, Secrecy: c.Secrecy}})
	return nil
}

// solitary roles and what they do not go with. R8: the privacy officer has no conflicting tasks; nor may who appoints people decide on footage.
var apart = map[Role][]Role{
	Officer:       {Registrar, Handler, Approver, Requester, Staff, Administrator, CollegeMember},
	Auditor:       {Registrar, Handler, Approver, Requester, Staff, Administrator, Officer, CollegeMember}, // R29: reads, and nothing else
	Administrator: {Handler, Approver, Requester, CollegeMember},                                           // R9: no administrator reads what the officer reports to the college
}

func (c Appoint) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	if c.Person == c.By {
		return refuse(CodeForbidden, "U kunt uzelf niet aanstellen. Vraag een andere beheerder.", "You cannot appoint yourself. Ask another administrator.")
	}
	if err := protocol.ValidID(c.Person); err != nil || c.Person == System {
		return refuse(CodeInvalid, "Dit is geen geldig persoonsnummer.", "This is not a valid person id.")
	}
	for _, post := range c.Posts {
		if _, ok := roleWords[post.Role]; !ok {
			return unknown("Rol", "Role", string(post.Role))
		}
		if post.Role.PerRegime() != (post.Regime.Valid() == nil) || (!post.Role.PerRegime() && post.Regime != "") {
			return refuse(CodeInvalid,
				"Kies bij behandelaar en goedkeurder een regime (AVG of WPG), bij andere rollen niet.",
				"Choose a regime (AVG or WPG) for handler and approver, and none for other roles.")
		}
		for _, other := range c.Posts {
			if slices.Contains(apart[post.Role], other.Role) {
				a, b := post.Role.Words(), other.Role.Words()
				return refuse(CodeCombination,
					fmt.Sprintf("Een %s mag niet ook %s zijn.", a.NL, b.NL),
					fmt.Sprintf("A %s may not be a %s as well.", a.EN, b.EN))
			}
		}
		if post.Role == Auditor && (!d.now.Before(c.Until.Time) || c.Until.After(d.now.AddDate(1, 0, 0))) {
			return missing("tot wanneer de auditor meeleest, ten hoogste een jaar vooruit", "until when the auditor reads, at most a year ahead")
		}
		if u := d.units[c.Unit]; post.partner() && (u == nil || !u.portal()) {
			return unknown("Organisatie", "Unit", c.Unit)
		}
	}
	for _, camera := range c.Cameras {
		if d.placements[camera] == nil {
			return unknown("Camera", "Camera", string(camera))
		}
	}
	d.record(&PersonAppointed{c.Appointment})
	d.recheck(&c.Appointment)
	return nil
}

func (c EnrolRecorder) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	if d.recorders[c.Recorder] != nil {
		return refuse(CodeExists, "Deze recorder is al ingeschreven.", "This recorder has been enrolled already.")
	}
	roster, err := protocol.OpenRoster(c.Roster, c.Roots)
	if err == nil {
		err = d.fits(roster, c.Recorder, c.Key, c.Origin)
	}
	if err != nil {
		return badRoster(err)
	}
	d.record(&RecorderEnrolled{Recorder: c.Recorder, Key: c.Key, Origin: c.Origin, Viewer: c.Viewer, Roots: c.Roots, Roster: string(c.Roster)})
	return nil
}

func (c MarkRecorder) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	r := d.recorders[c.Recorder]
	switch {
	case r == nil:
		return unknown("Recorder", "Recorder", string(c.Recorder))
	case c.Mark != InUse && markWords[c.Mark] == Words{}:
		return missing("gestolen, buiten gebruik of in gebruik", "stolen, withdrawn or in use")
	case c.Mark == r.Mark:
		return refuse(CodeState, "Dit stond al zo vast.", "This stood recorded already.")
	case strings.TrimSpace(c.Reason) == "":
		return missing("de reden", "the reason")
	case c.Mark == InUse && r.Given != nil && r.SharesOver(d.now.Time):
		return refuse(CodeTerm, "Het sleuteldeel van deze recorder is na 28 dagen vernietigd. Schrijf hem opnieuw in, met een leeg geheugen.",
			"The share of this recorder was destroyed after 28 days. Enrol it anew, with empty disks.")
	}
	d.record(&RecorderMarked{c.Recorder, c.Mark, c.Reason})
	if c.Mark == Stolen {
		d.trouble(IncidentOpened{Source: Source{Recorder: r.ID}, Kind: "recorder-stolen", Detail: c.Reason})
	}
	return nil
}

func (c PublishRoster) decide(d *decision) error {
	if err := d.as(c.By, Administrator, ""); err != nil {
		return err
	}
	r := d.recorders[c.Recorder]
	if r == nil {
		return unknown("Recorder", "Recorder", string(c.Recorder))
	}
	roster, err := protocol.OpenRoster(c.Roster, r.Roots)
	if err == nil {
		err = d.fits(roster, r.ID, r.Key, r.Origin)
	}
	if err == nil && roster.Version <= r.Roster.Version {
		err = fmt.Errorf("version %d: the recorder has version %d", roster.Version, r.Roster.Version)
	}
	if err == nil {
		err = roster.Current(d.now.Time)
	}
	if err != nil {
		return badRoster(err)
	}
	d.record(&RosterPublished{r.ID, roster.Version})
	d.send(r, c.Roster, d.start(), roster.NotAfter)
	return nil
}

// fits says whether a roster is this recorder's.
func (d *decision) fits(roster *protocol.Roster, id protocol.RecorderID, key, origin string) error {
	v, err := protocol.NewVerifier(key)
	switch {
	case err != nil:
		return err
	case roster.Recorder != id:
		return fmt.Errorf("it is for recorder %s, not %s", roster.Recorder, id)
	case roster.Municipality != d.Municipality:
		return fmt.Errorf("it is for municipality %s, not %s", roster.Municipality, d.Municipality)
	case roster.RecorderKey != key:
		return fmt.Errorf("it names another key for recorder %s", id)
	case origin != protocol.Origin(id, d.Municipality) || v.Name() != origin:
		return fmt.Errorf("origin %q and key name %q: both must be %q", origin, v.Name(), protocol.Origin(id, d.Municipality))
	}
	return nil
}

func badRoster(err error) error {
	return refuse(CodeRoster, fmt.Sprintf("Het rooster deugt niet: %v.", err), fmt.Sprintf("The roster is not right: %v.", err))
}
