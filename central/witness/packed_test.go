package witness

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// TestBodiesOfAnOlderStore: bodies are stored packed; those that a store of before that has stand beside them, and one that is damaged shows.
func TestBodiesOfAnOlderStore(t *testing.T) {
	r := newRecorder(t)
	p := newPlace(t, r)
	for range 3 {
		r.add(t, protocol.KindIncident, protocol.Incident{What: "x", Detail: strings.Repeat("the same again; ", 100)})
	}
	p.receive(r, r.batch(t, 0, 3))
	change := func(seq uint64, to func(stored []byte) []byte) {
		t.Helper()
		if err := p.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(logs).Bucket([]byte(id)).Bucket(bodies)
			stored := bytes.Clone(b.Get(key(seq)))
			if len(stored) > len(r.entries[seq].Body)/4 {
				t.Errorf("a body of %d bytes that says much the same takes %d", len(r.entries[seq].Body), len(stored))
			}
			return b.Put(key(seq), to(stored))
		}); err != nil {
			t.Fatal(err)
		}
	}
	verify := func() error {
		t.Helper()
		var file bytes.Buffer
		if err := p.LogFile(id, &file); err != nil {
			t.Fatal(err)
		}
		_, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: r.verifier(t)})
		return err
	}
	change(1, func([]byte) []byte { return r.entries[1].Body })
	p.reopen()
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	list, err := p.Entries(id, 0, 10)
	if err != nil || len(list) != 3 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	for i, e := range list {
		if !bytes.Equal(e.Body, r.entries[i].Body) {
			t.Errorf("the body of entry %d is %.100q", i, e.Body)
		}
	}
	change(2, func(stored []byte) []byte { stored[len(stored)/2] ^= 1; return stored })
	var fault *chain.Fault
	if err := verify(); !errors.As(err, &fault) || fault.Seq != 2 {
		t.Errorf("with the body of entry 2 damaged: %v", err)
	}
}
