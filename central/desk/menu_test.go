package desk

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// menuOf is the menu as it stands on a page.
func menuOf(body string) string {
	_, rest, _ := strings.Cut(body, `<nav class="inside"`)
	menu, _, _ := strings.Cut(rest, "</nav>")
	return menu
}

func TestTheMenuIsShortAndLeadsOnlyToOnesOwnPages(t *testing.T) {
	o := newOffice(t)
	href := regexp.MustCompile(`href="([^"]+)"`)
	for _, who := range []protocol.PersonID{admin, registrar, handler, approver, officer, requester, staff} {
		b := o.as(who)
		menu := menuOf(b.get("/bureau").Body.String())
		groups := strings.Count(menu, "<details")
		if top := groups + len(href.FindAllString(regexp.MustCompile(`(?s)<details.*?</details>`).ReplaceAllString(menu, ""), -1)); top > fewPlaces {
			t.Errorf("the menu of %s has %d entries", who, top)
		}
		for _, found := range href.FindAllStringSubmatch(menu, -1) {
			w := b.get(found[1])
			if w.Code != 200 {
				t.Errorf("%s: the menu leads to %s, which answers %d", who, found[1], w.Code)
			}
			if !strings.Contains(menuOf(w.Body.String()), `href="`+found[1]+`" aria-current="page"`) {
				t.Errorf("%s: the menu on %s does not say where one is", who, found[1])
			}
		}
	}
	if menu := menuOf(o.as(requester).get("/bureau").Body.String()); strings.Contains(menu, "<details") {
		t.Error("a requester, who has few pages, has to open a menu")
	}
	menu := menuOf(o.as(officer).get("/bureau/cameras/hal").Body.String())
	if !strings.Contains(menu, `href="/bureau/cameras" aria-current="true"`) || !strings.Contains(menu, `<summary class="here">Camera`) || strings.Count(menu, "aria-current") != 1 {
		t.Errorf("a camera's page does not say that it is among the cameras: %s", menu)
	}
}

// What waits is counted in the menu of every page, at once after it came or was done.
func TestTheMenuCountsWhatWaits(t *testing.T) {
	o := newOffice(t)
	v := o.as(officer)
	before := v.get("/bureau/cameras").Body.String()
	o.do(central.ReportIncident{By: staff, IncidentFacts: central.IncidentFacts{Nature: "stick zoek"}})
	after := plain(menuOf(v.get("/bureau/cameras").Body.String()))
	if strings.Contains(plain(menuOf(before)), "Incidenten 1") || !strings.Contains(after, "Toezicht 1 wacht op u Incidenten 1 wacht op u") {
		t.Errorf("the officer's menu: %s", after)
	}
	id := o.filed()
	o.confirm(id)
	h := o.as(handler)
	if menu := plain(menuOf(h.get("/en/bureau/protocollen").Body.String())); !strings.Contains(menu, "Requests for footage 1 waits for you") {
		t.Errorf("the handler's menu: %s", menu)
	}
	if w := h.post("/bureau/aanvragen/"+string(id)+"/toetsen", "volledig", "ja", "noodzakelijk", "ja"); w.Code != 303 {
		t.Fatal(w.Code)
	}
	if menu := plain(menuOf(h.get("/bureau/protocollen").Body.String())); strings.Contains(menu, "Aanvragen 1") {
		t.Errorf("done, and still counted: %s", menu)
	}
}

// By keyboard alone, on a phone's screen: the menu takes little of it, opens, and closes when one goes on.
func TestTheMenuByKeyboard(t *testing.T) {
	o, base := served(t)
	o.do(central.ReportIncident{By: staff, IncidentFacts: central.IncidentFacts{Nature: "stick zoek"}})
	s := newScreen(t, base)
	s.logIn("officer", password)
	s.says("Goedendag")
	s.do("phone", chromedp.EmulateViewport(390, 844))
	s.goTo("/bureau/toegang")
	is := func(what, script string) {
		t.Helper()
		if ok, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool](script)); err != nil || !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	is("the menu is short", `document.querySelector('.top nav').offsetHeight <= 150`)
	is("focus can go there", `[...document.querySelectorAll('.top nav summary')].find(e => e.innerText.includes('Toezicht')).focus() || true`)
	key := func(key string) { t.Helper(); s.do("key", chromedp.KeyEvent(key)) }
	key("\r")
	is("enter opens it", `document.activeElement.parentElement.open`)
	key("\t")
	is("tab goes to its first link", `document.activeElement.getAttribute('href') === '/bureau/incidenten'`)
	is("which is seen", `(r => r.top >= 0 && r.bottom <= innerHeight && document.elementFromPoint(r.left + 5, r.top + 5).closest('a') === document.activeElement)(document.activeElement.getBoundingClientRect())`)
	is("focus is visible", `getComputedStyle(document.activeElement).outlineStyle !== 'none'`)
	if dir := os.Getenv("DESK_PICTURES"); dir != "" {
		s.picture("menu")
		s.do("phone", chromedp.EmulateViewport(390, 844))
	}
	key("\x1b")
	is("escape closes it and goes back", `!document.querySelector('.top nav details[open]') && document.activeElement.innerText.includes('Toezicht')`)
	key("\r")
	is("it opens again", `document.activeElement.parentElement.open`)
	is("focus goes on", `document.querySelector('main').focus() || true`)
	is("it closes behind one", `!document.querySelector('.top nav details[open]')`)
}
