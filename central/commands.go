package central

import (
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Command is what someone wants done. By is the person who asks; facts from recorders have no By: they are System's. That By really is this person
// is central/identity's duty.
type Command interface {
	decide(*decision) error
}

// Decide says what happens on a command: events to record, or an error (a [*Refusal] where a person can do something about it). It changes nothing. No events and no
// error: it had happened already.
func Decide(s *State, c Command, now time.Time) ([]Event, error) {
	d := &decision{State: s, now: protocol.T(now), by: System, numbers: map[protocol.RecorderID]uint64{}}
	if err := c.decide(d); err != nil {
		return nil, err
	}
	return d.events, nil
}

// Setting up.
type (
	// Open starts an empty centre with its first administrator. No By: whoever starts the daemon.
	Open struct {
		Municipality  string
		Administrator protocol.PersonID
		Secrecy       protocol.Time // when the administrator gave the secrecy statement (R17)
	}
	// Appoint gives a person these posts and no others. By an administrator, never to oneself.
	Appoint struct {
		By protocol.PersonID
		Appointment
	}
	// EnrolRecorder makes a recorder known with its first roster. By an administrator.
	EnrolRecorder struct {
		By       protocol.PersonID
		Recorder protocol.RecorderID
		Key      string // verifier key of its journal and status
		Origin   string // of its journal; see protocol.Origin
		Viewer   string // base URL of its viewer
		Roots    protocol.Roots
		Roster   []byte
	}
	// MarkRecorder says that a recorder is stolen, withdrawn or, with an empty mark, in use after all. By an administrator. A marked one gets no share (protocol.Share): after
	// its next start it cannot read its own disks.
	MarkRecorder struct {
		By       protocol.PersonID
		Recorder protocol.RecorderID
		Mark     Mark
		Reason   string
	}
	// PublishRoster sends a recorder its next roster, which the roots have signed. By an administrator, who carries it but cannot make it.
	PublishRoster struct {
		By       protocol.PersonID
		Recorder protocol.RecorderID
		Roster   []byte
	}
)

// The register. By a registrar, except ending.
type (
	RegisterPlacement struct {
		By protocol.PersonID
		PlacementFacts
	}
	// AmendPlacement replaces the facts of a draft; of a camera that has been in use those that its mandate does not rest on.
	AmendPlacement struct {
		By protocol.PersonID
		PlacementFacts
	}
	PlaceSign struct {
		By     protocol.PersonID
		Camera protocol.CameraID
		Sign   Sign
	}
	// Activate issues the mandate: from now the recorder may record. Also after a suspension.
	Activate struct {
		By     protocol.PersonID
		Camera protocol.CameraID
	}
	// Renew puts a new besluit behind an active placement and issues a mandate until its end.
	Renew struct {
		By      protocol.PersonID
		Camera  protocol.CameraID
		Besluit Besluit
	}
	// EndPlacement suspends, withdraws or stops the sound. By an approver of the camera's regime; it happens when a second approver asks the same.
	EndPlacement struct {
		By     protocol.PersonID
		Camera protocol.CameraID
		Ending Ending
		Reason string
	}
)

// Requests.
type (
	// FileRequest asks for footage or, kind Standing, to view. By a requester; own initiative and standing: by staff.
	FileRequest struct {
		By protocol.PersonID
		RequestFacts
	}
	// CheckRequest is the handler's: complete and necessary? Only after the holds are confirmed.
	CheckRequest struct {
		By        protocol.PersonID
		Request   protocol.RequestID
		Complete  bool
		Necessary bool
		Remark    string
		Verified  []Verified // what the handler saw to
	}
	// DecideRequest is the approver's. On granting footage, Approved states per camera the rounded interval as the recorder confirmed it. A second
	// decision may follow when a grant ran out or failed without its release.
	DecideRequest struct {
		By         protocol.PersonID
		Request    protocol.RequestID
		Outcome    Outcome
		Reason     Reason
		Motivation string
		Approved   []Approved
		Parts      []Part // outcome partly: what is not granted
		Stated
	}
	// RecordDownload is recorded before the first byte is given. By a requester of the request's unit.
	RecordDownload struct {
		By      protocol.PersonID
		Request protocol.RequestID
		Grant   protocol.GrantID
	}
	// ConfirmHandOver: the unit has what it asked; the holds are lifted.
	ConfirmHandOver struct {
		By      protocol.PersonID
		Request protocol.RequestID
		Note    string
	}
)

// Facts from recorders' journals, and from the clock. Given twice, they happen once.
type (
	ConfirmHold struct {
		Source
		Placed protocol.HoldPlaced
	}
	RecordLifted struct {
		Source
		Lifted protocol.HoldLifted
	}
	RecordRelease struct {
		Source
		Released protocol.Released
	}
	RecordReleaseFailed struct {
		Source
		Failed protocol.ReleaseFailed
	}
	// RecordOrder compares what a recorder obeyed with what was issued under that number. Whoever has the order key can forge an order; what the
	// recorder obeyed stands in its journal.
	RecordOrder struct {
		Source
		Order protocol.Order // number 0: a roster that came by hand
	}
	// RecordAhead: a recorder's status counts more orders than were issued. Its journal will say which.
	RecordAhead struct {
		Recorder  protocol.RecorderID
		LastOrder uint64
	}
	// Alarm: this centre itself found what a person must look at; an incident, once a day of each kind and recorder. Recorder is empty where it is about none.
	Alarm struct {
		Recorder protocol.RecorderID
		Kind     AlarmKind
		Detail   string
	}
	RecordRefusedOrder struct {
		Source
		Refused protocol.OrderRefused
	}
	// GiveShare is recorded before a recorder is given shares; once for each of its asks. It refuses a marked one, as an incident: look at the State first.
	GiveShare struct {
		Recorder protocol.RecorderID
		Ask      protocol.Hash // SHA-256 of the key they are sealed to
		Opens    []protocol.ShareID
		Next     protocol.ShareID
		Lost     bool // shares that it needs are not here any more, and none are given
	}
	// RecordIncident: the recorder itself found something that must not be; or, where Ours is set, this centre did when it read the entry, and What is its own kind.
	RecordIncident struct {
		Source
		Incident protocol.Incident
		Ours     bool
	}
	// RecordMisbehaviour: the witness found that a recorder did not keep to what its log promises. Of each kind, recorder and camera one incident is open at a time; what was first seen
	// before the last one was closed belongs to that one. But that the log was put back, forked or cut off once it had been resumed is an incident of its own.
	RecordMisbehaviour struct {
		Recorder protocol.RecorderID
		Kind     string // the witness's word; see findingIncidents
		Name     string // by which the witness gives its evidence
		Camera   protocol.CameraID
		Log      uint64        // number of the recorder's log that it is about; 0: the first
		At       protocol.Time // when it was first seen
		Seen     Words
	}
	// Tend does what only time brings: hand-overs that nobody confirmed for fourteen days. Give it every minute or so.
	Tend struct{}
)
