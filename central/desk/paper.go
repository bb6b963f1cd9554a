package desk

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/paper"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// report is a sheet that is also a file: its tables as CSV, all of it as PDF, from the same rows. CSV and PDF are in the language of the page.
type report struct {
	sheet
	path string          // of the page; files add .csv and .pdf
	on   string          // the query of a day, or nothing
	name string          // of the files
	at   time.Time       // as of when
	said central.Words   // the same in words, where the day of the screen is not meant
	log  []central.Words // of which log it was computed: at the foot of each page of paper
	size uint64          // of that log
	logs central.LogCounts
}

// endings of a report's addresses.
var endings = []string{"", ".csv", ".pdf"}

// ending takes the ending off the last part of a path.
func ending(last string) (name, end string) {
	for _, e := range endings[1:] {
		if name, ok := strings.CutSuffix(last, e); ok {
			return name, e
		}
	}
	return last, ""
}

// ledgerAt says of which ledger a state was read, and when its last entry was.
func (d *desk) ledgerAt(ctx context.Context, st *central.State) (words []central.Words, last time.Time, err error) {
	if st.Size == 0 {
		return []central.Words{page.Both("Het logboek van de centrale "+d.Book.Origin()+" was nog leeg", "The centre's ledger "+d.Book.Origin()+" was still empty")}, last, nil
	}
	root, at, err := d.Book.HeadAt(ctx, st.Size)
	if err != nil {
		return nil, last, err
	}
	nl, en := page.NL, page.EN
	return []central.Words{
		page.Both(fmt.Sprintf("Logboek van de centrale %s: %s regels, de laatste van %s", d.Book.Origin(), nl.Number(st.Size), nl.Moment(at.Time)), fmt.Sprintf("The centre's ledger %s: %s entries, the last of %s", d.Book.Origin(), en.Number(st.Size), en.Moment(at.Time))),
		page.Both("Wortel: "+root.String(), "Root: "+root.String()),
	}, at.Time, nil
}

// fromLedger completes a report that was computed from a state: as of a moment or, where on is empty, of its last entry, so that the same state gives the same file.
func (d *desk) fromLedger(v *visit, r *report, st *central.State) bool {
	log, last, err := d.ledgerAt(v.r.Context(), st)
	if err != nil {
		d.failed(v, "the ledger's head", err)
		return false
	}
	if r.log = log; r.at.IsZero() {
		r.at = last
	}
	return true
}

// showReport answers with the page, or with the file that the path ends on.
func (d *desk) showReport(v *visit, status int, f form, r report) {
	_, end := ending(v.r.URL.Path)
	switch {
	case end == ".csv" && len(r.Tables) > 0:
		d.sendCSV(v, r.name, r.Tables[0])
		return
	case end == ".pdf":
		d.sendPDF(v, r)
		return
	case end != "":
		d.nothing(v)
		return
	}
	r.PDF = r.path + ".pdf" + r.on
	if len(r.Tables) > 0 {
		r.Tables[0].CSV = r.path + ".csv" + r.on
	}
	d.showSheet(v, status, f, func(*central.State) sheet { return r.sheet })
}

// document is the report on paper.
func (d *desk) document(l page.Lang, r report) paper.Document {
	p := paper.Document{Lang: string(l), Title: l.In(r.Heading), Owner: d.Site.Name, AsOf: r.at, Page: l.Say("pagina %d van %d", "page %d of %d")}
	moment := l.Moment(r.at)
	if r.said != (central.Words{}) {
		moment = l.In(r.said)
	}
	p.Running = []string{l.Say("Stand van ", "As of ") + moment}
	for _, w := range r.log {
		p.Running = append(p.Running, l.In(w))
	}
	for _, w := range append([]central.Words{r.State.Words, r.Intro}, r.Warn...) {
		if text := l.In(w); text != "" {
			p.Text = append(p.Text, text)
		}
	}
	for _, f := range r.Facts {
		if _, link := f.Value.(to); link {
			continue // paper leads nowhere
		}
		if value := d.written(l, f.Value); value != "" {
			p.Facts = append(p.Facts, [2]string{l.In(f.Label), value})
		}
	}
	for _, t := range r.Tables {
		on := paper.Table{Caption: l.In(t.Caption), Empty: l.In(t.Empty)}
		for _, c := range t.Columns {
			on.Columns = append(on.Columns, l.In(c))
		}
		for _, row := range t.Rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = d.written(l, c)
			}
			on.Rows = append(on.Rows, cells)
		}
		p.Tables = append(p.Tables, on)
	}
	return p
}

// written is a value as paper says it: as the page does, without its links.
func (d *desk) written(l page.Lang, v any) string {
	if x, ok := v.(to); ok {
		return d.written(l, x.Text)
	}
	if t, ok := v.(interface{ IsZero() bool }); ok && t.IsZero() {
		return ""
	}
	if t, ok := v.(protocol.Time); ok {
		return l.Moment(t.Time)
	}
	return said(l, v)
}

func (d *desk) sendPDF(v *visit, r report) {
	rows := 0
	for _, t := range r.Tables {
		rows += len(t.Rows)
	}
	if rows > paper.MostRows {
		d.say(v, http.StatusConflict, page.Both(fmt.Sprintf("Dit zijn %s regels, te veel voor een PDF (ten hoogste %s). Haal ze op als CSV.", page.NL.Number(rows), page.NL.Number(paper.MostRows)),
			fmt.Sprintf("These are %s rows, too many for a PDF (at most %s). Download them as CSV.", page.EN.Number(rows), page.EN.Number(paper.MostRows))))
		return
	}
	var b bytes.Buffer
	if err := d.document(v.lang, r).Write(&b); err != nil {
		d.failed(v, "a PDF of "+r.name, err)
		return
	}
	v.w.Header().Set("Content-Type", "application/pdf")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+url.PathEscape(r.name)+`.pdf"`)
	if _, err := page.Steady(v.w).Write(b.Bytes()); err != nil {
		d.Log.Debug("a PDF was not read to its end", "report", r.name, "err", err)
	}
}
