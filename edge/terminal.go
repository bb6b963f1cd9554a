package edge

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// width of a terminal page, in characters: it fits the oldest screen in a cabinet.
const width = 80

// Text is the situation as a terminal page: plain text of at most 80 columns, times in the reader's zone. What came from outside is made harmless
// for a terminal first.
func (s *Situation) Text(zone *time.Location) string {
	var b strings.Builder
	ago := func(t *protocol.Time) string {
		if t == nil || t.IsZero() {
			return "-"
		}
		return s.ago(*t)
	}
	line := func(head, format string, a ...any) { wrap(&b, head, fmt.Sprintf(format, a...)) }

	line("", "%s | %s | %s | up %s", s.Recorder, s.Software, s.Time.In(zone).Format("2006-01-02 15:04:05 MST"), ago(&s.Started))
	fmt.Fprintf(&b, "\n%s\n", row("CAMERA", "STATE", "SINCE", "RATE", "FRAME", "LOST", "DROPPED", "OLDEST"))
	for i := range s.Cameras {
		c := &s.Cameras[i]
		name, state := harmless(c.name()), c.State
		if state == "gap" {
			state = "DARK"
		}
		if len(name) > column[0] { // on a line of its own
			b.WriteString(cut(name, width) + "\n")
			name = ""
		}
		b.WriteString(row(name, state, ago(&c.Since), rate(c.Bitrate), ago(c.LastFrame), count(c.Lost), count(c.Dropped), ago(c.Oldest)) + "\n")
		if !c.recording() && c.Cause != "" {
			line("    ", "%s: %s", c.Cause, c.Detail)
		} else if c.recording() && c.Detail != "" {
			line("    ", "%s", c.Detail) // what becomes of its sound
		}
	}
	if len(s.Cameras) == 0 {
		b.WriteString("(no camera in the configuration)\n")
	}

	f, j := &s.Footage, &s.Journal
	b.WriteString("\n")
	var oldest *protocol.Time
	for _, c := range s.Cameras {
		if c.Oldest != nil && (oldest == nil || c.Oldest.Before(oldest.Time)) {
			oldest = c.Oldest
		}
	}
	line("Footage    ", "%s, the oldest %s; held %s, %d %% of what may be held", size(f.Bytes), ago(oldest), size(f.Held), percent(f.Held, s.mayHold()))
	if len(f.Volumes) <= 1 {
		line("Disk       ", "%s free of %s; %s", size(f.Free), size(f.Size), f.Dir)
	}
	for _, v := range f.Volumes {
		switch {
		case len(f.Volumes) == 1:
		case v.Away != "":
			line("Disk       ", "NOT THERE, with %s of footage; %s", size(v.Bytes), v.Path)
		case !v.Listed:
			line("Disk       ", "ages out, has %s of footage; %s", size(v.Bytes), v.Path)
		case len(v.Guests) > 0:
			line("Disk       ", "%s free of %s, has %s; cameras of other disks: %d; %s", size(v.Free), size(v.Size), size(v.Bytes), len(v.Guests), v.Path)
		default:
			line("Disk       ", "%s free of %s, has %s; %s", size(v.Free), size(v.Size), size(v.Bytes), v.Path)
		}
	}
	line("Keys       ", "%s", s.Keys.text())
	cosigned := "none cosigned since the start"
	if j.CosignedAt != nil {
		cosigned = fmt.Sprintf("%d cosigned %s ago", j.Cosigned, ago(j.CosignedAt))
	}
	if j.Unopened {
		line("Journal    ", "NOT OPEN; %d entries owed", j.Owed)
	} else {
		line("Journal    ", "%d entries, %s; %d owed", j.Entries, cosigned, j.Owed)
	}
	later := ""
	if s.Clock.State == clock.Unconfirmed {
		later = "; nothing is shown"
	} else if s.Clock.Ahead >= 60 { // less may be a witness that is a little fast
		later = "; it may be " + short(time.Duration(s.Clock.Ahead)*time.Second) + " later, what is due by then is not shown"
	}
	line("Clock      ", "%s, since %s%s", s.Clock.State, ago(&s.Clock.Since), later)
	switch {
	case s.Uplink.Connected:
		line("Uplink     ", "connected, since %s", ago(s.Uplink.Since))
	case s.Uplink.Since == nil:
		line("Uplink     ", "being connected")
	default:
		line("Uplink     ", "NOT CONNECTED, since %s", ago(s.Uplink.Since))
	}
	line("Orders     ", "%d used; %d dropped since the start", s.Orders.Used, s.Orders.Dropped)
	line("Incidents  ", "%d since the start", s.Incidents)

	if len(s.Troubles) == 0 {
		b.WriteString("\nAll is well.\n")
		return b.String()
	}
	b.WriteString("\nWHAT NEEDS A PERSON\n")
	for i, t := range s.Troubles {
		mark := "-  "
		if t.Failing {
			mark = "!! "
		}
		line(mark, "%s", t.What)
		if i+1 == len(s.Troubles) || s.Troubles[i+1].Do != t.Do { // twenty cameras behind one dead switch need one piece of advice
			line("   ", "-> %s", t.Do)
		}
	}
	return b.String()
}

// column widths of the cameras' table, without the space between them.
var column = [...]int{22, 10, 6, 10, 6, 6, 7, 6}

func row(cells ...string) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%-*s", column[i], cut(c, column[i]))
	}
	return strings.TrimRight(b.String(), " ")
}

// wrap writes text after head in lines of at most 80 columns; the following lines are indented as far.
func wrap(b *strings.Builder, head, text string) {
	indent := strings.Repeat(" ", len(head))
	line, used := head, false
	for _, word := range strings.Fields(harmless(text)) {
		for used && len([]rune(line))+1+len([]rune(word)) > width {
			b.WriteString(line + "\n")
			line, used = indent, false
		}
		if used {
			line += " "
		}
		line, used = line+word, true
		for r := []rune(line); len(r) > width; r = []rune(line) { // a word longer than a line: a path
			b.WriteString(string(r[:width]) + "\n")
			line = indent + string(r[width:])
		}
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// harmless takes out what a terminal would obey: a camera chooses some of these words.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "~"
	}
	return text
}

// short writes a duration in at most six characters: 12s, 12m, 3h04m, 13d04h.
func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d < 100*24*time.Hour:
		return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// size writes bytes in powers of 1024.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), -1
	for f >= 1024 && unit < 4 {
		f, unit = f/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[unit])
}

// rate writes bits a second in powers of 1000.
func rate(n int64) string {
	switch {
	case n <= 0:
		return "-"
	case n < 1e6:
		return fmt.Sprintf("%d kbit/s", n/1000)
	}
	return fmt.Sprintf("%.1f Mbit/s", float64(n)/1e6)
}

// count writes a number in at most six characters.
func count(n uint64) string {
	if n < 1e6 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%dM", n/1e6)
}

func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return part * 100 / whole
}
