package chain_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

func FuzzParseHeader(f *testing.F) {
	good := newFixture(f, 1).entries[0].Header
	f.Add(good)
	for _, other := range []string{"2024-02-29T23:59:59.999Z", "2100-02-29T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "2026-11-31T00:00:00.000Z", "2026-11-21T24:00:00.000Z", "9999-12-31T23:59:60.000Z"} {
		f.Add(bytes.Replace(good, []byte("2026-11-21T02:00:00.000Z"), []byte(other), 1))
	}
	for _, other := range []string{"9007199254740991", "9007199254740992", "00", "18446744073709551616"} {
		f.Add(bytes.Replace(good, []byte(`"seq":0`), []byte(`"seq":`+other), 1))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		// The quick reader knows every header there is, as the JSON reader does.
		quick, ok := chain.QuickHeader(line)
		slow, err := chain.ReadHeader(line)
		if len(line) <= chain.MaxHeader && (ok != (err == nil) || ok && quick != slow) {
			t.Errorf("quick %v %+v, slow %v %+v", ok, quick, err, slow)
		}
		if _, err := chain.ParseHeader(line); err == nil && bytes.ContainsAny(line, "\r\n ") {
			t.Error("accepted a header with white space")
		}
	})
}

func FuzzCheckBody(f *testing.F) {
	f.Add(newFixture(f, 1).entries[0].Body)
	for _, facts := range []string{`"a":[1,-2,{"b":null,"c":[]}],"d":{},"e":"é\\n"}`, `"a":{"b":1,"b":2}}`, `"a":[{"b":1},{"b":1}],"b":true}`, `"a":-0}`, `"a":9007199254740993}`, `"a":01}`, `"\u0061":1,"a":2}`,
		`"a" :1}`, `"a":[1,]}`, `"a":1}}`, `"a":tru}`, `"a":{,"b":1}}`, `"a":[,1]}`, `"a":"` + "\xff" + `"}`, `"a":"` + "\x1f" + `"}`, `"a/\/":"\"}`} {
		f.Add([]byte(`{"salt":"00112233445566778899aabbccddeeff",` + facts))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		// The quick reader says yes to nothing that the JSON reader refuses; what it does not know, that one reads.
		quick, slow := chain.CheckBody(line), chain.ReadBody(line)
		if len(line) <= chain.MaxBody && fmt.Sprint(quick) != fmt.Sprint(slow) {
			t.Errorf("quick %v, slow %v", quick, slow)
		}
		var v map[string]any
		if chain.CheckBody(line) == nil && chain.ParseBody(line, &v) != nil {
			t.Error("a good body cannot be parsed")
		}
	})
}

// Bodies that are held against one before them are found sound as if each were alone.
func FuzzShapes(f *testing.F) {
	bodies := []string{`}`, `"a":1}`, `"a":-1}`, `"a":"b"}`, `"a":"é\\n","b":[1,2,{"c":"d"}]}`, `"a":"e","b":[10,2,{"c":""}]}`, `"a":"e","b":[01,2,{"c":""}]}`, `"a":"e","a":[1,2,{"c":""}]}`, `"a":"e","b":[1,2,{"c":""}]}}`,
		`"a":"e","b":[1,2,{"c":""},3]}`, `"a":true,"b":null}`, `"a":null,"b":null}`, `"a":9007199254740993}`, `"a":""}x`, `"a":"` + "\xff" + `"}`}
	for i, first := range bodies {
		for _, second := range bodies[i:] {
			f.Add([]byte(`{"salt":"00112233445566778899aabbccddeeff",`+first), []byte(`{"salt":"00112233445566778899aabbccddeefe",`+second))
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		seen := chain.Shapes{}
		alike(t, seen, first, second, first, second)
		for i := range min(len(first), len(second)) {
			between := bytes.Clone(first)
			between[i] = second[i]
			alike(t, seen, first, between)
		}
	})
}

// So they are where they differ in any one byte.
func TestABodyIsHeldAgainstOneBeforeIt(t *testing.T) {
	for _, facts := range []string{`"camera":"plein-noord","count":10,"first":"2026-11-21T02:00:00.000Z","of":[-5,"é\\n",{"b":"\"\\"}],"done":true,"none":0}`, `"a":1}`, `}`} {
		body := []byte(`{"salt":"00112233445566778899aabbccddeeff",` + facts)
		if facts == "}" {
			body = []byte(`{"salt":"00112233445566778899aabbccddeeff"}`)
		}
		must(t, chain.CheckBody(body))
		for i := range body {
			for _, c := range []byte("\"\\\x00\x1f\x7f\x80\xc3\xffn0aA-,:{} !#[]") {
				other := bytes.Clone(body)
				other[i] = c
				alike(t, chain.Shapes{}, body, other)
			}
		}
	}
}

func alike(t *testing.T, seen chain.Shapes, bodies ...[]byte) {
	t.Helper()
	for _, body := range bodies {
		if err := chain.ReadBody(body); seen.Sound([]byte("a.kind"), body) != (err == nil) {
			t.Errorf("%q after %q: alone %v", body, bodies[0], err)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(chain.Checkpoint{Origin: origin, Size: 5}.String())
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := chain.ParseCheckpoint(text); err == nil && c.String() != text {
			t.Error("a checkpoint has two spellings")
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	x := newFixture(f, 3)
	signed := x.checkpoint(f, 3)
	f.Add(signed)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _, err := chain.OpenCheckpoint(b, origin, x.log, x.verifier.Witnesses...)
		if err == nil && (c.Size != 3 || c.Root != x.head.Root()) {
			t.Error("forged a checkpoint")
		}
		if err == nil {
			if _, err := chain.Cosign(b, x.witnesses[0], start); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzParseProof(f *testing.F) {
	x := newFixture(f, 5)
	p, err := chain.NewProof(2, 5, x.checkpoint(f, 5), x.hashes)
	must(f, err)
	f.Add(chain.MarshalProof(p))
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, _, _, err := chain.VerifyProof(file, x.entries[3].Header, x.verifier); err == nil {
			t.Error("forged a proof")
		}
	})
}

func FuzzReader(f *testing.F) {
	x := newFixture(f, 3)
	x.entries[1].Body = nil
	f.Add(stream(f, x.entries, x.checkpoint(f, 3)))
	f.Add([]byte("a\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := chain.NewReader(bytes.NewReader(b))
		var back bytes.Buffer
		faults := 0
		for n := 0; ; n++ {
			if n > len(b) {
				t.Fatal("the reader does not end")
			}
			e, err := r.Next()
			var fault *chain.Fault
			if errors.As(err, &fault) {
				faults++
			} else if err != nil {
				break
			} else if err := chain.WriteEntry(&back, e); err != nil {
				t.Fatal(err)
			}
		}
		for _, signed := range r.Checkpoints() {
			must(t, chain.WriteCheckpoint(&back, signed))
		}
		if faults == 0 && len(b) < chain.MaxCheckpoint && !bytes.Equal(back.Bytes(), b) {
			t.Errorf("read %q, wrote %q", b, back.Bytes())
		}
	})
}

// Nothing but the very entries that were sealed passes for a log under a cosigned checkpoint.
func FuzzVerify(f *testing.F) {
	x := newFixture(f, 3)
	sound := stream(f, x.entries, x.checkpoint(f, 3))
	entries := stream(f, x.entries, nil)
	f.Add(sound)
	f.Add(bytes.Replace(sound, []byte("kind-1"), []byte("kind-9"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := chain.Verify(bytes.NewReader(b), x.verifier)
		if (err != nil) != (d.Fault != nil) && err == nil {
			t.Error("a fault without an error")
		}
		if err == nil && d.Matches && d.Quorum && d.Destroyed == 0 && !bytes.HasPrefix(b, entries) {
			t.Errorf("a forged log was called proven: %q", b)
		}
	})
}

func FuzzParseSubmission(f *testing.F) {
	x := newFixture(f, 5)
	p, err := chain.ConsistencyProof(2, 5, x.hashes)
	must(f, err)
	f.Add(chain.MarshalSubmission(chain.Submission{Old: 2, Proof: p, Note: x.checkpoint(f, 5)}))
	f.Add([]byte("old 0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := chain.ParseSubmission(b); err == nil && !bytes.Equal(chain.MarshalSubmission(s), b) {
			t.Error("a submission has two spellings")
		}
	})
}

// In a log of several blocks: whatever is put in whatever place, verification by blocks says what reading one entry after the other says.
func FuzzBlocks(f *testing.F) {
	x := newFixture(f, 2*256+10)
	sound := stream(f, x.entries, x.checkpoint(f, 2*256+5))
	f.Add(uint32(0), uint16(0), []byte(nil))
	f.Add(uint32(len(sound)/2), uint16(1), []byte("x"))
	f.Add(uint32(len(sound)-900), uint16(100), []byte("\n"))
	f.Fuzz(func(t *testing.T, at uint32, out uint16, in []byte) {
		from := min(int(at), len(sound))
		to := min(from+int(out), len(sound))
		sameVerdict(t, x.verifier, slices.Concat(sound[:from], in, sound[to:]), 1)
	})
}

func FuzzWitnessVerifier(f *testing.F) {
	f.Add(newFixture(f, 0).vkeys[0])
	f.Fuzz(func(t *testing.T, vkey string) {
		if v, err := chain.WitnessVerifier(vkey); err == nil && (v.Name() == "" || strings.Contains(v.Name(), "+")) {
			t.Errorf("a witness named %q", v.Name())
		}
	})
}
