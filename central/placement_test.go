package central

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// says what a refusal must say, in Dutch.
func (c *centre) refusedSaying(cmd Command, code string, words ...string) {
	c.t.Helper()
	_, err := c.try(cmd)
	r, ok := RefusalOf(err)
	if !ok || r.Code != code {
		c.t.Fatalf("%T: %v, want the refusal %s", cmd, err, code)
	}
	for _, w := range words {
		if !strings.Contains(r.NL, w) {
			c.t.Errorf("%T: %q does not say %q", cmd, r.NL, w)
		}
	}
}

// draft registers another camera like the hall, changed.
func (c *centre) draft(id protocol.CameraID, change func(*PlacementFacts)) PlacementFacts {
	c.t.Helper()
	p := hall()
	p.Camera = id
	change(&p)
	c.do(RegisterPlacement{registrar, p})
	return p
}

func TestR04_WindowWithinCapProtocolAndSelectionList(t *testing.T) {
	c := newCentre(t)
	for _, cap := range WindowCaps {
		if cap.Window.Valid() != nil || cap.Source == "" || cap.From == "" || CapOf(cap.Regime).Window != cap.Window {
			t.Errorf("cap %+v", cap)
		}
	}
	c.draft("lang", func(p *PlacementFacts) { p.Keep = protocol.Window(8 * 24 * time.Hour) })
	c.refusedSaying(Activate{registrar, "lang"}, CodeInvalid, "ten hoogste P7D", "nieuwe versie van het protocol")
	c.draft("code", func(p *PlacementFacts) { p.Selection = "" })
	c.refusedSaying(Activate{registrar, "code"}, CodeNotReady, "selectielijst")
	bad := hall()
	bad.Camera, bad.Selection = "fout", "ergens in 20"
	c.refused(RegisterPlacement{registrar, bad}, CodeInvalid)
	c.draft("kort", func(p *PlacementFacts) { p.Keep = protocol.Window(48 * time.Hour) })
	c.do(Activate{registrar, "kort"})
	if m := lastOrder[*protocol.Mandate](c); m.Window != protocol.Window(48*time.Hour) {
		t.Errorf("mandate %+v", m)
	}
}

// Less takes two approvers and goes to the recorder with both their names; more is the registrar's, no further than the protocol.
func TestR04_TheWindowOfACameraInUse(t *testing.T) {
	c := newCentre(t)
	keep := func(days int) Rules {
		return Rules{ProtocolRef{"gebouwen", 1}, protocol.Window(time.Duration(days) * 24 * time.Hour)}
	}
	change := func(by protocol.PersonID, r Rules) ChangeRules {
		return ChangeRules{By: by, Camera: "hal", Rules: r, Reason: "korter kan ook"}
	}
	for _, p := range []protocol.PersonID{admin, officer, handler, requester, staff, policeA, "p-nobody"} {
		c.refused(change(p, keep(2)), CodeForbidden)
	}
	c.refused(change(registrar, keep(2)), CodeForbidden) // less is not the registrar's
	c.refused(change(approver, keep(8)), CodeInvalid)
	c.refused(ChangeRules{By: approver, Camera: "hal", Rules: keep(2)}, CodeInvalid) // why
	orders := len(c.s.Recorder("rec-1").Orders)
	c.do(change(approver, keep(2)))
	c.refused(change(approver, keep(2)), CodeSamePerson)
	c.do(change(approver2, keep(1))) // something else: a first signature again
	if p := c.s.Placement("hal"); len(c.s.Recorder("rec-1").Orders) != orders || p.Keep != 0 || p.Proposed.Rules != keep(1) {
		t.Fatalf("one approver shortened a window: %+v", p)
	}
	if got := c.tasks(approver, "ending"); len(got) != 1 {
		t.Errorf("the first approver's tasks: %v", got)
	}
	c.do(change(approver, keep(1)))
	m := lastOrder[*protocol.Mandate](c)
	if m.Window != keep(1).Keep || m.Version != 2 || !slices.Equal(m.Approvers, []protocol.PersonID{approver2, approver}) || !m.NotAfter.Equal(day(300).Time) || m.NotBefore.After(c.now) {
		t.Errorf("mandate %+v", m)
	}
	if p := c.s.Placement("hal"); p.Proposed != nil || p.Status != Active || p.Window() != keep(1).Keep {
		t.Errorf("placement %+v", p)
	}
	c.refused(change(approver, keep(1)), CodeState)

	// Longer again, up to the protocol; beyond it a new version must be adopted first.
	c.refused(change(approver, keep(3)), CodeForbidden)
	c.refusedSaying(change(registrar, keep(14)), CodeInvalid, "nieuwe versie van het protocol")
	c.do(change(registrar, keep(3)))
	if m := lastOrder[*protocol.Mandate](c); m.Window != keep(3).Keep || len(m.Approvers) != 0 {
		t.Errorf("mandate %+v", m)
	}
	two := *c.s.Protocol(ProtocolRef{"gebouwen", 1})
	two.Version, two.Window = 2, protocol.Window(14*24*time.Hour)
	c.do(AdoptProtocol{registrar, two})
	c.do(change(registrar, Rules{Protocol: ProtocolRef{"gebouwen", 2}}))
	if m := lastOrder[*protocol.Mandate](c); m.Window != two.Window || m.Protocol != "gebouwen v2" {
		t.Errorf("mandate %+v", m)
	}
	c.do(EndPlacement{approver, "hal", Suspend, "verbouwing"})
	c.do(EndPlacement{approver2, "hal", Suspend, "verbouwing"})
	c.refused(change(approver, keep(1)), CodeState)
}

func TestR07_AnOwnerForEachLetterBeforeActivation(t *testing.T) {
	c := newCentre(t)
	p := c.draft("nieuw", func(p *PlacementFacts) { p.Owners = Owners{Responsible: "teammanager", Consulted: "privacy officer"} })
	if got := c.s.Placement("nieuw").Owners.Accountable; got != College {
		t.Errorf("accountable is %q, not the college", got)
	}
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, "RASCI", "S, I")
	p.Owners = hall().Owners
	c.do(AmendPlacement{registrar, p})
	c.do(Activate{registrar, "nieuw"})
	p.Owners.Supporting = ""
	c.refusedSaying(AmendPlacement{registrar, p}, CodeNotReady, "nog open: S") // nor is one taken away in use
}

func TestR12_NoActivationWithoutAssessmentAndAdvice(t *testing.T) {
	c := newCentre(t)
	c.refused(RegisterPlacement{registrar, func() PlacementFacts { p := hall(); p.Camera, p.DPIA = "x", "nergens"; return p }()}, CodeUnknown)
	p := c.draft("nieuw", func(p *PlacementFacts) { p.DPIA = "" })
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, "Kies eerst de DPIA")

	for _, by := range []protocol.PersonID{admin, officer, approver, handler, requester, staff} {
		c.refused(RecordDPIA{by, assessment()}, CodeForbidden)
	}
	fresh := assessment()
	fresh.ID = "balie"
	for what, change := range map[string]func(*DPIA){
		"id": func(a *DPIA) { a.ID = "Balie Één" }, "title": func(a *DPIA) { a.Title = " " }, "reference": func(a *DPIA) { a.Reference = "" }, "tomorrow": func(a *DPIA) { a.Date = day(1) },
		"no score": func(a *DPIA) { a.Score = 0 }, "too much": func(a *DPIA) { a.Score = MaxScore + 1 }, "review is over": func(a *DPIA) { a.Review = day(0) },
	} {
		t.Log(what)
		bad := fresh
		change(&bad)
		c.refused(RecordDPIA{registrar, bad}, CodeInvalid)
	}
	c.do(RecordDPIA{registrar, fresh})
	p.DPIA = "balie"
	c.do(AmendPlacement{registrar, p})
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, "nog niet geadviseerd over DPIA balie")
	advice := AdviseDPIA{officer, "balie", Advice{"ja", "model", "zelf", "afschermen", "ja"}}
	for _, by := range []protocol.PersonID{admin, registrar, approver, handler} {
		other := advice
		other.By = by
		c.refused(other, CodeForbidden)
	}
	for i := range Questions { // each of the five questions has its answer (N:345–357)
		part := advice
		*[]*string{&part.Whether, &part.Method, &part.Who, &part.Safeguards, &part.Correct}[i] = ""
		c.refusedSaying(part, CodeInvalid, Questions[i].NL)
	}
	if n := len(c.topics(officer, TopicDPIA)); n != 1 {
		t.Errorf("%d DPIAs wait for the officer's advice", n)
	}
	c.do(advice)
	c.do(Activate{registrar, "nieuw"})

	// A revision needs advice anew; what is in use stays in use, and shows it.
	fresh.Date = day(0)
	c.do(RecordDPIA{registrar, fresh})
	if got := c.lacks("nieuw"); c.s.Placement("nieuw").Status != Active || !strings.Contains(got, "nog niet geadviseerd") {
		t.Errorf("%s", got)
	}
	c.do(advice)
	if got := c.lacks("nieuw"); got != "" {
		t.Error(got)
	}
	c.now = fresh.Review.Time
	if got := c.lacks("nieuw"); !strings.Contains(got, "opnieuw worden bekeken") {
		t.Error(got)
	}
	if len(c.topics(registrar, TopicDPIA)) == 0 {
		t.Error("nobody is told that a DPIA must be revised")
	}
}

// The higher the score, the more robust the controls (N:474), by a table that the municipality may replace.
func TestR12_ScoreDecidesMinimumControls(t *testing.T) {
	c := newCentre(t)
	if DefaultControls.Source == "" {
		t.Error("the default has no source")
	}
	for score := 1; score < MaxScore; score++ {
		if less, more := DefaultControls.Needed(score), DefaultControls.Needed(score+1); len(more) < len(less) {
			t.Errorf("score %d asks less than %d", score+1, score)
		}
	}
	high := assessment()
	high.ID, high.Score = "hoog", 20
	c.do(RecordDPIA{registrar, high})
	c.do(AdviseDPIA{officer, "hoog", Advice{"ja", "model", "uitbesteden", "alles", "ja"}})
	p := c.draft("nieuw", func(p *PlacementFacts) {
		p.DPIA, p.Masks, p.NoMasks, p.Sign = "hoog", "", "er is niets dan een deur", Sign{Exception: "binnen"}
		p.Quality, p.QualityReason, p.Smart, p.SmartReason = Identify, "kassa", []SmartFunction{"counting"}, "drukte"
	})
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, ControlMasks.Words().NL, ControlSign.Words().NL, ControlObserve.Words().NL, ControlNoSmart.Words().NL, ControlTestPass.Words().NL)
	p.Masks, p.NoMasks, p.Sign, p.Quality, p.Smart = "de straat", "", Sign{Placed: day(-1)}, Observe, nil
	c.do(AmendPlacement{registrar, p})
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, ControlTestPass.Words().NL)
	tested := func(passed bool) RecordControlTest {
		return RecordControlTest{officer, "nieuw", ControlTest{ControlMasks, day(-1), passed, "proefbeeld bekeken"}}
	}
	c.do(tested(false))
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, ControlMasks.Words().NL) // it is drawn, and does not work
	c.do(tested(true))
	c.do(Activate{registrar, "nieuw"})

	// Nothing that the score asks is taken away in use.
	p.Quality, p.QualityReason = Identify, "toch"
	c.refusedSaying(AmendPlacement{registrar, p}, CodeNotReady, ControlObserve.Words().NL)
	p.Quality, p.Masks, p.NoMasks = Observe, "", "niet nodig"
	c.refusedSaying(AmendPlacement{registrar, p}, CodeNotReady, ControlMasks.Words().NL)
	if due := c.s.ConfirmDue(c.s.Placement("nieuw"), c.now); !due.Equal(months(protocol.T(c.now), 6).Time) {
		t.Errorf("due %s: score 20 asks every half year", due)
	}

	// A table of one's own, from its date.
	own := ControlTable{From: day(10), Source: "collegebesluit 2026-88", Steps: []ControlStep{{5, []Control{ControlWindow7}}}}
	for _, by := range []protocol.PersonID{admin, officer, approver, handler} {
		c.refused(AdoptControls{by, own}, CodeForbidden)
	}
	c.refused(AdoptControls{registrar, ControlTable{From: day(10), Steps: own.Steps}}, CodeInvalid)
	c.refused(AdoptControls{registrar, ControlTable{From: day(10), Source: "x", Steps: []ControlStep{{5, []Control{"hope"}}}}}, CodeInvalid)
	c.do(AdoptControls{registrar, own})
	if got := c.s.ControlsAt(day(9).Time); got.Source != DefaultControls.Source {
		t.Errorf("before its date: %+v", got)
	}
	if got := c.s.ControlsAt(day(10).Time); got.Source != own.Source || !slices.Equal(got.Needed(20), []Control{ControlWindow7}) {
		t.Errorf("from its date: %+v", got)
	}
}

func TestR12_TheWorksCouncilConsentsWhereStaffAreFilmed(t *testing.T) {
	c := newCentre(t)
	p := c.draft("nieuw", func(p *PlacementFacts) { p.FilmsStaff = "" })
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, "of personeel in beeld komt")
	p.FilmsStaff = Yes
	c.do(AmendPlacement{registrar, p})
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, "ondernemingsraad")
	p.Council = Council{Reference: "OR-1", Date: day(1)}
	c.refused(AmendPlacement{registrar, p}, CodeInvalid)
	p.Council.Date = day(-1)
	c.do(AmendPlacement{registrar, p})
	c.do(Activate{registrar, "nieuw"})
	// A WPG camera looks at the street: nobody asks its works council, but the prosecutor is consulted and the area known.
	w := square()
	w.Camera, w.Besluit.Prosecutor = "straat", protocol.Time{}
	c.do(RegisterPlacement{registrar, w})
	c.refusedSaying(Activate{registrar, "straat"}, CodeNotReady, "officier van justitie")
	w.Besluit.Prosecutor, w.Besluit.Area = day(-25), ""
	c.do(AmendPlacement{registrar, w})
	c.refusedSaying(Activate{registrar, "straat"}, CodeNotReady, "het gebied")
	w.Besluit.Area = "centrum"
	c.do(AmendPlacement{registrar, w})
	c.do(Activate{registrar, "straat"})
}

func TestR15_ASignOrARecordedException(t *testing.T) {
	c := newCentre(t)
	c.draft("nieuw", func(p *PlacementFacts) { p.Sign = Sign{} })
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, "Plaats eerst het bord")
	c.refused(PlaceSign{registrar, "nieuw", Sign{Placed: day(1)}}, CodeInvalid)
	c.refused(PlaceSign{registrar, "nieuw", Sign{}}, CodeInvalid)
	c.refused(PlaceSign{registrar, "nieuw", Sign{Placed: day(-1), Kept: "nergens"}}, CodeInvalid) // a photo that is not there
	c.refused(PlaceSign{registrar, "nieuw", Sign{Placed: day(-1), Exception: "en geen bord"}}, CodeInvalid)
	c.refused(PlaceSign{officer, "nieuw", Sign{Placed: day(-1)}}, CodeForbidden)
	c.do(PlaceSign{registrar, "nieuw", Sign{Exception: "binnen, bij de balie gemeld"}})
	c.do(Activate{registrar, "nieuw"})
	if pub, _ := c.s.PublicCamera("nieuw", c.now); pub.Sign.Exception == "" {
		t.Error("the public is not told why there is no sign")
	}
}

func TestR21_FootageStaysInTheNetherlands(t *testing.T) {
	c := newCentre(t)
	p := hall()
	p.Camera = "nieuw"
	for _, country := range []string{"DE", "US", "nl"} {
		p.Storage = Storage{country, "datacentrum"}
		c.refusedSaying(RegisterPlacement{registrar, p}, CodeStorage, "alleen in Nederland")
	}
	p.Storage = Storage{Netherlands, ""}
	c.refused(RegisterPlacement{registrar, p}, CodeInvalid)
	p.Storage = Storage{}
	c.do(RegisterPlacement{registrar, p})
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeNotReady, "waar in Nederland de beelden staan")
}

func TestR23_EachCameraIsReconfirmedEveryYear(t *testing.T) {
	c := newCentre(t)
	c.do(FileRequest{requester, theft()}) // so that the hall is needed
	said := func(by protocol.PersonID, list ...Said) ConfirmPlacements { return ConfirmPlacements{by, list} }
	yes := Said{"hal", true, ""}
	for _, by := range []protocol.PersonID{admin, officer, approver, handler, requester, "p-nobody"} {
		c.refused(said(by, yes), CodeForbidden)
	}
	c.refused(said(staff, Said{"plein", true, ""}), CodeForbidden) // not assigned
	c.refused(said(registrar), CodeInvalid)
	c.refused(said(registrar, yes, yes), CodeInvalid)
	c.refusedSaying(said(registrar, Said{"hal", false, " "}), CodeInvalid, "niet klopt")
	c.draft("concept", func(*PlacementFacts) {})
	c.refused(said(registrar, Said{"concept", true, ""}), CodeState)
	if got := c.topics(registrar, TopicUpkeep); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}

	c.now = c.now.AddDate(0, 12, 0)
	if got := c.topics(registrar, TopicUpkeep); len(got) != 1 || got[0] != "camera's herbevestigen: 2" {
		t.Errorf("one task for all that is overdue: %v", got)
	}
	if got := c.topics(staff, TopicUpkeep); len(got) != 1 || got[0] != "camera's herbevestigen: 1" {
		t.Errorf("staff see their own: %v", got)
	}
	if list := c.s.Upkeep(officer, Place{}, c.now); len(list) != 2 || !list[0].Overdue || !list[1].Overdue {
		t.Errorf("overdue: %+v", list)
	}
	if list := c.s.Upkeep(handler, Place{}, c.now); len(list) != 0 {
		t.Error("a handler oversees the register")
	}
	before := c.s.Size
	c.refused(said(registrar, Said{"hal", true, "nodig"}, Said{"plein", false, ""}), CodeInvalid)
	if c.s.Size != before {
		t.Error("half a screen was recorded")
	}
	c.do(said(registrar, Said{"hal", true, "nog nodig: elke maand een aangifte"}, Said{"plein", false, "kijkt nu naar het westen"})) // both on one screen
	hal, plein := c.s.Placement("hal"), c.s.Placement("plein")
	if due := c.s.ConfirmDue(hal, c.now); !due.Equal(months(protocol.T(c.now), 12).Time) || hal.Doubted() {
		t.Errorf("due %s", due)
	}
	if due := c.s.ConfirmDue(plein, c.now); due.After(c.now) || !plein.Doubted() {
		t.Errorf("what is not right counts as confirmed until %s", due)
	}
	if got := c.topics(registrar, TopicUpkeep); !slices.Contains(got, "gegevens verbeteren van camera's: 1") {
		t.Errorf("tasks %v", got)
	}
	// The registrar puts it right without another besluit, and then it can be confirmed. What the mandate rests on does not change here.
	f := plein.PlacementFacts
	f.Direction = 270
	c.do(AmendPlacement{registrar, f})
	if plein.Direction != 270 || plein.Status != Active || !plein.ValidFrom.Equal(start) {
		t.Errorf("%+v", plein)
	}
	for what, change := range map[string]func(*PlacementFacts){
		"purpose": func(p *PlacementFacts) { p.Purposes = []Purpose{Buildings} }, "window": func(p *PlacementFacts) { p.Keep = protocol.Window(time.Hour) }, "stream": func(p *PlacementFacts) { p.Streams = []protocol.StreamID{"sub"} },
		"besluit": func(p *PlacementFacts) { p.Besluit.ValidUntil = day(9000) }, "sign": func(p *PlacementFacts) { p.Sign.Exception = "weg" }, "protocol": func(p *PlacementFacts) { p.Protocol.Version = 2 },
	} {
		t.Log(what)
		g := f
		change(&g)
		c.refused(AmendPlacement{registrar, g}, CodeState)
	}
	c.do(said(registrar, Said{"plein", true, "nog nodig"}))
	if got := c.topics(registrar, TopicUpkeep); len(got) != 0 {
		t.Errorf("tasks %v", got)
	}
	// Where the besluit is to be evaluated sooner, it is due sooner.
	c = newCentre(t)
	c.draft("proef", func(p *PlacementFacts) { p.Besluit.Evaluate = day(60) })
	c.do(Activate{registrar, "proef"})
	if due := c.s.ConfirmDue(c.s.Placement("proef"), c.now); !due.Equal(day(60).Time) {
		t.Errorf("due %s, and the besluit is to be evaluated by %s", due, day(60))
	}
	c.now = day(61).Time
	c.do(said(registrar, Said{"proef", true, ""}))
	if due := c.s.ConfirmDue(c.s.Placement("proef"), c.now); !due.Equal(months(day(61), 12).Time) {
		t.Errorf("evaluated, and due %s", due)
	}
}

func TestR30_WhatNobodyNeededIsFlaggedAndLeastIsAsked(t *testing.T) {
	c := newCentre(t)
	c.now = c.now.AddDate(0, 11, 0)
	if got := c.s.Unneeded(c.now, c.s.Placements()...); len(got) != 0 {
		t.Errorf("within the year: %v", got)
	}
	c.now = start.AddDate(0, 0, 200)
	c.do(FileRequest{requester, func() RequestFacts {
		f := theft()
		f.Asked = protocol.Span(c.now.Add(-time.Hour), c.now.Add(-50*time.Minute))
		return f
	}()})
	c.now = start.AddDate(1, 0, 0)
	if got := c.s.Unneeded(c.now, c.s.Placements()...); len(got) != 1 || !got["plein"] {
		t.Errorf("flagged: %v, want only what nobody asked footage of", got)
	}
	c.refusedSaying(ConfirmPlacements{registrar, []Said{{"plein", true, ""}}}, CodeInvalid, "nog nodig is")
	c.do(ConfirmPlacements{registrar, []Said{{"plein", true, "evaluatie 2027: overlast bleef weg"}, {"hal", true, ""}}})
	if list := c.s.Upkeep(officer, Place{}, c.now); !list[1].Unneeded {
		t.Error("the officer does not see that nobody needs it")
	}

	// Masks and the lowest quality are asked; more than observing has a reason.
	p := hall()
	p.Camera, p.Masks, p.Quality = "nieuw", "", ""
	c.do(RegisterPlacement{registrar, p})
	c.refusedSaying(Activate{registrar, "nieuw"}, CodeTerm, "wat in beeld is afgeschermd", "beeldkwaliteit")
	p.NoMasks = "alleen de eigen deur in beeld"
	for _, q := range Qualities {
		p.Quality, p.QualityReason = q, ""
		if q.PixelsPerMetre() > 62 {
			c.refusedSaying(AmendPlacement{registrar, p}, CodeInvalid, "62 px/m")
			p.QualityReason = "toegang op gezicht controleren door de portier"
		}
		c.do(AmendPlacement{registrar, p})
	}
	p.Smart = []SmartFunction{"counting"}
	c.refused(AmendPlacement{registrar, p}, CodeInvalid) // why
	p.Smart, p.SmartReason = []SmartFunction{"faces"}, "handig"
	c.refusedSaying(AmendPlacement{registrar, p}, CodePurpose, "artikel 9 AVG")

	// Whether controls work is tried, and recorded.
	test := ControlTest{ControlMasks, protocol.T(c.now), true, "proefbeeld bekeken bij daglicht"}
	for _, by := range []protocol.PersonID{admin, approver, handler, staff, requester} {
		c.refused(RecordControlTest{by, "hal", test}, CodeForbidden)
	}
	c.refused(RecordControlTest{officer, "hal", ControlTest{ControlMasks, protocol.T(c.now), true, ""}}, CodeInvalid)
	c.refused(RecordControlTest{officer, "hal", ControlTest{"hope", protocol.T(c.now), true, "x"}}, CodeInvalid)
	c.refused(RecordControlTest{officer, "hal", ControlTest{ControlMasks, protocol.T(c.now.Add(time.Hour)), true, "x"}}, CodeInvalid)
	for _, by := range []protocol.PersonID{officer, registrar} {
		c.do(RecordControlTest{by, "hal", test})
	}
	if got := c.s.Placement("hal").Tests; len(got) != 2 {
		t.Errorf("tests %+v", got)
	}
}

// A ledger from before the gates: what was in use stays in use and shows what it lacks; what was suspended is not used again without it.
func TestR12_AnOldCameraStaysInUseAndShowsWhatItLacks(t *testing.T) {
	c := &centre{t: t, now: start.Add(2 * time.Hour)}
	c.s = replayed(t)
	plein := c.s.Placement("plein")
	if plein.StatusAt(c.now) != Active {
		t.Fatal(plein.Status)
	}
	for _, want := range []string{"DPIA", "RASCI", "afgeschermd", "officier van justitie", "in Nederland"} {
		if !strings.Contains(c.lacks("plein"), want) {
			t.Errorf("it does not say that %s is missing: %s", want, c.lacks("plein"))
		}
	}
	if got := c.topics(registrar, TopicUpkeep); len(got) != 1 || got[0] != "gegevens aanvullen van camera's in gebruik: 2" {
		t.Errorf("tasks %v", got)
	}
	c.refusedSaying(Activate{registrar, "hal"}, CodeNotReady, "DPIA")
	longer := plein.Besluit
	longer.Reference, longer.ValidUntil, longer.Prosecutor = "B-2027", day(600), day(-1)
	c.refusedSaying(Renew{registrar, "plein", longer}, CodeNotReady, "DPIA", "RASCI") // it ends with its besluit
	c.do(RecordDPIA{registrar, assessment()})
	c.do(AdviseDPIA{officer, "camera-s", Advice{"ja", "model", "zelf", "kort", "ja"}})
	for _, id := range []protocol.CameraID{"hal", "plein"} {
		f := c.s.Placement(id).PlacementFacts
		f.Particulars = hall().Particulars
		c.do(AmendPlacement{registrar, f})
	}
	c.do(Activate{registrar, "hal"})
	if got := c.lacks("hal"); got != "" {
		t.Error(got)
	}
	c.do(Renew{registrar, "plein", longer})
}

// The mayor fixes when people may look along with a public order camera (art. 151c lid 3 Gemeentewet).
func TestWpgIsViewedLiveOnlyInTheMayorsPeriod(t *testing.T) {
	c := newCentre(t)
	c.do(Appoint{admin, Appointment{Person: staff, Posts: []Post{{Role: Staff}}, Cameras: []protocol.CameraID{"hal", "plein"}, Secrecy: day(-10)}})
	view := FileRequest{staff, RequestFacts{Kind: Standing, Purpose: StreetSafety, Cameras: []protocol.CameraID{"plein"}, Reference: "toezicht", Necessity: "uitgaansavond", ViewerKey: viewer(t), Until: day(60)}}
	c.refusedSaying(view, CodeTerm, "De burgemeester stelt die vast")
	fix := FixLivePeriod{registrar, "plein", LivePeriod{day(1), day(30), day(-2), "BM-2026-5"}}
	for _, by := range []protocol.PersonID{admin, officer, approver, policeA, staff} {
		other := fix
		other.By = by
		c.refused(other, CodeForbidden)
	}
	for what, change := range map[string]func(*FixLivePeriod){
		"no decision": func(f *FixLivePeriod) { f.Reference = "" }, "no prosecutor": func(f *FixLivePeriod) { f.Prosecutor = protocol.Time{} },
		"beyond the besluit": func(f *FixLivePeriod) { f.Until = day(301) }, "ends before it begins": func(f *FixLivePeriod) { f.Until = day(1) },
	} {
		t.Log(what)
		bad := fix
		change(&bad)
		c.refused(bad, CodeInvalid)
	}
	bad := fix
	bad.Camera = "hal"
	c.refused(bad, CodeRegime)
	c.do(fix)
	c.refused(view, CodeTerm) // not yet
	c.now = day(1).Time
	c.do(view)
	if r := c.s.Request("z-1"); !r.Until.Equal(day(30).Time) {
		t.Errorf("asked until %s: the period ends %s", r.Until, day(30))
	}
	next := c.s.Placement("plein").Besluit // given early, it does not cut the period short
	next.Reference, next.ValidUntil, next.LiveFrom, next.LiveUntil = "B-2027-2", day(700), protocol.Time{}, protocol.Time{}
	c.do(Renew{registrar, "plein", next})
	c.do(view)
	c.now = day(30).Time
	c.refused(view, CodeTerm)
}

func (c *centre) lacks(id protocol.CameraID) string {
	var list []string
	for _, r := range c.s.Lacks(c.s.Placement(id), c.now) {
		list = append(list, r.NL)
	}
	return strings.Join(list, " ")
}

func (c *centre) topics(p protocol.PersonID, topic Topic) (list []string) {
	for _, t := range c.s.Inbox(p, c.now) {
		if t.Topic == topic {
			list = append(list, t.Words.NL)
		}
	}
	return list
}

// The golden history of a camera's life: its events in order, as the ledger keeps them, and what the recorder is told.
func TestHistoryOfACamerasLife(t *testing.T) {
	c := newCentre(t)
	c.events = nil
	c.draft("entree", func(p *PlacementFacts) { p.DPIA, p.Sign = "", Sign{} })
	c.refused(Activate{registrar, "entree"}, CodeNotReady)
	a := assessment()
	a.ID, a.Score, a.Review = "entree", 15, day(2000)
	c.do(RecordDPIA{registrar, a})
	c.now = c.now.AddDate(0, 0, 3)
	c.do(AdviseDPIA{officer, "entree", Advice{"ja", "model van het rijk", "zelf", "afschermen, zeven dagen, geen geluid", "goed uitgevoerd"}})
	f := c.s.Placement("entree").PlacementFacts
	f.DPIA = "entree"
	c.do(AmendPlacement{registrar, f})
	c.do(PlaceSign{registrar, "entree", Sign{Placed: protocol.T(c.now)}})
	c.refused(Activate{registrar, "entree"}, CodeNotReady)
	c.do(RecordControlTest{officer, "entree", ControlTest{ControlMasks, protocol.T(c.now), true, "proefbeeld bekeken"}})
	c.do(GiveAdvice{officer, About{AboutPlacement, "entree"}, Against, "de receptie ziet de deur al"})
	c.refused(Activate{registrar, "entree"}, CodeAdvice)
	c.do(Despite{Activate{registrar, "entree"}, "na zes uur is de receptie leeg"})
	c.now = c.now.AddDate(0, 3, 0)
	short := Rules{ProtocolRef{"gebouwen", 1}, protocol.Window(72 * time.Hour)}
	c.do(ChangeRules{approver, "entree", short, "drie dagen volstaat"})
	c.do(ChangeRules{approver2, "entree", short, "drie dagen volstaat"})
	c.now = day(290).Time
	c.do(RecordControlTest{registrar, "entree", ControlTest{ControlMasks, protocol.T(c.now), true, "proefbeeld bekeken"}})
	c.do(ConfirmPlacements{registrar, []Said{{"entree", true, ""}}})
	c.do(Renew{registrar, "entree", Besluit{Reference: "B-2027-9", Date: day(280), ValidFrom: day(300), ValidUntil: day(500), Body: "college", Area: "stadskantoor", Evaluate: day(450)}})
	c.now = day(499).Time
	c.do(Tend{})
	p := c.s.Placement("entree")
	var b bytes.Buffer
	for _, e := range c.events {
		fmt.Fprintf(&b, "%s %s by %s\n", e.Time, e.Name(), e.By)
	}
	for _, m := range p.History {
		fmt.Fprintf(&b, "history: %s %s | %s: %s\n", m.At, EventWords(m.Name).NL, EventWords(m.Name).EN, m.Note)
	}
	for _, a := range c.s.Deviations() {
		fmt.Fprintf(&b, "advice: %s (%s) not followed by %s: %s\n", a.Opinion.Words().NL, a.Text, a.Against.By, a.Against.Reason)
	}
	for _, m := range p.Mandates {
		fmt.Fprintf(&b, "mandate: v%d window %s from %s until %s besluit %s approvers %v\n", m.Version, m.Window, m.NotBefore, m.NotAfter, m.Besluit, m.Approvers)
	}
	for _, when := range []protocol.Time{day(499), day(500)} {
		status := p.StatusAt(when.Time)
		fmt.Fprintf(&b, "on %s: recording may go on: %v (%s)\n", when, p.Mandate().Valid(when.Time) == nil, status.Words().NL)
	}
	if last := p.Mandate(); p.StatusAt(day(500).Time) != Lapsed || last.Valid(day(500).Time) == nil {
		t.Error("the besluit has lapsed, and the mandate goes on")
	}
	golden(t, "testdata/camera.txt", b.Bytes())
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("the history is not that of %s:\n%s", path, got)
	}
}
