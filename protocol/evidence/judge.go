package evidence

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	// betweenRuns is the longest time between two segments that is not a gap: the next run starts on its own first frame and its own reading of
	// the clock.
	betweenRuns = 1500 * time.Millisecond

	// longestSegment is more than any segment lasts: a minute, and on to the next key frame.
	longestSegment = 2 * time.Minute

	// sealedWithin is how long after its end a segment should be journalled: one segment and one minute's entry, twice.
	sealedWithin = 4 * time.Minute

	// clocksApart is how far two honest clocks (the recorder's and a camera's or a witness's) may differ before it is worth a word.
	clocksApart = time.Minute
)

// bounds is what each stream must fill: the grant's interval, which is the one asked rounded outward to whole segments. Streams are cut at different moments: where
// there is more than one, each fills no more than was asked.
func (v *verification) bounds() protocol.Interval {
	for _, p := range v.segments {
		if p.Stream != v.segments[0].Stream {
			return v.grant.Asked
		}
	}
	return v.grant.Interval
}

// complete checks that the whole interval is there, or that the journal says why not.
func (v *verification) complete() {
	if v.grant == nil {
		return
	}
	integrity := &v.report.Integrity
	streams := map[protocol.StreamID]bool{}
	for _, p := range v.segments {
		streams[p.Stream] = true
	}
	for _, g := range v.gaps {
		streams[g.Stream] = true
	}
	table := "data/" + string(v.grant.Camera) + "/" + nameGaps
	if v.byName[table] == nil {
		integrity.fail(inFile(table), say("Dit bestand ontbreekt.", "This file is missing."))
	}
	if len(streams) == 0 {
		integrity.fail(inFile(table), say("Er zijn geen beelden en er staat niet waarom.", "There is no footage and nothing says why."))
		return
	}
	whole := true
	for _, stream := range slices.Sorted(maps.Keys(streams)) {
		for _, hole := range v.holes(stream) {
			whole = false
			v.explain(stream, hole, table)
		}
	}
	if whole {
		integrity.say("De hele periode %s staat erin, zonder onderbreking.", "The whole interval %s is there, without interruption.", v.bounds())
	}
}

// holes is where the interval has no segment of a stream.
func (v *verification) holes(stream protocol.StreamID) []protocol.Interval {
	var lines []protocol.SegmentLine
	for _, p := range v.segments {
		if p.Stream == stream && p.Camera == v.grant.Camera {
			lines = append(lines, p.SegmentLine)
		}
	}
	InTimeOrder(lines)
	var holes []protocol.Interval
	bounds := v.bounds()
	reached := bounds.From
	for _, l := range lines {
		if l.Start.Sub(reached) > betweenRuns {
			holes = append(holes, protocol.Interval{From: reached, To: l.Start.Time})
		}
		if l.End.After(reached) {
			reached = l.End.Time
		}
	}
	if bounds.To.Sub(reached) > betweenRuns {
		holes = append(holes, protocol.Interval{From: reached, To: bounds.To})
	}
	return holes
}

// cause is why a stretch of time has no footage.
type cause struct {
	from, to time.Time
	gap      protocol.Gap // where gaps.tsv says it
	entry    uint64       // that proves it
	proven   bool
	expired  bool // there was footage, which was destroyed at the end of its window or for another journalled reason
	before   Text // why there cannot have been any yet; zero: another cause
}

// causes are those of a stream, in order of time.
func (v *verification) causes(stream protocol.StreamID) []cause {
	var out []cause
	for _, g := range v.gaps {
		if g.Stream != stream || g.Camera != v.grant.Camera {
			continue
		}
		c := cause{from: g.From.Time, to: v.grant.Interval.To, gap: g}
		if g.To != nil {
			c.to = g.To.Time
		}
		c.entry, c.proven = v.journalled(g)
		out = append(out, c)
	}
	for _, seq := range v.ofKind(protocol.KindExpired) {
		for _, s := range v.expired(seq) {
			out = append(out, cause{from: s.Start.Time, to: v.startAfter(s.Start.Time), entry: seq, proven: true, expired: true})
		}
	}
	if c, ok := v.beforeAnything(); ok {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b cause) int { return a.from.Compare(b.from) })
	return out
}

// beforeAnything is the cause that reaches back for ever: this recorder had not begun, or the camera had no mandate yet. Versions of a camera's mandates
// rise, so that of version 1 was its first. Footage in the bag from before that moment contradicts it.
func (v *verification) beforeAnything() (c cause, found bool) {
	see := func(seq uint64, at protocol.Time, why Text) {
		contradicted := slices.ContainsFunc(v.segments, func(p placed) bool { return at.Sub(p.Start.Time) > betweenRuns })
		if !contradicted && (!found || at.After(c.to)) {
			c, found = cause{to: at.Time, entry: seq, proven: true, before: why}, true
		}
	}
	for _, seq := range v.ofKind(protocol.KindOpened) {
		if at := v.headers[seq].Time; seq == 0 {
			see(seq, at, say("Voor %s zijn er geen beelden: toen begon deze recorder (journaalregel %d).", "Before %s there is no footage: that is when this recorder began (journal entry %d).", at, seq))
		}
	}
	for _, seq := range v.ofKind(protocol.KindOrder) {
		var o protocol.Order
		if !v.body(seq, &o) || o.Kind != "mandate" {
			continue
		}
		s, err := protocol.ParseDocument([]byte(o.Document))
		m, ok := s.Document.(*protocol.Mandate)
		if err != nil || !ok || m.Camera != v.grant.Camera || m.Version != 1 {
			continue
		}
		at := v.headers[seq].Time
		if m.NotBefore.After(at.Time) {
			at = m.NotBefore
		}
		see(seq, at, say("Voor %s zijn er geen beelden: toen begon het eerste mandaat van deze camera, en eerder mocht zij niet opnemen (journaalregel %d).",
			"Before %s there is no footage: that is when this camera's first mandate began, and it might not record earlier (journal entry %d).", at, seq))
	}
	return c, found
}

// expired are the camera's segments in a footage.expired entry.
func (v *verification) expired(seq uint64) []protocol.ExpiredSegment {
	var e protocol.Expired
	if v.grant == nil || !v.body(seq, &e) {
		return nil
	}
	return slices.DeleteFunc(e.Segments, func(s protocol.ExpiredSegment) bool { return s.Camera != v.grant.Camera })
}

// startAfter is when a segment whose end is not known has ended at the latest: where the next one in the bag starts, or after longestSegment.
func (v *verification) startAfter(start time.Time) time.Time {
	end := start.Add(longestSegment)
	for _, p := range v.segments {
		if p.Start.After(start) && p.Start.Before(end) {
			end = p.Start.Time
		}
	}
	return end
}

// explain looks for the causes of a hole.
func (v *verification) explain(stream protocol.StreamID, hole protocol.Interval, table string) {
	integrity := &v.report.Integrity
	reached := hole.From
	missing := func(to time.Time) {
		integrity.fail(inFile(table), say("Van %s tot %s zijn er geen beelden (stroom %s) en er staat niet waarom.", "From %s to %s there is no footage (stream %s) and nothing says why.", protocol.T(reached), protocol.T(to), stream))
	}
	var gone *cause // expired segments in a row are told together
	tellGone := func() {
		if gone != nil {
			integrity.say("De beelden van %s tot %s zijn vernietigd voordat om bewaren werd gevraagd (journaalregel %d).", "The footage from %s to %s was destroyed before anybody asked to keep it (journal entry %d).", protocol.T(gone.from), protocol.T(gone.to), gone.entry)
			gone = nil
		}
	}
	for _, c := range v.causes(stream) {
		if !c.from.Before(hole.To) || !c.to.After(hole.From) {
			continue
		}
		if c.from.Sub(reached) > betweenRuns {
			missing(c.from)
		}
		if c.to.After(reached) {
			reached = c.to
		}
		switch {
		case c.before != Text{}:
			integrity.Sentences = append(integrity.Sentences, c.before)
		case c.expired && gone != nil && gone.entry == c.entry:
			gone.to = c.to
		case c.expired:
			tellGone()
			gone = &c
		case c.proven:
			tellGone()
			integrity.say("Van %s tot %s zijn er geen beelden; oorzaak volgens journaalregel %d: %s.", "From %s to %s there is no footage; cause by journal entry %d: %s.", c.gap.From, protocol.T(c.to), c.entry, strings.TrimSpace(c.gap.Cause+" "+c.gap.Detail))
		default:
			integrity.unsure(inFile(table), say("Van %s tot %s zijn er geen beelden. De oorzaak (%s) staat er wel, maar het journaal dat haar bewijst is niet bijgevoegd.",
				"From %s to %s there is no footage. The cause (%s) is given, but the journal that proves it is not in the bag.", c.gap.From, protocol.T(c.to), c.gap.Cause))
		}
	}
	tellGone()
	if hole.To.Sub(reached) > betweenRuns {
		missing(hole.To)
	}
}

// journalled finds the entry that says a gap was there. Only gap.ended proves how long it lasted.
func (v *verification) journalled(g protocol.Gap) (uint64, bool) {
	for _, seq := range v.ofKind(protocol.KindGapEnded) {
		var e protocol.Gap
		if v.body(seq, &e) && e.Camera == g.Camera && e.Stream == g.Stream && e.Cause == g.Cause && !e.From.After(g.From.Time) && g.To != nil && e.To != nil && !e.To.Before(g.To.Time) {
			return seq, true
		}
	}
	return 0, false
}

// held compares the footage with what the recorder confirmed to hold.
func (v *verification) held() {
	for _, seq := range v.ofKind(protocol.KindHoldPlaced) {
		var h protocol.HoldPlaced
		if v.grant == nil || !v.body(seq, &h) || h.Camera != v.grant.Camera || !v.grant.Interval.Contains(h.Interval) {
			continue
		}
		var lines []protocol.SegmentLine
		for _, p := range v.segments {
			if h.Asked.Overlaps(protocol.Interval{From: p.Start.Time, To: p.End.Time}) {
				lines = append(lines, p.SegmentLine)
			}
		}
		InTimeOrder(lines)
		root, err := rootOfLines(lines)
		if err != nil || len(lines) != h.Segments || root != h.Root {
			v.report.Integrity.fail(inEntry(seq, "body"), say("De recorder hield voor verzoek %s %d segmenten vast (%d bytes); dit zijn niet dezelfde: hier zijn er %d.",
				"For request %s the recorder held %d segments (%d bytes); these are not the same: here are %d.", h.Request, h.Segments, h.Bytes, len(lines)))
			continue
		}
		v.report.Integrity.say("Dit zijn precies de %d segmenten die de recorder voor verzoek %s vasthield (journaalregel %d).", "These are exactly the %d segments that the recorder held for request %s (journal entry %d).", h.Segments, h.Request, seq)
	}
}

func rootOfLines(lines []protocol.SegmentLine) (protocol.Hash, error) {
	t, err := TreeOf(lines)
	if err != nil {
		return protocol.Hash{}, err
	}
	return t.Root()
}

// times judges since when it is certain that the footage is as it is.
func (v *verification) times() {
	when := &v.report.Time
	if v.roster == nil || when.State == Failed {
		return
	}
	cosigned := v.report.Cosigned
	if uint64(len(cosigned)) < v.roster.Quorum {
		when.fail(inFile(fileCheckpoint), say("%d getuigen tekenden dit checkpoint mee; het rooster vraagt er %d.", "%d witnesses cosigned this checkpoint; the roster asks for %d.", len(cosigned), v.roster.Quorum))
	}
	var witnesses []string
	for _, c := range cosigned {
		witnesses = append(witnesses, c.Witness)
		when.say("Getuige %s bevestigde op %s dat dit alles in het journaal stond.", "Witness %s confirmed at %s that all this was in the journal.", c.Witness, c.Time)
	}
	if len(cosigned) > 0 && SelfWitnessed(v.roster.Municipality, witnesses) {
		v.report.SelfWitnessed = true
		when.say("Let op: alleen de centrale van de gemeente zelf was getuige. Dit beschermt niet als recorder en centrale samen liegen over de tijd.",
			"Note: self-witnessed. Only the municipality's own centre was a witness; this does not withstand a recorder and a centre that lie about time together.")
	}
	for _, p := range v.segments {
		h, ok := v.headers[p.Minute]
		if !ok {
			continue // minutes has said so
		}
		where := inSegment(p)
		where.Entry = &p.Minute
		switch late := h.Time.Sub(p.End.Time); {
		case late < -clocksApart:
			when.fail(where, say("Dit segment eindigt om %s, maar werd al om %s vastgelegd.", "This segment ends at %s, but was journalled at %s already.", p.End, h.Time))
		case late > sealedWithin:
			when.unsure(where, say("Dit segment eindigt om %s, maar werd pas om %s vastgelegd. Voor die tussentijd is er alleen het woord van de recorder.",
				"This segment ends at %s, but was journalled only at %s. For the time between there is only the recorder's word.", p.End, h.Time))
		}
	}
	for _, seq := range v.ofKind(protocol.KindIntent) {
		for _, c := range cosigned {
			if ahead := v.headers[seq].Time.Sub(c.Time.Time); ahead > clocksApart {
				when.fail(inEntry(seq, "header"), say("De recorder schreef deze regel om %s, maar getuige %s tekende haar al om %s mee: de klokken lopen %s uiteen.",
					"The recorder wrote this entry at %s, but witness %s cosigned it at %s already: the clocks are %s apart.", v.headers[seq].Time, c.Witness, c.Time, ahead.Round(time.Second)))
			}
		}
	}
	for _, seq := range v.ofKind(protocol.KindRun) {
		var run protocol.RunStarted
		if v.body(seq, &run) && run.Clock != "synced" {
			when.unsure(inEntry(seq, "body"), say("Bij het begin van opname %s was de klok van de recorder niet gelijkgezet (%s).", "When run %s began, the recorder's clock was not synchronised (%s).", run.Run, run.Clock))
		}
	}
	when.say("De opnametijden komen van de klok van de recorder.", "The times of recording are by the recorder's clock.")
}

// authorisation judges whether this footage might leave the recorder, for this request, to this requester.
func (v *verification) authorisation() {
	auth := &v.report.Authorisation
	g := v.grant
	if g == nil || v.roster == nil {
		if auth.State == OK {
			auth.unsure(inFile(fileRoster), say("Niet na te gaan.", "Cannot be examined."))
		}
		return
	}
	if g.Use != protocol.UseRelease {
		auth.fail(inFile(fileGrant), say("Deze toestemming is niet om beelden te verstrekken (%s).", "This grant is not for a release (%s).", g.Use))
	}
	if g.Recorder != v.roster.Recorder {
		auth.fail(inFile(fileGrant), say("De toestemming is voor recorder %s, het rooster voor %s.", "The grant is for recorder %s, the roster for %s.", g.Recorder, v.roster.Recorder))
	}
	level, err := v.roster.Authorise(v.signedGrant, v.regime())
	if err != nil {
		auth.fail(inFile(fileGrant), say("De toestemming telt niet: %v.", "The grant does not count: %v.", err))
		return
	}
	v.report.Level = level
	auth.say("Aanvrager %s, behandelaar %s en goedkeurder %s zijn drie verschillende mensen; het rooster is getekend met de hoofdsleutels.", "Requester %s, handler %s and approver %s are three different people; the roster is signed by the roots.",
		g.Requester, g.Handler, g.Approver)
	v.enveloped(level)
	if level == protocol.LevelPersons {
		auth.say("Behandelaar en goedkeurder hebben zelf ondertekend (niveau persons).", "Handler and approver signed themselves (level persons).")
	} else {
		auth.say("Let op: behandelaar en goedkeurder hebben niet zelf ondertekend; alleen de centrale staat voor hen in (niveau centre). Dit beschermt niet tegen een centrale die kwaad wil.",
			"Note: handler and approver did not sign themselves; only the centre vouches for them (level centre). This does not withstand a hostile centre.")
	}
	v.intended(level)
}

// regime is the camera's, by its newest mandate in the bag; without one there is only the grant's own word.
func (v *verification) regime() protocol.Regime {
	regime, newest := v.grant.Regime, uint64(0)
	for _, m := range v.members {
		if !strings.HasPrefix(m.name, "orders/mandate-") {
			continue
		}
		s, err := protocol.ParseDocument(v.content(m.name, protocol.MaxDocument, &v.report.Integrity))
		mandate, ok := s.Document.(*protocol.Mandate)
		if err != nil || !ok || mandate.Camera != v.grant.Camera || mandateFile(mandate.Version) != m.name {
			v.report.Authorisation.fail(inFile(m.name), say("Dit is niet het mandaat van camera %s (%v).", "This is not the mandate of camera %s (%v).", v.grant.Camera, err))
			continue
		}
		if !v.accepted(s.Raw, nil) {
			v.report.Authorisation.unsure(inFile(m.name), say("Het journaal dat de recorder dit mandaat aannam, is niet bijgevoegd.", "The journal that the recorder accepted this mandate is not in the bag."))
		} else if mandate.Version >= newest {
			regime, newest = mandate.Regime, mandate.Version
		}
	}
	return regime
}

// accepted says whether the journal shows that the recorder accepted a document, and in which envelope.
func (v *verification) accepted(raw, envelope []byte) bool {
	return slices.ContainsFunc(v.ofKind(protocol.KindOrder), func(seq uint64) bool {
		var o protocol.Order
		return v.body(seq, &o) && o.Document == string(raw) && (envelope == nil || o.Envelope == protocol.HashOf(envelope))
	})
}

// enveloped checks the envelope in which the grant came: at level centre it is the only signature there is.
func (v *verification) enveloped(level protocol.Level) {
	auth := &v.report.Authorisation
	if v.byName[fileEnvelope] == nil {
		if level != protocol.LevelPersons && !v.accepted(v.signedGrant.Raw, nil) {
			auth.fail(inFile(fileGrant), say("Niemand heeft deze toestemming getekend: noch behandelaar en goedkeurder, noch de centrale.", "Nobody signed this grant: neither handler and approver, nor the centre."))
		} else if level != protocol.LevelPersons {
			auth.unsure(inFile(fileGrant), say("De handtekening van de centrale is niet bijgevoegd; alleen de recorder verklaart dat zij die zag.", "The centre's signature is not in the bag; only the recorder states that it saw it."))
		}
		return
	}
	raw := v.content(fileEnvelope, protocol.MaxDocument, auth)
	key, err := protocol.NewVerifier(v.roster.OrderKey)
	if err != nil || raw == nil {
		return // the roster's own check has read the key before
	}
	e, err := protocol.OpenEnvelope(raw, key)
	if err == nil && (e.Recorder != v.grant.Recorder || !bytes.Equal(e.Document, v.signedGrant.Raw)) {
		err = fmt.Errorf("for recorder %s, or with another document", e.Recorder)
	}
	if err != nil {
		auth.fail(inFile(fileEnvelope), say("Deze envelop brengt de toestemming niet: %v.", "This envelope does not carry the grant: %v.", err))
		return
	}
	auth.say("De centrale tekende de toestemming als opdracht %d aan de recorder.", "The centre signed the grant as order %d to the recorder.", e.Number)
}

// intended finds the release.intent of this grant, which must be there (invariants 9 and 13), and compares the two.
func (v *verification) intended(level protocol.Level) {
	auth, g := &v.report.Authorisation, v.grant
	found := false
	for _, seq := range v.ofKind(protocol.KindIntent) {
		var a protocol.Access
		if !v.body(seq, &a) {
			continue
		}
		where := inEntry(seq, "body")
		if a.Grant != g.GrantID() || a.Document != v.signedGrant.Hash() {
			auth.fail(where, say("Het journaal noemt een andere toestemming (%s, SHA-256 %s) dan die in de map (%s, %s).", "The journal cites another grant (%s, SHA-256 %s) than the one in the bag (%s, %s).", a.Grant, a.Document, g.ID, v.signedGrant.Hash()))
			continue
		}
		found = true
		if a.How != "release" || a.Request != g.Request || a.Camera != g.Camera || !a.Interval.Equal(g.Interval) || a.Person != g.Requester || a.Recipient != g.Recipient || a.Level != level {
			auth.fail(where, say("Het journaal zegt iets anders over deze verstrekking dan de toestemming: %s %s %s %s, niveau %s.", "The journal says something else of this release than the grant: %s %s %s %s, level %s.", a.How, a.Request, a.Camera, a.Interval, a.Level))
			continue
		}
		at := v.headers[seq].Time
		if err := g.Valid(at.Time); err != nil {
			auth.fail(where, say("De toestemming gold toen niet: %v.", "The grant was not in force then: %v.", err))
		}
		if err := v.roster.Current(at.Time); err != nil {
			auth.fail(inFile(fileRoster), say("Het rooster gold toen niet: %v.", "The roster was not in force then: %v.", err))
		}
		auth.say("Voordat de recorder iets las, schreef zij op %s in haar journaal (regel %d) dat zij dit ging doen.", "Before the recorder read anything, it wrote in its journal at %s (entry %d) that it would.", at, seq)
	}
	if !found && auth.State != Failed {
		auth.fail(inFile("proof/"), say("Er is geen journaalregel release.intent van deze toestemming.", "There is no journal entry release.intent of this grant."))
	}
}
