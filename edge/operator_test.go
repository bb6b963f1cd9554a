package edge

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// What cmd/beeldwacht-edge shows with a real daemon is not repeated here.

var looked = time.Date(2026, 11, 21, 5, 30, 0, 0, time.UTC)

func ago(d time.Duration) *protocol.Time {
	t := protocol.T(looked.Add(-d))
	return &t
}

// well is a recorder without troubles: up for three days, one camera.
func well() Situation {
	const day = 24 * time.Hour
	return Situation{V: 1, Recorder: "kast-12", Software: Software, Time: protocol.T(looked), Started: *ago(3*day + 4*time.Hour),
		Cameras: []CameraSituation{{CameraStatus: protocol.CameraStatus{Camera: "plein-noord", State: "recording", Since: *ago(3 * day), Bitrate: 4_123_456, LastFrame: ago(0), Oldest: ago(13*day + 23*time.Hour)}, Stream: "main", Lost: 12}},
		Footage: FootageSituation{Dir: "/var/lib/beeldwacht/footage", Bytes: 300 << 30, Held: 2 << 30, HoldShare: 50, Free: 1 << 40, Size: 2 << 40, Progress: *ago(time.Second)},
		Journal: JournalSituation{Dir: "/var/lib/beeldwacht/journal", Entries: 12345, Cosigned: 12340, CosignedAt: ago(20 * time.Second), Progress: *ago(time.Second)},
		Clock:   ClockSituation{State: "synced", Since: *ago(3 * day)}, Uplink: UplinkSituation{Connected: true, Since: ago(5 * time.Hour)}, Orders: OrdersSituation{Used: 17}}
}

// Each trouble is said in words with what to do, and only those that the definition of health names make it bad.
func TestTroublesAreSaidInWords(t *testing.T) {
	dark := func(cause footage.Cause, detail string) func(*Situation) {
		return func(s *Situation) {
			c := &s.Cameras[0]
			c.State, c.Cause, c.Detail, c.Since, c.Bitrate = "gap", string(cause), detail, *ago(12 * time.Minute), 0
		}
	}
	for _, c := range []struct {
		name    string
		change  func(*Situation)
		failing bool
		want    string // regular expression over the page as one line
	}{
		{"well", func(*Situation) {}, false, "All is well"},
		{"network", dark(footage.CauseNetwork, "no answer"), true, "!! Camera plein-noord/main is dark for 12m: network: no answer. -> Look whether camera and switch have power"},
		{"camera", dark(footage.CauseCamera, "no key frame for 10s"), true, "camera: no key frame for 10s. -> The camera answers but gives no picture"},
		{"disk", dark(footage.CauseDisk, "write failed"), true, "disk: write failed. -> The disk is too slow, full, out of inodes"},
		{"connecting", func(s *Situation) { s.Cameras[0].State = "connecting" }, true, "not recorded yet: connecting"},
		{"no mandate", func(s *Situation) { s.Cameras[0].State, s.Cameras[0].Detail = "no mandate", "its mandate ended" }, false, "- Camera plein-noord/main may not be recorded: its mandate ended. -> Nothing to mend here"},
		{"unconfigured", func(s *Situation) { s.Unconfigured = []protocol.CameraID{"kade"} }, false, "Camera kade may be recorded, but .* -> Add the camera to cameras in edge.yaml"},
		{"broken journal", func(s *Situation) { s.Journal.Broken = "no space left on device" }, true, "journal cannot be written: no space left on device. -> Cameras are recorded .* nobody can look back .* goes on by itself"},
		{"behind", func(s *Situation) { s.Journal.Behind = true }, true, "The witness knows more .* Phone the privacy officer"},
		{"journal hangs", func(s *Situation) { s.Journal.Hangs = true }, true, "The journal does not answer for"},
		{"footage hangs", func(s *Situation) { s.Footage.Hangs = true }, true, "Deleting stands still for .* Old footage stays too long"},
		{"owed", func(s *Situation) { s.Journal.Owed = 3 }, false, "3 entries wait for the journal"},
		{"overdue", func(s *Situation) { s.Footage.Overdue = 3 }, false, "3 pieces of footage should be gone"},
		{"keys", func(s *Situation) { s.Footage.Keys = 3 }, false, "3 pieces of footage are deleted, and their keys cannot be"},
		{"early", func(s *Situation) { s.Footage.Early, s.Footage.EarlyAt = 3, ago(time.Minute) }, false, "deleted before its time, since the disk is full: 3 pieces"},
		{"early, long ago", func(s *Situation) { s.Footage.Early, s.Footage.EarlyAt = 3, ago(2*time.Hour) }, false, "All is well"},
		{"not open", func(s *Situation) { s.Journal.Broken, s.Journal.Unopened = "is empty", true }, true, "The journal cannot be opened: is empty. -> .* no order is obeyed"},
		{"hold share", func(s *Situation) { s.Footage.Held = 1 << 40 }, false, "new holds will be refused"},
		{"an hour without witness", func(s *Situation) { s.Journal.CosignedAt = ago(2 * time.Hour) }, false, "2h00m old: nobody can look back here"},
		{"half a day without witness", func(s *Situation) { s.Journal.CosignedAt = ago(13 * time.Hour) }, false, "nothing is shown or released here any more"},
		{"no witness", func(s *Situation) { s.Journal.CosignedAt = nil }, false, "No witness has cosigned"},
		{"uplink", func(s *Situation) { s.Uplink = UplinkSituation{Since: ago(time.Minute), Why: "connection refused"} }, false, "No connection with the centre: connection refused. -> Recording and deleting go on"},
		{"ledger refused", func(s *Situation) { s.Orders.Refuse = "rolled back" }, false, "No order is taken: .* rolled back. -> Recording and deleting go on. .* Phone the privacy officer. .*`beeldwacht roster -ledger`"},
		{"clock", func(s *Situation) { s.Clock.State = "unsynced" }, false, "Nothing keeps the clock .* -> Look at `timedatectl`"},
		{"clock disputed", func(s *Situation) { s.Clock.State = "disputed" }, false, "The clock of this machine is not believed: it was set, or is wrong. -> Compare `date`"},
		{"clock ahead", func(s *Situation) { s.Clock.State, s.Clock.Ahead = "disputed", 86400 }, false, "it may be 1d00h later, .* shown to nobody; it is deleted when that is confirmed, or after 72 hours. -> Compare"},
		{"power was off", func(s *Situation) { s.Clock.State, s.Clock.Ahead = "unconfirmed", 1e9 }, false, "Clock unconfirmed, since .*; nothing is shown .* nobody has said yet for how long: .* -> Look at Uplink"},
		{"journal of a clock that was ahead", func(s *Situation) { s.Journal.Newest = *ago(-time.Hour) }, false, "newest entry is of .* still to come: .* -> Nothing to mend"},
		{"clock unknown", func(s *Situation) { s.Clock.State = "unknown" }, false, "adjtimex"},
		{"fault", func(s *Situation) { s.Faults = []string{"/metrics and /health are not served: address in use"} }, false, "address in use. -> Recording goes on"},
		{"incident", func(s *Situation) {
			s.Incidents, s.Latest = 2, []IncidentSituation{{At: *ago(time.Hour), What: "missing file", Detail: "it was gone"}}
		}, false, "2 incidents since the start; the last 1h00m ago: missing file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := well()
			c.change(&s)
			s.judge()
			if s.Healthy == c.failing {
				t.Errorf("healthy: %v", s.Healthy)
			}
			page := s.Text(time.UTC)
			if !regexp.MustCompile(c.want).MatchString(strings.Join(strings.Fields(page), " ")) {
				t.Errorf("the page does not say %q:\n%s", c.want, page)
			}
			fits(t, page)
			w := httptest.NewRecorder()
			monitoring(func(context.Context) (Situation, error) { return s, nil }).ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
			if (w.Code == 503) != c.failing || (w.Code == 200) == c.failing {
				t.Errorf("/health is %d", w.Code)
			}
		})
	}
}

func fits(t *testing.T, page string) {
	t.Helper()
	for _, line := range strings.Split(page, "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// The page in testdata is what a technician sees: two cameras behind one dead switch, one that may not be recorded, a name as long as there is, and a
// camera whose answer tries to write on the screen.
func TestTerminalPage(t *testing.T) {
	s := well()
	for _, id := range []protocol.CameraID{"kade-1", "kade-2"} {
		s.Cameras = append(s.Cameras, CameraSituation{Stream: "main", CameraStatus: protocol.CameraStatus{Camera: id, State: "gap", Cause: "network", Detail: "no route to host", Since: *ago(12 * time.Minute), LastFrame: ago(12 * time.Minute), Oldest: ago(6 * time.Hour)}})
	}
	s.Cameras = append(s.Cameras,
		CameraSituation{Stream: "sub", Lost: 1, Dropped: 2_345_678, CameraStatus: protocol.CameraStatus{Camera: "fietsenstalling-onder-het-station-aan-de-noordzijde", State: "recording", Detail: protocol.SoundLeftOut + " (G.711)", Bitrate: 640_000, Since: *ago(30 * time.Second), LastFrame: ago(time.Second)}},
		CameraSituation{Stream: "main", CameraStatus: protocol.CameraStatus{Camera: "hal", State: "no mandate", Cause: "mandate", Detail: "mandate m-hal-1 ended at 2026-11-20T00:00:00.000Z", Since: *ago(29 * time.Hour)}},
		CameraSituation{Stream: "main", CameraStatus: protocol.CameraStatus{Camera: "poort", State: "gap", Cause: "camera", Detail: "401 \x1b[2JGo\r\naway " + strings.Repeat("/path", 20), Since: *ago(5 * time.Minute)}})
	s.Clock.State = "unsynced"
	s.judge()
	page := s.Text(time.FixedZone("CET", 3600))
	fits(t, page)
	golden := filepath.Join("testdata", "page.txt")
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != page {
		if err := os.WriteFile(golden+".new", []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Errorf("the page is not %s (%v); if it should be this, move %[1]s.new there:\n%[3]s", golden, err, page)
	}
}

// Whatever check can find has its explanation, and each cause of a gap its remedy.
func TestEveryFindingIsExplained(t *testing.T) {
	files, err := filepath.Glob("footage/*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range append(files, "check.go") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.find\("([^"]+)"|(?m)^\t+return "([a-z ]+)", (?:err\.Error\(\)|fmt\.Sprintf)|^\t+return "([a-z]+)"$`).FindAllSubmatch(b, -1) {
			if what := string(bytes.Join(m[1:], nil)); !strings.HasSuffix(file, "_test.go") {
				used[what] = true
				if e := explanations[what]; e.means == "" || e.do == "" {
					t.Errorf("%s: finding %q has no explanation; write it in edge/explain.go", file, what)
				}
			}
		}
	}
	for _, what := range []string{"identity", "journal", "orders", "footage", "start"} { // from stage
		used[what] = true
	}
	for _, what := range slices.Sorted(maps.Keys(explanations)) {
		if !used[what] {
			t.Errorf("nothing finds %q", what)
		}
	}
	for _, c := range []footage.Cause{footage.CauseCamera, footage.CauseNetwork, footage.CauseRecorder, footage.CauseMandate, footage.CauseDisk, footage.CauseClock} {
		if remedies[c] == "" {
			t.Errorf("cause %s has no remedy", c)
		}
	}
}

func TestSystemdFromEnv(t *testing.T) {
	for _, c := range []struct {
		socket, usec, pid string
		want              Systemd
		wrong             bool
	}{
		{"", "", "", Systemd{}, false},
		{"/run/n", "", "", Systemd{Socket: "/run/n"}, false},
		{"/run/n", "2000000", "", Systemd{"/run/n", 2 * time.Second}, false},
		{"/run/n", "2000000", fmt.Sprint(os.Getpid()), Systemd{"/run/n", 2 * time.Second}, false},
		{"/run/n", "2000000", "1", Systemd{Socket: "/run/n"}, false},
		{"/run/n", "soon", "", Systemd{}, true},
		{"/run/n", "0", "", Systemd{}, true},
	} {
		t.Setenv("NOTIFY_SOCKET", c.socket)
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got, err := SystemdFromEnv(); (err != nil) != c.wrong || err == nil && got != c.want {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
}

// systemd's socket may be an abstract one, which is in no file system.
func TestNotifyReachesAnAbstractSocket(t *testing.T) {
	name := fmt.Sprintf("@beeldwacht-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := (Systemd{Socket: name}).notify("READY=1\nSTATUS=x"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := conn.Read(b)
	if err != nil || string(b[:n]) != "READY=1\nSTATUS=x" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

// A data directory may have a longer name than a socket may.
func TestSocketInADeepDirectory(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("diep/", 40))
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds what the first left
		l, err := listenPrivate(data)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(data, socketName)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info, err)
		}
		go func() {
			conn, err := l.Accept()
			if err == nil {
				conn.Write([]byte(`{"v":1,"recorder":"kast-12"}`))
				conn.Close()
			}
		}()
		if s, _, err := Ask(t.Context(), data); err != nil || s.Recorder != "kast-12" {
			t.Errorf("%+v, %v", s, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Incidents are counted as footage writes them and as the agent does, and the last few are shown; what is no incident is not.
func TestIncidentsAreRemembered(t *testing.T) {
	town := protocoltest.NewTown(t, looked)
	j, err := journal.Open(t.TempDir(), town.Log.Name(), town.Log, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var w watch
	o := overseen{j, &w}
	write := func(kind string, body any) {
		t.Helper()
		if _, err := o.Append(t.Context(), kind, body); err != nil {
			t.Fatal(err)
		}
	}
	write(protocol.KindStopped, protocol.Stopped{Reason: "x"})
	for i := range 6 {
		write(protocol.KindIncident, protocol.Incident{What: "disk", Detail: fmt.Sprint(i)})
	}
	write(protocol.KindIncident, jsontext.Value(`{"what":"missing file","camera":"plein","detail":"gone"}`))
	var s Situation
	w.into(&s, looked)
	if n := len(s.Latest); s.Incidents != 7 || n != keepIncidents || s.Latest[n-1].What != "missing file" || s.Latest[n-1].Camera != "plein" || s.Latest[0].Detail != "2" {
		t.Errorf("%d incidents, %+v", s.Incidents, s.Latest)
	}
}

// Who asks while the disk hangs is told so, and does not wait for ever.
func TestAskersDoNotPileUp(t *testing.T) {
	a := &Agent{looking: make(chan struct{}, 1)}
	a.looking <- struct{}{} // somebody's look hangs
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := a.look(ctx); err == nil {
		t.Error("a second one looked")
	}
}
