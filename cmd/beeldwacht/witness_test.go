package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/uplink"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"golang.org/x/mod/sumdb/note"
)

// TestI11_OutsideWitnessSurvivesKill9 kills a real `beeldwacht witness` again and again while many logs grow: what it cosigned it knows afterwards, and a log that went
// back to before it is never cosigned.
func TestI11_OutsideWitnessSurvivesKill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir+"/", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	address := l.Addr().String()
	check(l.Close())

	type grown struct {
		origin   string
		signer   note.Signer
		hashes   chain.Hashes
		size     uint64 // of hashes
		cosigned uint64 // as the answers say
	}
	args := []string{"witness", "init", "-name", "fg.stad.example", "-hosts", "127.0.0.1", "-listen", address, "-data", filepath.Join(dir, "data"), "-out", filepath.Join(dir, "witness")}
	var logs []*grown
	for i := range 4 {
		origin := fmt.Sprintf("rec-%d.stad/beeldwacht", i)
		skey, vkey, err := protocol.NewKey(origin)
		check(err)
		signer, err := note.NewSigner(skey)
		check(err)
		logs = append(logs, &grown{origin: origin, signer: signer})
		args = append(args, "-log", vkey)
	}
	program := filepath.Join(dir, "beeldwacht")
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	start := func() *exec.Cmd {
		cmd := exec.Command(program, "witness", "-config", filepath.Join(dir, "witness", "witness.yaml"))
		check(cmd.Start())
		return cmd
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // its cosignatures are what is checked here
	post := func(l *grown, old uint64) (status int, answer []byte, err error) {
		root, err := chain.RootAt(l.size, l.hashes)
		check(err)
		signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: l.origin, Size: l.size, Root: root}, l.signer)
		check(err)
		proof, err := chain.ConsistencyProof(old, l.size, l.hashes)
		check(err)
		r, err := client.Post("https://"+address+"/add-checkpoint", "", bytes.NewReader(chain.MarshalSubmission(chain.Submission{Old: old, Proof: proof, Note: signed})))
		if err != nil {
			return 0, nil, err
		}
		defer r.Body.Close()
		answer, err = io.ReadAll(r.Body)
		return r.StatusCode, answer, err
	}
	// at asks where the witness stands.
	at := func(l *grown) (size uint64, err error) {
		status, answer, err := post(&grown{origin: l.origin, signer: l.signer}, 0)
		if err == nil && status == http.StatusConflict {
			_, err = fmt.Sscanf(string(answer), "%d\n", &size)
		} else if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, answer)
		}
		return size, err
	}
	for round := range 4 {
		cmd := start()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if c, err := net.Dial("tcp", address); err == nil {
				check(c.Close())
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not listen")
			}
		}
		var growing sync.WaitGroup
		for _, l := range logs {
			growing.Go(func() {
				known, err := at(l)
				if err != nil { // it was killed
					return
				}
				if known < l.cosigned || known > l.size {
					t.Errorf("%s: cosigned %d, and after a kill it says %d of %d", l.origin, l.cosigned, known, l.size)
					return
				}
				if l.cosigned > 1 { // the recorder's disk was put back to before that, and grew on
					fork := grown{origin: l.origin, signer: l.signer}
					for ; fork.size <= known; fork.size++ {
						check(fork.hashes.Add(fork.size, fmt.Append(nil, "another past", round)))
					}
					if status, answer, err := post(&fork, known); err == nil && status == http.StatusOK {
						t.Errorf("%s: a fork was cosigned: %s", l.origin, answer)
					}
				}
				for {
					old := max(known, l.cosigned)
					for range 1 + rand.N(3) {
						check(l.hashes.Add(l.size, fmt.Append(nil, l.size)))
						l.size++
					}
					status, _, err := post(l, old)
					if err != nil { // it was killed
						return
					}
					switch status {
					case http.StatusOK:
						l.cosigned = l.size
					case http.StatusTooManyRequests:
						time.Sleep(200 * time.Millisecond)
					default:
						t.Errorf("%s from %d: %d", l.origin, old, status)
						return
					}
				}
			})
		}
		time.Sleep(300*time.Millisecond + rand.N(700*time.Millisecond))
		check(cmd.Process.Kill())
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || !strings.Contains(err.Error(), "killed") {
			t.Fatal(err)
		}
		growing.Wait()
	}
	for _, l := range logs {
		if l.cosigned == 0 {
			t.Errorf("%s was never cosigned: this test has tried nothing", l.origin)
		}
	}
}

// TestI13_QuorumWithTheOfficersWitness runs a centre with its own broker, a recorder's journal with its uplink, and the privacy officer's witness as shipped, with a roster that asks
// for both: what is journalled counts when both have signed; without the officer's witness the centre still gets every entry, nothing counts, and it is said who is missing.
func TestI13_QuorumWithTheOfficersWitness(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a centre and a witness; run it without -short")
	}
	t.Parallel()
	w := newWorld(t)
	address := fmt.Sprintf("127.0.0.1:%d", w.ports.cameras) // a free port
	w.do("beeldwacht", "roots", "-municipality", "helmond", "-out", w.path("roots"))
	w.do("beeldwacht", "centre", "-municipality", "helmond", "-out", w.path("centre"))
	said := string(w.output("beeldwacht", "witness", "init", "-name", "fg.helmond.example", "-hosts", "127.0.0.1", "-listen", address, "-data", w.path("witness-data"), "-out", w.path("witness")))
	key, err := os.ReadFile(w.path("witness", "witness.pub"))
	w.must(err)
	w.do("beeldwacht", "enrol", "-recorder", "kast-12", "-municipality", "helmond", "-centre", w.path("centre"), "-roots", w.path("roots", "roots.txt"),
		"-sign", w.path("roots", "root-1.key")+","+w.path("roots", "root-3.key"), "-officer", "p-fg", "-handler", "AVG/p-behandel", "-approver", "AVG/p-besluit",
		"-level-centre", "-witness", strings.TrimSpace(string(key)), "-out", w.path("identity"))
	identity, err := edge.LoadIdentity(w.path("identity"), protocol.Origin("kast-12", "helmond"))
	w.must(err)
	roster, err := protocol.OpenRoster(identity.Roster, identity.Roots)
	w.must(err)
	w.amend("witness/witness.yaml", "logs: []", fmt.Sprintf("logs:\n  - {origin: kast-12.helmond/beeldwacht, key: %s}\n  - {origin: ledger.helmond/beeldwacht, key: %s}", identity.Verifier, roster.LedgerKey))
	w.configure()
	w.amend("central.yaml", fmt.Sprintf("url: ssl://localhost:%d", w.ports.broker), fmt.Sprintf("listen: 127.0.0.1:%d", w.ports.broker))
	lines := said[strings.Index(said, "  - url:"):strings.Index(said, "And for each")] // as the officer gives them to the registrar
	w.amend("central.yaml", "# witnesses:\n", "witnesses:\n"+lines)
	w.do("beeldwacht-central", "-config", w.path("central.yaml"), "-setup", w.path("setup.yaml"))
	centre := w.start("central", w.bin("beeldwacht-central"), "-config", w.path("central.yaml"))
	officers := func() *process {
		return w.start("witness", w.bin("beeldwacht"), "witness", "-config", w.path("witness", "witness.yaml"))
	}
	witness := officers()

	j, err := journal.Open(w.path("journal"), identity.Signer.Name(), identity.Signer, time.Now, slog.New(slog.DiscardHandler))
	w.must(err)
	defer j.Close()
	var witnesses []note.Verifier
	for _, key := range roster.Witnesses {
		v, err := chain.WitnessVerifier(key)
		w.must(err)
		witnesses = append(witnesses, v)
	}
	status := func() ([]byte, error) {
		return protocol.SignStatus(protocol.Status{Recorder: "kast-12", Time: protocol.T(time.Now()), State: "online", Entries: j.Head().Size, Software: "test"}, identity.Signer)
	}
	u := &uplink.Uplink{Recorder: "kast-12", Broker: fmt.Sprintf("ssl://localhost:%d", w.ports.broker), Certificate: identity.Client, CAs: identity.CA, Journal: j,
		Cosigned: func(signed []byte) error { return j.Cosigned(signed, witnesses, int(roster.Quorum)) }, Order: func(context.Context, []byte) {}, Status: status,
		CheckpointEvery: 2 * time.Second, AnswerTimeout: 10 * time.Second, Retry: 200 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() {
		if err := u.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	write := func() uint64 {
		t.Helper()
		seq, err := j.Append(t.Context(), protocol.KindIncident, protocol.Incident{What: "test", Detail: "an entry"})
		w.must(err)
		return seq
	}
	covered := func(seq uint64, longest time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), longest)
		defer cancel()
		return j.WaitCosigned(ctx, seq)
	}
	w.must(covered(write(), 60*time.Second))
	c, by, err := chain.OpenCheckpoint(j.CosignedNote(), identity.Signer.Name(), mustVerifier(t, identity.Verifier), witnesses...)
	if err != nil || len(by) != 2 {
		t.Fatalf("%+v %v %v", c, by, err)
	}

	t.Log("the officer's witness dies")
	witness.kill()
	var last uint64
	for range 600 { // more than one batch: all of it must reach the centre all the same
		last = write()
	}
	w.until("the centre has all entries", 60*time.Second, func() error {
		if size, _ := j.Delivered(); size <= last {
			return fmt.Errorf("%d of %d", size, last+1)
		}
		return nil
	})
	if err := covered(last, 10*time.Millisecond); err == nil || !strings.Contains(err.Error(), "not yet cosigned by fg.helmond.example, whose signature the roster asks for") {
		t.Errorf("%v", err)
	}
	if size, _ := j.CosignedHead(); size > last {
		t.Errorf("%d entries count with one signature of two", size)
	}

	t.Log("and comes back")
	witness = officers()
	w.must(covered(last, 90*time.Second))

	t.Log("the officer takes the recorder's log along while it grows, and checks elsewhere that both have signed all of it")
	fg := w.visitor("fg")
	verify := func(file string) (string, int) {
		cmd := exec.Command(w.bin("beeldwacht"), "verify", "-lang", "en", "-keys", w.path("identity", "keys.txt"), w.path(file))
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	growing, enough := context.WithCancel(ctx)
	running.Go(func() {
		for growing.Err() == nil {
			if _, err := j.Append(ctx, protocol.KindIncident, protocol.Incident{What: "test", Detail: "an entry"}); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	var log []byte
	for range 8 { // each ends where both have signed, whatever has come since
		size, _ := j.Delivered()
		log, err = fg.Fetch(w.ctx, "/bureau/logboeken/kast-12")
		w.must(err)
		w.must(os.WriteFile(w.path("kast-12.log"), log, 0o644))
		out, code := verify("kast-12.log")
		if code != 0 || !strings.Contains(out, "Witness fg.helmond.example confirmed") || !strings.Contains(out, "Witnessed from entry") {
			t.Errorf("%d: %s", code, out)
		}
		var read uint64
		if _, err := fmt.Sscanf(out[strings.LastIndex(out[:strings.Index(out, " entries read")], " ")+1:], "%d", &read); err != nil || read < size {
			t.Errorf("%d entries had been cosigned by both when it was asked for: %v\n%s", size, err, out)
		}
	}
	enough()
	from := bytes.LastIndex(log, []byte("\n— fg.helmond.example "))
	end := from + 1 + bytes.IndexByte(log[from+1:], '\n')
	forged := slices.Clone(log)
	if forged[end-5] = 'A'; log[end-5] == 'A' {
		forged[end-5] = 'B'
	}
	w.must(os.WriteFile(w.path("forged.log"), forged, 0o644))
	if out, code := verify("forged.log"); code != 1 || !strings.Contains(out, "in the name of witness fg.helmond.example that was not made with its key") {
		t.Errorf("%d: %s", code, out)
	}
	w.must(os.WriteFile(w.path("bare.log"), slices.Concat(log[:from+1], log[end+1:]), 0o644))
	if out, code := verify("bare.log"); code != 3 { // what the first checkpoint with both covers is shown, and no more
		t.Errorf("%d: %s", code, out)
	}

	t.Log("and the centre's own log")
	for range 4 {
		ledger, err := fg.Fetch(w.ctx, "/bureau/logboeken/centrale")
		w.must(err)
		w.must(os.WriteFile(w.path("ledger.log"), ledger, 0o644))
		out, err := exec.Command(w.bin("beeldwacht"), "verify", "-lang", "en", "-keys", w.path("identity", "ledger-keys.txt"), w.path("ledger.log")).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Witnessed from entry") {
			t.Errorf("%v: %s", err, out)
		}
	}
	witness.stop()
	centre.stop()
}

func mustVerifier(t *testing.T, key string) note.Verifier {
	t.Helper()
	v, err := protocol.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
