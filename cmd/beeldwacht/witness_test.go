package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
