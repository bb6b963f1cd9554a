package office

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/api/apitest"
	"github.com/beeldwacht/beeldwacht/central/centraltest"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// BenchmarkCountry is a centre with a register of a whole country: what it takes in memory, and how long the commonest pages and commands take. PLACEMENTS, RECORDERS and REQUESTS make
// it another size. Pages come from the centre's own handlers, commands go through its own ledger, on disk; only how the state came there is cut short: its millions of entries are
// applied and not stored (ledger.BenchmarkStart measures that), so the ledger begins empty. ONLY is a part of a line's name: those lines alone.
func BenchmarkCountry(b *testing.B) {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return otherwise
	}
	requests := number("REQUESTS", 1_000_000)
	c := newCountry(b, centraltest.Country{Placements: number("PLACEMENTS", 338_000), Recorders: number("RECORDERS", 20_000), Requests: requests, Waiting: requests / 200}, os.Stderr)
	for range b.N {
		c.measure(os.Getenv("ONLY"), time.Second)
	}
	b.ReportMetric(0, "ns/op") // the table says it
}

// TestNoPageGrowsWithTheRegister is the same with a small country, each page and command once or twice: the benchmark goes on measuring what people see, and no page lists all there is of
// something, which of a country's would be tens of megabytes.
func TestNoPageGrowsWithTheRegister(t *testing.T) {
	c := newCountry(t, centraltest.Country{Placements: 1000, Recorders: 120, Requests: 400, Waiting: 200}, io.Discard)
	for name, r := range c.measure("", time.Millisecond) {
		if r.bytes > 100<<10 {
			t.Errorf("%s: %d kB", name, r.bytes>>10)
		}
	}
}

type country struct {
	*world
	centraltest.Country
	handler http.Handler
	cookies map[protocol.PersonID]*http.Cookie
	token   string // of a police system, for the API
	out     io.Writer
	random  *rand.Rand

	seq uint64 // of facts from recorders
	new int    // cameras registered here
}

var countryPeople = []protocol.PersonID{centraltest.Admin, centraltest.Registrar, centraltest.Staff, protocoltest.Officer, protocoltest.Handler, protocoltest.Approver, protocoltest.Requester}

const countryPassword = "een lang wachtwoord"

func newCountry(t testing.TB, size centraltest.Country, out io.Writer) *country {
	w := newWorld(t)
	c := &country{world: w, Country: size, cookies: map[protocol.PersonID]*http.Cookie{}, out: out, random: rand.New(rand.NewPCG(1, 2))}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(rw, r) }))
	w.config.Pages.URL = strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	o := &Office{Config: w.config, Now: w.now, Log: slog.New(slog.DiscardHandler)}
	w.office = o
	w.check(o.Open(t.Context()))
	t.Cleanup(func() { w.check(o.Close()) })

	var marks []mark // where recorders, placements and requests begin
	begins := map[string]bool{"recorder.enrolled": true, "placement.registered": true, "request.filed": true}
	events := uint64(0)
	defer debug.SetGCPercent(debug.SetGCPercent(30)) // what makes the country leaves much behind, which is not what is measured
	o.View(func(s *central.State) {                  // whom a state is shown may not change it; but nobody else looks here, and to store all this would take an hour
		c.Tell(t, w.town, w.now(), func(e central.Event) {
			if begins[e.Name()] {
				delete(begins, e.Name())
				marks = append(marks, mark{heap(), e.Seq})
			}
			w.check(s.Apply(e))
		})
		events, s.Size = s.Size, 0
	})
	marks = append(marks, mark{heap(), events})
	for i, what := range []string{"recorder", "placement", "request"} {
		n, from, to := []int{c.Recorders, c.Placements, c.Requests}[i], marks[i], marks[i+1]
		fmt.Fprintf(out, "%d %ss: %d B each, %.1f events each\n", n, what, (to.heap-from.heap)/uint64(n), float64(to.events-from.events)/float64(n))
	}
	fmt.Fprintf(out, "%d events applied; heap %d MB\n\n", events, marks[3].heap>>20)

	for r := range c.Recorders { // each spoke just now, and some of its cameras are dark
		status := protocol.Status{Recorder: centraltest.Recorder(r), State: "online", Time: protocol.T(w.now())}
		for n := r; n < c.Placements; n += c.Recorders {
			status.Cameras = append(status.Cameras, protocol.CameraStatus{Camera: centraltest.Camera(n), State: map[bool]string{true: "down", false: "recording"}[n%500 == 0]})
		}
		o.statuses[status.Recorder] = Status{status, w.now()}
		o.enrolled[status.Recorder] = true // with the witness, which has nothing of them
	}
	var err error
	c.handler, err = o.pages(nil)
	w.check(err)
	server.Start()
	t.Cleanup(server.Close)
	for _, p := range countryPeople {
		w.check(o.addAccount(SetupPerson{Person: p, Login: strings.TrimPrefix(string(p), "p-"), Name: "N. N.", Password: countryPassword}))
		a := c.send(p, "POST", "/bureau/inloggen", url.Values{"login": {strings.TrimPrefix(string(p), "p-")}, "wachtwoord": {countryPassword}})
		for _, cookie := range a.Result().Cookies() {
			if cookie.Name == identity.SessionCookie {
				c.cookies[p] = cookie
			}
		}
		if c.cookies[p] == nil {
			t.Fatalf("log-in of %s: %d", p, a.Code)
		}
	}
	system, err := apitest.New("bvh", w.config.Pages.URL+"/v1", server.Client(), w.now)
	w.check(err)
	jwk, err := system.JWK()
	w.check(err)
	w.do(central.RegisterClient{By: centraltest.Admin, ClientFacts: central.ClientFacts{ID: "bvh", Name: "Systeem", Unit: "eenheid", Scopes: []central.Scope{central.ScopeFollow, central.ScopeRegister}, Key: central.ClientKey(jwk)}})
	c.token, err = system.Token(t.Context())
	w.check(err)
	return c
}

type mark struct {
	heap   uint64
	events uint64
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// send asks for a page as a person; as nobody, with the police system's token.
func (c *country) send(p protocol.PersonID, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.RemoteAddr = "192.0.2.1:1"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if cookie := c.cookies[p]; cookie != nil {
		r.AddCookie(cookie)
	} else if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
		c.later(50 * time.Millisecond) // as fast as a system may ask
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w
}

// result is how long something took, each time, in order; and how much it gave.
type result struct {
	took  []time.Duration
	bytes int
}

func (r result) at(share float64) time.Duration { return r.took[int(share*float64(len(r.took)-1))] }

// measure prints a table of pages and commands, and gives it. Each is done until time is up, a thousand times at the most, once at the least.
func (c *country) measure(only string, term time.Duration) map[string]result {
	all := map[string]result{}
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	run := func(name, beside string, once func() int) {
		if only != "" && beside != "" && !strings.Contains(name, only) {
			return
		}
		var r result
		for begin := time.Now(); len(r.took) == 0 || len(r.took) < 1000 && time.Since(begin) < term; {
			since := time.Now()
			r.bytes = max(r.bytes, once())
			r.took = append(r.took, time.Since(since))
		}
		slices.Sort(r.took)
		all[name] = r
		ratio := "-"
		if beside != "" {
			ratio = fmt.Sprintf("%.1f", float64(r.at(0.5))/float64(all[beside].at(0.5)))
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%.1f\t%s\t\n", name, len(r.took), r.at(0.5).Round(time.Microsecond), r.at(0.99).Round(time.Microsecond), float64(r.bytes)/1024, ratio)
	}
	page := func(name string, p protocol.PersonID, beside string, path func() string) {
		run(name, beside, func() int {
			at := path()
			a := c.send(p, "GET", at, nil)
			if beside != "" && a.Code != http.StatusOK {
				c.t.Errorf("%s: %d %.300s", at, a.Code, a.Body)
			}
			return a.Body.Len()
		})
	}
	fixed := func(path string) func() string { return func() string { return path } }
	camera := func() protocol.CameraID { // in use, and not of the police
		for {
			if n := c.random.IntN(c.Placements); n%1000 >= 22 && n%10 != 9 {
				return centraltest.Camera(n)
			}
		}
	}
	cameras := func(before string) func() string { return func() string { return before + string(camera()) } }
	requests := func(before string, unit bool) func() string {
		return func() string {
			n := c.random.IntN(c.Requests)
			if unit { // the requester's own
				n -= n % centraltest.UnitsOfCountry
			}
			return fmt.Sprintf("%sz-%d", before, n+1)
		}
	}

	fmt.Fprintln(table, "page\ttimes\tp50\tp99\tkB\tx bare\t")
	page("desk: bare page", protocoltest.Handler, "", fixed("/bureau/niets"))
	for _, p := range countryPeople {
		page("desk: start, "+string(p), p, "desk: bare page", fixed("/bureau"))
	}
	page("desk: requests, requester", protocoltest.Requester, "desk: bare page", fixed("/bureau/aanvragen"))
	page("desk: requests, handler", protocoltest.Handler, "desk: bare page", fixed("/bureau/aanvragen"))
	page("desk: request, requester", protocoltest.Requester, "desk: bare page", requests("/bureau/aanvragen/", true))
	page("desk: request, handler", protocoltest.Handler, "desk: bare page", requests("/bureau/aanvragen/", false))
	page("desk: new request", protocoltest.Requester, "desk: bare page", fixed("/bureau/aanvragen/nieuw"))
	page("desk: cameras, registrar", centraltest.Registrar, "desk: bare page", fixed("/bureau/cameras"))
	page("desk: cameras, staff", centraltest.Staff, "desk: bare page", fixed("/bureau/cameras"))
	page("desk: camera", centraltest.Registrar, "desk: bare page", cameras("/bureau/cameras/"))
	page("desk: re-confirm, registrar", centraltest.Registrar, "desk: bare page", fixed("/bureau/herbevestigen"))
	page("desk: re-confirm, staff", centraltest.Staff, "desk: bare page", fixed("/bureau/herbevestigen"))
	page("desk: held footage, officer", protocoltest.Officer, "desk: bare page", fixed("/bureau/bewaring"))
	page("desk: recorders, admin", centraltest.Admin, "desk: bare page", fixed("/bureau/recorders"))
	page("desk: incidents, officer", protocoltest.Officer, "desk: bare page", fixed("/bureau/incidenten"))
	page("public: bare page", "", "", fixed("/niets"))
	page("public: map and list", "", "public: bare page", fixed("/"))
	page("public: camera", "", "public: bare page", cameras("/camera/"))
	page("public: sign", "", "public: bare page", cameras("/bord/"))
	page("api: bare answer", "", "", fixed("/v1/niets"))
	page("api: placements", "", "api: bare answer", func() string { return fmt.Sprintf("/v1/plaatsingen?pagina=%d", 1+c.random.IntN(c.Placements/100)) })
	page("api: placement", "", "api: bare answer", cameras("/v1/plaatsingen/"))
	page("api: requests of the unit", "", "api: bare answer", fixed("/v1/verzoeken"))
	page("api: requests that wait", "", "api: bare answer", fixed("/v1/verzoeken?stand=released"))
	page("api: request", "", "api: bare answer", requests("/v1/verzoeken/", true))
	c.check(table.Flush())

	show := func(name, beside string) {
		if r := all[name]; len(r.took) > 0 {
			slices.Sort(r.took)
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\t\t%.1f\t\n", name, len(r.took), r.at(0.5).Round(time.Microsecond), r.at(0.99).Round(time.Microsecond), float64(r.at(0.5))/float64(all[beside].at(0.5)))
		}
	}
	timed := func(name string, do func()) {
		r := all[name]
		since := time.Now()
		do()
		r.took = append(r.took, time.Since(since))
		all[name] = r
	}
	fmt.Fprintln(table, "\ncommand\ttimes\tp50\tp99\t\tx bare\t")
	bare := c.append()
	var commands []string
	do := func(name string, command central.Command) (events []central.Event) {
		if !slices.Contains(commands, name) {
			commands = append(commands, name)
		}
		timed(name, func() { events = c.do(command) })
		return events
	}
	source := func(r protocol.RecorderID) central.Source {
		c.seq++
		return central.Source{Recorder: r, Seq: 1<<40 + c.seq}
	}
	for begin := time.Now(); len(all["append"].took) == 0 || len(all["append"].took) < 300 && time.Since(begin) < 4*term; {
		timed("append", bare)
		at := camera()
		id := do("file a request", central.FileRequest{By: protocoltest.Requester, RequestFacts: central.RequestFacts{Kind: central.Vordering, Article: "126nda", Authority: "hulpofficier Jansen", Cameras: []protocol.CameraID{at},
			Asked: protocol.Span(c.now().Add(-time.Hour), c.now().Add(-50*time.Minute)), Reference: "PL-1", Necessity: "de verdachte liep langs de ingang"}})[0].Fact.(*central.RequestFiled).ID
		h := c.request(id).Holds[0]
		do("a recorder confirms its hold", central.ConfirmHold{Source: source(h.Recorder), Placed: protocol.HoldPlaced{Hold: h.HoldID(), Request: id, Camera: at, Asked: h.Asked, Interval: h.Asked, Segments: 11, Bytes: 1 << 20,
			Root: protocol.HashOf([]byte("root")), End: h.End}})
		do("check it", central.CheckRequest{By: protocoltest.Handler, Request: id, Complete: true, Necessary: true})
		do("decide on it", central.DecideRequest{By: protocoltest.Approver, Request: id, Outcome: central.Grants, Reason: central.Complies, Motivation: "voldoet", Approved: []central.Approved{{Camera: at, Interval: h.Asked}}})
		g := c.request(id).Grants[0].GrantID()
		do("a recorder releases", central.RecordRelease{Source: source(h.Recorder), Released: protocol.Released{Grant: g, Request: id, Camera: at, Intent: 40, Object: central.ObjectName(h.Recorder, g), Size: 9,
			SHA256: protocol.HashOf([]byte("o")), Bag: protocol.HashOf([]byte("b")), Manifest: protocol.HashOf([]byte("m")), Segments: 11}})
		do("fetch it", central.RecordDownload{By: protocoltest.Requester, Request: id, Grant: g})
		do("confirm the hand-over", central.ConfirmHandOver{By: protocoltest.Requester, Request: id})
		var facts central.PlacementFacts
		c.office.View(func(s *central.State) { facts = s.Placement(at).PlacementFacts })
		c.new++
		facts.Camera = protocol.CameraID(fmt.Sprintf("n-%06d", c.new))
		do("register a camera", central.RegisterPlacement{By: centraltest.Registrar, PlacementFacts: facts})
		do("put it in use", central.Activate{By: centraltest.Registrar, Camera: facts.Camera})
		do("re-confirm it", central.ConfirmPlacements{By: centraltest.Registrar, List: []central.Said{{Camera: facts.Camera, Right: true}}})
		do("appoint somebody", central.Appoint{By: centraltest.Admin, Appointment: central.Appointment{Person: "p-nieuw", Posts: []central.Post{{Role: central.Registrar}}, Secrecy: day(-1 - c.new%5)}})
	}
	show("append", "append")
	for _, name := range commands {
		show(name, "append")
	}
	c.check(table.Flush())

	fmt.Fprintln(table, "\nin the background\ttimes\tp50\tp99\t\tx append\t")
	rounds := []struct {
		name string
		do   func()
	}{
		{"terms, each minute", func() { c.do(central.Tend{}) }},
		{"dossiers to erase, daily", func() { c.do(central.EraseDue{}) }},
		{"shares, each minute", c.office.tendShares},
		{"recorders, each entry", func() { c.office.enrol() }},
		{"bags handed over, each minute", func() {
			c.office.View(func(s *central.State) { s.HandedOver(c.now().Add(-protocol.HandOverTerm)) })
		}},
		{"mail due to one person", func() {
			c.office.View(func(s *central.State) { s.DueMail(centraltest.Registrar, c.now(), c.now()) })
		}},
	}
	for _, r := range rounds {
		for begin := time.Now(); len(all[r.name].took) == 0 || len(all[r.name].took) < 100 && time.Since(begin) < term; {
			timed(r.name, r.do)
		}
		show(r.name, "append")
	}
	c.check(table.Flush())
	return all
}

// append is the least that a command costs: one synced transaction of bbolt with as much in it as an entry has.
func (c *country) append() func() {
	db, err := bbolt.Open(filepath.Join(c.t.TempDir(), "bare.db"), 0o600, nil)
	c.check(err)
	c.t.Cleanup(func() { c.check(db.Close()) })
	value := bytes.Repeat([]byte("x"), 2000)
	return func() {
		c.check(db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("log"))
			if err != nil {
				return err
			}
			n, err := bucket.NextSequence()
			if err != nil {
				return err
			}
			return bucket.Put(fmt.Appendf(nil, "%020d", n), value)
		}))
	}
}
