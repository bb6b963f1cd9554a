package evidence

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

func (s *scene) verify(bag []byte) Report {
	s.t.Helper()
	r, err := Verify(bytes.NewReader(bag), int64(len(bag)), Trust{Roots: s.roots}, nil)
	s.must(err)
	return r
}

// told is everything a report says, in both languages.
func told(r Report) string {
	var b strings.Builder
	for _, v := range r.Verdicts() {
		fmt.Fprintf(&b, "%s: %s\n", v.Name.EN, v.State)
		for _, s := range v.Sentences {
			fmt.Fprintf(&b, "  %s | %s\n", s.NL, s.EN)
		}
		for _, f := range v.Findings {
			fmt.Fprintf(&b, "  %s: %s: %s | %s\n", f.State, f.Where(), f.NL, f.EN)
		}
	}
	return b.String()
}

func TestVerifySoundBag(t *testing.T) {
	s := newScene(t)
	r := s.verify(s.bag())
	if r.State() != OK || r.Level != protocol.LevelPersons || r.SelfWitnessed || r.Segments != 4 || r.Camera != "plein-noord" {
		t.Fatalf("report %+v\n%s", r, told(r))
	}
	for _, want := range []string{"exactly what the recorder recorded", "exactly the 4 segments that the recorder held", "From 2026-11-21T02:00:10.000Z to 2026-11-21T02:00:14.000Z", "network i/o timeout",
		"witness.eindhoven/beeldwacht confirmed at 2026-11-21T04:00:01.000Z", "p-1, handler p-2 and approver p-3", "signed themselves"} {
		if !strings.Contains(told(r), want) {
			t.Errorf("does not say %q:\n%s", want, told(r))
		}
	}
}

// A recorder whose log was put back and resumed still gives bags that hold: under the successor's name, saying so, with who allowed it; for whoever has no tool of ours too.
func TestI13_BagOfASuccessorLog(t *testing.T) {
	s := newScene(t)
	s.log = 3
	bag := s.bag()
	if r := s.verify(bag); r.State() != OK || !strings.Contains(told(r), "it went on as log 2.") || !strings.Contains(told(r), "it went on as log 3.") {
		t.Errorf("resumed twice:\n%s", told(r))
	}
	dir, keys := unpack(t, bag), s.keys(t)
	if said, code := verifyPy(t, dir, keys); code != 0 {
		t.Errorf("the script, exit code %d:\n%s", code, said)
	}
	unsaid := newScene(t)
	unsaid.log, unsaid.unsaid = 2, true
	if r := unsaid.verify(unsaid.bag()); r.Time.State != NotShown || r.Integrity.State != OK || !strings.Contains(told(r), "Why it became log 2 is not in this bag") {
		t.Errorf("the bag does not say that the log was resumed:\n%s", told(r))
	}
	foreign := newScene(t)
	foreign.log, foreign.officer = 2, newScene(t).officer
	if r := foreign.verify(foreign.bag()); r.Time.State != NotShown || !strings.Contains(told(r), "That the privacy officer allowed this does not follow") {
		t.Errorf("somebody else had it resumed:\n%s", told(r))
	}
	other := newScene(t) // of another recorder's key, or under a name that is no successor's
	other.log, other.recorder = 2, s.recorder
	if r := other.verify(other.bag()); r.Integrity.State != Failed {
		t.Errorf("another key signs as log 2:\n%s", told(r))
	}
	for _, name := range []string{"rec-1.helmond/beeldwacht/x", "rec-1.helmond/beeldwacht/2/3", "rec-2.helmond/beeldwacht/2"} {
		checkpoint := filepath.Join(dir, "proof", "checkpoint")
		note, err := os.ReadFile(checkpoint)
		s.must(err)
		put(t, checkpoint, []byte(strings.Replace(string(note), "rec-1.helmond/beeldwacht/3", name, -1)))
		if said, code := verifyPy(t, dir, keys); code != 1 || !strings.Contains(said, "niet getekend door") {
			t.Errorf("%s: the script, exit code %d:\n%s", name, code, said)
		}
		put(t, checkpoint, note)
	}
}

// A flipped byte is found wherever it is, and the file it is in is named; in a film, the segment too.
func TestFlippedByteIsNamed(t *testing.T) {
	s := newScene(t)
	s.envelope = true
	bag := s.bag()
	c := openContainer(bytes.NewReader(bag), int64(len(bag)), &Verdict{})
	flip := func(at int64) Report {
		changed := bytes.Clone(bag)
		changed[at] ^= 1 << rand.IntN(8)
		return s.verify(changed)
	}
	for _, m := range c.members {
		for _, offset := range slices.Compact([]int64{0, m.size / 5, m.size * 4 / 5, m.size - 1}) {
			r := flip(m.start + offset)
			named := slices.ContainsFunc(r.Integrity.Findings, func(f Finding) bool { return f.File == m.name && f.State == Failed })
			if !named {
				t.Errorf("%s byte %d: not named\n%s", m.name, offset, told(r))
			}
			film := strings.Contains(m.name, "/2026")
			if film && offset > int64(len(s.init)+100) && !slices.ContainsFunc(r.Integrity.Findings, func(f Finding) bool {
				return strings.HasPrefix(f.Segment, "r-1 ") && f.Offset != nil && *f.Offset <= offset
			}) {
				t.Errorf("%s byte %d: the segment is not named\n%s", m.name, offset, told(r))
			}
		}
	}
	// Around the files: the zip's headers, directory and end.
	last := c.members[len(c.members)-1]
	for at := last.start + last.size; at < int64(len(bag)); at += 1 + rand.Int64N(30) { // another sample each time
		if r := flip(at); r.Integrity.State != Failed || len(r.Integrity.Findings) == 0 || r.Integrity.Findings[0].File == "" {
			t.Errorf("zip byte %d: not found\n%s", at, told(r))
		}
	}
	for at := int64(0); at < 200; at += 3 {
		if r := flip(at); r.Integrity.State != Failed {
			t.Errorf("zip byte %d: not found\n%s", at, told(r))
		}
	}
	for cut := 1; cut < len(bag); cut += len(bag) / 15 {
		if r := s.verify(bag[:len(bag)-cut]); r.Integrity.State != Failed {
			t.Errorf("bag without its last %d bytes: not found", cut)
		}
	}
}

// forge is an attacker who can write bags, and remakes manifests and zip so that nothing but the journal gives him away.
func forge(t *testing.T, bag []byte, change func(files map[string][]byte)) []byte {
	t.Helper()
	c := openContainer(bytes.NewReader(bag), int64(len(bag)), &Verdict{})
	files := map[string][]byte{}
	for _, m := range c.members {
		files[m.name] = c.content(m.name, 1<<30, &Verdict{})
	}
	change(files)
	var payload, tags string
	i, err := parseInfo(files[fileInfo])
	if err == nil {
		i.Files, i.Bytes = 0, 0
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(name, "data/") {
			payload += manifestLine(protocol.HashOf(files[name]), name)
			i.Files, i.Bytes = i.Files+1, i.Bytes+int64(len(files[name]))
		}
	}
	files[fileManifest] = []byte(payload)
	if err == nil {
		files[fileInfo] = []byte(i.String())
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasPrefix(name, "data/") && name != fileTagManifest {
			tags += manifestLine(protocol.HashOf(files[name]), name)
		}
	}
	files[fileTagManifest] = []byte(tags)
	var out bytes.Buffer
	z := zipWriter{w: &out, stamp: dosTime(t0)}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		z.begin("g-41/" + name)
		z.Write(files[name])
		z.end()
	}
	z.close()
	if z.err != nil {
		t.Fatal(z.err)
	}
	return out.Bytes()
}

const (
	film  = "data/plein-noord/r-1/20261121T020002.000Z.mp4"
	table = "data/plein-noord/r-1/segments.tsv"
	gaps  = "data/plein-noord/gaps.tsv"
)

func TestForgedBags(t *testing.T) {
	honest := newScene(t)
	bag := honest.bag()
	other := newScene(t) // the same recorder, another day, another request
	other.roots, other.rootKeys, other.recorder, other.witness, other.roster = honest.roots, honest.rootKeys, honest.recorder, honest.witness, honest.roster
	other.handler, other.approver = honest.handler, honest.approver
	other.grant.Request, other.grant.Purpose = "z-99", "iets anders"
	var theirs map[string][]byte
	forge(t, other.bag(), func(f map[string][]byte) { theirs = maps.Clone(f) })

	// dropLast takes segments out of film and table, consistently.
	drop := func(f map[string][]byte, keep func(n int) bool) {
		lines, _ := parseSegments(f[table])
		out, text := bytes.Clone(f[film][:lines[0].Offset]), segmentColumns+"\n"
		for _, p := range lines {
			if !keep(p.N) {
				continue
			}
			bytes := f[film][p.Offset : p.Offset+p.Size]
			p.Offset = int64(len(out))
			out = append(out, bytes...)
			text += p.String() + "\n"
		}
		f[film], f[table] = out, []byte(text)
	}
	for _, c := range []struct {
		name   string
		change func(f map[string][]byte)
		in     string // verdict
		where  string // of a finding
	}{
		{"changed segment, hashes adjusted", func(f map[string][]byte) {
			lines, _ := parseSegments(f[table])
			p := lines[2]
			f[film][p.Offset+p.Size-10] ^= 1
			old := p.SHA256
			f[table] = bytes.Replace(f[table], []byte(old.String()), []byte(protocol.HashOf(f[film][p.Offset:p.Offset+p.Size]).String()), 1)
		}, "Integrity", "segment r-1 3"},
		{"swapped segments", func(f map[string][]byte) {
			lines, _ := parseSegments(f[table])
			a, b := lines[0], lines[1]
			swapped := append(bytes.Clone(f[film][:a.Offset]), f[film][b.Offset:b.Offset+b.Size]...)
			swapped = append(append(swapped, f[film][a.Offset:a.Offset+a.Size]...), f[film][b.Offset+b.Size:]...)
			f[film] = swapped
		}, "Integrity", "segment r-1 1"},
		{"last segment cut off, gap widened over it", func(f map[string][]byte) {
			drop(f, func(n int) bool { return n < 4 })
			f[gaps] = bytes.Replace(f[gaps], []byte("02:00:10.000Z"), []byte("02:00:08.000Z"), 1)
		}, "Integrity", "entry 5"},
		{"first segment cut off", func(f map[string][]byte) { drop(f, func(n int) bool { return n > 1 }) }, "Integrity", gaps},
		{"segment from the middle cut out", func(f map[string][]byte) { drop(f, func(n int) bool { return n != 3 }) }, "Integrity", "segment r-1 4"},
		{"the times of a segment moved", func(f map[string][]byte) {
			f[table] = bytes.Replace(f[table], []byte("02:00:10.000Z"), []byte("02:00:11.000Z"), 1)
		}, "Integrity", "segment r-1 4"},
		{"edit list moved", func(f map[string][]byte) { i := bytes.Index(f[film], []byte("elst")); f[film][i+27] ^= 1 }, "Integrity", film + ", byte"},
		{"init replaced", func(f map[string][]byte) {
			i := bytes.Index(f["data/plein-noord/r-1/init.mp4"], []byte("avcC"))
			f["data/plein-noord/r-1/init.mp4"][i+12] ^= 1
		}, "Integrity", "init.mp4"},
		{"bytes behind the last segment", func(f map[string][]byte) { f[film] = append(f[film], "free"...) }, "Integrity", film},
		{"film removed", func(f map[string][]byte) { delete(f, film) }, "Integrity", film},
		{"film renamed", func(f map[string][]byte) {
			f["data/plein-noord/r-1/20261121T030002.000Z.mp4"] = f[film]
			f[table] = bytes.ReplaceAll(f[table], []byte("20261121T020002"), []byte("20261121T030002"))
			delete(f, film)
		}, "Integrity", "20261121T030002"},
		{"film put in twice", func(f map[string][]byte) { f["data/plein-noord/r-1/20261121T030002.000Z.mp4"] = f[film] }, "Integrity", "20261121T030002"},
		{"file added", func(f map[string][]byte) { f["data/plein-noord/note.txt"] = []byte("hallo") }, "Integrity", "note.txt"},
		{"program added", func(f map[string][]byte) { f["play.exe"] = []byte("MZ") }, "Integrity", "play.exe"},
		{"hidden file added", func(f map[string][]byte) { f["orders/.htaccess"] = nil }, "Integrity", ".htaccess"},
		{"gap invented over a gap", func(f map[string][]byte) {
			f[gaps] = bytes.Replace(f[gaps], []byte("network"), []byte("mandate"), 1)
		}, "Integrity", gaps},
		{"gap left out", func(f map[string][]byte) { f[gaps] = []byte(gapColumns + "\n") }, "Integrity", gaps},
		{"gaps file removed", func(f map[string][]byte) { delete(f, gaps) }, "Integrity", gaps},
		{"all footage removed", func(f map[string][]byte) {
			for name := range f {
				if strings.HasPrefix(name, "data/plein-noord/r-1") {
					delete(f, name)
				}
			}
		}, "Integrity", "entry 7"},
		{"entry's body rewritten", func(f map[string][]byte) {
			f["proof/3.body"] = bytes.Replace(f["proof/3.body"], []byte(`"count":4`), []byte(`"count":5`), 1)
		}, "Integrity", "proof/3.body, entry 3"},
		{"entry of another log", func(f map[string][]byte) {
			for _, part := range []string{"header", "body", "tlog-proof"} {
				f["proof/3."+part] = theirs["proof/3."+part]
			}
		}, "Integrity", "entry 3"},
		{"minute's entry removed", func(f map[string][]byte) {
			for _, part := range []string{"header", "body", "tlog-proof"} {
				delete(f, "proof/4."+part)
			}
		}, "Integrity", "segment r-1 2"},
		{"proof under another number", func(f map[string][]byte) {
			for _, part := range []string{"header", "body", "tlog-proof"} {
				f["proof/77."+part] = f["proof/4."+part]
			}
		}, "Integrity", "entry 77"},
		{"proof with another checkpoint in it", func(f map[string][]byte) {
			f["proof/4.tlog-proof"] = bytes.Replace(f["proof/4.tlog-proof"], f[fileCheckpoint], theirs[fileCheckpoint], 1)
		}, "Integrity", "proof/4.tlog-proof, entry 4"},
		{"checkpoint of another log", func(f map[string][]byte) { f[fileCheckpoint] = theirs[fileCheckpoint] }, "Integrity", "entry 3"},
		{"grant of another request", func(f map[string][]byte) { f[fileGrant] = theirs[fileGrant] }, "Authorisation", "proof/"},
		{"intent of another request", func(f map[string][]byte) {
			f[fileGrant], f[fileInfo] = theirs[fileGrant], theirs[fileInfo]
		}, "Authorisation", "entry 9"},
		{"grant widened", func(f map[string][]byte) { f[fileGrant] = bytes.Replace(f[fileGrant], []byte("p-1"), []byte("p-7"), 1) }, "Authorisation", "orders/grant.txt"},
		{"signature taken off", func(f map[string][]byte) {
			i := bytes.LastIndex(f[fileGrant], []byte("— "))
			f[fileGrant] = f[fileGrant][:i]
		}, "Authorisation", "orders/grant.txt"},
		{"grant removed", func(f map[string][]byte) { delete(f, fileGrant) }, "Authorisation", "orders/grant.txt"},
		{"roster changed", func(f map[string][]byte) {
			f[fileRoster] = bytes.Replace(f[fileRoster], []byte("level-centre refused"), []byte("level-centre allowed"), 1)
		}, "Authorisation", "orders/roster.txt"},
		{"roster removed", func(f map[string][]byte) { delete(f, fileRoster) }, "Authorisation", "orders/roster.txt"},
		{"another mandate", func(f map[string][]byte) {
			f["orders/mandate-3.txt"] = bytes.Replace(f["orders/mandate-3.txt"], []byte("WPG"), []byte("AVG"), 1)
		}, "Authorisation", "orders/mandate-3.txt"},
		{"cosignature taken off", func(f map[string][]byte) {
			i := bytes.LastIndex(f[fileCheckpoint], []byte("— "))
			old := bytes.Clone(f[fileCheckpoint])
			f[fileCheckpoint] = f[fileCheckpoint][:i]
			for name := range f {
				f[name] = bytes.Replace(f[name], old, f[fileCheckpoint], 1)
			}
		}, "Time", "proof/checkpoint"},
		{"bag-info changed", func(f map[string][]byte) {
			f[fileInfo] = bytes.Replace(f[fileInfo], []byte("Bag-Group-Identifier: z-12"), []byte("Bag-Group-Identifier: z-13"), 1)
		}, "Integrity", "bag-info.txt"},
		{"not BagIt", func(f map[string][]byte) { f[fileBagIt] = []byte("BagIt-Version: 0.97\n") }, "Integrity", "bagit.txt"},
	} {
		forged := forge(t, bag, c.change)
		r := honest.verify(forged)
		i := slices.IndexFunc(r.Verdicts(), func(v Named) bool { return v.Name.EN == c.in })
		v := r.Verdicts()[i]
		if v.State == OK || !slices.ContainsFunc(v.Findings, func(f Finding) bool { return strings.Contains(f.Where(), c.where) }) {
			t.Errorf("%s: want %s not ok, at %s\n%s", c.name, c.in, c.where, told(r))
		}
		if r.State() == OK || (v.State == NotShown && !slices.Contains([]string{"gap invented over a gap", "another mandate", "roster removed"}, c.name)) {
			t.Errorf("%s: %s is %s\n%s", c.name, c.in, v.State, told(r))
		}
	}
	if r := honest.verify(forge(t, bag, func(map[string][]byte) {})); r.State() != OK {
		t.Errorf("a bag that is only packed anew, in its one form:\n%s", told(r))
	}
}

// What the recorder or the centre itself did wrong shows in the verdict it belongs to.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name  string
		bend  func(s *scene)
		in    string
		state State
		says  string
	}{
		{"forged roster, everything else in order", func(s *scene) { s.roots = newScene(s.t).roots }, "Authorisation", Failed, "needs 2"},
		{"level centre, allowed, with envelope", func(s *scene) { s.signed, s.roster.LevelCentre, s.envelope = false, true, true }, "Authorisation", OK, "does not withstand a hostile centre"},
		{"level centre, no envelope", func(s *scene) { s.signed, s.roster.LevelCentre = false, true }, "Authorisation", NotShown, "centre's signature is not in the bag"},
		{"level centre, refused", func(s *scene) { s.signed = false; s.envelope = true }, "Authorisation", Failed, "has not signed"},
		{"self-witnessed", func(s *scene) { s.roster.Witnesses[0] = s.newWitness("witness.helmond/beeldwacht") }, "Time", OK, "self-witnessed"},
		{"nobody cosigned", func(s *scene) { s.witness = nil }, "Time", Failed, "0 witnesses"},
		{"a stranger cosigned", func(s *scene) { s.newWitness("witness.eindhoven/beeldwacht") }, "Time", Failed, "0 witnesses"},
		{"sealed before it was filmed", func(s *scene) {
			s.sealedAt, s.gaps = func(int) protocol.Time { return at(10 * time.Second) }, nil
			s.lines[4].End, s.grant.Interval.To = at(3*time.Minute), t0.Add(3*time.Minute)
		}, "Time", Failed, "was journalled at"},
		{"sealed an hour late", func(s *scene) { s.sealedAt = func(m int) protocol.Time { return at(time.Hour) } }, "Time", NotShown, "only the recorder's word"},
		{"witness's clock before the recorder's", func(s *scene) { s.cosignAt = t0.Add(time.Hour) }, "Time", Failed, "apart"},
		{"camera of the other regime", func(s *scene) { s.mandate.Regime = protocol.AVG }, "Authorisation", Failed, "regime"},
		{"intent for another interval", func(s *scene) {
			s.intent = func(a *protocol.Access) { a.Interval = protocol.Span(t0, t0.Add(time.Minute)) }
		}, "Authorisation", Failed, "something else"},
		{"intent for another person", func(s *scene) { s.intent = func(a *protocol.Access) { a.Person = "p-8" } }, "Authorisation", Failed, "something else"},
		{"intent of another grant", func(s *scene) { s.intent = func(a *protocol.Access) { a.Document = protocol.HashOf(nil) } }, "Authorisation", Failed, "another grant"},
		{"released before the grant began", func(s *scene) { s.intentAt = at(40 * time.Minute) }, "Authorisation", Failed, "not in force"},
		{"roster out of term", func(s *scene) { s.roster.NotAfter = at(time.Hour) }, "Authorisation", Failed, "not in force"},
		{"grant of another recorder", func(s *scene) { s.grant.Recorder = "rec-2" }, "Authorisation", Failed, "rec-2"},
		{"recorder released less than it held", func(s *scene) { s.hold = func(h *protocol.HoldPlaced) { h.Segments++ } }, "Integrity", Failed, "not the same"},
		{"cause of a gap not proven", func(s *scene) { s.noProof = true }, "Integrity", NotShown, "not in the bag"},
		{"nothing says why there is nothing", func(s *scene) { s.gaps = nil }, "Integrity", Failed, "nothing says why"},
		{"released a segment too few", func(s *scene) { s.released = []int{1, 2, 3} }, "Integrity", Failed, "here are 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			c.bend(s)
			var bag bytes.Buffer
			if c.name == "level centre, refused" {
				s.roster.LevelCentre = true // the recorder's own roster; the bag gets another
				s.must2(s.write(&bag))
				s.roster.LevelCentre = false
				strict := s.sign(s.roster, s.rootKeys...)
				bag = *bytes.NewBuffer(forge(t, bag.Bytes(), func(f map[string][]byte) { f[fileRoster] = strict }))
			} else {
				s.must2(s.write(&bag))
			}
			r := s.verify(bag.Bytes())
			v := r.Verdicts()[slices.IndexFunc(r.Verdicts(), func(v Named) bool { return v.Name.EN == c.in })]
			if v.State != c.state || !strings.Contains(told(r), c.says) {
				t.Errorf("%s is %s, want %s and %q\n%s", c.in, v.State, c.state, c.says, told(r))
			}
		})
	}
}

func (s *scene) must2(_ BagInfo, err error) {
	s.t.Helper()
	s.must(err)
}

// One root is not enough, and a root counts once.
func TestTwoOfThreeRoots(t *testing.T) {
	s := newScene(t)
	bag := s.bag()
	for _, roots := range []protocol.Roots{{s.roots[0], s.roots[1]}, {s.roots[1], s.roots[2]}, {s.roots[0], s.roots[0]}} {
		r, err := Verify(bytes.NewReader(bag), int64(len(bag)), Trust{Roots: roots}, nil)
		if err != nil || r.Authorisation.State != Failed || r.Integrity.State != NotShown || r.Time.State != NotShown {
			t.Errorf("roots %v: %v\n%s", roots, err, told(r))
		}
	}
	if _, err := Verify(bytes.NewReader(bag), int64(len(bag)), Trust{}, nil); err == nil {
		t.Error("a bag was judged without any root")
	}
}

// zipOf writes a zip with somebody else's program.
func zipOf(t *testing.T, add func(w *zip.Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	add(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestZipTricks(t *testing.T) {
	s := newScene(t)
	bag := s.bag()
	raw := func(names ...string) []byte {
		var out bytes.Buffer
		z := zipWriter{w: &out, stamp: dosTime(t0)}
		for _, n := range names {
			z.begin(n)
			z.Write([]byte("x"))
			z.end()
		}
		z.close()
		return out.Bytes()
	}
	entries := func(change func(h *zip.FileHeader)) []byte {
		return zipOf(t, func(w *zip.Writer) {
			zr, err := zip.NewReader(bytes.NewReader(bag), int64(len(bag)))
			s.must(err)
			for _, f := range zr.File {
				h := &zip.FileHeader{Name: f.Name, Method: zip.Store}
				change(h)
				out, err := w.CreateHeader(h)
				s.must(err)
				in, err := f.Open()
				s.must(err)
				_, err = io.Copy(out, in)
				s.must(err)
			}
		})
	}
	bomb := func() []byte {
		b := bytes.Clone(bag)
		i := bytes.Index(b, binary.LittleEndian.AppendUint32(nil, 0x02014b50))
		binary.LittleEndian.PutUint32(b[i+20:], 0xfffffff0)
		binary.LittleEndian.PutUint32(b[i+24:], 0xfffffff0)
		return b
	}
	for name, b := range map[string][]byte{
		"duplicate name":    raw("g-41/bagit.txt", "g-41/orders/grant.txt", "g-41/orders/grant.txt"),
		"climbs out":        raw("g-41/bagit.txt", "g-41/../../etc/passwd"),
		"absolute":          raw("/etc/passwd"),
		"backslashes":       raw("g-41/bagit.txt", `g-41\..\x.txt`),
		"second folder":     raw("g-41/bagit.txt", "g-42/bagit.txt"),
		"no folder":         raw("bagit.txt"),
		"folder only":       raw("g-41/"),
		"hidden upper":      raw("../g-41/bagit.txt"),
		"symlink":           entries(func(h *zip.FileHeader) { h.SetMode(0o777 | 1<<27) }),
		"compressed":        entries(func(h *zip.FileHeader) { h.Method = zip.Deflate }),
		"comment":           entries(func(h *zip.FileHeader) { h.Comment = "hoi" }),
		"bomb size":         bomb(),
		"something before":  append([]byte("MZ"), bag...),
		"something behind":  append(bytes.Clone(bag), "hoi"...),
		"empty zip":         zipOf(t, func(*zip.Writer) {}),
		"not a zip":         []byte("PK\x03\x04 nee"),
		"nothing":           nil,
		"two bags in a row": append(bytes.Clone(bag), bag...),
	} {
		r := s.verify(b)
		if r.Integrity.State != Failed || len(r.Integrity.Findings) == 0 || r.Integrity.Findings[0].File == "" {
			t.Errorf("%s: not found\n%s", name, told(r))
		}
		if r.State() != Failed {
			t.Errorf("%s: %s", name, r.State())
		}
	}
}

// The same name twice: one program would unpack the first, another the last. It is found in an otherwise sound bag.
func TestDuplicateName(t *testing.T) {
	s := newScene(t)
	bag := s.bag()
	c := openContainer(bytes.NewReader(bag), int64(len(bag)), &Verdict{})
	var out bytes.Buffer
	z := zipWriter{w: &out, stamp: dosTime(t0)}
	for _, m := range append(slices.Clone(c.members), c.byName[fileGrant]) {
		z.begin("g-41/" + m.name)
		z.Write(c.content(m.name, 1<<30, &Verdict{}))
		z.end()
	}
	s.must(z.close())
	if r := s.verify(out.Bytes()); r.Integrity.State != Failed || len(r.Integrity.Findings) != 1 || r.Integrity.Findings[0].File != fileGrant || !strings.Contains(told(r), "twice") {
		t.Errorf("report\n%s", told(r))
	}
}

// A release of a time without any footage is a bag too: it proves why there is nothing.
func TestBagWithoutFootage(t *testing.T) {
	s := newScene(t)
	s.grant.Asked = protocol.Span(t0.Add(11*time.Second), t0.Add(13*time.Second))
	s.grant.Interval = s.grant.Asked
	s.released = nil
	if r := s.verify(s.bag()); r.State() != OK || r.Segments != 0 {
		t.Errorf("report\n%s", told(r))
	}
}

// What was destroyed at the end of its window before anybody asked is missing for a reason, and the journal says so.
func TestExpiredFootageIsAccountedFor(t *testing.T) {
	s := newScene(t)
	s.expired, s.released = []int{1, 2}, []int{3, 4}
	r := s.verify(s.bag())
	if r.State() != OK || !strings.Contains(told(r), "The footage from 2026-11-21T02:00:02.000Z to 2026-11-21T02:00:06.000Z was destroyed before anybody asked to keep it (journal entry 7)") {
		t.Errorf("report\n%s", told(r))
	}
}

// Asked from before there can have been footage: the recorder's first entry, or the camera's first mandate, says why there is none. A mandate that may have
// followed another proves nothing, and neither says anything against footage from before it.
func TestBeforeAnythingWasRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(*scene)
		want State
		says string
	}{
		"recorder began":     {func(s *scene) { s.first, s.opened = true, at(0) }, OK, "Before 2026-11-21T02:00:00.000Z there is no footage: that is when this recorder began (journal entry 0)"},
		"first mandate":      {func(s *scene) { s.mandate.Version, s.mandate.NotBefore = 1, at(0) }, OK, "Before 2026-11-21T02:00:00.000Z there is no footage: that is when this camera's first mandate began"},
		"a later mandate":    {func(s *scene) { s.mandate.NotBefore = at(0) }, Failed, "nothing says why"},
		"too late":           {func(s *scene) { s.first, s.opened = true, at(8*time.Second) }, Failed, "nothing says why"},
		"not from the start": {func(s *scene) { s.first, s.opened = true, at(-20*time.Second) }, Failed, "From 2026-11-21T01:59:40.000Z to 2026-11-21T02:00:00.000Z there is no footage (stream main) and nothing says why"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.grant.Asked.From = t0.Add(-time.Minute)
			s.grant.Interval.From = s.grant.Asked.From
			s.released = []int{0, 1, 2, 3, 4}
			s.hold = func(h *protocol.HoldPlaced) { h.Asked.From = t0.Add(3 * time.Second) }
			c.bend(s)
			r := s.verify(s.bag())
			if r.State() != c.want || !strings.Contains(told(r), c.says) {
				t.Errorf("want %s, %q\n%s", c.want, c.says, told(r))
			}
		})
	}
}

// A hole within a run makes a second film, with an edit list of its own.
func TestHoleWithinRun(t *testing.T) {
	s := newScene(t)
	s.released = []int{1, 3, 4}
	r := s.verify(s.bag())
	if r.Integrity.State != Failed || !strings.Contains(told(r), "From 2026-11-21T02:00:04.000Z to 2026-11-21T02:00:06.000Z there is no footage (stream main) and nothing says why") {
		t.Errorf("the hole is not named\n%s", told(r))
	}
	for _, f := range r.Integrity.Findings {
		if f.Segment != "" {
			t.Errorf("a sound segment is called wrong: %s %s", f.Where(), f.EN)
		}
	}
}

type failing struct{ io.ReaderAt }

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at < 5000 && at+int64(len(p)) > 4000 {
		return 0, fmt.Errorf("input/output error")
	}
	return f.ReaderAt.ReadAt(p, at)
}

// A disk that fails is not evidence against the bag.
func TestUnreadableIsNotWrong(t *testing.T) {
	s := newScene(t)
	bag := s.bag()
	if _, err := Verify(failing{bytes.NewReader(bag)}, int64(len(bag)), Trust{Roots: s.roots}, nil); err == nil || !strings.Contains(err.Error(), "input/output") {
		t.Errorf("error %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	s := newScene(f)
	bag := s.bag()
	f.Add(bag)
	f.Add(bag[:len(bag)/2])
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Verify(bytes.NewReader(b), int64(len(b)), Trust{Roots: s.roots}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.State() == OK && !bytes.Equal(b, bag) {
			t.Fatal("another bag than the one made is in order")
		}
	})
}

func FuzzSegments(f *testing.F) {
	h := protocol.HashOf(nil).String()
	f.Add([]byte(segmentColumns + "\nx.mp4\t100\t3\t1\t4\t" + h + "," + h + "\tplein-noord\tmain\tr-1\t1\t2026-11-21T02:00:02.000Z\t2026-11-21T02:00:04.000Z\t10\t" + h + "\t" + h + "\n"))
	f.Add([]byte(segmentColumns + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := parseSegments(b)
		if err != nil {
			return
		}
		text := segmentColumns + "\n"
		for _, p := range lines {
			text += p.String() + "\n"
			if _, err := rootOf(p.Segment); err == nil && (p.Index >= p.Count || len(p.Path) > 63) {
				t.Fatalf("a root for place %d of %d with %d hashes", p.Index, p.Count, len(p.Path))
			}
		}
		if text != string(b) {
			t.Fatal("read what would not be written")
		}
	})
}

func FuzzInit(f *testing.F) {
	init, segments := clip(f, "reordered.mp4")
	f.Add(init, segments[1])
	var made fmp4.Init
	if err := made.Unmarshal(bytes.NewReader(init)); err != nil {
		f.Fatal(err)
	}
	made.Tracks = append(made.Tracks, &fmp4.InitTrack{ID: 2, TimeScale: 48000, Codec: &codecs.Opus{ChannelCount: 1}})
	var both seekablebuffer.Buffer
	if err := made.Marshal(&both); err != nil {
		f.Fatal(err)
	}
	f.Add(both.Bytes(), segments[1])
	f.Fuzz(func(t *testing.T, init, first []byte) {
		out, err := initAt(init, first)
		if err != nil {
			return
		}
		tracks, err := tracksOf(init)
		if err != nil || len(out) != len(init)+44*len(tracks) {
			t.Fatalf("%d bytes and %d tracks became %d: %v", len(init), len(tracks), len(out), err)
		}
		if again, err := tracksOf(out); err != nil || len(again) != len(tracks) {
			t.Fatalf("the copy has %d tracks of %d: %v", len(again), len(tracks), err)
		}
	})
}

// sparse is a file that is zero except where something was written.
type sparse struct {
	parts map[int64][]byte
	size  int64
}

func (s *sparse) put(b []byte) { s.parts[s.size] = b; s.size += int64(len(b)) }

func (s *sparse) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	for start, b := range s.parts {
		if from, to := max(start, at), min(start+int64(len(b)), at+int64(len(p))); from < to {
			copy(p[from-at:to-at], b[from-start:to-start])
		}
	}
	if n := s.size - at; n < int64(len(p)) {
		return int(max(n, 0)), io.EOF
	}
	return len(p), nil
}

// A film of more than 4 GiB needs zip64; the rest of the bag then lies beyond 4 GiB too.
func TestLargeBag(t *testing.T) {
	s := &sparse{parts: map[int64][]byte{}}
	var entries []zipEntry
	for _, e := range []zipEntry{{Name: "g-41/bagit.txt", Size: 54}, {Name: "g-41/" + film, Size: 5 << 30, CRC: 7}, {Name: "g-41/LEESMIJ.html", Size: 100}} {
		e.Offset = uint64(s.size)
		entries = append(entries, e)
		s.put(e.local(9))
		s.size += int64(e.Size)
		s.put(e.trailer())
	}
	start := s.size
	for _, e := range entries {
		s.put(e.central(9))
	}
	s.put(zipEnd(len(entries), uint64(start), uint64(s.size-start)))
	var v Verdict
	c := openContainer(s, s.size, &v)
	if c == nil || len(v.Findings) != 0 || c.byName[film].size != 5<<30 {
		t.Fatalf("verdict %+v", v)
	}
	zr, err := zip.NewReader(s, s.size)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range zr.File {
		offset, err := f.DataOffset()
		if want := int64(entries[i].Offset) + 30 + int64(len(f.Name)); err != nil || offset != want || f.UncompressedSize64 != entries[i].Size {
			t.Errorf("%s: at %d, %d bytes, %v; want %d, %d", f.Name, offset, f.UncompressedSize64, err, want, entries[i].Size)
		}
	}
}

// The small tables of a bag have one written form each: what is read is written again to the byte.
func FuzzTables(f *testing.F) {
	f.Add([]byte(gapColumns + "\nplein\tmain\t2026-11-21T02:00:00.000Z\t-\tnetwork\t-\n"))
	f.Add([]byte("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff  data/x\n"))
	f.Add([]byte(info{Made: at(0), Software: "x", Municipality: "helmond", Recorder: "rec-1", Camera: "plein", Request: "z-1", Grant: "g-1", Interval: protocol.Span(t0, t0.Add(time.Second))}.String()))
	f.Fuzz(func(t *testing.T, text []byte) {
		if gaps, err := parseGaps(text); err == nil {
			again := gapColumns + "\n"
			for _, g := range gaps {
				again += gapLine(g) + "\n"
			}
			if again != string(text) {
				t.Errorf("gaps: read %q, wrote %q", text, again)
			}
		}
		if i, err := parseInfo(text); err == nil && i.String() != string(text) {
			t.Errorf("bag-info: read %q, wrote %q", text, i)
		}
		if files, err := parseManifest(text); err == nil && len(files) != strings.Count(string(text), "\n") {
			t.Errorf("manifest: %d files of %q", len(files), text)
		}
	})
}
