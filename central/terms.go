package central

import (
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The terms of oversight, each with its source: a lawyer corrects them here, and nowhere else. Those of demands and holds are in protocol.
const (
	// BreachTerm is within what the authority is told of a breach, counted from awareness; weekends and holidays count. Art. 33(1) AVG; art. 3 Regulation 1182/71 leaves hours as they are.
	BreachTerm = 72 * time.Hour

	// IncidentYears is how long an incident stays in the register. BIO2 (ours, not from the seeds).
	IncidentYears = 3
)

const (
	// AnswerMonths is within what a person who was filmed is answered; ExtensionMonths is how much it may be extended. Art. 12(3) AVG; V:43–49.
	AnswerMonths    = 1
	ExtensionMonths = 2

	// SubjectHold is how much footage is held for such a request; SubjectUnidentified is how long, while nobody knows who asks (REQUIREMENTS section 1, Rights request).
	SubjectHold         = time.Hour
	SubjectUnidentified = 14 * 24 * time.Hour

	// ObjectionTerm is how long after a refusal the footage is held, in case the person objects (art. 6:7 Awb, six weeks †; REQUIREMENTS section 1, Hold).
	ObjectionTerm = 6 * 7 * 24 * time.Hour

	// TrainingGrace is how long before its end a training is announced to lapse, and how long after it the role stays active. Of this house.
	TrainingGrace = 30 * 24 * time.Hour

	// Near is when a term that approaches is put before the officer. Of this house.
	Near = 7 * 24 * time.Hour
)

// months later, on the same day of the month, or its last: a month after 31 January is the last of February (art. 3 Regulation 1182/71).
func months(t protocol.Time, n int) protocol.Time {
	later := t.AddDate(0, n, 0)
	if later.Day() != t.Day() { // it ran over into the next month
		later = later.AddDate(0, 0, -later.Day())
	}
	return protocol.T(later)
}
