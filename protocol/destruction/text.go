package destruction

import (
	"fmt"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Words is a text in Dutch and in English.
type Words struct{ NL, EN string }

var reasons = map[string]Words{
	"window":     {"einde van de bewaartermijn", "end of the window"},
	"hold-ended": {"einde van een bewaring, na de bewaartermijn", "end of a hold, after the window"},
	"space":      {"schijf vol, vóór het einde van de bewaartermijn", "disk full, before the end of the window"},
	"erase":      {"opdracht tot wissen, vóór het einde van de bewaartermijn", "order to erase, before the end of the window"},
}

// ReasonWords says a reason for people; one that is not known is said as it stands.
func ReasonWords(reason string) Words {
	if w, ok := reasons[reason]; ok {
		return w
	}
	return Words{reason, reason}
}

// Verdict is the day in one sentence.
func (d Day) Verdict() Words {
	n := pieces(d.Remaining)
	switch {
	case d.Unaccounted > 0:
		return both("Niet verantwoord: %s. Vastgelegd, nooit als vernietigd gemeld, terwijl de langste termijn voorbij is en geen bewaring loopt.",
			"Unaccounted for: %s. Sealed, never reported as deleted, while the longest window has passed and no hold stands.", n)
	case d.Remaining > 0 && len(d.Held) > 0:
		return both("Nog niet alles is vernietigd: %s over, er loopt een bewaring ("+list(d.Held)+").", "Not everything is deleted yet: %s left, a hold stands ("+list(d.Held)+").", n)
	case d.Remaining > 0:
		return both("Nog niet alles is vernietigd: %s over, waarvan de bewaartermijn nog loopt.", "Not everything is deleted yet: %s left, whose window still runs.", n)
	case d.Sealed == 0:
		return both("Er zijn op deze dag geen beelden vastgelegd.", "No footage was recorded on this day.", Words{})
	}
	return both("Alles van deze dag is vernietigd: %s.", "Everything of this day is deleted: %s.", pieces(d.Deleted))
}

func pieces(n int) Words {
	if n == 1 {
		return Words{"1 stuk", "1 segment"}
	}
	return Words{fmt.Sprintf("%d stukken", n), fmt.Sprintf("%d segments", n)}
}

// both puts what is counted in its place.
func both(nl, en string, n Words) Words {
	return Words{strings.ReplaceAll(nl, "%s", n.NL), strings.ReplaceAll(en, "%s", n.EN)}
}

// Complete says that nothing of the day is left.
func (d Day) Complete() bool { return d.Sealed > 0 && d.Remaining == 0 }

func list[T ~string](ids []T) string {
	var s []string
	for _, id := range ids {
		s = append(s, string(id))
	}
	return strings.Join(s, ", ")
}

// Certificate is a day's certificate and what it rests on. It has nothing in it that does not come from the log, so that anyone with the log makes the same one.
type Certificate struct {
	Origin   string     `json:"origin"`         // of the log
	Size     uint64     `json:"size"`           // of the checkpoint it was made under
	Root     string     `json:"root,omitempty"` // of that checkpoint; empty: the log has none
	Cosigned []Cosigned `json:"cosigned"`
	Unread   uint64     `json:"unread"` // entries that bear on it and could not be read
	Day      Day        `json:"day"`
	Rows     []Row      `json:"rows"`
}

// Cosigned is a witness that confirmed the checkpoint.
type Cosigned struct {
	Witness string        `json:"witness"`
	Time    protocol.Time `json:"time"`
}

// Text is the certificate as a text file, in Dutch or in English. Times are UTC, so that two people in two zones read the same.
func (c Certificate) Text(english bool) string {
	var b strings.Builder
	say := func(w Words) string {
		if english {
			return w.EN
		}
		return w.NL
	}
	field := func(name Words, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s %s\n", say(name), fmt.Sprintf(format, args...))
	}
	d := c.Day
	b.WriteString(say(Words{"VERKLARING VAN VERNIETIGING\n\n", "CERTIFICATE OF DESTRUCTION\n\n"}))
	field(Words{"Camera", "Camera"}, "%s", d.Camera)
	field(Words{"Dag", "Day"}, "%s (%s)", d.Date, d.Interval)
	field(Words{"Logboek", "Log"}, "%s", c.Origin)
	if c.Root == "" {
		field(Words{"Controlepunt", "Checkpoint"}, say(Words{"geen; de eerste %d regels", "none; the first %d entries"}), c.Size)
	} else {
		field(Words{"Controlepunt", "Checkpoint"}, say(Words{"%d regels, wortel %s", "%d entries, root %s"}), c.Size, c.Root)
	}
	for _, s := range c.Cosigned {
		field(Words{"Bekrachtigd", "Cosigned"}, say(Words{"door %s op %s", "by %s at %s"}), s.Witness, s.Time)
	}
	if len(c.Cosigned) == 0 {
		field(Words{"Bekrachtigd", "Cosigned"}, "%s", say(Words{"door niemand: dit bewijst niet dat het logboek er toen al zo uitzag", "by nobody: this does not prove that the log was like this then"}))
	}
	fmt.Fprintf(&b, "\n%s\n\n", say(d.Verdict()))
	field(Words{"Vastgelegd", "Sealed"}, say(Words{"%d stukken", "%d segments"}), d.Sealed)
	field(Words{"Vernietigd", "Deleted"}, "%d", d.Deleted)
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, "  %8d  %s\n", r.Segments, say(ReasonWords(r.Reason)))
	}
	if d.Unjournalled > 0 {
		fmt.Fprintf(&b, say(Words{"  waarvan %d zo kort na het opnemen dat alleen de regel van hun vernietiging hen noemt\n", "  %d of them so soon after recording that only the entry of their deletion names them\n"}), d.Unjournalled)
	}
	field(Words{"Nog aanwezig", "Remaining"}, "%d", d.Remaining)
	if d.FirstDue != nil {
		field(Words{"Moest weg", "Due"}, say(Words{"van %s tot %s", "from %s to %s"}), d.FirstDue, d.LastDue)
		field(Words{"Was weg", "Gone"}, say(Words{"op zijn laatst %s; het langst na zijn tijd: %s", "%s at the latest; the longest after its time: %s"}), d.LastGone, d.Latest)
	}
	if c.Unread > 0 {
		fmt.Fprintf(&b, say(Words{"\nLet op: van %d regels is de inhoud weg of onbekend. Deze verklaring telt ze niet mee.\n", "\nNote: the body of %d entries is gone or unknown. This certificate does not count them.\n"}), c.Unread)
	}
	if len(d.Under) > 0 {
		b.WriteString(say(Words{"\nVolgens\n", "\nUnder\n"}))
		for _, r := range d.Under {
			note := ""
			if !r.Exact {
				note = say(Words{" (de recorder hield zich aan een kortere termijn)", " (the recorder kept a shorter window)"})
			}
			fmt.Fprintf(&b, say(Words{"  regel %d: mandaat %s, versie %d, protocol %s, besluit %s, bewaartermijn %s: %d stukken%s\n",
				"  entry %d: mandate %s, version %d, protocol %s, besluit %s, window %s: %d segments%s\n"}), r.Entry, r.Mandate, r.Version, r.Protocol, r.Besluit, r.Window, r.Segments, note)
		}
	}
	if len(d.Erased) > 0 {
		b.WriteString(say(Words{"\nGewist in opdracht, omdat het onrechtmatig was\n", "\nErased by order, because it was unlawful\n"}))
		for _, e := range d.Erased {
			fmt.Fprintf(&b, say(Words{"  regel %d: opdracht %s, grond %s, dossier %s, goedgekeurd door %s (%s): %d stukken\n", "  entry %d: order %s, ground %s, dossier %s, approved by %s (%s): %d segments\n"}),
				e.Entry, e.Order, e.Ground, e.Dossier, list(e.Approvers), e.Level, e.Segments)
		}
	}
	if len(c.Rows) > 0 {
		fmt.Fprintf(&b, "\n%10s %8s  %-24s  %-24s  %-24s  %-24s  %s\n", say(Words{"regel", "entry"}), say(Words{"stukken", "segments"}), say(Words{"begin van het eerste", "start of the first"}),
			say(Words{"begin van het laatste", "start of the last"}), say(Words{"eerste moest weg op", "first due"}), say(Words{"was weg op", "gone"}), say(Words{"reden", "reason"}))
		for _, r := range c.Rows {
			fmt.Fprintf(&b, "%10d %8d  %-24s  %-24s  %-24s  %-24s  %s\n", r.Entry, r.Segments, r.First, r.Last, r.Due, r.At, say(ReasonWords(r.Reason)))
		}
	}
	b.WriteString(say(Words{"\nDat beelden weg zijn, is het woord van de recorder; dit logboek bewijst dat hij het toen zei. Wie het logboek heeft, maakt deze verklaring opnieuw met beeldwacht certificate.\n",
		"\nThat footage is gone is the recorder's word; this log proves that it said so then. Whoever has the log makes this certificate again with beeldwacht certificate.\n"}))
	return b.String()
}

// Late is by how much something came after its time. In text to the millisecond, or to the second where that is enough: 13ms, 2h0m5s.
type Late time.Duration

func (l Late) String() string {
	if d := time.Duration(l); d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return time.Duration(l).Round(time.Millisecond).String()
}

func (l Late) MarshalText() ([]byte, error) { return []byte(l.String()), nil }
