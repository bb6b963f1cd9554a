package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Trust is what a bag is judged by. Everything else follows from it.
type Trust struct {
	Roots protocol.Roots // the pinned offline root keys, got from elsewhere than the bag
}

const (
	maxTable = 64 << 20 // of a segments.tsv or manifest: years of footage
	maxText  = 4 << 20  // of any other text
	maxInit  = 1 << 20
)

// verification is one bag being judged.
type verification struct {
	*container
	report *Report
	trust  Trust

	signedRoster protocol.Signed
	roster       *protocol.Roster // nil until the roots vouch for it
	claimed      *protocol.Roster // what the bag says, vouched for or not; nil if unreadable
	signedGrant  protocol.Signed
	grant        *protocol.Grant // nil if unreadable
	checkpoint   chain.Checkpoint
	note         []byte
	vouched      bool // the recorder's key signed it

	headers map[uint64]chain.Header // of entries that are proven to be in the log of the checkpoint
	bodies  map[uint64][]byte
	seqs    []uint64 // of them, rising

	segments []placed
	gaps     []protocol.Gap
	info     info
}

// Verify judges a bag from the roots alone; it needs no network and writes nothing. progress, if not nil, is told how many bytes of the footage
// have been read. The error is only for a bag that could not be read (a disk that fails), never for one that is wrong: that is in the Report.
func Verify(r io.ReaderAt, size int64, trust Trust, progress func(done, total int64)) (Report, error) {
	report := Report{Integrity: Verdict{State: OK}, Time: Verdict{State: OK}, Authorisation: Verdict{State: OK}}
	if len(trust.Roots) < protocol.RootThreshold {
		return report, fmt.Errorf("verify bag: %d root keys given, needs at least %d of those pinned at enrolment", len(trust.Roots), protocol.RootThreshold)
	}
	source := &faults{r: r}
	v := &verification{report: &report, trust: trust, headers: map[uint64]chain.Header{}, bodies: map[uint64][]byte{}}
	if v.container = openContainer(source, size, &report.Integrity); v.container == nil {
		nothing := say("De zip is niet te lezen, dus dit is niet nagegaan.", "The zip cannot be read, so this was not examined.")
		report.Time.unsure(inFile("(zip)"), nothing)
		report.Authorisation.unsure(inFile("(zip)"), nothing)
		return report, source.err
	}
	v.orders()
	v.readCheckpoint()
	v.entries()
	v.tables()
	if err := v.contents(progress); err != nil {
		if source.err != nil {
			return report, source.err
		}
		report.Integrity.fail(inFile("(zip)"), say("De zip is niet helemaal te lezen: %v.", "The zip cannot be read whole: %v.", err))
	}
	v.resumed()
	v.minutes()
	v.runs()
	v.complete()
	v.held()
	v.bagInfo()
	v.times()
	v.authorisation()
	report.Segments = len(v.segments)
	if report.Integrity.State != Failed && v.vouched && len(v.segments) > 0 {
		report.Integrity.say("Elk beeldfragment is precies wat de recorder heeft opgenomen en vastgelegd.", "Every segment is exactly what the recorder recorded and journalled.")
	}
	return report, source.err
}

// faults remembers a reader's failure, which says nothing about the bag.
type faults struct {
	r   io.ReaderAt
	err error
}

func (f *faults) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.r.ReadAt(p, at)
	if err != nil && !errors.Is(err, io.EOF) && f.err == nil {
		f.err = fmt.Errorf("read the bag at byte %d: %w", at, err)
	}
	return n, err
}

// orders reads roster and grant. Findings about whether they count are authorisation's.
func (v *verification) orders() {
	integrity, auth := &v.report.Integrity, &v.report.Authorisation
	if raw := v.content(fileRoster, protocol.MaxDocument, integrity); raw != nil {
		roster, err := protocol.OpenRoster(raw, v.trust.Roots)
		if err != nil {
			auth.fail(inFile(fileRoster), say("Het rooster is niet ondertekend met de hoofdsleutels die u opgaf: %v.", "The roster is not signed by the root keys you gave: %v.", err))
		}
		v.roster = roster
		if v.signedRoster, err = protocol.ParseDocument(raw); err == nil {
			v.claimed, _ = v.signedRoster.Document.(*protocol.Roster)
		}
	} else {
		auth.unsure(inFile(fileRoster), say("Zonder rooster is niet na te gaan wie mocht tekenen.", "Without a roster it cannot be known who might sign."))
	}
	if raw := v.content(fileGrant, protocol.MaxDocument, integrity); raw != nil {
		var err error
		if v.signedGrant, err = protocol.ParseDocument(raw); err != nil {
			auth.fail(inFile(fileGrant), say("De toestemming is niet te lezen: %v.", "The grant cannot be read: %v.", err))
		}
		if v.grant, _ = v.signedGrant.Document.(*protocol.Grant); v.grant == nil && err == nil {
			auth.fail(inFile(fileGrant), say("Dit is geen toestemming.", "This is not a grant."))
		}
	} else {
		auth.fail(inFile(fileGrant), say("Er is geen toestemming in de map.", "There is no grant in the bag."))
	}
	if v.claimed != nil {
		v.report.Municipality = v.claimed.Municipality
	}
	if g := v.grant; g != nil {
		v.report.Grant, v.report.Request, v.report.Recorder, v.report.Camera, v.report.Interval = g.GrantID(), g.Request, g.Recorder, g.Camera, g.Interval.String()
		if v.base != string(g.ID) {
			integrity.fail(inFile("(zip)"), say("De map heet %s, maar de toestemming %s.", "The folder is named %s, but the grant %s.", v.base, g.ID))
		}
	}
}

// readCheckpoint opens the checkpoint with the keys on the roster.
func (v *verification) readCheckpoint() {
	integrity, when := &v.report.Integrity, &v.report.Time
	if v.note = v.content(fileCheckpoint, chain.MaxCheckpoint, integrity); v.note == nil {
		when.fail(inFile(fileCheckpoint), say("Zonder checkpoint is er geen bewijs van tijd.", "Without a checkpoint there is no proof of time."))
		return
	}
	var err error
	if v.checkpoint, err = unverifiedCheckpoint(v.note); err != nil {
		integrity.fail(inFile(fileCheckpoint), say("Het checkpoint is niet te lezen: %v.", "The checkpoint cannot be read: %v.", err))
		when.fail(inFile(fileCheckpoint), say("Het checkpoint is niet te lezen.", "The checkpoint cannot be read."))
		return
	}
	if v.roster == nil {
		unknown := say("De handtekening van de recorder is niet na te gaan: het rooster dat haar sleutel noemt, is niet te vertrouwen.", "The recorder's signature cannot be checked: the roster that names its key is not to be trusted.")
		integrity.unsure(inFile(fileCheckpoint), unknown)
		when.unsure(inFile(fileCheckpoint), unknown)
		return
	}
	origin := protocol.Origin(v.roster.Recorder, v.roster.Municipality)
	log, err := protocol.NewVerifier(v.roster.RecorderKey)
	if err != nil { // the roster's own check has read it before
		integrity.fail(inFile(fileRoster), say("De sleutel van de recorder op het rooster deugt niet: %v.", "The recorder's key on the roster is no good: %v.", err))
		return
	}
	var witnesses []note.Verifier
	for _, key := range v.roster.Witnesses {
		w, err := chain.WitnessVerifier(key)
		if err != nil {
			when.unsure(inFile(fileRoster), say("De sleutel van een getuige op het rooster deugt niet: %v.", "A witness's key on the roster is no good: %v.", err))
			continue
		}
		witnesses = append(witnesses, w)
	}
	_, cosigned, err := chain.OpenSuccessor(v.note, origin, log, witnesses...)
	if err != nil {
		integrity.fail(inFile(fileCheckpoint), say("Het checkpoint is niet door recorder %s ondertekend: %v.", "The checkpoint is not signed by recorder %s: %v.", v.roster.Recorder, err))
		when.fail(inFile(fileCheckpoint), say("Het checkpoint is niet door de recorder ondertekend.", "The checkpoint is not signed by the recorder."))
		return
	}
	v.vouched = true
	for _, c := range cosigned {
		v.report.Cosigned = append(v.report.Cosigned, Cosigned{c.Name, protocol.T(c.Time)})
	}
}

// entries reads the journal entries in proof/ and keeps those that are in the checkpoint's log.
func (v *verification) entries() {
	integrity := &v.report.Integrity
	seqs := map[uint64]bool{}
	for _, m := range v.members {
		var seq uint64
		var part string
		if _, err := fmt.Sscanf(strings.Replace(m.name, ".", " ", 1), "proof/%d %s", &seq, &part); err == nil && belongs(m.name) {
			seqs[seq] = true
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(seqs)) {
		header := v.content(entryFile(seq, "header"), chain.MaxHeader, integrity)
		body := v.content(entryFile(seq, "body"), chain.MaxBody, integrity)
		file := v.content(entryFile(seq, "tlog-proof"), maxText, integrity)
		if header == nil || body == nil || file == nil {
			continue
		}
		h, err := chain.ParseHeader(header)
		if err != nil || h.Seq != seq {
			integrity.fail(inEntry(seq, "header"), say("Dit is niet de kop van journaalregel %d (%v).", "This is not the header of journal entry %d (%v).", seq, err))
			continue
		}
		if !h.Holds(body) {
			integrity.fail(inEntry(seq, "body"), say("De inhoud van deze journaalregel is niet die waarvan de kop de SHA-256 noemt.", "The body of this journal entry is not the one whose SHA-256 its header names."))
			continue
		}
		p, err := chain.ParseProof(file)
		switch {
		case err != nil:
			integrity.fail(inEntry(seq, "tlog-proof"), say("Het bewijs is niet te lezen: %v.", "The proof cannot be read: %v.", err))
			continue
		case p.Seq != seq || !bytes.Equal(p.Checkpoint, v.note):
			integrity.fail(inEntry(seq, "tlog-proof"), say("Dit bewijs is van een andere regel of van een ander checkpoint.", "This proof is of another entry or another checkpoint."))
			continue
		}
		if err := chain.CheckInclusion(p.Hashes, v.checkpoint.Size, v.checkpoint.Root, seq, header); err != nil {
			integrity.fail(inEntry(seq, "tlog-proof"), say("Deze regel staat niet in het journaal van het checkpoint: %v.", "This entry is not in the journal of the checkpoint: %v.", err))
			continue
		}
		v.headers[seq], v.bodies[seq] = h, body
		v.seqs = append(v.seqs, seq)
	}
}

// body reads a proven entry's facts.
func (v *verification) body(seq uint64, facts any) bool {
	if err := chain.ParseBody(v.bodies[seq], facts); err != nil {
		v.report.Integrity.unsure(inEntry(seq, "body"), say("Deze versie van het programma begrijpt deze journaalregel niet: %v.", "This version of the tool does not understand this journal entry: %v.", err))
		return false
	}
	return true
}

// ofKind is the proven entries of a kind, in order.
func (v *verification) ofKind(kinds ...string) []uint64 {
	return slices.DeleteFunc(slices.Clone(v.seqs), func(seq uint64) bool { return !slices.Contains(kinds, v.headers[seq].Kind) })
}

// tables reads every segments.tsv and gaps.tsv.
func (v *verification) tables() {
	integrity := &v.report.Integrity
	seen := map[string]string{}
	for _, m := range v.members {
		switch {
		case strings.HasSuffix(m.name, "/"+nameSegments):
			text := v.content(m.name, maxTable, integrity)
			if text == nil {
				continue
			}
			lines, err := parseSegments(text)
			if err != nil {
				integrity.fail(inFile(m.name), say("Niet te lezen: %v.", "Cannot be read: %v.", err))
				continue
			}
			for i, p := range lines {
				id := fmt.Sprintf("%s %s %d", p.Stream, p.Run, p.N)
				switch {
				case runFolder(p.SegmentLine)+nameSegments != m.name:
					integrity.fail(inFile(m.name), say("Regel %d is van camera %s, opname %s.", "Line %d is of camera %s, run %s.", i+2, p.Camera, p.Run))
				case seen[id] != "":
					integrity.fail(inFile(m.name), say("Segment %s staat er twee keer.", "Segment %s is there twice.", id))
				default:
					seen[id] = m.name
					v.segments = append(v.segments, p)
				}
			}
		case strings.HasSuffix(m.name, "/"+nameGaps):
			text := v.content(m.name, maxText, integrity)
			gaps, err := parseGaps(text)
			if text != nil && err != nil {
				integrity.fail(inFile(m.name), say("Niet te lezen: %v.", "Cannot be read: %v.", err))
			}
			v.gaps = append(v.gaps, gaps...)
		}
	}
}

// contents reads every byte once: the segments against their hashes, the files against the manifests and the zip's checksums.
func (v *verification) contents(progress func(done, total int64)) error {
	integrity := &v.report.Integrity
	films := map[string][]placed{}
	for _, p := range v.segments {
		name := runFolder(p.SegmentLine) + p.File
		films[name] = append(films[name], p)
	}
	for _, name := range slices.Sorted(maps.Keys(films)) {
		if v.byName[name] == nil {
			integrity.fail(inFile(name), say("Deze film ontbreekt; %d segmenten zouden erin staan.", "This film is missing; %d segments should be in it.", len(films[name])))
		}
	}
	var done, total int64
	for _, m := range v.members {
		total += m.size
	}
	read := func(n int) {
		if done += int64(n); progress != nil {
			progress(done, total)
		}
	}
	for _, m := range v.members {
		var cuts []*cut
		segments := films[m.name]
		slices.SortFunc(segments, func(a, b placed) int { return int(min(max(a.Offset-b.Offset, -1), 1)) })
		at := int64(-1)
		for i, p := range segments {
			if at >= 0 && p.Offset != at || p.Offset+p.Size < p.Offset || p.Offset+p.Size > m.size || i > 0 && p.N != segments[i-1].N+1 {
				integrity.fail(inSegment(p), say("Volgens segments.tsv begint dit segment bij byte %d en is het %d bytes: dat sluit niet aan.", "By segments.tsv this segment starts at byte %d and has %d bytes: that does not fit.", p.Offset, p.Size))
				segments = segments[:i]
				break
			}
			at = p.Offset + p.Size
			cuts = append(cuts, &cut{from: p.Offset, to: at})
		}
		if at >= 0 && at != m.size && len(segments) == len(films[m.name]) {
			integrity.fail(inFile(m.name).at(at), say("Hierna staan bytes die bij geen segment horen.", "Bytes follow that belong to no segment."))
		}
		if err := v.hash(m, cuts, read); err != nil {
			return err
		}
		for i, p := range segments {
			if got := cuts[i].sum; got != p.SHA256 {
				integrity.fail(inSegment(p), say("Dit segment (%s tot %s) is veranderd: SHA-256 is %s, vastgelegd is %s.", "This segment (%s to %s) was changed: its SHA-256 is %s, journalled is %s.", p.Start, p.End, got, p.SHA256))
			}
		}
		if len(segments) > 0 {
			v.filmStart(m, segments[0])
		} else if strings.HasSuffix(m.name, ".mp4") && !strings.HasSuffix(m.name, "/"+nameInit) {
			integrity.fail(inFile(m.name), say("Geen enkel segment in segments.tsv hoort bij deze film.", "No segment in segments.tsv belongs to this film."))
		}
	}
	v.manifests()
	return nil
}

// filmStart checks the bytes before the first segment, which the journal does not hold by themselves: they follow from init.mp4 and that segment.
func (v *verification) filmStart(m *member, first placed) {
	integrity := &v.report.Integrity
	original := v.content(runFolder(first.SegmentLine)+nameInit, maxInit, integrity)
	if original == nil {
		return
	}
	want := original
	if first.N > 0 {
		head := make([]byte, min(first.Size, firstBytes))
		if _, err := v.section(m).ReadAt(head, first.Offset); err != nil {
			integrity.fail(inFile(m.name), say("Niet te lezen: %v.", "Cannot be read: %v.", err))
			return
		}
		var err error
		if want, err = initAt(original, head); err != nil {
			integrity.fail(inFile(m.name), say("Het begin van deze film is niet na te maken: %v.", "The start of this film cannot be made anew: %v.", err))
			return
		}
	}
	got := make([]byte, min(first.Offset, int64(len(want))+1))
	if _, err := v.section(m).ReadAt(got, 0); err != nil {
		integrity.fail(inFile(m.name), say("Niet te lezen: %v.", "Cannot be read: %v.", err))
		return
	}
	if !bytes.Equal(got, want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		integrity.fail(inFile(m.name).at(int64(i)), say("Het begin van deze film volgt niet uit init.mp4.", "The start of this film does not follow from init.mp4."))
	}
	if name := first.Start.Format(nameStart) + ".mp4"; name != first.File {
		integrity.fail(inFile(m.name), say("Deze film begint om %s en zou %s heten.", "This film starts at %s and should be named %s.", first.Start, name))
	}
}

// manifests compares every file with the manifest that must list it, and with the zip's own checksum.
func (v *verification) manifests() {
	integrity := &v.report.Integrity
	if b := v.content(fileBagIt, maxText, integrity); b != nil && string(b) != bagItText {
		integrity.fail(inFile(fileBagIt), say("Dit is geen BagIt 1.0.", "This is not BagIt 1.0."))
	}
	for _, name := range []string{fileReadme, fileScript, fileInfo} {
		if v.byName[name] == nil {
			integrity.fail(inFile(name), say("Dit bestand ontbreekt.", "This file is missing."))
		}
	}
	listed := map[string]protocol.Hash{}
	for _, manifest := range []string{fileTagManifest, fileManifest} {
		text := v.content(manifest, maxTable, integrity)
		if text == nil {
			continue
		}
		if manifest == fileTagManifest {
			v.report.Manifest = protocol.HashOf(text)
		}
		lines, err := parseManifest(text)
		if err != nil {
			integrity.fail(inFile(manifest), say("Niet te lezen: %v.", "Cannot be read: %v.", err))
		}
		for _, name := range slices.Sorted(maps.Keys(lines)) {
			sum := lines[name]
			if strings.HasPrefix(name, "data/") != (manifest == fileManifest) {
				integrity.fail(inFile(manifest), say("Deze lijst noemt %s, dat in de andere hoort.", "This manifest lists %s, which belongs in the other.", name))
			}
			listed[name] = sum
			switch m := v.byName[name]; {
			case m == nil:
				integrity.fail(inFile(name), say("Dit bestand staat in %s, maar ontbreekt.", "This file is listed in %s, but missing.", manifest))
			case m.sum != sum:
				integrity.fail(inFile(name), say("Dit bestand is veranderd: SHA-256 is %s, volgens %s %s.", "This file was changed: its SHA-256 is %s, by %s %s.", m.sum, manifest, sum))
			}
		}
	}
	for _, m := range v.members {
		if _, ok := listed[m.name]; !ok && m.name != fileTagManifest {
			integrity.fail(inFile(m.name), say("Dit bestand staat in geen van de lijsten.", "This file is in neither manifest."))
		}
		if m.broken {
			integrity.fail(inFile(m.name), say("De inhoud klopt niet met het controlegetal in de zip.", "The content does not match its checksum in the zip."))
		}
	}
}

// resumed says of a successor log that it is one, since when, and who allowed it: what was lost of the log before it is not in it.
func (v *verification) resumed() {
	_, log := protocol.ParseLogOrigin(v.checkpoint.Origin)
	when := &v.report.Time
	found := map[uint64]bool{}
	for _, seq := range v.ofKind(protocol.KindResumed) {
		var b protocol.Resumed
		if !v.body(seq, &b) {
			continue
		}
		found[b.Log] = true
		when.say("Het logboek van de recorder liep achter bij zijn getuigen, bijvoorbeeld door een teruggezette schijf. Op %s is het voortgezet als logboek %d. Wat daarvoor in het verloren deel stond, ligt bij de getuige en staat hier niet in.",
			"The recorder's log was behind its witnesses, as after a disk was put back. At %s it went on as log %d. What stood in the part that was lost is with the witness, and not in here.", v.headers[seq].Time, b.Log)
		if v.roster == nil {
			continue
		}
		order, err := protocol.ParseDocument([]byte(b.Document))
		if err == nil {
			_, err = v.roster.Authorise(order, "")
		}
		if err != nil { // whose roster that was then may be another
			when.unsure(inEntry(seq, "body"), say("Dat de functionaris gegevensbescherming dit toestond, volgt niet uit het rooster in deze map: %v.", "That the privacy officer allowed this does not follow from the roster in this bag: %v.", err))
		}
	}
	for n := uint64(2); n <= log; n++ {
		if !found[n] {
			when.unsure(inFile(fileCheckpoint), say("Dit is logboek %d van de recorder. Waarom het %d werd, staat niet in deze map.", "This is log %d of the recorder. Why it became log %d is not in this bag.", log, n))
		}
	}
}

// minutes checks that the journal vouches for every segment.
func (v *verification) minutes() {
	integrity := &v.report.Integrity
	sealed := map[uint64]*protocol.Sealed{}
	for _, seq := range v.ofKind(protocol.KindSealed) {
		var s protocol.Sealed
		if v.body(seq, &s) {
			sealed[seq] = &s
		}
	}
	count := map[uint64]int{}
	for _, p := range v.segments {
		s := sealed[p.Minute]
		root, err := rootOf(p.Segment)
		switch {
		case s == nil:
			integrity.fail(inSegment(p), say("Dit segment verwijst naar journaalregel %d, die niet als footage.sealed in de map staat.", "This segment cites journal entry %d, which is not in the bag as footage.sealed.", p.Minute))
		case err != nil:
			integrity.fail(inSegment(p), say("Het pad in segments.tsv deugt niet: %v.", "Its path in segments.tsv is no good: %v.", err))
		case root != s.Root || p.Count != s.Count:
			integrity.fail(inSegment(p), say("Dit segment staat niet in de minuut van journaalregel %d: het zou wortel %s geven, daar staat %s.", "This segment is not in the minute of journal entry %d: it would give root %s, there stands %s.", p.Minute, root, s.Root))
		default:
			count[p.Minute]++
		}
		if v.grant == nil {
			continue
		}
		if p.Camera != v.grant.Camera || !v.grant.Asked.Overlaps(protocol.Interval{From: p.Start.Time, To: p.End.Time}) {
			v.report.Authorisation.fail(inSegment(p), say("Dit segment (camera %s, %s tot %s) valt buiten de toestemming.", "This segment (camera %s, %s to %s) is outside the grant.", p.Camera, p.Start, p.End))
		}
	}
	for _, seq := range v.ofKind(protocol.KindExpired) {
		for _, s := range v.expired(seq) {
			count[s.Minute]++ // accounted for, though not here
		}
	}
	// A minute that lies wholly within the interval must be there wholly.
	for _, seq := range slices.Sorted(maps.Keys(sealed)) {
		if v.grant == nil {
			break
		}
		for _, c := range sealed[seq].Cameras {
			within := v.bounds().Contains(protocol.Interval{From: c.First.Time, To: c.Last.Time})
			if c.Camera == v.grant.Camera && within && count[seq] < c.Count {
				integrity.fail(inEntry(seq, "body"), say("De recorder legde in deze minuut %d segmenten van camera %s vast; hier zijn er %d.", "In this minute the recorder journalled %d segments of camera %s; here are %d.", c.Count, c.Camera, count[seq]))
			}
		}
	}
}

// runs checks each run's init against its segments, and against run.started where that is in the bag.
func (v *verification) runs() {
	integrity := &v.report.Integrity
	first := map[string]placed{}
	for _, p := range v.segments {
		folder := runFolder(p.SegmentLine)
		if q, ok := first[folder]; ok && (q.Init != p.Init || q.Stream != p.Stream) {
			integrity.fail(inSegment(p), say("Dit segment hoort niet bij dezelfde opname als de rest.", "This segment is not of the same run as the others."))
		} else if !ok {
			first[folder] = p
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(first)) {
		if m := v.byName[folder+nameInit]; m == nil {
			integrity.fail(inFile(folder+nameInit), say("Dit bestand ontbreekt.", "This file is missing."))
		} else if m.sum != first[folder].Init {
			integrity.fail(inFile(folder+nameInit), say("Dit is niet de init die de recorder vastlegde.", "This is not the init that the recorder journalled."))
		}
	}
	for _, seq := range v.ofKind(protocol.KindRun) {
		var run protocol.RunStarted
		if !v.body(seq, &run) {
			continue
		}
		p, ok := first["data/"+string(run.Camera)+"/"+string(run.Run)+"/"]
		if ok && (p.Init != run.Init || p.Stream != run.Stream) {
			integrity.fail(inEntry(seq, "body"), say("Opname %s begon volgens het journaal met een andere init of stroom.", "By the journal run %s began with another init or stream.", run.Run))
		}
	}
}

// bagInfo compares what the bag says of itself with what was found.
func (v *verification) bagInfo() {
	integrity := &v.report.Integrity
	text := v.content(fileInfo, maxText, integrity)
	if text == nil {
		return
	}
	i, err := parseInfo(text)
	if err != nil {
		integrity.fail(inFile(fileInfo), say("Niet te lezen: %v.", "Cannot be read: %v.", err))
		return
	}
	v.info = i
	var files int
	var size int64
	for _, m := range v.members {
		if strings.HasPrefix(m.name, "data/") {
			files, size = files+1, size+m.size
		}
	}
	for _, m := range v.members {
		if strings.HasSuffix(m.name, "/"+nameInit) {
			v.report.Sound = v.report.Sound || hasSound(v.content(m.name, maxInit, &Verdict{})) // what is wrong with it is said elsewhere
		}
	}
	if i.Sound != v.report.Sound {
		integrity.fail(inFile(fileInfo), say("Dit bestand zegt iets anders over geluid dan de films.", "This file says something else of sound than the films."))
	}
	if i.Files != files || i.Bytes != size {
		integrity.fail(inFile(fileInfo), say("Hier staat dat er %d bestanden met beeld zijn, %d bytes; het zijn er %d, %d bytes.", "It says there are %d files of footage, %d bytes; there are %d, %d bytes.", i.Files, i.Bytes, files, size))
	}
	if g := v.grant; g != nil && (i.Grant != g.GrantID() || i.Request != g.Request || i.Camera != g.Camera || i.Recorder != g.Recorder || !i.Interval.Equal(g.Interval)) ||
		v.claimed != nil && i.Municipality != v.claimed.Municipality {
		integrity.fail(inFile(fileInfo), say("Dit bestand zegt iets anders dan toestemming en rooster.", "This file says something else than grant and roster."))
	}
}
