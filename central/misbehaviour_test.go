package central

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// What the witness finds opens one incident of its kind, recorder and camera; it joins the open one, and what was seen before one was closed does not open it again.
func TestI11_AFindingOpensOneIncident(t *testing.T) {
	c := newCentre(t)
	found := func(kind, name string, camera protocol.CameraID) RecordMisbehaviour {
		return RecordMisbehaviour{Recorder: "rec-1", Kind: kind, Name: name, Camera: camera, At: protocol.T(c.now), Seen: Words{NL: "gezien", EN: "seen"}}
	}
	fork, late := found("fork", "fork 1", ""), found("overdue", "overdue hal", "hal")
	for range 3 {
		for _, f := range []RecordMisbehaviour{fork, late, found("fork", "fork 2", "")} {
			c.do(f)
		}
	}
	if got := fmt.Sprint(kinds(&c.s, c.now)); got != "[footage-overdue log-fork]" {
		t.Fatal(got)
	}
	i := c.s.Incident(1)
	if i.Finding != "fork 1" || i.Says() != (Words{NL: "gezien", EN: "seen"}) || i.Source.Recorder != "rec-1" || !i.Waits() {
		t.Errorf("%+v", i)
	}
	c.do(found("overdue", "overdue plein", "plein"))
	if n := len(c.s.Incidents(c.now)); n != 3 {
		t.Errorf("another camera: %d incidents", n)
	}
	c.now = c.now.Add(time.Hour)
	c.do(CloseIncident{By: officer, Number: 1, NoBreach: true, Conclusion: "een teruggezette schijf"})
	if c.do(fork) != nil {
		t.Error("what was settled opens again")
	}
	c.now = c.now.Add(time.Hour)
	c.do(found("fork", "fork 3", ""))
	if i := c.s.Incident(4); i == nil || i.Finding != "fork 3" {
		t.Errorf("a new one after it was closed: %+v", i)
	}
	for _, f := range []RecordMisbehaviour{{Recorder: "rec-9", Kind: "fork"}, {Recorder: "rec-1", Kind: "nonsense"}} {
		if c.do(f) != nil {
			t.Errorf("%+v", f)
		}
	}
	// What the witness calls them, and what stands on the page.
	for kind, want := range map[string]string{"rollback": "log-rollback", "truncation": "log-truncated", "silence": "log-silent", "clock": "log-clock", "body": "log-body", "unfit": "log-unfit",
		"unsealed": "log-unsealed", "late": "log-seal-late", "listed": "footage-listed"} {
		c.do(found(kind, kind+" 1", ""))
		if got := fmt.Sprint(kinds(&c.s, c.now)); !strings.Contains(got, want) || incidentWords[want] == (Words{}) {
			t.Errorf("%s opens no incident %s: %s", kind, want, got)
		}
	}
	c.do(MarkRecorder{By: admin, Recorder: "rec-1", Mark: Stolen, Reason: "weg"})
	if c.do(found("silence", "silence 1", "")) != nil {
		t.Error("a stolen recorder is silent, and that is no news")
	}
}

// A recorder cannot hide a finding about itself behind an incident that it opens beforehand, as often as it likes and in its own words.
func TestI11_ARecorderCannotHideAFinding(t *testing.T) {
	c := newCentre(t)
	for range 2 * incidentsAnHour {
		c.do(RecordIncident{Source: c.source(), Incident: protocol.Incident{What: "log-fork", Detail: "een proef van de leverancier"}})
	}
	said := c.s.Incident(1)
	if said.Kind == "log-fork" || !strings.HasPrefix(said.Words().NL, "melding van de recorder") {
		t.Errorf("the recorder's own words pass for a finding: %+v", said)
	}
	c.do(CloseIncident{By: officer, Number: 1, NoBreach: true, Conclusion: "een proef"})
	before := len(c.s.Incidents(c.now))
	c.do(RecordMisbehaviour{Recorder: "rec-1", Kind: "fork", Name: "fork 1", At: protocol.T(c.now.Add(-time.Minute)), Seen: Words{NL: "gezien", EN: "seen"}})
	if n := len(c.s.Incidents(c.now)); n != before+1 {
		t.Fatalf("the fork opened %d incidents", n-before)
	}
}
