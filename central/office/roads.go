package office

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/broker"
	"github.com/beeldwacht/beeldwacht/central/courier"
	"github.com/beeldwacht/beeldwacht/central/witness"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"golang.org/x/mod/sumdb/tlog"
)

// Journal takes a batch from a recorder: the witness stores it and cosigns; the cosigned checkpoint goes back (invariant 11). Outside witnesses get it then: where the recorder's
// quorum needs them it goes back when each has answered or is absent, and says who cosigned; otherwise at once, and again with what they add.
func (o *Office) Journal(recorder protocol.RecorderID, payload []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	batch, err := protocol.Unpack(payload, broker.MaxMessage)
	if err != nil {
		o.Log.Warn("journal not accepted", "recorder", recorder, "error", err)
		return
	}
	cosigned, err := o.witness.Receive(ctx, recorder, batch)
	if err != nil {
		o.Log.Warn("journal not accepted", "recorder", recorder, "error", err)
	}
	if cosigned == nil {
		return
	}
	var needed bool
	o.book.View(func(s *central.State) {
		r := s.Recorder(recorder)
		needed = r != nil && r.Roster.Quorum > 1
	})
	wait := needed && len(o.Config.Witnesses) > 0
	if !wait {
		o.sendCosigned(ctx, recorder, cosigned)
	}
	o.courier.Carry(o.carried(recorder, cosigned), cosigned, func(signed []byte) {
		if alone := len(signed) == len(cosigned); !alone {
			if err := o.witness.Witnessed(recorder, signed); err != nil { // an export lacks them; nothing else does
				o.Log.Error("what an outside witness cosigned is not kept", "recorder", recorder, "error", err)
			}
		} else if !wait {
			return // it has that already
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		o.sendCosigned(ctx, recorder, signed)
	})
}

func (o *Office) sendCosigned(ctx context.Context, recorder protocol.RecorderID, signed []byte) {
	if err := o.client.Publish(ctx, protocol.Topic(recorder, protocol.DownCosigned), signed, true); err != nil {
		o.Log.Warn("cosigned checkpoint not sent; the recorder hands its journal in again", "recorder", recorder, "error", err)
	}
}

// carried is the log of a recorder's checkpoint as outside witnesses know it: a successor is a log of its own to them.
func (o *Office) carried(recorder protocol.RecorderID, cosigned []byte) courier.Log {
	origin, _, _ := strings.Cut(string(cosigned), "\n")
	return courier.Log{Origin: origin,
		Proof: func(old, size uint64) (tlog.TreeProof, error) {
			return o.witness.Consistency(recorder, origin, old, size)
		}}
}

// absentFor is how long an outside witness may be absent before it is an incident: well before playback stops for want of its cosignature (invariant 13).
const absentFor = 15 * time.Minute

// tellWitnesses opens an incident, once a day, for an outside witness that stays away, and for each log that one does not cosign.
func (o *Office) tellWitnesses(ctx context.Context) {
	var alarms []central.Alarm
	for _, w := range o.courier.Witnesses() {
		if !w.Absent.IsZero() && o.Now().Sub(w.Absent) >= absentFor {
			alarms = append(alarms, central.Alarm{Kind: central.WitnessAbsent, Detail: fmt.Sprintf("%s at %s, since %s: %s", w.Name, w.URL, protocol.T(w.Absent), w.Why)})
		}
	}
	for _, no := range o.courier.Refusals(protocol.LedgerOrigin(o.Config.Municipality)) {
		kind := central.WitnessRefuses
		if no.Fork {
			kind = central.LedgerBehind
		}
		alarms = append(alarms, central.Alarm{Kind: kind, Detail: no.Error()})
	}
	for _, r := range o.enrol() {
		if len(o.Config.Witnesses) == 0 {
			break
		}
		log, _ := o.witness.Recorder(r)
		for _, no := range o.courier.Refusals(log.Origin) {
			alarms = append(alarms, central.Alarm{Recorder: r, Kind: central.WitnessRefuses, Detail: no.Error()})
		}
	}
	for _, a := range alarms {
		o.alarm(ctx, a)
	}
}

// Status takes a recorder's status: verified with the key it was enrolled with, kept if it is newer, and answered with the orders it has not used up.
func (o *Office) Status(recorder protocol.RecorderID, payload []byte) {
	raw, err := protocol.Unpack(payload, broker.MaxMessage)
	if err != nil {
		o.Log.Warn("status not accepted", "recorder", recorder, "error", err)
		return
	}
	var key string
	o.book.View(func(s *central.State) {
		if r := s.Recorder(recorder); r != nil {
			key = r.Key
		}
	})
	if key == "" {
		o.Log.Warn("status of a recorder that is not enrolled", "recorder", recorder)
		return
	}
	v, err := protocol.NewVerifier(key)
	if err != nil {
		o.Log.Error("enrolled key of a recorder cannot be read", "recorder", recorder, "error", err)
		return
	}
	status, err := protocol.OpenStatus(raw, v)
	if err != nil || status.Recorder != recorder {
		o.Log.Warn("status not accepted", "recorder", recorder, "names", status.Recorder, "error", err)
		return
	}
	now := o.Now()
	if status.Time.After(now.Add(mostAhead)) { // kept, it would make every later one old
		o.Log.Warn("status not accepted: the recorder's clock is ahead of ours", "recorder", recorder, "its time", status.Time, "our time", protocol.T(now))
		return
	}
	came := now
	if status.Time.Before(came) { // a broker may deliver late, or again: nothing is newer than the recorder's signature says
		came = status.Time.Time
	}
	o.mu.Lock()
	last, known := o.statuses[recorder]
	newer := !known || status.Time.After(last.Time.Time)
	if newer {
		o.statuses[recorder] = Status{status, came}
	}
	o.mu.Unlock()
	if !newer || status.State != "online" {
		return
	}
	if err := o.witness.Status(recorder, raw, status); err != nil {
		o.Log.Error("a status could not be compared with the recorder's log", "recorder", recorder, "error", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if status.Share != nil {
		if err := o.share(ctx, recorder, status.Share); err != nil {
			o.Log.Error("a recorder waits for its share; its next status asks again", "recorder", recorder, "error", err)
		}
	}
	var ahead bool
	o.book.View(func(s *central.State) { ahead = status.LastOrder >= s.Recorder(recorder).Next() })
	if !ahead {
		o.send(ctx, recorder, status.LastOrder)
		return
	}
	if _, err := o.book.Do(ctx, central.RecordAhead{Recorder: recorder, LastOrder: status.LastOrder}); err != nil {
		o.Log.Error("a recorder counts more orders than were issued, and the ledger cannot say so", "recorder", recorder, "last order", status.LastOrder, "error", err)
	}
}

// share answers what a recorder's status asks of its share. The ledger holds that it was given before it is; a recorder that is marked stolen or withdrawn gets a
// refusal, and its status destroys nothing either.
func (o *Office) share(ctx context.Context, recorder protocol.RecorderID, ask *protocol.ShareAsk) error {
	var mark central.Mark
	o.book.View(func(s *central.State) { mark = s.Recorder(recorder).Mark })
	give := central.GiveShare{Recorder: recorder, Ask: protocol.HashOf(ask.Key)}
	answer := protocol.ShareAnswer{Refused: map[central.Mark]string{central.Stolen: protocol.ShareStolen, central.Withdrawn: protocol.ShareWithdrawn}[mark]}
	if asks := ask.Next || !ask.Open && len(ask.Uses) > 0; !asks && mark != central.InUse {
		return nil
	}
	if mark == central.InUse {
		var err error
		if answer, err = o.shares.Answer(recorder, ask); err != nil {
			return err
		}
		if give.Lost = answer.Refused != ""; !give.Lost && len(answer.Shares) == 0 && answer.Next == nil {
			return nil // it has what it needs
		}
		for _, s := range answer.Shares {
			give.Opens = append(give.Opens, s.ID)
		}
		if answer.Next != nil {
			give.Next = answer.Next.ID
		}
	}
	if _, err := o.book.Do(ctx, give); err != nil {
		return err
	}
	sealed, err := protocol.SealShare(answer, recorder, ask.Key, o.keys.order)
	if err != nil {
		return err
	}
	return o.client.Publish(ctx, protocol.Topic(recorder, protocol.DownShare), sealed, false)
}

// tendShares destroys the shares of recorders that were marked so long ago that nothing of theirs may exist any more.
func (o *Office) tendShares() {
	var over []protocol.RecorderID
	o.book.View(func(s *central.State) {
		for _, r := range s.Recorders() {
			if r.SharesOver(o.Now()) {
				over = append(over, r.ID)
			}
		}
	})
	for _, r := range over {
		if err := o.shares.Destroy(r); err != nil {
			o.Log.Error("the shares of a recorder that is gone cannot be destroyed", "recorder", r, "error", err)
		}
	}
}

// mostAhead is how far a recorder's clock may be ahead of ours.
const mostAhead = 5 * time.Minute

// StatusOf is the newest status of a recorder.
func (o *Office) StatusOf(recorder protocol.RecorderID) (Status, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.statuses[recorder]
	return s, ok
}

// sendOrders sends what the ledger issues to the recorders that are online, as soon as it is issued. What gets lost is sent again on the recorder's
// next status.
func (o *Office) sendOrders(ctx context.Context) {
	for {
		changed := o.book.Changed()
		o.enrol()
		o.resume()
		for recorder, last := range o.owed() {
			o.send(ctx, recorder, last)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// owed are the recorders that are online and have not used up every order that was issued to them, with the last one they have.
func (o *Office) owed() map[protocol.RecorderID]uint64 {
	owed := map[protocol.RecorderID]uint64{}
	o.book.View(func(s *central.State) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for id, status := range o.statuses {
			if status.State == "online" && status.LastOrder+1 < s.Recorder(id).Next() {
				owed[id] = status.LastOrder
			}
		}
	})
	return owed
}

// enrol makes the witness know every recorder in the ledger, and lists them.
func (o *Office) enrol() (ids []protocol.RecorderID) {
	var fresh []central.Recorder
	o.book.View(func(s *central.State) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, r := range s.Recorders() {
			ids = append(ids, r.ID)
			if !o.enrolled[r.ID] { // the witness looks on disk to find that out
				fresh = append(fresh, *r)
			}
		}
	})
	var enrolling sync.WaitGroup
	turn := make(chan struct{}, enrolAtOnce)
	for _, r := range fresh {
		turn <- struct{}{}
		enrolling.Go(func() {
			defer func() { <-turn }()
			if err := o.witness.Enrol(r.ID, r.Key, r.Origin); err != nil {
				o.Log.Error("the witness cannot take this recorder", "recorder", r.ID, "error", err)
				return
			}
			o.compareKeys(r.ID, r.Roster)
			o.mu.Lock()
			defer o.mu.Unlock()
			o.enrolled[r.ID] = true
		})
	}
	enrolling.Wait()
	return ids
}

// enrolAtOnce is how many recorders the witness takes in side by side: one sync of the disk serves them all.
const enrolAtOnce = 64

// compareKeys says at once what would otherwise only show as orders that nobody obeys, or bags that nobody can open.
func (o *Office) compareKeys(recorder protocol.RecorderID, roster *protocol.Roster) {
	wrong := func(what, want string) {
		o.Log.Error("the recorder's roster names another key than this centre has in its keys folder; have a new roster signed, or put the right key back",
			"recorder", recorder, "roster", roster.ID, "key", what, "the roster names", want)
	}
	if v, err := protocol.NewVerifier(roster.OrderKey); err != nil || v.Name() != o.keys.order.Name() || v.KeyHash() != o.keys.order.KeyHash() {
		wrong("order", roster.OrderKey)
	}
	if !slices.Contains(roster.Witnesses, o.witness.Key()) {
		wrong("witness", strings.Join(roster.Witnesses, " "))
	}
	if roster.VaultKey != o.keys.vault.Recipient().String() {
		wrong("vault", roster.VaultKey)
	}
	if err := roster.Current(o.Now()); err != nil {
		o.Log.Error("the recorder's roster is not in force: it takes no orders that persons sign; have a new roster signed", "recorder", recorder, "error", err)
	}
}

// atOnce is how many orders are under way to one recorder: it asks for the rest itself.
const atOnce = 32

// sendAgain is how long an order may take to show in a recorder's status before it is sent again.
const sendAgain = 3 * time.Second

// send sends a recorder the orders it has not used up, each resting on the ledger as it is now, whose checkpoint goes before them.
func (o *Office) send(ctx context.Context, recorder protocol.RecorderID, last uint64) {
	sending := &o.sending[protocol.HashOf([]byte(recorder))[0]%byte(len(o.sending))]
	sending.Lock() // two at once would send each other's ledger out of order
	defer sending.Unlock()
	o.mu.Lock()
	sent := o.sent[recorder]
	o.mu.Unlock()
	if o.Now().Sub(sent.at) < sendAgain {
		last = max(last, sent.number) // it is on its way
	}
	var orders []central.Order
	o.book.View(func(s *central.State) { orders = s.Outbox(recorder, last) })
	if len(orders) == 0 {
		return
	}
	ledger, ok, _ := o.sendLedger(ctx, recorder)
	if !ok {
		return
	}
	for _, order := range orders[:min(len(orders), atOnce)] {
		sealed, err := protocol.SealEnvelope(protocol.Envelope{Recorder: recorder, Number: order.Number, NotBefore: order.NotBefore, NotAfter: order.NotAfter, Ledger: ledger,
			Document: []byte(order.Document)}, o.keys.order)
		if err != nil {
			o.Log.Error("order cannot be sealed", "recorder", recorder, "order", order.Number, "error", err)
			return
		}
		if err := o.client.Publish(ctx, protocol.Topic(recorder, protocol.DownOrders), sealed, false); err != nil {
			o.Log.Warn("order not sent; it goes again on the recorder's next status", "recorder", recorder, "order", order.Number, "error", err)
			return
		}
		o.mu.Lock()
		o.sent[recorder] = sentOrder{order.Number, o.Now()}
		o.mu.Unlock()
	}
}

// factsAgain is how long after a failure of the ledger a fact is tried again.
const factsAgain = 5 * time.Second

// keepFacts is how often it is kept how far the facts are taken in.
const keepFacts = time.Minute

// takeFacts gives the ledger what the recorders' journals say, as commands. Each names its entry, so going through the same entries again changes
// nothing. A fact that the ledger cannot take now, because its disk is full, stays the next one of its recorder.
func (o *Office) takeFacts(ctx context.Context) {
	if err := o.resumeFacts(ctx); err != nil {
		o.Log.Warn("the recorders' journals are read again from the start", "error", err)
		o.witness.TakeAgain()
	}
	defer o.keepTaken(context.WithoutCancel(ctx))
	kept := time.Now()
	for {
		changed := o.witness.Changed()
		var again <-chan time.Time
		for _, id := range o.witness.Waiting() {
			if err := o.takeAll(ctx, id); err != nil && ctx.Err() == nil {
				log, next := o.witness.Taken(id)
				o.Log.Error("an entry of a recorder could not be taken in; trying again", "recorder", id, "log", max(log, 1), "entry", next, "error", err)
				again = time.After(factsAgain)
			}
		}
		if time.Since(kept) > keepFacts {
			o.keepTaken(ctx)
			kept = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}

// resumeFacts goes on where the last run of a centre on this ledger was.
func (o *Office) resumeFacts(ctx context.Context) error {
	at, ok, err := o.witness.TakenUnder()
	if err != nil || !ok {
		return err
	}
	root, _, err := o.book.HeadAt(ctx, at.Size)
	if err == nil && root != at.Root {
		err = errors.New("it has another root there")
	}
	if err != nil {
		return fmt.Errorf("this ledger is not the one that took them in, which had %d entries: %w", at.Size, err)
	}
	return nil
}

// keepTaken: a failure costs reading again, nothing else.
func (o *Office) keepTaken(ctx context.Context) {
	size := o.book.Size()
	if size == 0 {
		return
	}
	root, _, err := o.book.HeadAt(ctx, size)
	if err == nil {
		err = o.witness.KeepTaken(witness.Mark{Size: size, Root: root})
	}
	if err != nil {
		o.Log.Warn("how far the recorders' journals are taken in is not kept", "error", err)
	}
}

// takeAll takes in all of a recorder's entries that wait.
func (o *Office) takeAll(ctx context.Context, id protocol.RecorderID) error {
	for {
		log, from := o.witness.Taken(id)
		taken, err := o.takeSome(ctx, id, log, from)
		if more := o.witness.Take(id, log, from+taken); err != nil || !more {
			return err
		}
	}
}

// noFacts are the kinds of what comes each minute and is the witness's to read: to the ledger it says nothing.
var noFacts = []string{protocol.KindSealed, protocol.KindExpired}

// takeSome takes in a number of entries of a log, and says how many.
func (o *Office) takeSome(ctx context.Context, recorder protocol.RecorderID, log, from uint64) (taken uint64, err error) {
	entries, err := o.witness.EntriesOf(recorder, log, from, 100, noFacts...)
	if err == nil && len(entries) == 0 {
		err = errors.New("it is missing from the witness's store")
	}
	for _, e := range entries {
		h, err := chain.ParseHeader(e.Header)
		if err == nil && h.Kind == protocol.KindLedger {
			if err := o.compareClocks(ctx, recorder, log, h, e.Body); err != nil {
				return taken, err
			}
		}
		if err == nil && h.Kind == protocol.KindEpochBegun {
			ordered, err := o.resumedBefore(recorder, log, h.Seq)
			if err != nil {
				return taken, err
			}
			if ordered {
				taken++
				continue
			}
		}
		source := central.Source{Recorder: recorder, Log: log, Seq: from + taken}
		if log > 0 { // it may go on from a copy of what a former log had: that is taken in already
			if source.Log, err = o.witness.First(recorder, log, source.Seq); err != nil {
				return taken, err
			}
		}
		if command := factOf(source, e); command != nil {
			if _, err := o.book.Do(ctx, command); err != nil {
				return taken, err
			}
		}
		taken++
	}
	return taken, err
}

// resumedBefore says that the entry before this one resumed the log. Then its seals begin anew by the privacy officer's own order, which is no incident: it stands with the one that made the order necessary.
func (o *Office) resumedBefore(recorder protocol.RecorderID, log, seq uint64) (bool, error) {
	if seq == 0 {
		return false, nil
	}
	before, err := o.witness.EntriesOf(recorder, log, seq-1, 1)
	if err != nil || len(before) == 0 {
		return false, err
	}
	h, err := chain.ParseHeader(before[0].Header)
	return h.Kind == protocol.KindResumed, err
}

// factOf is what an entry tells the centre, nil for nothing. One that cannot be read is an incident: the recorder is newer than we are, or confused.
func factOf(source central.Source, e chain.Entry) (command central.Command) {
	h, err := chain.ParseHeader(e.Header)
	read := func(body any) {
		if err = errors.New("its body is gone"); e.Body != nil {
			err = chain.ParseBody(e.Body, body)
		}
	}
	switch h.Kind {
	case protocol.KindOrder:
		c := central.RecordOrder{Source: source}
		read(&c.Order)
		command = c
	case protocol.KindHoldPlaced:
		c := central.ConfirmHold{Source: source}
		read(&c.Placed)
		command = c
	case protocol.KindHoldLifted:
		c := central.RecordLifted{Source: source}
		read(&c.Lifted)
		command = c
	case protocol.KindErased:
		c := central.RecordErased{Source: source}
		read(&c.Erased)
		command = c
	case protocol.KindReleased:
		c := central.RecordRelease{Source: source}
		read(&c.Released)
		command = c
	case protocol.KindReleaseFail:
		c := central.RecordReleaseFailed{Source: source}
		read(&c.Failed)
		command = c
	case protocol.KindRefused:
		c := central.RecordRefusedOrder{Source: source}
		read(&c.Refused)
		command = c
	case protocol.KindIntent, protocol.KindView:
		c := central.RecordAccess{Source: source, Access: central.Access{Recorder: source.Recorder, Log: source.Log, Seq: source.Seq, At: h.Time, Kind: h.Kind}}
		if e.Body != nil { // without one it still was an access, of which nothing is known
			if err := chain.ParseBody(e.Body, &c.Access.Access); err != nil {
				c.Access.Access = protocol.Access{}
			}
		}
		return c
	case protocol.KindResumed:
		c := central.RecordResumed{Source: source, At: h.Time}
		read(&c.Resumed)
		command = c
	case protocol.KindIncident:
		c := central.RecordIncident{Source: source}
		read(&c.Incident)
		command = c
	case protocol.KindEpochBegun:
		var b protocol.EpochBegun
		if read(&b); err == nil && b.Lost != "" {
			command = central.RecordIncident{Source: source, Ours: true, Incident: protocol.Incident{What: "seals-broken",
				Detail: fmt.Sprintf("epoch %d was begun without a seal before it (protocol/chain, Forward security): %s", b.Epoch, b.Lost)}}
		}
	}
	if err != nil {
		return central.RecordIncident{Source: source, Ours: true, Incident: protocol.Incident{What: "entry-unreadable", Detail: fmt.Sprintf("entry %d %s: %v", source.Seq, h.Kind, err)}}
	}
	return command
}

// tend does what only time brings, once a minute: hand-overs that nobody confirmed, and bags whose term is over; and dossiers whose term is over, once a day.
func (o *Office) tend(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	var erasedOn time.Time    // the day that dossiers were last looked after
	var destroyedOn time.Time // the same of the bodies of recorders' entries
	for {
		o.tellLedger(ctx)
		o.tellWitnesses(ctx)
		if _, err := o.book.Do(ctx, central.Tend{}); err != nil && ctx.Err() == nil {
			o.Log.Error("terms could not be looked after", "error", err)
		}
		if day := o.Now().Truncate(24 * time.Hour); !day.Equal(erasedOn) {
			if events, err := o.book.Do(ctx, central.EraseDue{}); err != nil && ctx.Err() == nil {
				o.Log.Error("dossiers whose term is over could not be erased; tried again in a minute", "error", err)
			} else if len(events) == 0 { // some at a time, until there are none
				erasedOn = day
			} else {
				o.Log.Info("dossiers erased at the end of their term", "dossiers", len(events))
			}
		}
		if day := o.Now().Truncate(24 * time.Hour); !day.Equal(destroyedOn) {
			if err := o.destroyBodies(ctx); err != nil && ctx.Err() == nil {
				o.Log.Error("bodies of recorders' entries whose term is over could not be destroyed; tried again in a minute", "error", err)
			} else {
				destroyedOn = day
			}
		}
		o.tendShares()
		o.tendVault(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// destroyBodies destroys the copies of bodies whose term is over, and puts in the ledger what went; also what went before a crash that the ledger was not told of.
func (o *Office) destroyBodies(ctx context.Context) error {
	_, err := o.witness.Destroy(ctx)
	round, any, wrong := o.witness.Destroyed()
	if any && wrong == nil {
		if _, wrong = o.book.Do(ctx, central.RecordDestroyed{BodiesDestroyed: round}); wrong == nil {
			o.Log.Info("bodies of recorders' entries destroyed at the end of their term", "bodies", round.Bodies())
			wrong = o.witness.Told(round)
		}
	}
	return errors.Join(err, wrong)
}

// tendVault keeps bags for their term and no longer.
func (o *Office) tendVault(ctx context.Context) {
	if !o.stored {
		if err := o.vault.Prepare(ctx); err != nil {
			if ctx.Err() == nil {
				o.Log.Error("the object store cannot be used; bags cannot be fetched", "error", err)
			}
			return
		}
		o.stored = true
		o.Log.Info("the object store answers", "endpoint", o.vault.Endpoint)
	}
	o.extendHandedOver(ctx)
	expiry, err := o.vault.Expire(ctx, o.Now())
	if err != nil && ctx.Err() == nil {
		o.Log.Error("the vault could not be read to its end", "error", err)
	}
	for _, r := range expiry.Deleted {
		o.Log.Info("evidence deleted at the end of its term", "object", r.Object, "version", r.Version)
	}
	for _, r := range expiry.Failed {
		o.Log.Error("evidence is kept longer than its term", "object", r.Object, "version", r.Version, "error", r.Err)
	}
	for _, name := range expiry.Tampered {
		o.Log.Error("evidence was written or deleted again under its name", "object", name)
	}
}

// extendHandedOver keeps a bag for fourteen days after its hand-over was confirmed; until then it is locked for fourteen days from its upload.
func (o *Office) extendHandedOver(ctx context.Context) {
	type kept struct {
		object string
		until  time.Time
	}
	var bags []kept
	o.book.View(func(s *central.State) {
		for _, r := range s.HandedOver(o.Now().Add(-protocol.HandOverTerm)) {
			for _, g := range r.Grants {
				if g.Released != nil {
					bags = append(bags, kept{g.Released.Object, r.HandedOver.At.Add(protocol.HandOverTerm)})
				}
			}
		}
	})
	for _, b := range bags {
		object, err := o.vault.Stat(ctx, b.object)
		if err == nil && object.Until.Before(b.until.Truncate(time.Second)) {
			err = o.vault.Extend(ctx, b.object, b.until)
		}
		if err != nil && ctx.Err() == nil {
			o.Log.Error("a bag that was handed over could not be kept longer", "object", b.object, "error", err)
		}
	}
}

// ownLedger is the ledger's newest checkpoint with the cosignatures it has so far. The centre's own witness signs it first; then it goes to the outside ones.
func (o *Office) ownLedger(ctx context.Context) (c chain.Checkpoint, signed []byte, err error) {
	o.telling.Lock()
	defer o.telling.Unlock()
	if o.toldNote != nil && o.told.Size == o.book.Size() {
		return o.told, o.toldNote, nil
	}
	if signed, err = o.book.Checkpoint(); err != nil {
		return c, nil, err
	}
	v, err := protocol.NewVerifier(o.keys.ledgerKey)
	if err != nil {
		return c, nil, err
	}
	if c, _, err = chain.OpenCheckpoint(signed, v.Name(), v); err != nil {
		return c, nil, err
	}
	if c == o.told {
		return c, o.toldNote, nil
	}
	grew := func(old, size uint64) (tlog.TreeProof, error) { return o.book.Grew(ctx, old, size) }
	if cosigned, err := o.witness.CosignLedger(signed, v, grew); err == nil {
		signed = cosigned
	} else { // recorders who saw more of it find that out as well
		o.alarm(ctx, central.Alarm{Kind: central.LedgerBehind, Detail: err.Error()})
	}
	o.carriedBack()
	if o.told, o.toldNote = c, signed; len(o.Config.Witnesses) > 0 {
		o.answered = make(chan struct{})
	}
	if err := o.book.Witnessed(ctx, signed); err != nil { // its export lacks them; nothing else does
		o.Log.Error("the ledger's cosigned checkpoint is not kept", "error", err)
	}
	o.courier.Carry(courier.Log{Origin: v.Name(), Proof: func(old, size uint64) (tlog.TreeProof, error) { return o.book.Grew(context.Background(), old, size) }}, signed, func(more []byte) {
		o.telling.Lock()
		defer o.telling.Unlock()
		if err := o.book.Witnessed(context.Background(), more); err != nil {
			o.Log.Error("the ledger's cosigned checkpoint is not kept", "error", err)
		}
		if o.told == c {
			o.toldNote = more
			o.carriedBack()
		}
	})
	return c, signed, nil
}

// carriedBack tells who waits for the cosignatures of the newest checkpoint that no more come. The caller holds telling.
func (o *Office) carriedBack() {
	if o.answered != nil {
		close(o.answered)
		o.answered = nil
	}
}

// cosignNow has the ledger cosigned as it is, for an export, and gives its size; who does not answer soon is left out.
func (o *Office) cosignNow(ctx context.Context) (size uint64) {
	if o.client == nil {
		return 0 // the centre that has the recorders does so each minute
	}
	c, _, err := o.ownLedger(ctx)
	if err != nil {
		o.Log.Error("the ledger's checkpoint", "error", err)
		return 0
	}
	o.telling.Lock()
	answered := o.answered
	o.telling.Unlock()
	if answered != nil {
		select {
		case <-answered: // or a newer checkpoint has taken its place
		case <-ctx.Done():
		case <-time.After(2 * courier.Patience):
		}
	}
	return c.Size
}

// cosignedOutside waits a moment for the outside witnesses to cosign what stands in a recorder's log, for an export, and gives its size. Its checkpoint is on its way to them since it came in; who is absent or
// refuses is not waited for.
func (o *Office) cosignedOutside(ctx context.Context, recorder protocol.RecorderID) (size uint64) {
	log, _ := o.witness.Recorder(recorder)
	if log.CosignedSize == 0 {
		return 0
	}
	present := -len(o.courier.Refusals(log.Origin))
	for _, w := range o.courier.Witnesses() {
		if w.Absent.IsZero() {
			present++
		}
	}
	give := time.After(courier.Patience)
	for {
		by, err := o.witness.CosignedBy(recorder, log.CosignedSize)
		if err != nil {
			o.Log.Error("who cosigned a recorder's log cannot be read", "recorder", recorder, "error", err)
		}
		if err != nil || by > present { // all of them, and our own
			return log.CosignedSize
		}
		select {
		case <-ctx.Done():
			return log.CosignedSize
		case <-give:
			return log.CosignedSize
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// alarm opens an incident of this centre's own; and says so in the log, in case it is the ledger that is wrong.
func (o *Office) alarm(ctx context.Context, a central.Alarm) {
	o.Log.Error("something a person must look at", "what", a.Kind, "recorder", a.Recorder, "detail", a.Detail)
	if _, err := o.book.Do(ctx, a); err != nil && ctx.Err() == nil {
		o.Log.Error("the ledger cannot take it in", "what", a.Kind, "error", err)
	}
}

// sendLedger sends a recorder the ledger's checkpoint, with the proof that it extends what its status says it follows, where it does not follow it yet. The head is what an order to it rests on: zero for a
// recorder of before that was asked. Sent says that it did not follow it yet.
func (o *Office) sendLedger(ctx context.Context, recorder protocol.RecorderID) (head protocol.LedgerHead, ok, sent bool) {
	c, signed, err := o.ownLedger(ctx)
	if err != nil {
		o.Log.Error("the ledger's checkpoint", "error", err)
		return head, false, false
	}
	status, _ := o.StatusOf(recorder)
	payload := signed
	if status.Ledger != nil {
		head = protocol.LedgerHead{Size: c.Size, Root: c.Root}
		follows := *status.Ledger
		o.mu.Lock()
		if last := o.sentLedgers[recorder]; o.Now().Sub(last.at) < sendAgain && last.head.Size > follows.Size {
			follows = last.head // it is on its way
		}
		o.mu.Unlock()
		if follows == head {
			return head, true, false
		}
		s := chain.Submission{Old: follows.Size, Note: signed}
		switch {
		case follows.Size > c.Size:
			o.alarm(ctx, central.Alarm{Recorder: recorder, Kind: central.LedgerBehind, Detail: fmt.Sprintf("it has seen %d entries of this centre's ledger, and here are %d", follows.Size, c.Size)})
			s.Old = 0 // what there is goes to it all the same: it keeps both as evidence
		case follows.Size > 0:
			if s.Proof, err = o.book.Grew(ctx, follows.Size, c.Size); err == nil && chain.CheckConsistency(s.Proof, follows.Size, follows.Root, c.Size, c.Root) != nil {
				o.alarm(ctx, central.Alarm{Recorder: recorder, Kind: central.LedgerBehind, Detail: fmt.Sprintf("it has seen another ledger of this centre: %d entries with root %s", follows.Size, follows.Root)})
			}
		}
		if err != nil {
			o.Log.Error("the proof that the ledger grew", "recorder", recorder, "error", err)
			return head, false, false
		}
		payload = chain.MarshalSubmission(s)
	}
	if err := o.client.Publish(ctx, protocol.Topic(recorder, protocol.DownLedger), payload, false); err != nil {
		if !errors.Is(err, broker.ErrNotConnected) && ctx.Err() == nil {
			o.Log.Warn("ledger checkpoint not sent", "recorder", recorder, "error", err)
		}
		return head, false, false
	}
	o.mu.Lock()
	o.sentLedgers[recorder] = sentLedger{head, o.Now()}
	o.mu.Unlock()
	return head, true, true
}

// tellApart is how long after one recorder the next is told of the ledger. Each answers with a status, and thousands at once would fill the queue.
const tellApart = 2 * time.Millisecond

// tellLedger hands the ledger's own checkpoint to every recorder that is online, which keeps it in its journal.
func (o *Office) tellLedger(ctx context.Context) {
	if o.client == nil {
		return
	}
	if err := o.book.KeepWitnessed(ctx); err != nil { // what came since a minute ago
		o.Log.Error("the ledger's cosigned checkpoints are not kept", "error", err)
	}
	if _, _, err := o.ownLedger(ctx); err != nil { // witnessed it is, also where no recorder is online
		o.Log.Error("the ledger's checkpoint", "error", err)
	}
	for _, r := range o.enrol() {
		if s, ok := o.StatusOf(r); ok && s.State == "online" {
			sending := &o.sending[protocol.HashOf([]byte(r))[0]%byte(len(o.sending))]
			sending.Lock()
			_, _, sent := o.sendLedger(ctx, r)
			sending.Unlock()
			if sent {
				select {
				case <-ctx.Done():
					return
				case <-time.After(tellApart):
				}
			}
		}
	}
}
