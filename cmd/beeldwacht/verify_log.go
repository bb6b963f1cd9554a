package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/access"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

// logReport is what -json prints for a log, and the three verdicts on one entry.
type logReport struct {
	Kind          string              `json:"kind"`
	File          string              `json:"file"`
	State         evidence.State      `json:"state"`
	Origin        string              `json:"origin"`
	Entries       uint64              `json:"entries"`   // read and sound, up to the first fault
	Destroyed     uint64              `json:"destroyed"` // of those, bodies gone at the end of their term
	Uncovered     uint64              `json:"uncovered"` // of those, not under the checkpoint
	Covered       uint64              `json:"covered"`   // size of the checkpoint
	Root          string              `json:"root,omitempty"`
	Cosigned      []evidence.Cosigned `json:"cosigned,omitempty"`
	Witnessed     *logWitnessed       `json:"witnessed,omitempty"` // since when; absent: no quorum has cosigned these entries
	SelfWitnessed bool                `json:"selfWitnessed"`
	SecureFrom    *uint64             `json:"secureFrom,omitempty"` // from this entry on the log is forward secure; absent: not, or no witness has seen where that began
	Sealed        uint64              `json:"sealed"`               // entries under the newest seal
	SealedAt      *protocol.Time      `json:"sealedAt,omitempty"`   // when that was made
	Breaks        int                 `json:"breaks"`               // times that the key of an epoch was lost before its seal
	Resumed       []access.Resumption `json:"resumed,omitempty"`    // where the log went on as its own successor
	Day           *logDay             `json:"day,omitempty"`
	Fault         *logFault           `json:"fault,omitempty"`
	Accesses      []access.Access     `json:"accesses,omitempty"` // of the day, where one was asked for; otherwise those that are not in order

	Integrity     evidence.Verdict `json:"integrity"`     // are these the entries that were written, all of them?
	Time          evidence.Verdict `json:"time"`          // since when is that certain?
	Authorisation evidence.Verdict `json:"authorisation"` // was each access to footage allowed?

	found chain.Verdict
}

// logWitnessed is the first checkpoint shown that a quorum cosigned.
type logWitnessed struct {
	From  uint64        `json:"from"`  // the first entry behind it
	Since protocol.Time `json:"since"` // when the quorum was complete
	By    []string      `json:"by"`
}

type logFault struct {
	Entry *uint64 `json:"entry,omitempty"` // absent where it is the checkpoint that is wrong
	Line  uint64  `json:"line,omitempty"`
	What  string  `json:"what"`
}

// logDay is where the entries of a day stand.
type logDay struct {
	Interval protocol.Interval `json:"interval"`
	From     uint64            `json:"from"`
	Entries  uint64            `json:"entries"`
}

func (v *verifier) log(r io.Reader) error {
	l, err := v.examine(r)
	if err != nil {
		return err
	}
	if v.json {
		err = v.object(l)
	} else {
		err = v.tellLog(l)
	}
	if err != nil {
		return err
	}
	return v.exit(l.State)
}

// examine reads a log to its end and judges it; its error is a log that could not be read.
func (v *verifier) examine(r io.Reader) (*logReport, error) {
	if v.keys.log == nil {
		return nil, unexamined("a log is judged by its key: the keys file has no log line")
	}
	l := &logReport{Kind: "log", File: v.name, Origin: v.keys.origin}
	accesses := access.NewAccount(v.keys.roots)
	judge := chain.Verifier{Origin: v.keys.origin, Log: v.keys.log, Witnesses: v.keys.witnesses, Quorum: v.keys.quorum, Progress: v.meter.entries, Kinds: access.Kinds}
	judge.Each = func(_ chain.Head, e chain.Entry) {
		if h, err := chain.ParseHeader(e.Header); err == nil { // it was sound a moment ago
			accesses.Read(h, e.Body)
		}
	}
	if v.day != nil {
		l.Day = &logDay{Interval: *v.day}
		read := judge.Each
		judge.Kinds = nil // all: the times of a day's entries are in their headers
		judge.Each = func(before chain.Head, e chain.Entry) {
			l.Day.count(before, e)
			read(before, e)
		}
	}
	source := &stoppableReader{ctx: v.ctx, r: r}
	verdict, err := chain.Verify(source, judge)
	v.meter.clear()
	if source.err != nil {
		return nil, unexamined("%s: %v", v.name, source.err)
	}
	l.found = verdict
	if verdict.Checkpoint != nil {
		l.Origin = verdict.Checkpoint.Origin // a successor's name
	}
	l.judgeIntegrity(verdict, err)
	l.judgeTime(verdict, v.keys)
	l.judgeAuthorisation(accesses)
	l.State = worst(l.verdicts())
	return l, nil
}

func (d *logDay) count(before chain.Head, e chain.Entry) {
	h, err := chain.ParseHeader(e.Header)
	if err != nil || !d.Interval.Has(h.Time.Time) {
		return
	}
	if d.Entries == 0 {
		d.From = before.Size
	}
	d.Entries++
}

func (l *logReport) verdicts() []evidence.Named {
	return (&evidence.Report{Integrity: l.Integrity, Time: l.Time, Authorisation: l.Authorisation}).Verdicts()
}

func worst(verdicts []evidence.Named) evidence.State {
	state := evidence.OK
	for _, v := range verdicts {
		if v.State == evidence.Failed || state == evidence.OK {
			state = v.State
		}
	}
	return state
}

// until is the entry behind the last that is judged, and whether any is.
func (l *logReport) until() (uint64, bool) {
	if l.Day == nil {
		return l.Entries, true
	}
	return l.Day.From + l.Day.Entries, l.Day.Entries > 0
}

// judgeIntegrity: are these the entries that were written, all of them?
func (l *logReport) judgeIntegrity(d chain.Verdict, err error) {
	l.Entries, l.Destroyed, l.Uncovered, l.Sealed = d.Entries, d.Destroyed, d.Uncovered, d.Epochs.Sealed
	j := judgement{&l.Integrity}
	j.begin()
	switch until, any := l.until(); {
	case d.Fault != nil && l.Day != nil && any && d.Fault.Seq-d.Fault.Before >= until:
		l.Fault = &logFault{&d.Fault.Seq, d.Fault.Line, d.Fault.What}
		j.unsure(atEntry(d.Fault.Seq), "Deze dag is in zichzelf heel, maar daarachter klopt regel %d (tekstregel %d) niet: %s. Dat de getuigen deze dag zo gezien hebben, is daarom niet aangetoond.", "This day is whole in itself, but behind it entry %d (text line %d) is wrong: %s. So it is not shown that the witnesses saw this day as it stands here.", d.Fault.Seq, d.Fault.Line, d.Fault.What)
	case d.Fault != nil:
		l.Fault = &logFault{&d.Fault.Seq, d.Fault.Line, d.Fault.What}
		j.fail(evidence.Finding{}, "Regel %d van het journaal (tekstregel %d) is de eerste die niet klopt: %s.", "Entry %d of the log (text line %d) is the first that is wrong: %s.", d.Fault.Seq, d.Fault.Line, d.Fault.What)
	case err != nil:
		l.Fault = &logFault{What: err.Error()}
		j.fail(evidence.Finding{}, "Het checkpoint klopt niet: %v.", "The checkpoint is wrong: %v.", err)
	}
	j.say("%d regels gelezen die aan elkaar sluiten.", "%d entries read that are chained soundly.", d.Entries)
	if l.Day != nil && l.Day.Entries > 0 {
		j.say("Van deze dag zijn het de regels %d tot en met %d.", "Of this day they are entries %d to %d.", l.Day.From, l.Day.From+l.Day.Entries-1)
	} else if l.Day != nil {
		j.unsure(evidence.Finding{}, "Van deze dag staat er geen regel in het journaal.", "There is no entry of this day in the log.")
	}
	if d.Destroyed > 0 && d.Fault == nil { // otherwise one may be missing for another reason
		j.say("Van %d regels is de inhoud vernietigd omdat de bewaartermijn voorbij was; dat ze er waren, staat vast.", "Of %d entries the body was destroyed since its term was over; that they were there is certain.", d.Destroyed)
	}
	if d.Unsaid > 0 && d.Fault == nil {
		j.say("Van %d zegt het logboek dat niet zelf.", "Of %d the log does not say so itself.", d.Unsaid)
	}
	if d.Doubted && d.Fault == nil {
		j.unsure(evidence.Finding{}, "Dat van al die regels de bewaartermijn voorbij was, zegt alleen een getuige die meetekende toen er al lang geen regel meer bij kwam.", "That the term of all these was over is said only by a witness that cosigned when no entry had been added for long.")
	}
	if l.Breaks = len(d.Breaks); l.Sealed > 0 {
		l.SealedAt = &d.Epochs.SealedAt
	}
	for _, b := range d.Breaks {
		if slices.ContainsFunc(d.Resumed, func(r chain.Resumption) bool { return r.Seq+1 == b.Seq }) {
			j.unsure(atEntry(b.Seq), "Hier begon de verzegeling opnieuw, omdat het logboek werd hervat. Wat daarvoor staat vanaf regel %d was nog niet verzegeld: dat er niet meer stond, is hier niet aangetoond. De getuige heeft het vorige logboek nog; controleer ook dat.",
				"Sealing began anew here, since the log was resumed. What stands before it from entry %d on was not sealed yet: that no more stood there is not shown here. The witness still has the log before it; check that as well.", b.From)
			continue
		}
		j.unsure(atEntry(b.Seq), "Deze regel zegt dat de sleutel voor de verzegeling er niet meer was (%s). Wat ervoor staat vanaf regel %d is niet aangetoond, en er kan meer gestaan hebben.",
			"This entry says that the key for the seal was gone (%s). What stands before it from entry %d on is not shown, and more may have stood there.", b.Why, b.From)
	}
	if e := d.Epochs; e.Key != "" && d.Quorum && d.Matches && e.First < d.Checkpoint.Size && e.Sealed > 0 {
		l.SecureFrom = &e.First
		j.say("Vanaf regel %d is elk uur verzegeld met een sleutel die daarna is vernietigd; het laatst op %s, de eerste %d regels.", "From entry %d on each hour is sealed with a key that was then destroyed; last at %s, the first %d entries.", e.First, e.SealedAt, e.Sealed)
	}
	until, any := l.until()
	signed, absent := tail(d)
	switch {
	case d.Checkpoint == nil && err == nil:
		j.unsure(evidence.Finding{}, "Er is geen checkpoint: dat er niets af is, is niet aangetoond.", "There is no checkpoint: that nothing is missing is not shown.")
	case d.Checkpoint == nil || d.Fault != nil || !any || until <= d.Checkpoint.Size:
	case d.Checkpoint.Size > 0 && until <= signed:
		from := d.Checkpoint.Size
		if l.Day != nil {
			from = max(from, l.Day.From)
		}
		j.unsure(evidence.Finding{}, "Genoeg getuigen bevestigden de regels tot en met %d, de laatste van %s. De regels vanaf %d zijn wel getekend, maar nog niet bevestigd door %s: dat die zo blijven, is niet aangetoond. Haal het logboek later opnieuw op; blijft het zo, vraag dan wie die getuige beheert of hij aanstaat.",
			"Enough witnesses confirmed the entries up to %d, the last of %s. Those from %d on are signed, but not yet confirmed by %s: that they stay as they are is not shown. Fetch the log again later; if it stays so, ask whoever runs that witness whether it is switched on.",
			d.Checkpoint.Size-1, d.CoveredTime, from, strings.Join(absent, ", "))
	case l.Day != nil:
		j.unsure(evidence.Finding{}, "Van deze dag vallen de regels vanaf %d nog niet onder een checkpoint.", "Of this day the entries from %d on are not yet under a checkpoint.", max(d.Checkpoint.Size, l.Day.From))
	default:
		j.unsure(evidence.Finding{}, "De laatste %d regels vallen nog niet onder een checkpoint.", "The last %d entries are not yet under a checkpoint.", d.Uncovered)
	}
}

// tail is how many entries the largest checkpoint covers that the entries give, and which of the witnesses of the one that counts have not cosigned it.
func tail(d chain.Verdict) (signed uint64, absent []string) {
	for _, w := range d.Witnesses {
		if !w.Matches {
			continue
		}
		signed, absent = w.Checkpoint.Size, nil
		for _, c := range d.Cosignatures {
			if !slices.ContainsFunc(w.Cosignatures, func(o chain.Cosignature) bool { return o.Name == c.Name }) {
				absent = append(absent, c.Name)
			}
		}
	}
	return signed, absent
}

// judgeTime: since when is that certain?
func (l *logReport) judgeTime(d chain.Verdict, k keys) {
	j := judgement{&l.Time}
	j.begin()
	if d.Checkpoint == nil {
		j.unsure(evidence.Finding{}, "Zonder checkpoint is er geen bewijs van tijd.", "Without a checkpoint there is no proof of time.")
		return
	}
	l.Covered, l.Root = d.Checkpoint.Size, d.Checkpoint.Root.String()
	var cosigned []string
	for _, c := range d.Cosignatures {
		cosigned = append(cosigned, c.Name)
		l.Cosigned = append(l.Cosigned, evidence.Cosigned{Witness: c.Name, Time: protocol.T(c.Time)})
		j.say("Getuige %s bevestigde op %s de eerste %d regels.", "Witness %s confirmed at %s the first %d entries.", c.Name, protocol.T(c.Time), d.Checkpoint.Size)
	}
	newest := map[string]uint64{}
	for _, w := range d.Witnesses {
		l.holdAgainst(j, w)
		for _, c := range w.Cosignatures {
			newest[c.Name] = w.Checkpoint.Size
		}
	}
	for _, w := range d.Witnesses {
		for _, c := range w.Cosignatures {
			if !slices.Contains(cosigned, c.Name) && newest[c.Name] == w.Checkpoint.Size {
				j.say("Getuige %s bevestigde het laatst op %s, en toen de eerste %d regels.", "Witness %s confirmed last at %s, and the first %d entries then.", c.Name, protocol.T(c.Time), w.Checkpoint.Size)
			}
		}
	}
	l.judgeSince(j, d, k)
	first, _ := protocol.ParseLogOrigin(l.Origin)
	if _, municipality, ok := strings.Cut(strings.TrimSuffix(first, "/beeldwacht"), "."); ok && len(cosigned) > 0 && evidence.SelfWitnessed(municipality, cosigned) {
		l.SelfWitnessed = true
		j.say("Let op: alleen de centrale van de gemeente zelf was getuige.", "Note: self-witnessed. Only the municipality's own centre was a witness.")
	}
	if !d.Quorum {
		j.unsure(evidence.Finding{}, "%d van de opgegeven getuigen tekenden mee; nodig zijn er %d.", "%d of the witnesses given cosigned; %d are needed.", len(cosigned), max(k.quorum, 1))
	}
	if d.Fault != nil {
		j.unsure(evidence.Finding{}, "Wat de getuigen bevestigden, is niet wat hier staat.", "What the witnesses confirmed is not what stands here.")
	}
}

// holdAgainst says what is wrong with the cosignatures under one checkpoint.
func (l *logReport) holdAgainst(j judgement, w chain.Witnessed) {
	for _, name := range w.Forged {
		j.fail(evidence.Finding{}, "Onder het checkpoint van %d regels staat een handtekening op naam van getuige %s die niet met diens sleutel gezet is, of niet onder dit checkpoint.",
			"Under the checkpoint of %d entries there is a signature in the name of witness %s that was not made with its key, or not under this checkpoint.", w.Checkpoint.Size, name)
	}
	for _, c := range w.Cosignatures {
		if l.found.TooLate(w, c) {
			j.unsure(atEntry(w.Checkpoint.Size-1), "Getuige %s tekende mee op %s, maar de laatste regel van het journaal is van %s, en elk uur moet er een zegel bij komen: een van beide klokken is fout, of het logboek stond stil.",
				"Witness %s cosigned at %s, but the log's last entry is of %s, and every hour must add a seal: one of the two clocks is wrong, or the log stood still.", c.Name, protocol.T(c.Time), l.found.Head.Time)
		}
		if ahead := w.CoveredTime.Sub(c.Time); w.Matches && ahead > clocksApart {
			j.fail(atEntry(w.Checkpoint.Size-1), "De recorder schreef deze regel om %s, maar getuige %s tekende haar al om %s mee: de klokken lopen %s uiteen.",
				"The recorder wrote this entry at %s, but witness %s cosigned it at %s already: the clocks are %s apart.", w.CoveredTime, c.Name, protocol.T(c.Time), ahead.Round(time.Second))
		}
	}
}

// judgeSince: since when did somebody else see the log grow? What came before could have been made anew until then.
func (l *logReport) judgeSince(j judgement, d chain.Verdict, k keys) {
	i := slices.IndexFunc(d.Witnesses, func(w chain.Witnessed) bool { return w.Matches && w.Quorum })
	if i < 0 || d.Fault != nil {
		return
	}
	w := d.Witnesses[i]
	l.Witnessed = &logWitnessed{From: w.Checkpoint.Size}
	var at []time.Time
	for _, c := range w.Cosignatures {
		at, l.Witnessed.By = append(at, c.Time), append(l.Witnessed.By, c.Name)
	}
	slices.SortFunc(at, time.Time.Compare)
	l.Witnessed.Since = protocol.T(at[k.quorum-1])
	j.say("Getuigd vanaf regel %d: de eerste bevestiging die hier getoond wordt is van %s, door %s. Wat daarvoor staat, stond er toen; dat het niet tot dat moment opnieuw gemaakt is, is hier niet aangetoond.",
		"Witnessed from entry %d on: the first confirmation that is shown here is of %s, by %s. What stands before it stood there then; that it was not made anew until that moment is not shown here.",
		l.Witnessed.From, l.Witnessed.Since, strings.Join(l.Witnessed.By, ", "))
}

// clocksApart is how far two honest clocks may differ.
const clocksApart = time.Minute

// judgeAuthorisation: was each access to footage allowed?
func (l *logReport) judgeAuthorisation(a *access.Account) {
	j := judgement{&l.Authorisation}
	j.begin()
	l.Resumed = a.Resumed
	for _, r := range a.Resumed {
		switch at := atEntry(r.Entry); {
		case r.Wrong != nil:
			j.fail(at, "Het logboek werd hier voortgezet als logboek %d, zonder geldige opdracht. %s", "Here the log went on as log %d, without a valid order. %s", r.Log, *r.Wrong)
		case r.Unsure != nil:
			j.unsure(at, "Het logboek werd hier voortgezet als logboek %d. %s", "Here the log went on as log %d. %s", r.Log, *r.Unsure)
		default:
			nl, en := ", die de opdracht zelf ondertekende", ", who signed the order personally"
			if r.Level != protocol.LevelPersons {
				nl, en = " (de centrale stond ervoor in; de functionaris tekende niet zelf)", " (the centre vouched for it; the officer did not sign)"
			}
			j.say("Regel %d: het logboek liep achter bij zijn getuigen en werd op %s voortgezet als logboek %d, in opdracht van functionaris %s"+nl+". Wat het toen kwijt was, ligt bij de getuige.",
				"Entry %d: the log was behind its witnesses and went on at %s as log %d, by order of privacy officer %s"+en+". What it had lost then is with the witness.", r.Entry, r.At, r.Log, r.Officer)
		}
	}
	allowed := 0
	for _, x := range a.Accesses {
		switch {
		case l.Day != nil && !l.Day.Interval.Has(x.At.Time):
			continue
		case x.Wrong != nil:
			j.fail(atEntry(x.Entry), "Inzage (%s) van camera %s om %s zonder geldige toestemming. %s", "Access (%s) to camera %s at %s without a valid grant. %s", x.How, x.Camera, x.At, *x.Wrong)
		case x.Unsure != nil && x.How == "": // its body is gone
			j.unsure(atEntry(x.Entry), "Inzage om %s. %s", "Access at %s. %s", x.At, *x.Unsure)
		case x.Unsure != nil:
			j.unsure(atEntry(x.Entry), "Inzage (%s) van camera %s om %s. %s", "Access (%s) to camera %s at %s. %s", x.How, x.Camera, x.At, *x.Unsure)
		default:
			allowed++
			if l.Day == nil {
				continue
			}
			j.say("Regel %d: inzage (%s) van camera %s om %s door %s, onder toestemming %s (regel %d).", "Entry %d: access (%s) to camera %s at %s by %s, under grant %s (entry %d).", x.Entry, x.How, x.Camera, x.At, x.Person, x.Grant, x.Accepted)
		}
		l.Accesses = append(l.Accesses, x)
	}
	switch {
	case allowed > 0:
		j.say("Van %d keer inzage staat de geldige toestemming in hetzelfde journaal.", "Of %d accesses the valid grant stands in the same log.", allowed)
	case strings.HasPrefix(l.Origin, "ledger."):
		j.say("Dit is het logboek van de centrale; inzage van beelden staat in de journalen van de recorders.", "This is the centre's ledger; access to footage stands in the recorders' logs.")
	case len(l.Accesses) == 0:
		j.say("Er is geen inzage van beelden vastgelegd.", "No access to footage was journalled.")
	}
	switch {
	case l.Fault != nil && l.Fault.Entry == nil:
		j.unsure(evidence.Finding{}, "Omdat het checkpoint niet klopt, staat niet vast welke regels er waren.", "Since the checkpoint is wrong, it is not certain which entries there were.")
	case l.Fault != nil:
		j.unsure(evidence.Finding{}, "Achter de eerste fout is niet verder gekeken.", "Nothing behind the first fault was looked at.")
	}
}

// judgement is a verdict in the making. Arguments that are sentences in two languages are said in each.
type judgement struct{ *evidence.Verdict }

func (j judgement) begin() { j.State = evidence.OK }

func (j judgement) text(nl, en string, args []any) evidence.Text {
	dutch, english := make([]any, len(args)), make([]any, len(args))
	for i, a := range args {
		dutch[i], english[i] = a, a
		if w, ok := a.(access.Words); ok {
			dutch[i], english[i] = w.NL, w.EN
		}
	}
	return evidence.Text{NL: fmt.Sprintf(nl, dutch...), EN: fmt.Sprintf(en, english...)}
}

func (j judgement) say(nl, en string, args ...any) {
	j.Sentences = append(j.Sentences, j.text(nl, en, args))
}

func (j judgement) fail(where evidence.Finding, nl, en string, args ...any) {
	j.Find(evidence.Failed, where, j.text(nl, en, args))
}

func (j judgement) unsure(where evidence.Finding, nl, en string, args ...any) {
	j.Find(evidence.NotShown, where, j.text(nl, en, args))
}

func atEntry(seq uint64) evidence.Finding { return evidence.Finding{Entry: &seq} }

func (v *verifier) tellLog(l *logReport) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n", l.Origin, v.name, v.word(l.State.Words()))
	v.tellVerdicts(&b, l.verdicts())
	_, err := io.WriteString(v.out, b.String())
	return err
}
