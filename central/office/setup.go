package office

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Setup is how a new centre gets its first people, recorders, protocols and placements: the same commands that the desk gives, in the name of the
// people who are in it. deploy/setup.yaml explains every field and is loaded by a test. What is there already is left as it is, so that
// a setup that stopped half way can be given again.
type Setup struct {
	Administrator SetupPerson       `yaml:"administrator"`
	People        []SetupPerson     `yaml:"people"`
	Units         []SetupUnit       `yaml:"units"`
	Recorders     []SetupRecorder   `yaml:"recorders"`
	Registrar     protocol.PersonID `yaml:"registrar"` // in whose name protocols and placements are entered
	Officer       protocol.PersonID `yaml:"officer"`   // in whose name the advice on DPIAs is entered
	Protocols     []SetupProtocol   `yaml:"protocols"`
	DPIAs         []SetupDPIA       `yaml:"dpias"`
	Placements    []SetupPlacement  `yaml:"placements"`
}

type SetupPerson struct {
	Person   protocol.PersonID   `yaml:"person"`
	Login    string              `yaml:"login"`
	Name     string              `yaml:"name"`
	Email    string              `yaml:"email"`    // where mail for this person goes; may be left out
	Password string              `yaml:"password"` // the person changes it; leave the file nowhere. Empty: comes from the provider
	Posts    []string            `yaml:"posts"`    // "handler AVG", "officer"
	Unit     string              `yaml:"unit"`
	Cameras  []protocol.CameraID `yaml:"cameras"`
	Secrecy  protocol.Time       `yaml:"secrecy"`
}

type SetupUnit struct {
	ID          string           `yaml:"id"`
	Name        string           `yaml:"name"`
	Kind        central.UnitKind `yaml:"kind"` // chain-partner, processor or supplier
	Agreement   string           `yaml:"agreement"`
	Model       string           `yaml:"model"` // processors: the version of IBD's model
	Parties     string           `yaml:"parties"`
	Goals       string           `yaml:"goals"`
	Special     string           `yaml:"special"`
	Informing   string           `yaml:"informing"`
	Processings string           `yaml:"processings"`
	Rights      string           `yaml:"rights"`
	ValidFrom   protocol.Time    `yaml:"valid_from"`
	ValidUntil  protocol.Time    `yaml:"valid_until"`
	Review      protocol.Time    `yaml:"review"`
}

type SetupRecorder struct {
	ID       protocol.RecorderID `yaml:"id"`
	Identity string              `yaml:"identity"` // the folder that `beeldwacht enrol` made; only its public files are read
	Viewer   string              `yaml:"viewer"`
}

type SetupProtocol struct {
	ID          string            `yaml:"id"`
	Version     int               `yaml:"version"`
	Title       string            `yaml:"title"`
	Regime      protocol.Regime   `yaml:"regime"`
	Purposes    []central.Purpose `yaml:"purposes"`
	Window      protocol.Window   `yaml:"window"`
	LongestHold protocol.Window   `yaml:"longest_hold"`
	Sound       bool              `yaml:"sound"` // cameras under it may record sound, each for its own reason
	AdoptedBy   string            `yaml:"adopted_by"`
	AdoptedOn   protocol.Time     `yaml:"adopted_on"`
	Published   string            `yaml:"published"`

	Bases           []central.Basis     `yaml:"bases"`
	Form            central.ViewingForm `yaml:"form"`  // release, afterwards or live
	Roles           []central.Role      `yaml:"roles"` // who acts under it, and reads it first
	Viewing         string              `yaml:"viewing"`
	Release         string              `yaml:"release"`
	Recognisability string              `yaml:"recognisability"`
	Security        string              `yaml:"security"`
	WorksCouncil    string              `yaml:"works_council"` // reference of its consent, where staff are filmed
	ValidFrom       protocol.Time       `yaml:"valid_from"`
	Review          protocol.Time       `yaml:"review"`
	Document        protocol.Hash       `yaml:"document"` // SHA-256 of the text
}

type SetupDPIA struct {
	ID        string        `yaml:"id"`
	Title     string        `yaml:"title"`
	Reference string        `yaml:"reference"`
	Date      protocol.Time `yaml:"date"`
	Score     int           `yaml:"score"`
	Review    protocol.Time `yaml:"review"`
	Advice    SetupAdvice   `yaml:"advice"`
}

type SetupAdvice struct {
	Whether    string `yaml:"whether"`
	Method     string `yaml:"method"`
	Who        string `yaml:"who"`
	Safeguards string `yaml:"safeguards"`
	Correct    string `yaml:"correct"`
}

type SetupPlacement struct {
	Camera            protocol.CameraID   `yaml:"camera"`
	Name              string              `yaml:"name"`
	Regime            protocol.Regime     `yaml:"regime"`
	Latitude          float64             `yaml:"latitude"`
	Longitude         float64             `yaml:"longitude"`
	Place             string              `yaml:"place"`
	Direction         int                 `yaml:"direction"`
	Purposes          []central.Purpose   `yaml:"purposes"`
	Subsidiarity      string              `yaml:"subsidiarity"`
	Proportionality   string              `yaml:"proportionality"`
	Besluit           SetupBesluit        `yaml:"besluit"`
	Protocol          string              `yaml:"protocol"` // id
	ProtocolVersion   int                 `yaml:"protocol_version"`
	SignPlaced        protocol.Time       `yaml:"sign_placed"`
	SignSound         bool                `yaml:"sign_sound"`   // it says that sound is recorded
	SoundReason       string              `yaml:"sound_reason"` // both empty: no sound
	SoundDPIA         string              `yaml:"sound_dpia"`
	Recorder          protocol.RecorderID `yaml:"recorder"`
	Streams           []protocol.StreamID `yaml:"streams"`
	Publication       central.Publication `yaml:"publication"`
	PublicationReason string              `yaml:"publication_reason"`
	Contact           string              `yaml:"contact"`

	Keep          protocol.Window         `yaml:"keep"` // shorter than the protocol's window; left out: as long
	Type          central.CameraType      `yaml:"type"`
	Mount         central.Mount           `yaml:"mount"`
	BAG           string                  `yaml:"bag"`
	Height        int                     `yaml:"height_cm"`
	Angle         int                     `yaml:"angle"`
	Masks         string                  `yaml:"masks"`
	NoMasks       string                  `yaml:"no_masks"`
	Quality       central.Quality         `yaml:"quality"`
	QualityReason string                  `yaml:"quality_reason"`
	Smart         []central.SmartFunction `yaml:"smart"`
	SmartReason   string                  `yaml:"smart_reason"`
	Basis         central.Basis           `yaml:"basis"`
	Selection     string                  `yaml:"selection"`
	DPIA          string                  `yaml:"dpia"` // id
	FilmsStaff    central.YesNo           `yaml:"films_staff"`
	Council       SetupCouncil            `yaml:"works_council"`
	Owners        SetupOwners             `yaml:"owners"`
	StoragePlace  string                  `yaml:"storage_place"`
	StorageIn     string                  `yaml:"storage_country"`
	Processor     string                  `yaml:"processor"`
	CameraInBeeld string                  `yaml:"camera_in_beeld"`

	Activate bool `yaml:"activate"`
}

type SetupCouncil struct {
	Date      protocol.Time `yaml:"date"`
	Reference string        `yaml:"reference"`
}

type SetupOwners struct {
	Responsible string `yaml:"responsible"`
	Accountable string `yaml:"accountable"`
	Supporting  string `yaml:"supporting"`
	Consulted   string `yaml:"consulted"`
	Informed    string `yaml:"informed"`
}

type SetupBesluit struct {
	Reference  string        `yaml:"reference"`
	Date       protocol.Time `yaml:"date"`
	ValidFrom  protocol.Time `yaml:"valid_from"`
	ValidUntil protocol.Time `yaml:"valid_until"`
	Body       string        `yaml:"body"`
	Area       string        `yaml:"area"`
	Published  string        `yaml:"published"`
	Prosecutor protocol.Time `yaml:"prosecutor"` // WPG: the day the prosecutor was consulted
	LiveFrom   protocol.Time `yaml:"live_from"`
	LiveUntil  protocol.Time `yaml:"live_until"`
	Evaluate   protocol.Time `yaml:"evaluate"`
}

// LoadSetup reads a setup strictly. Relative folders are taken from the file's own.
func LoadSetup(file string) (Setup, error) {
	var s Setup
	if err := strictYAML(file, &s); err != nil {
		return s, err
	}
	for i := range s.Recorders {
		if !filepath.IsAbs(s.Recorders[i].Identity) {
			s.Recorders[i].Identity = filepath.Join(filepath.Dir(file), s.Recorders[i].Identity)
		}
	}
	return s, nil
}

// Apply gives the commands of a setup.
func (o *Office) Apply(ctx context.Context, s Setup) error {
	do := func(what string, present bool, c central.Command) error {
		if present {
			return nil
		}
		if _, err := o.book.Do(ctx, c); err != nil {
			return fmt.Errorf("setup: %s: %w", what, err)
		}
		return nil
	}
	var size uint64
	o.book.View(func(st *central.State) { size = st.Size })
	admin := s.Administrator.Person
	if err := do("administrator", size > 0, central.Open{Municipality: o.Config.Municipality, Administrator: admin, Secrecy: s.Administrator.Secrecy}); err != nil {
		return err
	}
	for _, u := range s.Units {
		var there bool
		o.book.View(func(st *central.State) { there = st.Unit(u.ID) != nil })
		if err := do("unit "+u.ID, there, central.AgreeUnit{By: admin, Unit: central.Unit{ID: u.ID, Name: u.Name, Agreement: u.Agreement, ValidUntil: u.ValidUntil,
			AgreementFacts: central.AgreementFacts{Kind: u.Kind, Model: u.Model, Parties: u.Parties, Goals: u.Goals, Special: u.Special, Informing: u.Informing, Processings: u.Processings, Rights: u.Rights, ValidFrom: u.ValidFrom, Review: u.Review}}}); err != nil {
			return err
		}
	}
	for _, r := range s.Recorders {
		var there bool
		o.book.View(func(st *central.State) { there = st.Recorder(r.ID) != nil })
		if there {
			continue
		}
		c, err := o.enrolment(admin, r)
		if err != nil {
			return err
		}
		if err := do("recorder "+string(r.ID), false, c); err != nil {
			return err
		}
	}
	appoint := func(p SetupPerson) error {
		if err := o.addAccount(p); err != nil {
			return err
		}
		posts, err := parsePosts(p.Posts)
		if err != nil {
			return fmt.Errorf("setup: person %s: %w", p.Person, err)
		}
		var there bool
		o.book.View(func(st *central.State) { there = st.Person(p.Person) != nil })
		return do("person "+string(p.Person), there, central.Appoint{By: admin, Appointment: central.Appointment{
			Person: p.Person, Posts: posts, Unit: p.Unit, Cameras: p.Cameras, Secrecy: p.Secrecy}})
	}
	// Staff are assigned cameras, which the registrar enters first.
	var assigned []SetupPerson
	for _, p := range append([]SetupPerson{s.Administrator}, s.People...) {
		if len(p.Cameras) > 0 {
			assigned = append(assigned, p)
		} else if err := appoint(p); err != nil {
			return err
		}
	}
	for _, p := range s.Protocols {
		var there bool
		ref := central.ProtocolRef{ID: p.ID, Version: p.Version}
		o.book.View(func(st *central.State) { there = st.Protocol(ref) != nil })
		if err := do("protocol "+ref.String(), there, central.AdoptProtocol{By: s.Registrar, CameraProtocol: central.CameraProtocol{
			ID: p.ID, Version: p.Version, Title: p.Title, Regime: p.Regime, Purposes: p.Purposes, Window: p.Window, LongestHold: p.LongestHold, Sound: p.Sound,
			Bases: p.Bases, Form: p.Form, Roles: p.Roles, Viewing: p.Viewing, Release: p.Release, Recognisability: p.Recognisability, Security: p.Security, WorksCouncil: p.WorksCouncil,
			AdoptedBy: p.AdoptedBy, AdoptedOn: p.AdoptedOn, Published: p.Published, ValidFrom: p.ValidFrom, Review: p.Review, Document: p.Document}}); err != nil {
			return err
		}
	}
	for _, a := range s.DPIAs {
		var there, advised bool
		o.book.View(func(st *central.State) {
			if known := st.DPIA(a.ID); known != nil {
				there, advised = true, !known.Advised.IsZero()
			}
		})
		if err := do("dpia "+a.ID, there, central.RecordDPIA{By: s.Registrar, DPIA: central.DPIA{ID: a.ID, Title: a.Title, Reference: a.Reference, Date: a.Date, Score: a.Score, Review: a.Review}}); err != nil {
			return err
		}
		if err := do("advice on dpia "+a.ID, advised || a.Advice == SetupAdvice{}, central.AdviseDPIA{By: s.Officer, DPIA: a.ID, Advice: central.Advice(a.Advice)}); err != nil {
			return err
		}
	}
	for _, p := range s.Placements {
		var there, active bool
		o.book.View(func(st *central.State) {
			if placement := st.Placement(p.Camera); placement != nil {
				there, active = true, placement.Status != central.Draft
			}
		})
		if err := do("camera "+string(p.Camera), there, central.RegisterPlacement{By: s.Registrar, PlacementFacts: p.facts()}); err != nil {
			return err
		}
		if err := do("camera "+string(p.Camera), active || !p.Activate, central.Activate{By: s.Registrar, Camera: p.Camera}); err != nil {
			return err
		}
	}
	for _, p := range assigned {
		if err := appoint(p); err != nil {
			return err
		}
	}
	return nil
}

func (p SetupPlacement) facts() central.PlacementFacts {
	b := p.Besluit
	return central.PlacementFacts{
		Camera: p.Camera, Name: p.Name, Regime: p.Regime, Position: central.At(p.Latitude, p.Longitude), Place: p.Place, Direction: p.Direction,
		Purposes: p.Purposes, Subsidiarity: p.Subsidiarity, Proportionality: p.Proportionality,
		Besluit: central.Besluit{Reference: b.Reference, Date: b.Date, ValidFrom: b.ValidFrom, ValidUntil: b.ValidUntil, Body: b.Body, Area: b.Area,
			Published: b.Published, Prosecutor: b.Prosecutor, LiveFrom: b.LiveFrom, LiveUntil: b.LiveUntil, Evaluate: b.Evaluate},
		Protocol: central.ProtocolRef{ID: p.Protocol, Version: p.ProtocolVersion}, Sign: central.Sign{Placed: p.SignPlaced, Sound: p.SignSound}, Sound: central.Sound{Reason: p.SoundReason, DPIA: p.SoundDPIA},
		Recorder: p.Recorder, Streams: p.Streams, Publication: p.Publication, PublicationReason: p.PublicationReason, Contact: p.Contact,
		ValidFrom: b.ValidFrom, ValidTo: b.ValidUntil, Keep: p.Keep,
		Particulars: central.Particulars{Type: p.Type, Mount: p.Mount, BAG: p.BAG, Height: p.Height, Angle: p.Angle, Masks: p.Masks, NoMasks: p.NoMasks,
			Quality: p.Quality, QualityReason: p.QualityReason, Smart: p.Smart, SmartReason: p.SmartReason, Basis: p.Basis, Selection: p.Selection, DPIA: p.DPIA, FilmsStaff: p.FilmsStaff,
			Council: central.Council(p.Council), Owners: central.Owners(p.Owners), Storage: central.Storage{Country: p.StorageIn, Place: p.StoragePlace},
			Processor: p.Processor, CameraInBeeld: p.CameraInBeeld},
	}
}

// enrolment reads the public files of a recorder's folder.
func (o *Office) enrolment(admin protocol.PersonID, r SetupRecorder) (central.Command, error) {
	read := func(name string) (string, error) {
		b, err := os.ReadFile(filepath.Join(r.Identity, name))
		if err != nil {
			return "", fmt.Errorf("setup: recorder %s: %w", r.ID, err)
		}
		return string(b), nil
	}
	key, err1 := read("recorder.pub")
	roots, err2 := read("roots.txt")
	roster, err3 := read("roster")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return central.EnrolRecorder{By: admin, Recorder: r.ID, Key: strings.TrimSpace(key), Origin: protocol.Origin(r.ID, o.Config.Municipality),
		Viewer: r.Viewer, Roots: strings.Fields(roots), Roster: []byte(roster)}, nil
}

func parsePosts(posts []string) ([]central.Post, error) {
	var list []central.Post
	for _, s := range posts {
		role, regime, _ := strings.Cut(s, " ")
		post := central.Post{Role: central.Role(role), Regime: protocol.Regime(regime)}
		if post.Role.Words() == (central.Words{}) || post.Role.PerRegime() != (regime != "") {
			return nil, fmt.Errorf("post %q: want a role, with a regime for handler and approver: \"handler AVG\"", s)
		}
		list = append(list, post)
	}
	return list, nil
}
