package chain

import (
	"fmt"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Gone is which bodies of a log are missing, by month and kind.
type Gone map[monthKind]*goneBodies

type monthKind struct{ month, kind string }

type goneBodies struct {
	Went
	first uint64 // the first entry whose body is missing
	said  bool   // an entry log.bodies-destroyed accounts for them
}

// Went counts bodies that went, or go, and makes the root over their header lines.
type Went struct{ tree Head }

// Add counts one.
func (w *Went) Add(h Header, line []byte) { w.tree.push(h, line, w.tree.Hashes(line)) }

// Of is what log.bodies-destroyed says of them.
func (w *Went) Of(kind string) protocol.KindDestroyed {
	return protocol.KindDestroyed{Kind: kind, Count: w.tree.Size, Root: w.tree.Root()}
}

func (g Gone) clone() Gone {
	c := make(Gone, len(g))
	for k, b := range g {
		own := *b
		c[k] = &own
	}
	return c
}

// missing takes in an entry whose body is not there.
func (g Gone) missing(h Header, line []byte) error {
	month := protocol.MonthOf(h.Time)
	if _, ok := protocol.BodiesDue(h.Kind, month); !ok {
		return fmt.Errorf("its body is missing, and a body of %s is never destroyed", h.Kind)
	}
	k := monthKind{month, h.Kind}
	b := g[k]
	if b == nil {
		b = &goneBodies{first: h.Seq}
		g[k] = b
	}
	b.Add(h, line)
	return nil
}

// destroyed takes in an entry that says which bodies were destroyed, which all stand before it. A fault is at the first body that went without right, or at that entry itself.
func (g Gone) destroyed(h Header, body []byte) error {
	if body == nil {
		return &Fault{Seq: h.Seq, What: "the body that says what was destroyed is missing, and is never destroyed"}
	}
	var d protocol.BodiesDestroyed
	if err := ParseBody(body, &d); err != nil {
		return &Fault{Seq: h.Seq, What: err.Error()}
	}
	for _, said := range d.Kinds {
		due, ok := protocol.BodiesDue(said.Kind, d.Month)
		b := g[monthKind{d.Month, said.Kind}]
		switch {
		case !ok || h.Time.Before(due):
			at := h.Seq
			if b != nil {
				at = b.first
			}
			return &Fault{Seq: at, What: fmt.Sprintf("bodies of %s of %s were destroyed on %s, before their term was over", said.Kind, d.Month, h.Time)}
		case b == nil: // not yet, or this is a copy from before
		case b.said:
			return &Fault{Seq: h.Seq, What: fmt.Sprintf("it says again that bodies of %s of %s were destroyed", said.Kind, d.Month)}
		case b.tree.Size > said.Count || b.tree.Size == said.Count && b.tree.Root() != said.Root:
			return &Fault{Seq: b.first, What: fmt.Sprintf("%d bodies of %s of %s are missing, from this entry on, and are not the %d that entry %d says were destroyed", b.tree.Size, said.Kind, d.Month, said.Count, h.Seq)}
		default:
			b.said = true
		}
	}
	return nil
}

// judge says which body is the first that was missing before its term was over, by the latest time that is known; and how many are missing whose term is over, though no entry says that they
// were destroyed.
func (g Gone) judge(latest time.Time) (unsaid uint64, fault *Fault) {
	for k, b := range g {
		if b.said {
			continue
		}
		if due, _ := protocol.BodiesDue(k.kind, k.month); latest.Before(due) {
			if fault == nil || b.first < fault.Seq {
				fault = &Fault{Seq: b.first, Line: 2*b.first + 1, What: fmt.Sprintf("its body is missing: a body of %s of %s is kept until %s, and no entry says that it was destroyed", k.kind, k.month, due.Format(time.DateOnly))}
			}
			continue
		}
		unsaid += b.tree.Size
	}
	return unsaid, fault
}
