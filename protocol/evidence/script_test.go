package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// verifyPy runs verify.py as whoever has a bag would, and gives what it says and its exit code.
func verifyPy(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	for _, tool := range []string{"/usr/bin/python3", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed; `make packages` installs what the tests need", tool)
		}
	}
	file := filepath.Join(t.TempDir(), "verify.py")
	put(t, file, script)
	cmd := exec.Command("/usr/bin/python3", append([]string{file}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "Traceback") {
		t.Errorf("verify.py falls over:\n%s", out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) keys(t *testing.T) string {
	name, text := filepath.Join(t.TempDir(), "keys.txt"), "# keys\n\n"
	for _, r := range s.roots {
		text += "root " + r + "\n"
	}
	put(t, name, []byte(text))
	return name
}

const (
	integrityFails = "Integriteit / integrity: NIET IN ORDE / FAILED"
	timeUnshown    = "Tijd / time: NIET AANGETOOND / NOT SHOWN"
	authFails      = "Bevoegdheid / authorisation: NIET IN ORDE / FAILED"
)

// Whoever has no tool of ours can still follow the footage to the checkpoint, and every signature, with Python's standard library and openssl.
func TestI11_ScriptAndOpensslAcceptTheBag(t *testing.T) {
	if n := bytes.Count(script, []byte("\n")); n >= 120 {
		t.Errorf("verify.py has %d lines: it must be short enough to read", n)
	}
	s := newScene(t)
	dir, keys := unpack(t, s.bag()), s.keys(t)
	if said, code := verifyPy(t, dir, keys); code != 0 || !strings.Contains(said, "4 segments") || strings.Count(said, ": in orde / ok\n") != 3 {
		t.Errorf("a sound bag, exit code %d:\n%s", code, said)
	}
	if said, code := verifyPy(t, dir); code != 3 || strings.Count(said, ": NIET AANGETOOND / NOT SHOWN\n") != 3 {
		t.Errorf("without root keys, exit code %d:\n%s", code, said)
	}
	if said, code := verifyPy(t, dir, newScene(t).keys(t)); code != 1 || !strings.Contains(said, authFails) {
		t.Errorf("another municipality's root keys, exit code %d:\n%s", code, said)
	}
	for _, args := range [][]string{{t.TempDir(), keys}, {dir, "nowhere.txt"}, {filepath.Join(dir, "proof", "3.tlog-proof"), keys}} {
		if said, code := verifyPy(t, args...); code != 2 {
			t.Errorf("%v, exit code %d:\n%s", args, code, said)
		}
	}
	// Any change at all, in any file.
	if err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(file)) == "proof" && !strings.HasPrefix(d.Name(), "3.") { // the other entries' are like those
			return err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		changed := bytes.Clone(b)
		if len(changed) > 0 {
			changed[len(changed)/3] ^= 1
		}
		put(t, file, changed)
		if said, code := verifyPy(t, dir, keys); len(b) > 0 && (code != 1 || !strings.Contains(said, filepath.Base(file)) && filepath.Base(file) != fileTagManifest) {
			t.Errorf("changed %s, exit code %d:\n%s", file, code, said)
		}
		put(t, file, b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "proof", "3.body")); err != nil {
		t.Fatal(err)
	}
	if said, code := verifyPy(t, dir, keys); code != 1 || !strings.Contains(said, "proof/3.body") {
		t.Errorf("without a body, exit code %d:\n%s", code, said)
	}
}

// The manifests are anybody's to write anew: what the script believes are signatures and hashes under them.
func TestI11_ScriptSeesWhatManifestsDoNot(t *testing.T) {
	s := newScene(t)
	sound, keys := s.bag(), s.keys(t)
	other := newScene(t)
	for name, c := range map[string]struct {
		change func(files map[string][]byte)
		want   string
	}{
		"film": {func(f map[string][]byte) { f["data/plein-noord/r-1/20261121T020002.000Z.mp4"][5000] ^= 1 }, integrityFails},
		"body": {func(f map[string][]byte) {
			f["proof/3.body"] = bytes.Replace(f["proof/3.body"], []byte("count"), []byte("Count"), 1)
		}, integrityFails},
		"header": {func(f map[string][]byte) { f["proof/3.header"][30] ^= 1 }, integrityFails},
		"proof":  {func(f map[string][]byte) { f["proof/3.tlog-proof"][40] ^= 1 }, integrityFails},
		"size": {func(f map[string][]byte) {
			f[fileCheckpoint] = bytes.Replace(f[fileCheckpoint], []byte("\n10\n"), []byte("\n11\n"), 1)
		}, integrityFails},
		"no cosignature": {func(f map[string][]byte) {
			f[fileCheckpoint] = f[fileCheckpoint][:bytes.LastIndex(f[fileCheckpoint], []byte("— "))]
		}, timeUnshown},
		"recorder's key": {func(f map[string][]byte) {
			f[fileCheckpoint] = bytes.Replace(f[fileCheckpoint], []byte("— rec-1"), []byte("— rec-2"), 1)
		}, integrityFails},
		"another requester": {func(f map[string][]byte) {
			f[fileGrant] = bytes.Replace(f[fileGrant], []byte("requester p-1"), []byte("requester p-7"), 1)
		}, authFails},
		"not approved": {func(f map[string][]byte) { f[fileGrant] = f[fileGrant][:bytes.LastIndex(f[fileGrant], []byte("— "))] }, authFails},
		"roster": {func(f map[string][]byte) {
			f[fileRoster] = bytes.Replace(f[fileRoster], []byte("level-centre refused"), []byte("level-centre allowed"), 1)
		}, authFails},
		"roster of others": {func(f map[string][]byte) { f[fileRoster] = other.sign(other.roster, other.rootKeys...) }, authFails},
	} {
		said, code := verifyPy(t, unpack(t, forge(t, sound, c.change)), keys)
		if wantCode := map[bool]int{true: 3, false: 1}[c.want == timeUnshown]; code != wantCode || !strings.Contains(said, c.want) || strings.Contains(said, "manifest\n") {
			t.Errorf("%s, exit code %d:\n%s", name, code, said)
		}
	}
}

// People sign with passkeys (WebAuthn), and where they do not, the centre's envelope vouches for them.
func TestScriptKnowsPasskeysAndTheCentre(t *testing.T) {
	s := newScene(t)
	handler, approver := protocoltest.NewPasskey(t, "p-2"), protocoltest.NewPasskey(t, "p-3")
	s.handler, s.approver = passkeySigner{t, handler}, passkeySigner{t, approver}
	s.roster.Handlers[0].Key, s.roster.Approvers[0].Key = handler.Verifier(), approver.Verifier()
	bag, keys := s.bag(), s.keys(t)
	if r := s.verify(bag); r.State() != OK {
		t.Fatal(told(r))
	}
	if said, code := verifyPy(t, unpack(t, bag), keys); code != 0 {
		t.Errorf("passkeys, exit code %d:\n%s", code, said)
	}
	approver.Flags = 1 // present, not verified
	bag = forge(t, bag, func(f map[string][]byte) { f[fileGrant] = s.sign(s.grant, s.handler, s.approver) })
	if said, code := verifyPy(t, unpack(t, bag), keys); code != 1 || !strings.Contains(said, "p-3") {
		t.Errorf("a passkey that nobody unlocked, exit code %d:\n%s", code, said)
	}

	s = newScene(t)
	s.signed, s.envelope, s.roster.LevelCentre = false, true, true
	if said, code := verifyPy(t, unpack(t, s.bag()), s.keys(t)); code != 0 {
		t.Errorf("level centre, exit code %d:\n%s", code, said)
	}
	s = newScene(t)
	s.signed, s.roster.LevelCentre = false, true
	if said, code := verifyPy(t, unpack(t, s.bag()), s.keys(t)); code != 1 || !strings.Contains(said, authFails) {
		t.Errorf("level centre without its envelope, exit code %d:\n%s", code, said)
	}
}

type passkeySigner struct {
	t *testing.T
	*protocoltest.Passkey
}

func (p passkeySigner) Name() string { return string(p.Person) }

func (p passkeySigner) KeyHash() uint32 {
	v, err := protocol.NewVerifier(p.Verifier())
	if err != nil {
		p.t.Fatal(err)
	}
	return v.KeyHash()
}

func (p passkeySigner) Sign(text []byte) ([]byte, error) {
	challenge := sha256.Sum256(text)
	return protocol.PasskeySignature(p.Assert(p.t, challenge[:]))
}

// One entry of any log: its tlog-proof, header and body, and the keys of log and witnesses.
func TestI11_ScriptAndOpensslAcceptOneEntry(t *testing.T) {
	s := newScene(t)
	witness := s.newWitness("witness.eindhoven/beeldwacht")
	for i := range 300 {
		s.append("test.entry", map[string]int{"n": i}, at(0))
	}
	recorder, recorderKey := signer(t, "rec-1.helmond/beeldwacht")
	note, err := chain.SignCheckpoint(chain.Checkpoint{Origin: recorder.Name(), Size: 300, Root: s.head.Root()}, recorder)
	s.must(err)
	cosigned, err := chain.Cosign(note, s.witness, t0)
	s.must(err)
	dir := t.TempDir()
	lay := func(seq uint64, note []byte) string {
		p, err := chain.NewProof(seq, 300, note, s.hashes)
		s.must(err)
		base := filepath.Join(dir, fmt.Sprint(seq))
		put(t, base+".header", s.entries[seq].Header)
		put(t, base+".body", s.entries[seq].Body)
		put(t, base+".tlog-proof", chain.MarshalProof(p))
		return base
	}
	keys := filepath.Join(dir, "keys.txt")
	put(t, keys, []byte("log "+recorderKey+"\nwitness "+witness+"\nquorum 1\n"))
	for _, seq := range []uint64{0, 255, 299} {
		if said, code := verifyPy(t, lay(seq, cosigned)+".tlog-proof", keys); code != 0 {
			t.Errorf("entry %d, exit code %d:\n%s", seq, code, said)
		}
	}
	if said, code := verifyPy(t, lay(7, note)+".tlog-proof", keys); code != 3 || !strings.Contains(said, timeUnshown) {
		t.Errorf("not cosigned, exit code %d:\n%s", code, said)
	}
	// What `beeldwacht verify` does not take for a proof, the script does not either; and a body whose term is over accuses nobody.
	for name, c := range map[string]struct {
		change func(base string, proof []byte) []byte
		code   int
	}{
		"more text":         {func(_ string, p []byte) []byte { return append(p, "more\n"...) }, 1},
		"loose base64":      {func(_ string, p []byte) []byte { return bytes.Replace(p, []byte("=\n"), []byte("= \n"), 1) }, 1},
		"carriage returns":  {func(_ string, p []byte) []byte { return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")) }, 1},
		"body gone":         {func(base string, p []byte) []byte { s.must(os.Remove(base + ".body")); return p }, 3},
		"of the next entry": {func(base string, p []byte) []byte { put(t, base+".header", s.entries[201].Header); return p }, 1},
	} {
		base := lay(200, cosigned)
		proof, err := os.ReadFile(base + ".tlog-proof")
		s.must(err)
		put(t, base+".tlog-proof", c.change(base, proof))
		if said, code := verifyPy(t, base+".tlog-proof", keys); code != c.code {
			t.Errorf("%s: exit code %d:\n%s", name, code, said)
		}
	}
	// One witness under two names is one witness.
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(witness, "+", 3)[2])
	s.must(err)
	alias := sha256.Sum256(append([]byte("other.example\n"), raw...))
	line := cosigned[bytes.LastIndexByte(cosigned, ' ')+1:]
	sig, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(line)))
	s.must(err)
	both := fmt.Appendf(bytes.Clone(cosigned), "— other.example %s\n", base64.StdEncoding.EncodeToString(append(alias[:4:4], sig[4:]...)))
	put(t, keys, fmt.Appendf(nil, "\ufefflog %s\r\nwitness %s\r\nwitness other.example+%x+%s\r\nquorum 2\r\n", recorderKey, witness, alias[:4], base64.StdEncoding.EncodeToString(raw)))
	if said, code := verifyPy(t, lay(7, both)+".tlog-proof", keys); code != 3 || !strings.Contains(said, "1 getuigen") {
		t.Errorf("one witness under two names, exit code %d:\n%s", code, said)
	}
	put(t, keys, []byte("log "+recorderKey+"\nwitness "+witness+"\nquorum 1\n"))
	for _, kind := range []string{"header", "body", "tlog-proof"} {
		base := lay(200, cosigned)
		b, err := os.ReadFile(base + "." + kind)
		s.must(err)
		for _, i := range []int{len(b) / 7, len(b) / 3} {
			changed := bytes.Clone(b)
			changed[i] ^= 1
			put(t, base+"."+kind, changed)
			if said, code := verifyPy(t, base+".tlog-proof", keys); code != 1 || !strings.Contains(said, integrityFails) {
				t.Errorf("byte %d of the %s changed, exit code %d:\n%s", i, kind, code, said)
			}
		}
	}
}
