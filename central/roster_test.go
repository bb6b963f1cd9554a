package central

import (
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// A roster that somebody brought to the cabinet counts here too: who witnesses and with which quorum is what the recorder obeys. One of before, or of nobody, changes nothing.
func TestRosterTakenByHand(t *testing.T) {
	c := newCentre(t)
	rec := c.s.Recorder("rec-1")
	raw := func(version uint64) string {
		return string(c.town.Roster(version, func(r *protocol.Roster) { r.HoldShare = 40 + version }))
	}
	take := func(document string) []Event {
		return c.do(RecordOrder{c.source(), protocol.Order{Kind: "roster", Level: protocol.LevelRoots, Document: document}})
	}
	before := rec.Roster.Version
	if take(raw(before)) != nil || take("beeldwacht/roster v1\nforged\n\n") != nil {
		t.Error("took an old one, or a forged one")
	}
	if take(raw(before+1)) == nil || c.s.Recorder("rec-1").Roster.HoldShare != 40+before+1 {
		t.Errorf("%+v", c.s.Recorder("rec-1").Roster)
	}
	if i := c.s.Incidents(c.now); len(i) != 0 {
		t.Errorf("%+v", i)
	}
}
