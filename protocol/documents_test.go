package protocol_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

var start = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

func hour(h int) protocol.Interval {
	return protocol.Span(start.Add(time.Duration(h)*time.Hour), start.Add(time.Duration(h+1)*time.Hour))
}

func everyDocument(town *protocoltest.Town) map[string][]byte {
	standing := town.Grant("g-2", "cam-1", protocol.Interval{})
	standing.Use, standing.Recipient = protocol.UseStanding, "p256:A"
	return map[string][]byte{
		"roster":   town.Roster(1),
		"mandate":  town.Compose(town.Mandate("cam-1", 1)),
		"hold":     town.Compose(town.Hold("h-1", "cam-1", hour(-2))),
		"lift":     town.Compose(&protocol.Lift{Heading: town.Heading("l-1", time.Hour), Camera: "cam-1", Hold: "h-1", Reason: protocol.LiftReleased}),
		"grant":    town.Compose(town.Grant("g-1", "cam-1", hour(-2)), protocoltest.Handler, protocoltest.Approver),
		"standing": town.Compose(standing),
		"erase":    town.Compose(town.Erase("e-1", "cam-1", hour(-2)), protocoltest.Approver, protocoltest.Approver2),
		"resume":   town.Compose(town.Resume("r-1", 2), protocoltest.Officer),
	}
}

// What a document says is read back as it was written, for each kind.
func TestDocumentsRoundTrip(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	for name, raw := range everyDocument(town) {
		s, err := protocol.ParseDocument(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := protocol.Compose(s.Document)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.TrimSuffix(string(again), "\n") != s.Text() {
			t.Errorf("%s: written again as\n%s\nfrom\n%s", name, again, raw)
		}
		s2, err := protocol.ParseDocument(again)
		if err != nil || !reflect.DeepEqual(s.Document, s2.Document) {
			t.Errorf("%s: read back differently (%v)", name, err)
		}
	}
}

// Every line of a document counts: none may be missing, given twice or be unknown.
func TestDocumentsAreStrict(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	many := map[string]bool{"witness": true, "handler": true, "approver": true, "stream": true, "asked": true, "interval": true}
	for name, raw := range everyDocument(town) {
		s, err := protocol.ParseDocument(raw)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(s.Text(), "\n"), "\n")
		refuse := func(why string, lines []string) {
			t.Helper()
			if _, err := protocol.ParseDocument([]byte(strings.Join(lines, "\n") + "\n\n")); err == nil {
				t.Errorf("%s: accepted with %s", name, why)
			}
		}
		refuse("an unknown field", append(lines[:len(lines):len(lines)], "colour red"))
		for i, line := range lines[1:] {
			field, _, _ := strings.Cut(line, " ")
			without := append(append([]string{}, lines[:i+1]...), lines[i+2:]...)
			if !many[field] {
				if field != "officer-key" { // a roster may be without
					refuse("no "+field, without)
				}
				refuse("two of "+field, append(lines[:len(lines):len(lines)], line))
			}
			refuse("a space after "+field, append(without, line+" "))
			refuse("a control character in "+field, append(without, line+"\t"))
		}
	}
}

func TestDocumentsRefuse(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	all := everyDocument(town)
	for _, c := range []struct{ doc, old, new, want string }{
		{"hold", "beeldwacht/hold v1", "beeldwacht/hold v2", "unknown kind or version"},
		{"hold", "beeldwacht/hold v1", "beeldwacht/wipe v1", "unknown kind or version"},
		{"resume", "log 2", "log 1", "succeeds none"},
		{"resume", "witnessed 7 ", "witnessed ", "witnessed"},
		{"erase", "approver p-approver2\n", "", "two different approvers"},
		{"erase", "approver p-approver2\n", "approver p-approver\n", "two different approvers"},
		{"erase", "approver p-approver2\n", "approver p-approver2\napprover p-handler\n", "two different approvers"},
		{"erase", "ground incident", "ground embarrassing", "ground to erase"},
		{"erase", "dossier incident-1", "dossier incident/1", "id"},
		{"erase", "interval 2026-11-21T00:00:00.000Z/2026-11-21T01:00:00.000Z\n", "", "interval"},
		{"hold", "ground request", "ground curiosity", "ground"},
		{"hold", "not-after 2026-12-21", "not-after 2026-10-21", "must end after it starts"},
		{"hold", "end 2026-12-05", "end 2026-11-01", "not after the footage"},
		{"hold", "00:00:00.000Z/", "00:00:00,000Z/", "want the form"},
		{"mandate", "window P28D", "window P29D", "legal cap"},
		{"mandate", "window P28D", "window PT672H", "one written form"},
		{"mandate", "window P28D", "window PT0S", "zero"},
		{"mandate", "longest-hold P60D", "longest-hold P91D", "126ni"},
		{"mandate", "sound none", "sound on", "not one of"},
		{"mandate", "version 1", "version 01", "one written form"},
		{"mandate", "version 1", "version 9007199254740993", "version"},
		{"mandate", "camera cam-1", "camera ../cam", "id"},
		{"grant", "approver p-approver", "approver p-handler", "invariant 12"},
		{"grant", "requester p-requester", "requester p-approver", "invariant 12"},
		{"grant", "not-after 2026-11-22T02:00:00.000Z", "not-after 2026-11-22T02:00:00.001Z", "at most 24h"},
		{"standing", "use standing", "use release", "must contain what was asked"},
		{"roster", "hold-share 50\n", "hold-share 50\nsound none\n", "not one of"}, // none is said by saying nothing
		{"roster", "hold-share 50\n", "hold-share 50\nsound allowed\nsound allowed\n", "at most once"},
		{"roster", "quorum 1", "quorum 2", "quorum"},
		{"roster", "quorum 1", "quorum 0", "quorum"},
		{"roster", "hold-share 50", "hold-share 101", "percent"},
		{"roster", "max-window P28D", "max-window P40D", "legal cap"},
		{"roster", "officer p-officer", "officer p-handler", "privacy officer"},
		{"roster", "officer-key p-officer+", "officer-key p-officer-", "officer-key: verifier key"},
	} {
		raw := all[c.doc]
		if !strings.Contains(string(raw), c.old) {
			t.Fatalf("%s: no %q in\n%s", c.doc, c.old, raw)
		}
		_, err := protocol.ParseDocument([]byte(strings.Replace(string(raw), c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %q: %v; want %q", c.doc, c.new, err, c.want)
		}
	}
}

// Two seats with one key would let one person be two.
func TestI12_OneKeyIsOnePerson(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	s, err := protocol.ParseDocument(town.Roster(1))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Document.(*protocol.Roster)
	r.Approvers[0].Key = r.Handlers[0].Key
	if _, err := protocol.Compose(r); err == nil || !strings.Contains(err.Error(), "same key") {
		t.Errorf("handler and approver with one key: %v", err)
	}
	r.Approvers[0].Key = r.OfficerKey
	if _, err := protocol.Compose(r); err == nil || !strings.Contains(err.Error(), "same key") {
		t.Errorf("approver with the officer's key: %v", err)
	}
	r.Approvers[0].Key, r.OfficerKey = "", r.Handlers[0].Key
	if _, err := protocol.Compose(r); err == nil || !strings.Contains(err.Error(), "it is of p-handler") {
		t.Errorf("the officer's key is another's: %v", err)
	}
}

func TestLiftNamesPersonsOrNone(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	lift := func(reason protocol.LiftReason, h, a protocol.PersonID) error {
		_, err := protocol.Compose(&protocol.Lift{Heading: town.Heading("l-1", time.Hour), Camera: "cam-1", Hold: "h-1", Reason: reason, Handler: h, Approver: a})
		return err
	}
	for _, ok := range []error{lift(protocol.LiftReleased, "", ""), lift(protocol.LiftReleased, "a", "b"), lift(protocol.LiftRefused, "a", "b")} {
		if ok != nil {
			t.Error(ok)
		}
	}
	for _, err := range []error{lift(protocol.LiftReleased, "a", ""), lift(protocol.LiftReleased, "a", "a"), lift(protocol.LiftRefused, "", ""), lift(protocol.LiftWithdrawn, "a", "a")} {
		if err == nil {
			t.Error("a lift by fewer than two persons was composed")
		}
	}
}

func FuzzParseDocument(f *testing.F) {
	for _, raw := range everyDocument(protocoltest.NewTown(f, start)) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := protocol.ParseDocument(raw)
		if err != nil {
			return
		}
		again, err := protocol.Compose(s.Document)
		if err != nil {
			t.Fatalf("accepted, but cannot be written: %v\n%q", err, raw)
		}
		s2, err := protocol.ParseDocument(again)
		if err != nil || !reflect.DeepEqual(s.Document, s2.Document) {
			t.Fatalf("read back differently (%v)", err)
		}
	})
}
