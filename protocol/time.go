package protocol

import (
	"fmt"
	"strings"
	"time"
)

// TimeLayout is how every time is written: UTC, exactly milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// Time is a moment as it stands in entries and documents: UTC, milliseconds. Use T to make one.
type Time struct{ time.Time }

// T is t as it will be written: UTC, cut to milliseconds.
func T(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// ParseTime reads TimeLayout and nothing else.
func ParseTime(s string) (Time, error) {
	if len(s) == len(TimeLayout) && s[10] == 'T' && s[19] == '.' && s[23] == 'Z' { // time.Parse also takes fewer digits, a comma and other zones, of other lengths or elsewhere
		if t, err := time.Parse(time.RFC3339, s); err == nil { // which time.Parse reads fastest
			return Time{t.UTC()}, nil
		}
	}
	return Time{}, fmt.Errorf("time %q: want the form %s", s, TimeLayout)
}

func (t Time) String() string                { return t.UTC().Format(TimeLayout) }
func (t Time) MarshalText() ([]byte, error)  { return []byte(t.String()), nil }
func (t Time) MarshalJSON() ([]byte, error)  { return []byte(`"` + t.String() + `"`), nil }
func (t *Time) UnmarshalText(b []byte) error { p, err := ParseTime(string(b)); *t = p; return err }

// UnmarshalJSON reads the same strict text; it hides time.Time's own laxer method.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("time %s: want a string", b)
	}
	return t.UnmarshalText(b[1 : len(b)-1])
}

// Interval is half open: From is in it, To is not. In text "from/to" (ISO 8601).
type Interval struct{ From, To time.Time }

// Span makes an interval in UTC, cut to milliseconds.
func Span(from, to time.Time) Interval { return Interval{T(from).Time, T(to).Time} }

// ParseInterval reads "from/to" and refuses an empty or reversed interval.
func ParseInterval(s string) (Interval, error) {
	a, b, ok := strings.Cut(s, "/")
	if !ok {
		return Interval{}, fmt.Errorf("interval %q: want from/to", s)
	}
	from, err := ParseTime(a)
	if err != nil {
		return Interval{}, fmt.Errorf("interval %q: %w", s, err)
	}
	to, err := ParseTime(b)
	if err != nil {
		return Interval{}, fmt.Errorf("interval %q: %w", s, err)
	}
	i := Interval{from.Time, to.Time}
	return i, i.Valid()
}

// Valid refuses an interval that is empty or ends before it starts.
func (i Interval) Valid() error {
	if !i.From.Before(i.To) {
		return fmt.Errorf("interval %s: must end after it starts", i)
	}
	return nil
}

func (i Interval) String() string               { return T(i.From).String() + "/" + T(i.To).String() }
func (i Interval) Duration() time.Duration      { return i.To.Sub(i.From) }
func (i Interval) Overlaps(o Interval) bool     { return i.From.Before(o.To) && o.From.Before(i.To) }
func (i Interval) Contains(o Interval) bool     { return !o.From.Before(i.From) && !i.To.Before(o.To) }
func (i Interval) Has(t time.Time) bool         { return !t.Before(i.From) && t.Before(i.To) }
func (i Interval) Equal(o Interval) bool        { return i.From.Equal(o.From) && i.To.Equal(o.To) }
func (i Interval) IsZero() bool                 { return i.From.IsZero() && i.To.IsZero() }
func (i Interval) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
func (i *Interval) UnmarshalText(b []byte) error {
	p, err := ParseInterval(string(b))
	*i = p
	return err
}

// Window is how long footage is kept (bewaartermijn). Zero is not "for ever": zero is invalid (invariant 3). In text an ISO 8601
// duration of days, hours, minutes and seconds: P28D, PT4M.
type Window time.Duration

func (w Window) Duration() time.Duration { return time.Duration(w) }

// ParseWindow reads an ISO 8601 duration. Years and months are refused: they have no fixed length.
func ParseWindow(s string) (Window, error) {
	bad := func(why string) (Window, error) {
		return 0, fmt.Errorf("duration %q: %s (ISO 8601, for example P28D or PT4M)", s, why)
	}
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" || strings.HasSuffix(rest, "T") {
		return bad("not a duration")
	}
	units := map[byte]time.Duration{'D': 24 * time.Hour}
	order, last := "DHMS", -1
	var total time.Duration
	for rest != "" {
		if rest[0] == 'T' {
			if units['D'] == 0 {
				return bad("two T")
			}
			units = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}
			rest = rest[1:]
		}
		n, i := time.Duration(0), 0
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			if i > 8 {
				return bad("too long")
			}
			n = n*10 + time.Duration(rest[i]-'0')
			i++
		}
		if i == 0 || i == len(rest) || units[rest[i]] == 0 || strings.IndexByte(order, rest[i]) <= last {
			return bad("days, hours, minutes and seconds only, in that order")
		}
		unit := units[rest[i]]
		if n > (1<<62)/unit || total > (1<<62)-n*unit {
			return bad("too long")
		}
		total += n * unit
		last = strings.IndexByte(order, rest[i])
		rest = rest[i+1:]
	}
	if total == 0 {
		return bad("zero is not a window")
	}
	return Window(total), nil
}

func (w Window) String() string {
	d := time.Duration(w)
	var b strings.Builder
	b.WriteByte('P')
	if days := d / (24 * time.Hour); days > 0 {
		fmt.Fprintf(&b, "%dD", days)
		d -= days * 24 * time.Hour
	}
	if d > 0 || time.Duration(w) == 0 {
		b.WriteByte('T')
		for _, u := range []struct {
			unit time.Duration
			mark byte
		}{{time.Hour, 'H'}, {time.Minute, 'M'}, {time.Second, 'S'}} {
			if n := d / u.unit; n > 0 || (u.unit == time.Second && time.Duration(w) == 0) {
				fmt.Fprintf(&b, "%d%c", n, u.mark)
				d -= n * u.unit
			}
		}
	}
	return b.String()
}

func (w Window) MarshalText() ([]byte, error)  { return []byte(w.String()), nil }
func (w *Window) UnmarshalText(b []byte) error { p, err := ParseWindow(string(b)); *w = p; return err }
