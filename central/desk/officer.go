package desk

import (
	"net/http"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The privacy officer: every access beside what allowed it, the health of the logs, what is held.

func (d *desk) accesses(v *visit) {
	accesses, err := d.Recorders.Accesses()
	if err != nil {
		d.failed(v, "accesses", err)
		return
	}
	if !d.reading(v, central.ReadAccesses, "") {
		return
	}
	d.show(v, http.StatusOK, "accesses.html", page.Both("Toegang tot beelden", "Accesses to footage"), func(st *central.State) any {
		list, counts := st.Overseen(st.Match(accesses))
		return struct {
			List   []central.MatchedAccess
			Counts []central.WpgCount
		}{list, counts}
	}, wide)
}

// reading records what somebody who oversees is about to see (R10). Where it cannot be recorded nothing is shown, and this has answered.
func (d *desk) reading(v *visit, what central.Reading, about string) bool {
	if _, err := d.Book.Do(v.r.Context(), central.RecordReading{By: v.me(), What: what, About: about}); err != nil {
		d.failed(v, "record a reading", err)
		return false
	}
	return true
}

// recorderLog is one recorder's log and what its witness says.
type recorderLog struct {
	*central.Recorder
	Chain
	Status   protocol.Status
	Received protocol.Time
	Heard    bool
}

// Trouble says that a person must look.
func (l recorderLog) Trouble() bool { return l.Silent || len(l.Findings) > 0 }

func (d *desk) recorderLogs(st *central.State, now time.Time) []recorderLog {
	var list []recorderLog
	for _, r := range st.Recorders() {
		l := recorderLog{Recorder: r, Chain: d.Recorders.Chain(r.ID)}
		if status, received, ok := d.Recorders.Status(r.ID); ok {
			l.Status, l.Received, l.Heard = status, protocol.T(received), status.State == "online" && now.Sub(received) < heardWithin
		}
		list = append(list, l)
	}
	slices.SortStableFunc(list, func(a, b recorderLog) int {
		switch {
		case a.Trouble() && !b.Trouble():
			return -1
		case b.Trouble() && !a.Trouble():
			return 1
		}
		return 0
	})
	return list
}

func (d *desk) logs(v *visit) {
	checkpoint, err := d.Book.Checkpoint()
	if err != nil {
		d.failed(v, "the ledger's checkpoint", err)
		return
	}
	size := d.Book.Size()
	var witnesses []OutsideWitness
	if d.Witnesses != nil {
		witnesses = d.Witnesses()
	}
	alone := d.Site.SelfWitnessed != nil && d.Site.SelfWitnessed()
	d.show(v, http.StatusOK, "logs.html", page.Both("Logboeken", "Logs"), func(st *central.State) any {
		return struct {
			Recorders  []recorderLog
			Size       uint64
			Checkpoint string
			Alone      bool
			Witnesses  []OutsideWitness
		}{d.recorderLogs(st, v.now), size, string(checkpoint), alone, witnesses}
	}, wide)
}

// exportLog gives a recorder's log, or the centre's own as "centrale", to verify with the tool on another machine.
func (d *desk) exportLog(v *visit) {
	name := v.r.PathValue("recorder")
	known := name == ledgerName
	d.Book.View(func(st *central.State) { known = known || st.Recorder(protocol.RecorderID(name)) != nil })
	if !known {
		d.nothing(v)
		return
	}
	if !d.reading(v, central.ReadLog, name) {
		return
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="logboek-`+name+`.log"`)
	var err error
	if name == ledgerName {
		err = d.Book.Export(page.Steady(v.w))
	} else {
		err = d.Recorders.Export(protocol.RecorderID(name), page.Steady(v.w))
	}
	if err != nil {
		d.Log.Error("a log could not be exported whole", "log", name, "err", err)
		panic(http.ErrAbortHandler) // what was sent is not the whole log, and must not look like it
	}
}

const ledgerName = "centrale"

// held is one hold and whose it is.
type held struct {
	*central.Hold
	Path   string // of the request
	Status central.Words
	Age    time.Duration
}

func (d *desk) holds(v *visit) {
	d.show(v, http.StatusOK, "holds.html", page.Both("Bewaarde beelden", "Held footage"), func(st *central.State) any {
		out := struct {
			List  []held
			Bytes int64
		}{}
		add := func(holds []*central.Hold, path string, status central.Words) {
			for _, h := range holds {
				if s := h.State(); s == "lifted" || s == "refused" || !v.now.Before(h.End.Time) {
					continue
				}
				out.List = append(out.List, held{h, path + string(h.Request), status, v.now.Sub(h.Issued.Time)})
				if h.Confirmed != nil {
					out.Bytes += h.Confirmed.Bytes
				}
			}
		}
		for _, r := range st.Requests(v.me(), v.now) {
			add(r.Holds, "/bureau/aanvragen/", r.Status.Words())
		}
		for _, q := range st.SubjectRequests(v.me(), v.now) {
			add(q.Holds, "/bureau/betrokkenen/", subjectState(v, q).Words)
		}
		slices.SortStableFunc(out.List, func(a, b held) int { return a.Issued.Compare(b.Issued.Time) }) // oldest first
		return out
	}, wide)
}
