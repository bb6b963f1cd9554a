package protocol

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"
)

// bodies are all that a recorder's journal can hold, by kind.
var bodies = map[string]any{
	KindOpened: Opened{}, KindStarted: Started{}, KindStopped: Stopped{}, KindRun: RunStarted{}, KindGapBegun: Gap{}, KindGapEnded: Gap{}, KindSealed: Sealed{}, KindExpired: Expired{}, KindErased: Erased{},
	KindIncident: Incident{}, KindOrder: Order{}, KindRefused: OrderRefused{}, KindDropped: OrderDropped{}, KindHoldPlaced: HoldPlaced{}, KindHoldLifted: HoldLifted{}, KindIntent: Access{},
	KindReleased: Released{}, KindReleaseFail: ReleaseFailed{}, KindView: Access{}, KindViewRefused: AccessRefused{}, KindLedger: LedgerSeen{}, KindLedgerBad: LedgerRefused{},
	KindEpochBegun: EpochBegun{}, KindEpochSealed: EpochSealed{}, KindBodiesDestroyed: BodiesDestroyed{}, KindResumed: Resumed{},
}

// texts are the fields of bodies that are text of no stricter type, and what stands in them. A name is in none; whoever adds a field says here why not.
var texts = map[string]string{
	"Salted.Salt": "random hex", "Opened.Municipality": "municipality", "Opened.Key": "verifier key", "Opened.Roster": "signed document: people by pseudonym", "Opened.Roots": "verifier keys",
	"Started.Software": "program", "Started.Volume": "identity of a disk", "Started.Volumes": "identities of disks", "Stopped.Reason": "the program's words",
	"RunStarted.Codec": "codec", "RunStarted.Sound": "codec", "RunStarted.Clock": "state of the clock", "Gap.Cause": "cause", "Gap.Detail": "the program's words", "Expired.Reason": "code",
	"Incident.What": "code or the program's words", "Incident.Detail": "the program's words", "Order.Kind": "kind of document", "Order.Document": "signed document: people by pseudonym",
	"Order.Note": "envelope with the document", "OrderRefused.Kind": "kind of document", "OrderRefused.Reason": "the program's words", "OrderDropped.Reason": "the program's words",
	"HoldLifted.Reason": "code", "Access.How": "code", "Access.Recipient": "public key", "Access.Reason": "the one text that a person types: the form says to write no names, and an officer reads it",
	"Released.Object": "random name in the vault", "ReleaseFailed.Reason": "the program's words", "AccessRefused.Recipient": "public key", "AccessRefused.Reason": "the program's words",
	"LedgerSeen.Checkpoint": "checkpoint", "LedgerRefused.Seen": "checkpoint", "LedgerRefused.Refused": "checkpoint and proof", "LedgerRefused.Why": "the program's words", "EpochBegun.Key": "verifier key", "EpochBegun.Lost": "the program's words", "EpochSealed.Seal": "seal",
	"BodiesDestroyed.Month": "month", "KindDestroyed.Kind": "kind of entry", "Resumed.Document": "signed document: people by pseudonym", "Resumed.Behind": "checkpoint",
}

// TestI11_NamesLiveOnlyAtTheCentre: a journal names people by pseudonym, which cannot be a name: no capital, no space. No other field of a body is a place for one.
func TestI11_NamesLiveOnlyAtTheCentre(t *testing.T) {
	for _, name := range []PersonID{"Anna de Vries", "Henk", "h. de wit", "José"} {
		if ValidID(name) == nil {
			t.Errorf("%q can be a pseudonym", name)
		}
	}
	seen := map[string]bool{}
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		for f := range of.Fields() {
			typ := f.Type
			for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
				typ = typ.Elem()
			}
			name := of.Name() + "." + f.Name
			switch {
			case typ == reflect.TypeFor[string]():
				if seen[name] = true; texts[name] == "" {
					t.Errorf("%s: what stands in it? say in this test why it is no name", name)
				}
			case typ.Kind() == reflect.Struct && typ != reflect.TypeFor[Time]() && typ != reflect.TypeFor[time.Time]():
				walk(typ)
			}
		}
	}
	for _, b := range bodies {
		walk(reflect.TypeOf(b))
	}
	for name := range texts {
		if !seen[name] {
			t.Errorf("%s is in no body any more", name)
		}
	}
}

// TestI11_EveryKindHasATerm: each kind of entry stands in the table once, with its source.
func TestI11_EveryKindHasATerm(t *testing.T) {
	source, err := os.ReadFile("entries.go")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, m := range regexp.MustCompile(`(?m)^\tKind\w+ += "([a-z.-]+)"`).FindAllSubmatch(source, -1) {
		kinds = append(kinds, string(m[1]))
	}
	var termed []string
	for _, term := range BodyTerms {
		if termed = append(termed, term.Kinds...); term.Source == "" || term.Years < 0 {
			t.Errorf("%v", term)
		}
		if _, err := time.Parse(time.DateOnly, term.From); err != nil {
			t.Error(err)
		}
	}
	known := slices.Collect(maps.Keys(bodies))
	for _, list := range [][]string{kinds, termed, known} {
		slices.Sort(list)
	}
	if !slices.Equal(kinds, termed) || !slices.Equal(kinds, known) || len(kinds) < 20 {
		t.Errorf("kinds  %v\ntermed %v\nknown  %v", kinds, termed, known)
	}
	if due, ok := BodiesDue(KindView, "2026-11"); !ok || due != time.Date(2031, 12, 1, 0, 0, 0, 0, time.UTC) {
		t.Error(due, ok)
	}
	for _, never := range [][2]string{{KindEpochSealed, "2026-11"}, {"other", "2026-11"}, {KindView, "november"}} {
		if due, ok := BodiesDue(never[0], never[1]); ok {
			t.Errorf("%v: due %s", never, due)
		}
	}
}
