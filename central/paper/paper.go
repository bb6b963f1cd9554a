// Package paper makes a report as a PDF: the same rows that its page shows, for a file, a meeting or a judge.
//
// # What it promises
//
// The same Document gives the same bytes, so that its SHA-256 can be recorded, and somebody can make it again and compare. Each page says of which day it tells, and of which
// size and root the ledger was that it was computed from: with the ledger and this program the report can be made again by somebody who does not trust us.
//
// It is a tagged PDF: headings, paragraphs, tables with header cells, in reading order, and page headers and footers marked as artifacts, so that a screen reader reads it
// as the page reads (tags.go). Title and language are set; fonts are embedded. It makes no claim of PDF/UA: no validator of that has looked at it.
//
// Letters outside the Basic Multilingual Plane are shown as □.
package paper

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
)

// DejaVu Sans Condensed 2.37 has every letter of the languages of Europe. Its licence is beside it.
//
//go:embed assets/DejaVuSansCondensed.ttf
var regular []byte

//go:embed assets/DejaVuSansCondensed-Bold.ttf
var bold []byte

// MostRows is how many rows one PDF takes; what has more is for a computer, as CSV.
const MostRows = 5000

// Document is one report, in one language.
type Document struct {
	Lang    string // "nl" or "en"
	Title   string
	Owner   string    // the municipality
	AsOf    time.Time // it tells how things were then; also the date in the file
	Running []string  // lines at the foot of each page: as of when, of which ledger
	Page    string    // "pagina %d van %d"
	Text    []string  // paragraphs under the title
	Facts   [][2]string
	Tables  []Table
}

// Table is one, with a header row. The first cell of each row is its header.
type Table struct {
	Caption string
	Columns []string
	Rows    [][]string
	Empty   string // said where there are no rows
}

// Measures, in millimetres and points.
const (
	margin   = 15.0
	head     = 12.0 // of the running head
	line     = 1.35 // of a line, in font sizes
	pad      = 1.2  // around a cell's text
	perPoint = 25.4 / 72

	runningSize = 7.0 // of the running head's and foot's font, in points
)

// wideFrom is how many columns lie a page on its side.
const wideFrom = 6

// Write writes the PDF. An error is the writer's, or a Document with more than MostRows rows.
func (d Document) Write(w io.Writer) error {
	rows := len(d.Facts)
	for _, t := range d.Tables {
		rows += len(t.Rows)
	}
	if rows > MostRows {
		return fmt.Errorf("%d rows: a PDF takes %d", rows, MostRows)
	}
	first, err := d.draw(0)
	if err != nil {
		return err
	}
	final, err := d.draw(first.pdf.PageCount()) // now the foot can say of how many
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := final.pdf.Output(&b); err != nil {
		return err
	}
	tagged, err := final.tags.add(b.Bytes())
	if err != nil {
		return err
	}
	_, err = w.Write(tagged)
	return err
}

// drawing is one pass.
type drawing struct {
	Document
	pdf           *fpdf.Fpdf
	tags          *tags
	total         int
	owner, title  string   // in the running head
	foot          []string // above the number of the page
	width, bottom float64  // of a line; the lowest place for text
	y             float64  // top of what comes next
	size          float64  // of the font
}

func (d Document) draw(total int) (*drawing, error) {
	orientation := "P"
	for _, t := range d.Tables {
		if len(t.Columns) >= wideFrom {
			orientation = "L"
		}
	}
	p := fpdf.New(orientation, "mm", "A4", "")
	p.SetCatalogSort(true)
	p.SetCreationDate(d.AsOf.UTC())
	p.SetModificationDate(d.AsOf.UTC())
	p.SetProducer("Beeldwacht", true)
	p.SetTitle(clean(d.Title), true)
	p.SetAuthor(clean(d.Owner), true)
	p.SetLang(d.Lang)
	p.SetAutoPageBreak(false, 0)
	p.AddUTF8FontFromBytes("text", "", regular)
	p.AddUTF8FontFromBytes("text", "B", bold)
	g := &drawing{Document: d, pdf: p, tags: newTags(p), total: total}
	w, h := p.GetPageSize()
	g.width, g.bottom = w-2*margin, h-margin-float64(len(d.Running)+1)*runningSize*perPoint*line
	g.page()
	g.paragraph("H1", d.Title, 17, "B", 3)
	for _, text := range d.Text {
		g.paragraph("P", text, 9.5, "", 2)
	}
	if len(d.Facts) > 0 {
		g.facts()
	}
	for _, t := range d.Tables {
		g.table(t)
	}
	return g, p.Error()
}

// clean is text that the font has and that breaks no line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r):
			return -1
		case r > 0xffff || r == unicode.ReplacementChar:
			return '□'
		}
		return r
	}, s)
}

func (g *drawing) font(style string, size float64) {
	g.pdf.SetFont("text", style, size)
	g.size = size
}

func (g *drawing) lineHeight() float64 { return g.size * perPoint * line }

// put writes one line of text with its top at y.
func (g *drawing) put(x, y float64, text string) {
	if text != "" {
		g.pdf.Text(x, y+g.size*perPoint*1.05, text)
	}
}

// page begins a page with its running head and foot, which no screen reader reads again and again.
func (g *drawing) page() {
	style, size := "", g.size
	g.pdf.AddPage()
	w, h := g.pdf.GetPageSize()
	g.tags.artifact(func() {
		g.pdf.SetTextColor(80, 80, 80)
		g.pdf.SetDrawColor(150, 150, 150)
		g.pdf.SetLineWidth(0.2)
		g.font("", runningSize)
		if g.pdf.PageNo() == 1 {
			g.owner = g.oneLine(g.Owner, g.width/2)
			g.title = g.oneLine(g.Title, g.width-g.pdf.GetStringWidth(g.owner)-5)
			for _, text := range g.Running {
				g.foot = append(g.foot, g.oneLine(text, g.width))
			}
		}
		g.put(margin, head-4, g.owner)
		if g.pdf.PageNo() > 1 {
			g.put(w-margin-g.pdf.GetStringWidth(g.title), head-4, g.title)
		}
		g.pdf.Line(margin, head+1, w-margin, head+1)
		foot := append(slices.Clone(g.foot), fmt.Sprintf(g.Page, g.pdf.PageNo(), g.total))
		y := h - margin/2 - float64(len(foot))*g.lineHeight()
		g.pdf.Line(margin, y-1, w-margin, y-1)
		for _, text := range foot {
			g.put(margin, y, text)
			y += g.lineHeight()
		}
		g.pdf.SetTextColor(0, 0, 0)
	})
	g.y = head + 5
	if size > 0 {
		g.font(style, size)
	}
}

// room makes sure that height fits on this page.
func (g *drawing) room(height float64) (turned bool) {
	if g.y+height <= g.bottom {
		return false
	}
	g.page()
	return true
}

// paragraph is a text of the whole width.
func (g *drawing) paragraph(kind, text string, size float64, style string, after float64) {
	g.font(style, size)
	e := g.tags.root.child(kind)
	for _, l := range g.wrap(text, g.width) {
		if g.room(g.lineHeight()) {
			g.font(style, size)
		}
		g.tags.mark(e, func() { g.put(margin, g.y, l) })
		g.y += g.lineHeight()
	}
	g.y += after
}

// wrap breaks text into lines of a width, between words, and inside those that are longer than a line. A text is as wide as its characters together, so each is measured once, however long the text.
func (g *drawing) wrap(text string, width float64) (lines []string) {
	_, size := g.pdf.GetFontSize()
	fits := func(units int) bool { return float64(units)*size/1000 <= width }
	space := g.pdf.GetStringSymbolWidth(" ")
	text = strings.Join(strings.Fields(clean(text)), " ")
	from, to, wide := 0, 0, 0 // of the line
	begin := func(at int) {
		if to > from {
			lines = append(lines, text[from:to])
		}
		from, to, wide = at, at, 0
	}
	at := 0
	for word := range strings.SplitSeq(text, " ") {
		switch units := g.pdf.GetStringSymbolWidth(word); {
		case to > from && fits(wide+space+units):
			to, wide = at+len(word), wide+space+units
		case fits(units):
			begin(at)
			to, wide = at+len(word), units
		default:
			begin(at)
			for i, r := range word {
				units := g.pdf.GetStringSymbolWidth(string(r))
				if to > from && !fits(wide+units) {
					begin(at + i)
				}
				to, wide = at+i+utf8.RuneLen(r), wide+units
			}
		}
		at += len(word) + 1
	}
	begin(at)
	if len(lines) == 0 {
		lines = []string{""}
	}
	return lines
}

// oneLine is text, or as much of it as goes on a line of a width.
func (g *drawing) oneLine(text string, width float64) string {
	lines := g.wrap(text, width)
	if len(lines) > 1 {
		return g.wrap(text, width-g.pdf.GetStringWidth("…"))[0] + "…"
	}
	return lines[0]
}

func (g *drawing) facts() {
	t := g.tags.root.child("Table")
	label := 0.0
	g.font("B", 9)
	for _, f := range g.Facts {
		label = max(label, g.pdf.GetStringWidth(clean(f[0])))
	}
	widths := []float64{min(label+2*pad+1, g.width*0.4), 0}
	widths[1] = g.width - widths[0]
	for _, f := range g.Facts {
		g.row(t, f[:], widths, 9, false, nil)
	}
	g.y += 3
}

func (g *drawing) table(t Table) {
	if t.Caption != "" {
		g.y += 2
		g.room(25) // a caption stays with what follows
		g.paragraph("H2", t.Caption, 12, "B", 1.5)
	}
	if len(t.Rows) == 0 {
		if t.Empty != "" {
			g.paragraph("P", t.Empty, 9.5, "", 2)
		}
		return
	}
	size := 9.0
	if len(t.Columns) >= wideFrom {
		size = 7.5
	}
	widths := g.widths(t, size)
	e := g.tags.root.child("Table")
	header := func() { g.row(nil, t.Columns, widths, size, true, nil) } // again on the next page: an artifact
	g.room(20)
	if height := g.row(e, t.Columns, widths, size, true, nil); height > (g.bottom-head)/3 {
		header = nil // it would leave no room for what it stands above
	}
	for _, r := range t.Rows {
		g.row(e, r, widths, size, false, header)
	}
	g.y += 3
}

// widths of the columns: each at least its longest word, the rest by how much they have to say.
func (g *drawing) widths(t Table, size float64) []float64 {
	least, wish := make([]float64, len(t.Columns)), make([]float64, len(t.Columns))
	look := func(cells []string, header bool) {
		for i, c := range cells[:min(len(cells), len(t.Columns))] {
			c = clean(c)
			if g.font("", size); header || i == 0 {
				g.font("B", size)
			}
			wish[i] = max(wish[i], min(g.pdf.GetStringWidth(c), 120))
			for _, word := range strings.Fields(c) {
				least[i] = max(least[i], min(g.pdf.GetStringWidth(word), 30))
			}
		}
	}
	look(t.Columns, true)
	for _, r := range t.Rows[:min(len(t.Rows), 500)] {
		look(r, false)
	}
	space, over := g.width, 0.0
	for i := range least {
		least[i] += 2*pad + 0.5
		wish[i] = max(wish[i]+2*pad+0.5, least[i])
		space -= least[i]
		over += wish[i] - least[i]
	}
	for i := range least {
		switch {
		case space < 0:
			least[i] *= g.width / (g.width - space)
		case over > 0:
			least[i] += (wish[i] - least[i]) * min(1, space/over)
		}
	}
	return least
}

// row is one row of a table; without a table it is drawn and not read. One that is higher than what is left goes to the next page, under header; one that is higher than
// a page goes on over it. Height is that of all of it.
func (g *drawing) row(table *element, cells []string, widths []float64, size float64, isHeader bool, header func()) (height float64) {
	style := func(i int) string {
		if isHeader || i == 0 {
			return "B"
		}
		return ""
	}
	lines, most := make([][]string, len(widths)), 1
	for i := range widths {
		text := ""
		if i < len(cells) {
			text = cells[i]
		}
		g.font(style(i), size)
		lines[i] = g.wrap(text, widths[i]-2*pad)
		most = max(most, len(lines[i]))
	}
	var row *element
	kids := make([]*element, len(widths))
	if table != nil {
		row = table.child("TR")
		for i := range kids {
			switch {
			case isHeader:
				kids[i] = row.child("TH").scope("Column")
			case i == 0:
				kids[i] = row.child("TH").scope("Row")
			default:
				kids[i] = row.child("TD")
			}
		}
	}
	turn := func() {
		g.page()
		if header != nil {
			header()
		}
	}
	lh := g.lineHeight()
	if whole := float64(most)*lh + 2*pad; g.y+whole > g.bottom && g.y > head+30 && whole < (g.bottom-head)/2 {
		turn()
	}
	for from := 0; from < most; {
		if g.y+lh+2*pad > g.bottom {
			turn()
		}
		n := max(1, min(most-from, int((g.bottom-g.y-2*pad)/lh)))
		height := float64(n)*lh + 2*pad
		x := margin
		for i, w := range widths {
			g.font(style(i), size)
			part := lines[i][min(from, len(lines[i])):min(from+n, len(lines[i]))]
			draw := func() {
				for j, l := range part {
					g.put(x+pad, g.y+pad+float64(j)*lh, l)
				}
			}
			if isHeader {
				g.tags.artifact(func() {
					g.pdf.SetFillColor(232, 236, 242)
					g.pdf.Rect(x, g.y, w, height, "F")
				})
			}
			if kids[i] != nil {
				g.tags.mark(kids[i], draw)
			} else {
				g.tags.artifact(draw)
			}
			x += w
		}
		g.y += height
		g.tags.artifact(func() { g.pdf.Line(margin, g.y, margin+sum(widths), g.y) })
		from += n
	}
	return float64(most)*lh + 2*pad
}

func sum(list []float64) (s float64) {
	for _, v := range list {
		s += v
	}
	return s
}
