package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// TestOperatorSeesTheRunningRecorder runs a real daemon with one camera that plays and one that is dark, and looks at it in every way there is.
func TestOperatorSeesTheRunningRecorder(t *testing.T) {
	t.Parallel()
	c := newCabinet(t, time.Minute, "plein", "kade")
	c.cameras["kade"].Stop()
	if _, errs, code := c.do("status"); code != 1 || !strings.Contains(errs, "not running") {
		t.Errorf("before the start: exit code %d, %s", code, errs)
	}
	r := c.start(2 * time.Second)
	c.until("READY", func() bool { return c.notify.count("READY=1") == 1 })
	c.until("one recorded, one dark", func() bool { return c.camera("plein").State == "recording" && c.camera("kade").State == "gap" })

	page, errs, code := c.do("status")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{`(?m)^plein/main +recording`, `(?m)^kade/main +DARK`, `(?m)^    network: `, `(?s)!! Camera kade/main is dark for .*-> Look whether camera and switch have power`,
		`(?m)^Journal +\d+ entries`, `(?m)^Uplink +(NOT CONNECTED|being connected)`, `(?m)^Disk .* free of `} {
		if !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("the page has no %s", want)
		}
	}
	for _, line := range strings.Split(page, "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	c.until("a bit rate and footage", func() bool { p := c.camera("plein"); return p.Bitrate > 0 && p.LastFrame != nil && p.Oldest != nil })
	if s := c.situation(); s.Healthy || s.Recorder != "rec-1" || s.Journal.Entries < 3 || s.Footage.Size == 0 || s.Orders.Used != 2 {
		t.Errorf("%+v", s)
	}
	if info, err := os.Stat(c.path("data", "operator.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v %v", info.Mode(), err)
	}
	if _, errs, code := c.do("check"); code != 2 || !strings.Contains(errs, "stop it first") {
		t.Errorf("check of a running recorder: exit code %d, %s", code, errs)
	}
	c.scrapes()
	c.watches()

	if code, body := c.health(); code != 503 || !strings.HasPrefix(body, "Camera kade/main is dark") || strings.Count(body, "\n") != 1 {
		t.Errorf("/health with a dark camera: %d %s", code, body)
	}
	c.must(c.cameras["kade"].Start())
	c.until("health when the camera is back", func() bool { code, _ := c.health(); return code == 200 })
	c.until("a sign of life", func() bool {
		return c.notify.count("WATCHDOG=1") > 1 && c.notify.count("STATUS=recording 2 of 2 camera streams") > 0
	})

	t.Log("the disk takes no more of the journal")
	c.full(r)
	c.until("health says that the journal is broken", func() bool {
		code, body := c.health()
		return code == 503 && strings.Contains(body, "The journal cannot be written: ")
	})
	if page, _, _ := c.do("status"); !strings.Contains(unwrapped(page), "nobody can look back") || !strings.Contains(unwrapped(page), "goes on by itself") {
		t.Errorf("the page does not say what a broken journal means:\n%s", page)
	}
	if !c.camera("plein").LastFrame.After(time.Now().Add(-5*time.Second)) || c.camera("plein").State != "recording" {
		t.Errorf("a broken journal ended recording (invariant 10): %+v", c.camera("plein"))
	}
	// It still lives: a restart would not mend the disk.
	alive := c.notify.count("WATCHDOG=1")
	c.until("a sign of life with a broken journal", func() bool { return c.notify.count("WATCHDOG=1") > alive+1 })

	r.kill()
	if _, errs, code := c.do("status"); code != 1 || !strings.Contains(errs, "not running") {
		t.Errorf("after its death: exit code %d, %s", code, errs)
	}
	r = c.start(time.Minute)
	c.until("recording again", func() bool { return c.camera("plein").State == "recording" })
	r.stop()
	if c.notify.count("STOPPING=1") != 1 {
		t.Error("systemd was not told that it stops")
	}
	if _, err := os.Lstat(c.path("data", "operator.sock")); err == nil {
		t.Error("the socket is left behind")
	}
	if out, errs, code := c.do("check"); code != 0 || !strings.Contains(out, "good: journal of ") {
		t.Errorf("check: exit code %d\n%s%s", code, out, errs)
	}
}

// unwrapped is a page as one line.
func unwrapped(page string) string { return strings.Join(strings.Fields(page), " ") }

func (c *cabinet) camera(id protocol.CameraID) (found edge.CameraSituation) {
	for _, camera := range c.situation().Cameras {
		if camera.Camera == id {
			found = camera
		}
	}
	return found
}

// watches looks again and again until it is interrupted, which is no failure.
func (c *cabinet) watches() {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), refresh+refresh/2)
	defer cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"status", "-watch", "-config", c.path("edge.yaml")}, &out, &errs); code != 0 || strings.Count(out.String(), "\x1b[H\x1b[2Jrec-1 | ") != 2 {
		c.Errorf("-watch: exit code %d\n%s%s", code, &out, &errs)
	}
}

// scrapes reads /metrics as Prometheus does, and holds it against the table in the package comment.
func (c *cabinet) scrapes() {
	c.Helper()
	res, err := http.Get("http://" + c.metrics + "/metrics")
	c.must(err)
	defer res.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	c.must(err)
	comment, err := os.ReadFile("../../edge/agent.go")
	c.must(err)
	table := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^//\t([a-z_]+_[a-z_]+|info|healthy|troubles) {2,}`).FindAllSubmatch(comment, -1) {
		table["beeldwacht_edge_"+string(m[1])] = true
	}
	for name, family := range families {
		if !table[name] && !strings.HasPrefix(name, "beeldwacht_edge_process_") {
			c.Errorf("%s is not in the table of package edge", name)
		}
		for _, m := range family.Metric {
			for _, l := range m.Label {
				if strings.HasPrefix(name, "beeldwacht_edge_camera_") != slices.Contains([]string{"camera", "stream"}, l.GetName()) {
					c.Errorf("%s has label %s", name, l.GetName())
				}
			}
		}
	}
	absent := []string{"beeldwacht_edge_journal_cosigned_seconds"} // there is no witness here
	for name := range table {
		if families[name] == nil && !slices.Contains(absent, name) {
			c.Errorf("%s is in the table of package edge, and not served", name)
		}
	}
	for name, want := range map[string]map[string]float64{
		"beeldwacht_edge_camera_recording": {"plein": 1, "kade": 0}, "beeldwacht_edge_camera_permitted": {"plein": 1, "kade": 1},
		"beeldwacht_edge_journal_writable": {"": 1}, "beeldwacht_edge_healthy": {"": 0}, "beeldwacht_edge_orders_used": {"": 2}} {
		for _, m := range families[name].GetMetric() {
			if got := m.GetGauge().GetValue(); got != want[label(m, "camera")] {
				c.Errorf("%s of %q is %v", name, label(m, "camera"), got)
			}
		}
	}
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.Label {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// TestDiskHangs replaces a file that expiry reads by a pipe that nobody writes: the loop then waits for ever, as it does for a disk that no longer answers. systemd hears
// nothing any more, /health says why, recording goes on as far as it can, and a stop does not take for ever: it says what it left, and leaves nothing that the next start
// does not take up.
func TestDiskHangs(t *testing.T) {
	t.Parallel()
	const watchdog = 2 * time.Second
	c := newCabinet(t, 3*time.Second, "plein", "kade")
	r := c.start(watchdog)
	c.until("a sign of life", func() bool {
		return c.notify.count("WATCHDOG=1") > 2 && c.camera("plein").Oldest != nil && c.camera("kade").Oldest != nil
	})
	volume, pipe := c.path("data", "footage", "volume.json"), c.path("data", "footage", "pipe")
	c.must(syscall.Mkfifo(pipe, 0o600))
	c.must(os.Link(volume, volume+".kept"))
	c.must(os.Rename(pipe, volume))
	c.until("silence for longer than systemd waits", func() bool { return time.Since(c.notify.last("WATCHDOG=1")) > watchdog })
	c.until("the reason on /health", func() bool {
		code, body := c.health()
		return code == 503 && strings.Contains(body, "Deleting stands still for")
	})
	if page, _, _ := c.do("status"); !strings.Contains(unwrapped(page), "does not answer") {
		t.Errorf("the page does not say it:\n%s", page)
	}
	for _, id := range []protocol.CameraID{"plein", "kade"} {
		if at := c.camera(id); at.State != "recording" || at.LastFrame == nil || time.Since(at.LastFrame.Time) > 10*time.Second {
			t.Errorf("a deletion that hangs ended recording: %+v", at)
		}
	}

	asked := time.Now()
	c.must(r.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-r.gone:
		if err == nil || r.cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("it says that it stopped in order: %v", err)
		}
	case <-time.After(60 * time.Second): // TimeoutStopSec
		t.Fatal("it does not stop")
	}
	t.Logf("stopped in %s", time.Since(asked))
	if said := r.log.String(); !strings.Contains(said, "cameras and expiry: does not stop, and was left as it was") {
		t.Error("it does not say what it left")
	}
	c.must(os.Rename(volume+".kept", volume))
	if out, errs, code := c.do("check"); code != 0 {
		t.Errorf("check: exit code %d\n%s%s", code, out, errs)
	}
}

// TestPortsThatAreTaken starts a recorder on the ports of others: it records, says what is amiss, and opens its doors when they are free.
func TestPortsThatAreTaken(t *testing.T) {
	t.Parallel()
	c := newCabinet(t, time.Minute, "plein")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	defer taken.Close()
	metrics, err := net.Listen("tcp", c.metrics)
	c.must(err)
	defer metrics.Close()
	b, err := os.ReadFile(c.path("edge.yaml"))
	c.must(err)
	c.write("edge.yaml", strings.Replace(string(b), `{listen: "127.0.0.1:0"`, fmt.Sprintf("{listen: %q", taken.Addr()), 1))
	r := c.start(time.Minute)
	c.until("it records", func() bool { return c.camera("plein").State == "recording" })
	page, _, _ := c.do("status")
	for _, want := range []string{"Nobody can look back here: listen tcp " + taken.Addr().String(), "/metrics and /health are not served: listen tcp " + c.metrics, "Look what else uses that address"} {
		if !strings.Contains(unwrapped(page), want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	c.must(errors.Join(taken.Close(), metrics.Close()))
	c.until("its doors are open, and nothing is amiss any more", func() bool {
		code, _ := c.health()
		conn, err := net.Dial("tcp", taken.Addr().String())
		return err == nil && conn.Close() == nil && code == 200 && len(c.situation().Faults) == 0
	})
	r.stop()
}

// TestCheckExplainsAndRepairsWhatIsSafe spoils a stopped recorder's disk.
func TestCheckExplainsAndRepairsWhatIsSafe(t *testing.T) {
	t.Parallel()
	c := newCabinet(t, time.Hour, "plein")
	r := c.start(time.Minute)
	c.until("footage", func() bool { return c.situation().Footage.Bytes > 0 && c.camera("plein").Oldest != nil })
	time.Sleep(2 * time.Second)
	r.stop()
	for _, args := range [][]string{{"check"}, {"run", "-check"}, {"check-config"}, {"run", "-check-config"}} { // the flags are those of old
		if out, errs, code := c.do(args...); code != 0 || !strings.Contains(out, "good") {
			t.Fatalf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
	}

	sealed, err := filepath.Glob(c.path("data", "footage", "footage", "plein", "*", "000000.seg"))
	c.must(err)
	b, err := os.ReadFile(sealed[0])
	c.must(err)
	b[len(b)/2] ^= 1
	c.must(os.WriteFile(sealed[0], b, 0o600))
	stray := filepath.Join(filepath.Dir(sealed[0]), "vakantie.mp4")
	c.must(os.WriteFile(stray, []byte("x"), 0o600))
	left := c.path("data", "work", "g-1.json.tmp")
	c.must(os.MkdirAll(filepath.Dir(left), 0o700))
	c.must(os.WriteFile(left, []byte("x"), 0o600))
	empty, dead := c.path("data", "footage", "footage", "weg"), c.path("data", "footage", "footage", "plein", "20200101t000000.000z-0000")
	c.must(os.Mkdir(empty, 0o700))
	c.must(os.Mkdir(dead, 0o700))

	out, errs, code := c.do("check")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"FINDING   file that changed: footage/plein/", "  found   its content is not authentic", "FINDING   unknown file: footage/plein/", "vakantie.mp4", "  means   A file lies among the footage",
		"  do      Do not open it", "REPAIRED  a file that an unfinished release left over was removed: " + left, "REPAIRED  a directory without footage was removed: " + empty,
		"REPAIRED  a directory without footage was removed: " + dead, "2 to look at, 3 repaired."} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	for _, gone := range []string{left, empty, dead} {
		if _, err := os.Lstat(gone); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
	for _, kept := range []string{stray, sealed[0]} {
		if _, err := os.Lstat(kept); err != nil {
			t.Errorf("check removed what it may not: %v", err)
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", out, errs)
	}
	if _, _, code := c.do("run", "-check"); code != 1 {
		t.Errorf("the flag -check: exit code %d", code)
	}

	// A log that is damaged in its middle is explained, and hides nothing else.
	headers := c.path("data", "journal", "headers.log")
	b, err = os.ReadFile(headers)
	c.must(err)
	b[20] ^= 1
	c.must(os.WriteFile(headers, b, 0o600))
	if out, _, code := c.do("check"); code != 1 || !strings.Contains(out, "FINDING   journal") || !strings.Contains(out, "FINDING   file that changed") {
		t.Errorf("a damaged log: exit code %d\n%s", code, out)
	}
}

// TestCheckNamesEachFault plants one fault at a time on a copy of a stopped recorder's disk: check names it, says what to do, and repairs only a log's unfinished last write.
func TestCheckNamesEachFault(t *testing.T) {
	t.Parallel()
	c := newCabinet(t, time.Hour, "plein")
	r := c.start(time.Minute)
	c.until("footage", func() bool { return c.situation().Footage.Bytes > 0 && c.camera("plein").Oldest != nil })
	time.Sleep(2 * time.Second)
	r.stop()
	sound := c.path("sound")
	c.must(os.CopyFS(sound, os.DirFS(c.path("data"))))
	one := func(pattern ...string) string {
		t.Helper()
		found, err := filepath.Glob(c.path(append([]string{"data"}, pattern...)...))
		if err != nil || len(found) == 0 {
			t.Fatalf("%v: %v, %v", pattern, found, err)
		}
		return found[0]
	}
	segment := []string{"footage", "footage", "plein", "*", "000000.seg"}
	cut := func(file string, by int64) {
		t.Helper()
		info, err := os.Stat(file)
		c.must(err)
		c.must(os.Truncate(file, info.Size()-by))
	}
	for _, fault := range []struct {
		name  string
		plant func()
		want  string // regular expression over the report; empty: good
	}{
		{"nothing", func() {}, ""},
		{"a bit in a segment", func() {
			b, err := os.ReadFile(one(segment...))
			c.must(err)
			b[len(b)-20] ^= 1
			c.must(os.WriteFile(one(segment...), b, 0o600))
		}, `FINDING   file that changed: footage/plein/.*000000.seg`},
		{"a segment cut short", func() { cut(one(segment...), 100) }, `FINDING   file that changed: footage/plein/`},
		{"a missing segment", func() { c.must(os.Remove(one(segment...))) }, `FINDING   missing file: footage/plein/.*000000.seg`},
		{"a missing init", func() { c.must(os.Remove(one("footage", "footage", "plein", "*", "init.mp4"))) }, `FINDING   missing file: footage/plein/.*init.mp4`},
		{"an extra file", func() {
			c.must(os.WriteFile(filepath.Join(filepath.Dir(one(segment...)), "x.mp4"), []byte("x"), 0o600))
		}, `FINDING   unknown file: footage/plein/.*x.mp4`},
		{"an extra directory", func() {
			dir := c.path("data", "footage", "footage", "plein", "20200101t000000.000z-0000")
			c.must(os.Mkdir(dir, 0o700))
			c.must(os.WriteFile(filepath.Join(dir, "000000.seg"), []byte("x"), 0o600))
		}, `FINDING   unknown file: footage/plein/20200101`},
		{"a row without its run", func() {
			db, err := bbolt.Open(one("footage", "index.db"), 0o600, &bbolt.Options{Timeout: time.Second})
			c.must(err)
			c.must(db.Update(func(tx *bbolt.Tx) error {
				key, _ := tx.Bucket([]byte("runs")).Cursor().First()
				return tx.Bucket([]byte("runs")).Delete(slices.Clone(key))
			}))
			c.must(db.Close())
		}, ""}, // made anew from its segments, so that they expire; the journal has the incident
		{"a row that cannot be read", func() {
			db, err := bbolt.Open(one("footage", "index.db"), 0o600, &bbolt.Options{Timeout: time.Second})
			c.must(err)
			c.must(db.Update(func(tx *bbolt.Tx) error {
				key, _ := tx.Bucket([]byte("segments")).Cursor().First()
				return tx.Bucket([]byte("segments")).Put(slices.Clone(key), []byte("{"))
			}))
			c.must(db.Close())
		}, `FINDING   broken row: `},
		{"keys cut short", func() { cut(one("keys", "keys.tbl"), 10) }, `FINDING   footage\n  found   .*keys.tbl`},
		{"no keys", func() { c.must(os.RemoveAll(c.path("data", "keys"))) }, `FINDING   footage\n  found   .*keys.tbl`},
		{"no index", func() { c.must(os.Remove(one("footage", "index.db"))) }, `FINDING   footage\n  found   .*index is missing`},
		{"an unfinished last write of the log", func() {
			f, err := os.OpenFile(one("journal", "headers.log"), os.O_WRONLY|os.O_APPEND, 0)
			c.must(err)
			_, err = f.WriteString(`{"v":1,"seq":99`)
			c.must(errors.Join(err, f.Close()))
		}, ""},
		{"a bit in the log", func() { // an end that is cut off looks like a write that was not finished: only the witness knows better (invariant 13)
			b, err := os.ReadFile(one("journal", "headers.log"))
			c.must(err)
			b[len(b)/2] ^= 1
			c.must(os.WriteFile(one("journal", "headers.log"), b, 0o600))
		}, `FINDING   journal: `},
		{"a ledger that was put back", func() {
			j, err := journal.Open(c.path("data", "journal"), c.town.Log.Name(), c.town.Log, time.Now, slog.New(slog.DiscardHandler))
			c.must(errors.Join(err, j.SealEpochs(c.path("data", "keys"))))
			_, err = j.Append(c.Context(), protocol.KindLedgerBad, protocol.LedgerRefused{Seen: "x", Refused: "y", Why: "12 entries were seen, 7 are signed: rolled back"})
			c.must(errors.Join(err, j.Close()))
		}, `FINDING   ledger refused: .*\n  found   12 entries were seen, 7 are signed: rolled back; journal entry \d+ has both checkpoints[^F]*  means   The centre showed[^F]*  do      Nothing to mend here[^F]*Phone the privacy officer`},
	} {
		c.must(os.RemoveAll(c.path("data")))
		c.must(os.CopyFS(c.path("data"), os.DirFS(sound)))
		fault.plant()
		out, errs, code := c.do("check")
		if fault.want == "" && (code != 0 || !strings.Contains(out, "good: ")) || fault.want != "" && (code != 1 || !regexp.MustCompile(fault.want).MatchString(out) || strings.Count(out, "  do      ") == 0) {
			t.Errorf("%s: exit code %d, want %s\n%s%s", fault.name, code, fault.want, out, errs)
		}
	}
}
