package desk

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// Long lists are shown a page at a time, everything in them can be reached, and what was filled in survives a search.
func TestLongListsAreTurnedOver(t *testing.T) {
	o := newOffice(t)
	const many = 2*onePage + 7
	for n := range many {
		f := hall()
		f.Camera, f.Name = protocol.CameraID(fmt.Sprintf("kade-%03d", n)), fmt.Sprintf("Zuidkade %03d", n)
		o.do(central.RegisterPlacement{By: registrar, PlacementFacts: f})
		if n%2 == 0 {
			o.do(central.Activate{By: registrar, Camera: f.Camera})
		}
	}
	reach := func(p protocol.PersonID, path, link string) map[string]bool {
		found, next := map[string]bool{}, regexp.MustCompile(`rel="next" href="([^"]+)"`)
		for range 20 {
			body := o.as(p).get(path).Body.String()
			n := 0
			for _, m := range regexp.MustCompile(link).FindAllStringSubmatch(body, -1) {
				if !found[m[1]] {
					n++
				}
				found[m[1]] = true
			}
			if n > onePage {
				t.Errorf("%s shows %d", path, n)
			}
			m := next.FindStringSubmatch(body)
			if m == nil {
				return found
			}
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		t.Errorf("%s has no end", path)
		return found
	}
	if n := len(reach(registrar, "/bureau/cameras", `/bureau/cameras/(kade-\d+)`)); n != many {
		t.Errorf("%d cameras of %d can be reached", n, many)
	}
	if n := len(reach(registrar, "/bureau", `/bureau/cameras/(kade-\d+)`)); n != many/2 {
		t.Errorf("%d drafts of %d wait", n, many/2)
	}
	if n := len(reach(registrar, "/bureau/cameras?zoek=ZUIDKADE+01", `/bureau/cameras/(kade-\d+)`)); n != 10 {
		t.Errorf("%d cameras were found", n)
	}
	for range onePage + 3 {
		o.filed()
	}
	for _, p := range []protocol.PersonID{requester, protocoltest.Handler} {
		if n := len(reach(p, "/bureau/aanvragen", `/bureau/aanvragen/(z-\d+)`)); n != onePage+3 {
			t.Errorf("%s reaches %d requests", p, n)
		}
	}

	b := o.as(requester)
	first := b.get("/bureau/aanvragen/nieuw")
	says(t, first, 200, "Zoek een camera")
	w := b.post("/bureau/aanvragen/nieuw", "soort", "vordering", "stap", "zoeken", "zoek", "kade 104", "camera", "kade-002", "noodzaak", "een fiets")
	says(t, w, 200, "een fiets", "Zuidkade 104")
	if body := w.Body.String(); !strings.Contains(body, `value="kade-002" checked`) || strings.Contains(body, `value="kade-010"`) {
		t.Error("the search lost what was chosen, or found what was not looked for")
	}
}
