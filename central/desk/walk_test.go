package desk

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// walkers are people who hold each role; between them they get to everything.
var walkers = []protocol.PersonID{requester, teammate, staff, handler, approver, approver2, registrar, officer, auditor, alderman, admin}

// notByAPerson are the commands that nobody gives at the desk, and who does.
var notByAPerson = map[string]string{
	"Open":                "the first start of a centre (central/office)",
	"EnrolRecorder":       "who enrols a recorder at its cabinet, from its file (central/office)",
	"Tell":                "anybody, on the public site (central/public)",
	"Through":             "a system, through the API (central/api)",
	"AdmitClient":         "the API, when a system comes in (central/api)",
	"TakeMail":            "the mailer (central/mail)",
	"RecordMail":          "the mailer (central/mail)",
	"Tend":                "time",
	"EraseDue":            "time",
	"RecordDestroyed":     "the centre's witness",
	"RecordAccess":        "the witness, of an access that nothing allowed",
	"RecordMisbehaviour":  "the witness, of what a recorder's log shows",
	"GiveShare":           "a recorder that starts",
	"ConfirmHold":         "a recorder's journal",
	"RecordLifted":        "a recorder's journal",
	"RecordRelease":       "a recorder's journal",
	"RecordReleaseFailed": "a recorder's journal",
	"RecordOrder":         "a recorder's journal",
	"RecordRefusedOrder":  "a recorder's journal",
	"RecordIncident":      "a recorder's journal",
	"RecordErased":        "a recorder's journal",
	"RecordResumed":       "a recorder's journal",
	"RecordAhead":         "a recorder's status",
	"Alarm":               "the centre, of what it found by itself",
}

// commands are the names of all commands of the domain, as its source declares them.
func commands(t *testing.T) (names []string) {
	for _, f := range parsed(t, "..") {
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Name.Name == "decide" && fn.Recv != nil {
				names = append(names, fn.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	if len(names) < 60 {
		t.Fatalf("only %d commands in the source", len(names))
	}
	return names
}

// routes are the patterns that New registers, as its source says them.
func routes(t *testing.T) (patterns []string) {
	known := map[string][]string{"accountPath": {accountPath}, "identity.CallbackPath": {identity.CallbackPath}, "end": {"", ".csv", ".pdf"}}
	var text func(ast.Expr) []string
	text = func(e ast.Expr) []string {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			return []string{s}
		case *ast.Ident:
			return known[e.Name]
		case *ast.SelectorExpr:
			return known[fmt.Sprint(e.X)+"."+e.Sel.Name]
		case *ast.BinaryExpr:
			var list []string
			for _, a := range text(e.X) {
				for _, b := range text(e.Y) {
					list = append(list, a+b)
				}
			}
			return list
		}
		return nil
	}
	for _, f := range parsed(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			if fn, ok := call.Fun.(*ast.Ident); ok && (fn.Name == "in" || fn.Name == "open") {
				found := text(call.Args[0])
				if len(found) == 0 {
					t.Fatal("a route that the test cannot read")
				}
				patterns = append(patterns, found...)
			}
			return true
		})
	}
	if len(patterns) < 100 {
		t.Fatalf("only %d routes in the source", len(patterns))
	}
	return patterns
}

func parsed(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	set := token.NewFileSet()
	packages, err := parser.ParseDir(set, dir, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		for _, f := range p.Files {
			files = append(files, f)
		}
	}
	return files
}

// press is a button that somebody can press on a page.
type press struct {
	who          protocol.PersonID
	page, action string
	form         string // its HTML
}

// visited is a page that somebody can get to by links.
type visited struct {
	who  protocol.PersonID
	path string
	body string
}

var (
	links   = regexp.MustCompile(`<a [^>]*href="([^"#]+)`)
	forms   = regexp.MustCompile(`(?s)<form method="post"([^>]*)>.*?</form>`)
	action  = regexp.MustCompile(`action="([^"#]+)`)
	buttons = regexp.MustCompile(`<button([^>]*)>`)
	inputs  = regexp.MustCompile(`(?s)<(input)([^>]*)>|<(select)([^>]*)>.*?</select>|<(textarea)([^>]*)>`)
	attrs   = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`)
	options = regexp.MustCompile(`<option value="([^"]+)"`)
)

// walk follows every link from the start page, as each person, and gives the pages and the buttons that work.
func (o *office) walk(t *testing.T, walkers []protocol.PersonID, look func(visited)) (pressed []press) {
	for _, who := range walkers {
		b := o.as(who)
		seen, todo := map[string]bool{}, []string{"/bureau"}
		for len(todo) > 0 {
			path := todo[0]
			todo = todo[1:]
			if seen[path] {
				continue
			}
			seen[path] = true
			w := b.get(path)
			if w.Code != 200 {
				t.Errorf("%s: a link leads to %s, which answers %d: %s", who, path, w.Code, plain(w.Body.String()))
				continue
			}
			body := ""
			if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
				body = w.Body.String()
			}
			look(visited{who, path, body})
			for _, found := range links.FindAllStringSubmatch(body, -1) {
				if to := html.UnescapeString(found[1]); strings.HasPrefix(to, "/bureau") {
					todo = append(todo, to)
				}
			}
			for _, found := range forms.FindAllStringSubmatch(body, -1) {
				if slices.ContainsFunc(buttons.FindAllStringSubmatch(found[0], -1), func(b []string) bool { return !strings.Contains(b[1], "disabled") }) {
					to := path // where a form without an action goes
					if a := action.FindStringSubmatch(found[1]); a != nil {
						to = html.UnescapeString(a[1])
					}
					pressed = append(pressed, press{who, path, to, found[0]})
				}
			}
		}
	}
	return pressed
}

// filled is a form as somebody leaves it who fills in whatever is asked.
func (p press) filled(t *testing.T) (pairs []string, file string) {
	chosen := map[string]bool{}
	add := func(name, value string) { pairs = append(pairs, name, value) }
	for _, found := range inputs.FindAllStringSubmatch(p.form, -1) {
		a := map[string]string{}
		for _, attr := range attrs.FindAllStringSubmatch(found[2]+found[4]+found[6], -1) {
			a[attr[1]] = html.UnescapeString(attr[2])
		}
		name, value := a["name"], a["value"]
		_, checked := a["checked"]
		switch kind := a["type"]; {
		case name == "csrf":
		case found[3] == "select":
			if all := options.FindAllStringSubmatch(found[0], -1); len(all) > 0 {
				add(name, html.UnescapeString(all[len(all)-1][1]))
			}
		case kind == "radio" || kind == "checkbox":
			if kind == "checkbox" || !chosen[name] {
				add(name, value)
			}
			chosen[name] = chosen[name] || checked || kind == "radio"
		case kind == "file":
			file = name
		case kind == "hidden" || value != "":
			add(name, value)
		case kind == "date":
			add(name, "2026-11-20")
		case kind == "datetime-local":
			add(name, "2026-11-21T01:00")
		case kind == "number":
			add(name, "1")
		case name == "beeldvlak":
			add(name, "51.1 5.1\n51.2 5.1\n51.2 5.2")
		case name == "sleutel" && strings.Contains(p.action, "koppelingen"):
			add(name, publicJWK(t))
		case name == "sleutel":
			add(name, viewerKey(t))
		default:
			add(name, "1")
		}
	}
	if found := regexp.MustCompile(`<button name="([^"]+)" value="([^"]+)"`).FindAllStringSubmatch(p.form, -1); len(found) > 0 {
		add(found[0][1], found[0][2])
	}
	if strings.Contains(p.form, `id="vraag"`) {
		add("stap", "indienen") // the page that it leads to asks once more
	}
	return pairs, file
}

// Everything is within reach (issue 4 item 11): whoever may give a command finds a button for it by following links from the start page, and every page of the desk is found so. The
// buttons are pressed: what counts is the command that reaches the domain, from somebody who may give it.
func TestEveryCommandAndViewIsWithinReach(t *testing.T) {
	o := lived(t)
	given := map[string]error{}
	o.given = func(c central.Command, err error) {
		if despite, ok := c.(central.Despite); ok {
			given["Despite"] = nil
			c = despite.Command
		}
		name := reflect.TypeOf(c).Name()
		if r, ok := central.RefusalOf(err); ok && (r.Code == central.CodeForbidden || r.Code == central.CodeInactive) {
			err = r
		} else {
			err = nil
		}
		if before, ok := given[name]; !ok || before != nil {
			given[name] = err
		}
	}
	mux := http.NewServeMux()
	reached := map[string]bool{}
	patterns := routes(t)
	for _, p := range patterns {
		mux.HandleFunc(p, func(http.ResponseWriter, *http.Request) {})
	}
	reach := func(method, path string) {
		_, pattern := mux.Handler(httptest.NewRequest(method, path, nil))
		reached[pattern] = true
	}
	pressed := o.walk(t, walkers, func(v visited) { reach("GET", v.path) })
	done := map[string]bool{}
	push := func(p press) {
		reach("POST", p.action)
		pairs, file := p.filled(t)
		once := fmt.Sprint(p.who, p.action, regexp.MustCompile(`name="formulier" value="[^"]+"`).FindString(p.form), strings.Contains(p.form, `name="toestemming"`))
		if done[once] || strings.HasPrefix(p.action, accountPath) || p.action == "/bureau/uitloggen" || p.action == "/bureau/wachtwoord" {
			return // those would end the walk
		}
		done[once] = true
		b := o.as(p.who)
		var w *httptest.ResponseRecorder
		if file != "" {
			w = b.upload(p.action, file, "%PDF", pairs...)
		} else {
			w = b.post(p.action, pairs...)
		}
		if w.Code >= 500 {
			t.Errorf("%s presses a button on %s: %d %s", p.who, p.page, w.Code, plain(w.Body.String()))
		}
		if to := w.Header().Get("Location"); w.Code == 303 { // and goes on from where it leads
			reach("GET", to)
			for _, found := range links.FindAllStringSubmatch(b.get(to).Body.String(), -1) {
				reach("GET", html.UnescapeString(found[1]))
			}
		}
	}
	slices.SortStableFunc(pressed, func(a, b press) int { // what takes a request back comes after what changes it
		last := func(p press) int { return strings.Count(p.action, "/terugnemen") }
		return last(a) - last(b)
	})
	for _, p := range pressed {
		push(p)
	}
	o.now = time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC) // a year is over: its report can be signed
	clear(o.sessions)
	for _, p := range o.walk(t, []protocol.PersonID{officer}, func(visited) {}) {
		if strings.HasSuffix(p.action, "/ondertekenen") {
			push(p)
		}
	}
	for _, name := range commands(t) {
		err, ok := given[name]
		switch who, elsewhere := notByAPerson[name]; {
		case elsewhere && ok:
			t.Errorf("%s is given at the desk after all, not only by %s", name, who)
		case elsewhere:
		case !ok:
			t.Errorf("%s: no button gives it, or no link leads there", name)
		case err != nil:
			t.Errorf("%s: only people who may not give it find its button: %v", name, err)
		}
	}
	for name := range notByAPerson {
		if !slices.Contains(commands(t), name) {
			t.Errorf("%s is no command any more", name)
		}
	}
	for _, p := range patterns { // a passkey's own are pressed in a browser: TestPasskeysInABrowser, TestI13_TheOfficerSignsInABrowser
		own := strings.HasPrefix(p, "POST") && strings.HasSuffix(p, accountPath+"/koppelen") || strings.Contains(p, "passkeys") || strings.HasSuffix(p, "/bureau/logboeken/{recorder}/hervatten/ondertekenen")
		if !own && !reached[p] && !strings.Contains(p, " /bureau/inloggen") && !strings.Contains(p, " /bureau/uitnodiging") {
			t.Errorf("%s: no link or button leads there", p)
		}
	}
}

// Every page with something on it, as a phone and as a screen show it: not wider than either, and with a name for all that is on it. It looks at some two hundred pages in a browser, and so
// only where DESK_PICTURES names a folder for what it saw.
func TestEveryPageOnAPhoneAndAScreen(t *testing.T) {
	if os.Getenv("DESK_PICTURES") == "" {
		t.Skip("set DESK_PICTURES to a folder: it takes minutes")
	}
	o, base := served(t)
	o.livedIn()
	number := regexp.MustCompile(`[a-z]+-[0-9]+|[0-9]+`)
	seen := map[string]bool{}
	pages := map[protocol.PersonID][]string{}
	o.walk(t, walkers, func(v visited) {
		kind := number.ReplaceAllString(v.path, "#")
		if strings.Contains(v.path, "/z-") || strings.Contains(v.path, "/b-") { // each is at a stage of its own, and each role sees another form
			kind = string(v.who) + v.path
		}
		if v.body != "" && !seen[kind] {
			seen[kind] = true
			pages[v.who] = append(pages[v.who], v.path)
		}
	})
	for _, who := range walkers {
		s := newScreen(t, base)
		s.do("log-in", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: o.sessions[who].Name, Value: o.sessions[who].Value, URL: base})
			return err
		}))
		for _, path := range pages[who] {
			s.goTo(path)
			s.picture(strings.TrimPrefix(string(who), "p-") + strings.NewReplacer("/bureau", "", "/", "_", "?", "_", "%", "_").Replace(path))
		}
	}
}
