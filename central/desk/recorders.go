package desk

import (
	"net/http"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Recorders, for the administrator who enrols them: which are in use, the mark that keeps a stolen one from its own disks, and the next roster, which the
// administrator carries to the recorder and cannot make.

type recordersPage struct {
	form
	Recorders []keptRecorder
	Find      finder
	Marks     []central.Mark
	May       *central.Refusal // why this person marks none
}

// keptRecorder is a recorder and how far its disks need this centre.
type keptRecorder struct {
	*central.Recorder
	Heard    bool
	Received protocol.Time
	Share    *protocol.ShareAsk // by its last status; nil: it needs no share
	Over     bool               // its shares are destroyed
}

// Blind says that it records without being able to read.
func (r keptRecorder) Blind() bool { return r.Share != nil && !r.Share.Open }

var titleRecorders = page.Both("Recorders", "Recorders")

func (d *desk) recorders(v *visit) { d.showRecorders(v, http.StatusOK, form{}) }

func (d *desk) showRecorders(v *visit, status int, f form) {
	d.show(v, status, "recorders.html", titleRecorders, func(st *central.State) any {
		out := recordersPage{form: f, Marks: central.Marks}
		out.Find = v.finder()
		for _, r := range take(&out.Find, st.RecordersFrom, isRecorder) {
			out.Recorders = append(out.Recorders, d.kept(r, v.now))
			out.May = would(st, central.MarkRecorder{By: v.me(), Recorder: r.ID, Mark: otherMark(r.Mark), Reason: "?"}, v.now)
		}
		return out
	})
}

// otherMark is one that a recorder does not have.
func otherMark(m central.Mark) central.Mark {
	if m == central.Stolen {
		return central.Withdrawn
	}
	return central.Stolen
}

func (d *desk) kept(r *central.Recorder, now time.Time) keptRecorder {
	k := keptRecorder{Recorder: r, Over: r.Given != nil && r.SharesOver(now)}
	if status, received, ok := d.Recorders.Status(r.ID); ok {
		k.Heard, k.Received, k.Share = status.State == "online" && now.Sub(received) < heardWithin, protocol.T(received), status.Share
	}
	return k
}

func (d *desk) markRecorder(v *visit) {
	refusal := &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Kies wat er met de recorder is.", "Choose what is the matter with the recorder.")}
	if v.r.PostForm.Has("stand") {
		var ok bool
		refusal, ok = d.do(v, central.MarkRecorder{By: v.me(), Recorder: protocol.RecorderID(v.r.PathValue("recorder")), Mark: central.Mark(v.value("stand")), Reason: v.value("reden")})
		if !ok {
			return
		}
	}
	d.answered(v, refusal, "/bureau/recorders", d.showRecorders)
}

// publishRoster sends a recorder its next roster.
func (d *desk) publishRoster(v *visit) {
	d.give(v, "/bureau/recorders", d.showRecorders, func(a *answers) central.Command {
		return central.PublishRoster{By: v.me(), Recorder: protocol.RecorderID(v.r.PathValue("recorder")), Roster: a.file("rooster")}
	})
}
