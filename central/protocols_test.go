package central

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// R3: what a protocol must say is asked, field by field, in both languages.
func TestR03_AProtocolSaysEverythingItMust(t *testing.T) {
	c := newCentre(t)
	next := func(change func(*CameraProtocol)) AdoptProtocol {
		p := buildings()
		p.Version = 2
		change(&p)
		return AdoptProtocol{registrar, p}
	}
	for says, change := range map[string]func(*CameraProtocol){
		"De volgende versie is 2":            func(p *CameraProtocol) { p.Version = 1 },
		"wisselt niet van regime":            func(p *CameraProtocol) { p.Regime = protocol.WPG },
		"titel":                              func(p *CameraProtocol) { p.Title = " " },
		"grondslag":                          func(p *CameraProtocol) { p.Bases = nil },
		"die bij het regime past":            func(p *CameraProtocol) { p.Bases = []Basis{PublicOrder} },
		"langer dan 28 dagen":                func(p *CameraProtocol) { p.Window = protocol.MaxWindow + protocol.Window(time.Second) },
		"ten hoogste 90 dagen":               func(p *CameraProtocol) { p.LongestHold = protocol.Window(91 * 24 * time.Hour) },
		"doel":                               func(p *CameraProtocol) { p.Purposes = nil },
		"of en hoe er wordt gekeken":         func(p *CameraProtocol) { p.Form = "" },
		"wie volgens dit protocol werken":    func(p *CameraProtocol) { p.Roles = []Role{Officer} },
		"hoe bekijken gaat":                  func(p *CameraProtocol) { p.Viewing = "" },
		"hoe verstrekken gaat":               func(p *CameraProtocol) { p.Release = "" },
		"hoe herkenbaar":                     func(p *CameraProtocol) { p.Recognisability = "" },
		"beveiligd":                          func(p *CameraProtocol) { p.Security = "" },
		"ondernemingsraad":                   func(p *CameraProtocol) { p.WorksCouncil = "" },
		"wie het protocol heeft vastgesteld": func(p *CameraProtocol) { p.AdoptedBy = "" },
		"datum van vaststelling":             func(p *CameraProtocol) { p.AdoptedOn = day(1) },
		"gepubliceerd":                       func(p *CameraProtocol) { p.Published = "" },
		"niet voor de vaststelling":          func(p *CameraProtocol) { p.ValidFrom = day(-31) },
		"niet voor de vorige":                func(p *CameraProtocol) { p.AdoptedOn, p.ValidFrom = day(-40), day(-35) },
		"tot wanneer het protocol geldt":     func(p *CameraProtocol) { p.ValidTo = day(-1) },
		"binnen vijf jaar":                   func(p *CameraProtocol) { p.Review = day(6 * 365) },
		"opnieuw wordt bekeken":              func(p *CameraProtocol) { p.Review = protocol.Time{} },
		"het bestand met de tekst":           func(p *CameraProtocol) { p.Document = protocol.Hash{} },
		"niet ook als controlemiddel of iets bestaat niet": func(p *CameraProtocol) { p.Purposes = []Purpose{"x"} },
	} {
		_, err := c.try(next(change))
		r, ok := RefusalOf(err)
		if strings.Contains(says, "bestaat niet") {
			says = "bestaat niet"
		}
		if !ok || !strings.Contains(r.NL, says) || r.EN == "" || r.EN == r.NL {
			t.Errorf("%q: %v", says, err)
		}
	}
	for _, p := range []protocol.PersonID{admin, officer, handler, approver, requester, staff} {
		cmd := next(func(*CameraProtocol) {})
		cmd.By = p
		c.refused(cmd, CodeForbidden)
		c.refused(DraftProtocol{p, cmd.CameraProtocol}, CodeForbidden)
	}
	c.do(next(func(p *CameraProtocol) { p.ValidFrom = day(20) }))
	if at := c.s.Adopted(ProtocolRef{"gebouwen", 2}); at.By != registrar || !at.At.Equal(c.now) {
		t.Errorf("%+v", at)
	}
}

// R3: an unfinished draft is kept and read; the next version says what differs; the earlier one ends when it begins.
func TestR03_R26_VersionsAreDraftedDatedAndCompared(t *testing.T) {
	c := newCentre(t)
	draft := CameraProtocol{ID: "museum", Version: 1, Title: "Museum", Regime: protocol.AVG}
	c.refused(DraftProtocol{registrar, CameraProtocol{ID: "Museum!", Version: 1, Regime: protocol.AVG}}, CodeInvalid)
	c.do(DraftProtocol{registrar, draft})
	if got := c.s.DraftOf("museum"); got == nil || got.By != registrar || len(c.s.Protocols()) != 2 {
		t.Errorf("%+v", got)
	}
	next := buildings()
	next.Version, next.Window, next.ValidFrom = 2, protocol.Window(3*24*time.Hour), day(20)
	c.do(DraftProtocol{registrar, next})
	c.do(AdoptProtocol{registrar, next})
	if c.s.DraftOf("gebouwen") != nil {
		t.Error("what was adopted is a draft still")
	}
	v1, v2 := c.s.Protocol(ProtocolRef{"gebouwen", 1}), c.s.NewestProtocol("gebouwen")
	if v2.Version != 2 || !c.s.ProtocolUntil(v1).Equal(day(20).Time) || !c.s.ProtocolUntil(v2).IsZero() {
		t.Errorf("v1 until %s", c.s.ProtocolUntil(v1))
	}
	var changed []string
	for _, x := range v2.Changes(v1) {
		changed = append(changed, fmt.Sprintf("%s: %v → %v", x.Label.NL, x.Was, x.Is))
	}
	if got := strings.Join(changed, "; "); got != "Bewaartermijn: P7D → P3D; Geldig vanaf: "+v1.ValidFrom.String()+" → "+v2.ValidFrom.String() {
		t.Error(got)
	}
	// Nothing can be put under a version that does not hold yet, or no longer.
	rules := Rules{Protocol: ProtocolRef{"gebouwen", 2}}
	c.refused(ChangeRules{By: approver, Camera: "hal", Rules: rules, Reason: "korter"}, CodeNotReady)
	c.now = day(20).Time
	c.do(ChangeRules{By: approver, Camera: "hal", Rules: rules, Reason: "korter"})
}

// R3: a protocol's users are reminded from the day it is recorded, have a term, and then act no more until they have read it; who comes later reads first.
func TestR03_UsersReadAProtocolBeforeTheyAct(t *testing.T) {
	c := newCentre(t)
	next := buildings()
	next.Version, next.Form = 2, ViewAfterwards
	c.do(AdoptProtocol{registrar, next})
	c.do(ChangeRules{By: registrar, Camera: "hal", Rules: Rules{Protocol: ProtocolRef{"gebouwen", 2}}, Reason: "versie 2"})
	for p, want := range map[protocol.PersonID]int{handler: 1, approver: 1, requester: 1, staff: 1, officer: 0, registrar: 0, admin: 0, policeH: 0} {
		if got := topics(c, p, TopicProtocol); len(got) != want {
			t.Errorf("%s is told %v", p, got)
		}
	}
	c.do(FileRequest{requester, theft()}) // no door is shut on the first day
	c.confirm("z-1")
	c.now = day(14).Time
	again := theft()
	again.Asked = protocol.Span(c.now.Add(-time.Hour), c.now.Add(-50*time.Minute))
	_, err := c.try(FileRequest{requester, again})
	if r, ok := RefusalOf(err); !ok || r.Code != CodeUnread || !strings.Contains(r.NL, `"Cameraprotocol gebouwen" (versie 2)`) || !strings.Contains(r.NL, "pagina Protocollen") {
		t.Fatalf("%v", err)
	}
	c.refused(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true}, CodeUnread)
	c.refused(FileRequest{staff, RequestFacts{Kind: Provisional, Cameras: again.Cameras, Asked: again.Asked, Reference: "x", Necessity: "x"}}, CodeUnread)
	c.refused(AcknowledgeProtocol{handler, ProtocolRef{"gebouwen", 3}}, CodeUnknown)
	c.refused(AcknowledgeProtocol{"p-nobody", ProtocolRef{"gebouwen", 2}}, CodeForbidden)
	for _, p := range []protocol.PersonID{requester, handler, approver} {
		c.do(AcknowledgeProtocol{p, ProtocolRef{"gebouwen", 2}})
	}
	if len(c.do(AcknowledgeProtocol{handler, ProtocolRef{"gebouwen", 2}})) != 0 {
		t.Error("acknowledged twice")
	}
	c.do(FileRequest{requester, again})
	c.do(CheckRequest{By: handler, Request: "z-1", Complete: true, Necessary: true})
	c.do(DecideRequest{By: approver, Request: "z-1", Outcome: Grants, Reason: Complies, Motivation: "x", Approved: c.approved("z-1")})
	c.do(appoint("p-c", "", Post{Handler, protocol.AVG})) // comes later, reads first
	c.confirm("z-2")
	c.refused(CheckRequest{By: "p-c", Request: "z-2", Complete: true, Necessary: true}, CodeUnread)

	// What a protocol says of viewing is done.
	c.do(AcknowledgeProtocol{staff, ProtocolRef{"gebouwen", 2}})
	_, err = c.try(FileRequest{staff, RequestFacts{Kind: Standing, Purpose: Buildings, Cameras: again.Cameras, Reference: "dienst", Necessity: "toezicht", ViewerKey: viewer(t), Until: protocol.T(c.now.Add(time.Hour))}})
	if r, ok := RefusalOf(err); !ok || !strings.Contains(r.NL, "kijkt niemand live mee") {
		t.Errorf("%v", err)
	}
}

// A version that was adopted before roles were recorded reminds its users and shuts no door.
func TestR03_AnOldProtocolShutsNoDoor(t *testing.T) {
	c := newCentre(t)
	old := *c.s.Protocol(ProtocolRef{"gebouwen", 1})
	old.ID, old.Bases, old.Roles, old.Form, old.Review, old.ValidFrom, old.Document = "oud", nil, nil, "", protocol.Time{}, protocol.Time{}, protocol.Hash{}
	under := c.s.placements["hal"].PlacementFacts
	under.Protocol = ProtocolRef{"oud", 1}
	for _, f := range []Fact{&ProtocolAdopted{old}, &PlacementAmended{under}} {
		if err := c.s.Apply(Event{Seq: c.s.Size, Time: protocol.T(c.now), By: registrar, Fact: f}); err != nil {
			t.Fatal(err)
		}
	}
	c.now = day(60).Time
	f := theft()
	f.Asked = protocol.Span(c.now.Add(-time.Hour), c.now.Add(-50*time.Minute))
	c.do(FileRequest{requester, f})
	if got := topics(c, requester, TopicProtocol); len(got) != 1 || got[0] != "oud" {
		t.Errorf("no reminder: %v", got)
	}
}

// R3 (V:57): the annex says where the cameras of a protocol are, from the register.
func TestR03_TheAnnexIsTheRegisters(t *testing.T) {
	c := newCentre(t)
	draft := hall()
	draft.Camera = "balie"
	c.do(RegisterPlacement{registrar, draft})
	list := c.s.Under("gebouwen")
	if len(list) != 1 || list[0].Camera != "hal" || list[0].Place != "hoofdingang" {
		t.Errorf("%+v", list)
	}
}

// R19, R31: an agreement says what the policy lists, by what the organisation is.
func TestR31_AnAgreementSaysWhatThePolicyAsks(t *testing.T) {
	c := newCentre(t)
	unit := func(kind UnitKind, change func(*Unit)) AgreeUnit {
		u := covenant("beheer", "Verseon 2026-881", day(365))
		u.Kind, u.Model = kind, "2023"
		change(&u)
		return AgreeUnit{admin, u}
	}
	for says, change := range map[string]func(*Unit){
		"wat voor organisatie":            func(u *Unit) { u.Kind = "" },
		"kenmerk van de afspraak":         func(u *Unit) { u.Agreement = "" },
		"versie van het IBD-model":        func(u *Unit) { u.Model = "" },
		"wie waarvoor verantwoordelijk":   func(u *Unit) { u.Parties = "" },
		"met welk doel":                   func(u *Unit) { u.Goals = "" },
		"bijzondere persoonsgegevens":     func(u *Unit) { u.Special = "" },
		"betrokkenen worden geïnformeerd": func(u *Unit) { u.Informing = "" },
		"belangrijkste verwerkingen":      func(u *Unit) { u.Processings = "" },
		"hun rechten":                     func(u *Unit) { u.Rights = "" },
		"vanaf wanneer en tot wanneer":    func(u *Unit) { u.ValidFrom = protocol.Time{} },
		"binnen vijf jaar":                func(u *Unit) { u.Review = day(6 * 365) },
		"einddatum in de toekomst":        func(u *Unit) { u.ValidUntil = day(-1) },
		"kenmerk van de organisatie":      func(u *Unit) { u.ID = "Beheer BV" },
	} {
		_, err := c.try(unit(Processor, change))
		if r, ok := RefusalOf(err); !ok || !strings.Contains(r.NL, says) || r.EN == "" {
			t.Errorf("%q: %v", says, err)
		}
	}
	c.do(unit(ChainPartner, func(u *Unit) { u.ID, u.Model = "boa", "" })) // a covenant follows no model
	c.do(unit(Supplier, func(u *Unit) {
		u.ID, u.AgreementFacts = "kabel", AgreementFacts{Kind: Supplier, ValidFrom: day(-1), Review: day(100)}
	})) // and a supplier without footage has no processings
	for _, p := range []protocol.PersonID{registrar, officer, handler, requester} {
		cmd := unit(Processor, func(*Unit) {})
		cmd.By = p
		c.refused(cmd, CodeForbidden)
	}
	c.do(unit(Processor, func(*Unit) {}))
	c.refused(appoint("p-x", "beheer", Post{Role: Requester}), CodeUnknown) // a processor's people ask nothing here
	c.refused(unit(Processor, func(u *Unit) { u.ID = "basisteam" }), CodeState)
}

// R19: a camera whose footage others process is not activated without their valid agreement.
func TestR19_AProcessorNeedsAnAgreement(t *testing.T) {
	c := newCentre(t)
	p := hall()
	p.Camera, p.Processor = "balie", "beheer"
	c.do(RegisterPlacement{registrar, p})
	c.refused(Activate{registrar, "balie"}, CodeUnknown)
	u := covenant("beheer", "Verseon 2026-881", day(365))
	c.do(AgreeUnit{admin, u})
	c.refused(Activate{registrar, "balie"}, CodeNotReady) // a covenant is not a processor agreement
	u.ID, u.Kind, u.Model = "camerabeheer", Processor, "2023"
	c.do(AgreeUnit{admin, u})
	p.Processor = "camerabeheer"
	c.do(AmendPlacement{By: registrar, PlacementFacts: p})
	c.do(Activate{registrar, "balie"})
}

// R19 (N:614): agreements are checked, and one that is broken is ended at once: nothing more is asked, decided or fetched under it.
func TestR19_AgreementsAreCheckedAndEnded(t *testing.T) {
	c := newCentre(t)
	r := c.granted(requester, handler, approver, theft())
	c.do(RecordRelease{c.source(), released(r.Grants[0])})
	check := AgreementCheck{Unit: "basisteam", On: day(-1), Finding: "zeven downloads nagezien"}
	for _, p := range []protocol.PersonID{admin, handler, requester} {
		c.refused(CheckAgreement{p, check}, CodeForbidden)
	}
	c.refused(CheckAgreement{officer, AgreementCheck{Unit: "basisteam", On: day(1), Finding: "x"}}, CodeInvalid)
	c.refused(CheckAgreement{officer, AgreementCheck{Unit: "basisteam", On: day(-1)}}, CodeInvalid)
	c.refused(CheckAgreement{officer, AgreementCheck{Unit: "nergens", On: day(-1), Finding: "x"}}, CodeUnknown)
	c.do(CheckAgreement{officer, check})
	if got := c.s.Dealings("basisteam"); len(got.Checks) != 1 || got.Checks[0].Kept {
		t.Errorf("%+v", got)
	}
	if got := lineOf(c.s.Account(2026), "keer naleving van een afspraak nagegaan"); got != 1 {
		t.Errorf("the account counts %d checks", got)
	}
	for _, p := range []protocol.PersonID{registrar, officer, handler} {
		c.refused(EndAgreement{p, "basisteam", "x"}, CodeForbidden)
	}
	c.refused(EndAgreement{admin, "basisteam", ""}, CodeInvalid)
	c.do(EndAgreement{admin, "basisteam", "beelden doorgegeven aan een krant"})
	c.refused(EndAgreement{admin, "basisteam", "nogmaals"}, CodeState)
	c.refused(FileRequest{requester, theft()}, CodeInactive)
	c.refused(RecordDownload{requester, r.ID, r.Grants[0].GrantID()}, CodeInactive)
	c.do(Tend{})
	if r.Grants[0].Voided == nil {
		t.Error("what was not fetched is still to be had")
	}
}

// R19, R23: what lapses soon, or had to be looked at, is brought to who sees to it.
func TestR19_R23_WhatLapsesSoonIsToldInTime(t *testing.T) {
	c := newCentre(t)
	c.do(PublishStatement{registrar, statement(1)})
	if got := c.s.Reviews(c.now); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	seen := func() string {
		var list []string
		for _, r := range c.s.Reviews(c.now) {
			list = append(list, fmt.Sprintf("%s %s %d", r.Topic, r.Key, int(r.Due.Sub(c.now).Hours()/24)))
		}
		return strings.Join(list, ", ")
	}
	c.now = day(365 - 59).Time
	if got := seen(); got != "unit basisteam -6, unit recherche -6, unit basisteam 59, unit recherche 59" {
		t.Error(got)
	}
	if len(topics(c, admin, TopicUnit)) != 4 || len(topics(c, officer, TopicUnit)) != 0 {
		t.Errorf("the administrator is told %v", topics(c, admin, TopicUnit))
	}
	c.do(EndPlacement{By: approver, Camera: "hal", Ending: Withdraw, Reason: "x"})
	c.do(EndPlacement{By: approver2, Camera: "hal", Ending: Withdraw, Reason: "x"})
	c.now = day(699).Time
	if got := seen(); !strings.Contains(got, "protocol straat 1") || strings.Contains(got, "gebouwen") { // no camera is under that any more
		t.Error(got)
	}
	c.now = day(1000).Time
	if got := topics(c, registrar, TopicStatement); len(got) != 1 || got[0] != "privacyverklaring" {
		t.Errorf("the registrar is told %v", got)
	}
}

func statement(version int) Statement {
	return Statement{Kind: PrivacyStatement, Version: version, Text: fmt.Sprintf("Versie %d.\n\nPersoonsgegevens zijn privé.", version), AdoptedBy: "college", AdoptedOn: day(-5), ValidFrom: day(-5), Review: day(900)}
}

// R26 (V:85): statements have versions and dates; an earlier version stays readable, and what is inside stays inside.
func TestR26_StatementsAreDatedVersions(t *testing.T) {
	c := newCentre(t)
	for says, change := range map[string]func(*Statement){
		"welk stuk":               func(s *Statement) { s.Kind = "folder" },
		"De volgende versie is 1": func(s *Statement) { s.Version = 2 },
		"de tekst":                func(s *Statement) { s.Text = "\n" },
		"te lang":                 func(s *Statement) { s.English = strings.Repeat("x", MaxStatement) },
		"wie het heeft":           func(s *Statement) { s.AdoptedBy = "" },
		"datum van vaststelling":  func(s *Statement) { s.AdoptedOn = day(1) },
		"vanaf wanneer":           func(s *Statement) { s.ValidFrom = day(-6) },
		"binnen vijf jaar":        func(s *Statement) { s.Review = day(6 * 365) },
	} {
		one := statement(1)
		change(&one)
		_, err := c.try(PublishStatement{registrar, one})
		if r, ok := RefusalOf(err); !ok || !strings.Contains(r.NL, says) {
			t.Errorf("%q: %v", says, err)
		}
	}
	for _, p := range []protocol.PersonID{admin, officer, approver, requester} {
		c.refused(PublishStatement{p, statement(1)}, CodeForbidden)
	}
	c.do(PublishStatement{registrar, statement(1)})
	second := statement(2)
	second.ValidFrom = day(30)
	c.do(PublishStatement{registrar, second})
	docs := c.s.PublicDocuments()
	if len(docs) != 4 || docs[0].Version != 2 || docs[1].Version != 1 || !docs[1].Until.Equal(day(30).Time) || !docs[1].InForce(c.now) || docs[0].InForce(c.now) || docs[1].Text.NL == "" {
		t.Fatalf("%+v", docs)
	}
	for _, d := range docs[2:] {
		for _, line := range d.Lines {
			if line.Label.NL == "Beveiliging" {
				t.Error("how footage is secured is public")
			}
		}
	}
	c.do(DraftProtocol{registrar, CameraProtocol{ID: "museum", Version: 1, Regime: protocol.AVG}})
	if len(c.s.PublicDocuments()) != 4 {
		t.Error("a draft is public")
	}
}
