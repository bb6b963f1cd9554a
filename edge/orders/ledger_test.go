package orders_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// centre is a centre's ledger as a recorder meets it: checkpoints and proofs. A copy of it is its backup.
type centre struct {
	t      *testing.T
	signer note.Signer
	town   *protocoltest.Town
	hashes chain.Hashes
	size   uint64
}

// follow has a recorder whose roster names this ledger's key.
func follow(t *testing.T) (*recorder, *centre) {
	t.Helper()
	signer, vkey := protocoltest.Key(t, protocol.LedgerOrigin("stad"))
	r := newRecorder(t, func(r *protocol.Roster) { r.LedgerKey = vkey })
	return r, &centre{t: t, signer: signer, town: r.town}
}

func (c *centre) copy() *centre {
	d := *c
	d.hashes = slices.Clone(c.hashes)
	return &d
}

func (c *centre) write(what string, n int) *centre {
	c.t.Helper()
	for range n {
		if err := c.hashes.Add(c.size, fmt.Append(nil, what, c.size)); err != nil {
			c.t.Fatal(err)
		}
		c.size++
	}
	return c
}

func (c *centre) head() protocol.LedgerHead {
	c.t.Helper()
	root, err := chain.RootAt(c.size, c.hashes)
	if err != nil {
		c.t.Fatal(err)
	}
	return protocol.LedgerHead{Size: c.size, Root: root}
}

// note is the checkpoint, cosigned by the centre's own witness.
func (c *centre) note(at time.Time) []byte {
	c.t.Helper()
	h := c.head()
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: c.signer.Name(), Size: h.Size, Root: h.Root}, c.signer)
	if err == nil {
		signed, err = chain.Cosign(signed, c.town.Witness, at)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return signed
}

// tell sends the ledger as the office does: from where the recorder's status says it is.
func (c *centre) tell(r *recorder) error {
	c.t.Helper()
	follows, _ := r.Ledger()
	s := chain.Submission{Note: c.note(r.now)}
	if follows.Size <= c.size {
		var err error
		if s.Old = follows.Size; s.Old > 0 {
			s.Proof, err = chain.ConsistencyProof(s.Old, c.size, c.hashes)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return r.SeeLedger(c.t.Context(), chain.MarshalSubmission(s))
}

// order writes an order down, tells of it, and sends it.
func (c *centre) order(r *recorder, id string) error {
	c.t.Helper()
	c.write("order "+id, 1)
	told := c.tell(r)
	m := r.town.Mandate(protocol.CameraID(id), 1)
	_, err := r.Accept(c.t.Context(), r.town.Envelope(r.LastOrder()+1, r.town.Compose(m), func(e *protocol.Envelope) { e.Ledger = c.head() }))
	return errors.Join(told, err)
}

func (r *recorder) refusesOrders(c *centre, want string) {
	r.t.Helper()
	last := r.LastOrder()
	if err := c.order(r, fmt.Sprint("cam-", c.size)); !errors.Is(err, orders.ErrDropped) || !strings.Contains(err.Error(), want) || r.LastOrder() != last {
		r.t.Errorf("%v; want an order dropped: %q", err, want)
	}
}

func (r *recorder) obeys(c *centre) {
	r.t.Helper()
	if err := c.order(r, fmt.Sprint("cam-", c.size)); err != nil {
		r.t.Error(err)
	}
}

func TestLedgerHonestCentreIsObeyed(t *testing.T) {
	r, c := follow(t)
	r.obeys(c.write("setup", 5))
	r.obeys(c.write("more", 7))
	r.restart()
	r.obeys(c)
	// It crashed, and lost nothing; nor did a message that came late or twice accuse it.
	early := chain.MarshalSubmission(chain.Submission{Note: c.note(r.now)})
	r.now = r.now.Add(time.Minute)
	crashed := c.copy()
	r.obeys(crashed)
	for range 2 {
		if err := r.SeeLedger(t.Context(), early); err != nil {
			t.Error(err)
		}
	}
	r.now = r.now.Add(-time.Second) // its clock was put back
	r.obeys(crashed.write("on", 3))
	// An order that rests on a head which has not come yet waits for it.
	ahead := crashed.copy().write("ahead", 1)
	if _, err := r.Accept(t.Context(), r.town.Envelope(r.LastOrder()+1, r.town.Compose(r.town.Mandate("cam-x", 1)), func(e *protocol.Envelope) { e.Ledger = ahead.head() })); !errors.Is(err, orders.ErrDropped) {
		t.Error(err)
	}
	r.obeys(ahead)
	if _, fault := r.Ledger(); fault != "" {
		t.Errorf("accused: %s", fault)
	}
	if n := r.kinds()[protocol.KindLedgerBad]; n != 0 {
		t.Errorf("%d times", n)
	}
}

// A centre put back from a backup: its orders are dropped, both checkpoints are in the journal, and so it stays after a restart and after it has outgrown what was seen.
func TestLedgerRolledBackIsNotObeyed(t *testing.T) {
	r, c := follow(t)
	r.obeys(c.write("setup", 5))
	backup := c.copy()
	r.now = r.now.Add(time.Minute)
	r.obeys(c.write("lost", 6))
	seen := c.note(r.now)
	r.now = r.now.Add(time.Hour)
	r.refusesOrders(backup, "rolled back")
	if err := backup.tell(r); !errors.Is(err, orders.ErrLedger) {
		t.Error(err)
	}
	var evidence protocol.LedgerRefused
	r.lastBody(protocol.KindLedgerBad, &evidence)
	h, fault := r.Ledger()
	if !strings.Contains(fault, "rolled back") || evidence.Seen != string(seen) || !strings.Contains(evidence.Refused, "\n"+fmt.Sprint(backup.size)+"\n") || h != c.head() {
		t.Errorf("%s\n%+v", fault, evidence)
	}
	if n := r.kinds()[protocol.KindLedgerBad]; n != 1 {
		t.Errorf("written %d times", n)
	}
	r.restart()
	r.refusesOrders(backup, "rolled back")
	r.refusesOrders(backup.write("on", 30), "rolled back")
	r.refusesOrders(c, "rolled back") // the true one cannot be told from it by who asks: a person must look

	// The way out: two of the roots say where it goes on.
	key := r.Roster().LedgerKey
	if _, err := r.AcceptRoster(t.Context(), r.town.Roster(2, func(n *protocol.Roster) { n.LedgerKey = key })); err != nil {
		t.Fatal(err)
	}
	r.refusesOrders(backup, "rolled back") // a roster that does not speak of it changes nothing
	if _, err := r.AcceptRoster(t.Context(), r.town.Roster(3, func(n *protocol.Roster) { n.LedgerKey, n.Ledger = key, backup.head() })); err != nil {
		t.Fatal(err)
	}
	r.refusesOrders(c, "rests on a ledger")
	r.obeys(backup)
	r.restart()
	r.obeys(backup)
}

// One that does not say that it is shorter is not obeyed either: it cannot show that its ledger extends what was seen. Nothing is proven, and nothing stays when the true one speaks.
func TestLedgerThatDoesNotFollowIsNotObeyed(t *testing.T) {
	r, c := follow(t)
	r.obeys(c.write("setup", 5))
	fork := c.copy()
	r.obeys(c)
	send := func(h protocol.LedgerHead) error {
		_, err := r.Accept(t.Context(), r.town.Envelope(r.LastOrder()+1, r.town.Compose(r.town.Mandate("cam-x", 1)), func(e *protocol.Envelope) { e.Ledger = h }))
		return err
	}
	for _, h := range []protocol.LedgerHead{{}, fork.head(), fork.write("fork", 1).head(), fork.write("fork", 4).head()} {
		if err := send(h); !errors.Is(err, orders.ErrDropped) {
			t.Errorf("rests on %s: %v", h, err)
		}
	}
	spoilt := chain.Submission{Old: c.size, Note: fork.note(r.now)}
	if err := r.SeeLedger(t.Context(), chain.MarshalSubmission(spoilt)); err != nil {
		t.Error(err)
	}
	other, _ := protocoltest.Key(t, protocol.LedgerOrigin("stad"))
	stranger := c.copy().write("forged", 1)
	stranger.signer = other
	if err := stranger.tell(r); err == nil || errors.Is(err, orders.ErrLedger) {
		t.Errorf("%v", err)
	}
	if _, fault := r.Ledger(); fault != "" {
		t.Errorf("accused without proof: %s", fault)
	}
	r.obeys(c)
}

// A centre that tells this recorder two things has signed both.
func TestLedgerForkIsProvenAndNotObeyed(t *testing.T) {
	for name, grown := range map[string]int{"as long": 0, "longer": 5} {
		t.Run(name, func(t *testing.T) {
			r, c := follow(t)
			r.obeys(c.write("setup", 5))
			fork := c.copy().write("fork", 6) // 12 entries
			r.obeys(c.write("true", 5))
			if err := fork.write("fork", grown).tell(r); !errors.Is(err, orders.ErrLedger) || !strings.Contains(err.Error(), "a fork") {
				t.Fatal(err)
			}
			r.restart()
			r.refusesOrders(c, "a fork")
			r.refusesOrders(fork, "a fork")
			before, _ := r.Ledger()
			if err := c.write("after", 3).tell(r); err != nil {
				t.Error(err)
			}
			if head, _ := r.Ledger(); head != before {
				t.Error("a ledger that forked is followed further, as if nothing had happened")
			}
			var evidence protocol.LedgerRefused
			r.lastBody(protocol.KindLedgerBad, &evidence)
			if !strings.Contains(evidence.Seen, c.signer.Name()) || !strings.Contains(evidence.Refused, c.signer.Name()) {
				t.Errorf("%+v", evidence)
			}
			// A roster may come in an envelope of the same centre: it is the roots' word.
			key := r.Roster().LedgerKey
			if _, err := r.Accept(t.Context(), r.town.Envelope(r.LastOrder()+1, r.town.Roster(2, func(n *protocol.Roster) { n.LedgerKey, n.Ledger = key, c.head() }))); err != nil {
				t.Fatal(err)
			}
			r.obeys(c)
		})
	}
}

// A centre of before orders rested on the ledger sends its checkpoint alone, and is obeyed; from the first proof on it is not taken for one.
func TestLedgerOfAnOlderCentre(t *testing.T) {
	r, c := follow(t)
	for range 3 {
		if err := r.SeeLedger(t.Context(), c.write("x", 2).note(r.now)); err != nil {
			t.Fatal(err)
		}
		r.number = r.LastOrder()
		r.must(r.town.Mandate(protocol.CameraID(fmt.Sprint("cam-old-", c.size)), 1))
		r.now = r.now.Add(2 * time.Hour)
	}
	r.restart()
	r.obeys(c) // the centre was renewed
	r.number = r.LastOrder()
	if _, err := r.order(r.town.Mandate("cam-9", 1)); !errors.Is(err, orders.ErrDropped) || !strings.Contains(err.Error(), "names no ledger") {
		t.Error(err)
	}
}

// What was seen between two entries of the journal is known after a restart: a centre that was put back meanwhile is found out at once. The file that keeps it is worth no more than the
// centre's signature in it, and nothing once the roots have said where the ledger goes on.
func TestI13_LedgerSeenOutlivesARestart(t *testing.T) {
	r, c := follow(t)
	r.obeys(c.write("setup", 5))
	backup := c.copy()
	r.now = r.now.Add(time.Minute)
	if err := c.write("lost", 6).tell(r); err != nil { // no order, and within the hour
		t.Fatal(err)
	}
	if n := r.kinds()[protocol.KindLedger]; n != 1 {
		t.Fatalf("%d entries: this test is about what has none", n)
	}
	kept, err := os.ReadFile(r.seen())
	if err != nil {
		t.Fatal(err)
	}
	restartWith := func(content []byte) protocol.LedgerHead {
		t.Helper()
		err := os.WriteFile(r.seen(), content, 0o600)
		if content == nil {
			err = os.Remove(r.seen())
		}
		if err != nil {
			t.Fatal(err)
		}
		r.restart()
		h, _ := r.Ledger()
		return h
	}
	forged := bytes.Replace(kept, fmt.Appendf(nil, `\n%d\n`, c.size), fmt.Appendf(nil, `\n%d\n`, c.size+1), 1)
	if bytes.Equal(forged, kept) {
		t.Fatalf("%s", kept)
	}
	for what, content := range map[string][]byte{"none": nil, "empty": {}, "torn": kept[:40], "forged": forged, "of a later version": bytes.Replace(kept, []byte(`"v":1`), []byte(`"v":2`), 1)} {
		if h := restartWith(content); h.Size != backup.size {
			t.Errorf("%s: follows %s", what, h)
		}
	}
	if h := restartWith(kept); h != c.head() {
		t.Fatalf("follows %s, saw %s", h, c.head())
	}
	r.now = r.now.Add(time.Minute)
	if err := backup.tell(r); !errors.Is(err, orders.ErrLedger) {
		t.Errorf("a centre that was put back: %v", err)
	}
	r.refusesOrders(backup, "rolled back")

	key := r.Roster().LedgerKey
	if _, err := r.AcceptRoster(t.Context(), r.town.Roster(2, func(n *protocol.Roster) { n.LedgerKey, n.Ledger = key, backup.head() })); err != nil {
		t.Fatal(err)
	}
	if h := restartWith(kept); h != backup.head() {
		t.Errorf("the roots said %s, it follows %s", backup.head(), h)
	}
	r.now = r.now.Add(time.Minute)
	r.obeys(backup.write("on", 3))
	r.now = r.now.Add(time.Minute)
	if err := backup.write("on", 3).tell(r); err != nil {
		t.Fatal(err)
	}
	r.restart()
	if h, fault := r.Ledger(); h != backup.head() || fault != "" {
		t.Errorf("follows %s: %s", h, fault)
	}
}
