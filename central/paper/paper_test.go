package paper

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func sample(rows int) Document {
	d := Document{Lang: "nl", Title: "Register van verwerkingen – één régel", Owner: "Gemeente Súdwest-Fryslân", AsOf: time.Date(2026, 11, 21, 23, 59, 59, 0, time.UTC),
		Running: []string{"Stand van 21 november 2026", "logboek van de centrale: 1.204 regels, wortel " + strings.Repeat("ab", 32)}, Page: "pagina %d van %d",
		Text: []string{"Volgens artikel 30 AVG. " + strings.Repeat("Een lange zin die om moet lopen. ", 12)}, Facts: [][2]string{{"Verantwoordelijke", "het college"}, {"Peildatum", "21 november 2026"}},
		Tables: []Table{{Caption: "Camera's", Columns: []string{"Camera", "Stand", "Doelen", "Grondslag", "Ontvangers", "Termijn", "Maatregelen"}}, {Caption: "Leeg", Columns: []string{"x"}, Empty: "Er is niets."}}}
	for i := range rows {
		d.Tables[0].Rows = append(d.Tables[0].Rows, []string{fmt.Sprintf("Café Ĳsselzicht €%d", i), "actief", "veiligheid op straat, bescherming van gebouwen en terreinen", "taak van algemeen belang (art. 6 lid 1 onder e AVG)", "Politie",
			"4 weken", "versleutelde opslag, vier ogen, " + strings.Repeat("x", 60)})
	}
	return d
}

func written(t testing.TB, d Document) (file string, b []byte) {
	t.Helper()
	var out bytes.Buffer
	if err := d.Write(&out); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "report.pdf")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, out.Bytes()
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s: `make packages` installs poppler-utils", name)
	}
	cmd := exec.Command(name, args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("%s: %v %s", name, err, complaints.String())
	}
	return string(out)
}

// TestReadBackByAnother: poppler reads text, fonts, title, language and structure.
func TestReadBackByAnother(t *testing.T) {
	file, _ := written(t, sample(60))
	text := run(t, "pdftotext", "-layout", file, "-")
	for _, want := range []string{"Register van verwerkingen – één régel", "Gemeente Súdwest-Fryslân", "Ĳsselzicht", "€59", "pagina 1 van", "1.204 regels, wortel abab", "Er is niets."} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q", want)
		}
	}
	pages := strings.Count(text, "\f")
	if pages < 2 || !strings.Contains(text, fmt.Sprintf("pagina %d van %d", pages, pages)) {
		t.Errorf("%d pages", pages)
	}
	fonts := strings.Split(strings.TrimSpace(run(t, "pdffonts", file)), "\n")[2:]
	if len(fonts) != 2 {
		t.Errorf("%d fonts", len(fonts))
	}
	for _, f := range fonts {
		if columns := strings.Fields(f); len(columns) < 8 || columns[len(columns)-5] != "yes" || columns[len(columns)-3] != "yes" { // emb sub uni object ID
			t.Errorf("not embedded, or its text cannot be read: %s", f)
		}
	}
	t.Setenv("TZ", "UTC")
	info := run(t, "pdfinfo", file)
	for _, want := range []string{"Tagged:          yes", "Register van verwerkingen", "Gemeente Súdwest-Fryslân", "A4", "CreationDate:    Sat Nov 21 23:59:59 2026", "ModDate:         Sat Nov 21 23:59:59 2026"} {
		if !strings.Contains(info, want) {
			t.Errorf("pdfinfo does not say %q:\n%s", want, info)
		}
	}
	tree := run(t, "pdfinfo", "-struct-text", file)
	for _, want := range []string{"Document", "H1", "Table", "TR", "TH", "TD", "Ĳsselzicht", "/Scope /Row"} {
		if !strings.Contains(strings.ReplaceAll(tree, "\n", " "), want) {
			t.Errorf("the structure has no %q", want)
		}
	}
	if rows := strings.Count(tree, "TR"); rows != 2+1+60 {
		t.Errorf("%d rows in the structure", rows)
	}
	if strings.Contains(tree, "pagina 1") {
		t.Error("a screen reader reads the foot of each page")
	}
}

// TestSameDocumentSameBytes: a hash in the ledger means something.
func TestSameDocumentSameBytes(t *testing.T) {
	_, a := written(t, sample(30))
	_, b := written(t, sample(30))
	if !bytes.Equal(a, b) {
		t.Error("two files")
	}
	other := sample(30)
	other.Tables[0].Rows[7][1] = "verlopen"
	if _, c := written(t, other); bytes.Equal(a, c) {
		t.Error("another document is the same file")
	}
}

// TestEveryPageHoldsItsRows: no row is lost at the end of a page, one that is longer than a page goes on over it, and what is too much is refused.
func TestEveryPageHoldsItsRows(t *testing.T) {
	d := sample(0)
	long := ""
	for i := range 900 {
		long += fmt.Sprintf("woord%d ", i)
	}
	for i := range 40 {
		d.Tables[0].Rows = append(d.Tables[0].Rows, []string{fmt.Sprintf("rij%d.", i), strings.Repeat("stand ", i%9), "", "", "", "", ""})
	}
	d.Tables[0].Rows[20][6] = long
	file, _ := written(t, d)
	text := run(t, "pdftotext", file, "-")
	for i := range 40 {
		if !strings.Contains(text, fmt.Sprintf("rij%d.", i)) {
			t.Errorf("row %d is lost", i)
		}
	}
	words := strings.Fields(text)
	found := map[string]bool{}
	for _, w := range words {
		found[w] = true
	}
	for i := range 900 {
		if !found[fmt.Sprintf("woord%d", i)] {
			t.Fatalf("word %d is lost", i)
		}
	}
	if err := sample(MostRows).Write(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "5000") {
		t.Errorf("%v", err)
	}
}

// TestLongTexts: what is four times as long takes four times the pages and the work. A title, and headings of columns, that are longer than anybody reads do not stand on each page again, and what stands in the
// running head and foot ends where the line ends.
func TestLongTexts(t *testing.T) {
	long := func(n int) (pages, characters int, second string) {
		s := strings.Repeat("woord ", n/6)
		d := Document{Lang: "nl", Title: s, Owner: s, Running: []string{s}, Page: "%d/%d", Text: []string{s}, Facts: [][2]string{{s, s}},
			Tables: []Table{{Caption: s, Columns: []string{s, s, s}, Rows: [][]string{{s, s, s}, {s}}}}}
		g, err := d.draw(0)
		if err != nil {
			t.Fatal(err)
		}
		file, _ := written(t, d)
		return g.pdf.PageCount(), len(run(t, "pdftotext", file, "-")), run(t, "pdftotext", "-f", "2", "-l", "2", file, "-")
	}
	pages, characters, _ := long(5000)
	more, all, second := long(20000)
	if more > 5*pages || all > 5*characters || all > 14*20000 { // twelve texts, and what stands on each page
		t.Errorf("%d pages with %d characters; of four times the text %d with %d", pages, characters, more, all)
	}
	if n := strings.Count(second, "woord…"); n != 3 {
		t.Errorf("%d lines of the running head and foot end where the line ends, want 3:\n%.2000s", n, second)
	}
}

// TestWrap: lines break between words, within a word only where it is longer than a line, and each is as long as fits.
func TestWrap(t *testing.T) {
	g, err := Document{Lang: "nl", Page: "%d/%d"}.draw(0)
	if err != nil {
		t.Fatal(err)
	}
	g.font("", 9)
	const width = 30.0
	for _, text := range []string{"", " ", "een", "een twee drie vier vijf zes zeven acht negen tien", strings.Repeat("é", 100), "kort " + strings.Repeat("lang", 40) + " kort", "a\xffb\x00 c\n\td", strings.Repeat("1234567 ", 50)} {
		lines := g.wrap(text, width)
		rest := strings.Join(strings.Fields(clean(text)), " ")
		for i, l := range lines {
			if !strings.HasPrefix(rest, l) || g.pdf.GetStringWidth(l) > width {
				t.Fatalf("%q: line %q of %v mm, of %q", text, l, g.pdf.GetStringWidth(l), rest)
			}
			rest = rest[len(l):]
			if i == len(lines)-1 {
				break
			}
			next, cut := strings.CutPrefix(rest, " ")
			rest = next
			word := strings.Fields(next)[0]
			if !cut { // within a word: not one character more
				_, n := utf8.DecodeRuneInString(next)
				word = next[:n]
				l += word
			} else if l += " " + word; g.pdf.GetStringWidth(word) > width {
				continue // a word that begins a line, and goes on over the next
			}
			if g.pdf.GetStringWidth(l) <= width {
				t.Errorf("%q: %q fits on one line", text, l)
			}
		}
		if rest != "" {
			t.Errorf("%q: %q is lost", text, rest)
		}
	}
}

// FuzzText: whatever people typed, a file comes of it that another program reads.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "gewoon", "a\x00b\r\nc", "😀 emoji", "日本語", "(haakjes) \\ en {nb}", strings.Repeat("é", 3000), "\xff\xfe", "‮omgekeerd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 20000 {
			return
		}
		d := Document{Lang: "nl", Title: s, Owner: s, Running: []string{s}, Page: "%d/%d", Text: []string{s}, Facts: [][2]string{{s, s}},
			Tables: []Table{{Caption: s, Columns: []string{s, s, s}, Rows: [][]string{{s, s, s}, {s}}}}}
		if err := d.Write(new(bytes.Buffer)); err != nil {
			t.Fatal(err)
		}
	})
}
