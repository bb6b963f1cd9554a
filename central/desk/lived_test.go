package desk

import (
	"fmt"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// lived is an office with a past: of everything that the pages show there is something, at each stage at which somebody can go on with it.
func lived(t testing.TB, configure ...func(*office, *identity.Config)) *office {
	o := newOffice(t, configure...)
	o.livedIn()
	return o
}

func (o *office) livedIn() {
	o.t.Helper()
	hal := []protocol.CameraID{"hal"}
	ago := func(h float64) time.Time { return o.now.Add(-time.Duration(h * float64(time.Hour))) }
	appoint := func(p protocol.PersonID, unit string, posts ...central.Post) {
		o.t.Helper()
		o.do(central.Appoint{By: admin, Appointment: central.Appointment{Person: p, Posts: posts, Unit: unit, Secrecy: day(-10), Until: day(30)}})
	}
	file := func(by protocol.PersonID, f central.RequestFacts) protocol.RequestID {
		o.t.Helper()
		if f.Kind == "" {
			f.Kind, f.Article, f.Authority = central.Vordering, "126nda", "hulpofficier van justitie"
		}
		if f.Cameras == nil {
			f.Cameras = hal
		}
		if f.Asked.IsZero() && f.Period.IsZero() && f.Kind != central.Standing {
			f.Asked = protocol.Span(ago(2), ago(1.5))
		}
		f.Reference, f.Necessity = "PL2100-2026-7", "de verdachte liep langs de ingang"
		o.do(central.FileRequest{By: by, RequestFacts: f})
		var id protocol.RequestID
		o.book.View(func(st *central.State) { list := st.Requests(by, o.now); id = list[0].ID })
		o.confirm(id)
		return id
	}
	check := func(id protocol.RequestID) {
		o.t.Helper()
		o.do(central.CheckRequest{By: handler, Request: id, Complete: true, Necessary: true, Verified: []central.Verified{central.VerifiedTitle, central.VerifiedPaper}})
	}
	decide := func(id protocol.RequestID, outcome central.Outcome, reason central.Reason) {
		o.t.Helper()
		c := central.DecideRequest{By: approver, Request: id, Outcome: outcome, Reason: reason, Motivation: "voldoet aan de eisen"}
		if outcome == central.Grants {
			c.Reason = central.Complies
		}
		o.book.View(func(st *central.State) {
			for _, h := range st.Request(id).Holds {
				if outcome == central.Grants && st.Request(id).Kind != central.Preservation {
					c.Approved = append(c.Approved, central.Approved{Camera: h.Camera, Interval: h.Rounded()})
				}
			}
		})
		o.do(c)
	}

	appoint(auditor, "", central.Post{Role: central.Auditor})
	appoint(alderman, "", central.Post{Role: central.CollegeMember})

	// The register: in use, draft, ending, with shorter rules, of the police.
	o.plein()
	o.confirm("z-1")
	for _, id := range []protocol.CameraID{"kelder", "balie"} {
		p := hall()
		p.Camera, p.Name, p.Place, p.BAG = id, "Camera "+string(id), "stadskantoor, "+string(id), "0794100000001234"
		o.do(central.RegisterPlacement{By: registrar, PlacementFacts: p})
		if id == "balie" {
			o.do(central.Activate{By: registrar, Camera: id})
			o.do(central.EndPlacement{By: approver, Camera: id, Ending: central.Suspend, Reason: "verbouwing"})
			o.do(central.ChangeRules{By: approver, Camera: id, Rules: central.Rules{Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}, Keep: protocol.Window(3 * 24 * time.Hour)}, Reason: "drie dagen volstaat"})
		}
	}
	o.do(central.ConfirmPlacements{By: registrar, List: []central.Said{{Camera: "hal", Right: true}}})
	o.do(central.RecordControlTest{By: officer, Camera: "hal", ControlTest: central.ControlTest{Control: central.ControlMasks, Tested: day(-1), Remark: "masker verschoven"}})
	o.do(central.RecordDPIA{By: registrar, DPIA: central.DPIA{ID: "balies", Title: "Balies", Reference: "Z-9", Date: day(-10), Score: 15, Review: day(700)}})
	rules := buildings()
	rules.Version, rules.AdoptedOn, rules.Window = 2, protocol.Time{}, protocol.Window(14*24*time.Hour)
	o.do(central.DraftProtocol{By: registrar, CameraProtocol: rules})
	o.do(central.AcknowledgeProtocol{By: handler, Protocol: central.ProtocolRef{ID: "gebouwen", Version: 1}})
	o.do(central.PublishStatement{By: registrar, Statement: central.Statement{Kind: central.PrivacyStatement, Version: 1, Text: "Wij gaan zorgvuldig met uw gegevens om.\n\nU kunt ons bellen.", English: "We treat your data with care.", AdoptedBy: "college", AdoptedOn: day(-5), ValidFrom: day(-4), Review: day(50)}})

	// Organisations, systems, training.
	o.do(central.AgreeUnit{By: admin, Unit: central.Unit{ID: "camerabeheer", Name: "Camerabeheer BV", Agreement: "Verseon 2026-881", ValidUntil: day(20), AgreementFacts: central.AgreementFacts{Kind: central.Processor, Parties: "gemeente en Camerabeheer", Goals: "onderhoud", Special: "geen",
		Informing: "website", Processings: "onderhoud aan recorders", Rights: "via de gemeente", ValidFrom: day(-30), Review: day(10), Model: "2023"}}})
	o.do(central.CheckAgreement{By: officer, AgreementCheck: central.AgreementCheck{Unit: "camerabeheer", On: day(-1), Finding: "twee namen ontbreken"}})
	key, err := central.ParseClientKey([]byte(publicJWK(o.t)))
	if err != nil {
		o.t.Fatal(err)
	}
	o.do(central.RegisterClient{By: admin, ClientFacts: central.ClientFacts{ID: "bvh", Name: "Zaaksysteem", Unit: "basisteam", Scopes: []central.Scope{central.ScopeFile}, Key: key}})
	o.do(central.RecordTraining{By: admin, TrainingFacts: central.TrainingFacts{Person: approver, Subject: "privacy", Followed: day(-400), ValidUntil: day(-10)}})

	// Requests at each stage.
	o.do(central.FileRequest{By: requester, RequestFacts: central.RequestFacts{Kind: central.Vordering, Article: "126ne", Authority: "officier van justitie", Demanded: day(0), Cameras: hal, Period: protocol.Span(o.now.Add(time.Minute), o.now.Add(96*time.Hour)), Reference: "OM-1", Necessity: "onderzoek"}})
	future := protocol.RequestID("z-2")
	check(future)
	decide(future, central.Grants, "")
	o.now = o.now.Add(5 * time.Hour)
	clear(o.sessions)
	frame := protocol.T(o.now)
	o.status.Time, o.status.Cameras[0].LastFrame = frame, &frame
	for _, h := range []float64{4, 3} {
		o.do(central.PrepareDelivery{By: handler, Request: future, Asked: protocol.Span(ago(h), ago(h-.5))})
	}
	o.confirm(future)
	part := central.ApproveDelivery{By: approver, Request: future, Number: 1}
	o.book.View(func(st *central.State) {
		h := st.Request(future).Holds[0]
		part.Approved = []central.Approved{{Camera: h.Camera, Interval: h.Rounded()}}
	})
	o.do(part)
	o.do(central.RecordDownload{By: requester, Request: future, Grant: o.released(future)})
	open := file(requester, central.RequestFacts{})
	checked := file(requester, central.RequestFacts{})
	check(checked)
	refused := file(requester, central.RequestFacts{})
	check(refused)
	decide(refused, central.Refuses, central.NotNecessary)
	ready := file(requester, central.RequestFacts{})
	check(ready)
	decide(ready, central.Grants, "")
	o.released(ready)
	fetched := file(requester, central.RequestFacts{})
	check(fetched)
	decide(fetched, central.Grants, "")
	got := o.released(fetched)
	o.do(central.RecordDownload{By: requester, Request: fetched, Grant: got})
	file(requester, central.RequestFacts{Kind: central.Vordering, Article: "126nda", Authority: "hulpofficier van justitie", Said: protocol.T(ago(1)), Indicated: "man met rode jas"})
	consented := file(requester, central.RequestFacts{Kind: central.ByConsent, Consent: &central.Consent{Statements: []string{"zaak 1, bijlage 2"}, Everyone: true}})
	check(consented)
	order := central.RequestFacts{Kind: central.Preservation, Article: "126ni", Authority: "officier van justitie", Demanded: day(-1), Until: day(60)}
	keep := file(requester, order)
	check(keep)
	decide(keep, central.Grants, "")
	o.do(central.KeepLonger{By: approver, Request: keep, Until: day(40), Reason: "het onderzoek loopt"})
	back := file(requester, order)
	check(back)
	decide(back, central.Grants, "")
	o.do(central.WithdrawRequest{By: requester, Request: back, Note: "geseponeerd"})
	file(staff, central.RequestFacts{Kind: central.Provisional})
	o.do(central.FileRequest{By: staff, RequestFacts: central.RequestFacts{Kind: central.Standing, Cameras: hal, Purpose: central.Visitors, Reference: "ochtenddienst", Necessity: "toezicht op de ingang", ViewerKey: viewerKey(o.t), Until: day(60)}})
	o.do(central.GiveAdvice{By: officer, About: central.About{Kind: central.AboutRequest, ID: string(checked)}, Opinion: central.Against, Text: "tien minuten volstaan"})
	o.do(central.AskAdvice{By: handler, About: central.About{Kind: central.AboutRequest, ID: string(open)}, Question: "is dit niet te ruim?"})

	// People who were filmed.
	for i, f := range []central.SubjectFacts{{Cameras: hal}, {Cameras: hal}, {Cameras: hal}, {Cameras: []protocol.CameraID{"plein"}}, {Cameras: hal}} {
		f.Right, f.Reference, f.Received, f.Asked, f.Description, f.Representative = central.RightAccess, fmt.Sprintf("brief 88%d", i), protocol.T(ago(1)), protocol.Span(ago(3), ago(2.5)), "rode jas, bij de ingang", central.InPerson
		o.do(central.FileSubjectRequest{By: handler, SubjectFacts: f})
		if id := protocol.RequestID(fmt.Sprintf("b-%d", i+1)); i > 0 && i != 3 {
			o.do(central.IdentifySubject{By: handler, Request: id, How: central.ByDigiD})
			if i == 2 {
				o.do(central.AnswerSubjectRequest{By: approver, Request: id, Answer: central.AnswerRefused, Motivation: "anderen staan centraal", Remedies: true})
			}
			if i == 4 {
				o.do(central.AnswerSubjectRequest{By: approver, Request: id, Answer: central.AnswerGranted, Manner: central.MaskedCopy, Masked: true, Motivation: "staat erop", Remedies: true})
			}
		}
	}

	// Oversight.
	for seq := range uint64(6) {
		o.seen = append(o.seen, central.Access{Recorder: "rec-1", Seq: seq, At: protocol.T(ago(1)), Kind: protocol.KindView, Access: protocol.Access{How: "playback", Camera: "hal", Person: staff, Reason: "jas kwijt"}})
	}
	o.do(central.DrawSample{By: officer, Seed: "6 2 5", Interval: protocol.Span(day(-1).Time, o.now), Size: 3, Accesses: o.seen})
	o.do(central.DrawSample{By: officer, Seed: "1 1 1", Interval: protocol.Span(day(-1).Time, o.now), Size: 1, Accesses: o.seen})
	var item central.Source
	o.book.View(func(st *central.State) { item = st.Sample(2).Items[0] })
	o.do(central.RecordFinding{By: officer, Sample: 2, Item: item, Finding: central.FoundWrong, Note: "geen aanvraag"})
	o.do(central.PlanAudit{By: officer, Subject: "rooster en rollen", Planned: day(5)})
	o.do(central.ReportIncident{By: staff, IncidentFacts: central.IncidentFacts{Nature: "USB-stick met beelden zoek", Cameras: hal}})
	var lost int
	o.book.View(func(st *central.State) {
		for _, i := range st.Incidents(o.now) {
			lost = max(lost, i.Number)
		}
	})
	o.do(central.ProposeErase{By: approver, EraseFacts: central.EraseFacts{Camera: "hal", Interval: protocol.Span(ago(80), ago(79)), Ground: protocol.EraseIncident, Dossier: central.IncidentDossier(lost), Reason: "de zaal was verhuurd"}})
	o.proof = witness.Evidence{Finding: witness.Finding{Recorder: "rec-1", At: protocol.T(o.now), Kind: witness.Silent, Key: "silence since", Seen: central.Words{NL: "niets gehoord sinds 2026-11-21T00:30:00.000Z", EN: "not heard since 2026-11-21T00:30:00.000Z"}}}
	o.do(central.RecordMisbehaviour{Recorder: "rec-1", Kind: witness.Rollback, Name: o.proof.Name(), At: o.proof.At, Seen: o.proof.Seen})
	o.do(central.RecordMisbehaviour{Recorder: "rec-1", Kind: witness.Silent, Name: o.proof.Name(), At: o.proof.At, Seen: o.proof.Seen})
	o.do(central.ReportIncident{By: officer, Drill: true, IncidentFacts: central.IncidentFacts{Nature: "oefening: recorder gestolen"}})
	for i, k := range central.MatterKinds {
		f := central.MatterFacts{Kind: k, Reference: fmt.Sprintf("K-%d", i), Received: day(-30), Text: "voelt zich gefilmd in huis"}
		if k == central.Objection {
			f.Decided = day(-75)
		}
		o.do(central.OpenMatter{By: officer, MatterFacts: f})
	}
	o.do(central.Tell{Kind: central.Weakness, Text: "de kast met de recorder staat open", Contact: "06 12345678"})
	o.do(central.FollowMatter{By: officer, Number: 1, Text: "masker geplaatst", Close: true})
	o.do(central.WriteNote{By: officer, About: string(open), Text: "nabellen"})
	o.do(central.ReportToCollege{By: officer, Subject: "te lang bewaard", Text: "het museum"})
	o.do(central.ReportToCollege{By: officer, Subject: "tweede", Text: "de garage"})
	o.do(central.AnswerOfficer{By: alderman, Number: 2, Answer: "wij bekorten"})
}

// The page to file has both languages side by side, each with the words of its own.
func TestEvidenceInTwoLanguages(t *testing.T) {
	b := lived(t).as(officer)
	for _, lang := range []string{"", "/en"} {
		says(t, b.get(lang+"/bureau/incidenten/3/bewijs"), 200, "niets gehoord sinds 21 november 2026 om 01:30:00", "not heard since 21 November 2026 at 01:30:00")
	}
}
