package office

import (
	"context"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// What the witness finds becomes an incident here.

// oversee has the witness look for what only time brings, once a minute, and tells the ledger of every finding. The ledger opens one incident of it, and knows which it has had: so
// telling again does nothing, and a crash loses nothing.
func (o *Office) oversee(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := o.witness.Sweep(); err != nil {
			o.Log.Error("the recorders' logs could not be looked through for what is overdue", "error", err)
		}
		if err := o.tellFindings(ctx); err != nil && ctx.Err() == nil {
			o.Log.Error("a finding could not be made an incident; tried again in a minute", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-o.witness.Found():
		case <-tick.C:
		}
	}
}

func (o *Office) tellFindings(ctx context.Context) error {
	for _, r := range o.witness.Recorders() {
		for _, f := range r.Findings {
			if _, err := o.book.Do(ctx, central.RecordMisbehaviour{Recorder: r.ID, Kind: f.Kind, Name: f.Name(), Camera: f.Camera, Log: f.Log, At: f.At, Seen: f.Words()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareClocks sets an entry that holds a checkpoint of our ledger beside that ledger: it cannot be older than what it speaks of.
func (o *Office) compareClocks(ctx context.Context, recorder protocol.RecorderID, log uint64, h chain.Header, body []byte) error {
	var seen protocol.LedgerSeen
	if body == nil || chain.ParseBody(body, &seen) != nil {
		return nil // said by the facts
	}
	text, _, _ := strings.Cut(seen.Checkpoint, "\n\n")
	c, err := chain.ParseCheckpoint(text + "\n")
	if err != nil || c.Origin != o.book.Origin() || c.Size == 0 || c.Size > o.book.Size() {
		return nil // not our ledger as it is: the recorder's own incident says so
	}
	root, last, err := o.book.HeadAt(ctx, c.Size)
	if err != nil || root != c.Root || !last.After(h.Time.Add(witness.ClockSlack)) {
		return err
	}
	header, proof, err := o.book.InclusionAt(ctx, c.Size-1, c.Size)
	if err != nil {
		return err
	}
	return o.witness.Behind(recorder, log, h, []byte(seen.Checkpoint), header, c.Size, proof)
}

func (r recorders) Evidence(id protocol.RecorderID, finding string) (witness.Evidence, bool, error) {
	return r.o.witness.Evidence(id, finding)
}

func (r recorders) EvidenceOf(id protocol.RecorderID, log, seq uint64) (witness.Evidence, bool, error) {
	return r.o.witness.EvidenceOf(id, log, seq)
}
