package central

import (
	"errors"
	"fmt"
)

// Refusal is why a command was not carried out, for the person who gave it. Code is stable; the words are for a page. Times in them are as package protocol
// prints them, in UTC; a page says them in the zone of its screen (page.Lang.In), as it says all other times.
type Refusal struct {
	Code string
	Words
}

func (r *Refusal) Error() string { return r.Code + ": " + r.EN }

// RefusalOf finds the refusal in an error.
func RefusalOf(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

// Codes of refusals. A page may choose its HTTP status by them: CodeForbidden 403, CodeUnknown 404, the rest 400 or 409.
const (
	CodeForbidden    = "forbidden"      // this person may not do this
	CodeInactive     = "inactive"       // the role is there, but not active: no secrecy statement (R17), no agreement
	CodeUnknown      = "unknown"        // no such person, camera, request, …
	CodeInvalid      = "invalid"        // a field is missing or wrong
	CodeState        = "state"          // not now: already done, or not yet possible
	CodeSamePerson   = "same-person"    // requester, handler and approver must be three people (I12)
	CodeCombination  = "combination"    // these roles do not go together (R8)
	CodeJudgingStaff = "judging-staff"  // R2
	CodePurpose      = "purpose"        // no such purpose, or not one of this camera
	CodeInterval     = "interval"       // empty, in the future, too long, or not the rounded one
	CodeOutOfReach   = "out-of-reach"   // older than the window: probably gone; ask again saying so
	CodeRegime       = "regime"         // this kind of request does not fit the camera's regime
	CodeNotConfirmed = "not-confirmed"  // the recorder has not yet confirmed the hold
	CodeNoFootage    = "no-footage"     // the recorder holds nothing there
	CodeNotReady     = "not-ready"      // the placement lacks something: see State.Lacks
	CodeStorage      = "storage"        // footage is kept in the Netherlands only (R21)
	CodeRoster       = "roster"         // the recorder's roster does not allow it
	CodeTerm         = "term"           // over: the fourteen days, the besluit
	CodeAdvice       = "advice"         // the privacy officer advises against it: say why, or do not (R9)
	CodeUnread       = "unread"         // the protocol must be read and acknowledged first (R3)
	CodeExists       = "already-exists" // ids are never reused (I6)
	CodeTooOften     = "too-often"      // wait a while
)

func refuse(code, nl, en string) error { return &Refusal{code, Words{nl, en}} }

func unknown(nlThing, enThing, id string) error {
	return refuse(CodeUnknown, fmt.Sprintf("%s %q is niet bekend.", nlThing, id), fmt.Sprintf("%s %q is not known.", enThing, id))
}

func missing(nlField, enField string) error {
	return refuse(CodeInvalid, fmt.Sprintf("Vul in: %s.", nlField), fmt.Sprintf("Fill in: %s.", enField))
}

// secondApprover refuses whoever asked first: four eyes are two people.
func secondApprover() error {
	return refuse(CodeSamePerson, "Een tweede goedkeurder moet dit ook vragen.", "A second approver must ask this too.")
}
