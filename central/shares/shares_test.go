package shares

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
)

const rec = protocol.RecorderID("rec-1")

func ask(t *testing.T, s *Store, a protocol.ShareAsk) protocol.ShareAnswer {
	t.Helper()
	got, err := s.Answer(rec, &a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func uses(list ...*protocol.Share) (ids []protocol.ShareID) {
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// The share that follows is the same until it is used; only then is the one before it destroyed, and its bytes are not in the file any more. Both are given over a restart of
// the centre, at every moment between.
func TestShareIsDestroyedOnlyWhenTheNextIsUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shares")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := func() {
		if s, err = Open(dir); err != nil {
			t.Fatal(err)
		}
	}
	onDisk := func(x *protocol.Share) bool {
		b, err := os.ReadFile(s.file(rec))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(b, x.Secret[:])
	}
	first := ask(t, s, protocol.ShareAsk{Open: true, Next: true}).Next
	again()
	if same := ask(t, s, protocol.ShareAsk{Open: true, Next: true}).Next; *same != *first {
		t.Fatal("another share is offered while the first was never used")
	}
	used := first
	for range 5 {
		a := ask(t, s, protocol.ShareAsk{Uses: uses(used), Next: true})
		if a.Next == nil || a.Next.ID == used.ID || !slices.Equal(a.Shares, []protocol.Share{*used}) {
			t.Fatalf("a start gets %v", a)
		}
		again()
		if !onDisk(used) || !onDisk(a.Next) {
			t.Fatal("one of two shares is not kept until the recorder confirms")
		}
		// The recorder was cut off before it used the next one, or with one of two disks moved.
		if b := ask(t, s, protocol.ShareAsk{Uses: uses(used), Next: true}); *b.Next != *a.Next || b.Shares[0] != *used {
			t.Fatal("asked again, another answer")
		}
		if b := ask(t, s, protocol.ShareAsk{Uses: uses(used, a.Next), Next: true}); len(b.Shares) != 2 || b.Next != nil {
			t.Fatalf("between two shares: %d, next %v", len(b.Shares), b.Next)
		}
		if b := ask(t, s, protocol.ShareAsk{Uses: uses(a.Next), Open: true}); len(b.Shares) > 0 || b.Next != nil {
			t.Fatal("an open recorder is given what it does not need")
		}
		if onDisk(used) || !onDisk(a.Next) {
			t.Fatal("the share before the one in use was not destroyed")
		}
		// A broker brings an old status again: nothing is destroyed by it, and nothing comes back.
		if b := ask(t, s, protocol.ShareAsk{Uses: uses(used), Next: true}); b.Refused != protocol.ShareLost || !onDisk(a.Next) {
			t.Fatalf("an old status: %v", b)
		}
		used = a.Next
	}
	if info, err := os.Stat(s.file(rec)); err != nil || info.Mode().Perm() != 0o600 || info.Size() != 2*slotSize {
		t.Error(info, err)
	}
	if err := s.Destroy(rec); err != nil {
		t.Fatal(err)
	}
	if b := ask(t, s, protocol.ShareAsk{Uses: uses(used)}); b.Refused != protocol.ShareLost {
		t.Error("destroyed shares are given")
	}
	if err := s.Destroy(rec); err != nil {
		t.Error("destroying again:", err)
	}
}

// A centre that lost its shares gives a running recorder another, and tells one that starts that its share is lost.
func TestLostShares(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "shares"))
	if err != nil {
		t.Fatal(err)
	}
	lost := protocol.ShareID("00112233445566778899aabbccddeeff")
	if a := ask(t, s, protocol.ShareAsk{Uses: []protocol.ShareID{lost}, Next: true}); a.Refused != protocol.ShareLost {
		t.Error(a)
	}
	if a := ask(t, s, protocol.ShareAsk{Uses: []protocol.ShareID{lost}, Open: true, Next: true}); a.Next == nil {
		t.Error("a running recorder gets no other share")
	}
}

// A write that the power cut tore is no share, and the other slot is as it was.
func TestTornShare(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "shares"))
	if err != nil {
		t.Fatal(err)
	}
	first := ask(t, s, protocol.ShareAsk{Open: true, Next: true}).Next
	next := ask(t, s, protocol.ShareAsk{Uses: uses(first), Open: true, Next: true}).Next
	b, err := os.ReadFile(s.file(rec))
	if err != nil {
		t.Fatal(err)
	}
	b[slotSize+40] ^= 1
	if err := os.WriteFile(s.file(rec), b, 0o600); err != nil {
		t.Fatal(err)
	}
	a := ask(t, s, protocol.ShareAsk{Uses: uses(first), Next: true})
	if a.Shares[0] != *first || a.Next == nil || a.Next.ID == next.ID {
		t.Error(a)
	}
	// Only the centre's own account may look in.
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir); err == nil {
		t.Error("a folder that all may read is taken")
	}
}
