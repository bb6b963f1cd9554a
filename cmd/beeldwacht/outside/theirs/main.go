// Command theirs is the witness of github.com/transparency-dev/witness, unchanged, for the tests of the package above:
//
//	theirs server SKEY VKEY…      a witness with this key that knows these logs, on a free port of the loopback; prints its address
//	theirs client URL OLD         hands the submission on standard input in with their client, and prints the status it makes of the answer, and the answer
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	formats "github.com/transparency-dev/formats/note"
	client "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	err := fmt.Errorf("theirs server SKEY VKEY… | theirs client URL OLD")
	if len(os.Args) > 2 && os.Args[1] == "server" {
		err = server(os.Args[2], os.Args[3:])
	} else if len(os.Args) == 4 && os.Args[1] == "client" {
		err = submit(os.Args[2], os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func server(skey string, vkeys []string) error {
	signer, err := formats.NewSignerForCosignatureV1(skey)
	if err != nil {
		return err
	}
	logs := map[string]note.Verifier{}
	for _, key := range vkeys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return err
		}
		logs[v.Name()] = v
	}
	w, err := witness.New(context.Background(), witness.Opts{Persistence: inmemory.New(), Signers: []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			v, ok := logs[origin]
			return v, ok, nil
		}})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(w).AddCheckpoint)
	return http.Serve(l, mux)
}

func submit(address, old string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	size, err := strconv.ParseUint(old, 10, 64)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	head, checkpoint, _ := bytes.Cut(raw, []byte("\n\n"))
	var proof [][]byte
	for _, line := range strings.Split(string(head), "\n")[1:] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return err
		}
		proof = append(proof, h)
	}
	c := client.NewWitness(u, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}})
	lines, at, err := c.Update(context.Background(), size, checkpoint, proof)
	for what, known := range map[string]error{"stale": witness.ErrCheckpointStale, "fork": witness.ErrRootMismatch, "unknown": witness.ErrUnknownLog, "unsigned": witness.ErrNoValidSignature,
		"malformed": witness.ErrOldSizeInvalid, "proof": witness.ErrInvalidProof, "later": witness.ErrPushback} {
		if errors.Is(err, known) {
			fmt.Println(what, at)
			return nil
		}
	}
	if err != nil {
		return err
	}
	fmt.Printf("cosigned\n%s", lines)
	return nil
}
