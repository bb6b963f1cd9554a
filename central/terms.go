package central

import "time"

// The terms of oversight, each with its source: a lawyer corrects them here, and nowhere else. Those of demands and holds are in protocol.
const (
	// BreachTerm is within what the authority is told of a breach, counted from awareness; weekends and holidays count. Art. 33(1) AVG; art. 3 Regulation 1182/71 leaves hours as they are.
	BreachTerm = 72 * time.Hour

	// IncidentYears is how long an incident stays in the register. BIO2 (ours, not from the seeds).
	IncidentYears = 3
)
