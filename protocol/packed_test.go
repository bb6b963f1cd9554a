package protocol

import (
	"bytes"
	"compress/zlib"
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestPackedTextComesBack(t *testing.T) {
	var all sync.WaitGroup
	for _, text := range []string{"", "\n", "{}", "a checkpoint", "x", "x\x9c no stream", strings.Repeat(`{"camera":"plein-1","count":1}`, 1000)} {
		for range 4 {
			all.Go(func() {
				packed := Pack([]byte(text))
				if len(packed) > len(text) && text[0] != zlibFirst {
					t.Errorf("%d bytes became %d", len(text), len(packed))
				}
				if got, err := Unpack(packed, len(text)); err != nil || string(got) != text {
					t.Errorf("%.20q came back as %.20q, %v", text, got, err)
				}
			})
		}
	}
	all.Wait()
}

// Recorders of before this send their text as it is.
func TestTextThatIsNotPackedIsTakenAsItIs(t *testing.T) {
	for _, text := range []string{"{\"v\":1}\n", "\nrec-1.helmond/beeldwacht\n", "beeldwacht/status v1\n"} {
		if got, err := Unpack([]byte(text), 100); err != nil || string(got) != text {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// A small message that would become a large one costs no more than the limit.
func TestPackedTextIsBounded(t *testing.T) {
	text := bytes.Repeat([]byte("0"), 10<<20)
	packed := Pack(text)
	if len(packed) > 100_000 {
		t.Fatalf("%d bytes", len(packed))
	}
	if got, err := Unpack(packed, 1<<20); !errors.Is(err, ErrPacked) || got != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if used := testing.AllocsPerRun(1, func() { Unpack(packed, 1<<20) }); used > 1000 {
		t.Errorf("%v allocations", used)
	}
	if _, err := Unpack([]byte("{longer than may be}"), 10); err == nil {
		t.Error("a text over the limit was taken")
	}
}

func TestDamagedPackedText(t *testing.T) {
	packed := Pack([]byte(strings.Repeat("a recorder says this each minute; ", 20)))
	for n := range len(packed) {
		if n > 0 {
			if _, err := Unpack(packed[:n], 1000); err == nil {
				t.Errorf("cut to %d of %d bytes it was taken", n, len(packed))
			}
		}
		flipped := bytes.Clone(packed)
		flipped[n] ^= 1
		if got, err := Unpack(flipped, 1000); err == nil && flipped[0] == zlibFirst {
			t.Errorf("with byte %d changed it was taken, as %.40q", n, got)
		}
	}
	if _, err := Unpack(append(bytes.Clone(packed), 'x'), 1000); err == nil {
		t.Error("what follows its end was taken")
	}
	var other bytes.Buffer
	w, err := zlib.NewWriterLevelDict(&other, zlib.BestSpeed, []byte("a dictionary that nobody else has"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("a dictionary that nobody else has")); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(other.Bytes(), 1000); err == nil {
		t.Error("with a dictionary it was taken")
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("{}"))
	f.Add(Pack([]byte(strings.Repeat("abc ", 100))))
	f.Add(Pack(make([]byte, 5000)))
	f.Fuzz(func(t *testing.T, packed []byte) {
		const most = 4096
		text, err := Unpack(packed, most)
		if err != nil {
			return
		}
		if len(text) > most {
			t.Fatalf("%d bytes from %d: at most %d", len(text), len(packed), most)
		}
		if again, err := Unpack(Pack(text), most); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q came back as %q, %v", text, again, err)
		}
	})
}
