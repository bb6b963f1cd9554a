package viewer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	minReason  = 10 // characters
	maxReason  = 300
	openFor    = 15 * time.Minute // how long an opening can be fetched
	readMargin = 5 * time.Second  // between choosing an interval and reading it, time goes on: its start must still be within LookBack then
)

// opening is footage that was opened for one session: who, what, why, and where that stands in the journal.
type opening struct {
	id       string
	session  string
	grant    *orders.Grant
	asked    protocol.Interval
	shown    protocol.Interval // as journalled; contains every segment
	reason   string
	seq      uint64
	begun    time.Time
	until    time.Time
	segments []footage.Segment
	gaps     []protocol.Gap

	reading *footage.Reading
	ended   bool
	mu      sync.Mutex // held while reading is used or closed; taken after Viewer.mu
}

func (o *opening) over(now time.Time) bool { return !now.Before(o.until) || now.Before(o.begun) }

// endOpening closes it. The caller has Viewer.mu.
func (v *Viewer) endOpening(o *opening) {
	delete(v.openings, o.id)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if o.reading != nil {
		if err := o.reading.Close(); err != nil {
			v.Log.Error("viewer: closing what was opened", "entry", o.seq, "error", err)
		}
	}
}

// permitted is what a grant lets somebody see at now.
func permitted(g protocol.Grant, now time.Time) protocol.Interval {
	if g.Use == protocol.UseStanding {
		return protocol.Span(now.Add(-protocol.LookBack+readMargin), now)
	}
	return g.Interval
}

// lookForm is the form as it was sent, or as it is first shown.
type lookForm struct {
	How     string // "last" or "from"
	Minutes string
	At      string // "15:04", on the clock of the screen
	Reason  string
}

// form shows where there is footage, and asks for a moment and a reason.
func (v *Viewer) form(at *visit) error {
	return v.ask(at, http.StatusOK, lookForm{How: "last", Minutes: "5", At: at.now.Add(-5 * time.Minute).In(amsterdam).Format("15:04")}, words{})
}

func (v *Viewer) ask(at *visit, status int, f lookForm, wrong words) error {
	if at.session == nil {
		return errNoSession
	}
	g, err := v.grant(at.r.PathValue("grant"), at.session.key)
	if err != nil {
		return err
	}
	doc := g.Doc()
	over := permitted(doc, at.now)
	lines, err := v.timeline(at.lang, doc.Camera, over, at.now)
	if err != nil {
		return err
	}
	v.show(at, status, "look", struct {
		Grant    protocol.Grant
		Standing bool
		Over     protocol.Interval
		Timeline timeline
		Form     lookForm
		Wrong    words
		Closed   *refusal
	}{doc, doc.Use == protocol.UseStanding, over, lines, f, wrong, v.closed(at.now)})
	return nil
}

// look journals the look and opens it.
func (v *Viewer) look(at *visit) error {
	if at.session == nil {
		return errNoSession
	}
	if v.often(at.r.RemoteAddr, at.now) {
		return errOften
	}
	g, err := v.grant(at.r.PathValue("grant"), at.session.key)
	if err != nil {
		return err
	}
	if err := at.r.ParseForm(); err != nil {
		return &refusal{status: http.StatusBadRequest, words: words{"Dit formulier is niet te lezen.", "This form cannot be read."}}
	}
	p := at.r.PostForm
	f := lookForm{How: p.Get("how"), Minutes: p.Get("minutes"), At: p.Get("at"), Reason: tidyReason(p.Get("reason"))}
	asked := g.Doc().Interval
	if g.Doc().Use == protocol.UseStanding {
		var wrong words
		if asked, wrong = f.interval(at.now); wrong.NL != "" {
			return v.ask(at, http.StatusUnprocessableEntity, f, wrong)
		}
		if asked.From.Before(at.now.Add(-protocol.LookBack)) {
			old := errOld.of(g.Doc().Camera)
			old.NL += " U vroeg om beeld vanaf " + nl.Moment(asked.From) + "."
			old.EN += " You asked for footage from " + en.Moment(asked.From) + "."
			return old
		}
	}
	if n := utf8.RuneCountInString(f.Reason); n < minReason || n > maxReason {
		return v.ask(at, http.StatusUnprocessableEntity, f, words{
			fmt.Sprintf("Schrijf waarom u kijkt, in %d tot %d tekens.", minReason, maxReason),
			fmt.Sprintf("Write why you look, in %d to %d characters.", minReason, maxReason)})
	}
	o, err := v.open(at.r.Context(), at.cookie, g, asked, f.Reason, at.now)
	if err != nil {
		return err
	}
	http.Redirect(at.w, at.r, at.lang.path("/watch/"+o.id), http.StatusSeeOther)
	return nil
}

// tidyReason is a reason on one line, without what cannot be seen.
func tidyReason(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// interval is the moment that a form asks for, ending at now at the latest.
func (f lookForm) interval(now time.Time) (protocol.Interval, words) {
	n, err := strconv.Atoi(f.Minutes)
	if err != nil || n < 1 || n > int(protocol.LookBack/time.Minute) {
		return protocol.Interval{}, words{"Kies hoeveel minuten u wilt zien, ten hoogste 15.", "Choose how many minutes you want to see, at most 15."}
	}
	length := time.Duration(n) * time.Minute
	switch f.How {
	case "last":
		return protocol.Span(now.Add(-length), now), words{}
	case "from":
		from, ok := lastAt(f.At, now)
		if !ok {
			return protocol.Interval{}, words{"Geef het tijdstip als uren en minuten, zoals 14:05.", "Give the time as hours and minutes, like 14:05."}
		}
		i := protocol.Span(from, from.Add(length))
		if i.To.After(now) {
			i = protocol.Span(from, now)
		}
		if i.Valid() != nil {
			return i, words{"Dit tijdstip is nog niet voorbij.", "This moment is not over yet."}
		}
		return i, words{}
	}
	return protocol.Interval{}, words{"Kies een moment.", "Choose a moment."}
}

// lastAt is the last moment not after now at which the clock on the wall showed this, in the hour that the autumn change repeats the later one.
func lastAt(clock string, now time.Time) (time.Time, bool) {
	c, err := time.Parse("15:04", clock)
	if err != nil {
		return c, false
	}
	for t := now.In(amsterdam).Truncate(time.Minute); now.Sub(t) < 26*time.Hour; t = t.Add(-time.Minute) {
		if t.Hour() == c.Hour() && t.Minute() == c.Minute() {
			return t, true
		}
	}
	return c, false
}

// open writes the look in the journal and only then reads. It refuses when nothing may be shown or nothing is there.
func (v *Viewer) open(ctx context.Context, token string, g *orders.Grant, asked protocol.Interval, reason string, now time.Time) (_ *opening, err error) {
	doc := g.Doc()
	if no := v.closed(now); no != nil {
		return nil, no.of(doc.Camera)
	}
	shown, found, err := v.choose(doc.Camera, asked, permitted(doc, now))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, v.nothing(doc.Camera, asked, now)
	}
	o := &opening{id: rand.Text(), session: token, grant: g, asked: asked, shown: shown, reason: reason, begun: now, until: now.Add(openFor)}
	if doc.NotAfter.Before(o.until) {
		o.until = doc.NotAfter.Time
	}
	if err := v.reserve(o); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.mu.Lock()
			v.endOpening(o)
			v.mu.Unlock()
		}
	}()
	receipt, err := v.Journal.Access(ctx, protocol.KindView, protocol.Access{How: "playback", Grant: doc.GrantID(), Request: doc.Request, Camera: doc.Camera,
		Interval: shown, Person: doc.Requester, Recipient: doc.Recipient, Reason: reason, Document: g.Hash(), Level: g.Level()}, doc.Camera, shown)
	switch {
	case errors.Is(err, journal.ErrBehind):
		return nil, errBehind.of(doc.Camera)
	case err != nil:
		v.Log.Error("viewer: the look is not in the journal, so nothing is shown", "grant", doc.ID, "error", err)
		return nil, errUnwritten.of(doc.Camera)
	}
	reading, err := v.Store.Read(g, shown, receipt)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended { // the session ended meanwhile
		return nil, errors.Join(errNoSession, reading.Close())
	}
	o.reading, o.seq, o.gaps = reading, receipt.Seq(), reading.Gaps()
	o.segments = oneStream(reading.Segments(), func(s footage.Segment) protocol.SegmentLine { return s.SegmentLine }, shown)
	v.Log.Info("viewer: footage opened", "entry", o.seq, "grant", doc.ID, "camera", doc.Camera, "interval", shown, "segments", len(o.segments))
	return o, nil
}

// reserve gives an opening its place: what is over makes room, and of a session its oldest does.
func (v *Viewer) reserve(o *opening) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sessions[o.session] == nil {
		return errNoSession
	}
	var oldest *opening
	own := 0
	for _, other := range v.openings {
		switch {
		case other.over(o.begun):
			v.endOpening(other)
		case other.session == o.session:
			own++
			if oldest == nil || other.begun.Before(oldest.begun) {
				oldest = other
			}
		}
	}
	if own >= maxOpeningsOf {
		v.endOpening(oldest)
	}
	if len(v.openings) >= maxOpenings {
		return errFull
	}
	v.openings[o.id] = o
	return nil
}

// choose is what will be shown, and written down: what was asked, rounded outward to whole segments as far as those lie within what is permitted.
// A segment that is partly outside is not shown.
func (v *Viewer) choose(camera protocol.CameraID, asked, permitted protocol.Interval) (shown protocol.Interval, found bool, err error) {
	_, lines, err := v.Store.Round(camera, asked)
	if errors.Is(err, footage.ErrAway) { // nothing says so
		return shown, false, nil
	}
	if errors.Is(err, footage.ErrWithheld) {
		return shown, false, errWithheld.of(camera)
	}
	if err != nil {
		return shown, false, err
	}
	shown = asked
	if shown.From.Before(permitted.From) {
		shown.From = permitted.From
	}
	if shown.To.After(permitted.To) {
		shown.To = permitted.To
	}
	lines = oneStream(lines, func(l protocol.SegmentLine) protocol.SegmentLine { return l }, permitted)
	for _, l := range lines {
		if l.Start.Before(shown.From) {
			shown.From = l.Start.Time
		}
		if l.End.After(shown.To) {
			shown.To = l.End.Time
		}
	}
	return shown, len(lines) > 0, nil
}

// oneStream keeps the segments that lie within an interval, of one stream: the main one where it has any.
func oneStream[T any](all []T, line func(T) protocol.SegmentLine, within protocol.Interval) (kept []T) {
	var stream protocol.StreamID
	for _, s := range all {
		l := line(s)
		if !within.Contains(protocol.Interval{From: l.Start.Time, To: l.End.Time}) {
			continue
		}
		if stream == "" || l.Stream == "main" && stream != "main" {
			stream, kept = l.Stream, nil
		}
		if l.Stream == stream {
			kept = append(kept, s)
		}
	}
	return slices.Clip(kept)
}

// nothing says why there is no footage (invariant 8).
func (v *Viewer) nothing(camera protocol.CameraID, asked protocol.Interval, now time.Time) error {
	no := &refusal{status: http.StatusNotFound, journal: true, camera: camera, words: words{
		"Er is geen beeld van " + nl.Span(asked) + ".", "There is no footage from " + en.Span(asked) + "."}}
	gaps, err := v.Store.Gaps(camera, asked)
	if err != nil {
		return err
	}
	oldest, any := v.Store.Oldest(camera)
	switch {
	case len(gaps) > 0:
		g := gaps[len(gaps)-1]
		if g.Cause == string(footage.CauseMissing) {
			no.Help = words{"Let op: " + causeWords(g.Cause).NL + ". Probeer het opnieuw als zij terug is.", "Note: " + causeWords(g.Cause).EN + ". Try again when it is back."}
			break
		}
		if g.Cause == string(footage.CauseErased) {
			no.Help = words{"Het is er niet meer: " + causeWords(g.Cause).NL + ".", "It is not there any more: " + causeWords(g.Cause).EN + "."}
			break
		}
		no.Help = words{"Er werd niet opgenomen: " + causeWords(g.Cause).NL + ", sinds " + nl.Moment(g.From.Time) + ".",
			"Nothing was recorded: " + causeWords(g.Cause).EN + ", since " + en.Moment(g.From.Time) + "."}
		no.NL, no.EN = no.NL+" "+no.Help.NL, no.EN+" "+no.Help.EN
		no.Help = words{}
	case any && !asked.To.After(oldest):
		no.Help = words{"Het oudste beeld dat er nog is, is van " + nl.Moment(oldest) + ". Wat ouder is, is gewist omdat de bewaartermijn voorbij is, of nooit opgenomen.",
			"The oldest footage there still is, is of " + en.Moment(oldest) + ". What is older was deleted because its term was over, or was never recorded."}
	case now.Sub(asked.To) < 2*v.Store.SegmentLength:
		no.Help = words{"Het nieuwste beeld wordt nog weggeschreven. Probeer het over een minuut opnieuw.", "The newest footage is still being written. Try again in a minute."}
	default:
		no.Help = words{"Het is niet opgenomen, of de bewaartermijn is voorbij.", "It was not recorded, or its term is over."}
	}
	return no
}
