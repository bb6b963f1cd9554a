package outside

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central/courier"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// theirs builds the other implementation of the protocol from the module in the folder of that name.
func theirs(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds another witness; run without -short")
	}
	binary := filepath.Join(t.TempDir(), "theirs")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir, build.Env = "theirs", append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// A client that we did not write (github.com/transparency-dev/witness) reads each of our answers as what it means, and its log takes our cosignature.
func TestTheirClientUnderstandsOurWitness(t *testing.T) {
	t.Parallel()
	binary := theirs(t)
	l, unknown := newLog(t, "rec-1.stad/beeldwacht").grow(t, "a", "b", "c"), newLog(t, "rec-9.stad/beeldwacht").grow(t, "a")
	p := newPlace(t, l)
	w, _ := p.serve()
	hand := func(old uint64, raw []byte) (status, answer string) {
		t.Helper()
		cmd := exec.Command(binary, "client", w.URL, fmt.Sprint(old))
		cmd.Stdin = bytes.NewReader(raw)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		status, answer, _ = strings.Cut(string(out), "\n")
		return status, answer
	}
	cosigned := func(old uint64) {
		t.Helper()
		status, lines := hand(old, l.submission(t, old))
		v, err := chain.WitnessVerifier(p.Key())
		must(t, err)
		if signed, err := chain.AddCosignature(l.checkpoint(t), []byte(lines), v); status != "cosigned" || err != nil || !p.signed(l, signed) {
			t.Errorf("%s %v", status, err)
		}
	}
	cosigned(0)
	l.grow(t, "d", "e")
	if status, _ := hand(0, l.submission(t, 0)); status != "stale 3" {
		t.Error(status)
	}
	cosigned(3)
	fork := l.copy()
	fork.size, fork.hashes = 0, nil
	fork.grow(t, "v", "w", "x", "y", "z")
	impostor := newLog(t, l.origin).grow(t, "a", "b", "c", "d", "e")
	for want, raw := range map[string][]byte{
		"fork 0": chain.MarshalSubmission(chain.Submission{Old: 5, Note: fork.checkpoint(t)}), "unsigned 0": chain.MarshalSubmission(chain.Submission{Old: 5, Note: impostor.checkpoint(t)}),
		"proof 0": fork.copy().grow(t, "more").submission(t, 5)} {
		if status, _ := hand(5, raw); status != want {
			t.Errorf("%s, want %s", status, want)
		}
	}
	if status, _ := hand(0, unknown.submission(t, 0)); status != "unknown 0" {
		t.Error(status)
	}
	if status, _ := hand(9, chain.MarshalSubmission(chain.Submission{Old: 9, Note: l.checkpoint(t)})); status != "malformed 0" {
		t.Error(status)
	}
}

// A witness that we did not write takes what the centre's courier hands in, and the recorder's side takes its cosignature.
func TestOurCourierUnderstandsTheirWitness(t *testing.T) {
	t.Parallel()
	l, unknown := newLog(t, "rec-1.stad/beeldwacht").grow(t, "a", "b", "c"), newLog(t, "rec-9.stad/beeldwacht").grow(t, "a")
	p := newPlace(t, l) // for its key only
	cmd := exec.Command(theirs(t), "server", p.skey, l.vkey)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: strings.TrimSpace(address)}))
	t.Cleanup(front.Close)
	p.now = time.Now()
	c := newCourier(t, courier.Witness{URL: front.URL, Key: p.Key(), Certificate: fmt.Sprintf("%x", sha256.Sum256(front.Certificate().Raw))})
	for range 5 {
		if !p.signed(l, c.carry(l)) {
			t.Fatalf("not cosigned: %+v %+v", c.Witnesses(), c.Refusals(l.origin))
		}
		l.grow(t, "more", "and more")
	}
	again := newCourier(t, courier.Witness{URL: front.URL, Key: p.Key(), Certificate: fmt.Sprintf("%x", sha256.Sum256(front.Certificate().Raw))}) // a centre that starts anew asks where it stands
	if !p.signed(l, again.carry(l)) {
		t.Errorf("not cosigned: %+v %+v", again.Witnesses(), again.Refusals(l.origin))
	}
	fork := l.copy()
	fork.size, fork.hashes = 0, nil
	fork.grow(t, strings.Split(strings.Repeat("x", int(l.size)), "")...)
	if p.signed(l, c.carry(fork)) || len(c.Refusals(l.origin)) != 1 || !c.Refusals(l.origin)[0].Fork {
		t.Errorf("a fork: %+v", c.Refusals(l.origin))
	}
	if len(c.carry(unknown)) == 0 || len(c.Refusals(unknown.origin)) != 1 {
		t.Errorf("unknown: %+v", c.Refusals(unknown.origin))
	}
}
