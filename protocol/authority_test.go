package protocol_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

func openRoster(t *testing.T, town *protocoltest.Town, changes ...func(*protocol.Roster)) *protocol.Roster {
	t.Helper()
	r, err := protocol.OpenRoster(town.Roster(1, changes...), town.Roots)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRosterNeedsTwoRoots(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	raw := town.Roster(1)
	lines := strings.SplitAfter(string(raw), "\n")
	oneSignature := []byte(strings.Join(lines[:len(lines)-2], ""))
	stranger, _ := protocoltest.Key(t, "root2.stad")
	forged, err := protocol.Countersign(oneSignature, stranger)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := protocol.Countersign(oneSignature, town.RootKeys[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"one root":             oneSignature,
		"one root and another": forged,
		"one root twice":       twice,
		"changed":              protocoltest.Change(t, raw, "hold-share 50", "hold-share 90"),
	} {
		if _, err := protocol.OpenRoster(bad, town.Roots); err == nil || !strings.Contains(err.Error(), "signed by") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := protocol.OpenRoster(twice, append(town.Roots, town.Roots[0])); err == nil {
		t.Error("a root pinned twice counts twice")
	}
	if r, err := protocol.OpenRoster(raw, town.Roots); err != nil || r.Current(start) != nil || r.Current(start.AddDate(2, 0, 0)) == nil {
		t.Errorf("a good roster: %v", err)
	}
}

// A software WebAuthn assertion by handler and approver proves level persons; each flaw in it does not.
func TestPasskeysProveLevelPersons(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	r := openRoster(t, town)
	grant := town.Grant("g-1", "cam-1", hour(-2))
	authorise := func(raw []byte) (protocol.Level, error) {
		t.Helper()
		s, err := protocol.ParseDocument(raw)
		if err != nil {
			t.Fatal(err)
		}
		return r.Authorise(s, protocol.WPG)
	}
	good := town.Compose(grant, protocoltest.Handler, protocoltest.Approver)
	if level, err := authorise(good); level != protocol.LevelPersons || err != nil {
		t.Fatalf("level %q, %v", level, err)
	}
	for name, spoil := range map[string]func(*protocoltest.Passkey){
		"another relying party": func(p *protocoltest.Passkey) { p.RP = "evil.example" },
		"not verified":          func(p *protocoltest.Passkey) { p.Flags = 0x01 },
		"not present":           func(p *protocoltest.Passkey) { p.Flags = 0x04 },
		"a registration":        func(p *protocoltest.Passkey) { p.Type = "webauthn.create" },
		"another key":           func(p *protocoltest.Passkey) { p.Key = town.People[protocoltest.Admin].Key },
	} {
		bad := *town.People[protocoltest.Approver]
		spoil(&bad)
		if level, err := authorise(bad.Sign(t, town.Compose(grant, protocoltest.Handler))); err == nil {
			t.Errorf("%s: level %q", name, level)
		}
	}
	for name, raw := range map[string][]byte{
		"handler only":    town.Compose(grant, protocoltest.Handler),
		"nobody":          town.Compose(grant),
		"handler twice":   town.Compose(grant, protocoltest.Handler, protocoltest.Handler),
		"second approver": town.Compose(grant, protocoltest.Handler, protocoltest.Approver2),
		"administrator":   town.Compose(grant, protocoltest.Handler, protocoltest.Admin),
		"one byte":        protocoltest.Change(t, good, "purpose opsporing", "purpose opsporinG"),
	} {
		if level, err := authorise(raw); err == nil {
			t.Errorf("%s: level %q", name, level)
		}
	}
	s, _ := protocol.ParseDocument(good)
	if _, err := r.Authorise(s, protocol.AVG); err == nil || !strings.Contains(err.Error(), "regime") {
		t.Errorf("a WPG grant for an AVG camera: %v", err)
	}
}

// Where the roster allows it the envelope vouches for who did not sign; a signature that is broken is refused all the same.
func TestLevelCentre(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	allowed := openRoster(t, town, func(r *protocol.Roster) { r.LevelCentre = true })
	grant := town.Grant("g-1", "cam-1", hour(-2))
	for _, c := range []struct {
		name string
		raw  []byte
		want protocol.Level
	}{
		{"both signed", town.Compose(grant, protocoltest.Handler, protocoltest.Approver), protocol.LevelPersons},
		{"one signed", town.Compose(grant, protocoltest.Handler), protocol.LevelCentre},
		{"nobody signed", town.Compose(grant), protocol.LevelCentre},
		{"changed after signing", protocoltest.Change(t, town.Compose(grant, protocoltest.Handler, protocoltest.Approver), "purpose opsporing", "purpose iets-anders"), ""},
		{"changed after one signed", protocoltest.Change(t, town.Compose(grant, protocoltest.Approver), "purpose opsporing", "purpose iets-anders"), ""},
	} {
		s, err := protocol.ParseDocument(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		level, err := allowed.Authorise(s, protocol.WPG)
		if level != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: level %q, %v; want %q", c.name, level, err, c.want)
		}
	}
	grant.Approver = protocoltest.Admin
	s, err := protocol.ParseDocument(town.Compose(grant))
	if err != nil {
		t.Fatal(err)
	}
	if level, err := allowed.Authorise(s, protocol.WPG); err == nil {
		t.Errorf("administrator as approver: level %q", level)
	}
}

func TestHoldsAndMandatesByApprovers(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	r := openRoster(t, town)
	two := []protocol.PersonID{protocoltest.Approver, protocoltest.Approver2}
	hold := func(days int, approvers []protocol.PersonID, signers ...protocol.PersonID) (protocol.Level, error) {
		t.Helper()
		h := town.Hold("h-1", "cam-1", hour(-2))
		h.End, h.Approvers = protocol.T(start.AddDate(0, 0, days)), approvers
		s, err := protocol.ParseDocument(town.Compose(h, signers...))
		if err != nil {
			t.Fatal(err)
		}
		return r.Authorise(s, protocol.WPG)
	}
	for _, c := range []struct {
		days      int
		approvers []protocol.PersonID
		signers   []protocol.PersonID
		want      protocol.Level
	}{
		{28, nil, nil, protocol.LevelOrder},
		{29, nil, nil, ""},
		{29, two, two, protocol.LevelPersons},
		{29, two, two[:1], ""},
		{28, two, nil, ""}, // who is named must have signed
		{29, []protocol.PersonID{protocoltest.Approver, protocoltest.Approver}, two, ""},
		{29, []protocol.PersonID{protocoltest.Approver, protocoltest.Handler}, []protocol.PersonID{protocoltest.Approver, protocoltest.Handler}, ""},
	} {
		if level, err := hold(c.days, c.approvers, c.signers...); level != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%d days, approvers %v, signed by %v: level %q, %v; want %q", c.days, c.approvers, c.signers, level, err, c.want)
		}
	}
}

// Fewer people, or others, destroy nothing: two different approvers of the camera's regime sign with their own keys. Every set of signers and names is tried.
func TestEraseByTwoApproversOnly(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	persons, centre := openRoster(t, town), openRoster(t, town, func(r *protocol.Roster) { r.LevelCentre = true })
	people := []protocol.PersonID{protocoltest.Approver, protocoltest.Approver2, protocoltest.Handler, protocoltest.Officer, protocoltest.Admin}
	isApprover := func(p protocol.PersonID) bool { return p == protocoltest.Approver || p == protocoltest.Approver2 }
	for _, a := range people {
		for _, b := range people {
			if a == b {
				continue // no such document: see TestDocumentsRefuse
			}
			for signed := range 1 << len(people) {
				var signers []protocol.PersonID
				for i, p := range people {
					if signed>>i&1 == 1 {
						signers = append(signers, p)
					}
				}
				e := town.Erase("e-1", "cam-1", hour(-2))
				e.Approvers = []protocol.PersonID{a, b}
				s, err := protocol.ParseDocument(town.Compose(e, signers...))
				if err != nil {
					t.Fatal(err)
				}
				seated, both := isApprover(a) && isApprover(b), slices.Contains(signers, a) && slices.Contains(signers, b)
				level, err := persons.Authorise(s, protocol.AVG)
				if want := seated && both; (err == nil) != want || want && level != protocol.LevelPersons {
					t.Errorf("%s and %s, signed by %v: level %q, %v", a, b, signers, level, err)
				}
				level, err = centre.Authorise(s, protocol.AVG)
				if (err == nil) != seated || seated && (level == protocol.LevelPersons) != both {
					t.Errorf("where the roster takes the centre's word, %s and %s, signed by %v: level %q, %v", a, b, signers, level, err)
				}
			}
		}
	}
}

func FuzzNewVerifier(f *testing.F) {
	town := protocoltest.NewTown(f, start)
	f.Add(town.OrderKey)
	f.Add(town.WitnessKey)
	f.Add(town.People[protocoltest.Handler].Verifier())
	f.Fuzz(func(t *testing.T, key string) {
		v, err := protocol.NewVerifier(key)
		if err == nil && (v.Name() == "" || !strings.HasPrefix(key, v.Name()+"+") || v.Verify([]byte("text\n"), []byte("not a signature"))) {
			t.Fatalf("key %q read as %q", key, v.Name())
		}
	})
}

// FuzzPasskeySignature feeds any bytes as an assertion: only the one that was made verifies, and nothing panics.
func FuzzPasskeySignature(f *testing.F) {
	key := protocoltest.NewPasskey(f, "p-1")
	v, err := protocol.NewVerifier(key.Verifier())
	if err != nil {
		f.Fatal(err)
	}
	text := []byte("beeldwacht/grant v1\n")
	other := protocol.HashOf([]byte("another text"))
	packed, err := protocol.PasskeySignature(key.Assert(f, other[:]))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add([]byte{0, 1, 0, 0, 3})
	f.Fuzz(func(t *testing.T, sig []byte) {
		if v.Verify(text, sig) {
			t.Fatalf("forged: %x", sig)
		}
	})
}

// A log that was rolled back goes on only when the privacy officer says so; from the moment the roster names the officer's key, only by that key.
func TestI13_ResumeByTheOfficerOnly(t *testing.T) {
	for _, c := range []struct {
		name   string
		key    bool // the roster names the officer's
		centre bool // the roster allows level centre
		change func(*protocol.Resume)
		signed []protocol.PersonID
		level  protocol.Level
		want   string
	}{
		{name: "signed by the officer", key: true, signed: []protocol.PersonID{protocoltest.Officer}, level: protocol.LevelPersons},
		{name: "not signed", key: true, want: "has not signed"},
		{name: "not signed, though the roster allows level centre", key: true, centre: true, want: "has not signed"},
		{name: "signed by an approver", key: true, centre: true, signed: []protocol.PersonID{protocoltest.Approver}, want: "has not signed"},
		{name: "names an approver", key: true, change: func(r *protocol.Resume) { r.Officer = protocoltest.Approver }, signed: []protocol.PersonID{protocoltest.Approver}, want: "not the privacy officer"},
		{name: "no key in the roster, level centre", centre: true, level: protocol.LevelCentre},
		{name: "no key in the roster, no level centre", want: "has not signed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			town := protocoltest.NewTown(t, start)
			key := town.People[protocoltest.Officer].Verifier()
			r, err := protocol.OpenRoster(town.Roster(1, func(r *protocol.Roster) {
				r.LevelCentre = c.centre
				r.OfficerKey = ""
				if c.key {
					r.OfficerKey = key
				}
			}), town.Roots)
			if err != nil {
				t.Fatal(err)
			}
			resume := town.Resume("r-1", 2)
			if c.change != nil {
				c.change(resume)
			}
			s, err := protocol.ParseDocument(town.Compose(resume, c.signed...))
			if err != nil {
				t.Fatal(err)
			}
			level, err := r.Authorise(s, "")
			if level != c.level || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("level %q, %v; want %q, %q", level, err, c.level, c.want)
			}
		})
	}
}

func TestLogOrigin(t *testing.T) {
	const first = "rec-1.stad/beeldwacht"
	for log, want := range map[uint64]string{0: first, 1: first, 2: first + "/2", 10: first + "/10"} {
		if got := protocol.LogOrigin(first, log); got != want {
			t.Errorf("log %d is named %q, want %q", log, got, want)
		}
		if f, n := protocol.ParseLogOrigin(want); f != first || n != max(log, 1) {
			t.Errorf("%q is log %d of %q", want, n, f)
		}
	}
	for _, odd := range []string{first + "/1", first + "/0", first + "/02", first + "/+2", first + "/", first + "/-2", first + "/9007199254740993", "", "/", "2"} {
		if f, n := protocol.ParseLogOrigin(odd); f != odd || n != 1 {
			t.Errorf("%q is log %d of %q: it is the successor of none", odd, n, f)
		}
	}
}
