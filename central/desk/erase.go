package desk

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Erasing unlawful footage: a page of each camera, for the approvers of its regime, and of AVG cameras the privacy officer.

func erasePath(camera protocol.CameraID) string {
	return "/bureau/cameras/" + string(camera) + "/wissen"
}

func eraseState(v *visit, o *central.EraseOrder) badge {
	switch o.State() {
	case "erased":
		return badge{"good", page.Both("vernietigd", "destroyed")}
	case "refused":
		return badge{"bad", page.Both("geweigerd door de recorder: "+o.Refused, "refused by the recorder: "+o.Refused)}
	case "dropped":
		return badge{"", page.Both("ingetrokken", "taken back")}
	case "proposed":
		return badge{"warn", page.Both("wacht op een tweede goedkeurder", "waits for a second approver")}
	}
	if o.Late(v.now) {
		return badge{"bad", page.Both("opgedragen; de recorder meldt na een uur nog niets", "ordered; the recorder says nothing after an hour")}
	}
	return badge{"warn", page.Both("opgedragen; wacht op de recorder", "ordered; waits for the recorder")}
}

// erasure is an order on its camera's page.
type erasure struct {
	*central.EraseOrder
	Badge badge
}

// dossierLink leads to a dossier that an order rests on. A complaint is the privacy officer's alone: others read its number.
func dossierLink(v *visit, st *central.State, o central.Dossier) any {
	kind, key, _ := strings.Cut(string(o), "/")
	officer := st.Holds(v.me(), central.Officer, "", v.now)
	switch {
	case kind == "subject":
		return to{"/bureau/betrokkenen/" + key, key}
	case kind == "incident" && officer:
		return to{"/bureau/incidenten/" + key, "incident " + key}
	case kind == "matter" && officer:
		return to{"/bureau/klachten/" + key, "klacht of brief " + key}
	case kind == "matter":
		return "klacht of brief " + key
	}
	return "incident " + key
}

// erasures is a table of orders.
func erasures(v *visit, st *central.State, list []*central.EraseOrder) table {
	t := table{Caption: page.Both("Opdrachten tot wissen", "Orders to erase"), Empty: page.Both("Er is niets gewist en niets voorgesteld.", "Nothing was erased, and nothing proposed."),
		Columns: []central.Words{page.Both("Nummer", "Number"), page.Both("Camera", "Camera"), page.Both("Tijdvak", "Interval"), page.Both("Grond", "Ground"), page.Both("Dossier", "Dossier"), page.Both("Waarom", "Why"),
			page.Both("Goedkeurders", "Approvers"), page.Both("Stand", "Status"), page.Both("Vernietigd", "Destroyed")}}
	for _, o := range list {
		var done central.Words
		if o.Done != nil {
			done = page.Both(fmt.Sprintf("%d stukken, %s (regel %d van de recorder)", o.Done.Segments, page.NL.Span(o.Done.Interval), o.Done.Seq), fmt.Sprintf("%d segments, %s (the recorder's entry %d)", o.Done.Segments, page.EN.Span(o.Done.Interval), o.Done.Seq))
		}
		second := any(o.By)
		if o.Second != "" {
			second = pair{o.By, o.Second}
		}
		t.Rows = append(t.Rows, []any{o.Number, to{erasePath(o.Camera), string(o.Camera)}, o.Interval, central.EraseGround(o.Ground).Words(), dossierLink(v, st, o.Dossier), o.Reason, second, eraseState(v, o), done})
	}
	return t
}

// mineOf are those of a list that this reader may see.
func mineOf(v *visit, st *central.State, list []*central.EraseOrder) (mine []*central.EraseOrder) {
	for _, o := range list {
		if st.MayReadErasing(v.me(), o.Camera, v.now) {
			mine = append(mine, o)
		}
	}
	return mine
}

// pair is two people in one cell.
type pair [2]protocol.PersonID

func (d *desk) erasing(v *visit) { d.showErasing(v, http.StatusOK, form{Values: v.r.URL.Query()}) }

func (d *desk) showErasing(v *visit, status int, f form) {
	id := protocol.CameraID(v.r.PathValue("id"))
	there := false
	d.Book.View(func(st *central.State) { there = st.MayReadErasing(v.me(), id, v.now) })
	if !there {
		d.nothing(v)
		return
	}
	d.showSheet(v, status, f, func(st *central.State) sheet {
		p, list := st.Placement(id), st.EraseOrders(id, "")
		s := sheet{Back: &page.Link{Path: "/bureau/cameras/" + string(id), Words: page.Both("Camera "+p.Name, "Camera "+p.Name)}, Heading: page.Both("Onrechtmatige beelden wissen", "Erase unlawful footage"),
			Intro: page.Both("Beelden die niet hadden mogen worden opgenomen, vernietigt de recorder vóór het einde van de bewaartermijn. Daarvoor tekenen twee goedkeurders, die het dossier niet zelf behandelden. Loopt er een bewaring op dezelfde beelden? Beslis daar eerst over. De recorder wist hele stukken van ongeveer een minuut, dus iets meer dan het tijdvak. Dit kan niet ongedaan worden gemaakt.",
				"Footage that should not have been recorded is destroyed by the recorder before the end of its window. Two approvers sign for that, who did not handle the dossier themselves. Is there a hold on the same footage? Decide on that first. The recorder erases whole segments of about a minute, so a little more than the interval. This cannot be undone."),
			Tables: []table{erasures(v, st, list)}}
		approver := st.Holds(v.me(), central.Approver, p.Regime, v.now)
		for _, o := range list {
			if o.State() != "proposed" || !approver {
				continue
			}
			sign := fmt.Sprintf("tekenen-%d", o.Number)
			s.Fills = append(s.Fills,
				fill{ID: sign, Action: fmt.Sprintf("%s/%d/tekenen", erasePath(id), o.Number), Title: page.Both(fmt.Sprintf("Opdracht %d ondertekenen", o.Number), fmt.Sprintf("Sign order %d", o.Number)),
					Hint: page.Both(page.NL.Span(o.Interval)+": "+o.Reason, page.EN.Span(o.Interval)+": "+o.Reason), Why: would(st, central.SignErase{By: v.me(), Number: o.Number}, v.now), Button: page.Both("Ondertekenen en laten vernietigen", "Sign, and have it destroyed")},
				fill{ID: fmt.Sprintf("intrekken-%d", o.Number), Action: fmt.Sprintf("%s/%d/intrekken", erasePath(id), o.Number), Title: page.Both(fmt.Sprintf("Opdracht %d intrekken", o.Number), fmt.Sprintf("Take back order %d", o.Number)),
					Why: would(st, central.DropErase{By: v.me(), Number: o.Number, Reason: "?"}, v.now), Button: page.Both("Intrekken", "Take back"), Fields: []field{entry("waarom", "area", "Waarom gaat het niet door?", "Why does it not go on?", nil)}})
		}
		if approver {
			grounds := choice("grond", "radio", "Op welke grond?", "On what ground?", central.EraseGrounds, central.EraseGround(f.Get("grond")))
			dossier := entry("dossier", "text", "Dossier", "Dossier", nil).hint("Het nummer van het verzoek (b-3), het incident, de klacht of de brief.", "The number of the request (b-3), the incident, the complaint or the letter.")
			from, until := entry("van", "datetime-local", "Van", "From", nil), entry("tot", "datetime-local", "Tot", "To", nil)
			dossier.Value, from.Value, until.Value = f.Get("dossier"), f.Get("van"), f.Get("tot")
			s.Fills = append(s.Fills, fill{ID: "voorstellen", Action: erasePath(id), Title: page.Both("Wissen voorstellen", "Propose to erase"), Button: page.Both("Voorstellen", "Propose"),
				Hint:   page.Both("Een tweede goedkeurder moet dit ondertekenen. Geen namen van personen.", "A second approver must sign this. No personal names."),
				Fields: []field{from, until, grounds, dossier, entry("waarom", "area", "Waarom zijn de beelden onrechtmatig?", "Why is the footage unlawful?", nil)}})
		}
		return s
	})
}

// eraseDossier reads the dossier of a ground by its number.
func eraseDossier(ground protocol.EraseGround, number string) central.Dossier {
	kind := map[protocol.EraseGround]string{protocol.EraseRequest: "subject", protocol.EraseIncident: "incident"}[ground]
	if kind == "" {
		kind = "matter"
	}
	return central.Dossier(kind + "/" + number)
}

func (d *desk) proposeErase(v *visit) {
	id := protocol.CameraID(v.r.PathValue("id"))
	d.give(v, erasePath(id), d.showErasing, func(a *answers) central.Command {
		ground := protocol.EraseGround(a.text("grond"))
		from, until := a.moment("van"), a.moment("tot")
		return central.ProposeErase{By: v.me(), EraseFacts: central.EraseFacts{Camera: id, Interval: protocol.Span(from.Time, until.Time), Ground: ground, Dossier: eraseDossier(ground, a.text("dossier")), Reason: a.text("waarom")}}
	})
}

func (d *desk) signErase(v *visit) {
	d.give(v, erasePath(protocol.CameraID(v.r.PathValue("id"))), d.showErasing, func(*answers) central.Command {
		return central.SignErase{By: v.me(), Number: v.number()}
	})
}

func (d *desk) dropErase(v *visit) {
	d.give(v, erasePath(protocol.CameraID(v.r.PathValue("id"))), d.showErasing, func(a *answers) central.Command {
		return central.DropErase{By: v.me(), Number: v.number(), Reason: a.text("waarom")}
	})
}
