package edge

import (
	"context"
	"fmt"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// resume lets the log go on as its own successor where the privacy officer ordered that (invariant 13), and brings footage and releases to it. Each step is finished by the next start if this one
// does not get so far. Recording goes on meanwhile.
func (a *Agent) resume(ctx context.Context) {
	if order := a.orders.Resuming(); order != nil {
		body := protocol.Resumed{Log: order.Log, Document: order.Signed, Behind: string(a.journal.BehindNote())}
		seq, err := a.journal.Append(ctx, protocol.KindResumed, body)
		if err != nil {
			a.Log.Error("the journal cannot be resumed; the next start tries again", "order", order.ID, "error", err)
			return
		}
		a.Log.Warn("the journal was behind its witnesses and goes on as its successor, by order of the privacy officer", "order", order.ID, "log", order.Log, "entry", seq)
	}
	if a.unopened != nil || a.journal.Log() == 1 {
		return
	}
	switch n, err := a.footage.SealAgain(ctx, a.journal.Log(), a.sealedIn); {
	case err != nil:
		a.Log.Error("footage whose sealing is not in the journal could not be sealed again; the next start tries again", "minutes", n, "error", err)
	case n > 0:
		a.Log.Warn("footage whose sealing is not in the journal is sealed again", "minutes", n)
	}
	a.statusChanged()
	a.granted.tell() // release grants from before come to nothing, and say so
}

// statusChanged has the status sent soon, once there is an uplink.
func (a *Agent) statusChanged() {
	if a.uplink != nil {
		a.uplink.StatusChanged()
	}
}

// sealedIn says whether the entry of a number is the footage.sealed with a root. One whose body is gone at the end of its term is.
func (a *Agent) sealedIn(seq uint64, root protocol.Hash) (bool, error) {
	entries, err := a.journal.Entries(seq, 1)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	h, err := chain.ParseHeader(entries[0].Header)
	if err != nil {
		return false, fmt.Errorf("journal: entry %d: %w", seq, err)
	}
	if h.Kind != protocol.KindSealed || entries[0].Body == nil {
		return h.Kind == protocol.KindSealed, nil
	}
	var s protocol.Sealed
	err = chain.ParseBody(entries[0].Body, &s)
	return s.Root == root, err
}
