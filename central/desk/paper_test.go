package desk

import (
	"bytes"
	"encoding/csv"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// readPDF is what poppler reads in an answer.
func readPDF(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/pdf" || !strings.Contains(w.Header().Get("Content-Disposition"), ".pdf") {
		t.Fatalf("%d %v %s", w.Code, w.Header(), plain(w.Body.String()))
	}
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("no pdftotext: `make packages` installs poppler-utils")
	}
	file := filepath.Join(t.TempDir(), "report.pdf")
	if err := os.WriteFile(file, w.Body.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdftotext", "-raw", file, "-").CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// TestR22_ReportsAsPageCSVAndPDF: each report is all three, from the same rows; the PDF names the ledger that it was computed from, and is the same file again.
func TestR22_ReportsAsPageCSVAndPDF(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	o.confirm(id)
	o.decided(id)
	v := o.as(officer)
	for _, r := range []struct {
		path, query string
		says        []string
	}{
		{"/bureau/verwerkingen", "", []string{"Register van verwerkingen", "Gemeente Stad"}},
		{"/bureau/verwerkingen", "?op=2026-11-21", []string{"Stand van 21 november 2026 om 23:59:59", "Zoals het was"}},
		{"/bureau/camera-in-beeld", "", []string{"Lijst voor Camera in Beeld", "51.4793000", "zonder nummer: 1"}},
		{"/bureau/camera-in-beeld", "?op=2026-11-20", []string{"nog leeg"}},
		{"/bureau/verslagen/college/2026", "", []string{"Verantwoording aan de raad over 2026", "Dit jaar is nog niet om"}},
		{"/bureau/verslagen/officer/2026", "", []string{"Jaarverslag van de privacy officer over 2026"}},
		{"/bureau/verslagen/college/2023", "", []string{"nog leeg"}},
		{"/bureau/vernietiging/hal/2026-11-20", "", []string{"Verklaring van vernietiging", "Niet verantwoord", "rec-1.stad/beeldwacht", "getuige.stad", "cameraprotocol 2026"}},
		{"/en/bureau/verwerkingen", "", []string{"Register of processing", "As of 21 November 2026", "page 1 of"}},
	} {
		t.Run(r.path+r.query, func(t *testing.T) {
			page := v.get(r.path + r.query)
			says(t, page, 200)
			for _, end := range endings[1:] {
				if !strings.Contains(page.Body.String(), `href="`+r.path+end+r.query+`"`) {
					t.Errorf("the page has no button to %s", end)
				}
			}
			again := v.get(r.path + ".pdf" + r.query)
			text := readPDF(t, again)
			for _, want := range append(r.says, "1") {
				if !strings.Contains(text, want) {
					t.Errorf("the PDF does not say %q: %s", want, text)
				}
			}
			rows, err := csv.NewReader(v.get(r.path + ".csv" + r.query).Body).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			squeezed := strings.ReplaceAll(text, " ", "")
			for _, row := range rows[:len(rows)*min(1, len(rows)-1)] { // of an empty table a page and a PDF say so instead
				for _, cell := range row {
					if cell = strings.TrimPrefix(strings.ReplaceAll(cell, " ", ""), "'"); len(cell) < 20 && !strings.Contains(squeezed, cell) && !strings.Contains(cell, "T01:") { // longer ones are broken into lines; times are said in words
						t.Errorf("%q is in the CSV and not in the PDF", cell)
					}
				}
			}
			if strings.Contains(r.path, "vernietiging") {
				return // its log is a stand-in that tells the time
			}
			o.now = o.now.Add(time.Second)
			if !bytes.Equal(v.get(r.path+".pdf"+r.query).Body.Bytes(), again.Body.Bytes()) {
				t.Error("the same report a moment later is another file")
			}
			if !strings.Contains(strings.Join(r.says, ""), "nog leeg") && !strings.Contains(text, o.book.Origin()) {
				t.Errorf("the PDF does not name the ledger: %s", text)
			}
		})
	}
	for path, who := range map[string]protocol.PersonID{"/bureau/verslagen/officer/2026.pdf": registrar, "/bureau/camera-in-beeld.pdf": handler, "/bureau/verwerkingen.pdf": requester, "/bureau/vernietiging/hal/2026-11-20.pdf": staff} {
		if w := o.as(who).get(path); w.Code != 403 && w.Code != 404 {
			t.Errorf("%s gets %s: %d", who, path, w.Code)
		}
	}
	if w := v.get("/bureau/verwerkingen.doc"); w.Code != 404 {
		t.Error(w.Code)
	}
}

// TestR22_ASignedReportIsTheSameLater: the officer signs; what happens afterwards, and a recorder's log that comes in late, change nothing in it.
func TestR22_ASignedReportIsTheSameLater(t *testing.T) {
	o := newOffice(t)
	id := o.filed()
	o.confirm(id)
	o.decided(id)
	v := o.as(officer)
	says(t, v.get("/bureau/verslagen/officer/2026"), 200, "Kan nu niet: Dit jaar is nog niet om")
	if w := v.post("/bureau/verslagen/officer/2026/ondertekenen", "formulier", "ondertekenen"); w.Code != 409 {
		t.Error(w.Code)
	}
	o.now = time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC)
	delete(o.sessions, officer)
	v = o.as(officer)
	says(t, v.post("/bureau/verslagen/officer/2026/ondertekenen", "formulier", "ondertekenen"), 400, "welke risico")
	if w := v.post("/bureau/verslagen/officer/2026/ondertekenen", "formulier", "ondertekenen", "risicos", "De recorder in de hal staat op zolder; verplaatsen."); w.Code != 303 {
		t.Fatal(w.Code, plain(w.Body.String()))
	}
	before := v.get("/bureau/verslagen/officer/2026.pdf")
	if text := readPDF(t, before); !strings.Contains(text, "keer toegang tot beelden") || !strings.Contains(text, "staat op zolder") || strings.Contains(text, "nog niet om") {
		t.Error(text)
	}
	says(t, v.get("/bureau/verslagen/officer/2026"), 200, "gelijk aan wat is ondertekend", protocol.HashOf(before.Body.Bytes()).String(), "4 januari 2027")
	says(t, v.post("/bureau/verslagen/officer/2026/ondertekenen", "formulier", "ondertekenen", "risicos", "x"), 409, "al ondertekend")
	o.seen = append(o.seen, central.Access{Recorder: o.town.Recorder, Seq: 7, At: protocol.T(o.now.AddDate(0, -1, 0))})
	o.do(central.ReportIncident{By: staff, IncidentFacts: central.IncidentFacts{Nature: "later"}})
	o.now = o.now.AddDate(0, 0, 1)
	delete(o.sessions, officer)
	v = o.as(officer)
	if !bytes.Equal(v.get("/bureau/verslagen/officer/2026.pdf").Body.Bytes(), before.Body.Bytes()) {
		t.Error("the signed report is another file a day later")
	}
	says(t, v.get("/bureau/verslagen/officer/2026"), 200, "gelijk aan wat is ondertekend")
	delete(o.sessions, registrar)
	if w := o.as(registrar).post("/bureau/verslagen/officer/2026/ondertekenen"); w.Code != 403 {
		t.Error(w.Code)
	}
}
