package desk

import (
	"fmt"
	"time"

	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Times in forms: what browsers send for datetime-local and date, in the zone of the screen.

// parseLocal reads local time. In the hour that happens twice it is the first, or the last where that asks more. The hour that spring skips
// never was on any clock; it is read as by a clock that was put forward early, or late where that asks more: nothing meant is missed.
func parseLocal(s string, last bool) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		wall, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, page.Amsterdam)
		if t.Format(layout) != s {
			_, before := t.Add(-3 * time.Hour).Zone()
			_, after := t.Add(3 * time.Hour).Zone()
			offset := max(before, after)
			if last {
				offset = min(before, after)
			}
			return wall.Add(-time.Duration(offset) * time.Second), nil
		}
		same := func(o time.Time) bool { return o.In(page.Amsterdam).Format(layout) == t.Format(layout) }
		if o := t.Add(time.Hour); last && same(o) {
			t = o
		}
		if o := t.Add(-time.Hour); !last && same(o) {
			t = o
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("time %q: want year-month-dayThour:minute", s)
}

// parseDay reads a date as the local midnight that begins it. Empty is no time.
func parseDay(s string) (protocol.Time, error) {
	if s == "" {
		return protocol.Time{}, nil
	}
	t, err := time.ParseInLocation("2006-01-02", s, page.Amsterdam)
	if err != nil {
		return protocol.Time{}, fmt.Errorf("date %q: want year-month-day", s)
	}
	return protocol.T(t), nil
}

// localInput writes a time as its input element wants it.
func localInput(t time.Time) string { return t.In(page.Amsterdam).Format("2006-01-02T15:04:05") }

// dayInput writes a date as its input element wants it.
func dayInput(t protocol.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(page.Amsterdam).Format("2006-01-02")
}

func text(v any) string {
	if t, ok := v.(protocol.Time); ok {
		return dayInput(t)
	}
	return fmt.Sprint(v)
}
