package identity

import (
	"time"

	"github.com/go-json-experiment/json"
)

// Day is what happened at the door on one day (UTC). It names nobody.
type Day struct {
	Date           string `json:"date"` // 2026-11-22
	LoggedIn       int    `json:"logged-in,omitempty"`
	ByProvider     int    `json:"by-provider,omitempty"` // of those
	WithPasskey    int    `json:"with-passkey,omitempty"`
	Refused        int    `json:"refused,omitempty"`         // a wrong login or password
	Locked         int    `json:"locked,omitempty"`          // tried too often: not looked at
	PasskeyRefused int    `json:"passkey-refused,omitempty"` // the password was right
	NotAdmitted    int    `json:"not-admitted,omitempty"`    // known to the provider, not here
	BadAnswer      int    `json:"bad-answer,omitempty"`      // an answer in the provider's name that was not in order
	PasskeysTaken  int    `json:"passkeys-taken,omitempty"`  // by an administrator
}

// countsKept is how long days are kept.
const countsKept = 400 * 24 * time.Hour

func (s *Store) today() string { return s.Now().UTC().Format(time.DateOnly) }

// count adds to today, with what was counted in memory meanwhile.
func (s *Store) count(rows Rows, add func(*Day)) error {
	var d Day
	known, err := get(rows, counts, s.today(), &d)
	if err != nil {
		return err
	}
	if !known {
		oldest := s.Now().UTC().Add(-countsKept).Format(time.DateOnly)
		if _, err := drop(rows, counts, func(_ string, d Day) bool { return d.Date < oldest }); err != nil {
			return err
		}
	}
	d.Date = s.today()
	d.Locked += int(s.locked.Swap(0)) // a transaction that fails loses them: a count of refusals is worth no more
	add(&d)
	return put(rows, counts, d.Date, d)
}

// Days are the days on which something happened, the newest first, today with what this centre has only in memory yet.
func (s *Store) Days() (list []Day, err error) {
	err = s.shelf.View(func(rows Rows) error {
		list = nil
		return rows.Each(counts, func(_ string, b []byte) error {
			var d Day
			if err := json.Unmarshal(b, &d, json.RejectUnknownMembers(true)); err != nil {
				return err
			}
			list = append([]Day{d}, list...)
			return nil
		})
	})
	if n := int(s.locked.Load()); n > 0 && err == nil {
		if len(list) == 0 || list[0].Date != s.today() {
			list = append([]Day{{Date: s.today()}}, list...)
		}
		list[0].Locked += n
	}
	return list, err
}
