package desk

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/destruction"
)

// The certificate of destruction, for the privacy officer: per camera and day what was deleted, under which protocol, when due and when done.

// destruction lists the cameras that a certificate can be of, also those that are withdrawn.
func (d *desk) destruction(v *visit) {
	d.show(v, http.StatusOK, "destruction.html", page.Both("Vernietiging", "Destruction"), func(st *central.State) any {
		find := v.finder()
		return struct {
			List []*central.Placement
			Find finder
		}{slices.DeleteFunc(take(&find, st.CamerasFrom, isCamera), func(p *central.Placement) bool { return p.Recorder == "" }), find}
	})
}

// camera of a path, and its recorder. It answers itself when there is none.
func (d *desk) recorderOf(v *visit) (camera protocol.CameraID, name string, recorder protocol.RecorderID, ok bool) {
	camera = protocol.CameraID(v.r.PathValue("camera"))
	d.Book.View(func(st *central.State) {
		if p := st.Placement(camera); p != nil && p.Recorder != "" {
			name, recorder, ok = p.Name, p.Recorder, true
		}
	})
	if !ok {
		d.nothing(v)
	}
	return camera, name, recorder, ok
}

func (d *desk) destroyedDays(v *visit) {
	camera, name, recorder, ok := d.recorderOf(v)
	if !ok {
		return
	}
	days, err := d.Recorders.Destruction(v.r.Context(), recorder, camera)
	if err != nil {
		d.failed(v, "destruction of "+string(camera), err)
		return
	}
	d.show(v, http.StatusOK, "destroyed.html", page.Both("Vernietiging: "+name, "Destruction: "+name), func(*central.State) any {
		return struct {
			Camera   protocol.CameraID
			Name     string
			Recorder protocol.RecorderID
			Days     []destruction.Day
		}{camera, name, recorder, days}
	}, wide)
}

// certificate of a camera's day: a page, PDF, CSV (what went, and when), or the text that `beeldwacht certificate` prints of the same log.
func (d *desk) certificate(v *visit) {
	camera, name, recorder, ok := d.recorderOf(v)
	if !ok {
		return
	}
	date, asText := strings.CutSuffix(v.r.PathValue("day"), ".txt")
	if !asText {
		date, _ = ending(date)
	}
	if _, err := parseDay(date); err != nil || date == "" {
		d.nothing(v)
		return
	}
	c, err := d.Recorders.Certificate(v.r.Context(), recorder, camera, date)
	if err != nil {
		d.failed(v, "certificate of "+string(camera)+" "+date, err)
		return
	}
	if asText {
		v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		v.w.Header().Set("Content-Disposition", `attachment; filename="vernietiging-`+string(camera)+`-`+date+`.txt"`)
		if _, err := io.WriteString(v.w, c.Text(v.lang == page.EN)); err != nil {
			d.Log.Debug("a certificate was not read to its end", "camera", camera, "err", err)
		}
		return
	}
	d.showReport(v, http.StatusOK, form{}, certificateReport(c, name))
}

func certificateReport(c destruction.Certificate, name string) report {
	day := c.Day
	path := "/bureau/vernietiging/" + string(day.Camera)
	r := report{path: path + "/" + day.Date, name: "vernietiging-" + string(day.Camera) + "-" + day.Date, at: day.Interval.To}
	r.Back = &page.Link{Path: path, Words: page.Both("Alle dagen", "All days")}
	r.Heading = page.Both("Verklaring van vernietiging", "Certificate of destruction")
	if verdict := central.Words(day.Verdict()); day.Complete() {
		r.Intro = verdict
	} else {
		r.Warn = append(r.Warn, verdict)
	}
	if c.Unread > 0 {
		r.Warn = append(r.Warn, page.Both(fmt.Sprintf("Van %d regels is de inhoud weg of onbekend; ze zijn niet meegeteld.", c.Unread), fmt.Sprintf("The body of %d entries is gone or unknown; they are not counted.", c.Unread)))
	}
	both := func(say func(l page.Lang) string) central.Words {
		return central.Words{NL: say(page.NL), EN: say(page.EN)}
	}
	fact := func(nl, en string, value any) { r.Facts = append(r.Facts, fact{page.Both(nl, en), value}) }
	fact("Camera", "Camera", fmt.Sprintf("%s (%s)", name, day.Camera))
	fact("Dag", "Day", onDay{protocol.T(day.Interval.From)})
	fact("Vastgelegd", "Sealed", both(func(l page.Lang) string { return l.Number(day.Sealed) + l.Say(" stukken", " segments") }))
	fact("Vernietigd", "Deleted", both(func(l page.Lang) string {
		s := l.Number(day.Deleted)
		for i, reason := range day.Reasons {
			s += []string{" (", ", "}[min(i, 1)] + l.Number(reason.Segments) + ": " + l.In(central.Words(destruction.ReasonWords(reason.Reason)))
		}
		if len(day.Reasons) > 0 {
			s += ")"
		}
		return s
	}))
	remaining := func(l page.Lang) string { return strings.TrimSpace(l.Number(day.Remaining) + " " + idList(day.Held)) }
	fact("Nog aanwezig", "Remaining", both(remaining))
	if day.FirstDue != nil {
		fact("Moest weg", "Due", both(func(l page.Lang) string {
			return l.Moment(day.FirstDue.Time) + l.Say(" tot ", " to ") + l.Moment(day.LastDue.Time)
		}))
		fact("Was weg", "Gone", both(func(l page.Lang) string {
			return l.Moment(day.LastGone.Time) + l.Say("; het langst na zijn tijd: ", "; the longest after its time: ") + day.Latest.String()
		}))
	}
	for _, u := range day.Under {
		fact("Volgens", "Under", both(func(l page.Lang) string {
			s := fmt.Sprintf(l.Say("protocol %s, besluit %s, bewaartermijn %s (mandaat %s, versie %d, regel %d): %s stukken", "protocol %s, decision %s, window %s (mandate %s, version %d, entry %d): %s segments"),
				u.Protocol, u.Besluit, l.Duration(u.Window.Duration()), u.Mandate, u.Version, u.Entry, l.Number(u.Segments))
			if !u.Exact {
				s += l.Say(". De recorder hield zich aan een kortere termijn.", ". The recorder kept a shorter window.")
			}
			return s
		}))
	}
	for _, e := range day.Erased {
		fact("Gewist in opdracht", "Erased by order", both(func(l page.Lang) string {
			return fmt.Sprintf(l.Say("opdracht %s, regel %d: %s; %s stukken, vóór het einde van de bewaartermijn, want onrechtmatig", "order %s, entry %d: %s; %s segments, before the end of the window, as unlawful"), e.Order, e.Entry, l.In(central.EraseGround(e.Ground).Words()), l.Number(e.Segments))
		}))
	}
	r.log = []central.Words{both(func(l page.Lang) string {
		return fmt.Sprintf(l.Say("Logboek van de recorder %s: %s regels", "The recorder's log %s: %s entries"), c.Origin, l.Number(c.Size))
	}), page.Both("Wortel: "+c.Root, "Root: "+c.Root)}
	fact("Bewijs", "Proof", both(func(l page.Lang) string {
		s := fmt.Sprintf(l.Say("%s, %s regels, wortel %s", "%s, %s entries, root %s"), c.Origin, l.Number(c.Size), c.Root)
		for _, w := range c.Cosigned {
			s += l.Say("; bekrachtigd door ", "; cosigned by ") + w.Witness + ", " + l.Moment(w.Time.Time)
		}
		if len(c.Cosigned) == 0 {
			s += l.Say("; door niemand bekrachtigd", "; cosigned by nobody")
		}
		return s
	}))
	if len(c.Cosigned) > 0 {
		r.at = c.Cosigned[0].Time.Time
	}
	t := table{Caption: page.Both("Wat er ging, en wanneer", "What went, and when"), Columns: []central.Words{page.Both("Regel", "Entry"), page.Both("Stukken", "Segments"), page.Both("Opgenomen vanaf", "Recorded from"), page.Both("tot", "to"),
		page.Both("Moest weg", "Due"), page.Both("Was weg", "Gone"), page.Both("Reden", "Reason")}, Empty: page.Both("Niets.", "Nothing.")}
	for _, row := range c.Rows {
		t.Rows = append(t.Rows, []any{row.Entry, row.Segments, row.First, row.Last, row.Due, row.At, central.Words(destruction.ReasonWords(row.Reason))})
	}
	r.Tables = []table{t}
	fact("Als tekst", "As text", to{r.path + ".txt", page.Both("de verklaring, zoals het gereedschap haar uit het logboek maakt", "the certificate, as the tool makes it from the log")})
	fact("Wat dit bewijst", "What this proves", page.Both("Dat beelden weg zijn, is het woord van de recorder. Het logboek bewijst dat hij het toen zei, en dat hier niets ontbreekt van wat hij die dag vastlegde.",
		"That footage is gone is the recorder's word. The log proves that it said so then, and that nothing it sealed that day is missing here."))
	fact("Zelf controleren", "Check it yourself", page.Both(fmt.Sprintf("op een andere computer, met het logboek: beeldwacht certificate -keys keys.txt -camera %s -day %s logboek-….log", day.Camera, day.Date),
		fmt.Sprintf("on another computer, with the log: beeldwacht certificate -keys keys.txt -camera %s -day %s logboek-….log", day.Camera, day.Date)))
	return r
}
