package paper

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"
)

// Tags (ISO 32000-1, 14.7 and 14.8): fpdf draws, and knows nothing of what it draws. Here each piece is marked in the page's content as it is drawn, and when the file is made
// the tree of what the pieces are is added behind it as an incremental update (7.5.6): new objects, and the pages and the catalogue once more, pointing to them.

// element of the structure: a heading, a table, a cell.
type element struct {
	kind   string
	attr   string
	kids   []*element
	pieces []piece
	object int // its number in the file
}

// piece of a page's content.
type piece struct{ page, id int }

func (e *element) child(kind string) *element {
	k := &element{kind: kind}
	e.kids = append(e.kids, k)
	return k
}

// scope says whether a header cell is of its row or its column.
func (e *element) scope(of string) *element {
	e.attr = "/A <</O /Table /Scope /" + of + ">>"
	return e
}

type tags struct {
	pdf   *fpdf.Fpdf
	root  *element
	pages [][]*element // by page, by id
}

func newTags(p *fpdf.Fpdf) *tags { return &tags{pdf: p, root: &element{kind: "Document"}} }

// mark draws a piece of an element.
func (t *tags) mark(e *element, draw func()) {
	page := t.pdf.PageNo() - 1
	for len(t.pages) <= page {
		t.pages = append(t.pages, nil)
	}
	id := len(t.pages[page])
	t.pages[page] = append(t.pages[page], e)
	e.pieces = append(e.pieces, piece{page, id})
	t.pdf.RawWriteStr(fmt.Sprintf("/%s <</MCID %d>> BDC", e.kind, id))
	draw()
	t.pdf.RawWriteStr("EMC")
}

// artifact draws what is not part of the text.
func (t *tags) artifact(draw func()) {
	t.pdf.RawWriteStr("/Artifact BMC")
	draw()
	t.pdf.RawWriteStr("EMC")
}

// add puts the tree behind a file that fpdf made. It relies on how fpdf numbers: pages are 3, 5, 7, …; the catalogue comes last.
func (t *tags) add(file []byte) ([]byte, error) {
	offsets, err := crossReference(file)
	if err != nil {
		return nil, fmt.Errorf("tagging: %w", err)
	}
	last := len(offsets) - 1
	var b bytes.Buffer
	b.Write(bytes.Replace(file, []byte("%PDF-1.3"), []byte("%PDF-1.7"), 1)) // of the same length: offsets stay
	placed := map[int]int{}
	object := func(number int, text string) {
		placed[number] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", number, text)
	}
	old := func(number int, must string) (string, error) {
		if number > last {
			return "", fmt.Errorf("tagging: the file has no object %d", number)
		}
		text := string(file[offsets[number]:])
		text, _, ended := strings.Cut(text, "endobj")
		_, text, began := strings.Cut(text, "obj\n")
		if !ended || !began || !strings.Contains(text, must) {
			return "", fmt.Errorf("tagging: object %d is not a %s", number, must)
		}
		return strings.TrimSuffix(text, "\n"), nil
	}

	next := last + 1
	tree, parents := next, next+1
	next += 2
	var number func(*element)
	number = func(e *element) {
		e.object = next
		next++
		for _, k := range e.kids {
			number(k)
		}
	}
	number(t.root)
	page := func(i int) int { return 3 + 2*i }
	var write func(e *element, parent int)
	write = func(e *element, parent int) {
		var kids []string
		for _, p := range e.pieces {
			kids = append(kids, fmt.Sprintf("<</Type /MCR /Pg %d 0 R /MCID %d>>", page(p.page), p.id))
		}
		for _, k := range e.kids {
			kids = append(kids, fmt.Sprintf("%d 0 R", k.object))
		}
		object(e.object, fmt.Sprintf("<</Type /StructElem /S /%s /P %d 0 R /K [%s] %s>>", e.kind, parent, strings.Join(kids, " "), e.attr))
		for _, k := range e.kids {
			write(k, e.object)
		}
	}
	object(tree, fmt.Sprintf("<</Type /StructTreeRoot /K [%d 0 R] /ParentTree %d 0 R /ParentTreeNextKey %d>>", t.root.object, parents, len(t.pages)))
	var nums strings.Builder
	for i, of := range t.pages {
		fmt.Fprintf(&nums, "%d [", i)
		for _, e := range of {
			fmt.Fprintf(&nums, "%d 0 R ", e.object)
		}
		nums.WriteString("]\n")
	}
	object(parents, "<</Nums ["+nums.String()+"]>>")
	write(t.root, tree)
	for i := range t.pages {
		text, err := old(page(i), "/Type /Page\n")
		if err != nil {
			return nil, err
		}
		object(page(i), strings.Replace(text, "/Type /Page\n", fmt.Sprintf("/Type /Page\n/StructParents %d\n/Tabs /S\n", i), 1))
	}
	text, err := old(last, "/Type /Catalog\n")
	if err != nil {
		return nil, err
	}
	object(last, strings.Replace(text, "/Type /Catalog\n", fmt.Sprintf("/Type /Catalog\n/MarkInfo <</Marked true>>\n/StructTreeRoot %d 0 R\n/ViewerPreferences <</DisplayDocTitle true>>\n", tree), 1))

	at := b.Len()
	b.WriteString("xref\n")
	for n := 1; n < next; n++ { // one section each: only some of the old ones are there
		if offset, ok := placed[n]; ok {
			fmt.Fprintf(&b, "%d 1\n%010d 00000 n \n", n, offset)
		}
	}
	previous, _ := startOf(file)
	fmt.Fprintf(&b, "trailer\n<<\n/Size %d\n/Root %d 0 R\n/Info %d 0 R\n/Prev %d\n>>\nstartxref\n%d\n%%%%EOF\n", next, last, last-1, previous, at)
	return b.Bytes(), nil
}

// startOf is where the cross-reference of a file begins.
func startOf(file []byte) (int, error) {
	i := bytes.LastIndex(file, []byte("startxref\n"))
	if i < 0 {
		return 0, fmt.Errorf("no startxref")
	}
	text, _, _ := strings.Cut(string(file[i+len("startxref\n"):]), "\n")
	return strconv.Atoi(text)
}

// crossReference is where the objects of a file begin, by number.
func crossReference(file []byte) ([]int, error) {
	start, err := startOf(file)
	if err != nil {
		return nil, err
	}
	if start < 0 || start > len(file) {
		return nil, fmt.Errorf("cross-reference at %d of %d", start, len(file))
	}
	lines := strings.Split(string(file[start:]), "\n")
	if len(lines) < 3 || lines[0] != "xref" {
		return nil, fmt.Errorf("no cross-reference at %d", start)
	}
	var first, count int
	if _, err := fmt.Sscanf(lines[1], "%d %d", &first, &count); err != nil || first != 0 || len(lines) < 2+count {
		return nil, fmt.Errorf("cross-reference %q", lines[1])
	}
	offsets := make([]int, count)
	for i := range offsets {
		if _, err := fmt.Sscanf(lines[2+i], "%010d", &offsets[i]); err != nil || offsets[i] > len(file) {
			return nil, fmt.Errorf("cross-reference: object %d: %q", i, lines[2+i])
		}
	}
	return offsets, nil
}
