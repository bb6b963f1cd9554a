package central

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// allFacts is one of each, as newFact makes them.
func allFacts() (list []Fact) {
	for name := range eventWords {
		if f := newFact(name); f != nil {
			list = append(list, f)
		}
	}
	return list
}

// What is kept under a key and what lies open stands in one place, for every kind of event: nobody adds one without saying which.
func TestEveryKindOfEventIsOfADossierOrPlain(t *testing.T) {
	for _, f := range allFacts() {
		_, private := f.(private)
		if plain := slices.Contains(plainKinds, f.name()); plain == private {
			t.Errorf("%s: give its fact the methods dossier and remains (dossiers.go), or put it in plainKinds if it says nothing of people; not both", f.name())
		}
	}
	for _, term := range DossierTerms {
		if term.Years < 1 || term.Source == "" || term.From == "" || term.Words == (Words{}) || term.After == (Words{}) {
			t.Errorf("%+v: a term, its source and its date", term)
		}
	}
}

// Of a fact that is erased no word remains that a person wrote, and nobody who acted.
func TestWhatRemainsNamesNobody(t *testing.T) {
	const secret = "geheim"
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type() != reflect.TypeFor[protocol.Time]() && v.Type().Field(i).IsExported() {
					fill(v.Field(i))
				}
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		case reflect.String:
			if v.Type() == reflect.TypeFor[string]() || v.Type() == reflect.TypeFor[protocol.PersonID]() {
				v.SetString(secret)
			}
		}
	}
	for _, f := range allFacts() {
		p, ok := f.(private)
		if !ok {
			continue
		}
		fill(reflect.ValueOf(f).Elem())
		left := p.remains()
		if left.name() != f.name() {
			t.Errorf("of %s a %s remains", f.name(), left.name())
		}
		b, err := json.Marshal(left)
		if err != nil {
			t.Fatal(err)
		}
		o := p.dossier(&decision{State: &State{}})
		if o != "" && o.term().Years == 0 {
			t.Errorf("%s is of dossier %s, which has no term", f.name(), o)
		}
		// Whose dossier it is must remain; and a recorder's own word for an incident.
		b = bytes.ReplaceAll(b, []byte(`"person":"geheim"`), nil)
		b = bytes.ReplaceAll(b, []byte(`"kind":"geheim"`), nil)
		b = bytes.ReplaceAll(b, []byte(`"id":"geheim"`), nil) // of what an advice is about
		if f.name() == "order.refused" {                      // the kind and the id of the document, which are ours
			continue
		}
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("of %s remains %s", f.name(), b)
		}
	}
}

// goldenHistories are the events in testdata, each with its dossier.
func goldenHistories(t *testing.T) map[string][]Event {
	t.Helper()
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all := map[string][]Event{}
	for _, file := range files {
		history, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s State
		for text := range bytes.Lines(history) {
			var l struct {
				Time protocol.Time     `json:"time"`
				Name string            `json:"name"`
				By   protocol.PersonID `json:"by"`
				Via  ClientID          `json:"via"`
				Fact jsontext.Value    `json:"fact"`
			}
			if err := json.Unmarshal(text, &l); err != nil {
				t.Fatal(err)
			}
			fact, err := ParseFact(l.Name, l.Fact)
			if err != nil {
				t.Fatal(err)
			}
			e := Event{Seq: s.Size, Time: l.Time, By: l.By, Via: l.Via, Fact: fact, Dossier: (&decision{State: &s}).dossierOf(fact)}
			if err := s.Apply(e); err != nil {
				t.Fatal(err)
			}
			all[file] = append(all[file], e)
		}
	}
	return all
}

func TestGoldenHistoriesWithErasedDossiers(t *testing.T) {
	for file, events := range goldenHistories(t) {
		t.Run(filepath.Base(file), func(t *testing.T) { eraseEach(t, events, nil, events[len(events)-1].Time.Time) })
	}
}

func replay(t testing.TB, events []Event, gone map[Dossier]bool) *State {
	t.Helper()
	s := new(State)
	for _, e := range events {
		fact, err := json.Marshal(e.Fact)
		if err != nil {
			t.Fatal(err)
		}
		if e.Fact, err = ParseFact(e.Name(), fact); err != nil { // facts of its own: Apply keeps them
			t.Fatal(err)
		}
		if gone[e.Dossier] {
			e = e.Erase()
		}
		if err := s.Apply(e); err != nil {
			t.Fatalf("with %v erased: %v", gone, err)
		}
	}
	listsAreRight(t, s)
	return s
}

// eraseEach erases each dossier of a history in turn, and some at random: the history still gives a state, in which all else is as it was, and which goes on, also
// when everything that was ever commanded is commanded again.
func eraseEach(t testing.TB, events []Event, commands []Command, now time.Time) {
	t.Helper()
	var dossiers []Dossier
	for _, e := range events {
		if e.Dossier != "" && !slices.Contains(dossiers, e.Dossier) {
			dossiers = append(dossiers, e.Dossier)
		}
	}
	whole := things(t, replay(t, events, nil))
	random := rand.New(rand.NewPCG(1, uint64(len(events))))
	sets := []map[Dossier]bool{}
	for _, o := range dossiers {
		sets = append(sets, map[Dossier]bool{o: true})
	}
	for range 3 {
		some := map[Dossier]bool{}
		for _, o := range dossiers {
			some[o] = random.IntN(2) == 0
		}
		sets = append(sets, some)
	}
	if most := 500 / len(events); commands != nil && len(sets) > max(3, most) { // every test has a history: of a long one, some of it
		random.Shuffle(len(sets), func(i, j int) { sets[i], sets[j] = sets[j], sets[i] })
		sets = sets[:max(3, most)]
	}
	for _, gone := range sets {
		s := replay(t, events, gone)
		left := things(t, s)
		for key, thing := range whole {
			o, _, _ := strings.Cut(key, " ")
			if !gone[Dossier(o)] && left[key] != thing && !strings.HasPrefix(key, "recorder/") {
				t.Errorf("with %v erased %s is no longer what it was:\n%s\n%s", gone, key, thing, left[key])
			}
		}
		for o, erased := range gone { // as the ledger would have said it
			if erased {
				if err := s.Apply(Event{Seq: s.Size, Time: protocol.T(now), By: System, Fact: &BodyErased{o, GroundTerm}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		goesOn(t, s, commands, now)
	}
}

// goesOn looks at a state from all sides, and gives it commands.
func goesOn(t testing.TB, s *State, commands []Command, now time.Time) {
	t.Helper()
	for _, c := range append(slices.Clone(commands), Tend{}, EraseDue{}) {
		events, err := Decide(s, c, now)
		if err != nil {
			continue // a refusal, or a fault that the command always was
		}
		for _, e := range events {
			if s.Erasure(e.Dossier) != nil { // the ledger has no key for it any more
				e = e.Erase()
			}
			if err := s.Apply(e); err != nil {
				t.Fatalf("%T: %v", c, err)
			}
		}
	}
	for _, p := range s.People() {
		s.Inbox(p.Person, now)
		s.Requests(p.Person, now)
		s.SubjectRequests(p.Person, now)
		s.Matters(p.Person, now)
		s.Notes(p.Person, now)
		s.StandingGrants(p.Person, now)
	}
	var accesses []Access
	for id, g := range s.grants {
		accesses = append(accesses, Access{Recorder: g.Recorder, At: g.Issued, Access: protocol.Access{Grant: id, Camera: g.Camera}})
	}
	for id := range s.gone {
		accesses = append(accesses, Access{Access: protocol.Access{Grant: protocol.GrantID(id)}})
	}
	s.Overseen(s.Match(accesses))
	s.Incidents(now)
	s.LateHolds(now)
	s.Account(now.Year())
	s.OfficersReport(now.Year())
	s.Register()
	s.Public(now)
	s.DueDossiers(now.AddDate(100, 0, 0))
	for _, r := range s.Recorders() {
		s.Outbox(r.ID, 0)
	}
}

// things are what a state holds, each by its dossier or another name.
func things(t testing.TB, s *State) map[string]string {
	t.Helper()
	all := map[string]string{}
	add := func(key string, v any) {
		b, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		all[key] = string(b)
	}
	for _, p := range s.People() {
		add(string(ofPerson(p.Person)), p)
	}
	for _, u := range s.Units() {
		add("unit/"+u.ID, u)
	}
	for _, r := range s.Recorders() {
		add("recorder/"+string(r.ID), r)
		add("next order of "+string(r.ID), r.Next())
	}
	for _, p := range s.Placements() {
		add("placement/"+string(p.Camera), p)
	}
	for _, id := range s.order {
		add(string(DossierOf(id)), s.requests[id])
	}
	for _, q := range s.subjects {
		add(string(DossierOf(q.ID)), q)
	}
	for _, i := range s.incidents {
		add(string(IncidentDossier(i.Number)), i)
	}
	for _, m := range s.matters {
		add(string(MatterDossier(m.Number)), m)
	}
	for n, note := range s.notebook {
		add(string(numbered("note", n+1)), note)
	}
	for id, h := range s.holds {
		add(string(DossierOf(h.Request))+" "+string(id), h)
	}
	add("next document", s.documents)
	add("protocols", s.protocols)
	add("samples and audits", []int{len(s.samples), len(s.audits)})
	add("journal entries taken in", len(s.seen))
	return all
}

// A dossier's whole life: it is not due while anything of it lives, it ends after its term, and its pages say so; its journal entries given again are no news.
func TestDossierEndsAfterItsTerm(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	hold, grant := r.Holds[0].HoldID(), r.Grants[0].GrantID()
	release := RecordRelease{c.source(), released(r.Grants[0])}
	again := []Command{
		ConfirmHold{c.source(), placed(r.Holds[0])}, release,
		RecordReleaseFailed{c.source(), protocol.ReleaseFailed{Grant: grant, Request: r.ID, Reason: "x"}},
		RecordLifted{c.source(), protocol.HoldLifted{Hold: hold, Reason: "lift"}},
		RecordAccess{c.source(), Access{Recorder: "rec-1", Seq: 77, At: protocol.T(c.now), Access: protocol.Access{Grant: grant, Request: r.ID, Camera: "hal"}}},
	}
	for _, o := range c.s.Recorder("rec-1").Orders {
		again = append(again, RecordOrder{c.source(), protocol.Order{Number: o.Number, Kind: o.Kind, ID: o.ID, Document: o.Document}})
	}
	c.do(release)
	c.do(RecordDownload{requester, r.ID, grant})
	c.do(ConfirmHandOver{requester, r.ID, "opgeslagen"})
	c.now = c.now.AddDate(5, 0, 0)
	if got := c.do(EraseDue{}); got != nil { // its hold ran some days longer
		t.Errorf("too early: %s", names(got))
	}
	c.now = c.now.AddDate(0, 2, 0)
	events := c.do(EraseDue{})
	if len(events) != 1 || events[0].Fact.(*BodyErased).Dossier != "request/z-1" {
		t.Fatalf("%s", names(events))
	}
	if got := c.do(EraseDue{}); got != nil {
		t.Errorf("again: %s", names(got))
	}
	s := replay(t, c.events, map[Dossier]bool{"request/z-1": true})
	e := s.Erasure("request/z-1")
	if e == nil || !strings.Contains(e.Words().NL, "gewist op 2032-01-21T02:00:00.000Z, grond: bewaartermijn voorbij (5 jaar") {
		t.Errorf("%+v", e)
	}
	if q := s.Request("z-1"); q.Kind != Vordering || q.Article != "126nda" || q.Status != Closed || q.Decision.Outcome != Grants || q.Requester != "" || q.Necessity != "" || len(q.Holds) != 0 {
		t.Errorf("%+v", q)
	}
	for _, c2 := range again {
		if events, err := Decide(s, c2, c.now); err != nil || len(events) != 0 {
			t.Errorf("%T given again: %s %v", c2, names(events), err)
		}
	}
	if _, err := Decide(s, CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true}, c.now); err == nil || !strings.Contains(err.Error(), "erased") {
		t.Errorf("going on with it: %v", err)
	}
	if n := len(s.Outbox("rec-1", 0)); n != len(c.s.Outbox("rec-1", 0)) {
		t.Errorf("%d orders; numbers must be used up", n)
	}
	old := replay(t, c.events[:len(c.events)-1], map[Dossier]bool{"request/z-1": true}) // as of the day before
	if old.Recall(s); old.Erasure("request/z-1") == nil {
		t.Error("the past does not say that it was erased")
	}
	// Written before there were keys: no key's end would erase it, so it is not said to be.
	bare := slices.Clone(c.events[:len(c.events)-1])
	for i := range bare {
		bare[i].Dossier = ""
	}
	if due := replay(t, bare, nil).DueDossiers(c.now.AddDate(50, 0, 0)); len(due) != 0 {
		t.Errorf("due: %v", due)
	}
}
