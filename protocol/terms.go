package protocol

import (
	"slices"
	"time"
)

// BodyTerm is one dated row of how long the bodies of a recorder's entries are kept. A lawyer corrects it here, and nowhere else. Headers are never destroyed: that an entry was there,
// when, and of what kind, stays certain (protocol/chain, Retention).
type BodyTerm struct {
	Kinds  []string
	Years  int    // after the end of the month (UTC) that the entry is of; 0: as long as the log
	Source string // rows with † could not be read in a consolidated text, or are ours: a lawyer must confirm them
	From   string // this row holds from this date (YYYY-MM-DD)
}

// BodyTerms is the whole table. A kind that is not in it is kept.
var BodyTerms = []BodyTerm{
	{[]string{KindIntent, KindView, KindViewRefused, KindReleased, KindReleaseFail, KindHoldPlaced, KindHoldLifted}, 5,
		"who got to footage: the five years of the logs of police data, art. 32a Wpg †; of AVG cameras the five years in which damages can be claimed, art. 82 AVG with art. 3:310 BW †", "2026-11-22"},
	{[]string{KindIncident}, 3,
		"BIO2, data of incidents, as in the centre's register (REQUIREMENTS R13: at least three years)", "2026-11-22"},
	{[]string{KindStarted, KindStopped, KindRun, KindGapBegun, KindGapEnded, KindSealed, KindExpired, KindDropped, KindLedger}, 5,
		"what was recorded, what was not and why, and that it went in time: accountability, art. 5 lid 2 AVG, as long as who got to it is on record †", "2026-11-22"},
	{[]string{KindOpened, KindOrder, KindRefused, KindErased, KindLedgerBad}, 0,
		"the recorder knows from them whom it obeys, what it may record and which orders are used up, or to erase, done. People stand in them by pseudonym, and whom that means the centre forgets at the end of their own term †", "2026-11-22"},
	{[]string{KindEpochBegun, KindEpochSealed, KindBodiesDestroyed, KindResumed}, 0,
		"what proves the rest of the log; of people it names the privacy officer, by pseudonym", "2026-11-22"},
}

// MonthOf is the month (UTC) that bodies are kept and destroyed by: "2026-11".
func MonthOf(t Time) string { return t.UTC().Format("2006-01") }

// BodiesDue is when the bodies of a kind of a month may be destroyed, and then must be; never for a kind that is kept, or a month that is none.
func BodiesDue(kind, month string) (due time.Time, ok bool) {
	i := slices.IndexFunc(BodyTerms, func(t BodyTerm) bool { return slices.Contains(t.Kinds, kind) })
	first, err := time.Parse("2006-01", month)
	if i < 0 || BodyTerms[i].Years == 0 || err != nil {
		return time.Time{}, false
	}
	return first.AddDate(BodyTerms[i].Years, 1, 0), true
}
