package outside

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// testLog is a log that grows; a copy of it forks.
type testLog struct {
	origin string
	signer note.Signer
	vkey   string
	hashes chain.Hashes
	size   uint64
}

func newLog(t testing.TB, origin string) *testLog {
	skey, vkey, err := protocol.NewKey(origin)
	must(t, err)
	signer, err := note.NewSigner(skey)
	must(t, err)
	return &testLog{origin: origin, signer: signer, vkey: vkey}
}

func (l *testLog) grow(t testing.TB, lines ...string) *testLog {
	for _, line := range lines {
		must(t, l.hashes.Add(l.size, []byte(line)))
		l.size++
	}
	return l
}

func (l *testLog) copy() *testLog {
	c := *l
	c.hashes = slices.Clone(l.hashes)
	return &c
}

func (l *testLog) checkpoint(t testing.TB) []byte {
	root, err := chain.RootAt(l.size, l.hashes)
	must(t, err)
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: l.origin, Size: l.size, Root: root}, l.signer)
	must(t, err)
	return signed
}

func (l *testLog) submission(t testing.TB, old uint64) []byte {
	proof, err := chain.ConsistencyProof(old, l.size, l.hashes)
	must(t, err)
	return chain.MarshalSubmission(chain.Submission{Old: old, Proof: proof, Note: l.checkpoint(t)})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is a witness that can be reopened, with a clock.
type place struct {
	*Witness
	t    testing.TB
	dir  string
	skey string
	logs map[string]note.Verifier
	now  time.Time
}

func newPlace(t testing.TB, logs ...*testLog) *place {
	skey, _, err := protocol.NewKey("fg.stad.example")
	must(t, err)
	_, vkey, err := chain.NewWitness(skey)
	must(t, err)
	p := &place{t: t, dir: t.TempDir(), skey: skey, logs: map[string]note.Verifier{}, now: start}
	for _, l := range logs {
		p.logs[l.origin], err = protocol.NewVerifier(l.vkey)
		must(t, err)
	}
	must(t, Make(p.dir, vkey))
	p.open()
	t.Cleanup(func() { p.Close() })
	return p
}

func (p *place) Cosign(raw []byte) ([]byte, error) { return p.Witness.Cosign(raw, "192.0.2.1") }

func (p *place) open() {
	w, err := Open(p.dir, p.skey, p.logs, func() time.Time { return p.now }, slog.New(slog.DiscardHandler))
	must(p.t, err)
	p.Witness = w
}

func (p *place) reopen() {
	must(p.t, p.Close())
	p.open()
}

// cosigned wants a cosignature that stands on the log's checkpoint.
func (p *place) cosigned(l *testLog, old uint64) {
	p.t.Helper()
	line, err := p.Cosign(l.submission(p.t, old))
	must(p.t, err)
	v, err := chain.WitnessVerifier(p.Key())
	must(p.t, err)
	signed, err := chain.AddCosignature(l.checkpoint(p.t), line, v)
	must(p.t, err)
	if c, by, err := chain.OpenCheckpoint(signed, l.origin, p.logs[l.origin], v); err != nil || c.Size != l.size || len(by) != 1 || !by[0].Time.Equal(p.now) {
		p.t.Fatalf("%+v %v %v", c, by, err)
	}
}

func (p *place) files() []string {
	all, err := p.evidence()
	must(p.t, err)
	return all
}

func TestI11_OutsideWitnessCosignsOnlyWhatGrew(t *testing.T) {
	l := newLog(t, "rec-1.stad/beeldwacht")
	p := newPlace(t, l)
	p.cosigned(l, 0) // an empty log is a log
	p.cosigned(l.grow(t, "a", "b", "c"), 0)
	p.now = p.now.Add(time.Minute)
	p.cosigned(l, 3) // idle: the cosignature in hand stays young
	before := l.copy()
	p.cosigned(l.grow(t, "d", "e", "f", "g"), 3)
	p.reopen()

	stale := func(raw []byte) {
		t.Helper()
		_, err := p.Cosign(raw)
		if s := new(Stale); !errors.As(err, &s) || s.Size != 7 {
			t.Errorf("%v", err)
		}
	}
	stale(before.submission(t, 3)) // put back
	stale(before.submission(t, 0))
	stale(l.submission(t, 3)) // again: the log has the answer
	if len(p.files()) != 0 {
		t.Error("evidence of nothing")
	}
	fork := before.copy().grow(t, "D", "E", "F", "G")
	raw := chain.MarshalSubmission(chain.Submission{Old: 7, Note: fork.checkpoint(t)})
	for range 2 {
		if _, err := p.Cosign(raw); !errors.Is(err, ErrFork) {
			t.Errorf("%v", err)
		}
	}
	files := p.files()
	if len(files) != 1 {
		t.Fatal(files)
	}
	text, err := os.ReadFile(files[0])
	must(t, err)
	for _, checkpoint := range [][]byte{l.checkpoint(t), fork.checkpoint(t)} { // both, so that anyone can check them
		if !bytes.Contains(text, checkpoint) {
			t.Errorf("%s is not in\n%s", checkpoint, text)
		}
	}
	longer := fork.copy().grow(t, "H")
	if _, err := p.Cosign(longer.submission(t, 7)); !errors.Is(err, ErrProof) {
		t.Errorf("%v", err)
	}
	if len(p.files()) != 2 {
		t.Error(p.files())
	}
	p.cosigned(l.grow(t, "h"), 7) // the true log goes on
}

// Stored, then the power fails before the cosignature: nothing else can take the place of what was stored.
func TestI11_OutsideWitnessStoresBeforeItCosigns(t *testing.T) {
	l := newLog(t, "rec-1.stad/beeldwacht")
	p := newPlace(t, l)
	l.grow(t, "a", "b")
	fork := l.copy().grow(t, "X")
	l.grow(t, "c")
	p.between = func() error { return errors.New("the power fails") }
	if line, err := p.Cosign(l.submission(t, 0)); err == nil || line != nil {
		t.Fatalf("%s %v", line, err)
	}
	p.reopen()
	if _, err := p.Cosign(fork.submission(t, 0)); err == nil {
		t.Error("cosigned a fork of what was stored")
	}
	p.cosigned(l, 3)
}

// Whoever is first of many has it; the others are told where the witness stands. What was cosigned is one log.
func TestI11_OutsideWitnessSwapsOnce(t *testing.T) {
	l := newLog(t, "rec-1.stad/beeldwacht").grow(t, "a")
	p := newPlace(t, l)
	p.cosigned(l, 0)
	var mu sync.Mutex
	var group sync.WaitGroup
	won := 0
	for i := range 16 {
		raw := l.copy().grow(t, fmt.Sprint("b", i)).submission(t, 1)
		group.Go(func() {
			_, err := p.Cosign(raw)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			}
		})
	}
	group.Wait()
	if won != 1 {
		t.Errorf("%d logs were cosigned", won)
	}
}

// A key whose store is gone has forgotten what it cosigned.
func TestI11_OutsideWitnessDoesNotStartWithoutItsStore(t *testing.T) {
	l := newLog(t, "rec-1.stad/beeldwacht")
	p := newPlace(t, l)
	must(t, p.Close())
	must(t, os.Rename(storeFile(p.dir), storeFile(p.dir)+".away"))
	if _, err := Open(p.dir, p.skey, p.logs, time.Now, p.log); err == nil || !strings.Contains(err.Error(), "make another") {
		t.Errorf("%v", err)
	}
	must(t, Make(p.dir, "another+key"))
	if _, err := Open(p.dir, p.skey, p.logs, time.Now, p.log); err == nil || !strings.Contains(err.Error(), "a key keeps its store") {
		t.Errorf("%v", err)
	}
	if err := Make(p.dir, "another+key"); err == nil {
		t.Error("made over another")
	}
	must(t, os.Rename(storeFile(p.dir)+".away", storeFile(p.dir)))
	p.open()
}

func TestAnswersOfTheProtocol(t *testing.T) {
	l, unknown := newLog(t, "rec-1.stad/beeldwacht").grow(t, "a", "b", "c"), newLog(t, "rec-9.stad/beeldwacht").grow(t, "a")
	p := newPlace(t, l)
	p.cosigned(l.grow(t, "d"), 0)
	impostor := newLog(t, l.origin).grow(t, "a", "b", "c", "d", "e")
	fork := l.copy()
	fork.size, fork.hashes = 0, nil
	fork.grow(t, "w", "x", "y", "z")
	spoilt := l.copy().grow(t, "e")
	ahead := l.copy().grow(t, "e", "f")
	proof, err := chain.ConsistencyProof(4, 5, spoilt.hashes)
	must(t, err)
	proof[0][0] ^= 1
	for name, c := range map[string]struct {
		body   []byte
		status int
		answer string
	}{
		"cosigned":        {l.submission(t, 4), 200, "— fg.stad.example "},
		"no submission":   {[]byte("old 4"), 400, ""},
		"leading zero":    {append([]byte("old 0"), l.submission(t, 4)[4:]...), 400, ""},
		"no checkpoint":   {[]byte("old 4\n\nhello\n"), 400, ""},
		"old beyond":      {chain.MarshalSubmission(chain.Submission{Old: 5, Note: l.checkpoint(t)}), 400, ""},
		"unknown log":     {unknown.submission(t, 0), 404, ""},
		"another key":     {impostor.submission(t, 4), 403, ""},
		"stale":           {l.submission(t, 0), 409, "4\n"},
		"ahead":           {ahead.submission(t, 5), 409, "4\n"}, // as after a witness that was put back
		"fork":            {chain.MarshalSubmission(chain.Submission{Old: 4, Note: fork.checkpoint(t)}), 409, ""},
		"spoilt proof":    {chain.MarshalSubmission(chain.Submission{Old: 4, Proof: proof, Note: spoilt.checkpoint(t)}), 422, ""},
		"too much proof":  {[]byte("old 4\n" + strings.Repeat("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 64) + "\n" + string(l.checkpoint(t))), 400, ""},
		"far too long":    {bytes.Repeat([]byte("x"), chain.MaxSubmission+1), 413, ""},
		"another's line":  {append(l.submission(t, 4), "— someone.example AAAAAAAAAAAAAAAA\n"...), 200, "— fg.stad.example "},
		"carriage return": {bytes.ReplaceAll(l.submission(t, 4), []byte("\n"), []byte("\r\n")), 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRecorder()
			p.ServeHTTP(r, httptest.NewRequest("POST", "/add-checkpoint", bytes.NewReader(c.body)))
			if r.Code != c.status || !strings.HasPrefix(r.Body.String(), c.answer) {
				t.Errorf("%d %s", r.Code, r.Body)
			}
			if sized := r.Header().Get("Content-Type") == "text/x.tlog.size"; sized != (name == "stale" || name == "ahead") {
				t.Errorf("content type %s", r.Header().Get("Content-Type"))
			}
		})
	}
	for _, r := range []*http.Request{httptest.NewRequest("GET", "/add-checkpoint", nil), httptest.NewRequest("POST", "/", nil), httptest.NewRequest("POST", "/other", nil)} {
		out := httptest.NewRecorder()
		if p.ServeHTTP(out, r); out.Code/100 != 4 {
			t.Errorf("%s %s: %d", r.Method, r.URL, out.Code)
		}
	}
	out := httptest.NewRecorder()
	p.ServeHTTP(out, httptest.NewRequest("GET", "/", nil))
	for _, want := range []string{p.Key(), "rec-1.stad/beeldwacht  4 entries since 2026-11-22T08:00:00.000Z", "grow as they should: 2"} {
		if !strings.Contains(out.Body.String(), want) {
			t.Errorf("no %q in\n%s", want, out.Body)
		}
	}
}

// One who floods is stopped; neither the log beside it nor who asks from elsewhere is.
func TestFloodIsHeldBack(t *testing.T) {
	l, other := newLog(t, "rec-1.stad/beeldwacht").grow(t, "a"), newLog(t, "rec-2.stad/beeldwacht").grow(t, "a")
	p := newPlace(t, l, other)
	post := func(from string, body []byte) int {
		r := httptest.NewRequest("POST", "/add-checkpoint", bytes.NewReader(body))
		r.RemoteAddr = from
		out := httptest.NewRecorder()
		p.ServeHTTP(out, r)
		return out.Code
	}
	codes := map[int]int{}
	for range 100 {
		codes[post("192.0.2.1:1", []byte("rubbish"))]++
	}
	if codes[400] != 60 || codes[429] != 40 {
		t.Errorf("%v", codes)
	}
	if c := post("192.0.2.2:1", l.submission(t, 0)); c != 200 {
		t.Errorf("somebody else's flood: %d", c)
	}
	clear(codes)
	for range 100 {
		codes[post("192.0.2.2:1", l.submission(t, 1))]++
	}
	if codes[200] != 59 || codes[429] != 41 {
		t.Errorf("%v", codes)
	}
	if c := post("192.0.2.2:1", other.submission(t, 0)); c != 200 {
		t.Errorf("another log's flood: %d", c)
	}
	// Whoever has a checkpoint that the log once signed (there is one in every bag) can hand it in for ever; the log itself is still cosigned.
	old := l.submission(t, 0)
	for range 100 {
		post("192.0.2.9:1", old)
	}
	if c := post("192.0.2.3:1", l.grow(t, "b").submission(t, 1)); c != 200 {
		t.Errorf("an old checkpoint handed in again and again keeps its log from being cosigned: %d", c)
	}
	p.now = p.now.Add(time.Second)
	if c := post("192.0.2.2:1", l.submission(t, 2)); c != 200 {
		t.Errorf("a second later: %d", c)
	}
	if c := post("192.0.2.1:1", []byte("rubbish")); c != 400 {
		t.Errorf("a second later: %d", c)
	}
}

// A log that lies a thousand times does not fill the disk with the evidence.
func TestEvidenceIsBounded(t *testing.T) {
	l := newLog(t, "rec-1.stad/beeldwacht").grow(t, "a")
	p := newPlace(t, l)
	p.cosigned(l, 0)
	for i := range 3 * mostForks {
		lie := newLog(t, l.origin).grow(t, fmt.Sprint("lie", i))
		lie.signer = l.signer
		p.now = p.now.Add(time.Second)
		if _, err := p.Cosign(chain.MarshalSubmission(chain.Submission{Old: 1, Note: lie.checkpoint(t)})); !errors.Is(err, ErrFork) {
			t.Fatal(err)
		}
	}
	if n := len(p.files()); n != mostForks {
		t.Errorf("%d files", n)
	}
}

var update = flag.Bool("update", false, "write deploy/witness.yaml anew")

// What ships in deploy is what init makes.
func TestSampleConfiguration(t *testing.T) {
	var b bytes.Buffer
	must(t, Sample(&b, Config{Listen: "0.0.0.0:8444", Key: "witness.key", Certificate: "server.crt", CertificateKey: "server.tls", Data: "/var/lib/beeldwacht-witness",
		Logs: []Log{{"kast-12.helmond/beeldwacht", "kast-12.helmond/beeldwacht+c5b79290+AbgI5qnh1ikCbiHIuJhIuyCH4NMLDCcArCQX2tDnJgXX"}}}))
	const file = "../../../deploy/witness.yaml"
	if *update {
		must(t, os.WriteFile(file, b.Bytes(), 0o644))
	}
	shipped, err := os.ReadFile(file)
	must(t, err)
	if !bytes.Equal(shipped, b.Bytes()) {
		t.Error("deploy/witness.yaml is not what init makes; -update writes it anew")
	}
	if c, err := LoadConfig(file); err != nil || len(c.Logs) != 1 {
		t.Errorf("%+v %v", c, err)
	}
	dir := t.TempDir()
	for _, c := range []struct{ from, to, want string }{
		{"listen: 0.0.0.0:8444", "listen: 8444", "listen"},
		{"data:", "dta:", "dta"},
		{"key: witness.key", "key: ", "key: missing"},
		{"beeldwacht+c5", "beeldwacht+00", "logs, number 1"},
	} {
		file := filepath.Join(dir, "witness.yaml")
		must(t, os.WriteFile(file, []byte(strings.Replace(string(shipped), c.from, c.to, 1)), 0o600))
		if _, err := LoadConfig(file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.to, err)
		}
	}
}

// BenchmarkCosign is a minute of a city: each of many logs hands in what it grew by, over kept-alive HTTPS.
func BenchmarkCosign(b *testing.B) {
	var logs []*testLog
	for i := range 1000 {
		logs = append(logs, newLog(b, fmt.Sprintf("rec-%d.stad/beeldwacht", i)))
	}
	p := newPlace(b, logs...)
	server := httptest.NewTLSServer(p)
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	next := make(chan *testLog, len(logs))
	for _, l := range logs {
		next <- l
	}
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l := <-next
			old := l.size
			r, err := client.Post(server.URL+"/add-checkpoint", "", bytes.NewReader(l.grow(b, "x", "y", "z").submission(b, old)))
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != 200 {
				b.Errorf("%d %v", r.StatusCode, err)
			}
			r.Body.Close()
			next <- l
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cosignatures/s")
}
