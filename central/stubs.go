package central

import (
	"errors"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

var errNotYet = errors.New("being written")

type decision struct {
	*State
	now     protocol.Time
	by      protocol.PersonID
	events  []Event
	numbers map[protocol.RecorderID]uint64
}

func (s *State) Apply(e Event) error { return e.Fact.apply(s, e) }
func (s *State) acts(person protocol.PersonID, role Role, regime protocol.Regime, now time.Time) error {
	return errNotYet
}
func (s *State) mayCheck(protocol.PersonID, *Request) error             { return errNotYet }
func (s *State) unserved(r *Request, now time.Time) []protocol.CameraID { return nil }
func (s *State) download(protocol.PersonID, protocol.RequestID, protocol.GrantID, time.Time) (*Grant, error) {
	return nil, errNotYet
}
func (c Open) decide(d *decision) error                { return errNotYet }
func (c Appoint) decide(d *decision) error             { return errNotYet }
func (c AgreeUnit) decide(d *decision) error           { return errNotYet }
func (c EnrolRecorder) decide(d *decision) error       { return errNotYet }
func (c PublishRoster) decide(d *decision) error       { return errNotYet }
func (c AdoptProtocol) decide(d *decision) error       { return errNotYet }
func (c RegisterPlacement) decide(d *decision) error   { return errNotYet }
func (c AmendPlacement) decide(d *decision) error      { return errNotYet }
func (c PlaceSign) decide(d *decision) error           { return errNotYet }
func (c Activate) decide(d *decision) error            { return errNotYet }
func (c Renew) decide(d *decision) error               { return errNotYet }
func (c EndPlacement) decide(d *decision) error        { return errNotYet }
func (c FileRequest) decide(d *decision) error         { return errNotYet }
func (c CheckRequest) decide(d *decision) error        { return errNotYet }
func (c DecideRequest) decide(d *decision) error       { return errNotYet }
func (c RecordDownload) decide(d *decision) error      { return errNotYet }
func (c ConfirmHandOver) decide(d *decision) error     { return errNotYet }
func (c ConfirmHold) decide(d *decision) error         { return errNotYet }
func (c RecordLifted) decide(d *decision) error        { return errNotYet }
func (c RecordRelease) decide(d *decision) error       { return errNotYet }
func (c RecordReleaseFailed) decide(d *decision) error { return errNotYet }
func (c RecordRefusedOrder) decide(d *decision) error  { return errNotYet }
func (c RecordIncident) decide(d *decision) error      { return errNotYet }
func (c Tend) decide(d *decision) error                { return errNotYet }
func (*CentreOpened) apply(*State, Event) error        { return errNotYet }
func (*PersonAppointed) apply(*State, Event) error     { return errNotYet }
func (*UnitAgreed) apply(*State, Event) error          { return errNotYet }
func (*RecorderEnrolled) apply(*State, Event) error    { return errNotYet }
func (*RosterPublished) apply(*State, Event) error     { return errNotYet }
func (*ProtocolAdopted) apply(*State, Event) error     { return errNotYet }
func (*PlacementRegistered) apply(*State, Event) error { return errNotYet }
func (*PlacementAmended) apply(*State, Event) error    { return errNotYet }
func (*SignPlaced) apply(*State, Event) error          { return errNotYet }
func (*PlacementActivated) apply(*State, Event) error  { return errNotYet }
func (*PlacementRenewed) apply(*State, Event) error    { return errNotYet }
func (*EndingProposed) apply(*State, Event) error      { return errNotYet }
func (*PlacementEnded) apply(*State, Event) error      { return errNotYet }
func (*OrderIssued) apply(*State, Event) error         { return errNotYet }
func (*OrderRefused) apply(*State, Event) error        { return errNotYet }
func (*RequestFiled) apply(*State, Event) error        { return errNotYet }
func (*HoldConfirmed) apply(*State, Event) error       { return errNotYet }
func (*HoldLifted) apply(*State, Event) error          { return errNotYet }
func (*RequestChecked) apply(*State, Event) error      { return errNotYet }
func (*RequestDecided) apply(*State, Event) error      { return errNotYet }
func (*FootageReleased) apply(*State, Event) error     { return errNotYet }
func (*ReleaseFailed) apply(*State, Event) error       { return errNotYet }
func (*FootageDownloaded) apply(*State, Event) error   { return errNotYet }
func (*HandOverConfirmed) apply(*State, Event) error   { return errNotYet }
func (*HandOverLapsed) apply(*State, Event) error      { return errNotYet }
func (*IncidentOpened) apply(*State, Event) error      { return errNotYet }
