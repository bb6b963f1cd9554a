package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// newSealed is a world whose recorder's directory holds journal and keys.
func newSealed(t testing.TB) *world {
	w := newWorld(t)
	w.keys = filepath.Join(filepath.Dir(w.dir), "keys")
	return w
}

func (w *world) pass(d time.Duration) { w.clock.Add(d.Milliseconds()) }

// seed is the private key of the epoch that runs, as it stands on the disk.
func (w *world) seed(number uint64) []byte {
	w.t.Helper()
	slots, err := disk.NewSlots(disk.OS, filepath.Join(w.keys, epochFile), epochMagic)
	w.must(err)
	seed, err := slots.Key(number)
	w.must(err)
	return seed
}

func (w *world) kinds() (list []string) {
	w.t.Helper()
	s, err := OpenLog(w.dir)
	w.must(err)
	defer s.Close()
	for in := chain.NewReader(s); ; {
		e, err := in.Next()
		if err == io.EOF {
			return list
		}
		w.must(err)
		h, err := chain.ParseHeader(e.Header)
		w.must(err)
		list = append(list, h.Kind)
	}
}

// Epochs end after an hour, with and without entries; what is written late comes behind the seal.
func TestI11_EpochsAreSealedEachHour(t *testing.T) {
	const begun, sealed, other = protocol.KindEpochBegun, protocol.KindEpochSealed, protocol.KindIncident
	w := newSealed(t)
	j := w.open()
	w.fill(j, 3)
	w.pass(59 * time.Minute)
	w.fill(j, 1)
	w.pass(time.Minute)
	w.must(j.Ping(context.Background()))
	w.pass(time.Hour)
	w.must(j.Ping(context.Background())) // nothing happened in it
	w.pass(3 * time.Hour)                // the writer was not looked at for so long: what comes first is the seal
	w.fill(j, 2)
	want := []string{other, begun, other, other, other, sealed, sealed, sealed, other, other}
	if got := w.kinds(); !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	w.clock.Store(start.UnixMilli()) // the clock goes back
	w.must(j.Ping(context.Background()))
	w.pass(time.Hour)
	w.must(j.Ping(context.Background()))
	w.must(j.Close())
	w.pass(24 * time.Hour)
	j = w.open() // the epoch that ended meanwhile is sealed before anything else
	w.fill(j, 1)
	want = append(want, sealed, sealed, sealed, other)
	if got := w.kinds(); !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	d, err := w.verify()
	if err != nil || d.Epochs.Number != 6 || d.Epochs.First != 1 || d.Epochs.Sealed != 12 || len(d.Breaks) > 0 || d.Epochs != j.Epochs() {
		t.Errorf("%+v, %v", d, err)
	}
	w.must(j.Close())
	w.keys = ""
	j = w.open() // by a program that forgets the seals
	if _, err := j.Append(context.Background(), "test", struct{}{}); !errors.Is(err, errUnsealed) {
		t.Errorf("an entry without seals on a log that has them: %v", err)
	}
}

// No private key of an epoch that is over stands in any file of the recorder, while it runs and after it stopped.
func TestI11_OldKeyIsGoneFromTheDisk(t *testing.T) {
	w := newSealed(t)
	j := w.open()
	w.fill(j, 2)
	var seeds [][]byte
	search := func(running int) {
		t.Helper()
		found := 0
		w.must(filepath.WalkDir(filepath.Dir(w.dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			for n, seed := range seeds {
				for _, form := range [][]byte{seed[:16], seed[16:], fmt.Appendf(nil, "%x", seed[:8])} {
					if bytes.Contains(b, form) && n != running {
						t.Errorf("%s holds the key of epoch %d, epoch %d runs", path, n, running)
					} else if bytes.Contains(b, form) {
						found++
					}
				}
			}
			return err
		}))
		if found != 2 {
			t.Errorf("the key of epoch %d is found in %d pieces: does this search find any?", running, found)
		}
	}
	for n := range 5 {
		seeds = append(seeds, w.seed(uint64(n)))
		search(n)
		w.fill(j, n%3)
		w.pass(time.Hour)
		w.must(j.Ping(context.Background()))
	}
	seeds = append(seeds, w.seed(5))
	w.must(j.Close())
	search(5)
}

// A thief has everything on the disk of a recorder, and signs and chains again whatever the keys there can sign.
type thief struct {
	*testing.T
	w       *world
	entries []chain.Entry
	headers []chain.Header
	key     *epochKey
	signer  note.Signer

	head chain.Head
	out  bytes.Buffer
}

func (w *world) stolen(number uint64) *thief {
	w.t.Helper()
	th := &thief{T: w.t.(*testing.T), w: w, signer: w.signer}
	s, err := OpenLog(w.dir)
	w.must(err)
	defer s.Close()
	for in := chain.NewReader(s); ; {
		e, err := in.Next()
		if err == io.EOF {
			break
		}
		w.must(err)
		h, err := chain.ParseHeader(e.Header)
		w.must(err)
		th.entries, th.headers = append(th.entries, e), append(th.headers, h)
	}
	private := ed25519.NewKeyFromSeed(w.seed(number))
	vkey, err := note.NewEd25519VerifierKey(origin, private.Public().(ed25519.PublicKey))
	w.must(err)
	public, err := note.NewVerifier(vkey)
	w.must(err)
	th.key = &epochKey{public, private}
	return th
}

// again writes an entry of the recorder once more, chained to what stands before it now: its body as it was, or, of a seal, made anew with the thief's key.
func (th *thief) again(i int, resign bool) {
	h, e := th.headers[i], th.entries[i]
	if h.Kind == protocol.KindEpochSealed && resign {
		var b protocol.EpochSealed
		th.w.must(chain.ParseBody(e.Body, &b))
		text, _, _ := strings.Cut(b.Seal, "\n\n")
		s, err := chain.ParseEpochSeal(text + "\n")
		th.w.must(err)
		s.Size, s.Root = th.head.Size, th.head.Root()
		signed, err := note.Sign(&note.Note{Text: s.String()}, th.key)
		th.w.must(err)
		th.write(h.Kind, protocol.EpochSealed{Seal: string(signed)}, h.Time.Time)
		return
	}
	line := fmt.Appendf(nil, `{"v":1,"seq":%d,"time":"%s","kind":"%s","prev":"%s","body":"%s"}`, th.head.Size, h.Time, h.Kind, th.head.Last, h.Body)
	th.add(chain.Entry{Header: line, Body: e.Body})
}

func (th *thief) write(kind string, body any, at time.Time) {
	e, err := chain.Seal(&th.head, kind, body, at)
	th.w.must(err)
	th.add(e)
}

func (th *thief) add(e chain.Entry) {
	th.w.must(th.head.Add(e))
	th.w.must(chain.WriteEntry(&th.out, e))
}

// verify has the recorder's own key sign what there is now.
func (th *thief) verify() (chain.Verdict, error) {
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: th.head.Size, Root: th.head.Root()}, th.signer)
	th.w.must(err)
	th.w.must(chain.WriteCheckpoint(&th.out, signed))
	d, err := chain.Verify(&th.out, chain.Verifier{Origin: origin, Log: th.w.log})
	th.head = chain.Head{}
	th.out.Reset()
	return d, err
}

// found wants the fault in the epoch of entry i, and nothing from i on called sound.
func (th *thief) found(what string, i int) {
	th.Helper()
	d, err := th.verify()
	var f *chain.Fault
	if !errors.As(err, &f) || f.Seq > uint64(i) || d.Entries > uint64(i) || i-int(f.Seq) > 5 {
		th.Errorf("%s, entry %d: found %v (%d sound)", what, i, err, d.Entries)
	}
}

// The whole directory of a recorder is taken, with all keys. Nothing of an earlier epoch can be written anew with them, also not what no witness ever saw.
func TestI11_WholeDiskStolen(t *testing.T) {
	w := newSealed(t)
	j := w.open()
	w.fill(j, 1)
	var sizes []uint64 // entries under each seal
	for n := range 6 {
		if n != 2 && n != 4 { // those are empty
			w.fill(j, 3)
		}
		w.pass(time.Hour)
		w.must(j.Ping(context.Background()))
		sizes = append(sizes, j.Head().Size-1)
	}
	w.fill(j, 3)
	w.must(j.Close())
	th := w.stolen(6)
	if d, err := th.w.verify(); err != nil || d.Epochs.Sealed != sizes[5] {
		t.Fatalf("%+v, %v", d, err)
	}
	last := int(sizes[5])
	for i := range last {
		for _, resign := range []bool{false, true} {
			for k := range th.entries {
				switch {
				case k != i:
					th.again(k, resign && k > i)
				case th.headers[k].Kind == protocol.KindIncident:
					th.write(protocol.KindIncident, protocol.Incident{What: "never happened"}, th.headers[k].Time.Time)
				default: // leave the seal, or the beginning, out
				}
			}
			th.found("written anew", i)
			for k := range th.entries {
				if k != i {
					th.again(k, resign && k > i)
				}
			}
			th.found("left out", i)
		}
	}
	for n, size := range sizes[:5] {
		// Cut back to behind a seal, and go on with what there is.
		for k := range int(size) + 1 {
			th.again(k, false)
		}
		at := th.headers[size].Time.Time
		th.write(protocol.KindIncident, protocol.Incident{What: "another life"}, at.Add(time.Minute))
		th.write(protocol.KindIncident, protocol.Incident{What: "another life"}, at.Add(time.Hour))
		th.found(fmt.Sprint("cut back to seal ", n), int(size)+2)
		// Leave out an epoch, and sign all seals after it anew.
		for k := range th.entries {
			if k <= int(size) || k > int(sizes[n+1]) {
				th.again(k, k > int(size))
			}
		}
		th.found(fmt.Sprint("epoch left out ", n+1), int(size)+1)
	}
	// The recorder's own program, on a disk that was cut back, with the keys that are there: it goes on, and says what it cannot prove.
	headers := bytes.SplitAfter(w.read(headersFile), []byte("\n"))
	bodies := bytes.SplitAfter(w.read("bodies-2026-12.log"), []byte("\n"))
	before := len(bytes.SplitAfter(w.read("bodies-2026-11.log"), []byte("\n"))) - 1
	w.write(headersFile, bytes.Join(headers[:sizes[3]+1], nil))
	w.write("bodies-2026-12.log", bytes.Join(bodies[:int(sizes[3])+1-before], nil))
	j = w.open()
	w.fill(j, 2)
	d, err := w.verify()
	if err != nil || len(d.Breaks) != 1 || d.Breaks[0].From != sizes[3] || d.Breaks[0].Seq != sizes[3]+1 || !strings.Contains(d.Breaks[0].Why, epochFile) {
		t.Errorf("cut back and gone on: %+v, %v", d, err)
	}
}

// A key that is gone is said in the journal at once, and the next epoch begins; a key of another time is not taken for it.
func TestI11_LostKeyIsABreak(t *testing.T) {
	for what, spoil := range map[string]func(w *world){
		"lost":    func(w *world) { w.must(os.RemoveAll(w.keys)) },
		"damaged": func(w *world) { w.must(os.WriteFile(filepath.Join(w.keys, epochFile), []byte("?"), 0o600)) },
		"another": func(w *world) {
			slots, err := disk.NewSlots(disk.OS, filepath.Join(w.keys, epochFile), epochMagic)
			w.must(err)
			w.must(slots.Keep(1, bytes.Repeat([]byte{7}, 32)))
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newSealed(t)
			j := w.open()
			w.fill(j, 2)
			w.pass(time.Hour)
			w.must(j.Ping(context.Background()))
			w.fill(j, 2)
			w.must(j.Close())
			spoil(w)
			j = w.open()
			w.pass(time.Hour)
			w.fill(j, 1)
			d, err := w.verify()
			if err != nil || len(d.Breaks) != 1 || d.Breaks[0].From != 3 || d.Breaks[0].Seq != 6 || d.Epochs.Number != 3 || !strings.Contains(w.logged.String(), "cannot be sealed") {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

// A log that a program without seals went on with is not refused; it says so itself.
func TestI11_SealsThatDoNotHoldAreSaid(t *testing.T) {
	w := newSealed(t)
	j := w.open()
	w.fill(j, 2)
	w.must(j.Close())
	th := w.stolen(0)
	for k := range th.entries {
		th.again(k, false)
	}
	th.write(protocol.KindIncident, protocol.Incident{What: "late"}, w.now().Add(2*time.Hour))
	lines := bytes.SplitAfter(th.out.Bytes(), []byte("\n"))
	var headers, bodies []byte
	for i := range lines[:len(lines)-1] {
		if i%2 == 0 {
			headers = append(headers, lines[i]...)
		} else {
			bodies = append(bodies, lines[i]...)
		}
	}
	w.write(headersFile, headers)
	w.must(os.Remove(filepath.Join(w.dir, "bodies-2026-11.log")))
	n := 0
	for _, h := range th.headers {
		if monthOf(h.Time) == "2026-11" {
			n++
		}
	}
	all := bytes.SplitAfter(bodies, []byte("\n"))
	w.write("bodies-2026-11.log", bytes.Join(all[:n], nil))
	w.write("bodies-2026-12.log", bytes.Join(all[n:], nil))
	w.pass(2 * time.Hour)
	j = w.open()
	w.fill(j, 1)
	entries, err := j.Entries(4, 1)
	w.must(err)
	var b protocol.EpochBegun
	w.must(chain.ParseBody(entries[0].Body, &b))
	if b.Epoch != 1 || !strings.Contains(b.Lost, "the seal is missing") {
		t.Errorf("%+v", b)
	}
	if d, err := w.verify(); err == nil || d.Fault.Seq != 3 {
		t.Errorf("%+v, %v", d, err)
	}
}
