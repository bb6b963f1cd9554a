package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// entry is one entry of the recorder's journal, read from its files as anyone at the cabinet can, while the recorder runs.
type entry struct {
	chain.Header
	body []byte
}

func (e entry) read(into any) error {
	if e.body == nil {
		return fmt.Errorf("entry %d %s: its body is gone", e.Seq, e.Kind)
	}
	if err := chain.ParseBody(e.body, into); err != nil {
		return fmt.Errorf("entry %d %s: %w", e.Seq, e.Kind, err)
	}
	return nil
}

// logFile is the recorder's whole log as a stream, with its last cosigned checkpoint.
func (t *town) logFile() ([]byte, error) {
	r, err := journal.OpenLog(t.path("recorder-data", "journal"))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func (t *town) entries() ([]entry, error) {
	b, err := t.logFile()
	if err != nil {
		return nil, err
	}
	var list []entry
	r := chain.NewReader(bytes.NewReader(b))
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			return nil, err
		}
		list = append(list, entry{h, e.Body})
	}
}

// journalled waits for an entry that match accepts.
func (t *town) journalled(ctx context.Context, what string, within time.Duration, match func(entry) (bool, error)) (entry, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("the journal did not show %s within %s", what, within))
	defer cancel()
	for {
		list, err := t.entries()
		if err != nil {
			return entry{}, err
		}
		for _, e := range list {
			ok, err := match(e)
			if err != nil {
				return entry{}, err
			}
			if ok {
				return e, nil
			}
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return entry{}, err
		}
	}
}

// each calls do with every body of a kind.
func each[T any](list []entry, kind string, do func(entry, T) error) error {
	for _, e := range list {
		if e.Kind != kind {
			continue
		}
		var body T
		if err := e.read(&body); err != nil {
			return err
		}
		if err := do(e, body); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
