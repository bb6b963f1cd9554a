package central

import (
	"fmt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// decision is one Decide in progress: the state as it is, one now, and the events so far.
type decision struct {
	*State
	now     protocol.Time
	by      protocol.PersonID // who the events are by
	via     ClientID          // the system that vouched for that; see Through
	once    *Once             // the idempotency key of a filing through a system
	events  []Event
	numbers map[protocol.RecorderID]uint64 // orders issued in this decision
	issued  uint64                         // documents issued in this decision
	despite string                         // why this goes on against the privacy officer's advice; see advice.go
}

func (d *decision) record(f Fact) {
	d.events = append(d.events, Event{Seq: d.Size + uint64(len(d.events)), Time: d.now, By: d.by, Via: d.via, Fact: f, Dossier: d.dossierOf(f)})
}

// as makes person the actor, if they hold the role, active now.
func (d *decision) as(person protocol.PersonID, role Role, regime protocol.Regime) error {
	d.by = person
	return d.acts(person, role, regime, d.now.Time)
}

// start is when a document issued now begins; see clockSlack.
func (d *decision) start() protocol.Time { return protocol.T(d.now.Add(-clockSlack)) }

// heading begins the next document for a recorder. Its id is the prefix and a number that no other document has.
func (d *decision) heading(prefix string, r protocol.RecorderID, notAfter protocol.Time) protocol.Heading {
	return protocol.Heading{ID: protocol.DocumentID(fmt.Sprintf("%s-%d", prefix, d.documents+d.issued+1)), Recorder: r, NotBefore: d.start(), NotAfter: notAfter}
}

// issue puts a document in the outbox as its recorder's next order. What the recorder would refuse for want of authority is refused here, where
// the people who can mend it are.
func (d *decision) issue(doc protocol.Document, regime protocol.Regime, expires protocol.Time) error {
	raw, err := protocol.Compose(doc)
	if err != nil {
		return badOrder(err)
	}
	return d.issueSigned(raw, regime, expires)
}

// issueSigned is issue for a document that has signatures of persons under it.
func (d *decision) issueSigned(raw []byte, regime protocol.Regime, expires protocol.Time) error {
	signed, err := protocol.ParseDocument(raw)
	if err != nil {
		return badOrder(err)
	}
	r := d.recorders[signed.Head().Recorder]
	if r == nil {
		return unknown("Recorder", "Recorder", string(signed.Head().Recorder))
	}
	if err := r.Roster.Current(d.now.Time); err != nil {
		return d.offRoster(r, err)
	}
	if _, err := r.Roster.Authorise(signed, regime); err != nil {
		return d.offRoster(r, err)
	}
	d.send(r, raw, signed.Head().NotBefore, expires)
	return nil
}

func badOrder(err error) error {
	return refuse(CodeInvalid, "De opdracht aan de recorder is niet geldig: "+err.Error(), "The order to the recorder is not valid: "+err.Error())
}

func (d *decision) offRoster(r *Recorder, err error) error {
	return refuse(CodeRoster,
		fmt.Sprintf("Het rooster van recorder %s staat dit niet toe (%v). De beheerder kan een nieuw rooster laten ondertekenen.", r.ID, err),
		fmt.Sprintf("The roster of recorder %s does not allow this (%v). The administrator can have a new roster signed.", r.ID, err))
}

// send records the order.
func (d *decision) send(r *Recorder, raw []byte, notBefore, notAfter protocol.Time) {
	d.numbers[r.ID]++
	d.issued++
	d.record(&OrderIssued{Recorder: r.ID, Number: r.Next() - 1 + d.numbers[r.ID], NotBefore: notBefore, NotAfter: notAfter, Document: string(raw)})
}

// earliest of two times.
func earliest(a, b protocol.Time) protocol.Time {
	if b.Before(a.Time) {
		return b
	}
	return a
}
