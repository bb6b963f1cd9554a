package protocol_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func TestTimeHasOneForm(t *testing.T) {
	const good = "2026-11-21T02:00:00.000Z"
	p, err := protocol.ParseTime(good)
	if err != nil || !p.Equal(start) || p.String() != good {
		t.Fatalf("%s, %v", p, err)
	}
	for _, bad := range []string{"", "2026-11-21T02:00:00Z", "2026-11-21T02:00:00.00Z", "2026-11-21T02:00:00,000Z", "2026-11-21T02:00:00.000+00:00", "2026-02-30T02:00:00.000Z", "2026-11-21 02:00:00.000Z", good + "Z", "2026-11-21T24:00:00.000Z"} {
		if _, err := protocol.ParseTime(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
		if err := json.Unmarshal([]byte(`"`+bad+`"`), new(protocol.Time)); err == nil {
			t.Errorf("accepted %q in JSON", bad)
		}
	}
	if got := protocol.T(time.Date(2026, 11, 21, 3, 0, 0, 999_999, time.FixedZone("CET", 3600))); got.String() != good {
		t.Errorf("T = %s", got)
	}
}

func TestIntervalIsHalfOpen(t *testing.T) {
	i, next := hour(0), hour(1)
	if !i.Has(i.From) || i.Has(i.To) || i.Overlaps(next) || !i.Contains(i) || i.Contains(next) {
		t.Errorf("%s and %s", i, next)
	}
	for _, bad := range []string{i.String()[:24], strings.Replace(i.String(), "/", " ", 1), next.To.Format(protocol.TimeLayout) + "/" + i.From.Format(protocol.TimeLayout), protocol.T(i.From).String() + "/" + protocol.T(i.From).String()} {
		if _, err := protocol.ParseInterval(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestI03_WindowZeroIsInvalid(t *testing.T) {
	for _, bad := range []string{"", "P", "PT", "P0D", "PT0S", "28D", "P28", "P1Y", "P1M", "PT1M1H", "P1DT", "PT1HT1M", "P1D1D", "P-1D", "PT1.5S", "P999999999D", "P99999999999999999999D"} {
		if w, err := protocol.ParseWindow(bad); err == nil && w.Valid() == nil {
			t.Errorf("accepted %q as %s", bad, w)
		}
	}
	for s, want := range map[string]time.Duration{"P28D": 28 * 24 * time.Hour, "PT4M": 4 * time.Minute, "P1DT2H3M4S": 26*time.Hour + 3*time.Minute + 4*time.Second} {
		w, err := protocol.ParseWindow(s)
		if err != nil || w.Duration() != want || w.String() != s || w.Valid() != nil {
			t.Errorf("%s = %s, %v", s, w, err)
		}
	}
	if protocol.Window(0).Valid() == nil || (protocol.MaxWindow+1).Valid() == nil {
		t.Error("zero, or more than the legal cap, is a window")
	}
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2026-11-21T02:00:00.000Z", "2026-11-21T02:00:00,000Z", "2026-11-21T2:000:00.00Z", "0000-01-01T00:00:00.000Z", "2026-11-21T02:00:60.000Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := protocol.ParseTime(text); err == nil && p.String() != text {
			t.Errorf("%q was read as %s", text, p)
		}
	})
}

func FuzzParseInterval(f *testing.F) {
	f.Add(hour(0).String())
	f.Fuzz(func(t *testing.T, s string) {
		if i, err := protocol.ParseInterval(s); err == nil && (i.String() != s || i.Valid() != nil) {
			t.Fatalf("%q read as %s", s, i)
		}
	})
}

func FuzzParseWindow(f *testing.F) {
	f.Add("P1DT2H3M4S")
	f.Fuzz(func(t *testing.T, s string) {
		w, err := protocol.ParseWindow(s)
		if err != nil {
			return
		}
		if again, err := protocol.ParseWindow(w.String()); err != nil || again != w || w <= 0 {
			t.Fatalf("%q read as %s, then %s, %v", s, w, again, err)
		}
	})
}

func FuzzParseSegmentLine(f *testing.F) {
	f.Add(protocol.SegmentLine{Camera: "cam-1", Stream: "main", Run: "r-1", Start: protocol.T(start), End: protocol.T(start.Add(time.Minute)), Size: 9}.String())
	f.Fuzz(func(t *testing.T, line string) {
		if s, err := protocol.ParseSegmentLine(line); err == nil && (s.String() != line || strings.ContainsAny(line, "\n\r")) {
			t.Fatalf("%q read as %q", line, s)
		}
	})
}

func FuzzParseTopic(f *testing.F) {
	f.Add(protocol.Topic("rec-1", protocol.DownOrders))
	f.Add("beeldwacht/v1/+/up/journal")
	f.Fuzz(func(t *testing.T, topic string) {
		if r, c, err := protocol.ParseTopic(topic); err == nil && (protocol.Topic(r, c) != topic || strings.ContainsAny(topic, "+#")) {
			t.Fatalf("%q read as %s %s", topic, r, c)
		}
	})
}
