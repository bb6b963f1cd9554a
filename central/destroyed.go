package central

import (
	"slices"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The bodies of recorders' entries have terms (protocol.BodyTerms). What a recorder destroyed its own log says; what this centre destroyed of its copies, which outlive the recorder, the ledger says:
// of which kinds, until which month and how many, once a round. The entries' headers stay (protocol/chain, Retention).

type (
	// RecordDestroyed is what a round of the witness destroyed. Time gives it; no person does. Given again it happens once.
	RecordDestroyed struct{ BodiesDestroyed }

	// BodiesDestroyed is a round, as the ledger keeps it.
	BodiesDestroyed struct {
		Begun protocol.Time   `json:"begun"` // by the witness's clock; no two rounds have the same
		Kinds []KindDestroyed `json:"kinds"` // by kind
	}

	// KindDestroyed counts the bodies of one kind.
	KindDestroyed struct {
		Kind   string `json:"kind"`
		Until  string `json:"until"` // the last month (protocol.MonthOf)
		Bodies int    `json:"bodies"`
	}
)

// Destruction is a round and when the ledger took it in.
type Destruction struct {
	BodiesDestroyed
	At protocol.Time
}

// bodyWords say what entries of a kind are about.
var bodyWords = map[string]Words{
	protocol.KindIntent:      {"begin van een verstrekking", "start of a release"},
	protocol.KindView:        {"inzage van beelden", "footage looked at"},
	protocol.KindViewRefused: {"geweigerde inzage", "refused access"},
	protocol.KindReleased:    {"verstrekking", "release"},
	protocol.KindReleaseFail: {"mislukte verstrekking", "failed release"},
	protocol.KindHoldPlaced:  {"bewaring van beelden", "hold on footage"},
	protocol.KindHoldLifted:  {"einde van een bewaring", "end of a hold"},
	protocol.KindIncident:    {"incident", "incident"},
	protocol.KindStarted:     {"start van de recorder", "start of the recorder"},
	protocol.KindStopped:     {"stop van de recorder", "stop of the recorder"},
	protocol.KindRun:         {"begin van een opname", "start of a recording"},
	protocol.KindGapBegun:    {"begin van een onderbreking", "start of a gap"},
	protocol.KindGapEnded:    {"einde van een onderbreking", "end of a gap"},
	protocol.KindSealed:      {"opgenomen beelden", "footage recorded"},
	protocol.KindExpired:     {"verwijderde beelden", "footage deleted"},
	protocol.KindDropped:     {"verloren beelden", "footage lost"},
	protocol.KindLedger:      {"gezien van het logboek van de centrale", "seen of the centre's log"},
}

// Words say what the entries were about.
func (k KindDestroyed) Words() Words {
	if w, ok := bodyWords[k.Kind]; ok {
		return w
	}
	return Words{k.Kind, k.Kind}
}

// Bodies is how many there were in all.
func (f BodiesDestroyed) Bodies() (n int) {
	for _, k := range f.Kinds {
		n += k.Bodies
	}
	return n
}

func (*BodiesDestroyed) name() string { return "bodies.destroyed" }

func (c RecordDestroyed) decide(d *decision) error {
	d.by = System
	known := slices.ContainsFunc(d.destroyed, func(r Destruction) bool { return r.Begun.Equal(c.Begun.Time) })
	if f := c.BodiesDestroyed; len(f.Kinds) > 0 && !known {
		d.record(&f)
	}
	return nil
}

func (f *BodiesDestroyed) apply(s *State, e Event) error {
	s.destroyed = append(s.destroyed, Destruction{*f, e.Time})
	return nil
}

// Destroyed is what this centre destroyed of its copies of recorders' entries, the newest first.
func (s *State) Destroyed() []Destruction {
	list := slices.Clone(s.destroyed)
	slices.Reverse(list)
	return list
}
