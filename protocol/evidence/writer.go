package evidence

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

//go:embed verify.py
var script []byte

// firstBytes is how much of a segment is looked at to find its first fragment's times.
const firstBytes = 256 << 10

// About is what must be known before a bag is begun.
type About struct {
	Grant      []byte    // the release grant as accepted, signatures included
	Roster     []byte    // the roster it was checked against, signatures included
	Checkpoint []byte    // the recorder's checkpoint with its cosignatures; every proof added is to this one
	Made       time.Time // now
	Software   string    // what makes the bag, for bag-info.txt
}

// BagInfo is what became of a finished bag.
type BagInfo struct {
	Size     int64         // of the zip, bytes
	SHA256   protocol.Hash // of the zip
	Manifest protocol.Hash // of tagmanifest-sha256.txt, which covers every other file
	Segments int
	Gaps     int
	Bytes    int64 // of the files in data/
}

// Writer writes one bag, forward only, holding nothing of the footage in memory. It is used by one goroutine. Segments are added in the
// order in which they lie: stream by stream, run by run, as they stand in their run; the rest in any order. A bag that is not closed
// without error is not a bag.
type Writer struct {
	zip   zipWriter
	sum   hash.Hash // of the zip
	base  string
	about About

	grant  *protocol.Grant
	roster *protocol.Roster
	size   uint64 // of the checkpoint

	payload, tags []string // manifest lines, in the order written
	paths         map[string]bool

	open     *openFile       // the file that is being written
	run      []placed        // of the run that is being written
	init     []byte          // its init
	sound    bool            // a run in it has a track of sound
	minutes  map[uint64]bool // that segments cite
	segments []protocol.SegmentLine
	gaps     []protocol.Gap
	entries  map[uint64]chain.Header
	files    int   // in data/
	bytes    int64 // of them
	err      error // the first; sticks
}

// openFile is the file that is being written.
type openFile struct {
	zip  *zipWriter
	name string
	sum  hash.Hash
	size int64
}

// NewWriter begins a bag. It checks the form of what it is given, not signatures: the recorder verified those when it accepted the grant.
func NewWriter(w io.Writer, about About) (*Writer, error) {
	grant, err := protocol.ParseDocument(about.Grant)
	if err != nil {
		return nil, fmt.Errorf("bag: %w", err)
	}
	roster, err := protocol.ParseDocument(about.Roster)
	if err != nil {
		return nil, fmt.Errorf("bag: %w", err)
	}
	b := &Writer{sum: sha256.New(), about: about, paths: map[string]bool{}, minutes: map[uint64]bool{}, entries: map[uint64]chain.Header{}}
	var ok bool
	if b.grant, ok = grant.Document.(*protocol.Grant); !ok || b.grant.Use != protocol.UseRelease {
		return nil, fmt.Errorf("bag: %s %s is not a release grant", grant.Kind(), grant.Head().ID)
	}
	if b.roster, ok = roster.Document.(*protocol.Roster); !ok {
		return nil, fmt.Errorf("bag: %s %s is not a roster", roster.Kind(), roster.Head().ID)
	}
	checkpoint, err := unverifiedCheckpoint(about.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("bag: %w", err)
	}
	b.size = checkpoint.Size
	b.base = string(b.grant.ID) + "/"
	b.zip = zipWriter{w: io.MultiWriter(w, b.sum), stamp: dosTime(about.Made)}
	if about.Software == "" {
		b.about.Software = "beeldwacht"
	}
	b.file(fileBagIt, []byte(bagItText))
	b.file(fileGrant, about.Grant)
	b.file(fileRoster, about.Roster)
	b.file(fileCheckpoint, about.Checkpoint)
	return b, b.err
}

// AddSegment copies a segment's plaintext into the bag; init is its run's init. It refuses plaintext that is not the segment's, so that a
// bag never leaves with what its own verifier would reject.
func (b *Writer) AddSegment(s Segment, init []byte, plaintext io.Reader) error {
	if b.err != nil {
		return b.err
	}
	if err := b.addSegment(s, init, plaintext); err != nil {
		b.err = fmt.Errorf("bag %s: segment %s %s %d: %w", b.grant.ID, s.Camera, s.Run, s.N, err)
	}
	return b.err
}

func (b *Writer) addSegment(s Segment, init []byte, plaintext io.Reader) error {
	if err := b.fits(s, init); err != nil {
		return err
	}
	head := min(s.Size, firstBytes)
	in := bufio.NewReaderSize(io.LimitReader(plaintext, s.Size+1), int(max(head, 4096)))
	if !b.continues(s) {
		start := init
		if s.N > 0 {
			first, err := in.Peek(int(head))
			if err != nil {
				return fmt.Errorf("read: %w", err)
			}
			if start, err = initAt(init, first); err != nil {
				return err
			}
		}
		if err := b.newFile(s, init, start); err != nil {
			return err
		}
	}
	p := placed{Segment: s, File: b.open.name[strings.LastIndexByte(b.open.name, '/')+1:], Offset: b.open.size}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(b.open, sum), in)
	if err != nil {
		return err
	}
	if got := protocol.Hash(sum.Sum(nil)); n != s.Size || got != s.SHA256 {
		return fmt.Errorf("plaintext of %d bytes with SHA-256 %s; sealed with %d bytes and %s", n, got, s.Size, s.SHA256)
	}
	b.run = append(b.run, p)
	b.minutes[s.Minute] = true
	b.segments = append(b.segments, s.SegmentLine)
	return nil
}

func (b *Writer) fits(s Segment, init []byte) error {
	if s.Camera != b.grant.Camera {
		return fmt.Errorf("the grant is for camera %s", b.grant.Camera)
	}
	if !b.grant.Interval.Overlaps(protocol.Interval{From: s.Start.Time, To: s.End.Time}) {
		return fmt.Errorf("%s to %s: outside the granted interval %s", s.Start, s.End, b.grant.Interval)
	}
	if _, err := protocol.ParseSegmentLine(s.SegmentLine.String()); err != nil {
		return err
	}
	if n := len(b.run); n > 0 && b.run[n-1].Run == s.Run && s.N <= b.run[n-1].N {
		return fmt.Errorf("comes after segment %d of its run", b.run[n-1].N)
	}
	if protocol.HashOf(init) != s.Init {
		return fmt.Errorf("init hashes to %s, want %s", protocol.HashOf(init), s.Init)
	}
	return checkPath(s)
}

// continues says whether a segment lies right behind the last one.
func (b *Writer) continues(s Segment) bool {
	if b.open == nil || len(b.run) == 0 {
		return false
	}
	last := b.run[len(b.run)-1]
	return last.Run == s.Run && last.Stream == s.Stream && last.N+1 == s.N
}

func (b *Writer) newFile(s Segment, init, start []byte) error {
	if err := b.finishFile(); err != nil {
		return err
	}
	if len(b.run) > 0 && (b.run[0].Run != s.Run || b.run[0].Stream != s.Stream) {
		b.finishRun()
	}
	b.init, b.sound = init, b.sound || hasSound(init)
	name := runFolder(s.SegmentLine) + s.Start.Format(nameStart) + ".mp4"
	if err := b.begin(name); err != nil {
		return err
	}
	_, err := b.open.Write(start)
	return err
}

func (b *Writer) finishFile() error {
	if b.open == nil {
		return b.err
	}
	return b.endFile()
}

func (b *Writer) finishRun() {
	if len(b.run) == 0 {
		return
	}
	table := segmentColumns + "\n"
	for _, p := range b.run {
		table += p.String() + "\n"
	}
	folder := runFolder(b.run[0].SegmentLine)
	b.file(folder+nameInit, b.init)
	b.file(folder+nameSegments, []byte(table))
	b.run = nil
}

// AddGap says that there is no footage of the camera for a while, and why. The verifier believes it where a gap.ended entry in the bag says
// the same: add that too.
func (b *Writer) AddGap(g protocol.Gap) error {
	if b.err != nil {
		return b.err
	}
	if _, err := parseGap(gapLine(g)); err != nil || g.Camera != b.grant.Camera {
		b.err = fmt.Errorf("bag %s: gap %q: not of camera %s, or malformed: %w", b.grant.ID, gapLine(g), b.grant.Camera, err)
		return b.err
	}
	b.gaps = append(b.gaps, g)
	return nil
}

// AddEntry puts a journal entry and its proof in the bag: the footage.sealed entry of each segment's minute, the release.intent, and where
// they exist hold.placed, run.started, order.accepted of what the bag contains, gap.ended and footage.expired of what it lacks, log.opened and
// the camera's first mandate where it reaches back before them, each log.resumed. Other kinds have no place in it.
// An entry that is already there is left as it is.
func (b *Writer) AddEntry(e chain.Entry, p chain.Proof) error {
	if b.err != nil {
		return b.err
	}
	if err := b.addEntry(e, p); err != nil {
		b.err = fmt.Errorf("bag %s: entry %d: %w", b.grant.ID, p.Seq, err)
	}
	return b.err
}

func (b *Writer) addEntry(e chain.Entry, p chain.Proof) error {
	h, err := chain.ParseHeader(e.Header)
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(entryKinds, h.Kind):
		return fmt.Errorf("a %s entry has no place in a bag", h.Kind)
	case h.Seq != p.Seq || !h.Holds(e.Body):
		return errors.New("header, body and proof are not of one entry")
	case !bytes.Equal(p.Checkpoint, b.about.Checkpoint):
		return errors.New("its proof is to another checkpoint than the bag's")
	}
	if _, twice := b.entries[h.Seq]; twice {
		return nil
	}
	if err := b.finishFile(); err != nil {
		return err
	}
	b.entries[h.Seq] = h
	b.file(entryFile(h.Seq, "header"), e.Header)
	b.file(entryFile(h.Seq, "body"), e.Body)
	b.file(entryFile(h.Seq, "tlog-proof"), chain.MarshalProof(p))
	return b.err
}

var entryKinds = []string{protocol.KindOpened, protocol.KindSealed, protocol.KindIntent, protocol.KindHoldPlaced, protocol.KindRun, protocol.KindGapEnded, protocol.KindExpired, protocol.KindOrder, protocol.KindResumed}

// AddOrder adds a mandate of the camera, or the envelope in which the grant came.
func (b *Writer) AddOrder(raw []byte) error {
	if b.err != nil {
		return b.err
	}
	if b.err = b.finishFile(); b.err != nil {
		return b.err
	}
	if bytes.HasPrefix(raw, []byte("beeldwacht/envelope ")) {
		return b.file(fileEnvelope, raw)
	}
	s, err := protocol.ParseDocument(raw)
	if err != nil {
		b.err = fmt.Errorf("bag %s: %w", b.grant.ID, err)
		return b.err
	}
	m, ok := s.Document.(*protocol.Mandate)
	if !ok || m.Camera != b.grant.Camera {
		b.err = fmt.Errorf("bag %s: %s %s is not a mandate of camera %s", b.grant.ID, s.Kind(), s.Head().ID, b.grant.Camera)
		return b.err
	}
	return b.file(mandateFile(m.Version), raw)
}

// Close finishes the bag and says what became of it. It refuses a bag whose footage, grant and journal do not hang together.
func (b *Writer) Close() (BagInfo, error) {
	if b.err == nil {
		b.err = b.finishFile()
	}
	b.finishRun()
	if b.err == nil {
		b.err = b.whole()
	}
	table := gapColumns + "\n"
	for _, g := range b.gaps {
		table += gapLine(g) + "\n"
	}
	b.file("data/"+string(b.grant.Camera)+"/"+nameGaps, []byte(table))
	b.file(fileScript, script)
	readme, err := b.readme()
	if b.err == nil && err != nil {
		b.err = err
	}
	b.file(fileReadme, readme)
	b.file(fileInfo, []byte(info{Made: protocol.T(b.about.Made), Software: b.about.Software, Municipality: b.roster.Municipality, Recorder: b.grant.Recorder, Camera: b.grant.Camera,
		Request: b.grant.Request, Grant: b.grant.GrantID(), Interval: b.grant.Interval, Files: b.files, Bytes: b.bytes, Sound: b.sound}.String()))
	b.file(fileManifest, []byte(strings.Join(b.payload, "")))
	manifest := []byte(strings.Join(b.tags, ""))
	b.file(fileTagManifest, manifest)
	if b.err == nil {
		b.err = b.zip.close()
	}
	if b.err != nil {
		return BagInfo{}, b.err
	}
	b.err = fmt.Errorf("bag %s: closed", b.grant.ID)
	return BagInfo{Size: int64(b.zip.at), SHA256: protocol.Hash(b.sum.Sum(nil)), Manifest: protocol.HashOf(manifest), Segments: len(b.segments), Gaps: len(b.gaps), Bytes: b.bytes}, nil
}

// whole checks that every segment's minute and the intent are there.
func (b *Writer) whole() error {
	intent := false
	for _, h := range b.entries {
		intent = intent || h.Kind == protocol.KindIntent
	}
	if !intent {
		return fmt.Errorf("bag %s: no release.intent entry was added (invariant 13)", b.grant.ID)
	}
	for minute := range b.minutes {
		if b.entries[minute].Kind != protocol.KindSealed {
			return fmt.Errorf("bag %s: segments cite entry %d, which was not added as footage.sealed", b.grant.ID, minute)
		}
	}
	return nil
}

// file writes a small file whole.
func (b *Writer) file(name string, content []byte) error {
	if b.err != nil {
		return b.err
	}
	b.err = func() error {
		if err := b.begin(name); err != nil {
			return err
		}
		if _, err := b.open.Write(content); err != nil {
			return err
		}
		return b.endFile()
	}()
	return b.err
}

func (b *Writer) begin(name string) error {
	if b.paths[name] {
		return fmt.Errorf("bag %s: two files named %s", b.grant.ID, name)
	}
	b.paths[name] = true
	b.open = &openFile{zip: &b.zip, name: name, sum: sha256.New()}
	return b.zip.begin(b.base + name)
}

func (f *openFile) Write(p []byte) (int, error) {
	n, err := f.zip.Write(p)
	f.sum.Write(p[:n])
	f.size += int64(n)
	return n, err
}

func (b *Writer) endFile() error {
	f := b.open
	b.open = nil
	line := manifestLine(protocol.Hash(f.sum.Sum(nil)), f.name)
	if strings.HasPrefix(f.name, "data/") {
		b.payload = append(b.payload, line)
		b.files++
		b.bytes += f.size
	} else {
		b.tags = append(b.tags, line)
	}
	return b.zip.end()
}

// unverifiedCheckpoint reads a checkpoint without checking who signed it.
func unverifiedCheckpoint(signed []byte) (chain.Checkpoint, error) {
	_, err := note.Open(signed, nil)
	var n *note.UnverifiedNoteError
	if !errors.As(err, &n) {
		return chain.Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return chain.ParseCheckpoint(n.Note.Text)
}
