package destruction

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

const (
	square = protocol.CameraID("plein")
	hall   = protocol.CameraID("hal")
)

var amsterdam = func() *time.Location {
	l, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err)
	}
	return l
}()

// book is a recorder's log as entries that chain; the account reads each as it would from a file.
type book struct {
	t    *testing.T
	head chain.Head
	*Account
	entries []chain.Entry
}

func newBook(t *testing.T) *book { return &book{t: t, Account: NewAccount(amsterdam)} }

func (b *book) add(at time.Time, kind string, body any) (seq uint64) {
	b.t.Helper()
	e, err := chain.Seal(&b.head, kind, body, at)
	if err == nil {
		err = b.head.Add(e)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	h, err := chain.ParseHeader(e.Header)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Read(h, e.Body)
	b.entries = append(b.entries, e)
	return h.Seq
}

func (b *book) mandate(at time.Time, camera protocol.CameraID, version uint64, window time.Duration) uint64 {
	b.t.Helper()
	m := &protocol.Mandate{Heading: protocol.Heading{ID: protocol.DocumentID(fmt.Sprintf("m-%s-%d", camera, version)), Recorder: "rec-1", NotBefore: protocol.T(at), NotAfter: protocol.T(at.AddDate(1, 0, 0))},
		Camera: camera, Regime: protocol.AVG, Version: version, Streams: []protocol.StreamID{"main"}, Window: protocol.Window(window), LongestHold: protocol.Window(protocol.MaxHold),
		Sound: "none", Hours: "always", Besluit: "B-12", Protocol: fmt.Sprintf("cameraprotocol v%d", version)}
	text, err := protocol.Compose(m)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.add(at, protocol.KindOrder, protocol.Order{Number: version, Kind: "mandate", ID: m.ID, Document: string(text)})
}

// seal journals a minute of n segments of 20 s, the first of which starts at from.
func (b *book) seal(camera protocol.CameraID, from time.Time, n int) (minute uint64) {
	b.t.Helper()
	end := from.Add(time.Duration(n) * 20 * time.Second)
	return b.add(end, protocol.KindSealed, protocol.Sealed{Count: n, Cameras: []protocol.SealedCamera{{Camera: camera, Count: n, First: protocol.T(from), Last: protocol.T(end), Oldest: protocol.T(from)}}})
}

func segment(camera protocol.CameraID, minute uint64, start time.Time, window time.Duration) protocol.ExpiredSegment {
	return protocol.ExpiredSegment{Camera: camera, Run: protocol.RunID("r-" + start.Format("150405")), N: 0, Minute: minute, Start: protocol.T(start), Due: protocol.T(start.Add(window))}
}

func (b *book) expire(at time.Time, reason string, segments ...protocol.ExpiredSegment) uint64 {
	b.t.Helper()
	return b.add(at.Add(time.Second), protocol.KindExpired, protocol.Expired{Reason: reason, At: protocol.T(at), Segments: segments})
}

var noon = time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC)

// TestCertificateOfADay: a day of which everything went says so, under which protocol, when due and when done; and so does its text.
func TestCertificateOfADay(t *testing.T) {
	b := newBook(t)
	rule := b.mandate(noon.Add(-time.Hour), square, 1, 24*time.Hour)
	minute := b.seal(square, noon, 3)
	var rows []Row
	for i := range 3 {
		start := noon.Add(time.Duration(i) * 20 * time.Second)
		b.expire(start.Add(24*time.Hour+13*time.Millisecond), "window", segment(square, minute, start, 24*time.Hour))
	}
	d, ok := b.Day(square, "2026-11-21")
	if !ok || !d.Complete() || d.Sealed != 3 || d.Deleted != 3 || d.Remaining != 0 || d.Unaccounted != 0 || d.Latest.String() != "13ms" {
		t.Fatalf("day %+v", d)
	}
	if len(d.Under) != 1 || d.Under[0].Entry != rule || d.Under[0].Protocol != "cameraprotocol v1" || !d.Under[0].Exact || d.Under[0].Segments != 3 {
		t.Errorf("under %+v", d.Under)
	}
	for _, e := range b.entries {
		h, _ := chain.ParseHeader(e.Header)
		if r, ok := RowOf(h, e.Body, square, d.Interval); ok {
			rows = append(rows, r)
		}
	}
	if len(rows) != 3 || rows[2].Due != protocol.T(noon.Add(24*time.Hour+40*time.Second)) {
		t.Errorf("rows %+v", rows)
	}
	c := Certificate{Origin: "rec-1.helmond/beeldwacht", Size: b.head.Size, Root: b.head.Root().String(), Day: d, Rows: rows}
	for _, want := range []string{"VERKLARING VAN VERNIETIGING", "Alles van deze dag is vernietigd: 3 stukken.", "protocol cameraprotocol v1, besluit B-12, bewaartermijn P1D: 3 stukken",
		"het langst na zijn tijd: 13ms", "2026-11-22T11:00:40.000Z", "door niemand"} {
		if !strings.Contains(c.Text(false), want) {
			t.Errorf("no %q in\n%s", want, c.Text(false))
		}
	}
	if !strings.Contains(c.Text(true), "Everything of this day is deleted: 3 segments.") {
		t.Error(c.Text(true))
	}
}

// TestEachSegmentHasItsOwnMoment: one entry tells of all whose keys went together, and each by when its own file was gone.
func TestEachSegmentHasItsOwnMoment(t *testing.T) {
	b := newBook(t)
	b.mandate(noon.Add(-time.Hour), square, 1, 24*time.Hour)
	minute := b.seal(square, noon, 3)
	var segments []protocol.ExpiredSegment
	for i := range 3 {
		s := segment(square, minute, noon.Add(time.Duration(i)*20*time.Second), 24*time.Hour)
		if gone := protocol.T(s.Due.Add(13 * time.Millisecond)); i < 2 {
			s.Gone = &gone
		}
		segments = append(segments, s)
	}
	last := segments[2].Due.Add(7 * time.Millisecond)
	at := b.expire(last, "window", append(segments, segment("elsewhere", 0, noon.Add(time.Minute), 24*time.Hour))...)
	d, ok := b.Day(square, "2026-11-21")
	if !ok || !d.Complete() || d.Latest.String() != "13ms" {
		t.Errorf("day %+v", d)
	}
	e := b.entries[at]
	h, err := chain.ParseHeader(e.Header)
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := RowOf(h, e.Body, square, d.Interval); !ok || r.Segments != 3 || !r.At.Equal(last) {
		t.Errorf("row %+v; want until %s", r, last)
	}
	if r, ok := RowOf(h, e.Body, square, protocol.Span(noon, noon.Add(30*time.Second))); !ok || r.Segments != 2 || !r.At.Equal(segments[1].Gone.Time) {
		t.Errorf("row %+v; want until %s", r, segments[1].Gone)
	}
}

// TestWhatWasNeverDeletedIsUnaccountedFor: only when its window has passed and no hold stands; and never for a day that is still young.
func TestWhatWasNeverDeletedIsUnaccountedFor(t *testing.T) {
	b := newBook(t)
	b.mandate(noon.Add(-time.Hour), square, 1, 24*time.Hour)
	minute := b.seal(square, noon, 3)
	b.expire(noon.Add(24*time.Hour), "window", segment(square, minute, noon, 24*time.Hour))
	if d, _ := b.Day(square, "2026-11-21"); d.Remaining != 2 || d.Unaccounted != 0 {
		t.Errorf("while its window runs: %+v", d)
	}
	held := protocol.Span(noon.Add(20*time.Second), noon.Add(time.Minute))
	b.add(noon.Add(25*time.Hour), protocol.KindHoldPlaced, protocol.HoldPlaced{Hold: "h-1", Camera: square, Asked: held, Interval: held, End: protocol.T(noon.Add(10 * 24 * time.Hour))})
	b.add(noon.Add(72*time.Hour), protocol.KindIncident, protocol.Incident{What: "time goes by", Detail: "x"})
	if d, _ := b.Day(square, "2026-11-21"); d.Remaining != 2 || d.Unaccounted != 0 || len(d.Held) != 1 {
		t.Errorf("while a hold stands: %+v", d)
	}
	b.add(noon.Add(73*time.Hour), protocol.KindHoldLifted, protocol.HoldLifted{Hold: "h-1", Reason: "lift"})
	b.expire(noon.Add(73*time.Hour+40*time.Millisecond), "hold-ended", segment(square, minute, noon.Add(20*time.Second), 24*time.Hour))
	b.add(noon.Add(96*time.Hour), protocol.KindIncident, protocol.Incident{What: "time goes by", Detail: "x"})
	d, _ := b.Day(square, "2026-11-21")
	if d.Remaining != 1 || d.Unaccounted != 1 || len(d.Held) != 0 {
		t.Errorf("afterwards: %+v", d)
	}
	if d.Latest.String() != "40ms" {
		t.Errorf("late by %s; what a hold kept is due when the hold ends", d.Latest)
	}
	if !strings.Contains(d.Verdict().NL, "Niet verantwoord: 1 stuk.") {
		t.Error(d.Verdict().NL)
	}
}

// TestMinuteAroundMidnight counts for both days until it is gone: a day is never called empty too soon. The day on which the clock goes back has 25 hours.
func TestMinuteAroundMidnight(t *testing.T) {
	b := newBook(t)
	b.mandate(noon.AddDate(0, -2, 0), square, 1, 24*time.Hour)
	start := time.Date(2026, 10, 25, 22, 59, 30, 0, time.UTC) // 23:59:30 in Helmond: the clock has gone back
	minute := b.seal(square, start, 3)
	b.expire(start.Add(24*time.Hour), "window", segment(square, minute, start, 24*time.Hour))
	long, _ := b.Day(square, "2026-10-25")
	next, _ := b.Day(square, "2026-10-26")
	if long.Interval.Duration() != 25*time.Hour || long.Deleted != 1 || long.Remaining != 2 || next.Remaining != 2 || next.Deleted != 0 {
		t.Errorf("days %+v and %+v", long, next)
	}
	b.expire(start.Add(24*time.Hour+time.Minute), "window", segment(square, minute, start.Add(20*time.Second), 24*time.Hour), segment(square, minute, start.Add(40*time.Second), 24*time.Hour))
	long, _ = b.Day(square, "2026-10-25")
	next, _ = b.Day(square, "2026-10-26")
	if !long.Complete() || long.Sealed != 2 || !next.Complete() || next.Sealed != 1 {
		t.Errorf("days %+v and %+v", long, next)
	}
}

// TestWhichMandate: footage that exists keeps its own window when a longer one comes; it goes by a shorter one at once, and that is then its rule.
func TestWhichMandate(t *testing.T) {
	b := newBook(t)
	b.mandate(noon.Add(-time.Hour), square, 1, 48*time.Hour)
	minute := b.seal(square, noon, 4)
	b.mandate(noon.Add(time.Hour), square, 2, 72*time.Hour)
	b.expire(noon.Add(48*time.Hour), "window", segment(square, minute, noon, 48*time.Hour))
	b.mandate(noon.Add(48*time.Hour+time.Minute), square, 3, 24*time.Hour)
	b.expire(noon.Add(48*time.Hour+2*time.Minute), "window", segment(square, minute, noon.Add(20*time.Second), 24*time.Hour))
	b.expire(noon.Add(48*time.Hour+3*time.Minute), "window", segment(square, minute, noon.Add(40*time.Second), 12*time.Hour)) // a roster's ceiling
	b.expire(noon.Add(48*time.Hour+4*time.Minute), "space", segment(square, 0, noon.Add(60*time.Second), 24*time.Hour))
	d, _ := b.Day(square, "2026-11-21")
	var got []string
	for _, r := range d.Under {
		got = append(got, fmt.Sprintf("v%d %d %v", r.Version, r.Segments, r.Exact))
	}
	if s := strings.Join(got, ", "); s != "v1 1 true, v1 1 false, v3 2 true" && s != "v1 1 false, v1 1 true, v3 2 true" {
		t.Errorf("under %s", s)
	}
	if d.Unjournalled != 1 || len(d.Reasons) != 2 || d.Reasons[0] != (Reason{"space", 1}) {
		t.Errorf("%+v", d)
	}
}

// TestEntryWrittenTwiceCountsOnce: a crash between the journal and the index may write footage.expired again. And what cannot be read is counted, not passed over.
func TestEntryWrittenTwiceCountsOnce(t *testing.T) {
	b := newBook(t)
	b.mandate(noon.Add(-time.Hour), hall, 1, time.Hour)
	minute := b.seal(hall, noon, 1)
	gone := segment(hall, minute, noon, time.Hour)
	b.expire(noon.Add(time.Hour), "window", gone)
	b.expire(noon.Add(time.Hour), "window", gone)
	if d, _ := b.Day(hall, "2026-11-21"); d.Deleted != 1 || d.Remaining != 0 || d.Sealed != 1 {
		t.Errorf("%+v", d)
	}
	if b.Unread() != 0 {
		t.Error("nothing was unreadable yet")
	}
	h, err := chain.ParseHeader(b.entries[0].Header)
	if err != nil {
		t.Fatal(err)
	}
	b.Read(h, nil)
	b.Read(h, []byte(`{"salt":"00","novelty":1}`))
	if b.Unread() != 2 {
		t.Errorf("%d unread, want 2", b.Unread())
	}
}

// TestR04_CertificateNamesTheOrderToErase: what went before its window because it was unlawful counts as deleted, for its own reason, and the certificate names the order, its ground,
// who approved it and how many segments it took.
func TestR04_CertificateNamesTheOrderToErase(t *testing.T) {
	b := newBook(t)
	b.mandate(noon.Add(-time.Hour), square, 1, 24*time.Hour)
	minute := b.seal(square, noon, 3)
	e := &protocol.Erase{Heading: protocol.Heading{ID: "e-1", Recorder: "rec-1", NotBefore: protocol.T(noon), NotAfter: protocol.T(noon.Add(24 * time.Hour))}, Camera: square,
		Interval: protocol.Span(noon.Add(time.Second), noon.Add(30*time.Second)), Ground: protocol.EraseRequest, Dossier: "request-b-3", Approvers: []protocol.PersonID{"p-1", "p-2"}}
	text, err := protocol.Compose(e)
	if err != nil {
		t.Fatal(err)
	}
	entry := b.add(noon.Add(time.Hour), protocol.KindOrder, protocol.Order{Number: 2, Kind: "erase", ID: "e-1", Level: protocol.LevelPersons, Document: string(text)})
	b.add(noon.Add(2*time.Hour), protocol.KindExpired, protocol.Expired{Reason: "erase", Erase: "e-1", At: protocol.T(noon.Add(2 * time.Hour)), Segments: []protocol.ExpiredSegment{
		segment(square, minute, noon, 24*time.Hour), segment(square, minute, noon.Add(20*time.Second), 24*time.Hour)}})
	d, _ := b.Day(square, "2026-11-21")
	if d.Deleted != 2 || d.Remaining != 1 || d.Latest != 0 || len(d.Erased) != 1 || d.Erased[0].Segments != 2 || d.Erased[0].Entry != entry || len(d.Reasons) != 1 || d.Reasons[0].Reason != "erase" {
		t.Fatalf("%+v", d)
	}
	c := Certificate{Origin: "rec-1.helmond/beeldwacht", Size: b.head.Size, Day: d}
	for _, want := range []string{"Gewist in opdracht, omdat het onrechtmatig was", "opdracht e-1, grond request, dossier request-b-3, goedgekeurd door p-1, p-2 (persons): 2 stukken"} {
		if !strings.Contains(c.Text(false), want) {
			t.Errorf("no %q in\n%s", want, c.Text(false))
		}
	}
}
