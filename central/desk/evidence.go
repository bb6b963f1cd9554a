package desk

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/witness"
)

// What a recorder did that it should not have done, as a page to file: what was promised, what was seen, who signed, and how anyone checks it. The page is in both languages side by
// side, whatever language is chosen: who files it does not choose who reads it.

// evident says that an incident has evidence.
func evident(i *central.Incident) bool {
	return i.Finding != "" || i.Kind == "access-orphan" && i.Source.Recorder != ""
}

func (d *desk) evidenceOf(i *central.Incident) (witness.Evidence, bool, error) {
	if i.Finding != "" {
		return d.Recorders.Evidence(i.Source.Recorder, i.Finding)
	}
	return d.Recorders.EvidenceOf(i.Source.Recorder, i.Source.Log, i.Source.Seq)
}

func (d *desk) evidence(v *visit) {
	var i central.Incident
	there := false
	d.Book.View(func(st *central.State) {
		if found := st.Incident(v.number()); found != nil && evident(found) {
			i, there = *found, true
		}
	})
	if !there {
		d.nothing(v)
		return
	}
	e, ok, err := d.evidenceOf(&i)
	if err != nil {
		d.failed(v, "the evidence of an incident", err)
		return
	}
	if !ok {
		d.nothing(v)
		return
	}
	path := fmt.Sprintf("/bureau/incidenten/%d/bewijs", i.Number)
	if strings.HasSuffix(v.r.URL.Path, ".zip") {
		d.sendEvidence(v, fmt.Sprintf("incident-%d-bewijs.zip", i.Number), e)
		return
	}
	signatures, err := e.Signatures()
	if err != nil {
		d.failed(v, "the signatures of an incident", err)
		return
	}
	row := func(nl, en string, said central.Words) []any {
		return []any{page.Both(nl, en), page.NL.In(said), page.EN.In(said)}
	}
	w := i.Words()
	account := table{Caption: page.Both("Wat is er gebeurd?", "What happened?"), Columns: []central.Words{{}, page.Both("Nederlands", "Nederlands"), page.Both("English", "English")}, Rows: [][]any{
		row("Wat", "What", w), row("Wat was beloofd?", "What was promised?", e.Promised()), row("Wat is er gezien?", "What was seen?", e.Finding.Words()), row("Wat is dit waard?", "What is this worth?", e.Worth()),
		row("Hoe gaat u dit na?", "How do you check this?", central.Words{
			NL: "Haal het bewijs op als zip-bestand en pak het uit. In LEESMIJ.txt staat het stap voor stap. Met Python 3 en openssl doet één opdracht alles: python3 controle.py. U hebt er geen internet bij nodig, en ons ook niet.",
			EN: "Download the evidence as a zip file and unpack it. README.txt tells it step by step. With Python 3 and openssl one command does all: python3 controle.py. You need no internet for it, nor us."}),
	}}
	signed := table{Caption: page.Both("Wie tekende?", "Who signed?"),
		Empty:   page.Both("Hierbij hoort geen ondertekende aantekening van de recorder of van deze centrale.", "No note signed by the recorder or by this centre goes with this."),
		Columns: []central.Words{page.Both("Handtekening", "Signature"), page.Both("Van", "Of"), page.Both("Sleutel", "Key"), page.Both("Onder", "Under"), page.Both("Tijd van de getuige", "The witness's time")}}
	for n, s := range signatures {
		at := ""
		if !s.At.IsZero() {
			at = v.lang.Moment(s.At)
		}
		signed.Rows = append(signed.Rows, []any{fmt.Sprint(n + 1), s.Role, s.Who, s.Note + ".note", at})
	}
	r := report{path: path, name: fmt.Sprintf("incident-%d-bewijs", i.Number), at: i.Opened.Time, sheet: sheet{
		Back:    &page.Link{Path: fmt.Sprintf("/bureau/incidenten/%d", i.Number), Words: page.Both("Het incident", "The incident")},
		Heading: page.Both(fmt.Sprintf("Bewijs bij incident %d", i.Number), fmt.Sprintf("Evidence of incident %d", i.Number)),
		Intro:   page.Both("Deze pagina is om te bewaren of aan anderen te geven. Zij staat in twee talen naast elkaar.", "This page is to file or to give to others. It is in two languages side by side."),
		Facts: []fact{{page.Both("Recorder", "Recorder"), string(e.Recorder)}, {page.Both("Camera", "Camera"), string(i.Camera)}, {page.Both("Voor het eerst gezien", "First seen"), e.At}, {page.Both("Incident geopend", "Incident opened"), i.Opened},
			{page.Both("Sleutel van de recorder", "The recorder's key"), e.Log}, {page.Both("Sleutel van deze centrale als getuige", "This centre's key as witness"), e.Witness},
			{page.Both("Bewijs", "Evidence"), to{path + ".zip", page.Both("Ophalen als zip-bestand", "Download as a zip file")}}},
		Tables: []table{account, signed},
	}}
	d.showReport(v, http.StatusOK, form{}, r)
}

// sendEvidence gives the download: made whole before its first byte goes out.
func (d *desk) sendEvidence(v *visit, name string, e witness.Evidence) {
	var b bytes.Buffer
	if err := e.Write(&b); err != nil {
		d.failed(v, "the evidence of an incident", err)
		return
	}
	v.w.Header().Set("Content-Type", "application/zip")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if _, err := page.Steady(v.w).Write(b.Bytes()); err != nil {
		d.Log.Debug("evidence was not read to its end", "name", name, "err", err)
	}
}
