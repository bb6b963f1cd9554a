package footage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// office gives a store a real journal and real grants.
type office struct {
	*rig
	town    *protocoltest.Town
	journal *journal.Journal
	orders  *orders.Orders
	number  uint64
}

func newOffice(t *testing.T) *office {
	return newOfficeOn(t, t.TempDir(), sized{disk.OS, func() int64 { return 1 << 40 }})
}

// newOfficeOn has all of it under one folder of a disk.
func newOfficeOn(t *testing.T, root string, d disk.Disk) *office {
	t.Helper()
	o := &office{town: protocoltest.NewTown(t, noon.Add(-time.Hour))}
	c := &clock{t: noon}
	log := slog.New(slog.DiscardHandler)
	var err error
	if o.journal, err = journal.OpenOn(d, filepath.Join(root, "journal"), o.town.Log.Name(), o.town.Log, c.Now, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	if o.orders, err = orders.Open(o.journal, self, o.town.Roots, o.town.Roster(1), c.Now, log); err != nil {
		t.Fatal(err)
	}
	o.rig = &rig{T: t, clock: c, book: &book{}}
	cfg := config(filepath.Join(root, "volume"), c, o.book)
	cfg.Journal, cfg.Disk = o.journal, d
	o.open(cfg)
	if m, ok := o.order(o.town.Compose(o.town.Mandate(plein, 1))).(*protocol.Mandate); !ok || o.SetMandates([]*protocol.Mandate{m}) != nil {
		t.Fatal("mandate")
	}
	return o
}

func (o *office) order(document []byte) orders.Action {
	o.Helper()
	o.number++
	a, err := o.orders.Accept(o.Context(), o.town.Envelope(o.number, document))
	if err != nil {
		o.Fatal(err)
	}
	return a
}

func (o *office) grant(id string, i protocol.Interval) *orders.Grant {
	o.Helper()
	return o.order(o.town.Compose(o.town.Grant(id, plein, i), protocoltest.Handler, protocoltest.Approver)).(*orders.Grant)
}

func (o *office) receipt(g *orders.Grant, i protocol.Interval) *journal.Receipt {
	o.Helper()
	doc := g.Doc()
	r, err := o.journal.Access(o.Context(), protocol.KindIntent, protocol.Access{How: "release", Grant: doc.GrantID(), Request: doc.Request, Camera: doc.Camera, Interval: i,
		Person: doc.Requester, Recipient: doc.Recipient, Reason: "release", Document: g.Hash(), Level: g.Level()}, doc.Camera, i)
	if err != nil {
		o.Fatal(err)
	}
	return r
}

// What is read is what was recorded, byte for byte, and each segment can be proven to stand in the journal's minute.
func TestReadAndProve(t *testing.T) {
	o := newOffice(t)
	o.record(plein, 8*time.Second)
	if err := o.SealMinute(t.Context()); err != nil {
		t.Fatal(err)
	}
	interval, lines, err := o.Round(plein, protocol.Span(noon.Add(3*time.Second), noon.Add(5*time.Second)))
	if err != nil || len(lines) != 2 || !interval.Equal(protocol.Span(noon.Add(2*time.Second), noon.Add(6*time.Second))) {
		t.Fatalf("rounded to %s, %d segments, %v", interval, len(lines), err)
	}
	g := o.grant("g-1", interval)
	reading, err := o.Read(g, interval, o.receipt(g, interval))
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	if len(reading.Segments()) != 2 {
		t.Fatalf("%d segments", len(reading.Segments()))
	}
	var sealed protocol.Sealed
	var seq uint64
	if err := o.journal.Replay(func(h chain.Header, body []byte) error {
		if h.Kind != protocol.KindSealed {
			return nil
		}
		seq = h.Seq
		return chain.ParseBody(body, &sealed)
	}); err != nil {
		t.Fatal(err)
	}
	if sealed.Count != 4 || len(sealed.Cameras) != 1 || !sealed.Cameras[0].Oldest.Equal(noon) || !sealed.Cameras[0].Last.Equal(noon.Add(8*time.Second)) {
		t.Errorf("footage.sealed: %+v", sealed)
	}
	whole := bytes.Buffer{}
	init, err := reading.Init(reading.Segments()[0].Run)
	if err != nil {
		t.Fatal(err)
	}
	whole.Write(init)
	for _, seg := range reading.Segments() {
		if !seg.Listed || seg.Minute != seq || seg.Root != sealed.Root || seg.Count != 4 {
			t.Errorf("segment %d: listed %t in %d, want %d", seg.N, seg.Listed, seg.Minute, seq)
		}
		var path tlog.RecordProof
		for _, h := range seg.Path {
			path = append(path, tlog.Hash(h))
		}
		if err := tlog.CheckRecord(path, int64(seg.Count), tlog.Hash(sealed.Root), int64(seg.Index), tlog.RecordHash([]byte(seg.SegmentLine.String()))); err != nil {
			t.Errorf("segment %d: %v", seg.N, err)
		}
		f, err := reading.Open(seg)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil || int64(len(b)) != seg.SegmentLine.Size || f.Close() != nil {
			t.Errorf("segment %d: %d bytes, %v", seg.N, len(b), err)
		}
		whole.Write(b)
	}
	boxes(t, whole.Bytes(), reading.Segments())
}

// boxes checks with an independent reader that segments lie where the index says and that time goes on over them.
func boxes(t *testing.T, b []byte, segments []Segment) {
	t.Helper()
	f, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if f.Init == nil || f.Init.Moov.Trak.Mdia.Mdhd.Timescale != timescale {
		t.Fatal("no init of 90 kHz")
	}
	var fragments []*mp4.Fragment
	for _, s := range f.Segments {
		fragments = append(fragments, s.Fragments...)
	}
	i, end := 0, uint64(0)
	for _, seg := range segments {
		for k, want := range seg.Fragments {
			if i >= len(fragments) {
				t.Fatalf("%d fragments, the index says more", len(fragments))
			}
			traf := fragments[i].Moof.Traf
			base := traf.Tfdt.BaseMediaDecodeTime()
			if int64(base) != want[1] || end != 0 && base != end {
				t.Errorf("fragment %d is at %d, want %d, and the one before ends at %d", i, base, want[1], end)
			}
			if first := traf.Trun.Samples[0]; k == 0 && mp4.DecodeSampleFlags(first.Flags).SampleIsNonSync {
				t.Errorf("segment %d does not start on a key frame", seg.N)
			}
			end = base + traf.Trun.Duration(0)
			i++
		}
	}
	if i != len(fragments) {
		t.Errorf("%d fragments, the index says %d", len(fragments), i)
	}
}

func TestReadRefuses(t *testing.T) {
	o := newOffice(t)
	o.record(plein, 4*time.Second)
	all := protocol.Span(noon, noon.Add(4*time.Second))
	part := protocol.Span(noon, noon.Add(2*time.Second))
	g, narrow := o.grant("g-1", all), o.grant("g-2", part)
	used := o.receipt(g, all)
	if r, err := o.Read(g, all, used); err != nil || r.Close() != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		grant    *orders.Grant
		interval protocol.Interval
		receipt  *journal.Receipt
		want     string
	}{
		{"no grant", nil, all, o.receipt(g, all), "grant"},
		{"zero grant", &orders.Grant{}, all, o.receipt(g, all), "grant"},
		{"no receipt", g, all, nil, "receipt"},
		{"zero receipt", g, all, &journal.Receipt{}, "receipt"},
		{"used receipt", g, all, used, "already used"},
		{"receipt for less", g, all, o.receipt(g, part), "receipt"},
		{"more than granted", narrow, all, o.receipt(g, all), "not within"},
		{"no interval", g, protocol.Interval{}, o.receipt(g, all), "must end after"},
	} {
		if r, err := o.Read(c.grant, c.interval, c.receipt); err == nil || r != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want a refusal that says %q", c.name, err, c.want)
		}
	}
	late := o.receipt(g, all)
	o.clock.advance(25 * time.Hour)
	if _, err := o.Read(g, all, late); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired grant: %v", err)
	}
}

// No frame is readable past its window: not from a reading that is open, not through a file that is open, and not before expiry came round to it.
func TestI03_ReadingPinsNothing(t *testing.T) {
	o := newOffice(t)
	m := o.town.Mandate(plein, 2)
	m.Window = protocol.Window(time.Minute)
	if err := o.SetMandates([]*protocol.Mandate{m}); err != nil {
		t.Fatal(err)
	}
	o.record(plein, 4*time.Second)
	all := protocol.Span(noon, noon.Add(4*time.Second))
	g := o.grant("g-1", all)
	reading, err := o.Read(g, all, o.receipt(g, all))
	if err != nil || len(reading.Segments()) != 2 {
		t.Fatal(err)
	}
	f, err := reading.Open(reading.Segments()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	o.clock.set(noon.Add(time.Minute)) // nobody has swept
	if _, err := f.Read(make([]byte, 100)); !errors.Is(err, ErrExpired) {
		t.Errorf("reading on past the window: %v", err)
	}
	if _, err := reading.Open(reading.Segments()[0]); !errors.Is(err, ErrExpired) {
		t.Errorf("opening past the window: %v", err)
	}
	again, err := o.Read(g, all, o.receipt(g, all))
	if err != nil || len(again.Segments()) != 1 {
		t.Errorf("a new reading offers %d segments, %v; want the one that is not due", len(again.Segments()), err)
	}
	o.sweep(t.Context())
	if _, err := reading.Open(reading.Segments()[0]); !errors.Is(err, ErrExpired) {
		t.Errorf("opening what is gone: %v", err)
	}
}

func TestReadNamesAFileThatChanged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"one bit", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"shorter", func(b []byte) []byte { return b[:len(b)-1] }},
		{"longer", func(b []byte) []byte { return append(b, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t)
			o.record(plein, 2*time.Second)
			all := protocol.Span(noon, noon.Add(2*time.Second))
			name := o.files(plein, "000000.seg")[0]
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, c.change(b), 0o600); err != nil {
				t.Fatal(err)
			}
			g := o.grant("g-1", all)
			reading, err := o.Read(g, all, o.receipt(g, all))
			if err != nil {
				t.Fatal(err)
			}
			f, err := reading.Open(reading.Segments()[0])
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := io.ReadAll(f); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("reading: %v; want an error that names %s", err, name)
			}
			found, err := o.Check(t.Context())
			if err != nil || len(found) != 1 || found[0].What != "file that changed" || !strings.HasSuffix(name, found[0].Key) {
				t.Errorf("check: %v, %v", found, err)
			}
		})
	}
}

// Check finds each way in which disk and index can differ, and names it.
func TestCheckNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		want string
		harm func(r *rig) error
	}{
		{"missing file", func(r *rig) error { return os.Remove(r.files(plein, "000000.seg")[0]) }},
		{"missing file", func(r *rig) error { return os.Remove(r.files(plein, "init.mp4")[0]) }},
		{"init that changed", func(r *rig) error { return os.WriteFile(r.files(plein, "init.mp4")[0], []byte("x"), 0o600) }},
		{"unknown file", func(r *rig) error {
			return os.WriteFile(filepath.Join(filepath.Dir(r.files(plein, "init.mp4")[0]), "000009.seg"), nil, 0o600)
		}},
		{"unknown file", func(r *rig) error { return os.MkdirAll(filepath.Join(r.Dir, "footage", "elsewhere", "run"), 0o700) }},
		{"overdue", func(r *rig) error { r.clock.advance(2 * time.Hour); return nil }},
	} {
		t.Run(c.want, func(t *testing.T) {
			r := newRig(t)
			r.allow(time.Hour, plein)
			r.record(plein, 2*time.Second)
			r.sound()
			if err := c.harm(r); err != nil {
				t.Fatal(err)
			}
			found, err := r.Check(t.Context())
			if err != nil || len(found) != 1 || found[0].What != c.want {
				t.Errorf("found %v, %v; want %q", found, err, c.want)
			}
		})
	}
}

// A run does not take up a segment of another clock hour; nothing is lost at the border.
func TestRunEndsWithTheHour(t *testing.T) {
	r := newRig(t)
	r.clock.set(noon.Add(30*time.Minute - 4500*time.Millisecond))
	start := r.clock.Now()
	r.allow(2*time.Hour, plein)
	r.record(plein, 10*time.Second)
	runs := bodies[protocol.RunStarted](t, r.book, protocol.KindRun)
	if len(runs) != 2 || runs[0].Run == runs[1].Run {
		t.Fatalf("runs: %+v", runs)
	}
	hour := noon.Add(30 * time.Minute)
	if runs[1].Start.Before(hour) || runs[1].Start.Sub(hour) > time.Second {
		t.Errorf("the second run starts at %s, want the first key frame of the hour", runs[1].Start)
	}
	cover, err := r.Coverage(plein, protocol.Span(noon, noon.Add(time.Hour)))
	if err != nil || len(cover) != 1 || !cover[0].Equal(protocol.Span(start, start.Add(10*time.Second))) {
		t.Errorf("coverage: %v, %v", cover, err)
	}
	if gaps := bodies[protocol.Gap](t, r.book, protocol.KindGapEnded); len(gaps) != 0 {
		t.Errorf("gaps: %v", gaps)
	}
	for _, l := range r.lines(plein) {
		if l.Run == runs[1].Run && l.N == 0 {
			if got := r.files(plein, "000000.seg"); len(got) != 2 {
				t.Errorf("first segments: %s", got)
			}
		}
	}
	r.sound()
}

func TestClockThatStepsEndsTheRun(t *testing.T) {
	r := newRig(t)
	r.allow(time.Hour, plein)
	w := r.begin(plein, squareClip())
	units := frames(squareClip(), 8*time.Second)
	for i := range units[30:] {
		units[30+i].DTS += 3600 * timescale
		units[30+i].PTS += 3600 * timescale
	}
	for i, u := range units {
		r.clock.set(noon.Add(time.Duration(i) * 100 * time.Millisecond))
		u.Arrival = r.clock.Now()
		if err := w.Write(u); err != nil {
			t.Fatal(err)
		}
		w.idle()
	}
	if err := w.EndRun(CauseNetwork, ""); err != nil {
		t.Fatal(err)
	}
	w.idle()
	for _, l := range r.lines(plein) {
		if l.End.After(noon.Add(8*time.Second + 100*time.Millisecond)) {
			t.Errorf("segment %s ends in the future: it would be kept too long", l)
		}
	}
	if g := bodies[protocol.Gap](t, r.book, protocol.KindGapBegun); len(g) == 0 || g[0].Cause != string(CauseClock) {
		t.Errorf("gaps: %+v", g)
	}
	r.sound()
}

// Run needs nobody: segments expire at their moment, minutes are journalled, holds end.
func TestRunKeepsTime(t *testing.T) {
	dir := t.TempDir()
	clip := squareClip()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		cfg := config(filepath.Join(dir, "volume"), nil, b)
		cfg.Now = time.Now
		cfg.SealEvery = time.Minute
		s, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		m := mandate(plein, 5*time.Minute)
		m.NotBefore, m.NotAfter = protocol.T(start.Add(-time.Hour)), protocol.T(start.Add(3*time.Second))
		if err := s.SetMandates([]*protocol.Mandate{m}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx) }()
		w := s.Camera(plein, main_)
		if err := w.StartRun(formatOf(clip), start); err != nil {
			t.Fatal(err)
		}
		for _, u := range frames(clip, 2900*time.Millisecond) {
			time.Sleep(time.Until(start.Add(media(u.DTS))))
			u.Arrival = time.Now()
			if err := w.Write(u); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // the mandate lapses: what is open is sealed
		count := func() (n int) {
			_, lines, err := s.Round(plein, protocol.Span(start, start.Add(time.Hour)))
			if err != nil {
				t.Fatal(err)
			}
			return len(lines)
		}
		if count() != 2 {
			t.Errorf("%d segments sealed when the mandate lapsed, want 2", count())
		}
		time.Sleep(time.Minute)
		if n := len(bodies[protocol.Sealed](t, b, protocol.KindSealed)); n != 1 {
			t.Errorf("%d minutes journalled, want 1", n)
		}
		time.Sleep(time.Until(start.Add(5*time.Minute - time.Millisecond)))
		if count() != 2 {
			t.Error("expired early")
		}
		time.Sleep(2*time.Millisecond + 20*time.Millisecond)
		if count() != 1 {
			t.Error("expired late")
		}
		time.Sleep(2 * time.Second)
		if count() != 0 {
			t.Error("the second expired late")
		}
		stop()
		if err := errors.Join(<-ran, s.Close()); err != nil {
			t.Error(err)
		}
	})
}
