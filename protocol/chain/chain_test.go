package chain_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/formats/log"
	formats "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const origin = "rec-1.helmond/beeldwacht"

var start = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

// fixture is a log with two witnesses.
type fixture struct {
	signer    note.Signer
	log       note.Verifier
	vkey      string // of log
	witnesses []*chain.Witness
	vkeys     []string
	verifier  chain.Verifier

	head    chain.Head
	entries []chain.Entry
	hashes  chain.Hashes
}

func newFixture(t testing.TB, entries int) *fixture {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	must(t, err)
	f := &fixture{vkey: vkey}
	f.signer, err = protocol.NewSigner(skey)
	must(t, err)
	f.log, err = note.NewVerifier(vkey)
	must(t, err)
	f.verifier = chain.Verifier{Origin: origin, Log: f.log, Quorum: 2}
	for _, name := range []string{"witness.helmond", "witness.example"} {
		skey, _, err := note.GenerateKey(rand.Reader, name)
		must(t, err)
		w, vkey, err := chain.NewWitness(skey)
		must(t, err)
		v, err := chain.WitnessVerifier(vkey)
		must(t, err)
		f.witnesses, f.vkeys = append(f.witnesses, w), append(f.vkeys, vkey)
		f.verifier.Witnesses = append(f.verifier.Witnesses, v)
	}
	for i := range entries {
		f.add(t, i, func(i int) (string, any) {
			return fmt.Sprintf("test.kind-%d", i%3), map[string]any{"n": i, "camera": "plein-noord"}
		})
	}
	return f
}

func (f *fixture) add(t testing.TB, i int, entry func(i int) (kind string, body any)) {
	t.Helper()
	kind, body := entry(i)
	e, err := chain.Seal(&f.head, kind, body, start.Add(time.Duration(f.head.Size)*time.Second))
	must(t, err)
	must(t, f.hashes.Add(f.head.Size, e.Header))
	must(t, f.head.Add(e))
	f.entries = append(f.entries, e)
}

// checkpoint is signed by the log and cosigned by both witnesses.
func (f *fixture) checkpoint(t testing.TB, size uint64) []byte {
	t.Helper()
	root, err := chain.RootAt(size, f.hashes)
	must(t, err)
	return f.cosigned(t, size, root)
}

func (f *fixture) cosigned(t testing.TB, size uint64, root protocol.Hash) []byte {
	t.Helper()
	n, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: size, Root: root}, f.signer)
	must(t, err)
	for i, w := range f.witnesses {
		n, err = chain.Cosign(n, w, start.Add(time.Duration(i)*time.Minute))
		must(t, err)
	}
	return n
}

func stream(t testing.TB, entries []chain.Entry, checkpoint []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		must(t, chain.WriteEntry(&b, e))
	}
	if checkpoint != nil {
		must(t, chain.WriteCheckpoint(&b, checkpoint))
	}
	return b.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSoundLogIsProven(t *testing.T) {
	f := newFixture(t, 20)
	d, err := chain.Verify(bytes.NewReader(stream(t, f.entries, f.checkpoint(t, 15))), f.verifier)
	must(t, err)
	if d.Entries != 20 || d.Destroyed != 0 || d.Uncovered != 5 || !d.Matches || !d.Quorum || d.Fault != nil || d.Checkpoint.Size != 15 {
		t.Errorf("verdict: %+v", d)
	}
	if d.Head.Root() != f.head.Root() || d.Head.Last != f.head.Last {
		t.Error("verdict has another head than the log")
	}
	want := []chain.Cosignature{{Name: "witness.helmond", Time: start}, {Name: "witness.example", Time: start.Add(time.Minute)}}
	if !slices.Equal(d.Cosignatures, want) {
		t.Errorf("cosignatures %v, want %v", d.Cosignatures, want)
	}
}

func TestLogWithoutWitnessesIsNotWrongButNotProven(t *testing.T) {
	f := newFixture(t, 4)
	d, err := chain.Verify(bytes.NewReader(stream(t, f.entries, nil)), f.verifier)
	must(t, err)
	if d.Checkpoint != nil || d.Matches || d.Quorum || d.Uncovered != 4 {
		t.Errorf("without a checkpoint: %+v", d)
	}
	root, err := chain.RootAt(4, f.hashes)
	must(t, err)
	own, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: 4, Root: root}, f.signer)
	must(t, err)
	d, err = chain.Verify(bytes.NewReader(stream(t, f.entries, own)), f.verifier)
	must(t, err)
	if !d.Matches || d.Quorum || d.Uncovered != 0 {
		t.Errorf("signed by the log alone: %+v", d)
	}
	if d, err = chain.Verify(strings.NewReader(""), f.verifier); err != nil || d.Entries != 0 {
		t.Errorf("empty log: %+v, %v", d, err)
	}
}

// forge chains entries anew from position i, as somebody could who holds the log but not the witnesses' keys.
func forge(t testing.TB, entries []chain.Entry, i int) []chain.Entry {
	t.Helper()
	var h chain.Head
	var out []chain.Entry
	for k, e := range entries {
		if k >= i {
			old, err := chain.ParseHeader(e.Header)
			must(t, err)
			e, err = chain.Seal(&h, old.Kind, map[string]int{"forged": k}, old.Time.Time)
			must(t, err)
		}
		must(t, h.Add(e))
		out = append(out, e)
	}
	return out
}

// otherHash changes the first hex digit behind key.
func otherHash(line []byte, key string) []byte {
	line = slices.Clone(line)
	at := bytes.Index(line, []byte(key)) + len(key)
	if line[at] == '0' {
		line[at] = '1'
	} else {
		line[at] = '0'
	}
	return line
}

func TestEveryTamperingIsFoundInItsPlace(t *testing.T) {
	const size = 12
	f := newFixture(t, size)
	cp := f.checkpoint(t, size)
	flip := func(line []byte, old, new string) []byte {
		out := bytes.Replace(line, []byte(old), []byte(new), 1)
		if bytes.Equal(out, line) {
			t.Fatalf("%q is not in %s", old, line)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		tamper func(e []chain.Entry, i int) []chain.Entry
		seq    int // relative to i
		upTo   int // last i it is tried at
		what   string
	}{
		{"header kind", func(e []chain.Entry, i int) []chain.Entry {
			e[i].Header = flip(e[i].Header, "test.", "tost.")
			return e
		}, 0, size - 1, "altered"},
		{"header time earlier", func(e []chain.Entry, i int) []chain.Entry {
			e[i].Header = flip(e[i].Header, "2026", "2025")
			return e
		}, 0, size - 1, ""},
		{"header time later", func(e []chain.Entry, i int) []chain.Entry {
			e[i].Header = flip(e[i].Header, "2026", "2027")
			return e
		}, 0, size - 1, "altered"},
		{"header number", func(e []chain.Entry, i int) []chain.Entry {
			e[i].Header = flip(e[i].Header, fmt.Sprintf(`"seq":%d,`, i), `"seq":99,`)
			return e
		}, 0, size - 1, "99"},
		{"header prev", func(e []chain.Entry, i int) []chain.Entry {
			e[i].Header = otherHash(e[i].Header, `"prev":"`)
			return e
		}, 0, size - 2, "header"},
		{"header body hash", func(e []chain.Entry, i int) []chain.Entry {
			e[i].Header = otherHash(e[i].Header, `"body":"`)
			return e
		}, 0, size - 1, "body hashes"},
		{"header garbage", func(e []chain.Entry, i int) []chain.Entry { e[i].Header = []byte("{}"); return e }, 0, size - 1, "header"},
		{"header one space more", func(e []chain.Entry, i int) []chain.Entry { e[i].Header = flip(e[i].Header, ",", ", "); return e }, 0, size - 1, "form"},
		{"body", func(e []chain.Entry, i int) []chain.Entry { e[i].Body = flip(e[i].Body, "plein", "plain"); return e }, 0, size - 1, "body hashes"},
		{"body of another entry", func(e []chain.Entry, i int) []chain.Entry { e[i].Body = e[(i+1)%size].Body; return e }, 0, size - 1, "body hashes"},
		{"body line missing", func(e []chain.Entry, i int) []chain.Entry {
			// WriteEntry writes two lines: put the next header in the body's place.
			out := slices.Clone(e[:i])
			out = append(out, chain.Entry{Header: e[i].Header, Body: e[i+1].Header})
			for k := i + 1; k+1 < len(e); k++ {
				out = append(out, chain.Entry{Header: e[k].Body, Body: e[k+1].Header})
			}
			return out
		}, 0, size - 2, "missing"},
		{"drop", func(e []chain.Entry, i int) []chain.Entry { return slices.Delete(e, i, i+1) }, 0, size - 1, ""},
		{"insert a copy", func(e []chain.Entry, i int) []chain.Entry { return slices.Insert(e, i+1, e[i]) }, 0, size - 1, "inserted"},
		{"insert a forged entry", func(e []chain.Entry, i int) []chain.Entry {
			var h chain.Head
			for _, x := range e[:i] {
				must(t, h.Add(x))
			}
			x, err := chain.Seal(&h, "forged", struct{}{}, start)
			must(t, err)
			return slices.Insert(e, i, x)
		}, 0, size - 1, "inserted"},
		{"insert from elsewhere", func(e []chain.Entry, i int) []chain.Entry { return slices.Insert(e, i, e[(i+5)%size]) }, 0, size - 1, ""},
		{"swap", func(e []chain.Entry, i int) []chain.Entry { e[i], e[i+1] = e[i+1], e[i]; return e }, 0, size - 2, "moved"},
		{"truncate", func(e []chain.Entry, i int) []chain.Entry { return e[:i] }, 0, size - 1, "missing"},
		// Rewritten history is whole in itself: only the witnesses' checkpoint says that it is not the same.
		{"rewrite the last", func(e []chain.Entry, i int) []chain.Entry { return forge(t, e, size-1) }, size - 1, 0, "root"},
		{"rewrite from there on", func(e []chain.Entry, i int) []chain.Entry { return forge(t, e, 5) }, size - 1, 0, "root"},
	} {
		for i := range c.upTo + 1 {
			tampered := stream(t, c.tamper(slices.Clone(f.entries), i), cp)
			d, err := chain.Verify(bytes.NewReader(tampered), f.verifier)
			var fault *chain.Fault
			if !errors.As(err, &fault) || d.Fault != fault {
				t.Errorf("%s at %d: not found: %v", c.name, i, err)
				continue
			}
			// An entry taken from elsewhere shows at most one place later: its own number says which it copies.
			if fault.Seq != uint64(i+c.seq) && !(c.name == "insert from elsewhere" && fault.Seq == uint64(i)-1) {
				t.Errorf("%s at %d: found at %v", c.name, i, fault)
			}
			if !strings.Contains(fault.What, c.what) || fault.Line == 0 || d.Matches {
				t.Errorf("%s at %d: %v, matches %v", c.name, i, fault, d.Matches)
			}
			if d.Checkpoint == nil || d.Checkpoint.Size != size || !d.Quorum {
				t.Errorf("%s at %d: the checkpoint behind the fault was not read: %+v", c.name, i, d.Checkpoint)
			}
		}
	}
}

func TestFaultNamesItsLine(t *testing.T) {
	f := newFixture(t, 5)
	f.entries[2].Body = []byte("x")
	_, err := chain.Verify(bytes.NewReader(stream(t, f.entries, f.checkpoint(t, 5))), f.verifier)
	if err == nil || !strings.HasPrefix(err.Error(), "entry 2 (line 5): the body hashes to") {
		t.Errorf("got %v", err)
	}
}

// An empty line ends the entries; before another entry it is a fault in that one's place, and not a checkpoint that cannot be read.
func TestEmptyLineAmongEntriesIsAFault(t *testing.T) {
	f := newFixture(t, 5)
	whole := stream(t, f.entries, f.checkpoint(t, 5))
	for name, line := range map[string]int{"header": 4, "body": 5} {
		for _, empty := range []string{"\n", "\n\n"} {
			lines := strings.SplitAfter(string(whole), "\n")
			d, err := chain.Verify(strings.NewReader(strings.Join(slices.Insert(lines, line, empty), "")), f.verifier)
			if d.Fault == nil || d.Fault.Seq != 2 || d.Fault.Line != 5 || d.Entries != 2 || d.Checkpoint == nil || !strings.Contains(err.Error(), "an empty line stands in its place") {
				t.Errorf("%q before a %s: %+v, %v", empty, name, d.Fault, err)
			}
		}
	}
	d, err := chain.Verify(bytes.NewReader(bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n"))), f.verifier)
	if d.Fault == nil || d.Fault.Seq != 0 || !strings.Contains(err.Error(), "converted the file") {
		t.Errorf("carriage returns: %v", err)
	}
}

func TestTornStreamIsAFault(t *testing.T) {
	f := newFixture(t, 3)
	whole := stream(t, f.entries, nil)
	last := len(stream(t, f.entries[:2], nil))
	for cut := last + 1; cut < len(whole); cut++ {
		d, err := chain.Verify(bytes.NewReader(whole[:cut]), f.verifier)
		if d.Fault == nil || d.Fault.Seq != 2 || d.Entries != 2 {
			t.Fatalf("cut at %d of %d: %+v, %v", cut, len(whole), d, err)
		}
	}
}

func TestFalseCheckpointIsNoProof(t *testing.T) {
	f, other := newFixture(t, 4), newFixture(t, 4)
	sound := f.checkpoint(t, 4)
	for name, cp := range map[string][]byte{
		"of another log's key": other.checkpoint(t, 4),
		"altered":              bytes.Replace(sound, []byte("\n4\n"), []byte("\n3\n"), 1),
		"cut":                  sound[:60],
		"without its end":      sound[:len(sound)-1],
		"empty":                {},
	} {
		if d, err := chain.Verify(bytes.NewReader(stream(t, f.entries, cp)), f.verifier); err == nil || d.Matches || d.Quorum {
			t.Errorf("checkpoint %s: accepted: %+v", name, d)
		}
	}
}

func TestQuorumCountsEachWitnessOnce(t *testing.T) {
	f := newFixture(t, 2)
	root, err := chain.RootAt(2, f.hashes)
	must(t, err)
	n, err := chain.SignCheckpoint(chain.Checkpoint{Origin: origin, Size: 2, Root: root}, f.signer)
	must(t, err)
	n, err = chain.Cosign(n, f.witnesses[0], start)
	must(t, err)
	n, err = chain.Cosign(n, f.witnesses[0], start.Add(time.Hour)) // takes the place of the first
	must(t, err)
	twice := append(slices.Clone(f.verifier.Witnesses), f.verifier.Witnesses[0])
	_, cosigned, err := chain.OpenCheckpoint(n, origin, f.log, twice...)
	must(t, err)
	if len(cosigned) != 1 || !cosigned[0].Time.Equal(start.Add(time.Hour)) {
		t.Errorf("cosignatures %v", cosigned)
	}
	// A broken line of the other witness does not spoil the sound one (invariant 14).
	lines := strings.Split(string(f.checkpoint(t, 2)), "\n")
	for i, l := range lines {
		if strings.Contains(l, "witness.example") {
			name, sig, _ := strings.Cut(strings.TrimPrefix(l, "— "), " ")
			raw, err := base64.StdEncoding.DecodeString(sig)
			must(t, err)
			raw[len(raw)-1] ^= 1
			lines[i] = "— " + name + " " + base64.StdEncoding.EncodeToString(raw)
		}
	}
	_, cosigned, err = chain.OpenCheckpoint([]byte(strings.Join(lines, "\n")), origin, f.log, f.verifier.Witnesses...)
	must(t, err)
	if len(cosigned) != 1 || cosigned[0].Name != "witness.helmond" {
		t.Errorf("cosignatures with one broken: %v", cosigned)
	}
}

func TestOthersAcceptOurCheckpointAndCosignatures(t *testing.T) {
	f := newFixture(t, 7)
	n := f.checkpoint(t, 7)
	var theirs []note.Verifier
	for _, k := range f.vkeys {
		v, err := formats.NewVerifierForCosignatureV1(k)
		must(t, err)
		theirs = append(theirs, v)
	}
	cp, rest, opened, err := log.ParseCheckpoint(n, origin, f.log, theirs...)
	must(t, err)
	root := f.head.Root()
	if cp.Size != 7 || !bytes.Equal(cp.Hash, root[:]) || len(rest) != 0 || len(opened.Sigs) != 3 {
		t.Errorf("transparency-dev/formats reads %+v with %d signatures", cp, len(opened.Sigs))
	}
}

func TestWeAcceptCosignaturesOfOthers(t *testing.T) {
	f := newFixture(t, 3)
	skey, vkey, err := note.GenerateKey(rand.Reader, "witness.other")
	must(t, err)
	theirs, err := formats.NewSignerForCosignatureV1(skey)
	must(t, err)
	n, err := note.Sign(&note.Note{Text: chain.Checkpoint{Origin: origin, Size: 3, Root: f.head.Root()}.String()}, f.signer, theirs)
	must(t, err)
	if _, err := chain.WitnessVerifier(vkey); err == nil {
		t.Error("a plain Ed25519 key was taken for a witness key")
	}
	vkey, err = formats.VKeyToCosignatureV1(vkey)
	must(t, err)
	v, err := chain.WitnessVerifier(vkey)
	must(t, err)
	_, cosigned, err := chain.OpenCheckpoint(n, origin, f.log, v)
	must(t, err)
	if len(cosigned) != 1 || time.Since(cosigned[0].Time) > time.Minute {
		t.Errorf("cosignatures %v", cosigned)
	}
}

func TestTreeIsRFC6962(t *testing.T) {
	f := newFixture(t, 33)
	var h chain.Head
	for size := range uint64(34) {
		root, err := chain.RootAt(size, f.hashes)
		must(t, err)
		if h.Root() != root {
			t.Fatalf("size %d: head's root %s, tlog's %s", size, h.Root(), root)
		}
		must(t, h.Valid())
		for seq := range size {
			p, err := chain.InclusionProof(seq, size, f.hashes)
			must(t, err)
			must(t, tlog.CheckRecord(p, int64(size), tlog.Hash(root), int64(seq), tlog.RecordHash(f.entries[seq].Header)))
		}
		for old := range size + 1 {
			oldRoot, err := chain.RootAt(old, f.hashes)
			must(t, err)
			p, err := chain.ConsistencyProof(old, size, f.hashes)
			must(t, err)
			must(t, chain.CheckConsistency(p, old, oldRoot, size, root))
			if old > 0 {
				must(t, tlog.CheckTree(p, int64(size), tlog.Hash(root), int64(old), tlog.Hash(oldRoot)))
				if chain.CheckConsistency(p, old, protocol.HashOf([]byte("fork")), size, root) == nil {
					t.Fatal("a fork was called consistent")
				}
			}
		}
		if size < 33 {
			stored := f.hashes[chain.HashCount(size):chain.HashCount(size+1)]
			if !slices.Equal(h.Hashes(f.entries[size].Header), []tlog.Hash(stored)) {
				t.Fatalf("size %d: head gives other stored hashes than tlog", size)
			}
			must(t, h.Add(f.entries[size]))
		}
	}
	file := make([]byte, 0, 32*len(f.hashes))
	for _, x := range f.hashes {
		file = append(file, x[:]...)
	}
	root, err := chain.RootAt(33, chain.HashesIn(bytes.NewReader(file)))
	must(t, err)
	if root != f.head.Root() || int64(len(f.hashes)) != chain.HashCount(33) {
		t.Error("stored hashes in a file give another root")
	}
	if _, err := chain.RootAt(34, chain.HashesIn(bytes.NewReader(file))); err == nil {
		t.Error("a root beyond the stored hashes was given")
	}
}

func TestHeadSurvivesStorageAndCopies(t *testing.T) {
	f := newFixture(t, 13)
	b, err := json.Marshal(f.head)
	must(t, err)
	var h chain.Head
	must(t, json.Unmarshal(b, &h))
	copied := h
	more, err := chain.Seal(&h, "test.more", struct{}{}, start.Add(time.Hour))
	must(t, err)
	must(t, h.Add(more))
	must(t, f.head.Add(more))
	if h.Root() != f.head.Root() || copied.Size != 13 {
		t.Error("a stored head went another way")
	}
	other, err := chain.Seal(&copied, "test.other", struct{}{}, start.Add(time.Hour))
	must(t, err)
	must(t, copied.Add(other))
	if h.Root() != f.head.Root() {
		t.Error("a copy of a head changed the head")
	}
}

func TestProofFileConvinces(t *testing.T) {
	f := newFixture(t, 11)
	p, err := chain.NewProof(6, 9, f.checkpoint(t, 9), f.hashes)
	must(t, err)
	file := chain.MarshalProof(p)
	var theirs proof.TLogProof
	must(t, theirs.Unmarshal(file))
	h, c, cosigned, err := chain.VerifyProof(file, f.entries[6].Header, f.verifier)
	must(t, err)
	if h.Seq != 6 || c.Size != 9 || len(cosigned) != 2 || !h.Holds(f.entries[6].Body) || h.Holds(f.entries[5].Body) {
		t.Errorf("proof gives %+v %+v %v", h, c, cosigned)
	}
	if _, _, _, err := chain.VerifyProof(file, f.entries[5].Header, f.verifier); err == nil {
		t.Error("a proof of entry 6 convinced for entry 5")
	}
	three := f.verifier
	three.Quorum = 3
	if _, _, _, err := chain.VerifyProof(file, f.entries[6].Header, three); err == nil {
		t.Error("a proof convinced without its quorum")
	}
	// Behind the checkpoint's text stand signatures, whose base64 sumdb/note reads loosely: another spelling of the same signature is no forgery.
	for i := range bytes.LastIndex(file, []byte("\n\n")) {
		bad := slices.Clone(file)
		bad[i] ^= 1
		if _, _, cosigned, err := chain.VerifyProof(bad, f.entries[6].Header, f.verifier); err == nil {
			t.Errorf("a proof with byte %d altered convinced (%v)", i, cosigned)
		}
	}
}

func TestHeaderHasOneSpelling(t *testing.T) {
	f := newFixture(t, 1)
	good := string(f.entries[0].Header)
	if _, err := chain.ParseHeader([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty":         "",
		"space":         " " + good,
		"newline":       good + "\n",
		"twice":         good + good,
		"unknown key":   strings.Replace(good, `{`, `{"x":1,`, 1),
		"duplicate key": strings.Replace(good, `{`, `{"v":1,`, 1),
		"folded case":   strings.Replace(good, `"seq"`, `"Seq"`, 1),
		"missing key":   strings.Replace(good, `"seq":0,`, ``, 1),
		"order":         strings.Replace(good, `"v":1,"seq":0`, `"seq":0,"v":1`, 1),
		"float":         strings.Replace(good, `"seq":0`, `"seq":0.0`, 1),
		"exponent":      strings.Replace(good, `"seq":0`, `"seq":0e0`, 1),
		"negative":      strings.Replace(good, `"seq":0`, `"seq":-1`, 1),
		"over 2^53":     strings.Replace(good, `"seq":0`, `"seq":9007199254740993`, 1),
		"version":       strings.Replace(good, `"v":1`, `"v":2`, 1),
		"zone":          strings.Replace(good, `.000Z`, `.000+00:00`, 1),
		"microseconds":  strings.Replace(good, `.000Z`, `.000000Z`, 1),
		"kind":          strings.Replace(good, `test.kind-0`, `Test`, 1),
		"upper hex":     strings.Replace(good, good[len(good)-6:], strings.ToUpper("abcd")+`"}`, 1),
		"escape":        strings.Replace(good, `test.kind`, `\u0074est.kind`, 1),
		"long":          strings.Replace(good, `test.kind-0`, strings.Repeat("a", 600), 1),
	} {
		if h, err := chain.ParseHeader([]byte(bad)); err == nil {
			t.Errorf("%s: accepted as %+v", name, h)
		}
	}
}

func TestBodyIsStrictSaltedAndSmall(t *testing.T) {
	type facts struct {
		protocol.Salted
		Camera string `json:"camera"`
		N      uint64 `json:"n"`
	}
	var h chain.Head
	a, err := chain.Seal(&h, "test", facts{Camera: "plein", N: 1 << 53}, start)
	must(t, err)
	b, err := chain.Seal(&h, "test", facts{Camera: "plein", N: 1 << 53}, start)
	must(t, err)
	if bytes.Equal(a.Body, b.Body) {
		t.Error("two bodies with the same facts have the same salt")
	}
	var got facts
	must(t, chain.ParseBody(a.Body, &got))
	if got.Camera != "plein" || got.N != 1<<53 || len(got.Salt) != 32 {
		t.Errorf("read back %+v", got)
	}
	again, err := chain.Seal(&h, "test", got, start)
	must(t, err)
	if len(again.Body) != len(a.Body) || bytes.Contains(again.Body, []byte(got.Salt)) {
		t.Errorf("a body sealed again kept its salt: %s", again.Body)
	}
	if err := chain.ParseBody(a.Body, &struct{}{}); err == nil {
		t.Error("a reader that knows no field accepted the body")
	}
	empty, err := chain.Seal(&h, "test", struct{}{}, start)
	must(t, err)
	must(t, chain.ParseBody(empty.Body, &protocol.Salted{}))

	salt := `{"salt":"00112233445566778899aabbccddeeff"`
	must(t, chain.CheckBody([]byte(salt+`,"n":-9007199254740992,"o":{"a":[1,"1.5"]}}`)))
	for name, bad := range map[string]string{
		"no salt":      `{"n":1}`,
		"short salt":   `{"salt":"00"}`,
		"salt not hex": strings.Replace(salt, "ff", "FF", 1) + `}`,
		"salt twice":   salt + `,"salt":"00112233445566778899aabbccddeeff"}`,
		"duplicate":    salt + `,"n":1,"n":2}`,
		"float":        salt + `,"n":1.5}`,
		"whole float":  salt + `,"n":1.0}`,
		"exponent":     salt + `,"n":1e3}`,
		"minus zero":   salt + `,"n":-0}`,
		"over 2^53":    salt + `,"n":9007199254740993}`,
		"under -2^53":  salt + `,"n":-9007199254740993}`,
		"nested float": salt + `,"o":{"a":[0.1]}}`,
		"not UTF-8":    salt + ",\"s\":\"\xff\"}",
		"lone half":    salt + `,"s":"\ud800"}`,
		"not finished": salt + `,"n":1`,
		"two values":   salt + `}{}`,
		"two lines":    salt + ",\n\"n\":1}",
		"an array":     `[1]`,
		"over 64 KiB":  salt + `,"s":"` + strings.Repeat("x", 64<<10) + `"}`,
		"destroyed":    `-`,
	} {
		if chain.CheckBody([]byte(bad)) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, bad := range map[string]any{
		"float": map[string]float64{"n": 1.5}, "string": "x", "nil": nil, "salted": map[string]string{"salt": "mine"}, "big": map[string]uint64{"n": 1<<53 + 1},
		"long": map[string]string{"s": strings.Repeat("x", 64<<10)}, "channel": make(chan int),
	} {
		if _, err := chain.Seal(&h, "test", bad, start); err == nil {
			t.Errorf("sealed a body that is %s", name)
		}
	}
	if _, err := chain.Seal(&h, "Test Kind", struct{}{}, start); err == nil {
		t.Error("sealed a kind with a space")
	}
}

func TestClockThatGoesBackDoesNotStopTheLog(t *testing.T) {
	f := newFixture(t, 3)
	e, err := chain.Seal(&f.head, "test", struct{}{}, start.Add(-time.Hour))
	must(t, err)
	must(t, f.head.Add(e))
	h, err := chain.ParseHeader(e.Header)
	must(t, err)
	if !h.Time.Equal(start.Add(2 * time.Second)) {
		t.Errorf("time %s fell below the previous entry's", h.Time)
	}
}

func TestHeadRefusesWhatDoesNotFollow(t *testing.T) {
	f := newFixture(t, 4)
	var h chain.Head
	must(t, h.Add(f.entries[0]))
	for name, e := range map[string]chain.Entry{
		"again":         f.entries[0],
		"skipped":       f.entries[2],
		"without body":  {Header: f.entries[1].Header},
		"body of other": {Header: f.entries[1].Header, Body: f.entries[2].Body},
		"of other log":  newFixture(t, 2).entries[1],
	} {
		before := h.Root()
		if h.Add(e) == nil || h.Root() != before || h.Size != 1 {
			t.Errorf("%s: accepted, or the head moved", name)
		}
	}
	must(t, h.AddHeader(f.entries[1].Header))
}

func TestCheckpointHasOneSpelling(t *testing.T) {
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	if _, err := chain.ParseCheckpoint(origin + "\n5\n" + root + "\n"); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"no newline": origin + "\n5\n" + root, "leading zero": origin + "\n05\n" + root + "\n", "plus": origin + "\n+5\n" + root + "\n",
		"extension": origin + "\n5\n" + root + "\nmore\n", "empty origin": "\n5\n" + root + "\n", "short root": origin + "\n5\nAAAA\n",
		"loose base64": origin + "\n5\n" + root[:42] + "B=\n", "over 2^53": origin + "\n9007199254740993\n" + root + "\n",
	} {
		if c, err := chain.ParseCheckpoint(bad); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
	f := newFixture(t, 0)
	if _, err := chain.SignCheckpoint(chain.Checkpoint{Origin: "rec-2.helmond/beeldwacht"}, f.signer); err == nil {
		t.Error("signed a checkpoint of another log")
	}
}

func TestReaderGivesBackWhatWasWritten(t *testing.T) {
	f := newFixture(t, 3)
	f.entries[1].Body = nil
	cp := f.checkpoint(t, 3)
	r := chain.NewReader(bytes.NewReader(stream(t, f.entries, cp)))
	for i := range f.entries {
		e, err := r.Next()
		must(t, err)
		if !bytes.Equal(e.Header, f.entries[i].Header) || !bytes.Equal(e.Body, f.entries[i].Body) || (e.Body == nil) != (i == 1) || r.Line() != uint64(2*i+1) {
			t.Errorf("entry %d read back as %s / %s, line %d", i, e.Header, e.Body, r.Line())
		}
	}
	for range 2 {
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("after the last: %v", err)
		}
	}
	if !bytes.Equal(r.Checkpoint(), cp) {
		t.Error("checkpoint read back differently")
	}
	broken := errors.New("disk is broken")
	_, err := chain.Verify(io.MultiReader(bytes.NewReader(stream(t, f.entries, nil)), errReader{broken}), f.verifier)
	if !errors.Is(err, broken) {
		t.Errorf("a disk error became %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b, 10000)
	s := stream(b, f.entries, f.checkpoint(b, 10000))
	b.ResetTimer()
	for b.Loop() {
		if _, err := chain.Verify(bytes.NewReader(s), f.verifier); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*10000/b.Elapsed().Seconds(), "entries/s")
}

// A hash has one spelling: lower-case hex.
func TestHexHasOneSpelling(t *testing.T) {
	for c := range 256 {
		for at := range 16 {
			digits := []byte("0123456789abcdef")
			digits[at] = byte(c)
			var quick [8]byte
			slow, err := hex.DecodeString(string(digits))
			if lower := bytes.Equal(digits, bytes.ToLower(digits)); chain.ScanHex(quick[:], digits) != (err == nil && lower) || err == nil && lower && !bytes.Equal(quick[:], slow) {
				t.Errorf("%q: %x, want %x, %v", digits, quick, slow, err)
			}
		}
	}
}
