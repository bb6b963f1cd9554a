package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

const tilesUsage = `usage: beeldwacht tiles -keys KEYS -out FOLDER [-lang nl|en] LOG|DIR

Verifies a log as "beeldwacht verify" does, and writes what its checkpoint
covers as C2SP tlog-tiles in a new folder: checkpoint, tile/0/…, tile/entries/….
Tools that know nothing of us check such a folder. It holds the headers of
the entries; bodies are not in it.

`

const proveUsage = `usage: beeldwacht prove -keys KEYS -entry N -out FOLDER [-lang nl|en] LOG|DIR

Verifies a log as "beeldwacht verify" does, and writes the proof of its entry N:
N.header, N.body (unless it was destroyed) and N.tlog-proof (C2SP tlog-proof).
"beeldwacht verify" judges it, and so does verify.py with the KEYS beside it.

Exit codes are those of "beeldwacht verify".

`

func tilesCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var out *string
	v, err := newVerifier(ctx, "tiles", tilesUsage, "one log or journal folder", args, stdout, stderr, func(f *flag.FlagSet) { out = f.String("out", "", "") })
	if err != nil {
		return err
	}
	if *out == "" {
		return unexamined("no -out: the folder to write to")
	}
	if _, err := os.Stat(*out); err == nil { // a file of another log among them would be a lie
		return unexamined("%s: file exists; give a folder that is not there yet", *out)
	}
	return v.written(*out, func(log io.Reader, found chain.Verdict) error {
		return chain.Tiles(log, found.Signed, *found.Checkpoint, func(name string, content []byte) error {
			path := filepath.Join(*out, filepath.FromSlash(name))
			return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644))
		})
	})
}

func proveCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var out *string
	var entry *uint64
	v, err := newVerifier(ctx, "prove", proveUsage, "one log or journal folder", args, stdout, stderr, func(f *flag.FlagSet) {
		out, entry = f.String("out", "", ""), f.Uint64("entry", 1<<63, "")
	})
	if err != nil {
		return err
	}
	if *out == "" || *entry == 1<<63 {
		return unexamined("no -entry or no -out: which entry, and the folder to write to")
	}
	return v.written(*out, func(log io.Reader, found chain.Verdict) error {
		return prove(log, *entry, found.Checkpoint.Size, found.Signed, *out)
	})
}

// prove reads the log once more, for the tree and the entry.
func prove(log io.Reader, seq, size uint64, signed []byte, out string) error {
	var tree chain.Hashes
	var entry chain.Entry
	in := chain.NewReader(log)
	for n := range size {
		e, err := in.Next()
		if err == nil {
			err = tree.Add(n, e.Header)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", n, err)
		}
		if n == seq {
			entry = e
		}
	}
	p, err := chain.NewProof(seq, size, signed, tree)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	write := func(kind string, content []byte) error {
		return os.WriteFile(filepath.Join(out, fmt.Sprintf("%d.%s", seq, kind)), content, 0o644)
	}
	err = errors.Join(write("header", entry.Header), write("tlog-proof", chain.MarshalProof(p)))
	if entry.Body != nil {
		err = errors.Join(err, write("body", entry.Body))
	}
	return err
}

// written verifies the log, has something written of what its checkpoint covers, and tells how the log was.
func (v *verifier) written(out string, write func(log io.Reader, found chain.Verdict) error) error {
	log, err := v.openLog()
	if err != nil {
		return err
	}
	report, err := v.examine(log)
	if closeErr := log.Close(); err == nil && closeErr != nil {
		err = unexamined("%s: %v", v.name, closeErr)
	}
	if err != nil {
		return err
	}
	if report.State == evidence.Failed || report.found.Checkpoint == nil {
		return errors.Join(v.tellLog(report), v.exit(report.State)) // nothing of it is worth writing
	}
	if log, err = v.openLog(); err != nil {
		return err
	}
	defer log.Close() // only read from
	if err := write(&stoppableReader{ctx: v.ctx, r: log}, report.found); err != nil {
		return unexamined("%s: %v", v.name, err)
	}
	_, err = fmt.Fprintf(v.out, v.word(evidence.Text{NL: "%s: %d regels onder het checkpoint, wortel %s\n", EN: "%s: %d entries under the checkpoint, root %s\n"}), out, report.Covered, report.found.Checkpoint.Root)
	return errors.Join(err, v.exit(report.State))
}
