package page

import (
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the zone of the screen must exist on every machine

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Amsterdam is the zone of the screen; inside, everything is UTC (DESIGN section 6).
var Amsterdam = func() *time.Location {
	l, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil { // tzdata is in the binary
		panic(err)
	}
	return l
}()

var months = map[Lang][]string{
	NL: {"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"},
	EN: {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}

// Date is "21 november 2026".
func (l Lang) Date(t time.Time) string {
	t = t.In(Amsterdam)
	return fmt.Sprintf("%d %s %d", t.Day(), months[l][t.Month()-1], t.Year())
}

// Clock is "03:05:07", in the zone of the screen. The hour that the autumn change repeats says which of the two it is.
func Clock(t time.Time) string {
	t = t.In(Amsterdam)
	clock := t.Format("15:04:05")
	if twice(t) {
		clock += t.Format(" (MST)")
	}
	return clock
}

// twice says whether this wall-clock time happens twice, an hour apart.
func twice(t time.Time) bool {
	return t.Add(time.Hour).In(Amsterdam).Format("15") == t.Format("15") || t.Add(-time.Hour).In(Amsterdam).Format("15") == t.Format("15")
}

// Moment is "21 november 2026 om 03:05:07".
func (l Lang) Moment(t time.Time) string {
	return l.Date(t) + l.Say(" om ", " at ") + Clock(t)
}

// Times is a text in which each moment in UTC, as whoever found or refused something wrote it, is a Moment; two with a stroke between them are a Span, and a
// protocol.Window is a Duration.
func (l Lang) Times(text string) string {
	if !strings.ContainsAny(text, "0123456789") { // most words: looking costs more than saying
		return text
	}
	return stamp.ReplaceAllStringFunc(text, func(found string) string {
		if found[0] == 'P' {
			w, err := protocol.ParseWindow(found)
			if err != nil {
				return found
			}
			return l.Duration(w.Duration())
		}
		from, to, isSpan := strings.Cut(found, "/")
		start, err := moment(from)
		if err != nil {
			return found
		}
		if !isSpan {
			return l.Moment(start)
		}
		end, err := moment(to)
		if err != nil {
			return found
		}
		return l.Span(protocol.Interval{From: start, To: end})
	})
}

var stamp = func() *regexp.Regexp {
	const at = `\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?: UTC|Z)`
	return regexp.MustCompile(`\b(?:` + at + `(?:/` + at + `)?|P(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)\b`)
}()

// moment reads a stamp, to the second: more than a screen says.
func moment(stamp string) (time.Time, error) {
	return time.Parse(time.DateTime, stamp[:10]+" "+stamp[11:19])
}

// Span is an interval in words; the day is said once when it is one day.
func (l Lang) Span(i protocol.Interval) string {
	if i.IsZero() {
		return l.Say("geen tijdvak", "no interval")
	}
	if l.Date(i.From) == l.Date(i.To) {
		return l.Date(i.From) + l.Say(" van ", " from ") + Clock(i.From) + l.Say(" tot ", " to ") + Clock(i.To)
	}
	return l.Moment(i.From) + l.Say(" tot ", " to ") + l.Moment(i.To)
}

// Duration is "28 dagen", "4 minuten", "1 uur en 30 minuten": the two largest units, rounded down.
func (l Lang) Duration(d time.Duration) string {
	units := []struct {
		size             time.Duration
		nl, nls, en, ens string
	}{
		{24 * time.Hour, "dag", "dagen", "day", "days"},
		{time.Hour, "uur", "uur", "hour", "hours"},
		{time.Minute, "minuut", "minuten", "minute", "minutes"},
		{time.Second, "seconde", "seconden", "second", "seconds"},
	}
	var parts []string
	for _, u := range units {
		n := d / u.size
		d -= n * u.size
		if n <= 0 {
			if len(parts) > 0 {
				break // 28 days and 3 seconds is 28 days
			}
			continue
		}
		one, many := l.Say(u.nl, u.en), l.Say(u.nls, u.ens)
		if n == 1 {
			parts = append(parts, "1 "+one)
		} else {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+" "+many)
		}
		if len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return l.Say("minder dan een seconde", "less than a second")
	}
	return strings.Join(parts, l.Say(" en ", " and "))
}

// Bytes is "4,2 MB".
func (l Lang) Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	v, i := float64(n), 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	s := strconv.FormatFloat(v, 'f', 1, 64)
	if l == NL {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s + " " + units[i]
}

// Number groups digits by three, as the language does.
func (l Lang) Number(v any) string {
	s := fmt.Sprint(v)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + l.Say(".", ",") + s[i:]
	}
	return sign + s
}

// timeTag takes a time.Time, *time.Time or a protocol.Time and says it in words for people and as data for machines. A missing time is a dash.
func timeTag(v any, words func(time.Time) string) (template.HTML, error) {
	var t time.Time
	switch v := v.(type) {
	case time.Time:
		t = v
	case protocol.Time:
		t = v.Time
	case *time.Time:
		if v != nil {
			t = *v
		}
	case *protocol.Time:
		if v != nil {
			t = v.Time
		}
	default:
		return "", fmt.Errorf("%T is not a time", v)
	}
	if t.IsZero() {
		return "–", nil
	}
	return template.HTML(`<time datetime="` + protocol.T(t).String() + `">` + template.HTMLEscapeString(words(t)) + `</time>`), nil
}

// LevelWords says what the level of a signed document is worth (DESIGN section 4, Orders).
func LevelWords(v protocol.Level) Words {
	switch v {
	case protocol.LevelPersons:
		return Both("Behandelaar en beslisser hebben dit zelf ondertekend.", "Handler and approver signed this themselves.")
	case protocol.LevelCentre:
		return Both("Niveau centrale: alleen de centrale staat ervoor in dat behandelaar en beslisser dit besloten; zij hebben niet zelf ondertekend. Tegen een kwaadwillende centrale beschermt dit niet.",
			"Level centre: only the centre vouches that handler and approver decided this; they did not sign it themselves. This does not protect against a hostile centre.")
	case protocol.LevelRoots:
		return Both("Ondertekend met de sleutels van de gemeente die buiten het systeem worden bewaard.", "Signed with the municipality's keys that are kept offline.")
	case protocol.LevelOrder:
		return Both("Een opdracht van de centrale; hiervoor is geen handtekening van een persoon nodig.", "An order of the centre; it needs no person's signature.")
	}
	return Both("Niveau onbekend.", "Level unknown.")
}

// SelfWitnessedWords is what is said wherever the centre is its own only witness.
var SelfWitnessedWords = Both(
	"Zelf getuige: alleen deze centrale bevestigt dat de logboeken niet zijn herschreven. Er kijkt nog geen onafhankelijke getuige mee.",
	"Self-witnessed: only this centre confirms that the logs were not rewritten. No independent witness is watching yet.",
)

// CauseWords says why there is no footage (invariant 8), as the recorder coded it.
func CauseWords(cause string) Words {
	switch cause {
	case "camera":
		return Both("de camera geeft geen bruikbaar beeld", "the camera gives no usable picture")
	case "network":
		return Both("de camera is niet te bereiken", "the camera cannot be reached")
	case "recorder":
		return Both("de recorder staat uit of start opnieuw", "the recorder is down or restarting")
	case "mandate":
		return Both("er is geen geldig besluit: opnemen mag niet", "there is no valid decision: recording is not allowed")
	case "disk":
		return Both("de schijf is te langzaam, vol of weg", "the disk is too slow, full or gone")
	case "clock":
		return Both("de klok versprong", "the clock jumped")
	}
	return Both("oorzaak onbekend", "cause unknown")
}

// SoundWords say what becomes of a camera's sound, of the words in its status (protocol.CameraStatus); what else stands there they leave as it is.
func SoundWords(detail string) Words {
	for said, w := range map[string]Words{
		protocol.SoundRecorded: Both("Met het geluid van de camera", "With the camera's sound"),
		protocol.SoundLeftOut:  Both("Zonder het geluid van de camera", "Without the camera's sound"),
		protocol.SoundSilent:   Both("De camera biedt geluid aan en stuurt het niet", "The camera offers sound and sends none"),
	} {
		if coding, ok := strings.CutPrefix(detail, said); ok {
			return Both(w.NL+coding, w.EN+coding)
		}
	}
	return Both(detail, detail)
}
