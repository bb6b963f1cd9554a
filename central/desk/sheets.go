package desk

import (
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Sheets: the pages of oversight are registers and dossiers, much alike. Each is described here as facts, tables and forms; one template draws them all, and the same
// table is the CSV.

type sheet struct {
	Back    *page.Link
	Heading central.Words
	State   badge // zero: none
	Intro   central.Words
	Warn    []central.Words
	Facts   []fact
	Tables  []table
	Fills   []fill
	History []central.Moment

	PDF  string // where the whole is as PDF; empty: nowhere
	AsOf *asOf  // it can be seen as it was on a day
}

// asOf is the form that asks for a day.
type asOf struct{ Path, Day, Today string }

type fact struct {
	Label central.Words
	Value any // see cell; empty ones are left out
}

type table struct {
	Caption central.Words
	Columns []central.Words
	Rows    [][]any
	CSV     string // where it is as CSV; empty: nowhere
	Empty   central.Words
}

// fill is one form.
type fill struct {
	ID, Action string
	Title      central.Words
	Hint       central.Words
	Why        *central.Refusal // it does not work now
	Problem    *central.Refusal // it was refused
	Fields     []field
	Button     central.Words
	Open       bool // where forms fold
}

// field of a form. Kind: text, area, long (an area for pages of text), date, datetime-local, number, file, hidden, check (Options: several), radio, select.
type field struct {
	Name, Kind  string
	Label, Hint central.Words
	Value       string
	Options     []option
}

type option struct {
	Value  string
	Words  central.Words
	Chosen bool
}

// badge is a word with a colour: "good", "warn", "bad" or "".
type badge struct {
	Kind  string
	Words central.Words
}

// to is a link in a cell.
type to struct {
	Path string
	Text any
}

// lines are text to copy as it stands.
type lines string

// onDay is a time shown as its date.
type onDay struct{ protocol.Time }

// refilled puts back what was typed into the form that was refused.
func (s *sheet) refilled(f form) {
	for i := range s.Fills {
		form := &s.Fills[i]
		if f.Problem == nil || f.Get("formulier") != form.ID {
			continue
		}
		form.Problem = f.Problem
		for j := range form.Fields {
			field := &form.Fields[j]
			field.Value = f.Get(field.Name)
			for k := range field.Options {
				field.Options[k].Chosen = f.Ticked(field.Name, field.Options[k].Value)
			}
		}
	}
}

// erased is what a page says first of a dossier that is gone; nothing of one that is not.
func erased(st *central.State, o central.Dossier) []central.Words {
	e := st.Erasure(o)
	if e == nil {
		return nil
	}
	w := e.Words()
	return []central.Words{page.Both("Dit dossier is "+w.NL+". Wat hieronder staat is wat ervan over is.", "This dossier is "+w.EN+". What stands below is what remains of it.")}
}

func (d *desk) showSheet(v *visit, status int, f form, make func(*central.State) sheet) {
	var title central.Words
	d.Book.View(func(st *central.State) { title = make(st).Heading })
	d.show(v, status, "sheet.html", title, func(st *central.State) any {
		s := make(st)
		s.refilled(f)
		return s
	}, wide)
}

// give reads a form and gives its command; refused, the page shows again with what was typed.
func (d *desk) give(v *visit, onward string, again func(*visit, int, form), read func(*answers) central.Command) {
	a := answers{v: v}
	c := read(&a)
	refusal, ok := a.bad, true
	if refusal == nil {
		if refusal, ok = d.do(v, c); !ok {
			return
		}
	}
	d.answered(v, refusal, onward, again)
}

// answered goes on to a page, or shows the form again with what was typed and why it was refused.
func (d *desk) answered(v *visit, refusal *central.Refusal, onward string, again func(*visit, int, form)) {
	if refusal == nil {
		v.onward(onward)
		return
	}
	f := v.form()
	f.Problem = refusal
	again(v, statusOf(refusal), f)
}

// answers reads a form's fields; the first that cannot be read is kept.
type answers struct {
	v   *visit
	bad *central.Refusal
}

func (a *answers) text(name string) string { return a.v.value(name) }
func (a *answers) yes(name string) bool    { return a.v.value(name) == "ja" }

func (a *answers) moment(name string) (t protocol.Time) {
	if s := a.v.value(name); s != "" {
		at, err := parseLocal(s, false)
		a.wrong(err)
		t = protocol.T(at)
	}
	return t
}

func (a *answers) day(name string) protocol.Time {
	t, err := parseDay(a.v.value(name))
	a.wrong(err)
	return t
}

func (a *answers) number(name string) (n int) {
	if s := a.v.value(name); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		a.wrong(err)
	}
	return n
}

func (a *answers) wrong(err error) {
	if err != nil && a.bad == nil {
		a.bad = &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Een datum, tijd of getal is niet te lezen: "+err.Error(), "A date, time or number cannot be read: "+err.Error())}
	}
}

// Fields, shortly.

func entry(name, kind, nl, en string, value any) field {
	f := field{Name: name, Kind: kind, Label: page.Both(nl, en)}
	switch x := value.(type) {
	case nil:
	case protocol.Time:
		if x.IsZero() {
			break
		}
		if f.Value = dayInput(x); kind == "datetime-local" {
			f.Value = localInput(x.Time)
		}
	default:
		f.Value = fmt.Sprint(x)
	}
	return f
}

func (f field) hint(nl, en string) field {
	f.Hint = page.Both(nl, en)
	return f
}

// Uploads says that the form sends more than a form that is written out can: a file, or pages of text.
func (f fill) Uploads() bool {
	return slices.ContainsFunc(f.Fields, func(one field) bool { return one.Kind == "file" || one.Kind == "long" })
}

// choice is one of some coded things, each with its words.
func choice[T interface {
	~string
	Words() central.Words
}](name, kind, nl, en string, all []T, chosen ...T) field {
	f := field{Name: name, Kind: kind, Label: page.Both(nl, en)}
	for _, one := range all {
		o := option{Value: string(one), Words: one.Words()}
		for _, c := range chosen {
			o.Chosen = o.Chosen || c == one
		}
		f.Options = append(f.Options, o)
	}
	return f
}

// tick is a single checkbox.
func tick(name, nl, en string) field {
	return field{Name: name, Kind: "check", Options: []option{{Value: "ja", Words: page.Both(nl, en)}}}
}

func cameraChoice(st *central.State, chosen []protocol.CameraID) field {
	if st.CameraCount() > onePage {
		return field{Name: "camera", Kind: "text", Label: page.Both("Camera's", "Cameras"), Value: strings.ReplaceAll(idList(chosen), ",", "")}.hint("De nummers, met een spatie ertussen.", "Their ids, with a space in between.")
	}
	f := field{Name: "camera", Kind: "check", Label: page.Both("Camera's", "Cameras")}
	for _, p := range st.Placements() {
		o := option{Value: string(p.Camera), Words: page.Both(p.Name, p.Name)}
		for _, c := range chosen {
			o.Chosen = o.Chosen || c == p.Camera
		}
		f.Options = append(f.Options, o)
	}
	return f
}

func idList[T ~string](ids []T) string {
	var list []string
	for _, id := range ids {
		list = append(list, string(id))
	}
	return strings.Join(list, ", ")
}

// cell is how a value reads in a page.
func (d *desk) cell(l page.Lang, who func(protocol.PersonID) template.HTML) func(any) template.HTML {
	esc := func(s string) template.HTML { return template.HTML(template.HTMLEscapeString(s)) }
	var cell func(any) template.HTML
	cell = func(v any) template.HTML {
		switch x := v.(type) {
		case protocol.PersonID:
			return who(x)
		case pair:
			return who(x[0]) + `, ` + who(x[1])
		case to:
			return `<a href="` + esc(l.Path(x.Path)) + `">` + cell(x.Text) + `</a>`
		case lines:
			return `<pre>` + esc(string(x)) + `</pre>`
		case badge:
			return `<span class="state ` + esc(x.Kind) + `">` + esc(l.In(x.Words)) + `</span>`
		case protocol.Time:
			if x.IsZero() {
				return "–"
			}
			return `<time datetime="` + esc(x.String()) + `">` + esc(l.Moment(x.Time)) + `</time>`
		}
		return esc(l.Times(said(l, v)))
	}
	return cell
}

// said is a value in plain text, for CSV and, where there is nothing more to it, for a page.
func said(l page.Lang, v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case central.Words:
		return l.In(x)
	case to:
		return said(l, x.Text)
	case lines:
		return string(x)
	case badge:
		return l.In(x.Words)
	case onDay:
		if x.IsZero() {
			return "–"
		}
		return l.Date(x.Time.Time)
	case protocol.Time:
		if x.IsZero() {
			return ""
		}
		return x.String()
	case protocol.Interval:
		return l.Span(x)
	case protocol.Window:
		return l.Duration(x.Duration())
	case bool:
		if x {
			return l.Say("ja", "yes")
		}
		return l.Say("nee", "no")
	}
	return fmt.Sprint(v)
}

// sendCSV gives a table as a file.
func (d *desk) sendCSV(v *visit, name string, t table) {
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+url.PathEscape(name)+`.csv"`)
	if err := t.csv(page.Steady(v.w), v.lang); err != nil {
		d.Log.Debug("a table was not read to its end", "table", name, "err", err)
		panic(http.ErrAbortHandler) // what was sent is not the whole table, and must not look like it
	}
}

// csv writes a table (RFC 4180). A cell that a spreadsheet would take for a formula is quoted with an apostrophe.
func (t table) csv(to io.Writer, l page.Lang) error {
	w := csv.NewWriter(to)
	w.UseCRLF = true
	line := func(cells []any) error {
		list := make([]string, len(cells))
		for i, c := range cells {
			if list[i] = said(l, c); list[i] != "" && strings.ContainsRune("=+-@\t\r", rune(list[i][0])) {
				list[i] = "'" + list[i]
			}
		}
		return w.Write(list)
	}
	head := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = c
	}
	err := line(head)
	for _, row := range t.Rows {
		if err == nil {
			err = line(row)
		}
	}
	if w.Flush(); err == nil {
		err = w.Error()
	}
	return err
}
