package journal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const origin = "rec-1.helmond/beeldwacht"

var start = time.Date(2026, 11, 30, 23, 59, 0, 0, time.UTC) // close to a new month

// world is a recorder's key, its witnesses and its clock.
type world struct {
	t         testing.TB
	disk      disk.Disk // nil: the machine's own
	dir       string
	keys      string // folder of the epochs' keys; "": they are not sealed
	signer    note.Signer
	log       note.Verifier
	witness   []*chain.Witness
	witnesses []note.Verifier
	clock     atomic.Int64 // unix ms
	logged    bytes.Buffer
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "journal")}
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	w.must(err)
	w.signer, err = protocol.NewSigner(skey)
	w.must(err)
	w.log, err = protocol.NewVerifier(vkey)
	w.must(err)
	for _, name := range []string{"witness.helmond", "witness.example", "witness.third"} {
		skey, _, err := note.GenerateKey(rand.Reader, name)
		w.must(err)
		key, vkey, err := chain.NewWitness(skey)
		w.must(err)
		v, err := chain.WitnessVerifier(vkey)
		w.must(err)
		w.witness, w.witnesses = append(w.witness, key), append(w.witnesses, v)
	}
	w.clock.Store(start.UnixMilli())
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time { return time.UnixMilli(w.clock.Load()) }

func (w *world) tryOpen() (*Journal, error) {
	j, err := OpenOn(w.disk, w.dir, origin, w.signer, w.now, slog.New(slog.NewTextHandler(&w.logged, nil)))
	if err == nil && w.keys != "" {
		if err = j.SealEpochs(w.keys); err != nil {
			return nil, errors.Join(err, j.Close())
		}
	}
	return j, err
}

func (w *world) open() *Journal {
	w.t.Helper()
	j, err := w.tryOpen()
	w.must(err)
	w.t.Cleanup(func() { j.Close() })
	return j
}

// fill appends n entries, ten seconds apart.
func (w *world) fill(j *Journal, n int) {
	w.t.Helper()
	for range n {
		w.clock.Add(10_000)
		_, err := j.Append(context.Background(), protocol.KindIncident, protocol.Incident{What: "test", Detail: "nothing"})
		w.must(err)
	}
}

// cosign has witnesses cosign the journal's present head at a time.
func (w *world) cosign(j *Journal, at time.Time, witnesses ...*chain.Witness) []byte {
	w.t.Helper()
	n, err := j.Checkpoint()
	w.must(err)
	for _, x := range witnesses {
		n, err = chain.Cosign(n, x, at)
		w.must(err)
	}
	return n
}

func (w *world) verify() (chain.Verdict, error) {
	w.t.Helper()
	s, err := OpenLog(w.dir)
	w.must(err)
	defer s.Close()
	return chain.Verify(s, chain.Verifier{Origin: origin, Log: w.log, Witnesses: w.witnesses, Quorum: 2})
}

func (w *world) read(name string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	w.must(err)
	return b
}

func (w *world) write(name string, b []byte) {
	w.t.Helper()
	w.must(os.WriteFile(filepath.Join(w.dir, name), b, 0o600))
}

func TestEntriesAreThereAfterReopening(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 600) // over the turn of a month, and over two marks
	root := j.Head().Root()
	w.must(j.Close())
	if _, err := j.Append(context.Background(), protocol.KindStopped, protocol.Stopped{}); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	w.read("bodies-2026-11.log")
	w.read("bodies-2026-12.log")

	j = w.open()
	w.fill(j, 3)
	if j.Head().Size != 603 || w.logged.Len() != 0 {
		t.Errorf("size %d after reopening; logged %s", j.Head().Size, &w.logged)
	}
	for _, from := range []uint64{0, 1, 4, 5, 6, 255, 256, 257, 599, 602} {
		got, err := j.Entries(from, 5)
		w.must(err)
		if want := min(5, 603-int(from)); len(got) != want {
			t.Fatalf("from %d: %d entries, want %d", from, len(got), want)
		}
		for i, e := range got {
			h, err := chain.ParseHeader(e.Header)
			w.must(err)
			if h.Seq != from+uint64(i) || !h.Holds(e.Body) {
				t.Errorf("from %d: entry %d is %d, body %s", from, i, h.Seq, e.Body)
			}
		}
	}
	if got, err := j.Entries(603, 5); err != nil || len(got) != 0 {
		t.Errorf("beyond the end: %d entries, %v", len(got), err)
	}
	var head chain.Head
	w.must(j.Replay(func(h chain.Header, body []byte) error {
		var b protocol.Incident
		if head.Size++; head.Size == 600 && h.Seq != 599 {
			t.Error("replay out of order")
		}
		return chain.ParseBody(body, &b)
	}))
	if d, err := w.verify(); err != nil || d.Entries != 603 || d.Head.Root() != j.Head().Root() || d.Head.Root() == root {
		t.Errorf("verify: %+v, %v", d, err)
	}
}

func TestBadBodyFailsItsOwnAppendOnly(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	for name, bad := range map[string]any{"float": map[string]float64{"n": 0.5}, "long": map[string]string{"s": strings.Repeat("x", 64<<10)}, "channel": make(chan int)} {
		if _, err := j.Append(context.Background(), "test", bad); err == nil || errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.fill(j, 1)
	if j.Head().Size != 1 || j.Err() != nil {
		t.Errorf("size %d, %v", j.Head().Size, j.Err())
	}
}

func TestManyWritersOneChain(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	reading, stop := context.WithCancel(context.Background())
	var readers, writers sync.WaitGroup
	readers.Go(func() { // verify runs beside the recorder
		for reading.Err() == nil {
			if d, err := w.verify(); err != nil {
				t.Errorf("verify while writing: %+v, %v", d, err)
				return
			}
		}
	})
	readers.Go(func() {
		for reading.Err() == nil {
			if err := j.Cosigned(w.cosign(j, w.now(), w.witness...), w.witnesses, 2); err != nil {
				t.Error(err)
			}
			if _, err := j.Entries(j.Head().Size/2, 10); err != nil {
				t.Error(err)
			}
		}
	})
	seen := make([]atomic.Int32, 400)
	for i := range 20 {
		writers.Go(func() {
			for k := range 20 {
				w.clock.Add(1000)
				seq, err := j.Append(context.Background(), "test", map[string]int{"writer": i, "n": k})
				if err != nil {
					t.Error(err)
					return
				}
				seen[seq].Add(1)
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	for seq := range seen {
		if seen[seq].Load() != 1 {
			t.Fatalf("number %d was given %d times", seq, seen[seq].Load())
		}
	}
	if d, err := w.verify(); err != nil || d.Entries != 400 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestSecondWriterIsKeptOut(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	if _, err := w.tryOpen(); err == nil || !strings.Contains(err.Error(), "another process writes") {
		t.Errorf("second open: %v", err)
	}
	w.must(j.Close())
	w.open()
}

// A crash may leave the files of an unfinished batch cut anywhere. Reopening must give back every entry that is whole, and nothing else.
func TestCrashAtEveryByteOfTheLastTwoEntries(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 5) // 23:59:10 to 23:59:50, in November
	w.fill(j, 2) // entries 5 and 6 stand in December
	w.must(j.Close())
	const december = "bodies-2026-12.log"
	headers, november, bodies, hashes := w.read(headersFile), w.read("bodies-2026-11.log"), w.read(december), w.read(hashesFile)
	if n := bytes.Count(bodies, []byte("\n")); n != 2 {
		t.Fatalf("%d bodies in December, want 2", n)
	}
	lines := bytes.SplitAfter(headers, []byte("\n"))
	keep := len(headers) - len(lines[5]) - len(lines[6])
	first := bytes.IndexByte(bodies, '\n') + 1

	try := func(name string, headers, bodies []byte, want uint64) {
		t.Helper()
		w.write(headersFile, headers)
		w.write("bodies-2026-11.log", november)
		w.write(december, bodies)
		w.write(hashesFile, hashes)
		w.logged.Reset()
		j, err := w.tryOpen()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if j.Head().Size != want {
			t.Fatalf("%s: %d entries, want %d", name, j.Head().Size, want)
		}
		if want < 7 && !strings.Contains(w.logged.String(), "cut off") {
			t.Errorf("%s: nothing was said about it", name)
		}
		w.fill(j, 2)
		w.must(j.Close())
		if d, err := w.verify(); err != nil || d.Entries != want+2 {
			t.Fatalf("%s: then %+v, %v", name, d, err)
		}
	}
	for cut := keep; cut <= len(headers); cut++ {
		want := uint64(5)
		if cut >= keep+len(lines[5]) {
			want++
		}
		if cut == len(headers) {
			want++
		}
		try(fmt.Sprintf("headers cut at %d", cut), headers[:cut], bodies, want)
	}
	for cut := 0; cut <= len(bodies); cut++ {
		want := uint64(5)
		if cut >= first {
			want++
		}
		if cut == len(bodies) {
			want++
		}
		try(fmt.Sprintf("bodies cut at %d", cut), headers, bodies[:cut], want)
		if cut%7 == 0 {
			try(fmt.Sprintf("both cut, bodies at %d", cut), headers[:keep+len(lines[5])/2], bodies[:cut], 5)
		}
	}
	// Sizes reached the disk before contents.
	try("headers end in zeros", append(bytes.Clone(headers[:keep+40]), make([]byte, 300)...), bodies, 5)
	try("a line of zeros", append(bytes.Clone(headers[:keep]), append(make([]byte, 300), '\n')...), bodies, 5)
	try("bodies end in zeros", headers, append(bytes.Clone(bodies[:first+10]), make([]byte, len(bodies)-first-10)...), 6)
	try("whole", headers, bodies, 7)
}

func TestDamageInTheMiddleIsRefusedWithItsPlace(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 9)
	w.must(j.Close())
	headers, bodies := w.read(headersFile), w.read("bodies-2026-11.log")
	lines := bytes.SplitAfter(headers, []byte("\n"))
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	for name, c := range map[string]struct {
		headers, bodies []byte
		say             string
	}{
		"header garbled":  {bytes.Replace(headers, []byte(`"seq":3`), []byte(`"seq"#3`), 1), bodies, "entry 3"},
		"header altered":  {bytes.Replace(headers, []byte("incident"), []byte("accident"), 1), bodies, "entry 1"},
		"header dropped":  {join(lines[0], lines[1], join(lines[3:]...)), bodies, "entry 2"},
		"body altered":    {headers, bytes.Replace(bodies, []byte("nothing"), []byte("nOthing"), 1), "entry 0"},
		"body garbled":    {headers, bytes.Replace(bodies, []byte(`{"salt"`), []byte(`#"salt"`), 1), "entry 0"},
		"headers lost":    {nil, bytes.Repeat(bodies, 100), "headers.log was cut or lost"},
		"body first lost": {headers, bodies[bytes.IndexByte(bodies, '\n')+1:], "entry 0"},
	} {
		w.write(headersFile, c.headers)
		w.write("bodies-2026-11.log", c.bodies)
		if j, err := w.tryOpen(); err == nil {
			t.Errorf("%s: opened, with %d entries", name, j.Head().Size)
			w.must(j.Close())
		} else if !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want it to name %s", name, err, c.say)
		}
		if got := w.read(headersFile); !bytes.Equal(got, c.headers) {
			t.Errorf("%s: a refused journal was changed", name)
		}
		if len(c.headers) > 0 {
			if d, err := w.verify(); err == nil {
				t.Errorf("%s: verify found nothing: %+v", name, d)
			}
		}
	}
	w.write(headersFile, headers)
	w.write("bodies-2026-11.log", bodies)
	w.must(os.Remove(filepath.Join(w.dir, "bodies-2026-12.log")))
	if _, err := w.tryOpen(); err == nil || !strings.Contains(err.Error(), "bodies-2026-12.log is missing") {
		t.Errorf("newest bodies missing: %v", err)
	}
}

// A log whose bodies somebody took away goes on, and says so: as a fault while they should be there, and as what no entry says once their term is over.
func TestMonthOfBodiesIsMissing(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 12)
	w.must(j.Cosigned(w.cosign(j, w.now(), w.witness...), w.witnesses, 2))
	w.must(os.Remove(filepath.Join(w.dir, "bodies-2026-11.log")))
	check := func(j *Journal) {
		t.Helper()
		got, err := j.Entries(0, 100)
		w.must(err)
		if got[4].Body != nil || got[5].Body == nil || len(got) != 12 {
			t.Errorf("bodies: %q %q", got[4].Body, got[5].Body)
		}
	}
	check(j)
	w.must(j.Close())
	j = w.open()
	check(j)
	if d, err := w.verify(); err == nil || !strings.Contains(err.Error(), "a body of incident of 2026-11 is kept until 2029-12-01") || d.Fault.Seq != 0 || !d.Matches {
		t.Errorf("%+v, %v", d, err)
	}
	w.must(j.Cosigned(w.cosign(j, time.Date(2029, 12, 1, 0, 0, 0, 0, time.UTC), w.witness...), w.witnesses, 2))
	d, err := w.verify()
	if err != nil || d.Destroyed != 5 || d.Unsaid != 5 || !d.Matches || !d.Quorum {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestStoredHashesAreComputedAgain(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 20)
	w.must(j.Close())
	good := w.read(hashesFile)
	spoilt := bytes.Clone(good)
	spoilt[32*7+1] ^= 1
	for name, b := range map[string][]byte{"missing": nil, "wrong": spoilt, "torn": good[:100], "too long": append(bytes.Clone(good), 1, 2, 3)} {
		w.must(os.Remove(filepath.Join(w.dir, hashesFile)))
		if b != nil {
			w.write(hashesFile, b)
		}
		j := w.open()
		if !bytes.Equal(w.read(hashesFile), good) {
			t.Errorf("%s: not repaired", name)
		}
		w.must(j.Cosigned(w.cosign(j, w.now(), w.witness...), w.witnesses, 2))
		w.must(j.Close())
	}
}

func TestClockThatGoesBackIsNoReasonToStop(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 8) // into December
	w.clock.Store(start.UnixMilli())
	w.fill(j, 2)
	w.must(j.Close())
	if j := w.open(); j.Head().Size != 10 {
		t.Errorf("size %d", j.Head().Size)
	}
}

func span(from, to int) protocol.Interval {
	return protocol.Span(start.Add(time.Duration(from)*time.Second), start.Add(time.Duration(to)*time.Second))
}

func access(camera protocol.CameraID, i protocol.Interval) protocol.Access {
	return protocol.Access{How: "release", Grant: "g-1", Request: "z-1", Camera: camera, Interval: i, Person: "p-1", Recipient: "key", Reason: "theft", Level: protocol.LevelPersons}
}

func TestReceiptAllowsOneReadOfWhatWasWrittenDown(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	minute := span(0, 60)
	get := func() *Receipt {
		t.Helper()
		r, err := j.Access(context.Background(), protocol.KindIntent, access("plein", minute), "plein", minute)
		w.must(err)
		return r
	}
	r := get()
	if got, err := j.Entries(r.Seq(), 1); err != nil || len(got) != 1 || !bytes.Contains(got[0].Body, []byte(`"grant":"g-1"`)) {
		t.Errorf("the access is not on record: %s, %v", got, err)
	}
	again := *r
	w.must(r.Use("plein", minute))
	if r.Use("plein", minute) == nil || again.Use("plein", minute) == nil {
		t.Error("a receipt, or its copy, was used twice")
	}
	w.must(get().Use("plein", span(10, 20)))
	for name, use := range map[string]error{
		"zero value":     new(Receipt).Use("plein", minute),
		"none":           (*Receipt)(nil).Use("plein", minute),
		"other camera":   get().Use("gracht", minute),
		"longer":         get().Use("plein", span(0, 61)),
		"other interval": get().Use("plein", span(60, 120)),
		"empty interval": get().Use("plein", protocol.Interval{From: minute.From, To: minute.From}),
	} {
		if use == nil {
			t.Errorf("%s: allowed", name)
		}
	}
	before := j.Head().Size
	ctx := context.Background()
	for name, do := range map[string]func() (*Receipt, error){
		"other camera": func() (*Receipt, error) {
			return j.Access(ctx, protocol.KindIntent, access("plein", minute), "gracht", minute)
		},
		"more than stated": func() (*Receipt, error) {
			return j.Access(ctx, protocol.KindIntent, access("plein", minute), "plein", span(-1, 60))
		},
		"not an access": func() (*Receipt, error) {
			return j.Access(ctx, protocol.KindSealed, access("plein", minute), "plein", minute)
		},
		"no interval": func() (*Receipt, error) {
			return j.Access(ctx, protocol.KindIntent, access("plein", minute), "plein", protocol.Interval{})
		},
	} {
		if r, err := do(); err == nil || r != nil {
			t.Errorf("%s: got a receipt", name)
		}
	}
	if j.Head().Size != before {
		t.Error("a refused access was journalled as one")
	}
}

// A release that was cut off goes on under its first intent, across a restart, until its outcome is on record; nothing else gets a receipt this way.
func TestReceiptOfAnIntentWithoutOutcome(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	ctx := context.Background()
	minute := span(0, 60)
	first, err := j.Access(ctx, protocol.KindIntent, access("plein", minute), "plein", minute)
	w.must(err)
	viewed, err := j.Access(ctx, protocol.KindView, access("plein", minute), "plein", minute)
	w.must(err)
	for _, fail := range []protocol.ReleaseFailed{{Grant: "g-1", Reason: "no network"}, {Grant: "g-2", Final: true}} {
		_, err = j.Append(ctx, protocol.KindReleaseFail, fail)
		w.must(err)
	}
	w.must(j.Close())
	j = w.open()
	size := j.Head().Size
	r, err := j.Resume(first.Seq(), "g-1", "plein", minute)
	w.must(err)
	if r.Seq() != first.Seq() || j.Head().Size != size {
		t.Errorf("receipt of entry %d, want %d; %d entries were written", r.Seq(), first.Seq(), j.Head().Size-size)
	}
	w.must(r.Use("plein", minute))
	if r.Use("plein", minute) == nil {
		t.Error("a receipt was used twice")
	}
	refused := func(name string, seq uint64, grant protocol.GrantID, camera protocol.CameraID, i protocol.Interval) {
		t.Helper()
		if r, err := j.Resume(seq, grant, camera, i); err == nil || r != nil {
			t.Errorf("%s: got a receipt", name)
		}
	}
	refused("another grant", first.Seq(), "g-2", "plein", minute)
	refused("another camera", first.Seq(), "g-1", "gracht", minute)
	refused("less", first.Seq(), "g-1", "plein", span(10, 20))
	refused("more", first.Seq(), "g-1", "plein", span(0, 61))
	refused("a view", viewed.Seq(), "g-1", "plein", minute)
	refused("no such entry", size, "g-1", "plein", minute)
	_, err = j.Append(ctx, protocol.KindReleased, protocol.Released{Grant: "g-1", Intent: first.Seq()})
	w.must(err)
	refused("done", first.Seq(), "g-1", "plein", minute)

	failed, err := j.Access(ctx, protocol.KindIntent, access("plein", minute), "plein", minute)
	w.must(err)
	_, err = j.Append(ctx, protocol.KindReleaseFail, protocol.ReleaseFailed{Grant: "g-1", Final: true})
	w.must(err)
	refused("failed for good", failed.Seq(), "g-1", "plein", minute)
}

// Where the quorum needs a witness that is absent: nothing is covered, the error says who is missing, and what the other has need not be handed in again.
func TestI13_QuorumOfTwoTrulyWaitsForBoth(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 3)
	size := j.Head().Size
	if err := j.Cosigned(w.cosign(j, start, w.witness[0]), w.witnesses, 2); !errors.Is(err, ErrQuorum) {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := j.WaitCosigned(soon, 0); err == nil || !strings.Contains(err.Error(), "not yet cosigned by "+w.witnesses[1].Name()) {
		t.Errorf("%v", err)
	}
	if have, at := j.Delivered(); have != size || !at.Equal(start) {
		t.Errorf("delivered %d at %s", have, at)
	}
	if err := j.Cosigned(w.cosign(j, start.Add(time.Minute), w.witness...), w.witnesses, 2); err != nil {
		t.Fatal(err)
	}
	if err := j.WaitCosigned(t.Context(), size-1); err != nil || len(j.Lacking()) != 0 {
		t.Errorf("%v %v", err, j.Lacking())
	}
	if err := j.Cosigned(w.cosign(j, start, w.witness[0]), w.witnesses, 2); !errors.Is(err, ErrQuorum) || len(j.Lacking()) != 0 {
		t.Errorf("an old one that comes again says that a witness is missing: %v %v", err, j.Lacking())
	}
	// One witness alone is believed in nothing: neither that it has what this log does not, nor that this log is behind.
	more, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: size + 6, Root: protocol.HashOf([]byte("another"))}, w.signer)
	w.must(err)
	more, err = chain.Cosign(more, w.witness[0], start.Add(time.Hour))
	w.must(err)
	if err := j.Cosigned(more, w.witnesses, 2); !errors.Is(err, ErrQuorum) || !strings.Contains(err.Error(), "nor does it fit this log") || j.Behind() || len(j.Lacking()) != 0 {
		t.Errorf("%v, behind %v, lacking %v", err, j.Behind(), j.Lacking())
	}
	if have, _ := j.Delivered(); have != size {
		t.Errorf("delivered %d of %d", have, size)
	}
}

func TestI13_OnlyOwnCheckpointWithAQuorumCounts(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 3)
	other := newWorld(t)
	oj := other.open()
	other.fill(oj, 3)
	for name, err := range map[string]error{
		"no witness":          j.Cosigned(w.cosign(j, start), w.witnesses, 2),
		"one of two":          j.Cosigned(w.cosign(j, start, w.witness[0]), w.witnesses, 2),
		"one witness twice":   j.Cosigned(w.cosign(j, start, w.witness[0], w.witness[0]), w.witnesses, 2),
		"unknown witnesses":   j.Cosigned(w.cosign(j, start, other.witness...), w.witnesses, 2),
		"another recorder's":  j.Cosigned(w.cosign(oj, start, w.witness...), w.witnesses, 2),
		"a quorum of nothing": j.Cosigned(w.cosign(j, start), w.witnesses, 0),
		"garbage":             j.Cosigned([]byte("x"), w.witnesses, 2),
	} {
		if err == nil || errors.Is(err, ErrBehind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if size, at := j.CosignedHead(); size != 0 || !at.IsZero() || j.Behind() {
		t.Errorf("cosigned %d at %s, behind %v", size, at, j.Behind())
	}
	if _, err := j.Proof(0); err == nil {
		t.Error("proved an entry that nobody cosigned")
	}
}

func TestI13_WaitsUntilItsEntryIsCosigned(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 3)
	waited := make(chan error, 1)
	go func() { waited <- j.WaitCosigned(context.Background(), 3) }()
	three := w.cosign(j, start, w.witness...)
	w.must(j.Cosigned(three, w.witnesses, 2))
	w.fill(j, 1)
	select {
	case err := <-waited:
		t.Fatalf("entry 3 was called cosigned by a checkpoint of 3 entries (%v)", err)
	case <-time.After(20 * time.Millisecond):
	}
	n := w.cosign(j, start.Add(time.Minute), w.witness[0])
	n, err := chain.Cosign(n, w.witness[1], start.Add(2*time.Minute))
	w.must(err)
	n, err = chain.Cosign(n, w.witness[2], start.Add(3*time.Minute))
	w.must(err)
	w.must(j.Cosigned(n, w.witnesses, 2))
	w.must(<-waited)
	if size, at := j.CosignedHead(); size != 4 || !at.Equal(start.Add(2*time.Minute)) {
		t.Errorf("cosigned %d at %s: two witnesses had seen it by 2 minutes", size, at)
	}
	w.must(j.Cosigned(three, w.witnesses, 2)) // older: ignored
	if size, _ := j.CosignedHead(); size != 4 {
		t.Errorf("an older checkpoint took the place of a newer: %d", size)
	}
	w.must(j.Cosigned(w.cosign(j, start.Add(time.Hour), w.witness...), w.witnesses, 2)) // an idle recorder stays fresh
	if _, at := j.CosignedHead(); !at.Equal(start.Add(time.Hour)) {
		t.Errorf("cosigned at %s", at)
	}
	p, err := j.Proof(2)
	w.must(err)
	e, err := j.Entries(2, 1)
	w.must(err)
	_, _, _, err = chain.VerifyProof(chain.MarshalProof(p), e[0].Header, chain.Verifier{Origin: origin, Log: w.log, Witnesses: w.witnesses, Quorum: 2})
	w.must(err)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.WaitCosigned(ctx, 9); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}

	// After a restart the remembered note counts again once the roster's witnesses are known.
	w.must(j.Close())
	j = w.open()
	if size, _ := j.CosignedHead(); size != 0 {
		t.Errorf("%d entries cosigned by witnesses nobody has named yet", size)
	}
	w.must(j.Cosigned(j.CosignedNote(), w.witnesses, 2))
	if size, at := j.CosignedHead(); size != 4 || !at.Equal(start.Add(time.Hour)) {
		t.Errorf("after a restart: %d at %s", size, at)
	}
}

func TestI13_RolledBackOrForkedLogServesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		lose   int // entries lost with the restored disk
		more   int // entries written after it
		remote bool
	}{
		"a restored disk":                       {lose: 4, remote: true},
		"a restored disk that went on":          {lose: 4, more: 9, remote: true},
		"files cut, cosigned checkpoint intact": {lose: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			j := w.open()
			w.fill(j, 4)
			w.clock.Store(start.Add(time.Hour).UnixMilli()) // into December
			backup := map[string][]byte{}
			for _, f := range []string{headersFile, hashesFile, "bodies-2026-11.log"} {
				backup[f] = w.read(f)
			}
			w.fill(j, c.lose)
			cosigned := w.cosign(j, w.now(), w.witness...)
			w.must(j.Cosigned(cosigned, w.witnesses, 2))
			w.must(j.Close())
			for f, b := range backup {
				w.write(f, b)
			}
			w.must(os.Remove(filepath.Join(w.dir, "bodies-2026-12.log")))
			if c.remote {
				w.must(os.Remove(filepath.Join(w.dir, cosignedFile)))
			}

			j = w.open()
			w.fill(j, c.more)
			if c.remote {
				if j.Behind() {
					t.Fatal("behind before anything showed it")
				}
				waited := make(chan error, 1)
				go func() { waited <- j.WaitCosigned(context.Background(), 100) }()
				if err := j.Cosigned(cosigned, w.witnesses, 2); !errors.Is(err, ErrBehind) {
					t.Errorf("cosigned: %v", err)
				}
				if err := <-waited; !errors.Is(err, ErrBehind) {
					t.Errorf("who waited was told %v", err)
				}
			}
			for range 2 {
				if !j.Behind() {
					t.Fatal("not behind")
				}
				body := access("plein", span(0, 60))
				if r, err := j.Access(context.Background(), protocol.KindView, body, "plein", body.Interval); !errors.Is(err, ErrBehind) || r != nil {
					t.Errorf("an access was allowed: %v", err)
				}
				w.fill(j, 1) // it still records
				w.must(j.Close())
				j = w.open() // and a restart does not forget
			}
		})
	}
}

func TestDamagedHashesAreNotTakenForAFork(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 8)
	n := w.cosign(j, w.now(), w.witness...)
	w.fill(j, 1)
	b := w.read(hashesFile)
	b[32*14+3] ^= 1 // the root of the first eight
	w.write(hashesFile, b)
	if err := j.Cosigned(n, w.witnesses, 2); err == nil || errors.Is(err, ErrBehind) || j.Behind() {
		t.Errorf("cosigned with damaged hashes: %v", err)
	}
	w.must(j.Close())
	w.must(w.open().Cosigned(n, w.witnesses, 2))
}

func TestOpenLogLeavesOutWhatIsBeingWritten(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 3)
	w.must(j.Cosigned(w.cosign(j, w.now(), w.witness...), w.witnesses, 2))
	w.must(j.Close())
	h := w.read(headersFile)
	w.write(headersFile, append(h, h[:50]...))
	d, err := w.verify()
	if err != nil || d.Entries != 3 || !d.Matches || !d.Quorum {
		t.Errorf("%+v, %v", d, err)
	}
	w.write(headersFile, h[:len(h)-1]) // as good as not there: the checkpoint misses it
	d, err = w.verify()
	if err == nil || d.Fault == nil || d.Fault.Seq != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := OpenLog(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no journal: %v", err)
	}
}

// Whatever the files hold, opening neither panics nor keeps what does not verify.
func FuzzOpen(f *testing.F) {
	w := newWorld(f)
	j := w.open()
	w.fill(j, 3)
	w.must(j.Close())
	f.Add(w.read(headersFile), w.read("bodies-2026-11.log"), w.read(hashesFile))
	f.Fuzz(func(t *testing.T, headers, bodies, hashes []byte) {
		x := &world{t: t, dir: t.TempDir(), signer: w.signer, log: w.log, witnesses: w.witnesses}
		x.clock.Store(start.UnixMilli())
		x.write(headersFile, headers)
		x.write("bodies-2026-11.log", bodies)
		x.write(hashesFile, hashes)
		if s, err := OpenLog(x.dir); err == nil {
			if _, err := io.Copy(io.Discard, s); err != nil {
				t.Error(err)
			}
			x.must(s.Close())
		}
		j, err := x.tryOpen()
		if err != nil {
			return
		}
		x.fill(j, 1)
		size := j.Head().Size
		x.must(j.Close())
		d, err := x.verify()
		var fault *chain.Fault
		if errors.As(err, &fault) && strings.HasPrefix(fault.What, "its body is missing") && d.Head.Size == size { // a month's file that is gone stops no recorder: who has the bodies, or misses them, is the witness
			return
		}
		if err != nil || d.Entries != size {
			t.Errorf("opened a journal that does not verify: %+v, %v", d, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			w := newWorld(b)
			j := w.open()
			b.SetParallelism(writers)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := j.Append(context.Background(), "test", protocol.Incident{What: "x"}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// A batch that ends before the journal does carries a checkpoint over just its own entries; the witness must find it to be a true earlier head.
func TestCheckpointAtIsTheHeadOfThen(t *testing.T) {
	j := newWorld(t).open()
	then := map[uint64]string{}
	for range 5 {
		if _, err := j.Append(t.Context(), protocol.KindStopped, protocol.Stopped{Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		signed, err := j.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		then[j.Head().Size] = string(signed)
	}
	for size, want := range then {
		if got, err := j.CheckpointAt(size); err != nil || string(got) != want {
			t.Errorf("at %d entries: %s, %v; then it was %s", size, got, err, want)
		}
	}
	if _, err := j.CheckpointAt(6); err == nil {
		t.Error("a checkpoint beyond the head was signed")
	}
}
