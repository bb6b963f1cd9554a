package central

import (
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Of WPG cameras the municipality's officer sees placement facts and counts; the request, its holds and who looked are the police's.
func TestR08_OfWpgCamerasOnlyFactsAndCounts(t *testing.T) {
	c := newCentre(t)
	f := theft()
	f.Kind, f.Article, f.Authority, f.Cameras = WpgRelease, "", "", []protocol.CameraID{"plein"}
	c.do(FileRequest{requester, f})
	c.do(FileRequest{requester, theft()})
	if r := c.s.Request("z-1"); r.Regime != protocol.WPG || c.s.MayRead(officer, r, c.now) {
		t.Error("the municipality's officer reads a WPG request")
	}
	if list := c.s.Requests(officer, c.now); len(list) != 1 || list[0].ID != "z-2" {
		t.Errorf("the officer's list: %d requests", len(list))
	}
	if !c.s.MayRead(policeH, c.s.Request("z-1"), c.now) || !c.s.MayRead(requester, c.s.Request("z-1"), c.now) {
		t.Error("the police do not read their own request")
	}
	c.do(RecordRefusedOrder{c.source(), protocol.OrderRefused{Number: c.s.Request("z-1").Holds[0].Number, Reason: "disk full"}})
	for _, task := range c.s.Inbox(officer, c.now) {
		if task.Trouble.Request != "" || task.Trouble.Camera != "plein" {
			t.Errorf("the incident leads to the request, or not to its camera: %+v", task.Trouble)
		}
	}
	access := Access{Recorder: "rec-1", Seq: 3, At: protocol.T(c.now), Kind: protocol.KindView, Access: protocol.Access{Camera: "plein", Person: policeH}}
	other := access
	other.Camera = "hal"
	list, counts := c.s.Overseen(c.s.Match([]Access{access, other}))
	if len(list) != 1 || list[0].Camera != "hal" || len(counts) != 1 || counts[0].Camera != "plein" || counts[0].Requests != 1 || counts[0].Accesses != 1 || counts[0].Orphans != 1 {
		t.Errorf("%+v\n%+v", list, counts)
	}
}

// What the officer opens is in the ledger; a page that stays open is one reading, each copy of a log is one.
func TestR10_TheOfficersOwnReadingIsRecorded(t *testing.T) {
	c := newCentre(t)
	c.do(RecordReading{officer, ReadRequest, "z-1"})
	c.do(RecordReading{officer, ReadLog, "rec-1"})
	c.do(RecordReading{officer, ReadRequest, "z-1"})
	c.do(RecordReading{officer, ReadLog, "rec-1"})
	c.do(RecordReading{officer, ReadRequest, "z-2"})
	c.now = c.now.Add(time.Hour)
	c.do(RecordReading{officer, ReadRequest, "z-1"})
	if events := c.do(RecordReading{handler, ReadRequest, "z-1"}); events != nil {
		t.Error("a handler's work is not oversight")
	}
	got := ""
	for _, r := range c.s.Readings() {
		got += string(r.What) + " " + r.About + ";"
	}
	if want := "request z-1;request z-2;log rec-1;log rec-1;request z-1;"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestR10_NotesAreTheOfficersAlone(t *testing.T) {
	c := newCentre(t)
	c.refused(WriteNote{handler, "z-1", "x"}, CodeForbidden)
	c.refused(WriteNote{officer, "z-1", " "}, CodeInvalid)
	c.do(WriteNote{officer, "z-1", "nabellen"})
	for _, p := range []protocol.PersonID{admin, registrar, handler, approver, requester, staff, policeH} {
		if len(c.s.Notes(p, c.now)) != 0 {
			t.Errorf("%s reads the officer's notes", p)
		}
	}
	if n := c.s.Notes(officer, c.now); len(n) != 1 || n[0].Text != "nabellen" {
		t.Errorf("%+v", n)
	}
}
