// Command fsck has transparency-dev/tessera check a log in a folder of C2SP tlog-tiles. Its exit code is 0 where the log is accepted, 1 where it is refused,
// and 3 where no answer came in time: tessera's own command ends with 0 whatever it finds.
//
//	fsck FOLDER VKEY
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	v, err := note.NewVerifier(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	answer := make(chan error, 1)
	go func() {
		// More workers than there can be faulty tiles: each that finds one ends, and without any the check would hang.
		answer <- fsck.New(v.Name(), v, client.FileFetcher{Root: os.Args[1]}, leaves, fsck.Opts{N: 16}).Check(context.Background())
	}()
	select {
	case err := <-answer:
		if err != nil {
			fmt.Fprintf(os.Stderr, "%.500s\n", err)
			os.Exit(1)
		}
	case <-time.After(time.Minute):
		fmt.Fprintln(os.Stderr, "no answer within a minute")
		os.Exit(3)
	}
}

func leaves(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, e := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return hashes, nil
}
