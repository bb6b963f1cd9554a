package demo

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/html"

	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/enrol"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// putBack: the recorder's journal is put back from a copy, as an administrator does who means well or does not. The recorder records and serves nothing, until the privacy officer has seen the
// incident and signs, with the passkey that the roster names, that it goes on.
func (c *check) putBack(ctx context.Context) (string, error) {
	key, err := c.officersKey(ctx)
	if err != nil {
		return "", err
	}
	journal, copied := c.path("recorder-data", "journal"), c.path("journal-of-before")
	c.stopRecorder()
	if err := os.CopyFS(copied, os.DirFS(journal)); err != nil {
		return "", err
	}
	if err := c.startRecorder(ctx); err != nil {
		return "", err
	}
	var had uint64
	if _, err := wait(ctx, 40*time.Second, "the centre has cosigned more than the copy holds", func() (string, bool, error) {
		log, err := c.logFile()
		if err != nil {
			return "", false, err
		}
		d, err := c.verifyLog(log)
		if err != nil || d.Checkpoint == nil {
			return "", false, err
		}
		if had == 0 {
			had = d.Entries
		}
		return "", d.Checkpoint.Size > had+2, nil
	}); err != nil {
		return "", err
	}
	c.stopRecorder()
	if err := os.RemoveAll(journal); err != nil {
		return "", err
	}
	if err := os.Rename(copied, journal); err != nil {
		return "", err
	}
	if err := c.startRecorder(ctx); err != nil {
		return "", err
	}
	back := time.Now()
	var said string
	if _, err := wait(ctx, 40*time.Second, "the recorder knows that it was put back, and the desk has the incident", func() (string, bool, error) {
		status, _ := c.office.StatusOf(recorderID)
		p, err := c.officer.Get(ctx, "/bureau/logboeken/"+string(recorderID)+"/hervatten")
		if err != nil {
			return "", false, err
		}
		said = fmt.Sprintf("the recorder says %q, the page %.1500q", status.Why, p.Text)
		return "", strings.Contains(status.Why, "the witness has more of this journal") && p.Has(string(recorderID)+"/hervatten#hervatten"), nil
	}); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	recorded, err := c.journalled(ctx, "footage that is sealed while nothing is served", 30*time.Second, func(e entry) (bool, error) { return e.Kind == protocol.KindSealed && e.Time.After(back), nil })
	if err != nil {
		return "", err
	}
	p, err := c.officer.Get(ctx, "/bureau/logboeken/"+string(recorderID)+"/hervatten")
	if err != nil {
		return "", err
	}
	if p, err = c.officer.Submit(ctx, p, string(recorderID)+"/hervatten#hervatten", url.Values{"reden": {"een beheerder zette een reservekopie terug"}}); err != nil {
		return "", err
	}
	if p, err = key.answer(ctx, c.officer, p, "/ondertekenen#hervatten", nil); err != nil {
		return "", err
	}
	if p.Status != 200 {
		return "", fmt.Errorf("the order to resume: status %d: %.600s", p.Status, p.Text)
	}
	resumed, err := c.journalled(ctx, "log.resumed", 30*time.Second, func(e entry) (bool, error) { return e.Kind == protocol.KindResumed, nil })
	if err != nil {
		return "", err
	}
	var d chain.Verdict
	if _, err := wait(ctx, 40*time.Second, "the successor is cosigned, and the recorder serves again", func() (string, bool, error) {
		log, err := c.logFile()
		if err != nil {
			return "", false, err
		}
		status, _ := c.office.StatusOf(recorderID)
		d, err = c.verifyLog(log)
		return "", err == nil && d.Quorum && d.Matches && d.Checkpoint.Size > resumed.Seq && status.Log == 2 && status.Why == "", err
	}); err != nil {
		return "", err
	}
	if _, err := c.lookedBack(ctx); err != nil {
		return "", fmt.Errorf("looking back after it: %w", err)
	}
	return fmt.Sprintf("a journal that was put back served nothing and recorded (entry %d), until the privacy officer signed with a passkey that it goes on (entry %d), as %s", recorded.Seq, resumed.Seq, d.Checkpoint.Origin), nil
}

// officersKey gives the privacy officer a passkey and has the recorder's roster name it: two roots sign that, and the administrator sends it.
func (c *check) officersKey(ctx context.Context) (*passkey, error) {
	key, err := newPasskey(c.pages())
	if err != nil {
		return nil, err
	}
	p, err := c.officer.Get(ctx, "/bureau/account")
	if err != nil {
		return nil, err
	}
	if p, err = key.answer(ctx, c.officer, p, "/passkeys", url.Values{"naam": {"tekensleutel"}}); err != nil {
		return nil, err
	}
	line := find(p.node, func(n *html.Node) bool { return n.Data == "pre" })
	if line == nil {
		return nil, fmt.Errorf("the officer's account shows no key for a roster: %.600s", p.Text)
	}
	roster, err := enrol.NextRoster(c.path("recorder"), []string{c.path("roots", "root-1.key"), c.path("roots", "root-2.key")}, time.Now(), func(r *protocol.Roster) error {
		r.OfficerKey = text(line)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if p, err = c.administrator.Get(ctx, "/bureau/recorders"); err != nil {
		return nil, err
	}
	if p, err = c.administrator.Upload(ctx, p, "/bureau/recorders/"+string(recorderID)+"/rooster", "rooster", "roster", roster); err != nil {
		return nil, err
	}
	if p.Status != 200 {
		return nil, fmt.Errorf("sending the new roster: status %d: %.600s", p.Status, p.Text)
	}
	_, err = c.journalled(ctx, "the roster that names the officer's key", 30*time.Second, func(e entry) (bool, error) {
		if e.Kind != protocol.KindOrder {
			return false, nil
		}
		var o protocol.Order
		err := e.read(&o)
		return strings.Contains(o.Document, "\nofficer-key "), err
	})
	return key, err
}
