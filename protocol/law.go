package protocol

import (
	"fmt"
	"time"
)

// The terms of law and policy that code on both sides must agree on, each beside its source. None of them can be configured away;
// a configuration or an order can only be narrower.
const (
	// MaxWindow is the longest window of any camera. Art. 151c lid 9 Gemeentewet for WPG cameras ("ten hoogste vier weken"); for AVG cameras the
	// guideline of the supervisory authority for camera surveillance, four weeks.
	MaxWindow = Window(28 * 24 * time.Hour)

	// MaxHoldSingle is how long a hold may stand on the envelope alone; beyond it two approvers sign (DESIGN section 4, Orders).
	MaxHoldSingle = 28 * 24 * time.Hour

	// MaxHold is the longest hold any document may ask: a preservation order, art. 126ni Sv, ninety days.
	MaxHold = 90 * 24 * time.Hour

	// ProvisionalHold is what facility staff may ask alone, before a request exists (REQUIREMENTS section 1, Hold grounds).
	ProvisionalHold = 72 * time.Hour

	// ReleaseGrantTerm: a release grant is valid 24 hours and used once (DESIGN section 4, Orders).
	ReleaseGrantTerm = 24 * time.Hour

	// StandingGrantTerm: a standing grant lasts at most ninety days (DESIGN section 4, Orders).
	StandingGrantTerm = 90 * 24 * time.Hour

	// LookBack is how far staff may look back under a standing grant; anything older needs handler and approver (DESIGN section 4).
	LookBack = 15 * time.Minute

	// PlaybackCosigned and LiveCosigned: no playback on a cosignature older than an hour, no live view on one older than twelve (invariant 13).
	PlaybackCosigned = time.Hour
	LiveCosigned     = 12 * time.Hour

	// HandOverTerm: a released bag can be fetched, and its hold stands, for fourteen days after release (REQUIREMENTS section 1, Hold; USERS, police 10).
	HandOverTerm = 14 * 24 * time.Hour

	// OralTerm: an oral demand must be confirmed in writing within three days (art. 126nda lid 3 Sv).
	OralTerm = 3 * 24 * time.Hour
)

// Valid refuses zero, negative and anything over the legal cap.
func (w Window) Valid() error {
	switch {
	case w <= 0:
		return fmt.Errorf("window %s: zero is not \"for ever\"; give at most %s", w, MaxWindow)
	case w%Window(time.Second) != 0:
		return fmt.Errorf("window %s: whole seconds only", time.Duration(w))
	case w > MaxWindow:
		return fmt.Errorf("window %s: longer than the legal cap of %s", w, MaxWindow)
	}
	return nil
}

// Ground is why footage is held. There is no free text.
type Ground string

const (
	GroundRequest      Ground = "request"      // an open request, from filing
	GroundProvisional  Ground = "provisional"  // by staff, at most ProvisionalHold
	GroundPreservation Ground = "preservation" // art. 126ni Sv
	GroundCourt        Ground = "court"
	GroundRights       Ground = "rights" // an open request of the person filmed
)

func (g Ground) Valid() error {
	switch g {
	case GroundRequest, GroundProvisional, GroundPreservation, GroundCourt, GroundRights:
		return nil
	}
	return fmt.Errorf("hold ground %q: not one of request, provisional, preservation, court, rights", string(g))
}

// EraseGround is why footage must be destroyed before its window is over. There is no free text.
type EraseGround string

const (
	EraseRequest   EraseGround = "request"   // a person filmed asked for it and is right: art. 17 AVG, art. 28 Wpg
	EraseIncident  EraseGround = "incident"  // an incident: it should never have been recorded
	EraseComplaint EraseGround = "complaint" // found when a complaint or objection was handled
	EraseAuthority EraseGround = "authority" // the supervisory authority (art. 58(2)(g) AVG) or a court orders it
)

func (g EraseGround) Valid() error {
	switch g {
	case EraseRequest, EraseIncident, EraseComplaint, EraseAuthority:
		return nil
	}
	return fmt.Errorf("ground to erase %q: not one of request, incident, complaint, authority", string(g))
}
