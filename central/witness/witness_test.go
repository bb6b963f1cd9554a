package witness

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

var start = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

const id protocol.RecorderID = "rec-1"

var origin = protocol.Origin(id, "stad")

// place is a witness that can be reopened, with a clock.
type place struct {
	*Witness
	t    testing.TB
	path string
	skey string
	mu   sync.Mutex
	now  time.Time
}

func newPlace(t testing.TB, r *recorder) *place {
	t.Helper()
	skey, _, err := protocol.NewKey("witness.stad/beeldwacht")
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, path: filepath.Join(t.TempDir(), "witness.db"), skey: skey, now: start}
	p.open()
	t.Cleanup(func() { _ = p.Close() })
	if err := p.Enrol(id, r.vkey, origin); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) Now() time.Time { p.mu.Lock(); defer p.mu.Unlock(); return p.now }

func (p *place) open() {
	p.t.Helper()
	w, err := Open(p.path, p.skey, p.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		p.t.Fatal(err)
	}
	p.Witness = w
}

func (p *place) reopen() {
	p.t.Helper()
	if err := p.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.open()
}

// receive expects the batch's own checkpoint cosigned.
func (p *place) receive(r *recorder, batch []byte) []byte {
	p.t.Helper()
	cosigned, err := p.Receive(p.t.Context(), id, batch)
	if err != nil {
		p.t.Fatal(err)
	}
	if size, _ := p.opened(r, cosigned); size != p.state().Size {
		p.t.Fatalf("cosigned %d of %d", size, p.state().Size)
	}
	return cosigned
}

// opened verifies a cosigned checkpoint as the recorder does.
func (p *place) opened(r *recorder, signed []byte) (uint64, time.Time) {
	p.t.Helper()
	v, err := chain.WitnessVerifier(p.Key())
	if err != nil {
		p.t.Fatal(err)
	}
	c, cosigned, err := chain.OpenSuccessor(signed, origin, r.verifier(p.t), v)
	if err != nil || len(cosigned) != 1 {
		p.t.Fatalf("%d cosignatures, %v, in\n%s", len(cosigned), err, signed)
	}
	if root, err := chain.RootAt(c.Size, r.hashes); err != nil || root != c.Root {
		p.t.Fatalf("cosigned root %s, the recorder has %s (%v)", c.Root, root, err)
	}
	return c.Size, cosigned[0].Time
}

func (p *place) state() Recorder {
	p.t.Helper()
	r, ok := p.Recorder(id)
	if !ok {
		p.t.Fatal("no such recorder")
	}
	return r
}

// recorder makes a log.
type recorder struct {
	signer  note.Signer
	vkey    string
	head    chain.Head
	entries []chain.Entry
	hashes  chain.Hashes
	now     time.Time
	log     uint64 // number of its log; 0: the first
}

func newRecorder(t testing.TB) *recorder {
	signer, vkey := protocoltest.Key(t, origin)
	return &recorder{signer: signer, vkey: vkey, now: start}
}

func (r *recorder) verifier(t testing.TB) note.Verifier {
	v, err := protocol.NewVerifier(r.vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// copy is the same recorder's disk at this moment.
func (r *recorder) copy() *recorder {
	c := *r
	c.entries, c.hashes = slices.Clone(r.entries), slices.Clone(r.hashes)
	return &c
}

func (r *recorder) add(t testing.TB, kind string, body any) {
	t.Helper()
	e, err := chain.Seal(&r.head, kind, body, r.now)
	if err == nil {
		err = r.hashes.Add(r.head.Size, e.Header)
	}
	if err == nil {
		err = r.head.Add(e)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.entries = append(r.entries, e)
}

func (r *recorder) grow(t testing.TB, n int) {
	t.Helper()
	for range n {
		r.add(t, protocol.KindStopped, protocol.Stopped{Reason: "test"})
	}
}

// checkpoint over the first size entries.
func (r *recorder) checkpoint(t testing.TB, size int) []byte {
	t.Helper()
	root, err := chain.RootAt(uint64(size), r.hashes)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := protocol.SignerUnder(protocol.LogOrigin(origin, r.log), r.signer)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: signer.Name(), Size: uint64(size), Root: root}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// batch of entries from up to to, with the checkpoint over to.
func (r *recorder) batch(t testing.TB, from, to int) []byte {
	t.Helper()
	return stream(t, r.entries[from:to], r.checkpoint(t, to))
}

func stream(t testing.TB, entries []chain.Entry, checkpoint []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		if err := chain.WriteEntry(&b, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := chain.WriteCheckpoint(&b, checkpoint); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLogGrowsAndIsCosigned(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	p.receive(r, r.batch(t, 0, 0)) // an empty log is a log
	r.grow(t, 5)
	p.receive(r, r.batch(t, 0, 3))
	p.receive(r, r.batch(t, 1, 5)) // overlaps: fine if identical
	p.receive(r, r.batch(t, 0, 5)) // all of it again

	// Idle: the cosignature in hand stays young, and its time never goes back.
	p.now = start.Add(time.Minute)
	_, at := p.opened(r, p.receive(r, r.batch(t, 5, 5)))
	if !at.Equal(p.now) {
		t.Errorf("cosigned at %s", at)
	}
	p.now = start
	if _, at := p.opened(r, p.receive(r, r.batch(t, 5, 5))); !at.Equal(start.Add(time.Minute)) {
		t.Errorf("cosignature went back to %s", at)
	}

	p.reopen()
	if s := p.state(); s.Size != 5 || s.CosignedSize != 5 || len(s.Findings) != 0 {
		t.Errorf("%+v", s)
	}
	if !p.EqualHead(id, 0, 5) || p.EqualHead(id, 0, 6) || p.EqualHead(id, 2, 5) {
		t.Error("EqualHead")
	}
	var file bytes.Buffer
	if err := p.LogFile(id, &file); err != nil {
		t.Fatal(err)
	}
	w, err := chain.WitnessVerifier(p.Key())
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: r.verifier(t), Witnesses: []note.Verifier{w}, Quorum: 1})
	if err != nil || !verdict.Quorum || !verdict.Matches || verdict.Entries != 5 {
		t.Errorf("%+v %v", verdict, err)
	}
}

func TestI11_RollbackIsAnsweredWithWhatIsKnown(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 6)
	newest := p.receive(r, r.batch(t, 0, 6))
	for _, old := range [][]byte{r.batch(t, 0, 4), r.batch(t, 3, 3), r.batch(t, 0, 0)} {
		answer, err := p.Receive(t.Context(), id, old)
		if err != nil || !bytes.Equal(answer, newest) {
			t.Errorf("%v, answered\n%s", err, answer)
		}
	}
	if s := p.state(); len(s.Findings) != 0 || s.CosignedSize != 6 {
		t.Errorf("%+v", s)
	}
}

// A recorder put back from a backup writes on from there: a fork, at any size, with evidence that stands alone.
func TestI11_ForkIsNeverCosignedAndIsEvidence(t *testing.T) {
	for _, grown := range []int{1, 3, 9} { // smaller than, as large as, larger than what is known
		t.Run(fmt.Sprint(grown), func(t *testing.T) {
			r := newRecorder(t)
			p := newPlace(t, r)
			r.grow(t, 4)
			backup := r.copy()
			r.grow(t, 3)
			newest := p.receive(r, r.batch(t, 0, 7))
			backup.grow(t, grown)
			for range 2 {
				answer, err := p.Receive(t.Context(), id, backup.batch(t, 2, 4+grown))
				if !errors.Is(err, ErrFork) || !bytes.Equal(answer, newest) {
					t.Errorf("%v, answered\n%s", err, answer)
				}
			}
			p.reopen()
			s := p.state()
			if len(s.Findings) != 1 || s.Findings[0].Kind != Fork || s.Findings[0].Times != 2 {
				t.Fatalf("%+v", s.Findings)
			}
			f := s.Findings[0]
			if err := f.Check(origin, r.verifier(t)); err != nil {
				t.Errorf("the evidence does not hold: %v", err)
			}
			_, other := protocoltest.Key(t, origin)
			v, err := protocol.NewVerifier(other)
			if err != nil {
				t.Fatal(err)
			}
			if f.Check(origin, v) == nil {
				t.Error("evidence against another key")
			}
			f.Theirs = f.Ours
			if f.Check(origin, r.verifier(t)) == nil {
				t.Error("a log contradicts itself")
			}
			// The true log goes on.
			r.grow(t, 1)
			p.receive(r, r.batch(t, 7, 8))
		})
	}
}

// A recorder that lies a thousand times does not fill the witness's disk with the evidence.
func TestEvidenceIsBounded(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 2)
	backup := r.copy()
	r.grow(t, 2)
	p.receive(r, r.batch(t, 0, 4))
	for range 3 * mostForks {
		lie := backup.copy()
		lie.grow(t, 1) // another salt each time: another log
		if _, err := p.Receive(t.Context(), id, lie.batch(t, 2, 3)); !errors.Is(err, ErrFork) {
			t.Fatal(err)
		}
	}
	times := uint64(0)
	s := p.state()
	for _, f := range s.Findings {
		times += f.Times
		if err := f.Check(origin, r.verifier(t)); err != nil {
			t.Error(err)
		}
	}
	if len(s.Findings) != mostForks+1 || times != 3*mostForks {
		t.Errorf("%d findings, seen %d times", len(s.Findings), times)
	}
}

// Stored, then the power fails before the cosignature: nothing is lost, and nothing else can take the place of what was stored.
func TestI11_CrashBetweenStoringAndCosigning(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 3)
	before := p.receive(r, r.batch(t, 0, 3))
	backup := r.copy()
	r.grow(t, 2)
	crash := errors.New("power")
	p.between = func() error { return crash }
	if answer, err := p.Receive(t.Context(), id, r.batch(t, 3, 5)); !errors.Is(err, crash) || answer != nil {
		t.Fatalf("%v, answered %s", err, answer)
	}
	p.reopen()
	if s := p.state(); s.Size != 5 || s.CosignedSize != 3 || !bytes.Equal(s.Cosigned, before) {
		t.Errorf("%d stored, %d cosigned", s.Size, s.CosignedSize)
	}
	backup.grow(t, 2)
	if _, err := p.Receive(t.Context(), id, backup.batch(t, 3, 5)); !errors.Is(err, ErrFork) {
		t.Errorf("another log after the crash: %v", err)
	}
	p.receive(r, r.batch(t, 3, 5)) // the recorder got no answer and hands in again
}

// The store fails before anything is stored: nothing is cosigned.
func TestI11_NothingStoredNothingCosigned(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 3)
	if err := p.db.Update(func(tx *bbolt.Tx) error { // something stands where a row must go
		_, err := tx.Bucket(logs).Bucket([]byte(id)).Bucket(cameras).CreateBucket([]byte("hal"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r.add(t, protocol.KindSealed, protocol.Sealed{Cameras: []protocol.SealedCamera{{Camera: "hal", Oldest: protocol.T(start)}}})
	if answer, err := p.Receive(t.Context(), id, r.batch(t, 0, 4)); err == nil || answer != nil {
		t.Errorf("%v, answered %s", err, answer)
	}
	if s := p.state(); s.Size != 0 || s.Cosigned != nil {
		t.Errorf("%+v", s)
	}
}

// Two centres are handed two logs of one recorder at once: one of them is cosigned, and only one.
func TestI11_TwoAtOnce(t *testing.T) {
	for range 10 {
		r := newRecorder(t)
		p := newPlace(t, r)
		r.grow(t, 2)
		p.receive(r, r.batch(t, 0, 2))
		forks := []*recorder{r.copy(), r.copy()}
		answers := make([]error, 2)
		var wg sync.WaitGroup
		for i, f := range forks {
			f.grow(t, 2)
			b := f.batch(t, 2, 4)
			wg.Go(func() { _, answers[i] = p.Receive(t.Context(), id, b) })
		}
		wg.Wait()
		winner := slices.Index(answers, nil)
		if winner < 0 || !errors.Is(answers[1-winner], ErrFork) {
			t.Fatalf("%v", answers)
		}
		s := p.state()
		if size, _ := p.opened(forks[winner], s.Cosigned); size != 4 || len(s.Findings) != 1 {
			t.Fatalf("cosigned %d, %d findings", size, len(s.Findings))
		}
	}
}

// The same recorder's batches by many roads at once end in one log.
func TestI11_ManyRoads(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 24)
	var wg sync.WaitGroup
	for i := range 4 {
		b := make([][]byte, 12)
		for j := range b {
			b[j] = r.batch(t, 0, 2*j+2-i%2)
		}
		wg.Go(func() {
			for _, batch := range b {
				if _, err := p.Receive(t.Context(), id, batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := p.state(); s.Size != 24 || s.CosignedSize != 24 || len(s.Findings) != 0 {
		t.Errorf("%d stored, %d cosigned, findings %v", s.Size, s.CosignedSize, s.Findings)
	}
	p.opened(r, p.state().Cosigned)
}

// Whoever carries the batch spoils it: nothing of it is kept, and the good one is taken afterwards.
func TestSpoiltOnTheWay(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 3)
	p.receive(r, r.batch(t, 0, 3))
	other := r.copy()
	other.grow(t, 1) // a well-formed entry that the recorder never signed for
	r.grow(t, 2)
	stranger := newRecorder(t)
	stranger.grow(t, 5)
	for what, batch := range map[string][]byte{
		"entry made up":         stream(t, other.entries[3:4], r.checkpoint(t, 4)),
		"body changed":          bytes.Replace(r.batch(t, 3, 5), []byte(`"test"`), []byte(`"tset"`), 1),
		"checkpoint of another": stranger.batch(t, 3, 5),
		"entry left out":        stream(t, r.entries[4:5], r.checkpoint(t, 5)),
		"end left off":          stream(t, r.entries[3:4], r.checkpoint(t, 5)),
		"entries in disorder":   stream(t, []chain.Entry{r.entries[4], r.entries[3]}, r.checkpoint(t, 5)),
		"no checkpoint":         r.batch(t, 3, 5)[:len(r.batch(t, 3, 5))-len(r.checkpoint(t, 5))],
		"torn":                  r.batch(t, 3, 5)[:100],
		"body withheld":         stream(t, []chain.Entry{r.entries[3], {Header: r.entries[4].Header}}, r.checkpoint(t, 5)),
		"nothing":               nil,
		"more than may be":      make([]byte, MaxBatch+1),
	} {
		if _, err := p.Receive(t.Context(), id, batch); err == nil || errors.Is(err, ErrFork) {
			t.Errorf("%s: %v", what, err)
		}
		if s := p.state(); s.Size != 3 || s.CosignedSize != 3 {
			t.Fatalf("%s: %d stored", what, s.Size)
		}
	}
	for _, f := range p.state().Findings {
		if f.Kind != Unfit && f.Kind != Bodiless || !errors.Is(f.Check(origin, r.verifier(t)), ErrWord) {
			t.Errorf("a spoilt batch accuses the recorder: %+v", f)
		}
	}
	// What no checkpoint covers is not looked at.
	p.receive(r, stream(t, append(slices.Clone(r.entries[3:4]), r.entries[4]), r.checkpoint(t, 4)))
	if s := p.state(); s.Size != 4 {
		t.Errorf("%d stored", s.Size)
	}
	p.receive(r, r.batch(t, 4, 5))
	if _, err := p.Receive(t.Context(), "rec-2", r.batch(t, 0, 5)); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, err := p.Receive(t.Context(), id, r.batch(t, 0, 5)[1:]); err == nil {
		t.Error("half a header")
	}
}

// TestEntryThatDoesNotExtendIsNamed: recorder, entry, and what does not fit; a gap says what was expected.
func TestEntryThatDoesNotExtendIsNamed(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 3)
	p.receive(r, r.batch(t, 0, 3))
	other := newRecorder(t)
	other.signer, other.vkey = r.signer, r.vkey
	other.grow(t, 5)
	r.grow(t, 3)
	for what, c := range map[string]struct {
		batch []byte
		words []string
	}{
		"another log": {other.batch(t, 3, 5), []string{string(id), "checkpoint of 5 entries", "entry 3", "prev is"}},
		"gap":         {r.batch(t, 5, 6), []string{string(id), "begins at entry 5, 3 are known"}},
		"body":        {bytes.Replace(r.batch(t, 3, 6), []byte(`"test"`), []byte(`"tset"`), 1), []string{string(id), "entry 3", "body hashes to"}},
		"too large":   {make([]byte, MaxBatch+1), []string{string(id), fmt.Sprint(MaxBatch + 1), fmt.Sprint(MaxBatch)}},
		"torn":        {r.batch(t, 3, 6)[:100], []string{string(id), "entry 0", "line 1"}},
	} {
		_, err := p.Receive(t.Context(), id, c.batch)
		for _, w := range c.words {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", what, err, w)
			}
		}
	}
	p.receive(r, r.batch(t, 3, 6)) // and the good one is taken
}

func TestEnrolment(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	if err := p.Enrol(id, r.vkey, origin); err != nil {
		t.Errorf("again with the same: %v", err)
	}
	if err := p.Enrol(id, newRecorder(t).vkey, origin); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Error(err)
	}
	if err := p.Enrol("rec-2", r.vkey, protocol.Origin("rec-2", "stad")); err == nil {
		t.Error("a key that bears another origin")
	}
	if _, err := Open(p.path, p.skey, p.Now, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("two processes on one store")
	}
}

func TestFactsForPages(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	oldest := protocol.T(start.Add(-time.Hour))
	r.add(t, protocol.KindSealed, protocol.Sealed{Count: 2, Cameras: []protocol.SealedCamera{{Camera: "hal", Oldest: oldest, First: oldest, Last: oldest}, {Camera: "plein", Oldest: oldest, First: oldest, Last: oldest}}})
	r.add(t, protocol.KindIntent, protocol.Access{How: "release", Grant: "g-4", Request: "z-1", Camera: "hal", Interval: protocol.Span(start.Add(-time.Hour), start), Person: "p-1", Recipient: "age1x"})
	changed := p.Changed()
	p.receive(r, r.batch(t, 0, 2))
	select {
	case <-changed:
	default:
		t.Error("who waits was not woken")
	}
	f, ok := p.OldestFootage(id, "hal")
	if !ok || f.Oldest == nil || !f.Oldest.Equal(oldest.Time) || !f.CosignedAt.Equal(start) {
		t.Errorf("%+v", f)
	}
	r.add(t, protocol.KindExpired, protocol.Expired{Reason: "window", At: protocol.T(start), Oldest: []protocol.OldestFootage{{Camera: "hal"}}})
	r.add(t, protocol.KindSealed, map[string]string{"newer": "field"}) // a newer recorder says more than we can read
	r.add(t, protocol.KindView, protocol.Access{How: "live", Grant: "g-5", Request: "z-2", Camera: "plein", Interval: protocol.Span(start, start.Add(time.Second)), Person: "p-2", Recipient: "p256:x"})
	p.between = func() error { return errors.New("power") }
	_, _ = p.Receive(t.Context(), id, r.batch(t, 2, 5))
	p.between = nil
	if f, ok := p.OldestFootage(id, "hal"); !ok || f.Oldest != nil || !f.CosignedAt.IsZero() || f.Seq != 2 {
		t.Errorf("after expiry, before its cosignature: %+v", f)
	}
	p.receive(r, r.batch(t, 2, 5))
	if f, _ := p.OldestFootage(id, "hal"); !f.CosignedAt.Equal(start) {
		t.Errorf("%+v", f)
	}
	if _, ok := p.OldestFootage(id, "nergens"); ok {
		t.Error("a camera nobody spoke of")
	}
	list, err := p.Accesses(id, 10)
	if err != nil || len(list) != 2 || list[0].Grant != "g-5" || list[1].Seq != 1 || list[1].Kind != protocol.KindIntent {
		t.Errorf("%+v %v", list, err)
	}
	if list, _ := p.Accesses(id, 1); len(list) != 1 || list[0].Seq != 4 {
		t.Errorf("newest: %+v", list)
	}
	if got, err := p.Entries(id, 3, 10); err != nil || len(got) != 2 {
		t.Error(len(got), err)
	}
	if len(p.Silence(start.Add(time.Hour), time.Hour)) != 0 || len(p.Silence(start.Add(time.Hour+time.Second), time.Hour)) != 1 {
		t.Error("silence")
	}
}

func TestDamagedStoreIsNotOpened(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 3)
	p.receive(r, r.batch(t, 0, 3))
	if err := p.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(logs).Bucket([]byte(id)).Bucket(headers).Delete(key(2))
	}); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(p.path, p.skey, p.Now, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), string(id)) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	r := newRecorder(f)
	r.grow(f, 4)
	v := r.verifier(f)
	f.Add(r.batch(f, 0, 4))
	f.Add(r.batch(f, 2, 3))
	f.Add(r.batch(f, 4, 4))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := parse(raw, origin, v)
		if err != nil {
			return
		}
		if b.first+uint64(len(b.entries)) > max(b.checkpoint.Size, b.first) {
			t.Errorf("entries beyond the checkpoint of %d", b.checkpoint.Size)
		}
	})
}

// A log as the centre exports it shows since when this witness saw it grow, also after a restart.
func TestI11_LogFileShowsSinceWhenItIsWitnessed(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	p := newPlace(t, r)
	r.grow(t, 3)
	p.receive(r, r.batch(t, 0, 3))
	sizes := func() (list []uint64) {
		t.Helper()
		v, err := chain.WitnessVerifier(p.Key())
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		if err := p.LogFile(id, &file); err != nil {
			t.Fatal(err)
		}
		d, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: r.verifier(t), Witnesses: []note.Verifier{v}, Quorum: 1})
		if err != nil || !d.Quorum || d.Uncovered != 0 {
			t.Errorf("%d uncovered, %v", d.Uncovered, err)
		}
		for _, w := range d.Witnesses {
			list = append(list, w.Checkpoint.Size)
		}
		return list
	}
	if got := sizes(); !slices.Equal(got, []uint64{3}) {
		t.Error(got)
	}
	for range 3 {
		from := len(r.entries)
		r.grow(t, 4)
		p.receive(r, r.batch(t, from, len(r.entries)))
		p.reopen()
	}
	if got := sizes(); !slices.Equal(got, []uint64{3, 15}) {
		t.Error(got)
	}
}
