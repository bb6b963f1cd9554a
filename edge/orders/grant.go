package orders

import (
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Grant is a grant that this recorder has verified and journalled: permission as a value. Only this package can make one; the zero value
// permits nothing.
type Grant struct {
	signed   protocol.Signed
	roster   protocol.Signed
	level    protocol.Level
	envelope string
	accepted uint64
}

// Doc is what the grant says. Of the zero value it is the zero document.
func (g *Grant) Doc() protocol.Grant {
	if g == nil || g.signed.Document == nil {
		return protocol.Grant{}
	}
	return *g.signed.Document.(*protocol.Grant)
}

// Signed is the document as received, for the bag.
func (g *Grant) Signed() protocol.Signed { return g.signed }

// Roster is the roster under which it was verified, for the bag.
func (g *Grant) Roster() protocol.Signed { return g.roster }

// Envelope is the note in which it came, for the bag.
func (g *Grant) Envelope() []byte { return []byte(g.envelope) }

// Level says who vouched for handler and approver.
func (g *Grant) Level() protocol.Level { return g.level }

// Accepted is the seq of its order.accepted entry.
func (g *Grant) Accepted() uint64 { return g.accepted }

// Hash identifies the document as received, signatures included.
func (g *Grant) Hash() protocol.Hash { return protocol.HashOf(g.signed.Raw) }

// Valid refuses the zero value and any moment outside the grant's own term. That a release grant is used once is for the journal to say:
// see [Orders.Release].
func (g *Grant) Valid(now time.Time) error {
	if g == nil || g.signed.Document == nil {
		return errZero
	}
	return g.signed.Head().Valid(now)
}

// Release is how far a release grant has come, by the journal.
type Release struct {
	Intent uint64 // seq of release.intent; 0: not begun
	Done   bool   // release.done stands in the journal
	Failed bool   // release.failed with Final stands in the journal
	Void   bool   // the log was resumed since: what became of the grant may be in what was lost, so it comes to no release any more
}

// Over says that nothing more may come of the grant.
func (r Release) Over() bool { return r.Done || r.Failed }
