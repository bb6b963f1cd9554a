package central

import (
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Every kind whose bodies are ever destroyed can be said in plain words.
func TestBodiesHaveWords(t *testing.T) {
	for _, term := range protocol.BodyTerms {
		for _, kind := range term.Kinds {
			if w, ok := bodyWords[kind]; ok != (term.Years > 0) || ok && (w.NL == "" || w.EN == "") {
				t.Errorf("%s: %v, kept %d years", kind, w, term.Years)
			}
		}
	}
}

// A round that destroyed nothing, or that is in the ledger already, is nothing.
func TestI11_ARoundOfDestructionIsToldOnce(t *testing.T) {
	c := newCentre(t)
	round := BodiesDestroyed{Begun: protocol.T(c.now), Kinds: []KindDestroyed{{protocol.KindIncident, "2022-10", 3}, {protocol.KindView, "2020-10", 2}}}
	if got := c.do(RecordDestroyed{round}); len(got) != 1 || got[0].By != System || got[0].Dossier != "" {
		t.Fatalf("%+v", got)
	}
	if got := c.do(RecordDestroyed{round}); got != nil {
		t.Errorf("twice: %+v", got)
	}
	if got := c.do(RecordDestroyed{BodiesDestroyed{Begun: protocol.T(c.now.Add(1e9))}}); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	if list := c.s.Destroyed(); len(list) != 1 || list[0].Bodies() != 5 || !list[0].At.Equal(c.now) {
		t.Errorf("%+v", list)
	}
}
