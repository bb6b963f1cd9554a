package witness

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// only is the one finding of a kind, with its evidence.
func (p *place) only(kind string) Evidence {
	p.t.Helper()
	var names []string
	for _, f := range p.state().Findings {
		if f.Kind == kind {
			names = append(names, f.Name())
		}
	}
	if len(names) != 1 {
		p.t.Fatalf("%d findings of kind %s: %q", len(names), kind, names)
	}
	e, ok, err := p.Evidence(id, names[0])
	if err != nil || !ok {
		p.t.Fatal(ok, err)
	}
	return e
}

// none says that nothing was found.
func (p *place) none(why string) {
	p.t.Helper()
	for _, f := range p.state().Findings {
		p.t.Errorf("%s: %s: %s", why, f.Kind, f.Words().EN)
	}
}

func (p *place) sweep() {
	p.t.Helper()
	if err := p.Sweep(); err != nil {
		p.t.Fatal(err)
	}
}

// status is the recorder's, signed.
func (r *recorder) status(t testing.TB, entries uint64, cameras ...protocol.CameraStatus) ([]byte, protocol.Status) {
	t.Helper()
	s := protocol.Status{Recorder: id, Time: protocol.T(r.now), State: "online", Log: r.log, Entries: entries, Cameras: cameras}
	raw, err := protocol.SignStatus(s, r.signer)
	if err != nil {
		t.Fatal(err)
	}
	return raw, s
}

func (p *place) hear(r *recorder, entries uint64, cameras ...protocol.CameraStatus) {
	p.t.Helper()
	raw, s := r.status(p.t, entries, cameras...)
	if err := p.Status(id, raw, s); err != nil {
		p.t.Fatal(err)
	}
}

// unpacked is a download in a folder.
func unpacked(t testing.TB, e Evidence) string {
	t.Helper()
	var file bytes.Buffer
	if err := e.Write(&file); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stands checks a download as its reader does: openssl by the lines of the text, then the script, which also finds a proof that somebody touched. proof: the finding alone
// proves it.
func (p *place) stands(r *recorder, e Evidence, proof bool, signatures int) {
	p.t.Helper()
	w, err := chain.WitnessVerifier(p.Key())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := e.Check(origin, r.verifier(p.t), w); proof && err != nil || !proof && !errors.Is(err, ErrWord) {
		p.t.Errorf("%s: %v", e.Kind, err)
	}
	_, other := protocoltest.Key(p.t, origin)
	if v, err := protocol.NewVerifier(other); err != nil || e.Check(origin, v, w) == nil || errors.Is(e.Check(origin, v, w), ErrWord) {
		p.t.Errorf("%s: evidence against another key (%v)", e.Kind, err)
	}
	dir := unpacked(p.t, e)
	text, err := os.ReadFile(filepath.Join(dir, "LEESMIJ.txt"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, want := range []string{e.Promised().NL, e.Words().NL, e.Worth().NL, r.vkey} {
		if !strings.Contains(string(text), want) {
			p.t.Errorf("%s: LEESMIJ.txt does not say %q", e.Kind, want)
		}
	}
	commands := 0
	for line := range strings.Lines(string(text)) {
		if args := strings.Fields(line); len(args) > 0 && args[0] == "openssl" {
			commands++
			c := exec.Command(args[0], args[1:]...)
			c.Dir = dir
			if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "Signature Verified Successfully") {
				p.t.Errorf("%s: %s: %v %s", e.Kind, line, err, out)
			}
		}
	}
	if commands != signatures {
		p.t.Errorf("%s: %d signatures, want %d", e.Kind, commands, signatures)
	}
	script := func() (string, error) {
		out, err := exec.Command("python3", filepath.Join(dir, "controle.py")).CombinedOutput()
		return string(out), err
	}
	if out, err := script(); err != nil {
		p.t.Errorf("%s: %v\n%s", e.Kind, err, out)
	}
	// What a person reads in the folder is what the script checked.
	files, err := os.ReadDir(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	if e.Kind != Rollback { // which has files of every sort
		files = nil
	}
	for _, f := range files {
		name := filepath.Join(dir, f.Name())
		if ext := filepath.Ext(name); f.Name() == "finding.json" || ext == ".txt" || ext == ".py" {
			continue
		}
		whole, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		spoilt := bytes.Clone(whole)
		spoilt[len(spoilt)/2] ^= 1
		if err := os.WriteFile(name, spoilt, 0o600); err != nil {
			p.t.Fatal(err)
		}
		if out, err := script(); err == nil {
			p.t.Errorf("%s: %s was altered, unseen:\n%s", e.Kind, f.Name(), out)
		}
		if err := os.WriteFile(name, whole, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	facts := filepath.Join(dir, "finding.json")
	raw, err := os.ReadFile(facts)
	if err != nil {
		p.t.Fatal(err)
	}
	if len(e.Shown) > 0 {
		spoilt := bytes.Replace(raw, []byte(`"proof": [`+"\n"), []byte(`"proof": ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",`+"\n"), 1)
		if err := os.WriteFile(facts, spoilt, 0o600); err != nil || bytes.Equal(spoilt, raw) {
			p.t.Fatal(e.Kind, ": nothing spoilt ", err)
		}
		if out, err := script(); err == nil {
			p.t.Errorf("%s: a spoilt proof goes unseen:\n%s", e.Kind, out)
		}
	}
}

func TestI11_ForkAsEvidence(t *testing.T) {
	t.Parallel()
	for name, grown := range map[string]int{"smaller": 1, "larger": 9} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			p := newPlace(t, r)
			r.grow(t, 4)
			backup := r.copy()
			r.grow(t, 3)
			p.receive(r, r.batch(t, 0, 7))
			backup.grow(t, grown)
			if _, err := p.Receive(t.Context(), id, backup.batch(t, 2, 4+grown)); !errors.Is(err, ErrFork) {
				t.Fatal(err)
			}
			p.stands(r, p.only(Fork), true, 2)
		})
	}
}

// A copy of the disk is put back: the recorder's own next status says so, before it has written past what is known.
func TestI13_RollbackAsEvidence(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 6)
	p.receive(r, r.batch(t, 0, 6))
	p.hear(r, 6)
	p.none("all is well")
	old, s := r.status(t, 4) // of before, delivered late: as old as the last entry
	if err := p.Status(id, old, s); err != nil {
		t.Fatal(err)
	}
	p.none("old news")
	r.now = r.now.Add(time.Minute)
	p.hear(r, 4)
	r.now = r.now.Add(time.Minute)
	p.hear(r, 4)
	p.stands(r, p.only(Rollback), true, 3)

	r = newRecorder(t)
	p = newPlace(t, r)
	r.grow(t, 6)
	p.receive(r, r.batch(t, 0, 6))
	r.now = r.now.Add(statusSlack)
	p.hear(r, 5)
	p.none("counted before the last entry, and signed behind it")
}

// What was never handed in is cut off: the recorder counted it before.
func TestI11_TruncationAsEvidence(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 6)
	p.receive(r, r.batch(t, 0, 6))
	r.now = r.now.Add(time.Minute)
	p.hear(r, 9)
	r.now = r.now.Add(time.Minute)
	p.hear(r, 7)
	p.stands(r, p.only(Truncation), true, 2)

	gone := newRecorder(t)
	q := newPlace(t, gone)
	gone.grow(t, 3)
	q.receive(gone, gone.batch(t, 0, 3))
	gone.now = gone.now.Add(time.Minute)
	q.hear(gone, 0)
	q.stands(gone, q.only(Truncation), true, 3)
}

// What a recorder stated, and never handed in, counts against it after a restart of the centre too, also when the centre crashed. What came in needs not be kept.
func TestI11_TruncationIsNoticedAfterARestart(t *testing.T) {
	t.Parallel()
	for how, stop := range map[string]func(p *place){
		"stopped": func(p *place) { p.reopen() },
		"crashed": func(p *place) { // at once
			b, err := os.ReadFile(p.path)
			if err == nil {
				p.path = filepath.Join(t.TempDir(), "crashed.db")
				err = os.WriteFile(p.path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			p.open()
		},
	} {
		t.Run(how, func(t *testing.T) {
			r := newRecorder(t)
			p := newPlace(t, r)
			r.grow(t, 6)
			p.receive(r, r.batch(t, 0, 6))
			r.now = r.now.Add(time.Minute)
			p.hear(r, 9)
			stop(p)
			early, s := r.status(t, 6)
			if err := p.Status(id, early, s); err != nil { // of the same moment: a broker repeats
				t.Fatal(err)
			}
			p.none("news of before")
			r.now = r.now.Add(time.Minute)
			p.hear(r, 7)
			p.stands(r, p.only(Truncation), true, 2)
		})
	}

	r := newRecorder(t)
	p := newPlace(t, r)
	kept := func() (n int) {
		if err := p.db.View(func(tx *bbolt.Tx) error { n = tx.Bucket(ahead).Stats().KeyN; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	r.grow(t, 6)
	p.hear(r, 6)
	if p.sweep(); kept() != 1 {
		t.Error("what is ahead is not kept")
	}
	p.receive(r, r.batch(t, 0, 6))
	p.sweep()
	if kept() != 0 {
		t.Error("what came in is kept")
	}
	stats := p.db.Stats()
	before := stats.TxStats.GetWrite()
	r.now = r.now.Add(time.Minute)
	p.hear(r, 6)
	p.sweep()
	stats = p.db.Stats()
	if n := stats.TxStats.GetWrite() - before; n != 0 {
		t.Errorf("a status like any other costs %d writes", n)
	}
}

func TestI11_SilenceAsEvidence(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	p := newPlace(t, r)
	p.sweep() // never heard
	r.grow(t, 2)
	p.receive(r, r.batch(t, 0, 2))
	p.now = start.Add(SilentAfter)
	p.sweep()
	p.none("not yet")
	p.reopen() // the witness itself was away: nobody was silent to it
	p.now = p.now.Add(SilentAfter)
	p.sweep()
	p.none("it was we who were not there")
	p.now = p.now.Add(time.Second)
	p.sweep()
	p.now = p.now.Add(time.Hour)
	p.sweep()
	p.stands(r, p.only(Silent), false, 2)
}

func TestI11_ClockAheadAsEvidence(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	p := newPlace(t, r)
	r.now = start.Add(ClockSlack)
	r.grow(t, 3)
	p.receive(r, r.batch(t, 0, 3))
	p.none("within the slack")
	r.now = start.Add(ClockSlack + time.Second)
	r.grow(t, 1)
	p.receive(r, r.batch(t, 3, 4))
	r.grow(t, 1)
	p.receive(r, r.batch(t, 4, 5))
	e := p.only(Clock)
	p.stands(r, e, true, 2)
	if err := e.Check(origin, r.verifier(t)); err == nil {
		t.Error("it proves without the witness whose clock it rests on")
	}
	dir := unpacked(t, e)
	if err := os.Remove(filepath.Join(dir, "signature-2.pem")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("python3", filepath.Join(dir, "controle.py")).CombinedOutput(); err == nil || !strings.Contains(string(out), "WRONG:  klok / clock") {
		t.Errorf("the script finds it proven without that witness: %s", out)
	}
	// A recorder that was away for hours hands in old entries: no lie.
	away := newRecorder(t)
	q := newPlace(t, away)
	away.grow(t, 3)
	q.now = start.Add(30 * time.Hour)
	q.receive(away, away.batch(t, 0, 3))
	q.none("old, and handed in late")
}

// An entry that holds the ledger's checkpoint is dated before the ledger's own entry.
func TestI11_ClockBehindAsEvidence(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	p := newPlace(t, r)
	ledger := newRecorder(t)
	ledger.now = start.Add(time.Hour)
	ledger.grow(t, 5)
	checkpoint := ledger.checkpoint(t, 5)
	r.grow(t, 2)
	r.add(t, protocol.KindLedger, protocol.LedgerSeen{Checkpoint: string(checkpoint)})
	p.receive(r, r.batch(t, 0, 3))
	h, err := chain.ParseHeader(r.entries[2].Header)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := chain.InclusionProof(4, 5, ledger.hashes)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Behind(id, 0, h, checkpoint, ledger.entries[4].Header, 5, proof); err != nil {
		t.Fatal(err)
	}
	e := p.only(Clock)
	p.stands(r, e, true, 2)
	e.Shown[0].Body = nil
	if out, err := exec.Command("python3", filepath.Join(unpacked(t, e), "controle.py")).CombinedOutput(); err == nil || !strings.Contains(string(out), "WRONG:  klok / clock") {
		t.Errorf("the script finds it proven without the checkpoint that the entry holds: %s", out)
	}
}

func TestI11_MissingBodyAsEvidence(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 2)
	p.receive(r, r.batch(t, 0, 2))
	r.grow(t, 3)
	bare := stream(t, []chain.Entry{r.entries[2], {Header: r.entries[3].Header}, r.entries[4]}, r.checkpoint(t, 5))
	for range 3 {
		if _, err := p.Receive(t.Context(), id, bare); !errors.Is(err, ErrBody) {
			t.Fatal(err)
		}
	}
	e := p.only(Bodiless)
	if e.Seq != 3 || e.Times != 3 || p.state().Size != 2 {
		t.Errorf("entry %d, seen %d times, %d stored", e.Seq, e.Times, p.state().Size)
	}
	p.stands(r, e, false, 2)
	p.receive(r, r.batch(t, 2, 5)) // and refuted

	// Once the term is over the header alone will do.
	old := newRecorder(t)
	q := newPlace(t, old)
	old.grow(t, 3)
	q.now = start.AddDate(5, 2, 0)
	q.receive(old, stream(t, []chain.Entry{old.entries[0], {Header: old.entries[1].Header}, old.entries[2]}, old.checkpoint(t, 3)))
	q.none("its term was over")
}

// tape is a log of footage: segments of a minute, one camera, a mandate of an hour.
type tape struct {
	*recorder
	t    testing.TB
	p    *place
	sent int
}

func newTape(t testing.TB) *tape {
	r := newRecorder(t)
	p := newPlace(t, r)
	x := &tape{recorder: r, t: t, p: p}
	town := protocoltest.NewTown(t, start)
	r.grow(t, 1)
	mandate := &protocol.Mandate{Heading: protocol.Heading{ID: "m-1", Recorder: id, NotBefore: protocol.T(start.Add(-time.Hour)), NotAfter: protocol.T(start.Add(300 * time.Hour))}, Camera: "hal", Regime: protocol.AVG,
		Version: 1, Streams: []protocol.StreamID{"main"}, Window: protocol.Window(time.Hour), LongestHold: protocol.MaxWindow, Sound: protocol.SoundNone, Hours: "always", Besluit: "B-1", Protocol: "p v1"}
	r.add(t, protocol.KindOrder, protocol.Order{Number: 1, Kind: "mandate", ID: "m-1", Level: protocol.LevelOrder, Document: string(town.Compose(mandate))})
	return x
}

// minute seals one, and says what the camera's oldest is.
func (x *tape) minute(oldest time.Time) uint64 {
	x.t.Helper()
	from := x.now
	x.now = x.now.Add(time.Minute)
	x.add(x.t, protocol.KindSealed, protocol.Sealed{Count: 1, Cameras: []protocol.SealedCamera{{Camera: "hal", Count: 1, First: protocol.T(from), Last: protocol.T(x.now), Oldest: protocol.T(oldest)}}})
	return x.head.Size - 1
}

// expire says that a minute is gone.
func (x *tape) expire(seq uint64, start time.Time) {
	x.t.Helper()
	x.add(x.t, protocol.KindExpired, protocol.Expired{Reason: "window", At: protocol.T(x.now), Segments: []protocol.ExpiredSegment{{Camera: "hal", Run: "r-1", N: int(seq), Minute: seq, Start: protocol.T(start), Due: protocol.T(start.Add(time.Hour))}}})
}

func (x *tape) deliver() {
	x.t.Helper()
	x.p.now = x.now
	x.p.receive(x.recorder, x.batch(x.t, x.sent, len(x.entries)))
	x.sent = len(x.entries)
	x.p.sweep()
}

// film runs for minutes, each expiring an hour later unless skip says so; oldest is what it truthfully says.
func (x *tape) film(minutes int, skip func(i int) bool) {
	x.t.Helper()
	var seqs []uint64
	begin := x.now
	for i := range minutes {
		oldest := begin.Add(time.Duration(max(0, i-60)) * time.Minute)
		seqs = append(seqs, x.minute(oldest))
		if i >= 61 && !skip(i-61) {
			x.expire(seqs[i-61], begin.Add(time.Duration(i-61)*time.Minute))
		}
		if i%10 == 9 {
			x.deliver()
		}
	}
	x.deliver()
}

func never(int) bool { return false }

func TestI02_FootageThatNeverExpiresAsEvidence(t *testing.T) {
	t.Parallel()
	x := newTape(t)
	x.film(300, never)
	x.p.none("every minute went in time")
	x = newTape(t)
	x.film(300, func(i int) bool { return i == 70 })
	e := x.p.only(Overdue)
	if e.Camera != "hal" || !strings.Contains(e.Words().EN, "1 segments were not reported as deleted") {
		t.Error(e.Camera, e.Words().EN)
	}
	x.p.stands(x.recorder, e, false, 2)
	if !slices.Contains(e.Seqs, 1) { // the mandate
		t.Error("the mandate is not shown")
	}
}

// A hold excuses what it holds, and no longer.
func TestI05_AHoldExcuses(t *testing.T) {
	t.Parallel()
	x := newTape(t)
	begin := x.now
	first := x.minute(begin)
	x.add(t, protocol.KindHoldPlaced, protocol.HoldPlaced{Hold: "h-1", Request: "z-1", Camera: "hal", Asked: protocol.Span(begin.Add(70*time.Minute), begin.Add(71*time.Minute)), Interval: protocol.Span(begin.Add(70*time.Minute), begin.Add(71*time.Minute)), Segments: 0, End: protocol.T(begin.Add(100 * time.Hour))})
	x.expire(first, begin)
	x.film(300, func(i int) bool { return i == 69 })
	x.p.none("held")
	x.add(t, protocol.KindHoldLifted, protocol.HoldLifted{Hold: "h-1", Reason: "lift"})
	x.film(12, never)
	x.p.none("just lifted")
	x.film(30, never)
	x.p.only(Overdue)

	// One of another camera excuses nothing.
	x = newTape(t)
	begin = x.now
	x.add(t, protocol.KindHoldPlaced, protocol.HoldPlaced{Hold: "h-1", Request: "z-1", Camera: "plein", Asked: protocol.Span(begin, begin.Add(5*time.Hour)), Interval: protocol.Span(begin, begin.Add(5*time.Hour)), End: protocol.T(begin.Add(100 * time.Hour))})
	x.film(300, func(i int) bool { return i == 70 })
	x.p.only(Overdue)
}

func TestI06_ExpiredFootageStillListedAsEvidence(t *testing.T) {
	t.Parallel()
	x := newTape(t)
	begin := x.now
	x.film(300, never)
	x.minute(begin.Add(10 * time.Minute))
	x.deliver()
	x.p.none("once: it may have been on its way")
	x.minute(begin.Add(10 * time.Minute))
	x.deliver()
	x.p.stands(x.recorder, x.p.only(Listed), false, 2)
}

func TestI06_ExpiredFootageReleasedAsEvidence(t *testing.T) {
	t.Parallel()
	x := newTape(t)
	begin := x.now
	x.film(300, never)
	for i, from := range []int{245, 10} { // what is there; what is gone
		x.add(t, protocol.KindIntent, protocol.Access{How: "release", Grant: "g-1", Request: "z-1", Person: "p-1", Camera: "hal", Interval: protocol.Span(begin.Add(time.Duration(from)*time.Minute), begin.Add(time.Duration(from+5)*time.Minute))})
		x.add(t, protocol.KindReleased, protocol.Released{Grant: "g-1", Request: "z-1", Camera: "hal", Intent: x.head.Size - 1, Segments: 5})
		x.deliver()
		if i == 0 {
			x.p.none("it was there")
		}
	}
	x.p.stands(x.recorder, x.p.only(Listed), false, 2)
}

func TestI06_ExpiredFootageInTheStatusAsEvidence(t *testing.T) {
	t.Parallel()
	x := newTape(t)
	oldest := protocol.T(x.now.Add(5 * time.Minute))
	x.film(300, never)
	says := func(entries uint64) {
		x.now = x.now.Add(time.Minute)
		x.p.hear(x.recorder, entries, protocol.CameraStatus{Camera: "hal", Oldest: &oldest})
	}
	for range 3 {
		says(x.head.Size + 1)
	}
	x.p.none("what it deleted meanwhile has not come in")
	x.add(t, protocol.KindStarted, protocol.Started{Software: "test", Volume: "v"})
	x.deliver()
	says(x.head.Size)
	x.p.none("once: a deletion may have been under way")
	says(x.head.Size)
	x.p.stands(x.recorder, x.p.only(Listed), false, 3)
}

// An access is evidence as it stands in the log.
func TestI12_AccessAsEvidence(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 3)
	r.add(t, protocol.KindView, protocol.Access{How: "live", Grant: "g-none", Camera: "hal", Interval: protocol.Span(start, start.Add(time.Second))})
	p.receive(r, r.batch(t, 0, 4))
	e, ok, err := p.EvidenceOf(id, 0, 3)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	p.stands(r, e, false, 2)
	if _, ok, err := p.EvidenceOf(id, 0, 4); ok || err != nil {
		t.Error("an entry that is not there", err)
	}
}

// A crash between the deletion of several disks' footage and its index: the entries come again, and count once.
func TestI02_DeletionsToldAgainAfterACrash(t *testing.T) {
	t.Parallel()
	x := newTape(t)
	x.now = start.Truncate(time.Hour).Add(5 * time.Minute) // all within one clock hour
	begin := x.now
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Minute) }
	var seqs []uint64
	for range 10 {
		seqs = append(seqs, x.minute(begin))
	}
	for i := range 8 {
		x.expire(seqs[i], at(i))
	}
	x.add(t, protocol.KindStarted, protocol.Started{Software: "test", Volume: "v"})
	x.expire(seqs[6], at(6))
	x.expire(seqs[7], at(7))
	x.deliver()
	for range 3 {
		x.now = x.now.Add(time.Minute)
		x.add(t, protocol.KindSealed, protocol.Sealed{Count: 1, Cameras: []protocol.SealedCamera{{Camera: "hal", Count: 1, First: protocol.T(begin.Add(time.Hour)), Last: protocol.T(begin.Add(61 * time.Minute)), Oldest: protocol.T(at(8))}}})
		x.deliver()
	}
	x.p.none("two minutes are left")
}
