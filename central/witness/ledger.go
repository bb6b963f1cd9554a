package witness

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// ledgerRow is the last checkpoint of the centre's own ledger that was cosigned. The entries are in the ledger's store, not here.
type ledgerRow struct {
	Size uint64        `json:"size"`
	Root protocol.Hash `json:"root"`
	At   protocol.Time `json:"at"`
}

var metaLedger = []byte("ledger")

// CosignLedger cosigns a checkpoint of the centre's own ledger that extends the last one it cosigned; proof shows so. It is stored first (invariant 11). The time of the cosignature is what tells a recorder
// a ledger that was put back from a message that came late.
func (w *Witness) CosignLedger(signed []byte, ledger note.Verifier, proof func(old, size uint64) (tlog.TreeProof, error)) ([]byte, error) {
	c, _, err := chain.OpenCheckpoint(signed, ledger.Name(), ledger)
	if err != nil {
		return nil, fmt.Errorf("witness: ledger: %w", err)
	}
	var have ledgerRow
	read := func(tx *bbolt.Tx) (r ledgerRow, err error) {
		if b := tx.Bucket(meta).Get(metaLedger); b != nil {
			err = json.Unmarshal(b, &r, json.RejectUnknownMembers(true))
		}
		return r, err
	}
	if err := w.db.View(func(tx *bbolt.Tx) (err error) { have, err = read(tx); return err }); err != nil {
		return nil, fmt.Errorf("witness: ledger: %w", err)
	}
	if have.Size > c.Size {
		return nil, fmt.Errorf("witness: the ledger had %d entries when it was last cosigned, and has %d now: was an older copy put back?", have.Size, c.Size)
	}
	if have.Size > 0 {
		p, err := proof(have.Size, c.Size)
		if err == nil {
			err = chain.CheckConsistency(p, have.Size, have.Root, c.Size, c.Root)
		}
		if err != nil {
			return nil, fmt.Errorf("witness: the ledger does not extend what was last cosigned, %d entries with root %s: %w", have.Size, have.Root, err)
		}
	}
	next := ledgerRow{c.Size, c.Root, protocol.T(w.now())}
	if next.At.Before(have.At.Time) {
		next.At = have.At
	}
	b, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	err = w.db.Batch(func(tx *bbolt.Tx) error {
		now, err := read(tx)
		if err != nil {
			return err
		}
		if now != have {
			return errMoved
		}
		return tx.Bucket(meta).Put(metaLedger, b)
	})
	if err != nil {
		return nil, fmt.Errorf("witness: ledger: %w", err)
	}
	return chain.Cosign(signed, w.key, next.At.Time)
}
