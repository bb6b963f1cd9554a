package evidence

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// t0 is when the camera of these tests starts.
var t0 = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

func at(d time.Duration) protocol.Time { return protocol.T(t0.Add(d)) }

// scene is a recorder, its centre and one release, as the rest of the house would make them; tests bend a part of it before bag is called.
type scene struct {
	t testing.TB

	municipality string
	roots        protocol.Roots
	rootKeys     []note.Signer
	recorder     note.Signer
	order        note.Signer
	handler      note.Signer
	approver     note.Signer
	witness      *chain.Witness

	roster   *protocol.Roster
	grant    *protocol.Grant
	mandate  *protocol.Mandate
	signed   bool // handler and approver sign themselves
	envelope bool // the bag has the envelope

	init     []byte
	plain    [][]byte // of each segment of the run, from n=0
	lines    []protocol.SegmentLine
	released []int // which of lines go in the bag
	gaps     []protocol.Gap
	noProof  bool          // leave the gap entries out
	expired  []int         // of lines, destroyed and journalled so
	opened   protocol.Time // of the journal's first entry
	first    bool          // it goes in the bag

	officer note.Signer
	log     uint64 // the log was resumed until it had this number; 0: never
	unsaid  bool   // that it was is left out

	sealedAt func(minute int) protocol.Time
	intentAt protocol.Time
	cosignAt time.Time
	intent   func(*protocol.Access)
	hold     func(*protocol.HoldPlaced)

	head    chain.Head
	hashes  chain.Hashes
	entries []chain.Entry
}

func signer(t testing.TB, name string) (note.Signer, string) {
	skey, vkey, err := protocol.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := protocol.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

// clip takes one of the test camera's clips apart, two fragments (two seconds) a segment.
func clip(t testing.TB, name string) (init []byte, segments [][]byte) {
	b, err := os.ReadFile("../../edge/ingest/cameratest/clips/" + name)
	if err != nil {
		t.Fatal(err)
	}
	fragments := 0
	for at := 0; at < len(b); {
		size, kind := int(binary.BigEndian.Uint32(b[at:])), string(b[at+4:at+8])
		switch kind {
		case "ftyp", "moov":
			init = append(init, b[at:at+size]...)
		case "moof":
			if fragments%2 == 0 {
				segments = append(segments, nil)
			}
			fragments++
			fallthrough
		case "mdat":
			segments[len(segments)-1] = append(segments[len(segments)-1], b[at:at+size]...)
		}
		at += size
	}
	return init, segments
}

// newScene is a release of segments 1 to 4 of a run of five, camera plein-noord; the run is followed by a gap of four seconds.
func newScene(t testing.TB) *scene {
	s := &scene{t: t, municipality: "helmond", signed: true}
	for _, name := range []string{"root-1", "root-2", "root-3"} {
		k, v := signer(t, name)
		s.rootKeys, s.roots = append(s.rootKeys, k), append(s.roots, v)
	}
	var recorderKey, orderKey, ledgerKey, handlerKey, approverKey string
	s.recorder, recorderKey = signer(t, "rec-1.helmond/beeldwacht")
	s.order, orderKey = signer(t, "orders.helmond/beeldwacht")
	_, ledgerKey = signer(t, "ledger.helmond/beeldwacht")
	s.handler, handlerKey = signer(t, "p-2")
	s.approver, approverKey = signer(t, "p-3")
	var officerKey string
	s.officer, officerKey = signer(t, "p-9")
	witnessKey := s.newWitness("witness.eindhoven/beeldwacht")

	heading := func(id string) protocol.Heading {
		return protocol.Heading{ID: protocol.DocumentID(id), Recorder: "rec-1", NotBefore: at(-24 * time.Hour), NotAfter: at(300 * 24 * time.Hour)}
	}
	s.roster = &protocol.Roster{Heading: heading("roster-1"), Version: 1, Municipality: "helmond", OrderKey: orderKey, LedgerKey: ledgerKey, RecorderKey: recorderKey,
		VaultKey: "age1x", Officer: "p-9", OfficerKey: officerKey, Witnesses: []string{witnessKey}, Quorum: 1,
		Handlers:  []protocol.Seat{{Regime: protocol.WPG, Person: "p-2", Key: handlerKey}},
		Approvers: []protocol.Seat{{Regime: protocol.WPG, Person: "p-3", Key: approverKey}},
		MaxWindow: protocol.MaxWindow, MaxHold: protocol.Window(protocol.MaxHold), HoldShare: 50}
	s.mandate = &protocol.Mandate{Heading: heading("m-1"), Camera: "plein-noord", Regime: protocol.WPG, Version: 3, Streams: []protocol.StreamID{"main"}, Window: protocol.MaxWindow,
		LongestHold: protocol.Window(protocol.MaxHold), Sound: "none", Hours: "always", Besluit: "B-1", Protocol: "P-1"}
	s.grant = &protocol.Grant{Heading: heading("g-41"), Camera: "plein-noord", Regime: protocol.WPG, Request: "z-12", Use: protocol.UseRelease,
		Asked: protocol.Span(t0.Add(3*time.Second), t0.Add(13*time.Second)), Interval: protocol.Span(t0.Add(2*time.Second), t0.Add(14*time.Second)),
		Purpose: "vordering 126nda Sv", Requester: "p-1", Handler: "p-2", Approver: "p-3", Recipient: "age1y"}
	s.grant.NotBefore, s.grant.NotAfter = at(time.Hour), at(25*time.Hour)

	s.init, s.plain = clip(t, "square.mp4")
	for n, p := range s.plain {
		s.lines = append(s.lines, protocol.SegmentLine{Camera: "plein-noord", Stream: "main", Run: "r-1", N: n, Start: at(time.Duration(2*n) * time.Second), End: at(time.Duration(2*n+2) * time.Second),
			Size: int64(len(p)), SHA256: protocol.HashOf(p), Init: protocol.HashOf(s.init)})
	}
	s.released = []int{1, 2, 3, 4}
	end := at(14 * time.Second)
	s.gaps = []protocol.Gap{{Camera: "plein-noord", Stream: "main", Cause: "network", Detail: "i/o timeout", From: at(10 * time.Second), To: &end}}
	s.sealedAt = func(minute int) protocol.Time { return at(time.Duration(minute+1) * 20 * time.Second) }
	s.opened = at(-time.Hour)
	s.intentAt, s.cosignAt = at(2*time.Hour), t0.Add(2*time.Hour+time.Second)
	return s
}

func (s *scene) newWitness(name string) string {
	skey, _, err := protocol.NewKey(name)
	if err != nil {
		s.t.Fatal(err)
	}
	var vkey string
	if s.witness, vkey, err = chain.NewWitness(skey); err != nil {
		s.t.Fatal(err)
	}
	return vkey
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) sign(d protocol.Document, keys ...note.Signer) []byte {
	s.t.Helper()
	raw, err := protocol.Compose(d)
	s.must(err)
	for _, k := range keys {
		raw, err = protocol.Countersign(raw, k)
		s.must(err)
	}
	return raw
}

func (s *scene) append(kind string, body any, now protocol.Time) uint64 {
	s.t.Helper()
	e, err := chain.Seal(&s.head, kind, body, now.Time)
	s.must(err)
	s.must(s.hashes.Add(s.head.Size, e.Header))
	s.must(s.head.Add(e))
	s.entries = append(s.entries, e)
	return s.head.Size - 1
}

// bag lets the recorder write its journal and make the bag.
func (s *scene) bag() []byte {
	s.t.Helper()
	var out bytes.Buffer
	_, err := s.write(&out)
	s.must(err)
	return out.Bytes()
}

func (s *scene) write(w io.Writer) (BagInfo, error) {
	s.t.Helper()
	roster := s.sign(s.roster, s.rootKeys[0], s.rootKeys[2])
	var people []note.Signer
	if s.signed {
		people = []note.Signer{s.handler, s.approver}
	}
	grant := s.sign(s.grant, people...)
	mandate := s.sign(s.mandate)

	wanted := []uint64{}
	if seq := s.append(protocol.KindOpened, protocol.Opened{Recorder: "rec-1", Municipality: "helmond"}, s.opened); s.first {
		wanted = append(wanted, seq)
	}
	wanted = append(wanted, s.append(protocol.KindOrder, protocol.Order{Number: 1, Kind: "mandate", ID: "m-1", Level: protocol.LevelOrder, Document: string(mandate)}, at(-time.Minute)))
	key := s.recorder
	for log := uint64(2); log <= s.log; log++ {
		order := &protocol.Resume{Heading: protocol.Heading{ID: "resume-1", Recorder: "rec-1", NotBefore: at(-time.Minute), NotAfter: at(time.Hour)}, Log: log, Witnessed: protocol.LedgerHead{Size: 9}, Officer: "p-9"}
		seq := s.append(protocol.KindResumed, protocol.Resumed{Log: log, Document: string(s.sign(order, s.officer))}, at(-time.Minute))
		if !s.unsaid {
			wanted = append(wanted, seq)
		}
		var err error
		key, err = protocol.SignerUnder(protocol.LogOrigin(s.recorder.Name(), log), s.recorder)
		s.must(err)
	}
	wanted = append(wanted, s.append(protocol.KindRun, protocol.RunStarted{Camera: "plein-noord", Stream: "main", Run: "r-1", Codec: "h264", Init: protocol.HashOf(s.init), Start: at(0), Clock: "synced"}, at(0)))

	// Another camera's footage shares the minutes, and never the bag.
	other := func(n int) protocol.SegmentLine {
		return protocol.SegmentLine{Camera: "stadhuis-hal", Stream: "main", Run: "r-2", N: n, Start: at(0), End: at(time.Second), Size: 1, SHA256: protocol.HashOf([]byte{byte(n)}), Init: protocol.HashOf(nil)}
	}
	minutes := [][]protocol.SegmentLine{{other(0), s.lines[0], s.lines[1], other(1)}, {s.lines[2], s.lines[3], other(2)}, {s.lines[4]}}
	vouched := map[protocol.Hash]Segment{}
	for m, lines := range minutes {
		tree, err := TreeOf(lines)
		s.must(err)
		root, err := tree.Root()
		s.must(err)
		counts := map[protocol.CameraID]*protocol.SealedCamera{}
		body := protocol.Sealed{Root: root, Count: len(lines)}
		for _, l := range lines {
			c := counts[l.Camera]
			if c == nil {
				c = &protocol.SealedCamera{Camera: l.Camera, First: l.Start, Oldest: at(0)}
				counts[l.Camera] = c
			}
			c.Count, c.Last = c.Count+1, l.End
		}
		for _, id := range []protocol.CameraID{"plein-noord", "stadhuis-hal"} {
			if c := counts[id]; c != nil {
				body.Cameras = append(body.Cameras, *c)
			}
		}
		seq := s.append(protocol.KindSealed, body, s.sealedAt(m))
		wanted = append(wanted, seq)
		for i, l := range lines {
			path, err := tree.Path(i)
			s.must(err)
			vouched[l.SHA256] = Segment{l, seq, i, len(lines), path}
		}
	}
	for _, g := range s.gaps {
		if seq := s.append(protocol.KindGapEnded, g, max2(s.head.Time, *g.To)); !s.noProof {
			wanted = append(wanted, seq)
		}
	}
	if len(s.expired) > 0 {
		body := protocol.Expired{Reason: "window", At: s.head.Time}
		for _, n := range s.expired {
			l := s.lines[n]
			body.Segments = append(body.Segments, protocol.ExpiredSegment{Camera: l.Camera, Run: l.Run, N: l.N, Minute: vouched[l.SHA256].Minute, Start: l.Start, Due: l.End, SHA256: l.SHA256})
		}
		wanted = append(wanted, s.append(protocol.KindExpired, body, s.head.Time))
	}
	held := make([]protocol.SegmentLine, 0, 4)
	var bytes int64
	for _, l := range s.lines[1:] {
		if slices.Contains(s.expired, l.N) {
			continue
		}
		held, bytes = append(held, l), bytes+l.Size
	}
	tree, err := TreeOf(held)
	s.must(err)
	root, err := tree.Root()
	s.must(err)
	placed := protocol.HoldPlaced{Hold: "h-1", Request: "z-12", Camera: "plein-noord", Asked: s.grant.Asked, Interval: protocol.Span(t0.Add(2*time.Second), t0.Add(14*time.Second)),
		Segments: len(held), Bytes: bytes, Root: root, End: at(14 * 24 * time.Hour)}
	if s.hold != nil {
		s.hold(&placed)
	}
	wanted = append(wanted, s.append(protocol.KindHoldPlaced, placed, at(30*time.Minute)))

	envelope, err := protocol.SealEnvelope(protocol.Envelope{Recorder: "rec-1", Number: 7, NotBefore: at(time.Hour), NotAfter: at(25 * time.Hour), Document: grant}, s.order)
	s.must(err)
	level := protocol.LevelPersons
	if !s.signed {
		level = protocol.LevelCentre
	}
	wanted = append(wanted, s.append(protocol.KindOrder, protocol.Order{Number: 7, Kind: "grant", ID: s.grant.ID, Level: level, Document: string(grant), Envelope: protocol.HashOf(envelope)}, s.intentAt))
	access := protocol.Access{How: "release", Grant: s.grant.GrantID(), Request: s.grant.Request, Camera: s.grant.Camera, Interval: s.grant.Interval, Person: s.grant.Requester,
		Recipient: s.grant.Recipient, Reason: "grant", Document: protocol.HashOf(grant), Level: level}
	if s.intent != nil {
		s.intent(&access)
	}
	wanted = append(wanted, s.append(protocol.KindIntent, access, s.intentAt))

	checkpoint, err := chain.SignCheckpoint(chain.Checkpoint{Origin: key.Name(), Size: s.head.Size, Root: s.head.Root()}, key)
	s.must(err)
	if s.witness != nil {
		checkpoint, err = chain.Cosign(checkpoint, s.witness, s.cosignAt)
		s.must(err)
	}

	b, err := NewWriter(w, About{Grant: grant, Roster: roster, Checkpoint: checkpoint, Made: s.cosignAt.Add(time.Second), Software: "beeldwacht test"})
	if err != nil {
		return BagInfo{}, err
	}
	for _, n := range s.released {
		if err := b.AddSegment(vouched[s.lines[n].SHA256], s.init, newReader(s.plain[n])); err != nil {
			return BagInfo{}, err
		}
	}
	for _, g := range s.gaps {
		if err := b.AddGap(g); err != nil {
			return BagInfo{}, err
		}
	}
	for _, seq := range wanted {
		p, err := chain.NewProof(seq, s.head.Size, checkpoint, s.hashes)
		s.must(err)
		if err := b.AddEntry(s.entries[seq], p); err != nil {
			return BagInfo{}, err
		}
	}
	if err := b.AddOrder(mandate); err != nil {
		return BagInfo{}, err
	}
	if s.envelope {
		if err := b.AddOrder(envelope); err != nil {
			return BagInfo{}, err
		}
	}
	return b.Close()
}

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

func max2(a, b protocol.Time) protocol.Time {
	if a.Before(b.Time) {
		return b
	}
	return a
}
