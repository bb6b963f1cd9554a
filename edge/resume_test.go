package edge

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// What was put back from a copy goes on when the privacy officer says so, and not before: nothing that was recorded meanwhile is lost, footage whose sealing is not in the journal any more is sealed
// again, a release that may have been carried out is not carried out twice, orders that were lost are taken again, and whoever has the first log's key verifies all of it.
func TestI13_ResumedRecorderServesAgain(t *testing.T) {
	for name, folders := range map[string][]string{
		"the whole state was put back":   {"."},
		"the journal alone was put back": {"journal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStreet(t)
			first := s.town.Roster(1, func(r *protocol.Roster) { r.LevelCentre, r.OfficerKey = true, "" })
			s.check(os.WriteFile(filepath.Join(s.config.Identity, "roster"), first, 0o600))
			s.connect()
			a, stop := s.start()
			s.order(s.mandate(1, nil))
			s.eventually("recording", func() bool { return !s.sealedUntil().IsZero() })
			began := s.sealedUntil()
			s.eventually("there is something to release", func() bool { return s.sealedUntil().After(began.Add(2 * time.Second)) })
			interval, _, err := a.footage.Round(plein, protocol.Span(began, began.Add(time.Second)))
			s.check(err)
			grant := s.town.Grant("g-1", plein, protocol.Span(began, began.Add(time.Second)))
			grant.Interval = interval
			s.order(s.town.Compose(grant, protocoltest.Handler, protocoltest.Approver)) // to a vault where nobody is
			stop()
			copied := filepath.Join(s.dir, "copy")
			s.check(os.CopyFS(copied, os.DirFS(s.config.Data)))
			_, stop = s.start()
			before := s.sealedUntil()
			named := s.town.Roster(2, func(r *protocol.Roster) { r.LevelCentre = true }) // names the officer's key, and is lost with the journal
			s.order(named)
			rosterAgain := s.town.Envelope(s.number, named)
			hold := s.town.Compose(s.town.Hold("h-1", plein, protocol.Span(began, began.Add(time.Second))))
			s.order(hold)
			again := s.town.Envelope(s.number, hold)
			s.eventually("it goes on", func() bool { return s.sealedUntil().After(before.Add(3 * time.Second)) })
			stop()
			for _, f := range folders {
				s.check(os.RemoveAll(filepath.Join(s.config.Data, f)))
				s.check(os.CopyFS(filepath.Join(s.config.Data, f), os.DirFS(filepath.Join(copied, f))))
			}

			a, stop = s.start()
			s.eventually("it knows that it was put back", func() bool {
				return a.journal.Behind() && strings.Contains(s.now().Why, "the witness has more of this journal")
			})
			back := time.Now()
			access := func() error {
				_, err := a.journal.Access(t.Context(), protocol.KindView, protocol.Access{Camera: plein, Interval: protocol.Span(back, back.Add(time.Second))}, plein, protocol.Span(back, back.Add(time.Second)))
				return err
			}
			if access() == nil {
				t.Error("it serves")
			}
			if remembers := folders[0] == "journal"; remembers != (a.orders.Roster().Version == 2) {
				t.Errorf("roster version %d; whose signature counts goes back with the whole state only", a.orders.Roster().Version)
			}
			for _, lost := range [][]byte{rosterAgain, again} { // the centre sends what the status says was not used
				s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), lost, false, 1))
			}
			s.eventually("the lost order is taken again", func() bool { return a.orders.LastOrder() == s.number })
			for _, signers := range [][]protocol.PersonID{nil, {protocoltest.Approver}} { // the envelope alone, and somebody else: each uses its number up
				s.number++
				s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), s.town.Envelope(s.number, s.town.Compose(s.town.Resume("r-"+string(rune('0'+s.number)), 2), signers...)), false, 1))
				s.eventually("an order that the officer did not sign is refused, also where the first roster took the centre's word", func() bool { return a.orders.LastOrder() == s.number })
				if a.journal.Log() != 1 || !a.journal.Behind() {
					t.Fatal("resumed without the officer")
				}
			}
			s.number++
			s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownOrders), s.town.Envelope(s.number, s.town.Compose(s.town.Resume("r-9", 2), protocoltest.Officer)), false, 1))
			s.eventually("it goes on as log 2, and all of it is cosigned", func() bool {
				now := s.now()
				cosigned, _ := a.journal.CosignedHead()
				return now.Log == 2 && !strings.Contains(now.Why, "witness") && len(told[protocol.Resumed](s, protocol.KindResumed)) == 1 && cosigned > 0
			})
			s.check(access())
			s.eventually("the grant from before comes to nothing, and says why", func() bool {
				return slices.ContainsFunc(told[protocol.ReleaseFailed](s, protocol.KindReleaseFail), func(f protocol.ReleaseFailed) bool {
					return f.Grant == "g-1" && f.Final && strings.Contains(f.Reason, "ask for a new one")
				})
			})
			want := 2
			if folders[0] == "journal" {
				want = 3
			}
			if refused := told[protocol.OrderRefused](s, protocol.KindRefused); len(refused) != want {
				t.Errorf("%v was refused; want the two orders to resume that the officer did not sign, and the roster where it was remembered", refused)
			}
			if holds := a.orders.Holds(); len(holds) != 1 {
				t.Errorf("%d holds stand; want the one that was lost", len(holds))
			}
			sealed := told[protocol.Sealed](s, protocol.KindSealed)
			anew := slices.ContainsFunc(sealed, func(m protocol.Sealed) bool { return m.Again })
			if lost := folders[0] == "journal"; anew != lost {
				t.Errorf("footage sealed again: %v; the footage that was recorded in the lost part is there: %v", anew, lost)
			}
			stop()
			s.sound()

			_, stop = s.start() // a restart changes nothing
			s.eventually("it records on, as log 2", func() bool { return s.now().Log == 2 && s.records() })
			if n := len(told[protocol.Sealed](s, protocol.KindSealed)); n < len(sealed) || len(told[protocol.Resumed](s, protocol.KindResumed)) != 1 {
				t.Error("resumed twice")
			}
			stop()
			log, err := journal.OpenLog(filepath.Join(s.config.Data, "journal"))
			s.check(err)
			defer log.Close()
			w, err := chain.WitnessVerifier(s.town.WitnessKey)
			s.check(err)
			d, err := chain.Verify(log, chain.Verifier{Origin: s.log.Name(), Log: s.log, Witnesses: []note.Verifier{w}, Quorum: 1})
			if err != nil || !d.Matches || !d.Quorum || len(d.Resumed) != 1 || d.Checkpoint.Origin != s.log.Name()+"/2" {
				t.Errorf("%v: %+v", err, d)
			}
			if len(s.lost) == 0 {
				t.Error("nothing was lost: this shows nothing")
			}
		})
	}
}
