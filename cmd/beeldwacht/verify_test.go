package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"beeldwacht": main})
}

// The scripts in testdata/verify hold what the tool says and how it exits. They find in their folder: a sound bag (bag.zip), one that does not prove all
// (bag-late.zip), their keys (roots.txt), the
// roots of another municipality (other.txt), a log of twelve entries of which ten are cosigned (tail.log), of ten (whole.log), the journal folder it comes
// from (journal/), its keys (keys.txt), the same of a recorder whose footage went (aged.log, aged.txt), the first with the centre as only witness (self.log, self.txt), and what made makes.
func TestVerifyScripts(t *testing.T) { runScripts(t, "testdata/verify") }

// R32 (N:385–387): the privacy officer examines on site. The script is what is at hand at a recorder's cabinet, without the centre.
func TestR32_VerifyAtTheCabinetWithoutTheCentre(t *testing.T) { runScripts(t, "testdata/cabinet") }

func runScripts(t *testing.T, dir string) {
	files := made(t)
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), content, 0o644); err != nil {
					return err
				}
			}
			return layOut(env)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"replace": replaceCommand, // replace FILE OLD NEW
			"flip":    flipCommand,    // flip FILE TEXT: the byte behind the first TEXT
			"cut":     cutCommand,     // cut FILE N: takes off the last N bytes
			"code":    codeCommand,    // code N COMMAND…: runs it and wants this exit code
		},
	})
}

func layOut(env *testscript.Env) error {
	for from, to := range map[string]string{"bag.zip": "bag.zip", "bag-late.zip": "bag-late.zip", "keys.txt": "roots.txt"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "protocol", "evidence", "testdata", from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(env.WorkDir, to), b, 0o644); err != nil {
			return err
		}
	}
	var other string
	for i := range 3 {
		_, vkey, err := protocol.NewKey(fmt.Sprintf("root-%d", i+1))
		if err != nil {
			return err
		}
		other += "root " + vkey + "\n"
	}
	if err := os.WriteFile(filepath.Join(env.WorkDir, "other.txt"), []byte(other), 0o644); err != nil {
		return err
	}
	if err := layOutLog(env.WorkDir, "witness.eindhoven/beeldwacht", "journal", "whole.log", "tail.log", "keys.txt", time.Second, incidents); err != nil {
		return err
	}
	if err := layOutLog(env.WorkDir, "witness.eindhoven/beeldwacht", "aged", "aged.log", "aged-tail.log", "aged.txt", 6*time.Hour, destructions); err != nil {
		return err
	}
	return layOutLog(env.WorkDir, "witness.helmond/beeldwacht", "self", "self.log", "self-tail.log", "self.txt", time.Second, incidents)
}

func incidents(i int) (kind string, body any) {
	return protocol.KindIncident, protocol.Incident{What: "test", Detail: fmt.Sprintf("entry %d", i)}
}

// destructions: entry 1 is a mandate of an hour, 2 seals three segments of plein, 3 and 4 say that two of them went, each entry is six hours after the one before; 11, which no checkpoint covers, is the third.
func destructions(i int) (kind string, body any) {
	start := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)
	gone := func(n int) (string, any) {
		at := start.Add(time.Duration(n) * time.Minute)
		return protocol.KindExpired, protocol.Expired{Reason: "window", At: protocol.T(at.Add(time.Hour + 12*time.Millisecond)), Segments: []protocol.ExpiredSegment{
			{Camera: "plein", Run: "r-1", N: n, Minute: 2, Start: protocol.T(at), Due: protocol.T(at.Add(time.Hour))}}}
	}
	switch i {
	case 1:
		m := &protocol.Mandate{Heading: protocol.Heading{ID: "m-1", Recorder: "rec-1", NotBefore: protocol.T(start), NotAfter: protocol.T(start.AddDate(1, 0, 0))}, Camera: "plein", Regime: protocol.AVG, Version: 1,
			Streams: []protocol.StreamID{"main"}, Window: protocol.Window(time.Hour), LongestHold: protocol.Window(time.Hour), Sound: "none", Hours: "always", Besluit: "B-12", Protocol: "cameraprotocol 2026"}
		text, err := protocol.Compose(m)
		if err != nil {
			panic(err)
		}
		return protocol.KindOrder, protocol.Order{Number: 1, Kind: "mandate", ID: m.ID, Document: string(text)}
	case 2:
		return protocol.KindSealed, protocol.Sealed{Count: 3, Cameras: []protocol.SealedCamera{{Camera: "plein", Count: 3, First: protocol.T(start), Last: protocol.T(start.Add(3 * time.Minute)), Oldest: protocol.T(start)}}}
	case 3, 4:
		return gone(i - 3)
	case 11:
		return gone(2)
	}
	return incidents(i)
}

// layOutLog lets a real journal write itself.
func layOutLog(dir, witnessName, folder, whole, tail, keysFile string, step time.Duration, entry func(i int) (kind string, body any)) error {
	skey, vkey, err := protocol.NewKey("rec-1.helmond/beeldwacht")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	wkey, _, err := protocol.NewKey(witnessName)
	if err != nil {
		return err
	}
	witness, witnessKey, err := chain.NewWitness(wkey)
	if err != nil {
		return err
	}
	verifier, err := chain.WitnessVerifier(witnessKey)
	if err != nil {
		return err
	}
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	clock := func() time.Time { now = now.Add(step); return now }
	ctx, path := context.Background(), filepath.Join(dir, folder)
	j, err := journal.Open(path, signer.Name(), signer, clock, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return err
	}
	for i := range 12 {
		kind, body := entry(i)
		if _, err := j.Append(ctx, kind, body); err != nil {
			return err
		}
		if i != 9 {
			continue
		}
		signed, err := j.Checkpoint()
		if err != nil {
			return err
		}
		cosigned, err := chain.Cosign(signed, witness, now)
		if err != nil {
			return err
		}
		if err := j.Cosigned(cosigned, []note.Verifier{verifier}, 1); err != nil {
			return err
		}
		if err := export(path, filepath.Join(dir, whole)); err != nil {
			return err
		}
	}
	if err := j.Close(); err != nil {
		return err
	}
	if err := export(path, filepath.Join(dir, tail)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, keysFile), []byte("# made by the test\nlog "+vkey+"\n\nwitness "+witnessKey+"\nquorum 1\n"), 0o644)
}

func export(folder, file string) error {
	log, err := journal.OpenLog(folder)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(log)
	if err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

func replaceCommand(ts *testscript.TestScript, neg bool, args []string) {
	old := ts.ReadFile(args[0])
	if !strings.Contains(old, args[1]) {
		ts.Fatalf("%s: does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(old, args[1], args[2], 1)), 0o644))
}

func flipCommand(ts *testscript.TestScript, neg bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	i := bytes.Index(b, []byte(args[1]))
	if i < 0 {
		ts.Fatalf("%s: does not contain %q", args[0], args[1])
	}
	b[i+len(args[1])] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

func cutCommand(ts *testscript.TestScript, neg bool, args []string) {
	b := ts.ReadFile(args[0])
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b[:len(b)-n]), 0o644))
}

func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		if _, scanErr := fmt.Sscanf(err.Error(), "exit status %d", &code); scanErr != nil {
			ts.Fatalf("%s: %v", args[1], err)
		}
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// Errors in a keys file name the line.
func TestKeysAreStrict(t *testing.T) {
	_, root, err := protocol.NewKey("root-1")
	if err != nil {
		t.Fatal(err)
	}
	skey, _, err := protocol.NewKey("w")
	if err != nil {
		t.Fatal(err)
	}
	_, witness, err := chain.NewWitness(skey)
	if err != nil {
		t.Fatal(err)
	}
	rootTwo, err := protocol.KeyUnder("root-2", root)
	if err != nil {
		t.Fatal(err)
	}
	data := strings.SplitN(witness, "+", 3)[2]
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(append([]byte("w2\n"), raw...))
	witnessTwo := fmt.Sprintf("w2+%x+%s", hash[:4], data)
	for text, want := range map[string]string{
		"root " + root + "\nroot " + root:                "2: this root",
		"\n# hoi\nwortel " + root:                        `3: unknown word "wortel"`,
		"root " + root[:20]:                              "1: verifier key",
		"root":                                           "1: verifier key",
		"log " + root + "\nlog " + root:                  "2: a second log",
		"witness " + root:                                "1: witness key",
		"witness " + witness + "\nwitness " + witness:    "2: this witness",
		"root " + root + "\nroot " + rootTwo:             "2: this root", // one key under two names would count twice
		"witness " + witness + "\nwitness " + witnessTwo: "2: this witness",
		"witness " + witness + "\n\nquorum 2":            "3: quorum 2, but only 1",
		"quorum 0":                                       "1: quorum",
		"quorum een":                                     "1: quorum",
		"quorum 1\nquorum 1":                             "2: a second quorum",
		"origin a\norigin b":                             "2: want one origin",
		"origin":                                         "1: want one origin",
	} {
		if _, err := parseKeys([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	k, err := parseKeys([]byte("\ufeff# keys\r\n  root " + root + "  \r\nwitness " + witness + "\r\n"))
	if err != nil || len(k.roots) != 1 || k.quorum != 1 {
		t.Errorf("keys %+v, %v", k, err)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("root a+1+b\nquorum 3\norigin x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := parseKeys(b); err == nil && k.quorum > len(k.witnesses) {
			t.Fatal("a quorum that cannot be reached")
		}
	})
}

// No proof, header or body that was not made for it passes for an entry.
func FuzzEntry(f *testing.F) {
	signer, vkey := protocoltest.Key(f, "rec-1.helmond/beeldwacht")
	log, err := protocol.NewVerifier(vkey)
	must(f, err)
	var head chain.Head
	var tree chain.Hashes
	var entries []chain.Entry
	for i := range 5 {
		e, err := chain.Seal(&head, protocol.KindIncident, protocol.Incident{Detail: fmt.Sprint(i)}, time.Unix(int64(i), 0))
		must(f, err)
		must(f, tree.Add(head.Size, e.Header))
		must(f, head.Add(e))
		entries = append(entries, e)
	}
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: signer.Name(), Size: head.Size, Root: head.Root()}, signer)
	must(f, err)
	proof, err := chain.NewProof(2, head.Size, signed, tree)
	must(f, err)
	f.Add(chain.MarshalProof(proof), entries[2].Header, entries[2].Body)
	v := &verifier{name: "x", keys: keys{log: log, origin: signer.Name()}}
	f.Fuzz(func(t *testing.T, proof, header, body []byte) {
		r := v.judgeEntry(proof, header, body)
		if r.Integrity.State == evidence.OK && (!bytes.Equal(header, entries[r.Entry].Header) || !bytes.Equal(body, entries[r.Entry].Body)) {
			t.Errorf("forged: %s %s", header, body)
		}
	})
}
