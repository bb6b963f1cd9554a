package central

import "time"

// WorkingDay says whether a day, in the zone of the time given, is neither a Saturday, a Sunday nor a general holiday. Algemene termijnenwet, art. 3 lid 1 and 2 (Good Friday
// counts as one). Terms of hours do not stop for it (see BreachTerm); mail that can wait does.
func WorkingDay(day time.Time) bool {
	if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		return false
	}
	switch day.Format("01-02") {
	case "01-01", "04-27", "05-05", "12-25", "12-26": // a King's birthday on a Sunday is kept on the Saturday before
		return false
	}
	for _, after := range []int{-2, 1, 39, 50} { // Good Friday, Easter Monday, Ascension, Whit Monday
		if y, m, d := day.AddDate(0, 0, -after).Date(); easter(y) == [2]int{int(m), d} {
			return false
		}
	}
	return true
}

// easter is the month and day of Easter Sunday in the Gregorian calendar, by the method that J. Meeus gives (Astronomical Algorithms, ch. 8).
func easter(year int) [2]int {
	a, b, c := year%19, year/100, year%100
	h := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
	l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
	n := h + l - 7*((a+11*h+22*l)/451) + 114
	return [2]int{n / 31, n%31 + 1}
}
