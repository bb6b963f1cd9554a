package tpm_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/tpm"
	"github.com/beeldwacht/beeldwacht/edge/tpm/tpmtest"
)

var noon = time.Unix(1795000000, 0)

func keeper(t *testing.T, open func() (io.ReadWriteCloser, error), auth string) *tpm.Keeper {
	t.Helper()
	k, err := tpm.New(open, []byte(auth))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func shares(t *testing.T, k *tpm.Keeper) []tpm.Kept {
	t.Helper()
	list, err := k.Shares()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A share is there until the next is used, and after that no command gives it; over a restart of the TPM, and at each moment between.
func TestAShareIsForgotten(t *testing.T) {
	chip := tpmtest.Start(t)
	k := keeper(t, chip.Open, "on the disk")
	if list := shares(t, k); len(list) > 0 {
		t.Fatalf("a new TPM has %d", len(list))
	}
	next := func(using tpm.Kept, now time.Time) tpm.Kept {
		t.Helper()
		n, err := k.Next(using.ID, now)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	using := next(tpm.Kept{}, noon)
	for i := range 4 {
		now := noon.Add(time.Duration(i+1) * time.Hour)
		n := next(using, now)
		chip.Restart(t)
		k = keeper(t, chip.Open, "on the disk")
		if again := next(using, now.Add(time.Minute)); again.ID != n.ID || again.Secret != n.Secret || !again.Made.Equal(now) {
			t.Fatal("the power went before it was used, and another is given")
		}
		if list := shares(t, k); len(list) != 2 {
			t.Fatalf("%d shares are there, want the one in use and the next", len(list))
		}
		if err := k.Only(n.ID); err != nil {
			t.Fatal(err)
		}
		if list := shares(t, k); len(list) != 1 || list[0].ID != n.ID || list[0].Secret != n.Secret {
			t.Fatalf("after the one before is destroyed: %v", list)
		}
		using = n
	}
}

// The chip gives nothing to who has not the disk, and a listener on the wires between hears no secret.
func TestTheChipAloneGivesNothing(t *testing.T) {
	chip := tpmtest.Start(t)
	var wire bytes.Buffer
	heard := func() (io.ReadWriteCloser, error) {
		c, err := chip.Open()
		return tapped{c, &wire}, err
	}
	k := keeper(t, heard, "on the disk")
	s, err := k.Next("", noon)
	if err != nil {
		t.Fatal(err)
	}
	if list := shares(t, k); len(list) != 1 || list[0].Secret != s.Secret {
		t.Fatal("not kept")
	}
	if bytes.Contains(wire.Bytes(), s.Secret[:8]) || wire.Len() < 1000 {
		t.Errorf("the secret passes in the clear, in %d bytes", wire.Len())
	}
	if _, err := keeper(t, chip.Open, "of another disk").Shares(); err == nil {
		t.Error("who has another disk reads the share")
	}
	if list := shares(t, k); len(list) != 1 {
		t.Error("trying locks the recorder out")
	}
}

// A machine without a TPM says so.
func TestNoTPM(t *testing.T) {
	if _, err := tpm.New(func() (io.ReadWriteCloser, error) { return net.Dial("unix", t.TempDir()+"/none") }, nil); err == nil {
		t.Error("no error")
	}
}

type tapped struct {
	io.ReadWriteCloser
	wire *bytes.Buffer
}

func (t tapped) Write(b []byte) (int, error) { t.wire.Write(b); return t.ReadWriteCloser.Write(b) }
func (t tapped) Read(b []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(b)
	t.wire.Write(b[:n])
	return n, err
}
