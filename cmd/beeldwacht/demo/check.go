package demo

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/enrol"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/destruction"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
	"golang.org/x/mod/sumdb/note"
)

// checkWindow is how long footage stays during a check: long enough to ask for it, short enough to see it go.
const checkWindow = protocol.Window(40 * time.Second)

// checkScenes are the demo's, in a hurry: the third camera's besluit lapses while we watch.
func checkScenes() []scene {
	list := scenes()
	for i := range list {
		list[i].window = checkWindow
		list[i].options.OutEvery = 0
	}
	list[2].lapses = 55 * time.Second
	return list
}

// Check walks through the demo's promises without a person. It returns an error if one was not kept.
func Check(ctx context.Context, o Options) error {
	began := time.Now()
	o.tls = true // as in the street; a person's browser would not know the demo's own certificates
	t, err := start(ctx, o, checkScenes())
	if err != nil {
		return err
	}
	c := &check{town: t, report: report{out: o.Out}}
	err = c.run(ctx)
	stopped := t.close()
	if err == nil && stopped == nil {
		c.afterStop()
	}
	fmt.Fprintf(o.Out, "%d/%d in %s\n", c.kept, c.kept+c.broken, time.Since(began).Round(time.Second))
	if err = errors.Join(err, stopped); err != nil {
		return fmt.Errorf("the check could not be finished: %w", err)
	}
	if c.broken > 0 {
		return errBroken
	}
	return nil
}

type check struct {
	*town
	report

	agent, handler, approver, both, officer, staff, administrator *Visitor

	request string    // path of the request at the desk
	sealed  time.Time // end of the newest journalled segment of plein
	asked   protocol.Interval
	held    protocol.HoldPlaced
	filed   time.Time
	grant   protocol.GrantID
	bag     []byte
}

func (c *check) run(ctx context.Context) error {
	for login, v := range map[string]**Visitor{"agent": &c.agent, "behandel": &c.handler, "besluit": &c.approver, "besluit2": &c.both, "fg": &c.officer, "facilitair": &c.staff, "beheer": &c.administrator} {
		var err error
		if *v, err = LogIn(ctx, c.pages(), c.ca, login, password); err != nil {
			return err
		}
	}
	c.recorded(ctx)
	c.promise("disk", c.unreadable)
	c.promise("R2", func() (string, error) { return c.notForStaff(ctx) })
	if !c.promise("I05", func() (string, error) { return c.holdConfirmed(ctx) }) ||
		!c.promise("I12", func() (string, error) { return c.twoPeopleRefused(ctx) }) ||
		!c.promise("I12", func() (string, error) { return c.threePeopleDecide(ctx) }) ||
		!c.promise("I13", func() (string, error) { return c.released(ctx) }) {
		return nil // what follows is about this release
	}
	if c.promise("bag", func() (string, error) { return c.downloaded(ctx) }) {
		c.promise("bag", c.verified)
		c.promise("bag", c.flippedBag)
	}
	c.promise("log", c.flippedLog)
	c.promise("I09", func() (string, error) { return c.accessShown(ctx) })
	c.promise("I09", func() (string, error) { return c.lookedBack(ctx) })
	c.promise("I02", func() (string, error) { return c.goneOutsideHold(ctx) })
	c.promise("I05", func() (string, error) { return c.heldOutlives(ctx) })
	c.promise("I08", func() (string, error) { return c.lapsed(ctx) })
	c.promise("I05", func() (string, error) { return c.goneAfterHandOver(ctx) })
	c.promise("I03", c.neverLate)
	c.promise("I02", func() (string, error) { return c.certified(ctx) })
	c.promise("I13", func() (string, error) { return c.putBack(ctx) })
	c.promise("R04", func() (string, error) { return c.shortened(ctx) })
	c.promise("I12", func() (string, error) { return c.suspended(ctx) })
	c.promise("pub", func() (string, error) { return c.publicPage(ctx) })
	c.promise("api", func() (string, error) { return c.overAPI(ctx) })
	c.forged(ctx)
	return c.delivered(ctx)
}

// LogIn comes in at the desk as somebody.
func LogIn(ctx context.Context, base string, trust *x509.CertPool, login, password string) (*Visitor, error) {
	v, err := NewVisitor(base, trust)
	if err != nil {
		return nil, err
	}
	p, err := v.Get(ctx, "/bureau/inloggen")
	if err != nil {
		return nil, err
	}
	if p, err = v.Submit(ctx, p, "/inloggen", url.Values{"login": {login}, "wachtwoord": {password}}); err != nil {
		return nil, err
	}
	if p.Has("/inloggen") {
		return nil, fmt.Errorf("log in as %s: %s", login, p.Text)
	}
	return v, nil
}

func (c *check) recorded(ctx context.Context) {
	c.promise("rec", func() (string, error) {
		began := time.Now()
		return wait(ctx, 45*time.Second, "three cameras with two journalled segments each", func() (string, bool, error) {
			list, err := c.entries()
			if err != nil {
				return "", false, err
			}
			count := map[protocol.CameraID]int{}
			err = each(list, protocol.KindSealed, func(_ entry, s protocol.Sealed) error {
				for _, sealed := range s.Cameras {
					count[sealed.Camera] += sealed.Count
					if sealed.Camera == "plein" {
						c.sealed = sealed.Last.Time
					}
				}
				return nil
			})
			var codecs []string
			err = errors.Join(err, each(list, protocol.KindRun, func(_ entry, r protocol.RunStarted) error {
				codecs = append(codecs, string(r.Camera)+" "+r.Codec)
				return nil
			}))
			done := len(count) == len(c.scenes)
			total := 0
			for _, n := range count {
				done, total = done && n >= 2, total+n
			}
			return fmt.Sprintf("%d cameras recorded over RTSP (%s): %d segments in the journal after %s", len(count), strings.Join(codecs, ", "), total, seconds(time.Since(began))), done, err
		})
	})
}

// unreadable is what a thief of the disk sees: no segment holds a box of the format it is written in.
func (c *check) unreadable() (string, error) {
	files, size := 0, 0
	err := filepath.WalkDir(c.path("recorder-data", "footage", "footage"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".seg" {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it expired under our eyes
		}
		if bytes.Contains(b, []byte("moof")) || bytes.Contains(b, []byte("mdat")) {
			return fmt.Errorf("%s can be read without a key", path)
		}
		files, size = files+1, size+len(b)
		return err
	})
	if err == nil && files == 0 {
		err = errors.New("no segment on the disk")
	}
	return fmt.Sprintf("none of %d segments on the disk (%d bytes) can be read without its key", files, size), err
}

// newRequest is the form as the agent fills it in, for the last seconds that are sealed.
func (c *check) newRequest(camera protocol.CameraID) url.Values {
	local := func(t time.Time) []string { return []string{t.In(page.Amsterdam).Format("2006-01-02T15:04:05")} }
	return url.Values{"camera": {string(camera)}, "van": local(c.asked.From), "tot": local(c.asked.To), "artikel": {"126nda"},
		"bevoegde": {"A. Agent, opsporingsambtenaar"}, "kenmerk": {"PL2100-2026-1"}, "noodzaak": {"Diefstal van een fiets, verdachte in beeld"}}
}

func (c *check) notForStaff(ctx context.Context) (string, error) {
	p, err := c.agent.Get(ctx, "/bureau/aanvragen/nieuw")
	if err != nil {
		return "", err
	}
	if !strings.Contains(p.Text, "nadrukkelijk niet") {
		return "", errors.New("the request form does not say that judging staff is not a purpose")
	}
	return "the request form has no purpose for judging staff, and says why", nil
}

func (c *check) holdConfirmed(ctx context.Context) (string, error) {
	// One second of the newest segment, in whole seconds as the form takes them: there is footage before it and soon after it.
	from := c.sealed.Add(-3 * time.Second).Truncate(time.Second)
	c.asked = protocol.Span(from, from.Add(time.Second))
	request, err := File(ctx, c.agent, c.newRequest("plein"))
	if err != nil {
		return "", err
	}
	c.request, c.filed = request, time.Now()
	e, err := c.journalled(ctx, "hold.placed", 40*time.Second, func(e entry) (bool, error) {
		if e.Kind != protocol.KindHoldPlaced {
			return false, nil
		}
		return true, e.read(&c.held)
	})
	if err != nil {
		return "", err
	}
	if _, err := wait(ctx, 20*time.Second, "the desk says that the hold is confirmed", func() (string, bool, error) {
		p, err := c.handler.Get(ctx, c.request)
		return "", err == nil && p.Has("/toetsen") && strings.Contains(p.Text, "bevestigd"), err
	}); err != nil {
		return "", err
	}
	return fmt.Sprintf("hold confirmed by the recorder (entry %d) and shown at the desk %s after filing; %s asked, %s in %d whole segments", e.Seq,
		seconds(time.Since(c.filed)), seconds(c.asked.Duration()), seconds(c.held.Interval.Duration()), c.held.Segments), nil
}

// File files a request and returns its path at the desk: the form, then what it will ask, then pressed again.
func File(ctx context.Context, v *Visitor, fields url.Values) (string, error) {
	p, err := v.Get(ctx, "/bureau/aanvragen/nieuw")
	if err != nil {
		return "", err
	}
	if p, err = v.Submit(ctx, p, "/nieuw", fields); err != nil {
		return "", err
	}
	if p.Status != 200 {
		return "", fmt.Errorf("file a request: status %d: %s", p.Status, p.Text)
	}
	if p, err = v.Submit(ctx, p, "/nieuw", url.Values{"stap": {"indienen"}}); err != nil {
		return "", err
	}
	if !strings.HasPrefix(p.Path, "/bureau/aanvragen/z") && !strings.HasPrefix(p.Path, "/bureau/aanvragen/") || strings.HasSuffix(p.Path, "/nieuw") {
		return "", fmt.Errorf("file a request: status %d at %s: %s", p.Status, p.Path, p.Text)
	}
	return p.Path, nil
}

// CheckAs checks a request as complete and necessary.
func CheckAs(ctx context.Context, v *Visitor, request string) (*Page, error) {
	p, err := v.Get(ctx, request)
	if err != nil {
		return nil, err
	}
	return v.Submit(ctx, p, "/toetsen", url.Values{"volledig": {"ja"}, "noodzakelijk": {"ja"}, "opmerking": {"titel en tijdvak gezien"}})
}

// GrantAs grants a request, approving the intervals that the page shows.
func GrantAs(ctx context.Context, v *Visitor, request string) (*Page, error) {
	p, err := v.Get(ctx, request)
	if err != nil {
		return nil, err
	}
	fields := url.Values{"besluit": {"granted"}, "motivering": {"voldoet aan art. 126nda Sv"}}
	if values := p.Values("akkoord"); len(values) > 0 {
		fields["akkoord"] = values
	}
	return v.Submit(ctx, p, "/beslissen", fields)
}

func (c *check) twoPeopleRefused(ctx context.Context) (string, error) {
	// Bram may handle and may approve; of one request he may not do both.
	request, err := File(ctx, c.agent, c.newRequest("plein"))
	if err != nil {
		return "", err
	}
	if _, err := wait(ctx, 30*time.Second, "the second hold is confirmed", func() (string, bool, error) {
		p, err := c.both.Get(ctx, request)
		return "", err == nil && p.Has("/toetsen") && strings.Contains(p.Text, "bevestigd"), err
	}); err != nil {
		return "", err
	}
	if p, err := CheckAs(ctx, c.both, request); err != nil || p.Status != 200 {
		return "", fmt.Errorf("check as besluit2: %v: %s", err, p.Text)
	}
	p, err := c.both.Get(ctx, request)
	if err != nil {
		return "", err
	}
	// Whether there is a form or not: somebody can always post one.
	if p, err = c.both.Post(ctx, p, request+"/beslissen", url.Values{"besluit": {"granted"}, "motivering": {"ik keur mijzelf goed"}, "akkoord": {"plein " + c.held.Interval.String()}}); err != nil {
		return "", err
	}
	if p.Status == 200 || !strings.Contains(p.Text, "drie verschillende mensen") {
		return "", fmt.Errorf("the handler of a request granted it too, or is not told why not: status %d: %.400s", p.Status, p.Text)
	}
	// Its hold would outlast this check; the approver refuses the request, which lifts it.
	if p, err = c.approver.Get(ctx, request); err != nil {
		return "", err
	}
	if p, err = c.approver.Submit(ctx, p, "/beslissen", url.Values{"besluit": {"refused"}, "reden": {"too-broad"}, "motivering": {"dubbel gevraagd"}}); err != nil || p.Status != 200 {
		return "", fmt.Errorf("refuse: %v: %.300s", err, p.Text)
	}
	return "who checked a request cannot decide on it: refused in words, and no grant left the centre", nil
}

func (c *check) threePeopleDecide(ctx context.Context) (string, error) {
	if p, err := CheckAs(ctx, c.handler, c.request); err != nil || p.Status != 200 {
		return "", fmt.Errorf("check: %v: %.400s", err, p.Text)
	}
	if p, err := GrantAs(ctx, c.approver, c.request); err != nil || p.Status != 200 {
		return "", fmt.Errorf("grant: %v: %.400s", err, p.Text)
	}
	var order protocol.Order
	e, err := c.journalled(ctx, "the accepted grant", 20*time.Second, func(e entry) (bool, error) {
		if e.Kind != protocol.KindOrder {
			return false, nil
		}
		err := e.read(&order)
		return order.Kind == "grant", err
	})
	if err != nil {
		return "", err
	}
	s, err := protocol.ParseDocument([]byte(order.Document))
	if err != nil {
		return "", err
	}
	g := s.Document.(*protocol.Grant)
	c.grant = g.GrantID()
	return fmt.Sprintf("%s asked, %s checked, %s approved %s; the recorder verified it (entry %d, level %s)", g.Requester, g.Handler, g.Approver,
		seconds(g.Interval.Duration()), e.Seq, order.Level), nil
}

func (c *check) released(ctx context.Context) (string, error) {
	var done protocol.Released
	e, err := c.journalled(ctx, "release.done", 60*time.Second, func(e entry) (bool, error) {
		if e.Kind != protocol.KindReleased {
			return false, nil
		}
		return true, e.read(&done)
	})
	if err != nil {
		return "", err
	}
	list, err := c.entries()
	if err != nil {
		return "", err
	}
	var last protocol.Time
	for _, seen := range list[:e.Seq] {
		if seen.Seq == done.Intent {
			if seen.Kind != protocol.KindIntent {
				return "", fmt.Errorf("entry %d is %s, not the intent of the release", seen.Seq, seen.Kind)
			}
			last = seen.Time
		}
	}
	if last.IsZero() {
		return "", fmt.Errorf("release.done %d cites intent %d, which does not precede it", e.Seq, done.Intent)
	}
	return fmt.Sprintf("intent journalled (entry %d) and cosigned first; %d segments, %d bytes released %s later", done.Intent, done.Segments, done.Size, seconds(e.Time.Sub(last.Time))), nil
}

func (c *check) downloaded(ctx context.Context) (string, error) {
	var p *Page
	if _, err := wait(ctx, 20*time.Second, "the bag can be fetched at the desk", func() (string, bool, error) {
		var err error
		p, err = c.agent.Get(ctx, c.request)
		return "", err == nil && p.Has("/ophalen"), err
	}); err != nil {
		return "", err
	}
	p, err := c.agent.Submit(ctx, p, "/ophalen", nil)
	if err != nil {
		return "", err
	}
	links := p.Links("/bestand")
	if len(links) == 0 {
		return "", fmt.Errorf("no file to save on the page: %.400s", p.Text)
	}
	if c.bag, err = c.agent.Fetch(ctx, links[0]); err != nil {
		return "", err
	}
	if err := os.WriteFile(c.path("bag.zip"), c.bag, 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("downloaded by the agent: %d bytes, decrypted at the desk, logged before the first byte", len(c.bag)), nil
}

func (c *check) trust() (evidence.Trust, error) {
	roots, err := enrol.ReadRoots(c.path("recorder", "roots.txt"))
	return evidence.Trust{Roots: roots}, err
}

func (c *check) verified() (string, error) { return c.verify(c.bag) }

func (c *check) verify(bag []byte) (string, error) {
	trust, err := c.trust()
	if err != nil {
		return "", err
	}
	r, err := evidence.Verify(bytes.NewReader(bag), int64(len(bag)), trust, nil)
	if err != nil {
		return "", err
	}
	since := "good"
	for _, f := range r.Time.Findings {
		if f.State == evidence.Failed || !strings.Contains(f.EN, "clock was not synchronised") {
			return "", fmt.Errorf("time: %s: %s", f.Where(), f.EN)
		}
		since = "not shown, because this machine's clock is not kept by NTP"
	}
	if r.Integrity.State != evidence.OK || r.Authorisation.State != evidence.OK {
		return "", fmt.Errorf("the bag does not verify: %+v", r)
	}
	return fmt.Sprintf("verified offline from the roots alone: integrity good, authorisation good, time %s; level %s, self-witnessed %v", since, r.Level, r.SelfWitnessed), nil
}

func (c *check) flippedBag() (string, error) {
	trust, err := c.trust()
	if err != nil {
		return "", err
	}
	changed := bytes.Clone(c.bag)
	at := bytes.Index(changed, []byte("mdat"))
	if at < 0 {
		return "", errors.New("no footage in the bag")
	}
	changed[at+200] ^= 1
	r, err := evidence.Verify(bytes.NewReader(changed), int64(len(changed)), trust, nil)
	if err != nil {
		return "", err
	}
	for _, f := range r.Integrity.Findings {
		if strings.HasSuffix(f.File, ".mp4") {
			return fmt.Sprintf("one bit flipped in the bag is found and named: %s", f.Where()), nil
		}
	}
	return "", fmt.Errorf("a flipped bit in the footage was not named: %+v", r.Integrity)
}

func (c *check) verifyLog(log []byte) (chain.Verdict, error) {
	v, err := c.logKeys()
	if err != nil {
		return chain.Verdict{}, err
	}
	return chain.Verify(bytes.NewReader(log), v)
}

func (c *check) logKeys() (chain.Verifier, error) {
	key, err := enrol.ReadLine(c.path("recorder", "recorder.pub"))
	if err != nil {
		return chain.Verifier{}, err
	}
	log, err := protocol.NewVerifier(key)
	if err != nil {
		return chain.Verifier{}, err
	}
	key, err = enrol.ReadLine(c.path("centre", "witness.pub"))
	if err != nil {
		return chain.Verifier{}, err
	}
	w, err := chain.WitnessVerifier(key)
	return chain.Verifier{Origin: protocol.Origin(recorderID, municipality), Log: log, Witnesses: []note.Verifier{w}, Quorum: 1}, err
}

func (c *check) flippedLog() (string, error) {
	log, err := c.logFile()
	if err != nil {
		return "", err
	}
	whole, err := c.verifyLog(log)
	if err != nil {
		return "", fmt.Errorf("the untouched log does not verify: %w", err)
	}
	// The word "plein" in the body of hold.placed becomes "pleim": a change that somebody might want.
	lines := bytes.Split(log, []byte("\n"))
	for i, line := range lines {
		if bytes.Contains(line, []byte(`"kind":"hold.placed"`)) {
			lines[i+1] = bytes.Replace(lines[i+1], []byte(`"plein"`), []byte(`"pleim"`), 1)
			v, err := c.verifyLog(bytes.Join(lines, []byte("\n")))
			if err == nil || v.Fault == nil || v.Fault.Seq != uint64(i/2) {
				return "", fmt.Errorf("a changed word in entry %d was not found there: %v", i/2, err)
			}
			return fmt.Sprintf("log of %d entries verifies offline, cosigned up to %d; one letter changed is found: %v", whole.Entries, whole.Checkpoint.Size, v.Fault), nil
		}
	}
	return "", errors.New("no hold.placed in the log")
}

// certified: the privacy officer's certificate of destruction is what anyone makes of the log.
func (c *check) certified(ctx context.Context) (string, error) {
	p, err := c.officer.Get(ctx, "/bureau/vernietiging/plein")
	if err != nil {
		return "", err
	}
	date := time.Now().In(page.Amsterdam).Format(time.DateOnly)
	if !strings.Contains(p.Text, "Vernietigd") {
		return "", fmt.Errorf("no days of plein: %s", p.Text)
	}
	file, err := c.officer.Fetch(ctx, "/bureau/vernietiging/plein/"+date+".txt")
	if err != nil {
		return "", err
	}
	log, err := c.logFile()
	if err != nil {
		return "", err
	}
	head, theirs, _ := strings.Cut(string(file), "\n\n")
	head, theirs, _ = strings.Cut(theirs, "\n\n")
	var size uint64
	for _, line := range strings.Split(head, "\n") {
		if rest, ok := strings.CutPrefix(line, "Controlepunt"); ok {
			fmt.Sscanf(rest, "%d", &size)
		}
	}
	account, r := destruction.NewAccount(page.Amsterdam), chain.NewReader(bytes.NewReader(log))
	mine := destruction.Certificate{Size: size}
	day := destruction.DayOf(date, page.Amsterdam)
	for range size {
		e, err := r.Next()
		if err != nil {
			return "", err
		}
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			return "", err
		}
		account.Read(h, e.Body)
		if row, ok := destruction.RowOf(h, e.Body, "plein", day); ok {
			mine.Rows = append(mine.Rows, row)
		}
	}
	mine.Day, _ = account.Day("plein", date)
	_, ours, _ := strings.Cut(mine.Text(false), "\n\n")
	_, ours, _ = strings.Cut(ours, "\n\n")
	if size == 0 || mine.Day.Deleted == 0 || ours != theirs {
		return "", fmt.Errorf("over %d entries the certificate says\n%s\nand the log\n%s", size, theirs, ours)
	}
	return fmt.Sprintf("the certificate of plein on %s is what the log of %d entries gives: %d segments sealed, %d deleted, the latest %s after its time, none unaccounted for", date, size,
		mine.Day.Sealed, mine.Day.Deleted, mine.Day.Latest), nil
}

func (c *check) accessShown(ctx context.Context) (string, error) {
	return wait(ctx, 20*time.Second, "the privacy officer sees the release beside its grant", func() (string, bool, error) {
		p, err := c.officer.Get(ctx, "/bureau/toegang")
		if err != nil {
			return "", false, err
		}
		return "the privacy officer sees the release beside its grant and request, and no orphan", strings.Contains(p.Text, string(c.grant)) && !strings.Contains(p.Text, "Wees"), nil
	})
}

// plein's segments outside the held interval, as the journal tells of their end.
func (c *check) goneOutsideHold(ctx context.Context) (string, error) {
	return wait(ctx, 60*time.Second, "footage just before and after the hold expired", func() (string, bool, error) {
		list, err := c.entries()
		if err != nil {
			return "", false, err
		}
		before, after := 0, 0
		err = each(list, protocol.KindExpired, func(_ entry, x protocol.Expired) error {
			for _, s := range x.Segments {
				switch {
				case s.Camera != "plein":
				case c.held.Interval.Has(s.Start.Time):
					return fmt.Errorf("held segment %s/%d expired", s.Run, s.N)
				case s.Start.Before(c.held.Interval.From):
					before++
				default:
					after++
				}
			}
			return nil
		})
		return fmt.Sprintf("footage outside the hold is gone: %d segments before it and %d after it, none within", before, after), before > 0 && after > 0, err
	})
}

func (c *check) heldOutlives(ctx context.Context) (string, error) {
	beyond := 5 * time.Second
	return wait(ctx, 60*time.Second, "held footage outlives its window", func() (string, bool, error) {
		s, ok := c.office.StatusOf(recorderID)
		if !ok {
			return "", false, nil
		}
		for _, cam := range s.Cameras {
			if cam.Camera != "plein" || cam.Oldest == nil {
				continue
			}
			if !cam.Oldest.Equal(c.held.Interval.From) {
				return "", false, nil
			}
			over := time.Since(cam.Oldest.Time) - checkWindow.Duration()
			return fmt.Sprintf("held footage outlived its window of %s by %s", checkWindow, seconds(over)), over > beyond, nil
		}
		return "", false, nil
	})
}

func (c *check) lapsed(ctx context.Context) (string, error) {
	var gap protocol.Gap
	e, err := c.journalled(ctx, "the gap of the camera whose besluit lapsed", 60*time.Second, func(e entry) (bool, error) {
		if e.Kind != protocol.KindGapBegun {
			return false, nil
		}
		err := e.read(&gap)
		return gap.Camera == "kade" && gap.Cause == "mandate" && strings.Contains(gap.Detail, "expired"), err
	})
	if err != nil {
		return "", err
	}
	if _, err := wait(ctx, 30*time.Second, "the public page says that the camera may not record", func() (string, bool, error) {
		v, err := NewVisitor(c.pages(), c.ca)
		if err != nil {
			return "", false, err
		}
		p, err := v.Get(ctx, "/en/camera/kade")
		return "", err == nil && strings.Contains(p.Text, "may not record"), err
	}); err != nil {
		return "", err
	}
	var late time.Duration
	for _, s := range c.scenes {
		if s.id == "kade" {
			late = e.Time.Sub(c.began.Add(s.lapses))
		}
	}
	return fmt.Sprintf("camera kade stopped %s after its besluit lapsed, without any order: %s", seconds(late), gap.Detail), nil
}

func (c *check) goneAfterHandOver(ctx context.Context) (string, error) {
	p, err := c.agent.Get(ctx, c.request)
	if err != nil {
		return "", err
	}
	if p, err = c.agent.Submit(ctx, p, "/ontvangst", url.Values{"opmerking": {"ontvangen en afgespeeld"}}); err != nil || p.Status != 200 {
		return "", fmt.Errorf("confirm receipt: %v: %.300s", err, p.Text)
	}
	confirmed := time.Now()
	return wait(ctx, 30*time.Second, "the held footage is gone", func() (string, bool, error) {
		list, err := c.entries()
		if err != nil {
			return "", false, err
		}
		gone := 0
		err = each(list, protocol.KindExpired, func(_ entry, x protocol.Expired) error {
			for _, s := range x.Segments {
				if s.Camera == "plein" && c.held.Interval.Has(s.Start.Time) {
					gone++
				}
			}
			return nil
		})
		return fmt.Sprintf("%d held segments gone %s after the agent confirmed receipt", gone, seconds(time.Since(confirmed))), gone >= c.held.Segments, err
	})
}

func (c *check) neverLate() (string, error) {
	list, err := c.entries()
	if err != nil {
		return "", err
	}
	var latest time.Duration
	count, released := 0, 0
	err = each(list, protocol.KindExpired, func(e entry, x protocol.Expired) error {
		for _, s := range x.Segments {
			if x.Reason == "hold-ended" {
				released++
				continue
			}
			count++
			latest = max(latest, x.GoneAt(s).Sub(s.Due.Time))
		}
		return nil
	})
	if err == nil && (count == 0 || latest > time.Second) {
		err = fmt.Errorf("of %d segments the latest expired %s after it was due; at most 1 s", count, latest)
	}
	return fmt.Sprintf("expired on time: of %d segments the latest was unlinked %d ms after its first frame reached the window", count, latest.Milliseconds()), err
}

// signed has both approvers sign the same form on the page of camera hal; the first signature alone must change nothing.
func (c *check) signed(ctx context.Context, action string, fields url.Values, done string) error {
	for i, v := range []*Visitor{c.approver, c.both} {
		p, err := v.Get(ctx, "/bureau/cameras/hal")
		if err != nil {
			return err
		}
		if p, err = v.Submit(ctx, p, action, fields); err != nil || p.Status != 200 {
			return fmt.Errorf("approver %d: %w: %.300s", i+1, err, p.Text)
		}
		if strings.Contains(p.Text, done) != (i == 1) {
			return fmt.Errorf("after %d signatures: want %q only after the second: %.900s", i+1, done, p.Text)
		}
	}
	return nil
}

// shortened: two approvers halve a window, and the recorder deletes what has become too old although it was not due before.
func (c *check) shortened(ctx context.Context) (string, error) {
	short, began := checkWindow/2, time.Now()
	if err := c.signed(ctx, "/bewaartermijn", url.Values{"bewaren": {short.String()}, "waarom": {"korter volstaat"}}, "bewaartermijn gewijzigd"); err != nil {
		return "", err
	}
	return wait(ctx, 30*time.Second, "footage of hal that is older than its new window is gone", func() (said string, ok bool, err error) {
		list, err := c.entries()
		if err != nil {
			return "", false, err
		}
		err = each(list, protocol.KindExpired, func(_ entry, x protocol.Expired) error {
			for _, s := range x.Segments {
				gone := x.GoneAt(s)
				early := s.Start.Add(checkWindow.Duration()).Sub(gone.Time)
				if !ok && s.Camera == "hal" && gone.After(began) && early > time.Second {
					said, ok = fmt.Sprintf("two approvers shortened hal's window to %s: %s later footage was gone that would have stayed another %s", short, seconds(gone.Sub(began)), seconds(early)), true
				}
			}
			return nil
		})
		return said, ok, err
	})
}

// suspended: two approvers suspend a camera, and its recorder stops.
func (c *check) suspended(ctx context.Context) (string, error) {
	asked := time.Now()
	if err := c.signed(ctx, "/beeindigen", url.Values{"hoe": {"suspend"}, "waarom": {"verbouwing"}}, "camera of geluid gestopt"); err != nil {
		return "", err
	}
	e, err := c.journalled(ctx, "the gap of the camera that was suspended", 30*time.Second, func(e entry) (bool, error) {
		var gap protocol.Gap
		if e.Kind != protocol.KindGapBegun || e.Time.Before(asked) {
			return false, nil
		}
		err := e.read(&gap)
		return gap.Camera == "hal" && gap.Cause == "mandate", err
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("two approvers suspended hal, and %s later its recorder stopped; one of them alone could not", seconds(e.Time.Sub(asked))), nil
}

func (c *check) publicPage(ctx context.Context) (string, error) {
	v, err := NewVisitor(c.pages(), c.ca)
	if err != nil {
		return "", err
	}
	p, err := v.Get(ctx, "/en/camera/plein")
	if err != nil {
		return "", err
	}
	for _, words := range []string{"recording now", "oldest footage", "confirmed"} {
		if !strings.Contains(strings.ToLower(p.Text), words) {
			return "", fmt.Errorf("the public page of plein does not say %q: %.900s", words, p.Text)
		}
	}
	return "the public page says that plein records now, how old its oldest footage is, and when a witness confirmed that", nil
}

// delivered waits until the centre has cosigned all that is in the journal: the forger pushed it away from the broker.
func (c *check) delivered(ctx context.Context) error {
	list, err := c.entries()
	if err != nil {
		return err
	}
	_, err = wait(ctx, 30*time.Second, "the journal is cosigned again after the forger left", func() (string, bool, error) {
		log, err := c.logFile()
		if err != nil {
			return "", false, err
		}
		v, err := c.verifyLog(log)
		return "", err == nil && v.Checkpoint != nil && v.Checkpoint.Size >= uint64(len(list)), err
	})
	return err
}

// afterStop looks at what the town left behind: the recorder stopped in order, and the centre has the same log, byte for byte.
func (c *check) afterStop() {
	c.promise("I11", func() (string, error) {
		ours, err := c.logFile()
		if err != nil {
			return "", err
		}
		if err := c.office.Open(context.Background()); err != nil {
			return "", err
		}
		var theirs bytes.Buffer
		if err := errors.Join(c.office.ExportLog(recorderID, &theirs), c.office.Close()); err != nil {
			return "", err
		}
		if !bytes.Equal(entriesOf(ours), entriesOf(theirs.Bytes())) {
			return "", fmt.Errorf("the centre's copy (%d bytes) differs from the recorder's journal (%d bytes)", theirs.Len(), len(ours))
		}
		v, err := c.verifyLog(theirs.Bytes())
		if err != nil {
			return "", err
		}
		for _, name := range c.names {
			if bytes.Contains(theirs.Bytes(), []byte(name)) {
				return "", fmt.Errorf("the journal holds the name of a person: %s", name)
			}
		}
		if v.Epochs.Key == "" || len(v.Breaks) != len(v.Resumed) { // each resumption begins an epoch anew
			return "", fmt.Errorf("the journal's epochs: %+v, %v", v.Epochs, v.Breaks)
		}
		return fmt.Sprintf("the centre's copy equals the recorder's journal, entry for entry: %d, all cosigned %v; the log says that it stopped in order", v.Entries, v.Uncovered == 0), nil
	})
}

// entriesOf is a log file without its checkpoint.
func entriesOf(log []byte) []byte {
	if i := bytes.Index(log, []byte("\n\n")); i >= 0 {
		return log[:i+1]
	}
	return log
}
