package protocol_test

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

func verifier(t testing.TB, key string) note.Verifier {
	t.Helper()
	v, err := protocol.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// An envelope hands over its document byte for byte, with the document's own signatures, signed or not.
func TestEnvelopeCarriesTheDocument(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	for name, document := range everyDocument(town) {
		e, err := protocol.OpenEnvelope(town.Envelope(17, document), verifier(t, town.OrderKey))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(e.Document, document) || e.Number != 17 || e.Recorder != town.Recorder {
			t.Errorf("%s: came out as %+v", name, e)
		}
	}
}

// Each byte of an envelope is covered by the order key's signature: changing any is noticed, or changes nothing.
func TestEnvelopeByteByByte(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	document := town.Compose(town.Grant("g-1", "cam-1", hour(-2)), protocoltest.Handler, protocoltest.Approver)
	raw := town.Envelope(17, document)
	v := verifier(t, town.OrderKey)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		if e, err := protocol.OpenEnvelope(bad, v); err == nil && (e.Number != 17 || !bytes.Equal(e.Document, document)) {
			t.Fatalf("byte %d changed unnoticed", i)
		}
	}
	stranger, strangerKey := protocoltest.Key(t, "orders.stad/beeldwacht")
	if _, err := protocol.OpenEnvelope(raw, verifier(t, strangerKey)); err == nil {
		t.Error("another key of the same name opens it")
	}
	both, err := protocol.Countersign(raw, stranger)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protocol.OpenEnvelope(both, v); err != nil {
		t.Errorf("a second signature: %v", err)
	}
	if _, err := protocol.OpenEnvelope(document, v); err == nil {
		t.Error("a bare document passes for an envelope")
	}
	if _, err := protocol.OpenEnvelope(append(raw, bytes.Repeat([]byte("x"), protocol.MaxDocument)...), v); err == nil {
		t.Error("no bound on size")
	}
}

func TestStatus(t *testing.T) {
	town := protocoltest.NewTown(t, start)
	v := verifier(t, town.LogKey)
	now := protocol.T(start)
	s := protocol.Status{Recorder: town.Recorder, Time: now, State: "online", Entries: 12, LastOrder: 3, Cameras: []protocol.CameraStatus{{Camera: "cam-1", State: "gap", Since: now, LastFrame: &now}}}
	raw, err := protocol.SignStatus(s, town.Log)
	if err != nil {
		t.Fatal(err)
	}
	got, err := protocol.OpenStatus(raw, v)
	if err != nil || got.Entries != 12 || got.Cameras[0].LastFrame.Time != start {
		t.Errorf("%+v, %v", got, err)
	}
	for _, c := range [][2]string{{`"entries":12`, `"entries":13`}, {"online", "0nline"}} {
		if _, err := protocol.OpenStatus(protocoltest.Change(t, raw, c[0], c[1]), v); err == nil {
			t.Errorf("changed to %s unnoticed", c[1])
		}
	}
	for _, line := range []string{`{"recorder":"rec-1","recorder":"rec-2"}`, `{"recorder":"rec-1","colour":1}`, `{"recorder":"rec-1","entries":1.5}`, `{"recorder":"REC"}`, `{}x`, ``} {
		raw, err := note.Sign(&note.Note{Text: "beeldwacht/status v1\n" + line + "\n"}, town.Log)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := protocol.OpenStatus(raw, v); err == nil {
			t.Errorf("accepted %s", line)
		}
	}
}

// unsigned accepts any signature of its key, so that a fuzzer reaches what lies behind it.
type unsigned struct{ note.Verifier }

func (unsigned) Verify(_, _ []byte) bool { return true }

func FuzzOpenEnvelope(f *testing.F) {
	town := protocoltest.NewTown(f, start)
	v := verifier(f, town.OrderKey)
	raw := town.Envelope(17, town.Compose(town.Hold("h-1", "cam-1", hour(-2))))
	i := bytes.LastIndex(raw, []byte("\n\n"))
	f.Add(string(raw[:i+1]))
	lines := string(raw[i+1:])
	f.Fuzz(func(t *testing.T, text string) {
		e, err := protocol.OpenEnvelope([]byte(text+lines), unsigned{v})
		if err != nil {
			return
		}
		again, err := protocol.SealEnvelope(e, town.Order)
		if err != nil {
			t.Fatalf("opened, but cannot be written: %v", err)
		}
		e2, err := protocol.OpenEnvelope(again, v)
		if err != nil || e2.Number != e.Number || e2.Recorder != e.Recorder || !bytes.Equal(e2.Document, e.Document) {
			t.Fatalf("opened again differently: %+v, %+v, %v", e, e2, err)
		}
	})
}

func FuzzOpenStatus(f *testing.F) {
	town := protocoltest.NewTown(f, start)
	v := verifier(f, town.LogKey)
	raw, err := protocol.SignStatus(protocol.Status{Recorder: "rec-1", Time: protocol.T(start), State: "online"}, town.Log)
	if err != nil {
		f.Fatal(err)
	}
	text, lines, _ := strings.Cut(string(raw), "\n\n")
	f.Add(text)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := protocol.OpenStatus([]byte(text+"\n\n"+lines), unsigned{v})
		if err != nil {
			return
		}
		if _, err := protocol.SignStatus(s, town.Log); err != nil {
			t.Fatalf("opened, but cannot be written: %v", err)
		}
	})
}
